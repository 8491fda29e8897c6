//! What is told of calls: stored once, folded into an outcome, and one activity in the CRM.

use crate::rig::people::record;
use crate::rig::plan::Plan;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, STRANGER, until, until_some};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

crate::facts! {
    a_plain_end_becomes_one_task
    the_same_end_in_any_form_is_told_once
    an_end_before_its_start_and_its_call_is_used
    an_end_survives_a_restart_and_a_kill
    a_call_has_one_task_however_the_crm_fails
    a_late_wrap_up_changes_the_same_task
    the_last_external_id_counts
    who_is_found_after_the_end_has_the_task
    a_caller_known_by_a_number_alone_has_no_task
    what_cannot_be_read_is_refused_and_nothing_of_it_is_stored
}

/// A line whose calls are closed soon after their last event.
fn plan(place: Place) -> Plan {
    let soon = "[calls]\nsettle_for = \"150ms\"\n";
    Line::with_salesforce().on(place).limit("timeout = \"600ms\"").section(soon)
}

async fn told(line: &Line, body: &Value) -> Answer {
    line.post("/api/v1/genesys/events", body).await
}

/// What became of the events: stored, repeated, ignored, not understood.
fn counts(answer: &Answer) -> [u64; 4] {
    assert_eq!(answer.status, 202, "{answer:?}");
    ["stored", "repeated", "ignored", "notUnderstood"]
        .map(|key| answer[key].as_u64().expect("a count"))
}

/// Every Task of that call.
fn tasks(line: &Line, call: &str) -> Vec<Value> {
    let fields = "Id, WhoId, Subject, Description, Status, ActivityDate, CallDurationInSeconds, \
        CallDisposition, CallType, CallObject, TaskSubtype";
    let query = format!("SELECT {fields} FROM Task WHERE CallObject = '{call}'");
    line.salesforce.query(&query).expect("a query")
}

/// How often a Task was created or changed, or should have been.
fn writes(line: &Line) -> usize {
    let log = line.salesforce.faults().requests().log();
    log.iter().filter(|seen| seen.target.contains("/sobjects/Task")).count()
}

/// The call, once its activity says so.
async fn until_journal(line: &Line, call: &str, state: &str) -> Value {
    until_some(&format!("the journal of {call} is {state}"), async || {
        let stored = line.stored(call).await;
        (stored["outcome"]["journal"] == state).then(|| stored.body["outcome"].clone())
    })
    .await
}

fn ended(call: &str) -> Value {
    json!({
        "type": "callEnded", "callId": call, "startedAt": "2026-11-21T20:15:00Z",
        "endedAt": "2026-11-21T20:18:05Z", "queueId": "Support", "userId": "agent-7",
        "wrapUp": "Resolved", "notes": "Wants a call on Monday",
        "talkMs": 150_000, "holdMs": 35_000, "acwMs": 20_000,
    })
}

/// `v2.detail.events.conversation.{id}.….` as the platform's bodies have them.
fn platform(call: &str, session: &str, at: i64, more: Value) -> Value {
    let mut body = json!({
        "eventTime": at, "conversationId": call, "participantId": "p", "sessionId": session,
        "mediaType": "VOICE", "provider": "Edge", "direction": "INBOUND",
    });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    body
}

const NINE: i64 = 1_795_338_000_000; // 2026-11-22T09:00:00Z

async fn a_plain_end_becomes_one_task(place: Place) {
    let line = plan(place).start().await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    assert_eq!(line.stored("c1").await["outcome"]["journal"], "none");
    assert_eq!(counts(&told(&line, &ended("c1")).await), [2, 0, 0, 0]);
    let outcome = until_journal(&line, "c1", "written").await;
    assert_eq!(outcome["handleMs"], 205_000);
    assert_eq!((&outcome["talkMs"], &outcome["holdMs"]), (&json!(150_000), &json!(35_000)));
    assert_eq!((&outcome["acwMs"], &outcome["estimated"]), (&json!(20_000), &json!(false)));
    assert_eq!(outcome["endedAt"], "2026-11-21T20:18:05.000Z");
    assert_eq!((&outcome["wrapUp"], &outcome["userId"]), (&json!(["Resolved"]), &json!("agent-7")));
    let tasks = tasks(&line, "c1");
    let [task] = tasks.as_slice() else { panic!("{tasks:?}") };
    assert_eq!(task["WhoId"], json!(record(&line.salesforce, MARIA.2)));
    assert_eq!((&task["Status"], &task["TaskSubtype"]), (&json!("Completed"), &json!("Call")));
    assert_eq!(
        (&task["CallType"], &task["CallDisposition"]),
        (&json!("Inbound"), &json!("Resolved"))
    );
    assert_eq!(
        (&task["CallDurationInSeconds"], &task["ActivityDate"]),
        (&json!(185), &json!("2026-11-21"))
    );
    assert_eq!(
        (&task["Subject"], &outcome["journalRecord"]),
        (&json!("Call (inbound) Support"), &task["Id"])
    );
    let text = task["Description"].as_str().expect("a text");
    for said in
        ["Agent: agent-7", "Wants a call on Monday", "Talk 2:30, hold 0:35", "handle time 3:25"]
    {
        assert!(text.contains(said), "{said} in {text}");
    }
    // Once more, and once more with the same words: nothing is new, nobody is asked.
    let before = line.crm_requests();
    assert_eq!(counts(&told(&line, &ended("c1")).await), [0, 2, 0, 0]);
    line.until_quiet().await;
    assert_eq!(line.crm_requests(), before);
}

async fn the_same_end_in_any_form_is_told_once(place: Place) {
    let line = plan(place).and_genesys().start().await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    let body = platform(
        "c1",
        "s1",
        NINE,
        json!({
            "disconnectType": "PEER", "userId": "u1", "queueId": "q1",
            "interactingDurationMs": 51_274, "heldDurationMs": 4_000,
        }),
    );
    let (any, topic) = (
        "v2.detail.events.conversation.{id}.user.end",
        "v2.detail.events.conversation.c1.user.end",
    );
    let notification = json!({ "topicName": topic, "version": "2", "eventBody": body });
    let envelope = json!({
        "version": "0", "id": "58fb5dac", "detail-type": any, "source": "aws.partner/genesys.com",
        "account": "1", "time": "2026-11-22T09:00:01Z", "region": "us-east-1", "resources": [],
        "detail": notification,
    });
    assert_eq!(counts(&told(&line, &envelope).await), [1, 0, 0, 0], "EventBridge");
    for (form, message) in [
        ("trigger, TopLevelPrimitives", body.clone()),
        ("trigger, Json", json!({ "jsonData": body })),
        ("trigger, Json as text", json!({ "jsonData": notification.to_string() })),
        ("notification", notification),
        ("a list", json!([envelope])),
        ("a list by name", json!({ "events": [envelope] })),
    ] {
        assert_eq!(counts(&told(&line, &message).await), [0, 1, 0, 0], "{form}");
    }
    let acw = platform(
        "c1",
        "s1",
        NINE + 9_000,
        json!({
            "userId": "u1", "queueId": "q1", "wrapupCode": "w1", "wrapupDurationMs": 9_000,
        }),
    );
    let acd = platform("c1", "s9", NINE, json!({ "acdOutcome": "ANSWERED", "queueId": "q1" }));
    let mixed = json!([acw, acd, { "hello": "you" }]);
    assert_eq!(counts(&told(&line, &mixed).await), [1, 0, 1, 1]);
    until_journal(&line, "c1", "written").await;
    // The first of them may have been written before the last was told.
    let outcome = until_some("all that was told counts", async || {
        let outcome = line.stored("c1").await.body["outcome"].clone();
        (outcome["handleMs"] == 64_274).then_some(outcome)
    })
    .await;
    assert_eq!(outcome["acwMs"], 9_000);
    assert_eq!((&outcome["queue"], &outcome["wrapUp"]), (&json!("q1"), &json!(["w1"])));
    line.until_quiet().await;
    assert_eq!(tasks(&line, "c1").len(), 1);
}

async fn an_end_before_its_start_and_its_call_is_used(place: Place) {
    let line = plan(place).start().await;
    let end = json!({ "type": "callEnded", "callId": "c1", "endedAt": "2026-11-22T09:01:00Z" });
    let start = json!({ "type": "callStarted", "callId": "c1", "startedAt": NINE });
    assert_eq!(counts(&told(&line, &end).await), [1, 0, 0, 0]);
    line.until_quiet().await;
    assert_eq!(line.stored("c1").await.status, 404, "nobody has looked it up");
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    until_journal(&line, "c1", "written").await;
    assert_eq!(counts(&told(&line, &start).await), [1, 0, 0, 0]);
    let outcome = until_some("the start counts", async || {
        let outcome = line.stored("c1").await.body["outcome"].clone();
        (outcome["handleMs"] == 60_000).then_some(outcome)
    })
    .await;
    assert_eq!(outcome["estimated"], true, "nobody told of an agent's time");
    line.until_quiet().await;
    let tasks = tasks(&line, "c1");
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["CallDurationInSeconds"], 60);
}

async fn an_end_survives_a_restart_and_a_kill(place: Place) {
    let mut line = plan(place).start().await;
    for (call, person) in [("c1", MARIA), ("c2", JANE)] {
        line.lookup(json!({ "fromNumber": person.1, "callId": call })).await.assert_whole();
    }
    line.until_quiet().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    assert_eq!(counts(&told(&line, &ended("c1")).await), [2, 0, 0, 0]);
    // Its tokens are of its memory: a server that starts meanwhile logs in anew.
    line.restart().await;
    assert_eq!(counts(&told(&line, &ended("c2")).await), [2, 0, 0, 0]);
    // Both have been tried: over PostgreSQL a job in a dead worker's hands waits for its lease.
    until("every activity waits for its next try", async || {
        let jobs = line.jobs().await;
        let journals: Vec<_> = jobs.iter().filter(|job| job["kind"] == "journal").collect();
        let waits = |job: &&Value| job["state"] == "waiting" && job["note"] != "";
        journals.len() == 2 && journals.iter().all(waits)
    })
    .await;
    line.kill().await;
    line.crm_recovers();
    line.start_server().await;
    for call in ["c1", "c2"] {
        until_journal(&line, call, "written").await;
        assert_eq!(tasks(&line, call).len(), 1, "{call}");
    }
}

async fn a_call_has_one_task_however_the_crm_fails(place: Place) {
    let line = plan(place).start().await;
    let lost = [
        ("down", Fault::Status { code: 503, body: None }),
        ("hanging", Fault::Hang),
        ("answer cut off", Fault::Truncate),
        ("answer never whole", Fault::HangMidBody),
    ];
    for (call, _) in &lost {
        line.lookup(json!({ "fromNumber": MARIA.1, "callId": call.replace(' ', "-") })).await;
    }
    line.until_quiet().await;
    for (call, fault) in lost {
        let call = call.replace(' ', "-");
        let rule = Rule::always(fault).on("/sobjects/Task").times(2);
        line.salesforce.faults().add(rule);
        let before = writes(&line);
        for _ in 0..3 {
            told(&line, &ended(&call)).await;
        }
        until_journal(&line, &call, "written").await;
        line.until_quiet().await;
        assert_eq!(tasks(&line, &call).len(), 1, "{call}");
        assert!(writes(&line) - before >= 3, "{call}: two were spoilt, one was not");
        line.salesforce.faults().clear();
    }
}

async fn a_late_wrap_up_changes_the_same_task(place: Place) {
    let line = plan(place).start().await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    let mut end = ended("c1");
    end["wrapUp"] = "".into();
    told(&line, &end).await;
    let first = until_journal(&line, "c1", "written").await;
    let task = &tasks(&line, "c1")[0];
    assert_eq!(task["CallDisposition"], Value::Null);
    told(&line, &ended("c1")).await;
    let tasks = until_some("the wrap-up is there", async || {
        let tasks = tasks(&line, "c1");
        (tasks[0]["CallDisposition"] == "Resolved").then_some(tasks)
    })
    .await;
    assert_eq!((tasks.len(), &tasks[0]["Id"]), (1, &first["journalRecord"]));
}

async fn the_last_external_id_counts(place: Place) {
    let line = plan(place).start().await;
    let answer = line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c1" })).await;
    told(&line, &ended("c1")).await;
    until_journal(&line, "c1", "written").await;
    let maria = line.id_of(MARIA.2);
    assert_ne!(answer.id(), maria);
    let correction = json!({ "callId": "c1", "newExternalId": maria, "reason": "it was Maria" });
    let corrected = line.post("/api/v1/genesys/update-context", &correction).await;
    assert_eq!(corrected["confirmed"], true, "{corrected:?}");
    let who = json!(record(&line.salesforce, MARIA.2));
    let tasks = until_some("the task is Maria's", async || {
        let tasks = tasks(&line, "c1");
        (tasks[0]["WhoId"] == who).then_some(tasks)
    })
    .await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
}

async fn who_is_found_after_the_end_has_the_task(place: Place) {
    let line = plan(place).start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    let answer = line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await;
    answer.assert_by_number("partial");
    told(&line, &ended("c1")).await;
    until_journal(&line, "c1", "skipped").await;
    line.crm_recovers();
    until_journal(&line, "c1", "written").await;
    line.until_quiet().await;
    assert_eq!(tasks(&line, "c1").len(), 1);
}

async fn a_caller_known_by_a_number_alone_has_no_task(place: Place) {
    let line = plan(place).start().await;
    let before = line.salesforce.count("Task");
    line.lookup(json!({ "fromNumber": STRANGER, "callId": "c1" })).await.assert_by_number("miss");
    line.lookup(json!({ "fromNumber": "anonymous", "callId": "c2" })).await.assert_whole();
    told(&line, &json!([ended("c1"), ended("c2")])).await;
    for call in ["c1", "c2"] {
        let outcome = until_journal(&line, call, "skipped").await;
        assert_eq!(outcome["handleMs"], 205_000, "its times are kept all the same");
    }
    line.until_quiet().await;
    assert_eq!(line.salesforce.count("Task"), before);
}

async fn what_cannot_be_read_is_refused_and_nothing_of_it_is_stored(place: Place) {
    let line = plan(place).and_genesys().start().await;
    line.lookup(json!({ "fromNumber": MARIA.1, "callId": "c1" })).await.assert_hit("crm");
    let with = |key: &str, value: Value| {
        let mut event = ended("c1");
        event[key] = value;
        event
    };
    let flat = platform("c1", "s", NINE, json!({ "queueId": "q" }));
    for (body, at) in [
        (with("callId", json!("")), "callId"),
        (with("callId", json!("a b")), "callId"),
        (with("endedAt", json!("soon")), "endedAt"),
        (with("endedAt", json!(-1)), "endedAt"),
        (with("talkMs", json!(-1)), "talkMs"),
        (with("userId", json!(7)), "userId"),
        (with("queueId", json!("x".repeat(2_000))), "queueId"),
        (json!([ended("c1"), 7]), "[1]"),
        (json!([ended("c1"), with("talkMs", json!("long"))]), "[1].talkMs"),
        (json!({ "events": [ended("c1"), with("callId", Value::Null)] }), "events[1].callId"),
        (json!([ended("c1"), flat]), "[1].topicName"),
        (json!("callEnded"), ""),
    ] {
        let answer = told(&line, &body).await;
        assert_eq!((answer.status, &answer["error"]["at"]), (400, &json!(at)), "{answer:?}");
        assert_eq!(answer["error"]["code"], "request.field_invalid", "{answer:?}");
    }
    assert_eq!(line.stored("c1").await["outcome"]["endedAt"], "");
    assert_eq!(counts(&told(&line, &json!([])).await), [0, 0, 0, 0]);
    // What was refused in company is new when it comes alone.
    assert_eq!(counts(&told(&line, &ended("c1")).await), [2, 0, 0, 0]);
}
