//! Calls of a vendor who speaks gRPC: the same way out, with messages that follow each other.
//!
//! A call is an HTTP/2 request whose body stays open. What is sent goes through [`Stream::send`],
//! what comes is read by a task of its own into a short queue, so that whoever gives up waiting
//! loses nothing. Guard, proxy and certificates are those of every other request; each call
//! takes one request of the budget, and holds no place while it goes on. What a message
//! means, and what a status means, is the connector's to say.
//!
//! Source: "gRPC over HTTP2" of the gRPC project.

use super::{BODY_MAX, Http, Inner, guarded, plain};
use crate::{Error, Lane, Secret};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use reqwest::Body;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// Messages that were read and not yet asked for; past it the vendor is kept waiting.
const QUEUE: usize = 4;
/// How often a silent connection is asked whether it still is one, and how long it may think.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// In front of each message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// Which method is called, and with what besides its messages.
pub struct Rpc {
    url: Url,
    metadata: HeaderMap,
}

/// How a call ended that was not well.
#[derive(Debug)]
pub enum Failed {
    /// By the vendor's own word.
    Refused(Status),
    /// Nothing whole came back.
    Broken(Error),
}

/// A vendor's word at the end of a call; 0 is well.
#[derive(Debug)]
pub struct Status {
    pub code: u32,
    /// What was told besides; never shown whole.
    details: HeaderMap,
}

impl Status {
    /// One thing that was told besides the code.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.get(name).and_then(|value| value.to_str().ok())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl Rpc {
    /// # Errors
    /// `Invalid` naming `url` when the method cannot be named there.
    pub fn new(endpoint: &Url, method: &str) -> Result<Self, Error> {
        let url = endpoint.join(method).map_err(|_| Error::Invalid {
            field: Some("url".to_owned()),
            reason: "has no place for a method".to_owned(),
        })?;
        Ok(Self { url, metadata: HeaderMap::new() })
    }

    /// # Errors
    /// `Invalid` naming the metadata, whose value is not repeated.
    pub fn with(mut self, name: &'static str, value: &Secret) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| Error::Invalid {
            field: Some(name.to_owned()),
            reason: "cannot be sent".to_owned(),
        })?;
        value.set_sensitive(true);
        self.metadata.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    fn request(self, inner: &Inner, body: Body) -> Result<reqwest::Request, Error> {
        let client = inner.streams()?;
        let request = client.post(self.url).headers(self.metadata).body(body);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        request.build().map_err(|e| Error::unavailable(plain(e)))
    }
}

impl Inner {
    /// The client of calls that go on: it never gives a request up for its length.
    fn streams(&self) -> Result<reqwest::Client, Error> {
        if let Some(client) = self.streams.get() {
            return Ok(client.clone());
        }
        let builder = guarded(reqwest::Client::builder(), self.timeout, &self.network)
            .no_gzip()
            .http2_prior_knowledge()
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT);
        let client = builder.build().map_err(|e| Error::unavailable(plain(e)))?;
        Ok(self.streams.get_or_init(|| client).clone())
    }
}

impl Http {
    /// A call with one message each way.
    ///
    /// # Errors
    /// [`Failed`]; `RateLimited` by our own budget.
    pub async fn call(&self, lane: Lane, rpc: Rpc, message: &[u8]) -> Result<Vec<u8>, Failed> {
        self.check(&rpc.url)?;
        let passed = self.0.turnstile.pass(lane).await?;
        let request = rpc.request(&self.0, Body::from(framed(message)))?;
        let (tell, mut told) = mpsc::channel(QUEUE);
        let reading = read(self.0.streams()?, request, tell);
        let answer = async {
            let mut first = Err(Error::protocol("a call ended without an answer").into());
            while let Some(one) = told.recv().await {
                if one.is_err() || first.is_err() {
                    first = one;
                }
            }
            first
        };
        let whole = async { tokio::join!(reading, answer).1 };
        let outcome = tokio::time::timeout(self.0.timeout, whole).await.unwrap_or_else(|_| {
            let ms = self.0.timeout.as_millis();
            Err(Error::unavailable(format!("no whole answer within {ms} ms")).into())
        });
        passed.settle(matches!(outcome, Err(Failed::Broken(Error::Unavailable { .. }))));
        outcome
    }

    /// Begins a call in which both go on speaking.
    ///
    /// # Errors
    /// `RateLimited` by our own budget; `Unavailable` when the system is left alone because
    /// it was sick. That nobody answers is told by [`Stream::next`].
    pub async fn stream(&self, lane: Lane, rpc: Rpc) -> Result<Stream, Error> {
        self.check(&rpc.url)?;
        // A place would be held for as long as the stream: it is given back at once.
        drop(self.0.turnstile.pass(lane).await?);
        let (speak, body) = Channel::<Bytes, Infallible>::new(QUEUE);
        let request = rpc.request(&self.0, Body::wrap(body))?;
        let (tell, heard) = mpsc::channel(QUEUE);
        let reading = tokio::spawn(read(self.0.streams()?, request, tell));
        Ok(Stream { speak, heard, reading: reading.abort_handle() })
    }
}

/// A call that goes on; dropped, it ends.
pub struct Stream {
    speak: Sender<Bytes>,
    heard: mpsc::Receiver<Result<Vec<u8>, Failed>>,
    reading: tokio::task::AbortHandle,
}

impl Stream {
    /// # Errors
    /// `Unavailable` when nobody listens any more; [`Stream::next`] says why.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let sent = self.speak.send_data(framed(message)).await;
        sent.map_err(|_| Error::unavailable("the stream has ended"))
    }

    /// The next message; `None` when the vendor has ended the call well. May be given up at
    /// any time without losing one.
    ///
    /// # Errors
    /// [`Failed`], after which nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failed> {
        self.heard.recv().await.transpose()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Sends a request and tells every message of its answer, and at last how it ended if that
/// was not well.
async fn read(
    client: reqwest::Client,
    request: reqwest::Request,
    tell: mpsc::Sender<Result<Vec<u8>, Failed>>,
) {
    if let Err(failed) = read_all(client, request, &tell).await {
        // Nobody may be left to hear it.
        tell.send(Err(failed)).await.ok();
    }
}

async fn read_all(
    client: reqwest::Client,
    request: reqwest::Request,
    tell: &mpsc::Sender<Result<Vec<u8>, Failed>>,
) -> Result<(), Failed> {
    let answer = client.execute(request).await.map_err(|e| Error::unavailable(plain(e)))?;
    if answer.status().as_u16() != 200 {
        return Err(not_spoken(answer.status().as_u16()).into());
    }
    // A call that is refused at once has its status among the headers.
    if let Some(ended) = status(answer.headers()) {
        return ended;
    }
    let mut body = Body::from(answer);
    let mut pending = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Error::unavailable(plain(e)))?;
        match frame.into_data() {
            Ok(data) => pending.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let ended = status(&trailers);
                return ended.unwrap_or_else(|| Err(Error::protocol("no status").into()));
            }
        }
        while let Some(message) = taken(&mut pending)? {
            if tell.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
    }
    Err(Error::unavailable("the stream broke off").into())
}

/// What an answer means that is not gRPC at all.
fn not_spoken(status: u16) -> Error {
    match status {
        401 => Error::Unauthorized { reason: "status 401".to_owned() },
        403 => Error::Forbidden { missing: "status 403".to_owned() },
        429 => Error::RateLimited { retry_after: None },
        500.. => Error::unavailable(format!("status {status}")),
        _ => Error::protocol(format!("status {status}: gRPC is not spoken there")),
    }
}

/// How the call ended, if this says so.
fn status(told: &HeaderMap) -> Option<Result<(), Failed>> {
    let code = told.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    Some(match code {
        0 => Ok(()),
        code => Err(Failed::Refused(Status { code, details: told.clone() })),
    })
}

/// A message with its head.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

/// The first whole message of what has come, taken out of it.
fn taken(pending: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
    let Some((head, rest)) = pending.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [compressed, length @ ..] = *head;
    if compressed != 0 {
        return Err(Error::protocol("a compressed message that nobody asked for"));
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > BODY_MAX {
        return Err(Error::protocol("a message of more than 16 MiB"));
    }
    let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
    pending.drain(..HEAD + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::{framed, taken};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_were_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            cut in 1_usize..30,
        ) {
            let sent: Vec<u8> = messages.iter().flat_map(|one| framed(one).to_vec()).collect();
            let (mut pending, mut told) = (Vec::new(), Vec::new());
            for part in sent.chunks(cut) {
                pending.extend_from_slice(part);
                while let Some(message) = taken(&mut pending).expect("whole") {
                    told.push(message);
                }
            }
            prop_assert_eq!(told, messages);
            prop_assert!(pending.is_empty());
        }
    }

    #[test]
    fn what_is_too_long_or_compressed_is_given_up() {
        assert!(taken(&mut vec![0, 255, 255, 255, 255]).is_err());
        assert!(taken(&mut vec![1, 0, 0, 0, 0]).is_err());
        assert_eq!(taken(&mut vec![0, 0, 0, 0]), Ok(None));
    }
}
