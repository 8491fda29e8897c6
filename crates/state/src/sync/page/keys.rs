//! What a record is matched by, as keyed hashes: one row each, and all of them beside the
//! record, so that those it no longer has are found.

use crate::error::{Error, Result};
use crate::keys::Hash;
use crate::sql::Tx;
use crate::sync::copy::{Key, Whose};

/// What a record is matched by, sorted, and what its person is known by.
pub(in crate::sync) fn hashes(
    whose: Whose<'_>,
    record: &Hash,
    keys: &[Key],
) -> (Vec<Hash>, Vec<Hash>) {
    let named = keys.iter().filter(|key| key.is_name()).map(|key| key.hash(whose.keys));
    let names = std::iter::once(*record).chain(named).collect();
    let mut keys: Vec<Hash> = keys.iter().map(|key| key.hash(whose.keys)).collect();
    keys.sort_unstable();
    keys.dedup();
    (keys, names)
}

/// Hashes that lie one behind the other.
pub(in crate::sync) fn split(keys: Option<&[u8]>) -> Result<Vec<Hash>> {
    let (hashes, rest) = keys.unwrap_or_default().as_chunks::<16>();
    if rest.is_empty() {
        Ok(hashes.to_vec())
    } else {
        Err(Error::Corrupt { what: "a record's keys" })
    }
}

/// Sync, side and pair.
pub(in crate::sync) type KeyPlace = (i64, usize, i64);

/// Makes a record found by these keys, those it has already apart.
pub(in crate::sync) async fn add_keys(
    tx: &mut Tx<'_>,
    (sync, side, pair): KeyPlace,
    keys: &[Hash],
    known: &[Hash],
) -> Result<()> {
    // Several at once: a statement is a way to the server and back.
    const ONE: &str = "
        INSERT INTO sync_keys (hash, sync, side, pair) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    const TWO: &str = "
        INSERT INTO sync_keys (hash, sync, side, pair) VALUES (?1, ?2, ?3, ?4), (?5, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING";
    const THREE: &str = "
        INSERT INTO sync_keys (hash, sync, side, pair)
        VALUES (?1, ?2, ?3, ?4), (?5, ?2, ?3, ?4), (?6, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let (sync, side, pair) = (sync.into(), i64::from(side == 1).into(), pair.into());
    let new: Vec<&Hash> = keys.iter().filter(|key| !known.contains(key)).collect();
    for part in new.chunks(3) {
        match part {
            [one] => tx.execute(ONE, &[(*one).into(), sync, side, pair]).await?,
            [one, two] => {
                tx.execute(TWO, &[(*one).into(), sync, side, pair, (*two).into()]).await?
            }
            [one, two, three, ..] => {
                let params = [(*one).into(), sync, side, pair, (*two).into(), (*three).into()];
                tx.execute(THREE, &params).await?
            }
            [] => 0,
        };
    }
    Ok(())
}

/// The record is no longer found by these keys, those it still has apart.
pub(in crate::sync) async fn drop_keys(
    tx: &mut Tx<'_>,
    (sync, side, pair): KeyPlace,
    keys: &[Hash],
    kept: &[Hash],
) -> Result<()> {
    const SQL: &str =
        "DELETE FROM sync_keys WHERE hash = ?1 AND sync = ?2 AND side = ?3 AND pair = ?4";
    for key in keys.iter().filter(|key| !kept.contains(key)) {
        let side = i64::from(side == 1);
        tx.execute(SQL, &[key.into(), sync.into(), side.into(), pair.into()]).await?;
    }
    Ok(())
}
