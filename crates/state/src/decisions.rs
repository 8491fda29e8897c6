//! What was decided for calls: where each was sent, by which line, and what was seen.
//!
//! [`Store::record_decision`] is on a call's path: one insert, which shares its commit with
//! whatever else is waiting, and nothing is read before it. What was seen of a person is
//! sealed and goes with the call (`retention.calls`) or with the person, whichever is
//! first; of somebody who was erased only that it was decided is kept.

mod read;

pub use read::{DecisionPage, Place, Shadowed};

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use crate::subject::{Erased, Name, Record};
use domain::{CallId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A decision as it was answered.
#[derive(Clone)]
pub struct NewDecision {
    pub call: CallId,
    /// The DID or the IVR option whose chain was asked: `did:+1555…`, `ivr:Main menu/1`.
    pub entry: String,
    pub at: Timestamp,
    /// The set in force; 0 where there was none.
    pub set_revision: u64,
    /// The rule that matched; `None`: none did.
    pub rule: Option<String>,
    /// Its line, counted from 1.
    pub line: Option<u32>,
    /// Empty where there was none.
    pub destination: String,
    /// `matched`, `default`, `degraded`, …
    pub status: &'static str,
    pub took_us: u64,
    /// Where the draft would have sent it, where that differs.
    pub shadow: Option<String>,
    /// The caller's, E.164. Hashed and sealed.
    pub number: Option<String>,
    /// The connection that was asked who calls.
    pub connection: Option<String>,
    /// Whose values were seen. Hashed and sealed.
    pub records: Vec<Record>,
    /// What was seen and why it led there, as JSON. Sealed.
    pub details: Vec<u8>,
}

/// A decision as it is kept. Of somebody who was erased before it there are no number, no
/// records and no details.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    pub call: CallId,
    pub entry: String,
    pub at: Timestamp,
    pub set_revision: u64,
    pub rule: Option<String>,
    pub line: Option<u32>,
    pub destination: String,
    pub status: String,
    pub took_us: u64,
    pub shadow: Option<String>,
    pub number: Option<String>,
    pub connection: Option<String>,
    pub records: Vec<Record>,
    pub details: Vec<u8>,
}

macro_rules! debug {
    ($($decision:ident)*) => {$(
        impl fmt::Debug for $decision {
            /// Where it went, never who called or what was seen (invariant 9).
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($decision))
                    .field("call", &self.call)
                    .field("entry", &self.entry)
                    .field("at", &self.at)
                    .field("set_revision", &self.set_revision)
                    .field("rule", &self.rule)
                    .field("line", &self.line)
                    .field("destination", &self.destination)
                    .field("status", &self.status)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug!(NewDecision Decision);

impl Store {
    /// Keeps a decision; the same call at the same entry and time twice is one.
    pub fn record_decision(&self, new: NewDecision) -> Boxed<'_, ()> {
        Box::pin(async move {
            let new = if self.is_of_erased(&new) { anonymous(new) } else { new };
            self.write(Insert::seal(&self.keys(), new)?).await
        })
    }

    /// From memory: what another node has erased a moment ago is removed by the second
    /// sweep of the erasure.
    fn is_of_erased(&self, new: &NewDecision) -> bool {
        let number = new.number.as_deref().map(Name::Phone);
        let records = new.records.iter().flat_map(names);
        let mut all = number.into_iter().chain(records);
        let is_erased = all.any(|name| self.erased(name) == Erased::Yes);
        is_erased || self.names_erased(&new.details)
    }
}

fn anonymous(new: NewDecision) -> NewDecision {
    NewDecision { number: None, records: Vec::new(), details: Vec::new(), ..new }
}

/// A record beside a CRM is known as an account as well.
fn names(of: &Record) -> [Name<'_>; 2] {
    let Record { connection, record } = of;
    [Name::Record { connection, record }, of.account()]
}

/// The head of what is sealed; the details follow it after a line's end, which no JSON
/// of ours holds.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Who {
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// Connections and records.
    #[serde(rename = "r", skip_serializing_if = "Vec::is_empty")]
    records: Vec<(String, String)>,
}

/// What a decision is sealed to.
pub(crate) fn place(call: &str, at: i64, entry: &str) -> Vec<u8> {
    // Neither an id of a call nor a number has a space in it.
    format!("{call} {at} {entry}").into_bytes()
}

/// The place of a row as [`COLUMNS`] has it.
fn place_of(row: &Row) -> Result<Vec<u8>> {
    Ok(place(row.text(1)?, row.int(3)?, row.text(2)?))
}

/// As [`opened`] takes them.
pub(crate) const COLUMNS: &str = "seq, call, entry, at, number, records, sealed, set_revision, \
    rule, line, destination, status, took_us, shadow, connection";

/// What is sealed of a row: who it was about, and the details.
fn unsealed(keys: &Keyring, row: &Row) -> Result<(Who, Vec<u8>)> {
    const ODD: Error = Error::Corrupt { what: "a decision" };
    let mut plain = keys.open("decisions.sealed", &place_of(row)?, row.blob(6)?)?;
    let end = plain.iter().position(|byte| *byte == b'\n').ok_or(ODD)?;
    let details = plain.split_off(end + 1);
    Ok((decode(&plain)?, details))
}

/// What the engine wrote, for whoever looks for a person in it.
pub(crate) fn details_of(keys: &Keyring, row: &Row) -> Result<Vec<u8>> {
    unsealed(keys, row).map(|(_, details)| details)
}

pub(crate) fn opened(keys: &Keyring, row: &Row) -> Result<Decision> {
    const ODD: Error = Error::Corrupt { what: "a decision" };
    let text = |at: usize| row.opt_text(at).map(|text| text.map(str::to_owned));
    let (Who { number, records }, details) = unsealed(keys, row)?;
    let records = records.into_iter().map(|(connection, record)| Record { connection, record });
    Ok(Decision {
        call: CallId::new(row.text(1)?).ok_or(ODD)?,
        entry: row.text(2)?.to_owned(),
        at: Timestamp(row.int(3)?),
        set_revision: row.int(7)?.unsigned_abs(),
        rule: text(8)?,
        line: row.opt_int(9)?.and_then(|line| u32::try_from(line).ok()),
        destination: row.text(10)?.to_owned(),
        status: row.text(11)?.to_owned(),
        took_us: row.int(12)?.unsigned_abs(),
        shadow: text(13)?,
        number,
        connection: text(14)?,
        records: records.collect(),
        details,
    })
}

/// A decision ready to be stored.
struct Insert {
    new: NewDecision,
    number: Option<Hash>,
    records: Vec<u8>,
    sealed: Vec<u8>,
}

impl Insert {
    fn seal(keys: &Keyring, new: NewDecision) -> Result<Self> {
        let mut new = new;
        let number = new.number.take();
        let hash = number.as_deref().map(|number| Name::Phone(number).hash(keys));
        let records = std::mem::take(&mut new.records);
        let hashes = records.iter().flat_map(names).flat_map(|name| name.hash(keys)).collect();
        let records = records.into_iter().map(|one| (one.connection, one.record)).collect();
        let mut plain = encode(&Who { number, records })?;
        plain.push(b'\n');
        plain.append(&mut new.details);
        let place = place(new.call.as_str(), new.at.0, &new.entry);
        let sealed = keys.seal("decisions.sealed", &place, plain)?;
        Ok(Self { number: hash, records: hashes, sealed, new })
    }
}

impl Work for Insert {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            INSERT INTO decisions (call, entry, at, set_revision, rule, line, destination, status,
                took_us, shadow, connection, number, records, sealed)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
            ON CONFLICT (call, entry, at) DO NOTHING";
        tx.touched = Touched::Nothing;
        let new = &self.new;
        let params = [
            new.call.as_str().into(),
            new.entry.as_str().into(),
            new.at.0.into(),
            i64::try_from(new.set_revision).unwrap_or(i64::MAX).into(),
            new.rule.as_deref().into(),
            new.line.map(i64::from).into(),
            new.destination.as_str().into(),
            new.status.into(),
            i64::try_from(new.took_us).unwrap_or(i64::MAX).into(),
            new.shadow.as_deref().into(),
            new.connection.as_deref().into(),
            self.number.as_ref().into(),
            self.records[..].into(),
            self.sealed[..].into(),
        ];
        crash::point("decision.insert");
        tx.execute(SQL, &params).await?;
        crash::point("decision.inserted");
        Ok(())
    }
}
