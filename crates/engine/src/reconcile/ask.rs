//! Asks others with patience: within their budgets, behind every call, and while the
//! run stays ours.

use super::{HOLD, Halt, Worker};
use crate::connections::Connection;
use crate::flights::Landing as _;
use crate::follow_up::{ANNOTATE, PUSH};
use domain::Contact;
use kit::{Ask, Error, Lane};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Tries before what fails is left to the next run, and the waits between them: half a
/// second, doubling.
const TRIES: u32 = 5;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// How often a throttle is waited for, and how long at most each time.
const THROTTLES_MAX: u32 = 60;
const THROTTLE_MAX: Duration = Duration::from_secs(120);
const THROTTLE_UNTOLD: Duration = Duration::from_secs(10);
/// What the contact center may have to be told before more is added: what a live call has
/// to tell waits behind it.
const BACKLOG_MAX: u64 = 20;
/// How long a line that does not move is waited for.
const BACKLOG_WAIT: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who has the identifiers of an ask, or why that is not known.
pub(super) type People = Result<Arc<Vec<Contact>>, Unknown>;

/// Why it is not known who it is.
#[derive(Debug, Clone)]
pub(super) struct Unknown {
    pub(super) reason: String,
    /// The next run may know.
    pub(super) is_passing: bool,
}

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
                    if !self.engine.store.hold_run(self.hold, HOLD, now).await? {
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

    /// Everybody who has the identifiers of these asks, as many as fit in one request.
    /// What is found is learned by the directory, unless the run is dry.
    pub(super) async fn find(
        &mut self,
        connection: &Arc<Connection>,
        asks: Vec<Ask>,
    ) -> Result<HashMap<Ask, People>, Halt> {
        let mut found = HashMap::with_capacity(asks.len());
        let Some(lookup) = connection.capabilities.lookup.clone() else {
            let reason = format!("{}: the connection cannot look anybody up", connection.name);
            let none = |ask| (ask, Err(Unknown { reason: reason.clone(), is_passing: false }));
            return Ok(asks.into_iter().map(none).collect());
        };
        for batch in asks.chunks(lookup.batch_max().max(1)) {
            self.find_batch(connection, &*lookup, batch, &mut found).await?;
        }
        Ok(found)
    }

    async fn find_batch(
        &mut self,
        connection: &Arc<Connection>,
        lookup: &dyn kit::Lookup,
        batch: &[Ask],
        found: &mut HashMap<Ask, People>,
    ) -> Result<(), Halt> {
        if let Some(reason) = self.down.get(&connection.name) {
            let unknown = Unknown { reason: reason.clone(), is_passing: true };
            found.extend(batch.iter().map(|ask| (ask.clone(), Err(unknown.clone()))));
            return Ok(());
        }
        let asked_at = self.engine.clock.now();
        let answer = self.patiently(|| lookup.find(Lane::Background, batch)).await?;
        match answer {
            Ok(people) => {
                let people = people.into_iter().map(Arc::new);
                let answers: Vec<_> = batch.iter().cloned().zip(people).collect();
                if !self.run.is_dry {
                    let landing = self.engine.landing(connection);
                    landing.landed(Lane::Background, answers.clone(), asked_at).await;
                }
                found.extend(answers.into_iter().map(|(ask, people)| (ask, Ok(people))));
            }
            Err(error) if error.is_worth_retrying() => {
                let reason = format!("{}: {error}", connection.name);
                tracing::warn!(connection = connection.name, "left to the next run: {error}");
                self.trouble.insert(reason.clone());
                self.down.insert(connection.name.clone(), reason);
                return Box::pin(self.find_batch(connection, lookup, batch, found)).await;
            }
            Err(error) if batch.len() == 1 => {
                let reason = format!("{}: {error}", connection.name);
                let unknown = Unknown { reason, is_passing: false };
                found.extend(batch.iter().map(|ask| (ask.clone(), Err(unknown.clone()))));
            }
            // Refused for good, perhaps for one of them alone.
            Err(_) => {
                for one in batch {
                    let one = std::slice::from_ref(one);
                    Box::pin(self.find_batch(connection, lookup, one, found)).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until what the contact center is being told has become little.
    pub(super) async fn until_there_is_room(&self) -> Result<(), Halt> {
        let center = self.engine.connections.contact_center();
        let Some(center) = center.filter(|_| !self.run.is_dry) else {
            return self.held(async {}).await;
        };
        let mut waiting = u64::MAX;
        let mut moved = Instant::now();
        loop {
            let (store, at) = (&self.engine.store, self.engine.clock.now());
            let now = store.jobs_in_line(PUSH, &center.name, at).await?
                + store.jobs_in_line(ANNOTATE, &center.name, at).await?;
            if now < waiting {
                (waiting, moved) = (now, Instant::now());
            }
            if now < BACKLOG_MAX || moved.elapsed() > BACKLOG_WAIT {
                return self.held(async {}).await;
            }
            self.held(tokio::time::sleep(LOOK_EVERY)).await?;
        }
    }
}
