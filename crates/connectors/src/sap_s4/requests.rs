//! Requests that an administrator wrote, below the address of the service.
//!
//! A value stands between the quotes of an OData text and nowhere else ([`literal`]):
//! in a key of the path, in `$filter`, in whatever begins with `$`. Changes go out under
//! the session that SAP demands of them.
//!
//! Source: OData 2.0, "URI Conventions", primitive types.

use super::client::Client;
use super::odata::encoded;
use async_trait::async_trait;
use kit::http::Request;
use kit::{Custom, Error, Lane, Language, Place, Reply, Requests};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Sends what an administrator wrote.
pub(super) struct Written {
    pub(super) client: Arc<Client>,
}

const ODATA: Language = Language { name: "OData", literal };

#[async_trait]
impl Requests for Written {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        match place {
            Place::Path => Some(ODATA),
            Place::Query(name) => name.starts_with('$').then_some(ODATA),
            Place::Json(_) => None,
        }
    }

    async fn send(&self, lane: Lane, custom: &Custom) -> Result<Value, Error> {
        let url = address(&self.client.service, &self.client.fixed(), custom)?;
        // What cannot be sent is told here, before anything goes out.
        request(custom, url.clone())?;
        let request = || request(custom, url.clone()).unwrap_or_else(|_| Request::get(url.clone()));
        let reply = match custom.method.as_str() {
            "GET" => self.client.exchange(lane, &request).await?,
            _ => self.client.change(lane, &request).await?,
        };
        body(&reply)
    }
}

/// The address below that of the service.
///
/// # Errors
/// `Invalid` naming `path` or a parameter.
fn address(service: &Url, fixed: &[(&str, &str)], custom: &Custom) -> Result<Url, Error> {
    let invalid = |field: &str, reason: &str| Error::Invalid {
        field: Some(field.to_owned()),
        reason: reason.to_owned(),
    };
    let mut url = custom.address(service)?;
    let mut options: Vec<(&str, &str)> = fixed.to_vec();
    for (name, value) in &custom.query {
        if options.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(invalid(&format!("query.{name}"), "is set by the connection"));
        }
        options.push((name, value));
    }
    if !custom.query.iter().any(|(name, _)| name == "$format") {
        options.push(("$format", "json"));
    }
    let name = |text: &str| match text.strip_prefix('$') {
        Some(rest) => format!("${}", encoded(rest)),
        None => encoded(text),
    };
    let options = options.iter().map(|(key, value)| format!("{}={}", name(key), encoded(value)));
    url.set_query(Some(&options.collect::<Vec<_>>().join("&")));
    Ok(url)
}

fn request(custom: &Custom, url: Url) -> Result<Request, Error> {
    let request = Request::of(&custom.method, url)?.header("accept", "application/json");
    let request = match &custom.body {
        Some(body) => request.json(body),
        None => request,
    };
    let is_session = |name: &str| name.eq_ignore_ascii_case("x-csrf-token");
    if let Some((name, _)) = custom.headers.iter().find(|(name, _)| is_session(name)) {
        let reason = "is set by the connection".to_owned();
        return Err(Error::Invalid { field: Some(format!("headers.{name}")), reason });
    }
    request.more_headers(&custom.headers)
}

fn body(reply: &Reply) -> Result<Value, Error> {
    if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
}

/// A value where `before` ends: a quote in it is doubled, OData's only escape.
fn literal(before: &str, value: &str) -> Result<String, &'static str> {
    if before.matches('\'').count().is_multiple_of(2) {
        return Err("outside quotes it would be syntax of OData");
    }
    if value.contains('\0') {
        return Err("no text of OData has a NUL character");
    }
    Ok(value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{address, literal, request};
    use kit::Custom;
    use proptest::prelude::*;
    use url::Url;

    fn service() -> Url {
        Url::parse("https://erp.example.com/sap/opu/odata/sap/API").expect("an address")
    }

    fn custom(path: &str) -> Custom {
        let (method, path) = ("GET".to_owned(), path.to_owned());
        Custom { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    proptest! {
        #[test]
        fn a_value_between_quotes_stays_between_them(value in "['a\\\\ or%/&=()]{0,12}") {
            let text = literal("Name eq '", &value).expect("a place") + "' and x";
            let mut rest = text.as_str();
            let mut read = String::new();
            loop {
                let (before, after) = rest.split_once('\'').expect("closed");
                read.push_str(before);
                match after.strip_prefix('\'') {
                    Some(more) => { read.push('\''); rest = more; }
                    None => { prop_assert_eq!((read.as_str(), after), (value.as_str(), " and x")); break; }
                }
            }
        }

        #[test]
        fn a_path_never_leaves_the_service(path in "/[A-z./\\\\%@:?#2ef('')]{0,20}") {
            if let Ok(url) = address(&service(), &[("sap-client", "100")], &custom(&path)) {
                prop_assert_eq!(url.host_str(), Some("erp.example.com"));
                prop_assert!(url.path().starts_with("/sap/opu/odata/sap/API/"));
                prop_assert_eq!(url.query(), Some("sap-client=100&$format=json"));
            }
        }
    }

    #[test]
    fn what_the_connection_sets_is_not_set_twice() {
        let query = |name: &str| Custom {
            query: vec![(name.to_owned(), "200".to_owned())],
            ..custom("/A_BusinessPartner")
        };
        assert!(address(&service(), &[("sap-client", "100")], &query("SAP-Client")).is_err());
        let url = address(&service(), &[], &query("$top")).expect("an address");
        assert_eq!(url.query(), Some("$top=200&$format=json"));
        for name in ["X-CSRF-Token", "Accept"] {
            let headers = vec![(name.to_owned(), "x".to_owned())];
            assert!(request(&Custom { headers, ..custom("/x") }, service()).is_err(), "{name}");
        }
        assert!(literal("A_BusinessPartner(", "1").is_err());
        assert!(literal("Name eq 'a' and Id eq ", "1").is_err());
    }
}
