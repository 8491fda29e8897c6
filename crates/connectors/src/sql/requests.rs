//! Named queries for data actions: `GET /open_invoices?customer=C-4711`.
//!
//! The path names one of the queries from the configuration, its parameters are bound to what
//! the action gives, and the rows come back as JSON. No action brings SQL of its own, so that
//! there is no language in which a value could be written wrongly.

use super::database::Database;
use super::queries::{Queries, invalid};
use super::statement::Given;
use async_trait::async_trait;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Longest value of a parameter.
const VALUE_MAX: usize = 4_096;

/// The named queries of one connection.
pub(super) struct Named {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
}

#[async_trait]
impl Requests for Named {
    fn language(&self, _: Place<'_>) -> Option<Language> {
        None
    }

    /// `{"records": [{column: value, …}, …]}`, in the query's order.
    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        if request.method != "GET" {
            return Err(invalid("method", "is GET here: a query only reads"));
        }
        if request.body.is_some() {
            return Err(invalid("body", "has no place here; give parameters in the query"));
        }
        if let Some((name, _)) = request.headers.first() {
            return Err(invalid("headers", &format!("`{name}` has no place here")));
        }
        let name = request.path.trim_start_matches('/');
        let Some(statement) = self.queries.named.get(name) else {
            let all: Vec<&str> = self.queries.named.keys().map(String::as_str).collect();
            let reason = format!("names none of the queries ({})", all.join(", "));
            return Err(invalid("path", &reason));
        };
        let names = statement.parameters();
        let mut given: Vec<(&str, Given)> = Vec::new();
        for (name, value) in &request.query {
            if !names.contains(&name.as_str()) {
                let reason = format!("is no parameter of {}", statement.setting);
                return Err(invalid(name, &reason));
            }
            if given.iter().any(|(known, _)| known == name) {
                return Err(invalid(name, "is given twice"));
            }
            if value.len() > VALUE_MAX {
                return Err(invalid(name, "is longer than 4,096 bytes"));
            }
            given.push((name, value.as_str().into()));
        }
        let arguments = statement.arguments(&given)?;
        let rows = match self.database.rows(lane, statement, arguments).await {
            // A value in a form that none can have: there is no such row.
            Err(Error::NotFound) => Vec::new(),
            rows => rows?,
        };
        let records = rows.into_iter().map(|row| {
            let cells = row.0.into_iter().map(|(name, cell)| (name, cell.json()));
            Value::Object(cells.collect::<Map<String, Value>>())
        });
        Ok(json!({ "records": records.collect::<Vec<Value>>() }))
    }
}
