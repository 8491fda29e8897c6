//! Whether a connection can be asked now: a live token, and a budget above its floor.

use crate::connections::Connection;
use crate::health::Degraded;
use crate::lookup::Engine;

/// What is answered before a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    pub connection: String,
    pub crm_type: String,
    /// A request of a call would go out now.
    pub is_ready: bool,
    /// There is a live token, or none is needed.
    pub has_token: bool,
    /// The budget is at its floor, or the system is sick: calls of its queues are answered
    /// without it.
    pub is_degraded: bool,
    /// Requests that could go out at once.
    pub budget: i64,
    /// Why it is not ready, or empty: `crm.unauthorized` or `crm.degraded`.
    pub error_code: &'static str,
}

impl Engine {
    /// Whether a connection can be asked; `None` where there is none of this name.
    #[must_use]
    pub fn ready(&self, name: &str) -> Option<Ready> {
        let connection = self.connections.get(name)?;
        let tokens = connection.capabilities.tokens.as_ref();
        let has_token = tokens.is_none_or(|tokens| tokens.current().is_some());
        let is_degraded = is_degraded(connection) || is_left_alone(connection);
        let error_code = match (has_token, is_degraded) {
            (false, _) => "crm.unauthorized",
            (true, true) => "crm.degraded",
            (true, false) => "",
        };
        #[allow(clippy::cast_possible_truncation)]
        let budget = connection.capabilities.turnstile.budget().available().floor() as i64;
        Some(Ready {
            connection: connection.name.clone(),
            crm_type: connection.kind.clone(),
            is_ready: error_code.is_empty(),
            has_token,
            is_degraded,
            budget,
            error_code,
        })
    }
}

/// Whether calls are answered without this connection: its budget is at its floor, or the
/// vendor asked for a pause. A sick system is its breaker's matter, which tells a call at
/// once and lets one through to try.
pub(super) fn is_degraded(connection: &Connection) -> bool {
    let budget = connection.capabilities.turnstile.budget();
    budget.standing().is_low || budget.available() < 1.0
}

/// Whether it is sick and is not asked for a while yet. Once a trial is due it counts as
/// well, or a flow that asks here first would never let one out.
fn is_left_alone(connection: &Connection) -> bool {
    matches!(connection.degraded(), Some(Degraded::Sick { tries_in }) if !tries_in.is_zero())
}
