//! A request with places for values, checked when it is read and filled for each call.
//!
//! [`Template::read`] refuses a place where no value may stand and a name that nobody
//! gives; [`Template::fill`] puts values in by the escaping of the place: the vendor's
//! [`Language`] first, then that of the path, the header or JSON. There are no
//! conditions, loops or expressions: `{{name}}` is replaced and nothing else happens.
//! What a caller says never becomes syntax, because a value meets text only here.

mod body;
mod text;

use crate::manifest::Problem;
use crate::requests::{Custom, Language, Place};
use body::Node;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use text::{Text, problem};

/// A request as an administrator writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the API's own address, beginning with `/`.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    /// JSON; a value stands for a whole value, or within a text.
    pub body: Option<String>,
}

impl Draft {
    /// Where values stand, as `path`, `query.NAME`, `headers.NAME` or `body`, with the names
    /// of those that stand there. Unchecked: [`Template::read`] says what is wrong.
    #[must_use]
    pub fn places(&self) -> BTreeMap<String, BTreeSet<String>> {
        let pairs = |of: &'static str, pairs: &'_ BTreeMap<String, String>| {
            let named =
                pairs.iter().map(move |(name, text)| (format!("{of}.{name}"), text.clone()));
            named.collect::<Vec<_>>()
        };
        let mut texts = vec![("path".to_owned(), self.path.clone())];
        texts.extend(pairs("query", &self.query));
        texts.extend(pairs("headers", &self.headers));
        texts.extend(self.body.clone().map(|text| ("body".to_owned(), text)));
        let names = |text: &str| {
            let found = text::places(text).unwrap_or_default();
            found.into_iter().filter_map(|(_, name)| name.map(str::to_owned)).collect()
        };
        let places = texts.iter().map(|(place, text)| (place.clone(), names(text)));
        places.filter(|(_, names): &(_, BTreeSet<String>)| !names.is_empty()).collect()
    }
}

/// A request with places for values.
#[derive(Debug, Clone)]
pub struct Template {
    method: String,
    path: Text,
    query: Vec<(String, Text)>,
    headers: Vec<(String, Text)>,
    body: Option<Node>,
    names: BTreeSet<String>,
}

/// Values by name: texts, numbers and truth values. An empty text is none.
pub type Given = BTreeMap<String, Value>;

/// Why a template could not be filled. No value is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    #[error("there is no value for `{name}`")]
    Missing { name: String },
    #[error("the value of `{name}` cannot stand in {at}: {reason}")]
    Refused { name: String, at: String, reason: &'static str },
}

/// What is known while a template is read.
pub(crate) struct Reader<'a> {
    known: &'a BTreeSet<String>,
    language: &'a dyn Fn(Place<'_>) -> Option<Language>,
    problems: Vec<Problem>,
    names: BTreeSet<String>,
}

/// Headers that say who asks, where, or how long a message is.
const NOT_THEIRS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "cookie",
    "te",
    "upgrade",
    "expect",
];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

impl Template {
    /// Reads a request whose values may have these names, for a connection that has
    /// this language in its places.
    ///
    /// # Errors
    /// Every mistake, with `path`, `query.q`, `headers.X` or `body` as its key.
    pub fn read(
        draft: &Draft,
        known: &BTreeSet<String>,
        language: &dyn Fn(Place<'_>) -> Option<Language>,
    ) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { known, language, problems: Vec::new(), names: BTreeSet::new() };
        if !METHODS.contains(&draft.method.as_str()) {
            let message = format!("`{}` is no method of an action.", draft.method);
            reader.problems.push(problem("method", message, "GET, POST, PUT, PATCH or DELETE."));
        }
        let path = reader.path(&draft.path);
        let query =
            draft.query.iter().map(|(name, value)| (name.clone(), reader.parameter(name, value)));
        let query = query.collect();
        let headers =
            draft.headers.iter().map(|(name, value)| (name.clone(), reader.header(name, value)));
        let headers = headers.collect();
        if draft.body.is_some() && draft.method == "GET" {
            let message = "A GET has no body.";
            reader.problems.push(problem("body", message, "Leave it out, or use POST."));
        }
        let body = draft.body.as_deref().and_then(|text| reader.body(text));
        let Reader { problems, names, .. } = reader;
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { method: draft.method.clone(), path, query, headers, body, names })
    }

    /// The names of the values that it needs.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Whether sending it twice does what sending it once does, by its method.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// The request with these values in their places.
    ///
    /// # Errors
    /// [`Unfilled`]: nothing was sent.
    pub fn fill(&self, given: &Given) -> Result<Custom, Unfilled> {
        let query = self.query.iter().map(|(name, text)| Ok((name.clone(), text.fill(given)?)));
        let headers = self.headers.iter().map(|(name, text)| Ok((name.clone(), text.fill(given)?)));
        Ok(Custom {
            method: self.method.clone(),
            path: self.path.fill_path(given)?,
            query: query.collect::<Result<_, Unfilled>>()?,
            headers: headers.collect::<Result<_, Unfilled>>()?,
            body: self.body.as_ref().map(|node| node.fill(given)).transpose()?,
        })
    }
}

impl Reader<'_> {
    fn path(&mut self, text: &str) -> Text {
        let told = |message: &str, fix: &str| problem("path", message, fix);
        if !text.starts_with('/') || text.starts_with("//") {
            let fix = "Write it as /services/data/v67.0/query.";
            self.problems.push(told("A path begins with one `/`.", fix));
        }
        if text.contains(['?', '#']) {
            let fix = "Write parameters under `query`.";
            self.problems.push(told("A path has no `?` and no `#`.", fix));
        }
        if text.contains(['%', '\\']) || text.chars().any(char::is_control) {
            let fix = "Write the character itself: it is encoded when it is sent.";
            self.problems.push(told("A path has no `%`, no `\\` and no control characters.", fix));
        }
        if text.split('/').any(|segment| matches!(segment, "." | "..")) {
            self.problems.push(told("A path has no `.` and no `..` in it.", "Leave them out."));
        }
        let language = (self.language)(Place::Path);
        self.text("path", text, text::Kind::Path, language)
    }

    fn parameter(&mut self, name: &str, text: &str) -> Text {
        let key = format!("query.{name}");
        self.refuse_value_in_name(&key, name);
        let language = (self.language)(Place::Query(name));
        self.text(&key, text, text::Kind::Query, language)
    }

    fn header(&mut self, name: &str, text: &str) -> Text {
        let key = format!("headers.{name}");
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            let fix = "Letters, digits and `-`, such as Prefer.";
            self.problems.push(problem(&key, "This is no name of a header.", fix));
        }
        if NOT_THEIRS.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            let fix = "Leave it out: the connection sets it.";
            self.problems.push(problem(&key, "An action does not set this header.", fix));
        }
        if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            let fix = "Visible ASCII characters and spaces.";
            self.problems.push(problem(&key, "A header cannot hold this text.", fix));
        }
        self.text(&key, text, text::Kind::Header, None)
    }

    fn refuse_value_in_name(&mut self, key: &str, name: &str) {
        if name.contains("{{") {
            let fix = "Write the name out; a value stands behind it.";
            self.problems.push(problem(key, "No value may stand in a name.", fix));
        }
    }
}

impl fmt::Debug for Text {
    /// As the administrator wrote it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written())
    }
}

#[cfg(test)]
mod tests;
