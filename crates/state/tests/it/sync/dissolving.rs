//! A sync that is configured no more is forgotten, and no other with it.

use super::{LEFT, RIGHT, asked, at, contacts, copy, email, entry, held, saved, settle, take};
use crate::place::Place;
use state::audit::Act;
use state::sync::{Arrival, Dissolved, Half, PairState, RunKind, Settled};
use std::collections::BTreeMap;

crate::facts! {
    a_sync_is_forgotten_with_all_that_hangs_on_it_and_no_other_is
}

fn act() -> Act {
    let (actor, subject) = ("somebody".to_owned(), "sync contacts".to_owned());
    Act { actor, action: "sync.forgotten", subject, details: BTreeMap::new() }
}

async fn a_sync_is_forgotten_with_all_that_hangs_on_it_and_no_other_is(place: Place) {
    let store = place.open().await;
    let unknown = store.dissolve_sync("contacts", act(), at(1)).await.expect("answered");
    assert_eq!(unknown, Dissolved::Unknown);
    let (sync, hold) = held(&store, 1).await;
    let people: Vec<Arrival> = (0..450).map(|n| saved(&format!("L{n}"), 10, "{1}")).collect();
    take(&store, hold, LEFT, people).await;
    let pairs = store.waiting_pairs(sync.id, 0, 1_000, at(10)).await.expect("pairs");
    let ids = store.intend(hold, vec![entry(&pairs[0])], at(11)).await.expect("kept");
    assert!(ids.is_some_and(|ids| ids[0].is_some()));
    let mut settled = Settled::of(&pairs[1]);
    settled.halves[RIGHT] = Some(Half::Present(copy("R1", 11, "{1}")));
    settled.state = PairState::Linked;
    settle(&store, hold, vec![settled]).await;
    // Another sync between the same two has the same people.
    let other = store.sync("other", ["crm", "center"], at(1)).await.expect("a sync");
    store.begin_sync_run(other.id, asked(RunKind::Run), at(2)).await.expect("begun");

    let busy = store.dissolve_sync("contacts", act(), at(20)).await.expect("answered");
    assert_eq!(busy, Dissolved::Busy { run: hold.run });
    assert_eq!(contacts(&store).await.pairs, 450, "nothing is gone");
    let done = state::sync::RunState::Done;
    assert!(store.end_sync_run(hold, done, None, at(21)).await.expect("ended"));
    let gone = store.dissolve_sync("contacts", act(), at(22)).await.expect("answered");
    assert_eq!(gone, Dissolved::Done { pairs: 450 });
    assert!(store.find_sync("contacts").await.expect("read").is_none());
    assert!(store.sync_run(hold.run).await.expect("read").is_none());
    let none = store.journal_of_run(hold.run, None, 10).await.expect("read");
    assert!(none.is_empty(), "what was written went with it");
    let found = store.others(sync.id, RIGHT, &[email("7@example.com")]).await.expect("read").found;
    assert!(found.is_empty(), "no key is left");
    assert!(store.find_sync("other").await.expect("read").is_some());
    let audit = store.audit_entries(None, 10).await.expect("read");
    assert!(audit.iter().any(|one| one.action == "sync.forgotten"));
    // Made anew, it begins from nothing.
    let anew = contacts(&store).await;
    assert!(anew.id != sync.id && anew.pairs == 0 && anew.cursors == [None, None]);
}
