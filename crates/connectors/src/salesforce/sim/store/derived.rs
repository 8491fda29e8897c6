//! What the vendor fills in itself: names, defaults, numbers, what follows from status.

use super::packed::Value;
use super::{Store, clock, ids};

impl Store {
    /// What the vendor fills in itself: names, defaults, numbers, what follows from status.
    pub(super) fn complete(&mut self, object: usize, values: &mut Vec<(u16, Value)>) {
        let number = |name: &str| self.objects[object].field(name);
        let text = |values: &[(u16, Value)], name: &str| {
            let field = number(name)?;
            values.iter().find_map(|(at, value)| match value {
                Value::Text(text) if *at == field => Some(text.clone()),
                _ => None,
            })
        };
        let mut derived: Vec<(&str, Value)> = Vec::new();
        let mut defaults: Vec<(&str, Value)> = Vec::new();
        // The field that says when it was finished, and whether it is.
        let mut finished: Option<(&str, bool)> = None;
        match self.objects[object].name.as_str() {
            "Contact" | "Lead" | "User" => {
                let parts = [text(values, "FirstName"), text(values, "LastName")];
                let name: Vec<String> = parts.into_iter().flatten().collect();
                derived.push(("Name", Value::Text(name.join(" "))));
                defaults.push(("Status", Value::Text("Open - Not Contacted".into())));
                defaults.push(("UserType", Value::Text("Standard".into())));
            }
            "Case" => {
                let closed = text(values, "Status").is_some_and(|s| s == "Closed");
                derived.push(("IsClosed", Value::Bool(closed)));
                finished = Some(("ClosedDate", closed));
                defaults.push(("Status", Value::Text("New".into())));
                defaults.push(("Priority", Value::Text("Medium".into())));
                defaults.push(("CaseNumber", Value::Text(format!("{:08}", self.cases + 1))));
            }
            "Task" => {
                let closed = text(values, "Status").is_some_and(|s| s == "Completed");
                derived.push(("IsClosed", Value::Bool(closed)));
                finished = Some(("CompletedDateTime", closed));
                defaults.push(("Status", Value::Text("Not Started".into())));
                defaults.push(("Priority", Value::Text("Normal".into())));
            }
            "AgentWork" => self.pushed(&mut defaults),
            _ => {}
        }
        match finished {
            Some((name, true)) => defaults.push((name, Value::Time(clock::now()))),
            Some((name, false)) => values.retain(|(at, _)| Some(*at) != number(name)),
            None => {}
        }
        defaults.push(("OwnerId", Value::Text(ids::id("005", 0))));
        self.fill(object, values, derived, defaults);
    }

    /// Derived values replace what is there; defaults only fill what is empty.
    fn fill(
        &mut self,
        object: usize,
        values: &mut Vec<(u16, Value)>,
        derived: Vec<(&str, Value)>,
        defaults: Vec<(&str, Value)>,
    ) {
        let number = |name: &str| self.objects[object].field(name);
        for (name, value) in derived {
            if let Some(field) = number(name) {
                values.retain(|(at, _)| *at != field);
                values.push((field, value));
            }
        }
        let mut numbered = false;
        for (name, value) in defaults {
            if let Some(field) = number(name)
                && values.iter().all(|(at, _)| *at != field)
            {
                numbered |= matches!(name, "CaseNumber" | "Name");
                values.push((field, value));
            }
        }
        self.cases += u64::from(numbered);
    }
}
