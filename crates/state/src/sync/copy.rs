//! What is kept of a pair: a copy of each side's record and what both agreed on last, in
//! three cells, each sealed to its place.
//!
//! A cell is `length of the head u32 | head, JSON | the fields as the engine wrote them`.

use super::{SIDES, review::Review};
use crate::calls::record_hash;
use crate::error::{Error, Result};
use crate::keys::{Hash, Keyring, hex};
use crate::rows::{decode, encode};
use crate::sql::Row;
use crate::subject::Name;
use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// A record as its system had it when it was last seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Copy {
    pub id: String,
    pub version: Option<String>,
    pub modified: Option<Timestamp>,
    pub modified_by: Option<String>,
    /// Its mapped fields, in the engine's own form: the same values are the same bytes.
    pub fields: Vec<u8>,
}

/// One side of a pair.
#[derive(Clone, PartialEq, Eq)]
pub enum Half {
    /// No record of it was ever seen.
    Never,
    Present(Copy),
    /// It was there, and was deleted; `into`: was merged into that one.
    Gone {
        id: String,
        into: Option<String>,
    },
}

impl Half {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Never => None,
            Self::Present(copy) => Some(&copy.id),
            Self::Gone { id, .. } => Some(id),
        }
    }
}

/// What a record is matched by. Every number and e-mail that is to be kept from coming
/// back with an erased person has to be among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub kind: u8,
    /// Canonical: lower case, E.164.
    pub text: String,
}

impl Key {
    pub const EXTERNAL_ID: u8 = 0;
    pub const EMAIL: u8 = 1;
    pub const PHONE: u8 = 2;
    pub const NAME: u8 = 3;

    /// Numbers and e-mails as the directory knows them, so that one hash finds a person in
    /// both.
    pub(super) fn hash(&self, keys: &Keyring) -> Hash {
        match self.kind {
            Self::EMAIL => Name::Email(&self.text).hash(keys),
            Self::PHONE => Name::Phone(&self.text).hash(keys),
            kind => keys.hash("sync key", &[&kind.to_string(), &self.text]),
        }
    }

    /// Whether a person is known by it elsewhere as well.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Self::EMAIL | Self::PHONE)
    }
}

/// Where a pair stands.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq)]
pub enum PairState {
    /// One side alone, so far.
    Open,
    /// Both sides are tied.
    Linked,
    /// Until a person decides, or a side changes.
    Held,
    /// A side is gone and nothing follows from that: nothing rises again by itself.
    Buried,
    /// Of an erased person: nothing is kept but hashes, and nothing follows from it.
    Erased,
}

impl PairState {
    const ALL: [Self; 5] = [Self::Open, Self::Linked, Self::Held, Self::Buried, Self::Erased];

    pub(super) fn number(self) -> i64 {
        self as i64
    }

    pub(super) fn parse(number: i64) -> Result<Self> {
        let state = Self::ALL.into_iter().find(|state| state.number() == number);
        state.ok_or(Error::Corrupt { what: "a pair's state" })
    }

    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Linked => "linked",
            Self::Held => "held",
            Self::Buried => "buried",
            Self::Erased => "erased",
        }
    }
}

/// A pair as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub seq: i64,
    pub sync: i64,
    /// By which it shows whether it changed since it was read.
    pub turn: i64,
    /// Left and right.
    pub halves: [Half; 2],
    /// What both agreed on last, in the engine's own form.
    pub base: Option<Vec<u8>>,
    pub state: PairState,
    pub is_waiting: bool,
    pub tries: u32,
    /// Class of the last failure.
    pub failure: Option<String>,
    pub is_dead: bool,
    /// Of each side: it was told of with other values than our own last write has left, which
    /// was not told back yet, or merely not told of any more. A list that is behind may be the
    /// reason: the record is to be read.
    pub is_unsure: [bool; 2],
    /// What a person has decided about it, oldest first. Only of pairs that wait.
    pub decisions: Vec<Review>,
}

/// The head of a cell.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    modified: Option<i64>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    modified_by: Option<String>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    into: Option<String>,
}

pub(super) const NEVER: i64 = 0;
pub(super) const PRESENT: i64 = 1;
pub(super) const GONE: i64 = 2;

const CELLS: [&str; 2] = ["sync_pairs.left_copy", "sync_pairs.right_copy"];
const BASE: &str = "sync_pairs.base";
const ODD: Error = Error::Corrupt { what: "a copy's form" };

/// What a copy is sealed to.
pub(crate) fn place(sync: i64, side: usize, record: &Hash) -> Vec<u8> {
    [&sync.to_le_bytes()[..], SIDES[side & 1].as_bytes(), record].concat()
}

/// What the agreed values are sealed to.
pub(crate) fn base_place(sync: i64, seq: i64) -> Vec<u8> {
    [sync.to_le_bytes(), seq.to_le_bytes()].concat()
}

pub(super) fn seal_base(keys: &Keyring, sync: i64, seq: i64, base: &[u8]) -> Result<Vec<u8>> {
    keys.seal(BASE, &base_place(sync, seq), base.to_vec())
}

/// Whose records of a side are sealed and hashed.
#[derive(Clone, std::marker::Copy)]
pub(super) struct Whose<'a> {
    pub(super) keys: &'a Keyring,
    pub(super) sync: i64,
    pub(super) side: usize,
    pub(super) connection: &'a str,
}

/// One side ready to be stored.
pub(super) struct SealedHalf {
    pub(super) record: Hash,
    /// [`PRESENT`] or [`GONE`].
    pub(super) half: i64,
    pub(super) digest: Option<Hash>,
    /// `None` where its system tells no time.
    pub(super) revision: Option<Hash>,
    pub(super) modified: Option<i64>,
    pub(super) cell: Vec<u8>,
}

impl Whose<'_> {
    pub(super) fn record(&self, id: &str) -> Hash {
        record_hash(self.keys, self.connection, id)
    }

    pub(super) fn copy(&self, copy: &Copy) -> Result<SealedHalf> {
        let head = Head {
            id: copy.id.clone(),
            version: copy.version.clone(),
            modified: copy.modified.map(|at| at.0),
            modified_by: copy.modified_by.clone(),
            into: None,
        };
        let record = self.record(&copy.id);
        let digest = self.keys.hash("sync copy", &[&String::from_utf8_lossy(&copy.fields)]);
        let cell = self.seal(&record, &head, &copy.fields)?;
        let modified = copy.modified.map(|at| at.0);
        let revision = self.revision(copy, &digest);
        Ok(SealedHalf { record, half: PRESENT, digest: Some(digest), revision, modified, cell })
    }

    pub(super) fn gone(&self, id: &str, into: Option<&str>) -> Result<SealedHalf> {
        let into = into.map(str::to_owned);
        let head =
            Head { id: id.to_owned(), version: None, modified: None, modified_by: None, into };
        let record = self.record(id);
        let cell = self.seal(&record, &head, &[])?;
        Ok(SealedHalf { record, half: GONE, digest: None, revision: None, modified: None, cell })
    }

    fn revision(&self, copy: &Copy, digest: &Hash) -> Option<Hash> {
        // A version alone may come back with the values that it stands for.
        let modified = copy.modified?.0.to_string();
        let version = copy.version.as_deref().unwrap_or_default();
        Some(self.keys.hash("sync revision", &[version, &modified, &hex(digest)]))
    }

    /// `None`: never.
    pub(super) fn half(&self, half: &Half) -> Result<Option<SealedHalf>> {
        match half {
            Half::Never => Ok(None),
            Half::Present(copy) => self.copy(copy).map(Some),
            Half::Gone { id, into } => self.gone(id, into.as_deref()).map(Some),
        }
    }

    fn seal(&self, record: &Hash, head: &Head, fields: &[u8]) -> Result<Vec<u8>> {
        let head = encode(head)?;
        let length = u32::try_from(head.len()).map_err(|_| ODD)?;
        let plain = [&length.to_le_bytes(), &head[..], fields].concat();
        self.keys.seal(CELLS[self.side], &place(self.sync, self.side, record), plain)
    }

    /// One side, and whether its cell holds a record's fields.
    pub(super) fn open(&self, half: i64, record: &Hash, cell: &[u8]) -> Result<(Half, bool)> {
        let plain = self.keys.open(CELLS[self.side], &place(self.sync, self.side, record), cell)?;
        let (length, rest) = plain.split_first_chunk::<4>().ok_or(ODD)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| ODD)?;
        let (head, fields) = rest.split_at_checked(length).ok_or(ODD)?;
        let head: Head = decode(head)?;
        let half = match half {
            PRESENT => Half::Present(Copy {
                id: head.id,
                version: head.version,
                modified: head.modified.map(Timestamp),
                modified_by: head.modified_by,
                fields: fields.to_vec(),
            }),
            _ => Half::Gone { id: head.id, into: head.into },
        };
        Ok((half, !fields.is_empty()))
    }
}

/// In the order that [`opened`] reads.
macro_rules! pair_columns {
    ($after:literal) => {
        concat!(
            "SELECT seq, sync, turn, state, waits, tries, failure, is_dead, reviews, base, left_half, ",
            "left_record, left_copy, right_half, right_record, right_copy, ",
            "CAST(CASE WHEN left_replaced IS NULL OR left_revision IS NULL THEN 0 ELSE 1 END AS BIGINT), ",
            "CAST(CASE WHEN right_replaced IS NULL OR right_revision IS NULL THEN 0 ELSE 1 END AS BIGINT) ",
            "FROM sync_pairs ",
            $after
        )
    };
}
pub(super) use pair_columns;

/// A pair of [`pair_columns`], without what was decided about it.
pub(super) fn opened(keys: &Keyring, row: &Row) -> Result<Pair> {
    let (seq, sync) = (row.int(0)?, row.int(1)?);
    let half = |side: usize| -> Result<(Half, bool)> {
        let at = 10 + 3 * side;
        let (half, record, cell) = (row.int(at)?, row.opt_hash(at + 1)?, row.opt_blob(at + 2)?);
        let is_behind = row.int(16 + side)? != 0;
        match (half, record, cell) {
            (PRESENT | GONE, Some(record), Some(cell)) => {
                let whose = Whose { keys, sync, side, connection: "" };
                let (half, is_whole) = whose.open(half, &record, cell)?;
                // Of a record that was told of as gone no more than its id is kept.
                let is_missed = is_whole && matches!(half, Half::Gone { .. });
                Ok((half, is_behind || is_missed))
            }
            _ => Ok((Half::Never, false)),
        }
    };
    let [(left, left_unsure), (right, right_unsure)] = [half(0)?, half(1)?];
    let base = row.opt_blob(9)?;
    Ok(Pair {
        seq,
        sync,
        turn: row.int(2)?,
        halves: [left, right],
        base: base.map(|cell| keys.open(BASE, &base_place(sync, seq), cell)).transpose()?,
        state: PairState::parse(row.int(3)?)?,
        is_waiting: row.int(4)? != 0,
        tries: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
        failure: row.opt_text(6)?.map(str::to_owned),
        is_dead: row.int(7)? != 0,
        is_unsure: [left_unsure, right_unsure],
        decisions: Vec::new(),
    })
}
