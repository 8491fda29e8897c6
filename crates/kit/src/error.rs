//! What went wrong at a vendor, told as what to do next.

use std::time::Duration;

/// The one closed set of outcomes every vendor's signals are mapped to. The
/// mapping is the connector's: a status alone does not decide (one vendor
/// throttles with 403, others answer errors with 200).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token is gone or refused. A fresh one is being minted behind.
    #[error("the credentials were refused: {reason}")]
    Unauthorized { reason: String },
    /// The credentials are good but may not do this. `missing` names the
    /// permission, scope or object in the vendor's words.
    #[error("not permitted: {missing}")]
    Forbidden { missing: String },
    /// The vendor, or our own budget for it, asks us to wait.
    #[error("the rate limit is used up{}", retry_text(*.retry_after))]
    RateLimited { retry_after: Option<Duration> },
    /// Down, unreachable, too slow, or resetting: worth another try later.
    #[error("not available: {reason}")]
    Unavailable { reason: String },
    /// The thing asked for does not exist there.
    #[error("not found")]
    NotFound,
    /// Somebody else's change stands in the way.
    #[error("a conflicting change: {reason}")]
    Conflict { reason: String },
    /// The vendor understood and refused: trying again changes nothing.
    #[error("refused{}: {reason}", field_text(.field.as_deref()))]
    Invalid { field: Option<String>, reason: String },
    /// The vendor answered something its own documents do not describe.
    #[error("an answer outside the vendor's protocol: {reason}")]
    Protocol { reason: String },
}

impl Error {
    /// `Unavailable` with a reason that names no customer and no secret.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }

    /// `Protocol` with a reason that names no customer and no secret.
    #[must_use]
    pub fn protocol(reason: impl Into<String>) -> Self {
        Self::Protocol { reason: reason.into() }
    }

    /// May the same request succeed later without anybody's help?
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unauthorized { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Conflict { .. }
            | Self::Protocol { .. } => true,
            Self::Forbidden { .. } | Self::NotFound | Self::Invalid { .. } => false,
        }
    }

    /// Did the vendor refuse who we are or what we set, so that only a person can mend it?
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::Invalid { .. })
    }

    /// A stable word for metrics, logs and stored outcomes.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::NotFound => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Invalid { .. } => "invalid",
            Self::Protocol { .. } => "protocol",
        }
    }
}

fn retry_text(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!(", again in {} s", after.as_secs_f32().ceil()))
}

fn field_text(field: Option<&str>) -> String {
    field.map_or_else(String::new, |field| format!(" ({field})"))
}
