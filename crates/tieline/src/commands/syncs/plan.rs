//! `tieline sync plan`: what a run would do, field by field, what it takes, and how much of
//! all people it touches.

use super::super::client::Client;
use super::super::settings::percent;
use super::show::{self, text};
use super::{Output, say, watch};
use crate::exit::{self, Failure};
use crate::http::csv_cell;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The sync's name.
    name: String,
    #[command(flatten)]
    output: Output,
    /// Print every field that would be written as a line of CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print every write; else the first 50.
    #[arg(long)]
    all: bool,
}

/// Writes that a table shows, and those that an answer brings at once.
const SHOWN: usize = 50;
const PAGE: usize = 1_000;
/// As many as a plan lists.
pub(super) const ALL: usize = 10_000;

pub(super) async fn plan(args: &PlanArgs) -> Result<(), Failure> {
    let client = args.output.client()?;
    let path = format!("/api/v1/syncs/{}/plan", percent(&args.name));
    let begun = client.post(&path, &json!({})).await?;
    let run = watch::watch(&client, &begun["runId"], None).await?;
    let plan = client.get(&path).await?;
    let most = if args.csv || args.all || args.output.json { ALL } else { SHOWN };
    let writes = writes(&client, &begun["runId"], most).await?;
    if args.csv {
        // The file holds the writes; what they take is talk, and nobody listening no failure.
        for line in forecast(&plan) {
            writeln!(std::io::stderr(), "{line}").ok();
        }
        lines_of_csv(&writes).iter().try_for_each(|line| say(line))?;
    } else {
        let both = json!({ "plan": plan, "writes": writes });
        args.output.tell(&both, |both| table(&both["plan"], &both["writes"]))?;
    }
    match text(&run, "state").as_str() {
        "done" => Ok(()),
        _ => Err(exit::failed(format!("the plan is partial: {}", text(&run, "note")))),
    }
}

/// What a run has written or a plan would, newest first, at most so many.
pub(super) async fn writes(
    client: &Client,
    run: &Value,
    most: usize,
) -> Result<Vec<Value>, Failure> {
    let (mut all, mut before) = (Vec::new(), String::new());
    while all.len() < most {
        let limit = PAGE.min(most - all.len());
        let path = format!("/api/v1/runs/{run}/writes?limit={limit}&before={before}");
        let mut page = client.get(&path).await?;
        if let Value::Array(items) = page["items"].take() {
            all.extend(items);
        }
        before = text(&page, "next");
        if before.is_empty() {
            break;
        }
    }
    Ok(all)
}

/// The plan as a person reads it.
pub(super) fn table(plan: &Value, writes: &Value) -> Vec<String> {
    let mut lines = show::run(plan);
    lines.extend(forecast(plan));
    let writes = writes.as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(writes.iter().flat_map(show::write));
    let more = show::writes(plan).saturating_sub(u64::try_from(writes.len()).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("… and {more} more writes: --all, --csv or --json lists up to {ALL}"));
    }
    lines
}

/// What it comes to on each side.
fn forecast(plan: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(format!(
        "  {:<6}{:>9}{:>9}{:>9}{:>12}{:>9}{:>12}",
        "", "create", "update", "delete", "of people", "calls", "waits"
    ));
    for side in ["left", "right"] {
        let of = &plan[side];
        lines.push(format!(
            "  {side:<6}{:>9}{:>9}{:>9}{:>11}%{:>9}{:>12}",
            of["creates"].to_string(),
            of["updates"].to_string(),
            of["deletes"].to_string(),
            of["percent"].to_string(),
            of["calls"].to_string(),
            duration(of["seconds"].as_u64().unwrap_or_default()),
        ));
    }
    lines.push(format!("  of {} people; calls are what a run needs at least", plan["pairs"]));
    if plan["braked"] == true {
        lines.push("  the brake would stop a run: it would delete too many".to_owned());
    }
    lines
}

/// Each field that would be written in a line.
pub(super) fn lines_of_csv(writes: &[Value]) -> Vec<String> {
    let mut lines = vec!["side,kind,record,field,before,after,why".to_owned()];
    for write in writes {
        let word = |key: &str| csv_cell(&text(write, key));
        for (name, before, after) in show::fields(write) {
            let value = |value: &Value| match value {
                Value::Null => String::new(),
                Value::String(text) => csv_cell(text),
                other => csv_cell(&other.to_string()),
            };
            let cells = [
                word("side"),
                word("kind"),
                word("record"),
                csv_cell(&name),
                value(&before),
                value(&after),
                word("why"),
            ];
            lines.push(cells.join(","));
        }
    }
    lines
}

fn duration(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
