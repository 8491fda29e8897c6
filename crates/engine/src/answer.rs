//! What a lookup says, free of any wire format.

use domain::{ExternalId, Source, Status, Timestamp, Value};
use std::collections::BTreeMap;

/// One of several people who share what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub external_id: ExternalId,
    pub name: String,
}

/// The answer to one lookup. Always whole: what is not known is empty, never absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub external_id: ExternalId,
    pub name: String,
    pub email: String,
    /// Customer data by the names of the configuration, and `previousInteractionCount`.
    pub data: BTreeMap<String, Value>,
    pub status: Status,
    pub source: Source,
    /// When the customer's own system said so; for nobody, when we answered.
    pub as_of: Timestamp,
    /// The data is older than the limit and the CRM could not be asked.
    pub is_stale: bool,
    /// Who else it could be, when the policy names nobody.
    pub candidates: Vec<Candidate>,
    /// The connection that was asked.
    pub connection: String,
    /// What was odd about the request, in sentences.
    pub warnings: Vec<String>,
}
