//! The simulated Genesys Cloud over real HTTP, each answer held against the
//! vendor's API description (see `openapi`).

use std::time::Duration;

use connectors::genesys_cloud::sim::{Config, GenesysCloud, NewCall, start};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

use crate::openapi;

const CONTACTS: &str = "/api/v2/externalcontacts/contacts";
const ENRICH: &str = "/api/v2/externalcontacts/contacts/enrich";
const LOOKUP: &str = "/api/v2/externalcontacts/identifierlookup/contacts";

/// A client that has logged in.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answered {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Client {
    async fn login(organization: &GenesysCloud) -> Client {
        let http = reqwest::Client::new();
        let url = organization.url();
        let token = ask_for_token(&http, &url, &organization.config().client_secret).await;
        let token = token.body["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        Client { http, url, token }
    }

    async fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        answered(request).await
    }

    /// Sends; where it succeeds, both sides must be as described.
    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let answer = self.raw(method, path, body).await;
        let came = (!answer.body.is_null()).then_some(&answer.body);
        assert_eq!(
            openapi::validate_response(method, path, answer.status, came),
            Ok(()),
            "{method} {path}"
        );
        if answer.status < 300 {
            assert_eq!(
                openapi::validate_request(method, path, body),
                Ok(()),
                "{method} {path}"
            );
        }
        let correlation = answer
            .headers
            .get("ININ-Correlation-Id")
            .expect("a correlation id");
        if answer.status >= 400 {
            assert_eq!(
                answer.body["contextId"],
                correlation.to_str().expect("text")
            );
            assert_eq!(answer.body["status"], answer.status);
        }
        answer
    }

    async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answered {
        self.send("POST", path, Some(&body)).await
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).expect("JSON")
    };
    Answered {
        status,
        headers,
        body,
    }
}

async fn ask_for_token(http: &reqwest::Client, url: &str, secret: &str) -> Answered {
    let request = http
        .post(format!("{url}/oauth/token"))
        .basic_auth(Config::default().client_id, Some(secret));
    answered(request.form(&[("grant_type", "client_credentials")])).await
}

async fn organization() -> (GenesysCloud, Client) {
    let organization = start(Config::default()).await.expect("a free port");
    let client = Client::login(&organization).await;
    (organization, client)
}

fn crm_id(organization: &GenesysCloud, value: &str) -> Value {
    json!({ "type": "ExternalId", "value": value, "externalSource": { "id": organization.config().external_source.0 } })
}

fn ada(organization: &GenesysCloud) -> Value {
    json!({
        "firstName": " Ada ", "lastName": "Lovelace", "workEmail": "Ada@Example.com",
        "cellPhone": { "display": "(555) 019-9999", "normalizationCountryCode": "US" },
        "externalIds": [{ "externalSource": { "id": organization.config().external_source.0 }, "value": "003" }],
    })
}

fn inbound(ani: &str) -> NewCall {
    NewCall {
        ani: ani.to_owned(),
        dnis: "tel:+15550190000".to_owned(),
        ..NewCall::default()
    }
}

#[tokio::test]
async fn client_credentials_give_a_token_and_wrong_ones_an_oauth_error() {
    let organization = start(Config::default()).await.expect("a free port");
    let (http, url) = (reqwest::Client::new(), organization.url());
    let granted = ask_for_token(&http, &url, &organization.config().client_secret).await;
    assert_eq!(
        (granted.status, granted.body["expires_in"].as_u64()),
        (200, Some(86_399))
    );
    assert_eq!(granted.body["token_type"], "bearer");
    let refused = ask_for_token(&http, &url, "wrong").await;
    assert_eq!(
        (refused.status, refused.body["error"].as_str()),
        (400, Some("invalid_client"))
    );
    assert!(refused.body["description"].is_string() && refused.body.get("contextId").is_none());
    let form = [("grant_type", "password")];
    let other = answered(http.post(format!("{url}/oauth/token")).form(&form)).await;
    assert_eq!(other.body["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn a_token_is_checked_revoked_and_expires() {
    let (organization, mut client) = organization().await;
    let me = client.get("/api/v2/tokens/me").await;
    assert_eq!(
        me.body["OAuthClient"]["id"],
        organization.config().client_id
    );
    assert_eq!(
        client.send("HEAD", "/api/v2/tokens/me", None).await.status,
        200
    );
    assert_eq!(
        client.raw("DELETE", "/api/v2/tokens/me", None).await.status,
        200
    );
    let revoked = client.get("/api/v2/tokens/me").await;
    assert_eq!((revoked.status, revoked.code()), (401, "bad.credentials"));
    client.token = Client::login(&organization).await.token;
    organization.set_token_lifetime(Duration::ZERO);
    assert_eq!(
        client.get("/api/v2/tokens/me").await.code(),
        "bad.credentials"
    );
    let bare = answered(client.http.get(format!("{}/api/v2/tokens/me", client.url))).await;
    assert_eq!((bare.status, bare.code()), (401, "authentication.required"));
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (organization, client) = organization().await;
    organization.take_permission("externalContacts:contact:enrich");
    organization.take_permission("externalContacts:contact:add");
    let body = json!({ "action": "Upsert", "matchingIdentifiers": [crm_id(&organization, "1")] });
    let refused = client.post(ENRICH, body.clone()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "missing.permissions")
    );
    let text = "Unable to perform the requested action. You are missing the following permission(s): externalContacts:contact:enrich";
    assert_eq!(refused.body["message"], text);
    // Where any one of several would do, the vendor says so with another code.
    let refused = client.post(CONTACTS, json!({})).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "missing.any.permissions")
    );
    organization.give_permission("externalContacts:contact:enrich");
    assert_eq!(client.post(ENRICH, body).await.status, 201);
}

#[tokio::test]
async fn the_three_hundred_and_first_request_of_a_minute_is_throttled() {
    let (organization, client) = organization().await;
    organization.set_rate_per_minute(3);
    for _ in 0..3 {
        assert_eq!(client.get("/api/v2/organizations/me").await.status, 200);
    }
    let throttled = client.get("/api/v2/organizations/me").await;
    assert_eq!(
        (throttled.status, throttled.code()),
        (429, "too.many.requests.retry.after")
    );
    let seconds = throttled
        .headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok());
    let seconds: u64 = seconds
        .and_then(|text| text.parse().ok())
        .expect("whole seconds");
    assert!((1..=60).contains(&seconds));
    let text = format!("Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds");
    assert_eq!(throttled.body["message"], text);
    assert!(
        throttled
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("inin-ratelimit"))
    );
    assert_eq!(Config::default().rate_per_minute, 300);
}

#[tokio::test]
async fn bodies_too_large_of_another_kind_or_broken_are_refused() {
    let (_organization, client) = organization().await;
    let large = json!({ "firstName": "x".repeat(512_000) });
    let refused = client.post(CONTACTS, large).await;
    assert_eq!(
        (refused.status, refused.body["message"].as_str()),
        (
            413,
            Some("The request is over the size limit. Maximum bytes: 512000")
        )
    );
    let post = || {
        client
            .http
            .post(format!("{}{CONTACTS}", client.url))
            .bearer_auth(&client.token)
    };
    let other = answered(post().header("content-type", "text/plain").body("{}")).await;
    assert_eq!(
        (other.status, other.code()),
        (415, "unsupported.media.type")
    );
    let broken = answered(post().header("content-type", "application/json").body("{")).await;
    assert_eq!((broken.status, broken.code()), (400, "bad.request"));
    assert_eq!(
        client.raw("GET", "/api/v2/customers/1", None).await.status,
        404
    );
    assert_eq!(
        client
            .raw("PUT", "/api/v2/customers/1", Some(&json!({})))
            .await
            .code(),
        "not.found"
    );
}

#[tokio::test]
async fn a_contact_is_written_normalised_and_read_back() {
    let (organization, client) = organization().await;
    let written = client.post(CONTACTS, ada(&organization)).await.body;
    assert_eq!(
        (&written["firstName"], &written["type"]),
        (&json!("Ada"), &json!("Curated"))
    );
    assert_eq!(written["cellPhone"]["e164"], "+15550199999");
    assert_eq!(written["cellPhone"]["display"], "+1 555-019-9999");
    let path = format!("{CONTACTS}/{}", written["id"].as_str().expect("an id"));
    for query in [
        "?expand=identifiers&expand=externalSources",
        "?expand=identifiers%2CexternalSources",
    ] {
        let read = client.get(&format!("{path}{query}")).await.body;
        assert_eq!(
            read["identifiers"].as_array().map(Vec::len),
            Some(3),
            "{query}"
        );
        assert_eq!(read["externalIds"][0]["externalSource"]["name"], "CRM");
    }
    let changed = json!({ "firstName": "Ada", "otherPhone": { "display": "unknown" } });
    let put = client.send("PUT", &path, Some(&changed)).await.body;
    assert!(put.get("workEmail").is_none() && put["otherPhone"].get("e164").is_none());
    let patch =
        json!({ "changes": [{ "field": "$.title", "action": "Update", "value": "Countess" }] });
    assert_eq!(
        client.send("PATCH", &path, Some(&patch)).await.body["title"],
        "Countess"
    );
    assert_eq!(client.send("DELETE", &path, None).await.status, 200);
    assert_eq!(client.get(&path).await.code(), "not.found");
}

#[tokio::test]
async fn eleven_external_ids_or_a_bad_address_are_refused() {
    let (organization, client) = organization().await;
    let source = &organization.config().external_source.0;
    let ids: Vec<Value> = (0..11)
        .map(|n| json!({ "externalSource": { "id": source }, "value": n.to_string() }))
        .collect();
    let named = json!({ "externalSource": { "name": "crm" }, "value": "1" });
    for body in [
        json!({ "externalIds": ids }),
        json!({ "externalIds": [{ "externalSource": { "name": "no such" }, "value": "1" }] }),
        json!({ "workEmail": "nobody" }),
        json!({ "firstName": "x".repeat(1001) }),
        json!({ "surveyOptOut": "yes" }),
        json!({ "customFields": { "tier_text": "Gold" } }),
        json!({ "division": { "id": "home" } }),
    ] {
        assert_eq!(
            client.raw("POST", CONTACTS, Some(&body)).await.status,
            400,
            "{body}"
        );
    }
    let by_name = client
        .post(CONTACTS, json!({ "externalIds": [named] }))
        .await
        .body;
    assert_eq!(by_name["externalIds"][0]["externalSource"]["id"], *source);
}

#[tokio::test]
async fn a_second_contact_with_the_number_is_created_without_its_identifier() {
    let (organization, client) = organization().await;
    let first = client.post(CONTACTS, ada(&organization)).await.body;
    let second = client
        .post(
            CONTACTS,
            json!({ "cellPhone": { "display": "+15550199999" } }),
        )
        .await;
    assert_eq!(second.status, 200);
    let (first, second) = (
        first["id"].as_str().expect("id"),
        second.body["id"].as_str().expect("id").to_owned(),
    );
    let of_second = format!("{CONTACTS}/{second}/identifiers");
    assert_eq!(client.get(&of_second).await.body["entities"], json!([]));
    let phone = json!({ "type": "Phone", "value": "+1 555 019 9999" });
    assert_eq!(client.post(LOOKUP, phone.clone()).await.body["id"], first);
    let both = client
        .get("/api/v2/externalcontacts/reversewhitepageslookup?lookupVal=%2B15550199999")
        .await
        .body;
    assert_eq!(both["contacts"].as_array().map(Vec::len), Some(2));

    let claim = json!({ "operation": "Claim", "identifier": phone });
    assert_eq!(
        client.send("PATCH", &of_second, Some(&claim)).await.status,
        409
    );
    let release = json!({ "operation": "Release", "identifier": phone });
    assert_eq!(
        client
            .send(
                "PATCH",
                &format!("{CONTACTS}/{first}/identifiers"),
                Some(&release)
            )
            .await
            .status,
        200
    );
    assert_eq!(client.post(LOOKUP, phone.clone()).await.status, 404);
    assert_eq!(
        client.send("PATCH", &of_second, Some(&claim)).await.body["value"],
        "+15550199999"
    );
    assert_eq!(client.post(LOOKUP, phone).await.body["id"], second);
}

#[tokio::test]
async fn a_lookup_is_exact_and_wants_e164() {
    let (organization, client) = organization().await;
    client.post(CONTACTS, ada(&organization)).await;
    for (body, status) in [
        (json!({ "type": "Phone", "value": "+15550199999" }), 200),
        (json!({ "type": "Phone", "value": "+15550199998" }), 404),
        (json!({ "type": "Phone", "value": "5550199999" }), 400),
        (json!({ "type": "Email", "value": "ADA@example.com" }), 200),
        (crm_id(&organization, "003"), 200),
        (crm_id(&organization, "004"), 404),
        (json!({ "type": "ExternalId", "value": "003" }), 400),
        (json!({ "type": "Fax", "value": "1" }), 400),
        (json!({}), 400),
    ] {
        assert_eq!(
            client.send("POST", LOOKUP, Some(&body)).await.status,
            status,
            "{body}"
        );
    }
}

#[tokio::test]
async fn enriching_twice_leaves_one_contact() {
    let (organization, client) = organization().await;
    let body = json!({
        "division": { "id": "*" }, "action": "Upsert", "matchingIdentifiers": [crm_id(&organization, "003")],
        "contact": ada(&organization), "options": { "promote": true },
    });
    let planned = client
        .post(&format!("{ENRICH}?dryRun=true"), body.clone())
        .await;
    assert_eq!((planned.status, organization.contacts().len()), (201, 0));
    let (created, updated) = (
        client.post(ENRICH, body.clone()).await,
        client.post(ENRICH, body).await,
    );
    assert_eq!((created.status, updated.status), (201, 200));
    assert_eq!(created.body["id"], updated.body["id"]);
    assert_eq!(organization.contacts().len(), 1);
}

#[tokio::test]
async fn bulk_results_come_in_another_order_with_their_trackers_and_errors() {
    let (organization, client) = organization().await;
    let path = "/api/v2/externalcontacts/bulk/contacts/enrich";
    let one = |n: usize, action: &str| json!({ "id": format!("t{n}"), "action": action, "matchingIdentifiers": [crm_id(&organization, &n.to_string())], "contact": { "firstName": n.to_string() } });
    let entities = [one(0, "Upsert"), one(1, "Update"), one(2, "Upsert")];
    let answer = client
        .post(path, json!({ "entities": entities }))
        .await
        .body;
    let trackers: Vec<&str> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(trackers, ["t2", "t1", "t0"]);
    assert_eq!(
        (&answer["errorCount"], &answer["errorIndexes"]),
        (&json!(1), &json!([1]))
    );
    let failed = &answer["results"][1];
    assert_eq!(
        (&failed["success"], &failed["status"]),
        (&json!(false), &json!(404))
    );
    assert_eq!(failed["error"]["entity"]["id"], "t1");
    assert_eq!(
        (&failed["error"]["code"], &failed["error"]["retryable"]),
        (&json!("not.found"), &json!(false))
    );
    assert_eq!(answer["results"][0]["entity"]["firstName"], "2");
    let eleven: Vec<Value> = (0..11).map(|n| one(n, "Upsert")).collect();
    assert_eq!(
        client
            .post(path, json!({ "entities": eleven }))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn contacts_are_added_fetched_updated_and_removed_in_bulk() {
    let (organization, client) = organization().await;
    let path = |verb: &str| format!("/api/v2/externalcontacts/bulk/contacts{verb}");
    let added = client
        .post(
            &path("/add"),
            json!({ "entities": [{ "firstName": "a" }, { "firstName": "b" }] }),
        )
        .await
        .body;
    let ids: Vec<Value> = added["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| json!({ "id": one["entity"]["id"] }))
        .collect();
    assert_eq!(
        client
            .post(&path(""), json!({ "entities": ids }))
            .await
            .body["errorCount"],
        0
    );
    let update =
        json!({ "entities": [{ "id": ids[0]["id"], "firstName": "c" }, { "id": "unknown" }] });
    assert_eq!(
        client.post(&path("/update"), update).await.body["errorCount"],
        1
    );
    assert_eq!(
        client
            .post(&path("/remove"), json!({ "entities": ids }))
            .await
            .body["errorCount"],
        0
    );
    assert_eq!(organization.contacts().len(), 0);
}

#[tokio::test]
async fn a_merged_id_leads_to_the_canonical_contact_but_not_in_an_association() {
    let (organization, client) = organization().await;
    let one = client.post(CONTACTS, ada(&organization)).await.body["id"].clone();
    let two = client
        .post(CONTACTS, json!({ "lastName": "King" }))
        .await
        .body["id"]
        .clone();
    let merge = json!({ "contactIds": [one, two] });
    let merged = client
        .post("/api/v2/externalcontacts/contacts/merge", merge)
        .await
        .body;
    assert_eq!(merged["mergeSet"].as_array().map(Vec::len), Some(3));
    let one = one.as_str().expect("id");
    assert_eq!(
        client.get(&format!("{CONTACTS}/{one}")).await.body["id"],
        merged["id"]
    );
    let itself = client
        .get(&format!("{CONTACTS}/{one}/unresolved"))
        .await
        .body;
    assert_eq!(
        (&itself["id"], &itself["canonicalContact"]["id"]),
        (&json!(one), &merged["id"])
    );
    let put = client
        .send(
            "PUT",
            &format!("{CONTACTS}/{one}"),
            Some(&json!({ "title": "x" })),
        )
        .await
        .body;
    assert_eq!(put["id"], merged["id"]);

    let call = organization.place_call(&inbound("tel:+15550190123"));
    let body = json!({
        "conversationId": call.conversation_id, "communicationId": call.communication_id,
        "mediaType": "CALL", "externalContactId": one,
    });
    let path = format!(
        "/api/v2/externalcontacts/conversations/{}",
        call.conversation_id
    );
    assert_eq!(client.send("PUT", &path, Some(&body)).await.status, 202);
    assert_eq!(
        organization.associations()[0]
            .external_contact_id
            .as_deref(),
        Some(one)
    );
    assert_eq!(
        client
            .send("DELETE", &format!("{CONTACTS}/{one}"), None)
            .await
            .status,
        200
    );
    assert!(
        organization
            .contact(merged["id"].as_str().expect("id"))
            .is_none()
    );
}

#[tokio::test]
async fn lists_are_limited_to_a_thousand_and_scan_walks_them_all() {
    let (organization, client) = organization().await;
    for n in 0..25 {
        organization
            .add_contact(&json!({ "firstName": format!("n{n:02}") }))
            .expect("valid");
    }
    let page = client
        .get(&format!(
            "{CONTACTS}?pageSize=10&pageNumber=3&sortOrder=firstName:desc"
        ))
        .await
        .body;
    assert_eq!(
        (
            &page["total"],
            &page["pageCount"],
            page["entities"].as_array().map(Vec::len)
        ),
        (&json!(25), &json!(3), Some(5))
    );
    assert_eq!(page["entities"][4]["firstName"], "n00");
    assert_eq!(
        client.get(&format!("{CONTACTS}?q=n07")).await.body["total"],
        1
    );
    assert_eq!(
        client
            .get(&format!("{CONTACTS}?pageSize=100&pageNumber=11"))
            .await
            .status,
        400
    );

    let (mut seen, mut next) = (
        Vec::new(),
        "/api/v2/externalcontacts/scan/contacts?limit=10".to_owned(),
    );
    for _ in 0..10 {
        let page = client.get(&next).await.body;
        seen.extend(page["entities"].as_array().cloned().unwrap_or_default());
        match page["nextUri"].as_str() {
            Some(uri) => next = uri.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(
        client
            .get("/api/v2/externalcontacts/scan/contacts?cursor=rubbish")
            .await
            .status,
        400
    );
    assert_eq!(
        client
            .get("/api/v2/externalcontacts/scan/contacts?limit=500")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn search_lags_behind_but_an_exact_lookup_does_not() {
    let (organization, client) = organization().await;
    organization.set_index_lag(Duration::from_secs(3600));
    client.post(CONTACTS, ada(&organization)).await;
    assert_eq!(
        client.get(&format!("{CONTACTS}?q=ada")).await.body["total"],
        0
    );
    assert_eq!(
        client
            .post(LOOKUP, crm_id(&organization, "003"))
            .await
            .status,
        200
    );
    organization.settle_index();
    assert_eq!(
        client.get(&format!("{CONTACTS}?q=ada")).await.body["total"],
        1
    );
}

#[tokio::test]
async fn a_caller_nobody_knows_is_identified_hidden_and_promoted() {
    let (organization, client) = organization().await;
    let call = organization.place_call(&inbound("sip:+15550190123@10.1.2.3"));
    let contact = call.external_contact_id.expect("made");
    let seen = client
        .get(&format!("/api/v2/conversations/{}", call.conversation_id))
        .await
        .body;
    assert_eq!(
        seen["participants"][0]["externalContactId"],
        contact.as_str()
    );
    assert_eq!(
        client.get(&format!("{CONTACTS}/{contact}")).await.body["type"],
        "Identified"
    );
    let hidden = |body: Value| {
        body["contacts"]
            .as_array()
            .or(body["entities"].as_array())
            .is_some_and(Vec::is_empty)
    };
    for path in [
        "/api/v2/externalcontacts/reversewhitepageslookup?lookupVal=%2B15550190123",
        "/api/v2/externalcontacts/scan/contacts",
        CONTACTS,
    ] {
        assert!(hidden(client.get(path).await.body), "{path}");
    }
    let promoted = client
        .send("POST", &format!("{CONTACTS}/{contact}/promotion"), None)
        .await
        .body;
    assert_eq!(promoted["type"], "Curated");
    assert_eq!(client.get(CONTACTS).await.body["total"], 1);
}

#[tokio::test]
async fn a_call_links_to_the_first_created_holder_of_its_number() {
    let (organization, client) = organization().await;
    let first = organization
        .add_contact(&ada(&organization))
        .expect("valid");
    organization
        .add_contact(&json!({ "cellPhone": { "display": "+15550199999" } }))
        .expect("valid");
    let call = organization.place_call(&inbound("tel:+15550199999"));
    assert_eq!(call.external_contact_id.as_deref(), Some(first.as_str()));
    client
        .send("DELETE", &format!("{CONTACTS}/{first}"), None)
        .await;
    let call = organization.place_call(&inbound("tel:+15550199999"));
    assert!(
        call.external_contact_id
            .is_some_and(|second| second != first)
    );
}

#[tokio::test]
async fn attributes_merge_and_those_set_after_the_end_are_not_saved() {
    let (organization, client) = organization().await;
    let call = organization.place_call(&NewCall {
        queue_id: Some(organization.queues()[0].0.clone()),
        ..inbound("tel:+15550199999")
    });
    let path = format!(
        "/api/v2/conversations/{}/participants/{}/attributes",
        call.conversation_id, call.participant_id
    );
    let set = |body: Value| {
        let (client, path) = (&client, &path);
        async move { client.send("PATCH", path, Some(&body)).await.status }
    };
    assert_eq!(
        set(json!({ "attributes": { "PT_URLPop": "https://crm.example.com/003", "a": "1" } }))
            .await,
        202
    );
    assert_eq!(set(json!({ "attributes": { "a": "2" } })).await, 202);
    let calls = path.replace("/conversations/", "/conversations/calls/");
    let body = json!({ "attributes": { "b": "3" } });
    assert_eq!(
        client.send("PATCH", &calls, Some(&body)).await.body["attributes"]["a"],
        "2"
    );
    for wrong in [
        json!({ "attributes": { "n": 4 } }),
        json!({ "attributes": { "n": null } }),
        json!({}),
    ] {
        assert_eq!(
            client.raw("PATCH", &path, Some(&wrong)).await.status,
            400,
            "{wrong}"
        );
    }
    assert!(organization.end_call(&call.conversation_id));
    assert_eq!(set(json!({ "attributes": { "late": "1" } })).await, 202);
    let live = organization
        .attributes(&call.conversation_id, &call.participant_id)
        .expect("known");
    let saved = organization
        .saved_attributes(&call.conversation_id, &call.participant_id)
        .expect("ended");
    assert_eq!(
        (live.len(), saved.len(), saved.contains_key("late")),
        (4, 3, false)
    );
    let ended = client
        .get(&format!("/api/v2/conversations/{}", call.conversation_id))
        .await
        .body;
    assert_eq!(ended["participants"][0]["calls"][0]["state"], "terminated");
    assert_eq!(ended["participants"][2]["queueName"], "Sales");
}

#[tokio::test]
async fn a_conversation_id_that_is_no_uuid_is_bad_and_an_unknown_one_not_found() {
    let (organization, client) = organization().await;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let body = json!({ "attributes": {} });
    for (id, status, code) in [
        ("abc-123-def-456", 400, "bad.request"),
        (unknown, 404, "not.found"),
    ] {
        let read = client.get(&format!("/api/v2/conversations/{id}")).await;
        assert_eq!((read.status, read.code()), (status, code));
        let path = format!("/api/v2/conversations/{id}/participants/{unknown}/attributes");
        assert_eq!(
            client.send("PATCH", &path, Some(&body)).await.status,
            status
        );
    }
    let call = organization.place_call(&inbound("tel:+15550199999"));
    let path = format!(
        "/api/v2/externalcontacts/conversations/{}",
        call.conversation_id
    );
    let good = json!({ "conversationId": call.conversation_id, "communicationId": call.communication_id, "mediaType": "CALL" });
    for (name, value, status) in [
        ("mediaType", json!("VOICE"), 400),
        ("communicationId", json!(unknown), 400),
        ("conversationId", json!(unknown), 400),
        ("externalContactId", json!(unknown), 404),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(
            client.raw("PUT", &path, Some(&body)).await.status,
            status,
            "{name}"
        );
    }
    assert_eq!(client.send("PUT", &path, Some(&good)).await.status, 202);
    assert_eq!(organization.associations()[0].external_contact_id, None);
}

#[tokio::test]
async fn the_details_query_pages_the_calls_of_the_days_it_touches() {
    let (organization, client) = organization().await;
    let queue = organization.add_queue("Claims");
    for n in 0..3 {
        let queue_id = (n == 0).then(|| queue.clone());
        organization.place_call(&NewCall {
            queue_id,
            ..inbound(&format!("tel:+1555019000{n}"))
        });
    }
    let path = "/api/v2/analytics/conversations/details/query";
    let query = |filters: Value| {
        json!({
            "interval": "2020-01-01T00:00:00Z/2100-01-01T00:00:00Z", "order": "desc",
            "paging": { "pageSize": 2, "pageNumber": 1 }, "segmentFilters": filters,
        })
    };
    let page = client.post(path, query(json!([]))).await.body;
    assert_eq!(
        (
            &page["totalHits"],
            page["conversations"].as_array().map(Vec::len)
        ),
        (&json!(3), Some(2))
    );
    let predicate =
        json!([{ "type": "and", "predicates": [{ "dimension": "queueId", "value": queue }] }]);
    let found = client.post(path, query(predicate)).await.body;
    assert_eq!(found["totalHits"], 1);
    assert!(
        found["conversations"][0]["participants"][0]
            .get("attributes")
            .is_none()
    );
    assert_eq!(
        client
            .post(path, json!({ "interval": "today" }))
            .await
            .code(),
        "invalid.date"
    );
}

#[tokio::test]
async fn queues_sources_schemas_notes_and_limits_are_served() {
    let (organization, client) = organization().await;
    let queues = client
        .get("/api/v2/routing/queues?pageSize=1&name=S*")
        .await
        .body;
    assert_eq!(
        (&queues["total"], &queues["entities"][0]["name"]),
        (&json!(2), &json!("Sales"))
    );
    let queue = organization.queues()[1].0.clone();
    assert_eq!(
        client
            .get(&format!("/api/v2/routing/queues/{queue}"))
            .await
            .body["name"],
        "Support"
    );
    assert_eq!(
        client.get("/api/v2/organizations/me").await.body["name"],
        "Simulated Organization"
    );
    let limits = client
        .get("/api/v2/organizations/limits/namespaces/platform.api")
        .await
        .body;
    assert!(
        limits["entities"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["value"] == 300))
    );

    let sources = "/api/v2/externalcontacts/externalsources";
    let source = client.post(sources, json!({ "name": "ERP", "linkConfiguration": { "uriTemplate": "https://erp.example.com/" } })).await.body;
    assert_eq!(
        client.post(sources, json!({ "name": "erp" })).await.status,
        409
    );
    let path = format!("{sources}/{}", source["id"].as_str().expect("id"));
    assert_eq!(
        client
            .send(
                "PUT",
                &path,
                Some(&json!({ "name": "ERP", "active": false }))
            )
            .await
            .body["active"],
        false
    );
    assert_eq!(
        client
            .get(&format!("{sources}?name=er&active=false"))
            .await
            .body["entities"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(client.get(&path).await.body["name"], "ERP");

    let schema = json!({ "version": 1, "jsonSchema": { "title": "Tier", "type": "object", "properties": { "tier_text": {} } } });
    let schema = client
        .post("/api/v2/externalcontacts/contacts/schemas", schema)
        .await
        .body;
    let custom = json!({ "schema": { "id": schema["id"], "version": 1, "jsonSchema": {} }, "customFields": { "tier_text": "Gold" } });
    let contact = client.post(CONTACTS, custom).await.body;
    assert_eq!(contact["customFields"]["tier_text"], "Gold");
    assert_eq!(
        client
            .get("/api/v2/externalcontacts/contacts/schemas")
            .await
            .body["total"],
        1
    );

    let notes = format!("{CONTACTS}/{}/notes", contact["id"].as_str().expect("id"));
    let note = client
        .post(
            &notes,
            json!({ "noteText": "called twice", "createdBy": { "name": "x" } }),
        )
        .await;
    assert_eq!(note.status, 400);
    let author = json!({ "id": "11111111-2222-4333-8444-555555555555" });
    let note = client
        .raw(
            "POST",
            &notes,
            Some(&json!({ "noteText": "called twice", "createdBy": author })),
        )
        .await
        .body;
    assert_eq!(
        client.get(&notes).await.body["entities"][0]["id"],
        note["id"]
    );
}

#[tokio::test]
async fn faults_answer_with_the_vendors_own_bodies() {
    let (organization, client) = organization().await;
    organization
        .faults()
        .add(Rule::always(Fault::Throttled).times(1));
    organization
        .faults()
        .add(Rule::always(Fault::Vendor("throttled:42".into())).times(1));
    organization
        .faults()
        .add(Rule::always(Fault::Unauthorized).times(1));
    for (status, code, wait) in [
        (429, "too.many.requests.retry.after", Some("1")),
        (429, "too.many.requests.retry.after", Some("42")),
        (401, "bad.credentials", None),
    ] {
        let answer = client.get("/api/v2/organizations/me").await;
        let told = answer
            .headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok());
        assert_eq!((answer.status, answer.code(), told), (status, code, wait));
    }
    assert_eq!(client.get("/api/v2/organizations/me").await.status, 200);
    assert_eq!(
        organization
            .faults()
            .requests()
            .count("GET /api/v2/organizations/me"),
        4
    );
}

#[tokio::test]
async fn a_script_places_and_ends_calls_from_outside() {
    let (organization, client) = organization().await;
    let call = client
        .raw(
            "POST",
            "/_sim/calls",
            Some(&json!({ "ani": "tel:+15550199999", "dnis": "tel:+15550190000" })),
        )
        .await
        .body;
    let id = call["conversationId"].as_str().expect("an id");
    assert_eq!(
        client
            .raw("POST", &format!("/_sim/calls/{id}/end"), None)
            .await
            .status,
        204
    );
    assert!(
        client
            .get(&format!("/api/v2/conversations/{id}"))
            .await
            .body["endTime"]
            .is_string()
    );
    let state = client.raw("GET", "/_sim/state", None).await.body;
    assert_eq!(state["contacts"], Value::from(organization.contacts()));
}

#[tokio::test]
async fn every_simulated_operation_is_described_with_its_permissions() {
    if !openapi::described() {
        return;
    }
    for (method, path, permissions) in connectors::genesys_cloud::sim::operations() {
        let wanted: Vec<&str> = permissions.to_vec();
        assert_eq!(
            openapi::permissions(&method, path),
            Some(wanted),
            "{method} {path}"
        );
    }
}
