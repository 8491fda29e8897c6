//! One pair of a batch: looked at as it is stored, and settled where it is as it was read.

use super::{Outcome, Sealed, Side};
use crate::crash;
use crate::error::{Error, Result};
use crate::jobs::note;
use crate::keys::Hash;
use crate::sql::{Cell, Param, Row, Tx};
use crate::subject::Guard;
use crate::sync::copy::{NEVER, PairState};
use crate::sync::page::{add_keys, drop_keys, split};
use crate::sync::run::Hold;
use crate::sync::{forget, review, sided};

/// One side of a pair as it is stored.
struct Stored {
    record: Option<Hash>,
    half: i64,
    keys: Vec<Hash>,
}

/// A pair as it is stored.
struct Found {
    seq: i64,
    turn: i64,
    state: PairState,
    has_reviews: bool,
    tries: i64,
    sides: [Stored; 2],
}

impl Found {
    async fn read(tx: &mut Tx<'_>, sync: i64, seq: i64) -> Result<Option<Self>> {
        const SQL: &str = "
            SELECT turn, state, reviews, tries, left_record, left_half, left_keys, right_record,
                right_half, right_keys
            FROM sync_pairs WHERE seq = ?1 AND sync = ?2 /*pg: FOR UPDATE */";
        let row = tx.row(SQL, &[seq.into(), sync.into()]).await?;
        row.map(|row| {
            let side = |at: usize| -> Result<Stored> {
                let keys = split(row.opt_blob(at + 2)?)?;
                Ok(Stored { record: row.opt_hash(at)?, half: row.int(at + 1)?, keys })
            };
            Ok(Self {
                seq,
                turn: row.int(0)?,
                state: PairState::parse(row.int(1)?)?,
                has_reviews: row.int(2)? != 0,
                tries: row.int(3)?,
                sides: [side(4)?, side(7)?],
            })
        })
        .transpose()
    }
}

/// A batch being settled.
pub(super) struct Settling {
    pub(super) hold: Hold,
    pub(super) passes: [i64; 2],
    pub(super) guard: Guard,
    pub(super) now: i64,
    /// How many pairs went into others.
    pub(super) absorbed: i64,
}

impl Settling {
    pub(super) async fn one(&mut self, tx: &mut Tx<'_>, one: &Sealed) -> Result<Outcome> {
        let sync = self.hold.sync;
        const TOLD: &str = "UPDATE sync_journal SET state = ?2 WHERE id = ?1 AND sync = ?3";
        for entry in &one.entries {
            entry.keep(tx, self.hold, self.now).await?;
        }
        for (id, state) in &one.told {
            let params = [(*id).into(), (*state as i64).into(), sync.into()];
            tx.execute(TOLD, &params).await?;
        }
        let Some(mut found) = Found::read(tx, sync, one.seq).await? else {
            return Ok(Outcome::Changed);
        };
        if found.state == PairState::Erased {
            return Ok(Outcome::Erased);
        }
        if found.turn != one.turn {
            return Ok(Outcome::Changed);
        }
        let names = one.sides.iter().flatten().flat_map(|side| &side.names);
        let names: Vec<&Hash> = names.collect();
        if self.guard.refuses(tx, &names).await? {
            forget::erase_pair(tx, one.seq).await?;
            return Ok(Outcome::Erased);
        }
        let mut ends = Vec::new();
        if let Some((seq, turn)) = one.absorbs.filter(|(seq, _)| *seq != one.seq) {
            match Found::read(tx, sync, seq).await? {
                Some(other) if other.turn == turn && other.state != PairState::Erased => {
                    ends.push(other)
                }
                _ => return Ok(Outcome::Changed),
            }
        }
        // Read as a record of its own before we knew that it is this pair's.
        let mut has_arrived = [false, false];
        for (side, has_arrived) in has_arrived.iter_mut().enumerate() {
            let Some(given) = &one.sides[side] else { continue };
            let Some(other) = self.elsewhere(tx, side, &given.half.record, &found).await? else {
                continue;
            };
            if ends.iter().any(|end: &Found| end.seq == other.seq) {
                continue;
            }
            if other.sides[1 - side].half != NEVER || other.state == PairState::Erased {
                return Ok(Outcome::Tied { pair: other.seq });
            }
            ends.push(other);
            *has_arrived = true;
        }
        for other in ends {
            self.absorb(tx, &mut found, other).await?;
        }
        for (side, has_arrived) in has_arrived.iter().enumerate() {
            if let (Some(given), false) = (&one.sides[side], has_arrived) {
                self.put(tx, (&found, side), given).await?;
            }
        }
        self.finish(tx, &found, one, has_arrived.contains(&true)).await?;
        Ok(Outcome::Applied)
    }

    /// The pair that has this record, if that is another one.
    async fn elsewhere(
        &self,
        tx: &mut Tx<'_>,
        side: usize,
        record: &Hash,
        found: &Found,
    ) -> Result<Option<Found>> {
        const SQL: &str = "SELECT seq FROM sync_pairs WHERE own_record = ?1 AND sync = ?2";
        if found.sides[side].record.as_ref() == Some(record) {
            return Ok(None);
        }
        let params = [record.into(), self.hold.sync.into()];
        let Some(row) = tx.row(&sided(SQL, side), &params).await? else { return Ok(None) };
        Found::read(tx, self.hold.sync, row.int(0)?).await
    }

    /// Lets another pair end in this one.
    async fn absorb(&mut self, tx: &mut Tx<'_>, found: &mut Found, other: Found) -> Result<()> {
        const COLUMNS: &str = "
            SELECT own_record, own_half, own_digest, own_revision, own_replaced, own_modified, own_pass,
                own_keys, own_copy
            FROM sync_pairs WHERE seq = ?1";
        const MOVE: &str = "
            UPDATE sync_pairs SET own_record = ?2, own_half = ?3, own_digest = ?4, own_revision = ?5,
                own_replaced = ?6, own_modified = ?7, own_pass = ?8, own_keys = ?9, own_copy = ?10
            WHERE seq = ?1";
        const OF_PAIR: [&str; 4] = [
            "UPDATE sync_journal SET pair = ?2 WHERE pair = ?1",
            "UPDATE sync_reviews SET state = 2 WHERE pair = ?1 AND state = 0",
            "UPDATE sync_reviews SET pair = ?2 WHERE pair = ?1",
            "UPDATE sync_aliases SET pair = ?2 WHERE pair = ?1",
        ];
        const NONE: [Param<'static>; 9] = [
            Param::Blob(None),
            Param::Int(None),
            Param::Blob(None),
            Param::Blob(None),
            Param::Blob(None),
            Param::Int(None),
            Param::Int(None),
            Param::Blob(None),
            Param::Blob(None),
        ];
        let mut moved: [Option<Row>; 2] = [None, None];
        for (side, moved) in moved.iter_mut().enumerate() {
            let stays = found.sides[side].record.is_some() || other.sides[side].record.is_none();
            if !stays {
                *moved = tx.row(&sided(COLUMNS, side), &[other.seq.into()]).await?;
            }
        }
        tx.execute("DELETE FROM sync_pairs WHERE seq = ?1", &[other.seq.into()]).await?;
        for sql in OF_PAIR {
            let is_one = sql.contains("?2");
            let params = [other.seq.into(), found.seq.into()];
            tx.execute(sql, &params[..if is_one { 2 } else { 1 }]).await?;
        }
        for (side, (moved, old)) in moved.into_iter().zip(other.sides).enumerate() {
            let Some(record) = old.record else { continue };
            drop_keys(tx, (self.hold.sync, side, other.seq), &old.keys, &[]).await?;
            let Some(row) = moved else {
                self.alias(tx, side, &record, found.seq).await?;
                continue;
            };
            let cells =
                row.cells().iter().zip(NONE).map(|(cell, like): (&Cell, _)| cell.as_param(like));
            let params: Vec<_> = std::iter::once(found.seq.into()).chain(cells).collect();
            tx.execute(&sided(MOVE, side), &params).await?;
            add_keys(tx, (self.hold.sync, side, found.seq), &old.keys, &[]).await?;
            found.sides[side] = Stored { record: Some(record), ..old };
        }
        found.has_reviews |= other.has_reviews;
        self.absorbed += 1;
        crash::point("sync.absorbed");
        Ok(())
    }

    async fn alias(&self, tx: &mut Tx<'_>, side: usize, record: &Hash, pair: i64) -> Result<()> {
        const SQL: &str = "
            INSERT INTO sync_aliases (record, sync, side, pair) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (record, sync) DO UPDATE SET side = excluded.side, pair = excluded.pair";
        let side = i64::from(side == 1);
        let params = [record.into(), self.hold.sync.into(), side.into(), pair.into()];
        tx.execute(SQL, &params).await.map(drop)
    }

    /// Stores one side as it is now.
    async fn put(
        &self,
        tx: &mut Tx<'_>,
        (found, side): (&Found, usize),
        given: &Side,
    ) -> Result<()> {
        // What we have replaced is from before: should it arrive once more, it is no news. What
        // was read is sure, and what is older than that is told by its time.
        const SQL: &str = "
            UPDATE sync_pairs SET own_record = ?2,
                own_replaced = CASE WHEN ?5 IS NULL THEN coalesce(own_revision, own_replaced) END,
                own_half = ?3, own_digest = ?4, own_revision = ?5, own_modified = coalesce(?6, own_modified),
                own_pass = CASE WHEN own_pass > ?7 THEN own_pass ELSE ?7 END,
                own_keys = ?8, own_copy = ?9
            WHERE seq = ?1";
        let (half, before) = (&given.half, &found.sides[side]);
        let whose = (self.hold.sync, side, found.seq);
        if let Some(old) = before.record.filter(|old| *old != half.record) {
            self.alias(tx, side, &old, found.seq).await?;
        }
        let keys = given.keys.as_ref().unwrap_or(&before.keys);
        let params = [
            found.seq.into(),
            (&half.record).into(),
            half.half.into(),
            half.digest.as_ref().into(),
            half.revision.as_ref().into(),
            half.modified.into(),
            self.passes[side].into(),
            keys.as_flattened().into(),
            half.cell[..].into(),
        ];
        tx.execute(&sided(SQL, side), &params).await?;
        drop_keys(tx, whose, &before.keys, keys).await?;
        add_keys(tx, whose, keys, &before.keys).await
    }

    async fn finish(
        &self,
        tx: &mut Tx<'_>,
        found: &Found,
        one: &Sealed,
        has_arrived: bool,
    ) -> Result<()> {
        const SQL: &str = "
            UPDATE sync_pairs SET turn = turn + 1, state = ?2, waits = ?3, due_at = ?4, tries = ?5,
                failure = ?6, failure_note = ?7, failed_at = ?8, is_dead = ?9, reviews = ?10,
                base = coalesce(?11, base), in_doubt = coalesce(?12, in_doubt)
            WHERE seq = ?1";
        const ODD: Error = Error::Corrupt { what: "a pair that is settled as erased" };
        if one.state == PairState::Erased {
            return Err(ODD);
        }
        let failure = one.failure.as_ref();
        let is_dead = failure.is_some_and(|failure| failure.is_dead);
        let waits = !is_dead && (failure.is_some() || one.is_waiting || has_arrived);
        let due_at = failure.map_or(0, |failure| failure.due_at.0);
        let class = failure.map(|failure| note(&failure.class));
        let why = failure.and_then(|failure| failure.note.as_deref()).map(note);
        let whose = (self.hold.sync, one.seq, self.hold.run);
        let mut has_reviews = found.has_reviews;
        if has_reviews || !one.reviews.is_empty() {
            has_reviews = true;
            if failure.is_none() {
                review::keep(tx, whose, &one.reviews, &one.spent, self.now).await?;
            } else {
                for review in &one.reviews {
                    review.ask(tx, whose, self.now).await?;
                }
            }
        }
        let params = [
            one.seq.into(),
            one.state.number().into(),
            i64::from(waits).into(),
            due_at.into(),
            failure.map_or(0, |_| found.tries + 1).into(),
            class.as_deref().into(),
            why.as_deref().into(),
            failure.map(|_| self.now).into(),
            i64::from(is_dead).into(),
            i64::from(has_reviews).into(),
            one.base.as_deref().into(),
            one.base.as_ref().map(|_| i64::from(one.is_in_doubt)).into(),
        ];
        tx.execute(SQL, &params).await.map(drop)
    }
}
