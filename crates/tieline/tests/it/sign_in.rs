//! An agent's token for what a vendor's signed-in page shows, and for nothing else.

use crate::rig::{Answer, Line, Place};
use connectors::genesys_cloud::sim::SignedInUser;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

crate::facts! {
    a_page_of_genesys_cloud_gives_its_agent_a_token_of_their_own_view
}

fn ask(line: &Line, connection: &str, shown: &str) -> RequestBuilder {
    let body = json!({ "connection": connection, "shown": shown, "callId": "call-7" });
    line.http.post(line.url("/api/v1/agent-tokens/sign-in")).json(&body)
}

async fn shown(line: &Line, connection: &str, shown: &str) -> Answer {
    Answer::of(ask(line, connection, shown)).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer["error"]["code"].as_str().unwrap_or_default())
}

/// What a token says, as whoever holds it can read it.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let body = token.strip_prefix("tt_").and_then(|token| token.split_once('.')).expect("ours").0;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).expect("base64");
    serde_json::from_slice(&body).expect("JSON")
}

/// It opens nothing but an agent's own view.
async fn assert_agents_only(line: &Line, token: &str) {
    for (method, path) in [
        (Method::GET, "/api/v1/calls"),
        (Method::POST, "/api/v1/genesys/lookup"),
        (Method::POST, "/api/v1/agent-tokens"),
        (Method::GET, "/api/v1/api-keys"),
        (Method::GET, "/api/v1/agent-tokens/sign-in"),
    ] {
        let answer = Answer::of(line.http.request(method, line.url(path)).bearer_auth(token)).await;
        assert_eq!(told(&answer), (403, "auth.scope_missing"), "{path}");
    }
}

async fn a_page_of_genesys_cloud_gives_its_agent_a_token_of_their_own_view(place: Place) {
    let line = Line::with_salesforce().and_genesys().agents_sign_in().on(place).start().await;
    let agent = SignedInUser::default();
    let token = line.genesys().sign_in(agent.clone());
    let answer = shown(&line, "genesys", &token).await;
    let expected = (200, &json!(agent.user_id), &json!("call-7"));
    assert_eq!((answer.status, &answer["agent"], &answer["callId"]), expected, "{answer:?}");
    let lives = answer["expiresIn"].as_u64().expect("seconds");
    assert!((880..=900).contains(&lives), "{answer:?}");
    let token = answer["token"].as_str().expect("a token");
    let said = claims(token);
    assert_eq!((&said["k"], &said["s"]), (&json!("page-genesys"), &json!("agent")));
    assert_agents_only(&line, token).await;
    let audit = line.get("/api/v1/audit").await.body.to_string();
    assert!(audit.contains("agent.signed_in") && audit.contains("\"genesys\""), "{audit}");
}
