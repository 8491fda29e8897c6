//! Judges at the end, when nobody edits any more and nothing goes wrong: what stands in both
//! systems, what the store has of it, and whether what the sync did it may have done.

use crate::setup::{Parts, Setting};
use crate::vendor::seen;
use crate::witness::{Suspect, Whose, Witness};
use crate::world::{Record, World};
use domain::sync::{Drift, OnDelete, Side};
use serde_json::Value as Json;
use state::sync::{EntryState, Half, Pair, PairState, ReviewState};
use std::collections::BTreeSet;

/// What is kept of values that lost.
#[derive(Default)]
struct Kept {
    /// By field.
    words: BTreeSet<(usize, String)>,
    /// By side and field, all that stood there.
    whole: BTreeSet<(usize, usize, BTreeSet<String>)>,
}

/// Every pair that the store has.
pub async fn pairs(parts: &Parts) -> Vec<Pair> {
    let known = parts.store.find_sync(crate::setup::SYNC).await.expect("the store reads");
    let Some(known) = known else { return Vec::new() };
    parts.store.pairs_after(known.id, 0, 1_000).await.expect("the store reads")
}

/// Says what is wrong, if anything is.
pub async fn judge(parts: &Parts, setting: &Setting) -> Result<(), String> {
    let pairs = pairs(parts).await;
    let kept = kept(parts, &pairs).await;
    let open = parts.store.reviews(None, Some(ReviewState::Open), None, 1_000).await;
    let open = open.expect("the store reads").len();
    let world = parts.shared.lock().expect("a world");
    if open > 0 {
        return Err(format!("{open} reviews are open still"));
    }
    for (whose, suspect) in &world.witness.suspects {
        if !is_excused(&world.witness, setting, &kept, (whose, suspect)) {
            return Err(format!("{whose:?}: {suspect:?}"));
        }
    }
    for pair in &pairs {
        same(&world, setting, pair)?;
        alone(&world, setting, pair)?;
    }
    missed(&world, &pairs)?;
    twice(&world)
}

async fn kept(parts: &Parts, pairs: &[Pair]) -> Kept {
    let mut kept = Kept::default();
    for pair in pairs {
        let journal = parts.store.journal_of_pair(pair.seq, None, 1_000).await;
        for logged in journal.expect("the store reads") {
            let before: Json = serde_json::from_slice(&logged.entry.before).unwrap_or_default();
            // Of one that failed nothing was overwritten.
            if logged.entry.kind != "conflict" || logged.entry.state == EntryState::Failed {
                continue;
            }
            for (key, value) in before.as_object().into_iter().flatten() {
                let Some(at) = parts.sync().map.keyed(key) else { continue };
                let words = words(value);
                kept.words.extend(words.iter().map(|word| (at, word.clone())));
                kept.whole.insert((logged.entry.side, at, words));
            }
        }
    }
    kept
}

fn words(value: &Json) -> BTreeSet<String> {
    match value {
        Json::String(text) => [text.clone()].into(),
        Json::Array(all) => all.iter().flat_map(words).collect(),
        _ => BTreeSet::new(),
    }
}

fn is_excused(
    witness: &Witness,
    setting: &Setting,
    kept: &Kept,
    (whose, suspect): (&Whose, &Suspect),
) -> bool {
    let by_word = witness.is_among(&witness.decided, whose);
    let is_mirror = |field: usize| {
        setting.rows[field].direction.within(setting.way).and_then(domain::sync::Direction::mirror)
            == Some(Side::ALL[whose.0])
    };
    let is_set = |field: usize| setting.rows[field].kind == Some(domain::sync::Kind::Tags);
    match suspect {
        Suspect::Lost { field, word } => {
            let is_kept = kept.words.contains(&(*field, word.clone()));
            is_kept || word.starts_with("typed")
        }
        Suspect::Back { field, over, .. } => {
            let is_kept = kept.whole.contains(&(whose.0, *field, over.clone()));
            // Of tags each side may put back what the other took off; and who edits on top of a
            // write of which nothing was heard, has a conflict with it. What it costs is kept;
            // of tags nothing is lost.
            let is_unheard = witness.is_among(&witness.doubtful, whose);
            let is_conflict = (is_set(*field) || is_unheard) && is_kept;
            let is_conflict = is_conflict || (is_set(*field) && is_unheard);
            is_mirror(*field) || is_conflict || by_word
        }
        Suspect::Deleted => {
            let others = witness.others(whose);
            let is_gone = others.iter().any(|other| witness.deleted.contains(other));
            let follows = setting.policy.on_deleted(Side::ALL[1 - whose.0]) == OnDelete::Delete;
            (is_gone && follows) || by_word
        }
        Suspect::DeletedEdit { field, word } => {
            let is_set_back = is_mirror(*field) && setting.policy.drift == Drift::SetBack;
            let is_kept = kept.words.contains(&(*field, word.clone()));
            is_set_back || is_kept || by_word
        }
        // Whether it was ever there, nobody can ask any more.
        Suspect::Risen { of } => {
            let made = witness.made_for.get(&(1 - whose.0, of.clone()));
            let mut made = made.into_iter().flatten().map(|id| (whose.0, id.clone()));
            by_word || made.any(|made| witness.doubtful.contains(&made))
        }
    }
}

/// The record of a side of a pair.
fn of<'a>(world: &'a World, pair: &Pair, side: usize) -> Option<&'a Record> {
    match &pair.halves[side] {
        Half::Present(copy) => world.systems[side].get(&copy.id),
        _ => None,
    }
}

/// Two that are tied hold the same.
fn same(world: &World, setting: &Setting, pair: &Pair) -> Result<(), String> {
    if pair.state != PairState::Linked {
        return Ok(());
    }
    let (Some(left), Some(right)) = (of(world, pair, 0), of(world, pair, 1)) else {
        return Ok(());
    };
    for (at, row) in setting.rows.iter().enumerate() {
        if left.cells[at] == right.cells[at] {
            continue;
        }
        let mirror = row.direction.within(setting.way).and_then(domain::sync::Direction::mirror);
        let is_left = mirror.is_some_and(|mirror| {
            let own = [left, right][mirror.index()];
            let master = [right, left][mirror.index()];
            let is_ours = world.witness.ours.contains(&((mirror.index(), own.id.clone()), at));
            let said = (mirror.other().index(), master.id.clone());
            // Somebody edited it there, or its master has never said anything.
            (!is_ours && (setting.policy.drift == Drift::Leave || master.cells[at].is_empty()))
                || !world.witness.said.contains(&(said, at))
        });
        if !is_left {
            let (left, right) = (left, right);
            return Err(format!(
                "at rest, but field {at} is {:?} in {} and {:?} in {}",
                left.cells[at], left.id, right.cells[at], right.id
            ));
        }
    }
    Ok(())
}

/// One who has no other yet gets one, where one may be made.
fn alone(world: &World, setting: &Setting, pair: &Pair) -> Result<(), String> {
    for side in [0, 1] {
        let other = &pair.halves[1 - side];
        if pair.state != PairState::Open || !matches!(other, Half::Never) {
            continue;
        }
        let Some(record) = of(world, pair, side) else { continue };
        let goes = |at: &usize| {
            let direction = setting.rows[*at].direction.within(setting.way);
            direction.is_some_and(|direction| direction.goes_to(Side::ALL[1 - side]))
        };
        let says = (0..record.cells.len()).filter(goes).any(|at| !record.cells[at].is_empty());
        if says && setting.policy.creates[1 - side] {
            return Err(format!("at rest, but nobody was made for {}", record.id));
        }
    }
    Ok(())
}

/// What the store has is what there is.
fn missed(world: &World, pairs: &[Pair]) -> Result<(), String> {
    for side in [0, 1] {
        for record in world.systems[side].live() {
            let copy = pairs.iter().find_map(|pair| match &pair.halves[side] {
                Half::Present(copy) if copy.id == record.id => Some(copy),
                _ => None,
            });
            let version = copy.map(|copy| copy.version.clone());
            let system = &world.systems[side];
            let is_known = match system.version(record) {
                Some(own) => version == Some(Some(own)),
                // By what it holds.
                None => copy.is_some_and(|copy| holds(world, side, record, &copy.fields)),
            };
            if !is_known {
                let known = version.flatten().unwrap_or("nothing, or another".to_owned());
                return Err(format!(
                    "missed: {} is at v{}, and the store knows {known}",
                    record.id, record.version
                ));
            }
        }
        for pair in pairs {
            if let Half::Present(copy) = &pair.halves[side]
                && of(world, pair, side).is_none_or(|record| !record.is_live())
            {
                return Err(format!("missed: {} is gone, and the store has it", copy.id));
            }
        }
    }
    Ok(())
}

/// Does the copy hold what the record does?
fn holds(world: &World, side: usize, record: &Record, copy: &[u8]) -> bool {
    let copy: kit::Fields = serde_json::from_slice(copy).unwrap_or_default();
    let now = seen(&world.systems[side], record, &world.cells).fields;
    let is_held = |(name, value): (&String, &Json)| now.get(name).is_none_or(|now| now == value);
    copy.iter().all(is_held)
}

/// Nobody was made more than once.
fn twice(world: &World) -> Result<(), String> {
    for ((of, id), made) in &world.witness.made_for {
        let side = 1 - of;
        // Who was gone and has come back may be somebody else by now, if a person says so.
        if world.witness.gone.contains(&(*of, id.clone())) {
            continue;
        }
        let is_live = |id: &&String| {
            let is_own = !world.witness.gone.contains(&(side, (*id).clone()));
            is_own && world.systems[side].get(id).is_some_and(Record::is_live)
        };
        let live: Vec<&String> = made.iter().filter(is_live).collect();
        if live.len() > 1 {
            return Err(format!("made twice for {id}: {live:?}"));
        }
    }
    Ok(())
}
