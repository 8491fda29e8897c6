//! The section `[calls]`: what happens when a call is over.

use super::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// What happens when a call is over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallsSection {
    /// How long after the last thing that was told of a call it is closed. What comes
    /// later changes the outcome and the activity all the same.
    pub settle_for: Period,
    /// What the CRM keeps of a call.
    pub activity: ActivitySection,
}

impl Default for CallsSection {
    fn default() -> Self {
        Self { settle_for: Period::ms(5_000), activity: ActivitySection::default() }
    }
}

/// The activity that a CRM keeps of each call of a known customer. Placeholders in its
/// texts: `{callId}`, `{externalId}`, `{direction}`, `{mediaType}`, `{queue}`, `{agent}`,
/// `{wrapUp}`, `{notes}`, `{started}`, `{ended}`, `{talk}`, `{hold}`, `{afterCallWork}`,
/// `{handle}`, `{duration}` and `{link}`. Nothing else happens in them; a line whose
/// placeholders are all empty is left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActivitySection {
    /// `false`: no activity is written.
    pub enabled: bool,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

impl Default for ActivitySection {
    fn default() -> Self {
        const BODY: &str = "Queue: {queue}\nAgent: {agent}\nWrap-up: {wrapUp}\nNotes: {notes}\n\
            Started: {started}\nEnded: {ended}\n\
            Talk {talk}, hold {hold}, after-call work {afterCallWork}, handle time {handle}\n{link}";
        Self {
            enabled: true,
            subject: "Call ({direction}) {queue}".to_owned(),
            body: BODY.to_owned(),
        }
    }
}
