//! The rows of the simulated system, and who is asked for.
//!
//! A row keeps only what differs from blank; [`Store::value`] gives the blank of the
//! property's type for the rest, as the vendor does. Properties that never change are
//! indexed, so that the steps of a lookup do not read whole tables.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::filter::Expression;
use super::schema::{ADDRESSES, CUSTOMERS, EMAILS, Edm, PARTNERS, PHONES, Schema, Way};

/// Set and property of what is indexed.
const INDEXED: &[(usize, &str)] = &[
    (PARTNERS, "BusinessPartner"),
    (PARTNERS, "PersonNumber"),
    (PARTNERS, "Customer"),
    (ADDRESSES, "BusinessPartner"),
    (ADDRESSES, "AddressID"),
    (PHONES, "AddressID"),
    (EMAILS, "AddressID"),
    (CUSTOMERS, "Customer"),
];

pub(super) struct Row {
    pub(super) values: Map<String, Json>,
    /// Counts changes, for the ETag.
    pub(super) version: u64,
}

pub(super) struct Store {
    pub(super) schema: Schema,
    rows: Vec<Vec<Row>>,
    index: HashMap<(usize, &'static str), HashMap<String, Vec<usize>>>,
}

impl Store {
    pub(super) fn new() -> Store {
        let schema = Schema::new();
        let rows = schema.sets.iter().map(|_| Vec::new()).collect();
        Store { schema, rows, index: HashMap::new() }
    }

    pub(super) fn count(&self, set: usize) -> usize {
        self.rows[set].len()
    }

    pub(super) fn row(&self, set: usize, at: usize) -> &Row {
        &self.rows[set][at]
    }

    pub(super) fn row_mut(&mut self, set: usize, at: usize) -> &mut Row {
        &mut self.rows[set][at]
    }

    /// Adds a row of the values that are not blank.
    pub(super) fn add(&mut self, set: usize, values: &[(&str, Json)]) {
        let values: Map<String, Json> =
            values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let at = self.rows[set].len();
        for (_, property) in INDEXED.iter().filter(|(of, _)| *of == set) {
            if let Some(value) = values.get(*property).and_then(Json::as_str) {
                let index = self.index.entry((set, *property)).or_default();
                index.entry(value.to_owned()).or_default().push(at);
            }
        }
        self.rows[set].push(Row { values, version: 1 });
    }

    /// Sets values of a row, which makes it another version.
    pub(super) fn change(&mut self, set: usize, at: usize, values: Map<String, Json>) {
        let row = &mut self.rows[set][at];
        for (name, value) in values {
            // What is emptied is blank.
            if value.is_null() {
                row.values.remove(&name)
            } else {
                row.values.insert(name, value)
            };
        }
        row.version += 1;
    }

    /// The value of a property; blank where nothing was entered.
    pub(super) fn value(&self, set: usize, at: usize, property: &str) -> Json {
        if let Some(value) = self.rows[set][at].values.get(property) {
            return value.clone();
        }
        match self.schema.sets[set].property(property).map(|property| property.edm) {
            Some(Edm::String) => Json::from(""),
            Some(Edm::Boolean) => Json::from(false),
            _ => Json::Null,
        }
    }

    /// The row with this key.
    pub(super) fn find(&self, set: usize, keys: &[(String, String)]) -> Option<usize> {
        let fits = |at: &usize| {
            keys.iter().all(|(name, value)| self.value(set, *at, name) == value.as_str())
        };
        let (name, value) = keys.first()?;
        match self.indexed(set, name, value) {
            Some(places) => places.iter().copied().find(fits),
            None => (0..self.count(set)).find(fits),
        }
    }

    /// The rows that meet a condition, in the order of their entry.
    pub(super) fn select(&self, set: usize, filter: Option<&Expression>) -> Vec<usize> {
        let Some(filter) = filter else { return (0..self.count(set)).collect() };
        let holds = |at: &usize| filter.holds(&|property| self.value(set, *at, property));
        let by_index = filter.equalities().and_then(|equalities| {
            let places = equalities.iter().map(|(name, value)| self.indexed(set, name, value));
            let mut places = places.collect::<Option<Vec<&[usize]>>>()?.concat();
            places.sort_unstable();
            places.dedup();
            Some(places)
        });
        match by_index {
            Some(places) => places.into_iter().filter(holds).collect(),
            None => (0..self.count(set)).filter(holds).collect(),
        }
    }

    /// Where a way leads from a row.
    pub(super) fn follow(&self, way: &Way, at: usize) -> Vec<usize> {
        let wanted: Vec<(String, String)> = way
            .on
            .iter()
            .map(|name| {
                let value = self.value(way.from, at, name);
                ((*name).to_owned(), value.as_str().unwrap_or_default().to_owned())
            })
            .collect();
        let Some((name, value)) = wanted.first().filter(|(_, value)| !value.is_empty()) else {
            return vec![];
        };
        let fits = |to: &usize| {
            let same =
                wanted.iter().all(|(name, value)| self.value(way.to, *to, name) == value.as_str());
            let kind = self.value(way.to, *to, "PhoneNumberType");
            let is_mobile = matches!(kind.as_str(), Some("2" | "3"));
            same && way.is_mobile.is_none_or(|wanted| wanted == is_mobile)
        };
        let places = self.indexed(way.to, name, value).unwrap_or_default();
        places.iter().copied().filter(fits).collect()
    }

    /// `None`: not indexed. Empty: nobody.
    fn indexed(&self, set: usize, name: &str, value: &str) -> Option<&[usize]> {
        let (_, property) = INDEXED.iter().find(|(of, indexed)| *of == set && *indexed == name)?;
        let places = self.index.get(&(set, *property)).and_then(|index| index.get(value));
        Some(places.map(Vec::as_slice).unwrap_or_default())
    }
}
