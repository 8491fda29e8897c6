//! The agents of a walk, how both teams are configured, and how an agent stands in truth.

use crate::rig::{Console, Line};
use std::collections::BTreeSet;
use std::time::Instant;

/// Agents of each team.
const AGENTS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    One,
    Both,
}

/// How an agent stands in both systems, whatever Tieline thinks. `[center, crm]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stands {
    /// Statuses by name; the CRM's by its name in the API.
    pub(super) shows: [String; 2],
    /// Has an item at hand, or one that was missed.
    pub(super) handles: [bool; 2],
    /// What was missed in the CRM may count, or not any more: it does not say.
    pub(super) may_have_missed: bool,
}

/// Is anything wrong around an agent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing, since then.
    Well(Instant),
    Wrong,
    /// Nothing any more since then, but Tieline has not said since that it is through with it.
    Healing(Instant),
}

pub(super) struct Agent {
    pub(super) scenario: Scenario,
    /// `[center, crm]`.
    pub(super) ids: [String; 2],
    pub(super) console: Console,
    /// What the CRM has offered and is not over; whether it was accepted.
    pub(super) items: Vec<(String, bool)>,
    /// `[center, crm]`: the newest status that they chose themselves, and all of them.
    pub(super) own: [String; 2],
    pub(super) chosen: [BTreeSet<String>; 2],
    /// When they missed something in the CRM that no later choice has made good.
    pub(super) missed: Option<Instant>,
    /// When they, or whoever wants something of them, did something last.
    pub(super) acted: Instant,
    /// When they left the contact center last.
    pub(super) left: Instant,
    /// They do nothing until then.
    pub(super) rests_until: Instant,
    pub(super) around: Around,
    /// Since when they stand as they must not.
    pub(super) wrong_since: Option<Instant>,
}

impl Agent {
    /// As both systems show them.
    pub(super) fn stands(&self, line: &Line) -> Stands {
        let (center, routing) = line.genesys().agent_status(&self.ids[0]).expect("an agent");
        let crm = line.salesforce.agent_status(&self.ids[1]);
        let is_busy = matches!(&*routing, "INTERACTING" | "COMMUNICATING" | "NOT_RESPONDING");
        Stands {
            shows: [center, crm.unwrap_or_else(|| "Offline".to_owned())],
            handles: [is_busy, !self.items.is_empty()],
            may_have_missed: self.missed.is_some(),
        }
    }
}

/// Both teams, everybody logged out.
pub(super) fn agents(line: &Line) -> Vec<Agent> {
    let agent = |number: usize| {
        let (name, email) = (format!("Walker {number:02}"), email(number));
        let center = line.genesys().add_agent(&name, &email);
        let crm = line.salesforce.add_agent(&name, &email).expect("an agent");
        let console = Console::of(line, &crm);
        let now = Instant::now();
        Agent {
            scenario: if number < AGENTS { Scenario::One } else { Scenario::Both },
            ids: [center, crm],
            console,
            items: Vec::new(),
            own: ["Offline".to_owned(), "Offline".to_owned()],
            chosen: Default::default(),
            missed: None,
            acted: now,
            left: now,
            rests_until: now,
            around: Around::Well(now),
            wrong_since: None,
        }
    };
    (0..2 * AGENTS).map(agent).collect()
}

fn email(number: usize) -> String {
    format!("walker.{number:02}@example.com")
}

/// The sections of both teams; requests end soon, so that what hangs is over soon.
pub(super) fn sections(missed: &str, compare_every: &str) -> String {
    let members = |agents: std::ops::Range<usize>| {
        let all: Vec<String> = agents.map(|number| format!("\"{}\"", email(number))).collect();
        all.join(", ")
    };
    let team = |name: &str, scenario: &str, pairs: &str, agents: std::ops::Range<usize>| {
        format!(
            r#"
[[presence]]
name = "{name}"
contact_center = "genesys"
crm = "salesforce"
scenario = "{scenario}"
pairs = [
{pairs}
  {{ contact_center = "Meal", crm = "Lunch" }},
  {{ contact_center = "Break", crm = "Lunch", way = "to_crm" }},
]
transition = {{ contact_center = "Available", crm = "Transition", dwell = "1s" }}
missed = {{ {missed} }}
console = {{ grace = "1s" }}
compare_every = "{compare_every}"
members = {{ agents = [{}] }}
"#,
            members(agents)
        )
    };
    let one = r#"  { contact_center = "On Queue", crm = "Busy" },
  { contact_center = "Busy", crm = "Available" },
  { contact_center = "Busy", crm = "Available for chat", way = "to_contact_center" },"#;
    let both = r#"  { contact_center = "On Queue", crm = "Available" },
  { contact_center = "On Queue", crm = "Available for chat", way = "to_contact_center" },"#;
    let one = team("one", "one_at_a_time", one, 0..AGENTS);
    let both = team("both", "both_at_once", both, AGENTS..2 * AGENTS);
    format!("{one}{both}\n[connections.genesys.limits]\ntimeout = \"2s\"\n")
}
