//! The customer's own database as a queue's CRM, and beside one, by configuration alone.

use crate::rig::{JOHN, Line, STRANGER};
use connectors::sql::sim::{Config, JOHN as RECORD, Planted};
use serde_json::json;

/// A connection to the seeded file, as an administrator would write it.
fn section(planted: &Planted) -> String {
    format!(
        r#"[[queues]]
name = "Standard"
connection = "standard"

[[connections.salesforce.beside]]
connection = "standard"
linked_by = "company"

[connections.standard]
type = "sql"
prefix = "STD"
allow_private_addresses = true

[connections.standard.settings]
engine = "sqlite"
file = "{}"
columns = {{ record = "customer_no" }}
lookup_by_phone = """
    SELECT c.customer_no, c.first_name, c.last_name, c.email, c.tier AS loyaltyTier, p.typed AS phone
    FROM phones p JOIN customers c ON c.id = p.customer_id
    WHERE p.digits = :phone_digits   -- as our nightly job normalizes them
"""
lookup_by_record = "SELECT customer_no, first_name, last_name, email FROM customers WHERE customer_no = :record"
account_query = """
    SELECT count(*) AS "openInvoices", round(sum(i.amount), 2) AS "openAmount"
    FROM customers c JOIN invoices i ON i.customer_no = c.customer_no
    WHERE c.company = :account AND NOT i.paid
"""
"#,
        planted.file().display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_answered_from_the_customers_own_tables() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = Line::with_salesforce().lookup("match", "first").section(&section(&planted)).start();
    let line = line.await;
    let body = json!({ "fromNumber": JOHN.1, "queueId": "Standard", "callId": "own-1" });
    let answer = line.lookup(body).await;
    answer.assert_whole();
    assert_eq!(answer.id(), format!("STD:{RECORD}"), "{answer:?}");
    assert_eq!((&answer["name"], &answer["status"]), (&json!("John Doe"), &json!("hit")));
    assert_eq!(answer["email"], "john.doe@example.com");
    assert_eq!(answer["data"]["loyaltyTier"], "Gold");
    let nobody = json!({ "fromNumber": STRANGER, "queueId": "Standard", "callId": "own-2" });
    line.lookup(nobody).await.assert_by_number("miss");
    // By record: what an agent corrects a call to is confirmed by its own system.
    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "the sample query has no index: {}", checked.out);
    assert!(
        checked.out.contains("reads only") || checked.err.contains("reads only"),
        "{checked:?}"
    );
    // SQLite tells a table by the name that the query gives it.
    assert!(checked.out.contains("account_query reads the whole of c"), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_invoices_join_the_crms_answer() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = Line::with_salesforce().lookup("match", "first").section(&section(&planted)).start();
    let line = line.await;
    let body = json!({ "fromNumber": JOHN.1, "callId": "own-3" });
    let answer = line.lookup(body).await;
    answer.assert_hit("crm");
    assert_eq!(answer["data"]["company"], "Acme Corporation");
    assert!(answer["data"]["openInvoices"].as_i64().is_some_and(|count| count > 0), "{answer:?}");
    assert!(answer["data"]["openAmount"].as_f64().is_some_and(|sum| sum > 0.0), "{answer:?}");
    assert_eq!(answer["missing"], json!([]));
}
