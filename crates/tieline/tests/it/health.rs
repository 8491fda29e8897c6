//! How a connection is, told to whoever operates it, and what a sick one may cost.

use crate::rig::{JOHN, Line, until, until_some};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::{Duration, Instant};

const HEALTH: &str = "/api/v1/connections/salesforce/health";
const READY: &str = "/api/v1/connections/salesforce/ready";

fn is_error(body: &Value, kind: &str) -> bool {
    body["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["kind"] == kind))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_tells_its_token_budget_breaker_and_pace() {
    let line = Line::with_salesforce().deadline("5s").start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let health = line.get(HEALTH).await;
    assert_eq!(health.status, 200, "{health:?}");
    assert_eq!((&health["status"], &health["prefix"]), (&json!("ok"), &json!("CRM")));
    assert_eq!(health["token"]["status"], "ok");
    assert!(health["token"]["expiresInS"].as_u64() > Some(60), "{health:?}");
    assert_eq!(health["token"]["scopes"], json!(["api", "id"]), "{health:?}");
    assert!(health["budget"]["left"].as_i64() > Some(0), "Sforce-Limit-Info was read: {health:?}");
    assert_eq!(health["budget"]["floor"], 10);
    assert_eq!(health["breaker"]["position"], "closed");
    assert!(health["latency"]["requests"].as_u64() >= Some(1), "{health:?}");
    assert_eq!((&health["missing"], &health["errors"]), (&json!([]), &json!([])));
    let all = line.get("/api/v1/connections").await;
    let names: Vec<&Value> =
        all["connections"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&json!("salesforce")), "{all:?}");
    let unknown = line.get("/api/v1/connections/nobody/health").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown["error"]["code"], "connection.unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sick_system_is_left_alone_until_a_trial_succeeds() {
    let line = Line::with_salesforce().deadline("2s").start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    until("the breaker opens", async || {
        line.call_from(JOHN.1).await.assert_by_number("partial");
        line.get(HEALTH).await["breaker"]["position"] != "closed"
    })
    .await;
    let health = line.get(HEALTH).await;
    assert_eq!((&health["status"], &health["degradedBy"]), (&json!("degraded"), &json!("sick")));
    assert!(is_error(&health.body, "unavailable"), "{health:?}");
    // Until the next trial is due, a flow that asks first is told to go elsewhere.
    until("it is not ready", async || {
        line.call_from(JOHN.1).await;
        let ready = line.get(READY).await;
        (&ready["ready"], &ready["errorCode"]) == (&json!(false), &json!("crm.degraded"))
    })
    .await;
    // Everybody is answered at once, and the CRM is asked once in a while at most.
    let (asked, started) = (line.crm_requests(), Instant::now());
    for _ in 0..50 {
        line.call_from(JOHN.1).await.assert_by_number("partial");
    }
    let trials = line.crm_requests() - asked;
    let bound = 3 + started.elapsed().as_secs() as usize;
    assert!(trials <= bound, "{trials} requests to a sick CRM for 50 calls");
    line.crm_recovers();
    until("a trial closes it", async || {
        line.call_from(JOHN.1).await;
        line.get(HEALTH).await["breaker"]["position"] == "closed"
    })
    .await;
    until("calls are answered from it", async || line.call_from(JOHN.1).await["status"] == "hit")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_permission_and_a_slow_answer_are_seen() {
    let line = Line::with_salesforce().deadline("5s").start().await;
    let told = json!([{ "errorCode": "INVALID_FIELD", "message":
        "No such column 'Loyalty_Tier__c' on entity 'Contact'. If you are attempting" }]);
    line.crm_does(Fault::Status { code: 400, body: Some(told.to_string()) });
    line.call_from(JOHN.1).await.assert_by_number("partial");
    until("the permission is named", async || {
        line.get(HEALTH).await["missing"] == json!(["Contact.Loyalty_Tier__c"])
    })
    .await;
    let health = line.get(HEALTH).await;
    let fix = health["errors"][0]["fix"].as_str().expect("a fix");
    assert!(fix.contains("Contact.Loyalty_Tier__c") && health["status"] == "failing", "{health:?}");
    assert!(!health.body.to_string().contains(&JOHN.1[2..]), "nobody's number is told");
    line.crm_recovers();
    let slow = Rule::always(Fault::slow(Duration::from_millis(1_200))).on("/services/data/");
    line.salesforce.faults().add(slow);
    until("a slow answer is seen", async || {
        line.call_from("+15550190042").await;
        line.get(HEALTH).await["latency"]["slow"].as_u64() >= Some(1)
    })
    .await;
    let health = line.get(HEALTH).await;
    assert!(health["latency"]["slowLastMs"].as_u64() >= Some(1_200), "{health:?}");
    assert_eq!(health["missing"], json!([]), "what went well since is no longer missing");
    until("the log tells how slow", async || line.log().contains("the threshold is 1000 ms")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_floor_a_connection_is_degraded_and_calls_go_on() {
    let line = Line::with_salesforce().deadline("5s").start().await;
    line.salesforce.set_daily_limit(line.salesforce.api_usage() + 8);
    line.call_from(JOHN.1).await.assert_hit("crm");
    let health = line.get(HEALTH).await;
    assert_eq!((&health["status"], &health["degradedBy"]), (&json!("degraded"), &json!("budget")));
    assert_eq!(health["budget"]["isLow"], true);
    let ready = line.get(READY).await;
    assert_eq!((&ready["ready"], &ready["degraded"]), (&json!(false), &json!(true)), "{ready:?}");
    let enrich = json!({ "callId": "at-its-floor", "ani": "+15550190042" });
    let enriched = line.post("/api/v1/queues/Standard_CRM/enrich", &enrich).await;
    assert_eq!(
        (&enriched["status"], &enriched["errorCode"]),
        (&json!("degraded"), &json!("crm.degraded"))
    );
    assert!(health["budget"]["resetsInS"].as_u64() > Some(0), "{health:?}");
    let metrics = line.http.get(line.url("/metrics")).send().await.expect("metrics");
    let metrics = metrics.text().await.expect("a text");
    assert!(
        metrics.contains("tieline_connection_degraded{connection=\"salesforce\"} 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_tells_its_last_day_and_is_checked_by_itself() {
    let line = Line::with_salesforce().start().await;
    let history = until_some("a first sample", async || {
        let told = line.get("/api/v1/connections/salesforce/history").await;
        (told["samples"] != json!([])).then_some(told)
    })
    .await;
    assert_eq!((history.status, &history["everyS"]), (200, &json!(60)));
    let sample = &history["samples"][0];
    assert!(sample["available"].as_u64() > Some(0), "{sample}");
    assert_eq!(sample["breakerOpen"], false);
    let one = line.post("/api/v1/connections/salesforce/check", &json!({})).await;
    let all = line.post("/api/v1/connections/check", &json!({})).await;
    let of = |answer: &Value| {
        let findings = answer.as_array().expect("a list").iter();
        findings.map(|one| one["connection"].to_string()).collect::<Vec<_>>()
    };
    assert!(!of(&one.body).is_empty());
    assert!(of(&one.body).iter().all(|name| name == "\"salesforce\""), "{one:?}");
    assert!(of(&all.body).len() >= of(&one.body).len());
    for path in ["nobody/history", "nobody/check"] {
        let path = format!("/api/v1/connections/{path}");
        let answer = if path.ends_with("check") {
            line.post(&path, &json!({})).await
        } else {
            line.get(&path).await
        };
        assert_eq!((answer.status, &answer["error"]["code"]), (404, &json!("connection.unknown")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connector_tells_the_settings_that_a_connection_takes() {
    let line = Line::with_salesforce().start().await;
    let told = line.get("/api/v1/connectors").await;
    let all = told["connectors"].as_array().expect("a list");
    assert_eq!(all.len(), connectors::all().len());
    for (told, vendor) in all.iter().zip(connectors::all()) {
        let manifest = vendor.connector.manifest;
        assert_eq!(told["name"], manifest.name);
        let settings = told["settings"].as_array().expect("a list");
        assert_eq!(settings.len(), manifest.settings.len(), "{told}");
        assert!(settings.iter().all(|one| one["help"] != "" && one["kind"] != ""), "{told}");
    }
}
