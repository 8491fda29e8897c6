//! One customer is a record in each of several systems: a queue's system is asked by its
//! own id, written as it writes ids, and never by another's.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, until};
use connectors::sap_s4::sim::S4;
use connectors::servicenow::sim::Instance;
use connectors::{sap_s4, servicenow};
use serde_json::{Value, json};

crate::facts! {
    a_queue_of_another_system_is_asked_by_its_own_id
}

/// Three systems: the CRM, an ERP whose ids have seven digits, and a desk. None stands beside
/// another, unless `beside`.
struct Three {
    line: Line,
    sap: S4,
    desk: Instance,
}

/// The account of Acme, as its system writes it, and as others do.
const ACME: &str = "2000001";
const PADDED: &str = "0002000001";

impl Three {
    async fn start(place: Place, beside: &str, formats: &str) -> Self {
        let sap = sap_s4::sim::Config { people: 20, ..Default::default() };
        let sap = sap_s4::sim::start(sap).await.expect("a SAP");
        let desk = servicenow::sim::Config { people: 20, ..Default::default() };
        let desk = servicenow::sim::start(desk).await.expect("a ServiceNow");
        let sections = format!(
            r#"{beside}
[connections.sap]
type = "sap_s4"
prefix = "ERP"
allow_private_addresses = true
{formats}

[connections.sap.settings]
base_url = "{sap}"
client_id = "{sap_id}"
client_secret = {{ env = "SAP_SECRET" }}

[connections.desk]
type = "servicenow"
prefix = "SN"
allow_private_addresses = true

[connections.desk.settings]
instance_url = "{desk}"
client_id = "{desk_id}"
client_secret = {{ env = "DESK_SECRET" }}

[actions.Account]
connection = "sap"
path = "/A_BusinessPartner('{{{{customerExternalId}}}}')"
query = {{ "$select" = "BusinessPartner,BusinessPartnerFullName" }}

[actions.Account.fields]
accountName = {{ path = "d.BusinessPartnerFullName" }}

[[queues]]
name = "Billing"
action = "Account"

[[queues]]
name = "Support"
connection = "desk"
"#,
            sap = sap.url(),
            sap_id = sap.config().client_id,
            desk = desk.url(),
            desk_id = desk.config().client_id,
        );
        let plan = Line::with_salesforce().on(place);
        let plan = plan.data("erpAccountNumber", "Account.AccountNumber").section(&sections);
        let plan = plan.variable("SAP_SECRET", &sap.config().client_secret);
        let plan = plan.variable("DESK_SECRET", &desk.config().client_secret);
        Self { line: plan.start().await, sap, desk }
    }

    async fn enrich(&self, queue: &str, body: Value) -> Answer {
        let mut body = body;
        body["callId"] = self.line.new_call().into();
        self.line.post(&format!("/api/v1/queues/{queue}/enrich"), &body).await
    }

    /// What SAP and ServiceNow were sent, without logins.
    fn sent(&self) -> Vec<String> {
        let sap = self.sap.faults().requests().log();
        let desk = self.desk.faults().requests().log();
        let all = sap.into_iter().chain(desk).map(|seen| seen.target);
        all.filter(|target| !target.contains("oauth")).collect()
    }

    async fn put(&self, body: Value) -> Answer {
        let request = self.line.http.put(self.line.url("/api/v1/links")).bearer_auth(API_KEY);
        Answer::of(request.json(&body)).await
    }

    async fn person_of_the_desk(&self, email: &str) -> String {
        let found = self.enrich("Support", json!({ "email": email })).await;
        assert_eq!(found["status"], "hit", "{found:?}");
        found["externalId"].as_str().expect("an id").to_owned()
    }
}

async fn a_queue_of_another_system_is_asked_by_its_own_id(place: Place) {
    let formats = "[connections.sap.formats]\nid = { pad = 7 }";
    let three = Three::start(place, "", formats).await;
    let john = three.line.id_of(JOHN.2);
    let bare = john.trim_start_matches("CRM:").to_owned();
    let unlinked = three.enrich("Billing", json!({ "externalId": john })).await;
    assert_eq!(unlinked["errorCode"], "action.value_missing", "{unlinked:?}");

    let link =
        json!({ "externalId": john, "connection": "sap", "record": format!("ERP:{PADDED}") });
    let put = three.put(link.clone()).await;
    assert_eq!((put.status, &put["record"]), (200, &json!(ACME)), "{put:?}");
    assert_eq!((&put["externalId"], &put["source"]), (&json!(john), &json!("api")));
    assert_eq!(three.put(link).await["id"], put["id"], "twice is once");
    let acme = three.enrich("Billing", json!({ "externalId": john })).await;
    assert_eq!(acme["status"], "hit", "{acme:?}");
    assert!(acme["accountName"].as_str().is_some_and(|name| name.contains("Acme")), "{acme:?}");
    assert!(three.sent().iter().any(|target| target.contains("'2000001'")), "as SAP writes ids");

    // A queue that is served by a lookup goes the same way, back as well.
    let jane = three.person_of_the_desk(JANE.2).await;
    let record = jane.trim_start_matches("SN:");
    let put =
        three.put(json!({ "externalId": john, "connection": "desk", "record": record })).await;
    assert_eq!(put.status, 200, "{put:?}");
    let linked = three.enrich("Support", json!({ "externalId": john })).await;
    assert_eq!((&linked["status"], &linked["externalId"]), (&json!("hit"), &json!(jane)));
    let back = three.enrich("Standard_CRM", json!({ "externalId": jane })).await;
    assert_eq!((&back["externalId"], &back["name"]), (&json!(john), &json!(JOHN.0)), "{back:?}");
    let told = three.sent();
    assert!(told.iter().all(|target| !target.contains(&bare)), "the CRM's id: {told:?}");

    let listed = three.line.command(&["links", "list", &john]).await;
    assert!(listed.out.contains(ACME) && listed.out.contains(record), "{listed:?}");
    let gone = three.line.command(&["links", "remove", &put["id"].to_string()]).await;
    assert_eq!((gone.code, gone.out.trim()), (Some(0), r#"{"removed":1}"#), "{gone:?}");
    let unlinked = three.enrich("Support", json!({ "externalId": john })).await;
    assert_eq!(unlinked["status"], "unknown", "nothing else to ask by: {unlinked:?}");
    let by_number = json!({ "externalId": john, "email": MARIA.2 });
    let by_number = three.enrich("Support", by_number).await;
    assert_eq!(by_number["name"], MARIA.0, "as without a link: {by_number:?}");

    let erased = three.line.command(&["subject", "erase", "--external-id", &john]).await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    let links = three.line.get("/api/v1/links").await;
    assert_eq!(links.body, json!([]), "with its person");
    let again = json!({ "externalId": john, "connection": "sap", "record": ACME });
    assert_eq!(three.put(again).await["error"]["code"], "link.erased");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_the_record_leads_beside_the_crm() {
    let beside = "[[connections.salesforce.beside]]\nconnection = \"sap\"\n\
        linked_by = \"erpAccountNumber\"\n";
    let formats = "[connections.sap.formats]\nid = { pad = 7 }";
    let three = Three::start(Place::disk(), beside, formats).await;
    let rows =
        three.line.salesforce.query("SELECT Id FROM Account WHERE Name = 'Acme Corporation'");
    let acme = rows.expect("a query")[0]["Id"].as_str().expect("an id").to_owned();
    let number = json!({ "AccountNumber": PADDED });
    three.line.salesforce.update(&acme, &number).expect("Acme is there");
    let john = three.line.id_of(JOHN.2);
    three.line.call_from(JOHN.1).await.assert_whole();
    let mut answer = three.enrich("Billing", json!({ "externalId": john })).await;
    // Our own copy is written behind the answer.
    until("our copy leads there", async || {
        answer = three.enrich("Billing", json!({ "externalId": john })).await;
        answer["status"] == "hit"
    })
    .await;
    assert!(answer["accountName"].as_str().is_some_and(|name| name.contains("Acme")), "{answer:?}");
    let path = format!("/api/v1/links?externalId={}", john.replace(':', "%3A"));
    let listed = three.line.get(&path).await;
    assert_eq!(listed.body.as_array().map(Vec::len), Some(1), "{listed:?}");
    let field = &listed.body[0];
    assert_eq!((&field["source"], &field["record"]), (&json!("field"), &json!(ACME)));
    assert_eq!((&field["id"], &field["connection"]), (&json!(0), &json!("sap")));
    // What somebody has said goes before.
    let link = json!({ "externalId": john, "connection": "sap", "record": "2999999" });
    assert_eq!(three.put(link).await.status, 200);
    let other = three.enrich("Billing", json!({ "externalId": john })).await;
    assert_eq!(other["errorCode"], "crm.not_found", "{other:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_follows_a_merge() {
    let three = Three::start(Place::disk(), "", "").await;
    let desk = three.person_of_the_desk(JANE.2).await;
    let (john, maria) = (three.line.id_of(JOHN.2), three.line.id_of(MARIA.2));
    let bare = |id: &str| id.trim_start_matches("CRM:").to_owned();
    let link = json!({ "externalId": desk, "connection": "salesforce", "record": john });
    assert_eq!(three.put(link).await.status, 200);
    three.line.salesforce.merge(&bare(&john), &bare(&maria)).expect("both are there");
    until("the link follows", async || {
        let answer = three.enrich("Standard_CRM", json!({ "externalId": desk })).await;
        answer["externalId"] == maria
    })
    .await;
    let listed = three.line.get("/api/v1/links").await;
    assert_eq!(listed.body[0]["record"], bare(&maria), "{listed:?}");
    let acts = three.line.get("/api/v1/audit").await;
    assert_eq!(acts.body[0]["action"], "link.followed", "{acts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_cannot_be_is_refused_by_its_field() {
    let three = Three::start(Place::disk(), "", "").await;
    let john = three.line.id_of(JOHN.2);
    for (body, at) in [
        (json!({ "externalId": "PHONE:x", "connection": "sap", "record": "1" }), "externalId"),
        (json!({ "externalId": "XYZ:1", "connection": "sap", "record": "1" }), "externalId"),
        (json!({ "externalId": john, "connection": "none", "record": "1" }), "connection"),
        (json!({ "externalId": john, "connection": "salesforce", "record": "1" }), "connection"),
        (json!({ "externalId": john, "connection": "sap", "record": "SN:1" }), "record"),
        (json!({ "externalId": john, "connection": "sap", "record": " " }), "record"),
    ] {
        let refused = three.put(body.clone()).await;
        let told = (refused.status, &refused["error"]["code"], &refused["error"]["at"]);
        assert_eq!(told, (400, &json!("request.field_invalid"), &json!(at)), "{body}");
    }
    let unknown = three.line.command(&["links", "remove", "77"]).await;
    assert!(unknown.err.contains("link.unknown"), "{unknown:?}");
    let nobody = three.line.get("/api/v1/links?externalId=nobody").await;
    assert_eq!(nobody.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_stands_in_an_action_as_its_system_writes_it() {
    let action = r#"[connections.salesforce.formats]
phone = "national"

[actions.ByNumber]
connection = "salesforce"
path = "/query"
query = { q = "SELECT Id, Name FROM Contact WHERE Phone = '{{ani}}'" }

[actions.ByNumber.fields]
customerName = { path = "records.0.Name" }
"#;
    let line = Line::with_salesforce().section(action).start().await;
    let id = line.id_of(MARIA.2).trim_start_matches("CRM:").to_owned();
    let phone = json!({ "Phone": "(317) 555-0177" });
    line.salesforce.update(&id, &phone).expect("Maria is there");
    let body = json!({ "ani": "+13175550177" });
    let answer = line.post("/api/v1/actions/ByNumber/execute", &body).await;
    assert_eq!((&answer["status"], &answer["customerName"]), (&json!("hit"), &json!(MARIA.0)));
}
