//! What a sweep removes, as single transactions. Each judges anew what it removes where
//! somebody may have changed it since it was read, and may be done twice.

use super::sought::{CallHit, Sought, details};
use super::sweep::Removed;
use super::tables;
use crate::audit::Sealed;
use crate::crash;
use crate::error::Result;
use crate::feed::forget_call;
use crate::keys::{Hash, Keyring};
use crate::labels;
use crate::rows::encode;
use crate::sql::{AddedJobs, Touched, Tx, Work};
use crate::sync::forget::erase_found;
use std::sync::Arc;

pub(super) struct RemoveJobs {
    pub(super) ids: Vec<i64>,
}

impl Work for RemoveJobs {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        tx.touched = Touched::Nothing;
        let mut removed = 0;
        for id in &self.ids {
            removed += tx.execute("DELETE FROM jobs WHERE id = ?1", &[(*id).into()]).await?;
        }
        tx.added_jobs = AddedJobs::OfAll; // what waited behind one of them may run now
        crash::point("sweep.jobs");
        Ok(removed)
    }
}

/// What is sealed of entries is gone; their digests hold the chain together.
pub(super) struct Blank {
    pub(super) entries: Vec<i64>,
    pub(super) act: Sealed,
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

pub(super) struct RemoveCalls {
    pub(super) keys: Arc<Keyring>,
    pub(super) sought: Arc<Sought>,
    pub(super) ids: Vec<String>,
}

impl Work for RemoveCalls {
    type Output = Removed;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Removed> {
        const OF_CALL: [(&str, &str); 8] = [
            // First: what gets its place meanwhile is forgotten with the rest.
            ("news_waiting", "DELETE FROM news_waiting WHERE call = ?1"),
            (
                "reconcile_calls",
                "DELETE FROM reconcile_calls WHERE call = ?1
                    AND run IN (SELECT id FROM reconcile_runs)",
            ),
            ("call_data", "DELETE FROM call_data WHERE call = ?1"),
            ("enrichments", "DELETE FROM enrichments WHERE call = ?1"),
            ("decisions", "DELETE FROM decisions WHERE call = ?1"),
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
        tx.added_jobs = AddedJobs::OfAll;
        crash::point("sweep.calls");
        Ok(removed)
    }
}

pub(super) struct RemoveEnrichments {
    pub(super) ids: Vec<i64>,
}

impl Work for RemoveEnrichments {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        tx.touched = Touched::Nothing;
        let mut removed = 0;
        for id in &self.ids {
            removed += tx.execute("DELETE FROM enrichments WHERE id = ?1", &[(*id).into()]).await?;
        }
        crash::point("sweep.enrichments");
        Ok(removed)
    }
}

pub(super) struct RemoveDecisions {
    pub(super) ids: Vec<i64>,
}

impl Work for RemoveDecisions {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        tx.touched = Touched::Nothing;
        let mut removed = 0;
        for id in &self.ids {
            removed += tx.execute("DELETE FROM decisions WHERE seq = ?1", &[(*id).into()]).await?;
        }
        crash::point("sweep.decisions");
        Ok(removed)
    }
}

pub(super) struct RemoveContacts {
    pub(super) ids: Vec<i64>,
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

pub(super) struct RemoveFound {
    pub(super) hashes: Vec<Hash>,
}

impl Work for RemoveFound {
    type Output = Removed;

    /// Whose entries in the directory changed is not told: all are read anew.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Removed> {
        const BY_HASH: [(&str, &str); 7] = [
            ("customer_data", "DELETE FROM customer_data WHERE subject = ?1"),
            ("links", "DELETE FROM links WHERE subject = ?1"),
            ("crosswalk", "DELETE FROM crosswalk WHERE record = ?1"),
            ("crosswalk", "DELETE FROM crosswalk WHERE other_record = ?1"),
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
            erase_found(tx, hash, &mut removed).await?;
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
