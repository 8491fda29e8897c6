//! Starting, stopping, watching, keeping a copy, and refusing to start wrongly.

use crate::rig::plan::{API_KEY, MASTER_KEY};
use crate::rig::{
    Answer, Ended, JOHN, Line, MARIA, Place, STRANGER, Server, Signal, join_all, until,
};
use serde_json::{Value, json};
use sim::faults::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

crate::facts! {
    a_stop_answers_everything_that_was_accepted
    a_backup_under_load_restores_to_every_call_answered_before
    nothing_personal_and_no_secret_lies_in_clear
}

async fn a_stop_answers_everything_that_was_accepted(place: Place) {
    let mut line = Line::with_salesforce().people(60).on(place).deadline("10s").start().await;
    line.crm_does(Fault::slow(Duration::from_secs(1)));
    let asked = line.crm_requests();
    let people = Line::loners(20);
    let url = line.url("/api/v1/genesys/lookup");
    let calls: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(index, person)| {
            let body = json!({ "fromNumber": person.number, "callId": format!("drained-{index}") });
            tokio::spawn(Answer::of(line.http.post(&url).bearer_auth(API_KEY).json(&body)))
        })
        .collect();
    until("all are under way", async || {
        let log = line.salesforce.faults().requests().log();
        let searched: String = log[..].iter().map(|seen| seen.target.as_str()).collect();
        line.crm_requests() > asked
            && people.iter().all(|person| searched.contains(&person.number[3..]))
    })
    .await;
    line.server().signal(Signal::Term);
    for (call, person) in calls.into_iter().zip(&people) {
        let answer = call.await.expect("no panic");
        answer.assert_hit("crm");
        assert_eq!(answer["email"], person.email);
    }
    assert_eq!(line.server().ended().await, Some(0));
    let gone = Answer::try_of(line.http.get(line.url("/healthz"))).await;
    assert!(gone.is_err(), "nobody listens any more");
    line.crm_recovers();
    line.start_server().await;
    for (index, person) in people.iter().enumerate() {
        let stored = line.stored(&format!("drained-{index}")).await;
        assert_eq!(stored["externalId"], line.id_of(&person.email), "{stored:?}");
    }
}

/// Calls until told to stop; the ids of those that were answered.
async fn load(
    http: reqwest::Client,
    url: String,
    task: usize,
    stop: Arc<AtomicBool>,
) -> Vec<(String, Value)> {
    let mut answered = Vec::new();
    for n in 0..5_000 {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let call = format!("load-{task}-{n}");
        let number = [JOHN.1, MARIA.1, STRANGER][n % 3];
        let body = json!({ "fromNumber": number, "callId": call });
        let request = http.post(&url).bearer_auth(API_KEY).json(&body);
        let Ok(answer) = Answer::try_of(request).await else { break };
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.push((call, answer["externalId"].clone()));
    }
    answered
}

async fn a_backup_under_load_restores_to_every_call_answered_before(place: Place) {
    let target = place.another().await;
    let mut line = Line::with_salesforce().on(place).start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let url = line.url("/api/v1/genesys/lookup");
    for n in 0..20 {
        let body = json!({ "fromNumber": MARIA.1, "callId": format!("before-{n}") });
        line.lookup(body).await.assert_whole();
    }
    let loads: Vec<_> = (0..4)
        .map(|task| tokio::spawn(load(line.http.clone(), url.clone(), task, Arc::clone(&stop))))
        .collect();
    let copy = line.folder.join("copy.db");
    let words = ["backup", copy.to_str().expect("a path")];
    let ended = line.command(&words).await;
    stop.store(true, Ordering::SeqCst);
    let mut answered = Vec::new();
    for load in loads {
        answered.extend(load.await.expect("no panic"));
    }
    assert_eq!((ended.code, ended.out.trim()), (Some(0), words[1]), "{ended:?}");
    assert!(answered.len() > 3, "there was load");
    let again = line.command(&words).await;
    assert_eq!(again.code, Some(1), "an existing file is kept: {again:?}");
    let by_force = line.command(&[words[0], words[1], "--overwrite"]).await;
    assert_eq!(by_force.code, Some(0), "{by_force:?}");
    assert_eq!(line.stop().await, Some(0));

    let bytes = std::fs::read(&copy).expect("the copy");
    assert_no_canary(&bytes, "the backup");
    let config = std::fs::read_to_string(&line.config).expect("the configuration");
    let config = config.replace(&line.place.location(), &target.location());
    let config = line.folder.write("restored.toml", &config).display().to_string();
    let words = ["restore", words[1], "--config", &config];
    let restored = Ended::of(&words, &line.environment).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let twice = Ended::of(&words, &line.environment).await;
    assert_eq!(twice.code, Some(2), "a store that is there is kept: {twice:?}");
    assert!(twice.err.contains("not empty"), "{twice:?}");

    line.config = config.into();
    line.place = target;
    line.start_server().await;
    // By force it was taken after all load had ended: it holds everything.
    for (call, external_id) in &answered {
        assert_eq!(line.stored(call).await["externalId"], *external_id, "{call}");
    }
    for n in 0..20 {
        assert_eq!(line.stored(&format!("before-{n}")).await.status, 200);
    }
    line.call_from(MARIA.1).await.assert_hit("directory");
}

#[tokio::test]
async fn a_backup_needs_its_master_key() {
    let line = Line::with_salesforce().start().await;
    line.call_from(MARIA.1).await.assert_hit("crm");
    let copy = line.folder.join("copy.db").display().to_string();
    assert_eq!(line.command(&["backup", &copy]).await.code, Some(0));
    let other = Place::disk();
    let config = std::fs::read_to_string(&line.config).expect("the configuration");
    let config = config.replace(&line.place.location(), &other.location());
    let config = line.folder.write("other.toml", &config).display().to_string();
    let mut environment = line.environment.clone();
    environment.retain(|(name, _)| name != "TIELINE_MASTER_KEY");
    environment.push(("TIELINE_MASTER_KEY".to_owned(), "00".repeat(32)));
    let refused = Ended::of(&["restore", &copy, "--config", &config], &environment).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("master key"), "{refused:?}");
}

/// What must be found nowhere.
fn assert_no_canary(bytes: &[u8], place: &str) {
    assert!(bytes.len() > 1_000, "{place} has been read");
    let canaries = [
        "John",
        "Doe",
        "Maria",
        "Garcia",
        "john.doe",
        "example.com",
        "5550199999",
        "5550198888",
        "019-9999",
        "3175550123",
        "CASE-99812",
        "sim-consumer-secret",
        API_KEY,
        MASTER_KEY,
    ];
    for canary in canaries {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} lies in {place}");
    }
    let master = [0x5a_u8, 0x1e].repeat(16);
    assert!(!bytes.windows(32).any(|window| window == master), "the master key lies in {place}");
}

async fn nothing_personal_and_no_secret_lies_in_clear(place: Place) {
    let mut line = Line::with_salesforce().and_genesys().on(place).start().await;
    line.crm_does(Fault::Status { code: 503, body: None });
    line.call_from(JOHN.1).await.assert_by_number("partial");
    let jobs = line.jobs().await;
    assert!(!jobs.is_empty());
    assert_no_canary(&line.place.bytes().await, "the running store");
    line.crm_recovers();
    line.genesys().faults().add(sim::faults::Rule::always(Fault::Hang));
    let email = json!({ "fromNumber": MARIA.1, "email": MARIA.2, "callId": "with-email" });
    line.lookup(email).await.assert_hit("crm");
    line.call_from(STRANGER).await.assert_by_number("miss");
    // A push of Maria waits, with all that is told of her.
    assert!(line.jobs().await.iter().any(|job| job["kind"] == "push_contact"));
    assert_no_canary(&line.place.bytes().await, "the running store");
    line.kill().await;
    assert_no_canary(&line.place.bytes().await, "the store of a killed server");
}

#[cfg(unix)]
#[tokio::test]
async fn the_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let line = Line::with_salesforce().start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    let Place::Disk(folder) = &line.place else { panic!("on disk") };
    for file in std::fs::read_dir(folder.path()).expect("a folder") {
        let file = file.expect("an entry");
        let mode = file.metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.path().display());
    }
}

#[tokio::test]
async fn probes_are_answered_without_a_key() {
    let line = Line::with_salesforce().and_genesys().start().await;
    let ask = |path: &str| Answer::of(line.http.get(line.url(path)));
    assert_eq!(ask("/healthz").await.status, 200);
    let ready = ask("/readyz").await;
    assert_eq!(
        (ready.status, &ready["ready"], &ready["draining"]),
        (200, &json!(true), &json!(false))
    );
    assert_eq!(ready["store"], json!({ "kind": "sqlite", "ok": true }));
    assert_eq!(ready["connections"]["genesys"]["token"], "ok");
    // A CRM that is down makes nobody unready: its callers are answered all the same.
    line.crm_does(Fault::Reset);
    line.call_from(JOHN.1).await.assert_by_number("partial");
    assert_eq!(ask("/readyz").await.status, 200);
    let api = ask("/openapi.json").await;
    assert!(api["paths"]["/api/v1/genesys/lookup"]["post"].is_object());
}

#[tokio::test]
async fn logs_are_one_json_object_a_line_where_machines_read_them() {
    let mut line = Line::with_salesforce().log_level("debug").start().await;
    line.crm_does(Fault::Reset);
    line.call_from(JOHN.1).await.assert_by_number("partial");
    assert_eq!(line.stop().await, Some(0));
    let log = line.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    assert!(lines.len() >= 2, "{log}");
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    assert!(log.contains("stopped"), "{log}");
}

/// One way, names alone.
const SYNC: &str = r#"
[[syncs]]
name = "names"
schedule = "never"
left = { connection = "salesforce", object = "Contact" }
right = { connection = "genesys", object = "contacts" }

[[syncs.fields]]
left = "LastName"
right = "lastName"
"#;

const PRESENCE: &str = r#"
[[presence]]
name = "support"
contact_center = "genesys"
crm = "salesforce"
scenario = "both_at_once"
pairs = [{ contact_center = "On Queue", crm = "Available" }]
transition = { contact_center = "Available", crm = "Transition" }
agents_every = "1s"
"#;

#[tokio::test]
async fn every_documented_metric_is_served() {
    let line = Line::with_salesforce().and_genesys().agents_sign_in();
    let sections = format!("[routing]\nshadow = true\ndeadline = \"5s\"\n{SYNC}{PRESENCE}");
    let line = line.section(&sections).start().await;
    let (_, _, agent) = line.genesys().config().agents[0].clone();
    line.salesforce.add_agent("Ann Agent", &agent).expect("an agent");
    let path = format!("/api/v1/presence/agents/{agent}");
    until("an agent was read in both systems", async || {
        line.get(&path).await.body["agent"]["contactCenter"]["status"] == "Offline"
    })
    .await;
    line.arrives(MARIA.1).await.1.assert_hit("crm");
    line.decide_by_rules(STRANGER).await;
    let other = json!({ "default": { "type": "queue", "option": "Support" } });
    let draft = line.http.put(line.url("/api/v1/routing/items/chains/did:%2B15550190000"));
    let draft = Answer::of(draft.bearer_auth(API_KEY).json(&other)).await;
    assert_eq!(draft.status, 200, "{draft:?}");
    let decide = json!({ "did": "+15550190000", "ani": MARIA.1, "callId": "shadowed" });
    assert_eq!(line.post("/api/v1/routing/decide", &decide).await.status, 200);
    line.crm_does(Fault::Status { code: 503, body: None });
    line.arrives(JOHN.1).await.1.assert_by_number("partial");
    line.crm_recovers();
    let started = json!({ "type": "callStarted", "callId": "c" });
    assert_eq!(line.post("/api/v1/genesys/events", &started).await.status, 202);
    let sign_in = json!({ "connection": "genesys", "shown": "nothing" });
    assert_eq!(line.post("/api/v1/agent-tokens/sign-in", &sign_in).await.status, 401);
    line.until_quiet().await;
    assert_eq!(line.post("/api/v1/reconcile", &json!({})).await.status, 202);
    until("the run has ended", async || {
        line.get("/api/v1/reconcile/runs").await.body[0]["state"] == "done"
    })
    .await;
    let begun = line.post("/api/v1/syncs/names/runs", &json!({ "yes": true })).await;
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until("the sync has ended", async || line.get(&path).await.body["state"] == "done").await;
    let begun = line.post("/api/v1/syncs/names/drift", &json!({})).await;
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until("drift is measured", async || line.get(&path).await.body["state"] == "done").await;
    let page = include_str!("../../../../docs/reference/metrics.md");
    let names: Vec<&str> = page.split('`').filter(|word| word.starts_with("tieline_")).collect();
    assert!(names.len() > 4, "the page names them");
    let metrics = Answer::of(line.http.get(line.url("/metrics"))).await;
    let text = metrics.body.as_str().expect("text").to_owned();
    for name in &names {
        let is_sample = |line: &str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        };
        assert!(text.lines().any(is_sample), "{name} is not in:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "whole");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for sample in samples.filter_map(|line| line.split(['{', ' ']).next()) {
        let is_documented = names.iter().any(|name| sample.starts_with(name));
        assert!(is_documented, "{sample} is not documented");
    }
    for (sample, count) in [
        (r#"tieline_lookups_total{connection="salesforce",status="hit",source="crm"} "#, "1"),
        (r#"tieline_lookups_total{connection="salesforce",status="partial",source="none"} "#, "1"),
        (r#"tieline_lookup_seconds_count "#, "2"),
        (r#"tieline_enrichments_total{connection="salesforce",status="hit"} "#, "1"),
    ] {
        assert!(text.contains(&format!("{sample}{count}\n")), "{sample}{count} is not in:\n{text}");
    }
    assert!(!text.contains("555019"), "no number in a label");
}

#[tokio::test]
async fn a_second_process_on_the_same_store_is_refused_and_told_who_owns_it() {
    let mut line = Line::with_salesforce().start().await;
    let second = line.command_elsewhere(&["serve"]).await;
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.err.contains("in use by another process"), "{second:?}");
    let pid = line.server().pid().expect("it runs").to_string();
    assert!(second.err.contains(&pid), "{second:?} does not name {pid}");
    let copy = line.folder.join("copy.db").display().to_string();
    assert_eq!(line.command(&["backup", &copy]).await.code, Some(0));
    let restore = line.command(&["restore", &copy, "--overwrite"]).await;
    assert_eq!(restore.code, Some(3), "{restore:?}");
    line.call_from(JOHN.1).await.assert_hit("crm");
    line.kill().await;
    line.start_server().await;
    line.call_from(JOHN.1).await.assert_hit("directory");
}

/// `serve` with a changed environment or file must end like this.
async fn assert_refuses(change: impl FnOnce(&mut Line), code: i32, says: &[&str]) {
    let mut line = Line::with_salesforce().lay().await;
    change(&mut line);
    let ended = line.command(&["serve"]).await;
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for word in says {
        assert!(ended.err.contains(word), "{word}: {ended:?}");
    }
    for secret in [API_KEY, MASTER_KEY, "sim-consumer-secret", "canary"] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{ended:?}");
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut Line) {
    move |line| line.environment.retain(|(known, _)| known != name)
}

fn with(name: &'static str, value: &'static str) -> impl FnOnce(&mut Line) {
    move |line| {
        line.environment.retain(|(known, _)| known != name);
        line.environment.push((name.to_owned(), value.to_owned()));
    }
}

/// Replaces text of the configuration file.
fn written(from: &'static str, to: &'static str) -> impl FnOnce(&mut Line) {
    move |line| {
        let text = std::fs::read_to_string(&line.config).expect("the configuration");
        assert!(text.contains(from), "{from} stands in {text}");
        std::fs::write(&line.config, text.replacen(from, to, 1)).expect("written");
    }
}

#[tokio::test]
async fn a_server_told_to_stop_while_it_starts_ends_as_one_that_ran() {
    // A store that takes the connection and then says nothing: the start waits.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = mute.local_addr().expect("its address");
    let line = Line::with_salesforce().lay().await;
    let text = std::fs::read_to_string(&line.config).expect("the configuration");
    let mute_store =
        text.replacen(&line.place.location(), &format!("postgres://tieline@{address}/tieline"), 1);
    assert_ne!(text, mute_store);
    std::fs::write(&line.config, mute_store).expect("written");
    let mut server = Server::serve(&line.config, &line.environment);
    let asked = tokio::time::timeout(Duration::from_secs(30), mute.accept()).await;
    let _asked = asked.expect("the server asks its store").expect("a connection");
    server.signal(Signal::Term);
    assert_eq!(server.ended().await, Some(0), "{}", server.log.all().join("\n"));
}

#[tokio::test]
async fn serve_refuses_to_start_without_a_key_of_its_own() {
    let keys = "api_keys = [{ env = \"TIELINE_API_KEY\" }]";
    assert_refuses(written(keys, ""), 2, &["API key", "no default", "api_keys"]).await;
    assert_refuses(written(keys, "api_keys = []"), 2, &["API key"]).await;
    assert_refuses(without("TIELINE_API_KEY"), 3, &["TIELINE_API_KEY", "not set"]).await;
    assert_refuses(with("TIELINE_API_KEY", ""), 3, &["TIELINE_API_KEY", "empty"]).await;
    assert_refuses(with("TIELINE_API_KEY", "demo"), 2, &["16 characters"]).await;
    assert_refuses(with("TIELINE_API_KEY", "canary789012345"), 2, &["16 characters"]).await;
}

#[tokio::test]
async fn serve_refuses_to_start_without_its_master_key() {
    let name = "TIELINE_MASTER_KEY";
    assert_refuses(without(name), 3, &[name, "tieline key"]).await;
    assert_refuses(with(name, "canary-too-short"), 2, &["master key is 32 bytes", name]).await;
    let line = "master_key = { env = \"TIELINE_MASTER_KEY\" }";
    assert_refuses(written(line, ""), 2, &["master_key"]).await;
    assert_refuses(written(line, "master_key = \"canary\""), 2, &["{ env = \"NAME\" }"]).await;
}

#[tokio::test]
async fn another_master_key_does_not_open_the_store() {
    let mut line = Line::with_salesforce().start().await;
    line.call_from(JOHN.1).await.assert_hit("crm");
    assert_eq!(line.stop().await, Some(0));
    with("TIELINE_MASTER_KEY", "0000000000000000000000000000000000000000000000000000000000000001")(
        &mut line,
    );
    let ended = line.command(&["serve"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("not the one this store was made with"), "{ended:?}");
    with("TIELINE_MASTER_KEY", MASTER_KEY)(&mut line);
    line.start_server().await;
    line.call_from(JOHN.1).await.assert_hit("directory");
}

#[tokio::test]
async fn a_made_key_is_a_master_key() {
    let key = Ended::of(&["key"], &[]).await;
    let other = Ended::of(&["key"], &[]).await;
    assert_eq!(key.code, Some(0), "{key:?}");
    assert_ne!(key.out, other.out);
    let mut line = Line::with_salesforce().lay().await;
    line.environment.retain(|(name, _)| name != "TIELINE_MASTER_KEY");
    line.environment.push(("TIELINE_MASTER_KEY".to_owned(), key.out));
    line.started().await.call_from(JOHN.1).await.assert_hit("crm");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_told_with_file_line_key_and_the_nearest_right_one() {
    let told = ["tieline.toml:13: ", "deadlin", "Did you mean `deadline`?"];
    let region = "default_region = \"US\"";
    assert_refuses(written(region, "default_region = \"US\"\ndeadlin = \"300ms\""), 2, &told).await;
    assert_refuses(
        written("[lookup]", "[lokup]"),
        2,
        &["tieline.toml:10", "Did you mean `lookup`?"],
    )
    .await;
    let unknown = ["tieline.toml:11: lookup.default_connection", "Did you mean `salesforce`?"];
    assert_refuses(
        written("default_connection = \"salesforce\"", "default_connection = \"salesfroce\""),
        2,
        &unknown,
    )
    .await;
    assert_refuses(
        written("type = \"salesforce\"", "type = \"salesfoce\""),
        2,
        &["connections.salesforce.type", "Did you mean `salesforce`?"],
    )
    .await;
    assert_refuses(
        written("client_id =", "client_ids ="),
        2,
        &["connections.salesforce.settings", "client_id"],
    )
    .await;
    assert_refuses(
        written(region, "default_region = \"Atlantis\""),
        2,
        &["tieline.toml:12: lookup.default_region", "Atlantis"],
    )
    .await;
    assert_refuses(
        written("deadline = \"5s\"", "deadline = \"fast\""),
        2,
        &["tieline.toml:13", "fast", "300ms"],
    )
    .await;
    assert_refuses(written("[lookup]", "[lookup"), 2, &["tieline.toml:10"]).await;
    assert_refuses(with("TIELINE_LOOKUP__DEADLINE", "soon"), 2, &["TIELINE_LOOKUP__DEADLINE"])
        .await;
    assert_refuses(
        without("SALESFORCE_SECRET"),
        2,
        &["connections.salesforce.settings.client_secret", "SALESFORCE_SECRET"],
    )
    .await;
}

#[tokio::test]
async fn a_prefix_belongs_to_one_connection() {
    let second = "[connections.second]\ntype = \"salesforce\"\nprefix = \"CRM\"\n\n[connections.second.settings]\nlogin_url = \"http://127.0.0.1:1\"\nclient_id = \"x\"\nclient_secret = { env = \"SALESFORCE_SECRET\" }\n";
    let line = Line::with_salesforce().section(second).lay().await;
    let ended = line.command(&["serve"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("CRM") && ended.err.contains("already"), "{ended:?}");
    let prefix = "prefix = \"CRM\"";
    for wrong in
        ["prefix = \"PHONE\"", "prefix = \"UNKNOWN\"", "prefix = \"crm\"", "prefix = \"A:B\"", ""]
    {
        assert_refuses(written(prefix, wrong), 2, &["connections.salesforce"]).await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_port_that_is_taken_are_told() {
    let nowhere = Ended::of(&["serve", "--config", "/nowhere/tieline.toml"], &[]).await;
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
    assert!(nowhere.err.contains("/nowhere/tieline.toml"), "{nowhere:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut line = Line::with_salesforce().lay().await;
    line.environment.push(("TIELINE_SERVER__LISTEN".to_owned(), address.clone()));
    let ended = line.command(&["serve"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains(&address), "{ended:?}");
}

#[tokio::test]
async fn commands_tell_when_no_server_runs_and_what_is_wrong_input() {
    let line = Line::with_salesforce().lay().await;
    let mut environment = line.environment.clone();
    environment.push(("TIELINE_SERVER__LISTEN".to_owned(), "127.0.0.1:1".to_owned()));
    let config = line.config.display().to_string();
    let jobs = Ended::of(&["jobs", "--config", &config], &environment).await;
    assert_eq!(jobs.code, Some(3), "{jobs:?}");
    assert!(jobs.err.contains("127.0.0.1:1") && jobs.err.contains("tieline serve"), "{jobs:?}");
    for words in [&["nothing"][..], &["serve", "--colour"], &["jobs", "--redrive", "x"], &[]] {
        let ended = Ended::of(words, &environment).await;
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
    }
    for words in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        let ended = Ended::of(words, &environment).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{words:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_connections() {
    let mut line = Line::with_salesforce().start().await;
    let address = line.url("").replace("http://", "");
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(tokio::net::TcpStream::connect(&address).await.expect("a connection"));
    }
    let asked: Vec<_> = (0..20).map(|_| line.call_from(JOHN.1)).collect();
    for answer in join_all(asked).await {
        answer.assert_whole();
    }
    let begun = std::time::Instant::now();
    assert_eq!(line.stop().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9), "less than the drain: {:?}", begun.elapsed());
}
