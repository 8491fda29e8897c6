//! What a request carries, read with errors in the house's shape.
//!
//! No message repeats a value: it may be a caller's number (invariant 9).

use super::ApiError;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Bodies larger than this are refused: the largest real one is under 4 KiB.
const BODY_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// A rule set moved as a whole: a thousand lines, and as many rules.
const SET_MAX: usize = 4 * 1024 * 1024;

/// Reads a JSON body of bounded size, with errors in the house's shape.
pub async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    read_json_up_to(request, BODY_MAX, false).await
}

/// The same where every field may be left out: a list would read as an object without any.
pub async fn read_object<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    read_json_up_to(request, BODY_MAX, true).await
}

/// The same for a whole rule set.
pub async fn read_set<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    read_json_up_to(request, SET_MAX, true).await
}

async fn read_json_up_to<T: DeserializeOwned>(
    request: Request,
    max: usize,
    is_object: bool,
) -> Result<T, ApiError> {
    if !is_json(request.headers()) {
        let message = "The body is not declared as JSON.";
        let fix = "Send Content-Type: application/json.";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::new(status, "request.media_type", message, fix));
    }
    let bytes = read_up_to(request, max).await?;
    if is_too_deep(&bytes) {
        let message = "The body is nested deeper than 32 levels.";
        let fix = "See /openapi.json for the fields.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, fix));
    }
    if is_object && bytes.trim_ascii_start().first() != Some(&b'{') {
        let message = "The body is no JSON object.";
        let fix = "See /openapi.json for the fields.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, fix));
    }
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

/// Reads a body of bounded size in bounded time.
pub async fn read_bytes(request: Request) -> Result<Bytes, ApiError> {
    read_up_to(request, BODY_MAX).await
}

async fn read_up_to(request: Request, max: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), max)).await;
    let read = read.map_err(|_| {
        let message = "The body did not arrive in time.";
        ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, "Send it again.")
    })?;
    read.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            let message = format!("The body is larger than {} KiB.", max / 1024);
            let fix = "Send only the documented fields.";
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return ApiError::new(status, "request.body_too_large", message, fix);
        }
        let message = "The body did not arrive whole.";
        ApiError::new(StatusCode::BAD_REQUEST, "request.body_invalid", message, "Send it again.")
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Deeper than any body of ours. Checked before parsing, because a field that
/// nobody reads is skipped by the parser without its own limit.
const DEPTH_MAX: usize = 32;

fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// A whole number that is not negative, also where it is written `42.0`: to JSON that is the same.
pub fn whole(number: &serde_json::Number) -> Option<u64> {
    /// Up to here a float tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && (0.0..=EXACT).contains(&float);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        is_whole.then_some(float as u64)
    };
    number.as_u64().or_else(float)
}

/// [`whole`] as a field of a body, absent or null for none.
pub fn some_whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let read = whole(&number).and_then(|number| T::try_from(number).ok());
    read.map(Some).ok_or_else(|| D::Error::custom("no whole number, or too large a one"))
}

/// The parameters after the `?`.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // No text of ours holds it, and PostgreSQL refuses it.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            let message = "A parameter after the ? holds a NUL character.";
            return Err(ApiError::field("query", message, "Leave it out."));
        }
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

#[cfg(test)]
mod tests {
    use super::{is_too_deep, whole};

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = |text: &str| whole(&serde_json::from_str(text).expect("a number"));
        assert_eq!((read("42"), read("42.0"), read("4.2e1")), (Some(42), Some(42), Some(42)));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for none in ["-1", "42.5", "1e300", "-0.5"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!is_too_deep(nested(32).as_bytes()));
        assert!(is_too_deep(nested(33).as_bytes()));
        let text = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(100));
        assert!(!is_too_deep(text.as_bytes()), "{text}");
        let siblings = format!("[{}[]]", "[],".repeat(100));
        assert!(!is_too_deep(siblings.as_bytes()));
    }
}
