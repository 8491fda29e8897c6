//! What an answer looks like: `$select`, `$expand`, order, pages and the V2 envelope.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::World;
use super::filter::{self, Expression};
use super::http::{Answer, Asked, SERVICE};
use super::store::Store;

/// What a request wants of the rows.
pub(super) struct Wanted {
    pub(super) filter: Option<Expression>,
    /// Paths; empty means all.
    select: Vec<String>,
    expand: Vec<String>,
    order: Vec<(String, bool)>,
    top: Option<usize>,
    skip: usize,
    counted: bool,
}

impl Wanted {
    /// Reads the options of a request for rows of a set.
    pub(super) fn read(store: &Store, set: usize, asked: &Asked<'_>) -> Result<Wanted, Answer> {
        if asked.option("$format").is_some_and(|format| format != "json") {
            return Err(Answer::bad("Only $format=json is simulated"));
        }
        let list = |name: &str| -> Vec<String> {
            let texts = asked.option(name).unwrap_or_default().split(',').map(str::trim);
            texts.filter(|text| !text.is_empty() && *text != "*").map(str::to_owned).collect()
        };
        let number = |name: &str| {
            asked
                .option(name)
                .map(str::parse::<usize>)
                .transpose()
                .map_err(|_| Answer::bad("A number is expected"))
        };
        let filter = asked.option("$filter").map(filter::parse).transpose();
        let filter = filter.map_err(|told| Answer::bad(&told))?;
        let order = list("$orderby").into_iter().map(|one| match one.rsplit_once(' ') {
            Some((name, "desc")) => (name.to_owned(), true),
            Some((name, _)) => (name.to_owned(), false),
            None => (one, false),
        });
        let wanted = Wanted {
            select: list("$select"),
            expand: list("$expand"),
            order: order.collect(),
            top: number("$top")?,
            skip: number("$skip")?.unwrap_or(0) + number("$skiptoken")?.unwrap_or(0),
            counted: asked.option("$inlinecount") == Some("allpages"),
            filter,
        };
        let named = wanted.filter.as_ref().map(Expression::properties).unwrap_or_default();
        let named = named.into_iter().chain(wanted.order.iter().map(|(name, _)| name.as_str()));
        for name in named {
            if store.schema.sets[set].property(name).is_none() {
                return Err(unknown(store, set, name));
            }
        }
        for path in wanted.select.iter().chain(&wanted.expand) {
            known_path(store, set, path, wanted.select.contains(path))?;
        }
        Ok(wanted)
    }

    /// What is below one step of the paths.
    fn below(paths: &[String], step: &str) -> Vec<String> {
        let below = paths.iter().filter_map(|path| path.strip_prefix(step)?.strip_prefix('/'));
        below.map(str::to_owned).collect()
    }
}

/// Every step but the last must lead somewhere; the last may be a property where that is selected.
fn known_path(store: &Store, set: usize, path: &str, may_be_property: bool) -> Result<(), Answer> {
    let mut set = set;
    let steps: Vec<&str> = path.split('/').collect();
    for (at, step) in steps.iter().enumerate() {
        if let Some(way) = store.schema.way(set, step) {
            set = way.to;
        } else if at + 1 < steps.len()
            || !may_be_property
            || store.schema.sets[set].property(step).is_none()
        {
            return Err(unknown(store, set, step));
        }
    }
    Ok(())
}

fn unknown(store: &Store, set: usize, name: &str) -> Answer {
    let of = &store.schema.sets[set].name;
    Answer::bad(&format!("Property {name} not found in type API_BUSINESS_PARTNER.{of}Type"))
}

impl World {
    /// A page of rows, and where the next one is.
    pub(super) fn page(
        &self,
        store: &Store,
        set: usize,
        mut places: Vec<usize>,
        wanted: &Wanted,
        asked: &Asked<'_>,
    ) -> Answer {
        for (name, is_descending) in wanted.order.iter().rev() {
            let key = |at: &usize| store.value(set, *at, name).to_string();
            places.sort_by_key(key);
            if *is_descending {
                places.reverse();
            }
        }
        let count = places.len();
        let asked_for = wanted.top.unwrap_or(usize::MAX);
        let rest = count.saturating_sub(wanted.skip).min(asked_for);
        let shown: Vec<Json> = places
            .into_iter()
            .skip(wanted.skip)
            .take(rest.min(self.config.page))
            .map(|at| self.entity(store, set, at, wanted))
            .collect();
        let mut body = Map::new();
        if rest > shown.len() {
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            for name in [
                "$filter",
                "$select",
                "$expand",
                "$orderby",
                "$format",
                "$inlinecount",
                "sap-client",
            ] {
                if let Some(value) = asked.option(name) {
                    next.append_pair(name, value);
                }
            }
            if let Some(top) = wanted.top {
                next.append_pair("$top", &(top - shown.len()).to_string());
            }
            next.append_pair("$skiptoken", &(wanted.skip + shown.len()).to_string());
            // The name by which the system knows itself, not that of a proxy before it.
            let next = format!("https://s4h.internal:44300{}?{}", asked.path, next.finish());
            body.insert("__next".to_owned(), Json::from(next));
        }
        if wanted.counted {
            body.insert("__count".to_owned(), Json::from(count.to_string()));
        }
        body.insert("results".to_owned(), Json::from(shown));
        Answer::json(StatusCode::OK, &json!({ "d": body }))
    }

    /// One entity with what was selected and expanded of it.
    pub(super) fn entity(&self, store: &Store, set: usize, at: usize, wanted: &Wanted) -> Json {
        self.shown(store, set, at, &wanted.select, &wanted.expand)
    }

    fn shown(
        &self,
        store: &Store,
        set: usize,
        at: usize,
        select: &[String],
        expand: &[String],
    ) -> Json {
        let mut row = Map::new();
        let of = &store.schema.sets[set];
        let uri = self.uri(store, set, at);
        row.insert(
            "__metadata".to_owned(),
            json!({
                "id": uri, "uri": uri, "type": format!("API_BUSINESS_PARTNER.{}Type", of.name),
                "etag": self.etag(store, set, at),
            }),
        );
        for property in &of.properties {
            if select.is_empty() || select.contains(&property.name) {
                row.insert(property.name.clone(), store.value(set, at, &property.name));
            }
        }
        for way in store.schema.ways(set) {
            let selected = Wanted::below(select, way.name);
            let is_selected = select.is_empty()
                || !selected.is_empty()
                || select.iter().any(|path| path == way.name);
            let expanded = Wanted::below(expand, way.name);
            let is_expanded = !expanded.is_empty() || expand.iter().any(|path| path == way.name);
            if is_selected && is_expanded {
                let found = store.follow(way, at);
                let rows =
                    found.into_iter().map(|to| self.shown(store, way.to, to, &selected, &expanded));
                let mut rows: Vec<Json> = rows.collect();
                let one = |rows: &mut Vec<Json>| {
                    if rows.is_empty() { Json::Null } else { rows.remove(0) }
                };
                let value = if way.is_many { json!({ "results": rows }) } else { one(&mut rows) };
                row.insert(way.name.to_owned(), value);
            } else if is_selected {
                let deferred = json!({ "__deferred": { "uri": format!("{uri}/{}", way.name) } });
                row.insert(way.name.to_owned(), deferred);
            }
        }
        Json::Object(row)
    }

    fn uri(&self, store: &Store, set: usize, at: usize) -> String {
        let of = &store.schema.sets[set];
        let value = |name: &str| {
            let value = store.value(set, at, name);
            format!("'{}'", value.as_str().unwrap_or_default().replace('\'', "''"))
        };
        let keys: Vec<&str> = of.keys().collect();
        let key = match keys.as_slice() {
            [one] => value(one),
            keys => {
                keys.iter().map(|key| format!("{key}={}", value(key))).collect::<Vec<_>>().join(",")
            }
        };
        format!("{}{SERVICE}/{}({key})", self.url(), of.name)
    }

    /// The version of a row, in the vendor's form.
    pub(super) fn etag(&self, store: &Store, set: usize, at: usize) -> String {
        let version = store.row(set, at).version;
        format!("W/\"datetimeoffset'2026-11-01T00%3A00%3A00.{version:07}Z'\"")
    }
}
