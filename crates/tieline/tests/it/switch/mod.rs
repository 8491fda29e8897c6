//! A real switch asks: Kamailio with the configuration that we ship, SIPp calling and answering.

mod decided;
mod exchange;
mod formats;
mod process;

use crate::rig::until;
use axum::Json;
use axum::http::StatusCode;
use exchange::{Caller, DID, Destinations, Exchange, Mode};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

/// Status and body; `None` for no answer at all.
type Said = Option<(u16, String)>;

/// Somebody who answers in Tieline's place, as Tieline never would.
struct Other {
    url: String,
    says: Arc<Mutex<Said>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Other {
    async fn start() -> Self {
        let (says, asked) = (Arc::<Mutex<Said>>::default(), Arc::<Mutex<Vec<Value>>>::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let other = Self { url, says: Arc::clone(&says), asked: Arc::clone(&asked) };
        let decide = async move |Json(question): Json<Value>| {
            asked.lock().expect("nobody panics here").push(question);
            let said = says.lock().expect("nobody panics here").clone();
            match said {
                Some((status, body)) => (StatusCode::from_u16(status).expect("a status"), body),
                None => std::future::pending().await,
            }
        };
        let decide = axum::routing::post(decide);
        let router = axum::Router::new().route("/api/v1/routing/decide", decide);
        tokio::spawn(async move { axum::serve(listener, router).await });
        other
    }

    fn says(&self, status: u16, body: impl Into<String>) {
        *self.says.lock().expect("nobody panics here") = Some((status, body.into()));
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("nobody panics here").clone()
    }
}

/// A call of somebody who withholds their number, and would have it go by somebody else.
fn invite(caller: &UdpSocket, port: u16, call_id: &str) -> String {
    let at = caller.local_addr().expect("its address");
    format!(
        "INVITE sip:{DID}@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{at}\r\n\
         From: <sip:anonymous@anonymous.invalid>;tag=1\r\nTo: <sip:{DID}@127.0.0.1:{port}>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:{at}>\r\nX-Caller: impatient\r\n\
         Route: <sip:127.0.0.1:{dead};lr>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        dead = process::free_port(),
    )
}

fn stranger() -> Caller {
    Caller::from("stranger", crate::rig::STRANGER)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_leads_to_the_default() {
    let Some(destinations) = Destinations::start(&["premium", "default"]).await else { return };
    let premium = destinations.uri("premium");
    let with = |uri: &str| json!({ "destination": { "type": "queue", "uri": uri } }).to_string();
    let other = Other::start().await;
    let exchange = Exchange::start(&destinations, Mode::Relay, &other.url, "default", "").await;
    let mut calls = 0;
    for (status, body) in [
        (500, String::new()),
        (401, r#"{"error":{"code":"auth.key_unknown"}}"#.into()),
        (302, String::new()),
        (200, String::new()),
        (200, "<html>".into()),
        (200, r#"{"destination":null}"#.into()),
        (200, r#"{"destination":"sip:premium@127.0.0.1"}"#.into()),
        (200, r#"{"destination":{"type":"queue","option":"Premium Support"}}"#.into()),
        (200, r#"{"destination":{"uri":7}}"#.into()),
        (200, with("")),
        (200, with("premium")),
        (200, with("sip:")),
        (200, with("tel:+15550190000")),
        (200, with(&format!("{premium}> ;x=<sip:y@127.0.0.1"))),
        (200, with(&format!("{premium}\r\nX-Own: yes"))),
        (200, with(&format!("{premium} SIP/2.0"))),
        (200, "[".repeat(100_000)),
    ] {
        other.says(status, &*body);
        exchange.call(&[stranger()], 1, 1).await;
        calls += 1;
        let tally = destinations.tally();
        let expected = [(("stranger".to_owned(), "default"), calls)].into();
        assert_eq!(tally, expected, "{status} {body:.80}\n{}", exchange.said());
        assert_eq!(other.asked().len(), calls, "{status} {body:.80}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_the_switch_itself_or_dead_leads_to_the_default() {
    let Some(destinations) = Destinations::start(&["default"]).await else { return };
    let other = Other::start().await;
    let with = |uri: &str| json!({ "destination": { "uri": uri } }).to_string();
    for mode in [Mode::Relay, Mode::Redirect] {
        let own = "alias=\"exchange.example.com\"\n#!define DESTINATION_MS 3000";
        let exchange = Exchange::start(&destinations, mode, &other.url, "default", own).await;
        other.says(200, with("sip:a@exchange.example.com"));
        exchange.call(&[stranger()], 1, 1).await;
        if mode == Mode::Relay {
            // Whoever is redirected finds out themselves.
            other.says(200, with(&format!("sip:dead@127.0.0.1:{}", process::free_port())));
            exchange.call(&[stranger()], 1, 1).await;
        }
    }
    assert_eq!((destinations.arrivals().len(), other.asked().len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_asked_about_once_however_often_it_is_sent() {
    let Some(destinations) = Destinations::start(&["default"]).await else { return };
    let other = Other::start().await;
    let exchange = Exchange::start(&destinations, Mode::Relay, &other.url, "default", "").await;
    let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let long = "sent-often-".repeat(20);
    let invite = invite(&caller, exchange.port, &long);
    for _ in 0..5 {
        caller.send_to(invite.as_bytes(), ("127.0.0.1", exchange.port)).expect("sent");
    }
    until("the call comes to the default", async || !destinations.arrivals().is_empty()).await;
    let asked = other.asked();
    assert_eq!((asked.len(), &asked[0]["did"]), (1, &json!(DID)));
    assert_eq!(asked[0].get("ani"), None, "the caller withheld their number");
    assert_eq!(asked[0]["callId"].as_str().map(str::len), Some(32), "its digest: {asked:?}");
    let arrivals = destinations.arrivals();
    assert_eq!((arrivals.len(), arrivals[0].call_id.as_str()), (1, long.as_str()));
    assert!(exchange.said().contains("Tieline did not answer"), "{}", exchange.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_gives_up_while_tieline_is_asked_comes_nowhere() {
    let Some(destinations) = Destinations::start(&["default"]).await else { return };
    let other = Other::start().await;
    let patient = "#!define ASK_SECONDS 2";
    let exchange =
        Exchange::start(&destinations, Mode::Relay, &other.url, "default", patient).await;
    exchange.play("caller_gives_up.xml", &[stranger()], 3, 10).await;
    until("it was asked about all of them", async || other.asked().len() == 3).await;
    until("all answers are given up", async || {
        exchange.said().matches("Curl library timed out").count() == 3
    })
    .await;
    assert_eq!(destinations.arrivals(), Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_asked_about_in_time_comes_to_the_default_once() {
    let Some(destinations) = Destinations::start(&["default"]).await else { return };
    let other = Other::start().await;
    let long = "#!define ASK_SECONDS 5\n#!define DESTINATION_MS 3000";
    for mode in [Mode::Relay, Mode::Redirect] {
        let exchange = Exchange::start(&destinations, mode, &other.url, "default", long).await;
        exchange.call(&[stranger()], 2, 10).await;
        until("the answers that come too late are given up", async || {
            exchange.said().matches("Tieline did not answer").count() == 2
        })
        .await;
        assert!(exchange.said().contains("waited too long"), "{}", exchange.said());
    }
    assert_eq!((destinations.arrivals().len(), other.asked().len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tieline_that_fails_is_left_alone_for_a_while_and_asked_again() {
    let Some(destinations) = Destinations::start(&["premium", "default"]).await else { return };
    let other = Other::start().await;
    other.says(503, "");
    let exchange = Exchange::start(&destinations, Mode::Relay, &other.url, "default", "").await;
    for _ in 0..4 {
        exchange.call(&[stranger()], 4, 10).await;
    }
    let asked = other.asked().len();
    assert!((5..16).contains(&asked), "{asked}\n{}", exchange.said());
    assert_eq!(destinations.arrivals().len(), 16);
    let uri = destinations.uri("premium");
    other.says(200, json!({ "destination": { "uri": uri } }).to_string());
    until("it is asked again", async || {
        exchange.call(&[stranger()], 1, 10).await;
        destinations.tally().contains_key(&("stranger".to_owned(), "premium"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirected_caller_is_told_the_uri_as_it_stands() {
    let Some(destinations) = Destinations::start(&["default"]).await else { return };
    let other = Other::start().await;
    let exchange = Exchange::start(&destinations, Mode::Redirect, &other.url, "default", "").await;
    for uri in [
        "sips:premium@[2001:db8::1]:5061;transport=tls",
        "sip:J%C3%BCrgen;isub=1@queue.example.com?Subject=a%20b",
        "sip:+15550190001@192.0.2.20;user=phone",
    ] {
        other.says(200, json!({ "destination": { "uri": uri } }).to_string());
        let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
        caller.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a limit");
        let invite = invite(&caller, exchange.port, &format!("told-{}", uri.len()));
        caller.send_to(invite.as_bytes(), ("127.0.0.1", exchange.port)).expect("sent");
        let mut buffer = [0; 4_096];
        let answers = std::iter::repeat_with(|| {
            caller
                .recv(&mut buffer)
                .map(|read| String::from_utf8_lossy(&buffer[..read]).into_owned())
        });
        let mut answers = answers.map(|answer| answer.expect("an answer"));
        let last = answers.find(|answer| !answer.starts_with("SIP/2.0 100"));
        let last = last.expect("an answer");
        assert!(
            last.starts_with("SIP/2.0 302 ") && last.contains(&format!("\r\nContact: <{uri}>\r\n")),
            "{last}\n{}",
            exchange.said()
        );
    }
}
