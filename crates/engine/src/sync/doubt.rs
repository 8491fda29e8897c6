//! Writes of which nobody knows whether they were done: their answer was lost, or the run was
//! killed before it was kept.
//!
//! Such a write is kept with the pair. Before anything else is decided about it the record is
//! read, and tells: what holds what we wrote is agreed on, so that an edit that somebody made on
//! top of it is an edit, and no conflict with our own value. What was to be made is looked for
//! by its key, and never made again blindly over what stands there by now.

use super::agreed::Kept;
use super::map::Map;
use super::matching::meets;
use super::perform::Task;
use super::send::Told as Outcomes;
use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use super::{Sync, fetch};
use domain::sync::{Side, Values};
use kit::forms::write_plain;
use kit::{Error, Fields, Lane, Record, Saved, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use state::sync::{Entry, EntryState, Half, Logged, Pair, Settled};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Entries read at once.
const PART: usize = 500;

/// A write in doubt. Values are canonical, under the names of the map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Doubt {
    /// Its entry in the journal.
    #[serde(rename = "e")]
    entry: i64,
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

/// What a field of a write in doubt turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// What was written is there, or was.
    Written,
    /// Somebody has set something else, before it or after it: who wins it is for the field's
    /// rule to say.
    Open,
    /// Nothing is known: neither side may count on what was agreed on before.
    Unknown,
}

/// May this have been done all the same?
pub(super) fn is_unclear(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Protocol { .. })
}

impl Doubt {
    /// Of an entry of the journal, by what it says was to be written.
    pub(super) fn new(map: &Map, side: Side, id: i64, entry: &Entry) -> Self {
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
            seen: text(&before["seen"]),
            before: old,
            gone: text(&before["gone"]),
            both,
            set: named(map, side, &new, &new),
            kind,
        }
    }

    pub(super) fn entry(&self) -> i64 {
        self.entry
    }

    /// Was the record to be made?
    pub(super) fn is_made(&self) -> bool {
        self.kind == Kind::Create
    }

    pub(super) fn is_deletion(&self) -> bool {
        self.kind == Kind::Delete
    }

    /// What a record that is there says of the write, field by field; nothing where it was
    /// not done.
    pub(super) fn told<'d>(
        &'d self,
        map: &Map,
        version: Option<&str>,
        values: &Values,
    ) -> Vec<(&'d str, Told)> {
        if self.seen.is_some() && self.seen.as_deref() == version {
            return Vec::new();
        }
        let now = |name: &str| {
            let at = map.keyed(name)?;
            Some(values.get(at)?.as_ref().map_or(Json::Null, write_plain))
        };
        // A field that the map has no more says nothing.
        let known: Vec<(&'d str, &Json, Json)> = self
            .set
            .iter()
            .filter_map(|(name, set)| Some((name.as_str(), set, now(name)?)))
            .collect();
        let was = |name: &str| self.before.get(name).unwrap_or(&Json::Null);
        let is_done = known.iter().any(|(name, set, now)| *set == now && was(name) != now);
        let is_untouched = |name: &str, now: &Json| !self.is_made() && was(name) == now;
        let is_list = |one: &Json| one.is_array();
        let of = |(name, set, now): (&'d str, &Json, Json)| {
            if *set == now {
                return Some((name, Told::Written));
            }
            // As it was before, and nothing else tells that we came through: most likely not.
            // Of a list the two may be put together, and nothing is lost.
            if is_untouched(name, &now) && !is_done && !is_list(set) && !is_list(&now) {
                return None;
            }
            // Someone has set something else since, on top of ours, if ours came through.
            let told = match (is_untouched(name, &now) || is_list(set) || is_list(&now), is_done) {
                (false, true) => Told::Written,
                (false, false) => Told::Open,
                (true, true) if !is_untouched(name, &now) => Told::Written,
                (true, _) => Told::Unknown,
            };
            Some((name, told))
        };
        known.into_iter().filter_map(of).collect()
    }

    /// What was written in a field.
    pub(super) fn set(&self, name: &str) -> Option<&Json> {
        self.set.get(name)
    }

    /// Was it to be written to the other side as well?
    pub(super) fn is_both(&self, name: &str) -> bool {
        self.both.iter().any(|own| own == name)
    }

    /// Is this the record that was there before another was to be made?
    pub(super) fn is_old(&self, id: &str) -> bool {
        self.gone.as_deref() == Some(id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }
}

/// What is kept of a pair whose other was made under a key that somebody else's record has: it
/// is looked for from now on, and never made over that one again.
pub(super) fn made_elsewhere(pair: &Pair) -> Vec<u8> {
    let mut base = Kept::decode(pair.base.as_deref());
    for &side in Side::ALL {
        if matches!(pair.halves[side.index()], Half::Never) && base.doubt(side).is_none() {
            base.doubts(side, Doubt { kind: Kind::Create, ..Doubt::default() });
        }
    }
    base.encode()
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

/// Looks at once at what was written without an answer: most often the record is there to be
/// read, and tells that it was done. Where it does not, it stays in doubt: the vendor may still
/// be at it.
pub(super) async fn look(sync: &Sync, tasks: &[Task], told: &mut Outcomes) {
    for &side in Side::ALL {
        let unclear = |(at, outcome): &(usize, Result<Saved, Error>)| {
            let is_one = tasks[*at].side == side && outcome.as_ref().is_err_and(is_unclear);
            is_one.then_some(*at)
        };
        let open: Vec<usize> = told.iter().filter_map(unclear).collect();
        let mut seen: BTreeMap<usize, Result<Saved, Error>> = BTreeMap::new();
        // Once a side does not answer, the rest is asked for with the next try.
        look_at(sync, tasks, side, &open, &mut seen).await.ok();
        for (at, outcome) in told.iter_mut() {
            if let Some(seen) = seen.remove(at) {
                *outcome = seen;
            }
        }
    }
}

async fn look_at(
    sync: &Sync,
    tasks: &[Task],
    side: Side,
    open: &[usize],
    seen: &mut BTreeMap<usize, Result<Saved, Error>>,
) -> Result<(), Error> {
    let (end, lane) = (sync.end(side), Lane::Background);
    let fields = fetch::asked(sync, side);
    let mut ids: Vec<(usize, String)> = Vec::new();
    for &at in open {
        let task = &tasks[at];
        let Write::Create { key: (field, value), .. } = &task.write else {
            ids.push((at, task.record.clone()));
            continue;
        };
        let found = end.writes.find(&end.object, (field, value)).await?;
        ids.extend(found.map(|id| (at, id)));
    }
    for part in ids.chunks(end.writes.read_max().max(1)) {
        let asked: Vec<String> = part.iter().map(|(_, id)| id.clone()).collect();
        let records = end.writes.read(lane, &end.object, &asked, &fields).await?;
        for ((at, id), record) in part.iter().zip(records) {
            let told = says(sync, &tasks[*at], id, record.as_ref());
            seen.extend(told.map(|told| (*at, told)));
        }
    }
    Ok(())
}

/// `None`: it does not tell.
fn says(
    sync: &Sync,
    task: &Task,
    id: &str,
    record: Option<&Record>,
) -> Option<Result<Saved, Error>> {
    let saved = |version: Option<String>| {
        let is_new = matches!(task.write, Write::Create { .. });
        Some(Ok(Saved { id: id.to_owned(), version, is_new }))
    };
    match (&task.write, record) {
        (Write::Delete { .. }, None) => saved(None),
        (Write::Delete { .. }, Some(_)) => None,
        (_, None) => Some(Err(Error::NotFound)),
        (Write::Update { seen: Some(seen), .. }, Some(record))
            if record.version.as_ref() == Some(seen) =>
        {
            None
        }
        (_, Some(record)) if sync.map.is_same(task.side, &record.fields, &task.fields) => {
            saved(record.version.clone())
        }
        _ => None,
    }
}

/// What the journal of a run that was killed leaves open is kept with its pairs, so that their
/// records are looked at before anything is decided.
pub(super) async fn recover(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let (store, run) = (&worker.engine.store, worker.run.id);
    let mut before = None;
    loop {
        let open = store.intended(run, before, PART).await?;
        let Some(last) = open.last() else { return Ok(()) };
        before = Some(last.id);
        let mut entries: BTreeMap<i64, Vec<Logged>> = BTreeMap::new();
        for one in open {
            entries.entry(one.entry.pair).or_default().push(one);
        }
        let seqs: Vec<i64> = entries.keys().copied().collect();
        let map = &worker.sync.map;
        let settled = worker.pairs(&seqs).await?.into_iter().map(|pair| {
            let mut settled = Settled::of(&pair);
            let mut base = Kept::decode(pair.base.as_deref());
            for one in &entries[&pair.seq] {
                let side = if one.entry.side == 0 { Side::Left } else { Side::Right };
                // What a conflict may have cost is kept, whether or not it has.
                let is_lost = one.entry.kind == "conflict";
                let state = if is_lost { EntryState::Done } else { EntryState::Failed };
                settled.told.push((one.id, state));
                if !is_lost {
                    base.doubts(side, Doubt::new(map, side, one.id, &one.entry));
                }
            }
            (settled.base, settled.is_waiting) = (Some(base.encode()), true);
            settled
        });
        let settled: Vec<Settled> = settled.collect();
        worker.settle(settled).await?;
    }
}

/// Finds out about every write in doubt of a batch, before anybody is matched or planned.
pub(super) async fn clear(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    for &side in Side::ALL {
        let at = side.index();
        let is_open = |item: &&mut Item| {
            let is_open = item.base.doubt(side).is_some() || item.pair.is_unsure[at];
            is_open && item.fresh[at].is_none()
        };
        let mut open: Vec<&mut Item> = items.iter_mut().filter(is_open).collect();
        let end = sync.end(side);
        for part in open.chunks_mut(end.writes.read_max().max(1)) {
            // What was to be made has no id yet; what was merely missed has one.
            let is_known = |item: &Item| item.copy(side).is_some() || item.pair.is_unsure[at];
            let known: Vec<usize> = (0..part.len()).filter(|one| is_known(part[*one])).collect();
            let id = |one: &usize| part[*one].half(side).id().unwrap_or_default().to_owned();
            let ids: Vec<String> = known.iter().map(id).collect();
            let halves = worker.read_again(side, &ids, Lane::Background).await?;
            for (one, half) in known.into_iter().zip(halves) {
                part[one].fresh[at] = Some(half);
            }
        }
    }
    let mut taken: HashSet<(Side, String)> = HashSet::new();
    for item in items.iter_mut() {
        for &side in Side::ALL {
            let is_made = item.base.doubt(side).is_some_and(Doubt::is_made);
            if is_made && item.copy(side).is_none() {
                look_for(worker, item, side, &mut taken).await?;
            }
        }
        if item.fresh.iter().any(Option::is_some) {
            item.read(&sync);
        }
    }
    // Who is found may wait in this very batch, and be planned for itself.
    let rows: HashSet<i64> =
        items.iter().filter_map(|item| item.absorbed.as_ref().map(|other| other.seq)).collect();
    for item in items.iter_mut().filter(|item| rows.contains(&item.pair.seq)) {
        item.fate = Fate::Later { is_duplicate: false };
    }
    Ok(())
}

/// Looks by its key for a record that is to be made; one that is there is this one's other.
pub(super) async fn look_for(
    worker: &mut Worker<'_>,
    item: &mut Item,
    side: Side,
    taken: &mut HashSet<(Side, String)>,
) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let end = sync.end(side);
    let other = item.copy(side.other());
    let other = other.map(|copy| sync.end(side.other()).external_id(&copy.id));
    let Some((key, value)) = end.key.clone().zip(other) else { return Ok(()) };
    let found = worker.patiently(|| end.writes.find(&end.object, (&key, &value))).await?;
    let found = match found {
        Ok(found) => found,
        // Several have the key: making it says so once more, of this record alone.
        Err(Error::Conflict { .. }) => None,
        Err(error) => return Err(Halt::vendor(side, end, &error)),
    };
    let Some(id) = found else {
        // It was not made, and may be.
        item.base.clear(side);
        return Ok(());
    };
    let half = worker.read_again(side, &[id], Lane::Background).await?.pop();
    match half {
        Some(half @ Half::Present(_)) => meets(worker, item, side, half, taken).await,
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Doubt, Told};
    use crate::sync::map::{End, Map, Row};
    use domain::Region;
    use domain::sync::{Direction, Kind, Side, Values};
    use serde_json::{Value as Json, json};
    use state::sync::{Entry, EntryState};

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
        Doubt::new(&map(), Side::Right, 7, &entry)
    }

    fn told(doubt: &Doubt, version: &str, now: Json) -> Vec<(String, Told)> {
        let Json::Object(fields) = now else { return Vec::new() };
        let values: Values = map().read(Side::Right, "r", &fields);
        let told = doubt.told(&map(), Some(version), &values);
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
    fn tags_that_stand_as_before_may_have_been_put_back() {
        let doubt = doubt("update", json!({ "tags": ["a", "b"] }), json!({ "tags": ["a"] }));
        let now = json!({ "tags": ["a", "b"] });
        assert_eq!(told(&doubt, "3", now), all(&[("tags", Told::Unknown)]));
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
}
