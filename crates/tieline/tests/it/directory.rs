//! Our own copy of the CRM: when it answers, when it is renewed, what it saves.

use crate::rig::people::record;
use crate::rig::{JOHN, Line, MARIA, Place, STRANGER, join_all, until};
use serde_json::json;
use sim::faults::Fault;
use std::time::Duration;

crate::facts! {
    the_second_call_costs_no_crm_request
    who_is_known_by_another_identifier_is_answered_at_once
    whoever_else_shares_a_number_is_found_out_behind
    the_copy_outlives_a_restart
    a_stale_entry_answers_and_is_renewed_behind
    past_its_limit_the_crm_is_asked_first
    a_person_who_is_gone_from_the_crm_is_no_longer_named
    a_number_that_moves_takes_its_calls_along
    past_its_limit_the_copy_serves_marked_when_the_crm_fails
    what_a_late_answer_brings_is_found_by_the_next_call
}

async fn the_second_call_costs_no_crm_request(place: Place) {
    // Over the network a caller waits for the directory only so long; here writes have an order.
    let is_sure_at_once = !matches!(place, Place::Postgres(_));
    let line = Line::with_salesforce().on(place).start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    if !is_sure_at_once {
        line.until_the_directory_knows(JOHN.1).await;
    }
    let asked = line.crm_requests();
    for _ in 0..5 {
        assert_eq!(line.call_from(JOHN.1).await["name"], JOHN.0);
        assert_eq!(line.crm_requests(), asked, "also at once after the first");
    }
    line.until_the_directory_knows(JOHN.1).await;
    assert_eq!(line.crm_requests(), asked);
}

async fn who_is_known_by_another_identifier_is_answered_at_once(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    line.until_the_directory_knows(MARIA.1).await;
    let by_email = json!({ "email": MARIA.2, "callId": "by-email" });
    line.lookup(by_email).await.assert_hit("directory");
    let by_id = json!({ "externalId": line.id_of(MARIA.2), "callId": "by-id" });
    line.lookup(by_id).await.assert_hit("directory");
}

async fn whoever_else_shares_a_number_is_found_out_behind(place: Place) {
    let line = Line::with_salesforce().on(place).lookup("match", "ambiguous").start().await;
    // Known by e-mail alone: nobody has asked yet who has this number.
    let by_email = json!({ "email": JOHN.2, "callId": "by-email" });
    line.lookup(by_email).await.assert_hit("crm");
    until("both are known by the number", async || {
        line.call_from(JOHN.1).await["status"] == "ambiguous"
    })
    .await;
}

async fn the_copy_outlives_a_restart(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let first = line.until_the_directory_knows(JOHN.1).await;
    let asked = line.crm_requests();
    line.restart().await;
    let again = line.call_from(JOHN.1).await;
    again.assert_hit("directory");
    assert_eq!(again["asOf"], first["asOf"], "as old as its CRM's word");
    assert_eq!(line.crm_requests(), asked);
}

async fn a_stale_entry_answers_and_is_renewed_behind(place: Place) {
    let line = Line::with_salesforce().on(place).lookup("fresh_for", "0s");
    let line = line.limit("timeout = \"500ms\"").start().await;
    line.call_from(MARIA.1).await.assert_hit("crm");
    // A CRM that hangs shows that nobody waits for it.
    line.crm_does(Fault::Hang);
    let stale = line.until_the_directory_knows(MARIA.1).await;
    assert_eq!(stale["data"]["loyaltyTier"], "Bronze", "what we had");
    assert_eq!(stale["stale"], false, "within its limit");
    let asked = line.crm_requests();
    let maria = record(&line.salesforce, MARIA.2);
    let change = json!({ "Loyalty_Tier__c": "Platinum" });
    line.salesforce.update(&maria, &change).expect("Maria is there");
    line.crm_recovers();
    until("the CRM is asked behind and the news is there", async || {
        let answer = line.call_from(MARIA.1).await;
        answer.assert_hit("directory");
        answer["data"]["loyaltyTier"] == "Platinum"
    })
    .await;
    assert!(line.crm_requests() > asked);
}

async fn past_its_limit_the_crm_is_asked_first(place: Place) {
    let line =
        Line::with_salesforce().on(place).lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = line.start().await;
    let maria = record(&line.salesforce, MARIA.2);
    for tier in ["Silver", "Gold", "Platinum"] {
        line.salesforce.update(&maria, &json!({ "Loyalty_Tier__c": tier })).expect("Maria");
        let answer = line.call_from(MARIA.1).await;
        answer.assert_hit("crm");
        assert_eq!(
            (&answer["data"]["loyaltyTier"], &answer["stale"]),
            (&json!(tier), &json!(false))
        );
    }
}

async fn a_person_who_is_gone_from_the_crm_is_no_longer_named(place: Place) {
    let line = Line::with_salesforce().on(place).lookup("fresh_for", "0s").start().await;
    line.until_the_directory_knows(MARIA.1).await;
    let maria = record(&line.salesforce, MARIA.2);
    line.salesforce.delete(&maria).expect("Maria was there");
    until("the deletion is known", async || {
        let answer = line.call_from(MARIA.1).await;
        answer.assert_whole();
        answer["status"] == "miss"
    })
    .await;
}

async fn a_number_that_moves_takes_its_calls_along(place: Place) {
    let line = Line::with_salesforce().on(place);
    let line = line.lookup("fresh_for", "0s").lookup("stale_limit", "0s").start().await;
    line.call_from(MARIA.1).await.assert_hit("crm");
    let maria = record(&line.salesforce, MARIA.2);
    line.salesforce.update(&maria, &json!({ "Phone": STRANGER })).expect("Maria is there");
    line.call_from(MARIA.1).await.assert_by_number("miss");
    let moved = line.call_from(STRANGER).await;
    assert_eq!(moved.id(), line.id_of(MARIA.2));
    assert_eq!(moved["data"]["previousInteractionCount"], 1, "the call that was hers");
}

async fn past_its_limit_the_copy_serves_marked_when_the_crm_fails(place: Place) {
    let line =
        Line::with_salesforce().on(place).lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = line.limit("timeout = \"500ms\"").start().await;
    line.call_from(MARIA.1).await.assert_hit("crm");
    let mut as_of = None;
    for fault in [Fault::Hang, Fault::Reset, Fault::Html200, Fault::Throttled] {
        line.crm_does(fault.clone());
        let answer = line.call_from(MARIA.1).await;
        answer.assert_hit("directory");
        assert_eq!(answer.id(), line.id_of(MARIA.2), "{fault:?}");
        assert_eq!(answer["stale"], true, "{fault:?}");
        let said = as_of.get_or_insert_with(|| answer["asOf"].clone());
        assert_eq!(answer["asOf"], *said, "{fault:?}: and says how old it is");
        line.crm_recovers();
    }
}

async fn what_a_late_answer_brings_is_found_by_the_next_call(place: Place) {
    let line = Line::with_salesforce().on(place).deadline("150ms").start().await;
    line.crm_does(Fault::slow(Duration::from_millis(700)));
    let first = json!({ "fromNumber": MARIA.1, "callId": "first" });
    line.lookup(first).await.assert_by_number("partial");
    line.crm_recovers();
    let better = line.until_stored_as("first", "hit").await;
    assert_eq!(better["externalId"], line.id_of(MARIA.2));
    assert_ne!(better["identifiedAt"], "");
    let next = line.call_from(MARIA.1).await;
    next.assert_hit("directory");
    assert_eq!(next.id(), line.id_of(MARIA.2));
    assert_eq!(next["data"]["previousInteractionCount"], 1, "the first call is Maria's now");
    let log = line.salesforce.faults().requests().log();
    let searches = log.iter().filter(|seen| seen.target.contains("/search")).count();
    assert_eq!(searches, 1, "the call's own request was awaited, not doubled");
}

#[tokio::test]
async fn a_miss_is_remembered() {
    let line = Line::with_salesforce().start().await;
    line.call_from(STRANGER).await.assert_by_number("miss");
    line.until_quiet().await;
    let asked = line.crm_requests();
    for _ in 0..3 {
        line.call_from(STRANGER).await.assert_by_number("miss");
    }
    line.until_quiet().await;
    assert_eq!(line.crm_requests(), asked);
}

#[tokio::test]
async fn a_miss_is_forgotten_in_time() {
    let line = Line::with_salesforce().lookup("remember_misses_for", "1ms").start().await;
    line.call_from(STRANGER).await.assert_by_number("miss");
    line.until_quiet().await;
    let person = json!({ "LastName": "New", "Phone": STRANGER, "Email": "new@example.com" });
    line.salesforce.add("Contact", &person).expect("a contact");
    let answer = line.call_from(STRANGER).await;
    answer.assert_hit("crm");
    assert_eq!(answer.id(), line.id_of("new@example.com"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_concurrent_lookups_of_one_number_make_one_request() {
    let line = Line::with_salesforce().deadline("10s").start().await;
    line.crm_does(Fault::slow(Duration::from_secs(1)));
    let asked = line.crm_requests();
    let bodies = (0..50).map(|n| json!({ "fromNumber": JOHN.1, "callId": format!("same-{n}") }));
    let lookups: Vec<_> = bodies.map(|body| line.lookup(body)).collect();
    let mut counts = Vec::new();
    for answer in join_all(lookups).await {
        answer.assert_hit("crm");
        counts.push(answer["data"]["previousInteractionCount"].as_u64().expect("a count"));
    }
    assert_eq!(line.crm_requests(), asked + 1);
    counts.sort_unstable();
    assert_eq!(counts, (0..50).collect::<Vec<_>>(), "each was counted once");
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_request() {
    let line = Line::with_salesforce().deadline("20s").start().await;
    line.crm_does(Fault::slow(Duration::from_secs(2)));
    let asked = line.crm_requests();
    let body = json!({ "fromNumber": MARIA.1, "callId": "impatient" });
    let impatient = tokio::time::timeout(Duration::from_millis(500), line.lookup(body)).await;
    assert!(impatient.is_err(), "it hung up");
    until("the CRM was asked", async || line.crm_requests() == asked + 1).await;
    line.crm_recovers();
    let answer = line.until_the_directory_knows(MARIA.1).await;
    assert_eq!(answer.id(), line.id_of(MARIA.2));
    assert_eq!(line.crm_requests(), asked + 1, "the one request served everybody");
}
