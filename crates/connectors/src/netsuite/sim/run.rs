//! What a query gives: rows that meet its condition, in its order, all values as texts.
//!
//! What is empty is left out, flags are `T` and `F`, and a date without `TO_CHAR` comes in
//! the account's form (`11/22/2026`), which says no time.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::query::{Condition, Query, Term};
use super::store::{Kind, Row, Store, Table, table};

/// The forms of `TO_CHAR` and `TO_DATE` that are understood.
const MOMENT: &str = "YYYY-MM-DD\"T\"HH24:MI:SS";
const DAY: &str = "YYYY-MM-DD";

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    None,
    Text(String),
    Number(f64),
}

/// The rows of a query; the reason where it cannot be run.
pub(super) fn run(store: &Store, query: &Query) -> Result<Vec<Json>, String> {
    let table =
        table(&query.table).ok_or_else(|| format!("Record '{}' was not found.", query.table))?;
    for (term, _) in &query.columns {
        known(table, term)?;
    }
    if let Some(condition) = &query.condition {
        check(table, condition)?;
    }
    for name in query.group.iter().chain(query.order.iter().map(|(name, _)| name)) {
        known(table, &Term::Column(name.clone()))?;
    }
    let is_in = |row: &&Row| query.condition.as_ref().is_none_or(|c| holds(table, c, row));
    let mut rows: Vec<&Row> = store.rows(table.name).values().filter(is_in).collect();
    rows.sort_by(|a, b| {
        let by = query.order.iter().map(|(name, is_down)| {
            let order = order(&column(table, a, name), &column(table, b, name));
            let order = order.unwrap_or(Ordering::Equal);
            if *is_down { order.reverse() } else { order }
        });
        by.fold(Ordering::Equal, Ordering::then)
    });
    if query.group.is_empty() {
        return Ok(rows.into_iter().map(|row| told(table, query, row)).collect());
    }
    let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = query.group.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        groups.entry(key.collect()).or_default().push(row);
    }
    Ok(groups.values().map(|rows| summed(table, query, rows)).collect())
}

fn told(table: &Table, query: &Query, row: &Row) -> Json {
    let mut item = Map::new();
    item.insert("links".to_owned(), Json::Array(vec![]));
    let all: Vec<(Term, String)> = if query.columns.is_empty() {
        let names = table.columns.iter().map(|(name, _)| (*name).to_owned());
        names.map(|name| (Term::Column(name.clone()), name)).collect()
    } else {
        query.columns.clone()
    };
    for (term, name) in all {
        if let Some(text) = text(&shown(table, &term, row)) {
            item.insert(name, text.into());
        }
    }
    Json::Object(item)
}

fn summed(table: &Table, query: &Query, rows: &[&Row]) -> Json {
    let mut item = Map::new();
    item.insert("links".to_owned(), Json::Array(vec![]));
    for (term, name) in &query.columns {
        let value = match term {
            Term::Count => Value::Number(f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX))),
            Term::Call(function, inner, _) if function == "SUM" => {
                let numbers = rows.iter().map(|row| match value(table, inner, row) {
                    Value::Number(number) => number,
                    _ => 0.0,
                });
                Value::Number(numbers.sum())
            }
            term => rows.first().map_or(Value::None, |row| shown(table, term, row)),
        };
        if let Some(text) = text(&value) {
            item.insert(name.clone(), text.into());
        }
    }
    Json::Object(item)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::None => None,
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
    }
}

/// A term's value as an answer has it: dates in the account's form.
fn shown(table: &Table, term: &Term, row: &Row) -> Value {
    if let Term::Column(name) = term
        && matches!(table.column(name), Some(Kind::Moment | Kind::Day))
        && let Some(at) = row.get(name)
    {
        return Value::Text(format!("{}/{}/{}", &at[5..7], &at[8..10], &at[..4]));
    }
    value(table, term, row)
}

fn value(table: &Table, term: &Term, row: &Row) -> Value {
    match term {
        Term::Column(name) => column(table, row, name),
        Term::Text(text) => Value::Text(text.clone()),
        Term::Number(number) => Value::Number(*number),
        Term::Count => Value::Number(1.0),
        Term::Call(function, inner, form) => {
            let inner_value = value(table, inner, row);
            let Value::Text(text) = inner_value else { return inner_value };
            Value::Text(match function.as_str() {
                "LOWER" => text.to_lowercase(),
                "UPPER" => text.to_uppercase(),
                "TO_CHAR" | "TO_DATE" if form == DAY => text.chars().take(10).collect(),
                "BUILTIN.DF" => label(table, inner, &text),
                _ => text,
            })
        }
    }
}

fn label(table: &Table, term: &Term, key: &str) -> String {
    let Term::Column(name) = term else { return key.to_owned() };
    let Some(Kind::Key(all)) = table.column(name) else { return key.to_owned() };
    all.iter().find(|(own, _)| *own == key).map_or(key, |(_, label)| label).to_owned()
}

fn column(table: &Table, row: &Row, name: &str) -> Value {
    let Some(text) = row.get(name) else { return Value::None };
    match table.column(name) {
        Some(Kind::Id | Kind::Number) => text.parse().map_or(Value::None, Value::Number),
        _ => Value::Text(text.clone()),
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        // The database reads a text as a number where it is compared with one.
        (Value::Text(a), Value::Number(b)) => a.parse::<f64>().ok()?.partial_cmp(b),
        (Value::Number(a), Value::Text(b)) => a.partial_cmp(&b.parse::<f64>().ok()?),
        _ => None,
    }
}

fn holds(table: &Table, condition: &Condition, row: &Row) -> bool {
    match condition {
        Condition::Or(all) => all.iter().any(|one| holds(table, one, row)),
        Condition::And(all) => all.iter().all(|one| holds(table, one, row)),
        Condition::Not(inner) => !holds(table, inner, row),
        Condition::IsNull(term, is_null) => (value(table, term, row) == Value::None) == *is_null,
        Condition::In(term, all) => {
            let own = value(table, term, row);
            all.iter().any(|one| order(&own, &value(table, one, row)) == Some(Ordering::Equal))
        }
        Condition::Like(term, pattern) => match value(table, term, row) {
            Value::Text(text) => {
                let (text, pattern): (Vec<char>, Vec<char>) =
                    (text.chars().collect(), pattern.chars().collect());
                is_like(&text, &pattern)
            }
            _ => false,
        },
        Condition::Compare(a, sign, b) => {
            let order = order(&value(table, a, row), &value(table, b, row));
            order.is_some_and(|order| match sign.as_str() {
                "=" => order.is_eq(),
                "<" => order.is_lt(),
                ">" => order.is_gt(),
                "<=" => order.is_le(),
                ">=" => order.is_ge(),
                _ => order.is_ne(),
            })
        }
    }
}

fn is_like(text: &[char], pattern: &[char]) -> bool {
    let (mut at, mut sign, mut retry) = (0, 0, None);
    while at < text.len() {
        match pattern.get(sign) {
            Some('%') => {
                retry = Some((sign, at));
                sign += 1;
            }
            Some(c) if *c == '_' || *c == text[at] => (at, sign) = (at + 1, sign + 1),
            _ => match retry {
                Some((from, reached)) => {
                    retry = Some((from, reached + 1));
                    (at, sign) = (reached + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[sign..].iter().all(|c| *c == '%')
}

/// Refuses a condition with a column or form that is not there.
fn check(table: &Table, condition: &Condition) -> Result<(), String> {
    match condition {
        Condition::Or(all) | Condition::And(all) => {
            all.iter().try_for_each(|one| check(table, one))
        }
        Condition::Not(inner) => check(table, inner),
        Condition::IsNull(term, _) | Condition::Like(term, _) => known(table, term),
        Condition::In(term, all) => {
            known(table, term)?;
            all.iter().try_for_each(|one| known(table, one))
        }
        Condition::Compare(a, _, b) => {
            known(table, a)?;
            known(table, b)
        }
    }
}

fn known(table: &Table, term: &Term) -> Result<(), String> {
    match term {
        Term::Column(name) => match table.column(name) {
            Some(_) => Ok(()),
            None => Err(format!(
                "Field '{name}' for record '{}' was not found. Reason: NOT_EXPOSED - Field is not exposed.",
                table.name
            )),
        },
        Term::Call(function, inner, form) => {
            let needs_form = function == "TO_CHAR" || function == "TO_DATE";
            if needs_form && ![MOMENT, DAY].contains(&form.as_str()) {
                return Err("the form of the date is not supported here".to_owned());
            }
            known(table, inner)
        }
        Term::Text(_) | Term::Number(_) | Term::Count => Ok(()),
    }
}
