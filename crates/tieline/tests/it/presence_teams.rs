//! Several teams: the example of the documents, and who is in which.

use super::presence::{BOTH, desk};
use crate::rig::plan::API_KEY;
use crate::rig::{Answer, Line, Place, Server, until, until_some};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_the_one_that_does_not_work_says_so() {
    let Some(place) = Place::postgres().await else { return };
    let desk = desk(place, BOTH).await;
    let mut second = Server::serve(&desk.line.config, &desk.line.environment);
    let address = second.until_it_listens_or_ends().await.expect("it listens");
    let of_second = async |path: &str| {
        let url = format!("http://{address}{path}");
        Answer::of(desk.line.http.get(url).bearer_auth(API_KEY)).await
    };
    until("it knows that another works", async || {
        of_second("/api/v1/presence").await["teams"][0]["standing"] == "elsewhere"
    })
    .await;
    let order = format!("/api/v1/agents/{}/presence/order", desk.crm);
    for path in [format!("/api/v1/presence/agents/{}", desk.crm), order] {
        let told = of_second(&path).await;
        let code = &told["error"]["code"];
        assert_eq!((told.status, code), (503, &json!("presence.elsewhere")), "{path}");
    }
    let unknown = of_second("/api/v1/presence/agents/nobody").await;
    assert_eq!((unknown.status, &unknown["error"]["code"]), (404, &json!("presence.unknown")));
}
