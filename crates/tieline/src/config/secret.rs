//! Where a secret is read from. It never stands in the file itself.

use kit::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;
use std::path::PathBuf;

/// `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl SecretSource {
    /// The secret itself, outer white space removed.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(format!("{} is empty", self.place()));
        }
        Ok(Secret::new(trimmed.to_owned()))
    }

    /// Where it is read from, for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The source a table names; `None` when the table is no source.
    pub fn from_table(table: &toml::Table) -> Option<Self> {
        let mut entries = table.iter();
        let (key, value) = entries.next()?;
        let text = value.as_str().filter(|_| entries.next().is_none())?;
        match key.as_str() {
            "env" => Some(Self::Env(text.to_owned())),
            "file" => Some(Self::File(text.into())),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const HELP: &str = "a secret is written { env = \"NAME\" } or { file = \"PATH\" }";
        let value = toml::Value::deserialize(deserializer)?;
        let source = value.as_table().and_then(Self::from_table);
        source.ok_or_else(|| de::Error::custom(HELP))
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "SecretSource".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "format": "secret" })
    }
    fn inline_schema() -> bool {
        true
    }
}
