//! Who a key leads to: on the call's path.

use super::{Entry, Key, hash_of};
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{ContactRow, decode};
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::{Contact, Timestamp};
use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

impl Store {
    /// The contacts of a connection under any of the keys, at most 50 for
    /// each key (those known longest), in the order of their first appearance.
    /// Without [`Entry::last_call_at`].
    pub fn find<'a>(&'a self, connection: &'a str, keys: &'a [Key]) -> Boxed<'a, Vec<Entry>> {
        let ring = self.keys();
        let [key] = keys else { return Box::pin(self.read_entries(ring, connection, keys, false)) };
        let Some(recent) = self.recent() else {
            return Box::pin(self.read_entries(ring, connection, keys, false));
        };
        let hash = hash_of(&ring, connection, key);
        if let Some(known) = recent.get(connection, &hash) {
            return Box::pin(ready(Ok(known.to_vec())));
        }
        Box::pin(async move {
            let stamp = recent.stamp(&hash);
            let entries = self.read_entries(ring, connection, keys, false).await?;
            recent.keep(connection, &hash, stamp, &entries);
            Ok(entries)
        })
    }

    /// The same with [`Entry::last_call_at`], which costs a read each time.
    pub fn find_with_last_calls<'a>(
        &'a self,
        connection: &'a str,
        keys: &'a [Key],
    ) -> Boxed<'a, Vec<Entry>> {
        Box::pin(self.read_entries(self.keys(), connection, keys, true))
    }

    async fn read_entries(
        &self,
        ring: Arc<Keyring>,
        connection: &str,
        keys: &[Key],
        with_last_calls: bool,
    ) -> Result<Vec<Entry>> {
        let hashes = keys.iter().map(|key| hash_of(&ring, connection, key)).collect();
        let rows = self.read(&Find { connection, keys, hashes, with_last_calls }).await?;
        self.unseal(|ring| entries(ring, keys, &rows)).await
    }
}

struct Find<'a> {
    connection: &'a str,
    keys: &'a [Key],
    hashes: Vec<Hash>,
    with_last_calls: bool,
}

impl Work for Find<'_> {
    type Output = Vec<Found>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const BY_KEY: &str = "
            SELECT contacts.id, contacts.record, contacts.sealed, contacts.as_of, contacts.pushed,
                contact_keys.asked_at
            FROM contact_keys
            JOIN contacts ON contacts.id = contact_keys.contact
            WHERE contact_keys.connection = ?1 AND contact_keys.hash = ?2 AND contact_keys.gone_at IS NULL
            ORDER BY contact_keys.contact LIMIT 50";
        const BY_RECORD: &str = "
            SELECT id, record, sealed, as_of, pushed, as_of FROM contacts
            WHERE connection = ?1 AND record = ?2";
        const LAST_CALL: &str = "SELECT last_call_at FROM interactions WHERE subject = ?1";
        let mut found = Vec::new();
        for (at, (key, hash)) in self.keys.iter().zip(&self.hashes).enumerate() {
            let is_whole = matches!(key, Key::Record(_) | Key::Account(_));
            let sql = if is_whole { BY_RECORD } else { BY_KEY };
            let rows = tx.rows(sql, &[self.connection.into(), hash.into()]).await?;
            for row in rows {
                let last_call_at = match self.with_last_calls {
                    true => tx.row(LAST_CALL, &[row.blob(1)?.into()]).await?,
                    false => None,
                };
                let last_call_at = last_call_at.map(|row| row.int(0)).transpose()?.map(Timestamp);
                found.push(Found { key: at, row, last_call_at });
            }
        }
        Ok(found)
    }
}

/// A contact that a key leads to.
struct Found {
    /// The key's position among those asked for.
    key: usize,
    row: Row,
    last_call_at: Option<Timestamp>,
}

fn entries(ring: &Keyring, keys: &[Key], found: &[Found]) -> Result<Vec<Entry>> {
    let mut places: HashMap<i64, usize> = HashMap::with_capacity(found.len());
    let mut entries: Vec<Entry> = Vec::with_capacity(found.len());
    for Found { key, row, last_call_at } in found {
        let id = row.int(0)?;
        let asked_at = row.opt_int(5)?.map(Timestamp);
        if let Some(&place) = places.get(&id) {
            let entry = &mut entries[place];
            entry.matched.push(keys[*key].clone());
            entry.asked_at = entry.asked_at.min(asked_at);
            continue;
        }
        let plain = ring.open("contacts.sealed", row.blob(1)?, row.blob(2)?)?;
        let mut contact = Contact::from(decode::<ContactRow>(&plain)?);
        contact.last_call_at = *last_call_at;
        places.insert(id, entries.len());
        entries.push(Entry {
            contact,
            as_of: Timestamp(row.int(3)?),
            asked_at,
            pushed: row.opt_hash(4)?,
            last_call_at: *last_call_at,
            matched: vec![keys[*key].clone()],
        });
    }
    Ok(entries)
}
