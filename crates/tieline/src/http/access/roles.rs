//! What people are, and what they may do for it.

use super::scopes::{Scope, Scopes};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person is to Tieline. More than one are not needed: each but `agent` holds all of
/// the next.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    ToSchema,
    ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads, corrects, decides reviews, pauses, runs syncs, writes rules.
    Supervisor,
    /// Reads.
    Analyst,
    /// Their own account and nothing else: what agents see of calls is the widget's.
    Agent,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Admin, Self::Supervisor, Self::Analyst, Self::Agent];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Analyst => "analyst",
            Self::Agent => "agent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    pub fn scopes(self) -> Scopes {
        let scopes: &[Scope] = match self {
            Self::Admin => &[Scope::Admin],
            Self::Supervisor => {
                &[Scope::Context, Scope::Rules, Scope::Read, Scope::Supervise, Scope::Lookup]
            }
            Self::Analyst => &[Scope::Read],
            Self::Agent => &[],
        };
        scopes.iter().copied().collect()
    }
}
