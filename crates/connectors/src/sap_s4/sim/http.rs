//! The way of a request: which address is which resource, who may ask, what it answers.
//!
//! One function takes every request ([`World::handle`]). Errors are the gateway's
//! `{"error":{"code","message","innererror"}}`.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::World;
use super::gate;
use super::render::Wanted;
use super::schema::Access;
use super::store::Store;

/// Where the service lies.
pub(super) const SERVICE: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER";
/// Most characters of a request's path and query, as usual edges have it.
const MOST_URI: usize = 8_192;

/// A request taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// As sent, percent-encoded.
    pub(super) path: &'a str,
    options: HashMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    length: usize,
}

impl<'a> Asked<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a [u8]) -> Asked<'a> {
        let query = parts.uri.query().unwrap_or_default();
        Asked {
            method: &parts.method,
            path: parts.uri.path(),
            options: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: &parts.headers,
            body,
            length: parts.uri.path_and_query().map_or(0, |both| both.as_str().len()),
        }
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer before it is put on the wire.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        let headers = vec![
            ("content-type", "application/json;charset=utf-8".to_owned()),
            ("dataserviceversion", "2.0".to_owned()),
        ];
        Answer { status, headers, body: body.to_string().into_bytes() }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// The gateway's error.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
        Answer::error_at(status, code, message, "")
    }

    /// The same, naming the property at fault.
    pub(super) fn error_at(status: StatusCode, code: &str, message: &str, at: &str) -> Answer {
        let detail = json!({ "code": code, "message": message, "propertyref": at, "severity": "error", "transition": false, "target": "" });
        let body = json!({ "error": {
            "code": code,
            "message": { "lang": "en", "value": message },
            "innererror": {
                "application": { "component_id": "AP-MD-BP", "service_namespace": "/SAP/", "service_id": "API_BUSINESS_PARTNER", "service_version": "0001" },
                "transactionid": "0A1B2C3D4E5F00C0E0066FB0123456789", "timestamp": "", "Error_Resolution": {},
                "errordetails": [detail],
            },
        } });
        Answer::json(status, &body)
    }

    pub(super) fn bad(message: &str) -> Answer {
        Answer::error(StatusCode::BAD_REQUEST, "005056A509B11EE1B9A8FEC11C21578E", message)
    }

    pub(super) fn response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }
}

/// The vendor's answers that a fault plan may name.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let error = |status, code| Answer::error(status, code, "An exception was raised");
    let answer = match name {
        "unauthorized" => gate::unauthorized(true),
        "throttled" => error(StatusCode::TOO_MANY_REQUESTS, "/IWFND/CM_BEC/026")
            .with("retry-after", "1".to_owned()),
        "forbidden" => error(StatusCode::FORBIDDEN, "/IWFND/CM_CONSUMER/101"),
        "not_found" => error(StatusCode::NOT_FOUND, "/IWBEP/CM_MGW_RT/020"),
        "conflict" => error(StatusCode::PRECONDITION_FAILED, "/IWBEP/CM_MGW_RT/022"),
        "busy" => Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: vec![
                ("content-type", "text/html".to_owned()),
                ("retry-after", "2".to_owned()),
            ],
            body: b"<html><body>503 Service Unavailable</body></html>".to_vec(),
        },
        "login_page" => Answer {
            status: StatusCode::OK,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: b"<!DOCTYPE html><html><head><title>Logon</title></head></html>".to_vec(),
        },
        "csrf" => gate::csrf_failed(),
        "locked" => error(StatusCode::LOCKED, "R1/054"),
        "error" => error(StatusCode::INTERNAL_SERVER_ERROR, "/IWBEP/CM_MGW_RT/021"),
        _ => return None,
    };
    Some(answer.response())
}

impl World {
    /// Answers one request, whatever it is.
    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        if asked.length > MOST_URI {
            return Answer { status: StatusCode::URI_TOO_LONG, headers: vec![], body: vec![] };
        }
        if asked.path == "/sap/bc/sec/oauth2/token" && asked.method == Method::POST {
            return self.token(asked);
        }
        if let Err(refused) = self.admit(asked) {
            return refused;
        }
        let Some(below) = asked.path.strip_prefix(SERVICE) else {
            return Answer::error(StatusCode::NOT_FOUND, "/IWFND/MED/170", "No service found");
        };
        let steps: Vec<&str> = below.split('/').filter(|step| !step.is_empty()).collect();
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            if let Err(refused) = self.guard(asked) {
                return refused;
            }
            return self.change(asked, &steps);
        }
        self.with_session(asked, self.resource(asked, &steps))
    }

    fn resource(&self, asked: &Asked<'_>, steps: &[&str]) -> Answer {
        let store = self.read();
        match steps {
            [] => {
                let names: Vec<&str> =
                    store.schema.sets.iter().map(|set| set.name.as_str()).collect();
                Answer::json(StatusCode::OK, &json!({ "d": { "EntitySets": names } }))
            }
            ["$metadata"] => {
                let own = || store.schema.edmx();
                let body = self.config.metadata.clone().unwrap_or_else(own).into_bytes();
                let headers = vec![
                    ("content-type", "application/xml".to_owned()),
                    ("dataserviceversion", "2.0".to_owned()),
                ];
                Answer { status: StatusCode::OK, headers, body }
            }
            _ => self.rows(&store, asked, steps).unwrap_or_else(|refused| refused),
        }
    }

    /// A set, an entity, or what an entity leads to.
    fn rows(&self, store: &Store, asked: &Asked<'_>, steps: &[&str]) -> Result<Answer, Answer> {
        let (first, mut rest) = steps.split_first().ok_or_else(not_found)?;
        let (mut set, key) = addressed(store, first)?;
        let mut places: Option<Vec<usize>> = None;
        let mut is_one = key.is_some();
        if let Some(key) = &key {
            let at = store.find(set, key).ok_or_else(not_found)?;
            places = Some(vec![at]);
        }
        if let (Some(place), Some((name, after))) =
            (places.as_ref().and_then(|p| p.first().copied()), rest.split_first())
        {
            let way = store.schema.way(set, name).ok_or_else(not_found)?;
            places = Some(store.follow(way, place));
            (set, is_one, rest) = (way.to, !way.is_many, after);
        }
        let wanted = Wanted::read(store, set, asked)?;
        let mut places = match places {
            Some(places) => places,
            None => store.select(set, wanted.filter.as_ref()),
        };
        if key.is_some()
            && let Some(filter) = &wanted.filter
        {
            places.retain(|at| filter.holds(&|property| store.value(set, *at, property)));
        }
        match rest {
            ["$count"] if !is_one => {
                let headers = vec![("content-type", "text/plain".to_owned())];
                Ok(Answer {
                    status: StatusCode::OK,
                    headers,
                    body: places.len().to_string().into_bytes(),
                })
            }
            [] if is_one => {
                let at = places.first().copied().ok_or_else(not_found)?;
                let row = self.entity(store, set, at, &wanted);
                let etag = self.etag(store, set, at);
                Ok(Answer::json(StatusCode::OK, &json!({ "d": row })).with("etag", etag))
            }
            [] => Ok(self.page(store, set, places, &wanted, asked)),
            _ => Err(not_found()),
        }
    }
}

pub(super) fn not_found() -> Answer {
    Answer::error(
        StatusCode::NOT_FOUND,
        "/IWBEP/CM_MGW_RT/020",
        "Resource not found for the segment",
    )
}

/// Key properties and their values.
pub(super) type Key = Vec<(String, String)>;

/// Set and key of `A_BusinessPartner('1')` or `A_Address…(AddressID='1',Person='')`.
pub(super) fn addressed(store: &Store, step: &str) -> Result<(usize, Option<Key>), Answer> {
    let step = decoded(step);
    let Some((name, key)) = step.split_once('(') else {
        return Ok((store.schema.set(&step).ok_or_else(not_found)?, None));
    };
    let set = store.schema.set(name).ok_or_else(not_found)?;
    let key = key.strip_suffix(')').ok_or_else(|| Answer::bad("Malformed key predicate"))?;
    let malformed = |_| Answer::bad("Malformed key predicate");
    let names: Vec<&str> = store.schema.sets[set].keys().collect();
    let chars: Vec<char> = key.chars().collect();
    let mut pairs: Key = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let name: String = chars[at..].iter().take_while(|c| **c != '\'').collect();
        let (value, end) =
            super::filter::quoted(&chars, at + name.chars().count()).map_err(malformed)?;
        let name = name.trim_start_matches(',').trim_end_matches('=').trim().to_owned();
        pairs.push((if name.is_empty() { names[0].to_owned() } else { name }, value));
        at = end;
    }
    let is_key = |name: &str| {
        store.schema.sets[set].property(name).is_some_and(|property| property.access == Access::Key)
    };
    if pairs.len() != names.len() || !pairs.iter().all(|(name, _)| is_key(name)) {
        return Err(Answer::bad("Invalid key predicate type"));
    }
    Ok((set, Some(pairs)))
}

/// Percent-encoding undone; a plus sign is one.
fn decoded(step: &str) -> String {
    let step = step.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    url::form_urlencoded::parse(step.as_bytes())
        .next()
        .map_or_else(String::new, |(key, _)| key.into_owned())
}
