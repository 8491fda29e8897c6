//! SOQL as the vendor's guide defines it, for the part that integrations use.
//!
//! `lexer` and `parser` turn the text into a [`parser::Query`]; `scope` and
//! `plan` check names and types against the org and find the rows, by index where
//! the condition allows; `render` writes the records in the order of the SELECT list.
//!
//! `aggregate` puts rows together where the query groups them.
//!
//! Left out, and refused as `MALFORMED_QUERY`: HAVING, SUM and AVG, TYPEOF, semi-joins, and
//! date functions.

mod aggregate;
mod compare;
pub(crate) mod lexer;
pub(crate) mod parser;
pub(crate) mod plan;
mod query;
pub(crate) mod render;
mod scope;

use super::store::{Refused, Store};

/// Most characters of one query.
const MOST_QUERY: usize = 100_000;

/// A query that fits the org, and the rows it found.
pub(crate) struct Found {
    pub(crate) plan: plan::Plan,
    pub(crate) rows: Vec<u32>,
}

/// Runs a query; `all` includes deleted records.
pub(crate) fn run(store: &Store, text: &str, all: bool) -> Result<Found, Refused> {
    if text.chars().count() > MOST_QUERY {
        return Err(Refused::new(
            "MALFORMED_QUERY",
            "SOQL statements cannot be longer than 100000 characters.",
        ));
    }
    let query = parser::parse(text).map_err(|broken| broken.refused(text))?;
    let plan = plan::Plan::new(store, text, &query, all)?;
    let rows = plan.rows(store);
    Ok(Found { plan, rows })
}

/// The vendor's form of a message about a place in the query.
pub(crate) fn at(text: &str, position: usize, what: &str) -> String {
    let before = text.get(..position.min(text.len())).unwrap_or(text);
    let row = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let start = before.char_indices().rev().nth(20).map_or(0, |(at, _)| at);
    let end =
        text[before.len()..].char_indices().nth(20).map_or(text.len(), |(at, _)| before.len() + at);
    let caret = " ".repeat(before[start..].chars().count());
    format!("\n{}\n{caret}^\nERROR at Row:{row}:Column:{column}\n{what}", &text[start..end])
}

#[cfg(test)]
mod tests;
