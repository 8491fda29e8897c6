//! Cuts SQL text into what is syntax, what is quoted and what is a parameter.
//!
//! It knows as much of each engine as it takes to say where quotes, comments and casts end,
//! and is strict where two settings of a server would read the same text in two ways.

use super::Dialect;

/// A stretch of SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words, operators and blanks.
    Code(&'a str),
    /// A literal or a quoted identifier, with its quotes.
    Quoted(&'a str),
    Comment(&'a str),
    /// The name behind `:`.
    Parameter(&'a str),
}

/// What cannot be, and where: an offset in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) says: String,
}

impl Mistake {
    pub(super) fn new(at: usize, says: impl Into<String>) -> Self {
        Self { at, says: says.into() }
    }
}

/// All pieces with their offsets; joined they are the text again (a parameter less its `:`).
pub(super) fn pieces(sql: &str, dialect: Dialect) -> Result<Vec<(usize, Piece<'_>)>, Mistake> {
    let mut pieces = Vec::new();
    let (mut at, mut code) = (0, 0);
    while at < sql.len() {
        let found = special(sql, at, dialect)?;
        let Some((end, piece)) = found else {
            // A cast, or any other character.
            at += if sql[at..].starts_with("::") { 2 } else { width(sql, at) };
            continue;
        };
        if code < at {
            pieces.push((code, Piece::Code(&sql[code..at])));
        }
        pieces.push((at, piece));
        (at, code) = (end, end);
    }
    if code < sql.len() {
        pieces.push((code, Piece::Code(&sql[code..])));
    }
    Ok(pieces)
}

fn width(sql: &str, at: usize) -> usize {
    sql[at..].chars().next().map_or(1, char::len_utf8)
}

/// What begins at `at`, if it is not plain code, and where it ends.
fn special(sql: &str, at: usize, dialect: Dialect) -> Result<Option<(usize, Piece<'_>)>, Mistake> {
    let rest = &sql[at..];
    let next = rest.as_bytes().get(1).copied();
    let is_comment = match rest.as_bytes()[0] {
        // MySQL takes `--` for two minus signs unless a blank follows.
        b'-' if next == Some(b'-') => {
            let after = rest.as_bytes().get(2).copied();
            dialect != Dialect::MySql || after.is_none_or(|b| b.is_ascii_whitespace())
        }
        b'#' => dialect == Dialect::MySql,
        _ => false,
    };
    if is_comment {
        let end = rest.find('\n').map_or(sql.len(), |line| at + line + 1);
        return Ok(Some((end, Piece::Comment(&sql[at..end]))));
    }
    let quoted = |end: usize| Ok(Some((end, Piece::Quoted(&sql[at..end]))));
    match rest.as_bytes()[0] {
        b'/' if next == Some(b'*') => {
            let end = block_comment(sql, at, dialect)?;
            Ok(Some((end, Piece::Comment(&sql[at..end]))))
        }
        b'\'' => quoted(literal(sql, at, b'\'', escapes(sql, at, dialect))?),
        b'"' => quoted(literal(sql, at, b'"', escapes(sql, at, dialect))?),
        b'`' if matches!(dialect, Dialect::MySql | Dialect::Sqlite) => {
            quoted(literal(sql, at, b'`', Backslash::Plain)?)
        }
        b'[' if matches!(dialect, Dialect::Sqlite | Dialect::SqlServer) => {
            quoted(literal(sql, at, b']', Backslash::Plain)?)
        }
        b'$' if dialect == Dialect::PostgreSql && !is_within_word(sql, at) => {
            dollar_quote(sql, at)?.map_or(Ok(None), quoted)
        }
        b':' if next.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') => {
            // The second colon of a cast never comes here: the first takes both.
            let name = &rest[1..];
            let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let length = length.unwrap_or(name.len());
            Ok(Some((at + 1 + length, Piece::Parameter(&name[..length]))))
        }
        _ => Ok(None),
    }
}

/// What a backslash means in a literal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// Itself.
    Plain,
    /// It escapes what follows.
    Escapes,
    /// One or the other, as a setting of the server says.
    Depends,
}

fn escapes(sql: &str, at: usize, dialect: Dialect) -> Backslash {
    let before = &sql.as_bytes()[..at];
    let is_prefixed = matches!(before.last(), Some(b'e' | b'E'))
        && !before.len().checked_sub(2).is_some_and(|last| is_word(before[last]));
    match dialect {
        Dialect::MySql => Backslash::Depends,
        Dialect::PostgreSql if is_prefixed && sql.as_bytes()[at] == b'\'' => Backslash::Escapes,
        _ => Backslash::Plain,
    }
}

/// The offset behind a literal that ends with `close`, which is doubled inside.
fn literal(sql: &str, at: usize, close: u8, backslash: Backslash) -> Result<usize, Mistake> {
    let bytes = sql.as_bytes();
    let mut here = at + 1;
    let mut slashes = 0;
    while let Some(&byte) = bytes.get(here) {
        if byte == close {
            if slashes % 2 == 1 && backslash == Backslash::Depends {
                let says = "a backslash before a quote means one thing or another, as the \
                            server's sql_mode says; write the quote twice instead";
                return Err(Mistake::new(here - 1, says));
            }
            if slashes % 2 == 0 || backslash == Backslash::Plain {
                if bytes.get(here + 1) != Some(&close) {
                    return Ok(here + 1);
                }
                here += 1;
            }
        }
        slashes = if byte == b'\\' { slashes + 1 } else { 0 };
        here += 1;
    }
    Err(Mistake::new(at, "what is opened here by a quote is never closed; close it"))
}

/// The offset behind a comment; PostgreSQL's and SQL Server's hold comments of their own.
fn block_comment(sql: &str, at: usize, dialect: Dialect) -> Result<usize, Mistake> {
    if dialect == Dialect::MySql && sql[at..].starts_with("/*!") {
        return Err(Mistake::new(at, "a comment that the server would run; write it out"));
    }
    let nests = matches!(dialect, Dialect::PostgreSql | Dialect::SqlServer);
    let (mut depth, mut here) = (1_usize, at + 2);
    while here < sql.len() {
        let rest = &sql.as_bytes()[here..];
        if rest.starts_with(b"*/") {
            (depth, here) = (depth - 1, here + 2);
            if depth == 0 {
                return Ok(here);
            }
        } else if nests && rest.starts_with(b"/*") {
            (depth, here) = (depth + 1, here + 2);
        } else {
            here += 1;
        }
    }
    Err(Mistake::new(at, "this comment is never closed; close it with */"))
}

/// The offset behind `$tag$ … $tag$`; `None` when no such quote begins here.
fn dollar_quote(sql: &str, at: usize) -> Result<Option<usize>, Mistake> {
    let rest = &sql[at + 1..];
    let Some(length) = rest.find('$') else { return Ok(None) };
    let tag = &rest[..length];
    let is_tag = tag.bytes().all(is_word) && !tag.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return Ok(None);
    }
    let fence = &sql[at..at + length + 2];
    let body = at + fence.len();
    match sql[body..].find(fence) {
        Some(end) => Ok(Some(body + end + fence.len())),
        None => Err(Mistake::new(at, "this dollar quote is never closed; close it")),
    }
}

fn is_within_word(sql: &str, at: usize) -> bool {
    sql[..at].bytes().next_back().is_some_and(|b| is_word(b) || b == b'$')
}

/// May this byte stand in an unquoted name? Bytes above ASCII may.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
