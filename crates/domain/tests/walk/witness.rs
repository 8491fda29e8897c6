//! Sees every change of every record and says what must not have happened.
//!
//! It knows nothing of bases, plans and merges: only who said which word where, what stood on
//! which side, what was kept, and what the sync did.

use crate::world::{Cells, Record, State, World};
use domain::sync::{Drift, Field, Policy, Side};
use std::collections::BTreeSet;

type Words = BTreeSet<String>;

/// What is known of one field of one person.
#[derive(Debug, Clone, Default)]
struct Known {
    /// What has ever stood on the `[left, right]`.
    stood: [Words; 2],
    /// The sync has written there since it made either record.
    was_written: [bool; 2],
    /// What stands there because the sync wrote it, and nobody has touched it since.
    ours: [Option<Words>; 2],
    /// What lost, and is kept.
    kept: Words,
}

pub struct Witness {
    fields: Vec<Field>,
    policy: Policy,
    /// By person, then by field.
    known: Vec<Vec<Known>>,
    /// The sync has found no record on either side, and has made none since.
    were_gone: Vec<bool>,
}

impl Witness {
    pub fn new(people: usize, fields: &[Field], policy: Policy) -> Self {
        let known = vec![vec![Known::default(); fields.len()]; people];
        Self { fields: fields.to_vec(), policy, known, were_gone: vec![false; people] }
    }

    /// Somebody has edited.
    pub fn edited(&mut self, world: &World, side: usize, person: usize) {
        let record = &world.records[side][person];
        for (known, words) in
            self.known[person].iter_mut().zip(record.cells().into_iter().flatten())
        {
            if known.ours[side].as_ref().is_some_and(|ours| ours != words) {
                known.ours[side] = None;
            }
            known.stood[side].extend(words.iter().cloned());
        }
    }

    /// The sync has looked, at times of its own, and found no record on either side.
    pub fn found_none(&mut self, person: usize) {
        self.were_gone[person] = true;
    }

    /// The sync cannot know whether what it wrote last came through.
    pub fn in_doubt(&mut self, person: usize) {
        self.known[person].iter_mut().for_each(|known| known.was_written = [false; 2]);
    }

    /// The sync keeps a value that lost on a side.
    pub fn kept(
        &mut self,
        person: usize,
        field: usize,
        side: usize,
        words: &Words,
    ) -> Result<(), String> {
        let known = &mut self.known[person][field];
        if known.ours[side].as_ref() == Some(words) {
            return Err(format!("echo: {words:?} lost on side {side}, and the sync wrote it"));
        }
        known.kept.extend(words.iter().cloned());
        Ok(())
    }

    /// The sync has written a record: it stood as `before`. `by_word`: a person said so.
    pub fn written(
        &mut self,
        world: &World,
        (side, person): (usize, usize),
        before: &Record,
        by_word: bool,
    ) -> Result<(), String> {
        let after = &world.records[side][person].state;
        match (&before.state, after) {
            (State::Present(old), State::Present(new)) => self.changed((side, person), old, new)?,
            (State::Present(old), State::Gone(_)) => {
                self.deleted((side, person), old, by_word)?;
                self.found_none(person);
            }
            (State::Never | State::Gone(_), State::Present(new)) => {
                let is_anew = matches!(before.state, State::Gone(_));
                if is_anew && !by_word && !self.were_gone[person] {
                    return Err(format!("side {side}: who was deleted rises again"));
                }
                if !self.policy.creates[side] {
                    return Err(format!("side {side}: made where nothing may be"));
                }
                self.were_gone[person] = false;
                for known in &mut self.known[person] {
                    // Whoever is master now begins anew too.
                    known.ours = [None, None];
                    known.ours[side] = Some(Words::new());
                    known.was_written = [false; 2];
                }
                self.changed((side, person), &vec![Words::new(); new.len()], new)?;
            }
            other => return Err(format!("an odd write: {other:?}")),
        }
        Ok(())
    }

    fn changed(
        &mut self,
        (side, person): (usize, usize),
        old: &Cells,
        new: &Cells,
    ) -> Result<(), String> {
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            if old == new {
                continue;
            }
            let known = &mut self.known[person][at];
            if self.fields[at].direction.mirror() == Some(Side::ALL[1 - side]) {
                return Err(format!("side {side} is field {at}'s master, and it was written"));
            }
            let is_known = |word: &&String| {
                known.stood[1 - side].contains(*word) || known.kept.contains(*word)
            };
            if let Some(word) = old.difference(new).find(|word| !is_known(word)) {
                return Err(format!("lost: {word} of field {at}, side {side}, is nowhere else"));
            }
            let came_from = |word: &&String| known.stood.iter().any(|stood| stood.contains(*word));
            if let Some(word) =
                new.iter().find(|word| !came_from(word) && !word.starts_with("typed"))
            {
                return Err(format!("{word} of field {at} comes from nowhere"));
            }
            known.stood[side].extend(new.iter().cloned());
            known.ours[side] = Some(new.clone());
            known.was_written[side] = true;
        }
        Ok(())
    }

    fn deleted(
        &self,
        (side, person): (usize, usize),
        old: &Cells,
        by_word: bool,
    ) -> Result<(), String> {
        for (at, words) in old.iter().enumerate() {
            let is_set_back = self.policy.drift == Drift::SetBack
                && self.fields[at].direction.mirror() == Some(Side::ALL[side]);
            let known = &self.known[person][at];
            let is_known = |word: &&String| {
                known.stood[1 - side].contains(*word) || known.kept.contains(*word)
            };
            if let (false, false, Some(word)) =
                (by_word, is_set_back, words.iter().find(|word| !is_known(word)))
            {
                return Err(format!("deleted on side {side} with an edit: {word} of field {at}"));
            }
        }
        Ok(())
    }

    /// Nothing is left to do: where both are there, they are the same.
    pub fn at_rest(&self, world: &World, person: usize) -> Result<(), String> {
        let [left, right] = [0, 1].map(|side| world.records[side][person].cells());
        let (Some(left), Some(right)) = (left, right) else { return self.alone(world, person) };
        for (at, field) in self.fields.iter().enumerate() {
            let cells = [&left[at], &right[at]];
            let is_drift = field.direction.mirror().is_some_and(|mirror| {
                let known = &self.known[person][at];
                let (here, there) = (mirror.index(), mirror.other().index());
                // Somebody edited it there, or its master has never been heard to say anything.
                (self.policy.drift == Drift::Leave && known.ours[here].is_none())
                    || (cells[there].is_empty() && !known.was_written[here])
            });
            if cells[0] != cells[1] && !is_drift {
                return Err(format!(
                    "at rest, but field {at} is {:?} and {:?}",
                    cells[0], cells[1]
                ));
            }
        }
        Ok(())
    }

    fn alone(&self, world: &World, person: usize) -> Result<(), String> {
        let states = [0, 1].map(|side| &world.records[side][person].state);
        for side in [0, 1] {
            let (State::Present(cells), State::Never) = (states[side], states[1 - side]) else {
                continue;
            };
            let goes = |at: &usize| self.fields[*at].direction.goes_to(Side::ALL[1 - side]);
            let says = (0..cells.len()).filter(goes).any(|at| !cells[at].is_empty());
            if says && self.policy.creates[1 - side] {
                return Err(format!("at rest, but nobody was made on side {}", 1 - side));
            }
        }
        Ok(())
    }
}
