//! Requests as an administrator wrote them, with places that a value fills.
//!
//! A template is taken apart once, when the connection is opened: into the segments of a
//! path, pairs of a query, headers, and a JSON value. A value is put into one of these and
//! encoded as that place demands, so that none can end it, begin another or change its
//! kind. What a place cannot carry is not sent at all.

use domain::{Phone, phone};
use kit::Secret;
use serde_json::Value as Json;
use std::fmt::Write as _;
use url::Url;

/// Characters of a value; what is longer is nobody's number, e-mail or id.
const VALUE_MAX: usize = 254;

/// What fills a place, written `{phone.e164}` in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// `+15550199999`
    PhoneE164,
    /// `15550199999`
    PhoneDigits,
    /// `5550199999`
    PhoneNational,
    Email,
    Record,
    Account,
}

/// The values there are.
#[derive(Default)]
pub(super) struct Values<'a> {
    pub(super) phone: Option<&'a Phone>,
    pub(super) email: Option<&'a str>,
    pub(super) record: Option<&'a str>,
    pub(super) account: Option<&'a str>,
}

/// Text with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Hole(Hole),
}

/// A whole request with places in it.
#[derive(Debug, Clone)]
pub(super) struct Template {
    segments: Vec<Text>,
    query: Vec<(String, Text)>,
    headers: Vec<(String, Text)>,
    body: Option<Json>,
    allowed: &'static [Hole],
}

/// A request with values in its places.
pub(super) struct Filled {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) body: Option<Json>,
}

impl Hole {
    /// Of a phone number.
    pub(super) const PHONE: &[Self] = &[Self::PhoneE164, Self::PhoneDigits, Self::PhoneNational];

    fn name(self) -> &'static str {
        match self {
            Self::PhoneE164 => "phone.e164",
            Self::PhoneDigits => "phone.digits",
            Self::PhoneNational => "phone.national",
            Self::Email => "email",
            Self::Record => "record",
            Self::Account => "account",
        }
    }

    fn value(self, values: &Values<'_>) -> Option<String> {
        let value = match self {
            Self::PhoneE164 => values.phone?.e164.clone(),
            Self::PhoneDigits => values.phone?.e164.trim_start_matches('+').to_owned(),
            Self::PhoneNational => phone::national_digits(values.phone?),
            Self::Email => values.email?.to_owned(),
            Self::Record => values.record?.to_owned(),
            Self::Account => values.account?.to_owned(),
        };
        let value = value.trim();
        let fits = !value.is_empty() && value.chars().count() <= VALUE_MAX;
        fits.then(|| value.to_owned())
    }
}

impl Text {
    /// Takes a text apart; `{{` and `}}` stand for a brace.
    ///
    /// # Errors
    /// A sentence that names the place which is none.
    pub(super) fn parse(text: &str, allowed: &[Hole]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = rest
                .split_once('}')
                .filter(|_| brace == "{")
                .ok_or_else(|| format!("`{text}` has a brace without its other half"))?;
            let hole = allowed.iter().find(|hole| hole.name() == name).ok_or_else(|| {
                let names: Vec<String> =
                    allowed.iter().map(|hole| format!("{{{}}}", hole.name())).collect();
                format!(
                    "`{{{name}}}` is nothing that can stand there; one of: {}",
                    names.join(", ")
                )
            })?;
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Hole(*hole));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Ok(Self(pieces))
    }

    fn has_hole(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Hole(_)))
    }

    /// The text with every value in its place, encoded by `encode`; `None` when one is missing.
    fn fill(&self, values: &Values<'_>, encode: fn(&str) -> String) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => out.push_str(plain),
                Piece::Hole(hole) => out.push_str(&encode(&hole.value(values)?)),
            }
        }
        Some(out)
    }
}

impl Template {
    /// Takes `/path?query` apart, and the body, which is JSON with places in its texts.
    ///
    /// # Errors
    /// A sentence about what cannot be.
    pub(super) fn parse(
        target: &str,
        body: Option<&str>,
        headers: &[(String, String)],
        allowed: &'static [Hole],
    ) -> Result<Self, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\');
        let path = path.strip_prefix('/').ok_or("it does not begin with /")?;
        if target.contains(odd) || path.starts_with('/') || path.contains("//") {
            return Err("it holds a blank, #, \\ or //".to_owned());
        }
        let segments: Result<Vec<Text>, String> =
            path.split('/').map(|segment| Text::parse(segment, allowed)).collect();
        let segments = segments?;
        if path.split('/').any(|segment| {
            matches!(segment.to_ascii_lowercase().as_str(), "." | ".." | "%2e" | "%2e%2e")
        }) {
            return Err("it holds a step to another folder".to_owned());
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((plain(name), Text::parse(&plain(value), allowed)?))
        });
        let query: Result<Vec<(String, Text)>, String> = pairs.collect();
        let headers =
            headers.iter().map(|(name, value)| Ok((name.clone(), Text::parse(value, allowed)?)));
        let headers: Result<Vec<(String, Text)>, String> = headers.collect();
        let body: Option<Json> = body
            .map(|text| serde_json::from_str(text).map_err(|_| "its body is no JSON".to_owned()))
            .transpose()?;
        let template = Self { segments, query: query?, headers: headers?, body, allowed };
        if let Some(body) = &template.body {
            template.check(body)?;
        }
        if !template.is_addressed() {
            return Err("nothing in it says who is asked for".to_owned());
        }
        Ok(template)
    }

    /// Does the path itself name whom it is about? Then 404 means nobody.
    pub(super) fn is_in_path(&self) -> bool {
        self.segments.iter().any(Text::has_hole)
    }

    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Everything with its values, below `base`; `None` when a value is missing or cannot
    /// stand where it should.
    pub(super) fn fill(&self, base: &Url, values: &Values<'_>) -> Option<Filled> {
        let mut path = base.path().trim_end_matches('/').to_owned();
        for segment in &self.segments {
            let filled = segment.fill(values, percent)?;
            // Even encoded, these two would lead to another folder.
            if segment.has_hole() && matches!(filled.as_str(), "." | "..") {
                return None;
            }
            path.push('/');
            path.push_str(&filled);
        }
        let mut url = base.clone();
        url.set_path(&path);
        for (name, value) in &self.query {
            let value = value.fill(values, str::to_owned)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let value = value.fill(values, str::to_owned)?;
            let fits = value.bytes().all(|b| (0x20..0x7f).contains(&b));
            headers.push((name.clone(), Secret::new(fits.then_some(value)?)));
        }
        let body = match &self.body {
            None => None,
            Some(body) => Some(self.filled(body, values)?),
        };
        Some(Filled { url, headers, body })
    }

    fn is_addressed(&self) -> bool {
        let in_text = |body: &Json| body.to_string().contains('{') && self.has_holes(body);
        self.is_in_path()
            || self.query.iter().any(|(_, value)| value.has_hole())
            || self.headers.iter().any(|(_, value)| value.has_hole())
            || self.body.as_ref().is_some_and(in_text)
    }

    fn has_holes(&self, body: &Json) -> bool {
        match body {
            Json::String(text) => Text::parse(text, self.allowed).is_ok_and(|text| text.has_hole()),
            Json::Array(items) => items.iter().any(|item| self.has_holes(item)),
            Json::Object(map) => map.values().any(|item| self.has_holes(item)),
            _ => false,
        }
    }

    fn check(&self, body: &Json) -> Result<(), String> {
        match body {
            Json::String(text) => Text::parse(text, self.allowed).map(drop),
            Json::Array(items) => items.iter().try_for_each(|item| self.check(item)),
            Json::Object(map) => map.values().try_for_each(|item| self.check(item)),
            _ => Ok(()),
        }
    }

    /// The same JSON with values in its texts; names of members are never filled.
    fn filled(&self, body: &Json, values: &Values<'_>) -> Option<Json> {
        Some(match body {
            Json::String(text) => {
                Json::String(Text::parse(text, self.allowed).ok()?.fill(values, str::to_owned)?)
            }
            Json::Array(items) => {
                let items: Option<Vec<Json>> =
                    items.iter().map(|item| self.filled(item, values)).collect();
                Json::Array(items?)
            }
            Json::Object(map) => {
                let map: Option<serde_json::Map<String, Json>> = map
                    .iter()
                    .map(|(name, item)| Some((name.clone(), self.filled(item, values)?)))
                    .collect();
                Json::Object(map?)
            }
            other => other.clone(),
        })
    }
}

/// A piece of a configured query without its encoding.
fn plain(text: &str) -> String {
    let pair = format!("x={text}");
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A value within a segment of a path: all but letters, digits and `-._~` is encoded.
pub(super) fn percent(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Hole, Template, Text, Values};
    use domain::Phone;
    use proptest::prelude::*;
    use serde_json::json;
    use url::Url;

    const ALL: &[Hole] =
        &[Hole::PhoneE164, Hole::PhoneDigits, Hole::PhoneNational, Hole::Email, Hole::Record];

    fn base() -> Url {
        Url::parse("https://api.example.com/v2").expect("an address")
    }

    #[test]
    fn a_number_is_put_in_as_the_source_keeps_it() {
        let phone = Phone { e164: "+442079460018".to_owned(), extension: None };
        let values = Values { phone: Some(&phone), ..Values::default() };
        let target = "/c/{phone.digits}?open=true&tel={phone.e164}&nat=0{phone.national}";
        let template = Template::parse(target, None, &[], ALL).expect("a template");
        let filled = template.fill(&base(), &values).expect("all values");
        assert_eq!(
            filled.url.as_str(),
            "https://api.example.com/v2/c/442079460018?open=true&tel=%2B442079460018&nat=02079460018"
        );
    }

    #[test]
    fn what_could_not_work_is_refused_by_name() {
        let refused = |target: &str, body: Option<&str>| {
            Template::parse(target, body, &[], &[Hole::Email]).expect_err(target)
        };
        assert!(refused("/c?x={phone.e164}", None).contains("{email}"));
        assert!(refused("/c?x={email", None).contains("brace"));
        assert!(refused("/c?x=email}", None).contains("brace"));
        assert!(refused("c?x={email}", None).contains('/'));
        assert!(refused("/c/../{email}", None).contains("folder"));
        assert!(refused("//x/{email}", None).contains("//"));
        assert!(refused("/c", None).contains("nothing in it"));
        assert!(refused("/c", Some("{")).contains("JSON"));
        assert!(refused("/c", Some(r#"{"a":"{ermail}"}"#)).contains("ermail"));
        assert_eq!(Text::parse("{{x}}", &[]), Text::parse("{{x}}", ALL));
    }

    #[test]
    fn a_value_that_would_leave_its_folder_is_not_sent() {
        let template = Template::parse("/c/{record}/x", None, &[], ALL).expect("a template");
        for record in [".", "..", "", "  "] {
            let values = Values { record: Some(record), ..Values::default() };
            assert!(template.fill(&base(), &values).is_none(), "{record}");
        }
        for record in ["../x", "a/b", "%2e%2e", "..;", "a?b#c", "\\..\\"] {
            let values = Values { record: Some(record), ..Values::default() };
            let url = template.fill(&base(), &values).expect(record).url;
            let segments: Vec<&str> = url.path_segments().expect("a path").collect();
            assert_eq!((segments.len(), segments[0], segments[3]), (4, "v2", "x"), "{url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_value_becomes_anything_but_a_value(value in any::<String>(), odd in "[\"'&=?#/\\\\%\r\n{}.;: a-z]{1,12}") {
            let headers = [("x-who".to_owned(), "id {record}.".to_owned())];
            let template = Template::parse(
                "/a/b-{record}/c?one=1&who={record}&two=2",
                Some(r#"{"find":{"id":"{record}","kind":["x","{record}"]},"n":1}"#),
                &headers,
                ALL,
            ).expect("a template");
            for value in [value, odd] {
                let values = Values { record: Some(&value), ..Values::default() };
                let Some(filled) = template.fill(&base(), &values) else { continue };
                let value = value.trim();
                prop_assert_eq!(filled.url.origin(), base().origin());
                let segments: Vec<&str> = filled.url.path_segments().expect("a path").collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!((segments[0], segments[1], segments[3]), ("v2", "a", "c"));
                let decoded = url::form_urlencoded::parse(segments[2].replace('+', "%2B").as_bytes())
                    .next().map(|(name, _)| name.into_owned());
                prop_assert_eq!(decoded, Some(format!("b-{value}")));
                let pairs: Vec<(String, String)> = filled.url.query_pairs().into_owned().collect();
                let expected = [("one", "1"), ("who", value), ("two", "2")];
                let expected: Vec<(String, String)> =
                    expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
                prop_assert_eq!(pairs, expected);
                prop_assert_eq!(filled.url.fragment(), None);
                let sent = filled.body.expect("a body").to_string();
                let read: serde_json::Value = serde_json::from_str(&sent).expect("JSON");
                prop_assert_eq!(read, json!({ "find": { "id": value, "kind": ["x", value] }, "n": 1 }));
                prop_assert_eq!(filled.headers[0].1.reveal(), format!("id {value}."));
                prop_assert!(!filled.headers[0].1.reveal().contains(['\r', '\n']));
            }
        }
    }
}
