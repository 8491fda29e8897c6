//! One connection that asks, reads the whole answer and judges it.
//!
//! A connection that breaks is opened anew (at most `MOST_REOPENS` times); the
//! question it carried is lost and counted, never repeated.

use crate::Shift;
use crate::order::Order;
use crate::report::Samples;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

const MOST_REOPENS: u32 = 1_000;

type Wire = SendRequest<Full<Bytes>>;

/// Asks until the shift is over and returns what it saw.
pub(crate) async fn work(shift: Arc<Shift>) -> Samples {
    let mut samples = Samples::default();
    let mut reopens = 0;
    let mut wire = None;
    while let Some((index, due)) = next(&shift) {
        sleep_until(due).await;
        if wire.is_none() {
            reopens += 1;
            if reopens > MOST_REOPENS {
                samples.lose("the connection broke too often");
                return samples;
            }
            wire = match open(&shift.order.to, shift.order.lost_after).await {
                Ok(opened) => Some(opened),
                Err(reason) => {
                    samples.lose(&reason);
                    continue;
                }
            };
        }
        let Some(open) = wire.as_mut() else { continue };
        // Closed loop: the clock starts now. Open loop: when it should have been asked.
        let from = if shift.order.rate.is_some() { due } else { Instant::now() };
        let asked = ask(open, &shift, index);
        match timeout_at(from + shift.order.lost_after, asked).await {
            Ok(Ok((status, body))) => {
                samples.judge(from.elapsed(), status, &body, shift.order.expect.as_deref());
            }
            Ok(Err(reason)) => {
                samples.lose(&reason);
                wire = None;
            }
            Err(_) => {
                samples.lose("no answer in time");
                wire = None;
            }
        }
    }
    samples
}

/// The next question's index and its moment; `None` when the shift is over.
fn next(shift: &Shift) -> Option<(u64, Instant)> {
    let index = shift.next.fetch_add(1, Ordering::Relaxed);
    if index >= shift.order.count {
        return None;
    }
    match shift.order.rate {
        Some(rate) => {
            let offset = Duration::from_secs_f64(index as f64 / rate);
            (offset < shift.order.duration).then(|| (index, shift.begin + offset))
        }
        None => {
            let now = Instant::now();
            (now < shift.begin + shift.order.duration).then_some((index, now))
        }
    }
}

async fn open(to: &str, limit: Duration) -> Result<Wire, String> {
    let socket = timeout(limit, TcpStream::connect(to))
        .await
        .map_err(|_| "connecting took too long".to_owned())?
        .map_err(|reason| format!("cannot connect: {}", reason.kind()))?;
    socket.set_nodelay(true).map_err(|reason| format!("no TCP_NODELAY: {}", reason.kind()))?;
    let (wire, connection) =
        handshake(TokioIo::new(socket)).await.map_err(|_| "no HTTP handshake".to_owned())?;
    // Ends with the socket; what went wrong on it, the request tells.
    tokio::spawn(connection);
    Ok(wire)
}

/// What the question says.
fn body(order: &Order, index: u64) -> String {
    let of = |all: &[String]| {
        let which = usize::try_from(index).unwrap_or(usize::MAX) % all.len().max(1);
        all.get(which).cloned().unwrap_or_default()
    };
    if order.bodies.is_empty() {
        return format!(
            "{{\"fromNumber\":\"{}\",\"toNumber\":\"+15550190000\",\"callId\":\"load-{}-{index}\",\"type\":\"inbound\"}}",
            of(&order.numbers),
            order.run
        );
    }
    let call = |index: u64| format!("load-{}-{index}", order.run);
    of(&order.bodies)
        .replace("@call@", &call(index))
        .replace("@again@", &call(index.saturating_sub(1)))
}

async fn ask(wire: &mut Wire, shift: &Shift, index: u64) -> Result<(StatusCode, Bytes), String> {
    let order = &shift.order;
    let body = body(order, index);
    let mut request = Request::post(order.path.as_str())
        .header(header::HOST, order.to.as_str())
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = &order.key {
        request = request.header("X-API-Key", key.as_str());
    }
    let request = request.body(Full::from(body)).map_err(|_| "a request that is none")?;
    wire.ready().await.map_err(|_| "the connection was closed")?;
    let answer = wire.send_request(request).await.map_err(|_| "the connection broke")?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|_| "the answer broke off")?;
    Ok((status, body.to_bytes()))
}
