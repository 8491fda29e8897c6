//! `tieline sync promote`: where a sync stands, what its next phase changes, the change
//! planned, what has to hold first; and made, where it may be.

use super::super::settings::percent;
use super::show::{self, text};
use super::{Output, plan, watch};
use crate::exit::{self, Failure};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(super) struct PromoteArgs {
    /// The sync's name.
    name: String,
    /// The phase: more_fields, two_way or optimise. Absent: the next one.
    #[arg(long, default_value = "")]
    to: String,
    /// Of both ways: the field by which records are made on the side that was only read so far.
    #[arg(long, default_value = "")]
    key: String,
    /// Make the change, if the sync was made by API and everything holds.
    #[arg(long)]
    apply: bool,
    /// Make it though not everything holds.
    #[arg(long, requires = "apply")]
    anyway: bool,
    #[command(flatten)]
    output: Output,
}

/// Writes that are shown of the plan.
const SHOWN: usize = 20;

pub(super) async fn promote(args: &PromoteArgs) -> Result<(), Failure> {
    let client = args.output.client()?;
    let path = format!("/api/v1/syncs/{}/promotion", percent(&args.name));
    let asked = format!("{path}?to={}&key={}", percent(&args.to), percent(&args.key));
    let body = json!({ "to": args.to, "key": args.key });
    let mut told = client.get(&asked).await?;
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let (mut run, mut writes) = (Value::Null, Vec::new());
    if !is_empty(&told["changes"]) && is_empty(&told["needs"]) {
        let begun = client.post(&path, &body).await?;
        run = watch::watch(&client, &begun["runId"], None).await?;
        writes = plan::writes(&client, &begun["runId"], SHOWN).await?;
        told = client.get(&asked).await?;
    }
    if args.apply {
        let body = json!({ "to": args.to, "key": args.key, "anyway": args.anyway });
        told = client.post(&format!("{path}/apply"), &body).await?;
    }
    let whole = json!({ "promotion": told, "plan": run, "writes": writes, "applied": args.apply });
    args.output.tell(&whole, lines)?;
    match text(&run, "state").as_str() {
        "" | "done" => Ok(()),
        _ => Err(exit::failed(format!("the plan is partial: {}", text(&run, "note")))),
    }
}

/// As a person reads it.
fn lines(whole: &Value) -> Vec<String> {
    let told = &whole["promotion"];
    let mut lines =
        vec![format!("{}: {} → {}", text(told, "sync"), text(told, "phase"), text(told, "next"))];
    lines.extend(show::each(&told["changes"], |one| {
        format!("  change {}: {} → {}", text(one, "at"), one["from"], one["to"])
    }));
    lines.extend(show::each(&told["needs"], |one| {
        format!("  missing {} {} {}", text(one, "at"), text(one, "message"), text(one, "fix"))
    }));
    lines.extend(show::each(&told["checks"], |one| {
        let mark = if one["met"] == true { "ok  " } else { "open" };
        let bound = if one["atLeast"] == true { "at least" } else { "at most" };
        let is = if one["is"].is_null() { "not known".to_owned() } else { one["is"].to_string() };
        format!("  {mark} {}: {is}, {bound} {}", text(one, "what"), one["limit"])
    }));
    if whole["plan"].is_object() {
        lines.extend(show::run(&whole["plan"]));
        lines.extend(whole["writes"].as_array().into_iter().flatten().flat_map(show::write));
    }
    if text(told, "next") == "optimise" {
        lines.extend(usage(&told["usage"]));
    }
    lines.push(match (whole["applied"] == true, text(told, "from").as_str()) {
        (true, _) => "It has moved up.".to_owned(),
        (false, "file") => format!("Set it in tieline.toml:\n\n{}", text(told, "toml")),
        (false, _) if told["ready"] == true => "Ready: --apply makes the change.".to_owned(),
        (false, _) => "Not ready: see what is open above.".to_owned(),
    });
    lines
}

/// What a sync costs, and what could cost less.
fn usage(usage: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for side in ["left", "right"] {
        let of = &usage[side];
        let (calls, changes) = (&of["calls"], &of["changes"]);
        lines.push(format!(
            "  {side:<6}{calls} calls a run for {changes} changes, by {}",
            text(of, "mode")
        ));
    }
    let calls = |side: &str| usage[side]["calls"].as_f64().unwrap_or_default();
    let costly = if calls("left") >= calls("right") { "left" } else { "right" };
    lines.push(format!("  most calls: {costly}; push, where its vendor has it, spares them"));
    let still = usage["fields"].as_array().into_iter().flatten();
    let still: Vec<String> = still
        .filter(|one| one["left"] == 0 && one["right"] == 0)
        .map(|one| text(one, "field"))
        .collect();
    if !still.is_empty() {
        let seen = if usage["cut"] == true { "of the last writes" } else { "of all writes" };
        lines.push(format!(
            "  never changed in {} days ({seen}): {}; they could go one way, or be left out",
            usage["days"],
            still.join(", ")
        ));
    }
    lines
}
