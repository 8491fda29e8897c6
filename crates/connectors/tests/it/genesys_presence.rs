//! Agents of the simulated Genesys Cloud: who they are, what they show and have at hand,
//! setting it, and being told of it whatever befalls the channels.

use crate::genesys::as_described;
use crate::logs;
use crate::rig::Rig;
use ::sim::faults::{Fault, Rule};
use connectors::genesys_cloud::sim::{self, Act, Config, EventFault, GenesysCloud};
use connectors::genesys_cloud::simulate::{self, Times};
use domain::presence::{Kind, StatusId, Work};
use kit::presence::Told;
use kit::{Capabilities, Connector, Error, Opening, Presence};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Times of a test: what is silent for half a second is asked, and lost soon after.
fn hurried(opening: Opening) -> Result<Capabilities, Error> {
    let times = Times {
        ping_after: Duration::from_millis(500),
        pong_within: Duration::from_millis(500),
        pause_first: Duration::from_millis(20),
        pause_most: Duration::from_millis(100),
        ..Times::default()
    };
    simulate::open_in(opening, times)
}

/// Whoever waits by themselves waits for longer than any test.
fn patient(opening: Opening) -> Result<Capabilities, Error> {
    let pause = Duration::from_hours(1);
    let times = Times { pause_first: pause, pause_most: pause, ..Times::default() };
    simulate::open_in(opening, Times { pause_least: Duration::ZERO, ..times })
}

async fn rig_of(config: Config) -> Rig<GenesysCloud> {
    rig_opened_by(hurried, config).await
}

async fn rig_opened_by(
    open: fn(Opening) -> Result<Capabilities, Error>,
    config: Config,
) -> Rig<GenesysCloud> {
    let organization = sim::start(config).await.expect("a port");
    let login = simulate::login(&organization);
    let manifest = connectors::by_name("genesys_cloud").expect("Genesys Cloud").manifest;
    let connector = Connector { manifest, open };
    Rig::new(connector, Box::new(organization), vec![login], simulate::API)
}

/// An organization whose platform lets a test ask as often as it likes.
async fn rig() -> Rig<GenesysCloud> {
    rig_of(Config { rate_per_minute: 10_000, ..Config::default() }).await
}

fn presence(connection: &Capabilities) -> Arc<dyn Presence> {
    Arc::clone(connection.presence.as_ref().expect("presence"))
}

fn ids(rig: &Rig<GenesysCloud>) -> Vec<String> {
    rig.simulator.config().agents.iter().map(|agent| agent.0.clone()).collect()
}

fn status(rig: &Rig<GenesysCloud>, name: &str) -> StatusId {
    StatusId::from(rig.simulator.definition(name).expect(name).as_str())
}

fn shows(rig: &Rig<GenesysCloud>, agent: &str) -> String {
    rig.simulator.agent_status(agent).expect("an agent").0
}

/// Somebody who follows.
struct Follower {
    told: mpsc::Receiver<Told>,
    following: JoinHandle<Result<(), Error>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Follower {
    fn of(connection: &Capabilities, agents: &[String], tells_after_call: bool) -> Self {
        let (to, told) = mpsc::channel(16);
        let (presence, agents) = (presence(connection), agents.to_vec());
        let following =
            tokio::spawn(async move { presence.follow(&agents, tells_after_call, to).await });
        Self { told, following }
    }

    async fn next(&mut self) -> Told {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("in time");
        told.expect("more to be told")
    }

    /// Everything up to what fits.
    async fn until(&mut self, fits: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            if all.last().is_some_and(&fits) {
                return all;
            }
        }
    }

    async fn gap(&mut self) -> Vec<String> {
        match self.until(|told| matches!(told, Told::Gap(_))).await.pop() {
            Some(Told::Gap(agents)) => agents,
            other => panic!("no gap: {other:?}"),
        }
    }

    async fn status(&mut self, agent: &str, status: &StatusId) -> u64 {
        let fits = |told: &Told| matches!(told, Told::Status { agent: a, status: s, .. } if a == agent && s == status);
        match self.until(fits).await.pop() {
            Some(Told::Status { version, .. }) => version,
            other => panic!("no status: {other:?}"),
        }
    }

    async fn work(&mut self, agent: &str, work: Work) -> u64 {
        let fits = |told: &Told| matches!(told, Told::Work { agent: a, work: w, .. } if a == agent && *w == work);
        match self.until(fits).await.pop() {
            Some(Told::Work { version, .. }) => version,
            other => panic!("no work: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_statuses_are_the_definitions_that_can_be_shown() {
    let rig = rig().await;
    let connection = rig.open().await;
    let told = presence(&connection).statuses().await.expect("statuses");
    let named = |name: &str| told.iter().find(|one| one.name == name);
    for (name, kind) in [
        ("On Queue", Kind::Work),
        ("On Queue, chat only", Kind::Work),
        ("Offline", Kind::Offline),
        ("Idle", Kind::System),
        ("Available", Kind::NoWork),
        ("Back office", Kind::NoWork),
    ] {
        let one = named(name).expect(name);
        assert_eq!((one.kind, &one.id), (kind, &status(&rig, name)));
    }
    assert_eq!(named("Fax duty"), None, "deactivated");
    assert_eq!(told.len(), 13);
    assert!(as_described(&rig) > 0);
}

#[tokio::test]
async fn agents_are_read_to_the_last_page_with_what_they_belong_to() {
    let rig = rig().await;
    let ann = ids(&rig)[0].clone();
    for n in 0..100 {
        rig.simulator.add_agent(&format!("Person {n:03}"), &format!("person{n}@example.com"));
    }
    let away = rig.simulator.add_agent("Gone", "gone@example.com");
    rig.simulator.set_agent_state(&away, "inactive");
    let group = json!({ "id": "00000000-9409-4000-9000-000000000001", "name": "Gold" });
    let division = json!({ "id": "00000000-d140-4000-9000-000000000001", "name": "East" });
    let place = json!({
        "department": "Service", "groups": [group], "division": division,
        "team": { "id": "00000000-7ea4-4000-9000-000000000001", "name": "Team A" },
    });
    rig.simulator.place_agent(&ann, place);
    let connection = rig.open().await;
    let agents = presence(&connection).agents().await.expect("agents");
    assert_eq!(agents.len(), 103);
    assert!(agents.iter().all(|agent| agent.id != away));
    let own = agents.iter().find(|agent| agent.id == ann).expect("Ann");
    assert_eq!(own.name, "Ann Agent");
    assert_eq!(own.email.as_deref(), Some("ann.agent@example.com"));
    assert_eq!(own.aliases, ["ann.agent@example.com"]);
    assert_eq!(own.groups, ["Service", "East", "Team A", "Gold"]);
    as_described(&rig);
    rig.simulator.take_permission("directory:group:view");
    let agents = presence(&connection).agents().await.expect("agents");
    let own = agents.iter().find(|agent| agent.id == ann).expect("Ann");
    assert_eq!(own.groups, ["Service", "East", "Team A"], "what we may see");
}

#[tokio::test]
async fn what_an_authority_calls_an_agent_is_told_by_its_exact_name() {
    let rig = rig().await;
    let agents = ids(&rig);
    assert!(rig.simulator.name_agent(&agents[0], "salesforce", "0055g00000A"));
    assert!(rig.simulator.name_agent(&agents[0], "Salesforce", "0055g00000B"));
    let connection = rig.open().await;
    let mut asked = agents[..2].to_vec();
    asked.push("11111111-2222-4333-8444-555555555555".to_owned());
    let known = presence(&connection).known_as("salesforce", &asked).await.expect("asked");
    assert_eq!(known, [vec!["0055g00000A".to_owned()], vec![], vec![]]);
    as_described(&rig);
}

#[tokio::test]
async fn many_are_read_in_as_few_requests_as_there_are_hundreds() {
    let rig = rig().await;
    let mut agents = ids(&rig);
    for n in 0..198 {
        agents.push(rig.simulator.add_agent(&format!("P {n}"), &format!("p{n}@example.com")));
    }
    rig.simulator.agent_sets(&agents[0], "On Queue").expect("set");
    rig.simulator.set_agent_state(&agents[1], "inactive");
    let last = agents[200].clone();
    assert!(rig.simulator.agent_sets(&last, "On Queue").is_ok());
    assert!(
        rig.simulator.agent_act(&last, Act::Offer) && rig.simulator.agent_act(&last, Act::Miss)
    );
    let mut asked = agents.clone();
    asked.extend(["nobody".to_owned(), "11111111-2222-4333-8444-555555555555".to_owned()]);
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    let seen = presence(&connection).read(&asked).await.expect("read");
    assert_eq!(rig.requests().1 - before, 3, "202 ids, a hundred at a time");
    assert_eq!(seen.len(), asked.len());
    let ann = seen[0].as_ref().expect("Ann");
    assert_eq!((&ann.status, ann.work), (&status(&rig, "On Queue"), Work::Free));
    assert!(ann.version > 1_700_000_000_000 && ann.work_version >= ann.version, "milliseconds");
    assert_eq!(seen[200].as_ref().ok().map(|one| one.work), Some(Work::Missed));
    assert_eq!(&seen[2].as_ref().expect("Cleo").status, &status(&rig, "Offline"));
    assert_eq!([&seen[1], &seen[201], &seen[202]], [&Err(Error::NotFound); 3]);
    as_described(&rig);
}

#[tokio::test]
async fn whoever_follows_is_told_of_a_gap_then_of_status_and_work() {
    let rig = rig().await;
    let agents = ids(&rig);
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &agents, false);
    assert_eq!(follower.next().await, Told::Gap(agents.clone()));
    let ann = &agents[0];
    rig.simulator.agent_sets(ann, "On Queue").expect("set");
    let version = follower.status(ann, &status(&rig, "On Queue")).await;
    let since = follower.work(ann, Work::Free).await;
    assert!(rig.simulator.agent_act(ann, Act::Offer) && rig.simulator.agent_act(ann, Act::Accept));
    let handling = follower.work(ann, Work::Handling).await;
    assert!(handling > since);
    let seen = presence(&connection).read(&agents[..1]).await.expect("read");
    let seen = seen[0].as_ref().expect("Ann");
    assert_eq!((seen.version, seen.work_version), (version, handling), "one count for both");
    rig.simulator.spoil_event(&format!("v2.users.{ann}.activity"), EventFault::Double);
    rig.simulator.agent_sets(&agents[1], "Away").expect("set");
    follower.status(&agents[1], &status(&rig, "Away")).await;
    as_described(&rig);
}

#[tokio::test]
async fn one_is_set_alone_and_many_in_one_request() {
    let rig = rig().await;
    let agents = ids(&rig);
    let connection = rig.open().await;
    let presence = presence(&connection);
    let (_, before) = rig.requests();
    let wanted = [(agents[0].clone(), status(&rig, "On Queue"))];
    let version = presence.set(&wanted).await.expect("tried").remove(0).expect("set");
    let many: Vec<_> = agents.iter().map(|id| (id.clone(), status(&rig, "Busy"))).collect();
    let outcomes = presence.set(&many).await.expect("tried");
    assert_eq!(rig.requests().1 - before, 2);
    let seen = presence.read(&agents).await.expect("read");
    for (outcome, seen) in outcomes.iter().zip(&seen) {
        let seen = seen.as_ref().expect("an agent");
        assert_eq!((outcome, &seen.status), (&Ok(Some(seen.version)), &status(&rig, "Busy")));
    }
    // Whoever was set before has now changed again.
    assert!(seen[0].as_ref().ok().map(|seen| seen.version) > version);
    assert!(presence.set_max() >= many.len());
    as_described(&rig);
}

#[tokio::test]
async fn one_who_cannot_be_set_does_not_keep_the_others_from_it() {
    let rig = rig().await;
    let agents = ids(&rig);
    let connection = rig.open().await;
    let presence = presence(&connection);
    let to = |id: &str, name| (id.to_owned(), status(&rig, name));
    let wanted = [
        to(&agents[0], "Busy"),
        to("11111111-2222-4333-8444-555555555555", "Busy"),
        to(&agents[1], "Fax duty"),
        to("nobody", "Busy"),
        to(&agents[2], "Meal"),
    ];
    let outcomes = presence.set(&wanted).await.expect("tried");
    let kinds: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_or_else(Error::kind, |_| "set"))
        .collect();
    assert_eq!(kinds, ["set", "not_found", "invalid", "not_found", "set"]);
    assert_eq!([0, 1, 2].map(|n| shows(&rig, &agents[n])), ["Busy", "Offline", "Meal"]);
    rig.simulator.take_permission("presence:userPresence:edit");
    let error = presence.set(&wanted).await.expect_err("not permitted");
    assert_eq!(error, Error::Forbidden { missing: "presence:userPresence:edit".to_owned() });
}

#[tokio::test]
async fn who_missed_work_is_brought_back_and_who_missed_nothing_is_a_conflict() {
    let rig = rig().await;
    let ann = ids(&rig)[0].clone();
    let connection = rig.open().await;
    let presence = presence(&connection);
    assert_eq!(presence.bring_back(&ann).await.expect_err("off queue").kind(), "conflict");
    rig.simulator.agent_sets(&ann, "On Queue").expect("set");
    assert!(rig.simulator.agent_act(&ann, Act::Offer) && rig.simulator.agent_act(&ann, Act::Miss));
    presence.bring_back(&ann).await.expect("back");
    let seen = presence.read(std::slice::from_ref(&ann)).await.expect("read");
    assert_eq!(seen[0].as_ref().ok().map(|one| one.work), Some(Work::Free));
    assert!(rig.simulator.agent_act(&ann, Act::Offer));
    assert_eq!(presence.bring_back("nobody").await, Err(Error::NotFound));
    as_described(&rig);
}

#[tokio::test]
async fn after_call_work_is_told_apart_for_whoever_asks() {
    let rig = rig().await;
    let ann = ids(&rig)[..1].to_vec();
    let connection = rig.open().await;
    let work = async || {
        let seen = presence(&connection).read(&ann).await.expect("read");
        seen[0].as_ref().ok().map(|one| one.work)
    };
    let act = |act| assert!(rig.simulator.agent_act(&ann[0], act), "{act:?}");
    let acts = |acts: &[Act]| acts.iter().for_each(|one| act(*one));
    let mut follower = Follower::of(&connection, &ann, false);
    follower.gap().await;
    rig.simulator.agent_sets(&ann[0], "On Queue").expect("set");
    acts(&[Act::Offer, Act::Accept, Act::EndWithWork]);
    assert_eq!(work().await, Some(Work::Handling), "nobody asked");
    act(Act::End);
    drop(follower);

    let mut follower = Follower::of(&connection, &ann, true);
    follower.gap().await;
    acts(&[Act::Offer, Act::Accept]);
    follower.work(&ann[0], Work::Handling).await;
    assert_eq!(work().await, Some(Work::Handling));
    act(Act::EndWithWork);
    follower.until(|told| *told == Told::Changed(ann.clone())).await;
    assert_eq!(work().await, Some(Work::AfterCall));
    act(Act::End);
    follower.work(&ann[0], Work::Free).await;
    assert_eq!(work().await, Some(Work::Free));
    as_described(&rig);
}

/// How many channels were made so far.
fn channels(rig: &Rig<GenesysCloud>) -> usize {
    let log = rig.faults().requests().log();
    let made = |target: &str| target.ends_with("/notifications/channels");
    log.iter().filter(|seen| seen.method == "POST" && made(&seen.target)).count()
}

/// After a gap nothing is missed: neither what happened before it nor what happens now.
async fn goes_on(rig: &Rig<GenesysCloud>, connection: &Capabilities, follower: &mut Follower) {
    let agents = ids(rig);
    rig.simulator.agent_sets(&agents[0], "Away").expect("set");
    assert_eq!(follower.gap().await, agents);
    let seen = presence(connection).read(&agents[..1]).await.expect("read");
    assert_eq!(seen[0].as_ref().ok().map(|one| &one.status), Some(&status(rig, "Away")));
    rig.simulator.agent_sets(&agents[1], "Meal").expect("set");
    follower.status(&agents[1], &status(rig, "Meal")).await;
    rig.simulator.agent_sets(&agents[0], "Available").expect("set");
    rig.simulator.agent_sets(&agents[1], "Available").expect("set");
    follower.status(&agents[1], &status(rig, "Available")).await;
}

#[tokio::test]
async fn a_lost_socket_is_a_gap_and_nothing_is_missed() {
    let rig = rig().await;
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    assert_eq!(follower.gap().await, ids(&rig));
    for _ in 0..2 {
        rig.simulator.cut_sockets();
        goes_on(&rig, &connection, &mut follower).await;
    }
    assert_eq!(channels(&rig), 1, "the channel was still there");
    rig.simulator.expire_channels();
    goes_on(&rig, &connection, &mut follower).await;
    assert_eq!(channels(&rig), 2, "it was not any more");
    assert_eq!(rig.simulator.sockets(), 1);
}

#[tokio::test]
async fn a_socket_that_will_be_closed_is_left_for_another_one_of_its_channel() {
    let rig = rig().await;
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    follower.gap().await;
    rig.simulator.warn_sockets();
    goes_on(&rig, &connection, &mut follower).await;
    assert_eq!((channels(&rig), rig.simulator.sockets()), (1, 1));
}

#[tokio::test]
async fn a_network_that_died_without_a_word_is_noticed() {
    let rig = rig().await;
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    follower.gap().await;
    rig.simulator.mute_sockets();
    goes_on(&rig, &connection, &mut follower).await;
}

#[tokio::test]
async fn a_quiet_socket_that_answers_pings_is_kept() {
    let rig = rig().await;
    let connection = rig.open().await;
    let agents = ids(&rig);
    let mut follower = Follower::of(&connection, &agents, false);
    follower.gap().await;
    // Three silences, each longer than it takes to ask.
    let quiet = tokio::time::timeout(Duration::from_millis(1_700), follower.next()).await;
    assert!(quiet.is_err(), "nothing is told: {quiet:?}");
    rig.simulator.agent_sets(&agents[0], "Away").expect("set");
    assert!(matches!(follower.next().await, Told::Status { .. }), "over the same socket");
}

#[tokio::test]
async fn a_revoked_token_costs_a_channel_and_no_news() {
    let rig = rig().await;
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    follower.gap().await;
    rig.simulator.revoke_tokens();
    goes_on(&rig, &connection, &mut follower).await;
    assert_eq!((channels(&rig), rig.simulator.sockets()), (2, 1));
}

#[tokio::test]
async fn a_channel_gives_way_to_a_new_one_before_its_token_ends() {
    let token_lifetime = Duration::from_secs(3);
    let rig = rig_of(Config { rate_per_minute: 10_000, token_lifetime, ..Config::default() }).await;
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    follower.gap().await;
    let first = connection.tokens.as_ref().and_then(|tokens| tokens.current()).expect("a token");
    assert_eq!(follower.gap().await, ids(&rig));
    assert!(first.age() < token_lifetime, "in time");
    assert_eq!(channels(&rig), 2);
    rig.simulator.agent_sets(&ids(&rig)[0], "Away").expect("set");
    follower.status(&ids(&rig)[0], &status(&rig, "Away")).await;
}

#[tokio::test]
async fn a_refused_topic_costs_nobody_elses_news_and_is_told_once() {
    let agents = Config::default().agents;
    let topic = format!("v2.users.{}.activity", agents[1].0);
    let topic_permissions = vec![(topic, "zz:presence:hear".to_owned())];
    let rig = rig_of(Config { topic_permissions, ..Config::default() }).await;
    let (ids, connection) = (ids(&rig), rig.open().await);
    let mut follower = Follower::of(&connection, &ids, false);
    let heard = vec![ids[0].clone(), ids[2].clone()];
    let lost = Told::Lost { agents: vec![ids[1].clone()], why: "zz:presence:hear".to_owned() };
    assert_eq!((follower.gap().await, follower.next().await), (heard.clone(), lost.clone()));
    rig.simulator.cut_sockets();
    assert_eq!((follower.gap().await, follower.next().await), (heard, lost));
    rig.simulator.agent_sets(&ids[1], "Away").expect("set");
    rig.simulator.agent_sets(&ids[2], "Away").expect("set");
    let told = follower.until(|told| matches!(told, Told::Status { .. })).await;
    assert!(matches!(&told[0], Told::Status { agent, .. } if *agent == ids[2]), "{told:?}");
    let log = logs::text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("zz:presence:hear")).collect();
    assert!(lines.len() == 1 && lines[0].contains(&ids[1]), "{lines:?}");
    rig.simulator.give_permission("zz:presence:hear");
    rig.simulator.cut_sockets();
    assert_eq!(follower.gap().await, ids, "once it is granted");
}

#[tokio::test]
async fn following_ends_when_nobody_may_be_followed() {
    let topic_permissions = vec![("v2.users.{id}.activity".to_owned(), "a:b:hear".to_owned())];
    let rig = rig_of(Config { topic_permissions, ..Config::default() }).await;
    let (to, mut told) = mpsc::channel(16);
    let connection = rig.open().await;
    let outcome = presence(&connection).follow(&ids(&rig), false, to).await;
    let lost = told.recv().await.expect("told");
    assert!(
        matches!(lost, Told::Lost { agents, why } if agents == ids(&rig) && why.contains("a:b:hear"))
    );
    assert_eq!(outcome, Err(Error::Forbidden { missing: "a:b:hear".to_owned() }));
}

#[tokio::test]
async fn a_sick_platform_is_told_of_and_asked_again_until_it_is_well() {
    let rig = rig().await;
    for (part, times) in [("/subscriptions", 2), ("/notifications/channels", 3)] {
        let sick = Fault::Status { code: 503, body: None };
        rig.faults().add(Rule::always(sick).on(part).times(times));
    }
    let connection = rig.open().await;
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    let told = follower.until(|told| matches!(told, Told::Gap(_))).await;
    assert_eq!(told.last(), Some(&Told::Gap(ids(&rig))));
    let lost = |told: &Told| matches!(told, Told::Lost { agents, .. } if *agents == ids(&rig));
    assert!(told.len() > 1 && told[..told.len() - 1].iter().all(lost), "{told:?}");
}

#[tokio::test]
async fn a_platform_that_answers_again_is_heard_again_without_a_pause() {
    let often = Config { rate_per_minute: 10_000, ..Config::default() };
    let rig = rig_opened_by(patient, often).await;
    let connection = rig.open().await;
    rig.faults().add(Rule::always(Fault::Status { code: 503, body: None }));
    let mut follower = Follower::of(&connection, &ids(&rig), false);
    follower.until(|told| matches!(told, Told::Lost { .. })).await;
    rig.faults().clear();
    let asking = async {
        loop {
            // What is being told of is asked for in the meantime, as a comparison does.
            presence(&connection).read(&ids(&rig)).await.ok();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        gap = follower.gap() => assert_eq!(gap, ids(&rig)),
        () = asking => {}
    }
}

/// Ids of the platform's form. Nobody has to be there to be followed.
fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("00000000-05e7-4000-9000-{n:012}")).collect()
}

#[tokio::test]
async fn more_than_a_thousand_agents_are_followed_over_two_channels() {
    let rig = rig().await;
    let connection = rig.open().await;
    let agents = many(1_001);
    let mut follower = Follower::of(&connection, &agents, false);
    let told = [follower.gap().await, follower.gap().await];
    assert_eq!(told.iter().map(Vec::len).max(), Some(1_000));
    assert_eq!(set_of(told.into_iter().flatten()), set_of(agents.clone()));
    assert_eq!(rig.simulator.sockets(), 2);
    let ann = &ids(&rig)[0];
    rig.simulator.agent_sets(ann, "Away").expect("set");
    follower.status(ann, &status(&rig, "Away")).await;
    rig.simulator.cut_sockets();
    let told = [follower.gap().await, follower.gap().await];
    assert_eq!(set_of(told.into_iter().flatten()), set_of(agents), "each by itself");

    let mut apart = Follower::of(&connection, &many(501), true);
    assert_eq!([apart.gap().await.len(), apart.gap().await.len()].iter().sum::<usize>(), 501);
}

#[tokio::test]
async fn more_agents_than_channels_can_tell_of_are_refused() {
    let rig = rig().await;
    let connection = rig.open().await;
    let (to, _told) = mpsc::channel(16);
    let outcome = presence(&connection).follow(&many(19_001), false, to).await;
    let named = Some("agents".to_owned());
    assert!(matches!(outcome, Err(Error::Invalid { field, .. }) if field == named));
}

#[tokio::test]
async fn what_is_not_expanded_is_asked_for_by_itself() {
    let rig = rig().await;
    let agents = ids(&rig);
    rig.simulator.agent_sets(&agents[0], "On Queue").expect("set");
    let entities: Vec<_> = agents[..2].iter().map(|id| json!({ "id": id })).collect();
    let body = json!({ "entities": entities, "pageCount": 1 }).to_string();
    let bare = Fault::Status { code: 200, body: Some(body) };
    rig.faults().add(Rule::always(bare).on("/users?"));
    let connection = rig.open().await;
    let seen = presence(&connection).read(&agents).await.expect("read");
    assert_eq!(seen[0].as_ref().ok().map(|one| one.status.clone()), Some(status(&rig, "On Queue")));
    assert_eq!(seen[1].as_ref().ok().map(|one| one.status.clone()), Some(status(&rig, "Offline")));
    assert_eq!(seen[2], Err(Error::NotFound));
    as_described(&rig);
    // Of one of them we are told nothing: that costs the others nothing.
    let odd = Fault::Status { code: 200, body: Some(json!({ "status": "NEW" }).to_string()) };
    rig.faults().add(Rule::always(odd).on(&format!("{}/routingstatus", agents[0])));
    let seen = presence(&connection).read(&agents).await.expect("read");
    assert_eq!(seen[0].as_ref().map_err(Error::kind).err(), Some("protocol"));
    assert!(seen[1].is_ok());
}

#[tokio::test]
async fn the_check_warns_of_the_permission_to_set_what_agents_show() {
    let rig = rig().await;
    let what = "presence:userPresence:edit";
    let found = async || {
        let findings = rig.open().await.check.check().await;
        let found = findings.into_iter().find(|finding| finding.what == what);
        found.expect("tried").outcome.map_err(|flaw| flaw.code)
    };
    assert_eq!(found().await, Ok(()));
    rig.simulator.take_permission(what);
    assert_eq!(found().await, Err(kit::rights::OPTIONAL));
}

/// Agents as a set: gaps of two channels come in any order.
fn set_of(agents: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    agents.into_iter().collect()
}
