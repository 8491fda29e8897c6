//! `tieline overrides`, `tieline audit` and `tieline keys`: what agents corrected, who did
//! what, and the keys that seal it all.

use super::{Client, say};
use crate::cli::ConfigArgs;
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Args)]
pub struct OverridesArgs {
    #[command(subcommand)]
    command: Overrides,
}

#[derive(Debug, Subcommand)]
enum Overrides {
    /// List the corrections that are remembered, newest first.
    List(ListArgs),
    /// Show one.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        id: i64,
    },
    /// Clear one by its id, all of a number, or all there are.
    Clear(ClearArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How many, at most 1000.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ClearArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The correction's id.
    #[arg(required_unless_present_any = ["number", "all"])]
    id: Option<i64>,
    /// All of this number, as E.164.
    #[arg(long, conflicts_with_all = ["id", "all"])]
    number: Option<String>,
    /// All there are.
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Audit,
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// List who changed or saw what, newest first.
    List(ListArgs),
    /// Walk along the whole log and say whether it is as it was written.
    Verify {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Keys,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a new data key and seal everything anew with it. Waits until that is done.
    Rotate {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Rotates the data key of the running server.
pub async fn keys(args: &KeysArgs) -> Result<(), Failure> {
    let Keys::Rotate { config } = &args.command;
    let answer = Client::of(&config.config)?
        .post("/api/v1/store/keys/rotate", &serde_json::json!({}))
        .await?;
    say(&answer.to_string())
}

pub async fn overrides(args: &OverridesArgs) -> Result<(), Failure> {
    match &args.command {
        Overrides::List(list) => {
            let path = format!("/api/v1/overrides?limit={}", list.limit);
            let columns = ["id", "externalId", "number", "queue", "expiresAt", "reason"];
            print_list(list, &path, &columns).await
        }
        Overrides::Show { config, id } => {
            let found = Client::of(&config.config)?.get(&format!("/api/v1/overrides/{id}")).await?;
            say(&found.to_string())
        }
        Overrides::Clear(clear) => {
            let path = match (clear.id, &clear.number) {
                (Some(id), _) => format!("/api/v1/overrides/{id}"),
                (None, Some(number)) => {
                    format!("/api/v1/overrides?number={}", number.replace('+', "%2B"))
                }
                (None, None) => "/api/v1/overrides?all=true".to_owned(),
            };
            let answer = Client::of(&clear.config.config)?.delete(&path).await?;
            say(&answer.to_string())
        }
    }
}

pub async fn audit(args: &AuditArgs) -> Result<(), Failure> {
    match &args.command {
        Audit::List(list) => {
            let path = format!("/api/v1/audit?limit={}", list.limit);
            print_list(list, &path, &["seq", "at", "actor", "action", "subject"]).await
        }
        Audit::Verify { config, json } => {
            let verdict = Client::of(&config.config)?.get("/api/v1/audit/verify").await?;
            if *json {
                say(&verdict.to_string())?;
            } else {
                say(&format!("{} entries, head {}", verdict["entries"], text(&verdict, "head")))?;
            }
            if verdict["whole"] == true {
                return Ok(());
            }
            let fault = text(&verdict, "fault");
            Err(exit::failed(format!(
                "the entry {} was tampered with: {fault}",
                verdict["brokenAt"]
            )))
        }
    }
}

async fn print_list(list: &ListArgs, path: &str, columns: &[&str]) -> Result<(), Failure> {
    let found = Client::of(&list.config.config)?.get(path).await?;
    if list.json {
        return say(&found.to_string());
    }
    for one in found.as_array().into_iter().flatten() {
        let cells: Vec<String> = columns.iter().map(|column| text(one, column)).collect();
        say(&cells.join("  "))?;
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
