//! Records that come back: from the bin, after somebody else was made for their other.
//!
//! What was made for such a record is known by its key. Making it once more would set the old
//! values over what people have edited since, so a person is asked whether they are one; and
//! are they not, the key is looked for first.

use super::doubt;
use super::review;
use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use domain::sync::Side;
use domain::sync::matching::KeyKind;
use std::collections::{BTreeMap, HashSet};

/// Holds back whoever has nobody yet and was part of another pair before.
pub(super) async fn hold_back(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let mut taken: HashSet<(Side, String)> = HashSet::new();
    for &side in Side::ALL {
        let mut ids: BTreeMap<usize, String> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            if matches!(item.fate, Fate::Open) && item.lonely() == Some(side) {
                ids.extend(item.copy(side).map(|copy| (at, copy.id.clone())));
            }
        }
        let asked: Vec<String> = ids.values().cloned().collect();
        let before = worker.pairs_before(side, &asked).await?;
        for (at, pair) in ids.into_keys().zip(before) {
            let item = &mut items[at];
            let Some(pair) = pair.filter(|pair| *pair != item.pair.seq) else { continue };
            if !review::parted(&item.pair.decisions).contains(&pair) {
                item.fate = Fate::Duplicate { of: pair, by: KeyKind::ExternalId };
                continue;
            }
            doubt::look_for(worker, item, side.other(), &mut taken).await?;
            item.read(&worker.sync);
        }
    }
    Ok(())
}
