//! Gets tokens from Zoho's accounts server, and learns where the API is.
//!
//! Zoho refuses a login with HTTP 200 and `{"error":…}`, and too many logins with 400
//! "Access Denied"; each further try makes that last longer. So a connection keeps to ten
//! tokens in ten minutes by itself, and asks for none for five minutes once it was told.
//! A token answer names the host of the API (`api_domain`): tokens go to no host that is
//! neither Zoho's own nor the one that an administrator named. The refresh token does not
//! end; should another one come, it is kept in the vault and shown from then on.
//!
//! Source: "OAuth 2.0", "Multi DC Support" (API v8); README.md names what is not Zoho's.

use async_trait::async_trait;
use kit::http::Request;
use kit::vault::{Given, Renewed};
use kit::{Error, Http, Mint, Minted, Reply, Secret, oauth};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// A token lives an hour; one whose answer names no life is taken as old sooner.
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
const LIFETIME_UNTOLD: Duration = Duration::from_secs(1_800);
/// Logins that Zoho allows in [`WINDOW`], less one for somebody else's.
const LOGINS_MAX: usize = 9;
const WINDOW: Duration = Duration::from_secs(600);
/// How long nothing is asked after "too many requests".
const QUIET: Duration = Duration::from_secs(300);

/// Hosts of the API in each data center; `www.`, `sandbox.` and `developer.` may precede.
const API_HOSTS: [&str; 11] = [
    "zohoapis.com",
    "zohoapis.eu",
    "zohoapis.in",
    "zohoapis.com.cn",
    "zohoapis.com.au",
    "zohoapis.jp",
    "zohoapis.sa",
    "zohoapis.ca",
    "zohoapis.uk",
    "zohoapis.ae",
    "zohocloud.ca",
];

/// What a connection shows for a token.
pub(super) enum Grant {
    /// The one that does not end, of a user who consented.
    RefreshToken(Secret),
    /// A self client's own, for one organization.
    ClientCredentials { organization: String, scope: String },
}

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    /// `https://accounts.zoho.eu/oauth/v2/token`
    pub(super) endpoint: Url,
    pub(super) grant: Grant,
    pub(super) id: String,
    pub(super) secret: Secret,
    /// Where the API may be besides Zoho's own hosts.
    pub(super) api_domain: Option<Url>,
    pub(super) pace: Pace,
}

/// When tokens were asked for, and until when none shall be.
#[derive(Default)]
pub(super) struct Pace(Mutex<(VecDeque<Instant>, Option<Instant>)>);

impl Pace {
    /// Takes one login, or says how long to wait for it.
    fn take(&self) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (logins, quiet) = &mut *state;
        while logins.front().is_some_and(|login| now.duration_since(*login) >= WINDOW) {
            logins.pop_front();
        }
        let full = (logins.len() >= LOGINS_MAX).then(|| logins.front().map(|at| *at + WINDOW));
        let until = full.flatten().max(quiet.filter(|until| *until > now));
        if let Some(until) = until {
            return Err(Error::RateLimited { retry_after: Some(until - now) });
        }
        logins.push_back(now);
        Ok(())
    }

    fn be_quiet(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(Instant::now() + QUIET);
    }
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        self.renew(&Given::new()).await.map(|renewed| renewed.minted)
    }

    async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
        self.pace.take()?;
        let held = match &self.grant {
            Grant::RefreshToken(first) => {
                Some(oauth::last_refresh_token(before).unwrap_or_else(|| first.clone()))
            }
            Grant::ClientCredentials { .. } => None,
        };
        let mut form =
            vec![("client_id", self.id.as_str()), ("client_secret", self.secret.reveal())];
        if let Some(token) = &held {
            form.extend([("grant_type", "refresh_token"), ("refresh_token", token.reveal())]);
        }
        if let Grant::ClientCredentials { organization, scope } = &self.grant {
            form.extend([
                ("grant_type", "client_credentials"),
                ("soid", organization.as_str()),
                ("scope", scope.as_str()),
            ]);
        }
        let request = Request::post(self.endpoint.clone()).form(&form);
        let outcome = granted(&self.http.send_unmetered(request).await?);
        if matches!(outcome, Err(Error::RateLimited { .. })) {
            self.pace.be_quiet();
        }
        let body = outcome?;
        let told = body["api_domain"].as_str();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let minted = Minted {
            value: Secret::new(text("access_token")),
            lifetime: lifetime(&body["expires_in"]),
            base_url: Some(self.api(told)?),
            scope: text("scope"),
        };
        let mut given = oauth::given(&body);
        if let Some(token) = &held {
            oauth::keep_refresh_token(&mut given, token);
        }
        Ok(Renewed { minted, given })
    }
}

impl Login {
    /// Where the API is, by the token answer if it may be believed.
    fn api(&self, told: Option<&str>) -> Result<String, Error> {
        let known = self.api_domain.as_ref();
        let base = match told.map(Url::parse) {
            Some(Ok(told)) => told,
            Some(Err(_)) => return Err(Error::protocol("an api_domain that is no address")),
            None => known.cloned().ok_or_else(|| {
                Error::protocol("a token answer without api_domain, and none is set")
            })?,
        };
        if known.is_some_and(|known| known.origin() == base.origin()) || is_zohos(&base) {
            return Ok(base.origin().ascii_serialization());
        }
        Err(Error::Invalid {
            field: Some("api_domain".to_owned()),
            reason: "the token answer names a host that is none of Zoho's; set api_domain if it is right".to_owned(),
        })
    }
}

/// Is this a host of Zoho's own, by TLS?
fn is_zohos(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = ["www.", "sandbox.", "developer."].iter().find_map(|front| host.strip_prefix(front));
    url.scheme() == "https" && url.port().is_none() && API_HOSTS.contains(&bare.unwrap_or(host))
}

/// Seconds; what is longer than a day was once milliseconds.
fn lifetime(told: &Value) -> Duration {
    let number = told.as_u64().or_else(|| told.as_str()?.trim().parse().ok());
    let life = match number {
        Some(ms) if ms > 86_400 => Duration::from_millis(ms),
        Some(seconds) => Duration::from_secs(seconds),
        None => LIFETIME_UNTOLD,
    };
    life.clamp(Duration::from_secs(1), LIFETIME_MAX)
}

/// The body of a token answer that holds a token.
fn granted(reply: &Reply) -> Result<Value, Error> {
    if reply.status == 429 {
        return Err(Error::RateLimited { retry_after: Some(QUIET) });
    }
    if reply.status >= 500 {
        return Err(Error::unavailable(format!("the accounts server answered {}", reply.status)));
    }
    let body = reply.json()?;
    if let Some(code) = body["error"].as_str() {
        if code.eq_ignore_ascii_case("access denied") {
            return Err(Error::RateLimited { retry_after: Some(QUIET) });
        }
        let is_plain =
            code.len() <= 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let code = if is_plain { code } else { "an unknown code" };
        return Err(Error::Unauthorized { reason: code.to_owned() });
    }
    if !reply.is_success() {
        return Err(Error::Unauthorized { reason: format!("status {}", reply.status) });
    }
    match body["access_token"].as_str() {
        Some(token) if !token.is_empty() => Ok(body),
        _ => Err(Error::protocol("a token answer without access_token")),
    }
}

#[cfg(test)]
mod tests {
    use super::{LOGINS_MAX, Pace, granted, is_zohos, lifetime};
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::{Value, json};
    use std::time::Duration;
    use url::Url;

    #[test]
    fn a_token_goes_to_zohos_own_hosts_by_tls_and_to_no_other() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_zohos(&Url::parse(text).expect(text)), expected, "{text}");
        };
        check("https://www.zohoapis.com", true);
        check("https://www.zohoapis.com.cn", true);
        check("https://sandbox.zohoapis.eu", true);
        check("http://www.zohoapis.com", false);
        check("https://www.zohoapis.com:8443", false);
        check("https://www.zohoapis.com.evil.example", false);
        check("https://evil-zohoapis.com", false);
        check("https://www.sandbox.zohoapis.com", false);
    }

    #[test]
    fn a_refusal_with_status_200_is_a_refusal_and_a_throttle_is_none() {
        let outcome = |status: u16, body: Value| {
            let body = body.to_string().into_bytes();
            granted(&Reply { status, headers: HeaderMap::new(), body }).map(drop)
        };
        let refused = |code: &str| Err(Error::Unauthorized { reason: code.to_owned() });
        assert_eq!(outcome(200, json!({ "error": "invalid_code" })), refused("invalid_code"));
        assert_eq!(outcome(200, json!({ "error": "Jane Doe" })), refused("an unknown code"));
        let denied = outcome(400, json!({ "error": "Access Denied", "status": "failure" }));
        assert_eq!(denied.expect_err("throttled").kind(), "rate_limited");
        assert_eq!(outcome(200, json!({})).expect_err("no token").kind(), "protocol");
        assert_eq!(outcome(502, json!({})).expect_err("down").kind(), "unavailable");
        assert_eq!(outcome(200, json!({ "access_token": "1000.x" })), Ok(()));
    }

    #[test]
    fn a_lifetime_is_an_hour_at_most_whatever_unit_it_is_told_in() {
        for (told, expected) in [
            (json!(3600), 3_600),
            (json!("120"), 120),
            (json!(3_600_000), 3_600),
            (json!(600_000), 600),
            (Value::Null, 1_800),
        ] {
            assert_eq!(lifetime(&told), Duration::from_secs(expected), "{told}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn logins_keep_to_what_zoho_allows() {
        let pace = Pace::default();
        for _ in 0..LOGINS_MAX {
            pace.take().expect("allowed");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let Err(Error::RateLimited { retry_after: Some(wait) }) = pace.take() else {
            panic!("too many")
        };
        tokio::time::advance(wait).await;
        pace.take().expect("the first is ten minutes old");
        pace.be_quiet();
        tokio::time::advance(Duration::from_secs(299)).await;
        assert!(pace.take().is_err());
        tokio::time::advance(Duration::from_secs(301)).await;
        pace.take().expect("quiet was kept");
    }
}
