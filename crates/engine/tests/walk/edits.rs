//! What people do to the records of two systems, at random, and the same for the same seed.
//!
//! Each value is said once in a walk, or nearly: where it turns up, it is known who said it.

use crate::dice::Dice;
use std::collections::BTreeSet;

/// The words of each field, ascending; all but tags hold one at most.
pub type Cells = Vec<BTreeSet<String>>;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// One text, or none.
    Word,
    /// Any number of them.
    Tags,
    /// A mail, by which records are matched.
    Mail,
}

/// What somebody does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Make(Cells),
    Set {
        field: usize,
        to: Option<String>,
    },
    Tag {
        field: usize,
        tag: String,
    },
    /// Takes off the so-many-th tag, counted round.
    Untag {
        field: usize,
        nth: usize,
    },
    Delete,
    /// Brings back what was deleted.
    Restore,
    /// Ends in another record, which takes over what is named.
    Merge {
        into: String,
        takes: Vec<usize>,
    },
}

/// Everybody who edits.
pub struct People {
    cells: Vec<Cell>,
    said: u64,
    last: Option<String>,
}

impl People {
    pub fn new(cells: &[Cell]) -> Self {
        Self { cells: cells.to_vec(), said: 0, last: None }
    }

    /// Something that nobody has said yet.
    pub fn word(&mut self, cell: Cell) -> String {
        self.said += 1;
        match cell {
            Cell::Mail => format!("m{}@x.example", self.said),
            _ => format!("w{}", self.said),
        }
    }

    /// What a person types who decides.
    pub fn typed(&mut self, cell: Cell) -> String {
        self.said += 1;
        match cell {
            Cell::Mail => format!("typed{}@x.example", self.said),
            _ => format!("typed{}", self.said),
        }
    }

    /// A record that somebody makes; now and then of one whose mail is known already.
    pub fn make(&mut self, dice: &mut Dice, mails: &[String]) -> Edit {
        let mut cells = Cells::new();
        for cell in self.cells.clone() {
            let known = (cell == Cell::Mail && !mails.is_empty() && dice.is(40))
                .then(|| mails[dice.below(mails.len())].clone());
            let is_empty = dice.is(15);
            let word = known.or_else(|| (!is_empty).then(|| self.word(cell)));
            cells.push(word.into_iter().collect());
        }
        Edit::Make(cells)
    }

    /// Sets one field of a record.
    pub fn set(&mut self, dice: &mut Dice, mails: &[String]) -> Edit {
        let field = dice.below(self.cells.len());
        match self.cells[field] {
            Cell::Tags if dice.is(35) => Edit::Untag { field, nth: dice.below(8) },
            Cell::Tags => Edit::Tag { field, tag: self.word(Cell::Tags) },
            _ if dice.is(8) => Edit::Set { field, to: None },
            Cell::Mail if !mails.is_empty() && dice.is(6) => {
                Edit::Set { field, to: Some(mails[dice.below(mails.len())].clone()) }
            }
            // Two people say the same now and then.
            Cell::Word if dice.is(6) => Edit::Set { field, to: self.last.clone() },
            cell => {
                let word = self.word(cell);
                if cell == Cell::Word {
                    self.last = Some(word.clone());
                }
                Edit::Set { field, to: Some(word) }
            }
        }
    }
}

/// What a record holds after an edit of its fields.
pub fn edited(cells: &Cells, edit: &Edit) -> Cells {
    let mut cells = cells.clone();
    match edit {
        Edit::Set { field, to } => cells[*field] = to.iter().cloned().collect(),
        Edit::Tag { field, tag } => {
            cells[*field].insert(tag.clone());
        }
        Edit::Untag { field, nth } => {
            let at = nth % cells[*field].len().max(1);
            let tag = cells[*field].iter().nth(at).cloned();
            tag.map(|tag| cells[*field].remove(&tag));
        }
        _ => {}
    }
    cells
}
