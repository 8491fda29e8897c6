//! Text with places for values: read, checked against the place, and filled.

use super::{Given, Reader, Unfilled};
use crate::manifest::Problem;
use crate::requests::Language;
use serde_json::Value;
use std::fmt::Write as _;

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Path,
    Query,
    Header,
    Json,
}

#[derive(Clone)]
enum Part {
    Plain(String),
    Value(String),
}

/// A text with places for values.
#[derive(Clone)]
pub(super) struct Text {
    key: String,
    kind: Kind,
    language: Option<Language>,
    parts: Vec<Part>,
}

/// A mistake in what an administrator wrote.
pub(super) fn problem(key: &str, message: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { key: key.to_owned(), message: message.into(), fix: fix.into() }
}

/// Texts and places in turn: `("Id = '", Some("id"))`; the last has none.
///
/// # Errors
/// Where a place does not end.
pub(super) fn places(text: &str) -> Result<Vec<(&str, Option<&str>)>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("A place `{{` is not closed.")?;
        found.push((before, Some(name.trim())));
        rest = after;
    }
    found.push((rest, None));
    Ok(found)
}

impl Reader<'_> {
    /// Reads a text; every value that may not stand where it does is a problem.
    pub(super) fn text(
        &mut self,
        key: &str,
        text: &str,
        kind: Kind,
        language: Option<Language>,
    ) -> Text {
        let mut read = Text { key: key.to_owned(), kind, language, parts: Vec::new() };
        let found = match places(text) {
            Ok(found) => found,
            Err(message) => {
                self.problems.push(problem(key, message, "Write {{name}}."));
                return read;
            }
        };
        for (before, name) in found {
            if !before.is_empty() {
                read.parts.push(Part::Plain(before.to_owned()));
            }
            let Some(name) = name else { continue };
            if !self.knows(key, name) {
                continue;
            }
            if let Err(reason) = read.may_stand() {
                let message = format!("`{{{{{name}}}}}` may not stand here: {reason}.");
                let fix = "Put it where a value stands: between the quotes of a text.";
                self.problems.push(problem(key, message, fix));
            }
            read.parts.push(Part::Value(name.to_owned()));
        }
        read
    }

    /// Notes a name that is used; one that nobody gives is a problem.
    pub(super) fn knows(&mut self, key: &str, name: &str) -> bool {
        if self.known.contains(name) {
            self.names.insert(name.to_owned());
            return true;
        }
        let near = self.known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
        let near = near.filter(|(distance, known)| *distance <= 1 + known.len() / 3).min();
        let fix = match near {
            Some((_, near)) => format!("Did you mean `{{{{{near}}}}}`? Or add it to `inputs`."),
            None => "Add it to `inputs`, with its type.".to_owned(),
        };
        self.problems.push(problem(key, format!("`{{{{{name}}}}}` stands for nothing."), fix));
        false
    }
}

impl Text {
    /// May a value stand where the text ends by now? Any value may not; some must.
    fn may_stand(&self) -> Result<(), &'static str> {
        let before = self.before(self.parts.len());
        let Some(language) = self.language else { return Ok(()) };
        // A place for numbers alone takes the one, a place for words alone the other.
        (language.literal)(&before, "1")
            .or_else(|reason| (language.literal)(&before, "x").map_err(|_| reason))?;
        Ok(())
    }

    /// The plain text before a part.
    fn before(&self, part: usize) -> String {
        let plain = self.parts.iter().take(part).filter_map(|part| match part {
            Part::Plain(text) => Some(text.as_str()),
            Part::Value(_) => None,
        });
        plain.collect()
    }

    /// The text with its values, escaped for its place.
    pub(super) fn fill(&self, given: &Given) -> Result<String, Unfilled> {
        let mut filled = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Plain(text) => filled.push_str(text),
                Part::Value(name) => {
                    let value = word(given, name)?;
                    let refused = |reason| self.refused(name, reason);
                    let literal = match self.language {
                        Some(language) => (language.literal)(&self.before(at), &value),
                        None => Ok(value),
                    };
                    let literal = literal.map_err(refused)?;
                    match self.kind {
                        Kind::Header => {
                            let is_quoted = self.before(at).matches('"').count() % 2 == 1;
                            filled.push_str(&in_header(&literal, is_quoted).map_err(refused)?);
                        }
                        Kind::Path | Kind::Query | Kind::Json => filled.push_str(&literal),
                    }
                }
            }
        }
        Ok(filled)
    }

    /// The path with its values, percent-encoded; a value never becomes a step of its own.
    pub(super) fn fill_path(&self, given: &Given) -> Result<String, Unfilled> {
        let mut filled = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Plain(text) => push_encoded(&mut filled, text, b"/-._~!$&'()*+,;=:@"),
                Part::Value(name) => {
                    let value = word(given, name)?;
                    let refused = |reason| self.refused(name, reason);
                    if value.contains(['/', '\\']) || value.chars().any(char::is_control) {
                        return Err(refused("it would be more than one step of the path"));
                    }
                    let literal = match self.language {
                        Some(language) => {
                            (language.literal)(&self.before(at), &value).map_err(refused)?
                        }
                        None => value,
                    };
                    push_encoded(&mut filled, &literal, b"-._~");
                }
            }
        }
        let is_dots = |step: &str| matches!(step, "." | "..");
        if let Some(name) = self.last_name().filter(|_| filled.split('/').any(is_dots)) {
            return Err(self.refused(name, "it would lead out of the path"));
        }
        Ok(filled)
    }

    fn last_name(&self) -> Option<&str> {
        self.parts.iter().rev().find_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Plain(_) => None,
        })
    }

    fn refused(&self, name: &str, reason: &'static str) -> Unfilled {
        Unfilled::Refused { name: name.to_owned(), at: self.key.clone(), reason }
    }

    pub(super) fn written(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Value(name) => drop(write!(text, "{{{{{name}}}}}")),
            }
        }
        text
    }
}

/// A value as text. An empty one is none: what is looked for by nothing is found
/// everywhere.
pub(super) fn word(given: &Given, name: &str) -> Result<String, Unfilled> {
    let text = match given.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => None,
    };
    text.ok_or_else(|| Unfilled::Missing { name: name.to_owned() })
}

/// A value within a header's: between quotes with a quote's own escape, elsewhere without
/// the characters that part one word of a header from the next.
fn in_header(value: &str, is_quoted: bool) -> Result<String, &'static str> {
    if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err("a header holds visible ASCII characters alone");
    }
    if is_quoted {
        return Ok(value.replace('\\', "\\\\").replace('"', "\\\""));
    }
    if value.contains([' ', ',', ';', '"', '\\', '=', '(', ')', '<', '>']) {
        return Err("outside quotes it would be more than one word");
    }
    Ok(value.to_owned())
}

fn push_encoded(to: &mut String, text: &str, kept: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            to.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}
