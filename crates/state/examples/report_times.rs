//! How long lists and reports take over many calls.
//!
//! `cargo run --release -p state --example report_times -- [CALLS] [LOCATION]`
//! Without a location: a SQLite file in the system's temporary folder. Makes the calls
//! (a million unless told otherwise, with an outcome each, over thirty days), then asks
//! everything five times and prints the median. It also prints how long a call took to
//! be stored meanwhile, because a report must not cost a caller anything.

use domain::timeline::Outcome;
use domain::{CallId, Direction, ExternalId, MediaType, Prefix, Source, Status, Timestamp, Value};
use state::calls::CallFilter;
use state::reports::{Buckets, GroupBy};
use state::{
    Durability, JournalState, Location, MasterKey, NewCall, NewJob, NewOutcome, Options,
    Settlement, Store,
};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

type Any = Box<dyn Error + Send + Sync>;

const DAYS: i64 = 30;
const DAY: i64 = 86_400_000;
const TIERS: [&str; 4] = ["Gold", "Silver", "Bronze", "None"];
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Any> {
    let mut args = std::env::args().skip(1);
    let calls: i64 = args.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let location = args.next();
    let folder = std::env::temp_dir().join(format!("tieline-reports-{}", std::process::id()));
    let place = match &location {
        Some(location) => location.parse()?,
        None => Location::Sqlite { path: folder.join("tieline.db") },
    };
    let options = Options { durability: Durability::Process, ..Options::default() };
    let store = Store::open(&place, &MasterKey::generate()?, options).await?;
    let made = Instant::now();
    make(&store, calls).await?;
    say(&format!("{calls} calls made in {:?}", made.elapsed()))?;
    measure(&store).await?;
    store.close().await;
    if location.is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

async fn make(store: &Store, calls: i64) -> Result<(), Any> {
    const TASKS: i64 = 64;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (0..calls).filter(|n| n % TASKS == task) {
                    let new = call(n, n * DAYS * DAY / calls.max(1));
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
                    outcome: outcome(&call),
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

fn outcome(call: &CallId) -> Outcome {
    let n = number_of(call);
    let started = n % (DAYS * DAY);
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

fn call(n: i64, arrived_at: i64) -> NewCall {
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

async fn measure(store: &Store) -> Result<(), Any> {
    let everything = CallFilter::default();
    let tier = |value: &str| CallFilter {
        labels: vec![("tier".to_owned(), value.to_owned())],
        ..CallFilter::default()
    };
    let rare = CallFilter { queue: Some("rare".to_owned()), ..CallFilter::default() };
    let partial = CallFilter { status: Some(Status::Partial), ..tier("Gold") };
    for (what, filter, pages) in [
        ("a page of 50", &everything, 1),
        ("500 pages of 50", &everything, 500),
        ("a page of 50 by tier", &tier("Gold"), 1),
        ("a page by a tier of ten calls", &tier("Platinum"), 1),
        ("a page by tier and status", &partial, 1),
        ("a page by a queue of ten calls, which is short", &rare, 1),
        ("all ten calls of that queue", &rare, usize::MAX),
    ] {
        median(store, what, async || {
            let (mut after, mut read) = (None, 0);
            for _ in 0..pages {
                let page = store.list_calls(filter, after, 50).await?;
                (after, read) = (page.next, read + page.calls.len());
                if after.is_none() {
                    break;
                }
            }
            Ok(read)
        })
        .await?;
    }
    let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
    for by in [GroupBy::Label("tier".to_owned()), GroupBy::Queue] {
        median(store, &format!("handle time by {by:?}"), async || {
            Ok(store.handle_time(by.clone(), from, to).await?.groups.len())
        })
        .await?;
    }
    for (what, width_ms) in [("day", DAY), ("hour", DAY / 24)] {
        let buckets = Buckets { width_ms, ahead_ms: 0 };
        median(store, &format!("identification by {what}"), async || {
            Ok(store.identification(None, buckets, (from, to)).await?.lines.len())
        })
        .await?;
    }
    Ok(())
}

/// Asks as often as there are rounds, while calls go on arriving one after the other.
async fn median(
    store: &Store,
    what: &str,
    ask: impl AsyncFn() -> Result<usize, Any>,
) -> Result<(), Any> {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let caller = tokio::spawn(some_calls(store.clone(), stopped));
    let (mut took, mut lines) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        lines = ask().await?;
        took.push(started.elapsed());
    }
    stop.send_replace(true);
    let mut stored = caller.await??;
    took.sort_unstable();
    stored.sort_unstable();
    let worst = stored.last().copied().unwrap_or_default();
    let usual = stored.get(stored.len() / 2).copied().unwrap_or_default();
    say(&format!(
        "{what}: {:?} ({:?} to {:?}), {lines} lines; meanwhile a call was stored in {usual:?}, at worst {worst:?}",
        took[ROUNDS / 2],
        took[0],
        took[ROUNDS - 1]
    ))?;
    Ok(())
}

async fn some_calls(
    store: Store,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> state::Result<Vec<Duration>> {
    static NEXT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1 << 40);
    let mut took = Vec::new();
    while !*stopped.borrow() {
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let started = Instant::now();
        // Before all others, so that no page and no report changes.
        store.record_call(call(n, -1), Vec::new()).await?;
        took.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(took)
}
