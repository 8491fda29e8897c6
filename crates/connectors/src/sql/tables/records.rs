//! Rows of a table → records of a sync, and what tells one state of a row from another.

use super::shape::{Column, Shape};
use super::text::{DELETED, MODIFIED, MODIFIED_BY, RECORD, VERSION};
use super::values::is_gone;
use crate::sql::cell::Row;
use crate::sql::queries::invalid;
use aws_lc_rs::digest::{SHA256, digest};
use domain::Timestamp;
use kit::{Change, Error, Fields, Record};

/// Bytes of a row's digest within its version.
const DIGEST: usize = 8;

impl Shape {
    /// The columns that may be written: every select begins with them.
    pub(super) fn written(&self) -> Vec<&Column> {
        self.table.write.iter().filter_map(|name| self.column(name)).collect()
    }

    /// The column by which rows are made.
    ///
    /// # Errors
    /// `Invalid` naming the one that was asked for.
    pub(super) fn key(&self, named: &str) -> Result<&Column, Error> {
        let own = self.table.key.as_deref().unwrap_or(&self.table.record);
        match self.column(named) {
            Some(column) if column.name.eq_ignore_ascii_case(own) => Ok(column),
            _ => {
                let shown: String = named.chars().filter(|c| !c.is_control()).take(60).collect();
                let reason = format!("is not the key of {}, which is `{own}`", self.table.at);
                Err(invalid(&shown, &reason))
            }
        }
    }

    /// The columns to be selected for these fields: those that may be written, then the rest.
    ///
    /// # Errors
    /// `Invalid` naming a field that is no column.
    pub(super) fn fields(&self, wanted: &[String]) -> Result<Vec<&Column>, Error> {
        let mut columns = self.written();
        for name in wanted {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            let reason = format!("is no column of {}", self.table.at);
            let column = self.column(name).ok_or_else(|| invalid(&shown, &reason))?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// What is another with each change. Without a column for it: the time, which may be the
    /// same for two writes, and a digest of what may be written, which then is not.
    pub(super) fn version(&self, row: &Row) -> Option<String> {
        if self.table.version.is_some() {
            return row.text(VERSION);
        }
        let time = row.text(MODIFIED)?;
        let mut held = format!("{}\n{time}\n", row.text(RECORD)?);
        for at in 0..self.written().len() {
            let cell = row.get(&format!("f{at}")).map(super::super::cell::Cell::json);
            held.push_str(&cell.unwrap_or_default().to_string());
            held.push('\n');
        }
        let digest = digest(&SHA256, held.as_bytes());
        let hex: Vec<String> =
            digest.as_ref().iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{time}/{}", hex.concat()))
    }

    /// A row that was selected with [`Shape::fields`] of `wanted`; `None` where it is gone.
    ///
    /// # Errors
    /// `Invalid` where it has no id.
    pub(super) fn record(&self, row: &Row, wanted: &[String]) -> Result<Option<Record>, Error> {
        let id = self.record_id(row)?;
        if is_gone(row.get(DELETED)) {
            return Ok(None);
        }
        let columns = self.fields(wanted)?;
        let mut fields = Fields::new();
        for name in wanted {
            let at = columns.iter().position(|column| Some(*column) == self.column(name));
            let cell = at.and_then(|at| row.get(&format!("f{at}")));
            fields
                .insert(name.clone(), cell.map(super::super::cell::Cell::json).unwrap_or_default());
        }
        Ok(Some(Record {
            id,
            version: self.version(row),
            modified: row.text(MODIFIED).and_then(|time| Timestamp::parse(&time)),
            modified_by: row.text(MODIFIED_BY),
            fields,
        }))
    }

    /// The same as news.
    ///
    /// # Errors
    /// As [`Shape::record`].
    pub(in crate::sql) fn change(&self, row: &Row, wanted: &[String]) -> Result<Change, Error> {
        Ok(match self.record(row, wanted)? {
            Some(record) => Change::Saved(record),
            None => Change::Deleted { id: self.record_id(row)?, into: None },
        })
    }

    /// # Errors
    /// `Invalid` where a row has none.
    pub(in crate::sql) fn record_id(&self, row: &Row) -> Result<String, Error> {
        let lacks = || invalid(&self.table.at, &format!("a row without `{}`", self.table.record));
        row.text(RECORD).ok_or_else(lacks)
    }

    /// # Errors
    /// `Invalid` where a row has none.
    pub(in crate::sql) fn modified(&self, row: &Row) -> Result<String, Error> {
        let lacks =
            || invalid(&self.table.at, &format!("a row without `{}`", self.table.modified_at));
        row.text(MODIFIED).ok_or_else(lacks)
    }
}
