//! The list behind the reports: calls by what they have in common, newest first.
//!
//! A page goes on from the last call of the one before, by the time of arrival, so it
//! stays right while calls arrive. Calls are walked along an index: that of a label
//! where one is asked for, else that of their arrival. One page walks at most
//! [`WALK`] of them and then says where to go on, so that a rare queue among a
//! million calls costs several short pages instead of a long one.

use super::{StoredCall, record_hash, stored};
use crate::error::{Boxed, Result};
use crate::events::StoredOutcome;
use crate::keys::Hash;
use crate::rows::{ValueRow, decode};
use crate::sql::{Param, Row, Tx, Work};
use crate::store::Store;
use domain::{CallId, Source, Status, Timestamp, Value};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Calls that one page looks at.
const WALK: i64 = 20_000;
/// Labels that may be asked for together.
pub const LABELS_MAX: usize = 3;
/// Calls of one page.
const PAGE_MAX: usize = 1_000;

/// Which calls; an absent part takes all.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Names and values, all of them; those beyond [`LABELS_MAX`] are not looked at.
    pub labels: Vec<(String, String)>,
    /// Where it was handled last, else the queue it was looked up with.
    pub queue: Option<String>,
    pub source: Option<Source>,
    pub status: Option<Status>,
    /// Arrived at this time or later.
    pub from: Option<Timestamp>,
    /// Arrived before this time.
    pub to: Option<Timestamp>,
    /// That count to this record of a connection; labels are not looked at then.
    pub record: Option<(String, String)>,
}

/// A place in the list: what comes after it arrived earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub arrived_at: i64,
    pub seq: i64,
}

/// A call of the list, and what hangs on it.
#[derive(Debug, Clone)]
pub struct ListedCall {
    pub call: StoredCall,
    pub outcome: Option<StoredOutcome>,
    /// What was kept of this call itself.
    pub own_data: BTreeMap<String, Value>,
}

/// A part of the list.
#[derive(Debug, Clone)]
pub struct CallPage {
    pub calls: Vec<ListedCall>,
    /// Where to go on; `None` at the end. A page may be short, even empty, and not the last.
    pub next: Option<Place>,
}

impl Store {
    /// The calls after a place, newest first, at most 1,000.
    pub fn list_calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Boxed<'a, CallPage> {
        Box::pin(async move {
            let limit = limit.clamp(1, PAGE_MAX);
            let record = filter.record.as_ref();
            let keys = self.keys();
            let subject = record.map(|(connection, id)| record_hash(&keys, connection, id));
            let work = Page { filter: filter.clone(), subject, after, limit };
            let (mut rows, walked) = self.read_apart(work).await?;
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            let next = match rows.last().filter(|_| has_more) {
                Some(last) => Some(Place { arrived_at: last.int(8)?, seq: last.int(SEQ)? }),
                None => walked,
            };
            let calls = self.unseal(|keys| rows.iter().map(|row| listed(keys, row)).collect());
            Ok(CallPage { calls: calls.await?, next })
        })
    }
}

macro_rules! page_sql {
    ($from:literal, $at:literal) => {
        concat!(
            "SELECT calls.id, calls.direction, calls.media, calls.queue, calls.connection, calls.status, calls.source,
                calls.earlier_calls, calls.arrived_at, calls.answered_in_us, calls.identified_at, calls.details,
                calls.identity, calls.labels, calls.deadline_us, calls.seq, call_data.sealed,
                call_outcomes.updated_at, call_outcomes.started_at, call_outcomes.ended_at, call_outcomes.talk_ms,
                call_outcomes.hold_ms, call_outcomes.work_ms, call_outcomes.queue, call_outcomes.sealed,
                call_outcomes.journal, call_outcomes.journal_connection, call_outcomes.journal_record,
                call_outcomes.journal_digest FROM ",
            $from,
            " LEFT JOIN call_outcomes ON call_outcomes.call = calls.id
            LEFT JOIN call_data ON call_data.call = calls.id
            WHERE (", $at, ".arrived_at, ", $at, ".seq) < (?1, ?2)
                AND (", $at, ".arrived_at, ", $at, ".seq) >= (?3, ?4)
                AND (?5 IS NULL OR calls.source = ?5) AND (?6 IS NULL OR calls.status = ?6)
                AND (?7 IS NULL OR coalesce(call_outcomes.queue, calls.queue) = ?7)",
        )
    };
}

impl Store {
    /// Calls of the same customer or number that arrived before this one, newest first, at
    /// most 1,000. None where the call counts to nobody, or is not known.
    pub fn calls_before<'a>(&'a self, id: &'a CallId, limit: usize) -> Boxed<'a, Vec<ListedCall>> {
        Box::pin(async move {
            let rows = self.read_apart(Before { id: id.clone(), limit: limit.clamp(1, PAGE_MAX) });
            let rows = rows.await?;
            self.unseal(|keys| rows.iter().map(|row| listed(keys, row)).collect()).await
        })
    }
}

struct Before {
    id: CallId,
    limit: usize,
}

impl Work for Before {
    type Output = Vec<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const THIS: &str = "SELECT arrived_at, seq, subject FROM calls WHERE id = ?1";
        const SQL: &str = concat!(
            page_sql!("calls", "calls"),
            " AND calls.subject = ?8
            ORDER BY calls.arrived_at DESC, calls.seq DESC LIMIT ?9"
        );
        let Some(this) = tx.row(THIS, &[self.id.as_str().into()]).await? else {
            return Ok(Vec::new());
        };
        let Some(subject) = this.opt_blob(2)? else { return Ok(Vec::new()) };
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let none: Option<&str> = None;
        let params = [
            this.int(0)?.into(),
            this.int(1)?.into(),
            i64::MIN.into(),
            i64::MIN.into(),
            none.into(),
            none.into(),
            none.into(),
            subject.into(),
            limit.into(),
        ];
        tx.rows(SQL, &params).await
    }
}

#[derive(Deserialize)]
struct Own {
    #[serde(rename = "d")]
    data: BTreeMap<String, ValueRow>,
}

fn listed(keys: &crate::keys::Keyring, row: &Row) -> Result<ListedCall> {
    let call = stored(keys, row)?;
    let id = call.call.id.clone();
    let outcome = match row.opt_int(OUTCOME)? {
        Some(_) => Some(crate::events::outcome_at(keys, &id, row, OUTCOME)?),
        None => None,
    };
    let own_data = match row.opt_blob(OWN)? {
        Some(sealed) => {
            decode::<Own>(&keys.open("call_data.sealed", id.as_str().as_bytes(), sealed)?)?.data
        }
        None => BTreeMap::new(),
    };
    let own_data = own_data.into_iter().map(|(name, value)| (name, value.into())).collect();
    Ok(ListedCall { call, outcome, own_data })
}

/// Where a row's other parts begin, after those of [`stored`].
const SEQ: usize = 15;
const OWN: usize = 16;
const OUTCOME: usize = 17;

struct Page {
    filter: CallFilter,
    subject: Option<Hash>,
    after: Option<Place>,
    limit: usize,
}

impl Work for Page {
    /// One row more than asked for where there is one, and where the walk stopped.
    type Output = (Vec<Row>, Option<Place>);

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const ARRIVED: &str = concat!(
            page_sql!("calls", "calls"),
            " ORDER BY calls.arrived_at DESC, calls.seq DESC LIMIT ?8"
        );
        const OF_RECORD: &str = concat!(
            page_sql!("calls", "calls"),
            " AND calls.subject = ?9 ORDER BY calls.arrived_at DESC, calls.seq DESC LIMIT ?8"
        );
        const LABELLED: &str = concat!(
            page_sql!("call_labels CROSS JOIN calls", "call_labels"),
            " AND calls.seq = call_labels.seq AND call_labels.name = ?9 AND call_labels.value = ?10
                AND (?11 IS NULL OR EXISTS (SELECT 1 FROM call_labels AS other WHERE other.name = ?11
                    AND other.value = ?12 AND other.arrived_at = calls.arrived_at AND other.seq = calls.seq))
                AND (?13 IS NULL OR EXISTS (SELECT 1 FROM call_labels AS other WHERE other.name = ?13
                    AND other.value = ?14 AND other.arrived_at = calls.arrived_at AND other.seq = calls.seq))
            ORDER BY call_labels.arrived_at DESC, call_labels.seq DESC LIMIT ?8"
        );
        let filter = &self.filter;
        let top = self.top();
        let walked = self.walk(tx, top).await?;
        let from = filter.from.map_or(i64::MIN, |from| from.0);
        let bottom = walked.unwrap_or(Place { arrived_at: from, seq: i64::MIN });
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut params: Vec<Param<'_>> = vec![
            top.arrived_at.into(),
            top.seq.into(),
            bottom.arrived_at.into(),
            bottom.seq.into(),
            filter.source.map(Source::as_str).into(),
            filter.status.map(Status::as_str).into(),
            filter.queue.as_deref().into(),
            limit.into(),
        ];
        let rows = if let Some(subject) = &self.subject {
            params.push(subject.as_slice().into());
            tx.rows(OF_RECORD, &params).await?
        } else if filter.labels.is_empty() {
            tx.rows(ARRIVED, &params).await?
        } else {
            for at in 0..LABELS_MAX {
                let label = filter.labels.get(at);
                params.push(label.map(|(name, _)| name.as_str()).into());
                params.push(label.map(|(_, value)| value.as_str()).into());
            }
            tx.rows(LABELLED, &params).await?
        };
        Ok((rows, walked))
    }
}

impl Page {
    /// Calls of the page lie before this.
    fn top(&self) -> Place {
        let to = Place { arrived_at: self.filter.to.map_or(i64::MAX, |to| to.0), seq: i64::MIN };
        self.after.map_or(to, |after| {
            if (after.arrived_at, after.seq) < (to.arrived_at, to.seq) { after } else { to }
        })
    }

    /// Where the walk stops, if there are more calls than one page looks at.
    async fn walk(&self, tx: &mut Tx<'_>, top: Place) -> Result<Option<Place>> {
        const ARRIVED: &str = "
            SELECT arrived_at, seq FROM calls
            WHERE (arrived_at, seq) < (?1, ?2) AND arrived_at >= ?3
            ORDER BY arrived_at DESC, seq DESC LIMIT 1 OFFSET ?4";
        const LABELLED: &str = "
            SELECT arrived_at, seq FROM call_labels
            WHERE name = ?5 AND value = ?6 AND (arrived_at, seq) < (?1, ?2) AND arrived_at >= ?3
            ORDER BY arrived_at DESC, seq DESC LIMIT 1 OFFSET ?4";
        let filter = &self.filter;
        let is_plain = filter.queue.is_none() && filter.source.is_none() && filter.status.is_none();
        if self.subject.is_some() || (is_plain && filter.labels.len() <= 1) {
            return Ok(None); // every call that is walked over is one of the page, or of one person
        }
        let from = filter.from.map_or(i64::MIN, |from| from.0);
        let mut params: Vec<Param<'_>> =
            vec![top.arrived_at.into(), top.seq.into(), from.into(), (WALK - 1).into()];
        let row = match filter.labels.first() {
            None => tx.row(ARRIVED, &params).await?,
            Some((name, value)) => {
                params.extend([Param::from(name.as_str()), value.as_str().into()]);
                tx.row(LABELLED, &params).await?
            }
        };
        row.map(|row| Ok(Place { arrived_at: row.int(0)?, seq: row.int(1)? })).transpose()
    }
}
