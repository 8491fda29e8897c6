//! What a change does: PATCH, MERGE in the clothes of a POST, and a POST that creates a partner.
//!
//! In order: the entity must be there, the ETag must be sent (428) and be the last one
//! (412), and every field must be one that clients may change. A new partner gets its
//! number from the system. None can be deleted.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::World;
use super::http::{Answer, Asked, addressed, not_found};
use super::render::Wanted;
use super::schema::{Access, EMAILS, PARTNERS, PHONES};
use super::store::Store;

/// Sets that clients may change here.
const OPEN: &[usize] = &[PARTNERS, PHONES, EMAILS];
/// Numbers of partners that clients create.
const FIRST_MADE: u64 = 3_000_001;
/// In whose name clients change things.
const CHANGER: &str = "CC0000000002";
/// Dialing codes of the countries that people here live in.
const DIALED: &[(&str, &str)] = &[("US", "1"), ("CA", "1"), ("GB", "44"), ("DE", "49")];

impl World {
    pub(super) fn change(&self, asked: &Asked<'_>, steps: &[&str]) -> Answer {
        let is_merge =
            *asked.method == Method::POST && asked.header("x-http-method") == Some("MERGE");
        let is_patch =
            *asked.method == Method::PATCH || asked.method.as_str() == "MERGE" || is_merge;
        if *asked.method == Method::POST && !is_merge && steps == ["A_BusinessPartner"] {
            return self.create(asked).unwrap_or_else(|refused| refused);
        }
        if !is_patch || steps.len() != 1 {
            let told = "Method is not allowed or not simulated";
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "/IWBEP/CM_MGW_RT/021", told);
        }
        self.merge(asked, steps[0]).unwrap_or_else(|refused| refused)
    }

    /// A new business partner: a person needs a last name, an organization its own.
    fn create(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let mut store = self.write();
        let values: Map<String, Json> = serde_json::from_slice(asked.body)
            .map_err(|_| Answer::bad("The body is no JSON object"))?;
        let values = checked(&store, PARTNERS, values)?;
        let has =
            |name: &str| values.get(name).and_then(Json::as_str).is_some_and(|t| !t.is_empty());
        let needed = match values.get("BusinessPartnerCategory").and_then(Json::as_str) {
            Some("1") => "LastName",
            Some("2") => "OrganizationBPName1",
            Some("3") => "GroupBusinessPartnerName1",
            _ => "BusinessPartnerCategory",
        };
        if !has(needed) {
            let told = format!("Enter a value in field {needed}");
            return Err(Answer::error_at(StatusCode::BAD_REQUEST, "R11/401", &told, needed));
        }
        let number = (FIRST_MADE + store.count(PARTNERS) as u64).to_string();
        let (date, time) = now();
        let mut values: Vec<(&str, Json)> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        values.retain(|(_, value)| !value.is_null());
        values.push(("BusinessPartner", json!(number)));
        values.push(("CreationDate", json!(date)));
        values.push(("CreationTime", json!(time)));
        values.push(("CreatedByUser", json!(CHANGER)));
        store.add(PARTNERS, &values);
        let at = store.count(PARTNERS) - 1;
        let whole = Wanted::read(&store, PARTNERS, asked)?;
        let row = self.entity(&store, PARTNERS, at, &whole);
        let etag = self.etag(&store, PARTNERS, at);
        Ok(Answer::json(StatusCode::CREATED, &json!({ "d": row })).with("etag", etag))
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
        if set == PARTNERS {
            let (date, time) = now();
            let row = store.row_mut(set, at);
            row.values.insert("LastChangeDate".to_owned(), json!(date));
            row.values.insert("LastChangeTime".to_owned(), json!(time));
            row.values.insert("LastChangedByUser".to_owned(), json!(CHANGER));
        }
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

/// The day, and the time of it, to the second.
fn now() -> (String, String) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (day, of_day) = (since / 86_400, since % 86_400);
    let time = format!("PT{:02}H{:02}M{:02}S", of_day / 3_600, of_day / 60 % 60, of_day % 60);
    (format!("/Date({})/", day * 86_400_000), time)
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
            let told = format!("Property {name} cannot be changed");
            return Err(Answer::error_at(StatusCode::BAD_REQUEST, "R11/154", &told, name));
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
