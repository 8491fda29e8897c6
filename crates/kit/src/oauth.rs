//! The OAuth 2 grants that machines use, as requests and answers.
//!
//! Only the wire: which grant, which claims and what an answer lacks is each
//! vendor's own (RFC 6749 §4.4 client credentials, RFC 7523 JWT bearer). What a
//! vendor says of a refusal is passed on, because it names the mend: bounded, on
//! one line, and without anything that was sent to it in secret (invariant 9).

mod grant;

pub use grant::Grant;

use crate::vault::{Given, Renewed};
use crate::{Error, Http, Mint, Minted, Reply, Secret, http::Request};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// Characters of a vendor's own words that are passed on.
const TOLD_MAX: usize = 200;
/// Characters of an error code that are passed on.
const CODE_MAX: usize = 60;
/// Characters of an answer's words that are looked at: what is passed on lies far before.
const READ_MAX: usize = 2_000;
/// So many characters in a row of what was sent are a piece of it and no accident.
const PIECE: usize = 12;

/// Mints a connection's tokens by its client credentials.
pub struct ClientCredentials {
    /// The connection's way out.
    pub http: Http,
    /// The token endpoint.
    pub endpoint: Url,
    pub id: String,
    pub secret: Secret,
    /// Life of a token where the answer names none; what that is, is each vendor's own.
    pub lifetime_untold: Duration,
}

#[async_trait]
impl Mint for ClientCredentials {
    async fn mint(&self) -> Result<Minted, Error> {
        let login = client_credentials(self.endpoint.clone(), &self.id, &self.secret);
        let granted = log_in(&self.http, login).await?;
        Ok(Minted {
            value: Secret::new(granted.access_token),
            lifetime: granted.expires_in.map_or(self.lifetime_untold, Duration::from_secs),
            base_url: None,
            scope: granted.scope.unwrap_or_default(),
        })
    }

    async fn renew(&self, _before: &Given) -> Result<Renewed, Error> {
        let login = client_credentials(self.endpoint.clone(), &self.id, &self.secret);
        let mut renewed = log_in(&self.http, login).await?.renewed(self.lifetime_untold);
        renewed.minted.base_url = None;
        Ok(renewed)
    }
}

/// Mints a connection's tokens by a refresh token (RFC 6749 §6), which the vendor may
/// replace with each answer: the last one that was kept is used, and the first one only
/// where none was.
pub struct Refreshing {
    /// The connection's way out.
    pub http: Http,
    /// The token endpoint.
    pub endpoint: Url,
    pub id: String,
    pub secret: Secret,
    /// As an administrator wrote it down.
    pub first: Secret,
    /// Life of a token where the answer names none; what that is, is each vendor's own.
    pub lifetime_untold: Duration,
}

#[async_trait]
impl Mint for Refreshing {
    async fn mint(&self) -> Result<Minted, Error> {
        self.renew(&Given::new()).await.map(|renewed| renewed.minted)
    }

    async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
        let token = last_refresh_token(before).unwrap_or_else(|| self.first.clone());
        let login = refresh_token(self.endpoint.clone(), (&self.id, &self.secret), token.reveal());
        let mut renewed = log_in(&self.http, login).await?.renewed(self.lifetime_untold);
        keep_refresh_token(&mut renewed.given, &token);
        Ok(renewed)
    }

    fn rotates(&self) -> bool {
        true
    }
}

const REFRESH_TOKEN: &str = "refresh_token";

/// The refresh token that came with the last token, where one did: what buys the next.
#[must_use]
pub fn last_refresh_token(before: &Given) -> Option<Secret> {
    let token = before.get(REFRESH_TOKEN)?.as_str().filter(|token| !token.is_empty())?;
    Some(Secret::new(token.to_owned()))
}

/// Keeps the refresh token that was shown where none came in its place: a vendor that
/// does not rotate need not send it again (RFC 6749 §6).
pub fn keep_refresh_token(given: &mut Given, shown: &Secret) {
    if last_refresh_token(given).is_none() {
        given.insert(REFRESH_TOKEN.to_owned(), shown.reveal().into());
    }
}

/// All of a token answer but the token itself: to be kept.
#[must_use]
pub fn given(answer: &Value) -> Given {
    let mut given = answer.as_object().cloned().unwrap_or_default();
    given.remove("access_token");
    given
}

/// A refresh by client id and secret (RFC 6749 §6).
#[must_use]
pub fn refresh_token(endpoint: Url, (id, secret): (&str, &Secret), token: &str) -> Login {
    let pair = STANDARD.encode(format!("{id}:{}", secret.reveal()));
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let request = Request::post(endpoint).basic(id, secret).form(&form);
    let secrets = vec![secret.clone(), Secret::new(pair), Secret::new(token.to_owned())];
    Login { request, secrets }
}

/// A request for a token, with everything secret that it carries.
#[derive(Debug)]
pub struct Login {
    request: Request,
    secrets: Vec<Secret>,
}

impl Login {
    /// The same with the client's own proof as HTTP Basic.
    #[must_use]
    pub fn basic(mut self, id: &str, secret: &Secret) -> Self {
        let pair = STANDARD.encode(format!("{id}:{}", secret.reveal()));
        self.secrets.extend([secret.clone(), Secret::new(pair)]);
        self.request = self.request.basic(id, secret);
        self
    }
}

/// Client credentials by HTTP Basic (RFC 6749 §2.3.1).
#[must_use]
pub fn client_credentials(endpoint: Url, id: &str, secret: &Secret) -> Login {
    let pair = STANDARD.encode(format!("{id}:{}", secret.reveal()));
    let request =
        Request::post(endpoint).basic(id, secret).form(&[("grant_type", "client_credentials")]);
    Login { request, secrets: vec![secret.clone(), Secret::new(pair)] }
}

/// A grant whose client is named in the form itself (RFC 6749 §2.3.1, the other way).
/// `secrets`: those of the pairs that must not come back in an error.
#[must_use]
pub fn form(endpoint: Url, pairs: &[(&str, &str)], secrets: Vec<Secret>) -> Login {
    Login { request: Request::post(endpoint).form(pairs), secrets }
}

/// What a JWT bearer assertion claims.
#[derive(Debug, Clone)]
pub struct Claims<'a> {
    /// Who signs: the client.
    pub issuer: &'a str,
    /// Whom the token is for.
    pub subject: &'a str,
    /// The token endpoint, in the vendor's words.
    pub audience: &'a str,
    /// Seconds until the assertion expires.
    pub lifetime: u64,
}

/// A signed RS256 assertion as grant (RFC 7523 §2.1).
///
/// # Errors
/// `Invalid` when the private key is no RSA key in PEM.
pub fn jwt_bearer(endpoint: Url, claims: &Claims<'_>, key: &Secret) -> Result<Login, Error> {
    let assertion = signed(claims, key)?;
    let request = Request::post(endpoint).form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
    ]);
    Ok(Login { request, secrets: vec![Secret::new(assertion)] })
}

fn signed(claims: &Claims<'_>, key: &Secret) -> Result<String, Error> {
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.reveal().as_bytes())
        .map_err(|_| refused_key("is no RSA private key in PEM form"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let body = serde_json::json!({
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "exp": now + claims.lifetime,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    jsonwebtoken::encode(&header, &body, &key).map_err(|_| refused_key("cannot sign"))
}

/// Client credentials in the form itself (RFC 6749 §2.3.1), for what a `scope` names.
#[must_use]
pub fn client_credentials_in_form(endpoint: Url, id: &str, secret: &Secret, scope: &str) -> Login {
    let request = Request::post(endpoint).form(&[
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret.reveal()),
        ("scope", scope),
    ]);
    Login { request, secrets: vec![secret.clone()] }
}

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// RSA with PSS padding and SHA-256.
    Ps256,
    /// The curve P-256 and SHA-256.
    Es256,
}

/// A signed assertion with which a client proves to be itself (RFC 7523 §2.2).
#[derive(Debug, Clone)]
pub struct ClientAssertion<'a> {
    /// All claims but the times.
    pub claims: Value,
    /// Seconds until it expires.
    pub lifetime: u64,
    /// `nbf` as well as `iat`.
    pub is_dated: bool,
    pub signature: Signature,
    /// `kid`: by which name the vendor knows the key.
    pub key_id: Option<&'a str>,
    /// `x5t#S256`: the SHA-256 of the certificate in base64url, where keys are known by that.
    pub thumbprint: Option<String>,
    /// What stands in the form besides.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Client credentials by a signed assertion.
///
/// # Errors
/// `Invalid` naming `private_key` when it is no key of the signature's kind in PEM.
pub fn client_assertion(
    endpoint: Url,
    assertion: &ClientAssertion<'_>,
    key: &Secret,
) -> Result<Login, Error> {
    let (algorithm, key) = match assertion.signature {
        Signature::Ps256 => (
            jsonwebtoken::Algorithm::PS256,
            jsonwebtoken::EncodingKey::from_rsa_pem(key.reveal().as_bytes())
                .map_err(|_| refused_key("is no RSA private key in PEM form"))?,
        ),
        Signature::Es256 => (
            jsonwebtoken::Algorithm::ES256,
            jsonwebtoken::EncodingKey::from_ec_pem(key.reveal().as_bytes())
                .map_err(|_| refused_key("is no P-256 private key in PEM form (PKCS #8)"))?,
        ),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut claims = assertion.claims.clone();
    claims["iat"] = now.into();
    if assertion.is_dated {
        claims["nbf"] = now.into();
    }
    claims["exp"] = (now + assertion.lifetime).into();
    let mut header = jsonwebtoken::Header::new(algorithm);
    header.kid = assertion.key_id.map(str::to_owned);
    header.x5t_s256.clone_from(&assertion.thumbprint);
    let signed = jsonwebtoken::encode(&header, &claims, &key);
    let signed = signed.map_err(|_| refused_key("cannot sign"))?;
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", signed.as_str()),
    ];
    fields.extend_from_slice(assertion.fields);
    let request = Request::post(endpoint).form(&fields);
    Ok(Login { request, secrets: vec![Secret::new(signed)] })
}

fn refused_key(reason: &str) -> Error {
    Error::Invalid { field: Some("private_key".to_owned()), reason: reason.to_owned() }
}

/// Logs in, outside budget and bulkhead.
///
/// # Errors
/// `Unauthorized` when the credentials are refused (RFC 6749 §5.2, whatever the
/// status), `RateLimited`, `Unavailable` on a server's fault or when nothing
/// whole came back, `Protocol` else.
pub async fn log_in(http: &Http, login: Login) -> Result<Grant, Error> {
    let Login { request, secrets } = login;
    granted(&http.send_unmetered(request).await?, &secrets)
}

/// Reads a token endpoint's answer. `sent`: what must not come back in an error.
fn granted(reply: &Reply, sent: &[Secret]) -> Result<Grant, Error> {
    if reply.status == 429 {
        return Err(Error::RateLimited { retry_after: reply.retry_after() });
    }
    if reply.status >= 500 {
        return Err(Error::unavailable(format!("the token endpoint answered {}", reply.status)));
    }
    let body = reply.json()?;
    if let Some(code) = body.get("error").and_then(Value::as_str) {
        if code == "rate_limit_exceeded" {
            return Err(Error::RateLimited { retry_after: reply.retry_after() });
        }
        let told = ["error_description", "description"];
        let told = told.iter().find_map(|key| body.get(key).and_then(Value::as_str));
        let mut secrets: Vec<String> = sent.iter().flat_map(spellings).collect();
        let tokens = ["access_token", "refresh_token", "id_token"];
        let tokens = tokens.iter().filter_map(|key| body.get(key).and_then(Value::as_str));
        secrets.extend(tokens.map(str::to_owned));
        let code = cleaned(code, &secrets, CODE_MAX);
        let reason = told.map_or_else(
            || code.clone(),
            |told| format!("{code} ({})", cleaned(told, &secrets, TOLD_MAX)),
        );
        return Err(Error::Unauthorized { reason });
    }
    if !reply.is_success() {
        return Err(Error::Unauthorized { reason: format!("status {}", reply.status) });
    }
    serde_json::from_value(body).map_err(|_| Error::protocol("a token answer without access_token"))
}

/// A secret as it is, and as it stands in a form.
fn spellings(secret: &Secret) -> [String; 2] {
    let form = url::form_urlencoded::byte_serialize(secret.reveal().as_bytes()).collect();
    [secret.reveal().to_owned(), form]
}

/// At most `max` characters of the text, on one line, with `…` in place of every
/// piece of a secret.
fn cleaned(text: &str, secrets: &[String], max: usize) -> String {
    // Line and paragraph separators, and what turns the direction of a text around.
    let is_unseen =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: String =
        text.chars().take(READ_MAX).map(|c| if is_unseen(c) { ' ' } else { c }).collect();
    let text = without_pieces(&text, secrets);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The text with `…` for each stretch that occurs in a secret: whole, cut off, or
/// broken by a line end.
fn without_pieces(text: &str, secrets: &[String]) -> String {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut is_secret = vec![false; chars.len()];
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let piece = PIECE.min(secret.chars().count());
        for at in 0..(chars.len() + 1).saturating_sub(piece) {
            let end = chars.get(at + piece).map_or(text.len(), |(end, _)| *end);
            if secret.contains(&text[chars[at].0..end]) {
                is_secret[at..at + piece].fill(true);
            }
        }
    }
    let mut out = String::with_capacity(text.len());
    for (at, (_, c)) in chars.iter().enumerate() {
        if !is_secret[at] {
            out.push(*c);
        } else if at == 0 || !is_secret[at - 1] {
            out.push('…');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Grant, client_credentials, granted};
    use crate::http::HeaderMap;
    use crate::{Error, Reply, Secret};
    use serde_json::{Value, json};
    use url::Url;

    const SECRET: &str = "Zq8/x+7Lk2 p0vB5nT3e=";
    const ASSERTION: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib3RAYWNtZS5leGFtcGxlIn0.c2lnbmF0dXJl";

    fn refused(body: &Value) -> String {
        let endpoint = Url::parse("https://login.example.com/token").expect("an address");
        let mut login = client_credentials(endpoint, "the-client", &Secret::new(SECRET.to_owned()));
        login.secrets.push(Secret::new(ASSERTION.to_owned()));
        let reply =
            Reply { status: 400, headers: HeaderMap::new(), body: body.to_string().into_bytes() };
        let error = granted(&reply, &login.secrets).expect_err("a refusal");
        let Error::Unauthorized { reason } = error else { panic!("{error}") };
        reason
    }

    fn told(description: &str) -> String {
        refused(&json!({ "error": "invalid_grant", "error_description": description }))
    }

    #[test]
    fn a_refusal_is_told_in_the_vendors_words() {
        let words = "user hasn't approved this consumer";
        assert_eq!(told(words), format!("invalid_grant ({words})"));
        assert_eq!(refused(&json!({ "error": "invalid_client" })), "invalid_client");
        let other = json!({ "error": "invalid_client", "description": "authentication failed" });
        assert_eq!(refused(&other), "invalid_client (authentication failed)");
    }

    #[test]
    fn a_vendors_words_are_bounded_and_on_one_line() {
        assert_eq!(
            told("a\r\n\tb\u{0}c\u{1b}[31m\u{2028}d\u{202e}e"),
            "invalid_grant (a b c [31m d e)"
        );
        let long = told(&"ü".repeat(5_000));
        assert_eq!(long, format!("invalid_grant ({}…)", "ü".repeat(200)));
        let code = refused(&json!({ "error": format!("x\n{}", "y".repeat(500)) }));
        assert!(code.chars().count() <= 61 && !code.contains('\n'), "{code}");
    }

    #[test]
    fn nothing_that_was_sent_in_secret_comes_back() {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("the-client:{SECRET}"));
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let (head, tail) = ASSERTION.split_at(30);
        for echo in [SECRET, &pair, &form, ASSERTION, head, tail, &ASSERTION[10..40]] {
            let reason = told(&format!("the value \"{echo}\" is wrong"));
            assert_eq!(reason, "invalid_grant (the value \"…\" is wrong)", "{echo}");
        }
        let broken = told(&format!("bad assertion {head}\r\n{tail}."));
        assert!(!broken.contains(&head[..12]) && !broken.contains(&tail[..12]), "{broken}");
        // Cut in the middle by our own bound, it is still hidden.
        let late = told(&format!("{} {ASSERTION}", "x".repeat(190)));
        assert!(!late.contains("eyJ"), "{late}");
        assert_eq!(refused(&json!({ "error": ASSERTION })), "…");
    }

    #[test]
    fn a_token_beside_an_error_is_not_told() {
        let token = "00Dxx!AQ0AQKtoken.token.token";
        let body = json!({
            "error": "odd", "error_description": format!("got {token}"), "access_token": token,
        });
        assert_eq!(refused(&body), "odd (got …)");
    }

    #[test]
    fn a_lifetime_is_read_as_a_number_and_as_a_text() {
        let check = |lifetime: Value, expected: Option<u64>| {
            let body = json!({ "access_token": "x", "expires_in": lifetime });
            let grant: Grant = serde_json::from_value(body).expect("a grant");
            assert_eq!(grant.expires_in, expected);
        };
        check(json!(3600), Some(3600));
        check(json!("3600"), Some(3600));
        check(Value::Null, None);
        check(json!("soon"), None);
    }

    #[test]
    fn debug_output_of_a_grant_hides_the_token() {
        let body = json!({ "access_token": "hunter2", "scope": "api" });
        let grant: Grant = serde_json::from_value(body).expect("a grant");
        let shown = format!("{grant:?}");
        assert!(!shown.contains("hunter2") && shown.contains("api"), "{shown}");
    }
}
