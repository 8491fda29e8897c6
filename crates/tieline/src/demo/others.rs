//! The demo's other systems, each behind a queue of its own: a ServiceNow, a SAP, and the
//! customer's own database behind the default queue.
//!
//! They are started, logged in to and asked as any vendor is: by its entry in
//! `connectors::all()`, with the settings that its simulator says one would write.

use super::setup::Folder;
use crate::exit::{self, Failure};
use connectors::{Setup, Simulation};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A system that the demo adds to its Salesforce.
struct Plan {
    /// The connection, and the word by which the system is switched.
    name: &'static str,
    /// The connector.
    kind: &'static str,
    prefix: &'static str,
    queue: Queue,
}

/// A queue of the demo.
#[derive(Clone, Copy)]
pub struct Queue {
    pub name: &'static str,
    /// The platform's id of it; none for the default queue, which is no queue of the platform.
    pub id: Option<&'static str>,
    pub did: Option<&'static str>,
    pub connection: &'static str,
}

const PREMIUM: Queue = Queue {
    name: "Premium Support",
    id: Some("00000000-90e0-4000-9000-000000000011"),
    did: Some("+15550190001"),
    connection: "salesforce",
};

const PLANS: [Plan; 3] = [
    Plan {
        name: "servicenow",
        kind: "servicenow",
        prefix: "SNOW",
        queue: Queue {
            name: "Technical Escalations",
            id: Some("00000000-90e0-4000-9000-000000000012"),
            did: Some("+15550190002"),
            connection: "servicenow",
        },
    },
    Plan {
        name: "sap",
        kind: "sap_s4",
        prefix: "ERP",
        queue: Queue {
            name: "Billing",
            id: Some("00000000-90e0-4000-9000-000000000013"),
            did: Some("+15550190003"),
            connection: "sap",
        },
    },
    Plan {
        name: "own_sql",
        kind: "sql",
        prefix: "SQL",
        queue: Queue { name: "Standard_CRM", id: None, did: None, connection: "own_sql" },
    },
];

/// The queues besides the first, in the order in which they are told.
pub fn queues() -> impl Iterator<Item = Queue> {
    std::iter::once(PREMIUM).chain(PLANS.into_iter().map(|plan| plan.queue))
}

impl Queue {
    pub fn to_json(self) -> Value {
        let connection = self.connection;
        json!({ "name": self.name, "id": self.id, "did": self.did, "connection": connection })
    }
}

/// One of them, running.
pub struct Other {
    pub name: &'static str,
    kind: &'static str,
    prefix: &'static str,
    pub simulation: Simulation,
}

/// Starts them all.
///
/// # Errors
/// When one cannot be.
pub async fn start(people: u64) -> Result<Vec<Other>, Failure> {
    let mut others = Vec::new();
    for Plan { name, kind, prefix, .. } in PLANS {
        let vendor =
            connectors::all().into_iter().find(|vendor| vendor.connector.manifest.name == kind);
        let vendor = vendor.ok_or_else(|| exit::failed(format!("there is no {kind}")))?;
        let starting = (vendor.simulate)(Setup { people, ..Setup::default() });
        let simulation = starting.await.map_err(exit::environment)?;
        others.push(Other { name, kind, prefix, simulation });
    }
    Ok(others)
}

impl Other {
    /// Its connection as `tieline.toml` holds it; its secrets go to files of their own.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn connection(&self, folder: &Folder) -> Result<String, Failure> {
        let name = self.name;
        let login = self.simulation.logins.first();
        let login = login.ok_or_else(|| exit::failed(format!("{name} tells no login")))?;
        let mut settings: toml::Table = login.plain.clone().into_iter().collect();
        for (key, secret) in &login.secrets {
            let file = folder.secret(&format!("{name}.{key}"), secret.reveal())?;
            let file = toml::Table::from_iter([("file".to_owned(), file.into())]);
            settings.insert(key.clone(), file.into());
        }
        let connection = toml::Table::from_iter([
            ("type".to_owned(), self.kind.into()),
            ("prefix".to_owned(), self.prefix.into()),
            ("allow_private_addresses".to_owned(), true.into()),
            ("settings".to_owned(), settings.into()),
        ]);
        let named = toml::Table::from_iter([(name.to_owned(), connection.into())]);
        let all = toml::Table::from_iter([("connections".to_owned(), named.into())]);
        toml::to_string(&all).map_err(exit::failed)
    }
}

/// The queues as `tieline.toml` holds them.
pub fn queues_text() -> String {
    let mut text = String::new();
    for Queue { name, id, did, connection } in queues() {
        let list = |one: Option<&str>| toml::Value::from(Vec::from_iter(one));
        let (name, connection) = (toml::Value::from(name), toml::Value::from(connection));
        // Writing to a String cannot fail.
        write!(
            text,
            "\n[[queues]]\nname = {name}\nids = {}\ndids = {}\nconnection = {connection}\n",
            list(id),
            list(did),
        )
        .ok();
        if did.is_some() {
            text.push_str("fallback_queue = \"Standard_CRM\"\n");
        }
    }
    text
}
