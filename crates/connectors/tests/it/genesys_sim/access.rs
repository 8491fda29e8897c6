//! Who gets in, how often, and what the organization says of itself.

use std::time::Duration;

use connectors::genesys_cloud::sim::{Config, SignedInUser, start};
use serde_json::json;
use sim::faults::{Fault, Rule};

use super::{CONTACTS, Client, ENRICH, answered, ask_for_token, crm_id, organization};
use crate::openapi;

#[tokio::test]
async fn client_credentials_give_a_token_and_wrong_ones_an_oauth_error() {
    let organization = start(Config::default()).await.expect("a free port");
    let (http, url) = (reqwest::Client::new(), organization.url());
    let granted = ask_for_token(&http, &url, &organization.config().client_secret).await;
    assert_eq!((granted.status, granted.body["expires_in"].as_u64()), (200, Some(86_399)));
    assert_eq!(granted.body["token_type"], "bearer");
    let refused = ask_for_token(&http, &url, "wrong").await;
    assert_eq!((refused.status, refused.body["error"].as_str()), (400, Some("invalid_client")));
    assert!(refused.body["description"].is_string() && refused.body.get("contextId").is_none());
    let form = [("grant_type", "password")];
    let other = answered(http.post(format!("{url}/oauth/token")).form(&form)).await;
    assert_eq!(other.body["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn a_token_is_checked_revoked_and_expires() {
    let (organization, mut client) = organization().await;
    let me = client.get("/api/v2/tokens/me").await;
    assert_eq!(me.body["OAuthClient"]["id"], organization.config().client_id);
    assert_eq!(client.send("HEAD", "/api/v2/tokens/me", None).await.status, 200);
    assert_eq!(client.raw("DELETE", "/api/v2/tokens/me", None).await.status, 200);
    let revoked = client.get("/api/v2/tokens/me").await;
    assert_eq!((revoked.status, revoked.code()), (401, "bad.credentials"));
    client.token = Client::login(&organization).await.token;
    organization.set_token_lifetime(Duration::ZERO);
    assert_eq!(client.get("/api/v2/tokens/me").await.code(), "bad.credentials");
    let bare = answered(client.http.get(format!("{}/api/v2/tokens/me", client.url))).await;
    assert_eq!((bare.status, bare.code()), (401, "authentication.required"));
}

#[tokio::test]
async fn a_users_token_says_who_they_are_and_client_credentials_say_nobody() {
    let (organization, mut client) = organization().await;
    let nobody = client.get("/api/v2/users/me").await;
    assert_eq!((nobody.status, nobody.code()), (400, "not.a.user"));
    client.token =
        organization.sign_in(SignedInUser { idle_seconds: Some(600), ..SignedInUser::default() });
    let user = client.get("/api/v2/users/me").await.body;
    assert_eq!(user["id"], SignedInUser::default().user_id);
    assert_eq!(user["state"], "active");
    let token = client.get("/api/v2/tokens/me?preserveIdleTTL=true").await.body;
    assert_eq!(token["OAuthClient"]["id"], organization.config().widget_client_id);
    assert_eq!(token["organization"]["id"], organization.config().organization_id);
    assert!(token["dateTokenIdles"].is_string(), "{token}");
    // What a user's roles grant is not simulated.
    assert_eq!(client.get(CONTACTS).await.status, 403);
    client.token = organization.sign_in(SignedInUser { scope: vec![], ..SignedInUser::default() });
    assert_eq!(client.get("/api/v2/users/me").await.code(), "not.authorized");
    client.token =
        organization.sign_in(SignedInUser { idle_seconds: Some(0), ..SignedInUser::default() });
    assert_eq!(client.get("/api/v2/users/me").await.code(), "bad.credentials");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (organization, client) = organization().await;
    organization.take_permission("externalContacts:contact:enrich");
    organization.take_permission("externalContacts:contact:add");
    let body = json!({ "action": "Upsert", "matchingIdentifiers": [crm_id(&organization, "1")] });
    let refused = client.post(ENRICH, body.clone()).await;
    assert_eq!((refused.status, refused.code()), (403, "missing.permissions"));
    let text = "Unable to perform the requested action. You are missing the following permission(s): externalContacts:contact:enrich";
    assert_eq!(refused.body["message"], text);
    // Where any one of several would do, the vendor says so with another code.
    let refused = client.post(CONTACTS, json!({})).await;
    assert_eq!((refused.status, refused.code()), (403, "missing.any.permissions"));
    organization.give_permission("externalContacts:contact:enrich");
    assert_eq!(client.post(ENRICH, body).await.status, 201);
}

#[tokio::test]
async fn a_client_past_its_minute_is_throttled_in_the_vendors_words() {
    let (organization, client) = organization().await;
    organization.set_rate_per_minute(3);
    for _ in 0..3 {
        assert_eq!(client.get("/api/v2/organizations/me").await.status, 200);
    }
    let throttled = client.get("/api/v2/organizations/me").await;
    assert_eq!((throttled.status, throttled.code()), (429, "too.many.requests.retry.after"));
    let seconds = throttled.headers.get("retry-after").and_then(|value| value.to_str().ok());
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).expect("whole seconds");
    assert!((1..=60).contains(&seconds));
    let text = format!("Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds");
    assert_eq!(throttled.body["message"], text);
    assert!(throttled.headers.keys().all(|name| !name.as_str().starts_with("inin-ratelimit")));
    assert_eq!(Config::default().rate_per_minute, 300);
}

#[tokio::test]
async fn bodies_too_large_of_another_kind_or_broken_are_refused() {
    let (_organization, client) = organization().await;
    let large = json!({ "firstName": "x".repeat(512_000) });
    let refused = client.post(CONTACTS, large).await;
    assert_eq!(
        (refused.status, refused.body["message"].as_str()),
        (413, Some("The request is over the size limit. Maximum bytes: 512000"))
    );
    let post = || client.http.post(format!("{}{CONTACTS}", client.url)).bearer_auth(&client.token);
    let other = answered(post().header("content-type", "text/plain").body("{}")).await;
    assert_eq!((other.status, other.code()), (415, "unsupported.media.type"));
    let broken = answered(post().header("content-type", "application/json").body("{")).await;
    assert_eq!((broken.status, broken.code()), (400, "bad.request"));
    assert_eq!(client.raw("GET", "/api/v2/customers/1", None).await.status, 404);
    assert_eq!(
        client.raw("PUT", "/api/v2/customers/1", Some(&json!({}))).await.code(),
        "not.found"
    );
}

#[tokio::test]
async fn faults_answer_with_the_vendors_own_bodies() {
    let (organization, client) = organization().await;
    organization.faults().add(Rule::always(Fault::Throttled).times(1));
    organization.faults().add(Rule::always(Fault::Vendor("throttled:42".into())).times(1));
    organization.faults().add(Rule::always(Fault::Unauthorized).times(1));
    for (status, code, wait) in [
        (429, "too.many.requests.retry.after", Some("1")),
        (429, "too.many.requests.retry.after", Some("42")),
        (401, "bad.credentials", None),
    ] {
        let answer = client.get("/api/v2/organizations/me").await;
        let told = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
        assert_eq!((answer.status, answer.code(), told), (status, code, wait));
    }
    assert_eq!(client.get("/api/v2/organizations/me").await.status, 200);
    assert_eq!(organization.faults().requests().count("GET /api/v2/organizations/me"), 4);
}

#[tokio::test]
async fn every_simulated_operation_is_described_with_its_permissions() {
    if !openapi::described() {
        return;
    }
    for (method, path, permissions) in connectors::genesys_cloud::sim::operations() {
        if openapi::is_undescribed(path) {
            assert_eq!(openapi::permissions(&method, path), None, "described by now: {path}");
            continue;
        }
        let wanted: Vec<&str> = permissions.to_vec();
        assert_eq!(openapi::permissions(&method, path), Some(wanted), "{method} {path}");
    }
}
#[tokio::test]
async fn queues_sources_schemas_notes_and_limits_are_served() {
    let (organization, client) = organization().await;
    let queues = client.get("/api/v2/routing/queues?pageSize=1&name=S*").await.body;
    assert_eq!((&queues["total"], &queues["entities"][0]["name"]), (&json!(2), &json!("Sales")));
    let queue = organization.queues()[1].0.clone();
    assert_eq!(
        client.get(&format!("/api/v2/routing/queues/{queue}")).await.body["name"],
        "Support"
    );
    assert_eq!(client.get("/api/v2/organizations/me").await.body["name"], "Simulated Organization");
    let limits = client.get("/api/v2/organizations/limits/namespaces/platform.api").await.body;
    assert!(
        limits["entities"].as_array().is_some_and(|all| all.iter().any(|one| one["value"] == 300))
    );

    let sources = "/api/v2/externalcontacts/externalsources";
    let source = client.post(sources, json!({ "name": "ERP", "linkConfiguration": { "uriTemplate": "https://erp.example.com/" } })).await.body;
    assert_eq!(client.post(sources, json!({ "name": "erp" })).await.status, 409);
    let path = format!("{sources}/{}", source["id"].as_str().expect("id"));
    assert_eq!(
        client.send("PUT", &path, Some(&json!({ "name": "ERP", "active": false }))).await.body["active"],
        false
    );
    assert_eq!(
        client.get(&format!("{sources}?name=er&active=false")).await.body["entities"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(client.get(&path).await.body["name"], "ERP");

    let schema = json!({ "version": 1, "jsonSchema": { "title": "Tier", "type": "object", "properties": { "tier_text": {} } } });
    let schema = client.post("/api/v2/externalcontacts/contacts/schemas", schema).await.body;
    let custom = json!({ "schema": { "id": schema["id"], "version": 1, "jsonSchema": {} }, "customFields": { "tier_text": "Gold" } });
    let contact = client.post(CONTACTS, custom).await.body;
    assert_eq!(contact["customFields"]["tier_text"], "Gold");
    assert_eq!(client.get("/api/v2/externalcontacts/contacts/schemas").await.body["total"], 1);

    let notes = format!("{CONTACTS}/{}/notes", contact["id"].as_str().expect("id"));
    let note = client
        .post(&notes, json!({ "noteText": "called twice", "createdBy": { "name": "x" } }))
        .await;
    assert_eq!(note.status, 400);
    let author = json!({ "id": "11111111-2222-4333-8444-555555555555" });
    let note = client
        .raw("POST", &notes, Some(&json!({ "noteText": "called twice", "createdBy": author })))
        .await
        .body;
    assert_eq!(client.get(&notes).await.body["entities"][0]["id"], note["id"]);
}
