//! Secrets of connections that were made by API: they come in as texts and never go out.
//!
//! A change that leaves a secret out keeps it, but only where it goes on being used for the
//! same: else whoever may change a connection could send its secret to a host of theirs.
//! For the same reason nothing here is read from the server's files or environment.

use super::item::Body;
use crate::config::{Mistake, SecretSource};
use kit::manifest::{Kind, Manifest};
use kit::{Secret, Settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is shown of a secret.
pub fn set() -> Value {
    json!({ "set": true })
}

fn manifest(connector: &str) -> Option<Manifest> {
    connectors::by_name(connector).map(|connector| connector.manifest)
}

/// Names of the settings that are secrets; `None` where the connector is not known.
pub fn secrets_of(connector: &str) -> Option<BTreeSet<String>> {
    let settings = manifest(connector)?.settings.into_iter();
    Some(settings.filter(|one| one.kind == Kind::Secret).map(|one| one.name).collect())
}

fn connector_of(body: &Body) -> &str {
    body.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn settings_of(body: &Body) -> Option<&Body> {
    body.get("settings").and_then(Value::as_object)
}

/// Of secrets only that they are set; of an unknown connector everything may be one.
pub fn hide(body: &mut Body) {
    let secrets = secrets_of(connector_of(body));
    let Some(Value::Object(settings)) = body.get_mut("settings") else { return };
    for (name, value) in settings {
        if secrets.as_ref().is_none_or(|secrets| secrets.contains(name)) {
            *value = set();
        }
    }
}

/// Puts the secrets of `before` where `body` leaves them out. Names of those that were
/// left out and could not be kept, because their use has changed.
pub fn keep(body: &mut Body, before: Option<&Body>) -> BTreeSet<String> {
    let Some(secrets) = secrets_of(connector_of(body)) else { return BTreeSet::new() };
    let is_same = before.is_some_and(|before| uses(body, &secrets) == uses(before, &secrets));
    let mut lost = BTreeSet::new();
    let had = before.and_then(settings_of).cloned().unwrap_or_default();
    let settings = body.entry("settings").or_insert_with(|| Body::new().into());
    let Value::Object(settings) = settings else { return lost };
    for name in secrets {
        let is_left_out = settings.get(&name).is_none_or(|value| *value == set());
        match had.get(&name) {
            Some(secret) if is_left_out && is_same => {
                settings.insert(name, secret.clone());
            }
            Some(_) if is_left_out => {
                lost.insert(name);
            }
            _ => {}
        }
    }
    lost
}

/// What a secret is used for: the connector and every setting but which data are read.
fn uses<'a>(body: &'a Body, secrets: &BTreeSet<String>) -> Vec<(&'a str, &'a Value)> {
    let settings = settings_of(body).into_iter().flatten();
    let plain = settings
        .filter(|(name, value)| !secrets.contains(*name) && *name != "data" && !value.is_null());
    let mut uses: Vec<_> = plain.map(|(name, value)| (name.as_str(), value)).collect();
    uses.extend(body.get("type").map(|value| ("", value)));
    uses.sort_by_key(|(name, _)| *name);
    uses
}

/// The settings with their secrets apart, and every mistake that the manifest cannot see.
pub fn read(at: &str, connector: &str, given: Body) -> (Settings, Vec<Mistake>) {
    let (mut settings, mut mistakes) = (Settings::default(), Vec::new());
    let manifest = manifest(connector);
    for (name, value) in given {
        let at = format!("{at}.settings.{name}");
        let about = manifest.as_ref().and_then(|all| all.settings.iter().find(|s| s.name == name));
        let kind = about.map(|setting| setting.kind);
        match (kind, value) {
            (_, Value::Null) => {}
            (Some(Kind::Secret), Value::String(text)) if !text.trim().is_empty() => {
                settings.secrets.insert(name, Secret::new(text.trim().to_owned()));
            }
            (Some(Kind::Secret), value) if value == set() => {
                let message = "nothing is set that could be kept.";
                mistakes.push(Mistake::new(at, message, "Send the secret itself, as text."));
            }
            (Some(Kind::Secret), value) => mistakes.push(wrong_secret(at, &value)),
            (kind, value)
                if !matches!(kind, Some(Kind::Map | Kind::Tables)) && is_source(&value) =>
            {
                mistakes.push(wrong_secret(at, &value));
            }
            (_, _) if about.is_some_and(|setting| setting.on_this_machine) => {
                let message = "names something on the server's own machine.";
                let fix = "Set up this connection in tieline.toml.";
                mistakes.push(Mistake::new(at, message, fix));
            }
            (_, value) => match toml::Value::try_from(value) {
                Ok(value) => {
                    settings.plain.insert(name, value);
                }
                Err(_) => {
                    let message = "has a value that cannot be kept.";
                    mistakes.push(Mistake::new(at, message, "Leave null out of lists."));
                }
            },
        }
    }
    (settings, mistakes)
}

fn wrong_secret(at: String, value: &Value) -> Mistake {
    if is_source(value) {
        let message = "only tieline.toml names files and variables of the server.";
        return Mistake::new(at, message, "Send the secret itself, as text: it is kept encrypted.");
    }
    Mistake::new(at, "is a secret and no text, or empty.", "Send it as text, or leave it out.")
}

fn is_source(value: &Value) -> bool {
    let table = toml::Table::try_from(value).ok();
    table.is_some_and(|table| SecretSource::from_table(&table).is_some())
}

#[cfg(test)]
mod tests {
    use super::{hide, keep, read, set};
    use crate::settings::item::Body;
    use serde_json::{Value, json};

    fn body(login_url: &str, secret: Value) -> Body {
        let settings = json!({ "login_url": login_url, "client_id": "id", "client_secret": secret,
            "data": { "tier": "Tier__c" } });
        let body = json!({ "type": "salesforce", "settings": settings });
        body.as_object().expect("an object").clone()
    }

    #[test]
    fn a_secret_that_is_left_out_stays_where_its_use_stays() {
        let before = body("https://acme.my.salesforce.com", json!("hunter2"));
        for left_out in [set(), Value::Null] {
            let mut after = body("https://acme.my.salesforce.com", left_out.clone());
            after["settings"]["data"] = json!({});
            if left_out.is_null() {
                after["settings"].as_object_mut().expect("an object").remove("client_secret");
            }
            assert!(keep(&mut after, Some(&before)).is_empty());
            assert_eq!(after["settings"]["client_secret"], "hunter2");
        }
        let mut elsewhere = body("https://evil.example", set());
        assert!(keep(&mut elsewhere, Some(&before)).contains("client_secret"));
        assert_eq!(elsewhere["settings"]["client_secret"], set());
        let mut another = body("https://acme.my.salesforce.com", set());
        another.insert("type".to_owned(), "hubspot".into());
        keep(&mut another, Some(&before));
        assert!(!Value::Object(another).to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let mut shown = body("https://acme.my.salesforce.com", json!("hunter2"));
        hide(&mut shown);
        assert_eq!(shown["settings"]["client_secret"], set());
        assert_eq!(shown["settings"]["client_id"], "id");
        let mut unknown = body("https://acme.my.salesforce.com", json!("hunter2"));
        unknown.insert("type".to_owned(), "of_a_later_version".into());
        hide(&mut unknown);
        assert_eq!(unknown["settings"]["client_id"], set(), "it may be a secret there");
    }

    #[test]
    fn nothing_is_read_from_the_servers_files_or_environment() {
        for (connector, settings, key) in [
            ("salesforce", json!({ "client_secret": { "env": "HOME" } }), "client_secret"),
            ("salesforce", json!({ "client_secret": { "file": "/etc/passwd" } }), "client_secret"),
            ("salesforce", json!({ "client_id": { "file": "/etc/passwd" } }), "client_id"),
            ("sql", json!({ "engine": "sqlite", "file": "/var/lib/tieline.db" }), "file"),
            ("salesforce", json!({ "client_secret": set() }), "client_secret"),
            ("salesforce", json!({ "client_secret": 5 }), "client_secret"),
        ] {
            let given = settings.as_object().expect("an object").clone();
            let (_, mistakes) = read("connections.x", connector, given);
            let at: Vec<&str> = mistakes.iter().map(|mistake| mistake.at.as_str()).collect();
            assert_eq!(at, [format!("connections.x.settings.{key}")], "{settings}");
        }
        let data = json!({ "data": { "file": "File__c" } });
        let (settings, mistakes) =
            read("connections.x", "salesforce", data.as_object().expect("an object").clone());
        assert!(mistakes.is_empty() && settings.plain.contains_key("data"), "{mistakes:?}");
    }
}
