//! The rounds of the events' bench: how many are taken in, each acknowledged only once it is stored.
//!
//! Bodies are of the forms that a contact center sends: our plain one, a trigger's and
//! EventBridge's, half of them told a second time; one event in a body and twenty. Every
//! answer is read, and one that does not acknowledge all of its body counts as wrong.

use super::contestants::{self, Directory, KEY, Part, Simulator};
use super::figures::{Generators, Pressure, Series, fdatasync};
use super::rounds::Plan;
use super::table::{Table, spread};
use crate::tools;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const EVENTS: &str = "/api/v1/genesys/events";
/// Events in a body where there are several: what a relay sends after a moment of gathering.
const SEVERAL: usize = 20;
/// What is promised, over SQLite, surviving a power cut.
const TARGET: f64 = 5_000.0;

/// Runs all rounds and returns their table.
pub(super) fn intake(plan: Plan, folder: &Path) -> Result<Table> {
    let generators = Generators::prepare(folder, contestants::program("load"))?;
    let mut table = Table::default();
    let (median, tail) = fdatasync(folder)?;
    table.tell("disk: fdatasync of 4 KiB", format!("p50 {median:.2} ms, p99 {tail:.2} ms"));
    let crm = contestants::simulator()?;
    let center = contestants::center()?;
    let bare = contestants::bare()?;
    let ours = ours(&crm, &center, folder)?;
    for (what, several, connections) in [
        ("one event in a body, 64 connections", false, 64),
        ("one event in a body, 8 connections", false, 8),
        ("twenty events in a body, 8 connections", true, 8),
    ] {
        tools::say(what);
        let bodies = bodies(folder, several)?;
        let mut of_bare = (Series::default(), Series::default());
        let mut of_ours = (Series::default(), Series::default());
        for _ in 0..plan.rounds {
            for (part, figures) in [(&bare, &mut of_bare), (&ours, &mut of_ours)] {
                let pressure = Pressure {
                    connections,
                    seconds: plan.seconds,
                    rate: None,
                    limit_ms: None,
                    expect: None,
                };
                let report = generators.tell(&part.url, KEY, EVENTS, &bodies, pressure)?;
                take(&report, figures)?;
            }
        }
        let says = |(events, p99): &(Series, Series)| {
            format!("{}, p99 {}", spread(events, "events/s"), spread(p99, "ms"))
        };
        table.tell(&format!("bare endpoint: {what}"), says(&of_bare));
        let met = of_ours.0.median() >= TARGET;
        table.judge(&format!("ours: {what}"), "≥ 5,000/s", says(&of_ours), met);
        let share = 100.0 * of_ours.0.median() / of_bare.0.median();
        table.tell(&format!("ours ÷ bare: {what}"), format!("{share:.0} %"));
    }
    let (median, tail) = fdatasync(folder)?;
    table.tell("disk, once more", format!("p50 {median:.2} ms, p99 {tail:.2} ms"));
    Ok(table)
}

/// Nothing counts that was not acknowledged.
fn take(report: &Value, (events, p99): &mut (Series, Series)) -> Result<()> {
    let flaw = |name: &str| report[name].as_u64().unwrap_or(1);
    anyhow::ensure!(flaw("wrong") + flaw("lost") == 0, "not all was acknowledged: {report}");
    events.push(report["eventsPerSecond"].as_f64().context("no eventsPerSecond")?);
    p99.push(report["p99"].as_f64().context("no p99")?);
    Ok(())
}

/// Ours with a contact center whose messages it reads. The default promise: what is
/// acknowledged survives a power cut.
fn ours(crm: &Simulator, center: &Simulator, folder: &Path) -> Result<Part> {
    let more = format!(
        r#"
[contact_center]
connection = "genesys"

[connections.genesys]
type = "genesys_cloud"
allow_private_addresses = true

[connections.genesys.settings]
api_url = "{url}"
login_url = "{url}"
client_id = "{id}"
client_secret = {{ env = "BENCH_CENTER_SECRET" }}
external_source = "CRM"
"#,
        url = center.part.url,
        id = center.client_id,
    );
    contestants::ours_with(crm, Directory::Usual, folder, &more, Some(center))
}

/// Writes the bodies, one a line; each second one tells the one before again.
fn bodies(folder: &Path, several: bool) -> Result<PathBuf> {
    let mut lines = Vec::new();
    for form in [plain as fn(&str) -> Value, trigger, event_bridge] {
        for call in ["@call@", "@again@"] {
            let body = match several {
                false => form(call),
                true => (0..SEVERAL).map(|n| form(&format!("{call}-{n}"))).collect(),
            };
            lines.push(body.to_string());
        }
    }
    let path = folder.join(if several { "several.jsonl" } else { "single.jsonl" });
    fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// Our own form. Without `startedAt` it is one event.
fn plain(call: &str) -> Value {
    json!({
        "type": "callEnded", "callId": call, "endedAt": "2026-11-21T20:18:05Z",
        "queueId": "Support", "userId": "agent-7", "wrapUp": "Resolved",
        "notes": "Call back on Monday", "talkMs": 150_000, "holdMs": 35_000, "acwMs": 20_000,
    })
}

/// What a trigger sends as `TopLevelPrimitives`.
fn trigger(call: &str) -> Value {
    json!({
        "eventTime": 1_795_338_000_000_i64, "conversationId": call,
        "participantId": "9fb2ca78-8389-4758-b76a-9b0300de1fce",
        "sessionId": "c03d300e-fa79-4353-9695-b97a71322785", "mediaType": "VOICE",
        "provider": "Edge", "direction": "INBOUND", "disconnectType": "PEER",
        "userId": "0a1b2c3d-0000-4000-8000-000000000007", "queueId": "5846bd38-fc14-4ee9-9bab-68a6818f4a9e",
        "interactingDurationMs": 51_274, "heldDurationMs": 4_000,
    })
}

/// The vendor's own example of an event on EventBridge, of a call.
fn event_bridge(call: &str) -> Value {
    json!({
        "version": "0", "id": "58fb5dac-f077-4eec-a25f-c638dbdd4368",
        "detail-type": "v2.detail.events.conversation.{id}.customer.end",
        "source": "aws.partner/genesys.com.test/cloud/32aa07aa-db1b-4987-abd0-9483601ec29d/test-event-bus",
        "account": "123456789012", "time": "2022-06-14T16:12:11.000Z", "region": "us-east-1",
        "resources": [],
        "detail": {
            "topicName": format!("v2.detail.events.conversation.{call}.customer.end"), "version": "2",
            "eventBody": {
                "eventTime": 1_649_237_504_949_i64, "conversationId": call,
                "participantId": "9fb2ca78-8389-4758-b76a-9b0300de1fce",
                "sessionId": "c03d300e-fa79-4353-9695-b97a71322785", "mediaType": "VOICE",
                "provider": "Edge", "direction": "INBOUND",
                "externalContactId": "12456349-b5c7-4d8f-9eb4-f4df18bce9a9",
                "conversationExternalContactIds": ["12456349-b5c7-4d8f-9eb4-f4df18bce9a9"],
                "interactingDurationMs": 60_000,
            },
            "metadata": { "CorrelationId": "7272d362-23b2-4c14-9d40-dc7b7683153a" },
            "timestamp": "2022-04-06T09:30:45.013Z",
        },
    })
}
