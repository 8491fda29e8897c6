//! Runs the simulated Salesforce alone, for clients that others wrote.
//!
//! `sim_salesforce [PORT [PEOPLE]]` makes a key pair, writes the private key to a
//! file under the system's temp folder, and prints one `NAME=value` a line: what a
//! client needs to log in. It runs until ctrl-C.

use std::io::Write;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectors::salesforce::sim::{Config, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let people = arguments.next().map_or(Ok(5000), |people| people.parse())?;
    let key = KeyPair::generate(KeySize::Rsa2048)?;
    let private: Pkcs8V1Der<'_> = key.as_der()?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    let file = std::env::temp_dir().join(format!("sim-salesforce-{}.pem", std::process::id()));
    let lines: Vec<String> = STANDARD
        .encode(private.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    std::fs::write(
        &file,
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")),
    )?;
    let config = Config {
        port,
        people,
        public_key: Some(public.as_ref().to_vec()),
        index_lag: std::time::Duration::ZERO,
        ..Config::default()
    };
    let told = [
        ("SF_CLIENT_ID", config.consumer_key.clone()),
        ("SF_CLIENT_SECRET", config.consumer_secret.clone()),
        ("SF_USERNAME", config.username.clone()),
        ("SF_PRIVATE_KEY_FILE", file.display().to_string()),
    ];
    let salesforce = start(config).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "SF_URL={}", salesforce.url())?;
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
