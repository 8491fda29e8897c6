//! One round: calls from several sides until the server dies, and then what is left.

use super::check;
use crate::rig::plan::API_KEY;
use crate::rig::{Answer, Line, Person, Place, Signal, until};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What ends the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Death {
    /// The nth time that it passes the point, by its own hand.
    At { point: &'static str, nth: u64 },
    /// A signal, once so many calls were answered.
    After { answers: usize },
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) death: Death,
    pub(crate) died_itself: bool,
    pub(crate) acknowledged: usize,
    /// What was acknowledged and is not so, and what does not add up.
    pub(crate) odd: Vec<String>,
}

/// What a caller was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) call: String,
    pub(crate) person: usize,
    pub(crate) answer: Answer,
    /// That it has ended was acknowledged.
    pub(crate) is_ended: bool,
    /// An agent's confirmation of who it was, was acknowledged.
    pub(crate) is_corrected: bool,
}

/// Of the calls of each side, so many end within the round.
const ENDED_EVERY: usize = 4;
const CALLERS: usize = 6;
const CALLS_EACH: usize = 35;
pub(crate) const PEOPLE: usize = 40;

pub(crate) async fn run(death: Death, plant: Option<&'static str>, place: Place) -> Round {
    // What the platform allows in a minute would spread a round over minutes.
    let generous = "[connections.genesys.limits]\nrequests_per_minute = 100000\n\n\
        [calls]\nsettle_for = \"50ms\"\n";
    let mut plan = Line::with_salesforce().and_genesys().people(80).on(place).section(generous);
    plan = plan.limit("requests_per_minute = 100000");
    if let Death::At { point, nth } = death {
        plan = plan.variable("TIELINE_CRASH_AT", &format!("{point}:{nth}"));
    }
    if let Some(plant) = plant {
        plan = plan.variable("TIELINE_PLANT", plant);
    }
    let mut line = plan.lay().await;
    line.genesys().set_rate_per_minute(100_000);
    let people = Line::loners(PEOPLE);
    // Every fourth cannot be looked up for now: their calls are partial. A 503 would open the
    // connection's breaker, and the work of all others would wait for it.
    for person in people.iter().step_by(4) {
        let digits = &person.number[person.number.len() - 8..];
        line.salesforce.faults().add(Rule::always(Fault::Html200).on(digits));
    }
    let mut told = Vec::new();
    let mut died_itself = true;
    if line.try_start_server().await {
        told = calls(&line, &people, death).await;
        if matches!(death, Death::At { .. }) {
            died_itself = until_it_dies(&mut line, death).await;
        }
        line.kill().await;
    }
    line.salesforce.faults().clear();
    line.environment.retain(|(name, _)| name != "TIELINE_CRASH_AT" && name != "TIELINE_PLANT");
    line.start_server().await;
    let odd = check::oddities(&line, &people, &told).await;
    Round { death, died_itself, acknowledged: told.len(), odd }
}

/// Waits until the crash point is met, or until there is nothing left to do that could meet it.
/// It is patient with each step, not with the whole: a busy machine takes its time.
async fn until_it_dies(line: &mut Line, death: Death) -> bool {
    let mut left = None;
    loop {
        let step = format!("{death:?} is met, or of {left:?} jobs left one is done");
        let mut has_died = false;
        let mut now = None;
        until(&step, async || {
            now = to_do(line).await;
            has_died = line.server().has_ended();
            has_died || now == Some(0) || now.is_some_and(|now| left != Some(now))
        })
        .await;
        if has_died || now == Some(0) {
            return has_died;
        }
        left = now;
    }
}

/// How many jobs are still to be tried twice; nothing if the server does not say.
async fn to_do(line: &Line) -> Option<usize> {
    let mut count = 0;
    for state in ["leased", "waiting"] {
        let jobs = line.url(&format!("/api/v1/jobs?state={state}&limit=1000"));
        let request = line.http.get(jobs).bearer_auth(API_KEY);
        let jobs = Answer::try_of(request).await.ok()?.body;
        let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
        // Those of callers who cannot be looked up come back for ever.
        count += jobs.iter().filter(|job| job["attempts"].as_u64() <= Some(1)).count();
    }
    Some(count)
}

/// Tells that a call has ended, twice; whether that was acknowledged.
async fn end(http: &reqwest::Client, url: &str, call: &str) -> bool {
    let body = json!({
        "type": "callEnded", "callId": call, "startedAt": 1_795_338_000_000_i64,
        "endedAt": 1_795_338_060_000_i64, "talkMs": 50_000,
    });
    let mut is_told = false;
    for _ in 0..2 {
        let request = http.post(url).bearer_auth(API_KEY).json(&body);
        let answer = Answer::try_of(request).await;
        is_told |= answer.is_ok_and(|answer| answer.status == 202);
    }
    is_told
}

/// Confirms who a call is from, as an agent does; whether that was acknowledged.
async fn correct(http: &reqwest::Client, url: &str, told: &Told) -> bool {
    let body = json!({ "callId": told.call, "newExternalId": told.answer.id(), "reason": "seen" });
    let answer = Answer::try_of(http.post(url).bearer_auth(API_KEY).json(&body)).await;
    answer.is_ok_and(|answer| answer.body["confirmed"] == true)
}

/// Calls from several sides, until all are made or the server is gone.
async fn calls(line: &Line, people: &[Person], death: Death) -> Vec<Told> {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let calls = (0..CALLS_EACH).map(|n| {
            let person = (caller * 7 + n) % people.len();
            let number = people[person].number.clone();
            (person, line.place_call(&number).conversation_id, number)
        });
        let calls: Vec<_> = calls.collect();
        let (http, url) = (line.http.clone(), line.url("/api/v1/genesys/lookup"));
        let events = line.url("/api/v1/genesys/events");
        let context = line.url("/api/v1/genesys/update-context");
        let answered = Arc::clone(&answered);
        callers.spawn(async move {
            let mut told = Vec::new();
            for (person, call, number) in calls {
                let body = json!({ "fromNumber": number, "callId": call });
                let request = http.post(&url).bearer_auth(API_KEY).json(&body);
                // No answer: nothing was promised.
                let Ok(answer) = Answer::try_of(request).await else { break };
                answered.fetch_add(1, Ordering::SeqCst);
                told.push(Told { call, person, answer, is_ended: false, is_corrected: false });
                if told.len() % ENDED_EVERY == 0 {
                    let Some(last) = told.last_mut() else { break };
                    last.is_ended = end(&http, &events, &last.call).await;
                    last.is_corrected = correct(&http, &context, last).await;
                }
            }
            told
        });
    }
    let keep_house = async {
        let copy = line.folder.join("copy.db");
        let body = json!({ "path": copy, "overwrite": true });
        let url = line.url("/api/v1/store/backup");
        for _ in 0..3 {
            let request = line.http.post(&url).bearer_auth(API_KEY).json(&body);
            if Answer::try_of(request).await.is_err() {
                break;
            }
            let rotate = line.url("/api/v1/store/keys/rotate");
            if Answer::try_of(line.http.post(rotate).bearer_auth(API_KEY)).await.is_err() {
                break;
            }
        }
    };
    let kill = async {
        if let Death::After { answers } = death {
            until("enough were answered", async || answered.load(Ordering::SeqCst) >= answers)
                .await;
            line.signal(Signal::Kill);
        }
    };
    let collect = async {
        let mut told = Vec::new();
        while let Some(caller) = callers.join_next().await {
            told.extend(caller.expect("a caller without a panic"));
        }
        told
    };
    tokio::join!(collect, keep_house, kill).0
}
