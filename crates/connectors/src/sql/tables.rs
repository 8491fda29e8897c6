//! Tables that are written, as their administrator describes them: a full end of a sync.
//!
//! A description names the table and its columns; every statement is made from it
//! ([`text`]), with names that the database's own catalogue confirmed ([`catalogue`]) and
//! values that are only ever bound. [`writes`] reads and writes rows, [`changed`] tells what
//! changed, and [`batch`] is what happens within one transaction.

mod batch;
mod catalogue;
pub(super) mod changed;
pub(super) mod check;
mod exact;
mod forms;
mod records;
mod shape;
mod text;
mod values;
mod writes;

use super::queries::invalid;
use super::statement::Dialect;
pub(super) use batch::{Batch, Outcomes, Transaction};
pub(super) use forms::Names;
use kit::{Error, Settings};
pub(super) use shape::{Shape, Shapes};
use std::collections::BTreeMap;
pub(super) use writes::Editor;

/// Tables under the setting, and columns of one that are written.
const TABLES_MAX: usize = 50;
const COLUMNS_MAX: usize = 200;
/// Longest name of a table or column; no engine has longer ones.
const NAME_MAX: usize = 128;
/// What stands between the parts of a list that is kept as one text.
const SEPARATOR: &str = ";";
/// The separator that says that such a list is kept as JSON.
const JSON: &str = "json";
const KEYS: [&str; 10] = [
    "table",
    "record",
    "key",
    "version",
    "modified_at",
    "modified_by",
    "deleted",
    "write",
    "separator",
    "stamps",
];

/// One table, as described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The setting, for messages: `tables.people`.
    pub(super) at: String,
    /// Schema, where one is named, and name.
    pub(super) name: (Option<String>, String),
    /// The column that a record's id is; unique.
    pub(super) record: String,
    /// The column by which rows are made; unique.
    pub(super) key: Option<String>,
    /// A column, or PostgreSQL's `xmin`, that is another with each change.
    pub(super) version: Option<String>,
    pub(super) modified_at: String,
    pub(super) modified_by: Option<String>,
    /// Rows are deleted by setting it.
    pub(super) deleted: Option<String>,
    /// What may be written, and nothing else.
    pub(super) write: Vec<String>,
    pub(super) separator: String,
    /// Each write sets `modified_at` to the database's own time.
    pub(super) stamps: bool,
}

/// The tables of one connection, by the names that syncs have for them.
pub(super) type Tables = BTreeMap<String, Table>;

/// Reads the setting `tables`.
///
/// # Errors
/// `Invalid` naming the table and what is wrong with it.
pub(super) fn of(settings: &Settings, dialect: Dialect) -> Result<Tables, Error> {
    let all = settings.tables("tables");
    if all.len() > TABLES_MAX {
        return Err(invalid("tables", "has more than fifty tables"));
    }
    let read = |(object, told): (String, Settings)| {
        let table = table(format!("tables.{object}"), &told, dialect)?;
        Ok((object, table))
    };
    all.into_iter().map(read).collect()
}

fn table(at: String, told: &Settings, dialect: Dialect) -> Result<Table, Error> {
    if let Some(odd) = told.plain.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let reason = format!("has no `{odd}`; there is {}", KEYS.join(", "));
        return Err(invalid(&at, &reason));
    }
    let text = |key: &str| match (told.text(key), told.plain.contains_key(key)) {
        (None, false) => Ok(None),
        (Some(text), _) if key == "separator" || is_name(text) => Ok(Some(text.trim().to_owned())),
        _ => Err(invalid(&format!("{at}.{key}"), "is no name")),
    };
    let needed = |key: &str| {
        text(key)?.ok_or_else(|| invalid(&format!("{at}.{key}"), "is required and not set"))
    };
    let whole = needed("table")?;
    let name = match whole.split_once('.') {
        None => (None, whole.clone()),
        Some((_, "")) => return Err(invalid(&format!("{at}.table"), "is no name")),
        Some((schema, name)) => (Some(schema.to_owned()), name.to_owned()),
    };
    if name.1.contains('.') {
        return Err(invalid(&format!("{at}.table"), "is `table`, or `schema.table`"));
    }
    if dialect == Dialect::Sqlite && name.0.is_some() {
        return Err(invalid(&format!("{at}.table"), "is in the file itself: name no schema"));
    }
    let write = written(&at, told)?;
    let stamps = told.flag("stamps", false);
    if told.plain.get("stamps").is_some_and(|value| value.as_bool().is_none()) {
        return Err(invalid(&format!("{at}.stamps"), "is true or false"));
    }
    let table = Table {
        name,
        record: needed("record")?,
        key: text("key")?,
        version: text("version")?,
        modified_at: needed("modified_at")?,
        modified_by: text("modified_by")?,
        deleted: text("deleted")?,
        write,
        separator: text("separator")?
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| SEPARATOR.to_owned()),
        stamps,
        at,
    };
    let kept = [Some(&table.modified_at), table.version.as_ref(), table.deleted.as_ref()];
    let own = kept.into_iter().flatten().find(|kept| table.writes(kept));
    match own {
        Some(own) => {
            let reason = format!("`{own}` is kept by the database, or set by Tieline itself");
            Err(invalid(&format!("{}.write", table.at), &reason))
        }
        None => Ok(table),
    }
}

fn written(at: &str, told: &Settings) -> Result<Vec<String>, Error> {
    let at = format!("{at}.write");
    let names = told.texts("write");
    let count = told.plain.get("write").and_then(|list| list.as_array().map(Vec::len));
    if count != Some(names.len()) || !(1..=COLUMNS_MAX).contains(&names.len()) {
        return Err(invalid(&at, "is the list of the columns that may be written, 1 to 200"));
    }
    match names.iter().find(|name| !is_name(name)) {
        Some(_) => Err(invalid(&at, "holds what is no name of a column")),
        None => Ok(names),
    }
}

impl Table {
    /// May this column be written?
    pub(super) fn writes(&self, column: &str) -> bool {
        self.write.iter().any(|own| own.eq_ignore_ascii_case(column))
    }
}

/// Can this be a name that somebody gave a table or column? What it means, the catalogue says.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "_$#-. ".contains(c);
    !text.trim().is_empty() && text.len() <= NAME_MAX && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::sql::statement::Dialect;
    use kit::{Error, Settings};

    fn read(toml: &str) -> Result<super::Tables, Error> {
        let plain: toml::Table = toml.parse().expect("toml");
        let settings = Settings { plain: plain.into_iter().collect(), ..Settings::default() };
        of(&settings, Dialect::PostgreSql)
    }

    #[test]
    fn a_table_is_described_by_its_columns() {
        let tables = read(
            "[tables.people]\ntable = 'crm.customers'\nrecord = 'id'\nkey = 'tieline_key'\n\
             modified_at = 'updated_at'\nwrite = ['email', 'First Name']",
        );
        let tables = tables.expect("a table");
        let people = &tables["people"];
        assert_eq!(people.name, (Some("crm".to_owned()), "customers".to_owned()));
        assert!(people.writes("EMAIL") && people.writes("First Name") && !people.writes("id"));
        assert!(!people.stamps);
    }

    #[test]
    fn what_is_no_description_is_refused_by_name() {
        let rest = "record = 'id'\nmodified_at = 'm'\nwrite = ['a']";
        for (toml, named) in [
            (format!("[tables.p]\n{rest}"), "tables.p.table"),
            (format!("[tables.p]\ntable = 'x\"y'\n{rest}"), "tables.p.table"),
            (format!("[tables.p]\ntable = 'a.b.c'\n{rest}"), "tables.p.table"),
            (format!("[tables.p]\ntable = 'x'\nwhere = '1=1'\n{rest}"), "tables.p"),
            (
                "[tables.p]\ntable = 'x'\nrecord = 'id'\nwrite = ['a']".into(),
                "tables.p.modified_at",
            ),
            (
                "[tables.p]\ntable = 'x'\nrecord = 'id'\nmodified_at = 'm'\nwrite = []".into(),
                "tables.p.write",
            ),
            (
                "[tables.p]\ntable = 'x'\nrecord = 'id'\nmodified_at = 'm'\nwrite = ['M']".into(),
                "tables.p.write",
            ),
        ] {
            let error = read(&toml).expect_err(&toml);
            let Error::Invalid { field, .. } = &error else { panic!("{error}") };
            assert_eq!(field.as_deref(), Some(named), "{error}");
        }
    }
}
