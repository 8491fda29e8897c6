//! A rotation seals everything anew, also when it is cut off.

use crate::place::{Place, call, contact, crm, decision, id, job};
use domain::{Source, Status, Timestamp, Value};
use state::audit::Act;
use state::customers::{Link, Whose};
use state::overrides::{Correction, NewOverride};
use state::reseal::Place as Part;
use state::rules::{DraftChange, NewRuleSet, To};
use state::subject::Record;
use state::{Identified, Key, Store};
use std::collections::BTreeMap;
use std::time::Duration;

crate::lasting_facts! {
    after_a_pass_the_older_keys_are_needed_no_more
}

const NUMBER: &str = "+15550199999";

fn act() -> Act {
    let details = BTreeMap::from([("why".to_owned(), "said so".to_owned())]);
    Act { actor: "key".into(), action: "seen", subject: "CRM:003A".into(), details }
}

/// One row in every table that seals.
async fn fill(store: &Store) {
    let john = contact("003A", &[NUMBER], None);
    store.remember("crm", &[], &[john], Timestamp(1)).await.expect("remembered");
    store.enqueue(vec![job(Some("k"), "work", 0)]).await.expect("enqueued");
    for n in 0..450 {
        let call = call(&format!("call-{n}"), crm("003A"));
        store.record_call(call, vec![]).await.expect("recorded");
    }
    let identified = Identified {
        connection: "crm".to_owned(),
        external_id: crm("003A"),
        contact: Some("003A".to_owned()),
        status: Status::Hit,
        source: Source::Crm,
        labels: BTreeMap::new(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(2),
    };
    let remember = NewOverride {
        number: NUMBER.to_owned(),
        queue: Some("Sales".to_owned()),
        connection: "crm".to_owned(),
        external_id: "CRM:003A".to_owned(),
        record: "003A".to_owned(),
        call: "call-0".to_owned(),
        reason: "said so".to_owned(),
        actor: "key".to_owned(),
        expires_at: Timestamp(900),
    };
    let remember = Some(remember);
    let correction = Correction { identified, remember, jobs: vec![], act: act() };
    store.correct(&id("call-0"), correction, Timestamp(2)).await.expect("corrected");
    let data = BTreeMap::from([("language".to_owned(), Value::Text("es".to_owned()))]);
    let record = Whose::Record { connection: "crm", record: "003A" };
    let call = id("call-1");
    for whose in [record, Whose::Call(&call)] {
        store.put_data(whose, data.clone(), None, Timestamp(3)).await.expect("kept");
    }
    store.link(&link(), Timestamp(3)).await.expect("linked");
    let (own, other) = records();
    store.put_link(&own, &other, act(), Timestamp(3)).await.expect("linked");
    store.record_decision(decision("call-0", Some(NUMBER), Some("003A"))).await.expect("kept");
    let draft = |name: &str, to| DraftChange { kind: "rule", name: name.to_owned(), to };
    let changes = vec![draft("Gold", To::Body(b"gold".to_vec())), draft("Old", To::Gone)];
    let changed = store.change_rule_drafts(changes, 0, act(), Timestamp(4)).await;
    assert_eq!(changed.expect("changed"), Some(1));
    let set = NewRuleSet { body: b"all".to_vec(), summary: String::new(), takes: vec![] };
    let published = store.publish_rules(set, 1, act(), Timestamp(4)).await.expect("asked");
    assert!(published.is_some());
}

fn records() -> (Record, Record) {
    let of = |connection: &str, record: &str| Record {
        connection: connection.to_owned(),
        record: record.to_owned(),
    };
    (of("crm", "003A"), of("erp", "42"))
}

fn link() -> Link {
    Link {
        center: "genesys".to_owned(),
        contact: "c-1".to_owned(),
        connection: "crm".to_owned(),
        record: "003A".to_owned(),
    }
}

async fn opens(store: &Store) {
    for call in ["call-0", "call-449"] {
        let stored = store.call(&id(call)).await.expect("opens").expect("stored");
        assert_eq!(stored.call.number.as_deref(), Some(NUMBER));
    }
    let found = store.find("crm", &[Key::Phone(NUMBER.to_owned())]).await.expect("opens");
    assert_eq!(found.len(), 1);
    let known = store.override_for(NUMBER, Some("sales"), Timestamp(5)).await.expect("opens");
    assert_eq!(known.expect("there").said.record, "003A");
    let record = Whose::Record { connection: "crm", record: "003A" };
    let call = id("call-1");
    for whose in [record, Whose::Call(&call)] {
        assert_eq!(store.data_of(whose).await.expect("opens").data.len(), 1);
    }
    assert!(store.linked("genesys", "c-1").await.expect("opens") == Some(link()));
    let (own, other) = records();
    let found = store.elsewhere(&own, "erp").await.expect("opens").expect("linked");
    assert!(found.record == own && found.other == other);
    let verdict = store.verify_audit().await.expect("walked");
    assert_eq!((verdict.entries, verdict.broken), (4, None));
    let decided = store.decisions_of(&id("call-0")).await.expect("opens");
    assert_eq!(decided[0].number.as_deref(), Some(NUMBER));
    let rules = store.rules().await.expect("opens");
    let drafts: Vec<_> = rules.drafts.iter().map(|draft| draft.body.as_deref()).collect();
    assert_eq!(drafts, [Some(&b"gold"[..]), None]);
    assert_eq!(rules.set.expect("one is in force").body, b"all");
    let leased = store.lease("enrich", "crm", 1, Duration::from_secs(1), Timestamp(i64::MAX / 2));
    assert_eq!(leased.await.expect("opens")[0].payload, b"work");
}

async fn pass(store: &Store, parts: usize) -> u64 {
    let (mut cells, mut next) = (0, Some(Part::default()));
    for _ in 0..parts {
        let Some(place) = next else { break };
        let part = store.reseal(place).await.expect("resealed");
        cells += part.cells;
        next = part.next;
    }
    cells
}

async fn after_a_pass_the_older_keys_are_needed_no_more(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let number = store.phone_id(NUMBER);
    assert!(!store.needs_reseal().await.expect("asked"));
    store.rotate_data_key().await.expect("rotated");
    assert!(store.needs_reseal().await.expect("asked"));
    let cut_off = pass(&store, 2).await;
    assert_eq!(cut_off, 400, "two parts of two hundred");
    store.close().await;
    let store = place.open().await;
    let rest = pass(&store, usize::MAX).await;
    assert_eq!(cut_off + rest, 2 * 450 + 14, "each sealed cell once");
    assert_eq!(pass(&store, usize::MAX).await, 0, "nothing is left to do");
    store.retire_older_keys(Timestamp(9)).await.expect("retired");
    assert!(!store.needs_reseal().await.expect("asked"));
    store.close().await;
    place
        .tamper(
            "DELETE FROM keys WHERE purpose = 'data'
                AND id < (SELECT newest FROM (SELECT max(id) AS newest FROM keys WHERE purpose = 'data') AS one)",
        )
        .await;
    let store = place.open().await;
    opens(&store).await;
    assert_eq!(store.phone_id(NUMBER), number, "public ids stay");
}
