//! Commands of an operator: most of them ask the running server.

mod actions;
mod api_keys;
mod client;
mod corrections;
mod links;
mod pinned;
mod presence;
mod privacy;
mod reconcile;
mod rules;
mod settings;
mod setup;
mod subjects;
mod syncs;
mod users;

pub use actions::{ActionsArgs, actions};
pub use api_keys::{ApiKeysArgs, api_keys};
pub use corrections::{AuditArgs, KeysArgs, OverridesArgs, audit, keys, overrides};
pub use links::{LinksArgs, links};
pub use presence::{PresenceArgs, presence};
pub use privacy::{PrivacyArgs, privacy};
pub use reconcile::{ReconcileArgs, reconcile};
pub use rules::{ExplainArgs, RulesArgs, explain, rules};
pub use settings::{SettingsArgs, settings};
pub use setup::{SetupArgs, setup};
pub use subjects::{SubjectArgs, subject};
pub use syncs::{ReviewArgs, SyncArgs, review, sync};
pub use users::{UsersArgs, users};

use crate::cli::{BackupArgs, CheckArgs, JobsArgs, RestoreArgs};
use crate::config;
use crate::exit::{self, Failure};
use crate::http::FindingBody;
use crate::settings::item::Kind;
use crate::{logs, wiring};
use client::Client;
use futures_util::future::join_all;
use serde_json::{Value, json};
use state::MasterKey;
use state::backup::{Existing, restore as restore_store};
use std::io::Write;

/// One line of data to standard output.
fn say(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(exit::environment)
}

/// Asks every connection for what it needs. Opens no store: those that were made by API the
/// running server asks, where there is one.
pub async fn check(args: &CheckArgs) -> Result<(), Failure> {
    let loaded = config::load(&args.config.config).map_err(exit::input)?;
    logs::start(&loaded.config.log);
    let connections = wiring::connections(&loaded, None)?;
    // What an action says that its vendor's language does not allow is told before anything
    // is asked, as `serve` would refuse it.
    wiring::actions::all(&loaded, &connections).map_err(wiring::told)?;
    // Whatever comes of the first token is one of the findings.
    let tokens = connections.all().filter_map(|one| one.capabilities.tokens.as_ref());
    join_all(tokens.map(|tokens| tokens.fresh(kit::tokens::WAIT))).await;
    let mut findings = crate::http::findings(&connections).await;
    match made_by_api(args).await {
        Ok(others) => findings.extend(others),
        // Talk: it is no fault of what was checked.
        Err(_) => eprintln!("no server runs: connections that were made by API are not checked"),
    }
    let flaws = findings.iter().filter(|finding| !finding.ok).count();
    if args.json {
        say(&json!(findings).to_string())?;
    } else {
        findings.iter().try_for_each(|finding| say(&line(finding)))?;
    }
    match flaws {
        0 => Ok(()),
        flaws => Err(exit::failed(format!("{flaws} of {} checks failed", findings.len()))),
    }
}

/// What the running server finds of connections, actions, queues and syncs that were made by API.
async fn made_by_api(args: &CheckArgs) -> Result<Vec<FindingBody>, Failure> {
    let client = Client::of(&args.config.config)?;
    let (mut made, mut findings) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let all = client.get(&format!("/api/v1/settings/{}", kind.plural())).await?;
        for item in all["items"].as_array().into_iter().flatten() {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            if text("from") == "store" && kind == Kind::Connection {
                made.push(text("name"));
            }
            if !text("problem").is_empty() {
                findings.push(FindingBody {
                    connection: text("name"),
                    what: format!("one of the {} that were made by API", kind.plural()),
                    ok: false,
                    warning: false,
                    code: "settings.refused".to_owned(),
                    message: text("problem"),
                    fix: "Mend it by PUT, or delete it.".to_owned(),
                });
            }
        }
    }
    if !made.is_empty() {
        let found = client.post("/api/v1/connections/check", &json!({})).await?;
        let found: Vec<FindingBody> = serde_json::from_value(found).map_err(exit::failed)?;
        findings.extend(found.into_iter().filter(|finding| made.contains(&finding.connection)));
    }
    Ok(findings)
}

fn line(finding: &FindingBody) -> String {
    let FindingBody { connection, what, code, message, fix, .. } = finding;
    if finding.ok && !finding.warning {
        return format!("ok    {connection}: {what}");
    }
    let word = if finding.warning { "WARN" } else { "FAIL" };
    format!("{word}  {connection}: {what}: {message}\n      {fix} ({code})")
}

/// Has the running server copy its store.
pub async fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let client = Client::of(&args.config.config)?;
    // The server's working directory may be another than ours.
    let path = std::path::absolute(&args.path).map_err(exit::input)?;
    let body = json!({ "path": path, "overwrite": args.overwrite });
    client.post("/api/v1/store/backup", &body).await?;
    say(&path.display().to_string())
}

/// Makes a store from a backup.
pub async fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let loaded = config::load(&args.config.config).map_err(exit::input)?;
    logs::start(&loaded.config.log);
    let (location, master) = (wiring::location(&loaded)?, wiring::master_key(&loaded)?);
    let existing = if args.overwrite { Existing::Replace } else { Existing::Keep };
    restore_store(&args.path, &location, &master, existing).await?;
    say("restored")
}

/// Lists jobs of the running server, or redrives dead ones.
pub async fn jobs(args: &JobsArgs) -> Result<(), Failure> {
    let client = Client::of(&args.config.config)?;
    if args.redrive_all || args.redrive.is_some() {
        let path = match args.redrive {
            Some(id) => format!("/api/v1/jobs/{id}/redrive"),
            None => "/api/v1/jobs/redrive".to_owned(),
        };
        let answer = client.post(&path, &json!({})).await?;
        return say(&answer.to_string());
    }
    let mut path = "/api/v1/jobs?limit=1000".to_owned();
    if let Some(state) = &args.state {
        path = format!("{path}&state={state}");
    }
    let jobs = client.get(&path).await?;
    if args.json {
        return say(&jobs.to_string());
    }
    for job in jobs.as_array().into_iter().flatten() {
        let text = |key: &str| job.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| job.get(key).and_then(Value::as_i64).unwrap_or_default();
        say(&format!(
            "{:>8}  {:<22} {:<8} tries {:<3} due {}  {}",
            number("id"),
            text("kind"),
            text("state"),
            number("attempts"),
            text("dueAt"),
            text("note")
        ))?;
    }
    Ok(())
}

/// Prints a new master key.
pub fn key() -> Result<(), Failure> {
    let key = MasterKey::generate()?;
    say(&key.to_base64())
}
