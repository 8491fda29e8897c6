//! Whether the platform really has the queues, IVRs and recordings that rules lead to.
//!
//! The contact center is asked where it can be, all names of a kind at once. That it has
//! none of a name, and that it could not be asked, are told apart: only the first can keep
//! rules from coming into force.

use super::form::{self, Fault};
use super::set::{SetBody, fault};
use crate::lookup::Engine;
use domain::rules::{Destination, DestinationKind};
use kit::{Destinations, Lane};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the platform may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found out about destinations.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The platform has none of that name.
    pub unknown: Vec<Fault>,
    /// Why something could not be found out.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Looks for every destination of a set.
    pub async fn places_of(&self, body: &SetBody) -> Places {
        let mut places = Places::default();
        let platform = self.connections.contact_center();
        let asked = platform.and_then(|one| one.capabilities.destinations.clone());
        let Some(asked) = asked else { return places };
        let mut wanted: BTreeMap<DestinationKind, BTreeMap<String, String>> = BTreeMap::new();
        for (at, destination) in named(body, self) {
            let is_configured = destination.kind == DestinationKind::Queue
                && self
                    .connections
                    .queue_by_word(&destination.option, self.options.region)
                    .is_some();
            if is_configured {
                continue;
            }
            let of_kind = wanted.entry(destination.kind).or_default();
            of_kind.entry(destination.option).or_insert(at);
        }
        for (kind, words) in wanted {
            places.look(&asked, kind, words).await;
        }
        places
    }
}

impl Places {
    async fn look(
        &mut self,
        platform: &Arc<dyn Destinations>,
        kind: DestinationKind,
        words: BTreeMap<String, String>,
    ) {
        if !platform.can_be_asked(kind) {
            return;
        }
        let names: Vec<String> = words.keys().cloned().collect();
        let found =
            tokio::time::timeout(PATIENCE, platform.find(Lane::Background, kind, &names)).await;
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                let told =
                    format!("the platform was not asked for its {}s: {error}", kind.as_str());
                return self.warnings.push(told);
            }
            Err(_) => {
                let told = format!("the platform did not tell its {}s in time", kind.as_str());
                return self.warnings.push(told);
            }
        };
        let missing = words.into_iter().zip(found).filter(|(_, found)| found.is_none());
        self.unknown.extend(missing.map(|((name, at), _)| {
            let kind = kind.as_str();
            let message = format!(
                "leads to a {kind} that the platform has not, or not where this client may see it: {name}."
            );
            fault(&at, &message, "Correct the name, or make it there first.")
        }));
    }
}

/// Every destination and where it stands.
fn named(body: &SetBody, engine: &Engine) -> Vec<(String, Destination)> {
    let mut all = Vec::new();
    for (name, body) in &body.rules {
        let Ok(read) = form::rule(name, body) else { continue };
        let lines = read.rule.lines.into_iter().enumerate();
        all.extend(
            lines.map(|(at, line)| {
                (format!("rules.{name}.lines[{at}].destination"), line.destination)
            }),
        );
    }
    for (entry, body) in &body.chains {
        let Ok(chain) = form::chain(entry, body, engine.options.region) else { continue };
        all.push((format!("chains.{entry}.default"), chain.default));
    }
    all
}
