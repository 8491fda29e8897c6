//! What an environment says of its tables: id column, alternate keys, change tracking.
//!
//! Asked once per table and kept for an hour: an administrator adds a key or turns change
//! tracking on, and Tieline follows.

use super::client::Client;
use super::odata::{Filter, Name, Query};
use kit::{Error, Lane};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Tables remembered; beyond that all are forgotten and asked for again.
const TABLES_MAX: usize = 200;
/// How long an answer counts.
const TRUSTED: Duration = Duration::from_secs(3_600);
/// Tables whose rows can be merged into one another.
const MERGED: [&str; 4] = ["account", "contact", "lead", "incident"];

/// One table as the environment describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// What stands for it in an address.
    pub(super) set: Name,
    /// The column that holds a record's id.
    pub(super) id: Name,
    pub(super) can_merge: bool,
    pub(super) is_tracked: bool,
    /// Columns that are an alternate key alone, and whose index is ready.
    pub(super) keys: Vec<Name>,
}

/// The tables of one environment.
pub(super) struct Tables {
    client: Arc<Client>,
    known: Mutex<BTreeMap<String, (Instant, Arc<Table>)>>,
}

impl Tables {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The table of that set.
    ///
    /// # Errors
    /// `Invalid` naming `object` when there is none, any other [`Error`].
    pub(super) async fn table(&self, set: &str) -> Result<Arc<Table>, Error> {
        let unknown = |reason: &str| Error::Invalid {
            field: Some("object".to_owned()),
            reason: reason.to_owned(),
        };
        let name = Name::new(set).ok_or_else(|| unknown("is no name of a table's set"))?;
        if let Some((since, table)) = self.lock().get(set)
            && since.elapsed() < TRUSTED
        {
            return Ok(Arc::clone(table));
        }
        let rows = self.client.rows(Lane::Background, &described(&name)).await?;
        let row = rows.first();
        let row = row.ok_or_else(|| unknown("is no table's set; it is written like contacts"))?;
        let table = Arc::new(read(name, row)?);
        let mut known = self.lock();
        if known.len() >= TABLES_MAX {
            known.clear();
        }
        known.insert(set.to_owned(), (Instant::now(), Arc::clone(&table)));
        Ok(table)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Arc<Table>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(set: &Name) -> Query {
    let select = ["LogicalName", "EntitySetName", "PrimaryIdAttribute", "ChangeTrackingEnabled"];
    let key = ["KeyAttributes", "EntityKeyIndexStatus"].map(Name::fixed);
    Query {
        set: Name::fixed("EntityDefinitions"),
        filter: Some(Filter::text(&Name::fixed("EntitySetName"), set.as_str())),
        select: select.map(Name::fixed).to_vec(),
        expand: vec![(Name::fixed("Keys"), key.to_vec())],
        top: Some(1),
    }
}

fn read(set: Name, row: &Value) -> Result<Table, Error> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let id = text("PrimaryIdAttribute").and_then(Name::new);
    let id = id.ok_or_else(|| Error::protocol("a table without PrimaryIdAttribute"))?;
    let keys = row.get("Keys").and_then(Value::as_array).into_iter().flatten();
    let alone = |key: &Value| {
        let columns = key.get("KeyAttributes")?.as_array()?;
        let is_ready = key.get("EntityKeyIndexStatus").and_then(Value::as_str) == Some("Active");
        let only = columns.first().filter(|_| is_ready && columns.len() == 1)?;
        Name::new(only.as_str()?)
    };
    Ok(Table {
        set,
        id,
        can_merge: text("LogicalName").is_some_and(|name| MERGED.contains(&name)),
        is_tracked: row.get("ChangeTrackingEnabled") != Some(&Value::Bool(false)),
        keys: keys.filter_map(alone).collect(),
    })
}
