//! The section `[console]`: how people sign in.

use super::SecretSource;
use crate::http::Role;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The console for people.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// People sign in at an identity provider, besides users with passwords.
    pub oidc: Option<OidcSection>,
}

/// Sign-in at an identity provider, by OpenID Connect: authorization code with PKCE. Its redirect
/// URI is `public_url` with `/api/v1/session/oidc/done`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    /// As the provider writes it in `/.well-known/openid-configuration` below it.
    pub issuer: String,
    pub client_id: String,
    /// Absent for a public client.
    #[serde(default)]
    pub client_secret: Option<SecretSource>,
    /// Where browsers reach this server: `https://tieline.example.com`.
    pub public_url: String,
    /// Asked for, besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that says what somebody is: a text or a list.
    #[serde(default = "role_claim")]
    pub role_claim: String,
    /// By role, values of that claim. Of several that fit, the one that may most.
    #[serde(default)]
    pub roles: BTreeMap<Role, Vec<String>>,
    /// For whoever none of them fits; without it they are not let in.
    #[serde(default)]
    pub default_role: Option<Role>,
    /// Loopback and private addresses may be asked: for a provider of one's own.
    #[serde(default)]
    pub allow_private_addresses: bool,
}

fn scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).into()
}

fn role_claim() -> String {
    "groups".to_owned()
}
