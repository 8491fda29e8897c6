//! Data actions as files that a Genesys Cloud organization imports, and an organization
//! that is set up with them.

use crate::rig::{JOHN, Line};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ENRICHMENT: &str = include_str!("../../../../docs/examples/actions.toml");
const URL: &str = "https://tieline.example.com";

/// Exports of others, kept beside the vendor's API description; none where it is not there.
fn samples() -> Vec<Value> {
    let Ok(folder) = std::env::var("TIELINE_SPECS") else { return Vec::new() };
    let folder = std::path::Path::new(&folder).join("genesys/samples");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().contains("dataaction"));
    let read = |file: std::fs::DirEntry| std::fs::read(file.path()).ok();
    files.filter_map(read).filter_map(|text| serde_json::from_slice(&text).ok()).collect()
}

fn keys(of: &Value) -> BTreeSet<String> {
    of.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn fits(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => false,
    }
}

async fn exported(line: &Line) -> Vec<Value> {
    let config = line.config.display().to_string();
    let words = ["actions", "export", "--for", "genesys", "--url", URL, "--config", &config];
    let ended = crate::rig::Ended::of(&words, &line.environment).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.out).expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exported_actions_have_the_shape_of_the_platforms_own() {
    let line = Line::with_salesforce().section(ENRICHMENT).lay().await;
    let exported = exported(&line).await;
    let names: Vec<&str> = exported.iter().filter_map(|one| one["name"].as_str()).collect();
    for name in [
        "Tieline Lookup",
        "Tieline Decide",
        "Tieline Update Context",
        "Tieline Call Event",
        "Tieline Enrich",
        "Tieline Enrichment",
        "Tieline Accepted",
        "Tieline Ready",
        "Tieline Action CRM_Salesforce_Enrichment",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for one in &exported {
        let timeout = one["config"]["timeoutSeconds"].as_u64().expect("a timeout");
        assert!((2..=3).contains(&timeout), "{one}");
        let url = one["config"]["request"]["requestUrlTemplate"].as_str().expect("an address");
        assert!(url.starts_with("https://tieline.example.com/api/v1/"), "{url}");
        assert_eq!(one["config"]["request"]["requestTemplate"], "${input.rawRequest}");
        // Flat in both directions, and every output has its place and its default.
        let inputs = &one["contract"]["input"]["inputSchema"]["properties"];
        let outputs = &one["contract"]["output"]["successSchema"]["properties"];
        for schema in [inputs, outputs] {
            for (name, schema) in schema.as_object().expect("properties") {
                let kinds = ["string", "integer", "number", "boolean"];
                assert!(kinds.iter().any(|kind| schema["type"] == *kind), "{name} {schema}");
                assert!(
                    !["orgId", "integrationId", "rawRequest"].contains(&name.as_str()),
                    "{name}"
                );
                let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                assert!(is_name && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{name}");
            }
        }
        let response = &one["config"]["response"];
        assert_eq!(keys(outputs), keys(&response["translationMap"]));
        assert_eq!(keys(outputs), keys(&response["translationMapDefaults"]));
        // With the defaults in their places the template is JSON that fits the contract.
        let mut text = response["successTemplate"].as_str().expect("a template").to_owned();
        for (name, default) in response["translationMapDefaults"].as_object().expect("a map") {
            text = text.replace(&format!("${{{name}}}"), default.as_str().expect("a text"));
        }
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(keys(&answer), keys(outputs));
        for (name, value) in answer.as_object().expect("an object") {
            assert!(fits(&outputs[name]["type"], value), "{name} {value}");
        }
    }
    for sample in samples() {
        for one in &exported {
            assert_eq!(keys(one), keys(&sample));
            for part in ["request", "response"] {
                assert_eq!(keys(&one["config"][part]), keys(&sample["config"][part]));
            }
            assert_eq!(keys(&one["contract"]), keys(&sample["contract"]));
            // What exports of others never have: the platform's API takes it.
            let mut config = keys(&one["config"]);
            config.remove("timeoutSeconds");
            assert_eq!(config, keys(&sample["config"]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_contract_fits_what_the_server_answers() {
    let line = Line::with_salesforce().section(ENRICHMENT).start().await;
    let exported = exported(&line).await;
    let call =
        json!({ "callId": "c1", "fromNumber": JOHN.1, "ani": JOHN.1, "type": "", "queue": "x" });
    line.lookup(json!({ "callId": "c1", "fromNumber": JOHN.1 })).await;
    for one in &exported {
        let name = one["name"].as_str().expect("a name");
        let url = one["config"]["request"]["requestUrlTemplate"].as_str().expect("an address");
        let path = url.strip_prefix(URL).expect("ours");
        let path = path
            .replace("$esc.url(${input.queue})", "x")
            .replace("$esc.url(${input.callId})", "c1");
        let path = path.replace("$esc.url(${input.connection})", "salesforce");
        let body = match name {
            "Tieline Call Event" => json!({ "type": "callStarted", "callId": "c1" }),
            "Tieline Update Context" => {
                json!({ "callId": "c1", "newExternalId": line.id_of(JOHN.2) })
            }
            "Tieline Decide" => json!({ "did": "+15550190000", "callId": "c1", "ani": JOHN.1 }),
            _ => call.clone(),
        };
        let answer = match one["config"]["request"]["requestType"].as_str() {
            Some("GET") => line.get(&path).await,
            _ => line.post(&path, &body).await,
        };
        if name == "Tieline Enrichment" {
            assert_eq!(answer.status, 404, "nothing was asked behind: {answer:?}");
            continue;
        }
        assert!((200..300).contains(&answer.status), "{name} {answer:?}");
        let paths = one["config"]["response"]["translationMap"].as_object().expect("a map");
        for (output, path) in paths {
            let pointer = path.as_str().expect("a path").replacen('$', "", 1).replace('.', "/");
            let value = answer.body.pointer(&pointer);
            let kind = &one["contract"]["output"]["successSchema"]["properties"][output]["type"];
            // What the CRM has not, has no key in `data`: the default stands in.
            let Some(value) = value else {
                assert!(pointer.starts_with("/data/"), "{name} {output}");
                continue;
            };
            assert!(fits(kind, value), "{name} {output} is {value}, not {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_is_set_up_once_however_often_it_is_asked_for() {
    let line = Line::with_salesforce().and_genesys().section(ENRICHMENT).lay().await;
    let config = line.config.display().to_string();
    let run = async |more: &[&str]| -> Vec<(String, String)> {
        let mut words = vec!["setup", "genesys", "--url", URL, "--json", "--config", &config];
        words.extend(more);
        let ended = crate::rig::Ended::of(&words, &line.environment).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let steps: Vec<Value> = serde_json::from_str(&ended.out).expect("a list");
        let text = |step: &Value, key: &str| step[key].as_str().expect("a text").to_owned();
        steps.iter().map(|step| (text(step, "what"), text(step, "stands"))).collect()
    };
    let of = |steps: &[(String, String)], what: &str| -> String {
        steps.iter().find(|(one, _)| one.starts_with(what)).map(|(_, s)| s.clone()).expect("a step")
    };
    let listed = run(&[]).await;
    assert_eq!(of(&listed, "integration"), "missing");
    assert_eq!(of(&listed, "external source"), "there");
    assert!(of(&listed, "permission: externalContacts:contact:enrich") == "there");
    assert_eq!(line.genesys().set_up(), [const { Vec::<String>::new() }; 3], "only listed");
    let made = run(&["--apply"]).await;
    assert_eq!(of(&made, "data action Tieline Enrich"), "made");
    assert_eq!(of(&made, "trigger"), "by hand", "its workflow comes first");
    assert_eq!(of(&made, "sample flow"), "by hand");
    let with_flow = run(&["--apply", "--workflow", "7f0d3c1e-0000-4000-8000-000000000001"]).await;
    assert_eq!(of(&with_flow, "trigger"), "made");
    let there = line.genesys().set_up();
    assert_eq!((there[0].len(), there[1].len(), there[2].len()), (1, 9, 1), "{there:?}");
    let again = run(&["--apply", "--workflow", "7f0d3c1e-0000-4000-8000-000000000001"]).await;
    assert!(again.iter().all(|(_, stands)| stands != "made" && stands != "missing"), "{again:?}");
    assert_eq!(line.genesys().set_up(), there, "nothing twice");
    line.genesys().take_permission("integrations:action:add");
    let words =
        ["setup", "genesys", "--url", URL, "--apply", "--name", "Other", "--config", &config];
    let refused = crate::rig::Ended::of(&words, &line.environment).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("integrations:action:add"), "{refused:?}");
    let plain = crate::rig::Ended::of(
        &["actions", "export", "--for", "genesys", "--url", "http://x", "--config", &config],
        &line.environment,
    )
    .await;
    assert_eq!(plain.code, Some(2), "{plain:?}");
}
