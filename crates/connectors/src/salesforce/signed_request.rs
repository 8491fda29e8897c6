//! What a Canvas page is posted: `signature.envelope`, both base64, the signature an
//! HMAC-SHA256 of the envelope's text under the app's consumer secret.
//!
//! The envelope says who looks at the page, and carries a token of theirs. It says
//! nothing reliable of its age (`issuedAt` is the token's, or absent), so that it is
//! good for as long as that token lives and no longer: [`super::sign_in`] asks.
//! Source: Salesforce, Canvas Developer Guide, "Verifying and Decoding a Signed
//! Request" and "CanvasRequest".

use super::mapping::record_id;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::sign_in::refused;
use kit::{Error, Secret};
use serde_json::Value;

/// Characters of the signature: 32 bytes in base64.
const SIGNATURE: usize = 44;

/// What a verified request says.
pub(super) struct Signed {
    pub(super) token: Secret,
    /// Ids of 18 characters.
    pub(super) organization: String,
    pub(super) user: String,
}

/// The two parts, where the text has such a form: an access token has none of 44
/// characters before its first dot that end in `=`.
fn parts(shown: &str) -> Option<(&str, &str)> {
    let (signature, envelope) = shown.split_once('.')?;
    (signature.len() == SIGNATURE && signature.ends_with('=')).then_some((signature, envelope))
}

/// Whether it was meant as a signed request.
pub(super) fn is_one(shown: &Secret) -> bool {
    parts(shown.reveal()).is_some()
}

/// What a signed request says.
///
/// # Errors
/// `Unauthorized` when the app did not sign it, or it lacks something.
pub(super) fn verify(shown: &Secret, secret: &Secret) -> Result<Signed, Error> {
    let bent = || refused("a signed request that the widget's app did not sign");
    let (signature, envelope) = parts(shown.reveal()).ok_or_else(bent)?;
    let signature = STANDARD.decode(signature).map_err(|_| bent())?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    hmac::verify(&key, envelope.as_bytes(), &signature).map_err(|_| bent())?;
    let said = STANDARD.decode(envelope).ok();
    let said: Option<Value> = said.and_then(|json| serde_json::from_slice(&json).ok());
    signed(&said.unwrap_or_default())
        .ok_or_else(|| refused("a signed request that does not say who looks at the page"))
}

fn signed(said: &Value) -> Option<Signed> {
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let id = |pointer: &str| text(pointer).and_then(record_id);
    if text("/algorithm") != Some("HMACSHA256") {
        return None;
    }
    let user = id("/userId")?;
    let token = text("/client/oauthToken").filter(|token| !token.is_empty())?;
    let is_agreed = id("/context/user/userId").as_ref() == Some(&user);
    let organization = id("/context/organization/organizationId")?;
    is_agreed.then(|| Signed { token: Secret::new(token.to_owned()), organization, user })
}

#[cfg(test)]
mod tests {
    use super::{is_one, verify};
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use kit::Secret;
    use serde_json::{Value, json};

    const KEY: &str = "6E2C1B9A55D4";

    fn said() -> Value {
        json!({
            "algorithm": "HMACSHA256", "issuedAt": null, "userId": "0055g00000ABCdE",
            "client": { "oauthToken": "00D5g00000XyZaB!AQ.token", "instanceUrl": "https://a.example" },
            "context": {
                "user": { "userId": "0055g00000ABCdEAAX" },
                "organization": { "organizationId": "00D5g00000XyZaB" },
            },
        })
    }

    fn sign(envelope: &str, key: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        format!("{}.{envelope}", STANDARD.encode(hmac::sign(&key, envelope.as_bytes())))
    }

    fn read(shown: &str) -> Result<(String, String, String), &'static str> {
        let key = Secret::new(KEY.to_owned());
        let read = verify(&Secret::new(shown.to_owned()), &key).map_err(|error| error.kind())?;
        Ok((read.user, read.organization, read.token.reveal().to_owned()))
    }

    fn of(said: &Value) -> Result<(String, String, String), &'static str> {
        read(&sign(&STANDARD.encode(said.to_string()), KEY))
    }

    #[test]
    fn a_signed_request_says_who_looks_at_the_page() {
        let (user, organization, token) = of(&said()).expect("signed by the app");
        assert_eq!(user, "0055g00000ABCdEAAX");
        assert_eq!((organization.len(), token.as_str()), (18, "00D5g00000XyZaB!AQ.token"));
    }

    #[test]
    fn one_that_is_bent_in_any_byte_is_refused() {
        let whole = sign(&STANDARD.encode(said().to_string()), KEY);
        for at in 0..whole.len() {
            for other in [b'A', b'B', b'=', b'.', b' '] {
                let mut bent = whole.clone().into_bytes();
                if bent[at] == other {
                    continue;
                }
                bent[at] = other;
                let bent = String::from_utf8(bent).expect("ASCII");
                assert_eq!(read(&bent), Err("unauthorized"), "{at}: {bent}");
            }
            assert_eq!(read(&whole[..at]), Err("unauthorized"), "cut at {at}");
        }
        let envelope = STANDARD.encode(said().to_string());
        assert_eq!(read(&sign(&envelope, "another secret")), Err("unauthorized"));
        assert_eq!(read(&format!("{whole}=")), Err("unauthorized"));
    }

    #[test]
    fn a_signature_does_not_make_up_for_what_is_missing() {
        for pointer in [
            "/algorithm",
            "/userId",
            "/context/user/userId",
            "/context/organization/organizationId",
            "/client/oauthToken",
        ] {
            for value in [Value::Null, json!(""), json!(7), json!("0055g00000ABCdF")] {
                let mut bent = said();
                *bent.pointer_mut(pointer).expect("there") = value.clone();
                // Another text is a token, and the form of an organization's id, all the same.
                let is_form = value.as_str().is_some_and(|text| !text.is_empty());
                let is_other = pointer.ends_with("oauthToken") || pointer.ends_with("ationId");
                if !(is_form && is_other) {
                    assert_eq!(of(&bent), Err("unauthorized"), "{pointer} {value}");
                }
            }
        }
        assert_eq!(read(&sign("no base64!", KEY)), Err("unauthorized"));
        assert_eq!(read(&sign(&STANDARD.encode("[]"), KEY)), Err("unauthorized"));
    }

    #[test]
    fn an_access_token_is_no_signed_request() {
        let is = |text: &str| is_one(&Secret::new(text.to_owned()));
        assert!(is(&sign("e30=", KEY)));
        assert!(!is("00D5g00000XyZaB!AR8AQP0jITN80ESEsj5EbaZTFG0RN.BaT1cy"));
        assert!(!is("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"));
        assert!(!is("") && !is("."));
    }
}
