//! Two vendors for the sync's bench, in one process: a CRM that pages like Salesforce, and a
//! contact center whose contacts are written like Genesys Cloud's.
//!
//! They do what a contact sync asks for and nothing else, as fast as they can, so that what is
//! measured is the client: no rules, no limits, no history. Every answer may be held back for
//! a while (the vendor's latency), every call is counted. `POST /_bench/…` sets both up
//! ([`bench`]). Prints `{"url": …}` once it listens; stops when killed.

mod org;
mod platform;
mod soql;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve;
use axum::serve::ListenerExt;
use domain::Timestamp;
use org::Org;
use platform::Platform;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What an answer is, and by which word its call is counted.
struct Told {
    status: u16,
    body: Vec<u8>,
    counted: &'static str,
}

/// Both vendors, and what is measured of them.
struct World {
    org: Org,
    platform: Platform,
    latency: Duration,
    /// How far the vendors' clock is ahead of ours.
    ahead: Duration,
    calls: BTreeMap<&'static str, u64>,
}

type Shared = Arc<Mutex<World>>;

impl Told {
    fn new(counted: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, body, counted }
    }

    fn json(counted: &'static str, body: &Value) -> Self {
        Self::new(counted, body.to_string().into_bytes())
    }

    /// A question that is no part of a sync, such as a connection's own check.
    fn unknown(method: &Method, path: &str) -> Self {
        let body = json!([{ "errorCode": "NOT_FOUND", "message": format!("{method} {path}") }]);
        Self { status: 404, ..Self::json("not understood", &body) }
    }
}

impl World {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.ahead;
        Timestamp(i64::try_from(since.as_millis()).unwrap_or_default())
    }

    fn answer(&mut self, method: &Method, uri: &Uri, body: &[u8]) -> Told {
        let path = uri.path();
        let now = self.now();
        let told = match path.strip_prefix("/services/") {
            Some(rest) => self.org.answer(method, rest, uri.query().unwrap_or_default(), body, now),
            None => self.platform.answer(method, path, uri.query().unwrap_or_default(), body, now),
        };
        let told = told.unwrap_or_else(|| Told::unknown(method, path));
        *self.calls.entry(told.counted).or_default() += 1;
        told
    }
}

/// Sets both up: `reset` (people, latency), `latency`, `edit` (first, count, round), `ahead`
/// (seconds); each answers with what was counted so far.
fn bench(world: &mut World, what: &str, query: &str) -> Option<Value> {
    let asked: HashMap<&str, u64> =
        query.split('&').filter_map(|one| one.split_once('=')).filter_map(number).collect();
    let of = |name: &str| asked.get(name).copied().unwrap_or_default();
    let now = world.now();
    match what {
        "reset" => {
            world.org = Org::of(of("people"), now);
            world.platform = Platform::default();
            world.latency = Duration::from_millis(of("latency"));
            world.calls.clear();
        }
        "latency" => world.latency = Duration::from_millis(of("latency")),
        "edit" => world.org.edit(of("first"), of("count"), of("round"), now),
        "ahead" => world.ahead += Duration::from_secs(of("seconds")),
        "counts" => {}
        _ => return None,
    }
    let calls = std::mem::take(&mut world.calls);
    Some(json!({
        "calls": calls,
        "org": world.org.len(),
        "platform": world.platform.len(),
        "same": world.platform.same_as(&world.org),
    }))
}

fn number<'a>((name, value): (&'a str, &str)) -> Option<(&'a str, u64)> {
    Some((name, value.parse().ok()?))
}

async fn answer(
    State(world): State<Shared>,
    method: Method,
    uri: Uri,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> Response {
    let lock = || world.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(what) = uri.path().strip_prefix("/_bench/") {
        let told = bench(&mut lock(), what, uri.query().unwrap_or_default());
        let told = told.map(|told| told.to_string());
        return told.map_or(StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response);
    }
    let latency = lock().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if uri.path().ends_with("oauth2/token") || uri.path() == "/oauth/token" {
        return token(headers.get(header::HOST));
    }
    let (told, now) = {
        let mut world = lock();
        (world.answer(&method, &uri, &body), world.now())
    };
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (status, told.body).into_response();
    let moment = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(moment)) {
        headers.insert(header::DATE, date);
    }
    answer
}

/// Lets everybody in; both vendors' answers in one.
fn token(host: Option<&HeaderValue>) -> Response {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("http://{host}");
    let body = json!({
        "access_token": "bench", "token_type": "Bearer", "expires_in": 86_400,
        "instance_url": url, "id": format!("{url}/id/{}/{}", org::ORG, org::OURS),
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let world = World {
        org: Org::default(),
        platform: Platform::default(),
        latency: Duration::ZERO,
        ahead: Duration::ZERO,
        calls: BTreeMap::new(),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "{{\"url\":\"http://{address}\"}}")?;
    // A socket that refuses TCP_NODELAY still answers; it is only slower.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let routes = Router::new().fallback(answer).with_state(Arc::new(Mutex::new(world)));
    serve(listener, routes).await
}
