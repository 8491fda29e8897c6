//! Requests that an administrator wrote, sent as the integration user.
//!
//! They go to `/api/…` of the instance and nowhere else. Values stand in encoded queries
//! (`sysparm_query`) and in `field=value` options only where a condition has a place for
//! one, and only if `query::literal` lets them through.
//!
//! Sources: "Encoded query strings"; Table API, query parameters.

use super::client::Client;
use super::query::{Name, literal};
use async_trait::async_trait;
use kit::http::Request;
use kit::{Custom, Error, Lane, Language, Place, Requests, Secret};
use serde_json::Value as Json;
use std::sync::Arc;
use url::Url;

/// Where an instance's REST interfaces lie, its own and those of scoped applications.
const ROOT: &str = "/api/";
/// Set by us, or by HTTP itself.
const OWN_HEADERS: [&str; 7] = [
    "authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
];
/// Operators that a value may follow, longest first where one begins like another.
const OPERATORS: [&str; 16] = [
    "NOT LIKE",
    "NOT IN",
    "STARTSWITH",
    "ENDSWITH",
    "BETWEEN",
    "CONTAINS",
    "DOES NOT CONTAIN",
    "SAMEAS",
    "LIKE",
    "IN",
    "!=",
    ">=",
    "<=",
    "=",
    ">",
    "<",
];
/// The vendor's column for a search of the whole text.
const WHOLE_TEXT: &str = "123TEXTQUERY321";

/// The administrator's requests of one instance.
pub(super) struct Door {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Door {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        match place {
            Place::Query("sysparm_query") => {
                Some(Language { name: "ServiceNow encoded query", literal: in_query })
            }
            // Every option that is none of the API's is a condition on the column of its name.
            Place::Query(name) if !name.starts_with("sysparm_") => {
                Some(Language { name: "ServiceNow condition", literal: in_option })
            }
            _ => None,
        }
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Json, Error> {
        let url = address(&self.client.instance, request)?;
        let mut headers: Vec<(&str, Secret)> = Vec::new();
        for (name, value) in &request.headers {
            if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                return Err(invalid(name, "is set by the connection itself"));
            }
            headers.push((name, Secret::new(value.clone())));
        }
        // Whether a header can be carried is known before anything is sent.
        let build = || -> Result<Request, Error> {
            let mut built = Request::of(&request.method, url.clone())?;
            if let Some(body) = &request.body {
                built = built.json(body);
            }
            headers.iter().try_fold(built, |built, (name, value)| built.named_header(name, value))
        };
        build()?;
        let ask = || build().unwrap_or_else(|_| Request::get(url.clone()));
        self.client.exchange(lane, &ask).await.map(|(_, body)| body)
    }
}

/// The address below the API's root, or a refusal when the path leads elsewhere.
fn address(instance: &Url, request: &Custom) -> Result<Url, Error> {
    if request.path.to_ascii_lowercase().contains("%2f") {
        return Err(invalid("path", "holds a / that is encoded"));
    }
    let api = instance.join(ROOT).map_err(|_| Error::protocol("an address that is none"))?;
    request.url(&api)
}

/// A value where an encoded query ends: after a column and an operator.
fn in_query(before: &str, value: &str) -> Result<String, &'static str> {
    const NO_PLACE: &str = "a value stands after a column and an operator, such as email=";
    let term = before.rsplit('^').next().unwrap_or_default();
    let joins = before.contains('^');
    let term = ["OR", "NQ"]
        .iter()
        .find_map(|join| joins.then(|| term.strip_prefix(join)).flatten())
        .unwrap_or(term);
    let rest = match term.strip_prefix(WHOLE_TEXT) {
        Some(rest) => rest,
        None => {
            let is_column =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
            let end = term.find(|c| !is_column(c)).ok_or(NO_PLACE)?;
            Name::new(&term[..end]).ok_or(NO_PLACE)?;
            &term[end..]
        }
    };
    let operator =
        OPERATORS.iter().find(|operator| rest.starts_with(**operator)).ok_or(NO_PLACE)?;
    // `>` and then `=1` would be another operator.
    let is_first = rest.len() == operator.len();
    if is_first && matches!(*operator, ">" | "<") && value.starts_with('=') {
        return Err("it begins with =, which would change the operator before it");
    }
    if *operator == "BETWEEN" && value.contains('@') {
        return Err("it holds an @, which parts the two values of BETWEEN");
    }
    if rest[operator.len()..].to_ascii_lowercase().starts_with("javascript:") {
        return Err("no value may stand in a script");
    }
    literal(value, operator.ends_with("IN"))
}

/// A value as an option of its own.
fn in_option(_: &str, value: &str) -> Result<String, &'static str> {
    literal(value, false)
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{address, in_query};
    use kit::Custom;
    use proptest::prelude::*;
    use url::Url;

    fn custom(path: &str) -> Custom {
        Custom {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: vec![("sysparm_query".to_owned(), "a=b^c=d&e".to_owned())],
            headers: vec![],
            body: None,
        }
    }

    #[test]
    fn a_value_stands_only_after_a_column_and_an_operator() {
        for before in [
            "email=",
            "active=true^email=",
            "a=b^ORemailLIKE",
            "account.nameSTARTSWITHx",
            "a=1^NQphoneIN+1555,",
            "123TEXTQUERY321=",
        ] {
            assert_eq!(in_query(before, "x y").as_deref(), Ok("x y"), "{before}");
        }
        for before in [
            "",
            "email",
            "email=x^",
            "email=x^OR",
            "ORDERBY",
            "a=b^ORDERBY",
            "^",
            "Email=",
            "a=javascript:gs.",
            "emailISEMPTY",
        ] {
            assert!(in_query(before, "x").is_err(), "{before}");
        }
        assert!(in_query("sys_idIN", "a,b").is_err());
        assert!(in_query("u_count>", "=1").is_err());
        assert!(in_query("sys_created_onBETWEEN", "a@b").is_err());
        assert!(in_query("email=", "a@b").is_ok());
    }

    #[test]
    fn a_request_never_leaves_the_api() {
        let instance = Url::parse("https://acme.service-now.com/").expect("an address");
        let url = address(&instance, &custom("/now/table/incident")).expect("an address");
        assert_eq!(
            url.as_str(),
            "https://acme.service-now.com/api/now/table/incident?sysparm_query=a%3Db%5Ec%3Dd%26e"
        );
        for path in [
            "",
            "now",
            "/../login.do",
            "/now/../../login.do",
            "/%2e%2e/login.do",
            "//x.example/",
            "/now/%2E%2e/%2e%2e/x",
            "/a?b",
            "/a#b",
            "/\\x.example",
            "/..%2flogin.do",
        ] {
            assert!(address(&instance, &custom(path)).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_value_becomes_a_condition_of_its_own(value in any::<String>(), odd in "[a-z=]{0,5}(\\^|,|javascript:)[a-zA-Z=^]{0,9}") {
            for value in [value, odd] {
                for before in ["active=true^email=", "phoneIN+1,"] {
                    if let Ok(written) = in_query(before, &value) {
                        prop_assert_eq!(&written, &value, "nothing is changed behind one's back");
                        prop_assert!(!written.contains('^') && !written.trim().is_empty());
                        prop_assert!(!before.ends_with(',') || !written.contains(','));
                    }
                }
            }
        }
    }
}
