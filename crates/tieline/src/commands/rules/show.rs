//! Answers about rules, in lines for people.

use serde_json::Value;

pub(super) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

pub(super) fn each(list: &Value, line: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().into_iter().flatten().map(line).collect()
}

pub(super) fn is_entry(name: &str) -> bool {
    name.starts_with("did:") || name.starts_with("ivr:")
}

pub(super) fn in_force(answer: &Value) -> Vec<String> {
    let mut lines = vec![format!("revision {} is in force", answer["revision"])];
    lines
        .extend(each(&answer["warnings"], |one| format!("! {}", one.as_str().unwrap_or_default())));
    lines
}

pub(super) fn listed(all: &Value) -> Vec<String> {
    let mut lines = vec![format!("revision {} is in force", all["revision"])];
    for kind in ["rules", "chains"] {
        for item in all[kind].as_array().into_iter().flatten() {
            let attached =
                each(&item["attached"], |one| one.as_str().unwrap_or_default().to_owned());
            let hangs = match (kind, attached.is_empty()) {
                ("rules", true) => "  (unattached)".to_owned(),
                ("rules", false) => format!("  at {}", attached.join(", ")),
                _ => String::new(),
            };
            lines.push(format!("{:<10} {}{hangs}", text(item, "state"), text(item, "name")));
            lines.extend(each(&item["mistakes"], |one| {
                format!(
                    "           ! {} {} {}",
                    text(one, "at"),
                    text(one, "message"),
                    text(one, "fix")
                )
            }));
        }
    }
    lines
}

pub(super) fn changes(applied: &Value) -> Vec<String> {
    let marked = |key: &str, mark: &str| {
        each(&applied[key], |one| format!("{mark} {}", one.as_str().unwrap_or_default()))
    };
    [marked("new", "+"), marked("changed", "~"), marked("going", "-")].concat()
}

pub(super) fn lines_of(lines: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for line in lines.as_array().into_iter().flatten() {
        told.push(format!(
            "{:<11} {} line {}: {}",
            text(line, "verdict"),
            text(line, "rule"),
            line["line"],
            text(line, "destination"),
        ));
        told.extend(each(&line["conditions"], |one| {
            let seen = match text(one, "seen") {
                seen if seen.is_empty() => "nothing".to_owned(),
                seen => seen,
            };
            let (words, kind) = (text(one, "words"), text(one, "comparedAs"));
            format!("            {:<8} {words} (as {kind}; seen: {seen})", text(one, "verdict"))
        }));
    }
    told
}

pub(super) fn replayed_lines(replayed: &Value) -> Vec<String> {
    let number = |key: &str| replayed[key].as_u64().unwrap_or(0);
    let mut lines = vec![format!(
        "{} decisions: {} the same, {} elsewhere, {} need what was never fetched",
        number("decisions"),
        number("same"),
        number("elsewhere"),
        number("neverFetched"),
    )];
    lines.extend(each(&replayed["ways"], |way| {
        format!("{:>8}  {} → {}", way["decisions"], text(way, "from"), text(way, "to"))
    }));
    let lacking = replayed["lacking"].as_object().into_iter().flatten();
    lines.extend(lacking.map(|(field, count)| format!("{count:>8}  never fetched: {field}")));
    lines
}

pub(super) fn explained(trace: &Value) -> Vec<String> {
    let mut lines = vec![format!("call {}", text(trace, "callId"))];
    let lookup = &trace["lookup"];
    if lookup.is_object() {
        lines.push(format!(
            "lookup     {} {}: {} from {} ({}), {} of {} ms",
            text(lookup, "arrivedAt"),
            text(lookup, "number"),
            text(lookup, "status"),
            text(lookup, "source"),
            text(lookup, "connection"),
            lookup["answeredMs"],
            lookup["deadlineMs"],
        ));
        lines.push(format!("           externalId {}", text(lookup, "externalId")));
        if lookup["candidates"].as_u64() > Some(0) {
            lines.push(format!("           {} people it could be", lookup["candidates"]));
        }
        if !text(lookup, "correctedTo").is_empty() {
            lines.push(format!("           corrected to {}", text(lookup, "correctedTo")));
        }
        lines.extend(each(&lookup["warnings"], |one| {
            format!("           ! {}", one.as_str().unwrap_or_default())
        }));
    }
    for decision in trace["decisions"].as_array().into_iter().flatten() {
        lines.extend(decided(decision));
    }
    lines.extend(each(&trace["writes"], |one| {
        format!(
            "write      {} to {}: {} {}",
            text(one, "what"),
            text(one, "connection"),
            text(one, "state"),
            text(one, "note")
        )
    }));
    lines
}

fn decided(decision: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(format!(
        "decision   {} {}: {} → {} in {} ms (revision {})",
        text(decision, "at"),
        text(decision, "entry"),
        text(decision, "status"),
        text(decision, "destination"),
        decision["tookMs"],
        decision["revision"],
    ));
    lines.push(format!("           {}", text(decision, "reason")));
    lines.extend(each(&decision["warnings"], |one| {
        format!("           ! {}", one.as_str().unwrap_or_default())
    }));
    if !text(decision, "shadow").is_empty() {
        lines.push(format!("           the draft would send it to {}", text(decision, "shadow")));
    }
    if decision["corrected"] == true {
        lines.push("           by an agent's correction of the number".to_owned());
    }
    lines.extend(each(&decision["asked"], |one| {
        let failure = text(one, "failure");
        let failure = if failure.is_empty() { failure } else { format!(": {failure}") };
        format!(
            "           asked {} ({}, {} ms){failure}",
            text(one, "connection"),
            text(one, "source"),
            one["tookMs"]
        )
    }));
    lines.extend(lines_of(&decision["lines"]).into_iter().map(|line| format!("           {line}")));
    lines
}
