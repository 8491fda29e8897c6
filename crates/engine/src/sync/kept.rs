//! What a sync reads for the directory alone: fields of the left that go nowhere.
//!
//! They lie in the copy of the left record that the sync keeps, and nowhere else: so they go
//! with it when its person is erased, are exported with it, and stay as long as it does. A
//! lookup shows them beside what the CRM says, which goes before; the contact center is not
//! told of them.

use super::fetch::decode;
use crate::connections::Connection;
use crate::lookup::Engine;
use domain::Contact;
use tokio::time::{Instant, timeout_at};

impl Engine {
    /// Adds to a person what syncs keep of their record, as far as there is time.
    pub(crate) async fn show_kept(
        &self,
        connection: &Connection,
        person: Option<&mut Contact>,
        until: Instant,
    ) {
        let Some(person) = person else { return };
        for sync in self.syncs.keeping(&connection.name) {
            let read = self.store.left_copy(&sync.name, &connection.name, &person.record);
            match timeout_at(until, read).await {
                Ok(Ok(Some(copy))) => {
                    for (name, value) in sync.map.kept(&copy.id, &decode(&copy.fields)) {
                        person.data.entry(name.to_owned()).or_insert(value);
                    }
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!("what a sync keeps cannot be read: {error}"),
                Err(_) => return,
            }
        }
    }
}
