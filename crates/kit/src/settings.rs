//! The settings of one connection, checked against its connector's manifest.

use crate::{Error, Secret};
use std::collections::BTreeMap;

/// Settings by the names the manifest gives them. Secrets lie apart and were
/// resolved before (from the environment, a file, or the vault).
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub plain: BTreeMap<String, toml::Value>,
    pub secrets: BTreeMap<String, Secret>,
}

impl Settings {
    /// The text under `key`, or `None` when it is absent or no text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.plain.get(key).and_then(toml::Value::as_str)
    }

    /// The text under `key`.
    ///
    /// # Errors
    /// `Invalid` naming the key when it is absent.
    pub fn required(&self, key: &str) -> Result<&str, Error> {
        self.text(key).ok_or_else(|| missing(key))
    }

    /// The secret under `key`.
    ///
    /// # Errors
    /// `Invalid` naming the key when it is absent.
    pub fn secret(&self, key: &str) -> Result<&Secret, Error> {
        self.secrets.get(key).ok_or_else(|| missing(key))
    }

    #[must_use]
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.plain.get(key).and_then(toml::Value::as_bool).unwrap_or(default)
    }

    #[must_use]
    pub fn number(&self, key: &str, default: u64) -> u64 {
        let number = self.plain.get(key).and_then(toml::Value::as_integer);
        number.and_then(|n| u64::try_from(n).ok()).unwrap_or(default)
    }

    /// The texts of a list; empty when it is absent.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<String> {
        let list = self.plain.get(key).and_then(toml::Value::as_array);
        let texts = list.into_iter().flatten().filter_map(toml::Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// The pairs of a table of texts, in the table's order; empty when absent.
    #[must_use]
    pub fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let table = self.plain.get(key).and_then(toml::Value::as_table);
        let pairs = table.into_iter().flatten();
        pairs.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    }

    /// The tables within a table, in its order, each as settings of its own; empty when absent.
    #[must_use]
    pub fn tables(&self, key: &str) -> Vec<(String, Self)> {
        let all = self.plain.get(key).and_then(toml::Value::as_table);
        let own = |(name, value): (&String, &toml::Value)| {
            let plain = value.as_table()?.clone().into_iter().collect();
            Some((name.clone(), Self { plain, ..Self::default() }))
        };
        all.into_iter().flatten().filter_map(own).collect()
    }
}

fn missing(key: &str) -> Error {
    Error::Invalid { field: Some(key.to_owned()), reason: "is required and not set".to_owned() }
}
