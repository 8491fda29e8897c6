//! Runs the simulated S/4HANA alone, for clients that others wrote.
//!
//! `sim_sap [PORT [PEOPLE]]` prints one `NAME=value` a line: what a client needs to log
//! in. Where `TIELINE_SPECS` leads to the vendor's own description of the service, it
//! is served in place of ours. It runs until ctrl-C.

use std::io::Write;
use std::path::PathBuf;

use connectors::sap_s4::sim::{Config, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(1500), |people| people.parse())?;
    let specs = std::env::var_os("TIELINE_SPECS").map(PathBuf::from);
    let edmx = specs.map(|folder| folder.join("sap/API_BUSINESS_PARTNER.edmx"));
    let metadata = edmx.and_then(|file| std::fs::read_to_string(file).ok());
    let whose = if metadata.is_some() { "vendor" } else { "own" };
    let system = start(Config { port, people, metadata, page: 500, ..Config::default() }).await?;
    let config = system.config();
    let told = [
        ("SAP_URL", system.url()),
        ("SAP_USERNAME", config.username.clone()),
        ("SAP_PASSWORD", config.password.clone()),
        ("SAP_CLIENT_ID", config.client_id.clone()),
        ("SAP_CLIENT_SECRET", config.client_secret.clone()),
        ("SAP_METADATA", whose.to_owned()),
    ];
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    system.stop().await;
    Ok(())
}
