//! What a rule set asks of the connections that there are, and whether they can tell it.

use super::form::{self, Body, Fault};
use super::set::{Rules, SetBody, fault};
use crate::connections::Connection;
use crate::lookup::Engine;
use domain::rules::Module;

/// Said of an address or a login of a rule's own that is not here.
pub(super) const UNKEPT: &str = "is not kept here, or cannot be used as it is.";

impl Engine {
    /// Everything that is wrong with a set here and now: in itself, and with connections
    /// that are not there or have not what is asked of them.
    #[must_use]
    pub fn faults_of(&self, body: &SetBody) -> Vec<Fault> {
        let mut faults = Rules::faults(body, self.options.region);
        for (name, body) in &body.rules {
            if let Ok(read) = form::rule(name, body) {
                faults.extend(self.unanswered(name, body, &read));
            }
        }
        faults
    }

    /// What a rule asks that its connection cannot tell.
    fn unanswered(&self, name: &str, body: &Body, read: &form::Read) -> Vec<Fault> {
        let at = |field: &str| format!("rules.{name}.{field}");
        let source = &read.rule.source;
        let Some(connection) = self.connections.get(&source.connection) else {
            if form::has_own_connection(body) {
                return self.unkept(name, body);
            }
            let message = format!("names no connection: {}.", source.connection);
            return vec![fault(&at("crm"), &message, "Name one that is configured.")];
        };
        if connection.capabilities.lookup.is_none() {
            let message = format!("{} knows no people.", source.connection);
            return vec![fault(&at("crm"), &message, "Name a connection that looks people up.")];
        }
        let mut faults = Vec::new();
        let modules = &connection.data.modules;
        if let Some((module, why)) =
            source.module.and_then(|module| Some((module, modules.lack(module)?)))
        {
            let message = format!("{} has no {}.", source.connection, module.as_str());
            faults.push(fault(&at("module"), &message, why));
            return faults;
        }
        let mut asked: Vec<(String, &str)> = vec![(at("field"), read.rule.field.as_str())];
        for (line_at, line) in read.rule.lines.iter().enumerate() {
            let is_alone = line.conditions.len() == 1;
            for (n, condition) in line.conditions.iter().enumerate() {
                let Some(field) = condition.field.as_deref() else { continue };
                let place = match is_alone {
                    true => format!("lines[{line_at}].field"),
                    false => format!("lines[{line_at}].all[{n}].field"),
                };
                asked.push((at(&place), field));
            }
        }
        for (at, field) in asked {
            if !self.can_tell(connection, source.module, field) {
                let message = format!("{} does not fetch {field}.", source.connection);
                let fix = format!("Add it under connections.{}.settings.data.", source.connection);
                faults.push(fault(&at, &message, &fix));
            }
        }
        faults
    }

    /// What the rule has brought is not here, or cannot be used.
    fn unkept(&self, name: &str, body: &Body) -> Vec<Fault> {
        let at = |field: &str| format!("rules.{name}.{field}");
        let crm = body.get("crm").and_then(serde_json::Value::as_str).map(str::trim);
        if let Some(crm) = crm.filter(|crm| self.connections.get(crm).is_none()) {
            let message = format!("names no connection: {crm}.");
            return vec![fault(&at("crm"), &message, "Name one that is configured.")];
        }
        match form::login(body) {
            Some(_) => vec![fault(
                &at(form::LOGIN),
                UNKEPT,
                "Draft the rule with username and password, or token.",
            )],
            None => vec![fault(&at("url"), UNKEPT, "Draft the rule again.")],
        }
    }

    /// Does the connection, or what stands beside it, fetch the field?
    fn can_tell(&self, connection: &Connection, module: Option<Module>, field: &str) -> bool {
        match module {
            Some(module) => self.connections.can_tell(connection, module, field),
            None => connection.data.people.of_field("", "", field).is_some(),
        }
    }
}
