//! A run of contact sync that is killed anywhere goes on where it was: after it has been
//! begun again, the other system is what it would have been.
//!
//! The right system is a folder with a file per record. What is written there is keyed, so
//! that repeating it has no second effect, as the run's own rules demand (invariant 3).

use super::{FOLDER, Folder, acknowledged, act, open, run_child_of, said};
use domain::Timestamp;
use state::Store;
use state::crash::POINTS;
use state::subject::{Identifiers, Record};
use state::sync::{
    Arrival, Begun, Copy, Counts, Entry, EntryState, Failure, Half, Hold, Key, NewReview, NewRun,
    Outcome, Page, Paged, Pair, PairState, Redrive, ReviewState, RunKind, RunState, Settled, Sync,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const LEFT: usize = 0;
const RIGHT: usize = 1;
const NOW: Timestamp = Timestamp(1_000);

/// Whether a point is passed here.
pub(super) fn meets(point: &str) -> bool {
    point.starts_with("sync.") || ["sweep.syncs", "sweep.reviews"].contains(&point)
}

fn copy(id: &str, fields: &str) -> Copy {
    let fields = fields.as_bytes().to_vec();
    Copy { id: id.to_owned(), version: None, modified: None, modified_by: None, fields }
}

fn saved(number: usize, fields: &str) -> Arrival {
    let keys = vec![Key { kind: Key::EMAIL, text: format!("{number}@example.com") }];
    Arrival::Saved { copy: copy(&format!("L{number}"), fields), keys, may_enter: true }
}

/// What the left system says: pages, whether one begins anew, whether one ends a pass.
fn feed() -> Vec<(Vec<Arrival>, bool, bool)> {
    let all = |numbers: &[usize]| numbers.iter().map(|number| saved(*number, "first")).collect();
    let gone = Arrival::Gone { id: "L2".to_owned(), into: None };
    vec![
        (all(&[1, 2, 3, 4, 5, 6]), false, false),
        (vec![saved(1, "second"), gone], false, false),
        (all(&[7, 8, 9, 10, 11, 12, 13]), false, false),
        (
            vec![saved(1, "second"), saved(3, "third"), saved(4, "first"), saved(6, "first")],
            true,
            false,
        ),
        (all(&[7, 8, 9, 10, 11, 12, 13]), false, true), // never 5
    ]
}

/// What the right system holds in the end. The sixth person is erased, here alone.
fn expected() -> BTreeMap<String, String> {
    let first = [4, 6, 7, 8, 9, 10, 11, 12].map(|number| (format!("R{number}"), "first"));
    let others = [("R1", "second"), ("R3", "third"), ("Rx13", "first")];
    let others = others.map(|(name, fields)| (name.to_owned(), fields));
    first.into_iter().chain(others).map(|(name, fields)| (name, fields.to_owned())).collect()
}

fn right(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder.join("right")).into_iter().flatten().flatten();
    let read = |file: std::fs::DirEntry| {
        let fields = std::fs::read_to_string(file.path()).expect("a record");
        (file.file_name().to_string_lossy().into_owned(), fields)
    };
    files.map(read).collect()
}

/// The child's work; does nothing in the parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let store = open(folder).await;
    std::fs::create_dir_all(folder.join("right")).expect("a folder");
    let sync = store.sync("contacts", ["crm", "center"], NOW).await.expect("a sync");
    let new =
        NewRun { kind: RunKind::Run, of: None, is_dry: false, due_at: None, by: "test".into() };
    let begun = store.begin_sync_run(sync.id, new, NOW).await.expect("begun");
    assert!(matches!(begun, Begun::Started { .. } | Begun::Busy { .. }));
    let taken = store.take_sync_run(Duration::from_secs(60), NOW).await.expect("asked");
    let run = Run { store, sync, hold: taken.expect("a run").0, folder };
    // First what was cut off: what was made and not settled is found by making it again,
    // before its record may be gone.
    run.settle().await;
    run.right_feed().await;
    run.left_feed().await;
    while run.settle().await > 0 || run.decide().await > 0 {}
    let place = Some(("done".to_owned(), None));
    assert!(run.store.move_sync_run(run.hold, place, Counts::new(), NOW).await.expect("moved"));
    run.part().await;
    run.erase().await;
    assert!(run.store.end_sync_run(run.hold, RunState::Done, None, NOW).await.expect("ended"));
    acknowledged("ended", "run");
}

struct Run<'a> {
    store: Store,
    sync: Sync,
    hold: Hold,
    folder: &'a Path,
}

impl Run<'_> {
    async fn cursor(&self, side: usize) -> (Option<String>, usize) {
        let sync = self.store.find_sync("contacts").await.expect("read").expect("it");
        let cursor = sync.cursors[side].clone();
        let next = cursor.as_deref().map_or(0, |text| text.parse().expect("a number"));
        (cursor, next)
    }

    async fn take(&self, page: Page) {
        let cursor = page.cursor.clone();
        let side = page.side;
        let paged = self.store.take_page(self.hold, page, NOW).await.expect("taken");
        assert!(matches!(paged, Paged::Taken(_)), "{paged:?}");
        acknowledged("cursor", &format!("{side} {cursor}"));
    }

    /// One record that was there before, and is matched by its e-mail.
    async fn right_feed(&self) {
        if let (None, _) = self.cursor(RIGHT).await {
            let Arrival::Saved { keys, .. } = saved(13, "old") else { return };
            std::fs::write(self.folder.join("right/Rx13"), "old").expect("a record");
            let arrivals =
                vec![Arrival::Saved { copy: copy("Rx13", "old"), keys, may_enter: true }];
            let (after, cursor) = (None, "1".to_owned());
            self.take(Page {
                side: RIGHT,
                after,
                arrivals,
                cursor,
                is_restart: false,
                ends_pass: true,
            })
            .await;
        }
    }

    async fn left_feed(&self) {
        loop {
            let (after, next) = self.cursor(LEFT).await;
            let Some((arrivals, is_restart, ends_pass)) = feed().into_iter().nth(next) else {
                return;
            };
            let cursor = (next + 1).to_string();
            self.take(Page { side: LEFT, after, arrivals, cursor, is_restart, ends_pass }).await;
            self.settle().await;
        }
    }

    /// Settles what waits, in small batches; how much that was.
    async fn settle(&self) -> usize {
        let mut all = 0;
        loop {
            let pairs = self.store.waiting_pairs(self.sync.id, 0, 3, NOW).await.expect("pairs");
            if pairs.is_empty() {
                return all;
            }
            all += pairs.len();
            let mut batch = Vec::new();
            for pair in &pairs {
                batch.push(self.plan(pair).await);
            }
            let counts = Counts::from([("settled".to_owned(), batch.len() as u64)]);
            let done =
                self.store.settle_pairs(self.hold, batch, counts, NOW).await.expect("settled");
            for outcome in done.expect("it is held") {
                assert!(matches!(outcome, Outcome::Applied | Outcome::Changed), "{outcome:?}");
            }
            acknowledged("settled", &all.to_string());
        }
    }

    async fn plan(&self, pair: &Pair) -> Settled {
        let rest = Settled::of(pair);
        match (&pair.halves[LEFT], &pair.halves[RIGHT]) {
            (Half::Present(left), Half::Never) => self.make(pair, left).await,
            (Half::Present(left), Half::Present(right)) if left.fields != right.fields => {
                self.write(pair, "update", &right.id, Some(left)).await
            }
            (Half::Gone { .. }, Half::Present(right)) => {
                self.write(pair, "delete", &right.id, None).await
            }
            (Half::Gone { .. }, _) => Settled { state: PairState::Buried, ..rest },
            _ => rest,
        }
    }

    async fn make(&self, pair: &Pair, left: &Copy) -> Settled {
        let number = &left.id[1..];
        let rest = Settled::of(pair);
        if number == "9" && pair.failure.is_none() {
            let failure =
                Failure { class: "invalid".into(), note: None, due_at: NOW, is_dead: true };
            return Settled { failure: Some(failure), ..rest };
        }
        if number == "10" && pair.decisions.is_empty() {
            let review = NewReview {
                kind: "ambiguous".into(),
                field: String::new(),
                about: b"{\"or\":\"6@example.com\"}".to_vec(),
            };
            return Settled { state: PairState::Held, reviews: vec![review], ..rest };
        }
        let key = Key { kind: Key::EMAIL, text: format!("{number}@example.com") };
        let found = self.store.others(self.sync.id, LEFT, &[key]).await.expect("candidates").found;
        if let Some(one) = found.first().filter(|one| !one.is_linked) {
            let other =
                self.store.pairs_at(self.sync.id, &[one.pair]).await.expect("pairs").remove(0);
            let absorbs = Some((other.seq, other.turn));
            return Settled { state: PairState::Linked, absorbs, is_waiting: true, ..rest };
        }
        let spent = pair.decisions.iter().map(|review| review.id).collect();
        Settled { spent, ..self.write(pair, "create", &format!("R{number}"), Some(left)).await }
    }

    /// Says what is about to be written, writes it, and what came of it.
    async fn write(&self, pair: &Pair, kind: &str, id: &str, to: Option<&Copy>) -> Settled {
        let entry = Entry {
            id: None,
            pair: pair.seq,
            side: RIGHT,
            record: id.to_owned(),
            kind: kind.to_owned(),
            before: Vec::new(),
            after: to.map(|left| left.fields.clone()).unwrap_or_default(),
            why: "left is the master".to_owned(),
            state: EntryState::Intended,
        };
        let ids = self.store.intend(self.hold, vec![entry.clone()], NOW).await.expect("said");
        let ids = ids.expect("it is held");
        let file = self.folder.join("right").join(id);
        let (half, state) = match to {
            Some(left) => {
                std::fs::write(file, &left.fields).expect("written");
                (Half::Present(Copy { id: id.to_owned(), ..left.clone() }), PairState::Linked)
            }
            None => {
                let _ = std::fs::remove_file(file);
                (Half::Gone { id: id.to_owned(), into: None }, PairState::Buried)
            }
        };
        let entries = vec![Entry { id: ids[0], state: EntryState::Done, ..entry }];
        let halves = [None, Some(half)];
        let base = to.map(|left| left.fields.clone());
        Settled { halves, base, state, entries, ..Settled::of(pair) }
    }

    /// A person decides what is open, and has what failed tried again.
    async fn decide(&self) -> usize {
        let open = self.store.reviews(Some(self.sync.id), Some(ReviewState::Open), None, 100).await;
        let open = open.expect("reviews");
        for review in &open {
            let decision = b"{\"make\":true}".to_vec();
            assert!(
                self.store
                    .decide_review(review.id, decision, act("review.decided"), NOW)
                    .await
                    .expect("decided")
            );
            acknowledged("decided", &review.id.to_string());
        }
        let again = act("sync.redriven");
        let again = self.store.redrive_pairs(self.sync.id, Redrive::All, again, NOW).await;
        open.len() + usize::try_from(again.expect("redriven")).expect("few")
    }

    /// The twelfth two are not one after all.
    async fn part(&self) {
        let pair = self.store.pair_of(&self.sync, LEFT, "L12").await.expect("read").expect("it");
        if pair.state == PairState::Linked {
            let parted = self.store.split_pair(self.hold, (pair.seq, pair.turn), RIGHT).await;
            assert!(parted.expect("parted").is_some());
        }
    }

    async fn erase(&self) {
        if self.store.erasures(0, 10).await.expect("listed").is_empty() {
            let record = Record { connection: "crm".to_owned(), record: "L6".to_owned() };
            let emails = ["6@example.com".to_owned()].into();
            let asked = Identifiers { records: [record].into(), emails, ..Identifiers::default() };
            let subject = self.store.subject(&asked, &BTreeMap::new()).await.expect("looked for");
            self.store.erase(&subject, "DSR-1", act("subject.erased"), NOW).await.expect("erased");
        }
        super::sweep(&self.store).await;
    }
}

/// What was acknowledged and is not there.
async fn lost(folder: &Path, said: &std::collections::BTreeSet<(String, String)>) -> Vec<String> {
    let store = open(folder).await;
    let mut lost = Vec::new();
    let sync = store.find_sync("contacts").await.expect("read");
    let is_erased = !store.erasures(0, 10).await.expect("listed").is_empty();
    for (what, name) in said {
        let is_there = match (what.as_str(), &sync, name.split_once(' ')) {
            ("cursor", Some(sync), Some((side, cursor))) => {
                let side: usize = side.parse().expect("a side");
                let stored =
                    sync.cursors[side].as_deref().and_then(|text| text.parse::<u32>().ok());
                stored >= cursor.parse().ok()
            }
            ("decided", _, _) => {
                let review = store.review(name.parse().expect("an id")).await.expect("read");
                // The one that names whom is erased goes with them.
                review.map_or(is_erased, |review| review.state != ReviewState::Open)
            }
            _ => true,
        };
        if !is_there {
            lost.push(format!("{what} {name}"));
        }
    }
    store.close().await;
    lost
}

/// What is not as it should be once the run has gone on to its end.
async fn odd(folder: &Path) -> Vec<String> {
    let store = open(folder).await;
    let mut odd = Vec::new();
    let right = right(folder);
    if right != expected() {
        odd.push(format!("the right system holds {right:?}"));
    }
    let sync = store.find_sync("contacts").await.expect("read").expect("it");
    let waiting = store.waiting_pairs(sync.id, 0, 100, Timestamp(i64::MAX)).await.expect("pairs");
    let pairs = store.pairs_after(sync.id, 0, 100).await.expect("pairs");
    if !waiting.is_empty() || pairs.len() != 14 || sync.pairs != 14 {
        odd.push(format!("{} wait, {} pairs, {} counted", waiting.len(), pairs.len(), sync.pairs));
    }
    let mut states = BTreeMap::new();
    for pair in &pairs {
        *states.entry(pair.state.as_str()).or_insert(0) += 1;
        if pair.state == PairState::Linked && pair.base.is_none() {
            odd.push(format!("{} has agreed on nothing", pair.seq));
        }
    }
    if states != BTreeMap::from([("buried", 2), ("erased", 1), ("linked", 9), ("open", 2)]) {
        odd.push(format!("{states:?}"));
    }
    store.close().await;
    odd
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_goes_on_where_it_was() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let writes = ["write.begin", "write.commit", "write.committed", "write.answered"];
    for point in POINTS.iter().filter(|point| meets(point) || writes.contains(point)) {
        let mut killed = 0;
        for nth in [1, 4] {
            let folder = Folder::new(&format!("{point}-{nth}"));
            let output = run_child_of("syncing::child", &folder.0, &format!("{point}:{nth}"), None);
            killed += u32::from(!output.status.success());
            assert_eq!(
                lost(&folder.0, &said(&output)).await,
                Vec::<String>::new(),
                "{point}:{nth}"
            );
            let again = run_child_of("syncing::child", &folder.0, "none:1", None);
            let told = String::from_utf8_lossy(&again.stdout);
            assert!(again.status.success(), "{point}:{nth} goes on: {told}");
            assert_eq!(odd(&folder.0).await, Vec::<String>::new(), "{point}:{nth}");
        }
        assert!(killed > 0, "{point} is never passed");
    }
}

#[tokio::test]
async fn a_cursor_before_its_copies_would_be_caught() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let mut caught = 0;
    for nth in 5..=16 {
        let folder = Folder::new(&format!("plant-sync-{nth}"));
        let at = format!("write.commit:{nth}");
        run_child_of("syncing::child", &folder.0, &at, Some("cursor-before-copies"));
        let again = run_child_of("syncing::child", &folder.0, "none:1", None);
        caught += u32::from(!again.status.success() || !odd(&folder.0).await.is_empty());
    }
    assert!(caught > 0, "the planted bug went unnoticed");
}
