//! What agents of the simulated Genesys Cloud show, heard and set through the connector.

use crate::genesys::as_described;
use crate::rig::Rig;
use ::sim::faults::{Fault, Rule};
use connectors::genesys_cloud::sim::{self, Act, EventFault, GenesysCloud};
use connectors::genesys_cloud::simulate;
use domain::presence::{Kind, StatusId, Work};
use kit::presence::{Seen, Told};
use kit::{Error, Presence};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

struct Desk {
    rig: Rig<GenesysCloud>,
    presence: Arc<dyn Presence>,
    agents: Vec<String>,
}

async fn desk() -> Desk {
    with(sim::Config::default()).await
}

async fn with(config: sim::Config) -> Desk {
    let organization = sim::start(config).await.expect("a port");
    let agents = organization.config().agents.iter().map(|(id, ..)| id.clone()).collect();
    let login = simulate::login(&organization);
    let connector = connectors::by_name("genesys_cloud").expect("Genesys Cloud");
    let rig = Rig::new(connector, Box::new(organization), vec![login], simulate::API);
    let presence = rig.open().await.presence.expect("presence");
    Desk { rig, presence, agents }
}

/// What is told, until it is dropped.
struct Ear {
    told: mpsc::Receiver<Told>,
    task: JoinHandle<Result<(), Error>>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ear {
    async fn next(&mut self) -> Told {
        let next = tokio::time::timeout(Duration::from_secs(60), self.told.recv());
        next.await.expect("in time").expect("it is followed")
    }

    /// Passes over what is told until this is.
    async fn until(&mut self, wanted: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next().await;
            if wanted(&told) {
                return told;
            }
        }
    }

    async fn gap(&mut self) -> Vec<String> {
        let told = self.until(|told| matches!(told, Told::Gap(_))).await;
        let Told::Gap(agents) = told else { unreachable!("it is one") };
        agents
    }
}

impl Desk {
    fn id(&self, status: &str) -> StatusId {
        let id = self.rig.simulator.definition(status).expect("a definition");
        StatusId::from(id.as_str())
    }

    fn follow(&self, tells_after_call: bool) -> Ear {
        let (to, told) = mpsc::channel(1_000);
        let (presence, agents) = (Arc::clone(&self.presence), self.agents.clone());
        let task =
            tokio::spawn(async move { presence.follow(&agents, tells_after_call, to).await });
        Ear { told, task }
    }

    async fn read(&self, agent: usize) -> Seen {
        let read = self.presence.read(&self.agents[agent..=agent]).await;
        read.expect("read").remove(0).expect("there")
    }

    fn agent_sets(&self, agent: usize, status: &str) {
        self.rig.simulator.agent_sets(&self.agents[agent], status).expect("set");
    }

    fn act(&self, agent: usize, act: Act) {
        assert!(self.rig.simulator.agent_act(&self.agents[agent], act), "{act:?}");
    }
}

#[tokio::test]
async fn statuses_are_what_agents_see_with_what_they_mean() {
    let desk = desk().await;
    let kind = |all: &[domain::presence::Status], name: &str| {
        let found = all.iter().find(|one| one.name == name);
        found.map(|one| (one.kind, one.id == desk.id(name)))
    };
    let all = desk.presence.statuses().await.expect("read");
    assert_eq!(kind(&all, "On Queue"), Some((Kind::Work, true)));
    assert_eq!(kind(&all, "Available"), Some((Kind::NoWork, true)));
    assert_eq!(kind(&all, "Offline"), Some((Kind::Offline, true)));
    assert_eq!(kind(&all, "Idle"), Some((Kind::System, true)));
    assert!(desk.rig.simulator.deactivate_definition("Available", true));
    let all = desk.presence.statuses().await.expect("read");
    assert_eq!(kind(&all, "Available"), None, "it is not to be chosen any more");
    as_described(&desk.rig);
}

#[tokio::test]
async fn agents_are_all_active_users_with_what_others_call_them() {
    let agents = (0..230).map(|n| {
        (
            format!("00000000-05e7-4000-9000-{n:012}"),
            format!("Agent {n:03}"),
            format!("a{n}@example.com"),
        )
    });
    let desk = with(sim::Config { agents: agents.collect(), ..sim::Config::default() }).await;
    let all = desk.presence.agents().await.expect("read");
    assert_eq!(all.len(), 230, "three pages");
    assert_eq!(
        (all[7].name.as_str(), all[7].email.as_deref()),
        ("Agent 007", Some("a7@example.com"))
    );
    assert!(desk.rig.simulator.name_agent(&desk.agents[7], "salesforce", "005A7"));
    assert!(desk.rig.simulator.name_agent(&desk.agents[7], "Salesforce", "other"));
    let known = desk.presence.known_as("salesforce", &desk.agents[6..8]).await.expect("read");
    assert_eq!(known, [Vec::<String>::new(), vec!["005A7".to_owned()]], "by the very name");
    as_described(&desk.rig);
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_reads_the_same() {
    let desk = desk().await;
    let mut ear = desk.follow(false);
    assert_eq!(ear.gap().await, desk.agents);
    desk.agent_sets(0, "On Queue");
    let ann = desk.agents[0].clone();
    let is_status = |told: &Told| matches!(told, Told::Status { .. });
    let told = ear.until(is_status).await;
    let seen = desk.read(0).await;
    let (status, version) = (desk.id("On Queue"), seen.version);
    assert_eq!(told, Told::Status { agent: ann.clone(), status, version });
    desk.act(0, Act::Offer);
    desk.act(0, Act::Accept);
    let work = |work: Work| move |told: &Told| matches!(told, Told::Work { work: one, .. } if *one == work);
    let told = ear.until(work(Work::Handling)).await;
    let seen = desk.read(0).await;
    assert_eq!(
        told,
        Told::Work { agent: ann.clone(), work: Work::Handling, version: seen.work_version }
    );
    desk.act(0, Act::EndWithWork);
    assert_eq!(desk.read(0).await.work, Work::Handling, "after-call work is handling");
    desk.act(0, Act::End);
    ear.until(work(Work::Free)).await;
    as_described(&desk.rig);
}

#[tokio::test]
async fn after_call_work_is_told_apart_where_it_is_asked_for() {
    let desk = desk().await;
    let mut ear = desk.follow(true);
    ear.gap().await;
    desk.agent_sets(0, "On Queue");
    let mut before = 0;
    for (acts, expected) in [
        (&[][..], Work::Free),
        (&[Act::Offer, Act::Accept][..], Work::Handling),
        (&[Act::EndWithWork][..], Work::AfterCall),
        (&[Act::End][..], Work::Free),
    ] {
        acts.iter().for_each(|act| desk.act(0, *act));
        let seen = desk.read(0).await;
        assert!(seen.work == expected && seen.work_version > before, "{seen:?}");
        before = seen.work_version;
        let (agent, version) = (desk.agents[0].clone(), before);
        let wanted = Told::Work { agent, work: expected, version };
        ear.until(|told| *told == wanted).await;
    }
    as_described(&desk.rig);
}

#[tokio::test]
async fn whatever_ends_a_socket_is_a_gap_and_then_it_goes_on() {
    let desk = desk().await;
    let mut ear = desk.follow(false);
    ear.gap().await;
    let simulator = &desk.rig.simulator;
    let ends: [(&str, &dyn Fn()); 3] = [
        ("cut", &|| simulator.cut_sockets()),
        ("warned", &|| simulator.warn_sockets()),
        ("expired", &|| simulator.expire_channels()),
    ];
    for (at, (how, end)) in ends.into_iter().enumerate() {
        end();
        assert_eq!(ear.gap().await, desk.agents, "{how}");
        let status = if at % 2 == 0 { "Busy" } else { "Available" };
        desk.agent_sets(0, status);
        let wanted = desk.id(status);
        ear.until(|told| matches!(told, Told::Status { status, .. } if *status == wanted)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_falls_silent_is_given_up_and_opened_anew() {
    let desk = desk().await;
    let mut ear = desk.follow(false);
    ear.gap().await;
    desk.rig.simulator.mute_sockets();
    // Time passes by itself while everybody waits.
    assert_eq!(ear.gap().await, desk.agents);
    desk.agent_sets(0, "Busy");
    let busy = desk.id("Busy");
    ear.until(|told| matches!(told, Told::Status { status, .. } if *status == busy)).await;
}

#[tokio::test]
async fn a_platform_that_fails_for_a_while_is_tried_again() {
    let desk = desk().await;
    let sick = Fault::Status { code: 503, body: None };
    desk.rig.faults().add(Rule::always(sick).on("/api/v2/notifications/channels").times(2));
    let mut ear = desk.follow(false);
    assert_eq!(ear.gap().await, desk.agents);
}

#[tokio::test]
async fn an_agent_of_whom_nothing_may_be_told_costs_the_others_nothing() {
    let topic_permissions =
        vec![("v2.users.{id}.conversationsummary".to_owned(), "analytics:none:view".to_owned())];
    let desk = with(sim::Config { topic_permissions, ..sim::Config::default() }).await;
    let mut ear = desk.follow(true);
    assert_eq!(ear.gap().await, desk.agents, "their activity is told all the same");
    desk.agent_sets(1, "Busy");
    let busy = desk.id("Busy");
    ear.until(|told| matches!(told, Told::Status { status, .. } if *status == busy)).await;
}

#[tokio::test]
async fn more_than_a_thousand_agents_take_more_than_one_channel() {
    let agents = (0..1_700).map(|n| {
        (
            format!("00000000-05e7-4000-9000-{n:012}"),
            format!("Agent {n}"),
            format!("a{n}@example.com"),
        )
    });
    let desk = with(sim::Config { agents: agents.collect(), ..sim::Config::default() }).await;
    let mut ear = desk.follow(false);
    let mut all = ear.gap().await;
    all.extend(ear.gap().await);
    all.sort();
    assert_eq!((all.len(), all == desk.agents), (1_700, true));
    assert_eq!(desk.rig.simulator.sockets(), 2);
    let mut many = desk.agents.clone();
    many.extend((0..20_000).map(|n| format!("00000000-0bad-4000-9000-{n:012}")));
    let (to, _told) = mpsc::channel(10);
    let error = desk.presence.follow(&many, false, to).await.expect_err("too many");
    assert!(error.to_string().contains("22 channels"), "{error}");
}

#[tokio::test]
async fn statuses_are_set_by_one_request_and_who_cannot_be_set_costs_the_others_nothing() {
    let desk = desk().await;
    let on_queue = desk.id("On Queue");
    let one = vec![(desk.agents[0].clone(), on_queue.clone())];
    let set = desk.presence.set(&one).await.expect("tried");
    assert_eq!(set, [Ok(Some(desk.read(0).await.version))]);
    let before = desk.rig.faults().requests().log().len();
    let busy = desk.id("Busy");
    let wanted: Vec<_> = desk.agents.iter().map(|agent| (agent.clone(), busy.clone())).collect();
    let set = desk.presence.set(&wanted).await.expect("tried");
    assert!(set.iter().all(|one| matches!(one, Ok(Some(_)))), "{set:?}");
    assert_eq!(desk.rig.faults().requests().log().len(), before + 1);
    let nobody = "00000000-0bad-4000-9000-000000000001".to_owned();
    let wanted = [
        (desk.agents[0].clone(), on_queue.clone()),
        (nobody, on_queue.clone()),
        (desk.agents[1].clone(), StatusId::from("00000000-0bad-4000-9000-000000000002")),
        (desk.agents[2].clone(), on_queue.clone()),
    ];
    let set = desk.presence.set(&wanted).await.expect("tried");
    assert!(matches!(set[0], Ok(Some(_))) && matches!(set[3], Ok(Some(_))), "{set:?}");
    assert!(set[1].is_err() && set[2].is_err(), "{set:?}");
    assert_eq!(desk.read(2).await.status, on_queue);
    as_described(&desk.rig);
}

#[tokio::test]
async fn who_did_not_respond_is_brought_back_and_nobody_else() {
    let desk = desk().await;
    let agent = desk.agents[0].clone();
    desk.agent_sets(0, "On Queue");
    desk.act(0, Act::Offer);
    desk.act(0, Act::Miss);
    let missed = desk.read(0).await;
    assert_eq!(missed.work, Work::Missed);
    desk.presence.bring_back(&agent).await.expect("brought back");
    let back = desk.read(0).await;
    assert!(back.work == Work::Free && back.work_version > missed.work_version);
    desk.agent_sets(0, "Busy");
    let error = desk.presence.bring_back(&agent).await.expect_err("nobody to bring back");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    as_described(&desk.rig);
}

#[tokio::test]
async fn who_is_not_there_reads_as_nobody_and_an_event_that_was_lost_is_read() {
    let desk = desk().await;
    let mut ear = desk.follow(false);
    ear.gap().await;
    let topic = format!("v2.users.{}.activity", desk.agents[0]);
    desk.rig.simulator.spoil_event(&topic, EventFault::Drop);
    desk.agent_sets(0, "Busy");
    assert_eq!(desk.read(0).await.status, desk.id("Busy"), "whatever was told");
    let nobody = "00000000-0bad-4000-9000-000000000001".to_owned();
    let asked = [nobody, desk.agents[0].clone()];
    let read = desk.presence.read(&asked).await.expect("read");
    assert!(read[0].is_none() && read[1].is_some());
}
