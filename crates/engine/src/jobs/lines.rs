//! Which lines of jobs there are: one per kind and connection, as connections come and go.
//!
//! A new connection's lines begin with it. Those of one that is gone end what it has left
//! behind, and then themselves; that nothing stays behind unseen is looked after every minute.

use super::{Line, Runner, work};
use crate::actions::{ACCEPT, ASK};
use crate::alerts::ALERT;
use crate::finish::FINISH;
use crate::follow_up::{ANNOTATE, ENRICH, PUSH};
use crate::journal::JOURNAL;
use crate::live::Live;
use crate::lookup::Engine;
use state::events::CLOSE_CALL;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often it is looked for jobs of connections that are gone.
const ORPHANS_EVERY: Duration = Duration::from_secs(60);

/// Keeps the lines until told to stop, then waits for them.
pub(super) async fn keep(live: Live, mut stop: watch::Receiver<bool>) {
    let mut changes = live.changes();
    let (mut running, mut loops) = (BTreeSet::new(), JoinSet::new());
    let mut orphans_at = Instant::now();
    while !*stop.borrow() {
        changes.borrow_and_update();
        let engine = live.now();
        let mut wanted = of_engine(&engine);
        if Instant::now() >= orphans_at {
            wanted.extend(of_orphans(&engine).await);
            orphans_at = Instant::now() + ORPHANS_EVERY;
        }
        for line in wanted {
            if running.insert(line.clone()) {
                let (live, stop) = (live.clone(), stop.clone());
                loops.spawn(async move {
                    work(live, &line, stop).await;
                    line
                });
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            Ok(()) = changes.changed() => {}
            Some(ended) = loops.join_next() => match ended {
                Ok(line) => drop(running.remove(&line)),
                Err(error) => tracing::error!("a line of jobs ended: {error}"),
            },
            () = tokio::time::sleep_until(orphans_at) => {}
        }
    }
    while loops.join_next().await.is_some() {}
}

fn of(connection: &str) -> impl Iterator<Item = Line> {
    let line = |kind| Line { kind, connection: connection.to_owned() };
    [ENRICH, FINISH, PUSH, ANNOTATE, CLOSE_CALL, JOURNAL, ASK, ACCEPT].map(line).into_iter()
}

/// The lines of what there is.
fn of_engine(engine: &Engine) -> Vec<Line> {
    let alerts = Runner::alert_lines(engine).into_iter();
    let alerts = alerts.map(|connection| Line { kind: ALERT, connection });
    engine.connections.all().flat_map(|connection| of(&connection.name)).chain(alerts).collect()
}

/// The lines of what is gone and has jobs left.
async fn of_orphans(engine: &Engine) -> Vec<Line> {
    let names = engine.store.connections_with_jobs().await.unwrap_or_else(|error| {
        tracing::warn!("jobs of connections that are gone cannot be found: {error}");
        Vec::new()
    });
    let alerts = |name: &String| Line { kind: ALERT, connection: name.clone() };
    names.iter().flat_map(|name| of(name).chain([alerts(name)])).collect()
}

/// Whether the line's connection, or channel of alerts, is there.
pub(super) fn is_wanted(engine: &Engine, line: &Line) -> bool {
    match line.kind {
        ALERT => Runner::alert_lines(engine).contains(&line.connection),
        _ => engine.connections.get(&line.connection).is_some(),
    }
}
