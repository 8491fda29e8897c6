//! Twelve agents in both systems, who go on and off queue and take work: six of them in one
//! product at a time, six in both. Each has a console in the CRM open, which asks Tieline what
//! to set, as the component of `integrations/salesforce` does.

use super::setup::World;
use super::{KEY, setup};
use ::sim::seed::SplitMix64;
use connectors::genesys_cloud::sim::Act;
use connectors::salesforce::sim::WorkAct;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Their names; the first six work in one product at a time.
const NAMES: [&str; 12] = [
    "Ada Amber",
    "Ben Birch",
    "Cleo Coral",
    "Dan Dune",
    "Eve Ember",
    "Finn Fern",
    "Gia Gold",
    "Hal Heath",
    "Ina Iris",
    "Jan Jade",
    "Kim Kite",
    "Leo Lake",
];
/// How many of them are in the first team.
const FIRST_TEAM: usize = 6;
/// Between two acts of anybody: a dozen people, each every half a minute.
const PACE: Duration = Duration::from_millis(2_500);
/// How long a console waits for an order.
const WAIT_S: u32 = 20;

/// An agent in both systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub name: String,
    pub email: String,
    /// In the contact center.
    pub center: String,
    /// In the CRM.
    pub crm: String,
    is_in_one: bool,
}

impl Agent {
    pub fn to_json(&self) -> Value {
        let team = if self.is_in_one { "one-at-a-time" } else { "both-at-once" };
        json!({
            "name": self.name, "email": self.email, "team": team,
            "genesys": self.center, "salesforce": self.crm,
        })
    }
}

/// Id, name and e-mail of the contact center's users.
pub fn users() -> Vec<(String, String, String)> {
    let user = |(at, name): (usize, &&str)| {
        let email = name.to_lowercase().replace(' ', ".") + "@example.com";
        (format!("00000000-05e7-4000-9000-{:012}", at + 1), (*name).to_owned(), email)
    };
    NAMES.iter().enumerate().map(user).collect()
}

/// Makes the contact center's users known to the CRM; they come to work.
///
/// # Errors
/// The sentence of the system that refuses it.
pub fn plant(
    salesforce: &connectors::salesforce::sim::Salesforce,
    genesys: &connectors::genesys_cloud::sim::GenesysCloud,
) -> Result<Vec<Agent>, String> {
    let plant = |(at, (center, name, email)): (usize, (String, String, String))| {
        let crm = salesforce.add_agent(&name, &email)?;
        genesys.agent_sets(&center, "Available")?;
        salesforce.agent_sets(&crm, "Transition")?;
        Ok(Agent { name, email, center, crm, is_in_one: at < FIRST_TEAM })
    };
    users().into_iter().enumerate().map(plant).collect()
}

/// The teams, as they are configured.
pub fn teams(agents: &[Agent]) -> String {
    let one: Vec<String> =
        agents.iter().filter(|one| one.is_in_one).map(|one| format!("\"{}\"", one.email)).collect();
    format!(
        r#"
# Agents who work in one product at a time, and agents who work in both: docs/presence.md.
[[presence]]
name = "one-at-a-time"
contact_center = "genesys"
crm = "salesforce"
scenario = "one_at_a_time"
members = {{ agents = [{}] }}
pairs = [
  {{ contact_center = "On Queue", crm = "Busy" }},
  {{ contact_center = "Busy", crm = "Available" }},
  {{ contact_center = "Meal", crm = "Lunch" }},
]
transition = {{ contact_center = "Available", crm = "Transition", dwell = "5s" }}
compare_every = "1m"

[[presence]]
name = "both-at-once"
contact_center = "genesys"
crm = "salesforce"
scenario = "both_at_once"
pairs = [
  {{ contact_center = "On Queue", crm = "Available" }},
  {{ contact_center = "Meal", crm = "Lunch" }},
]
transition = {{ contact_center = "Available", crm = "Transition", dwell = "5s" }}
compare_every = "1m"
"#,
        one.join(", ")
    )
}

/// Lets them work until it is dropped.
pub async fn work(world: &World, url: String) {
    let consoles = world.agents.iter().map(|agent| console(world, agent, &url));
    let consoles = futures_util::future::join_all(consoles);
    let acting = act(world);
    tokio::join!(consoles, acting);
}

/// The agent's page in the CRM.
async fn console(world: &World, agent: &Agent, url: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
    let (mut token, mut pace) = (String::new(), interval(Duration::from_millis(200)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = 0;
    loop {
        pace.tick().await;
        if token.is_empty() {
            token = ticket(&client, agent, url).await.unwrap_or_default();
            continue;
        }
        let base = format!("{url}/api/v1/agents/{}/presence", agent.crm);
        let asked = [("wait", WAIT_S.to_string()), ("after", after.to_string())];
        let order = client.get(format!("{base}/order")).bearer_auth(&token).query(&asked);
        let Ok(order) = order.send().await else { continue };
        if !order.status().is_success() {
            token.clear();
            continue;
        }
        let order: Value = order.json().await.unwrap_or_default();
        let Some(number) = order["number"].as_u64().filter(|number| *number > 0) else { continue };
        let answer = [("number", number.to_string()), ("outcome", set(world, agent, &order))];
        let answer = client.post(format!("{base}/answer")).bearer_auth(&token).query(&answer);
        if answer.send().await.is_ok() {
            after = number;
        }
    }
}

async fn ticket(client: &reqwest::Client, agent: &Agent, url: &str) -> Option<String> {
    let ask = client.post(format!("{url}/api/v1/agent-tokens")).bearer_auth(KEY);
    let told = ask.json(&json!({ "agent": agent.crm })).send().await.ok()?;
    let told: Value = told.json().await.ok()?;
    told["token"].as_str().map(str::to_owned)
}

/// Sets what is ordered, as the toolkit of the CRM's console would.
fn set(world: &World, agent: &Agent, order: &Value) -> String {
    let salesforce = &world.salesforce;
    let shown = salesforce.agent_status(&agent.crm).and_then(|name| salesforce.status(&name));
    if shown.as_deref() != order["expectedId"].as_str() {
        return "late".to_owned();
    }
    let wanted = order["statusId"].as_str().unwrap_or_default();
    let outcome = salesforce.agent_sets(&agent.crm, wanted);
    if outcome.is_ok() { "done" } else { "refused" }.to_owned()
}

/// Items of the CRM that an agent has at hand.
type Items = Vec<VecDeque<String>>;

/// One of them does something, over and over.
async fn act(world: &World) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut dice = SplitMix64::new(0xA6E7);
    let mut items: Items = vec![VecDeque::new(); world.agents.len()];
    loop {
        pace.tick().await;
        let at = usize::try_from(dice.below(world.agents.len() as u64)).unwrap_or(0);
        let Some(agent) = world.agents.get(at) else { continue };
        // What cannot be is not done: nobody is offered work who is not free.
        one(world, agent, &mut items[at], &mut dice);
    }
}

fn one(world: &World, agent: &Agent, items: &mut VecDeque<String>, dice: &mut SplitMix64) {
    let (salesforce, genesys) = (&world.salesforce, &world.genesys);
    let center = |act: Act| genesys.agent_act(&agent.center, act);
    if let Some(item) = items.pop_front() {
        salesforce.work_act(&item, WorkAct::Close).ok();
        return;
    }
    if center(Act::End) {
        return;
    }
    let shown = genesys.agent_status(&agent.center).map(|(status, _)| status);
    let is_on_queue = shown.as_deref() == Some(setup::ON_QUEUE);
    let is_online = salesforce.agent_status(&agent.crm).as_deref() == Some("Online");
    match dice.below(10) {
        // Work, where there is any for them.
        0..5 if is_on_queue => {
            if center(Act::Offer) {
                center(Act::Accept);
            }
        }
        0..8 if is_online => {
            if let Ok(item) = salesforce.offer_work(&agent.crm)
                && salesforce.work_act(&item, WorkAct::Accept).is_ok()
            {
                items.push_back(item);
            }
        }
        // A break, or the end of work.
        8 if is_on_queue => drop(genesys.agent_sets(&agent.center, "Meal")),
        9 if is_on_queue => drop(genesys.agent_sets(&agent.center, "Available")),
        8..10 if is_online => drop(salesforce.agent_sets(&agent.crm, "Transition")),
        // To work, by the one or the other.
        0..6 => drop(genesys.agent_sets(&agent.center, setup::ON_QUEUE)),
        _ => drop(salesforce.agent_sets(&agent.crm, "Online")),
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_TEAM, NAMES, users};
    use std::collections::BTreeSet;

    #[test]
    fn there_are_twelve_and_half_of_them_work_in_one_product_at_a_time() {
        let mails: BTreeSet<String> = users().into_iter().map(|(.., email)| email).collect();
        assert_eq!((mails.len(), NAMES.len()), (12, FIRST_TEAM * 2));
    }
}
