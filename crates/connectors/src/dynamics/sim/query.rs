//! Reading: one record, rows that meet a filter page by page, and what changed since.
//!
//! Rows come in the order of their ids unless asked otherwise. A page's cookie names the
//! last one, so that rows made or deleted between two pages do not shift the next. Without
//! a page's size `$top` counts; with one it is ignored, as the vendor has it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::World;
use super::filter::{self, Filter};
use super::http::{API, Answer, Asked, Target, expired, missing, target};
use super::paging::{Cookie, token};
use super::schema::{Kind, Table};
use super::store::{Row, Rows, Store};
use super::wanted::{Wanted, unknown};

/// Rows of one page at most.
const MOST_ROWS: usize = 5_000;

/// A filter over a table: every property known, ids compared with ids.
fn filter(table: &Table, text: &str) -> Result<Filter, Answer> {
    let filter = filter::read(text).map_err(|message| Answer::bad(&message))?;
    for name in filter.properties() {
        table.column(name).ok_or_else(|| unknown(table, name))?;
    }
    check_types(table, &filter)?;
    Ok(filter)
}

fn check_types(table: &Table, filter: &Filter) -> Result<(), Answer> {
    let is_bare = |value: &Json| value.is_array();
    match filter {
        Filter::Or(all) | Filter::And(all) => {
            all.iter().try_for_each(|one| check_types(table, one))
        }
        Filter::Not(inner) => check_types(table, inner),
        Filter::Like(..) => Ok(()),
        Filter::Compare(name, _, value) => {
            let kind = table.column(name).map(|column| column.kind);
            let fits = match kind {
                Some(Kind::Text(_)) => value.is_string(),
                Some(Kind::Id | Kind::Lookup | Kind::Date) => is_bare(value),
                Some(Kind::Bool) => value.is_boolean(),
                _ => value.is_number(),
            };
            if fits || value.is_null() {
                return Ok(());
            }
            Err(Answer::bad("A binary operator with incompatible types was detected."))
        }
    }
}

impl World {
    /// One record.
    pub(super) fn row(&self, of: &Target, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let store = self.read();
        let (at, id) = found(&store, of)?;
        let Rows { table, .. } = store.rows(at);
        let row = store.row(at, &id).ok_or_else(|| missing(table.logical, &id))?;
        let wanted = Wanted::read(&store, table, asked)?;
        let has_annotations = asked.preference("odata.include-annotations").is_some();
        if asked.header("if-none-match") == Some(&row.etag())
            && wanted.expand.is_empty()
            && !has_annotations
        {
            return Ok(Answer::empty(StatusCode::NOT_MODIFIED));
        }
        let mut body = wanted.row(&store, table, row);
        body["@odata.context"] = self.context(&format!("{}/$entity", table.set)).into();
        Ok(Answer::json(StatusCode::OK, &body).with("etag", row.etag()))
    }

    /// How many rows there are, of all or of those that a filter selects.
    pub(super) fn count(&self, set: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let store = self.read();
        let Ok(Target::Set(at)) = target(&store, set) else {
            return Err(Answer::bad("Unknown set."));
        };
        let rows = store.rows(at);
        let filter = asked.option("$filter").map(|text| filter(&rows.table, text)).transpose()?;
        let is_in =
            |row: &Row| filter.as_ref().is_none_or(|f| f.holds(&|name| row.get(name).clone()));
        let count = rows.rows.values().filter(|row| is_in(row)).count().min(MOST_ROWS);
        let mut answer = Answer::empty(StatusCode::OK);
        answer.body = format!("\u{feff}{count}").into_bytes();
        Ok(answer.with("content-type", "text/plain".to_owned()))
    }

    /// Rows of a table, or what changed in it.
    pub(super) fn rows(&self, at: usize, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let store = self.read();
        let rows = store.rows(at);
        let known = [
            "$select",
            "$filter",
            "$expand",
            "$orderby",
            "$top",
            "$count",
            "$skiptoken",
            "$deltatoken",
        ];
        if let Some(other) = asked.unknown_option(&known) {
            return Err(Answer::bad(&format!("The query parameter {other} is not supported")));
        }
        let wanted = Wanted::read(&store, &rows.table, asked)?;
        let size =
            asked.preference("odata.maxpagesize").and_then(|size| size.parse::<usize>().ok());
        let size = size.filter(|size| *size > 0).map(|size| size.min(MOST_ROWS));
        let cookie = asked.option("$skiptoken").map(Cookie::read).transpose()?;
        if let Some(token) = asked.option("$deltatoken") {
            let since = token.split('!').next().and_then(|v| v.parse().ok()).ok_or_else(expired)?;
            let from = Cookie { since: Some(since), ..Cookie::default() };
            return self.changed(&store, at, &wanted, (size, from), asked);
        }
        let is_tracking = asked.preference("odata.track-changes").is_some();
        match cookie {
            Some(cookie) if cookie.since.is_some() => {
                self.changed(&store, at, &wanted, (size, cookie), asked)
            }
            cookie => self.plain(&store, at, &wanted, (size, cookie, is_tracking), asked),
        }
    }

    fn plain(
        &self,
        store: &Store,
        at: usize,
        wanted: &Wanted,
        (size, cookie, is_tracking): (Option<usize>, Option<Cookie>, bool),
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        let rows = store.rows(at);
        let cookie = cookie.unwrap_or_default();
        let is_tracking = is_tracking || cookie.tracked.is_some();
        let refused = ["$filter", "$orderby", "$expand", "$top"];
        if is_tracking && refused.iter().any(|name| asked.option(name).is_some()) {
            return Err(Answer::bad(
                "Change tracking does not support $filter, $orderby, $expand and $top.",
            ));
        }
        if is_tracking && !rows.table.is_tracked {
            let message =
                format!("Change tracking is not enabled for entity {}", rows.table.logical);
            return Err(Answer::error(StatusCode::BAD_REQUEST, "0x80072491", &message));
        }
        let filter = asked.option("$filter").map(|text| filter(&rows.table, text)).transpose()?;
        let is_in =
            |row: &Row| filter.as_ref().is_none_or(|f| f.holds(&|name| row.get(name).clone()));
        let mut all: Vec<(&String, &Row)> =
            rows.rows.iter().filter(|(_, row)| is_in(row)).collect();
        let count = all.len();
        match asked.option("$orderby") {
            Some(by) => {
                sort(&rows.table, &mut all, by)?;
                all.drain(..cookie.offset.min(count));
            }
            None => all.retain(|(id, _)| id.as_str() > cookie.last.as_str()),
        }
        let top = asked.option("$top").and_then(|top| top.parse().ok());
        let most = size.or(top).unwrap_or(MOST_ROWS).min(MOST_ROWS);
        let has_more = all.len() > most && (size.is_some() || top.is_none());
        all.truncate(most);
        let values: Vec<Json> =
            all.iter().map(|(_, row)| wanted.row(store, &rows.table, row)).collect();
        let mut body = json!({ "@odata.context": self.context(rows.table.set), "value": values });
        if asked.option("$count") == Some("true") {
            body["@odata.count"] = count.min(MOST_ROWS).into();
        }
        let tracked = is_tracking.then(|| cookie.tracked.unwrap_or(store.version));
        if has_more {
            let next = Cookie {
                page: cookie.page + 1,
                last: all.last().map(|(id, _)| (*id).clone()).unwrap_or_default(),
                offset: cookie.offset + all.len(),
                tracked,
                since: None,
            };
            body["@odata.nextLink"] =
                self.link(rows.table.set, asked, "$skiptoken", &next.write()).into();
        } else if let Some(version) = tracked {
            body["@odata.deltaLink"] =
                self.link(rows.table.set, asked, "$deltatoken", &token(version)).into();
        }
        let answer = Answer::json(StatusCode::OK, &body);
        Ok(if is_tracking {
            answer.with("preference-applied", "odata.track-changes".to_owned())
        } else {
            answer
        })
    }

    /// What changed: saved rows first, then deletions, each in the order of the changes.
    fn changed(
        &self,
        store: &Store,
        at: usize,
        wanted: &Wanted,
        (size, cookie): (Option<usize>, Cookie),
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        let rows = store.rows(at);
        let since = cookie.since.unwrap_or_default();
        if since < store.oldest_token {
            return Err(expired());
        }
        let until = cookie.tracked.unwrap_or(store.version);
        let mut all: BTreeMap<(bool, u64), Json> = BTreeMap::new();
        for row in rows.rows.values().filter(|row| row.version > since) {
            all.insert((false, row.version), wanted.row(store, &rows.table, row));
        }
        let context = self.context(&format!("{}/$deletedEntity", rows.table.set));
        for (version, id) in rows.gone.range(since + 1..) {
            let deleted = json!({ "@odata.context": context, "id": id, "reason": "deleted" });
            all.insert((true, *version), deleted);
        }
        if let Some((kind, version)) = cookie.last.split_once('-') {
            let reached = (kind == "d", version.parse().unwrap_or(0));
            all = all.split_off(&(reached.0, reached.1 + 1));
        }
        let most = size.unwrap_or(MOST_ROWS);
        let has_more = all.len() > most;
        let reached = all.keys().nth(most.min(all.len()).saturating_sub(1)).copied();
        let values: Vec<Json> = all.into_values().take(most).collect();
        let context = self.context(&format!("{}/$delta", rows.table.set));
        let mut body = json!({ "@odata.context": context, "value": values });
        if let (true, Some((is_gone, version))) = (has_more, reached) {
            let next = Cookie {
                page: cookie.page + 1,
                last: format!("{}-{version}", if is_gone { "d" } else { "s" }),
                offset: 0,
                tracked: Some(until),
                since: Some(since),
            };
            body["@odata.nextLink"] =
                self.link(rows.table.set, asked, "$skiptoken", &next.write()).into();
        } else {
            body["@odata.deltaLink"] =
                self.link(rows.table.set, asked, "$deltatoken", &token(until)).into();
        }
        Ok(Answer::json(StatusCode::OK, &body))
    }

    pub(super) fn context(&self, of: &str) -> String {
        format!("{}{API}/$metadata#{of}", self.url())
    }

    /// The address that was asked, with a token in place of the one before.
    fn link(&self, set: &str, asked: &Asked<'_>, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for key in ["$select", "$filter", "$expand", "$orderby", "$count"] {
            if let Some(value) = asked.option(key) {
                query.append_pair(key, value);
            }
        }
        query.append_pair(name, value);
        let query = query.finish().replace("%24", "$").replace('+', "%20");
        format!("{}{API}/{set}?{query}", self.url())
    }
}

/// The record that an address names.
pub(super) fn found(store: &Store, of: &Target) -> Result<(usize, String), Answer> {
    match of {
        Target::Id(at, id) => Ok((*at, id.clone())),
        Target::Key(at, pairs) => match store.with(*at, pairs).pop() {
            Some(id) => Ok((*at, id)),
            None => {
                let logical = store.rows(*at).table.logical;
                let message = format!(
                    "A record with the specified key values does not exist in {logical} entity"
                );
                Err(Answer::error(StatusCode::NOT_FOUND, "0x80060891", &message))
            }
        },
        Target::Set(_) => Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

fn sort(table: &Table, all: &mut [(&String, &Row)], by: &str) -> Result<(), Answer> {
    let mut orders = Vec::new();
    for one in by.split(',') {
        let mut words = one.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        table.column(&name).ok_or_else(|| unknown(table, &name))?;
        orders.push((name, words.next() == Some("desc")));
    }
    all.sort_by(|(a_id, a), (b_id, b)| {
        let by = orders.iter().map(|(name, is_down)| {
            let order = match (a.get(name), b.get(name)) {
                (Json::Null, Json::Null) => std::cmp::Ordering::Equal,
                (Json::Null, _) => std::cmp::Ordering::Less,
                (_, Json::Null) => std::cmp::Ordering::Greater,
                (a, b) => filter::order(a, b).unwrap_or(std::cmp::Ordering::Equal),
            };
            if *is_down { order.reverse() } else { order }
        });
        by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| a_id.cmp(b_id))
    });
    Ok(())
}
