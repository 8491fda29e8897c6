//! Queries and their batches: `/query?q=…`, `/query/{cursor}-{offset}`, `/queryAll`.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::super::World;
use super::super::soql::{self, render};
use super::super::store::{Store, ids};
use super::{Answer, Asked, wrong_method};

/// Rows of one batch, and the least that a client may ask for.
const MOST_BATCH: usize = 2000;
const LEAST_BATCH: usize = 200;
/// What begins the id of a query cursor.
const CURSOR: &str = "01g";

/// `UserPermissionAccess`: one row of what the asking user may do. Only whole lists of its
/// permissions are known here, without conditions.
fn own_permissions(text: &str, modifies_all: bool) -> Option<Answer> {
    let (fields, rest) = text.trim().strip_prefix("SELECT ")?.split_once(" FROM ")?;
    if rest.split_whitespace().next() != Some("UserPermissionAccess") {
        return None;
    }
    let url = "/services/data/UserPermissionAccess/000000000000000AAA";
    let mut row = serde_json::Map::new();
    row.insert(
        "attributes".to_owned(),
        serde_json::json!({ "type": "UserPermissionAccess", "url": url }),
    );
    for field in fields.split(',').map(str::trim) {
        let has = match field {
            "PermissionsModifyAllData" | "PermissionsViewAllData" => modifies_all,
            "PermissionsApiEnabled" => true,
            _ => {
                let message = format!("No such column '{field}' on entity 'UserPermissionAccess'");
                return Some(Answer::error(StatusCode::BAD_REQUEST, "INVALID_FIELD", &message));
            }
        };
        row.insert(field.to_owned(), has.into());
    }
    let body = serde_json::json!({ "totalSize": 1, "done": true, "records": [row] });
    Some(Answer::json(StatusCode::OK, &body))
}

impl World {
    pub(super) fn query(&self, asked: &Asked<'_>, base: &str, all: bool) -> Answer {
        if asked.method != Method::GET {
            return wrong_method(asked.method);
        }
        let Some(text) = asked.query.get("q") else {
            return Answer::error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "A query string has to be specified",
            );
        };
        let store = self.read();
        if let Some(answer) = own_permissions(text, store.allowed.modify_all_data) {
            return answer;
        }
        match soql::run(&store, text, all) {
            Err(refused) if refused.message.contains(soql::parser::TOO_FAR) => Answer::error(
                StatusCode::BAD_REQUEST,
                "NUMBER_OUTSIDE_VALID_RANGE",
                soql::parser::TOO_FAR,
            ),
            Err(refused) => refused.into(),
            Ok(found) => self.batch(&store, asked, base, &Arc::new(found), None),
        }
    }

    /// `/query/{id}-{offset}`
    pub(super) fn more(&self, asked: &Asked<'_>, base: &str, locator: &str) -> Answer {
        let parts = locator.split_once('-').and_then(|(id, offset)| {
            let (prefix, number) = ids::parse(id).ok()?;
            (prefix == CURSOR).then_some((u64::from(number), offset.parse::<usize>().ok()?))
        });
        let found =
            parts.and_then(|(number, offset)| Some((number, offset, self.results.get(number)?)));
        match found {
            Some((number, offset, result)) if offset < result.rows.len() => {
                self.batch(&self.read(), asked, base, &result, Some((number, offset)))
            }
            _ => Answer::error(
                StatusCode::BAD_REQUEST,
                "INVALID_QUERY_LOCATOR",
                "invalid query locator",
            ),
        }
    }

    fn batch(
        &self,
        store: &Store,
        asked: &Asked<'_>,
        base: &str,
        found: &Arc<soql::Found>,
        cursor: Option<(u64, usize)>,
    ) -> Answer {
        let total = found.rows.len();
        if found.plan.count {
            return Answer::json(
                StatusCode::OK,
                &json!({ "totalSize": total, "done": true, "records": [] }),
            );
        }
        if let Some(grouping) = &found.plan.grouping {
            return match grouping.groups(store, &found.plan, &found.rows) {
                Err(refused) => refused.into(),
                Ok(groups) => Answer::json(
                    StatusCode::OK,
                    &json!({ "totalSize": groups.len(), "done": true, "records": groups }),
                ),
            };
        }
        let start = cursor.map_or(0, |(_, offset)| offset);
        let end = start.saturating_add(self.batch_size(asked)).min(total);
        let mut out = Vec::with_capacity(64 + 256 * (end - start));
        let done = end == total;
        out.extend_from_slice(format!(r#"{{"totalSize":{total},"done":{done},"#).as_bytes());
        if !done {
            let number =
                cursor.map_or_else(|| self.results.keep(Arc::clone(found)), |(number, _)| number);
            let id = ids::id(CURSOR, u32::try_from(number).unwrap_or(u32::MAX - 1));
            out.extend_from_slice(
                format!(r#""nextRecordsUrl":"{base}/query/{id}-{end}","#).as_bytes(),
            );
        }
        out.extend_from_slice(b"\"records\":[");
        for (at, row) in found.rows[start..end].iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            render::record(store, base, &found.plan, *row, &mut out);
        }
        out.extend_from_slice(b"]}");
        Answer::bytes(StatusCode::OK, out)
    }

    /// What the client hints at, within the vendor's bounds; less where so configured.
    fn batch_size(&self, asked: &Asked<'_>) -> usize {
        let hint = asked.headers.get("sforce-query-options").and_then(|value| value.to_str().ok());
        let hint =
            hint.and_then(|text| text.split("batchSize=").nth(1)?.trim().parse::<usize>().ok());
        let size =
            hint.unwrap_or(MOST_BATCH).clamp(LEAST_BATCH, MOST_BATCH).min(self.config.batch.max(1));
        if self.config.fewer_rows { (size - size / 10).max(1) } else { size }
    }
}
