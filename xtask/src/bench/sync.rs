//! The rounds of the sync's bench: a first sync of many contacts beside the script of the public
//! guides, alone and in bulk, and what vendors are asked for later.
//!
//! All three read the same CRM and write to the same contact center, both stubs in a process
//! of their own ([`Vendors`]) that begin anew for each. The script leaves out what ours does
//! besides: it matches nobody, keeps no link, no journal and no audit, and a second run of it
//! would write everything again. [`million`] is about size.

pub(super) mod million;

use super::contestants::{self, Directory, KEY, Part, Simulator};
use super::figures::{Series, fdatasync};
use super::http;
use super::table::{Table, spread};
use crate::{process, tools};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Contacts of one first sync.
const PEOPLE: u64 = 20_000;
/// Of the script at a latency, of which every contact costs a whole one.
const PEOPLE_OF_SCRIPT: u64 = 400;
/// As ours sends: what the platform takes of records that are made, and how many at once.
const BATCH: u64 = 10;
const IN_FLIGHT: u64 = 16;
const LATENCY_MS: u64 = 20;
/// Contacts that are changed for the count of calls.
const CHANGED: u64 = 1_000;
/// The platform's largest request of records that are changed.
const CHANGE_MAX: u64 = 50;
/// The longest that one sync is waited for.
const LIMIT: Duration = Duration::from_secs(3_600);
const STEP: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Both stubs.
struct Vendors {
    simulator: Simulator,
}

/// The script, as it was copied for Node.
struct Script {
    folder: PathBuf,
}

/// Runs all rounds and returns their table.
pub(super) fn contacts(rounds: usize, folder: &Path) -> Result<Table> {
    let mut table = Table::default();
    let (median, tail) = fdatasync(folder)?;
    table.tell("disk: fdatasync of 4 KiB", format!("p50 {median:.2} ms, p99 {tail:.2} ms"));
    let script = Script { folder: contestants::install_node()? };
    let vendors = Vendors::start()?;
    let mut script_20ms = f64::NAN;
    for latency in [0, LATENCY_MS] {
        tools::say(&format!("a first sync of {PEOPLE} contacts, vendors' latency {latency} ms"));
        let [mut alone, mut bulk, mut ours] =
            [Series::default(), Series::default(), Series::default()];
        for round in 0..rounds {
            let people = if latency == 0 { PEOPLE } else { PEOPLE_OF_SCRIPT };
            vendors.reset(people, latency)?;
            alone.push(script.run("sync.mjs", &vendors, people)?);
            vendors.reset(PEOPLE, latency)?;
            bulk.push(script.run("sync-bulk.mjs", &vendors, PEOPLE)?);
            vendors.reset(PEOPLE, latency)?;
            let part = ours_at(&vendors, &folder.join(format!("{latency}-{round}")))?;
            let took = run(&part)?;
            vendors.all_the_same(PEOPLE)?;
            ours.push(per_second(PEOPLE, took));
        }
        let at = format!("{latency} ms");
        table.tell(&format!("the guides' script, {at}"), spread(&alone, "contacts/s"));
        let what = format!("its bulk variant, {BATCH} a request, {IN_FLIGHT} at once, {at}");
        table.tell(&what, spread(&bulk, "contacts/s"));
        table.tell(&format!("ours, {at}"), spread(&ours, "contacts/s"));
        let (least_alone, least_bulk) = if latency == 0 { (5.0, 1.0) } else { (50.0, 1.5) };
        for (than, series, least) in
            [("script", &alone, least_alone), ("bulk variant", &bulk, least_bulk)]
        {
            let times = ours.median() / series.median();
            let what = format!("ours ÷ the {than}, {at}");
            table.judge(&what, &format!("≥ {least}"), format!("{times:.2}"), times >= least);
        }
        script_20ms = alone.median();
    }
    let bound = 1_000.0 / f64::from(u32::try_from(LATENCY_MS)?)
        * f64::from(u32::try_from(BATCH * IN_FLIGHT)?);
    table.tell(
        "what that many at once allow at that latency",
        format!("{bound:.0} contacts/s, {:.0} × the script", bound / script_20ms),
    );
    calls(&vendors, folder, &mut table)?;
    Ok(table)
}

/// What a run asks vendors for when nobody, and when some have changed.
fn calls(vendors: &Vendors, folder: &Path, table: &mut Table) -> Result<()> {
    tools::say("calls of a run without changes, and of one with changes");
    vendors.reset(PEOPLE, 0)?;
    let part = ours_at(vendors, &folder.join("calls"))?;
    run(&part)?;
    let first = vendors.counts()?;
    table.tell("a first sync", told(&first, PEOPLE));
    vendors.ahead(3_600)?;
    run(&part)?;
    let idle = vendors.counts()?;
    let writes = of(&idle, "platform write") + of(&idle, "crm write");
    table.judge("writes of a run without changes", "0", told(&idle, PEOPLE), writes == 0);
    vendors.ask(&format!("edit?first=0&count={CHANGED}&round=1"))?;
    run(&part)?;
    let changed = vendors.counts()?;
    let writes = of(&changed, "platform write") + of(&changed, "crm write");
    let least = CHANGED.div_ceil(CHANGE_MAX);
    let most = least + least / 20;
    let what = format!("writes of {CHANGED} changed contacts");
    table.judge(&what, &format!("≤ {most}"), format!("{writes}"), writes <= most);
    let reads = of(&changed, "crm read");
    table.tell("calls of that run", told(&changed, PEOPLE));
    let most = CHANGED.div_ceil(500) + 3;
    table.judge(
        "reads of the CRM in that run, which tells changes",
        &format!("≤ {most}"),
        format!("{reads}"),
        reads <= most,
    );
    vendors.all_the_same(PEOPLE)
}

/// Calls by their kind, and for a thousand contacts.
fn told(counts: &Value, people: u64) -> String {
    let kinds = ["crm read", "crm write", "platform read", "platform write"];
    let all = kinds.iter().map(|kind| of(counts, kind)).sum::<u64>();
    let each: Vec<String> =
        kinds.iter().map(|kind| format!("{} {kind}s", of(counts, kind))).collect();
    format!("{} ({} for 1,000 contacts)", each.join(", "), all * 1_000 / people)
}

fn of(counts: &Value, kind: &str) -> u64 {
    counts["calls"][kind].as_u64().unwrap_or_default()
}

fn per_second(people: u64, took: Duration) -> f64 {
    u32::try_from(people).map_or(f64::NAN, f64::from) / took.as_secs_f64()
}

/// Runs the sync of `part` and returns how long it took, from asking for it to its end.
fn run(part: &Part) -> Result<Duration> {
    let headers = [("Content-Type", "application/json"), ("X-API-Key", KEY)];
    let begun = Instant::now();
    let body = r#"{"yes":true}"#;
    let path = "/api/v1/syncs/contacts/runs";
    let answer = http::ask("POST", &part.url, path, &headers, body, STEP)?;
    anyhow::ensure!(answer.status == 202, "no run was begun: {}", answer.body);
    let path = format!("/api/v1/runs/{}", answer.json()?["runId"]);
    while begun.elapsed() < LIMIT {
        let told = http::ask("GET", &part.url, &path, &headers, "", STEP)?.json()?;
        if told["endedAt"] != "" {
            anyhow::ensure!(told["state"] == "done", "the run ended otherwise: {told}");
            return Ok(begun.elapsed());
        }
        thread::sleep(LOOK_EVERY);
    }
    anyhow::bail!("the run has not ended in {} s", LIMIT.as_secs())
}

/// Ours between both stubs, with a store of its own; it promises what it does by default.
fn ours_at(vendors: &Vendors, folder: &Path) -> Result<Part> {
    let url = &vendors.simulator.part.url;
    let more = format!(
        r#"
[contact_center]
connection = "genesys"

[connections.genesys]
type = "genesys_cloud"
allow_private_addresses = true

[connections.genesys.settings]
api_url = "{url}"
login_url = "{url}"
client_id = "bench"
client_secret = {{ env = "BENCH_CENTER_SECRET" }}
external_source = "CRM"

[connections.genesys.limits]
requests_per_minute = 100000000
concurrent_calls = 256
concurrent_background = 64

[[syncs]]
name = "contacts"
direction = "right"
schedule = "never"
left = {{ connection = "crm", object = "Contact" }}
right = {{ connection = "genesys", object = "contacts" }}
fields = [
  {{ left = "Id", right = "externalId", match_as = "external_id" }},
  {{ left = "FirstName", right = "firstName" }},
  {{ left = "LastName", right = "lastName" }},
  {{ left = "Email", right = "email", match_as = "email" }},
  {{ left = "Phone", right = "phoneNumbers[0]", match_as = "phone" }},
]
"#
    );
    let simulator = &vendors.simulator;
    contestants::ours_with(simulator, Directory::Usual, folder, &more, Some(simulator))
}

impl Vendors {
    fn start() -> Result<Self> {
        let part = contestants::vendors()?;
        let secret = || "bench".to_owned();
        Ok(Self { simulator: Simulator::of(part, secret(), secret()) })
    }

    fn ask(&self, what: &str) -> Result<Value> {
        let url = &self.simulator.part.url;
        let answer = http::ask("POST", url, &format!("/_bench/{what}"), &[], "", STEP)?;
        anyhow::ensure!(answer.status == 200, "the stub of the vendors refused {what}");
        answer.json()
    }

    /// So many contacts in the CRM, nobody in the contact center, and nothing counted.
    fn reset(&self, people: u64, latency: u64) -> Result<()> {
        self.ask(&format!("reset?people={people}&latency={latency}")).map(drop)
    }

    /// Calls since the last question.
    fn counts(&self) -> Result<Value> {
        self.ask("counts")
    }

    fn ahead(&self, seconds: u64) -> Result<()> {
        self.ask(&format!("ahead?seconds={seconds}")).map(drop)
    }

    /// Nobody counts who was not brought over, field by field.
    fn all_the_same(&self, people: u64) -> Result<()> {
        let told = self.counts()?;
        let same = told["same"].as_u64();
        anyhow::ensure!(
            same == Some(people) && told["platform"] == told["same"],
            "not all {people} are the same on both sides: {told}"
        );
        Ok(())
    }
}

impl Script {
    /// Contacts a second of one run of one of its files.
    fn run(&self, file: &str, vendors: &Vendors, people: u64) -> Result<f64> {
        let url = &vendors.simulator.part.url;
        let mut command = Command::new("node");
        command.arg(file).current_dir(&self.folder).env("NODE_ENV", "production");
        command.env("CRM_URL", url).env("PLATFORM_URL", url);
        command.env("BATCH", BATCH.to_string()).env("IN_FLIGHT", IN_FLIGHT.to_string());
        let done = process::capture("the script", &mut command, LIMIT)?;
        anyhow::ensure!(done.ok, "{file}: {}", done.err.trim());
        let told: Value = serde_json::from_str(done.out.trim()).context(file.to_owned())?;
        anyhow::ensure!(told["contacts"] == people, "{file} wrote others than all: {told}");
        let seconds = told["seconds"].as_f64().context("no seconds")?;
        vendors.all_the_same(people)?;
        Ok(per_second(people, Duration::from_secs_f64(seconds)))
    }
}
