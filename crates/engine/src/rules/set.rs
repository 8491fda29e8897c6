//! A rule set: what is in force, as it is kept and as it decides.

use super::form::{self, Body, Fault};
use domain::Region;
use domain::rules::{
    CHAIN_VALUES_MAX, Chain, Compiled, Destination, Entry, LINES_MAX, Rule, circles,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Rules and chains by name and entry, each as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetBody {
    pub rules: BTreeMap<String, Body>,
    pub chains: BTreeMap<String, Body>,
}

/// A rule set, ready to decide.
#[derive(Debug, Default)]
pub struct Rules {
    /// 0 where nothing was published yet.
    pub revision: u64,
    rules: BTreeMap<String, Rule>,
    chains: HashMap<String, Arc<Ready>>,
}

/// A chain, ready to decide.
#[derive(Debug)]
pub struct Ready {
    pub chain: Chain,
    pub compiled: Compiled,
}

impl Rules {
    /// Reads and compiles a whole set.
    ///
    /// # Errors
    /// Everything that is wrong with it, each place led by `rules.NAME.` or `chains.ENTRY.`.
    pub fn new(revision: u64, body: &SetBody, region: Region) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut rules = BTreeMap::new();
        for (name, body) in &body.rules {
            match form::rule(name, body) {
                Ok(read) => drop(rules.insert(name.clone(), read.rule)),
                Err(wrong) => faults.extend(led(&format!("rules.{name}."), wrong)),
            }
        }
        let mut chains: Vec<Chain> = Vec::new();
        for (entry, body) in &body.chains {
            match form::chain(entry, body, region) {
                Ok(chain) => chains.push(chain),
                Err(wrong) => faults.extend(led(&format!("chains.{entry}."), wrong)),
            }
        }
        let mut entries = BTreeSet::new();
        for chain in &chains {
            let at = format!("chains.{}", chain.entry);
            if !entries.insert(chain.entry.key()) {
                faults.push(fault(&at, "stands twice.", "Leave one of the two out."));
            }
            faults.extend(of_chain(&at, chain, &rules, &body.rules));
        }
        faults.extend(circles(&chains, &rules).into_iter().map(|circle| {
            let message = format!("leads round in a circle: {}.", circle.join(" → "));
            let fix = "Let one of these lead to a queue or a recording.";
            fault(&format!("chains.{}", circle.first().map_or("", String::as_str)), &message, fix)
        }));
        if !faults.is_empty() {
            return Err(faults);
        }
        let ready = chains.into_iter().map(|chain| {
            let own = chain.rules.iter().filter_map(|name| rules.get(name).cloned()).collect();
            let compiled = Compiled::new(own).map_err(|(place, _)| {
                let at = format!("chains.{}", chain.entry);
                vec![fault(&at, &format!("has a wrong condition at {place:?}."), "Correct it.")]
            })?;
            Ok((chain.entry.key(), Arc::new(Ready { chain, compiled })))
        });
        let chains = ready.collect::<Result<HashMap<_, _>, Vec<Fault>>>()?;
        Ok(Self { revision, rules, chains })
    }

    /// The chain at an entry.
    #[must_use]
    pub fn at(&self, entry: &Entry) -> Option<&Arc<Ready>> {
        self.chains.get(&entry.key())
    }

    /// Every chain.
    pub fn chains(&self) -> impl Iterator<Item = &Arc<Ready>> {
        self.chains.values()
    }

    /// Every rule by name.
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<String, Rule> {
        &self.rules
    }

    /// Where a rule hangs.
    #[must_use]
    pub fn entries_of(&self, rule: &str) -> Vec<&Entry> {
        let chains = self.chains.values().map(|ready| &ready.chain);
        let mut entries: Vec<&Entry> = chains
            .filter(|chain| chain.rules.iter().any(|name| name == rule))
            .map(|chain| &chain.entry)
            .collect();
        entries.sort();
        entries
    }

    /// Every destination that is led to, each once.
    #[must_use]
    pub fn destinations(&self) -> BTreeSet<&Destination> {
        let lines = self.rules.values().flat_map(|rule| &rule.lines);
        let defaults = self.chains.values().map(|ready| &ready.chain.default);
        lines.map(|line| &line.destination).chain(defaults).collect()
    }
}

/// What is wrong with a chain as a whole.
fn of_chain(
    at: &str,
    chain: &Chain,
    rules: &BTreeMap<String, Rule>,
    written: &BTreeMap<String, Body>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut lines, mut values) = (0, 0);
    for (index, name) in chain.rules.iter().enumerate() {
        let at = format!("{at}.rules[{index}]");
        let Some(rule) = rules.get(name) else {
            // One that is there and wrong is told where it stands.
            if !written.contains_key(name) {
                faults.push(fault(&at, &format!("names no rule: {name}."), "Make the rule first."));
            }
            continue;
        };
        if rule.location != chain.entry.location() {
            let is = rule.location.as_str();
            let message = format!("is a rule for another location: {name} is for {is}.");
            faults.push(fault(
                &at,
                &message,
                "Take a rule of this location, or change the rule's.",
            ));
        }
        lines += rule.lines.len();
        let conditions = rule.lines.iter().flat_map(|line| &line.conditions);
        values += conditions.map(|condition| condition.values.len().max(1)).sum::<usize>();
    }
    if lines > LINES_MAX || values > CHAIN_VALUES_MAX {
        let message = format!("has {lines} lines and {values} values.");
        let fix = format!("At most {LINES_MAX} lines and {CHAIN_VALUES_MAX} values in a chain.");
        faults.push(fault(&format!("{at}.rules"), &message, &fix));
    }
    faults
}

fn led(lead: &str, faults: Vec<Fault>) -> impl Iterator<Item = Fault> {
    faults.into_iter().map(move |fault| Fault { at: format!("{lead}{}", fault.at), ..fault })
}

pub(super) fn fault(at: &str, message: &str, fix: &str) -> Fault {
    Fault { at: at.to_owned(), message: message.to_owned(), fix: fix.to_owned() }
}
