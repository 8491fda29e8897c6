//! What is Salesforce's own about agents: statuses, presence and work in Omni-Channel, by the
//! Pub/Sub API and without it.

use crate::rig::Rig;
use connectors::salesforce::sim::{Config, Permissions, Salesforce, WorkAct};
use connectors::salesforce::simulate;
use domain::presence::{Kind, Work};
use kit::Error;
use kit::presence::{Presence, Seen, Told};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Longer than anything here takes, the slowest machine included.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn org(config: Config) -> (Rig<Salesforce>, Arc<dyn Presence>) {
    let keepalive = Duration::from_millis(50);
    let (org, logins) =
        simulate::with_logins(Config { keepalive, ..config }).await.expect("a port");
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let presence = rig.open().await.presence.expect("presence");
    (rig, presence)
}

async fn agent(name: &str) -> (Rig<Salesforce>, Arc<dyn Presence>, String) {
    let (rig, presence) = org(Config::default()).await;
    let agent = add(&rig.simulator, name);
    (rig, presence, agent)
}

fn add(org: &Salesforce, name: &str) -> String {
    let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
    org.add_agent(name, &email).expect("added")
}

async fn read(presence: &Arc<dyn Presence>, agent: &str) -> Seen {
    let mut read = presence.read(&[agent.to_owned()]).await.expect("read");
    read.remove(0).expect("an agent")
}

/// What is told to one who follows, in the background.
fn follow(
    presence: &Arc<dyn Presence>,
    agents: &[String],
) -> (mpsc::Receiver<Told>, JoinHandle<Result<(), Error>>) {
    let (to, told) = mpsc::channel(16);
    let (presence, agents) = (Arc::clone(presence), agents.to_vec());
    let following = tokio::spawn(async move { presence.follow(&agents, false, to).await });
    (told, following)
}

async fn next(told: &mut mpsc::Receiver<Told>) -> Told {
    let next = tokio::time::timeout(PATIENCE, told.recv()).await.expect("something is told");
    next.expect("it goes on")
}

/// Until it is told that something happened to these; gaps say so as well.
async fn until_changed(told: &mut mpsc::Receiver<Told>, wanted: &[&String]) {
    let mut left: HashSet<&str> = wanted.iter().map(|id| id.as_str()).collect();
    while !left.is_empty() {
        match next(told).await {
            Told::Changed(ids) | Told::Gap(ids) => left.retain(|id| !ids.iter().any(|is| is == id)),
            other => panic!("{other:?} is not told here"),
        }
    }
}

/// Until these, and nobody else, are told as changed, whatever gaps come before.
async fn until_told_alone(told: &mut mpsc::Receiver<Told>, wanted: &String) {
    loop {
        match next(told).await {
            Told::Gap(_) => {}
            Told::Changed(ids) => return assert_eq!(ids, std::slice::from_ref(wanted)),
            other => panic!("{other:?} is not told here"),
        }
    }
}

#[tokio::test]
async fn a_status_is_one_of_work_where_it_is_online_for_a_channel() {
    let (rig, presence) = org(Config::default()).await;
    let statuses = presence.statuses().await.expect("statuses");
    let kind = |name: &str| {
        let found = statuses.iter().find(|status| status.name == name);
        found.map(|status| (status.kind, status.id.to_string())).expect(name)
    };
    let id = |name: &str| rig.simulator.status(name).expect(name);
    assert_eq!(kind("Available"), (Kind::Work, id("Online")));
    assert_eq!(kind("Available for chat"), (Kind::Work, id("Chat")));
    for name in ["Busy", "Lunch", "Transition", "Training"] {
        assert_eq!(kind(name), (Kind::NoWork, id(name)));
    }
    assert_eq!(kind("Offline"), (Kind::Offline, "offline".to_owned()));
    assert_eq!(statuses.len(), 7);
    assert!(presence.is_set_by_console());
}

#[tokio::test]
async fn active_users_are_agents_by_their_names_and_profiles() {
    let (rig, presence, ann) = agent("Ann Lee").await;
    rig.simulator.update(&ann, &json!({ "FederationIdentifier": "ann@acme" })).expect("changed");
    let gone = add(&rig.simulator, "Gone Away");
    rig.simulator.update(&gone, &json!({ "IsActive": false })).expect("changed");
    let agents = presence.agents().await.expect("agents");
    let found = agents.iter().find(|agent| agent.id == ann).expect("Ann");
    assert_eq!(
        (found.name.as_str(), found.email.as_deref()),
        ("Ann Lee", Some("ann.lee@example.com"))
    );
    assert_eq!(found.aliases, ["ann.lee@example.com", "ann@acme"]);
    assert_eq!(found.groups, ["Support Agent"]);
    assert!(agents.iter().all(|agent| agent.id != gone));
    assert!(!format!("{found:?}").contains("ann"), "a name is hidden: {found:?}");
}

#[tokio::test]
async fn what_may_not_be_seen_of_agents_is_left_out_unless_it_is_needed() {
    let (rig, presence, ann) = agent("Ann Lee").await;
    let hide = |field: &str| {
        let hidden_fields = HashSet::from([field.to_owned()]);
        rig.simulator.set_permissions(Permissions { hidden_fields, ..Permissions::default() });
    };
    for (field, groups) in [("User.FederationIdentifier", 1), ("Profile.Name", 0)] {
        hide(field);
        let agents = presence.agents().await.expect("agents");
        let found = agents.iter().find(|agent| agent.id == ann).expect("Ann");
        assert_eq!((found.aliases.len(), found.groups.len()), (1, groups), "{field}");
    }
    hide("User.Username");
    let refused = presence.agents().await.expect_err("hidden");
    assert!(matches!(&refused, Error::Forbidden { missing } if missing.contains("Username")));
}

#[tokio::test]
async fn more_agents_than_a_page_holds_are_all_there() {
    let (rig, presence) = org(Config { batch: 300, ..Config::default() }).await;
    let all: HashSet<String> =
        (0..2_100).map(|at| add(&rig.simulator, &format!("Agent N{at}"))).collect();
    let agents = presence.agents().await.expect("agents");
    let ids: HashSet<String> = agents.iter().map(|agent| agent.id.clone()).collect();
    assert!(ids.len() == agents.len() && all.is_subset(&ids), "{}", agents.len());
}

#[tokio::test]
async fn many_are_read_at_once_in_their_order() {
    let (rig, presence) = org(Config::default()).await;
    let all: Vec<String> = (0..320).map(|at| add(&rig.simulator, &format!("A N{at}"))).collect();
    let of = ["Online", "Busy", "Chat"];
    for (at, agent) in all.iter().enumerate() {
        if let Some(status) = of.get(at % 4) {
            rig.simulator.agent_sets(agent, status).expect("set");
        }
        if at % 4 == 0 {
            rig.simulator.offer_work(agent).expect("offered");
        }
    }
    for round in 0..2 {
        rig.faults().requests().clear();
        let read = presence.read(&all).await.expect("read");
        for (at, seen) in read.into_iter().enumerate() {
            let seen = seen.expect("an agent");
            let status = of
                .get(at % 4)
                .map_or("offline".to_owned(), |name| rig.simulator.status(name).expect("a status"));
            let work = if at % 4 == 0 { Work::Handling } else { Work::Free };
            assert_eq!((seen.status.as_str(), seen.work), (status.as_str(), work), "{at}");
            assert_eq!(seen.version == 0, at % 4 == 3, "who was never there has none");
        }
        let (_, requests) = rig.requests();
        assert!(requests <= if round == 0 { 60 } else { 6 }, "{requests}");
    }
}

#[tokio::test]
async fn who_is_no_active_user_is_no_agent() {
    let (rig, presence, ann) = agent("Ann").await;
    rig.simulator.update(&ann, &json!({ "IsActive": false })).expect("changed");
    let agents = [ann, "0055g00000ABCdEAAX".to_owned(), "nonsense'".to_owned()];
    assert_eq!(presence.read(&agents).await.expect("read"), [const { Err(Error::NotFound) }; 3]);
}

#[tokio::test]
async fn what_happens_in_one_second_has_versions_that_grow_and_hold_after_a_restart() {
    let (rig, presence, ann) = agent("Ann").await;
    let org = &rig.simulator;
    let mut last = read(&presence, &ann).await;
    assert_eq!((last.status.as_str(), last.version), ("offline", 0));
    for at in 0..24 {
        match at % 3 {
            0 => org.agent_sets(&ann, "Online").expect("set"),
            1 => org.agent_sets(&ann, "Busy").expect("set"),
            _ => org.agent_logs_out(&ann).expect("out"),
        }
        let seen = read(&presence, &ann).await;
        assert!(seen.version > last.version, "{at}: {seen:?} after {last:?}");
        assert_eq!(read(&presence, &ann).await, seen, "the same is told alike");
        let restarted = rig.open().await.presence.expect("presence");
        assert_eq!(read(&restarted, &ann).await.version, seen.version, "{at}");
        last = seen;
    }
}

#[tokio::test]
async fn what_began_long_ago_has_its_version_after_a_restart() {
    let (rig, presence) = org(Config::default()).await;
    let agents: Vec<String> =
        ["Ann", "Bob", "Cid", "Dan"].map(|name| add(&rig.simulator, name)).to_vec();
    let showed = |at: usize, began: u32, ended: Option<u32>| {
        let ended = ended.map(|days| DAY * days);
        let shown = rig.simulator.agent_showed(&agents[at], "Busy", DAY * began, ended);
        shown.expect("shown");
    };
    // Busy for three days; out since a week, and since a year, after several shifts.
    showed(0, 3, None);
    showed(1, 9, Some(8));
    showed(1, 8, Some(7));
    showed(2, 401, Some(400));
    showed(2, 366, Some(365));
    let read = presence.read(&agents).await.expect("read");
    let read: Vec<Seen> = read.into_iter().map(|seen| seen.expect("an agent")).collect();
    let ages = [3, 7, 365].map(|days| DAY * days);
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    for (seen, age) in read.iter().zip(ages) {
        let since = now - Duration::from_millis(seen.version);
        assert!(since > age - DAY / 24 && since < age + DAY / 24, "{since:?} for {age:?}");
    }
    assert_eq!((read[3].status.as_str(), read[3].version), ("offline", 0));
    let restarted = rig.open().await.presence.expect("presence");
    let again = restarted.read(&agents).await.expect("read");
    let versions = |all: &[Seen]| all.iter().map(|seen| seen.version).collect::<Vec<_>>();
    let again: Vec<Seen> = again.into_iter().flatten().collect();
    assert_eq!(versions(&again), versions(&read));
    // Whoever comes back is newer than all that.
    rig.simulator.agent_sets(&agents[2], "Online").expect("set");
    let back = restarted.read(&agents[2..3]).await.expect("read").remove(0).expect("an agent");
    assert!(back.version > read[2].version);
}

#[tokio::test]
async fn work_is_handled_from_its_offer_to_its_close() {
    let (rig, presence, ann) = agent("Ann").await;
    let org = &rig.simulator;
    org.offer_work(&ann).expect_err("nobody is there");
    org.agent_sets(&ann, "Lunch").expect("set");
    org.offer_work(&ann).expect_err("no work at lunch");
    org.agent_sets(&ann, "Online").expect("set");
    let mut last = read(&presence, &ann).await;
    assert_eq!(last.work, Work::Free);
    let work = org.offer_work(&ann).expect("offered");
    for (act, expected) in [
        (None, Work::Handling),
        (Some(WorkAct::Accept), Work::Handling),
        (Some(WorkAct::Close), Work::Free),
    ] {
        if let Some(act) = act {
            org.work_act(&work, act).expect("done");
        }
        let seen = read(&presence, &ann).await;
        assert_eq!(seen.work, expected, "{act:?}");
        assert!(seen.work_version > last.work_version, "{act:?}: {seen:?} after {last:?}");
        assert_eq!(seen.version, last.version, "the status is the same");
        let restarted = rig.open().await.presence.expect("presence");
        assert_eq!(read(&restarted, &ann).await.work_version, seen.work_version, "{act:?}");
        last = seen;
    }
}

#[tokio::test]
async fn work_that_was_declined_is_missed_until_the_next_status_or_the_next_work() {
    for act in [WorkAct::Decline, WorkAct::TimeOut] {
        let (rig, presence, ann) = agent("Ann").await;
        let org = &rig.simulator;
        org.agent_sets(&ann, "Online").expect("set");
        let work = org.offer_work(&ann).expect("offered");
        let handling = read(&presence, &ann).await;
        org.work_act(&work, act).expect("done");
        let missed = read(&presence, &ann).await;
        assert_eq!((handling.work, missed.work), (Work::Handling, Work::Missed), "{act:?}");
        assert!(missed.work_version > handling.work_version);
        let restarted = rig.open().await.presence.expect("presence");
        let again = read(&restarted, &ann).await;
        assert_eq!((again.work, again.work_version), (Work::Missed, missed.work_version));
        let next = org.offer_work(&ann).expect("offered");
        let taken = read(&presence, &ann).await;
        assert!(taken.work == Work::Handling && taken.work_version > missed.work_version);
        org.work_act(&next, WorkAct::Accept).expect("done");
        org.work_act(&next, WorkAct::Close).expect("done");
        let free = read(&presence, &ann).await;
        assert!(free.work == Work::Free && free.work_version > taken.work_version, "{free:?}");
    }
}

#[tokio::test]
async fn work_that_goes_elsewhere_with_who_logs_out_is_at_hand_no_more() {
    let (rig, presence, ann) = agent("Ann").await;
    rig.simulator.agent_sets(&ann, "Online").expect("set");
    rig.simulator.offer_work(&ann).expect("offered");
    let handling = read(&presence, &ann).await;
    rig.simulator.agent_logs_out(&ann).expect("out");
    let out = read(&presence, &ann).await;
    assert_eq!((out.status.as_str(), out.work), ("offline", Work::Free));
    assert!(out.version > handling.version && out.work_version > handling.work_version);
}

#[tokio::test]
async fn what_happens_is_told_by_change_events() {
    let (rig, presence, ann) = agent("Ann").await;
    let bob = add(&rig.simulator, "Bob");
    let stranger = add(&rig.simulator, "Stranger");
    let agents = [ann.clone(), bob.clone()];
    let (mut told, _following) = follow(&presence, &agents);
    assert_eq!(next(&mut told).await, Told::Gap(agents.to_vec()));
    rig.simulator.agent_sets(&ann, "Online").expect("set");
    until_changed(&mut told, &[&ann]).await;
    rig.simulator.offer_work(&ann).expect("offered");
    until_changed(&mut told, &[&ann]).await;
    // Both subscriptions have told their places by now.
    rig.simulator.agent_sets(&stranger, "Online").expect("set");
    rig.simulator.agent_sets(&bob, "Busy").expect("set");
    until_told_alone(&mut told, &bob).await;
    rig.simulator.agent_logs_out(&ann).expect("out");
    until_told_alone(&mut told, &ann).await;
    let asked = rig.faults().requests().log();
    let polls = asked.iter().filter(|seen| seen.target.contains("ORDER+BY+SystemModstamp%2C"));
    assert_eq!(polls.count(), 0, "nothing is asked again and again");
}

#[tokio::test]
async fn a_stream_that_is_lost_is_a_gap_and_goes_on() {
    let (rig, presence, ann) = agent("Ann").await;
    let agents = [ann.clone()];
    let (mut told, _following) = follow(&presence, &agents);
    rig.simulator.agent_sets(&ann, "Online").expect("set");
    until_changed(&mut told, &[&ann]).await;
    rig.simulator.offer_work(&ann).expect("offered");
    until_changed(&mut told, &[&ann]).await;
    rig.simulator.agent_sets(&ann, "Busy").expect("set");
    until_told_alone(&mut told, &ann).await;
    rig.simulator.expire_events();
    assert_eq!(next(&mut told).await, Told::Gap(agents.to_vec()));
    // Each object's stream comes back in its own time: what happens before lies in its gap.
    for status in ["Lunch", "Busy", "Lunch"] {
        rig.simulator.agent_sets(&ann, status).expect("set");
        match next(&mut told).await {
            Told::Gap(_) => {}
            told => return assert_eq!(told, Told::Changed(agents.to_vec())),
        }
    }
    panic!("two streams have more than two gaps");
}

#[tokio::test]
async fn an_org_that_tells_nothing_of_presence_is_asked_instead() {
    let captured = vec!["Contact".to_owned()];
    let (rig, presence) = org(Config { captured, ..Config::default() }).await;
    let (ann, bob) = (add(&rig.simulator, "Ann"), add(&rig.simulator, "Bob"));
    let agents = [ann.clone(), bob.clone()];
    let (mut told, _following) = follow(&presence, &agents);
    assert_eq!(next(&mut told).await, Told::Gap(agents.to_vec()));
    rig.simulator.agent_sets(&ann, "Online").expect("set");
    until_changed(&mut told, &[&ann]).await;
    rig.simulator.agent_sets(&bob, "Busy").expect("set");
    until_told_alone(&mut told, &bob).await;
    rig.simulator.offer_work(&ann).expect("offered");
    until_told_alone(&mut told, &ann).await;
}

#[tokio::test]
async fn who_may_not_read_presence_is_told_so_for_good() {
    let (rig, presence, ann) = agent("Ann").await;
    let hidden_objects = HashSet::from(["UserServicePresence".to_owned()]);
    rig.simulator.set_permissions(Permissions { hidden_objects, ..Permissions::default() });
    let is_named = |error: &Error| matches!(error, Error::Forbidden { missing } if missing == "UserServicePresence");
    let refused = presence.read(std::slice::from_ref(&ann)).await.expect_err("hidden");
    assert!(is_named(&refused), "{refused}");
    let (mut told, following) = follow(&presence, &[ann]);
    while tokio::time::timeout(PATIENCE, told.recv()).await.expect("it ends").is_some() {}
    let ended = following.await.expect("no panic").expect_err("refused");
    assert!(is_named(&ended), "{ended}");
}

#[tokio::test]
async fn a_check_warns_of_presence_that_cannot_be_read_where_the_org_has_omni_channel() {
    let (rig, _) = org(Config::default()).await;
    let flaws = || async {
        let found = rig.open().await.check.check().await;
        let flaws = found.into_iter().filter_map(|finding| finding.outcome.err());
        flaws.map(|flaw| (flaw.is_warning(), flaw.message)).collect::<Vec<_>>()
    };
    let hide = |objects: &[&str]| {
        let hidden_objects = objects.iter().map(|name| (*name).to_owned()).collect();
        rig.simulator.set_permissions(Permissions { hidden_objects, ..Permissions::default() });
    };
    assert_eq!(flaws().await, []);
    for object in ["UserServicePresence", "AgentWork"] {
        hide(&[object]);
        let found = flaws().await;
        assert!(found.len() == 1 && found[0].0 && found[0].1.contains(object), "{found:?}");
    }
    hide(&["ServicePresenceStatus", "UserServicePresence", "AgentWork"]);
    assert_eq!(flaws().await, [], "an org without Omni-Channel");
}

#[tokio::test]
async fn presence_is_told_whatever_channel_the_syncs_have() {
    let change_channel = Some(("Tieline__chn".to_owned(), vec!["Contact".to_owned()]));
    let config = Config { change_channel, ..Config::default() };
    let (org, mut logins) = simulate::with_logins(config).await.expect("a port");
    for login in &mut logins {
        login.plain.insert("change_channel".to_owned(), "Tieline__chn".into());
    }
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let presence = rig.open().await.presence.expect("presence");
    let ann = add(&rig.simulator, "Ann");
    let (mut told, _following) = follow(&presence, std::slice::from_ref(&ann));
    for status in ["Online", "Busy"] {
        rig.simulator.agent_sets(&ann, status).expect("set");
        until_changed(&mut told, &[&ann]).await;
    }
    rig.simulator.agent_sets(&ann, "Lunch").expect("set");
    until_told_alone(&mut told, &ann).await;
}

#[tokio::test]
async fn nobody_but_the_console_sets_a_status() {
    let (rig, presence, ann) = agent("Ann").await;
    rig.simulator.agent_sets(&ann, "Online").expect("set");
    let before = read(&presence, &ann).await;
    let busy = rig.simulator.status("Busy").expect("a status");
    let wanted = [(ann.clone(), busy.as_str().into())];
    assert!(matches!(presence.set(&wanted).await, Err(Error::Invalid { .. })));
    let writes = rig.open().await.writes.expect("writes");
    let fields = json!({ "UserId": ann, "ServicePresenceStatusId": busy });
    let fields = fields.as_object().cloned().expect("fields");
    let fields = fields.into_iter().collect();
    let refused = writes.create("UserServicePresence", ("Name", "1"), &fields).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    assert_eq!(read(&presence, &ann).await, before, "and nothing came of it");
    assert_eq!(rig.simulator.count("UserServicePresence"), 1);
}
