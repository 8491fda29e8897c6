//! What a change does: PATCH, and MERGE in the clothes of a POST.
//!
//! In order: the entity must be there, the ETag must be sent (428) and be the last one
//! (412), and every field must be one that clients may change.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::World;
use super::http::{Answer, Asked, addressed, not_found};
use super::schema::{Access, EMAILS, PARTNERS, PHONES};
use super::store::Store;

/// Sets that clients may change here.
const OPEN: &[usize] = &[PARTNERS, PHONES, EMAILS];
/// Dialing codes of the countries that people here live in.
const DIALED: &[(&str, &str)] = &[("US", "1"), ("CA", "1"), ("GB", "44"), ("DE", "49")];

impl World {
    pub(super) fn change(&self, asked: &Asked<'_>, steps: &[&str]) -> Answer {
        let is_merge =
            *asked.method == Method::POST && asked.header("x-http-method") == Some("MERGE");
        let is_patch =
            *asked.method == Method::PATCH || asked.method.as_str() == "MERGE" || is_merge;
        if !is_patch || steps.len() != 1 {
            let told = "Method is not allowed or not simulated";
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "/IWBEP/CM_MGW_RT/021", told);
        }
        self.merge(asked, steps[0]).unwrap_or_else(|refused| refused)
    }

    fn merge(&self, asked: &Asked<'_>, step: &str) -> Result<Answer, Answer> {
        let mut store = self.write();
        let (set, key) = addressed(&store, step)?;
        let at = key.and_then(|key| store.find(set, &key)).ok_or_else(not_found)?;
        let matched = asked.header("if-match").ok_or_else(|| {
            let told = "The request must be conditional; send an If-Match header";
            Answer::error(StatusCode::PRECONDITION_REQUIRED, "/IWBEP/CM_MGW_RT/023", told)
        })?;
        if matched != "*" && matched != self.etag(&store, set, at) {
            let told = "The entity was changed since it was read";
            return Err(Answer::error(
                StatusCode::PRECONDITION_FAILED,
                "/IWBEP/CM_MGW_RT/022",
                told,
            ));
        }
        let values: Map<String, Json> = serde_json::from_slice(asked.body)
            .map_err(|_| Answer::bad("The body is no JSON object"))?;
        let values = checked(&store, set, values)?;
        store.change(set, at, values);
        derive(&mut store, set, at);
        let headers =
            vec![("etag", self.etag(&store, set, at)), ("dataserviceversion", "2.0".to_owned())];
        let answer = Answer { status: StatusCode::NO_CONTENT, headers, body: vec![] };
        // A number whose country is not known is taken, with a warning.
        if set == PHONES && store.value(set, at, "InternationalPhoneNumber") == "" {
            let told = json!({
                "code": "AM/216", "message": "Number cannot be dialed", "severity": "warning",
                "target": "PhoneNumber", "details": [],
            });
            return Ok(answer.with("sap-message", told.to_string()));
        }
        Ok(answer)
    }
}

/// Only what may be changed, and fits.
fn checked(
    store: &Store,
    set: usize,
    mut values: Map<String, Json>,
) -> Result<Map<String, Json>, Answer> {
    values.remove("__metadata");
    for (name, value) in &values {
        let property = store.schema.sets[set].property(name);
        let property =
            property.ok_or_else(|| Answer::bad(&format!("Property {name} not found")))?;
        if property.access != Access::Open || !OPEN.contains(&set) {
            return Err(Answer::error(
                StatusCode::BAD_REQUEST,
                "R11/154",
                &format!("Property {name} cannot be changed"),
            ));
        }
        let length = value.as_str().map_or(0, |text| text.chars().count());
        if property.longest > 0 && length > property.longest {
            return Err(Answer::bad(&format!("Property {name} has invalid value")));
        }
    }
    Ok(values)
}

/// What the system works out of a number or an e-mail.
fn derive(store: &mut Store, set: usize, at: usize) {
    let text = |name: &str| store.value(set, at, name).as_str().unwrap_or_default().to_owned();
    let derived = match set {
        PHONES => {
            let (typed, country) = (text("PhoneNumber"), text("DestinationLocationCountry"));
            let whole = international(&typed, &text("PhoneNumberExtension"), &country);
            ("InternationalPhoneNumber", whole)
        }
        EMAILS => ("SearchEmailAddress", indexed(&text("EmailAddress"))),
        _ => return,
    };
    store.row_mut(set, at).values.insert(derived.0.to_owned(), Json::from(derived.1));
}

/// The beginning of an e-mail, in capitals, as the index of e-mails holds it.
pub(super) fn indexed(email: &str) -> String {
    email.to_uppercase().chars().take(20).collect()
}

/// Dialing code, number and extension; empty where the country is not known.
fn international(typed: &str, extension: &str, country: &str) -> String {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    if typed.trim_start().starts_with('+') {
        return format!("+{digits}{extension}");
    }
    let code = DIALED.iter().find(|(name, _)| *name == country);
    code.map_or_else(String::new, |(_, code)| {
        format!("+{code}{}{extension}", digits.trim_start_matches('0'))
    })
}
