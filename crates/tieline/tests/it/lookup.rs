//! Who is asked for, who answers, and what is counted.

use crate::rig::people::{external_id, record};
use crate::rig::plan::{API_KEY, salesforce_section};
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, STRANGER};
use connectors::salesforce;
use serde_json::{Value, json};
use sim::faults::Fault;
use std::time::Duration;

crate::facts! {
    the_example_of_the_field_is_answered_as_written
    click_to_dial_asks_for_the_dialled_customer
    the_same_call_id_twice_is_the_same_call
    a_withheld_caller_is_a_stored_call_and_nothing_else
    an_unknown_number_is_answered_by_its_hash
    the_hash_of_a_number_outlives_a_restart
    a_named_record_goes_before_whoever_is_known_by_the_number
    a_record_named_on_a_slow_day_is_found_behind
    a_repeat_without_the_number_changes_nothing
}

async fn a_named_record_goes_before_whoever_is_known_by_the_number(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    line.until_the_directory_knows(MARIA.1).await;
    let body =
        json!({ "fromNumber": MARIA.1, "externalId": line.id_of(JANE.2), "callId": "named" });
    assert_eq!(line.lookup(body).await["name"], JANE.0);
}

async fn a_record_named_on_a_slow_day_is_found_behind(place: Place) {
    let line = Line::with_salesforce().on(place).deadline("200ms").start().await;
    line.crm_does(Fault::Hang);
    let body = json!({ "externalId": line.id_of(JANE.2), "callId": "slow" });
    assert_eq!(line.lookup(body).await["status"], "partial");
    line.crm_recovers();
    let stored = line.until_stored_as("slow", "hit").await;
    assert_eq!(stored["externalId"], line.id_of(JANE.2));
}

async fn a_repeat_without_the_number_changes_nothing(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let first = json!({ "fromNumber": STRANGER, "callId": "again" });
    let answer = line.lookup(first).await;
    line.lookup(json!({ "callId": "again" })).await;
    let stored = line.stored("again").await;
    assert_eq!(stored["externalId"], answer["externalId"]);
    assert_eq!(stored["fromNumber"], STRANGER);
}

async fn the_example_of_the_field_is_answered_as_written(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    for earlier in 0..4 {
        let answer = line.call_from("+15550199999").await;
        assert_eq!(answer["data"]["previousInteractionCount"], earlier);
    }
    let answer = line
        .lookup(json!({
            "fromNumber": "+15550199999", "toNumber": "+15550190000",
            "callId": "abc-123-def-456", "type": "inbound",
        }))
        .await;
    answer.assert_hit("directory");
    assert_eq!(answer["externalId"], line.id_of(JOHN.2));
    assert_eq!((&answer["name"], &answer["email"]), (&json!(JOHN.0), &json!(JOHN.2)));
    assert_eq!(
        answer["data"],
        json!({
            "crmCaseId": "CASE-99812", "loyaltyTier": "Gold",
            "company": "Acme Corporation", "previousInteractionCount": 4,
        })
    );
    assert_eq!((&answer["stale"], &answer["candidateCount"]), (&json!(false), &json!(0)));
    assert_eq!(answer["warnings"], json!([]));
    let stored = line.stored("abc-123-def-456").await;
    assert_eq!(stored["externalId"], answer["externalId"]);
    assert_eq!(stored["fromNumber"], "+15550199999");
    assert_eq!(stored["previousInteractionCount"], 4);
    assert_eq!((&stored["status"], &stored["source"]), (&json!("hit"), &json!("directory")));
    assert_eq!((&stored["direction"], &stored["mediaType"]), (&json!("inbound"), &json!("voice")));
    assert_eq!((&stored["connection"], &stored["email"]), (&json!("salesforce"), &json!("")));
    assert!(stored["answeredInUs"].as_u64().is_some_and(|us| us > 0), "{stored:?}");
    assert!(stored["arrivedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{stored:?}");
}

async fn click_to_dial_asks_for_the_dialled_customer(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let answer = line
        .lookup(json!({
            "fromNumber": "+15550190000", "toNumber": "(555) 019-8888", "callId": "out-1",
            "type": "outbound", "userId": "agent-7", "queueId": "6d0e7b2a-1f0c-4b6e-9f55-2f9d9b1f3c11",
        }))
        .await;
    answer.assert_hit("crm");
    assert_eq!(answer["name"], MARIA.0);
    let stored = line.stored("out-1").await;
    assert_eq!(stored["direction"], "outbound");
    assert_eq!(stored["fromNumber"], MARIA.1, "the customer's number is the call's");
}

async fn the_same_call_id_twice_is_the_same_call(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let body = json!({ "fromNumber": MARIA.1, "callId": "once" });
    for _ in 0..3 {
        let answer = line.lookup(body.clone()).await;
        assert_eq!(answer["data"]["previousInteractionCount"], 0);
    }
    assert_eq!(line.calls().await.len(), 1);
    let next = line.call_from(MARIA.1).await;
    assert_eq!(next["data"]["previousInteractionCount"], 1, "distinct calls are counted");
}

async fn a_withheld_caller_is_a_stored_call_and_nothing_else(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let asked = line.crm_requests();
    let forms = [
        json!("anonymous"),
        json!("sip:anonymous@anonymous.invalid"),
        json!("Restricted"),
        json!("+266696687"),
        json!(""),
        Value::Null,
    ];
    for (index, from) in forms.iter().enumerate() {
        let call = format!("withheld-{index}");
        let answer = line.lookup(json!({ "fromNumber": from, "callId": call })).await;
        answer.assert_whole();
        assert_eq!((answer.id(), &answer["status"]), ("UNKNOWN", &json!("unknown")), "{from}");
        assert_eq!(answer["data"], json!({}), "nobody is counted");
        let stored = line.stored(&call).await;
        assert_eq!((&stored["externalId"], &stored["fromNumber"]), (&json!("UNKNOWN"), &json!("")));
        assert_eq!(stored["previousInteractionCount"], 0, "nothing links them to each other");
    }
    assert_eq!(line.crm_requests(), asked, "there is nobody to ask for");
    assert_eq!(line.jobs().await, Vec::<Value>::new());
    assert!(line.genesys().contacts().is_empty());
}

async fn an_unknown_number_is_answered_by_its_hash(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let first = line.call_from(STRANGER).await;
    first.assert_by_number("miss");
    assert_eq!(first["data"], json!({ "previousInteractionCount": 0 }));
    assert_eq!((&first["name"], &first["source"]), (&json!(""), &json!("none")));
    let again = line.call_from("(317) 555-0123").await;
    assert_eq!(again.id(), first.id(), "one number, one hash");
    assert_eq!(again["data"]["previousInteractionCount"], 1);
    let other = line.call_from("+13175550124").await;
    assert_ne!(other.id(), first.id());
}

async fn the_hash_of_a_number_outlives_a_restart(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    let before = line.call_from(STRANGER).await;
    line.restart().await;
    let after = line.call_from(STRANGER).await;
    assert_eq!(after.id(), before.id());
    assert_eq!(after["data"]["previousInteractionCount"], 1);
}

#[tokio::test]
async fn the_hash_of_a_number_is_the_stores_own() {
    let (one, two) = (Line::with_salesforce().start().await, Line::with_salesforce().start().await);
    let hash = one.call_from(STRANGER).await;
    assert_ne!(hash.id(), two.call_from(STRANGER).await.id(), "it is keyed");
}

#[tokio::test]
async fn the_key_travels_either_way() {
    let line = Line::with_salesforce().start().await;
    let ask = || {
        let body = json!({ "fromNumber": JOHN.1, "callId": line.new_call() });
        line.http.post(line.url("/api/v1/genesys/lookup")).json(&body)
    };
    Answer::of(ask().header("Authorization", format!("Bearer {API_KEY}"))).await.assert_hit("crm");
    Answer::of(ask().header("authorization", format!("bearer {API_KEY}")))
        .await
        .assert_hit("directory");
    Answer::of(ask().header("X-API-Key", API_KEY)).await.assert_hit("directory");
}

#[tokio::test]
async fn an_unknown_queue_uses_the_default_and_says_so() {
    let line = Line::with_salesforce().start().await;
    let queue = "11111111-2222-4333-8444-555555555555";
    for body in [
        json!({ "fromNumber": JOHN.1, "callId": "q-1", "queueId": queue }),
        json!({ "fromNumber": JOHN.1, "callId": "q-2", "toNumber": queue }),
    ] {
        let answer = line.lookup(body).await;
        assert_eq!((answer.status, &answer["name"]), (200, &json!(JOHN.0)));
        let warnings = answer["warnings"].as_array().expect("warnings");
        assert_eq!(warnings.len(), 1, "{answer:?}");
        assert!(warnings[0].as_str().expect("a sentence").contains("default connection"));
    }
    assert_eq!(line.stored("q-1").await["warnings"].as_array().expect("a list").len(), 1);
    let plain = line.lookup(json!({ "fromNumber": JOHN.1, "callId": "q-3" })).await;
    assert_eq!(plain["warnings"], json!([]), "no queue is no mistake");
}

/// A second org, in which Maria is another record.
async fn with_a_second_org() -> (Line, salesforce::sim::Salesforce) {
    let second = salesforce::sim::start(Default::default()).await.expect("a Salesforce");
    let section = salesforce_section("second", "SFB", &second.url());
    let queues = r#"
[[queues]]
name = "Sales"
ids = ["6d0e7b2a-1f0c-4b6e-9f55-2f9d9b1f3c11"]
dids = ["+1 202 555 0123"]
connection = "second"
"#;
    let line = Line::with_salesforce().section(&section).section(queues).start().await;
    (line, second)
}

#[tokio::test]
async fn a_queue_is_answered_by_its_own_crm_and_no_other() {
    let (line, second) = with_a_second_org().await;
    let before = line.crm_requests();
    let expected = format!("SFB:{}", record(&second, MARIA.2));
    for (key, word) in [
        ("queueId", "6d0e7b2a-1f0c-4b6e-9f55-2f9d9b1f3c11"),
        ("queueId", "SALES"),
        ("toNumber", "6D0E7B2A-1F0C-4B6E-9F55-2F9D9B1F3C11"),
        ("toNumber", "tel:+12025550123"),
        ("toNumber", "(202) 555-0123"),
    ] {
        let call = line.new_call();
        let answer = line.lookup(json!({ "fromNumber": MARIA.1, "callId": call, key: word })).await;
        assert_eq!((answer.id(), &answer["warnings"]), (expected.as_str(), &json!([])), "{word}");
        assert_eq!(line.stored(&call).await["connection"], "second");
    }
    let nobody = json!({ "fromNumber": STRANGER, "callId": "x", "queueId": "Sales" });
    line.lookup(nobody).await.assert_by_number("miss");
    assert_eq!(line.crm_requests(), before, "one CRM is not tried after another");
    let default = line.call_from(MARIA.1).await;
    assert_eq!(default.id(), line.id_of(MARIA.2));
}

#[tokio::test]
async fn a_number_and_an_email_settle_an_ambiguity() {
    let line = Line::with_salesforce().start().await;
    for person in [JANE, JOHN] {
        let body = json!({ "fromNumber": person.1, "email": person.2, "callId": line.new_call() });
        assert_eq!(line.lookup(body).await["name"], person.0);
    }
    let both = json!({ "fromNumber": JANE.1, "email": " Jane.SMITH@example.com ", "callId": "c" });
    assert_eq!(line.lookup(both).await["name"], JANE.0, "whatever the case");
}

#[tokio::test]
async fn a_channel_without_a_number_is_asked_for_by_email() {
    let line = Line::with_salesforce().start().await;
    for media in ["chat", "message", "email"] {
        let call = line.new_call();
        let body = json!({ "email": MARIA.2, "mediaType": media, "callId": call });
        let answer = line.lookup(body).await;
        assert_eq!(answer.id(), line.id_of(MARIA.2), "{media}");
        let stored = line.stored(&call).await;
        assert_eq!((&stored["mediaType"], &stored["email"]), (&json!(media), &json!(MARIA.2)));
    }
    let nobody = json!({ "email": "nobody@example.org", "mediaType": "chat", "callId": "n" });
    let answer = line.lookup(nobody).await;
    assert_eq!((answer.id(), &answer["status"]), ("UNKNOWN", &json!("miss")), "no number, no hash");
}

#[tokio::test]
async fn an_external_id_that_came_along_names_the_record() {
    let (line, second) = with_a_second_org().await;
    let jane = line.id_of(JANE.2);
    let body = json!({ "fromNumber": JOHN.1, "externalId": jane, "callId": "e-1" });
    let answer = line.lookup(body).await;
    assert_eq!((answer.id(), &answer["name"]), (jane.as_str(), &json!(JANE.0)));
    let elsewhere = format!("SFB:{}", record(&second, MARIA.2));
    let answer = line.lookup(json!({ "externalId": elsewhere, "callId": "e-2" })).await;
    assert_eq!(answer.id(), elsewhere, "the prefix says whose it is");
    for odd in ["XYZ:0031", "rubbish", "CRM:"] {
        let body = json!({ "fromNumber": MARIA.1, "externalId": odd, "callId": line.new_call() });
        let answer = line.lookup(body).await;
        assert_eq!(answer["name"], MARIA.0, "the number answers instead of {odd}");
        assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(1), "{odd}: {answer:?}");
    }
    let gone =
        json!({ "fromNumber": MARIA.1, "externalId": "CRM:003000000000000AAA", "callId": "e" });
    assert_eq!(line.lookup(gone).await["name"], MARIA.0, "no record there, the number answers");
}

#[tokio::test]
async fn the_oldest_record_answers_by_default() {
    let line = Line::with_salesforce().start().await;
    for _ in 0..3 {
        assert_eq!(line.call_from(JOHN.1).await.id(), line.id_of(JOHN.2));
        let change = json!({ "Title": "changed today" });
        let jane = record(&line.salesforce, JANE.2);
        line.salesforce.update(&jane, &change).expect("Jane is there");
    }
}

#[tokio::test]
async fn the_policy_most_recent_names_who_called_or_changed_last() {
    let line = Line::with_salesforce()
        .lookup("match", "most_recent")
        .lookup("fresh_for", "0s")
        .lookup("stale_limit", "2ms")
        .start()
        .await;
    let john = record(&line.salesforce, JOHN.2);
    line.salesforce.update(&john, &json!({ "Title": "Director" })).expect("John is there");
    assert_eq!(line.call_from(JOHN.1).await.id(), line.id_of(JOHN.2), "he changed last");
    let body = json!({ "fromNumber": JANE.1, "email": JANE.2, "callId": "jane" });
    assert_eq!(line.lookup(body).await["name"], JANE.0);
    assert_eq!(line.call_from(JOHN.1).await.id(), line.id_of(JANE.2), "she called last");
}

#[tokio::test]
async fn the_policy_ambiguous_names_nobody_and_says_how_many() {
    let line = Line::with_salesforce().and_genesys().lookup("match", "ambiguous").start().await;
    let (placed, answer) = line.arrives(JOHN.1).await;
    answer.assert_by_number("ambiguous");
    assert_eq!((&answer["candidateCount"], &answer["name"]), (&json!(2), &json!("")));
    line.until_quiet().await;
    let told = line.genesys().attributes(&placed.conversation_id, &placed.participant_id);
    let told = told.expect("the conversation");
    assert_eq!(told.get("candidateCount").map(String::as_str), Some("2"), "{told:?}");
    let candidates = told.get("candidates").cloned().unwrap_or_default();
    for person in [JOHN, JANE] {
        assert!(candidates.contains(&line.id_of(person.2)), "the agent's side knows {candidates}");
    }
    let body = json!({ "fromNumber": JANE.1, "email": JANE.2, "callId": "both" });
    assert_eq!(line.lookup(body).await["name"], JANE.0, "two identifiers settle it");
}

#[tokio::test]
async fn a_queue_has_a_policy_of_its_own() {
    let queue =
        "[[queues]]\nname = \"Careful\"\nconnection = \"salesforce\"\nmatch = \"ambiguous\"";
    let line = Line::with_salesforce().section(queue).start().await;
    let body = json!({ "fromNumber": JOHN.1, "queueId": "Careful", "callId": "q" });
    line.lookup(body).await.assert_by_number("ambiguous");
    assert_eq!(line.call_from(JOHN.1).await["name"], JOHN.0);
}

#[tokio::test]
async fn what_the_crm_has_told_us_answers_whatever_its_index_hides() {
    let line = Line::with_salesforce().index_lag(Duration::from_secs(3_600)).start().await;
    let person = json!({ "FirstName": "Ada", "LastName": "Fresh", "Phone": "317.555.0123", "Email": "ada@example.com" });
    line.salesforce.add("Contact", &person).expect("a contact");
    let first = json!({ "fromNumber": STRANGER, "callId": "first" });
    line.lookup(first).await.assert_by_number("miss");
    line.until_stored_as("first", "hit").await;
    let next = line.call_from(STRANGER).await;
    next.assert_hit("directory");
    assert_eq!(next.id(), external_id(&line.salesforce, "ada@example.com"));
    assert_eq!(next["data"]["previousInteractionCount"], 1, "the first call counts to Ada now");
}
