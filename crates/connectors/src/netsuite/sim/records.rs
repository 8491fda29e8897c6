//! REST records: read, made, changed, upserted by external id, deleted.
//!
//! Names are in camel case there and in lower case in SuiteQL. A reference is an object
//! with an id. A write answers 204 with `Location`.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::World;
use super::http::{Answer, Asked};
use super::store::{Kind, Row, Store, TABLES, Table};

impl World {
    /// One request for a record, or for its type where there is no id.
    pub(super) fn record(
        &self,
        asked: &Asked<'_>,
        record: &str,
        id: Option<&str>,
    ) -> Result<Answer, Answer> {
        let mut tables = TABLES.iter();
        let own = record.to_ascii_lowercase();
        let table = tables.find(|table| table.record == Some(own.as_str())).ok_or_else(|| {
            let detail = format!("Record type '{record}' does not exist.");
            Answer::error(StatusCode::NOT_FOUND, "NONEXISTENT_ID", &detail)
        })?;
        let mut store = self.write();
        let Some(id) = id else {
            if asked.method != Method::POST {
                return Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED));
            }
            let values = values(table, asked, &store, None)?;
            return Ok(self.written(&mut store, table, None, values));
        };
        let external = id.strip_prefix("eid:").map(external).transpose()?;
        let known = match &external {
            Some(external) => store.with(table.name, "externalid", external).pop(),
            None => id.parse().ok().filter(|id| store.rows(table.name).contains_key(id)),
        };
        if *asked.method == Method::PUT {
            let external = external.ok_or_else(|| Answer::empty(StatusCode::METHOD_NOT_ALLOWED))?;
            let mut values = values(table, asked, &store, known)?;
            values.insert("externalid".to_owned(), external);
            return Ok(self.written(&mut store, table, known, values));
        }
        let missing = || {
            let detail = "The record instance does not exist. Provide a valid record instance ID.";
            Answer::error(StatusCode::NOT_FOUND, "NONEXISTENT_ID", detail)
        };
        let known = known.ok_or_else(missing)?;
        match *asked.method {
            Method::GET => {
                let row = store.rows(table.name).get(&known).ok_or_else(missing)?;
                Ok(Answer::json(StatusCode::OK, &self.told(table, known, row)))
            }
            Method::PATCH => {
                let values = values(table, asked, &store, Some(known))?;
                Ok(self.written(&mut store, table, Some(known), values))
            }
            Method::DELETE => {
                store.remove(table.name, known);
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    fn written(&self, store: &mut Store, table: &Table, known: Option<u64>, values: Row) -> Answer {
        let id = known.unwrap_or_else(|| store.next());
        store.put(table.name, id, values);
        let record = table.record.unwrap_or(table.name);
        let location = format!("{}/services/rest/record/v1/{record}/{id}", self.url());
        Answer::empty(StatusCode::NO_CONTENT).with("location", location)
    }

    fn told(&self, table: &Table, id: u64, row: &Row) -> Json {
        let record = table.record.unwrap_or(table.name);
        let itself = format!("{}/services/rest/record/v1/{record}/{id}", self.url());
        let mut body = Map::new();
        body.insert("links".to_owned(), json!([{ "rel": "self", "href": itself }]));
        for (name, kind) in table.columns {
            let Some(text) = row.get(*name) else { continue };
            let value = match kind {
                Kind::Id if *name != "id" => json!({ "links": [], "id": text }),
                Kind::Key(all) => {
                    let label = all.iter().find(|(own, _)| own == text).map(|(_, label)| label);
                    json!({ "id": text, "refName": label })
                }
                Kind::Flag => json!(text == "T"),
                Kind::Number => text.parse::<f64>().map_or(Json::Null, Json::from),
                Kind::Moment => json!(format!("{text}Z")),
                _ => json!(text),
            };
            body.insert(camel(name), value);
        }
        Json::Object(body)
    }
}

/// How a column is called as a field.
fn camel(column: &str) -> String {
    const NAMES: [&str; 21] = [
        "externalId",
        "entityId",
        "companyName",
        "firstName",
        "lastName",
        "isPerson",
        "isInactive",
        "altPhone",
        "officePhone",
        "mobilePhone",
        "homePhone",
        "altEmail",
        "creditLimit",
        "creditHoldOverride",
        "dateCreated",
        "lastModifiedDate",
        "startDate",
        "completedDate",
        "balanceSearch",
        "overdueBalanceSearch",
        "phoneCall",
    ];
    let known = NAMES.iter().find(|name| name.eq_ignore_ascii_case(column));
    known.map_or(column, |name| *name).to_owned()
}

/// An external id as it may stand in an address.
fn external(text: &str) -> Result<String, Answer> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !text.is_empty() && text.bytes().all(is_part) {
        return Ok(text.to_owned());
    }
    let detail = "The external ID may contain only letters, digits, underscores and hyphens.";
    Err(Answer::error(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", detail))
}

/// The body's values as columns, or why they cannot be so.
fn values(
    table: &Table,
    asked: &Asked<'_>,
    store: &Store,
    known: Option<u64>,
) -> Result<Row, Answer> {
    let body: Json = serde_json::from_slice(asked.body).map_err(|_| {
        Answer::error(
            StatusCode::BAD_REQUEST,
            "INVALID_CONTENT",
            "Invalid content in the request body.",
        )
    })?;
    let mut row = Row::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        let refused = |code: &str, detail: &str| {
            Err(Answer::at(StatusCode::BAD_REQUEST, code, detail, Some(name)))
        };
        let column = name.to_ascii_lowercase();
        let kind =
            table.column(&column).filter(|kind| !matches!(kind, Kind::Moment) && column != "id");
        let Some(kind) = kind else {
            return refused(
                "INVALID_CONTENT",
                &format!("Unknown reference or subrecord field {name}."),
            );
        };
        let text = match value {
            Json::Null => String::new(),
            Json::Bool(flag) => if *flag { "T" } else { "F" }.to_owned(),
            Json::Object(reference) => match reference.get("id") {
                Some(Json::String(id)) => id.clone(),
                Some(id) => id.to_string(),
                None => return refused("INVALID_CONTENT", "A reference without an id."),
            },
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        if let Kind::Text(most) = kind
            && text.chars().count() > most
        {
            let detail = format!(
                "The field {name} contained more than the maximum number ( {most} ) of characters allowed."
            );
            return refused("USER_ERROR", &detail);
        }
        if let Kind::Key(all) = kind
            && !text.is_empty()
            && !all.iter().any(|(own, _)| *own == text)
        {
            return refused("INVALID_CONTENT", &format!("Invalid value for the field {name}."));
        }
        if column == "externalid"
            && store.with(table.name, &column, &text).iter().any(|id| Some(*id) != known)
        {
            return refused("USER_ERROR", "This record already exists: an external id is unique.");
        }
        let points = matches!(column.as_str(), "company" | "contact");
        let to = if column == "contact" { "contact" } else { "customer" };
        let is_there = text.parse().is_ok_and(|id| store.rows(to).contains_key(&id));
        if points && !text.is_empty() && !is_there {
            return refused(
                "INVALID_CONTENT",
                &format!("Invalid Field Value {text} for the following field: {name}"),
            );
        }
        row.insert(column, text);
    }
    Ok(row)
}
