//! The S/4HANA connector against the simulated system.

use crate::rig::{Rig, ask, phone, settings};
use connectors::sap_s4::sim::{Config, S4, start};
use connectors::sap_s4::{Client, Entity, Name, client, simulate};
use domain::{Contact, ContactPhone, PhoneKind, Region, Value, phone as phones};
use kit::{Accounts, Ask, Capabilities, Error, Lane, Network, Opening};
use serde_json::{Value as Json, json};
use sim::faults::{Fault, Rule};
use std::sync::Arc;
use std::time::Duration;

const JOHN: &str = "+15550199999";
const SERVICE: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER";

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

fn by_record(record: &str) -> Ask {
    Ask { record: Some(record.to_owned()), ..Ask::default() }
}

async fn find(connection: &Capabilities, lane: Lane, asks: &[Ask]) -> Vec<Vec<Contact>> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(lane, asks).await.expect("an answer")
}

fn records(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| contact.record.as_str()).collect()
}

fn names(contacts: &[Contact]) -> Vec<&str> {
    let mut names: Vec<&str> = contacts.iter().map(|contact| contact.name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn system(config: Config) -> Rig<S4> {
    let system = start(config).await.expect("a port");
    let logins = simulate::logins(&system);
    let connector = connectors::by_name("sap_s4").expect("S/4HANA");
    Rig::new(connector, Box::new(system), logins, simulate::API)
}

/// One more way to be reached, as somebody typed it.
fn add_phone(rig: &Rig<S4>, address: &str, person: &str, values: &[(&str, Json)]) {
    let nth = rig.simulator.values("A_AddressPhoneNumber", "AddressID").len() + 100;
    let mut all = vec![
        ("AddressID", json!(address)),
        ("Person", json!(person)),
        ("OrdinalNumber", json!(nth.to_string())),
    ];
    all.extend_from_slice(values);
    assert!(rig.simulator.add("A_AddressPhoneNumber", &all));
}

#[tokio::test]
async fn a_caller_is_found_with_everything_that_was_configured() {
    let rig = system(Config::default()).await;
    let connection = rig.open().await;
    let found = find(&connection, Lane::Call, &[by_phone(JOHN)]).await.remove(0);
    assert_eq!(names(&found), ["Jane Smith", "John Doe"], "and not the company where Jane works");
    let john = found.iter().find(|contact| contact.name == "John Doe").expect("John");
    assert_eq!((john.record.as_str(), john.object.as_str()), ("1000001", "BusinessPartner"));
    assert_eq!(john.email.as_deref(), Some("john.doe@example.com"));
    assert!(john.has_phone(JOHN));
    let parts = (john.first_name.as_deref(), john.last_name.as_deref());
    assert_eq!(parts, (Some("John"), Some("Doe")));
    assert_eq!(john.data["erpAccountStatus"], Value::from("active"));
    assert_eq!(john.data["erpCustomer"], Value::from("1000001"));
    assert_eq!(john.data["erpClass"], Value::from("A"));
    assert_eq!(john.data["erpIsBlocked"], Value::Bool(false));
    let page = format!("{}/ui#BusinessPartner-manage?BusinessPartner=1000001", rig.simulator.url());
    assert_eq!(john.url, Some(page));
    assert!(john.created_at.is_some() && john.modified_at > john.created_at);
    let jane = found.iter().find(|contact| contact.name == "Jane Smith").expect("Jane");
    assert_eq!(jane.phones, [ContactPhone::new(PhoneKind::Work, JOHN)]);
    assert_eq!(jane.email.as_deref(), Some("jane.smith@example.com"));
    assert!(!jane.data.contains_key("erpCustomer"), "a blank is no value");
}

#[tokio::test]
async fn every_number_is_found_by_its_international_form_with_extension_or_without() {
    let rig = system(Config { people: 300, ..Config::default() }).await;
    let connection = rig.open().await;
    let value = |property| rig.simulator.values("A_AddressPhoneNumber", property);
    let (wholes, extensions) = (value("InternationalPhoneNumber"), value("PhoneNumberExtension"));
    let people = value("Person");
    let record = |person: &str| (person.parse::<u64>().expect("a number") + 500_001).to_string();
    let wanted = wholes.iter().zip(&extensions).zip(&people).map(|((whole, extension), person)| {
        let e164 = whole.strip_suffix(extension.as_str()).expect("the extension");
        (record(person), by_phone(e164))
    });
    let wanted: Vec<(String, Ask)> = wanted.collect();
    assert!(wanted.len() > 400 && extensions.iter().any(|extension| !extension.is_empty()));
    for (lane, step) in [(Lane::Call, 1), (Lane::Background, 8)] {
        for batch in wanted.chunks(10).step_by(step) {
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
async fn a_number_without_an_international_form_is_found_however_it_was_typed() {
    let rig = system(Config::default()).await;
    let typed = phones::typed_forms(&phone("+14155550123"));
    for (at, form) in typed.iter().enumerate() {
        let (record, address) = (format!("30000{at:02}"), format!("70000{at:02}"));
        let partner = [("BusinessPartner", json!(record)), ("BusinessPartnerCategory", json!("2"))];
        assert!(rig.simulator.add("A_BusinessPartner", &partner));
        let place = [("BusinessPartner", json!(record)), ("AddressID", json!(address))];
        assert!(rig.simulator.add("A_BusinessPartnerAddress", &place));
        add_phone(&rig, &address, "", &[("PhoneNumber", json!(form))]);
    }
    let connection = rig.open().await;
    let ask = [by_phone("+14155550123")];
    let found = find(&connection, Lane::Background, &ask).await.remove(0);
    assert_eq!(found.len(), typed.len());
    assert!(found.iter().all(|contact| contact.phones[0].kind == PhoneKind::Work), "companies");
    let found = find(&connection, Lane::Call, &ask).await.remove(0);
    assert_eq!(found.len(), 3, "a call compares with the plain forms only");
}

#[tokio::test]
async fn a_call_asks_in_three_steps_for_a_whole_batch() {
    let rig = system(Config { people: 50, ..Config::default() }).await;
    let connection = rig.open().await;
    let batch_max = connection.lookup.as_ref().expect("a lookup").batch_max();
    let asks: Vec<Ask> = (0..batch_max).map(|n| by_phone(&format!("+1555019{n:04}"))).collect();
    let (_, before) = rig.requests();
    find(&connection, Lane::Call, &asks).await;
    assert_eq!(rig.requests().1 - before, 1, "nobody has them, so there is no second step");
    let all = [ask(), by_phone("+15550198888"), by_record("1000003")];
    let found = find(&connection, Lane::Call, &all).await;
    // Numbers, e-mails and the named; whose addresses, and whose person numbers; how else
    // Jane is reached at work. Nobody but these persons has the addresses.
    assert_eq!(rig.requests().1 - before - 1, 3 + 2 + 2);
    assert_eq!(names(&found[0]), ["Jane Smith", "John Doe"]);
    assert_eq!((names(&found[1]), names(&found[2])), (vec!["Maria Garcia"], vec!["Maria Garcia"]));
}

#[tokio::test]
async fn people_are_found_by_email_in_any_case_and_by_number_in_both_forms() {
    let rig = system(Config::default()).await;
    let connection = rig.open().await;
    let second = [
        ("AddressID", json!("23000")),
        ("Person", json!("500000")),
        ("OrdinalNumber", json!("2")),
        ("EmailAddress", json!("John.Second@Example.com")),
        ("SearchEmailAddress", json!("JOHN.SECOND@EXAMPLE.")),
    ];
    assert!(rig.simulator.add("A_AddressEmailAddress", &second));
    let asks = [
        by_email("JOHN.DOE@example.com"),
        by_email("john.second@example.com"),
        by_email("john.second@example.org"),
        by_record("1000001"),
        by_record("0001000001"),
        by_record("1000001' or BusinessPartner ne '"),
        by_record("9999999"),
    ];
    let found = find(&connection, Lane::Call, &asks).await;
    let found_records: Vec<Vec<&str>> = found.iter().map(|contacts| records(contacts)).collect();
    let john = vec!["1000001"];
    let nobody: Vec<&str> = vec![];
    assert_eq!(
        found_records,
        [john.clone(), john.clone(), nobody.clone(), john.clone(), john, nobody.clone(), nobody]
    );
    assert_eq!(found[1][0].email.as_deref(), Some("John.Second@Example.com"), "the one asked for");
}

#[tokio::test]
async fn what_has_not_the_form_of_a_number_of_a_partner_is_nobody_without_a_request() {
    let rig = system(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    for id in ["", "0", "12345678901", "x' or 1 eq 1", "1/2", "ä"] {
        assert_eq!(find(&connection, Lane::Background, &[by_record(id)]).await, [vec![]], "{id}");
    }
    assert_eq!(rig.requests().1, before);
}

#[tokio::test]
async fn nothing_a_caller_says_becomes_syntax() {
    let rig = system(Config { people: 20, ..Config::default() }).await;
    let connection = rig.open().await;
    for email in ["x' or EmailAddress ne '", "'')or(1 eq 1", "%27", "a&$top=0", "#", "+", "'", "ß'"]
    {
        let email = format!("{email}@example.com");
        assert_eq!(find(&connection, Lane::Call, &[by_email(&email)]).await, [vec![]], "{email}");
    }
}

#[tokio::test]
async fn a_colleagues_number_at_the_same_address_is_not_the_companys() {
    let rig = system(Config::default()).await;
    // Acme's own switchboard, beside Jane's number there.
    let own =
        [("InternationalPhoneNumber", json!("+14155550100")), ("PhoneNumberType", json!("1"))];
    add_phone(&rig, "90000000", "", &own);
    let connection = rig.open().await;
    let asks = [by_phone("+14155550100"), by_phone(JOHN)];
    let found = find(&connection, Lane::Call, &asks).await;
    assert_eq!(names(&found[0]), ["Acme Corporation"]);
    assert_eq!(found[0][0].phones, [ContactPhone::new(PhoneKind::Work, "+14155550100")]);
    assert_eq!(names(&found[1]), ["Jane Smith", "John Doe"]);
}

#[tokio::test]
async fn a_partner_that_is_to_be_archived_is_nobody_any_more() {
    let rig = system(Config::default()).await;
    let partner = [
        ("BusinessPartner", json!("4000001")),
        ("IsMarkedForArchiving", json!(true)),
        ("BusinessPartnerName", json!("Gone")),
    ];
    assert!(rig.simulator.add("A_BusinessPartner", &partner));
    let connection = rig.open().await;
    assert_eq!(find(&connection, Lane::Background, &[by_record("4000001")]).await, [vec![]]);
    let accounts = connection.accounts.as_ref().expect("accounts");
    let found = accounts.find(Lane::Background, &["4000001".to_owned()]).await.expect("an answer");
    let account = found[0].as_ref().expect("the account");
    assert_eq!(
        account.data["erpAccountStatus"],
        Value::from("archived"),
        "but says so as an account"
    );
}

async fn account_names(accounts: &Arc<dyn Accounts>, ids: &[&str]) -> Vec<Option<String>> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    found.into_iter().map(|account| account.map(|account| account.name)).collect()
}

#[tokio::test]
async fn linked_accounts_are_read_in_one_request() {
    let rig = system(Config { people: 30, ..Config::default() }).await;
    let connection = rig.open().await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let (_, before) = rig.requests();
    let found =
        account_names(accounts, &["2000001", "0001000003", "x'", "9999999", "1000003"]).await;
    let (acme, maria) = (Some("Acme Corporation".to_owned()), Some("Maria Garcia".to_owned()));
    assert_eq!(found, [acme, maria.clone(), None, None, maria.clone()]);
    assert_eq!(rig.requests().1 - before, 1);
    let found = accounts.find(Lane::Call, &["1000003".to_owned()]).await.expect("an answer");
    let data = &found[0].as_ref().expect("Maria").data;
    assert_eq!(data["erpAccountStatus"], Value::from("orders_blocked"));
    let (_, before) = rig.requests();
    assert_eq!(account_names(accounts, &["", "x y"]).await, [None, None]);
    assert_eq!(rig.requests().1, before, "no such ids, no request");
    let mut login = rig.logins[0].clone();
    login.plain.insert("account_key".to_owned(), "BusinessPartnerIDByExtSystem".into());
    let connection = rig.open_with(login).expect("complete settings");
    connection
        .tokens
        .as_ref()
        .expect("tokens")
        .fresh(Duration::from_secs(5))
        .await
        .expect("a token");
    let accounts = connection.accounts.as_ref().expect("accounts");
    assert_eq!(account_names(accounts, &["C-0000003", "C'3"]).await, [maria, None]);
}

#[tokio::test]
async fn pages_are_read_from_the_address_we_know_and_not_from_the_systems_own() {
    let rig = system(Config { page: 3, ..Config::default() }).await;
    for n in 0..10 {
        let (record, address) = (format!("31000{n:02}"), format!("71000{n:02}"));
        assert!(rig.simulator.add("A_BusinessPartner", &[("BusinessPartner", json!(record))]));
        let place = [("BusinessPartner", json!(record)), ("AddressID", json!(address))];
        assert!(rig.simulator.add("A_BusinessPartnerAddress", &place));
        add_phone(&rig, &address, "", &[("InternationalPhoneNumber", json!("+14155550100"))]);
    }
    let connection = rig.open().await;
    let found = find(&connection, Lane::Call, &[by_phone("+14155550100")]).await.remove(0);
    assert_eq!(found.len(), 10);
}

#[tokio::test]
async fn the_check_names_every_property_that_is_missing() {
    let rig = system(Config::default()).await;
    let data =
        [("tier", "YY1_Tier_bus"), ("vip", "to_Customer/YY1_Vip_cus"), ("ok", "SearchTerm1")];
    let data = toml::Table::from_iter(data.map(|(key, path)| (key.to_owned(), path.into())));
    let mut login = rig.logins[0].clone();
    login.plain.extend(settings(&[("data", data.into())], &[]).plain);
    let connection = rig.open_with(login).expect("complete settings");
    let findings = connection.check.check().await;
    let flaws = findings
        .iter()
        .filter_map(|finding| Some((finding.what.as_str(), finding.outcome.as_ref().err()?.code)));
    let missing = "connection.field_missing";
    let expected = [("YY1_Tier_bus", missing), ("to_Customer/YY1_Vip_cus", missing)];
    assert_eq!(flaws.collect::<Vec<_>>(), expected);
    assert!(findings.iter().any(|finding| finding.what == "A_AddressPhoneNumber"));
    let mut login = rig.logins[0].clone();
    login.plain.insert("service_path".to_owned(), "/sap/opu/odata/sap/API_NONE".into());
    let connection = rig.open_with(login).expect("complete settings");
    let findings = connection.check.check().await;
    let flaw = findings[1].outcome.as_ref().expect_err("no such service");
    assert_eq!(flaw.code, "connection.setting_refused");
}

#[tokio::test]
async fn another_client_of_the_system_is_refused() {
    let rig = system(Config::default()).await;
    let mut login = rig.logins[1].clone();
    login.plain.insert("sap_client".to_owned(), "200".into());
    let connection = rig.open_with(login).expect("complete settings");
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let error = lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect_err("refused");
    assert_eq!(error.kind(), "unauthorized");
    let findings = connection.check.check().await;
    let flaw = findings[0].outcome.as_ref().expect_err("a flaw");
    assert_eq!(flaw.code, "connection.credentials_refused");
}

#[tokio::test]
async fn the_systems_own_signals_are_told_as_what_they_are() {
    let rig = system(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let expected = [
        ("login_page", "protocol"),
        ("locked", "conflict"),
        ("error", "unavailable"),
        ("csrf", "forbidden"),
        ("busy", "rate_limited"),
    ];
    for (fault, kind) in expected {
        rig.faults().add(Rule::always(Fault::Vendor(fault.to_owned())).on(simulate::API).times(1));
        let error = lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect_err(fault);
        assert_eq!(error.kind(), kind, "{fault}: {error}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_when_a_connection_opens() {
    let rig = system(Config::default()).await;
    let map = |text: &str| toml::Table::from_iter([("x".to_owned(), text.into())]).into();
    let wrong: [(&str, toml::Value); 8] = [
        ("data", map("A_BusinessPartner?$top=1")),
        ("data", map("to_Supplier/Supplier")),
        ("data", map("to_Customer/to_CustomerCompany/CompanyCode")),
        ("service_path", "https://elsewhere.example.com/".into()),
        ("service_path", "/sap/../etc".into()),
        ("sap_client", "1000".into()),
        ("record_url", "https://erp.example.com/".into()),
        ("account_key", "SearchTerm1".into()),
    ];
    for (key, value) in wrong {
        let mut login = rig.logins[0].clone();
        login.plain.insert(key.to_owned(), value);
        let Err(Error::Invalid { field, .. }) = rig.open_with(login) else { panic!("{key}") };
        assert_eq!(field.as_deref(), Some(key));
    }
}

/// The way to a system alone, logged in by password.
fn way(rig: &Rig<S4>) -> Arc<Client> {
    let limits = rig.connector.manifest.limits;
    client(Opening {
        name: "test".to_owned(),
        settings: rig.logins[1].clone(),
        limits: kit::Limits {
            requests_per_minute: limits.requests_per_minute,
            reserved_for_calls: limits.reserved_for_calls,
            concurrent_calls: limits.concurrent_calls,
            concurrent_background: limits.concurrent_background,
            timeout: rig.timeout,
        },
        network: Network { allow_private_addresses: true, ..Network::default() },
        numbers: Region::parse("US").expect("a region").into(),
    })
    .expect("complete settings")
}

fn johns_phone() -> Entity {
    let name = |text: &str| Name::new(text).expect(text);
    let keys = [("AddressID", "23000"), ("Person", "500000"), ("OrdinalNumber", "1")];
    Entity::new(name("A_AddressPhoneNumber"), keys.map(|(key, value)| (name(key), value)))
}

#[tokio::test]
async fn a_change_is_made_once_and_only_to_the_version_that_was_read() {
    let rig = system(Config::default()).await;
    let (client, entity) = (way(&rig), johns_phone());
    let (row, etag) = client.entity(Lane::Background, &entity).await.expect("the number");
    assert_eq!(row["PhoneNumber"], "(555) 019-9999");
    let fields = json!({ "PhoneNumber": "(555) 019-7777" });
    let updated = client.update(&entity, etag.as_deref(), &fields).await.expect("changed");
    let (row, now) = client.entity(Lane::Background, &entity).await.expect("the number");
    assert_eq!(row["InternationalPhoneNumber"], "+15550197777");
    assert_eq!(row["PhoneNumberType"], "1", "what was not named is left alone");
    assert_eq!((updated.etag.is_some(), &updated.etag), (true, &now));
    let error = client.update(&entity, etag.as_deref(), &fields).await.expect_err("stale");
    assert_eq!(error.kind(), "conflict");
    let error = client.update(&entity, None, &fields).await.expect_err("no version");
    assert_eq!(
        error,
        Error::Invalid {
            field: Some("If-Match".to_owned()),
            reason: "/IWBEP/CM_MGW_RT/023, status 428".to_owned(),
        }
    );
    let connection = rig.open().await;
    let found = find(&connection, Lane::Call, &[by_phone("+15550197777")]).await.remove(0);
    assert_eq!(names(&found), ["John Doe"]);
}

#[tokio::test]
async fn a_warning_beside_a_change_is_passed_on_by_its_code() {
    let rig = system(Config::default()).await;
    let (client, entity) = (way(&rig), johns_phone());
    let (_, etag) = client.entity(Lane::Background, &entity).await.expect("the number");
    let fields = json!({ "PhoneNumber": "019 7777", "DestinationLocationCountry": "" });
    let updated = client.update(&entity, etag.as_deref(), &fields).await.expect("changed");
    assert_eq!(updated.message.as_deref(), Some("AM/216"));
    let fields = json!({ "DestinationLocationCountry": "US" });
    let updated = client.update(&entity, updated.etag.as_deref(), &fields).await.expect("changed");
    assert_eq!(updated.message, None);
}

#[tokio::test]
async fn a_session_is_kept_and_fetched_anew_once_when_it_ended() {
    let rig = system(Config::default()).await;
    let (client, entity) = (way(&rig), johns_phone());
    let (_, etag) = client.entity(Lane::Background, &entity).await.expect("the number");
    let mut etag = etag.expect("a version");
    let mut change = async |number: &str| {
        let (_, before) = rig.requests();
        let fields = json!({ "PhoneNumber": number });
        let updated = client.update(&entity, Some(&etag), &fields).await?;
        etag = updated.etag.expect("a version");
        Ok::<usize, Error>(rig.requests().1 - before)
    };
    assert_eq!(change("555 019 0001").await, Ok(2), "a token is fetched");
    assert_eq!(change("555 019 0002").await, Ok(1), "and kept");
    rig.simulator.end_sessions();
    assert_eq!(change("555 019 0003").await, Ok(3), "refused, fetched, done");
    rig.faults().add(Rule::always(Fault::Vendor("csrf".to_owned())).on("A_AddressPhoneNumber"));
    let error = change("555 019 0004").await.expect_err("refused for good");
    assert_eq!(error, Error::Forbidden { missing: "a CSRF token".to_owned() });
    rig.faults().clear();
    assert_eq!(change("555 019 0005").await, Ok(1), "the last token is as good as the first");
    let log = rig.faults().requests().log();
    let reads = log.iter().filter(|seen| seen.target.starts_with(SERVICE) && seen.method == "GET");
    assert!(
        reads.filter(|seen| seen.target.contains("A_")).all(|seen| seen.header("cookie").is_none())
    );
}
