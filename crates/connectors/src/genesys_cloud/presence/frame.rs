//! What comes through a channel's socket; pure.

use super::reading;
use domain::presence::{StatusId, Work};
use serde_json::Value;

/// One text of the platform.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// It says no more than that it is there.
    Alive,
    /// An agent's activity, as far as it was told; nothing of it where it cannot be read.
    Activity { agent: String, status: Option<(StatusId, u64)>, work: Option<(Work, u64)> },
    /// What an agent has open: nothing but after-call work?
    Summary { agent: String, is_after_call: bool },
    /// The socket will be closed: `v2.system.socket_closing`.
    Closing,
    /// The token of the channel is no good any more.
    Revoked,
    /// Somebody took the channel's subscriptions away.
    Unsubscribed,
}

pub(super) fn activity(agent: &str) -> String {
    format!("v2.users.{agent}.activity")
}

pub(super) fn summary(agent: &str) -> String {
    format!("v2.users.{agent}.conversationsummary")
}

/// Which agent a topic of ours is about.
pub(super) fn agent(topic: &str) -> Option<&str> {
    topic.strip_prefix("v2.users.")?.split_once('.').map(|(agent, _)| agent)
}

/// What cannot be read at all is taken as a sign of life.
pub(super) fn read(text: &str) -> Frame {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let (topic, body) = (frame["topicName"].as_str().unwrap_or_default(), &frame["eventBody"]);
    if let Some(told) = topic.strip_prefix("v2.system.") {
        return system(told);
    }
    let Some((agent, kind)) = topic.strip_prefix("v2.users.").and_then(|rest| rest.split_once('.'))
    else {
        return Frame::Alive;
    };
    let agent = agent.to_owned();
    match kind {
        "activity" => {
            let told = |part: &Value| !part.is_null();
            let (presence, routing) = (&body["presence"], &body["routingStatus"]);
            let status = dated(reading::shown(presence));
            let work = dated(reading::work(routing));
            let is_whole = told(presence) == status.is_some() && told(routing) == work.is_some();
            if is_whole {
                Frame::Activity { agent, status, work }
            } else {
                Frame::Activity { agent, status: None, work: None }
            }
        }
        "conversationsummary" => {
            Frame::Summary { agent, is_after_call: reading::is_after_call(body).unwrap_or(false) }
        }
        _ => Frame::Alive,
    }
}

fn system(told: &str) -> Frame {
    match told.split('.').next() {
        Some("socket_closing") => Frame::Closing,
        Some("token_revoked") => Frame::Revoked,
        Some("no_longer_subscribed") => Frame::Unsubscribed,
        _ => Frame::Alive,
    }
}

/// News without a date cannot be put in order.
fn dated<T>(read: Result<(T, Option<u64>), kit::Error>) -> Option<(T, u64)> {
    let (value, version) = read.ok()?;
    Some((value, version?))
}

#[cfg(test)]
mod tests {
    use super::{Frame, read};
    use domain::presence::{StatusId, Work};
    use serde_json::{Value, json};

    fn told(topic: &str, body: Value) -> Frame {
        read(&json!({ "topicName": topic, "version": "2", "eventBody": body }).to_string())
    }

    #[test]
    fn an_activity_tells_what_it_dates_and_nothing_of_what_it_does_not() {
        let presence = json!({
            "presenceDefinition": { "id": "d", "systemPresence": "ON_QUEUE" },
            "modifiedDate": "1970-01-01T00:00:01.000Z",
        });
        let routing = json!({ "status": "INTERACTING", "startTime": "1970-01-01T00:00:02.000Z" });
        let undated = json!({ "status": "INTERACTING" });
        let status = || Some((StatusId::from("d"), 1_000));
        let work = || Some((Work::Handling, 2_000));
        for (body, status, work) in [
            (json!({ "presence": presence, "routingStatus": routing }), status(), work()),
            (json!({ "routingStatus": routing }), None, work()),
            (json!({ "presence": presence }), status(), None),
            (json!({ "presence": presence, "routingStatus": undated }), None, None),
            (json!({}), None, None),
        ] {
            let expected = Frame::Activity { agent: "a".to_owned(), status, work };
            assert_eq!(told("v2.users.a.activity", body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn what_the_platform_says_of_the_channel_itself_is_understood() {
        let body = || json!({ "message": "…" });
        assert_eq!(told("v2.system.socket_closing", body()), Frame::Closing);
        assert_eq!(told("v2.system.token_revoked.x-1", body()), Frame::Revoked);
        assert_eq!(told("v2.system.no_longer_subscribed.x-1", body()), Frame::Unsubscribed);
        assert_eq!(told("channel.metadata", body()), Frame::Alive);
        assert_eq!(told("v2.users.a.presence", body()), Frame::Alive);
        assert_eq!(read("no JSON"), Frame::Alive);
        let summary = json!({ "call": { "contactCenter": { "active": 0, "acw": 1 } } });
        let expected = Frame::Summary { agent: "a".to_owned(), is_after_call: true };
        assert_eq!(told("v2.users.a.conversationsummary", summary), expected);
    }
}
