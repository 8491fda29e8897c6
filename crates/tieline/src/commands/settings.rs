//! `tieline settings`: connections, actions, queues and syncs of the running server,
//! from the file and from the store.

use super::client::Client;
use super::say;
use crate::cli::ConfigArgs;
use crate::exit::{self, Failure};
use crate::settings::item::Kind;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct SettingsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all of a kind: those of the file, and those made by API.
    List {
        /// connections, actions, queues or syncs.
        #[arg(value_parser = kind)]
        kind: Kind,
        #[command(flatten)]
        output: Output,
    },
    /// Show one as JSON, its secrets left out.
    Show {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Make one, or change it, from its section as JSON. It is served at once.
    Put {
        #[command(flatten)]
        which: Which,
        /// The JSON; - reads standard input.
        file: PathBuf,
        /// Only say what would be wrong.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Delete one that was made by API.
    Delete {
        #[command(flatten)]
        which: Which,
        /// Only say what would be wrong.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// connections, actions, queues or syncs.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Its name.
    name: String,
}

#[derive(Debug, Args)]
struct Output {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::of_plural(text).ok_or_else(|| "connections, actions, queues or syncs".to_owned())
}

impl Which {
    fn path(&self, dry_run: bool) -> String {
        let name = percent(&self.name);
        let dry_run = if dry_run { "?dryRun=true" } else { "" };
        format!("/api/v1/settings/{}/{name}{dry_run}", self.kind.plural())
    }
}

/// A name as one segment of an address.
pub(super) fn percent(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

pub async fn settings(args: &SettingsArgs) -> Result<(), Failure> {
    match &args.action {
        Action::List { kind, output } => {
            let path = format!("/api/v1/settings/{}", kind.plural());
            let all = Client::of(&output.config.config)?.get(&path).await?;
            if output.json {
                return say(&all.to_string());
            }
            all["items"].as_array().into_iter().flatten().try_for_each(|item| say(&line(item)))
        }
        Action::Show { which, config } => {
            let item = Client::of(&config.config)?.get(&which.path(false)).await?;
            say(&format!("{:#}", item["section"]))
        }
        Action::Put { which, file, dry_run, output } => {
            let body = read(file)?;
            let client = Client::of(&output.config.config)?;
            let item = client.put(&which.path(*dry_run), &body).await?;
            say(&if output.json { item.to_string() } else { line(&item) })
        }
        Action::Delete { which, dry_run, output } => {
            let client = Client::of(&output.config.config)?;
            let item = client.delete(&which.path(*dry_run)).await?;
            say(&if output.json { item.to_string() } else { line(&item) })
        }
    }
}

fn read(file: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(drop),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| exit::input(format!("{}: {error}", file.display())))?;
    // Where it is wrong, and not what stands there: it may be a secret.
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        exit::input(format!("{}:{line}:{column}: this is no JSON", file.display()))
    })
}

fn line(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!("{:<6} {}", text("from"), text("name"));
    if !text("changedAt").is_empty() {
        line = format!("{line}  {} by {}", text("changedAt"), text("changedBy"));
    }
    if !text("ofRule").is_empty() {
        line = format!("{line}  for rule {}", text("ofRule"));
    }
    if !text("problem").is_empty() {
        line = format!("{line}\n       left out: {}", text("problem").replace('\n', "\n       "));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_name_stays_one_segment_of_an_address() {
        assert_eq!(percent("Billing & Returns/ä"), "Billing%20%26%20Returns%2F%C3%A4");
        assert_eq!(percent(".."), "%2E%2E");
    }
}
