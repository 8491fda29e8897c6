//! Several teams: the example of the documents, and who is in which.

use crate::rig::{Line, until, until_some};
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

#[tokio::test]
async fn an_agent_of_several_teams_is_in_the_first_alone() {
    let example = include_str!("../../../../docs/examples/presence.toml");
    let line = Line::with_salesforce().and_genesys().section(example).lay().await;
    let agents = line.genesys().config().agents.clone();
    for (_, name, email) in &agents {
        line.salesforce.add_agent(name, email).expect("an agent");
    }
    let mut line = line;
    line.start_server().await;
    let teams = until_some("both teams have found their agents", async || {
        let all = line.get("/api/v1/presence").await.body;
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let mut teams: Vec<(String, String)> =
            items.iter().map(|one| (one["email"].to_string(), one["team"].to_string())).collect();
        teams.sort();
        (teams.len() >= agents.len()).then_some(teams)
    })
    .await;
    let mut expected: Vec<(String, String)> = agents
        .iter()
        .map(|(.., email)| {
            // The first team names one of them, the second takes everybody else.
            let is_named = email == "ann.agent@example.com";
            let team = if is_named { "phone-first" } else { "blended" };
            (format!("\"{email}\""), format!("\"{team}\""))
        })
        .collect();
    expected.sort();
    assert_eq!(teams, expected);
}
