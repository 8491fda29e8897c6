//! What the rows of an agent mean: the status, the work, and versions that grow.
//!
//! The org keeps whole seconds, and several things can happen in one. So a version is the
//! moment of the newest change, in milliseconds, and how many changes that very second has
//! seen: a status that begins and one that ends count one each. Whoever asks again, also after
//! a restart, comes to the same number. What was seen before is remembered all the same: what
//! is another row now has a higher version than before, whatever the org has kept.
//!
//! Bounds: [`REMEMBERED_MAX`] agents are remembered.

use domain::Timestamp;
use domain::presence::{StatusId, Work};
use kit::presence::Seen;
use std::collections::HashMap;

/// What who is logged out shows: the vendor has no status for it, but no row.
pub(super) const OFFLINE: &str = "offline";
/// Agents remembered; whoever was read longest ago goes first.
const REMEMBERED_MAX: usize = 50_000;
/// Changes that one second can tell apart.
const SECOND: u64 = 1_000;

/// A status that an agent shows, or has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) is_current: bool,
}

/// A piece of work that was offered to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) is_open: bool,
    pub(super) offered: Place,
    /// When the agent declined it, or let its time go by.
    pub(super) missed: Option<Timestamp>,
    /// Everything that happened to it, in no order.
    pub(super) moments: Vec<Timestamp>,
}

/// Where an offer stands in the order of all: its moment, and within one second the number that
/// the org counts work by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place(pub(super) Timestamp, pub(super) u64);

/// What an agent shows, as far as the rows tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// This row, or none: logged out; since this moment.
    Since { row: Option<String>, status: StatusId, moment: Timestamp },
    /// Logged out; since when, the rows do not tell.
    Out,
}

/// What was seen of an agent.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The row of the status; `None` when logged out.
    pub(super) row: Option<String>,
    pub(super) moment: Timestamp,
    pub(super) seen: Seen,
    /// When work was offered last, and when that was missed.
    pub(super) offered: Option<(Place, Option<Timestamp>)>,
    /// When it was asked for, by our clock.
    pub(super) read: Timestamp,
}

/// What was seen of all agents that were asked for.
#[derive(Default)]
pub(super) struct Memory(HashMap<String, Known>);

impl Memory {
    pub(super) fn get(&self, agent: &str) -> Option<&Known> {
        self.0.get(agent)
    }

    pub(super) fn keep(&mut self, agent: &str, known: Known) {
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(agent) {
            let oldest = self.0.iter().min_by_key(|(_, known)| known.read);
            if let Some(oldest) = oldest.map(|(agent, _)| agent.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(agent.to_owned(), known);
    }
}

/// What the rows of an agent tell that were current, or ended since some moment.
pub(super) fn status(rows: &[Shown]) -> Status {
    if let Some(row) = rows.iter().filter(|row| row.is_current).max_by_key(|row| row.start) {
        let (id, status) = (row.id.clone(), row.status.as_str().into());
        return Status::Since { row: Some(id), status, moment: row.start };
    }
    match rows.iter().filter_map(|row| row.end).max() {
        Some(moment) => Status::Since { row: None, status: OFFLINE.into(), moment },
        None => Status::Out,
    }
}

/// The version of what began at a moment, among all rows that began or ended then.
pub(super) fn version(moment: Timestamp, rows: &[Shown]) -> u64 {
    let starts = rows.iter().filter(|row| row.start == moment);
    let ends = rows.iter().filter(|row| row.end == Some(moment));
    counted(moment, starts.count() + ends.count())
}

/// The same, higher than what was seen before where it is something else; a row that is older
/// than that has its own.
pub(super) fn growing(
    known: Option<&Known>,
    row: Option<&String>,
    moment: Timestamp,
    version: u64,
) -> u64 {
    match known {
        Some(known) if known.row.as_ref() == row && moment <= known.moment => known.seen.version,
        Some(known) if moment >= known.moment => version.max(known.seen.version + 1),
        _ => version,
    }
}

/// What an agent has at hand, and what became of the work that was offered last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AtHand {
    pub(super) work: Work,
    pub(super) version: u64,
    pub(super) offered: Option<(Place, Option<Timestamp>)>,
}

/// What an agent has at hand, with what they show since a moment; `since`: from when on all
/// that happened is among the items.
pub(super) fn work(
    items: &[Item],
    shown: Timestamp,
    since: Timestamp,
    known: Option<&Known>,
) -> AtHand {
    let last = items.iter().map(|item| (item.offered.clone(), item.missed)).max();
    // What happened before all this was told when it was asked for then.
    let before = known.and_then(|known| known.offered.clone());
    let is_newer = |last: &(Place, _)| before.as_ref().is_none_or(|before| last.0 >= before.0);
    let offered = last.filter(is_newer).or_else(|| before.clone());
    let missed = offered.as_ref().and_then(|(_, missed)| *missed);
    let work = if items.iter().any(|item| item.is_open) {
        Work::Handling
    } else if missed.is_some_and(|missed| missed >= shown) {
        Work::Missed
    } else {
        Work::Free
    };
    let mut moments: Vec<Timestamp> =
        items.iter().flat_map(|item| &item.moments).copied().collect();
    // Another status makes good for what was missed: that is news of the work as well.
    if work == Work::Free && missed.is_some() {
        moments.push(shown);
    }
    let version = match moments.iter().copied().max() {
        Some(newest) => counted(newest, moments.iter().filter(|one| **one == newest).count()),
        // Nothing has happened since.
        None => known.map_or_else(|| counted(since, 0), |known| known.seen.work_version),
    };
    let version = match known.map(|known| (known.seen.work, known.seen.work_version)) {
        Some((before, known)) if before == work => version.max(known),
        Some((_, known)) => version.max(known + 1),
        None => version,
    };
    AtHand { work, version, offered }
}

fn counted(moment: Timestamp, changes: usize) -> u64 {
    let changes = u64::try_from(changes).unwrap_or(SECOND).min(SECOND - 1);
    u64::try_from(moment.0).unwrap_or(0).saturating_add(changes)
}

#[cfg(test)]
mod tests;
