//! What is Salesforce's own about changes and writes.

use crate::rig::Rig;
use connectors::salesforce::sim::{Config, Salesforce};
use connectors::salesforce::simulate;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Fields, Lane, Write};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn org(config: Config) -> (Rig<Salesforce>, Arc<dyn Changes>) {
    let (org, logins) = simulate::with_logins(config).await.expect("a port");
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let changes = rig.open().await.changes.expect("changes");
    (rig, changes)
}

fn ask(cursor: Option<&str>, page_max: usize) -> ChangesAsk {
    ChangesAsk {
        object: "Contact".to_owned(),
        fields: vec!["LastName".to_owned(), "Account.Name".to_owned()],
        cursor: cursor.map(str::to_owned),
        page_max,
    }
}

async fn page(changes: &Arc<dyn Changes>, cursor: Option<&str>, most: usize) -> ChangesPage {
    changes.page(&ask(cursor, most)).await.expect("a page")
}

/// The cursor at the end of all there is, as it was so long ago.
async fn cursor_from(changes: &Arc<dyn Changes>, ago: Duration) -> String {
    let end = page(changes, None, 2_000).await;
    assert!(!end.has_more);
    let mut parts: Vec<String> = end.cursor.split('.').map(str::to_owned).collect();
    for at in [2, 3] {
        let then = parts[at].parse::<u128>().expect("a moment") - ago.as_millis();
        parts[at] = then.to_string();
    }
    parts.join(".")
}

fn gone(page: &ChangesPage) -> Vec<(String, Option<String>)> {
    let gone = page.changes.iter().filter_map(|change| match change {
        Change::Deleted { id, into } => Some((id.clone(), into.clone())),
        Change::Saved(_) => None,
    });
    gone.collect()
}

fn add(org: &Salesforce, name: &str) -> String {
    org.add("Contact", &json!({ "LastName": name })).expect("added")
}

#[tokio::test]
async fn a_merge_is_told_with_the_record_that_stays() {
    let (rig, changes) = org(Config::default()).await;
    let (lost, master) = (add(&rig.simulator, "Lost"), add(&rig.simulator, "Master"));
    let end = page(&changes, None, 2_000).await;
    rig.simulator.merge(&lost, &master).expect("merged");
    let news = page(&changes, Some(&end.cursor), 2_000).await;
    assert_eq!(gone(&news), [(lost, Some(master))]);
}

#[tokio::test]
async fn what_was_emptied_from_the_bin_is_told_by_the_log() {
    let (rig, changes) = org(Config::default()).await;
    let ids: Vec<String> = (0..5).map(|n| add(&rig.simulator, &format!("Gone {n}"))).collect();
    let cursor = cursor_from(&changes, MINUTE * 60).await;
    for id in &ids {
        rig.simulator.delete_before(id, MINUTE * 30, true).expect("there");
    }
    let mut told = BTreeSet::new();
    let mut at = page(&changes, Some(&cursor), 2).await;
    for _ in 0..50 {
        assert!(at.changes.len() <= 2 && !at.is_restart);
        told.extend(gone(&at).into_iter().map(|(id, _)| id));
        if !at.has_more {
            break;
        }
        at = page(&changes, Some(&at.cursor.clone()), 2).await;
    }
    assert_eq!(told, ids.into_iter().collect());
    // And not again: the log was read up to now.
    let next = page(&changes, Some(&at.cursor), 2_000).await;
    assert_eq!(gone(&next), []);
}

#[tokio::test]
async fn a_log_that_was_purged_begins_everything_anew() {
    let (rig, changes) = org(Config::default()).await;
    let cursor = cursor_from(&changes, MINUTE * 60).await;
    rig.simulator.purge_deletions();
    let first = page(&changes, Some(&cursor), 2_000).await;
    assert!(first.has_more && !first.is_restart, "what changed comes before the log");
    let anew = page(&changes, Some(&first.cursor), 2_000).await;
    assert!(anew.is_restart);
    assert_eq!(anew.changes.len(), rig.simulator.count("Contact"));
}

#[tokio::test]
async fn records_of_one_instant_are_each_told_once_in_a_pass() {
    let config = Config { fewer_rows: true, ..Config::default() };
    let (rig, changes) = org(config).await;
    for n in 0..40 {
        add(&rig.simulator, &format!("Same {n}"));
    }
    let mut told = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..50 {
        let page = page(&changes, cursor.as_deref(), 3).await;
        told.extend(page.changes.iter().map(|change| match change {
            Change::Saved(record) => record.id.clone(),
            Change::Deleted { id, .. } => id.clone(),
        }));
        cursor = Some(page.cursor);
        if !page.has_more {
            break;
        }
    }
    let once: BTreeSet<&String> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "no id twice");
    assert_eq!(once.len(), rig.simulator.count("Contact"), "and nobody left out");
}

#[tokio::test]
async fn several_records_with_one_key_are_a_conflict() {
    let (rig, _) = org(Config::default()).await;
    let writes = rig.open().await.writes.expect("writes");
    for _ in 0..2 {
        let account = json!({ "Name": "Twin", "ERP_Number__c": "77" });
        rig.simulator.add("Account", &account).expect("added");
    }
    let fields: Fields = [("Phone".to_owned(), json!("+15550190000"))].into_iter().collect();
    let refused = writes.create("Account", ("ERP_Number__c", "77"), &fields).await;
    assert_eq!(refused.expect_err("two").kind(), "conflict");
    // A key that is no external id, with everything that could be syntax in it.
    for odd in ["x' OR Name != '", "../..", ".", "a/b?c#d", "ends.inc"] {
        let make = || writes.create("Account", ("ERP_Number__c", odd), &fields);
        let refused = make().await.expect_err("an account needs a name");
        assert!(matches!(refused, Error::Invalid { .. }), "{odd}: {refused}");
        let mut whole = fields.clone();
        whole.insert("Name".to_owned(), json!("Odd"));
        let made = writes.create("Account", ("ERP_Number__c", odd), &whole).await.expect("made");
        let again = make().await.expect("found");
        assert!(made.is_new && !again.is_new && made.id == again.id, "{odd}");
        let asked = [made.id];
        let key = ["ERP_Number__c".to_owned()];
        let read = writes.read(Lane::Background, "Account", &asked, &key).await.expect("read");
        assert_eq!(read[0].as_ref().expect("there").fields["ERP_Number__c"], json!(odd));
    }
}

#[tokio::test]
async fn four_hundred_changes_are_two_requests_to_compare_and_two_to_write() {
    let (rig, _) = org(Config::default()).await;
    let writes = rig.open().await.writes.expect("writes");
    let ids: Vec<String> = (0..400).map(|n| add(&rig.simulator, &format!("N {n}"))).collect();
    let mut rows = Vec::new();
    for ids in ids.chunks(writes.read_max()) {
        let read = writes.read(Lane::Background, "Contact", ids, &[]).await.expect("read");
        rows.extend(read.into_iter().flatten().map(|record| Write::Update {
            id: record.id,
            seen: record.version,
            fields: [("Title".to_owned(), json!("Dr"))].into_iter().collect(),
        }));
    }
    let before = rig.requests().1;
    let mut told = Vec::new();
    for rows in rows.chunks(writes.write_max()) {
        told.extend(writes.write("Contact", rows).await.expect("tried"));
    }
    assert_eq!((told.len(), rig.requests().1 - before), (400, 4));
    // What was read after a write might be somebody else's: no version is told.
    assert!(told.iter().all(|one| one.as_ref().is_ok_and(|saved| saved.version.is_none())));
}

#[tokio::test]
async fn records_are_made_together_by_a_key_that_is_no_external_id() {
    let (rig, _) = org(Config::default()).await;
    let writes = rig.open().await.writes.expect("writes");
    for _ in 0..2 {
        let account = json!({ "Name": "Twin", "ERP_Number__c": "77" });
        rig.simulator.add("Account", &account).expect("added");
    }
    let odd = ["x' OR Name != '", "../..", "ends.inc", "Ünïcode", "77"];
    let row = |value: &str| {
        let fields = [("Name".to_owned(), json!(format!("Account {value}")))];
        let key = ("ERP_Number__c".to_owned(), value.to_owned());
        Write::Create { key, fields: fields.into_iter().collect() }
    };
    let mut rows: Vec<Write> = odd.into_iter().map(row).collect();
    rows.push(Write::Create { key: (String::new(), "1".to_owned()), fields: Fields::new() });
    let wrong: Fields = [("Id".to_owned(), json!("001000000000001AAA"))].into_iter().collect();
    rows.push(Write::Create { key: ("ERP_Number__c".to_owned(), "9".to_owned()), fields: wrong });
    let first = writes.write("Account", &rows).await.expect("tried");
    let again = writes.write("Account", &rows).await.expect("tried");
    for at in 0..4 {
        let (first, again) =
            (first[at].as_ref().expect("made"), again[at].as_ref().expect("found"));
        assert!(first.is_new && !again.is_new && first.id == again.id, "{}", odd[at]);
    }
    let kinds: Vec<&str> =
        first[4..].iter().map(|one| one.as_ref().map_or_else(Error::kind, |_| "ok")).collect();
    assert_eq!(kinds, ["conflict", "invalid", "invalid"]);
    assert_eq!(
        rig.simulator.count("Account"),
        org(Config::default()).await.0.simulator.count("Account") + 6
    );
}
