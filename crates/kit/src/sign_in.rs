//! Who is signed in at the vendor, told by what their page there has in hand.
//!
//! A widget inside a vendor's page holds a token that the vendor gave it for the
//! user who is signed in. [`SignIn`] asks the vendor whose it is. What was shown is
//! a secret of the vendor's: it is never logged, stored or passed on (invariant 9).

use crate::{Error, Secret};
use async_trait::async_trait;
use domain::{Hidden, Timestamp};
use std::fmt;
use url::Url;

/// Knows the vendor's users by what their pages show.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Whose `shown` is. Asked outside the connection's budget and places, which are for
    /// our own token: strangers who show what they like take nothing of them. Whoever
    /// calls this bounds how many are under way, and how long they may take.
    ///
    /// # Errors
    /// `Unauthorized` when it opens nothing: expired, another organization's, another
    /// application's, or of nobody who is active. Everything else says that the
    /// vendor could not be asked, our own credentials being refused among it: then
    /// nothing is known of whoever shows it.
    async fn agent(&self, shown: &Secret) -> Result<SignedIn, Error>;

    /// How our own page gets something to show by itself: by an authorization code with
    /// PKCE (RFC 7636), from the session that the agent has at the vendor. `None` where
    /// the vendor's page brings it along.
    fn door(&self) -> Option<Door> {
        None
    }
}

/// Where a page without a secret asks for an access token. Nothing in it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub client_id: String,
    /// Where the browser is sent.
    pub authorize: Url,
    /// Where the code is redeemed, from the page.
    pub token: Url,
}

/// Somebody signed in at the vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id, as the vendor writes it in events and records.
    pub user: String,
    /// When their session ends, where the vendor tells it.
    pub until: Option<Timestamp>,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &Hidden::text(&self.user))
            .field("until", &self.until)
            .finish()
    }
}

/// `Unauthorized` with a reason that names nobody and no secret.
#[must_use]
pub fn refused(reason: impl Into<String>) -> Error {
    Error::Unauthorized { reason: reason.into() }
}

/// What our own credentials met, where nothing may be concluded of what was shown.
#[must_use]
pub fn own(error: Error) -> Error {
    match error {
        Error::Unauthorized { reason } => {
            Error::unavailable(format!("our own credentials were refused: {reason}"))
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::{SignedIn, own, refused};

    #[test]
    fn debug_output_tells_nobody_and_our_own_troubles_accuse_nobody() {
        let somebody = SignedIn { user: "0055g00000ABCdE".to_owned(), until: None };
        assert!(!format!("{somebody:?}").contains("0055g"));
        assert_eq!(own(refused("invalid_client")).kind(), "unavailable");
    }
}
