//! Runs the simulated Dataverse alone, for clients that others wrote.
//!
//! `sim_dynamics [PORT [PEOPLE]]` prints one `NAME=value` a line: what a client needs to
//! log in. It runs until ctrl-C.

use std::io::Write;

use connectors::dynamics::sim::{Config, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(1500), |people| people.parse())?;
    let environment = start(Config { port, people, ..Config::default() }).await?;
    let config = environment.config();
    let told = [
        ("DATAVERSE_URL", environment.url()),
        ("DATAVERSE_TENANT", config.tenant.clone()),
        ("DATAVERSE_CLIENT_ID", config.client_id.clone()),
        ("DATAVERSE_CLIENT_SECRET", config.client_secret.clone()),
    ];
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    environment.stop().await;
    Ok(())
}
