//! Is the row that was found the one that was meant, to the letter?
//!
//! To a column's collation `abc` may be `ABC`, or `abc` with a blank behind it: what is looked
//! for by a key then finds somebody else's row, who must not be written over.

use super::shape::{Column, Holds, Shape};
use crate::sql::cell::{Cell, Row};
use crate::sql::queries::invalid;
use crate::sql::statement::Dialect;
use kit::Error;

/// What the key's column is called in an answer: it is asked for besides.
const KEY: &str = "f0";

impl Column {
    /// Does a row that the engine found by this key hold just it?
    pub(super) fn is_exactly(&self, row: &Row, key: &str) -> bool {
        // Elsewhere one and the same value has several texts.
        if self.holds != Holds::Text {
            return true;
        }
        match row.get(KEY) {
            Some(Cell::Text(held)) if self.is_padded() => held.trim_end() == key.trim_end(),
            Some(Cell::Text(held)) => held == key,
            held => held.and_then(Cell::text).as_deref() == Some(key),
        }
    }

    /// Blanks are added up to its length.
    fn is_padded(&self) -> bool {
        matches!(self.kind.as_str(), "char" | "nchar" | "bpchar" | "character")
    }
}

impl Shape {
    /// A row holds what the engine takes for this key and is not.
    pub(super) fn nearly(&self, column: &Column, row: &Row, key: &str) -> Error {
        let held = match row.get(KEY) {
            Some(Cell::Text(held)) => held.as_str(),
            _ => "",
        };
        let collation = match self.dialect {
            Dialect::PostgreSql => "a deterministic collation, and no citext",
            Dialect::MySql => "the collation utf8mb4_bin",
            Dialect::Sqlite => "the collation BINARY",
            Dialect::SqlServer => "the collation Latin1_General_100_BIN2",
        };
        let (differs, fix) = if held.trim() == key.trim() {
            ("in blanks at an end", "take the blanks out of that row".to_owned())
        } else if held.to_lowercase() == key.to_lowercase() {
            ("in capital and small letters", format!("give the column {collation}"))
        } else {
            ("in accents or signs", format!("give the column {collation}"))
        };
        let reason = format!(
            "is in another row, which differs only {differs} and is taken for the same by the \
             database: {fix}"
        );
        invalid(&column.name, &reason)
    }
}
