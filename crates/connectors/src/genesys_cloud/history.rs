//! What Genesys Cloud remembers of calls: the conversation details query, day by day.
//!
//! The platform selects conversations that started on a day which the interval touches,
//! so a span is asked for in whole days (UTC) and what lies outside of it is dropped here.
//! Pages of a day shift while calls go on: the same conversation may come twice, and
//! whoever reads drops it by its id. Contacts that the platform made by itself expire 60
//! days after their last interaction; [`Past::promote`] makes them curated ones.

use super::client::{Send, refused};
use super::events::Events;
use super::platform::Platform;
use async_trait::async_trait;
use domain::{CallId, Direction, MediaType, Timestamp};
use kit::{CallEvents as _, Error, History, PastCall, PastPage};
use serde_json::{Value, json};
use std::sync::Arc;

/// Conversations on a page: what every account of the vendor's limit allows.
const PAGE: u64 = 100;
/// Pages of one day. The vendor answers a query with 100,000 conversations at most.
const PAGES_MAX: u64 = 1_000;
const DAY_MS: i64 = 86_400_000;
/// Contacts fetched in one request. The vendor states no limit but the size of the request.
const PROMOTE_MAX: usize = 50;

/// The past of one organization.
pub(super) struct Past {
    pub(super) platform: Arc<Platform>,
    pub(super) events: Events,
}

/// A page of a day: where the next request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The day's first millisecond.
    day: i64,
    /// From 1.
    page: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (day, page) = text.split_once(' ')?;
        let (day, page) = (day.parse().ok()?, page.parse().ok()?);
        (page > 0 && page <= PAGES_MAX && day % DAY_MS == 0).then_some(Self { day, page })
    }

    /// After a page, as far as the day's total says; `None` past the last day.
    fn next(self, total: u64, until: Timestamp) -> Option<Self> {
        if self.page * PAGE < total {
            return Some(Self { page: self.page + 1, ..self });
        }
        let day = self.day + DAY_MS;
        (day < until.0).then_some(Self { day, page: 1 })
    }
}

#[async_trait]
impl History for Past {
    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        cursor: Option<&str>,
    ) -> Result<PastPage, Error> {
        if since >= until {
            return Ok(PastPage { calls: Vec::new(), next: None });
        }
        let first = Place { day: since.0 - since.0.rem_euclid(DAY_MS), page: 1 };
        let unreadable = || Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "it names no page of a day".to_owned(),
        };
        let place = cursor.map_or(Some(first), Place::parse).ok_or_else(unreadable)?;
        let from = Timestamp(place.day).max(since);
        let to = Timestamp(place.day + DAY_MS).min(until);
        let query = json!({
            "interval": format!("{from}/{to}"),
            "order": "asc",
            "orderBy": "conversationStart",
            "paging": { "pageSize": PAGE, "pageNumber": place.page },
        });
        let path = "analytics/conversations/details/query";
        let answer = self.platform.client.send(Send::Post(&query), path).await?.json()?;
        let total = answer.get("totalHits").and_then(Value::as_u64).unwrap_or(0);
        if total > PAGE * PAGES_MAX {
            let most = PAGE * PAGES_MAX;
            let reason = format!("a day has {total} conversations; a query tells {most} of them");
            return Err(Error::Invalid { field: Some("interval".to_owned()), reason });
        }
        // A day without any conversation comes without the list.
        let found = answer.get("conversations").and_then(Value::as_array);
        let mut calls = Vec::new();
        for conversation in found.into_iter().flatten() {
            let past = self.read(conversation)?;
            if (since..until).contains(&past.started) {
                calls.push(past);
            }
        }
        let next = place.next(total, until);
        Ok(PastPage { calls, next: next.map(|Place { day, page }| format!("{day} {page}")) })
    }

    fn promote_max(&self) -> usize {
        PROMOTE_MAX
    }

    async fn promote(
        &self,
        contacts: &[String],
        is_dry: bool,
    ) -> Result<Vec<Result<bool, Error>>, Error> {
        if !self.platform.policy.promote || contacts.is_empty() {
            return Ok(contacts.iter().map(|_| Ok(false)).collect());
        }
        let asked: Vec<Value> = contacts.iter().map(|id| json!({ "id": id })).collect();
        let body = json!({ "entities": asked });
        let path = "externalcontacts/bulk/contacts";
        let answer = self.platform.client.send(Send::Post(&body), path).await?.json()?;
        let mut outcomes = Vec::with_capacity(contacts.len());
        for id in contacts {
            outcomes.push(match kind(&answer, id) {
                Ok("Curated") => Ok(false),
                Ok(_) if is_dry => Ok(true),
                Ok(_) => self.promote_one(id).await.map(|()| true),
                Err(error) => Err(error),
            });
        }
        Ok(outcomes)
    }
}

impl Past {
    async fn promote_one(&self, contact: &str) -> Result<(), Error> {
        let path = format!("externalcontacts/contacts/{contact}/promotion");
        self.platform.client.send(Send::PostNothing, &path).await.map(drop)
    }

    fn read(&self, of: &Value) -> Result<PastCall, Error> {
        let text = |key: &str| of.get(key).and_then(Value::as_str);
        let id = text("conversationId").and_then(CallId::new);
        let started = text("conversationStart").and_then(Timestamp::parse);
        let (Some(call), Some(started)) = (id, started) else {
            return Err(Error::protocol("a conversation without its id or its start"));
        };
        let direction = match text("originatingDirection") {
            Some("outbound") => Direction::Outbound,
            _ => Direction::Inbound,
        };
        let customer = participants(of, &["customer", "external"]).find(|one| has_a_call(one));
        let session =
            customer.and_then(|one| sessions(one).find(|session| media(session).is_some()));
        let (address, dialled) = session.map_or((None, None), |s| addresses(s, direction));
        let own = |key: &str| customer.and_then(|one| one.get(key)?.as_str()).map(str::to_owned);
        let agents = || participants(of, &["agent", "user"]);
        let user = agents().filter_map(|one| one.get("userId")?.as_str()).last();
        let queue = agents().chain(participants(of, &["acd"])).filter_map(queue_of).last();
        Ok(PastCall {
            call,
            direction,
            media: session.and_then(media).unwrap_or(MediaType::Voice),
            address,
            dialled,
            queue: queue.or_else(|| customer.and_then(queue_of)),
            user: user.map(str::to_owned),
            started,
            ended: text("conversationEnd").and_then(Timestamp::parse),
            contact: own("externalContactId"),
            events: self.events.read(of).transpose()?.unwrap_or_default(),
        })
    }
}

fn participants<'a>(of: &'a Value, purposes: &'a [&str]) -> impl Iterator<Item = &'a Value> {
    let all = of.get("participants").and_then(Value::as_array).into_iter().flatten();
    all.filter(move |one| {
        one.get("purpose").and_then(Value::as_str).is_some_and(|word| purposes.contains(&word))
    })
}

fn sessions(of: &Value) -> impl Iterator<Item = &Value> {
    of.get("sessions").and_then(Value::as_array).into_iter().flatten()
}

fn has_a_call(participant: &Value) -> bool {
    sessions(participant).any(|session| media(session).is_some())
}

/// A callback, a shared screen or a video is no call of its own.
fn media(session: &Value) -> Option<MediaType> {
    match session.get("mediaType")?.as_str()? {
        "voice" | "unknown" => Some(MediaType::Voice),
        "chat" => Some(MediaType::Chat),
        "message" => Some(MediaType::Message),
        "email" => Some(MediaType::Email),
        _ => None,
    }
}

/// The customer's address and the number of ours that was dialled.
fn addresses(session: &Value, direction: Direction) -> (Option<String>, Option<String>) {
    let text = |key: &str| {
        let text = session.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    match direction {
        Direction::Inbound => (text("ani").or_else(|| text("addressFrom")), text("dnis")),
        Direction::Outbound => (text("dnis").or_else(|| text("addressTo")), None),
    }
}

fn queue_of(participant: &Value) -> Option<String> {
    let segments =
        sessions(participant).filter_map(|session| session.get("segments")?.as_array()).flatten();
    let queues = segments.filter_map(|segment| segment.get("queueId")?.as_str());
    queues.last().map(str::to_owned)
}

/// What the platform calls a contact: `Ephemeral`, `Identified` or `Curated`. An id of a
/// merged contact answers with the contact it became.
fn kind<'a>(answer: &'a Value, contact: &str) -> Result<&'a str, Error> {
    let results = answer.get("results").and_then(Value::as_array);
    for result in results.into_iter().flatten() {
        let error = result.get("error").unwrap_or(&Value::Null);
        let id = result.get("id").or_else(|| error.get("entity")?.get("id"));
        if id.and_then(Value::as_str) != Some(contact) {
            continue;
        }
        if result.get("success") == Some(&Value::Bool(true)) {
            // Where the platform does not say, the contact was made on purpose.
            let kind = result.get("entity").and_then(|entity| entity.get("type")?.as_str());
            return Ok(kind.unwrap_or("Curated"));
        }
        let status = error.get("status").or(result.get("status")).and_then(Value::as_u64);
        return Err(refused(status.and_then(|s| u16::try_from(s).ok()).unwrap_or(0), error));
    }
    Err(Error::protocol("a bulk answer that lacks a result"))
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, PAGE, Place};
    use domain::Timestamp;

    #[test]
    fn a_span_is_walked_page_by_page_and_day_by_day() {
        let until = Timestamp(2 * DAY_MS + 5);
        let first = Place { day: 0, page: 1 };
        let second = first.next(PAGE + 1, until).expect("another page");
        assert_eq!(second, Place { day: 0, page: 2 });
        let day = second.next(PAGE + 1, until).expect("another day");
        assert_eq!(day, Place { day: DAY_MS, page: 1 });
        assert_eq!(day.next(0, until), Some(Place { day: 2 * DAY_MS, page: 1 }));
        assert_eq!(Place { day: 2 * DAY_MS, page: 1 }.next(PAGE, until), None);
        assert_eq!(day.next(0, Timestamp(2 * DAY_MS)), None, "the end is not part of it");
    }

    #[test]
    fn a_cursor_is_read_or_refused() {
        assert_eq!(Place::parse("86400000 3"), Some(Place { day: DAY_MS, page: 3 }));
        for wrong in ["", "0", "1 1", "0 0", "0 1001", "x 1"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
