//! Accepts connections, and lets them end when told to stop.
//!
//! Bounded: so many connections at once, so long for a request's head. Draining
//! answers what has been read and closes idle connections.

use super::access::Access;
use super::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::watch;

/// A listening socket that accepts nothing yet.
pub struct Bound {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// A client may take this long to send a request's head, counted from the end of
/// the one before: longer than proxies keep idle connections (usually 60 s), or
/// they would send into closed ones.
const HEAD_MAX: Duration = Duration::from_secs(90);

/// Binds, so that a taken port is told before anything else starts.
pub fn bind(address: SocketAddr) -> std::io::Result<Bound> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(1_024)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

/// What stands between a connection and the routes.
#[derive(Clone)]
pub struct Front {
    pub access: Arc<Access>,
    /// `None`: plain HTTP.
    pub tls: Option<Arc<Tls>>,
    pub connections_max: usize,
}

impl Bound {
    /// Serves until `stop` turns true, then drains for at most `drain`.
    pub async fn serve(
        self,
        router: Router,
        front: Front,
        mut stop: watch::Receiver<bool>,
        drain: Duration,
    ) {
        let places = Arc::new(Semaphore::new(front.connections_max.max(1)));
        let graceful = GracefulShutdown::new();
        let mut http = Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(64 * 1024);
        if let Some(tls) = &front.tls {
            tokio::spawn(Arc::clone(tls).follow(stop.clone()));
        }
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some(((stream, peer), place)) = accepted else { continue };
            let access = Arc::clone(&front.access);
            let service = Guarded { access, router: router.clone(), peer: peer.ip() };
            let watcher = graceful.watcher();
            let Some(tls) = front.tls.clone() else {
                let connection = http.serve_connection(TokioIo::new(stream), service);
                let connection = watcher.watch(connection);
                tokio::spawn(async move {
                    // A client that hangs up mid-request is its own affair.
                    connection.await.ok();
                    drop(place);
                });
                continue;
            };
            let (http, mut stop) = (http.clone(), stop.clone());
            tokio::spawn(async move {
                // Whoever has not agreed on a connection yet has asked for nothing.
                let agreed = tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => None,
                    agreed = tls.accept(stream) => agreed,
                };
                if let Some(stream) = agreed {
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    watcher.watch(connection).await.ok();
                }
                drop(place);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("some connections did not end within the drain time and are cut");
        }
    }
}

/// The router behind its keys. The check stands before the routes, not around
/// each, so that no route can be added without it.
struct Guarded {
    access: Arc<Access>,
    router: Router,
    peer: IpAddr,
}

impl Service<Request<Incoming>> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (access, mut router, peer) = (Arc::clone(&self.access), self.router.clone(), self.peer);
        Box::pin(async move {
            let (method, path) = (request.method(), request.uri().path());
            let admitted = access.admit(method, path, request.headers(), peer).await;
            match admitted {
                Ok(caller) => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(caller);
                    tower_service::Service::call(&mut router, request).await
                }
                Err(refused) => Ok(refused.into_response()),
            }
        })
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<((TcpStream, SocketAddr), tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and wanted at once.
            stream.set_nodelay(true).ok();
            Some(((stream, peer), place))
        }
        Err(error) => {
            // Out of file descriptors: a pause instead of a spinning loop.
            tracing::warn!("a connection could not be accepted: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
