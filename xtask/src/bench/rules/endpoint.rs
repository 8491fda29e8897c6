//! Decisions over HTTP beside lookups of the same callers, from one server, in turn.
//!
//! Every caller is known to the directory beforehand, by the CRM and by the customer's own
//! database; then the CRM falls silent, so that nothing but the directory can be the answer.
//! The chains are the demo's: two rules over two systems, and the first of them alone.

use crate::bench::contestants::{self, Directory, KEY, Part};
use crate::bench::figures::{DECIDE, Deciding, Generators, Pressure, Series};
use crate::bench::http;
use crate::bench::rounds::Plan;
use crate::bench::table::{Table, spread};
use crate::tools;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const STEP: Duration = Duration::from_secs(10);
/// The demo's number, whose chain asks two systems.
const BOTH: &str = "+15550190000";
/// Another, whose chain asks the CRM alone.
const ONE: &str = "+15550190001";

/// Requests a second and 99th percentile over the rounds.
#[derive(Default)]
struct Measured {
    per_second: Series,
    p99: Series,
}

impl Measured {
    fn take(&mut self, report: &Value) -> Result<()> {
        self.per_second.push(report["perSecond"].as_f64().context("no perSecond")?);
        self.p99.push(report["p99"].as_f64().context("no p99")?);
        Ok(())
    }

    fn says(&self) -> String {
        format!("{}, p99 {}", spread(&self.per_second, "/s"), spread(&self.p99, "ms"))
    }
}

/// Runs all rounds.
pub(super) fn beside_the_lookup(plan: Plan, folder: &Path, table: &mut Table) -> Result<()> {
    tools::say("the decide endpoint beside the lookup, directory hits, 64 connections");
    let generators = Generators::prepare(folder, contestants::program("load"))?;
    let crm = contestants::simulator()?;
    let (known, _) = crm.numbers(folder)?;
    let (_database, file) = contestants::database()?;
    let ours = contestants::ours_with(&crm, Directory::Usual, folder, &books(&file), None)?;
    publish(&ours)?;
    let both = deciding(BOTH, &known, folder)?;
    let one = deciding(ONE, &known, folder)?;
    generators.warm(&ours.url, KEY, &known, usize::MAX)?;
    // Twice: whom a system did not tell in time, it tells behind the answer.
    for _ in 0..2 {
        generators.warm_decisions(&ours.url, KEY, &both)?;
    }
    from_the_directory(&ours, &known)?;
    crm.hang()?;

    let [mut lookups, mut by_both, mut by_one]: [Measured; 3] = Default::default();
    for _ in 0..plan.rounds {
        lookups.take(&generators.ceiling(&ours.url, KEY, &known, 64, plan.seconds)?)?;
        for (chain, measured) in [(&both, &mut by_both), (&one, &mut by_one)] {
            let report = generators.decisions(&ours.url, KEY, &known, chain, plan.seconds)?;
            measured.take(&report)?;
        }
    }
    table.tell("lookups, directory hits, 64 connections", lookups.says());
    let chains = [("two connections", &both, &by_both), ("one connection", &one, &by_one)];
    for (what, chain, measured) in chains {
        table.tell(&format!("decisions by {what}, directory hits"), measured.says());
        let share = measured.per_second.median() / lookups.per_second.median();
        let row = format!("decisions by {what} ÷ lookups");
        table.judge(&row, "≥ 0.9", format!("{share:.2}"), share >= 0.9);
        let times = measured.p99.median() / lookups.p99.median();
        let row = format!("their p99 ÷ the lookups' ({what})");
        table.judge(&row, "≤ 1.1", format!("{times:.2}"), times <= 1.1);
        check(&generators, &ours, chain, plan, (what, table))?;
    }
    Ok(())
}

/// Once more with every answer read: a decision that lacked what a system knows does not count.
fn check(
    generators: &Generators,
    ours: &Part,
    chain: &Deciding,
    plan: Plan,
    (what, table): (&str, &mut Table),
) -> Result<()> {
    let pressure = Pressure {
        connections: 64,
        seconds: plan.seconds,
        rate: None,
        limit_ms: None,
        expect: None,
    };
    let report = generators.tell(&ours.url, KEY, DECIDE, &chain.bodies, pressure)?;
    let flaws = ["wrong", "lost"].map(|name| report[name].as_u64().unwrap_or(1));
    let met = flaws == [0, 0] && report["answered"].as_u64() > Some(0);
    let row = format!("decisions by {what}, every answer read");
    let said = match &report["exampleOfWrong"] {
        Value::String(wrong) => format!("such as {wrong}"),
        _ => report["answers"].to_string(),
    };
    table.judge(&row, "matched or default", said, met);
    Ok(())
}

/// The customer's own database, which knows every caller: a record for each number, of which
/// some have open invoices.
fn books(file: &str) -> String {
    let columns = "substr(id, 2) % 4 AS openInvoices, 'Sam' AS first_name, 'Doe' AS last_name, \
                   '+' || substr(id, 2) AS phone, id AS record";
    let people = |given: &str| format!("SELECT {columns} FROM (SELECT {given} AS id)");
    format!(
        r#"
[connections.books]
type = "sql"
prefix = "STD"
allow_private_addresses = true

[connections.books.settings]
engine = "sqlite"
file = {file}
lookup_by_phone = "{by_phone}"
lookup_by_record = "{by_record}"

[connections.books.limits]
requests_per_minute = 100000000
concurrent_calls = 256
timeout = "5s"
"#,
        file = toml::Value::from(file),
        by_phone = people("'C' || :phone_digits"),
        by_record = people(":record"),
    )
}

/// Puts the demo's rules in force, and a second chain of the first alone.
fn publish(ours: &Part) -> Result<()> {
    let queue = |name: &str| json!({ "type": "queue", "option": name });
    let rule = |crm: &str, field: &str, line: Value| {
        json!({
            "location": "did", "crm": crm, "module": "contacts", "field": field, "lines": [line],
        })
    };
    let chain = |rules: &[&str]| json!({ "rules": rules, "default": queue("General") });
    let gold = json!({ "operator": "=", "value": "Gold", "destination": queue("Premium Support") });
    let open = json!({ "operator": ">", "value": 0, "destination": queue("Billing") });
    let set = json!({
        "rules": {
            "Gold callers": rule("crm", "loyaltyTier", gold),
            "Open invoices": rule("books", "openInvoices", open),
        },
        "chains": {
            (format!("did:{BOTH}")): chain(&["Gold callers", "Open invoices"]),
            (format!("did:{ONE}")): chain(&["Gold callers"]),
        },
    });
    ask(ours, "PUT", "/api/v1/routing/set", &set)?;
    let published = ask(ours, "POST", "/api/v1/routing/publish", &json!({}))?;
    anyhow::ensure!(published["revision"].as_u64() > Some(0), "not in force: {published}");
    Ok(())
}

/// A body for each number, for those who read every answer.
fn deciding(did: &'static str, numbers: &Path, folder: &Path) -> Result<Deciding> {
    let body = |number: &str| json!({ "did": did, "ani": number, "callId": "@call@" }).to_string();
    let lines: Vec<String> = fs::read_to_string(numbers)?.lines().map(body).collect();
    let bodies = folder.join(format!("decide-{}.jsonl", did.trim_start_matches('+')));
    fs::write(&bodies, lines.join("\n"))?;
    Ok(Deciding { did, bodies })
}

/// Some callers are asked about and looked into: both systems must be known to the directory.
fn from_the_directory(ours: &Part, numbers: &Path) -> Result<()> {
    let numbers = fs::read_to_string(numbers)?;
    for (index, number) in numbers.lines().step_by(500).enumerate() {
        let call = format!("explained-{index}");
        let body = json!({ "did": BOTH, "ani": number, "callId": call });
        let decided = ask(ours, "POST", DECIDE, &body)?;
        let trace = ask(ours, "GET", &format!("/api/v1/calls/{call}/explain"), &Value::Null)?;
        let asked = trace["decisions"][0]["asked"].as_array().cloned().unwrap_or_default();
        let is_known = !asked.is_empty() && asked.iter().all(|one| one["source"] == "directory");
        anyhow::ensure!(is_known, "not from the directory: {decided} {asked:?}");
    }
    Ok(())
}

fn ask(part: &Part, method: &str, path: &str, body: &Value) -> Result<Value> {
    let headers = [("Content-Type", "application/json"), ("X-API-Key", KEY)];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http::ask(method, &part.url, path, &headers, &body, STEP)?;
    anyhow::ensure!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
    answer.json()
}
