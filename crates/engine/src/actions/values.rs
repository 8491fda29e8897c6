//! The values that a request can be made of: what the flow has passed on, and whose
//! record that is in the system that is asked.
//!
//! A record's id goes to its own system alone, and there without its prefix; another
//! system's customer is asked for by the id that a link leads to ([`crate::crosswalk`]).

use crate::connections::Connection;
use crate::crosswalk::Counterpart;
use crate::lookup::Engine;
use domain::{CallId, Caller, ExternalId, phone};
use kit::{Ask, Given, Lane};
use serde_json::Value as Json;
use state::crosswalk::Link;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Names that every action knows, with what stands for them.
pub const STANDARD: &[(&str, &str)] = &[
    ("ani", "Who dialed, as the connection's `formats` write it, else as E.164"),
    ("callId", "The contact center's id of the conversation"),
    ("customerExternalId", "The record's id in the system that is asked, without prefix"),
    ("dnis", "What was dialed"),
    ("email", "E-mail address"),
    ("externalId", "The same as `customerExternalId`"),
    ("queue", "The queue, by its configured name"),
    ("userId", "The agent"),
];

const RECORDS: [&str; 2] = ["customerExternalId", "externalId"];

/// What a flow asks with.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub call: Option<CallId>,
    pub given: Given,
}

impl Engine {
    /// What is asked with: empty values are none, and a number is written as E.164.
    pub(super) fn asked(&self, call: Option<&CallId>, queue: &str, mut given: Given) -> Asked {
        given.retain(|_, value| !value.is_null() && *value != "");
        if let Some(Json::String(ani)) = given.get_mut("ani") {
            match phone::parse(ani, self.options.region) {
                Caller::Number(read) => *ani = read.e164,
                Caller::Withheld | Caller::Unusable { .. } => drop(given.remove("ani")),
            }
        }
        if let Some(call) = call {
            given.insert("callId".to_owned(), call.to_string().into());
        }
        if !queue.is_empty() {
            given.insert("queue".to_owned(), queue.into());
        }
        Asked { call: call.cloned(), given }
    }

    /// The values for one connection: of records only its own.
    pub(super) fn for_connection(&self, asked: &Asked, connection: &Connection) -> Given {
        let mut given = asked.given.clone();
        let record = RECORDS.iter().find_map(|name| {
            let text = asked.given.get(*name)?.as_str()?.trim();
            self.record_in(text, connection)
        });
        for name in RECORDS {
            match &record {
                Some(record) => given.insert(name.to_owned(), record.as_str().into()),
                None => given.remove(name),
            };
        }
        given
    }

    /// An id without a prefix is the system's own; one with a prefix only its owner's.
    fn record_in(&self, text: &str, connection: &Connection) -> Option<String> {
        match text.parse::<ExternalId>() {
            Ok(ExternalId::Record { prefix, record }) => {
                (connection.prefix.as_ref() == Some(&prefix)).then_some(record)
            }
            Ok(ExternalId::Phone(_) | ExternalId::Unknown) => None,
            Err(_) => (!text.is_empty() && !text.contains(':')).then(|| text.to_owned()),
        }
    }

    /// The record of the connection's own that another system's customer is linked to,
    /// where the request names that customer.
    pub(super) async fn linked_record(
        &self,
        asked: &Asked,
        connection: &Connection,
        until: Instant,
    ) -> Option<Counterpart> {
        let foreign = RECORDS.iter().find_map(|name| {
            match asked.given.get(*name)?.as_str()?.trim().parse() {
                Ok(ExternalId::Record { prefix, record }) => Some((prefix, record)),
                _ => None,
            }
        });
        let (prefix, record) = foreign?;
        self.counterpart((&prefix, &record), connection, until).await
    }

    /// Nobody asks a CRM for an erased person, however their id is written.
    pub(super) fn may_be_asked_for(&self, given: &Given, connection: &Connection) -> bool {
        let ask = ask_of(given);
        let record = ask.record.as_deref().map(|record| connection.formats.ids.write(record));
        let written = Ask { record, ..Ask::default() };
        !self.names_erased(&ask, connection) && !self.names_erased(&written, connection)
    }

    /// Adds the record where the values have none: that of the customer whom the request
    /// names elsewhere, whom the call is from by now, else whom the connection knows by
    /// number or e-mail. What led there is returned where it was a link.
    pub(super) async fn add_record(
        &self,
        given: &mut Given,
        asked: &Asked,
        connection: &std::sync::Arc<Connection>,
        lane: Lane,
        until: Instant,
    ) -> Option<Link> {
        if let Some(Counterpart { record, link }) =
            self.linked_record(asked, connection, until).await
        {
            put_record(given, &record);
            return link;
        }
        let stored = match &asked.call {
            Some(call) => tokio::time::timeout_at(until, self.store.call(call)).await.ok(),
            None => None,
        };
        let stored = stored.and_then(Result::ok).flatten();
        let by_call = match stored.map(|stored| stored.call.external_id) {
            Some(ExternalId::Record { prefix, record })
                if connection.prefix.as_ref() == Some(&prefix) =>
            {
                Some(Counterpart { record, link: None })
            }
            Some(ExternalId::Record { prefix, record }) => {
                self.counterpart((&prefix, &record), connection, until).await
            }
            _ => None,
        };
        if let Some(Counterpart { record, link }) = by_call {
            put_record(given, &record);
            return link;
        }
        if let Some(record) = self.record_by_search(given, connection, lane, until).await {
            put_record(given, &record);
        }
        None
    }
}

/// The record's id under every name that it has.
pub(super) fn put_record(given: &mut Given, record: &str) {
    for name in RECORDS {
        given.insert(name.to_owned(), record.into());
    }
}

/// Numbers and ids as the system writes them that is asked.
pub(super) fn write(given: &mut Given, connection: &Connection) {
    let formats = &connection.formats;
    if let Some(Json::String(ani)) = given.get_mut("ani") {
        *ani = formats.number(ani);
    }
    for name in RECORDS {
        if let Some(Json::String(record)) = given.get_mut(name) {
            *record = formats.ids.write(record);
        }
    }
}

/// Whether what is missing is the record.
pub(super) fn lacks_record(needs: &BTreeSet<String>, given: &Given) -> bool {
    RECORDS.iter().any(|name| needs.contains(*name) && !given.contains_key(*name))
}

/// Who is asked for.
pub(super) fn ask_of(given: &Given) -> Ask {
    let text = |name: &str| given.get(name).and_then(Json::as_str).map(str::to_owned);
    let phone = text("ani").map(|e164| domain::Phone { e164, extension: None });
    Ask { phone, email: text("email").map(|email| email.to_lowercase()), record: text(RECORDS[0]) }
}
