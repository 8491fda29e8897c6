//! What is the same on every server: the facts, over whatever dialect.
//!
//! Each test has a database of its own, made by the engine's own client.

use super::relay::{Relay, Weather};
use super::sqlite::{by_email, by_phone, by_record, find, open, set};
use crate::rig::{EMAIL, PHONE};
use kit::{Capabilities, Custom, Error, Lane, Settings};
use serde_json::json;
use std::time::{Duration, Instant};

pub(super) const LONG: Duration = Duration::from_secs(5);

/// A database of one test, and the words of its dialect.
pub(super) struct Place {
    pub(super) settings: Settings,
    /// A query that takes half a minute and has the columns of a person.
    pub(super) slow: &'static str,
    /// A query by e-mail that calls a function which writes.
    pub(super) writes: &'static str,
    /// A query by record, whose id is a number.
    pub(super) numbered: &'static str,
}

impl Place {
    pub(super) fn open(&self) -> Capabilities {
        open(self.settings.clone(), LONG).expect("complete settings")
    }

    fn with(&self, key: &str, sql: &str) -> Capabilities {
        open(set(self.settings.clone(), key, sql), LONG).expect("complete settings")
    }

    /// The same behind a network of ours.
    pub(super) async fn behind_a_relay(&self) -> (Relay, Settings) {
        let port = self.settings.plain["port"].as_integer().expect("a port");
        let relay = Relay::to(u16::try_from(port).expect("a port")).await;
        let settings = set(self.settings.clone(), "port", i64::from(relay.port));
        (relay, settings)
    }
}

pub(super) async fn people_are_found(place: &Place) {
    let connection = place.open();
    for ask in [by_phone(PHONE), by_email("John.Doe@Example.COM"), by_record("C-1")] {
        let found = find(&connection, ask).await.expect("an answer");
        let [john] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((john.record.as_str(), john.name.as_str()), ("C-1", "John Doe"));
        assert_eq!(john.email.as_deref(), Some(EMAIL));
        assert!(john.has_phone(PHONE));
    }
    for nobody in [by_phone("+15550100000"), by_email("nobody@example.com"), by_record("C-0")] {
        assert_eq!(find(&connection, nobody).await.expect("an answer"), []);
    }
    // The forms in which people type a number: stored as (555) 019-9999.
    let sql = "SELECT record, name, phone FROM people WHERE phone IN (:phone_forms)";
    let found =
        find(&place.with("lookup_by_phone", sql), by_phone(PHONE)).await.expect("an answer");
    assert_eq!(found.len(), 1);
    // An id in a form that none can have.
    let numbered = place.with("lookup_by_record", place.numbered);
    assert_eq!(find(&numbered, by_record("abc")).await.expect("nobody"), []);
    assert_eq!(find(&numbered, by_record("1")).await.expect("somebody").len(), 1);
}

pub(super) async fn a_query_that_writes_is_refused_by_the_server(place: &Place) {
    let error = find(&place.with("lookup_by_email", place.writes), by_email(EMAIL)).await;
    let error = error.expect_err("it writes");
    let named =
        matches!(&error, Error::Invalid { field: Some(field), .. } if field == "lookup_by_email");
    assert!(named && error.to_string().contains("only reads"), "{error}");
    let findings = place.open().check.check().await;
    let of = |what: &str| findings.iter().find(|one| one.what == what).expect("looked at");
    assert_eq!(of("reads only").outcome, Ok(()));
}

pub(super) async fn a_slow_query_is_ended_at_the_server_and_its_session_goes_on(place: &Place) {
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(set(settings, "lookup_by_email", place.slow), LONG).expect("settings");
    let asked_at = Instant::now();
    let error = find(&connection, by_email(EMAIL)).await.expect_err("late");
    assert!(error.to_string().contains("no whole answer within 250 ms"), "{error}");
    assert!(asked_at.elapsed() < Duration::from_secs(2));
    assert_eq!(find(&connection, by_record("C-1")).await.expect("well").len(), 1);
    assert_eq!(relay.opened(), 1, "the server ended the query, and the session is the same");
}

pub(super) async fn a_network_that_hangs_costs_each_call_its_own_answer(place: &Place) {
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(settings, Duration::from_secs(1)).expect("settings");
    assert_eq!(find(&connection, by_record("C-1")).await.expect("fine").len(), 1);
    relay.set(Weather::Hangs);
    let asked_at = Instant::now();
    let asks = (0..3).map(|_| find(&connection, by_record("C-1")));
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer.expect_err("hangs").kind(), "unavailable");
    }
    assert!(asked_at.elapsed() < Duration::from_secs(3));
    relay.set(Weather::Fine);
    assert_eq!(find(&connection, by_record("C-1")).await.expect("fine again").len(), 1);
}

pub(super) async fn a_server_that_was_started_again_is_reached_by_the_next_call(place: &Place) {
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(settings, LONG).expect("settings");
    let asks = (0..3).map(|_| find(&connection, by_record("C-1")));
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer.expect("fine").len(), 1);
    }
    relay.set(Weather::Cuts);
    let error = find(&connection, by_record("C-1")).await.expect_err("cut");
    assert_eq!(error.kind(), "unavailable", "{error}");
    relay.set(Weather::Fine);
    for _ in 0..3 {
        assert_eq!(find(&connection, by_record("C-1")).await.expect("at once").len(), 1);
    }
}

pub(super) async fn nobody_listens_and_is_told_so(place: &Place) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let settings = set(place.settings.clone(), "port", i64::from(port));
    let connection = open(settings, LONG).expect("settings");
    let error = find(&connection, by_record("C-1")).await.expect_err("nobody");
    assert_eq!(error.kind(), "unavailable", "{error}");
    let findings = connection.check.check().await;
    assert_eq!(findings[0].outcome.as_ref().expect_err("a flaw").code, "connection.unreachable");
}

pub(super) async fn background_work_never_takes_a_calls_session(place: &Place) {
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(set(settings, "lookup_by_email", place.slow), Duration::from_secs(2));
    let connection = connection.expect("settings");
    let lookup = connection.lookup.clone().expect("a lookup");
    let slow: Vec<_> = (0..6)
        .map(|_| {
            let lookup = lookup.clone();
            tokio::spawn(async move { lookup.find(Lane::Background, &[by_email(EMAIL)]).await })
        })
        .collect();
    while connection.turnstile.gate().under_way(Lane::Background) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(find(&connection, by_record("C-1")).await.expect("its own session").len(), 1);
    for asked in slow {
        assert!(asked.await.expect("no panic").is_err(), "ended in its time");
    }
    assert!(relay.opened() <= 3, "two in the background and one for calls: {}", relay.opened());
}

pub(super) async fn sessions_are_as_many_as_places(place: &Place) {
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(settings, LONG).expect("settings");
    for _ in 0..3 {
        let asks = (0..40).map(|_| find(&connection, by_record("C-1")));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.expect("in turn").len(), 1);
        }
    }
    assert!((1..=4).contains(&relay.opened()), "{}", relay.opened());
}

pub(super) async fn what_is_said_is_bound_and_never_read(place: &Place, texts: &[String]) {
    let connection = place.open();
    for text in texts {
        for ask in [by_email(text), by_record(text)] {
            assert_eq!(find(&connection, ask).await.expect(text), [], "{text}");
        }
    }
    let john = find(&connection, by_record("C-1")).await.expect("he is still there");
    assert_eq!(john.len(), 1);
}

pub(super) async fn a_named_query_answers_a_data_action(place: &Place) {
    let connection = place.open();
    let requests = connection.requests.as_ref().expect("queries");
    let ask = |method: &str, path: &str, query: &[(&str, &str)]| Custom {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        headers: Vec::new(),
        body: None,
    };
    let good = ask("GET", "/by_tier", &[("tier", "Gold")]);
    let answer = requests.send(Lane::Call, &good).await.expect("an answer");
    assert_eq!(answer, json!({ "records": [{ "record": "C-1", "tier": "Gold" }] }));
    let none = ask("GET", "/by_tier", &[("tier", "' OR '1'='1")]);
    assert_eq!(requests.send(Lane::Call, &none).await.expect("none"), json!({ "records": [] }));
    for (field, bad) in [
        ("method", ask("POST", "/by_tier", &[("tier", "Gold")])),
        ("path", ask("GET", "/by_name", &[])),
        ("path", ask("GET", "/by_tier/../other", &[("tier", "Gold")])),
        ("tier", ask("GET", "/by_tier", &[])),
        ("teir", ask("GET", "/by_tier", &[("tier", "Gold"), ("teir", "x")])),
        ("tier", ask("GET", "/by_tier", &[("tier", "Gold"), ("tier", "x")])),
        ("headers", Custom { headers: vec![("x".into(), "y".into())], ..good.clone() }),
        ("body", Custom { body: Some(json!({})), ..good.clone() }),
    ] {
        let error = requests.send(Lane::Call, &bad).await.expect_err(field);
        let named = matches!(&error, Error::Invalid { field: Some(named), .. } if named == field);
        assert!(named, "{field}: {error:?}");
    }
}

pub(super) async fn the_check_names_what_is_missing(place: &Place) {
    for finding in place.open().check.check().await {
        assert_eq!(finding.outcome, Ok(()), "{}", finding.what);
    }
    for (sql, code, says) in [
        (
            "SELECT nothing FROM people WHERE email = :email",
            "connection.setting_refused",
            "nothing",
        ),
        ("SELEC FROM", "", "begins with SELECT"),
        ("SELECT record, FROM people WHERE email = :email", "connection.setting_refused", "FROM"),
        (
            "SELECT name, email FROM people WHERE record = :email",
            "connection.field_missing",
            "`record`",
        ),
        ("SELECT record, email FROM people WHERE name = :email", "connection.full_scan", "people"),
    ] {
        let settings = set(place.settings.clone(), "lookup_by_email", sql);
        let connection = match open(settings, LONG) {
            Ok(connection) => connection,
            Err(error) => {
                assert!(code.is_empty() && error.to_string().contains(says), "{error}");
                continue;
            }
        };
        let findings = connection.check.check().await;
        let of_query =
            findings.iter().find(|one| one.what == "lookup_by_email").expect("looked at");
        let flaw = of_query.outcome.as_ref().expect_err(sql);
        assert_eq!(flaw.code, code, "{flaw:?}");
        assert!(flaw.message.contains(says), "{flaw:?}");
    }
}

pub(super) async fn a_wrong_password_is_told_and_never_shown(place: &Place, locked: Settings) {
    let well = open(locked.clone(), LONG).expect("settings");
    assert_eq!(find(&well, by_record("C-1")).await.expect("let in").len(), 1);
    let mut wrong = locked;
    wrong.secrets.insert("password".to_owned(), kit::Secret::new("hunter2-wrong".to_owned()));
    let connection = open(wrong.clone(), LONG).expect("settings");
    let error = find(&connection, by_record("C-1")).await.expect_err("refused");
    assert_eq!(error.kind(), "unauthorized", "{error}");
    let findings = connection.check.check().await;
    let flaw = findings[0].outcome.as_ref().expect_err("a flaw");
    assert_eq!(flaw.code, "connection.credentials_refused");
    let shown = format!("{error} {error:?} {findings:?} {wrong:?} {}", crate::logs::text());
    assert!(!shown.contains("hunter2"), "{shown}");
    let missing = set(place.settings.clone(), "database", "no_such_database");
    let error = find(&open(missing, LONG).expect("settings"), by_record("C-1")).await;
    let error = error.expect_err("no database");
    assert!(
        matches!(&error, Error::Invalid { field: Some(field), .. } if field == "database"),
        "{error}"
    );
}
