//! What a person decides: conflicts, matches that are not clear, brakes. One open review
//! per pair, kind and field; what was decided is remembered for the pair.

use super::run::{Hold, held};
use crate::audit::{Act, Sealed};
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::jobs::note;
use crate::keys::{Hash, Keyring, fill_random};
use crate::sql::{Param, Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// Something to be decided.
#[derive(Clone, PartialEq, Eq)]
pub struct NewReview {
    /// A stable word: `conflict`, `ambiguous`, `deleted`, `duplicate`, `brake`.
    pub kind: String,
    /// Of the map; empty: the whole record.
    pub field: String,
    /// What there is to see, in the engine's own JSON.
    pub about: Vec<u8>,
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    Open,
    /// What was decided holds for the pair.
    Decided,
    /// There is nothing to decide any more.
    Withdrawn,
    /// What was decided is done, or was decided otherwise since.
    Spent,
}

impl ReviewState {
    const ALL: [Self; 4] = [Self::Open, Self::Decided, Self::Withdrawn, Self::Spent];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Withdrawn => "withdrawn",
            Self::Spent => "spent",
        }
    }
}

/// A review as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Review {
    pub id: i64,
    pub sync: i64,
    /// `None`: the whole run is meant.
    pub pair: Option<i64>,
    pub run: i64,
    pub kind: String,
    pub field: String,
    pub state: ReviewState,
    pub about: Vec<u8>,
    /// In the engine's own JSON.
    pub decision: Option<Vec<u8>>,
    pub made_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<String>,
}

/// Reviews read at once.
const REVIEWS_MAX: i64 = 1000;

impl Store {
    /// Asks about a whole run. False when another holds it.
    pub fn ask_review(&self, hold: Hold, review: NewReview, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            let review = SealedReview::seal(&self.keys(), &review)?;
            self.write(Ask { hold, review, now: now.0 }).await
        })
    }

    /// Reviews with an id below `before` (all when `None`), newest first, at most 1,000:
    /// of one sync or of all, in one state or in all.
    pub fn reviews(
        &self,
        sync: Option<i64>,
        state: Option<ReviewState>,
        before: Option<i64>,
        limit: usize,
    ) -> Boxed<'_, Vec<Review>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(REVIEWS_MAX).min(REVIEWS_MAX);
            let work = List { sync, state, before: before.unwrap_or(i64::MAX), limit };
            let rows = self.read(&work).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// One review.
    pub fn review(&self, id: i64) -> Boxed<'_, Option<Review>> {
        Box::pin(async move {
            let row = self.read(&One { id }).await?;
            self.unseal(|keys| row.as_ref().map(|row| opened(keys, row)).transpose()).await
        })
    }

    /// Every review of a pair, newest first, at most 1,000.
    pub fn reviews_of(&self, pair: i64) -> Boxed<'_, Vec<Review>> {
        Box::pin(async move {
            let rows = self.read(&OfPair { pair }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// How many reviews are open, of one sync.
    pub fn open_reviews(&self, sync: i64) -> Boxed<'_, u64> {
        Box::pin(async move { self.read(&CountOpen { sync }).await })
    }

    /// Decides a review, or decides it anew, and writes down who did; its pair is settled
    /// again. False where there is none, or nothing is to be decided any more.
    pub fn decide_review(
        &self,
        id: i64,
        decision: Vec<u8>,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'_, bool> {
        Box::pin(async move {
            let Some(review) = self.review(id).await? else { return Ok(false) };
            let by = note(&act.actor);
            let keys = self.keys();
            let about = NewReview { kind: review.kind, field: review.field, about: review.about };
            let review = SealedReview::seal(&keys, &about)?;
            let decision = keys.seal("sync_reviews.decision", &review.uid, decision)?;
            let act = Sealed::seal(keys, act, now)?;
            self.write(Decide { id, review, decision, by, act, now: now.0 }).await
        })
    }
}

/// A review ready to be stored.
pub(super) struct SealedReview {
    pub(super) kind: String,
    pub(super) field: String,
    uid: Hash,
    sealed: Vec<u8>,
}

impl SealedReview {
    pub(super) fn seal(keys: &Keyring, review: &NewReview) -> Result<Self> {
        let mut uid = Hash::default();
        fill_random(&mut uid)?;
        let sealed = keys.seal("sync_reviews.sealed", &uid, review.about.clone())?;
        Ok(Self { kind: note(&review.kind), field: note(&review.field), uid, sealed })
    }

    /// Opens it, or says anew what an open one is about.
    pub(super) async fn ask(
        &self,
        tx: &mut Tx<'_>,
        (sync, pair, run): (i64, i64, i64),
        now: i64,
    ) -> Result<()> {
        const SQL: &str = "
            INSERT INTO sync_reviews (sync, pair, run, kind, field, state, made_at, uid, sealed)
            VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)
            ON CONFLICT (sync, pair, kind, field) WHERE state = 0
                DO UPDATE SET uid = excluded.uid, sealed = excluded.sealed, run = excluded.run";
        let params = [
            sync.into(),
            pair.into(),
            run.into(),
            self.kind.as_str().into(),
            self.field.as_str().into(),
            now.into(),
            (&self.uid).into(),
            self.sealed[..].into(),
        ];
        tx.execute(SQL, &params).await?;
        crash::point("sync.asked");
        Ok(())
    }
}

/// What there is still to be decided about a pair is `reviews`, and what was decided and
/// is done is `spent`.
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    whose: (i64, i64, i64),
    reviews: &[SealedReview],
    spent: &[i64],
    now: i64,
) -> Result<()> {
    const OPEN: &str = "SELECT id, kind, field FROM sync_reviews WHERE pair = ?1 AND state = 0";
    const WITHDRAW: &str = "UPDATE sync_reviews SET state = 2, decided_at = ?2 WHERE id = ?1";
    const SPEND: &str =
        "UPDATE sync_reviews SET state = 3 WHERE id = ?1 AND pair = ?2 AND state = 1";
    for row in tx.rows(OPEN, &[whose.1.into()]).await? {
        let (kind, field) = (row.text(1)?, row.text(2)?);
        if !reviews.iter().any(|review| review.kind == kind && review.field == field) {
            tx.execute(WITHDRAW, &[row.int(0)?.into(), now.into()]).await?;
        }
    }
    for id in spent {
        tx.execute(SPEND, &[(*id).into(), whose.1.into()]).await?;
    }
    for review in reviews {
        review.ask(tx, whose, now).await?;
    }
    Ok(())
}

macro_rules! review_columns {
    ($after:literal) => {
        concat!(
            "SELECT id, sync, pair, run, kind, field, state, uid, sealed, decision, made_at, decided_at, ",
            "decided_by FROM sync_reviews ",
            $after
        )
    };
}

/// What holds for a pair, oldest first.
pub(super) async fn of_pair(tx: &mut Tx<'_>, pair: i64) -> Result<Vec<Row>> {
    tx.rows(review_columns!("WHERE pair = ?1 AND state = 1 ORDER BY id"), &[pair.into()]).await
}

pub(super) async fn opened_by(store: &Store, row: &Row) -> Result<Review> {
    store.unseal(|keys| opened(keys, row)).await
}

fn opened(keys: &Keyring, row: &Row) -> Result<Review> {
    let (pair, state, uid) = (row.int(2)?, row.int(6)?, row.hash(7)?);
    let state = usize::try_from(state).ok().and_then(|at| ReviewState::ALL.get(at).copied());
    let decision = row.opt_blob(9)?;
    Ok(Review {
        id: row.int(0)?,
        sync: row.int(1)?,
        pair: (pair != 0).then_some(pair),
        run: row.int(3)?,
        kind: row.text(4)?.to_owned(),
        field: row.text(5)?.to_owned(),
        state: state.ok_or(Error::Corrupt { what: "a review's state" })?,
        about: keys.open("sync_reviews.sealed", &uid, row.blob(8)?)?,
        decision: decision
            .map(|cell| keys.open("sync_reviews.decision", &uid, cell))
            .transpose()?,
        made_at: Timestamp(row.int(10)?),
        decided_at: row.opt_int(11)?.map(Timestamp),
        decided_by: row.opt_text(12)?.map(str::to_owned),
    })
}

struct Ask {
    hold: Hold,
    review: SealedReview,
    now: i64,
}

impl Work for Ask {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(false);
        }
        self.review.ask(tx, (self.hold.sync, 0, self.hold.run), self.now).await?;
        Ok(true)
    }
}

struct List {
    sync: Option<i64>,
    state: Option<ReviewState>,
    before: i64,
    limit: i64,
}

impl Work for List {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        // Open ones have an index of their own: its condition has to stand in the text.
        let sql = match (self.state, self.sync.is_some()) {
            (Some(ReviewState::Open), true) => {
                review_columns!(
                    "WHERE state = 0 AND sync = ?4 AND id < ?1 AND ?3 = 0 ORDER BY id DESC LIMIT ?2"
                )
            }
            (Some(ReviewState::Open), false) => {
                review_columns!("WHERE state = 0 AND id < ?1 AND ?3 = 0 ORDER BY id DESC LIMIT ?2")
            }
            (_, true) => review_columns!(
                "WHERE sync = ?4 AND id < ?1 AND (state = ?3 OR ?3 < 0) ORDER BY id DESC LIMIT ?2"
            ),
            (_, false) => {
                review_columns!(
                    "WHERE id < ?1 AND (state = ?3 OR ?3 < 0) ORDER BY id DESC LIMIT ?2"
                )
            }
        };
        let state = self.state.map_or(-1, |state| state as i64);
        let mut params = vec![self.before.into(), self.limit.into(), state.into()];
        params.extend(self.sync.map(Param::from));
        tx.rows(sql, &params).await
    }
}

struct One {
    id: i64,
}

impl Work for One {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(review_columns!("WHERE id = ?1"), &[self.id.into()]).await
    }
}

struct OfPair {
    pair: i64,
}

impl Work for OfPair {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = review_columns!("WHERE pair = ?1 ORDER BY id DESC LIMIT ?2");
        tx.rows(sql, &[self.pair.into(), REVIEWS_MAX.into()]).await
    }
}

struct CountOpen {
    sync: i64,
}

impl Work for CountOpen {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "SELECT count(*) FROM sync_reviews WHERE state = 0 AND sync = ?1";
        let row = tx.row(SQL, &[self.sync.into()]).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }
}

struct Decide {
    id: i64,
    review: SealedReview,
    decision: Vec<u8>,
    by: String,
    act: Sealed,
    now: i64,
}

impl Work for Decide {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE sync_reviews SET state = 1, uid = ?2, sealed = ?3, decision = ?4, decided_at = ?5,
                decided_by = ?6
            WHERE id = ?1 AND state IN (0, 1) RETURNING pair";
        const BEFORE: &str = "
            UPDATE sync_reviews SET state = 3
            WHERE pair = ?1 AND kind = ?2 AND field = ?3 AND state = 1 AND id <> ?4";
        const PAIR: &str = "
            UPDATE sync_pairs SET turn = turn + 1, waits = 1, due_at = 0, tries = 0, failure = NULL,
                failure_note = NULL, failed_at = NULL, is_dead = 0, reviews = 1,
                state = CASE WHEN state <> 2 THEN state
                    WHEN left_half = 0 OR right_half = 0 THEN 0 ELSE 1 END
            WHERE seq = ?1 AND state <> 4";
        tx.touched = Touched::Nothing;
        let params = [
            self.id.into(),
            (&self.review.uid).into(),
            self.review.sealed[..].into(),
            self.decision[..].into(),
            self.now.into(),
            self.by.as_str().into(),
        ];
        let Some(row) = tx.row(SQL, &params).await? else { return Ok(false) };
        let pair = row.int(0)?;
        if pair != 0 {
            let (kind, field) = (self.review.kind.as_str(), self.review.field.as_str());
            // Who is not meant stays so, whoever else is asked about.
            if !matches!(kind, "ambiguous" | "duplicate") {
                let params = [pair.into(), kind.into(), field.into(), self.id.into()];
                tx.execute(BEFORE, &params).await?;
            }
            tx.execute(PAIR, &[pair.into()]).await?;
        }
        self.act.append(tx).await?;
        crash::point("sync.decided");
        Ok(true)
    }
}
