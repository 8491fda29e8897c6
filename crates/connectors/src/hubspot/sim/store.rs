//! The records of the account, what they are tied to, and what the search knows of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sim::dates;
use tokio::time::Instant;

/// The user of the service key, and somebody else.
pub(super) const US: &str = "70001";
pub(super) const COLLEAGUE: &str = "70002";
const FIRST_ID: u64 = 501;

pub(super) type Properties = BTreeMap<String, String>;
type Record = (&'static str, u64);

pub(super) struct Row {
    pub(super) properties: Properties,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) archived: Option<i64>,
    /// What the search shows until then; `None`, where it did not know the record at all.
    before: (Instant, Option<Properties>),
}

impl Row {
    /// What the search knows of the record.
    pub(super) fn indexed(&self) -> Option<&Properties> {
        if self.before.0 <= Instant::now() {
            Some(&self.properties)
        } else {
            self.before.1.as_ref()
        }
    }
}

pub(super) struct Store {
    rows: HashMap<&'static str, BTreeMap<u64, Row>>,
    /// Who was merged away, into whom.
    merged: HashMap<u64, u64>,
    ties: BTreeSet<(Record, Record)>,
    next: u64,
    lag: Duration,
}

/// The types of records, by any of their names.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    match name {
        "contacts" | "contact" | "0-1" => Some("contacts"),
        "companies" | "company" | "0-2" => Some("companies"),
        "calls" | "call" | "0-48" => Some("calls"),
        _ => None,
    }
}

impl Store {
    pub(super) fn new(lag: Duration) -> Store {
        let (rows, merged, ties) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Store { rows, merged, ties, next: FIRST_ID, lag }
    }

    /// All records of a type that are not archived, in the order of their ids.
    pub(super) fn live(&self, object: &str) -> impl Iterator<Item = (u64, &Row)> {
        self.all(object).filter(|(_, row)| row.archived.is_none())
    }

    pub(super) fn all(&self, object: &str) -> impl Iterator<Item = (u64, &Row)> {
        let rows = kind(object).and_then(|object| self.rows.get(object));
        rows.into_iter().flatten().map(|(id, row)| (*id, row))
    }

    /// A record by its id; one that was merged away is the one that stayed.
    pub(super) fn find(&self, object: &str, id: u64) -> Option<(u64, &Row)> {
        let id = self.merged.get(&id).copied().unwrap_or(id);
        self.row(object, id).map(|row| (id, row))
    }

    pub(super) fn row(&self, object: &str, id: u64) -> Option<&Row> {
        self.rows.get(kind(object)?)?.get(&id)
    }

    /// A live record by the value of a property.
    pub(super) fn by(&self, object: &str, property: &str, value: &str) -> Option<(u64, &Row)> {
        let same = |row: &Row| {
            row.properties.get(property).is_some_and(|own| own.eq_ignore_ascii_case(value))
        };
        self.live(object).find(|(_, row)| same(row))
    }

    /// Adds a record that the search knows at once: what was there before.
    pub(super) fn plant(&mut self, object: &'static str, properties: Properties) -> u64 {
        let lag = std::mem::take(&mut self.lag);
        let id = self.insert(object, properties, US);
        self.lag = lag;
        id
    }

    pub(super) fn insert(&mut self, object: &str, properties: Properties, by: &str) -> u64 {
        let Some(object) = kind(object) else { return 0 };
        self.next += 11;
        let now = dates::now();
        let before = (Instant::now() + self.lag, None);
        let mut row = Row { properties, created: now, updated: now, archived: None, before };
        derive(object, self.next, &mut row, by);
        self.rows.entry(object).or_default().insert(self.next, row);
        self.next
    }

    pub(super) fn change(&mut self, object: &str, id: u64, more: Properties, by: &str) -> bool {
        let lag = self.lag;
        let Some(object) = kind(object) else { return false };
        let Some(row) = self.rows.get_mut(object).and_then(|rows| rows.get_mut(&id)) else {
            return false;
        };
        let known = row.indexed().cloned();
        row.before = (Instant::now() + lag, known);
        row.properties.extend(more);
        row.properties.retain(|_, value| !value.is_empty());
        row.updated = dates::now().max(row.updated + 1);
        derive(object, id, row, by);
        true
    }

    pub(super) fn set_modified(&mut self, object: &str, id: u64, ms: i64) {
        let Some(object) = kind(object) else { return };
        if let Some(row) = self.rows.get_mut(object).and_then(|rows| rows.get_mut(&id)) {
            row.updated = ms;
            row.properties.insert(modified(object).to_owned(), dates::utc(ms));
        }
    }

    pub(super) fn archive(&mut self, object: &str, id: u64) {
        let rows = kind(object).and_then(|object| self.rows.get_mut(object));
        if let Some(row) = rows.and_then(|rows| rows.get_mut(&id)) {
            row.archived.get_or_insert_with(dates::now);
        }
    }

    /// Leaves nothing.
    pub(super) fn forget(&mut self, object: &str, id: u64) {
        let rows = kind(object).and_then(|object| self.rows.get_mut(object));
        rows.and_then(|rows| rows.remove(&id));
    }

    pub(super) fn merge(&mut self, object: &str, primary: u64, gone: u64) -> bool {
        let Some(object) = kind(object) else { return false };
        let rows = self.rows.entry(object).or_default();
        let (true, Some(row)) =
            (rows.contains_key(&primary) && primary != gone, rows.remove(&gone))
        else {
            return false;
        };
        let list =
            rows.get(&primary).and_then(|row| row.properties.get("hs_merged_object_ids").cloned());
        let earlier = row.properties.get("hs_merged_object_ids").cloned();
        let list: Vec<String> = list.into_iter().chain(earlier).chain([gone.to_string()]).collect();
        let mut more: Properties = [("hs_merged_object_ids".to_owned(), list.join(";"))].into();
        // What the primary lacks comes from the other.
        let own = rows.get(&primary).map(|row| row.properties.clone()).unwrap_or_default();
        let lacking = row.properties.into_iter().filter(|(name, _)| !own.contains_key(name));
        more.extend(lacking.filter(|(name, _)| name != "hs_merged_object_ids"));
        for into in self.merged.values_mut().filter(|into| **into == gone) {
            *into = primary;
        }
        self.merged.insert(gone, primary);
        self.change(object, primary, more, COLLEAGUE)
    }

    pub(super) fn tie(&mut self, a: Record, b: Record) {
        self.ties.extend([(a, b), (b, a)]);
    }

    pub(super) fn untie(&mut self, a: Record, b: Record) {
        self.ties.remove(&(a, b));
        self.ties.remove(&(b, a));
    }

    /// What of another type a record is tied to.
    pub(super) fn tied(&self, record: Record, to: &str) -> Vec<u64> {
        let ties = self.ties.iter().filter(|(from, other)| *from == record && other.0 == to);
        ties.map(|(_, other)| other.1).collect()
    }
}

/// The property that says when a record was changed.
pub(super) fn modified(object: &str) -> &'static str {
    if object == "contacts" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

/// What HubSpot works out by itself.
fn derive(object: &'static str, id: u64, row: &mut Row, by: &str) {
    let mut set = |name: &str, value: String| drop(row.properties.insert(name.to_owned(), value));
    set("hs_object_id", id.to_string());
    set("createdate", dates::utc(row.created));
    set(modified(object), dates::utc(row.updated));
    set("hs_updated_by_user_id", by.to_owned());
    for (typed, national, international) in [
        (
            "phone",
            "hs_searchable_calculated_phone_number",
            "hs_searchable_calculated_international_phone_number",
        ),
        (
            "mobilephone",
            "hs_searchable_calculated_mobile_number",
            "hs_searchable_calculated_international_mobile_number",
        ),
    ] {
        let digits = row.properties.get(typed).and_then(|typed| digits(typed));
        for (name, value) in [
            (national, digits.as_ref().map(|(_, national)| national.clone())),
            (international, digits.as_ref().map(|(code, national)| format!("{code}{national}"))),
        ] {
            match value {
                Some(value) => row.properties.insert(name.to_owned(), value),
                None => row.properties.remove(name),
            };
        }
    }
}

/// Country code and national digits of what somebody typed; without a `+` it is taken for
/// a number of North America.
fn digits(typed: &str) -> Option<(String, String)> {
    const CODES: [&str; 6] = ["44", "49", "33", "61", "91", "1"];
    let bare = typed.split(['x', 'e', '#']).next().unwrap_or_default();
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let code = match typed.trim_start().starts_with('+') {
        true => CODES.into_iter().find(|code| digits.starts_with(code)).unwrap_or_default(),
        false if digits.len() == 11 && digits.starts_with('1') => "1",
        false => return (digits.len() >= 7).then(|| ("1".to_owned(), digits)),
    };
    let national = digits[code.len()..].to_owned();
    (national.len() >= 7).then(|| (code.to_owned(), national))
}
