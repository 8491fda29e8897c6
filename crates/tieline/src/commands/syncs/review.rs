//! `tieline review`: what syncs ask people, and what people decide, one or many at once.

use super::super::settings::percent;
use super::Output;
use super::show::{self, each, text};
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct ReviewArgs {
    #[command(subcommand)]
    command: Review,
}

#[derive(Debug, Subcommand)]
enum Review {
    /// List what waits for a person, newest first.
    List {
        /// Only of this sync.
        #[arg(long)]
        sync: Option<String>,
        /// open, decided, withdrawn, spent or all.
        #[arg(long, default_value = "open", value_parser = ["open", "decided", "withdrawn", "spent", "all"])]
        state: String,
        /// How many, at most 1000.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Show one with the records that it is about.
    Show {
        id: i64,
        #[command(flatten)]
        output: Output,
    },
    /// Decide one or many. The next run does it, and it is remembered for the pair.
    Decide(DecideArgs),
}

#[derive(Debug, Args)]
struct DecideArgs {
    /// Ids of reviews.
    #[arg(required = true, num_args = 1..=1_000)]
    ids: Vec<i64>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Choice {
    /// The left one's value, or what has become of the left one.
    #[arg(long)]
    left: bool,
    /// The right one's.
    #[arg(long)]
    right: bool,
    /// Of a deletion: one is gone, and the other lives on by itself.
    #[arg(long)]
    both: bool,
    /// This value on both sides, as JSON: "Jane", 7, true, ["vip"]; null empties both.
    #[arg(long, value_name = "JSON", value_parser = json_of)]
    value: Option<Value>,
    /// This pair is meant, of those that the review names.
    #[arg(long, value_name = "N")]
    pair: Option<i64>,
    /// None of them is meant.
    #[arg(long)]
    nobody: bool,
    /// As many may be deleted as the brake has stopped at.
    #[arg(long)]
    approve: bool,
}

fn json_of(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|_| "no JSON: a text stands in quotes, such as '\"Jane\"'".to_owned())
}

impl Choice {
    /// As the API takes it.
    fn body(&self) -> Value {
        match self {
            Self { left: true, .. } => json!({ "choice": "left" }),
            Self { right: true, .. } => json!({ "choice": "right" }),
            Self { both: true, .. } => json!({ "choice": "both" }),
            Self { approve: true, .. } => json!({ "choice": "approve" }),
            Self { value: Some(value), .. } => json!({ "choice": "value", "value": value }),
            Self { pair, .. } => json!({ "pair": pair }),
        }
    }
}

pub async fn review(args: &ReviewArgs) -> Result<(), Failure> {
    match &args.command {
        Review::List { sync, state, limit, output } => {
            let sync = percent(sync.as_deref().unwrap_or_default());
            let path = format!("/api/v1/reviews?sync={sync}&state={state}&limit={limit}");
            let all = output.client()?.get(&path).await?;
            output.tell(&all, |all| {
                let mut lines = each(&all["items"], show::review);
                if !text(all, "next").is_empty() {
                    lines.push(format!("… and more: GET {path}&before={}", text(all, "next")));
                }
                lines
            })
        }
        Review::Show { id, output } => {
            let one = output.client()?.get(&format!("/api/v1/reviews/{id}")).await?;
            output.tell(&one, |one| {
                let records = one["records"].as_array().into_iter().flatten();
                let mut lines = vec![show::review(one)];
                lines.extend(records.flat_map(show::pair));
                lines.push(format!("takes: {}", each(&one["takes"], show::cell).join(", ")));
                lines
            })
        }
        Review::Decide(args) => decide(args).await,
    }
}

async fn decide(args: &DecideArgs) -> Result<(), Failure> {
    let mut body = args.choice.body();
    body["ids"] = json!(args.ids);
    let told = args.output.client()?.post("/api/v1/reviews/decisions", &body).await?;
    args.output.tell(&told, |told| {
        let mut lines = vec![format!("{} decided: the next run does it", told["decided"])];
        lines.extend(each(&told["refused"], |one| {
            format!("{:>8}  {}: {}", one["id"].to_string(), text(one, "code"), text(one, "message"))
        }));
        lines
    })?;
    match told["refused"].as_array().map_or(0, Vec::len) {
        0 => Ok(()),
        refused => Err(exit::failed(format!("{refused} of {} were refused", args.ids.len()))),
    }
}
