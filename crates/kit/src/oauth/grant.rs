//! What a token endpoint answers when it gives a token.

use crate::vault::{Given, Renewed};
use crate::{Minted, Secret};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// A token endpoint's success (RFC 6749 §5.1), with what vendors add.
#[derive(Deserialize)]
pub struct Grant {
    /// The token.
    pub access_token: String,
    /// Seconds; absent at some vendors, a text at others.
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<u64>,
    /// Where to send requests, at vendors that say so.
    #[serde(default)]
    pub instance_url: Option<String>,
    /// Whose it is, at vendors that say so: an address.
    #[serde(default)]
    pub id: Option<String>,
    /// What the token is good for, in the vendor's words.
    #[serde(default)]
    pub scope: Option<String>,
    /// Everything else, such as a refresh token.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Grant {
    /// All of it but the token itself, by the vendor's names: to be kept.
    #[must_use]
    pub fn given(&self) -> Given {
        let mut given = self.rest.clone();
        let texts =
            [("instance_url", &self.instance_url), ("id", &self.id), ("scope", &self.scope)];
        for (name, text) in texts {
            given.extend(text.as_ref().map(|text| (name.to_owned(), text.as_str().into())));
        }
        given.extend(self.expires_in.map(|seconds| ("expires_in".to_owned(), seconds.into())));
        given
    }

    /// What buys the next token, at vendors that give one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<Secret> {
        self.rest.get("refresh_token")?.as_str().map(|token| Secret::new(token.to_owned()))
    }

    pub(super) fn renewed(self, lifetime_untold: Duration) -> Renewed {
        let given = self.given();
        let lifetime = self.expires_in.map_or(lifetime_untold, Duration::from_secs);
        let minted = Minted {
            value: Secret::new(self.access_token),
            lifetime,
            base_url: self.instance_url,
            scope: self.scope.unwrap_or_default(),
        };
        Renewed { minted, given }
    }
}

/// A whole number, also as a text; whatever else stands there says nothing.
fn seconds<'d, D: serde::Deserializer<'d>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()))
}

impl fmt::Debug for Grant {
    /// Never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("expires_in", &self.expires_in)
            .field("instance_url", &self.instance_url)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
