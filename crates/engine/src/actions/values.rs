//! The values that a request can be made of: what the flow has passed on, and whose
//! record that is in the system that is asked.
//!
//! A record's id goes to its own system alone, and there without its prefix.

use crate::connections::Connection;
use crate::lookup::Engine;
use domain::{CallId, Caller, ExternalId, phone};
use kit::{Ask, Given, Lane};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Names that every action knows, with what stands for them.
pub const STANDARD: &[(&str, &str)] = &[
    ("ani", "Who dialed, as E.164 where it can be read"),
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

    /// Nobody asks a CRM for an erased person.
    pub(super) fn may_be_asked_for(&self, given: &Given, connection: &Connection) -> bool {
        !self.names_erased(&ask_of(given), connection)
    }

    /// Adds the record where the values have none: whom the call is from by now, else
    /// whom the connection knows by number or e-mail.
    pub(super) async fn add_record(
        &self,
        given: &mut Given,
        asked: &Asked,
        connection: &std::sync::Arc<Connection>,
        lane: Lane,
        until: Instant,
    ) {
        let stored = match &asked.call {
            Some(call) => tokio::time::timeout_at(until, self.store.call(call)).await.ok(),
            None => None,
        };
        let stored = stored.and_then(Result::ok).flatten();
        let by_call = stored.and_then(|stored| match stored.call.external_id {
            ExternalId::Record { prefix, record }
                if connection.prefix.as_ref() == Some(&prefix) =>
            {
                Some(record)
            }
            _ => None,
        });
        let record = match by_call {
            Some(record) => Some(record),
            None => self.record_by_search(given, connection, lane, until).await,
        };
        if let Some(record) = record {
            for name in RECORDS {
                given.insert(name.to_owned(), record.as_str().into());
            }
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
