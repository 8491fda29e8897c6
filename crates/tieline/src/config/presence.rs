//! The sections `[[presence]]`: agents of two systems that hand out work, kept the same.

use super::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A team of agents who have a status in the contact center and one in a CRM that hands out
/// work, and how the two follow each other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceSection {
    /// What the team is called, such as `support`.
    pub name: String,
    /// The connection to the contact center.
    pub contact_center: String,
    /// The connection to the CRM.
    pub crm: String,
    /// `one_at_a_time`: an agent works in one product at a time. `both_at_once`: work comes
    /// from both, but not while an item of the other is handled.
    pub scenario: ScenarioWord,
    /// Whose acts are followed on the other side: `both`, `contact_center` or `crm`.
    #[serde(default)]
    pub master: MasterWord,
    /// Which statuses belong together. What is in no pair is left alone.
    pub pairs: Vec<PairSection>,
    pub transition: TransitionSection,
    /// Who belongs to it. Absent: everybody who is found in both systems. An agent of several
    /// teams is in the first.
    #[serde(default)]
    pub members: MembersSection,
    #[serde(default)]
    pub matching: MatchingSection,
    /// Does after-call work count as handling an item?
    #[serde(default = "defaults::yes")]
    pub after_call_work: bool,
    #[serde(default)]
    pub missed: MissedSection,
    #[serde(default)]
    pub console: ConsoleSection,
    /// How often both systems are read and compared, whatever they told.
    #[serde(default = "defaults::compare_every")]
    pub compare_every: Period,
    /// How often it is asked which agents and which statuses there are.
    #[serde(default = "defaults::agents_every")]
    pub agents_every: Period,
}

/// Two statuses that belong together, each by the name that agents see, or by its id.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairSection {
    /// In the contact center, such as `On Queue`.
    pub contact_center: String,
    /// In the CRM, such as `Online`.
    pub crm: String,
    /// From which half the other follows: `both`, `to_crm` or `to_contact_center`. Where
    /// several statuses are mapped to one, one pair is the way back.
    #[serde(default)]
    pub way: WayWord,
}

/// What a side shows while it must hand out nothing, and once an agent has left work.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransitionSection {
    /// In the contact center, such as `Available`.
    pub contact_center: String,
    /// In the CRM, such as `Transition`.
    pub crm: String,
    /// How long it stands once work was left, before the pairs are followed again.
    #[serde(default = "defaults::dwell")]
    pub dwell: Period,
}

/// Who belongs to a team: whoever is named here in any way.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MembersSection {
    /// Agents, by e-mail or by an id of either system.
    pub agents: Vec<String>,
    /// Groups, departments or divisions of the contact center.
    pub contact_center_groups: Vec<String>,
    /// Profiles of the CRM.
    pub crm_groups: Vec<String>,
}

/// How an agent of one system is found in the other: by the table, then by what the contact
/// center keeps, then by e-mail. Two who could be one are left alone, and told.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchingSection {
    /// The contact center's id or e-mail of an agent, and the CRM's id or user name.
    pub table: BTreeMap<String, String>,
    /// The name under which the contact center keeps the CRM's ids of its users, such as
    /// `salesforce` in Genesys Cloud's external ids. Absent: it is not asked, which saves a
    /// request for each agent whom the table does not name.
    pub external_id: Option<String>,
    pub email: bool,
}

impl Default for MatchingSection {
    fn default() -> Self {
        Self { table: BTreeMap::new(), external_id: None, email: true }
    }
}

/// What becomes of an agent who missed or declined what was offered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MissedSection {
    /// `wait`: they come back by themselves. `bring_back`: after `after`. `step_out`: both
    /// systems go to their transition statuses, as if the agent had left.
    pub then: MissedWord,
    /// For `bring_back`.
    pub after: Period,
}

impl Default for MissedSection {
    fn default() -> Self {
        Self { then: MissedWord::Wait, after: Period::ms(60_000) }
    }
}

/// What is done when the agent's console in the CRM is not there, so that nobody can set the
/// status there, and the CRM still hands out work.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// `wait`: it is told, and made good when the console is back. `step_out`: the contact
    /// center goes to its transition status.
    pub when_gone: GoneWord,
    /// How long a console may be away, as while its page is loaded anew.
    pub grace: Period,
}

impl Default for ConsoleSection {
    fn default() -> Self {
        Self { when_gone: GoneWord::Wait, grace: Period::ms(30_000) }
    }
}

/// How the two systems share an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioWord {
    OneAtATime,
    BothAtOnce,
}

/// Whose acts are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MasterWord {
    #[default]
    Both,
    ContactCenter,
    Crm,
}

/// From which half of a pair the other follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WayWord {
    #[default]
    Both,
    ToCrm,
    ToContactCenter,
}

/// What becomes of who missed work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissedWord {
    #[default]
    Wait,
    BringBack,
    StepOut,
}

/// What is done without a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoneWord {
    #[default]
    Wait,
    StepOut,
}

mod defaults {
    use super::Period;

    pub fn yes() -> bool {
        true
    }

    pub fn compare_every() -> Period {
        Period::ms(5 * 60_000)
    }

    pub fn agents_every() -> Period {
        Period::ms(3_600_000)
    }

    pub fn dwell() -> Period {
        Period::ms(30_000)
    }
}
