//! The S/4HANA connector against `mock-sap`, a stand-in that nobody here wrote.
//!
//! It has partners and addresses, tokens, CSRF and ETags, but neither numbers nor
//! e-mails. `TIELINE_TEST_PYTHON` names a Python that has it (mock-sap 0.22.0, PyPI).

use crate::rig::settings;
use connectors::sap_s4::{Client, Entity, Name, client};
use domain::{Region, Value};
use kit::{Capabilities, Error, Lane, Limits, Network, Opening, Settings};
use serde_json::json;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A system that ends with this.
struct Mock {
    url: String,
    _child: Child,
}

/// Starts it with one client of OAuth and nothing changed without an ETag.
async fn mock() -> Option<Mock> {
    let Some(python) = std::env::var_os("TIELINE_TEST_PYTHON") else {
        eprintln!("skipped: mock-sap, for want of TIELINE_TEST_PYTHON");
        return None;
    };
    let words =
        ["-m", "mocksap", "--port", "0", "--oauth", "TIELINE:hunter2", "--require-if-match"];
    let mut child = Command::new(python)
        .args(words)
        .args(["--no-request-log", "--quiet"])
        .env("PYTHONUNBUFFERED", "1")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let said = tokio::time::timeout(Duration::from_secs(30), lines.next_line());
    let line = said.await.expect("in time").expect("a line").expect("a first line");
    let url = line.split(' ').find(|word| word.starts_with("http://")).expect("an address");
    // Read on, or it would stop at a full pipe.
    let url = url.to_owned();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(Mock { url, _child: child })
}

impl Mock {
    fn login(&self) -> Settings {
        let data = [("industry", "Industry"), ("blocked", "BusinessPartnerIsBlocked")];
        let data = toml::Table::from_iter(data.map(|(key, path)| (key.to_owned(), path.into())));
        settings(
            &[
                ("base_url", self.url.clone().into()),
                ("service_path", "/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV".into()),
                ("sap_client", "100".into()),
                ("client_id", "TIELINE".into()),
                ("data", data.into()),
            ],
            &[("client_secret", "hunter2")],
        )
    }

    fn opening(&self) -> Opening {
        let limits = Limits {
            requests_per_minute: 600,
            reserved_for_calls: 0,
            concurrent_calls: 4,
            concurrent_background: 4,
            timeout: Duration::from_secs(10),
        };
        Opening {
            name: "mock".to_owned(),
            settings: self.login(),
            limits,
            network: Network { allow_private_addresses: true, ..Network::default() },
            numbers: Region::parse("DE").expect("a region").into(),
        }
    }

    async fn connection(&self) -> Capabilities {
        let connector = connectors::by_name("sap_s4").expect("S/4HANA");
        let connection = (connector.open)(self.opening()).expect("complete settings");
        let tokens = connection.tokens.as_ref().expect("tokens");
        tokens.fresh(Duration::from_secs(10)).await.expect("a token");
        connection
    }

    fn client(&self) -> Arc<Client> {
        client(self.opening()).expect("complete settings")
    }

    /// What goes wrong with the next request of that method.
    async fn once(&self, method: &str, scenario: &str) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let rule = json!({ "method": method, "match": "API_BUSINESS_PARTNER_SRV", "scenario": scenario, "count": 1 });
        let made = http.post(format!("{}/_mock/faults", self.url)).json(&rule).send().await;
        assert!(made.expect("an answer").status().is_success(), "{scenario}");
    }
}

fn partner(number: &str) -> Entity {
    let name = |text: &str| Name::new(text).expect(text);
    Entity::new(name("A_BusinessPartner"), [(name("BusinessPartner"), number)])
}

#[tokio::test]
async fn accounts_of_a_system_that_others_wrote_are_read_by_token() {
    let Some(mock) = mock().await else { return };
    let connection = mock.connection().await;
    let (row, etag) =
        mock.client().entity(Lane::Background, &partner("1000001")).await.expect("a partner");
    assert!(etag.expect("a version").starts_with("W/\"datetime"));
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["1000001", "0001000002", "9999999", "1' or 1 eq 1"].map(str::to_owned);
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let first = found[0].as_ref().expect("the first");
    assert_eq!(
        (first.record.as_str(), first.name.as_str()),
        ("1000001", row["BusinessPartnerName"].as_str().expect("a name"))
    );
    assert_eq!(first.data["industry"], Value::from(row["Industry"].as_str().expect("an industry")));
    assert_eq!(first.data["blocked"], Value::Bool(false));
    assert_eq!(found[1].as_ref().map(|account| account.record.as_str()), Some("1000002"));
    assert_eq!((&found[2], &found[3]), (&None, &None));
    let everybody: Vec<String> = (1_000_001..1_000_200).map(|n: u64| n.to_string()).collect();
    let found = accounts.find(Lane::Background, &everybody).await.expect("several requests");
    assert!(found.iter().flatten().count() >= 2);
}

#[tokio::test]
async fn the_check_names_what_a_smaller_system_does_not_have() {
    let Some(mock) = mock().await else { return };
    let findings = mock.connection().await.check.check().await;
    let code_of = |what: &str| {
        let finding = findings.iter().find(|finding| finding.what == what).expect(what);
        finding.outcome.as_ref().map_err(|flaw| flaw.code).err()
    };
    assert_eq!(code_of("login"), None);
    assert_eq!(code_of("PersonNumber"), Some("connection.field_missing"));
    assert_eq!(code_of("A_BusinessPartnerAddress"), None);
    assert_eq!(code_of("A_AddressPhoneNumber"), Some("connection.setting_refused"));
    assert!(!findings.iter().any(|finding| finding.what == "Industry"), "it has that");
}

#[tokio::test]
async fn a_change_there_keeps_to_its_csrf_token_and_etag() {
    let Some(mock) = mock().await else { return };
    let (client, entity) = (mock.client(), partner("1000001"));
    let (_, etag) = client.entity(Lane::Background, &entity).await.expect("a partner");
    let term = |text: &str| json!({ "SearchTerm1": text });
    let none = client.update(&entity, None, &term("A")).await.expect_err("no version");
    assert!(
        matches!(none, Error::Invalid { field: Some(ref field), .. } if field == "If-Match"),
        "{none}"
    );
    let updated = client.update(&entity, etag.as_deref(), &term("TIELINE")).await.expect("changed");
    let (row, now) = client.entity(Lane::Background, &entity).await.expect("a partner");
    assert_eq!((row["SearchTerm1"].as_str(), &updated.etag), (Some("TIELINE"), &now));
    let stale = client.update(&entity, etag.as_deref(), &term("B")).await.expect_err("stale");
    assert_eq!(stale.kind(), "conflict");
    mock.once("PATCH", "csrf").await;
    client.update(&entity, now.as_deref(), &term("AGAIN")).await.expect("fetched anew, changed");
    let wrong = json!({ "NoSuchProperty": "x" });
    let (_, now) = client.entity(Lane::Background, &entity).await.expect("a partner");
    let refused = client.update(&entity, now.as_deref(), &wrong).await.expect_err("refused");
    assert_eq!(refused.kind(), "invalid");
    let nobody =
        client.entity(Lane::Background, &partner("1' or 1 eq '1")).await.expect_err("nobody");
    assert!(matches!(nobody.kind(), "not_found" | "invalid"), "{nobody}");
}

#[tokio::test]
async fn its_signals_are_told_as_what_they_are() {
    let Some(mock) = mock().await else { return };
    let (client, entity) = (mock.client(), partner("1000002"));
    let expected = [
        ("lock", "conflict"),
        ("precondition", "conflict"),
        ("forbidden", "forbidden"),
        ("notfound", "not_found"),
        ("error", "unavailable"),
    ];
    for (scenario, kind) in expected {
        mock.once("GET", scenario).await;
        let error = client.entity(Lane::Background, &entity).await.expect_err(scenario);
        assert_eq!(error.kind(), kind, "{scenario}: {error}");
    }
    mock.once("GET", "expired-token").await;
    client.entity(Lane::Background, &entity).await.expect("a fresh token, behind");
    mock.once("GET", "busy").await;
    let busy = client.entity(Lane::Background, &entity).await.expect_err("busy");
    assert!(matches!(busy.kind(), "unavailable" | "rate_limited"), "{busy}");
}
