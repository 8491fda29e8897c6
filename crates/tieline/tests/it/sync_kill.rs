//! Runs of a sync that are killed, or refused, in the middle of what they write.
//!
//! Over SQLite alone, whose leases end with their process: over PostgreSQL a run is another's
//! after half a minute.

use crate::rig::{Line, Place, until, until_some};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

const SECTION: &str = r#"
[[syncs]]
name = "contacts"
direction = "both"
schedule = "never"
left = { connection = "salesforce", object = "Contact", key = "External_Id__c" }
right = { connection = "genesys", object = "contacts" }
deletes = { on_left = "delete", on_right = "delete" }
"#;
const RUNS: &str = "/api/v1/syncs/contacts/runs";
const MAKE: &str = "bulk/contacts/enrich";
const CHANGE: &str = "bulk/contacts/update";
const NEW: &str = "new.person@example.com";

/// Everybody was brought over once.
async fn line() -> Line {
    let line = Line::with_salesforce().and_genesys().people(20).on(Place::disk());
    let line = line.section(SECTION).start().await;
    let first = done(&line, begin(&line, json!({ "yes": true })).await).await;
    assert_eq!(first["state"], "done", "{first}");
    line
}

async fn begin(line: &Line, body: Value) -> i64 {
    let begun = line.post(RUNS, &body).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    begun.body["runId"].as_i64().expect("a run")
}

async fn done(line: &Line, run: i64) -> Value {
    let path = format!("/api/v1/runs/{run}");
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

async fn run(line: &Line) -> Value {
    let run = done(line, begin(line, json!({})).await).await;
    assert_eq!(run["state"], "done", "{run}");
    run["counts"].clone()
}

fn contact(line: &Line, mail: &str) -> Option<Value> {
    line.genesys().contacts().into_iter().find(|one| one["workEmail"] == mail)
}

fn rename(line: &Line, mail: &str, fields: &Value) {
    let known = contact(line, mail).expect("a contact");
    line.genesys().edit_contact(known["id"].as_str().expect("an id"), fields).expect("edited");
}

fn person(line: &Line, mail: &str) -> Value {
    let id = line.salesforce.contact_with(mail).expect("a person");
    let sql = format!("SELECT FirstName, LastName FROM Contact WHERE Id = '{id}'");
    line.salesforce.query(&sql).expect("read").remove(0)
}

/// Somebody new was made on the platform, and the server killed before it heard so.
async fn killed_while_making(line: &mut Line) -> (String, i64) {
    let new = json!({ "FirstName": "New", "LastName": "Person", "Email": NEW });
    let new = line.salesforce.add("Contact", &new).expect("added");
    line.genesys().faults().add(Rule::always(Fault::HangMidBody).on(MAKE));
    let run = begin(line, json!({})).await;
    until("they are made", async || contact(line, NEW).is_some()).await;
    line.kill().await;
    line.genesys().faults().clear();
    (new, run)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_deleted_after_a_killed_run_made_their_other_does_not_rise_again() {
    let mut line = line().await;
    let (new, killed) = killed_while_making(&mut line).await;
    // The run that goes on finds out nothing.
    line.genesys().faults().add(Rule::always(Fault::Status { code: 403, body: None }).on("/ext"));
    line.start_server().await;
    assert_eq!(done(&line, killed).await["state"], "partial");
    line.salesforce.delete(&new).expect("deleted");
    line.genesys().faults().clear();
    for _ in 0..2 {
        run(&line).await;
        assert_eq!(line.salesforce.contact_with(NEW), None, "nobody rises again");
        assert_eq!(contact(&line, NEW), None, "and nobody is left over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_had_written_is_found_out_though_the_run_could_not_go_on() {
    let mut line = line().await;
    let (_, killed) = killed_while_making(&mut line).await;
    let config = std::fs::read_to_string(&line.config).expect("the configuration");
    std::fs::write(&line.config, config.replacen(SECTION, "", 1)).expect("written");
    line.start_server().await;
    until("the run is given up", async || {
        line.get(&format!("/api/v1/runs/{killed}")).await.body["state"] == "partial"
    })
    .await;
    assert_eq!(line.stop().await, Some(0));
    rename(&line, NEW, &json!({ "firstName": "Edited" }));
    std::fs::write(&line.config, config).expect("written");
    line.start_server().await;
    let counts = run(&line).await;
    assert_eq!(counts["conflicts"], Value::Null, "our own value is nobody's edit: {counts}");
    assert_eq!(person(&line, NEW)["FirstName"], "Edited");
    let named = |one: &&Value| one["workEmail"] == NEW;
    assert_eq!(line.genesys().contacts().iter().filter(named).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_an_earlier_write_is_found_out_about_is_found_out_about_itself() {
    const JOHN: &str = "john.doe@example.com";
    let mut line = line().await;
    // What was made is told back.
    run(&line).await;
    let john = line.salesforce.contact_with(JOHN).expect("John");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    // It is changed there, and nobody can look whether it was.
    let faults = line.genesys().faults();
    faults.add(Rule::always(Fault::HangMidBody).on(CHANGE).times(1));
    let unclear = begin(&line, json!({})).await;
    until("it is changed", async || contact(&line, JOHN).expect("John")["firstName"] == "Johnny")
        .await;
    faults.add(Rule::always(Fault::Reset).on("bulk/contacts"));
    let unclear = done(&line, unclear).await;
    assert!(unclear["counts"]["errors"].as_u64() >= Some(1), "{unclear}");
    faults.clear();
    // One field of two will be edited again: the other tells that ours came through.
    let number = json!({ "display": "+15550107777", "e164": "+15550107777" });
    rename(&line, JOHN, &json!({ "lastName": "Roe", "workPhone": number }));
    // The next run finds out, and takes over the edit: the server is killed before it hears so.
    let hang = Rule::always(Fault::HangMidBody).on("sobjects");
    line.salesforce.faults().add(Rule { method: Some("PATCH".to_owned()), ..hang });
    let killed = begin(&line, json!({})).await;
    until("it is taken over", async || person(&line, JOHN)["LastName"] == "Roe").await;
    line.kill().await;
    line.salesforce.faults().clear();
    line.salesforce.update(&john, &json!({ "LastName": "Poe" })).expect("updated");
    line.start_server().await;
    let went_on = done(&line, killed).await;
    assert_eq!(
        (&went_on["state"], &went_on["counts"]["conflicts"]),
        (&json!("done"), &Value::Null)
    );
    run(&line).await;
    let john = person(&line, JOHN);
    assert_eq!((&john["FirstName"], &john["LastName"]), (&json!("Johnny"), &json!("Poe")));
    let known = contact(&line, JOHN).expect("John");
    assert_eq!((&known["firstName"], &known["lastName"]), (&json!("Johnny"), &json!("Poe")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_merged_between_their_reading_and_their_writing_is_not_taken_for_deleted() {
    const JOHN: &str = "john.doe@example.com";
    let line = line().await;
    let john = line.salesforce.contact_with(JOHN).expect("John");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    let double = json!({ "firstName": "John", "lastName": "Doe", "workEmail": "jd@example.com" });
    let double = line.genesys().add_contact(&double).expect("added");
    // The change waits for its turn.
    line.genesys().faults().add(Rule::always(Fault::Throttled).on(CHANGE).times(1));
    let asked = line.genesys().faults().requests().count(CHANGE);
    let begun = begin(&line, json!({})).await;
    until("it was told to wait", async || line.genesys().faults().requests().count(CHANGE) > asked)
        .await;
    let known = contact(&line, JOHN).expect("John");
    let both = [double.as_str(), known["id"].as_str().expect("an id")];
    let merged = line.genesys().merge_contacts(&both).expect("merged");
    assert_eq!(done(&line, begun).await["state"], "done");
    run(&line).await;
    let sql = format!("SELECT Id FROM Contact WHERE Id = '{john}'");
    assert_eq!(line.salesforce.query(&sql).expect("read").len(), 1, "nobody is taken away");
    let reviews = line.get("/api/v1/reviews?sync=contacts").await.body;
    let items = reviews["items"].as_array().into_iter().flatten();
    assert_eq!(items.filter(|one| one["kind"] == "deleted").count(), 0, "{reviews}");
    assert_eq!(line.genesys().contact(&merged).expect("it")["firstName"], "Johnny");
}
