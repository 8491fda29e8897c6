//! Data actions: a queue's own CRM is asked by a named request or by its lookup, and the
//! answer is flat, whole and never silent.

use crate::rig::plan::{Plan, salesforce_section};
use crate::rig::{Answer, Ended, JANE, JOHN, Line, MARIA, STRANGER};
use connectors::salesforce::sim::{Config, Salesforce};
use connectors::{salesforce, sap_s4};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::time::Duration;

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

/// A second org, its section, and its people.
async fn another() -> (Salesforce, String) {
    let other = salesforce::sim::start(Config { people: 20, ..Config::default() }).await;
    let other = other.expect("another Salesforce");
    let section = salesforce_section("other", "TWO", &other.url());
    (other, section)
}

fn queries(line: &Line) -> Vec<String> {
    let log = line.salesforce.faults().requests().log();
    log.into_iter().map(|seen| seen.target).filter(|target| target.contains("/query?q=")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_has_the_same_keys_whatever_the_queue() {
    let (other, section) = another().await;
    let plan = with_enrichment()
        .section(&section)
        .section(&queue("Billing", "connection = \"other\""))
        .section(&queue(
            "Standard_CRM",
            "connection = \"salesforce\"\nfallback_queue = \"Everybody\"",
        ))
        .deadline("400ms")
        .limit("timeout = \"1s\"");
    let line = plan.start().await;
    let john = line.id_of(JOHN.2);
    let mut told = Vec::new();
    let mut check = async |queue: &str, body: Value, status: &str, code: &str| {
        let answer = line.enrich(queue, body).await;
        told.push(answer.assert_flat());
        assert_eq!(
            (&answer["status"], &answer["errorCode"]),
            (&json!(status), &json!(code)),
            "{queue} {answer:?}"
        );
        let is_error = ["failed", "degraded"].contains(&status);
        assert_eq!(answer["crmError"], is_error, "{answer:?}");
        answer
    };
    let premium = "Premium%20Support";
    let hit = check(premium, json!({ "externalId": john }), "hit", "").await;
    assert_eq!(hit["company"], json!("Acme Corporation"), "{hit:?}");
    check(premium, json!({ "externalId": "CRM:003000000000001AAA" }), "miss", "").await;
    check(premium, json!({ "ani": "anonymous" }), "unknown", "action.value_missing").await;
    let billing = check("Billing", json!({ "ani": MARIA.1 }), "hit", "").await;
    assert_eq!((&billing["name"], &billing["crmType"]), (&json!(MARIA.0), &json!("salesforce")));
    assert!(billing["externalId"].as_str().is_some_and(|id| id.starts_with("TWO:")), "{billing:?}");
    check("Billing", json!({ "ani": STRANGER }), "miss", "").await;
    // A queue that nobody configured is the default one's.
    let standard = check("no-such-queue", json!({ "email": MARIA.2 }), "hit", "").await;
    assert_eq!((&standard["name"], &standard["fallbackQueue"]), (&json!(MARIA.0), &json!("")));
    check(premium, json!({}), "unknown", "action.value_missing").await;
    for (index, (fault, code)) in [
        (Fault::Status { code: 503, body: None }, "crm.unavailable"),
        (Fault::Reset, "crm.unavailable"),
        (Fault::Truncate, "crm.unavailable"),
        (Fault::Html200, "crm.protocol"),
        (
            Fault::Status {
                code: 403,
                body: Some("[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"x\"}]".into()),
            },
            "crm.forbidden",
        ),
        (
            Fault::Status {
                code: 400,
                body: Some("[{\"errorCode\":\"MALFORMED_QUERY\",\"message\":\"x\"}]".into()),
            },
            "crm.invalid",
        ),
        (Fault::Status { code: 409, body: None }, "crm.conflict"),
        (Fault::Hang, "crm.unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        line.crm_does(fault.clone());
        // Each with a record of its own: none is answered from the cache.
        let record = format!("CRM:0030000009{index:05}AAA");
        let answer = check(premium, json!({ "externalId": record }), "failed", code).await;
        assert_eq!(answer["loyaltyTier"], "Standard", "{fault:?} {answer:?}");
        line.crm_recovers();
    }
    line.crm_does(Fault::Hang);
    let late = check("no-such-queue", json!({ "ani": JANE.1 }), "failed", "crm.deadline").await;
    assert_eq!(late["fallbackQueue"], "Everybody");
    assert!(late.took < Duration::from_secs(2), "{late:?}");
    // Once the day's allowance is used up nobody asks before it is renewed.
    line.crm_recovers();
    line.crm_does(Fault::Vendor("throttled_daily".into()));
    let used_up = json!({ "externalId": "CRM:003000000900009AAA" });
    check(premium, used_up.clone(), "failed", "crm.rate_limited").await;
    line.crm_recovers();
    let asked = line.crm_requests();
    check(premium, used_up, "degraded", "crm.degraded").await;
    let spared = check("no-such-queue", json!({ "ani": JANE.1 }), "degraded", "crm.degraded").await;
    assert_eq!(spared["fallbackQueue"], "Everybody");
    assert_eq!(line.crm_requests(), asked);
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_to_its_own_system_alone_and_without_its_prefix() {
    let line = with_enrichment().start().await;
    let premium = "Premium%20Support";
    // Another system's record says nothing here, and who calls is looked for by number.
    for foreign in ["ERP:2000001", "PHONE:0123456789abcdef0123456789abcdef", "UNKNOWN"] {
        let alone = line.enrich(premium, json!({ "externalId": foreign })).await;
        assert_eq!(alone["errorCode"], "action.value_missing", "{foreign} {alone:?}");
    }
    assert_eq!(queries(&line), Vec::<String>::new(), "nobody was asked");
    let found = line.enrich(premium, json!({ "externalId": "ERP:1", "ani": MARIA.1 })).await;
    assert_eq!((&found["status"], &found["customerName"]), (&json!("hit"), &json!(MARIA.0)));
    // A call that was looked up says whose it is by itself.
    let looked_up = line.lookup(json!({ "fromNumber": MARIA.1, "callId": "known" })).await;
    assert_eq!(looked_up["status"], "hit", "{looked_up:?}");
    let known = line.enrich(premium, json!({ "callId": "known" })).await;
    assert_eq!(known["customerName"], MARIA.0, "{known:?}");
    let asked = queries(&line).join("\n");
    assert!(!asked.contains("CRM%3A") && !asked.contains("ERP"), "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_says_is_never_part_of_the_query() {
    // A text field: for a value that is no id, an id's comparison is refused as a whole.
    let line = with_enrichment()
        .section(
            r#"[actions.Probe]
connection = "salesforce"
path = "/query"
query = { q = "SELECT Name FROM Contact WHERE External_Id__c = '{{customerExternalId}}' OR Title LIKE '%{{customerExternalId}}%'" }
fields = { customerName = { path = "records.0.Name" } }
"#,
        )
        .section(&queue("Probe", r#"action = "Probe""#))
        .start()
        .await;
    for evil in [
        "x' OR Name != '",
        "' OR Id != ''",
        "\\' OR Name LIKE '%",
        "x'; DELETE",
        "{{ani}}",
        "a\nb\u{2028}",
        "%' OR Name LIKE '%",
    ] {
        let answer = line.enrich("Probe", json!({ "customerExternalId": evil })).await;
        answer.assert_flat();
        assert_eq!(
            (&answer["status"], &answer["customerName"]),
            (&json!("miss"), &json!("")),
            "{evil} {answer:?}"
        );
    }
    assert_eq!(queries(&line).len(), 7, "the CRM has read each as one value");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_crm_is_asked_only_where_the_queue_allows_it_and_in_time() {
    let (other, section) = another().await;
    let allows = "connection = \"salesforce\"\nfallback_crm = \"other\"\ndeadline = \"1s\"\n\
        otherwise = { loyaltyTier = \"none\" }\nfallback_queue = \"Backup\"";
    let line = with_enrichment()
        .section(&section)
        .section(&queue("Allows", allows))
        .section(&queue("Forbids", "connection = \"salesforce\"\ndeadline = \"1s\""))
        .limit("timeout = \"3s\"")
        .start()
        .await;
    let asked = || {
        other
            .faults()
            .requests()
            .log()
            .iter()
            .filter(|s| s.target.contains("/services/data"))
            .count()
    };
    let before = asked();
    line.crm_does(Fault::Status { code: 503, body: None });
    let forbidden = line.enrich("Forbids", json!({ "ani": MARIA.1 })).await;
    assert_eq!((&forbidden["status"], &forbidden["fallbackCrm"]), (&json!("failed"), &json!("")));
    assert_eq!(asked(), before, "nobody else was asked");
    let allowed = line.enrich("Allows", json!({ "ani": MARIA.1 })).await;
    assert_eq!(
        (&allowed["status"], &allowed["name"]),
        (&json!("hit"), &json!(MARIA.0)),
        "{allowed:?}"
    );
    assert_eq!((&allowed["fallbackCrm"], &allowed["crmError"]), (&json!("other"), &json!(false)));
    assert_eq!(
        (&allowed["errorCode"], &allowed["fallbackQueue"]),
        (&json!("crm.unavailable"), &json!(""))
    );
    // Both fail: the queue says what then.
    other.faults().add(Rule::always(Fault::Status { code: 503, body: None }).on("/services/data/"));
    let both = line.enrich("Allows", json!({ "ani": JANE.1 })).await;
    assert_eq!((&both["crmError"], &both["fallbackQueue"]), (&json!(true), &json!("Backup")));
    assert_eq!(both["loyaltyTier"], "none", "{both:?}");
    // The first takes all the time there is: nobody is asked after it.
    other.faults().clear();
    line.crm_recovers();
    line.crm_does(Fault::Hang);
    let before = asked();
    let late = line.enrich("Allows", json!({ "ani": STRANGER })).await;
    assert_eq!((&late["errorCode"], &late["fallbackCrm"]), (&json!("crm.deadline"), &json!("")));
    assert!(late.took < Duration::from_secs(2), "{late:?}");
    assert_eq!(asked(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_run_by_its_name_and_a_connection_says_whether_it_is_ready() {
    let line = with_enrichment().limit("requests_per_minute = 12").start().await;
    let answer = line
        .execute("CRM_Salesforce_Enrichment", json!({ "externalId": line.id_of(JANE.2) }))
        .await;
    let keys = answer.assert_flat();
    assert_eq!(answer["customerName"], JANE.0, "{answer:?}");
    assert_eq!(keys.len(), FIXED.len() + 4, "its own fields alone: {keys:?}");
    let unknown = line.execute("nothing", json!({})).await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("action.unknown")));
    for odd in
        [json!({ "a": [] }), json!({ "callId": 7 }), json!({ "callId": "\u{e9}" }), json!([])]
    {
        assert_eq!(line.execute("CRM_Salesforce_Enrichment", odd).await.status, 400);
    }
    let ready = line.get("/api/v1/connections/salesforce/ready").await;
    assert_eq!(
        (&ready["ready"], &ready["token"], &ready["errorCode"]),
        (&json!(true), &json!(true), &json!(""))
    );
    for index in 0..15 {
        let record = format!("CRM:0030000000{index:05}AAA");
        line.execute("CRM_Salesforce_Enrichment", json!({ "externalId": record })).await;
    }
    let spent = line
        .execute("CRM_Salesforce_Enrichment", json!({ "externalId": "CRM:003000000000099AAA" }))
        .await;
    assert_eq!(
        (&spent["status"], &spent["errorCode"]),
        (&json!("degraded"), &json!("crm.degraded"))
    );
    let ready = line.get("/api/v1/connections/salesforce/ready").await;
    assert_eq!((&ready["ready"], &ready["degraded"]), (&json!(false), &json!(true)), "{ready:?}");
    let none = line.get("/api/v1/connections/nothing/ready").await;
    assert_eq!((none.status, &none["error"]["code"]), (404, &json!("connection.unknown")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erp_is_asked_by_an_action_of_its_own() {
    let config = sap_s4::sim::Config { people: 20, ..Default::default() };
    let sap = sap_s4::sim::start(config).await.expect("a SAP");
    let erp = r#"[connections.sap]
type = "sap_s4"
prefix = "ERP"
allow_private_addresses = true

[connections.sap.settings]
base_url = "URL"
client_id = "ID"
client_secret = { env = "SAP_SECRET" }

[actions.Account]
connection = "sap"
path = "/A_BusinessPartner('{{customerExternalId}}')"
query = { "$select" = "BusinessPartner,BusinessPartnerFullName" }

[actions.Account.fields]
accountName = { path = "d.BusinessPartnerFullName" }
"#;
    let erp = erp.replace("URL", &sap.url()).replace("ID", &sap.config().client_id);
    let secret = sap.config().client_secret.clone();
    let plan = Line::with_salesforce().section(&erp).variable("SAP_SECRET", &secret);
    let line = plan.section(&queue("Accounts", "action = \"Account\"")).start().await;
    let acme = line.enrich("Accounts", json!({ "externalId": "ERP:2000001" })).await;
    assert_eq!((&acme["status"], &acme["crmType"]), (&json!("hit"), &json!("sap_s4")), "{acme:?}");
    assert!(acme["accountName"].as_str().is_some_and(|name| name.contains("Acme")), "{acme:?}");
    let gone = line.enrich("Accounts", json!({ "externalId": "ERP:x'y" })).await;
    assert_eq!(
        (&gone["status"], &gone["errorCode"]),
        (&json!("miss"), &json!("crm.not_found")),
        "{gone:?}"
    );
}

/// What the server says of a configuration that it does not start with.
async fn refused(section: &str) -> String {
    let line = Line::with_salesforce().section(section).lay().await;
    let config = line.config.display().to_string();
    let ended = Ended::of(&["serve", "--config", &config], &line.environment).await;
    assert_eq!(ended.code, Some(2), "{section}: {ended:?}");
    ended.err
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_an_action_is_told_with_its_place_and_its_mend() {
    let action = |more: &str| {
        format!("[actions.A]\nconnection = \"salesforce\"\npath = \"/query\"\n{more}\n")
    };
    let q = |soql: &str| action(&format!("query = {{ q = \"{soql}\" }}"));
    let check = async |section: String, told: &[&str]| {
        let log = refused(&section).await;
        for words in told {
            assert!(log.contains(words), "{words} not in {log}");
        }
    };
    // Where the vendor's own language lets no value stand.
    check(
        q("SELECT Id FROM Contact WHERE Id = {{ani}}"),
        &["actions.A.query.q", "may not stand here"],
    )
    .await;
    check(q("SELECT {{ani}} FROM Contact"), &["actions.A.query.q", "between the quotes"]).await;
    check(
        q("SELECT Id FROM Contact WHERE Email = '{{emial}}'"),
        &["tieline.toml:", "Did you mean `{{email}}`?"],
    )
    .await;
    check(action("colour = \"x\""), &["unknown field `colour`"]).await;
    check(
        action("fields = { status = { path = \"a\" } }"),
        &["actions.A.fields.status", "Tieline's own key"],
    )
    .await;
    check(
        action("fields = { a = { path = \"a\", type = \"integer\", default = \"x\" } }"),
        &["is no integer"],
    )
    .await;
    check(
        action("") + &queue("Q", "action = \"B\""),
        &["there is no action `B`", "Did you mean `A`?"],
    )
    .await;
    check(queue("Q", ""), &["names neither a connection nor an action"]).await;
    check(
        action("method = \"POST\"") + &queue("Q", "action = \"A\"\nmode = \"async\""),
        &["is sent again after a crash", "repeatable = true"],
    )
    .await;
    check(
        queue("Q", "connection = \"salesforce\"\nfallback_crm = \"salesforce\""),
        &["is what serves the queue anyway"],
    )
    .await;
    check(
        queue("Q", "connection = \"salesforce\"\notherwise = { loyaltyTeir = \"x\" }"),
        &["Did you mean `loyaltyTier`?"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_crm_for_fifty_queues_is_one_connection_and_one_line_a_queue() {
    let (other, two) = another().await;
    let (third, three) = another().await;
    let three =
        three.replace("connections.other", "connections.third").replace("\"TWO\"", "\"THREE\"");
    let queues = |connection: &str| -> String {
        (0..50)
            .map(|index| {
                queue(&format!("Queue {index}"), &format!("connection = \"{connection}\""))
            })
            .collect()
    };
    let before = format!("{two}\n{}", queues("other"));
    let after = format!("{two}\n{three}\n{}", queues("third"));
    let changed = |queues: &str| queues.lines().filter(|line| line.contains("third")).count();
    assert_eq!(changed(&queues("third")), 50, "one line a queue");
    let more = after.lines().count() - before.lines().count();
    assert_eq!(more, three.lines().count() + 1, "and one connection, nothing else");
    let line = Line::with_salesforce().section(&after).start().await;
    let answer = line.enrich("Queue%2042", json!({ "ani": MARIA.1 })).await;
    assert!(answer["externalId"].as_str().is_some_and(|id| id.starts_with("THREE:")), "{answer:?}");
    assert!(third.api_usage() > 0 && other.api_usage() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_tried_and_shows_what_it_asks_and_hears_without_what_is_personal() {
    let line = with_enrichment().start().await;
    let id = line.id_of(JOHN.2);
    let path = "/api/v1/actions/CRM_Salesforce_Enrichment/try";
    let body = json!({ "externalId": id });
    let before = line.crm_requests();
    let dry = line.post(&format!("{path}?dryRun=true"), &body).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    assert_eq!(line.crm_requests(), before, "nobody is asked");
    assert_eq!(dry["answer"], json!(null));
    assert_eq!(dry["request"]["method"], "GET", "{dry:?}");
    let tried = line.post(path, &body).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    assert_eq!(tried["request"], dry["request"]);
    assert_eq!((&tried["told"]["status"], &tried["error"]), (&json!("hit"), &json!("")));
    assert_eq!(tried["told"]["customerName"], JOHN.0);
    let shown = format!("{}{}", tried["request"], tried["answer"]);
    assert!(shown.contains("SELECT") && shown.contains("totalSize"), "{shown}");
    let record = id.split_once(':').expect("an id").1;
    for hidden in [JOHN.0, "Doe", record, "example.com"] {
        assert!(!shown.contains(hidden), "{hidden} is shown: {shown}");
    }
    let lacking = line.post(path, &json!({})).await;
    assert_eq!(lacking["request"], json!(null), "{lacking:?}");
    assert_eq!(lacking["told"]["errorCode"], "action.value_missing");
    line.crm_does(Fault::Status { code: 503, body: None });
    let failed = line.post(path, &body).await;
    assert_eq!(failed["told"]["errorCode"], "crm.unavailable", "{failed:?}");
    assert!(failed["error"].as_str().is_some_and(|said| !said.is_empty()), "{failed:?}");
    let audit = line.get("/api/v1/audit").await;
    let entries = audit.body.as_array().expect("a list").iter();
    let told = entries.filter(|one| one["action"] == "action.tried").count();
    assert_eq!(told, 3, "a dry run is no act: {audit:?}");
    let unknown = line.post("/api/v1/actions/Nothing/try", &json!({})).await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("action.unknown")));
}
