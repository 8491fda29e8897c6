//! One record of a page against what is known of it.

use super::Arriving;
use super::Taken;
use super::keys::{add_keys, drop_keys, split};
use crate::crash;
use crate::error::{Error, Result};
use crate::keys::Hash;
use crate::sql::{Row, Tx};
use crate::subject::Guard;
use crate::sync::copy::{NEVER, PRESENT, PairState, SealedHalf};
use crate::sync::{forget, sided};

/// What our own write has replaced where nothing of the record was told before.
const NOTHING: Hash = [0; size_of::<Hash>()];

/// One page being taken: its statements, written once for its side.
pub(super) struct Taking {
    sync: i64,
    side: usize,
    pass: i64,
    guard: Guard,
    pub(super) taken: Taken,
    find: String,
    insert: String,
    change: String,
    same: String,
    seen: String,
    merged: String,
}

/// What is known of a record that arrives.
struct Known {
    seq: i64,
    state: PairState,
    half: i64,
    digest: Option<Hash>,
    revision: Option<Hash>,
    replaced: Option<Hash>,
    modified: Option<i64>,
    keys: Vec<Hash>,
    pass: i64,
    other: i64,
}

impl Known {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            seq: row.int(0)?,
            state: PairState::parse(row.int(1)?)?,
            half: row.int(2)?,
            digest: row.opt_hash(3)?,
            revision: row.opt_hash(4)?,
            replaced: row.opt_hash(5)?,
            modified: row.opt_int(6)?,
            keys: split(row.opt_blob(7)?)?,
            pass: row.int(8)?,
            other: row.int(9)?,
        })
    }

    /// An answer from before what is known.
    fn is_older(&self, half: &SealedHalf) -> bool {
        let is_replaced = half.revision.is_some() && half.revision == self.replaced;
        let is_before = match (half.modified, self.modified) {
            (Some(said), Some(known)) => self.half == PRESENT && said < known,
            _ => false,
        };
        is_replaced || is_before
    }

    /// Where the pair stands once it has changed.
    fn state(&self) -> PairState {
        match self.state {
            PairState::Held if self.other == NEVER => PairState::Open,
            PairState::Held => PairState::Linked,
            PairState::Erased => PairState::Open,
            state => state,
        }
    }
}

impl Taking {
    pub(super) async fn begin(
        tx: &mut Tx<'_>,
        (sync, side, pass): (i64, usize, i64),
    ) -> Result<Self> {
        const FIND: &str = "
            SELECT seq, state, own_half, own_digest, own_revision, own_replaced, own_modified, own_keys,
                own_pass, other_half
            FROM sync_pairs WHERE own_record = ?1 AND sync = ?2 /*pg: FOR UPDATE */";
        const INSERT: &str = "
            INSERT INTO sync_pairs (sync, turn, state, waits, due_at, tries, is_dead, reviews, own_record,
                own_half, own_digest, own_revision, own_modified, own_pass, own_keys, own_copy,
                other_half, other_pass)
            VALUES (?1, 1, 0, 1, 0, 0, 0, 0, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0) /*pg: RETURNING seq */";
        // Who is told of is listed, whatever was expected of the pass to come. What differs from
        // our own write before that was told back may be from before it: what it has replaced
        // stays noted until the record was read, which it is before anything is decided
        // (`Pair::is_unsure`). So it is with what says the very time that is known: a list that
        // is behind may tell, once more, what was before that.
        const CHANGE: &str = "
            UPDATE sync_pairs SET turn = turn + 1, state = ?2, waits = 1, due_at = 0, tries = 0,
                failure = NULL, failure_note = NULL, failed_at = NULL, is_dead = 0, own_half = ?3,
                own_digest = ?4, own_revision = ?5, own_modified = ?6, own_pass = ?7, own_keys = ?8,
                own_copy = ?9,
                own_replaced = CASE WHEN own_revision IS NULL OR own_replaced IS NOT NULL
                    OR own_modified = ?6 THEN coalesce(own_replaced, ?10) END
            WHERE seq = ?1";
        const SAME: &str = "
            UPDATE sync_pairs SET own_revision = ?2, own_modified = ?3, own_copy = ?4, own_pass = ?5,
                own_replaced = CASE WHEN own_revision IS NULL THEN NULL ELSE own_replaced END
            WHERE seq = ?1";
        const SEEN: &str = "UPDATE sync_pairs SET own_pass = ?2 WHERE seq = ?1";
        const MERGED: &str = "UPDATE sync_pairs SET own_copy = ?2 WHERE seq = ?1";
        let of = |sql| sided(sql, side);
        let (find, insert, change) = (of(FIND), of(INSERT), of(CHANGE));
        let (same, seen, merged) = (of(SAME), of(SEEN), of(MERGED));
        let taken = Taken::default();
        let guard = Guard::take(tx).await?;
        Ok(Self { sync, side, pass, guard, taken, find, insert, change, same, seen, merged })
    }

    pub(super) async fn take(&mut self, tx: &mut Tx<'_>, arriving: &Arriving) -> Result<()> {
        let half = &arriving.half;
        let row = tx.row(&self.find, &[(&half.record).into(), self.sync.into()]).await?;
        let known = row.as_ref().map(Known::read).transpose()?;
        let names: Vec<&Hash> = arriving.names.iter().collect();
        if self.guard.refuses(tx, &names).await? {
            if let Some(known) = known.filter(|known| known.state != PairState::Erased) {
                forget::erase_pair(tx, known.seq).await?;
            }
            self.taken.erased += 1;
            return Ok(());
        }
        match known {
            None if arriving.may_enter => self.add(tx, arriving).await,
            None => Ok(()),
            Some(known) if half.half == PRESENT => self.saved(tx, &known, arriving).await,
            Some(known) => self.gone(tx, &known, arriving).await,
        }
    }

    async fn add(&mut self, tx: &mut Tx<'_>, arriving: &Arriving) -> Result<()> {
        const GONE: Error = Error::Corrupt { what: "a pair that was just stored" };
        let half = &arriving.half;
        let keys = arriving.keys.as_flattened();
        let params = [
            self.sync.into(),
            (&half.record).into(),
            half.digest.as_ref().into(),
            half.revision.as_ref().into(),
            half.modified.into(),
            self.pass.into(),
            keys.into(),
            half.cell[..].into(),
        ];
        let seq = tx.insert(&self.insert, &params).await?.ok_or(GONE)?.int(0)?;
        add_keys(tx, (self.sync, self.side, seq), &arriving.keys, &[]).await?;
        crash::point("sync.copied");
        self.taken.new += 1;
        Ok(())
    }

    async fn saved(&mut self, tx: &mut Tx<'_>, known: &Known, arriving: &Arriving) -> Result<()> {
        let half = &arriving.half;
        let is_same = known.half == PRESENT && known.digest == half.digest;
        if known.is_older(half) || (is_same && known.revision == half.revision) {
            if known.pass != self.pass {
                tx.execute(&self.seen, &[known.seq.into(), self.pass.into()]).await?;
            }
            self.taken.unchanged += 1;
        } else if is_same {
            let params = [
                known.seq.into(),
                half.revision.as_ref().into(),
                half.modified.into(),
                half.cell[..].into(),
                self.pass.into(),
            ];
            tx.execute(&self.same, &params).await?;
            self.taken.unchanged += 1;
            // What we wrote ourselves has no revision until it is told back.
            self.taken.echoes += u64::from(known.revision.is_none());
        } else {
            self.change(tx, known, arriving).await?;
            self.taken.changed += 1;
        }
        Ok(())
    }

    async fn gone(&mut self, tx: &mut Tx<'_>, known: &Known, arriving: &Arriving) -> Result<()> {
        if known.half == PRESENT {
            self.change(tx, known, arriving).await?;
            self.taken.gone += 1;
        } else if arriving.is_merged && known.state != PairState::Erased {
            let params = [known.seq.into(), arriving.half.cell[..].into()];
            tx.execute(&self.merged, &params).await?;
        }
        Ok(())
    }

    async fn change(&self, tx: &mut Tx<'_>, known: &Known, arriving: &Arriving) -> Result<()> {
        let half = &arriving.half;
        let params = [
            known.seq.into(),
            known.state().number().into(),
            half.half.into(),
            half.digest.as_ref().into(),
            half.revision.as_ref().into(),
            half.modified.into(),
            self.pass.into(),
            arriving.keys.as_flattened().into(),
            half.cell[..].into(),
            (&NOTHING).into(),
        ];
        tx.execute(&self.change, &params).await?;
        let whose = (self.sync, self.side, known.seq);
        drop_keys(tx, whose, &known.keys, &arriving.keys).await?;
        add_keys(tx, whose, &arriving.keys, &known.keys).await?;
        crash::point("sync.copied");
        Ok(())
    }
}
