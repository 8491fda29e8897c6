//! Teams whose presence is kept the same. Which statuses the systems have is seen once both
//! were asked; all else here.

use crate::config::presence::{
    GoneWord, MasterWord, MissedWord, PresenceSection, ScenarioWord, WayWord,
};
use crate::config::{Loaded, Mistake};
use domain::presence::{Master, OnConsoleGone, OnMissed, Scenario, Way};
use engine::Connections;
use engine::presence::{By, Members, PairOfNames, Presence, Team};
use std::collections::BTreeSet;

/// Every team of the configuration.
///
/// Every mistake is told at once, with its place and its mend.
pub fn all(loaded: &Loaded, connections: &Connections) -> Result<Presence, Vec<Mistake>> {
    let (mut teams, mut mistakes, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for section in &loaded.config.presence {
        let at = format!("presence.{}", section.name);
        if !names.insert(&section.name) {
            let fix = "Call one of them otherwise.";
            mistakes.push(Mistake::new(at, "there are two of this name.", fix));
            continue;
        }
        let told = faults(section, connections, &at);
        if told.is_empty() {
            teams.push(team(section));
        }
        mistakes.extend(told);
    }
    if mistakes.is_empty() { Ok(Presence::new(teams)) } else { Err(mistakes) }
}

/// Compared more often than this, two systems are asked all the time.
const COMPARE_MIN_MS: u128 = 1_000;

fn faults(section: &PresenceSection, connections: &Connections, at: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if !super::syncs::is_name(&section.name) {
        let fix = "1 to 64 letters, digits, _ or -.";
        mistakes.push(Mistake::new(at, "cannot be called that.", fix));
    }
    for (key, name) in [("contact_center", &section.contact_center), ("crm", &section.crm)] {
        let place = format!("{at}.{key}");
        match connections.get(name) {
            None => {
                let message = format!("there is no connection `{name}`.");
                mistakes.push(Mistake::new(place, message, "Add it, or name another."));
            }
            Some(connection) if connection.capabilities.presence.is_none() => {
                let message = format!("`{name}` knows no presence of agents.");
                let fix = "Name a connection that does; docs/reference/connectors/ says which.";
                mistakes.push(Mistake::new(place, message, fix));
            }
            Some(_) => {}
        }
    }
    if section.contact_center == section.crm {
        let fix = "Name the other system's connection.";
        mistakes.push(Mistake::new(format!("{at}.crm"), "is the contact center itself.", fix));
    }
    if section.pairs.is_empty() {
        let fix = "Map at least the status in which agents work, such as `On Queue`.";
        mistakes.push(Mistake::new(format!("{at}.pairs"), "maps nothing.", fix));
    }
    if section.compare_every.0.as_millis() < COMPARE_MIN_MS {
        let place = format!("{at}.compare_every");
        mistakes.push(Mistake::new(place, "is too often.", "1s or more; 5m is the default."));
    }
    let matching = &section.matching;
    if matching.table.is_empty() && matching.external_id.is_none() && !matching.email {
        let place = format!("{at}.matching");
        let fix = "Leave `email` on, name an `external_id`, or write a `table`.";
        mistakes.push(Mistake::new(place, "finds nobody.", fix));
    }
    mistakes
}

fn team(section: &PresenceSection) -> Team {
    let lower = |words: &[String]| -> BTreeSet<String> {
        words.iter().map(|word| word.trim().to_lowercase()).collect()
    };
    let members = &section.members;
    let pairs = section.pairs.iter().map(|pair| PairOfNames {
        names: [pair.contact_center.trim().to_owned(), pair.crm.trim().to_owned()],
        way: match pair.way {
            WayWord::Both => Way::Both,
            WayWord::ToCrm => Way::ToCrm,
            WayWord::ToContactCenter => Way::ToCenter,
        },
    });
    let transition = &section.transition;
    Team {
        name: section.name.clone(),
        connections: [section.contact_center.clone(), section.crm.clone()],
        members: Members {
            agents: lower(&members.agents),
            groups: [lower(&members.contact_center_groups), lower(&members.crm_groups)],
        },
        matching: matching(section),
        scenario: match section.scenario {
            ScenarioWord::OneAtATime => Scenario::One,
            ScenarioWord::BothAtOnce => Scenario::Both,
        },
        master: match section.master {
            MasterWord::Both => Master::Both,
            MasterWord::ContactCenter => Master::Center,
            MasterWord::Crm => Master::Crm,
        },
        pairs: pairs.collect(),
        transition: [transition.contact_center.trim().to_owned(), transition.crm.trim().to_owned()],
        dwell: transition.dwell.0,
        after_call_counts: section.after_call_work,
        on_missed: match section.missed.then {
            MissedWord::Wait => OnMissed::Wait,
            MissedWord::BringBack => OnMissed::BringBack(section.missed.after.0),
            MissedWord::StepOut => OnMissed::StepOut,
        },
        on_console_gone: match section.console.when_gone {
            GoneWord::Wait => OnConsoleGone::Wait,
            GoneWord::StepOut => OnConsoleGone::StepOut,
        },
        console_grace: section.console.grace.0,
        compare_every: section.compare_every.0,
        agents_every: section.agents_every.0,
    }
}

fn matching(section: &PresenceSection) -> Vec<By> {
    let matching = &section.matching;
    let table = matching
        .table
        .iter()
        .map(|(center, crm)| (center.trim().to_lowercase(), crm.trim().to_owned()));
    let table = By::Table(table.collect());
    let external = matching.external_id.clone().map(By::ExternalId);
    let email = matching.email.then_some(By::Email);
    [table].into_iter().chain(external).chain(email).collect()
}
