//! Whatever the CRM does, the answer is in time and valid, and the work goes on.

use crate::rig::plan::salesforce_section;
use crate::rig::{
    Answer, JOHN, Line, MARIA, Person, Place, STRANGER, Stalls, join_all, until, until_some,
};
use connectors::salesforce;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::sync::Arc;
use std::time::Duration;

crate::facts! {
    a_partial_call_is_finished_after_a_restart
    a_partial_call_is_finished_after_a_kill
    a_refusal_for_good_is_a_dead_job_that_is_seen_and_redriven
}

const DEADLINE: Duration = Duration::from_millis(300);
/// What a debug build on a busy machine may take on top; the bench measures the real bound.
const LEEWAY: Duration = Duration::from_millis(100);

/// A line whose CRM requests are given up soon, so that a hang is over soon.
async fn line() -> Line {
    let line = Line::with_salesforce().people(60).deadline("300ms");
    line.limit("timeout = \"1s\"").start().await
}

pub(super) fn assert_in_time(answer: &Answer, deadline: Duration, stalls: &Stalls) {
    let bound = deadline + LEEWAY + stalls.worst();
    assert!(answer.took <= bound, "{:?} is more than {bound:?}", answer.took);
}

/// Answers partial in time under the fault, and the enrichment ends once it is over.
async fn is_met_in_time(fault: Fault) {
    let line = line().await;
    // The first call ever pays for what every later one finds warm.
    line.call_from(JOHN.1).await.assert_hit("crm");
    line.crm_does(fault);
    let stalls = Stalls::watch();
    for (index, person) in Line::loners(3).iter().enumerate() {
        let body = json!({ "fromNumber": person.number, "callId": format!("late-{index}") });
        let answer = line.lookup(body).await;
        answer.assert_by_number("partial");
        assert_in_time(&answer, DEADLINE, &stalls);
    }
    line.call_from(JOHN.1).await.assert_hit("directory");
    line.crm_recovers();
    for (index, person) in Line::loners(3).iter().enumerate() {
        let stored = line.until_stored_as(&format!("late-{index}"), "hit").await;
        assert_eq!(stored["externalId"], line.id_of(&person.email));
    }
    line.until_quiet().await;
    assert_eq!(line.jobs().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_crm_that_hangs_is_met_in_time() {
    is_met_in_time(Fault::Hang).await;
}

#[tokio::test]
async fn a_crm_that_hangs_in_mid_body_is_met_in_time() {
    is_met_in_time(Fault::HangMidBody).await;
}

#[tokio::test]
async fn a_crm_that_resets_is_met_in_time() {
    is_met_in_time(Fault::Reset).await;
}

#[tokio::test]
async fn a_crm_that_cuts_its_answer_short_is_met_in_time() {
    is_met_in_time(Fault::Truncate).await;
}

#[tokio::test]
async fn a_crm_that_answers_html_with_200_is_met_in_time() {
    is_met_in_time(Fault::Html200).await;
}

#[tokio::test]
async fn a_crm_that_answers_500_is_met_in_time() {
    is_met_in_time(Fault::Status { code: 500, body: None }).await;
}

#[tokio::test]
async fn a_crm_in_maintenance_is_met_in_time() {
    is_met_in_time(Fault::Vendor("maintenance".to_owned())).await;
}

#[tokio::test]
async fn a_crm_that_is_overrun_is_met_in_time() {
    is_met_in_time(Fault::Vendor("throttled_concurrent".to_owned())).await;
}

#[tokio::test]
async fn a_crm_that_is_slow_is_met_in_time() {
    is_met_in_time(Fault::slow(Duration::from_secs(5))).await;
}

#[tokio::test]
async fn a_crm_whose_daily_limit_is_used_up_is_met_in_time() {
    let line = line().await;
    line.crm_does(Fault::Throttled);
    let stalls = Stalls::watch();
    let answer = line.call_from(MARIA.1).await;
    answer.assert_by_number("partial");
    assert_in_time(&answer, DEADLINE, &stalls);
    until("the job waits, and says why", async || {
        let jobs = line.jobs_in("waiting").await;
        jobs.iter().any(|job| job["note"].as_str().is_some_and(|note| note.contains("rate limit")))
    })
    .await;
    let asked = line.crm_requests();
    line.crm_recovers();
    line.call_from(JOHN.1).await.assert_hit("crm");
    assert_eq!(line.crm_requests(), asked + 1, "calls go on asking, background work does not");
}

#[tokio::test]
async fn a_crm_whose_port_is_closed_is_met_in_time() {
    let line = line().await;
    let port = line.salesforce.url().rsplit(':').next().and_then(|port| port.parse().ok());
    let (mut line, mut others) = (line, Vec::new());
    let closed = std::mem::replace(&mut line.salesforce, Arc::new(other(60, 0).await));
    Arc::into_inner(closed).expect("nobody else's").stop().await;
    let stalls = Stalls::watch();
    let body = json!({ "fromNumber": MARIA.1, "callId": "down" });
    let answer = line.lookup(body).await;
    answer.assert_by_number("partial");
    assert_in_time(&answer, DEADLINE, &stalls);
    let back = other(60, port.expect("a port")).await;
    others.push(std::mem::replace(&mut line.salesforce, Arc::new(back)));
    let stored = line.until_stored_as("down", "hit").await;
    assert_eq!(stored["externalId"], line.id_of(MARIA.2));
}

/// The same people on that port.
async fn other(people: u64, port: u16) -> connectors::salesforce::sim::Salesforce {
    let config = connectors::salesforce::sim::Config { people, port, ..Default::default() };
    connectors::salesforce::sim::start(config).await.expect("a Salesforce")
}

#[tokio::test]
async fn a_token_that_is_gone_answers_partial_and_is_refreshed_once_behind() {
    let line = line().await;
    let logins = || line.salesforce.faults().requests().count("/oauth2/token");
    let before = logins();
    line.salesforce.revoke_tokens();
    let stalls = Stalls::watch();
    let people = Line::loners(10);
    let together = people.iter().map(|person| line.call_from(&person.number)).collect();
    let answers = join_all(together).await;
    for answer in &answers {
        assert_in_time(answer, DEADLINE, &stalls);
        answer.assert_whole();
    }
    assert!(answers.iter().any(|answer| answer["status"] == "partial"), "the token was gone");
    until("a call is answered from the CRM again", async || {
        line.call_from(MARIA.1).await["status"] == "hit"
    })
    .await;
    line.until_quiet().await;
    assert_eq!(logins(), before + 1, "one expiry, one refresh");
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_is_on_nobodys_path() {
    let line = line().await;
    line.salesforce.faults().add(Rule::always(Fault::Hang).on("/oauth2/"));
    line.salesforce.revoke_tokens();
    let stalls = Stalls::watch();
    for person in Line::loners(3) {
        let answer = line.call_from(&person.number).await;
        answer.assert_by_number("partial");
        assert_in_time(&answer, DEADLINE, &stalls);
    }
}

#[tokio::test]
async fn a_deadline_is_set_for_everybody_for_a_connection_and_for_a_queue() {
    let other = other(0, 0).await;
    let connection = salesforce_section("second", "SFB", &other.url());
    let connection = connection.replace("prefix", "deadline = \"200ms\"\nprefix");
    let queue = |name: &str, more: &str| format!("[[queues]]\nname = \"{name}\"\n{more}\n");
    let line = Line::with_salesforce()
        .deadline("20s")
        .section(&connection)
        .section(&queue("quick", "connection = \"salesforce\"\ndeadline = \"100ms\""))
        .section(&queue("patient", "connection = \"salesforce\""))
        .section(&queue("elsewhere", "connection = \"second\""))
        .start()
        .await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let slow = Rule::always(Fault::slow(Duration::from_millis(900))).on("/services/data/");
    line.salesforce.faults().add(slow.clone());
    other.faults().add(slow);
    let stalls = Stalls::watch();
    for (queue, deadline) in [("quick", 100), ("elsewhere", 200)] {
        let body = json!({ "fromNumber": MARIA.1, "queueId": queue, "callId": queue });
        let answer = line.lookup(body).await;
        answer.assert_by_number("partial");
        assert_in_time(&answer, Duration::from_millis(deadline), &stalls);
    }
    let patient = json!({ "fromNumber": STRANGER, "queueId": "patient", "callId": "patient" });
    line.lookup(patient).await.assert_by_number("miss");
}

#[tokio::test]
async fn tries_are_spread_over_waits_that_double() {
    let line = Line::with_salesforce().people(60).start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    for person in Line::loners(4) {
        line.call_from(&person.number).await.assert_by_number("partial");
    }
    let at = |job: &Value, key: &str| {
        let text = job[key].as_str().expect("a time");
        domain::Timestamp::parse(text).expect("a time").0
    };
    let mut waits = std::collections::BTreeMap::new();
    until("every job was tried three times", async || {
        let jobs = line.jobs_in("waiting").await;
        for job in jobs.iter().filter(|job| job["note"] != "") {
            let tries = job["attempts"].as_u64().expect("a count");
            waits.insert((tries, job["id"].as_i64()), at(job, "dueAt") - at(job, "updatedAt"));
        }
        waits.keys().filter(|(tries, _)| *tries == 3).count() == 4
    })
    .await;
    for ((tries, _), wait) in &waits {
        let full = 1_000 << (tries - 1);
        assert!((full / 2..=full).contains(wait), "{wait} ms after try {tries}");
    }
    let third: std::collections::BTreeSet<_> =
        waits.iter().filter(|((tries, _), _)| *tries == 3).map(|(_, wait)| wait).collect();
    assert!(third.len() > 1, "those that failed together come back apart: {third:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_crm_is_given_a_bounded_number_of_requests() {
    let line = Line::with_salesforce().people(400).deadline("300ms");
    let line = line.limit("concurrent_calls = 5").limit("concurrent_background = 2");
    let line = line.limit("timeout = \"20s\"").start().await;
    line.crm_does(Fault::Hang);
    let asked = line.crm_requests();
    let people = Line::loners(200);
    let together = people.iter().map(|person| line.call_from(&person.number)).collect();
    for answer in join_all(together).await {
        answer.assert_by_number("partial");
    }
    assert_eq!(line.calls().await.len(), 200, "none is lost");
    let open = line.crm_requests() - asked;
    assert!(open <= 5 + 2, "{open} requests hang");
}

#[tokio::test]
async fn background_work_never_takes_the_last_requests_from_calls() {
    // Ten misses leave twenty requests to be made behind; six calls need six at once.
    let line = Line::with_salesforce().people(60).deadline("2s");
    let line =
        line.limit("requests_per_minute = 24").limit("reserved_for_calls = 18").start().await;
    let asked = line.crm_requests();
    for stranger in 0..10 {
        let number = format!("+131755502{stranger:02}");
        line.call_from(&number).await.assert_by_number("miss");
    }
    until("background work has come to its limit", async || {
        let waiting = line.jobs_in("leased").await.len() + line.jobs_in("waiting").await.len();
        waiting > 0 && line.crm_requests() >= asked + 10
    })
    .await;
    for person in Line::loners(6) {
        let answer = line.call_from(&person.number).await;
        assert_eq!(answer["email"], person.email, "{answer:?}");
    }
}

async fn a_partial_call_is_finished_after_a_restart(place: Place) {
    is_finished_after(place, async |line: &mut Line| {
        assert_eq!(line.stop().await, Some(0));
    })
    .await;
}

async fn a_partial_call_is_finished_after_a_kill(place: Place) {
    is_finished_after(place, Line::kill).await;
}

async fn is_finished_after(place: Place, end: impl AsyncFnOnce(&mut Line)) {
    let mut line = Line::with_salesforce().people(60).on(place).start().await;
    // Odd answers and no failures: the breaker leaves the CRM open to every try.
    line.crm_does(Fault::Html200);
    let people: Vec<Person> = Line::loners(5);
    for (index, person) in people.iter().enumerate() {
        let body = json!({ "fromNumber": person.number, "callId": format!("cut-{index}") });
        line.lookup(body).await.assert_by_number("partial");
    }
    // All have been tried and wait: none is in a worker's hands when the end comes.
    until("every job waits for its next try", async || {
        let jobs = line.jobs().await;
        jobs.len() == 5 && jobs.iter().all(|job| job["state"] == "waiting" && job["note"] != "")
    })
    .await;
    end(&mut line).await;
    line.crm_recovers();
    line.start_server().await;
    for (index, person) in people.iter().enumerate() {
        let stored = line.until_stored_as(&format!("cut-{index}"), "hit").await;
        assert_eq!(stored["externalId"], line.id_of(&person.email));
    }
}

/// A job that was in a worker's hands at the kill is not lost, and not late by a
/// whole lease either: one process owns an embedded store, so a lease of its
/// predecessor holds nobody.
#[tokio::test]
async fn work_under_way_at_a_kill_is_taken_up_at_the_next_start() {
    let mut line = Line::with_salesforce().deadline("300ms").start().await;
    line.crm_does(Fault::Hang);
    let body = json!({ "fromNumber": MARIA.1, "callId": "in-hand" });
    line.lookup(body).await.assert_by_number("partial");
    until("it is under way", async || line.jobs_in("leased").await.len() == 1).await;
    line.kill().await;
    line.crm_recovers();
    line.start_server().await;
    line.until_stored_as("in-hand", "hit").await;
}

async fn a_refusal_for_good_is_a_dead_job_that_is_seen_and_redriven(place: Place) {
    let line = Line::with_salesforce().on(place).start().await;
    let refusal = r#"[{"errorCode":"MALFORMED_QUERY","message":"unexpected token"}]"#;
    line.crm_does(Fault::Status { code: 400, body: Some(refusal.to_owned()) });
    for (call, number) in [("dead-1", MARIA.1), ("dead-2", JOHN.1)] {
        let body = json!({ "fromNumber": number, "callId": call });
        line.lookup(body).await.assert_by_number("partial");
    }
    let dead = until_some("two jobs are dead", async || {
        let dead = line.jobs_in("dead").await;
        (dead.len() == 2).then_some(dead)
    })
    .await;
    let first = dead.iter().find(|job| job["callId"] == "dead-1").expect("of this call");
    assert_eq!(first["kind"], "enrich");
    assert!(first["note"].as_str().expect("why").contains("MALFORMED_QUERY"), "{first}");
    let by_state = line.get("/api/v1/jobs?state=dead").await;
    assert_eq!(by_state.body.as_array().map(Vec::len), Some(2));
    let listed = line.command(&["jobs", "--state", "dead"]).await;
    assert_eq!((listed.code, listed.out.lines().count()), (Some(0), 2), "{listed:?}");
    assert!(listed.out.contains("MALFORMED_QUERY"), "{}", listed.out);

    line.crm_recovers();
    let id = first["id"].to_string();
    let redriven = line.post(&format!("/api/v1/jobs/{id}/redrive"), &json!({})).await;
    assert_eq!((redriven.status, &redriven["redriven"]), (200, &json!(1)));
    line.until_stored_as("dead-1", "hit").await;
    let again = line.post(&format!("/api/v1/jobs/{id}/redrive"), &json!({})).await;
    assert_eq!((again.status, &again["error"]["code"]), (409, &json!("job.not_dead")));
    let all = line.command(&["jobs", "--redrive-all"]).await;
    assert_eq!((all.code, all.out.trim()), (Some(0), r#"{"redriven":1}"#), "{all:?}");
    line.until_stored_as("dead-2", "hit").await;
    line.until_quiet().await;
    assert_eq!(line.jobs().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_hanging_crm_holds_up_no_other_crms_enrichment() {
    let second = salesforce::sim::start(Default::default()).await.expect("a Salesforce");
    let queue = "[[queues]]\nname = \"Sales\"\nconnection = \"second\"";
    let line = Line::with_salesforce().people(400).deadline("300ms").limit("timeout = \"60s\"");
    let line = line.section(&salesforce_section("second", "SFB", &second.url())).section(queue);
    let line = line.start().await;
    line.crm_does(Fault::Hang);
    let hanging = Line::loners(100);
    let calls = hanging.iter().map(|person| line.call_from(&person.number)).collect();
    for answer in join_all(calls).await {
        answer.assert_by_number("partial");
    }
    let refuses = Fault::Status { code: 503, body: None };
    second.faults().add(Rule::always(refuses).on("/services/data/").times(1));
    let body = json!({ "fromNumber": MARIA.1, "queueId": "Sales", "callId": "other" });
    line.lookup(body).await.assert_by_number("partial");
    let stored = line.until_stored_as("other", "hit").await;
    assert!(stored["externalId"].as_str().is_some_and(|id| id.starts_with("SFB:")), "{stored:?}");
    assert!(line.jobs_in("leased").await.len() > 8, "the first one still hangs");
}
