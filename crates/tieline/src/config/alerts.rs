//! The section `[alerts]`: who is told when something goes wrong, and when all is well again.

use super::{Period, SecretSource};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who is told when a token cannot be refreshed, a CRM is sick, a budget is at its floor, or
/// too many answers are late or partial; and when all is well again. Each once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsSection {
    /// Share of a connection's calls, in five minutes, above which late answers are told; 0 to 1.
    pub late_rate: f64,
    /// The same for calls that were answered without their CRM.
    pub partial_rate: f64,
    /// A trouble is over when it was not seen for so long: what comes and goes is one trouble.
    pub settle: Period,
    /// How often it is looked.
    pub every: Period,
    /// Where alerts are sent, by a name of your own. Without one nobody is told.
    pub channels: BTreeMap<String, ChannelSection>,
}

impl Default for AlertsSection {
    fn default() -> Self {
        Self {
            late_rate: 0.05,
            partial_rate: 0.2,
            settle: Period::ms(60_000),
            every: Period::ms(5_000),
            channels: BTreeMap::new(),
        }
    }
}

/// Somewhere that alerts are sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelSection {
    /// `webhook` (the alert as JSON), `slack` (what Slack and those like it take) or `email`.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Of a webhook: where it is posted.
    #[serde(default)]
    pub url: Option<String>,
    /// The address read from elsewhere, instead of `url`: who knows that of a Slack webhook may post.
    #[serde(default)]
    pub url_from: Option<SecretSource>,
    /// The value of the header `Authorization`, where the webhook wants one.
    #[serde(default)]
    pub authorization: Option<SecretSource>,
    /// Loopback and private addresses may be asked.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Of e-mail: the server's name.
    #[serde(default)]
    pub server: Option<String>,
    /// Its port; by default 587, with `tls` 465.
    #[serde(default)]
    pub port: Option<u16>,
    /// `starttls` (required, not merely tried), `tls` from the first byte, or `none`.
    #[serde(default)]
    pub security: MailSecurity,
    /// The user to log in as, where the server wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// Who sends.
    #[serde(default)]
    pub from: Option<String>,
    /// Who receives.
    #[serde(default)]
    pub to: Vec<String>,
}

/// What a channel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    Webhook,
    Slack,
    Email,
}

/// How the way to a mail server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    #[default]
    Starttls,
    Tls,
    None,
}
