//! An agent at their desk, and the pages of the CRM that they may open in a real browser.
//!
//! The pages come from an origin of their own, and what the vendor would give them is filled in:
//! the toolkit that the simulated Salesforce offers, and a ticket as the Apex class gets it. All
//! else is what `integrations/salesforce` ships.

use super::browser::{Browser, Tab};
use crate::presence::{BOTH, Desk, desk_without_console};
use crate::rig::{Place, until};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Html;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const PAGE: &str = include_str!("page.html");
const LIGHTNING: &str = include_str!("lightning.html");
/// What Visualforce and the console give a page in Classic.
const CLASSIC: &str = r#"<script src="{sim}/_sim/omni/toolkit.js"></script><script>
    const sforce = { console: { presence: omniClassic('{user}') } };
    const Visualforce = { remoting: { Manager: { invokeAction: async (name, called) => {
        const given = await fetch('/ticket', { method: 'POST' });
        called(given.ok ? await given.json() : null, { status: given.ok });
    } } } };
</script>"#;

/// An agent at their desk, and the page that they may open.
pub(super) struct Office {
    pub(super) desk: Desk,
    pub(super) browser: Browser,
    pub(super) url: String,
    pub(super) tickets: Arc<Tickets>,
}

/// What the Apex class does: gets tokens by a key that may do nothing else.
pub(super) struct Tickets {
    agent: String,
    now: Mutex<Now>,
    given: Mutex<Vec<String>>,
}

/// What the administrator has set.
#[derive(Clone)]
pub(super) struct Now {
    pub(super) base: String,
    pub(super) key: String,
    /// Given instead of the token's own, in seconds.
    pub(super) lives_s: Option<u64>,
}

impl Tickets {
    pub(super) fn set(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now.lock().expect("nobody panics here"));
    }

    pub(super) fn given(&self) -> Vec<String> {
        self.given.lock().expect("nobody panics here").clone()
    }

    async fn next(&self) -> Result<Value, StatusCode> {
        let now = self.now.lock().expect("nobody panics here").clone();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let asked = client.post(format!("{}/api/v1/agent-tokens", now.base));
        let asked = asked.header("x-api-key", &now.key).json(&json!({ "agent": self.agent }));
        let told = asked.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        let mut told: Value = told.json().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        let token = told["token"].as_str().ok_or(StatusCode::BAD_GATEWAY)?.to_owned();
        self.given.lock().expect("nobody panics here").push(token);
        if let Some(lives_s) = now.lives_s {
            told["expiresIn"] = json!(lives_s);
        }
        told["base"] = json!(now.base);
        Ok(told)
    }
}

/// A key with the scope `agents` alone: its id and its text.
pub(super) async fn key(desk: &Desk) -> (String, String) {
    let body = json!({ "name": "salesforce console", "scopes": ["agents"] });
    let key = desk.line.post("/api/v1/api-keys", &body).await;
    let text = |name: &str| key.body[name].as_str().unwrap_or_else(|| panic!("{key:?}")).to_owned();
    (text("id"), text("key"))
}

impl Office {
    pub(super) async fn open() -> Option<Self> {
        let browser = Browser::start().await?;
        let desk = desk_without_console(Place::disk(), BOTH).await;
        let (base, key) = (desk.line.url(""), key(&desk).await.1);
        let tickets = Arc::new(Tickets {
            agent: desk.crm.clone(),
            now: Mutex::new(Now { base, key, lives_s: None }),
            given: Mutex::default(),
        });
        let url = serve(&desk, &tickets).await;
        Some(Self { desk, browser, url, tickets })
    }

    /// A tab with the console, connected.
    pub(super) async fn console(&self) -> Tab {
        self.console_with("").await
    }

    pub(super) async fn console_with(&self, query: &str) -> Tab {
        let tab = self.tab(query).await;
        self.browser.until(&tab, "seen.state === 'connected'").await;
        self.desk.until("Available", "Transition").await;
        tab
    }

    pub(super) async fn tab(&self, query: &str) -> Tab {
        self.browser.open(&format!("{}/?{query}", self.url)).await
    }

    /// Until Tieline tells that the console is gone, or is there: sooner than a silent one
    /// would be missed.
    pub(super) async fn until_gone(&self, is_gone: bool) {
        until("the console is gone, or there", async || {
            (self.desk.agent().await["consoleGone"] != "") == is_gone
        })
        .await;
    }
}

/// The pages on a port of their own: another origin than Tieline's and the CRM's.
async fn serve(desk: &Desk, tickets: &Arc<Tickets>) -> String {
    let fill = |page: &str| {
        page.replace("{sim}", &desk.line.salesforce.url()).replace("{user}", &desk.crm)
    };
    let lightning = fill(LIGHTNING)
        .replace("{helper}", &shipped("aura/tielinePresence/tielinePresenceHelper.js"))
        .replace("{controller}", &shipped("aura/tielinePresence/tielinePresenceController.js"));
    let (page, classic) = (fill(PAGE), fill(&classic()));
    let script = shipped("staticresources/tielinePresence.js");
    let javascript = [(header::CONTENT_TYPE, "application/javascript")];
    let tickets = Arc::clone(tickets);
    let router = Router::new()
        .route("/", get(async || Html(page)))
        .route("/lightning", get(async || Html(lightning)))
        .route("/classic", get(async || Html(classic)))
        .route("/tielinePresence.js", get(async move || (javascript, script)))
        .route("/ticket", post(async move || tickets.next().await.map(axum::Json)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub(super) fn integration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/salesforce")
}

/// A file as an administrator deploys it.
fn shipped(path: &str) -> String {
    let path = integration().join("force-app/main/default").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Visualforce page as the vendor would make HTML of it.
fn classic() -> String {
    let page = shipped("pages/TielinePresence.page");
    let integration = r#"<apex:includeScript value="/support/console/62.0/integration.js" />"#;
    let script = r#"<apex:includeScript value="{!$Resource.tielinePresence}" />"#;
    assert!(page.contains(integration) && page.contains(script), "{page}");
    let begin = page.find('>').expect("a tag") + 1;
    let page = page[begin..].replace("</apex:page>", "");
    let page = page.replace(integration, CLASSIC);
    page.replace(script, r#"<script src="/tielinePresence.js"></script>"#)
}
