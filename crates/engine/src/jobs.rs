//! Runs the durable jobs until told to stop.
//!
//! One loop per kind: lease what is due, run it, settle it with what follows
//! from it. A failure waits with exponential backoff and jitter and ends, after
//! a day, as a dead letter that `tieline jobs` shows and redrives. Because a
//! killed process leases its jobs again, every handler can be repeated.

use crate::follow_up::{ANNOTATE, ENRICH, PUSH};
use crate::lookup::Engine;
use crate::{contact_center, enrich};
use domain::{CallId, Timestamp};
use state::{Identified, Leased, NewJob, Outcome, Settlement};
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
/// Jobs of one kind under way at once.
const CONCURRENT_MAX: usize = 8;
/// Waits between tries: one second, doubling up to ten minutes.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// A job this old that fails again is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// How long a skipped job is shown, and how often older ones are forgotten.
const SKIPPED_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How often a loop looks by itself: jobs of other nodes bring no nudge.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The loops, running.
pub struct Runner {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
}

impl Runner {
    /// Starts one loop per kind of job.
    #[must_use]
    pub fn start(engine: &Engine) -> Self {
        let stop = watch::Sender::new(false);
        let mut loops = JoinSet::new();
        for kind in [ENRICH, PUSH, ANNOTATE] {
            loops.spawn(work(engine.clone(), kind, stop.subscribe()));
        }
        loops.spawn(forget_skipped(engine.clone(), stop.subscribe()));
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

/// Skipped jobs are there to be looked at, not for ever.
async fn forget_skipped(engine: Engine, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let now = engine.clock.now();
        let before = Timestamp(now.0 - i64::try_from(SKIPPED_KEPT.as_millis()).unwrap_or(i64::MAX));
        if let Err(error) = engine.store.prune_jobs(before).await {
            tracing::warn!("skipped jobs could not be forgotten: {error}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
    }
}

async fn work(engine: Engine, kind: &'static str, mut stop: watch::Receiver<bool>) {
    let mut nudge = engine.store.job_nudge();
    while !*stop.borrow() {
        nudge.borrow_and_update();
        let limit = if kind == PUSH { contact_center::batch_max(&engine) } else { CONCURRENT_MAX };
        let now = engine.clock.now();
        let worked = match engine.store.lease(kind, limit, LEASE, now).await {
            Ok(jobs) if jobs.is_empty() => Some(false),
            Ok(jobs) => {
                run(&engine, kind, jobs).await;
                Some(true)
            }
            Err(error) => {
                tracing::warn!(job.kind = kind, "jobs cannot be leased: {error}");
                None
            }
        };
        let wait = match worked {
            Some(true) => continue,
            Some(false) => until_next(&engine, kind).await,
            // A store that cannot be written is not asked again and again.
            None => LOOK_EVERY,
        };
        tokio::select! {
            _ = stop.changed() => {}
            _ = nudge.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn until_next(engine: &Engine, kind: &'static str) -> Duration {
    let due = engine.store.next_due(&[kind]).await.ok().flatten();
    let wait = due.map_or(LOOK_EVERY, |due| due.since(engine.clock.now()));
    wait.clamp(Duration::from_millis(20), LOOK_EVERY)
}

/// Runs leased jobs, pushes together and others side by side, and settles each.
async fn run(engine: &Engine, kind: &'static str, jobs: Vec<Leased>) {
    if kind == PUSH {
        let ends = contact_center::push(engine, &jobs).await;
        for (job, end) in jobs.iter().zip(ends) {
            settle(engine, job, end).await;
        }
        return;
    }
    let mut under_way = JoinSet::new();
    for job in jobs {
        let engine = engine.clone();
        under_way.spawn(async move {
            let end = match kind {
                ENRICH => enrich::run(&engine, &job).await,
                _ => contact_center::annotate(&engine, &job).await,
            };
            settle(&engine, &job, end).await;
        });
    }
    while let Some(joined) = under_way.join_next().await {
        if joined.is_err() {
            // Its lease runs out and it is tried again.
            tracing::error!(job.kind = kind, "a job's handler panicked");
        }
    }
}

async fn settle(engine: &Engine, job: &Leased, end: Result<End, Failure>) {
    let now = engine.clock.now();
    let (outcome, follow_up, identified) = match end {
        Ok(End::Done) => (Outcome::Done, Vec::new(), None),
        Ok(End::Skipped(reason)) => (Outcome::Skipped { reason }, Vec::new(), None),
        Ok(End::Followed(jobs)) => (Outcome::Done, jobs, None),
        Ok(End::Identified { call, identified, jobs }) => {
            (Outcome::Done, jobs, Some((call, identified)))
        }
        Err(failure) => (failed(job, failure, now), Vec::new(), None),
    };
    engine.metrics.job_ended(job.kind, &outcome);
    let settlement = Settlement { lease: job.lease, outcome, follow_up };
    let settled = match identified {
        Some((call, identified)) => {
            let identify =
                engine.store.identify_call(&call, identified, Vec::new(), Some(settlement));
            identify.await.map(drop)
        }
        None => engine.store.settle(vec![settlement], now).await.map(drop),
    };
    if let Err(error) = settled {
        tracing::warn!(
            job.kind = job.kind,
            "a job could not be settled and will be repeated: {error}"
        );
    }
}

fn failed(job: &Leased, failure: Failure, now: Timestamp) -> Outcome {
    let Failure { reason: error, retry_after, is_final } = failure;
    if is_final || now.since(job.created_at) > GIVE_UP_AFTER {
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
