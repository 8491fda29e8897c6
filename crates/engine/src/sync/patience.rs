//! Asks vendors with patience: within their budgets, behind every call, and while the run
//! stays ours.

use super::fetch;
use super::work::{HOLD, Halt, Worker};
use domain::sync::Side;
use kit::{Error, Lane, Record, Saved, Write};
use state::sync::Half;
use std::time::Duration;

/// Tries before what fails is left to the next run, and the waits between them: half a
/// second, doubling.
const TRIES: u32 = 5;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// How often a throttle is waited for, and how long at most each time.
pub(super) const THROTTLES_MAX: u32 = 60;
pub(super) const THROTTLE_MAX: Duration = Duration::from_secs(120);
pub(super) const THROTTLE_UNTOLD: Duration = Duration::from_secs(10);

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
        &self,
        side: Side,
        ids: &[String],
        lane: Lane,
    ) -> Result<Vec<Half>, Halt> {
        let end = self.sync.end(side);
        let fields = fetch::asked(&self.sync, side);
        let read = || end.writes.read(lane, &end.object, ids, &fields);
        let records = self.patiently(read).await?;
        let records = records.map_err(|error| Halt::vendor(side, end, &error))?;
        let half = |(id, record): (&String, Option<Record>)| match record {
            Some(record) => Half::Present(fetch::copy(record)),
            None => Half::Gone { id: id.clone(), into: None },
        };
        Ok(ids.iter().zip(records).map(half).collect())
    }

    /// Writes one record, with patience.
    pub(super) async fn write_one(
        &self,
        side: Side,
        write: Write,
    ) -> Result<Result<Saved, Error>, Halt> {
        let end = self.sync.end(side);
        let writes = [write];
        let sent = self.patiently(|| end.writes.write(&end.object, &writes)).await?;
        Ok(sent.and_then(|outcomes| {
            outcomes.into_iter().next().unwrap_or_else(|| Err(Error::protocol("no outcome")))
        }))
    }
}
