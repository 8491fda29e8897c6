//! Answers COQL from the rows.

use std::cmp::Ordering;

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};
use sim::dates;

use super::World;
use super::coql::{self, Condition, Operator};
use super::http::{Answer, Asked};
use super::schema::{self, Field, Kind, Module};
use super::store::{Row, Store};

/// A column: a field, or one of a related record.
#[derive(Clone, Copy)]
struct Column {
    field: &'static Field,
    related: Option<(&'static Module, &'static Field)>,
}

impl World {
    /// `POST /coql`.
    pub(super) fn coql(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let body = asked.json()?;
        let Some(text) = body["select_query"].as_str() else {
            let details = json!({ "api_name": "select_query" });
            return Err(Answer::refused(
                "MANDATORY_NOT_FOUND",
                details,
                "required field not found",
            ));
        };
        let query = coql::read(text)?;
        // Larger answers cost more.
        self.charge(match query.limit {
            0..=200 => 0,
            201..=1_000 => 1,
            _ => 2,
        })?;
        let module = schema::module(&query.module).ok_or_else(|| {
            Answer::refused(
                "INVALID_MODULE",
                json!({}),
                "the module name given seems to be invalid",
            )
        })?;
        let columns: Result<Vec<Column>, Answer> =
            query.columns.iter().map(|name| column(module, name)).collect();
        let (columns, store) = (columns?, self.read());
        check(module, &query.condition)?;
        let mut rows: Vec<(u64, &Row)> = store
            .rows(module)
            .filter(|(id, row)| holds(&store, module, *id, row, &query.condition))
            .collect();
        let mut order = Vec::new();
        for (name, is_down) in &query.order {
            order.push((column(module, name)?, *is_down));
        }
        rows.sort_by(|a, b| {
            let by = order.iter().map(|(column, is_down)| {
                let ordering =
                    compare(column, &value(&store, a, column), &value(&store, b, column));
                if *is_down { ordering.reverse() } else { ordering }
            });
            by.fold(Ordering::Equal, Ordering::then).then(a.0.cmp(&b.0))
        });
        let more = rows.len() > query.offset + query.limit;
        let found: Vec<Json> = rows
            .into_iter()
            .skip(query.offset)
            .take(query.limit)
            .map(|row| {
                let mut shown = Map::new();
                shown.insert("id".to_owned(), row.0.to_string().into());
                for (name, column) in query.columns.iter().zip(&columns) {
                    shown.insert(name.clone(), value(&store, &row, column));
                }
                Json::Object(shown)
            })
            .collect();
        if found.is_empty() {
            return Ok(Answer::nothing());
        }
        let info = json!({ "count": found.len(), "more_records": more });
        Ok(Answer::json(StatusCode::OK, &json!({ "data": found, "info": info })))
    }
}

fn column(module: &'static Module, name: &str) -> Result<Column, Answer> {
    let unknown = || {
        Answer::refused(
            "INVALID_QUERY",
            json!({ "column_name": name }),
            "column given seems to be invalid",
        )
    };
    let (own, related) =
        name.split_once('.').map_or((name, None), |(own, related)| (own, Some(related)));
    let field = module.field(own).ok_or_else(unknown)?;
    let related = match (related, field.kind) {
        (None, _) => None,
        (Some(related), Kind::Lookup(to)) => {
            let to = schema::module(to).ok_or_else(unknown)?;
            Some((to, to.field(related).ok_or_else(unknown)?))
        }
        _ => return Err(unknown()),
    };
    Ok(Column { field, related })
}

fn value(store: &Store, row: &(u64, &Row), column: &Column) -> Json {
    let own = store.value(row.0, row.1, column.field);
    let Some((module, field)) = column.related else { return own };
    let id = own["id"].as_str().unwrap_or_default();
    store.row(module, id).map_or(Json::Null, |(id, row)| store.value(id, row, field))
}

/// Every name of a condition must be known, also where nothing is selected, and a text of
/// many lines cannot be a criterion.
fn check(module: &'static Module, condition: &Condition) -> Result<(), Answer> {
    match condition {
        Condition::Both(a, b) | Condition::Either(a, b) => {
            check(module, a).and_then(|()| check(module, b))
        }
        Condition::One { field: name, operator, values } => {
            let column = column(module, name)?;
            let field = column.related.map_or(column.field, |(_, field)| field);
            let invalid = || {
                Answer::refused(
                    "INVALID_QUERY",
                    json!({ "column_name": name }),
                    "value given seems to be invalid",
                )
            };
            let is_date =
                field.kind != Kind::DateTime || values.iter().all(|v| dates::parse(v).is_some());
            let is_id = field.kind != Kind::Id || values.iter().all(|v| v.parse::<u64>().is_ok());
            let is_text = !matches!(operator, Operator::Like | Operator::NotLike)
                || matches!(field.kind, Kind::Text | Kind::Email | Kind::Phone | Kind::Picklist);
            if field.kind == Kind::Area || !is_date || !is_id || !is_text {
                return Err(invalid());
            }
            Ok(())
        }
    }
}

fn holds(
    store: &Store,
    module: &'static Module,
    id: u64,
    row: &Row,
    condition: &Condition,
) -> bool {
    match condition {
        Condition::Both(a, b) => {
            holds(store, module, id, row, a) && holds(store, module, id, row, b)
        }
        Condition::Either(a, b) => {
            holds(store, module, id, row, a) || holds(store, module, id, row, b)
        }
        Condition::One { field, operator, values } => {
            let Ok(column) = column(module, field) else { return false };
            let own = value(store, &(id, row), &column);
            one_holds(&column, &own, *operator, values)
        }
    }
}

fn one_holds(column: &Column, own: &Json, operator: Operator, values: &[String]) -> bool {
    if own.is_null() {
        return matches!(
            operator,
            Operator::IsNull | Operator::NotIn | Operator::Unequal | Operator::NotLike
        );
    }
    let against = |value: &String| compare(column, own, &Json::from(value.as_str()));
    let first = values.first().map(against);
    match operator {
        Operator::IsNull => false,
        Operator::IsNotNull => true,
        Operator::Equal => first == Some(Ordering::Equal),
        Operator::Unequal => first != Some(Ordering::Equal),
        Operator::Greater => first == Some(Ordering::Greater),
        Operator::GreaterOrEqual => first.is_some_and(Ordering::is_ge),
        Operator::Less => first == Some(Ordering::Less),
        Operator::LessOrEqual => first.is_some_and(Ordering::is_le),
        Operator::In => values.iter().any(|value| against(value).is_eq()),
        Operator::NotIn => values.iter().all(|value| against(value).is_ne()),
        Operator::Between => {
            values.first().is_some_and(|low| against(low).is_ge())
                && values.get(1).is_some_and(|high| against(high).is_le())
        }
        Operator::Like => values.iter().any(|pattern| is_like(own, pattern)),
        Operator::NotLike => !values.iter().any(|pattern| is_like(own, pattern)),
    }
}

/// `x%`, `%x` and `%x%`, and nothing more.
fn is_like(own: &Json, pattern: &str) -> bool {
    let own = own.as_str().unwrap_or_default().to_lowercase();
    let pattern = pattern.to_lowercase();
    match (pattern.strip_prefix('%'), pattern.strip_suffix('%')) {
        (Some(rest), Some(_)) => own.contains(rest.strip_suffix('%').unwrap_or(rest)),
        (Some(end), None) => own.ends_with(end),
        (None, Some(begin)) => own.starts_with(begin),
        (None, None) => own == pattern,
    }
}

/// By number, by time, by the id of what is related, or by text.
fn compare(column: &Column, a: &Json, b: &Json) -> Ordering {
    let field = column.related.map_or(column.field, |(_, field)| field);
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Object(related) => {
            related.get("id").and_then(Json::as_str).unwrap_or_default().to_owned()
        }
        Json::Null => String::new(),
        other => other.to_string(),
    };
    let (a, b) = (text(a), text(b));
    match field.kind {
        Kind::Id | Kind::Integer => a.parse::<u64>().ok().cmp(&b.parse().ok()),
        Kind::DateTime => dates::parse(&a).cmp(&dates::parse(&b)),
        _ => a.cmp(&b),
    }
}
