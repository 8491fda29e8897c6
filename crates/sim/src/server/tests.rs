//! Every fault as a client meets it: raw sockets, so that nothing is prettied up.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::faults::{Plan, Rule};

const BODY: &str = "0123456789";

async fn sim() -> (Running, Faults) {
    let faults = Faults::default();
    let router = Router::new()
        .route("/x", get(|| async { BODY }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/none", get(|| async { StatusCode::NO_CONTENT }));
    let running = start(router, 0, faults.clone()).await.expect("a free port");
    (running, faults)
}

async fn send(at: &Running, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at.address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    stream
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
}

async fn all(mut stream: TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut text)).await.expect("it closes")?;
    Ok(text)
}

/// What arrives until nothing comes for a while; true when the peer closed.
async fn some(stream: &mut TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match timeout(Duration::from_millis(150), stream.read(&mut piece)).await {
            Err(_) => return (String::from_utf8_lossy(&bytes).into_owned(), false),
            Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&bytes).into_owned(), true),
            Ok(Ok(n)) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

#[tokio::test]
async fn without_a_plan_the_vendor_answers() {
    let (sim, faults) = sim().await;
    let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with(BODY), "{text}");
    let seen = &faults.requests().log()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.status), ("GET", "/x", 200));
    assert_eq!(seen.header("host"), Some("sim"));
}

#[tokio::test]
async fn hang_never_answers_and_holds_the_connection() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Hang));
    let mut stream = send(&sim, &get_request("/x")).await;
    assert_eq!(some(&mut stream).await, (String::new(), false));
    assert_eq!(faults.requests().log()[0].status, 0);
}

#[tokio::test]
async fn hang_mid_body_sends_headers_and_half_a_body() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::HangMidBody));
    let mut stream = send(&sim, &get_request("/x")).await;
    let (text, closed) = some(&mut stream).await;
    assert!(text.contains("content-length: 10\r\n") && text.ends_with("\r\n\r\n01234"), "{text}");
    assert!(!closed);
}

#[tokio::test]
async fn truncate_closes_before_the_promised_length() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Truncate));
    let mut stream = send(&sim, &get_request("/x")).await;
    let (text, closed) = some(&mut stream).await;
    assert!(text.contains("content-length: 10\r\n") && text.ends_with("\r\n\r\n01234"), "{text}");
    assert!(closed);
}

#[tokio::test]
async fn reset_is_a_tcp_reset() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Reset));
    let error = all(send(&sim, &get_request("/x")).await).await.expect_err("no answer");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_status_may_bring_its_body() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Status { code: 503, body: Some("<html>".into()) }).times(1));
    faults.add(Rule::always(Fault::Status { code: 500, body: Some("[]".into()) }));
    let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("text/html"), "{text}");
    let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 500") && text.contains("application/json"), "{text}");
}

#[tokio::test]
async fn a_sick_edge_gives_html_with_200() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Html200));
    let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("text/html"), "{text}");
}

#[tokio::test]
async fn vendor_answers_are_the_vendors_own() {
    let (sim, faults) = sim().await;
    faults.vendor(|name| match name {
        "unauthorized" => Some((StatusCode::UNAUTHORIZED, "own 401").into_response()),
        "throttled" => Some((StatusCode::FORBIDDEN, "own throttle").into_response()),
        _ => None,
    });
    for (fault, line, end) in [
        (Fault::Unauthorized, "HTTP/1.1 401", "own 401"),
        (Fault::Throttled, "HTTP/1.1 403", "own throttle"),
        (Fault::Vendor("x".into()), "HTTP/1.1 500", "named x"),
    ] {
        faults.set(Plan { rules: vec![Rule::always(fault)], ..Plan::default() });
        let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
        assert!(text.starts_with(line) && text.ends_with(end), "{text}");
    }
}

#[tokio::test]
async fn latency_delays_every_answer_by_at_least_as_much() {
    let (sim, faults) = sim().await;
    faults.set(Plan { latency: Duration::from_millis(60), ..Plan::default() });
    let begun = std::time::Instant::now();
    let text = all(send(&sim, &get_request("/x")).await).await.expect("an answer");
    assert!(text.ends_with(BODY) && begun.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn faults_are_set_read_and_cleared_over_http() {
    let (sim, faults) = sim().await;
    let plan = r#"{"rules":[{"path_contains":"/x","fault":"html200"}]}"#;
    let post = format!(
        "POST /_sim/faults HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{plan}",
        plan.len()
    );
    let text = all(send(&sim, &post).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 204"), "{text}");
    assert_eq!(faults.plan().rules[0].fault, Fault::Html200);
    let text = all(send(&sim, &get_request("/_sim/faults")).await).await.expect("an answer");
    assert!(text.contains(r#""fault":"html200""#), "{text}");
    let delete = get_request("/_sim/faults").replacen("GET", "DELETE", 1);
    all(send(&sim, &delete).await).await.expect("an answer");
    assert_eq!(faults.plan(), Plan::default());
    assert!(faults.requests().log().is_empty());
}

#[tokio::test]
async fn a_bad_plan_is_refused_and_changes_nothing() {
    let (sim, faults) = sim().await;
    let post = "POST /_sim/faults HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{\"a\": 1 }";
    let text = all(send(&sim, post).await).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert_eq!(faults.plan(), Plan::default());
}

#[tokio::test]
async fn requests_are_read_cleared_and_switched_off_over_http() {
    let (sim, faults) = sim().await;
    let echo =
        "POST /echo HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    all(send(&sim, echo).await).await.expect("an answer");
    let text = all(send(&sim, &get_request("/_sim/requests?clear=1")).await).await.expect("json");
    assert!(text.contains(r#""body":"hello""#) && text.contains(r#""POST /echo":1"#), "{text}");
    assert!(faults.requests().log().is_empty());
    let off = "POST /_sim/requests HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: 16\r\n\r\n{\"record\":false}";
    all(send(&sim, off).await).await.expect("an answer");
    all(send(&sim, echo).await).await.expect("an answer");
    assert!(faults.requests().log().is_empty());
}

#[tokio::test]
async fn stop_ends_also_what_hangs() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::Hang));
    let stream = send(&sim, &get_request("/x")).await;
    let address = sim.address;
    timeout(Duration::from_secs(5), sim.stop()).await.expect("it ends");
    let _ = all(stream).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_answer_without_a_body_can_hang_too() {
    let (sim, faults) = sim().await;
    faults.add(Rule::always(Fault::HangMidBody));
    let mut stream = send(&sim, &get_request("/none")).await;
    let (text, closed) = some(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200") && !closed, "{text}");
}
