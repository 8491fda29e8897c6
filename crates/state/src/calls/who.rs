//! Who a call is from, ready to be stored with it.

use super::record_hash;
use crate::error::Result;
use crate::keys::{Hash, Keyring};
use crate::rows::{Identity, encode};
use domain::{CallId, ExternalId, Source, Status};
use std::collections::BTreeMap;

/// How sure we are, by kind of external id: more never falls back to less than a record.
const NOBODY: i64 = 0;
const A_NUMBER: i64 = 1;
pub(crate) const A_RECORD: i64 = 2;
/// A person has said so and its own system has confirmed it: no search knows better.
pub(crate) const AN_AGENT: i64 = 3;

/// An identification, ready to be stored with its call.
pub(crate) struct Who {
    pub(super) connection: String,
    pub(crate) status: &'static str,
    pub(super) source: &'static str,
    pub(crate) certainty: i64,
    pub(super) subject: Option<Hash>,
    pub(super) identity: Vec<u8>,
    pub(super) labels: Option<String>,
}

impl Who {
    pub(crate) fn new(
        keys: &Keyring,
        id: &CallId,
        connection: &str,
        external_id: &ExternalId,
        contact: Option<String>,
        (status, source, labels): (Status, Source, &BTreeMap<String, String>),
    ) -> Result<Self> {
        let (certainty, subject) = match external_id {
            ExternalId::Record { record, .. } => {
                (A_RECORD, Some(record_hash(keys, connection, record)))
            }
            ExternalId::Phone(phone) => (A_NUMBER, Some(keys.hash("phone id", &[phone]))),
            ExternalId::Unknown => (NOBODY, None),
        };
        let identity = Identity { external_id: external_id.to_string(), contact };
        Ok(Self {
            connection: connection.to_owned(),
            status: status.as_str(),
            source: source.as_str(),
            certainty,
            subject,
            identity: keys.seal("calls.identity", id.as_str().as_bytes(), encode(&identity)?)?,
            // A map of texts: there is nothing in it that JSON cannot hold.
            labels: (!labels.is_empty()).then(|| serde_json::to_string(labels).unwrap_or_default()),
        })
    }
}
