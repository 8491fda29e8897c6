//! What connections need to be let in, against what their vendors granted.
//!
//! [`needs`] is what a connection's own capabilities and the actions on it need. [`look`]
//! asks the vendor and notes on the connection's health what it says; [`at_start`] does
//! so behind the start, where no call waits for it, and warns.

use crate::config::{Loaded, ServerSection};
use engine::{Connection, Connections};
use kit::connector::{Finding, Flaw};
use kit::{Manifest, Need};
use std::sync::Arc;
use std::time::Duration;

/// Scopes that a connection needs, each with what needs it.
pub fn needs(
    loaded: &Loaded,
    name: &str,
    manifest: &Manifest,
    connection: &Connection,
) -> Vec<Need> {
    let can = connection.capabilities.names();
    let own = manifest.scopes.iter().filter(|(capability, _)| can.contains(&capability.as_str()));
    let own = own.flat_map(|(capability, scopes)| {
        let is_optional = manifest.optional.contains(capability);
        let need = move |scope: &String| Need {
            scope: scope.clone(),
            by: capability.clone(),
            is_optional,
        };
        scopes.iter().map(need)
    });
    let actions = loaded.config.actions.iter().filter(|(_, action)| action.connection == name);
    let actions = actions.flat_map(|(action, section)| {
        let by = format!("the action {action}");
        let need =
            move |scope: &String| Need { scope: scope.clone(), by: by.clone(), is_optional: false };
        section.scopes.iter().map(need)
    });
    let mut needs: Vec<Need> = Vec::new();
    for need in own.chain(actions) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

/// Asks the vendor, and notes what it says.
pub async fn look(connection: &Connection) -> Vec<Finding> {
    match connection.capabilities.check.rights().await {
        Ok(rights) => {
            connection.health().rights.note(&rights, &connection.needs);
            rights.findings(&connection.needs)
        }
        Err(error) => vec![Finding {
            what: "scopes".to_owned(),
            outcome: Err(Flaw {
                code: "connection.scope_unknown",
                message: format!("What these credentials may do could not be asked: {error}."),
                fix: "Try again; the other findings say whether the vendor answers.".to_owned(),
            }),
        }],
    }
}

/// When a vendor that does not answer is asked again.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(300), Duration::from_secs(1_800)];

/// Asks every connection's vendor once, all at the same time, behind the start; who does
/// not answer is asked a few times more.
pub fn at_start(section: &ServerSection, connections: &Connections) {
    for connection in connections.all().filter(|_| section.check_at_start) {
        let connection = Arc::clone(connection);
        tokio::spawn(async move {
            for wait in AGAIN_AFTER {
                if let Some(tokens) = &connection.capabilities.tokens {
                    tokens.fresh(kit::tokens::WAIT).await.ok();
                }
                let findings = look(&connection).await;
                if connection.health().rights.seen().is_some() {
                    return warn(&connection, findings);
                }
                tokio::time::sleep(wait).await;
            }
        });
    }
}

/// One line for each thing that somebody should know. That a vendor tells nothing is no
/// news where nothing is declared, nor is at each start what calls do without.
fn warn(connection: &Connection, findings: Vec<Finding>) {
    for flaw in findings.into_iter().filter_map(|finding| finding.outcome.err()) {
        let Flaw { code, message, fix } = flaw;
        let is_untold = code == "connection.scope_unknown" && connection.needs.is_empty();
        if is_untold || code == kit::rights::OPTIONAL {
            continue;
        }
        tracing::warn!(connection = connection.name, error.code = code, "{message} {fix}");
    }
}
