//! Puts a simulated vendor on a loopback port, with its faults in front.
//!
//! [`start`] binds 127.0.0.1 only; each connection is one task, each request goes
//! through `answer`: note it, ask the plan, hand it to the router, spoil the answer
//! if so planned (`wire` does that on the wire itself). `/_sim/faults` and
//! `/_sim/requests` (see `control`) are never spoilt and never recorded.
//!
//! [`Running::stop`] lets requests in flight finish for a second; dropping aborts.

mod control;
mod wire;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::faults::{Fault, Faults};

/// Connections open at once; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 10_000;
/// Bytes of one request body; a larger one is answered 413.
const MOST_REQUEST: usize = 64 * 1024 * 1024;
/// How long [`Running::stop`] waits for requests in flight.
const GRACE: Duration = Duration::from_secs(1);

/// A simulator that answers on its address until stopped or dropped.
pub struct Running {
    /// Where it listens; the port is the one asked for, or a free one for 0.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl Running {
    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts nothing more and gives requests in flight a second; what hangs then is cut.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

/// Serves `router` on 127.0.0.1:`port` (0 takes a free port) and follows `faults`.
///
/// Fails where the port cannot be bound.
pub async fn start(router: Router, port: u16, faults: Faults) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let accepting = Some(tokio::spawn(accept(listener, router, faults, stopped)));
    Ok(Running { address, stop, accepting })
}

/// The same for a vendor who answers a request whole: its head and its body, of which at
/// most `most` bytes are read, and none of one that is longer.
///
/// Fails where the port cannot be bound.
pub async fn start_whole(
    port: u16,
    faults: Faults,
    most: usize,
    answer: impl Fn(&Parts, &Bytes) -> Response + Clone + Send + Sync + 'static,
) -> io::Result<Running> {
    let serve = move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, most).await.unwrap_or_default();
            answer(&parts, &body)
        }
    };
    start(Router::new().fallback(serve), port, faults).await
}

async fn accept(
    listener: TcpListener,
    router: Router,
    faults: Faults,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    while !*stopped.borrow() {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            (accepted, place) = next => {
                // A peer that is gone before it was accepted is no reason to end.
                let (Ok((stream, _)), Ok(place)) = (accepted, place) else { continue };
                let (router, faults, stopped) = (router.clone(), faults.clone(), stopped.clone());
                connections.spawn(async move {
                    serve(stream, router, faults, stopped).await;
                    drop(place);
                });
            }
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection until it closes, or until the grace after `stopped` is over.
async fn serve(
    stream: TcpStream,
    router: Router,
    faults: Faults,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let (wire, reset) = wire::Wire::new(stream);
    let vendor = TowerToHyperService::new(router);
    let service =
        service_fn(move |request| answer(vendor.clone(), faults.clone(), reset.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(GRACE, connection).await;
        }
    }
}

/// One request, from arrival to answer; an error closes the connection unanswered.
async fn answer(
    vendor: TowerToHyperService<Router>,
    faults: Faults,
    reset: wire::Reset,
    request: Request<hyper::body::Incoming>,
) -> Result<Response, wire::Unanswered> {
    if let Some(answer) = control::handle(&request) {
        return Ok(answer.run(&faults, request).await);
    }
    let request = request.map(Body::new);
    if request.uri().path().starts_with("/_sim/") {
        return Ok(ask(&vendor, request).await);
    }
    let (request, number) = match note(&faults, request).await {
        Ok(noted) => noted,
        Err(refused) => return Ok(refused),
    };
    let target = request.uri().path_and_query().map_or("/", |both| both.as_str());
    let (delay, fault) = faults.next(request.method().as_str(), target);
    let answer = match fault {
        None => ask(&vendor, request).await,
        Some(fault) => spoil(fault, &faults, &vendor, &reset, request).await?,
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let Some(number) = number {
        faults.requests().answered(number, answer.status().as_u16());
    }
    Ok(answer)
}

/// Records the request where recording is on; that reads its whole body.
async fn note(
    faults: &Faults,
    request: Request<Body>,
) -> Result<(Request<Body>, Option<u64>), Response> {
    if !faults.requests().is_on() {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let bytes = match to_bytes(body, MOST_REQUEST).await {
        Ok(bytes) => bytes,
        Err(_) => return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    };
    let number = faults.requests().arrived(&parts, &bytes);
    Ok((Request::from_parts(parts, Body::from(bytes)), Some(number)))
}

async fn ask(vendor: &TowerToHyperService<Router>, request: Request<Body>) -> Response {
    let answer: Result<Response, Infallible> = vendor.call(request).await;
    answer.unwrap_or_else(|never| match never {})
}

async fn spoil(
    fault: Fault,
    faults: &Faults,
    vendor: &TowerToHyperService<Router>,
    reset: &wire::Reset,
    request: Request<Body>,
) -> Result<Response, wire::Unanswered> {
    let own = |name: &str| {
        faults.vendor_answer(name).unwrap_or_else(|| {
            let text = format!("this simulator has no answer of its own named {name}");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        })
    };
    Ok(match fault {
        Fault::Hang => std::future::pending().await,
        Fault::Reset => return Err(reset.now()),
        Fault::HangMidBody => halve(ask(vendor, request).await, wire::Then::Hang).await,
        Fault::Truncate => halve(ask(vendor, request).await, wire::Then::Close).await,
        Fault::Status { code, body } => status(code, body),
        Fault::Html200 => page(StatusCode::OK, SICK_PAGE.to_owned()),
        Fault::Unauthorized => own("unauthorized"),
        Fault::Throttled => own("throttled"),
        Fault::Vendor(name) => own(&name),
        Fault::Slow { ms } => {
            let answer = ask(vendor, request).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer
        }
    })
}

/// The same status and headers, `content-length` for the whole body, half of it sent.
async fn halve(answer: Response, then: wire::Then) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // An answer without a body gets one that never comes, or nothing would be cut.
    let whole = if whole.is_empty() { Bytes::from_static(b"  ") } else { whole };
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    if parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED {
        parts.status = StatusCode::OK;
    }
    let half = whole.slice(..whole.len() / 2);
    Response::from_parts(parts, Body::new(wire::Cut::new(half, then)))
}

fn status(code: u16, body: Option<String>) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        None => code.into_response(),
        Some(text) if text.starts_with(['{', '[']) => {
            (code, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], text).into_response()
        }
        Some(text) => page(code, text),
    }
}

fn page(code: StatusCode, text: String) -> Response {
    (code, [(header::CONTENT_TYPE, "text/html;charset=UTF-8")], text).into_response()
}

const SICK_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Please wait</title></head>\
<body><h1>We are down for maintenance.</h1><p>This page refreshes by itself.</p></body></html>\n";

#[cfg(test)]
mod tests;
