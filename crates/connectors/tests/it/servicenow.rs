//! The ServiceNow connector against the simulated instance.

use crate::rig::{EMAIL, PHONE, Rig, ask, phone};
use connectors::servicenow::sim::{Config, Instance, start};
use connectors::servicenow::simulate;
use domain::sync::Kind;
use domain::{CallId, Contact, ContactPhone, Direction, PhoneKind, Timestamp, Value};
use kit::{
    Activity, Ask, Capabilities, Change, ChangesAsk, Custom, Error, Fields, Lane, Saved, Settings,
    Write,
};
use serde_json::{Value as Json, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

const CONTACTS: &str = "customer_contact";

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

async fn instance(config: Config) -> Rig<Instance> {
    let instance = start(config).await.expect("a port");
    let logins = simulate::logins(&instance);
    let connector = connectors::by_name("servicenow").expect("ServiceNow");
    Rig::new(connector, Box::new(instance), logins, simulate::API)
}

fn with(rig: &Rig<Instance>, settings: &[(&str, toml::Value)]) -> Settings {
    let mut login = rig.logins[2].clone();
    login.plain.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    login
}

fn list(texts: &[&str]) -> toml::Value {
    toml::Value::from(texts.to_vec())
}

async fn find(connection: &Capabilities, lane: Lane, asks: &[Ask]) -> Vec<Vec<Contact>> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(lane, asks).await.expect("an answer")
}

fn names(contacts: &[Contact]) -> Vec<&str> {
    let mut names: Vec<&str> = contacts.iter().map(|contact| contact.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn john(rig: &Rig<Instance>) -> String {
    rig.simulator.values(CONTACTS, "sys_id")[0].clone()
}

fn fields(pairs: &[(&str, Json)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn a_caller_is_found_with_everything_that_was_configured() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let found = find(&connection, Lane::Call, &[by_phone(PHONE)]).await.remove(0);
    assert_eq!(names(&found), ["John Doe"], "Jane's number has an extension behind it");
    let john = &found[0];
    assert_eq!(john.object, CONTACTS);
    assert_eq!(john.email.as_deref(), Some(EMAIL));
    assert_eq!(john.phones, [ContactPhone::new(PhoneKind::Work, PHONE)]);
    assert_eq!(
        (john.first_name.as_deref(), john.last_name.as_deref()),
        (Some("John"), Some("Doe"))
    );
    assert_eq!(john.data["crmCaseId"], Value::from("EXT-0"));
    assert_eq!(john.data["company"], Value::from("Acme Corporation"));
    assert_eq!(john.data["loyaltyTier"], Value::from("Gold"), "the label, not the value");
    assert!(john.account.is_some() && john.created_at.is_some());
    let page = format!("nav_to.do?uri=customer_contact.do%3Fsys_id%3D{}", john.record);
    assert!(john.url.as_ref().is_some_and(|url| url.ends_with(&page)), "{:?}", john.url);
}

#[tokio::test]
async fn background_work_finds_a_number_in_any_grouping() {
    let rig = instance(Config { people: 200, ..Config::default() }).await;
    let connection = rig.open().await;
    let found =
        find(&connection, Lane::Background, &[by_phone(PHONE), by_phone("+15550198888")]).await;
    assert_eq!(names(&found[0]), ["Jane Smith", "John Doe"]);
    assert_eq!(names(&found[1]), ["Maria Garcia"]);
    for person in sim::seed::people(200, 1).step_by(9) {
        let e164 = person.phones[0].e164.clone();
        let found = find(&connection, Lane::Background, &[by_phone(&e164)]).await.remove(0);
        assert!(found.iter().any(|one| one.email.as_deref() == Some(&person.email)), "{e164}");
        assert!(found.iter().all(|one| one.has_phone(&e164)), "nobody else");
    }
}

#[tokio::test]
async fn a_call_asks_once_for_a_whole_batch() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    let by_record = Ask { record: Some(john(&rig)), ..Ask::default() };
    let asks = [by_email("JANE.smith@example.com"), by_record, by_phone("+15550100000")];
    let found = find(&connection, Lane::Call, &asks).await;
    assert_eq!(rig.requests().1 - before, 1);
    assert_eq!(names(&found[0]), ["Jane Smith"]);
    assert_eq!(names(&found[1]), ["John Doe"]);
    assert!(found[2].is_empty());
}

#[tokio::test]
async fn people_are_found_in_every_table_once() {
    let rig = instance(Config::default()).await;
    let tables = list(&["sys_user", CONTACTS]);
    let connection = rig.open_with(with(&rig, &[("tables", tables)])).expect("settings");
    let found = find(&connection, Lane::Call, &[ask()]).await.remove(0);
    assert_eq!(names(&found), ["John Doe"], "a contact is a user as well");
    let consumers =
        with(&rig, &[("tables", list(&["csm_consumer"])), ("data", toml::Table::new().into())]);
    let connection = rig.open_with(consumers).expect("settings");
    let found = find(&connection, Lane::Call, &[by_phone("+442079460018")]).await.remove(0);
    assert_eq!(names(&found), ["Carla Stone"]);
}

#[tokio::test]
async fn nobody_is_named_on_the_word_of_a_query_that_was_ignored() {
    let rig = instance(Config { people: 50, ..Config::default() }).await;
    let misspelled = [("phone_fields", list(&["phnoe"])), ("email_field", "emial".into())];
    let connection = rig.open_with(with(&rig, &misspelled)).expect("settings");
    let lookup = connection.lookup.as_ref().expect("a lookup");
    for lane in [Lane::Call, Lane::Background] {
        let error = lookup.find(lane, &[ask()]).await.expect_err("every row came back");
        assert_eq!(error.kind(), "protocol");
        assert!(error.to_string().contains("ignored a part of the query"), "{error}");
    }
    // With one good condition beside it the instance drops the bad one only.
    let half = with(&rig, &[("phone_fields", list(&["phnoe", "phone"]))]);
    let connection = rig.open_with(half).expect("settings");
    assert_eq!(names(&find(&connection, Lane::Call, &[ask()]).await[0]), ["John Doe"]);
    let findings = connection.check.check().await;
    let flaws: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.outcome.is_err())
        .map(|finding| finding.what.as_str())
        .collect();
    assert_eq!(flaws, ["customer_contact.phnoe", "search by customer_contact.phnoe"]);
}

#[tokio::test]
async fn what_cannot_be_written_into_a_query_is_nobodys() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    for odd in ["x^ORactive=true", "javascript:gs.getUserID()", "NULL", "a^NQsys_idISNOTEMPTY"] {
        let found = find(&connection, Lane::Call, &[by_email(odd)]).await.remove(0);
        assert!(found.is_empty(), "{odd}");
    }
    assert_eq!(rig.requests().1, before, "nothing was asked");
}

#[tokio::test]
async fn an_instance_that_answers_200_and_is_sick_is_told_as_what_it_is() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    for (fault, kind, words) in [
        ("hibernating", "protocol", "hibernates"),
        ("cancelled", "unavailable", "gave up the query"),
        ("error", "unavailable", "status 500"),
    ] {
        rig.faults().add(Rule::always(Fault::Vendor(fault.to_owned())).on(rig.api));
        let error = lookup.find(Lane::Call, &[ask()]).await.expect_err(fault);
        assert_eq!(error.kind(), kind, "{fault}");
        assert!(error.to_string().contains(words), "{error}");
        rig.faults().clear();
    }
}

#[tokio::test]
async fn a_token_that_still_lives_is_replaced_by_its_refresh_token() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let tokens = connection.tokens.as_ref().expect("tokens");
    let first = tokens.current().expect("a token");
    tokens.reject(&first);
    let second = tokens.fresh(Duration::from_secs(5)).await.expect("another token");
    assert_ne!(first.value.reveal(), second.value.reveal());
    let bodies: Vec<String> = rig.faults().requests().log().into_iter().map(|r| r.body).collect();
    assert!(bodies[0].starts_with("grant_type=client_credentials"));
    assert!(bodies[1].starts_with("grant_type=refresh_token"), "the same token would come again");
}

#[tokio::test]
async fn a_password_grant_needs_its_client_and_its_user() {
    let rig = instance(Config::default()).await;
    for missing in ["client_id", "client_secret", "username", "password"] {
        let mut settings = rig.logins[1].clone();
        settings.plain.remove(missing);
        settings.secrets.remove(missing);
        let Err(Error::Invalid { field, .. }) = rig.open_with(settings) else {
            panic!("{missing}")
        };
        assert_eq!(field.as_deref(), Some(missing));
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_link_and_by_no_other() {
    let rig = instance(Config { people: 30, ..Config::default() }).await;
    let data: toml::Table = [("openCases".to_owned(), "u_open_cases".into())].into_iter().collect();
    let settings = [("account_key", "account_code".into()), ("account_data", data.into())];
    let connection = rig.open_with(with(&rig, &settings)).expect("settings");
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["1000001", "nobody", "a^b", ""].map(str::to_owned);
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let acme = found[0].as_ref().expect("the account");
    assert_eq!(acme.name, "Acme Corporation");
    assert_eq!(acme.data["openCases"], Value::from("2"));
    assert!(found[1..].iter().all(Option::is_none));
    let wrong =
        rig.open_with(with(&rig, &[("account_key", "acount_code".into())])).expect("settings");
    let accounts = wrong.accounts.as_ref().expect("accounts");
    let error = accounts.find(Lane::Call, &ids).await.expect_err("every account came back");
    assert_eq!(error.kind(), "protocol");
}

fn activity(rig: &Rig<Instance>) -> Activity {
    Activity {
        call: CallId::new("call-1").expect("an id"),
        record: john(rig),
        known: None,
        subject: "A call".to_owned(),
        body: "What was said".to_owned(),
        direction: Direction::Inbound,
        started: Timestamp(1_795_292_100_000),
        duration_ms: 65_000,
        wrap_up: Some("Resolved".to_owned()),
    }
}

#[tokio::test]
async fn what_was_said_of_a_call_is_noted_once_and_what_is_new_is_added() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let journal = connection.journal.as_ref().expect("a journal");
    let first = journal.write(&activity(&rig)).await.expect("written");
    let known = Some(first.id.clone());
    let later = Activity { known, body: "And more".to_owned(), ..activity(&rig) };
    for again in [&activity(&rig), &later, &later, &activity(&rig)] {
        assert_eq!(journal.write(again).await.expect("written"), first);
    }
    assert_eq!(rig.simulator.values("sys_journal_field", "value"), ["What was said", "And more"]);
    let value = |column| rig.simulator.values("interaction", column).remove(0);
    assert_eq!(value("client_session_id"), "call-1");
    assert_eq!(value("type"), "phone");
    assert_eq!(value("direction"), "inbound");
    assert_eq!(value("contact"), john(&rig));
    assert_eq!(value("opened_at"), "2026-11-21 20:15:00");
    assert_eq!(value("closed_at"), "2026-11-21 20:16:05");
    assert_eq!(rig.simulator.count("interaction"), 1);
}

#[tokio::test]
async fn notes_that_cannot_be_read_are_not_written_again() {
    let unreadable = ["sys_journal_field".to_owned()].into();
    let rig = instance(Config { unreadable, ..Config::default() }).await;
    let connection = rig.open().await;
    let journal = connection.journal.as_ref().expect("a journal");
    for _ in 0..3 {
        journal.write(&activity(&rig)).await.expect("written");
    }
    assert_eq!(rig.simulator.count("sys_journal_field"), 1);
}

#[tokio::test]
async fn no_activity_is_made_where_its_key_would_be_ignored() {
    let rig = instance(Config::default()).await;
    rig.simulator.add("interaction", &[("short_description", "another")]);
    let wrong = with(&rig, &[("journal_key", "client_sesion_id".into())]);
    let connection = rig.open_with(wrong).expect("settings");
    let journal = connection.journal.as_ref().expect("a journal");
    let error = journal.write(&activity(&rig)).await.expect_err("no such field");
    assert!(
        matches!(error, Error::Invalid { field: Some(field), .. } if field == "client_sesion_id")
    );
    assert_eq!(rig.simulator.count("interaction"), 1);
}

/// Everything there is from a cursor on: saved and deleted ids, and the last cursor.
async fn drain(
    connection: &Capabilities,
    mut cursor: Option<String>,
    page_max: usize,
) -> (Vec<String>, Vec<String>, String) {
    let changes = connection.changes.as_ref().expect("changes");
    let (mut saved, mut deleted) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        let fields = vec!["name".to_owned(), "email".to_owned()];
        let ask = ChangesAsk { object: CONTACTS.to_owned(), fields, cursor, page_max };
        let page = changes.page(&ask).await.expect("a page");
        for change in page.changes {
            match change {
                Change::Saved(record) => saved.push(record.id),
                Change::Deleted { id, .. } => deleted.push(id),
            }
        }
        cursor = Some(page.cursor);
        if !page.has_more {
            return (saved, deleted, cursor.expect("a cursor"));
        }
    }
    panic!("no end");
}

#[tokio::test]
async fn every_change_is_told_though_all_have_one_time_and_pages_are_small() {
    let rig = instance(Config { people: 120, ..Config::default() }).await;
    let ids = rig.simulator.values(CONTACTS, "sys_id");
    for id in &ids {
        rig.simulator.backdate(id, "2026-01-01 00:00:00");
    }
    let connection = rig.open().await;
    let (mut saved, deleted, cursor) = drain(&connection, None, 7).await;
    saved.sort();
    let mut all = ids.clone();
    all.sort();
    assert_eq!((saved, deleted.len()), (all, 0), "each once");
    let (again, _, cursor) = drain(&connection, Some(cursor), 7).await;
    assert!(again.is_empty(), "what is old is not told again");
    rig.simulator.change(&ids[5], &[("title", "Chief")]);
    let (changed, _, cursor) = drain(&connection, Some(cursor), 7).await;
    assert_eq!(changed, [ids[5].clone()]);
    // A transaction that ends now and began three minutes ago.
    let late = rig.simulator.values(CONTACTS, "sys_updated_on")[5].clone();
    let minutes = Timestamp::parse(&late).expect("a time").minus(Duration::from_secs(180));
    let earlier = minutes.to_string().replace('T', " ");
    rig.simulator.backdate(&ids[9], &earlier[..19]);
    let (late, _, _) = drain(&connection, Some(cursor), 7).await;
    assert!(late.contains(&ids[9]), "{late:?}");
}

#[tokio::test]
async fn rows_that_an_acl_hides_end_nothing() {
    let rig = instance(Config { people: 40, ..Config::default() }).await;
    let ids = rig.simulator.values(CONTACTS, "sys_id");
    for (at, id) in ids.iter().enumerate() {
        rig.simulator.backdate(id, &format!("2026-01-01 00:{at:02}:00"));
        if (5..30).contains(&at) {
            rig.simulator.hide(id);
        }
    }
    let connection = rig.open().await;
    let (saved, _, _) = drain(&connection, None, 4).await;
    let seen: Vec<String> = ids[..5].iter().chain(&ids[30..]).cloned().collect();
    assert_eq!(saved, seen);
}

#[tokio::test]
async fn a_deletion_is_told_and_who_came_back_is_not_deleted() {
    let rig = instance(Config { people: 5, ..Config::default() }).await;
    let deletions = with(&rig, &[("deletions", true.into())]);
    let connection = rig.open_with(deletions).expect("settings");
    for finding in connection.check.check().await {
        assert_eq!(finding.outcome, Ok(()), "{}", finding.what);
    }
    assert!(connection.changes.as_ref().expect("changes").tells_deletions());
    let (_, _, cursor) = drain(&connection, None, 100).await;
    let ids = rig.simulator.values(CONTACTS, "sys_id");
    assert!(rig.simulator.delete(&ids[2]));
    let restored = [("tablename", CONTACTS), ("documentkey", ids[3].as_str())];
    rig.simulator.add("sys_audit_delete", &restored);
    rig.simulator.add("sys_audit_delete", &[("tablename", "incident"), ("documentkey", &ids[4])]);
    let (saved, deleted, _) = drain(&connection, Some(cursor), 100).await;
    assert_eq!(deleted, [ids[2].clone()]);
    assert!(saved.contains(&ids[3]) && !saved.contains(&ids[2]));
}

#[tokio::test]
async fn changes_are_refused_rather_than_guessed() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let changes = connection.changes.as_ref().expect("changes");
    let ask = |object: &str, field: &str, cursor: Option<&str>| ChangesAsk {
        object: object.to_owned(),
        fields: vec![field.to_owned()],
        cursor: cursor.map(str::to_owned),
        page_max: 10,
    };
    for (wrong, kind) in [
        (ask("a^b", "name", None), "invalid"),
        (ask("no_such_table", "name", None), "invalid"),
        (ask(CONTACTS, "Name", None), "invalid"),
        (ask(CONTACTS, "nmae", None), "forbidden"),
        (ask(CONTACTS, "name", Some("x")), "invalid"),
    ] {
        assert_eq!(changes.page(&wrong).await.expect_err("refused").kind(), kind, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_not_utc_is_found() {
    let rig = instance(Config { user_hours: 2, ..Config::default() }).await;
    let connection = rig.open().await;
    let findings = connection.check.check().await;
    let flaw = findings.iter().find(|finding| finding.what == "time zone").expect("looked at");
    assert!(flaw.outcome.is_err());
}

#[tokio::test]
async fn a_record_is_made_once_by_its_key() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let before = rig.simulator.count(CONTACTS);
    let key = ("u_external_key", "K-1");
    let new = fields(&[("first_name", json!("Ada")), ("last_name", json!("Byron"))]);
    rig.faults().add(Rule { method: Some("POST".to_owned()), ..Rule::always(Fault::Truncate) });
    let lost = writes.create(CONTACTS, key, &new).await.expect_err("no answer");
    assert!(lost.is_worth_retrying(), "{lost}");
    rig.faults().clear();
    let saved = writes.create(CONTACTS, key, &new).await.expect("found again");
    assert!(!saved.is_new);
    assert_eq!(rig.simulator.count(CONTACTS), before + 1);
    let other = writes.create(CONTACTS, ("u_external_key", "K-2"), &new).await.expect("made");
    assert!(other.is_new && other.id != saved.id);
    rig.simulator.add(CONTACTS, &[("u_external_key", "K-2")]);
    let error = writes.create(CONTACTS, ("u_external_key", "K-2"), &new).await;
    assert_eq!(error.expect_err("two have it").kind(), "conflict");
    for key in [("u_no_such_key", "x"), ("u_external_key", "a^b"), ("U^", "x")] {
        let error = writes.create(CONTACTS, key, &new).await.expect_err("refused");
        assert_eq!(error.kind(), "invalid", "{key:?}");
    }
    assert_eq!(rig.simulator.count(CONTACTS), before + 3, "nothing more was made");
}

fn keyed(key: &str) -> Write {
    let key = ("u_external_key".to_owned(), key.to_owned());
    Write::Create { key, fields: fields(&[("last_name", json!("Byron"))]) }
}

#[tokio::test]
async fn a_batch_whose_time_is_over_is_tried_again_where_it_ended() {
    let rig = instance(Config { calls_per_batch: Some(3), ..Config::default() }).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let before = rig.simulator.count(CONTACTS);
    let rows: Vec<Write> = (0..5).map(|n| keyed(&format!("B-{n}"))).collect();
    let told = writes.write(CONTACTS, &rows).await.expect("tried");
    let is_new = |one: &Result<Saved, Error>| one.as_ref().is_ok_and(|saved| saved.is_new);
    assert!(told[..3].iter().all(is_new), "{told:?}");
    let left: Vec<&Error> = told[3..].iter().filter_map(|one| one.as_ref().err()).collect();
    assert!(left.len() == 2 && left.iter().all(|error| error.is_worth_retrying()), "{told:?}");
    assert_eq!(rig.simulator.count(CONTACTS), before + 3);
    let told = writes.write(CONTACTS, &rows[3..]).await.expect("tried");
    assert!(told.iter().all(is_new) && rig.simulator.count(CONTACTS) == before + 5);
}

#[tokio::test]
async fn a_batch_that_was_written_and_not_answered_is_not_written_twice() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let before = rig.simulator.count(CONTACTS);
    let rows: Vec<Write> = (0..4).map(|n| keyed(&format!("L-{n}"))).collect();
    // The first batch asks for the keys, the second writes.
    let asking = Rule::always(Fault::slow(Duration::ZERO)).on("/batch").times(1);
    rig.faults().add(asking);
    rig.faults().add(Rule::always(Fault::Truncate).on("/batch").times(1));
    let told = writes.write(CONTACTS, &rows).await.expect("tried");
    assert!(told.iter().all(|one| one.as_ref().is_err_and(Error::is_worth_retrying)), "{told:?}");
    assert_eq!(rig.simulator.count(CONTACTS), before + 4, "it was done");
    let told = writes.write(CONTACTS, &rows).await.expect("tried");
    assert!(told.iter().all(|one| one.as_ref().is_ok_and(|saved| !saved.is_new)), "{told:?}");
    assert_eq!(rig.simulator.count(CONTACTS), before + 4);
}

#[tokio::test]
async fn where_batches_are_refused_records_go_one_by_one() {
    let odd = Some(json!({ "error": { "message": "too large", "detail": null } }).to_string());
    let faults = [
        (Fault::Vendor("not_found".to_owned()), true),
        (Fault::Vendor("forbidden".to_owned()), true),
        // That of one batch is not held against the API.
        (Fault::Status { code: 400, body: odd }, false),
    ];
    for (fault, is_kept_to) in faults {
        let rig = instance(Config::default()).await;
        let connection = rig.open().await;
        let writes = connection.writes.as_ref().expect("writes");
        let row = |name: &str| {
            let set = fields(&[("first_name", json!(name))]);
            [Write::Update { id: john(&rig), seen: None, fields: set }, keyed(name)]
        };
        rig.faults().add(Rule::always(fault).on("/batch").times(2));
        let told = writes.write(CONTACTS, &row("Jack")).await.expect("tried");
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        assert_eq!(rig.simulator.values(CONTACTS, "first_name")[0], "Jack");
        rig.faults().clear();
        let told = writes.write(CONTACTS, &row("Jim")).await.expect("tried");
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        assert_eq!(rig.simulator.values(CONTACTS, "first_name")[0], "Jim");
        let log = rig.faults().requests().log();
        let asked = log.iter().filter(|seen| seen.target.contains("/batch")).count();
        assert_eq!(asked == 1, is_kept_to, "{asked}");
    }
}

#[tokio::test]
async fn a_time_goes_into_a_column_of_times_as_the_instance_writes_it() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let forms = connection.forms.as_ref().expect("forms");
    let at = Value::from("2026-11-21T18:55:00Z");
    let text = forms.form("interaction", "opened_at", Some(Kind::Text)).expect("a form");
    assert_eq!(text.write(Some(&at)), json!("2026-11-21T18:55:00Z"), "nothing is known yet");
    let asked = ["opened_at".to_owned(), "short_description".to_owned()];
    assert!(forms.prepare("interaction", &asked).await.expect("prepared").is_empty());
    assert_eq!(text.write(Some(&at)), json!("2026-11-21 18:55:00"), "by the dictionary");
    let plain = forms.form("interaction", "short_description", None).expect("a form");
    assert_eq!(plain.write(Some(&at)), json!("2026-11-21T18:55:00Z"), "a text stays as it is");
    let moment = forms.form(CONTACTS, "u_seen", Some(Kind::Moment)).expect("a form");
    assert_eq!(moment.write(Some(&at)), json!("2026-11-21 18:55:00"));
    let path = forms.form(CONTACTS, "customer_contact.account.name", None).expect("a form");
    assert!(path.field == "account.name" && !path.can_write);
    let none = forms.prepare(CONTACTS, &["u_no_such_field".to_owned()]).await;
    assert_eq!(none.expect_err("no such field").kind(), "invalid");
}

#[tokio::test]
async fn a_record_is_changed_only_as_it_was_seen() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let id = john(&rig);
    let (ids, title) = ([id.clone(), "e".repeat(32)], ["title".to_owned()]);
    let mut read = writes.read(Lane::Background, CONTACTS, &ids, &title).await.expect("records");
    assert_eq!(read.pop(), Some(None));
    let seen = read.remove(0).expect("John");
    assert_eq!(seen.fields["title"], json!("Buyer"));
    let version = seen.version.as_deref();
    let chief = fields(&[("title", json!("Chief")), ("home_phone", json!(null))]);
    let saved = writes.update(CONTACTS, &id, version, &chief).await.expect("changed");
    assert_eq!(saved.version.as_deref(), Some("1"));
    let again = writes.update(CONTACTS, &id, version, &chief).await.expect("done already");
    assert_eq!(again.version, None, "whose version it is now, nobody can say");
    let other = fields(&[("title", json!("Other"))]);
    let error = writes.update(CONTACTS, &id, version, &other).await.expect_err("changed since");
    assert_eq!(error.kind(), "conflict");
    assert_eq!(rig.simulator.values(CONTACTS, "title")[0], "Chief");
    assert_eq!(rig.simulator.values(CONTACTS, "email")[0], EMAIL, "all else is left alone");
    let unknown = fields(&[("title", json!("Other")), ("ttile", json!("x"))]);
    let error = writes.update(CONTACTS, &id, None, &unknown).await.expect_err("no such field");
    assert_eq!(error.kind(), "invalid");
    assert_eq!(rig.simulator.values(CONTACTS, "title")[0], "Chief", "nothing half done");
    let gone = writes.update(CONTACTS, &"e".repeat(32), None, &other).await.expect_err("nobody");
    assert_eq!(gone, Error::NotFound);
    assert_eq!(
        writes.delete(CONTACTS, &id, Some("0")).await.expect_err("stale").kind(),
        "conflict"
    );
    writes.delete(CONTACTS, &id, Some("1")).await.expect("deleted");
    writes.delete(CONTACTS, &id, Some("1")).await.expect("gone already");
}

#[tokio::test]
async fn a_field_that_may_not_be_written_is_told() {
    let unwritable =
        ["customer_contact.title".to_owned(), "customer_contact.u_external_key".to_owned()];
    let rig = instance(Config { unwritable: unwritable.into(), ..Config::default() }).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let other = fields(&[("title", json!("Other"))]);
    let error = writes.update(CONTACTS, &john(&rig), None, &other).await.expect_err("ignored");
    assert_eq!(error, Error::Forbidden { missing: "writing customer_contact.title".to_owned() });
    let error = writes.create(CONTACTS, ("u_external_key", "K-9"), &other).await;
    assert_eq!(error.expect_err("the key was ignored").kind(), "forbidden");
}

/// An instance where a column of contacts may not be written, and who writes there.
async fn without(column: &str) -> (Rig<Instance>, std::sync::Arc<dyn kit::Writes>) {
    let unwritable = [format!("{CONTACTS}.{column}")].into();
    let rig = instance(Config { unwritable, ..Config::default() }).await;
    let writes = rig.open().await.writes.expect("writes");
    (rig, writes)
}

fn new_rows(count: usize) -> Vec<kit::Write> {
    let row = |at: usize| kit::Write::Create {
        key: ("u_external_key".to_owned(), format!("K-{at}")),
        fields: fields(&[("title", json!("Chief"))]),
    };
    (0..count).map(row).collect()
}

#[tokio::test]
async fn what_was_made_without_its_key_is_taken_away_again() {
    let (rig, writes) = without("u_external_key").await;
    let before = rig.simulator.count(CONTACTS);
    let missing = format!("writing {CONTACTS}.u_external_key");
    let key = ("u_external_key", "K-0");
    let deleted = |rig: &Rig<Instance>| {
        let log = rig.faults().requests().log();
        log.iter().filter(|seen| seen.method == "DELETE").count()
    };
    for _ in 0..3 {
        let told = writes.create(CONTACTS, key, &fields(&[("title", json!("Chief"))])).await;
        assert_eq!(told, Err(Error::Forbidden { missing: missing.clone() }));
        assert_eq!(rig.simulator.count(CONTACTS), before);
    }
    assert_eq!(deleted(&rig), 1, "nothing more is made by a key that is ignored");
    for told in writes.write(CONTACTS, &new_rows(3)).await.expect("tried") {
        assert_eq!(told, Err(Error::Forbidden { missing: missing.clone() }));
    }
    assert_eq!((rig.simulator.count(CONTACTS), deleted(&rig)), (before, 1));
    // In a batch, which is the first to find out.
    let (rig, writes) = without("u_external_key").await;
    for told in writes.write(CONTACTS, &new_rows(3)).await.expect("tried") {
        assert_eq!(told, Err(Error::Forbidden { missing: missing.clone() }));
    }
    assert_eq!((rig.simulator.count(CONTACTS), deleted(&rig)), (before, 3));
}

#[tokio::test]
async fn what_cannot_be_taken_away_is_named_and_nothing_is_made_beside_it() {
    let (rig, writes) = without("u_external_key").await;
    let before = rig.simulator.values(CONTACTS, "sys_id");
    let refused = Fault::Vendor("forbidden".to_owned());
    let delete = Rule { method: Some("DELETE".to_owned()), ..Rule::always(refused) };
    rig.faults().add(delete);
    let rows = new_rows(1);
    for _ in 0..3 {
        let told = writes.write(CONTACTS, &rows).await.expect("tried").remove(0);
        let Err(Error::Forbidden { missing }) = &told else { panic!("{told:?}") };
        let now = rig.simulator.values(CONTACTS, "sys_id");
        let left: Vec<&String> = now.iter().filter(|id| !before.contains(id)).collect();
        let [left] = left.as_slice() else { panic!("{left:?}") };
        assert!(missing.contains("u_external_key") && missing.contains(*left), "{missing}");
    }
}

#[tokio::test]
async fn a_record_is_made_whole_or_not_at_all() {
    // Without its title it would look as if somebody had emptied that.
    let (rig, writes) = without("title").await;
    let before = rig.simulator.count(CONTACTS);
    let missing = format!("writing {CONTACTS}.title");
    for told in writes.write(CONTACTS, &new_rows(2)).await.expect("tried") {
        assert_eq!(told, Err(Error::Forbidden { missing: missing.clone() }));
    }
    assert_eq!(rig.simulator.count(CONTACTS), before);
    let plain = fields(&[("name", json!("Ann"))]);
    let made = writes.create(CONTACTS, ("u_external_key", "K-0"), &plain).await.expect("made");
    assert!(made.is_new);
}

#[tokio::test]
async fn what_an_administrator_wrote_is_sent_within_the_api() {
    let rig = instance(Config::default()).await;
    let connection = rig.open().await;
    let requests = connection.requests.as_ref().expect("requests");
    let place = kit::Place::Query("sysparm_query");
    let language = requests.language(place).expect("a language");
    let value = (language.literal)("email=", EMAIL).expect("a value");
    let custom = Custom {
        method: "GET".to_owned(),
        path: "/now/table/customer_contact".to_owned(),
        query: vec![
            ("sysparm_query".to_owned(), format!("email={value}")),
            ("sysparm_fields".to_owned(), "name".to_owned()),
        ],
        headers: vec![("x-trace".to_owned(), "7".to_owned())],
        body: None,
    };
    let answer = requests.send(Lane::Call, &custom).await.expect("an answer");
    assert_eq!(answer, json!({ "result": [{ "name": "John Doe" }] }));
    let seen = rig.faults().requests().log().pop().expect("a request");
    assert_eq!(seen.header("x-trace"), Some("7"));
    let log = rig.requests().1;
    for wrong in [
        Custom { path: "/../oauth_token.do".to_owned(), ..custom.clone() },
        Custom { method: "CONNECT".to_owned(), ..custom.clone() },
        Custom { headers: vec![("Authorization".to_owned(), "x".to_owned())], ..custom.clone() },
        Custom { headers: vec![("x-a".to_owned(), "a\nb: c".to_owned())], ..custom },
    ] {
        let error = requests.send(Lane::Call, &wrong).await.expect_err("refused");
        assert_eq!(error.kind(), "invalid", "{wrong:?}");
    }
    assert_eq!(rig.requests().1, log, "nothing was sent");
}

#[tokio::test]
async fn a_rules_hour_is_waited_out_where_it_is_used_up() {
    let rig = instance(Config { requests_per_hour: Some(2), ..Config::default() }).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let nobody = Ask { record: Some("0".repeat(32)), ..Ask::default() };
    let mut refused = None;
    for _ in 0..3 {
        refused = lookup.find(Lane::Call, std::slice::from_ref(&nobody)).await.err();
    }
    assert_eq!(refused.expect("two an hour").kind(), "rate_limited");
    let standing = connection.turnstile.budget().standing();
    assert_eq!((standing.left, standing.is_low), (Some(0), true));
    assert!(standing.resets_in.is_some_and(|left| left > Duration::from_secs(3_000)));
    let (_, before) = rig.requests();
    lookup.find(Lane::Call, &[nobody]).await.expect_err("told without asking");
    assert_eq!(rig.requests().1, before);
}

#[tokio::test]
async fn the_roles_of_the_integration_user_are_told() {
    let rights = |roles: &[&str], unreadable: &[&str]| {
        let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let unreadable = words(unreadable).into_iter().collect();
        let config = Config { roles: words(roles), unreadable, ..Config::default() };
        async move { instance(config).await.open().await.check.rights().await.expect("asked") }
    };
    let usual = rights(&["itil", "snc_platform_rest_api_access"], &[]).await;
    assert_eq!(usual.granted.as_ref().map(Vec::len), Ok(2), "{usual:?}");
    assert_eq!(usual.administrator, None);
    let broad = rights(&["itil", "admin"], &[]).await;
    assert_eq!(broad.administrator.as_deref(), Some("the role admin"));
    assert!((broad.covers)("admin", "whatever"));
    for (roles, unreadable) in [(&["itil"][..], &["sys_user_has_role"][..]), (&[], &[])] {
        let untold = rights(roles, unreadable).await;
        assert!(untold.granted.is_err() && untold.administrator.is_none(), "{untold:?}");
    }
}
