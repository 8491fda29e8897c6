//! Sees every change of every record and says what must not have happened.
//!
//! It knows nothing of bases, plans and merges: only who said which word where, what stood on
//! which side, and what the sync did. What a sync may do only where it has kept what it cost,
//! or where a person said so, is a [`Suspect`] until the end, when the journal is read.

use crate::edits::Cells;
use crate::tells::Place;
use crate::world::{Record, State};
use domain::sync::{Field, Side};
use std::collections::{BTreeMap, BTreeSet};

type Words = BTreeSet<String>;

/// What the sync did, and may have done wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// It took a word away that stood nowhere else.
    Lost { field: usize, word: String },
    /// It brought a word back that a person had taken away there.
    Back { field: usize, word: String, over: Words },
    /// It deleted a record.
    Deleted,
    /// It deleted a record that held a word which stood nowhere else.
    DeletedEdit { field: usize, word: String },
    /// It made a record for this one of the other side, whose other a person had deleted.
    Risen { of: String },
}

/// Which record of which side.
pub type Whose = (usize, String);

pub struct Witness {
    fields: Vec<Field>,
    /// By side and field: what has ever stood there.
    stood: [Vec<Words>; 2],
    /// What more than one has said, or one in more than one place.
    repeated: Words,
    /// What people took away from a field of a record.
    taken: BTreeMap<(Whose, usize), Words>,
    /// Fields that hold what the sync has written there last.
    pub ours: BTreeSet<(Whose, usize)>,
    /// Fields in which anything ever stood.
    pub said: BTreeSet<(Whose, usize)>,
    /// Records that people have deleted, ever.
    pub deleted: BTreeSet<Whose>,
    /// Records that were gone at some time, whoever has deleted them.
    pub gone: BTreeSet<Whose>,
    /// Records by those of the other side for which they were made.
    pub made_for: BTreeMap<Whose, BTreeSet<String>>,
    /// The sync cannot know whether what it wrote there last came through.
    pub doubtful: BTreeSet<Whose>,
    /// What is being written came back just as one with its key was being made, after it was
    /// looked for: a gap that nobody closes who makes records by a key.
    pub is_raced: bool,
    /// A person has decided something about them.
    pub decided: BTreeSet<Whose>,
    /// Records that were one person to the sync at some time.
    pub paired: BTreeSet<(String, String)>,
    pub suspects: Vec<(Whose, Suspect)>,
    /// How far each side was read.
    places: [Option<(i64, Place)>; 2],
    /// What went wrong for sure.
    pub wrong: Option<String>,
}

impl Witness {
    pub fn new(fields: &[Field]) -> Self {
        let stood = vec![Words::new(); fields.len()];
        Self {
            fields: fields.to_vec(),
            stood: [stood.clone(), stood],
            repeated: Words::new(),
            taken: BTreeMap::new(),
            ours: BTreeSet::new(),
            said: BTreeSet::new(),
            deleted: BTreeSet::new(),
            gone: BTreeSet::new(),
            made_for: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            is_raced: false,
            decided: BTreeSet::new(),
            paired: BTreeSet::new(),
            suspects: Vec::new(),
            places: [None; 2],
            wrong: None,
        }
    }

    pub fn is_wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// Somebody has edited.
    pub fn edited(&mut self, side: usize, before: Option<&Record>, after: &Record) {
        let whose = (side, after.id.clone());
        if after.state == State::Deleted {
            self.deleted.insert(whose.clone());
            self.gone.insert(whose.clone());
        }
        let none = Cells::new();
        let old = before.map_or(&none, |record| &record.cells);
        for (at, new) in after.cells.iter().enumerate() {
            let old = old.get(at).cloned().unwrap_or_default();
            if old != *new {
                self.ours.remove(&(whose.clone(), at));
            }
            let taken = self.taken.entry((whose.clone(), at)).or_default();
            taken.extend(old.difference(new).cloned());
            taken.retain(|word| !new.contains(word));
            let is_known =
                |word: &&String| self.stood.iter().any(|stood| stood[at].contains(*word));
            self.repeated.extend(new.difference(&old).filter(is_known).cloned());
            self.stands((side, &after.id), at, new);
        }
    }

    fn stands(&mut self, (side, id): (usize, &str), field: usize, words: &Words) {
        self.stood[side][field].extend(words.iter().cloned());
        if !words.is_empty() {
            self.said.insert(((side, id.to_owned()), field));
        }
    }

    /// The sync cannot know whether what it wrote last came through.
    pub fn in_doubt(&mut self, side: usize, id: &str) {
        self.doubtful.insert((side, id.to_owned()));
    }

    /// The store keeps this place of a side, in its so-many-th pass.
    pub fn reached(&mut self, side: usize, pass: i64, place: Place) {
        let before = self.places[side].replace((pass, place));
        let is_before = |(of, before): (i64, Place)| (pass, place.order()) < (of, before.order());
        if before.is_some_and(is_before) {
            let told = format!("{before:?} to {place:?} of pass {pass}");
            self.is_wrong(format!("the cursor of side {side} turns back: {told}"));
        }
    }

    /// The sync has written a record; `key`: to make it, for that one of the other side.
    pub fn written(
        &mut self,
        side: usize,
        before: Option<&Record>,
        after: &Record,
        key: Option<&str>,
    ) {
        let whose = (side, after.id.clone());
        if let Some(key) = key {
            self.made(&whose, before, key);
        }
        if !after.is_live() {
            self.gone.insert(whose.clone());
            self.suspects.push((whose.clone(), Suspect::Deleted));
            for (at, words) in after.cells.iter().enumerate() {
                let alone = words.iter().find(|word| !self.stood[1 - side][at].contains(*word));
                let suspect =
                    alone.map(|word| Suspect::DeletedEdit { field: at, word: word.clone() });
                self.suspects.extend(suspect.map(|suspect| (whose.clone(), suspect)));
            }
            return;
        }
        let none = vec![Words::new(); after.cells.len()];
        let old = before.map_or(&none, |record| &record.cells);
        for (at, (old, new)) in old.iter().zip(&after.cells).enumerate() {
            if old != new {
                self.changed(&whose, at, old, new);
            }
        }
    }

    fn made(&mut self, whose: &Whose, before: Option<&Record>, key: &str) {
        let of = (1 - whose.0, key.to_owned());
        let made = self.made_for.entry(of.clone()).or_default();
        let is_risen = before.is_none()
            && !self.gone.contains(&of)
            && made.iter().any(|id| self.deleted.contains(&(whose.0, id.clone())));
        made.insert(whose.1.clone());
        if is_risen {
            self.suspects.push((whose.clone(), Suspect::Risen { of: of.1.clone() }));
        }
        let (left, right) = if whose.0 == 0 { (&whose.1, &of.1) } else { (&of.1, &whose.1) };
        self.paired.insert((left.clone(), right.clone()));
    }

    fn changed(&mut self, whose: &Whose, at: usize, old: &Words, new: &Words) {
        let side = whose.0;
        if self.fields[at].direction.mirror() == Some(Side::ALL[1 - side]) {
            self.is_wrong(format!("{whose:?} is field {at}'s master, and it was written"));
        }
        for word in old.difference(new) {
            if !self.is_raced && !self.stood[1 - side][at].contains(word) {
                let lost = Suspect::Lost { field: at, word: word.clone() };
                self.suspects.push((whose.clone(), lost));
            }
        }
        self.ours.insert((whose.clone(), at));
        let taken = self.taken.entry((whose.clone(), at)).or_default();
        let back: Vec<String> = new.intersection(taken).cloned().collect();
        taken.retain(|word| !new.contains(word));
        for word in back.into_iter().filter(|word| !self.repeated.contains(word)) {
            let back = Suspect::Back { field: at, word, over: old.clone() };
            self.suspects.push((whose.clone(), back));
        }
        let comes_from_nowhere = |word: &&String| {
            !word.starts_with("typed") && !self.stood.iter().any(|stood| stood[at].contains(*word))
        };
        if let Some(word) = new.iter().find(comes_from_nowhere) {
            self.wrong.get_or_insert(format!("{word} of field {at} comes from nowhere"));
        }
        self.stands((side, &whose.1), at, new);
    }

    /// The other side's records that were one person with this one.
    pub fn others(&self, (side, id): &Whose) -> Vec<Whose> {
        let of = |(left, right): &(String, String)| {
            let (own, other) = if *side == 0 { (left, right) } else { (right, left) };
            (own == id).then(|| (1 - side, other.clone()))
        };
        self.paired.iter().filter_map(of).collect()
    }

    /// Does it hold for a record, or one that was one person with it?
    pub fn is_among(&self, of: &BTreeSet<Whose>, whose: &Whose) -> bool {
        of.contains(whose) || self.others(whose).iter().any(|other| of.contains(other))
    }
}
