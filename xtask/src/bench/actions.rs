//! The rounds of the data actions' bench: what an enrichment costs, and whom a sick CRM slows.
//!
//! Six simulated CRMs, each a process of its own, behind queues of their own. What is
//! compared runs in turn, or in the very same server, so that a moment of the machine
//! touches both alike.

use super::contestants::{self, Directory, KEY, Part, Simulator};
use super::figures::{Generators, Pressure, Series};
use super::rounds::Plan;
use super::table::{Table, spread};
use crate::tools;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const SYSTEMS: usize = 6;
/// Each queue's enrichments a second while one CRM hangs: all together a third of what two
/// cores can do, so that what is measured is waiting and not a queue for the processor.
const RATE: u64 = 60;
/// Of the large configuration.
const QUEUES: usize = 1_000;
const CONNECTIONS: usize = 50;

/// What stands in every part of the bench.
struct Stage {
    plan: Plan,
    folder: PathBuf,
    generators: Generators,
    crms: Vec<Simulator>,
    numbers: PathBuf,
    /// Enrichments by number, and by the record that the platform passed on.
    by_number: PathBuf,
    by_record: PathBuf,
}

/// Runs all rounds and returns their table.
pub(super) fn enrichments(plan: Plan, folder: &Path) -> Result<Table> {
    let generators = Generators::prepare(folder, contestants::program("load"))?;
    let crms = (0..SYSTEMS).map(|_| contestants::simulator()).collect::<Result<Vec<_>>>()?;
    let (numbers, _) = crms[0].numbers(folder)?;
    let contacts = crms[0].contacts()?;
    let bodies = |name: &str, body: &dyn Fn(&(String, String)) -> Value| -> Result<PathBuf> {
        let lines: Vec<String> = contacts.iter().map(|one| body(one).to_string()).collect();
        let path = folder.join(name);
        fs::write(&path, lines.join("\n"))?;
        Ok(path)
    };
    let by_number =
        bodies("by-number.jsonl", &|(_, number)| json!({ "callId": "@call@", "ani": number }))?;
    let by_record = bodies(
        "by-record.jsonl",
        &|(record, _)| json!({ "callId": "@call@", "externalId": format!("CRM2:{record}") }),
    )?;
    let folder = folder.to_owned();
    let stage = Stage { plan, folder, generators, crms, numbers, by_number, by_record };
    let mut table = Table::default();
    beside_the_lookup(&stage, &mut table)?;
    one_hangs(&stage, &mut table)?;
    many_configured(&stage, &mut table)?;
    Ok(table)
}

/// One of six CRMs that answer at once, asked for a queue and for an arriving call.
fn beside_the_lookup(stage: &Stage, table: &mut Table) -> Result<()> {
    tools::say("an enrichment beside a lookup, CRM 0 ms, 64 connections");
    let ours = stage.ours("six", Directory::Never, &six(&stage.crms))?;
    stage.generators.warm(&ours.url, KEY, &stage.numbers, 2_000)?;
    let pressure = stage.pressure(64, None);
    let mut figures: [(Series, Series); 3] = Default::default();
    for _ in 0..stage.plan.rounds {
        let reports = [
            stage.generators.load(&ours.url, KEY, &stage.numbers, pressure)?,
            stage.enrich(&ours, "Q1", &stage.by_number, pressure)?,
            stage.enrich(&ours, "A2", &stage.by_record, pressure)?,
        ];
        for (report, (per_second, p99)) in reports.iter().zip(&mut figures) {
            all_hits(report)?;
            per_second.push(report["perSecond"].as_f64().context("no perSecond")?);
            p99.push(report["p99"].as_f64().context("no p99")?);
        }
    }
    let says = |(per_second, p99): &(Series, Series)| {
        format!("{}, p99 {}", spread(per_second, "/s"), spread(p99, "ms"))
    };
    let [lookup, enrich, action] = &figures;
    table.tell("lookup, live CRM 0 ms", says(lookup));
    for (what, figures) in [("the connection's lookup", enrich), ("an action by record", action)] {
        table.tell(&format!("enrich of a queue by {what}"), says(figures));
        let share = 100.0 * figures.0.median() / lookup.0.median();
        let what = format!("enrich by {what} ÷ lookup");
        table.judge(&what, "≥ 75 %", format!("{share:.0} %"), share >= 75.0);
    }
    Ok(())
}

/// All six queues are asked at once; the sixth CRM answers, or hangs.
fn one_hangs(stage: &Stage, table: &mut Table) -> Result<()> {
    tools::say("six queues at once, the CRM of the sixth well, then hanging");
    let ours = stage.ours("bulkhead", Directory::Never, &six(&stage.crms))?;
    stage.generators.warm(&ours.url, KEY, &stage.numbers, 2_000)?;
    let percentiles = ["p50", "p90", "p99", "p999"];
    let mut curves: [[Series; 4]; 2] = Default::default();
    let mut sixth: [Series; 2] = Default::default();
    for _ in 0..stage.plan.rounds {
        for (hangs, curve) in curves.iter_mut().enumerate() {
            let last = &stage.crms[SYSTEMS - 1];
            if hangs == 1 {
                last.hang()?
            } else {
                last.be_slow(0)?
            }
            let reports = stage.all_queues(&ours)?;
            for report in &reports[..SYSTEMS - 1] {
                all_hits(report)?;
                for (percentile, series) in percentiles.iter().zip(curve.iter_mut()) {
                    series.push(report[*percentile].as_f64().context("no percentile")?);
                }
            }
            sixth[hangs].push(reports[SYSTEMS - 1]["max"].as_f64().context("no max")?);
        }
    }
    stage.crms[SYSTEMS - 1].be_slow(0)?;
    for (state, curve) in ["all six are well", "the sixth hangs"].iter().zip(&curves) {
        let points = percentiles.iter().zip(curve);
        let told: Vec<_> =
            points.map(|(name, series)| format!("{name} {}", spread(series, "ms"))).collect();
        table.tell(&format!("the five others while {state}"), told.join(", "));
    }
    let [well, hanging] = &sixth;
    table.tell("slowest answer of the sixth, well", spread(well, "ms"));
    table.tell("slowest answer of the sixth, hanging (deadline 300 ms)", spread(hanging, "ms"));
    let times = curves[1][2].median() / curves[0][2].median();
    let what = "p99 of the five, one of six hanging ÷ none";
    table.judge(what, "≤ 1.2", format!("{times:.2}"), times <= 1.2);
    Ok(())
}

/// A configuration of two queues and connections beside one of very many. The small one
/// stands twice, so that one sees how much two runs of the very same differ here.
fn many_configured(stage: &Stage, table: &mut Table) -> Result<()> {
    tools::say("two queues and connections, twice, beside 1,000 queues and 50 connections");
    let sizes = [("two", 2, 2), ("many", QUEUES, CONNECTIONS), ("twin", 2, 2)];
    let mut parts = Vec::new();
    for (name, queues, connections) in sizes {
        let more = configured(&stage.crms, queues, connections);
        let part = stage.ours(name, Directory::Usual, &more)?;
        stage.generators.warm(&part.url, KEY, &stage.numbers, usize::MAX)?;
        parts.push(part);
    }
    let mut lookups: [Series; 3] = Default::default();
    let mut enriched: [Series; 3] = Default::default();
    for round in 0..stage.plan.rounds {
        // Each begins in its turn: whoever comes second has what the first left to be written.
        for index in (0..parts.len()).map(|index| (index + round) % sizes.len()) {
            let (part, seconds) = (&parts[index], stage.plan.seconds);
            let report = stage.generators.ceiling(&part.url, KEY, &stage.numbers, 64, seconds)?;
            lookups[index].push(report["perSecond"].as_f64().context("no perSecond")?);
            let pressure = stage.pressure(64, None);
            let report = stage.enrich(part, "Q0", &stage.by_number, pressure)?;
            all_hits(&report)?;
            enriched[index].push(report["perSecond"].as_f64().context("no perSecond")?);
        }
    }
    for (index, (_, queues, connections)) in sizes.into_iter().enumerate() {
        let figures = format!(
            "lookups {}, enrichments {}, {:.0} MB",
            spread(&lookups[index], "/s"),
            spread(&enriched[index], "/s"),
            contestants::resident_mb(&parts[index])?
        );
        table.tell(&format!("{queues} queues, {connections} connections"), figures);
    }
    for (what, [two, many, twin]) in [("a lookup", &lookups), ("an enrichment", &enriched)] {
        let noise = two.median() / twin.median();
        table.tell(&format!("{what}: the same configuration ÷ itself"), format!("{noise:.2}"));
        let times = f64::midpoint(two.median(), twin.median()) / many.median();
        let what = format!("{what} with 1,000 queues and 50 connections ÷ with two");
        table.judge(&what, "≤ 1.05", format!("{times:.2}"), times <= 1.05);
    }
    Ok(())
}

impl Stage {
    fn ours(&self, name: &str, directory: Directory, more: &str) -> Result<Part> {
        contestants::ours_with(&self.crms[0], directory, &self.folder.join(name), more, None)
    }

    fn pressure(&self, connections: usize, rate: Option<u64>) -> Pressure {
        Pressure { connections, seconds: self.plan.seconds, rate, limit_ms: None, expect: None }
    }

    fn enrich(&self, part: &Part, queue: &str, bodies: &Path, how: Pressure) -> Result<Value> {
        let path = format!("/api/v1/queues/{queue}/enrich");
        self.generators.tell(&part.url, KEY, &path, bodies, how)
    }

    /// Each queue's report, all measured at the same time.
    fn all_queues(&self, part: &Part) -> Result<Vec<Value>> {
        // More than wait at once for a deadline of 300 ms.
        let how = self.pressure(32, Some(RATE));
        let paths: Vec<String> =
            (0..SYSTEMS).map(|index| format!("/api/v1/queues/Q{index}/enrich")).collect();
        self.generators.tell_all(&part.url, KEY, &paths, &self.by_number, how)
    }
}

/// Six queues `Q0` to `Q5`, each of a CRM of its own, and `A2`, which runs an action.
fn six(crms: &[Simulator]) -> String {
    let mut text = configured(crms, SYSTEMS, SYSTEMS);
    text.push_str(
        r#"
[actions.Enrich]
connection = "crm2"
path = "/services/data/v67.0/query"
query = { q = "SELECT Name, Email, Loyalty_Tier__c FROM Contact WHERE Id = '{{customerExternalId}}'" }
fields.customerName = { path = "records.0.Name" }
fields.customerEmail = { path = "records.0.Email" }

[[queues]]
name = "A2"
action = "Enrich"
"#,
    );
    text
}

/// `queues` queues in turn over `connections` connections, the first of which is `crm`. The number
/// that arriving calls dialled leads to the last queue of the first connection.
fn configured(crms: &[Simulator], queues: usize, connections: usize) -> String {
    let mut text = String::new();
    for index in 1..connections {
        let crm = &crms[index % crms.len()];
        let _ = write!(
            text,
            r#"
[connections.crm{index}]
type = "salesforce"
prefix = "CRM{index}"
allow_private_addresses = true
settings.login_url = "{url}"
settings.client_id = "{id}"
settings.client_secret = {{ env = "BENCH_CRM_SECRET" }}
settings.phone_fields = ["Phone", "MobilePhone"]
settings.data = {{ crmCaseId = "CRM_Case_Id__c", loyaltyTier = "Loyalty_Tier__c" }}
limits.requests_per_minute = 100000000
limits.concurrent_calls = 256
limits.timeout = "5s"
"#,
            url = crm.part.url,
            id = crm.client_id,
        );
    }
    let of_first = (queues - 1) / connections * connections;
    for index in 0..queues {
        let connection = match index % connections {
            0 => "crm".to_owned(),
            other => format!("crm{other}"),
        };
        let did = match index == of_first {
            true => "+15550190000".to_owned(),
            false => format!("+1206{:07}", 2_000_000 + index),
        };
        let _ = write!(
            text,
            "\n[[queues]]\nname = \"Q{index}\"\nids = [\"{index:08}-0000-4000-8000-000000000000\"]\n\
             dids = [\"{did}\"]\nconnection = \"{connection}\"\n"
        );
    }
    text
}

/// Nothing counts that did not find whom it asked for.
fn all_hits(report: &Value) -> Result<()> {
    let flaws = ["wrong", "lost"].map(|name| report[name].as_u64().unwrap_or(1));
    let answers = report["answers"].as_object().context("no answers")?;
    let is_flawless = flaws == [0, 0] && !answers.is_empty();
    let found =
        answers.keys().all(|kind| kind.starts_with("hit ") || kind.starts_with("ambiguous "));
    anyhow::ensure!(is_flawless && found, "not every answer is a hit: {report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::all_hits;
    use serde_json::json;

    #[test]
    fn an_answer_that_found_nobody_does_not_count() {
        let report = |answers| json!({ "wrong": 0, "lost": 0, "answers": answers });
        assert!(all_hits(&report(json!({ "hit CRM": 9 }))).is_ok());
        assert!(all_hits(&report(json!({ "hit CRM": 9, "failed ": 1 }))).is_err());
        assert!(all_hits(&report(json!({}))).is_err());
    }
}
