//! Lists, single records, the search and what was deleted.

use std::cmp::Reverse;

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};
use sim::dates;
use sim::paging;

use super::World;
use super::criteria::Criteria;
use super::http::{Answer, Asked};
use super::schema::{Kind, Module};
use super::store::{Row, Store, user};

/// Records of one page.
const PAGE_MAX: usize = 200;
/// Records that pages by number reach; behind them a token is needed.
const NUMBERED_MAX: usize = 2_000;
/// Fields that one list shows.
const FIELDS_MAX: usize = 50;

impl World {
    /// `GET /{module}`.
    pub(super) fn list(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        let Some(fields) = asked.get("fields") else {
            let details = json!({ "param_name": "fields", "resource_path_index": 0 });
            return Err(Answer::refused(
                "REQUIRED_PARAM_MISSING",
                details,
                "One of the expected parameter is missing",
            ));
        };
        if fields.split(',').count() > FIELDS_MAX {
            let details = json!({ "limit": FIELDS_MAX, "resource_path_index": 0 });
            return Err(Answer::refused("LIMIT_EXCEEDED", details, "too many fields"));
        }
        let (page, size) = (asked.number("page", 1).max(1), size(asked));
        let token =
            asked.get("page_token").and_then(|token| token.strip_prefix("sim-page-")?.parse().ok());
        if token.is_none() && page * size > NUMBERED_MAX {
            let details = json!({ "limit": NUMBERED_MAX, "resource_path_index": 0 });
            return Err(Answer::refused(
                "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                details,
                "use page_token",
            ));
        }
        let store = self.read();
        let ids: Option<Vec<&str>> = asked.get("ids").map(|ids| ids.split(',').collect());
        let since = asked.header("if-modified-since").and_then(dates::parse);
        let mut rows: Vec<(u64, &Row)> = store
            .rows(module)
            .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(&id.to_string().as_str())))
            .filter(|(_, row)| since.is_none_or(|since| row.modified >= since))
            .collect();
        let by = asked.get("sort_by").unwrap_or("id");
        let key = |(id, row): &(u64, &Row)| match by {
            "Modified_Time" => (row.modified, *id),
            "Created_Time" => (row.created, *id),
            _ => (0, *id),
        };
        match asked.get("sort_order") {
            Some("asc") => rows.sort_by_key(key),
            _ => rows.sort_by_key(|row| Reverse(key(row))),
        }
        let number: usize = token.unwrap_or(page);
        let range = paging::page(rows.len(), number, size);
        let more = range.end < rows.len();
        let shown: Vec<Json> = rows[range]
            .iter()
            .map(|(id, row)| shown(&store, module, *id, row, Some(fields)))
            .collect();
        if shown.is_empty() {
            return Ok(match since {
                Some(_) => Answer { status: StatusCode::NOT_MODIFIED, ..Answer::nothing() },
                None => Answer::nothing(),
            });
        }
        let mut info = json!({
            "per_page": size, "count": shown.len(), "page": number, "more_records": more,
            "sort_by": by, "sort_order": asked.get("sort_order").unwrap_or("desc"),
        });
        if more {
            info["next_page_token"] = format!("sim-page-{}", number + 1).into();
            info["page_token_expiry"] = store.time(dates::now() + 24 * 3_600_000).into();
        }
        Ok(Answer::json(StatusCode::OK, &json!({ "data": shown, "info": info })))
    }

    /// `GET /{module}/{id}`; a lead that was converted is told only to who asks for those.
    pub(super) fn one(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
        id: &str,
    ) -> Result<Answer, Answer> {
        let store = self.read();
        let Some((id, row)) = store.row(module, id) else { return Ok(Answer::nothing()) };
        let wants = asked.get("converted").unwrap_or("false");
        let is_told = match row.converted {
            Some(_) => wants == "true" || wants == "both",
            None => wants != "true",
        };
        if !is_told {
            return Ok(Answer::nothing());
        }
        let mut record = shown(&store, module, id, row, asked.get("fields"));
        if module.name == "Leads" {
            record["$converted"] = row.converted.is_some().into();
            record["$converted_detail"] = match row.converted {
                Some(contact) => json!({ "contact": contact.to_string(), "deal": null }),
                None => json!({}),
            };
        }
        Ok(Answer::json(StatusCode::OK, &json!({ "data": [record] })))
    }

    /// `GET /{module}/search`: what its index knows, which lags behind.
    pub(super) fn search(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        let by = ["criteria", "email", "phone", "word"]
            .into_iter()
            .find_map(|by| Some((by, asked.get(by)?)));
        let Some((by, term)) = by else {
            let told = "One of the expected parameter is missing";
            return Err(Answer::refused(
                "REQUIRED_PARAM_MISSING",
                json!({ "param": "criteria" }),
                told,
            ));
        };
        let criteria = match by {
            "criteria" => Some(Criteria::read(term, module)?),
            _ => None,
        };
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let is_number =
            |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.');
        if by == "phone" && (term.len() < 3 || !term.chars().all(is_number)) {
            let told = "the phone given seems to be invalid";
            return Err(Answer::refused("INVALID_DATA", json!({ "param_name": "phone" }), told));
        }
        let store = self.read();
        let of = |row: &Row, kind: Option<Kind>, fits: &dyn Fn(&str) -> bool| {
            let fields =
                module.fields.iter().filter(|field| kind.is_none_or(|kind| field.kind == kind));
            let mut texts = fields.filter_map(|field| row.values.get(field.name)?.as_str());
            texts.any(fits)
        };
        let lower = term.to_lowercase();
        let fits = |row: &Row| match by {
            // Formats do not matter, and a part of a number is enough.
            "phone" => of(row, Some(Kind::Phone), &|own| digits(own).contains(&digits(term))),
            "email" => of(row, Some(Kind::Email), &|own| own.to_lowercase() == lower),
            "word" => of(row, None, &|own| own.to_lowercase().contains(&lower)),
            _ => criteria.as_ref().is_some_and(|criteria| criteria.holds(row)),
        };
        let rows = store.rows(module).filter(|(_, row)| store.is_found(row) && fits(row));
        let mut rows: Vec<(u64, &Row)> = rows.collect();
        rows.sort_by_key(|(id, _)| Reverse(*id));
        let (page, size) = (asked.number("page", 1).max(1), size(asked));
        if page * size > NUMBERED_MAX {
            return Err(Answer::refused(
                "LIMIT_REACHED",
                json!({ "limit": NUMBERED_MAX }),
                "no more can be had",
            ));
        }
        let range = paging::page(rows.len(), page, size);
        let more = range.end < rows.len();
        let found: Vec<Json> = rows[range]
            .iter()
            .map(|(id, row)| shown(&store, module, *id, row, asked.get("fields")))
            .collect();
        if found.is_empty() {
            return Ok(Answer::nothing());
        }
        let info =
            json!({ "per_page": size, "count": found.len(), "page": page, "more_records": more });
        Ok(Answer::json(StatusCode::OK, &json!({ "data": found, "info": info })))
    }

    /// `GET /{module}/deleted`.
    pub(super) fn deleted(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        if !matches!(asked.get("type"), None | Some("all" | "recycle" | "permanent")) {
            let told = "the type given seems to be invalid";
            return Err(Answer::refused("INVALID_DATA", json!({ "param_name": "type" }), told));
        }
        let store = self.read();
        let since = asked.header("if-modified-since").and_then(dates::parse);
        let is_wanted = asked.get("type") != Some("permanent");
        let mut gone: Vec<_> = store
            .gone(module)
            .iter()
            .filter(|gone| is_wanted && since.is_none_or(|since| gone.at >= since))
            .collect();
        gone.reverse();
        let (page, size) = (asked.number("page", 1).max(1), size(asked));
        let range = paging::page(gone.len(), page, size);
        let more = range.end < gone.len();
        let rows: Vec<Json> = gone[range]
            .iter()
            .map(|gone| {
                json!({
                    "id": gone.id.to_string(), "display_name": gone.name, "type": "recycle",
                    "deleted_time": store.time(gone.at), "deleted_by": user(gone.by), "created_by": user(gone.by),
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(Answer::nothing());
        }
        let info =
            json!({ "per_page": size, "count": rows.len(), "page": page, "more_records": more });
        Ok(Answer::json(StatusCode::OK, &json!({ "data": rows, "info": info })))
    }
}

fn size(asked: &Asked<'_>) -> usize {
    asked.number("per_page", PAGE_MAX).clamp(1, PAGE_MAX)
}

/// A record with the fields that were asked for, or all; the id always.
fn shown(store: &Store, module: &Module, id: u64, row: &Row, fields: Option<&str>) -> Json {
    let wanted: Option<Vec<&str>> = fields.map(|fields| fields.split(',').map(str::trim).collect());
    let is_wanted = |name: &str| name == "id" || wanted.as_ref().is_none_or(|w| w.contains(&name));
    let values = module.fields.iter().filter(|field| is_wanted(field.name));
    let values: Map<String, Json> =
        values.map(|field| (field.name.to_owned(), store.value(id, row, field))).collect();
    Json::Object(values)
}
