//! Which organization of the platform has which id of the other system, both ways.
//!
//! A contact names its organization by the platform's id, the other system's account by its
//! own. Whoever reads organizations fills the list; who is not in it is asked for. What is
//! remembered is bounded, and forgotten after an hour, or when a write that was made with it
//! is refused.

use super::super::client::Send;
use super::super::mapping::Source;
use super::{Object, Records, own_id};
use kit::Error;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Organizations remembered; one more forgets them all. Some megabytes.
const KNOWN_MAX: usize = 50_000;
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(super) struct Organizations {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By the other system's id.
    ids: HashMap<String, (String, Instant)>,
    /// By the platform's; `None`: it has no id of the other system.
    names: HashMap<String, (Option<String>, Instant)>,
}

impl Organizations {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers organizations that were read.
    pub(super) fn note(&self, organizations: &[Value], source: &Source) {
        let mut known = self.known();
        for organization in organizations {
            if let Some(id) = organization.get("id").and_then(Value::as_str) {
                known.note(id, own_id(organization, source));
            }
        }
    }

    /// Asks anew for these next time, by the other system's ids.
    pub(super) fn forget<'a>(&self, named: impl IntoIterator<Item = &'a String>) {
        let mut known = self.known();
        for name in named {
            if let Some((id, _)) = known.ids.remove(name) {
                known.names.remove(&id);
            }
        }
    }
}

impl Known {
    fn note(&mut self, id: &str, name: Option<&str>) {
        if self.names.len() >= KNOWN_MAX {
            self.names.clear();
            self.ids.clear();
        }
        let now = Instant::now();
        if let Some(name) = name {
            self.ids.insert(name.to_owned(), (id.to_owned(), now));
        }
        self.names.insert(id.to_owned(), (name.map(str::to_owned), now));
    }
}

impl Records {
    /// The other system's ids of these organizations; `None` where one has none, or is gone.
    ///
    /// # Errors
    /// Any [`Error`].
    pub(super) async fn named(
        &self,
        ids: &BTreeSet<&str>,
    ) -> Result<HashMap<String, Option<String>>, Error> {
        let mut named = HashMap::new();
        let mut asked = Vec::new();
        {
            let known = self.organizations.known();
            for id in ids {
                match known.names.get(*id).filter(|(_, since)| since.elapsed() < KNOWN_FOR) {
                    Some((name, _)) => {
                        named.insert((*id).to_owned(), name.clone());
                    }
                    None => asked.push((*id).to_owned()),
                }
            }
        }
        if asked.is_empty() {
            return Ok(named);
        }
        let source = self.platform.source().await?;
        let found = self.fetch(Object::Organizations, &asked).await?;
        for id in asked {
            let name = found.get(&id).and_then(|entity| own_id(entity, &source));
            self.organizations.known().note(&id, name);
            named.insert(id, name.map(str::to_owned));
        }
        Ok(named)
    }

    /// The platform's id of each organization that the other system names so; `Invalid`
    /// naming the contact's field where there is none.
    pub(super) async fn identified(
        &self,
        names: &BTreeSet<&str>,
    ) -> HashMap<String, Result<String, Error>> {
        let mut identified = HashMap::new();
        for name in names {
            let known = self.organizations.known().ids.get(*name).cloned();
            let known = known.filter(|(_, since)| since.elapsed() < KNOWN_FOR);
            let id = match known {
                Some((id, _)) => Ok(id),
                None => self.look_up(name).await,
            };
            identified.insert((*name).to_owned(), id);
        }
        identified
    }

    /// The platform takes one such question at a time.
    async fn look_up(&self, name: &str) -> Result<String, Error> {
        let body = self.platform.source().await?.identifier(name);
        let path = "externalcontacts/identifierlookup/organizations";
        let reply = match self.platform.client.send(Send::Post(&body), path).await {
            Err(Error::NotFound) => {
                return Err(Error::Invalid {
                    field: Some("externalOrganization".to_owned()),
                    reason: "no organization has this external id: sync accounts first".to_owned(),
                });
            }
            outcome => outcome?.json()?,
        };
        let id = reply.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| Error::protocol("an organization without an id"))?;
        self.organizations.known().note(id, Some(name));
        Ok(id.to_owned())
    }
}

impl Source {
    /// An id under this source, as something to be found by.
    pub(super) fn identifier(&self, value: &str) -> Value {
        json!({ "type": "ExternalId", "value": value, "externalSource": self.reference() })
    }

    /// How an entity names it: the platform needs the id, and its description calls the
    /// name required.
    pub(super) fn reference(&self) -> Value {
        json!({ "id": self.id, "name": self.name })
    }
}
