//! The accounts of one connection, asked for as people are.
//!
//! An id is an ask that names a record, an account is a contact whom nobody can call:
//! so [`Flights`] carry both, with the same bounds. One request at a time for an
//! account however many calls want it, ids that wait travel together, and a late
//! answer lands in the directory ([`Booked`]).

use crate::connections::Connection;
use crate::flights::{Flights, Landing};
use crate::lookup::Engine;
use crate::misses::Misses;
use crate::{Clock, connections::Behaviour};
use async_trait::async_trait;
use domain::{Contact, Timestamp};
use kit::{Account, Ask, Error, Lane, Lookup};
use state::Store;
use std::sync::Arc;

/// How a connection's accounts are asked for.
pub(crate) struct Accounts {
    pub(crate) lookup: Arc<dyn Lookup>,
    /// Requests of calls.
    pub(crate) flights: Arc<Flights>,
    /// Requests behind answers.
    pub(crate) behind: Arc<Flights>,
    /// Ids that no account had a moment ago.
    pub(crate) misses: Misses,
}

impl Accounts {
    pub(crate) fn new(accounts: Arc<dyn kit::Accounts>, behaviour: &Behaviour) -> Self {
        let Behaviour { concurrent_calls, concurrent_background, .. } = *behaviour;
        Self {
            lookup: Arc::new(ById(accounts)),
            flights: Arc::new(Flights::new(Lane::Call, concurrent_calls as usize)),
            behind: Arc::new(Flights::new(Lane::Background, concurrent_background as usize)),
            misses: Misses::new(behaviour.remember_misses_for),
        }
    }
}

/// An account's id as flights carry it.
pub(crate) fn ask(id: &str) -> Ask {
    Ask { record: Some(id.to_owned()), ..Ask::default() }
}

/// Accounts as [`Lookup`] has people.
struct ById(Arc<dyn kit::Accounts>);

#[async_trait]
impl Lookup for ById {
    fn batch_max(&self) -> usize {
        self.0.batch_max()
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let ids: Vec<String> = asks.iter().filter_map(|ask| ask.record.clone()).collect();
        let found = self.0.find(lane, &ids).await?;
        Ok(found.into_iter().map(|account| account.map(entry).into_iter().collect()).collect())
    }
}

/// An account as the directory keeps it.
fn entry(account: Account) -> Contact {
    let Account { record, name, url, data } = account;
    Contact { record, object: "Account".to_owned(), name, url, data, ..Contact::default() }
}

/// Puts what a connection said of accounts into the directory.
pub(crate) struct Booked {
    store: Store,
    connection: Arc<Connection>,
    clock: Clock,
}

impl Booked {
    pub(crate) fn new(engine: &Engine, connection: &Arc<Connection>) -> Arc<Self> {
        Arc::new(Self {
            store: engine.store.clone(),
            connection: Arc::clone(connection),
            clock: engine.clock.clone(),
        })
    }
}

impl Landing for Booked {
    fn lands_in_order(&self) -> bool {
        self.store.writes_in_order()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn landed(&self, _: Lane, answers: Vec<(Ask, Arc<Vec<Contact>>)>, asked_at: Timestamp) {
        let Some(accounts) = &self.connection.accounts else { return };
        let name = &self.connection.name;
        let (mut known, mut gone) = (Vec::new(), Vec::new());
        for (ask, found) in &answers {
            let Some(id) = ask.record.as_deref() else { continue };
            if let Some(account) = found.first() {
                accounts.misses.forget(ask);
                known.push((id, account));
            } else {
                accounts.misses.add(ask);
                gone.push(id);
            }
        }
        if !known.is_empty()
            && let Err(error) = self.store.remember_accounts(name, &known, asked_at).await
        {
            tracing::warn!("the directory could not be written: {error}");
        }
        for id in gone {
            if let Err(error) = self.store.forget_account(name, id).await {
                tracing::warn!("an account that is gone could not be forgotten: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ById, ask};
    use async_trait::async_trait;
    use kit::{Account, Accounts, Error, Lane, Lookup};
    use std::sync::Arc;

    /// An ERP that knows every account but those of no possible form.
    struct Erp;

    #[async_trait]
    impl Accounts for Erp {
        fn batch_max(&self) -> usize {
            50
        }
        async fn find(&self, _: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
            let account = |id: &String| {
                let data = [("status".to_owned(), "active".into())].into();
                Account { record: format!("A{id}"), data, ..Account::default() }
            };
            Ok(ids.iter().map(|id| (id != "none").then(|| account(id))).collect())
        }
    }

    #[tokio::test]
    async fn ids_travel_together_and_come_back_in_their_order() {
        let lookup = ById(Arc::new(Erp));
        assert_eq!(lookup.batch_max(), 50, "as many as the ERP takes");
        let asks = ["1", "none", "2"].map(ask);
        let found = lookup.find(Lane::Call, &asks).await.expect("answers");
        let records: Vec<_> =
            found.iter().map(|found| found.first().map(|one| one.record.as_str())).collect();
        assert_eq!(records, [Some("A1"), None, Some("A2")]);
        let account = &found[0][0];
        assert_eq!(account.data["status"], "active".into());
        assert!(account.phones.is_empty() && account.email.is_none(), "nobody who calls");
    }
}
