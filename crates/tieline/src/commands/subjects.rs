//! `tieline subject`: what is kept of one person, and that it be forgotten.

use super::client::Client;
use super::say;
use crate::cli::ConfigArgs;
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct SubjectArgs {
    #[command(subcommand)]
    command: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Write down everything that is kept of a person, as JSON.
    Export {
        #[command(flatten)]
        who: Who,
        /// Write it to a new file that only you can read, and print a summary.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Erase a person here, and leave tombstones so that no sync brings them back.
    Erase {
        #[command(flatten)]
        who: Who,
        /// All who have the number or the e-mail are meant.
        #[arg(long)]
        yes: bool,
        /// Only say what would be erased.
        #[arg(long)]
        dry_run: bool,
        /// A reference that is kept with the tombstones, such as a ticket's id. Nothing personal.
        #[arg(long, default_value = "")]
        reason: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List who was erased, as keyed hashes; take one back; bring them into a restored store.
    #[command(subcommand)]
    Tombstones(Tombstones),
}

#[derive(Debug, Subcommand)]
enum Tombstones {
    /// List erasures, newest first.
    List {
        /// Print JSON, which `apply` takes.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take an erasure's tombstones away: its people may be known again.
    Remove {
        /// The erasure's id.
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Erase again, in a store restored from an older backup, whoever a saved list names.
    Apply {
        /// What `list --json` has printed.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Whom it is about. Several identifiers are of one person.
#[derive(Debug, Args)]
#[group(id = "who", required = true, multiple = true)]
struct Who {
    /// A number, in any form.
    #[arg(long, value_name = "NUMBER")]
    phone: Vec<String>,
    /// An e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// An externalId: with it nobody but this record is meant.
    #[arg(long, value_name = "PREFIX:ID")]
    external_id: Vec<String>,
}

impl Who {
    fn body(&self) -> Value {
        let Self { phone, email, external_id } = self;
        json!({ "phones": phone, "emails": email, "externalIds": external_id })
    }
}

const SUBJECTS: &str = "/api/v1/subjects";
/// Tombstones in one request to put them up again, which keeps it below 64 KiB.
const APPLIED_AT_ONCE: usize = 500;

pub async fn subject(args: &SubjectArgs) -> Result<(), Failure> {
    match &args.command {
        Subject::Export { who, out, config } => {
            let client = Client::of(&config.config)?;
            let document = client.post(&format!("{SUBJECTS}/export"), &who.body()).await?;
            match out {
                None => say(&pretty(&document)),
                Some(path) => {
                    write_private(path, &pretty(&document))?;
                    say(&summary(&document))
                }
            }
        }
        Subject::Erase { who, yes, dry_run, reason, json, config } => {
            let mut body = who.body();
            body["reason"] = reason.as_str().into();
            let client = Client::of(&config.config)?;
            erase(&client, body, (*yes, *dry_run, *json)).await
        }
        Subject::Tombstones(command) => tombstones(command).await,
    }
}

/// Looks first, so that what was put into other systems is told even where the server
/// dies in the middle.
async fn erase(
    client: &Client,
    mut body: Value,
    (yes, dry_run, as_json): (bool, bool, bool),
) -> Result<(), Failure> {
    let address = format!("{SUBJECTS}/erase");
    body["dryRun"] = true.into();
    let would = client.post(&address, &body).await?;
    if dry_run {
        return say(&if as_json { would.to_string() } else { told(&would, "would be erased") });
    }
    let several = list(&would["who"], "people").len() > 1;
    let is_named = !list(&body, "externalIds").is_empty();
    if several && !is_named && !yes {
        say(&told(&would, "would be erased"))?;
        let fix = "name one by --external-id, or say --yes to erase all of them";
        return Err(exit::input(format!("several people are meant, nothing was erased: {fix}")));
    }
    for line in elsewhere(&would) {
        writeln!(std::io::stderr(), "{line}").map_err(exit::environment)?;
    }
    body["dryRun"] = false.into();
    body["everybody"] = yes.into();
    let done = client.post(&address, &body).await?;
    say(&if as_json { done.to_string() } else { told(&done, "erased") })
}

async fn tombstones(command: &Tombstones) -> Result<(), Failure> {
    let address = format!("{SUBJECTS}/tombstones");
    match command {
        Tombstones::List { json, config } => {
            let client = Client::of(&config.config)?;
            let mut all: Vec<Value> = Vec::new();
            loop {
                let page = client.get(&format!("{address}?limit=1000&skip={}", all.len())).await?;
                let Some(page) = page.as_array().filter(|page| !page.is_empty()) else { break };
                all.extend(page.iter().cloned());
            }
            if *json {
                return say(&Value::Array(all).to_string());
            }
            all.iter().try_for_each(|one| say(&line(one)))
        }
        Tombstones::Remove { id, config } => {
            let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
            let gone = Client::of(&config.config)?.delete(&format!("{address}/{id}")).await?;
            say(&gone.to_string())
        }
        Tombstones::Apply { file, config } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| exit::input(format!("{}: {error}", file.display())))?;
            let all: Vec<Value> = serde_json::from_str(&text)
                .map_err(|_| exit::input(format!("{}: is no list of erasures", file.display())))?;
            let client = Client::of(&config.config)?;
            for one in &all {
                for marks in list(one, "tombstones").chunks(APPLIED_AT_ONCE) {
                    let mut part = one.clone();
                    part["tombstones"] = marks.into();
                    client.post(&address, &json!([part])).await?;
                }
            }
            say(&json!({ "applied": all.len() }).to_string())
        }
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    // A value of JSON can be written as JSON.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What there is of each kind, in one line each.
fn summary(document: &Value) -> String {
    let kinds = document.as_object().into_iter().flatten();
    let counts = kinds.filter_map(|(kind, rows)| Some((kind, rows.as_array()?.len())));
    let lines: Vec<String> = counts.map(|(kind, count)| format!("{count:>6}  {kind}")).collect();
    lines.join("\n")
}

fn told(answer: &Value, what: &str) -> String {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let who = &answer["who"];
    let mut lines = Vec::new();
    for one in list(who, "people") {
        lines.push(format!("who      {}  {}", text(one, "externalId"), text(one, "name")));
    }
    for one in list(who, "identifiers") {
        let shared = if one["shared"] == true { ", others have it: it stays" } else { "" };
        lines.push(format!("by       {} ({}{shared})", text(one, "value"), text(one, "because")));
    }
    for one in list(who, "others") {
        lines.push(format!("not      {}  {}", text(one, "externalId"), text(one, "name")));
    }
    for (table, count) in answer["removed"].as_object().into_iter().flatten() {
        lines.push(format!("{what}  {count} of {table}"));
    }
    lines.extend(elsewhere(answer));
    if answer["erased"] == true {
        lines.push(format!("erasure  {}, {} tombstones", text(answer, "id"), answer["tombstones"]));
    }
    lines.join("\n")
}

/// What is left to be erased by hand.
fn elsewhere(answer: &Value) -> Vec<String> {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let lines = list(answer, "elsewhere").iter().map(|one| {
        let (kind, id) = (text(one, "kind"), text(one, "id"));
        format!("there    {kind} {id} in {}: erase it there", text(one, "connection"))
    });
    lines.collect()
}

fn line(erasure: &Value) -> String {
    let text = |name: &str| erasure[name].as_str().unwrap_or_default().to_owned();
    let swept = if text("sweptAt").is_empty() { "being swept" } else { "swept" };
    let marks = list(erasure, "tombstones").len();
    let (id, at, actor, reason) = (text("id"), text("erasedAt"), text("actor"), text("reason"));
    format!("{id}  {at}  {marks:>3} tombstones  {swept:<11}  {actor}  {reason}")
}

/// A new file for nobody else's eyes.
fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| exit::environment(format!("{}: {error}", path.display())))
}
