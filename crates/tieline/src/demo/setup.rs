//! The demo's folder, its simulated systems and the people it names.

use super::agents::{self, Agent};
use super::others::{self, Other};
use super::people::{self, Twin};
use crate::exit::{self, Failure};
use crate::serve::Running;
use crate::simulate::fault::{self, Place, Places, Switch};
use ::sim::faults::Faults;
use connectors::{Simulation, genesys_cloud, salesforce};
use domain::{CallId, Direction, ExternalId, MediaType, Prefix, Source, Status};
use serde_json::{Value, json};
use state::{MasterKey, NewCall};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The number that leads to the demo's queue.
pub const DID: &str = "+15550190000";

/// The platform's name of that queue.
const QUEUE: &str = "Sales";

/// Where its rules send whom no line is for.
const GENERAL: (&str, &str) = ("00000000-90e0-4000-9000-000000000014", "General");

/// Its presence in which agents are offered calls.
pub const ON_QUEUE: &str = "On Queue";

/// People in each of the systems besides Salesforce, at most: they are there to be asked,
/// not to be many.
const OTHERS_MAX: usize = 300;

/// The configuration, with `@NAME@` for what each demo fills in.
const TEMPLATE: &str = include_str!("tieline.toml.in");

/// Earlier calls of John Doe, so that the example's count is four.
const EARLIER_CALLS: u32 = 4;

/// Where the store, the configuration and its secrets lie.
pub struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    /// The given directory, or one of its own that goes with the demo.
    pub fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let is_temporary = given.is_none();
        let path = given.map_or_else(
            || std::env::temp_dir().join(format!("tieline-demo-{}", std::process::id())),
            Path::to_owned,
        );
        std::fs::create_dir_all(&path)
            .map_err(|error| exit::environment(format!("{}: {error}", path.display())))?;
        #[cfg(unix)]
        if is_temporary {
            use std::os::unix::fs::PermissionsExt as _;
            let ours_alone = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&path, ours_alone).map_err(exit::environment)?;
        }
        Ok(Self { path, is_temporary })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the configuration and what it refers to; keeps a master key that is there.
    ///
    /// With people who edit, the sync runs by itself once it is approved.
    pub fn write_config(
        &self,
        world: &World,
        port: u16,
        has_edits: bool,
    ) -> Result<PathBuf, Failure> {
        let key = self.path.join("master.key");
        if !key.exists() {
            self.write("master.key", &MasterKey::generate()?.to_base64())?;
        }
        self.write("api.key", super::KEY)?;
        self.write("salesforce.secret", &world.salesforce_client.1)?;
        self.write("genesys.secret", &world.genesys.config().client_secret)?;
        let text = |text: &str| toml::Value::from(text).to_string();
        let file = |name: &str| text(&self.path.join(name).display().to_string());
        let store = format!("sqlite:{}", self.path.join("tieline.db").display());
        let values = [
            ("PORT", port.to_string()),
            ("API_KEY", file("api.key")),
            ("STORE", text(&store)),
            ("MASTER_KEY", file("master.key")),
            ("SALESFORCE_URL", text(&world.salesforce.url())),
            ("SALESFORCE_EVENTS", text(&world.salesforce.pubsub_url())),
            ("SALESFORCE_ID", text(&world.salesforce_client.0)),
            ("SALESFORCE_SECRET", file("salesforce.secret")),
            ("GENESYS_URL", text(&world.genesys.url())),
            ("GENESYS_ID", text(&world.genesys.config().client_id)),
            ("GENESYS_SECRET", file("genesys.secret")),
            ("SOURCE", text(&world.genesys.config().external_source.1)),
            ("QUEUE_NAME", text(&world.queue.1)),
            ("QUEUE_ID", text(&world.queue.0)),
            ("DID", text(DID)),
            ("SCHEDULE", text(if has_edits { "1m" } else { "never" })),
        ];
        let filled = values.iter().fold(TEMPLATE.to_owned(), |filled, (name, value)| {
            filled.replace(&format!("@{name}@"), value)
        });
        let places = serde_json::to_string_pretty(&world.places()).map_err(exit::failed)?;
        self.write(fault::FILE, &places)?;
        let mut whole = filled;
        for other in &world.others {
            whole.push('\n');
            whole.push_str(&other.connection(self)?);
        }
        whole.push_str(&others::queues_text());
        whole.push_str(&agents::teams(&world.agents));
        self.write("tieline.toml", &whole)?;
        Ok(self.path.join("tieline.toml"))
    }

    /// A secret in a file of its own; the file's address.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn secret(&self, name: &str, text: &str) -> Result<String, Failure> {
        let name = format!("{name}.secret");
        self.write(&name, text)?;
        Ok(self.path.join(name).display().to_string())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        std::fs::write(&path, text)
            .map_err(|error| exit::environment(format!("{}: {error}", path.display())))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let ours_alone = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, ours_alone).map_err(exit::environment)?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    /// Removes a temporary folder, however the demo ends; a given one stays.
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} stays: {error}", self.path.display());
        }
    }
}

/// A person whom scripts may ask for by name.
pub struct Known {
    pub name: String,
    pub external_id: ExternalId,
    pub number: String,
    pub email: String,
}

impl Known {
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "externalId": self.external_id.to_string(),
            "number": self.number,
            "email": self.email,
        })
    }
}

/// The simulated systems.
pub struct World {
    pub salesforce: salesforce::sim::Salesforce,
    pub salesforce_client: (String, String),
    pub genesys: genesys_cloud::sim::GenesysCloud,
    pub queue: (String, String),
    pub others: Vec<Other>,
    /// John Doe first, Jane Smith, who shares his number, second.
    pub people: Vec<Known>,
    /// Everybody else of Salesforce, and whether the contact center knows them too.
    pub twins: Vec<Twin>,
    /// Who works in both.
    pub agents: Vec<Agent>,
}

impl World {
    pub async fn start(count: usize) -> Result<Self, Failure> {
        let config = salesforce::sim::Config {
            people: u64::try_from(count).unwrap_or(u64::MAX),
            ..salesforce::sim::Config::default()
        };
        let client = (config.consumer_key.clone(), config.consumer_secret.clone());
        let salesforce = salesforce::sim::start(config).await.map_err(exit::environment)?;
        let mut config = genesys_cloud::sim::Config::default();
        let queue = config.queues.iter().find(|(_, name)| name == QUEUE).cloned();
        let queue = queue.unwrap_or_default();
        let more = others::queues().filter_map(|queue| Some((queue.id?, queue.name)));
        let more = more.chain([GENERAL]);
        config.queues.extend(more.map(|(id, name)| (id.to_owned(), name.to_owned())));
        config.agents = agents::users();
        let genesys = genesys_cloud::sim::start(config).await.map_err(exit::environment)?;
        let others = others::start(u64::try_from(count.min(OTHERS_MAX)).unwrap_or(0)).await?;
        let people = known(&salesforce).map_err(exit::failed)?;
        let twins = people::plant(count, &salesforce, &genesys).map_err(exit::failed)?;
        let agents = agents::plant(&salesforce, &genesys).map_err(exit::failed)?;
        Ok(Self {
            salesforce,
            salesforce_client: client,
            genesys,
            queue,
            others,
            people,
            twins,
            agents,
        })
    }

    /// Its systems by name: where each is, and what it does wrong.
    pub fn systems(&self) -> Vec<(&'static str, Place, &Faults)> {
        let place = |url: String, api: &str| Place { url, api: api.to_owned() };
        let (crm, center) = (&self.salesforce, &self.genesys);
        let mut all = vec![
            ("salesforce", place(crm.url(), salesforce::simulate::API), crm.faults()),
            ("genesys", place(center.url(), genesys_cloud::simulate::API), center.faults()),
        ];
        // A file answers no requests, and nothing of it can be switched.
        let asked = self.others.iter().filter(|one| one.simulation.simulator.is_asked_over_http());
        all.extend(asked.map(|one| {
            let Simulation { simulator, api, .. } = &one.simulation;
            (one.name, place(simulator.url(), api), simulator.faults())
        }));
        all
    }

    /// Lets systems misbehave from now on.
    pub fn switch(&self, switches: &[Switch]) -> Result<(), Failure> {
        let places = self.places();
        for switch in switches {
            let place = switch.place(&places)?;
            let system = self.systems().into_iter().find(|(_, found, _)| found.url == place.url);
            if let Some((_, _, faults)) = system {
                faults.set(switch.plan(place));
            }
        }
        Ok(())
    }

    fn places(&self) -> Places {
        self.systems().into_iter().map(|(name, place, _)| (name.to_owned(), place)).collect()
    }

    pub async fn stop(self) {
        self.salesforce.stop().await;
        self.genesys.stop().await;
        for other in self.others {
            other.simulation.simulator.stop().await;
        }
    }
}

fn known(salesforce: &salesforce::sim::Salesforce) -> Result<Vec<Known>, String> {
    let prefix = Prefix::new("CRM")?;
    let fixed = ::sim::seed::fixed();
    let people = fixed.iter().map(|person| {
        let id = salesforce.contact_with(&person.email).ok_or("a fixed person is missing")?;
        Ok(Known {
            name: person.name(),
            external_id: ExternalId::Record { prefix: prefix.clone(), record: id },
            number: person.phones.first().map(|phone| phone.e164.clone()).unwrap_or_default(),
            email: person.email.clone(),
        })
    });
    people.collect()
}

/// Calls are answered best once every connection has its token.
pub async fn wait_for_tokens(running: &Running) -> Result<(), Failure> {
    for connection in running.live.now().connections.all() {
        if let Some(tokens) = &connection.capabilities.tokens {
            let token = tokens.fresh(Duration::from_secs(10)).await;
            token.map_err(|error| exit::failed(format!("{}: {error}", connection.name)))?;
        }
    }
    Ok(())
}

/// John Doe has called before.
pub async fn remember_earlier_calls(running: &Running, world: &World) -> Result<(), Failure> {
    let Some(john) = world.people.first() else { return Ok(()) };
    let engine = running.live.now();
    let now = engine.clock.now();
    for number in 1..=EARLIER_CALLS {
        let Some(id) = CallId::new(&format!("demo-earlier-{number}")) else { continue };
        let call = NewCall {
            id,
            direction: Direction::Inbound,
            media: MediaType::Voice,
            number: Some(john.number.clone()),
            email: None,
            asked_record: None,
            dialled: Some(DID.to_owned()),
            queue: Some(world.queue.1.clone()),
            user: None,
            connection: "salesforce".to_owned(),
            external_id: john.external_id.clone(),
            contact: match &john.external_id {
                ExternalId::Record { record, .. } => Some(record.clone()),
                _ => None,
            },
            status: Status::Hit,
            source: Source::Crm,
            arrived_at: domain::Timestamp(
                now.0 - i64::from(EARLIER_CALLS + 1 - number) * 86_400_000,
            ),
            answered_in_us: 4_000,
            warnings: Vec::new(),
            deadline_us: 300_000,
            labels: BTreeMap::new(),
            data: BTreeMap::new(),
        };
        engine.store.record_call(call, Vec::new()).await?;
    }
    Ok(())
}
