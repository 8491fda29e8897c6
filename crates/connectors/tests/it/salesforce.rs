//! The Salesforce connector against the simulated org.

use crate::rig::{Rig, phone, settings};
use connectors::salesforce::sim::{Config, Permissions, Salesforce};
use connectors::salesforce::simulate;
use domain::{Contact, ContactPhone, PhoneKind, Region, Value, phone as phones};
use kit::{Ask, Capabilities, Error, Lane};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::time::Duration;

const JOHN: &str = "+15550199999";

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

async fn find(connection: &Capabilities, lane: Lane, asks: &[Ask]) -> Vec<Vec<Contact>> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(lane, asks).await.expect("an answer")
}

fn records(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| contact.record.as_str()).collect()
}

/// An org whose search knows everything at once.
async fn org(config: Config) -> Rig<Salesforce> {
    as_set_up(Config { index_lag: Duration::ZERO, ..config }).await
}

async fn as_set_up(config: Config) -> Rig<Salesforce> {
    let (org, logins) = simulate::with_logins(config).await.expect("a port");
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    Rig::new(connector, Box::new(org), logins, simulate::API)
}

#[tokio::test]
async fn a_caller_is_found_with_everything_that_was_configured() {
    let rig = org(Config::default()).await;
    let connection = rig.open().await;
    let found = find(&connection, Lane::Call, &[by_phone(JOHN)]).await.remove(0);
    assert_eq!(found.len(), 2, "John and Jane share the number");
    let john = found.iter().find(|contact| contact.name == "John Doe").expect("John");
    assert_eq!(john.email.as_deref(), Some("john.doe@example.com"));
    assert_eq!(john.phones, [ContactPhone::new(PhoneKind::Work, JOHN)]);
    let parts = (john.first_name.as_deref(), john.last_name.as_deref());
    assert_eq!(parts, (Some("John"), Some("Doe")));
    assert_eq!(john.data["crmCaseId"], Value::from("CASE-99812"));
    assert_eq!(john.data["loyaltyTier"], Value::from("Gold"));
    assert_eq!(john.data["company"], Value::from("Acme Corporation"));
    let page = format!("{}/lightning/r/Contact/{}/view", rig.simulator.url(), john.record);
    assert_eq!(john.url, Some(page));
    assert!(john.created_at.is_some() && john.modified_at.is_some() && john.account.is_some());
    let jane = found.iter().find(|contact| contact.name == "Jane Smith").expect("Jane");
    assert!(!jane.data.contains_key("crmCaseId"), "null is no value");
}

#[tokio::test]
async fn every_number_is_found_however_it_was_typed() {
    let rig = org(Config { people: 400, ..Config::default() }).await;
    let typed = phones::typed_forms(&phone("+14155550123"));
    for (at, form) in typed.iter().enumerate() {
        let body = json!({ "LastName": format!("Typed {at}"), "MobilePhone": form });
        rig.simulator.add("Contact", &body).expect("a record");
    }
    let connection = rig.open().await;
    let region = Region::parse("US").expect("a region");
    let rows =
        rig.simulator.query("SELECT Id, Phone, MobilePhone, HomePhone, OtherPhone FROM Contact");
    let mut wanted: Vec<(String, Ask)> = Vec::new();
    for row in rows.expect("rows") {
        for field in ["Phone", "MobilePhone", "HomePhone", "OtherPhone"] {
            let stored = row[field].as_str().and_then(|text| phones::parse_stored(text, region));
            let id = row["Id"].as_str().expect("an id").to_owned();
            wanted.extend(stored.map(|phone| (id, by_phone(&phone.e164))));
        }
    }
    assert!(wanted.len() > 400 + typed.len());
    // In the background every query reads the whole simulated table: a sample will do.
    for (lane, step) in [(Lane::Call, 1), (Lane::Background, 8)] {
        for batch in wanted.chunks(20).rev().step_by(step) {
            let asks: Vec<Ask> = batch.iter().map(|(_, ask)| ask.clone()).collect();
            let found = find(&connection, lane, &asks).await;
            for ((record, ask), contacts) in batch.iter().zip(&found) {
                assert!(records(contacts).contains(&record.as_str()), "{lane:?} {record}");
                let e164 = &ask.phone.as_ref().expect("a phone").e164;
                assert!(contacts.iter().all(|c| c.has_phone(e164)), "nobody else");
            }
        }
    }
}

#[tokio::test]
async fn a_call_asks_once_for_a_whole_batch() {
    let rig = org(Config { people: 50, ..Config::default() }).await;
    let connection = rig.open().await;
    let batch_max = connection.lookup.as_ref().expect("a lookup").batch_max();
    let asks: Vec<Ask> = (0..batch_max).map(|n| by_phone(&format!("+1555019{n:04}"))).collect();
    let (_, before) = rig.requests();
    find(&connection, Lane::Call, &asks).await;
    assert_eq!(rig.requests().1 - before, 1);
    let email = Ask { email: Some("john.doe@example.com".to_owned()), ..Ask::default() };
    let found = find(&connection, Lane::Call, &[by_phone(JOHN), email]).await;
    assert_eq!(rig.requests().1 - before, 3, "a search and a query");
    assert_eq!((found[0].len(), found[1].len()), (2, 1));
}

#[tokio::test]
async fn people_are_found_by_email_and_by_id_in_both_forms() {
    let rig = org(Config::default()).await;
    let connection = rig.open().await;
    let john = find(&connection, Lane::Call, &[by_phone(JOHN)]).await.remove(0).remove(0).record;
    let by_email = |email: &str| Ask { email: Some(email.to_owned()), ..Ask::default() };
    let by_record = |id: &str| Ask { record: Some(id.to_owned()), ..Ask::default() };
    let asks = [
        by_email("JOHN.DOE@example.com"),
        by_record(&john),
        by_record(&john[..15]),
        by_email("nobody@example.com"),
        by_record("003000000000000AAA' OR Name != '"),
    ];
    let found = find(&connection, Lane::Call, &asks).await;
    let found: Vec<Vec<&str>> = found.iter().map(|contacts| records(contacts)).collect();
    let john = vec![john.as_str()];
    assert_eq!(found, [john.clone(), john.clone(), john, vec![], vec![]]);
}

#[tokio::test]
async fn what_has_not_the_form_of_an_id_is_nobody_without_a_request() {
    let rig = org(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    for id in ["", "1", "x' OR Id != '", "00350000000000000000000", "0035g00000Jd9Xa'''"] {
        let ask = Ask { record: Some(id.to_owned()), ..Ask::default() };
        assert_eq!(find(&connection, Lane::Background, &[ask]).await, [vec![]], "{id}");
    }
    assert_eq!(rig.requests().1, before);
}

#[tokio::test]
async fn nothing_a_caller_says_becomes_syntax() {
    let rig = org(Config { people: 20, ..Config::default() }).await;
    let connection = rig.open().await;
    for email in ["x' OR Name != '", "\\' OR Id != ''--", "%", "_%_", "a\nb\tc\"", "'", "\\"] {
        let email = format!("{email}@example.com");
        let ask = Ask { email: Some(email.clone()), ..Ask::default() };
        assert_eq!(find(&connection, Lane::Call, &[ask]).await, [vec![]], "{email}");
        let body = json!({ "LastName": "Odd", "Email": "odd@example.com" });
        rig.simulator.add("Contact", &body).expect("a record");
    }
}

#[tokio::test]
async fn a_record_that_the_search_index_hides_is_found_in_the_background() {
    let rig =
        as_set_up(Config { index_lag: Duration::from_secs(3_600), ..Config::default() }).await;
    let connection = rig.open().await;
    // Warms the index up, so that what comes now is behind it.
    find(&connection, Lane::Call, &[by_phone(JOHN)]).await;
    for (name, typed) in [("Fresh", "(415) 555 - 0199"), ("Grouped", "41 55 55 01 99")] {
        let body = json!({ "LastName": name, "HomePhone": typed });
        rig.simulator.add("Contact", &body).expect("a record");
    }
    let ask = [by_phone("+14155550199")];
    assert_eq!(find(&connection, Lane::Call, &ask).await, [vec![]]);
    let found = find(&connection, Lane::Background, &ask).await.remove(0);
    let mut names: Vec<&str> = found.iter().map(|contact| contact.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Fresh", "Grouped"]);
}

#[tokio::test]
async fn a_switchboard_hides_nobody_else_of_a_batch() {
    let rig = org(Config::default()).await;
    for n in 0..250 {
        let body = json!({ "LastName": format!("Desk {n}"), "Phone": "(415) 555-0100" });
        rig.simulator.add("Contact", &body).expect("a record");
    }
    let connection = rig.open().await;
    let asks = [by_phone("+14155550100"), by_phone("+14155550101"), by_phone(JOHN)];
    let found = find(&connection, Lane::Call, &asks).await;
    assert_eq!((found[0].len(), found[1].len(), found[2].len()), (200, 0, 2));
}

#[tokio::test]
async fn leads_are_found_where_they_are_configured() {
    let rig = org(Config::default()).await;
    let body = json!({ "LastName": "Roe", "Company": "Acme", "Phone": "415.555.0177" });
    rig.simulator.add("Lead", &body).expect("a record");
    let mut login = rig.logins[0].clone();
    let more = settings(&[("objects", vec!["Contact", "Lead"].into())], &[]);
    login.plain.extend(more.plain);
    login.plain.remove("data");
    let connection = rig.open_with(login).expect("complete settings");
    let ask = [by_phone("+14155550177")];
    let found = find(&connection, Lane::Background, &ask).await.remove(0);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].object.as_str(), found[0].name.as_str()), ("Lead", "Roe"));
}

#[tokio::test]
async fn a_short_pause_follows_too_many_requests_at_once_and_calls_outlive_the_days_allowance() {
    let rig = org(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let concurrent = Fault::Vendor("throttled_concurrent".to_owned());
    rig.faults().add(Rule::always(concurrent).on("/search").times(1));
    let ask = [by_phone(JOHN)];
    let error = lookup.find(Lane::Call, &ask).await.expect_err("throttled");
    assert_eq!(error, Error::RateLimited { retry_after: Some(Duration::from_secs(2)) });
    assert_eq!(lookup.find(Lane::Call, &ask).await.expect_err("paused").kind(), "rate_limited");
    assert!(find(&connection, Lane::Background, &ask).await[0].len() == 2, "waits the pause out");
    rig.simulator.set_daily_limit(rig.simulator.api_usage() + 5);
    find(&connection, Lane::Call, &ask).await;
    let error = lookup.find(Lane::Background, &ask).await.expect_err("the rest is for calls");
    assert_eq!(error.kind(), "rate_limited");
    find(&connection, Lane::Call, &ask).await;
}

#[tokio::test]
async fn the_check_names_every_field_and_object_that_is_missing() {
    let rig = org(Config::default()).await;
    let mut login = rig.logins[0].clone();
    let more = settings(&[("objects", vec!["Contact", "Lead"].into())], &[]);
    login.plain.extend(more.plain);
    let connection = rig.open_with(login).expect("complete settings");
    let hidden = ["Contact.Loyalty_Tier__c", "Contact.HomePhone"].map(str::to_owned);
    rig.simulator.set_permissions(Permissions {
        hidden_objects: ["Lead".to_owned()].into(),
        hidden_fields: hidden.into(),
        ..Permissions::default()
    });
    let findings = connection.check.check().await;
    let mut flaws: Vec<(String, &str)> = findings
        .into_iter()
        .filter_map(|finding| Some((finding.what, finding.outcome.err()?.code)))
        .collect();
    flaws.sort();
    let missing = "connection.field_missing";
    assert_eq!(
        flaws,
        [
            ("Contact.HomePhone".to_owned(), missing),
            ("Contact.Loyalty_Tier__c".to_owned(), missing),
            ("Lead".to_owned(), "connection.scope_missing"),
            ("search by phone".to_owned(), "connection.scope_missing"),
        ]
    );
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let error = lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect_err("not permitted");
    assert_eq!(error.kind(), "forbidden");
}

#[tokio::test]
async fn client_credentials_are_refused_at_a_shared_login_host() {
    let rig = org(Config::default()).await;
    let mut login = rig.logins[0].clone();
    login.plain.insert("login_url".to_owned(), "https://login.salesforce.com".into());
    let Err(Error::Invalid { field, .. }) = rig.open_with(login) else { panic!("opened") };
    assert_eq!(field.as_deref(), Some("login_url"));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_when_a_connection_opens() {
    let rig = org(Config::default()).await;
    let wrong: [(&str, toml::Value); 4] = [
        ("objects", vec!["Account"].into()),
        ("phone_fields", vec!["Phone, Name FROM User"].into()),
        ("data", toml::Table::from_iter([("x".to_owned(), "Id FROM User".into())]).into()),
        ("api_version", "../67".into()),
    ];
    for (key, value) in wrong {
        let mut login = rig.logins[0].clone();
        login.plain.insert(key.to_owned(), value);
        let Err(Error::Invalid { field, .. }) = rig.open_with(login) else { panic!("{key}") };
        assert_eq!(field.as_deref(), Some(key));
    }
    let mut login = rig.logins[0].clone();
    login.plain.insert("widget_client_id".to_owned(), "3MVG9.widget".into());
    let Err(Error::Invalid { field, .. }) = rig.open_with(login) else { panic!("no secret") };
    assert_eq!(field.as_deref(), Some("widget_client_secret"));
    let mut login = rig.logins[1].clone();
    login.secrets.insert("private_key".to_owned(), kit::Secret::new("no key".to_owned()));
    let Err(Error::Invalid { field, .. }) = rig.open_with(login) else { panic!("private_key") };
    assert_eq!(field.as_deref(), Some("private_key"));
}

#[tokio::test]
async fn the_check_says_when_no_activities_can_be_written() {
    let check = async |permissions: Permissions, expected: &str| {
        let rig = org(Config { permissions, ..Config::default() }).await;
        let findings = rig.open().await.check.check().await;
        let flaw = findings.iter().find_map(|finding| finding.outcome.clone().err());
        let flaw = flaw.expect("a flaw");
        assert_eq!(flaw.code, "connection.scope_missing");
        assert!(flaw.message.ends_with(expected), "{}", flaw.message);
        assert!(flaw.fix.contains("calls.activity.enabled"), "{}", flaw.fix);
    };
    let task = || ["Task".to_owned()].into();
    let field = ["Task.CallObject".to_owned()].into();
    check(Permissions { read_only_objects: task(), ..Permissions::default() }, " Task.").await;
    check(Permissions { hidden_objects: task(), ..Permissions::default() }, " Task.").await;
    let read_only = Permissions { read_only_fields: field, ..Permissions::default() };
    check(read_only, " Task.CallObject.").await;
}

#[tokio::test]
async fn what_the_credentials_may_do_is_told_and_an_administrators_breadth_too() {
    let rig = org(Config::default()).await;
    let rights = rig.open().await.check.rights().await.expect("told");
    assert_eq!(rights.granted, Ok(vec!["api".to_owned(), "id".to_owned()]));
    assert_eq!(rights.administrator, None);
    let permissions = Permissions { modify_all_data: true, ..Permissions::default() };
    rig.simulator.set_permissions(permissions);
    let rights = rig.open().await.check.rights().await.expect("told");
    assert_eq!(rights.administrator.as_deref(), Some("the permission Modify All Data"));
    let rig = org(Config { scope: "full".to_owned(), ..Config::default() }).await;
    let rights = rig.open().await.check.rights().await.expect("told");
    assert_eq!(rights.administrator.as_deref(), Some("the scope full"));
    assert!((rights.covers)("full", "chatter_api") && !(rights.covers)("api", "chatter_api"));
}
