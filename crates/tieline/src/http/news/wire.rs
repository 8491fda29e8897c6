//! What a stream says, as JSON. The same bodies over every carrier.

use crate::http::ApiError;
use crate::http::events::OutcomeBody;
use crate::http::lookup::json;
use axum::http::StatusCode;
use domain::{Contact, Timestamp};
use engine::feed::Batch;
use engine::{Card, Engine};
use serde::Serialize;
use state::News;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One message of a stream. `heartbeat`, `reset` and `closed` are of the stream itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageBody {
    /// Where to go on: pass it as `after`, or as `Last-Event-ID`. Empty when closed.
    #[schema(example = "4711")]
    id: String,
    /// `identified`, `candidates`, `enriched`, `context_changed`, `ended`; `heartbeat`,
    /// `reset` (what came after the id that was asked for is not kept any more: all that
    /// is kept follows) or `closed`.
    #[serde(rename = "type")]
    #[schema(example = "identified")]
    kind: &'static str,
    /// When it happened.
    at: String,
    /// The call as it is known now, which may be later than this piece of news.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CardBody>,
    /// Why the stream is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<ClosedBody>,
}

/// A call as an agent sees it. Always whole: what is not known is empty.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardBody {
    call_id: String,
    direction: &'static str,
    media_type: &'static str,
    queue: String,
    from_number: String,
    arrived_at: String,
    /// `CRM:{id}` of a confirmed record, `PHONE:{hash}`, or `UNKNOWN`.
    external_id: String,
    /// `hit`, `miss`, `partial`, `ambiguous` or `unknown`.
    status: &'static str,
    name: String,
    email: String,
    /// Where the record is shown to a person; empty where its system has no such page.
    url: String,
    /// Customer data by configured names, and `previousInteractionCount`.
    data: BTreeMap<String, serde_json::Value>,
    /// When the customer's own system said so; empty where nobody is known.
    as_of: String,
    /// Who it could be, where nobody was chosen.
    candidates: Vec<CandidateBody>,
    /// What is kept of this call.
    call_data: BTreeMap<String, serde_json::Value>,
    outcome: OutcomeBody,
    /// What its queue's CRM was asked behind an answer: the flat answer, `pending` until it
    /// is done; empty where it was asked for nothing.
    enrichment: BTreeMap<String, serde_json::Value>,
}

/// Somebody whom a call could be from.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateBody {
    external_id: String,
    name: String,
}

/// Why a stream is closed, as an error says it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClosedBody {
    code: &'static str,
    message: String,
    fix: String,
    /// Not before this is it worth connecting anew; 0: not with this token or key.
    retry_after_ms: u64,
}

/// What there is, for who asks now and then.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewsBatch {
    /// Oldest first.
    news: Vec<MessageBody>,
    /// Ask for what comes after this next; also in the header `Last-Event-ID`, which
    /// rises while there is nothing new as well.
    next: String,
    /// There is more already.
    more: bool,
    /// What came after the id that was asked for is not kept any more: this is all that is.
    reset: bool,
}

impl From<Card> for CardBody {
    fn from(card: Card) -> Self {
        let call = card.call.call;
        let contact = card.contact.unwrap_or_default();
        let values = |all: BTreeMap<String, domain::Value>| {
            all.into_iter().map(|(name, value)| (name, json(value))).collect()
        };
        let Contact { name, email, url, data, .. } = contact;
        let mut data: BTreeMap<String, serde_json::Value> = values(data);
        data.insert("previousInteractionCount".to_owned(), card.call.earlier_calls.into());
        let candidates = card
            .candidates
            .into_iter()
            .map(|one| CandidateBody { external_id: one.external_id.to_string(), name: one.name });
        Self {
            call_id: call.id.to_string(),
            direction: call.direction.as_str(),
            media_type: call.media.as_str(),
            queue: call.queue.unwrap_or_default(),
            from_number: call.number.unwrap_or_default(),
            arrived_at: call.arrived_at.to_string(),
            external_id: call.external_id.to_string(),
            status: call.status.as_str(),
            name,
            email: email.unwrap_or_default(),
            url: url.unwrap_or_default(),
            data,
            as_of: card.as_of.map(|at| at.to_string()).unwrap_or_default(),
            candidates: candidates.collect(),
            call_data: values(card.kept),
            outcome: OutcomeBody::of(card.outcome),
            enrichment: card.enrichment.map(|one| values(one.flat())).unwrap_or_default(),
        }
    }
}

impl NewsBatch {
    /// Calls of which several are told are read once.
    pub(super) async fn of(engine: &Engine, batch: Batch) -> Result<Self, ApiError> {
        let mut cards: BTreeMap<&str, Option<CardBody>> = BTreeMap::new();
        for news in &batch.news {
            if !cards.contains_key(news.call.as_str()) {
                let card = engine.card(&news.call).await?.map(CardBody::from);
                cards.insert(news.call.as_str(), card);
            }
        }
        let news = batch.news.iter().filter_map(|news| {
            let card = cards.get(news.call.as_str()).cloned().flatten()?;
            Some(MessageBody::of(news, card))
        });
        let news = news.collect();
        let next = batch.next.to_string();
        Ok(Self { news, next, more: batch.has_more, reset: batch.is_anew })
    }
}

impl MessageBody {
    fn of(news: &News, card: CardBody) -> Self {
        let (id, at) = (news.id.to_string(), news.at.to_string());
        Self { id, kind: news.kind.as_str(), at, call: Some(card), closed: None }
    }
}

/// A message, ready for any carrier.
pub struct Message {
    pub what: What,
    pub id: Option<i64>,
    pub kind: &'static str,
    pub json: String,
    /// For a carrier that tells by a number why it ends; none while it goes on.
    pub close_code: Option<u16>,
}

/// What its having been sent means to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    News,
    Heartbeat,
    Closed,
}

impl Message {
    fn new(what: What, id: Option<i64>, body: &MessageBody) -> Self {
        // Texts, numbers, lists and maps: there is nothing JSON cannot hold.
        let json = serde_json::to_string(body).unwrap_or_default();
        Self { what, id, kind: body.kind, json, close_code: None }
    }

    pub(super) fn news(news: &News, card: Card) -> Self {
        Self::new(What::News, Some(news.id), &MessageBody::of(news, card.into()))
    }

    pub(super) fn anew(id: i64) -> Self {
        Self::new(What::News, Some(id), &plain("reset", Some(id), String::new()))
    }

    pub(super) fn heartbeat(id: Option<i64>, now: Timestamp) -> Self {
        Self::new(What::Heartbeat, id, &plain("heartbeat", id, now.to_string()))
    }

    pub(super) fn closed(error: &ApiError) -> Self {
        // RFC 6455: 1008 against our policy, 1011 an error of ours, 1012 we restart.
        let close_code = match error.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => 1008,
            _ if error.code == "stream.stopping" => 1012,
            _ => 1011,
        };
        let retry_after_ms = match close_code {
            1008 => 0,
            _ => error.retry_after_s.max(1) * 1_000,
        };
        let mut body = plain("closed", None, String::new());
        body.closed = Some(ClosedBody {
            code: error.code,
            message: error.message.clone().into_owned(),
            fix: error.fix.clone().into_owned(),
            retry_after_ms,
        });
        Self { close_code: Some(close_code), ..Self::new(What::Closed, None, &body) }
    }
}

fn plain(kind: &'static str, id: Option<i64>, at: String) -> MessageBody {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    MessageBody { id, kind, at, call: None, closed: None }
}
