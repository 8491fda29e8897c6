//! The section `[routing]`: how calls are decided, whatever the rules.

use super::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How calls are decided. The rules themselves are made by API or `tieline rules`, and live in
/// the store.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingSection {
    /// Hard limit of a decision, from the arrival of the request to the answer. What a CRM
    /// has not said by then leads to the chain's default.
    pub deadline: Period,
    /// Where calls go that come in where no chain hangs, or that go round in a circle.
    pub default: Option<DestinationSection>,
    /// How often one call may be decided before an IVR is no destination for it any more.
    pub decisions_per_call_max: u32,
    /// Drafts are asked for each call as well, and differences counted. Nobody is asked more
    /// for it.
    pub shadow: bool,
    /// Rules with a custom URL may ask loopback and private addresses. Who writes rules could
    /// then reach, by the server, what only it can reach, such as a cloud's metadata: allow it
    /// where they may see all of that anyway. A rule that names a connection goes by that
    /// connection's own setting.
    pub allow_private_addresses: bool,
    /// Where destinations are for a switch: SIP addresses and the like.
    pub uris: Vec<UriSection>,
}

/// A destination of the platform.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationSection {
    /// `queue`, `ivr` or `recording`.
    #[serde(rename = "type")]
    pub kind: DestinationWord,
    /// Number, name or file.
    pub option: String,
}

/// What a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DestinationWord {
    Queue,
    Ivr,
    Recording,
}

/// Where a destination is for a switch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UriSection {
    /// Such as `queue:Premium Support`.
    pub destination: String,
    /// Such as `sip:premium@10.0.0.5:5060`.
    pub uri: String,
}

impl Default for RoutingSection {
    fn default() -> Self {
        Self {
            deadline: Period::ms(500),
            default: None,
            decisions_per_call_max: 10,
            shadow: false,
            allow_private_addresses: false,
            uris: Vec::new(),
        }
    }
}

impl From<&DestinationSection> for domain::rules::Destination {
    fn from(section: &DestinationSection) -> Self {
        use domain::rules::DestinationKind as Kind;
        let kind = match section.kind {
            DestinationWord::Queue => Kind::Queue,
            DestinationWord::Ivr => Kind::Ivr,
            DestinationWord::Recording => Kind::Recording,
        };
        Self { kind, option: section.option.clone() }
    }
}
