//! Holds the presences that an organization offers its users.
//!
//! Ten are the platform's own, secondary ones belong to one of them. The spelling of a
//! system presence differs by where it is read (`OnQueue`, `On Queue`, `ON_QUEUE`), as the
//! vendor's does; which surface has which is not documented, so whoever compares text fails.

use serde_json::{Value, json};

use super::problem::Problem;

/// System presences as `/presence/definitions` spells them.
const SYSTEM: [&str; 10] = [
    "Available",
    "Away",
    "Busy",
    "Break",
    "Meal",
    "Meeting",
    "Training",
    "OnQueue",
    "Idle",
    "Offline",
];
/// Secondary ones: name, what it belongs to, whether it was deactivated.
const SECONDARY: [(&str, &str, bool); 4] = [
    ("Back office", "Busy", false),
    ("Coaching", "Training", false),
    ("On Queue, chat only", "OnQueue", false),
    ("Fax duty", "Busy", true),
];

/// One presence that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) name: String,
    is_secondary: bool,
    system: &'static str,
    pub(crate) is_deactivated: bool,
}

impl Definition {
    pub(crate) fn is_on_queue(&self) -> bool {
        self.system == "OnQueue"
    }

    /// `On Queue`.
    pub(crate) fn spoken(&self) -> &'static str {
        if self.is_on_queue() { "On Queue" } else { self.system }
    }

    /// How events refer to it: `ON_QUEUE`.
    pub(crate) fn event(&self) -> Value {
        let system = self.spoken().to_uppercase().replace(' ', "_");
        json!({ "id": self.id, "systemPresence": system })
    }

    /// `OrganizationPresenceDefinition`.
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "type": if self.is_secondary { "User" } else { "System" },
            "languageLabels": { "en": self.name, "en_US": self.name },
            "systemPresence": self.system,
            "divisionId": "*",
            "deactivated": self.is_deactivated,
            "selfUri": format!("/api/v2/presence/definitions/{}", self.id),
        })
    }
}

/// Every presence of the organization, the platform's own first.
#[derive(Debug)]
pub(crate) struct Definitions(Vec<Definition>);

impl Default for Definitions {
    fn default() -> Self {
        let system = SYSTEM.into_iter().map(|system| (system, system, false, false));
        let secondary = SECONDARY.into_iter().map(|(name, of, gone)| (name, of, true, gone));
        let all = system.chain(secondary).zip(1_u32..);
        let definition = |((name, system, is_secondary, is_deactivated), number)| Definition {
            id: format!("00000000-de00-4000-9000-{number:012}"),
            name: if name == "OnQueue" { "On Queue".to_owned() } else { String::from(name) },
            is_secondary,
            system,
            is_deactivated,
        };
        Self(all.map(definition).collect())
    }
}

impl Definitions {
    pub(crate) fn all(&self) -> &[Definition] {
        &self.0
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Definition] {
        &mut self.0
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Definition, Problem> {
        self.0.iter().find(|one| one.id == id).ok_or_else(Problem::not_found)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Definition> {
        self.0.iter().find(|one| one.name == name)
    }

    /// What a user who is not logged in shows.
    pub(crate) fn offline(&self) -> Definition {
        self.0[SYSTEM.len() - 1].clone()
    }

    /// One that may be shown: 400 where it is unknown or deactivated.
    pub(crate) fn shown(&self, id: &str) -> Result<Definition, Problem> {
        let found = self.0.iter().find(|one| one.id == id && !one.is_deactivated);
        found.cloned().ok_or_else(|| {
            Problem::bad_request("The presence definition is not valid.")
                .at("invalid.value", "presenceDefinition")
        })
    }
}
