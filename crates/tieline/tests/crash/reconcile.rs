//! A reconciliation that is killed between any two steps is continued, and comes to what
//! it would have come to: each call once, each contact once (invariants 1, 3, 8 and 10).

use crate::TOGETHER;
use crate::rig::{Line, Person, Place, until, until_some};
use connectors::genesys_cloud::sim::NewCall;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Calls that are known by a number alone, and calls that were never seen.
const KNOWN_BY_NUMBER: usize = 6;
const UNSEEN: usize = 30;

/// What one round was and what is wrong after it.
#[derive(Debug)]
pub(crate) struct Round {
    /// The point, and for which time that it was passed.
    pub(crate) at: String,
    pub(crate) died: bool,
    pub(crate) odd: Vec<String>,
}

/// Runs rounds side by side; each dies at a point, for the nth time that it is passed.
pub(crate) async fn all(deaths: Vec<(String, Option<&'static str>)>) -> Vec<Round> {
    let running = async {
        let mut waiting = deaths.into_iter();
        let mut under_way = tokio::task::JoinSet::new();
        let mut rounds = Vec::new();
        loop {
            while under_way.len() < TOGETHER
                && let Some((at, plant)) = waiting.next()
            {
                under_way.spawn_local(run(at, plant));
            }
            match under_way.join_next().await {
                Some(round) => rounds.push(round.expect("a round without a panic")),
                None => return rounds,
            }
        }
    };
    tokio::task::LocalSet::new().run_until(running).await
}

/// Whom a call was from, in the end.
type Calls = BTreeMap<String, Person>;

async fn run(at: String, plant: Option<&'static str>) -> Round {
    let generous = "[connections.genesys.limits]\nrequests_per_minute = 100000\n\n\
        [calls]\nsettle_for = \"50ms\"\n";
    let plan = Line::with_salesforce().and_genesys().people(120).on(Place::disk());
    let plan = plan.section(generous).limit("requests_per_minute = 100000");
    let mut line = plan.lay().await;
    line.genesys().set_rate_per_minute(100_000);
    let calls = what_happened(&mut line).await;
    line.environment.push(("TIELINE_CRASH_AT".to_owned(), at.clone()));
    line.environment.extend(plant.map(|plant| ("TIELINE_PLANT".to_owned(), plant.to_owned())));
    let mut died = !line.try_start_server().await;
    if !died {
        begin(&line).await;
        until("the server has died or the run has ended", async || {
            died = line.server().has_ended();
            died || last_run(&line).await.is_some_and(|run| has_ended(&run))
        })
        .await;
    }
    line.kill().await;
    line.environment.retain(|(name, _)| name != "TIELINE_CRASH_AT" && name != "TIELINE_PLANT");
    line.start_server().await;
    if last_run(&line).await.is_none() {
        begin(&line).await; // it was killed before it was acknowledged
    }
    let report = ended(&line).await;
    line.until_quiet().await;
    let mut odd = oddities(&line, &calls).await;
    let expected = json!({
        "linked": KNOWN_BY_NUMBER + UNSEEN, "unseen": UNSEEN, "withheld": 1,
        "reported": KNOWN_BY_NUMBER + UNSEEN,
    });
    if report["state"] != "done" || report["counts"] != expected {
        odd.push(format!("the report says {}, {}", report["state"], report["counts"]));
    }
    odd.extend(a_second_run_is_odd(&line).await);
    Round { at, died, odd }
}

/// Strangers call, who are known to the CRM only afterwards; others call while nobody
/// looks anything up.
async fn what_happened(line: &mut Line) -> Calls {
    line.start_server().await;
    let mut calls = Calls::new();
    for n in 0..KNOWN_BY_NUMBER {
        let number = format!("+1317555{:04}", 200 + n);
        let (placed, answer) = line.arrives(&number).await;
        answer.assert_by_number("miss");
        let person =
            Person { name: format!("Late {n}"), number, email: format!("late{n}@example.com") };
        calls.insert(placed.conversation_id, person);
    }
    line.until_quiet().await;
    assert_eq!(line.stop().await, Some(0));
    for person in calls.values() {
        let body =
            json!({ "LastName": person.name, "Phone": person.number, "Email": person.email });
        line.salesforce.add("Contact", &body).expect("a contact");
    }
    for person in Line::loners(UNSEEN) {
        calls.insert(line.place_call(&person.number).conversation_id, person);
    }
    let withheld = NewCall { ani: "sip:anonymous@anonymous.invalid".into(), ..NewCall::default() };
    let withheld = line.genesys().place_call(&withheld).conversation_id;
    for call in calls.keys().chain([&withheld]) {
        assert!(line.genesys().end_call(call));
    }
    calls
}

/// Asks for a run; a server that dies of it may not answer.
async fn begin(line: &Line) {
    let request = line.http.post(line.url("/api/v1/reconcile"));
    let request = request.bearer_auth(crate::rig::plan::API_KEY).json(&json!({}));
    crate::rig::Answer::try_of(request).await.ok();
}

async fn last_run(line: &Line) -> Option<Value> {
    let request = line.http.get(line.url("/api/v1/reconcile/runs"));
    let request = request.bearer_auth(crate::rig::plan::API_KEY);
    let runs = crate::rig::Answer::try_of(request).await.ok()?;
    runs.body.get(0).cloned()
}

fn has_ended(run: &Value) -> bool {
    run["endedAt"].as_str().is_some_and(|at| !at.is_empty())
}

async fn ended(line: &Line) -> Value {
    until_some("the run has ended", async || last_run(line).await.filter(has_ended)).await
}

async fn oddities(line: &Line, calls: &Calls) -> Vec<String> {
    let mut odd = Vec::new();
    for (call, person) in calls {
        let id = line.id_of(&person.email);
        let stored = line.stored(call).await;
        if stored["externalId"] != id {
            odd.push(format!("{call} is {} and not {id}", stored["externalId"]));
        }
        let contacts = line.contacts_of(&id).len();
        if contacts != 1 {
            odd.push(format!("{id} is on {contacts} contacts"));
        }
        let earlier = line.call_from(&person.number).await;
        if earlier["data"]["previousInteractionCount"] != 1 {
            odd.push(format!("{id} is counted as {}", earlier["data"]));
        }
    }
    let ours = line.genesys().contacts();
    let ids = ours.iter().filter_map(|contact| contact["externalIds"].as_array()).flatten();
    let odd_ids = ids.filter(|id| id["value"].as_str().is_none_or(|id| !id.starts_with("CRM:")));
    odd.extend(odd_ids.map(|id| format!("the platform has {id}")));
    let query = "SELECT CallObject FROM Task WHERE CallObject != null";
    let mut tasks: BTreeMap<String, usize> = BTreeMap::new();
    for task in line.salesforce.query(query).expect("a query") {
        *tasks.entry(task["CallObject"].to_string()).or_default() += 1;
    }
    odd.extend(
        tasks.iter().filter(|(_, n)| **n != 1).map(|(call, n)| format!("{call}: {n} tasks")),
    );
    if tasks.len() != UNSEEN {
        odd.push(format!("{} activities for {UNSEEN} calls", tasks.len()));
    }
    odd
}

/// What a second run does although there is nothing left to do.
async fn a_second_run_is_odd(line: &Line) -> Vec<String> {
    line.until_quiet().await;
    let contacts = line.genesys().contacts();
    let associations = line.genesys().associations();
    begin(line).await;
    let report = ended(line).await;
    line.until_quiet().await;
    let mut odd = Vec::new();
    if report["counts"].get("linked").is_some() || report["counts"].get("promoted").is_some() {
        odd.push(format!("a second run says {}", report["counts"]));
    }
    if line.genesys().contacts() != contacts || line.genesys().associations() != associations {
        odd.push("a second run changes the platform".to_owned());
    }
    odd
}
