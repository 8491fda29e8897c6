//! People of a CRM and contacts of the contact center are kept the same.

use crate::rig::{Line, Place, until_some};
use serde_json::{Value, json};
use std::collections::BTreeMap;

crate::facts! {
    the_first_run_is_planned_approved_and_brings_everybody_over
    edits_on_both_sides_meet_and_nothing_echoes
    a_run_is_taken_back_to_what_both_sides_were
}

/// The map of the public guides, both ways.
const SECTION: &str = r#"
[[syncs]]
name = "contacts"
direction = "both"
schedule = "never"
left = { connection = "salesforce", object = "Contact", key = "External_Id__c" }
right = { connection = "genesys", object = "contacts" }
"#;

async fn line(place: Place, people: u64) -> Line {
    Line::with_salesforce().and_genesys().people(people).on(place).section(SECTION).start().await
}

/// Begins what is asked for and waits until it has ended.
async fn done(line: &Line, path: &str, body: Value) -> Value {
    let begun = line.post(path, &body).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

/// What a run could not write, and why.
async fn failed(line: &Line, run: &Value) -> Vec<Value> {
    let path = format!("/api/v1/runs/{}/writes?limit=1000", run["runId"]);
    let writes = line.get(&path).await.body;
    let all = writes["items"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["state"] == "failed").take(3).collect()
}

async fn run(line: &Line) -> Value {
    let run = done(line, "/api/v1/syncs/contacts/runs", json!({})).await;
    assert_eq!(run["state"], "done", "{run}");
    assert_eq!(failed(line, &run).await, Vec::<Value>::new());
    run["counts"].clone()
}

/// First name, last name and e-mail by e-mail, of each side.
fn sides(line: &Line) -> [BTreeMap<String, [String; 3]>; 2] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let left = line.salesforce.query("SELECT FirstName, LastName, Email FROM Contact");
    let left = left.expect("contacts").into_iter().map(|one| {
        let all =
            [text(&one["FirstName"]), text(&one["LastName"]), text(&one["Email"]).to_lowercase()];
        (all[2].clone(), all)
    });
    let right = line.genesys().contacts().into_iter().map(|one| {
        let all = [text(&one["firstName"]), text(&one["lastName"]), text(&one["workEmail"])];
        (all[2].clone(), all)
    });
    [left.collect(), right.collect()]
}

async fn the_first_run_is_planned_approved_and_brings_everybody_over(place: Place) {
    let line = line(place, 60).await;
    let refused = line.post("/api/v1/syncs/contacts/runs", &json!({})).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (409, &json!("sync.not_approved")),
        "{refused:?}"
    );
    let plan = done(&line, "/api/v1/syncs/contacts/plan", json!({})).await;
    let people = line.salesforce.count("Contact");
    assert_eq!(plan["state"], "done", "{plan}");
    let planned = plan["counts"]["created_right"].as_u64().expect("some");
    assert!(planned > 40, "{plan}");
    assert_eq!(line.genesys().contacts().len(), 0, "nothing was written");
    let approved = line.post("/api/v1/syncs/contacts/approve", &json!({})).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let counts = run(&line).await;
    assert_eq!(counts["created_right"], planned, "{counts} of {people}");
    let [left, right] = sides(&line);
    for (mail, person) in &right {
        assert_eq!(left.get(mail), Some(person));
    }
    let again = run(&line).await;
    assert_eq!((&again["created_right"], &again["updated_left"]), (&Value::Null, &Value::Null));
}

async fn edits_on_both_sides_meet_and_nothing_echoes(place: Place) {
    let line = line(place, 40).await;
    let first = done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    assert_eq!(failed(&line, &first).await, Vec::<Value>::new());
    let john = line.salesforce.contact_with("john.doe@example.com").expect("John");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    let counts = run(&line).await;
    assert_eq!(counts["updated_right"], 1, "{counts}");
    let [_, right] = sides(&line);
    assert_eq!(right["john.doe@example.com"][0], "Johnny");
    for _ in 0..2 {
        let counts = run(&line).await;
        for word in ["created_left", "created_right", "updated_left", "updated_right"] {
            assert_eq!(counts[word], Value::Null, "{word}: {counts}");
        }
    }
}

async fn a_run_is_taken_back_to_what_both_sides_were(place: Place) {
    let line = line(place, 40).await;
    let before = sides(&line);
    let first = done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    assert_ne!(sides(&line), before);
    let path = format!("/api/v1/runs/{}/undo", first["runId"]);
    let undone = done(&line, &path, json!({})).await;
    assert_eq!(
        (&undone["state"], &undone["counts"]["left"]),
        (&json!("done"), &Value::Null),
        "{undone}"
    );
    assert_eq!(sides(&line), before);
    let refused = line.post("/api/v1/syncs/contacts/runs", &json!({})).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (409, &json!("sync.paused")),
        "{refused:?}"
    );
}
