//! The one way out to a vendor.
//!
//! Outermost to innermost: the connection's [`Turnstile`] (bulkhead, rate budget and
//! breaker), the guard against private addresses, the timeout, a bound on the
//! body. What a status means is the connector's to say.

pub mod grpc;
mod request;
mod socket;

pub use request::Request;
pub use socket::Socket;

use crate::budget::Budget;
use crate::clock;
use crate::gate::{Gate, Lane};
use crate::{Error, Turnstile, guard};
use domain::Timestamp;
pub use reqwest::Method;
use reqwest::StatusCode;
pub use reqwest::header::HeaderMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};
use url::Url;

/// Answers larger than this are given up: a page of records is far smaller.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// How much of a vendor one connection may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub requests_per_minute: u32,
    pub reserved_for_calls: u32,
    pub concurrent_calls: u32,
    pub concurrent_background: u32,
    /// When one request is given up.
    pub timeout: Duration,
}

/// Where a connection may send to.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Loopback and private addresses too: for on-premises systems and simulators.
    pub allow_private_addresses: bool,
    /// Hosts of the proxies that the environment names. They may have private
    /// addresses, and are no vendor's: nothing is asked of them for themselves.
    pub proxy_hosts: Vec<String>,
}

/// A cheap handle; all clones share one pool, budget and bulkhead.
#[derive(Debug, Clone)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    turnstile: Turnstile,
    network: Network,
    timeout: Duration,
    /// For calls that go on, once there is one.
    streams: OnceLock<reqwest::Client>,
}

/// A whole answer.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Http {
    /// A client of its own for one connection.
    ///
    /// # Errors
    /// `Unavailable` when the system's certificates cannot be read.
    pub fn new(limits: Limits, network: Network) -> Result<Self, Error> {
        Self::over(reqwest::Client::builder(), limits, network)
    }

    fn over(
        builder: reqwest::ClientBuilder,
        limits: Limits,
        network: Network,
    ) -> Result<Self, Error> {
        // Streams have a client of their own; everything else is as short as a request.
        let builder = guarded(builder, limits.timeout, &network).http1_only();
        let builder = builder.timeout(limits.timeout);
        let client = builder.build().map_err(|e| Error::unavailable(plain(e)))?;
        Ok(Self(Arc::new(Inner {
            client,
            turnstile: Turnstile::new(limits),
            network,
            timeout: limits.timeout,
            streams: OnceLock::new(),
        })))
    }

    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.0.turnstile.budget()
    }

    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.0.turnstile.gate()
    }

    /// Sends within the connection's limits. Every status is an `Ok`.
    ///
    /// # Errors
    /// `RateLimited` by our own budget, `Unavailable` when nothing whole came back, or
    /// when the system is left alone because it was sick.
    pub async fn send(&self, lane: Lane, request: Request) -> Result<Reply, Error> {
        self.check(&request.url)?;
        let passed = self.0.turnstile.pass(lane).await?;
        let outcome = self.exchange(request).await;
        passed.settle(is_sick(&outcome));
        outcome
    }

    /// Sends outside budget and bulkhead: for minting tokens, which must go on
    /// while a sick vendor holds every place; and for what is asked about somebody
    /// else's token, which the vendor does not count against ours.
    ///
    /// # Errors
    /// `Unavailable` when nothing whole came back.
    pub async fn send_unmetered(&self, request: Request) -> Result<Reply, Error> {
        self.check(&request.url)?;
        self.exchange(request).await
    }

    fn check(&self, url: &Url) -> Result<(), Error> {
        let network = &self.0.network;
        if network.allow_private_addresses {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let is_proxy = network.proxy_hosts.iter().any(|proxy| proxy.eq_ignore_ascii_case(host));
        let outcome = if is_proxy {
            Err(format!("{host} is the proxy to the outside and no system to ask"))
        } else {
            guard::check_host(url)
        };
        outcome.map_err(|reason| Error::Invalid { field: Some("url".to_owned()), reason })
    }

    async fn exchange(&self, request: Request) -> Result<Reply, Error> {
        let Request { method, url, headers, body, timeout } = request;
        let timeout = timeout.map_or(self.0.timeout, |own| own.max(self.0.timeout));
        let sent = clock::now();
        let sending = self.0.client.request(method, url).headers(headers).body(body);
        let answer = sending.timeout(timeout).send().await.map_err(|e| failed(e, timeout))?;
        let under_way = (sent, clock::now());
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = read_bounded(answer).await.map_err(|e| match e {
            Unread::Broken(e) => failed(e, timeout),
            Unread::TooLarge => Error::protocol("an answer of more than 16 MiB"),
        })?;
        let reply = Reply { status: status.as_u16(), headers, body };
        // What a cache answers is as old as it says, and no clock.
        if let (Some(told), None) = (reply.date(), reply.header("age")) {
            self.0.turnstile.clock().told(told, under_way);
        }
        Ok(reply)
    }
}

fn failed(error: reqwest::Error, timeout: Duration) -> Error {
    if error.is_timeout() {
        let ms = timeout.as_millis();
        return Error::unavailable(format!("no whole answer within {ms} ms"));
    }
    Error::unavailable(plain(error))
}

impl From<Http> for Turnstile {
    fn from(http: Http) -> Self {
        http.0.turnstile.clone()
    }
}

/// What holds for every way out.
fn guarded(
    builder: reqwest::ClientBuilder,
    timeout: Duration,
    network: &Network,
) -> reqwest::ClientBuilder {
    let builder = builder
        .user_agent(concat!("tieline/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // Shorter than what usual edges keep open (nginx 75 s, ALB 60 s), so that
        // no request goes into a connection that the other side has closed.
        .pool_idle_timeout(Duration::from_secs(15))
        .connect_timeout(Duration::from_secs(3).min(timeout))
        .tcp_nodelay(true);
    if network.allow_private_addresses {
        // An on-premises address is not for the proxy of the outside world.
        return builder.no_proxy();
    }
    let except = network.proxy_hosts.clone();
    builder.dns_resolver(Arc::new(guard::PublicOnly { except }))
}

/// Is it the system that cannot, rather than this request that may not?
fn is_sick(outcome: &Result<Reply, Error>) -> bool {
    match outcome {
        // A 503 that says when to come back is a throttle, and kept to as one.
        Ok(reply) => {
            matches!(reply.status, 500 | 502..=504 | 520..=599) && reply.retry_after().is_none()
        }
        Err(error) => matches!(error, Error::Unavailable { .. }),
    }
}

enum Unread {
    Broken(reqwest::Error),
    TooLarge,
}

async fn read_bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A moment as HTTP writes it, to the second: `Thu, 01 Jan 2026 00:00:00 GMT`.
#[must_use]
pub fn http_date(at: Timestamp) -> String {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// The innermost cause without the address: a query string may carry a number.
fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl fmt::Debug for Reply {
    /// Without headers and body, which hold customers and tokens (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// `Protocol` when it is none: sick edges answer HTML with 200.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Error::protocol(format!("status {} with a body that is no JSON", self.status))
        })
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The vendor's clock when it answered, to the second: cursors go by it, not by ours.
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        let date = httpdate::parse_http_date(self.header("date")?).ok()?;
        let since = date.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Timestamp)
    }

    /// `Retry-After` in seconds, as the vendors here send it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|s| s.is_success())
    }
}

#[cfg(test)]
mod tests {
    use super::{Http, Limits, Network, Reply, Request};
    use crate::{Error, Lane};
    use reqwest::header::HeaderMap;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use url::Url;

    fn limits() -> Limits {
        Limits {
            requests_per_minute: 600,
            reserved_for_calls: 0,
            concurrent_calls: 4,
            concurrent_background: 4,
            timeout: Duration::from_secs(5),
        }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    /// A proxy on this machine, and a connection that was told to use it.
    async fn behind_a_proxy(network: Network, host: &str) -> (TcpListener, Http) {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = proxy.local_addr().expect("an address").port();
        let through = reqwest::Proxy::all(format!("http://{host}:{port}")).expect("an address");
        let builder = reqwest::Client::builder().proxy(through);
        (proxy, Http::over(builder, limits(), network).expect("a client"))
    }

    /// Answers one request with 204; returns its first line.
    async fn answer_once(proxy: &TcpListener) -> String {
        answer_with(proxy, "HTTP/1.1 204 No Content\r\n\r\n").await
    }

    async fn answer_with(proxy: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = proxy.accept().await.expect("a connection");
        let mut head = vec![0; 4_096];
        let read = stream.read(&mut head).await.expect("a request");
        stream.write_all(answer.as_bytes()).await.expect("sent");
        String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn what_is_private_by_its_own_words_never_reaches_a_proxy() {
        let (proxy, http) = behind_a_proxy(Network::default(), "127.0.0.1").await;
        for text in [
            "http://localhost/latest",
            "https://localhost:8443/",
            "http://crm.localhost/",
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.5/",
        ] {
            for outcome in [
                http.send(Lane::Call, Request::get(url(text))).await,
                http.send_unmetered(Request::get(url(text))).await,
            ] {
                let error = outcome.expect_err(text);
                let named = Some("url".to_owned());
                assert!(matches!(error, Error::Invalid { field, .. } if field == named), "{text}");
            }
        }
        // Had one of them come to the proxy, it would be the first to be accepted now.
        let asked = http.send(Lane::Call, Request::get(url("http://crm.example.invalid/people")));
        let (seen, reply) = tokio::join!(answer_once(&proxy), asked);
        assert_eq!(seen, "GET http://crm.example.invalid/people HTTP/1.1", "the proxy resolves it");
        assert_eq!(reply.expect("an answer").status, 204);
    }

    #[tokio::test]
    async fn a_proxy_may_have_a_private_name_and_is_no_vendor() {
        let network = Network { proxy_hosts: vec!["localhost".to_owned()], ..Network::default() };
        let (proxy, http) = behind_a_proxy(network, "localhost").await;
        let asked = http.send(Lane::Call, Request::get(url("http://crm.example.invalid/")));
        let (seen, reply) = tokio::join!(answer_once(&proxy), asked);
        assert_eq!(seen, "GET http://crm.example.invalid/ HTTP/1.1");
        assert_eq!(reply.expect("an answer").status, 204);
        let network = Network { proxy_hosts: vec!["proxy.corp".to_owned()], ..Network::default() };
        let http = Http::new(limits(), network).expect("a client");
        let asked = http.send(Lane::Call, Request::get(url("http://Proxy.corp:3128/"))).await;
        assert_eq!(asked.expect_err("refused").kind(), "invalid");
    }

    #[tokio::test]
    async fn a_socket_goes_through_the_proxy_like_any_request() {
        let (proxy, http) = behind_a_proxy(Network::default(), "127.0.0.1").await;
        let address = url("wss://feed.example.invalid/channels/x");
        let answering =
            answer_with(&proxy, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        let (seen, outcome) = tokio::join!(answering, http.socket(&address));
        assert_eq!(seen, "CONNECT feed.example.invalid:443 HTTP/1.1");
        assert_eq!(outcome.expect_err("no socket").kind(), "unavailable");
    }

    #[tokio::test]
    async fn an_answer_tells_the_time_and_a_cached_one_does_not() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        let network = Network { allow_private_addresses: true, ..Network::default() };
        let http = Http::new(limits(), network).expect("a client");
        let ask = || http.send(Lane::Call, Request::get(url(&format!("http://127.0.0.1:{port}/"))));
        let in_a_day = crate::clock::now().0 + 86_400_000;
        let date = super::http_date(domain::Timestamp(in_a_day));
        for (age, is_known) in [("age: 60\r\n", false), ("", true)] {
            let answer =
                format!("HTTP/1.1 200 OK\r\ndate: {date}\r\n{age}content-length: 0\r\n\r\n");
            let (_, reply) = tokio::join!(answer_with(&server, &answer), ask());
            assert!(reply.expect("an answer").is_success());
            assert_eq!(http.0.turnstile.clock().ahead().is_some(), is_known, "{age}");
        }
        let ahead = http.0.turnstile.clock().ahead().expect("told");
        // However slow this machine is, it is the day that counts.
        assert!(ahead.least_ms > 82_800_000 && ahead.most_ms < 90_000_000, "{ahead:?}");
    }

    #[test]
    fn debug_output_of_a_request_and_its_reply_tells_no_secret_and_nobody() {
        let request = Request::post(url("https://u:hunter2@x.example/q?phone=5550199999"))
            .authorization("Bearer hunter2")
            .header("x-key", "hunter2")
            .form(&[("assertion", "hunter2")]);
        let body = br#"{"access_token":"hunter2"}"#.to_vec();
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", "hunter2".parse().expect("a header"));
        let reply = Reply { status: 200, headers, body };
        let shown = format!("{request:?} {reply:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("5550199999"), "{shown}");
        assert!(!shown.contains("104, 117"), "bytes are text as well: {shown}");
        assert!(shown.contains("POST") && shown.contains("/q") && shown.contains("200"), "{shown}");
    }
}
