//! What `tieline sync` prints.

use serde_json::Value;

pub(super) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

pub(super) fn each(list: &Value, line: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().into_iter().flatten().map(line).collect()
}

/// The longest that a value is shown in a table.
const WIDE: usize = 60;

/// A value of a record in one cell: no control characters of a vendor reach the terminal.
pub(super) fn cell(value: &Value) -> String {
    let told = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut cell: String =
        told.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(WIDE).collect();
    if told.chars().count() > WIDE {
        cell.push('…');
    }
    cell
}

/// One sync in a line.
pub(super) fn sync(sync: &Value) -> String {
    let end =
        |side: &str| format!("{} {}", text(&sync[side], "connection"), text(&sync[side], "object"));
    let stands = match (text(sync, "paused"), text(sync, "approvedAt")) {
        (why, _) if !why.is_empty() => format!("rests: {why}"),
        (_, at) if at.is_empty() => "not approved".to_owned(),
        (_, at) => format!("approved {at} by {}", text(sync, "approvedBy")),
    };
    format!(
        "{:<20} {} ⇄ {}  {} people, {} reviews open  {stands}",
        text(sync, "name"),
        end("left"),
        end("right"),
        sync["pairs"],
        sync["openReviews"],
    )
}

/// A sync, how it did and its last runs.
pub(super) fn standing(one: &Value, health: &Value) -> Vec<String> {
    let number = |key: &str| health[key].as_u64().unwrap_or_default();
    let mut lines = vec![
        sync(one),
        format!(
            "score {:.1} of 100; {} failing, {} given up, {} reviews open",
            health["score"].as_f64().unwrap_or_default(),
            number("failing"),
            number("dead"),
            number("openReviews"),
        ),
    ];
    if health["drift"].is_object() {
        lines.extend(drift(&health["drift"]));
    }
    let runs = each(&health["runs"], did);
    if !runs.is_empty() {
        lines.push(format!(
            "{:>8}  {:<24} {:<8}{:>9}{:>9}{:>9}{:>9}{:>8}{:>10}{:>9}",
            "run",
            "began",
            "state",
            "created",
            "updated",
            "deleted",
            "skipped",
            "errors",
            "conflicts",
            "seconds"
        ));
    }
    lines.extend(runs);
    lines
}

/// How far both sides are apart: a line, and one for each field that differs.
pub(super) fn drift(drift: &Value) -> Vec<String> {
    let number = |key: &str| drift[key].as_u64().unwrap_or_default();
    // Of nobody who could be compared there is no percentage.
    let share = match number("compared") {
        0 => "unknown".to_owned(),
        _ => format!("{:.1} %", drift["percent"].as_f64().unwrap_or_default()),
    };
    let mut lines = vec![format!(
        "drift {share} ({} of {} pairs differ, {} pending), measured {}",
        number("differing"),
        number("compared"),
        number("pending"),
        text(drift, "at"),
    )];
    for (key, side) in [("missingLeft", "left"), ("missingRight", "right")] {
        if number(key) > 0 {
            lines.push(format!("{:>10} have no record on the {side}", number(key)));
        }
    }
    lines.extend(each(&drift["fields"], |field| {
        let (left, right) = (&field["left"], &field["right"]);
        format!("{:>10} left, {right} right  {}", left.to_string(), text(field, "field"))
    }));
    lines
}

fn did(run: &Value) -> String {
    let number = |key: &str| run[key].as_u64().unwrap_or_default();
    format!(
        "{:>8}  {:<24} {:<8}{:>9}{:>9}{:>9}{:>9}{:>8}{:>10}{:>9.1}",
        run["runId"].to_string(),
        text(run, "startedAt"),
        text(run, "state"),
        number("created"),
        number("updated"),
        number("deleted"),
        number("skipped"),
        number("errors"),
        number("conflicts"),
        run["seconds"].as_f64().unwrap_or_default(),
    )
}

/// One run in a line.
pub(super) fn run_line(run: &Value) -> String {
    let of = match run["of"].as_i64() {
        Some(of) if of > 0 => format!(" of {of}"),
        _ => String::new(),
    };
    format!(
        "{:>8}  {}  {:<8} {}{of}  by {}: {} {}",
        run["runId"].to_string(),
        text(run, "startedAt"),
        text(run, "state"),
        text(run, "kind"),
        text(run, "by"),
        counted(run),
        text(run, "note"),
    )
}

/// Writes that a run has done.
pub(super) fn writes(run: &Value) -> u64 {
    let words = ["created", "updated", "deleted", "marked"];
    let all = words.iter().flat_map(|word| ["left", "right"].map(|side| format!("{word}_{side}")));
    all.filter_map(|word| run["counts"][word].as_u64()).sum()
}

fn counted(run: &Value) -> String {
    let counts = run["counts"].as_object().into_iter().flatten();
    let told = counts.filter(|(word, number)| *word != "expected" && number.as_u64() != Some(0));
    let told = told.map(|(word, number)| format!("{} {number}", word.replace('_', " ")));
    match told.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "nothing".to_owned(),
        some => some,
    }
}

/// A run that has ended: a table of what each side got, and the rest below.
pub(super) fn run(run: &Value) -> Vec<String> {
    let dry = if text(run, "kind") == "plan" { ", nothing was written" } else { "" };
    let mut lines = vec![format!(
        "{} {} of {}: {}{dry}",
        text(run, "kind"),
        run["runId"],
        text(run, "sync"),
        text(run, "state")
    )];
    let count = |word: &str| run["counts"][word].as_u64().unwrap_or_default();
    let words = ["new", "changed", "gone", "created", "updated", "deleted", "marked"];
    let shown: Vec<&str> = words
        .into_iter()
        .filter(|word| ["left", "right"].iter().any(|side| count(&format!("{word}_{side}")) > 0))
        .collect();
    if !shown.is_empty() {
        let head: String = shown.iter().map(|word| format!("{word:>10}")).collect();
        lines.push(format!("  {:<6}{head}", ""));
        for side in ["left", "right"] {
            let row = shown.iter().map(|word| format!("{:>10}", count(&format!("{word}_{side}"))));
            lines.push(format!("  {side:<6}{}", row.collect::<String>()));
        }
    }
    let both = [
        ("linked", "found to be one person"),
        ("unchanged", "the same on both sides"),
        ("echoes", "own writes that came back"),
        ("conflicts", "conflicts: the value that lost is kept"),
        ("duplicates", "duplicates: see the reviews"),
        ("held", "wait for a person: see the reviews"),
        ("drift", "edits on the side that mirrors"),
        ("undone", "taken back"),
        ("left", "could not be taken back"),
        ("errors", "failed"),
    ];
    let told = both.iter().filter(|(word, _)| count(word) > 0);
    lines.extend(told.map(|(word, label)| format!("{:>10} {label}", count(word))));
    if !text(run, "note").is_empty() {
        lines.push(text(run, "note"));
    }
    lines
}

/// The changed fields of a write, each in a line of its own: name, before, after.
pub(super) fn fields(write: &Value) -> Vec<(String, Value, Value)> {
    let (before, after) = (&write["before"], &write["after"]);
    let mut names: Vec<&String> = [before, after]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|fields| fields.keys())
        .collect();
    names.sort_unstable();
    names.dedup();
    let deleted = text(write, "kind") == "delete";
    let one = |name: &String| {
        let after = if deleted { Value::Null } else { after[name].clone() };
        (name.clone(), before[name].clone(), after)
    };
    names.into_iter().map(one).collect()
}

/// A write, field by field.
pub(super) fn write(write: &Value) -> Vec<String> {
    let record = match text(write, "record") {
        none if none.is_empty() => "(new)".to_owned(),
        some => cell(&Value::String(some)),
    };
    let why = match text(write, "why") {
        none if none.is_empty() => String::new(),
        some => format!("  ({some})"),
    };
    let (kind, side) = (text(write, "kind"), text(write, "side"));
    let mut lines = vec![format!("{side:<6} {kind:<8} {record}{why}")];
    lines.extend(fields(write).iter().map(|(name, before, after)| {
        format!("         {name}: {} → {}", cell(before), cell(after))
    }));
    lines
}

/// A write that could not be taken back.
pub(super) fn stays(write: &Value) -> String {
    let record = cell(&write["record"]);
    format!("stays: {} {record}: {}", text(write, "side"), text(write, "why"))
}

pub(super) fn failure(failure: &Value) -> String {
    let again = match text(failure, "dueAt") {
        none if none.is_empty() => "given up".to_owned(),
        at => format!("again {at}"),
    };
    let ids = ["left", "right"].map(|side| cell(&failure[side]["id"]));
    format!(
        "{:>8}  {:<14} tries {:<3} {again}  {} ⇄ {}  {}",
        failure["pair"].to_string(),
        text(failure, "class"),
        failure["tries"].to_string(),
        ids[0],
        ids[1],
        cell(&failure["note"]),
    )
}

/// A pair of records: what both sides hold.
pub(super) fn pair(pair: &Value) -> Vec<String> {
    let mut lines = vec![format!("pair {}: {}", pair["pair"], text(pair, "state"))];
    for side in ["left", "right"] {
        let half = &pair[side];
        let told = match text(half, "state").as_str() {
            "never" => "no record".to_owned(),
            state => format!("{state} {} {}", cell(&half["id"]), text(half, "modifiedAt")),
        };
        lines.push(format!("  {side:<6} {}", told.trim_end()));
        let fields = half["fields"].as_object().into_iter().flatten();
        lines.extend(fields.map(|(name, value)| format!("         {name}: {}", cell(value))));
    }
    lines
}

/// A record's story.
pub(super) fn story(story: &Value) -> Vec<String> {
    let mut lines = pair(story);
    if !text(story, "failure").is_empty() {
        let given_up = if story["isDead"] == true { ", given up" } else { "" };
        lines.push(format!("  failed: {}{given_up}", text(story, "failure")));
    }
    for one in story["reviews"].as_array().into_iter().flatten() {
        lines.push(review(one));
    }
    for one in story["writes"].as_array().into_iter().flatten() {
        let at = format!("{}  run {}  {}", text(one, "at"), one["runId"], text(one, "state"));
        lines.push(at);
        lines.extend(write(one).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// A review in a line: what there is to decide.
pub(super) fn review(review: &Value) -> String {
    let about = &review["about"];
    let told = match text(review, "kind").as_str() {
        "conflict" => {
            let (left, right) = (cell(&about["left"]), cell(&about["right"]));
            format!(
                "{}: left {left}, right {right}; {} by {}",
                text(review, "field"),
                text(about, "won"),
                text(about, "by")
            )
        }
        "deleted" => format!("one was deleted, the other edited ({})", text(about, "why")),
        "brake" => format!("{} of {} would be deleted", about["deletes"], about["of"]),
        kind => format!("{kind} by {}: pairs {}", text(about, "by"), about["pairs"]),
    };
    let decided = match &review["decision"] {
        Value::Object(decision) if !decision.is_empty() => {
            let by = text(review, "decidedBy");
            let decision = match (decision.get("choice"), decision.get("pair")) {
                (_, Some(pair)) if pair.is_null() => "nobody".to_owned(),
                (_, Some(pair)) => format!("pair {pair}"),
                (Some(choice), _) if choice == "value" => {
                    format!("value {}", cell(&review["decision"]["value"]))
                }
                (choice, _) => cell(choice.unwrap_or(&Value::Null)),
            };
            format!("  → {decision} by {by}")
        }
        _ => String::new(),
    };
    format!(
        "{:>8}  {:<16} {:<10} {:<9} pair {:<8} {told}{decided}",
        review["id"].to_string(),
        text(review, "sync"),
        text(review, "kind"),
        text(review, "state"),
        review["pair"].to_string(),
    )
}

#[cfg(test)]
mod tests;
