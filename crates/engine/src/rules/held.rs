//! Rules as they were read last: what is in force, and the drafts over it.

use super::edit::{Kind, RULES_MAX, Refused, Seen, Told, Wanted, Wish, canonical, lead};
use super::form::{self, Body, Fault};
use super::set::{SetBody, fault};
use crate::lookup::Engine;
use serde_json::Value;
use state::rules::{Draft, DraftChange, To};

/// As read last.
#[derive(Default)]
pub(super) struct Held {
    pub version: u64,
    pub revision: u64,
    pub set: SetBody,
    pub drafts: Vec<Draft>,
}

impl Held {
    pub(super) fn draft(&self, kind: Kind, name: &str) -> Option<&Draft> {
        self.drafts.iter().find(|draft| draft.kind == kind.word() && draft.name == name)
    }

    /// Everything as it would be with every draft.
    pub(super) fn all(&self) -> SetBody {
        let mut all = self.set.clone();
        for draft in &self.drafts {
            if let Some(kind) = Kind::of_word(&draft.kind) {
                lay(&mut all, kind, &draft.name, read(draft.body.as_deref()));
            }
        }
        all
    }

    /// The change of a wish, laid over everything.
    pub(super) fn wanted(
        &self,
        engine: &Engine,
        wish: &Wish,
        all: &mut SetBody,
    ) -> Result<DraftChange, Refused> {
        let name = canonical(engine, wish.kind, &wish.name);
        let old = self.draft(wish.kind, &name);
        let published = self.set.of(wish.kind).get(&name);
        let has_changed = match &wish.seen {
            None => false,
            Some(Seen::Nothing) => old.is_some() || published.is_some(),
            Some(Seen::Tag(tag)) => *tag != tag_of(old, published),
        };
        if has_changed {
            return Err(Refused::Changed);
        }
        let count = all.of(wish.kind).len();
        let to = match &wish.to {
            Wanted::Body(_) if count >= RULES_MAX && !all.of(wish.kind).contains_key(&name) => {
                let message = format!("there are {count} already.");
                let wrong = fault(&lead(engine, wish), &message, "Delete what is not needed.");
                return Err(Refused::Faults(vec![wrong]));
            }
            Wanted::Body(body) => {
                let mut body = body.clone();
                for own in ["name", "entry"] {
                    let given = body.remove(own);
                    let is_other = given.as_ref().is_some_and(|given| {
                        given.as_str().map(|given| canonical(engine, wish.kind, given)).as_ref()
                            != Some(&name)
                    });
                    if is_other {
                        let at = format!("{}{own}", lead(engine, wish));
                        let wrong = fault(&at, "is another than in the address.", "Leave it out.");
                        return Err(Refused::Faults(vec![wrong]));
                    }
                }
                body.values_mut().for_each(without_nulls);
                body.retain(|_, value| !value.is_null());
                lay(all, wish.kind, &name, Some(body.clone()));
                To::Body(serde_json::to_vec(&body).unwrap_or_default())
            }
            Wanted::Gone if published.is_none() && old.is_none() => return Err(Refused::Unknown),
            Wanted::Gone if published.is_none() => {
                lay(all, wish.kind, &name, None);
                To::AsPublished
            }
            Wanted::Gone => {
                lay(all, wish.kind, &name, None);
                To::Gone
            }
            Wanted::AsPublished if old.is_none() => return Err(Refused::Unknown),
            Wanted::AsPublished => {
                lay(all, wish.kind, &name, published.cloned());
                To::AsPublished
            }
        };
        Ok(DraftChange { kind: wish.kind.word(), name, to })
    }

    /// One item among `all`, of whose `faults` its own are told.
    pub(super) fn told(&self, all: &SetBody, faults: &[Fault], kind: Kind, name: &str) -> Told {
        let draft = self.draft(kind, name);
        let lead = format!("{}s.{name}", kind.word());
        let is_own = |fault: &&Fault| {
            fault
                .at
                .strip_prefix(&lead)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let faults = faults.iter().filter(is_own).cloned().collect();
        let entries = all.chains.iter().filter(|(_, chain)| {
            let rules = chain.get("rules").and_then(serde_json::Value::as_array);
            rules.into_iter().flatten().any(|rule| rule == name)
        });
        let entries = match kind {
            Kind::Rule => entries.map(|(entry, _)| entry.clone()).collect(),
            Kind::Chain => Vec::new(),
        };
        let body = all.of(kind).get(name);
        let compared = match kind {
            Kind::Rule => body.map(|body| compared(name, body)).unwrap_or_default(),
            Kind::Chain => Vec::new(),
        };
        Told {
            kind,
            name: name.to_owned(),
            published: self.set.of(kind).get(name).cloned(),
            draft: draft.map(|draft| read(draft.body.as_deref())),
            version: draft.map_or(0, |draft| draft.version),
            tag: tag_of(draft, self.set.of(kind).get(name)),
            changed: draft.map(|draft| (draft.changed_at, draft.changed_by.clone())),
            entries,
            compared,
            faults,
            warnings: Vec::new(),
        }
    }
}

/// By what an item is known to have changed: its draft's version, else what is in force.
fn tag_of(draft: Option<&Draft>, published: Option<&Body>) -> String {
    match (draft, published) {
        (Some(draft), _) => format!("d{}", draft.version),
        (None, Some(body)) => {
            let text = serde_json::to_string(body).unwrap_or_default();
            format!("p{:016x}", form::hash(text.bytes()))
        }
        (None, None) => String::new(),
    }
}

/// A field that is null is one that is not there.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_nulls);
            fields.retain(|_, value| !value.is_null());
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// What each value of a rule is compared as.
fn compared(name: &str, body: &Body) -> Vec<(String, &'static str)> {
    let Ok(read) = form::rule(name, body) else { return Vec::new() };
    let lines = read.rule.lines.iter().enumerate();
    lines
        .flat_map(|(at, line)| {
            let one = line.conditions.len() == 1;
            line.conditions.iter().enumerate().map(move |(n, condition)| {
                let place =
                    if one { format!("lines[{at}]") } else { format!("lines[{at}].all[{n}]") };
                let as_what = domain::rules::Comparison::of(condition.operator, &condition.values);
                (place, as_what.as_str())
            })
        })
        .collect()
}

pub(super) fn lay(set: &mut SetBody, kind: Kind, name: &str, body: Option<Body>) {
    match body {
        Some(body) => drop(set.of_mut(kind).insert(name.to_owned(), body)),
        None => drop(set.of_mut(kind).remove(name)),
    }
}

pub(super) fn read(body: Option<&[u8]>) -> Option<Body> {
    body.and_then(|body| serde_json::from_slice(body).ok())
}
