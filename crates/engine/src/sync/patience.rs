//! Asks vendors with patience: within their budgets, behind every call, and while the run
//! stays ours.

use super::fetch;
use super::work::{HOLD, Halt, Worker};
use domain::sync::Side;
use kit::{Error, Lane, Record, Saved, Write};
use state::sync::Half;
use std::sync::Arc;
use std::time::Duration;

/// Tries before what fails is left to the next run, and the waits between them: half a
/// second, doubling.
const TRIES: u32 = 5;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// How often a throttle is waited for, and how long at most each time.
pub(super) const THROTTLES_MAX: u32 = 60;
pub(super) const THROTTLE_MAX: Duration = Duration::from_secs(120);
pub(super) const THROTTLE_UNTOLD: Duration = Duration::from_secs(10);

/// Batches in a row of which nothing comes through before a side is down.
const DOWN_AFTER: u32 = 2;

impl Worker<'_> {
    /// Does something while the run is held.
    pub(super) async fn held<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stop = self.stop.clone();
        if *stop.borrow_and_update() {
            return Err(Halt::Stopped);
        }
        let mut work = Box::pin(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = stop.changed() => return Err(Halt::Stopped),
                () = tokio::time::sleep(HOLD / 3) => {
                    let now = self.engine.clock.now();
                    if !self.engine.store.hold_sync_run(self.hold, HOLD, now).await? {
                        return Err(Halt::Taken);
                    }
                }
            }
        }
    }

    /// Asks until there is an answer, a refusal, or no more patience. A throttle is
    /// waited for and is no failure.
    pub(super) async fn patiently<T, F>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<Result<T, Error>, Halt>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let (mut tries, mut throttles) = (0, 0);
        loop {
            let error = match self.held(ask()).await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => error,
            };
            let wait = match &error {
                Error::RateLimited { retry_after } if throttles < THROTTLES_MAX => {
                    throttles += 1;
                    retry_after.unwrap_or(THROTTLE_UNTOLD).min(THROTTLE_MAX)
                }
                error if error.is_worth_retrying() && tries + 1 < TRIES => {
                    tries += 1;
                    BACKOFF_FIRST * (1 << (tries - 1))
                }
                _ => return Ok(Err(error)),
            };
            self.held(tokio::time::sleep(wait)).await?;
        }
    }

    /// The records of a side as they are now.
    pub(super) async fn read_again(
        &mut self,
        side: Side,
        ids: &[String],
        lane: Lane,
    ) -> Result<Vec<Half>, Halt> {
        let records = self.read(side, ids, lane).await?;
        // What is gone may have become another, which is no reason to delete anybody.
        let known = ids.iter().zip(&records);
        let gone: Vec<String> =
            known.filter(|(_, record)| record.is_none()).map(|(id, _)| id.clone()).collect();
        let end = self.sync.end(side);
        let mut into = Vec::new();
        if !gone.is_empty() {
            let asked = self.patiently(|| end.writes.successors(&end.object, &gone)).await?;
            into = asked.map_err(|error| Halt::vendor(side, end, &error))?;
        }
        let mut into = into.into_iter();
        let half = |(id, record): (&String, Option<Record>)| match record {
            Some(record) => Half::Present(fetch::copy(record)),
            None => Half::Gone { id: id.clone(), into: into.next().flatten() },
        };
        Ok(ids.iter().zip(records).map(half).collect())
    }

    /// The same, as they are told; without what the map can do without and the side has not,
    /// which nobody may have asked for before in this run.
    pub(super) async fn read(
        &mut self,
        side: Side,
        ids: &[String],
        lane: Lane,
    ) -> Result<Vec<Option<Record>>, Halt> {
        while !ids.is_empty() {
            let sync = Arc::clone(&self.sync);
            let end = sync.end(side);
            let fields = fetch::asked(&sync, side);
            let read = || end.writes.read(lane, &end.object, ids, &fields);
            match self.patiently(read).await? {
                Ok(records) => return Ok(records),
                Err(error) if self.leave_out(side, &error) => {}
                Err(error) => return Err(Halt::vendor(side, end, &error)),
            }
        }
        Ok(Vec::new())
    }

    /// Writes records, with patience for all of them, and says of each what became of it.
    pub(super) async fn write(
        &self,
        side: Side,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Halt> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let end = self.sync.end(side);
        let mut told: Vec<Option<Result<Saved, Error>>> = writes.iter().map(|_| None).collect();
        for _ in 0..TRIES {
            let open: Vec<usize> =
                (0..told.len()).filter(|at| is_open(told[*at].as_ref())).collect();
            if open.is_empty() {
                break;
            }
            let again: Vec<Write> = open.iter().map(|at| writes[*at].clone()).collect();
            let sent = self.patiently(|| end.writes.write(&end.object, &again)).await?;
            match sent {
                Ok(outcomes) => {
                    for (at, outcome) in open.into_iter().zip(outcomes) {
                        told[at] = Some(outcome);
                    }
                }
                Err(error) => open.into_iter().for_each(|at| told[at] = Some(Err(error.clone()))),
            }
            let wait = told.iter().flatten().filter_map(|one| one.as_ref().err()).find_map(pause);
            if let Some(wait) = wait {
                self.held(tokio::time::sleep(wait)).await?;
            }
        }
        let missing = || Err(Error::protocol("no outcome"));
        Ok(told.into_iter().map(|one| one.unwrap_or_else(missing)).collect())
    }

    /// What a side said to the writes of a batch. One record that is refused stops nobody; a
    /// side of which nothing comes through in two batches, or that lets nobody in, is down.
    pub(super) fn heard<'e>(
        &mut self,
        side: Side,
        outcomes: impl Iterator<Item = Result<(), &'e Error>>,
    ) {
        let (mut went, mut shut) = (false, None);
        for outcome in outcomes {
            match outcome {
                Err(
                    error @ (Error::Unauthorized { .. }
                    | Error::RateLimited { .. }
                    | Error::Unavailable { .. }),
                ) => shut = shut.or(Some(error.clone())),
                _ => went = true,
            }
        }
        match shut {
            Some(error) if !went => {
                let before = self.down.remove(&side).map_or(0, |(times, _)| times);
                self.down.insert(side, (before + 1, error));
            }
            _ if went => drop(self.down.remove(&side)),
            _ => {}
        }
    }

    /// Once a batch is committed: a side that is down is not asked again in this run.
    pub(super) fn stop_if_down(&self) -> Result<(), Halt> {
        let is_down = |(_, (times, error)): &(&Side, &(u32, Error))| {
            *times >= DOWN_AFTER || matches!(error, Error::Unauthorized { .. })
        };
        match self.down.iter().find(is_down) {
            Some((side, (_, error))) => Err(Halt::vendor(*side, self.sync.end(*side), error)),
            None => Ok(()),
        }
    }
}

/// Not sent yet, or told to wait: what each row of a batch may be.
fn is_open(outcome: Option<&Result<Saved, Error>>) -> bool {
    outcome.is_none_or(|told| told.as_ref().is_err_and(|error| pause(error).is_some()))
}

fn pause(error: &Error) -> Option<Duration> {
    match error {
        Error::RateLimited { retry_after } => {
            Some(retry_after.unwrap_or(THROTTLE_UNTOLD).min(THROTTLE_MAX))
        }
        _ => None,
    }
}
