//! Data actions: a queue's own CRM is asked by a named request or by its lookup, and the
//! answer is flat, whole and never silent.

use crate::rig::plan::Plan;
use crate::rig::{Answer, JOHN, Line};
use serde_json::{Value, json};

/// As the example of the documentation has it.
pub(crate) const ENRICHMENT: &str = include_str!("../../../../docs/examples/actions.toml");

const FIXED: [&str; 9] = [
    "crmType",
    "crmError",
    "errorCode",
    "fallbackCrm",
    "fallbackQueue",
    "status",
    "latencyMs",
    "source",
    "asOf",
];

impl Answer {
    /// Flat, without null, and with every key that an enrichment always has.
    fn assert_flat(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let map = self.body.as_object().expect("an object");
        for (key, value) in map {
            assert!(value.is_string() || value.is_number() || value.is_boolean(), "{key} {self:?}");
        }
        for key in FIXED {
            assert!(map.contains_key(key), "{key} {self:?}");
        }
        map.keys().cloned().collect()
    }
}

impl Line {
    async fn enrich(&self, queue: &str, mut body: Value) -> Answer {
        if body.get("callId").is_none() {
            body["callId"] = self.new_call().into();
        }
        self.post(&format!("/api/v1/queues/{queue}/enrich"), &body).await
    }

    async fn execute(&self, action: &str, body: Value) -> Answer {
        self.post(&format!("/api/v1/actions/{action}/execute"), &body).await
    }
}

fn queue(name: &str, lines: &str) -> String {
    format!("[[queues]]\nname = \"{name}\"\n{lines}\n")
}

fn with_enrichment() -> Plan {
    let premium = "ids = [\"q-premium\"]\ndids = [\"+15550190001\"]\naction = \"CRM_Salesforce_Enrichment\"\n";
    Line::with_salesforce().section(ENRICHMENT).section(&queue("Premium Support", premium))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_enriched_by_its_own_action() {
    let line = with_enrichment().start().await;
    let id = line.id_of(JOHN.2);
    let mut keys = Vec::new();
    for by in ["Premium%20Support", "q-premium", "%2B15550190001"] {
        let answer = line.enrich(by, json!({ "externalId": id })).await;
        keys.push(answer.assert_flat());
        assert_eq!(answer["status"], "hit", "{answer:?}");
        assert_eq!(answer["customerName"], JOHN.0, "{answer:?}");
        assert_eq!(answer["crmType"], "salesforce");
        assert_eq!((&answer["crmError"], &answer["errorCode"]), (&json!(false), &json!("")));
        assert!(answer["source"] == "crm" || answer["source"] == "cache", "{answer:?}");
        assert!(!answer["asOf"].as_str().unwrap_or_default().is_empty(), "{answer:?}");
    }
    let asked = line.salesforce.faults().requests().log();
    let queries: Vec<_> = asked.iter().filter(|seen| seen.target.contains("/query?q=")).collect();
    assert_eq!(queries.len(), 1, "the second and third are answered from the cache: {queries:?}");
    keys.dedup();
    assert_eq!(keys.len(), 1, "the same keys however the queue is named");
}
