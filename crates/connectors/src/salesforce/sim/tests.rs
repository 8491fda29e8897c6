//! The org over real HTTP, one fact a test.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value as Json, json};
use sim::faults::{Fault, Rule};

use super::*;

mod omni;

const BASE: &str = "/services/data/v67.0";

/// A running org and a token for it.
struct Org {
    salesforce: Salesforce,
    client: Client,
    token: String,
}

struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status and error code of an error array.
    fn error(&self) -> (u16, String) {
        (self.status, self.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn quick() -> Config {
    Config { index_lag: Duration::ZERO, ..Config::default() }
}

async fn org(config: Config) -> Org {
    let salesforce = start(config).await.expect("a free port");
    let client = Client::new();
    let mut org = Org { salesforce, client, token: String::new() };
    org.login().await;
    org
}

impl Org {
    async fn login(&mut self) {
        let got = self.grant(&[
            ("grant_type", "client_credentials"),
            ("client_id", "3MVG9sim.consumer.key"),
            ("client_secret", "sim-consumer-secret"),
        ]);
        self.token = got.await.json()["access_token"].as_str().unwrap_or_default().to_owned();
    }

    async fn grant(&self, form: &[(&str, &str)]) -> Got {
        let request =
            self.client.post(format!("{}/services/oauth2/token", self.salesforce.url())).form(form);
        got(request).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path =
            if path.starts_with("/services") { path.to_owned() } else { format!("{BASE}{path}") };
        self.client
            .request(method, format!("{}{path}", self.salesforce.url()))
            .bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Got {
        got(self.request(Method::GET, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Json) -> Got {
        got(self.request(method, path).json(body)).await
    }

    async fn query(&self, soql: &str) -> Got {
        got(self.request(Method::GET, "/query").query(&[("q", soql)])).await
    }

    async fn search(&self, sosl: &str) -> Got {
        got(self.request(Method::GET, "/search").query(&[("q", sosl)])).await
    }

    /// Names of the contacts that a search finds.
    async fn found(&self, sosl: &str) -> Vec<String> {
        let got = self.search(sosl).await;
        let json = got.json();
        let records = json["searchRecords"].as_array().unwrap_or_else(|| panic!("{}", got.text));
        records.iter().map(|one| one["Name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn create(&self, body: Json) -> String {
        let got = self.send(Method::POST, "/sobjects/Contact", &body).await;
        assert_eq!(got.status, 201, "{}", got.text);
        got.json()["id"].as_str().unwrap_or_default().to_owned()
    }
}

async fn got(request: reqwest::RequestBuilder) -> Got {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Got { status, headers, text: answer.text().await.expect("a whole body") }
}

async fn deleted(org: &Org, path: &str) -> u16 {
    got(org.request(Method::DELETE, path)).await.status
}

fn assertion(key: &KeyPair, claims: &Json) -> String {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "RS256" })), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(url: &str) -> Json {
    let now = store::clock::now() / 1000;
    json!({ "iss": "3MVG9sim.consumer.key", "sub": "integration@acme.example.com", "aud": url, "exp": now + 170 })
}

#[tokio::test]
async fn a_jwt_is_really_verified() {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("its public half");
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(public.as_ref())
    );
    let org = org(Config { public_key: Some(pem.into_bytes()), ..quick() }).await;
    let url = org.salesforce.url();
    let jwt = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let with = |name: &str, value: Json| {
        let mut claims = claims(&url);
        claims[name] = value;
        assertion(&key, &claims)
    };
    let now = store::clock::now() / 1000;
    for good in [
        with("aud", json!("https://login.salesforce.com")),
        with("aud", json!("https://test.salesforce.com")),
        with("aud", json!(url)),
        with("exp", json!((now + 100).to_string())),
    ] {
        let got = org.grant(&[("grant_type", jwt), ("assertion", &good)]).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let json = got.json();
        assert!(
            json["issued_at"].is_string()
                && json["expires_in"].is_null()
                && json["refresh_token"].is_null()
        );
        assert_eq!((&json["instance_url"], &json["token_type"]), (&json!(url), &json!("Bearer")));
    }
    let other = KeyPair::generate(KeySize::Rsa2048).expect("another key");
    for (bad, error, description) in [
        (assertion(&other, &claims(&url)), "invalid_grant", "invalid assertion"),
        (with("aud", json!("https://evil.example.com")), "invalid_grant", "audience is invalid"),
        (
            with("sub", json!("nobody@example.com")),
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        (with("iss", json!("unknown")), "invalid_client_id", "client identifier invalid"),
        (with("exp", json!(now - 5)), "invalid_grant", "assertion is expired or expires too late"),
        (
            with("exp", json!(now + 600)),
            "invalid_grant",
            "assertion is expired or expires too late",
        ),
        ("nonsense".to_owned(), "invalid_grant", "invalid assertion"),
    ] {
        let got = org.grant(&[("grant_type", jwt), ("assertion", &bad)]).await;
        let json = got.json();
        assert_eq!(
            (got.status, &json["error"], &json["error_description"]),
            (400, &json!(error), &json!(description))
        );
    }
}

#[tokio::test]
async fn client_credentials_come_as_header_or_body() {
    let org = org(quick()).await;
    let token = format!("{}/services/oauth2/token", org.salesforce.url());
    let form = [("grant_type", "client_credentials")];
    let basic = org
        .client
        .post(&token)
        .basic_auth("3MVG9sim.consumer.key", Some("sim-consumer-secret"))
        .form(&form);
    let json = got(basic).await.json();
    assert!(
        json["access_token"]
            .as_str()
            .is_some_and(|token| token.starts_with("00D") && token.contains('!'))
    );
    let wrong =
        org.client.post(&token).basic_auth("3MVG9sim.consumer.key", Some("wrong")).form(&form);
    let wrong = got(wrong).await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (400, &json!("invalid_client")));
    let shared = org.client.post(&token).header("host", "login.salesforce.com").form(&form);
    assert_eq!(
        got(shared).await.json()["error_description"],
        "request not supported on this domain"
    );
    let odd = org.grant(&[("grant_type", "device")]).await;
    assert_eq!(odd.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn an_expired_or_unknown_token_is_an_invalid_session() {
    let mut org = org(quick()).await;
    org.salesforce.revoke_tokens();
    let got = org.get("/limits").await;
    assert_eq!(got.error(), (401, "INVALID_SESSION_ID".to_owned()));
    assert_eq!(got.json()[0]["message"], "Session expired or invalid");
    assert_eq!(got.header("www-authenticate"), "Token");
    org.login().await;
    assert_eq!(org.get("/limits").await.status, 200);
    org.salesforce.set_token_lifetime(Duration::ZERO);
    assert_eq!(org.get("/limits").await.status, 401);
}

#[tokio::test]
async fn every_rest_answer_tells_the_usage() {
    let org = org(Config { daily_limit: 2, ..quick() }).await;
    assert_eq!(org.get("/limits").await.header("sforce-limit-info"), "api-usage=1/2");
    assert_eq!(
        org.query("SELECT Foo FROM Contact").await.header("sforce-limit-info"),
        "api-usage=2/2"
    );
    let got = org.get("/limits").await;
    assert_eq!(got.error(), (403, "REQUEST_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(got.json()[0]["message"], "TotalRequests Limit exceeded.");
}

#[tokio::test]
async fn the_vendors_own_signals_can_be_planned() {
    let org = org(quick()).await;
    for (fault, status, part) in [
        (Fault::Throttled, 403, "TotalRequests Limit exceeded."),
        (
            Fault::Vendor("throttled_concurrent".into()),
            403,
            "ConcurrentRequests (Concurrent API Requests)",
        ),
        (Fault::Unauthorized, 401, "INVALID_SESSION_ID"),
        (Fault::Vendor("maintenance".into()), 503, "<html>"),
        (Fault::Html200, 200, "<html>"),
    ] {
        org.salesforce.faults().add(Rule::always(fault).on("/query").times(1));
        let got = org.query("SELECT Id FROM Contact").await;
        assert!(got.status == status && got.text.contains(part), "{} {}", got.status, got.text);
        assert_eq!(org.query("SELECT Id FROM Contact").await.status, 200);
    }
}

#[tokio::test]
async fn versions_need_no_token_and_unknown_ones_are_not_there() {
    let mut org = org(quick()).await;
    org.token = "none".to_owned();
    let versions = org.get("/services/data/").await.json();
    assert_eq!(
        versions[8],
        json!({ "label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0" })
    );
    org.login().await;
    assert_eq!(org.get("/services/data/v12.0/limits").await.error(), (404, "NOT_FOUND".to_owned()));
    assert!(org.get("/services/data/v67.0/").await.json()["query"].is_string());
    let me = org.get("/services/oauth2/userinfo").await.json();
    assert_eq!(me["preferred_username"], "integration@acme.example.com");
}

#[tokio::test]
async fn a_query_is_answered_with_and_without_the_slash() {
    let org = org(quick()).await;
    for path in ["/query", "/query/"] {
        let soql = "SELECT Id, Name FROM Contact WHERE Phone IN ('(555) 019-9999')";
        let got = got(org.request(Method::GET, path).query(&[("q", soql)])).await;
        let json = got.json();
        assert_eq!((&json["totalSize"], &json["done"]), (&json!(1), &json!(true)));
        assert_eq!(json["records"][0]["Name"], "John Doe");
        assert!(got.text.contains(
            r#""attributes":{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/003"#
        ));
    }
    let count = org.query("SELECT COUNT() FROM Contact").await.json();
    assert_eq!(count, json!({ "totalSize": 3, "done": true, "records": [] }));
}

#[tokio::test]
async fn paging_gives_every_row_once() {
    let org = org(Config { people: 4500, fewer_rows: true, ..quick() }).await;
    let mut page = org.query("SELECT Id FROM Contact").await.json();
    let total = page["totalSize"].as_u64().expect("a total");
    let mut ids = std::collections::HashSet::new();
    let mut pages = 1;
    loop {
        let records = page["records"].as_array().expect("records");
        assert!(records.len() <= 1800);
        for record in records {
            assert!(ids.insert(record["Id"].as_str().unwrap_or_default().to_owned()));
        }
        let Some(next) = page["nextRecordsUrl"].as_str() else { break };
        assert!(next.starts_with("/services/data/v67.0/query/01g") && next.contains('-'), "{next}");
        page = org.get(next).await.json();
        pages += 1;
    }
    assert_eq!(page["done"], true);
    assert_eq!((ids.len() as u64, pages), (total, 3));
    let small = org.request(Method::GET, "/query").query(&[("q", "SELECT Id FROM Contact")]);
    let small = got(small.header("Sforce-Query-Options", "batchSize=200")).await.json();
    assert_eq!(small["records"].as_array().map(Vec::len), Some(180));
    let next = small["nextRecordsUrl"].as_str().expect("more").to_owned();
    org.salesforce.expire_cursors();
    assert_eq!(org.get(&next).await.error(), (400, "INVALID_QUERY_LOCATOR".to_owned()));
}

#[tokio::test]
async fn mistakes_in_a_query_come_as_an_array() {
    let org = org(quick()).await;
    for (soql, code) in [
        ("SELECT Id FROM Contact WHERE Name = 'a\\q'", "MALFORMED_QUERY"),
        ("SELECT Foo FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Foo", "INVALID_TYPE"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ] {
        assert_eq!(org.query(soql).await.error(), (400, code.to_owned()), "{soql}");
    }
    let long = format!("SELECT Id FROM Contact WHERE Name = '{}'", "a".repeat(17_000));
    assert_eq!(org.query(&long).await.status, 414);
}

#[tokio::test]
async fn search_finds_a_phone_by_its_digits() {
    let org = org(quick()).await;
    for digits in ["5550199999", "15550199999", "555\\-019\\-9999"] {
        let sosl = format!(
            "FIND {{{digits}}} IN PHONE FIELDS RETURNING Contact(Id, Name, Phone LIMIT 5), Lead(Id, Name)"
        );
        assert_eq!(org.found(&sosl).await, ["John Doe", "Jane Smith"], "{digits}");
    }
    assert!(
        org.found("FIND {5550190000} IN PHONE FIELDS RETURNING Contact(Id,Name)").await.is_empty()
    );
    assert_eq!(
        org.found("FIND {jane.smith@example.com} IN EMAIL FIELDS RETURNING Contact(Name)").await,
        ["Jane Smith"]
    );
    assert_eq!(
        org.found("FIND {Joh* Doe} IN NAME FIELDS RETURNING Contact(Name)").await,
        ["John Doe"]
    );
    let filtered =
        "FIND {5550199999} IN PHONE FIELDS RETURNING Contact(Name WHERE LastName = 'Smith')";
    assert_eq!(org.found(filtered).await, ["Jane Smith"]);
    for bad in [
        "FIND {a} RETURNING Contact(Id)",
        "FIND {+15550199999} RETURNING Contact(Id)",
        "FIND x",
        "5550199999",
    ] {
        assert_eq!(org.search(bad).await.error(), (400, "MALFORMED_SEARCH".to_owned()), "{bad}");
    }
    let odd = org.search("FIND {5550199999} IN FAX FIELDS RETURNING Contact(Id)").await;
    assert_eq!(odd.error().1, "INVALID_SEARCH_SCOPE");
    let body = json!({ "q": "5550199999", "in": "PHONE", "fields": ["Id", "Name"], "sobjects": [{ "name": "Contact", "limit": 1 }] });
    let json = org.send(Method::POST, "/parameterizedSearch", &body).await.json();
    assert_eq!(json["searchRecords"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["searchRecords"][0]["Name"], "John Doe");
}

#[tokio::test]
async fn a_fresh_record_is_known_to_queries_before_searches() {
    let org = org(Config { index_lag: Duration::from_secs(3600), ..quick() }).await;
    let sosl = "FIND {5550177777} IN PHONE FIELDS RETURNING Contact(Name)";
    assert!(org.found(sosl).await.is_empty());
    org.create(json!({ "LastName": "Fresh", "Phone": "(555) 017-7777" })).await;
    let soql = "SELECT Name FROM Contact WHERE Phone = '(555) 017-7777'";
    assert_eq!(org.query(soql).await.json()["totalSize"], 1);
    assert!(org.found(sosl).await.is_empty());
    org.salesforce.set_index_lag(Duration::ZERO);
    assert_eq!(org.found(sosl).await, ["Fresh"]);
}

#[tokio::test]
async fn an_old_number_is_found_until_the_index_follows() {
    let org = org(Config { index_lag: Duration::from_secs(3600), ..quick() }).await;
    let old = "FIND {5550199999} IN PHONE FIELDS RETURNING Contact(Name)";
    assert_eq!(org.found(old).await.len(), 2);
    let id = org.query("SELECT Id FROM Contact WHERE LastName = 'Doe'").await.json()["records"][0]
        ["Id"]
        .clone();
    let path = format!("/sobjects/Contact/{}", id.as_str().unwrap_or_default());
    org.send(Method::PATCH, &path, &json!({ "Phone": "555 000 1111" })).await;
    assert_eq!(org.found(old).await.len(), 2);
    org.salesforce.set_index_lag(Duration::ZERO);
    assert_eq!(org.found(old).await, ["Jane Smith"]);
    assert_eq!(org.found(&old.replace("5550199999", "5550001111")).await, ["John Doe"]);
}

#[tokio::test]
async fn a_record_lives_changes_and_dies() {
    let org = org(quick()).await;
    let id = org.create(json!({ "LastName": "New", "Phone": " 555-1 ", "Email": "" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let record = org.get(&path).await.json();
    assert_eq!(
        (&record["Phone"], &record["Email"], &record["Name"]),
        (&json!("555-1"), &Json::Null, &json!("New"))
    );
    assert!(record["SystemModstamp"].as_str().is_some_and(|at| at.ends_with("+0000")));
    let got = org.send(Method::PATCH, &path, &json!({ "FirstName": "Very", "Phone": null })).await;
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    let record = org.get(&format!("{path}?fields=Name,Phone")).await.json();
    assert_eq!((&record["Name"], &record["Phone"]), (&json!("Very New"), &Json::Null));
    assert!(record["Id"].is_null());
    assert_eq!(deleted(&org, &path).await, 204);
    assert_eq!(org.get(&path).await.error(), (404, "ENTITY_IS_DELETED".to_owned()));
    assert_eq!(
        org.get("/sobjects/Contact/003Hs0zzzzzzzzz").await.error(),
        (404, "NOT_FOUND".to_owned())
    );
}

#[tokio::test]
async fn bad_values_are_refused_with_their_field() {
    let org = org(quick()).await;
    let long = "x".repeat(41);
    for (body, code, field) in [
        (json!({ "FirstName": "No last name" }), "REQUIRED_FIELD_MISSING", Some("LastName")),
        (json!({ "LastName": "A", "Phone": long }), "STRING_TOO_LONG", Some("Phone")),
        (json!({ "LastName": "A", "Email": "nobody" }), "INVALID_EMAIL_ADDRESS", Some("Email")),
        (json!({ "LastName": "A", "AccountId": "12" }), "MALFORMED_ID", Some("AccountId")),
        (
            json!({ "LastName": "A", "AccountId": "0018000000aBcDe" }),
            "INVALID_CROSS_REFERENCE_KEY",
            Some("AccountId"),
        ),
        (json!({ "LastName": "A", "Foo__c": "x" }), "INVALID_FIELD", None),
        (json!({ "LastName": "A", "Name": "x" }), "INVALID_FIELD_FOR_INSERT_UPDATE", Some("Name")),
        (
            json!({ "LastName": "A", "CreatedDate": "2020-01-01T00:00:00Z" }),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            Some("CreatedDate"),
        ),
        (json!({ "LastName": 5 }), "JSON_PARSER_ERROR", Some("LastName")),
        (json!({ "LastName": "A", "DoNotCall": null }), "JSON_PARSER_ERROR", Some("DoNotCall")),
    ] {
        let got = org.send(Method::POST, "/sobjects/Contact", &body).await;
        assert_eq!(got.error(), (400, code.to_owned()), "{body}");
        assert_eq!(got.json()[0]["fields"][0].as_str(), field, "{body}");
    }
    let broken = got(org.request(Method::POST, "/sobjects/Contact").body("{")).await;
    assert_eq!(broken.error(), (400, "JSON_PARSER_ERROR".to_owned()));
    org.create(json!({ "LastName": "A", "External_Id__c": "E-1" })).await;
    let twice = org
        .send(
            Method::POST,
            "/sobjects/Contact",
            &json!({ "LastName": "B", "External_Id__c": "e-1" }),
        )
        .await;
    assert_eq!(twice.error(), (400, "DUPLICATE_VALUE".to_owned()));
}

#[tokio::test]
async fn the_same_upsert_twice_leaves_one_record() {
    let org = org(quick()).await;
    let path = "/sobjects/Contact/External_Id__c/a%2Fb%20c";
    let first = org.send(Method::PATCH, path, &json!({ "LastName": "Once" })).await;
    let again = org.send(Method::PATCH, path, &json!({ "LastName": "Twice" })).await;
    assert_eq!((first.status, &first.json()["created"]), (201, &json!(true)));
    assert_eq!((again.status, &again.json()["created"]), (200, &json!(false)));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(org.get(path).await.json()["LastName"], "Twice");
    assert_eq!(
        org.query("SELECT Id FROM Contact WHERE External_Id__c = 'a/b c'").await.json()["totalSize"],
        1
    );
    let only = org
        .send(Method::PATCH, "/sobjects/Contact/External_Id__c/none?updateOnly=true", &json!({}))
        .await;
    assert_eq!(only.status, 404);
    let repeated = org.send(Method::PATCH, path, &json!({ "External_Id__c": "a/b c" })).await;
    assert_eq!(repeated.error(), (400, "INVALID_FIELD".to_owned()));
    let unknown = org.send(Method::PATCH, "/sobjects/Contact/Title/x", &json!({})).await;
    assert!(
        unknown.status == 404 && unknown.text.contains("Provided external ID field does not exist")
    );
}

#[tokio::test]
async fn an_ambiguous_external_id_gives_the_urls() {
    let org = org(quick()).await;
    for _ in 0..2 {
        org.salesforce.add("Case", &json!({ "Case_Ref__c": "DOUBLE" })).expect("a case");
    }
    for method in [Method::GET, Method::PATCH] {
        let got = org.send(method, "/sobjects/Case/Case_Ref__c/DOUBLE", &json!({})).await;
        assert_eq!(got.status, 300);
        let urls = got.json();
        assert!(
            urls[1]
                .as_str()
                .is_some_and(|url| url.starts_with("/services/data/v67.0/sobjects/Case/500"))
        );
    }
}

#[tokio::test]
async fn a_stale_write_is_stopped() {
    let org = org(quick()).await;
    let id = org.create(json!({ "LastName": "A" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let modified = org.get(&path).await.header("last-modified").to_owned();
    let with = |method, name: &'static str, value: &str| {
        got(org
            .request(method, &path)
            .header(name, value.to_owned())
            .json(&json!({ "Title": "x" })))
    };
    let old = "Thu, 01 Jan 2026 00:00:00 GMT";
    assert_eq!(with(Method::PATCH, "if-unmodified-since", old).await.status, 412);
    assert_eq!(with(Method::PATCH, "if-unmodified-since", "yesterday").await.status, 400);
    assert_eq!(with(Method::GET, "if-modified-since", &modified).await.status, 304);
    assert_eq!(with(Method::GET, "if-modified-since", old).await.status, 200);
    assert_eq!(with(Method::PATCH, "if-unmodified-since", &modified).await.status, 204);
}

#[tokio::test]
async fn collections_answer_for_each_record() {
    let org = org(quick()).await;
    let record = |name: Json| json!({ "attributes": { "type": "Contact" }, "LastName": name });
    let body = json!({ "allOrNone": false, "records": [record(json!("One")), record(Json::Null), record(json!("Two"))] });
    let got = org.send(Method::POST, "/composite/sobjects", &body).await;
    let all = got.json();
    assert_eq!(got.status, 200);
    assert_eq!((&all[0]["success"], &all[1]["success"]), (&json!(true), &json!(false)));
    assert_eq!(all[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    let ids = format!(
        "{},{}",
        all[0]["id"].as_str().unwrap_or_default(),
        all[2]["id"].as_str().unwrap_or_default()
    );
    let read = org
        .get(&format!("/composite/sobjects/Contact?ids={ids},003Hs0zzzzzzzzz&fields=Id,LastName"))
        .await
        .json();
    assert_eq!((&read[1]["LastName"], &read[2]), (&json!("Two"), &Json::Null));
    let update = json!({ "records": [{ "attributes": { "type": "Contact" }, "id": all[0]["id"], "LastName": "Uno" }] });
    assert_eq!(
        org.send(Method::PATCH, "/composite/sobjects", &update).await.json()[0]["success"],
        true
    );
    assert_eq!(
        org.query("SELECT Id FROM Contact WHERE LastName = 'Uno'").await.json()["totalSize"],
        1
    );
    let gone = org
        .send(Method::DELETE, &format!("/composite/sobjects?ids={ids}"), &json!({}))
        .await
        .json();
    assert_eq!((&gone[0]["success"], &gone[1]["success"]), (&json!(true), &json!(true)));
    let many: Vec<Json> = (0..201).map(|_| record(json!("x"))).collect();
    let many = org.send(Method::POST, "/composite/sobjects", &json!({ "records": many })).await;
    assert_eq!(many.error().1, "EXCEEDED_ID_LIMIT");
    let upsert = json!({ "records": [{ "attributes": { "type": "Contact" }, "External_Id__c": "U-1", "LastName": "Up" }] });
    for new in [true, false] {
        let json = org
            .send(Method::PATCH, "/composite/sobjects/Contact/External_Id__c", &upsert)
            .await
            .json();
        assert_eq!(json[0]["created"], new);
    }
}

#[tokio::test]
async fn all_or_none_leaves_nothing_behind() {
    let org = org(quick()).await;
    let john = org.query("SELECT Id FROM Contact WHERE LastName = 'Doe'").await.json()["records"]
        [0]["Id"]
        .clone();
    let records = json!([
        { "attributes": { "type": "Contact" }, "LastName": "Ghost", "Phone": "1" },
        { "attributes": { "type": "Contact" }, "FirstName": "no last name" },
    ]);
    let all = org
        .send(
            Method::POST,
            "/composite/sobjects",
            &json!({ "allOrNone": true, "records": records }),
        )
        .await
        .json();
    assert_eq!(all[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(org.query("SELECT Id FROM Contact WHERE Phone = '1'").await.json()["totalSize"], 0);
    let update =
        |name: &str| json!({ "attributes": { "type": "Contact" }, "id": john, "LastName": name });
    let records = json!([update("A"), update("B"), { "attributes": { "type": "Contact" }, "id": john, "LastName": null }]);
    org.send(
        Method::PATCH,
        "/composite/sobjects",
        &json!({ "allOrNone": true, "records": records }),
    )
    .await;
    assert_eq!(
        org.query("SELECT Id FROM Contact WHERE LastName = 'Doe'").await.json()["totalSize"],
        1
    );
}

#[tokio::test]
async fn changes_and_deletions_are_told_by_window() {
    let org = org(quick()).await;
    let id = org.create(json!({ "LastName": "A" })).await;
    let dead = org.create(json!({ "LastName": "B" })).await;
    org.salesforce.delete(&dead).expect("a delete");
    let now = store::clock::now();
    let at = |ms: i64| store::clock::datetime(now + ms).replace(".000+0000", "Z");
    let window = [("start", at(-600_000)), ("end", at(120_000))];
    let updated =
        got(org.request(Method::GET, "/sobjects/Contact/updated/").query(&window)).await.json();
    assert_eq!(updated["ids"], json!([id]));
    assert!(updated["latestDateCovered"].is_string());
    let deleted =
        got(org.request(Method::GET, "/sobjects/Contact/deleted").query(&window)).await.json();
    assert_eq!(deleted["deletedRecords"][0]["id"], json!(dead));
    assert!(deleted["earliestDateAvailable"].is_string());
    let old = [("start", at(-20 * store::clock::DAY)), ("end", at(0))];
    let got = got(org.request(Method::GET, "/sobjects/Contact/deleted").query(&old)).await;
    assert_eq!(got.error(), (400, "INVALID_REPLICATION_DATE".to_owned()));
}

#[tokio::test]
async fn describe_tells_the_fields() {
    let org = org(quick()).await;
    let describe = org.get("/sobjects/Contact/describe").await.json();
    let field = |name: &str| {
        let all = describe["fields"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|field| field["name"] == name).unwrap_or_default()
    };
    assert_eq!((&field("Phone")["type"], &field("Phone")["length"]), (&json!("phone"), &json!(40)));
    assert_eq!(field("Email")["idLookup"], true);
    let children = describe["childRelationships"].as_array().cloned();
    let names = children.unwrap_or_default().into_iter().map(|one| one["relationshipName"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["Cases", "Tasks", "Users"]);
    assert_eq!(
        (&field("External_Id__c")["externalId"], &field("External_Id__c")["unique"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(field("Name")["createable"], false);
    assert_eq!(org.get("/sobjects/Nothing/describe").await.status, 404);
    let names = org.get("/sobjects").await.json();
    assert_eq!(names["sobjects"].as_array().map(Vec::len), Some(12));
}

#[tokio::test]
async fn permissions_can_be_taken_away() {
    let org = org(quick()).await;
    let mut permissions = Permissions::default();
    permissions.hidden_objects.insert("Account".to_owned());
    permissions.hidden_fields.insert("Contact.Loyalty_Tier__c".to_owned());
    permissions.read_only_objects.insert("Contact".to_owned());
    org.salesforce.set_permissions(permissions);
    assert_eq!(org.query("SELECT Id FROM Account").await.error(), (400, "INVALID_TYPE".to_owned()));
    assert_eq!(
        org.query("SELECT Account.Name FROM Contact").await.error(),
        (400, "INVALID_FIELD".to_owned())
    );
    assert_eq!(
        org.query("SELECT Loyalty_Tier__c FROM Contact").await.error(),
        (400, "INVALID_FIELD".to_owned())
    );
    assert_eq!(org.get("/sobjects/Account/describe").await.status, 404);
    let describe = org.get("/sobjects/Contact/describe").await.text;
    assert!(!describe.contains("Loyalty_Tier__c") && describe.contains("CRM_Case_Id__c"));
    let write = org.send(Method::POST, "/sobjects/Contact", &json!({ "LastName": "A" })).await;
    assert_eq!(write.error(), (403, "INSUFFICIENT_ACCESS".to_owned()));
}

#[tokio::test]
async fn a_configured_row_that_is_refused_stops_the_start() {
    let rows = vec![("Contact".to_owned(), json!({ "FirstName": "no last name" }))];
    let refused = start(Config { rows, ..quick() }).await.err().expect("a refusal");
    assert!(refused.to_string().contains("REQUIRED_FIELD_MISSING"), "{refused}");
}

#[tokio::test]
async fn a_closed_case_says_when() {
    let org = org(quick()).await;
    let id = org.salesforce.add("Case", &json!({ "Subject": "x" })).expect("a case");
    let path = format!("/sobjects/Case/{id}");
    let case = org.get(&path).await.json();
    assert_eq!((&case["Status"], &case["IsClosed"]), (&json!("New"), &json!(false)));
    assert_eq!(case["CaseNumber"].as_str().map(str::len), Some(8));
    for (status, closed) in [("Closed", true), ("Working", false)] {
        org.salesforce.update(&id, &json!({ "Status": status })).expect("an update");
        let case = org.get(&path).await.json();
        assert_eq!((&case["IsClosed"], case["ClosedDate"].is_string()), (&json!(closed), closed));
    }
}
