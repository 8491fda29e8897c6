//! A sync moves up, keeps fields for the directory alone, and is forgotten.

use crate::rig::{Folder, Line, MARIA, Place, until_some};
use serde_json::{Value, json};

crate::facts! {
    a_sync_of_the_store_moves_up_from_one_way_to_both_and_what_is_only_planned_is_not_kept
    a_sync_of_the_file_is_told_what_to_set_there
    a_sync_is_forgotten_once_it_is_configured_no_more
    a_field_for_the_directory_alone_is_shown_by_a_lookup_and_goes_with_its_person
}

/// One way, names and e-mail, of those whose last name begins with D.
fn small() -> Value {
    json!({
        "direction": "right", "schedule": "never", "matching": ["email"],
        "measure": { "every": "0s" },
        "left": { "connection": "salesforce", "object": "Contact",
            "filter": [{ "field": "LastName", "operator": "starts with", "values": ["D"] }] },
        "right": { "connection": "genesys", "object": "contacts" },
        "fields": [
            { "left": "FirstName", "right": "firstName" },
            { "left": "LastName", "right": "lastName" },
            { "left": "Email", "right": "workEmail", "match_as": "email" },
        ],
    })
}

async fn line_with_small(place: Place) -> Line {
    let line = Line::with_salesforce().and_genesys().people(30).on(place).start().await;
    let folder = Folder::new();
    let file = folder.write("small.json", &small().to_string()).display().to_string();
    let put = line.command(&["settings", "put", "syncs", "contacts", &file]).await;
    assert_eq!(put.code, Some(0), "{put:?}");
    line
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

async fn promotion(line: &Line) -> Value {
    line.get("/api/v1/syncs/contacts/promotion").await.body
}

/// `tieline sync promote contacts` with more words, as JSON.
async fn promote(line: &Line, more: &[&str]) -> Value {
    let words = [&["sync", "promote", "contacts", "--json"], more].concat();
    let told = line.command(&words).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    serde_json::from_str(&told.out).expect("JSON")
}

async fn a_sync_of_the_store_moves_up_from_one_way_to_both_and_what_is_only_planned_is_not_kept(
    place: Place,
) {
    let line = line_with_small(place).await;
    for _ in 0..3 {
        assert_eq!(done(&line, "/api/v1/syncs/contacts/runs").await["state"], "done");
    }
    let first = promotion(&line).await;
    assert_eq!((&first["phase"], &first["next"]), (&json!("one_way"), &json!("more_fields")));
    let open: Vec<&Value> = first["checks"].as_array().expect("checks").iter().collect();
    let open: Vec<&Value> = open.into_iter().filter(|check| check["met"] == false).collect();
    assert_eq!(open.len(), 2, "drift was never measured, all else holds: {open:?}");
    let mut changed: Vec<&str> = first["changes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["at"].as_str())
        .collect();
    changed.sort_unstable();
    assert_eq!(changed, ["fields", "left.filter"], "{first}");
    let early = line.post("/api/v1/syncs/contacts/promotion/apply", &json!({})).await;
    assert_eq!((early.status, &early.body["error"]["code"]), (409, &json!("sync.not_ready")));

    done(&line, "/api/v1/syncs/contacts/drift").await;
    let known = line.get("/api/v1/syncs/contacts").await.body["pairs"].clone();
    let there = line.genesys().contacts().len();
    let planned = promote(&line, &[]).await;
    let counts = &planned["plan"]["counts"];
    assert!(counts["created_right"].as_u64() > Some(10), "those without a D: {planned}");
    assert!(counts["updated_right"].as_u64() >= Some(1), "more fields of the others: {planned}");
    assert_eq!(planned["promotion"]["ready"], true, "{planned}");
    assert_eq!(line.genesys().contacts().len(), there, "nothing was written");
    assert_eq!(line.get("/api/v1/syncs/contacts").await.body["pairs"], known, "nobody came in");
    let quiet = done(&line, "/api/v1/syncs/contacts/runs").await;
    assert_eq!(quiet["counts"]["created_right"], Value::Null, "{quiet}");
    assert!(quiet["counts"]["calls_left"].as_u64() >= Some(1), "{quiet}");

    let applied = promote(&line, &["--apply"]).await;
    assert_eq!(applied["applied"], true);
    let set = line.get("/api/v1/settings/syncs/contacts").await.body["section"].clone();
    assert_eq!(set["left"]["filter"], json!([]), "{set}");
    let wide = done(&line, "/api/v1/syncs/contacts/runs").await;
    assert_eq!(wide["counts"]["created_right"], counts["created_right"], "{wide}");

    let second = promotion(&line).await;
    assert_eq!((&second["phase"], &second["next"]), (&json!("more_fields"), &json!("two_way")));
    let needs = second["needs"].to_string();
    assert!(needs.contains("left.key"), "records would be made on the left: {second}");
    let both = promote(&line, &["--key", "External_Id__c", "--apply", "--anyway"]).await;
    assert_eq!(both["plan"]["state"], "done", "{both}");
    let set = line.get("/api/v1/settings/syncs/contacts").await.body["section"].clone();
    assert_eq!(
        (&set["direction"], &set["left"]["key"]),
        (&json!("both"), &json!("External_Id__c")),
        "{set}"
    );
    assert_eq!(done(&line, "/api/v1/syncs/contacts/runs").await["state"], "done");
    let third = promote(&line, &["--apply", "--anyway"]).await["promotion"].clone();
    assert_eq!((&third["phase"], &third["next"]), (&json!("two_way"), &json!("optimise")));
    assert!(third["usage"]["left"]["calls"].as_f64() > Some(0.0), "{third}");
    assert_eq!(third["usage"]["left"]["mode"], "poll");
    let still = third["usage"]["fields"].to_string();
    assert!(still.contains("FirstName>firstName"), "{still}");
    assert_eq!(promotion(&line).await["phase"], "optimise");
    let audit = line.get("/api/v1/audit?limit=20").await.body.to_string();
    assert!(audit.contains("sync.promoted"), "{audit}");
}

const OF_FILE: &str = r#"
[[syncs]]
name = "contacts"
schedule = "never"
left = { connection = "salesforce", object = "Contact" }
right = { connection = "genesys", object = "contacts" }
"#;

async fn a_sync_of_the_file_is_told_what_to_set_there(place: Place) {
    let line = Line::with_salesforce().and_genesys().people(10).on(place);
    let line = line.section(OF_FILE).start().await;
    done(&line, "/api/v1/syncs/contacts/runs").await;
    let told = line.command(&["sync", "promote", "contacts", "--key", "External_Id__c"]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("contacts: more_fields → two_way"), "{told:?}");
    assert!(told.out.contains("direction = \"both\""), "its section: {told:?}");
    let refused = json!({ "key": "External_Id__c", "anyway": true });
    let refused = line.post("/api/v1/syncs/contacts/promotion/apply", &refused).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (409, &json!("settings.from_file")),
        "{refused:?}"
    );
    let below = line.get("/api/v1/syncs/contacts/promotion?to=one_way").await;
    assert_eq!((below.status, &below.body["error"]["code"]), (409, &json!("sync.not_ready")));
    let odd = line.get("/api/v1/syncs/contacts/promotion?to=three_way").await;
    assert_eq!((odd.status, &odd.body["error"]["at"]), (400, &json!("to")));
    let unknown = line.get("/api/v1/syncs/nobody/promotion").await;
    assert_eq!(unknown.status, 404);
}

async fn a_sync_is_forgotten_once_it_is_configured_no_more(place: Place) {
    let line = line_with_small(place).await;
    done(&line, "/api/v1/syncs/contacts/runs").await;
    let there = line.genesys().contacts().len();
    let early = line.command(&["sync", "forget", "contacts", "--yes"]).await;
    assert!(early.code == Some(1) && early.err.contains("sync.configured"), "{early:?}");
    let gone = line.command(&["settings", "delete", "syncs", "contacts"]).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    let odd = line.post("/api/v1/syncs/contacts/forget", &json!({ "confirm": "contact" })).await;
    assert_eq!((odd.status, &odd.body["error"]["at"]), (400, &json!("confirm")));
    let done = line.command(&["sync", "forget", "contacts", "--yes"]).await;
    assert!(done.code == Some(0) && done.out.contains("is forgotten"), "{done:?}");
    let again = line.command(&["sync", "forget", "contacts", "--yes"]).await;
    assert!(again.code == Some(1) && again.err.contains("sync.unknown"), "{again:?}");
    assert_eq!(line.genesys().contacts().len(), there, "the records are left alone");
    let audit = line.get("/api/v1/audit?limit=20").await.body.to_string();
    assert!(audit.contains("sync.forgotten"), "{audit}");
}

async fn a_field_for_the_directory_alone_is_shown_by_a_lookup_and_goes_with_its_person(
    place: Place,
) {
    let fields = "\n[[syncs.fields]]\nleft = \"LastName\"\nright = \"lastName\"\n\
        [[syncs.fields]]\nleft = \"Email\"\nright = \"workEmail\"\nmatch_as = \"email\"\n\
        [[syncs.fields]]\nleft = \"Title\"\n";
    let line = Line::with_salesforce().and_genesys().people(10).on(place);
    let line = line.section(&format!("{OF_FILE}{fields}")).deadline("5s").start().await;
    let maria = line.salesforce.contact_with(MARIA.2).expect("Maria");
    line.salesforce.update(&maria, &json!({ "Title": "Zz-captain" })).expect("updated");
    let before = line.call_from(MARIA.1).await;
    assert_eq!(before.body["data"]["Title"], Value::Null, "{before:?}");
    let run = done(&line, "/api/v1/syncs/contacts/runs").await;
    assert_eq!(run["state"], "done", "{run}");
    let after = line.call_from(MARIA.1).await;
    assert_eq!(after.body["data"]["Title"], "Zz-captain", "{after:?}");
    line.until_quiet().await;
    let center = format!("{:?}", line.genesys().contacts());
    assert!(!center.contains("Zz-captain"), "the contact center is not told");
    let whose = json!({ "externalIds": [line.id_of(MARIA.2)] });
    let shown = line.post("/api/v1/subjects/export", &whose).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert!(shown.body.to_string().contains("Zz-captain"), "it is exported");
    let erased = line.post("/api/v1/subjects/erase", &whose).await;
    assert!((200..300).contains(&erased.status), "{erased:?}");
    let shown = line.post("/api/v1/subjects/export", &whose).await;
    assert!(!shown.body.to_string().contains("Zz-captain"), "and erased: {shown:?}");
    let later = line.call_from(MARIA.1).await;
    assert!(!later.body.to_string().contains("Zz-captain"), "{later:?}");
}
