//! What counts as a trouble, and in which words it is told.

use super::{Alert, Alerting, syncs};
use crate::presence::troubles as presence;
use crate::{Connection, Engine};
use kit::breaker::Position;
use state::alerts::{Trouble, Turn};
use std::time::Duration;

const TOKEN_FAILED: &str = "token_failed";
const BREAKER_OPEN: &str = "breaker_open";
const BUDGET_LOW: &str = "budget_low";
const LATE: &str = "late";
const PARTIAL: &str = "partial";

/// A shorter pause is business as usual.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// Of fewer calls no rate is told.
const CALLS_MIN: usize = 20;

/// What is wrong now, as this node sees it.
pub(super) fn seen(engine: &Engine, alerting: &Alerting) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for connection in engine.connections.all() {
        let shares = engine.metrics.shares(&connection.name);
        let is_busy = shares.calls >= CALLS_MIN;
        let standing = connection.capabilities.turnstile.budget().standing();
        let is_low = standing.left.is_some_and(|left| left <= standing.floor)
            || standing.resets_in.is_some_and(|resets_in| resets_in >= PAUSE_MIN);
        let tokens = connection.capabilities.tokens.as_ref();
        let kinds = [
            (TOKEN_FAILED, tokens.is_some_and(|tokens| tokens.last_error().is_some())),
            (BREAKER_OPEN, connection.health().breaker.position() != Position::Closed),
            (BUDGET_LOW, standing.is_low && is_low),
            (LATE, is_busy && shares.late > alerting.late_rate),
            (PARTIAL, is_busy && shares.partial > alerting.partial_rate),
        ];
        let kinds = kinds.into_iter().filter_map(|(kind, is)| is.then_some(kind));
        troubles.extend(
            kinds
                .map(|kind| Trouble { kind: kind.to_owned(), connection: connection.name.clone() }),
        );
    }
    troubles
}

/// The words for a turn; `known`: what is known of a sync.
pub(super) fn told(engine: &Engine, turn: &Turn, known: Option<&str>) -> Alert {
    if syncs::is_one(&turn.trouble) {
        return syncs::told(turn, known);
    }
    if presence::ALL.contains(&turn.trouble.kind.as_str()) {
        return of_team(turn, known);
    }
    let Trouble { kind, connection: name } = &turn.trouble;
    let connection = engine.connections.get(name);
    let title = match (kind.as_str(), turn.is_over) {
        (TOKEN_FAILED, false) => format!("{name}: the token cannot be refreshed"),
        (TOKEN_FAILED, true) => format!("{name}: the token is refreshed again"),
        (BREAKER_OPEN, false) => format!("{name} is sick and left alone"),
        (BREAKER_OPEN, true) => format!("{name} answers again"),
        (BUDGET_LOW, false) => format!("{name}: the rate budget is at its floor"),
        (BUDGET_LOW, true) => format!("{name}: there is a rate budget again"),
        (LATE, false) => format!("{name}: too many answers are late"),
        (LATE, true) => format!("{name}: answers are in time again"),
        (PARTIAL, false) => format!("{name}: too many calls are answered without it"),
        (PARTIAL, true) => format!("{name}: calls are answered from it again"),
        (kind, false) => format!("{name}: {kind}"),
        (kind, true) => format!("{name}: {kind} is over"),
    };
    let detail = match connection {
        Some(connection) if !turn.is_over => detail(engine, connection, kind),
        _ => format!("It began at {}.", turn.since),
    };
    Alert {
        kind: kind.clone(),
        connection: name.clone(),
        sync: String::new(),
        team: String::new(),
        is_over: turn.is_over,
        since: turn.since.to_string(),
        at: turn.at.to_string(),
        title,
        detail,
    }
}

/// The words for a turn of a team.
fn of_team(turn: &Turn, known: Option<&str>) -> Alert {
    let Trouble { kind, connection: team } = &turn.trouble;
    let detail = match known {
        Some(known) if !turn.is_over => known.to_owned(),
        _ => format!("It began at {}.", turn.since),
    };
    Alert {
        kind: kind.clone(),
        connection: String::new(),
        sync: String::new(),
        team: team.clone(),
        is_over: turn.is_over,
        since: turn.since.to_string(),
        at: turn.at.to_string(),
        title: format!("presence {team}: {}", presence::title(kind, turn.is_over)),
        detail,
    }
}

fn detail(engine: &Engine, connection: &Connection, kind: &str) -> String {
    let shares = || engine.metrics.shares(&connection.name);
    match kind {
        TOKEN_FAILED => {
            let tokens = connection.capabilities.tokens.as_ref();
            let error = tokens.and_then(|tokens| tokens.last_error());
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            format!("{error}. `tieline check` tries the credentials.")
        }
        BREAKER_OPEN => {
            let troubles = connection.health().troubles();
            let last = troubles.first().map(|t| format!("{}. {}", t.error, t.fix()));
            last.unwrap_or_else(|| "It did not answer.".to_owned())
        }
        BUDGET_LOW => {
            let standing = connection.capabilities.turnstile.budget().standing();
            let seconds = standing.resets_in.unwrap_or_default().as_secs();
            let left = standing.left.unwrap_or(standing.available);
            format!("{left} requests are left, for about {seconds} s; background work waits.")
        }
        LATE => {
            let shares = shares();
            let percent = shares.late * 100.0;
            format!("{percent:.0} % of {} calls in five minutes.", shares.calls)
        }
        _ => {
            let shares = shares();
            let percent = shares.partial * 100.0;
            format!("{percent:.0} % of {} calls in five minutes.", shares.calls)
        }
    }
}
