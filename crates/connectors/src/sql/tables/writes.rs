//! The records of described tables: read by their ids, written in batches.

use super::batch::Batch;
use super::shape::{Shape, Shapes};
use super::text::{DELETED, RECORD};
use super::values::is_gone;
use crate::sql::cell::Row;
use crate::sql::queries::invalid;
use crate::sql::statement::Argument;
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved, Write, Writes};
use std::sync::Arc;

/// Ids in one query.
const READ_MAX: usize = 100;
/// Rows in one transaction: their locks are held until its end.
const WRITE_MAX: usize = 50;

/// The records of one connection.
pub(in crate::sql) struct Editor {
    pub(in crate::sql) shapes: Arc<Shapes>,
}

#[async_trait]
impl Writes for Editor {
    fn read_max(&self) -> usize {
        READ_MAX
    }

    async fn read(
        &self,
        lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let shape = self.shapes.of(lane, object).await?;
        let mut found = Vec::with_capacity(ids.len());
        for part in ids.chunks(READ_MAX) {
            found.extend(self.part(&shape, lane, part, fields).await?);
        }
        Ok(found)
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let lane = Lane::Background;
        let shape = self.shapes.of(lane, object).await?;
        let column = shape.key(key.0)?;
        let bound = shape.id(column, key.1);
        let bound = bound.ok_or_else(|| invalid(&column.name, "cannot hold this key"))?;
        let statement = shape.by(column, 1, false, &[column]);
        let rows = self.shapes.database.rows(lane, &statement, vec![bound]).await?;
        let is_own = |row: &&Row| column.is_exactly(row, key.1);
        // Who was deleted by a mark is nobody, and keeps the key.
        let mut there = rows.iter().filter(is_own).filter(|row| !is_gone(row.get(DELETED)));
        let found = there.next().and_then(|row| row.text(RECORD));
        match there.next() {
            None => Ok(found),
            Some(_) => {
                let reason = format!("several rows have the same {}", column.name);
                Err(Error::Conflict { reason })
            }
        }
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let key = (key.0.to_owned(), key.1.to_owned());
        self.alone(object, Write::Create { key, fields: fields.clone() }).await
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let (id, seen) = (id.to_owned(), seen.map(str::to_owned));
        self.alone(object, Write::Update { id, seen, fields: fields.clone() }).await
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let (id, seen) = (id.to_owned(), seen.map(str::to_owned));
        self.alone(object, Write::Delete { id, seen }).await.map(drop)
    }

    fn write_max(&self) -> usize {
        WRITE_MAX
    }

    async fn write(
        &self,
        object: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let shape = self.shapes.of(Lane::Background, object).await?;
        let mut outcomes = Vec::with_capacity(writes.len());
        for part in writes.chunks(WRITE_MAX) {
            let batch = Batch { shape: Arc::clone(&shape), writes: part.to_vec() };
            match self.shapes.database.write(&batch).await {
                Ok(told) => outcomes.extend(told),
                // Some are done and told of: of these it is known.
                Err(error) if !outcomes.is_empty() => {
                    outcomes.extend(part.iter().map(|_| Err(error.clone())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }
}

impl Editor {
    async fn alone(&self, object: &str, write: Write) -> Result<Saved, Error> {
        let told = self.write(object, &[write]).await?.into_iter().next();
        told.unwrap_or_else(|| Err(Error::protocol("a write without an outcome")))
    }

    async fn part(
        &self,
        shape: &Shape,
        lane: Lane,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let record = shape.own(&shape.table.record)?;
        let columns = shape.fields(fields)?;
        let wanted: Vec<Argument> = ids.iter().filter_map(|id| shape.id(record, id)).collect();
        if wanted.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let statement = shape.by(record, wanted.len(), false, &columns);
        let rows = self.shapes.database.rows(lane, &statement, wanted).await?;
        let own = |id: &String| rows.iter().find(|row| is_of(row, id));
        ids.iter().map(|id| own(id).map_or(Ok(None), |row| shape.record(row, fields))).collect()
    }
}

/// Is this the row of the id, to the letter? An engine may compare more loosely.
fn is_of(row: &Row, id: &str) -> bool {
    row.text(RECORD).as_deref() == Some(id)
}
