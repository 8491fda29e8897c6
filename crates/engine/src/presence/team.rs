//! A team as it is configured, in names; and what it means once both systems have said which
//! statuses they have.

use super::SIDES;
use super::roster::{By, Members};
use domain::presence::{
    Fault, Known, Map, Master, OnConsoleGone, OnMissed, Pair, Scenario, Settings, Side, StatusId,
    Transition, Way,
};
use std::time::Duration;

/// Agents who are treated alike, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Team {
    pub name: String,
    /// The connections: the contact center's and the CRM's.
    pub connections: [String; 2],
    pub members: Members,
    /// How an agent of one side is found on the other, in this order.
    pub matching: Vec<By>,
    pub scenario: Scenario,
    pub master: Master,
    pub pairs: Vec<PairOfNames>,
    /// Names or ids: `[center, crm]`.
    pub transition: [String; 2],
    pub dwell: Duration,
    pub after_call_counts: bool,
    pub on_missed: OnMissed,
    pub on_console_gone: OnConsoleGone,
    pub console_grace: Duration,
    /// How often both sides are compared.
    pub compare_every: Duration,
    /// How often it is asked who the agents are, and which statuses there are.
    pub agents_every: Duration,
}

/// Two statuses that belong together, by names or ids: `[center, crm]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairOfNames {
    pub names: [String; 2],
    pub way: Way,
}

impl Team {
    /// Could an agent of this team be one of the other?
    pub(super) fn shares_a_system_with(&self, other: &Self) -> bool {
        self.connections.iter().zip(&other.connections).any(|(own, theirs)| own == theirs)
    }

    /// The map of this team over the statuses that both systems have now.
    ///
    /// # Errors
    /// Every fault, told by pair.
    pub(super) fn open(&self, known: [&Known; 2]) -> Result<Map, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut id = |(key, pair): (&'static str, Option<usize>), side: Side, name: &str| {
            let place = Place { key, pair, side };
            resolve(known[side.index()], name, place).unwrap_or_else(|fault| {
                faults.push(fault);
                StatusId::from(name)
            })
        };
        let pairs = self.pairs.iter().enumerate().map(|(at, pair)| {
            let [center, crm] =
                SIDES.map(|side| id(("pairs", Some(at)), side, &pair.names[side.index()]));
            Pair { center, crm, way: pair.way }
        });
        let pairs = pairs.collect();
        let [center, crm] =
            SIDES.map(|side| id(("transition", None), side, &self.transition[side.index()]));
        let settings = Settings {
            scenario: self.scenario,
            pairs,
            transition: Transition { center, crm, dwell: self.dwell },
            master: self.master,
            after_call_counts: self.after_call_counts,
            on_missed: self.on_missed,
            on_console_gone: self.on_console_gone,
            console_grace: self.console_grace,
        };
        match Map::open(&settings, known) {
            Ok(map) if faults.is_empty() => Ok(map),
            Ok(_) => Err(faults),
            Err(more) => {
                // What names no status is told once, with what there is.
                let is_new = |one: &Fault| {
                    let is_same = |had: &Fault| {
                        (had.key, had.pair, had.side) == (one.key, one.pair, one.side)
                    };
                    !faults.iter().any(is_same)
                };
                let more: Vec<Fault> = more.into_iter().filter(is_new).collect();
                faults.extend(more);
                Err(faults)
            }
        }
    }
}

struct Place {
    key: &'static str,
    pair: Option<usize>,
    side: Side,
}

/// A status by its id, else by its name: without case, and no other may have it.
fn resolve(known: &Known, word: &str, place: Place) -> Result<StatusId, Fault> {
    if let Some(status) = known.statuses.iter().find(|one| one.id.as_str() == word) {
        return Ok(status.id.clone());
    }
    let named = known.statuses.iter().filter(|one| one.name.trim().eq_ignore_ascii_case(word));
    let named: Vec<_> = named.collect();
    let Place { key, pair, side } = place;
    let fault = |message, fix| Fault { pair, side: Some(side), key, message, fix };
    match named.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => {
            let mut names: Vec<&str> = known.statuses.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let message = format!("{} has no status `{word}`", known.system);
            Err(fault(message, format!("choose one of {}", names.join(", "))))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
            let message = format!("{} has several statuses `{word}`", known.system);
            Err(fault(message, format!("write the id of one: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{PairOfNames, Team};
    use crate::presence::{By, Members};
    use domain::presence::{Kind, Known, Master, OnConsoleGone, OnMissed, Scenario, Status, Way};
    use std::time::Duration;

    /// What both simulated systems have.
    pub(in crate::presence) fn known() -> [Known; 2] {
        let known = |system: &str, all: &[(&str, &str, Kind)]| Known {
            system: system.to_owned(),
            statuses: all
                .iter()
                .map(|(id, name, kind)| Status {
                    id: (*id).into(),
                    name: (*name).to_owned(),
                    kind: *kind,
                })
                .collect(),
        };
        let center = known(
            "center",
            &[
                ("g1", "On Queue", Kind::Work),
                ("g2", "Available", Kind::NoWork),
                ("g3", "Busy", Kind::NoWork),
                ("g4", "Break", Kind::NoWork),
                ("g5", "break", Kind::NoWork),
            ],
        );
        let crm = known(
            "crm",
            &[
                ("s1", "Online", Kind::Work),
                ("s2", "Transition", Kind::NoWork),
                ("s3", "Busy", Kind::NoWork),
            ],
        );
        [center, crm]
    }

    pub(in crate::presence) fn team(pairs: &[(&str, &str)]) -> Team {
        let pair = |(center, crm): &(&str, &str)| PairOfNames {
            names: [(*center).to_owned(), (*crm).to_owned()],
            way: Way::Both,
        };
        Team {
            name: "support".to_owned(),
            connections: ["center".to_owned(), "crm".to_owned()],
            members: Members::default(),
            matching: vec![By::Email],
            scenario: Scenario::Both,
            master: Master::Both,
            pairs: pairs.iter().map(pair).collect(),
            transition: ["Available".to_owned(), "Transition".to_owned()],
            dwell: Duration::from_secs(30),
            after_call_counts: true,
            on_missed: OnMissed::Wait,
            on_console_gone: OnConsoleGone::Wait,
            console_grace: Duration::from_secs(30),
            compare_every: Duration::from_secs(60),
            agents_every: Duration::from_secs(3_600),
        }
    }

    #[track_caller]
    fn faults(pairs: &[(&str, &str)], expected: &[&str]) {
        let [center, crm] = known();
        let told = team(pairs).open([&center, &crm]).err().unwrap_or_default();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn statuses_are_named_as_people_see_them_or_by_id() {
        let [center, crm] = known();
        let map = team(&[("on queue", "s1"), ("g3", "BUSY")]).open([&center, &crm]);
        let map = map.expect("a map");
        let way = |status: &str| {
            let to = map.leads_to(domain::presence::Side::Center, &status.into());
            to.map(|one| one.as_str().to_owned())
        };
        assert_eq!((way("g1"), way("g3")), (Some("s1".to_owned()), Some("s3".to_owned())));
    }

    #[test]
    fn a_status_that_is_none_or_several_is_told_with_what_there_is() {
        faults(
            &[("On Queue", "Online"), ("Lunch", "Busy")],
            &["pairs[1].contact_center: center has no status `Lunch`; choose one of Available, \
               Break, Busy, On Queue, break"],
        );
        faults(
            &[("On Queue", "Online"), ("BREAK", "Busy")],
            &["pairs[1].contact_center: center has several statuses `BREAK`; write the id of \
               one: g4, g5"],
        );
    }

    #[test]
    fn what_the_statuses_cannot_mean_is_told_besides() {
        faults(
            &[("On Queue", "Busy"), ("Lunch", "Busy")],
            &[
                "pairs[1].contact_center: center has no status `Lunch`; choose one of Available, \
                 Break, Busy, On Queue, break",
                "pairs[0].crm: in `On Queue` ↔ `Busy` only `On Queue` hands out work; replace \
                 `Busy` by a work status of crm, or `On Queue` by one without work",
                "pairs.crm: no pair leads from a work status of crm; map one to a work \
                 status of center, or make center the master",
                "pairs[1].crm: `Busy` leads to `On Queue` and to `Lunch`; let one of `On Queue` ↔ \
                 `Busy` and `Lunch` ↔ `Busy` lead only to crm",
            ],
        );
    }
}
