//! What an environment says of its tables: columns, lookups, alternate keys, change tracking.
//!
//! Asked once per table and kept for an hour: an administrator adds a key or turns change
//! tracking on, and Tieline follows.

use super::client::Client;
use super::forms::Sets;
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
    /// By their names; empty where the environment tells none.
    pub(super) columns: BTreeMap<String, Column>,
    /// Lookups by the name that each has towards one of the tables it may lead to.
    pub(super) ways: BTreeMap<String, Way>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) holds: Holds,
    /// May a client set it?
    pub(super) can_write: bool,
}

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    /// Also the number of a choice.
    Whole,
    Number,
    Flag,
    /// A time, a list of choices, and what else goes as it came.
    Other,
}

/// A lookup, towards one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Where the other record's id is read.
    pub(super) column: Name,
    /// The other table's logical name.
    pub(super) to: String,
}

impl Holds {
    fn of(kind: &str) -> Self {
        match kind {
            "String" | "Memo" => Self::Text,
            "Integer" | "BigInt" | "Picklist" | "State" | "Status" => Self::Whole,
            "Decimal" | "Double" | "Money" => Self::Number,
            "Boolean" => Self::Flag,
            _ => Self::Other,
        }
    }

    /// For people.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a whole number, of a choice the one behind its label",
            Self::Number => "a number",
            Self::Flag => "yes or no",
            Self::Other => "something else",
        }
    }
}

/// The tables of one environment.
pub(super) struct Tables {
    client: Arc<Client>,
    known: Mutex<BTreeMap<String, (Instant, Arc<Table>)>>,
    /// The sets of tables that lookups lead to; they never change.
    sets: Mutex<Sets>,
}

impl Tables {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, known: Mutex::default(), sets: Mutex::default() }
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

    /// The sets of these tables, by their logical names.
    ///
    /// # Errors
    /// Any [`Error`]; a table that there is not is left out.
    pub(super) async fn sets(&self, logical: &[&str]) -> Result<Sets, Error> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in logical {
            if sets.contains_key(*name) {
                continue;
            }
            let query = Query {
                set: Name::fixed("EntityDefinitions"),
                filter: Some(Filter::text(&Name::fixed("LogicalName"), name)),
                select: ["LogicalName", "EntitySetName"].map(Name::fixed).to_vec(),
                expand: vec![],
                top: Some(1),
            };
            let rows = self.client.rows(Lane::Background, &query).await?;
            let set = rows.first().and_then(|row| row.get("EntitySetName")?.as_str());
            let Some(set) = set.and_then(Name::new) else { continue };
            sets.insert((*name).to_owned(), set);
            let mut known = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() < TABLES_MAX {
                known.clone_from(&sets);
            }
        }
        Ok(sets)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Arc<Table>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(set: &Name) -> Query {
    let select = ["LogicalName", "EntitySetName", "PrimaryIdAttribute", "ChangeTrackingEnabled"];
    let key = ["KeyAttributes", "EntityKeyIndexStatus"];
    let column = ["LogicalName", "AttributeType", "IsValidForCreate", "IsValidForUpdate"];
    let way =
        ["ReferencingAttribute", "ReferencedEntity", "ReferencingEntityNavigationPropertyName"];
    let inner = |name, of: &[&'static str]| {
        (Name::fixed(name), of.iter().copied().map(Name::fixed).collect::<Vec<_>>())
    };
    Query {
        set: Name::fixed("EntityDefinitions"),
        filter: Some(Filter::text(&Name::fixed("EntitySetName"), set.as_str())),
        select: select.map(Name::fixed).to_vec(),
        expand: vec![
            inner("Keys", &key),
            inner("Attributes", &column),
            inner("ManyToOneRelationships", &way),
        ],
        top: Some(1),
    }
}

fn read(set: Name, row: &Value) -> Result<Table, Error> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let id = text("PrimaryIdAttribute").and_then(Name::new);
    let id = id.ok_or_else(|| Error::protocol("a table without PrimaryIdAttribute"))?;
    let list = |key: &str| row.get(key).and_then(Value::as_array).into_iter().flatten();
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
        keys: list("Keys").filter_map(alone).collect(),
        columns: list("Attributes").filter_map(column).collect(),
        ways: list("ManyToOneRelationships").filter_map(way).collect(),
    })
}

fn column(told: &Value) -> Option<(String, Column)> {
    let name = told.get("LogicalName")?.as_str()?;
    let holds = Holds::of(told.get("AttributeType")?.as_str()?);
    let is = |key: &str| told.get(key) != Some(&Value::Bool(false));
    let can_write = is("IsValidForCreate") || is("IsValidForUpdate");
    Some((name.to_owned(), Column { holds, can_write }))
}

fn way(told: &Value) -> Option<(String, Way)> {
    let text = |key: &str| told.get(key)?.as_str();
    let column = Name::new(&format!("_{}_value", text("ReferencingAttribute")?))?;
    let name = Name::new(text("ReferencingEntityNavigationPropertyName")?)?;
    let to = Name::new(text("ReferencedEntity")?)?;
    Some((name.as_str().to_owned(), Way { column, to: to.as_str().to_owned() }))
}
