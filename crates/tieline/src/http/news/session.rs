//! One stream, whatever carries it: news, signs of life, and why it ends.
//!
//! [`Session::next`] gives the next message again and again until it was [`Session::sent`],
//! so a carrier may drop it to listen to its client and loses nothing. At every sign of
//! life, and before every piece of news, it is looked whether the token or key still
//! opens this stream; when not, or when the server stops, the last message says so.

use super::Asked;
use super::wire::{Message, What};
use crate::config::StreamsSection;
use crate::http::access::Caller;
use crate::http::{ApiError, App, Shared};
use axum::http::StatusCode;
use engine::{Feed, Following, Told};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// When a place may be free again.
const RETRY_AFTER_S: u64 = 5;

/// What all streams share.
pub struct Streams {
    pub feed: Feed,
    places: Arc<Semaphore>,
    heartbeat: Duration,
    stop: watch::Receiver<bool>,
}

impl Streams {
    pub fn new(
        feed: Feed,
        section: &StreamsSection,
        connections_max: usize,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let most = connections_max.saturating_sub(connections_max / 4).max(1);
        let places = Arc::new(Semaphore::new(section.max.min(most)));
        // A stream that says so all the time says nothing else.
        let heartbeat = section.heartbeat.0.max(Duration::from_millis(100));
        Self { feed, places, heartbeat, stop }
    }
}

/// One stream.
pub struct Session {
    shared: Shared,
    caller: Caller,
    following: Following,
    stop: watch::Receiver<bool>,
    /// The next sign of life is due.
    due: Instant,
    pub(super) heartbeat: Duration,
    _place: OwnedSemaphorePermit,
}

impl Session {
    /// Begins to follow.
    ///
    /// # Errors
    /// Where there are too many streams already.
    pub(super) fn begin(
        app: App,
        caller: Caller,
        asked: Asked,
        after: Option<i64>,
    ) -> Result<Self, ApiError> {
        let streams = &app.streams;
        let place = Arc::clone(&streams.places).try_acquire_owned().map_err(|_| {
            let message = "There are as many streams as this node may have.";
            let fix = "Ask for the news without a stream, come back later, or raise streams.max.";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stream.too_many", message, fix)
                .retry_after(RETRY_AFTER_S)
        })?;
        let following = streams.feed.follow(asked.topic, asked.call, after);
        let (stop, heartbeat) = (streams.stop.clone(), streams.heartbeat);
        let due = Instant::now() + heartbeat;
        app.engine.metrics.stream_opened();
        Ok(Self { shared: app.shared(), caller, following, stop, due, heartbeat, _place: place })
    }

    /// The next message. Until it was sent it comes again.
    pub(super) async fn next(&mut self) -> Message {
        loop {
            let wake = self.wake();
            let told = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return Message::closed(&stopping()),
                () = tokio::time::sleep_until(wake) => None,
                told = self.following.next() => Some(told),
            };
            if let Err(refused) = self.shared.access.still(&self.caller).await {
                return Message::closed(&refused);
            }
            match told {
                None if Instant::now() < self.due => {} // the token's end was near, and is not here yet
                None => return Message::heartbeat(self.following.place(), self.now()),
                Some(Ok(Told::Anew(id))) => return Message::anew(id),
                Some(Ok(Told::News(news))) => match self.shared.live.now().card(&news.call).await {
                    Ok(Some(card)) => return Message::news(&news, card),
                    // Its call is forgotten: there is nothing to be told any more.
                    Ok(None) => self.following.was_told(),
                    Err(error) => return Message::closed(&error.into()),
                },
                Some(Err(error)) => return Message::closed(&error.into()),
            }
        }
    }

    /// The message is on its way.
    pub(super) fn sent(&mut self, what: What) {
        match what {
            What::Heartbeat => self.due = Instant::now() + self.heartbeat,
            What::News => self.following.was_told(),
            What::Closed => {}
        }
    }

    fn now(&self) -> domain::Timestamp {
        self.shared.live.now().clock.now()
    }

    /// The next sign of life, or the end of the token if that comes first.
    fn wake(&self) -> Instant {
        let left = self.caller.expires_at.map(|end| end.since(self.now()));
        left.map_or(self.due, |left| self.due.min(Instant::now() + left))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.live.now().metrics.stream_closed();
    }
}

fn stopping() -> ApiError {
    let message = "This node stops.";
    let fix = "Connect anew after a moment: another node answers, or this one is back.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stream.stopping", message, fix).retry_after(1)
}
