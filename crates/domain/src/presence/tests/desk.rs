//! One agent at a desk with two simulated systems that do at once what they are told.

use crate::Timestamp;
use crate::presence::*;
use std::time::Duration;

/// What the tables call the statuses of both sides.
pub fn known() -> [Known; 2] {
    let statuses = |all: &[(&str, Kind)]| {
        let status = |(id, kind): &(&str, Kind)| {
            let name = id.replace('_', " ");
            Status { id: StatusId::from(*id), name, kind: *kind }
        };
        all.iter().map(status).collect()
    };
    let center = statuses(&[
        ("on_queue", Kind::Work),
        ("available", Kind::NoWork),
        ("busy", Kind::NoWork),
        ("meal", Kind::NoWork),
        ("break", Kind::NoWork),
        ("training", Kind::NoWork),
        ("idle", Kind::System),
        ("offline", Kind::Offline),
    ]);
    let crm = statuses(&[
        ("online", Kind::Work),
        ("chat", Kind::Work),
        ("social", Kind::Work),
        ("busy", Kind::NoWork),
        ("transition", Kind::NoWork),
        ("lunch", Kind::NoWork),
        ("training", Kind::NoWork),
        ("offline", Kind::Offline),
    ]);
    [
        Known { system: "the center".into(), statuses: center },
        Known { system: "the CRM".into(), statuses: crm },
    ]
}

pub fn pair(center: &str, crm: &str, way: Way) -> Pair {
    Pair { center: center.into(), crm: crm.into(), way }
}

pub fn settings(scenario: Scenario, pairs: Vec<Pair>) -> Settings {
    let dwell = Duration::from_secs(30);
    Settings {
        scenario,
        pairs,
        transition: Transition { center: "available".into(), crm: "transition".into(), dwell },
        master: Master::Both,
        after_call_counts: true,
        on_missed: OnMissed::Wait,
        on_console_gone: OnConsoleGone::Wait,
        console_grace: Duration::from_secs(5),
    }
}

pub fn open(settings: &Settings) -> Map {
    let [center, crm] = known();
    match Map::open(settings, [&center, &crm]) {
        Ok(map) => map,
        Err(faults) => panic!("{faults:?}"),
    }
}

/// One at a time: `online` and `chat` are mapped to one status, breaks and meals to another.
pub fn one() -> Map {
    open(&settings(
        Scenario::One,
        vec![
            pair("on_queue", "busy", Way::Both),
            pair("busy", "online", Way::Both),
            pair("busy", "chat", Way::Both),
            pair("meal", "lunch", Way::Both),
            pair("break", "lunch", Way::ToCrm),
        ],
    ))
}

/// Both at once.
pub fn both() -> Map {
    open(&settings(
        Scenario::Both,
        vec![
            pair("on_queue", "online", Way::Both),
            pair("on_queue", "chat", Way::ToCenter),
            pair("meal", "lunch", Way::Both),
            pair("break", "lunch", Way::ToCrm),
        ],
    ))
}

/// The same map, but for something.
pub fn with(map: Map, change: impl FnOnce(&mut Settings)) -> Map {
    let mut settings = map.settings().clone();
    change(&mut settings);
    open(&settings)
}

pub struct Desk {
    pub map: Map,
    pub state: State,
    pub now: Timestamp,
    /// By side: what it shows, and how often that and the work have changed.
    pub statuses: [StatusId; 2],
    pub version: [u64; 2],
    pub work: [Work; 2],
    pub work_version: [u64; 2],
    was_brought_back: bool,
}

impl Desk {
    /// Off work on both sides, and both are read.
    pub fn new(map: &Map) -> Self {
        Self::found(map, ["available", "transition"])
    }

    /// Shows this when both are read for the first time.
    pub fn found(map: &Map, statuses: [&str; 2]) -> Self {
        let now = Timestamp(1_000_000);
        let mut desk = Self {
            map: map.clone(),
            state: State::resume(Kept::default(), now),
            now,
            statuses: statuses.map(StatusId::from),
            version: [1, 1],
            work: [Work::Free; 2],
            work_version: [1, 1],
            was_brought_back: false,
        };
        // Consoles have had their time to come back.
        desk.state.resumed = Timestamp(0);
        desk.compare();
        desk
    }

    pub fn reading(&self, side: Side) -> Reading {
        let at = side.index();
        Reading {
            began: self.now,
            status: self.statuses[at].clone(),
            version: self.version[at],
            work: self.work[at],
            work_version: self.work_version[at],
        }
    }

    pub fn compare(&mut self) {
        self.tell(Event::Compared([self.reading(Side::Center), self.reading(Side::Crm)]));
    }

    /// Decides, and nothing more.
    pub fn decide(&mut self, event: Event) -> Vec<Action> {
        let state = std::mem::take(&mut self.state);
        let (state, actions) = decide(&self.map, state, event, self.now);
        self.state = state;
        actions
    }

    /// Decides, and does what comes of it.
    pub fn tell(&mut self, event: Event) {
        for action in self.decide(event) {
            match action {
                Action::Set(Command { side, number, status, fence, .. }) => {
                    let at = side.index();
                    assert_eq!(fence, self.version[at], "decided on what shows");
                    self.statuses[at] = status;
                    self.version[at] += 1;
                    let answer = Answer::Done(Some(self.version[at]));
                    self.tell(Event::Answer { side, number, answer });
                    self.tell(self.status(side));
                }
                Action::BringBack => {
                    self.was_brought_back = true;
                    self.at_hand(Side::Center, Work::Free);
                }
                Action::Read(side) => {
                    self.tell(Event::Read { side, reading: self.reading(side) });
                }
                Action::Raise(_) | Action::Clear(_) | Action::Wake(_) => {}
            }
        }
    }

    pub fn status(&self, side: Side) -> Event {
        let (status, version) = (self.statuses[side.index()].clone(), self.version[side.index()]);
        Event::Status { side, status, version }
    }

    /// The agent chooses a status, or the system sets one; nobody is told yet.
    pub fn choose(&mut self, side: Side, status: &str) -> Event {
        self.statuses[side.index()] = status.into();
        self.version[side.index()] += 1;
        self.status(side)
    }

    pub fn at_hand(&mut self, side: Side, work: Work) {
        self.work[side.index()] = work;
        self.work_version[side.index()] += 1;
        let version = self.work_version[side.index()];
        self.tell(Event::Work { side, work, version });
    }

    /// Lets time pass, from one wake-up to the next.
    pub fn wait(&mut self, seconds: i64) {
        let until = self.now.0 + 1_000 * seconds;
        while let Some(wake) = self.state.wake.filter(|wake| wake.0 <= until) {
            self.now = wake;
            self.tell(Event::Tick);
        }
        self.now = Timestamp(until);
    }

    /// One step as the tables write it.
    fn go(&mut self, step: &str) {
        let side = |word| if word == "center" { Side::Center } else { Side::Crm };
        match step.split_whitespace().collect::<Vec<_>>()[..] {
            [] => {}
            ["wait", seconds] => self.wait(seconds.parse().expect(step)),
            ["console", word] => self.tell(Event::Console { is_there: word == "back" }),
            ["pause"] => self.tell(Event::Pause(true)),
            ["resume"] => self.tell(Event::Pause(false)),
            [at, "+item"] => self.at_hand(side(at), Work::Handling),
            [at, "-item"] => self.at_hand(side(at), Work::Free),
            [at, "acw"] => self.at_hand(side(at), Work::AfterCall),
            [at, "missed"] => self.at_hand(side(at), Work::Missed),
            [at @ ("center" | "crm"), status] => {
                let event = self.choose(side(at), status);
                self.tell(event);
            }
            _ => panic!("no step: {step}"),
        }
    }

    pub fn told(&mut self) -> String {
        let mut told = self.statuses.each_ref().map(|one| one.to_string()).join(" ");
        for alert in &self.state.alerts {
            told += &format!(" {alert:?}");
        }
        if std::mem::take(&mut self.was_brought_back) {
            told += ", brought back";
        }
        told
    }
}

/// Goes through a table; every row ends with both sides agreed with what was decided.
pub fn check(map: &Map, rows: &[(&str, &str)]) {
    let mut desk = Desk::new(map);
    for (at, (steps, expected)) in rows.iter().enumerate() {
        steps.split(';').for_each(|step| desk.go(step.trim()));
        assert_eq!(desk.told(), *expected, "row {at}, after `{steps}`: {:#?}", desk.state);
        assert!(Side::ALL.iter().all(|side| desk.state.flight(*side).is_none()), "row {at}");
    }
}
