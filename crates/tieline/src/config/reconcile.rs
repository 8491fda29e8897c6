//! The section `[reconcile]`: finding out after the fact who calls were from.

use super::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// Finding out after the fact who calls were from: those known by a number alone, and
/// those that the contact center had and Tieline never saw.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileSection {
    /// `false`: only when somebody runs `tieline reconcile`.
    pub enabled: bool,
    /// When it runs, once a day over all nodes, by the clock on the wall of `time_zone`:
    /// `03:00`. In the night in which clocks go forward past that time it runs an hour
    /// later by the clock; where the time comes twice, at the first. A run that was
    /// missed while no node was up is made up for once, at the next start.
    pub at: String,
    /// The time zone, as IANA names it: `Europe/Berlin`. `UTC` knows no daylight saving.
    pub time_zone: String,
    /// How far a run looks back; further where the last one remained partial or was missed,
    /// at most 7 days. More than a day: a call that went on during the last run, or was
    /// told late, is looked at by the next.
    pub since: Period,
}

impl Default for ReconcileSection {
    fn default() -> Self {
        Self {
            enabled: true,
            at: "03:00".to_owned(),
            time_zone: "UTC".to_owned(),
            since: Period::ms(30 * 3_600_000),
        }
    }
}
