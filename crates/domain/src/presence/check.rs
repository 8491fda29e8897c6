//! Finds everything that is wrong with settings, and says how to mend it.

use super::map::leads;
use super::{Kind, Known, Master, Pair, Scenario, Settings, Side, Status, StatusId};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Pairs of one set of settings; an agent chooses among a dozen statuses.
pub const PAIRS_MAX: usize = 100;
/// Longer than this is no transition.
pub const DWELL_MAX: Duration = Duration::from_secs(3_600);

/// Something that must be mended before settings can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The pair, from 0; `None` where it is not one pair's.
    pub pair: Option<usize>,
    /// The half at fault, where it is one.
    pub side: Option<Side>,
    /// `pairs`, `transition` or `dwell`.
    pub key: &'static str,
    /// What is wrong, with the names that people see.
    pub message: String,
    pub fix: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)?;
        if let Some(pair) = self.pair {
            write!(f, "[{pair}]")?;
        }
        if let Some(side) = self.side {
            write!(f, ".{}", side.as_str())?;
        }
        write!(f, ": {}; {}", self.message, self.fix)
    }
}

pub(super) fn check(settings: &Settings, known: [&Known; 2]) -> Vec<Fault> {
    let mut check = Checking { settings, known, faults: Vec::new() };
    check.size();
    for (at, pair) in settings.pairs.iter().enumerate().take(PAIRS_MAX) {
        check.pair(at, pair);
    }
    check.work_is_mapped();
    check.ways();
    check.circles();
    check.transition();
    check.faults
}

struct Checking<'a> {
    settings: &'a Settings,
    known: [&'a Known; 2],
    faults: Vec<Fault>,
}

impl<'a> Checking<'a> {
    fn fault(
        &mut self,
        (key, pair, side): (&'static str, Option<usize>, Option<Side>),
        message: String,
        fix: impl Into<String>,
    ) {
        self.faults.push(Fault { pair, side, key, message, fix: fix.into() });
    }

    fn system(&self, side: Side) -> &'a str {
        &self.known[side.index()].system
    }

    fn status(&self, side: Side, id: &StatusId) -> Option<&'a Status> {
        self.known[side.index()].find(id)
    }

    fn is_work(&self, side: Side, id: &StatusId) -> bool {
        self.status(side, id).is_some_and(|one| one.kind == Kind::Work)
    }

    fn name(&self, side: Side, id: &StatusId) -> String {
        let name = self.status(side, id).map_or(id.as_str(), |one| &one.name);
        format!("`{name}`")
    }

    fn pair_name(&self, pair: &Pair) -> String {
        let [center, crm] = [Side::Center, Side::Crm].map(|side| self.name(side, pair.half(side)));
        format!("{center} ↔ {crm}")
    }

    fn size(&mut self) {
        let at = ("pairs", None, None);
        if self.settings.pairs.len() > PAIRS_MAX {
            let message = format!("more than {PAIRS_MAX} pairs are mapped");
            self.fault(at, message, "leave out what agents do not use; it is left alone");
        }
        if self.settings.transition.dwell > DWELL_MAX {
            let message = format!("the dwell is longer than {} s", DWELL_MAX.as_secs());
            self.fault(("dwell", None, None), message, "give agents seconds or minutes");
        }
    }

    fn pair(&mut self, at: usize, pair: &Pair) {
        let name = self.pair_name(pair);
        let place = |side| ("pairs", Some(at), side);
        let same = |one: &Pair| one.center == pair.center && one.crm == pair.crm;
        if let Some(first) = self.settings.pairs[..at].iter().position(same) {
            let message = format!("{name} is the same pair as pairs[{first}]");
            self.fault(place(None), message, "leave one of them out");
        }
        for side in Side::ALL.iter().copied() {
            self.half(place(Some(side)), &name, pair.half(side), side);
        }
        let works = Side::ALL.iter().map(|side| self.is_work(*side, pair.half(*side)));
        let [center, crm] = [Side::Center, Side::Crm].map(|side| self.name(side, pair.half(side)));
        let is_there = Side::ALL.iter().all(|side| self.status(*side, pair.half(*side)).is_some());
        match (self.settings.scenario, works.filter(|is| *is).count()) {
            (Scenario::One, 2) => {
                let message = format!("in {name} both hand out work, and only one may at a time");
                let fix = format!("map {center} and {crm} each to a status without work");
                self.fault(place(None), message, fix);
            }
            (Scenario::Both, 1) if is_there => {
                let side =
                    if self.is_work(Side::Center, &pair.center) { Side::Crm } else { Side::Center };
                let (this, works) = match side {
                    Side::Center => (center, crm),
                    Side::Crm => (crm, center),
                };
                let message = format!("in {name} only {works} hands out work");
                let system = self.system(side);
                let fix = format!(
                    "replace {this} by a work status of {system}, or {works} by one without work"
                );
                self.fault(place(Some(side)), message, fix);
            }
            _ => {}
        }
    }

    /// Can a half of a pair, or of the transition, be shown and chosen at all?
    fn half(
        &mut self,
        place: (&'static str, Option<usize>, Option<Side>),
        name: &str,
        id: &StatusId,
        side: Side,
    ) {
        let (status, system) = (self.name(side, id), self.system(side));
        match self.status(side, id).map(|one| one.kind) {
            None => {
                let message = format!("in {name} {status} is no status of {system} any more");
                self.fault(place, message, format!("choose one that {system} has"));
            }
            Some(Kind::Offline) => {
                let message =
                    format!("in {name} {status} is a log-out, which is left to the agent");
                self.fault(place, message, "leave it out, or choose a status without work");
            }
            Some(Kind::System) => {
                let message = format!("in {name} {system} sets {status} itself");
                self.fault(place, message, "leave it out, or choose a status that agents can set");
            }
            Some(Kind::Work | Kind::NoWork) => {}
        }
    }

    /// Each side that leads needs a work status that leads somewhere, or nothing would keep
    /// the other side from handing out work as well.
    fn work_is_mapped(&mut self) {
        for side in Side::ALL.iter().copied().filter(|side| self.settings.master.leads(*side)) {
            let leads =
                |pair: &&Pair| pair.way.leads_from(side) && self.is_work(side, pair.half(side));
            if self.settings.pairs.iter().any(|pair| leads(&pair)) {
                continue;
            }
            let system = self.system(side);
            let message = format!("no pair leads from a work status of {system}");
            let partner = match self.settings.scenario {
                Scenario::One => "a status without work",
                Scenario::Both => "a work status",
            };
            let mut fix = format!("map one to {partner} of {}", self.system(side.other()));
            if self.settings.master == Master::Both {
                fix = format!("{fix}, or make {} the master", self.system(side.other()));
            }
            self.fault(("pairs", None, Some(side)), message, fix);
        }
    }

    /// The pairs that are followed from a side, with their places.
    fn leading(&self, side: Side) -> Vec<(usize, &'a Pair)> {
        let settings = self.settings;
        let pairs = settings.pairs.iter().enumerate().filter(|(_, pair)| {
            let into_work = self.is_work(side.other(), pair.half(side.other()));
            leads(settings.scenario, pair.way.leads_from(side), into_work)
        });
        pairs.collect()
    }

    fn ways(&mut self) {
        for side in Side::ALL.iter().copied() {
            let leading = self.leading(side);
            for (nth, (at, pair)) in leading.iter().enumerate() {
                let from = pair.half(side);
                let first = leading[..nth].iter().find(|(_, one)| one.half(side) == from);
                let Some((_, first)) =
                    first.filter(|(_, one)| one.half(side.other()) != pair.half(side.other()))
                else {
                    continue;
                };
                let [to, other] =
                    [first, pair].map(|one| self.name(side.other(), one.half(side.other())));
                let message = format!("{} leads to {to} and to {other}", self.name(side, from));
                let fix = format!(
                    "let one of {} and {} lead only to {}",
                    self.pair_name(first),
                    self.pair_name(pair),
                    self.system(side)
                );
                self.fault(("pairs", Some(*at), Some(side)), message, fix);
            }
        }
    }

    /// Where a status leads, back from there, and so on, must end with two that lead to each
    /// other; else one act would move agents round.
    fn circles(&mut self) {
        let next = |side: Side, status: &StatusId| {
            let leading = self.leading(side);
            let found = leading.into_iter().find(|(_, pair)| pair.half(side) == status);
            found.map(|(_, pair)| pair.half(side.other()).clone())
        };
        let mut told: BTreeSet<(Side, StatusId)> = BTreeSet::new();
        let mut found = Vec::new();
        for pair in self.settings.pairs.iter().take(PAIRS_MAX) {
            let mut way = vec![(Side::Center, pair.center.clone())];
            while let Some((side, status)) = way.last() {
                let Some(to) = next(*side, status) else { break };
                let station = (side.other(), to);
                if let Some(begin) = way.iter().position(|one| *one == station) {
                    let circle = &way[begin..];
                    let is_new = circle.iter().all(|one| told.insert(one.clone()));
                    if circle.len() > 2 && is_new {
                        let names = circle.iter().chain([&station]);
                        let names = names.map(|(side, id)| self.name(*side, id));
                        found.push(names.collect::<Vec<_>>().join(" → "));
                    }
                    break;
                }
                way.push(station);
            }
        }
        for circle in found {
            let message = format!("the pairs lead in a circle: {circle}");
            let fix = "turn one of these pairs, so that two statuses lead to each other";
            self.fault(("pairs", None, None), message, fix);
        }
    }

    fn transition(&mut self) {
        let transition = &self.settings.transition;
        for side in Side::ALL.iter().copied() {
            let place = ("transition", None, Some(side));
            let id = transition.half(side);
            self.half(place, "the transition", id, side);
            let (status, system) = (self.name(side, id), self.system(side));
            if self.is_work(side, id) {
                let message = format!("the transition status {status} hands out work");
                let fix = format!("choose a status of {system} without work");
                self.fault(place, message, fix);
            }
            // A pair that leads from work alone makes no difference to who is in transition.
            let is_from_work = |pair: &Pair| {
                self.settings.scenario == Scenario::One
                    && self.is_work(side.other(), pair.half(side.other()))
            };
            let is_other = |pair: &&Pair| {
                pair.half(side) == id
                    && pair.half(side.other()) != transition.half(side.other())
                    && !is_from_work(pair)
            };
            if let Some(pair) = self.settings.pairs.iter().find(is_other) {
                let message = format!(
                    "the transition status {status} is also mapped, in {}",
                    self.pair_name(pair)
                );
                let fix = format!("choose a status of {system} that stands for nothing else");
                self.fault(place, message, fix);
            }
        }
    }
}
