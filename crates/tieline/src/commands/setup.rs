//! `tieline setup genesys`: what an organization needs, and what of it is there. Makes
//! what is missing when asked to, and says what only a person can do.

use super::actions::{offers, refuse_plain};
use super::say;
use crate::cli::ConfigArgs;
use crate::config::{self, Loaded};
use crate::exit::{self, Failure};
use crate::{logs, wiring};
use clap::{Args, Subcommand};
use connectors::genesys_cloud::setup::{Setup, Stands, Step, Wanted};
use serde_json::json;

#[derive(Debug, Args)]
pub struct SetupArgs {
    #[command(subcommand)]
    command: Platform,
}

#[derive(Debug, Subcommand)]
enum Platform {
    /// A Genesys Cloud organization, by the connection that `contact_center` names.
    Genesys(GenesysArgs),
}

#[derive(Debug, Args)]
struct GenesysArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The server's own address as the contact center reaches it: https.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Make what is missing; else it is only listed.
    #[arg(long)]
    apply: bool,
    /// Id of the published workflow that the call-end trigger starts.
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// What names begin with.
    #[arg(long, default_value = "Tieline")]
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub async fn setup(args: &SetupArgs) -> Result<(), Failure> {
    let Platform::Genesys(args) = &args.command;
    refuse_plain(&args.url)?;
    let loaded = config::load(&args.config.config).map_err(exit::input)?;
    logs::start(&loaded.config.log);
    let Some(center) = &loaded.config.contact_center else {
        return Err(exit::input(
            "there is no [contact_center]; name the connection of the organization",
        ));
    };
    let mut steps = permissions(&loaded, &center.connection).await?;
    let opening = wiring::opening(&loaded, &center.connection)?;
    let setup = Setup::open(&opening)
        .map_err(|error| exit::input(format!("connections.{}: {error}", center.connection)))?;
    let wanted = Wanted {
        name: args.name.clone(),
        base: args.url.clone(),
        offers: offers(&loaded.config),
        workflow: args.workflow.clone(),
        apply: args.apply,
    };
    steps.extend(setup.run(&wanted).await);
    print(&steps, args.json)?;
    let refused = steps.iter().filter(|step| matches!(step.stands, Stands::Refused(_))).count();
    match refused {
        0 => Ok(()),
        refused => Err(exit::failed(format!("{refused} of {} steps were refused", steps.len()))),
    }
}

/// What the connection's own check finds of permissions: roles are a person's to give.
async fn permissions(loaded: &Loaded, center: &str) -> Result<Vec<Step>, Failure> {
    let connections = wiring::connections(loaded, None)?;
    let Some(connection) = connections.get(center) else { return Ok(Vec::new()) };
    if let Some(tokens) = &connection.capabilities.tokens {
        // Whatever comes of it is one of the findings.
        tokens.fresh(kit::tokens::WAIT).await.ok();
    }
    let findings = connection.capabilities.check.check().await;
    let steps = findings.into_iter().map(|finding| match finding.outcome {
        Ok(()) => Step {
            what: format!("permission: {}", finding.what),
            stands: Stands::There,
            how: String::new(),
        },
        // The external source is made below.
        Err(flaw) if flaw.code == "connection.external_source_missing" => Step {
            what: format!("permission: {}", finding.what),
            stands: Stands::Missing,
            how: flaw.fix,
        },
        Err(flaw) => Step {
            what: format!("permission: {}", finding.what),
            stands: Stands::ByHand,
            how: format!("{} Admin, Roles: give the role of the OAuth client this.", flaw.fix),
        },
    });
    Ok(steps.collect())
}

fn print(steps: &[Step], as_json: bool) -> Result<(), Failure> {
    let word = |stands: &Stands| match stands {
        Stands::There => "there",
        Stands::Made => "made",
        Stands::Missing => "missing",
        Stands::ByHand => "by hand",
        Stands::Refused(_) => "refused",
    };
    if as_json {
        let steps = steps.iter().map(|step| {
            let reason = match &step.stands {
                Stands::Refused(reason) => reason.as_str(),
                _ => "",
            };
            json!({ "what": step.what, "stands": word(&step.stands), "how": step.how, "reason": reason })
        });
        return say(&json!(steps.collect::<Vec<_>>()).to_string());
    }
    for step in steps {
        say(&format!("{:<8} {}", word(&step.stands), step.what))?;
        if let Stands::Refused(reason) = &step.stands {
            say(&format!("         {reason}"))?;
        }
        if step.stands != Stands::There && !step.how.is_empty() {
            say(&format!("         {}", step.how))?;
        }
    }
    Ok(())
}
