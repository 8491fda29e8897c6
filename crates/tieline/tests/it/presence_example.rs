//! The example of the documents is a configuration that serves.

use crate::rig::{Line, until};
use serde_json::json;

#[tokio::test]
async fn both_teams_of_the_example_are_worked_at() {
    let example = include_str!("../../../../docs/examples/presence.toml");
    let line = Line::with_salesforce().and_genesys().section(example).start().await;
    until("both teams are worked at", async || {
        let all = line.get("/api/v1/presence").await.body;
        let standing = |at: usize| all["teams"][at]["standing"].clone();
        assert_ne!(standing(0), "faulty", "{all}");
        assert_ne!(standing(1), "faulty", "{all}");
        [standing(0), standing(1)] == [json!("working"), json!("working")]
    })
    .await;
}
