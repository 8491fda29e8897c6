//! The contact center learns of who called, by what costs least.

use crate::rig::people::record;
use crate::rig::{JOHN, Line, MARIA, Person, Place, STRANGER, until, until_some};
use connectors::genesys_cloud::sim::{NewCall, PlacedCall};
use connectors::salesforce::sim::Permissions;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

crate::facts! {
    a_known_and_unchanged_caller_costs_no_request
    a_new_person_becomes_one_contact_tied_to_the_call
    a_partial_call_gets_what_its_flow_could_not_set
    ten_people_travel_in_one_request
    numbers_and_names_reach_the_platform_as_the_crm_keeps_them
    who_calls_again_and_again_is_in_a_request_once
    a_conversation_that_the_platform_does_not_know_is_a_stated_skip
}

fn attributes(line: &Line, call: &PlacedCall) -> BTreeMap<String, String> {
    let all = line.genesys().attributes(&call.conversation_id, &call.participant_id);
    all.expect("the conversation")
}

/// Ids that the platform keeps for us, over all contacts.
fn our_ids(line: &Line) -> Vec<String> {
    let contacts = line.genesys().contacts();
    let ids = contacts.iter().filter_map(|contact| contact["externalIds"].as_array());
    ids.flatten().filter_map(|id| id["value"].as_str().map(str::to_owned)).collect()
}

async fn a_known_and_unchanged_caller_costs_no_request(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(60).on(place).start().await;
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    line.until_quiet().await;
    line.until_the_directory_knows(MARIA.1).await;
    let before = line.platform_requests();
    for _ in 0..5 {
        line.arrives(MARIA.1).await.1.assert_hit("directory");
        assert_eq!(line.jobs().await, Vec::<Value>::new(), "nothing is left to do");
    }
    assert_eq!(line.platform_requests(), before);
    // The same person by the same record, changed in the CRM, is news.
    let maria = record(&line.salesforce, MARIA.2);
    let change = json!({ "Email": "maria.new@example.com" });
    line.salesforce.update(&maria, &change).expect("Maria is there");
    assert_eq!(line.platform_requests(), before, "nobody has told us yet");
}

async fn a_new_person_becomes_one_contact_tied_to_the_call(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        let (call, answer) = line.arrives(MARIA.1).await;
        answer.assert_whole();
        calls.push(call);
    }
    line.until_quiet().await;
    let id = line.id_of(MARIA.2);
    let ours = line.contacts_of(&id);
    assert_eq!(ours.len(), 1, "{ours:?}");
    let contact = &ours[0];
    assert_eq!((&contact["firstName"], &contact["lastName"]), (&json!("Maria"), &json!("Garcia")));
    assert_eq!(contact["workEmail"], MARIA.2);
    assert!(contact.to_string().contains(MARIA.1), "{contact}");
    assert_eq!(contact["type"], "Curated", "{contact}");
    assert_eq!(our_ids(&line), [id]);
    let tied = line.genesys().associations();
    let first = tied.iter().find(|one| one.conversation_id == calls[0].conversation_id);
    let on_call = first.map(|one| one.external_contact_id.clone());
    // The platform may have linked the call to that very contact by itself already.
    let linked = on_call.flatten().or_else(|| calls[0].external_contact_id.clone());
    let linked = linked.and_then(|id| line.genesys().contact(&id)).expect("a contact on the call");
    assert_eq!(linked["id"], contact["id"]);
    assert_eq!(line.jobs().await, Vec::<Value>::new());
}

async fn a_partial_call_gets_what_its_flow_could_not_set(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    let (known, answer) = line.arrives(MARIA.1).await;
    answer.assert_by_number("partial");
    let (unknown, answer) = line.arrives(STRANGER).await;
    answer.assert_by_number("partial");
    line.crm_recovers();
    line.until_stored_as(&known.conversation_id, "hit").await;
    line.until_stored_as(&unknown.conversation_id, "miss").await;
    line.until_quiet().await;

    let maria = attributes(&line, &known);
    let of = |key: &str| maria.get(key).map(String::as_str);
    assert_eq!(of("externalId"), Some(line.id_of(MARIA.2).as_str()), "{maria:?}");
    assert_eq!((of("identityStatus"), of("customerName")), (Some("hit"), Some(MARIA.0)));
    assert_eq!(of("PT_SearchValue"), Some(MARIA.2));
    let url = of("PT_URLPop").expect("what to pop");
    assert!(url.starts_with(&line.salesforce.url()), "{url}");
    assert!(url.contains(&record(&line.salesforce, MARIA.2)), "{url}");

    let stranger = attributes(&line, &unknown);
    assert_eq!(stranger.get("externalId").map(String::as_str), Some(answer.id()), "{stranger:?}");
    assert_eq!(our_ids(&line), [line.id_of(MARIA.2)], "PHONE: never becomes a contact");
    assert!(line.genesys().end_call(&unknown.conversation_id), "it was live");
    let saved = line.genesys().saved_attributes(&unknown.conversation_id, &unknown.participant_id);
    let saved = saved.expect("analytics has it");
    assert_eq!(saved.get("externalId").map(String::as_str), Some(answer.id()));
}

async fn ten_people_travel_in_one_request(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(60).on(place).start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    let mut calls = Vec::new();
    let people: Vec<Person> = Line::loners(11);
    for person in &people {
        let (call, answer) = line.arrives(&person.number).await;
        answer.assert_by_number("partial");
        calls.push(call);
    }
    // While the first push is on its way, the others gather behind it.
    line.genesys()
        .faults()
        .add(Rule::always(Fault::slow(Duration::from_secs(4))).on("enrich").times(1));
    line.crm_recovers();
    for call in &calls {
        line.until_stored_as(&call.conversation_id, "hit").await;
    }
    line.until_quiet().await;
    for person in &people {
        assert_eq!(line.contacts_of(&line.id_of(&person.email)).len(), 1, "{person:?}");
    }
    let pushes = line.platform_requests();
    let pushes = pushes.iter().filter(|seen| seen.contains("enrich")).count();
    assert!(pushes <= 3, "{pushes} requests for eleven people");
    assert_eq!(line.jobs().await, Vec::<Value>::new());
}

async fn numbers_and_names_reach_the_platform_as_the_crm_keeps_them(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let person = json!({
        "FirstName": "Gabriel",
        "LastName": "García Márquez",
        "Email": "gabriel@example.com",
        "MobilePhone": "(555) 019-7701",
        "OtherPhone": "555.019.7702",
    });
    line.salesforce.add("Contact", &person).expect("a contact");
    line.arrives("+15550197701").await.1.assert_hit("crm");
    line.until_quiet().await;
    let ours = line.contacts_of(&line.id_of("gabriel@example.com"));
    assert_eq!(ours.len(), 1, "{ours:?}");
    let contact = &ours[0];
    assert_eq!(contact["firstName"], "Gabriel");
    assert_eq!(contact["lastName"], "García Márquez", "not split anew");
    assert_eq!(contact["cellPhone"]["e164"], "+15550197701");
    assert_eq!(contact["otherPhone"]["e164"], "+15550197702");
    for slot in ["workPhone", "homePhone"] {
        assert!(contact[slot].is_null(), "nothing of that kind is known: {contact}");
    }
}

/// Whom each request to enrich was about.
fn enriched(line: &Line) -> Vec<Vec<String>> {
    let log = line.genesys().faults().requests().log();
    let sent = log.iter().filter(|seen| seen.target.contains("enrich"));
    let bodies = sent.map(|seen| serde_json::from_str::<Value>(&seen.body).expect("JSON"));
    let whom = |one: &Value| one["matchingIdentifiers"][0]["value"].as_str().map(str::to_owned);
    bodies
        .map(|body| match body["entities"].as_array() {
            Some(all) => all.iter().filter_map(whom).collect(),
            None => whom(&body).into_iter().collect(),
        })
        .collect()
}

async fn who_calls_again_and_again_is_in_a_request_once(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(60).on(place).start().await;
    let people: Vec<Person> = Line::loners(2);
    let slow = Rule::always(Fault::slow(Duration::from_secs(2))).on("enrich").times(1);
    line.genesys().faults().add(slow);
    line.arrives(&people[0].number).await.1.assert_whole();
    until("the first push is on its way", async || !enriched(&line).is_empty()).await;
    // These gather behind it, each with a job of its own.
    let mut calls = Vec::new();
    for _ in 0..3 {
        let (call, answer) = line.arrives(&people[1].number).await;
        answer.assert_whole();
        calls.push(call);
    }
    line.until_quiet().await;
    let id = line.id_of(&people[1].email);
    let requests = enriched(&line);
    let about = requests.iter().filter(|whom| whom.contains(&id)).count();
    assert!((1..3).contains(&about), "three jobs traveled together: {requests:?}");
    for whom in &requests {
        let times = whom.iter().filter(|one| **one == id).count();
        assert!(times <= 1, "{times} times in one request, where it would race with itself");
    }
    let ours = line.contacts_of(&id);
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(line.jobs().await, Vec::<Value>::new(), "every call's job has ended");
}

async fn a_conversation_that_the_platform_does_not_know_is_a_stated_skip(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let gone = "7f0d3c1e-9a3b-4c1d-8e2f-000000000001";
    for call in ["abc-123-def-456", gone] {
        line.lookup(json!({ "fromNumber": JOHN.1, "callId": call })).await.assert_whole();
    }
    line.until_quiet().await;
    let jobs = line.jobs().await;
    assert!(!jobs.is_empty(), "the first call was of a person unknown to the platform");
    for job in &jobs {
        assert_eq!(job["state"], "skipped", "{job}");
        assert!(job["note"].as_str().is_some_and(|why| why.contains("does not know")), "{job}");
    }
    assert_eq!(line.contacts_of(&line.id_of(JOHN.2)).len(), 1, "John is known all the same");
}

#[tokio::test]
async fn a_dialled_customer_gets_what_a_flow_could_not_set() {
    let line = Line::with_salesforce().and_genesys().start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    let call = line.genesys().place_call(&NewCall {
        outbound: true,
        ani: "tel:+15550190000".to_owned(),
        dnis: format!("tel:{}", MARIA.1),
        user_id: Some("00000000-0000-4000-8000-000000000007".to_owned()),
        queue_id: Some(line.genesys().queues()[0].0.clone()),
        ..NewCall::default()
    });
    let body = json!({
        "fromNumber": "+15550190000", "toNumber": MARIA.1, "callId": call.conversation_id,
        "type": "outbound", "userId": "agent-7",
    });
    line.lookup(body).await.assert_by_number("partial");
    line.crm_recovers();
    line.until_stored_as(&call.conversation_id, "hit").await;
    line.until_quiet().await;
    let told = attributes(&line, &call);
    assert_eq!(told.get("externalId"), Some(&line.id_of(MARIA.2)), "{told:?}");
    let tied = line.genesys().associations();
    let contact = &line.contacts_of(&line.id_of(MARIA.2))[0];
    let tie = tied.iter().find(|one| one.conversation_id == call.conversation_id);
    let tie = tie.and_then(|one| one.external_contact_id.as_deref());
    assert_eq!(tie, contact["id"].as_str(), "a dialled call is tied by us alone");
}

#[tokio::test]
async fn a_conversation_that_has_ended_is_a_stated_skip() {
    let line = Line::with_salesforce().and_genesys().start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    let (call, _) = line.arrives(MARIA.1).await;
    assert!(line.genesys().end_call(&call.conversation_id));
    line.crm_recovers();
    line.until_stored_as(&call.conversation_id, "hit").await;
    line.until_quiet().await;
    let jobs = line.jobs().await;
    assert!(jobs.iter().all(|job| job["state"] == "skipped"), "{jobs:?}");
    let dead = line.jobs_in("dead").await;
    assert!(dead.is_empty(), "{dead:?}");
}

#[tokio::test]
async fn a_changed_person_is_told_again() {
    let line =
        Line::with_salesforce().and_genesys().lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = line.start().await;
    line.arrives(MARIA.1).await;
    line.until_quiet().await;
    let maria = record(&line.salesforce, MARIA.2);
    let change = json!({ "Email": "maria.new@example.com" });
    line.salesforce.update(&maria, &change).expect("Maria is there");
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    until("the contact has the new address", async || {
        let contacts = line.contacts_of(&line.id_of("maria.new@example.com"));
        contacts.len() == 1 && contacts[0]["workEmail"] == "maria.new@example.com"
    })
    .await;
    line.until_quiet().await;
    let before = line.platform_requests();
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    assert_eq!(line.jobs().await, Vec::<Value>::new(), "unchanged again");
    assert_eq!(line.platform_requests(), before);
}

#[tokio::test]
async fn a_flow_that_sets_nothing_has_everything_set_for_it() {
    let line = Line::with_salesforce().and_genesys().contact_center("flow_sets_attributes = false");
    let line = line.start().await;
    let (known, answer) = line.arrives(MARIA.1).await;
    answer.assert_hit("crm");
    let (unknown, stranger) = line.arrives(STRANGER).await;
    stranger.assert_by_number("miss");
    line.until_quiet().await;
    let told = attributes(&line, &known);
    assert_eq!(told.get("externalId").map(String::as_str), Some(answer.id()), "{told:?}");
    assert_eq!(told.get("PT_SearchValue").map(String::as_str), Some(MARIA.2));
    let told = attributes(&line, &unknown);
    assert_eq!(told.get("externalId").map(String::as_str), Some(stranger.id()), "{told:?}");
    assert_eq!(our_ids(&line), [line.id_of(MARIA.2)]);
}

#[tokio::test]
async fn a_repeated_push_has_no_second_effect() {
    let line = Line::with_salesforce().and_genesys().start().await;
    // Carried out, but we never learn of it: the job is repeated.
    let lost = Rule::always(Fault::Truncate).on("enrich").times(1);
    line.genesys().faults().add(lost);
    let (call, _) = line.arrives(MARIA.1).await;
    until("it was tried twice", async || {
        line.platform_requests().iter().filter(|seen| seen.contains("enrich")).count() >= 2
    })
    .await;
    line.until_quiet().await;
    assert_eq!(line.contacts_of(&line.id_of(MARIA.2)).len(), 1);
    assert_eq!(line.jobs().await, Vec::<Value>::new());
    let tied = line.genesys().associations();
    let of_call = tied.iter().filter(|one| one.conversation_id == call.conversation_id);
    assert!(of_call.count() <= 1, "{tied:?}");
}

#[tokio::test]
async fn a_throttle_of_the_platform_is_kept_to() {
    let line = Line::with_salesforce().and_genesys().start().await;
    let throttle = Fault::Vendor("throttled:3".to_owned());
    line.genesys().faults().add(Rule::always(throttle).on("enrich").times(1));
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    let throttled = until_some("the platform has refused", async || {
        let log = line.genesys().faults().requests().log();
        log.iter().any(|seen| seen.status == 429).then(Instant::now)
    })
    .await;
    let asked = line.platform_requests().len();
    line.arrives(JOHN.1).await;
    until("it is asked again", async || line.platform_requests().len() > asked).await;
    let waited = throttled.elapsed();
    assert!(waited >= Duration::from_millis(2_800), "asked again after {waited:?}");
    line.until_quiet().await;
    for person in [MARIA, JOHN] {
        assert_eq!(line.contacts_of(&line.id_of(person.2)).len(), 1);
    }
    assert!(line.jobs_in("dead").await.is_empty());
}

#[tokio::test]
async fn a_platform_that_is_down_delays_no_call_and_loses_nothing() {
    let line = Line::with_salesforce().and_genesys().people(60).start().await;
    line.genesys()
        .faults()
        .add(Rule::always(Fault::Vendor("unavailable".to_owned())).on("/api/v2/"));
    let people = Line::loners(5);
    for person in &people {
        line.arrives(&person.number).await.1.assert_hit("crm");
    }
    line.genesys().faults().clear();
    line.until_quiet().await;
    for person in &people {
        assert_eq!(line.contacts_of(&line.id_of(&person.email)).len(), 1, "{person:?}");
    }
    assert_eq!(line.jobs().await, Vec::<Value>::new());
}

#[tokio::test]
async fn check_is_content_when_everything_is_granted() {
    let line = Line::with_salesforce().and_genesys().lay().await;
    let ended = line.command(&["check"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.lines().all(|line| line.starts_with("ok ")), "{}", ended.out);
    for connection in ["salesforce: ", "genesys: "] {
        assert!(ended.out.contains(connection), "{}", ended.out);
    }
    assert!(!line.folder.join("tieline.db").exists(), "it opens no store");
}

#[tokio::test]
async fn check_names_each_permission_that_was_taken_away_at_the_platform() {
    let line = Line::with_salesforce().and_genesys().lay().await;
    for (method, path) in [
        ("GET", "/externalsources"),
        ("POST", "/contacts/enrich"),
        ("GET", "/conversations/{conversationId}"),
        ("PATCH", "/attributes"),
        ("PUT", "/externalcontacts/conversations/{conversationId}"),
    ] {
        let mut operations = connectors::genesys_cloud::sim::operations();
        let operation = operations.find(|(m, p, _)| m == method && p.ends_with(path));
        let (.., permissions) = operation.unwrap_or_else(|| panic!("{method} {path} is simulated"));
        // Any one of them is enough, so that all are taken.
        permissions.iter().for_each(|one| line.genesys().take_permission(one));
        let ended = line.command(&["check"]).await;
        permissions.iter().for_each(|one| line.genesys().give_permission(one));
        if permissions.is_empty() {
            continue;
        }
        assert_eq!(ended.code, Some(1), "{permissions:?}: {ended:?}");
        let names = |line: &str| permissions.iter().any(|one| line.contains(one));
        let told = ended.out.lines().any(|line| line.starts_with("FAIL") && names(line));
        assert!(told, "{permissions:?}: {}", ended.out);
        assert!(ended.out.contains("connection.scope_missing"), "{permissions:?}: {}", ended.out);
    }
}

#[tokio::test]
async fn check_names_what_salesforce_hides() {
    let line = Line::with_salesforce().start().await;
    let hide = |fields: &[&str], objects: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        line.salesforce.set_permissions(Permissions {
            hidden_fields: owned(fields),
            hidden_objects: owned(objects),
            ..Permissions::default()
        });
    };
    hide(&["Contact.Loyalty_Tier__c", "Contact.CRM_Case_Id__c"], &[]);
    let ended = line.command(&["check", "--json"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let findings: Value = serde_json::from_str(&ended.out).expect("JSON");
    let flaws: Vec<&Value> =
        findings.as_array().expect("a list").iter().filter(|one| one["ok"] == false).collect();
    for field in ["Loyalty_Tier__c", "CRM_Case_Id__c"] {
        let flaw = flaws.iter().find(|one| one.to_string().contains(field));
        let flaw = flaw.unwrap_or_else(|| panic!("{field} is not named: {findings}"));
        assert_eq!(flaw["connection"], "salesforce");
        assert_eq!(flaw["code"], "connection.field_missing");
        let page =
            line.get(&format!("/docs/errors/{}", flaw["code"].as_str().expect("a code"))).await;
        assert_eq!(page.status, 200, "{flaw}");
    }
    // The running server says the same.
    let asked = line.post("/api/v1/connections/check", &json!({})).await;
    assert!(asked.body.to_string().contains("Loyalty_Tier__c"), "{asked:?}");
    hide(&[], &["Contact"]);
    let ended = line.command(&["check"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("FAIL") && ended.out.contains("Contact"), "{}", ended.out);
}

#[tokio::test]
async fn check_names_credentials_that_are_refused_and_vendors_that_are_down() {
    let mut line = Line::with_salesforce().and_genesys().lay().await;
    for (name, connection) in [("SALESFORCE_SECRET", "salesforce"), ("GENESYS_SECRET", "genesys")] {
        let right = line.environment.clone();
        for variable in &mut line.environment {
            if variable.0 == name {
                variable.1 = "canary-of-a-wrong-secret".to_owned();
            }
        }
        let ended = line.command(&["check"]).await;
        line.environment = right;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = |line: &str| line.starts_with("FAIL") && line.contains(connection);
        assert!(ended.out.lines().any(told), "{}", ended.out);
        assert!(ended.out.contains("connection.credentials_refused"), "{}", ended.out);
        assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
    }
    line.salesforce.faults().add(Rule::always(Fault::Reset));
    let ended = line.command(&["check"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("connection.unreachable"), "{}", ended.out);
}
