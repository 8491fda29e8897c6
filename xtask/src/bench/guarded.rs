//! What authentication, audit and corrections cost a lookup.
//!
//! Two of ours over the same CRM, with the same callers known, measured in turn. One is
//! as it was installed: the key of its file, nothing corrected. The other is asked with a
//! stored key that may only look up, and a thousand of its callers were corrected by
//! agents, each of which is in its audit log. The rest of both is the same.

use super::contestants::{self, Directory, KEY, Part};
use super::figures::Series;
use super::http;
use super::rounds::Stage;
use super::table::spread;
use crate::tools;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const CORRECTED: usize = 1_000;
const STEP: Duration = Duration::from_secs(10);

pub(super) fn cost(stage: &mut Stage) -> Result<()> {
    tools::say("directory hits with a stored key, audit and a thousand corrections");
    let (plain, guarded) = (stage.folder.join("plain"), stage.folder.join("guarded"));
    let plain = contestants::ours(&stage.crm, Directory::Usual, &plain)?;
    let guarded = contestants::ours(&stage.crm, Directory::Usual, &guarded)?;
    for part in [&plain, &guarded] {
        stage.generators.warm(&part.url, KEY, &stage.known, usize::MAX)?;
    }
    correct(&guarded, &fs::read_to_string(&stage.known)?)?;
    let body = json!({ "name": "bench", "scopes": ["lookup"] });
    let made = ask(&guarded, "/api/v1/api-keys", &body)?;
    let stored = made["key"].as_str().with_context(|| format!("no key: {made}"))?;
    let (mut without, mut with) = (Series::default(), Series::default());
    for _ in 0..stage.plan.rounds {
        for (part, key, series) in [(&plain, KEY, &mut without), (&guarded, stored, &mut with)] {
            let seconds = stage.plan.seconds;
            let report = stage.generators.ceiling(&part.url, key, &stage.known, 64, seconds)?;
            series.push(report["perSecond"].as_f64().context("no perSecond")?);
        }
    }
    stage.table.tell("ours, key of the file, nothing corrected", spread(&without, "/s"));
    stage.table.tell("ours, stored key, 1,000 corrected and audited", spread(&with, "/s"));
    let share = 100.0 * with.median() / without.median();
    let what = "with authentication, audit and overrides ÷ without";
    stage.table.judge(what, "≥ 90 %", format!("{share:.0} %"), share >= 90.0);
    Ok(())
}

/// Has each caller corrected to be the one after it, as an agent would.
fn correct(part: &Part, numbers: &str) -> Result<()> {
    let mut before: Option<String> = None;
    for (index, number) in numbers.lines().take(CORRECTED + 1).enumerate() {
        let call = format!("corrected-{index}");
        let lookup = json!({ "fromNumber": number, "callId": call });
        let who = ask(part, "/api/v1/genesys/lookup", &lookup)?["externalId"].clone();
        if let Some(call) = before.replace(call) {
            let body = json!({ "callId": call, "newExternalId": who, "reason": "bench" });
            let answer = ask(part, "/api/v1/genesys/update-context", &body)?;
            anyhow::ensure!(answer["remembered"] == true, "not remembered: {answer}");
        }
    }
    Ok(())
}

fn ask(part: &Part, path: &str, body: &Value) -> Result<Value> {
    let headers = [("Content-Type", "application/json"), ("X-API-Key", KEY)];
    http::ask("POST", &part.url, path, &headers, &body.to_string(), STEP)?.json()
}
