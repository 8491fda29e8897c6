//! The simulated Acme Crm, for those who do not know it by name.
//!
//! What stands here is all that the contract suite and `tieline sim` learn of it.

use super::sim;
use crate::{Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};
use std::io;

/// What the path of every request has in it.
const API: &str = "/people";

/// Starts it, and says what an administrator would write to use it.
pub(super) fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "the simulated Acme Crm counts no requests";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let account = sim::start(setup.port).await?;
        let key = Secret::new(sim::KEY.to_owned());
        let login = Settings {
            plain: [("base_url".to_owned(), account.url().into())].into(),
            secrets: [("api_key".to_owned(), key)].into(),
        };
        Ok(Simulation { simulator: Box::new(account), logins: vec![login], api: API })
    })
}

#[async_trait]
impl Simulator for sim::Account {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn faults(&self) -> &Faults {
        Self::faults(self)
    }

    fn contacts(&self) -> usize {
        Self::people(self)
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
