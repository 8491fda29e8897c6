//! Finds out, after the fact, who calls were from.
//!
//! A run looks at what the contact center remembers, then at our own calls that are known
//! by a number alone ([`examine`]); it asks the CRMs in bulk, behind every call, and
//! commits page by page what it has found, with the jobs that tell others. What could not
//! be told it waits for and reports ([`finish`]). A call that was identified meanwhile is
//! left alone, so that a run that is repeated, or killed and continued, changes nothing
//! twice (invariants 3 and 10). When runs begin by themselves: [`schedule`].

mod ask;
mod examine;
mod finish;
pub mod schedule;

use crate::live::Live;
use crate::lookup::Engine;
use domain::Timestamp;
use examine::Subject;
use kit::History;
use schedule::Schedule;
use state::reconcile::{Begun, Hold, NewRun, Page, Paged, Run, RunState, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a run is held without a word before another process may take it.
const HOLD: Duration = Duration::from_secs(30);
/// How often it is looked whether a run is due, or another process has asked for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Calls of our own that are looked at together.
const PAGE: usize = 100;
/// Calls committed together: a caller's commit waits no longer than these take.
const PART: usize = 20;
/// How far back a run goes by itself, to where the last complete one ended.
const CATCH_UP_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// When runs begin and how far they look back.
#[derive(Debug)]
pub struct Reconciling {
    /// `None`: only when somebody asks.
    pub schedule: Option<Schedule>,
    /// How far a scheduled run looks back.
    pub since: Duration,
    nudge: Notify,
}

impl Reconciling {
    #[must_use]
    pub fn new(schedule: Option<Schedule>, since: Duration) -> Self {
        Self { schedule, since, nudge: Notify::new() }
    }
}

impl Engine {
    /// Asks for a run over the calls of the last `since`; of this process or another,
    /// whoever takes it. It goes further back where the last run remained partial.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn reconcile(&self, since: Duration, is_dry: bool) -> Result<Begun, state::Error> {
        self.begin(since, is_dry, None).await
    }

    async fn begin(
        &self,
        since: Duration,
        is_dry: bool,
        due_at: Option<Timestamp>,
    ) -> Result<Begun, state::Error> {
        let now = self.clock.now();
        let earlier = self.store.runs(PAGE).await?;
        let since = span(&earlier, now, since, due_at.is_some(), self.options.keep_calls_for);
        // A call of this very millisecond is over no less than one of the last.
        let until = now.plus(Duration::from_millis(1));
        let new = NewRun { due_at, is_dry, since, until };
        let begun = self.store.begin_run(new, now).await?;
        self.options.reconcile.nudge.notify_one();
        Ok(begun)
    }
}

/// From when on a run looks: as it was asked to, but from where the last one remained
/// partial, and by itself from where the last one ended. Never at what is to be forgotten.
fn span(
    earlier: &[Run],
    now: Timestamp,
    since: Duration,
    is_scheduled: bool,
    kept_for: Option<Duration>,
) -> Timestamp {
    let asked = now.minus(since);
    let last = earlier.iter().find(|run| !run.is_dry && run.ended_at.is_some());
    let open = match last {
        Some(last) if last.state == RunState::Partial => last.since,
        Some(last) if is_scheduled => last.until,
        _ => asked,
    };
    let open = open.max(now.minus(CATCH_UP_MAX)).min(asked);
    kept_for.map_or(open, |kept_for| open.max(now.minus(kept_for)))
}

/// Begins runs that are due and works on the one under way, until told to stop.
pub(crate) async fn work(live: Live, mut stop: watch::Receiver<bool>) {
    let mut due = Due { had: None, started: live.now().clock.now() };
    let options = Arc::clone(&live.now().options.reconcile);
    while !*stop.borrow() {
        let engine = live.now();
        due.begin(&engine).await;
        match engine.store.take_run(HOLD, engine.clock.now()).await {
            Ok(Some((hold, run))) => {
                Worker::new(&engine, hold, run, stop.clone()).work().await;
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("a reconciliation cannot be taken up: {error}"),
        }
        drop(engine);
        tokio::select! {
            _ = stop.changed() => {}
            () = options.nudge.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Which time of the schedule has had its run.
struct Due {
    had: Option<Timestamp>,
    started: Timestamp,
}

impl Due {
    /// Begins the run of the last time of the schedule, once over all processes; also
    /// when that time went by while nobody was there.
    async fn begin(&mut self, engine: &Engine) {
        let Some(schedule) = &engine.options.reconcile.schedule else { return };
        let Some(at) = schedule.last(engine.clock.now()) else { return };
        if self.had == Some(at) {
            return;
        }
        let begun = match self.is_wanted(engine, at).await {
            Ok(true) => engine.begin(engine.options.reconcile.since, false, Some(at)).await,
            Ok(false) => Ok(Begun::Had),
            Err(error) => Err(error),
        };
        match begun {
            Ok(Begun::Busy { .. }) => {} // when that has ended
            Ok(Begun::Started { .. } | Begun::Had) => self.had = Some(at),
            Err(error) => tracing::warn!("a reconciliation that is due cannot begin: {error}"),
        }
    }

    /// A time before we started was missed only where there were runs before it.
    async fn is_wanted(&self, engine: &Engine, at: Timestamp) -> Result<bool, state::Error> {
        if at > self.started {
            return Ok(true);
        }
        let runs = engine.store.runs(PAGE).await?;
        let last = runs.iter().filter_map(|run| run.due_at).max();
        Ok(last.is_some_and(|last| last < at))
    }
}

/// Why work on a run stops before its end.
enum Halt {
    /// The server stops; the run goes on with the next start.
    Stopped,
    /// Another process has taken it.
    Taken,
    Store(state::Error),
}

impl From<state::Error> for Halt {
    fn from(error: state::Error) -> Self {
        Self::Store(error)
    }
}

/// Works on one run for as long as it holds it.
struct Worker<'a> {
    engine: &'a Engine,
    hold: Hold,
    run: Run,
    stop: watch::Receiver<bool>,
    /// Connections that did not answer, and why: they are not asked again in this run.
    down: BTreeMap<String, String>,
    /// What an operator should know of besides.
    trouble: BTreeSet<String>,
}

impl<'a> Worker<'a> {
    fn new(engine: &'a Engine, hold: Hold, run: Run, stop: watch::Receiver<bool>) -> Self {
        Self { engine, hold, run, stop, down: BTreeMap::new(), trouble: BTreeSet::new() }
    }

    async fn work(mut self) {
        let run = self.run.id;
        tracing::info!(run, step = self.run.step.as_str(), "reconciling");
        match self.steps().await {
            Ok(()) => {}
            Err(Halt::Stopped) => {
                tracing::info!(run, "the reconciliation goes on with the next start");
                let now = self.engine.clock.now();
                self.engine.store.hold_run(self.hold, Duration::ZERO, now).await.ok();
            }
            Err(Halt::Taken) => {
                tracing::info!(run, "another process goes on with the reconciliation");
            }
            Err(Halt::Store(error)) => {
                tracing::warn!(run, "the reconciliation waits, the store fails: {error}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn steps(&mut self) -> Result<(), Halt> {
        loop {
            match self.run.step {
                Step::History => self.history().await?,
                Step::Calls => self.calls().await?,
                Step::Writes => return self.finish().await,
            }
        }
    }

    /// A page of what the contact center remembers.
    async fn history(&mut self) -> Result<(), Halt> {
        let Some(history) = self.past() else {
            return self.commit(Vec::new(), Some((Step::Calls, None)), &[]).await;
        };
        let (since, until) = (self.run.since, self.run.until);
        let cursor = self.run.cursor.clone();
        let ask = || history.page(since, until, cursor.as_deref());
        let page = match self.patiently(ask).await? {
            Ok(page) => page,
            Err(error) => {
                self.trouble.insert(format!("the contact center's history: {error}"));
                return self.commit(Vec::new(), Some((Step::Calls, None)), &["unread"]).await;
            }
        };
        let place = match page.next {
            Some(cursor) => (Step::History, Some(cursor)),
            None => (Step::Calls, None),
        };
        self.run.reached = page.calls.iter().map(|past| past.started).max();
        let ids: Vec<_> = page.calls.iter().map(|past| past.call.clone()).collect();
        let before = self.engine.store.before_run(self.run.id, &ids).await?;
        let subjects = page.calls.into_iter().zip(before).filter(|(_, before)| !before.is_noted);
        let subjects = subjects.map(|(past, before)| Subject {
            call: past.call.clone(),
            known: before.stored.map(|stored| stored.call),
            past: Some(past),
        });
        let subjects = subjects.collect();
        self.examine(subjects, place).await
    }

    /// A page of our own calls that are known by a number alone.
    async fn calls(&mut self) -> Result<(), Halt> {
        let span = (self.run.since, self.run.until);
        let cursor = self.run.cursor.clone();
        let store = &self.engine.store;
        let found = store.unresolved_calls(span, cursor.as_deref(), PAGE).await?;
        let place = match found.next {
            Some(cursor) => (Step::Calls, Some(cursor)),
            None => (Step::Writes, None),
        };
        self.run.reached = found.calls.iter().map(|stored| stored.call.arrived_at).max();
        let ids: Vec<_> = found.calls.iter().map(|stored| stored.call.id.clone()).collect();
        let before = store.before_run(self.run.id, &ids).await?;
        let subjects = found.calls.into_iter().zip(before).filter(|(_, before)| !before.is_noted);
        let subjects = subjects.map(|(stored, _)| Subject {
            call: stored.call.id.clone(),
            known: Some(stored.call),
            past: None,
        });
        let subjects = subjects.collect();
        self.examine(subjects, place).await
    }

    /// What the contact center remembers, where it can tell.
    fn past(&self) -> Option<Arc<dyn History>> {
        self.engine.connections.contact_center()?.capabilities.history.clone()
    }

    /// Commits notes in parts, the last one with the place where the run goes on.
    async fn commit(
        &mut self,
        notes: Vec<state::reconcile::Note>,
        mut place: Option<(Step, Option<String>)>,
        also: &[&'static str],
    ) -> Result<(), Halt> {
        let mut left = notes.into_iter();
        loop {
            let part: Vec<_> = left.by_ref().take(PART).collect();
            self.until_there_is_room().await?;
            let is_last = left.len() == 0;
            let here = if is_last { place.take() } else { None };
            if let Some((step, cursor)) = &here {
                (self.run.step, self.run.cursor) = (*step, cursor.clone());
            }
            let also = if is_last { also.to_vec() } else { Vec::new() };
            let page = Page { notes: part, place: here, also, reached: self.run.reached };
            let now = self.engine.clock.now();
            match self.engine.store.run_page(self.hold, page, now).await? {
                Paged::Applied { counts } => self.run.counts = counts,
                Paged::Stale => return Err(Halt::Taken),
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
