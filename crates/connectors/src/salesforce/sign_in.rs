//! Whose token an agent's page shows: Salesforce is asked as the widget's own app.
//!
//! The page got it from that app in the agent's session, or was posted a signed
//! request that carries it. It counts while Salesforce calls it active, when the
//! widget's app is the one that got it, in our own org. Ids of 15 and of 18
//! characters are the same. Source: Salesforce Help, "OpenID Connect Token
//! Introspection" (RFC 7662).

use super::client::Client;
use super::mapping::record_id;
use super::signed_request;
use async_trait::async_trait;
use domain::Timestamp;
use kit::http::Request;
use kit::sign_in::{own, refused};
use kit::{Error, Http, Lane, Reply, Secret, SignIn, SignedIn};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use url::Url;

/// The agents of one org.
pub(super) struct Agents {
    pub(super) http: Http,
    pub(super) client: Arc<Client>,
    /// Where tokens are introspected.
    pub(super) endpoint: Url,
    /// The widget's app.
    pub(super) widget_id: String,
    pub(super) widget_secret: Secret,
    /// Our own org, as our own logins tell it.
    pub(super) org: Arc<OnceLock<String>>,
}

impl Agents {
    /// What Salesforce knows of a token.
    ///
    /// # Errors
    /// `Invalid` when the widget's app is refused, else what kept Salesforce from telling.
    pub(super) async fn introspect(&self, token: &Secret) -> Result<Value, Error> {
        let request = Request::post(self.endpoint.clone())
            .basic(&self.widget_id, &self.widget_secret)
            .header("accept", "application/json")
            .form(&[("token", token.reveal()), ("token_type_hint", "access_token")]);
        answered(&self.http.send_unmetered(request).await?)
    }

    /// Our own org's id; the login that tells it may be under way.
    ///
    /// # Errors
    /// Any [`Error`] but `Unauthorized`.
    pub(super) async fn org(&self) -> Result<&str, Error> {
        if self.org.get().is_none() {
            self.client.token(Lane::Background).await.map_err(own)?;
            if let Some((org, _)) = self.client.identity() {
                self.org.get_or_init(|| org);
            }
        }
        let told = self.org.get().map(String::as_str);
        told.ok_or_else(|| Error::protocol("a token answer whose id does not name the org"))
    }

    /// Whose living token it is, got by the widget's app in our org.
    async fn owner(&self, token: &Secret, org: &str) -> Result<SignedIn, Error> {
        owner(&self.introspect(token).await?, &self.widget_id, org)
    }
}

#[async_trait]
impl SignIn for Agents {
    async fn agent(&self, shown: &Secret) -> Result<SignedIn, Error> {
        let org = self.org().await?;
        if !signed_request::is_one(shown) {
            return self.owner(shown, org).await;
        }
        let signed = signed_request::verify(shown, &self.widget_secret)?;
        if signed.organization != org {
            return Err(refused("a signed request of another org"));
        }
        let agent = self.owner(&signed.token, org).await?;
        if agent.user != signed.user {
            return Err(refused("a signed request with another user's token"));
        }
        Ok(agent)
    }
}

/// An introspection's answer as JSON.
fn answered(reply: &Reply) -> Result<Value, Error> {
    let code = || {
        let body = reply.json().unwrap_or_default();
        let code = body.get("error").and_then(Value::as_str).unwrap_or_default();
        let is_word = code.len() <= 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        format!(
            "{}status {}",
            if is_word { format!("{code}, ") } else { String::new() },
            reply.status
        )
    };
    match reply.status {
        200 => reply.json(),
        429 => Err(Error::RateLimited { retry_after: reply.retry_after() }),
        408 | 500.. => Err(Error::unavailable(code())),
        // What was shown is told inactive with 200: this is about the widget's app.
        400 | 401 | 403 => {
            Err(Error::Invalid { field: Some("widget_client_secret".to_owned()), reason: code() })
        }
        _ => Err(Error::protocol(code())),
    }
}

fn owner(told: &Value, widget_id: &str, org: &str) -> Result<SignedIn, Error> {
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    match told.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(refused("a token that is not active")),
        _ => {
            return Err(Error::protocol("an introspection that does not say whether it is active"));
        }
    }
    if text("token_type") == Some("refresh_token") {
        return Err(refused("a refresh token"));
    }
    if text("client_id") != Some(widget_id) {
        return Err(refused("a token of another app than widget_client_id names"));
    }
    let (of, user) = text("sub")
        .and_then(identity)
        .ok_or_else(|| Error::protocol("an introspection whose sub names no org and user"))?;
    if of != org {
        return Err(refused("a token of another org"));
    }
    let until = told.get("exp").and_then(Value::as_i64);
    Ok(SignedIn { user, until: until.map(|seconds| Timestamp(seconds.saturating_mul(1_000))) })
}

/// Org and user of an identity URL, `https://…/id/00D…/005…`.
pub(super) fn identity(url: &str) -> Option<(String, String)> {
    let url = Url::parse(url).ok()?;
    let mut path = url.path_segments()?;
    let (Some("id"), Some(org), Some(user), None) =
        (path.next(), path.next(), path.next(), path.next())
    else {
        return None;
    };
    let is_form = org.starts_with("00D") && user.starts_with("005");
    if is_form { Some((record_id(org)?, record_id(user)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::{identity, owner};
    use domain::Timestamp;
    use serde_json::{Value, json};

    const ORG: &str = "00D5g00000XyZaBEAV";

    fn told() -> Value {
        json!({
            "active": true, "client_id": "3MVG9.widget", "token_type": "access_token",
            "sub": "https://login.salesforce.com/id/00D5g00000XyZaB/0055g00000ABCdE",
            "exp": 1_800_000_000, "scope": "id api",
        })
    }

    fn kind(told: &Value) -> Result<String, &'static str> {
        let org = identity(&format!("https://x.example/id/{ORG}/0055g00000ABCdE"));
        let org = org.expect("an identity").0;
        owner(told, "3MVG9.widget", &org).map(|agent| agent.user).map_err(|error| error.kind())
    }

    #[test]
    fn a_token_counts_while_active_through_our_app_in_our_org_only() {
        assert_eq!(kind(&told()), Ok("0055g00000ABCdEAAX".to_owned()));
        let until = owner(&told(), "3MVG9.widget", ORG).expect("good").until;
        assert_eq!(until, Some(Timestamp(1_800_000_000_000)));
        let other_org = "https://login.salesforce.com/id/00D5g00000XyZab/0055g00000ABCdE";
        for (key, value, expected) in [
            ("active", json!(false), "unauthorized"),
            ("active", json!("true"), "protocol"),
            ("client_id", json!("3MVG9.other"), "unauthorized"),
            ("client_id", Value::Null, "unauthorized"),
            ("token_type", json!("refresh_token"), "unauthorized"),
            ("sub", json!(other_org), "unauthorized"),
            ("sub", json!("0055g00000ABCdE"), "protocol"),
        ] {
            let mut bent = told();
            bent[key] = value;
            assert_eq!(kind(&bent), Err(expected), "{bent}");
        }
        let inactive = json!({ "active": false });
        assert_eq!(kind(&inactive), Err("unauthorized"));
    }

    #[test]
    fn an_identity_names_an_org_and_a_user() {
        for odd in [
            "https://x.example/id/00D5g00000XyZaB",
            "https://x.example/id/00D5g00000XyZaB/0035g00000ABCdE",
            "https://x.example/id/0055g00000ABCdE/00D5g00000XyZaB",
            "https://x.example/id/00D5g00000XyZaB/0055g00000ABCdE/more",
            "https://x.example/id/00D5g00000XyZaBAAA/0055g00000ABCdE",
            "id/00D5g00000XyZaB/0055g00000ABCdE",
        ] {
            assert_eq!(identity(odd), None, "{odd}");
        }
    }
}
