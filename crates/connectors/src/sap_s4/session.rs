//! The session that a change needs: a CSRF token and the cookies it is tied to.
//!
//! Fetched when first needed, kept, and fetched anew when the system refuses it:
//! once, however many changes met the refusal. Reads need none of it.
//!
//! Source: SAP Gateway Foundation, "Cross-Site Request Forgery Protection".

use super::client::Client;
use super::odata::below;
use super::signals::wants_csrf;
use kit::http::Request;
use kit::{Error, Lane, Reply, Secret};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Characters of all cookies together; a session has three short ones.
const COOKIES_MAX: usize = 8_000;

/// A token and its cookies.
pub(super) struct Held {
    pub(super) token: Secret,
    pub(super) cookies: Secret,
}

/// The session of one connection.
#[derive(Default)]
pub(super) struct Session(Mutex<Option<Arc<Held>>>);

impl Session {
    /// The session there is, or a new one; never the one that was `refused`.
    ///
    /// # Errors
    /// Those of the request that fetches one; `Protocol` when it brings no token.
    pub(super) async fn open(
        &self,
        client: &Client,
        refused: Option<&Arc<Held>>,
    ) -> Result<Arc<Held>, Error> {
        // Held across the request, so that one refusal makes one fetch.
        let mut current = self.0.lock().await;
        let is_refused = |held: &Arc<Held>| refused.is_some_and(|r| Arc::ptr_eq(r, held));
        if let Some(held) = current.as_ref().filter(|held| !is_refused(held)) {
            return Ok(Arc::clone(held));
        }
        *current = None;
        let mut url = below(&client.service, "");
        let fixed = client.fixed().into_iter().chain([("$format", "json")]);
        url.query_pairs_mut().extend_pairs(fixed);
        let fetch = || {
            Request::get(url.clone())
                .header("accept", "application/json")
                .header("x-csrf-token", "Fetch")
        };
        let held = Arc::new(held(&client.exchange(Lane::Background, &fetch).await?)?);
        *current = Some(Arc::clone(&held));
        Ok(held)
    }
}

fn held(reply: &Reply) -> Result<Held, Error> {
    let token = reply.header("x-csrf-token").filter(|_| !wants_csrf(reply));
    let token = token.ok_or_else(|| Error::protocol("an answer without x-csrf-token"))?.to_owned();
    let set = reply.headers.get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    let pairs: Vec<&str> =
        set.filter_map(|cookie| cookie.split(';').next()).map(str::trim).collect();
    let cookies = pairs.join("; ");
    if cookies.len() > COOKIES_MAX {
        return Err(Error::protocol("more cookies than a session has"));
    }
    Ok(Held { token: Secret::new(token), cookies: Secret::new(cookies) })
}
