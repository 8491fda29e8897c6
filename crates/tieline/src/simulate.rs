//! `tieline sim`: one simulated system alone, until ctrl-C.
//!
//! The first line on standard output tells its address and what one logs in with;
//! what it does wrong on purpose is set with flags, or later by `POST /_sim/faults`.
//! Which systems there are, `connectors::all()` says. `tieline sim fault` does the same
//! to the systems of a demo.

pub mod fault;

use crate::exit::{self, Failure};
use crate::stop;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use connectors::{Setup, Simulation};
use serde_json::{Map, Value};
use sim::faults::Plan;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SimArgs {
    #[command(subcommand)]
    command: Option<SimCommand>,
    /// The system, by the word that a connection's `type` says.
    #[arg(value_parser = systems(), required = true)]
    system: Option<String>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// People besides the fixed ones, in a system that has people of its own.
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    people: u64,
    /// What goes wrong on purpose: a file with the JSON that `POST /_sim/faults` takes.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Every answer is late by this much, whatever the file says.
    #[arg(long, value_name = "MS")]
    latency_ms: Option<u64>,
    /// Requests a client may make in a minute, where the vendor counts so; else its own limit.
    #[arg(long, value_name = "N")]
    rate_per_minute: Option<u32>,
    /// Keep no record of requests: for load.
    #[arg(long)]
    no_log: bool,
}

#[derive(Debug, Subcommand)]
enum SimCommand {
    /// Let a system of the running demo misbehave, or behave again.
    Fault(fault::FaultArgs),
}

fn systems() -> PossibleValuesParser {
    let system = |vendor: connectors::Vendor| {
        let manifest = vendor.connector.manifest;
        PossibleValue::new(manifest.name).help(manifest.title)
    };
    connectors::all().into_iter().map(system).collect::<Vec<_>>().into()
}

pub async fn run(args: &SimArgs) -> Result<(), Failure> {
    if let Some(SimCommand::Fault(args)) = &args.command {
        return fault::run(args).await;
    }
    let plan = plan(args)?;
    let system = args.system.as_deref().unwrap_or_default();
    let vendor = connectors::all().into_iter().find(|v| v.connector.manifest.name == system);
    let vendor = vendor.ok_or_else(|| exit::input(format!("there is no {system}")))?;
    let starting = (vendor.simulate)(Setup {
        port: args.port,
        people: args.people,
        requests_per_minute: args.rate_per_minute,
    });
    let simulation = starting.await.map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => exit::input(error),
        _ => exit::environment(error),
    })?;
    let faults = simulation.simulator.faults();
    faults.set(plan);
    faults.requests().record(!args.no_log);
    let mut stop = stop::listen()?;
    say(&first_line(&simulation))?;
    stop.told().await;
    simulation.simulator.stop().await;
    Ok(())
}

/// What the file says, and over it the flag.
fn plan(args: &SimArgs) -> Result<Plan, Failure> {
    let mut plan = args.faults.as_deref().map_or_else(|| Ok(Plan::default()), read)?;
    if let Some(ms) = args.latency_ms {
        plan.latency = Duration::from_millis(ms);
    }
    Ok(plan)
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| exit::input(format!("{name}: {error}")))?;
    Plan::read(&text).map_err(|misread| exit::input(format!("{name}, {misread}")))
}

/// Its address, and the texts and secrets of the usual login in camel case: all of it is made up.
fn first_line(simulation: &Simulation) -> Value {
    let mut line = Map::new();
    line.insert("url".to_owned(), simulation.simulator.url().into());
    let Some(login) = simulation.logins.first() else { return line.into() };
    let plain = login.plain.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let secrets = login.secrets.iter().map(|(key, secret)| (key, secret.reveal()));
    line.extend(plain.chain(secrets).map(|(key, text)| (camel_case(key), text.into())));
    line.into()
}

/// `client_id` as JSON has it: `clientId`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        out.push_str(letters.as_str());
    }
    out
}

fn say(line: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(exit::environment)
}
