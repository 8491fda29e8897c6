//! Who holds a run: taken, held on to, moved on and ended by its token.

use super::{Hold, run_columns};
use crate::crash;
use crate::error::{Error, Result};
use crate::reconcile::{Counts, RunState};
use crate::sql::{Row, Touched, Tx, Work};

/// The counts of the run, if it is still held. Locked until the transaction ends.
pub(in crate::sync) async fn held(tx: &mut Tx<'_>, hold: Hold) -> Result<Option<Counts>> {
    const SQL: &str = "
        SELECT counts FROM sync_runs WHERE id = ?1 AND lease = ?2 AND slot = 1 /*pg: FOR UPDATE */";
    let Some(row) = tx.row(SQL, &[hold.run.into(), hold.token.into()]).await? else {
        return Ok(None);
    };
    let counts = serde_json::from_str(row.text(0)?);
    counts.map(Some).map_err(|_| Error::Corrupt { what: "a run's counts" })
}

/// Adds to the counts of a run that is [`held`].
pub(in crate::sync) async fn count(
    tx: &mut Tx<'_>,
    run: i64,
    (mut counts, more): (Counts, &Counts),
    now: i64,
) -> Result<()> {
    const SQL: &str = "UPDATE sync_runs SET counts = ?2, updated_at = ?3 WHERE id = ?1";
    for (word, number) in more {
        *counts.entry(word.clone()).or_default() += number;
    }
    // A map of numbers: there is nothing in it that JSON cannot hold.
    let counts = serde_json::to_string(&counts).unwrap_or_default();
    tx.execute(SQL, &[run.into(), counts.as_str().into(), now.into()]).await.map(drop)
}

pub(super) struct Take {
    pub(super) id: i64,
    pub(super) token: i64,
    pub(super) until: i64,
    pub(super) now: i64,
}

impl Work for Take {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.touched = Touched::Nothing;
        let sql = run_columns!(
            "UPDATE sync_runs SET state = 'running', lease = ?1, held_until = ?2, updated_at = ?3
             WHERE id = ?4 AND slot = 1 AND held_until <= ?3 RETURNING",
            ""
        );
        let params = [self.token.into(), self.until.into(), self.now.into(), self.id.into()];
        let taken = tx.row(sql, &params).await?;
        crash::point("sync.leased");
        Ok(taken)
    }
}

pub(super) struct HoldOn {
    pub(super) hold: Hold,
    pub(super) until: i64,
    pub(super) now: i64,
}

impl Work for HoldOn {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE sync_runs SET held_until = ?3, updated_at = ?4
            WHERE id = ?1 AND lease = ?2 AND slot = 1";
        tx.touched = Touched::Nothing;
        let Hold { run, token, .. } = self.hold;
        let params = [run.into(), token.into(), self.until.into(), self.now.into()];
        Ok(tx.execute(SQL, &params).await? == 1)
    }
}

pub(super) struct Move {
    pub(super) hold: Hold,
    pub(super) place: Option<(String, Option<String>)>,
    pub(super) counts: Counts,
    pub(super) now: i64,
}

impl Work for Move {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "UPDATE sync_runs SET step = ?2, cursor = ?3 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let Some(counts) = held(tx, self.hold).await? else { return Ok(false) };
        count(tx, self.hold.run, (counts, &self.counts), self.now).await?;
        if let Some((step, cursor)) = &self.place {
            let params = [self.hold.run.into(), step.as_str().into(), cursor.as_deref().into()];
            tx.execute(SQL, &params).await?;
        }
        crash::point("sync.moved");
        Ok(true)
    }
}

pub(super) struct End {
    pub(super) hold: Hold,
    pub(super) state: RunState,
    pub(super) why: Option<String>,
    pub(super) now: i64,
}

impl Work for End {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE sync_runs SET slot = NULL, lease = NULL, cursor = NULL, state = ?3, note = ?4,
                ended_at = ?5, updated_at = ?5
            WHERE id = ?1 AND lease = ?2 AND slot = 1";
        tx.touched = Touched::Nothing;
        let params = [
            self.hold.run.into(),
            self.hold.token.into(),
            self.state.as_str().into(),
            self.why.as_deref().into(),
            self.now.into(),
        ];
        let ended = tx.execute(SQL, &params).await? == 1;
        crash::point("sync.ended");
        Ok(ended)
    }
}
