//! What a run has found out of some calls, and how far it is: one commit.

use super::{Counts, Hold, Step};
use crate::calls::{A_RECORD, Identified, NewCall, Record, Said, Who, identify, known};
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::events::{NewEvent, Receive};
use crate::feed::{NewsKind, Telling, take_turns};
use crate::jobs::{NewJob, SealedJob, note};
use crate::keys::{Hash, Keyring};
use crate::labels::Labels;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::subject::{Guard, Name};
use domain::{CallId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run has found out of one call.
pub struct Note {
    pub call: CallId,
    /// A word that is counted: `linked`, `known`, `unknown`, …
    pub what: &'static str,
    /// Why it is told in the report; nothing personal.
    pub reason: Option<String>,
    /// What else is counted with it.
    pub also: Vec<&'static str>,
    pub found: Found,
}

/// What is to be stored of it.
pub enum Found {
    Nothing,
    /// A better answer for a call that is stored: applied where it still is one.
    Better {
        identified: Identified,
        jobs: Vec<NewJob>,
    },
    /// A call that we never saw, with what was told of it.
    Unseen {
        call: Box<NewCall>,
        events: Vec<NewEvent>,
        jobs: Vec<NewJob>,
    },
}

impl Found {
    /// What reports would group the call by.
    fn take_labels(&mut self) -> BTreeMap<String, String> {
        match self {
            Self::Nothing => BTreeMap::new(),
            Self::Better { identified, .. } => std::mem::take(&mut identified.labels),
            Self::Unseen { call, .. } => std::mem::take(&mut call.labels),
        }
    }
}

/// Some calls and where the run goes on after them.
pub struct Page {
    pub notes: Vec<Note>,
    /// Where the run is now; `None`: the page goes on, its cursor stays.
    pub place: Option<(Step, Option<String>)>,
    /// What is counted besides calls.
    pub also: Vec<&'static str>,
    /// When the last of the calls was.
    pub reached: Option<Timestamp>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Paged {
    /// It stands; these are the run's counts now.
    Applied { counts: Counts },
    /// Another holds the run: nothing at all was done.
    Stale,
}

/// A call that somebody else has identified meanwhile.
const KNOWN: &str = "known";
/// A call of somebody who was erased: nothing of it is stored.
pub const ERASED: &str = "erased";

impl Store {
    /// Commits a page. A call that this run has noted before is passed over.
    pub fn run_page(&self, hold: Hold, page: Page, now: Timestamp) -> Boxed<'_, Paged> {
        Box::pin(async move {
            let keys = self.keys();
            let mut notes = Vec::with_capacity(page.notes.len());
            for mut note in page.notes {
                let labels = self.admit(note.found.take_labels()).await?;
                notes.push(Sealed::seal(&keys, note, labels, now)?);
            }
            let place = page.place.map(|(step, cursor)| (step.as_str(), cursor));
            let (also, reached) = (page.also, page.reached);
            if crash::planted("cursor-before-calls") {
                let place = place.clone();
                let (notes, also) = (Vec::new(), Vec::new());
                self.write(Commit { hold, notes, place, also, reached, now }).await?;
            }
            self.write(Commit { hold, notes, place, also, reached, now }).await
        })
    }
}

struct Sealed {
    call: CallId,
    what: &'static str,
    reason: Option<String>,
    also: Vec<&'static str>,
    effect: Effect,
}

enum Effect {
    Nothing,
    Better {
        who: Who,
        jobs: Vec<SealedJob>,
    },
    /// `names`: hashes of all that it names somebody by.
    Unseen {
        record: Box<Record>,
        names: Vec<Hash>,
        told: Receive,
    },
}

/// The hashes of all that a call names somebody by.
fn names(keys: &Arc<Keyring>, call: &NewCall) -> Vec<Hash> {
    let phone = call.number.as_deref().map(Name::Phone);
    let email = call.email.as_deref().map(Name::Email);
    let record = call.contact.as_deref();
    let record = record.map(|record| Name::Record { connection: &call.connection, record });
    phone.into_iter().chain(email).chain(record).map(|name| name.hash(keys)).collect()
}

impl Sealed {
    fn seal(keys: &Arc<Keyring>, of: Note, labels: Labels, now: Timestamp) -> Result<Self> {
        let effect = match of.found {
            Found::Nothing => Effect::Nothing,
            Found::Better { identified, jobs } => {
                let Identified { connection, external_id, contact, status, source, data, .. } =
                    identified;
                let said = Said { status, source, labels, data };
                let who = Who::new(keys, &of.call, &connection, &external_id, contact, said)?;
                Effect::Better { who, jobs: SealedJob::seal_all(keys, jobs)? }
            }
            Found::Unseen { call, events, jobs } => Effect::Unseen {
                names: names(keys, &call),
                record: Box::new(Record::seal(keys, *call, labels, jobs)?),
                told: Receive::seal(keys, events, Vec::new(), now)?,
            },
        };
        let reason = of.reason.map(|reason| note(&reason));
        Ok(Self { call: of.call, what: of.what, reason, also: of.also, effect })
    }

    /// Why it had no effect, as a word to be counted instead; a call that is known as a
    /// record has none.
    async fn apply(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Option<&'static str>> {
        match &self.effect {
            Effect::Nothing => Ok(None),
            Effect::Better { who, jobs } => {
                take_turns(tx, &self.call).await?;
                let Some(known) = known(tx, &self.call).await? else {
                    return Ok(Some(KNOWN));
                };
                if known.certainty >= A_RECORD || who.certainty < known.certainty {
                    return Ok(Some(KNOWN));
                }
                let whose: Vec<_> = who.subject().into_iter().collect();
                if Guard::take(tx).await?.refuses(tx, &whose).await? {
                    return Ok(Some(ERASED)); // since they were looked up
                }
                let identified = identify(tx, &self.call, &known, who, Some(now)).await?;
                crash::point("reconcile.identified");
                if identified.is_news {
                    let kind = NewsKind::Enriched.or_candidates(who.status);
                    let (call, stream) = (&self.call, &who.stream);
                    Telling { call, stream, kind, at: now }.tell(tx).await?;
                }
                for job in jobs {
                    job.insert(tx).await?;
                }
                Ok(None)
            }
            Effect::Unseen { record, names, told } => {
                if known(tx, &self.call).await?.is_some() {
                    return Ok(Some(KNOWN)); // a flow or another node was faster
                }
                let names: Vec<_> = names.iter().collect();
                if Guard::take(tx).await?.refuses(tx, &names).await? {
                    return Ok(Some(ERASED)); // since they were looked up
                }
                told.run(tx).await?;
                record.run(tx).await?;
                Ok(None)
            }
        }
    }
}

struct Commit {
    hold: Hold,
    notes: Vec<Sealed>,
    place: Option<(&'static str, Option<String>)>,
    also: Vec<&'static str>,
    reached: Option<Timestamp>,
    now: Timestamp,
}

impl Work for Commit {
    type Output = Paged;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Paged> {
        const NOTE: &str = "
            INSERT INTO reconcile_calls (run, call, what, reason) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (run, call) DO NOTHING";
        const REASON: &str =
            "UPDATE reconcile_calls SET what = ?3, reason = NULL WHERE run = ?1 AND call = ?2";
        tx.touched = Touched::Nothing;
        let Some(mut counts) = held(tx, self.hold).await? else { return Ok(Paged::Stale) };
        for note in &self.notes {
            crash::point("reconcile.call");
            let (run, call) = (self.hold.run, note.call.as_str());
            let params = [run.into(), call.into(), note.what.into(), note.reason.as_deref().into()];
            if tx.execute(NOTE, &params).await? == 0 {
                continue; // this run has counted it before
            }
            let mut add = |word: &str| *counts.entry(word.to_owned()).or_default() += 1;
            if let Some(instead) = note.apply(tx, self.now).await? {
                add(instead);
                tx.execute(REASON, &[run.into(), call.into(), instead.into()]).await?;
            } else {
                add(note.what);
                note.also.iter().for_each(|word| add(word));
            }
            crash::point("reconcile.noted");
        }
        for word in &self.also {
            *counts.entry((*word).to_owned()).or_default() += 1;
        }
        self.keep(tx, &counts).await?;
        crash::point("reconcile.moved");
        tx.touched = Touched::Nothing;
        Ok(Paged::Applied { counts })
    }
}

/// The counts of the run, if it is still held.
pub(super) async fn held(tx: &mut Tx<'_>, hold: Hold) -> Result<Option<Counts>> {
    const SQL: &str = "
        SELECT counts FROM reconcile_runs WHERE id = ?1 AND lease = ?2 AND slot = 1 /*pg: FOR UPDATE */";
    let Some(row) = tx.row(SQL, &[hold.run.into(), hold.token.into()]).await? else {
        return Ok(None);
    };
    let counts = serde_json::from_str(row.text(0)?);
    counts.map(Some).map_err(|_| Error::Corrupt { what: "a run's counts" })
}

impl Commit {
    async fn keep(&self, tx: &mut Tx<'_>, counts: &Counts) -> Result<()> {
        const COUNTED: &str = "
            UPDATE reconcile_runs SET counts = ?2, reached_at = coalesce(?3, reached_at), updated_at = ?4
            WHERE id = ?1";
        const MOVED: &str = "UPDATE reconcile_runs SET step = ?2, cursor = ?3 WHERE id = ?1";
        // A map of numbers: there is nothing in it that JSON cannot hold.
        let counts = serde_json::to_string(counts).unwrap_or_default();
        let run = self.hold.run;
        let reached = self.reached.map(|at| at.0);
        let params = [run.into(), counts.as_str().into(), reached.into(), self.now.0.into()];
        tx.execute(COUNTED, &params).await?;
        if let Some((step, cursor)) = &self.place {
            tx.execute(MOVED, &[run.into(), (*step).into(), cursor.as_deref().into()]).await?;
        }
        Ok(())
    }
}
