//! TLS without a proxy: a certificate is replaced while serving, and a bad one is not.

use crate::rig::plan::API_KEY;
use crate::rig::{Line, Signal, until};
use std::path::PathBuf;

/// A certificate of this machine's own, and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a pair");
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// A client that trusts this one certificate, and opens a connection for each request.
fn trusting(pair: &Pair) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(pair.certificate.as_bytes()).expect("PEM");
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    client.tls_certs_only([root]).build().expect("a client")
}

/// A server with this pair, and where it reads it from.
async fn serving(pair: &Pair) -> (Line, PathBuf, PathBuf) {
    let mut line = Line::with_salesforce().lay().await;
    let certificate = line.folder.write("tls.crt", &pair.certificate);
    let key = line.folder.write("tls.key", &pair.key);
    for (name, path) in [("CERTIFICATE", &certificate), ("KEY", &key)] {
        line.environment.push((format!("TIELINE_SERVER__TLS__{name}"), path.display().to_string()));
    }
    line.start_server_unasked().await;
    (line, certificate, key)
}

fn url(line: &Line) -> String {
    line.url("/api/v1/calls").replace("http://", "https://")
}

async fn is_answered(line: &Line, client: &reqwest::Client) -> bool {
    let answer = client.get(url(line)).bearer_auth(API_KEY).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_new_certificate_is_served_and_a_bad_one_is_refused() {
    let (first, second, third) = (pair(), pair(), pair());
    let (line, certificate, key) = serving(&first).await;
    let (old, new, last) = (trusting(&first), trusting(&second), trusting(&third));
    assert!(is_answered(&line, &old).await && !is_answered(&line, &new).await);

    // By itself, within seconds.
    std::fs::write(&certificate, &second.certificate).expect("written");
    std::fs::write(&key, &second.key).expect("written");
    until("the new certificate is served", async || is_answered(&line, &new).await).await;
    assert!(!is_answered(&line, &old).await);

    // A certificate without its key, and what is none at all.
    for bad in [third.certificate.as_str(), "no certificate", ""] {
        let told = line.log().matches("the one before stays").count();
        std::fs::write(&certificate, bad).expect("written");
        line.signal(Signal::Hup);
        until("it is told", async || line.log().matches("the one before stays").count() > told)
            .await;
        assert!(is_answered(&line, &new).await);
    }
    std::fs::remove_file(&certificate).expect("removed");
    line.signal(Signal::Hup);
    until("it is told", async || line.log().contains("cannot be read")).await;
    assert!(is_answered(&line, &new).await);

    std::fs::write(&key, &third.key).expect("written");
    std::fs::write(&certificate, &third.certificate).expect("written");
    line.signal(Signal::Hup);
    until("the last certificate is served", async || is_answered(&line, &last).await).await;
    for pair in [&first, &second, &third] {
        let secret = pair.key.lines().nth(1).expect("a line of the key");
        assert!(!line.log().contains(secret), "a private key is in the log");
    }
}

#[tokio::test]
async fn plain_http_is_hung_up_on_and_our_own_commands_are_served() {
    let (line, certificate, _) = serving(&pair()).await;
    assert!(line.http.get(line.url("/healthz")).send().await.is_err());
    let listed = line.command(&["api-keys", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    // Whoever else holds the port is not trusted with the key.
    std::fs::write(&certificate, pair().certificate).expect("written");
    let refused = line.command(&["api-keys", "list"]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake() {
    let (mut line, ..) = serving(&pair()).await;
    let address = line.url("").replace("http://", "");
    let silent = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let begun = std::time::Instant::now();
    assert_eq!(line.stop().await, Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{:?}", begun.elapsed());
    drop(silent);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_told_at_the_start() {
    let (one, other) = (pair(), pair());
    let mut line = Line::with_salesforce().lay().await;
    let certificate = line.folder.write("tls.crt", &one.certificate).display().to_string();
    let key = line.folder.write("tls.key", &other.key).display().to_string();
    line.environment.push(("TIELINE_SERVER__TLS__CERTIFICATE".to_owned(), certificate.clone()));
    line.environment.push(("TIELINE_SERVER__TLS__KEY".to_owned(), key));
    let ended = line.command(&["serve"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("server.tls"), "{ended:?}");
    std::fs::remove_file(&certificate).expect("removed");
    let ended = line.command(&["serve"]).await;
    assert!(ended.err.contains("server.tls.certificate") && ended.err.contains(&certificate));
}
