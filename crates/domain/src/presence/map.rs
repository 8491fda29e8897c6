//! Settings that were checked, made to be asked: what belongs to what.

use super::check::check;
use super::{Fault, Kind, Known, Scenario, Settings, Side, StatusId};
use std::collections::BTreeMap;

/// Checked settings together with the kinds of both systems' statuses.
#[derive(Debug, Clone)]
pub struct Map {
    settings: Settings,
    kinds: [BTreeMap<StatusId, Kind>; 2],
    /// By side: where a status leads to on the other one.
    ways: [BTreeMap<StatusId, StatusId>; 2],
    fingerprint: u64,
}

impl Map {
    /// Checks `settings` against what the `[center, crm]` have.
    ///
    /// # Errors
    /// Every fault.
    pub fn open(settings: &Settings, known: [&Known; 2]) -> Result<Self, Vec<Fault>> {
        let faults = check(settings, known);
        if !faults.is_empty() {
            return Err(faults);
        }
        let kinds = known
            .map(|known| known.statuses.iter().map(|one| (one.id.clone(), one.kind)).collect());
        let mut map = Self {
            settings: settings.clone(),
            kinds,
            ways: Default::default(),
            fingerprint: fingerprint(settings),
        };
        for side in Side::ALL.iter().copied() {
            let pairs = settings.pairs.iter().filter(|pair| {
                let into_work = map.is_work(side.other(), pair.half(side.other()));
                leads(settings.scenario, pair.way.leads_from(side), into_work)
            });
            let ways = pairs.map(|one| (one.half(side).clone(), one.half(side.other()).clone()));
            map.ways[side.index()] = ways.collect();
        }
        Ok(map)
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same for the same settings, also after a restart. A later version of Tieline may
    /// find another one: then goals are found anew, to the same end.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// `None`: a status that the system did not have when the map was opened.
    #[must_use]
    pub fn kind(&self, side: Side, status: &StatusId) -> Option<Kind> {
        self.kinds[side.index()].get(status).copied()
    }

    #[must_use]
    pub fn is_work(&self, side: Side, status: &StatusId) -> bool {
        self.kind(side, status) == Some(Kind::Work)
    }

    #[must_use]
    pub fn is_mapped(&self, side: Side, status: &StatusId) -> bool {
        self.settings.pairs.iter().any(|pair| pair.half(side) == status)
    }

    /// A work status that takes part.
    #[must_use]
    pub fn is_mapped_work(&self, side: Side, status: &StatusId) -> bool {
        self.is_work(side, status) && self.is_mapped(side, status)
    }

    /// May the other side show `other` while this one shows `status`, whichever way it leads?
    #[must_use]
    pub fn is_paired(&self, side: Side, status: &StatusId, other: &StatusId) -> bool {
        let mut pairs = self.settings.pairs.iter();
        pairs.any(|pair| pair.half(side) == status && pair.half(side.other()) == other)
    }

    /// What the other side is to show when the agent chooses `status` on this one.
    #[must_use]
    pub fn leads_to(&self, side: Side, status: &StatusId) -> Option<&StatusId> {
        self.ways[side.index()].get(status)
    }

    #[must_use]
    pub fn transition(&self, side: Side) -> &StatusId {
        self.settings.transition.half(side)
    }
}

/// FNV-1a, 64 bits: it must outlive the process, and keeps no enemy out.
fn fingerprint(settings: &Settings) -> u64 {
    let text = format!("{settings:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Is a pair followed in a direction? In the first scenario never into work.
pub(super) fn leads(scenario: Scenario, by_way: bool, into_work: bool) -> bool {
    by_way && !(into_work && scenario == Scenario::One)
}
