//! The NetSuite connector against the simulated account.

use crate::rig::{Rig, phone};
use connectors::netsuite::sim::{Account, Config};
use connectors::netsuite::simulate::{API, with_logins};
use domain::{CallId, Contact, ContactPhone, Direction, PhoneKind, Timestamp, Value};
use kit::{
    Activity, Ask, Capabilities, Change, ChangesAsk, ChangesPage, Custom, Error, Fields, Lane,
    Place,
};
use serde_json::{Value as Json, json};
use sim::faults::{Fault, Rule};
use std::collections::BTreeMap;
use std::time::Duration;

const ACME: u64 = 1_000_001;

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

fn by_record(record: &str) -> Ask {
    Ask { record: Some(record.to_owned()), ..Ask::default() }
}

async fn account(config: Config) -> Rig<Account> {
    let (account, logins) = with_logins(config).await.expect("a port");
    let connector = connectors::by_name("netsuite").expect("NetSuite");
    Rig::new(connector, Box::new(account), logins, API)
}

/// Opens it with these settings besides the usual ones.
async fn open_with(rig: &Rig<Account>, more: &[(&str, toml::Value)]) -> Capabilities {
    let mut settings = rig.logins[0].clone();
    settings.plain.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let connection = rig.open_with(settings).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    tokens.fresh(Duration::from_secs(10)).await.expect("a token");
    connection
}

async fn find(connection: &Capabilities, lane: Lane, asks: &[Ask]) -> Vec<Vec<Contact>> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(lane, asks).await.expect("an answer")
}

fn records(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| contact.record.as_str()).collect()
}

#[tokio::test]
async fn a_caller_is_found_with_everything_that_was_configured() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    let found = find(&connection, Lane::Call, &[by_phone("+15550199999")]).await.remove(0);
    assert_eq!(rig.requests().1 - before, 2, "one query a table");
    assert_eq!(records(&found), ["1", "2"]);
    let john = &found[0];
    assert_eq!((john.name.as_str(), john.object.as_str()), ("John Doe", "contact"));
    assert_eq!(john.phones, [ContactPhone::new(PhoneKind::Work, "+15550199999")]);
    assert_eq!(john.account.as_deref(), Some("1000001"));
    assert_eq!(john.data["tier"], Value::from("Gold"));
    let page = "https://123456-sb1.app.netsuite.com/app/common/entity/contact.nl?id=1";
    assert_eq!(john.url.as_deref(), Some(page));
    assert!(john.created_at.is_some() && john.modified_at.is_some());
}

#[tokio::test]
async fn every_number_is_found_in_any_usual_form_and_with_an_extension() {
    let rig = account(Config { people: 120, ..Config::default() }).await;
    let connection = rig.open().await;
    let people: Vec<_> = sim::seed::people(120, 1).collect();
    let (mut hit, mut all) = (0, 0);
    for batch in people.chunks(5) {
        let asks: Vec<Ask> = batch.iter().map(|person| by_phone(&person.phones[0].e164)).collect();
        let found = find(&connection, Lane::Call, &asks).await;
        for (person, contacts) in batch.iter().zip(&found) {
            all += 1;
            hit += usize::from(contacts.iter().any(|c| c.email.as_deref() == Some(&person.email)));
            assert!(contacts.iter().all(|c| c.has_phone(&person.phones[0].e164)), "nobody else");
        }
    }
    // `+1 555 0199 999` and `(0)` are forms that nobody would think of.
    assert!(hit * 100 >= all * 85, "{hit} of {all}");
}

#[tokio::test]
async fn behind_a_call_a_number_is_found_however_it_was_typed_where_that_is_wanted() {
    let rig = account(Config::default()).await;
    let maria = [by_phone("+15550198888")];
    assert_eq!(find(&rig.open().await, Lane::Background, &maria).await, [vec![]]);
    let thorough = open_with(&rig, &[("phones_thorough", true.into())]).await;
    assert_eq!(records(&find(&thorough, Lane::Background, &maria).await[0]), ["3"]);
    assert_eq!(
        find(&thorough, Lane::Call, &maria).await,
        [vec![]],
        "a call asks for the usual forms"
    );
}

#[tokio::test]
async fn people_are_found_by_email_in_any_case_and_by_id_and_the_inactive_are_not() {
    let rig = account(Config::default()).await;
    assert!(rig.simulator.put("contact", 1, &[("altemail", "O'Second+John@Example.com")]));
    let connection = rig.open().await;
    let asks = [
        by_email("JOHN.DOE@example.com"),
        by_email("o'second+john@example.COM"),
        by_email("x' OR email <> '"),
        by_record("1"),
        by_record("1 OR 1=1"),
        by_record("77777"),
        by_record(&ACME.to_string()),
    ];
    let found = find(&connection, Lane::Call, &asks).await;
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0, 1, 0, 0, 1]);
    assert_eq!(
        found[1][0].email.as_deref(),
        Some("O'Second+John@Example.com"),
        "the one asked for"
    );
    assert_eq!(
        (found[6][0].object.as_str(), &found[6][0].data["category"]),
        ("customer", &Value::from("Corporate"))
    );
    assert!(rig.simulator.put("contact", 1, &[("isinactive", "T")]));
    assert_eq!(find(&connection, Lane::Call, &asks[..1]).await, [vec![]]);
}

#[tokio::test]
async fn nothing_a_caller_says_becomes_syntax() {
    let rig = account(Config { people: 20, ..Config::default() }).await;
    let connection = rig.open().await;
    for email in
        ["x' OR email <> '", "') OR (1=1", "'' OR ''='", "x'--", "x';DROP", "\\'", "'", "ß'", "%"]
    {
        let email = format!("{email}@example.com");
        assert_eq!(find(&connection, Lane::Call, &[by_email(&email)]).await, [vec![]], "{email}");
    }
}

#[tokio::test]
async fn linked_accounts_are_told_with_their_standing_and_open_invoices() {
    let rig = account(Config { people: 60, ..Config::default() }).await;
    let connection = rig.open().await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["1000001", "1000002", "x' OR id > 0", "", "9999999"].map(str::to_owned);
    let (_, before) = rig.requests();
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    assert_eq!(rig.requests().1 - before, 2, "one for accounts, one for invoices");
    assert!(found[2].is_none() && found[3].is_none() && found[4].is_none());
    let acme = found[0].as_ref().expect("Acme");
    assert_eq!((acme.name.as_str(), acme.record.as_str()), ("Acme Corporation", "1000001"));
    assert_eq!(acme.data["erpAccountStatus"], Value::from("overdue"));
    assert_eq!(acme.data["erpBalance"], Value::Number(1_200.5));
    assert_eq!(acme.data["erpHold"], Value::from("Auto"));
    assert_eq!(acme.data["erpOpenInvoices"], Value::Integer(2));
    assert_eq!(acme.data["erpOpenAmount"], Value::Number(1_200.5));
    let other = found[1].as_ref().expect("another");
    assert_eq!(other.data["erpAccountStatus"], Value::from("active"));
    assert_eq!(other.data["erpOpenInvoices"], Value::Integer(0));
    assert!(rig.simulator.put("customer", ACME, &[("isinactive", "T")]));
    let by_crm = open_with(&rig, &[("account_key", "custentity_crm_id".into())]).await;
    let accounts = by_crm.accounts.as_ref().expect("accounts");
    let found = accounts.find(Lane::Call, &["crm-1000001".to_owned()]).await.expect("an answer");
    assert_eq!(found[0].as_ref().expect("Acme").data["erpAccountStatus"], Value::from("inactive"));
}

/// Everything from a cursor on, page by page.
async fn drained(
    connection: &Capabilities,
    cursor: Option<String>,
) -> (BTreeMap<String, Json>, Vec<String>, ChangesPage) {
    let changes = connection.changes.as_ref().expect("changes");
    let (mut saved, mut deleted, mut cursor) = (BTreeMap::new(), Vec::new(), cursor);
    for _ in 0..100 {
        let ask = ChangesAsk {
            object: "contact".to_owned(),
            fields: vec!["firstName".to_owned(), "altemail".to_owned()],
            cursor,
            page_max: 7,
        };
        let page = changes.page(&ask).await.expect("a page");
        for change in &page.changes {
            match change {
                Change::Saved(record) => {
                    assert!(record.version.is_some() && record.modified.is_some());
                    assert!(record.fields.contains_key("altemail"), "what is empty is null");
                    saved.insert(record.id.clone(), record.fields["firstName"].clone());
                }
                Change::Deleted { id, .. } => deleted.push(id.clone()),
            }
        }
        if !page.has_more {
            return (saved, deleted, page);
        }
        cursor = Some(page.cursor);
    }
    panic!("no end of pages")
}

#[tokio::test]
async fn changes_are_told_from_the_beginning_and_then_as_they_come() {
    let rig = account(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    let (saved, deleted, last) = drained(&connection, None).await;
    assert_eq!((saved.len(), deleted.len()), (rig.simulator.count("contact"), 0));
    // All of one second, more than a page: what was told within the overlap comes twice.
    let (again, _, last) = drained(&connection, Some(last.cursor)).await;
    assert_eq!(again, saved);
    rig.simulator.advance(3_600);
    rig.simulator.put("contact", 1, &[("firstname", "Jack")]);
    rig.simulator.remove("contact", 3);
    let (_, deleted, last) = drained(&connection, Some(last.cursor)).await;
    assert_eq!(deleted, ["3"]);
    let (saved, _, _) = drained(&connection, Some(last.cursor)).await;
    assert_eq!(
        saved,
        [("1".to_owned(), json!("Jack"))].into(),
        "an hour later the others are behind"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let changes = connection.changes.as_ref().expect("changes");
    for (object, field, cursor, named) in [
        ("contact", "a b", None, "a b"),
        ("contact", "nothing", None, "nothing"),
        ("contact; x", "email", None, "object"),
        ("contacts", "email", None, "contacts"),
        ("contact", "email", Some("x"), "cursor"),
    ] {
        let (object, fields) = (object.to_owned(), vec![field.to_owned()]);
        let ask = ChangesAsk { object, fields, cursor: cursor.map(str::to_owned), page_max: 5 };
        let error = changes.page(&ask).await.expect_err(named);
        let Error::Invalid { field, .. } = &error else { panic!("{error}") };
        assert_eq!(field.as_deref(), Some(named), "{error}");
    }
    assert!(changes.tells_deletions());
    let without = open_with(&rig, &[("deletions", false.into())]).await;
    assert!(!without.changes.as_ref().expect("changes").tells_deletions());
}

fn fields(of: &[(&str, Json)]) -> Fields {
    of.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn a_record_is_made_once_by_external_id_and_by_any_other_key() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let before = rig.simulator.count("customer");
    for (at, key) in
        [("externalId", "E-1"), ("custentity_crm_id", "O'Case & 1")].into_iter().enumerate()
    {
        let ann = fields(&[("firstName", json!("Ann")), ("isPerson", json!(true))]);
        // Carried out, and its answer cut off.
        let put = Rule { method: Some("PUT".to_owned()), ..Rule::always(Fault::Truncate) };
        rig.faults().add(put.times(1));
        writes.create("customer", key, &ann).await.expect_err("no answer");
        let once = writes.create("customer", key, &ann).await.expect("there already");
        assert!(!once.is_new, "{key:?}");
        assert_eq!(rig.simulator.count("customer") - before, at + 1, "{key:?}");
        let id = once.id.parse().expect("a number");
        assert_eq!(rig.simulator.value("customer", id, &key.0.to_lowercase()), key.1);
        assert_eq!(rig.simulator.value("customer", id, "isperson"), "T");
    }
    let made = writes.create("customer", ("externalId", "E-2"), &fields(&[])).await;
    assert!(made.expect("made").is_new);
    let error = writes.create("customer", ("externalId", "a/b"), &fields(&[])).await;
    assert!(matches!(error, Err(Error::Invalid { field: Some(f), .. }) if f == "externalId"));
    let same = [("custentity_tier", "SAME")];
    assert!(rig.simulator.put("contact", 1, &same) && rig.simulator.put("contact", 2, &same));
    let several = writes.create("contact", ("custentity_tier", "same"), &fields(&[])).await;
    assert_eq!(several.expect_err("two have it").kind(), "conflict");
}

#[tokio::test]
async fn a_record_is_changed_and_deleted_only_as_it_was_seen() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let (ids, names) = (["1", "x", "77777"].map(str::to_owned), ["firstName".to_owned()]);
    let read = writes.read(Lane::Background, "contact", &ids, &names).await.expect("records");
    assert!(read[1].is_none() && read[2].is_none());
    let seen = read[0].clone().expect("John");
    let version = seen.version.as_deref();
    rig.simulator.advance(5);
    let jack = fields(&[("firstName", json!("Jack")), ("officePhone", Json::Null)]);
    let saved = writes.update("contact", "1", version, &jack).await.expect("changed");
    assert!(!saved.is_new);
    assert_eq!(rig.simulator.value("contact", 1, "officephone"), "");
    assert_eq!(rig.simulator.value("contact", 1, "lastname"), "Doe", "left alone");
    let stale = writes.update("contact", "1", version, &jack).await.expect_err("changed since");
    assert_eq!(stale.kind(), "conflict");
    let stale = writes.delete("contact", "1", version).await.expect_err("changed since");
    assert_eq!(stale.kind(), "conflict");
    assert_eq!(writes.update("contact", "77777", None, &jack).await, Err(Error::NotFound));
    for (name, value) in [
        ("firstName", json!("x".repeat(33))),
        ("nothing", json!(1)),
        ("company", json!({ "id": "5" })),
    ] {
        let error = writes.update("contact", "1", None, &fields(&[(name, value)])).await;
        let Err(Error::Invalid { field: Some(field), .. }) = &error else { panic!("{error:?}") };
        assert!(field.eq_ignore_ascii_case(name), "{field}");
    }
    for _ in 0..2 {
        writes.delete("contact", "1", None).await.expect("gone");
    }
    assert_eq!(rig.simulator.count("contact"), 2);
}

#[tokio::test]
async fn nobody_elses_save_passes_for_our_own_write() {
    let rig = account(Config::default()).await;
    let writes = rig.open().await.writes.expect("writes");
    let jack = fields(&[("firstName", json!("Jack"))]);
    let (_, before) = rig.requests();
    let changed = writes.update("contact", "1", None, &jack).await.expect("changed");
    assert_eq!(rig.requests().1, before, "no query follows the write");
    let made = writes.create("customer", ("externalId", "E-1"), &jack).await.expect("made");
    let found = writes.create("customer", ("externalId", "E-1"), &jack).await.expect("found");
    // What were read now might be the version of whoever saved since, or in this very second.
    for saved in [changed, made, found] {
        assert_eq!(saved.version, None);
    }
}

#[tokio::test]
async fn a_write_that_was_done_is_not_told_as_refused() {
    let rig = account(Config::default()).await;
    let writes = rig.open().await.writes.expect("writes");
    // Whatever is asked from here on is throttled.
    let query = Fault::Vendor("throttled".to_owned());
    rig.faults().add(Rule::always(query).on("suiteql"));
    let jack = fields(&[("firstName", json!("Jack"))]);
    let told = writes.update("contact", "1", None, &jack).await;
    assert_eq!(rig.simulator.value("contact", 1, "firstname"), "Jack");
    assert_eq!(told.map(|saved| saved.id), Ok("1".to_owned()));
}

#[tokio::test]
async fn a_call_is_kept_on_the_contact_and_its_company_once() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let journal = connection.journal.as_ref().expect("a journal");
    let activity = Activity {
        call: CallId::new("call-1").expect("an id"),
        record: "1".to_owned(),
        known: None,
        subject: "A call".to_owned(),
        body: "What was said".to_owned(),
        direction: Direction::Inbound,
        started: Timestamp(1_795_292_100_000),
        duration_ms: 65_000,
        wrap_up: Some("Resolved".to_owned()),
    };
    let put = Rule { method: Some("PUT".to_owned()), ..Rule::always(Fault::Truncate) };
    rig.faults().add(put.times(1));
    journal.write(&activity).await.expect_err("no answer");
    let first = journal.write(&activity).await.expect("written");
    assert_eq!(rig.simulator.count("phonecall"), 1);
    let value =
        |column| rig.simulator.value("phonecall", first.id.parse().expect("a number"), column);
    assert_eq!((value("contact"), value("company")), ("1".to_owned(), "1000001".to_owned()));
    assert_eq!(
        (value("status"), value("startdate")),
        ("COMPLETE".to_owned(), "2026-11-21".to_owned())
    );
    assert!(value("message").starts_with("Inbound call, 2 min, Resolved\n"));
    let known = Some(first.id.clone());
    let later = Activity { body: "And more".to_owned(), known, ..activity.clone() };
    assert_eq!(journal.write(&later).await.expect("changed"), first);
    assert!(value("message").ends_with("And more"));
    rig.simulator.remove("phonecall", first.id.parse().expect("a number"));
    assert_eq!(journal.write(&later).await.expect("left alone"), first);
    assert_eq!(rig.simulator.count("phonecall"), 0, "it is not brought back");
    let nobody = Activity { record: "77777".to_owned(), ..activity.clone() };
    assert_eq!(journal.write(&nobody).await, Err(Error::NotFound));
    let company = Activity {
        record: ACME.to_string(),
        call: CallId::new("call-2").expect("an id"),
        ..activity
    };
    let of_company = journal.write(&company).await.expect("written").id.parse().expect("a number");
    assert_eq!(rig.simulator.value("phonecall", of_company, "company"), "1000001");
}

#[tokio::test]
async fn an_administrators_query_is_sent_with_its_values_in_it() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let requests = connection.requests.as_ref().expect("requests");
    let language = requests.language(Place::Json("q")).expect("a language");
    assert!(requests.language(Place::Query("q")).is_none());
    let query = |value: &str| {
        let before = "SELECT id FROM contact WHERE email = '";
        let value = (language.literal)(before, value).expect("a literal");
        Custom {
            method: "POST".to_owned(),
            path: "/query/v1/suiteql".to_owned(),
            query: vec![("limit".to_owned(), "5".to_owned())],
            headers: vec![],
            body: Some(json!({ "q": format!("{before}{value}'") })),
        }
    };
    let answer =
        requests.send(Lane::Call, &query("john.doe@example.com")).await.expect("an answer");
    assert_eq!(answer["items"][0]["id"], json!("1"));
    let answer = requests.send(Lane::Call, &query("x' OR '1'='1")).await.expect("an answer");
    assert_eq!(answer["count"], json!(0));
    let read = Custom {
        method: "GET".to_owned(),
        path: "/record/v1/contact/1".to_owned(),
        body: None,
        query: vec![],
        headers: vec![],
    };
    assert_eq!(requests.send(Lane::Call, &read).await.expect("John")["firstName"], json!("John"));
    let out = Custom { path: "/../../app/site".to_owned(), ..read };
    assert_eq!(requests.send(Lane::Call, &out).await.expect_err("refused").kind(), "invalid");
}

#[tokio::test]
async fn what_is_missing_is_named_by_the_check() {
    let rig = account(Config::default()).await;
    let flaws = |findings: Vec<kit::Finding>| -> Vec<(&'static str, String)> {
        let flaws = findings.into_iter().filter_map(|finding| finding.outcome.err());
        flaws.map(|flaw| (flaw.code, flaw.message)).collect()
    };
    let data: toml::Table = toml::from_str("tier = 'contact.custentity_teir'").expect("toml");
    let connection = open_with(&rig, &[("data", data.into())]).await;
    let found = flaws(connection.check.check().await);
    let expected = "NetSuite has no custentity_teir for contact.".to_owned();
    assert_eq!(found, [("connection.field_missing", expected)]);
    let connection = rig.open().await;
    let refusal = Rule::always(Fault::Vendor("no_permission".to_owned())).on(API);
    rig.faults().add(refusal.times(1));
    let found = flaws(connection.check.check().await);
    assert_eq!(found.len(), 1);
    assert!(found[0].1.contains("Lists -> Contacts -> View"), "{found:?}");
}

#[tokio::test]
async fn a_key_that_the_account_does_not_know_is_told_and_found() {
    let rig = account(Config::default()).await;
    for (name, value) in
        [("certificate_id", "another"), ("client_id", "another"), ("algorithm", "ES256")]
    {
        let mut settings = rig.logins[0].clone();
        settings.plain.insert(name.to_owned(), value.into());
        let connection = match rig.open_with(settings) {
            Ok(connection) => connection,
            Err(Error::Invalid { field, .. }) => {
                assert_eq!((field.as_deref(), name), (Some("private_key"), "algorithm"));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let findings = connection.check.check().await;
        let flaw = findings[0].outcome.as_ref().expect_err("a flaw");
        assert_eq!(flaw.code, "connection.credentials_refused", "{name}");
    }
}

#[tokio::test]
async fn both_signals_of_too_many_requests_are_waited_for() {
    for signal in ["throttled", "request_limit"] {
        let rig = account(Config::default()).await;
        let connection = rig.open().await;
        let lookup = connection.lookup.as_ref().expect("a lookup");
        rig.faults().add(Rule::always(Fault::Vendor(signal.to_owned())).on(API).times(1));
        let error = lookup.find(Lane::Call, &[by_record("1")]).await.expect_err("limited");
        assert_eq!(error, Error::RateLimited { retry_after: Some(Duration::from_secs(2)) });
        let (_, before) = rig.requests();
        lookup.find(Lane::Call, &[by_record("1")]).await.expect_err("still waiting");
        assert_eq!(rig.requests().1, before, "told without asking");
    }
}
