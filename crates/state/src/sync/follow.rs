//! Who follows what the sides of a sync tell by themselves: one process over all nodes.

use crate::error::{Boxed, Result};
use crate::keys::fill_random;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::time::Duration;

/// Who follows; made anew with each process and sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follower(i64);

impl Follower {
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new() -> Result<Self> {
        let mut random = [0; 8];
        fill_random(&mut random)?;
        Ok(Self(i64::from_le_bytes(random)))
    }
}

impl Store {
    /// Follows a sync for so long, or for longer; false while another does. What is not
    /// said again ends by itself; a time of zero gives it back.
    pub fn follow_sync(
        &self,
        sync: i64,
        follower: Follower,
        time: Duration,
        now: Timestamp,
    ) -> Boxed<'_, bool> {
        let work = Follow { sync, follower: follower.0, until: now.plus(time).0, now: now.0 };
        Box::pin(async move { self.write(work).await })
    }
}

struct Follow {
    sync: i64,
    follower: i64,
    until: i64,
    now: i64,
}

impl Work for Follow {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE syncs SET follower = ?2, followed_until = ?3
            WHERE id = ?1 AND (follower = ?2 OR followed_until <= ?4)";
        tx.touched = Touched::Nothing;
        let params = [self.sync.into(), self.follower.into(), self.until.into(), self.now.into()];
        Ok(tx.execute(SQL, &params).await? == 1)
    }
}
