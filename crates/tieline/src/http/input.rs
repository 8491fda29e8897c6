//! What a request carries, read with errors in the house's shape.
//!
//! No message repeats a value: it may be a caller's number (invariant 9).

use super::ApiError;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

/// Bodies larger than this are refused: the largest real one is under 4 KiB.
const BODY_MAX: usize = 64 * 1024;

/// Reads a JSON body of bounded size, with errors in the house's shape.
pub async fn read_json<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    if !is_json(request.headers()) {
        let message = "The body is not declared as JSON.";
        let fix = "Send Content-Type: application/json.";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::new(status, "request.media_type", message, fix));
    }
    let bytes = to_bytes(request.into_body(), BODY_MAX).await.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            let message = "The body is larger than 64 KiB.";
            let fix = "Send only the documented fields.";
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return ApiError::new(status, "request.body_too_large", message, fix);
        }
        let message = "The body did not arrive whole.";
        ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, "Send it again.")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // serde_json repeats values of the body in some messages: only the place is told.
        let kind = match error.classify() {
            serde_json::error::Category::Data => "has a field of a wrong type",
            _ => "is no JSON",
        };
        let message =
            format!("The body {kind} at line {}, column {}.", error.line(), error.column());
        let fix = "See /openapi.json for the fields.";
        ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, fix)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The parameters after the `?`.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|_| {
            let message = "A parameter after the ? has a wrong form.";
            ApiError::field("query", message, "See /openapi.json for the parameters.")
        })
    }
}

/// The one variable part of an address.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(path)| Self(path)).map_err(|_| {
            let message = "The address is not valid UTF-8 once decoded.";
            ApiError::field("path", message, "Percent-encode the id as UTF-8.")
        })
    }
}
