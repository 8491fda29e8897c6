//! Works on runs of syncs: those that are due, and those that somebody has asked for.
//!
//! Of all processes one works on a run, under a lease. Every commit of a run looks for the
//! lease first, so that whoever has lost it writes nothing more.

use super::matching::Spoken;
use super::{Sync, doubt, fetch, perform, settle, undo};
use crate::lookup::Engine;
use domain::Timestamp;
use domain::sync::Side;
use domain::sync::matching::KeyKind;
use kit::Error;
use kit::turnstile::{Tally, counting};
use state::sync::{
    Counts, Entry, Hold, Key, Others, Outcome, Page, Paged, Pair, PairState, Run, RunKind,
    RunState, Settled, Taken,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a run is held without a word before another process may take it.
pub(super) const HOLD: Duration = Duration::from_secs(30);
/// Why a run ends that the brake has stopped.
pub(crate) const BRAKED: &str = "it would delete too many: see the reviews";
/// The step of a run that writes.
pub(super) const SETTLING: &str = "settling";

/// The count of those that waited when it began to settle.
const EXPECTED: &str = "expected";

/// Why work on a run stops before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// The server stops; the run goes on with the next start.
    Stopped,
    /// Another process has taken it.
    Taken,
    Store(state::Error),
    /// A vendor does not do its part; what waits, waits for the next run.
    Vendor(String),
    /// It would delete too many: somebody is asked.
    Braked,
    /// Another process knows what is to be planned.
    Elsewhere,
}

impl From<state::Error> for Halt {
    fn from(error: state::Error) -> Self {
        Self::Store(error)
    }
}

impl Halt {
    pub(super) fn vendor(side: Side, end: &super::End, error: &Error) -> Self {
        Self::Vendor(format!("{} ({}): {error}", end.connection.name, side.as_str()))
    }
}

/// Works on one run for as long as it holds it.
pub(super) struct Worker<'a> {
    pub(super) engine: &'a Engine,
    pub(super) sync: Arc<Sync>,
    pub(super) hold: Hold,
    pub(super) run: Run,
    /// As it stood when the run was taken.
    known: state::sync::Sync,
    cursors: [Option<String>; 2],
    pub(super) stop: watch::Receiver<bool>,
    /// What is added to the run's counts with the next commit.
    pub(super) counts: Counts,
    /// Of how many batches in a row nothing came through to a side, and why.
    pub(super) down: BTreeMap<Side, (u32, Error)>,
    pub(super) pairs: u64,
    /// How many records the run has deleted.
    pub(super) deleted: u64,
    pub(super) spoken: Spoken,
    /// Writes that a plan has listed.
    pub(super) foretold: usize,
}

/// Works on a run that was taken, to its end or until it is another's.
pub(crate) async fn work(engine: &Engine, hold: Hold, run: Run, stop: watch::Receiver<bool>) {
    let id = run.id;
    let store = &engine.store;
    let known = match store.syncs().await {
        Ok(known) => known.into_iter().find(|known| known.id == run.sync),
        Err(error) => return tracing::warn!(run = id, "the store fails: {error}"),
    };
    let Some((known, sync)) = known.and_then(|known| {
        let sync = engine.syncs.get(&known.name).map(Arc::clone)?;
        Some((known, sync))
    }) else {
        let why = "the sync is not configured any more".to_owned();
        return end(engine, hold, RunState::Partial, Some(why)).await;
    };
    let is_other = |side: &&Side| {
        fetch::is_of_another(sync.end(**side), known.cursors[side.index()].as_deref())
    };
    if known.connections != sync.connections() || Side::ALL.iter().any(|side| is_other(&side)) {
        let why = "the sync was made between other connections or objects: give it another name";
        return end(engine, hold, RunState::Partial, Some(why.to_owned())).await;
    }
    tracing::info!(run = id, sync = sync.name, kind = run.kind.as_str(), "syncing");
    let deleted = Side::ALL
        .iter()
        .filter_map(|side| run.counts.get(&perform::counted("deleted", *side)))
        .sum();
    let mut worker = Worker {
        engine,
        sync,
        hold,
        run,
        cursors: known.cursors.clone(),
        stop,
        counts: Counts::new(),
        down: BTreeMap::new(),
        pairs: known.pairs,
        deleted,
        known,
        spoken: Spoken::default(),
        foretold: 0,
    };
    let tally = Arc::new(Tally::default());
    let outcome = counting(&tally, worker.steps()).await;
    worker.called(&tally);
    worker.tell_counts().await.ok();
    match outcome {
        Ok(()) => end(engine, hold, RunState::Done, None).await,
        Err(Halt::Vendor(why)) => end(engine, hold, RunState::Partial, Some(why)).await,
        Err(Halt::Braked) => {
            end(engine, hold, RunState::Partial, Some(BRAKED.to_owned())).await;
        }
        Err(Halt::Stopped) => {
            tracing::info!(run = id, "the run goes on with the next start");
            store.hold_sync_run(hold, Duration::ZERO, engine.clock.now()).await.ok();
        }
        Err(Halt::Elsewhere) => super::rehearse::elsewhere(engine, hold, &worker.run).await,
        Err(Halt::Taken) => tracing::info!(run = id, "another process goes on with the run"),
        Err(Halt::Store(error)) => {
            tracing::warn!(run = id, "the run waits, the store fails: {error}");
        }
    }
}

pub(super) async fn end(engine: &Engine, hold: Hold, state: RunState, why: Option<String>) {
    let now = engine.clock.now();
    let ended = engine.store.end_sync_run(hold, state, why, now).await;
    let told = match ended {
        Ok(true) => super::health::tell(engine, hold.run).await,
        ended => ended.map(drop),
    };
    if let Err(error) = told {
        tracing::warn!(run = hold.run, "the run of a sync cannot be ended: {error}");
    }
}

impl Worker<'_> {
    async fn steps(&mut self) -> Result<(), Halt> {
        if self.run.kind == RunKind::Undo {
            return undo::undo(self).await;
        }
        if self.run.kind == RunKind::Measure {
            return super::health::drift::measure(self).await;
        }
        if self.run.kind == RunKind::Rehearsal {
            let proposed = self.engine.options.syncing.proposed(self.run.sync);
            return super::rehearse::rehearse(self, &proposed.ok_or(Halt::Elsewhere)?).await;
        }
        // What was written and not settled is settled before anything new is heard: who is
        // told of as gone meanwhile would leave it without its other. It may be another run's,
        // which could not go on.
        if !self.is_dry() {
            doubt::recover(self).await?;
            if self.run.step == SETTLING {
                settle::settle(self).await?;
            }
            settle::settle_unanswered(self).await?;
            self.reached("reading", None).await?;
        }
        for &side in Side::ALL {
            match self.run.kind {
                RunKind::Push => fetch::heed(self, side).await?,
                RunKind::Nudge if !self.sync.tells_changes(side) => {}
                _ => fetch::fetch(self, side, fetch::Place::Stays).await?,
            }
        }
        self.prepare().await?;
        self.expect().await?;
        if !self.is_dry() {
            self.brake().await?;
            self.reached(SETTLING, None).await?;
        }
        settle::settle(self).await
    }

    /// Tells how many wait to be settled, for whoever watches; once for each run.
    async fn expect(&mut self) -> Result<(), Halt> {
        if !self.run.counts.contains_key(EXPECTED) {
            let waiting = self.engine.store.waiting_counts(self.run.sync).await?;
            self.counts.insert(EXPECTED.to_owned(), waiting.pairs);
        }
        self.tell_counts().await
    }

    /// What the fields of the map need and what a side does not have yet, is made.
    async fn prepare(&mut self) -> Result<(), Halt> {
        // Of a few who were told of nothing new is needed that the last run has not made.
        if self.is_dry() || matches!(self.run.kind, RunKind::Push | RunKind::Nudge) {
            return Ok(());
        }
        let sync = Arc::clone(&self.sync);
        for &side in Side::ALL {
            let end = sync.end(side);
            let Some(forms) = end.connection.capabilities.forms.clone() else { continue };
            let fields = sync.map.set(side);
            let made = self.patiently(|| forms.prepare(&end.object, &fields)).await?;
            for made in made.map_err(|error| Halt::vendor(side, end, &error))? {
                tracing::info!(sync = sync.name, connection = end.connection.name, "made: {made}");
            }
        }
        Ok(())
    }

    pub(super) fn is_dry(&self) -> bool {
        self.run.is_dry
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    pub(super) fn cursor(&self, side: Side) -> Option<&str> {
        self.cursors[side.index()].as_deref()
    }

    pub(super) async fn take_page(&mut self, side: Side, page: Page) -> Result<(), Halt> {
        let (now, cursor) = (self.now(), page.cursor.clone());
        match self.engine.store.take_page(self.hold, page, now).await? {
            Paged::Taken(taken) => {
                self.cursors[side.index()] = Some(cursor);
                self.arrived(side, taken);
                Ok(())
            }
            // Another process goes on from elsewhere.
            Paged::Stale | Paged::OutOfTurn => Err(Halt::Taken),
        }
    }

    /// The run has come so far; nothing before is done twice.
    pub(super) async fn reached(&mut self, step: &str, place: Option<String>) -> Result<(), Halt> {
        let (now, counts) = (self.now(), std::mem::take(&mut self.counts));
        let place = Some((step.to_owned(), place));
        let is_told = self.engine.store.move_sync_run(self.hold, place, counts, now).await?;
        if is_told { Ok(()) } else { Err(Halt::Taken) }
    }

    fn arrived(&mut self, side: Side, taken: Taken) {
        let told = [
            ("new", taken.new),
            ("changed", taken.changed),
            ("seen", taken.unchanged),
            ("gone", taken.gone),
        ];
        if taken.echoes > 0 {
            *self.counts.entry("echoes".to_owned()).or_default() += taken.echoes;
        }
        for (word, number) in told.into_iter().filter(|(_, number)| *number > 0) {
            *self.counts.entry(format!("{word}_{}", side.as_str())).or_default() += number;
        }
    }

    pub(super) async fn waiting(&self, after: i64, limit: usize) -> Result<Vec<Pair>, Halt> {
        let now = self.now();
        let waiting = self.engine.store.waiting_pairs(self.run.sync, after, limit, now);
        self.held(waiting).await?.map_err(Halt::Store)
    }

    pub(super) async fn in_doubt(&self, after: i64, limit: usize) -> Result<Vec<Pair>, Halt> {
        let found = self.engine.store.pairs_in_doubt(self.run.sync, after, limit);
        self.held(found).await?.map_err(Halt::Store)
    }

    /// Whom records of a side may be the same as, by their keys.
    pub(super) async fn others(&self, side: Side, keys: &[Key]) -> Result<Others, Halt> {
        Ok(self.engine.store.others(self.run.sync, side.index(), keys).await?)
    }

    /// The pair of a record of a side.
    pub(super) async fn pair_of(&self, side: Side, id: &str) -> Result<Option<Pair>, Halt> {
        Ok(self.engine.store.pair_of(&self.known, side.index(), id).await?)
    }

    /// The pairs that these records were part of before.
    pub(super) async fn pairs_before(
        &self,
        side: Side,
        ids: &[String],
    ) -> Result<Vec<Option<i64>>, Halt> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.engine.store.pairs_before(&self.known, side.index(), ids).await?)
    }

    /// Goes on without a field that a side does not have, if the map can do without.
    pub(super) fn leave_out(&mut self, side: Side, error: &Error) -> bool {
        let (Error::Forbidden { missing: named } | Error::Invalid { field: Some(named), .. }) =
            error
        else {
            return false;
        };
        let Some(map) = self.sync.map.without(side, named) else { return false };
        tracing::info!(sync = self.sync.name, "left out: {named} is not there");
        self.sync = Arc::new(Sync { map, ..Sync::clone(&self.sync) });
        true
    }

    pub(super) async fn pairs(&self, seqs: &[i64]) -> Result<Vec<Pair>, Halt> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.engine.store.pairs_at(self.run.sync, seqs).await?)
    }

    pub(super) async fn intend(&self, entries: Vec<Entry>) -> Result<Vec<Option<i64>>, Halt> {
        let now = self.now();
        self.engine.store.intend(self.hold, entries, now).await?.ok_or(Halt::Taken)
    }

    /// Commits a batch; false where somebody of it changed meanwhile.
    pub(super) async fn settle(&mut self, settled: Vec<Settled>) -> Result<bool, Halt> {
        Ok(!self.settle_each(settled).await?.contains(&Outcome::Changed))
    }

    /// Commits a batch; what became of each.
    pub(super) async fn settle_each(
        &mut self,
        settled: Vec<Settled>,
    ) -> Result<Vec<Outcome>, Halt> {
        let (now, counts) = (self.now(), std::mem::take(&mut self.counts));
        let seqs: Vec<i64> = settled.iter().map(|one| one.seq).collect();
        let taken = self.engine.store.settle_pairs(self.hold, settled, counts, now).await?;
        let taken = taken.ok_or(Halt::Taken)?;
        let tied = seqs.iter().zip(&taken).filter_map(|(seq, outcome)| match outcome {
            Outcome::Tied { pair } => Some((*seq, *pair)),
            _ => None,
        });
        for (seq, of) in tied.collect::<Vec<_>>() {
            self.hold_back(seq, of).await?;
        }
        Ok(taken)
    }

    /// A record of a pair is tied to another one already: a person says whose it is.
    async fn hold_back(&self, seq: i64, of: i64) -> Result<(), Halt> {
        let Some(pair) = self.pairs(&[seq]).await?.pop() else { return Ok(()) };
        let mut settled = Settled::of(&pair);
        settled.state = PairState::Held;
        doubt::made_elsewhere(&pair, &mut settled);
        settled.reviews.push(super::review::duplicate(of, KeyKind::ExternalId));
        let (now, counts) = (self.now(), Counts::from([("duplicates".to_owned(), 1)]));
        let store = &self.engine.store;
        store.settle_pairs(self.hold, vec![settled], counts, now).await?.ok_or(Halt::Taken)?;
        Ok(())
    }

    /// Adds what was counted to the run.
    pub(super) async fn tell_counts(&mut self) -> Result<(), Halt> {
        let (now, counts) = (self.now(), std::mem::take(&mut self.counts));
        let is_told = self.engine.store.move_sync_run(self.hold, None, counts, now).await?;
        if is_told { Ok(()) } else { Err(Halt::Taken) }
    }
}
