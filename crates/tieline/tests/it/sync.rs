//! People of a CRM and contacts of the contact center are kept the same.

use crate::rig::{Line, Place, until_some};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::collections::BTreeMap;
use std::time::Duration;

crate::facts! {
    the_first_run_is_planned_approved_and_brings_everybody_over
    edits_on_both_sides_meet_and_nothing_echoes
    a_run_is_taken_back_to_what_both_sides_were
    who_is_deleted_in_the_crm_goes_and_does_not_rise_again
    a_run_that_would_delete_too_many_stops_and_asks
    a_record_that_was_merged_goes_on_as_the_other
    merges_one_after_the_other_are_followed_to_their_end
    contacts_merged_on_the_platform_take_nobody_away
    a_mirror_that_would_take_its_master_away_is_refused
    runs_cost_as_few_calls_as_the_vendor_allows
    a_write_whose_answer_was_lost_is_no_conflict_with_who_edits_after_it
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
    line_with(place, people, "").await
}

/// With more of the sync's own settings.
async fn line_with(place: Place, people: u64, more: &str) -> Line {
    let section = format!("{SECTION}{more}");
    let line = Line::with_salesforce().and_genesys().people(people).on(place);
    line.section(&section).start().await
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
    // Two of one household: a number in common makes no one of them.
    assert!(
        ["john.doe@example.com", "jane.smith@example.com"].iter().all(|m| right.contains_key(*m))
    );
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
    let line =
        line_with(place, 40, "deletes = { on_left = \"delete\", on_right = \"delete\" }\n").await;
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
    let again = done(&line, &path, json!({})).await;
    assert_eq!(
        (&again["counts"]["undone"], &again["counts"]["left"]),
        (&Value::Null, &Value::Null)
    );
    let refused = line.post("/api/v1/syncs/contacts/runs", &json!({})).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (409, &json!("sync.paused")),
        "{refused:?}"
    );
    // Resumed, it makes them anew and takes nobody of the CRM away.
    assert_eq!(line.post("/api/v1/syncs/contacts/resume", &json!({})).await.status, 200);
    for _ in 0..3 {
        run(&line).await;
        assert_eq!(sides(&line)[0], before[0]);
    }
    assert!(!sides(&line)[1].is_empty());
}

async fn a_mirror_that_would_take_its_master_away_is_refused(place: Place) {
    let section = SECTION.replace("\"both\"", "\"right\"");
    let section = format!("{section}deletes = {{ on_right = \"delete\" }}\n");
    let line = Line::with_salesforce().and_genesys().on(place).section(&section).lay().await;
    let refused = line.command(&["serve"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("syncs.contacts.deletes.on_right"), "{refused:?}");
}

async fn who_is_deleted_in_the_crm_goes_and_does_not_rise_again(place: Place) {
    let line = line_with(place, 40, "deletes = { on_left = \"delete\" }\n").await;
    done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let [_, right] = sides(&line);
    assert!(right.contains_key("maria.garcia@example.com"));
    let maria = line.salesforce.contact_with("maria.garcia@example.com").expect("Maria");
    line.salesforce.delete(&maria).expect("deleted");
    let counts = run(&line).await;
    assert_eq!(counts["deleted_right"], 1, "{counts}");
    for _ in 0..2 {
        let [left, right] = sides(&line);
        assert!(!left.contains_key("maria.garcia@example.com"));
        assert!(!right.contains_key("maria.garcia@example.com"));
        let counts = run(&line).await;
        assert_eq!(
            (&counts["created_left"], &counts["created_right"]),
            (&Value::Null, &Value::Null)
        );
    }
}

async fn a_run_that_would_delete_too_many_stops_and_asks(place: Place) {
    let more =
        "deletes = { on_left = \"delete\" }\nbrake = { deletes_max = 3, percent_max = 100.0 }\n";
    let line = line_with(place, 40, more).await;
    done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let before = line.genesys().contacts().len();
    let all = line.salesforce.query("SELECT Id FROM Contact").expect("contacts");
    for one in all.iter().take(10) {
        line.salesforce.delete(one["Id"].as_str().expect("an id")).expect("deleted");
    }
    let stopped = done(&line, "/api/v1/syncs/contacts/runs", json!({})).await;
    assert_eq!(stopped["state"], "partial", "{stopped}");
    assert_eq!(line.genesys().contacts().len(), before, "nobody was deleted");
    let reviews = line.get("/api/v1/reviews?sync=contacts").await.body;
    let brake =
        reviews["items"].as_array().into_iter().flatten().find(|one| one["kind"] == "brake");
    let brake = brake.unwrap_or_else(|| panic!("{reviews}"));
    let path = format!("/api/v1/reviews/{}/decision", brake["id"]);
    let decided = line.post(&path, &json!({ "choice": "approve" })).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    let counts = run(&line).await;
    assert!(counts["deleted_right"].as_u64() > Some(3), "{counts}");
    let fewer = line.genesys().contacts().len();
    assert!(fewer < before);
    // It was said of that run, and of no other.
    for one in all.iter().skip(10).take(8) {
        line.salesforce.delete(one["Id"].as_str().expect("an id")).expect("deleted");
    }
    let stopped = done(&line, "/api/v1/syncs/contacts/runs", json!({})).await;
    assert_eq!(stopped["state"], "partial", "{stopped}");
    assert_eq!(line.genesys().contacts().len(), fewer);
}

async fn a_record_that_was_merged_goes_on_as_the_other(place: Place) {
    let line = line_with(place, 20, "deletes = { on_left = \"delete\" }\n").await;
    done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let before = line.genesys().contacts().len();
    let maria = line.salesforce.contact_with("maria.garcia@example.com").expect("Maria");
    let other =
        json!({ "FirstName": "Maria", "LastName": "Garcia-Lopez", "Email": "mgl@example.com" });
    let master = line.salesforce.add("Contact", &other).expect("made");
    line.salesforce.merge(&maria, &master).expect("merged");
    run(&line).await;
    let contacts = line.genesys().contacts();
    assert_eq!(contacts.len(), before, "she is still one");
    let [left, right] = sides(&line);
    assert!(!right.contains_key("maria.garcia@example.com"), "{right:?}");
    assert_eq!(right.get("mgl@example.com"), left.get("mgl@example.com"));
}

async fn merges_one_after_the_other_are_followed_to_their_end(place: Place) {
    let line = line_with(place, 20, "deletes = { on_left = \"delete\" }\n").await;
    done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let before = line.genesys().contacts().len();
    let maria = line.salesforce.contact_with("maria.garcia@example.com").expect("Maria");
    let add = |email: &str| {
        let other = json!({ "FirstName": "Maria", "LastName": "Garcia", "Email": email });
        line.salesforce.add("Contact", &other).expect("made")
    };
    // The one between is never seen: made and merged away between two runs.
    let (between, last) = (add("between@example.com"), add("last@example.com"));
    line.salesforce.merge(&maria, &between).expect("merged");
    line.salesforce.merge(&between, &last).expect("merged");
    let run = run(&line).await;
    let contacts = line.genesys().contacts();
    assert_eq!(contacts.len(), before, "she is still one: {run}");
    assert_eq!(run["counts"]["deleted_right"], Value::Null, "{run}");
    let [left, right] = sides(&line);
    assert_eq!(right.get("last@example.com"), left.get("last@example.com"));
}

fn people(line: &Line) -> usize {
    line.salesforce.query("SELECT Id FROM Contact").expect("contacts").len()
}

async fn contacts_merged_on_the_platform_take_nobody_away(place: Place) {
    let line = line_with(place, 20, "deletes = { on_right = \"delete\" }\n").await;
    done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let before = people(&line);
    let contacts = line.genesys().contacts();
    let ids: Vec<&str> = contacts.iter().take(3).filter_map(|one| one["id"].as_str()).collect();
    // The list does not know the new one yet: it looks as if all three were gone.
    line.genesys().set_index_lag(Duration::from_secs(3_600));
    let merged = line.genesys().merge_contacts(&ids).expect("merged");
    for _ in 0..2 {
        let blind = done(&line, "/api/v1/syncs/contacts/runs", json!({})).await;
        assert_eq!(people(&line), before, "nobody is taken away: {blind}");
    }
    line.genesys().settle_index();
    line.genesys().set_index_lag(Duration::ZERO);
    done(&line, "/api/v1/syncs/contacts/runs", json!({})).await;
    assert_eq!(people(&line), before, "nor when the list knows it");
    let canonical: Vec<Value> =
        line.genesys().contacts().into_iter().filter(|one| one["mergedTo"].is_null()).collect();
    assert_eq!(canonical.len(), contacts.len() - 2, "one of three, and nobody made anew");
    // One of them is tied to it; the CRM has this person three times, and somebody decides.
    let reviews = line.get("/api/v1/reviews?sync=contacts").await.body;
    let items = reviews["items"].as_array().into_iter().flatten();
    let twice = items.filter(|one| one["kind"] == "duplicate" && one["runId"] == 2);
    assert_eq!(twice.count(), 2, "{reviews}");
    let story = line.get(&format!("/api/v1/syncs/contacts/records/right/{}", ids[0])).await;
    assert_eq!(story.status, 200, "the old id leads on: {story:?}");
    assert!(story.body.to_string().contains(&merged), "{story:?}");
}

async fn runs_cost_as_few_calls_as_the_vendor_allows(place: Place) {
    let line = line(place, 60).await;
    let genesys = line.genesys().faults();
    let calls = |what: &str| genesys.requests().count(&format!("bulk/contacts/{what}"));
    let first = done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    let made = first["counts"]["created_right"].as_u64().expect("some");
    assert!(made > 20, "{first}");
    // Ten in a request; who waits for somebody else goes in a round of its own.
    assert!(calls("enrich") <= made.div_ceil(10) + 1, "{} for {made}", calls("enrich"));
    run(&line).await;
    genesys.requests().clear();
    line.salesforce.faults().requests().clear();
    let rest = run(&line).await;
    assert_eq!((&rest["created_right"], &rest["updated_right"]), (&Value::Null, &Value::Null));
    assert_eq!(calls("enrich") + calls("update"), 0, "nobody changed");
    assert_eq!(line.salesforce.faults().requests().count("composite"), 0, "nobody changed");
    let all = line.salesforce.query("SELECT Id FROM Contact").expect("contacts");
    for one in &all {
        let id = one["Id"].as_str().expect("an id");
        line.salesforce.update(id, &json!({ "FirstName": "Robin" })).expect("updated");
    }
    let changed = run(&line).await["updated_right"].as_u64().expect("some");
    assert!(changed > 20, "{changed} of {}", all.len());
    assert_eq!(calls("update"), changed.div_ceil(50), "{changed} changed");
    assert_eq!(calls("enrich"), 0, "nobody is new");
}

async fn a_write_whose_answer_was_lost_is_no_conflict_with_who_edits_after_it(place: Place) {
    let line = line(place, 30).await;
    let john = line.salesforce.contact_with("john.doe@example.com").expect("John");
    // What is made, and what is changed: each time the answer does not come through.
    let genesys = line.genesys().faults();
    genesys.add(Rule::always(Fault::Truncate).on("bulk/contacts/enrich").times(1));
    let first = done(&line, "/api/v1/syncs/contacts/runs", json!({ "yes": true })).await;
    assert_eq!((&first["state"], failed(&line, &first).await), (&json!("done"), Vec::new()));
    let made = first["counts"]["created_right"].as_u64();
    assert_eq!(made, Some(line.genesys().contacts().len() as u64), "each once");
    assert!(genesys.requests().count("identifierlookup") > 0, "who was made is looked for");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    genesys.add(Rule::always(Fault::Truncate).on("bulk/contacts/update").times(1));
    assert_eq!(run(&line).await["updated_right"], 1);
    let contacts = line.genesys().contacts();
    let known = contacts.iter().find(|one| one["workEmail"] == "john.doe@example.com");
    let id = known.and_then(|one| one["id"].as_str()).expect("John");
    line.genesys().edit_contact(id, &json!({ "firstName": "Jack" })).expect("edited");
    let counts = run(&line).await;
    assert_eq!(
        (&counts["updated_left"], &counts["conflicts"]),
        (&json!(1), &Value::Null),
        "{counts}"
    );
    let [left, right] = sides(&line);
    let jack = |side: &BTreeMap<String, [String; 3]>| side["john.doe@example.com"][0].clone();
    assert_eq!([jack(&left), jack(&right)], ["Jack", "Jack"]);
}
