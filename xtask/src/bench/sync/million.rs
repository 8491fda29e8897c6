//! A first sync of a million contacts between two CRMs that both tell changes: its memory and
//! time, and what a later run costs in which a thousand have changed.
//!
//! Between the runs the vendors' clocks go on by an hour: a feed looks back a few minutes,
//! and what was written just before would be told once more.

use super::{KEY, Vendors, of, run};
use crate::bench::contestants::{self, Directory, Part};
use crate::bench::figures::Series;
use crate::bench::http;
use crate::bench::table::{Table, spread};
use crate::tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const CHANGED: u64 = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const HOUR_S: u64 = 3_600;

/// Runs it with so many people and returns its table.
pub(in crate::bench) fn first_and_next(people: u64, folder: &Path) -> Result<Table> {
    let mut table = Table::default();
    let (left, right) = (Vendors::start()?, Vendors::start()?);
    left.reset(people, 0)?;
    right.reset(0, 0)?;
    let part = between(&left, &right, folder)?;
    tools::say(&format!("a first sync of {people} contacts between two CRMs"));
    let (first, memory) = watched(&part)?;
    let told = right.counts()?;
    anyhow::ensure!(told["org"] == people, "not everybody was brought over: {told}");
    let rate = f64::from(u32::try_from(people)?) / first.as_secs_f64();
    table.tell(
        "a first sync",
        format!("{people} in {:.0} s, {rate:.0} contacts/s", first.as_secs_f64()),
    );
    let peak = peak_mb(&part)?;
    table.judge("most memory resident", "≤ 200 MB", format!("{peak:.0} MB"), peak <= 200.0);
    let halves = memory.split_at(memory.len() / 2);
    let series = |part: &[f64]| {
        let mut series = Series::default();
        part.iter().for_each(|one| series.push(*one));
        series
    };
    let (before, after) = (series(halves.0), series(halves.1));
    table.tell(
        "resident in its first half, and in its second",
        format!("{}, {}", spread(&before, "MB"), spread(&after, "MB")),
    );

    let both_go_on = || [&left, &right].into_iter().try_for_each(|one| one.ahead(HOUR_S));
    both_go_on()?;
    tools::say("the next run, which is told of all that was written");
    let (echo, _) = watched(&part)?;
    table.tell(
        "the next run, in which the right tells what was written",
        format!("{:.1} s", echo.as_secs_f64()),
    );
    both_go_on()?;
    left.ask(&format!("edit?first=0&count={CHANGED}&round=1"))?;
    left.counts()?;
    right.counts()?;
    let (next, _) = watched(&part)?;
    let share = first.as_secs_f64() / next.as_secs_f64();
    let figure = format!("1/{share:.0} ({:.2} s)", next.as_secs_f64());
    let what = format!("a run with {CHANGED} changes ÷ the first");
    table.judge(&what, "≤ 1/100", figure, share >= 100.0);
    let (of_left, of_right) = (left.counts()?, right.counts()?);
    let reads = of(&of_left, "crm read") + of(&of_right, "crm read");
    let writes = of(&of_right, "crm write");
    table.judge("writes of that run", "≤ 5", writes.to_string(), writes <= 5);
    table.tell("reads of that run, both sides", reads.to_string());
    let disk = fs::metadata(folder.join("ours-usual/tieline.db"))?.len() / (1 << 20);
    table.tell("the store on disk", format!("{disk} MB"));
    Ok(table)
}

/// Runs the sync and looks at the memory meanwhile, in MB.
fn watched(part: &Part) -> Result<(Duration, Vec<f64>)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                seen.extend(contestants::resident_mb(part).ok());
                thread::sleep(LOOK_EVERY);
            }
            seen
        });
        let took = run(part);
        is_over.store(true, Ordering::Relaxed);
        let seen = watcher.join().map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
        Ok((took?, seen))
    })
}

/// The most that a process ever had resident, in megabytes.
fn peak_mb(part: &Part) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", part.running.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    let kilobytes = line.split_whitespace().nth(1).context("VmHWM has no figure")?;
    Ok(kilobytes.parse::<f64>()? / 1_024.0)
}

/// Ours between two CRMs, each in a process of its own.
fn between(left: &Vendors, right: &Vendors, folder: &Path) -> Result<Part> {
    let url = &right.simulator.part.url;
    let more = format!(
        r#"
[connections.other]
type = "salesforce"
prefix = "OTHER"
allow_private_addresses = true

[connections.other.settings]
login_url = "{url}"
client_id = "bench"
client_secret = {{ env = "BENCH_CRM_SECRET" }}

[connections.other.limits]
requests_per_minute = 100000000
concurrent_calls = 256
concurrent_background = 64

[[syncs]]
name = "contacts"
direction = "right"
schedule = "never"
left = {{ connection = "crm", object = "Contact" }}
right = {{ connection = "other", object = "Contact", key = "External_Id__c" }}
fields = [
  {{ left = "FirstName", right = "FirstName" }},
  {{ left = "LastName", right = "LastName" }},
  {{ left = "Email", right = "Email", match_as = "email" }},
  {{ left = "Phone", right = "Phone", match_as = "phone" }},
]
"#
    );
    let part = contestants::ours_with(&left.simulator, Directory::Usual, folder, &more, None)?;
    // Both were signed in before anything is measured.
    let headers = [("X-API-Key", KEY)];
    http::ask("GET", &part.url, "/api/v1/syncs", &headers, "", super::STEP)?;
    Ok(part)
}
