//! Who is let in, by which credential, to what, how often, and until when.

use crate::rig::plan::{API_KEY, MASTER_KEY};
use crate::rig::{Answer, Line, MARIA, Place, until, until_some};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

crate::facts! {
    each_form_of_each_credential_is_let_in
    a_revoked_key_and_its_tokens_are_dead_at_once
    a_replaced_key_goes_on_for_its_overlap
    keys_and_tokens_outlive_a_restart
    no_key_and_no_token_lies_in_the_log_or_the_store
}

const SCOPES: [&str; 9] =
    ["lookup", "events", "context", "routing", "rules", "read", "supervise", "agents", "admin"];

/// A key just made: its public id and its text.
struct Key {
    id: String,
    text: String,
}

impl Key {
    fn secret(&self) -> &str {
        self.text.rsplit_once('_').expect("tl_id_secret").1
    }

    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |name: &str| answer[name].as_str().expect(name).to_owned();
        Self { id: text("id"), text: text("key") }
    }
}

async fn made(line: &Line, body: Value) -> Key {
    Key::of(&line.post("/api/v1/api-keys", &body).await)
}

async fn key_for(line: &Line, scopes: &[&str]) -> Key {
    made(line, json!({ "name": "test", "scopes": scopes })).await
}

fn ask(line: &Line) -> RequestBuilder {
    line.http.get(line.url("/api/v1/calls"))
}

/// The status and the code that a credential is answered with.
async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = Answer::of(request).await;
    (answer.status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
}

async fn assert_let_in(request: RequestBuilder) {
    assert_eq!(told(request).await, (200, String::new()));
}

async fn assert_refused(request: RequestBuilder, code: &str) {
    let status = if code == "auth.scope_missing" { 403 } else { 401 };
    assert_eq!(told(request).await, (status, code.to_owned()));
}

async fn token_of(line: &Line, key: &Key) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &key.id),
        ("client_secret", key.secret()),
    ];
    let answer = Answer::of(line.http.post(line.url("/oauth/token")).form(&form)).await;
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn agent_token_of(line: &Line, key: &Key) -> Answer {
    let request = line.http.post(line.url("/api/v1/agent-tokens")).bearer_auth(&key.text);
    Answer::of(request.json(&json!({ "agent": "agent-7", "callId": "call-7" }))).await
}

async fn each_form_of_each_credential_is_let_in(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let key = key_for(&line, &["read"]).await;
    for text in [&key.text, API_KEY] {
        assert_let_in(ask(&line).bearer_auth(text)).await;
        assert_let_in(ask(&line).header("Authorization", format!("bEARER {text}"))).await;
        assert_let_in(ask(&line).header("X-API-Key", text)).await;
        assert_let_in(ask(&line).basic_auth("whoever", Some(text))).await;
        assert_let_in(ask(&line).basic_auth("", Some(text))).await;
    }
    assert_let_in(ask(&line).basic_auth(&key.id, Some(key.secret()))).await;

    let url = line.url("/oauth/token");
    let grant = ("grant_type", "client_credentials");
    let form = |id: &str, secret: &str| {
        let pair = [grant, ("client_id", id), ("client_secret", secret)];
        line.http.post(&url).form(&pair)
    };
    let basic =
        |id: &str, secret: &str| line.http.post(&url).basic_auth(id, Some(secret)).form(&[grant]);
    for (request, scope) in [
        (form(&key.id, key.secret()), "read"),
        (form("whatever", &key.text), "read"),
        (basic(&key.id, key.secret()), "read"),
        (
            form("whatever", API_KEY),
            "lookup events context routing rules read supervise agents admin",
        ),
        (
            basic("whatever", API_KEY),
            "lookup events context routing rules read supervise agents admin",
        ),
    ] {
        let token = Answer::of(request).await;
        let expected = (&json!("Bearer"), &json!(3_600), &json!(scope));
        assert_eq!((&token["token_type"], &token["expires_in"], &token["scope"]), expected);
        let token = token["access_token"].as_str().expect("a token");
        assert_let_in(ask(&line).bearer_auth(token)).await;
        assert_let_in(ask(&line).header("X-API-Key", token)).await;
        assert_let_in(ask(&line).basic_auth("whoever", Some(token))).await;
    }
}

async fn a_revoked_key_and_its_tokens_are_dead_at_once(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let key = key_for(&line, &["read", "agents"]).await;
    let other = key_for(&line, &["read"]).await;
    let token = token_of(&line, &key).await;
    let agent = agent_token_of(&line, &key).await;
    let agent = agent["token"].as_str().expect("a token");
    assert_let_in(ask(&line).bearer_auth(&key.text)).await;
    assert_let_in(ask(&line).bearer_auth(&token)).await;
    assert_refused(ask(&line).bearer_auth(agent), "auth.scope_missing").await;

    let path = line.url(&format!("/api/v1/api-keys/{}", key.id));
    for _ in 0..2 {
        let revoked = Answer::of(line.http.delete(&path).bearer_auth(API_KEY)).await;
        assert_eq!((revoked.status, &revoked["state"]), (200, &json!("revoked")));
    }
    for text in [&key.text, &token, agent] {
        assert_refused(ask(&line).bearer_auth(text), "auth.key_revoked").await;
    }
    assert_refused(ask(&line).basic_auth(&key.id, Some(key.secret())), "auth.key_revoked").await;
    let form = [("grant_type", "client_credentials"), ("client_id", &key.id)];
    let request = line.http.post(line.url("/oauth/token")).form(&form);
    let refused = Answer::of(request).await;
    assert_eq!((refused.status, &refused["error"]), (401, &json!("invalid_client")));
    assert_let_in(ask(&line).bearer_auth(&other.text)).await;
}

async fn a_replaced_key_goes_on_for_its_overlap(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let old = key_for(&line, &["read"]).await;
    let token = token_of(&line, &old).await;
    let rotate = |id: &str| format!("/api/v1/api-keys/{id}/rotate");
    let new = line.post(&rotate(&old.id), &json!({ "overlapSeconds": 5 })).await;
    assert_eq!((&new["rotatedFrom"], &new["scopes"]), (&json!(old.id), &json!(["read"])));
    let new = Key::of(&new);
    for key in [&old, &new] {
        assert_let_in(ask(&line).bearer_auth(&key.text)).await;
    }
    until("the old key has ended", async || {
        told(ask(&line).bearer_auth(&old.text)).await == (401, "auth.key_expired".to_owned())
    })
    .await;
    assert_refused(ask(&line).bearer_auth(&token), "auth.key_expired").await;
    assert_let_in(ask(&line).bearer_auth(&new.text)).await;

    let newest = Key::of(&line.post(&rotate(&new.id), &json!({ "overlapSeconds": 0 })).await);
    assert_refused(ask(&line).bearer_auth(&new.text), "auth.key_expired").await;
    assert_let_in(ask(&line).bearer_auth(&newest.text)).await;
    let again = line.post(&rotate(&new.id), &json!({})).await;
    assert_eq!((again.status, &again["error"]["code"]), (409, &json!("api_key.ended")));
    let long = line.post(&rotate(&newest.id), &json!({ "overlapSeconds": 2_592_001 })).await;
    assert_eq!((long.status, &long["error"]["at"]), (400, &json!("overlapSeconds")));
}

async fn keys_and_tokens_outlive_a_restart(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    let key = key_for(&line, &["read"]).await;
    let (stored, file) = (token_of(&line, &key).await, {
        let form = [("grant_type", "client_credentials"), ("client_secret", API_KEY)];
        let token = Answer::of(line.http.post(line.url("/oauth/token")).form(&form)).await;
        token["access_token"].as_str().expect("a token").to_owned()
    });
    line.restart().await;
    for text in [&key.text, &stored, &file] {
        assert_let_in(ask(&line).bearer_auth(text)).await;
    }
    // A key that the file no longer names takes its tokens with it.
    line.environment.retain(|(name, _)| name != "TIELINE_API_KEY");
    line.environment.push(("TIELINE_API_KEY".to_owned(), "another-key-0123456789".to_owned()));
    assert_eq!(line.stop().await, Some(0));
    line.start_server_unasked().await;
    assert_refused(ask(&line).bearer_auth(&file), "auth.token_invalid").await;
    assert_let_in(ask(&line).bearer_auth(&stored)).await;
}

async fn no_key_and_no_token_lies_in_the_log_or_the_store(place: Place) {
    let mut line = Line::with_salesforce().on(place).log_level("debug").start().await;
    let key = key_for(&line, &["lookup", "read", "agents"]).await;
    let token = token_of(&line, &key).await;
    let agent = agent_token_of(&line, &key).await["token"].as_str().expect("a token").to_owned();
    let body = json!({ "fromNumber": MARIA.1, "callId": "by-token" });
    let lookup = line.http.post(line.url("/api/v1/genesys/lookup")).bearer_auth(&token);
    Answer::of(lookup.json(&body)).await.assert_hit("crm");
    for wrong in [format!("{}x", key.text), format!("{token}x"), agent.clone()] {
        assert_ne!(told(ask(&line).bearer_auth(&wrong)).await.0, 200);
        assert_ne!(told(ask(&line).basic_auth(&wrong, Some(&wrong))).await.0, 200);
    }
    line.post(&format!("/api/v1/api-keys/{}/rotate", key.id), &json!({})).await;
    let running = line.place.bytes().await;
    line.kill().await;
    let (log, killed) = (line.log(), line.place.bytes().await);
    assert!(log.contains(&key.id), "a key is named by its id:\n{log}");
    for secret in [key.secret(), &key.text, &token, &agent, API_KEY, MASTER_KEY] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        for bytes in [&running, &killed] {
            let lies = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!lies, "{secret} is in the store");
        }
    }
}

#[tokio::test]
async fn what_opens_nothing_is_refused_by_its_reason() {
    let line = Line::with_salesforce().start().await;
    let key = key_for(&line, &["read"]).await;
    let other = key_for(&line, &["read"]).await;
    let token = token_of(&line, &key).await;
    let swapped = format!("tl_{}_{}", key.id, other.secret());
    let nobody = format!("tl_0123456789abcdef_{}", key.secret());
    let basic = |user: &str, password: &str| ask(&line).basic_auth(user, Some(password));
    for request in [
        ask(&line).bearer_auth(&swapped),
        ask(&line).bearer_auth(nobody),
        ask(&line).bearer_auth(&key.text[..key.text.len() - 1]),
        ask(&line).bearer_auth(key.secret()),
        ask(&line).bearer_auth("tl_' OR 1=1_x"),
        basic(&key.id, other.secret()),
        basic(&other.id, key.secret()),
        basic("", key.secret()),
        basic(&key.id, &swapped),
    ] {
        assert_refused(request, "auth.key_unknown").await;
    }
    let (body, signature) = token.split_once('.').expect("two parts");
    let other_body = token_of(&line, &other).await;
    let other_body = other_body.split_once('.').expect("two parts").0.to_owned();
    for bent in [format!("{other_body}.{signature}"), format!("{body}."), "tt_x.y".to_owned()] {
        assert_refused(ask(&line).bearer_auth(bent), "auth.token_invalid").await;
    }
    let challenged = ask(&line).send().await.expect("an answer");
    assert_eq!(challenged.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_key_ends_when_it_was_meant_to() {
    let line = Line::with_salesforce().start().await;
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let soon = domain::Timestamp(i64::try_from(soon).expect("a time")).to_string();
    let body = json!({ "name": "short", "scopes": ["read"], "expiresAt": soon });
    let key = made(&line, body).await;
    assert_let_in(ask(&line).bearer_auth(&key.text)).await;
    until("it has ended", async || {
        told(ask(&line).bearer_auth(&key.text)).await == (401, "auth.key_expired".to_owned())
    })
    .await;
    let listed = line.get("/api/v1/api-keys").await;
    let keys = listed.body.as_array().expect("a list").clone();
    let short = keys.iter().find(|listed| listed["id"] == key.id).expect("listed");
    assert_eq!((&short["state"], &short["expiresAt"]), (&json!("expired"), &json!(soon)));
}

/// Every address behind the keys: method, path with its variables filled in, scope.
async fn guarded(line: &Line) -> Vec<(Method, String, String)> {
    let document = Answer::of(line.http.get(line.url("/openapi.json"))).await;
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        for (method, operation) in item.as_object().expect("operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let scope = operation["x-scope"].as_str().unwrap_or_default().to_owned();
            let is_open =
                ["/api/v1/agent-tokens/sign-in", "/api/v1/session"].contains(&path.as_str());
            assert_eq!(is_open, operation["security"] == json!([]), "{method} {path}");
            // Only whoever is signed in has an account of their own.
            let is_ones_own = path.starts_with("/api/v1/session/");
            assert_eq!(is_ones_own, operation["security"] == json!([{ "session": [] }]), "{path}");
            let is_guarded = path.starts_with("/api/") && !is_open && !is_ones_own;
            assert_eq!(is_guarded, !scope.is_empty(), "{method} {path}");
            if !scope.is_empty() {
                all.push((method, filled.join("/"), scope));
            }
        }
    }
    all
}

#[tokio::test]
async fn no_address_opens_without_its_scope_and_each_with_it() {
    let line = Line::with_salesforce().start().await;
    let (mut with, mut without) = (BTreeMap::new(), BTreeMap::new());
    for scope in SCOPES {
        with.insert(scope.to_owned(), key_for(&line, &[scope]).await);
        // `admin` allows everything, so it is left out as well.
        let others: Vec<&str> =
            SCOPES.into_iter().filter(|other| *other != scope && *other != "admin").collect();
        without.insert(scope.to_owned(), key_for(&line, &others).await);
    }
    let agents = agent_token_of(&line, &with["agents"]).await;
    let agent = agents["token"].as_str().expect("a token").to_owned();
    let guarded = guarded(&line).await;
    assert!(guarded.len() > 10, "{guarded:?}");
    for (method, path, scope) in [
        (Method::POST, "/api/v1/genesys/lookup", "lookup"),
        (Method::GET, "/api/v1/calls/1", "read"),
        (Method::GET, "/api/v1/jobs", "supervise"),
        (Method::GET, "/api/v1/users", "admin"),
        (Method::POST, "/api/v1/api-keys", "admin"),
        (Method::POST, "/api/v1/agent-tokens", "agents"),
        (Method::POST, "/api/v1/store/backup", "admin"),
    ] {
        assert!(
            guarded.contains(&(method, path.to_owned(), scope.to_owned())),
            "{path}: {guarded:?}"
        );
    }
    for (method, path, scope) in &guarded {
        let send = |key: &str| line.http.request(method.clone(), line.url(path)).bearer_auth(key);
        let token = token_of(&line, &without[scope]).await;
        // At an agent's own view their token is let in, and this is another's.
        let of_calls = ["/news", "/calls/1/history", "/calls/1/context"];
        let is_view = of_calls.iter().any(|end| path.ends_with(end))
            || path.starts_with("/api/v1/agents/1/presence/");
        if is_view {
            assert_eq!(told(send(&agent)).await, (403, "stream.not_yours".to_owned()), "{path}");
        }
        for key in [&without[scope].text, &token, &agent] {
            if is_view && *key == agent {
                continue;
            }
            let answer = Answer::of(send(key)).await;
            let error = &answer["error"];
            let said = (answer.status, error["code"].as_str(), error["at"].as_str());
            let expected = (403, Some("auth.scope_missing"), Some(scope.as_str()));
            assert_eq!(said, expected, "{method} {path}");
        }
        assert_refused(line.http.request(method.clone(), line.url(path)), "auth.key_missing").await;
        for key in [&with[scope].text, &with["admin"].text] {
            let status = Answer::of(send(key)).await.status;
            assert!(![401, 403, 405].contains(&status), "{method} {path}: {status}");
        }
    }
    for path in [
        "/api/v1/nothing",
        "/api/",
        "/api/v2",
        "/api/v1/calls/",
        "/api/v1/genesys/lookup",
        "/api/v1/session/password",
    ] {
        let all_but_admin = &without["admin"].text;
        assert_refused(
            line.http.get(line.url(path)).bearer_auth(all_but_admin),
            "auth.scope_missing",
        )
        .await;
    }
}

#[tokio::test]
async fn a_token_may_be_asked_for_less_and_never_for_more() {
    let line = Line::with_salesforce().start().await;
    let key = key_for(&line, &["read", "lookup"]).await;
    let ask_for = async |scope: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &key.id),
            ("client_secret", key.secret()),
            ("scope", scope),
        ];
        Answer::of(line.http.post(line.url("/oauth/token")).form(&form)).await
    };
    let less = ask_for("read").await;
    assert_eq!(less["scope"], "read");
    let token = less["access_token"].as_str().expect("a token");
    assert_let_in(ask(&line).bearer_auth(token)).await;
    let lookup = line.http.post(line.url("/api/v1/genesys/lookup")).bearer_auth(token);
    assert_refused(lookup.json(&json!({})), "auth.scope_missing").await;
    for more in ["admin", "read events", "everything", "agent", "read\u{e9}"] {
        let refused = ask_for(more).await;
        assert_eq!((refused.status, &refused["error"]), (400, &json!("invalid_scope")), "{more}");
    }
}

#[tokio::test]
async fn a_wrong_login_is_told_as_the_standard_has_it() {
    let line = Line::with_salesforce().start().await;
    let key = key_for(&line, &["read"]).await;
    let url = line.url("/oauth/token");
    let grant = ("grant_type", "client_credentials");
    let (id, secret) = (("client_id", key.id.as_str()), ("client_secret", key.secret()));
    let form = |pairs: &[(&str, &str)]| line.http.post(&url).form(pairs);
    let token = token_of(&line, &key).await;
    for (request, status, error) in [
        (form(&[grant, id, ("client_secret", "wrong")]), 401, "invalid_client"),
        (form(&[grant, id]), 401, "invalid_client"),
        (form(&[grant]), 401, "invalid_client"),
        (form(&[grant, id, ("client_secret", &token)]), 401, "invalid_client"),
        (form(&[]).basic_auth(&key.id, Some("wrong")).form(&[grant]), 401, "invalid_client"),
        (form(&[("grant_type", "password"), id, secret]), 400, "unsupported_grant_type"),
        (form(&[id, secret]), 400, "invalid_request"),
        (form(&[grant, grant, id, secret]), 400, "invalid_request"),
        (form(&[grant, id, secret]).basic_auth(&key.id, Some("x")), 400, "invalid_request"),
        (
            line.http.post(&url).json(&json!({ "grant_type": "client_credentials" })),
            400,
            "invalid_request",
        ),
    ] {
        let answer = request.send().await.expect("an answer");
        let headers = answer.headers().clone();
        let told = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!((told, body["error"].as_str()), (status, Some(error)), "{body}");
        assert!(body["error_description"].is_string(), "{body}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers.contains_key("www-authenticate"), status == 401);
        assert!(status != 401 || headers["www-authenticate"] == "Basic realm=\"tieline\"");
    }
    let granted = form(&[grant, id, secret]).send().await.expect("an answer");
    assert_eq!(granted.headers()["cache-control"], "no-store");
    let get = Answer::of(line.http.get(&url)).await;
    assert_eq!((get.status, &get["error"]["code"]), (405, &json!("request.no_method")));
}

#[tokio::test]
async fn a_client_that_form_encodes_its_login_is_understood() {
    let key = "a+key/with=signs&more%2B";
    let line = Line::with_salesforce().variable("TIELINE_API_KEY", key).lay().await;
    let mut line = line;
    line.environment.retain(|(name, value)| name != "TIELINE_API_KEY" || value == key);
    line.start_server_unasked().await;
    let form = [("grant_type", "client_credentials")];
    for sent in [key, "a%2Bkey%2Fwith%3Dsigns%26more%252B"] {
        let request = line.http.post(line.url("/oauth/token")).basic_auth("any", Some(sent));
        let token = Answer::of(request.form(&form)).await;
        assert!(token["access_token"].is_string(), "{sent}: {token:?}");
    }
}

#[tokio::test]
async fn an_agents_token_is_good_for_the_agents_own_view_alone() {
    let line = Line::with_salesforce().start().await;
    let key = key_for(&line, &["agents"]).await;
    let issued = agent_token_of(&line, &key).await;
    assert_eq!((issued.status, &issued["expiresIn"]), (200, &json!(900)));
    assert_eq!((&issued["agent"], &issued["callId"]), (&json!("agent-7"), &json!("call-7")));
    let token = issued["token"].as_str().expect("a token");
    assert_refused(ask(&line).bearer_auth(token), "auth.scope_missing").await;
    let again = line.http.post(line.url("/api/v1/agent-tokens")).bearer_auth(token);
    assert_refused(again.json(&json!({ "agent": "agent-8" })), "auth.scope_missing").await;
    for (body, at) in [
        (json!({}), "agent"),
        (json!({ "agent": " " }), "agent"),
        (json!({ "agent": "x".repeat(257) }), "agent"),
        (json!({ "agent": "a\nb" }), "agent"),
        (json!({ "agent": "a", "callId": "no such id" }), "callId"),
    ] {
        let refused = line.post("/api/v1/agent-tokens", &body).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)), "{body}");
    }
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let line = Line::with_salesforce().start().await;
    let body = json!({ "name": "few", "scopes": ["read"], "requestsPerMinute": 3 });
    let (few, many) = (made(&line, body).await, key_for(&line, &["read"]).await);
    let token = token_of(&line, &few).await; // the first
    assert_let_in(ask(&line).bearer_auth(&few.text)).await;
    assert_let_in(ask(&line).bearer_auth(&token)).await;
    for text in [&few.text, &token] {
        let answer = ask(&line).bearer_auth(text).send().await.expect("an answer");
        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("s");
        assert!((1..=20).contains(&wait), "{wait}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["error"]["code"], "auth.rate_limited");
    }
    let form = [("grant_type", "client_credentials"), ("client_secret", &few.text)];
    let login =
        line.http.post(line.url("/oauth/token")).form(&form).send().await.expect("an answer");
    assert_eq!((login.status().as_u16(), login.headers().contains_key("retry-after")), (429, true));
    for _ in 0..50 {
        assert_let_in(ask(&line).bearer_auth(&many.text)).await;
    }
}

#[tokio::test]
async fn the_configured_limit_holds_for_keys_without_their_own() {
    let line = Line::with_salesforce().variable("TIELINE_SERVER__REQUESTS_PER_MINUTE", "4");
    let line = line.start().await;
    let body = json!({ "name": "more", "scopes": ["read"], "requestsPerMinute": 1_000 });
    let (usual, more) = (key_for(&line, &["read"]).await, made(&line, body).await);
    for _ in 0..4 {
        assert_let_in(ask(&line).bearer_auth(&usual.text)).await;
    }
    assert_eq!(told(ask(&line).bearer_auth(&usual.text)).await.0, 429);
    for _ in 0..20 {
        assert_let_in(ask(&line).bearer_auth(&more.text)).await;
    }
    // Two of the four made keys above.
    assert_let_in(ask(&line).bearer_auth(API_KEY)).await;
    assert_let_in(ask(&line).bearer_auth(API_KEY)).await;
    assert_eq!(told(ask(&line).bearer_auth(API_KEY)).await.0, 429);
}

#[tokio::test]
async fn a_forwarded_address_is_believed_of_a_trusted_proxy_only() {
    let seen = async |trusted: &str| {
        let line = Line::with_salesforce().log_level("debug");
        let line = line.variable("TIELINE_SERVER__TRUSTED_PROXIES", trusted).start().await;
        let forwarded = ask(&line).header("X-Forwarded-For", "192.0.2.1, 198.51.100.7");
        assert_refused(forwarded.bearer_auth("wrong-key-0123456789"), "auth.key_unknown").await;
        until_some("it is logged", async || {
            line.log().lines().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                line["fields"]["caller.address"].as_str().map(str::to_owned)
            })
        })
        .await
    };
    assert_eq!(seen("[]").await, "127.0.0.1");
    assert_eq!(seen("[\"10.0.0.0/8\"]").await, "127.0.0.1");
    assert_eq!(seen("[\"127.0.0.0/8\"]").await, "198.51.100.7");
    assert_eq!(seen("[\"127.0.0.0/8\", \"198.51.100.7\"]").await, "192.0.2.1");
}

#[tokio::test]
async fn keys_of_the_file_are_shown_and_changed_only_there() {
    let line = Line::with_salesforce().start().await;
    let listed = line.get("/api/v1/api-keys").await;
    assert_eq!(listed.body.as_array().map(Vec::len), Some(1));
    let file = &listed.body[0];
    assert_eq!((&file["source"], &file["state"]), (&json!("file"), &json!("active")));
    assert_eq!(file["scopes"], json!(SCOPES));
    assert!(!listed.body.to_string().contains(API_KEY));
    let path = format!("/api/v1/api-keys/{}", file["id"].as_str().expect("an id"));
    let rotated = line.post(&format!("{path}/rotate"), &json!({})).await;
    let revoked = Answer::of(line.http.delete(line.url(&path)).bearer_auth(API_KEY)).await;
    for refused in [rotated, revoked] {
        assert_eq!((refused.status, &refused["error"]["code"]), (409, &json!("api_key.from_file")));
    }
    let nobody = line.url("/api/v1/api-keys/0123456789abcdef");
    let unknown = Answer::of(line.http.delete(nobody).bearer_auth(API_KEY)).await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("api_key.unknown")));
    assert_let_in(ask(&line).bearer_auth(API_KEY)).await;
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let line = Line::with_salesforce().start().await;
    let good = json!({ "name": "n", "scopes": ["read"] });
    for (at, value) in [
        ("name", json!("")),
        ("name", json!("a\u{7}b")),
        ("name", json!("x".repeat(101))),
        ("scopes", json!([])),
        ("scopes", json!(["everything"])),
        ("scopes", json!(["read", "agent"])),
        ("scopes", json!(["read lookup nothing"])),
        ("expiresAt", json!("2020-01-01T00:00:00Z")),
        ("expiresAt", json!("soon")),
    ] {
        let mut body = good.clone();
        body[at] = value;
        let refused = line.post("/api/v1/api-keys", &body).await;
        assert_eq!((refused.status, &refused["error"]["at"]), (400, &json!(at)), "{body}");
    }
    assert_eq!(line.get("/api/v1/api-keys").await.body.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn keys_are_made_listed_replaced_and_withdrawn_by_command() {
    let line = Line::with_salesforce().start().await;
    let run = async |words: &[&str]| {
        let mut all = vec!["api-keys"];
        all.extend(words);
        let ended = line.command(&all).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out.trim().to_owned()
    };
    let text =
        run(&["create", "--name", "flow", "--scope", "read,lookup", "--expires-in", "90d"]).await;
    assert_let_in(ask(&line).bearer_auth(&text)).await;
    let listed: Value = serde_json::from_str(&run(&["list", "--json"]).await).expect("JSON");
    let id = listed[1]["id"].as_str().expect("an id").to_owned();
    assert!(text.starts_with(&format!("tl_{id}_")) && listed[1]["expiresAt"] != "", "{listed}");
    let new = run(&["rotate", &id, "--overlap", "0s", "--json"]).await;
    let new: Value = serde_json::from_str(&new).expect("JSON");
    assert_refused(ask(&line).bearer_auth(&text), "auth.key_expired").await;
    assert_let_in(ask(&line).bearer_auth(new["key"].as_str().expect("a key"))).await;
    run(&["revoke", new["id"].as_str().expect("an id")]).await;
    let plain = run(&["list"]).await;
    let words = ["flow", "lookup,read", "expired", "revoked", "server.api_keys"];
    assert!(words.iter().all(|word| plain.contains(word)), "{plain}");
    assert!(!plain.contains(&text), "{plain}");
    let wrong = line.command(&["api-keys", "create", "--name", "x", "--scope", "fly"]).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("request.field_invalid"), "{wrong:?}");
}
