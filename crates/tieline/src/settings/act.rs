//! What the audit log is told of a change: who changed what, and of values nothing.

use super::Wish;
use super::item::{Body, Item, Kind};
use serde_json::Value;
use state::audit::Act;
use std::collections::{BTreeMap, BTreeSet};

/// Who changed what; of values nothing, so no secret either.
pub(super) fn act(wish: &Wish, item: &Item, before: Option<&Body>) -> Act {
    let mut details = BTreeMap::new();
    let action = match (&wish.body, before) {
        (None, _) => "settings.deleted",
        (Some(_), None) => "settings.made",
        (Some(_), Some(_)) => "settings.changed",
    };
    if let (Some(_), Some(after)) = (&wish.body, &item.body) {
        let (before, after) = (flat(before), flat(Some(after)));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
        let changed: Vec<&str> = changed.map(String::as_str).collect();
        details.insert("changed".to_owned(), changed.join(", "));
    }
    let subject = match item.kind {
        Kind::Rule => format!("connection {} of rule {}", item.name, item.of_rule()),
        kind => format!("{} {}", kind.word(), item.name),
    };
    Act { actor: wish.actor.clone(), action, subject, details }
}

/// Names of what is set, those of a connection's settings each by itself.
fn flat(body: Option<&Body>) -> BTreeMap<String, &Value> {
    let mut all = BTreeMap::new();
    for (name, value) in body.into_iter().flatten() {
        match value {
            Value::Object(inner) if name == "settings" => {
                all.extend(inner.iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => drop(all.insert(name.clone(), value)),
        }
    }
    all
}
