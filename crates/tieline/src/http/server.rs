//! Accepts connections, and lets them end when told to stop.
//!
//! Bounded: so many connections at once, so long for a request's head. Draining
//! answers what has been read and closes idle connections.

use super::access::{Access, Scope, scopes};
use super::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// A listening socket that accepts nothing yet.
pub struct Bound {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// A client may take this long to send a request's head, counted from the end of
/// the one before: longer than proxies keep idle connections (usually 60 s), or
/// they would send into closed ones.
const HEAD_MAX: Duration = Duration::from_secs(90);

/// A peer that has not taken what was sent for so long is gone, or does not read: its
/// connection is cut. Streams write often enough for this to be noticed.
#[cfg(target_os = "linux")]
const GONE_AFTER: Duration = Duration::from_secs(60);

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
        let max = u32::try_from(front.connections_max.max(1)).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(max as usize));
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
            let place = Place { _held: Arc::new(place) };
            let access = Arc::clone(&front.access);
            let (router, peer) = (router.clone(), peer.ip());
            let service = Guarded { access, router, peer, place };
            let (http, mut stop) = (http.clone(), stop.clone());
            let Some(tls) = front.tls.clone() else {
                tokio::spawn(carry(http, stream, service, stop));
                continue;
            };
            tokio::spawn(async move {
                // Whoever has not agreed on a connection yet has asked for nothing.
                let agreed = tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => None,
                    agreed = tls.accept(stream) => agreed,
                };
                if let Some(stream) = agreed {
                    carry(http, stream, service, stop).await;
                }
            });
        }
        drop(self.listener);
        // Everybody's place is free once their connection has ended.
        if tokio::time::timeout(drain, places.acquire_many(max)).await.is_err() {
            tracing::warn!("some connections did not end within the drain time and are cut");
        }
    }
}

/// Serves one connection until it ends; when told to stop, until what has been read is
/// answered.
async fn carry<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    http: Builder,
    stream: S,
    service: Guarded,
    mut stop: watch::Receiver<bool>,
) {
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that hangs up mid-request is its own affair.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await.ok();
}

/// A connection's place among those that may be open. Whoever carries a connection on
/// after its last answer (a WebSocket) keeps it as well.
#[derive(Clone)]
pub struct Place {
    _held: Arc<OwnedSemaphorePermit>,
}

/// The router behind its keys. The check stands before the routes, not around
/// each, so that no route can be added without it.
struct Guarded {
    access: Arc<Access>,
    router: Router,
    peer: IpAddr,
    place: Place,
}

impl Service<Request<Incoming>> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (access, mut router, peer) = (Arc::clone(&self.access), self.router.clone(), self.peer);
        let place = self.place.clone();
        Box::pin(async move {
            let (method, uri) = (request.method(), request.uri());
            let admitted = access.admit(method, uri, request.headers(), peer).await;
            match admitted {
                Ok(caller) => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(caller);
                    request.extensions_mut().insert(place);
                    tower_service::Service::call(&mut router, request).await
                }
                Err(refused) => {
                    let mut refused = refused.into_response();
                    // A page of another origin gets a new token, once it can read that its own
                    // has ended.
                    if scopes::needed(method, uri.path()) == Scope::Agent {
                        let any = HeaderValue::from_static("*");
                        refused.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
                    }
                    Ok(refused)
                }
            }
        })
    }
}

/// Lets the process have as many open files as it ever may, and returns how many: the
/// usual first limit of 1,024 is less than our connections.
#[cfg(unix)]
pub fn open_files() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() { before } else { limit.maximum }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn open_files() -> Option<u64> {
    None
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<((TcpStream, SocketAddr), OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and wanted at once.
            stream.set_nodelay(true).ok();
            #[cfg(target_os = "linux")]
            socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(GONE_AFTER)).ok();
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
