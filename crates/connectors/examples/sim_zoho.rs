//! Runs the simulated Zoho CRM alone, for clients that others wrote.
//!
//! `sim_zoho [PORT [PEOPLE]]` prints one `NAME=value` a line: what a client needs to log
//! in. It runs until ctrl-C.

use std::io::Write;

use connectors::zoho_crm::sim::{Config, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(300), |people| people.parse())?;
    let zoho = start(Config { port, people, ..Config::default() }).await?;
    let config = zoho.config();
    let told = [
        ("ZOHO_URL", zoho.url()),
        ("ZOHO_CLIENT_ID", config.client_id.clone()),
        ("ZOHO_CLIENT_SECRET", config.client_secret.clone()),
        ("ZOHO_REFRESH_TOKEN", config.refresh_token.clone()),
    ];
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    zoho.stop().await;
    Ok(())
}
