//! An agent's token for what a signed-in page has in hand: no key, no second password.
//!
//! The vendor is asked whose token the page shows; the agent gets ours, as short as
//! the vendor's session at most. The one address under `/api/` that needs no key, so
//! each try is counted by where it comes from, and what an attacker can bring about
//! is bounded: requests at the vendor, entries of the audit log, lines of the log.
//! The page is served by Tieline itself; other origins are not let in (no CORS).

use super::agent_tokens::{self, AgentToken, LIFETIME};
use super::{Caller, Claims, Scopes, pages};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App, actor, schemas};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use kit::{Error, Secret, SignIn, SignedIn};
use serde::Deserialize;
use state::audit::Act;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Bytes of what a page shows: tokens have hundreds, signed requests some thousands.
const SHOWN_MAX: usize = 32 * 1024;
/// How long a sign-in may take: its turn, and all of the vendor's answers together.
const ASKED_FOR: Duration = Duration::from_secs(10);

/// Not to be shown: it holds a secret of the vendor's.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInRequest {
    /// Name of the connection at whose vendor the agent is signed in.
    #[schema(required = true)]
    connection: Option<String>,
    /// What the vendor's page has in hand: the agent's access token, or a signed request.
    #[schema(required = true, schema_with = schemas::shown)]
    shown: Option<String>,
    /// Only for this call.
    #[schema(schema_with = schemas::some_call_id)]
    call_id: Option<String>,
}

/// Issues a token to the agent who is signed in at a vendor.
#[utoipa::path(
    post, path = "/api/v1/agent-tokens/sign-in", tag = "access", request_body = SignInRequest,
    responses(
        (status = 200, body = AgentToken), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody, description = "What the page shows opens nothing"),
        (status = 404, body = ErrorBody, description = "No such connection, or it offers no sign-in"),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 429, body = ErrorBody, description = "Too many tries from this address: wait for Retry-After seconds"),
        (status = 503, body = ErrorBody, description = "The vendor could not be asked, or the store not be written")
    )
)]
pub async fn issue(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let SignInRequest { connection, shown, call_id } = read_json(request).await?;
    let shown = Secret::new(shown.unwrap_or_default());
    let is_text = shown.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    if shown.reveal().is_empty() || shown.reveal().len() > SHOWN_MAX || !is_text {
        let message = "shown is 1 to 32,768 visible ASCII characters.";
        let fix = "Pass the access token or the signed request of the vendor's page unchanged.";
        return Err(ApiError::field("shown", message, fix));
    }
    let call = agent_tokens::call(call_id)?;
    let asking = Asking { app: &app, connection: connection.unwrap_or_default(), caller };
    let agents = asking.offered()?;
    let (agent, lives) = asking.agent(&*agents, &shown).await?;
    let now = app.engine.clock.now();
    let key = pages::key_of(&asking.connection);
    let claims = Claims::new(key, Scopes::of_an_agent(), now.plus(lives));
    let claims = Claims { agent: Some(agent), call, ..claims };
    Ok(agent_tokens::issued(&app, &claims, now))
}

/// Somebody who shows something, at one connection.
struct Asking<'a> {
    app: &'a App,
    connection: String,
    caller: Caller,
}

impl Asking<'_> {
    /// A connection that is not there is told from one without sign-in by nobody.
    fn offered(&self) -> Result<Arc<dyn SignIn>, ApiError> {
        let connection = self.app.engine.connections.get(&self.connection);
        let offered = connection.and_then(|one| one.capabilities.sign_in.clone());
        offered.ok_or_else(|| {
            let message = "No connection of this name lets agents sign in.";
            let fix = "Name one that does, or let it: widget_client_id in its settings.";
            ApiError::new(StatusCode::NOT_FOUND, "sign_in.not_offered", message, fix)
                .at("connection")
        })
    }

    /// The agent, and how long their token may live.
    async fn agent(
        &self,
        agents: &dyn SignIn,
        shown: &Secret,
    ) -> Result<(String, Duration), ApiError> {
        let pages = &self.app.access.pages;
        if let Err(wait) = pages.may_try(self.caller.address) {
            self.count("throttled");
            return Err(too_many(wait));
        }
        let asked = async {
            let place = pages.place(&self.connection).ok_or_else(Self::crowded)?;
            let asked = async {
                let _turn = place.turn().await.ok_or_else(Self::crowded)?;
                agents.agent(shown).await
            };
            let asked = tokio::time::timeout(ASKED_FOR, asked).await;
            asked.unwrap_or_else(|_| Err(Error::unavailable("no answer in time")))
        };
        match asked.await {
            Ok(SignedIn { user, .. }) if !agent_tokens::is_agent(&user) => {
                Err(self.troubled(&Error::protocol("a user's id that is none")))
            }
            Ok(SignedIn { user, until }) => {
                let now = self.app.engine.clock.now();
                let lives = until.map_or(LIFETIME, |until| until.since(now).min(LIFETIME));
                if lives.is_zero() {
                    return Err(self.refused("a session that has ended by our clock").await);
                }
                self.write_down(&user).await?;
                self.count("signed_in");
                Ok((user, lives))
            }
            Err(Error::Unauthorized { reason }) => Err(self.refused(&reason).await),
            Err(error) => Err(self.troubled(&error)),
        }
    }

    /// Counted each, logged once a minute.
    fn troubled(&self, error: &Error) -> ApiError {
        self.count("unavailable");
        if let Some(tries) = self.app.access.pages.troubled(&self.connection, Instant::now()) {
            let connection = &self.connection;
            tracing::warn!(
                connection,
                error.kind = error.kind(),
                tries,
                "agents could not be signed in: {error}"
            );
        }
        unavailable(error)
    }

    fn crowded() -> Error {
        Error::unavailable("too many sign-ins are under way")
    }

    fn count(&self, outcome: &'static str) {
        self.app.engine.metrics.sign_in(&self.connection, outcome);
    }

    /// Written down before the token is handed out.
    async fn write_down(&self, user: &str) -> Result<(), ApiError> {
        let (now, pages) = (Instant::now(), &self.app.access.pages);
        let seen = (self.connection.clone(), user.to_owned(), self.caller.address);
        if pages.is_news(&seen, now) {
            let actor = actor::signed_in(user, &self.connection);
            self.audit(actor, "agent.signed_in", &[]).await?;
            pages.written(seen, now);
        }
        Ok(())
    }

    /// Counted each, written down and logged once a minute.
    async fn refused(&self, reason: &str) -> ApiError {
        self.count("refused");
        if let Some(refusals) = self.app.access.pages.refused(&self.connection, Instant::now()) {
            let (connection, address) = (&self.connection, self.caller.address);
            tracing::warn!(connection, caller.address = %address, refusals, "an agent's sign-in was refused: {reason}");
            let about = [("reason", reason.to_owned()), ("refusals", refusals.to_string())];
            if let Err(error) = self.audit("nobody".to_owned(), "agent.refused", &about).await {
                tracing::error!("a refused sign-in could not be written down: {error}");
            }
        }
        let message = "What the page shows does not sign anybody in here.";
        let fix = "Sign in at the vendor again; if it stays, see the page of this error.";
        ApiError::new(StatusCode::UNAUTHORIZED, "sign_in.refused", message, fix).at("shown")
    }

    async fn audit(
        &self,
        actor: String,
        action: &'static str,
        about: &[(&str, String)],
    ) -> state::Result<()> {
        let address = ("address", self.caller.address.to_string());
        let about = about.iter().chain([&address]);
        let details: BTreeMap<String, String> =
            about.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let act = Act { actor, action, subject: self.connection.clone(), details };
        self.app.engine.store.audit(act, self.app.engine.clock.now()).await
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn too_many(wait: Duration) -> ApiError {
    let message = "Too many tries to sign in from this address.";
    let fix = "Wait as long as Retry-After says.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "sign_in.rate_limited", message, fix)
        .retry_after(whole_seconds(wait))
}

fn unavailable(error: &Error) -> ApiError {
    let wait = match error {
        Error::RateLimited { retry_after } => retry_after.unwrap_or(Duration::from_secs(1)),
        _ => Duration::from_secs(1),
    };
    let message = "The vendor could not be asked who is signed in.";
    let fix = "Try again; if it stays, run tieline check and read the log.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "sign_in.unavailable", message, fix)
        .retry_after(whole_seconds(wait))
}
