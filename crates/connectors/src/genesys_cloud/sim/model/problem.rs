//! Says why the platform refuses, in the vendor's own codes and sentences.
//!
//! A `Problem` is the part of an `ErrorBody` that the cause decides; the
//! `contextId` (the correlation id) is added at the HTTP border. Texts and codes
//! are those of the vendor's API description (responses `Std400` to `Std504`).
//! Two are ours, because the vendor's are not to be had: the codes `conflict`
//! (409) and `unprocessable.entity` (422).

use serde_json::{Value, json};

/// A refusal: HTTP status, stable code, sentence, and the fields at fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// `(errorCode, fieldName)` of `ErrorBody.details`.
    pub(crate) details: Vec<(&'static str, String)>,
    /// Seconds for the `Retry-After` header, on 429 only.
    pub(crate) retry_after_seconds: Option<u64>,
}

impl Problem {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let (details, retry_after_seconds) = (Vec::new(), None);
        Self { status, code, message: message.into(), details, retry_after_seconds }
    }

    /// 400 with the vendor's general code; `why` is the sentence.
    pub(crate) fn bad_request(why: impl Into<String>) -> Self {
        Self::new(400, "bad.request", why)
    }

    /// 400 where the JSON itself cannot be read.
    pub(crate) fn malformed() -> Self {
        let text = "The request could not be understood by the server due to malformed syntax.";
        Self::bad_request(text)
    }

    /// 400 for a value outside its type or its enumeration.
    pub(crate) fn invalid_value(field: &str, value: &str, kind: &str, allowed: &str) -> Self {
        let text = format!(
            "Value [{value}] is not valid for field type [{kind}]. Allowable values are: {allowed}"
        );
        Self::new(400, "invalid.value", text).at("invalid.value", field)
    }

    /// 400 for a date or an interval that is not ISO-8601.
    pub(crate) fn invalid_date() -> Self {
        let text = "Dates must be specified as ISO-8601 strings. \
                    For example: yyyy-MM-ddTHH:mm:ss.SSSZ";
        Self::new(400, "invalid.date", text)
    }

    /// 400 for a routing status that cannot follow the one there is.
    pub(crate) fn invalid_transition() -> Self {
        let text = "An invalid routing status transition was attempted.";
        Self::new(400, "general.bad.request", text)
    }

    /// 400 for a topic there is not.
    pub(crate) fn invalid_topic() -> Self {
        Self::new(400, "notification.invalid.topic", "The subscription topic is not valid.")
    }

    /// 401 without a bearer token.
    pub(crate) fn authentication_required() -> Self {
        let text = "No authentication bearer token specified in authorization header.";
        Self::new(401, "authentication.required", text)
    }

    /// 401 with a token that is unknown, expired or revoked.
    pub(crate) fn bad_credentials() -> Self {
        Self::new(401, "bad.credentials", "Invalid login credentials.")
    }

    /// 403 naming the permissions; the code differs when any one of several would do.
    pub(crate) fn missing_permissions(wanted: &[&str]) -> Self {
        let names = wanted.join(", ");
        if wanted.len() > 1 {
            let text = format!(
                "Unable to perform the requested action. You must have at least one of the \
                 following permissions assigned: {names}"
            );
            return Self::new(403, "missing.any.permissions", text);
        }
        let text = format!(
            "Unable to perform the requested action. You are missing the following \
             permission(s): {names}"
        );
        Self::new(403, "missing.permissions", text)
    }

    /// 400 where only a user may ask.
    pub(crate) fn not_a_user() -> Self {
        let text = "This request requires a user context. Client credentials cannot be used \
                    for requests to this resource.";
        Self::new(400, "not.a.user", text)
    }

    /// 403 without a name: also what a token without an operation's scope meets, for
    /// which the vendor's description has no code of its own.
    pub(crate) fn not_authorized() -> Self {
        Self::new(403, "not.authorized", "You are not authorized to perform the requested action.")
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "not.found", "The requested resource was not found.")
    }

    /// 409; the code is ours.
    pub(crate) fn conflict(why: impl Into<String>) -> Self {
        Self::new(409, "conflict", why)
    }

    /// 413 over the limit of bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let text = format!("The request is over the size limit. Maximum bytes: {limit}");
        Self::new(413, "request.too.large", text)
    }

    /// 415.
    pub(crate) fn unsupported_media_type() -> Self {
        let text = "Unsupported Media Type - Unsupported or incorrect media type, such as an \
                    incorrect Content-Type value in the header.";
        Self::new(415, "unsupported.media.type", text)
    }

    /// 422; the code is ours.
    pub(crate) fn unprocessable(why: impl Into<String>) -> Self {
        Self::new(422, "unprocessable.entity", why)
    }

    /// 429 as of forum announcement 12028: whole seconds, no `inin-ratelimit-*` headers.
    pub(crate) fn too_many_requests(seconds: u64) -> Self {
        let text =
            format!("Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds");
        let problem = Self::new(429, "too.many.requests.retry.after", text);
        Self { retry_after_seconds: Some(seconds), ..problem }
    }

    /// 503.
    pub(crate) fn unavailable() -> Self {
        let text = "Service Unavailable - The server is currently unavailable (because it is \
                    overloaded or down for maintenance).";
        Self::new(503, "service.unavailable", text)
    }

    /// Adds the field at fault.
    pub(crate) fn at(mut self, code: &'static str, field: &str) -> Self {
        self.details.push((code, field.to_owned()));
        self
    }

    /// Whether the same request may succeed later.
    pub(crate) fn retryable(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }

    /// The vendor's `ErrorBody`.
    pub(crate) fn body(&self, context_id: &str) -> Value {
        let details: Vec<Value> = self
            .details
            .iter()
            .map(|(code, field)| json!({ "errorCode": code, "fieldName": field }))
            .collect();
        json!({
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "contextId": context_id,
            "details": details,
            "errors": [],
        })
    }
}
