//! One alert on its way to one channel.

use crate::Engine;
use crate::jobs::{End, Failure};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use state::Leased;

/// What is told: nothing of a customer, no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// `token_failed`, `breaker_open`, `budget_low`, `late` or `partial`; of a sync
    /// `sync_errors`, `sync_slow`, `sync_reviews`, `sync_braked`, `sync_halted` or `sync_paused`.
    pub kind: String,
    /// Its connection; empty where it is of a sync.
    pub connection: String,
    /// Its sync; empty where it is of a connection.
    #[serde(default)]
    pub sync: String,
    /// Its team whose presence is kept; empty where it is of another.
    #[serde(default)]
    pub team: String,
    /// Is it over?
    pub is_over: bool,
    /// When it began, and when this was noticed.
    pub since: String,
    pub at: String,
    /// One sentence.
    pub title: String,
    /// What is known of it, and what to do.
    pub detail: String,
}

impl Alert {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Somewhere that alerts are sent to.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Its own name, as configured.
    fn name(&self) -> &str;

    /// What it is: `webhook`, `slack` or `email`.
    fn kind(&self) -> &'static str;

    /// Tells it. An alert may be told twice when its answer was lost.
    ///
    /// # Errors
    /// Any; those worth retrying are tried again for a day.
    async fn send(&self, alert: &Alert) -> Result<(), kit::Error>;
}

pub(crate) async fn run(engine: &Engine, channel: &str, job: &Leased) -> Result<End, Failure> {
    let alert: Alert = serde_json::from_slice(&job.payload)
        .map_err(|_| Failure::dead("an alert that cannot be read"))?;
    let channels = &engine.options.alerts.channels;
    let Some(channel) = channels.iter().find(|one| one.name() == channel) else {
        return Ok(End::Skipped("the channel is no longer configured".to_owned()));
    };
    channel.send(&alert).await?;
    Ok(End::Done)
}
