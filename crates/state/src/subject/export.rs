//! Everything that is kept of one person, opened and in one piece: what somebody who
//! asks for their data is given.

use super::find::{Record, Subject};
use super::sought::{CallHit, Sought};
use super::tables;
use crate::audit::Entry;
use crate::calls::{StoredCall, record_hash};
use crate::crosswalk;
use crate::customers::{Kept, Link, Whose};
use crate::decisions::{self, Decision};
use crate::enrichments::Enrichment;
use crate::error::{Boxed, Result};
use crate::events::{StoredEvent, StoredOutcome};
use crate::keys::{Hash, Keyring};
use crate::overrides::{Override, number_hash, opened};
use crate::store::Store;
use crate::sync;
use domain::{CallId, Contact, Timestamp};
use std::collections::{BTreeMap, HashSet};

/// Calls, decisions and jobs in one export, of each; beyond this it says that it is cut.
const ROWS_MAX: usize = 10_000;

/// A call with all that hangs on it.
#[derive(Clone)]
pub struct ExportedCall {
    pub call: StoredCall,
    pub events: Vec<StoredEvent>,
    pub outcome: Option<StoredOutcome>,
    pub data: Kept,
    pub enrichments: Vec<Enrichment>,
    pub reconciled: Vec<Reconciled>,
}

/// What a run of reconciliation tells of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    pub run: i64,
    /// `linked`, `ambiguous`, …
    pub what: String,
    pub reason: Option<String>,
}

/// A record as the directory knows it.
#[derive(Clone)]
pub struct KnownContact {
    pub connection: String,
    pub contact: Contact,
    pub as_of: Timestamp,
    /// The contact center was told of it.
    pub is_pushed: bool,
}

/// A job that speaks of the person or of one of their calls.
#[derive(Clone)]
pub struct ExportedJob {
    pub id: i64,
    pub kind: String,
    pub call: Option<String>,
    /// As it was written; empty where it has none.
    pub payload: Vec<u8>,
}

/// Everything that is kept.
#[derive(Clone, Default)]
pub struct Export {
    pub calls: Vec<ExportedCall>,
    pub contacts: Vec<KnownContact>,
    /// Accounts beside the CRM that are theirs alone.
    pub accounts: Vec<KnownContact>,
    pub customer_data: Vec<(Record, Kept)>,
    pub overrides: Vec<Override>,
    /// Contacts of the contact center; [`Link::center`] is empty, for it is kept as a hash.
    pub links: Vec<Link>,
    /// Their records in one system and another.
    pub crosswalk: Vec<crosswalk::Link>,
    /// Copies of their records, what was written to them, and what was asked about them.
    pub syncs: Vec<sync::Kept>,
    /// Where their calls were sent, and what was seen of them.
    pub decisions: Vec<Decision>,
    pub jobs: Vec<ExportedJob>,
    pub audit: Vec<Entry>,
    /// How many calls count to whom, and when the last one was; by externalId.
    pub interactions: BTreeMap<String, (u64, Timestamp)>,
    /// There is more than one export holds.
    pub is_cut: bool,
}

/// The ids of the calls that are in it.
fn calls_in(export: &Export) -> HashSet<String> {
    export.calls.iter().map(|of| of.call.call.id.to_string()).collect()
}

impl Store {
    /// Everything that is kept of a subject.
    pub fn export<'a>(&'a self, subject: &'a Subject) -> Boxed<'a, Export> {
        Box::pin(async move {
            let sought = Sought::of(&self.keys(), subject);
            let mut export = Export::default();
            self.export_calls(&sought, &mut export).await?;
            self.export_decisions(&sought, &mut export).await?;
            self.export_jobs(&sought, &mut export).await?;
            self.export_audit(&sought, &mut export).await?;
            self.export_records(subject, &mut export).await?;
            self.export_accounts(subject, &sought, &mut export).await?;
            self.export_numbers(subject, &mut export).await?;
            let hashes: Vec<Hash> = sought.hashes.iter().copied().collect();
            export.syncs = self.kept_by_syncs(&hashes).await?;
            export.overrides.sort_unstable_by_key(|found| found.id);
            export.overrides.dedup_by_key(|found| found.id);
            export.crosswalk.sort_unstable_by_key(|link| link.id);
            export.crosswalk.dedup_by_key(|link| link.id);
            Ok(export)
        })
    }

    async fn export_calls(&self, sought: &Sought, export: &mut Export) -> Result<()> {
        let mut after = 0;
        loop {
            let rows = self.read(&tables::Calls { after }).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            let hits = |keys: &Keyring| {
                let hits = rows.iter().filter_map(|row| match sought.call(keys, row) {
                    Ok(CallHit::Whole) => Some(row.text(1).map(CallId::new)),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                });
                hits.collect::<Result<Vec<_>>>()
            };
            for id in self.unseal(hits).await?.into_iter().flatten() {
                if export.calls.len() >= ROWS_MAX {
                    export.is_cut = true;
                    return Ok(());
                }
                let Some(call) = self.call(&id).await? else { continue };
                let (events, outcome) = (self.events(&id).await?, self.outcome(&id).await?);
                let data = self.data_of(Whose::Call(&id)).await?;
                let notes = self.read(&tables::NotesOf { call: id.as_str() }).await?;
                let reconciled = notes.iter().map(|row| {
                    let reason = row.opt_text(2)?.map(str::to_owned);
                    Ok(Reconciled { run: row.int(0)?, what: row.text(1)?.to_owned(), reason })
                });
                let reconciled = reconciled.collect::<Result<_>>()?;
                let enrichments = self.enrichments(&id).await?;
                export.calls.push(ExportedCall {
                    call,
                    events,
                    outcome,
                    data,
                    enrichments,
                    reconciled,
                });
            }
        }
    }

    /// Those of their calls, and those that speak of them, also of calls nobody has kept.
    async fn export_decisions(&self, sought: &Sought, export: &mut Export) -> Result<()> {
        let calls = calls_in(export);
        let mut after = 0;
        loop {
            let rows = self.read(&tables::Decisions { after }).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            let hits = self.decision_hits(sought, &rows).await?;
            for row in &rows {
                if !calls.contains(row.text(1)?) && !hits.contains(&row.int(0)?) {
                    continue;
                }
                if export.decisions.len() >= ROWS_MAX {
                    export.is_cut = true;
                    return Ok(());
                }
                export.decisions.push(self.unseal(|keys| decisions::opened(keys, row)).await?);
            }
        }
    }

    async fn export_jobs(&self, sought: &Sought, export: &mut Export) -> Result<()> {
        let calls = calls_in(export);
        let mut after = 0;
        loop {
            let rows = self.read(&tables::Jobs { after }).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            for row in &rows {
                let payload = match self.unseal(|keys| tables::payload(keys, row)).await {
                    Ok(payload) => payload,
                    Err(error) => match tables::readable(error) {
                        Some(error) => return Err(error),
                        None => continue,
                    },
                };
                let call = row.opt_text(4)?;
                let is_of_call = call.is_some_and(|call| calls.contains(call));
                if !is_of_call && !sought.is_in_json(&self.keys(), &payload) {
                    continue;
                }
                if export.jobs.len() >= ROWS_MAX {
                    export.is_cut = true;
                    return Ok(());
                }
                export.jobs.push(ExportedJob {
                    id: row.int(0)?,
                    kind: row.text(2)?.to_owned(),
                    call: call.map(str::to_owned),
                    payload,
                });
            }
        }
    }

    async fn export_audit(&self, sought: &Sought, export: &mut Export) -> Result<()> {
        let mut after = 0;
        loop {
            let rows = self.read(&tables::Audit { after }).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            let hits = self.audit_hits(sought, &rows).await?;
            for row in &rows {
                if hits.contains(&row.int(0)?) {
                    export.audit.push(self.unseal(|keys| crate::audit::entry(keys, row)).await?);
                }
            }
        }
    }

    /// What is found by a record's hash.
    async fn export_records(&self, subject: &Subject, export: &mut Export) -> Result<()> {
        for (record, person) in &subject.people {
            let hash = record_hash(&self.keys(), &record.connection, &record.record);
            let (connection, id) = (record.connection.as_str(), record.record.as_str());
            if let Some(row) = self.read(&tables::OneContact { connection, hash }).await? {
                export.contacts.push(KnownContact {
                    connection: record.connection.clone(),
                    contact: self.unseal(|keys| tables::contact(keys, &row)).await?,
                    as_of: Timestamp(row.int(4)?),
                    is_pushed: row.opt_hash(5)?.is_some(),
                });
            }
            let kept = self.data_of(Whose::Record { connection, record: id }).await?;
            if kept.version > 0 {
                export.customer_data.push((record.clone(), kept));
            }
            let rows = self.read(&tables::LinksOf { hash }).await?;
            let links = self.unseal(|keys| {
                rows.iter()
                    .map(|row| crate::customers::opened_link(keys, row))
                    .collect::<Result<Vec<_>>>()
            });
            export.links.extend(links.await?);
            let rows = self.read(&crosswalk::OfRecord { hash }).await?;
            let links = self.unseal(|keys| {
                rows.iter().map(|row| crosswalk::opened(keys, row)).collect::<Result<Vec<_>>>()
            });
            export.crosswalk.extend(links.await?);
            let rows = self.read(&tables::OverridesOf { hash }).await?;
            let known = self.unseal(|keys| {
                rows.iter().map(|row| opened(keys, row)).collect::<Result<Vec<_>>>()
            });
            export.overrides.extend(known.await?);
            if let (calls, Some(last)) = self.calls_of(connection, id).await? {
                export.interactions.insert(person.external_id.clone(), (calls, last));
            }
        }
        Ok(())
    }

    /// Accounts of theirs: those that they alone are linked to, and those that are one of
    /// their records, under whatever id.
    async fn export_accounts(
        &self,
        subject: &Subject,
        sought: &Sought,
        export: &mut Export,
    ) -> Result<()> {
        let keys = self.keys();
        let own = subject.accounts.iter().filter(|(_, found)| !found.is_shared);
        let own: HashSet<Hash> = own.map(|(one, _)| one.account().hash(&keys)).collect();
        let mut after = 0;
        loop {
            let rows = self.read(&tables::Contacts { after }).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            for row in &rows {
                let contact = match self.unseal(|keys| tables::contact(keys, row)).await {
                    Ok(contact) => contact,
                    Err(error) => match tables::readable(error) {
                        Some(error) => return Err(error),
                        None => continue,
                    },
                };
                let (connection, place) = (row.text(3)?, row.hash(1)?);
                let is_person = place == record_hash(&keys, connection, &contact.record);
                let is_theirs = sought.account(&keys, connection, &contact);
                if own.contains(&place) || (is_theirs && !is_person) {
                    export.accounts.push(KnownContact {
                        connection: connection.to_owned(),
                        contact,
                        as_of: Timestamp(row.int(4)?),
                        is_pushed: false,
                    });
                }
            }
        }
    }

    /// What is found by a number that is the subject's alone.
    async fn export_numbers(&self, subject: &Subject, export: &mut Export) -> Result<()> {
        for (phone, _) in subject.phones.iter().filter(|(_, found)| !found.is_shared) {
            let hash = number_hash(&self.keys(), phone);
            let rows = self.read(&tables::OverridesOf { hash }).await?;
            let known = self.unseal(|keys| {
                rows.iter().map(|row| opened(keys, row)).collect::<Result<Vec<_>>>()
            });
            export.overrides.extend(known.await?);
            let id = self.phone_id(phone);
            let subject = self.keys().hash("phone id", &[&id]);
            if let Some(row) = self.read(&tables::CountOf { subject }).await? {
                let calls = u64::try_from(row.int(0)?).unwrap_or(0);
                let counted = (calls, Timestamp(row.int(1)?));
                export.interactions.insert(format!("PHONE:{id}"), counted);
            }
        }
        Ok(())
    }
}
