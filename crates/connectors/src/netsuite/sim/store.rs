//! The rows: texts by column, as SuiteQL gives them, and what each table has.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// A row's columns; what is empty has none.
pub(super) type Row = BTreeMap<String, String>;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Id,
    /// At most so many characters.
    Text(usize),
    Number,
    Flag,
    /// A date and time.
    Moment,
    /// A date alone.
    Day,
    /// A key, and what people read in its place.
    Key(&'static [(&'static str, &'static str)]),
}

/// One table: its name in SuiteQL, that of its REST record where there is one, and columns.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) record: Option<&'static str>,
    pub(super) columns: &'static [(&'static str, Kind)],
}

const CATEGORIES: Kind = Kind::Key(&[("1", "Corporate"), ("2", "Individual")]);
const HOLDS: Kind = Kind::Key(&[("AUTO", "Auto"), ("ON", "On"), ("OFF", "Off")]);
const CALL_STATES: Kind = Kind::Key(&[("SCHEDULED", "Scheduled"), ("COMPLETE", "Completed")]);
const TYPES: Kind = Kind::Key(&[("CustInvc", "Invoice"), ("CustPymt", "Payment")]);

/// Every table.
pub(super) const TABLES: [Table; 5] = [
    Table {
        name: "customer",
        record: Some("customer"),
        columns: &[
            ("id", Kind::Id),
            ("externalid", Kind::Text(100)),
            ("entityid", Kind::Text(80)),
            ("companyname", Kind::Text(83)),
            ("firstname", Kind::Text(32)),
            ("lastname", Kind::Text(32)),
            ("isperson", Kind::Flag),
            ("isinactive", Kind::Flag),
            ("email", Kind::Text(254)),
            ("phone", Kind::Text(32)),
            ("altphone", Kind::Text(32)),
            ("mobilephone", Kind::Text(32)),
            ("homephone", Kind::Text(32)),
            ("category", CATEGORIES),
            ("creditlimit", Kind::Number),
            ("creditholdoverride", HOLDS),
            ("balancesearch", Kind::Number),
            ("overduebalancesearch", Kind::Number),
            ("custentity_crm_id", Kind::Text(100)),
            ("datecreated", Kind::Moment),
            ("lastmodifieddate", Kind::Moment),
        ],
    },
    Table {
        name: "contact",
        record: Some("contact"),
        columns: &[
            ("id", Kind::Id),
            ("externalid", Kind::Text(100)),
            ("entityid", Kind::Text(83)),
            ("firstname", Kind::Text(32)),
            ("lastname", Kind::Text(32)),
            ("company", Kind::Id),
            ("title", Kind::Text(100)),
            ("isinactive", Kind::Flag),
            ("email", Kind::Text(254)),
            ("altemail", Kind::Text(254)),
            ("phone", Kind::Text(32)),
            ("officephone", Kind::Text(32)),
            ("mobilephone", Kind::Text(32)),
            ("homephone", Kind::Text(32)),
            ("custentity_tier", Kind::Text(40)),
            ("datecreated", Kind::Moment),
            ("lastmodifieddate", Kind::Moment),
        ],
    },
    Table {
        name: "phonecall",
        record: Some("phonecall"),
        columns: &[
            ("id", Kind::Id),
            ("externalid", Kind::Text(100)),
            ("title", Kind::Text(256)),
            ("message", Kind::Text(4_000)),
            ("phone", Kind::Text(32)),
            ("status", CALL_STATES),
            ("startdate", Kind::Day),
            ("completeddate", Kind::Day),
            ("contact", Kind::Id),
            ("company", Kind::Id),
            ("lastmodifieddate", Kind::Moment),
        ],
    },
    Table {
        name: "transaction",
        record: None,
        columns: &[
            ("id", Kind::Id),
            ("type", TYPES),
            ("entity", Kind::Id),
            ("foreigntotal", Kind::Number),
            ("foreignamountunpaid", Kind::Number),
        ],
    },
    Table {
        name: "deletedrecord",
        record: None,
        columns: &[
            ("id", Kind::Id),
            ("recordid", Kind::Id),
            ("recordtypeid", Kind::Text(40)),
            ("name", Kind::Text(100)),
            ("deleteddate", Kind::Moment),
        ],
    },
];

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<Kind> {
        self.columns.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind)
    }
}

pub(super) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// All of an account.
#[derive(Default)]
pub(super) struct Store {
    tables: BTreeMap<String, BTreeMap<u64, Row>>,
    none: BTreeMap<u64, Row>,
    last: u64,
    /// Seconds that the account's clock is ahead.
    pub(super) ahead: u64,
}

impl Store {
    pub(super) fn rows(&self, table: &str) -> &BTreeMap<u64, Row> {
        self.tables.get(table).unwrap_or(&self.none)
    }

    /// An id that nobody has had yet.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Makes or changes a row; an empty text empties a column.
    pub(super) fn put(&mut self, name: &str, id: u64, values: Row) -> bool {
        let Some(table) = table(name) else { return false };
        if values.keys().any(|column| table.column(column).is_none()) {
            return false;
        }
        let now = self.now();
        self.last = self.last.max(id);
        let row = self.tables.entry(name.to_owned()).or_default().entry(id).or_default();
        row.insert("id".to_owned(), id.to_string());
        for flag in ["isinactive"] {
            if table.column(flag).is_some() {
                row.entry(flag.to_owned()).or_insert_with(|| "F".to_owned());
            }
        }
        if table.column("datecreated").is_some() {
            row.entry("datecreated".to_owned()).or_insert_with(|| now.clone());
        }
        if table.column("lastmodifieddate").is_some() {
            row.insert("lastmodifieddate".to_owned(), now);
        }
        for (column, value) in values {
            if value.is_empty() {
                row.remove(&column);
            } else {
                row.insert(column, value);
            }
        }
        true
    }

    /// Deletes a row and remembers that.
    pub(super) fn remove(&mut self, name: &str, id: u64) -> bool {
        let Some(row) = self.tables.get_mut(name).and_then(|rows| rows.remove(&id)) else {
            return false;
        };
        let own = self.next();
        let told = [
            ("recordid", id.to_string()),
            ("recordtypeid", name.to_uppercase()),
            ("name", row.get("entityid").cloned().unwrap_or_default()),
            ("deleteddate", self.now()),
        ];
        let told = told.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
        self.put("deletedrecord", own, told)
    }

    /// The ids of the rows with this text in a column.
    pub(super) fn with(&self, table: &str, column: &str, value: &str) -> Vec<u64> {
        let rows = self.rows(table).iter();
        let fits = |row: &Row| row.get(column).is_some_and(|own| own == value);
        rows.filter(|(_, row)| fits(row)).map(|(id, _)| *id).collect()
    }

    /// This second, in the account's time zone, which is GMT.
    pub(super) fn now(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        moment(since + self.ahead)
    }
}

/// `2026-11-21T18:55:00`; days after Hinnant's `civil_from_days`.
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}
