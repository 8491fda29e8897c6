//! What goes wrong: on the network, by the seed, and in what is planted.

use crate::dice::Dice;
use crate::tells::Place;

/// What is planted, to see whether it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// A page leaves one change out, and its cursor moves on all the same.
    DropsAnEdit,
    /// What was read is lost with a crash, and the cursor stands behind it.
    MovesTheCursorEarly,
    /// What was written comes back changed, as a version that nobody was told.
    LetsAnEchoThrough,
    /// An update is done whatever was changed since.
    WritesBlindly,
    /// A create makes one more each time.
    MakesTwice,
    /// A place that was reached is forgotten, and an earlier one told.
    TurnsBack,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Well,
    /// It never arrives.
    Lost,
    /// It is told to wait, and not done.
    Throttled,
    /// It is refused for good.
    Refused,
    /// It is done, and the answer is lost.
    Unheard,
    /// It arrives twice.
    Twice,
}

pub struct Faults {
    pub dice: Dice,
    pub bug: Bug,
    /// Of a hundred requests so many go wrong.
    pub trouble: u64,
    /// Before so many somebody edits.
    pub meddling: u64,
    /// Where the page that was told last has ended, on each side.
    pub handed: [Option<Place>; 2],
    /// Where the next page is to begin at least.
    pub early: [Option<Place>; 2],
}

impl Faults {
    pub fn new(seed: u64, bug: Bug) -> Self {
        let mut dice = Dice::new(seed ^ 0xbad);
        let (trouble, meddling) = (dice.pick(&[0, 5, 15]), dice.pick(&[0, 5, 15]));
        Self { dice, bug, trouble, meddling, handed: [None; 2], early: [None; 2] }
    }

    /// From now on all is well; what is planted stays.
    pub fn stop(&mut self) {
        (self.trouble, self.meddling) = (0, 0);
    }

    /// Whoever had the last pages is no more.
    pub fn crashed(&mut self) {
        if self.bug == Bug::MovesTheCursorEarly {
            self.early = self.handed;
        }
    }

    /// Of something that is asked.
    pub fn of_read(&mut self) -> Fate {
        if !self.dice.is(self.trouble) {
            return Fate::Well;
        }
        self.dice.pick(&[Fate::Lost, Fate::Lost, Fate::Throttled])
    }

    /// Of a batch, or one write of it.
    pub fn of_write(&mut self) -> Fate {
        if !self.dice.is(self.trouble) {
            return Fate::Well;
        }
        let fates = [Fate::Lost, Fate::Throttled, Fate::Refused, Fate::Unheard, Fate::Twice];
        self.dice.pick(&fates)
    }

    pub fn is_meddled(&mut self) -> bool {
        self.dice.is(self.meddling)
    }
}
