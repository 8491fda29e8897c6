//! `tieline sync` and `tieline review`: syncs of the running server, planned, run, watched
//! and taken back; and what they ask people.

mod plan;
mod promote;
mod review;
mod show;
mod watch;

pub use review::{ReviewArgs, review};

use super::client::Client;
use super::say;
use super::settings::percent;
use crate::cli::ConfigArgs;
use crate::exit::{self, Failure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use show::{each, text};
use std::io::Write as _;

#[derive(Debug, Args)]
pub struct SyncArgs {
    #[command(subcommand)]
    command: Sync,
}

#[derive(Debug, Subcommand)]
enum Sync {
    /// List syncs: between whom, whether they may run, what waits for a person.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show one: how it stands, its last runs and their score.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Find out what a run would do, field by field, and write nothing to anybody.
    Plan(plan::PlanArgs),
    /// Run one now and watch it to its end. The first time it must have been approved.
    Run {
        /// Its name.
        name: String,
        /// Approve it without a plan.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Say that one may run by itself: its plan was seen.
    Approve {
        #[command(flatten)]
        which: Which,
    },
    /// Let one rest.
    Pause {
        #[command(flatten)]
        which: Which,
    },
    /// End its rest.
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Take back what a run has changed, where nothing changed since. Lists what could not be
    /// taken back; the sync rests afterwards.
    Undo {
        /// The run's number.
        run: i64,
        #[command(flatten)]
        output: Output,
    },
    /// Measure how far both sides are apart: reads some pairs from both, and writes nothing.
    Measure {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Move one up: one way, more fields, two ways, optimise. Plans the change and tells what has
    /// to hold first.
    Promote(promote::PromoteArgs),
    /// Forget one that is configured no more, with everything that is kept of it.
    Forget {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List the runs of one, newest first.
    Runs {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Tell a record's story: its other, what was written, who or what decided.
    Record {
        /// The sync's name.
        name: String,
        side: Side,
        /// The record's id, as its own system writes it.
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// List what could not be settled, and why.
    Failures {
        /// The sync's name.
        name: String,
        /// Only of this class, such as invalid.
        #[arg(long)]
        class: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Try failures again with the next run: all, those of a class, or one.
    Redrive {
        /// The sync's name.
        name: String,
        /// Only those of this class.
        #[arg(long, conflicts_with = "pair")]
        class: Option<String>,
        /// Only this pair.
        #[arg(long)]
        pair: Option<i64>,
        #[command(flatten)]
        output: Output,
    },
}

/// Which side of a sync.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Side {
    Left,
    Right,
}

#[derive(Debug, Args)]
struct Which {
    /// Its name.
    name: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Output {
    fn client(&self) -> Result<Client, Failure> {
        Client::of_or_demo(&self.config.config)
    }

    /// The answer as JSON, or as lines for people.
    fn tell(
        &self,
        answer: &Value,
        lines: impl FnOnce(&Value) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return say(&answer.to_string());
        }
        lines(answer).iter().try_for_each(|line| say(line))
    }
}

pub async fn sync(args: &SyncArgs) -> Result<(), Failure> {
    match &args.command {
        Sync::List { output } => {
            let all = output.client()?.get("/api/v1/syncs").await?;
            output.tell(&all, |all| each(&all["items"], show::sync))
        }
        Sync::Show { name, output } => shown(name, output).await,
        Sync::Plan(args) => plan::plan(args).await,
        Sync::Run { name, yes, output } => {
            let client = output.client()?;
            let path = format!("/api/v1/syncs/{}/runs", percent(name));
            let begun = client.post(&path, &json!({ "yes": yes })).await?;
            let run = watch::watch(&client, &begun["runId"], None).await?;
            output.tell(&run, show::run)?;
            ended(&run)
        }
        Sync::Approve { which } => change(which, "approve").await,
        Sync::Pause { which } => change(which, "pause").await,
        Sync::Resume { which } => change(which, "resume").await,
        Sync::Undo { run, output } => undo(*run, output).await,
        Sync::Promote(args) => promote::promote(args).await,
        Sync::Forget { name, yes, output } => forget(name, *yes, output).await,
        Sync::Measure { name, output } => measure(name, output).await,
        Sync::Runs { name, output } => {
            let path = format!("/api/v1/syncs/{}/runs", percent(name));
            let runs = output.client()?.get(&path).await?;
            output.tell(&runs, |runs| each(&runs["items"], show::run_line))
        }
        Sync::Record { name, side, id, output } => {
            let side = if matches!(side, Side::Left) { "left" } else { "right" };
            let path = format!("/api/v1/syncs/{}/records/{side}/{}", percent(name), percent(id));
            let story = output.client()?.get(&path).await?;
            output.tell(&story, show::story)
        }
        Sync::Failures { name, class, output } => failures(name, class.as_deref(), output).await,
        Sync::Redrive { name, class, pair, output } => {
            let mut body = json!({ "sync": name });
            if let Some(class) = class {
                body["class"] = json!(class);
            }
            if let Some(pair) = pair {
                body["pair"] = json!(pair);
            }
            let answer = output.client()?.post("/api/v1/failures/redrive", &body).await?;
            output.tell(&answer, |answer| {
                vec![format!("{} are tried again with the next run", answer["redriven"])]
            })
        }
    }
}

async fn shown(name: &str, output: &Output) -> Result<(), Failure> {
    let (client, name) = (output.client()?, percent(name));
    let sync = client.get(&format!("/api/v1/syncs/{name}")).await?;
    let health = client.get(&format!("/api/v1/syncs/{name}/health")).await?;
    let both = json!({ "sync": sync, "health": health });
    output.tell(&both, |both| show::standing(&both["sync"], &both["health"]))
}

async fn forget(name: &str, yes: bool, output: &Output) -> Result<(), Failure> {
    let client = output.client()?;
    if !yes {
        // Talk goes to stderr; data to stdout.
        let asked =
            format!("All that is kept of the sync {name} goes for good. Its name once more: ");
        std::io::stderr().write_all(asked.as_bytes()).map_err(exit::environment)?;
        let mut said = String::new();
        std::io::stdin().read_line(&mut said).map_err(exit::environment)?;
        if said.trim() != name {
            return Err(exit::input("this is not its name: nothing was forgotten"));
        }
    }
    let path = format!("/api/v1/syncs/{}/forget", percent(name));
    let gone = client.post(&path, &json!({ "confirm": name })).await?;
    output.tell(&gone, |gone| vec![format!("{name} is forgotten, with {} pairs", gone["pairs"])])
}

async fn measure(name: &str, output: &Output) -> Result<(), Failure> {
    let (client, path) = (output.client()?, format!("/api/v1/syncs/{}/drift", percent(name)));
    let begun = client.post(&path, &json!({})).await?;
    let run = watch::watch(&client, &begun["runId"], None).await?;
    ended(&run)?;
    let all = client.get(&path).await?;
    let of_run = |one: &&Value| one["runId"] == run["runId"];
    let items = all["items"].as_array().into_iter().flatten();
    let own = items.clone().find(of_run).cloned().unwrap_or_default();
    output.tell(&own, show::drift)
}

async fn change(which: &Which, what: &str) -> Result<(), Failure> {
    let path = format!("/api/v1/syncs/{}/{what}", percent(&which.name));
    let sync = which.output.client()?.post(&path, &json!({})).await?;
    which.output.tell(&sync, |sync| vec![show::sync(sync)])
}

async fn failures(name: &str, class: Option<&str>, output: &Output) -> Result<(), Failure> {
    let path = format!("/api/v1/failures?sync={}&limit=500", percent(name));
    let class = class.map(|class| format!("&class={}", percent(class))).unwrap_or_default();
    let all = output.client()?.get(&format!("{path}{class}")).await?;
    output.tell(&all, |all| {
        let mut lines = each(&all["items"], show::failure);
        if !text(all, "next").is_empty() {
            lines.push(format!("… and more: GET {path}&after={}", text(all, "next")));
        }
        lines
    })
}

/// Takes a run back, and tells what of it stays.
async fn undo(run: i64, output: &Output) -> Result<(), Failure> {
    let client = output.client()?;
    let of = client.get(&format!("/api/v1/runs/{run}")).await?;
    let begun = client.post(&format!("/api/v1/runs/{run}/undo"), &json!({})).await?;
    let mut undone = watch::watch(&client, &begun["runId"], Some(show::writes(&of))).await?;
    let left = undone["counts"]["left"].as_u64().unwrap_or(0);
    let mut stays = Vec::new();
    if left > 0 {
        let all = plan::writes(&client, &begun["runId"], plan::ALL).await?;
        stays = all.into_iter().filter(|write| text(write, "kind") == "undo").collect();
    }
    undone["left"] = Value::Array(stays);
    output.tell(&undone, |undone| {
        let mut lines = show::run(undone);
        lines.extend(each(&undone["left"], show::stays));
        lines
    })?;
    match left {
        0 => ended(&undone),
        left => Err(exit::failed(format!("{left} writes could not be taken back"))),
    }
}

/// A run that did not come through is a failure.
fn ended(run: &Value) -> Result<(), Failure> {
    let errors = run["counts"]["errors"].as_u64().unwrap_or(0);
    match text(run, "state").as_str() {
        "done" if errors == 0 => Ok(()),
        "done" => Err(exit::failed(format!(
            "{errors} writes failed and are tried again: tieline sync failures {}",
            text(run, "sync")
        ))),
        _ => Err(exit::failed(format!("the run is partial: {}", text(run, "note")))),
    }
}
