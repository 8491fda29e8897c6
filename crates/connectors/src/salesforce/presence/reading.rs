//! Asks for what many agents show and have at hand, in few requests.
//!
//! For a batch of agents: their current row and those that ended lately, their work that is
//! open and what was closed or changed lately. Lately is since they were read before, less an
//! overlap, or since a day ago. Whoever is new to us is also looked for among the users; since
//! when they show what they show, where that is longer ago than a day, takes a question more.

use super::super::mapping::record_id;
use super::super::records::{fixed, id};
use super::super::soql::{Condition, Name, Soql};
use super::seen::{self, Item, Known, Memory, OFFLINE, Place, Shown, Status};
use super::{Omni, SHOWN, USER, WORK, names, text};
use domain::Timestamp;
use kit::Error;
use kit::presence::Seen;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Agents of one batch: the list of their ids stays below the longest WHERE clause.
const BATCH: usize = 150;
/// The same of those that nothing is known of yet: a whole day is read of them.
const NEW_BATCH: usize = 50;
/// The same where moments stand beside them.
const MOMENTS_BATCH: usize = 40;
/// Rows of one query: the current and open ones come first, and no more than the newest are
/// needed besides.
const ROWS_MAX: u16 = 20_000;
/// How far is looked back for agents that nothing is known of yet.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The same where that did not tell since when they are logged out, before all there is.
const FORTNIGHT: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Behind the reading before: clocks differ, and a transaction may commit with a time that
/// others have passed.
const OVERLAP: Duration = Duration::from_secs(10 * 60);

const SHOWN_FIELDS: [&str; 6] = [
    "Id",
    "UserId",
    "ServicePresenceStatusId",
    "StatusStartDate",
    "StatusEndDate",
    "IsCurrentState",
];
/// What happened to a piece of work, and when.
const WORK_MOMENTS: [&str; 4] =
    ["AssignedDateTime", "AcceptDateTime", "CloseDateTime", "CancelDateTime"];
const WORK_FIELDS: [&str; 11] = [
    "Id",
    "Name",
    "UserId",
    "Status",
    "SystemModstamp",
    "DeclineDateTime",
    "PushTimeoutDateTime",
    "AssignedDateTime",
    "AcceptDateTime",
    "CloseDateTime",
    "CancelDateTime",
];

#[cfg(test)]
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    SHOWN_FIELDS.into_iter().chain(WORK_FIELDS)
}

/// The fields of what agents show, and of their work.
pub(super) fn needed() -> [Vec<Name>; 2] {
    [names(&SHOWN_FIELDS), names(&WORK_FIELDS)]
}

/// By the agent's id.
type Of<T> = HashMap<String, Vec<T>>;

pub(super) async fn read(omni: &Omni, agents: &[String]) -> Result<Vec<Option<Seen>>, Error> {
    let ids: Vec<Option<String>> = agents.iter().map(|agent| record_id(agent)).collect();
    let mut memory = omni.memory.lock().await;
    let mut found: HashMap<String, Seen> = HashMap::new();
    let mut once = HashSet::new();
    let asked = ids.iter().flatten().filter(|id| once.insert(id.as_str()));
    let (known, new): (Vec<&str>, Vec<&str>) =
        asked.map(String::as_str).partition(|id| memory.get(id).is_some());
    for batch in known.chunks(BATCH) {
        found.extend(read_batch(omni, &mut memory, batch).await?);
    }
    for batch in new.chunks(NEW_BATCH) {
        let there = existing(omni, batch).await?;
        let batch: Vec<&str> = batch.iter().copied().filter(|id| there.contains(*id)).collect();
        found.extend(read_batch(omni, &mut memory, &batch).await?);
    }
    Ok(ids.iter().map(|id| found.get(id.as_ref()?).cloned()).collect())
}

/// Those who are users of the org and active.
async fn existing(omni: &Omni, agents: &[&str]) -> Result<HashSet<String>, Error> {
    let Some(named) = Condition::one_of(&fixed("Id"), agents.iter().copied()) else {
        return Ok(HashSet::new());
    };
    let condition = named.and(Condition::holds(&fixed("IsActive")));
    let soql = Soql::by_id(&fixed(USER), &names(&["Id"]), Some(&condition), ROWS_MAX);
    omni.rows(&soql).await?.iter().map(id).collect()
}

async fn read_batch(
    omni: &Omni,
    memory: &mut Memory,
    agents: &[&str],
) -> Result<Vec<(String, Seen)>, Error> {
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    let now = now();
    let before = agents.iter().map(|agent| memory.get(agent).map(|known| known.read));
    let since = match before.min().flatten() {
        Some(read) => read.minus(OVERLAP).max(now.minus(DAY)),
        None => now.minus(DAY),
    };
    let (shown, items) =
        tokio::try_join!(shown_since(omni, agents, since), work_since(omni, agents, since))?;
    let statuses = statuses(omni, memory, agents, &shown, since).await?;
    let mut found = Vec::with_capacity(agents.len());
    for (agent, (row, status, moment, version)) in agents.iter().zip(statuses) {
        let known = memory.get(agent);
        let version = seen::growing(known, row.as_ref(), moment, version);
        let items = items.get(*agent).map_or(&[][..], Vec::as_slice);
        let at_hand = seen::work(items, moment, since, known);
        let (work, offered) = (at_hand.work, at_hand.offered);
        let seen = Seen { status, version, work, work_version: at_hand.version };
        found.push(((*agent).to_owned(), seen.clone()));
        // An answer about something older says nothing of now.
        if known.is_none_or(|known| moment >= known.moment) {
            memory.keep(agent, Known { row, moment, seen, offered, read: now });
        }
    }
    Ok(found)
}

/// Row, status, since when and version; in the order of the agents.
type Found = (Option<String>, domain::presence::StatusId, Timestamp, u64);

async fn statuses(
    omni: &Omni,
    memory: &Memory,
    agents: &[&str],
    shown: &Of<Shown>,
    since: Timestamp,
) -> Result<Vec<Found>, Error> {
    let rows = |agent: &str| shown.get(agent).map_or(&[][..], Vec::as_slice);
    // Those that the rows at hand do not tell all of, and since when, if that is known.
    let mut open: Vec<(&str, Option<Timestamp>)> = Vec::new();
    for agent in agents {
        let known = memory.get(agent);
        match seen::status(rows(agent)) {
            Status::Out if known.is_none() => open.push((agent, None)),
            Status::Since { row, moment, .. }
                if moment < since && known.is_none_or(|known| known.row != row) =>
            {
                open.push((agent, Some(moment)));
            }
            _ => {}
        }
    }
    let older = older(omni, &open).await?;
    let found = agents.iter().map(|agent| {
        let known = memory.get(agent);
        let status = match seen::status(rows(agent)) {
            Status::Out => older.get(*agent).map_or(Status::Out, |rows| seen::status(rows)),
            told => told,
        };
        match (status, known) {
            (Status::Since { row, status, moment }, _) => {
                let rows = older.get(*agent).map_or(rows(agent), Vec::as_slice);
                (row, status, moment, seen::version(moment, rows))
            }
            // They were logged out before, or the row is gone altogether.
            (Status::Out, Some(known)) => (None, OFFLINE.into(), known.moment, known.seen.version),
            (Status::Out, None) => (None, OFFLINE.into(), Timestamp(0), 0),
        }
    });
    Ok(found.collect())
}

/// The rows that began or ended when each of these came to what they show.
async fn older(omni: &Omni, open: &[(&str, Option<Timestamp>)]) -> Result<Of<Shown>, Error> {
    let unknown = |(agent, moment): &(&'_ str, Option<Timestamp>)| {
        moment.is_none().then(|| (*agent).to_owned())
    };
    let mut out: Vec<String> = open.iter().filter_map(unknown).collect();
    let mut moments: HashMap<String, Timestamp> = HashMap::new();
    for (agent, moment) in open {
        moments.extend(moment.map(|moment| ((*agent).to_owned(), moment)));
    }
    for since in [Some(now().minus(FORTNIGHT)), None] {
        moments.extend(last_ends(omni, &out, since).await?);
        out.retain(|agent| !moments.contains_key(agent));
    }
    let all: Vec<(&String, &Timestamp)> = moments.iter().collect();
    let mut found = Of::new();
    for batch in all.chunks(MOMENTS_BATCH) {
        let then: Vec<Timestamp> = batch.iter().map(|(_, moment)| **moment).collect();
        let at = |field| Condition::one_of_moments(&fixed(field), &then);
        let at: Vec<Condition> =
            ["StatusStartDate", "StatusEndDate"].into_iter().filter_map(at).collect();
        let agents = batch.iter().map(|(agent, _)| agent.as_str());
        found.extend(shown_where(omni, agents, Condition::any(at)).await?);
    }
    Ok(found)
}

/// When each of these ended a status last, since a moment.
async fn last_ends(
    omni: &Omni,
    agents: &[String],
    since: Option<Timestamp>,
) -> Result<Vec<(String, Timestamp)>, Error> {
    let Some(named) = Condition::one_of(&fixed("UserId"), agents.iter().map(String::as_str)) else {
        return Ok(Vec::new());
    };
    let ended = fixed("StatusEndDate");
    let condition = named.and_all(since.map(|since| Condition::since(&ended, since)));
    let soql = Soql::latest(&fixed(SHOWN), &fixed("UserId"), &ended, &condition);
    let rows = omni.rows(&soql).await?;
    Ok(rows.iter().filter_map(|row| user(row).zip(moment(row, "latest"))).collect())
}

async fn shown_since(omni: &Omni, agents: &[&str], since: Timestamp) -> Result<Of<Shown>, Error> {
    let current = Condition::holds(&fixed("IsCurrentState"));
    let ended = Condition::since(&fixed("StatusEndDate"), since);
    shown_where(omni, agents.iter().copied(), Condition::any(vec![current, ended])).await
}

async fn shown_where(
    omni: &Omni,
    agents: impl Iterator<Item = &str>,
    more: Option<Condition>,
) -> Result<Of<Shown>, Error> {
    let Some(named) = Condition::one_of(&fixed("UserId"), agents) else { return Ok(Of::new()) };
    let order = names(&["IsCurrentState", "StatusEndDate"]);
    let condition = named.and_all(more);
    let soql = Soql::newest(&fixed(SHOWN), &names(&SHOWN_FIELDS), &condition, &order, ROWS_MAX);
    let mut found = Of::new();
    for row in omni.rows(&soql).await? {
        let status = text(&row, "ServicePresenceStatusId").and_then(record_id);
        let start = moment(&row, "StatusStartDate");
        // A row without these is being made, and nobody's yet.
        let (Some(user), Some(status), Some(start)) = (user(&row), status, start) else { continue };
        let (end, id) = (moment(&row, "StatusEndDate"), id(&row)?);
        let is_current = row["IsCurrentState"] == true;
        found.entry(user).or_default().push(Shown { id, status, start, end, is_current });
    }
    Ok(found)
}

async fn work_since(omni: &Omni, agents: &[&str], since: Timestamp) -> Result<Of<Item>, Error> {
    let Some(named) = Condition::one_of(&fixed("UserId"), agents.iter().copied()) else {
        return Ok(Of::new());
    };
    let open = Condition::one_of(&fixed("Status"), ["Assigned", "Opened"]);
    let changed = Condition::since(&fixed("SystemModstamp"), since);
    let any: Vec<Condition> = open.into_iter().chain([changed]).collect();
    let condition = named.and_all(Condition::any(any));
    let order = names(&["SystemModstamp"]);
    let soql = Soql::newest(&fixed(WORK), &names(&WORK_FIELDS), &condition, &order, ROWS_MAX);
    let mut found = Of::new();
    for row in omni.rows(&soql).await? {
        if let Some(user) = user(&row) {
            found.entry(user).or_default().push(item(&row));
        }
    }
    Ok(found)
}

fn item(row: &Value) -> Item {
    let status = text(row, "Status").unwrap_or_default();
    let is_open = matches!(status, "Assigned" | "Opened");
    let changed = moment(row, "SystemModstamp");
    let missed = match status {
        "Declined" => moment(row, "DeclineDateTime").or(changed),
        "DeclinedOnPushTimeout" => moment(row, "PushTimeoutDateTime")
            .or_else(|| moment(row, "DeclineDateTime"))
            .or(changed),
        _ => None,
    };
    let mut moments: Vec<Timestamp> =
        WORK_MOMENTS.iter().filter_map(|field| moment(row, field)).collect();
    moments.extend(missed);
    // Taken from the agent, or handed on: when, only the last change tells.
    let is_told = ["CloseDateTime", "CancelDateTime"].iter().any(|at| text(row, at).is_some());
    if !is_open && missed.is_none() && !is_told {
        moments.extend(changed);
    }
    let offered = moment(row, "AssignedDateTime").or(changed).unwrap_or_default();
    let number = text(row, "Name").and_then(|name| name.parse().ok()).unwrap_or(0);
    let offered = Place(offered, number);
    Item { is_open, offered, missed, moments }
}

fn user(row: &Value) -> Option<String> {
    text(row, "UserId").and_then(record_id)
}

fn moment(row: &Value, field: &str) -> Option<Timestamp> {
    text(row, field).and_then(Timestamp::parse)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
