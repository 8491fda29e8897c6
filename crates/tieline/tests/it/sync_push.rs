//! What Salesforce tells by itself reaches the contact center at once, and nothing is missed.

use crate::rig::{Answer, Line, Place, join_all, until, until_some};
use serde_json::{Value, json};

crate::facts! {
    an_edit_in_the_crm_reaches_the_contact_center_without_a_scheduled_run
    what_was_missed_while_the_feed_had_lost_its_place_is_read
    an_own_write_that_comes_back_goes_nowhere_and_somebody_in_the_same_name_is_heard
    a_push_between_two_that_tell_nothing_is_refused
    a_webhook_begins_a_run_that_reads_whoever_tells_what_changed
}

const SECTION: &str = r#"
[[syncs]]
name = "contacts"
direction = "both"
schedule = "never"
push = true
left = { connection = "salesforce", object = "Contact", key = "External_Id__c" }
right = { connection = "genesys", object = "contacts" }
"#;

/// People were brought over once, and the feed has found its place.
async fn line(place: Place) -> Line {
    let line = Line::with_salesforce().and_genesys().people(20).on(place).section(SECTION);
    let line = line.start().await;
    begin(&line).await;
    until("the feed has a place", async || {
        pushes(&line).await.iter().any(|run| run["counts"]["gaps_left"] == 1)
    })
    .await;
    line
}

/// A run that somebody asks for, to its end; pushes go first.
async fn begin(line: &Line) -> Value {
    let id = until_some("a run begins", async || {
        let begun = line.post("/api/v1/syncs/contacts/runs", &json!({ "yes": true })).await;
        (begun.status == 202).then(|| begun.body["runId"].clone())
    })
    .await;
    let path = format!("/api/v1/runs/{id}");
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

/// Pushes that have ended, newest first.
async fn pushes(line: &Line) -> Vec<Value> {
    let runs = line.get("/api/v1/syncs/contacts/runs").await.body;
    let all = runs["items"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|run| run["kind"] == "push" && run["endedAt"] != "").collect()
}

fn first_name(line: &Line, mail: &str) -> String {
    let contacts = line.genesys().contacts();
    let found = contacts.iter().find(|one| one["workEmail"] == mail);
    found.map(|one| one["firstName"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

async fn an_edit_in_the_crm_reaches_the_contact_center_without_a_scheduled_run(place: Place) {
    let line = line(place).await;
    let asked = line.platform_requests().len();
    let john = line.salesforce.contact_with("john.doe@example.com").expect("John");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    until("the edit is there", async || first_name(&line, "john.doe@example.com") == "Johnny")
        .await;
    let new = json!({ "FirstName": "Nell", "LastName": "New", "Email": "nell@example.com" });
    line.salesforce.add("Contact", &new).expect("made");
    until("the new one is there", async || first_name(&line, "nell@example.com") == "Nell").await;
    let lists = line.platform_requests();
    let lists = lists[asked..].iter().filter(|one| one.contains("/scan")).count();
    assert_eq!(lists, 0, "the other side is not read for it");
    let runs = line.get("/api/v1/syncs/contacts/runs").await.body;
    let whole = runs["items"].as_array().into_iter().flatten().filter(|run| run["kind"] == "run");
    assert_eq!(whole.count(), 1, "the first alone");
}

async fn what_was_missed_while_the_feed_had_lost_its_place_is_read(place: Place) {
    let line = line(place).await;
    let john = line.salesforce.contact_with("john.doe@example.com").expect("John");
    line.salesforce.mute_events(true);
    line.salesforce.update(&john, &json!({ "FirstName": "Untold" })).expect("updated");
    line.salesforce.mute_events(false);
    line.salesforce.expire_events();
    until("it is there all the same", async || {
        first_name(&line, "john.doe@example.com") == "Untold"
    })
    .await;
    // And the feed goes on from a new place.
    until("a place was found", async || {
        let gaps = pushes(&line).await.into_iter().filter(|run| run["counts"]["gaps_left"] == 1);
        gaps.count() >= 3
    })
    .await;
    line.salesforce.update(&john, &json!({ "FirstName": "Told" })).expect("updated");
    until("it is told", async || first_name(&line, "john.doe@example.com") == "Told").await;
}

async fn an_own_write_that_comes_back_goes_nowhere_and_somebody_in_the_same_name_is_heard(
    place: Place,
) {
    let line = line(place).await;
    let new = json!({ "firstName": "Olga", "lastName": "Own", "workEmail": "olga@example.com" });
    let olga = line.genesys().add_contact(&new).expect("made");
    let run = begin(&line).await;
    assert_eq!(run["counts"]["created_left"], 1, "{run}");
    // What she is known by in the CRM is written once the CRM tells of her.
    until("her id is there", async || {
        let contact = line.genesys().contact(&olga).expect("Olga");
        contact["externalIds"].as_array().is_some_and(|ids| !ids.is_empty())
    })
    .await;
    line.genesys().edit_contact(&olga, &json!({ "firstName": "Olly" })).expect("edited");
    let run = begin(&line).await;
    assert_eq!(run["counts"]["updated_left"], 1, "{run}");
    let echo = until_some("the own write comes back", async || {
        let pushes = pushes(&line).await;
        pushes.into_iter().find(|push| push["runId"].as_i64() > run["runId"].as_i64())
    })
    .await;
    for word in ["created_left", "created_right", "updated_left", "updated_right"] {
        assert_eq!(echo["counts"][word], Value::Null, "{word}: {echo}");
    }
    assert_eq!(echo["counts"]["echoes"], 1, "{echo}");
    // The simulated org has one user: this is our own, by somebody else's hand.
    let olga = line.salesforce.contact_with("olga@example.com").expect("Olga");
    line.salesforce.update(&olga, &json!({ "FirstName": "Helga" })).expect("updated");
    until("it is heard", async || first_name(&line, "olga@example.com") == "Helga").await;
}

async fn a_push_between_two_that_tell_nothing_is_refused(place: Place) {
    let section = SECTION.replace("connection = \"salesforce\"", "connection = \"genesys\"");
    let section = section.replace("object = \"Contact\"", "object = \"organizations\"");
    let line = Line::with_salesforce().and_genesys().on(place).section(&section).lay().await;
    let refused = line.command(&["serve"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("syncs.contacts.push"), "{refused:?}");
}

async fn a_webhook_begins_a_run_that_reads_whoever_tells_what_changed(place: Place) {
    const NUDGE: &str = "/api/v1/syncs/contacts/nudge";
    let section = SECTION.replacen("push = true\n", "", 1);
    let line = Line::with_salesforce().and_genesys().people(20).on(place).section(&section);
    let line = line.start().await;
    let resting = line.post(NUDGE, &json!({})).await;
    assert_eq!((resting.status, &resting.body["state"]), (202, &json!("rests")), "not approved");
    begin(&line).await;
    let asked = line.platform_requests().len();
    let john = line.salesforce.contact_with("john.doe@example.com").expect("John");
    line.salesforce.update(&john, &json!({ "FirstName": "Johnny" })).expect("updated");
    // With a key that may say so and nothing else, and whatever the vendor sends along.
    let key = json!({ "name": "webhook", "scopes": ["events"] });
    let key = line.post("/api/v1/api-keys", &key).await.body["key"].clone();
    let tell = || {
        let request = line.http.post(line.url(NUDGE)).bearer_auth(key.as_str().expect("a key"));
        Answer::of(request.body("<notification>not ours to read</notification>"))
    };
    for told in join_all((0..20).map(|_| tell()).collect()).await {
        assert_eq!((told.status, &told.body["state"]), (202, &json!("heard")), "{told:?}");
    }
    until("the edit is there", async || first_name(&line, "john.doe@example.com") == "Johnny")
        .await;
    let lists = line.platform_requests();
    let lists = lists[asked..].iter().filter(|one| one.contains("/scan")).count();
    assert_eq!(lists, 0, "who tells nothing is not read for it");
    let runs = line.get("/api/v1/syncs/contacts/runs").await.body;
    let nudges = runs["items"].as_array().into_iter().flatten();
    let nudges = nudges.filter(|run| run["kind"] == "nudge" && run["by"] == "nudge").count();
    assert!((1..=2).contains(&nudges), "twenty come to {nudges}: {runs}");
    assert_eq!(line.post("/api/v1/syncs/nobody/nudge", &json!({})).await.status, 404);
}
