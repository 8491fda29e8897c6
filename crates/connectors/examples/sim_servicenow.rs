//! Runs the simulated ServiceNow alone, for clients that others wrote.
//!
//! `sim_servicenow [PORT [PEOPLE]]` prints one `NAME=value` a line: what a client needs to
//! log in. It runs until ctrl-C.

use std::io::Write;

use connectors::servicenow::sim::{Config, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(250), |people| people.parse())?;
    let instance = start(Config { port, people, ..Config::default() }).await?;
    let config = instance.config();
    let told = [
        ("SNOW_URL", instance.url()),
        ("SNOW_USERNAME", config.username.clone()),
        ("SNOW_PASSWORD", config.password.clone()),
        ("SNOW_CLIENT_ID", config.client_id.clone()),
        ("SNOW_CLIENT_SECRET", config.client_secret.clone()),
    ];
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    instance.stop().await;
    Ok(())
}
