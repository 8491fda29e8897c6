//! An agent's page in the CRM: asks Tieline what to set, sets it where the CRM still shows what
//! was expected, and says what came of it.
//!
//! It goes on over restarts of the server. Its agent acts through it as well
//! ([`Console::by_hand`]), so that no act falls between its look and what it sets.

use super::line::{Address, Line};
use super::plan::API_KEY;
use connectors::salesforce::sim::Salesforce;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Before it asks again where nobody answers.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Console {
    page: Arc<Page>,
    asking: Option<JoinHandle<()>>,
}

struct Page {
    agent: String,
    salesforce: Arc<Salesforce>,
    address: Address,
    http: reqwest::Client,
    /// The CRM takes nothing from anybody now.
    is_refused: AtomicBool,
    /// The ids of the statuses that it was told to set and has set.
    set: Mutex<Vec<String>>,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.close();
    }
}

impl Console {
    /// The page of an agent, closed.
    pub(crate) fn of(line: &Line, agent: &str) -> Self {
        let page = Page {
            agent: agent.to_owned(),
            salesforce: Arc::clone(&line.salesforce),
            address: line.address(),
            http: line.http.clone(),
            is_refused: AtomicBool::new(false),
            set: Mutex::default(),
        };
        Self { page: Arc::new(page), asking: None }
    }

    pub(crate) fn open(&mut self) {
        self.asking.get_or_insert_with(|| tokio::spawn(Arc::clone(&self.page).until_closed()));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.asking.is_some()
    }

    /// As when the browser is gone: nobody is told.
    pub(crate) fn close(&mut self) {
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
    }

    /// Closes it; true where Tieline was told.
    pub(crate) async fn leave(&mut self) -> bool {
        self.close();
        let Some(token) = self.page.token().await else { return false };
        let left = self.page.post("leave", &token, "").await;
        left.is_some_and(|status| status == 204)
    }

    /// The agent does something in the CRM.
    pub(crate) fn by_hand<T>(&self, act: impl FnOnce(&Salesforce) -> T) -> T {
        let _hand = self.page.lock();
        act(&self.page.salesforce)
    }

    /// From now on the CRM takes nothing; or again.
    pub(crate) fn is_refused(&self, is_refused: bool) {
        self.page.is_refused.store(is_refused, Ordering::Relaxed);
    }

    /// The ids of the statuses that it has set, in order.
    pub(crate) fn set(&self) -> Vec<String> {
        self.page.lock().clone()
    }
}

impl Page {
    async fn until_closed(self: Arc<Self>) {
        let mut token = None;
        loop {
            if token.is_none() {
                token = self.token().await;
            }
            let order = match &token {
                Some(token) => self.order(token).await,
                None => None,
            };
            let (Some(order), Some(own)) = (order, &token) else {
                // The server is gone, or does not know us any more, or not yet.
                token = None;
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let Some(number) = order["number"].as_u64().filter(|number| *number > 0) else {
                continue;
            };
            let outcome = self.carry_out(&order);
            self.post("answer", own, &format!("number={number}&outcome={outcome}&")).await;
        }
    }

    fn carry_out(&self, order: &Value) -> &'static str {
        let mut set = self.lock();
        let shown = self.salesforce.agent_status(&self.agent);
        let shown = shown.and_then(|name| self.salesforce.status(&name));
        let wanted = order["statusId"].as_str().expect("a status");
        if shown.as_deref() != order["expectedId"].as_str() {
            return "late";
        }
        if self.is_refused.load(Ordering::Relaxed) {
            return "refused";
        }
        match self.salesforce.agent_sets(&self.agent, wanted) {
            Ok(()) => {
                set.push(wanted.to_owned());
                "done"
            }
            Err(_) => "refused",
        }
    }

    async fn token(&self) -> Option<String> {
        let url = self.address.url("/api/v1/agent-tokens")?;
        let ask = self.http.post(url).bearer_auth(API_KEY).json(&json!({ "agent": self.agent }));
        let told: Value = ask.send().await.ok()?.json().await.ok()?;
        told["token"].as_str().map(str::to_owned)
    }

    async fn order(&self, token: &str) -> Option<Value> {
        let path = format!("/api/v1/agents/{}/presence/order", self.agent);
        let url = self.address.url(&format!("{path}?wait=5&access_token={token}"))?;
        let told = self.http.get(url).send().await.ok()?;
        if told.status() != 200 { None } else { told.json().await.ok() }
    }

    async fn post(&self, what: &str, token: &str, more: &str) -> Option<u16> {
        let path = format!("/api/v1/agents/{}/presence/{what}", self.agent);
        let url = self.address.url(&format!("{path}?{more}access_token={token}"))?;
        Some(self.http.post(url).send().await.ok()?.status().as_u16())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
