//! An ERP beside the CRM: its word joins in time or behind, and never costs the deadline.

use super::deadline::assert_in_time;
use crate::rig::plan::Plan;
use crate::rig::{
    Answer, JANE, JOHN, Line, MARIA, Place, STRANGER, Stalls, join_all, until, until_some,
};
use connectors::sap_s4;
use connectors::sap_s4::sim::S4;
use reqwest::Method;
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

crate::facts! {
    what_the_erp_says_of_a_linked_account_joins_in_time
    an_erp_that_is_slow_is_joined_behind_the_answer
    an_erp_that_fails_costs_its_own_fields_and_nothing_else
    a_record_without_a_link_costs_the_erp_nothing
    a_customer_of_the_erp_alone_is_named_by_it
    the_crm_goes_before_once_it_knows_the_number
    a_call_is_corrected_to_a_record_of_the_erp
    what_an_answer_lacks_is_joined_after_a_kill
    our_copy_of_an_account_answers_and_is_renewed_behind
    the_copies_of_both_stay_apart
    past_its_limit_the_copy_of_an_account_serves_marked_when_the_erp_fails
    a_partial_answer_is_finished_with_the_word_of_both
    a_correction_is_finished_when_the_erp_is_back
    an_account_of_two_stays_with_the_one_who_is_not_erased
    an_erased_account_is_not_kept_again
}

const SERVICE: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER";
/// The account of Acme, where John and Jane work.
const ACME: &str = "2000001";

struct Both {
    line: Line,
    sap: S4,
}

const DATA: &str = "erpAccountStatus = \"status\", loyaltyTier = \"BusinessPartnerGrouping\", \
    erpClass = \"to_Customer/CustomerClassification\"";

/// A Salesforce whose accounts may carry the number of a SAP beside it, and what its
/// answers shall have of that.
pub(crate) async fn with_sap(data: &str) -> (Plan, S4) {
    let config = sap_s4::sim::Config { people: 40, ..Default::default() };
    let sap = sap_s4::sim::start(config).await.expect("a SAP");
    let secret = &sap.config().client_secret;
    let plan = Line::with_salesforce().data("erpAccountNumber", "Account.AccountNumber");
    (plan.section(&section("sap", &sap, data)).variable("SAP_SECRET", secret), sap)
}

/// A SAP beside the Salesforce of a line.
fn section(name: &str, sap: &S4, data: &str) -> String {
    format!(
        r#"[[connections.salesforce.beside]]
connection = "{name}"
linked_by = "erpAccountNumber"

[connections.{name}]
type = "sap_s4"
{}
allow_private_addresses = true

[connections.{name}.settings]
base_url = "{}"
client_id = "{}"
client_secret = {{ env = "SAP_SECRET" }}
data = {{ {data} }}
"#,
        if name == "sap" { "prefix = \"ERP\"" } else { "" },
        sap.url(),
        sap.config().client_id
    )
}

impl Both {
    async fn start(place: Place, change: impl FnOnce(Plan) -> Plan) -> Self {
        let (plan, sap) = with_sap(DATA).await;
        let line = change(plan.on(place)).start().await;
        line.link(ACME);
        Self { line, sap }
    }

    /// Requests for what SAP holds.
    fn asked(&self) -> usize {
        let log = self.sap.faults().requests().log();
        log.iter().filter(|seen| seen.target.starts_with(sap_s4::simulate::API)).count()
    }

    /// From now on SAP does this to every question. Changes, and logins, have no options.
    fn erp_does(&self, fault: Fault) {
        let rules = vec![Rule::always(fault).on("?")];
        self.sap.faults().set(sim::faults::Plan { rules, ..Default::default() });
    }

    fn erp_recovers(&self) {
        self.sap.faults().clear();
    }

    /// Somebody in the ERP blocks an account.
    async fn block(&self, account: &str) {
        let config = self.sap.config();
        let url = format!("{}{SERVICE}/A_BusinessPartner('{account}')", self.sap.url());
        let http = |method: Method| {
            let request = self.line.http.request(method, &url);
            request.basic_auth(&config.username, Some(&config.password))
        };
        let read = http(Method::GET).header("x-csrf-token", "Fetch").send().await.expect("a row");
        let header = |name: &str| {
            let all = read.headers().get_all(name).iter().map(|one| one.to_str().expect("text"));
            all.map(|one| one.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("; ")
        };
        let change = http(Method::PATCH)
            .header("x-csrf-token", header("x-csrf-token"))
            .header("cookie", header("set-cookie"))
            .header("if-match", "*")
            .json(&json!({ "BusinessPartnerIsBlocked": true }));
        let changed = change.send().await.expect("an answer");
        assert_eq!(changed.status(), 204, "{}", changed.text().await.expect("a body"));
    }

    /// Waits until John and his account are answered by our own copies alone.
    async fn until_copied(&self) {
        until("our copies answer", async || {
            let before = (self.line.crm_requests(), self.asked());
            let answer = self.line.call_from(JOHN.1).await;
            answer["source"] == "directory" && (self.line.crm_requests(), self.asked()) == before
        })
        .await;
    }

    /// Waits until a stored call has what the ERP says of Acme.
    async fn until_joined(&self, call: &str) -> Answer {
        until_some("what the ERP says has joined the call", async || {
            let stored = self.line.stored(call).await;
            (stored["data"]["erpAccountStatus"] == "active").then_some(stored)
        })
        .await
    }
}

impl Line {
    /// Links the company of John and Jane with an account of the ERP.
    fn link(&self, account: &str) {
        let rows = self.salesforce.query("SELECT Id FROM Account WHERE Name = 'Acme Corporation'");
        let rows = rows.expect("a query of our own");
        let id = rows[0]["Id"].as_str().expect("an id").to_owned();
        self.salesforce.update(&id, &json!({ "AccountNumber": account })).expect("Acme is there");
    }
}

impl Answer {
    /// John, with what the ERP says of Acme.
    fn assert_joined(&self, source: &str) {
        self.assert_hit(source);
        let data = &self["data"];
        assert_eq!(data["erpAccountStatus"], "active", "{self:?}");
        assert_eq!(data["erpClass"], "A", "{self:?}");
        assert_eq!(data["erpAccountNumber"], ACME, "{self:?}");
        assert_eq!(data["loyaltyTier"], "Gold", "a name that both give is the CRM's: {self:?}");
        assert_eq!(self["missing"], json!([]), "{self:?}");
    }

    /// John as the CRM has him, and the answer says what it lacks.
    fn assert_lacking(&self) {
        assert_eq!((&self["status"], &self["name"]), (&json!("hit"), &json!(JOHN.0)), "{self:?}");
        assert_eq!(self["data"]["loyaltyTier"], "Gold");
        assert_eq!(self["data"]["erpAccountStatus"], Value::Null, "{self:?}");
        assert_eq!(self["missing"], json!(["sap"]), "{self:?}");
    }
}

async fn what_the_erp_says_of_a_linked_account_joins_in_time(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    let line = &both.line;
    line.call_from(JOHN.1).await.assert_joined("crm");
    both.until_copied().await;
    let asked = both.asked();
    line.call_from(JOHN.1).await.assert_joined("directory");
    let profile = line.get(&format!("/api/v2/customers/{}", line.id_of(JOHN.2))).await;
    assert_eq!(profile["data"]["erpAccountStatus"], "active", "{profile:?}");
    assert_eq!(profile["missing"], json!([]));
    let stored = &line.calls().await[0];
    let stored = line.stored(stored["callId"].as_str().expect("an id")).await;
    assert_eq!(stored["data"]["erpClass"], "A", "{stored:?}");
    line.until_quiet().await;
    assert_eq!(both.asked(), asked, "the copy serves everybody of the account");
}

/// Of the tests that are about it.
const DEADLINE: Duration = Duration::from_millis(300);

async fn an_erp_that_is_slow_is_joined_behind_the_answer(place: Place) {
    let dimension = "[reports]\ndimensions = [\"erpClass\"]\n[calls]\nsettle_for = \"50ms\"";
    let plan = |plan: Plan| plan.and_genesys().deadline("300ms").section(dimension);
    let both = Both::start(place, plan).await;
    let line = &both.line;
    both.erp_does(Fault::Reset);
    line.until_the_directory_knows(JOHN.1).await;
    both.erp_does(Fault::slow(Duration::from_secs(3)));
    let stalls = Stalls::watch();
    let (call, answer) = line.arrives(JOHN.1).await;
    answer.assert_lacking();
    assert_in_time(&answer, DEADLINE, &stalls);
    both.erp_recovers();
    let stored = both.until_joined(&call.conversation_id).await;
    assert_eq!(
        (&stored["externalId"], &stored["status"]),
        (&json!(line.id_of(JOHN.2)), &json!("hit"))
    );
    line.call_from(JOHN.1).await.assert_joined("directory");
    line.until_quiet().await;
    // The flow could not have set what came behind.
    let told = line.genesys().attributes(&call.conversation_id, &call.participant_id);
    let told = told.expect("the call is known there");
    assert_eq!(told["erpAccountStatus"], "active", "{told:?}");
    assert_eq!(told.get("loyaltyTier"), None, "the flow had it");
    let ended = json!({ "type": "callEnded", "callId": call.conversation_id, "talkMs": 60_000 });
    assert_eq!(line.post("/api/v1/genesys/events", &ended).await.status, 202);
    until("the report knows the class that came behind", async || {
        let report = line.get("/api/v1/reports/handle-time?group_by=data.erpClass").await;
        report.body.to_string().contains(r#""A""#)
    })
    .await;
}

async fn an_erp_that_fails_costs_its_own_fields_and_nothing_else(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    let line = &both.line;
    let busy = Fault::Vendor("busy".to_owned());
    let faults = [Fault::Reset, Fault::Throttled, busy, Fault::Html200, Fault::Unauthorized];
    for (at, fault) in faults.into_iter().enumerate() {
        both.erp_does(fault.clone());
        let answer =
            line.lookup(json!({ "fromNumber": JOHN.1, "callId": format!("c-{at}") })).await;
        answer.assert_lacking();
        both.erp_recovers();
    }
    for at in 0..5 {
        both.until_joined(&format!("c-{at}")).await;
    }
    line.call_from(JOHN.1).await.assert_joined("directory");
    line.until_quiet().await;
    assert_eq!(line.jobs_in("dead").await, Vec::<Value>::new());
}

async fn a_record_without_a_link_costs_the_erp_nothing(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    both.line.link("");
    for number in [JOHN.1, MARIA.1, JOHN.1] {
        let answer = both.line.call_from(number).await;
        answer.assert_whole();
        assert_eq!((&answer["status"], &answer["missing"]), (&json!("hit"), &json!([])));
    }
    both.line.until_quiet().await;
    assert_eq!(both.asked(), 0);
}

async fn a_customer_of_the_erp_alone_is_named_by_it(place: Place) {
    let both = Both::start(place, |plan| plan.and_genesys()).await;
    let line = &both.line;
    let person = &Line::loners(1)[0];
    let (call, answer) = line.arrives(&person.number).await;
    answer.assert_by_number("miss");
    let stored = line.until_stored_as(&call.conversation_id, "hit").await;
    let id = stored["externalId"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("ERP:10000"), "{id}");
    assert_eq!(stored["connection"], "sap");
    let next = line.call_from(&person.number).await;
    next.assert_whole();
    assert_eq!((next.id(), &next["name"]), (id.as_str(), &json!(person.name)));
    assert_eq!((&next["source"], &next["status"]), (&json!("directory"), &json!("hit")));
    assert!(next["data"]["erpAccountStatus"].is_string(), "{next:?}");
    assert_eq!(next["data"]["previousInteractionCount"], 1);
    line.until_quiet().await;
    assert_eq!(line.contacts_of(&id).len(), 1, "the contact center knows them");
    let profile = line.get(&format!("/api/v2/customers/{id}")).await;
    assert_eq!((profile.id(), &profile["name"]), (id.as_str(), &json!(person.name)));
    // Nobody knows this one; each system is asked behind the answer, once.
    line.call_from(STRANGER).await.assert_by_number("miss");
    line.until_quiet().await;
    let asked = both.asked();
    line.call_from(STRANGER).await.assert_by_number("miss");
    line.until_quiet().await;
    assert_eq!(both.asked(), asked);
}

async fn the_crm_goes_before_once_it_knows_the_number(place: Place) {
    let both = Both::start(place, |plan| plan.lookup("remember_misses_for", "1ms")).await;
    let line = &both.line;
    let person = &Line::loners(1)[0];
    line.lookup(json!({ "fromNumber": person.number, "callId": "first" })).await;
    line.until_stored_as("first", "hit").await;
    line.until_quiet().await;
    let contact = json!({ "LastName": "New", "Phone": person.number, "Email": "new@example.com" });
    line.salesforce.add("Contact", &contact).expect("a contact");
    // Answered at once by what is known; the CRM is asked behind, and this call is its own.
    let second = json!({ "fromNumber": person.number, "callId": "second" });
    assert!(line.lookup(second).await.id().starts_with("ERP:"));
    let id = line.id_of("new@example.com");
    until("the call is the CRM's", async || line.stored("second").await["externalId"] == id).await;
    let third = line.call_from(&person.number).await;
    third.assert_hit("directory");
    assert_eq!(third.id(), id);
    assert_eq!(line.stored("first").await["connection"], "sap", "what was said is not unsaid");
}

async fn a_call_is_corrected_to_a_record_of_the_erp(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    let line = &both.line;
    line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await.assert_joined("crm");
    let correct = async |to: &str| {
        let body = json!({ "callId": "c-1", "newExternalId": to, "reason": "their own account" });
        line.post("/api/v1/genesys/update-context", &body).await
    };
    // Maria as SAP has her, typed with the zeros that SAP stores.
    let answer = correct("ERP:0001000003").await;
    assert_eq!((&answer["confirmed"], answer.id()), (&json!(true), "ERP:1000003"), "{answer:?}");
    assert_eq!((&answer["name"], &answer["data"]["erpClass"]), (&json!(MARIA.0), &json!("C")));
    let next = line.call_from(JOHN.1).await;
    assert_eq!((next.id(), &next["name"]), ("ERP:1000003", &json!(MARIA.0)), "{next:?}");
    for unknown in ["ERP:1999999", "ERP:no such form"] {
        let answer = correct(unknown).await;
        assert_eq!(
            (&answer["confirmed"], answer.id()),
            (&json!(false), "ERP:1000003"),
            "{answer:?}"
        );
    }
    // And back: what joins a record joins a corrected one.
    let answer = correct(&line.id_of(JANE.2)).await;
    assert_eq!((&answer["confirmed"], &answer["name"]), (&json!(true), &json!(JANE.0)));
    assert_eq!(answer["data"]["erpAccountStatus"], "active", "{answer:?}");
}

async fn what_an_answer_lacks_is_joined_after_a_kill(place: Place) {
    let mut both = Both::start(place, |plan| plan).await;
    both.erp_does(Fault::Reset);
    let call = json!({ "fromNumber": JOHN.1, "callId": "c-1" });
    both.line.lookup(call).await.assert_lacking();
    both.line.until_jobs_rest().await;
    both.line.kill().await;
    both.erp_recovers();
    both.line.start_server().await;
    both.until_joined("c-1").await;
}

async fn our_copy_of_an_account_answers_and_is_renewed_behind(place: Place) {
    let quick = "[connections.sap.limits]\ntimeout = \"500ms\"";
    let plan =
        |plan: Plan| plan.section(quick).variable("TIELINE_CONNECTIONS__SAP__FRESH_FOR", "0s");
    let mut both = Both::start(place, plan).await;
    both.line.call_from(JOHN.1).await.assert_joined("crm");
    both.line.until_the_directory_knows(JOHN.1).await;
    both.line.restart().await;
    both.erp_does(Fault::Hang);
    let begun = both.asked();
    // An ERP that hangs shows that nobody waits for it.
    both.line.call_from(JOHN.1).await.assert_joined("directory");
    until("the copy is being renewed", async || both.asked() > begun).await;
    both.erp_recovers();
    // The copy is renewed, and with it every answer of whoever is linked to it.
    both.block(ACME).await;
    until("the news is there", async || {
        let answer = both.line.call_from(JANE.1).await;
        answer["data"]["erpAccountStatus"] == "blocked"
    })
    .await;
}

async fn the_copies_of_both_stay_apart(place: Place) {
    let stale = |plan: Plan| plan.variable("TIELINE_CONNECTIONS__SALESFORCE__FRESH_FOR", "0s");
    let both = Both::start(place, stale).await;
    both.line.call_from(JOHN.1).await.assert_joined("crm");
    both.line.until_the_directory_knows(JOHN.1).await.assert_joined("directory");
    // John's account in the ERP is his own person there as well: neither copy becomes the other.
    both.line.link("1000001");
    until("the new link is followed", async || {
        both.line.call_from(JOHN.1).await["data"]["erpAccountNumber"] == "1000001"
    })
    .await;
    let person = both.line.lookup(json!({ "externalId": "ERP:1000001", "callId": "p" })).await;
    assert_eq!((person.id(), &person["name"]), ("ERP:1000001", &json!(JOHN.0)));
    let by_number = both.line.call_from(JOHN.1).await;
    assert_eq!(by_number.id(), both.line.id_of(JOHN.2), "the CRM's record goes before");
    both.line.link("");
    until("nothing of the ERP is left in the CRM's copy", async || {
        let data = both.line.call_from(JOHN.1).await.body["data"].clone();
        assert_eq!(data["loyaltyTier"], "Gold");
        data["erpAccountNumber"].is_null() && data["erpClass"].is_null()
    })
    .await;
}

async fn past_its_limit_the_copy_of_an_account_serves_marked_when_the_erp_fails(place: Place) {
    let never = |plan: Plan| {
        let plan = plan.variable("TIELINE_CONNECTIONS__SAP__FRESH_FOR", "0s");
        plan.variable("TIELINE_CONNECTIONS__SAP__STALE_LIMIT", "0s")
    };
    let both = Both::start(place, never).await;
    both.line.call_from(JOHN.1).await.assert_joined("crm");
    both.line.until_the_directory_knows(JOHN.1).await;
    let asked = both.asked();
    both.line.call_from(JOHN.1).await.assert_joined("directory");
    assert_eq!(both.asked(), asked + 1, "past its limit the ERP is asked first");
    both.erp_does(Fault::Reset);
    let answer = both.line.lookup(json!({ "fromNumber": JOHN.1, "callId": "c-1" })).await;
    answer.assert_hit("directory");
    assert_eq!(answer["data"]["erpAccountStatus"], "active", "what we had: {answer:?}");
    assert_eq!((&answer["stale"], &answer["missing"]), (&json!(true), &json!(["sap"])));
    both.block(ACME).await;
    both.erp_recovers();
    until("the news has joined the call", async || {
        both.line.stored("c-1").await["data"]["erpAccountStatus"] == "blocked"
    })
    .await;
}

async fn a_partial_answer_is_finished_with_the_word_of_both(place: Place) {
    let both = Both::start(place, |plan| plan.and_genesys().deadline("200ms")).await;
    let line = &both.line;
    line.crm_does(Fault::slow(Duration::from_secs(1)));
    both.erp_does(Fault::Reset);
    let (call, answer) = line.arrives(JOHN.1).await;
    answer.assert_by_number("partial");
    assert_eq!(answer["missing"], json!([]), "nobody is known whom the ERP could be asked about");
    line.crm_recovers();
    let stored = line.until_stored_as(&call.conversation_id, "hit").await;
    assert_eq!(stored["externalId"], line.id_of(JOHN.2), "the CRM's part waits for nobody");
    both.erp_recovers();
    both.until_joined(&call.conversation_id).await;
    line.until_quiet().await;
    let told = line.genesys().attributes(&call.conversation_id, &call.participant_id);
    let told = told.expect("the call is known there");
    assert_eq!((told["customerName"].as_str(), told["erpClass"].as_str()), (JOHN.0, "A"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_privacy_report_names_what_joins_from_beside() {
    let both = Both::start(Place::disk(), |plan| plan.and_genesys()).await;
    let ended = both.line.command_elsewhere(&["privacy", "report", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let all = report["connections"].as_array().expect("a list");
    let center = all.iter().find(|one| one["connection"] == "genesys").expect("genesys");
    let told = center["sends"]["attributes.erpClass"].as_str().expect("told");
    assert!(told.contains("sap"), "{told}");
}

async fn a_correction_is_finished_when_the_erp_is_back(place: Place) {
    let both = Both::start(place, |plan| plan.and_genesys()).await;
    let line = &both.line;
    both.erp_does(Fault::Reset);
    let (call, _) = line.arrives(JOHN.1).await;
    let jane = line.id_of(JANE.2);
    let body = json!({ "callId": call.conversation_id, "newExternalId": jane, "reason": "r" });
    let answer = line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!((&answer["confirmed"], &answer["name"]), (&json!(true), &json!(JANE.0)));
    both.erp_recovers();
    both.until_joined(&call.conversation_id).await;
    line.until_quiet().await;
    let told = line.genesys().attributes(&call.conversation_id, &call.participant_id);
    let told = told.expect("the call is known there");
    assert_eq!((told["customerName"].as_str(), told["erpClass"].as_str()), (JANE.0, "A"));
    assert_eq!(line.stored(&call.conversation_id).await["externalId"], jane);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_systems_stand_beside_and_each_fails_alone() {
    let other = sap_s4::sim::start(Default::default()).await.expect("a SAP");
    let section = section("sap2", &other, "erpClass = \"Customer\", second = \"BusinessPartner\"");
    let both = Both::start(Place::disk(), |plan| plan.section(&section)).await;
    both.line.call_from(JOHN.1).await.assert_joined("crm");
    let data = &both.line.call_from(JOHN.1).await.body["data"];
    assert_eq!((&data["second"], &data["erpClass"]), (&json!(ACME), &json!("A")), "in their order");
    let maria = both.line.id_of(MARIA.2);
    other.faults().add(Rule::always(Fault::Throttled).on(sap_s4::simulate::API));
    both.line.link("1000003");
    let answer = both.line.lookup(json!({ "externalId": maria, "callId": "m" })).await;
    assert_eq!(answer["data"]["erpAccountStatus"], "orders_blocked", "{answer:?}");
    assert_eq!(answer["missing"], json!(["sap2"]));
    other.faults().clear();
    until("the other's word has joined", async || {
        both.line.stored("m").await["data"]["second"] == "1000003"
    })
    .await;
    let log = both.line.log();
    let clash = "salesforce and sap both give `loyaltyTier`: where salesforce has a value";
    assert!(log.contains(clash), "an administrator learns of it: {log}");
}

#[tokio::test]
async fn a_flow_that_sets_nothing_has_the_fields_of_the_erp_set_for_it() {
    let flow = "flow_sets_attributes = false";
    let both = Both::start(Place::disk(), |plan| plan.and_genesys().contact_center(flow)).await;
    let (call, answer) = both.line.arrives(JOHN.1).await;
    answer.assert_joined("crm");
    both.line.until_quiet().await;
    let told = both.line.genesys().attributes(&call.conversation_id, &call.participant_id);
    let told = told.expect("the call is known there");
    assert_eq!((told["externalId"].as_str(), told["erpClass"].as_str()), (answer.id(), "A"));
}

#[tokio::test]
async fn an_erp_without_a_prefix_joins_and_names_nobody() {
    let sap = sap_s4::sim::start(sap_s4::sim::Config { people: 40, ..Default::default() });
    let sap = sap.await.expect("a SAP");
    let line = Line::with_salesforce().data("erpAccountNumber", "Account.AccountNumber");
    let line = line.section(&section("nameless", &sap, DATA));
    let line = line.variable("SAP_SECRET", &sap.config().client_secret).start().await;
    line.link(ACME);
    line.call_from(JOHN.1).await.assert_joined("crm");
    let stranger = json!({ "fromNumber": Line::loners(1)[0].number, "callId": "c-1" });
    line.lookup(stranger).await.assert_by_number("miss");
    line.until_quiet().await;
    assert_eq!(line.stored("c-1").await["status"], "miss");
    let log = sap.faults().requests().log();
    let asked = log.iter().filter(|seen| seen.target.starts_with(sap_s4::simulate::API));
    assert_eq!(asked.count(), 1, "for the account alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erp_that_takes_ten_seconds_keeps_no_caller_waiting() {
    let (plan, sap) = with_sap(DATA).await;
    let line = plan.deadline("300ms").start().await;
    line.link(ACME);
    let both = Both { line, sap };
    both.erp_does(Fault::Reset);
    both.line.until_the_directory_knows(JOHN.1).await;
    let faults = sim::faults::Plan { latency: Duration::from_secs(10), ..Default::default() };
    both.sap.faults().set(faults);
    let stalls = Stalls::watch();
    for _ in 0..3 {
        let answer = both.line.call_from(JOHN.1).await;
        answer.assert_lacking();
        assert_in_time(&answer, DEADLINE, &stalls);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_account_make_one_request() {
    let both = Both::start(Place::disk(), |plan| plan.deadline("10s")).await;
    both.erp_does(Fault::slow(Duration::from_secs(1)));
    let bodies = (0..30).map(|n| json!({ "fromNumber": JOHN.1, "callId": format!("same-{n}") }));
    for answer in join_all(bodies.map(|body| both.line.lookup(body)).collect()).await {
        assert_eq!(answer["data"]["erpAccountStatus"], "active", "{answer:?}");
    }
    assert_eq!(both.asked(), 1);
}

#[tokio::test]
async fn a_link_to_no_account_is_no_failure_and_is_remembered() {
    let never = |plan: Plan| plan.lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let both = Both::start(Place::disk(), never).await;
    for account in ["2999999", "no such form"] {
        both.line.link(account);
        let before = both.asked();
        for _ in 0..3 {
            let answer = both.line.call_from(JOHN.1).await;
            answer.assert_whole();
            assert_eq!((&answer["status"], &answer["missing"]), (&json!("hit"), &json!([])));
            assert_eq!(answer["data"]["erpAccountStatus"], Value::Null);
        }
        both.line.until_quiet().await;
        assert!(both.asked() <= before + 1, "{account}");
    }
}

#[tokio::test]
async fn what_knows_no_accounts_cannot_stand_beside() {
    let beside = "[[connections.salesforce.beside]]\nconnection = \"genesys\"";
    let mut line = Line::with_salesforce().and_genesys().section(beside).lay().await;
    assert!(!line.try_start_server().await);
    assert_eq!(line.server().ended().await, Some(2));
    let log = line.log();
    assert!(
        log.contains("connections.salesforce.beside.0.connection: `genesys` knows no accounts"),
        "{log}"
    );
}

/// An export, or an erasure that happens.
async fn subject(line: &Line, verb: &str, who: &str) -> Value {
    let mut words = vec!["subject", verb, "--external-id", who];
    if verb == "erase" {
        words.push("--json");
    }
    let ended = line.command(&words).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.out).expect("JSON")
}

fn account_of(document: &Value) -> Option<&Value> {
    let all = document["subject"]["identifiers"].as_array().expect("a list");
    all.iter().find(|one| one["kind"] == "account")
}

async fn an_account_of_two_stays_with_the_one_who_is_not_erased(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    let line = &both.line;
    line.call_from(JOHN.1).await.assert_joined("crm");
    let jane = json!({ "email": JANE.2, "callId": "jane" });
    let answer = line.lookup(jane.clone()).await;
    assert!(answer["data"]["erpAccountStatus"].is_string(), "{answer:?}");
    let (john_id, jane_id) = (line.id_of(JOHN.2), line.id_of(JANE.2));
    let shown = subject(line, "export", &john_id).await;
    let account = account_of(&shown).expect("linked");
    assert_eq!((&account["value"], &account["shared"]), (&json!("sap 2000001"), &json!(true)));
    assert_eq!(shown["accounts"], json!([]), "a house's is nobody's alone");
    subject(line, "erase", &john_id).await;
    let asked = both.asked();
    let answer = line.lookup(jane.clone()).await;
    assert!(answer["data"]["erpAccountStatus"].is_string(), "{answer:?}");
    assert_eq!(both.asked(), asked, "our copy of the account has stayed");

    let shown = subject(line, "export", &jane_id).await;
    assert_eq!(account_of(&shown).expect("linked")["shared"], false);
    assert_eq!(shown["accounts"][0]["record"], ACME, "{shown}");
    assert!(shown["accounts"][0]["data"]["erpAccountStatus"].is_string(), "{shown}");
    let erased = subject(line, "erase", &jane_id).await;
    assert_eq!(erased["removed"]["contacts"], 2, "she and the account: {erased}");
    let left = subject(line, "export", &format!("ERP:{ACME}")).await;
    assert_eq!(left["accounts"], json!([]), "{left}");
}

async fn an_erased_account_is_not_kept_again(place: Place) {
    let both = Both::start(place, |plan| plan).await;
    let line = &both.line;
    line.call_from(JOHN.1).await.assert_joined("crm");
    let erp = format!("ERP:{ACME}");
    let shown = subject(line, "export", &erp).await;
    assert_eq!(shown["accounts"][0]["record"], ACME, "{shown}");
    let erased = subject(line, "erase", &erp).await;
    assert_eq!(erased["removed"]["contacts"], 1, "{erased}");
    // SAP has it still, and John is linked to it still.
    for _ in 0..2 {
        let answer = line.call_from(JOHN.1).await;
        assert_eq!(answer["status"], "hit");
        assert_eq!(answer["data"].get("erpAccountStatus"), None, "{answer:?}");
        line.until_quiet().await;
    }
    assert_eq!(subject(line, "export", &erp).await["accounts"], json!([]));
}
