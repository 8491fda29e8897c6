//! A query from the configuration, made ready for one engine: the only way to SQL there is.
//!
//! It is read once, when the connection is opened. `:names` become the engine's own
//! placeholders; what a caller says is only ever bound to these, and never becomes text.
//! One statement that reads is all that passes; that it only reads, the server's own
//! read-only session sees to besides.

mod lexer;
#[cfg(test)]
mod tests;

use kit::Error;
use lexer::{Mistake, Piece, is_word, pieces};

/// Longest query that is read.
const QUERY_MAX: usize = 64 * 1024;
/// Most placeholders in one query: SQL Server takes 2,100, the others more.
const BINDS_MAX: usize = 1_000;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    PostgreSql,
    MySql,
    Sqlite,
    SqlServer,
}

/// What a query may be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// How many values there are: 1, or the most of a list, which stands as `IN (:name)`.
    pub(super) most: usize,
}

impl Parameter {
    pub(super) const fn one(name: &'static str) -> Self {
        Self { name, most: 1 }
    }
}

/// Which parameters a query may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// These, and at least one of them: a query without would answer the same to everybody.
    Some(&'static [Parameter]),
    /// Whatever it names, or nothing.
    Any,
}

/// A query ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The setting it stands in, for messages.
    pub(super) setting: String,
    /// With the engine's own placeholders.
    pub(super) text: String,
    binds: Vec<Bind>,
}

/// What is bound to one placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bind {
    name: String,
    nth: usize,
}

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    One(Argument),
    /// At least one; the last stands for those that are missing.
    Many(Vec<String>),
}

/// A value at its placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    Text(String),
    Integer(i64),
    Null,
}

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Self::One(Argument::Text(text.to_owned()))
    }
}

impl Statement {
    /// Reads what an administrator wrote under `setting`.
    ///
    /// # Errors
    /// `Invalid` naming the setting, the place in it and the mend.
    pub(super) fn compile(
        setting: &str,
        sql: &str,
        dialect: Dialect,
        takes: Takes,
    ) -> Result<Self, Error> {
        let statement = compiled(sql, dialect, takes).map_err(|mistake| {
            let before = &sql[..mistake.at.min(sql.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let reason = format!("line {line}, column {column}: {}", mistake.says);
            Error::Invalid { field: Some(setting.to_owned()), reason }
        })?;
        Ok(Self { setting: setting.to_owned(), ..statement })
    }

    /// A statement that this connector made itself, of quoted names and placeholders:
    /// no value is ever part of its text.
    pub(super) fn made(setting: &str, text: String) -> Self {
        Self { setting: setting.to_owned(), text, binds: Vec::new() }
    }

    /// Names of the parameters in it, each once, in their order.
    pub(super) fn parameters(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for bind in &self.binds {
            if !names.contains(&bind.name.as_str()) {
                names.push(&bind.name);
            }
        }
        names
    }

    /// What stands at each placeholder, given the parameters.
    ///
    /// # Errors
    /// `Invalid` naming a parameter that was not given.
    pub(super) fn arguments(&self, given: &[(&str, Given)]) -> Result<Vec<Argument>, Error> {
        let argument = |bind: &Bind| {
            let found = given.iter().find(|(name, _)| *name == bind.name);
            let value = found.and_then(|(_, value)| match value {
                Given::One(one) => Some(one.clone()),
                Given::Many(all) => {
                    let nth = all.get(bind.nth).or(all.last());
                    nth.map(|text| Argument::Text(text.clone()))
                }
            });
            value.ok_or_else(|| Error::Invalid {
                field: Some(bind.name.clone()),
                reason: format!("{} takes it, and it was not given", self.setting),
            })
        };
        self.binds.iter().map(argument).collect()
    }

    /// The same query inside another, which names no parameter and ends before or begins after it.
    pub(super) fn within(&self, before: &str, after: &str) -> String {
        // A comment at the end of the query would swallow what follows on its line.
        format!("{before}{}\n{after}", self.text)
    }
}

fn compiled(sql: &str, dialect: Dialect, takes: Takes) -> Result<Statement, Mistake> {
    if sql.len() > QUERY_MAX {
        return Err(Mistake::new(0, "a query of more than 64 KiB; make it a view"));
    }
    if let Some(at) = sql.find('\0') {
        return Err(Mistake::new(at, "a NUL character, which no engine reads"));
    }
    let sql = sql.trim_end().trim_end_matches(';');
    let pieces = pieces(sql, dialect)?;
    let mut words = Vec::new();
    let mut depth = 0_i64;
    let mut out = String::with_capacity(sql.len() + 16);
    let mut binds = Vec::new();
    for (at, piece) in pieces {
        match piece {
            Piece::Code(code) => {
                plain(code, at, dialect, &mut depth)?;
                words.extend(words_of(code).into_iter().map(|(offset, word)| (at + offset, word)));
                out.push_str(code);
            }
            Piece::Quoted(text) => {
                no_parameter_inside(text, at, takes)?;
                out.push_str(text);
            }
            Piece::Comment(text) => out.push_str(text),
            Piece::Parameter(name) => {
                let most = known(name, at, takes)?;
                let after = &sql[at + 1 + name.len()..];
                if most > 1 && !stands_in_a_list(&out, after) {
                    let says = format!("`:{name}` is a list; write IN (:{name})");
                    return Err(Mistake::new(at, says));
                }
                let first = binds.len() + 1;
                binds.extend((0..most).map(|nth| Bind { name: name.to_owned(), nth }));
                let places: Vec<String> =
                    (first..first + most).map(|nth| placeholder(dialect, nth)).collect();
                out.push_str(&places.join(", "));
            }
        }
    }
    reads(&words)?;
    if depth != 0 {
        return Err(Mistake::new(sql.len(), "a parenthesis is open at the end; close it"));
    }
    if binds.len() > BINDS_MAX {
        return Err(Mistake::new(0, "more than a thousand placeholders; name lists less often"));
    }
    if let (Takes::Some(all), true) = (takes, binds.is_empty()) {
        let says = format!("it names none of its parameters ({})", names(all));
        return Err(Mistake::new(0, says));
    }
    Ok(Statement { setting: String::new(), text: out, binds })
}

pub(super) fn placeholder(dialect: Dialect, nth: usize) -> String {
    match dialect {
        Dialect::PostgreSql => format!("${nth}"),
        Dialect::MySql => "?".to_owned(),
        Dialect::Sqlite => format!("?{nth}"),
        Dialect::SqlServer => format!("@P{nth}"),
    }
}

/// Refuses what would be a second statement, a placeholder of the engine's own, or the end
/// of what the query is put into.
fn plain(code: &str, at: usize, dialect: Dialect, depth: &mut i64) -> Result<(), Mistake> {
    let foreign: &[u8] = match dialect {
        Dialect::PostgreSql => b"",
        Dialect::MySql => b"?",
        Dialect::Sqlite => b"?@$",
        Dialect::SqlServer => b"",
    };
    let bytes = code.as_bytes();
    for (offset, &byte) in bytes.iter().enumerate() {
        let next = bytes.get(offset + 1).copied();
        let previous = offset.checked_sub(1).map(|before| bytes[before]);
        let is_numbered = dialect == Dialect::PostgreSql
            && byte == b'$'
            && next.is_some_and(|b| b.is_ascii_digit())
            && !previous.is_some_and(|b| is_word(b) || b == b'$');
        let is_variable = dialect == Dialect::SqlServer
            && byte == b'@'
            && next != Some(b'@')
            && previous != Some(b'@');
        let says = match byte {
            b';' => "a second statement; write one query",
            _ if foreign.contains(&byte) || is_numbered || is_variable => {
                "a placeholder of the engine's own; name a parameter, such as :record"
            }
            b')' if *depth == 0 => "a parenthesis is closed that was never opened",
            _ => {
                *depth += i64::from(byte == b'(') - i64::from(byte == b')');
                continue;
            }
        };
        return Err(Mistake::new(at + offset, says));
    }
    Ok(())
}

fn words_of(code: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        let is_part = c.is_alphanumeric() || c == '_';
        match begin {
            None if is_part => begin = Some(at),
            Some(from) if !is_part => {
                words.push((from, &code[from..at]));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

/// Refuses what is no query, and what keeps or locks what it reads: the server's own
/// read-only session lets some of that pass.
fn reads(words: &[(usize, &str)]) -> Result<(), Mistake> {
    let is = |at: usize, all: &[&str]| {
        words.get(at).is_some_and(|(_, word)| all.iter().any(|one| word.eq_ignore_ascii_case(one)))
    };
    if !is(0, &["select", "with", "values"]) {
        let at = words.first().map_or(0, |(at, _)| *at);
        return Err(Mistake::new(at, "a query begins with SELECT, WITH or VALUES"));
    }
    for (index, (at, _)) in words.iter().enumerate() {
        let locks = (is(index, &["for"]) && is(index + 1, &["update", "share", "no", "key"]))
            || (is(index, &["lock"]) && is(index + 1, &["in"]));
        if is(index, &["into"]) {
            return Err(Mistake::new(*at, "INTO keeps what is read; a query only reads"));
        }
        if locks {
            return Err(Mistake::new(*at, "this locks what is read; a query only reads"));
        }
    }
    Ok(())
}

/// How many values a parameter has.
fn known(name: &str, at: usize, takes: Takes) -> Result<usize, Mistake> {
    let Takes::Some(all) = takes else { return Ok(1) };
    let found = all.iter().find(|parameter| parameter.name == name);
    found.map(|parameter| parameter.most).ok_or_else(|| {
        let says = format!(
            "there is no parameter `:{name}` here; there is {} (a slice needs a blank behind its colon)",
            names(all)
        );
        Mistake::new(at, says)
    })
}

fn names(all: &[Parameter]) -> String {
    let names: Vec<String> = all.iter().map(|one| format!(":{}", one.name)).collect();
    names.join(", ")
}

/// A name of a parameter inside quotes would be text, and never what somebody meant.
fn no_parameter_inside(text: &str, at: usize, takes: Takes) -> Result<(), Mistake> {
    let Takes::Some(all) = takes else { return Ok(()) };
    for (offset, _) in text.match_indices(':') {
        let rest = &text[offset + 1..];
        let length = rest.bytes().take_while(|b| is_word(*b)).count();
        let name = &rest[..length];
        let is_cast = text[..offset].ends_with(':');
        if !is_cast && all.iter().any(|parameter| parameter.name == name) {
            let says = format!(
                "`:{name}` stands inside quotes, where it is text; end the quotes before it and \
                 join the parts (|| or CONCAT)"
            );
            return Err(Mistake::new(at + offset, says));
        }
    }
    Ok(())
}

fn stands_in_a_list(before: &str, after: &str) -> bool {
    let Some(before) = before.trim_end().strip_suffix('(') else { return false };
    let before = before.trim_end();
    let Some((rest, word)) = before.split_at_checked(before.len().saturating_sub(2)) else {
        return false;
    };
    let is_apart = !rest.bytes().next_back().is_some_and(is_word);
    word.eq_ignore_ascii_case("in") && is_apart && after.trim_start().starts_with(')')
}
