//! How a sync does is seen: people are told of what is wrong and of its end, and how far both
//! sides are apart is measured.

use crate::alerts::{Posted, receiver};
use crate::rig::{Line, Place, until, until_some};
use serde_json::{Value, json};
use sim::faults::Fault;

crate::facts! {
    what_is_wrong_with_a_sync_is_told_and_when_all_is_well_again
    drift_is_what_differs_and_nothing_would_mend
    a_record_is_shown_through_the_map_each_way_and_through_one_that_is_not_saved
}

/// Names and e-mail, both ways.
const FIELDS: &str = r#"
[[syncs.fields]]
left = "FirstName"
right = "firstName"

[[syncs.fields]]
left = "LastName"
right = "lastName"

[[syncs.fields]]
left = "Email"
right = "workEmail"
match_as = "email"
"#;

pub(crate) fn section(more: &str) -> String {
    format!(
        "[[syncs]]\nname = \"contacts\"\nschedule = \"never\"\n\
         left = {{ connection = \"salesforce\", object = \"Contact\", key = \"External_Id__c\" }}\n\
         right = {{ connection = \"genesys\", object = \"contacts\" }}\n{more}\n{FIELDS}"
    )
}

/// Begins what is asked for and waits until it has ended.
async fn done(line: &Line, path: &str) -> Value {
    let begun = line.post(path, &json!({ "yes": true })).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

pub(crate) async fn run(line: &Line) -> Value {
    done(line, "/api/v1/syncs/contacts/runs").await
}

/// What was told of syncs, `kind` or `kind over`, in the order of telling.
fn told(posted: &Posted) -> Vec<String> {
    let posted = posted.lock().expect("whole");
    let of_sync = posted.iter().filter(|(_, body)| body["sync"] == "contacts");
    of_sync
        .map(|(_, body)| {
            let over = if body["isOver"] == true { " over" } else { "" };
            format!("{}{over}", body["kind"].as_str().unwrap_or_default())
        })
        .collect()
}

async fn told_of(posted: &Posted, what: &str) {
    until(what, async || told(posted).iter().any(|one| one == what)).await;
}

async fn what_is_wrong_with_a_sync_is_told_and_when_all_is_well_again(place: Place) {
    let (url, posted) = receiver(0).await;
    let alerts = format!(
        "[alerts]\nevery = \"50ms\"\nsettle = \"100ms\"\n[alerts.channels.ops]\ntype = \"webhook\"\n\
         url = \"{url}\"\nallow_private_addresses = true\n"
    );
    let more = "direction = \"both\"\nstrategy = \"manual\"\nalerts = { errors_over = 0, run_over = \"1ms\" }\n\
        deletes = { on_left = \"delete\" }\nbrake = { deletes_max = 1, percent_max = 100.0 }";
    let line = Line::with_salesforce().and_genesys().people(20).on(place);
    let line = line.section(&format!("{alerts}{}", section(more))).start().await;
    // Salesforce takes no contact without a last name, and of John both say something else.
    let nameless = json!({ "firstName": "Ada", "workEmail": "ada@example.org" });
    line.genesys().add_contact(&nameless).expect("a contact");
    let other =
        json!({ "firstName": "Jonathan", "lastName": "Doe", "workEmail": "john.doe@example.com" });
    line.genesys().add_contact(&other).expect("a contact");
    let first = run(&line).await;
    assert_eq!(first["counts"]["errors"], 1, "{first}");
    told_of(&posted, "sync_errors").await;
    told_of(&posted, "sync_slow").await;
    told_of(&posted, "sync_reviews").await;
    // Ada is not tried again so soon: the next run is without errors.
    run(&line).await;
    told_of(&posted, "sync_errors over").await;
    let open = line.get("/api/v1/reviews?sync=contacts").await.body;
    let id = open["items"][0]["id"].to_string();
    let decided = json!({ "choice": "left" });
    let path = format!("/api/v1/reviews/{id}/decision");
    assert_eq!(line.post(&path, &decided).await.status, 200);
    told_of(&posted, "sync_reviews over").await;

    assert_eq!(line.post("/api/v1/syncs/contacts/pause", &json!({})).await.status, 200);
    told_of(&posted, "sync_paused").await;
    assert_eq!(line.post("/api/v1/syncs/contacts/resume", &json!({})).await.status, 200);
    told_of(&posted, "sync_paused over").await;

    line.crm_does(Fault::Status { code: 400, body: None });
    assert_eq!(run(&line).await["state"], "partial");
    told_of(&posted, "sync_halted").await;
    line.crm_recovers();
    assert_eq!(run(&line).await["state"], "done");
    told_of(&posted, "sync_halted over").await;

    for mail in ["maria.garcia@example.com", "jane.smith@example.com", "john.doe@example.com"] {
        if let Some(id) = line.salesforce.contact_with(mail) {
            line.salesforce.delete(&id).expect("deleted");
        }
    }
    assert_eq!(run(&line).await["state"], "partial");
    told_of(&posted, "sync_braked").await;
    let open = line.get("/api/v1/reviews?sync=contacts").await.body;
    let items = open["items"].as_array().cloned().unwrap_or_default();
    let brake = items.iter().find(|one| one["kind"] == "brake").expect("it asks");
    let path = format!("/api/v1/reviews/{}/decision", brake["id"]);
    assert_eq!(line.post(&path, &json!({ "choice": "approve" })).await.status, 200);
    told_of(&posted, "sync_braked over").await;
    run(&line).await;
    let all = told(&posted);
    for kind in ["sync_errors", "sync_slow", "sync_halted", "sync_braked", "sync_paused"] {
        assert_eq!(all.iter().filter(|one| *one == kind).count(), 1, "{kind} once: {all:?}");
    }
    let bodies = format!("{:?}", posted.lock().expect("whole"));
    for hidden in ["Jonathan", "ada@example.org"] {
        assert!(!bodies.contains(hidden), "{hidden} is told");
    }
}

async fn drift_is_what_differs_and_nothing_would_mend(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(0).on(place);
    let more = "direction = \"left\"\ndrift = \"leave\"\nmeasure = { pairs = 50, every = \"0s\" }";
    let line = line.section(&section(more)).start().await;
    for number in 0..30 {
        let person = json!({ "firstName": format!("Ann{number}"), "lastName": "Lee",
            "workEmail": format!("ann{number}@example.net") });
        line.genesys().add_contact(&person).expect("a contact");
    }
    assert_eq!(run(&line).await["counts"]["created_left"], 30);
    let health = async || line.get("/api/v1/syncs/contacts/health").await.body;
    assert_eq!(health().await["drift"], Value::Null, "it was never measured");
    let measured = line.command(&["sync", "measure", "contacts", "--json"]).await;
    assert_eq!(measured.code, Some(0), "{measured:?}");
    let drift: Value = serde_json::from_str(&measured.out).expect("JSON");
    assert_eq!(
        (&drift["percent"], &drift["compared"], &drift["pending"], &drift["fields"]),
        (&json!(0.0), &json!(30), &json!(0), &json!([])),
        "{drift}"
    );
    // Edits of the mirror: at first the next run would still be told of them.
    for number in 0..3 {
        let id = line.salesforce.contact_with(&format!("ann{number}@example.net")).expect("Ann");
        line.salesforce.update(&id, &json!({ "FirstName": "Anna" })).expect("edited");
    }
    done(&line, "/api/v1/syncs/contacts/drift").await;
    let drift = health().await["drift"].clone();
    assert_eq!(
        (&drift["pending"], &drift["differing"], &drift["compared"]),
        (&json!(3), &json!(0), &json!(27)),
        "{drift}"
    );
    // It was told, and leaves them: now they are drift, of one field and one side.
    let counts = run(&line).await["counts"].clone();
    assert_eq!(counts["drift"], 3, "{counts}");
    done(&line, "/api/v1/syncs/contacts/drift").await;
    let drift = health().await["drift"].clone();
    assert_eq!(
        (&drift["percent"], &drift["differing"], &drift["pending"]),
        (&json!(10.0), &json!(3), &json!(0)),
        "{drift}"
    );
    let field = json!([{ "field": "FirstName>firstName", "left": 3, "right": 0 }]);
    assert_eq!(drift["fields"], field, "{drift}");
    let shown = line.command(&["sync", "show", "contacts"]).await;
    assert!(shown.out.contains("drift 10.0 % (3 of 30 pairs differ"), "{shown:?}");
    let history = line.get("/api/v1/syncs/contacts/drift").await.body;
    assert_eq!(history["items"].as_array().map(Vec::len), Some(3), "{history}");
}

async fn a_record_is_shown_through_the_map_each_way_and_through_one_that_is_not_saved(
    place: Place,
) {
    let line = Line::with_salesforce().and_genesys().people(20).on(place);
    let line = line.section(&section("direction = \"both\"")).start().await;
    run(&line).await;
    let id = line.salesforce.contact_with("john.doe@example.com").expect("John");
    let path = "/api/v1/syncs/contacts/sample";
    let shown = line.post(path, &json!({ "side": "left", "id": id })).await;
    assert_eq!((shown.status, &shown["left"]), (200, &json!(id)), "{shown:?}");
    let right = shown["right"].as_str().expect("its other").to_owned();
    assert!(!right.is_empty());
    let expected = json!({
        "left": "FirstName", "right": "firstName", "direction": "both", "leftHolds": "John",
        "rightHolds": "John", "toLeft": "John", "toRight": "John",
    });
    assert_eq!(shown["lines"][0], expected);
    // From the other side it is the same pair.
    let other = line.post(path, &json!({ "side": "right", "id": right })).await;
    assert_eq!(other.body, shown.body);
    let tried = json!([
        { "left": "LastName", "right": "firstName", "direction": "right" },
        { "left": "Email", "right": "workEmail", "match_as": "email" },
    ]);
    let tried = line.post(path, &json!({ "side": "left", "id": id, "fields": tried })).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    assert_eq!(tried["lines"][0]["toRight"], "Doe");
    assert_eq!(tried["lines"][0]["toLeft"], json!(null), "nothing goes that way");
    let wrong = json!([{ "left": "FirstName", "right": "first name[" }, 5]);
    for (fields, at) in
        [(json!([wrong[0]]), "settings.refused"), (wrong.clone(), "request.field_invalid")]
    {
        let refused = line.post(path, &json!({ "side": "left", "id": id, "fields": fields })).await;
        assert_eq!((refused.status, &refused["error"]["code"]), (400, &json!(at)), "{refused:?}");
    }
    let nobody = line.post(path, &json!({ "side": "left", "id": "003000000000000AAA" })).await;
    assert_eq!((nobody.status, &nobody["error"]["code"]), (404, &json!("record.unknown")));
    line.crm_does(Fault::Status { code: 503, body: None });
    let away = line.post(path, &json!({ "side": "left", "id": id })).await;
    assert_eq!((away.status, &away["error"]["code"]), (502, &json!("record.unread")), "{away:?}");
}
