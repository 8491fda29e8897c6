//! Whole conversations: as analytics tells them, and as the conversation's own page.
//!
//! Both list participants, their sessions and, of each, the segments: the times in
//! which somebody spoke, was on hold or worked on. They differ in their names only.

use super::{Fields, invalid, is_a_call, is_transfer, text, time};
use domain::timeline::{Event, Kind, Session, Side};
use domain::{CallId, Timestamp};
use kit::Error;
use serde_json::{Map, Value};

/// What one of the two forms calls its parts.
struct Form {
    id: &'static str,
    started: &'static str,
    ended: &'static str,
    sessions: &'static str,
    session_id: &'static str,
    segment_type: &'static str,
    segment_start: &'static str,
    segment_end: &'static str,
}

/// `AnalyticsConversation`
const ANALYTICS: Form = Form {
    id: "conversationId",
    started: "conversationStart",
    ended: "conversationEnd",
    sessions: "sessions",
    session_id: "sessionId",
    segment_type: "segmentType",
    segment_start: "segmentStart",
    segment_end: "segmentEnd",
};

/// `Conversation`
const CONVERSATION: Form = Form {
    id: "id",
    started: "startTime",
    ended: "endTime",
    sessions: "calls",
    session_id: "id",
    segment_type: "type",
    segment_start: "startTime",
    segment_end: "endTime",
};

/// The events of a whole conversation, or of several; `None` when it is none.
pub(super) fn read(fields: &Fields) -> Option<Result<Vec<Event>, Error>> {
    if let Some(all) = fields.get("conversations").and_then(Value::as_array) {
        let each = all.iter().map(|one| {
            one.as_object().and_then(read).unwrap_or_else(|| Err(invalid("conversations")))
        });
        return Some(each.collect::<Result<Vec<_>, _>>().map(|all| all.concat()));
    }
    let form = match () {
        () if !fields.get("participants").is_some_and(Value::is_array) => return None,
        () if fields.contains_key(ANALYTICS.started) => &ANALYTICS,
        () if fields.contains_key(CONVERSATION.started) => &CONVERSATION,
        () => return None,
    };
    Some(form.read(fields))
}

impl Form {
    fn read(&self, fields: &Fields) -> Result<Vec<Event>, Error> {
        let call = text(fields, self.id).and_then(|id| CallId::new(&id));
        let call = call.ok_or_else(|| invalid(self.id))?;
        let started = time(fields, self.started).ok_or_else(|| invalid(self.started))?;
        let mut events = vec![Event::new(call.clone(), started, Kind::Started)];
        for participant in objects(fields, "participants") {
            let side = match text(participant, "purpose").unwrap_or_default().as_str() {
                "customer" | "external" => Side::Customer,
                "agent" | "user" => Side::Agent,
                _ => continue, // menus, queues, voicemail
            };
            for session in objects(participant, self.sessions) {
                if is_a_call(text(session, "mediaType").as_deref()) {
                    events.extend(self.session(&call, side, participant, session)?);
                }
            }
        }
        if let Some(ended) = time(fields, self.ended) {
            let ended = Event::new(call, ended, Kind::Ended);
            events.push(Event { is_whole: true, ..ended });
        }
        Ok(events)
    }

    fn session(
        &self,
        call: &CallId,
        side: Side,
        participant: &Fields,
        session: &Fields,
    ) -> Result<Vec<Event>, Error> {
        let id = text(session, self.session_id).ok_or_else(|| invalid(self.session_id))?;
        let of_session = |at, kind| Event {
            session: Some(Session { id: id.clone(), side }),
            agent: text(participant, "userId"),
            queue: text(participant, "queueId"),
            ..Event::new(call.clone(), at, kind)
        };
        let (mut events, mut left, mut goes_on) = (Vec::new(), None, false);
        for segment in objects(session, "segments") {
            let from = time(segment, self.segment_start);
            let from = from.ok_or_else(|| invalid(self.segment_start))?;
            let until = time(segment, self.segment_end);
            let queue = text(segment, "queueId");
            let what = text(segment, self.segment_type).unwrap_or_default().to_ascii_lowercase();
            let mut event = Event { until, ..of_session(from, spent(&what, until.is_some())) };
            event.queue = queue.or(event.queue);
            if what == "wrapup" {
                event.wrap_up = text(segment, "wrapUpCode");
                event.notes = text(segment, "wrapUpNote");
            } else {
                goes_on |= until.is_none();
                let is_transfer = is_transfer(text(segment, "disconnectType").as_deref());
                left = left.max(until.map(|until| (until, is_transfer)));
            }
            events.push(event);
        }
        if let Some((at, is_transfer)) = left.filter(|_| !goes_on) {
            events.push(Event { is_transfer, ..of_session(at, Kind::Left) });
        }
        events.extend(self.after_call_work(participant, session, of_session));
        Ok(events)
    }

    /// The conversation's own page keeps it beside the segments.
    fn after_call_work(
        &self,
        participant: &Fields,
        session: &Fields,
        of_session: impl Fn(Timestamp, Kind) -> Event,
    ) -> Option<Event> {
        let empty = Map::new();
        let part = |of: &Fields, key| of.get(key).and_then(Value::as_object).cloned();
        let work = part(session, "afterCallWork")?;
        let from = time(&work, "startTime")?;
        let until = time(&work, "endTime")?;
        let wrap_up = part(participant, "wrapup").unwrap_or(empty);
        Some(Event {
            until: Some(until),
            wrap_up: text(&wrap_up, "code"),
            notes: text(&wrap_up, "notes"),
            ..of_session(from, Kind::Worked)
        })
    }
}

/// What a segment's time was spent on; of one without an end, what began with it.
fn spent(segment: &str, has_ended: bool) -> Kind {
    match (segment, has_ended) {
        ("interact", true) => Kind::Talked,
        ("interact", false) => Kind::Connected,
        ("hold", true) => Kind::WasHeld,
        ("hold", false) => Kind::Held,
        ("wrapup", true) => Kind::Worked,
        ("wrapup", false) => Kind::WorkBegun,
        // Ringing, dialing, menus.
        _ => Kind::Joined,
    }
}

fn objects<'a>(of: &'a Fields, key: &str) -> impl Iterator<Item = &'a Fields> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
