//! Actions and how queues are served, checked as far as the file alone tells. What a
//! vendor's query language says of a place is seen when its connection is open.

use super::Check;
use crate::config::actions::{ActionSection, QueueMode, value};
use crate::config::mistakes::nearest;
use crate::config::{Config, QueueSection};
use domain::Value;
use engine::actions::fields::{Kind, Path};
use engine::actions::{FIXED, PERSON, STANDARD};
use kit::Template;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What an enrichment answers, by name: its type.
pub type Fields = BTreeMap<String, Kind>;

impl Config {
    /// Fields of every enrichment: of the actions, and of the lookups of connections.
    pub fn enriched(&self) -> Fields {
        let mut fields: Fields = PERSON.iter().map(|n| ((*n).to_owned(), Kind::Text)).collect();
        for section in self.connections.values() {
            let data = section.settings.get("data").and_then(toml::Value::as_table);
            fields.extend(data.into_iter().flatten().map(|(name, _)| (name.clone(), Kind::Text)));
        }
        for action in self.actions.values() {
            fields.extend(action.fields.iter().map(|(n, field)| (n.clone(), field.kind.into())));
        }
        fields.retain(|name, _| !FIXED.iter().any(|(fixed, _)| fixed == name));
        fields
    }

    /// The connection of a queue: its own, else its action's where that names callers, else
    /// that of queues which nobody named.
    pub fn connection_of<'a>(&'a self, queue: &'a QueueSection) -> &'a str {
        if let Some(connection) = &queue.connection {
            return connection;
        }
        let action = queue.action.as_ref().and_then(|name| self.actions.get(name));
        let names_callers = |name: &&str| {
            self.connections.get(*name).is_some_and(|section| section.prefix.is_some())
        };
        let of_action = action.map(|action| action.connection.as_str()).filter(names_callers);
        of_action.unwrap_or(&self.lookup.default_connection)
    }
}

/// Names that a template may have.
pub fn known(action: &ActionSection) -> BTreeSet<String> {
    let standard = STANDARD.iter().map(|(name, _)| (*name).to_owned());
    standard.chain(action.inputs.keys().cloned()).collect()
}

/// As a contact center's contracts take them.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

const NAME_FIX: &str = "A letter, then letters, digits and `_`, at most 64.";

impl Check<'_> {
    pub(super) fn actions(&mut self, config: &Config, connections: &[&str]) {
        let mut types: BTreeMap<&str, (Kind, &str)> = BTreeMap::new();
        for (name, action) in &config.actions {
            let at = ["actions", name.as_str()];
            if !is_name(name) {
                self.mistake(&at, format!("`{name}` is no name of an action."), NAME_FIX);
            }
            if connections.contains(&name.as_str()) {
                let message = format!("`{name}` is a connection already.");
                self.mistake(&at, message, "A queue names one or the other: choose another.");
            }
            self.known(connections, &["actions", name, "connection"], &action.connection);
            self.action(name, action);
            for (field, section) in &action.fields {
                let kind = section.kind.into();
                match types.insert(field, (kind, name)) {
                    Some((other, of)) if other != kind => {
                        let at = ["actions", name, "fields", field];
                        let message = format!(
                            "`{field}` is {} here and {} in `{of}`.",
                            kind.as_str(),
                            other.as_str()
                        );
                        self.mistake(
                            &at,
                            message,
                            "Answers have the same keys and types: make them one.",
                        );
                    }
                    _ => {}
                }
            }
        }
        self.serving(config, connections);
    }

    fn action(&mut self, name: &str, action: &ActionSection) {
        for input in action.inputs.keys() {
            let at = ["actions", name, "inputs", input];
            if !is_name(input) {
                self.mistake(&at, format!("`{input}` is no name of a value."), NAME_FIX);
            }
            if STANDARD.iter().any(|(known, _)| known == input) {
                let message = format!("`{input}` is there without it.");
                self.mistake(&at, message, "Leave it out, or choose another name.");
            }
        }
        for (field, section) in &action.fields {
            let at = ["actions", name, "fields", field];
            if !is_name(field) {
                self.mistake(&at, format!("`{field}` is no name of a field."), NAME_FIX);
            }
            if FIXED.iter().any(|(fixed, _)| fixed == field) {
                let message = format!("`{field}` is Tieline's own key.");
                self.mistake(&at, message, "Choose another name.");
            }
            let path = ["actions", name, "fields", field, "path"];
            if let Err(reason) = Path::parse(&section.path) {
                self.mistake(
                    &path,
                    format!("it {reason}."),
                    "Write records.0.Name or /records/0/Name.",
                );
            }
            let kind: Kind = section.kind.into();
            if section.default.as_ref().is_some_and(|default| value(kind, default).is_none()) {
                let at = ["actions", name, "fields", field, "default"];
                let message = format!("is no {}.", kind.as_str());
                self.mistake(&at, message, "Write a value of the field's type.");
            }
        }
        for scope in &action.scopes {
            let is_word = !scope.is_empty() && scope.len() <= 200;
            if !(is_word && scope.bytes().all(|b| b.is_ascii_graphic())) {
                let message = format!("`{scope}` is no scope.");
                let fix = "Write each by itself, as the vendor does: scopes = [\"api\"].";
                self.mistake(&["actions", name, "scopes"], message, fix);
            }
        }
        if !(1..=60_000).contains(&action.timeout.0.as_millis()) {
            let at = ["actions", name, "timeout"];
            self.mistake(&at, "is 1ms to 60s.", "Leave it out for 2s.");
        }
        if let Some(cache) = &action.cache {
            let fits = (1..=100_000).contains(&cache.max)
                && cache.keep_for.0 <= Duration::from_secs(3_600);
            if !fits {
                let message = "keeps 1 to 100,000 answers, for at most 1h.";
                self.mistake(&["actions", name, "cache"], message, "Make it smaller.");
            }
            if !action.is_repeatable() {
                let message = "keeps answers of a request that changes something.";
                let fix = "Leave it out; or write repeatable = true where it changes nothing.";
                self.mistake(&["actions", name, "cache"], message, fix);
            }
        }
        // Without a language: what a vendor's own says is told when its connection is open.
        if let Err(problems) = Template::read(&action.draft(), &known(action), &|_| None) {
            for problem in problems {
                let path: Vec<&str> =
                    ["actions", name].into_iter().chain(problem.key.splitn(2, '.')).collect();
                self.mistake(&path, problem.message, problem.fix);
            }
        }
    }

    /// What serves each queue.
    fn serving(&mut self, config: &Config, connections: &[&str]) {
        let fields = config.enriched();
        for (index, queue) in config.queues.iter().enumerate() {
            let index = index.to_string();
            if let Some(name) = &queue.action {
                if !config.actions.contains_key(name) {
                    let fix = nearest(name, config.actions.keys().map(String::as_str)).map_or_else(
                        || format!("Add [actions.{name}]."),
                        |near| format!("Did you mean `{near}`?"),
                    );
                    let message = format!("there is no action `{name}`.");
                    self.mistake(&["queues", &index, "action"], message, fix);
                }
            } else if queue.connection.is_none() {
                let message = "names neither a connection nor an action.";
                self.mistake(
                    &["queues", &index],
                    message,
                    "Write connection = \"…\" or action = \"…\".",
                );
            }
            self.fallback(config, connections, &index, queue);
            for (field, given) in &queue.otherwise {
                let fits = fields.get(field).is_some_and(|kind| value(*kind, given).is_some());
                if !fits {
                    let near = nearest(field, fields.keys().map(String::as_str));
                    let fix = near.map_or_else(
                        || "Name a field of an action or a name of settings.data.".to_owned(),
                        |near| format!("Did you mean `{near}`? Its value has the field's type."),
                    );
                    let at = ["queues", &index, "otherwise"];
                    self.mistake(&at, format!("`{field}` is no field with such a value."), fix);
                }
            }
        }
    }

    fn fallback(
        &mut self,
        config: &Config,
        connections: &[&str],
        index: &str,
        queue: &QueueSection,
    ) {
        let own = queue.action.as_deref().unwrap_or_else(|| config.connection_of(queue));
        if let Some(other) = queue.fallback_crm.as_deref() {
            let at = ["queues", index, "fallback_crm"];
            if !connections.contains(&other) && !config.actions.contains_key(other) {
                let names = connections.iter().copied();
                let all = names.chain(config.actions.keys().map(String::as_str));
                let fix = nearest(other, all).map_or_else(
                    || "Name one.".to_owned(),
                    |near| format!("Did you mean `{near}`?"),
                );
                let message = format!("there is no connection and no action `{other}`.");
                self.mistake(&at, message, fix);
            }
            if other == own {
                let message = "is what serves the queue anyway.";
                self.mistake(&at, message, "Name another, or leave it out.");
            }
        }
        let changes = [Some(own), queue.fallback_crm.as_deref()];
        let changes = changes.into_iter().flatten().filter_map(|name| {
            config.actions.get(name).filter(|action| !action.is_repeatable()).map(|_| name)
        });
        for name in changes {
            if queue.mode == QueueMode::Async {
                let message = format!("`{name}` is sent again after a crash, and is no GET.");
                let fix = "Write repeatable = true in the action where that does no harm.";
                self.mistake(&["queues", index, "mode"], message, fix);
            }
        }
    }
}

/// Values of a queue where everything has failed; the file was checked.
pub fn otherwise(queue: &QueueSection, fields: &Fields) -> BTreeMap<String, Value> {
    let values = queue
        .otherwise
        .iter()
        .filter_map(|(name, given)| Some((name.clone(), value(*fields.get(name)?, given)?)));
    values.collect()
}
