//! How presence does: what was decided and how quickly, and how agents stand.

use super::About;
use crate::Engine;
use crate::presence::Standing;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTeam {
    team: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Alerting {
    team: String,
    alert: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSide {
    team: String,
    side: &'static str,
}

/// Of each team.
#[derive(Debug)]
pub(super) struct Presence {
    events: Family<OfTeam, Counter>,
    seconds: Histogram,
    agents: Family<OfTeam, Gauge>,
    working: Family<OfTeam, Gauge>,
    alerts: Family<Alerting, Gauge>,
    backlog: Family<OfSide, Gauge>,
    consoles: Family<OfTeam, Gauge>,
}

/// In the order of registration.
pub(super) const ALL: [About; 7] = [
    About {
        name: "tieline_presence_events",
        kind: "counter",
        help: "What happened to agents, and was decided on",
    },
    About {
        name: "tieline_presence_seconds",
        kind: "histogram",
        help: "From hearing what happened to an agent until it is decided, kept and handed on",
    },
    About {
        name: "tieline_presence_agents",
        kind: "gauge",
        help: "Agents whose presence is kept the same in two systems",
    },
    About {
        name: "tieline_presence_working",
        kind: "gauge",
        help: "Whether this node works at a team: 1, or 0",
    },
    About {
        name: "tieline_presence_alerts",
        kind: "gauge",
        help: "Agents of whom something is wrong: drift, console_gone or both_work",
    },
    About {
        name: "tieline_presence_backlog",
        kind: "gauge",
        help: "Statuses that wait to be set, by side",
    },
    About {
        name: "tieline_presence_consoles",
        kind: "gauge",
        help: "Agents' consoles that are there, at this node",
    },
];

/// Upper bounds in seconds, dense around the 50 ms that a decision may take.
const SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 1.0];
/// Alerts of an agent, in words.
const WORDS: [&str; 3] = ["drift", "console_gone", "both_work"];

impl Default for Presence {
    fn default() -> Self {
        Self {
            events: Family::default(),
            seconds: Histogram::new(SECONDS),
            agents: Family::default(),
            working: Family::default(),
            alerts: Family::default(),
            backlog: Family::default(),
            consoles: Family::default(),
        }
    }
}

impl Presence {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let presence = Self::default();
        let [events, seconds, agents, working, alerts, backlog, consoles] = &ALL;
        registry.register(events.name, events.help, presence.events.clone());
        registry.register(seconds.name, seconds.help, presence.seconds.clone());
        registry.register(agents.name, agents.help, presence.agents.clone());
        registry.register(working.name, working.help, presence.working.clone());
        registry.register(alerts.name, alerts.help, presence.alerts.clone());
        registry.register(backlog.name, backlog.help, presence.backlog.clone());
        registry.register(consoles.name, consoles.help, presence.consoles.clone());
        presence
    }

    pub(super) fn decided(&self, team: &str, took: impl Iterator<Item = Duration>) {
        let events = self.events.get_or_create(&OfTeam { team: team.to_owned() });
        for time in took {
            events.inc();
            self.seconds.observe(time.as_secs_f64());
        }
    }

    pub(super) fn gauge(&self, engine: &Engine) {
        for desk in engine.presence.desks() {
            let view = desk.view();
            let team = || OfTeam { team: view.name.clone() };
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.agents.get_or_create(&team()).set(number(view.agents));
            let is_working = view.standing == Standing::Working;
            self.working.get_or_create(&team()).set(i64::from(is_working));
            for alert in WORDS {
                let agents = view.alerts.get(alert).copied().unwrap_or_default();
                let labels = Alerting { team: view.name.clone(), alert };
                self.alerts.get_or_create(&labels).set(number(agents));
            }
            for (side, waiting) in ["contact_center", "crm"].into_iter().zip(view.backlog) {
                let labels = OfSide { team: view.name.clone(), side };
                self.backlog.get_or_create(&labels).set(number(waiting));
            }
            let consoles = engine.presence.consoles().count(&view.connections[1]);
            self.consoles.get_or_create(&team()).set(number(consoles));
        }
    }
}
