//! Connectors and simulators held to the vendors' own descriptions, by Prism in between.
//!
//! Prism (proxy, `--errors`) answers 422 or 500 in place of the vendor where a request or an
//! answer is not as described, so that what succeeds here was as described on both sides.
//! `TIELINE_TEST_NODE_MODULES` names a folder that has it (@stoplight/prism-cli 5.14.2),
//! `TIELINE_SPECS` the descriptions.

use crate::followed::{drain, fields, gone};
use crate::rig::{Rig, ask, phone};
use connectors::{hubspot, zoho_crm};
use domain::{CallId, Direction, Timestamp};
use kit::{Activity, Ask, Capabilities, Error, Lane};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A proxy that ends with this.
struct Prism {
    url: String,
    description: PathBuf,
    _child: Child,
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.description);
    }
}

/// What is needed and where it is: Prism's program, and the folder of descriptions.
fn needs() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (modules, specs) = (path("TIELINE_TEST_NODE_MODULES"), path("TIELINE_SPECS"));
    let program = modules.map(|folder| folder.join("@stoplight/prism-cli/dist/index.js"));
    match (program.filter(|program| program.is_file()), specs) {
        (Some(program), Some(specs)) => Some((program, specs)),
        _ => {
            eprintln!("skipped: Prism, for want of TIELINE_TEST_NODE_MODULES or TIELINE_SPECS");
            None
        }
    }
}

/// How often another port is tried where somebody was quicker.
const PORTS_MAX: usize = 5;

/// A port that nobody has now; somebody may have it before it is used.
async fn port() -> u16 {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    taken.local_addr().expect("an address").port()
}

/// Several descriptions as one: components under the name of their file, no security (the
/// vendors' schemes are not those that Prism knows), every path behind `prefix`.
fn joined(folder: &std::path::Path, files: &[&str], prefix: &str) -> Value {
    let (mut paths, mut components) = (Map::new(), Map::new());
    let mut version = Value::Null;
    for file in files {
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let mut spec: Value = serde_json::from_str(&text).expect(file);
        let stem = file.trim_end_matches(".json").replace('-', "_");
        rewritten(&mut spec, &stem);
        version = spec["openapi"].clone();
        for (path, item) in spec["paths"].as_object().expect("paths") {
            paths.entry(format!("{prefix}{path}")).or_insert_with(|| item.clone());
        }
        for (kind, named) in spec["components"].as_object().into_iter().flatten() {
            let all = components.entry(kind.clone()).or_insert_with(|| json!({}));
            for (name, component) in named.as_object().into_iter().flatten() {
                all[format!("{stem}_{name}")] = component.clone();
            }
        }
    }
    json!({
        "openapi": version, "info": { "title": "joined", "version": "1" },
        "paths": paths, "components": components,
    })
}

fn rewritten(value: &mut Value, stem: &str) {
    match value {
        Value::Object(map) => {
            map.remove("security");
            map.remove("securitySchemes");
            if let Some(Value::String(to)) = map.get_mut("$ref") {
                let mut steps: Vec<&str> = to.split('/').collect();
                let name = format!("{stem}_{}", steps.pop().unwrap_or_default());
                *to = format!("{}/{name}", steps.join("/"));
            }
            map.values_mut().for_each(|value| rewritten(value, stem));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| rewritten(value, stem)),
        _ => {}
    }
}

/// Starts Prism before `upstream`, at `port`; `None` where it cannot listen there.
async fn prism(program: &PathBuf, description: &Value, upstream: &str, port: u16) -> Option<Prism> {
    let name = format!("tieline-prism-{}-{port}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, description.to_string()).expect("a description");
    let mut child = Command::new("node")
        .arg(program)
        .args(["proxy", "--errors", "--port", &port.to_string()])
        .arg(&file)
        .arg(upstream)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.contains("is listening on") {
                return true;
            }
        }
        false
    };
    let is_up = tokio::time::timeout(Duration::from_secs(60), listening).await;
    if !is_up.expect("Prism in time") {
        return None;
    }
    // Read on, or it would stop at a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(Prism { url: format!("http://127.0.0.1:{port}"), description: file, _child: child })
}

/// What is not as described is refused: the proof that Prism looks at all.
async fn looks(prism: &Prism, path: &str, authorization: &str, body: &Value) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let odd = http.post(format!("{}{path}", prism.url)).header("authorization", authorization);
    let odd = odd.json(body).send().await.expect("an answer");
    assert_eq!(odd.status().as_u16(), 422, "Prism must refuse what is not described");
}

/// Everybody who can be asked for, by every kind of ask, in both lanes.
async fn lookups(connection: &Capabilities) -> String {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    let mut record = String::new();
    for lane in [Lane::Call, Lane::Background] {
        let found = lookup.find(lane, &[ask()]).await.expect("people");
        record = found[0].first().expect("John").record.clone();
        let by_record = Ask { record: Some(record.clone()), ..Ask::default() };
        assert_eq!(lookup.find(lane, &[by_record]).await.expect("John")[0].len(), 1);
        let nobody = Ask { phone: Some(phone("+14155550000")), ..Ask::default() };
        assert_eq!(lookup.find(lane, &[nobody]).await.expect("nobody")[0], []);
    }
    record
}

async fn journal(connection: &Capabilities, record: &str) {
    let activity = Activity {
        call: CallId::new("prism").expect("an id"),
        record: record.to_owned(),
        known: None,
        subject: "A call".to_owned(),
        body: "Words".to_owned(),
        direction: Direction::Outbound,
        started: Timestamp(1_795_292_100_000),
        duration_ms: 65_000,
        wrap_up: Some("Resolved".to_owned()),
    };
    let journal = connection.journal.as_ref().expect("a journal");
    let made = journal.write(&activity).await.expect("written");
    assert_eq!(journal.write(&activity).await, Ok(made.clone()), "found again");
    let known = Some(made.id.clone());
    assert_eq!(journal.write(&Activity { known, ..activity }).await, Ok(made), "changed");
}

/// A record made, changed, met in conflict, and deleted; its id.
async fn writes(
    connection: &Capabilities,
    object: &str,
    key: (&str, &str),
    last_name: &str,
    stale: &str,
) -> String {
    let writes = connection.writes.as_ref().expect("writes");
    let mut values = fields(json!({}));
    values.insert(last_name.to_owned(), "Lovelace".into());
    let made = writes.create(object, key, &values).await.expect("made");
    let again = writes.create(object, key, &values).await.expect("found");
    assert!(made.is_new && !again.is_new && made.id == again.id);
    let ids = [made.id.clone(), "1".to_owned()];
    let read = writes.read(Lane::Background, object, &ids, &[last_name.to_owned()]).await;
    let seen = read.expect("read").remove(0).expect("there").version;
    writes.update(object, &made.id, seen.as_deref(), &values).await.expect("changed");
    let conflict = writes.update(object, &made.id, Some(stale), &values).await;
    assert_eq!(conflict.expect_err("stale").kind(), "conflict");
    writes.delete(object, &made.id, None).await.expect("deleted");
    made.id
}

#[tokio::test]
async fn zohos_own_description_finds_no_fault_with_connector_and_simulator() {
    let Some((program, specs)) = needs() else { return };
    let files = ["coql.json", "module-search.json", "record.json"];
    let mut description = joined(&specs.join("zoho/oas31"), &files, "/crm/v8");
    // "Upsert Records" shows both with every row; the description has forgotten them.
    let row = "/components/schemas/record_RecordSuccessResponse/properties/data/items/properties";
    let row = description.pointer_mut(row).expect("the outcome of a row");
    row["action"] = json!({ "type": "string", "enum": ["insert", "update"] });
    row["duplicate_field"] = json!({ "type": ["string", "null"] });
    let (zoho, prism) = zoho_behind_prism(&program, &description).await;
    let logins = zoho_crm::simulate::logins(&zoho);
    let connector = connectors::by_name("zoho_crm").expect("Zoho CRM");
    let rig = Rig::new(connector, Box::new(zoho), logins, zoho_crm::simulate::API);
    let connection = rig.open().await;
    let token = connection.tokens.as_ref().and_then(|tokens| tokens.current()).expect("a token");
    assert_eq!(
        token.base_url.as_deref(),
        Some(prism.url.as_str()),
        "everything goes through Prism"
    );

    let authorization = format!("Zoho-oauthtoken {}", token.value.reveal());
    looks(&prism, "/crm/v8/coql", &authorization, &json!({ "query": "select" })).await;
    let record = lookups(&connection).await;
    let account = connection.accounts.as_ref().expect("accounts");
    account.find(Lane::Call, &["1".to_owned(), record.clone()]).await.expect("an answer");
    journal(&connection, &record).await;
    let (_, cursor) = drain(&connection, "Contacts", &["Last_Name", "Account_Name"], None, 6).await;
    let stale = "2001-01-01T00:00:00+00:00";
    let id =
        writes(&connection, "Contacts", ("Email", "ada@example.com"), "Last_Name", stale).await;
    let (more, _) = drain(&connection, "Contacts", &["Last_Name"], Some(cursor), 200).await;
    assert_eq!(gone(&more), [(id, None)]);
    let writes = connection.writes.as_ref().expect("writes");
    let error = writes.create("Leads", ("Email", "x@example.com"), &fields(json!({}))).await;
    assert!(matches!(error, Err(Error::Invalid { field: Some(f), .. }) if f == "Last_Name"));
    let lead = rig.simulator.add("Leads", &json!({ "Last_Name": "Lead" }));
    let contact = rig.simulator.convert(&lead);
    let lookup = connection.lookup.as_ref().expect("a lookup");
    assert_eq!(lookup.successor(Lane::Background, &lead).await, Ok(contact));
    assert!(rig.requests().1 > 30, "{}", rig.requests().1);
}

/// A simulated Zoho, which tells Prism's address as its own.
async fn zoho_behind_prism(program: &PathBuf, description: &Value) -> (zoho_crm::sim::Zoho, Prism) {
    for _ in 0..PORTS_MAX {
        let port = port().await;
        let config = zoho_crm::sim::Config {
            people: 20,
            api_domain: Some(format!("http://127.0.0.1:{port}")),
            ..zoho_crm::sim::Config::default()
        };
        let zoho = zoho_crm::sim::start(config).await.expect("a port");
        if let Some(prism) = prism(program, description, &zoho.url(), port).await {
            return (zoho, prism);
        }
    }
    panic!("Prism ended before it listened");
}

/// A connection to a simulated HubSpot behind Prism.
async fn behind_prism(
    program: &PathBuf,
    description: &Value,
    version: &str,
) -> (Prism, Rig<hubspot::sim::HubSpot>, Capabilities) {
    let config = hubspot::sim::Config {
        people: 20,
        searches: 50,
        requests: 1_000,
        // The description says that all values are texts; HubSpot itself sends nulls.
        nulls: false,
        ..hubspot::sim::Config::default()
    };
    let account = hubspot::sim::start(config).await.expect("a port");
    let mut started = None;
    for _ in 0..PORTS_MAX {
        started = prism(program, description, &account.url(), port().await).await;
        if started.is_some() {
            break;
        }
    }
    let prism = started.expect("Prism listens");
    let logins = hubspot::simulate::logins(&account, &prism.url);
    let connector = connectors::by_name("hubspot").expect("HubSpot");
    let rig = Rig::new(connector, Box::new(account), logins, hubspot::simulate::API);
    let mut settings = rig.logins[0].clone();
    settings.plain.insert("api_version".to_owned(), version.into());
    let connection = rig.open_with(settings).expect("complete settings");
    (prism, rig, connection)
}

#[tokio::test]
async fn hubspots_own_description_finds_no_fault_with_connector_and_simulator() {
    let Some((program, specs)) = needs() else { return };
    let files = [
        "contacts-v3.json",
        "companies-v3.json",
        "properties-v3.json",
        "objects-v3.json",
        "oauth-v3.json",
    ];
    let description = joined(&specs.join("hubspot"), &files, "");
    let (prism, rig, connection) = behind_prism(&program, &description, "v3").await;
    let authorization = format!("Bearer {}", rig.simulator.config().service_key);
    let filter = json!({ "propertyName": "email", "operator": "LIKE", "value": "x" });
    let odd = json!({ "filterGroups": [{ "filters": [filter] }], "properties": [], "limit": 1, "after": "0", "sorts": [] });
    looks(&prism, "/crm/v3/objects/contacts/search", &authorization, &odd).await;

    let record = lookups(&connection).await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let found =
        accounts.find(Lane::Call, &["512".to_owned(), "1".to_owned()]).await.expect("an answer");
    assert!(found[0].is_some() && found[1].is_none(), "a part (207)");
    journal(&connection, &record).await;
    let (_, cursor) = drain(&connection, "contacts", &["lastname"], None, 6).await;
    let stale = "2001-01-01T00:00:00.000Z";
    let keys = [("external_number", "X-1"), ("email", "ada@example.com")];
    for key in keys {
        writes(&connection, "contacts", key, "lastname", stale).await;
    }
    drain(&connection, "contacts", &["lastname"], Some(cursor), 200).await;
    for finding in connection.check.check().await {
        assert_eq!(finding.outcome, Ok(()), "{}", finding.what);
    }
    let lookup = connection.lookup.as_ref().expect("a lookup");
    assert_eq!(lookup.successor(Lane::Background, "1").await, Ok(None));
    let mut settings = rig.logins[1].clone();
    settings.plain.insert("api_version".to_owned(), "v3".into());
    let app = rig.open_with(settings).expect("complete settings");
    app.tokens.as_ref().expect("tokens").fresh(Duration::from_secs(10)).await.expect("a token");
    lookups(&app).await;
    assert!(rig.requests().1 > 40, "{}", rig.requests().1);
}

#[tokio::test]
async fn hubspots_description_of_dated_paths_finds_no_fault_either() {
    let Some((program, specs)) = needs() else { return };
    let description = joined(&specs.join("hubspot"), &["contacts-2026-09.json"], "");
    let (_prism, rig, connection) = behind_prism(&program, &description, "2026-09").await;
    let lookup = connection.lookup.as_ref().expect("a lookup");
    for lane in [Lane::Call, Lane::Background] {
        let found = lookup.find(lane, &[ask()]).await.expect("people");
        assert_eq!(found[0].len(), 2);
    }
    let (all, _) = drain(&connection, "contacts", &["lastname"], None, 6).await;
    assert!(all.len() >= rig.simulator.count("contacts"));
}
