//! Who a stored call was from: bettered, never worsened, counted to one subject.

use super::{Enriched, Who};
use crate::crash;
use crate::error::{Error, Result};
use crate::feed::{NewsKind, Telling, take_turns};
use crate::jobs::{SealedJob, SealedSettlement, Settled, settle_one};
use crate::keys::Hash;
use crate::labels;
use crate::sql::{Touched, Tx, Work};
use crate::subject::Guard;
use domain::{CallId, Timestamp};

pub(super) struct Identify {
    pub(super) id: CallId,
    pub(super) who: Who,
    pub(super) at: Timestamp,
    /// Told as news also where nothing of the call changes.
    pub(super) says_more: bool,
    pub(super) jobs: Vec<SealedJob>,
    pub(super) settle: Option<SealedSettlement>,
}

impl Work for Identify {
    type Output = Enriched;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Enriched> {
        tx.touched = Touched::Nothing;
        take_turns(tx, &self.id).await?;
        if let Some(settle) = &self.settle
            && settle_one(tx, settle, self.at).await? == Settled::Stale
        {
            return Ok(Enriched::Stale);
        }
        let Some(known) = known(tx, &self.id).await? else { return Ok(Enriched::UnknownCall) };
        let whose: Vec<_> = self.who.subject.iter().collect();
        if Guard::take(tx).await?.refuses(tx, &whose).await? {
            // Erased since they were looked up: the call stays whoever's it was.
            let earlier_calls = u64::try_from(known.earlier_calls).unwrap_or(0);
            return Ok(Enriched::Kept { earlier_calls });
        }
        let identified = identify(tx, &self.id, &known, &self.who, Some(self.at)).await?;
        crash::point("call.identified");
        if identified.is_news || (identified.applied && self.says_more) {
            let kind = NewsKind::Enriched.or_candidates(self.who.status);
            let (call, stream) = (&self.id, &self.who.stream);
            Telling { call, stream, kind, at: self.at }.tell(tx).await?;
        }
        let earlier_calls = u64::try_from(identified.earlier_calls).unwrap_or(0);
        if identified.applied {
            for job in &self.jobs {
                job.insert(tx).await?;
            }
        }
        Ok(if identified.applied {
            Enriched::Applied { earlier_calls }
        } else {
            Enriched::Kept { earlier_calls }
        })
    }
}

/// What decides about a call that is stored already.
pub(crate) struct Known {
    pub(crate) certainty: i64,
    subject: Option<Hash>,
    earlier_calls: i64,
    arrived_at: i64,
    status: String,
    seq: i64,
    labels: Option<String>,
}

pub(crate) async fn known(tx: &mut Tx<'_>, id: &CallId) -> Result<Option<Known>> {
    const SQL: &str = "
        SELECT certainty, subject, earlier_calls, arrived_at, status, seq, labels FROM calls
        WHERE id = ?1 /*pg: FOR UPDATE */";
    let Some(row) = tx.row(SQL, &[id.as_str().into()]).await? else { return Ok(None) };
    Ok(Some(Known {
        certainty: row.int(0)?,
        subject: row.opt_hash(1)?,
        earlier_calls: row.int(2)?,
        arrived_at: row.int(3)?,
        status: row.text(4)?.to_owned(),
        seq: row.int(5)?,
        labels: row.opt_text(6)?.map(str::to_owned),
    }))
}

/// What became of a newer identification.
pub(crate) struct Identification {
    /// It stands: it did not know less.
    pub(crate) applied: bool,
    /// And says something else than the one before.
    pub(crate) is_news: bool,
    /// Of whom the call counts to now.
    pub(crate) earlier_calls: i64,
}

/// Gives a stored call its newer identification, unless that knows less.
pub(crate) async fn identify(
    tx: &mut Tx<'_>,
    id: &CallId,
    known: &Known,
    who: &Who,
    at: Option<Timestamp>,
) -> Result<Identification> {
    const SQL: &str = "
        UPDATE calls SET connection = ?2, status = ?3, source = ?4, certainty = ?5, subject = ?6,
            earlier_calls = ?7, identity = ?8, labels = ?10,
            answered = coalesce(answered, status),
            identified_at = CASE WHEN ?9 < 0 THEN identified_at ELSE ?9 END
        WHERE id = ?1";
    // The same record again is no worse for being said by somebody less sure.
    if who.certainty < known.certainty && (who.subject.is_none() || who.subject != known.subject) {
        let earlier_calls = known.earlier_calls;
        return Ok(Identification { applied: false, is_news: false, earlier_calls });
    }
    let mut earlier_calls = known.earlier_calls;
    if known.subject != who.subject {
        count_out(tx, known.subject.as_ref()).await?;
        earlier_calls = count_in(tx, who.subject.as_ref(), known.arrived_at).await?;
        crash::point("call.counted");
    }
    let labels = labels::written(&who.labels);
    if known.labels != labels {
        let place = (known.arrived_at, known.seq);
        labels::unindex(tx, known.labels.as_deref(), place).await?;
        labels::index(tx, &who.labels, place).await?;
    }
    let params = [
        id.as_str().into(),
        who.connection.as_str().into(),
        who.status.into(),
        who.source.into(),
        who.certainty.max(known.certainty).into(),
        who.subject.as_ref().into(),
        earlier_calls.into(),
        who.identity[..].into(),
        at.map_or(-1, |at| at.0).into(),
        labels.as_deref().into(),
    ];
    tx.execute(SQL, &params).await?;
    let is_news = known.subject != who.subject || known.status != who.status;
    Ok(Identification { applied: true, is_news, earlier_calls })
}

/// Counts a call to its subject; returns how many the subject had before.
pub(super) async fn count_in(tx: &mut Tx<'_>, subject: Option<&Hash>, at: i64) -> Result<i64> {
    const SQL: &str = "
        INSERT INTO interactions (subject, calls, last_call_at) VALUES (?1, 1, ?2)
        ON CONFLICT (subject) DO UPDATE SET
            calls = interactions.calls + 1,
            last_call_at = CASE WHEN excluded.last_call_at > interactions.last_call_at
                THEN excluded.last_call_at ELSE interactions.last_call_at END
        /*pg: RETURNING calls - 1 */";
    const BEFORE: &str = "SELECT calls FROM interactions WHERE subject = ?1";
    let Some(subject) = subject else { return Ok(0) };
    if tx.is_postgres() {
        let before = tx.insert(SQL, &[subject.into(), at.into()]).await?;
        return before.ok_or(Error::Corrupt { what: "a count that was just made" })?.int(0);
    }
    // One writer: nobody counts in between.
    let before = tx.row(BEFORE, &[subject.into()]).await?;
    tx.execute(SQL, &[subject.into(), at.into()]).await?;
    before.map_or(Ok(0), |row| row.int(0))
}

/// Takes a call back from a subject. The time of its last call stays as it was:
/// at worst it names a call that has since found its person.
async fn count_out(tx: &mut Tx<'_>, subject: Option<&Hash>) -> Result<()> {
    const LESS: &str = "UPDATE interactions SET calls = calls - 1 WHERE subject = ?1";
    const GONE: &str = "DELETE FROM interactions WHERE subject = ?1 AND calls <= 0";
    let Some(subject) = subject else { return Ok(()) };
    tx.execute(LESS, &[subject.into()]).await?;
    tx.execute(GONE, &[subject.into()]).await?;
    Ok(())
}
