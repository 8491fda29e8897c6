//! What leaves the process when something is wrong: a stable code, a sentence,
//! the place, the mend, and a page per code (`docs/errors/`).

use super::input::Segment;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Every error of the API.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: Cow<'static, str>,
    /// Path of the field, connection or header at fault; empty when there is none.
    pub at: String,
    pub fix: Cow<'static, str>,
    /// Whole seconds for `Retry-After`; 0 for none.
    pub retry_after_s: u64,
}

/// The error's shape on the wire.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable; never changes its meaning.
    #[schema(example = "request.field_invalid")]
    pub code: String,
    pub message: String,
    /// What is at fault.
    #[schema(example = "callId")]
    pub at: String,
    pub fix: String,
    /// Page of the code.
    #[schema(example = "/docs/errors/request.field_invalid")]
    pub docs: String,
}

macro_rules! pages {
    ($($code:literal,)*) => {
        /// Every code with its page. The house's tests hold both to each other.
        pub const PAGES: &[(&str, &str)] = &[$((
            $code,
            include_str!(concat!("../../../../docs/errors/", $code, ".md")),
        ),)*];
    };
}

pages! {
    "action.field_type",
    "action.unknown",
    "action.value_missing",
    "action.value_refused",
    "alerts.no_channel",
    "api_key.ended",
    "api_key.from_file",
    "api_key.unknown",
    "auth.key_expired",
    "auth.key_missing",
    "auth.key_revoked",
    "auth.key_unknown",
    "auth.rate_limited",
    "auth.scope_missing",
    "auth.token_expired",
    "auth.token_invalid",
    "call.unknown",
    "connection.can_write",
    "connection.check_slow",
    "connection.credentials_refused",
    "connection.external_source_missing",
    "connection.field_missing",
    "connection.full_scan",
    "connection.scope_missing",
    "connection.scope_optional",
    "connection.scope_unknown",
    "connection.setting_refused",
    "connection.too_broad",
    "connection.unknown",
    "connection.unreachable",
    "crm.conflict",
    "crm.deadline",
    "crm.degraded",
    "crm.forbidden",
    "crm.invalid",
    "crm.not_found",
    "crm.protocol",
    "crm.rate_limited",
    "crm.unauthorized",
    "crm.unavailable",
    "customer.changed",
    "customer.unknown",
    "enrichment.unknown",
    "job.not_dead",
    "link.erased",
    "link.unknown",
    "override.unknown",
    "presence.elsewhere",
    "presence.unknown",
    "reconcile.busy",
    "reconcile.unknown",
    "record.unknown",
    "record.unread",
    "report.dimension_refused",
    "report.too_large",
    "request.body_invalid",
    "request.body_too_large",
    "request.field_invalid",
    "request.media_type",
    "request.no_method",
    "request.no_route",
    "review.over",
    "review.unfit",
    "review.unknown",
    "rules.changed",
    "rules.nothing_drafted",
    "rules.refused",
    "rules.unknown",
    "run.unknown",
    "session.code_required",
    "session.foreign_page",
    "session.not_a_user",
    "session.proof_wrong",
    "session.rate_limited",
    "session.refused",
    "session.totp_state",
    "settings.changed",
    "settings.from_file",
    "settings.refused",
    "settings.unknown",
    "sign_in.not_offered",
    "sign_in.rate_limited",
    "sign_in.refused",
    "sign_in.unavailable",
    "store.backup_failed",
    "store.unavailable",
    "stream.agent_unknown",
    "stream.not_yours",
    "stream.stopping",
    "stream.too_many",
    "subject.several",
    "subject.unknown_erasure",
    "sync.busy",
    "sync.configured",
    "sync.moved",
    "sync.not_approved",
    "sync.not_planned",
    "sync.not_ready",
    "sync.nothing_to_undo",
    "sync.paused",
    "sync.unknown",
    "user.changed",
    "user.elsewhere",
    "user.taken",
    "user.kept_out",
    "user.unknown",
}

impl ApiError {
    pub fn unknown_call() -> Self {
        let message = "No call of this id is stored.";
        let fix = "Check the id: it is the one that was passed as callId.";
        Self::new(StatusCode::NOT_FOUND, "call.unknown", message, fix).at("callId")
    }

    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        fix: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            at: String::new(),
            fix: fix.into(),
            retry_after_s: 0,
        }
    }

    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = at.into();
        self
    }

    /// With the header `Retry-After`.
    pub fn retry_after(self, retry_after_s: u64) -> Self {
        Self { retry_after_s, ..self }
    }

    /// A field that is missing or wrong, by name.
    pub fn field(
        at: &str,
        message: impl Into<Cow<'static, str>>,
        fix: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request.field_invalid", message, fix).at(at)
    }
}

impl From<engine::Error> for ApiError {
    fn from(error: engine::Error) -> Self {
        tracing::error!("a call could not be stored and was not answered: {error}");
        let message = "The call could not be stored, so it is not answered.";
        let fix = "Retry; if it stays, look at /readyz and the disk or database behind the store.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store.unavailable", message, fix)
    }
}

impl From<state::Error> for ApiError {
    fn from(error: state::Error) -> Self {
        tracing::error!("the store failed: {error}");
        let message = "The store could not be read or written.";
        let fix = "Look at /readyz and the disk or database behind the store.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store.unavailable", message, fix)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code.to_owned(),
                message: self.message.into_owned(),
                at: self.at,
                fix: self.fix.into_owned(),
                docs: format!("/docs/errors/{}", self.code),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.retry_after_s > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, self.retry_after_s.into());
        }
        response
    }
}

/// The page of a code, as Markdown.
pub async fn page(Segment(code): Segment) -> Response {
    match PAGES.iter().find(|(known, _)| *known == code) {
        Some((_, text)) => {
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], *text).into_response()
        }
        None => no_route().await.into_response(),
    }
}

pub async fn no_route() -> ApiError {
    let message = "There is nothing at this address.";
    ApiError::new(StatusCode::NOT_FOUND, "request.no_route", message, "See /openapi.json.")
}

pub async fn no_method() -> ApiError {
    let message = "This address does not take this method.";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(status, "request.no_method", message, "See /openapi.json.")
}
