//! The Dynamics 365 connector against the simulated Dataverse.

use crate::rig::{Rig, phone};
use connectors::dynamics::sim::{Config, Dataverse};
use connectors::dynamics::simulate::{API, with_logins};
use domain::{CallId, Contact, ContactPhone, Direction, PhoneKind, Timestamp, Value};
use kit::{
    Activity, Ask, Capabilities, Change, ChangesAsk, ChangesPage, Custom, Error, Fields, Lane,
    Place, Saved, Write,
};
use serde_json::{Value as Json, json};
use sim::faults::{Fault, Plan, Rule};
use std::collections::BTreeMap;

const JOHN: &str = "49b0be2e-d01c-ed11-b83e-000d3a570000";
const JANE: &str = "49b0be2e-d01c-ed11-b83e-000d3a570001";
const MARIA: &str = "49b0be2e-d01c-ed11-b83e-000d3a570002";
const ACME: &str = "39b0be2e-d01c-ed11-b83e-000d3a570000";
const LEAD: &str = "a9b0be2e-d01c-ed11-b83e-000d3a57ffff";

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

fn by_record(record: &str) -> Ask {
    Ask { record: Some(record.to_owned()), ..Ask::default() }
}

async fn environment(config: Config) -> Rig<Dataverse> {
    let (environment, logins) = with_logins(config).await.expect("a port");
    let connector = connectors::by_name("dynamics").expect("Dynamics 365");
    Rig::new(connector, Box::new(environment), logins, API)
}

/// Opens it with these settings besides the usual ones.
async fn open_with(rig: &Rig<Dataverse>, more: &[(&str, toml::Value)]) -> Capabilities {
    let mut settings = rig.logins[0].clone();
    settings.plain.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let connection = rig.open_with(settings).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    tokens.fresh(std::time::Duration::from_secs(10)).await.expect("a token");
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
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    let found = find(&connection, Lane::Call, &[by_phone("+15550199999")]).await.remove(0);
    assert_eq!(rig.requests().1 - before, 1, "one request");
    assert_eq!(records(&found), [JOHN, JANE]);
    let john = &found[0];
    assert_eq!((john.name.as_str(), john.object.as_str()), ("John Doe", "contact"));
    assert_eq!(john.phones, [ContactPhone::new(PhoneKind::Work, "+15550199999")]);
    assert_eq!(john.email.as_deref(), Some("john.doe@example.com"));
    assert_eq!(john.account.as_deref(), Some(ACME));
    assert_eq!(john.data["loyaltyTier"], Value::from("Gold"), "a choice's label");
    assert_eq!(john.data["company"], Value::from("Acme Corporation"), "over a lookup");
    assert_eq!(john.data["crmCaseId"], Value::from("CAS-00001"));
    let page =
        format!("{}/main.aspx?pagetype=entityrecord&etn=contact&id={JOHN}", rig.simulator.url());
    assert_eq!(john.url, Some(page));
    assert!(john.created_at.is_some() && john.modified_at.is_some());
}

#[tokio::test]
async fn every_number_is_found_in_any_usual_form_and_with_an_extension() {
    let rig = environment(Config { people: 120, ..Config::default() }).await;
    let connection = open_with(
        &rig,
        &[("tables", vec!["contact", "lead"].into()), ("data", toml::Table::new().into())],
    )
    .await;
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
    let rig = environment(Config::default()).await;
    let maria = [by_phone("+15550198888")];
    let usual = rig.open().await;
    assert_eq!(find(&usual, Lane::Background, &maria).await, [vec![]]);
    let thorough = open_with(&rig, &[("phones_thorough", true.into())]).await;
    assert_eq!(records(&find(&thorough, Lane::Background, &maria).await[0]), [MARIA]);
    assert_eq!(
        find(&thorough, Lane::Call, &maria).await,
        [vec![]],
        "a call asks what an index answers"
    );
}

#[tokio::test]
async fn people_are_found_by_any_of_their_emails_and_by_id() {
    let rig = environment(Config::default()).await;
    let second = [("emailaddress3", json!("O'Second+John@Example.com"))];
    assert!(rig.simulator.put("contact", JOHN, &second));
    let connection = rig.open().await;
    let asks = [
        by_email("JOHN.DOE@example.com"),
        by_email("o'second+john@example.COM"),
        by_email("x' or emailaddress1 ne '"),
        by_record(&JOHN.to_uppercase()),
        by_record("1000001"),
        by_record("00000000-0000-0000-0000-000000000001"),
    ];
    let found = find(&connection, Lane::Call, &asks).await;
    let found: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(found, [1, 1, 0, 1, 0, 0]);
    let second = find(&connection, Lane::Call, &asks[1..2]).await.remove(0);
    assert_eq!(second[0].email.as_deref(), Some("O'Second+John@Example.com"), "the one asked for");
}

#[tokio::test]
async fn leads_and_accounts_are_found_where_they_are_configured() {
    let rig = environment(Config::default()).await;
    let number = [("telephone1", json!("+1 415-555-0123")), ("firstname", json!("Lee"))];
    assert!(rig.simulator.put("lead", LEAD, &number));
    assert!(rig.simulator.put("account", ACME, &number[..1]));
    let ask = [by_phone("+14155550123")];
    assert_eq!(find(&rig.open().await, Lane::Call, &ask).await, [vec![]]);
    let data: toml::Table = toml::from_str("company = 'lead.companyname'").expect("toml");
    let tables = vec!["contact", "lead", "account"];
    let connection = open_with(&rig, &[("tables", tables.into()), ("data", data.into())]).await;
    let (_, before) = rig.requests();
    let found = find(&connection, Lane::Call, &ask).await.remove(0);
    assert_eq!(rig.requests().1 - before, 3, "one request a table");
    let mut objects: Vec<&str> = found.iter().map(|contact| contact.object.as_str()).collect();
    objects.sort_unstable();
    assert_eq!(objects, ["account", "lead"]);
}

#[tokio::test]
async fn nothing_a_caller_says_becomes_syntax() {
    let rig = environment(Config { people: 20, ..Config::default() }).await;
    let connection = rig.open().await;
    for email in
        ["x' or emailaddress1 ne '", "') or (1 eq 1", "%27", "a&$top=0", "#", "+", "'", "ß'", "%"]
    {
        let email = format!("{email}@example.com");
        assert_eq!(find(&connection, Lane::Call, &[by_email(&email)]).await, [vec![]], "{email}");
    }
}

#[tokio::test]
async fn who_was_merged_away_leads_to_the_master_and_is_not_found() {
    let rig = environment(Config::default()).await;
    assert!(
        rig.simulator.merge("contact", JANE, JOHN) && rig.simulator.merge("contact", JOHN, MARIA)
    );
    let connection = rig.open().await;
    assert_eq!(find(&connection, Lane::Call, &[by_record(JANE)]).await, [vec![]]);
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let successor = |id: &'static str| lookup.successor(Lane::Background, id);
    assert_eq!(successor(JANE).await, Ok(Some(MARIA.to_owned())));
    assert_eq!(successor(MARIA).await, Ok(None));
    assert_eq!(successor("00000000-0000-0000-0000-000000000001").await, Ok(None));
    assert_eq!(successor("1000001").await, Ok(None));
}

#[tokio::test]
async fn linked_accounts_are_read_in_one_request() {
    let rig = environment(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["1000001", "x' or name ne '", "", "1000002", "9999999"].map(str::to_owned);
    let (_, before) = rig.requests();
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    assert_eq!(rig.requests().1 - before, 1);
    let names: Vec<Option<&str>> =
        found.iter().map(|one| one.as_ref().map(|a| a.name.as_str())).collect();
    assert_eq!(names[..3], [Some("Acme Corporation"), None, None]);
    assert!(names[3].is_some() && names[4].is_none());
    let acme = found[0].as_ref().expect("Acme");
    assert_eq!((acme.record.as_str(), &acme.data["creditHold"]), (ACME, &Value::Bool(false)));
    assert_eq!(acme.data["creditLimit"], Value::Number(25_000.5));
    let by_id = open_with(&rig, &[("account_key", "accountid".into())]).await;
    let found =
        by_id.accounts.as_ref().expect("accounts").find(Lane::Call, &[ACME.to_owned()]).await;
    assert_eq!(found.expect("an answer")[0].as_ref().expect("Acme").record, ACME);
}

/// Everything from a cursor on, page by page; ids that were saved and what was deleted.
async fn drained(
    connection: &Capabilities,
    cursor: Option<String>,
) -> (BTreeMap<String, Json>, Vec<(String, Option<String>)>, ChangesPage) {
    let changes = connection.changes.as_ref().expect("changes");
    let (mut saved, mut deleted, mut cursor) = (BTreeMap::new(), Vec::new(), cursor);
    for _ in 0..100 {
        let ask = ChangesAsk {
            object: "contacts".to_owned(),
            fields: vec!["firstname".to_owned(), "telephone1".to_owned()],
            cursor,
            page_max: 7,
        };
        let page = changes.page(&ask).await.expect("a page");
        for change in &page.changes {
            match change {
                Change::Saved(record) => {
                    assert!(record.version.as_ref().is_some_and(|v| v.starts_with("W/\"")));
                    assert!(record.modified.is_some() && record.modified_by.is_some());
                    saved.insert(record.id.clone(), record.fields["firstname"].clone());
                }
                Change::Deleted { id, into } => deleted.push((id.clone(), into.clone())),
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
    let rig = environment(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    let (saved, deleted, last) = drained(&connection, None).await;
    assert_eq!((saved.len(), deleted.len()), (rig.simulator.count("contact"), 0));
    let (saved, deleted, last) = drained(&connection, Some(last.cursor)).await;
    assert_eq!((saved.len(), deleted.len()), (0, 0), "nothing since");
    rig.simulator.put("contact", JOHN, &[("firstname", json!("Jack"))]);
    rig.simulator.remove("contact", MARIA);
    rig.simulator.merge("contact", JANE, JOHN);
    let (saved, deleted, last) = drained(&connection, Some(last.cursor)).await;
    assert_eq!(saved, [(JOHN.to_owned(), json!("Jack"))].into());
    let expected = [(JANE.to_owned(), Some(JOHN.to_owned())), (MARIA.to_owned(), None)];
    assert_eq!(deleted, expected, "one merged, one deleted");
    for nth in 0..30 {
        let id = format!("77b0be2e-d01c-ed11-b83e-{nth:012}");
        rig.simulator.put("contact", &id, &[("firstname", json!("New"))]);
    }
    let (saved, _, last) = drained(&connection, Some(last.cursor)).await;
    assert_eq!(saved.len(), 30, "more than one page of changes");
    assert!(!last.is_restart);
}

#[tokio::test]
async fn a_page_that_was_cut_off_is_asked_for_again_with_the_same_cursor() {
    let rig = environment(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    let changes = connection.changes.as_ref().expect("changes");
    let ask = |cursor| ChangesAsk {
        object: "contacts".to_owned(),
        fields: vec!["firstname".to_owned()],
        cursor,
        page_max: 10,
    };
    let first = changes.page(&ask(None)).await.expect("a page");
    rig.faults().add(Rule::always(Fault::Truncate).on(API).times(1));
    let cut = changes.page(&ask(Some(first.cursor.clone()))).await.expect_err("cut off");
    assert!(cut.is_worth_retrying());
    let once = changes.page(&ask(Some(first.cursor.clone()))).await.expect("a page");
    let twice = changes.page(&ask(Some(first.cursor))).await.expect("a page");
    assert_eq!(once, twice);
}

#[tokio::test]
async fn a_token_that_is_too_old_and_other_columns_begin_anew() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let (_, _, last) = drained(&connection, None).await;
    rig.simulator.expire_change_tokens();
    let (saved, _, again) = drained(&connection, Some(last.cursor)).await;
    assert!(again.is_restart && saved.len() == 3);
    let changes = connection.changes.as_ref().expect("changes");
    let ask = |object: &str, fields: &[&str], cursor: &str| ChangesAsk {
        object: object.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        cursor: Some(cursor.to_owned()),
        page_max: 100,
    };
    let other = changes.page(&ask("contacts", &["lastname"], &again.cursor)).await.expect("a page");
    assert!(other.is_restart, "the link holds the columns it was made for");
    for (object, fields, cursor, named) in [
        ("contacts", vec!["firstname"], "x", "cursor"),
        ("contacts", vec!["a b"], again.cursor.as_str(), "a b"),
        ("contacts", vec!["nothing"], "0123456789abcdef:$deltatoken=1", "nothing"),
        ("contacs", vec![], again.cursor.as_str(), "object"),
        ("phonecalls", vec!["subject"], again.cursor.as_str(), "object"),
    ] {
        let error = changes.page(&ask(object, &fields, cursor)).await.expect_err(named);
        let Error::Invalid { field, .. } = &error else { panic!("{error}") };
        assert_eq!(field.as_deref(), Some(named), "{error}");
    }
}

fn fields(of: &[(&str, Json)]) -> Fields {
    of.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn a_record_is_made_once_by_an_alternate_key_and_without_one() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let before = rig.simulator.count("contact");
    // An alternate key; one whose index is not ready; none at all; and a value that no
    // address can carry.
    let keys = [
        ("externaluseridentifier", "E'1"),
        ("new_importid", "I-1"),
        ("new_caseref", "O'Case & 1"),
        ("externaluseridentifier", "a/b?c"),
    ];
    for (at, key) in keys.into_iter().enumerate() {
        let ann = fields(&[("firstname", json!("Ann")), (key.0, json!(key.1))]);
        // Carried out, and its answer cut off.
        let patch = Rule { method: Some("PATCH".to_owned()), ..Rule::always(Fault::Truncate) };
        rig.faults().add(patch.times(1));
        writes.create("contacts", key, &ann).await.expect_err("no answer");
        let once = writes.create("contacts", key, &ann).await.expect("there already");
        assert!(!once.is_new && once.version.is_some(), "{key:?}");
        assert_eq!(rig.simulator.count("contact") - before, at + 1, "{key:?}");
        assert_eq!(rig.simulator.value("contact", &once.id, key.0), json!(key.1));
    }
    let made = writes.create("contacts", ("externaluseridentifier", "E2"), &fields(&[])).await;
    assert!(made.expect("made").is_new);
    let same = [("new_caseref", json!("SAME"))];
    assert!(rig.simulator.put("contact", JOHN, &same) && rig.simulator.put("contact", JANE, &same));
    let several = writes.create("contacts", ("new_caseref", "same"), &fields(&[])).await;
    assert_eq!(several.expect_err("two have it").kind(), "conflict");
}

#[tokio::test]
async fn a_record_is_changed_only_as_it_was_seen() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let (ids, names) =
        ([JOHN.to_owned(), "x".to_owned(), LEAD.to_owned()], ["firstname".to_owned()]);
    let read = writes.read(Lane::Background, "contacts", &ids, &names).await.expect("records");
    assert!(read[1].is_none() && read[2].is_none());
    let seen = read[0].clone().expect("John");
    assert_eq!(seen.fields["firstname"], json!("John"));
    let version = seen.version.as_deref();
    let jack = fields(&[("firstname", json!("Jack")), ("telephone2", Json::Null)]);
    let saved = writes.update("contacts", JOHN, version, &jack).await.expect("changed");
    assert!(!saved.is_new && saved.version != seen.version);
    let stale = writes.update("contacts", JOHN, version, &jack).await.expect_err("changed since");
    assert_eq!(stale.kind(), "conflict");
    assert_eq!(rig.simulator.value("contact", JOHN, "lastname"), json!("Doe"), "left alone");
    let again =
        writes.read(Lane::Background, "contacts", &ids[..1], &names).await.expect("records");
    assert_eq!(
        again[0].as_ref().expect("John").version,
        saved.version,
        "our own write is known again"
    );
    let gone = writes.update("contacts", LEAD, None, &jack).await.expect_err("is not made");
    assert_eq!(gone, Error::NotFound);
    for (name, value) in
        [("firstname", json!("x".repeat(51))), ("fullname", json!("x")), ("nothing", json!(1))]
    {
        let error = writes.update("contacts", JOHN, None, &fields(&[(name, value)])).await;
        let error = error.expect_err(name);
        let Error::Invalid { field, .. } = &error else { panic!("{error}") };
        assert_eq!(field.as_deref(), Some(name));
    }
    let bound =
        fields(&[("parentcustomerid_account@odata.bind", json!(format!("/accounts({ACME})")))]);
    writes.update("contacts", JANE, None, &bound).await.expect("bound");
}

#[tokio::test]
async fn many_records_without_an_alternate_key_meet_themselves() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let row = |case: &str, name: &str| Write::Create {
        key: ("new_caseref".to_owned(), case.to_owned()),
        fields: fields(&[("lastname", json!(name))]),
    };
    let told = writes.write("contacts", &[row("C-1", "One"), row("O'2", "Two")]).await;
    let made: Vec<Saved> = told.expect("tried").into_iter().map(|one| one.expect("made")).collect();
    assert!(made.iter().all(|saved| saved.is_new && saved.version.is_some()));
    // Somebody has taken the key off the first, and two others share one.
    assert!(rig.simulator.put("contact", &made[0].id, &[("new_caseref", json!("other"))]));
    let same = [("new_caseref", json!("SAME"))];
    assert!(rig.simulator.put("contact", JOHN, &same) && rig.simulator.put("contact", JANE, &same));
    let count = rig.simulator.count("contact");
    let rows = [row("C-1", "Uno"), row("o'2", "Due"), row("same", "x"), row("C-3", "Tre")];
    let told = writes.write("contacts", &rows).await.expect("tried");
    let known = |at: usize| told[at].as_ref().map(|saved| (saved.id.as_str(), saved.is_new));
    assert_eq!(known(0), Ok((&*made[0].id, false)), "made under the id that its key gives");
    assert_eq!(known(1), Ok((&*made[1].id, false)));
    assert_eq!(known(2).map_err(Error::kind), Err("conflict"));
    assert!(known(3).is_ok_and(|(_, is_new)| is_new));
    assert_eq!(rig.simulator.count("contact"), count + 1);
    assert_eq!(rig.simulator.value("contact", &made[0].id, "lastname"), json!("Uno"));
    let (_, before) = rig.requests();
    let rows: Vec<Write> = (0..250).map(|n| row(&format!("M-{n}"), "Many")).collect();
    let told = writes.write("contacts", &rows).await.expect("tried");
    assert!(told.iter().all(|one| one.as_ref().is_ok_and(|saved| saved.is_new)));
    assert!(rig.requests().1 - before <= 6, "three questions and three batches");
}

#[tokio::test]
async fn a_batch_that_is_refused_whole_says_nothing_of_its_records() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let jack = fields(&[("firstname", json!("Jack"))]);
    let row = Write::Update { id: JOHN.to_owned(), seen: None, fields: jack };
    for (answer, kind) in [
        (Fault::Vendor("not_found".to_owned()), "protocol"),
        (Fault::Html200, "protocol"),
        (Fault::Vendor("throttled".to_owned()), "rate_limited"),
    ] {
        rig.faults().set(Plan {
            rules: vec![Rule::always(answer).on("$batch").times(1)],
            ..Plan::default()
        });
        let told =
            writes.write("contacts", std::slice::from_ref(&row)).await.expect("tried").remove(0);
        assert_eq!(told.map_err(|error| error.kind()), Err(kind));
    }
    assert_eq!(rig.simulator.value("contact", JOHN, "firstname"), json!("John"));
}

#[tokio::test]
async fn who_was_merged_away_is_not_there_and_leads_to_the_master() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    assert!(rig.simulator.merge("contact", JANE, JOHN) && rig.simulator.remove("contact", MARIA));
    let ids = [JOHN, JANE, MARIA, "x"].map(str::to_owned);
    let names = ["firstname".to_owned()];
    let read = writes.read(Lane::Background, "contacts", &ids, &names).await.expect("read");
    let there: Vec<bool> = read.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, false, false]);
    let told = writes.successors("contacts", &ids).await.expect("told");
    assert_eq!(told, [None, Some(JOHN.to_owned()), None, None]);
    assert_eq!(writes.successors("phonecalls", &ids[..1]).await.expect("told"), [None]);
}

#[tokio::test]
async fn values_go_in_as_their_columns_take_them() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let forms = connection.forms.as_ref().expect("forms");
    let row = |pairs: &[(&str, Json)]| Write::Update {
        id: JANE.to_owned(),
        seen: None,
        fields: fields(pairs),
    };
    let rows = [row(&[
        ("parentcustomerid_account", json!(ACME)),
        ("preferredcontactmethodcode", json!("2")),
        ("description", json!(7)),
    ])];
    assert!(writes.write("contacts", &rows).await.expect("tried")[0].is_ok());
    let value = |column: &str| rig.simulator.value("contact", JANE, column);
    assert_eq!(value("preferredcontactmethodcode"), json!(2));
    assert_eq!((value("description"), value("_parentcustomerid_value")), (json!("7"), json!(ACME)));
    let names = ["parentcustomerid_account", "preferredcontactmethodcode@label"].map(str::to_owned);
    let ids = [JANE.to_owned()];
    let read = writes.read(Lane::Background, "contacts", &ids, &names).await.expect("read");
    let read = read[0].clone().expect("Jane").fields;
    assert_eq!((&read[&names[0]], &read[&names[1]]), (&json!(ACME), &json!("Email")));
    let ask = ChangesAsk {
        object: "contacts".to_owned(),
        fields: names.to_vec(),
        cursor: None,
        page_max: 500,
    };
    let page = connection.changes.as_ref().expect("changes").page(&ask).await.expect("a page");
    let is_jane = |change: &&Change| matches!(change, Change::Saved(one) if one.id == JANE);
    let Some(Change::Saved(jane)) = page.changes.iter().find(is_jane) else { panic!("no Jane") };
    assert_eq!(jane.fields, read, "told as it is read");
    writes.write("contacts", &[row(&[(&names[0], Json::Null)])]).await.expect("tried");
    assert_eq!(value("_parentcustomerid_value"), Json::Null);
    for (name, odd) in [
        ("preferredcontactmethodcode", json!("Email")),
        ("parentcustomerid_account", json!("Acme")),
        ("_parentcustomerid_value", json!(ACME)),
        ("fullname", json!("x")),
    ] {
        let told = writes.write("contacts", &[row(&[(name, odd)])]).await.expect("tried").remove(0);
        let Err(Error::Invalid { field, .. }) = &told else { panic!("{name}: {told:?}") };
        assert_eq!(field.as_deref(), Some(name));
    }
    for (name, is_fit) in
        [("jobtitle", true), (names[0].as_str(), true), ("fullname", false), ("nothing", false)]
    {
        let told = forms.prepare("contacts", &[name.to_owned()]).await;
        assert_eq!(told.is_ok(), is_fit, "{name}: {told:?}");
    }
}

#[tokio::test]
async fn a_record_is_deleted_only_as_it_was_seen_and_once() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let stale =
        writes.delete("contacts", JOHN, Some("W/\"1\"")).await.expect_err("another version");
    assert_eq!(stale.kind(), "conflict");
    for _ in 0..2 {
        writes.delete("contacts", JOHN, None).await.expect("gone");
    }
    assert_eq!(rig.simulator.count("contact"), 2);
}

#[tokio::test]
async fn a_call_is_kept_completed_also_where_what_is_completed_refuses_changes() {
    for completed_is_read_only in [false, true] {
        let rig = environment(Config { completed_is_read_only, ..Config::default() }).await;
        let connection = open_with(
            &rig,
            &[("tables", vec!["contact", "lead"].into()), ("data", toml::Table::new().into())],
        )
        .await;
        let journal = connection.journal.as_ref().expect("a journal");
        let activity = Activity {
            call: CallId::new("call-1").expect("an id"),
            record: JOHN.to_owned(),
            known: None,
            subject: "A call".to_owned(),
            body: "What was said".to_owned(),
            direction: Direction::Inbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 65_000,
            wrap_up: Some("Resolved".to_owned()),
        };
        let first = journal.write(&activity).await.expect("written");
        let value = |column| rig.simulator.value("phonecall", &first.id, column);
        assert_eq!((value("statecode"), value("statuscode")), (json!(1), json!(4)), "received");
        assert_eq!(value("_regardingobjectid_value"), json!(JOHN));
        assert_eq!(value("directioncode"), json!(false));
        let later = Activity {
            body: "And more".to_owned(),
            known: Some(first.id.clone()),
            ..activity.clone()
        };
        assert_eq!(journal.write(&later).await.expect("changed"), first);
        assert_eq!((value("description"), value("statecode")), (json!("And more"), json!(1)));
        rig.simulator.remove("phonecall", &first.id);
        assert_eq!(journal.write(&later).await.expect("left alone"), first);
        assert_eq!(rig.simulator.count("phonecall"), 0, "it is not brought back");
        let nobody = Activity { record: MARIA.replace('4', "5"), ..activity };
        assert_eq!(journal.write(&nobody).await.expect_err("nobody"), Error::NotFound);
    }
}

fn custom(method: &str, path: &str, query: &[(&str, &str)], body: Option<Json>) -> Custom {
    let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Custom {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.collect(),
        headers: vec![],
        body,
    }
}

#[tokio::test]
async fn an_administrators_request_goes_to_the_api_and_nowhere_else() {
    let rig = environment(Config::default()).await;
    let connection = rig.open().await;
    let requests = connection.requests.as_ref().expect("requests");
    let filter = requests.language(Place::Query("$filter")).expect("a language");
    let before = "emailaddress1 eq '";
    let value = (filter.literal)(before, "x' or 1 eq 1").expect("a literal");
    let ask = custom(
        "GET",
        "/contacts",
        &[("$select", "fullname"), ("$filter", &format!("{before}{value}'"))],
        None,
    );
    let answer = requests.send(Lane::Call, &ask).await.expect("an answer");
    assert_eq!(answer["value"], json!([]));
    let value = (filter.literal)(before, "john.doe@example.com").expect("a literal");
    let ask = custom(
        "GET",
        "/contacts",
        &[("$select", "fullname"), ("$filter", &format!("{before}{value}'"))],
        None,
    );
    let answer = requests.send(Lane::Call, &ask).await.expect("an answer");
    assert_eq!(answer["value"][0]["fullname"], json!("John Doe"));
    let key = requests.language(Place::Path).expect("a language");
    let value =
        (key.literal)("/contacts(externaluseridentifier='", "C-0000001").expect("a literal");
    let ask = custom("GET", &format!("/contacts(externaluseridentifier='{value}')"), &[], None);
    assert_eq!(requests.send(Lane::Call, &ask).await.expect("John")["contactid"], json!(JOHN));
    let change =
        custom("PATCH", &format!("/contacts({JOHN})"), &[], Some(json!({ "jobtitle": "Chief" })));
    assert_eq!(requests.send(Lane::Background, &change).await, Ok(Json::Null));
    assert_eq!(rig.simulator.value("contact", JOHN, "jobtitle"), json!("Chief"));
    assert_eq!(
        requests.language(Place::Query("fetchXml")).map(|language| language.name),
        Some("FetchXML")
    );
    assert!(requests.language(Place::Json("subject")).is_none());
    let mut own = custom("GET", "/contacts", &[], None);
    own.headers.push(("Authorization".to_owned(), "Bearer x".to_owned()));
    for refused in [
        own,
        custom("GET", "/../v9.1/contacts", &[], None),
        custom("TRACE", "/contacts", &[], None),
    ] {
        let error = requests.send(Lane::Call, &refused).await.expect_err("refused");
        assert_eq!(error.kind(), "invalid");
    }
}

#[tokio::test]
async fn what_is_missing_is_named_by_the_check() {
    let rig = environment(Config::default()).await;
    let data: toml::Table = toml::from_str("tier = 'new_teir'").expect("toml");
    let connection = open_with(&rig, &[("data", data.into())]).await;
    let flaws = |findings: Vec<kit::Finding>| -> Vec<(&'static str, String)> {
        let flaws = findings.into_iter().filter_map(|finding| finding.outcome.err());
        flaws.map(|flaw| (flaw.code, flaw.message)).collect()
    };
    let found = flaws(connection.check.check().await);
    assert_eq!(
        found,
        [("connection.field_missing", "The table contact has no new_teir.".to_owned())]
    );
    let connection = rig.open().await;
    let own = |name: &str| Rule::always(Fault::Vendor(name.to_owned())).on("/contacts");
    rig.faults().add(own("no_privilege"));
    let found = flaws(connection.check.check().await);
    assert_eq!(found.len(), 1);
    assert!(found[0].1.contains("prvReadContact"), "{found:?}");
    rig.faults().clear();
    rig.faults().add(Rule::always(Fault::Vendor("no_user".to_owned())).on(API));
    let found = flaws(connection.check.check().await);
    assert!(found[0].1.contains("an application user for client_id"), "{found:?}");
}

#[tokio::test]
async fn what_is_left_of_the_requests_is_learned_and_kept_for_calls() {
    let rig = environment(Config { requests_per_minute: Some(3), ..Config::default() }).await;
    let connection = rig.open().await;
    // Fifteen in five minutes; below ten left, background work stops.
    for _ in 0..5 {
        find(&connection, Lane::Background, &[by_record(JOHN)]).await;
    }
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let error = lookup.find(Lane::Background, &[by_record(JOHN)]).await.expect_err("the floor");
    assert_eq!(error.kind(), "rate_limited");
    assert_eq!(find(&connection, Lane::Call, &[by_record(JOHN)]).await[0].len(), 1, "calls go on");
}

#[tokio::test]
async fn the_security_roles_of_the_application_user_are_told() {
    let usual = environment(Config::default()).await;
    let rights = usual.open().await.check.rights().await.expect("told");
    assert_eq!((rights.granted, rights.administrator), (Ok(vec!["Tieline".to_owned()]), None));
    // Whatever it is called there: the template says what it is.
    let template = Some("627090FF-40A3-4053-8790-584EDC5BE201".to_owned());
    let roles = vec![("Systemadministrator".to_owned(), template)];
    let broad = environment(Config { roles, ..Config::default() }).await;
    let breadth = broad.open().await.check.rights().await.expect("told").administrator;
    assert_eq!(breadth.as_deref(), Some("the security role Systemadministrator"));
}
