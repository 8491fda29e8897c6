//! The Table API: rows listed, read, made, changed and deleted.
//!
//! The limit is applied to what the query selects; what an ACL hides is taken out after
//! that, so that pages are short. References are objects with a link unless that is
//! switched off; every value is a text.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::World;
use super::http::{Answer, Asked};
use super::query::{Query, Session};
use super::schema::{self, Table};
use super::store::{Row, Store, known};

/// Rows where no limit is given.
const LIMIT: usize = 10_000;

impl World {
    /// One request to a table, or to a record of it.
    pub(super) fn table(
        &self,
        asked: &Asked<'_>,
        table: &str,
        id: Option<&str>,
        is_first: bool,
    ) -> Answer {
        let Some(table) = schema::find(table) else {
            return Answer::refused(StatusCode::BAD_REQUEST, &format!("Invalid table {table}"), "");
        };
        if self.config.unreadable.contains(table.name) {
            let (words, detail) = (
                "Insufficient rights to query records",
                "Field(s) present in the query do not have permission to be read",
            );
            return Answer::refused(StatusCode::FORBIDDEN, words, detail);
        }
        match (asked.method, id) {
            ("GET", None) => self.list(asked, table, is_first),
            ("POST", None) => self.insert(asked, table),
            ("GET", Some(id)) => self.get(asked, table, id),
            ("PUT" | "PATCH", Some(id)) => self.update(asked, table, id),
            ("DELETE", Some(id)) => self.delete(table, id),
            _ => Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "Method not supported", ""),
        }
    }

    fn list(&self, asked: &Asked<'_>, table: &'static Table, is_first: bool) -> Answer {
        let store = self.read();
        let query = Query::read(&encoded(asked), table, &self.session(&store));
        let mut rows: Vec<&Row> = if query.is_invalid && self.config.returns_no_rows {
            Vec::new()
        } else {
            store.of(table.name).filter(|row| query.fits(&store, row)).collect()
        };
        query.sort(&store, &mut rows);
        let total = rows.len();
        let number = |name| asked.option(name).parse::<usize>().ok();
        let offset = number("sysparm_offset").unwrap_or(0).min(total);
        let limit = number("sysparm_limit").unwrap_or(LIMIT);
        let page = rows[offset..total.min(offset.saturating_add(limit))].iter();
        let seen = page.filter(|row| !store.hidden.contains(row.get("sys_id")));
        let result: Vec<Json> = seen.map(|row| self.render(&store, table, row, asked)).collect();
        if result.is_empty() && is_first {
            return nobody();
        }
        let answer = Answer::json(StatusCode::OK, &json!({ "result": result }));
        if asked.is("sysparm_no_count") {
            return answer;
        }
        let answer = answer.with("x-total-count", total.to_string());
        if asked.is("sysparm_suppress_pagination_header") {
            return answer;
        }
        answer.with("link", self.links(asked, offset, limit.max(1), total))
    }

    fn links(&self, asked: &Asked<'_>, offset: usize, limit: usize, total: usize) -> String {
        let link = |offset: usize, rel: &str| {
            let mut address = url::form_urlencoded::Serializer::new(String::new());
            let mut options: Vec<_> = asked.options.iter().collect();
            options.sort();
            for (name, value) in options.into_iter().filter(|(name, _)| *name != "sysparm_offset") {
                address.append_pair(name, value);
            }
            address.append_pair("sysparm_offset", &offset.to_string());
            format!("<{}{}?{}>;rel=\"{rel}\"", self.url(), asked.path, address.finish())
        };
        let mut links = vec![link(0, "first")];
        if offset > 0 {
            links.push(link(offset.saturating_sub(limit), "prev"));
        }
        if offset + limit < total {
            links.push(link(offset + limit, "next"));
        }
        links.push(link(total.saturating_sub(1) / limit * limit, "last"));
        links.join(",")
    }

    fn get(&self, asked: &Asked<'_>, table: &'static Table, id: &str) -> Answer {
        let store = self.read();
        match seen(&store, table, id) {
            Some(row) => {
                let result = self.render(&store, table, row, asked);
                Answer::json(StatusCode::OK, &json!({ "result": result }))
            }
            None => nobody(),
        }
    }

    fn insert(&self, asked: &Asked<'_>, table: &'static Table) -> Answer {
        let Some(fields) = asked.fields() else { return unreadable() };
        let mut store = self.write();
        let values = self.writable(table, &fields);
        let id = store.insert(table.name, values, &self.config.username);
        let row = store.row(&id).expect("it was inserted");
        let result = self.render(&store, table, row, asked);
        let place = format!("{}/api/now/table/{}/{id}", self.url(), table.name);
        Answer::json(StatusCode::CREATED, &json!({ "result": result })).with("location", place)
    }

    fn update(&self, asked: &Asked<'_>, table: &'static Table, id: &str) -> Answer {
        let Some(fields) = asked.fields() else { return unreadable() };
        let mut store = self.write();
        if seen(&store, table, id).is_none() {
            return nobody();
        }
        let values = self.writable(table, &fields);
        store.update(id, values, &self.config.username);
        let row = store.row(id).expect("it was seen");
        let result = self.render(&store, table, row, asked);
        Answer::json(StatusCode::OK, &json!({ "result": result }))
    }

    fn delete(&self, table: &'static Table, id: &str) -> Answer {
        let mut store = self.write();
        if seen(&store, table, id).is_none() {
            return nobody();
        }
        store.delete(id, &self.config.username);
        Answer::nothing()
    }

    /// What of a body reaches the row: unknown and forbidden fields are ignored.
    fn writable<'a>(
        &self,
        table: &Table,
        fields: &'a [(String, String)],
    ) -> Vec<(&'a str, &'a str)> {
        let may =
            |column: &str| !self.config.unwritable.contains(&format!("{}.{column}", table.name));
        let pairs = fields.iter().map(|(column, value)| (column.as_str(), value.as_str()));
        pairs.filter(|(column, _)| may(column)).collect()
    }

    fn render(&self, store: &Store, table: &'static Table, row: &Row, asked: &Asked<'_>) -> Json {
        let wanted = asked.option("sysparm_fields");
        let wanted: Vec<&str> = if wanted.is_empty() {
            row.table.columns()
        } else {
            wanted.split(',').map(str::trim).collect()
        };
        let mut out = Map::new();
        for path in wanted.into_iter().filter(|path| known(table, path) || known(row.table, path)) {
            out.insert(path.to_owned(), self.value(store, row, path, asked));
        }
        Json::Object(out)
    }

    fn value(&self, store: &Store, row: &Row, path: &str, asked: &Asked<'_>) -> Json {
        // What was written to a journal is read in a table of its own.
        let is_journal = row.table.kind(path) == Some("journal_input");
        let is_plain = is_journal && row.table.name != "sys_journal_field";
        let stored = if is_plain { String::new() } else { store.at(row, path).unwrap_or_default() };
        let refers = row.table.refers(path).filter(|_| !stored.is_empty());
        let shown = refers.map_or_else(
            || stored.clone(),
            |_| store.row(&stored).map(|row| row.get("name").to_owned()).unwrap_or_default(),
        );
        let shown = if path == "u_tier" { label(&shown) } else { shown };
        let link = refers.filter(|_| !asked.is("sysparm_exclude_reference_link"));
        let link =
            link.map(|table| format!("{}/api/now/table/{}/{stored}", self.url(), table.name));
        match (asked.option("sysparm_display_value").to_ascii_lowercase().as_str(), link) {
            ("all", None) => json!({ "display_value": shown, "value": stored }),
            ("all", Some(link)) => json!({ "display_value": shown, "value": stored, "link": link }),
            ("true", None) => json!(shown),
            ("true", Some(link)) => json!({ "display_value": shown, "link": link }),
            (_, None) => json!(stored),
            (_, Some(link)) => json!({ "link": link, "value": stored }),
        }
    }

    fn session(&self, store: &Store) -> Session {
        let own = store.of("sys_user").find(|row| row.get("user_name") == self.config.username);
        let user = own.map(|row| row.get("sys_id").to_owned()).unwrap_or_default();
        Session { user, hours: self.config.user_hours }
    }
}

/// The query, and beside it every option that is none of the API's: `field=value`.
fn encoded(asked: &Asked<'_>) -> String {
    let mut parts = vec![asked.option("sysparm_query").to_owned()];
    let mut plain: Vec<_> =
        asked.options.iter().filter(|(name, _)| !name.starts_with("sysparm_")).collect();
    plain.sort();
    parts.extend(plain.into_iter().map(|(name, value)| format!("{name}={value}")));
    parts.retain(|part| !part.is_empty());
    parts.join("^")
}

/// A record of the table that the integration user may see.
fn seen<'a>(store: &'a Store, table: &Table, id: &str) -> Option<&'a Row> {
    let row = store.row(id).filter(|row| row.table.is(table.name));
    row.filter(|_| !store.hidden.contains(id))
}

/// The label of a choice.
fn label(value: &str) -> String {
    let mut letters = value.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn nobody() -> Answer {
    let detail = "Record doesn't exist or ACL restricts the record retrieval";
    Answer::refused(StatusCode::NOT_FOUND, "No Record found", detail)
}

fn unreadable() -> Answer {
    let words = "Exception while reading request";
    Answer::refused(StatusCode::BAD_REQUEST, words, "The payload is not valid JSON.")
}
