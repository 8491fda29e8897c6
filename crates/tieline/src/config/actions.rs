//! The sections `[actions.NAME]`: requests by name, apart from queues.

use super::Period;
use engine::actions::fields::Kind;
use kit::Draft;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request by a name of your own, which queues and flows ask for. In `path`, `query`,
/// `headers` and `body`, `{{name}}` is replaced by a value, escaped for the place where it
/// stands; nothing else happens in them. Values are `ani` (E.164, or as the connection's
/// `formats` say), `callId`, `customerExternalId` (the record's id in the system that is asked,
/// without prefix; also as `externalId`), `dnis`, `email`, `queue`, `userId`, and those of `inputs`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionSection {
    /// The connection that sends it, with its credentials and within its limits.
    pub connection: String,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    #[serde(default = "defaults::method")]
    pub method: String,
    /// Below the address of the connection's API.
    pub path: String,
    /// Parameters by name.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers by name, besides those that the connection sets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON, as text: `{{name}}` stands for a whole value (`{"id": {{id}}}`) or within a text.
    #[serde(default)]
    pub body: Option<String>,
    /// How long it may take; a queue's `deadline` may end it before.
    #[serde(default = "defaults::timeout")]
    pub timeout: Period,
    /// Values besides the usual ones, with their types: `text`, `integer`, `number` or `flag`.
    #[serde(default)]
    pub inputs: BTreeMap<String, ValueType>,
    /// What is read out of the answer, by the name under which it is told.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldSection>,
    /// For how long the same values are answered without asking again.
    #[serde(default)]
    pub cache: Option<CacheSection>,
    /// What it needs to be let in, in the vendor's own words, such as `chatter_api`,
    /// `ZohoCRM.modules.deals.READ` or `externalContacts:contact:view`. Held against what the
    /// vendor granted by `tieline check` and at the start, besides what the connection needs
    /// itself.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Sending it twice does what sending it once does, although it is no `GET`: such as a
    /// search by `POST`. Queues that answer behind need it, for after a crash it is sent again.
    #[serde(default)]
    pub repeatable: bool,
}

/// One field of an action's answer.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSection {
    /// Where it stands in the JSON: `records.0.Account.Name`, or as JSON pointer
    /// `/records/0/Account/Name`.
    pub path: String,
    /// Its type, the same in every action that has a field of this name.
    #[serde(default, rename = "type")]
    pub kind: ValueType,
    /// What is answered where the JSON has nothing there. Absent: empty, 0 or false.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub default: Option<toml::Value>,
}

/// How long an action's answers are kept in memory.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSection {
    /// For how long; at most 1h.
    pub keep_for: Period,
    /// How many, each for its own values; at most 100,000.
    #[serde(default = "defaults::cached")]
    pub max: usize,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    #[default]
    Text,
    Integer,
    Number,
    Flag,
}

/// When a queue's enrichment runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueMode {
    #[default]
    Sync,
    Async,
}

/// What an enrichment that runs behind waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    #[default]
    Immediately,
    Accepted,
}

impl From<ValueType> for Kind {
    fn from(kind: ValueType) -> Self {
        match kind {
            ValueType::Text => Self::Text,
            ValueType::Integer => Self::Integer,
            ValueType::Number => Self::Number,
            ValueType::Flag => Self::Flag,
        }
    }
}

impl ActionSection {
    /// The request as it was written.
    pub fn draft(&self) -> Draft {
        Draft {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    /// Sending it twice does no harm.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable || self.method == "GET"
    }
}

/// A value of the file in one type.
pub fn value(kind: Kind, of: &toml::Value) -> Option<domain::Value> {
    let json = serde_json::to_value(of).ok()?;
    let fits = match (kind, &json) {
        (Kind::Text, json) => json.is_string(),
        (Kind::Integer, json) => json.is_i64(),
        (Kind::Number, json) => json.is_number(),
        (Kind::Flag, json) => json.is_boolean(),
    };
    kind.read(&json).filter(|_| fits)
}

mod defaults {
    use super::Period;

    pub(super) fn method() -> String {
        "GET".to_owned()
    }
    pub(super) fn timeout() -> Period {
        Period::ms(2_000)
    }
    pub(super) fn cached() -> usize {
        1_000
    }
}
