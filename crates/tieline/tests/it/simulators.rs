//! One simulated system alone, as somebody who tries an integration starts it.

use crate::rig::{Answer, Ended, Folder, Server, Signal};
use serde_json::Value;

const PLAN: &str = r#"{
  "latency_ms": 30,
  "rules": [
    { "path_contains": "/teapot", "fault": { "status": { "code": 418 } } },
    { "method": "DELETE", "fault": "throttled", "times": 2 }
  ]
}"#;

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// `tieline sim` with these words, once it said its first line.
async fn started(words: &[&str]) -> (Server, Value) {
    let words: Vec<&str> = [&["sim"], words].concat();
    let mut server = Server::start(&words, &[]);
    let first = server.until_it_says_a_line().await;
    (server, first)
}

async fn stopped(mut server: Server) {
    server.signal(Signal::Term);
    assert_eq!(server.ended().await, Some(0));
}

/// The plan that a simulator follows now.
async fn plan_of(first: &Value) -> Value {
    let url = format!("{}/_sim/faults", first["url"].as_str().expect("an address"));
    let text = http().get(url).send().await.expect("an answer").text().await.expect("a body");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn the_configuration_of_a_simulator_is_its_first_line() {
    let systems = [("salesforce", "/services/oauth2/token"), ("genesys_cloud", "/oauth/token")];
    for (system, path) in systems {
        let (server, first) = started(&[system, "--port", "0"]).await;
        let url = first["url"].as_str().expect("an address");
        let form = [("grant_type", "client_credentials")];
        let text = |key: &str| first[key].as_str().expect("a text").to_owned();
        let mut login = http().post(format!("{url}{path}"));
        login = match system {
            "genesys_cloud" => {
                login.basic_auth(text("clientId"), Some(text("clientSecret"))).form(&form)
            }
            _ => login.form(&[
                form[0],
                ("client_id", &text("clientId")),
                ("client_secret", &text("clientSecret")),
            ]),
        };
        let token = Answer::of(login).await;
        assert!(token["access_token"].is_string(), "{token:?}");
        stopped(server).await;
    }
}

#[tokio::test]
async fn every_connector_has_a_simulator_that_can_be_started_alone() {
    for vendor in connectors::all() {
        let (server, first) = started(&[&vendor.connector.manifest.name, "--people", "0"]).await;
        // A simulator that is no server is a file.
        let is_one =
            |url: &str| url.starts_with("http://127.0.0.1:") || url.starts_with("file:///");
        assert!(first["url"].as_str().is_some_and(is_one), "{first}");
        stopped(server).await;
    }
}

#[tokio::test]
async fn a_file_of_faults_is_followed_from_the_first_request_on() {
    let folder = Folder::new();
    let file = folder.write("faults.json", PLAN).display().to_string();
    let (server, first) = started(&["genesys_cloud", "--faults", &file]).await;
    let url = first["url"].as_str().expect("an address");
    let met = http().get(format!("{url}/teapot")).send().await.expect("an answer");
    assert_eq!(met.status().as_u16(), 418);
    let plan = plan_of(&first).await;
    assert_eq!((&plan["latency_ms"], &plan["rules"][1]["times"]), (&30.into(), &2.into()));
    stopped(server).await;
    let words = ["genesys_cloud", "--faults", &file, "--latency-ms", "0"];
    let (server, first) = started(&words).await;
    assert_eq!(plan_of(&first).await["latency_ms"], 0, "the flag lies over the file");
    stopped(server).await;
}

#[tokio::test]
async fn a_mistake_in_a_file_of_faults_is_told_with_file_line_and_field() {
    let folder = Folder::new();
    let wrong = [
        ("\"times\": 2", "\"times\": \"two\"", "line 5, rules[1].times: "),
        ("throttled", "throttle", "line 5, rules[1].fault: unknown variant `throttle`"),
        ("latency_ms", "latencyMs", "line 2, latencyMs: unknown field `latencyMs`"),
        ("\"rules\"", "rules", "line 3: "),
    ];
    for (right, wrong, told) in wrong {
        let file = folder.write("faults.json", &PLAN.replace(right, wrong)).display().to_string();
        let ended = Ended::of(&["sim", "salesforce", "--faults", &file], &[]).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.err.contains(&format!("{file}, {told}")), "{ended:?}");
    }
    let ended = Ended::of(&["sim", "salesforce", "--faults", "/nowhere/f.json"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("/nowhere/f.json: "), "{ended:?}");
}

#[tokio::test]
async fn what_a_system_does_not_have_is_refused_and_not_ignored() {
    let ended = Ended::of(&["sim", "salesforce", "--rate-per-minute", "9"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = Ended::of(&["sim", "acme"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("salesforce"), "the systems there are: {ended:?}");
}
