//! What agents show, what the routing makes of it, and who hears of it.

use std::time::Duration;

use connectors::genesys_cloud::sim::{Act, Config, EventFault, GenesysCloud, start};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Client, organization};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CHANNELS: &str = "/api/v2/notifications/channels";

fn ann(organization: &GenesysCloud) -> String {
    organization.config().agents[0].0.clone()
}

async fn channel(client: &Client, topics: &[String]) -> (String, String) {
    let made = client.send("POST", CHANNELS, None).await.body;
    let id = made["id"].as_str().expect("an id").to_owned();
    let topics: Vec<Value> = topics.iter().map(|topic| json!({ "id": topic })).collect();
    let answer = client.post(&format!("{CHANNELS}/{id}/subscriptions"), topics.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (id, made["connectUri"].as_str().expect("an address").to_owned())
}

async fn connect(uri: &str) -> Socket {
    connect_async(uri).await.expect("a socket").0
}

/// The next frame; `null` where the socket is closed.
async fn frame(socket: &mut Socket) -> Value {
    match tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("a frame") {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
        _ => Value::Null,
    }
}

async fn ask(socket: &mut Socket, message: Value) -> Value {
    socket.send(Message::text(message.to_string())).await.expect("sent");
    frame(socket).await
}

fn status(organization: &GenesysCloud, user: &str) -> String {
    organization.agent_status(user).expect("an agent").1
}

#[tokio::test]
async fn a_presence_is_set_by_its_definition_and_on_queue_makes_idle() {
    let (organization, client) = organization().await;
    let user = ann(&organization);
    let path = format!("/api/v2/users/{user}/presences/purecloud");
    let listed = client.get("/api/v2/presence/definitions").await.body;
    assert_eq!(listed["total"], 14);
    let on_queue = organization.definition("On Queue").expect("a definition");
    let body = json!({ "presenceDefinition": { "id": on_queue } });
    let set = client.send("PATCH", &path, Some(&body)).await;
    assert_eq!(set.body["presenceDefinition"]["id"], on_queue);
    let uri = format!("/api/v2/users?expand=presence,routingStatus&id={user}");
    let users = client.get(&uri).await.body;
    assert_eq!(users["entities"][0]["routingStatus"]["status"], "IDLE");
    let many =
        json!([{ "id": user, "presenceDefinition": { "id": organization.definition("Busy") } }]);
    assert_eq!(client.send("PUT", "/api/v2/users/presences/bulk", Some(&many)).await.status, 200);
    let routing = client.get(&format!("/api/v2/users/{user}/routingstatus")).await.body;
    assert_eq!(routing["status"], "OFF_QUEUE");
    for definition in [organization.definition("Fax duty"), Some("unknown".to_owned())] {
        let body = json!({ "presenceDefinition": { "id": definition } });
        assert_eq!(client.send("PATCH", &path, Some(&body)).await.status, 400);
    }
    let stranger = "/api/v2/users/11111111-2222-4333-8444-555555555555/presences/purecloud";
    assert_eq!(client.get(stranger).await.status, 404);
    organization.take_permission("presence:userPresence:edit");
    let refused = client.send("PATCH", &path, Some(&body)).await;
    assert_eq!((refused.status, refused.code()), (403, "missing.permissions"));
}

#[tokio::test]
async fn work_goes_only_to_who_is_on_queue_and_idle() {
    let (organization, client) = organization().await;
    let user = ann(&organization);
    let path = format!("/api/v2/users/{user}/routingstatus");
    assert!(!organization.agent_act(&user, Act::Offer));
    organization.agent_sets(&user, "On Queue").expect("set");
    assert!(organization.agent_act(&user, Act::Offer));
    assert!(!organization.agent_act(&user, Act::Offer), "one at a time");
    assert!(organization.agent_act(&user, Act::Miss));
    assert_eq!(status(&organization, &user), "NOT_RESPONDING");
    assert!(!organization.agent_act(&user, Act::Offer));
    let refused = client.send("PUT", &path, Some(&json!({ "status": "INTERACTING" }))).await;
    assert_eq!((refused.status, refused.code()), (400, "general.bad.request"));
    let back = client.send("PUT", &path, Some(&json!({ "status": "IDLE" }))).await;
    assert_eq!(back.body["status"], "IDLE");
    assert!(
        organization.agent_act(&user, Act::Offer) && organization.agent_act(&user, Act::Accept)
    );
    organization.agent_sets(&user, "Busy").expect("set");
    assert_eq!(status(&organization, &user), "INTERACTING", "what is at hand stays");
    assert!(organization.agent_act(&user, Act::EndWithWork));
    assert_eq!(status(&organization, &user), "INTERACTING", "after-call work");
    assert!(organization.agent_act(&user, Act::End));
    assert_eq!(status(&organization, &user), "OFF_QUEUE");
}

#[tokio::test]
async fn a_socket_hears_its_topics_answers_pings_and_beats() {
    let config = Config { heartbeat: Duration::from_millis(20), ..Config::default() };
    let organization = start(config).await.expect("a free port");
    let (client, user) = (Client::login(&organization).await, ann(&organization));
    let (_, uri) = channel(&client, &[]).await;
    let mut socket = connect(&uri).await;
    assert_eq!(frame(&mut socket).await["eventBody"]["message"], "WebSocket Heartbeat");
    let topic = format!("v2.users.{user}.activity");
    socket.send(Message::text(json!({ "message": "ping" }).to_string())).await.expect("sent");
    while frame(&mut socket).await["eventBody"]["message"] != "pong" {}
    let wanted = json!({ "message": "subscribe", "topics": [topic], "correlationId": "c" });
    socket.send(Message::text(wanted.to_string())).await.expect("sent");
    while frame(&mut socket).await["result"] != "200" {}
    organization.agent_sets(&user, "On Queue").expect("set");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let came = frame(&mut socket).await;
        if came["topicName"] == topic {
            seen.push(came["eventBody"]["routingStatus"]["status"].clone());
        }
    }
    assert_eq!(seen, ["OFF_QUEUE", "IDLE"], "presence first, then what follows from it");
}

#[tokio::test]
async fn a_second_socket_drops_the_first_and_what_nobody_hears_is_lost() {
    let (organization, client) = organization().await;
    let user = ann(&organization);
    let (_, uri) = channel(&client, &[format!("v2.users.{user}.presence")]).await;
    organization.agent_sets(&user, "Away").expect("set");
    let mut first = connect(&uri).await;
    organization.agent_sets(&user, "Busy").expect("set");
    assert_eq!(
        frame(&mut first).await["eventBody"]["presenceDefinition"]["systemPresence"],
        "BUSY"
    );
    let mut second = connect(&uri).await;
    assert_eq!(frame(&mut first).await, Value::Null);
    organization.agent_sets(&user, "Meal").expect("set");
    assert_eq!(
        frame(&mut second).await["eventBody"]["presenceDefinition"]["systemPresence"],
        "MEAL"
    );
    organization.warn_sockets();
    assert_eq!(frame(&mut second).await["topicName"], "v2.system.socket_closing");
    organization.cut_sockets();
    assert_eq!(frame(&mut second).await, Value::Null);
    organization.expire_channels();
    assert!(connect_async(&uri).await.is_err());
}

#[tokio::test]
async fn events_are_dropped_doubled_and_held_as_planned() {
    let (organization, client) = organization().await;
    let user = ann(&organization);
    let topic = format!("v2.users.{user}.presence");
    let (_, uri) = channel(&client, std::slice::from_ref(&topic)).await;
    let mut socket = connect(&uri).await;
    for fault in [EventFault::Drop, EventFault::Hold, EventFault::Double] {
        organization.spoil_event(&topic, fault);
    }
    for presence in ["Away", "Busy", "Meal"] {
        organization.agent_sets(&user, presence).expect("set");
    }
    organization.release_events();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let came = frame(&mut socket).await;
        seen.push(came["eventBody"]["presenceDefinition"]["systemPresence"].clone());
    }
    assert_eq!(seen, ["MEAL", "MEAL", "BUSY"]);
}

#[tokio::test]
async fn a_channel_has_a_thousand_topics_and_a_client_twenty_channels() {
    let (organization, client) = organization().await;
    let topic = |n: usize| format!("v2.users.00000000-05e7-4000-9000-{n:012}.activity");
    let topics: Vec<String> = (0..1000).map(topic).collect();
    let (id, uri) = channel(&client, &topics).await;
    let path = format!("{CHANNELS}/{id}/subscriptions");
    assert_eq!(client.post(&path, json!([{ "id": topic(1000) }])).await.status, 400);
    let odd = client.post(&path, json!([{ "id": "v2.users.*.activity" }])).await;
    assert_eq!((odd.status, odd.code()), (400, "notification.invalid.topic"));
    assert_eq!(client.get(&path).await.body["entities"].as_array().map(Vec::len), Some(1000));
    organization.take_permission("conversation:communication:view");
    let body = json!([{ "id": topic(1).replace("activity", "conversations") }]);
    assert_eq!(client.post(&path, body.clone()).await.status, 403);
    let answer = client.post(&format!("{path}?ignoreErrors=true"), body).await.body;
    assert_eq!(answer["entities"][0]["state"], "Rejected");

    let mut socket = connect(&uri).await;
    assert_eq!(
        ask(&mut socket, json!({ "message": "ping" })).await["eventBody"]["message"],
        "pong"
    );
    let (second, _) = channel(&client, &[]).await;
    for _ in 0..19 {
        channel(&client, &[]).await;
    }
    // The first is older and has a socket: the oldest without one went.
    assert_eq!(client.send("HEAD", &format!("{CHANNELS}/{id}"), None).await.status, 200);
    assert_eq!(client.raw("HEAD", &format!("{CHANNELS}/{second}"), None).await.status, 404);
    assert_eq!(client.get(CHANNELS).await.body["entities"].as_array().map(Vec::len), Some(20));
}
