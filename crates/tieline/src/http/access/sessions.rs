//! A person's session in a browser: signed in with a key, held by a cookie that no page can
//! read.
//!
//! The cookie carries a token as `/oauth/token` makes them: it may do what its key may and
//! dies with it, on every node. A browser sends it along by itself, so whatever changes
//! something must also say what only our own page was told ([`csrf_of`]); and a page of
//! another site is sent nothing at all (`SameSite=Strict`).

use super::limits::Buckets;
use super::refusal::Refusal;
use super::{Caller, Claims, Identity, tokens};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App, schemas};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use kit::Secret;
use serde::{Deserialize, Serialize};
use state::audit::Act;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

const COOKIE: &str = "tieline_session";
/// How long one is signed in: a working day.
const LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// Tries to sign in, a minute and address; and addresses remembered.
const TRIES_PER_MINUTE: u32 = 20;
const ADDRESSES_MAX: usize = 10_000;
/// Bytes of a key.
const KEY_MAX: usize = 1_024;

/// What sessions need beside keys and tokens.
pub struct Sessions {
    tries: Buckets<IpAddr>,
    csrf: hmac::Key,
}

impl Sessions {
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            tries: Buckets::new(TRIES_PER_MINUTE, ADDRESSES_MAX),
            csrf: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// What the page of this session says with whatever changes something.
    fn csrf_of(&self, token: &str) -> String {
        state::hex(&hmac::sign(&self.csrf, token.as_bytes()).as_ref()[..16])
    }

    /// Whether a request with the cookie may be what it says it is.
    pub fn is_from_our_page(&self, method: &Method, headers: &HeaderMap, token: &str) -> bool {
        let is_reading = matches!(*method, Method::GET | Method::HEAD);
        is_reading
            || headers.get("x-csrf-token").is_some_and(|said| {
                let expected = self.csrf_of(token);
                verify_slices_are_equal(said.as_bytes(), expected.as_bytes()).is_ok()
            })
    }

    fn may_try(&self, address: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        self.tries.of(address, TRIES_PER_MINUTE, now).take(TRIES_PER_MINUTE, now)
    }
}

/// The token that a browser sends along.
pub fn token_of(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, token) = pairs.find(|(name, _)| name.trim() == COOKIE)?;
    Some(token.trim()).filter(|token| tokens::is_token(token))
}

/// Not to be shown: it holds a key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRequest {
    /// A key, as it was told when it was made.
    #[schema(required = true, schema_with = schemas::key)]
    key: Option<String>,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    user: SessionUser,
    /// What they may do; empty where nobody is signed in.
    scopes: Vec<String>,
    /// To be sent as `X-CSRF-Token` with whatever changes something; empty where nobody is.
    csrf: String,
    /// When one has to sign in anew; empty where nobody is.
    expires_at: String,
    /// How one can sign in: `key`.
    ways: [&'static str; 1],
}

/// Empty where nobody is signed in.
#[derive(Default, Serialize, ToSchema)]
pub struct SessionUser {
    /// The key's public id.
    id: String,
    /// The key's name.
    name: String,
}

fn body(app: &App, signed_in: Option<(&Identity, &str)>) -> SessionBody {
    let Some((identity, token)) = signed_in else {
        let (scopes, csrf, expires_at) = (Vec::new(), String::new(), String::new());
        let user = SessionUser::default();
        return SessionBody { user, scopes, csrf, expires_at, ways: ["key"] };
    };
    let user = SessionUser {
        id: identity.principal.id.to_string(),
        name: identity.principal.name.to_string(),
    };
    SessionBody {
        user,
        scopes: identity.scopes.words(),
        csrf: app.access.sessions.csrf_of(token),
        expires_at: identity.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        ways: ["key"],
    }
}

/// Who is signed in, or that nobody is.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "access",
    responses((status = 200, body = SessionBody), (status = 503, body = ErrorBody))
)]
pub async fn current(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some(token) = token_of(&headers) else { return Ok(answer(body(&app, None), None)) };
    match app.access.bearer_of(token).await {
        Ok(identity) => Ok(answer(body(&app, Some((&identity, token))), None)),
        Err(Refusal::Store(error)) => Err(Refusal::Store(error).into()),
        // Its time is over, or its key is dead.
        Err(_) => Ok(answer(body(&app, None), Some(cookie("", Duration::ZERO, true)))),
    }
}

/// Signs a person in with a key.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "access", request_body = SessionRequest,
    responses(
        (status = 200, body = SessionBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody, description = "The key opens nothing"),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 429, body = ErrorBody, description = "Too many tries from this address: wait for Retry-After seconds"),
        (status = 503, body = ErrorBody)
    )
)]
pub async fn begin(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let wanted: SessionRequest = read_json(request).await?;
    let key = Secret::new(wanted.key.unwrap_or_default());
    let is_text = key.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    if !is_text || key.reveal().is_empty() || key.reveal().len() > KEY_MAX {
        let message = "key is 1 to 1,024 visible ASCII characters.";
        return Err(ApiError::field("key", message, "Type a key: tieline api-keys create."));
    }
    if let Err(wait) = app.access.sessions.may_try(caller.address) {
        return Err(too_many(wait));
    }
    let found = app.access.keys.by_text(key.reveal()).await;
    let principal = found.map_err(|refusal| match refusal {
        Refusal::Store(error) => Refusal::Store(error).into(),
        _ => refused(),
    })?;
    let now = app.engine.clock.now();
    let claims = Claims {
        key: principal.id.to_string(),
        scopes: principal.scopes.to_string(),
        expires_at: now.plus(LIFETIME).0,
        agent: None,
        call: None,
    };
    let act = Act {
        actor: format!("key {}", principal.id),
        action: "session.opened",
        subject: principal.id.to_string(),
        details: BTreeMap::from([("address".to_owned(), caller.address.to_string())]),
    };
    app.engine.store.audit(act, now).await?;
    let token = app.access.signer.sign(&claims);
    let expires_at = Some(Timestamp(claims.expires_at));
    let identity = Identity { expires_at, ..Identity::from(principal) };
    // On one's own machine the demo is asked without TLS.
    let is_secure = !caller.address.is_loopback();
    let set = cookie(&token, LIFETIME, is_secure);
    Ok(answer(body(&app, Some((&identity, &token))), Some(set)))
}

/// Signs a person out: their browser forgets the session.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "access", responses((status = 204))
)]
pub async fn end() -> Response {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", Duration::ZERO, false))])
        .into_response()
}

fn cookie(token: &str, lives: Duration, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    let seconds = lives.as_secs();
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

fn answer(body: SessionBody, set: Option<String>) -> Response {
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if let Some(value) = set.and_then(|set| set.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn refused() -> ApiError {
    let message = "The key opens nothing.";
    let fix = "Type it as it was told when it was made, or make one: tieline api-keys create.";
    ApiError::new(StatusCode::UNAUTHORIZED, "session.refused", message, fix).at("key")
}

fn too_many(wait: Duration) -> ApiError {
    let message = "Too many tries to sign in from this address.";
    let fix = "Wait as long as Retry-After says.";
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "session.rate_limited", message, fix)
        .retry_after(whole.max(1))
}

#[cfg(test)]
mod tests {
    use super::{Sessions, cookie, token_of};
    use axum::http::{HeaderMap, Method};
    use std::time::Duration;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn only_a_token_in_our_own_cookie_counts() {
        let check = |cookies: &[&str], expected| {
            let pairs: Vec<(&'static str, &str)> =
                cookies.iter().map(|value| ("cookie", *value)).collect();
            assert_eq!(token_of(&headers(&pairs)), expected, "{cookies:?}");
        };
        check(&[], None);
        check(&["tieline_session=tt_a.b"], Some("tt_a.b"));
        check(&["x=1; tieline_session=tt_a.b ;y=2"], Some("tt_a.b"));
        check(&["x=1", "tieline_session=tt_a.b"], Some("tt_a.b"));
        // A key is no token: it would be a session that never ends.
        check(&["tieline_session=a-key"], None);
        check(&["not_tieline_session=tt_a.b"], None);
    }

    #[test]
    fn what_changes_something_must_say_what_only_our_page_knows() {
        let sessions = Sessions::new(&[7; 32]);
        let said = sessions.csrf_of("tt_a.b");
        let check = |method: Method, said: Option<&str>, expected| {
            let pairs: Vec<_> = said.map(|said| ("x-csrf-token", said)).into_iter().collect();
            let is_ours = sessions.is_from_our_page(&method, &headers(&pairs), "tt_a.b");
            assert_eq!(is_ours, expected, "{method} {said:?}");
        };
        check(Method::GET, None, true);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            check(method.clone(), None, false);
            check(method.clone(), Some(""), false);
            check(method.clone(), Some(&sessions.csrf_of("tt_another.b")), false);
            check(method, Some(&said), true);
        }
    }

    #[test]
    fn no_page_can_read_the_cookie_and_no_other_site_sends_it() {
        let set = cookie("tt_a.b", Duration::from_secs(60), true);
        let expected = "tieline_session=tt_a.b; Path=/; HttpOnly; SameSite=Strict; Max-Age=60";
        assert_eq!(set, format!("{expected}; Secure"));
        assert_eq!(cookie("tt_a.b", Duration::from_secs(60), false), expected);
    }
}
