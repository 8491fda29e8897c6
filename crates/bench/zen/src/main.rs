//! zen-engine over a scene of `rules make`: its answers are checked, then counted.
//!
//! `zen SCENE SECONDS` prints one JSON object. The scene becomes one decision table with hit
//! policy "first", a column for each field, compiled before the clock starts as its
//! documentation advises; callers are its own values already. Days are given as whole numbers
//! (20261122), so that nothing is parsed line by line; what is missing is null.

use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zen_engine::model::DecisionContent;
use zen_engine::{Decision, Variable};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIELDS: [&str; 6] =
    ["tier", "segment", "account", "openInvoices", "revenue", "customerSince"];

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("zen: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Value, String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, seconds] = words.as_slice() else { return Err("usage: zen SCENE SECONDS".into()) };
    let seconds: u64 = seconds.parse().map_err(|_| "SECONDS is no number")?;
    let text = std::fs::read(file).map_err(|reason| format!("{file}: {reason}"))?;
    let scene: Value = serde_json::from_slice(&text).map_err(|reason| reason.to_string())?;
    let content: DecisionContent =
        serde_json::from_value(graph(&scene)?).map_err(|reason| reason.to_string())?;
    let DecisionContent::Graph(graph) = content else { return Err("no graph".into()) };
    let mut decision = Decision::from(graph);
    decision.compile();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|reason| reason.to_string())?;
    let callers = array(&scene, "callers")?.iter().map(caller).collect::<Result<Vec<_>, _>>()?;
    let answers = array(&scene, "answers")?;
    runtime.block_on(async {
        // Every caller once: checked, and warm.
        measure(&decision, &callers, answers, Duration::ZERO).await?;
        let (decisions, took) =
            measure(&decision, &callers, answers, Duration::from_secs(seconds)).await?;
        let per_second = decisions as f64 / took.as_secs_f64();
        Ok(json!({ "decisions": decisions, "perSecond": per_second.round() }))
    })
}

/// Decides for every caller in turn, once at least, until time is over.
async fn measure(
    decision: &Decision,
    callers: &[Variable],
    answers: &[Value],
    limit: Duration,
) -> Result<(u64, Duration), String> {
    let (mut decisions, begin) = (0, Instant::now());
    loop {
        for (caller, right) in callers.iter().zip(answers) {
            let response =
                decision.evaluate(caller.clone()).await.map_err(|reason| reason.to_string())?;
            let line = response.result.dot("line").and_then(|line| line.as_number());
            let line = line.and_then(|line| u64::try_from(line).ok());
            if line != right.as_u64() {
                return Err(format!("{caller}: line {line:?}, right is {right}"));
            }
            decisions += 1;
            if !limit.is_zero() && begin.elapsed() >= limit {
                return Ok((decisions, begin.elapsed()));
            }
        }
        if limit.is_zero() {
            return Ok((decisions, begin.elapsed()));
        }
    }
}

/// A graph of one table.
fn graph(scene: &Value) -> Result<Value, String> {
    let rows = array(scene, "lines")?.iter().enumerate().map(|(index, line)| row(index, line));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let inputs: Vec<Value> =
        FIELDS.iter().map(|name| json!({ "id": name, "name": name, "field": name })).collect();
    Ok(json!({
        "nodes": [
            { "id": "in", "name": "request", "type": "inputNode", "content": {} },
            { "id": "table", "name": "chain", "type": "decisionTableNode", "content": {
                "hitPolicy": "first",
                "inputs": inputs,
                "outputs": [{ "id": "line", "name": "Line", "field": "line" }],
                "rules": rows,
            } },
            { "id": "out", "name": "response", "type": "outputNode", "content": {} },
        ],
        "edges": [
            { "id": "e1", "sourceId": "in", "targetId": "table" },
            { "id": "e2", "sourceId": "table", "targetId": "out" },
        ],
    }))
}

fn row(index: usize, line: &Value) -> Result<Value, String> {
    let mut row = Map::new();
    row.insert("_id".into(), json!(format!("r{index}")));
    row.insert("line".into(), json!(index.to_string()));
    for condition in array(line, "conditions")? {
        let field = text(condition, "field")?;
        let own = cell(field, condition)?;
        let both = match row.get(field).and_then(Value::as_str) {
            Some(other) => format!("{other} and {own}"),
            None => own,
        };
        row.insert(field.to_owned(), both.into());
    }
    Ok(Value::Object(row))
}

/// One condition in the engine's words for a cell.
fn cell(field: &str, condition: &Value) -> Result<String, String> {
    let written = |value: &Value| match (field, value.as_str().unwrap_or_default()) {
        ("openInvoices" | "revenue", number) => number.to_owned(),
        ("customerSince", day) => day.replace('-', ""),
        (_, text) => format!("\"{text}\""),
    };
    let values: Vec<String> = array(condition, "values")?.iter().map(written).collect();
    let values = values.join(", ");
    Ok(match text(condition, "operator")? {
        "=" | "in" => values,
        "starts with" => format!("startsWith($, {values})"),
        operator => format!("{operator} {values}"),
    })
}

fn caller(caller: &Value) -> Result<Variable, String> {
    let mut known = Map::new();
    for field in FIELDS {
        let value = match (field, &caller[field]) {
            ("customerSince", Value::String(day)) => {
                let number: u64 = day.replace('-', "").parse().map_err(|_| "no day")?;
                json!(number)
            }
            (_, value) => value.clone(),
        };
        known.insert(field.to_owned(), value);
    }
    Ok(Value::Object(known).into())
}

fn array<'a>(of: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    of[name].as_array().ok_or_else(|| format!("no {name}"))
}

fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str, String> {
    of[name].as_str().ok_or_else(|| format!("no {name}"))
}
