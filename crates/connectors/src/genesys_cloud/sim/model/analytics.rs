//! Answers the conversation details query, as far as a middleware asks it.
//!
//! The interval selects conversations started on a day it touches. Filters of
//! dimensions with `matches`, `exists` and `notExists`, joined by `and` or `or`, one
//! level deep; a dimension the simulator does not keep is refused rather than
//! ignored. Participants come without attributes, as the vendor's do.

use serde_json::{Value, json};

use super::conversations::{Conversation, Participant};
use super::dates;
use super::problem::Problem;
use super::world::World;

const MOST_PER_PAGE: usize = 100;

/// `POST /analytics/conversations/details/query`.
pub(crate) fn query(world: &World, body: &Value) -> Result<Value, Problem> {
    let interval = body.get("interval").and_then(Value::as_str).unwrap_or_default();
    let (from, to) = dates::interval_in_days(interval).ok_or_else(Problem::invalid_date)?;
    let paging =
        |name: &str, default: usize| match body.get("paging").and_then(|paging| paging.get(name)) {
            None => Ok(default),
            Some(value) => {
                let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
                number.filter(|number| *number > 0).ok_or_else(Problem::malformed)
            }
        };
    let (size, number) = (paging("pageSize", 25)?, paging("pageNumber", 1)?);
    if size > MOST_PER_PAGE {
        return Err(Problem::bad_request(format!("The page size is at most {MOST_PER_PAGE}."))
            .at("max.size", "paging.pageSize"));
    }
    let mut found = Vec::new();
    for conversation in
        world.conversations.order.iter().filter_map(|id| world.conversations.get(id).ok())
    {
        let day = (from..to).contains(&conversation.started_at);
        let (whole, parts) = (body.get("conversationFilters"), body.get("segmentFilters"));
        if day && passes(whole, conversation, None)? && any_leg(parts, conversation)? {
            found.push(conversation);
        }
    }
    match body.get("order").and_then(Value::as_str).unwrap_or("asc") {
        "desc" => found.sort_by_key(|one| std::cmp::Reverse(one.started_at)),
        "asc" | "unordered" => found.sort_by_key(|one| one.started_at),
        other => {
            return Err(Problem::invalid_value("order", other, "String", "asc, desc, unordered"));
        }
    }
    let page = found.iter().skip(size.saturating_mul(number - 1)).take(size);
    let conversations: Vec<Value> = page.map(|one| render(one)).collect();
    Ok(json!({ "conversations": conversations, "totalHits": found.len() }))
}

fn any_leg(filters: Option<&Value>, conversation: &Conversation) -> Result<bool, Problem> {
    for participant in &conversation.participants {
        if passes(filters, conversation, Some(participant))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn passes(
    filters: Option<&Value>,
    of: &Conversation,
    leg: Option<&Participant>,
) -> Result<bool, Problem> {
    for filter in filters.and_then(Value::as_array).into_iter().flatten() {
        let predicates = filter.get("predicates").and_then(Value::as_array);
        let answers: Result<Vec<bool>, Problem> =
            predicates.into_iter().flatten().map(|predicate| holds(predicate, of, leg)).collect();
        let answers = answers?;
        let pass = match filter.get("type").and_then(Value::as_str) {
            Some("or") => answers.iter().any(|answer| *answer),
            _ => answers.iter().all(|answer| *answer),
        };
        if !pass {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(predicate: &Value, of: &Conversation, leg: Option<&Participant>) -> Result<bool, Problem> {
    let dimension = predicate.get("dimension").and_then(Value::as_str).unwrap_or_default();
    let have: Option<&str> = match (dimension, leg) {
        ("conversationId", None) => Some(of.id.as_str()),
        ("originatingDirection", None) | ("direction", Some(_)) => Some(direction(of)),
        ("mediaType", Some(_)) => Some("voice"),
        ("queueId", Some(leg)) => leg.queue.as_ref().map(|(id, _)| id.as_str()),
        ("purpose", Some(leg)) => Some(leg.purpose),
        ("ani", Some(leg)) => Some(leg.ani.as_str()),
        ("dnis", Some(leg)) => Some(leg.dnis.as_str()),
        ("externalContactId", Some(leg)) => leg.external_contact.as_deref(),
        ("userId", Some(leg)) => leg.user.as_deref(),
        _ => {
            return Err(Problem::invalid_value(
                "dimension",
                dimension,
                "Dimension",
                "those this simulator keeps",
            ));
        }
    };
    Ok(match predicate.get("operator").and_then(Value::as_str).unwrap_or("matches") {
        "exists" => have.is_some(),
        "notExists" => have.is_none(),
        _ => have.is_some() && have == predicate.get("value").and_then(Value::as_str),
    })
}

fn direction(of: &Conversation) -> &'static str {
    if of.outbound { "outbound" } else { "inbound" }
}

fn render(conversation: &Conversation) -> Value {
    let leg = |one: &Participant| {
        let mut segment = json!({
            "conference": false,
            "segmentStart": dates::iso(conversation.started_at),
            "segmentType": "interact",
        });
        if let Some(ended_at) = conversation.ended_at {
            segment["segmentEnd"] = dates::iso(ended_at).into();
            segment["disconnectType"] = "peer".into();
        }
        if let Some((queue, _)) = &one.queue {
            segment["queueId"] = queue.clone().into();
        }
        let mut participant = json!({
            "participantId": one.id,
            "participantName": one.name,
            "purpose": one.purpose,
            "sessions": [{
                "sessionId": one.communication,
                "mediaType": "voice",
                "direction": direction(conversation),
                "ani": one.ani,
                "dnis": one.dnis,
                "provider": "Edge",
                "segments": [segment],
            }],
        });
        if let Some(contact) = &one.external_contact {
            participant["externalContactId"] = contact.clone().into();
        }
        if let Some(user) = &one.user {
            participant["userId"] = user.clone().into();
        }
        participant
    };
    let mut body = json!({
        "conversationId": conversation.id,
        "conversationStart": dates::iso(conversation.started_at),
        "originatingDirection": direction(conversation),
        "divisionIds": [],
        "participants": conversation.participants.iter().map(leg).collect::<Vec<_>>(),
    });
    if let Some(ended_at) = conversation.ended_at {
        body["conversationEnd"] = dates::iso(ended_at).into();
    }
    body
}
