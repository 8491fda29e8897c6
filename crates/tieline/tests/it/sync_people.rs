//! What people do with contact sync: plan, approve, run, decide, try again, take back.

use crate::rig::{Line, Place, until_some};
use serde_json::{Value, json};

crate::facts! {
    a_person_plans_approves_runs_and_takes_back_by_the_command_line
    a_conflict_waits_for_a_person_and_comes_out_as_they_decide
    what_a_system_refuses_is_told_with_its_reason_and_tried_again_when_asked
    the_example_of_the_guide_is_a_sync
}

/// Names and e-mail, both ways; conflicts go to a person.
const SECTION: &str = r#"
[[syncs]]
name = "contacts"
direction = "both"
schedule = "never"
strategy = "manual"
left = { connection = "salesforce", object = "Contact", key = "External_Id__c" }
right = { connection = "genesys", object = "contacts", key = "externalIds" }

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

async fn line(place: Place, people: u64) -> Line {
    Line::with_salesforce().and_genesys().people(people).on(place).section(SECTION).start().await
}

/// Requests to the platform so far, save its login.
fn asked(line: &Line) -> u64 {
    let log = line.genesys().faults().requests().log();
    log.iter().filter(|one| one.target.starts_with("/api/v2/externalcontacts")).count() as u64
}

/// Runs the sync to its end.
async fn run(line: &Line) -> Value {
    let begun = line.post("/api/v1/syncs/contacts/runs", &json!({ "yes": true })).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

async fn a_person_plans_approves_runs_and_takes_back_by_the_command_line(place: Place) {
    let line = line(place, 20).await;
    let none = line.get("/api/v1/syncs/contacts/plan").await;
    assert_eq!((none.status, &none.body["error"]["code"]), (404, &json!("sync.not_planned")));
    let plan = line.command(&["sync", "plan", "contacts", "--csv"]).await;
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let john = plan.out.lines().find(|line| line.contains("john.doe@example.com"));
    assert!(john.is_some_and(|line| line.starts_with("right,create,,workEmail,,")), "{plan:?}");
    let planned = line.get("/api/v1/syncs/contacts/plan").await.body;
    let creates = planned["right"]["creates"].as_u64().expect("a number");
    let calls = planned["right"]["calls"].as_u64().expect("a number");
    assert!(creates >= 20 && (1..=creates).contains(&calls), "{planned}");
    assert!(planned["right"]["percent"].as_f64() > Some(50.0), "{planned}");
    assert_eq!((&planned["left"]["creates"], &planned["braked"]), (&json!(0), &json!(false)));
    assert!(line.genesys().contacts().is_empty(), "nothing was written");

    let early = line.command(&["sync", "run", "contacts"]).await;
    assert_eq!(early.code, Some(1), "{early:?}");
    assert!(early.err.contains("sync.not_approved"), "{early:?}");
    assert_eq!(line.command(&["sync", "approve", "contacts"]).await.code, Some(0));
    let before = asked(&line);
    let ran = line.command(&["sync", "run", "contacts", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(ran["counts"]["created_right"], creates, "{ran}");
    let took = asked(&line) - before;
    assert!((calls..=calls + 2).contains(&took), "{took} calls, {calls} foretold");

    let shown = line.command(&["sync", "show", "contacts"]).await;
    assert!(shown.code == Some(0) && shown.out.contains("score "), "{shown:?}");
    let health = line.get("/api/v1/syncs/contacts/health").await.body;
    assert_eq!(health["runs"].as_array().map(Vec::len), Some(1), "a plan is none: {health}");
    assert_eq!(health["runs"][0]["created"], creates, "{health}");
    let id = line.salesforce.contact_with("john.doe@example.com").expect("John");
    let story = line.command(&["sync", "record", "contacts", "left", &id, "--json"]).await;
    let story: Value = serde_json::from_str(&story.out).expect("JSON");
    assert_eq!(
        (&story["state"], &story["writes"][0]["kind"]),
        (&json!("linked"), &json!("create"))
    );
    assert_eq!(story["right"]["fields"]["workEmail"], "john.doe@example.com", "{story}");
    let stranger = line.command(&["sync", "record", "contacts", "right", &id]).await;
    assert!(stranger.code == Some(1) && stranger.err.contains("record.unknown"), "{stranger:?}");

    let number = ran["runId"].to_string();
    let undone = line.command(&["sync", "undo", &number]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert!(undone.out.contains(&format!("{creates} taken back")), "{undone:?}");
    assert!(line.genesys().contacts().is_empty(), "all were taken back");
    let rests = line.command(&["sync", "list"]).await;
    assert!(rests.out.contains("rests: "), "{rests:?}");
    assert_eq!(line.command(&["sync", "resume", "contacts"]).await.code, Some(0));
    let runs = line.command(&["sync", "runs", "contacts"]).await;
    assert_eq!(runs.out.lines().count(), 3, "{runs:?}");
}

async fn a_conflict_waits_for_a_person_and_comes_out_as_they_decide(place: Place) {
    let line = line(place, 10).await;
    let other =
        json!({ "firstName": "Jonathan", "lastName": "Doe", "workEmail": "john.doe@example.com" });
    line.genesys().add_contact(&other).expect("a contact");
    let counts = run(&line).await["counts"].clone();
    assert_eq!(counts["linked"], 1, "{counts}");
    let open = line.get("/api/v1/reviews?sync=contacts").await.body;
    let review = &open["items"][0];
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1), "{open}");
    assert_eq!(
        (&review["kind"], &review["about"]["right"]),
        (&json!("conflict"), &json!("Jonathan"))
    );
    assert_eq!(review["takes"], json!(["left", "right", "value"]));
    let id = review["id"].to_string();
    let records = line.get(&format!("/api/v1/reviews/{id}")).await.body["records"].clone();
    assert_eq!(records[0]["left"]["fields"]["FirstName"], "John", "{records}");

    let decide = |body: Value| {
        let path = format!("/api/v1/reviews/{id}/decision");
        let line = &line;
        async move { line.post(&path, &body).await }
    };
    let unfit = decide(json!({ "choice": "approve" })).await;
    assert_eq!((unfit.status, &unfit.body["error"]["code"]), (409, &json!("review.unfit")));
    let odd = decide(json!({ "choice": "middle" })).await;
    assert_eq!((odd.status, &odd.body["error"]["at"]), (400, &json!("choice")));
    let decided = line.command(&["review", "decide", &id, "999999", "--value", "\"Johnny\""]).await;
    assert_eq!(decided.code, Some(1), "one is unknown: {decided:?}");
    assert!(
        decided.out.contains("1 decided") && decided.out.contains("review.unknown"),
        "{decided:?}"
    );
    let audit = line.get("/api/v1/audit?limit=5").await.body;
    assert!(audit.to_string().contains("review.decided"), "{audit}");
    assert!(!audit.to_string().contains("Johnny"), "{audit}");

    run(&line).await;
    let john =
        line.salesforce.query("SELECT FirstName FROM Contact WHERE Email = 'john.doe@example.com'");
    assert_eq!(john.expect("John")[0]["FirstName"], "Johnny");
    let right = line.genesys().contacts();
    let right = right.iter().find(|one| one["workEmail"] == "john.doe@example.com");
    assert_eq!(right.expect("John")["firstName"], "Johnny");
    let open = line.command(&["review", "list"]).await;
    assert_eq!((open.code, open.out.as_str()), (Some(0), ""), "{open:?}");
    let over = decide(json!({ "choice": "left" })).await;
    assert!(over.status == 200 || over.body["error"]["code"] == "review.over", "{over:?}");
}

async fn what_a_system_refuses_is_told_with_its_reason_and_tried_again_when_asked(place: Place) {
    let line = line(place, 10).await;
    // Salesforce takes no contact without a last name.
    let nameless = json!({ "firstName": "Ada", "workEmail": "ada@example.org" });
    line.genesys().add_contact(&nameless).expect("a contact");
    let counts = run(&line).await["counts"].clone();
    assert_eq!(counts["errors"], 1, "{counts}");
    assert!(counts["created_right"].as_u64() >= Some(10), "the others came through: {counts}");
    let failures = line.get("/api/v1/failures").await.body;
    let failure = &failures["items"][0];
    assert_eq!(failures["items"].as_array().map(Vec::len), Some(1), "{failures}");
    assert_eq!((&failure["sync"], &failure["class"]), (&json!("contacts"), &json!("invalid")));
    assert_eq!(failure["right"]["fields"]["firstName"], "Ada", "{failure}");
    let told = line.command(&["sync", "failures", "contacts", "--class", "invalid"]).await;
    assert!(told.code == Some(0) && told.out.contains("invalid"), "{told:?}");

    let none = line.command(&["sync", "redrive", "contacts", "--class", "conflict"]).await;
    assert!(none.code == Some(0) && none.out.starts_with("0 are"), "{none:?}");
    let pair = failure["pair"].to_string();
    let again = line.command(&["sync", "redrive", "contacts", "--pair", &pair]).await;
    assert!(again.code == Some(0) && again.out.starts_with("1 are"), "{again:?}");
    let ran = line.command(&["sync", "run", "contacts"]).await;
    assert_eq!(ran.code, Some(1), "it is refused again: {ran:?}");
    let health = line.get("/api/v1/syncs/contacts/health").await.body;
    assert_eq!(
        (&health["failing"], &health["runs"][0]["errors"]),
        (&json!(1), &json!(1)),
        "{health}"
    );
    let unknown = line.command(&["sync", "redrive", "nobody"]).await;
    assert!(unknown.code == Some(1) && unknown.err.contains("sync.unknown"), "{unknown:?}");
}

async fn the_example_of_the_guide_is_a_sync(place: Place) {
    let example = include_str!("../../../../docs/examples/sync.toml");
    let line = Line::with_salesforce().and_genesys().people(30).on(place).section(example);
    let line = line.start().await;
    let all = line.get("/api/v1/syncs").await.body;
    assert_eq!(all["items"][0]["name"], "contacts", "{all}");
    let plan = line.command(&["sync", "plan", "contacts", "--json"]).await;
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let plan: Value = serde_json::from_str(&plan.out).expect("JSON");
    let creates = plan["plan"]["right"]["creates"].as_u64().expect("a number");
    let people = line.salesforce.count("Contact");
    assert!(
        (1..u64::try_from(people).expect("a number")).contains(&creates),
        "those of the filter alone: {creates} of {people}"
    );
    assert_eq!(plan["writes"].as_array().map(Vec::len), usize::try_from(creates).ok(), "{plan}");
}
