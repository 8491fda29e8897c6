//! One person asks: everything of them is shown, then it is gone, and nothing brings
//! them back.

use super::reconcile::{reconcile, writes};
use crate::rig::plan::API_KEY;
use crate::rig::{Ended, JANE, JOHN, Line, Place};
use connectors::genesys_cloud::sim::NewCall;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

crate::facts! {
    everything_of_a_person_is_shown_and_then_gone
    of_two_who_share_a_number_one_is_erased_and_the_other_stays
    a_past_call_of_an_erased_person_is_nobodys
}

const NUMBER: &str = "+13175550177";
const EMAIL: &str = "zzerase@example.com";
/// What must be in an export, and nowhere once the person is erased.
const PLANTED: [&str; 9] = [
    "Zzerasefirst",
    "Zzeraselast",
    EMAIL,
    NUMBER,
    "CASE-ZZERASE",
    "zzerase-note",
    "zzerase-kept",
    "zzerase-of-call",
    "zzerase-reason",
];

impl Line {
    async fn erase(&self, who: &[&str]) -> Ended {
        let mut words = vec!["subject", "erase", "--json"];
        words.extend(who);
        self.command(&words).await
    }

    /// The export, and how many rows each of its lists has.
    async fn export(&self, who: &[&str]) -> Value {
        let mut words = vec!["subject", "export"];
        words.extend(who);
        let ended = self.command(&words).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).expect("a document")
    }

    async fn put(&self, path: &str, body: Value) {
        let put = self.http.put(self.url(path)).bearer_auth(API_KEY).json(&body).send().await;
        assert_eq!(put.expect("an answer").status(), 200, "{path}");
    }
}

fn rows(document: &Value, list: &str) -> usize {
    document[list].as_array().unwrap_or_else(|| panic!("{list}: {document}")).len()
}

/// Plants a person with something in every table; their externalId.
async fn plant(line: &Line) -> String {
    let person = json!({
        "FirstName": "Zzerasefirst", "LastName": "Zzeraselast", "Email": EMAIL,
        "Phone": "(317) 555-0177", "CRM_Case_Id__c": "CASE-ZZERASE",
    });
    let id = format!("CRM:{}", line.salesforce.add("Contact", &person).expect("added"));
    let (placed, answer) = line.arrives(NUMBER).await;
    assert_eq!(answer.id(), id);
    line.until_quiet().await;
    let call = placed.conversation_id;
    let end = json!({
        "type": "callEnded", "callId": call, "endedAt": "2026-11-21T20:20:00Z", "userId": "agent-7",
        "notes": "zzerase-note",
    });
    let told = line.post("/api/v1/genesys/events", &end).await;
    assert_eq!(told.status, 202, "{told:?}");
    line.put(&format!("/api/v1/calls/{call}/data"), json!({ "data": { "a": "zzerase-of-call" } }))
        .await;
    let customer = format!("/api/v2/customers/{}", id.replace(':', "%3A"));
    line.put(&customer, json!({ "data": { "a": "zzerase-kept" } })).await;
    // A stranger's call that an agent says was theirs, while the platform is down.
    line.lookup(json!({ "fromNumber": "+13175550178", "callId": "c-2" })).await.assert_whole();
    line.until_quiet().await;
    let down = Fault::Status { code: 503, body: None };
    line.genesys().faults().add(Rule::always(down).on("/api/v2/"));
    let correct = json!({ "callId": "c-2", "newExternalId": id, "reason": "zzerase-reason" });
    let corrected = line.post("/api/v1/genesys/update-context", &correct).await;
    assert_eq!(corrected["confirmed"], true, "{corrected:?}");
    line.decide_by_rules(NUMBER).await;
    id
}

async fn everything_of_a_person_is_shown_and_then_gone(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(30).on(place);
    let line = line.section("[calls]\nsettle_for = \"1s\"");
    let mut line = line.log_level("debug").start().await;
    let id = plant(&line).await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "john" })).await.assert_hit("crm");

    let shown = line.export(&["--phone", "(317) 555-0177"]).await;
    let text = shown.to_string();
    for word in PLANTED {
        assert!(text.contains(word), "{word} is shown: {text}");
    }
    for list in
        ["contacts", "customerData", "calls", "interactions", "corrections", "jobs", "decisions"]
    {
        assert!(rows(&shown, list) > 0, "{list}: {shown}");
    }
    assert_eq!((rows(&shown, "calls"), &shown["complete"]), (2, &json!(true)));
    assert_eq!(shown["subject"]["people"][0]["externalId"], id);
    let contact = line.contacts_of(&id)[0]["id"].clone();
    let there = shown["elsewhere"].as_array().expect("a list").clone();
    assert!(there.iter().any(|one| one["id"] == contact), "{there:?}");

    let erased = line.erase(&["--phone", NUMBER, "--reason", "DSR-4711"]).await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    let erased: Value = serde_json::from_str(&erased.out).expect("JSON");
    assert_eq!(erased["erased"], true, "{erased}");
    for table in [
        "calls",
        "contacts",
        "customer_data",
        "call_data",
        "call_events",
        "links",
        "overrides",
        "decisions",
        "audit",
        "jobs",
    ] {
        assert!(erased["removed"][table].as_u64() > Some(0), "{table}: {erased}");
    }
    assert!(erased["elsewhere"].to_string().contains(contact.as_str().expect("an id")));

    for who in [["--phone", NUMBER], ["--email", EMAIL], ["--external-id", &id]] {
        let left = line.export(&who).await;
        for list in [
            "contacts",
            "customerData",
            "calls",
            "interactions",
            "corrections",
            "jobs",
            "audit",
            "decisions",
        ] {
            assert_eq!(rows(&left, list), 0, "{list} by {who:?}: {left}");
        }
        assert_eq!(left["erasures"], json!([erased["id"]]), "{who:?}");
    }
    line.genesys().faults().clear();
    let (asked, told) = (line.crm_requests(), line.contacts_of(&id).len());
    for body in [
        json!({ "fromNumber": NUMBER, "callId": "again-1" }),
        json!({ "fromNumber": NUMBER, "callId": "again-2", "externalId": id }),
    ] {
        let again = line.lookup(body).await;
        again.assert_by_number("miss");
        assert_eq!((&again["name"], &again["email"]), (&json!(""), &json!("")));
    }
    let by_email = line.lookup(json!({ "email": EMAIL, "callId": "again-3" })).await;
    assert_eq!(by_email.id(), "UNKNOWN");
    assert_eq!(line.crm_requests(), asked, "nobody is asked about them");
    let correct = json!({ "callId": "again-1", "newExternalId": id });
    let corrected = line.post("/api/v1/genesys/update-context", &correct).await;
    assert_eq!(corrected["confirmed"], false, "{corrected:?}");
    line.until_quiet().await;
    for call in ["again-1", "again-2", "again-3"] {
        let stored = line.stored(call).await;
        assert_eq!((&stored["fromNumber"], &stored["email"]), (&json!(""), &json!("")), "{call}");
    }
    assert_eq!(
        line.get(&format!("/api/v2/customers/{}", id.replace(':', "%3A"))).await.status,
        404
    );
    assert_eq!(line.contacts_of(&id).len(), told, "the contact center is told nothing new");

    let verdict = line.command(&["audit", "verify"]).await;
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    line.restart().await;
    line.call_from(NUMBER).await.assert_by_number("miss");
    assert_eq!(line.stored("john").await["externalId"], line.id_of(JOHN.2), "others stay");
    let log = line.log();
    for word in PLANTED {
        assert!(!log.contains(word), "{word} in the log");
    }
}

async fn of_two_who_share_a_number_one_is_erased_and_the_other_stays(place: Place) {
    let line = Line::with_salesforce().on(place).lookup("fresh_for", "0s");
    let mut line = line.lookup("stale_limit", "0s").start().await;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_hit("crm");
    let (john, jane) = (line.id_of(JOHN.2), line.id_of(JANE.2));
    let both = line.erase(&["--phone", JOHN.1]).await;
    assert_eq!(both.code, Some(2), "several are meant: {both:?}");
    assert!(both.out.contains(&john) && both.out.contains(&jane), "who they are: {both:?}");
    assert!(both.err.contains("--external-id"), "{both:?}");
    let refused = line.post("/api/v1/subjects/erase", &json!({ "phones": [JOHN.1] })).await;
    assert_eq!((refused.status, &refused["error"]["code"]), (409, &json!("subject.several")));
    assert!(!refused.body.to_string().contains(&john), "no id in an error: {refused:?}");
    assert_eq!(line.get("/api/v1/subjects/tombstones").await.body, json!([]));

    let one = line.erase(&["--external-id", &john]).await;
    assert_eq!(one.code, Some(0), "{one:?}");
    assert!(line.stored("c-1").await.status == 404, "the call was John's");
    // The caller may be either of them: nobody is named, by whatever way it is found out.
    for source in ["asked", "kept", "after a restart"] {
        if source == "after a restart" {
            line.restart().await;
        }
        let answer = line.call_from(JOHN.1).await;
        answer.assert_by_number("ambiguous");
        assert_eq!(answer["candidateCount"], 1, "{source}: {answer:?}");
        assert!(!answer.body.to_string().contains(JOHN.0), "{source}: {answer:?}");
    }
    let hers = line.lookup(json!({ "email": JANE.2, "fromNumber": JANE.1, "callId": "c-2" })).await;
    assert_eq!(hers.id(), jane, "her e-mail is hers: {hers:?}\n{}", line.log());
    line.until_quiet().await;
    let shown = line.export(&["--external-id", &john]).await;
    assert_eq!((rows(&shown, "contacts"), rows(&shown, "calls")), (0, 0), "{shown}");
    assert_eq!(rows(&line.export(&["--external-id", &jane]).await, "contacts"), 1);

    let listed = line.command(&["subject", "tombstones", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.out).expect("a list");
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    assert!(!listed.to_string().contains(&john[4..]), "hashes alone: {listed}");
    let back = line.command(&["subject", "tombstones", "remove", &id]).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    let again = line.command(&["subject", "tombstones", "remove", &id]).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(line.call_from(JOHN.1).await.id(), john, "a customer again");
    assert_eq!(line.command(&["audit", "verify"]).await.code, Some(0));
}

#[tokio::test]
async fn an_export_is_for_nobody_elses_eyes() {
    let line = Line::with_salesforce().start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let file = line.folder.join("john.json");
    let out = file.display().to_string();
    let words = ["subject", "export", "--email", JOHN.2, "--out", &out];
    let first = line.command(&words).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.out.contains("1  contacts") && !first.out.contains(JOHN.0), "{first:?}");
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(text.contains(JOHN.0) && text.contains(JOHN.1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(line.command(&words).await.code, Some(3), "what is there is not written over");
    let entry = line.get("/api/v1/audit").await.body[0].clone();
    assert_eq!(entry["action"], "subject.exported", "{entry}");
    assert!(!entry.to_string().contains(JOHN.2), "{entry}");
}

#[tokio::test]
async fn who_cannot_be_meant_is_told_so_and_a_stranger_may_be_erased() {
    let line = Line::with_salesforce().start().await;
    for body in [
        json!({}),
        json!({ "phones": ["rubbish"] }),
        json!({ "emails": ["nobody"] }),
        json!({ "externalIds": ["XYZ:1"] }),
        json!({ "externalIds": ["PHONE:00112233445566778899aabbccddeeff"] }),
        json!({ "phones": [NUMBER], "reason": "John Doe" }),
    ] {
        let refused = line.post("/api/v1/subjects/erase", &body).await;
        let code = &refused["error"]["code"];
        assert_eq!((refused.status, code), (400, &json!("request.field_invalid")), "{body}");
    }
    let erased = line.erase(&["--phone", NUMBER]).await;
    assert_eq!(erased.code, Some(0), "{erased:?}");
    let erased: Value = serde_json::from_str(&erased.out).expect("JSON");
    assert_eq!((&erased["removed"], &erased["erased"]), (&json!({}), &json!(true)));
    line.call_from(NUMBER).await.assert_by_number("miss");
}

#[tokio::test]
async fn the_privacy_report_says_which_field_goes_where() {
    let labels = "[reports]\ndimensions = [\"loyaltyTier\"]\n\n[retention]\ncalls = \"14d\"";
    let line = Line::with_salesforce().and_genesys().section(labels).lay().await;
    let ended = line.command_elsewhere(&["privacy", "report", "--json"]).await;
    assert_eq!(ended.code, Some(0), "without a server: {ended:?}");
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let of = |name: &str| {
        let all = report["connections"].as_array().expect("a list");
        all.iter().find(|one| one["connection"] == name).expect(name)
    };
    let (crm, center) = (of("salesforce"), of("genesys"));
    let reads = crm["reads"].to_string();
    for field in ["MobilePhone", "CRM_Case_Id__c", "Account.Name"] {
        assert!(reads.contains(field), "{field}: {reads}");
    }
    assert_eq!(crm["askedBy"], json!(["phone", "email", "record"]));
    assert_eq!((&crm["host"], &center["host"]), (&json!("127.0.0.1"), &json!("127.0.0.1")));
    let region = crm["region"].as_str().expect("a text");
    assert!(region.contains("connections.salesforce.data_region"), "how to say it: {region}");
    assert_eq!(center["sends"]["contact.workEmail"], "e-mail");
    let name = center["sends"]["attributes.customerName"].as_str().expect("told");
    assert!(name.starts_with("name"), "{name}");
    assert!(center["sends"].get("action").is_none(), "nothing technical");
    let store = &report["store"];
    assert_eq!(store["plainLabels"], json!(["loyaltyTier"]));
    let tables = store["tables"].as_array().expect("a list");
    let calls = tables.iter().find(|one| one["table"] == "calls").expect("calls");
    assert_eq!(calls["kept"], "14 days (retention.calls)");
    let text = line.command_elsewhere(&["privacy", "report"]).await;
    assert!(text.out.contains("sends     contact.firstName: first name"), "{text:?}");
}

#[tokio::test]
async fn the_privacy_report_names_what_actions_send_and_what_they_leave_on_a_conversation() {
    let action = r#"[actions.Tier]
connection = "salesforce"
path = "/query"
query = { q = "SELECT Name FROM Contact WHERE Id = '{{customerExternalId}}'" }
fields.customerName = { path = "records.0.Name" }
cache = { keep_for = "30s" }

[[queues]]
name = "Behind"
action = "Tier"
mode = "async"
"#;
    let line = Line::with_salesforce().and_genesys().section(action).lay().await;
    let ended = line.command_elsewhere(&["privacy", "report", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let of = |name: &str| {
        let all = report["connections"].as_array().expect("a list");
        all.iter().find(|one| one["connection"] == name).expect(name)
    };
    let told = &of("salesforce")["actions"]["Tier"];
    assert_eq!(told["sends"], json!({ "query.q": ["customerExternalId"] }));
    assert_eq!(told["reads"], json!({ "customerName": "records.0.Name" }));
    assert_eq!(told["kept"], "30 s, at most 1000 answers");
    let sends = &of("genesys")["sends"];
    for name in ["attributes.customerName", "attributes.enrichStatus"] {
        assert!(sends[name].is_string(), "{name}: {sends}");
    }
    let text = line.command_elsewhere(&["privacy", "report"]).await;
    let expected = "action    Tier: sends customerExternalId in query.q; reads records.0.Name";
    assert!(text.out.contains(expected), "{text:?}");
}

#[tokio::test]
async fn the_privacy_report_names_what_an_erp_adds_to_a_conversation() {
    let (plan, _sap) = super::erp::with_sap("erpAccountStatus = \"status\"").await;
    let line = plan.and_genesys().lay().await;
    let ended = line.command_elsewhere(&["privacy", "report", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let all = report["connections"].as_array().expect("a list");
    let center = all.iter().find(|one| one["connection"] == "genesys").expect("genesys");
    let status = center["sends"]["attributes.erpAccountStatus"].as_str().expect("told");
    assert!(status.starts_with("data of sap"), "{status}");
}

async fn a_past_call_of_an_erased_person_is_nobodys(place: Place) {
    let quick = "[calls]\nsettle_for = \"50ms\"\n";
    let line = Line::with_salesforce().and_genesys().section(quick).on(place).start().await;
    let person = json!({ "LastName": "Zzeraselast", "Email": EMAIL, "Phone": NUMBER });
    line.salesforce.add("Contact", &person).expect("added");
    // The flow never asked for it; the platform remembers it, with the number.
    let past = NewCall { ani: format!("sip:{NUMBER}@10.1.2.3"), ..NewCall::default() };
    let past = line.genesys().place_call(&past).conversation_id;
    assert!(line.genesys().end_call(&past));
    assert_eq!(line.erase(&["--phone", NUMBER, "--reason", "DSR-1"]).await.code, Some(0));
    let asked = line.crm_requests();
    let dry = reconcile(&line, json!({ "since": "1h", "dryRun": true })).await;
    assert_eq!(line.stored(&past).await.status, 404);
    let report = reconcile(&line, json!({ "since": "1h" })).await;
    assert_eq!(report["counts"], json!({ "erased": 1, "unseen": 1 }), "{report}");
    assert_eq!((&dry["counts"], &report["examined"]), (&report["counts"], &json!(1)));
    line.until_quiet().await;
    assert_eq!(line.crm_requests(), asked, "no CRM was asked");
    assert_eq!(writes(&line), Vec::<String>::new(), "nobody was told");
    let stored = line.stored(&past).await;
    assert_eq!((&stored["fromNumber"], &stored["email"]), (&json!(""), &json!("")), "{stored:?}");
    assert!(stored["warnings"].to_string().contains("erased"), "{stored:?}");
    assert!(!stored["warnings"].to_string().contains(NUMBER));
    assert_eq!(line.export(&["--phone", NUMBER]).await["contacts"], json!([]));
    let again = reconcile(&line, json!({ "since": "1h" })).await;
    assert_eq!(again["counts"], json!({ "erased": 1 }), "{again}");
}
