//! Groups of rows and what is counted over them: `GROUP BY`, `COUNT`, `MIN` and `MAX`.
//!
//! A group is answered as an `AggregateResult`: the fields it is grouped by, and each function
//! under its alias, or as `expr0`, `expr1` … Such a result comes whole: it has no further pages.
//!
//! Source: SOQL and SOSL Reference, "GROUP BY", "Aggregate Functions".

use std::cmp::Ordering;

use serde_json::{Map, Value as Json, json};

use super::super::store::packed::{Value, ValueRef};
use super::super::store::schema::Kind;
use super::super::store::{Refused, Store};
use super::compare::order;
use super::parser::{Function, Item, Query};
use super::plan::{Path, Plan, value};
use super::render;
use super::scope::Scope;

/// Groups in one answer; more of them take a LIMIT.
const MOST_GROUPS: usize = 2000;

/// How rows are put together.
pub(crate) struct Grouping {
    by: Vec<(String, Path)>,
    /// Function, field and the name it is answered under.
    told: Vec<(Function, Path, String)>,
    limit: usize,
}

impl Grouping {
    /// How a query groups, if it does.
    pub(super) fn new(scope: &Scope<'_>, query: &Query) -> Result<Option<Grouping>, Refused> {
        let is_aggregate = query.select.iter().any(|item| matches!(item, Item::Aggregate(..)));
        if query.group.is_empty() && !is_aggregate {
            return Ok(None);
        }
        let refuse = |what: String| Err(Refused::new("MALFORMED_QUERY", what));
        if !query.order.is_empty() || query.offset > 0 {
            return refuse("ORDER BY and OFFSET of groups are not simulated here".to_owned());
        }
        let mut by = Vec::new();
        for name in &query.group {
            let path = scope.path(name)?;
            if !scope.allows(&path, 'G') {
                let what = format!("field '{}' can not be grouped in a query call", name.text);
                return Err(Refused::new("INVALID_FIELD", super::at(scope.text, name.at, &what)));
            }
            by.push((name.text.clone(), path));
        }
        let mut told = Vec::new();
        for item in &query.select {
            match item {
                Item::Aggregate(function, name, alias) => {
                    let path = scope.path(name)?;
                    if *function != Function::Count && path.kind == Kind::Boolean {
                        let what =
                            format!("field {} does not support aggregate operator", name.text);
                        return refuse(super::at(scope.text, name.at, &what));
                    }
                    let numbered = format!("expr{}", told.len());
                    told.push((*function, path, alias.clone().unwrap_or(numbered)));
                }
                Item::Field(name) => {
                    if by.iter().all(|(known, _)| !known.eq_ignore_ascii_case(&name.text)) {
                        let what = format!("Field must be grouped or aggregated: {}", name.text);
                        return refuse(super::at(scope.text, name.at, &what));
                    }
                }
                Item::Count | Item::Children(_) => {
                    return refuse("only fields and functions of them can be grouped".to_owned());
                }
            }
        }
        Ok(Some(Grouping { by, told, limit: query.limit.unwrap_or(usize::MAX) }))
    }

    /// The groups of these rows, each as it is answered.
    pub(crate) fn groups(
        &self,
        store: &Store,
        plan: &Plan,
        rows: &[u32],
    ) -> Result<Vec<Json>, Refused> {
        let mut groups: Vec<(Vec<Option<Value>>, Vec<u32>)> = Vec::new();
        for row in rows {
            let key = self.by.iter().map(|(_, path)| of(store, plan, *row, path)).collect();
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(*row),
                None => groups.push((key, vec![*row])),
            }
        }
        groups.truncate(self.limit);
        if groups.len() > MOST_GROUPS {
            let what = "Aggregate query does not support queryMore(), use LIMIT to restrict the \
                        results to a single batch";
            return Err(Refused::new("EXCEEDED_ID_LIMIT", what));
        }
        Ok(groups.iter().map(|(key, rows)| self.group(store, plan, key, rows)).collect())
    }

    fn group(&self, store: &Store, plan: &Plan, key: &[Option<Value>], rows: &[u32]) -> Json {
        let mut group = Map::new();
        group.insert("attributes".to_owned(), json!({ "type": "AggregateResult" }));
        for ((name, _), value) in self.by.iter().zip(key) {
            let name = name.rsplit('.').next().unwrap_or_default();
            group.insert(name.to_owned(), shown(value.as_ref()));
        }
        for (function, path, name) in &self.told {
            let found = rows.iter().filter_map(|row| value(store, plan.object, *row, path));
            let told = match function {
                Function::Count => Json::from(found.count()),
                Function::Max => shown(found.max_by(by_value).map(ValueRef::to_owned).as_ref()),
                Function::Min => shown(found.min_by(by_value).map(ValueRef::to_owned).as_ref()),
            };
            group.insert(name.clone(), told);
        }
        Json::Object(group)
    }
}

fn by_value(a: &ValueRef<'_>, b: &ValueRef<'_>) -> Ordering {
    order(*a, *b).unwrap_or(Ordering::Equal)
}

fn of(store: &Store, plan: &Plan, row: u32, path: &Path) -> Option<Value> {
    value(store, plan.object, row, path).map(ValueRef::to_owned)
}

fn shown(value: Option<&Value>) -> Json {
    let mut out = Vec::new();
    let value = value.map(|value| match value {
        Value::Text(text) => ValueRef::Text(text),
        Value::Bool(on) => ValueRef::Bool(*on),
        Value::Number(number) => ValueRef::Number(*number),
        Value::Time(at) => ValueRef::Time(*at),
        Value::Date(day) => ValueRef::Date(*day),
    });
    render::value(value, &mut out);
    serde_json::from_slice(&out).unwrap_or(Json::Null)
}
