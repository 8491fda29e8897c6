//! What a CRM says is learned, whether or not a caller still waits for it.
//!
//! Every flight lands here: the directory takes the people, the misses the numbers that
//! nobody has, and a record that its own system does not know any more is forgotten.

use crate::Clock;
use crate::connections::Connection;
use crate::flights::Landing;
use crate::lookup::{Engine, keys};
use domain::{Contact, Timestamp};
use kit::{Ask, Lane};
use state::Store;
use std::sync::Arc;

impl Engine {
    pub(crate) fn landing(&self, connection: &Arc<Connection>) -> Learned {
        Learned {
            store: self.store.clone(),
            connection: Arc::clone(connection),
            clock: self.clock.clone(),
        }
    }
}

/// Puts what the CRM said into the directory, whether or not a caller still waits.
pub(crate) struct Learned {
    store: Store,
    connection: Arc<Connection>,
    clock: Clock,
}

impl Landing for Learned {
    fn lands_in_order(&self) -> bool {
        self.store.writes_in_order()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn landed(
        &self,
        lane: Lane,
        answers: Vec<(Ask, Arc<Vec<Contact>>)>,
        asked_at: Timestamp,
    ) {
        let name = &self.connection.name;
        let mut learned = Vec::new();
        for (ask, people) in &answers {
            match people.is_empty() {
                true => self.connection.misses.add(ask),
                false => self.connection.misses.forget(ask),
            }
            // A quick search that finds nobody may only lag behind: it unmakes no one.
            if lane == Lane::Background || !people.is_empty() {
                learned.push((keys(ask), people));
            }
            if let (Some(gone), true) = (gone_record(ask), people.is_empty())
                && let Err(error) = self.store.forget(name, gone).await
            {
                tracing::warn!("a record that is gone could not be forgotten: {error}");
            }
        }
        let told: Vec<_> =
            learned.iter().map(|(keys, people)| (keys.as_slice(), people.as_slice())).collect();
        if told.is_empty() {
            return;
        }
        if let Err(error) = self.store.remember_all(name, &told, asked_at).await {
            tracing::warn!("the directory could not be written: {error}");
        }
    }
}

/// Asked for by its id alone: an empty answer says that the record is gone.
fn gone_record(ask: &Ask) -> Option<&str> {
    ask.record.as_deref().filter(|_| ask.phone.is_none() && ask.email.is_none())
}
