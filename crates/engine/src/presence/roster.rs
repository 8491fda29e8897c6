//! Finds out which agent of one system is which of the other.
//!
//! By a table, by what the contact center keeps as the CRM's id, by e-mail: in the order that
//! is configured, and only where it is certain. Two who could be one are nobody's other.

use kit::presence::Agent;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How an agent of the contact center is found in the CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The contact center's id, e-mail or alias → the CRM's.
    Table(BTreeMap<String, String>),
    /// What the contact center keeps under this name of an authority.
    ExternalId(String),
    Email,
}

/// Who belongs to a team; where nothing is named, everybody who is found on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Their e-mails or ids, of either side; in lower case.
    pub agents: BTreeSet<String>,
    /// Groups by side, `[center, crm]`; in lower case.
    pub groups: [BTreeSet<String>; 2],
}

impl Members {
    /// Nothing is named.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.agents.is_empty() && self.groups.iter().all(BTreeSet::is_empty)
    }

    fn has(&self, both: [&Agent; 2]) -> bool {
        let is_named = |agent: &Agent| words(agent).any(|word| self.agents.contains(&word));
        let is_grouped = |(agent, groups): (&Agent, &BTreeSet<String>)| {
            agent.groups.iter().any(|group| groups.contains(&group.to_lowercase()))
        };
        self.is_everybody()
            || both.into_iter().any(is_named)
            || both.into_iter().zip(&self.groups).any(is_grouped)
    }
}

/// One person, as both systems know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) agents: [Agent; 2],
}

/// Who was found, and who was not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Roster {
    pub(super) found: Vec<Both>,
    /// Ids of the contact center whose other is not there, or not certain.
    pub(super) alone: Vec<String>,
}

/// Every word that an agent is called by, in lower case.
fn words(agent: &Agent) -> impl Iterator<Item = String> {
    let words = [agent.id.as_str()].into_iter().chain(agent.email.as_deref());
    let words = words.chain(agent.aliases.iter().map(String::as_str));
    words.map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty())
}

/// Agents by a word; `None`: more than one has it.
type Index<'a> = HashMap<String, Option<&'a Agent>>;

fn index<'a>(agents: &'a [Agent], words: impl Fn(&'a Agent) -> Vec<String>) -> Index<'a> {
    let mut index = Index::new();
    for agent in agents {
        for word in words(agent).into_iter().collect::<BTreeSet<_>>() {
            index
                .entry(word)
                .and_modify(|known| *known = known.filter(|one| one.id == agent.id))
                .or_insert(Some(agent));
        }
    }
    index
}

/// Matches both sides. `external`: for each agent of the contact center, by id, what it keeps
/// of them for each authority.
pub(super) fn matched(
    [center, crm]: [&[Agent]; 2],
    external: &HashMap<(String, String), Vec<String>>,
    matching: &[By],
    members: &Members,
) -> Roster {
    let by_word = index(crm, |agent| words(agent).collect());
    let by_email = index(crm, |agent| {
        let email = agent.email.iter().map(|email| email.trim().to_lowercase());
        email.filter(|email| !email.is_empty()).collect()
    });
    let twins = index(center, |agent| {
        let email = agent.email.iter().map(|email| email.trim().to_lowercase());
        email.filter(|email| !email.is_empty()).collect()
    });
    let of = |agent: &Agent, by: &By| -> Option<&Agent> {
        match by {
            By::Table(table) => {
                let named = words(agent).find_map(|word| table.get(&word))?;
                by_word.get(&named.to_lowercase()).copied().flatten()
            }
            By::ExternalId(authority) => {
                let ids = external.get(&(agent.id.clone(), authority.clone()))?;
                let found = ids.iter().filter_map(|id| by_word.get(&id.to_lowercase()));
                let mut found = found.copied().flatten();
                let first = found.next()?;
                found.all(|other| other.id == first.id).then_some(first)
            }
            By::Email => {
                let email = agent.email.as_ref()?.trim().to_lowercase();
                twins.get(&email).copied().flatten()?;
                by_email.get(&email).copied().flatten()
            }
        }
    };
    let mut roster = Roster::default();
    let mut taken: HashMap<&str, Vec<&Agent>> = HashMap::new();
    let mut others = Vec::new();
    for agent in center {
        let other = matching.iter().find_map(|by| of(agent, by));
        if let Some(other) = other {
            taken.entry(other.id.as_str()).or_default().push(agent);
        }
        others.push((agent, other));
    }
    for (agent, other) in others {
        // Two of one side who would be one of the other: neither is.
        match other.filter(|other| taken[other.id.as_str()].len() == 1) {
            Some(other) if members.has([agent, other]) => {
                roster.found.push(Both { agents: [agent.clone(), other.clone()] });
            }
            Some(_) => {}
            None => roster.alone.push(agent.id.clone()),
        }
    }
    roster
}

#[cfg(test)]
mod tests {
    use super::{By, Members, matched};
    use kit::presence::Agent;
    use std::collections::{BTreeMap, HashMap};

    fn agent(id: &str, email: &str, group: &str) -> Agent {
        Agent {
            id: id.to_owned(),
            name: id.to_uppercase(),
            email: Some(email.to_owned()).filter(|email| !email.is_empty()),
            aliases: vec![format!("{id}.login")],
            groups: vec![group.to_owned()],
        }
    }

    #[track_caller]
    fn check(matching: &[By], members: &Members, found: &[(&str, &str)], alone: &[&str]) {
        let center = [
            agent("g1", "ann@x.example", "Voice"),
            agent("g2", "Bob@X.example", "Voice"),
            agent("g3", "twin@x.example", "Chat"),
            agent("g4", "twin@x.example", "Chat"),
            agent("g5", "", "Chat"),
        ];
        let crm = [
            agent("s1", "ANN@x.example", "Agents"),
            agent("s2", "bob@x.example", "Admins"),
            agent("s3", "twin@x.example", "Agents"),
            agent("s5", "eve@x.example", "Agents"),
        ];
        let external: HashMap<_, _> = [
            (("g5".to_owned(), "crm".to_owned()), vec!["S5".to_owned()]),
            (("g1".to_owned(), "crm".to_owned()), vec!["s1".to_owned(), "s2".to_owned()]),
        ]
        .into();
        let roster = matched([&center, &crm], &external, matching, members);
        let told: Vec<(&str, &str)> = roster
            .found
            .iter()
            .map(|both| (both.agents[0].id.as_str(), both.agents[1].id.as_str()))
            .collect();
        assert_eq!(told, found);
        assert_eq!(roster.alone, alone);
    }

    #[test]
    fn an_agent_is_found_by_email_without_case_and_never_by_one_that_two_have() {
        let all = Members::default();
        check(&[By::Email], &all, &[("g1", "s1"), ("g2", "s2")], &["g3", "g4", "g5"]);
    }

    #[test]
    fn a_table_goes_first_and_what_is_kept_as_the_other_systems_id_counts_if_it_is_one() {
        let table: BTreeMap<String, String> = [
            ("g3".to_owned(), "s3.login".to_owned()),
            ("bob@x.example".to_owned(), "s5".to_owned()),
        ]
        .into();
        let matching = [By::Table(table), By::ExternalId("crm".to_owned()), By::Email];
        let found = [("g1", "s1"), ("g3", "s3")];
        check(&matching, &Members::default(), &found, &["g2", "g4", "g5"]);
    }

    #[test]
    fn members_are_named_by_email_id_or_group_of_either_side() {
        let named = |agents: &[&str], center: &[&str], crm: &[&str]| {
            let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Members { agents: set(agents), groups: [set(center), set(crm)] }
        };
        let alone = ["g3", "g4", "g5"];
        check(&[By::Email], &named(&["bob@x.example"], &[], &[]), &[("g2", "s2")], &alone);
        check(&[By::Email], &named(&["s1"], &[], &[]), &[("g1", "s1")], &alone);
        check(&[By::Email], &named(&[], &[], &["admins"]), &[("g2", "s2")], &alone);
        let both = [("g1", "s1"), ("g2", "s2")];
        check(&[By::Email], &named(&[], &["voice"], &[]), &both, &alone);
        check(&[By::Email], &named(&[], &["chat"], &[]), &[], &alone);
    }
}
