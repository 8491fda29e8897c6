//! Runs the simulated Salesforce alone, for clients that others wrote.
//!
//! `sim_salesforce [PORT [PEOPLE]]` makes a key pair, writes the private key to a
//! file under the system's temp folder, and prints one `NAME=value` a line: what a
//! client needs to log in. It runs until ctrl-C.

use std::io::Write;

use connectors::salesforce::sim::Config;
use connectors::salesforce::simulate::with_logins;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(5000), |people| people.parse())?;
    let config = Config { port, people, index_lag: std::time::Duration::ZERO, ..Config::default() };
    let file = std::env::temp_dir().join(format!("sim-salesforce-{}.pem", std::process::id()));
    let mut told = vec![
        ("SF_CLIENT_ID", config.consumer_key.clone()),
        ("SF_CLIENT_SECRET", config.consumer_secret.clone()),
        ("SF_WIDGET_ID", config.widget_key.clone()),
        ("SF_WIDGET_SECRET", config.widget_secret.clone()),
        ("SF_USERNAME", config.username.clone()),
        ("SF_PRIVATE_KEY_FILE", file.display().to_string()),
    ];
    let (salesforce, logins) = with_logins(config).await?;
    let key = logins.iter().find_map(|login| login.secrets.get("private_key"));
    std::fs::write(&file, key.ok_or("no login by a private key")?.reveal())?;
    told.insert(0, ("SF_URL", salesforce.url()));
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    salesforce.stop().await;
    std::fs::remove_file(&file)?;
    Ok(())
}
