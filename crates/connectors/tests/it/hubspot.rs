//! The HubSpot connector against the simulated account.

use crate::followed::{drain, fields, gone, saved};
use crate::rig::{Rig, ask, phone};
use connectors::hubspot::sim::{Config, HubSpot, start};
use connectors::hubspot::simulate;
use domain::{CallId, Contact, Direction, Timestamp, Value};
use kit::{Activity, Ask, Capabilities, Custom, Error, Lane, Place};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::time::Duration;

const JOHN: &str = "+15550199999";

async fn account(config: Config) -> Rig<HubSpot> {
    let account = start(config).await.expect("a port");
    let logins = simulate::logins(&account, &account.url());
    let connector = connectors::by_name("hubspot").expect("HubSpot");
    Rig::new(connector, Box::new(account), logins, simulate::API)
}

/// With as many searches as a test needs.
async fn patient(config: Config) -> Rig<HubSpot> {
    account(Config { searches: 50, requests: 1_000, ..config }).await
}

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

async fn find(connection: &Capabilities, lane: Lane, ask: Ask) -> Vec<Contact> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(lane, &[ask]).await.expect("an answer").remove(0)
}

fn names(contacts: &[Contact]) -> Vec<&str> {
    let mut names: Vec<&str> = contacts.iter().map(|contact| contact.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_call_asks_one_search_for_ten_numbers_and_finds_any_form() {
    let rig = patient(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let mut asks: Vec<Ask> = (0..8).map(|n| by_phone(&format!("+1415555{n:04}"))).collect();
    asks.extend([by_phone(JOHN), by_phone("+15550198888")]);
    let (_, before) = rig.requests();
    let found = lookup.find(Lane::Call, &asks).await.expect("an answer");
    assert_eq!(rig.requests().1 - before, 1);
    assert_eq!(names(&found[8]), ["Jane Smith", "John Doe"]);
    assert_eq!(names(&found[9]), ["Maria Garcia"], "grouped as nobody expects");
    assert_eq!(found[9][0].data["loyaltyTier"], Value::from("Bronze"));
    assert!(found[9][0].account.is_some() && found[9][0].url.is_some());
    assert!(found[..8].iter().all(Vec::is_empty));
}

#[tokio::test]
async fn an_e_mail_is_found_at_once_where_the_search_lags() {
    let rig = patient(Config { index_lag: Duration::from_secs(3_600), ..Config::default() }).await;
    let connection = rig.open().await;
    rig.simulator.add(
        "contacts",
        &[("lastname", "New"), ("email", "new@example.com"), ("phone", "+14155550123")],
    );
    assert_eq!(find(&connection, Lane::Call, by_phone("+14155550123")).await, []);
    let new = find(&connection, Lane::Call, by_email("NEW@example.com")).await;
    assert_eq!(names(&new), ["New"]);
    let by_id = Ask { record: Some(new[0].record.clone()), ..Ask::default() };
    assert_eq!(names(&find(&connection, Lane::Call, by_id).await), ["New"]);
    // What the index still says of somebody who has changed is compared with who they are.
    let john = find(&connection, Lane::Call, by_email("john.doe@example.com")).await.remove(0);
    rig.simulator.change("contacts", &john.record, &[("phone", "+14155550199")]);
    assert_eq!(names(&find(&connection, Lane::Call, by_phone(JOHN)).await), ["Jane Smith"]);
}

#[tokio::test]
async fn searches_keep_to_five_a_second_and_calls_go_first() {
    let rig = account(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    for _ in 0..5 {
        lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect("five");
    }
    let refused = lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect_err("the sixth");
    assert!(matches!(refused, Error::RateLimited { retry_after: Some(_) }));
    assert_eq!(
        names(&find(&connection, Lane::Call, by_email("john.doe@example.com")).await),
        ["John Doe"]
    );
    let behind = find(&connection, Lane::Background, by_phone(JOHN)).await;
    assert_eq!(behind.len(), 2, "waits its turn");
    assert!(
        rig.faults().requests().log().iter().all(|seen| seen.status != 429),
        "HubSpot never had to say no"
    );
}

#[tokio::test]
async fn each_throttle_pauses_what_it_is_about() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    rig.faults().add(Rule::always(Fault::Throttled).on("/search").times(1));
    assert_eq!(
        lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect_err("told").kind(),
        "rate_limited"
    );
    lookup.find(Lane::Call, &[by_email("x@example.com")]).await.expect("e-mails are no searches");
    assert!(lookup.find(Lane::Call, &[by_phone(JOHN)]).await.is_err(), "searches pause");
    for (vendor, kind) in
        [("scopes", "forbidden"), ("locked", "unavailable"), ("error", "unavailable")]
    {
        rig.faults().add(Rule::always(Fault::Vendor(vendor.to_owned())).on("/batch/read").times(1));
        let error = lookup.find(Lane::Call, &[by_email("x@example.com")]).await.expect_err(vendor);
        assert_eq!(error.kind(), kind, "{error}");
    }
    rig.faults()
        .add(Rule::always(Fault::Vendor("migration".to_owned())).on("/batch/read").times(1));
    let moving = lookup.find(Lane::Call, &[by_email("x@example.com")]).await.expect_err("moving");
    assert_eq!(moving, Error::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert!(
        lookup.find(Lane::Call, &[by_email("x@example.com")]).await.is_err(),
        "everything pauses"
    );
}

#[tokio::test]
async fn the_days_last_requests_belong_to_calls() {
    let rig = patient(Config { daily: 14, ..Config::default() }).await;
    let connection = rig.open().await;
    for _ in 0..4 {
        find(&connection, Lane::Call, by_email("john.doe@example.com")).await;
    }
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let refused =
        lookup.find(Lane::Background, &[by_email("a@example.com")]).await.expect_err("ten left");
    assert_eq!(refused.kind(), "rate_limited");
    lookup.find(Lane::Call, &[by_email("a@example.com")]).await.expect("calls go on");
}

#[tokio::test]
async fn tokens_of_an_app_are_refreshed_once_also_where_the_refresh_token_rotates() {
    let rig = patient(Config { rotates: true, ..Config::default() }).await;
    let connection = rig.open_with(rig.logins[1].clone()).expect("complete settings");
    for round in 1..4 {
        find(&connection, Lane::Background, by_email("john.doe@example.com")).await;
        assert_eq!(rig.requests().0, round);
        rig.simulator.revoke_tokens();
    }
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let told = lookup.find(Lane::Call, &[by_email("x@example.com")]).await.expect_err("ended");
    assert_eq!(told.kind(), "unauthorized");
}

#[tokio::test]
async fn numbered_and_dated_paths_lead_to_the_same() {
    let rig = patient(Config::default()).await;
    for (version, path) in
        [("v3", "/crm/v3/objects/contacts"), ("2026-03", "/crm/objects/2026-03/contacts")]
    {
        let mut settings = rig.logins[0].clone();
        settings.plain.insert("api_version".to_owned(), version.into());
        let connection = rig.open_with(settings).expect("complete settings");
        rig.faults().requests().clear();
        assert_eq!(find(&connection, Lane::Background, ask()).await.len(), 2);
        let log = rig.faults().requests().log();
        assert!(log.iter().all(|seen| seen.target.starts_with(path)), "{version}");
    }
}

#[tokio::test]
async fn who_was_merged_away_is_followed() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let john =
        find(&connection, Lane::Call, by_email("john.doe@example.com")).await.remove(0).record;
    let jane =
        find(&connection, Lane::Call, by_email("jane.smith@example.com")).await.remove(0).record;
    assert_eq!(lookup.successor(Lane::Background, &jane).await, Ok(None), "still there");
    let (_, cursor) = drain(&connection, "contacts", &["lastname"], None, 200).await;
    assert!(rig.simulator.merge(&john, &jane));
    assert_eq!(lookup.successor(Lane::Background, &jane).await, Ok(Some(john.clone())));
    let by_id = Ask { record: Some(jane.clone()), ..Ask::default() };
    assert_eq!(find(&connection, Lane::Call, by_id).await, [], "another record is no answer");
    let (more, _) = drain(&connection, "contacts", &["lastname"], Some(cursor), 200).await;
    assert_eq!(gone(&more), [(jane, Some(john))]);
    for other in ["1", "x", ""] {
        assert_eq!(lookup.successor(Lane::Background, other).await, Ok(None));
    }
}

#[tokio::test]
async fn changes_miss_nobody_also_where_many_have_one_time() {
    let rig = patient(Config { people: 60, ..Config::default() }).await;
    let connection = rig.open().await;
    let (all, _) = drain(&connection, "contacts", &["email"], None, 200).await;
    for id in saved(&all).iter().take(30) {
        rig.simulator.set_modified("contacts", id, 1_795_292_100_000);
    }
    let (all, cursor) = drain(&connection, "contacts", &["email"], None, 4).await;
    assert_eq!(saved(&all).len(), rig.simulator.count("contacts"));
    let id = &saved(&all)[7];
    rig.simulator.change("contacts", id, &[("lastname", "Changed")]);
    let (more, cursor) = drain(&connection, "contacts", &["lastname"], Some(cursor), 200).await;
    assert!(saved(&more).contains(id));
    // As if ten minutes had gone by since the list of what was archived was walked.
    rig.simulator.archive("contacts", id);
    let parts: Vec<String> = cursor.split('/').map(str::to_owned).collect();
    let since = parts[3].parse::<i64>().expect("a time") - 900_000;
    let due = format!("1/w/{}/{since}/0/0", parts[2]);
    let (more, _) = drain(&connection, "contacts", &["lastname"], Some(due), 200).await;
    assert_eq!(gone(&more), [(id.clone(), None)]);
    let reader = connection.changes.as_ref().expect("changes");
    assert!(!reader.tells_deletions(), "those for privacy are in no list");
    for (object, cursor, field) in [("no such", None, "object"), ("contacts", Some("x"), "cursor")]
    {
        let cursor = cursor.map(str::to_owned);
        let ask =
            kit::ChangesAsk { object: object.to_owned(), fields: vec![], cursor, page_max: 9 };
        let error = reader.page(&ask).await.expect_err("refused");
        assert!(matches!(&error, Error::Invalid { field: Some(f), .. } if f == field), "{error}");
    }
}

#[tokio::test]
async fn a_write_is_made_once_touches_only_its_properties_and_sees_others_changes() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let ada = fields(
        json!({ "lastname": "Lovelace", "firstname": "Ada", "mobilephone": "+14155550125" }),
    );
    for key in [("email", "ada@example.com"), ("external_number", "X-1")] {
        let before = rig.simulator.count("contacts");
        let made = writes.create("contacts", key, &ada).await.expect("made");
        let again = writes.create("contacts", key, &ada).await.expect("found");
        assert!(made.is_new && !again.is_new && made.id == again.id, "{key:?}");
        assert_eq!(rig.simulator.count("contacts") - before, 1);

        let names = ["firstname".to_owned(), "mobilephone".to_owned(), "jobtitle".to_owned()];
        let ids = [made.id.clone(), "1".to_owned()];
        let read =
            writes.read(Lane::Background, "contacts", &ids, &names).await.expect("an answer");
        let seen = read[0].clone().expect("Ada");
        assert!(read[1].is_none() && seen.fields["jobtitle"].is_null());
        assert_eq!(seen.version, again.version, "our own write is known again");
        let empty = fields(json!({ "mobilephone": null }));
        let saved = writes.update("contacts", &made.id, seen.version.as_deref(), &empty).await;
        let saved = saved.expect("written");
        let record = rig.simulator.record("contacts", &made.id).expect("Ada");
        assert!(
            !record.contains_key("mobilephone") && record["firstname"] == "Ada",
            "only what was named"
        );

        rig.simulator.change("contacts", &made.id, &[("city", "London")]);
        let stale = writes.update("contacts", &made.id, saved.version.as_deref(), &empty).await;
        assert_eq!(stale.expect_err("changed").kind(), "conflict");
        let stale = writes.delete("contacts", &made.id, saved.version.as_deref()).await;
        assert_eq!(stale.expect_err("changed").kind(), "conflict");
        writes.delete("contacts", &made.id, None).await.expect("archived");
        writes.delete("contacts", &made.id, None).await.expect("gone already");
        let gone = writes.update("contacts", &made.id, None, &empty).await.expect_err("gone");
        assert_eq!(gone, Error::NotFound);
    }
    let odd = fields(json!({ "no_such": "x" }));
    let error =
        writes.create("contacts", ("external_number", "X-2"), &odd).await.expect_err("refused");
    assert!(matches!(&error, Error::Invalid { field: Some(f), .. } if f == "no_such"), "{error}");
    let error = writes.create("contacts", ("lastname", "Doe"), &ada).await.expect_err("not unique");
    assert_eq!(error.kind(), "invalid");
}

#[tokio::test]
async fn companies_are_told_by_id_and_by_a_unique_property() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let company = find(&connection, Lane::Call, ask()).await.remove(0).account.expect("a company");
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = [company.clone(), "1".to_owned(), "no id".to_owned()];
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let acme = found[0].as_ref().expect("Acme");
    assert_eq!(
        (acme.name.as_str(), &acme.data["erpNumber"]),
        ("Acme Corporation", &Value::from("1000001"))
    );
    assert!(found[1].is_none() && found[2].is_none());
    let mut settings = rig.logins[0].clone();
    settings.plain.insert("account_key".to_owned(), "erp_number".into());
    let by_number = rig.open_with(settings).expect("complete settings");
    let accounts = by_number.accounts.as_ref().expect("accounts");
    let ids = ["1000001".to_owned(), "9".to_owned()];
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    assert_eq!(found[0].as_ref().map(|account| account.record.clone()), Some(company));
    assert!(found[1].is_none());
}

#[tokio::test]
async fn a_call_follows_a_correction_of_who_it_was_from() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let john =
        find(&connection, Lane::Call, by_email("john.doe@example.com")).await.remove(0).record;
    let jane =
        find(&connection, Lane::Call, by_email("jane.smith@example.com")).await.remove(0).record;
    let activity = Activity {
        call: CallId::new("corrected").expect("an id"),
        record: john.clone(),
        known: None,
        subject: "A call".to_owned(),
        body: "Words".to_owned(),
        direction: Direction::Inbound,
        started: Timestamp(1_795_292_100_000),
        duration_ms: 65_000,
        wrap_up: None,
    };
    let journal = connection.journal.as_ref().expect("a journal");
    let written = journal.write(&activity).await.expect("written");
    assert_eq!(rig.simulator.contacts_of(&written.id), [john]);
    let corrected = Activity { record: jane.clone(), known: Some(written.id.clone()), ..activity };
    for _ in 0..2 {
        assert_eq!(journal.write(&corrected).await, Ok(written.clone()));
        assert_eq!(rig.simulator.contacts_of(&written.id), [jane.as_str()], "and nobody else");
    }
    rig.simulator.archive("calls", &written.id);
    assert_eq!(journal.write(&corrected).await, Ok(written), "what was deleted stays so");
}

#[tokio::test]
async fn a_data_action_is_plain_json_and_stays_in_the_api() {
    let rig = patient(Config::default()).await;
    let connection = rig.open().await;
    let requests = connection.requests.as_ref().expect("requests");
    assert!(requests.language(Place::Json("value")).is_none());
    let filter =
        json!({ "propertyName": "email", "operator": "EQ", "value": "john.doe@example.com" });
    let request = Custom {
        method: "POST".to_owned(),
        path: "/crm/objects/2026-09/contacts/search".to_owned(),
        query: vec![],
        headers: vec![],
        body: Some(
            json!({ "filterGroups": [{ "filters": [filter] }], "properties": ["lastname"] }),
        ),
    };
    let answer = requests.send(Lane::Call, &request).await.expect("an answer");
    assert_eq!(answer["results"][0]["properties"]["lastname"], "Doe");
    let out = Custom { path: "/oauth/v1/token".to_owned(), ..request };
    assert_eq!(requests.send(Lane::Call, &out).await.expect_err("out").kind(), "invalid");
}

#[tokio::test]
async fn the_scopes_of_an_app_are_told_and_those_of_a_key_are_not() {
    let rig = account(Config::default()).await;
    let mut told = 0;
    for login in &rig.logins {
        let connection = rig.open_with(login.clone()).expect("complete settings");
        let rights = connection.check.rights().await.expect("asked");
        assert_eq!(rights.administrator, None);
        match rights.granted {
            Ok(scopes) => {
                assert!(scopes.contains(&"crm.objects.contacts.read".to_owned()), "{scopes:?}");
                told += 1;
            }
            Err(why) => assert!(why.contains("not of a key"), "{why}"),
        }
    }
    assert_eq!((told, rig.logins.len()), (1, 2));
}

#[tokio::test]
async fn a_scope_over_users_is_an_administrators_breadth() {
    for broad in ["settings.users.write", "settings.users.teams.write"] {
        let scopes = vec!["crm.objects.contacts.read".to_owned(), broad.to_owned()];
        let rig = account(Config { scopes, ..Config::default() }).await;
        let mut warned = 0;
        for login in &rig.logins {
            let connection = rig.open_with(login.clone()).expect("complete settings");
            let rights = connection.check.rights().await.expect("asked");
            if let Some(breadth) = rights.administrator {
                assert_eq!(breadth, format!("the scope {broad}"));
                warned += 1;
            }
        }
        assert_eq!(warned, 1, "a key tells nothing, an app all");
    }
}
