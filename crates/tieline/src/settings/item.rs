//! One item: the section of the configuration file that it is, as JSON.
//!
//! What comes in is read into the very struct of the file's section, with its secrets taken
//! out; what goes out says of a secret only that it is set. No message repeats a value.

use super::own;
use super::secrets::{self, set};
use crate::config::{ActionSection, ConnectionSection, Mistake, QueueSection, SyncSection};
use domain::Timestamp;
use kit::Settings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Connection,
    Action,
    Queue,
    Sync,
    /// What a routing rule brings: it becomes a connection, and is made with the rule alone.
    Rule,
}

impl Kind {
    /// Those that are made here.
    pub const ALL: [Self; 4] = [Self::Connection, Self::Action, Self::Queue, Self::Sync];

    /// As the store and the audit log have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Action => "action",
            Self::Queue => "queue",
            Self::Sync => "sync",
            Self::Rule => "rule",
        }
    }

    /// As the file and the API have it.
    pub fn plural(self) -> &'static str {
        match self {
            // It is told among connections.
            Self::Connection | Self::Rule => "connections",
            Self::Action => "actions",
            Self::Queue => "queues",
            Self::Sync => "syncs",
        }
    }

    /// Does its section hold its name, as in a list of the file?
    pub fn is_named_within(self) -> bool {
        matches!(self, Self::Queue | Self::Sync)
    }

    pub fn of_plural(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == text)
    }

    pub fn of_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Rule]).find(|kind| kind.word() == text)
    }

    /// How many the store may hold.
    pub fn most(self) -> usize {
        match self {
            Self::Connection | Self::Sync => 200,
            Self::Action | Self::Rule => 1_000,
            Self::Queue => 5_000,
        }
    }

    /// Whether an item may be called this. Queues have the platform's names.
    pub fn is_name(self, name: &str) -> bool {
        match self {
            Self::Queue => {
                (1..=128).contains(&name.chars().count())
                    && name.trim() == name
                    && !name.chars().any(char::is_control)
            }
            Self::Rule => engine::rules::form::is_own(name),
            Self::Connection if engine::rules::form::is_own(name) => false,
            Self::Connection | Self::Action | Self::Sync => {
                (1..=64).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            }
        }
    }
}

/// Which item.
pub type Key = (Kind, String);

/// A JSON object.
pub type Body = Map<String, Value>;

/// An item of the store.
#[derive(Clone)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
    /// The section, with its secrets; `None` where what is stored cannot be read any more.
    pub body: Option<Body>,
    pub revision: u64,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

impl fmt::Debug for Item {
    /// Never the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} {:?} at {})", self.kind.word(), self.name, self.revision)
    }
}

impl Item {
    pub fn key(&self) -> Key {
        (self.kind, self.name.clone())
    }

    /// The rule that has brought it; empty for others.
    pub fn of_rule(&self) -> &str {
        let body = self.body.as_ref().filter(|_| self.kind == Kind::Rule);
        body.and_then(|body| body.get("rule")).and_then(Value::as_str).unwrap_or_default()
    }

    /// What rules bring is told among connections.
    pub fn is_told_as(&self, kind: Kind) -> bool {
        kind == Kind::Connection && self.kind == Kind::Rule
    }

    /// As the store has it; `None` for what another version has put there.
    pub fn of(stored: state::settings::Item) -> Option<Self> {
        let kind = Kind::of_word(&stored.kind)?;
        let body = stored.body.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let state::settings::Item { name, revision, changed_at, changed_by, .. } = stored;
        Some(Self { kind, name, body, revision, changed_at, changed_by })
    }

    /// Where mistakes in it are.
    pub fn at(&self) -> String {
        format!("{}.{}", self.kind.plural(), self.name)
    }

    /// The section that it is.
    pub fn read(&self) -> Result<Section, Vec<Mistake>> {
        let at = self.at();
        let Some(body) = self.body.clone() else {
            let fix = "Put it anew, or delete it.";
            return Err(vec![Mistake::new(at, "what is stored cannot be read.", fix)]);
        };
        match self.kind {
            Kind::Connection => connection(&at, body),
            Kind::Action => section(&at, body).map(Section::Action),
            Kind::Queue => section(&at, self.named(body)).map(Section::Queue),
            Kind::Sync => section(&at, self.named(body)).map(Section::Sync),
            Kind::Rule => Ok(Section::Own),
        }
    }

    /// With its name, as the file has those that stand in a list.
    fn named(&self, mut body: Body) -> Body {
        body.insert("name".to_owned(), self.name.clone().into());
        body
    }

    /// What may be shown of it.
    pub fn shown(&self) -> Body {
        let mut body = self.body.clone().unwrap_or_default();
        if self.kind == Kind::Rule {
            return own::shown(&body);
        }
        if self.kind == Kind::Connection {
            secrets::hide(&mut body);
        }
        body
    }
}

/// A section as the configuration has it.
pub enum Section {
    /// Without its secrets, which lie among the settings.
    Connection(ConnectionSection, Settings),
    Action(ActionSection),
    Queue(QueueSection),
    Sync(SyncSection),
    /// What it is, depends on others: [`super::own`].
    Own,
}

fn connection(at: &str, mut body: Body) -> Result<Section, Vec<Mistake>> {
    let settings = match body.remove("settings") {
        None => Body::new(),
        Some(Value::Object(settings)) => settings,
        Some(_) => {
            let at = format!("{at}.settings");
            return Err(vec![Mistake::new(at, "is no object.", "Write {\"name\": value}.")]);
        }
    };
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    let (settings, mut mistakes) = secrets::read(at, kind, settings);
    match section::<ConnectionSection>(at, body) {
        Ok(mut section) if mistakes.is_empty() => {
            section.settings = settings.plain.clone().into_iter().collect();
            Ok(Section::Connection(section, settings))
        }
        Ok(_) => Err(mistakes),
        Err(others) => {
            mistakes.extend(others);
            Err(mistakes)
        }
    }
}

fn section<T: DeserializeOwned>(at: &str, body: Body) -> Result<T, Vec<Mistake>> {
    let read = serde_json::from_value(Value::Object(without_nulls(body)));
    read.map_err(|error| {
        let (message, fix) = told(&error.to_string());
        vec![Mistake::new(at, message, fix)]
    })
}

/// What was refused, without the value: it may be a secret in a wrong place.
fn told(text: &str) -> (String, String) {
    const FIX: &str = "docs/reference/config.md lists every key.";
    for begins in ["unknown field", "missing field", "unknown variant", "duplicate field"] {
        if text.starts_with(begins) {
            let (said, known) = text.split_once(", expected").unwrap_or((text, ""));
            let fix = known.trim_start_matches(" one of").trim();
            let fix = if fix.is_empty() { FIX.to_owned() } else { format!("Known here: {fix}.") };
            return (format!("has an {said}.").replace("an missing", "a missing"), fix);
        }
    }
    // A length of time says itself what it wants.
    let wanted = text.rsplit_once(", expected ").map(|(_, wanted)| wanted);
    let fix = wanted.map_or_else(|| FIX.to_owned(), |wanted| format!("It must be {wanted}."));
    ("has a value of a wrong form.".to_owned(), fix)
}

/// Absent is what is null.
pub fn without_nulls(body: Body) -> Body {
    let kept = body.into_iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| (name, deep(value))).collect()
}

fn deep(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_nulls(map)),
        other => other,
    }
}

/// A section of the file, as far as it may be shown.
pub fn of_file<T: serde::Serialize>(section: &T, settings: Option<&Settings>) -> Body {
    let Ok(Value::Object(mut body)) = serde_json::to_value(section) else { return Body::new() };
    if let (Some(settings), Some(Value::Object(shown))) = (settings, body.get_mut("settings")) {
        for key in settings.secrets.keys() {
            shown.insert(key.clone(), set());
        }
    }
    without_nulls(body)
}
