//! Tokens that live shortly: signed, so that no node needs to remember them.
//!
//! `tt_<claims>.<signature>`, both base64url: JSON, and its HMAC-SHA256 under a
//! key derived from the store's. A token says whose key it came from and dies
//! with that key.

use super::refusal::Refusal;
use super::scopes::Scopes;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "tt_";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Public id of the key it came from.
    #[serde(rename = "k")]
    pub key: String,
    /// Words between spaces.
    #[serde(rename = "s")]
    pub scopes: String,
    /// When it ends, in milliseconds since 1970.
    #[serde(rename = "e")]
    pub expires_at: i64,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Id of the browser's session that it is, if it is one.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When that session began, in milliseconds since 1970.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<i64>,
}

impl Claims {
    /// Of a key, a page or a user, by the id that says which, until then.
    pub fn new(key: impl Into<String>, scopes: Scopes, until: Timestamp) -> Self {
        let (agent, call, session, began_at) = (None, None, None, None);
        let (key, scopes, expires_at) = (key.into(), scopes.to_string(), until.0);
        Self { key, scopes, expires_at, agent, call, session, began_at }
    }
}

/// Makes tokens and knows its own.
pub struct Signer(hmac::Key);

/// Whether the text has a token's form, ours or not.
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Signer {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub fn sign(&self, claims: &Claims) -> String {
        // Texts and a number: there is nothing JSON cannot hold.
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, body.as_bytes()));
        format!("{PREFIX}{body}.{signature}")
    }

    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let claims = self.read(token).ok_or(Refusal::TokenInvalid)?;
        if now.0 >= claims.expires_at {
            return Err(Refusal::TokenExpired);
        }
        Ok(claims)
    }

    fn read(&self, token: &str) -> Option<Claims> {
        let (body, signature) = token.strip_prefix(PREFIX)?.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, body.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Signer};
    use crate::http::access::refusal::Refusal;
    use crate::http::access::scopes::Scopes;
    use domain::Timestamp;

    fn claims() -> Claims {
        Claims::new("0a1b", Scopes::parse("lookup").expect("a scope"), Timestamp(1_000))
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_ends() {
        let signer = Signer::new(&[7; 32]);
        let token = signer.sign(&claims());
        assert_eq!(signer.verify(&token, Timestamp(999)).expect("alive"), claims());
        let ended = signer.verify(&token, Timestamp(1_000));
        assert!(matches!(ended, Err(Refusal::TokenExpired)));
    }

    #[test]
    fn a_token_that_is_bent_or_anothers_is_refused() {
        let signer = Signer::new(&[7; 32]);
        let token = signer.sign(&claims());
        let invalid = |token: &str| {
            let refused = signer.verify(token, Timestamp(0));
            assert!(matches!(refused, Err(Refusal::TokenInvalid)), "{token}");
        };
        invalid(&Signer::new(&[8; 32]).sign(&claims()));
        for at in 0..token.len() {
            let mut bent = token.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            invalid(&String::from_utf8(bent).expect("ASCII"));
            invalid(&token[..at]);
        }
    }
}
