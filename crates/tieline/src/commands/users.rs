//! `tieline users`: who may sign in at the console of the running server.

use super::client::Client;
use super::say;
use crate::cli::ConfigArgs;
use crate::exit::Failure;
use crate::http::Role;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

const USERS: &str = "/api/v1/users";

#[derive(Debug, Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a user and print their password. It is never shown again.
    Add {
        /// What they sign in with, like ada.byron.
        name: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: Role,
        /// As others know them.
        #[arg(long, default_value = "")]
        full_name: String,
        #[command(flatten)]
        output: Output,
    },
    /// List every user.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a user's role.
    Role {
        name: String,
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        output: Output,
    },
    /// Keep a user from signing in, and end their sessions.
    Disable {
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let a user sign in again.
    Enable {
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make a user a new password and print it. Their sessions end, their second factor is off.
    ResetPassword {
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take a user away for good.
    Remove {
        name: String,
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

impl Output {
    fn client(&self) -> Result<Client, Failure> {
        Client::of_or_demo(&self.config.config)
    }

    fn told(&self, answer: &Value, people: impl Fn(&Value) -> String) -> Result<(), Failure> {
        say(&if self.json { answer.to_string() } else { people(answer) })
    }
}

pub async fn users(args: &UsersArgs) -> Result<(), Failure> {
    match &args.action {
        Action::Add { name, role, full_name, output } => {
            let body = json!({ "name": name, "fullName": full_name, "role": role });
            output.told(&output.client()?.post(USERS, &body).await?, password)
        }
        Action::List { output } => {
            let users = output.client()?.get(USERS).await?;
            output.told(&users, |users| {
                users.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
            })
        }
        Action::Role { name, role, output } => change(output, name, json!({ "role": role })).await,
        Action::Disable { name, output } => {
            change(output, name, json!({ "isDisabled": true })).await
        }
        Action::Enable { name, output } => {
            change(output, name, json!({ "isDisabled": false })).await
        }
        Action::ResetPassword { name, output } => {
            let path = format!("{}/password", path(name));
            output.told(&output.client()?.post(&path, &json!({})).await?, password)
        }
        Action::Remove { name, output } => {
            output.told(&output.client()?.delete(&path(name)).await?, line)
        }
    }
}

async fn change(output: &Output, name: &str, change: Value) -> Result<(), Failure> {
    output.told(&output.client()?.patch(&path(name), &change).await?, line)
}

fn path(name: &str) -> String {
    format!("{USERS}/{}", byte_serialize(name.as_bytes()).collect::<String>())
}

/// The password alone, so that a script can keep it.
fn password(answer: &Value) -> String {
    answer["password"].as_str().unwrap_or_default().to_owned()
}

fn line(user: &Value) -> String {
    let text = |name: &str| user[name].as_str().unwrap_or_default();
    let state = if user["isDisabled"] == true { "disabled" } else { "active" };
    let factor = if user["totp"] == true { "two-factor" } else { "" };
    let line = format!(
        "{:<24} {:<10} {state:<8} {factor:<10} {}",
        text("name"),
        text("role"),
        text("fullName")
    );
    line.trim_end().to_owned()
}
