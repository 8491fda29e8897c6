//! What the platform's JSON of agents means.
//!
//! Versions are its own times: of the last change of presence, and of the routing status. It
//! writes one presence in several ways (`ON_QUEUE`, `On Queue`, `OnQueue`), so texts are
//! compared without case, underscore and space.

use domain::Timestamp;
use domain::presence::{Kind, Status, StatusId, Work};
use kit::presence::{Agent, Seen};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Media of a conversation summary.
const MEDIA: [&str; 7] =
    ["call", "callback", "email", "message", "chat", "socialExpression", "video"];
/// Agents whose work is remembered.
const WORKS_MAX: usize = 100_000;

/// A presence definition; `None` for one that is not to be chosen any more.
pub(super) fn definition(one: &Value) -> Option<Status> {
    if one["deactivated"].as_bool() == Some(true) {
        return None;
    }
    let id = one["id"].as_str()?;
    let system = one["systemPresence"].as_str().unwrap_or_default();
    let labels = one["languageLabels"].as_object();
    let english = labels.and_then(|labels| {
        let exact = labels.get("en_US").or_else(|| labels.get("en"));
        let any = || labels.iter().find(|(language, _)| language.starts_with("en")).map(|(_, l)| l);
        exact.or_else(any).and_then(Value::as_str)
    });
    let name = english.or_else(|| one["name"].as_str()).filter(|name| !name.trim().is_empty());
    let kind = match plain(system).as_str() {
        "onqueue" => Kind::Work,
        "offline" => Kind::Offline,
        "idle" => Kind::System,
        _ => Kind::NoWork,
    };
    Some(Status { id: StatusId::from(id), name: name.unwrap_or(system).to_owned(), kind })
}

/// A user; groups are what a team can be told apart by: department, division and team.
pub(super) fn agent(user: &Value) -> Option<Agent> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let groups = [&user["department"], &user["division"]["name"], &user["team"]["name"]];
    Some(Agent {
        id: text(&user["id"])?,
        name: text(&user["name"]).unwrap_or_default(),
        email: text(&user["email"]),
        aliases: text(&user["username"]).into_iter().collect(),
        groups: groups.into_iter().filter_map(text).collect(),
    })
}

/// What a user shows and has at hand.
pub(super) fn seen(user: &Value, after_call: bool, works: &Works) -> Option<Seen> {
    let presence = &user["presence"];
    let status = presence["presenceDefinition"]["id"].as_str()?;
    let (routing, since) = routing(&user["routingStatus"])?;
    let id = user["id"].as_str()?;
    let summary = Some(&user["conversationSummary"]).filter(|_| after_call);
    if let Some(summary) = summary {
        works.summarised(id, summary);
    }
    let (work, work_version) = works.of(id, routing, since);
    let version = modified(presence)?;
    Some(Seen { status: StatusId::from(status), version, work, work_version })
}

/// When a presence was changed last.
pub(super) fn modified(presence: &Value) -> Option<u64> {
    moment(&presence["modifiedDate"])
}

fn moment(value: &Value) -> Option<u64> {
    u64::try_from(Timestamp::parse(value.as_str()?)?.0).ok()
}

/// What the routing says of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routing {
    Free,
    /// On an interaction, or in after-call work.
    Interacting,
    /// On a call that is no queue's.
    Communicating,
    NotResponding,
}

/// A `RoutingStatus`: what it says, and since when.
pub(super) fn routing(value: &Value) -> Option<(Routing, u64)> {
    let routing = match plain(value["status"].as_str()?).as_str() {
        "interacting" => Routing::Interacting,
        "communicating" => Routing::Communicating,
        "notresponding" => Routing::NotResponding,
        // An unknown word hands out nothing that we know of.
        _ => Routing::Free,
    };
    // Who was never on queue has no time.
    Some((routing, moment(&value["startTime"]).unwrap_or(0)))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Nothing is active, and something is being wrapped up; `None`: it says nothing of either.
fn is_after_call(summary: &Value) -> Option<bool> {
    let count = |key: &str| -> u64 {
        MEDIA.iter().filter_map(|media| summary[media]["contactCenter"][key].as_u64()).sum()
    };
    let is_told = MEDIA.iter().any(|media| summary[media].is_object());
    is_told.then(|| count("active") == 0 && count("acw") > 0)
}

/// What agents have at hand, with versions that grow: after-call work begins within one
/// routing status, whose time stays.
#[derive(Default)]
pub(super) struct Works(Mutex<HashMap<String, Known>>);

#[derive(Clone, Copy)]
struct Known {
    routing: Routing,
    since: u64,
    after_call: bool,
    work: Work,
    version: u64,
}

impl Works {
    /// What a conversation summary says of an agent; whether it is new.
    pub(super) fn summarised(&self, agent: &str, summary: &Value) -> Option<(Work, u64)> {
        let after_call = is_after_call(summary)?;
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = all.entry(agent.to_owned()).or_insert(Known {
                routing: Routing::Free,
                since: 0,
                after_call,
                work: Work::Free,
                version: 0,
            });
            known.after_call = after_call;
            *known
        };
        (known.since > 0).then(|| self.of(agent, known.routing, known.since))
    }

    /// What an agent has at hand, and its version.
    pub(super) fn of(&self, agent: &str, routing: Routing, since: u64) -> (Work, u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= WORKS_MAX && !all.contains_key(agent) {
            all.clear();
        }
        let after_call = all.get(agent).is_some_and(|known| known.after_call);
        let work = match routing {
            Routing::Free => Work::Free,
            Routing::Interacting if after_call => Work::AfterCall,
            Routing::Interacting | Routing::Communicating => Work::Handling,
            Routing::NotResponding => Work::Missed,
        };
        let version = match all.get(agent) {
            // It came late: what is known is newer.
            Some(known) if since < known.since => return (work, since),
            Some(known) if known.work == work && known.since == since => known.version,
            Some(known) => since.max(known.version + 1),
            None => since,
        };
        all.insert(agent.to_owned(), Known { routing, since, after_call, work, version });
        (work, version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Works, agent, definition, routing, seen};
    use domain::presence::{Kind, Work};
    use serde_json::{Value, json};

    #[test]
    fn what_a_definition_means_is_told_by_its_system_presence_however_it_is_written() {
        let kind = |system: &str| {
            definition(&json!({ "id": "d", "systemPresence": system })).expect("a status").kind
        };
        for system in ["On Queue", "ON_QUEUE", "OnQueue", "onQueue"] {
            assert_eq!(kind(system), Kind::Work, "{system}");
        }
        assert_eq!((kind("OFFLINE"), kind("Idle")), (Kind::Offline, Kind::System));
        assert_eq!(
            (kind("Available"), kind("BUSY"), kind("New")),
            (Kind::NoWork, Kind::NoWork, Kind::NoWork)
        );
    }

    #[test]
    fn a_definition_is_named_as_agents_see_it() {
        let name = |one: Value| definition(&one).map(|status| status.name);
        let labels = json!({ "id": "d", "name": "x", "systemPresence": "Meal", "languageLabels": { "de": "Mittag", "en_US": "Lunch" } });
        assert_eq!(name(labels).as_deref(), Some("Lunch"));
        let named =
            json!({ "id": "d", "name": "Mittag", "systemPresence": "Meal", "languageLabels": {} });
        assert_eq!(name(named).as_deref(), Some("Mittag"));
        assert_eq!(name(json!({ "id": "d", "systemPresence": "Meal" })).as_deref(), Some("Meal"));
        assert_eq!(name(json!({ "id": "d", "systemPresence": "Meal", "deactivated": true })), None);
    }

    #[test]
    fn a_users_groups_are_department_division_and_team() {
        let user = json!({ "id": "u", "name": "Ann", "email": "a@x.example", "username": "ann",
            "department": "Voice", "division": { "id": "1", "name": "Home" }, "team": { "name": "Blue" } });
        let agent = agent(&user).expect("an agent");
        assert_eq!(agent.groups, ["Voice", "Home", "Blue"]);
        assert_eq!(
            (agent.aliases.as_slice(), agent.email.as_deref()),
            (&["ann".to_owned()][..], Some("a@x.example"))
        );
    }

    fn user(status: &str, since: &str, summary: Value) -> Value {
        json!({ "id": "u",
            "presence": { "presenceDefinition": { "id": "d" }, "modifiedDate": "2026-11-23T08:00:00.123Z" },
            "routingStatus": { "status": status, "startTime": since }, "conversationSummary": summary })
    }

    fn call(active: u64, acw: u64) -> Value {
        json!({ "call": { "contactCenter": { "active": active, "acw": acw }, "enterprise": { "active": 1 } } })
    }

    #[test]
    fn after_call_work_is_told_apart_where_it_is_asked_for_and_its_version_grows() {
        let works = Works::default();
        let work = |one: Value, after_call| {
            let seen = seen(&one, after_call, &works).expect("seen");
            assert_eq!(seen.version, 1_795_420_800_123);
            (seen.work, seen.work_version)
        };
        let (first, then) = ("2026-11-23T08:00:01Z", "2026-11-23T08:05:00Z");
        let (idle, idle_at) = work(user("IDLE", first, json!({})), true);
        let (busy, busy_at) = work(user("INTERACTING", then, call(1, 0)), true);
        let (wrapping, wrapping_at) = work(user("INTERACTING", then, call(0, 1)), true);
        let (again, again_at) = work(user("INTERACTING", then, call(1, 1)), true);
        assert_eq!(
            [idle, busy, wrapping, again],
            [Work::Free, Work::Handling, Work::AfterCall, Work::Handling]
        );
        assert!(idle_at < busy_at && busy_at < wrapping_at && wrapping_at < again_at);
        assert_eq!(
            work(user("INTERACTING", then, call(1, 1)), true),
            (again, again_at),
            "no change"
        );
        assert_eq!(work(user("IDLE", first, json!({})), true).1, idle_at, "it came late");
        let other = Works::default();
        let seen = seen(&user("INTERACTING", then, call(0, 1)), false, &other).expect("seen");
        assert_eq!(seen.work, Work::Handling, "nobody asked");
    }

    #[test]
    fn every_routing_status_is_work_or_none() {
        let works = Works::default();
        for (at, (status, expected)) in [
            ("OFF_QUEUE", Work::Free),
            ("IDLE", Work::Free),
            ("NOT_RESPONDING", Work::Missed),
            ("COMMUNICATING", Work::Handling),
            ("Interacting", Work::Handling),
            ("NotResponding", Work::Missed),
        ]
        .into_iter()
        .enumerate()
        {
            let (routing, _) = routing(&json!({ "status": status })).expect("a status");
            assert_eq!(works.of("u", routing, at as u64 + 1).0, expected, "{status}");
        }
    }
}
