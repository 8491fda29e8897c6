//! A source of one's own, by configuration alone, against the simulated one.

use crate::rig::{EMAIL, PHONE, Rig, ask, phone};
use connectors::custom_url::sim::{Config, Source, start};
use connectors::custom_url::simulate;
use domain::{Contact, ContactPhone, PhoneKind, Region, Value};
use kit::{Ask, Capabilities, Custom, Error, Lane, Limits, Network, Opening, Secret, Settings};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

async fn source(config: Config) -> Rig<Source> {
    let source = start(config).await.expect("a port");
    let logins = simulate::logins(&source.url());
    let connector = connectors::by_name("custom_url").expect("custom_url");
    Rig::new(connector, Box::new(source), logins, simulate::API)
}

/// The settings by API key, changed and without those that are `None`.
fn with(rig: &Rig<Source>, settings: &[(&str, Option<toml::Value>)]) -> Settings {
    let mut login = rig.logins[4].clone();
    for (key, value) in settings {
        match value {
            Some(value) => login.plain.insert((*key).to_owned(), value.clone()),
            None => login.plain.remove(*key),
        };
    }
    login
}

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

async fn find(connection: &Capabilities, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
    connection.lookup.as_ref().expect("a lookup").find(Lane::Call, asks).await
}

fn names(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| contact.name.as_str()).collect()
}

fn refused(rig: &Rig<Source>, settings: Settings) -> String {
    let Err(Error::Invalid { field, .. }) = rig.open_with(settings) else { panic!("not refused") };
    field.expect("a setting")
}

#[tokio::test]
async fn a_caller_is_found_by_configuration_alone() {
    let rig = source(Config::default()).await;
    let connection = rig.open().await;
    let found = find(&connection, &[ask()]).await.expect("an answer").remove(0);
    assert_eq!(names(&found), ["John Doe", "Jane Smith"]);
    let john = &found[0];
    assert_eq!((john.record.as_str(), john.object.as_str()), ("C-1001", "Customer"));
    assert_eq!(john.email.as_deref(), Some(EMAIL));
    assert_eq!(john.phones, [ContactPhone::new(PhoneKind::Work, PHONE)]);
    assert_eq!(john.account.as_deref(), Some("1000001"));
    assert_eq!(john.data["loyaltyTier"], Value::from("Gold"));
    assert_eq!(john.data["isVip"], Value::Bool(true));
    let by_record = Ask { record: Some("C-1003".to_owned()), ..Ask::default() };
    let nobody = Ask { record: Some("../customers".to_owned()), ..Ask::default() };
    let found = find(&connection, &[by_record, nobody]).await.expect("an answer");
    assert_eq!(names(&found[0]), ["Maria Garcia"]);
    assert!(found[1].is_empty());
    let log = rig.faults().requests().log();
    assert!(log.iter().any(|seen| seen.target == "/api/customers/..%2Fcustomers"), "one segment");
}

#[tokio::test]
async fn a_search_may_be_a_post_with_the_number_in_its_json() {
    let rig = source(Config::default()).await;
    let body =
        r#"{"filter":{"phone":"{phone.digits}","note":"tel {phone.e164} \"quoted\""},"limit":5}"#;
    let post = [
        ("by_phone", Some("/search".into())),
        ("by_phone_body", Some(body.into())),
        ("paging", None),
        ("next_at", None),
        (
            "headers",
            Some(
                toml::Table::from_iter([("X-Caller".to_owned(), "tel:{phone.e164}".into())]).into(),
            ),
        ),
        ("by_email", None),
        ("by_record", None),
        ("by_account", None),
    ];
    let connection = rig.open_with(with(&rig, &post)).expect("settings");
    let found = find(&connection, &[by_phone(PHONE)]).await.expect("an answer").remove(0);
    assert_eq!(names(&found), ["John Doe", "Jane Smith"]);
    let seen = rig.faults().requests().log().pop().expect("a request");
    let sent: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    let note = "tel +15550199999 \"quoted\"";
    assert_eq!(sent, json!({ "filter": { "phone": "15550199999", "note": note }, "limit": 5 }));
    assert_eq!(seen.header("x-caller"), Some("tel:+15550199999"));
}

#[tokio::test]
async fn a_source_that_ignores_what_it_is_asked_by_names_nobody_wrong() {
    let rig = source(Config { people: 20, ignores_filters: true, ..Config::default() }).await;
    let connection = rig.open().await;
    let asks = [by_phone("+15550198888"), by_phone("+15550100001")];
    let found = find(&connection, &asks).await.expect("an answer");
    assert_eq!(names(&found[0]), ["Maria Garcia"]);
    assert!(found[1].is_empty());
}

#[tokio::test]
async fn pages_are_followed_in_every_usual_way_and_no_further_than_allowed() {
    let rig =
        source(Config { people: 17, page: 6, ignores_filters: true, ..Config::default() }).await;
    let last = sim::seed::person(16, 1).email;
    let ask = [Ask { email: Some(last), ..Ask::default() }];
    let way = |paging: &str, parameter: Option<&str>, at: Option<&str>, most: i64| {
        let text = |text: Option<&str>| text.map(toml::Value::from);
        [
            ("paging", text(Some(paging))),
            ("page_parameter", text(parameter)),
            ("next_at", text(at)),
            ("page_size", Some(6.into())),
            ("pages_max", Some(most.into())),
        ]
    };
    for (paging, parameter, at) in [
        ("next_link", None, Some("/links/next")),
        ("cursor", Some("cursor"), Some("/cursor")),
        ("offset", Some("offset"), None),
        ("page", Some("page"), None),
    ] {
        let connection = rig.open_with(with(&rig, &way(paging, parameter, at, 9))).expect(paging);
        rig.faults().requests().clear();
        let found = find(&connection, &ask).await.expect(paging).remove(0);
        assert_eq!(found.len(), 1, "{paging}");
        assert_eq!(rig.requests().1, 4, "{paging}: 20 customers in pages of 6");
        let connection = rig.open_with(with(&rig, &way(paging, parameter, at, 2))).expect(paging);
        rig.faults().requests().clear();
        assert!(find(&connection, &ask).await.expect(paging)[0].is_empty(), "{paging}");
        assert_eq!(rig.requests().1, 2, "{paging}: no further than allowed");
    }
}

#[tokio::test]
async fn a_next_page_at_another_address_is_none() {
    let rig = source(Config::default()).await;
    for next in [
        "https://elsewhere.example/api/customers",
        "http://127.0.0.1:1/api/customers",
        "//elsewhere.example/api/customers",
        "/apis",
        "/other",
        "/api/../other",
    ] {
        let body = json!({ "data": { "customers": [{ "id": "C-1", "name": {} }] }, "links": { "next": next } });
        let fault = Fault::Status { code: 200, body: Some(body.to_string()) };
        rig.faults().add(Rule::always(fault).on(rig.api).times(1));
        let connection = rig.open().await;
        let error = find(&connection, &[by_phone(PHONE)]).await.expect_err(next);
        assert_eq!(error.kind(), "protocol", "{next}");
        rig.faults().clear();
    }
    assert!(rig.faults().requests().log().iter().all(|seen| !seen.target.contains("other")));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let rig = source(Config::default()).await;
    let connection = rig.open().await;
    rig.faults().add(Rule::always(Fault::Vendor("moved".to_owned())).on(rig.api));
    let error = find(&connection, &[by_phone(PHONE)]).await.expect_err("moved");
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    let log = rig.faults().requests().log();
    assert!(log.iter().all(|seen| !seen.target.contains("elsewhere")), "nobody went there");
}

#[tokio::test]
async fn an_error_in_the_body_means_what_was_configured() {
    let rig = source(Config::default()).await;
    let connection = rig.open().await;
    rig.faults().add(Rule::always(Fault::Vendor("busy".to_owned())).on(rig.api));
    let error = find(&connection, &[by_phone(PHONE)]).await.expect_err("busy");
    assert_eq!(error.kind(), "rate_limited");
}

#[tokio::test]
async fn an_address_that_is_none_is_no_unknown_caller() {
    let rig = source(Config::default()).await;
    let wrong = [("by_phone", Some("/custmers?phone={phone.e164}".into()))];
    let connection = rig.open_with(with(&rig, &wrong)).expect("settings");
    let error = find(&connection, &[by_phone(PHONE)]).await.expect_err("404");
    assert!(matches!(error, Error::Invalid { field: Some(field), .. } if field == "by_phone"));
    let flaws: Vec<String> = connection
        .check
        .check()
        .await
        .into_iter()
        .filter(|finding| finding.outcome.is_err())
        .map(|finding| finding.what)
        .collect();
    assert_eq!(flaws, ["by_phone"]);
}

#[tokio::test]
async fn a_source_may_have_a_word_of_its_own_for_nobody_or_none_at_all() {
    let rig = source(Config::default()).await;
    let codes = [("none_such".to_owned(), "not_found".into())];
    let codes = [("error_codes", Some(toml::Table::from_iter(codes).into()))];
    let connection = rig.open_with(with(&rig, &codes)).expect("settings");
    for (code, body) in
        [(200, Some(r#"{"error":{"code":"none_such"}}"#)), (404, Some("{}")), (204, None)]
    {
        let fault = Fault::Status { code, body: body.map(str::to_owned) };
        rig.faults().add(Rule::always(fault).on(rig.api).times(1));
        let found = find(&connection, &[by_phone(PHONE)]).await.expect("an answer");
        assert!(found[0].is_empty(), "{code}");
    }
}

#[tokio::test]
async fn open_invoices_are_told_of_the_account_and_of_no_other() {
    let rig = source(Config::default()).await;
    let connection = rig.open().await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["1000001", "1000003", "nobody", "..", ""].map(str::to_owned);
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let acme = found[0].as_ref().expect("the account");
    assert_eq!((acme.record.as_str(), acme.name.as_str()), ("1000001", "Acme Corporation"));
    let numbers = ["R-1000001-1", "R-1000001-2"].map(Value::from).to_vec();
    assert_eq!(acme.data["openInvoices"], Value::List(numbers));
    assert_eq!(acme.data["openInvoiceCount"], Value::Integer(2));
    assert_eq!(acme.data["openBalance"], Value::Number(301.5));
    let none = found[1].as_ref().expect("an account without invoices");
    assert_eq!(none.data["openInvoiceCount"], Value::Integer(0));
    assert!(found[2..].iter().all(Option::is_none));
    // Where the query names the account, each record must.
    let listed = |id_at: Option<&str>| {
        with(
            &rig,
            &[
                ("by_account", Some("/invoices?account={account}".into())),
                ("account_id_at", id_at.map(toml::Value::from)),
                ("account_data", None),
                ("account_name_at", None),
            ],
        )
    };
    assert_eq!(refused(&rig, listed(None)), "account_id_at");
    let connection = rig.open_with(listed(Some("/account"))).expect("settings");
    let accounts = connection.accounts.as_ref().expect("accounts");
    let found = accounts.find(Lane::Call, &["1000002".to_owned(), "x".to_owned()]).await;
    let found = found.expect("an answer");
    assert_eq!(found[0].as_ref().expect("it").data["openInvoiceCount"], Value::Integer(2));
    assert!(found[1].is_none(), "what the source lists for everybody is nobody's");
}

#[tokio::test]
async fn what_cannot_work_is_refused_by_name_before_anything_is_asked() {
    let rig = source(Config::default()).await;
    let text = |text: &str| Some(toml::Value::from(text));
    let fields = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), toml::Value::from(*v)));
        Some(toml::Value::Table(pairs.collect()))
    };
    for (expected, settings) in [
        ("by_phone", vec![("by_phone", text("/c?x={email}"))]),
        ("by_phone", vec![("by_phone", text("/c"))]),
        ("by_email", vec![("by_email", text("https://x.example/{email}"))]),
        ("by_phone", vec![("by_phone", None), ("by_phone_body", text("{}"))]),
        (
            "by_phone",
            vec![("by_phone", None), ("by_email", None), ("by_record", None), ("by_account", None)],
        ),
        ("fields", vec![("fields", None)]),
        ("fields", vec![("fields", fields(&[("record", "/id")]))]),
        ("fields", vec![("fields", fields(&[("record", "/id"), ("phone", "/tel")]))]),
        ("headers", vec![("headers", fields(&[("Authorization", "Bearer x")]))]),
        ("headers", vec![("headers", fields(&[("x y", "z")]))]),
        ("records_at", vec![("records_at", text("data"))]),
        ("data", vec![("data", fields(&[("x", "y")]))]),
        ("error_codes", vec![("error_codes", fields(&[("x", "y")]))]),
        ("next_at", vec![("next_at", None)]),
        ("page_parameter", vec![("paging", text("cursor"))]),
        ("page_size", vec![("paging", text("offset")), ("page_parameter", text("offset"))]),
        ("record_url", vec![("record_url", text("https://x.example/"))]),
        ("base_url", vec![("base_url", text("https://u:p@x.example/"))]),
        ("base_url", vec![("base_url", text("https://x.example/?a=b"))]),
        ("base_url", vec![("base_url", text("ftp://x.example/"))]),
    ] {
        assert_eq!(refused(&rig, with(&rig, &settings)), expected, "{settings:?}");
    }
    assert_eq!(rig.requests(), (0, 0));
}

/// A connection as outside a test: without private addresses.
fn opened(
    mut settings: Settings,
    base: &str,
    token_url: Option<&str>,
) -> Result<Capabilities, Error> {
    settings.plain.insert("base_url".to_owned(), base.into());
    if let Some(token_url) = token_url {
        settings.plain.insert("token_url".to_owned(), token_url.into());
    }
    let limits = Limits {
        requests_per_minute: 600,
        reserved_for_calls: 0,
        concurrent_calls: 4,
        concurrent_background: 4,
        timeout: Duration::from_secs(5),
    };
    let connector = connectors::by_name("custom_url").expect("custom_url");
    (connector.open)(Opening {
        name: "outside".to_owned(),
        settings,
        limits,
        network: Network::default(),
        numbers: Region::parse("US").expect("a region").into(),
    })
}

#[tokio::test]
async fn without_tls_nothing_is_opened() {
    let rig = source(Config::default()).await;
    let named = |outcome: Result<Capabilities, Error>| {
        let Err(Error::Invalid { field, reason }) = outcome else { panic!("not refused") };
        assert!(reason.contains("https://"), "{reason}");
        field.expect("a setting")
    };
    assert_eq!(named(opened(rig.logins[4].clone(), "http://api.example.com/v2", None)), "base_url");
    let token_url = Some("http://login.example.com/token");
    assert_eq!(
        named(opened(rig.logins[0].clone(), "https://api.example.com", token_url)),
        "token_url"
    );
}

#[tokio::test]
async fn a_private_address_is_not_asked_by_whatever_name() {
    let rig = source(Config::default()).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
        "0x7f.1",
        "crm.localhost",
    ] {
        let base = format!("https://{host}:8443/api");
        let connection = opened(rig.logins[4].clone(), &base, None).expect("an address");
        let error = find(&connection, &[by_phone(PHONE)]).await.expect_err(host);
        assert!(error.to_string().contains("private address"), "{host}: {error}");
        let custom = Custom {
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            query: vec![],
            headers: vec![],
            body: None,
        };
        let requests = connection.requests.as_ref().expect("requests");
        let error = requests.send(Lane::Call, &custom).await.expect_err(host);
        assert!(error.to_string().contains("private address"), "{host}: {error}");
    }
}

#[tokio::test]
async fn what_an_administrator_wrote_is_sent_within_the_source() {
    let rig = source(Config::default()).await;
    let connection = rig.open_with(rig.logins[4].clone()).expect("settings");
    let requests = connection.requests.as_ref().expect("requests");
    assert!(requests.language(kit::Place::Query("q")).is_none());
    let custom = Custom {
        method: "POST".to_owned(),
        path: "/echo".to_owned(),
        query: vec![("a&b".to_owned(), "c=d#".to_owned())],
        headers: vec![("X-Trace".to_owned(), "7".to_owned())],
        body: Some(json!({ "x": "\"}" })),
    };
    let answer = requests.send(Lane::Call, &custom).await.expect("an answer");
    assert_eq!(answer, json!({ "options": { "a&b": "c=d#" }, "body": { "x": "\"}" } }));
    let before = rig.requests();
    for wrong in [
        Custom { path: "/../oauth/token".to_owned(), ..custom.clone() },
        Custom { headers: vec![("X-Api-Key".to_owned(), "x".to_owned())], ..custom.clone() },
        Custom { headers: vec![("bad name".to_owned(), "x".to_owned())], ..custom.clone() },
        Custom { method: "TRACE".to_owned(), ..custom },
    ] {
        let error = requests.send(Lane::Call, &wrong).await.expect_err("refused");
        assert_eq!(error.kind(), "invalid", "{wrong:?}");
    }
    assert_eq!(rig.requests(), before, "nothing was sent");
}

/// The token endpoint of npm's oauth2-mock-server, which nobody here wrote. It ends with
/// the child. `None` where `TIELINE_TEST_NODE_MODULES` names no folder that has it.
async fn token_endpoint() -> Option<(String, tokio::process::Child)> {
    let Some(modules) = std::env::var_os("TIELINE_TEST_NODE_MODULES") else {
        eprintln!("skipped: oauth2-mock-server, for want of TIELINE_TEST_NODE_MODULES");
        return None;
    };
    let folder = std::path::Path::new(&modules).parent().expect("a folder").to_owned();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/oauth2_server.mjs");
    let mut child = Command::new("node")
        .arg(program)
        .args(["tieline-client", "hunter2"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let said = tokio::time::timeout(Duration::from_secs(30), lines.next_line());
    let line = said.await.expect("in time").expect("a line").expect("a first line");
    Some((line.strip_prefix("URL=").expect("its address").to_owned(), child))
}

#[tokio::test]
async fn a_token_of_an_endpoint_that_others_wrote_goes_with_each_request() {
    let Some((endpoint, _child)) = token_endpoint().await else { return };
    let rig = source(Config::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for login in &rig.logins[..2] {
        let mut login = login.clone();
        login.plain.insert("token_url".to_owned(), format!("{endpoint}/token").into());
        login.secrets.insert("client_secret".to_owned(), Secret::new("hunter2".to_owned()));
        let connection = rig.open_with(login.clone()).expect("settings");
        let tokens = connection.tokens.as_ref().expect("tokens");
        let token = tokens.fresh(Duration::from_secs(10)).await.expect("a token");
        assert_eq!(token.value.reveal().split('.').count(), 3, "a signed token");
        assert_eq!(token.scope, "customers", "the scope that was asked for");
        let introspect = http.post(format!("{endpoint}/introspect"));
        let introspect = introspect.form(&[("token", token.value.reveal())]).send().await;
        let told: serde_json::Value = introspect.expect("an answer").json().await.expect("JSON");
        assert_eq!(told["active"], true);
        rig.simulator.trust(token.value.reveal());
        let found = find(&connection, &[by_phone(PHONE)]).await.expect("an answer").remove(0);
        assert_eq!(names(&found), ["John Doe", "Jane Smith"]);
        login.secrets.insert("client_secret".to_owned(), Secret::new("wrong".to_owned()));
        let connection = rig.open_with(login).expect("settings");
        let tokens = connection.tokens.as_ref().expect("tokens");
        let error = tokens.fresh(Duration::from_secs(10)).await.expect_err("refused");
        assert!(error.to_string().contains("invalid_client"), "{error}");
    }
}

#[tokio::test]
async fn what_the_source_says_is_left_is_kept_for_calls() {
    let rig = source(Config { allowance: Some(14), ..Config::default() }).await;
    let header = [("requests_left_header", Some("X-RateLimit-Remaining".into()))];
    let connection = rig.open_with(with(&rig, &header)).expect("complete settings");
    let lookup = connection.lookup.as_ref().expect("a lookup");
    for left in [13, 12, 11, 10] {
        let before = connection.turnstile.budget().standing();
        assert!(!before.is_low, "{before:?}");
        lookup.find(Lane::Background, &[by_phone(PHONE)]).await.expect("an answer");
        assert_eq!(connection.turnstile.budget().standing().left, Some(left));
    }
    assert!(connection.turnstile.budget().standing().is_low);
    let refused = lookup.find(Lane::Background, &[by_phone(PHONE)]).await.expect_err("ten left");
    assert_eq!(refused.kind(), "rate_limited");
    lookup.find(Lane::Call, &[by_phone(PHONE)]).await.expect("calls go on");
}
