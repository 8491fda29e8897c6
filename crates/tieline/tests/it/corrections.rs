//! An agent knows better: the call follows, the next call too, and it is written down.

use crate::rig::people::record;
use crate::rig::plan::salesforce_section;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, until, until_some};
use connectors::salesforce;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

crate::facts! {
    a_confirmed_correction_changes_the_call_and_answers_the_next
    what_is_not_confirmed_changes_nothing_and_is_written_down
    a_correction_survives_a_kill
    the_contact_center_follows_a_correction
}

impl Line {
    async fn correct(&self, call: &str, to: &str) -> Answer {
        let body = json!({ "callId": call, "newExternalId": to, "reason": "the caller said so" });
        let answer = self.post("/api/v1/genesys/update-context", &body).await;
        assert_eq!(answer.status, 200, "a flow would take its failure exit: {answer:?}");
        answer
    }

    async fn overrides(&self) -> Vec<Value> {
        self.get("/api/v1/overrides").await.body.as_array().expect("a list").clone()
    }

    async fn acts(&self) -> Vec<String> {
        let entries = self.get("/api/v1/audit").await.body;
        let entries = entries.as_array().expect("a list").iter();
        entries.map(|entry| entry["action"].as_str().expect("a word").to_owned()).collect()
    }
}

async fn a_confirmed_correction_changes_the_call_and_answers_the_next(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let body = json!({ "fromNumber": JOHN.1, "callId": "c-1" });
    assert_eq!(line.lookup(body.clone()).await["name"], JOHN.0);
    let (john, jane) = (line.id_of(JOHN.2), line.id_of(JANE.2));
    // Typed with the short form of the id, as an agent reads it off a page.
    let answer = line.correct("c-1", &format!(" {} ", &jane[..jane.len() - 3])).await;
    assert_eq!((answer.id(), &answer["previousExternalId"]), (jane.as_str(), &json!(john)));
    for flag in ["confirmed", "changed", "remembered"] {
        assert_eq!(answer[flag], true, "{flag}: {answer:?}");
    }
    assert_eq!((&answer["name"], &answer["reason"]), (&json!(JANE.0), &json!("")));
    assert_eq!(line.stored("c-1").await["externalId"], jane);
    assert_eq!(line.lookup(body).await.id(), jane, "also when the flow asks again");

    let next = line.call_from(JANE.1).await;
    assert_eq!((next.id(), &next["name"]), (jane.as_str(), &json!(JANE.0)));
    assert_eq!(next["data"]["previousInteractionCount"], 1, "the corrected call counts to Jane");
    let known = line.overrides().await;
    assert_eq!((known.len(), &known[0]["externalId"]), (1, &json!(jane)));
    assert_eq!((&known[0]["number"], &known[0]["queue"]), (&json!(JOHN.1), &json!("")));
    let one = line.get(&format!("/api/v1/overrides/{}", known[0]["id"])).await;
    assert_eq!(one.body, known[0]);

    let cleared = line.command(&["overrides", "clear", "--number", JOHN.1]).await;
    assert_eq!((cleared.code, cleared.out.trim()), (Some(0), r#"{"cleared":1}"#), "{cleared:?}");
    assert_eq!(line.call_from(JOHN.1).await.id(), john, "as before");
    assert_eq!(line.acts().await, ["overrides.cleared", "context.corrected"]);
    let verdict = line.command(&["audit", "verify"]).await;
    assert!(verdict.out.starts_with("2 entries, head ") && verdict.code == Some(0), "{verdict:?}");
}

async fn what_is_not_confirmed_changes_nothing_and_is_written_down(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    line.until_quiet().await;
    let (john, before) = (line.id_of(JOHN.2), line.platform_requests());
    let jobs = line.jobs().await;
    let wrong = [
        "CRM:003000000000000AAA",
        "XYZ:0035g00000ABCdEAAW",
        "PHONE:00112233445566778899aabbccddeeff",
        "my customer number is 4711",
        "CRM:' OR Name LIKE '%",
        "",
    ];
    for new in wrong {
        let answer = line.correct("c-1", new).await;
        assert_eq!((answer.id(), &answer["confirmed"]), (john.as_str(), &json!(false)), "{new}");
        assert_eq!((&answer["changed"], &answer["name"]), (&json!(false), &json!("")), "{new}");
        assert!(!answer["reason"].as_str().unwrap_or_default().is_empty(), "{new}: {answer:?}");
    }
    let unknown = line.correct("never-seen", &line.id_of(JANE.2)).await;
    assert_eq!((unknown.id(), &unknown["confirmed"]), ("UNKNOWN", &json!(false)));
    assert_eq!(line.stored("c-1").await["externalId"], john);
    assert!(line.overrides().await.is_empty());
    assert_eq!(line.jobs().await, jobs, "nothing new is left to do");
    assert_eq!(line.platform_requests(), before);
    let acts = line.acts().await;
    assert_eq!(acts.len(), wrong.len() + 1, "{acts:?}");
    assert!(acts.iter().all(|act| act == "context.refused"), "{acts:?}");
}

async fn a_correction_survives_a_kill(place: Place) {
    let mut line = Line::with_salesforce().on(place).start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    let jane = line.id_of(JANE.2);
    line.correct("c-1", &jane).await;
    line.kill().await;
    line.start_server().await;
    assert_eq!(line.stored("c-1").await["externalId"], jane);
    assert_eq!(line.call_from(JOHN.1).await.id(), jane);
}

async fn the_contact_center_follows_a_correction(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let (call, answer) = line.arrives(JOHN.1).await;
    assert_eq!(answer["name"], JOHN.0);
    line.until_quiet().await;
    let jane = line.id_of(JANE.2);
    let corrected = line.correct(&call.conversation_id, &jane).await;
    assert_eq!(corrected["contactCenter"], "queued");
    line.until_quiet().await;
    let attributes = line.genesys().attributes(&call.conversation_id, &call.participant_id);
    let attributes = attributes.expect("the conversation");
    assert_eq!(attributes.get("externalId"), Some(&jane));
    assert_eq!(attributes.get("customerName").map(String::as_str), Some(JANE.0));
    let contact = &line.contacts_of(&jane)[0]["id"];
    let tied = line.genesys().associations();
    let last = tied.iter().rfind(|tie| tie.conversation_id == call.conversation_id);
    let last = last.and_then(|tie| tie.external_contact_id.as_deref());
    assert_eq!(last, contact.as_str(), "the call hangs on Jane's contact");
}

#[tokio::test]
async fn a_withheld_number_is_never_remembered() {
    let line = Line::with_salesforce().start().await;
    line.lookup(json!({ "fromNumber": "anonymous", "callId": "c-1" })).await;
    let answer = line.correct("c-1", &line.id_of(JANE.2)).await;
    assert_eq!((&answer["confirmed"], &answer["remembered"]), (&json!(true), &json!(false)));
    assert!(line.overrides().await.is_empty());
    let other = line.lookup(json!({ "fromNumber": "anonymous", "callId": "c-2" })).await;
    assert_eq!(other.id(), "UNKNOWN");
}

#[tokio::test]
async fn a_crm_that_hangs_confirms_nothing_and_holds_up_no_flow() {
    let line = Line::with_salesforce();
    let line = line.section("[corrections]\nconfirm_within = \"200ms\"").start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    line.crm_does(Fault::Hang);
    let answer = line.correct("c-1", &line.id_of(JANE.2)).await;
    assert!(answer.took < Duration::from_secs(3), "{:?}", answer.took);
    assert_eq!((answer.id(), &answer["confirmed"]), (line.id_of(JOHN.2).as_str(), &json!(false)));
    assert!(answer["reason"].as_str().is_some_and(|r| r.contains("in time")), "{answer:?}");
}

#[tokio::test]
async fn a_correction_may_hold_in_its_own_queue_alone() {
    let queues = "[corrections]\nper_queue = true\n\n[[queues]]\nname = \"Sales\"\nids = [\"q-1\"]\n\
                  connection = \"salesforce\"";
    let line = Line::with_salesforce().section(queues).start().await;
    let jane = line.id_of(JANE.2);
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1", "queueId": "q-1" })).await;
    line.correct("c-1", &jane).await;
    let by_name = json!({ "fromNumber": JOHN.1, "callId": "c-2", "queueId": "sales" });
    assert_eq!(line.lookup(by_name).await.id(), jane, "by whatever word of the queue");
    assert_eq!(line.call_from(JOHN.1).await.id(), line.id_of(JOHN.2), "not elsewhere");
    assert_eq!(line.overrides().await[0]["queue"], "sales");
}

#[tokio::test]
async fn a_correction_to_another_crm_is_confirmed_there() {
    let second = salesforce::sim::start(Default::default()).await.expect("a Salesforce");
    let section = salesforce_section("second", "SFB", &second.url());
    let line = Line::with_salesforce().section(&section).start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    let maria = format!("SFB:{}", record(&second, MARIA.2));
    assert_eq!(line.correct("c-1", &maria).await.id(), maria);
    let next = line.call_from(JOHN.1).await;
    assert_eq!((next.id(), &next["name"]), (maria.as_str(), &json!(MARIA.0)));
}

#[tokio::test]
async fn a_correction_whose_record_is_deleted_lapses() {
    let line = Line::with_salesforce().lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = line.start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    line.correct("c-1", &line.id_of(JANE.2)).await;
    line.salesforce.delete(&record(&line.salesforce, JANE.2)).expect("Jane is there");
    assert_eq!(line.call_from(JOHN.1).await.id(), line.id_of(JOHN.2), "answered at once");
    until("the correction has lapsed", async || line.overrides().await.is_empty()).await;
    assert_eq!(line.acts().await[0], "override.lapsed");
}

#[tokio::test]
async fn a_correction_whose_record_is_merged_follows_the_merge() {
    let line = Line::with_salesforce().lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = line.start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    line.correct("c-1", &line.id_of(JANE.2)).await;
    let (jane, maria) = (record(&line.salesforce, JANE.2), record(&line.salesforce, MARIA.2));
    line.salesforce.merge(&jane, &maria).expect("both are there");
    line.call_from(JOHN.1).await.assert_whole();
    let maria = line.id_of(MARIA.2);
    until("the correction follows", async || line.overrides().await[0]["externalId"] == maria)
        .await;
    assert_eq!(line.call_from(JOHN.1).await.id(), maria);
    assert_eq!(line.acts().await[0], "override.followed");
}

#[tokio::test]
async fn a_partial_call_of_a_corrected_number_is_finished_as_corrected() {
    let line = Line::with_salesforce().deadline("300ms").limit("timeout = \"1s\"");
    let line = line.lookup("fresh_for", "0s").lookup("stale_limit", "0s").start().await;
    let jane = line.id_of(JANE.2);
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await;
    line.correct("c-1", &jane).await;
    let fails = Fault::Status { code: 503, body: None };
    line.salesforce.faults().add(Rule::always(fails).on("/services/data/"));
    let answer = line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-2" })).await;
    assert_ne!(answer.id(), line.id_of(JOHN.2), "never the other one: {answer:?}");
    line.crm_recovers();
    let stored = until_some("it is known who called", async || {
        let stored = line.stored("c-2").await;
        (stored["status"] == "hit").then_some(stored)
    });
    assert_eq!(stored.await["externalId"], jane);
}
