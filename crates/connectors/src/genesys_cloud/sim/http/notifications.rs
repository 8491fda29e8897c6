//! The notification service: channels, their subscriptions, and the socket of each.
//!
//! `connectUri` leads back here; the id in it is all that a socket needs. A socket that is
//! replaced, cut, or too slow is closed; nothing is sent again. Which permission a topic
//! wants is `Config::topic_permissions`: the vendor's list of topics is not to be had.
//! Frames over the socket beyond `ping` are those that a public client uses.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::super::model::problem::Problem;
use super::super::model::{channels, dates};
use super::gate::Operation;
use super::platform::{Answer, Ask, Platform, Reply, now, ok};

const CHANNELS: &str = "/api/v2/notifications/channels";
const CHANNEL: &str = "/api/v2/notifications/channels/{channelId}";
const TOPICS: &str = "/api/v2/notifications/channels/{channelId}/subscriptions";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::POST, CHANNELS, &[], open),
    Operation::new(Method::GET, CHANNELS, &[], list),
    Operation::new(Method::HEAD, CHANNEL, &[], check),
    Operation::new(Method::GET, TOPICS, &[], topics),
    Operation::new(Method::POST, TOPICS, &[], add),
    Operation::new(Method::PUT, TOPICS, &[], replace),
    Operation::new(Method::DELETE, TOPICS, &[], clear),
];

fn client(platform: &Platform, ask: &Ask) -> Result<String, Problem> {
    let grant = platform.tokens.check(&ask.token).map_err(|_| Problem::bad_credentials())?;
    Ok(grant.subject)
}

fn render(platform: &Platform, id: &str, expires_at: i64) -> Value {
    let address = platform.address.get().cloned().unwrap_or_default();
    json!({
        "id": id,
        "connectUri": format!("ws://{address}/channels/{id}"),
        "expires": dates::iso(expires_at),
    })
}

fn open(platform: &Platform, ask: &Ask) -> Answer {
    let client = client(platform, ask)?;
    let id = format!("streaming-0-{}", platform.correlation_id());
    let mut channels = platform.channels();
    channels.open(&id, &client, &ask.token, ask.now);
    let made = channels.list(&client, None, ask.now).pop().ok_or_else(Problem::not_found)?;
    ok(render(platform, &made.0, made.1))
}

fn list(platform: &Platform, ask: &Ask) -> Answer {
    let is_all = ask.text("includechannels") == Some("oauthclient");
    let token = (!is_all).then_some(ask.token.as_str());
    let found = platform.channels().list(&client(platform, ask)?, token, ask.now);
    let entities: Vec<_> = found.iter().map(|(id, end)| render(platform, id, *end)).collect();
    ok(json!({ "entities": entities }))
}

fn check(platform: &Platform, ask: &Ask) -> Answer {
    topics(platform, ask).map(|_| Reply { status: 200, body: None })
}

fn topics(platform: &Platform, ask: &Ask) -> Answer {
    let client = client(platform, ask)?;
    let found = platform.channels().topics(ask.param("channelId"), &client, ask.now)?;
    ok(json!({ "entities": found.iter().map(|id| permitted(id)).collect::<Vec<_>>() }))
}

fn permitted(topic: &str) -> Value {
    json!({ "id": topic, "state": "Permitted" })
}

fn add(platform: &Platform, ask: &Ask) -> Answer {
    subscribe(platform, ask, false)
}

fn replace(platform: &Platform, ask: &Ask) -> Answer {
    subscribe(platform, ask, true)
}

fn subscribe(platform: &Platform, ask: &Ask, is_whole: bool) -> Answer {
    let ignores = ask.flag("ignoreErrors")?;
    let wanted = ask.body.as_array().ok_or_else(Problem::malformed)?;
    let (mut taken, mut entities) = (Vec::new(), Vec::new());
    for topic in wanted.iter().map(|one| one["id"].as_str().unwrap_or_default()) {
        match may_hear(platform, topic) {
            Ok(()) => {
                taken.push(topic.to_owned());
                entities.push(permitted(topic));
            }
            Err((problem, missing)) if ignores => entities.push(json!({
                "id": topic,
                "state": "Rejected",
                "rejectionReason": problem.message,
                "missingPermissions": missing,
            })),
            Err((problem, _)) => return Err(problem),
        }
    }
    let client = client(platform, ask)?;
    let id = ask.param("channelId");
    platform.channels().subscribe(id, &client, &taken, is_whole, ask.now)?;
    ok(json!({ "entities": entities }))
}

/// Why a topic is refused, and the permission that is missing.
fn may_hear(platform: &Platform, topic: &str) -> Result<(), (Problem, Vec<String>)> {
    let template = channels::template(topic).map_err(|problem| (problem, Vec::new()))?;
    let wanted = platform.config.topic_permissions.iter();
    match wanted.into_iter().find(|(known, _)| known == template || known == topic) {
        Some((_, wanted)) => {
            platform.permit(&[wanted.as_str()]).map_err(|problem| (problem, vec![wanted.clone()]))
        }
        None => Ok(()),
    }
}

fn clear(platform: &Platform, ask: &Ask) -> Answer {
    let client = client(platform, ask)?;
    platform.channels().subscribe(ask.param("channelId"), &client, &[], true, ask.now)?;
    Ok(Reply { status: 200, body: None })
}

/// `GET /channels/{id}`: the socket of a channel.
pub(crate) async fn connect(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some((number, frames)) = platform.channels().connect(&id, now()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    upgrade.on_upgrade(async move |socket| {
        speak(&platform, (&id, number), socket, frames).await;
        platform.channels().leave(&id, number);
    })
}

/// Until either side ends it.
async fn speak(
    platform: &Platform,
    (id, number): (&str, u64),
    mut socket: WebSocket,
    mut frames: Receiver<String>,
) {
    let period = platform.config.heartbeat;
    let mut heartbeat = tokio::time::interval_at(Instant::now() + period, period);
    loop {
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => frame,
                None => break,
            },
            came = socket.recv() => match came {
                Some(Ok(Message::Text(text))) => answer(platform, id, &text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = heartbeat.tick() => metadata("WebSocket Heartbeat"),
        };
        if platform.channels().is_mute(number) {
            continue;
        }
        if socket.send(Message::Text(Utf8Bytes::from(frame))).await.is_err() {
            return;
        }
    }
    let _ = socket.send(Message::Close(None)).await;
}

fn metadata(message: &str) -> String {
    json!({ "topicName": "channel.metadata", "eventBody": { "message": message } }).to_string()
}

fn answer(platform: &Platform, id: &str, text: &str) -> String {
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let reply = match asked["message"].as_str() {
        Some("ping") => return metadata("pong"),
        Some("subscribe") => subscribed(platform, id, &asked),
        _ => Err(("404", "The message is not known.".to_owned())),
    };
    let mut reply = match reply {
        Ok(()) => json!({ "result": "200", "status": "subscribed" }),
        Err((code, message)) => json!({ "result": code, "status": "failure", "message": message }),
    };
    if let Some(correlation) = asked.get("correlationId") {
        reply["correlationId"] = correlation.clone();
    }
    reply.to_string()
}

fn subscribed(platform: &Platform, id: &str, asked: &Value) -> Result<(), (&'static str, String)> {
    let topics = asked["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let topics: Vec<String> =
        topics.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect();
    for topic in &topics {
        may_hear(platform, topic).map_err(|(problem, _)| ("400", problem.message))?;
    }
    let done = platform.channels().subscribe(id, "", &topics, false, now());
    done.map_err(|problem| ("400", problem.message))
}
