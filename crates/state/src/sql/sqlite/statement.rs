//! One statement on one connection, prepared once and kept.

use crate::error::{Error, Result};
use crate::sql::{Cell, Param, Row};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Int(Some(value)) => ValueRef::Integer(value),
            Self::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Self::Blob(Some(value)) => ValueRef::Blob(value),
            Self::Int(None) | Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        }))
    }
}

pub(crate) fn rows(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
    let read = || -> rusqlite::Result<Vec<Row>> {
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut answer = statement.query(rusqlite::params_from_iter(params))?;
        let mut rows = Vec::new();
        while let Some(row) = answer.next()? {
            let cells = (0..columns).map(|at| row.get_ref(at).map(Cell::from));
            rows.push(Row(cells.collect::<rusqlite::Result<_>>()?));
        }
        Ok(rows)
    };
    read().map_err(|error| Error::sqlite("reading", &error))
}

pub(crate) fn execute(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<u64> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(rusqlite::params_from_iter(params)))
        .map(|rows| rows as u64)
        .map_err(|error| Error::sqlite("writing", &error))
}

pub(crate) fn insert(
    connection: &Connection,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Option<Row>> {
    let inserted = execute(connection, sql, params)?;
    Ok((inserted > 0).then(|| Row(vec![Cell::Int(connection.last_insert_rowid())])))
}

pub(crate) fn batch(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|error| Error::sqlite("writing", &error))
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Text(value) => Self::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Self::Blob(value.to_vec()),
            ValueRef::Null | ValueRef::Real(_) => Self::Null, // no column of ours is real
        }
    }
}
