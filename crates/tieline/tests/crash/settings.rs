//! A kill between two steps of a change: it is there wholly or not at all, and what was
//! acknowledged before it is.

use crate::rig::plan::API_KEY;
use crate::rig::{Answer, Line};
use serde_json::json;
use state::crash::POINTS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_cut_off_is_there_wholly_or_not_at_all() {
    for point in POINTS.iter().filter(|point| point.starts_with("settings.")) {
        let mut line = Line::with_salesforce().lay().await;
        // The second time that it is passed: the first change is acknowledged.
        line.environment.push(("TIELINE_CRASH_AT".to_owned(), format!("{point}:2")));
        line.start_server().await;
        let put = async |line: &Line, name: &str, deadline: &str| {
            let url = line.url(&format!("/api/v1/settings/queues/{name}"));
            let body = json!({ "connection": "salesforce", "deadline": deadline });
            Answer::try_of(line.http.put(url).bearer_auth(API_KEY).json(&body)).await
        };
        let first = put(&line, "Support", "4s").await.expect("acknowledged");
        assert_eq!(first.status, 200, "{first:?}");
        assert!(put(&line, "Support", "3s").await.is_err(), "{point} is passed");
        line.kill().await;
        line.environment.retain(|(name, _)| name != "TIELINE_CRASH_AT");
        line.start_server().await;
        let kept = line.get("/api/v1/settings/queues/Support").await;
        // Before the commit nothing of it is there, after it all.
        let expected = if *point == "settings.kept" { ("3s", 2) } else { ("4s", 1) };
        let told = (&kept["section"]["deadline"], &kept["revision"]);
        assert_eq!(told, (&json!(expected.0), &json!(expected.1)), "{point} {kept:?}");
        let acts = line.get("/api/v1/audit").await;
        assert_eq!(acts.body.as_array().map(Vec::len), Some(expected.1), "{point} {acts:?}");
        assert_eq!(line.get("/api/v1/audit/verify").await["whole"], true, "{point}");
        assert_eq!(put(&line, "Support", "2s").await.expect("acknowledged").status, 200);
    }
}
