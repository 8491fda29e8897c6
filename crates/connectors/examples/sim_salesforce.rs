//! Runs the simulated Salesforce alone, for clients that others wrote.
//!
//! `sim_salesforce [PORT [PEOPLE]]` makes a key pair, writes the private key to a
//! file under the system's temp folder, and prints one `NAME=value` a line: what a
//! client needs to log in. It runs until ctrl-C. The Pub/Sub API is offered over TLS as well, with
//! a certificate made just now (`SF_PUBSUB`): the vendor's clients speak nothing else.

use std::io::Write;
use std::sync::Arc;

use connectors::salesforce::sim::Config;
use connectors::salesforce::simulate::with_logins;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

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
    told.push(("SF_PUBSUB", with_tls(&salesforce.pubsub_url()).await?));
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

/// An address with TLS in front of one without.
async fn with_tls(plain: &str) -> Result<String, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = made.signing_key.serialize_der().try_into()?;
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = config.with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let plain = plain.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                let Ok(mut secret) = acceptor.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(plain).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut secret, &mut plain).await;
            });
        }
    });
    Ok(format!("localhost:{}", address.port()))
}
