//! Many calls, each with an outcome, for examples that ask how long something takes then.

use domain::timeline::Outcome;
use domain::{CallId, Direction, ExternalId, MediaType, Prefix, Source, Status, Timestamp, Value};
use state::{JournalState, NewCall, NewJob, NewOutcome, Settlement, Store};
use std::error::Error;
use std::time::Duration;

pub type Any = Box<dyn Error + Send + Sync>;

const TIERS: [&str; 4] = ["Gold", "Silver", "Bronze", "None"];

/// So many calls with an outcome each, evenly over so long from a time on.
pub async fn calls(store: &Store, calls: i64, from: Timestamp, span_ms: i64) -> Result<(), Any> {
    const TASKS: i64 = 64;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (0..calls).filter(|n| n % TASKS == task) {
                    let new = call(n, from.0 + n * span_ms / calls.max(1));
                    let job = NewJob {
                        connection: "crm".to_owned(),
                        kind: "make_outcome",
                        key: None,
                        payload: Vec::new(),
                        run_at: Timestamp(0),
                        subject: Some(new.id.clone()),
                    };
                    store.record_call(new, vec![job]).await?;
                }
                Ok::<(), state::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    loop {
        let hour = Duration::from_secs(3_600);
        let jobs = store.lease("make_outcome", "crm", 1_000, hour, Timestamp(1)).await?;
        if jobs.is_empty() {
            return Ok(());
        }
        let kept = jobs.into_iter().map(|job| {
            let store = store.clone();
            tokio::spawn(async move {
                let Some(call) = job.subject else { return Ok(()) };
                let settle = Settlement {
                    lease: job.lease,
                    outcome: state::Outcome::Done,
                    follow_up: Vec::new(),
                };
                let new = NewOutcome {
                    outcome: outcome(&call, from, span_ms / calls.max(1)),
                    journal: JournalState::None,
                    jobs: Vec::new(),
                };
                store.keep_outcome(&call, new, settle, Timestamp(2)).await.map(drop)
            })
        });
        for one in kept.collect::<Vec<_>>() {
            one.await??;
        }
    }
}

fn number_of(call: &CallId) -> i64 {
    call.as_str().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn outcome(call: &CallId, from: Timestamp, apart_ms: i64) -> Outcome {
    let n = number_of(call);
    let started = from.0 + n * apart_ms;
    let spent = 30_000 + (n * 7_919) % 600_000;
    Outcome {
        started: Some(Timestamp(started)),
        ended: Some(Timestamp(started + spent)),
        talk_ms: spent.unsigned_abs(),
        queue: Some(queue(n)),
        wrap_ups: vec!["Resolved".to_owned()],
        ..Outcome::default()
    }
}

fn queue(n: i64) -> String {
    if n % 100_000 == 7 { "rare".to_owned() } else { format!("queue-{}", n % 20) }
}

/// The call of a number.
pub fn call(n: i64, arrived_at: i64) -> NewCall {
    let record = format!("0035g{:013}", n % 5_000);
    let tier = TIERS[usize::try_from(n).unwrap_or(0) % TIERS.len()];
    let tier = if n % 100_000 == 9 { "Platinum" } else { tier };
    let prefix = Prefix::new("CRM").unwrap_or_else(|_| unreachable!("three letters"));
    NewCall {
        id: CallId::new(&format!("7b1c5a4e-7c1d-4f0f-9f5c-{n}"))
            .unwrap_or_else(|| unreachable!("letters and digits")),
        direction: Direction::Inbound,
        media: MediaType::Voice,
        number: Some(format!("+1555{:07}", n % 5_000)),
        email: None,
        asked_record: None,
        dialled: Some("+12025550123".to_owned()),
        queue: Some(queue(n)),
        user: None,
        connection: "crm".to_owned(),
        external_id: ExternalId::Record { prefix, record: record.clone() },
        contact: Some(record),
        status: if n % 50 == 0 { Status::Partial } else { Status::Hit },
        source: Source::Directory,
        arrived_at: Timestamp(arrived_at),
        answered_in_us: 400,
        deadline_us: 300_000,
        warnings: Vec::new(),
        labels: [("tier".to_owned(), tier.to_owned())].into(),
        data: [("crmCaseId".to_owned(), Value::from("CASE-99812"))].into(),
    }
}
