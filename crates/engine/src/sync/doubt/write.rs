//! One write in doubt, and what a record says of it.

use super::super::map::Map;
use domain::Timestamp;
use domain::sync::{Side, Values};
use kit::Fields;
use kit::forms::write_plain;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use state::sync::Entry;
use std::collections::BTreeMap;
use std::time::Duration;

/// A write in doubt. Values are canonical, under the names of the map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Doubt {
    /// Its entry in the journal.
    #[serde(rename = "e")]
    entry: i64,
    /// When it was about to be sent.
    #[serde(rename = "i", default)]
    at: i64,
    /// The version that it was to be made on; `None`: the record was to be made, or has none.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    /// What was there.
    #[serde(rename = "b", default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, Json>,
    /// The record that the other side had before, where a new one was to be made.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    gone: Option<String>,
    /// What was to be written to the other side as well.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    both: Vec<String>,
    /// What was written.
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    set: BTreeMap<String, Json>,
    #[serde(rename = "k")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[default]
    #[serde(rename = "u")]
    Update,
    #[serde(rename = "c")]
    Create,
    #[serde(rename = "d")]
    Delete,
}

/// A record that is there.
pub(in super::super) struct There<'a> {
    pub(in super::super) version: Option<&'a str>,
    pub(in super::super) modified: Option<Timestamp>,
    /// How far its clock may be from ours.
    pub(in super::super) skew: Duration,
    pub(in super::super) values: &'a Values,
}

/// What a field of a write in doubt turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Told {
    /// What was written is there, or was.
    Written,
    /// Somebody has set something else, before it or after it: who wins it is for the field's
    /// rule to say.
    Open,
    /// Nothing is known: neither side may count on what was agreed on before.
    Unknown,
}

impl Doubt {
    /// Of a record that is to be made, and may be there.
    pub(in super::super) fn to_be_made() -> Self {
        Self { kind: Kind::Create, ..Self::default() }
    }

    /// Of an entry of the journal, by what it says was to be written.
    pub(in super::super) fn new(
        map: &Map,
        side: Side,
        (id, at): (i64, Timestamp),
        entry: &Entry,
    ) -> Self {
        let read = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).unwrap_or_default();
        let (before, after) = (read(&entry.before), read(&entry.after));
        let fields = |json: &Json| json["fields"].as_object().cloned().unwrap_or_default();
        let (old, new) = (fields(&before), fields(&after));
        let kind = match entry.kind.as_str() {
            "create" => Kind::Create,
            "delete" => Kind::Delete,
            _ => Kind::Update,
        };
        let old = match kind {
            Kind::Update => named(map, side, &old, &new),
            Kind::Create | Kind::Delete => BTreeMap::new(),
        };
        let text = |json: &Json| json.as_str().map(str::to_owned);
        let both = after["both"].as_array().into_iter().flatten().filter_map(text).collect();
        Self {
            entry: id,
            at: at.0,
            seen: text(&before["seen"]),
            before: old,
            gone: text(&before["gone"]),
            both,
            set: named(map, side, &new, &new),
            kind,
        }
    }

    pub(in super::super) fn entry(&self) -> i64 {
        self.entry
    }

    /// Was the record to be made?
    pub(in super::super) fn is_made(&self) -> bool {
        self.kind == Kind::Create
    }

    pub(in super::super) fn is_deletion(&self) -> bool {
        self.kind == Kind::Delete
    }

    /// What a record that is there says of the write, field by field; nothing where it was
    /// not done.
    pub(in super::super) fn told<'d>(
        &'d self,
        map: &Map,
        record: &There<'_>,
    ) -> Vec<(&'d str, Told)> {
        if self.seen.is_some() && self.seen.as_deref() == record.version {
            return Vec::new();
        }
        // One that stood there under the key and was not touched since was not written: what it
        // has in common with ours is chance. One that tells no time is not known to be ours.
        let is_ours = |at: Timestamp| at.plus(record.skew).0 >= self.at;
        let stood = self.is_made() && !record.modified.is_some_and(is_ours);
        let now = |name: &str| {
            let at = map.keyed(name)?;
            Some(record.values.get(at)?.as_ref().map_or(Json::Null, write_plain))
        };
        // A field that the map has no more says nothing.
        let known: Vec<(&'d str, &Json, Json)> = self
            .set
            .iter()
            .filter_map(|(name, set)| Some((name.as_str(), set, now(name)?)))
            .collect();
        let was = |name: &str| self.before.get(name).unwrap_or(&Json::Null);
        let is_done =
            !stood && known.iter().any(|(name, set, now)| *set == now && was(name) != now);
        let is_untouched = |name: &str, now: &Json| !self.is_made() && was(name) == now;
        let of = |(name, set, now): (&'d str, &Json, Json)| {
            let told = match (is_untouched(name, &now), is_done) {
                _ if *set == now => Told::Written,
                // As it was, and nothing else tells that we came through: most likely not.
                (true, false) => return None,
                (true, true) => Told::Unknown,
                // Someone has set something else since, on top of ours, if ours came through.
                (false, true) => Told::Written,
                (false, false) => Told::Open,
            };
            Some((name, told))
        };
        known.into_iter().filter_map(of).collect()
    }

    /// What was written in a field.
    pub(in super::super) fn set(&self, name: &str) -> Option<&Json> {
        self.set.get(name)
    }

    /// Was it to be written to the other side as well?
    pub(in super::super) fn is_both(&self, name: &str) -> bool {
        self.both.iter().any(|own| own == name)
    }

    /// Is this the record that was there before another was to be made?
    pub(in super::super) fn is_old(&self, id: &str) -> bool {
        self.gone.as_deref() == Some(id)
    }

    pub(in super::super) fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }
}

/// The values of these fields, by the names of those that were set.
fn named(map: &Map, side: Side, fields: &Fields, set: &Fields) -> BTreeMap<String, Json> {
    let values = map.read(side, "", fields);
    let of = |name: String| {
        let at = map.keyed(&name)?;
        let value = values.get(at)?.as_ref().map_or(Json::Null, write_plain);
        Some((name, value))
    };
    map.keys_in(side, set).into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{Doubt, There, Told};
    use crate::sync::map::{End, Map, Row};
    use domain::sync::{Direction, Kind, Side, Values};
    use domain::{Region, Timestamp};
    use serde_json::{Value as Json, json};
    use state::sync::{Entry, EntryState};
    use std::time::Duration;

    fn map() -> Map {
        let numbers = Region::parse("US").expect("a region").into();
        let end = |connection| End { connection, object: "x", forms: None, numbers, prefix: None };
        let row = |name: &str, kind| Row { kind: Some(kind), ..Row::new(name, name) };
        let rows = [row("a", Kind::Text), row("b", Kind::Text), row("tags", Kind::Tags)];
        Map::open(&rows, Direction::Both, [end("crm"), end("center")]).expect("a map")
    }

    fn doubt(kind: &str, before: Json, set: Json) -> Doubt {
        let entry = Entry {
            id: None,
            pair: 1,
            side: 1,
            record: "r".to_owned(),
            kind: kind.to_owned(),
            before: json!({ "fields": before, "seen": "1" }).to_string().into_bytes(),
            after: json!({ "fields": set }).to_string().into_bytes(),
            why: String::new(),
            state: EntryState::Failed,
        };
        Doubt::new(&map(), Side::Right, (7, SENT), &entry)
    }

    /// When a write was about to be sent.
    const SENT: Timestamp = Timestamp(1_000_000);

    fn told(doubt: &Doubt, version: &str, now: Json) -> Vec<(String, Told)> {
        told_at(doubt, version, now, SENT.plus(Duration::from_secs(60)))
    }

    fn told_at(
        doubt: &Doubt,
        version: &str,
        now: Json,
        modified: Timestamp,
    ) -> Vec<(String, Told)> {
        let Json::Object(fields) = now else { return Vec::new() };
        let values: Values = map().read(Side::Right, "r", &fields);
        let record = There {
            version: Some(version),
            modified: Some(modified),
            skew: Duration::from_secs(2),
            values: &values,
        };
        let told = doubt.told(&map(), &record);
        told.into_iter()
            .map(|(name, told)| (name.split('>').next().unwrap_or(name).to_owned(), told))
            .collect()
    }

    fn all(told: &[(&str, Told)]) -> Vec<(String, Told)> {
        told.iter().map(|(name, told)| ((*name).to_owned(), *told)).collect()
    }

    #[test]
    fn a_record_of_the_version_that_was_seen_was_not_written() {
        let doubt = doubt("update", json!({ "a": "old" }), json!({ "a": "new" }));
        assert_eq!(told(&doubt, "1", json!({ "a": "old" })), all(&[]));
    }

    #[test]
    fn what_stands_there_as_we_wrote_it_is_agreed_on() {
        let doubt =
            doubt("update", json!({ "a": "old", "b": "x" }), json!({ "a": "new", "b": null }));
        let now = json!({ "a": "new", "b": null });
        assert_eq!(told(&doubt, "2", now), all(&[("a", Told::Written), ("b", Told::Written)]));
    }

    #[test]
    fn an_edit_on_top_of_a_write_that_came_through_is_an_edit() {
        let doubt =
            doubt("update", json!({ "a": "old", "b": "x" }), json!({ "a": "new", "b": "y" }));
        let now = json!({ "a": "new", "b": "a person's" });
        assert_eq!(told(&doubt, "3", now), all(&[("a", Told::Written), ("b", Told::Written)]));
    }

    #[test]
    fn a_field_that_stands_as_before_beside_one_that_was_written_is_not_known() {
        let doubt =
            doubt("update", json!({ "a": "old", "b": "x" }), json!({ "a": "new", "b": "y" }));
        let now = json!({ "a": "new", "b": "x" });
        assert_eq!(told(&doubt, "3", now), all(&[("a", Told::Written), ("b", Told::Unknown)]));
    }

    #[test]
    fn an_edit_that_hides_whether_we_came_through_counts_against_nobody() {
        let doubt = doubt("update", json!({ "a": "old" }), json!({ "a": "new" }));
        assert_eq!(told(&doubt, "2", json!({ "a": "theirs" })), all(&[("a", Told::Open)]));
        assert_eq!(told(&doubt, "2", json!({ "a": null })), all(&[("a", Told::Open)]));
        assert_eq!(told(&doubt, "2", json!({ "a": "old" })), all(&[]), "most likely not written");
    }

    #[test]
    fn tags_that_stand_as_before_were_most_likely_not_written() {
        let doubt = doubt("update", json!({ "tags": ["a", "b"] }), json!({ "tags": ["a"] }));
        let now = json!({ "tags": ["a", "b"] });
        assert_eq!(told(&doubt, "3", now), all(&[]));
        let now = json!({ "tags": ["a", "c"] });
        assert_eq!(told(&doubt, "3", now), all(&[("tags", Told::Open)]));
    }

    #[test]
    fn a_record_that_was_made_tells_by_any_field_that_it_was() {
        let doubt = doubt("create", json!({}), json!({ "a": "new", "b": "y" }));
        assert!(doubt.is_made());
        let now = json!({ "a": "new", "b": "theirs" });
        assert_eq!(told(&doubt, "2", now), all(&[("a", Told::Written), ("b", Told::Written)]));
        let other = json!({ "a": "q", "b": "z" });
        assert_eq!(told(&doubt, "2", other), all(&[("a", Told::Open), ("b", Told::Open)]));
    }

    #[test]
    fn a_record_that_stood_there_untouched_has_what_is_equal_by_chance() {
        let doubt = doubt("create", json!({}), json!({ "a": "new", "b": "y" }));
        let stood = Timestamp(SENT.0 - 3_000);
        let now = json!({ "a": "new", "b": "theirs" });
        let by_chance = all(&[("a", Told::Written), ("b", Told::Open)]);
        assert_eq!(told_at(&doubt, "2", now.clone(), stood), by_chance);
        // Its clock may be behind ours by as much as they were measured to be apart.
        let behind = Timestamp(SENT.0 - 1_000);
        let ours = all(&[("a", Told::Written), ("b", Told::Written)]);
        assert_eq!(told_at(&doubt, "2", now, behind), ours);
    }
}
