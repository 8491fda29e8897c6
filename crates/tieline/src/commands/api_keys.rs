//! `tieline api-keys`: who may call the API of the running server.

use super::client::Client;
use super::say;
use crate::cli::ConfigArgs;
use crate::config::Period;
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use domain::Timestamp;
use serde_json::{Value, json};
use std::time::SystemTime;

#[derive(Debug, Args)]
pub struct ApiKeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it. It is never shown again.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do: lookup, events, context, routing, rules, read, supervise, agents, admin. Several between commas.
        #[arg(long = "scope", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
        /// Requests a minute; without it, as the configuration says.
        #[arg(long, value_name = "N", default_value_t = 0)]
        requests_per_minute: u32,
        /// It ends after this time, like 90d; without it, never.
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Period>,
        #[command(flatten)]
        output: Output,
    },
    /// List every key, without its secret.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Withdraw a key for good.
    Revoke {
        /// Its public id.
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make a key that replaces another, and print it.
    Rotate {
        /// Public id of the key to replace.
        id: String,
        /// How long the old key goes on, like 24h.
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: Period,
        #[command(flatten)]
        output: Output,
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

pub async fn api_keys(args: &ApiKeysArgs) -> Result<(), Failure> {
    const KEYS: &str = "/api/v1/api-keys";
    match &args.action {
        Action::Create { name, scopes, requests_per_minute, expires_in, output } => {
            let client = Client::of(&output.config.config)?;
            let expires_at = expires_in.map(after).transpose()?.unwrap_or_default();
            let body = json!({
                "name": name, "scopes": scopes,
                "requestsPerMinute": requests_per_minute, "expiresAt": expires_at,
            });
            told(output, &client.post(KEYS, &body).await?, issued)
        }
        Action::List { output } => {
            let keys = Client::of(&output.config.config)?.get(KEYS).await?;
            told(output, &keys, |keys| {
                keys.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
            })
        }
        Action::Revoke { id, output } => {
            let path = format!("{KEYS}/{}", segment(id));
            let key = Client::of(&output.config.config)?.delete(&path).await?;
            told(output, &key, line)
        }
        Action::Rotate { id, overlap, output } => {
            let path = format!("{KEYS}/{}/rotate", segment(id));
            let body = json!({ "overlapSeconds": overlap.0.as_secs() });
            let key = Client::of(&output.config.config)?.post(&path, &body).await?;
            told(output, &key, issued)
        }
    }
}

fn after(period: Period) -> Result<String, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = Timestamp::default().plus(now.map_err(exit::environment)?);
    Ok(now.plus(period.0).to_string())
}

/// An id holds letters and digits: whatever else is typed stays one segment.
fn segment(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn told(output: &Output, answer: &Value, people: impl Fn(&Value) -> String) -> Result<(), Failure> {
    say(&if output.json { answer.to_string() } else { people(answer) })
}

/// The key alone, so that a script can keep it.
fn issued(answer: &Value) -> String {
    answer["key"].as_str().unwrap_or_default().to_owned()
}

fn line(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
    let scopes: Vec<&str> =
        key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut line = format!(
        "{:<17}  {:<8} {:<24} {}",
        text("id"),
        text("state"),
        text("name"),
        scopes.join(",")
    );
    if !text("expiresAt").is_empty() {
        line = format!("{line}  until {}", text("expiresAt"));
    }
    line
}
