//! What is to be set so that a sync moves up: its section of the configuration as it would
//! be, what that changes, and what is still missing. Nothing is changed here.

use super::item::Body;
use crate::config::syncs::{FieldMapSection, KindWord, WayWord};
use crate::config::{Loaded, Mistake, SyncSection};
use crate::wiring;
use domain::sync::Kind;
use engine::Connections;
use engine::sync::Sync;
use engine::sync::map::{self, Row};
use engine::sync::promote::Phase;
use serde_json::Value;
use std::hash::{DefaultHasher, Hasher as _};

/// A sync as it would be.
pub struct Proposal {
    pub section: SyncSection,
    /// As it would run; or what is missing or wrong.
    pub sync: Result<Sync, Vec<Mistake>>,
    pub changes: Vec<Changed>,
}

/// One setting that is another then.
pub struct Changed {
    /// Such as `direction` or `left.filter`.
    pub at: String,
    pub from: Value,
    pub to: Value,
}

/// Against what a section is checked.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub loaded: &'a Loaded,
    pub connections: &'a Connections,
}

impl Proposal {
    /// Something that is another for another section.
    pub fn digest(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(serde_json::to_string(&self.section).unwrap_or_default().as_bytes());
        format!("{:016x}", hasher.finish())
    }

    /// As it stands in tieline.toml.
    pub fn toml(&self) -> String {
        #[derive(serde::Serialize)]
        struct Whole<'a> {
            syncs: [&'a SyncSection; 1],
        }
        toml::to_string(&Whole { syncs: [&self.section] }).unwrap_or_default()
    }

    /// As the settings of the store have it.
    pub fn body(&self) -> Body {
        let mut body = object(&self.section);
        body.remove("name");
        body
    }
}

impl Ground<'_> {
    /// Does it leave out fields or people that it could have?
    pub fn widens(self, section: &SyncSection) -> bool {
        section.direction != WayWord::Both
            && !self.propose(section, Phase::MoreFields, "").changes.is_empty()
    }

    /// A sync as it would be in a phase. `key`: the field by which records are made on the
    /// side that was the master until now.
    pub fn propose(self, now: &SyncSection, to: Phase, key: &str) -> Proposal {
        let mut section = now.clone();
        match to {
            Phase::MoreFields => self.widen(&mut section),
            Phase::TwoWay => self.both_ways(&mut section, key),
            Phase::OneWay | Phase::Optimise => {}
        }
        let sync = self.check(&section);
        let changes = changes(&object(now), &object(&section));
        Proposal { section, sync, changes }
    }

    /// The sync that a section makes.
    pub fn check(self, section: &SyncSection) -> Result<Sync, Vec<Mistake>> {
        let at = format!("syncs.{}", section.name);
        wiring::syncs::sync(self.loaded, section, self.connections, &at)
    }

    /// Everybody, and every field of the guides' map that both sides surely have.
    fn widen(self, section: &mut SyncSection) {
        section.left.filter.clear();
        section.right.filter.clear();
        if section.fields.is_empty() || !is_of_the_guides(section) {
            return;
        }
        let rows = map::defaults();
        for row in rows.into_iter().filter(|row| row.right.is_some() && !row.is_optional) {
            let is_there = |field: &FieldMapSection| {
                field.left == row.left || (field.right.is_some() && field.right == row.right)
            };
            if section.fields.iter().any(is_there) {
                continue;
            }
            section.fields.push(field(&row));
            // Another name of a field that is there already, or none of this object.
            if self.check(section).is_err() {
                section.fields.pop();
            }
        }
    }

    /// Both ways, but for fields that their own system lets nobody write.
    fn both_ways(self, section: &mut SyncSection, key: &str) {
        let before = section.direction;
        section.direction = WayWord::Both;
        let master = match before {
            WayWord::Left => &mut section.right,
            WayWord::Right | WayWord::Both => &mut section.left,
        };
        if !key.is_empty() {
            master.key = Some(key.to_owned());
        }
        for _ in 0..=section.fields.len() {
            let Err(mistakes) = self.check(section) else { return };
            let Some(at) = mistakes.iter().find_map(|mistake| one_way(&mistake.at)) else { return };
            match section.fields.get_mut(at) {
                Some(field) if field.direction != Some(before) => field.direction = Some(before),
                _ => return,
            }
        }
    }
}

/// The field that cannot go both ways: `syncs.contacts.fields[2].direction`.
fn one_way(at: &str) -> Option<usize> {
    let (_, rest) = at.split_once(".fields[")?;
    rest.strip_suffix("].direction")?.parse().ok()
}

/// Objects that have the fields of the public guides.
fn is_of_the_guides(section: &SyncSection) -> bool {
    section.left.object == "Contact" && section.right.object == "contacts"
}

fn field(row: &Row) -> FieldMapSection {
    FieldMapSection {
        left: row.left.clone(),
        right: row.right.clone(),
        direction: None,
        kind: row.kind.and_then(|kind| match kind {
            Kind::Email => Some(KindWord::Email),
            Kind::Phone => Some(KindWord::Phone),
            _ => None,
        }),
        winner: None,
        match_as: None,
    }
}

fn object(section: &SyncSection) -> Body {
    match serde_json::to_value(section) {
        Ok(Value::Object(body)) => body,
        _ => Body::new(),
    }
}

/// What is another, the parts of an end each by itself.
fn changes(now: &Body, then: &Body) -> Vec<Changed> {
    let mut changed = Vec::new();
    for (name, to) in then {
        let from = now.get(name).cloned().unwrap_or_default();
        match (&from, to) {
            (Value::Object(from), Value::Object(to)) => {
                let inner = changes(from, to).into_iter();
                changed
                    .extend(inner.map(|one| Changed { at: format!("{name}.{}", one.at), ..one }));
            }
            (from, to) if from != to => {
                changed.push(Changed { at: name.clone(), from: from.clone(), to: to.clone() });
            }
            _ => {}
        }
    }
    changed
}
