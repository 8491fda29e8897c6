//! Tells people when something goes wrong, and when all is well again.
//!
//! Every few seconds [`watch`] looks at each connection and each sync, and says to the store
//! what it sees; what begins or ends by that over all nodes is committed with one job per channel
//! (`Store::see_troubles`), so that each is told once. A trouble that comes and goes is one
//! trouble: it ends when it was not seen for [`Alerting::settle`]. The jobs are tried like
//! all others; one that cannot be delivered within a day is dead and can be redriven.

mod send;
mod syncs;
mod troubles;

pub(crate) use send::run;
pub use send::{Alert, Channel};

use crate::Engine;
use crate::jobs::Runner;
use crate::live::Live;
use state::NewJob;
use state::alerts::{Sight, Tell, Trouble, Turn, Words};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as stop_watch;
use tokio::time::Instant;

/// What alerts are told, and to whom.
#[derive(Clone)]
pub struct Alerting {
    pub channels: Vec<Arc<dyn Channel>>,
    /// Shares of late and of partial answers, 0 to 1, above which they are a trouble.
    pub late_rate: f64,
    pub partial_rate: f64,
    /// A trouble is over when it was not seen for so long.
    pub settle: Duration,
    /// How often it is looked.
    pub every: Duration,
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            late_rate: 0.05,
            partial_rate: 0.2,
            settle: Duration::from_secs(60),
            every: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for Alerting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
        f.debug_struct("Alerting").field("channels", &channels).finish_non_exhaustive()
    }
}

/// The kind of the jobs; each channel has a line of its own.
pub(crate) const ALERT: &str = "alert";

/// A node that has said nothing for so many looks has stopped.
const SILENT_LOOKS: u32 = 12;

/// Looks until told to stop, also where nobody is to be told: the console shows it.
pub(crate) async fn watch(live: Live, mut stop: stop_watch::Receiver<bool>) {
    let alerting = Arc::clone(&live.now().options.alerts);
    let node = number();
    let mut seen: BTreeMap<Trouble, (Instant, String)> = BTreeMap::new();
    while !*stop.borrow() {
        let (engine, now) = (live.now(), Instant::now());
        for trouble in troubles::seen(&engine, &alerting) {
            seen.insert(trouble, (now, String::new()));
        }
        for ((kind, team), told) in crate::presence::troubles::seen(&engine) {
            let trouble = Trouble { kind: kind.to_owned(), connection: team };
            seen.insert(trouble, (now, told));
        }
        match syncs::seen(&engine).await {
            Ok(troubles) => seen.extend(troubles.into_iter().map(|(one, told)| (one, (now, told)))),
            Err(error) => tracing::warn!("how syncs do could not be seen: {error}"),
        }
        seen.retain(|_, (last, _)| now.duration_since(*last) < alerting.settle.max(alerting.every));
        let troubles: BTreeSet<Trouble> = seen.keys().cloned().collect();
        let known = seen.iter().map(|(one, (_, told))| (one.clone(), told.clone())).collect();
        let sight = Sight {
            node,
            troubles,
            silent_after: alerting.every * SILENT_LOOKS,
            now: engine.clock.now(),
        };
        if let Err(error) = engine.store.see_troubles(sight, tell(&engine, known)).await {
            tracing::warn!("what is wrong could not be noted: {error}");
        }
        drop(engine);
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(alerting.every) => {}
        }
    }
}

/// One job per channel; what is told of a connection is what is known of it now, of a sync
/// what was seen with its trouble.
fn tell(engine: &Arc<Engine>, known: BTreeMap<Trouble, String>) -> Tell {
    let engine = Arc::clone(engine);
    Arc::new(move |turn: &Turn| {
        let known = known.get(&turn.trouble).map(String::as_str);
        let alert = troubles::told(&engine, turn, known);
        let job = |channel: &Arc<dyn Channel>| NewJob {
            kind: ALERT,
            connection: channel.name().to_owned(),
            key: None,
            payload: alert.to_bytes(),
            run_at: turn.at,
            subject: None,
        };
        let jobs = engine.options.alerts.channels.iter().map(job).collect();
        Words { jobs, title: alert.title, detail: alert.detail }
    })
}

/// A number by which processes are told apart; nothing secret hangs on it.
fn number() -> i64 {
    i64::from_le_bytes(RandomState::new().build_hasher().finish().to_le_bytes())
}

impl Runner {
    /// The lines of alerts, one per channel.
    pub(crate) fn alert_lines(engine: &Engine) -> Vec<String> {
        engine.options.alerts.channels.iter().map(|channel| channel.name().to_owned()).collect()
    }
}
