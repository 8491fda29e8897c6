//! What credentials may do is held against what is needed: at the start, behind the calls,
//! and by `tieline check`.

use crate::rig::{JOHN, Line, Place, until};
use connectors::salesforce::sim::Permissions;
use serde_json::{Value, json};

const ACTION: &str = r#"[actions.Feed]
connection = "salesforce"
path = "/chatter/users/{{customerExternalId}}"
scopes = ["api", "chatter_api"]

[actions.Feed.fields]
feed = { path = "id" }
"#;

async fn health(line: &Line) -> Value {
    line.get("/api/v1/connections/salesforce/health").await.body["rights"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_an_action_lacks_is_told_at_the_start_and_by_check() {
    let line = Line::with_salesforce().section(ACTION).on(Place::disk());
    let line = line.variable("TIELINE_SERVER__CHECK_AT_START", "true").start().await;
    line.call_from(JOHN.1).await.assert_whole();
    until("the vendor was asked", async || health(&line).await["status"] == "missing").await;
    let rights = health(&line).await;
    assert_eq!(rights["missing"], json!(["chatter_api"]), "{rights}");
    assert_eq!((&rights["granted"], &rights["administrator"]), (&json!(["api", "id"]), &json!("")));
    let told = |log: &str| {
        log.lines().any(|line| {
            line.contains("WARN") && line.contains("chatter_api") && line.contains("action Feed")
        })
    };
    until("it is in the log", async || told(&line.log())).await;

    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.out.contains("FAIL  salesforce: scope chatter_api"), "{}", checked.out);
    assert!(checked.out.contains("the action Feed needs the scope"), "{}", checked.out);
    assert!(checked.out.contains("External Client App Manager"), "the step: {}", checked.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrators_breadth_is_warned_of_and_fails_nothing() {
    let line = Line::with_salesforce().start().await;
    assert_eq!(health(&line).await["status"], "not_asked", "as the test's file says");
    let permissions = Permissions { modify_all_data: true, ..Permissions::default() };
    line.salesforce.set_permissions(permissions);
    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let warned = "WARN  salesforce: administrator: ";
    assert!(checked.out.contains(warned) && checked.out.contains("Modify All Data"), "{checked:?}");
    let asked = line.post("/api/v1/connections/check", &json!({})).await;
    let findings = asked.body.as_array().expect("findings");
    let broad: Vec<&Value> =
        findings.iter().filter(|one| one["code"] == "connection.too_broad").collect();
    assert_eq!(broad.len(), 1, "{asked:?}");
    assert_eq!((&broad[0]["ok"], &broad[0]["warning"]), (&json!(true), &json!(true)));
    assert_eq!(health(&line).await["status"], "too_broad");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_only_rules_need_is_warned_of_and_fails_nothing() {
    let line = Line::with_salesforce().and_genesys().lay().await;
    line.genesys().take_permission("routing:callRoute:view");
    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for warned in ["scope routing:callRoute:view: ", "IVRs of routing rules: "] {
        let warned = |line: &&str| line.starts_with("WARN") && line.contains(warned);
        assert_eq!(checked.out.lines().filter(warned).count(), 1, "{}", checked.out);
    }
    assert!(
        checked.out.lines().any(|line| line.contains("queues of routing rules")),
        "{checked:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reads_the_templates_of_actions_before_anybody_is_asked() {
    let wrong = r#"[actions.Wrong]
connection = "salesforce"
path = "/query"
query = { q = "SELECT Id FROM Contact WHERE Id = {{customerExternalId}}" }
"#;
    let line = Line::with_salesforce().section(wrong).lay().await;
    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.err.contains("actions.Wrong.query.q"), "its place: {}", checked.err);
    assert_eq!(line.crm_requests(), 0, "nobody was asked");
}
