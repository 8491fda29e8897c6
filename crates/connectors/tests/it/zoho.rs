//! The Zoho CRM connector against the simulated organization.

use crate::followed::{drain, fields, gone, saved};
use crate::rig::{Rig, ask, phone};
use connectors::zoho_crm::sim::{Config, Zoho, start};
use connectors::zoho_crm::simulate;
use domain::{Contact, Value};
use kit::{Ask, Capabilities, Custom, Error, Lane, Place};
use serde_json::json;
use sim::faults::{Fault, Rule};
use std::time::Duration;

const JOHN: &str = "+15550199999";

async fn organization(config: Config) -> Rig<Zoho> {
    let zoho = start(config).await.expect("a port");
    let logins = simulate::logins(&zoho);
    let connector = connectors::by_name("zoho_crm").expect("Zoho CRM");
    Rig::new(connector, Box::new(zoho), logins, simulate::API)
}

fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
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
async fn a_call_asks_once_per_module_and_finds_contacts_and_leads() {
    let rig = organization(Config { people: 60, ..Config::default() }).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let mut asks: Vec<Ask> = (0..8).map(|n| by_phone(&format!("+1415555{n:04}"))).collect();
    asks.extend([ask(), by_phone("+15550198888")]);
    assert_eq!(asks.len(), lookup.batch_max());
    let (_, before) = rig.requests();
    let found = lookup.find(Lane::Call, &asks).await.expect("an answer");
    assert_eq!(rig.requests().1 - before, 2, "Contacts and Leads");
    assert_eq!(names(&found[8]), ["John Doe"], "an extension is no form of the number");
    assert_eq!(names(&found[9]), Vec::<&str>::new(), "grouped as nobody expects");
    let behind = find(&connection, Lane::Background, by_phone("+15550198888")).await;
    assert_eq!((names(&behind), behind[0].object.as_str()), (vec!["Maria Garcia"], "Leads"));
}

#[tokio::test]
async fn the_search_finds_any_form_but_not_what_is_new() {
    let rig =
        organization(Config { search_lag: Duration::from_secs(3_600), ..Config::default() }).await;
    let connection = rig.open().await;
    let john = find(&connection, Lane::Background, by_phone(JOHN)).await;
    assert_eq!(names(&john), ["Jane Smith", "John Doe"], "an extension behind the number");
    assert_eq!(john[0].data["loyaltyTier"], Value::from("Gold"));
    rig.simulator.add("Contacts", &json!({ "Last_Name": "New", "Mobile": "+1 415 555 0123" }));
    let new = find(&connection, Lane::Call, by_phone("+14155550123")).await;
    assert_eq!(names(&new), ["New"], "COQL knows it at once");
}

#[tokio::test]
async fn whatever_a_caller_is_called_it_never_becomes_syntax() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    for email in
        ["x' or Email != '", "'')or(id is not null", "o''brien@example.com", "a\\'b@c", "%", "\"@x"]
    {
        let ask = Ask { email: Some(email.to_owned()), ..Ask::default() };
        for lane in [Lane::Call, Lane::Background] {
            assert_eq!(find(&connection, lane, ask.clone()).await, [], "{email}");
        }
    }
    rig.simulator.add("Leads", &json!({ "Last_Name": "O'Brien", "Email": "o'brien@example.com" }));
    let ask = Ask { email: Some("O'Brien@example.com".to_owned()), ..Ask::default() };
    assert_eq!(names(&find(&connection, Lane::Call, ask).await), ["O'Brien"]);
}

#[tokio::test]
async fn a_converted_lead_is_followed_to_its_contact() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let lead = rig.simulator.add("Leads", &json!({ "Last_Name": "Lead", "Phone": "+14155550124" }));
    assert_eq!(lookup.successor(Lane::Background, &lead).await, Ok(None), "still there");
    let contact = rig.simulator.convert(&lead).expect("a contact");
    let ask = Ask { record: Some(lead.clone()), ..Ask::default() };
    assert_eq!(find(&connection, Lane::Call, ask).await, [], "in no list any more");
    assert_eq!(lookup.successor(Lane::Call, &lead).await, Ok(Some(contact)));
    for other in ["1", "x", ""] {
        assert_eq!(lookup.successor(Lane::Background, other).await, Ok(None));
    }
}

#[tokio::test]
async fn a_token_is_sent_nowhere_but_where_it_may_go() {
    let evil = Config {
        api_domain: Some("https://www.zohoapis.com.evil.example".to_owned()),
        ..Config::default()
    };
    let rig = organization(evil).await;
    let mut settings = rig.logins[0].clone();
    settings.plain.insert("api_domain".to_owned(), "https://crm.example".into());
    let connection = rig.open_with(settings).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    let error = tokens.fresh(Duration::from_secs(5)).await.expect_err("refused");
    assert!(matches!(error, Error::Invalid { field: Some(f), .. } if f == "api_domain"));
    let findings = connection.check.check().await;
    let flaw = findings[0].outcome.as_ref().expect_err("a flaw");
    assert!(flaw.message.contains("api_domain"), "{}", flaw.message);
}

#[tokio::test]
async fn too_many_logins_are_not_tried_again_at_once() {
    let rig = organization(Config::default()).await;
    rig.faults().add(Rule::always(Fault::Vendor("login_throttled".to_owned())).on("/oauth/"));
    let connection = rig.open_with(rig.logins[0].clone()).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    let error = tokens.fresh(Duration::from_millis(900)).await.expect_err("no token");
    assert_eq!(error.kind(), "rate_limited");
    assert_eq!(rig.requests().0, 1, "each further try makes it last longer");
}

#[tokio::test]
async fn what_is_left_of_the_credits_stops_background_work_and_not_calls() {
    let rig = organization(Config { credits: 12, ..Config::default() }).await;
    let connection = rig.open().await;
    for _ in 0..2 {
        find(&connection, Lane::Call, by_phone(JOHN)).await;
    }
    let lookup = connection.lookup.as_ref().expect("a lookup");
    lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect("half of them are used");
    let refused = lookup.find(Lane::Background, &[by_phone(JOHN)]).await.expect_err("told");
    assert_eq!(refused.kind(), "rate_limited");
    lookup.find(Lane::Call, &[by_phone(JOHN)]).await.expect("calls go on");
}

#[tokio::test]
async fn accounts_are_told_by_id_and_by_the_field_that_was_named() {
    let rig = organization(Config { people: 9, ..Config::default() }).await;
    let connection = rig.open().await;
    let john = find(&connection, Lane::Call, ask()).await.remove(0);
    let account = john.account.expect("an account");
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = [account.clone(), "1".to_owned(), "no id".to_owned()];
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let acme = found[0].as_ref().expect("Acme");
    assert_eq!((acme.name.as_str(), acme.record.as_str()), ("Acme Corporation", account.as_str()));
    assert_eq!(acme.data["rating"], Value::from("Active"));
    assert!(found[1].is_none() && found[2].is_none());
    let mut settings = rig.logins[0].clone();
    settings.plain.insert("account_key".to_owned(), "Account_Number".into());
    let by_number = rig.open_with(settings).expect("complete settings");
    let accounts = by_number.accounts.as_ref().expect("accounts");
    by_number
        .tokens
        .as_ref()
        .expect("tokens")
        .fresh(Duration::from_secs(5))
        .await
        .expect("a token");
    let found = accounts.find(Lane::Call, &["1000001".to_owned()]).await.expect("an answer");
    assert_eq!(found[0].as_ref().map(|account| account.record.clone()), Some(account));
    rig.simulator.add("Accounts", &json!({ "Account_Name": "Twin", "Account_Number": "1000001" }));
    let found = accounts.find(Lane::Call, &["1000001".to_owned()]).await.expect("an answer");
    assert_eq!(found, [None], "a number of two names neither");
}

#[tokio::test]
async fn changes_miss_nobody_and_tell_who_is_gone() {
    let rig = organization(Config { people: 40, ..Config::default() }).await;
    let connection = rig.open().await;
    // All were made in the same second, and pages are small.
    let (all, cursor) = drain(&connection, "Contacts", &["Last_Name", "Email"], None, 7).await;
    assert_eq!(saved(&all).len(), rig.simulator.count("Contacts"));
    assert_eq!(gone(&all), []);
    let ids = saved(&all);
    rig.simulator.change("Contacts", &ids[3], &json!({ "Last_Name": "Changed" }));
    rig.simulator.delete("Contacts", &ids[5]);
    let (more, cursor) = drain(&connection, "Contacts", &["Last_Name"], Some(cursor), 200).await;
    assert!(saved(&more).contains(&ids[3]) && !saved(&more).contains(&ids[5]));
    assert_eq!(gone(&more), [(ids[5].clone(), None)]);
    let reader = connection.changes.as_ref().expect("changes");
    assert!(reader.tells_deletions());
    // A cursor from before the list of deletions begins anew, and says so.
    let old = cursor.split('/').enumerate().map(|(n, part)| if n == 3 { "0" } else { part });
    let old = old.collect::<Vec<_>>().join("/");
    let ask = kit::ChangesAsk {
        object: "Contacts".to_owned(),
        fields: vec![],
        cursor: Some(old),
        page_max: 9,
    };
    assert!(reader.page(&ask).await.expect("a page").is_restart);
    for (object, cursor, field) in [
        ("No such", None, "object"),
        ("Nothing", None, "object"),
        ("Contacts", Some("x"), "cursor"),
    ] {
        let ask = kit::ChangesAsk {
            object: object.to_owned(),
            cursor: cursor.map(str::to_owned),
            ..ask.clone()
        };
        let error = reader.page(&ask).await.expect_err("refused");
        assert!(matches!(&error, Error::Invalid { field: Some(f), .. } if f == field), "{error}");
    }
}

#[tokio::test]
async fn a_page_that_was_cut_off_comes_again_whole() {
    let rig = organization(Config { people: 20, ..Config::default() }).await;
    let connection = rig.open().await;
    let reader = connection.changes.as_ref().expect("changes");
    let ask = kit::ChangesAsk {
        object: "Contacts".to_owned(),
        fields: vec![],
        cursor: None,
        page_max: 5,
    };
    let first = reader.page(&ask).await.expect("a page");
    let next = kit::ChangesAsk { cursor: Some(first.cursor.clone()), ..ask };
    rig.faults().add(Rule::always(Fault::Truncate).on("/coql").times(1));
    assert!(reader.page(&next).await.expect_err("cut off").is_worth_retrying());
    let again = reader.page(&next).await.expect("a page");
    let (a, b) = (saved(&first.changes), saved(&again.changes));
    assert!(b.len() == 5 && a.iter().all(|id| !b.contains(id)), "{a:?} {b:?}");
}

#[tokio::test]
async fn a_write_is_made_once_touches_only_its_fields_and_sees_others_changes() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let key = ("Email", "ada@example.com");
    let ada =
        fields(json!({ "Last_Name": "Lovelace", "First_Name": "Ada", "Mobile": "+14155550125" }));
    let before = rig.simulator.count("Contacts");
    let made = writes.create("Contacts", key, &ada).await.expect("made");
    let again = writes.create("Contacts", key, &ada).await.expect("found");
    assert!(made.is_new && !again.is_new && made.id == again.id);
    assert_eq!(rig.simulator.count("Contacts") - before, 1);
    let body = rig
        .faults()
        .requests()
        .log()
        .into_iter()
        .rfind(|seen| seen.method == "PUT")
        .expect("a PUT")
        .body;
    assert!(body.contains("\"trigger\":[]"), "nothing starts in Zoho: {body}");

    let names = ["First_Name".to_owned(), "Mobile".to_owned(), "Title".to_owned()];
    let read =
        writes.read(Lane::Background, "Contacts", &[made.id.clone(), "1".to_owned()], &names).await;
    let read = read.expect("an answer");
    let seen = read[0].clone().expect("Ada");
    assert!(read[1].is_none() && seen.fields["Title"].is_null());
    assert_eq!(seen.fields["First_Name"], "Ada");
    let version = seen.version.as_deref();
    let empty = fields(json!({ "Mobile": null }));
    let saved = writes.update("Contacts", &made.id, version, &empty).await.expect("written");
    // Whoever saves in the same second leaves the same `Modified_Time`: it tells not whose it is.
    assert_eq!((made.version, again.version, saved.version), (None, None, None));
    let row = kit::Write::Update { id: made.id.clone(), seen: None, fields: empty.clone() };
    let told = writes.write("Contacts", &[row]).await.expect("tried");
    assert_eq!(told[0].as_ref().expect("written").version, None);
    let record = rig.simulator.record("Contacts", &made.id).expect("Ada");
    assert!(record["Mobile"].is_null() && record["First_Name"] == "Ada", "only what was named");

    // Somebody else, in a later second.
    rig.simulator.set_modified("Contacts", &made.id, 4_000_000_000_000);
    let stale = writes.update("Contacts", &made.id, version, &empty).await;
    assert_eq!(stale.expect_err("changed").kind(), "conflict");
    let stale = writes.delete("Contacts", &made.id, version).await;
    assert_eq!(stale.expect_err("changed").kind(), "conflict");
    writes.delete("Contacts", &made.id, None).await.expect("deleted");
    writes.delete("Contacts", &made.id, None).await.expect("gone already");
    let gone = writes.update("Contacts", &made.id, None, &empty).await.expect_err("gone");
    assert_eq!(gone, Error::NotFound);
}

#[tokio::test]
async fn what_a_write_is_refused_for_is_named() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    let writes = connection.writes.as_ref().expect("writes");
    let long = fields(json!({ "Last_Name": "x".repeat(200) }));
    let error = writes.create("Leads", ("Email", "a@b.example"), &long).await.expect_err("refused");
    assert!(matches!(&error, Error::Invalid { field: Some(f), .. } if f == "Last_Name"), "{error}");
    for email in ["twin@example.com", "twin@example.com"] {
        rig.simulator.add("Leads", &json!({ "Last_Name": "Twin", "Email": email }));
    }
    let error =
        writes.create("Leads", ("Email", "twin@example.com"), &long).await.expect_err("two");
    assert_eq!(error.kind(), "conflict");
}

#[tokio::test]
async fn a_data_action_puts_values_in_quotes_and_stays_in_the_api() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    let requests = connection.requests.as_ref().expect("requests");
    let coql = requests.language(Place::Json("select_query")).expect("COQL");
    let before = "select Last_Name from Contacts where Email = '";
    let value = (coql.literal)(before, "john.doe@example.com").expect("inside quotes");
    let mut request = Custom {
        method: "POST".to_owned(),
        path: "/coql".to_owned(),
        query: vec![],
        headers: vec![],
        body: Some(json!({ "select_query": format!("{before}{value}'") })),
    };
    let answer = requests.send(Lane::Call, &request).await.expect("an answer");
    assert_eq!(answer["data"][0]["Last_Name"], "Doe");
    let criteria = requests.language(Place::Query("criteria")).expect("criteria");
    let value = (criteria.literal)("(Last_Name:equals:", "Garcia").expect("behind the operator");
    request = Custom {
        method: "GET".to_owned(),
        path: "/Leads/search".to_owned(),
        body: None,
        ..request
    };
    request.query = vec![("criteria".to_owned(), format!("(Last_Name:equals:{value})"))];
    let answer = requests.send(Lane::Call, &request).await.expect("an answer");
    assert_eq!(answer["data"][0]["First_Name"], "Maria");
    for (path, header) in
        [("/../oauth/v2/token", None), ("coql", None), ("/coql", Some("Authorization"))]
    {
        let headers = header.map(|name| (name.to_owned(), "x".to_owned())).into_iter().collect();
        let odd = Custom { path: path.to_owned(), headers, ..request.clone() };
        assert_eq!(requests.send(Lane::Call, &odd).await.expect_err(path).kind(), "invalid");
    }
}

#[tokio::test]
async fn a_call_of_a_lead_stands_on_the_lead() {
    let rig = organization(Config::default()).await;
    let connection = rig.open().await;
    let maria = find(&connection, Lane::Background, by_phone("+15550198888")).await.remove(0);
    let activity = kit::Activity {
        call: domain::CallId::new("lead-call").expect("an id"),
        record: maria.record.clone(),
        known: None,
        subject: "A call".to_owned(),
        body: "Words".to_owned(),
        direction: domain::Direction::Inbound,
        started: domain::Timestamp(1_795_292_100_000),
        duration_ms: 65_000,
        wrap_up: None,
    };
    let journal = connection.journal.as_ref().expect("a journal");
    let written = journal.write(&activity).await.expect("written");
    let record = rig.simulator.record("Calls", &written.id).expect("a call");
    assert_eq!(record["What_Id"]["id"], maria.record.as_str());
    assert_eq!(
        (&record["$se_module"], &record["Call_Duration"]),
        (&json!("Leads"), &json!("01:05"))
    );
    let nobody = kit::Activity { record: "1".to_owned(), ..activity };
    assert_eq!(journal.write(&nobody).await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_scopes_of_the_token_are_told() {
    let rights = |scope: Option<&str>| {
        let usual = Config::default();
        let scope = scope.map_or(usual.scope.clone(), str::to_owned);
        let config = Config { scope, ..usual };
        async move { organization(config).await.open().await.check.rights().await.expect("told") }
    };
    let usual = rights(None).await;
    assert_eq!(usual.administrator, None, "what the README lists is no administrator's");
    assert_eq!(usual.granted.map(|all| all.len()), Ok(6));
    let broad = rights(Some("ZohoCRM.modules.ALL ZohoCRM.coql.READ")).await;
    assert_eq!(broad.administrator.as_deref(), Some("the scope ZohoCRM.modules.ALL"));
}
