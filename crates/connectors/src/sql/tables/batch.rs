//! Writes of one table, within one transaction.
//!
//! The rows are locked and looked at before they are changed: somebody else's change is seen
//! as it is, and none can come between the look and the write. A row that the database
//! refuses is taken back alone. A row's version afterwards is read where it was written.

use super::shape::{Column, Shape};
use super::text::{DELETED, RECORD};
use super::values::is_gone;
use crate::sql::cell::Row;
use crate::sql::database::Failure;
use crate::sql::queries::invalid;
use crate::sql::statement::{Argument, Statement};
use async_trait::async_trait;
use kit::{Error, Fields, Saved, Write};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What can be asked within a transaction.
#[async_trait]
pub(in crate::sql) trait Transaction: Send {
    async fn rows(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure>;

    /// How many rows were changed. A value that another row has in a unique column is
    /// told as `Conflict`.
    async fn change(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure>;

    /// Remembers this moment.
    async fn mark(&mut self) -> Result<(), Failure>;

    /// What was done since the mark is kept.
    async fn keep(&mut self) -> Result<(), Failure>;

    /// What was done since the mark is taken back; `false` where that ended the transaction.
    async fn back(&mut self) -> Result<bool, Failure>;
}

/// Writes that go together.
#[derive(Debug, Clone)]
pub(in crate::sql) struct Batch {
    pub(super) shape: Arc<Shape>,
    pub(super) writes: Vec<Write>,
}

/// What became of each.
pub(in crate::sql) type Outcomes = Vec<Result<Saved, Error>>;

/// A row that is there and locked.
struct Held {
    version: Option<String>,
    is_gone: bool,
}

impl Batch {
    pub(in crate::sql) fn len(&self) -> usize {
        self.writes.len()
    }

    /// One of them, alone.
    pub(in crate::sql) fn only(&self, at: usize) -> Self {
        let writes = self.writes.get(at).cloned().into_iter().collect();
        Self { shape: Arc::clone(&self.shape), writes }
    }

    /// Does them all.
    pub(in crate::sql) async fn run(
        &self,
        within: &mut dyn Transaction,
    ) -> Result<Outcomes, Failure> {
        let ids: Vec<&str> = self.writes.iter().filter_map(id).collect();
        let held = self.held(within, &ids, true).await?;
        let mut outcomes = Vec::with_capacity(self.writes.len());
        for write in &self.writes {
            within.mark().await?;
            let told = match self.one(within, write, &held).await {
                Ok(saved) => {
                    within.keep().await?;
                    Ok(saved)
                }
                // A lock, or a conflict of two transactions: nothing of this one holds.
                Err(failure @ Failure::Told(Error::Unavailable { .. })) => return Err(failure),
                Err(Failure::Told(error)) => match within.back().await? {
                    true => Err(error),
                    false => return Err(Failure::Told(error)),
                },
                Err(failure) => return Err(failure),
            };
            outcomes.push(told);
        }
        self.versions(within, &mut outcomes).await?;
        Ok(outcomes)
    }

    /// The rows of these ids.
    async fn held(
        &self,
        within: &mut dyn Transaction,
        ids: &[&str],
        is_locked: bool,
    ) -> Result<BTreeMap<String, Held>, Failure> {
        let shape = &self.shape;
        let record = shape.own(&shape.table.record).map_err(Failure::Told)?;
        let wanted: Vec<Argument> = ids.iter().filter_map(|id| shape.id(record, id)).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let fields = shape.written();
        let statement = shape.by(record, wanted.len(), is_locked, &fields);
        let rows = within.rows(&statement, &wanted).await?;
        let held = |row: &Row| {
            let held = Held { version: shape.version(row), is_gone: is_gone(row.get(DELETED)) };
            Some((row.text(RECORD)?, held))
        };
        Ok(rows.iter().filter_map(held).collect())
    }

    async fn one(
        &self,
        within: &mut dyn Transaction,
        write: &Write,
        held: &BTreeMap<String, Held>,
    ) -> Result<Saved, Failure> {
        match write {
            Write::Create { key: (column, value), fields } => {
                self.create(within, column, value, fields).await
            }
            Write::Update { id, seen, fields } => {
                let there = held.get(id).filter(|held| !held.is_gone);
                let there = there.ok_or(Failure::Told(Error::NotFound))?;
                unchanged(seen.as_ref(), there)?;
                self.update(within, id, fields, None).await
            }
            Write::Delete { id, seen } => {
                if let Some(there) = held.get(id).filter(|held| !held.is_gone) {
                    unchanged(seen.as_ref(), there)?;
                    let shape = &self.shape;
                    let record = shape.own(&shape.table.record).map_err(Failure::Told)?;
                    let bound: Vec<Argument> = shape.id(record, id).into_iter().collect();
                    self.change(within, &shape.delete(record), &bound).await?;
                }
                Ok(Saved { id: id.clone(), version: None, is_new: false })
            }
        }
    }

    /// Makes a row, or finds the one with this key and sets its fields.
    async fn create(
        &self,
        within: &mut dyn Transaction,
        named: &str,
        value: &str,
        fields: &Fields,
    ) -> Result<Saved, Failure> {
        let shape = &self.shape;
        let key = shape.key(named).map_err(Failure::Told)?;
        let bound = shape.id(key, value);
        let bound =
            bound.ok_or_else(|| Failure::Told(invalid(&key.name, "cannot hold this key")))?;
        if let Some(id) = self.found(within, key, value, &bound).await? {
            return self.update(within, &id, fields, Some(key)).await;
        }
        let (mut columns, mut values) = (vec![key], vec![bound.clone()]);
        for (name, held) in fields {
            if shape.column(name) == Some(key) {
                continue;
            }
            let column = shape.writable(name).map_err(Failure::Told)?;
            // What stays empty is left to the column's own default.
            if !held.is_null() {
                columns.push(column);
                values.push(shape.argument(column, held).map_err(Failure::Told)?);
            }
        }
        match self.change(within, &shape.insert(&columns), &values).await {
            Ok(()) => {}
            Err(Failure::Told(error @ Error::Conflict { .. })) => {
                if !within.back().await? {
                    return Err(Failure::Told(error));
                }
                within.mark().await?;
                // Made at the same moment by an earlier try of this, or another column is in
                // the way, which only a person can mend.
                return match self.found(within, key, value, &bound).await? {
                    Some(id) => self.update(within, &id, fields, Some(key)).await,
                    None => Err(Failure::Told(Error::Invalid {
                        field: None,
                        reason: match error {
                            Error::Conflict { reason } => reason,
                            error => error.to_string(),
                        },
                    })),
                };
            }
            Err(failure) => return Err(failure),
        }
        match self.found(within, key, value, &bound).await? {
            Some(id) => Ok(Saved { id, version: None, is_new: true }),
            None => {
                let reason = "what was made is not there under its key: a trigger changes it";
                Err(Failure::Told(invalid(&key.name, reason)))
            }
        }
    }

    /// The id of the one row with this key, to the letter.
    async fn found(
        &self,
        within: &mut dyn Transaction,
        key: &Column,
        value: &str,
        bound: &Argument,
    ) -> Result<Option<String>, Failure> {
        let statement = self.shape.by(key, 1, true, &[key]);
        let rows = within.rows(&statement, std::slice::from_ref(bound)).await?;
        let told = |error| Err(Failure::Told(error));
        let (own, others): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| key.is_exactly(row, value));
        match own.as_slice() {
            [] => match others.first() {
                None => Ok(None),
                Some(other) => told(self.shape.nearly(key, other, value)),
            },
            [row] if is_gone(row.get(DELETED)) => {
                told(invalid(&key.name, "a row with this key was deleted"))
            }
            [row] => match row.text(RECORD) {
                Some(id) => Ok(Some(id)),
                None => told(invalid(&self.shape.table.record, "is empty in the row of this key")),
            },
            _ => {
                told(Error::Conflict { reason: format!("several rows have the same {}", key.name) })
            }
        }
    }

    /// Sets fields of a row that is there; `key` is set already.
    async fn update(
        &self,
        within: &mut dyn Transaction,
        id: &str,
        fields: &Fields,
        key: Option<&Column>,
    ) -> Result<Saved, Failure> {
        let shape = &self.shape;
        let record = shape.own(&shape.table.record).map_err(Failure::Told)?;
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for (name, value) in fields {
            if key.is_some() && shape.column(name) == key {
                continue;
            }
            let column = shape.writable(name).map_err(Failure::Told)?;
            columns.push(column);
            values.push(shape.argument(column, value).map_err(Failure::Told)?);
        }
        if !columns.is_empty() {
            values.extend(shape.id(record, id));
            self.change(within, &shape.update(&columns, record), &values).await?;
        }
        Ok(Saved { id: id.to_owned(), version: None, is_new: false })
    }

    /// Changes one row, and no other.
    async fn change(
        &self,
        within: &mut dyn Transaction,
        statement: &Statement,
        values: &[Argument],
    ) -> Result<(), Failure> {
        match within.change(statement, values).await? {
            1 => Ok(()),
            count => {
                let reason = format!(
                    "{count} rows were changed and not one: a trigger or a policy of the table"
                );
                Err(Failure::Told(invalid(&self.shape.table.at, &reason)))
            }
        }
    }

    /// The versions of what was written, as they are now.
    async fn versions(
        &self,
        within: &mut dyn Transaction,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        let is_kept = |write: &Write| !matches!(write, Write::Delete { .. });
        let written = self.writes.iter().zip(outcomes.iter()).filter(|(write, _)| is_kept(write));
        let ids: Vec<String> =
            written.filter_map(|(_, told)| Some(told.as_ref().ok()?.id.clone())).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let held = self.held(within, &ids, false).await?;
        for saved in outcomes.iter_mut().filter_map(|told| told.as_mut().ok()) {
            saved.version = held.get(&saved.id).and_then(|held| held.version.clone());
        }
        Ok(())
    }
}

fn id(write: &Write) -> Option<&str> {
    match write {
        Write::Create { .. } => None,
        Write::Update { id, .. } | Write::Delete { id, .. } => Some(id),
    }
}

fn unchanged(seen: Option<&String>, there: &Held) -> Result<(), Failure> {
    if seen.is_none() || seen == there.version.as_ref() {
        return Ok(());
    }
    let reason = "the row was changed since it was read".to_owned();
    Err(Failure::Told(Error::Conflict { reason }))
}
