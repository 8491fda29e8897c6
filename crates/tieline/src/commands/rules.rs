//! `tieline rules` and `tieline explain`: routing rules of the running server, moved as TOML,
//! tried, put in force and rolled back; and one call from end to end.

mod file;
mod show;

use super::client::Client;
use super::say;
use crate::cli::ConfigArgs;
use crate::exit::Failure;
use clap::{Args, Subcommand};
use file::{read, toml_of, typed};
use serde_json::{Value, json};
use show::{changes, each, explained, in_force, is_entry, lines_of, listed, replayed_lines, text};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    command: Rules,
}

#[derive(Debug, Subcommand)]
enum Rules {
    /// List rules and chains: in force, drafted, attached or not.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Write the rules in force as TOML to standard output.
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// As they would be with every draft.
        #[arg(long, conflicts_with = "revision")]
        drafts: bool,
        /// As they were in this revision.
        #[arg(long)]
        revision: Option<u64>,
    },
    /// Say what a TOML file would change, and change nothing.
    Diff {
        #[command(flatten)]
        config: ConfigArgs,
        /// The file; - reads standard input.
        file: PathBuf,
    },
    /// Make drafts of a TOML file, all or none; what it does not name is to go.
    Apply {
        #[command(flatten)]
        output: Output,
        /// The file; - reads standard input.
        file: PathBuf,
        /// What the file does not name stays.
        #[arg(long)]
        keep: bool,
        /// Put the drafts in force as well.
        #[arg(long)]
        publish: bool,
    },
    /// Put drafts in force: those of these rules, or all.
    Publish {
        #[command(flatten)]
        output: Output,
        /// Names of rules, and entries of chains such as did:+15550190000.
        names: Vec<String>,
        /// Only say what would be wrong.
        #[arg(long)]
        dry_run: bool,
        /// Also where the platform has not what is led to.
        #[arg(long)]
        allow_unknown_destinations: bool,
    },
    /// Put the rules before the newest, or those of a revision, in force again.
    Rollback {
        #[command(flatten)]
        output: Output,
        revision: Option<u64>,
    },
    /// List what was put in force, by whom and when, newest first.
    History {
        #[command(flatten)]
        output: Output,
    },
    /// Try a rule against a number, or a record as typed: every line's verdict.
    Test {
        #[command(flatten)]
        output: Output,
        /// The rule's name.
        rule: String,
        /// Whose record is asked for.
        #[arg(long, conflicts_with = "record", required_unless_present = "record")]
        number: Option<String>,
        /// A field and its value; may be given several times, one field also with several
        /// values.
        #[arg(long, value_name = "FIELD=VALUE")]
        record: Vec<String>,
    },
    /// Say what drafts would have done with the calls that there were.
    Replay {
        #[command(flatten)]
        output: Output,
        /// How far back.
        #[arg(long, default_value = "7d", value_name = "TIME")]
        since: String,
        /// Rules of this TOML file in place of the drafts.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Output {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The contact center's id of the conversation.
    call: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Output {
    fn client(&self) -> Result<Client, Failure> {
        Client::of(&self.config.config)
    }

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

pub async fn rules(args: &RulesArgs) -> Result<(), Failure> {
    match &args.command {
        Rules::List { output } => {
            let all = output.client()?.get("/api/v1/routing").await?;
            output.tell(&all, listed)
        }
        Rules::Export { config, drafts, revision } => {
            let query = match revision {
                Some(revision) => format!("revision={revision}"),
                None => format!("drafts={drafts}"),
            };
            let set =
                Client::of(&config.config)?.get(&format!("/api/v1/routing/set?{query}")).await?;
            say(toml_of(&set)?.trim_end())
        }
        Rules::Diff { config, file } => {
            let client = Client::of(&config.config)?;
            let applied = client.put("/api/v1/routing/set?dryRun=true", &read(file)?).await?;
            changes(&applied).iter().try_for_each(|line| say(line))
        }
        Rules::Apply { output, file, keep, publish } => apply(output, file, *keep, *publish).await,
        Rules::Publish { output, names, dry_run, allow_unknown_destinations } => {
            let mut body = json!({ "dryRun": dry_run, "allowUnknownDestinations": allow_unknown_destinations });
            if !names.is_empty() {
                let (chains, rules): (Vec<&String>, Vec<&String>) =
                    names.iter().partition(|name| is_entry(name));
                body["rules"] = json!(rules);
                body["chains"] = json!(chains);
            }
            let answer = output.client()?.post("/api/v1/routing/publish", &body).await?;
            output.tell(&answer, in_force)
        }
        Rules::Rollback { output, revision } => {
            let body = json!({ "revision": revision });
            let answer = output.client()?.post("/api/v1/routing/rollback", &body).await?;
            output.tell(&answer, in_force)
        }
        Rules::History { output } => {
            let all = output.client()?.get("/api/v1/routing/history").await?;
            output.tell(&all, |all| {
                each(all, |one| {
                    format!(
                        "{:>6}  {}  {}  {}",
                        one["revision"],
                        text(one, "at"),
                        text(one, "by"),
                        text(one, "summary")
                    )
                })
            })
        }
        Rules::Test { output, rule, number, record } => {
            try_out(output, rule, number.as_deref(), record).await
        }
        Rules::Replay { output, since, file } => {
            let mut body = json!({ "since": since });
            if let Some(file) = file {
                body["set"] = read(file)?;
            }
            let replayed = output.client()?.post("/api/v1/routing/replay", &body).await?;
            output.tell(&replayed, replayed_lines)
        }
    }
}

/// Drafts a file, and puts the drafts in force where that is wanted.
async fn apply(output: &Output, file: &Path, keep: bool, publish: bool) -> Result<(), Failure> {
    let client = output.client()?;
    let path = format!("/api/v1/routing/set?keep={keep}");
    let mut applied = client.put(&path, &read(file)?).await?;
    if publish {
        // Of others' drafts none, and of the file also what was drafted before.
        let all = client.get("/api/v1/routing").await?;
        let chosen = drafted(&all, &applied, keep);
        let published = match chosen["rules"] == json!([]) && chosen["chains"] == json!([]) {
            true => json!({ "revision": all["revision"], "warnings": [] }),
            false => client.post("/api/v1/routing/publish", &chosen).await?,
        };
        applied["revision"] = published["revision"].clone();
        applied["warnings"] = published["warnings"].clone();
    }
    output.tell(&applied, |applied| {
        let mut lines = changes(applied);
        if publish {
            lines.extend(in_force(applied));
        }
        lines
    })
}

/// Of what is drafted, what the file names, and what it lets go.
fn drafted(all: &Value, applied: &Value, keep: bool) -> Value {
    let of = |kind: &str| {
        let items = all[kind].as_array().into_iter().flatten();
        let drafted = items.filter(|item| match item["state"].as_str() {
            Some("new" | "changed") => {
                let names = applied[kind].as_array().into_iter().flatten();
                names.into_iter().any(|name| *name == item["name"])
            }
            Some("going") => !keep,
            _ => false,
        });
        drafted.map(|item| text(item, "name")).collect::<Vec<_>>()
    };
    json!({ "rules": of("rules"), "chains": of("chains") })
}

async fn try_out(
    output: &Output,
    rule: &str,
    number: Option<&str>,
    record: &[String],
) -> Result<(), Failure> {
    let mut body = json!({ "rule": rule });
    match number {
        Some(number) => body["number"] = number.into(),
        None => body["record"] = typed(record)?,
    }
    let tried = output.client()?.post("/api/v1/routing/test", &body).await?;
    output.tell(&tried, |tried| {
        let mut lines: Vec<String> = lines_of(&tried["lines"]);
        lines.push(match text(tried, "destination").as_str() {
            "" => "no line holds".to_owned(),
            to => format!("→ {to}"),
        });
        lines.extend(each(&tried["warnings"], |one| {
            format!("! {}", one.as_str().unwrap_or_default())
        }));
        lines
    })
}

/// One call from end to end.
pub async fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let path = format!("/api/v1/calls/{}/explain", super::settings::percent(&args.call));
    let trace = Client::of(&args.config.config)?.get(&path).await?;
    if args.json {
        return say(&trace.to_string());
    }
    explained(&trace).iter().try_for_each(|line| say(line))
}
