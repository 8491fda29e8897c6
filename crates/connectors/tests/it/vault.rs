//! What a token endpoint gave is kept whole and used again: by the next opening of a
//! connection over the same vault, whatever its vendor.

use crate::rig::{Rig, exercise};
use async_trait::async_trait;
use connectors::hubspot;
use kit::vault::{Hold, InVault, Kept, Vault, within};
use kit::{Capabilities, Error, Settings};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A vault in memory, of one connection.
#[derive(Default)]
struct Memory(Mutex<Option<InVault>>);

#[async_trait]
impl Vault for Memory {
    async fn read(&self) -> Result<Option<InVault>, Error> {
        Ok(self.0.lock().expect("whole").clone())
    }

    async fn take(&self, _time: Duration) -> Result<Option<Hold>, Error> {
        Ok(Some(Hold(1)))
    }

    async fn keep(&self, _hold: Hold, kept: &Kept) -> Result<u64, Error> {
        let mut inner = self.0.lock().expect("whole");
        let generation = inner.as_ref().map_or(1, |found| found.generation + 1);
        *inner = Some(InVault { kept: kept.clone(), generation });
        Ok(generation)
    }

    async fn release(&self, _hold: Hold) {}
}

impl Memory {
    fn given(&self, name: &str) -> Option<String> {
        let found = self.0.lock().expect("whole");
        found.as_ref()?.kept.given.get(name)?.as_str().map(str::to_owned)
    }
}

/// Opens over the vault and waits for the token.
async fn open<S: connectors::Simulator + ?Sized>(
    rig: &Rig<S>,
    settings: &Settings,
    vault: &Arc<Memory>,
) -> Capabilities {
    let vault = Arc::clone(vault) as Arc<dyn Vault>;
    let connection = within(vault, || rig.open_with(settings.clone())).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    tokens.fresh(Duration::from_secs(10)).await.expect("a token");
    connection
}

/// The refresh token that a recorded login showed.
fn shown(body: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(body.as_bytes());
    pairs.find(|(name, _)| name == "refresh_token").map(|(_, token)| token.into_owned())
}

#[tokio::test]
async fn a_refresh_token_that_was_replaced_is_shown_by_the_next_opening() {
    // Vendor, which of its logins, and where its tokens are given.
    for (name, login, endpoint) in [
        ("hubspot", 1, "/oauth/"),
        ("zoho_crm", 0, "/oauth/v2/token"),
        ("servicenow", 0, "/oauth_token.do"),
        ("servicenow", 1, "/oauth_token.do"),
    ] {
        let vendor = connectors::all().into_iter().find(|v| v.connector.manifest.name == name);
        let rig = Rig::of(vendor.expect(name)).await;
        let vault = Arc::new(Memory::default());
        let settings = &rig.logins[login];
        let body = json!({
            "access_token": "ended-already", "refresh_token": "rotated-1", "token_type": "Bearer",
            "expires_in": 1_800, "odd": "kept as well",
        });
        let fault = Fault::Status { code: 200, body: Some(body.to_string()) };
        rig.faults().add(Rule::always(fault).on(endpoint).times(1));
        drop(open(&rig, settings, &vault).await);
        for (field, expected) in [("refresh_token", "rotated-1"), ("odd", "kept as well")] {
            assert_eq!(vault.given(field).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(vault.given("access_token"), None, "{name}: once is enough");

        // The token in the vault is none of the vendor's: the next one is asked for.
        rig.faults().requests().clear();
        let connection = open(&rig, settings, &vault).await;
        assert_eq!(rig.requests().0, 0, "{name}: nobody logged in");
        exercise(&connection).await.ok();
        let log = rig.faults().requests().log();
        let asked = log.iter().find(|seen| seen.target.contains(endpoint)).expect(name);
        assert_eq!(shown(&asked.body).as_deref(), Some("rotated-1"), "{name}");
    }
}

/// A vendor whose every login replaces the refresh token.
async fn rotating() -> Rig<hubspot::sim::HubSpot> {
    let config = hubspot::sim::Config { rotates: true, searches: 50, ..Default::default() };
    let account = hubspot::sim::start(config).await.expect("a port");
    let logins = hubspot::simulate::logins(&account, &account.url());
    let connector = connectors::by_name("hubspot").expect("HubSpot");
    Rig::new(connector, Box::new(account), logins, hubspot::simulate::API)
}

#[tokio::test]
async fn a_vendor_that_rotates_lets_every_later_opening_in() {
    let rig = rotating().await;
    let vault = Arc::new(Memory::default());
    let mut seen = Vec::new();
    for _ in 0..3 {
        let connection = open(&rig, &rig.logins[1], &vault).await;
        rig.simulator.revoke_tokens();
        exercise(&connection).await.expect("let in by the last refresh token");
        let last = vault.given("refresh_token").expect("a refresh token");
        assert!(!seen.contains(&last), "another one each time");
        seen.push(last);
    }
}

#[tokio::test]
async fn without_a_vault_a_connection_keeps_what_came_as_long_as_it_is_open() {
    let rig = rotating().await;
    let connection = rig.open_with(rig.logins[1].clone()).expect("complete settings");
    for _ in 0..3 {
        exercise(&connection).await.expect("let in");
        rig.simulator.revoke_tokens();
    }
}
