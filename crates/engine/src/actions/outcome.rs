//! What an enrichment answers: flat, without null, always with the same keys.

use super::fields::Kind;
use crate::connections::Connection;
use domain::{Timestamp, Value};
use kit::Error;
use std::collections::BTreeMap;
use std::time::Duration;

/// How an enrichment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The customer is known.
    Hit,
    /// The CRM was asked and knows nobody.
    Miss,
    /// It could be several people.
    Ambiguous,
    /// There was nothing to ask by.
    Unknown,
    /// The CRM could not be asked, or not in time.
    Failed,
    /// It follows.
    Pending,
    /// The CRM is spared: its budget is at its floor.
    Degraded,
}

impl Word {
    pub const ALL: [Self; 7] = [
        Self::Hit,
        Self::Miss,
        Self::Ambiguous,
        Self::Unknown,
        Self::Failed,
        Self::Pending,
        Self::Degraded,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Ambiguous => "ambiguous",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Degraded => "degraded",
        }
    }

    /// The word read back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// Every `errorCode`; each has a page.
pub const CODES: &[&str] = &[
    "action.field_type",
    "action.value_missing",
    "action.value_refused",
    "crm.conflict",
    "crm.deadline",
    "crm.degraded",
    "crm.forbidden",
    "crm.invalid",
    "crm.not_found",
    "crm.protocol",
    "crm.rate_limited",
    "crm.unauthorized",
    "crm.unavailable",
];

/// Keys that every answer has besides the declared fields, with their types.
pub const FIXED: &[(&str, Kind)] = &[
    ("crmType", Kind::Text),
    ("crmError", Kind::Flag),
    ("errorCode", Kind::Text),
    ("fallbackCrm", Kind::Text),
    ("fallbackQueue", Kind::Text),
    ("status", Kind::Text),
    ("latencyMs", Kind::Integer),
    ("source", Kind::Text),
    ("asOf", Kind::Text),
];

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrichment {
    /// Every declared field.
    pub fields: BTreeMap<String, Value>,
    /// The connector that was asked, such as the `type` of its connection.
    pub crm_type: String,
    /// The CRM could not be asked, or not in time.
    pub crm_error: bool,
    /// One of [`CODES`], or empty.
    pub error_code: &'static str,
    /// The connection that answered in place of the queue's own; empty for none.
    pub fallback_crm: String,
    /// Where the call shall go, for its CRM cannot be asked; empty for nowhere else.
    pub fallback_queue: String,
    pub status: Word,
    pub latency: Duration,
    /// `crm`, `directory`, `cache` or `none`.
    pub source: &'static str,
    /// When the customer's own system said so.
    pub as_of: Option<Timestamp>,
}

/// How one ask ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub word: Word,
    pub code: &'static str,
    pub fields: BTreeMap<String, Value>,
    pub source: &'static str,
    pub as_of: Option<Timestamp>,
}

impl Outcome {
    pub(crate) fn of(word: Word, code: &'static str) -> Self {
        Self { word, code, fields: BTreeMap::new(), source: "none", as_of: None }
    }

    /// What an error of the CRM comes to.
    pub(crate) fn failed(error: &Error) -> Self {
        match error {
            // It was asked, and says that there is no such thing.
            Error::NotFound => Self::of(Word::Miss, code(error)),
            error => Self::of(Word::Failed, code(error)),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.word, Word::Failed | Word::Degraded)
    }

    /// The whole answer: these fields, over those that stand for nothing known.
    pub(crate) fn answer(
        self,
        mut fields: BTreeMap<String, Value>,
        connection: &Connection,
        latency: Duration,
    ) -> Enrichment {
        let crm_error = self.has_failed();
        for (name, value) in self.fields {
            // A key that an answer has not always is one that it never has.
            let Some(standing) = fields.get_mut(&name) else { continue };
            if let Some(value) = Kind::of(standing).cast(&value) {
                *standing = value;
            }
        }
        Enrichment {
            fields,
            crm_type: connection.kind.clone(),
            crm_error,
            error_code: self.code,
            fallback_crm: String::new(),
            fallback_queue: String::new(),
            status: self.word,
            latency,
            source: self.source,
            as_of: self.as_of,
        }
    }
}

/// The stable code of an error.
pub(crate) fn code(error: &Error) -> &'static str {
    match error {
        Error::Unauthorized { .. } => "crm.unauthorized",
        Error::Forbidden { .. } => "crm.forbidden",
        Error::RateLimited { .. } => "crm.rate_limited",
        Error::Unavailable { .. } => "crm.unavailable",
        Error::NotFound => "crm.not_found",
        Error::Conflict { .. } => "crm.conflict",
        Error::Invalid { .. } => "crm.invalid",
        Error::Protocol { .. } => "crm.protocol",
    }
}

impl Enrichment {
    /// Every key with its value, as it goes out and as it is kept.
    #[must_use]
    pub fn flat(&self) -> BTreeMap<String, Value> {
        let mut flat = self.fields.clone();
        let ms = i64::try_from(self.latency.as_millis()).unwrap_or(i64::MAX);
        let as_of = self.as_of.map(|at| at.to_string()).unwrap_or_default();
        for (key, value) in [
            ("crmType", Value::Text(self.crm_type.clone())),
            ("crmError", Value::Bool(self.crm_error)),
            ("errorCode", self.error_code.into()),
            ("fallbackCrm", Value::Text(self.fallback_crm.clone())),
            ("fallbackQueue", Value::Text(self.fallback_queue.clone())),
            ("status", self.status.as_str().into()),
            ("latencyMs", Value::Integer(ms)),
            ("source", self.source.into()),
            ("asOf", Value::Text(as_of)),
        ] {
            flat.insert(key.to_owned(), value);
        }
        flat
    }
}
