//! Writes: one short transaction, in a session that does nothing else.
//!
//! Where a transaction cannot be carried out because of one of its rows (a lock that
//! somebody holds, a constraint that is looked at when it ends), each row is given one of its
//! own, so that only that row is refused. What was sent and not answered is told as
//! unavailable: it may be repeated (invariant 3).

use super::{Driver, Failure, Purpose, Server, late};
use crate::sql::cell::Row;
use crate::sql::statement::{Argument, Statement};
use crate::sql::tables::{Batch, Outcomes, Transaction};
use async_trait::async_trait;
use kit::{Error, Lane};
use std::time::Duration;
use tokio::time::timeout;

/// How much longer than one statement a whole batch may take.
pub(super) const BATCH: u32 = 4;
/// Tries of a row whose transaction met another one.
const TRIES: usize = 2;

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Step {
    Begin,
    Mark,
    Keep,
    Back,
    Commit,
    Rollback,
}

impl Step {
    /// In the words of PostgreSQL, MySQL and SQLite.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN",
            Self::Mark => "SAVEPOINT tieline_row",
            Self::Keep => "RELEASE SAVEPOINT tieline_row",
            Self::Back => "ROLLBACK TO SAVEPOINT tieline_row",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
        }
    }
}

/// A transaction that can be begun and ended.
#[async_trait]
pub(super) trait Ended: Transaction {
    async fn step(&mut self, step: Step) -> Result<bool, Failure>;

    /// Can a row be taken back alone?
    fn marks(&self) -> bool;
}

/// Does the writes of a batch together, or where that cannot be, one by one.
pub(super) async fn carried_out<T: Ended>(
    within: &mut T,
    batch: &Batch,
) -> Result<Outcomes, Failure> {
    if within.marks() || batch.len() < 2 {
        match at_once(within, batch).await {
            Err(Failure::Told(_)) if batch.len() > 1 => {}
            outcome => return outcome,
        }
    }
    let mut outcomes = Outcomes::with_capacity(batch.len());
    for at in 0..batch.len() {
        let own = batch.only(at);
        let mut told = at_once(within, &own).await;
        for _ in 1..TRIES {
            if matches!(told, Err(Failure::Told(Error::Unavailable { .. }))) {
                told = at_once(within, &own).await;
            }
        }
        match told {
            Ok(mut one) => outcomes.extend(one.pop()),
            Err(Failure::Told(error)) => outcomes.push(Err(error)),
            Err(failure) => return Err(failure),
        }
    }
    Ok(outcomes)
}

async fn at_once<T: Ended>(within: &mut T, batch: &Batch) -> Result<Outcomes, Failure> {
    within.step(Step::Begin).await?;
    let done = match batch.run(within).await {
        Ok(outcomes) => within.step(Step::Commit).await.map(|_| outcomes),
        Err(failure) => Err(failure),
    };
    if let Err(Failure::Told(_)) = &done {
        // What cannot even be taken back is no session to go on with.
        match within.step(Step::Rollback).await {
            Ok(_) => {}
            Err(Failure::Told(error)) => return Err(Failure::Broken(error)),
            Err(failure) => return Err(failure),
        }
    }
    done
}

/// A transaction at a server.
struct Within<'a, D: Driver> {
    driver: &'a D,
    session: &'a mut D::Session,
    has_begun: bool,
}

#[async_trait]
impl<D: Driver> Transaction for Within<'_, D> {
    async fn rows(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        self.driver.rows_within(self.session, statement, arguments).await
    }

    async fn change(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure> {
        self.driver.change(self.session, statement, arguments).await
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        self.driver.step(self.session, Step::Mark).await.map(drop)
    }

    async fn keep(&mut self) -> Result<(), Failure> {
        self.driver.step(self.session, Step::Keep).await.map(drop)
    }

    async fn back(&mut self) -> Result<bool, Failure> {
        self.driver.step(self.session, Step::Back).await
    }
}

#[async_trait]
impl<D: Driver> Ended for Within<'_, D> {
    async fn step(&mut self, step: Step) -> Result<bool, Failure> {
        let taken = self.driver.step(self.session, step).await;
        self.has_begun |= taken.is_ok();
        taken
    }

    fn marks(&self) -> bool {
        self.driver.marks()
    }
}

impl<D: Driver> Server<D> {
    /// Passes the turnstile as background work does: a sync waits, a call does not.
    pub(super) async fn write_within(&self, batch: &Batch) -> Result<Outcomes, Error> {
        let passed = self.turnstile.pass(Lane::Background).await?;
        let limit = self.times.of(Lane::Background);
        let outcome = self.written(batch, limit).await;
        // A row that somebody holds says nothing of how the server is.
        let is_down = matches!(
            outcome,
            Err(Failure::Broken(Error::Unavailable { .. })
                | Failure::Late(Error::Unavailable { .. }))
        );
        passed.settle(is_down);
        Ok(outcome?)
    }

    async fn written(&self, batch: &Batch, limit: Duration) -> Result<Outcomes, Failure> {
        if let Some(session) = self.writers.take() {
            match self.write_once(session, batch, limit).await {
                // It broke while it lay idle: nothing was begun in it.
                (Err(Failure::Broken(_)), false) => self.writers.clear(),
                (outcome, _) => return outcome,
            }
        }
        let session = self.connected(limit, Purpose::Write).await?;
        self.write_once(session, batch, limit).await.0
    }

    /// What came of it, and whether it was begun at all.
    async fn write_once(
        &self,
        mut session: D::Session,
        batch: &Batch,
        limit: Duration,
    ) -> (Result<Outcomes, Failure>, bool) {
        let mut within = Within { driver: &self.driver, session: &mut session, has_begun: false };
        let whole = limit * BATCH;
        let outcome = timeout(whole, carried_out(&mut within, batch)).await;
        let has_begun = within.has_begun;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Late(late(whole))));
        if matches!(outcome, Ok(_) | Err(Failure::Told(_))) {
            self.writers.put(session);
        }
        (outcome, has_begun)
    }
}
