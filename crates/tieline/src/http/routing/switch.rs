//! What a switch asks and is told, whatever its own format.
//!
//! A switch sends a form, in the body or after the `?`; [`fields`] reads either. What it is
//! told ends in a dial string or a dialplan, where `,`, `&`, `|`, `$` and brackets are syntax:
//! [`dialled`] and [`inert`] are the only ways there.

use crate::http::ApiError;
use crate::http::input::read_bytes;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use std::fmt::Write as _;
use url::form_urlencoded;

/// Names and values in the order in which they came.
pub struct Fields(Vec<(String, String)>);

/// Where does this call go? What is not known is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What was dialled.
    pub did: String,
    /// `Main menu/1`: asked for instead of `did` where it is not empty.
    pub ivr_option: String,
    /// Who dialled; empty where the number is withheld.
    pub ani: String,
    pub call_id: String,
}

/// There. Whole as it stands: what there is none of is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// `queue`, `ivr` or `recording`; empty where the call goes nowhere in particular.
    pub destination_type: &'static str,
    /// The number, name or file.
    pub destination: String,
    /// Where the administrator gave the destination one.
    pub uri: String,
    pub greeting: String,
    pub rule: String,
    /// Counted from 1; 0 for none.
    pub line: u32,
    pub status: &'static str,
    pub revision: u64,
}

/// Reads what was sent: of a GET what stands after the `?`, else the body and then that.
pub async fn fields(request: Request) -> Result<Fields, ApiError> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut body = Bytes::new();
    if request.method() != Method::GET && request.method() != Method::HEAD {
        if !may_be_form(request.headers()) {
            let message = "The body is not declared as a form.";
            let fix = "Send Content-Type: application/x-www-form-urlencoded.";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "request.media_type", message, fix));
        }
        body = read_bytes(request).await?;
    }
    Ok(Fields::parse(&[&body, query.as_bytes()]))
}

/// Some switches leave the type out once they are given a header of one's own.
fn may_be_form(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Fields {
    /// Forms one after the other. Any bytes are a form: what cannot be decoded is replaced.
    pub fn parse(forms: &[&[u8]]) -> Self {
        let pairs = forms.iter().flat_map(|form| form_urlencoded::parse(form).into_owned());
        Self(pairs.collect())
    }

    /// The first of these names that holds something; empty when none does.
    pub fn first(&self, names: &[&str]) -> &str {
        let of = |name: &&str| {
            let mut named = self.0.iter().filter(|(known, _)| known == name);
            named.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        names.iter().find_map(of).unwrap_or_default()
    }
}

/// A SIP URI as a dial string may hold it: whatever separates or opens something there is
/// percent-encoded, which in the user's part and in parameters means the same. Empty when it
/// is no SIP URI.
pub fn dialled(uri: &str) -> String {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("sip" | "sips")) {
        return String::new();
    }
    uri.chars().fold(String::with_capacity(uri.len()), |mut text, char| {
        if char.is_ascii_alphanumeric() || "-_.!~*'():@;=+/?%[]".contains(char) {
            text.push(char);
        } else {
            for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                // A text takes text.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

/// A text that a dialplan neither expands nor breaks at: without `$` before `{`, on one line.
pub fn inert(text: &str) -> String {
    let mut kept: Vec<char> = Vec::with_capacity(text.len());
    for char in text.chars() {
        if char == '{' {
            while kept.last() == Some(&'$') {
                kept.pop();
            }
        }
        // XML 1.0 has no form for these two at all.
        if matches!(char, '\u{FFFE}' | '\u{FFFF}') {
            continue;
        }
        kept.push(if char.is_control() { ' ' } else { char });
    }
    kept.into_iter().collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{dialled, inert};

    #[test]
    fn a_uri_brings_no_syntax_into_a_dial_string() {
        let check = |uri: &str, expected: &str| assert_eq!(dialled(uri), expected, "{uri}");
        check(
            "sip:premium@192.0.2.20:5060;transport=tcp",
            "sip:premium@192.0.2.20:5060;transport=tcp",
        );
        check("SIPS:a@[2001:db8::1]", "SIPS:a@[2001:db8::1]");
        check("sip:a&PJSIP/0900@x", "sip:a%26PJSIP/0900@x");
        check("sip:a@x,sofia/external/b|c", "sip:a@x%2Csofia/external/b%7Cc");
        check("sip:${system(x)}@x", "sip:%24%7Bsystem(x)%7D@x");
        check("sip:J\u{fc}rgen <x>@y\r\n", "sip:J%C3%BCrgen%20%3Cx%3E@y%0D%0A");
        for other in ["", "sip", "tel:+15550190000", "loopback/900", "{x=y}sip:a@b", "http://x"] {
            check(other, "");
        }
    }

    #[test]
    fn a_text_is_not_expanded() {
        let check = |text: &str, expected: &str| assert_eq!(inert(text), expected, "{text}");
        check("Your $5 are {here}", "Your $5 are {here}");
        check("${system(x)} $${y} $$${z}", "{system(x)} {y} {z}");
        check("one\r\ntwo\u{0}\u{FFFE}", "one  two");
    }
}
