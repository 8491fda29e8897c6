//! The whole way: SIPp calls, Kamailio asks, Tieline decides by two systems, SIPp answers.

use super::exchange::{Caller, DID, Destinations, Exchange, Mode};
use crate::rig::plan::API_KEY;
use crate::rig::{Answer, JOHN, Line, MARIA, STRANGER, until};
use connectors::sql::sim::{Config, Planted};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const EVERYWHERE: [&str; 4] = ["premium", "billing", "general", "default"];

/// The customer's own database, and where each queue is for a switch.
pub(super) fn sections(planted: &Planted, uri_of: impl Fn(&str) -> String) -> String {
    let mut text = format!(
        r#"[connections.invoices]
type = "sql"
prefix = "INV"
allow_private_addresses = true

[connections.invoices.settings]
engine = "sqlite"
file = "{}"
columns = {{ record = "customer_no" }}
lookup_by_phone = """
    SELECT c.customer_no, c.first_name, c.last_name, c.email, p.typed AS phone,
      (SELECT count(*) FROM invoices i WHERE i.customer_no = c.customer_no AND NOT i.paid) AS openInvoices
    FROM phones p JOIN customers c ON c.id = p.customer_id WHERE p.digits = :phone_digits
"""

[routing]
deadline = "5s"
"#,
        planted.file().display()
    );
    for (queue, name) in
        [("Premium Support", "premium"), ("Billing", "billing"), ("General", "general")]
    {
        let uri = uri_of(name);
        text += &format!("\n[[routing.uris]]\ndestination = \"queue:{queue}\"\nuri = \"{uri}\"\n");
    }
    text
}

fn queue(name: &str) -> Value {
    json!({ "type": "queue", "option": name })
}

/// Gold callers to Premium Support, those with open invoices to Billing, others to General.
pub(super) async fn put_rules_in_force(line: &Line) {
    let rule = |crm: &str, field: &str, operator: &str, value: Value, to: &str| {
        let one = json!({ "operator": operator, "value": value, "destination": queue(to) });
        json!({ "location": "did", "crm": crm, "module": "contacts", "field": field, "lines": [one] })
    };
    let gold = rule("salesforce", "loyaltyTier", "=", json!("Gold"), "Premium Support");
    let due = rule("invoices", "openInvoices", ">", json!(0), "Billing");
    let chain = json!({ "rules": ["Gold", "Due"], "default": queue("General") });
    let chain_path = format!("chains/did:{}", DID.replace('+', "%2B"));
    for (path, body) in [("rules/Gold", gold), ("rules/Due", due), (chain_path.as_str(), chain)] {
        let url = line.url(&format!("/api/v1/routing/items/{path}"));
        let put = Answer::of(line.http.put(url).bearer_auth(API_KEY).json(&body)).await;
        assert!(put.status < 300, "{path}: {put:?}");
    }
    let published = line.post("/api/v1/routing/publish", &json!({})).await;
    assert_eq!((published.status, &published["revision"]), (200, &json!(1)), "{published:?}");
}

fn callers() -> [Caller; 6] {
    let withheld = Caller {
        name: "withheld",
        from: "anonymous@anonymous.invalid".into(),
        privacy: "id",
        vouched: format!("{}@example.com", JOHN.1),
    };
    let vouched = Caller {
        name: "vouched",
        from: format!("{STRANGER}@example.com"),
        privacy: "none",
        vouched: format!("{}@example.com", JOHN.1),
    };
    [
        Caller::from("gold", JOHN.1),
        Caller::from("due", MARIA.1),
        Caller::from("stranger", STRANGER),
        Caller { name: "private", privacy: "id", ..Caller::from("gold", JOHN.1) },
        withheld,
        vouched,
    ]
}

/// Each of the callers so often, and where.
fn expected(calls: usize) -> BTreeMap<(String, &'static str), usize> {
    [
        ("gold", "premium"),
        ("due", "billing"),
        ("stranger", "general"),
        ("private", "general"),
        ("withheld", "general"),
        ("vouched", "premium"),
    ]
    .into_iter()
    .map(|(caller, destination)| ((caller.to_owned(), destination), calls))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_comes_where_their_record_says() {
    let Some(destinations) = Destinations::start(&EVERYWHERE).await else { return };
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = Line::with_salesforce().lookup("match", "first");
    let line = line.section(&sections(&planted, |name| destinations.uri(name))).start().await;
    put_rules_in_force(&line).await;
    let patient = "#!define ASK_SECONDS 10\n#!define DESTINATION_MS 20000";
    for (round, mode) in [(1, Mode::Relay), (2, Mode::Redirect)] {
        let exchange =
            Exchange::start(&destinations, mode, &line.url(""), "default", patient).await;
        exchange.call(&callers(), 12, 10).await;
        assert_eq!(destinations.tally(), expected(2 * round), "{mode:?}\n{}", exchange.said());
        let said = exchange.said();
        for secret in [API_KEY, JOHN.1, MARIA.1, STRANGER] {
            assert!(!said.contains(secret), "{secret} is in\n{said}");
        }
        for arrival in destinations.arrivals() {
            assert_eq!(arrival.uri, destinations.uri(arrival.destination));
        }
        if mode == Mode::Relay {
            // Each call was changed once, and went where it was: nobody was asked again.
            assert_eq!(destinations.changes().len(), 12);
        }
    }
    for arrival in destinations.arrivals() {
        let path = format!("/api/v1/calls/{}/explain", arrival.call_id.replace('@', "%40"));
        let explained = line.get(&path).await;
        let decisions = explained["decisions"].as_array().map(Vec::len);
        assert_eq!(decisions, Some(1), "{arrival:?}: {explained:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tieline_that_stops_midway_loses_no_call() {
    let Some(destinations) = Destinations::start(&EVERYWHERE).await else { return };
    let planted = Planted::new(&Config::default()).expect("a file");
    let line = Line::with_salesforce().lookup("match", "first");
    let mut line = line.section(&sections(&planted, |name| destinations.uri(name))).start().await;
    put_rules_in_force(&line).await;
    let patient = "#!define ASK_SECONDS 10\n#!define DESTINATION_MS 20000";
    let exchange =
        Exchange::start(&destinations, Mode::Relay, &line.url(""), "default", patient).await;
    let gold = [Caller::from("gold", JOHN.1)];
    let came = |to: &'static str| destinations.tally().get(&("gold".to_owned(), to)).copied();
    exchange.call(&gold, 5, 10).await;
    assert_eq!((came("premium"), came("default")), (Some(5), None));

    // Forty calls in four seconds; it is killed once some of them have come.
    let calling = exchange.call(&gold, 40, 10);
    let killing = async {
        until("some have come", async || came("premium") > Some(10)).await;
        line.kill().await;
    };
    tokio::join!(calling, killing);
    let sum = came("premium").unwrap_or_default() + came("default").unwrap_or_default();
    assert_eq!(sum, 45, "every call came somewhere, once");
    assert_eq!(destinations.arrivals().len(), 45);

    let before = came("default").unwrap_or_default();
    exchange.call(&gold, 10, 10).await;
    assert_eq!(came("default"), Some(before + 10), "and those who call later");
}
