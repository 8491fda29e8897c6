//! What is kept of a decision: where it went, and, sealed, what was seen.

use super::decide::{Decided, seen};
use super::gather::Heard;
use super::kept::{Asked, Details, SeenField};
use super::set::Ready;
use crate::connections::Connections;
use crate::lookup::Engine;
use domain::ExternalId;
use domain::rules::Seen;
use serde_json::Value as Json;
use state::decisions::NewDecision;
use state::subject::Record;
use std::time::Duration;
use tokio::time::Instant;

impl Engine {
    /// Whether the decision was kept before the deadline; else it is kept behind.
    pub(super) async fn keep_in_time(&self, decision: NewDecision, deadline: Instant) -> bool {
        let store = self.store.clone();
        let keeping = tokio::spawn(async move {
            // Without an end these would pile up while a store hangs.
            let kept = tokio::time::timeout(KEEP_MAX, store.record_decision(decision)).await;
            let wrong = match kept {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the store is too slow".to_owned(),
            };
            tracing::warn!("a decision was not kept: {wrong}");
            false
        });
        matches!(tokio::time::timeout_at(deadline, keeping).await, Ok(Ok(true)))
    }
}

/// How long a decision may take to be kept, behind its answer.
const KEEP_MAX: Duration = Duration::from_secs(5);

/// Whose values were seen.
pub(super) fn records(heard: &[Heard]) -> Vec<Record> {
    let mut all = Vec::new();
    for heard in heard {
        for (_, identity) in &heard.identities {
            if let ExternalId::Record { record, .. } = &identity.external_id {
                let connection = heard.connection.name.clone();
                let one = Record { connection, record: record.clone() };
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
    }
    all
}

/// What is kept of a decision, so that it can be explained and replayed.
pub(super) fn details(
    decided: &Decided,
    is_corrected: bool,
    ready: Option<&Ready>,
    heard: &[Heard],
    connections: &Connections,
) -> Vec<u8> {
    let slots = ready.map(|ready| ready.compiled.slots()).unwrap_or_default();
    let values = ready.map(|ready| seen(ready, heard, connections)).unwrap_or_default();
    let fields = slots.iter().zip(values).map(|(slot, seen)| SeenField {
        connection: slot.source.connection.as_str().into(),
        module: slot.source.module.map(|module| module.as_str().into()),
        field: slot.field.as_str().into(),
        heard: matches!(seen, Seen::Told(_)),
        value: match seen {
            Seen::Told(Some(value)) => super::kept::json(value),
            Seen::Told(None) | Seen::Unheard => Json::Null,
        },
    });
    let asked = heard.iter().map(|heard| {
        let identity = heard.identities.first().map(|(_, identity)| identity);
        Asked {
            connection: heard.connection.name.as_str().into(),
            status: heard.status().into(),
            source: identity.map(|one| one.source.as_str().into()),
            as_of: identity.map(|one| one.as_of.to_string()),
            failure: heard.failure.map(Into::into),
            took_us: heard.took_us,
        }
    });
    let details = Details {
        seen: fields.collect(),
        asked: asked.collect(),
        corrected: is_corrected,
        reason: decided.reason.as_str().into(),
        warnings: decided.warnings.as_slice().into(),
    };
    serde_json::to_vec(&details).unwrap_or_default()
}
