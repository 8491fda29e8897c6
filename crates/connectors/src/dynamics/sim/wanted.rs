//! What an answer carries of a row: `$select`, `$expand`, and annotations where wanted.

use serde_json::{Map, Value as Json};

use super::http::{Answer, Asked};
use super::schema::{Kind, Table};
use super::store::{Row, Store};

/// What an answer shall carry of each row.
pub(super) struct Wanted {
    select: Option<Vec<String>>,
    /// Ways, the table each leads to, and what is wanted of whom is found there.
    pub(super) expand: Vec<(String, usize, Option<Vec<String>>)>,
    has_labels: bool,
    has_targets: bool,
}

impl Wanted {
    pub(super) fn read(store: &Store, table: &Table, asked: &Asked<'_>) -> Result<Wanted, Answer> {
        let select = asked.option("$select").map(|list| names(table, list)).transpose()?;
        let mut expand = Vec::new();
        for one in parts(asked.option("$expand").unwrap_or_default()) {
            let (name, inner) = match one.split_once('(') {
                Some((name, inner)) => (name, inner.strip_suffix(')').unwrap_or(inner)),
                None => (one, ""),
            };
            let way = table.way(name).ok_or_else(|| unknown(table, name))?;
            let to = store.of(way.to).ok_or_else(|| unknown(table, name))?;
            let list = inner.strip_prefix("$select=");
            let of = list.map(|list| names(&store.rows(to).table, list)).transpose()?;
            expand.push((name.to_owned(), to, of));
        }
        let annotations = asked.preference("odata.include-annotations").unwrap_or_default();
        let has = |name: &str| annotations.split(',').any(|own| own == "*" || own.trim() == name);
        Ok(Wanted {
            select,
            expand,
            has_labels: has("OData.Community.Display.V1.FormattedValue"),
            has_targets: has("Microsoft.Dynamics.CRM.lookuplogicalname"),
        })
    }

    /// One row as an answer has it.
    pub(super) fn row(&self, store: &Store, table: &Table, row: &Row) -> Json {
        let mut own = self.columns(table, row, self.select.as_deref());
        for (name, to, select) in &self.expand {
            let Some(way) = table.way(name) else { continue };
            let id = row.get(way.column).as_str();
            let found = id.and_then(|id| store.row(*to, id));
            let inner =
                found.map(|row| self.columns(&store.rows(*to).table, row, select.as_deref()));
            own.insert(name.clone(), inner.map_or(Json::Null, Json::Object));
        }
        Json::Object(own)
    }

    fn columns(&self, table: &Table, row: &Row, select: Option<&[String]>) -> Map<String, Json> {
        let mut own = Map::new();
        own.insert("@odata.etag".to_owned(), row.etag().into());
        for column in &table.columns {
            let is_id = column.name == table.id;
            if !is_id && select.is_some_and(|names| !names.iter().any(|name| name == column.name)) {
                continue;
            }
            let value = row.get(column.name);
            own.insert(column.name.to_owned(), value.clone());
            if let (Kind::Choice(all), Some(number), true) =
                (column.kind, value.as_i64(), self.has_labels)
                && let Some((_, label)) = all.iter().find(|(own, _)| *own == number)
            {
                let key = format!("{}@OData.Community.Display.V1.FormattedValue", column.name);
                own.insert(key, (*label).into());
            }
            let to = row.get(&format!("{}@to", column.name));
            if self.has_targets && to.is_string() {
                let key = format!("{}@Microsoft.Dynamics.CRM.lookuplogicalname", column.name);
                own.insert(key, to.clone());
            }
        }
        own
    }
}

/// Parts of a list, commas in parentheses left alone.
pub(super) fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let all = list.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    all.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn names(table: &Table, list: &str) -> Result<Vec<String>, Answer> {
    let name = |name: &str| match table.column(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(unknown(table, name)),
    };
    list.split(',').map(str::trim).map(name).collect()
}

pub(super) fn unknown(table: &Table, name: &str) -> Answer {
    Answer::bad(&format!(
        "Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{}'.",
        table.logical
    ))
}
