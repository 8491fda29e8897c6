//! Who calls were from is found out after the fact, once.

use crate::rig::{Line, MARIA, Place, STRANGER, until_some};
use connectors::genesys_cloud::sim::{NewCall, PlacedCall};
use serde_json::{Value, json};

crate::facts! {
    a_call_known_by_a_number_alone_is_linked_written_back_and_not_touched_again
    a_call_that_was_never_seen_is_stored_and_linked
    a_dry_run_writes_nothing_and_says_what_the_run_then_does
}

/// Begins a run and waits for its end; its report.
async fn reconcile(line: &Line, body: Value) -> Value {
    let begun = line.post("/api/v1/reconcile", &body).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/reconcile/runs/{}", begun["runId"]);
    until_some("the run has ended", async || {
        let run = line.get(&path).await.body;
        let has_ended = run["endedAt"].as_str().is_some_and(|at| !at.is_empty());
        has_ended.then_some(run)
    })
    .await
}

/// Everything that was ever written to the vendors: method and path of each request.
fn writes(line: &Line) -> Vec<String> {
    let platform = line.genesys().faults().requests().log();
    let crm = line.salesforce.faults().requests().log();
    let reads = ["/oauth/", "/services/oauth2/", "/details/query", "/bulk/contacts?", "/search"];
    let is_write = |method: &str, target: &str| {
        method != "GET"
            && !reads.iter().any(|read| target.contains(read))
            && !target.ends_with("/externalcontacts/bulk/contacts")
    };
    let all = platform.iter().chain(&crm).filter(|seen| is_write(&seen.method, &seen.target));
    all.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

/// Somebody calls whom the CRM does not know, and hangs up; only then they become known.
async fn a_stranger_calls_and_becomes_known(line: &Line) -> (PlacedCall, String) {
    let (placed, answer) = line.arrives(STRANGER).await;
    answer.assert_by_number("miss");
    line.until_quiet().await;
    assert!(line.genesys().end_call(&placed.conversation_id));
    (placed, becomes_known(line))
}

fn becomes_known(line: &Line) -> String {
    let person = json!({
        "FirstName": "Nora", "LastName": "Newman", "Phone": STRANGER, "Email": "nora@example.com"
    });
    line.salesforce.add("Contact", &person).expect("a contact");
    line.id_of("nora@example.com")
}

async fn a_call_known_by_a_number_alone_is_linked_written_back_and_not_touched_again(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let (placed, id) = a_stranger_calls_and_becomes_known(&line).await;
    let report = reconcile(&line, json!({})).await;
    assert_eq!(report["state"], "done", "{report}");
    assert_eq!((&report["counts"]["linked"], &report["examined"]), (&json!(1), &json!(1)));
    let stored = line.stored(&placed.conversation_id).await;
    assert_eq!((&stored["externalId"], &stored["status"]), (&json!(id), &json!("hit")));
    let contacts = line.contacts_of(&id);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    assert_eq!(contacts[0]["type"], "Curated");
    let tied = line.genesys().associations();
    assert_eq!(tied.len(), 1, "{tied:?}");
    assert_eq!(tied[0].external_contact_id.as_deref(), contacts[0]["id"].as_str());
    // Attributes of what has ended stay as they are: that is told, by the call's id.
    let told = &report["calls"][0];
    assert_eq!(told["callId"], placed.conversation_id.as_str(), "{report}");
    assert!(told["reason"].as_str().expect("a reason").contains("no attributes"), "{report}");
    assert_eq!(report["counts"]["reported"], 1, "{report}");

    let (before, calls) = (writes(&line), line.calls().await);
    let again = reconcile(&line, json!({})).await;
    assert_eq!((&again["state"], &again["counts"]), (&json!("done"), &json!({ "known": 1 })));
    assert_eq!(writes(&line), before, "a second run writes nothing");
    assert_eq!(line.calls().await, calls, "and changes nothing");
}

async fn a_call_that_was_never_seen_is_stored_and_linked(place: Place) {
    let quick = "[calls]\nsettle_for = \"50ms\"\n";
    let line = Line::with_salesforce().and_genesys().section(quick).on(place).start().await;
    let queue = line.genesys().queues()[0].0.clone();
    let call = NewCall {
        ani: format!("sip:{}@10.1.2.3;transport=tcp", MARIA.1),
        dnis: "tel:+15550190000".to_owned(),
        queue_id: Some(queue.clone()),
        user_id: Some("5b1c9a34-7c1d-4a8e-9a52-0f0c5f9d1a11".to_owned()),
        ..NewCall::default()
    };
    let placed = line.genesys().place_call(&call);
    let withheld = NewCall { ani: "sip:anonymous@anonymous.invalid".to_owned(), ..call.clone() };
    let withheld = line.genesys().place_call(&withheld);
    let live = line.place_call(STRANGER);
    for ended in [&placed, &withheld] {
        assert!(line.genesys().end_call(&ended.conversation_id));
    }
    let report = reconcile(&line, json!({ "since": "1h" })).await;
    assert_eq!(report["state"], "done", "{report}");
    let expected = json!({ "linked": 1, "unseen": 1, "withheld": 1, "ongoing": 1, "reported": 1 });
    assert_eq!(report["counts"], expected, "{report}");
    let id = line.id_of(MARIA.2);
    let stored = line.stored(&placed.conversation_id).await;
    assert_eq!((&stored["externalId"], &stored["queue"]), (&json!(id), &json!(queue)));
    assert_eq!(stored["answeredInUs"], 0, "nobody was answered");
    assert!(stored["warnings"][0].as_str().expect("a warning").contains("reconciliation"));
    assert_eq!(line.contacts_of(&id).len(), 1);
    assert_eq!(line.stored(&withheld.conversation_id).await.status, 404);
    assert_eq!(line.stored(&live.conversation_id).await.status, 404);
    // Its end is told in the history, so the CRM gets its activity.
    let task = format!("SELECT WhoId FROM Task WHERE CallObject = '{}'", placed.conversation_id);
    let tasks = until_some("the activity is written", async || {
        let tasks = line.salesforce.query(&task).expect("a query");
        (!tasks.is_empty()).then_some(tasks)
    })
    .await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(id, format!("CRM:{}", tasks[0]["WhoId"].as_str().expect("a record")));
    line.until_quiet().await;
    let before = writes(&line);
    let again = reconcile(&line, json!({ "since": "1h" })).await;
    assert_eq!(again["counts"], json!({ "known": 1, "withheld": 1, "ongoing": 1 }), "{again}");
    line.until_quiet().await;
    assert_eq!(writes(&line), before);
}

async fn a_dry_run_writes_nothing_and_says_what_the_run_then_does(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(60).on(place).start().await;
    let (_, id) = a_stranger_calls_and_becomes_known(&line).await;
    for person in Line::loners(3) {
        let unseen = line.place_call(&person.number);
        assert!(line.genesys().end_call(&unseen.conversation_id));
    }
    line.until_quiet().await;
    let (before, calls, jobs) = (writes(&line), line.calls().await, line.jobs().await);
    let dry = reconcile(&line, json!({ "dryRun": true })).await;
    assert_eq!(dry["counts"]["linked"], 4, "{dry}");
    assert_eq!((writes(&line), line.calls().await, line.jobs().await), (before, calls, jobs));
    assert_eq!(line.contacts_of(&id), Vec::<Value>::new());
    let real = reconcile(&line, json!({})).await;
    for part in ["state", "counts", "examined", "reasons", "calls"] {
        assert_eq!(dry[part], real[part], "{part}");
    }
    assert_eq!(line.contacts_of(&id).len(), 1);
}
