//! What both sides last agreed on, as it is kept with a pair.
//!
//! Values stand under the names of the map, so that a field that is added or taken out
//! leaves the others as they are. A side may hold a value in a form of its own (cut to its
//! length, its digits grouped): what came back of our own write is remembered as `worn`, and
//! is taken for what was agreed, or a vendor's habit would pass for somebody's edit.

use super::doubt::{Doubt, There, Told};
use super::map::Map;
use domain::sync::{Agreed, Buried, Kind, Side, Values, half_way};
use kit::forms::{read_plain, write_plain};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use state::sync::Settled;
use std::collections::BTreeMap;

/// The last agreed version of a pair.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// `null`: agreed to be empty.
    #[serde(rename = "a", default)]
    agreed: BTreeMap<String, Json>,
    /// Of each side, what it made of an agreed value.
    #[serde(rename = "w", default, skip_serializing_if = "is_empty")]
    worn: [BTreeMap<String, Json>; 2],
    /// How the pair has ended, where it is a tombstone.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    buried: Option<String>,
    /// The version of each side that our own last write has made.
    #[serde(rename = "v", default, skip_serializing_if = "is_none")]
    written: [Option<String>; 2],
    /// The fields that it has set: what stands in others there is not ours.
    #[serde(rename = "f", default, skip_serializing_if = "are_empty")]
    set: [Vec<String>; 2],
    /// Of each side, a write of which nobody knows whether it was done.
    #[serde(rename = "d", default, skip_serializing_if = "are_none")]
    doubts: [Option<Doubt>; 2],
}

fn is_empty(worn: &[BTreeMap<String, Json>; 2]) -> bool {
    worn.iter().all(BTreeMap::is_empty)
}

fn are_empty(set: &[Vec<String>; 2]) -> bool {
    set.iter().all(Vec::is_empty)
}

fn are_none(doubts: &[Option<Doubt>; 2]) -> bool {
    doubts.iter().all(Option::is_none)
}

fn is_none(written: &[Option<String>; 2]) -> bool {
    written.iter().all(Option::is_none)
}

impl Kept {
    /// Nothing for what cannot be read: then nothing was agreed on.
    pub(super) fn decode(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn buried(&self) -> Option<Buried> {
        self.buried.as_deref().and_then(Buried::parse)
    }

    pub(super) fn bury(&mut self, buried: Option<Buried>) {
        self.buried = buried.map(|buried| buried.as_str().to_owned());
    }

    /// As `domain::sync` takes it, one for each field of the map.
    pub(super) fn agreed(&self, map: &Map) -> Vec<Agreed> {
        let of = |at: usize| match self.agreed.get(map.key(at)) {
            None => Agreed::Never,
            Some(value) => Agreed::On(read_plain(value)),
        };
        (0..map.fields().len()).map(of).collect()
    }

    /// Takes what is agreed now; fields that the map has no more are forgotten, and not those
    /// that are left out for now: they were not looked at.
    pub(super) fn agree(&mut self, map: &Map, all: &[Agreed]) {
        let mut agreed = self.agreed.clone();
        agreed.retain(|name, _| map.leaves_out(name));
        for (at, one) in all.iter().enumerate() {
            if let Agreed::On(value) = one {
                let value = value.as_ref().map_or(Json::Null, write_plain);
                agreed.insert(map.key(at).to_owned(), value);
            }
        }
        let before = std::mem::replace(&mut self.agreed, agreed);
        // Worn is what was made of that very value, and of no other.
        for worn in &mut self.worn {
            worn.retain(|name, _| self.agreed.get(name) == before.get(name));
        }
    }

    pub(super) fn doubt(&self, side: Side) -> Option<&Doubt> {
        self.doubts[side.index()].as_ref()
    }

    /// From now on nobody knows whether this was written.
    pub(super) fn doubts(&mut self, side: Side, doubt: Doubt) {
        self.doubts[side.index()] = Some(doubt);
    }

    /// Becomes what is kept of a pair.
    pub(super) fn store(&self, settled: &mut Settled) {
        settled.base = Some(self.encode());
        settled.is_in_doubt = !are_none(&self.doubts);
    }

    /// What is in doubt of somebody who goes into this one is in doubt here.
    pub(super) fn inherit(&mut self, other: Self) {
        for (own, other) in self.doubts.iter_mut().zip(other.doubts) {
            *own = own.take().or(other);
        }
    }

    /// A record is there, and the other side's values are `other`: the write in doubt, and
    /// whether it was done.
    pub(super) fn found(
        &mut self,
        map: &Map,
        side: Side,
        record: &There<'_>,
        other: Option<&Values>,
    ) -> Option<(bool, Doubt)> {
        let doubt = self.doubts[side.index()].take()?;
        let told = doubt.told(map, record);
        for (name, told) in &told {
            match (told, doubt.set(name)) {
                (Told::Written, Some(value)) => self.was_written(map, name, &doubt, value, other),
                (Told::Open, _) => {}
                _ => drop(self.agreed.remove(*name)),
            }
        }
        let is_done = told.iter().any(|(_, told)| *told == Told::Written);
        if is_done {
            let is_agreed = |name: &&str| self.agreed.get(*name) == doubt.set(name);
            let set: Vec<String> = doubt.names().filter(is_agreed).map(str::to_owned).collect();
            // Whose version it is now nobody can say; that these fields were ours is known.
            self.wrote(side, None, set);
        }
        Some((is_done, doubt))
    }

    /// A field was written in doubt and is there. Was it to go to both sides, it is agreed on once
    /// the other has it too.
    fn was_written(
        &mut self,
        map: &Map,
        name: &str,
        doubt: &Doubt,
        value: &Json,
        other: Option<&Values>,
    ) {
        let at = map.keyed(name);
        let now = at.and_then(|at| other?.get(at)?.as_ref());
        if !doubt.is_both(name) || now.map_or(Json::Null, write_plain) == *value {
            self.agreed.insert(name.to_owned(), value.clone());
        } else if at.is_some_and(|at| map.fields()[at].kind == Kind::Tags) {
            let before = match self.agreed.get(name) {
                None => Agreed::Never,
                Some(value) => Agreed::On(read_plain(value)),
            };
            let Agreed::On(agreed) = half_way(&before, read_plain(value).as_ref(), now) else {
                return;
            };
            let agreed = agreed.as_ref().map_or(Json::Null, write_plain);
            self.agreed.insert(name.to_owned(), agreed);
        }
    }

    /// What was in doubt is so no more: there is no record, or it was not made.
    pub(super) fn clear(&mut self, side: Side) -> Option<Doubt> {
        self.doubts[side.index()].take()
    }

    /// Our own write of these fields has made this version of a side.
    pub(super) fn wrote(&mut self, side: Side, version: Option<String>, set: Vec<String>) {
        self.written[side.index()] = version;
        self.set[side.index()] = set;
    }

    /// Is this our own write, come back?
    pub(super) fn is_own(&self, side: Side, version: Option<&str>) -> bool {
        version.is_some() && self.written[side.index()].as_deref() == version
    }

    /// Is this what our own last write has made? Where its version was not told, the first
    /// that is told since is.
    pub(super) fn came_back(&mut self, side: Side, version: Option<&str>) -> bool {
        if self.written[side.index()].is_some() {
            return self.is_own(side, version);
        }
        !std::mem::take(&mut self.set[side.index()]).is_empty()
    }

    /// Our own write came back like this: where what it has set differs from what was agreed,
    /// that is how this side holds it.
    pub(super) fn wear(&mut self, map: &Map, side: Side, seen: &Values) {
        let worn = &mut self.worn[side.index()];
        let set = &self.set[side.index()];
        for (at, value) in seen.iter().enumerate() {
            let name = map.key(at);
            if !set.iter().any(|own| own == name) {
                continue;
            }
            worn.remove(name);
            let Some(agreed) = self.agreed.get(name).filter(|agreed| !agreed.is_null()) else {
                continue;
            };
            if value.is_some() && *value != read_plain(agreed) {
                let value = value.as_ref().map_or(Json::Null, write_plain);
                worn.insert(name.to_owned(), value);
            }
        }
    }

    /// What a side holds, with what it wears taken for what was agreed.
    pub(super) fn bare(&self, map: &Map, side: Side, mut seen: Values) -> Values {
        for (name, worn) in &self.worn[side.index()] {
            let Some(at) = map.keyed(name) else { continue };
            if seen[at].is_some() && seen[at] == read_plain(worn) {
                seen[at] = self.agreed.get(name).and_then(read_plain);
            }
        }
        seen
    }
}
