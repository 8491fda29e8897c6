//! The Genesys Cloud connector against the simulated organization; what it sends
//! is held against the vendor's API description.

use crate::openapi;
use crate::rig::{EMAIL, PHONE, Rig, push};
use ::sim::faults::{Fault, Rule};
use connectors::genesys_cloud::sim::{self, GenesysCloud, NewCall, SignedInUser};
use connectors::genesys_cloud::simulate;
use domain::{CallId, ContactPhone, PhoneKind, Timestamp};
use kit::destinations::Kind;
use kit::{Capabilities, ContactCenter, Error, Lane, Push, Secret};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) async fn organization() -> Rig<GenesysCloud> {
    organized(sim::Config::default()).await
}

async fn organized(config: sim::Config) -> Rig<GenesysCloud> {
    let organization = sim::start(config).await.expect("a port");
    let login = simulate::login(&organization);
    let connector = connectors::by_name("genesys_cloud").expect("Genesys Cloud");
    Rig::new(connector, Box::new(organization), vec![login], simulate::API)
}

fn contact_center(connection: &Capabilities) -> &Arc<dyn ContactCenter> {
    connection.contact_center.as_ref().expect("a contact center")
}

fn numbered(n: usize) -> Push {
    let mut push = push();
    push.external_id = format!("CRM:{n:018}");
    push.profile.name = format!("Person {n}");
    push.profile.first_name = None;
    push.profile.last_name = None;
    push.profile.email = Some(format!("person{n}@example.com"));
    push
}

/// Every request to the API so far must be one that the vendor describes.
pub(crate) fn as_described(rig: &Rig<GenesysCloud>) -> usize {
    let log = rig.faults().requests().log();
    let sent = log.iter().filter(|seen| seen.target.starts_with("/api/v2/"));
    let mut count = 0;
    for seen in sent {
        let body: Option<Value> = serde_json::from_str(&seen.body).ok();
        if openapi::is_undescribed(&seen.target) {
            continue;
        }
        let verdict = openapi::validate_request(&seen.method, &seen.target, body.as_ref());
        assert_eq!(verdict, Ok(()), "{} {}", seen.method, seen.target);
        count += 1;
    }
    count
}

fn inbound() -> NewCall {
    NewCall {
        ani: format!("tel:{PHONE}"),
        dnis: "tel:+15550190000".to_owned(),
        attributes: [("language".to_owned(), "en".to_owned())].into(),
        ..NewCall::default()
    }
}

#[tokio::test]
async fn an_enriched_contact_is_what_the_crm_says_and_keeps_what_agents_wrote() {
    let rig = organization().await;
    let connection = rig.open().await;
    let first = contact_center(&connection).enrich(&[push()]).await.expect("tried").remove(0);
    let id = first.expect("written").contact;
    let written = rig.simulator.contact(&id).expect("the contact");
    let expected = [
        ("/firstName", json!("John")),
        ("/lastName", json!("Doe")),
        ("/workEmail", json!(EMAIL)),
        ("/workPhone/e164", json!(PHONE)),
        ("/externalIds/0/value", json!(push().external_id)),
        ("/type", json!("Curated")),
    ];
    for (path, value) in expected {
        assert_eq!(written.pointer(path), Some(&value), "{path}");
    }
    let edited = json!({
        "firstName": "Johnny", "lastName": "Doe", "title": "Buyer", "otherEmail": "j@example.com",
        "externalIds": written["externalIds"], "workPhone": written["workPhone"],
    });
    let token = connection.tokens.as_ref().and_then(|tokens| tokens.current()).expect("a token");
    let put = reqwest::Client::new()
        .put(format!("{}/api/v2/externalcontacts/contacts/{id}", rig.simulator.url()))
        .bearer_auth(token.value.reveal())
        .json(&edited)
        .send()
        .await
        .expect("an answer");
    assert!(put.status().is_success(), "{}", put.text().await.expect("a body"));
    let again = contact_center(&connection).enrich(&[push()]).await.expect("tried").remove(0);
    assert_eq!(again.expect("written").contact, id);
    let after = rig.simulator.contact(&id).expect("the contact");
    assert_eq!(after["firstName"], "John", "what the CRM says");
    assert_eq!(after["title"], "Buyer", "what an agent wrote");
    assert_eq!(after["otherEmail"], "j@example.com");
}

#[tokio::test]
async fn a_mobile_alone_leaves_the_work_phone_of_a_curated_contact_as_it_is() {
    let rig = organization().await;
    let connection = rig.open().await;
    let center = contact_center(&connection);
    let first = center.enrich(&[push()]).await.expect("tried").remove(0);
    let id = first.expect("written").contact;
    let mut mobile = push();
    mobile.profile.phones = vec![ContactPhone::new(PhoneKind::Mobile, "+15550199998")];
    center.enrich(&[mobile]).await.expect("tried").remove(0).expect("written");
    let contact = rig.simulator.contact(&id).expect("the contact");
    assert_eq!(contact["workPhone"]["e164"], PHONE, "what was there");
    assert_eq!(contact["cellPhone"]["e164"], "+15550199998", "what the CRM says");
}

#[tokio::test]
async fn ten_contacts_cost_one_request_and_come_back_in_order() {
    let rig = organization().await;
    let connection = rig.open().await;
    let pushes: Vec<Push> = (0..10).map(numbered).collect();
    contact_center(&connection)
        .enrich(&pushes[..1])
        .await
        .expect("tried")
        .remove(0)
        .expect("written");
    let (_, before) = rig.requests();
    let outcomes = contact_center(&connection).enrich(&pushes).await.expect("tried");
    assert_eq!(rig.requests().1 - before, 1);
    for (push, outcome) in pushes.iter().zip(outcomes) {
        let id = outcome.expect("written").contact;
        let contact = rig.simulator.contact(&id).expect("the contact");
        assert_eq!(contact["externalIds"][0]["value"], push.external_id);
    }
    assert_eq!(rig.simulator.contacts().len(), 10);
    assert!(as_described(&rig) >= 3);
}

#[tokio::test]
async fn one_contact_that_is_refused_fails_alone() {
    let rig = organization().await;
    let connection = rig.open().await;
    let mut pushes: Vec<Push> = (0..3).map(numbered).collect();
    pushes[1].profile.email = Some("no address".to_owned());
    let outcomes = contact_center(&connection).enrich(&pushes).await.expect("tried");
    let kinds: Vec<&str> =
        outcomes.iter().map(|o| o.as_ref().map_or_else(Error::kind, |_| "ok")).collect();
    assert_eq!(kinds, ["ok", "invalid", "ok"]);
}

#[tokio::test]
async fn two_people_who_share_a_phone_stay_two_contacts() {
    let rig = organization().await;
    let connection = rig.open().await;
    for n in 0..2 {
        contact_center(&connection)
            .enrich(&[numbered(n)])
            .await
            .expect("tried")
            .remove(0)
            .expect("written");
    }
    assert_eq!(rig.simulator.contacts().len(), 2);
}

#[tokio::test]
async fn a_live_call_takes_attributes_and_its_contact() {
    let rig = organization().await;
    let connection = rig.open().await;
    let placed = rig.simulator.place_call(&inbound());
    let call = CallId::new(&placed.conversation_id).expect("an id");
    let conversation = contact_center(&connection).conversation(&call).await.expect("the call");
    assert_eq!(conversation.participant.as_ref(), Some(&placed.participant_id));
    assert_eq!(conversation.communication.as_ref(), Some(&placed.communication_id));
    assert_eq!(conversation.contact, placed.external_contact_id);
    assert_eq!(conversation.attributes["language"], "en");
    assert!(!conversation.has_ended);
    let attributes = BTreeMap::from([("PT_SearchValue".to_owned(), "CRM:1".to_owned())]);
    contact_center(&connection).set_attributes(&conversation, &attributes).await.expect("set");
    let set = rig.simulator.attributes(&placed.conversation_id, &placed.participant_id);
    let set = set.expect("the participant");
    assert_eq!((set["PT_SearchValue"].as_str(), set["language"].as_str()), ("CRM:1", "en"));
    let contact = contact_center(&connection).enrich(&[push()]).await.expect("tried").remove(0);
    let contact = contact.expect("written").contact;
    contact_center(&connection).associate(&conversation, &contact).await.expect("tied");
    let tied = rig.simulator.associations();
    assert_eq!(tied.last().and_then(|last| last.external_contact_id.as_ref()), Some(&contact));
    assert!(rig.simulator.end_call(&placed.conversation_id));
    let ended = contact_center(&connection).conversation(&call).await.expect("the call");
    assert!(ended.has_ended);
    assert!(as_described(&rig) >= 6);
}

#[tokio::test]
async fn a_call_the_platform_does_not_know_is_not_found() {
    let rig = organization().await;
    let connection = rig.open().await;
    let (_, before) = rig.requests();
    let foreign = CallId::new("abc-123-def-456").expect("an id");
    let error = contact_center(&connection).conversation(&foreign).await.expect_err("foreign");
    assert_eq!(error, Error::NotFound);
    assert_eq!(rig.requests().1, before, "no request for an id the platform never gives");
    let unknown = CallId::new("7f0d3c1e-9a3b-4c1d-8e2f-000000000001").expect("an id");
    let error = contact_center(&connection).conversation(&unknown).await.expect_err("unknown");
    assert_eq!(error, Error::NotFound);
}

#[tokio::test]
async fn the_check_names_each_missing_permission() {
    let needed = [
        "externalContacts:contact:enrich",
        "conversation:communication:view",
        "externalContacts:conversation:associate",
        "externalContacts:identity:promote",
    ];
    for permission in needed {
        let rig = organization().await;
        let connection = rig.open().await;
        rig.simulator.take_permission(permission);
        let findings = connection.check.check().await;
        let flaws: Vec<_> = findings.iter().filter_map(|f| f.outcome.as_ref().err()).collect();
        assert_eq!(flaws.len(), 1, "{permission}: {flaws:?}");
        assert_eq!(flaws[0].code, "connection.scope_missing");
        assert!(flaws[0].message.contains(permission), "{}", flaws[0].message);
        assert_eq!(rig.simulator.contacts().len(), 0, "a check writes nothing");
        as_described(&rig);
    }
}

#[tokio::test]
async fn the_check_names_the_permission_to_read_history() {
    let rig = organization().await;
    let connection = rig.open().await;
    rig.simulator.take_permission("analytics:conversationDetail:view");
    rig.simulator.take_permission("analytics:agentConversationDetail:view");
    let findings = connection.check.check().await;
    let flaws: Vec<_> = findings.iter().filter_map(|f| f.outcome.as_ref().err()).collect();
    assert_eq!(flaws.len(), 1, "{flaws:?}");
    assert!(flaws[0].message.contains("analytics:conversationDetail:view"), "{flaws:?}");
}

/// Every page of a span, with how many pages there were.
async fn past(connection: &Capabilities, since: i64, until: i64) -> (Vec<kit::PastCall>, usize) {
    let history = connection.history.as_ref().expect("a history");
    let (mut calls, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = history.page(Timestamp(since), Timestamp(until), cursor.as_deref()).await;
        let page = page.expect("a page");
        calls.extend(page.calls);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return (calls, pages);
        }
    }
}

#[tokio::test]
async fn the_calls_of_a_span_are_told_over_days_and_pages() {
    const DAY: i64 = 86_400_000;
    let midnight = 1_795_305_600_000; // 2026-11-22T00:00:00Z
    let rig = organization().await;
    let connection = rig.open().await;
    let queue = rig.simulator.queues()[0].0.clone();
    let mut placed = Vec::new();
    // Outside of the span, though on days that it touches; then on both days and both sides of a page.
    for (at, many) in [(-DAY / 2 - 1, 1), (-DAY / 2, 120), (0, 3), (DAY / 2 - 1, 1), (DAY / 2, 1)] {
        for _ in 0..many {
            let call = NewCall {
                started_at: Some(midnight + at),
                queue_id: Some(queue.clone()),
                user_id: Some("5b1c9a34-7c1d-4a8e-9a52-0f0c5f9d1a11".to_owned()),
                ..inbound()
            };
            placed.push((at, rig.simulator.place_call(&call)));
        }
    }
    rig.simulator.end_call(&placed[1].1.conversation_id);
    let (calls, pages) = past(&connection, midnight - DAY / 2, midnight + DAY / 2).await;
    assert_eq!((calls.len(), pages), (124, 3), "two pages of the first day, one of the second");
    let inside = |at: &i64| (-DAY / 2..DAY / 2).contains(at);
    let mut expected: Vec<&str> = placed
        .iter()
        .filter(|(at, _)| inside(at))
        .map(|(_, placed)| placed.conversation_id.as_str())
        .collect();
    let mut told: Vec<&str> = calls.iter().map(|past| past.call.as_str()).collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
    let of = |id: &str| calls.iter().find(|past| past.call.as_str() == id).expect("told");
    let ended = of(&placed[1].1.conversation_id);
    assert_eq!(ended.address.as_deref(), Some(format!("tel:{PHONE}").as_str()));
    assert_eq!(
        (ended.queue.as_deref(), ended.dialled.as_deref()),
        (Some(queue.as_str()), Some("tel:+15550190000"))
    );
    assert_eq!(ended.contact, placed[1].1.external_contact_id);
    assert!(ended.ended.is_some() && ended.user.is_some() && ended.events.len() > 2, "{ended:?}");
    assert_eq!(of(&placed[2].1.conversation_id).ended, None);
    let history = connection.history.as_ref().expect("a history");
    let wrong = history.page(Timestamp(0), Timestamp(1), Some("rubbish")).await;
    assert_eq!(wrong.expect_err("refused").kind(), "invalid");
    assert!(as_described(&rig) >= 3);
}

#[tokio::test]
async fn an_outbound_calls_customer_is_whom_it_reached() {
    let rig = organization().await;
    let connection = rig.open().await;
    let call = NewCall {
        outbound: true,
        ani: "tel:+15550190000".to_owned(),
        dnis: format!("tel:{PHONE}"),
        started_at: Some(1_795_305_600_000),
        ..NewCall::default()
    };
    rig.simulator.place_call(&call);
    let (calls, _) = past(&connection, 1_795_305_600_000, 1_795_305_600_001).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].address.as_deref(), Some(format!("tel:{PHONE}").as_str()));
    assert_eq!((calls[0].direction, &calls[0].dialled), (domain::Direction::Outbound, &None));
}

#[tokio::test]
async fn what_the_platform_made_itself_is_kept_for_good_once() {
    let rig = organization().await;
    let connection = rig.open().await;
    let history = connection.history.as_ref().expect("a history");
    let made = rig.simulator.place_call(&inbound()).external_contact_id.expect("a contact");
    let nobody = "7f0d3c1e-9a3b-4c1d-8e2f-000000000001".to_owned();
    let curated = rig.simulator.add_contact(&json!({ "lastName": "Doe" })).expect("a contact");
    let ids = [made.clone(), nobody, curated];
    let expected = [Ok(true), Err(Error::NotFound), Ok(false)];
    assert_eq!(history.promote(&ids, true).await.expect("tried"), expected);
    assert_eq!(rig.simulator.contact(&made).expect("it")["type"], "Identified", "a dry run");
    assert_eq!(history.promote(&ids, false).await.expect("tried"), expected);
    assert_eq!(rig.simulator.contact(&made).expect("it")["type"], "Curated");
    assert_eq!(history.promote(&ids[..1], false).await.expect("tried"), [Ok(false)], "once");
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let withheld = NewCall { ani: "sip:anonymous@anonymous.invalid".into(), ..inbound() };
    let withheld = rig.simulator.place_call(&withheld).external_contact_id.expect("a contact");
    assert_eq!(rig.simulator.expire_contacts(days(59)), Vec::<String>::new());
    assert_eq!(rig.simulator.expire_contacts(days(61)), [withheld]);
    assert!(as_described(&rig) >= 4);
}

#[tokio::test]
async fn an_external_source_that_is_not_there_is_named() {
    let rig = organization().await;
    let mut login = rig.logins[0].clone();
    login.plain.insert("external_source".to_owned(), "Nowhere".into());
    let connection = rig.open_with(login).expect("complete settings");
    let findings = connection.check.check().await;
    let flaws: Vec<_> = findings.iter().filter_map(|f| f.outcome.as_ref().err()).collect();
    assert_eq!(flaws.len(), 1);
    assert_eq!(flaws[0].code, "connection.external_source_missing");
    let error = contact_center(&connection).enrich(&[push()]).await.expect_err("nothing was tried");
    assert!(
        matches!(error, Error::Invalid { field: Some(field), .. } if field == "external_source")
    );
}

#[tokio::test]
async fn the_external_source_is_asked_for_once() {
    let rig = organization().await;
    let connection = rig.open().await;
    for n in 0..3 {
        contact_center(&connection)
            .enrich(&[numbered(n)])
            .await
            .expect("tried")
            .remove(0)
            .expect("written");
    }
    assert_eq!(rig.faults().requests().count("externalsources"), 1);
}

/// A connection whose widgets log in through these clients.
fn with_widgets(rig: &Rig<GenesysCloud>, widgets: &[&str]) -> Capabilities {
    let mut login = rig.logins[0].clone();
    login.plain.insert("widget_client_id".to_owned(), widgets.to_vec().into());
    rig.open_with(login).expect("complete settings")
}

#[tokio::test]
async fn an_agents_token_is_asked_about_as_described_and_our_organization_once() {
    let rig = organization().await;
    assert!(rig.open().await.sign_in.is_none(), "no widget, no sign-in");
    assert!(with_widgets(&rig, &["", " "]).sign_in.is_none(), "a blank is no client");
    let connection = with_widgets(&rig, &[&rig.simulator.config().widget_client_id]);
    let agents = connection.sign_in.as_ref().expect("sign-in");
    let user = SignedInUser { idle_seconds: Some(600), ..SignedInUser::default() };
    for _ in 0..2 {
        let shown = Secret::new(rig.simulator.sign_in(user.clone()));
        let agent = agents.agent(&shown).await.expect("signed in");
        assert_eq!(agent.user, user.user_id);
        assert!(agent.until.is_some());
    }
    assert_eq!(as_described(&rig), 5, "ours once, and each agent's token and user");
}

#[tokio::test]
async fn the_check_names_a_client_that_logs_no_agent_in() {
    let rig = organization().await;
    let config = rig.simulator.config();
    let flaw = async |widgets: &[&str]| {
        let findings = with_widgets(&rig, widgets).check.check().await;
        let of_agents = findings.into_iter().find(|one| one.what == "sign-in of agents");
        of_agents.expect("it is checked").outcome.map_err(|flaw| (flaw.code, flaw.message))
    };
    let good = config.widget_client_id.as_str();
    assert_eq!(flaw(&[good]).await, Ok(()));
    for (widget, lack) in
        [(config.client_id.as_str(), "acts for itself"), ("a/b?c", "no OAuth client")]
    {
        let (code, message) = flaw(&[good, widget]).await.expect_err(widget);
        assert_eq!(code, "connection.setting_refused");
        assert!(message.contains(widget) && message.contains(lack), "{message}");
    }
    rig.simulator.take_permission("oauth:client:view");
    assert_eq!(flaw(&["unseen"]).await, Ok(()), "what may not be looked at is not accused");
    as_described(&rig);
}

#[tokio::test]
async fn what_the_roles_of_the_client_grant_is_told() {
    let rig = organization().await;
    let rights = rig.open().await.check.rights().await.expect("told");
    assert_eq!(rights.administrator, None);
    let granted = rights.granted.expect("told");
    assert!(granted.contains(&"externalContacts:contact:view".to_owned()), "{granted:?}");
}

#[tokio::test]
async fn a_role_over_everything_is_an_administrators_breadth() {
    let rig = organized(sim::Config { is_administrator: true, ..sim::Config::default() }).await;
    let rights = rig.open().await.check.rights().await.expect("told");
    assert_eq!(rights.administrator.as_deref(), Some("the role Master Admin"));
    assert!(rights.granted.expect("told").contains(&"*:*:*".to_owned()));
    assert!((rights.covers)("*:*:*", "routing:queue:view"));
}

/// What the platform has under each word, and how often it was asked.
async fn found(
    rig: &Rig<GenesysCloud>,
    connection: &Capabilities,
    kind: Kind,
    words: &[&str],
) -> (Vec<Option<String>>, usize) {
    let destinations = connection.destinations.as_ref().expect("destinations");
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (_, before) = rig.requests();
    let found = destinations.find(Lane::Background, kind, &words).await.expect("an answer");
    let names = found.into_iter().map(|one| one.map(|one| one.name)).collect();
    (names, rig.requests().1 - before)
}

#[tokio::test]
async fn a_destination_is_found_by_its_id_its_name_or_its_number() {
    let rig = organization().await;
    let connection = rig.open().await;
    let some = |names: &[Option<&str>]| -> Vec<Option<String>> {
        names.iter().map(|name| name.map(str::to_owned)).collect()
    };
    let (queues, asked) =
        found(&rig, &connection, Kind::Queue, &[" support", "Sales", "Nowhere", "S*", ""]).await;
    assert_eq!(queues, some(&[Some("Support"), Some("Sales"), None, None, None]));
    assert_eq!(asked, 1);
    let id = &rig.simulator.queues()[0].0.to_uppercase();
    assert_eq!(found(&rig, &connection, Kind::Queue, &[id]).await.0, some(&[Some("Sales")]));
    assert!(as_described(&rig) >= 2);
    let words = ["main MENU", "tel:+1 555 019 0002", "+15550190009"];
    let (ivrs, _) = found(&rig, &connection, Kind::Ivr, &words).await;
    assert_eq!(ivrs, some(&[Some("Main menu"), Some("Billing menu"), None]));
    let (prompts, _) =
        found(&rig, &connection, Kind::Recording, &["office_closed", "Main menu"]).await;
    assert_eq!(prompts, some(&[Some("Office_Closed"), None]), "another kind's is none");

    let main = rig.simulator.config().ivrs[0].0.clone();
    rig.simulator.delete_ivr(&main);
    let (ivrs, _) = found(&rig, &connection, Kind::Ivr, &["Main menu", &main]).await;
    assert_eq!(ivrs, [None, None], "it is still in the list, and deleted");
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_no_further_than_needed() {
    let rig = organization().await;
    let connection = rig.open().await;
    for n in 0..250 {
        rig.simulator.add_queue(&format!("Queue {n:03}"));
        rig.simulator.add_prompt(&format!("Prompt_{n:03}"));
    }
    let words = ["Queue 249", "Queue 000", "Nowhere"];
    let (queues, asked) = found(&rig, &connection, Kind::Queue, &words).await;
    let names = [Some("Queue 249".to_owned()), Some("Queue 000".to_owned()), None];
    assert_eq!((queues, asked), (names.into(), 3));
    let (_, asked) = found(&rig, &connection, Kind::Queue, &["Queue 000"]).await;
    assert_eq!(asked, 1, "the rest is left unread");
    let (prompts, asked) = found(&rig, &connection, Kind::Recording, &["prompt_100", "x"]).await;
    assert_eq!((prompts, asked), (vec![Some("Prompt_100".to_owned()), None], 3));
    let answers = rig.faults().requests().log();
    let prompts = answers.iter().filter(|seen| seen.target.contains("architect/prompts"));
    assert!(prompts.clone().count() == 3);
    assert!(prompts.into_iter().all(|seen| seen.target.contains("includeResources=false")));
}

#[tokio::test]
async fn a_list_that_may_not_be_seen_is_forbidden_and_warned_of_and_never_empty() {
    let rig = organization().await;
    let connection = rig.open().await;
    for (kind, permission) in [
        (Kind::Queue, "routing:queue:view"),
        (Kind::Ivr, "routing:callRoute:view"),
        (Kind::Recording, "architect:userPrompt:view"),
    ] {
        rig.simulator.take_permission(permission);
        let destinations = connection.destinations.as_ref().expect("destinations");
        assert!(destinations.can_be_asked(kind));
        let words = ["Nowhere".to_owned()];
        let error = destinations.find(Lane::Background, kind, &words).await.expect_err("refused");
        assert_eq!(error, Error::Forbidden { missing: permission.to_owned() });
        let findings = connection.check.check().await;
        let flaws: Vec<_> = findings.iter().filter_map(|one| one.outcome.as_ref().err()).collect();
        assert_eq!(flaws.len(), 1, "{flaws:?}");
        assert!(flaws[0].is_warning() && flaws[0].fix.contains(permission), "{flaws:?}");
        rig.simulator.give_permission(permission);
    }
    let rights = connection.check.rights().await.expect("told").granted.expect("told");
    for scope in &rig.connector.manifest.scopes["destinations"] {
        assert!(rights.contains(scope), "{scope} is a permission of the platform");
    }
}

#[tokio::test]
async fn a_list_without_an_end_fails_and_names_nothing_absent() {
    let rig = organization().await;
    let connection = rig.open().await;
    let body = json!({ "entities": [{ "id": "1", "name": "Support" }], "pageCount": 1_000_000 });
    let endless = Fault::Status { code: 200, body: Some(body.to_string()) };
    rig.faults().add(Rule::always(endless).on("/routing/queues"));
    let destinations = connection.destinations.as_ref().expect("destinations");
    let find = async |word: &str| {
        destinations.find(Lane::Background, Kind::Queue, &[word.to_owned()]).await
    };
    assert!(find("Support").await.expect("it is on the first page")[0].is_some());
    assert_eq!(find("Nowhere").await.expect_err("no end").kind(), "protocol");
}
