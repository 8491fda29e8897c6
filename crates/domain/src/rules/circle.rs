//! IVRs that lead back to where a call has been.
//!
//! A chain at an option of an IVR that leads to an IVR, whose option leads on, and so on:
//! what comes round again would keep a caller for ever.

use super::{Chain, Destination, DestinationKind, Entry, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Where a chain may lead, each once: its default, and every line of its rules.
#[must_use]
pub fn leads_to<'a>(
    chain: &'a Chain,
    rules: &'a BTreeMap<String, Rule>,
) -> BTreeSet<&'a Destination> {
    let rules = chain.rules.iter().filter_map(|name| rules.get(name));
    let lines = rules.flat_map(|rule| rule.lines.iter().map(|line| &line.destination));
    lines.chain([&chain.default]).collect()
}

/// Circles, each told once, as the stations on the way round (the first comes last again).
#[must_use]
pub fn circles(chains: &[Chain], rules: &BTreeMap<String, Rule>) -> Vec<Vec<String>> {
    let mut ways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for chain in chains {
        let ivrs = leads_to(chain, rules).into_iter();
        let ivrs = ivrs.filter(|to| to.kind == DestinationKind::Ivr).map(|to| folded(&to.option));
        ways.entry(chain.entry.station()).or_default().extend(ivrs);
    }
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut done = BTreeSet::new();
    for start in ways.keys() {
        walk(start, &ways, &mut Vec::new(), &mut done, &mut found);
    }
    found
}

impl Entry {
    /// Where a call is that comes in here: a number, or an IVR whatever the option.
    #[must_use]
    pub fn station(&self) -> String {
        match self {
            Self::Did(number) => folded(number),
            Self::Ivr { ivr, .. } => folded(ivr),
        }
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Depth first; a station that was left behind is not entered again, so each way is walked
/// once.
fn walk(
    at: &str,
    ways: &BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
    found: &mut Vec<Vec<String>>,
) {
    if let Some(begin) = path.iter().position(|station| station == at) {
        let mut circle = path[begin..].to_vec();
        circle.push(at.to_owned());
        found.push(circle);
        return;
    }
    if done.contains(at) {
        return;
    }
    path.push(at.to_owned());
    for to in ways.get(at).into_iter().flatten() {
        walk(to, ways, path, done, found);
    }
    path.pop();
    done.insert(at.to_owned());
}
