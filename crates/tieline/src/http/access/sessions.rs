//! A person's session in a browser: signed in with a password, or with a key, and held by a
//! cookie that no page can read.
//!
//! The cookie carries a token as `/oauth/token` makes them, which names the session: it may do
//! what its user's role or its key may, and dies with them, on every node, and when it is
//! signed out of. A browser sends it along by itself, so whatever changes something must also
//! say what only our own page was told ([`Sessions::is_from_our_page`]); and a page of another
//! site is sent nothing at all (`SameSite=Strict`).

use super::limits::{Bucket, Buckets, Seldom};
use super::pages::network;
use super::passwords::Passwords;
use super::refusal::Refusal;
use super::roles::Role;
use super::scopes::Scopes;
use super::session_body::{Given, SessionBody, SessionRequest, body};
use super::session_refusals::{refused, too_many};
use super::users::{self, Session};
use super::{Caller, Claims, second_factor, tokens};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use kit::Secret;
use state::User;
use state::audit::Act;
use state::users::Who;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const COOKIE: &str = "tieline_session";
/// Of this name a browser takes it from this very host alone, and over TLS: a neighbouring host can
/// put none in its place. On one's own machine, without TLS, it is the other.
const HOST_COOKIE: &str = "__Host-tieline_session";
/// How long one is signed in: a working day.
const LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// Tries to sign in, a minute: of an address (a /64 of IPv6), and as one user from wherever,
/// so many that one address cannot use them up; and how many of either are counted apart.
const TRIES_PER_MINUTE: u32 = 20;
const TRIES_AS_PER_MINUTE: u32 = 120;
/// Codes that a user may mistype in a row, and how long until there is one more.
const CODES: u32 = 5;
const CODE_EVERY: Duration = Duration::from_secs(180);
const COUNTED_MAX: usize = 10_000;
/// Bytes of a key, a name or a code.
const TEXT_MAX: usize = 1_024;

/// What sessions need beside keys, users and tokens.
pub struct Sessions {
    tries: Buckets<IpAddr>,
    tries_as: Buckets<String>,
    codes: Buckets<String>,
    pub(super) refusals: Seldom,
    pub passwords: Passwords,
    csrf: hmac::Key,
}

impl Sessions {
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            tries: Buckets::new(TRIES_PER_MINUTE, COUNTED_MAX),
            tries_as: Buckets::new(TRIES_AS_PER_MINUTE, COUNTED_MAX),
            codes: Buckets::new(CODES, COUNTED_MAX),
            refusals: Seldom::default(),
            passwords: Passwords::default(),
            csrf: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// What the page of this session says with whatever changes something.
    pub(super) fn csrf_of(&self, session: &str) -> String {
        state::hex(&hmac::sign(&self.csrf, session.as_bytes()).as_ref()[..16])
    }

    /// Whether a request with the cookie may be what it says it is.
    pub fn is_from_our_page(&self, method: &Method, headers: &HeaderMap, session: &str) -> bool {
        let is_reading = matches!(*method, Method::GET | Method::HEAD);
        is_reading
            || headers.get("x-csrf-token").is_some_and(|said| {
                let expected = self.csrf_of(session);
                verify_slices_are_equal(said.as_bytes(), expected.as_bytes()).is_ok()
            })
    }

    /// Counts a try from this address; otherwise how long until there may be one.
    pub(super) fn may_try(&self, address: IpAddr) -> Result<(), Duration> {
        let (now, address) = (Instant::now(), network(address));
        self.tries.of(address, TRIES_PER_MINUTE, now).take(TRIES_PER_MINUTE, now)
    }

    /// The same as this user, from wherever: many addresses guess no faster.
    pub(super) fn may_try_as(&self, user: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let bucket = self.tries_as.of(user.to_owned(), TRIES_AS_PER_MINUTE, now);
        bucket.take(TRIES_AS_PER_MINUTE, now)
    }

    /// Counts a code of this user, whose password was right; it is given back where it is the
    /// right one. A code has six digits: whoever may guess as often as they like finds one.
    fn may_try_code(&self, user: &User) -> Result<Arc<Bucket>, Duration> {
        let now = Instant::now();
        let bucket = self.codes.of(user.id.clone(), CODES, now);
        bucket.take_of(f64::from(CODES), 1.0 / CODE_EVERY.as_secs_f64(), now)?;
        Ok(bucket)
    }
}

/// The token that a browser sends along.
pub fn token_of(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let named = |wanted: &str| pairs.iter().find(|(name, _)| name.trim() == wanted);
    let (_, token) = named(HOST_COOKIE).or_else(|| named(COOKIE))?;
    Some(token.trim()).filter(|token| tokens::is_token(token))
}

/// Who is signed in, or that nobody is.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "access",
    responses((status = 200, body = SessionBody), (status = 503, body = ErrorBody))
)]
pub async fn current(
    State(app): State<App>,
    nobody: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(token) = token_of(&headers) else { return Ok(answer(body(&app, None).await?, None)) };
    match app.access.bearer_of(token).await {
        Ok(found) => {
            let caller = Caller::new(&found, nobody.address);
            Ok(answer(body(&app, Some(&caller)).await?, None))
        }
        Err(Refusal::Store(error)) => Err(Refusal::Store(error).into()),
        // Its time is over, or who began it is gone.
        Err(_) => {
            let forgotten = cookie("", Duration::ZERO, !nobody.address.is_loopback());
            Ok(answer(body(&app, None).await?, Some(forgotten)))
        }
    }
}

/// Signs a person in: with a name and a password, and a code where they have a second factor;
/// or with a key.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "access", request_body = SessionRequest,
    responses(
        (status = 200, body = SessionBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody, description = "What was typed opens nothing, or a code is needed, too"),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 429, body = ErrorBody, description = "Too many tries from this address, or as this user: wait for Retry-After seconds"),
        (status = 503, body = ErrorBody)
    )
)]
pub async fn begin(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    // A change of the password meanwhile ends what began before it.
    let arrived = app.engine.clock.now();
    let Given { key, name, password, code } = read_json(request).await?;
    if let (None, Some(name)) = (&key, &name) {
        let password = Secret::new(password.unwrap_or_default());
        let user = of_a_password(&app, &caller, name, password, code).await?;
        return opened(&app, &caller, &user, arrived).await;
    }
    if key.is_some() && name.is_some() && password.is_some() {
        let message = "Both a key and a name were sent.";
        return Err(ApiError::field("key", message, "Sign in with one of them."));
    }
    let key = Secret::new(key.unwrap_or_default());
    let is_text = key.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    if !is_text || key.reveal().is_empty() || key.reveal().len() > TEXT_MAX {
        let message = "key is 1 to 1,024 visible ASCII characters.";
        let fix = "Type a key (tieline api-keys create), or a user's name and password.";
        return Err(ApiError::field("key", message, fix));
    }
    app.access.sessions.may_try(caller.address).map_err(too_many)?;
    let principal = match app.access.keys.by_text(key.reveal()).await {
        Ok(principal) => principal,
        Err(Refusal::Store(error)) => return Err(Refusal::Store(error).into()),
        Err(_) => return Err(refused(&app, &caller, "key").await),
    };
    let began = (&*principal.id, format!("key {}", principal.id), principal.scopes);
    set_out(&app, &caller, began, Session::new(arrived)?).await
}

/// The user whose name and password these are, and whose code, where they have a second factor.
async fn of_a_password(
    app: &App,
    caller: &Caller,
    name: &str,
    password: Secret,
    code: Option<String>,
) -> Result<User, ApiError> {
    let needed = [name, password.reveal()];
    let given = needed.into_iter().chain(code.as_deref());
    let is_short = |text: &str| text.chars().count() <= TEXT_MAX;
    if needed.iter().any(|text| text.is_empty()) || !given.into_iter().all(is_short) {
        let message = "name and password are 1 to 1,024 characters each.";
        return Err(ApiError::field("name", message, "Type them as they were told."));
    }
    let name = name.trim().to_lowercase();
    let sessions = &app.access.sessions;
    sessions.may_try(caller.address).map_err(too_many)?;
    // Whether there is such a user or not, or that would be told by it.
    sessions.may_try_as(&name).map_err(too_many)?;
    let user = app.engine.store.user(Who::Name(&name)).await?;
    let able = user.filter(|user| user.disabled_at.is_none() && !user.password.is_empty());
    let hash = able.as_ref().map(|user| user.password.as_str());
    let fits = sessions.passwords.fits(password, hash).await;
    let fits = fits.ok_or_else(|| too_many(Duration::from_secs(1)))?;
    let Some(user) = able.filter(|_| fits) else {
        return Err(refused(app, caller, "password").await);
    };
    let Some(totp) = user.totp.as_ref().filter(|totp| totp.is_on) else { return Ok(user) };
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
        let message = "The user has a second factor: a code is needed, too.";
        let fix = "Send what the authenticator app shows as code.";
        let status = StatusCode::UNAUTHORIZED;
        return Err(ApiError::new(status, "session.code_required", message, fix).at("code"));
    };
    let taken = sessions.may_try_code(&user).map_err(too_many)?;
    let step = second_factor::step_of(totp, &code, app.engine.clock.now());
    let is_spent = match step {
        Some(step) => app.engine.store.spend_totp_step(&user.id, step).await?,
        None => false,
    };
    if is_spent {
        taken.give_back();
        return Ok(user);
    }
    // Whoever comes so far has the password: the user is to know.
    let act = Act {
        actor: "nobody".to_owned(),
        action: "user.code_refused",
        subject: user.id.clone(),
        details: BTreeMap::from([
            ("name".to_owned(), user.name.clone()),
            ("address".to_owned(), caller.address.to_string()),
        ]),
    };
    app.engine.store.audit(act, app.engine.clock.now()).await?;
    Err(refused(app, caller, "code").await)
}

/// The answer that signs a user in who has proven who they are since `arrived`.
pub(super) async fn opened(
    app: &App,
    caller: &Caller,
    user: &User,
    arrived: Timestamp,
) -> Result<Response, ApiError> {
    let session = Session::new(arrived)?;
    let scopes = Role::parse(&user.role).map(Role::scopes).unwrap_or_default();
    let (key, actor) = (users::key_of(user), users::actor(user));
    set_out(app, caller, (&key, actor, scopes), session).await
}

/// The cookie that signs in a user whom an identity provider vouched for since `arrived`.
pub(super) async fn cookie_of(
    app: &App,
    caller: &Caller,
    user: &User,
    arrived: Timestamp,
) -> Result<String, ApiError> {
    let session = Session::new(arrived)?;
    let scopes = Role::parse(&user.role).map(Role::scopes).unwrap_or_default();
    let (key, actor) = (users::key_of(user), users::actor(user));
    write_down(app, caller, (&key, actor), &session).await?;
    let token = token(app, (&key, scopes), &session);
    Ok(cookie(&token, LIFETIME, !caller.address.is_loopback()))
}

/// Writes a session down and hands its token out.
async fn set_out(
    app: &App,
    caller: &Caller,
    (key, actor, scopes): (&str, String, Scopes),
    session: Session,
) -> Result<Response, ApiError> {
    write_down(app, caller, (key, actor), &session).await?;
    handed_out(app, caller, (key, scopes), &session).await
}

async fn write_down(
    app: &App,
    caller: &Caller,
    (key, actor): (&str, String),
    session: &Session,
) -> Result<(), ApiError> {
    let act = Act {
        actor,
        action: "session.opened",
        subject: key.to_owned(),
        details: BTreeMap::from([("address".to_owned(), caller.address.to_string())]),
    };
    Ok(app.engine.store.audit(act, session.began_at).await?)
}

/// The token of a session, until its time.
fn token(app: &App, (key, scopes): (&str, Scopes), session: &Session) -> String {
    let claims = Claims {
        session: Some(session.id.to_string()),
        began_at: Some(session.began_at.0),
        ..Claims::new(key, scopes, session.began_at.plus(LIFETIME))
    };
    app.access.signer.sign(&claims)
}

/// The answer with the token of a session, until its time.
pub(super) async fn handed_out(
    app: &App,
    caller: &Caller,
    (key, scopes): (&str, Scopes),
    session: &Session,
) -> Result<Response, ApiError> {
    let token = token(app, (key, scopes), session);
    let found = app.access.bearer_of(&token).await?;
    let body = body(app, Some(&Caller::new(&found, caller.address))).await?;
    // On one's own machine the demo is asked without TLS.
    let set = cookie(&token, LIFETIME, !caller.address.is_loopback());
    Ok(answer(body, Some(set)))
}

/// Signs a person out: their browser forgets the session, and its token opens nothing any more.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "access",
    responses((status = 204), (status = 503, body = ErrorBody))
)]
pub async fn end(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(token) = token_of(&headers) {
        match app.access.bearer_of(token).await {
            Ok(found) => sign_out(&app, &Caller::new(&found, caller.address)).await?,
            Err(Refusal::Store(error)) => return Err(Refusal::Store(error).into()),
            // It is over anyway.
            Err(_) => {}
        }
    }
    let forgotten = cookie("", Duration::ZERO, !caller.address.is_loopback());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forgotten)]).into_response())
}

async fn sign_out(app: &App, caller: &Caller) -> Result<(), ApiError> {
    let (Some(session), Some(until)) = (&caller.session, caller.expires_at) else { return Ok(()) };
    let now = app.engine.clock.now();
    app.engine.store.end_session(&session.id, until, now).await?;
    app.access.users.forget_session(session);
    let act = Act {
        actor: caller.actor(),
        action: "session.closed",
        subject: caller.key.to_string(),
        details: BTreeMap::from([("address".to_owned(), caller.address.to_string())]),
    };
    Ok(app.engine.store.audit(act, now).await?)
}

impl Session {
    /// A new one.
    fn new(began_at: Timestamp) -> Result<Self, ApiError> {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| no_chance())?;
        Ok(Self { id: state::hex(&id).into(), began_at })
    }
}

/// The system gives no random bytes, and without them there are no secrets.
pub fn no_chance() -> ApiError {
    let message = "The system gives no random bytes.";
    let fix = "Look at the machine: nothing can be signed in or made without.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store.unavailable", message, fix)
}

fn cookie(token: &str, lives: Duration, is_secure: bool) -> String {
    let (name, secure) = if is_secure { (HOST_COOKIE, "; Secure") } else { (COOKIE, "") };
    let seconds = lives.as_secs();
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

fn answer(body: SessionBody, set: Option<String>) -> Response {
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if let Some(value) = set.and_then(|set| set.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
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
        // What a neighbouring host has put there goes after what only we can.
        check(&["tieline_session=tt_x.y; __Host-tieline_session=tt_a.b"], Some("tt_a.b"));
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
        assert_eq!(set, format!("__Host-{expected}; Secure"));
        assert_eq!(cookie("tt_a.b", Duration::from_secs(60), false), expected);
    }
}
