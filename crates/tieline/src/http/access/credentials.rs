//! What a request carries to say who sends it.
//!
//! `Authorization: Bearer`, `Authorization: Basic` or `X-API-Key`, in this
//! order; what cannot be read counts as absent.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What was sent, not yet known to be anybody's.
pub enum Presented<'a> {
    /// A key or a token.
    Text(&'a str),
    /// An id, or any name, with a secret or a whole key.
    Basic { user: String, password: String },
}

/// What the headers carry.
pub fn of(headers: &HeaderMap) -> Option<Presented<'_>> {
    let own = || {
        let key = headers.get("x-api-key")?.to_str().ok()?.trim();
        (!key.is_empty()).then_some(Presented::Text(key))
    };
    authorization(headers).or_else(own)
}

fn authorization(headers: &HeaderMap) -> Option<Presented<'_>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then_some(Presented::Text(rest));
    }
    basic(headers).map(|(user, password)| Presented::Basic { user, password })
}

/// The token that a page sends where it can set no header: `access_token` of the address,
/// or a second protocol beside the first that a WebSocket offers.
pub fn of_page<'a>(query: Option<&'a str>, headers: &'a HeaderMap) -> Option<&'a str> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| *name == "access_token").map(|(_, token)| token);
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let offered = || offered.find_map(|word| word.trim().strip_prefix("token."));
    named.next().filter(|token| !token.is_empty()).or_else(offered)
}

/// The two parts of `Authorization: Basic` (RFC 7617), as they were sent.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    (!password.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Presented, of};
    use axum::http::HeaderMap;

    fn read(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header"));
        }
        of(&map).map(|presented| match presented {
            Presented::Text(text) => text.to_owned(),
            Presented::Basic { user, password } => format!("{user} and {password}"),
        })
    }

    #[test]
    fn each_form_is_read_and_what_cannot_be_read_is_absent() {
        let check = |headers: &[(&'static str, &str)], expected: Option<&str>| {
            assert_eq!(read(headers).as_deref(), expected, "{headers:?}");
        };
        check(&[], None);
        check(&[("authorization", "Bearer  k ")], Some("k"));
        check(&[("authorization", "bearer k")], Some("k"));
        check(&[("x-api-key", " k ")], Some("k"));
        check(&[("authorization", "Bearer a"), ("x-api-key", "b")], Some("a"));
        check(&[("authorization", "Basic dTpwOnE=")], Some("u and p:q"));
        check(&[("authorization", "BASIC OnA=")], Some(" and p"));
        for odd in
            ["Basic", "Basic u:p", "Basic dTo=", "Basic dXA=", "Digest x", "Bearer", "Bearer "]
        {
            check(&[("authorization", odd)], None);
            check(&[("authorization", odd), ("x-api-key", "k")], Some("k"));
        }
        check(&[("x-api-key", "")], None);
    }
}
