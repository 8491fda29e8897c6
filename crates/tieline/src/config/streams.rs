//! The section `[streams]`: those who follow what happens to calls.

use super::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// Those who follow what happens to calls, by WebSocket or as server-sent events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamsSection {
    /// Streams open at once. Never more than three quarters of
    /// `server.connections_max`: the rest is for calls.
    pub max: usize,
    /// How often a stream says that it is alive, and looks whether its token or key
    /// still is. A client that hears nothing for three of these should connect anew.
    pub heartbeat: Period,
}

impl Default for StreamsSection {
    fn default() -> Self {
        Self { max: 12_000, heartbeat: Period::ms(15_000) }
    }
}
