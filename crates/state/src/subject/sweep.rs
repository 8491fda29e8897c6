//! Removes whatever the tombstones of erasures name: from every table, a bounded part at
//! a time, as often as is wanted.
//!
//! In this order, because a call leads to its entries of the audit log: jobs that speak
//! of the person, entries of the audit log, calls with all that hangs on them, and what
//! is found by a hash at once. Entries of the audit log stay in the chain and lose what
//! is sealed; an entry of its own, in the same transaction, says which ones.

use super::sought::{CallHit, SHARED, Sought, details};
use super::tables::{self, PAGE};
use crate::audit::{Act, BLANKED, Sealed, about};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::feed::forget_call;
use crate::keys::{Hash, Keyring};
use crate::labels;
use crate::rows::encode;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
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
            Self::Jobs => Self::Audit,
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

struct RemoveJobs {
    ids: Vec<i64>,
}

impl Work for RemoveJobs {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        tx.touched = Touched::Nothing;
        let mut removed = 0;
        for id in &self.ids {
            removed += tx.execute("DELETE FROM jobs WHERE id = ?1", &[(*id).into()]).await?;
        }
        tx.added_jobs = true; // what waited behind one of them may run now
        crash::point("sweep.jobs");
        Ok(removed)
    }
}

/// What is sealed of entries is gone; their digests hold the chain together.
struct Blank {
    entries: Vec<i64>,
    act: Sealed,
}

impl Work for Blank {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "UPDATE audit SET sealed = ?2 WHERE seq = ?1";
        const NOTHING: &[u8] = &[];
        tx.touched = Touched::Nothing;
        let mut blanked = 0;
        for seq in &self.entries {
            blanked += tx.execute(SQL, &[(*seq).into(), NOTHING.into()]).await?;
        }
        self.act.append(tx).await?;
        crash::point("sweep.audit");
        Ok(blanked)
    }
}

struct RemoveCalls {
    keys: Arc<Keyring>,
    sought: Arc<Sought>,
    ids: Vec<String>,
}

impl Work for RemoveCalls {
    type Output = Removed;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Removed> {
        const OF_CALL: [(&str, &str); 6] = [
            // First: what gets its place meanwhile is forgotten with the rest.
            ("news_waiting", "DELETE FROM news_waiting WHERE call = ?1"),
            (
                "reconcile_calls",
                "DELETE FROM reconcile_calls WHERE call = ?1
                    AND run IN (SELECT id FROM reconcile_runs)",
            ),
            ("call_data", "DELETE FROM call_data WHERE call = ?1"),
            ("call_events", "DELETE FROM call_events WHERE call = ?1"),
            ("call_outcomes", "DELETE FROM call_outcomes WHERE call = ?1"),
            ("jobs", "DELETE FROM jobs WHERE call = ?1"),
        ];
        const CALL: &str = "DELETE FROM calls WHERE id = ?1";
        const DETAILS: &str = "UPDATE calls SET details = ?2 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let mut removed = Removed::new();
        for id in &self.ids {
            // Somebody may have said meanwhile that it was another's.
            let Some(row) = tables::call(tx, id).await? else { continue };
            match self.sought.call(&self.keys, &row)? {
                CallHit::No => {}
                CallHit::Asked => {
                    let mut details = details(&self.keys, &row)?;
                    details.record = None;
                    let sealed =
                        self.keys.seal("calls.details", id.as_bytes(), encode(&details)?)?;
                    tx.execute(DETAILS, &[id.as_str().into(), sealed[..].into()]).await?;
                }
                CallHit::Whole => {
                    for (table, sql) in OF_CALL {
                        *removed.entry(table).or_default() +=
                            tx.execute(sql, &[id.as_str().into()]).await?;
                    }
                    forget_call(tx, &self.keys, id).await?;
                    let place = (row.int(7)?, row.int(0)?);
                    labels::unindex(tx, row.opt_text(8)?, place).await?;
                    *removed.entry("calls").or_default() +=
                        tx.execute(CALL, &[id.as_str().into()]).await?;
                }
            }
        }
        tx.added_jobs = true;
        crash::point("sweep.calls");
        Ok(removed)
    }
}

struct RemoveContacts {
    ids: Vec<i64>,
}

impl Work for RemoveContacts {
    type Output = u64;
    /// Whose entries changed is not told: all are read anew.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let mut removed = 0;
        for id in &self.ids {
            removed += tx.execute("DELETE FROM contacts WHERE id = ?1", &[(*id).into()]).await?;
        }
        crash::point("sweep.accounts");
        Ok(removed)
    }
}

struct RemoveFound {
    hashes: Vec<Hash>,
}

impl Work for RemoveFound {
    type Output = Removed;

    /// Whose entries in the directory changed is not told: all are read anew.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Removed> {
        const BY_HASH: [(&str, &str); 5] = [
            ("customer_data", "DELETE FROM customer_data WHERE subject = ?1"),
            ("links", "DELETE FROM links WHERE subject = ?1"),
            ("overrides", "DELETE FROM overrides WHERE record = ?1"),
            ("overrides", "DELETE FROM overrides WHERE number = ?1"),
            ("interactions", "DELETE FROM interactions WHERE subject = ?1"),
        ];
        const OF_CONNECTION: [(&str, &str); 2] = [
            ("contact_keys", "DELETE FROM contact_keys WHERE connection = ?1 AND hash = ?2"),
            ("contacts", "DELETE FROM contacts WHERE connection = ?1 AND record = ?2"),
        ];
        let mut removed = Removed::new();
        let connections = tables::Connections.run(tx).await?;
        for hash in &self.hashes {
            for (table, sql) in BY_HASH {
                *removed.entry(table).or_default() += tx.execute(sql, &[hash.into()]).await?;
            }
            for connection in &connections {
                for (table, sql) in OF_CONNECTION {
                    let params = [connection.as_str().into(), hash.into()];
                    *removed.entry(table).or_default() += tx.execute(sql, &params).await?;
                }
            }
        }
        crash::point("sweep.found");
        Ok(removed)
    }
}
