//! How long lists and reports take over many calls.
//!
//! `cargo run --release -p state --example report_times -- [CALLS] [LOCATION]`
//! Without a location: a SQLite file in the system's temporary folder. Makes the calls
//! (a million unless told otherwise, with an outcome each, over thirty days), then asks
//! everything five times and prints the median. It also prints how long a call took to
//! be stored meanwhile, because a report must not cost a caller anything.

#[path = "many/mod.rs"]
mod many;

use domain::{Status, Timestamp};
use state::calls::CallFilter;
use state::reports::{Buckets, GroupBy};
use state::{Durability, Location, MasterKey, Options, Store};
use std::io::Write;
use std::time::{Duration, Instant};

use many::Any;

const DAYS: i64 = 30;
const DAY: i64 = 86_400_000;
const SPAN: i64 = DAYS * DAY;
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
    many::calls(&store, calls, Timestamp(0), SPAN).await?;
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
        store.record_call(many::call(n, -1), Vec::new()).await?;
        took.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(took)
}
