//! A stream over a WebSocket (RFC 6455).
//!
//! Each message is one text. What the client sends is not read but for its being there:
//! an answer to our pings, a close. A client that takes too long to read, is silent for
//! too long or talks too much is let go; it comes back with its last id.

use super::session::Session;
use super::wire::{Message, What};
use crate::http::server::Place;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use axum::response::Response;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The subprotocol that is agreed on where one is offered. A browser that passes its
/// token as a second one needs an answer.
pub(in crate::http) const PROTOCOL: &str = "tieline.v1";
/// Bytes of what a client sends: a pong, a close.
const READ_MAX: usize = 1_024;
/// Bytes that wait to be written; the largest message is far below.
const WRITE_MAX: usize = 512 * 1_024;
/// How long the client may take to make room for one message.
const SEND_MAX: Duration = Duration::from_secs(20);
/// A client that has not answered for so many heartbeats is gone, but a slow one (a page
/// in the background) is given this long.
const SILENT_BEATS: u32 = 3;
const SILENT_MIN: Duration = Duration::from_secs(10);
/// Frames of a client between two heartbeats: it has nothing to say.
const FRAMES_MAX: u32 = 100;
/// How long a goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

pub(super) fn respond(
    upgrade: WebSocketUpgrade,
    session: Session,
    place: Option<Place>,
) -> Response {
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX)
        .max_message_size(READ_MAX)
        .max_frame_size(READ_MAX);
    upgrade.on_upgrade(async move |socket| {
        carry(socket, session).await;
        // It has counted as a connection until here.
        drop(place);
    })
}

async fn carry(mut socket: WebSocket, mut session: Session) {
    let mut heard_at = Instant::now();
    let mut frames = 0;
    loop {
        let message = tokio::select! {
            message = session.next() => message,
            frame = socket.recv() => match frame {
                None | Some(Err(_) | Ok(Frame::Close(_))) => return,
                Some(Ok(_)) => {
                    heard_at = Instant::now();
                    frames += 1;
                    if frames > FRAMES_MAX {
                        return close(socket, 1008, "it has nothing to say").await;
                    }
                    continue;
                }
            },
        };
        if !send(&mut socket, &message).await {
            return;
        }
        session.sent(message.what);
        if let Some(code) = message.close_code {
            return close(socket, code, "").await;
        }
        if message.what == What::Heartbeat {
            frames = 0;
            let silent_max = (session.heartbeat * SILENT_BEATS).max(SILENT_MIN);
            if heard_at.elapsed() > silent_max {
                return;
            }
        }
    }
}

/// Whether the client has taken it, or at least made room.
async fn send(socket: &mut WebSocket, message: &Message) -> bool {
    let text = Frame::Text(message.json.as_str().into());
    let sent = timeout(SEND_MAX, async {
        if message.what == What::Heartbeat {
            socket.send(Frame::Ping(Default::default())).await?;
        }
        socket.send(text).await
    });
    matches!(sent.await, Ok(Ok(())))
}

/// Says goodbye and waits for the answer, so that what was sent last arrives.
async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
    let goodbye = timeout(CLOSE_MAX, async {
        if socket.send(frame).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    });
    goodbye.await.ok();
}
