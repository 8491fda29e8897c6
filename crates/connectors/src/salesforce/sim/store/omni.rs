//! Omni-Channel: what an agent's presence and work are, and who may change them.
//!
//! A presence is a row of its own: another status ends it and makes a new one, and who has no
//! current row is logged out. Only the agent's console does that ([`Store::show`]); a client
//! that tries is refused. Work is pushed to who is online for its channel and has room for it.
//!
//! Source: Object Reference, "UserServicePresence" (supported calls), "AgentWork" (usage,
//! `Status`), "ServiceChannelStatus". What code a refused write has is not documented.

use super::packed::{Value, ValueRef};
use super::{Refused, Row, State, Store, clock, pack};

const PRESENCE: &str = "UserServicePresence";
const WORK: &str = "AgentWork";
/// Work items that an agent handles at once, as their presence configuration allows.
const CAPACITY: f64 = 3.0;

/// What happens to a piece of work that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkAct {
    /// The agent accepts it.
    Accept,
    /// The agent declines it.
    Decline,
    /// The agent lets the time for it go by.
    TimeOut,
    /// The agent is done with it.
    Close,
    /// Whoever wanted something wants it no more.
    Cancel,
}

impl WorkAct {
    /// The status after it, the field with its moment, and from which statuses it leads.
    fn leads(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            WorkAct::Accept => ("Opened", "AcceptDateTime", &["Assigned"]),
            WorkAct::Decline => ("Declined", "DeclineDateTime", &["Assigned"]),
            WorkAct::TimeOut => ("DeclinedOnPushTimeout", "PushTimeoutDateTime", &["Assigned"]),
            WorkAct::Close => ("Closed", "CloseDateTime", &["Opened"]),
            WorkAct::Cancel => ("Canceled", "CancelDateTime", &["Assigned", "Opened"]),
        }
    }
}

/// Is it written by the org itself alone, whatever its fields say?
pub(super) fn is_the_orgs_own(object: &str) -> bool {
    object == PRESENCE
}

/// Refuses a write that only the agent's console can make.
pub(super) fn check_write(object: &str, creating: bool) -> Result<(), Refused> {
    if object == PRESENCE || (object == WORK && !creating) {
        let message = format!("entity type cannot be inserted or updated: {object}");
        return Err(Refused::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message));
    }
    Ok(())
}

/// Deleting a presence takes Customize Application, and work that is active stays.
pub(super) fn check_delete(store: &Store, object: usize, row: u32) -> Result<(), Refused> {
    let of = store.objects[object].name.as_str();
    let status = store.text(object, row, "Status");
    let is_over = matches!(status, Some("Closed" | "Declined" | "Unavailable"));
    if (of == PRESENCE && !store.allowed.modify_all_data) || (of == WORK && !is_over) {
        let message = "insufficient access rights on object id";
        return Err(Refused::new("INSUFFICIENT_ACCESS", message));
    }
    Ok(())
}

/// Refuses work for who is not online for its channel, or has no room for it.
pub(super) fn check_offer(
    store: &Store,
    object: usize,
    values: &[(u16, Value)],
) -> Result<(), Refused> {
    let of = &store.objects[object];
    if of.name != WORK {
        return Ok(());
    }
    let value = |name: &str| {
        let field = of.field(name)?;
        values.iter().find(|(at, _)| *at == field).map(|(_, value)| value)
    };
    let (Some(Value::Text(user)), Some(Value::Text(channel))) =
        (value("UserId"), value("ServiceChannelId"))
    else {
        return Ok(());
    };
    let refuse = |why: &str| Err(Refused::of("FIELD_INTEGRITY_EXCEPTION", why, "UserId"));
    if !store.channels(user).contains(channel) {
        return refuse("the agent is not online for this service channel");
    }
    let skips = value("ShouldSkipCapacityCheck") == Some(&Value::Bool(true));
    let weight = match value("CapacityWeight") {
        Some(Value::Number(weight)) => *weight,
        _ => 1.0,
    };
    if !skips && store.load(user) + weight > CAPACITY {
        return refuse("the agent has no capacity left");
    }
    Ok(())
}

impl Store {
    fn text(&self, object: usize, row: u32, field: &str) -> Option<&str> {
        match self.value(object, row, self.objects[object].field(field)?)? {
            ValueRef::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The living rows of an object whose field has this text.
    fn with(&self, object: &str, field: &str, text: &str) -> Vec<(usize, u32)> {
        let Some(at) = self.object_always(object) else { return vec![] };
        let Some(field) = self.objects[at].field(field) else { return vec![] };
        self.rows_with(at, field, text).into_iter().map(|row| (at, row)).collect()
    }

    /// The row of what an agent shows now; none when they are logged out.
    fn presence(&self, user: &str) -> Option<(usize, u32)> {
        let mut rows = self.with(PRESENCE, "UserId", user).into_iter().rev();
        rows.find(|(object, row)| {
            let field = self.objects[*object].field("IsCurrentState");
            field.and_then(|field| self.value(*object, *row, field)) == Some(ValueRef::Bool(true))
        })
    }

    /// The status that an agent shows now, by its name in the API.
    pub(crate) fn shown(&self, user: &str) -> Option<String> {
        let [_, name, _] = self.shown_status(user)?;
        Some(name)
    }

    /// The status that an agent shows now: its id, its name in the API, and its label.
    pub(crate) fn shown_status(&self, user: &str) -> Option<[String; 3]> {
        let (object, row) = self.presence(user)?;
        let status = self.text(object, row, "ServicePresenceStatusId")?;
        let (object, row) = self.locate(status).ok()?;
        let text = |field| self.text(object, row, field).map(str::to_owned);
        Some([status.to_owned(), text("DeveloperName")?, text("MasterLabel")?])
    }

    /// The channels that an agent is online for.
    pub(crate) fn channels(&self, user: &str) -> Vec<String> {
        let status = self
            .presence(user)
            .and_then(|(object, row)| self.text(object, row, "ServicePresenceStatusId"));
        let joins =
            status.map(|id| self.with("ServiceChannelStatus", "ServicePresenceStatusId", id));
        let channel = |(object, row)| self.text(object, row, "ServiceChannelId").map(str::to_owned);
        joins.into_iter().flatten().filter_map(channel).collect()
    }

    /// The capacity that what an agent has at hand takes.
    fn load(&self, user: &str) -> f64 {
        let weight = |(object, row): (usize, u32)| {
            let field = self.objects[object].field("CapacityWeight")?;
            let is_active = matches!(self.text(object, row, "Status"), Some("Assigned" | "Opened"));
            match self.value(object, row, field) {
                _ if !is_active => None,
                Some(ValueRef::Number(weight)) => Some(weight),
                _ => Some(1.0),
            }
        };
        self.with(WORK, "UserId", user).into_iter().filter_map(weight).sum()
    }

    /// What the vendor fills in when work is pushed to an agent.
    pub(super) fn pushed(&self, defaults: &mut Vec<(&str, Value)>) {
        let now = Value::Time(second());
        defaults.push(("Status", Value::Text("Assigned".to_owned())));
        defaults.push(("AssignedDateTime", now.clone()));
        defaults.push(("RequestDateTime", now));
        defaults.push(("CapacityWeight", Value::Number(1.0)));
        defaults.push(("Name", Value::Text(format!("{:08}", self.cases + 1))));
    }

    /// A status by its id or its name in the API.
    fn status(&self, name: &str) -> Result<String, Refused> {
        let mut named = self.with("ServicePresenceStatus", "DeveloperName", name);
        let known = self.locate(name).ok().or_else(|| named.pop());
        known.map(|(object, row)| self.id(object, row)).ok_or_else(|| none("status"))
    }

    /// As if an agent had shown a status between two moments, or since one of them.
    pub(crate) fn showed(
        &mut self,
        user: &str,
        status: &str,
        began: i64,
        ended: Option<i64>,
    ) -> Result<(), Refused> {
        let status = self.status(status)?;
        let Some(object) = self.object_always(PRESENCE) else { return Err(none("object")) };
        let of = &self.objects[object];
        let mut values = vec![
            ("UserId", Value::Text(user.to_owned())),
            ("ServicePresenceStatusId", Value::Text(status)),
            ("StatusStartDate", Value::Time(whole(began))),
            ("IsCurrentState", Value::Bool(ended.is_none())),
        ];
        values.extend(ended.map(|ended| ("StatusEndDate", Value::Time(whole(ended)))));
        let values: Vec<(u16, Value)> =
            values.into_iter().filter_map(|(name, value)| Some((of.field(name)?, value))).collect();
        self.plant(object, values, began, ended.unwrap_or(began));
        Ok(())
    }

    /// The agent's console shows a status by its id or its name in the API, or logs out.
    pub(crate) fn show(&mut self, user: &str, status: Option<&str>) -> Result<(), Refused> {
        let status = status.map(|name| self.status(name)).transpose()?;
        let (of, row) = self.locate(user).map_err(|_| none("user"))?;
        let user = self.id(of, row);
        let now = second();
        if let Some((object, row)) = self.presence(&user) {
            let started = match self.objects[object].field("StatusStartDate") {
                Some(field) => self.value(object, row, field),
                None => None,
            };
            let Some(ValueRef::Time(started)) = started else { return Err(none("start")) };
            let seconds = u32::try_from((now - started) / 1000).unwrap_or(0);
            let end = [
                ("IsCurrentState", Value::Bool(false)),
                ("StatusEndDate", Value::Time(now)),
                ("StatusDuration", Value::Number(f64::from(seconds))),
            ];
            self.amend(object, row, &end);
        }
        let Some(status) = status else {
            self.withdraw(&user);
            return Ok(());
        };
        let Some(object) = self.object_always(PRESENCE) else { return Err(none("object")) };
        let name = format!("{:010}", self.rows(object) + 1);
        let begun = [
            ("UserId", Value::Text(user.clone())),
            ("OwnerId", Value::Text(user)),
            ("ServicePresenceStatusId", Value::Text(status)),
            ("IsCurrentState", Value::Bool(true)),
            ("StatusStartDate", Value::Time(now)),
            ("ConfiguredCapacity", Value::Number(CAPACITY)),
            ("Name", Value::Text(name)),
        ];
        self.enter(object, &begun);
        Ok(())
    }

    /// What was offered and not accepted is taken from who logs out.
    fn withdraw(&mut self, user: &str) {
        for (object, row) in self.with(WORK, "UserId", user) {
            if self.text(object, row, "Status") == Some("Assigned") {
                self.amend(object, row, &[("Status", Value::Text("Unavailable".to_owned()))]);
            }
        }
    }

    /// Something happens to a piece of work.
    pub(crate) fn act(&mut self, work: &str, act: WorkAct) -> Result<(), Refused> {
        let (object, row) = self.locate(work).map_err(|_| none("work"))?;
        let (status, moment, from) = act.leads();
        if !self.text(object, row, "Status").is_some_and(|status| from.contains(&status)) {
            return Err(Refused::new("INVALID_STATUS", "the work is not in a status for that"));
        }
        let changes = [("Status", Value::Text(status.to_owned())), (moment, Value::Time(second()))];
        self.amend(object, row, &changes);
        Ok(())
    }

    /// Adds a record that the org makes itself.
    fn enter(&mut self, object: usize, values: &[(&str, Value)]) {
        let of = &self.objects[object];
        let values: Vec<(u16, Value)> = values
            .iter()
            .filter_map(|(name, value)| Some((of.field(name)?, value.clone())))
            .collect();
        let now = clock::now();
        let row = self.append(object, &values, now, now);
        self.tell(object, row, None);
    }

    /// Changes a record as the org does itself.
    fn amend(&mut self, object: usize, row: u32, changes: &[(&str, Value)]) {
        let Some(before) = self.row(object, row).cloned() else { return };
        let of = &self.objects[object];
        let changes: Vec<(u16, Value)> = changes
            .iter()
            .filter_map(|(name, value)| Some((of.field(name)?, value.clone())))
            .collect();
        let is_kept = |field: &u16| changes.iter().all(|(changed, _)| changed != field);
        let kept = before.values.iter().filter(|(field, _)| is_kept(field));
        let mut values: Vec<(u16, Value)> =
            kept.map(|(field, value)| (field, value.to_owned())).collect();
        values.extend(changes);
        let now = clock::now();
        let after = Row { values: pack(&values), modified: now, stamp: now, ..before.clone() };
        self.replace(object, row, after);
        self.tell(object, row, Some(&before));
    }

    /// The first living record of an object that something can be routed about.
    pub(crate) fn first(&self, object: &str) -> Option<String> {
        let at = self.object_always(object)?;
        let is_alive = |row: &u32| self.row(at, *row).is_some_and(|row| row.state == State::Alive);
        (0..self.rows(at)).find(is_alive).map(|row| self.id(at, row))
    }
}

fn none(what: &str) -> Refused {
    Refused::new("NOT_FOUND", format!("there is no such {what}"))
}

/// Now, as the vendor stores moments: in whole seconds.
fn second() -> i64 {
    whole(clock::now())
}

fn whole(at: i64) -> i64 {
    at - at.rem_euclid(1000)
}
