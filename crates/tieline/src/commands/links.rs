//! `tieline links`: which record of one system is which of another.

use super::{Client, say};
use crate::cli::ConfigArgs;
use crate::exit::Failure;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct LinksArgs {
    #[command(subcommand)]
    command: Links,
}

#[derive(Debug, Subcommand)]
enum Links {
    /// List links, newest first, or what leads from one customer's record.
    List(ListArgs),
    /// Link a customer's record to their record in another connection.
    Set(SetArgs),
    /// Take one away.
    Remove {
        #[command(flatten)]
        config: ConfigArgs,
        /// The link's id.
        id: i64,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only of this externalId, with the fields of the record that lead elsewhere.
    external_id: Option<String>,
    /// How many, at most 1000.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SetArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The customer's record, such as CRM:0035g00000ABCdEAAW.
    external_id: String,
    /// The other connection, by its name.
    connection: String,
    /// The customer's record there, by that system's own id.
    record: String,
}

pub async fn links(args: &LinksArgs) -> Result<(), Failure> {
    match &args.command {
        Links::List(list) => {
            let path = match &list.external_id {
                Some(id) => format!("/api/v1/links?externalId={}", encoded(id)),
                None => format!("/api/v1/links?limit={}", list.limit),
            };
            let found = Client::of(&list.config.config)?.get(&path).await?;
            if list.json {
                return say(&found.to_string());
            }
            found.as_array().into_iter().flatten().try_for_each(|link| say(&line(link)))
        }
        Links::Set(set) => {
            let body = json!({
                "externalId": set.external_id, "connection": set.connection, "record": set.record,
            });
            let link = Client::of(&set.config.config)?.put("/api/v1/links", &body).await?;
            say(&link.to_string())
        }
        Links::Remove { config, id } => {
            let answer = Client::of(&config.config)?.delete(&format!("/api/v1/links/{id}")).await?;
            say(&answer.to_string())
        }
    }
}

fn line(link: &Value) -> String {
    let text = |key: &str| link[key].as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("externalId"), text("connection"));
    format!("{:>8}  {from}  {to}  {}  {}", link["id"], text("record"), text("source"))
}

/// As a value in a query.
fn encoded(text: &str) -> String {
    reqwest::Url::parse_with_params("http://localhost/", [("v", text)])
        .map(|url| url.query().unwrap_or_default()[2..].to_owned())
        .unwrap_or_default()
}
