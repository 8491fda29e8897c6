//! Rules are published as they were seen, one set after the other, and can be gone back to.

use crate::place::{Place, master};
use domain::Timestamp;
use state::Store;
use state::audit::Act;
use state::backup::{Existing, restore};
use state::rules::{DraftChange, NewRuleSet, Publication, SETS_KEPT, To};
use std::collections::BTreeMap;

crate::facts! {
    drafts_are_changed_together_and_written_down
    whoever_decided_on_an_older_version_changes_and_publishes_nothing
    of_two_who_publish_at_once_one_is_refused
    a_draft_that_somebody_else_has_changed_is_not_published_unseen
    a_publication_takes_its_drafts_and_leaves_the_others
    going_back_is_a_publication_of_an_older_set
    the_history_keeps_the_newest_and_the_one_in_force
    rules_survive_a_backup_and_lie_there_sealed
}

const BODY: &[u8] = br#"{"rule":"zzcanary"}"#;

fn act(action: &'static str) -> Act {
    let subject = "rules".to_owned();
    Act { actor: "key abc".to_owned(), action, subject, details: BTreeMap::new() }
}

fn change(kind: &'static str, name: &str, to: To) -> DraftChange {
    DraftChange { kind, name: name.to_owned(), to }
}

fn body(text: &str) -> To {
    To::Body(text.as_bytes().to_vec())
}

fn set(text: &str, takes: &[(&str, &str)]) -> NewRuleSet {
    let takes = takes.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned()));
    NewRuleSet {
        body: text.as_bytes().to_vec(),
        summary: format!("publishes {text}"),
        takes: takes.collect(),
    }
}

async fn draft(store: &Store, changes: Vec<DraftChange>, seen: u64) -> Option<u64> {
    let act = act("rules.drafted");
    store.change_rule_drafts(changes, seen, act, Timestamp(7)).await.expect("asked")
}

async fn publish(store: &Store, set: NewRuleSet, seen: u64) -> Option<Publication> {
    let act = act("rules.published");
    store.publish_rules(set, seen, act, Timestamp(8)).await.expect("asked")
}

/// Names and bodies of the drafts.
async fn drafts(store: &Store) -> Vec<(String, Option<String>)> {
    let rules = store.rules().await.expect("read");
    let text = |body: Vec<u8>| String::from_utf8(body).expect("text");
    rules.drafts.into_iter().map(|draft| (draft.name, draft.body.map(text))).collect()
}

async fn in_force(store: &Store) -> (u64, String) {
    let set = store.rules().await.expect("read").set.expect("one is in force");
    (set.revision, String::from_utf8(set.body).expect("text"))
}

async fn acts(store: &Store) -> usize {
    assert_eq!(store.verify_audit().await.expect("walked").broken, None);
    store.audit_entries(None, 1000).await.expect("read").len()
}

async fn drafts_are_changed_together_and_written_down(place: Place) {
    let store = place.open().await;
    let nothing = store.rules().await.expect("read");
    assert_eq!((nothing.version, nothing.drafts.len(), nothing.set), (0, 0, None));
    assert_eq!(store.rules_version().await.expect("read"), 0);
    let both = vec![change("rule", "Gold", body("1")), change("chain", "Gold", body("2"))];
    assert_eq!(draft(&store, both, 0).await, Some(1));
    let gone = vec![change("rule", "Gold", To::Gone), change("rule", "Silver", body("3"))];
    assert_eq!(draft(&store, gone, 1).await, Some(2));
    let rules = store.rules().await.expect("read");
    let told: Vec<_> = rules
        .drafts
        .iter()
        .map(|draft| (&*draft.kind, &*draft.name, draft.body.is_some(), draft.version))
        .collect();
    let expected =
        [("chain", "Gold", true, 1), ("rule", "Gold", false, 2), ("rule", "Silver", true, 2)];
    assert_eq!((rules.version, &told[..]), (2, &expected[..]));
    let changed = &rules.drafts[1];
    assert_eq!((changed.changed_at, &*changed.changed_by), (Timestamp(7), "key abc"));
    let back =
        vec![change("rule", "Gold", To::AsPublished), change("rule", "None", To::AsPublished)];
    assert_eq!(draft(&store, back, 2).await, Some(3));
    let left = [("Gold", "2"), ("Silver", "3")].map(|(a, b)| (a.to_owned(), Some(b.to_owned())));
    assert_eq!(drafts(&store).await, left);
    assert_eq!((store.rules_version().await.expect("read"), acts(&store).await), (3, 3));
    store.close().await;
}

async fn whoever_decided_on_an_older_version_changes_and_publishes_nothing(place: Place) {
    let store = place.open().await;
    // Also before there is any version at all.
    for seen in [1, 5, u64::MAX] {
        assert_eq!(draft(&store, vec![change("rule", "a", body("1"))], seen).await, None, "{seen}");
        assert_eq!(publish(&store, set("s", &[]), seen).await, None, "{seen}");
    }
    assert_eq!(draft(&store, vec![change("rule", "a", body("1"))], 0).await, Some(1));
    for seen in [0, 2, u64::MAX] {
        assert_eq!(draft(&store, vec![change("rule", "a", To::Gone)], seen).await, None, "{seen}");
        assert_eq!(publish(&store, set("s", &[("rule", "a")]), seen).await, None, "{seen}");
    }
    assert_eq!(drafts(&store).await, [("a".to_owned(), Some("1".to_owned()))]);
    let rules = store.rules().await.expect("read");
    assert_eq!((rules.version, rules.set), (1, None));
    assert_eq!(acts(&store).await, 1, "what was refused is not written down");
    store.close().await;
}

async fn of_two_who_publish_at_once_one_is_refused(place: Place) {
    let store = place.open().await;
    for round in 0..5 {
        let racers = (0..4).map(|racer| {
            let store = store.clone();
            let set = set(&format!("{round}-{racer}"), &[]);
            tokio::spawn(async move { (racer, publish(&store, set, round).await) })
        });
        let mut winner = None;
        for racer in racers.collect::<Vec<_>>() {
            if let (racer, Some(published)) = racer.await.expect("no panic") {
                assert_eq!(winner.replace(racer), None, "a second one in round {round}");
                let expected = Publication { version: round + 1, revision: round + 1 };
                assert_eq!(published, expected);
            }
        }
        let winner = winner.expect("one is published");
        assert_eq!(in_force(&store).await, (round + 1, format!("{round}-{winner}")));
    }
    assert_eq!((store.rule_sets(10).await.expect("read").len(), acts(&store).await), (5, 5));
    store.close().await;
}

async fn a_draft_that_somebody_else_has_changed_is_not_published_unseen(place: Place) {
    let store = place.open().await;
    assert_eq!(draft(&store, vec![change("rule", "Gold", body("seen"))], 0).await, Some(1));
    // Whoever publishes reads here; then somebody else changes the draft.
    let seen = store.rules().await.expect("read").version;
    assert_eq!(draft(&store, vec![change("rule", "Gold", body("unseen"))], 1).await, Some(2));
    let takes = [("rule", "Gold")];
    assert_eq!(publish(&store, set("with seen", &takes), seen).await, None);
    assert_eq!(drafts(&store).await, [("Gold".to_owned(), Some("unseen".to_owned()))]);
    assert_eq!(store.rules().await.expect("read").set, None);
    let published = publish(&store, set("with unseen", &takes), 2).await;
    assert_eq!(published, Some(Publication { version: 3, revision: 1 }));
    store.close().await;
}

async fn a_publication_takes_its_drafts_and_leaves_the_others(place: Place) {
    let store = place.open().await;
    let changes = vec![
        change("rule", "Gold", body("1")),
        change("rule", "Old", To::Gone),
        change("chain", "Gold", body("2")),
        change("rule", "Later", body("3")),
    ];
    assert_eq!(draft(&store, changes, 0).await, Some(1));
    // One that is no draft any more is no reason to refuse: the version says that it was seen.
    let takes = [("rule", "Gold"), ("rule", "Old"), ("rule", "Unknown")];
    let published = publish(&store, set("first", &takes), 1).await;
    assert_eq!(published, Some(Publication { version: 2, revision: 1 }));
    let left = [("Gold", "2"), ("Later", "3")].map(|(a, b)| (a.to_owned(), Some(b.to_owned())));
    assert_eq!(drafts(&store).await, left, "the chain of the same name stays");
    let rules = store.rules().await.expect("read");
    let first = rules.set.expect("in force");
    assert_eq!(
        (first.at, &*first.by, &*first.summary),
        (Timestamp(8), "key abc", "publishes first")
    );
    assert_eq!((first.revision, &first.body[..]), (1, &b"first"[..]));
    assert_eq!(acts(&store).await, 2);
    store.close().await;
}

async fn going_back_is_a_publication_of_an_older_set(place: Place) {
    let store = place.open().await;
    for (seen, name) in [(0, "a"), (1, "b")] {
        assert!(publish(&store, set(name, &[]), seen).await.is_some());
    }
    assert_eq!(draft(&store, vec![change("rule", "Later", body("3"))], 2).await, Some(3));
    let old = store.rule_set(1).await.expect("read").expect("in the history");
    let back = NewRuleSet { body: old.body, summary: "back to 1".to_owned(), takes: vec![] };
    let published = publish(&store, back, 3).await;
    assert_eq!(published, Some(Publication { version: 4, revision: 3 }));
    assert_eq!(in_force(&store).await, (3, "a".to_owned()));
    let history = store.rule_sets(10).await.expect("read");
    let told: Vec<_> = history.iter().map(|set| (set.revision, &*set.summary)).collect();
    assert_eq!(told, [(3, "back to 1"), (2, "publishes b"), (1, "publishes a")]);
    assert_eq!(store.rule_sets(1).await.expect("read"), history[..1]);
    let second = store.rule_set(2).await.expect("read").expect("what was gone back from stays");
    assert_eq!(second.body, b"b");
    assert_eq!(drafts(&store).await.len(), 1, "drafts stay");
    for none in [0, 4, u64::MAX] {
        assert_eq!(store.rule_set(none).await.expect("read"), None);
    }
    store.close().await;
}

async fn the_history_keeps_the_newest_and_the_one_in_force(place: Place) {
    let store = place.open().await;
    for seen in 0..SETS_KEPT + 3 {
        assert!(publish(&store, set(&seen.to_string(), &[]), seen).await.is_some());
    }
    let history = store.rule_sets(1_000).await.expect("read");
    let revisions: Vec<u64> = history.iter().map(|set| set.revision).collect();
    assert_eq!(revisions, (4..=SETS_KEPT + 3).rev().collect::<Vec<_>>());
    assert_eq!(in_force(&store).await, (SETS_KEPT + 3, (SETS_KEPT + 2).to_string()));
    assert_eq!(store.rule_set(3).await.expect("read"), None);
    assert!(store.rule_set(4).await.expect("read").is_some());
    // Drafts of a long time drop nothing.
    assert!(draft(&store, vec![change("rule", "a", body("1"))], SETS_KEPT + 3).await.is_some());
    assert_eq!(in_force(&store).await.0, SETS_KEPT + 3);
    store.close().await;
}

async fn rules_survive_a_backup_and_lie_there_sealed(place: Place) {
    let store = place.open().await;
    let changes =
        vec![change("rule", "Gold", To::Body(BODY.to_vec())), change("rule", "Old", To::Gone)];
    assert_eq!(draft(&store, changes, 0).await, Some(1));
    let set = NewRuleSet { body: BODY.to_vec(), summary: "all".to_owned(), takes: vec![] };
    assert!(publish(&store, set.clone(), 1).await.is_some());
    let before = store.rules().await.expect("read");
    let shown = format!("{before:?} {set:?} {:?}", change("rule", "Gold", To::Body(BODY.to_vec())));
    assert!(!shown.contains("zzcanary") && !shown.contains(&format!("{BODY:?}")), "{shown}");
    let backup = place.folder.0.join("backup.db");
    store.backup(&backup, Existing::Keep).await.expect("backed up");
    let bytes = std::fs::read(&backup).expect("a file");
    assert!(!bytes.windows(8).any(|window| window == b"zzcanary"), "a body lies in clear");
    let mut targets = vec![Place::disk()];
    targets.extend(Place::postgres().await);
    for target in targets {
        restore(&backup, &target.location, &master(), Existing::Keep).await.expect("restored");
        let copy = target.open().await;
        assert_eq!(copy.rules().await.expect("read"), before);
        assert_eq!(draft(&copy, vec![change("rule", "New", body("1"))], 2).await, Some(3));
        assert_eq!(publish(&copy, set.clone(), 3).await.expect("published").revision, 2);
        copy.close().await;
        target.drop_schema().await;
    }
    store.close().await;
}

mod lasting {
    use super::*;
    use state::Error;

    crate::lasting_facts! {
        what_one_node_changes_the_others_notice_and_none_decides_on_what_is_old
        a_set_or_a_draft_in_the_place_of_another_does_not_open
    }

    async fn what_one_node_changes_the_others_notice_and_none_decides_on_what_is_old(place: Place) {
        let store = place.open().await;
        let Ok(other) = place.try_open(&master()).await else {
            return; // an embedded store has no other nodes
        };
        assert_eq!(draft(&store, vec![change("rule", "Gold", body("1"))], 0).await, Some(1));
        assert_eq!(other.rules_version().await.expect("read"), 1);
        let (one, two) = (set("one", &[("rule", "Gold")]), set("two", &[("rule", "Gold")]));
        let (one, two) = tokio::join!(publish(&store, one, 1), publish(&other, two, 1));
        let published: Vec<_> = [("one", one), ("two", two)].into_iter().collect();
        let won: Vec<_> = published.iter().filter(|(_, done)| done.is_some()).collect();
        let [(name, _)] = won[..] else { panic!("{published:?}") };
        for node in [&store, &other] {
            assert_eq!(in_force(node).await, (1, (*name).to_owned()));
            assert_eq!((drafts(node).await, acts(node).await), (vec![], 2));
        }
        // The data key of another node opens here as well.
        other.rotate_data_key().await.expect("rotated");
        assert!(publish(&other, set("three", &[]), 2).await.is_some());
        assert_eq!(in_force(&store).await, (2, "three".to_owned()));
    }

    async fn a_set_or_a_draft_in_the_place_of_another_does_not_open(place: Place) {
        for tampered in [
            "UPDATE rule_sets SET sealed = (SELECT sealed FROM rule_sets WHERE revision = 1)
                WHERE revision = 2",
            "UPDATE rule_drafts SET sealed = (SELECT sealed FROM rule_drafts WHERE name = 'a')
                WHERE name = 'b'",
        ] {
            let place = place.another().await;
            let store = place.open().await;
            let both = vec![change("rule", "a", body("1")), change("rule", "b", body("2"))];
            assert_eq!(draft(&store, both, 0).await, Some(1));
            for seen in [1, 2] {
                assert!(publish(&store, set("s", &[]), seen).await.is_some());
            }
            store.close().await;
            place.tamper(tampered).await;
            let store = place.open().await;
            let error = store.rules().await.expect_err("not its own");
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
            assert!(store.rule_set(1).await.expect("opens").is_some());
            store.close().await;
            place.drop_schema().await;
        }
    }
}
