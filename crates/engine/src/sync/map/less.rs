//! Rows that a side turns out not to have: optional ones are left out for a run.

use super::place::Place;
use super::{Line, Map};
use domain::sync::Side;

impl Map {
    /// The map without an optional row whose field a side says that it does not have, alone or
    /// behind its object (`Contact.Tags__c`); `None` where that is none of them.
    #[must_use]
    pub fn without(&self, side: Side, named: &str) -> Option<Self> {
        let is_named = |place: &Place| {
            place.asked().is_some_and(|own| {
                named.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        };
        let mut less = self.clone();
        let kept = |line: &Line| !(line.is_optional && is_named(&line.places[side.index()]));
        let gone = self.lines.iter().filter(|line| !kept(line)).map(|line| line.key.clone());
        less.left_out.extend(gone);
        let mut lines = self.lines.iter().map(kept);
        less.fields.retain(|_| lines.next().unwrap_or(true));
        less.lines.retain(kept);
        if side == Side::Left {
            less.kept.retain(|kept| !(kept.is_optional && is_named(&kept.place)));
        }
        let is_less = less.lines.len() < self.lines.len() || less.kept.len() < self.kept.len();
        is_less.then_some(less)
    }

    /// Is this a row that was left out? What was agreed on of it stands.
    #[must_use]
    pub fn leaves_out(&self, key: &str) -> bool {
        self.left_out.iter().any(|own| own == key)
    }

    /// The field of an optional row that a side calls this, or a part of this, and its whole
    /// name there.
    #[must_use]
    pub fn optional(&self, side: Side, named: &str) -> Option<(usize, &str)> {
        let of = |(at, line): (usize, &'_ Line)| {
            let own = self.lines[at].places[side.index()].asked()?;
            let rest = own.strip_prefix(named)?;
            let is_it = line.is_optional && (rest.is_empty() || rest.starts_with('.'));
            is_it.then_some((at, own))
        };
        self.lines.iter().enumerate().find_map(of)
    }
}
