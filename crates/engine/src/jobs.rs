//! Runs the durable jobs until told to stop.
//!
//! One loop per kind and connection: lease what is due, run it, settle it with
//! what follows from it. A failure waits with exponential backoff and jitter and
//! ends, after a day, as a dead letter that `tieline jobs` shows and redrives.
//! Because a killed process leases its jobs again, every handler can be repeated.
//! Which lines there are, as connections come and go: [`lines`].

mod lines;

use crate::actions::{self, ACCEPT, ASK};
use crate::alerts::{self, ALERT};
use crate::finish::FINISH;
use crate::follow_up::{ENRICH, PUSH};
use crate::journal::JOURNAL;
use crate::live::Live;
use crate::lookup::Engine;
use crate::{call_end, contact_center, enrich, feed, finish, journal, reconcile, rotate, subjects};
use domain::{CallId, Timestamp};
use state::enrichments::Enrichment as Kept;
use state::events::CLOSE_CALL;
use state::{Identified, Journal, JournalState, Leased, NewJob, NewOutcome, Outcome, Settlement};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A handler's good end.
#[derive(Debug)]
pub(crate) enum End {
    Done,
    /// Nothing to do, for a reason that an operator reads.
    Skipped(String),
    /// Done, and these follow.
    Followed(Vec<NewJob>),
    /// Done, with the call's identity: committed together.
    Identified {
        call: CallId,
        identified: Identified,
        jobs: Vec<NewJob>,
    },
    /// Done, with what the call came to: committed together.
    Closed {
        call: CallId,
        came_to: Box<NewOutcome>,
    },
    /// Done, with what a queue's CRM has said: committed together.
    Enriched {
        kept: Box<Kept>,
        jobs: Vec<NewJob>,
    },
    /// Done, or skipped for a reason, with what became of the call's activity.
    Journaled {
        call: CallId,
        state: JournalState,
        written: Option<Journal>,
        reason: Option<String>,
    },
}

/// A handler's bad end.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: String,
    retry_after: Option<Duration>,
    is_final: bool,
}

impl Failure {
    pub(crate) fn dead(reason: &str) -> Self {
        Self { reason: reason.to_owned(), retry_after: None, is_final: true }
    }

    fn panicked() -> Self {
        let reason = "its handler panicked, which is a fault of Tieline: please report it";
        Self { reason: reason.to_owned(), retry_after: None, is_final: false }
    }
}

impl From<kit::Error> for Failure {
    fn from(error: kit::Error) -> Self {
        let retry_after = match &error {
            kit::Error::RateLimited { retry_after } => *retry_after,
            _ => None,
        };
        Self { reason: error.to_string(), retry_after, is_final: !error.is_worth_retrying() }
    }
}

impl From<state::Error> for Failure {
    fn from(error: state::Error) -> Self {
        Self { reason: error.to_string(), retry_after: None, is_final: false }
    }
}

/// How long a worker may hold a job before another may take it.
const LEASE: Duration = Duration::from_secs(90);
/// Enrichments of one connection under way at once: enough to fill requests with
/// several asks. How many requests these make is bounded by the connection itself.
const ENRICH_MAX: usize = 40;
/// Calls closed at once: nobody but the store is asked.
const CLOSE_MAX: usize = 40;
/// Conversations told, or activities written, at once.
const ANNOTATE_MAX: usize = 8;
/// Waits between tries: one second, doubling up to ten minutes.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// A job this old that fails again is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// How long a skipped job is shown, how long it is known that a contact has lost a
/// number (no answer of a CRM is on its way for longer), and how often what is
/// older is forgotten.
const SKIPPED_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
const LOST_KEPT: Duration = Duration::from_secs(24 * 3_600);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How often a line looks by itself: jobs of other nodes bring no nudge.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The jobs of one kind for one connection; what hangs in one line holds up no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    kind: &'static str,
    connection: String,
}

/// The lines, being worked off.
pub struct Runner {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
}

impl Runner {
    /// Starts one loop per kind of job and connection.
    #[must_use]
    pub fn start(live: &Live) -> Self {
        let stop = watch::Sender::new(false);
        let mut loops = JoinSet::new();
        loops.spawn(lines::keep(live.clone(), stop.subscribe()));
        loops.spawn(alerts::watch(live.clone(), stop.subscribe()));
        loops.spawn(crate::health::keep_course(live.clone(), stop.subscribe()));
        loops.spawn(forget(live.now(), stop.subscribe()));
        loops.spawn(reconcile::work(live.clone(), stop.subscribe()));
        loops.spawn(crate::sync::control::run(live.clone(), stop.subscribe()));
        loops.spawn(crate::sync::follow::run(live.clone(), stop.subscribe()));
        loops.spawn(crate::presence::work::run(live.clone(), stop.subscribe()));
        loops.spawn(rotate::resume(live.now(), stop.subscribe()));
        loops.spawn(subjects::keep_up(live.clone(), stop.subscribe()));
        Self { stop, loops }
    }

    /// Leases nothing new, and waits for what is under way; what does not end
    /// in time is leased again by the next process.
    pub async fn stop(mut self, within: Duration) {
        self.stop.send_replace(true);
        let all = async { while self.loops.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::info!("jobs still under way are left to the next start");
        }
    }
}

/// Forgets what need not be known for ever, a bounded part at a time.
async fn forget(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = forget_old(&engine).await {
            tracing::warn!("what is old could not be forgotten: {error}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
    }
}

async fn forget_old(engine: &Engine) -> Result<(), state::Error> {
    let now = engine.clock.now();
    while engine.store.prune_jobs(now.minus(SKIPPED_KEPT)).await? > 0 {}
    while engine.store.prune_directory(now.minus(LOST_KEPT)).await? > 0 {}
    engine.forget_ended_overrides().await?;
    feed::forget(&engine.store, now).await?;
    crate::sync::control::forget(engine, now).await?;
    while engine.store.prune_labels().await? > 0 {}
    let Some(kept_for) = engine.options.keep_calls_for else { return Ok(()) };
    let mut purged = 0;
    loop {
        match engine.store.purge_calls(now.minus(kept_for)).await? {
            0 => break,
            more => purged += more,
        }
    }
    if purged > 0 {
        tracing::info!("{purged} calls older than retention.calls are forgotten");
        engine.store.fold_log().await?;
    }
    Ok(())
}

/// Works a line off until told to stop, or until its connection is gone with all its jobs.
async fn work(live: Live, line: &Line, mut stop: watch::Receiver<bool>) {
    let mut nudge = live.now().store.job_nudge(line.kind, &line.connection);
    let mut under_way = JoinSet::new();
    while !*stop.borrow() {
        while under_way.try_join_next().is_some() {}
        nudge.borrow_and_update();
        // One snapshot a round: what a change took away is not kept alive by its own jobs.
        let engine = live.now();
        let wait = match lease(&engine, line, under_way.len()).await {
            Ok(Taken::Nothing) if under_way.is_empty() && !lines::is_wanted(&engine, line) => break,
            Ok(Taken::Nothing) => LOOK_EVERY,
            Ok(Taken::NotYet(wait)) => wait,
            Ok(Taken::Jobs(jobs)) => {
                for unit in units(line, jobs) {
                    under_way.spawn(attempt(Arc::clone(&engine), line.clone(), unit));
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(job.kind = line.kind, "jobs cannot be leased: {error}");
                // A store that cannot be written is not asked again and again.
                LOOK_EVERY
            }
        };
        drop(engine);
        tokio::select! {
            _ = stop.changed() => {}
            _ = nudge.changed() => {}
            Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// What a look at a line has brought.
enum Taken {
    Jobs(Vec<Leased>),
    /// None can be had yet; how long to wait, unless something happens before.
    NotYet(Duration),
    /// The line has none at all.
    Nothing,
}

/// As many as are due and there is room for. Pushes travel together, one such journey at
/// a time. Most looks find nothing, and cost one read: leasing is a write.
async fn lease(engine: &Engine, line: &Line, under_way: usize) -> Result<Taken, state::Error> {
    let room = match line.kind {
        PUSH if under_way > 0 => 0,
        PUSH => contact_center::batch_max(engine),
        ENRICH | FINISH | ASK => ENRICH_MAX.saturating_sub(under_way),
        CLOSE_CALL | ACCEPT => CLOSE_MAX.saturating_sub(under_way),
        _ => ANNOTATE_MAX.saturating_sub(under_way),
    };
    if room == 0 {
        return Ok(Taken::NotYet(LOOK_EVERY)); // the end of one is waited for
    }
    let now = engine.clock.now();
    match engine.store.next_due(line.kind, &line.connection).await? {
        None => return Ok(Taken::Nothing),
        Some(due) if due > now => return Ok(Taken::NotYet(pause(due.since(now)))),
        Some(_) => {}
    }
    let jobs = engine.store.lease(line.kind, &line.connection, room, LEASE, now).await?;
    // Another node was quicker.
    Ok(if jobs.is_empty() { Taken::NotYet(pause(Duration::ZERO)) } else { Taken::Jobs(jobs) })
}

fn pause(wait: Duration) -> Duration {
    wait.clamp(Duration::from_millis(20), LOOK_EVERY)
}

/// What is run together: all pushes, any other job by itself.
fn units(line: &Line, jobs: Vec<Leased>) -> Vec<Vec<Leased>> {
    if line.kind == PUSH { vec![jobs] } else { jobs.into_iter().map(|job| vec![job]).collect() }
}

/// Runs jobs and settles each, also when their handler panics.
async fn attempt(engine: Arc<Engine>, line: Line, jobs: Vec<Leased>) {
    let jobs = Arc::new(jobs);
    let ran = {
        let (engine, line, jobs) = (Arc::clone(&engine), line.clone(), Arc::clone(&jobs));
        tokio::spawn(async move { run(&engine, &line, &jobs).await })
    };
    let ends = ran.await.unwrap_or_else(|_| {
        tracing::error!(job.kind = line.kind, "the handler of a job panicked");
        jobs.iter().map(|_| Err(Failure::panicked())).collect()
    });
    for (job, end) in jobs.iter().zip(ends) {
        settle(&engine, job, end).await;
    }
}

/// One end per job, in order.
async fn run(engine: &Engine, line: &Line, jobs: &[Leased]) -> Vec<Result<End, Failure>> {
    if line.kind == PUSH {
        return contact_center::push(engine, &line.connection, jobs).await;
    }
    let mut ends = Vec::with_capacity(jobs.len());
    for job in jobs {
        ends.push(match line.kind {
            ENRICH => enrich::run(engine, &line.connection, job).await,
            FINISH => finish::run(engine, &line.connection, job).await,
            CLOSE_CALL => call_end::run(engine, &line.connection, job).await,
            JOURNAL => journal::write(engine, &line.connection, job).await,
            ASK => actions::ask_behind(engine, job).await,
            ACCEPT => actions::accept(engine, job).await,
            ALERT => alerts::run(engine, &line.connection, job).await,
            _ => contact_center::annotate(engine, &line.connection, job).await,
        });
    }
    ends
}

async fn settle(engine: &Engine, job: &Leased, end: Result<End, Failure>) {
    let now = engine.clock.now();
    let outcome = match &end {
        Ok(End::Skipped(reason) | End::Journaled { reason: Some(reason), .. }) => {
            Outcome::Skipped { reason: reason.clone() }
        }
        Ok(_) => Outcome::Done,
        Err(failure) => failed(job, failure, now),
    };
    engine.metrics.job_ended(job.kind, &outcome);
    if let Err(error) = commit(engine, job, outcome, end, now).await {
        tracing::warn!(
            job.kind = job.kind,
            "a job could not be settled and will be repeated: {error}"
        );
    }
}

/// The job's end and what it brought, in one transaction. Whoever leased it
/// meanwhile does it again.
async fn commit(
    engine: &Engine,
    job: &Leased,
    outcome: Outcome,
    end: Result<End, Failure>,
    now: Timestamp,
) -> Result<(), state::Error> {
    let store = &engine.store;
    let mut settlement = Settlement { lease: job.lease, outcome, follow_up: Vec::new() };
    match end {
        Ok(End::Identified { call, identified, jobs }) => {
            // Where the call is known better by now, nobody is told what is no longer so.
            store.identify_call(&call, identified, jobs, Some(settlement)).await.map(drop)
        }
        Ok(End::Closed { call, came_to }) => {
            store.keep_outcome(&call, *came_to, settlement, now).await.map(drop)
        }
        Ok(End::Enriched { kept, jobs }) => {
            store.keep_enrichment(*kept, jobs, settlement, now).await.map(drop)
        }
        Ok(End::Journaled { call, state, written, .. }) => {
            store.keep_journal(&call, state, written, settlement, now).await.map(drop)
        }
        end => {
            if let Ok(End::Followed(jobs)) = end {
                settlement.follow_up = jobs;
            }
            store.settle(vec![settlement], now).await.map(drop)
        }
    }
}

fn failed(job: &Leased, failure: &Failure, now: Timestamp) -> Outcome {
    let Failure { reason: error, retry_after, is_final } = failure;
    let error = error.clone();
    if *is_final || now.since(job.created_at) > GIVE_UP_AFTER {
        tracing::error!(job.kind = job.kind, job.attempts = job.attempts, "a job is dead: {error}");
        return Outcome::Dead { error };
    }
    let wait = backoff(job.attempts, job.lease.job).max(retry_after.unwrap_or_default());
    Outcome::Retry { at: now.plus(wait), error }
}

/// Doubles with each try; the job's id spreads jobs that failed together over
/// the upper half of the wait, so that they do not come back together.
fn backoff(attempts: u32, job: i64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    let full = doubled.min(BACKOFF_MAX);
    let spread = job.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()).cast_unsigned() >> 48;
    full / 2 + (full / 2).mul_f64(f64::from(u16::try_from(spread).unwrap_or(0)) / 65_536.0)
}

#[cfg(test)]
mod tests {
    use super::{BACKOFF_MAX, backoff};
    use std::time::Duration;

    #[test]
    fn waits_double_within_bounds_and_are_spread() {
        for attempts in 1..40 {
            let waits: Vec<_> = (1..50).map(|job| backoff(attempts, job)).collect();
            let full =
                Duration::from_secs(1).saturating_mul(1 << (attempts - 1).min(10)).min(BACKOFF_MAX);
            assert!(waits.iter().all(|w| *w >= full / 2 && *w <= full), "{attempts}: {waits:?}");
            let (least, most) = (waits.iter().min(), waits.iter().max());
            assert!(most > least, "{attempts}: not spread");
        }
    }
}
