//! Who was found a moment ago, so that the next question for the same caller (a
//! transfer, a retry, the widget) costs no read, no decryption and no decoding.
//!
//! Only where one process owns the store, for it learns of every change here: each
//! commit names the keys whose people it may have changed, before anybody is told
//! of it, and what was kept for them is no longer used. In memory, bounded.

use super::Entry;
use crate::keys::Hash;
use crate::sql::Touched;
use domain::{Contact, Value};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is kept, in bytes, roughly: some twenty thousand people.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
const PEOPLE_EXPECTED: usize = 4_096;
/// Keys that share a version: a change of one makes the others be read again.
const SHARDS: usize = 4_096;

/// The versions under which a key's people were read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u32, u32);

pub(crate) struct Recent {
    kept: Cache<Place, Kept, Bytes>,
    versions: Box<[AtomicU32]>,
    /// Of every key at once.
    version_of_all: AtomicU32,
}

/// A connection's key. Records and other keys have hashes of their own.
type Place = (Box<str>, Hash);

#[derive(Clone)]
struct Kept {
    stamp: Stamp,
    entries: Arc<Vec<Entry>>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Place, Kept> for Bytes {
    fn weight(&self, place: &Place, kept: &Kept) -> u64 {
        let entries = kept.entries.iter().map(|entry| bytes(&entry.contact) + 200);
        (place.0.len() + 100 + entries.sum::<usize>()) as u64
    }
}

/// What a contact takes, roughly.
fn bytes(contact: &Contact) -> usize {
    let texts = [Some(&contact.name), contact.email.as_ref(), contact.url.as_ref()];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    let data = contact.data.iter().map(|(name, value)| match value {
        Value::Text(text) => 100 + name.len() + text.len(),
        Value::List(items) => 100 + name.len() + 50 * items.len(),
        _ => 100 + name.len(),
    });
    size_of::<Contact>() + texts + 50 * contact.phones.len() + data.sum::<usize>()
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            kept: Cache::with_weighter(PEOPLE_EXPECTED, KEPT_BYTES, Bytes),
            versions: (0..SHARDS).map(|_| AtomicU32::new(0)).collect(),
            version_of_all: AtomicU32::new(0),
        }
    }
}

impl Recent {
    /// To be taken before the read whose result is to be kept.
    pub(crate) fn stamp(&self, key: &Hash) -> Stamp {
        Stamp(
            self.version(key).load(Ordering::Acquire),
            self.version_of_all.load(Ordering::Acquire),
        )
    }

    pub(super) fn get(&self, connection: &str, key: &Hash) -> Option<Arc<Vec<Entry>>> {
        let kept = self.kept.get(&(connection.into(), *key))?;
        (kept.stamp == self.stamp(key)).then_some(kept.entries)
    }

    pub(super) fn keep(&self, connection: &str, key: &Hash, stamp: Stamp, entries: &[Entry]) {
        let entries = Arc::new(entries.to_vec());
        self.kept.insert((connection.into(), *key), Kept { stamp, entries });
    }

    /// What a commit has changed is read anew. Called before the commit is answered.
    pub(crate) fn forget(&self, touched: &Touched) {
        match touched {
            Touched::Nothing => {}
            Touched::Keys(keys) => {
                for key in keys {
                    self.version(key).fetch_add(1, Ordering::AcqRel);
                }
            }
            Touched::Everything => {
                self.version_of_all.fetch_add(1, Ordering::AcqRel);
                self.kept.clear();
            }
        }
    }

    fn version(&self, key: &Hash) -> &AtomicU32 {
        &self.versions[usize::from(u16::from_le_bytes([key[0], key[1]])) % SHARDS]
    }
}
