//! Tokens by OAuth 2: client credentials (RFC 6749, section 4.4).
//!
//! For callers that log in rather than carry a key. The key's id and secret come
//! in the form or by Basic; errors have the shape the standard asks for. A token
//! lives an hour, may do at most what its key may, and dies with it.

use super::refusal::Refusal;
use super::scopes::Scopes;
use super::{Claims, Principal, credentials, tokens};
use crate::http::App;
use crate::http::input::read_bytes;
use axum::Json;
use axum::body::Body;
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a token lives.
const LIFETIME: Duration = Duration::from_secs(3_600);

#[derive(Deserialize, ToSchema)]
pub struct TokenForm {
    /// `client_credentials`.
    #[serde(default)]
    grant_type: String,
    /// The key's public id. May come by Basic instead.
    #[serde(default)]
    client_id: String,
    /// Its secret, or the whole key.
    #[serde(default)]
    client_secret: String,
    /// Words between spaces; absent: everything the key may do.
    #[serde(default)]
    scope: String,
}

#[derive(Serialize, ToSchema)]
pub struct TokenBody {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    scope: String,
}

/// An error as RFC 6749 has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenRefusal {
    /// `invalid_request`, `invalid_client`, `unsupported_grant_type`, `invalid_scope`,
    /// `temporarily_unavailable` or `server_error`.
    error: &'static str,
    error_description: &'static str,
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after_s: u64,
}

/// Gives a token for a key's id and secret.
#[utoipa::path(
    post, path = "/oauth/token", tag = "access",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenBody), (status = 400, body = TokenRefusal),
        (status = 401, body = TokenRefusal), (status = 429, body = TokenRefusal),
        (status = 503, body = TokenRefusal)
    )
)]
pub async fn token(State(app): State<App>, request: Request) -> Response {
    match grant(&app, request).await {
        Ok(token) => (no_store(), Json(token)).into_response(),
        Err(refused) => refused.into_response(),
    }
}

fn no_store() -> [(header::HeaderName, &'static str); 2] {
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")]
}

async fn grant(app: &App, request: Request) -> Result<TokenBody, TokenRefusal> {
    let headers = request.headers().clone();
    let form = read_form(request).await?;
    let principal = client(app, &headers, &form).await?;
    principal.count().map_err(TokenRefusal::from)?;
    match form.grant_type.as_str() {
        "client_credentials" => {}
        "" => return Err(TokenRefusal::request("grant_type is missing")),
        _ => {
            let error = "unsupported_grant_type";
            return Err(TokenRefusal::new(error, "only client_credentials is supported"));
        }
    }
    let scopes = match Scopes::parse(&form.scope) {
        Some(asked) if asked.is_empty() => principal.scopes,
        Some(asked) if asked.is_grantable() && asked.within(principal.scopes) == asked => asked,
        _ => return Err(TokenRefusal::scope()),
    };
    let until = app.engine.clock.now().plus(LIFETIME);
    let claims = Claims::new(&*principal.id, scopes, until);
    Ok(TokenBody {
        access_token: app.access.signer.sign(&claims),
        token_type: "Bearer",
        expires_in: LIFETIME.as_secs(),
        scope: claims.scopes,
    })
}

async fn read_form(request: Request) -> Result<TokenForm, TokenRefusal> {
    let (parts, body) = request.into_parts();
    let unreadable = "the body is no form of unrepeated fields, or too large";
    let read = read_bytes(Request::new(body)).await;
    let bytes = read.map_err(|_| TokenRefusal::request(unreadable))?;
    let whole = Request::from_parts(parts, Body::from(bytes));
    let form = Form::<TokenForm>::from_request(whole, &()).await;
    form.map(|Form(form)| form).map_err(|_| TokenRefusal::request(unreadable))
}

/// Whose id and secret these are.
async fn client(
    app: &App,
    headers: &HeaderMap,
    form: &TokenForm,
) -> Result<Arc<Principal>, TokenRefusal> {
    let pair = match credentials::basic(headers) {
        Some(_) if !form.client_secret.is_empty() => {
            return Err(TokenRefusal::request("credentials came both in the form and by Basic"));
        }
        Some(pair) => pair,
        None => (form.client_id.clone(), form.client_secret.clone()),
    };
    let (id, secret) = pair;
    if secret.is_empty() || tokens::is_token(&secret) {
        return Err(TokenRefusal::client());
    }
    let keys = &app.access.keys;
    match keys.by_pair(&id, &secret).await {
        Ok(principal) => Ok(principal),
        // The standard has both parts form-encoded in Basic; few clients do it.
        Err(Refusal::Unknown) => {
            let (id, secret) = (decoded(&id), decoded(&secret));
            keys.by_pair(&id, &secret).await.map_err(TokenRefusal::from)
        }
        Err(refused) => Err(refused.into()),
    }
}

fn decoded(text: &str) -> String {
    let url = reqwest::Url::parse(&format!("form:?{}", text.replace('&', "%26")));
    let pair = url.ok().and_then(|url| {
        let (key, value) = url.query_pairs().next()?;
        Some(if value.is_empty() { key.into_owned() } else { format!("{key}={value}") })
    });
    pair.unwrap_or_default()
}

impl TokenRefusal {
    fn new(error: &'static str, error_description: &'static str) -> Self {
        Self { error, error_description, status: StatusCode::BAD_REQUEST, retry_after_s: 0 }
    }

    fn request(why: &'static str) -> Self {
        Self::new("invalid_request", why)
    }

    fn client() -> Self {
        let why = "the client is unknown, its secret is wrong, or its key has ended";
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", why) }
    }

    fn scope() -> Self {
        Self::new("invalid_scope", "a scope is unknown, or the key does not have it")
    }
}

impl From<Refusal> for TokenRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::RateLimited { retry_after_s } => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after_s,
                ..Self::new("temporarily_unavailable", "the key has used up its requests for now")
            },
            Refusal::Store(error) => {
                tracing::error!("a key could not be read: {error}");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self { status, ..Self::new("server_error", "the store could not be read") }
            }
            _ => Self::client(),
        }
    }
}

impl IntoResponse for TokenRefusal {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status, self.retry_after_s);
        let mut response = (status, no_store(), Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"tieline\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if retry_after_s > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after_s.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_form_encoded_part_is_decoded() {
        let check = |text, expected: &str| assert_eq!(decoded(text), expected, "{text}");
        check("plain-0123", "plain-0123");
        check("a%2Bb%2Fc%3D%3D", "a+b/c==");
        check("a+b", "a b");
        check("a%26b", "a&b");
        check("", "");
    }
}
