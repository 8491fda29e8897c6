//! Who calls were from is found out after the fact, once.

use crate::rig::plan::salesforce_section;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, STRANGER, until, until_some};
use connectors::genesys_cloud::sim::{NewCall, PlacedCall};
use connectors::salesforce;
use domain::Timestamp;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

crate::facts! {
    a_call_known_by_a_number_alone_is_linked_written_back_and_not_touched_again
    a_call_that_was_never_seen_is_stored_and_linked
    a_dry_run_writes_nothing_and_says_what_the_run_then_does
    what_an_agent_has_corrected_goes_before_a_search
    a_number_of_several_people_stays_and_is_reported
    a_crm_that_is_down_leaves_the_run_partial_and_the_next_one_continues
    a_platform_that_throttles_is_waited_for_and_one_that_is_down_is_told
    many_calls_are_looked_up_in_bulk
    a_contact_of_the_platforms_own_outlives_its_sixty_days
}

/// Begins a run and waits for its end; its report.
pub(crate) async fn reconcile(line: &Line, body: Value) -> Value {
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
pub(crate) fn writes(line: &Line) -> Vec<String> {
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

async fn what_an_agent_has_corrected_goes_before_a_search(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let answer = line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await;
    answer.assert_hit("crm");
    let jane = line.id_of(JANE.2);
    let body = json!({ "callId": "c-1", "newExternalId": jane, "reason": "it is her phone" });
    let corrected = line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!(corrected["confirmed"], true, "{corrected:?}");
    let unseen = line.place_call(JOHN.1).conversation_id;
    assert!(line.genesys().end_call(&unseen));
    let report = reconcile(&line, json!({})).await;
    assert_eq!((&report["counts"]["unseen"], &report["counts"]["linked"]), (&json!(1), &json!(1)));
    assert_eq!(line.stored(&unseen).await["externalId"], jane);
    assert_eq!(line.stored("c-1").await["externalId"], jane, "what an agent said stays");
}

async fn a_number_of_several_people_stays_and_is_reported(place: Place) {
    let plan = Line::with_salesforce().and_genesys().lookup("match", "ambiguous");
    let line = plan.on(place).start().await;
    let (placed, answer) = line.arrives(JOHN.1).await;
    answer.assert_by_number("ambiguous");
    line.until_quiet().await;
    assert!(line.genesys().end_call(&placed.conversation_id));
    let (before, calls) = (writes(&line), line.calls().await);
    let report = reconcile(&line, json!({})).await;
    assert_eq!(report["counts"], json!({ "ambiguous": 1 }), "{report}");
    assert_eq!(report["calls"][0]["callId"], placed.conversation_id.as_str());
    assert!(report["reasons"][0]["reason"].as_str().expect("a reason").contains("several records"));
    assert_eq!((writes(&line), line.calls().await), (before, calls));
}

async fn a_crm_that_is_down_leaves_the_run_partial_and_the_next_one_continues(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let (placed, id) = a_stranger_calls_and_becomes_known(&line).await;
    let unseen = line.place_call(MARIA.1).conversation_id;
    assert!(line.genesys().end_call(&unseen));
    line.crm_does(Fault::Status { code: 503, body: None });
    let report = reconcile(&line, json!({})).await;
    assert_eq!(report["state"], "partial", "{report}");
    assert_eq!(report["counts"], json!({ "unasked": 2 }), "{report}");
    assert!(report["note"].as_str().expect("a note").contains("salesforce"), "{report}");
    assert_eq!(line.stored(&unseen).await.status, 404, "nobody is made a stranger by that");
    line.crm_recovers();
    until("the calls are older than the next run looks by itself", async || {
        let seen = line.stored(&placed.conversation_id).await;
        let at = seen["arrivedAt"].as_str().and_then(Timestamp::parse).expect("a time");
        let now = Timestamp::parse(&now()).expect("a time");
        now.since(at) > Duration::from_secs(2)
    })
    .await;
    // It goes back to where the last one began, however little it is asked for.
    let report = reconcile(&line, json!({ "since": "1s" })).await;
    assert_eq!(report["state"], "done", "{report}");
    assert_eq!(report["counts"]["linked"], 2, "{report}");
    assert_eq!(line.stored(&placed.conversation_id).await["externalId"], id);
}

fn now() -> String {
    engine::Clock::System.now().to_string()
}

async fn a_platform_that_throttles_is_waited_for_and_one_that_is_down_is_told(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    let (placed, id) = a_stranger_calls_and_becomes_known(&line).await;
    let history = "/analytics/conversations/details/query";
    let rule = |fault: &str| Rule::always(Fault::Vendor(fault.to_owned())).on(history);
    line.genesys().faults().add(rule("unavailable"));
    let report = reconcile(&line, json!({})).await;
    assert_eq!((&report["state"], &report["counts"]["unread"]), (&json!("partial"), &json!(1)));
    assert!(report["note"].as_str().expect("a note").contains("history"), "{report}");
    // What needs no history was done all the same.
    assert_eq!(line.stored(&placed.conversation_id).await["externalId"], id);
    line.genesys().faults().clear();
    line.genesys().faults().add(rule("throttled:1").times(2));
    let unseen = line.place_call(MARIA.1).conversation_id;
    assert!(line.genesys().end_call(&unseen));
    let report = reconcile(&line, json!({})).await;
    assert_eq!((&report["state"], &report["counts"]["unseen"]), (&json!("done"), &json!(1)));
}

async fn many_calls_are_looked_up_in_bulk(place: Place) {
    let plan = Line::with_salesforce().and_genesys().people(120).on(place);
    let generous = "[connections.genesys.limits]\nrequests_per_minute = 100000\n\n\
        [calls.activity]\nenabled = false\n";
    let line = plan.section(generous).start().await;
    line.genesys().set_rate_per_minute(100_000);
    let people = Line::loners(40);
    for n in 0..120 {
        let call = line.place_call(&people[n % people.len()].number).conversation_id;
        assert!(line.genesys().end_call(&call));
    }
    let searches = || {
        let log = line.salesforce.faults().requests().log();
        log.iter().filter(|seen| seen.target.contains("/search")).count()
    };
    let before = searches();
    let report = reconcile(&line, json!({})).await;
    assert_eq!((&report["state"], &report["examined"]), (&json!("done"), &json!(120)));
    assert_eq!(report["counts"]["linked"], 120, "{}", report["counts"]);
    let asked = searches() - before;
    assert!((1..=20).contains(&asked), "{asked} searches for 40 numbers on two pages");
    let contacts = line.genesys().contacts();
    let ours = contacts.iter().filter(|contact| contact["externalIds"].is_array()).count();
    assert_eq!(ours, people.len(), "a person is one contact");
    // The report is read in pages.
    let path = format!("/api/v1/reconcile/runs/{}?limit=100", report["runId"]);
    let first = line.get(&path).await;
    let next = first["next"].as_str().expect("a page").to_owned();
    let second = line.get(&format!("{path}&after={next}")).await;
    let count = |page: &Answer| page["calls"].as_array().expect("a list").len();
    assert_eq!((count(&first), count(&second), &second["next"]), (100, 20, &json!("")));
}

async fn a_contact_of_the_platforms_own_outlives_its_sixty_days(place: Place) {
    let line = Line::with_salesforce().and_genesys().on(place).start().await;
    // The platform makes a contact for the number; the second call is tied to it again.
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    line.until_quiet().await;
    let (second, answer) = line.arrives(MARIA.1).await;
    answer.assert_hit("directory");
    let made = second.external_contact_id.expect("a contact");
    assert_eq!(line.genesys().contact(&made).expect("it")["type"], "Identified");
    let stranger = line.place_call(STRANGER);
    line.until_quiet().await;
    for call in [&second.conversation_id, &stranger.conversation_id] {
        assert!(line.genesys().end_call(call));
    }
    let dry = reconcile(&line, json!({ "dryRun": true })).await;
    assert_eq!(dry["counts"]["promoted"], 1, "{dry}");
    assert_eq!(line.genesys().contact(&made).expect("it")["type"], "Identified", "it was dry");
    let report = reconcile(&line, json!({})).await;
    assert_eq!(report["counts"], dry["counts"]);
    let expired = line.genesys().expire_contacts(Duration::from_secs(61 * 86_400));
    assert_eq!(expired, [stranger.external_contact_id.expect("a contact")]);
    assert_eq!(line.genesys().contact(&made).expect("kept")["type"], "Curated");
    let customer = line.get(&format!("/api/v2/customers/{made}")).await;
    assert_eq!(customer["externalId"], line.id_of(MARIA.2), "{customer:?}");
    let again = reconcile(&line, json!({})).await;
    assert_eq!(again["counts"].get("promoted"), None, "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_run_is_under_way_at_a_time_and_goes_on_after_a_restart() {
    let mut line = Line::with_salesforce().and_genesys().start().await;
    line.genesys().faults().add(Rule::always(Fault::Hang).on("/details/query"));
    let first = line.post("/api/v1/reconcile", &json!({})).await;
    let busy = line.post("/api/v1/reconcile", &json!({})).await;
    assert_eq!((busy.status, &busy["error"]["code"]), (409, &json!("reconcile.busy")), "{busy:?}");
    let path = format!("/api/v1/reconcile/runs/{}", first["runId"]);
    until("it is worked on", async || line.get(&path).await["state"] == "running").await;
    // A stop does not wait for it.
    assert_eq!(line.stop().await, Some(0));
    line.genesys().faults().clear();
    line.start_server().await;
    until("it has ended", async || line.get(&path).await["state"] == "done").await;
    let runs = line.get("/api/v1/reconcile/runs").await;
    assert_eq!(runs.body.as_array().map(Vec::len), Some(1), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_shows_the_run_and_exits_as_it_went() {
    let line = Line::with_salesforce().and_genesys().start().await;
    let (placed, _) = a_stranger_calls_and_becomes_known(&line).await;
    let dry = line.command(&["reconcile", "--dry-run", "--since", "2h"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.out.contains("would be linked to a record"), "{}", dry.out);
    assert!(dry.err.contains("reading what the contact center remembers"), "{}", dry.err);
    let run = line.command(&["reconcile"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains(&placed.conversation_id) && !run.out.contains(STRANGER), "{run:?}");
    let json = line.command(&["reconcile", "--json"]).await;
    let report: Value = serde_json::from_str(&json.out).expect("one JSON object");
    assert_eq!((&report["state"], &report["counts"]["known"]), (&json!("done"), &json!(1)));
    let runs = line.command(&["reconcile", "runs"]).await;
    assert_eq!((runs.code, runs.out.lines().count()), (Some(0), 3), "{runs:?}");
    for wrong in ["yesterday", "0s"] {
        let refused = line.command(&["reconcile", "--since", wrong]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("24h"), "{refused:?}");
    }
    line.crm_does(Fault::Status { code: 503, body: None });
    let unseen = line.place_call(MARIA.1).conversation_id;
    assert!(line.genesys().end_call(&unseen));
    let partial = line.command(&["reconcile"]).await;
    assert_eq!(partial.code, Some(1), "{partial:?}");
    assert!(partial.err.contains("partial") && partial.err.contains("salesforce"), "{partial:?}");
    let metrics = line.get("/metrics").await.body.to_string();
    assert!(
        metrics.contains("tieline_reconciliations_total{state=\\\"partial\\\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("tieline_reconciled_calls_total{what=\\\"linked\\\"} 1"), "{metrics}");
    let log = line.log();
    assert!(!log.contains(STRANGER) && !log.contains("Newman"), "nobody is named in the log");
    assert_eq!(line.get("/api/v1/reconcile/runs/999").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_gone_fails_its_own_calls_alone() {
    let second = salesforce::sim::start(Default::default()).await.expect("a Salesforce");
    let section = salesforce_section("second", "SFB", &second.url());
    let queue = "\n[[queues]]\nname = \"Second\"\nconnection = \"second\"\n";
    let gone = format!("{section}{queue}");
    let mut line = Line::with_salesforce().and_genesys().section(&gone).start().await;
    let of_second = json!({ "fromNumber": STRANGER, "callId": "c-1", "queueId": "Second" });
    line.lookup(of_second).await.assert_by_number("miss");
    line.lookup(json!({ "fromNumber": STRANGER, "callId": "c-2" })).await.assert_by_number("miss");
    line.until_quiet().await;
    let id = becomes_known(&line);
    let config = std::fs::read_to_string(&line.config).expect("the configuration");
    std::fs::write(&line.config, config.replace(&gone, "")).expect("the configuration");
    line.restart().await;
    let report = reconcile(&line, json!({})).await;
    assert_eq!((&report["state"], &report["examined"]), (&json!("done"), &json!(2)), "{report}");
    let counts = &report["counts"];
    assert_eq!((&counts["failed"], &counts["linked"]), (&json!(1), &json!(1)), "{report}");
    let told = report["calls"].as_array().expect("a list");
    let refused = told.iter().find(|call| call["callId"] == "c-1").expect("it is told");
    assert!(refused["reason"].as_str().expect("a reason").contains("no longer configured"));
    assert_eq!(line.stored("c-2").await["externalId"], id);
}
