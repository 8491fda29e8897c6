//! A small source of JSON that runs on this machine: customers, and their open invoices.
//!
//! What a team somewhere might have written over a table of its own: customers found by
//! number, e-mail or id, listed in pages that are chained in every usual way, each way of
//! logging in, errors by status or in a body with 200, and one address that has moved.
//!
//! Besides `unauthorized` and `throttled`, a plan of faults may name `busy` (200 with an
//! error in the body) and `moved` (302 to another address).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sim::faults::Faults;
use sim::seed::{Person, Use, fixed, people};
use sim::server::{self, Running};
use sim::tokens::Tokens;

/// What it lets in.
pub const USER: (&str, &str) = ("tieline", "sim-source-password");
/// A token that stays.
pub const TOKEN: &str = "sim-source-standing-token";
/// A key in the header `X-API-Key`.
pub const KEY: &str = "sim-source-api-key";
/// A client of its token endpoint.
pub const CLIENT: (&str, &str) = ("tieline-client", "sim-source-client-secret");

/// The source.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated customers, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// Customers of one page.
    pub page: usize,
    /// Does it ignore what it is asked by, and list everybody?
    pub ignores_filters: bool,
    /// Requests that it answers, and tells of each how many are left; `None` tells nothing.
    pub allowance: Option<u64>,
}

impl Default for Config {
    fn default() -> Config {
        Config { port: 0, people: 0, seed: 1, page: 50, ignores_filters: false, allowance: None }
    }
}

/// A running source.
pub struct Source {
    world: Arc<World>,
    faults: Faults,
    running: Running,
}

struct World {
    config: Config,
    url: OnceLock<String>,
    customers: Vec<Value>,
    tokens: Tokens,
    /// Tokens that another endpoint gave out.
    trusted: Mutex<BTreeSet<String>>,
    answered: AtomicU64,
}

/// Serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<Source> {
    let everybody = fixed().into_iter().chain(people(config.people, config.seed));
    let customers = everybody.enumerate().map(|(at, person)| customer(at, &person)).collect();
    let world = Arc::new(World {
        customers,
        tokens: Tokens::new(Duration::from_secs(3_600)),
        url: OnceLock::new(),
        trusted: Mutex::default(),
        answered: AtomicU64::new(0),
        config,
    });
    let faults = Faults::default();
    faults.vendor(own_answer);
    let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
    let running = server::start(router, world.config.port, faults.clone()).await?;
    world.url.get_or_init(|| running.url());
    Ok(Source { world, faults, running })
}

/// Phones as people type them, of whatever use in one list.
fn customer(at: usize, person: &Person) -> Value {
    let typed = |used: Use| {
        let phones = person.phones.iter().filter(|phone| phone.used == used);
        phones.map(|phone| phone.typed.clone()).collect::<Vec<_>>()
    };
    json!({
        "id": format!("C-{}", 1001 + at),
        "name": { "first": person.first, "last": person.last },
        "contact": { "mail": person.email, "work": typed(Use::Work), "mobile": typed(Use::Mobile) },
        "tier": person.tier,
        "company": { "number": (1_000_001 + at).to_string(), "name": person.company },
        "vip": at == 0,
        "changed": "2026-11-21T20:15:00Z",
    })
}

async fn serve(state: State<Arc<World>>, request: Request) -> Response {
    let world = Arc::clone(&state.0);
    let answered = world.answered.fetch_add(1, Ordering::Relaxed) + 1;
    let answer = answer(state, request).await;
    let left = world.config.allowance.map(|all| all.saturating_sub(answered).to_string());
    match left {
        Some(left) => ([("x-ratelimit-remaining", left)], answer).into_response(),
        None => answer,
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap_or_default();
    let options: HashMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    if parts.uri.path() == "/oauth/token" {
        return world.token(&parts.headers, &body);
    }
    if !world.admits(&parts.headers) {
        return refusal(StatusCode::UNAUTHORIZED, "no_access");
    }
    let path: Vec<String> = parts.uri.path().split('/').skip(1).map(decoded).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (parts.method.as_str(), path.as_slice()) {
        ("GET", ["api", "customers"]) => world.listed(&options),
        ("POST", ["api", "search"]) => match serde_json::from_slice::<Value>(&body) {
            Ok(body) => world.searched(&body),
            Err(_) => refusal(StatusCode::BAD_REQUEST, "no_json"),
        },
        ("GET", ["api", "customers", id]) => match world.customer("id", id) {
            Some(found) => Json(json!({ "customer": found })).into_response(),
            None => refusal(StatusCode::NOT_FOUND, "no_such_customer"),
        },
        ("GET", ["api", "accounts", number, "invoices"]) => match world.invoices(number) {
            Some(answer) => Json(answer).into_response(),
            None => refusal(StatusCode::NOT_FOUND, "no_such_account"),
        },
        ("GET", ["api", "invoices"]) => {
            // Whose they are stands in each; a number that is none is ignored.
            let asked = options.get("account").map(String::as_str).unwrap_or_default();
            let all = ["1000001", "1000002", "1000003"].into_iter();
            let all = all.filter(|one| asked.is_empty() || *one == asked || asked == "x");
            let invoices = all.filter_map(|one| world.invoices(one)).flat_map(|mut answer| {
                answer["invoices"].as_array_mut().map(std::mem::take).unwrap_or_default()
            });
            Json(json!({ "invoices": invoices.collect::<Vec<_>>() })).into_response()
        }
        ("POST", ["api", "echo"]) => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            Json(json!({ "options": options, "body": body })).into_response()
        }
        _ => refusal(StatusCode::NOT_FOUND, "no_such_address"),
    }
}

impl World {
    /// Customers that fit, one page of them, with every usual way to the next.
    fn listed(&self, options: &HashMap<String, String>) -> Response {
        let option = |name: &str| options.get(name).map(String::as_str).unwrap_or_default();
        let number = |name: &str| option(name).parse::<usize>().ok();
        let fits = |customer: &&Value| {
            let is_named = !self.config.ignores_filters;
            let by_phone = option("phone").is_empty() || has_phone(customer, option("phone"));
            let by_mail = option("email").is_empty()
                || customer["contact"]["mail"].as_str() == Some(&option("email").to_lowercase());
            !is_named || (by_phone && by_mail)
        };
        let found: Vec<&Value> = self.customers.iter().filter(fits).collect();
        let size = self.config.page;
        let from = number("cursor")
            .or(number("offset"))
            .or_else(|| number("page").map(|page| page.saturating_sub(1) * size));
        let from = from.unwrap_or(0).min(found.len());
        let to = (from + size).min(found.len());
        let next = (to < found.len()).then(|| {
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            for name in ["phone", "email"].into_iter().filter(|name| !option(name).is_empty()) {
                next.append_pair(name, option(name));
            }
            next.append_pair("offset", &to.to_string());
            let base = self.url.get().map(String::as_str).unwrap_or_default();
            format!("{base}/api/customers?{}", next.finish())
        });
        let cursor = next.as_ref().map(|_| to.to_string());
        let body = json!({
            "data": { "customers": &found[from..to] },
            "links": { "next": next }, "cursor": cursor, "total": found.len(), "error": null,
        });
        Json(body).into_response()
    }

    fn searched(&self, body: &Value) -> Response {
        let phone = body["filter"]["phone"].as_str().unwrap_or_default();
        let found: Vec<&Value> =
            self.customers.iter().filter(|customer| has_phone(customer, phone)).collect();
        Json(json!({ "data": { "customers": found } })).into_response()
    }

    fn customer(&self, key: &str, value: &str) -> Option<&Value> {
        self.customers.iter().find(|customer| customer[key] == value)
    }

    fn invoices(&self, number: &str) -> Option<Value> {
        let customer = self.customers.iter().find(|one| one["company"]["number"] == number)?;
        let invoice = |n: u32| {
            json!({
                "account": number, "number": format!("R-{number}-{n}"), "amount": 100.5 * f64::from(n),
                "currency": "EUR", "due": format!("2026-12-{n:02}"),
            })
        };
        let all = if number.ends_with('3') { Vec::new() } else { vec![invoice(1), invoice(2)] };
        let total: f64 = all.iter().filter_map(|one| one["amount"].as_f64()).sum();
        let name = &customer["company"]["name"];
        Some(json!({ "account": number, "name": name, "invoices": all, "total": total }))
    }

    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(body).into_owned().collect();
        let is = |key: &str, value: &str| form.get(key).is_some_and(|given| given == value);
        let in_form = is("client_id", CLIENT.0) && is("client_secret", CLIENT.1);
        let in_header = basic(headers).as_deref() == Some(&format!("{}:{}", CLIENT.0, CLIENT.1));
        if !in_form && !in_header {
            let told = json!({ "error": "invalid_client", "error_description": "no such client" });
            return (StatusCode::UNAUTHORIZED, Json(told)).into_response();
        }
        if !is("grant_type", "client_credentials") {
            let told = json!({ "error": "unsupported_grant_type" });
            return (StatusCode::BAD_REQUEST, Json(told)).into_response();
        }
        let scope = form.get("scope").cloned().unwrap_or_default();
        let token = self.tokens.issue("", CLIENT.0, &scope);
        let lifetime = self.tokens.lifetime().as_secs();
        let body = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": scope,
        });
        Json(body).into_response()
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let by_token = bearer.is_some_and(|token| {
            let trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
            token == TOKEN || trusted.contains(token) || self.tokens.check(token).is_ok()
        });
        by_token
            || text("x-api-key") == Some(KEY)
            || basic(headers).as_deref() == Some(&format!("{}:{}", USER.0, USER.1))
    }
}

fn basic(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    String::from_utf8(pair).ok()
}

/// Does one of the customer's numbers have the digits asked for, with or without the
/// country code before them?
fn has_phone(customer: &Value, asked: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let asked = digits(asked);
    let lists = [&customer["contact"]["work"], &customer["contact"]["mobile"]];
    let mut typed = lists.into_iter().filter_map(Value::as_array).flatten();
    typed.any(|one| {
        let own = one.as_str().unwrap_or_default();
        let own = digits(own.split(['x', 'e']).next().unwrap_or_default());
        own.len() >= 7 && (asked.ends_with(&own) || own.ends_with(&asked))
    })
}

fn decoded(segment: &str) -> String {
    let plain = segment.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(plain.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "error": { "code": code } }))).into_response()
}

/// The source's own refusals, by the names a fault plan gives them.
fn own_answer(name: &str) -> Option<Response> {
    match name {
        "unauthorized" => Some(refusal(StatusCode::UNAUTHORIZED, "no_access")),
        "throttled" => {
            let told = refusal(StatusCode::TOO_MANY_REQUESTS, "slow_down");
            Some(([("retry-after", "1")], told).into_response())
        }
        "forbidden" => Some(refusal(StatusCode::FORBIDDEN, "not_yours")),
        "not_found" => Some(refusal(StatusCode::NOT_FOUND, "nobody")),
        "conflict" => Some(refusal(StatusCode::CONFLICT, "taken")),
        "busy" => Some(refusal(StatusCode::OK, "busy")),
        "moved" => Some((StatusCode::FOUND, [("location", "/elsewhere")]).into_response()),
        _ => None,
    }
}

impl Source {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// What goes wrong on purpose, and what was asked.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many customers it has.
    pub fn customers(&self) -> usize {
        self.world.customers.len()
    }

    /// Ends every token given out so far.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke_all();
    }

    /// Lets in a token that another endpoint gave out.
    pub fn trust(&self, token: &str) {
        let mut trusted = self.world.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        trusted.insert(token.to_owned());
    }

    /// Stops answering; requests in flight get a second.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
