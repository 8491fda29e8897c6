//! What people do with syncs: start a run, approve, pause, take back. And what begins by
//! itself: runs by their schedule, measurements of drift.

use super::Sync;
use crate::live::Live;
use crate::lookup::Engine;
use domain::Timestamp;
use state::audit::Act;
use state::sync::{Begun, Change, Dissolved, NewRun, Run, RunKind};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// How long a run is held without a word before another process may take it.
const HOLD: Duration = Duration::from_secs(30);
/// How often it is looked whether a run is due, or another process has asked for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Runs of different syncs that this process works on at once.
const RUNS_MAX: usize = 4;

/// What holds for every sync.
#[derive(Debug, Default)]
pub struct Syncing {
    /// Wakes whoever works on runs.
    pub(super) nudge: Notify,
    /// How long what was written is kept; `None` for ever.
    keep_journal_for: Option<Duration>,
    /// By the id of the sync: as it would be, for the run that plans it. This process alone
    /// knows it.
    proposed: Mutex<BTreeMap<i64, Proposed>>,
}

/// A sync as it would be, and what tells it from others.
#[derive(Clone)]
pub(super) struct Proposed {
    pub(super) sync: Arc<Sync>,
    pub(super) digest: String,
}

impl fmt::Debug for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposed({})", self.digest)
    }
}

impl Syncing {
    #[must_use]
    pub fn new(keep_journal_for: Option<Duration>) -> Self {
        Self { keep_journal_for, ..Self::default() }
    }

    /// How long what was written is kept; `None` for ever.
    #[must_use]
    pub fn keep_journal_for(&self) -> Option<Duration> {
        self.keep_journal_for
    }

    pub(super) fn propose(&self, sync: i64, proposed: Proposed) {
        self.all_proposed().insert(sync, proposed);
    }

    pub(super) fn proposed(&self, sync: i64) -> Option<Proposed> {
        self.all_proposed().get(&sync).cloned()
    }

    fn all_proposed(&self) -> MutexGuard<'_, BTreeMap<i64, Proposed>> {
        self.proposed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what was written longer ago, a bounded part at a time.
pub(crate) async fn forget(engine: &Engine, now: Timestamp) -> Result<(), state::Error> {
    let Some(kept_for) = engine.options.syncing.keep_journal_for else { return Ok(()) };
    while engine.store.purge_journal(now.minus(kept_for)).await? > 0 {}
    Ok(())
}

/// A run that somebody asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub kind: RunKind,
    /// The run that is to be undone.
    pub of: Option<i64>,
    /// What a first run does was seen, or need not be.
    pub is_approved: bool,
    pub by: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    Run(i64),
    Unknown,
    /// Another run of the sync is under way.
    Busy(i64),
    /// It rests until somebody says that it goes on.
    Paused(String),
    /// Nobody has approved a plan of it yet.
    NotApproved,
    /// There is no such run of this sync that could be taken back.
    NothingToUndo,
    /// It was made between other connections than it is configured with now.
    Moved {
        from: [String; 2],
    },
}

/// What became of asking that a sync be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// So many pairs went with it.
    Done {
        pairs: u64,
    },
    Unknown,
    /// It is configured: it would be made anew at once.
    Configured,
    /// A run of it is under way.
    Busy(i64),
}

impl Engine {
    /// Asks for a run, or a plan, or that a run is taken back.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn start_sync(&self, name: &str, asked: Asked) -> Result<Started, state::Error> {
        let Some(sync) = self.syncs.get(name) else { return Ok(Started::Unknown) };
        let known = self.sync_state(sync).await?;
        let now = self.clock.now();
        if known.connections != sync.connections() {
            return Ok(Started::Moved { from: known.connections });
        }
        if asked.kind == RunKind::Run {
            if let Some(why) = known.paused {
                return Ok(Started::Paused(why));
            }
            if known.approved_at.is_none() {
                if !asked.is_approved {
                    return Ok(Started::NotApproved);
                }
                let act = act(&asked.by, "sync.approved", name);
                self.store.change_sync(name, Change::Approve, act, now).await?;
            }
        }
        if asked.kind == RunKind::Undo && !self.can_undo(known.id, asked.of).await? {
            return Ok(Started::NothingToUndo);
        }
        if asked.kind == RunKind::Undo {
            let why = "a run was taken back: look at a plan, then resume".to_owned();
            let act = act(&asked.by, "sync.paused", name);
            self.store.change_sync(name, Change::Pause(why), act, now).await?;
        }
        let is_dry = !matches!(asked.kind, RunKind::Run | RunKind::Undo);
        let new = NewRun { kind: asked.kind, of: asked.of, is_dry, due_at: None, by: asked.by };
        let begun = self.store.begin_sync_run(known.id, new, now).await?;
        self.options.syncing.nudge.notify_one();
        Ok(match begun {
            Begun::Started { run } => Started::Run(run),
            Begun::Busy { run } => Started::Busy(run),
            Begun::Had => Started::NothingToUndo,
        })
    }

    /// Approves, pauses or resumes a sync. False where there is none of this name.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn change_sync(
        &self,
        name: &str,
        change: Change,
        by: &str,
    ) -> Result<bool, state::Error> {
        let Some(sync) = self.syncs.get(name) else { return Ok(false) };
        self.sync_state(sync).await?;
        let action = match &change {
            Change::Approve => "sync.approved",
            Change::Disapprove => "sync.disapproved",
            Change::Pause(_) => "sync.paused",
            Change::Resume => "sync.resumed",
            Change::Phase(_) => "sync.promoted",
        };
        let (act, now) = (act(by, action, name), self.clock.now());
        let is_changed = self.store.change_sync(name, change, act, now).await?;
        self.options.syncing.nudge.notify_one();
        Ok(is_changed)
    }

    /// Forgets a sync that is configured no more, with everything that is kept of it.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn forget_sync(&self, name: &str, by: &str) -> Result<Forgotten, state::Error> {
        if self.syncs.get(name).is_some() {
            return Ok(Forgotten::Configured);
        }
        let act = act(by, "sync.forgotten", name);
        let dissolved = self.store.dissolve_sync(name, act, self.clock.now()).await?;
        Ok(match dissolved {
            Dissolved::Done { pairs } => Forgotten::Done { pairs },
            Dissolved::Unknown => Forgotten::Unknown,
            Dissolved::Busy { run } => Forgotten::Busy(run),
        })
    }

    /// What is kept of a sync, made at first sight.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn sync_state(&self, sync: &Sync) -> Result<state::sync::Sync, state::Error> {
        let connections = sync.connections();
        let [left, right] = &connections;
        self.store.sync(&sync.name, [left, right], self.clock.now()).await
    }

    async fn can_undo(&self, sync: i64, of: Option<i64>) -> Result<bool, state::Error> {
        let Some(of) = of else { return Ok(false) };
        let run = self.store.sync_run(of).await?;
        let is_one = |run: &Run| {
            run.sync == sync && run.kind.is_sync() && !run.is_dry && run.ended_at.is_some()
        };
        Ok(run.as_ref().is_some_and(is_one))
    }
}

fn act(by: &str, action: &'static str, sync: &str) -> Act {
    let subject = format!("sync {sync}");
    Act { actor: by.to_owned(), action, subject, details: BTreeMap::new() }
}

impl Sync {
    pub(super) fn connections(&self) -> [String; 2] {
        [0, 1].map(|at| self.ends[at].connection.name.clone())
    }
}

/// Begins runs that are due and works on those that were asked for, until told to stop.
pub(crate) async fn run(live: Live, mut stop: watch::Receiver<bool>) {
    let options = Arc::clone(&live.now().options.syncing);
    let started = live.now().clock.now();
    let mut due = Due { started, ..Due::default() };
    let mut working = JoinSet::new();
    while !*stop.borrow() {
        let engine = live.now();
        due.heed(&engine).await;
        due.begin(&engine).await;
        due.measure(&engine).await;
        if working.len() < RUNS_MAX {
            match engine.store.take_sync_run(HOLD, engine.clock.now()).await {
                Ok(Some((hold, run))) => {
                    let (engine, stop) = (Arc::clone(&engine), stop.clone());
                    working.spawn(async move { super::work::work(&engine, hold, run, stop).await });
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!("a run of a sync cannot be taken up: {error}"),
            }
        }
        drop(engine);
        tokio::select! {
            _ = stop.changed() => {}
            () = options.nudge.notified() => {}
            Some(_) = working.join_next() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    // What is under way stops at its next step, and goes on with the next start.
    while working.join_next().await.is_some() {}
}

/// Works on a run that nobody works on, to its end or until told to stop. False: there was
/// none.
///
/// # Errors
/// When our own store fails.
pub async fn work_on_one(
    engine: &Engine,
    stop: watch::Receiver<bool>,
) -> Result<bool, state::Error> {
    let taken = engine.store.take_sync_run(HOLD, engine.clock.now()).await?;
    let Some((hold, run)) = taken else { return Ok(false) };
    super::work::work(engine, hold, run, stop).await;
    Ok(true)
}

/// Which time of its schedule each sync has had.
#[derive(Default)]
pub(super) struct Due {
    started: Timestamp,
    /// When each began a run because it was nudged.
    pub(super) heeded: BTreeMap<String, Timestamp>,
    had: BTreeMap<String, Timestamp>,
    /// When the drift of each was measured last, as far as this process knows.
    measured: BTreeMap<String, Timestamp>,
}

impl Due {
    /// Begins a run of every sync whose time has come, once over all processes; a time
    /// that went by while nobody was there is made up for once.
    async fn begin(&mut self, engine: &Engine) {
        let now = engine.clock.now();
        for sync in engine.syncs.all() {
            let Some(at) = sync.schedule.as_ref().and_then(|schedule| schedule.last(now)) else {
                continue;
            };
            if self.had.get(&sync.name) == Some(&at) {
                continue;
            }
            match self.begin_one(engine, sync, at).await {
                Ok(true) => drop(self.had.insert(sync.name.clone(), at)),
                Ok(false) => {} // when the one under way has ended
                Err(error) => tracing::warn!(sync = sync.name, "a run cannot begin: {error}"),
            }
        }
    }

    /// Whether this time is done with.
    async fn begin_one(
        &self,
        engine: &Engine,
        sync: &Sync,
        at: Timestamp,
    ) -> Result<bool, state::Error> {
        let known = engine.sync_state(sync).await?;
        if known.approved_at.is_none()
            || known.paused.is_some()
            || known.connections != sync.connections()
        {
            return Ok(true);
        }
        if at <= self.started {
            let runs = engine.store.sync_runs_of(known.id, RunKind::Run, 100).await?;
            let last = runs.iter().filter_map(|run| run.due_at).max();
            if last.is_none_or(|last| last >= at) {
                return Ok(true);
            }
        }
        let kind = RunKind::Run;
        let by = "schedule".to_owned();
        let new = NewRun { kind, of: None, is_dry: false, due_at: Some(at), by };
        let begun = engine.store.begin_sync_run(known.id, new, engine.clock.now()).await?;
        Ok(!matches!(begun, Begun::Busy { .. }))
    }
    /// Begins a measurement of every sync whose time has come.
    async fn measure(&mut self, engine: &Engine) {
        let now = engine.clock.now();
        for sync in engine.syncs.all() {
            let every = sync.upkeep.measure_every;
            let last = self.measured.get(&sync.name);
            if every.is_zero() || last.is_some_and(|last| now.since(*last) < every) {
                continue;
            }
            match super::health::drift::begin(engine, sync, now).await {
                Ok(Some(last)) => drop(self.measured.insert(sync.name.clone(), last)),
                Ok(None) => {} // when the one under way has ended, or it may run
                Err(error) => tracing::warn!(sync = sync.name, "drift is not measured: {error}"),
            }
        }
    }
}
