//! Runs the simulated NetSuite alone, for clients that others wrote.
//!
//! `sim_netsuite [PORT [PEOPLE]]` prints one `NAME=value` a line: what a client needs to
//! log in, its private keys (PKCS #8 in base64) made anew each time. It runs until ctrl-C.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::netsuite::sim::Config;
use connectors::netsuite::simulate::{keys, with_logins};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(1500), |people| people.parse())?;
    let (account, _) = with_logins(Config { port, people, ..Config::default() }).await?;
    let [rsa, curve] = keys()?;
    let told = [
        ("NETSUITE_URL", account.url()),
        ("NETSUITE_CLIENT_ID", account.config().client_id.clone()),
        ("NETSUITE_RSA_ID", rsa.id.to_owned()),
        ("NETSUITE_RSA_KEY", STANDARD.encode(&rsa.private)),
        ("NETSUITE_EC_ID", curve.id.to_owned()),
        ("NETSUITE_EC_KEY", STANDARD.encode(&curve.private)),
    ];
    let mut out = std::io::stdout().lock();
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    account.stop().await;
    Ok(())
}
