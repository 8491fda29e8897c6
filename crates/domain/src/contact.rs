//! A person as one CRM knows them.

use crate::{Timestamp, Value};
use std::collections::BTreeMap;

/// One record of a person in one system, mapped by its connector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contact {
    /// The record's id within its own system, e.g. `0035g00000ABCdEAAW`.
    pub record: String,
    /// The system's name for the kind of record: `Contact`, `Lead`, …
    pub object: String,
    /// Display name; empty when the system holds none.
    pub name: String,
    /// E-mail as stored, outer space removed.
    pub email: Option<String>,
    /// Every number of the record that is a possible number, as E.164.
    pub phones: Vec<String>,
    pub created_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    /// The last call of this person that Tieline itself has seen.
    pub last_call_at: Option<Timestamp>,
    /// Id of the account the record hangs on, in the same system.
    pub account: Option<String>,
    /// Address of the record's page, for the agent's screen pop.
    pub url: Option<String>,
    /// What the answer's `data` carries: names as configured, never null.
    pub data: BTreeMap<String, Value>,
}
