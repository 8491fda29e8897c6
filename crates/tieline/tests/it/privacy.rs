//! Nothing personal and no secret is left in clear where it does not belong (invariant 9).
//!
//! Canaries are planted in the CRM and in requests, every path is walked at debug
//! level, also those that fail; then logs, error bodies, metrics and every file of the
//! store are searched for them.

use super::erp::with_sap;
use crate::rig::plan::{API_KEY, MASTER_KEY};
use crate::rig::{JOHN, Line, Place, Signal};
use connectors::sap_s4;
use connectors::sap_s4::sim::S4;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

crate::facts! {
    no_canary_is_found_in_logs_errors_metrics_or_files
}

const NUMBER: &str = "+13175550188";
/// What must not be found, in any of the forms it may take.
const PERSONAL: [&str; 11] = [
    "Zzcanaryfirst",
    "Zzcanarylast",
    "zzcanary@example.com",
    "3175550188",
    "555-0188",
    "CASE-ZZCANARY",
    "zzcanary-reason",
    "zzcanary-kept",
    "zzcanary-typed",
    "zzcanary-agent",
    "zzcanary-erp",
];
const SECRET: [&str; 4] = [API_KEY, MASTER_KEY, "sim-consumer-secret", "sim-oauth-client-secret"];
/// The account in the ERP that the canary is linked to.
const ACCOUNT: &str = "2000777";

/// Which of the words stand in these bytes.
fn found<'a>(bytes: &[u8], words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_in =
        |word: &str| bytes.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word.as_bytes()));
    words.into_iter().filter(|word| is_in(word)).collect()
}

/// Walks every path with the canaries; returns the bodies of all errors, and the
/// canary's record id.
async fn walk(line: &mut Line, sap: &S4) -> (String, String) {
    let account = json!({ "Name": "Acme", "AccountNumber": ACCOUNT });
    let account = line.salesforce.add("Account", &account).expect("added");
    let partner = [
        ("BusinessPartner", json!(ACCOUNT)),
        ("BusinessPartnerCategory", json!("2")),
        ("BusinessPartnerFullName", json!("ZZCANARY-ERP")),
    ];
    assert!(sap.add("A_BusinessPartner", &partner));
    let person = json!({
        "FirstName": "Zzcanaryfirst", "LastName": "Zzcanarylast", "Email": "zzcanary@example.com",
        "Phone": "(317) 555-0188", "CRM_Case_Id__c": "CASE-ZZCANARY",
        "AccountId": account,
    });
    let record = line.salesforce.add("Contact", &person).expect("added");
    let id = format!("CRM:{record}");
    let mut errors = String::new();
    let quoting = json!({ "message": "ZZCANARY-ERP" }).to_string();
    let refused = Fault::Status { code: 400, body: Some(quoting) };
    sap.faults().add(Rule::always(refused).on(sap_s4::simulate::API).times(2));
    for (call, number) in
        [("c-1", NUMBER), ("c-2", "tel:(317) 555-0188"), ("c-3", "sip:3175550188@h")]
    {
        let body = json!({ "fromNumber": number, "callId": call, "email": "zzcanary@example.com" });
        line.lookup(body).await.assert_whole();
    }
    line.until_quiet().await;
    let by_id = json!({ "externalId": id, "callId": "c-4" });
    assert_eq!(line.lookup(by_id).await["data"]["erpName"], "ZZCANARY-ERP", "the ERP is asked");
    for fault in [
        Fault::Status {
            code: 500,
            body: Some(json!({ "message": "Zzcanaryfirst (317) 555-0188" }).to_string()),
        },
        Fault::Html200,
        Fault::Reset,
        Fault::Truncate,
    ] {
        line.salesforce.faults().add(Rule::always(fault).on("/services/data/"));
        let ask = json!({ "externalId": id, "fromNumber": NUMBER, "callId": line.new_call() });
        line.lookup(ask).await;
        let correct = json!({ "callId": "c-1", "newExternalId": id, "reason": "zzcanary-reason" });
        line.post("/api/v1/genesys/update-context", &correct).await;
        line.crm_recovers();
    }
    line.decide_by_rules(NUMBER).await;
    let decided = line.decide_by_rules(NUMBER).await;
    errors.push_str(&line.get(&format!("/api/v1/calls/{decided}/explain")).await.body.to_string());
    let tried = json!({ "rule": "By case", "number": NUMBER });
    errors.push_str(&line.post("/api/v1/routing/test", &tried).await.body.to_string());
    let replayed = line.post("/api/v1/routing/replay", &json!({ "set": {} })).await;
    assert_eq!(replayed["decisions"], 2, "{replayed:?}");
    errors.push_str(&replayed.body.to_string());
    let john = line.id_of(JOHN.2);
    for to in [id.as_str(), "zzcanary-typed (317) 555-0188", &john, &id] {
        let correct = json!({ "callId": "c-1", "newExternalId": to, "reason": "zzcanary-reason" });
        line.post("/api/v1/genesys/update-context", &correct).await;
    }
    let end = json!({ "type": "callEnded", "callId": "c-1", "endedAt": "2026-11-21T20:20:00Z", "userId": "zzcanary-agent" });
    line.post("/api/v1/genesys/events", &end).await;
    let customer = format!("/api/v2/customers/{}", id.replace(':', "%3A"));
    for path in [customer.as_str(), "/api/v1/calls/c-1/data"] {
        let put = line.http.put(line.url(path)).bearer_auth(API_KEY);
        let put = put.json(&json!({ "data": { "note": "zzcanary-kept" } })).send().await;
        assert_eq!(put.expect("an answer").status(), 200, "{path}");
    }
    for wrong in [
        r#"{"fromNumber":"+13175550188","callId":"#,
        r#"{"fromNumber":["+13175550188"],"callId":"x","email":"zzcanary@example.com"}"#,
        r#"{"fromNumber":"+13175550188","email":"zzcanary@example.com"}"#,
        r#"{"fromNumber":"+13175550188","callId":"Zzcanaryfirst Zzcanarylast ü"}"#,
        r#"{"fromNumber":"+13175550188","callId":"x","type":"zzcanary-typed"}"#,
    ] {
        for path in [
            "/api/v1/genesys/lookup",
            "/api/v1/genesys/update-context",
            "/api/v1/genesys/events",
            &customer,
        ] {
            let method =
                if path == customer { reqwest::Method::PUT } else { reqwest::Method::POST };
            let request = line.http.request(method, line.url(path)).bearer_auth(API_KEY);
            let request = request.header("content-type", "application/json").body(wrong);
            let answer = request.send().await.expect("an answer");
            if answer.status().as_u16() >= 400 {
                errors.push_str(&answer.text().await.expect("a body"));
            }
        }
    }
    for path in [
        "/api/v1/calls/zzcanary-typed",
        "/api/v2/customers/zzcanary@example.com",
        "/zzcanary-typed",
    ] {
        errors.push_str(&line.get(path).await.body.to_string());
    }
    let wrong_key =
        line.http.get(line.url("/api/v1/calls")).bearer_auth("zzcanary-typed").send().await;
    errors.push_str(&wrong_key.expect("an answer").text().await.expect("a body"));
    for command in [["audit", "verify"], ["overrides", "list"], ["keys", "rotate"]] {
        line.command(&command).await;
    }
    // A person's export is theirs to read; what is said of it elsewhere is not.
    for address in ["export", "erase"] {
        let address = format!("/api/v1/subjects/{address}");
        for body in [
            json!({ "phones": ["zzcanary-typed"] }),
            json!({ "phones": [NUMBER], "reason": "Zzcanaryfirst" }),
            json!({ "phones": [NUMBER], "dryRun": true }),
        ] {
            let answer = line.post(&address, &body).await;
            if answer.status >= 400 {
                errors.push_str(&answer.body.to_string());
            }
        }
    }
    (errors, record)
}

async fn no_canary_is_found_in_logs_errors_metrics_or_files(place: Place) {
    let (plan, sap) = with_sap("erpName = \"BusinessPartnerFullName\"").await;
    let line = plan.and_genesys().people(30).log_level("debug").on(place);
    let mut line = line.limit("timeout = \"1s\"").start().await;
    let (errors, record) = walk(&mut line, &sap).await;
    let metrics = line.get("/metrics").await.body.to_string();
    // The log of the database as well, which the end of the server folds in.
    let mut heap = line.place.bytes().await;
    line.signal(Signal::Term);
    line.server().ended().await;
    let log = line.log();
    assert!(log.contains("ready after"), "the log is there: {log}");
    let id = record[..15].to_owned();
    for (place, text) in [("errors", &errors), ("metrics", &metrics), ("log", &log)] {
        let words = PERSONAL.iter().chain(&SECRET).copied().chain([id.as_str(), ACCOUNT]);
        // What a client typed as an address or a word may stand in its own error, not in the log.
        let words = words.filter(|word| place == "log" || *word != "zzcanary-typed");
        assert_eq!(found(text.as_bytes(), words), Vec::<&str>::new(), "in the {place}");
    }
    heap.extend(line.place.bytes().await);
    assert!(heap.len() > 4_096, "the store is there");
    let words = PERSONAL.iter().chain(&SECRET).copied().chain([id.as_str(), ACCOUNT]);
    assert_eq!(found(&heap, words), Vec::<&str>::new(), "in the store's files");
}

#[test]
fn a_planted_leak_is_caught() {
    let log = r#"{"level":"WARN","message":"could not tell Zzcanaryfirst at (317) 555-0188"}"#;
    assert_eq!(found(log.as_bytes(), PERSONAL), ["Zzcanaryfirst", "555-0188"]);
    assert_eq!(found(b"\x00\x01zzCANARY@example.com", PERSONAL), ["zzcanary@example.com"]);
    let _: Value = serde_json::from_str(log).expect("as the log is written");
}
