//! What a person is asked and decides, what failed, what was written and is told of a
//! record.

use super::settling::linked;
use super::{LEFT, RIGHT, at, contacts, entry, held, saved, settle, take, waiting};
use crate::place::Place;
use state::audit::Act;
use state::sync::{
    Change, Entry, EntryState, Failure, NewReview, PairState, Redrive, ReviewState, Settled,
};

crate::facts! {
    a_sync_is_approved_and_paused_by_somebody
    a_review_is_open_once_and_its_decision_is_remembered
    a_conflict_that_is_none_any_more_is_withdrawn
    what_failed_is_tried_again_when_it_is_due_or_somebody_says_so
    a_change_makes_a_dead_pair_live
    what_a_run_wrote_is_read_newest_first_and_marked_as_undone
    a_record_tells_its_story
    old_entries_are_forgotten_and_decisions_stay
}

fn act(action: &'static str) -> Act {
    let (actor, details) = ("ann".to_owned(), Default::default());
    Act { actor, action, subject: "contacts".to_owned(), details }
}

fn conflict(field: &str, about: &str) -> NewReview {
    NewReview { kind: "conflict".into(), field: field.into(), about: about.as_bytes().to_vec() }
}

async fn a_sync_is_approved_and_paused_by_somebody(place: Place) {
    let store = place.open().await;
    let sync = contacts(&store).await;
    assert!(!sync.is_approved() && sync.paused.is_none() && sync.phase.is_empty());
    assert_eq!(sync.connections, ["crm", "center"]);
    let change = async |change| {
        store.change_sync("contacts", change, act("sync.changed"), at(7)).await.expect("changed")
    };
    assert!(change(Change::Approve).await);
    assert!(change(Change::Pause("too many deletes".to_owned())).await);
    assert!(change(Change::Phase("two_way".to_owned())).await);
    let sync = contacts(&store).await;
    assert_eq!((sync.approved_at, sync.approved_by.as_deref()), (Some(at(7)), Some("ann")));
    assert_eq!(
        (sync.paused.as_deref(), sync.phase.as_str()),
        (Some("too many deletes"), "two_way")
    );
    assert!(change(Change::Resume).await && change(Change::Disapprove).await);
    let sync = contacts(&store).await;
    assert!(!sync.is_approved() && sync.paused.is_none());
    let unknown = store.change_sync("other", Change::Resume, act("sync.changed"), at(7)).await;
    assert!(!unknown.expect("answered"));
    assert_eq!(store.audit_entries(None, 10).await.expect("entries").len(), 5);
    assert!(store.syncs().await.expect("syncs") == [sync]);
    // Other connections of the same name are another matter, and show.
    let other = store.sync("contacts", ["crm", "elsewhere"], at(9)).await.expect("a sync");
    assert_eq!(other.connections, ["crm", "center"]);
}

async fn a_review_is_open_once_and_its_decision_is_remembered(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    for about in ["{first}", "{second}"] {
        let ann = waiting(&store, &sync).await.remove(0);
        let reviews = vec![conflict("phone", about)];
        let held = Settled {
            state: PairState::Held,
            reviews,
            is_waiting: about == "{first}",
            ..Settled::of(&ann)
        };
        settle(&store, hold, vec![held]).await;
    }
    assert!(waiting(&store, &sync).await.is_empty(), "it is held");
    assert_eq!(store.open_reviews(sync.id).await.expect("count"), 1);
    let list = async |state| store.reviews(Some(sync.id), state, None, 10).await.expect("reviews");
    let open = list(Some(ReviewState::Open)).await.remove(0);
    assert!(open.about == b"{second}" && open.field == "phone" && open.decision.is_none());
    let decide = async |text: &str| {
        let decision = text.as_bytes().to_vec();
        store
            .decide_review(open.id, decision, act("review.decided"), at(30))
            .await
            .expect("answered")
    };
    assert!(decide("{left}").await);
    assert!(decide("{right}").await, "anew");
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!((ann.state, ann.decisions.len()), (PairState::Open, 1));
    assert!(ann.decisions[0].decision.as_deref() == Some(b"{right}"));
    assert_eq!(ann.decisions[0].decided_by.as_deref(), Some("ann"));
    // It holds for later conflicts of the pair, until it is spent.
    settle(&store, hold, vec![Settled::of(&ann)]).await;
    take(&store, hold, LEFT, vec![saved("Lann", 40, "{2}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.decisions.len(), 1);
    settle(&store, hold, vec![Settled { spent: vec![open.id], ..Settled::of(&ann) }]).await;
    assert_eq!(store.review(open.id).await.expect("read").expect("it").state, ReviewState::Spent);
    assert!(!decide("{left}").await, "it is over");
    assert_eq!(list(None).await.len(), 1);
    assert!(list(Some(ReviewState::Open)).await.is_empty());
    // A brake is nobody's.
    let brake = NewReview { kind: "brake".into(), field: String::new(), about: b"{9}".to_vec() };
    assert!(store.ask_review(hold, brake, at(50)).await.expect("answered"));
    assert_eq!(list(Some(ReviewState::Open)).await[0].pair, None);
    assert_eq!(store.reviews(None, Some(ReviewState::Open), None, 10).await.expect("all").len(), 1);
}

async fn a_conflict_that_is_none_any_more_is_withdrawn(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    let reviews = vec![conflict("phone", "{1}"), conflict("email", "{2}")];
    settle(&store, hold, vec![Settled { state: PairState::Held, reviews, ..Settled::of(&ann) }])
        .await;
    let taken = take(&store, hold, LEFT, vec![saved("Lann", 20, "{3}")]).await;
    assert_eq!(taken.changed, 1);
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.state, PairState::Open, "what changed is looked at anew");
    settle(
        &store,
        hold,
        vec![Settled { reviews: vec![conflict("email", "{4}")], ..Settled::of(&ann) }],
    )
    .await;
    let reviews = store.reviews_of(ann.seq).await.expect("reviews");
    let states: Vec<_> = reviews.iter().map(|one| (one.field.as_str(), one.state)).collect();
    let mut expected = [("email", ReviewState::Open), ("phone", ReviewState::Withdrawn)];
    expected.sort_by_key(|(field, _)| std::cmp::Reverse(*field != "email"));
    assert!(states.len() == 2 && expected.iter().all(|one| states.contains(one)), "{states:?}");
}

fn failure(class: &str, due_at: i64, is_dead: bool) -> Option<Failure> {
    Some(Failure {
        class: class.to_owned(),
        note: Some("a reason".to_owned()),
        due_at: at(due_at),
        is_dead,
    })
}

async fn what_failed_is_tried_again_when_it_is_due_or_somebody_says_so(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let three = vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}"), saved("Leve", 10, "{3}")];
    take(&store, hold, LEFT, three).await;
    let pairs = waiting(&store, &sync).await;
    let failed = |at: usize, failure| Settled { failure, ..Settled::of(&pairs[at]) };
    settle(
        &store,
        hold,
        vec![
            failed(0, failure("throttled", 100, false)),
            failed(1, failure("invalid", 0, true)),
            failed(2, failure("invalid", 200, false)),
        ],
    )
    .await;
    let due = async |now| {
        let due = store.waiting_pairs(sync.id, 0, 10, at(now)).await.expect("pairs");
        due.iter().map(|pair| pair.seq).collect::<Vec<_>>()
    };
    assert!(due(99).await.is_empty());
    assert_eq!(due(100).await, [pairs[0].seq]);
    assert_eq!(due(i64::MAX).await, [pairs[0].seq, pairs[2].seq]);
    assert_eq!(store.count_failures(sync.id).await.expect("counts"), (2, 1));
    let list = async |class| store.sync_failures(sync.id, class, 0, 10).await.expect("failures");
    assert_eq!(list(None).await.len(), 3);
    let invalid = list(Some("invalid")).await;
    assert_eq!(invalid.len(), 2);
    assert!(
        invalid[0].pair.is_dead && invalid[0].pair.tries == 1 && invalid[0].failed_at == at(20)
    );
    assert_eq!(invalid[0].failure, failure("invalid", 0, true).expect("one"));
    let again = async |which| {
        store.redrive_pairs(sync.id, which, act("sync.redriven"), at(60)).await.expect("answered")
    };
    assert_eq!(again(Redrive::One(pairs[1].seq)).await, 1);
    assert_eq!(due(0).await, [pairs[1].seq]);
    assert_eq!(again(Redrive::Class("invalid".to_owned())).await, 2);
    assert_eq!(again(Redrive::Class("other".to_owned())).await, 0);
    assert_eq!(again(Redrive::All).await, 3);
    assert_eq!(due(0).await.len(), 3);
    assert_eq!(store.audit_entries(None, 10).await.expect("entries").len(), 3, "who did something");
    let bob = store.waiting_pairs(sync.id, 0, 10, at(0)).await.expect("pairs").remove(1);
    settle(&store, hold, vec![Settled::of(&bob)]).await;
    assert_eq!(list(None).await.len(), 2, "it went well");
}

async fn a_change_makes_a_dead_pair_live(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    settle(
        &store,
        hold,
        vec![Settled { failure: failure("invalid", 0, true), ..Settled::of(&ann) }],
    )
    .await;
    assert!(store.waiting_pairs(sync.id, 0, 10, at(i64::MAX)).await.expect("pairs").is_empty());
    take(&store, hold, LEFT, vec![saved("Lann", 11, "{2}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert!(!ann.is_dead && ann.failure.is_none() && ann.tries == 0);
}

async fn what_a_run_wrote_is_read_newest_first_and_marked_as_undone(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let all = (0..5).map(|number| saved(&format!("L{number}"), 10, "{1}")).collect();
    take(&store, hold, LEFT, all).await;
    let pairs = waiting(&store, &sync).await;
    let entries = pairs.iter().map(entry).collect();
    let ids = store.intend(hold, entries, at(9)).await.expect("answered").expect("held");
    let ids: Vec<i64> = ids.into_iter().flatten().collect();
    assert_eq!(store.intended(sync.id, None, 10).await.expect("entries").len(), 5);
    let done = |at: usize, state| Entry {
        id: Some(ids[at]),
        state,
        record: format!("R{at}"),
        ..entry(&pairs[at])
    };
    let settled = (0..4).map(|at| Settled {
        entries: vec![done(at, if at == 3 { EntryState::Failed } else { EntryState::Done })],
        ..Settled::of(&pairs[at])
    });
    settle(&store, hold, settled.collect()).await;
    let intended = store.intended(sync.id, None, 10).await.expect("entries");
    assert!(intended.len() == 1 && intended[0].id == ids[4], "nobody knows of one");
    let first = store.journal_of_run(hold.run, None, 2).await.expect("entries");
    assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[4], ids[3]]);
    let next = store.journal_of_run(hold.run, Some(ids[3]), 10).await.expect("entries");
    assert_eq!(next.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[2], ids[1], ids[0]]);
    assert!(next[0].entry == done(2, EntryState::Done) && next[0].at == at(9));
    // Another run takes one of them back, and says so with what it writes itself.
    let pair = store.pairs_at(sync.id, &[pairs[2].seq]).await.expect("pairs").remove(0);
    let back = Entry { kind: "delete".to_owned(), state: EntryState::Done, ..entry(&pair) };
    let entries = vec![done(2, EntryState::Undone), back];
    settle(&store, hold, vec![Settled { entries, ..Settled::of(&pair) }]).await;
    let of = store.journal_of_pair(pair.seq, None, 10).await.expect("entries");
    let told: Vec<_> = of.iter().map(|one| (one.entry.kind.as_str(), one.entry.state)).collect();
    assert_eq!(told, [("delete", EntryState::Done), ("create", EntryState::Undone)]);
}

async fn a_record_tells_its_story(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    let written = Entry { state: EntryState::Done, record: "Rann".to_owned(), ..entry(&ann) };
    let settled = Settled {
        entries: vec![written],
        reviews: vec![conflict("phone", "{both}")],
        ..linked(&ann, "Rann", 11, "{1}")
    };
    settle(&store, hold, vec![settled]).await;
    for (side, id) in [(LEFT, "Lann"), (RIGHT, "Rann")] {
        let story = store.sync_story(&sync, side, id).await.expect("read").expect("it");
        assert_eq!((story.pair.seq, story.journal.len(), story.reviews.len()), (ann.seq, 1, 1));
        assert!(story.journal[0].entry.after == b"{after}" && story.reviews[0].about == b"{both}");
    }
    assert!(store.sync_story(&sync, LEFT, "Rann").await.expect("read").is_none());
}

async fn old_entries_are_forgotten_and_decisions_stay(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{1}")]).await;
    let pairs = waiting(&store, &sync).await;
    store.intend(hold, vec![entry(&pairs[0])], at(100)).await.expect("answered");
    store.intend(hold, vec![entry(&pairs[1])], at(200)).await.expect("answered");
    let reviews = vec![conflict("phone", "{1}")];
    settle(&store, hold, vec![Settled { reviews, ..Settled::of(&pairs[0]) }]).await;
    let review = store.reviews_of(pairs[0].seq).await.expect("reviews").remove(0);
    store
        .decide_review(review.id, b"{left}".to_vec(), act("review.decided"), at(50))
        .await
        .expect("decided");
    assert_eq!(store.purge_journal(at(150)).await.expect("purged"), 1);
    assert_eq!(store.purge_journal(at(150)).await.expect("purged"), 0);
    let left = store.journal_of_run(hold.run, None, 10).await.expect("entries");
    assert!(left.len() == 1 && left[0].entry.pair == pairs[1].seq);
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.decisions.len(), 1);
    settle(&store, hold, vec![Settled { spent: vec![review.id], ..Settled::of(&ann) }]).await;
    assert_eq!(store.purge_journal(at(150)).await.expect("purged"), 1);
}
