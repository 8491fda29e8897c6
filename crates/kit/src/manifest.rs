//! A connector's facts, read from the `manifest.toml` beside its code.
//!
//! Facts only: no conditions, no loops, no expressions. What needs an `if` is
//! Rust in the same folder.

use crate::{Secret, Settings, modules};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The facts of one vendor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The word a connection's `type` says, e.g. `custom_url`.
    pub name: String,
    /// The vendor's product as its users call it.
    pub title: String,
    /// What it is for, in one sentence of the documentation.
    pub about: String,
    pub limits: Defaults,
    /// It owns conversations, so other things are expected of it than of a CRM.
    #[serde(default)]
    pub is_contact_center: bool,
    /// The capabilities that the vendor's kind has and this connector has not, each with the
    /// vendor's fact that forbids it. The contract suite compares it with what is opened.
    #[serde(default)]
    pub absent: BTreeMap<String, String>,
    /// Scopes that each capability needs, in the vendor's own words, where it tells what
    /// was granted.
    #[serde(default)]
    pub scopes: BTreeMap<String, Vec<String>>,
    /// Capabilities that calls do without: a scope of theirs that was not granted is warned of.
    #[serde(default)]
    pub optional: Vec<String>,
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Settings that say what an answer's `data` carries: name = the vendor's field. `*`:
    /// there may be names that only the answer tells.
    #[serde(default)]
    pub data_settings: Vec<String>,
    /// The same of an account that a record of another system is linked to.
    #[serde(default)]
    pub account_data_settings: Vec<String>,
    /// Which of the vendor's objects are a rule's leads, contacts and accounts.
    #[serde(default)]
    pub modules: modules::Facts,
    /// Which settings a routing rule's own login is put into, in place of the connection's.
    #[serde(default)]
    pub login: Logins,
    #[serde(default)]
    pub privacy: Privacy,
}

/// The logins that a rule may bring; none where the vendor's is of another kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logins {
    /// By user name and password.
    pub user: Option<Login>,
    /// By a token.
    pub token: Option<Login>,
}

/// One way to log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Which setting takes it: `username` and `password`, or `token`, = setting.
    pub settings: BTreeMap<String, String>,
    /// The setting that says how to log in, and its values with which this is the way. Where
    /// the connection has another, the first is set.
    #[serde(default)]
    pub with: Option<(String, Vec<String>)>,
    /// Likewise, but where the connection has another, it takes no such login.
    #[serde(default)]
    pub only_with: Option<(String, Vec<String>)>,
}

impl Logins {
    /// The ways there are, in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match (&self.user, &self.token) {
            (Some(_), Some(_)) => "username and password, or token",
            (Some(_), None) => "username and password",
            (None, Some(_)) => "token",
            (None, None) => "none: make a connection with another login, and name it as crm",
        }
    }
}

impl Login {
    /// Puts the credentials into `settings`, in place of what is there.
    ///
    /// # Errors
    /// The setting whose value admits no such login.
    pub fn put(
        &self,
        credentials: &BTreeMap<String, Secret>,
        manifest: &Manifest,
        settings: &mut Settings,
    ) -> Result<(), String> {
        let of = |settings: &Settings, key: &str| {
            let known = manifest.settings.iter().find(|setting| setting.name == key);
            let text = settings.text(key).map(str::to_owned);
            text.or_else(|| known?.default.clone()).unwrap_or_default()
        };
        if let Some((key, values)) = &self.only_with
            && !values.contains(&of(settings, key))
        {
            return Err(key.clone());
        }
        if let Some((key, values)) = &self.with
            && !values.contains(&of(settings, key))
            && let Some(first) = values.first()
        {
            settings.plain.insert(key.clone(), first.clone().into());
        }
        for (word, setting) in &self.settings {
            let Some(credential) = credentials.get(word) else { continue };
            let known = manifest.settings.iter().find(|one| one.name == *setting);
            if known.is_some_and(|one| one.kind == Kind::Secret) {
                settings.secrets.insert(setting.clone(), credential.clone());
            } else {
                settings.plain.insert(setting.clone(), credential.reveal().into());
            }
        }
        Ok(())
    }
}

/// Which personal data go to the vendor and come from it. The contract suite holds it to
/// what is really sent, and a test of each connector to what is really asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Settings with the address of the system that holds the data; the first that is set,
    /// or has a default, counts.
    pub hosts: Vec<String>,
    /// The setting that says in which region the data lie, where the address tells.
    pub region: Option<String>,
    /// What people are asked for by: `phone`, `email`, `record`.
    pub asks: Vec<String>,
    /// Fields that are read, in the vendor's words.
    pub reads: Vec<String>,
    /// Settings whose values are further fields to read.
    pub reads_settings: Vec<String>,
    /// Every field that is written, as its path in the request, and what it is:
    /// [`TECHNICAL`] where it says nothing of a person.
    pub sends: BTreeMap<String, String>,
}

/// What a field is that says nothing of a person.
pub const TECHNICAL: &str = "technical";

/// What a CRM or another system that knows customers may be able to do.
pub const OF_CRMS: [&str; 7] =
    ["lookup", "accounts", "changes", "writes", "journal", "requests", "sign_in"];
/// What a contact center may be able to do.
pub const OF_CONTACT_CENTERS: [&str; 8] = [
    "contact_center",
    "calls",
    "history",
    "destinations",
    "changes",
    "writes",
    "requests",
    "sign_in",
];

/// Limits a connection has unless its configuration says otherwise.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Requests a minute over all uses of the connection.
    pub requests_per_minute: u32,
    /// Of these, how many the last background request leaves to calls.
    pub reserved_for_calls: u32,
    /// Requests under way at once for calls.
    pub concurrent_calls: u32,
    /// Requests under way at once for everything else.
    pub concurrent_background: u32,
    /// When a request is given up, in milliseconds. A call's deadline is shorter;
    /// a late answer still feeds the directory.
    pub timeout_ms: u64,
}

/// One setting a connection of this vendor takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub name: String,
    pub kind: Kind,
    #[serde(default)]
    pub required: bool,
    /// Required only when the other setting has the value, set or by default: `auth = "jwt_bearer"`.
    #[serde(default)]
    pub required_if: Option<(String, String)>,
    /// The values allowed, for a closed set.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// What holds when it is absent, as the documentation prints it.
    #[serde(default)]
    pub default: Option<String>,
    /// It names something on the server's own machine: only the configuration file sets it.
    #[serde(default)]
    pub on_this_machine: bool,
    pub help: String,
}

/// The form of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Text,
    /// `{ env = "NAME" }` or `{ file = "PATH" }`, never in clear.
    Secret,
    /// An absolute `http(s)` address.
    Url,
    Flag,
    Number,
    /// A list of texts.
    List,
    /// A table of name → text.
    Map,
    /// A table of name → table, whose keys the connector knows.
    Tables,
}

/// What is wrong with one setting and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub message: String,
    pub fix: String,
}

impl Manifest {
    /// Reads a manifest that is part of the program.
    ///
    /// # Panics
    /// When it is malformed: a programming mistake that any test run shows.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("a manifest is malformed: {error}"))
    }

    /// The capabilities that are expected of a vendor of this kind, by name.
    #[must_use]
    pub fn expected(&self) -> &'static [&'static str] {
        if self.is_contact_center { &OF_CONTACT_CENTERS } else { &OF_CRMS }
    }

    /// Every mistake in `settings`, all at once.
    #[must_use]
    pub fn problems(&self, settings: &Settings) -> Vec<Problem> {
        let given = settings.plain.keys().chain(settings.secrets.keys());
        let mut problems: Vec<Problem> = given
            .filter(|key| !self.settings.iter().any(|s| s.name == **key))
            .map(|key| self.unknown(key))
            .collect();
        problems.extend(
            self.settings
                .iter()
                .filter_map(|setting| setting.problem(settings, self.requires(setting, settings))),
        );
        problems
    }

    /// Must `setting` be there, given the others? Where another is absent, its default holds.
    fn requires(&self, setting: &Setting, settings: &Settings) -> bool {
        setting.required
            || setting.required_if.as_ref().is_some_and(|(key, value)| {
                let default = || {
                    let other = self.settings.iter().find(|s| s.name == *key)?;
                    other.default.as_deref()
                };
                settings.text(key).or_else(default) == Some(value)
            })
    }

    fn unknown(&self, key: &str) -> Problem {
        let names = self.settings.iter().map(|s| s.name.as_str());
        let nearest = names
            .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
        Problem {
            key: key.to_owned(),
            message: format!("{} has no setting `{key}`.", self.title),
            fix: format!("Did you mean `{}`?", nearest.unwrap_or_default()),
        }
    }
}

impl Setting {
    fn problem(&self, settings: &Settings, is_required: bool) -> Option<Problem> {
        let (message, fix) = self.mistake(settings, is_required)?;
        Some(Problem { key: self.name.clone(), message, fix })
    }

    /// What is wrong with the value, and its mend.
    fn mistake(&self, settings: &Settings, is_required: bool) -> Option<(String, String)> {
        let name = &self.name;
        let set_it = format!("Set it: {}", self.help);
        if settings.secrets.contains_key(name) {
            return None;
        }
        let Some(value) = settings.plain.get(name) else {
            return is_required.then(|| (format!("`{name}` is required."), set_it));
        };
        if self.kind == Kind::Secret {
            let fix =
                format!("Write {name} = {{ env = \"NAME\" }} or {name} = {{ file = \"PATH\" }}.");
            return Some((format!("`{name}` is a secret and stands in clear."), fix));
        }
        if !self.kind.fits(value) {
            let (found, wanted) = (value.type_str(), self.kind.as_str());
            return Some((format!("`{name}` is {found} and must be {wanted}."), set_it));
        }
        let text = value.as_str().unwrap_or_default();
        let is_closed = !self.one_of.is_empty();
        (is_closed && !self.one_of.iter().any(|allowed| allowed == text)).then(|| {
            (
                format!("`{name}` cannot be `{text}`."),
                format!("One of: {}.", self.one_of.join(", ")),
            )
        })
    }
}

impl Kind {
    fn fits(self, value: &toml::Value) -> bool {
        match self {
            Self::Text => value.is_str(),
            Self::Url => value.as_str().is_some_and(|text| {
                url::Url::parse(text)
                    .is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
            }),
            Self::Secret => false,
            Self::Flag => value.is_bool(),
            Self::Number => value.as_integer().is_some_and(|n| n >= 0),
            Self::List => value.as_array().is_some_and(|list| list.iter().all(toml::Value::is_str)),
            Self::Map => {
                value.as_table().is_some_and(|table| table.values().all(toml::Value::is_str))
            }
            Self::Tables => {
                value.as_table().is_some_and(|table| table.values().all(toml::Value::is_table))
            }
        }
    }

    /// The form in words, for messages and the reference.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Secret => "a secret ({ env = … } or { file = … })",
            Self::Url => "an http(s) address",
            Self::Flag => "true or false",
            Self::Number => "a whole number, zero or more",
            Self::List => "a list of texts",
            Self::Map => "a table of texts",
            Self::Tables => "a table of tables",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use crate::{Secret, Settings};

    const TEXT: &str = r#"
        name = "acme"
        title = "Acme CRM"
        about = "A CRM."
        [limits]
        requests_per_minute = 60
        reserved_for_calls = 10
        concurrent_calls = 4
        concurrent_background = 2
        timeout_ms = 1000
        [[settings]]
        name = "base_url"
        kind = "url"
        required = true
        help = "the address"
        [[settings]]
        name = "auth"
        kind = "text"
        one_of = ["basic", "jwt"]
        help = "how to log in"
        [[settings]]
        name = "key"
        kind = "secret"
        required_if = ["auth", "jwt"]
        help = "the private key"
    "#;

    fn check(plain: &str, secrets: &[&str], expected: &[(&str, &str)]) {
        let plain: toml::Table = plain.parse().expect("toml");
        let settings = Settings {
            plain: plain.into_iter().collect(),
            secrets: secrets.iter().map(|k| ((*k).to_owned(), Secret::new("s".into()))).collect(),
        };
        let problems = Manifest::parse(TEXT).problems(&settings);
        let got: Vec<_> = problems.iter().map(|p| (p.key.as_str(), p.message.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn every_mistake_is_told_at_once_and_by_name() {
        check("base_url = 'https://x.example'", &[], &[]);
        check(
            "base_ulr = 'x'\nauth = 'jwt'",
            &[],
            &[
                ("base_ulr", "Acme CRM has no setting `base_ulr`."),
                ("base_url", "`base_url` is required."),
                ("key", "`key` is required."),
            ],
        );
        check(
            "base_url = 'ftp://x'\nauth = 'magic'",
            &[],
            &[
                ("base_url", "`base_url` is string and must be an http(s) address."),
                ("auth", "`auth` cannot be `magic`."),
            ],
        );
    }

    #[test]
    fn what_a_default_requires_is_required() {
        let text = TEXT.replace(
            "one_of = [\"basic\", \"jwt\"]",
            "one_of = [\"basic\", \"jwt\"]\n        default = \"jwt\"",
        );
        let settings = Settings {
            plain: [("base_url".to_owned(), "https://x.example".into())].into(),
            ..Settings::default()
        };
        let problems = Manifest::parse(&text).problems(&settings);
        let keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["key"]);
    }

    #[test]
    fn a_login_of_ones_own_takes_the_place_of_the_connections() {
        let facts = "[login.user]\nsettings = { username = 'user', password = 'key' }\nwith = ['auth', ['jwt', 'other']]";
        let text = TEXT.replace("[[settings]]\n        name = \"base_url\"", &format!("{facts}\n[[settings]]\nname = 'user'\nkind = 'text'\nhelp = 'x'\n[[settings]]\nname = 'base_url'"));
        let manifest = Manifest::parse(&text);
        let secret = |text: &str| Secret::new(text.to_owned());
        let given =
            [("username".to_owned(), secret("ann")), ("password".to_owned(), secret("hers"))]
                .into();
        let login = manifest.login.user.clone().expect("a way");
        for (auth, expected) in [("basic", "jwt"), ("other", "other")] {
            let mut settings = Settings {
                plain: [("auth".to_owned(), auth.into()), ("user".to_owned(), "bob".into())].into(),
                secrets: [("key".to_owned(), secret("his"))].into(),
            };
            login.put(&given, &manifest, &mut settings).expect("it takes it");
            assert_eq!(
                (settings.text("auth"), settings.text("user")),
                (Some(expected), Some("ann"))
            );
            assert_eq!(settings.secret("key").expect("a key").reveal(), "hers");
            let only = super::Login { only_with: login.with.clone(), with: None, ..login.clone() };
            let mut settings =
                Settings { plain: [("auth".to_owned(), auth.into())].into(), ..settings };
            let put = only.put(&given, &manifest, &mut settings);
            assert_eq!(put, if auth == "basic" { Err("auth".to_owned()) } else { Ok(()) });
        }
        assert_eq!(manifest.login.words(), "username and password");
    }

    #[test]
    fn a_secret_in_clear_is_refused() {
        check(
            "base_url = 'https://x.example'\nkey = 'abc'",
            &[],
            &[("key", "`key` is a secret and stands in clear.")],
        );
        check("base_url = 'https://x.example'", &["key"], &[]);
    }

    #[test]
    fn an_unknown_setting_is_told_the_nearest_name() {
        let settings = Settings {
            plain: "bse_url = 'x'".parse::<toml::Table>().expect("toml").into_iter().collect(),
            ..Settings::default()
        };
        let problems = Manifest::parse(TEXT).problems(&settings);
        assert_eq!(problems[0].fix, "Did you mean `base_url`?");
    }
}
