//! Two systems and the records that they hold, each with a clock of its own.

use crate::edits::{Cell, Edit, People};
use std::collections::BTreeSet;

/// The words of each field, ascending; a [`Cell::Word`] has one at most.
pub type Cells = Vec<BTreeSet<String>>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Never,
    Present(Cells),
    /// With what was in it.
    Gone(Cells),
}

/// One record of one system.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub state: State,
    /// Another with each change.
    pub version: u64,
    pub modified: i64,
}

impl Record {
    pub fn cells(&self) -> Option<&Cells> {
        if let State::Present(cells) = &self.state { Some(cells) } else { None }
    }
}

pub struct World {
    /// By side, then by person.
    pub records: [Vec<Record>; 2],
    pub cells: Vec<Cell>,
    pub now: i64,
    /// How far the right's clock is ahead.
    pub ahead: i64,
}

impl World {
    pub fn new(people: usize, cells: Vec<Cell>, ahead: i64) -> Self {
        let records = [vec![Record::default(); people], vec![Record::default(); people]];
        Self { records, cells, now: 1_000_000, ahead }
    }

    /// Changes a record as its system would, and says so.
    pub fn change(&mut self, side: usize, person: usize, state: State) {
        let record = &mut self.records[side][person];
        record.state = state;
        record.version += 1;
        record.modified = self.now + if side == 1 { self.ahead } else { 0 };
    }

    /// Somebody edits; `true` when that changed anything.
    pub fn edit(&mut self, side: usize, person: usize, edit: &Edit, people: &mut People) -> bool {
        let before = self.records[side][person].state.clone();
        let after = match (edit, before.clone()) {
            (Edit::Make, State::Never) => {
                let cell = |_: &Cell| BTreeSet::from([people.word()]);
                State::Present(self.cells.iter().map(cell).collect())
            }
            (Edit::Delete, State::Present(cells)) => State::Gone(cells),
            (Edit::Restore, State::Gone(cells)) => State::Present(cells),
            (Edit::Write { field, to }, State::Present(mut cells)) => {
                cells[*field] = to.iter().cloned().collect();
                State::Present(cells)
            }
            (Edit::Tag { field, tag }, State::Present(mut cells)) => {
                cells[*field].insert(tag.clone());
                State::Present(cells)
            }
            (Edit::Untag { field, nth }, State::Present(mut cells)) => {
                let at = nth % cells[*field].len().max(1);
                let tag = cells[*field].iter().nth(at).cloned();
                tag.map(|tag| cells[*field].remove(&tag));
                State::Present(cells)
            }
            (_, before) => before,
        };
        let is_change = after != before;
        if is_change {
            self.change(side, person, after);
        }
        is_change
    }
}
