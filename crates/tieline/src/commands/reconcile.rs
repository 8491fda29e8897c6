//! `tieline reconcile`: begins a run on the running server and watches it to its end.

use super::{Client, say};
use crate::cli::ConfigArgs;
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReconcileArgs {
    #[command(subcommand)]
    command: Option<Reconcile>,
    #[command(flatten)]
    config: ConfigArgs,
    /// How far back to look.
    #[arg(long, default_value = "24h", value_name = "TIME")]
    since: String,
    /// Find out what a run would do, and write nothing anywhere.
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Reconcile {
    /// List the runs of late, newest first.
    Runs {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Calls that are printed one by one; the API pages through all of them.
const SHOWN: usize = 50;

pub async fn reconcile(args: &ReconcileArgs) -> Result<(), Failure> {
    if let Some(Reconcile::Runs { config, json }) = &args.command {
        return runs(&Client::of(&config.config)?, *json).await;
    }
    let client = Client::of(&args.config.config)?;
    let body = json!({ "since": args.since, "dryRun": args.dry_run });
    let begun = client.post("/api/v1/reconcile", &body).await?;
    let path = format!("/api/v1/reconcile/runs/{}?limit={SHOWN}", begun["runId"]);
    let report = watch(&client, &path).await?;
    if args.json {
        say(&report.to_string())?;
    } else {
        print(&report)?;
    }
    let failed = report["counts"]["failed"].as_u64().unwrap_or(0);
    match report["state"].as_str() {
        Some("done") if failed == 0 => Ok(()),
        Some("done") => Err(exit::failed(format!("{failed} calls failed: see the report"))),
        _ => Err(exit::failed(format!("the run is partial: {}", text(&report, "note")))),
    }
}

/// Shows how far the run is until it has ended.
async fn watch(client: &Client, path: &str) -> Result<Value, Failure> {
    let progress = Progress::new();
    loop {
        let run = client.get(path).await?;
        progress.tell(&run);
        if run["endedAt"].as_str().is_some_and(|at| !at.is_empty()) {
            progress.bar.finish_and_clear();
            return Ok(run);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A bar on a terminal, a line for each step elsewhere.
struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    step: std::cell::Cell<u8>,
}

impl Progress {
    fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::new(1_000) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {elapsed_precise} {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, is_terminal, step: std::cell::Cell::new(0) }
    }

    fn tell(&self, run: &Value) {
        let (step, words) = match run["step"].as_str() {
            Some("history") => (1, "reading what the contact center remembers"),
            Some("calls") => (2, "looking at calls known by a number alone"),
            _ => (3, "waiting until others are told"),
        };
        let examined = run["examined"].as_u64().unwrap_or(0);
        let linked = run["counts"]["linked"].as_u64().unwrap_or(0);
        self.bar.set_position(share(run, step));
        self.bar.set_message(format!("{words}: {examined} looked at, {linked} linked"));
        if !self.is_terminal && self.step.replace(step) != step {
            // Talk; nobody listening is no failure.
            writeln!(std::io::stderr(), "{words}").ok();
        }
    }
}

/// How much is done, of a thousand: of the history by the time that it has come to.
fn share(run: &Value, step: u8) -> u64 {
    let time = |key: &str| run[key].as_str().and_then(domain::Timestamp::parse);
    match (step, time("since"), time("until"), time("reached")) {
        (1, Some(since), Some(until), Some(reached)) => {
            let whole = until.since(since).as_millis().max(1);
            let share = reached.since(since).as_millis() * 800 / whole;
            u64::try_from(share).unwrap_or(0).min(800)
        }
        (1, ..) => 0,
        (2, ..) => 850,
        _ => 950,
    }
}

/// The report as a table.
fn print(report: &Value) -> Result<(), Failure> {
    let is_dry = report["dryRun"] == true;
    let what = if is_dry { "would be " } else { "" };
    let count = |word: &str| report["counts"][word].as_u64().unwrap_or(0);
    say(&format!(
        "run {} over calls from {} to {}: {}{}",
        report["runId"],
        text(report, "since"),
        text(report, "until"),
        text(report, "state"),
        if is_dry { ", dry: nothing was written" } else { "" },
    ))?;
    let examined = report["examined"].as_u64().unwrap_or(0);
    let rows = [
        ("looked at".to_owned(), examined),
        (format!("{what}linked to a record"), count("linked")),
        ("  of these never seen before".to_owned(), count("unseen")),
        ("  of these not told in full".to_owned(), count("reported")),
        ("known as a record already".to_owned(), count("known")),
        ("unknown to the CRM".to_owned(), count("unknown")),
        ("several records".to_owned(), count("ambiguous")),
        ("number withheld".to_owned(), count("withheld")),
        ("of erased people".to_owned(), count("erased")),
        ("without a customer".to_owned(), count("internal")),
        ("still going on".to_owned(), count("ongoing")),
        ("left to the next run".to_owned(), count("unasked")),
        ("failed".to_owned(), count("failed")),
        (format!("contacts {what}kept for good"), count("promoted")),
    ];
    for (label, calls) in rows {
        say(&format!("  {label:<34}{calls:>10}"))?;
    }
    for reason in report["reasons"].as_array().into_iter().flatten() {
        say(&format!("{:>8} × {}", reason["calls"], text(reason, "reason")))?;
    }
    for call in report["calls"].as_array().into_iter().flatten() {
        let (id, what) = (text(call, "callId"), text(call, "what"));
        say(&format!("{id}  {what:<10} {}", text(call, "reason")))?;
    }
    if !text(report, "next").is_empty() {
        let path =
            format!("/api/v1/reconcile/runs/{}?after={}", report["runId"], text(report, "next"));
        say(&format!("… and more: GET {path}"))?;
    }
    Ok(())
}

async fn runs(client: &Client, json: bool) -> Result<(), Failure> {
    let runs = client.get("/api/v1/reconcile/runs").await?;
    if json {
        return say(&runs.to_string());
    }
    for run in runs.as_array().into_iter().flatten() {
        let count = |word: &str| run["counts"][word].as_u64().unwrap_or(0);
        say(&format!(
            "{:>6}  {}  {:<8} {:<4} looked at {}, linked {}, failed {}  {}",
            run["runId"].as_i64().unwrap_or(0),
            text(run, "startedAt"),
            text(run, "state"),
            if run["dryRun"] == true { "dry" } else { "" },
            run["examined"],
            count("linked"),
            count("failed"),
            text(run, "note"),
        ))?;
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
