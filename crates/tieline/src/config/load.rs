//! Reads the file, lays the environment over it, and checks the whole.

pub mod actions;
mod beside;
mod formats;
mod modules;

use super::mistakes::{line_of, line_of_key, nearest};
use super::{Config, ConnectionSection, Mistake, Mistakes, SecretSource};
use domain::{Prefix, Region, phone};
use kit::Settings;
use std::collections::BTreeMap;
use std::path::Path;

/// A configuration that can be started from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub region: Region,
    /// Each connection's settings, secrets read.
    pub settings: BTreeMap<String, Settings>,
    pub prefixes: BTreeMap<String, Prefix>,
}

/// Variables named like this lay over the file: `TIELINE_LOOKUP__DEADLINE`.
const ENVIRONMENT: &str = "TIELINE_";

/// Reads and checks `path`.
pub fn load(path: &Path) -> Result<Loaded, Mistakes> {
    let text = std::fs::read_to_string(path).map_err(|error| Mistakes {
        file: path.to_owned(),
        all: vec![Mistake {
            line: None,
            at: String::new(),
            message: format!("cannot be read: {error}"),
            fix: "Give the path with --config, or start from tieline.example.toml.".to_owned(),
        }],
    })?;
    let environment = std::env::vars().filter(|(name, _)| name.starts_with(ENVIRONMENT));
    load_text(&text, path, environment.collect())
}

/// Checks the text of a file with an environment over it.
pub fn load_text(
    text: &str,
    path: &Path,
    environment: Vec<(String, String)>,
) -> Result<Loaded, Mistakes> {
    let told = |all: Vec<Mistake>| Mistakes { file: path.to_owned(), all };
    let config: Config = toml::from_str(text).map_err(|e| told(vec![syntax(text, &e)]))?;
    let config = overlaid(text, config, environment).map_err(|m| told(vec![m]))?;
    whole(text, config, BTreeMap::new()).map_err(told)
}

/// Checks what the file says together with what was set by API, in the very same way.
/// `known`: settings of connections whose secrets are read already.
pub fn together(config: Config, known: BTreeMap<String, Settings>) -> Result<Loaded, Vec<Mistake>> {
    whole("", config, known)
}

fn whole(
    text: &str,
    config: Config,
    known: BTreeMap<String, Settings>,
) -> Result<Loaded, Vec<Mistake>> {
    let mut check = Check { text, known, mistakes: Vec::new() };
    let loaded = check.whole(config);
    loaded.filter(|_| check.mistakes.is_empty()).ok_or(check.mistakes)
}

/// What the TOML reader refused, with the nearest right name where one is meant.
fn syntax(text: &str, error: &toml::de::Error) -> Mistake {
    let message = error.message().to_owned();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let fix = match quoted.split_first() {
        Some((word, names)) if unknown => nearest(word, names.iter().copied()).map_or_else(
            || format!("Known here: {}.", names.join(", ")),
            |name| format!("Did you mean `{name}`?"),
        ),
        _ => "docs/reference/config.md lists every key.".to_owned(),
    };
    let line = error.span().map(|span| line_of(text, span.start));
    let at = quoted.first().filter(|_| unknown).map_or_else(String::new, |w| (*w).to_owned());
    Mistake { line, at, message, fix }
}

/// The file with the environment's values over it.
fn overlaid(
    text: &str,
    config: Config,
    environment: Vec<(String, String)>,
) -> Result<Config, Mistake> {
    let paths = environment.into_iter().filter_map(|(name, value)| {
        let path = name.strip_prefix(ENVIRONMENT)?.to_lowercase();
        path.contains("__").then_some((name, path, value))
    });
    let paths: Vec<_> = paths.collect();
    if paths.is_empty() {
        return Ok(config);
    }
    let mut table: toml::Table = toml::from_str(text).unwrap_or_default();
    for (_, path, value) in &paths {
        let parts: Vec<&str> = path.split("__").collect();
        set(&mut table, &parts, literal(value));
    }
    Config::deserialize_table(table).map_err(|error| {
        let names: Vec<&str> = paths.iter().map(|(name, _, _)| name.as_str()).collect();
        Mistake {
            line: None,
            at: names.join(", "),
            message: error.message().to_owned(),
            fix: "Correct or unset the environment variable.".to_owned(),
        }
    })
}

impl Config {
    fn deserialize_table(table: toml::Table) -> Result<Self, toml::de::Error> {
        table.try_into()
    }
}

/// A value of the environment as TOML where it is one, else as text.
fn literal(value: &str) -> toml::Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
    let value_of = |mut table: toml::Table| table.remove("value");
    parsed.ok().and_then(value_of).unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

fn set(table: &mut toml::Table, path: &[&str], value: toml::Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let entry = table.entry((*first).to_owned()).or_insert_with(|| toml::Table::new().into());
    if let toml::Value::Table(inner) = entry {
        set(inner, rest, value);
    }
}

/// Collects mistakes while it looks at the whole.
struct Check<'a> {
    text: &'a str,
    known: BTreeMap<String, Settings>,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, path: &[&str], message: impl Into<String>, fix: impl Into<String>) {
        self.mistakes.push(Mistake {
            line: line_of_key(self.text, path),
            at: path.join("."),
            message: message.into(),
            fix: fix.into(),
        });
    }

    fn whole(&mut self, config: Config) -> Option<Loaded> {
        let region = Region::parse(&config.lookup.default_region);
        if region.is_none() {
            let message = format!("`{}` is no region.", config.lookup.default_region);
            self.mistake(&["lookup", "default_region"], message, "Write US, DE, GB, …");
        }
        if config.lookup.store_reserve.0 * 2 > config.routing.deadline.0 {
            let message =
                "leaves next to nothing to ask the CRMs in: less than twice store_reserve.";
            self.mistake(&["routing", "deadline"], message, "Make it 100ms at least.");
        }
        if config.routing.decisions_per_call_max == 0 {
            let message = "lets no call through an IVR.";
            self.mistake(&["routing", "decisions_per_call_max"], message, "Write 1 at least.");
        }
        if config.lookup.store_reserve.0 >= config.lookup.deadline.0 {
            let message = "leaves nothing of the deadline to ask the CRM.";
            self.mistake(&["lookup", "store_reserve"], message, "Make it a tenth of the deadline.");
        }
        match (&config.store.location, &config.store.location_from) {
            (None, None) => self.mistake(
                &["store"],
                "`location` is required.",
                "Write location = \"sqlite:tieline.db\".",
            ),
            (Some(_), Some(_)) => self.mistake(
                &["store", "location_from"],
                "stands beside `location`.",
                "Keep one of the two.",
            ),
            _ => {}
        }
        if !(1..=1_000).contains(&config.reports.values_max) {
            let message = "is 1 to 1,000.";
            self.mistake(&["reports", "values_max"], message, "Leave it out for 100.");
        }
        let activity = &config.calls.activity;
        self.template(&["calls", "activity", "subject"], &activity.subject);
        self.template(&["calls", "activity", "body"], &activity.body);
        let reconcile = &config.reconcile;
        if let Err(reason) = engine::Schedule::new(&reconcile.at, &reconcile.time_zone) {
            let fix = "Write at = \"03:00\" and time_zone = \"Europe/Berlin\".";
            self.mistake(&["reconcile"], format!("{reason}."), fix);
        }
        if reconcile.since.0.is_zero() {
            let message = "looks back no time at all.";
            self.mistake(&["reconcile", "since"], message, "Write since = \"30h\".");
        }
        let names: Vec<&str> = config.connections.keys().map(String::as_str).collect();
        let default = config.lookup.default_connection.as_str();
        self.known(&names, &["lookup", "default_connection"], default);
        if let Some(platform) = &config.contact_center {
            self.known(&names, &["contact_center", "connection"], &platform.connection);
        }
        if let Some(region) = region {
            self.queues(&config, &names, region);
        }
        let mut settings = BTreeMap::new();
        for (name, section) in &config.connections {
            settings.extend(self.connection(name, section).map(|s| (name.clone(), s)));
            self.formats(name, section);
        }
        self.beside(&config, &names);
        self.actions(&config, &names);
        let prefixes = self.prefixes(&config);
        region.map(|region| Loaded { config, region, settings, prefixes })
    }

    /// A text whose placeholders are all known.
    fn template(&mut self, path: &[&str], text: &str) {
        let Err(word) = engine::Template::parse(text) else { return };
        let names = || engine::PLACEHOLDERS.iter().map(|(name, _)| *name);
        let fix = nearest(&word, names()).map_or_else(
            || format!("One of: {}.", names().collect::<Vec<_>>().join(", ")),
            |near| format!("Did you mean `{{{near}}}`?"),
        );
        self.mistake(path, format!("`{{{word}}}` stands for nothing."), fix);
    }

    fn known(&mut self, names: &[&str], path: &[&str], name: &str) {
        if names.contains(&name) {
            return;
        }
        let fix = nearest(name, names.iter().copied()).map_or_else(
            || format!("Add [connections.{name}]."),
            |near| format!("Did you mean `{near}`?"),
        );
        self.mistake(path, format!("there is no connection `{name}`."), fix);
    }

    fn queues(&mut self, config: &Config, names: &[&str], region: Region) {
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for (index, queue) in config.queues.iter().enumerate() {
            let index = index.to_string();
            if let Some(connection) = &queue.connection {
                self.known(names, &["queues", &index, "connection"], connection);
            }
            let mut words = vec![queue.name.to_lowercase()];
            words.extend(queue.ids.iter().map(|id| id.to_lowercase()));
            for did in &queue.dids {
                match phone::parse_stored(did, region) {
                    Some(phone) => words.push(phone.e164),
                    None => {
                        let message = format!("`{did}` is no telephone number.");
                        self.mistake(&["queues", &index, "dids"], message, "Write it as +E.164.");
                    }
                }
            }
            for word in words {
                if let Some(other) = taken.insert(word.clone(), &queue.name) {
                    let message = format!("`{word}` leads to `{other}` already.");
                    self.mistake(&["queues", &index], message, "A word leads to one queue.");
                }
            }
        }
    }

    /// The connection's settings with its secrets read, checked by its manifest.
    fn connection(&mut self, name: &str, section: &ConnectionSection) -> Option<Settings> {
        let all: Vec<_> = connectors::all().into_iter().map(|vendor| vendor.connector).collect();
        let Some(connector) = all.iter().find(|c| c.manifest.name == section.connector) else {
            let names: Vec<&str> = all.iter().map(|c| c.manifest.name.as_str()).collect();
            let fix = nearest(&section.connector, names.iter().copied()).map_or_else(
                || format!("One of: {}.", names.join(", ")),
                |n| format!("Did you mean `{n}`?"),
            );
            let message = format!("there is no connector `{}`.", section.connector);
            self.mistake(&["connections", name, "type"], message, fix);
            return None;
        };
        let settings = match self.known.remove(name) {
            Some(known) => known,
            None => self.read(name, section),
        };
        for problem in connector.manifest.problems(&settings) {
            // A secret that could not be read was told above.
            let unread = section.settings.contains_key(&problem.key)
                && problem.message.ends_with("is required.");
            if !unread {
                let path = ["connections", name, "settings", &problem.key];
                self.mistake(&path, problem.message, problem.fix);
            }
        }
        self.modules(name, section, &connector.manifest, &settings);
        Some(settings)
    }

    /// The settings as they are written, secrets read from where they lie.
    fn read(&mut self, name: &str, section: &ConnectionSection) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in &section.settings {
            match value.as_table().and_then(SecretSource::from_table) {
                Some(source) => match source.read() {
                    Ok(secret) => {
                        settings.secrets.insert(key.clone(), secret);
                    }
                    Err(reason) => self.mistake(
                        &["connections", name, "settings", key],
                        format!("{reason}."),
                        "Set it, or name another source.",
                    ),
                },
                None => {
                    settings.plain.insert(key.clone(), value.clone());
                }
            }
        }
        settings
    }

    /// Prefixes belong to one connection each.
    fn prefixes(&mut self, config: &Config) -> BTreeMap<String, Prefix> {
        let mut prefixes: BTreeMap<String, Prefix> = BTreeMap::new();
        for (name, section) in &config.connections {
            let path = ["connections", name, "prefix"];
            let Some(text) = &section.prefix else { continue };
            match Prefix::new(text) {
                Err(reason) => {
                    self.mistake(
                        &path,
                        format!("`{text}` cannot be a prefix: {reason}."),
                        "Write CRM, or SN.",
                    );
                }
                Ok(prefix) => {
                    if let Some((other, _)) = prefixes.iter().find(|(_, p)| **p == prefix) {
                        let message = format!("`{text}` belongs to `{other}` already.");
                        self.mistake(
                            &path,
                            message,
                            "An externalId must say whose it is: choose another.",
                        );
                    }
                    prefixes.insert(name.clone(), prefix);
                }
            }
        }
        let answering = config.queues.iter().map(|queue| config.connection_of(queue));
        let answering = answering.chain([config.lookup.default_connection.as_str()]);
        for name in answering.collect::<std::collections::BTreeSet<_>>() {
            let section = config.connections.get(name);
            if section.is_some_and(|section| section.prefix.is_none()) {
                let message = "`prefix` is required: this connection identifies callers.";
                self.mistake(&["connections", name], message, "Write prefix = \"CRM\".");
            }
        }
        prefixes
    }
}

#[cfg(test)]
mod tests;
