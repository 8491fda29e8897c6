//! Two systems in memory, the records that they hold, and what happens to these.
//!
//! A record keeps all that it ever was: a list may be behind, and tells it as it has been.

use crate::dice::Dice;
use crate::edits::{Cell, Cells, Edit, People, edited};
use crate::faults::{Bug, Faults};
use crate::witness::Witness;
use domain::sync::Field;
use engine::Clock;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Live,
    Deleted,
    /// It ended in this one.
    Merged(String),
}

/// One record, as it was at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub id: String,
    pub cells: Cells,
    /// By which it was made from outside; at most one that is live has it.
    pub key: Option<String>,
    pub is_marked: bool,
    pub state: State,
    /// Another with each change, and greater than every other of its system before.
    pub version: u64,
    /// When, by the clock of its system.
    pub modified: i64,
}

impl Record {
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }
}

/// How a system answers.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub tells_deletions: bool,
    /// Changes of one page, at most.
    pub page_max: usize,
    /// How many changes back a page begins.
    pub overlap: u64,
    /// How many changes its lists may be behind.
    pub lag: usize,
    pub write_max: usize,
    pub read_max: usize,
    /// Its records have versions, and changes can be made on condition of one.
    pub has_versions: bool,
    /// How far its clock is ahead, in milliseconds.
    pub ahead: i64,
}

pub struct System {
    pub side: usize,
    pub shape: Shape,
    records: BTreeMap<u32, Vec<Record>>,
    /// Changes so far.
    pub seq: u64,
    /// What its lists know of; never goes back.
    pub horizon: u64,
}

impl System {
    fn new(side: usize, shape: Shape) -> Self {
        Self { side, shape, records: BTreeMap::new(), seq: 0, horizon: 0 }
    }

    /// As it is told from outside.
    pub fn version(&self, record: &Record) -> Option<String> {
        self.shape.has_versions.then(|| format!("v{}", record.version))
    }

    fn number(id: &str) -> Option<u32> {
        id.get(1..)?.parse().ok()
    }

    /// Every record as it is now.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter_map(|all| all.last())
    }

    pub fn live(&self) -> impl Iterator<Item = &Record> {
        self.all().filter(|record| record.is_live())
    }

    pub fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(&Self::number(id)?)?.last()
    }

    /// Every record that there was after so many changes, as it was then, with its number.
    pub fn as_of(&self, seq: u64) -> impl Iterator<Item = (u32, &Record)> {
        self.records.iter().filter_map(move |(number, all)| {
            Some((*number, all.iter().rev().find(|record| record.version <= seq)?))
        })
    }

    /// Was it live after so many changes?
    pub fn was_live(&self, id: &str, seq: u64) -> bool {
        self.as_of(seq).any(|(_, record)| record.id == id && record.is_live())
    }

    pub fn new_id(&self) -> String {
        let next = self.records.keys().last().map_or(1, |last| last + 1);
        format!("{}{next}", ["L", "R"][self.side])
    }
}

pub struct World {
    pub systems: [System; 2],
    pub cells: Vec<Cell>,
    pub clock: Clock,
    pub people: People,
    pub dice: Dice,
    pub faults: Faults,
    pub witness: Witness,
    pub log: Vec<String>,
    /// The sync was told that something failed, and may wait for a while; or asks for the next
    /// page while it keeps this one.
    pub is_unsettled: bool,
    /// By side and key: after how many changes it was looked for and not found.
    pub looked_for: BTreeMap<(usize, String), u64>,
    /// What the sync has written.
    pub writes: u64,
    /// Of these, in the run that is under way.
    pub written: Vec<(usize, String)>,
}

impl World {
    pub fn new(seed: u64, shapes: [Shape; 2], fields: &[Field], cells: &[Cell], bug: Bug) -> Self {
        let [left, right] = shapes;
        Self {
            systems: [System::new(0, left), System::new(1, right)],
            cells: cells.to_vec(),
            clock: Clock::held(domain::Timestamp(1_767_225_600_000)),
            people: People::new(cells),
            dice: Dice::new(seed ^ 0x5eed),
            faults: Faults::new(seed, bug),
            witness: Witness::new(fields),
            log: Vec::new(),
            is_unsettled: false,
            looked_for: BTreeMap::new(),
            writes: 0,
            written: Vec::new(),
        }
    }

    pub fn note(&mut self, text: String) {
        self.log.push(text);
    }

    /// Time goes by.
    pub fn later(&mut self, most: Duration) {
        let most = usize::try_from(most.as_millis()).unwrap_or(usize::MAX);
        let by = Duration::from_millis(self.dice.below(most + 1) as u64);
        self.clock.advance(by);
    }

    /// A record is now like this, in its own system and by its clock.
    pub fn put(&mut self, side: usize, mut record: Record) -> Record {
        if self.dice.is(50) {
            self.later(Duration::from_millis(40));
        }
        let system = &mut self.systems[side];
        system.seq += 1;
        record.version = system.seq;
        record.modified = self.clock.now().0 + system.shape.ahead;
        let number = System::number(&record.id).expect("an id of ours");
        system.records.entry(number).or_default().push(record.clone());
        record
    }

    fn mails(&self) -> Vec<String> {
        let at = self.cells.iter().position(|cell| *cell == Cell::Mail);
        let Some(at) = at else { return Vec::new() };
        let live = self.systems.iter().flat_map(System::live);
        live.flat_map(|record| record.cells[at].iter().cloned()).collect()
    }

    /// Somebody does something, somewhere.
    pub fn somebody_edits(&mut self) {
        let (side, mails) = (self.dice.below(2), self.mails());
        let all: Vec<Record> = self.systems[side].all().cloned().collect();
        let live: Vec<&Record> = all.iter().filter(|record| record.is_live()).collect();
        let deleted: Vec<&Record> = all.iter().filter(|r| r.state == State::Deleted).collect();
        let chance = self.dice.below(100);
        let on = |dice: &mut Dice, of: &[&Record]| of[dice.below(of.len())].id.clone();
        match chance {
            _ if live.len() < PEOPLE_MAX && (chance < 14 || live.is_empty()) => {
                let made = self.people.make(&mut self.dice, &mails);
                let id = self.systems[side].new_id();
                self.edit(side, &id, &made);
            }
            14..20 if !live.is_empty() => {
                let id = on(&mut self.dice, &live);
                self.edit(side, &id, &Edit::Delete);
            }
            20..25 if !deleted.is_empty() => {
                let id = on(&mut self.dice, &deleted);
                self.edit(side, &id, &Edit::Restore);
            }
            25..29 if live.len() > 1 => {
                let (one, other) = (on(&mut self.dice, &live), on(&mut self.dice, &live));
                if one != other {
                    let takes = (0..self.cells.len()).filter(|_| self.dice.is(40)).collect();
                    self.edit(side, &one, &Edit::Merge { into: other, takes });
                }
            }
            _ if !live.is_empty() => {
                let id = on(&mut self.dice, &live);
                self.somebody_sets(side, &id);
            }
            _ => {}
        }
    }

    /// Somebody sets a field of this record.
    pub fn somebody_sets(&mut self, side: usize, id: &str) {
        let mails = self.mails();
        let edit = self.people.set(&mut self.dice, &mails);
        self.edit(side, id, &edit);
    }

    fn edit(&mut self, side: usize, id: &str, edit: &Edit) {
        let before = self.systems[side].get(id).cloned();
        let mut record = match (edit, &before) {
            (Edit::Make(cells), None) => Record {
                id: id.to_owned(),
                cells: cells.clone(),
                key: None,
                is_marked: false,
                state: State::Live,
                version: 0,
                modified: 0,
            },
            (Edit::Make(_), _) | (_, None) => return,
            (_, Some(before)) => before.clone(),
        };
        record.cells = edited(&record.cells, edit);
        match edit {
            Edit::Delete => record.state = State::Deleted,
            Edit::Restore => {
                record.state = State::Live;
                // Somebody else was made under it meanwhile.
                let is_taken = self.systems[side].live().any(|one| one.key == record.key);
                record.key = record.key.filter(|_| !is_taken);
            }
            Edit::Merge { into, takes } => {
                record.state = State::Merged(into.clone());
                self.takes_over(side, (&record, into), takes);
            }
            _ => {}
        }
        if before.as_ref() == Some(&record) {
            return;
        }
        let after = self.put(side, record);
        self.note(format!("somebody: {id} {edit:?} -> v{}", after.version));
        self.witness.edited(side, before.as_ref(), &after);
    }

    /// Of two records that become one, the one that stays.
    fn takes_over(&mut self, side: usize, (from, into): (&Record, &str), takes: &[usize]) {
        let Some(before) = self.systems[side].get(into).cloned() else { return };
        let mut record = before.clone();
        for at in takes {
            record.cells[*at].clone_from(&from.cells[*at]);
        }
        let after = self.put(side, record);
        self.note(format!("somebody: {into} takes over {takes:?} -> v{}", after.version));
        self.witness.edited(side, Some(&before), &after);
    }
}

/// Records that people keep on a side.
const PEOPLE_MAX: usize = 6;
