//! A JSON body with places for values: a whole value, or within a text.
//!
//! It is read as JSON once, with each place marked, and built as JSON for each call: a
//! value is put into the tree and never into the text of it.

use super::text::{Kind, Text, problem, word};
use super::{Given, Reader, Unfilled};
use crate::requests::Place;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A part of a body.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Plain(Value),
    /// A whole value, in its own type.
    Whole(Text, String),
    Text(Text),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Marks a place while the body is read as JSON; no text has it (a noncharacter).
const MARK: char = '\u{10FFFE}';
/// Deeper than any body that an administrator writes.
const DEPTH_MAX: usize = 32;

impl Reader<'_> {
    pub(super) fn body(&mut self, text: &str) -> Option<Node> {
        let (marked, names) = match marked(text) {
            Ok(marked) => marked,
            Err(message) => {
                self.problems.push(problem("body", message, "Write {{name}}."));
                return None;
            }
        };
        let value: Value = match serde_json::from_str(&marked) {
            Ok(value) => value,
            Err(error) => {
                let message = format!("It is no JSON at line {}.", error.line());
                let fix = "Write JSON; {{name}} stands for a whole value or within a text.";
                self.problems.push(problem("body", message, fix));
                return None;
            }
        };
        Some(self.node(value, "", &names, 0))
    }

    fn node(&mut self, value: Value, member: &str, names: &[String], depth: usize) -> Node {
        if depth > DEPTH_MAX {
            let message = "It is nested deeper than 32 levels.";
            self.problems.push(problem("body", message, "Make it flatter."));
            return Node::Plain(Value::Null);
        }
        match value {
            Value::String(text) => self.leaf(&text, member, names),
            Value::Array(list) => {
                let nodes = list.into_iter().map(|one| self.node(one, member, names, depth + 1));
                Node::List(nodes.collect())
            }
            Value::Object(map) => Node::Map(self.map(map, names, depth)),
            plain => Node::Plain(plain),
        }
    }

    fn map(
        &mut self,
        map: Map<String, Value>,
        names: &[String],
        depth: usize,
    ) -> Vec<(String, Node)> {
        let mut nodes = Vec::with_capacity(map.len());
        for (name, value) in map {
            if name.contains(MARK) {
                let fix = "Write the name out; a value stands behind it.";
                self.problems.push(problem("body", "No value may stand in a name.", fix));
            }
            let node = self.node(value, &name, names, depth + 1);
            nodes.push((name, node));
        }
        nodes
    }

    fn leaf(&mut self, text: &str, member: &str, names: &[String]) -> Node {
        let key = if member.is_empty() { "body".to_owned() } else { format!("body.{member}") };
        let language = (self.language)(Place::Json(member));
        let (written, whole) = unmarked(text, names);
        let read = self.text(&key, &written, Kind::Json, language);
        match whole {
            Some(name) => Node::Whole(read, name),
            None => Node::Text(read),
        }
    }
}

impl Node {
    pub(super) fn fill(&self, given: &Given) -> Result<Value, Unfilled> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(text) => Value::String(text.fill(given)?),
            Self::Whole(text, name) => {
                // A language of the place has its say; else the value keeps its type.
                let (literal, plain) = (text.fill(given)?, word(given, name)?);
                match given.get(name) {
                    Some(value) if literal == plain => value.clone(),
                    _ => Value::String(literal),
                }
            }
            Self::List(nodes) => {
                let nodes = nodes.iter().map(|node| node.fill(given));
                Value::Array(nodes.collect::<Result<_, _>>()?)
            }
            Self::Map(nodes) => {
                let nodes = nodes.iter().map(|(name, node)| Ok((name.clone(), node.fill(given)?)));
                Value::Object(nodes.collect::<Result<_, Unfilled>>()?)
            }
        })
    }
}

/// JSON in which each place is marked, and the names of the places in order: outside of
/// texts as a text of its own (`v`), within one in its place (`t`).
fn marked(text: &str) -> Result<(String, Vec<String>), &'static str> {
    if text.contains(MARK) {
        return Err("It has a character that no text has.");
    }
    let (mut out, mut names) = (String::with_capacity(text.len()), Vec::new());
    let (mut in_text, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{{") {
            let (name, after) = after.split_once("}}").ok_or("A place `{{` is not closed.")?;
            let (quote, kind) = if in_text { ("", 't') } else { ("\"", 'v') };
            // Writing to a text cannot fail.
            let _ = write!(out, "{quote}{MARK}{kind}{}{MARK}{quote}", names.len());
            names.push(name.trim().to_owned());
            rest = after;
            continue;
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Ok((out, names))
}

/// A text as it was written; and the name, where it is one whole value.
fn unmarked(text: &str, names: &[String]) -> (String, Option<String>) {
    let (mut written, mut whole) = (String::new(), None);
    for (at, part) in text.split(MARK).enumerate() {
        let place = |kind| part.strip_prefix(kind).and_then(|index| index.parse::<usize>().ok());
        let name = |index: Option<usize>| names.get(index?);
        match (at % 2, name(place('v')), name(place('t'))) {
            (1, Some(name), _) => {
                whole = Some(name.clone());
                // Writing to a text cannot fail.
                let _ = write!(written, "{{{{{name}}}}}");
            }
            (1, _, Some(name)) => drop(write!(written, "{{{{{name}}}}}")),
            _ => written.push_str(part),
        }
    }
    (written, whole)
}
