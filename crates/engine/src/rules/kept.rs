//! What is kept of a decision: one form, written when it is made and read back later.

use domain::Value;
use domain::rules::{Compiled, Module, Seen};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::borrow::Cow;

/// The sealed part of a decision.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Details<'a> {
    pub seen: Vec<SeenField<'a>>,
    pub asked: Vec<Asked<'a>>,
    /// By an agent's correction of the number.
    pub corrected: bool,
    pub reason: Cow<'a, str>,
    pub warnings: Cow<'a, [String]>,
}

/// A field that was looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SeenField<'a> {
    pub connection: Cow<'a, str>,
    pub module: Option<Cow<'a, str>>,
    pub field: Cow<'a, str>,
    pub heard: bool,
    pub value: Json,
}

/// A system that was asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked<'a> {
    pub connection: Cow<'a, str>,
    pub status: Cow<'a, str>,
    pub source: Option<Cow<'a, str>>,
    pub as_of: Option<String>,
    pub failure: Option<Cow<'a, str>>,
    pub took_us: u64,
}

impl Details<'_> {
    /// Unreadable ones are empty: an explanation that is lost is not an error.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// For each slot of a chain what was seen of it then; what was never fetched is unheard.
    pub(super) fn values(&self, compiled: &Compiled) -> Vec<Option<Option<Value>>> {
        let of = |slot: &domain::rules::Slot| {
            let module = slot.source.module.map(Module::as_str);
            let seen = self.seen.iter().find(|seen| {
                seen.connection == slot.source.connection
                    && seen.module.as_deref() == module
                    && seen.field == slot.field
            });
            seen.filter(|seen| seen.heard).map(|seen| value(&seen.value))
        };
        compiled.slots().iter().map(of).collect()
    }
}

/// As [`Compiled::decide`] takes it.
pub(super) fn as_seen(values: &[Option<Option<Value>>]) -> Vec<Seen<'_>> {
    values
        .iter()
        .map(|value| value.as_ref().map_or(Seen::Unheard, |value| Seen::Told(value.as_ref())))
        .collect()
}

/// A value as it is kept.
pub(super) fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Number(number) => (*number).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(json).collect(),
    }
}

/// A value of JSON; `null` and objects are none.
#[must_use]
pub fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Null | Json::Object(_) => None,
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Some(Value::Integer(whole)),
            None => number.as_f64().map(Value::Number),
        },
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Array(items) => Some(Value::List(items.iter().filter_map(value).collect())),
    }
}
