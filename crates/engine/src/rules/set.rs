//! A rule set: what is in force, as it is kept and as it decides.

use super::form::{self, Body, Fault};
use domain::Region;
use domain::rules::{
    CHAIN_VALUES_MAX, Chain, Compiled, Destination, DestinationKind, Entry, LINES_MAX, Location,
    Rule, circles,
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
    /// Of all chains with the same rules in the same order.
    pub compiled: Arc<Compiled>,
    leads_to_ivrs: bool,
}

impl Ready {
    fn new(chain: Chain, compiled: Arc<Compiled>) -> Self {
        let lines = compiled.rules().iter().flat_map(|rule| &rule.lines);
        let leads_to_ivrs = lines
            .map(|line| &line.destination)
            .chain([&chain.default])
            .any(|to| to.kind == DestinationKind::Ivr);
        Self { leads_to_ivrs, chain, compiled }
    }

    /// Rules that hang nowhere, to be tried.
    pub(super) fn alone(compiled: Arc<Compiled>, location: Location) -> Self {
        let entry = match location {
            Location::Did => Entry::Did(String::new()),
            Location::Ivr => Entry::Ivr { ivr: String::new(), option: String::new() },
        };
        let default = Destination { kind: DestinationKind::Queue, option: String::new() };
        Self::new(Chain { entry, rules: Vec::new(), default }, compiled)
    }

    /// A call may be led on to an IVR from here.
    pub(super) fn leads_to_ivrs(&self) -> bool {
        self.leads_to_ivrs
    }
}

impl Rules {
    /// Reads and compiles a whole set.
    ///
    /// # Errors
    /// As [`Rules::faults`].
    pub fn new(revision: u64, body: &SetBody, region: Region) -> Result<Self, Vec<Fault>> {
        let Whole { rules, chains, faults } = Whole::read(body, region);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut compiled: HashMap<Vec<String>, Arc<Compiled>> = HashMap::new();
        let mut ready = HashMap::new();
        for chain in chains {
            let one = match compiled.get(&chain.rules) {
                Some(known) => Arc::clone(known),
                None => {
                    let own = chain.rules.iter().filter_map(|name| rules.get(name).cloned());
                    let own = Compiled::new(own.collect()).map_err(|(place, _)| {
                        let at = format!("chains.{}", chain.entry);
                        vec![fault(
                            &at,
                            &format!("has a wrong condition at {place:?}."),
                            "Correct it.",
                        )]
                    })?;
                    let own = Arc::new(own);
                    compiled.insert(chain.rules.clone(), Arc::clone(&own));
                    own
                }
            };
            ready.insert(chain.entry.key(), Arc::new(Ready::new(chain, one)));
        }
        Ok(Self { revision, rules, chains: ready })
    }

    /// Everything that is wrong with a set, each place led by `rules.NAME.` or
    /// `chains.ENTRY.`; nothing is compiled for it.
    #[must_use]
    pub fn faults(body: &SetBody, region: Region) -> Vec<Fault> {
        Whole::read(body, region).faults
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

/// A set as it was read.
struct Whole {
    rules: BTreeMap<String, Rule>,
    chains: Vec<Chain>,
    faults: Vec<Fault>,
}

impl Whole {
    fn read(body: &SetBody, region: Region) -> Self {
        let (mut faults, mut rules) = (Vec::new(), BTreeMap::new());
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
        let (mut entries, mut bytes, mut lists) = (BTreeSet::new(), 0, BTreeSet::new());
        for chain in &chains {
            let at = format!("chains.{}", chain.entry);
            if !entries.insert(chain.entry.key()) {
                faults.push(fault(&at, "stands twice.", "Leave one of the two out."));
            }
            let (lines, values) = size(chain, &rules);
            faults.extend(of_chain(&at, chain, (lines, values), &rules, &body.rules));
            if lists.insert(&chain.rules) {
                bytes += lines.div_ceil(64) * 8 * (2 * values + 1);
            }
        }
        if bytes > SET_BYTES_MAX {
            let message = "are too many lines and values altogether.";
            let fix = "Let chains share their rules, or make them shorter.";
            faults.push(fault("chains", message, fix));
        }
        faults.extend(circles(&chains, &rules).into_iter().map(|circle| {
            let begin = chains.iter().find(|chain| Some(&chain.entry.station()) == circle.first());
            let at = begin.map(|chain| chain.entry.to_string()).unwrap_or_default();
            let message = format!("leads round in a circle: {}.", circle.join(" → "));
            let fix = "Let one of these lead to a queue or a recording.";
            fault(&format!("chains.{at}.default"), &message, fix)
        }));
        Self { rules, chains, faults }
    }
}

/// What all chains together may take in memory when they are compiled.
const SET_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Lines of a chain, and values that they name.
fn size(chain: &Chain, rules: &BTreeMap<String, Rule>) -> (usize, usize) {
    let rules = || chain.rules.iter().filter_map(|name| rules.get(name));
    let conditions = rules().flat_map(|rule| &rule.lines).flat_map(|line| &line.conditions);
    let values = conditions.map(|condition| condition.values.len().max(1)).sum();
    (rules().map(|rule| rule.lines.len()).sum(), values)
}

/// What is wrong with a chain as a whole.
fn of_chain(
    at: &str,
    chain: &Chain,
    (lines, values): (usize, usize),
    rules: &BTreeMap<String, Rule>,
    written: &BTreeMap<String, Body>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
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
