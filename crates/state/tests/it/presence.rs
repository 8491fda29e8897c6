//! How agents stand is kept by one node at a time, with its story, and outlives a restart.

use crate::place::Place;
use domain::Timestamp;
use domain::presence::{By, Decided, Kept, Shown, Side};
use state::Store;
use state::audit::Act;
use state::presence::{Line, NewKept, TeamHold, Who};
use std::collections::BTreeMap;
use std::time::Duration;

crate::facts! {
    one_node_holds_a_team_and_who_has_lost_it_keeps_nothing
    a_pause_is_written_down_once_with_who_wants_it
    who_held_a_team_of_a_store_of_ours_alone_has_died
    a_story_is_read_from_its_end_and_forgotten_from_its_beginning
}

const MINUTE: Duration = Duration::from_secs(60);

fn on_queue(agent: &str) -> NewKept {
    let kept = Kept {
        shown: [Some(Shown { status: "on_queue".into(), version: 3 }), None],
        goals: [Some("on_queue".into()), Some("busy".into())],
        decided: Some(Decided { by: By::AgentInCenter, at: Timestamp(5) }),
        number: 1,
        ..Kept::default()
    };
    let told =
        |what, side| Line { what, side: Some(side), status: Some("busy".into()), note: None };
    let lines = vec![told("acted", Side::Center), told("told", Side::Crm)];
    let since = [Some(Timestamp(7)), None];
    NewKept { agent: agent.to_owned(), crm_agent: format!("005{agent}"), kept, since, lines }
}

async fn keep(store: &Store, hold: &TeamHold, agent: &str, now: i64) -> bool {
    store.keep_agents(hold, vec![on_queue(agent)], Timestamp(now)).await.expect("kept")
}

async fn hold(store: &Store, now: i64) -> (TeamHold, bool) {
    let hold = TeamHold::new("support").expect("a hold");
    let is_held = store.hold_team(&hold, MINUTE, Timestamp(now)).await.expect("held");
    (hold, is_held)
}

async fn who_held_a_team_of_a_store_of_ours_alone_has_died(place: Place) {
    let store = place.open().await;
    let (first, _) = hold(&store, 0).await;
    store.free_team("support").await.expect("freed");
    let (_, is_ours) = hold(&store, 1).await;
    assert_eq!(is_ours, !store.is_shared(), "another node may well be alive");
    assert_eq!(keep(&store, &first, "ann", 2).await, store.is_shared());
}

async fn one_node_holds_a_team_and_who_has_lost_it_keeps_nothing(place: Place) {
    let store = place.open().await;
    let (first, is_first) = hold(&store, 0).await;
    assert!(is_first && keep(&store, &first, "ann", 1).await);
    let (second, is_second) = hold(&store, 59_999).await;
    assert!(!is_second && !keep(&store, &second, "bob", 2).await, "another has it");
    assert!(store.hold_team(&first, MINUTE, Timestamp(59_999)).await.expect("held on"));
    assert!(!store.hold_team(&second, MINUTE, Timestamp(60_001)).await.expect("refused"));
    assert!(store.hold_team(&second, MINUTE, Timestamp(119_999)).await.expect("taken"));
    assert!(!keep(&store, &first, "bob", 120_000).await, "it was taken over");
    assert!(!store.hold_team(&first, MINUTE, Timestamp(120_000)).await.expect("refused"));
    store.let_team_go(&first).await.expect("nothing to let go");
    assert!(keep(&store, &second, "eve", 120_001).await, "who has lost it lets nothing go");
    store.let_team_go(&second).await.expect("let go");
    assert!(hold(&store, 120_002).await.1, "nobody waits for what was let go");
    let agents = store.kept_agents("support").await.expect("read");
    let agents: Vec<&str> = agents.iter().map(|one| one.agent.as_str()).collect();
    assert_eq!(agents, ["ann", "eve"]);
    assert!(store.kept_agents("sales").await.expect("read").is_empty());
}

async fn a_pause_is_written_down_once_with_who_wants_it(place: Place) {
    let store = place.open().await;
    let ann = Who::Agent("ann".to_owned());
    let pause = |who: Who, is_paused: bool| {
        let store = store.clone();
        async move {
            let act = Act {
                actor: "key-1".to_owned(),
                action: "presence.paused",
                subject: "support".to_owned(),
                details: BTreeMap::new(),
            };
            let change = store.pause_presence(("support", &who), is_paused, act, Timestamp(4));
            change.await.expect("changed")
        }
    };
    assert!(pause(ann.clone(), true).await);
    assert!(!pause(ann.clone(), true).await, "it was so already");
    assert!(pause(Who::Team, true).await);
    let pauses = store.presence_pauses().await.expect("read");
    let told: Vec<_> = pauses.iter().map(|one| (&one.who, one.by.as_str(), one.at.0)).collect();
    assert_eq!(told, [(&Who::Team, "key-1", 4), (&ann, "key-1", 4)]);
    assert!(pause(Who::Team, false).await && !pause(Who::Team, false).await);
    assert_eq!(store.presence_pauses().await.expect("read").len(), 1);
    let entries = store.audit_entries(None, 10).await.expect("read");
    assert_eq!(entries.len(), 3, "what changed nothing is not written down");
}

async fn a_story_is_read_from_its_end_and_forgotten_from_its_beginning(place: Place) {
    let store = place.open().await;
    let (held, _) = hold(&store, 0).await;
    for now in [10, 20, 30] {
        assert!(keep(&store, &held, "ann", now).await && keep(&store, &held, "bob", now).await);
    }
    let newest = store.presence_story("support", "ann", None, 3).await.expect("read");
    let told: Vec<_> = newest.iter().map(|line| (line.at.0, line.what.as_str())).collect();
    assert_eq!(told, [(30, "told"), (30, "acted"), (20, "told")]);
    assert_eq!(newest[0].side, Some(Side::Crm));
    let older = store.presence_story("support", "ann", Some(newest[2].id), 100).await;
    assert_eq!(older.expect("read").len(), 3);
    assert_eq!(store.forget_presence(Timestamp(30)).await.expect("forgotten"), 8);
    assert_eq!(store.forget_presence(Timestamp(30)).await.expect("forgotten"), 0);
    let left = store.presence_story("support", "ann", None, 100).await.expect("read");
    assert_eq!(left.len(), 2);
}

mod lasting {
    use super::{hold, keep, on_queue};
    use crate::place::Place;
    use domain::Timestamp;

    crate::lasting_facts! {
        how_agents_stand_outlives_a_restart
    }

    async fn how_agents_stand_outlives_a_restart(place: Place) {
        let store = place.open().await;
        let (held, _) = hold(&store, 0).await;
        assert!(keep(&store, &held, "ann", 7).await);
        store.close().await;
        let store = place.open().await;
        let agents = store.kept_agents("support").await.expect("read");
        assert_eq!(agents.len(), 1);
        assert_eq!(agents[0].kept, on_queue("ann").kept);
        assert_eq!((agents[0].crm_agent.as_str(), agents[0].updated_at), ("005ann", Timestamp(7)));
    }
}
