//! `tieline sim`: one simulated system alone, until ctrl-C.
//!
//! The first line on standard output tells its address and credentials; what it
//! does wrong on purpose is set with flags or later by `POST /_sim/faults`.

use crate::exit::{self, Failure};
use crate::serve::until_told_to_stop;
use clap::{Args, Subcommand};
use connectors::{genesys_cloud, salesforce};
use serde_json::{Value, json};
use sim::faults::{Faults, Plan};
use std::io::Write as _;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum System {
    /// A Salesforce org with made-up people.
    Salesforce(Flags),
    /// A Genesys Cloud organization.
    Genesys(Flags),
}

#[derive(Debug, Args)]
pub struct Flags {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Salesforce: people besides the fixed ones.
    #[arg(long, default_value_t = 3_000)]
    people: u64,
    /// Every answer is late by this much.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency_ms: u64,
    /// Genesys: requests a client may make in a minute.
    #[arg(long, default_value_t = 300)]
    rate_per_minute: u32,
    /// Keep no record of requests: for load.
    #[arg(long)]
    no_log: bool,
}

pub async fn run(system: System) -> Result<(), Failure> {
    match system {
        System::Salesforce(flags) => {
            let config = salesforce::sim::Config {
                port: flags.port,
                people: flags.people,
                daily_limit: u64::MAX / 2,
                ..salesforce::sim::Config::default()
            };
            let (id, secret) = (config.consumer_key.clone(), config.consumer_secret.clone());
            let org = salesforce::sim::start(config).await.map_err(exit::environment)?;
            plan(org.faults(), &flags);
            say(&json!({ "url": org.url(), "clientId": id, "clientSecret": secret }))?;
            until_told_to_stop().await;
            org.stop().await;
        }
        System::Genesys(flags) => {
            let config = genesys_cloud::sim::Config {
                port: flags.port,
                rate_per_minute: flags.rate_per_minute,
                ..genesys_cloud::sim::Config::default()
            };
            let organization =
                genesys_cloud::sim::start(config).await.map_err(exit::environment)?;
            plan(organization.faults(), &flags);
            let config = organization.config();
            let (id, secret) = (&config.client_id, &config.client_secret);
            say(&json!({ "url": organization.url(), "clientId": id, "clientSecret": secret }))?;
            until_told_to_stop().await;
            organization.stop().await;
        }
    }
    Ok(())
}

fn plan(faults: &Faults, flags: &Flags) {
    let latency = Duration::from_millis(flags.latency_ms);
    faults.set(Plan { latency, ..Plan::default() });
    if flags.no_log {
        faults.requests().record(false);
    }
}

fn say(line: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(exit::environment)
}
