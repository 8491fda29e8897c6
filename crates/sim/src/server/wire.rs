//! The faults that happen on the wire itself: a reset, and a body that stops.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A connection that ends in a TCP reset when its [`Reset`] was asked for.
pub(super) struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

/// Asks for the reset of one connection.
#[derive(Clone)]
pub(super) struct Reset(Arc<AtomicBool>);

/// The request was left without an answer, on purpose.
#[derive(Debug)]
pub(super) struct Unanswered;

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Wire, Reset) {
        let reset = Arc::new(AtomicBool::new(false));
        (Wire { stream, reset: Arc::clone(&reset) }, Reset(reset))
    }
}

impl Reset {
    /// The connection is reset as soon as it is dropped; the error makes that now.
    pub(super) fn now(&self) -> Unanswered {
        self.0.store(true, Ordering::Relaxed);
        Unanswered
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Lingering for zero seconds makes the kernel send RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("left unanswered by a planned fault")
    }
}

impl Error for Unanswered {}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What follows the half body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing, for good.
    Hang,
    /// The connection is closed.
    Close,
}

/// A body that gives what it has and then stops short of its `content-length`.
pub(super) struct Cut {
    first: Option<Bytes>,
    then: Then,
    flush: Pin<Box<Sleep>>,
}

impl Cut {
    pub(super) fn new(first: Bytes, then: Then) -> Cut {
        // The pause lets the half go out before the error tears the connection down.
        let flush = Box::pin(sleep(Duration::from_millis(2)));
        Cut { first: Some(first).filter(|bytes| !bytes.is_empty()), then, flush }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = Unanswered;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unanswered>>> {
        if let Some(half) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        match self.then {
            Then::Hang => Poll::Pending,
            Then::Close => self.flush.as_mut().poll(cx).map(|()| Some(Err(Unanswered))),
        }
    }
}
