//! What the search knows of the records, as of a while ago.

use std::collections::{HashMap, HashSet};

use super::super::store::packed::ValueRef;
use super::super::store::schema::{Field, Kind};
use super::super::store::{Store, clock};

/// Digits that must agree.
const LEAST_DIGITS: usize = 7;
/// What the search knows of the records, as of a while ago.
pub(crate) struct Search {
    pub(super) lag_ms: i64,
    built: Option<Built>,
}

/// The index itself.
#[derive(Default)]
pub(super) struct Built {
    /// Rows by the last seven digits, with all digits (behind a leading 1, so that
    /// zeros count).
    phones: HashMap<u32, Vec<(usize, u32, u64)>>,
    emails: HashMap<String, Vec<(usize, u32)>>,
    names: HashMap<String, Vec<(usize, u32)>>,
    /// Rows of each object when the index was built: newer ones need no removal first.
    upto: Vec<u32>,
    /// Newer rows that were added since.
    added: HashSet<(usize, u32)>,
}

/// Which fields are searched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Name,
    Email,
    Phone,
}

impl Search {
    /// An index that learns of a change `lag_ms` milliseconds after it.
    pub(crate) fn new(lag_ms: i64) -> Search {
        Search { lag_ms, built: None }
    }

    /// Builds the index anew at the next search.
    pub(crate) fn forget(&mut self) {
        self.built = None;
    }

    pub(crate) fn set_lag(&mut self, lag_ms: i64) {
        self.lag_ms = lag_ms;
    }
}

/// Brings the index up to what it may know by now.
pub(super) fn refresh(store: &mut Store) -> &Built {
    let due = clock::now() - store.search.lag_ms;
    let mut built = store.search.built.take();
    let fresh = built.is_none();
    let mut index = built.take().unwrap_or_default();
    if fresh {
        let late: Vec<(usize, u32)> = store
            .touched
            .iter()
            .filter(|(at, ..)| *at > due)
            .map(|(_, object, row)| (*object, *row))
            .collect();
        for object in 0..store.objects.len() {
            index.upto.push(store.rows(object));
            let searched = searched(store, object);
            for row in (0..store.rows(object)).filter(|row| !late.contains(&(object, *row))) {
                index.add(store, object, row, &searched);
            }
        }
        store.touched.retain(|(at, ..)| *at > due);
    }
    while store.touched.front().is_some_and(|(at, ..)| *at <= due) {
        if let Some((_, object, row)) = store.touched.pop_front() {
            index.remove(object, row);
            index.add(store, object, row, &searched(store, object));
        }
    }
    store.search.built.insert(index)
}

impl Built {
    fn add(&mut self, store: &Store, object: usize, row: u32, searched: &[(u16, Scope)]) {
        for (field, kind) in searched {
            let Some(ValueRef::Text(text)) = store.value(object, row, *field) else { continue };
            match kind {
                Scope::Phone => {
                    if let Some((end, whole)) = digits(text) {
                        self.phones.entry(end).or_default().push((object, row, whole));
                    }
                }
                Scope::Email => {
                    self.emails.entry(text.to_lowercase()).or_default().push((object, row))
                }
                _ => {
                    for word in text.to_lowercase().split_whitespace() {
                        let rows = self.names.entry(word.to_owned()).or_default();
                        rows.push((object, row));
                    }
                }
            }
        }
    }

    fn remove(&mut self, object: usize, row: u32) {
        let old = self.upto.get(object).is_some_and(|upto| row < *upto);
        if self.added.insert((object, row)) && !old {
            return;
        }
        for rows in self.phones.values_mut() {
            rows.retain(|(at, one, _)| (*at, *one) != (object, row));
        }
        for rows in self.emails.values_mut().chain(self.names.values_mut()) {
            rows.retain(|one| *one != (object, row));
        }
    }

    /// Rows that one alternative of the search finds.
    pub(super) fn find(&self, words: &str, scope: Scope) -> Vec<(usize, u32)> {
        let mut found = Vec::new();
        if matches!(scope, Scope::All | Scope::Phone)
            && let Some((end, whole)) = digits(words)
        {
            let rows = self.phones.get(&end).map(Vec::as_slice).unwrap_or_default();
            found.extend(
                rows.iter().filter(|(_, _, has)| ends_alike(*has, whole)).map(|(o, r, _)| (*o, *r)),
            );
        }
        if matches!(scope, Scope::All | Scope::Email) {
            found.extend(self.emails.get(&words.to_lowercase()).into_iter().flatten());
        }
        if matches!(scope, Scope::All | Scope::Name) {
            found.extend(self.named(words));
        }
        found
    }

    /// Rows whose names hold every word; the last may be cut off with `*`.
    fn named(&self, words: &str) -> Vec<(usize, u32)> {
        let mut all: Option<Vec<(usize, u32)>> = None;
        for word in words.to_lowercase().split_whitespace() {
            let rows: Vec<(usize, u32)> = match word.strip_suffix('*') {
                Some(start) => {
                    let fits = self.names.iter().filter(|(name, _)| name.starts_with(start));
                    fits.flat_map(|(_, rows)| rows).copied().collect()
                }
                None => self.names.get(word).cloned().unwrap_or_default(),
            };
            all = Some(match all {
                None => rows,
                Some(before) => {
                    let rows: HashSet<(usize, u32)> = rows.into_iter().collect();
                    before.into_iter().filter(|row| rows.contains(row)).collect()
                }
            });
        }
        all.unwrap_or_default()
    }
}

fn searched(store: &Store, object: usize) -> Vec<(u16, Scope)> {
    let of = &store.objects[object];
    let scope = |field: &Field| match field.kind {
        _ if field.via.is_some() => None,
        Kind::Phone => Some(Scope::Phone),
        Kind::Email => Some(Scope::Email),
        _ if field.name == "SuppliedPhone" => Some(Scope::Phone),
        _ if matches!(field.name.as_str(), "Name" | "Subject" | "CaseNumber") => Some(Scope::Name),
        _ => None,
    };
    let numbered = of.fields.iter().enumerate();
    numbered.filter_map(|(at, field)| Some((u16::try_from(at).ok()?, scope(field)?))).collect()
}

/// The last seven digits, and all of them behind a leading 1; without extension.
fn digits(text: &str) -> Option<(u32, u64)> {
    let ends = [text.find(['x', 'X', '#', ';']), text.to_ascii_lowercase().find("ext")];
    let end = ends.into_iter().flatten().min();
    let number = &text[..end.unwrap_or(text.len())];
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if !(LEAST_DIGITS..=18).contains(&digits.len()) || number.chars().any(|c| c.is_alphabetic()) {
        return None;
    }
    Some((digits[digits.len() - LEAST_DIGITS..].parse().ok()?, format!("1{digits}").parse().ok()?))
}

fn ends_alike(a: u64, b: u64) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    let (a, b) = (&a[1..], &b[1..]);
    // The trunk zero of a national number has no place behind a country code.
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.ends_with(b) || b.ends_with(a)
}
