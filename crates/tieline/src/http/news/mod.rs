//! News of a call or an agent: one address each, over WebSocket, as server-sent events,
//! or asked for now and then.
//!
//! The request says which: an upgrade, `Accept: text/event-stream`, or neither. All three
//! tell the same messages ([`wire`]) under the same ids, so that a client may fall from one
//! to the next and go on after the last id it has seen. [`session`] is one stream, whatever
//! carries it ([`ws`], [`sse`]). The token is never a cookie: a page of any origin that has
//! none sees nothing, and one that has one may.

mod session;
mod sse;
mod wire;
mod ws;

pub use session::Streams;
use wire::{MessageBody, NewsBatch};

use super::access::Caller;
use super::error::ErrorBody;
use super::input::{Params, Segment};
use super::{ApiError, App};
use axum::Json;
use axum::extract::{FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::CallId;
use serde::Deserialize;
use session::Session;
use state::Topic;
use utoipa::IntoParams;

/// Where a stream goes on, in both directions.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NewsQuery {
    /// The last id that was seen; the header `Last-Event-ID` goes before it. Without
    /// either: everything that is kept, which is the last hour.
    #[param(schema_with = super::schemas::news_id)]
    after: Option<String>,
    /// An agent's token, where no header can be sent: a browser's WebSocket and
    /// EventSource. Never a key.
    #[allow(dead_code, reason = "read before the routes")]
    access_token: Option<String>,
}

/// Whose news.
struct Asked {
    topic: Topic,
    call: Option<CallId>,
}

/// News of one call. A WebSocket when upgraded, a stream of server-sent events with
/// `Accept: text/event-stream`, otherwise what there is, with an `ETag`.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}/news", tag = "news",
    params(("callId" = String, Path, description = "The contact center's id of the conversation"), NewsQuery),
    responses(
        (status = 101, description = "WebSocket: each message is a MessageBody", body = MessageBody),
        (status = 200, description = "What there is; as `text/event-stream`, each `data` is a MessageBody", body = NewsBatch),
        (status = 304, description = "Nothing since the `ETag` of `If-None-Match`"),
        (status = 400, body = ErrorBody), (status = 404, description = "No call can have this id", body = ErrorBody),
        (status = 503, description = "Too many streams", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn of_call(
    State(app): State<App>,
    caller: Caller,
    Segment(call): Segment,
    Params(query): Params<NewsQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = CallId::new(&call).ok_or_else(ApiError::unknown_call)?;
    refuse_others(&app, &caller, &call).await?;
    let asked = Asked { topic: app.engine.store.call_topic(&call), call: Some(call) };
    answer(app, caller, asked, query, request).await
}

/// News that concern one agent: of calls that are theirs when it happens. As for a call.
#[utoipa::path(
    get, path = "/api/v1/agents/{agentId}/news", tag = "news",
    params(("agentId" = String, Path, description = "The agent's id in the contact center"), NewsQuery),
    responses(
        (status = 101, description = "WebSocket: each message is a MessageBody", body = MessageBody),
        (status = 200, description = "What there is; as `text/event-stream`, each `data` is a MessageBody", body = NewsBatch),
        (status = 304, description = "Nothing since the `ETag` of `If-None-Match`"),
        (status = 400, body = ErrorBody), (status = 503, description = "Too many streams", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn of_agent(
    State(app): State<App>,
    caller: Caller,
    Segment(agent): Segment,
    Params(query): Params<NewsQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let agent = match &caller.agent {
        None => agent,
        Some(_) if caller.call.is_some() => return Err(not_yours("agentId")),
        Some(signed_in) => {
            let own = own_id(&app, &caller).ok_or_else(|| not_known(&caller))?;
            // By either of their ids it is their own.
            if agent.trim() != &**signed_in && agent.trim() != own {
                return Err(not_yours("agentId"));
            }
            own
        }
    };
    let asked = Asked { topic: app.engine.store.agent_topic(&agent), call: None };
    answer(app, caller, asked, query, request).await
}

/// Refuses an agent whose call it is not. A key is no agent's.
pub(super) async fn refuse_others(
    app: &App,
    caller: &Caller,
    call: &CallId,
) -> Result<(), ApiError> {
    if caller.agent.is_none() {
        return Ok(());
    }
    let is_for_it = caller.call.as_deref().is_none_or(|only| *only == *call.as_str());
    let is_theirs = match (&caller.connection, &caller.call) {
        _ if !is_for_it => false,
        // Whoever holds a key has named the call, and knows whose it is.
        (None, Some(_)) => true,
        // Whom a vendor has signed in names any call they like.
        (Some(_), _) | (None, None) => match own_id(app, caller) {
            Some(agent) => app.engine.store.is_agent_of(&agent, call).await?,
            None => return Err(not_known(caller)),
        },
    };
    if is_theirs { Ok(()) } else { Err(not_yours("callId")) }
}

/// The contact center's id of the agent who asks. Whom another system signed in has an id
/// there, which may be anybody's here: a team that keeps presence knows which agent it is.
fn own_id(app: &App, caller: &Caller) -> Option<String> {
    let agent = caller.agent.as_deref()?;
    let center = app.engine.connections.contact_center();
    match caller.connection.as_deref() {
        None => Some(agent.to_owned()),
        Some(name) if center.is_some_and(|center| center.name == name) => Some(agent.to_owned()),
        Some(name) => app.engine.presence.center_of(agent, name),
    }
}

/// Nobody here knows which agent of the contact center somebody is.
fn not_known(caller: &Caller) -> ApiError {
    let at = caller.connection.as_deref().unwrap_or_default();
    let message = format!("Which agent of the contact center this user of {at} is, is not known.");
    let fix = "Put them into a team of [[presence]], or let the page hand a token over: POST \
               /api/v1/agent-tokens.";
    ApiError::new(StatusCode::FORBIDDEN, "stream.agent_unknown", message, fix).at("agentId")
}

fn not_yours(at: &str) -> ApiError {
    let message = "This token is for another agent or another call.";
    let fix = "Use a token for this agent: POST /api/v1/agent-tokens.";
    ApiError::new(StatusCode::FORBIDDEN, "stream.not_yours", message, fix).at(at)
}

/// In the way that the request asks for.
async fn answer(
    app: App,
    caller: Caller,
    asked: Asked,
    query: NewsQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let after = after(&parts.headers, query.after.as_deref())?;
    let mut response = if has_word(&parts.headers, &header::UPGRADE, "websocket") {
        let upgrade = upgrade(&mut parts).await?;
        let session = Session::begin(app, caller, asked, after)?;
        ws::respond(upgrade, session, parts.extensions.remove())
    } else if has_word(&parts.headers, &header::ACCEPT, "text/event-stream") {
        sse::respond(Session::begin(app, caller, asked, after)?)
    } else {
        batch(&app, &asked, after, &parts.headers).await?
    };
    let headers = response.headers_mut();
    // The token is no cookie: whichever page has it was given it.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("etag, last-event-id");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    Ok(response)
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split([',', ';']));
    words.any(|said| said.trim().eq_ignore_ascii_case(word))
}

/// The id after which to go on. A browser that connects anew sends the header, and the
/// address as it was first.
fn after(headers: &HeaderMap, query: Option<&str>) -> Result<Option<i64>, ApiError> {
    let header = headers.get(&LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let Some(text) = header.or(query).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let is_id = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    let id = text.parse().ok().filter(|_| is_id);
    id.map(Some).ok_or_else(|| {
        let fix = "Pass an id as it was told, or leave it out to read everything that is kept.";
        ApiError::field("after", "after is no id of a piece of news.", fix)
    })
}

async fn upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, ApiError> {
    WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|_| {
        let message = "The request is no WebSocket handshake of version 13.";
        ApiError::field("Upgrade", message, "Use a WebSocket client (RFC 6455).")
    })
}

/// What there is now. Its tag says which news it holds, so that asking again costs
/// nothing until there are others.
async fn batch(
    app: &App,
    asked: &Asked,
    after: Option<i64>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let batch = app.streams.feed.batch(asked.topic, asked.call.as_ref(), after).await?;
    let ids = (batch.news.first(), batch.news.last());
    let (first, last) = (ids.0.map_or(0, |news| news.id), ids.1.map_or(0, |news| news.id));
    let tag = format!("W/\"{}-{first}-{last}\"", i32::from(batch.is_anew));
    let is_known = has_word(headers, &header::IF_NONE_MATCH, &tag);
    let next = batch.next;
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(NewsBatch::of(&app.engine, batch).await?).into_response()
    };
    let headers = response.headers_mut();
    let tag = HeaderValue::from_str(&tag);
    tag.into_iter().for_each(|tag| drop(headers.insert(header::ETAG, tag)));
    headers.insert(LAST_EVENT_ID, next.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::{LAST_EVENT_ID, after, has_word};
    use axum::http::{HeaderMap, header};

    #[test]
    fn the_header_goes_before_the_parameter() {
        let mut headers = HeaderMap::new();
        assert_eq!(after(&headers, None).expect("none"), None);
        assert_eq!(after(&headers, Some("")).expect("none"), None);
        assert_eq!(after(&headers, Some("7")).expect("an id"), Some(7));
        for odd in [" ", "+1", "-1", "x", "7.5", "99999999999999999999"] {
            assert_eq!(after(&headers, Some(odd)).expect_err(odd).at, "after");
        }
        headers.insert(LAST_EVENT_ID, "9".parse().expect("a header"));
        assert_eq!(after(&headers, Some("7")).expect("an id"), Some(9));
    }

    #[test]
    fn a_word_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "text/html, text/event-stream;q=0.9".parse().expect("one"));
        assert!(has_word(&headers, &header::ACCEPT, "text/event-stream"));
        assert!(!has_word(&headers, &header::ACCEPT, "text/event"));
        assert!(!has_word(&headers, &header::UPGRADE, "websocket"));
    }
}
