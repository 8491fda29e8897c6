//! A running line: a server, its vendors, and a client that holds a key.

use super::plan::API_KEY;
use super::process::{Ended, Server, Signal};
use super::wait::{until, until_some};
use super::{Folder, Person, Place, people};
use connectors::genesys_cloud::sim::{GenesysCloud, NewCall, PlacedCall};
use connectors::salesforce::sim::Salesforce;
use domain::Timestamp;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::net::SocketAddr;
use std::ops::Index;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) struct Line {
    // In this order they go: nobody may be asked who is gone already.
    server: Option<Server>,
    address: Address,
    pub(crate) salesforce: Arc<Salesforce>,
    genesys: Option<GenesysCloud>,
    pub(crate) place: Place,
    pub(crate) folder: Folder,
    pub(crate) config: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) http: reqwest::Client,
    calls: AtomicU32,
}

/// Where the server listens: another port after each start.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<Mutex<Option<SocketAddr>>>);

impl Address {
    /// `None` before the server was started.
    pub(crate) fn url(&self, path: &str) -> Option<String> {
        Some(format!("http://{}{path}", self.get()?))
    }

    fn get(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// What came back over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Index<&str> for Answer {
    type Output = Value;
    fn index(&self, key: &str) -> &Value {
        &self.body[key]
    }
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let sent = Instant::now();
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self { status, body, took: sent.elapsed() })
    }

    pub(crate) fn id(&self) -> &str {
        self["externalId"].as_str().unwrap_or_default()
    }

    /// A valid answer that names nobody, by the hash of a number.
    pub(crate) fn assert_by_number(&self, status: &str) {
        self.assert_whole();
        let hash = self.id().strip_prefix("PHONE:").unwrap_or_default();
        let is_hash = hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_hash && self["status"] == status, "{self:?}");
    }

    /// A person's answer.
    pub(crate) fn assert_hit(&self, source: &str) {
        self.assert_whole();
        assert_eq!((&self["status"], &self["source"]), (&json!("hit"), &json!(source)), "{self:?}");
        assert!(self.id().starts_with("CRM:"), "{self:?}");
    }

    /// What holds for every answer to a lookup: nothing absent, nothing null.
    pub(crate) fn assert_whole(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        let keys = ["externalId", "name", "email", "status", "source", "asOf"];
        assert!(keys.iter().all(|key| self[*key].is_string()), "{self:?}");
        assert!(self["data"].is_object() && self["stale"].is_boolean(), "{self:?}");
        assert!(self["candidateCount"].is_u64() && self["warnings"].is_array(), "{self:?}");
        assert!(self["missing"].is_array(), "{self:?}");
        let data = self["data"].as_object().expect("checked above");
        assert!(data.values().all(|value| !value.is_null()), "{self:?}");
    }
}

impl Line {
    pub(super) fn new(
        salesforce: Salesforce,
        genesys: Option<GenesysCloud>,
        folder: Folder,
        place: Place,
        config: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        let http = http.build().expect("a client");
        let (server, address, calls) = (None, Address::default(), AtomicU32::new(0));
        let salesforce = Arc::new(salesforce);
        Self {
            server,
            address,
            salesforce,
            genesys,
            place,
            folder,
            config,
            environment,
            http,
            calls,
        }
    }

    /// Starts the server, which may not live to listen; returns whether it does.
    pub(crate) async fn try_start_server(&mut self) -> bool {
        let server = self.server.insert(Server::serve(&self.config, &self.environment));
        let address = server.until_it_listens_or_ends().await;
        self.address.set(address);
        address.is_some()
    }

    /// Starts the server, anew where one has ended, and waits until it has every token.
    pub(crate) async fn start_server(&mut self) {
        assert!(self.try_start_server().await, "the server ended:\n{}", self.log());
        // What has no token logs in with each session.
        let is_logged_in = |one: &Value| one["token"] == "ok" || one["token"] == "none needed";
        until("every connection has its token", async || {
            let ready = self.get("/readyz").await;
            let connections = ready.body["connections"].as_object().cloned().unwrap_or_default();
            ready.status == 200 && connections.values().all(is_logged_in)
        })
        .await;
    }

    /// Starts the server and asks it nothing: it speaks TLS, or has another key.
    pub(crate) async fn start_server_unasked(&mut self) {
        assert!(self.try_start_server().await, "the server ended:\n{}", self.log());
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a server was started")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.address.url(path).expect("a server was started")
    }

    /// For whoever outlives a restart of the server.
    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    pub(crate) fn genesys(&self) -> &GenesysCloud {
        self.genesys.as_ref().expect("planned with `and_genesys`")
    }

    /// Everything the server has logged.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().expect("a server was started").log.all().join("\n")
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.server.as_ref().expect("a server was started").signal(signal);
    }

    /// Stops the server as an operator does; its exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::Term);
        self.server().ended().await
    }

    pub(crate) async fn kill(&mut self) {
        if !self.server().has_ended() {
            self.signal(Signal::Kill);
        }
        self.server().ended().await;
    }

    /// Stops the server and starts it again on the same store.
    pub(crate) async fn restart(&mut self) {
        assert_eq!(self.stop().await, Some(0));
        self.start_server().await;
    }

    /// Runs a command of the same configuration against the running server.
    pub(crate) async fn command(&self, words: &[&str]) -> Ended {
        let config = self.config.display().to_string();
        let mut all = words.to_vec();
        all.extend(["--config", &config]);
        let mut environment = self.environment.clone();
        if let Some(address) = self.address.get() {
            environment.push(("TIELINE_SERVER__LISTEN".to_owned(), address.to_string()));
        }
        Ended::of(&all, &environment).await
    }

    /// Runs a command of the same configuration that shall listen elsewhere.
    pub(crate) async fn command_elsewhere(&self, words: &[&str]) -> Ended {
        let config = self.config.display().to_string();
        let mut all = words.to_vec();
        all.extend(["--config", &config]);
        Ended::of(&all, &self.environment).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).bearer_auth(API_KEY)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.http.post(self.url(path)).bearer_auth(API_KEY).json(body)).await
    }

    /// A lookup as written.
    pub(crate) async fn lookup(&self, body: Value) -> Answer {
        self.post("/api/v1/genesys/lookup", &body).await
    }

    /// A lookup of an inbound call from `number`, a call of its own.
    pub(crate) async fn call_from(&self, number: &str) -> Answer {
        self.lookup(json!({ "fromNumber": number, "callId": self.new_call() })).await
    }

    pub(crate) fn new_call(&self) -> String {
        format!("call-{}", self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// A call as it is stored.
    pub(crate) async fn stored(&self, call: &str) -> Answer {
        self.get(&format!("/api/v1/calls/{call}")).await
    }

    /// A call that a rule about the CRM's case decides; its id.
    pub(crate) async fn decide_by_rules(&self, number: &str) -> String {
        let to = |queue: &str| json!({ "type": "queue", "option": queue });
        let set = json!({
            "rules": { "By case": {
                "location": "did", "crm": "salesforce", "module": "contacts", "field": "crmCaseId",
                "lines": [{ "operator": "is empty", "destination": to("Support") }],
            } },
            "chains": { "did:+15550190000": { "rules": ["By case"], "default": to("Sales") } },
        });
        let put = self.http.put(self.url("/api/v1/routing/set")).bearer_auth(API_KEY);
        let drafted = Answer::of(put.json(&set)).await;
        assert_eq!(drafted.status, 200, "{drafted:?}");
        if drafted["new"] != json!([]) {
            let published = self.post("/api/v1/routing/publish", &json!({})).await;
            assert_eq!(published.status, 200, "{published:?}");
        }
        let call = self.new_call();
        let body = json!({ "did": "+15550190000", "ani": number, "callId": call });
        let decided = self.post("/api/v1/routing/decide", &body).await;
        assert_eq!(decided.status, 200, "{decided:?}");
        call
    }

    /// Every call that is stored, newest first.
    pub(crate) async fn calls(&self) -> Vec<Value> {
        let calls = self.get("/api/v1/calls?limit=1000").await;
        calls.body.as_array().expect("a list").clone()
    }

    /// Every job that is not done, newest first.
    pub(crate) async fn jobs(&self) -> Vec<Value> {
        let jobs = self.get("/api/v1/jobs?limit=1000").await;
        jobs.body.as_array().expect("a list").clone()
    }

    pub(crate) async fn jobs_in(&self, state: &str) -> Vec<Value> {
        let jobs = self.get(&format!("/api/v1/jobs?limit=1000&state={state}")).await;
        jobs.body.as_array().expect("a list").clone()
    }

    /// Waits until jobs have failed and none will be tried for a moment: whoever is killed then has
    /// none in its hands. Of several nodes none could know for 90 seconds that the holder is gone.
    pub(crate) async fn until_jobs_rest(&self) {
        until("every job waits for its next try", async || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
            let soon = Timestamp(i64::try_from(now).expect("a time") + 300);
            let rests = |job: &Value| match job["state"].as_str() {
                Some("leased") => false,
                Some("waiting") => {
                    job["dueAt"].as_str().and_then(Timestamp::parse).is_some_and(|due| due > soon)
                }
                _ => true,
            };
            let jobs = self.jobs().await;
            jobs.iter().any(|job| job["note"] != "") && jobs.iter().all(rests)
        })
        .await;
    }

    /// Waits until no job waits or runs.
    pub(crate) async fn until_quiet(&self) {
        until("every job has ended", async || {
            let jobs = self.jobs().await;
            !jobs.iter().any(|job| job["state"] == "waiting" || job["state"] == "leased")
        })
        .await;
    }

    /// Waits until the stored call is of that status.
    pub(crate) async fn until_stored_as(&self, call: &str, status: &str) -> Answer {
        let what = format!("{call} is stored as {status}");
        until_some(&what, async || {
            let stored = self.stored(call).await;
            (stored["status"] == status).then_some(stored)
        })
        .await
    }

    /// Waits until a call from `number` is answered from the directory.
    pub(crate) async fn until_the_directory_knows(&self, number: &str) -> Answer {
        until_some("the directory answers", async || {
            let answer = self.call_from(number).await;
            (answer["source"] == "directory").then_some(answer)
        })
        .await
    }

    /// How many requests for people Salesforce has seen.
    pub(crate) fn crm_requests(&self) -> usize {
        let log = self.salesforce.faults().requests().log();
        log.iter().filter(|seen| seen.target.starts_with("/services/data/")).count()
    }

    /// Everything Genesys Cloud was asked but for tokens: method and path.
    pub(crate) fn platform_requests(&self) -> Vec<String> {
        let log = self.genesys().faults().requests().log();
        let asked = log.iter().filter(|seen| !seen.target.starts_with("/oauth/"));
        asked.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    /// From now on Salesforce does this to every request for people.
    pub(crate) fn crm_does(&self, fault: Fault) {
        self.salesforce.faults().add(Rule::always(fault).on("/services/data/"));
    }

    /// Salesforce behaves again.
    pub(crate) fn crm_recovers(&self) {
        self.salesforce.faults().clear();
    }

    /// The externalId of whoever has this e-mail in Salesforce.
    pub(crate) fn id_of(&self, email: &str) -> String {
        people::external_id(&self.salesforce, email)
    }

    /// A call from `number` that is live on the platform.
    pub(crate) fn place_call(&self, number: &str) -> PlacedCall {
        let call = NewCall { ani: format!("tel:{number}"), ..NewCall::default() };
        self.genesys().place_call(&call)
    }

    /// Places a call on the platform and looks it up, as a flow does.
    pub(crate) async fn arrives(&self, number: &str) -> (PlacedCall, Answer) {
        let placed = self.place_call(number);
        let body = json!({ "fromNumber": number, "callId": placed.conversation_id });
        let answer = self.lookup(body).await;
        (placed, answer)
    }

    /// Contacts of the platform that carry this externalId.
    pub(crate) fn contacts_of(&self, external_id: &str) -> Vec<Value> {
        let mut contacts = self.genesys().contacts();
        contacts.retain(|contact| contact.to_string().contains(&format!("\"{external_id}\"")));
        contacts
    }

    /// People of the simulated Salesforce who share their number with nobody.
    pub(crate) fn loners(count: usize) -> Vec<Person> {
        people::loners(count)
    }
}
