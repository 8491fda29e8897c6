//! Whose token an agent's page shows: Genesys Cloud is asked with that very token.
//!
//! The page got it by logging in through the widget's OAuth client within the
//! agent's session. It counts when it acts in our organization, came through that
//! client (any other application of the organization could trade its users' tokens
//! for ours), and belongs to a user who is active.

use super::client::{Client, Send};
use async_trait::async_trait;
use domain::Timestamp;
use kit::sign_in::{own, refused};
use kit::{Door, Error, Secret, SignIn, SignedIn};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::OnceCell;
use url::Url;

/// The agents of one organization.
pub(super) struct Agents {
    pub(super) client: Arc<Client>,
    /// The OAuth clients that widgets log in through, by their ids.
    pub(super) widgets: Vec<String>,
    /// Where users sign in.
    pub(super) login: Url,
    /// Our organization's id, once it was asked for: it never changes.
    pub(super) organization: OnceCell<String>,
}

impl Agents {
    /// Our own organization, by our own token.
    ///
    /// # Errors
    /// Any [`Error`] but `Unauthorized`.
    pub(super) async fn organization(&self) -> Result<&str, Error> {
        let ask = async || {
            let told = self.client.own_token().await?.json()?;
            let id = text(&told, "/organization/id").map(str::to_owned);
            id.ok_or_else(|| Error::protocol("a token of ours without an organization"))
        };
        self.organization.get_or_try_init(ask).await.map(String::as_str).map_err(own)
    }

    /// What the platform knows of a widget's client (`OAuthClient`), where we may look.
    ///
    /// # Errors
    /// `Forbidden` without the permission `oauth:client:view`, `NotFound`.
    pub(super) async fn widget(&self, id: &str) -> Result<Value, Error> {
        let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.client.send(Send::Get(&[]), &format!("oauth/clients/{path}")).await?.json()
    }
}

#[async_trait]
impl SignIn for Agents {
    async fn agent(&self, shown: &Secret) -> Result<SignedIn, Error> {
        let ours = self.organization().await?;
        let token = self.client.get_as(shown, "tokens/me").await.map_err(of_theirs)?;
        let token = token.json()?;
        let until = holds(&token, ours, &self.widgets)?;
        let user = self.client.get_as(shown, "users/me").await.map_err(of_theirs)?;
        Ok(SignedIn { user: active(&user.json()?)?, until })
    }

    fn door(&self) -> Option<Door> {
        let client_id = self.widgets.first()?.clone();
        let at = |path| self.login.join(path).ok();
        let (authorize, token) = (at("/oauth/authorize")?, at("/oauth/token")?);
        Some(Door { client_id, authorize, token })
    }
}

/// Whether a token (`TokenInfo`) acts in our organization and came through a widget's
/// client; when it ends idle, where the organization ends idle ones.
fn holds(token: &Value, ours: &str, widgets: &[String]) -> Result<Option<Timestamp>, Error> {
    if text(token, "/organization/id") != Some(ours) {
        return Err(refused("a token of another organization"));
    }
    let client = text(token, "/OAuthClient/id").unwrap_or_default();
    if !widgets.iter().any(|widget| widget.eq_ignore_ascii_case(client)) {
        return Err(refused("a token of an OAuth client that widget_client_id does not name"));
    }
    Ok(text(token, "/dateTokenIdles").and_then(Timestamp::parse))
}

/// The id of a user (`UserMe`) who is active.
fn active(user: &Value) -> Result<String, Error> {
    match (text(user, "/id"), text(user, "/state")) {
        (Some(id), Some("active")) => Ok(id.to_owned()),
        (Some(_), Some(_)) => Err(refused("a user who is not active")),
        _ => Err(Error::protocol("a user without id or state")),
    }
}

/// What a refusal of the shown token means: nothing of ours is wrong.
fn of_theirs(error: Error) -> Error {
    match error {
        Error::Forbidden { .. } => refused("a token without the scope user-basic-info"),
        // The token of a client that acts for itself has no user behind it.
        Error::NotFound | Error::Invalid { .. } => refused("a token of no user"),
        error => error,
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{active, holds};
    use domain::Timestamp;
    use serde_json::{Value, json};

    fn token() -> Value {
        json!({
            "organization": { "id": "our-org" }, "homeOrganization": { "id": "another" },
            "OAuthClient": { "id": "Widget-1" }, "dateTokenIdles": "1970-01-01T00:00:01.500Z",
        })
    }

    #[test]
    fn a_token_counts_in_our_organization_and_through_our_client_only() {
        let widgets = ["widget-0".to_owned(), "widget-1".to_owned()];
        assert_eq!(holds(&token(), "our-org", &widgets), Ok(Some(Timestamp(1_500))));
        let bent = |pointer: &str, value: Value| {
            let mut token = token();
            *token.pointer_mut(pointer).expect("there") = value;
            holds(&token, "our-org", &widgets).map_err(|error| error.kind())
        };
        for pointer in ["/organization", "/organization/id", "/OAuthClient", "/OAuthClient/id"] {
            for value in [json!("another"), json!(""), Value::Null] {
                assert_eq!(bent(pointer, value), Err("unauthorized"), "{pointer}");
            }
        }
        assert_eq!(bent("/dateTokenIdles", Value::Null), Ok(None));
        assert!(holds(&token(), "our-org", &[]).is_err());
    }

    #[test]
    fn only_an_active_user_is_an_agent() {
        let user = |state: &str| active(&json!({ "id": "u-1", "state": state }));
        assert_eq!(user("active"), Ok("u-1".to_owned()));
        for state in ["inactive", "deleted", "ACTIVE", "later"] {
            assert_eq!(user(state).map_err(|error| error.kind()), Err("unauthorized"));
        }
        assert_eq!(active(&json!({ "id": "u-1" })).map_err(|e| e.kind()), Err("protocol"));
    }
}
