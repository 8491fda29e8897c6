//! Compares what callers were told with what the restarted server knows.

use super::load::Told;
use crate::rig::{Line, Person, Place, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// People who are called once more, to see whether their calls were counted.
const PROBED: usize = 12;

pub(crate) async fn oddities(line: &Line, people: &[Person], told: &[Told]) -> Vec<String> {
    let mut odd = Vec::new();
    // Jobs first: a job that ends between the two looks has bettered its call before the second.
    let jobs = line.jobs().await;
    let stored: BTreeMap<String, Value> = by_call(line.calls().await);
    let ids: Vec<String> = people.iter().map(|person| line.id_of(&person.email)).collect();
    for told in told {
        let id = &ids[told.person];
        odd.extend(call_is_kept(id, told, stored.get(&told.call), &jobs));
    }
    until_nothing_more_can_be_done(line).await;
    odd.extend(line.jobs_in("dead").await.iter().map(|job| format!("a dead job: {job}")));
    for told in told {
        odd.extend(end_is_kept(line, told).await);
    }
    odd.extend(corrections_are_kept(line, told).await);
    odd.extend(counts(line, people, &ids).await);
    odd.extend(contacts(line));
    odd
}

fn by_call(calls: Vec<Value>) -> BTreeMap<String, Value> {
    let id = |call: &Value| call["callId"].as_str().expect("a call has an id").to_owned();
    calls.into_iter().map(|call| (id(&call), call)).collect()
}

/// The call is there as answered or bettered, and a partial one is being finished.
fn call_is_kept(id: &str, told: &Told, stored: Option<&Value>, jobs: &[Value]) -> Option<String> {
    let (call, answer) = (&told.call, &told.answer);
    if answer.status != 200 {
        // Refused with an error: nothing was promised.
        return None;
    }
    let Some(stored) = stored else {
        return Some(format!("{call} was answered and is not stored"));
    };
    if answer["status"] == "hit" && answer["externalId"] != id {
        return Some(format!("{call} was answered as {}, not {id}", answer.id()));
    }
    let is_bettered = answer["status"] == "partial" && stored["externalId"] == id;
    if stored["externalId"] != answer["externalId"] && !is_bettered {
        return Some(format!("{call} was answered as {}: {stored}", answer.id()));
    }
    let is_pending = |job: &Value| {
        let is_its_own = job["callId"] == *call && job["kind"] == "enrich";
        is_its_own && (job["state"] == "waiting" || job["state"] == "leased")
    };
    if stored["status"] == "partial" && !jobs.iter().any(is_pending) {
        return Some(format!("{call} is partial and nobody finishes it"));
    }
    None
}

/// Every confirmation is remembered and written down, in a log that is whole.
async fn corrections_are_kept(line: &Line, told: &[Told]) -> Vec<String> {
    let mut odd = Vec::new();
    let verdict = line.get("/api/v1/audit/verify").await;
    let corrected: Vec<&Told> = told.iter().filter(|told| told.is_corrected).collect();
    let entries = verdict["entries"].as_u64().unwrap_or(0);
    if verdict["whole"] != true || entries < corrected.len() as u64 {
        odd.push(format!("{} corrections, audit: {}", corrected.len(), verdict.body));
    }
    let known = line.get("/api/v1/overrides?limit=1000").await;
    let known = known.body.as_array().cloned().unwrap_or_default();
    for told in corrected {
        if !known.iter().any(|one| one["externalId"] == told.answer["externalId"]) {
            odd.push(format!("the correction of {} is not remembered", told.call));
        }
    }
    odd
}

/// What is wrong with a call's end once nothing more is done about it. Over PostgreSQL
/// a job that a dead worker holds is as good as done: it is not lost.
async fn end_is_kept(line: &Line, told: &Told) -> Option<String> {
    let (mut odd, mut was_quiet) = (None, false);
    until("nothing more is done about the call", async || {
        let of_call = |jobs: Vec<Value>| jobs.iter().any(|job| job["callId"] == told.call);
        // Jobs first: without any, what is seen afterwards is the end of it. A job that is
        // leased between the two questions is in neither answer, but in one of the next.
        let is_held = of_call(line.jobs_in("leased").await);
        let is_waiting = of_call(line.jobs_in("waiting").await);
        odd = end_is_odd(line, told).await;
        if is_held && matches!(line.place, Place::Postgres(_)) {
            odd = None;
        }
        let is_quiet = !is_held && !is_waiting;
        let has_ended = odd.is_none() || (is_quiet && was_quiet);
        was_quiet = is_quiet;
        has_ended
    })
    .await;
    odd
}

/// A call that was told to have ended has its outcome, and one Task where it is somebody's.
async fn end_is_odd(line: &Line, told: &Told) -> Option<String> {
    let call = &told.call;
    let query = format!("SELECT WhoId FROM Task WHERE CallObject = '{call}'");
    let tasks = line.salesforce.query(&query).expect("a query");
    let stored = line.stored(call).await;
    let outcome = &stored["outcome"];
    if !told.is_ended {
        // Perhaps it was stored and only the answer was lost.
        return (tasks.len() > 1).then(|| format!("{call} has {} tasks", tasks.len()));
    }
    let who = stored["externalId"].as_str().unwrap_or_default();
    let is_right = match who.strip_prefix("CRM:") {
        Some(record) => {
            outcome["journal"] == "written" && tasks.len() == 1 && tasks[0]["WhoId"] == record
        }
        None => outcome["journal"] == "skipped" && tasks.is_empty(),
    };
    let is_right = is_right && outcome["talkMs"] == 50_000;
    (!is_right).then(|| format!("{call} of {who} ended: {outcome}, {tasks:?}"))
}

/// Jobs that were in a dead worker's hands may stay so until their lease runs out.
async fn until_nothing_more_can_be_done(line: &Line) {
    until("every job that may run has run", async || {
        let waiting = line.jobs_in("waiting").await;
        let leased = line.jobs_in("leased").await;
        let is_held = |job: &Value| leased.iter().any(|other| other["callId"] == job["callId"]);
        waiting.iter().all(is_held)
    })
    .await;
}

/// The next call of a person counts every earlier one, once.
async fn counts(line: &Line, people: &[Person], ids: &[String]) -> Vec<String> {
    let mut odd = Vec::new();
    let before = line.calls().await;
    let mut answers = Vec::new();
    for person in people.iter().take(PROBED) {
        let body = json!({ "fromNumber": person.number, "callId": line.new_call() });
        answers.push(line.lookup(body).await);
    }
    // An enrichment may move an earlier call to its person meanwhile.
    let after = line.calls().await;
    for ((answer, person), id) in answers.iter().zip(people).zip(ids) {
        if answer["externalId"] != *id {
            odd.push(format!("{} is answered as {:?}", person.email, answer.body));
            continue;
        }
        let theirs =
            |calls: &[Value]| calls.iter().filter(|call| call["externalId"] == *id).count() as u64;
        let counted = answer["data"]["previousInteractionCount"].as_u64().unwrap_or(u64::MAX);
        let stored = theirs(&before)..=theirs(&after) - 1;
        if !stored.contains(&counted) {
            odd.push(format!("{}: {counted} counted, {stored:?} stored", person.email));
        }
    }
    odd
}

/// No person is two contacts of the platform.
fn contacts(line: &Line) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for contact in line.genesys().contacts() {
        let ids = contact["externalIds"].as_array().cloned().unwrap_or_default();
        for id in ids.iter().filter_map(|id| id["value"].as_str()) {
            *seen.entry(id.to_owned()).or_default() += 1;
        }
    }
    let twice = seen.iter().filter(|(id, count)| **count > 1 || !id.starts_with("CRM:"));
    twice.map(|(id, count)| format!("{id} is on {count} contacts")).collect()
}
