//! Salesforce as the system that knows the accounts to which another CRM's records are linked.

use crate::rig::Rig;
use connectors::salesforce::sim::{Config, Salesforce};
use connectors::salesforce::simulate;
use domain::Value;
use kit::{Accounts, Fields, Lane};
use serde_json::json;
use std::sync::Arc;

/// Accounts known by a number of another system's, and the ids that Salesforce gave them.
async fn org(numbers: &[&str]) -> (Rig<Salesforce>, Vec<String>) {
    let (org, mut logins) = simulate::with_logins(Config::default()).await.expect("a port");
    let data = [("industry", "Industry"), ("nobody", "Description")];
    let data: toml::Table = data.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
    logins[0].plain.insert("account_data".to_owned(), data.into());
    let connector = connectors::by_name("salesforce").expect("Salesforce");
    let rig = Rig::new(connector, Box::new(org), logins, simulate::API);
    let writes = rig.open().await.writes.expect("writes");
    let mut ids = Vec::new();
    for number in numbers {
        let named = [("Name", format!("Account {number}")), ("Industry", "Retail".to_owned())];
        let fields: Fields = named.into_iter().map(|(k, v)| (k.to_owned(), json!(v))).collect();
        let made = writes.create("Account", ("AccountNumber", number), &fields).await;
        ids.push(made.expect("made").id);
    }
    (rig, ids)
}

async fn accounts(rig: &Rig<Salesforce>, key: Option<&str>) -> Arc<dyn Accounts> {
    let mut settings = rig.logins[0].clone();
    if let Some(key) = key {
        settings.plain.insert("account_key".to_owned(), key.into());
    }
    let connection = rig.open_with(settings).expect("complete settings");
    let tokens = connection.tokens.as_ref().expect("tokens");
    tokens.fresh(std::time::Duration::from_secs(10)).await.expect("a token");
    connection.accounts.expect("accounts")
}

#[tokio::test]
async fn accounts_are_told_by_their_id_in_the_order_asked() {
    let (rig, ids) = org(&["A-1", "A-2"]).await;
    let accounts = accounts(&rig, None).await;
    let short = ids[1][..15].to_owned();
    let asked = [short, "no id".to_owned(), "001000000000000AAA".to_owned(), ids[0].clone()];
    rig.faults().requests().clear();
    let found = accounts.find(Lane::Call, &asked).await.expect("an answer");
    assert_eq!(rig.requests().1, 1, "one request for all");
    let records: Vec<_> = found.iter().map(|one| one.as_ref().map(|one| &one.record)).collect();
    assert_eq!(records, [Some(&ids[1]), None, None, Some(&ids[0])]);
    let first = found[3].as_ref().expect("there");
    assert_eq!(first.name, "Account A-1");
    assert_eq!(first.data, [("industry".to_owned(), Value::from("Retail"))].into());
    let page = format!("{}/lightning/r/Account/{}/view", rig.simulator.url(), ids[0]);
    assert_eq!(first.url, Some(page));
}

#[tokio::test]
async fn accounts_are_told_by_a_number_of_another_system() {
    let (rig, ids) = org(&["4711", "O'Neil\\ & Co", "abc"]).await;
    let accounts = accounts(&rig, Some("AccountNumber")).await;
    let asked = ["O'Neil\\ & Co", " 4711 ", "ABC", "x' OR Name != '", ""].map(str::to_owned);
    let found = accounts.find(Lane::Background, &asked).await.expect("an answer");
    let records: Vec<_> = found.iter().map(|one| one.as_ref().map(|one| &one.record)).collect();
    assert_eq!(records, [Some(&ids[1]), Some(&ids[0]), Some(&ids[2]), None, None]);
}

#[tokio::test]
async fn many_long_links_go_in_several_queries() {
    let numbers: Vec<String> = (0..50).map(|n| format!("{n:0>40}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let (rig, ids) = org(&numbers).await;
    let accounts = accounts(&rig, Some("AccountNumber")).await;
    let asked: Vec<String> = numbers.iter().map(|number| (*number).to_owned()).collect();
    rig.faults().requests().clear();
    let found = accounts.find(Lane::Background, &asked).await.expect("an answer");
    assert!(rig.requests().1 > 1);
    let records: Vec<_> = found.iter().flatten().map(|one| one.record.clone()).collect();
    assert_eq!(records, ids);
}
