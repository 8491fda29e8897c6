//! People who edit records on two sides: at random, and the same for the same seed.
//!
//! Nothing here knows how a sync works or what its types are, so any simulation can use it.
//! Each value is said once in a walk: where it turns up, it is known who said it.

use crate::dice::Dice;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// One text, or none.
    Word,
    /// Any number of them.
    Tags,
}

/// What somebody does to a record. Where it makes no sense (a record is made anew that is
/// there), it is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Make,
    Write {
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
}

/// Everybody who edits.
pub struct People {
    cells: Vec<Cell>,
    said: u64,
    last: Option<String>,
}

impl People {
    pub fn new(cells: Vec<Cell>) -> Self {
        Self { cells, said: 0, last: None }
    }

    /// A word that nobody has said yet.
    pub fn word(&mut self) -> String {
        self.said += 1;
        format!("w{}", self.said)
    }

    /// Somebody does something to a record of a side.
    pub fn edit(&mut self, dice: &mut Dice) -> Edit {
        match dice.below(100) {
            0..10 => return Edit::Make,
            10..15 => return Edit::Delete,
            15..19 => return Edit::Restore,
            _ => {}
        }
        let field = dice.below(self.cells.len());
        match self.cells[field] {
            Cell::Tags if dice.is(35) => Edit::Untag { field, nth: dice.below(8) },
            Cell::Tags => Edit::Tag { field, tag: self.word() },
            Cell::Word if dice.is(8) => Edit::Write { field, to: None },
            // Two people say the same now and then.
            Cell::Word if dice.is(8) => Edit::Write { field, to: self.last.clone() },
            Cell::Word => {
                let word = self.word();
                self.last = Some(word.clone());
                Edit::Write { field, to: Some(word) }
            }
        }
    }
}
