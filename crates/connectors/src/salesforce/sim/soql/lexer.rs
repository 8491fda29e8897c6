//! Words, signs and literals of SOQL and SOSL.

use super::super::store::Refused;

/// What is wrong with a text, and where (byte position).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn new(at: usize, what: impl Into<String>) -> Broken {
        Broken { at, what: what.into() }
    }

    pub(crate) fn refused(self, text: &str) -> Refused {
        Refused::new("MALFORMED_QUERY", super::at(text, self.at, &self.what))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, keyword or path: `Account.Name`.
    Word(&'a str),
    /// What stands between the quotes, still escaped.
    Text(&'a str),
    /// A number, date or datetime.
    Literal(&'a str),
    /// `(`, `)`, `,`, `=`, `!=`, `<`, `<=`, `>`, `>=`, `:`
    Sign(&'a str),
    End,
}

/// Splits the text into tokens with their positions; the last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Broken> {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(64);
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'\'' => {
                let end = close_quote(bytes, at)?;
                found.push((at, Token::Text(&text[at + 1..end])));
                at = end + 1;
                continue;
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let more = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
                let end = at + bytes[at..].iter().take_while(|b| more(b)).count();
                found.push((at, Token::Word(&text[at..end])));
                end
            }
            byte if byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.') => {
                let more =
                    |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.' | b':');
                let end = at + bytes[at..].iter().take_while(|b| more(b)).count();
                found.push((at, Token::Literal(&text[at..end])));
                end
            }
            b'!' | b'<' | b'>' if matches!(bytes.get(at + 1), Some(b'=')) => {
                sign(text, at, 2, &mut found)
            }
            b'<' if bytes.get(at + 1) == Some(&b'>') => sign(text, at, 2, &mut found),
            b'(' | b')' | b',' | b'=' | b'<' | b'>' | b':' => sign(text, at, 1, &mut found),
            _ => {
                let odd = text[at..].chars().next().unwrap_or(' ');
                return Err(Broken::new(
                    at,
                    format!("line 1:{at} no viable alternative at character '{odd}'"),
                ));
            }
        };
        at = end;
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn sign<'a>(text: &'a str, at: usize, length: usize, into: &mut Vec<(usize, Token<'a>)>) -> usize {
    into.push((at, Token::Sign(&text[at..at + length])));
    at + length
}

fn close_quote(bytes: &[u8], open: usize) -> Result<usize, Broken> {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => return Ok(at),
            _ => at += 1,
        }
    }
    Err(Broken::new(open, "line 1: mismatched character '<EOF>' expecting '''"))
}

/// One character of a LIKE pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
}

/// What a literal means; the escapes are exactly the documented ones.
pub(crate) fn text(raw: &str, at: usize) -> Result<String, Broken> {
    if !raw.contains('\\') {
        return Ok(raw.to_owned());
    }
    let mut out = String::with_capacity(raw.len());
    for piece in pieces(raw, at, false)? {
        if let Piece::Char(c) = piece {
            out.push(c);
        }
    }
    Ok(out)
}

/// What a LIKE literal means: there `\%` and `\_` are escapes too.
pub(crate) fn pattern(raw: &str, at: usize) -> Result<Vec<Piece>, Broken> {
    pieces(raw, at, true)
}

fn pieces(raw: &str, at: usize, like: bool) -> Result<Vec<Piece>, Broken> {
    let mut out = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '%' if like => Piece::Any,
            '_' if like => Piece::One,
            '\\' => Piece::Char(escape(&mut chars, like).map_err(|seen| {
                Broken::new(
                    at,
                    format!(
                        "Invalid string literal '{raw}'. Illegal character sequence '\\{seen}' in string literal."
                    ),
                )
            })?),
            c => Piece::Char(c),
        });
    }
    Ok(out)
}

fn escape(chars: &mut std::str::Chars<'_>, like: bool) -> Result<char, String> {
    match chars.next() {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('b') => Ok('\u{8}'),
        Some('f') => Ok('\u{c}'),
        Some(c @ ('"' | '\'' | '\\')) => Ok(c),
        Some(c @ ('_' | '%')) if like => Ok(c),
        Some('u') => {
            let digits: String = chars.take(4).collect();
            let whole = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let code = u32::from_str_radix(&digits, 16).ok().filter(|_| whole);
            code.and_then(char::from_u32).ok_or_else(|| format!("u{digits}"))
        }
        Some(c) => Err(c.to_string()),
        None => Err(String::new()),
    }
}
