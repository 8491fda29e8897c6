//! What Salesforce tells by itself: change events over the Pub/Sub API.

use crate::rig::Rig;
use connectors::salesforce::sim::{Config, Salesforce};
use connectors::salesforce::simulate;
use kit::{Capabilities, Error, Feed, FeedAsk, FeedPage, Fields, Notice};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Long enough on the slowest machine; nothing waits so long that comes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn org(config: Config) -> (Rig<Salesforce>, Capabilities, Arc<dyn Feed>) {
    let config = Config { keepalive: Duration::from_millis(20), ..config };
    let (org, logins) = simulate::with_logins(config).await.expect("a port");
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let open = rig.open().await;
    let feed = open.feed.clone().expect("a feed");
    (rig, open, feed)
}

fn ask(cursor: Option<&str>, wait: Duration) -> FeedAsk {
    FeedAsk {
        reader: "contacts".to_owned(),
        object: "Contact".to_owned(),
        cursor: cursor.map(str::to_owned),
        wait,
    }
}

async fn next(feed: &Arc<dyn Feed>, cursor: &str) -> FeedPage {
    feed.next(&ask(Some(cursor), PATIENCE)).await.expect("a page")
}

/// The place that a feed begins at.
async fn begun(feed: &Arc<dyn Feed>) -> String {
    let page = feed.next(&ask(None, PATIENCE)).await.expect("a place");
    assert!(page.has_gap && page.notices.is_empty(), "what was before is not known: {page:?}");
    page.cursor.expect("a place")
}

/// What was told, until there is so much of it.
async fn noticed(feed: &Arc<dyn Feed>, mut cursor: String, count: usize) -> (Vec<Notice>, String) {
    let mut notices = Vec::new();
    while notices.len() < count {
        let page = next(feed, &cursor).await;
        assert!(!page.has_gap && !page.notices.is_empty(), "{notices:?} of {count}: {page:?}");
        notices.extend(page.notices);
        cursor = page.cursor.expect("a place");
    }
    (notices, cursor)
}

/// The same by their ids.
async fn told(feed: &Arc<dyn Feed>, cursor: String, count: usize) -> (Vec<String>, String) {
    let (notices, cursor) = noticed(feed, cursor, count).await;
    (notices.iter().map(|notice| notice.id().to_owned()).collect(), cursor)
}

fn add(org: &Salesforce, name: &str) -> String {
    org.add("Contact", &json!({ "LastName": name })).expect("added")
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_again_until_its_place_is_kept() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let ann = add(&rig.simulator, "Ann");
    rig.simulator.update(&ann, &json!({ "LastName": "Anne" })).expect("changed");
    rig.simulator.delete(&ann).expect("deleted");
    let (notices, after) = noticed(&feed, place.clone(), 3).await;
    let saved = Notice::Saved { id: ann.clone(), is_own: false };
    let gone = Notice::Deleted { id: ann, into: None };
    assert_eq!(notices, [saved.clone(), saved, gone]);
    // Nobody has kept that: it is told again, from where it was.
    assert_eq!(noticed(&feed, place, 3).await.0, notices);
    let bea = add(&rig.simulator, "Bea");
    assert_eq!(told(&feed, after, 1).await.0, [bea]);
}

#[tokio::test]
async fn more_than_is_asked_for_at_once_comes_all_the_same() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let all: Vec<String> = (0..450).map(|at| add(&rig.simulator, &format!("N{at}"))).collect();
    assert_eq!(told(&feed, place, 450).await.0, all);
}

#[tokio::test]
async fn a_stream_that_breaks_off_in_the_middle_loses_nothing_and_doubles_nothing() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let first = add(&rig.simulator, "First");
    let (ids, place) = told(&feed, place, 1).await;
    assert_eq!(ids, [first]);
    rig.simulator.cut_next_events();
    let all: Vec<String> = (0..5).map(|at| add(&rig.simulator, &format!("N{at}"))).collect();
    // Seen while somebody waits, that it broke off is told, once; seen before, the stream is
    // taken up again and the same question is answered.
    match feed.next(&ask(Some(&place), PATIENCE)).await {
        Err(Error::Unavailable { .. }) => {}
        page => assert!(page.as_ref().is_ok_and(|page| !page.has_gap), "{page:?}"),
    }
    assert!(rig.simulator.has_cut_events(), "it did break off");
    assert_eq!(told(&feed, place, 5).await.0, all);
}

#[tokio::test]
async fn another_process_goes_on_from_a_place_that_was_kept() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let ann = add(&rig.simulator, "Ann");
    let (_, place) = told(&feed, place, 1).await;
    drop(feed);
    let bea = add(&rig.simulator, "Bea");
    let other = rig.open().await.feed.expect("a feed");
    let (ids, _) = told(&other, place, 1).await;
    assert_eq!(ids, [bea], "and not {ann}");
}

#[tokio::test]
async fn a_place_that_is_kept_no_more_is_a_gap_and_a_new_one_is_found() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let (_, place) = {
        add(&rig.simulator, "Ann");
        told(&feed, place, 1).await
    };
    let other = rig.open().await.feed.expect("a feed");
    add(&rig.simulator, "Missed");
    rig.simulator.expire_events();
    let lost = next(&other, &place).await;
    assert_eq!(lost, FeedPage { has_gap: true, ..FeedPage::default() });
    let place = begun(&other).await;
    let bea = add(&rig.simulator, "Bea");
    assert_eq!(told(&other, place, 1).await.0, [bea]);
}

#[tokio::test]
async fn what_the_org_does_not_tell_is_a_gap_or_at_least_tells_of_whom() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let ann = add(&rig.simulator, "Ann");
    let (_, place) = told(&feed, place, 1).await;
    rig.simulator.tell_gap("GAP_UPDATE", "Contact", std::slice::from_ref(&ann));
    let (ids, place) = told(&feed, place, 1).await;
    assert_eq!(ids, [ann]);
    rig.simulator.tell_gap("GAP_OVERFLOW", "Contact", &[]);
    let bea = add(&rig.simulator, "Bea");
    let page = next(&feed, &place).await;
    assert!(page.has_gap && page.notices.is_empty(), "{page:?}");
    let after = page.cursor.expect("the place behind the gap");
    assert_eq!(told(&feed, after, 1).await.0, [bea]);
}

#[tokio::test]
async fn an_event_whose_schema_is_none_is_a_gap() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    rig.simulator.spoil_schemas(true);
    add(&rig.simulator, "Ann");
    let page = next(&feed, &place).await;
    assert!(page.has_gap && page.notices.is_empty(), "{page:?}");
    rig.simulator.spoil_schemas(false);
    let bea = add(&rig.simulator, "Bea");
    assert_eq!(told(&feed, page.cursor.expect("a place"), 1).await.0, [bea]);
}

#[tokio::test]
async fn our_own_writes_are_known_by_their_tag_and_their_user() {
    let (rig, open, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let writes = open.writes.expect("writes");
    let fields: Fields = [("LastName".to_owned(), json!("Own"))].into_iter().collect();
    let saved = writes.create("Contact", ("External_Id__c", "k1"), &fields).await.expect("made");
    // Somebody else, in the name of the same user.
    rig.simulator.update(&saved.id, &json!({ "LastName": "Theirs" })).expect("changed");
    let (notices, _) = noticed(&feed, place, 2).await;
    let notice = |is_own| Notice::Saved { id: saved.id.clone(), is_own };
    assert_eq!(notices, [notice(true), notice(false)]);
}

#[tokio::test]
async fn a_session_that_ends_ends_no_feed() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    rig.simulator.revoke_tokens();
    let ann = add(&rig.simulator, "Ann");
    assert_eq!(told(&feed, place, 1).await.0, [ann]);
}

#[tokio::test]
async fn who_was_merged_away_is_told_with_the_one_that_stays() {
    let (rig, _, feed) = org(Config::default()).await;
    let place = begun(&feed).await;
    let (ann, bea) = (add(&rig.simulator, "Ann"), add(&rig.simulator, "Bea"));
    let (_, place) = told(&feed, place, 2).await;
    rig.simulator.merge(&ann, &bea).expect("merged");
    let (notices, _) = noticed(&feed, place, 1).await;
    assert_eq!(notices, [Notice::Deleted { id: ann, into: Some(bea) }]);
}

#[tokio::test]
async fn an_object_that_is_not_selected_is_named_and_so_is_a_foreign_cursor() {
    let captured = vec!["Account".to_owned()];
    let (_rig, _, feed) = org(Config { captured, ..Config::default() }).await;
    let refused = feed.next(&ask(None, PATIENCE)).await.expect_err("not selected");
    let foreign = feed.next(&ask(Some("sfe1.Lead.AAAA"), PATIENCE)).await.expect_err("foreign");
    for (error, named) in [(refused, "object"), (foreign, "cursor")] {
        let is_named = |field: &String| field == named;
        let is_told =
            matches!(&error, Error::Invalid { field, .. } if field.as_ref().is_some_and(is_named));
        assert!(is_told, "{named}: {error}");
    }
}

#[tokio::test]
async fn a_channel_tells_of_several_objects_and_each_reader_hears_its_own() {
    let of = ["Contact", "Lead"].map(str::to_owned).to_vec();
    let change_channel = Some(("Tieline__chn".to_owned(), of));
    let config =
        Config { change_channel, keepalive: Duration::from_millis(20), ..Config::default() };
    let (org, mut logins) = simulate::with_logins(config).await.expect("a port");
    for login in &mut logins {
        login.plain.insert("change_channel".to_owned(), "Tieline__chn".into());
    }
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let feed = rig.open().await.feed.expect("a feed");
    let place = begun(&feed).await;
    let lead = json!({ "LastName": "Lead", "Company": "Acme" });
    rig.simulator.add("Lead", &lead).expect("added");
    let ann = add(&rig.simulator, "Ann");
    assert_eq!(told(&feed, place, 1).await.0, [ann]);
}
