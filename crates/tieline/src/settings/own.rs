//! What routing rules bring of their own: an address that is asked in place of a CRM, or a
//! login to one. Each is an item of the store that becomes a connection of its own.
//!
//! Of a CRM with another login only that is kept: which connection, and the login. What the
//! connection is, is looked up whenever it is opened, so no secret of it is copied and no
//! file is read for whoever writes rules. The login goes where it was given for: where the
//! connection's settings (but `data`) are others since, it is left out until it is given
//! again, as a connection's own secrets are.

use super::assemble::{Fault, File};
use super::item::{Body, Item, Key, Kind};
use crate::config::load::together;
use crate::config::{Config, ConnectionSection, Loaded, Mistake};
use aws_lc_rs::digest;
use domain::Prefix;
use kit::{Secret, Settings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Of a rule's credentials.
const CREDENTIALS: [&str; 3] = ["username", "password", "token"];
const PLACES: [(&str, &str); 3] =
    [("{phone", "by_phone"), ("{email}", "by_email"), ("{record}", "by_record")];

/// What may be shown of one: never a credential.
pub fn shown(body: &Body) -> Body {
    let plain = ["rule", "crm", "url"];
    let mut shown: Body =
        body.iter().filter(|(name, _)| plain.contains(&name.as_str())).map(owned).collect();
    if CREDENTIALS.iter().any(|name| body.contains_key(*name)) {
        shown.insert("login".to_owned(), super::secrets::set());
    }
    shown
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn text<'a>(body: &'a Body, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn credentials(body: &Body) -> BTreeMap<String, Secret> {
    let given = CREDENTIALS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Secret::new(text(body, name)?.to_owned()))));
    given.collect()
}

/// For what a login to a connection of the store is given; empty for one of the file, which
/// only who may read the server's secrets can change.
fn uses(section: &ConnectionSection, settings: &Settings) -> String {
    let mut uses = section.connector.clone();
    for (name, value) in settings.plain.iter().filter(|(name, _)| *name != "data") {
        uses.push_str(&format!("\n{name}={value}"));
    }
    let digest = digest::digest(&digest::SHA256, uses.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl File {
    /// Everything with what rules have brought.
    pub(super) fn with_own(&self, loaded: Loaded, items: &[&Item]) -> Result<Loaded, Vec<Fault>> {
        let own: Vec<&Item> =
            items.iter().copied().filter(|item| item.kind == Kind::Rule).collect();
        if own.is_empty() {
            return Ok(loaded);
        }
        let (mut config, mut known) = (loaded.config.clone(), loaded.settings.clone());
        let mut faults = Vec::new();
        for item in &own {
            match self.opened_as(item, &loaded) {
                Ok((section, settings)) => {
                    config.connections.insert(item.name.clone(), section);
                    known.insert(item.name.clone(), settings);
                }
                Err(mistake) => faults.push(Fault { key: Some(item.key()), mistake }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut loaded = together(config, known).map_err(|all| self.faults(all, items))?;
        for item in own {
            let crm = item.body.as_ref().and_then(|body| text(body, "crm"));
            let prefix = crm.and_then(|crm| loaded.prefixes.get(crm).cloned());
            let own = || Prefix::new(&format!("R{}", item.name[6..].to_uppercase()));
            if let Some(prefix) = prefix.or_else(|| own().ok()) {
                loaded.prefixes.insert(item.name.clone(), prefix);
            }
        }
        Ok(loaded)
    }

    /// The section that an item stands for.
    fn opened_as(
        &self,
        item: &Item,
        loaded: &Loaded,
    ) -> Result<(ConnectionSection, Settings), Mistake> {
        let mistake = |at: &str, message: String, fix: &str| {
            Mistake::new(format!("{}.{at}", item.at()), message, fix)
        };
        let Some(body) = &item.body else {
            let fix = "Draft the rule again, with its login.";
            return Err(mistake("login", "what is stored cannot be read.".to_owned(), fix));
        };
        if loaded.config.connections.contains_key(&item.name) {
            let fix = "Give that connection another name.";
            return Err(mistake("url", "a connection is called as this rule's.".to_owned(), fix));
        }
        if let Some(url) = text(body, "url") {
            if !loaded.config.routing.allow_private_addresses
                && let Err(reason) = is_outside(url)
            {
                let fix = "Name a public host, or set routing.allow_private_addresses.";
                return Err(mistake("url", reason, fix));
            }
            let settings = of_url(url, body).map_err(|reason| {
                let fix = "Write https://HOST/PATH?who={phone}, or one place {email} or {record}.";
                mistake("url", reason, fix)
            })?;
            let section = section_of_url(&loaded.config, &settings);
            let section = section.map_err(|reason| mistake("url", reason, ""))?;
            return Ok((section, with_login(item, "custom_url", settings, body)?));
        }
        let crm = text(body, "crm").unwrap_or_default();
        let (Some(base), Some(settings)) =
            (loaded.config.connections.get(crm), loaded.settings.get(crm))
        else {
            let message = format!("names no connection: {crm}.");
            return Err(mistake("crm", message, "Name one that is configured."));
        };
        if self.uses_of(crm, base, settings) != text(body, "uses").unwrap_or_default() {
            let message = format!("{crm} is another since this login was given.");
            return Err(mistake("login", message, "Give username and password, or token, again."));
        }
        let section = ConnectionSection { prefix: None, ..base.clone() };
        Ok((section, with_login(item, &base.connector, settings.clone(), body)?))
    }

    fn uses_of(&self, name: &str, section: &ConnectionSection, settings: &Settings) -> String {
        match self.has(Kind::Connection, name) {
            true => String::new(),
            false => uses(section, settings),
        }
    }

    /// For what a login to this connection is given, as it is kept with it.
    pub(super) fn uses_now(&self, crm: &str, items: &[Item]) -> Option<String> {
        if self.has(Kind::Connection, crm) {
            return Some(String::new());
        }
        let item = items.iter().find(|item| item.kind == Kind::Connection && item.name == crm)?;
        match item.read().ok()? {
            super::item::Section::Connection(section, settings) => Some(uses(&section, &settings)),
            _ => None,
        }
    }

    /// Items whose login was given for what the connection is no longer: a change of it does
    /// not wait for them.
    pub(super) fn outdated(&self, items: &[Item]) -> BTreeSet<Key> {
        let outdated = items.iter().filter(|item| {
            let body = item.body.as_ref().filter(|_| item.kind == Kind::Rule);
            let crm = body.and_then(|body| text(body, "crm"));
            let now = crm.and_then(|crm| self.uses_now(crm, items));
            now.is_some_and(|now| body.and_then(|body| text(body, "uses")) != Some(&now))
        });
        outdated.map(Item::key).collect()
    }
}

/// What a connection was opened from: with another base it is opened anew.
pub(super) fn origin(item: &Item, items: &[&Item]) -> Body {
    let mut origin = item.body.clone().unwrap_or_default();
    let is_base = |one: &&&Item| {
        one.kind == Kind::Connection && base(item).is_some_and(|base| one.name == base)
    };
    if let Some(base) = items.iter().find(is_base) {
        let base = base.body.clone().unwrap_or_default();
        origin.insert("base".to_owned(), Value::Object(base));
    }
    origin
}

/// The connection that an item asks with another login.
pub(super) fn base(item: &Item) -> Option<&str> {
    item.body.as_ref().filter(|_| item.kind == Kind::Rule).and_then(|body| text(body, "crm"))
}

fn with_login(
    item: &Item,
    connector: &str,
    mut settings: Settings,
    body: &Body,
) -> Result<Settings, Mistake> {
    let given = credentials(body);
    if given.is_empty() {
        return Ok(settings);
    }
    let mistake = |at: &str, message: String, fix: String| {
        Err(Mistake::new(format!("{}.{at}", item.at()), message, fix))
    };
    let Some(manifest) = connectors::by_name(connector).map(|one| one.manifest) else {
        return mistake("crm", "names no connector.".to_owned(), String::new());
    };
    let is_token = given.contains_key("token");
    let (word, login) = match is_token {
        true => ("token", &manifest.login.token),
        false => ("username", &manifest.login.user),
    };
    let takes = format!("A rule's own login to it: {}.", manifest.login.words());
    let Some(login) = login else {
        let message = format!("{} takes no such login.", manifest.title);
        return mistake(word, message, takes);
    };
    match login.put(&given, &manifest, &mut settings) {
        Ok(()) => Ok(settings),
        Err(setting) => {
            let message = format!("the connection's `{setting}` admits no such login.");
            mistake(word, message, takes)
        }
    }
}

/// The settings of a source that is asked for one caller at a time.
fn of_url(url: &str, body: &Body) -> Result<Settings, String> {
    let rest = url.strip_prefix("https://").ok_or("does not start with https://.")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    if host.is_empty() || host.contains(['{', '}', '@']) {
        return Err("names no host, or holds a user or a place in it.".to_owned());
    }
    if target.contains('#') {
        return Err("has a # in it.".to_owned());
    }
    let mut target = target.replace("{phone}", "{phone.e164}");
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    let mut ways = PLACES.iter().filter(|(place, _)| target.contains(place)).map(|(_, way)| *way);
    let way = match (ways.next(), ways.next()) {
        (Some(_), Some(_)) => return Err("asks by several at once.".to_owned()),
        (Some(way), None) => way,
        (None, _) => {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str("phone={phone.e164}");
            "by_phone"
        }
    };
    let fields = body.get("fields").and_then(Value::as_array).into_iter().flatten();
    let data: toml::Table = fields
        .filter_map(Value::as_str)
        .map(|field| (field.to_owned(), pointer(field).into()))
        .collect();
    let mut settings = Settings::default();
    let plain = &mut settings.plain;
    plain.insert("base_url".to_owned(), format!("https://{host}").into());
    plain.insert(way.to_owned(), target.into());
    plain.insert("answers_for_asked".to_owned(), true.into());
    plain.insert("data".to_owned(), data.into());
    let key = text(body, "key").unwrap_or_default().to_owned();
    settings.secrets.insert("record_key".to_owned(), Secret::new(key));
    Ok(settings)
}

/// What a name leads to is looked at when it is asked; what is plain is told at once.
fn is_outside(url: &str) -> Result<(), String> {
    let end = url.find('{').unwrap_or(url.len());
    let parsed = reqwest::Url::parse(&url[..end]).map_err(|_| "is no address.".to_owned())?;
    kit::guard::check_host(&parsed).map_err(|reason| format!("{reason}."))
}

/// A field as it is written in a rule, as a JSON pointer: `customer.tier`, or one already.
fn pointer(field: &str) -> String {
    if field.starts_with('/') {
        return field.to_owned();
    }
    let parts = field.split('.').map(|part| part.replace('~', "~0").replace('/', "~1"));
    parts.map(|part| format!("/{part}")).collect()
}

fn section_of_url(config: &Config, settings: &Settings) -> Result<ConnectionSection, String> {
    let section = json!({
        "type": "custom_url",
        "allow_private_addresses": config.routing.allow_private_addresses,
    });
    let section: Result<ConnectionSection, _> = serde_json::from_value(section);
    let mut section = section.map_err(|error| error.to_string())?;
    section.settings = settings.plain.clone().into_iter().collect();
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::{of_url, pointer, shown};
    use crate::settings::item::Body;
    use serde_json::{Value, json};

    fn body(value: Value) -> Body {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn an_address_is_asked_by_the_place_in_it_or_by_the_number() {
        let none = body(json!({ "fields": ["tier", "a.b", "/x/y"], "key": "k" }));
        for (url, way, target) in [
            ("https://crm.example", "by_phone", "/?phone={phone.e164}"),
            ("https://crm.example/who?a=1", "by_phone", "/who?a=1&phone={phone.e164}"),
            ("https://crm.example:8443/who/{phone}", "by_phone", "/who/{phone.e164}"),
            ("https://crm.example/w?n={phone.national}", "by_phone", "/w?n={phone.national}"),
            ("https://crm.example?mail={email}", "by_email", "/?mail={email}"),
            ("https://crm.example/c/{record}", "by_record", "/c/{record}"),
        ] {
            let settings = of_url(url, &none).expect(url);
            assert_eq!(settings.text(way), Some(target), "{url}");
            assert!(settings.text("base_url").is_some_and(|base| !base.contains('{')), "{url}");
            let pairs = settings.pairs("data");
            let expected = [("/x/y", "/x/y"), ("a.b", "/a/b"), ("tier", "/tier")];
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(pairs, expected);
        }
        for url in [
            "http://crm.example",
            "https://",
            "https:///x",
            "https://u:p@crm.example/x",
            "https://{phone}.example/",
            "https://crm.example/#{phone}",
            "https://crm.example/{phone}/{email}",
        ] {
            assert!(of_url(url, &none).is_err(), "{url}");
        }
        assert_eq!(pointer("a~b/c.d"), "/a~0b~1c/d");
    }

    #[test]
    fn nothing_of_a_login_is_shown_but_that_it_is_set() {
        let own = body(json!({
            "rule": "Gold", "crm": "desk", "uses": "x", "login": "1", "username": "u", "password": "p",
        }));
        let expected = json!({ "rule": "Gold", "crm": "desk", "login": { "set": true } });
        assert_eq!(Value::Object(shown(&own)), expected);
    }
}
