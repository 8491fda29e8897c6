//! Removes whatever the tombstones of erasures name: from every table, a bounded part at
//! a time, as often as is wanted.
//!
//! In this order, because a call leads to its entries of the audit log and says whose its
//! decisions are: jobs, enrichments, decisions and reviews that speak of the person, entries
//! of the audit log, calls with all that hangs on them, accounts beside the CRM, and what is
//! found by a hash at once. Entries of the audit log stay in the chain and lose what is
//! sealed; an entry of its own, in the same transaction, says which ones.

use super::remove::{
    Blank, RemoveCalls, RemoveContacts, RemoveDecisions, RemoveEnrichments, RemoveFound, RemoveJobs,
};
use super::sought::{CallHit, DecisionHit, SHARED, Sought};
use super::tables::{self, PAGE};
use crate::audit::{Act, BLANKED, Sealed, about};
use crate::crash;
use crate::enrichments::sealed_json;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use crate::sync::forget::{RemoveReviews, Reviews, review_texts};
use domain::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows that were removed, by table; those of the audit log lost what was sealed.
pub type Removed = BTreeMap<&'static str, u64>;

/// A sweep under way.
pub struct Sweep {
    /// The erasures it is for, by id, and when each was made.
    pub erasures: Vec<(String, Timestamp)>,
    pub removed: Removed,
    sought: Arc<Sought>,
    step: Step,
    after: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Jobs,
    Enrichments,
    Decisions,
    Reviews,
    Audit,
    Calls,
    Accounts,
    Found,
    Done,
}

/// What is found by a hash is removed for so many hashes at once.
const HASHES: usize = 100;

impl Store {
    /// Begins a sweep for every erasure that is not swept yet; `None` when all are.
    pub fn begin_sweep(&self) -> Boxed<'_, Option<Sweep>> {
        Box::pin(async move {
            let (erasures, hashes) = self.read(&Unswept).await?;
            let sought = Arc::new(Sought { hashes: hashes.into_iter().collect() });
            let removed = Removed::new();
            let sweep = Sweep { erasures, removed, sought, step: Step::Jobs, after: 0 };
            Ok((!sweep.erasures.is_empty()).then_some(sweep))
        })
    }

    /// Does the next part; false when there is none left.
    pub fn sweep_on<'a>(&'a self, sweep: &'a mut Sweep, now: Timestamp) -> Boxed<'a, bool> {
        Box::pin(async move {
            let next = match sweep.step {
                Step::Jobs => self.sweep_jobs(sweep).await?,
                Step::Enrichments => self.sweep_enrichments(sweep).await?,
                Step::Decisions => self.sweep_decisions(sweep).await?,
                Step::Reviews => self.sweep_reviews(sweep).await?,
                Step::Audit => self.sweep_audit(sweep, now).await?,
                Step::Calls => self.sweep_calls(sweep).await?,
                Step::Accounts => self.sweep_accounts(sweep).await?,
                Step::Found => self.sweep_found(sweep).await?,
                Step::Done => return Ok(false),
            };
            match next {
                Some(after) => sweep.after = after,
                None => (sweep.step, sweep.after) = (sweep.step.next(), 0),
            }
            Ok(sweep.step != Step::Done)
        })
    }

    /// Notes that nothing is left of those of the sweep's erasures that were made before
    /// this. What was under way when a younger one was made may have come after its sweep.
    pub fn end_sweep<'a>(
        &'a self,
        sweep: &'a Sweep,
        before: Timestamp,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, ()> {
        Box::pin(async move {
            let old = sweep.erasures.iter().filter(|(_, at)| *at <= before);
            let ids: Vec<String> = old.map(|(id, _)| id.clone()).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let act = Sealed::seal(self.keys(), act, now)?;
            self.write(End { ids, now: now.0, act }).await
        })
    }

    /// When the oldest erasure was made that is not swept yet.
    pub fn unswept_since(&self) -> Boxed<'_, Option<Timestamp>> {
        Box::pin(async move { self.read(&Oldest).await })
    }

    async fn sweep_jobs(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&tables::Jobs { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let sought = &sweep.sought;
        let hits = |keys: &Keyring| {
            let hits = rows.iter().filter_map(|row| match tables::payload(keys, row) {
                Ok(payload) if sought.is_in_json(keys, &payload) => Some(row.int(0)),
                Ok(_) => None,
                Err(error) => tables::readable(error).map(Err),
            });
            hits.collect::<Result<Vec<i64>>>()
        };
        let ids = self.unseal(hits).await?;
        if !ids.is_empty() {
            sweep.add("jobs", self.write(RemoveJobs { ids }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    async fn sweep_enrichments(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&tables::Enrichments { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let sought = &sweep.sought;
        let hits = |keys: &Keyring| {
            let hits = rows.iter().filter_map(|row| match sealed_json(keys, row) {
                Ok(json) if sought.is_in_json(keys, &json) => Some(row.int(0)),
                Ok(_) => None,
                Err(error) => tables::readable(error).map(Err),
            });
            hits.collect::<Result<Vec<i64>>>()
        };
        let ids = self.unseal(hits).await?;
        if !ids.is_empty() {
            sweep.add("enrichments", self.write(RemoveEnrichments { ids }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    async fn sweep_decisions(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&tables::Decisions { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let ids = self.decision_hits(&sweep.sought, &rows).await?;
        if !ids.is_empty() {
            sweep.add("decisions", self.write(RemoveDecisions { ids }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    async fn sweep_reviews(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&Reviews { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let sought = &sweep.sought;
        let hits = |keys: &Keyring| {
            let hits = rows.iter().filter_map(|row| match review_texts(keys, row) {
                Ok(texts) => {
                    let is_hit = texts.iter().any(|text| sought.is_in_json(keys, text));
                    is_hit.then(|| row.int(0))
                }
                Err(error) => tables::readable(error).map(Err),
            });
            hits.collect::<Result<Vec<i64>>>()
        };
        let ids = self.unseal(hits).await?;
        if !ids.is_empty() {
            sweep.add("sync_reviews", self.write(RemoveReviews { ids }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    /// The decisions that speak of whom is sought.
    pub(super) async fn decision_hits(&self, sought: &Sought, rows: &[Row]) -> Result<Vec<i64>> {
        let mut hits = Vec::new();
        for row in rows {
            let is_hit = match self.unseal(|keys| sought.decision(keys, row)).await {
                Ok(DecisionHit::No) => false,
                Ok(DecisionHit::Whole) => true,
                Ok(DecisionHit::Named) => {
                    match self.read(&tables::OneCall { id: row.text(1)? }).await? {
                        Some(call) => !self.unseal(|keys| sought.is_elses(keys, &call)).await?,
                        None => true,
                    }
                }
                Err(error) => match tables::readable(error) {
                    Some(error) => return Err(error),
                    None => false,
                },
            };
            if is_hit {
                hits.push(row.int(0)?);
            }
        }
        Ok(hits)
    }

    async fn sweep_audit(&self, sweep: &mut Sweep, now: Timestamp) -> Result<Option<i64>> {
        let rows = self.read(&tables::Audit { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let entries = self.audit_hits(&sweep.sought, &rows).await?;
        if !entries.is_empty() {
            let named: Vec<String> = entries.iter().map(i64::to_string).collect();
            let act = Act {
                actor: "tieline".to_owned(),
                action: BLANKED,
                subject: String::new(),
                details: [("entries".to_owned(), named.join(" "))].into(),
            };
            let act = Sealed::seal(self.keys(), act, now)?;
            sweep.add("audit", self.write(Blank { entries, act }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    /// The entries that speak of whom is sought, or of one of their calls.
    pub(super) async fn audit_hits(&self, sought: &Sought, rows: &[Row]) -> Result<Vec<i64>> {
        let mut hits = Vec::new();
        for row in rows {
            let Some(about) = self.unseal(|keys| about(keys, row)).await? else { continue };
            let keys = self.keys();
            let texts = || std::iter::once(&about.subject).chain(about.details.values());
            let mut is_hit = texts().any(|text| sought.is_in(&keys, text));
            for call in [Some(&about.subject), about.details.get("call")].into_iter().flatten() {
                let Some(call) = self.read(&tables::OneCall { id: call }).await? else { continue };
                let hit = self.unseal(|keys| sought.call(keys, &call)).await?;
                is_hit |= hit == CallHit::Whole;
            }
            if is_hit {
                hits.push(row.int(0)?);
            }
        }
        Ok(hits)
    }

    async fn sweep_calls(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&tables::Calls { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let hits = |keys: &Keyring| {
            let hits = rows.iter().filter_map(|row| match sweep.sought.call(keys, row) {
                Ok(CallHit::No) => None,
                Ok(_) => Some(row.text(1).map(str::to_owned)),
                Err(error) => Some(Err(error)),
            });
            hits.collect::<Result<Vec<String>>>()
        };
        let ids = self.unseal(hits).await?;
        if !ids.is_empty() {
            let (keys, sought) = (self.keys(), Arc::clone(&sweep.sought));
            for (table, count) in self.write(RemoveCalls { keys, sought, ids }).await? {
                sweep.add(table, count);
            }
        }
        Ok(Some(last.int(0)?))
    }

    /// Accounts that are a record of the person's: only what is sealed says so.
    async fn sweep_accounts(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let rows = self.read(&tables::Contacts { after: sweep.after }).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let hits = |keys: &Keyring| {
            let hits = rows.iter().filter_map(|row| match tables::contact(keys, row) {
                Ok(contact) => {
                    let connection = row.text(3).unwrap_or_default();
                    sweep.sought.account(keys, connection, &contact).then(|| row.int(0))
                }
                Err(error) => tables::readable(error).map(Err),
            });
            hits.collect::<Result<Vec<i64>>>()
        };
        let ids = self.unseal(hits).await?;
        if !ids.is_empty() {
            sweep.add("contacts", self.write(RemoveContacts { ids }).await?);
        }
        Ok(Some(last.int(0)?))
    }

    async fn sweep_found(&self, sweep: &mut Sweep) -> Result<Option<i64>> {
        let done = usize::try_from(sweep.after).unwrap_or(usize::MAX);
        let mut hashes: Vec<Hash> = sweep.sought.hashes.iter().copied().collect();
        hashes.sort_unstable();
        let hashes: Vec<Hash> = hashes.into_iter().skip(done).take(HASHES).collect();
        if hashes.is_empty() {
            return Ok(None);
        }
        for (table, count) in self.write(RemoveFound { hashes }).await? {
            sweep.add(table, count);
        }
        Ok(Some(i64::try_from(done + HASHES).unwrap_or(i64::MAX)))
    }
}

impl Sweep {
    fn add(&mut self, table: &'static str, count: u64) {
        *self.removed.entry(table).or_default() += count;
    }
}

impl Step {
    fn next(self) -> Self {
        match self {
            Self::Jobs => Self::Enrichments,
            Self::Enrichments => Self::Decisions,
            Self::Decisions => Self::Reviews,
            Self::Reviews => Self::Audit,
            Self::Audit => Self::Calls,
            Self::Calls => Self::Accounts,
            Self::Accounts => Self::Found,
            Self::Found | Self::Done => Self::Done,
        }
    }
}

struct Unswept;

impl Work for Unswept {
    type Output = (Vec<(String, Timestamp)>, Vec<Hash>);
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const IDS: &str =
            "SELECT id, at FROM erasures WHERE swept_at IS NULL ORDER BY at, id LIMIT ?1";
        const HASHES: &str = "SELECT hash, kind FROM tombstones WHERE erasure = ?1";
        let (mut ids, mut hashes) = (Vec::new(), Vec::new());
        for row in tx.rows(IDS, &[PAGE.into()]).await? {
            let id = row.text(0)?.to_owned();
            for row in tx.rows(HASHES, &[id.as_str().into()]).await? {
                if row.text(1)? != SHARED {
                    hashes.push(row.hash(0)?);
                }
            }
            ids.push((id, Timestamp(row.int(1)?)));
        }
        Ok((ids, hashes))
    }
}

struct Oldest;

impl Work for Oldest {
    type Output = Option<Timestamp>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
        const SQL: &str = "SELECT at FROM erasures WHERE swept_at IS NULL ORDER BY at LIMIT 1";
        tx.row(SQL, &[]).await?.map(|row| row.int(0).map(Timestamp)).transpose()
    }
}

struct End {
    ids: Vec<String>,
    now: i64,
    act: Sealed,
}

impl Work for End {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "UPDATE erasures SET swept_at = ?2 WHERE id = ?1 AND swept_at IS NULL";
        tx.touched = Touched::Nothing;
        let mut ended = 0;
        for id in &self.ids {
            ended += tx.execute(SQL, &[id.as_str().into(), self.now.into()]).await?;
        }
        if ended > 0 {
            self.act.append(tx).await?;
        }
        crash::point("sweep.ended");
        Ok(())
    }
}
