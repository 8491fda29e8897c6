//! Routing rules: what the CRMs say of a caller decides where the call goes.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, JANE, JOHN, Line, MARIA, Place, STRANGER, until};
use connectors::sql::sim::{Config, Planted};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

crate::facts! {
    a_chain_decides_by_what_its_systems_say
    drafts_are_put_in_force_together_and_rolled_back
}

const DID: &str = "+15550190000";
/// No busy machine makes a decision late.
const PATIENT: &str = "deadline = \"5s\"";
const CHAIN: &str = "/api/v1/routing/items/chains/did:%2B15550190000";

/// The rules of the demo.
const RULES: &str = r#"
[[rules]]
name = "Gold callers"
location = "did"
crm = "salesforce"
module = "contacts"
field = "loyaltyTier"
[[rules.lines]]
operator = "="
value = "gold"
destination = { type = "queue", option = "Premium Support" }

[[rules]]
name = "Open invoices"
location = "did"
crm = "books"
module = "contacts"
field = "openInvoices"
[[rules.lines]]
operator = ">"
value = 0
destination = { type = "queue", option = "Billing" }

[[chains]]
entry = "did:+15550190000"
rules = ["Gold callers", "Open invoices"]
default = { type = "queue", option = "General" }
"#;

/// The customer's own books, which know every fixed person; Maria has not paid.
fn books(planted: &Planted, routing: &str) -> String {
    format!(
        r#"[connections.books]
type = "sql"
prefix = "STD"
allow_private_addresses = true

[connections.books.settings]
engine = "sqlite"
file = "{}"
columns = {{ record = "customer_no" }}
lookup_by_phone = """
    SELECT c.customer_no, c.first_name, c.last_name, c.email, p.typed AS phone,
           (SELECT count(*) FROM invoices i WHERE i.customer_no = c.customer_no AND NOT i.paid) AS openInvoices
    FROM phones p JOIN customers c ON c.id = p.customer_id WHERE p.digits = :phone_digits
"""
lookup_by_record = "SELECT customer_no, first_name, last_name, email FROM customers WHERE customer_no = :record"

[routing]
{routing}
default = {{ type = "queue", option = "Everybody" }}

[[routing.uris]]
destination = "queue:premium support"
uri = "sip:premium@127.0.0.1:5080"
"#,
        planted.file().display()
    )
}

struct Desk {
    line: Line,
    _planted: Planted,
}

impl Desk {
    /// With these lines in the section `routing`.
    async fn start(place: Place, routing: &str) -> Self {
        let planted = Planted::new(&Config::default()).expect("a file");
        let plan = Line::with_salesforce().on(place).lookup("match", "first");
        let line = plan.section(&books(&planted, routing)).start().await;
        Self { line, _planted: planted }
    }

    /// With the rules in force.
    async fn with_rules(place: Place) -> Self {
        let desk = Self::start(place, PATIENT).await;
        desk.apply(RULES, &["--publish"]).await;
        desk
    }

    async fn apply(&self, rules: &str, more: &[&str]) -> String {
        let file = self.line.folder.write("rules.toml", rules);
        let file = file.display().to_string();
        let words: Vec<&str> = [&["rules", "apply", &file], more].concat();
        let ended = self.line.command(&words).await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
        ended.out
    }

    async fn decide(&self, ani: &str) -> Answer {
        let body = json!({ "did": DID, "ani": ani, "callId": self.line.new_call() });
        self.line.post("/api/v1/routing/decide", &body).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.line.http.put(self.line.url(path)).bearer_auth(API_KEY).json(body)).await
    }
}

fn to(option: &str) -> Value {
    json!({ "type": "queue", "option": option })
}

fn places(refused: &Answer) -> Vec<String> {
    assert_eq!(
        (refused.status, &refused["error"]["code"]),
        (400, &json!("rules.refused")),
        "{refused:?}"
    );
    let all = refused["mistakes"].as_array().expect("mistakes");
    all.iter().map(|one| one["at"].as_str().expect("a place").to_owned()).collect()
}

async fn a_chain_decides_by_what_its_systems_say(place: Place) {
    let desk = Desk::with_rules(place).await;
    let gold = desk.decide(JOHN.1).await;
    assert_eq!((gold.status, &gold["status"]), (200, &json!("matched")), "{gold:?}");
    assert_eq!(gold["destination"]["option"], "Premium Support");
    assert_eq!(gold["destination"]["uri"], "sip:premium@127.0.0.1:5080");
    assert_eq!((&gold["rule"], &gold["line"]), (&json!("Gold callers"), &json!(1)));
    assert_eq!(gold["reason"], "loyaltyTier = gold (line 1 of Gold callers).");
    assert_eq!(gold["revision"], 1);
    let overdue = desk.decide(MARIA.1).await;
    assert_eq!(
        (&overdue["rule"], &overdue["destination"]["option"]),
        (&json!("Open invoices"), &json!("Billing")),
        "{overdue:?}"
    );
    for nobody in [STRANGER, "anonymous", ""] {
        let answer = desk.decide(nobody).await;
        assert_eq!(
            (&answer["status"], &answer["destination"]["option"]),
            (&json!("default"), &json!("General")),
            "{answer:?}"
        );
    }
    let body = json!({ "did": "+13175550100", "ani": JOHN.1, "callId": "elsewhere" });
    let unattached = desk.line.post("/api/v1/routing/decide", &body).await;
    assert_eq!(
        (&unattached["status"], &unattached["destination"]["option"]),
        (&json!("unattached"), &json!("Everybody"))
    );
    let flat = json!({ "did": "(555) 019-0000", "ani": "(555) 019-9999", "callId": "flat" });
    let flat = desk.line.post("/api/v1/genesys/decide", &flat).await;
    assert_eq!(
        (&flat["destinationType"], &flat["destination"]),
        (&json!("queue"), &json!("Premium Support")),
        "{flat:?}"
    );
    assert!(
        flat.body.as_object().expect("flat").values().all(|one| !one.is_null() && !one.is_object())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_and_a_decision_of_one_call_cost_one_request_of_the_crm() {
    let desk = Desk::with_rules(Place::disk()).await;
    let before = desk.line.crm_requests();
    let call = desk.line.new_call();
    let lookup = json!({ "fromNumber": JOHN.1, "callId": call });
    let decide = json!({ "did": DID, "ani": JOHN.1, "callId": call });
    let (answer, decided) =
        tokio::join!(desk.line.lookup(lookup), desk.line.post("/api/v1/routing/decide", &decide));
    answer.assert_hit("crm");
    assert_eq!(decided["status"], "matched", "{decided:?}");
    assert_eq!(
        desk.line.crm_requests() - before,
        1,
        "{:?}",
        desk.line.salesforce.faults().requests().log()
    );
    assert_eq!(desk.decide(JOHN.1).await["status"], "matched");
    assert_eq!(desk.line.crm_requests() - before, 1, "the directory knows him by now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_that_hangs_leads_to_the_default_in_time_and_says_so() {
    let desk = Desk::start(Place::disk(), "deadline = \"300ms\"").await;
    desk.apply(RULES, &["--publish"]).await;
    desk.line.crm_does(Fault::Hang);
    let begun = std::time::Instant::now();
    let answer = desk.decide(MARIA.1).await;
    assert_eq!(
        (&answer["status"], &answer["destination"]["option"]),
        (&json!("degraded"), &json!("General")),
        "{answer:?}"
    );
    let reason = answer["reason"].as_str().expect("words");
    assert!(
        reason.contains("salesforce was not heard in time")
            && reason.contains("line 1 of Gold callers"),
        "{reason}"
    );
    // Not of the rig's own patience: the deadline of the decision ended it.
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_correction_decides_and_another_system_is_asked_by_the_number() {
    let desk = Desk::with_rules(Place::disk()).await;
    assert_eq!(desk.decide(JOHN.1).await["rule"], "Gold callers");
    let call = desk.line.call_from(JOHN.1).await;
    assert_eq!(call["status"], "hit");
    let id = desk.line.calls().await[0]["callId"].as_str().expect("an id").to_owned();
    let jane = format!("CRM:{}", desk.line.id_of(JANE.2).trim_start_matches("CRM:"));
    let body = json!({ "callId": id, "newExternalId": jane, "reason": "it is Jane" });
    let corrected = desk.line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!(corrected.status, 200, "{corrected:?}");
    let body = json!({ "did": DID, "ani": JOHN.1, "callId": "again" });
    let answer = desk.line.post("/api/v1/routing/decide", &body).await;
    assert_ne!(answer["rule"], "Gold callers", "Jane is not gold: {answer:?}");
    let trace = desk.line.get("/api/v1/calls/again/explain").await;
    assert_eq!(trace["decisions"][0]["corrected"], true, "{trace:?}");
}

async fn drafts_are_put_in_force_together_and_rolled_back(place: Place) {
    let mut desk = Desk::start(place, PATIENT).await;
    let gold = json!({
        "location": "did", "crm": "salesforce", "module": "contacts", "field": "loyaltyTier",
        "lines": [{ "operator": "=", "value": "Gold", "destination": to("Premium Support") }],
    });
    let made = desk.put("/api/v1/routing/items/rules/Gold", &gold).await;
    assert_eq!((made.status, &made["state"]), (200, &json!("new")), "{made:?}");
    assert_eq!(made["attached"], json!([]));
    assert_eq!(made["compared"][0], json!({ "at": "lines[0]", "as": "text" }));
    let early = json!({ "rules": ["Nothing"], "default": to("General") });
    assert_eq!(places(&desk.put(CHAIN, &early).await), [format!("chains.did:{DID}.rules[0]")]);
    let chain = json!({ "rules": ["Gold"], "default": to("General") });
    assert_eq!(desk.put(CHAIN, &chain).await.status, 200);
    assert_eq!(desk.decide(JOHN.1).await["status"], "unattached", "nothing is in force yet");
    // The chain needs its rule.
    let alone = json!({ "chains": [format!("did:{DID}")] });
    let refused = desk.line.post("/api/v1/routing/publish", &alone).await;
    assert_eq!(places(&refused), [format!("chains.did:{DID}.rules[0]")]);
    let published = desk.line.post("/api/v1/routing/publish", &json!({})).await;
    assert_eq!(published["revision"], 1, "{published:?}");
    assert_eq!(desk.decide(JOHN.1).await["rule"], "Gold");
    let none = desk.line.post("/api/v1/routing/publish", &json!({})).await;
    assert_eq!((none.status, &none["error"]["code"]), (409, &json!("rules.nothing_drafted")));

    let mut other = gold.clone();
    other["lines"][0]["destination"] = to("Elsewhere");
    let changed = desk.put("/api/v1/routing/items/rules/Gold", &other).await;
    assert_eq!(
        (&changed["state"], &changed["attached"]),
        (&json!("changed"), &json!([format!("did:{DID}")]))
    );
    let stale = desk.line.http.put(desk.line.url("/api/v1/routing/items/rules/Gold"));
    let stale =
        Answer::of(stale.bearer_auth(API_KEY).header("if-match", "\"d1\"").json(&gold)).await;
    assert_eq!((stale.status, &stale["error"]["code"]), (412, &json!("rules.changed")));
    assert_eq!(desk.decide(JOHN.1).await["destination"]["option"], "Premium Support");
    desk.line.post("/api/v1/routing/publish", &json!({ "rules": ["Gold"] })).await;
    assert_eq!(desk.decide(JOHN.1).await["destination"]["option"], "Elsewhere");
    desk.line.restart().await;
    assert_eq!(
        desk.decide(JOHN.1).await["destination"]["option"],
        "Elsewhere",
        "rules outlive a restart"
    );
    let back = desk.line.command(&["rules", "rollback"]).await;
    assert_eq!((back.code, back.out.trim()), (Some(0), "revision 3 is in force"), "{}", back.err);
    assert_eq!(desk.decide(JOHN.1).await["destination"]["option"], "Premium Support");
    let history = desk.line.get("/api/v1/routing/history").await;
    let told: Vec<_> =
        history.body.as_array().expect("a list").iter().map(|one| one["summary"].clone()).collect();
    assert_eq!(told, ["back to 1", "rule Gold", "chain did:+15550190000, rule Gold"]);
    let audit = desk.line.get("/api/v1/audit").await.body.to_string();
    assert!(
        audit.contains("rules.published")
            && audit.contains("rules.rolled_back")
            && audit.contains("rules.drafted")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connection_cannot_tell_is_refused_by_name() {
    let desk = Desk::start(Place::disk(), PATIENT).await;
    let rule = |crm: &str, module: &str, field: &str| {
        json!({
            "location": "did", "crm": crm, "module": module, "field": field,
            "lines": [{ "operator": "is empty", "destination": to("Q") }],
        })
    };
    let path = "/api/v1/routing/items/rules/R";
    let check = async |body: Value, expected: &str| {
        assert_eq!(places(&desk.put(path, &body).await), [format!("rules.R.{expected}")], "{body}");
    };
    check(rule("nobody", "contacts", "x"), "crm").await;
    check(rule("salesforce", "contacts", "Shoe_Size__c"), "field").await;
    let vendors_name = rule("salesforce", "contacts", "Loyalty_Tier__c");
    assert_eq!(desk.put(path, &vendors_name).await.status, 200, "the vendor's own name will do");
    let missing = desk.put(path, &json!({ "greeting": 7 })).await;
    let all = ["location", "greeting", "crm", "module", "field", "lines"];
    let all: Vec<String> = all.iter().map(|at| format!("rules.R.{at}")).collect();
    let mut found = places(&missing);
    found.sort();
    let mut expected = all;
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ivrs_that_lead_back_are_refused_and_a_circle_is_left_all_the_same() {
    let desk = Desk::start(Place::disk(), &format!("{PATIENT}\ndecisions_per_call_max = 3")).await;
    let ivr = |option: &str| json!({ "type": "ivr", "option": option });
    let main = "/api/v1/routing/items/chains/ivr:Main%2F1";
    let sales = "/api/v1/routing/items/chains/ivr:Sales%2F9";
    assert_eq!(desk.put(main, &json!({ "default": ivr("Sales") })).await.status, 200);
    let back = desk.put(sales, &json!({ "default": ivr("main") })).await;
    assert_eq!((back.status, &back["error"]["code"]), (400, &json!("rules.refused")), "{back:?}");
    assert!(
        back["mistakes"][0]["message"].as_str().expect("words").contains("main → sales → main")
    );
    desk.line.post("/api/v1/routing/publish", &json!({})).await;
    // A flow that comes back here by itself.
    let body = json!({ "ivrOption": "main/1", "ani": JOHN.1, "callId": "round" });
    let mut how = Vec::new();
    for _ in 0..4 {
        let answer = desk.line.post("/api/v1/routing/decide", &body).await;
        how.push(answer["status"].as_str().expect("a word").to_owned());
    }
    assert_eq!(how[0], "default");
    assert_eq!(how[3], "loop", "{how:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_explained_line_by_line_with_values_masked() {
    let desk = Desk::with_rules(Place::disk()).await;
    let call = desk.line.new_call();
    desk.line.lookup(json!({ "fromNumber": MARIA.1, "callId": call })).await;
    let body = json!({ "did": DID, "ani": MARIA.1, "callId": call });
    desk.line.post("/api/v1/routing/decide", &body).await;
    let path = format!("/api/v1/calls/{call}/explain");
    let trace = desk.line.get(&path).await;
    assert_eq!(trace["lookup"]["number"], "…8888", "{trace:?}");
    let decision = &trace["decisions"][0];
    assert_eq!(
        (&decision["status"], &decision["destination"]),
        (&json!("matched"), &json!("queue:Billing"))
    );
    let lines = decision["lines"].as_array().expect("lines");
    let verdicts: Vec<_> =
        lines.iter().map(|line| line["verdict"].as_str().expect("a word")).collect();
    assert_eq!(verdicts, ["fails", "holds"]);
    assert_eq!(lines[1]["conditions"][0]["seen"], "2");
    assert_eq!(lines[1]["conditions"][0]["comparedAs"], "number");
    let shown = trace.body.to_string();
    assert!(
        !shown.contains(MARIA.1) && !shown.contains("Maria") && !shown.contains(MARIA.2),
        "{shown}"
    );
    let told = desk.line.command(&["explain", &call]).await;
    assert!(told.out.contains("openInvoices > 0 (as number; seen: 2)"), "{}{}", told.out, told.err);
    assert_eq!(desk.line.get("/api/v1/calls/none/explain").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_tried_against_a_number_or_a_typed_record() {
    let desk = Desk::with_rules(Place::disk()).await;
    let tried = desk.line.command(&["rules", "test", "Gold callers", "--number", JOHN.1]).await;
    assert!(
        tried.out.contains("holds") && tried.out.contains("→ queue:Premium Support"),
        "{}{}",
        tried.out,
        tried.err
    );
    let tried =
        desk.line.command(&["rules", "test", "Open invoices", "--record", "openInvoices=0"]).await;
    assert!(
        tried.out.contains("fails") && tried.out.contains("no line holds"),
        "{}{}",
        tried.out,
        tried.err
    );
    let body = json!({ "rule": "Gold callers", "record": { "loyaltyTier": ["silver", "GOLD"] } });
    let tried = desk.line.post("/api/v1/routing/test", &body).await;
    assert_eq!(tried["destination"], "queue:Premium Support", "{tried:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_replayed_over_stored_calls_and_runs_in_the_shadow() {
    let shadow = format!("{PATIENT}\nshadow = true");
    let desk = Desk::start(Place::disk(), &shadow).await;
    desk.apply(RULES, &["--publish"]).await;
    for ani in [JOHN.1, MARIA.1, STRANGER] {
        desk.decide(ani).await;
    }
    let moved = RULES.replace("Premium Support", "Concierge");
    let applied = desk.apply(&moved, &[]).await;
    assert_eq!(applied.trim(), "~ rule Gold callers");
    let replayed = desk.line.post("/api/v1/routing/replay", &json!({ "since": "1h" })).await;
    let counts =
        ["decisions", "same", "elsewhere", "neverFetched"].map(|key| replayed[key].clone());
    assert_eq!(counts, [json!(3), json!(2), json!(1), json!(0)], "{replayed:?}");
    assert_eq!(
        replayed["ways"],
        json!([{ "from": "queue:Premium Support", "to": "queue:Concierge", "decisions": 1 }])
    );
    let other = RULES.replace("field = \"loyaltyTier\"", "field = \"name\"");
    let file = desk.line.folder.write("other.toml", &other).display().to_string();
    let told = desk.line.command(&["rules", "replay", "--since", "1h", "--file", &file]).await;
    assert!(
        told.out.contains("3 need what was never fetched") && told.out.contains("salesforce.name"),
        "{}{}",
        told.out,
        told.err
    );
    assert_eq!(
        desk.decide(JOHN.1).await["destination"]["option"],
        "Premium Support",
        "a draft sends nobody"
    );
    until("differences are counted", async || {
        let text = desk
            .line
            .http
            .get(desk.line.url("/metrics"))
            .send()
            .await
            .expect("metrics")
            .text()
            .await;
        text.expect("text").contains("tieline_decisions_shadowed_total{outcome=\"other\"} 1")
    })
    .await;
    let summed = desk.line.get("/api/v1/routing/shadow?since=1h").await;
    let expected = json!({
        "isOn": true, "decisions": 4, "elsewhere": 1,
        "ways": [{ "from": "queue:Premium Support", "to": "queue:Concierge", "decisions": 1 }],
    });
    assert_eq!(summed.body, expected);
    assert_eq!(desk.line.get("/api/v1/routing/shadow?since=soon").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_move_as_toml_and_come_back_the_same() {
    let desk = Desk::with_rules(Place::disk()).await;
    let exported = desk.line.command(&["rules", "export"]).await;
    let file = desk.line.folder.write("exported.toml", &exported.out).display().to_string();
    let same = desk.line.command(&["rules", "diff", &file]).await;
    assert_eq!((same.code, same.out.as_str()), (Some(0), ""), "{}", same.err);
    let without = exported.out.replace("\"Open invoices\",", "").replace("Open invoices", "Unpaid");
    let file = desk.line.folder.write("without.toml", &without).display().to_string();
    let differs = desk.line.command(&["rules", "diff", &file]).await;
    assert!(
        differs.out.contains("+ rule Unpaid") && differs.out.contains("- rule Open invoices"),
        "{}{}",
        differs.out,
        differs.err
    );
    let wrong =
        desk.line.folder.write("wrong.toml", "[[rules]]\nname = \"x\"\n").display().to_string();
    let refused = desk.line.command(&["rules", "apply", &wrong]).await;
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(
        refused.err.contains("rules.x.location") && refused.err.contains("rules.x.lines"),
        "{}",
        refused.err
    );
    let listed = desk.line.command(&["rules", "list"]).await;
    assert!(listed.out.contains("Gold callers  at did:+15550190000"), "{}", listed.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_are_those_that_the_platform_really_has() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let plan = Line::with_salesforce().and_genesys().section(&books(&planted, PATIENT));
    let desk = Desk { line: plan.start().await, _planted: planted };
    let chain = |default: &str| json!({ "default": to(default) });
    let sales = desk.put(CHAIN, &chain("sales")).await;
    assert_eq!((sales.status, &sales["warnings"]), (200, &json!([])), "{sales:?}");
    let typo = desk.put(CHAIN, &chain("Salse")).await;
    assert_eq!(typo.status, 200, "a draft may be ahead of the platform");
    assert!(typo["warnings"][0].as_str().expect("words").contains("Salse"), "{typo:?}");
    let refused = desk.line.post("/api/v1/routing/publish", &json!({})).await;
    assert_eq!(places(&refused), [format!("chains.did:{DID}.default")]);
    let body = json!({ "allowUnknownDestinations": true });
    let taken = desk.line.post("/api/v1/routing/publish", &body).await;
    assert_eq!((taken.status, &taken["revision"]), (200, &json!(1)), "{taken:?}");
    assert!(taken["warnings"][0].as_str().expect("words").contains("Salse"), "{taken:?}");
    // A platform that cannot be asked keeps nobody from putting rules in force.
    desk.put(CHAIN, &chain("Sales")).await;
    desk.line.genesys().faults().add(Rule::always(Fault::Html200).on("/routing/queues"));
    let taken = desk.line.post("/api/v1/routing/publish", &json!({})).await;
    assert_eq!((taken.status, &taken["revision"]), (200, &json!(2)), "{taken:?}");
    assert!(taken["warnings"][0].as_str().expect("words").contains("was not asked"), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentations_example_can_be_put_in_force() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let plan = Line::with_salesforce().data("churnRisk", "Churn_Risk__c");
    let plan = plan.data("contractEnd", "Account.Contract_End__c");
    let line = plan.section(&books(&planted, PATIENT)).lay().await;
    let mut desk = Desk { line, _planted: planted };
    desk.line.start_server_unasked().await;
    let example = include_str!("../../../../docs/examples/rules.toml").replace("own_sql", "books");
    let applied = desk.apply(&example, &["--publish"]).await;
    assert!(applied.contains("revision 1 is in force"), "{applied}");
    let item = desk.line.get("/api/v1/routing/items/rules/Contract%20has%20ended").await;
    assert_eq!(item["compared"][0]["as"], "date", "{item:?}");
    assert_eq!(item["attached"], json!(["ivr:Main menu/2"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_whose_record_is_gone_decides_no_more() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let plan = Line::with_salesforce().lookup("fresh_for", "0s").lookup("stale_limit", "0s");
    let line = plan.section(&books(&planted, PATIENT)).start().await;
    let desk = Desk { line, _planted: planted };
    desk.apply(RULES, &["--publish"]).await;
    let call = desk.line.new_call();
    desk.line.lookup(json!({ "fromNumber": JOHN.1, "callId": call })).await.assert_hit("crm");
    let body = json!({ "callId": call, "newExternalId": desk.line.id_of(JANE.2) });
    let corrected = desk.line.post("/api/v1/genesys/update-context", &body).await;
    assert_eq!(corrected["confirmed"], true, "{corrected:?}");
    assert_ne!(desk.decide(JOHN.1).await["rule"], "Gold callers");
    let jane = desk.line.id_of(JANE.2).trim_start_matches("CRM:").to_owned();
    desk.line.salesforce.delete(&jane).expect("Jane is there");
    assert_eq!(desk.decide(JOHN.1).await["rule"], "Gold callers", "it is whoever has the number");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_is_left_though_a_crm_hangs_and_there_is_no_default_for_all() {
    let planted = Planted::new(&Config::default()).expect("a file");
    let routing = "deadline = \"300ms\"\ndecisions_per_call_max = 2";
    let section = books(&planted, routing).replace("default = {", "# default = {");
    let desk =
        Desk { line: Line::with_salesforce().section(&section).start().await, _planted: planted };
    let set = r#"
[[rules]]
name = "Back"
location = "ivr"
crm = "salesforce"
module = "contacts"
field = "loyaltyTier"
[[rules.lines]]
operator = "="
value = "Gold"
destination = { type = "queue", option = "Premium Support" }

[[chains]]
entry = "ivr:Main/1"
rules = ["Back"]
default = { type = "ivr", option = "Elsewhere" }
"#;
    desk.apply(set, &["--publish"]).await;
    desk.line.crm_does(Fault::Hang);
    let body = json!({ "ivrOption": "Main/1", "ani": MARIA.1, "callId": "round" });
    let mut last = Value::Null;
    // Each decision is kept behind its answer at the latest: it counts soon.
    until("the call is led on no more", async || {
        let answer = desk.line.post("/api/v1/routing/decide", &body).await;
        last = answer["status"].clone();
        last == "loop"
    })
    .await;
    assert_eq!(last, "loop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_put_in_force_is_not_overwritten_unseen() {
    let desk = Desk::start(Place::disk(), PATIENT).await;
    let chain = |default: &str| json!({ "default": to(default) });
    desk.put(CHAIN, &chain("One")).await;
    desk.line.post("/api/v1/routing/publish", &json!({})).await;
    let read = desk.line.http.get(desk.line.url(CHAIN)).bearer_auth(API_KEY).send().await;
    let tag = read.expect("an answer").headers()["etag"].to_str().expect("text").to_owned();
    desk.put(CHAIN, &chain("Two")).await;
    desk.line.post("/api/v1/routing/publish", &json!({})).await;
    let late = desk.line.http.put(desk.line.url(CHAIN)).bearer_auth(API_KEY);
    let late = Answer::of(late.header("if-match", tag).json(&chain("Three"))).await;
    assert_eq!((late.status, &late["error"]["code"]), (412, &json!("rules.changed")), "{late:?}");
    let new = desk.line.http.put(desk.line.url(CHAIN)).bearer_auth(API_KEY);
    let new = Answer::of(new.header("if-none-match", "*").json(&chain("Four"))).await;
    assert_eq!(new.status, 412, "{new:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_put_in_force_also_when_it_was_drafted_before_and_nobody_elses_drafts_are() {
    let desk = Desk::start(Place::disk(), PATIENT).await;
    let others = json!({ "default": to("Others") });
    desk.put("/api/v1/routing/items/chains/did:%2B13175550100", &others).await;
    desk.apply(RULES, &["--keep"]).await;
    let told = desk.apply(RULES, &["--keep", "--publish"]).await;
    assert!(told.contains("revision 1 is in force"), "{told}");
    assert_eq!(desk.decide(JOHN.1).await["rule"], "Gold callers");
    let again = desk.apply(RULES, &["--keep", "--publish"]).await;
    assert!(again.contains("revision 1 is in force"), "nothing was left to do: {again}");
    let misspelt = desk.line.post("/api/v1/routing/publish", &json!({ "rule": ["Gold"] })).await;
    assert_eq!(misspelt.status, 400, "it does not mean every draft: {misspelt:?}");
    let item = desk.line.get("/api/v1/routing/items/chains/did:%2B13175550100").await;
    assert_eq!(item["state"], "new", "{item:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_null_is_not_there_and_can_be_exported() {
    let desk = Desk::start(Place::disk(), PATIENT).await;
    let rule = json!({
        "location": "did", "crm": "salesforce", "module": "contacts", "field": "loyaltyTier",
        "greeting": null,
        "lines": [{ "operator": "is empty", "value": null, "field": null, "destination": to("Q") }],
    });
    assert_eq!(desk.put("/api/v1/routing/items/rules/R", &rule).await.status, 200);
    let other = json!({ "name": "S", "location": "did" });
    let other = desk.put("/api/v1/routing/items/rules/R", &other).await;
    assert_eq!(places(&other), ["rules.R.name"], "one name is in the address");
    let exported = desk.line.command(&["rules", "export", "--drafts"]).await;
    assert!(exported.out.contains("is empty") && !exported.out.contains("null"), "{exported:?}");
}
