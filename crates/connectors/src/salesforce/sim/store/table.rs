//! The rows of one object, and the indexes that find some without looking at all.

use std::collections::BTreeSet;

use super::Row;
use super::index::Index;
use super::packed::ValueRef;
use super::schema::{Field, Object};

/// Rows keep their number for good.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// By the text of one field.
    indexes: Vec<(u16, Index)>,
    /// By when they last changed: the vendor's index on `SystemModstamp`.
    stamps: BTreeSet<(i64, u32)>,
}

impl Table {
    pub(super) fn of(object: &Object) -> Table {
        let indexed = |(at, field): (usize, &Field)| {
            let at = u16::try_from(at).ok()?;
            field.is_indexed().then(|| (at, Index::default()))
        };
        let indexes = object.fields.iter().enumerate().filter_map(indexed).collect();
        Table { indexes, ..Table::default() }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds a row and returns its number.
    pub(super) fn add(&mut self, row: Row) -> u32 {
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.index(number, &row, Index::add);
        self.stamps.insert((row.stamp, number));
        self.rows.push(row);
        number
    }

    pub(super) fn replace(&mut self, number: u32, row: Row) {
        let Some(at) = usize::try_from(number).ok().filter(|at| *at < self.rows.len()) else {
            return;
        };
        let before = std::mem::replace(&mut self.rows[at], row.clone());
        self.index(number, &before, Index::remove);
        self.index(number, &row, Index::add);
        self.stamps.remove(&(before.stamp, number));
        self.stamps.insert((row.stamp, number));
    }

    /// Appends the rows that may hold that text in that field; whether an index could tell.
    pub(super) fn candidates(&self, field: u16, text: &str, into: &mut Vec<u32>) -> bool {
        let index = self.indexes.iter().find(|(of, _)| *of == field);
        index.map(|(_, index)| index.find(text, into)).is_some()
    }

    /// Rows that changed at that moment or later.
    pub(super) fn changed_since(&self, stamp: i64) -> Vec<u32> {
        self.stamps.range((stamp, 0)..).map(|(_, row)| *row).collect()
    }

    fn index(&mut self, number: u32, row: &Row, change: fn(&mut Index, &str, u32)) {
        for (field, value) in row.values.iter() {
            if let ValueRef::Text(text) = value
                && let Some((_, index)) = self.indexes.iter_mut().find(|(of, _)| *of == field)
            {
                change(index, text, number);
            }
        }
    }
}
