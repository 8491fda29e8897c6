//! Each form of a message, and the platform's own samples.

use super::read;
use domain::timeline::{Event, Kind, fold};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A real body of the vendor's, where the specifications are there.
fn sample(name: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs");
    let root = std::env::var_os("TIELINE_SPECS").map_or_else(|| beside.into(), PathBuf::from);
    let text = std::fs::read(root.join("genesys/samples").join(name));
    let Ok(text) = text else {
        eprintln!("SKIPPED specs: no genesys/samples/{name} below TIELINE_SPECS");
        return None;
    };
    Some(serde_json::from_slice(&text).expect(name))
}

fn events(message: &Value) -> Vec<Event> {
    read(message).expect("of this platform").expect("readable")
}

/// An event in one line; what is not said is not there.
fn line(event: &Event) -> String {
    let mut line = format!("{} {} {}", event.call, event.at, event.kind.as_str());
    let mut add = |name: &str, said: Option<String>| {
        if let Some(said) = said {
            line.push_str(&format!(" {name}={said}"));
        }
    };
    let session = event.session.as_ref();
    add("session", session.map(|s| format!("{}:{}", s.side.as_str(), s.id)));
    add("until", event.until.map(|until| until.to_string()));
    add("talk", event.spent.talk_ms.map(|ms| ms.to_string()));
    add("hold", event.spent.hold_ms.map(|ms| ms.to_string()));
    add("work", event.spent.work_ms.map(|ms| ms.to_string()));
    add("queue", event.queue.clone());
    add("agent", event.agent.clone());
    add("wrap_up", event.wrap_up.clone());
    add("notes", event.notes.clone());
    add("transfer", event.is_transfer.then(String::new));
    add("whole", event.is_whole.then(String::new));
    line
}

fn snapshot(name: &str, events: &[Event]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../fixtures");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = events.iter().map(line).collect::<Vec<_>>().join("\n");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// As a user of the vendor's community has shown it, with ids of our own.
fn user_end() -> Value {
    json!({
        "eventTime": 1_757_114_358_862_i64, "conversationId": "c1", "participantId": "p1",
        "sessionId": "s1", "disconnectType": "TRANSFER", "mediaType": "VOICE", "provider": "Edge",
        "direction": "OUTBOUND", "ani": "sip:a@localhost", "dnis": "tel:+15550199999",
        "userId": "u1", "divisionId": "d1", "queueId": "q1", "interactingDurationMs": 51274,
        "heldDurationMs": 0, "alertingDurationMs": 0, "contactingDurationMs": 1242,
        "dialingDurationMs": 4549, "callbackDurationMs": 0, "conversationExternalContactIds": ["x"],
    })
}

#[test]
fn the_same_event_reads_the_same_in_every_wrapping() {
    let body = user_end();
    let topic = "v2.detail.events.conversation.c1.user.end";
    let of_any = "v2.detail.events.conversation.{id}.user.end";
    let notification = json!({ "topicName": topic, "version": "2", "eventBody": body });
    let mut with_topic = body.clone();
    with_topic["topicName"] = of_any.into();
    let mut as_texts = body.clone();
    as_texts["eventTime"] = "1757114358862".into();
    as_texts["interactingDurationMs"] = "51274".into();
    as_texts["heldDurationMs"] = "0".into();
    let forms = [
        json!({ "version": "0", "id": "e", "detail-type": of_any, "source": "aws.partner/x",
            "account": "1", "time": "2025-09-05T23:19:19Z", "region": "r", "resources": [],
            "detail": notification }),
        notification.clone(),
        json!({ "jsonData": notification }),
        json!({ "jsonData": body }),
        json!({ "jsonData": body.to_string() }),
        with_topic,
        body.clone(),
        as_texts,
    ];
    let expected = "c1 2025-09-05T23:19:18.862Z left session=agent:s1 talk=51274 hold=0 queue=q1 \
        agent=u1 transfer=";
    for form in &forms {
        let lines: Vec<String> = events(form).iter().map(line).collect();
        assert_eq!(lines, [expected], "{form}");
    }
}

#[test]
fn flat_messages_tell_their_topic_by_their_fields() {
    let check = |more: Value, expected: Option<Kind>| {
        let mut body = json!({
            "eventTime": 1, "conversationId": "c", "sessionId": "s", "mediaType": "VOICE",
        });
        let fields = body.as_object_mut().expect("an object");
        fields.extend(more.as_object().cloned().unwrap_or_default());
        let kinds: Vec<Kind> = events(&body).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, expected.into_iter().collect::<Vec<_>>(), "{more}");
    };
    check(json!({ "disconnectType": "PEER" }), Some(Kind::Left));
    check(json!({ "userId": "u", "disconnectType": "PEER" }), Some(Kind::Left));
    check(json!({ "userId": "u", "wrapupCode": "w" }), Some(Kind::WorkEnded));
    check(json!({ "wrapupCode": "w", "wrapupNotes": "n" }), Some(Kind::WrappedUp));
    check(json!({ "acdOutcome": "ABANDON", "disconnectType": "PEER" }), None);
    check(json!({ "flowId": "f", "disconnectType": "PEER" }), None);
    check(json!({ "mediaType": "COBROWSE", "disconnectType": "PEER" }), None);
}

#[test]
fn what_is_missing_is_named_and_what_is_strange_is_not_ours() {
    let refused = |body: Value| match read(&body).expect("of this platform") {
        Err(kit::Error::Invalid { field, .. }) => field.expect("a field"),
        other => panic!("{body}: {other:?}"),
    };
    let with = |key: &str, value: Value| {
        let mut body = user_end();
        body[key] = value;
        body
    };
    assert_eq!(refused(with("conversationId", json!(""))), "conversationId");
    assert_eq!(refused(with("eventTime", json!("soon"))), "eventTime");
    assert_eq!(refused(with("sessionId", Value::Null)), "sessionId");
    let bare = json!({ "conversationId": "c", "eventTime": 1, "sessionId": "s" });
    assert_eq!(refused(bare), "topicName");
    for strange in [json!(1), json!("x"), json!([]), json!({}), json!({ "hello": "you" })] {
        assert!(read(&strange).is_none(), "{strange}");
    }
    let elsewhere = json!({ "topicName": "v2.users.1.presence", "eventBody": { "source": "x" } });
    assert_eq!(events(&elsewhere), []);
}

#[test]
fn the_vendors_samples_read_as_their_snapshots_say() {
    let names = [
        ("eventbridge-customer.end", "event-customer-end"),
        ("conversation-get.ended-call", "event-conversation"),
    ];
    for (name, snap) in names {
        let Some(sample) = sample(&format!("{name}.json")) else { return };
        let events = events(&sample);
        snapshot(snap, &events);
    }
    let Some(audit) = sample("eventbridge-audit-UserPresence.json") else { return };
    assert_eq!(events(&audit), [], "a presence is no call");
}

/// Each conversation's talk, hold and after-call work, by the platform's own metrics
/// and by ours: transfers, consults and several customers are among them.
#[test]
fn times_of_real_conversations_are_those_that_the_platform_measured() {
    let Some(sample) = sample("analytics-conversation-details.fixture.json") else { return };
    let all = sample["conversations"].as_array().expect("conversations");
    let mut with_agents = 0;
    for conversation in all {
        let mut measured = (0, 0, 0);
        let participants = conversation["participants"].as_array().expect("participants");
        for participant in participants {
            if !["agent", "user"].contains(&participant["purpose"].as_str().unwrap_or_default()) {
                continue;
            }
            for session in participant["sessions"].as_array().into_iter().flatten() {
                let metrics = session["metrics"].as_array();
                let sum = |name: &str| -> u64 {
                    let metrics = metrics.into_iter().flatten().filter(|m| m["name"] == name);
                    metrics.filter_map(|m| m["value"].as_u64()).sum()
                };
                let talk = sum("tTalkComplete");
                measured.0 += talk;
                measured.1 += sum("tHeldComplete");
                measured.2 += sum("tAcw");
                with_agents += usize::from(talk > 0);
            }
        }
        let outcome = fold(&events(conversation), None);
        let ours = (outcome.talk_ms, outcome.hold_ms, outcome.work_ms);
        assert_eq!(ours, measured, "{}: {outcome:?}", conversation["conversationId"]);
        assert!(outcome.ended.is_some() && !outcome.is_estimated, "{outcome:?}");
    }
    assert!(with_agents >= 8, "only {with_agents} sessions of agents");
}
