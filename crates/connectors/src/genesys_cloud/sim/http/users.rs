//! Users who are signed in, and the tokens that applications got for them.
//!
//! At the vendor a user logs in on a page and the application gets a code
//! (`/oauth/authorize`, with PKCE) or the token itself (implicit). There is nobody
//! here to do it: [`sign_in`] stands for that page and gives both, and the code is
//! redeemed at `/oauth/token` as the vendor documents it. What such a token may do
//! is decided by the user's roles, which are not simulated: it may ask who it is.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::model::dates;
use super::super::model::problem::Problem;
use super::gate::Operation;
use super::platform::{Answer, Ask, Platform, now, ok};

/// Sessions remembered; past it the oldest is forgotten.
const MOST_SESSIONS: usize = 10_000;

/// Marks tokens that a user signed in for.
pub(crate) const SCOPE: &str = "user";

pub(crate) const OPERATIONS: &[Operation] = &[
    // HEAD, the cheap check of a token, is GET without its body.
    Operation::new(Method::GET, "/api/v2/tokens/me", &[], token),
    Operation::new(Method::DELETE, "/api/v2/tokens/me", &[], revoke),
    Operation::new(Method::GET, "/api/v2/users/me", &[], user),
    Operation::new(Method::GET, "/api/v2/authorization/subjects/me", &[], subject),
    Operation::new(Method::GET, "/api/v2/oauth/clients/{clientId}", &["oauth:client:view"], client),
];

/// Somebody who signs in, and through what. The default is an active user of the
/// organization at the widget's client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedInUser {
    /// The user's id.
    pub user_id: String,
    /// `active`, `inactive` or `deleted`.
    pub state: String,
    /// The OAuth client of the application; absent: the widget's.
    pub client_id: Option<String>,
    /// The organization; absent: this one.
    pub organization_id: Option<String>,
    /// What the application asked for.
    pub scope: Vec<String>,
    /// When the session ends if nothing is done with it, where the organization ends
    /// such ones.
    pub idle_seconds: Option<u64>,
    /// PKCE, method S256: the hash of the verifier that the code is redeemed with.
    pub code_challenge: Option<String>,
}

impl Default for SignedInUser {
    fn default() -> Self {
        Self {
            user_id: "00000000-05e7-4000-9000-000000000001".to_owned(),
            state: "active".to_owned(),
            client_id: None,
            organization_id: None,
            scope: vec!["user-basic-info".to_owned()],
            idle_seconds: None,
            code_challenge: None,
        }
    }
}

/// One token's session.
struct Session {
    user: SignedInUser,
    idles_at: Option<i64>,
}

/// Every session, by its token, and the codes that were not redeemed yet.
#[derive(Default)]
pub(crate) struct Sessions {
    by_token: HashMap<String, Session>,
    order: VecDeque<String>,
    codes: HashMap<String, (String, SignedInUser)>,
}

impl Sessions {
    /// Who signed in for a token.
    pub(crate) fn user(&self, token: &str) -> Option<&str> {
        self.by_token.get(token).map(|session| session.user.user_id.as_str())
    }
}

/// The token, and the code for which it is given once more.
pub(crate) fn sign_in(platform: &Platform, user: SignedInUser) -> (String, String) {
    let client = client_of(platform, &user).to_owned();
    let token = platform.tokens.issue("", &format!("{client}/{}", user.user_id), SCOPE);
    let idles_at = user.idle_seconds.map(|seconds| idle_from(now(), seconds));
    let code = platform.correlation_id();
    let mut sessions = platform.sessions();
    if sessions.order.len() >= MOST_SESSIONS
        && let Some(oldest) = sessions.order.pop_front()
    {
        sessions.by_token.remove(&oldest);
    }
    if sessions.codes.len() >= MOST_SESSIONS {
        sessions.codes.clear();
    }
    sessions.order.push_back(token.clone());
    sessions.codes.insert(code.clone(), (token.clone(), user.clone()));
    sessions.by_token.insert(token.clone(), Session { user, idles_at });
    (token, code)
}

/// The token of a code, once; by a client with PKCE, so without a secret.
pub(crate) fn redeem(
    platform: &Platform,
    code: &str,
    client: &str,
    verifier: &str,
) -> Option<String> {
    let (token, user) = platform.sessions().codes.remove(code)?;
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let fits = user.code_challenge.as_deref() == Some(&hash) && !verifier.is_empty();
    (fits && client == client_of(platform, &user)).then_some(token)
}

fn client_of<'a>(platform: &'a Platform, user: &'a SignedInUser) -> &'a str {
    user.client_id.as_deref().unwrap_or(&platform.config.widget_client_id)
}

fn idle_from(now: i64, seconds: u64) -> i64 {
    let idle = i64::try_from(Duration::from_secs(seconds).as_millis()).unwrap_or(i64::MAX / 2);
    now.saturating_add(idle)
}

/// Whether the token's session still goes on, and has the scope that both operations
/// want; a look that does not preserve it sets its idle time anew.
fn living<T>(
    platform: &Platform,
    ask: &Ask,
    preserve: bool,
    render: impl FnOnce(Option<&Session>) -> T,
) -> Result<T, Problem> {
    let mut sessions = platform.sessions();
    let Some(session) = sessions.by_token.get_mut(&ask.token) else { return Ok(render(None)) };
    if session.idles_at.is_some_and(|at| at <= ask.now) {
        return Err(Problem::bad_credentials());
    }
    if !session.user.scope.iter().any(|scope| scope == "user-basic-info") {
        return Err(Problem::not_authorized());
    }
    if let Some(seconds) = session.user.idle_seconds.filter(|_| !preserve) {
        session.idles_at = Some(idle_from(ask.now, seconds));
    }
    Ok(render(Some(session)))
}

fn token(platform: &Platform, ask: &Ask) -> Answer {
    let preserve = ask.flag("preserveIdleTTL")?;
    let config = &platform.config;
    let own = json!({ "id": config.organization_id, "name": config.organization_name });
    let body = living(platform, ask, preserve, |session| match session {
        None => info(&own, &config.client_id, "CLIENT-CREDENTIALS", &[]),
        Some(Session { user, idles_at }) => {
            let other = user.organization_id.as_ref();
            let organization = other.map_or(own, |id| json!({ "id": id, "name": "Another" }));
            let client = client_of(platform, user);
            let mut body = info(&organization, client, "CODE", &user.scope);
            if let Some(at) = idles_at {
                body["dateTokenIdles"] = json!(dates::iso(*at));
            }
            body
        }
    })?;
    ok(body)
}

/// The client's roles and what they grant (`AuthzSubject`).
/// Grants name their roles; what a role allows is told where it is asked for.
fn subject(platform: &Platform, ask: &Ask) -> Answer {
    let is_full = ask.flag("includeFullRoles")?;
    let named = platform.permissions();
    let policies = named.iter().filter_map(|permission| {
        let mut words = permission.splitn(3, ':');
        let (domain, entity, action) = (words.next()?, words.next()?, words.next()?);
        Some(json!({ "domain": domain, "entityName": entity, "actions": [action] }))
    });
    let client = &platform.config.client_id;
    let role = |name: &str, policies: Vec<Value>| {
        let mut role = json!({ "id": name, "name": name, "default": false });
        if is_full {
            role["policies"] = policies.into();
        }
        json!({ "subjectId": client, "division": { "id": "*", "name": "" }, "role": role })
    };
    let mut grants = vec![role("Tieline", policies.collect())];
    if platform.config.is_administrator {
        let all = json!({ "domain": "*", "entityName": "*", "actions": ["*"] });
        grants.push(role("Master Admin", vec![all]));
    }
    ok(json!({ "id": client, "name": "", "grants": grants, "version": 1 }))
}

fn info(organization: &Value, client: &str, grant: &str, scope: &[String]) -> Value {
    json!({
        "organization": organization,
        "homeOrganization": organization,
        "authorizedScope": scope,
        "OAuthClient": {
            "id": client,
            "name": if grant == "CODE" { "Widget" } else { "Middleware" },
            "authorizedGrantType": grant,
            "organization": organization,
        },
    })
}

fn revoke(platform: &Platform, ask: &Ask) -> Answer {
    platform.tokens.revoke(&ask.token);
    ok(json!({}))
}

fn user(platform: &Platform, ask: &Ask) -> Answer {
    let body =
        living(platform, ask, false, |session| session.map(|session| rendered(&session.user)))?;
    ok(body.ok_or_else(Problem::not_a_user)?)
}

fn rendered(user: &SignedInUser) -> Value {
    json!({
        "id": user.user_id,
        "name": "Ann Agent",
        "division": { "id": "*", "name": "" },
        "chat": { "jabberId": format!("{}@simulated.orgspan.com", user.user_id) },
        "email": "ann.agent@example.com",
        "primaryContactInfo": [],
        "addresses": [],
        "state": user.state,
        "username": "ann.agent@example.com",
        "version": 1,
        "acdAutoAnswer": false,
        "selfUri": format!("/api/v2/users/{}", user.user_id),
    })
}

fn client(platform: &Platform, ask: &Ask) -> Answer {
    let config = &platform.config;
    let (name, grant, scope): (_, _, &[&str]) = match ask.param("clientId") {
        id if id == config.client_id => ("Middleware", "CLIENT-CREDENTIALS", &[]),
        id if id == config.widget_client_id => ("Widget", "CODE", &["user-basic-info"]),
        _ => return Err(Problem::not_found()),
    };
    ok(json!({
        "id": ask.param("clientId"),
        "name": name,
        "authorizedGrantType": grant,
        "scope": scope,
        "state": "active",
        "selfUri": format!("/api/v2/oauth/clients/{}", ask.param("clientId")),
    }))
}
