//! A correction is one commit, is remembered for as long as it says, and is written down.

use crate::place::{Place, call, crm, id, phone};
use domain::{Source, Status, Timestamp};
use state::audit::Act;
use state::overrides::{Clear, Corrected, Correction, NewOverride};
use state::{Enriched, Identified, Store};
use std::collections::BTreeMap;

crate::facts! {
    the_correction_of_a_queue_goes_before_that_of_all
    a_correction_ends_with_its_time
    the_newest_correction_of_a_number_holds
    no_search_takes_a_correction_back
    a_call_that_is_not_there_corrects_nothing
    the_audit_is_whole_and_in_order
    two_who_append_at_once_leave_one_chain
}

const NUMBER: &str = "+15550199999";

fn act(action: &'static str) -> Act {
    let details = BTreeMap::from([("reason".to_owned(), "said so".to_owned())]);
    Act { actor: "key-1".to_owned(), action, subject: "CRM:003B".to_owned(), details }
}

fn remember(record: &str, queue: Option<&str>, expires_at: i64) -> NewOverride {
    NewOverride {
        number: NUMBER.to_owned(),
        queue: queue.map(str::to_owned),
        connection: "crm".to_owned(),
        external_id: format!("CRM:{record}"),
        record: record.to_owned(),
        call: "c-1".to_owned(),
        reason: "said so".to_owned(),
        actor: "key-1".to_owned(),
        expires_at: Timestamp(expires_at),
    }
}

fn identified(record: &str) -> Identified {
    Identified {
        connection: "crm".to_owned(),
        external_id: crm(record),
        contact: Some(record.to_owned()),
        status: Status::Hit,
        source: Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(50),
    }
}

async fn correct(store: &Store, record: &str, remember: NewOverride, now: i64) -> Corrected {
    let act = act("context.corrected");
    let correction =
        Correction { identified: identified(record), remember: Some(remember), jobs: vec![], act };
    store.correct(&id("c-1"), correction, Timestamp(now)).await.expect("corrected")
}

async fn with_a_call(place: &Place) -> Store {
    let store = place.open().await;
    let number = phone(&store, NUMBER);
    store.record_call(call("c-1", number), vec![]).await.expect("recorded");
    store
}

async fn record_of(store: &Store, queue: Option<&str>, now: i64) -> Option<String> {
    let found = store.override_for(NUMBER, queue, Timestamp(now)).await.expect("asked");
    found.map(|found| found.said.record)
}

async fn the_correction_of_a_queue_goes_before_that_of_all(place: Place) {
    let store = with_a_call(&place).await;
    assert_eq!(record_of(&store, None, 60).await, None);
    correct(&store, "003A", remember("003A", None, 900), 50).await;
    correct(&store, "003B", remember("003B", Some("Sales"), 900), 51).await;
    assert_eq!(record_of(&store, Some("sales"), 60).await.as_deref(), Some("003B"));
    assert_eq!(record_of(&store, Some("Support"), 60).await.as_deref(), Some("003A"));
    assert_eq!(record_of(&store, None, 60).await.as_deref(), Some("003A"));
    let other = store.override_for("+15550100001", None, Timestamp(60)).await.expect("asked");
    assert!(other.is_none());
}

async fn a_correction_ends_with_its_time(place: Place) {
    let store = with_a_call(&place).await;
    correct(&store, "003A", remember("003A", None, 100), 50).await;
    assert_eq!(record_of(&store, None, 99).await.as_deref(), Some("003A"));
    assert_eq!(record_of(&store, None, 100).await, None);
    let clear =
        |at| store.clear_overrides(Clear::Expired(Timestamp(at)), act("ended"), Timestamp(at));
    assert_eq!(clear(99).await.expect("cleared"), 0);
    assert_eq!(clear(100).await.expect("cleared"), 1);
    assert!(store.overrides(None, 9).await.expect("listed").is_empty());
    let acts = store.audit_entries(None, 9).await.expect("listed");
    assert_eq!(acts.len(), 2, "what cleared nothing is not written down");
}

async fn the_newest_correction_of_a_number_holds(place: Place) {
    let store = with_a_call(&place).await;
    correct(&store, "003A", remember("003A", None, 900), 50).await;
    correct(&store, "003B", remember("003B", None, 950), 60).await;
    let known = store.overrides(None, 9).await.expect("listed");
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].said.record.as_str(), known[0].said.expires_at), ("003B", Timestamp(950)));
    let same = store.override_by_id(known[0].id).await.expect("asked").expect("there");
    assert_eq!((same.said.number.as_str(), same.said.reason.as_str()), (NUMBER, "said so"));
    let clear = Clear::Number(NUMBER.to_owned());
    assert_eq!(store.clear_overrides(clear, act("cleared"), Timestamp(70)).await.expect("ok"), 1);
    assert_eq!(record_of(&store, None, 71).await, None);
}

async fn no_search_takes_a_correction_back(place: Place) {
    let store = with_a_call(&place).await;
    correct(&store, "003B", remember("003B", None, 900), 50).await;
    let found = store.identify_call(&id("c-1"), identified("003A"), vec![], None).await;
    assert!(matches!(found.expect("identified"), Enriched::Kept { .. }));
    let stored = store.call(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(stored.call.external_id, crm("003B"));
    // The same record, with more known of it, is no other word: and stays the agent's.
    let labels = BTreeMap::from([("tier".to_owned(), "Gold".to_owned())]);
    let more = Identified { labels: labels.clone(), ..identified("003B") };
    let found = store.identify_call(&id("c-1"), more, vec![], None).await;
    assert!(matches!(found.expect("identified"), Enriched::Applied { .. }));
    let found = store.identify_call(&id("c-1"), identified("003A"), vec![], None).await;
    assert!(matches!(found.expect("identified"), Enriched::Kept { .. }));
    let stored = store.call(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((stored.call.external_id, stored.call.labels), (crm("003B"), labels));
    correct(&store, "003C", remember("003C", None, 900), 60).await;
    let stored = store.call(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(stored.call.external_id, crm("003C"), "another correction does");
}

async fn a_call_that_is_not_there_corrects_nothing(place: Place) {
    let store = place.open().await;
    let done = correct(&store, "003B", remember("003B", None, 900), 50).await;
    assert_eq!(done, Corrected::UnknownCall);
    assert_eq!(record_of(&store, None, 60).await, None);
    assert!(store.audit_entries(None, 9).await.expect("listed").is_empty());
}

async fn the_audit_is_whole_and_in_order(place: Place) {
    let store = place.open().await;
    let empty = store.verify_audit().await.expect("walked");
    assert_eq!((empty.entries, empty.broken), (0, None));
    for at in 0..1_203 {
        store.audit(act("seen"), Timestamp(at)).await.expect("written");
    }
    store.rotate_data_key().await.expect("rotated");
    store.audit(act("after.rotation"), Timestamp(2_000)).await.expect("written");
    let verdict = store.verify_audit().await.expect("walked");
    assert_eq!((verdict.entries, verdict.broken), (1_204, None));
    assert_eq!(verdict.head.len(), 32);
    let entries = store.audit_entries(Some(1_204), 2).await.expect("listed");
    let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [1_203, 1_202]);
    assert_eq!((entries[0].subject.as_str(), entries[0].actor.as_str()), ("CRM:003B", "key-1"));
}

async fn two_who_append_at_once_leave_one_chain(place: Place) {
    let store = place.open().await;
    let writes: Vec<_> = (0..40)
        .map(|at| {
            let store = store.clone();
            tokio::spawn(async move { store.audit(act("seen"), Timestamp(at)).await })
        })
        .collect();
    for write in writes {
        write.await.expect("ran").expect("written");
    }
    let verdict = store.verify_audit().await.expect("walked");
    assert_eq!((verdict.entries, verdict.broken), (40, None));
}

mod lasting {
    use super::act;
    use crate::place::Place;
    use domain::Timestamp;

    crate::lasting_facts! {
        a_tampered_row_is_found
    }

    async fn a_tampered_row_is_found(place: Place) {
        for (sql, at) in [
            ("UPDATE audit SET actor = 'somebody else' WHERE seq = 3", 3),
            ("UPDATE audit SET at = at + 1 WHERE seq = 5", 5),
            ("UPDATE audit SET sealed = (SELECT sealed FROM audit WHERE seq = 1) WHERE seq = 4", 4),
            ("DELETE FROM audit WHERE seq = 2", 2),
        ] {
            let place = place.another().await;
            let store = place.open().await;
            for now in 0..6 {
                store.audit(act("seen"), Timestamp(now)).await.expect("written");
            }
            store.close().await;
            place.tamper(sql).await;
            let store = place.open().await;
            let verdict = store.verify_audit().await.expect("walked");
            assert_eq!(verdict.broken.map(|(seq, _)| seq), Some(at), "{sql}: {verdict:?}");
            store.close().await;
            place.drop_schema().await;
        }
    }
}
