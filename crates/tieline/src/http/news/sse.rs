//! A stream as server-sent events (the WHATWG's HTML standard, 9.2).
//!
//! Heartbeats are events with an id, not comments: a page can tell that it is stale, and
//! a browser that connects anew goes on from the newest place. A reader that does not
//! read is not written to, and a peer that is gone is noticed by the connection
//! (`http/server.rs`).

use super::session::Session;
use super::wire::Message;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use std::convert::Infallible;
use std::fmt::Write as _;

/// What a browser waits before it connects anew.
const HELLO: &[u8] = b"retry: 2000\n\n";

pub(super) fn respond(session: Session) -> Response {
    let hello = stream::iter([Ok::<_, Infallible>(Bytes::from_static(HELLO))]);
    let frames = stream::unfold(Some(session), |session| async {
        let mut session = session?;
        let message = session.next().await;
        session.sent(message.what);
        let goes_on = message.close_code.is_none();
        Some((Ok(frame(&message)), goes_on.then_some(session)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that gathers would hold news back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(hello.chain(frames))).into_response()
}

fn frame(message: &Message) -> Bytes {
    let mut frame = String::with_capacity(message.json.len() + 64);
    if let Some(id) = message.id {
        // A text takes all that is written to it.
        let _ = writeln!(frame, "id: {id}");
    }
    // JSON has no line break outside of its texts, and none inside them.
    let _ = write!(frame, "event: {}\ndata: {}\n\n", message.kind, message.json);
    frame.into()
}
