//! People who sign in at an identity provider: sent there, and taken in when they come back.
//!
//! What an attempt must be told again lies in a signed cookie of ten minutes, so that any node may
//! take them in. It is `Lax`: the provider sends the browser back from its own site. Whoever comes is
//! a user like any other, known by issuer and subject, whose name, full name and role the provider's
//! claims say anew each time; the second factor is the provider's affair.

use super::Caller;
use super::roles::Role;
use super::session_refusals;
use super::sessions::{self, no_chance};
use crate::config::{ConsoleSection, OidcSection};
use crate::http::input::Params;
use crate::http::{ApiError, App};
use aws_lc_rs::hmac;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use kit::oidc::{Attempt, Provider};
use kit::{Error, Http, Limits, Network};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use state::audit::Act;
use state::users::Who;
use state::{NewUser, User};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Sign-ins are a few a minute; each asks twice.
const LIMITS: Limits = Limits {
    requests_per_minute: 600,
    reserved_for_calls: 0,
    concurrent_calls: 1,
    concurrent_background: 8,
    timeout: Duration::from_secs(10),
};
const COOKIE: &str = "tieline_oidc";
const HOST_COOKIE: &str = "__Host-tieline_oidc";
/// How long one may take at the provider.
const ATTEMPT: Duration = Duration::from_secs(600);
const NAME_MAX: usize = 64;

/// An identity provider, and what its claims mean here.
pub struct Oidc {
    provider: Provider,
    section: OidcSection,
    key: hmac::Key,
}

/// The provider of the configuration, if there is one.
///
/// # Errors
/// What is wrong with the section, naming the key.
pub fn open(section: &ConsoleSection, key: &[u8; 32]) -> Result<Option<Oidc>, String> {
    let Some(section) = &section.oidc else { return Ok(None) };
    let public = Url::parse(&section.public_url).ok().filter(|url| url.path() == "/");
    let public = public.ok_or("console.oidc.public_url: write https://tieline.example.com")?;
    let back = public.join("/api/v1/session/oidc/done");
    let back = back.map_err(|_| "console.oidc.public_url: is no address")?;
    if Url::parse(&section.issuer).is_err() {
        return Err("console.oidc.issuer: is no address".to_owned());
    }
    if section.roles.values().all(Vec::is_empty) && section.default_role.is_none() {
        let fix = "roles.admin = [\"tieline-admins\"], or a default_role";
        return Err(format!("console.oidc.roles: nobody could sign in; write {fix}"));
    }
    let secret = section.client_secret.as_ref().map(|source| source.read()).transpose();
    let secret = secret.map_err(|wrong| format!("console.oidc.client_secret: {wrong}"))?;
    let allow_private_addresses = section.allow_private_addresses;
    let network = Network { allow_private_addresses, ..Network::default() };
    let http = Http::new(LIMITS, network).map_err(|wrong| format!("console.oidc: {wrong}"))?;
    let others = section.scopes.iter().filter(|scope| *scope != "openid");
    let scopes: Vec<&str> = ["openid"].into_iter().chain(others.map(String::as_str)).collect();
    let client = (section.client_id.as_str(), secret);
    let provider = Provider::new(http, &section.issuer, client, back, &scopes.join(" "));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Ok(Some(Oidc { provider, section: section.clone(), key }))
}

/// What the browser brings back.
#[derive(Serialize, Deserialize)]
struct Kept {
    state: String,
    nonce: String,
    verifier: String,
    until: i64,
}

#[derive(Deserialize)]
pub struct Done {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

impl Oidc {
    fn sealed(&self, kept: &Kept) -> String {
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(kept).unwrap_or_default());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, body.as_bytes()));
        format!("{body}.{signature}")
    }

    fn opened(&self, text: &str, now: Timestamp) -> Option<Kept> {
        let (body, signature) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, body.as_bytes(), &signature).ok()?;
        let kept: Kept = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (now.0 < kept.until).then_some(kept)
    }

    /// What these claims make of somebody; `None`: nothing.
    fn role(&self, claims: &Map<String, Value>) -> Option<Role> {
        let said = claims.get(&self.section.role_claim);
        let said: Vec<&str> = match said {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let fits = |role: &Role| {
            let named = self.section.roles.get(role);
            named.is_some_and(|named| named.iter().any(|one| said.contains(&one.as_str())))
        };
        Role::ALL.into_iter().find(fits).or(self.section.default_role)
    }
}

fn chance() -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| no_chance())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Over TLS it is one that no neighbouring host can put in its place: whoever could would sign
/// somebody in as themselves.
fn name(is_secure: bool) -> &'static str {
    if is_secure { HOST_COOKIE } else { COOKIE }
}

fn cookie(value: &str, lives: Duration, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    let (name, seconds) = (name(is_secure), lives.as_secs());
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

fn kept_of(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(one, _)| one.trim() == name(is_secure)).map(|(_, value)| value.trim())
}

/// Sends the browser to the provider.
pub async fn begin(State(app): State<App>, caller: Caller) -> Response {
    match leave(&app, &caller).await {
        Ok(response) => response,
        Err(problem) => back_at_the_door(problem),
    }
}

/// Takes the browser in that comes back from the provider.
pub async fn done(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Done>,
) -> Response {
    let mut response = match arrive(&app, &caller, &headers, query).await {
        Ok(session) => ([(header::SET_COOKIE, session)], Redirect::to("/console/")).into_response(),
        Err(problem) => back_at_the_door(problem),
    };
    let forgotten = cookie("", Duration::ZERO, !caller.address.is_loopback());
    if let Ok(forgotten) = forgotten.parse() {
        response.headers_mut().append(header::SET_COOKIE, forgotten);
    }
    response
}

/// A word for the page, which says in its own place what is wrong.
fn back_at_the_door(problem: &'static str) -> Response {
    Redirect::to(&format!("/console/?problem={problem}")).into_response()
}

async fn leave(app: &App, caller: &Caller) -> Result<Response, &'static str> {
    let oidc = app.oidc.as_ref().ok_or("not_offered")?;
    let chance = || chance().map_err(|_| "unavailable");
    let attempt = Attempt { state: chance()?, nonce: chance()?, verifier: chance()? };
    let to = oidc.provider.authorize(&attempt).await.map_err(|error| troubled(&error))?;
    let until = app.engine.clock.now().plus(ATTEMPT).0;
    let Attempt { state, nonce, verifier } = attempt;
    let kept = oidc.sealed(&Kept { state, nonce, verifier, until });
    let set = cookie(&kept, ATTEMPT, !caller.address.is_loopback());
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to.to_string()), (header::SET_COOKIE, set)])
        .into_response())
}

fn troubled(error: &Error) -> &'static str {
    tracing::warn!(error.kind = error.kind(), "the identity provider could not be asked: {error}");
    "unavailable"
}

async fn arrive(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    query: Done,
) -> Result<String, &'static str> {
    let oidc = app.oidc.as_ref().ok_or("not_offered")?;
    let arrived = app.engine.clock.now();
    // Each that comes back with something costs a question.
    app.access.sessions.may_try(caller.address).map_err(|_| "too_many")?;
    let kept = kept_of(headers, !caller.address.is_loopback());
    let kept = kept.and_then(|text| oidc.opened(text, app.engine.clock.now()));
    let kept = kept.ok_or("late")?;
    if query.state.as_deref() != Some(&kept.state) {
        return Err("late");
    }
    let Some(code) = query.code else {
        let why = query.error.unwrap_or_default();
        let why: String = why.chars().filter(char::is_ascii_graphic).take(60).collect();
        refused(app, caller, &format!("the provider says {why}")).await;
        return Err("refused");
    };
    let Kept { state, nonce, verifier, .. } = kept;
    let claims = oidc.provider.redeem(&code, &Attempt { state, nonce, verifier }).await;
    let claims = match claims {
        Ok(claims) => claims,
        Err(Error::Unauthorized { reason }) => {
            refused(app, caller, &reason).await;
            return Err("refused");
        }
        Err(error) => return Err(troubled(&error)),
    };
    let Some(role) = oidc.role(&claims) else {
        refused(app, caller, "none of their groups has a role here").await;
        return Err("no_role");
    };
    let user = taken_in(app, caller, &claims, role).await.map_err(|error| {
        tracing::error!("a user of the identity provider could not be kept: {error}");
        "unavailable"
    })?;
    let user = user.ok_or("refused")?;
    sessions::cookie_of(app, caller, &user, arrived).await.map_err(|_| "unavailable")
}

/// The user whose claims these are, made where they come for the first time, and with the role
/// that they have now. `None` where they may not sign in.
async fn taken_in(
    app: &App,
    caller: &Caller,
    claims: &Map<String, Value>,
    role: Role,
) -> state::Result<Option<User>> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let subject = format!("{} {}", text("iss"), text("sub"));
    let full_name: String = text("name").chars().filter(|c| !c.is_control()).take(128).collect();
    let (store, now) = (&app.engine.store, app.engine.clock.now());
    if let Some(user) = store.user(Who::Subject(&subject)).await? {
        if user.disabled_at.is_some() {
            refused(app, caller, "the user may not sign in").await;
            return Ok(None);
        }
        if user.role == role.as_str() && user.full_name == full_name {
            return Ok(Some(user));
        }
        let details = BTreeMap::from([("role".to_owned(), role.as_str().to_owned())]);
        let act = act(caller, "user.changed", &user.id, details);
        let changed = User { role: role.as_str().to_owned(), full_name, ..user };
        let id = changed.id.clone();
        // Somebody else changed them in this moment: what they are now is read anew.
        store.change_user(changed, act, now).await?;
        app.access.users.forget(&id);
        return store.user(Who::Id(&id)).await;
    }
    let wanted = name_of(["preferred_username", "email", "sub"].map(text));
    for number in 1..=9 {
        let name = if number == 1 { wanted.clone() } else { format!("{wanted}-{number}") };
        let new = NewUser {
            name: name.clone(),
            full_name: full_name.clone(),
            role: role.as_str().to_owned(),
            password: String::new(),
            subject: subject.clone(),
        };
        let details = BTreeMap::from([
            ("name".to_owned(), name),
            ("role".to_owned(), role.as_str().to_owned()),
        ]);
        if let Some(user) =
            store.create_user(new, act(caller, "user.created", "", details), now).await?
        {
            return Ok(Some(user));
        }
        // They came by another node in this moment, or somebody has the name.
        if let Some(user) = store.user(Who::Subject(&subject)).await? {
            return Ok(Some(user).filter(|user| user.disabled_at.is_none()));
        }
    }
    refused(app, caller, "nine users have their name").await;
    Ok(None)
}

/// The first of these that is one, in the letters that names are made of. Of the subject, which
/// nobody chooses, others are left out; a name without some of its letters would be another's.
fn name_of([preferred, email, subject]: [&str; 3]) -> String {
    let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@+".contains(*c);
    let whole = |text: &str| {
        let text = text.to_lowercase();
        if text.chars().all(|c| is_plain(&c)) { text } else { String::new() }
    };
    let subject: String = subject.to_lowercase().chars().filter(is_plain).collect();
    let mut names = [whole(preferred), whole(email), subject].into_iter();
    let name = names.find(|name| !name.is_empty()).unwrap_or_else(|| "user".to_owned());
    name.chars().take(NAME_MAX - 2).collect()
}

fn act(
    caller: &Caller,
    action: &'static str,
    id: &str,
    mut details: BTreeMap<String, String>,
) -> Act {
    details.insert("address".to_owned(), caller.address.to_string());
    Act { actor: "identity provider".to_owned(), action, subject: id.to_owned(), details }
}

async fn refused(app: &App, caller: &Caller, why: &str) {
    session_refusals::say_refused(app, caller, "oidc", why).await;
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPT, Oidc, cookie, kept_of, name_of, open};
    use crate::config::ConsoleSection;
    use crate::http::Role;
    use axum::http::{HeaderMap, header};
    use serde_json::{Value, json};

    fn oidc(more: &str) -> Result<Option<Oidc>, String> {
        let section: ConsoleSection = toml::from_str(&format!(
            "[oidc]\nissuer = \"https://id.example.com\"\nclient_id = \"t\"\n\
             public_url = \"https://tieline.example.com\"\n{more}"
        ))
        .expect("a section");
        open(&section, &[7; 32])
    }

    #[test]
    fn over_tls_an_attempt_comes_back_in_a_cookie_of_this_host_alone() {
        let set = cookie("a.b", ATTEMPT, true);
        assert!(set.starts_with("__Host-tieline_oidc=a.b; Path=/;"), "{set}");
        assert!(set.ends_with("; Secure") && !set.contains("Domain"), "{set}");
        let sent = "tieline_oidc=other; __Host-tieline_oidc=a.b".parse().expect("a header");
        let headers = HeaderMap::from_iter([(header::COOKIE, sent)]);
        assert_eq!(kept_of(&headers, true), Some("a.b"));
        assert_eq!(kept_of(&headers, false), Some("other"), "on one's own machine, without TLS");
        let sent = "tieline_oidc=other".parse().expect("a header");
        assert_eq!(kept_of(&HeaderMap::from_iter([(header::COOKIE, sent)]), true), None);
    }

    #[test]
    fn of_several_roles_the_one_counts_that_may_most() {
        let roles = "[oidc.roles]\nadmin = [\"ops\"]\nanalyst = [\"people\", \"data\"]";
        let oidc = oidc(roles).expect("opened").expect("one");
        let check = |groups: Value, expected: Option<Role>| {
            let claims = json!({ "groups": groups });
            assert_eq!(oidc.role(claims.as_object().expect("claims")), expected, "{claims}");
        };
        check(json!(["people", "ops"]), Some(Role::Admin));
        check(json!("data"), Some(Role::Analyst));
        check(json!(["opsx", "OPS"]), None);
        check(json!(null), None);
        check(json!({ "ops": true }), None);
    }

    #[test]
    fn a_section_by_which_nobody_could_sign_in_is_refused() {
        let wrong = |more: &str| oidc(more).err().unwrap_or_default();
        assert!(wrong("").starts_with("console.oidc.roles: "), "{}", wrong(""));
        assert!(oidc("default_role = \"agent\"").is_ok());
    }

    #[test]
    fn a_name_is_made_of_the_letters_of_names() {
        assert_eq!(name_of(["Ada.Byron", "x@example.com", "1"]), "ada.byron");
        assert_eq!(name_of(["", "Ada@Example.com", "1"]), "ada@example.com");
        assert_eq!(name_of(["\u{44f}", "", "auth0|7"]), "auth07");
        assert_eq!(name_of(["", "", ""]), "user");
    }
}
