//! `tieline demo`: the main job on one machine, for people and for scripts.

use crate::rig::{Answer, Ended, Folder, Server, Signal, until, until_some};
use serde_json::{Value, json};
use std::time::Duration;

/// A demo whose temporary folder lies in a folder of the test.
pub(crate) struct Demo {
    server: Server,
    folder: Folder,
    hello: Value,
    http: reqwest::Client,
}

fn environment(folder: &Folder) -> Vec<(String, String)> {
    let deadline = ("TIELINE_LOOKUP__DEADLINE".to_owned(), crate::rig::plan::PATIENT.to_owned());
    vec![("TMPDIR".to_owned(), folder.path().display().to_string()), deadline]
}

impl Demo {
    pub(crate) async fn start(words: &[&str]) -> Self {
        Self::start_in(Folder::new(), words).await
    }

    async fn start_in(folder: Folder, words: &[&str]) -> Self {
        let mut all = vec!["demo", "--json", "--port", "0", "--people", "200"];
        all.extend(words);
        let mut server = Server::start(&all, &environment(&folder));
        let hello = server.until_it_says_a_line().await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { server, folder, hello, http }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.hello[key].as_str().unwrap_or_else(|| panic!("{key} in {}", self.hello))
    }

    async fn lookup(&self, body: Value) -> Answer {
        let request = self.http.post(self.text("lookup")).header("X-API-Key", self.text("apiKey"));
        Answer::of(request.json(&body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.text("url"));
        Answer::of(self.http.get(url).bearer_auth(self.text("apiKey"))).await
    }

    async fn stop(&mut self, signal: Signal) -> Option<i32> {
        self.server.signal(signal);
        self.server.ended().await
    }

    /// What lies in the system's temporary folder.
    fn left(&self) -> Vec<std::path::PathBuf> {
        let left = std::fs::read_dir(self.folder.path()).expect("a folder");
        left.map(|entry| entry.expect("an entry").path()).collect()
    }
}

fn example() -> Value {
    json!({
        "fromNumber": "+15550199999", "toNumber": "+15550190000",
        "callId": "abc-123-def-456", "type": "inbound",
    })
}

#[tokio::test]
async fn the_example_of_the_field_works_as_typed() {
    let mut demo = Demo::start(&[]).await;
    let answer = demo.lookup(example()).await;
    answer.assert_hit("crm");
    assert_eq!(answer["name"], "John Doe");
    assert_eq!(answer["email"], "john.doe@example.com");
    assert_eq!(answer["data"]["crmCaseId"], "CASE-99812");
    assert_eq!(answer["data"]["loyaltyTier"], "Gold");
    assert_eq!(answer["data"]["previousInteractionCount"], 4);
    assert_eq!(answer["externalId"], demo.hello["people"][0]["externalId"]);
    assert_eq!(answer["warnings"], json!([]));
    let click = json!({
        "fromNumber": "+15550190000", "toNumber": "+15550199999", "callId": "dial-1",
        "type": "outbound", "userId": "agent-1", "queueId": demo.hello["queue"]["id"],
    });
    let click = demo.lookup(click).await;
    assert_eq!((click.id(), &click["warnings"]), (answer.id(), &json!([])));
    // The simulated Genesys knows neither call: stated skips, no dead letter.
    let jobs = until_some("the jobs have ended", async || {
        let jobs = demo.get("/api/v1/jobs").await.body.as_array().expect("a list").clone();
        let has_ended = |job: &Value| job["state"] == "skipped" || job["state"] == "dead";
        (!jobs.is_empty() && jobs.iter().all(has_ended)).then_some(jobs)
    })
    .await;
    assert!(jobs.iter().all(|job| job["state"] == "skipped" && job["note"] != ""), "{jobs:?}");
    assert_eq!(demo.stop(Signal::Int).await, Some(0));
}

#[tokio::test]
async fn the_first_line_names_every_address_key_and_person_a_script_needs() {
    let demo = Demo::start(&[]).await;
    let hello = &demo.hello;
    assert_eq!(demo.text("apiKey"), "demo");
    for vendor in ["salesforce", "genesys"] {
        let url = hello[vendor]["url"].as_str().expect("an address");
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        assert!(hello[vendor]["clientId"].is_string() && hello[vendor]["clientSecret"].is_string());
        let faults = Answer::of(demo.http.get(format!("{url}/_sim/faults"))).await;
        assert_eq!(faults.status, 200, "{faults:?}");
    }
    for key in ["id", "name", "did"] {
        assert!(hello["queue"][key].is_string(), "{hello}");
    }
    let people = hello["people"].as_array().expect("people");
    assert!(people.len() >= 2, "{hello}");
    for person in people {
        let call = format!("by-name-{}", person["email"]);
        let call: String = call.chars().filter(char::is_ascii_alphanumeric).collect();
        let body =
            json!({ "fromNumber": person["number"], "email": person["email"], "callId": call });
        assert_eq!(demo.lookup(body).await["externalId"], person["externalId"], "{person}");
    }
    let check = Answer::of(demo.http.get(format!("{}/readyz", demo.text("url")))).await;
    assert_eq!(check.status, 200);
    assert!(demo.text("curl").starts_with("curl "));
    assert!(demo.text("curl").contains("abc-123-def-456"));
}

#[tokio::test]
async fn the_curl_can_be_pasted() {
    let demo = Demo::start(&[]).await;
    let ran = tokio::process::Command::new("sh").args(["-c", demo.text("curl")]).output();
    let ran = ran.await.expect("a shell");
    if ran.status.code() == Some(127) {
        println!("skipped: there is no curl on this machine");
        return;
    }
    let answer: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(answer["name"], "John Doe");
}

#[tokio::test]
async fn it_ends_cleanly_and_leaves_nothing() {
    for signal in [Signal::Int, Signal::Term] {
        let mut demo = Demo::start(&[]).await;
        demo.lookup(example()).await.assert_hit("crm");
        let folder = std::path::PathBuf::from(demo.text("data"));
        assert!(demo.left().contains(&folder), "its folder is in the temporary one");
        assert_eq!(demo.stop(signal).await, Some(0), "{signal:?}");
        assert_eq!(demo.left(), Vec::<std::path::PathBuf>::new(), "{signal:?}");
    }
}

#[tokio::test]
async fn each_call_is_a_line_and_calls_place_themselves() {
    let demo = Demo::start(&["--calls", "12"]).await;
    until("twelve lines follow the first", async || demo.server.out.all().len() >= 13).await;
    let own = demo.lookup(example()).await;
    until("and one for our own", async || demo.server.out.all().len() >= 14).await;
    let lines = demo.server.out.all();
    let mut statuses = Vec::new();
    for line in &lines[1..] {
        let line: Value = serde_json::from_str(line).expect("one JSON object a line");
        for key in ["callId", "externalId", "name", "status", "source"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line["tookMs"].is_number(), "{line}");
        statuses.push(line["status"].as_str().expect("checked above").to_owned());
    }
    assert_eq!(lines.len(), 14);
    let last: Value = serde_json::from_str(&lines[13]).expect("JSON");
    assert_eq!(
        (&last["callId"], &last["externalId"]),
        (&json!("abc-123-def-456"), &own["externalId"])
    );
    let hits = statuses.iter().filter(|status| *status == "hit").count();
    assert!(hits >= 9, "most callers are known: {statuses:?}");
    assert!(statuses.iter().any(|status| status == "unknown"), "one withheld their number");
    let dead = demo.get("/api/v1/jobs?state=dead").await;
    assert_eq!(dead.body, json!([]));
}

#[tokio::test]
async fn a_folder_of_ones_own_is_kept_and_can_be_reopened() {
    let data = Folder::new();
    let path = data.path().display().to_string();
    let mut demo = Demo::start(&["--data", &path]).await;
    demo.lookup(example()).await.assert_hit("crm");
    assert_eq!(demo.stop(Signal::Term).await, Some(0));
    assert!(data.join("tieline.db").exists() && data.join("tieline.toml").exists());

    let demo = Demo::start(&["--data", &path]).await;
    let stored = demo.get("/api/v1/calls/abc-123-def-456").await;
    assert_eq!(stored["externalId"], demo.hello["people"][0]["externalId"]);
    let next = json!({ "fromNumber": "+15550199999", "callId": "the-next" });
    let answer = demo.lookup(next).await;
    assert_eq!(answer["data"]["previousInteractionCount"], 5, "the earlier ones count once");
}

/// The demo's key is public: its configuration is not one to serve with.
#[tokio::test]
async fn a_real_serve_refuses_the_demos_key() {
    let data = Folder::new();
    let path = data.path().display().to_string();
    let mut demo = Demo::start(&["--data", &path]).await;
    assert_eq!(demo.stop(Signal::Term).await, Some(0));
    let config = data.join("tieline.toml").display().to_string();
    let ended = Ended::of(&["serve", "--config", &config], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("16 characters"), "{ended:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_nothing_is_left() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let folder = Folder::new();
    let words = ["demo", "--people", "10", "--port", &address.port().to_string()];
    let ended = Ended::of(&words, &environment(&folder)).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains(&address.to_string()), "{ended:?}");
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "its folder is gone");
}

#[tokio::test]
async fn for_people_it_says_what_runs_where_and_how_to_ask() {
    let folder = Folder::new();
    let words = ["demo", "--people", "30", "--port", "0", "--calls", "3"];
    let mut server = Server::start(&words, &environment(&folder));
    until("three calls were answered", async || {
        let said = server.out.all();
        said.iter().filter(|line| line.contains(" ms  ")).count() >= 3
    })
    .await;
    let said = server.out.all().join("\n");
    for word in
        ["Tieline", "Salesforce", "Genesys Cloud", "curl ", "/api/v1/genesys/lookup", "John Doe"]
    {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    server.signal(Signal::Int);
    let bound = Duration::from_secs(15);
    assert_eq!(tokio::time::timeout(bound, server.ended()).await.expect("it ends"), Some(0));
}

/// What a script does after the example: correct it, end it, look up again, read on.
#[tokio::test]
async fn a_script_follows_a_call_from_its_lookup_to_the_report() {
    let demo = Demo::start(&[]).await;
    let people = demo.hello["people"].as_array().expect("a list").clone();
    let named = |name: &str| {
        let person = people.iter().find(|person| person["name"] == name);
        person.and_then(|person| person["externalId"].as_str()).expect(name).to_owned()
    };
    let (john, jane) = (named("John Doe"), named("Jane Smith"));
    let post = async |path: &str, body: Value| {
        let url = format!("{}{path}", demo.text("url"));
        Answer::of(demo.http.post(url).bearer_auth(demo.text("apiKey")).json(&body)).await
    };
    assert_eq!(demo.lookup(example()).await.id(), john);
    let correction =
        json!({ "callId": "abc-123-def-456", "newExternalId": jane, "reason": "it is Jane" });
    let corrected = post("/api/v1/genesys/update-context", correction).await;
    assert_eq!((corrected.id(), &corrected["confirmed"]), (jane.as_str(), &json!(true)));
    let end = json!({
        "type": "callEnded", "callId": "abc-123-def-456", "endedAt": "2026-11-21T20:20:00Z",
        "talkMs": 240_000, "holdMs": 30_000, "acwMs": 30_000,
    });
    let ended = post("/api/v1/genesys/events", end).await;
    assert!(ended.status < 300, "{ended:?}");
    let again = json!({ "fromNumber": "+15550199999", "callId": "next" });
    assert_eq!(demo.lookup(again).await.id(), jane, "the correction answers");
    let customer = demo.get(&format!("/api/v2/customers/{}", jane.replace(':', "%3A"))).await;
    assert_eq!(
        (&customer["name"], &customer["interactionCount"]),
        (&json!("Jane Smith"), &json!(2))
    );
    let tier = customer["data"]["loyaltyTier"].as_str().unwrap_or_default().to_owned();
    let report = until_some("the call is in the report", async || {
        let path =
            "/api/v1/reports/handle-time?group_by=data.loyaltyTier&from=2026-01-01T00:00:00Z";
        let report = demo.get(path).await;
        report.body.as_array().filter(|groups| !groups.is_empty()).cloned()
    })
    .await;
    assert_eq!(report.len(), 1, "{report:?}");
    assert_eq!((&report[0]["group"], &report[0]["calls"]), (&json!(tier), &json!(1)));
    assert_eq!(report[0]["meanMs"], 300_000);
    let url = format!(
        "{}/api/v1/reports/handle-time?group_by=data.loyaltyTier&format=csv&from=2026-01-01T00:00:00Z",
        demo.text("url")
    );
    let csv = demo.http.get(url).bearer_auth("demo").send().await.expect("an answer");
    let csv = csv.text().await.expect("text");
    assert_eq!(
        csv,
        format!("group,calls,mean_ms,p50_ms,p95_ms\r\n{tier},1,300000,300000,300000\r\n")
    );
}

#[tokio::test]
async fn its_systems_misbehave_when_told_and_behave_again() {
    let demo = Demo::start(&["--fault", "salesforce=503"]).await;
    let call = |id: &str, number: &str| json!({ "fromNumber": number, "callId": id });
    let down = demo.lookup(call("down", "+15550199999")).await;
    assert_eq!(down["status"], "partial", "{down:?}");
    let switch = async |words: &[&str]| {
        let words = [&["sim", "fault"], words].concat();
        Ended::of(&words, &environment(&demo.folder)).await
    };
    let ended = switch(&["salesforce=off", "genesys=slow:20ms"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("salesforce behaves"), "{ended:?}");
    let mut tries = 0;
    until("the CRM is asked again", async || {
        tries += 1;
        demo.lookup(call(&format!("up-{tries}"), "+15550198888")).await["status"] == "hit"
    })
    .await;

    // A word that is none, or a system that is not there, switches nothing.
    for words in [["salesforce=hang", "nobody=503"], ["salesforce=hang", "genesys=hung"]] {
        let ended = switch(&words).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    let answer = demo.lookup(call("still", "+15550198888")).await;
    assert_eq!(answer["status"], "hit", "{answer:?}");
    let ended = Ended::of(&["sim", "fault", "salesforce=off", "--data", "/nowhere"], &[]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("simulators.json"), "{ended:?}");
}

#[tokio::test]
async fn each_queue_is_answered_by_its_own_system() {
    let demo = Demo::start(&[]).await;
    let queues = demo.hello["queues"].as_array().expect("queues").clone();
    assert_eq!(queues.len(), 5, "{}", demo.hello);
    for (prefix, queue) in
        [("CRM:", "Premium Support"), ("SNOW:", "Technical Escalations"), ("ERP:", "Billing")]
    {
        let queue = queues.iter().find(|one| one["name"] == queue).expect(queue);
        let body = json!({
            "fromNumber": "+15550199999", "toNumber": queue["did"], "queueId": queue["id"],
            "callId": format!("of-{}", queue["connection"].as_str().expect("a name")),
        });
        let answer = demo.lookup(body).await;
        let id = answer["externalId"].as_str().expect("an id");
        assert!(id.starts_with(prefix), "{queue}: {answer:?}");
        assert_eq!(answer["name"], "John Doe", "{answer:?}");
    }
    let url = format!("{}/api/v1/queues/Standard_CRM/enrich", demo.text("url"));
    let body = json!({ "ani": "+15550199999", "callId": "of-nobody-else" });
    let asked = demo.http.post(url).bearer_auth(demo.text("apiKey")).json(&body);
    let answer = Answer::of(asked).await;
    assert_eq!(
        (answer["status"].as_str(), answer["name"].as_str()),
        (Some("hit"), Some("John Doe"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demos_number_carries_a_chain_of_rules() {
    let demo = Demo::start(&[]).await;
    let url = format!("{}/api/v1/routing/decide", demo.text("url"));
    let did = &demo.hello["queue"]["did"];
    // John is gold; Maria owes two invoices in the customer's own books; nobody knows the last.
    for (ani, how, to) in [
        ("+15550199999", "matched", "Premium Support"),
        ("+15550198888", "matched", "Billing"),
        ("+13175550123", "default", "General"),
    ] {
        let body = json!({ "did": did, "ani": ani, "callId": format!("from-{ani}") });
        let asked = demo.http.post(&url).bearer_auth(demo.text("apiKey")).json(&body);
        let answer = Answer::of(asked).await;
        let option = answer["destination"]["option"].as_str();
        assert_eq!((answer["status"].as_str(), option), (Some(how), Some(to)), "{answer:?}");
        assert_eq!(answer["destination"]["type"], "queue");
    }
}
