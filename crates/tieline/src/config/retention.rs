//! The section `[retention]`: how long what is kept is kept.

use super::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// How long what is personal is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// Calls older than this are forgotten with all that hangs on them, once an hour;
    /// `0s` keeps them for ever. The number of a customer's calls stays.
    pub calls: Period,
    /// For how long runs of a sync can be taken back and their writes told; `0s`: for ever.
    pub sync_journal: Period,
    /// For how long it can be told what became of an agent's presence; `0s`: for ever.
    pub presence: Period,
}

impl Default for RetentionSection {
    fn default() -> Self {
        let days = |days: u64| Period::ms(days * 24 * 3_600_000);
        Self { calls: days(30), sync_journal: days(90), presence: days(30) }
    }
}
