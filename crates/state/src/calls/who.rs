//! Who a call is from, ready to be stored with it.

use super::Identified;
use crate::error::Result;
use crate::feed::call_stream;
use crate::keys::{Hash, Keyring};
use crate::labels::Labels;
use crate::rows::{Identity, encode, stored};
use crate::store::Store;
use domain::{CallId, ExternalId, Source, Status, Timestamp, Value};
use std::collections::BTreeMap;

/// How sure we are, by kind of external id: more never falls back to less than a record.
const NOBODY: i64 = 0;
const A_NUMBER: i64 = 1;
pub(crate) const A_RECORD: i64 = 2;
/// A person has said so and its own system has confirmed it: no search knows better.
pub(crate) const AN_AGENT: i64 = 3;

/// The subject of a record: shared by its calls and its entry in the directory.
pub(crate) fn record_hash(keys: &Keyring, connection: &str, record: &str) -> Hash {
    keys.hash("record", &[connection, record])
}

/// An identification, ready to be stored with its call.
pub(crate) struct Who {
    pub(super) connection: String,
    pub(crate) status: &'static str,
    pub(super) source: &'static str,
    pub(crate) certainty: i64,
    pub(super) subject: Option<Hash>,
    pub(super) identity: Vec<u8>,
    pub(super) labels: Labels,
    /// Where news of the call go.
    pub(crate) stream: Hash,
}

/// What is said of a call besides who it is from.
pub(crate) struct Said {
    pub(crate) status: Status,
    pub(crate) source: Source,
    pub(crate) labels: Labels,
    pub(crate) data: BTreeMap<String, Value>,
}

impl Store {
    /// An identification with the labels that it may have.
    pub(crate) async fn said(
        &self,
        identified: Identified,
    ) -> Result<(Timestamp, String, ExternalId, Option<String>, Said)> {
        let Identified {
            connection, external_id, contact, status, source, labels, data, at, ..
        } = identified;
        let said = Said { status, source, labels: self.admit(labels).await?, data };
        Ok((at, connection, external_id, contact, said))
    }
}

impl Who {
    /// Whose interactions the call counts to.
    pub(crate) fn subject(&self) -> Option<&Hash> {
        self.subject.as_ref()
    }

    pub(crate) fn new(
        keys: &Keyring,
        id: &CallId,
        connection: &str,
        external_id: &ExternalId,
        contact: Option<String>,
        said: Said,
    ) -> Result<Self> {
        let (certainty, subject) = match external_id {
            ExternalId::Record { record, .. } => {
                (A_RECORD, Some(record_hash(keys, connection, record)))
            }
            ExternalId::Phone(phone) => (A_NUMBER, Some(keys.hash("phone id", &[phone]))),
            ExternalId::Unknown => (NOBODY, None),
        };
        let Said { status, source, labels, data } = said;
        let data = data.into_iter().filter_map(|(name, value)| Some((name, stored(&value)?)));
        let identity =
            Identity { external_id: external_id.to_string(), contact, data: data.collect() };
        Ok(Self {
            connection: connection.to_owned(),
            status: status.as_str(),
            source: source.as_str(),
            certainty,
            subject,
            identity: keys.seal("calls.identity", id.as_str().as_bytes(), encode(&identity)?)?,
            stream: call_stream(keys, id),
            labels,
        })
    }
}
