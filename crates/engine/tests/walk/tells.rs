//! A system as the sync hears it: its changes in pages, over a bad network.
//!
//! As the contract of `kit::Changes` has it: nothing is missed, some things come twice, a page
//! may be short, and a cursor may have expired. One that tells no deletions walks its whole
//! list with each pass. Either may be behind by some changes, a walk with the whole list.

use crate::faults::{Bug, Fate};
use crate::vendor::{Vendor, step, told};
use crate::world::{Record, State, World};
use async_trait::async_trait;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error};

/// Where reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All up to this change was told, and nothing was left.
    At(u64),
    /// All up to this change was told, and there is more.
    Amid(u64),
    /// Everything is told, since this change; up to the record of this number.
    All(u64, u32),
}

impl Place {
    pub fn text(self) -> String {
        match self {
            Self::At(seq) => format!("at.{seq}"),
            Self::Amid(seq) => format!("amid.{seq}"),
            Self::All(seq, number) => format!("all.{seq}.{number}"),
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let word = parts.next()?;
        let seq = parts.next()?.parse().ok()?;
        match word {
            "at" => Some(Self::At(seq)),
            "amid" => Some(Self::Amid(seq)),
            "all" => Some(Self::All(seq, parts.next()?.parse().ok()?)),
            _ => None,
        }
    }

    /// Of two places in one pass, the one that is further.
    pub fn order(self) -> (u64, u32) {
        match self {
            Self::All(_, number) => (0, number),
            Self::Amid(seq) | Self::At(seq) => (1 + seq, 0),
        }
    }
}

#[async_trait]
impl Changes for Vendor {
    fn tells_deletions(&self) -> bool {
        self.world().systems[self.side].shape.tells_deletions
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let page = self.asked(ask);
        // A page that comes while another is kept comes in a task of its own.
        if tokio::task::try_id().is_none() {
            step().await;
        }
        page
    }
}

impl Vendor {
    fn asked(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let mut world = self.world();
        if world.faults.is_meddled() {
            world.somebody_edits();
        }
        let fate = world.faults.of_read();
        let page = world.page(self.side, ask)?;
        world.is_unsettled |= page.has_more;
        if fate != Fate::Well {
            // Cut off: whoever asked has nothing of it.
            world.is_unsettled = true;
            return Err(self.failure(fate));
        }
        let (side, cursor) = (["left", "right"][self.side], &page.cursor);
        let shown: Vec<String> = page.changes.iter().map(shown).collect();
        let shown = shown.join(" ");
        let asked = ask.cursor.as_deref().unwrap_or("-");
        let again = if page.is_restart { " anew" } else { "" };
        world.note(format!("page {side} {asked} -> {cursor}{again}: {shown}"));
        Ok(page)
    }
}

fn shown(change: &Change) -> String {
    match change {
        Change::Saved(record) => {
            format!("{}@{}", record.id, record.version.as_deref().unwrap_or("-"))
        }
        Change::Deleted { id, into } => format!("{id}x{}", into.as_deref().unwrap_or("")),
    }
}

impl World {
    fn page(&mut self, side: usize, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let place = ask.cursor.as_deref().map(Place::read);
        let Some(place) = place.map_or(Some(None), |read| read.map(Some)) else {
            let reason = "is none of this system's".to_owned();
            return Err(Error::Invalid { field: Some("cursor".to_owned()), reason });
        };
        let place = self.early(side, place);
        let most = 1 + self.dice.below(self.systems[side].shape.page_max.min(ask.page_max));
        let shape = self.systems[side].shape;
        let behind = self.dice.below(shape.lag + 1) as u64;
        let has_expired = place.is_some() && self.faults.trouble > 0 && self.dice.is(3);
        let system = &mut self.systems[side];
        system.horizon = system.horizon.max(system.seq.saturating_sub(behind));
        let (mut page, is_restart) = match place {
            Some(Place::All(since, after)) if !has_expired => {
                (self.listed(side, (since, after), most), false)
            }
            Some(Place::Amid(seq)) if !has_expired => (self.changed(side, (seq, seq), most), false),
            Some(Place::At(seq)) if !has_expired && shape.tells_deletions => {
                (self.changed(side, (seq.saturating_sub(shape.overlap), seq), most), false)
            }
            // A whole list; who tells deletions tells it as it is, or they would be missed.
            place => {
                let system = &mut self.systems[side];
                if shape.tells_deletions {
                    system.horizon = system.seq;
                }
                let since = system.horizon;
                (self.listed(side, (since, 0), most), place.is_some())
            }
        };
        page.is_restart = is_restart;
        if self.faults.bug == Bug::TurnsBack
            && let Some(Place::At(seq)) = Place::read(&page.cursor)
            && self.dice.is(20)
        {
            page.cursor = Place::At(seq.saturating_sub(3)).text();
        }
        self.faults.handed[side] = Place::read(&page.cursor);
        self.muddle(&mut page.changes);
        if self.faults.bug == Bug::DropsAnEdit && self.dice.is(10) {
            let saved = page.changes.iter().position(|one| matches!(one, Change::Saved(_)));
            if let Some(Change::Saved(gone)) = saved.map(|at| page.changes[at].clone()) {
                page.changes.retain(|one| !matches!(one, Change::Saved(own) if own.id == gone.id));
                self.note(format!("planted: {} is not told", gone.id));
            }
        }
        for change in &mut page.changes {
            if let Change::Saved(record) = change {
                record.fields.retain(|name, _| ask.fields.contains(name));
            }
        }
        Ok(page)
    }

    /// Where a page begins for whom a crash is to cost what it had read.
    fn early(&mut self, side: usize, place: Option<Place>) -> Option<Place> {
        let Some(early) = self.faults.early[side].take() else { return place };
        let is_further = |place: &Place| place.order() < early.order();
        match place {
            Some(place) if is_further(&place) => {
                self.note(format!("planted: the page behind {place:?} is lost"));
                // Without a look back, which would make it good.
                Some(if let Place::At(seq) = early { Place::Amid(seq) } else { early })
            }
            place => place,
        }
    }

    /// Some of everything there is, behind a number.
    fn listed(&self, side: usize, (since, after): (u64, u32), most: usize) -> ChangesPage {
        let system = &self.systems[side];
        let tells = |record: &Record| match &record.state {
            State::Live => true,
            State::Merged(_) => !system.shape.tells_deletions,
            State::Deleted => false,
        };
        let rest = system.as_of(system.horizon).filter(|(number, _)| *number > after);
        let rest: Vec<(u32, &Record)> = rest.filter(|(_, record)| tells(record)).collect();
        let part = &rest[..most.min(rest.len())];
        let has_more = part.len() < rest.len();
        let last = part.last().map_or(after, |(number, _)| *number);
        let place = if has_more { Place::All(since, last) } else { Place::At(since) };
        let changes = part.iter().map(|(_, record)| told(system, record, &self.cells)).collect();
        ChangesPage { changes, cursor: place.text(), has_more, is_restart: false }
    }

    /// Some of what was changed since, of each record the last that its lists know of.
    fn changed(&self, side: usize, (since, known): (u64, u64), most: usize) -> ChangesPage {
        let system = &self.systems[side];
        let rest = system.as_of(system.horizon).map(|(_, record)| record);
        let mut rest: Vec<&Record> = rest.filter(|record| record.version > since).collect();
        rest.sort_by_key(|record| record.version);
        let part = &rest[..most.min(rest.len())];
        let has_more = part.len() < rest.len();
        let last = part.last().map_or(since, |record| record.version).max(known);
        let place = if has_more { Place::Amid(last) } else { Place::At(system.horizon.max(known)) };
        let changes = part.iter().map(|record| told(system, record, &self.cells)).collect();
        ChangesPage { changes, cursor: place.text(), has_more, is_restart: false }
    }

    /// Told in another order, and some of it twice.
    fn muddle(&mut self, changes: &mut Vec<Change>) {
        for at in (1..changes.len()).rev() {
            if self.dice.is(30) {
                let to = self.dice.below(at + 1);
                changes.swap(at, to);
            }
        }
        if !changes.is_empty() && self.dice.is(15) {
            let again = changes[self.dice.below(changes.len())].clone();
            let to = self.dice.below(changes.len() + 1);
            changes.insert(to, again);
        }
    }
}
