//! An agent's token for what a vendor's signed-in page shows, and for nothing else.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, Line, MARIA, Place};
use connectors::{genesys_cloud, salesforce};
use reqwest::Method;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

crate::facts! {
    a_page_of_each_vendor_gives_its_agent_a_token_of_their_own_view
    what_opens_nothing_at_the_vendor_opens_nothing_here
    what_is_shown_lies_in_no_log_and_in_no_store
    a_token_dies_when_its_connection_offers_no_sign_in_any_more
}

const PATH: &str = "/api/v1/agent-tokens/sign-in";
const CONNECTIONS: [&str; 2] = ["genesys", "salesforce"];

async fn both(place: Place) -> Line {
    Line::with_salesforce().and_genesys().agents_sign_in().on(place).start().await
}

fn at_genesys(line: &Line) -> String {
    line.genesys().sign_in(genesys_cloud::sim::SignedInUser::default())
}

fn at_salesforce(line: &Line) -> salesforce::sim::Page {
    line.salesforce.sign_in(salesforce::sim::SignedInUser::default())
}

/// What a page of each connection shows.
fn pages(line: &Line) -> [(&'static str, String); 3] {
    let page = at_salesforce(line);
    [("genesys", at_genesys(line)), ("salesforce", page.token), ("salesforce", page.signed_request)]
}

async fn show(line: &Line, connection: &str, shown: &str) -> Answer {
    let body = json!({ "connection": connection, "shown": shown });
    Answer::of(line.http.post(line.url(PATH)).json(&body)).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer["error"]["code"].as_str().unwrap_or_default())
}

async fn assert_refused(line: &Line, connection: &str, what: &str, shown: &str) {
    let answer = show(line, connection, shown).await;
    assert_eq!(told(&answer), (401, "sign_in.refused"), "{connection}: {what}: {answer:?}");
}

fn token(answer: &Answer) -> String {
    answer["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn told_with(line: &Line, token: &str) -> (u16, String) {
    let answer = Answer::of(line.http.get(line.url("/api/v1/calls")).bearer_auth(token)).await;
    let (status, code) = told(&answer);
    (status, code.to_owned())
}

/// What a token says, as whoever holds it can read it.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let body = token.strip_prefix("tt_").and_then(|token| token.split_once('.')).expect("ours").0;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).expect("base64");
    serde_json::from_slice(&body).expect("JSON")
}

/// Entries of the audit log that are about sign-in.
async fn written(line: &Line) -> Vec<Value> {
    let entries = line.get("/api/v1/audit?limit=1000").await.body.as_array().cloned();
    let mut entries = entries.expect("a list");
    entries.retain(|entry| entry["action"].as_str().is_some_and(|a| a.starts_with("agent.")));
    entries
}

async fn a_page_of_each_vendor_gives_its_agent_a_token_of_their_own_view(place: Place) {
    let line = both(place).await;
    for (connection, shown) in pages(&line) {
        let body = json!({ "connection": connection, "shown": shown, "callId": " call-7 " });
        let answer = Answer::of(line.http.post(line.url(PATH)).json(&body)).await;
        assert_eq!((answer.status, &answer["callId"]), (200, &json!("call-7")), "{answer:?}");
        let lives = answer["expiresIn"].as_u64().expect("seconds");
        assert!((880..=900).contains(&lives), "{answer:?}");
        let agent = answer["agent"].as_str().expect("an id").to_owned();
        if connection == "salesforce" {
            assert!(agent.starts_with("005") && agent.len() == 18, "{agent}");
        }
        let said = claims(&token(&answer));
        let page = format!("page-{connection}");
        assert_eq!((&said["k"], &said["s"]), (&json!(page), &json!("agent")));
        assert_eq!((&said["a"], &said["c"]), (&json!(agent), &json!("call-7")));
        for (method, path) in [
            (Method::GET, "/api/v1/calls"),
            (Method::POST, "/api/v1/genesys/lookup"),
            (Method::POST, "/api/v1/agent-tokens"),
            (Method::GET, "/api/v1/api-keys"),
            (Method::GET, PATH),
        ] {
            let request = line.http.request(method, line.url(path)).bearer_auth(token(&answer));
            assert_eq!(told(&Answer::of(request).await), (403, "auth.scope_missing"), "{path}");
        }
    }
    // The second page of Salesforce brought the same agent from the same address.
    let written = written(&line).await;
    assert_eq!(written.len(), 2, "{written:?}");
    for (entry, connection) in written.iter().rev().zip(CONNECTIONS) {
        assert_eq!(
            (&entry["action"], &entry["subject"]),
            (&json!("agent.signed_in"), &json!(connection))
        );
        let actor = entry["actor"].as_str().expect("an actor");
        assert!(actor.starts_with("agent ") && actor.ends_with(connection), "{actor}");
        assert_eq!(entry["details"]["address"], "127.0.0.1");
    }
}

/// What must open nothing at Genesys Cloud, and why.
async fn nothings_of_genesys(line: &Line) -> Vec<(&'static str, String)> {
    use genesys_cloud::sim::SignedInUser;
    let sign_in = |user: SignedInUser| line.genesys().sign_in(user);
    let user = SignedInUser::default;
    let ended = at_genesys(line);
    line.genesys().revoke_token(&ended);
    let config = line.genesys().config();
    let form = [("grant_type", "client_credentials")];
    let login = line.http.post(format!("{}/oauth/token", line.genesys().url()));
    let login = login.basic_auth(&config.client_id, Some(&config.client_secret)).form(&form);
    let own = Answer::of(login).await["access_token"].as_str().expect("a token").to_owned();
    let other = "00000000-0000-4000-9000-00000000000f".to_owned();
    vec![
        ("garbage", "zzcanary-shown".to_owned()),
        ("an ended session", ended),
        (
            "another organization",
            sign_in(SignedInUser { organization_id: Some(other.clone()), ..user() }),
        ),
        ("another app", sign_in(SignedInUser { client_id: Some(other), ..user() })),
        (
            "our own client, for a user",
            sign_in(SignedInUser { client_id: Some(config.client_id.clone()), ..user() }),
        ),
        ("an inactive user", sign_in(SignedInUser { state: "inactive".to_owned(), ..user() })),
        ("a deleted user", sign_in(SignedInUser { state: "deleted".to_owned(), ..user() })),
        ("no scope", sign_in(SignedInUser { scope: vec!["routing".to_owned()], ..user() })),
        ("an idle session", sign_in(SignedInUser { idle_seconds: Some(0), ..user() })),
        ("client credentials", own),
        ("a token of ours", "tt_e30.c2ln".to_owned()),
        ("a page of Salesforce", at_salesforce(line).token),
    ]
}

/// What must open nothing at Salesforce, and why.
async fn nothings_of_salesforce(line: &Line) -> Vec<(&'static str, String)> {
    use salesforce::sim::{Config, SignedInUser};
    let sign_in = |user: SignedInUser| line.salesforce.sign_in(user);
    let ended = at_salesforce(line);
    line.salesforce.revoke_token(&ended.token);
    let other_org = "00D8000000abcdeEAA".to_owned();
    let other_org = sign_in(SignedInUser { org: Some(other_org), ..SignedInUser::default() });
    let key = Config::default().consumer_key;
    let other_app = sign_in(SignedInUser { app: Some(key.clone()), ..SignedInUser::default() });
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &key),
        ("client_secret", "sim-consumer-secret"),
    ];
    let login = line.http.post(format!("{}/services/oauth2/token", line.salesforce.url()));
    let own =
        Answer::of(login.form(&form)).await["access_token"].as_str().expect("a token").to_owned();
    let good = at_salesforce(line);
    let (signature, envelope) = good.signed_request.split_once('.').expect("two parts");
    let bent = format!("{signature}.{}", envelope.replacen('A', "B", 1));
    vec![
        ("garbage", "zzcanary-shown".to_owned()),
        ("an ended session", ended.token),
        ("an ended session's signed request", ended.signed_request),
        ("another org", other_org.token),
        ("another org's signed request", other_org.signed_request),
        ("another app", other_app.token),
        ("another app's token in a signed request", other_app.signed_request),
        ("client credentials", own),
        ("a bent signed request", bent),
        ("a signature over nothing", format!("{signature}.")),
        ("a code", good.code),
        ("a page of Genesys Cloud", at_genesys(line)),
    ]
}

async fn what_opens_nothing_at_the_vendor_opens_nothing_here(place: Place) {
    let line = both(place).await;
    let (genesys, salesforce) =
        (nothings_of_genesys(&line).await, nothings_of_salesforce(&line).await);
    let logins = || line.genesys().faults().requests().count("POST /oauth/token");
    let before = logins();
    for (connection, nothings) in CONNECTIONS.iter().zip([&genesys, &salesforce]) {
        for (what, shown) in nothings {
            assert_refused(&line, connection, what, shown).await;
        }
    }
    assert_eq!(logins(), before, "a stranger's refused token does not cost us ours");
    for (connection, shown) in pages(&line) {
        assert_eq!(show(&line, connection, &shown).await.status, 200, "{connection}");
    }
    // Written down once a minute, counted each.
    let mut written = written(&line).await;
    written.retain(|entry| entry["action"] == "agent.refused");
    assert_eq!(written.len(), 2, "{written:?}");
    for entry in &written {
        let details = &entry["details"];
        assert_eq!((&entry["actor"], &details["refusals"]), (&json!("nobody"), &json!("1")));
        assert!(details["reason"].is_string() && details["address"] == "127.0.0.1", "{entry}");
    }
    let metrics = line.get("/metrics").await.body.to_string();
    for (connection, nothings) in CONNECTIONS.iter().zip([&genesys, &salesforce]) {
        let labels = format!("connection=\\\"{connection}\\\",outcome=\\\"refused\\\"");
        let counted = format!("tieline_sign_ins_total{{{labels}}} {}", nothings.len());
        assert!(metrics.contains(&counted), "{counted} in {metrics}");
    }
}

async fn what_is_shown_lies_in_no_log_and_in_no_store(place: Place) {
    let plan = Line::with_salesforce().and_genesys().agents_sign_in().log_level("debug").on(place);
    let mut line = plan.start().await;
    let mut secrets = vec!["sim-widget-secret".to_owned()];
    let nothings = [
        ("genesys", nothings_of_genesys(&line).await),
        ("salesforce", nothings_of_salesforce(&line).await),
    ];
    for (connection, nothings) in nothings {
        for (what, shown) in nothings {
            let answer = show(&line, connection, &shown).await;
            assert!(!answer.body.to_string().contains(&shown), "{what}");
            secrets.push(shown);
        }
    }
    for (connection, shown) in pages(&line) {
        let answer = show(&line, connection, &shown).await;
        secrets.extend([token(&answer), shown]);
    }
    line.salesforce.faults().add(Rule::always(Fault::Html200).on("/introspect"));
    let page = at_salesforce(&line);
    assert_eq!(show(&line, "salesforce", &page.token).await.status, 503);
    secrets.extend([page.token, page.signed_request]);
    let running = line.place.bytes().await;
    line.kill().await;
    let (log, killed) = (line.log(), line.place.bytes().await);
    assert!(log.contains("an agent's sign-in was refused"), "the log is there:\n{log}");
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        for bytes in [&running, &killed] {
            let lies = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!lies, "{secret} is in the store");
        }
    }
}

async fn a_token_dies_when_its_connection_offers_no_sign_in_any_more(place: Place) {
    let mut line = both(place).await;
    let mut tokens = Vec::new();
    for (connection, shown) in pages(&line) {
        tokens.push(token(&show(&line, connection, &shown).await));
    }
    line.restart().await;
    for token in &tokens {
        assert_eq!(told_with(&line, token).await, (403, "auth.scope_missing".to_owned()));
    }
    let config = std::fs::read_to_string(&line.config).expect("a file");
    let without = |line: &&str| !line.starts_with("widget_client_id = [");
    let config: Vec<&str> = config.lines().filter(without).collect();
    std::fs::write(&line.config, config.join("\n")).expect("written");
    line.restart().await;
    let dead = (401, "auth.token_invalid".to_owned());
    let alive = (403, "auth.scope_missing".to_owned());
    for (token, expected) in tokens.iter().zip([&dead, &alive, &alive]) {
        assert_eq!(told_with(&line, token).await, *expected);
    }
    let shown = at_genesys(&line);
    assert_eq!(told(&show(&line, "genesys", &shown).await), (404, "sign_in.not_offered"));
}

#[tokio::test]
async fn a_token_lives_no_longer_than_the_session_at_the_vendor() {
    let line = both(Place::disk()).await;
    let user = genesys_cloud::sim::SignedInUser::default();
    let user = genesys_cloud::sim::SignedInUser { idle_seconds: Some(300), ..user };
    let idle = show(&line, "genesys", &line.genesys().sign_in(user)).await;
    line.salesforce.set_token_lifetime(Duration::from_secs(120));
    let short = show(&line, "salesforce", &at_salesforce(&line).token).await;
    for (answer, most) in [(idle, 300), (short, 120)] {
        let lives = answer["expiresIn"].as_u64().expect("seconds");
        assert!((most - 30..=most).contains(&lives), "{answer:?}");
        let ends = claims(&token(&answer))["e"].as_i64().expect("milliseconds");
        let told = domain::Timestamp::parse(answer["expiresAt"].as_str().expect("a time"));
        assert_eq!(told, Some(domain::Timestamp(ends)));
    }
}

#[tokio::test]
async fn a_vendor_in_trouble_refuses_nobody() {
    let plan = Line::with_salesforce().and_genesys().agents_sign_in().limit("timeout = \"1s\"");
    let line = plan.start().await;
    let genesys = ["/tokens/me", "/users/me"].map(|path| ("genesys", path));
    for (connection, path) in genesys.into_iter().chain([("salesforce", "/introspect")]) {
        let faults = match connection {
            "genesys" => line.genesys().faults(),
            _ => line.salesforce.faults(),
        };
        let shown = match connection {
            "genesys" => at_genesys(&line),
            _ => at_salesforce(&line).signed_request,
        };
        let status = |code| Fault::Status { code, body: None };
        let mut all = vec![
            Fault::Reset,
            Fault::Truncate,
            Fault::Html200,
            status(500),
            status(502),
            status(429),
            status(302),
            Fault::Status { code: 200, body: Some("[]".to_owned()) },
        ];
        if connection == "genesys" {
            all.push(Fault::Vendor("throttled:7".to_owned()));
        } else {
            all.extend([Fault::Hang, Fault::slow(Duration::from_secs(2))]);
            all.push(Fault::Status {
                code: 401,
                body: Some(r#"{"error":"invalid_client"}"#.into()),
            });
        }
        for fault in all {
            faults.set(sim::faults::Plan::default());
            faults.add(Rule::always(fault.clone()).on(path));
            let body = json!({ "connection": connection, "shown": shown });
            let answer =
                line.http.post(line.url(PATH)).json(&body).send().await.expect("an answer");
            let wait = answer
                .headers()
                .get("retry-after")
                .map(|wait| wait.to_str().expect("text").to_owned());
            let expected = if fault == Fault::Vendor("throttled:7".to_owned()) { "7" } else { "1" };
            assert_eq!(
                (answer.status().as_u16(), wait.as_deref()),
                (503, Some(expected)),
                "{path} {fault:?}"
            );
            let body: Value = answer.json().await.expect("JSON");
            assert_eq!(body["error"]["code"], "sign_in.unavailable");
        }
        faults.clear();
        assert_eq!(show(&line, connection, &shown).await.status, 200, "{path}: it has recovered");
    }
    assert_eq!(written(&line).await.len(), 2, "nobody was refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_a_vendor_that_hangs_holds_up_neither_another_nor_the_calls() {
    let line = Line::with_salesforce().and_genesys().agents_sign_in();
    let line = line.limit("timeout = \"2s\"").start().await;
    line.salesforce.faults().add(Rule::always(Fault::Hang).on("/introspect"));
    let (page, other) = (at_salesforce(&line), at_genesys(&line));
    let crowd = (0..80).map(|_| show(&line, "salesforce", &page.token)).collect();
    let (answers, genesys, call) = tokio::join!(
        crate::rig::join_all(crowd),
        show(&line, "genesys", &other),
        line.call_from(MARIA.1),
    );
    assert_eq!(genesys.status, 200, "{genesys:?}");
    call.assert_hit("crm");
    for answer in &answers {
        assert_eq!(told(answer), (503, "sign_in.unavailable"));
    }
    let asked = line.salesforce.faults().requests().count("/introspect");
    assert!((4..80).contains(&asked), "four at once, and not each of the crowd: {asked}");
    line.salesforce.faults().clear();
    assert_eq!(show(&line, "salesforce", &page.token).await.status, 200);
}

#[tokio::test]
async fn our_own_refused_credentials_accuse_nobody() {
    let line = both(Place::disk()).await;
    // Nothing has been asked of our own organization yet, and our tokens are gone.
    line.genesys().revoke_tokens();
    let faults = line.genesys().faults();
    let refused = r#"{"error":"invalid_client","description":"client not found: invalid_client"}"#;
    let refused = Fault::Status { code: 400, body: Some(refused.to_owned()) };
    faults.add(Rule::always(refused).on("/oauth/token"));
    let shown = at_genesys(&line);
    assert_eq!(told(&show(&line, "genesys", &shown).await), (503, "sign_in.unavailable"));
    faults.clear();
    crate::rig::until("our own login has recovered", async || {
        show(&line, "genesys", &shown).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_address_may_try_so_often_and_others_still_may() {
    let line = Line::with_salesforce().and_genesys().agents_sign_in();
    let line =
        line.variable("TIELINE_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#).start().await;
    let from = async |address: &str, shown: &str| {
        let body = json!({ "connection": "genesys", "shown": shown });
        let request = line.http.post(line.url(PATH)).header("x-forwarded-for", address);
        request.json(&body).send().await.expect("an answer")
    };
    let mut throttled = None;
    for number in 0..150 {
        // All of them are of one customer's network.
        let answer = from(&format!("2001:db8:0:7::{number:x}"), "guessed").await;
        if answer.status() == 429 {
            throttled = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 401);
    }
    let throttled = throttled.expect("too many at last");
    let wait = throttled.headers()["retry-after"].to_str().expect("text").parse::<u64>();
    assert_eq!(wait, Ok(1));
    let asked = || line.genesys().faults().requests().count("GET /api/v2/tokens/me");
    let before = asked();
    assert!((120..150).contains(&before), "{before}");
    let good = at_genesys(&line);
    assert_eq!(from("2001:db8:0:8::1", &good).await.status(), 200, "another network");
    let metrics = line.get("/metrics").await.body.to_string();
    let counted = r#"tieline_sign_ins_total{connection=\"genesys\",outcome=\"throttled\"}"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn each_agent_has_requests_of_their_own() {
    let line = Line::with_salesforce().and_genesys().agents_sign_in();
    let line = line.variable("TIELINE_SERVER__REQUESTS_PER_MINUTE", "5").start().await;
    let agent = |id: &str| {
        let user = genesys_cloud::sim::SignedInUser::default();
        let user = genesys_cloud::sim::SignedInUser { user_id: id.to_owned(), ..user };
        line.genesys().sign_in(user)
    };
    let mut tokens = Vec::new();
    for shown in [agent("u-1"), agent("u-2"), agent("u-1")] {
        tokens.push(token(&show(&line, "genesys", &shown).await));
    }
    for _ in 0..5 {
        assert_eq!(told_with(&line, &tokens[0]).await.0, 403);
    }
    let used_up = (429, "auth.rate_limited".to_owned());
    assert_eq!(told_with(&line, &tokens[0]).await, used_up);
    assert_eq!(told_with(&line, &tokens[2]).await, used_up, "a new token is no new allowance");
    assert_eq!(told_with(&line, &tokens[1]).await.0, 403, "another agent");
}

#[tokio::test]
async fn what_is_not_offered_or_not_understood_is_said_so() {
    let line = Line::with_salesforce().and_genesys().start().await;
    for connection in ["genesys", "salesforce", "nowhere", ""] {
        let answer = show(&line, connection, "x").await;
        assert_eq!(told(&answer), (404, "sign_in.not_offered"), "{connection}");
        let expected = show(&line, "nowhere", "x").await;
        assert_eq!(answer.body, expected.body, "no name is told from another");
    }
    let long = "x".repeat(32 * 1024 + 1);
    for (body, at) in [
        (json!({}), "shown"),
        (json!({ "shown": "", "connection": "genesys" }), "shown"),
        (json!({ "shown": "a b" }), "shown"),
        (json!({ "shown": "a\r\nx-header: y" }), "shown"),
        (json!({ "shown": "\u{fc}" }), "shown"),
        (json!({ "shown": long }), "shown"),
        (json!({ "shown": "x", "callId": "\u{fc}" }), "callId"),
    ] {
        let answer = Answer::of(line.http.post(line.url(PATH)).json(&body)).await;
        assert_eq!((answer.status, &answer["error"]["at"]), (400, &json!(at)), "{body}");
    }
    let form = Answer::of(line.http.post(line.url(PATH)).form(&[("shown", "x")])).await;
    assert_eq!(told(&form), (415, "request.media_type"));
    let long = Answer::of(line.http.post(line.url(PATH)).json(&"x".repeat(70_000))).await;
    assert_eq!(told(&long), (413, "request.body_too_large"));
    // Only this method at this very address needs no key.
    for (method, path) in [
        (Method::GET, PATH),
        (Method::PUT, PATH),
        (Method::POST, "/api/v1/agent-tokens/sign-in/"),
        (Method::POST, "/api/v1/agent-tokens/sign%2Din"),
        (Method::POST, "/api/v1/agent-tokens//sign-in"),
        (Method::POST, "/api/v1/agent-tokens"),
    ] {
        let answer = Answer::of(line.http.request(method, line.url(path)).json(&json!({}))).await;
        assert_eq!(told(&answer), (401, "auth.key_missing"), "{path}");
    }
    let document = Answer::of(line.http.get(line.url("/openapi.json"))).await;
    assert_eq!(document["paths"][PATH]["post"]["security"], json!([]));
}

#[tokio::test]
async fn check_says_whether_agents_can_sign_in() {
    let plan = Line::with_salesforce().and_genesys().agents_sign_in();
    let mut line = plan.start().await;
    let found = async |line: &Line| {
        let found = line.post("/api/v1/connections/check", &json!({})).await;
        let all = found.body.as_array().expect("a list").clone();
        let about = all.into_iter().filter(|one| one["what"] == "sign-in of agents");
        about
            .map(|one| (one["ok"] == true, one["code"].as_str().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&line).await, [(true, String::new()), (true, String::new())]);
    line.environment.retain(|(name, _)| name != "WIDGET_SECRET");
    line.environment.push(("WIDGET_SECRET".to_owned(), "wrong".to_owned()));
    line.restart().await;
    let refused = (false, "connection.credentials_refused".to_owned());
    assert_eq!(found(&line).await, [(true, String::new()), refused]);
    let shown = at_salesforce(&line);
    assert_eq!(show(&line, "salesforce", &shown.token).await.status, 503);
    assert!(!line.log().contains(API_KEY));
}
