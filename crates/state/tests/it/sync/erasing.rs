//! An erased person leaves nothing but hashes; keys rotate; a copy of the store is whole.

use super::settling::linked;
use super::{LEFT, RIGHT, at, contacts, email, entry, gone, held, saved, settle, take, waiting};
use crate::place::Place;
use state::audit::Act;
use state::backup::Existing;
use state::subject::{Identifiers, Record, Subject};
use state::sync::{Half, NewReview, Outcome, PairState, Settled, Taken};
use state::{Location, Store};
use std::collections::BTreeMap;

crate::facts! {
    an_erased_person_is_in_no_copy_and_does_not_come_back
    nothing_is_written_to_whoever_was_erased_meanwhile
    whoever_shares_an_e_mail_in_a_sync_stays
    copies_are_sealed_anew_with_the_newest_key
    a_backup_holds_pairs_and_what_waits
}

fn act(action: &'static str) -> Act {
    Act { actor: "test".to_owned(), action, subject: String::new(), details: BTreeMap::new() }
}

async fn who(store: &Store, connection: &str, record: &str) -> Subject {
    let record = Record { connection: connection.to_owned(), record: record.to_owned() };
    let asked = Identifiers { records: [record].into(), ..Identifiers::default() };
    store.subject(&asked, &BTreeMap::new()).await.expect("looked for")
}

async fn tombstones(store: &Store, subject: &Subject) {
    store.erase(subject, "DSR-1", act("subject.erased"), at(40)).await.expect("erased");
}

async fn sweep(store: &Store) -> BTreeMap<&'static str, u64> {
    let mut sweep = store.begin_sweep().await.expect("begun").expect("one");
    while store.sweep_on(&mut sweep, at(50)).await.expect("swept") {}
    store.end_sweep(&sweep, at(100), act("subjects.swept"), at(51)).await.expect("ended");
    sweep.removed
}

async fn an_erased_person_is_in_no_copy_and_does_not_come_back(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    let review =
        NewReview { kind: "conflict".into(), field: "phone".into(), about: b"{}".to_vec() };
    let settled = Settled {
        entries: vec![entry(&pairs[0])],
        reviews: vec![review],
        is_waiting: true,
        ..linked(&pairs[0], "Rann", 11, "{1}")
    };
    settle(&store, hold, vec![settled, linked(&pairs[1], "Rbob", 11, "{2}")]).await;
    // Asked for by one record, known by both.
    let subject = who(&store, "center", "Rann").await;
    let records: Vec<_> =
        subject.people.keys().map(|one| (one.connection.as_str(), one.record.as_str())).collect();
    assert_eq!(records, [("center", "Rann"), ("crm", "Lann")]);
    let export = store.export(&subject).await.expect("an export");
    assert_eq!((export.syncs.len(), export.syncs[0].sync.as_str()), (1, "contacts"));
    assert_eq!((export.syncs[0].journal.len(), export.syncs[0].reviews.len()), (1, 1));
    tombstones(&store, &subject).await;
    let removed = sweep(&store).await;
    assert_eq!(
        (removed["sync_pairs"], removed["sync_journal"], removed["sync_reviews"]),
        (1, 1, 1)
    );
    let ann = store.pairs_at(sync.id, &[pairs[0].seq]).await.expect("pairs").remove(0);
    assert!(ann.state == PairState::Erased && ann.halves == [Half::Never, Half::Never]);
    assert!(ann.base.is_none() && !ann.is_waiting);
    assert!(store.journal_of_pair(ann.seq, None, 10).await.expect("entries").is_empty());
    assert!(
        store
            .others(sync.id, RIGHT, &[email("ann@example.com")])
            .await
            .expect("none")
            .found
            .is_empty()
    );
    // Nothing follows from what its systems say.
    let late =
        take(&store, hold, LEFT, vec![saved("Lann", 60, "{9}"), saved("Lbob", 10, "{2}")]).await;
    assert_eq!(late, Taken { erased: 1, unchanged: 1, ..Taken::default() });
    assert_eq!(
        take(&store, hold, RIGHT, vec![gone("Rann")]).await,
        Taken { erased: 1, ..Taken::default() }
    );
    assert!(waiting(&store, &sync).await.is_empty());
    assert_eq!(contacts(&store).await.pairs, 2);
    assert!(
        store.export(&who(&store, "crm", "Lann").await).await.expect("an export").syncs.is_empty()
    );
    let bob = store.pair_of(&sync, RIGHT, "Rbob").await.expect("read").expect("it");
    assert_eq!(bob.state, PairState::Linked);
    // Taken back, their records are news again.
    let erasure = store.erasures(0, 10).await.expect("erasures").remove(0);
    store.take_back(&erasure.id, act("subject.known"), at(70)).await.expect("taken back");
    let back = take(&store, hold, LEFT, vec![saved("Lann", 60, "{9}")]).await;
    assert_eq!(back, Taken { changed: 1, ..Taken::default() });
    assert_eq!(waiting(&store, &sync).await[0].state, PairState::Open);
}

async fn nothing_is_written_to_whoever_was_erased_meanwhile(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    let subject = who(&store, "crm", "Lann").await;
    tombstones(&store, &subject).await;
    // Before the sweep the tombstones are enough.
    let settled = vec![
        linked(&pairs[0], "Rann", 11, "{1}"),
        Settled {
            halves: [Some(Half::Gone { id: "Lbob".into(), into: None }), None],
            ..Settled::of(&pairs[1])
        },
    ];
    let mut settled = settled;
    settled[0].halves[LEFT] = Some(pairs[0].halves[LEFT].clone());
    assert_eq!(settle(&store, hold, settled).await, [Outcome::Erased, Outcome::Applied]);
    sweep(&store).await;
    let ids = store.intend(hold, pairs.iter().map(entry).collect(), at(60)).await;
    let ids = ids.expect("answered").expect("held");
    assert!(ids[0].is_none() && ids[1].is_some());
    let again = settle(&store, hold, vec![linked(&pairs[0], "Rann", 11, "{1}")]).await;
    assert_eq!(again, [Outcome::Erased]);
}

async fn whoever_shares_an_e_mail_in_a_sync_stays(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    // Two records of one side with one e-mail.
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Xann", 10, "{2}")]).await;
    let emails = ["ann@example.com".to_owned()].into();
    let record = Record { connection: "crm".to_owned(), record: "Lann".to_owned() };
    let asked = Identifiers { records: [record].into(), emails, ..Identifiers::default() };
    let subject = store.subject(&asked, &BTreeMap::new()).await.expect("looked for");
    assert!(subject.emails["ann@example.com"].is_shared);
    assert_eq!(subject.others.len(), 1);
    tombstones(&store, &subject).await;
    assert_eq!(sweep(&store).await["sync_pairs"], 1);
    assert_eq!(take(&store, hold, LEFT, vec![saved("Xann", 12, "{3}")]).await.changed, 1);
    // Everybody who has it is somebody else's question.
    let emails = ["ann@example.com".to_owned()].into();
    let asked = Identifiers { emails, ..Identifiers::default() };
    let subject = store.subject(&asked, &BTreeMap::new()).await.expect("looked for");
    assert_eq!(subject.people.len(), 1);
    assert_eq!(waiting(&store, &sync).await.len(), 1);
}

async fn copies_are_sealed_anew_with_the_newest_key(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rzoe", 10, "{1}")]).await;
    let pairs = waiting(&store, &sync).await;
    let review =
        NewReview { kind: "conflict".into(), field: "phone".into(), about: b"{}".to_vec() };
    let settled = Settled {
        entries: vec![entry(&pairs[0])],
        reviews: vec![review],
        ..linked(&pairs[0], "Rann", 11, "{1}")
    };
    settle(&store, hold, vec![settled]).await;
    let review = store.reviews_of(pairs[0].seq).await.expect("reviews").remove(0);
    store
        .decide_review(review.id, b"{left}".to_vec(), act("review.decided"), at(50))
        .await
        .expect("decided");
    let before = (
        contacts(&store).await,
        waiting(&store, &sync).await,
        store.sync_story(&sync, LEFT, "Lann").await.expect("read"),
    );
    store.rotate_data_key().await.expect("rotated");
    let (mut place, mut cells) = (state::reseal::Place::default(), 0);
    loop {
        let part = store.reseal(place).await.expect("resealed");
        cells += part.cells;
        match part.next {
            Some(next) => place = next,
            None => break,
        }
    }
    // Two cursors, three copies, one base, an entry, a review with its decision, an act.
    assert_eq!(cells, 10);
    let after = (
        contacts(&store).await,
        waiting(&store, &sync).await,
        store.sync_story(&sync, LEFT, "Lann").await.expect("read"),
    );
    assert!(before == after);
}

async fn a_backup_holds_pairs_and_what_waits(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    let settled =
        Settled { entries: vec![entry(&pairs[0])], ..linked(&pairs[0], "Rann", 11, "{1}") };
    settle(&store, hold, vec![settled]).await;
    let before = (
        contacts(&store).await,
        waiting(&store, &sync).await,
        store.sync_story(&sync, RIGHT, "Rann").await.expect("read"),
    );
    let file = place.folder.0.join("backup.db");
    store.backup(&file, Existing::Keep).await.expect("backed up");
    let other = match place.location {
        Location::SqliteMemory => Place::disk(),
        _ => place.another().await,
    };
    state::backup::restore(&file, &other.location, &crate::place::master(), Existing::Keep)
        .await
        .expect("restored");
    let store = other.open().await;
    let after = (
        contacts(&store).await,
        waiting(&store, &sync).await,
        store.sync_story(&sync, RIGHT, "Rann").await.expect("read"),
    );
    assert!(before == after);
    // And it counts on from there.
    let (hold, _) =
        store.take_sync_run(super::HOLD, at(100_000)).await.expect("answered").expect("it");
    assert_eq!(take(&store, hold, LEFT, vec![saved("Lzoe", 10, "{3}")]).await.new, 1);
    other.drop_schema().await;
}
