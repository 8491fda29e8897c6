//! Finds records by filters, in an index that lags behind the records themselves.
//!
//! At most five groups of six filters, eighteen in all; two hundred records a page and ten
//! thousand of one search; archived ones never.

use std::cmp::Ordering;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use sim::dates;

use super::World;
use super::batch::{kind_of, strings};
use super::http::{Answer, Asked, Refusal};
use super::properties::Kind;
use super::store::{Properties, Row};

const GROUPS_MAX: usize = 5;
const FILTERS_MAX: usize = 6;
const ALL_FILTERS_MAX: usize = 18;
const PAGE_MAX: usize = 200;
const RESULTS_MAX: usize = 10_000;

impl World {
    /// `POST …/{object}/search`.
    pub(super) fn search(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
    ) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let groups = groups(object, &body)?;
        let limit =
            body["limit"].as_u64().map_or(10, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let after = match body["after"].as_str().map(str::parse::<usize>) {
            None => {
                body["after"].as_u64().and_then(|after| usize::try_from(after).ok()).unwrap_or(0)
            }
            Some(Ok(after)) => after,
            Some(Err(_)) => return Err(Refusal::invalid("after is no number")),
        };
        if limit > PAGE_MAX || limit == 0 {
            return Err(Refusal::invalid("limit must be from 1 to 200"));
        }
        if after + limit > RESULTS_MAX {
            return Err(Refusal::invalid("There are more than 10,000 results; narrow the filters"));
        }
        let store = self.read();
        let holds = |row: &Row| {
            row.indexed().is_some_and(|known| {
                groups.is_empty()
                    || groups.iter().any(|group| group.iter().all(|filter| filter.holds(known)))
            })
        };
        let mut rows: Vec<(u64, &Row)> = store.live(object).filter(|(_, row)| holds(row)).collect();
        if let Some((property, is_down)) = sort(&body["sorts"]) {
            let kind = kind_of(object, &property);
            let kind = kind.ok_or_else(|| {
                Refusal::invalid(format!("no such property to sort by: {property}"))
            })?;
            rows.sort_by(|a, b| {
                let of = |row: &Row| row.indexed().and_then(|known| known.get(&property).cloned());
                let order =
                    compare(kind, &of(a.1).unwrap_or_default(), &of(b.1).unwrap_or_default());
                if is_down { order.reverse() } else { order }
            });
        }
        let total = rows.len();
        let names = strings(&body["properties"]);
        let found: Vec<Json> = rows
            .into_iter()
            .skip(after)
            .take(limit)
            .map(|(id, row)| self.shown(object, id, row, &names))
            .collect();
        let mut answer = json!({ "total": total, "results": found });
        if after + limit < total {
            answer["paging"] = json!({ "next": { "after": (after + limit).to_string() } });
        }
        Ok(Answer::json(StatusCode::OK, &answer))
    }
}

/// One filter.
struct Filter {
    property: String,
    kind: Kind,
    operator: String,
    values: Vec<String>,
}

fn groups(object: &str, body: &Json) -> Result<Vec<Vec<Filter>>, Refusal> {
    let groups = body["filterGroups"].as_array().cloned().unwrap_or_default();
    let mut read = Vec::new();
    for group in &groups {
        let filters = group["filters"]
            .as_array()
            .ok_or_else(|| Refusal::invalid("a group without filters"))?;
        let filters: Result<Vec<Filter>, Refusal> =
            filters.iter().map(|one| filter(object, one)).collect();
        read.push(filters?);
    }
    let most = read.iter().map(Vec::len).max().unwrap_or(0);
    let all: usize = read.iter().map(Vec::len).sum();
    if read.len() > GROUPS_MAX || most > FILTERS_MAX || all > ALL_FILTERS_MAX {
        return Err(Refusal::invalid("too many filters"));
    }
    Ok(read)
}

fn filter(object: &str, filter: &Json) -> Result<Filter, Refusal> {
    const OPERATORS: [&str; 13] = [
        "EQ",
        "NEQ",
        "LT",
        "LTE",
        "GT",
        "GTE",
        "BETWEEN",
        "IN",
        "NOT_IN",
        "HAS_PROPERTY",
        "NOT_HAS_PROPERTY",
        "CONTAINS_TOKEN",
        "NOT_CONTAINS_TOKEN",
    ];
    let property = filter["propertyName"].as_str().unwrap_or_default().to_owned();
    let operator = filter["operator"].as_str().unwrap_or_default().to_owned();
    let kind = kind_of(object, &property);
    let kind = kind
        .ok_or_else(|| Refusal::invalid(format!("There was a problem with property {property}")))?;
    let text = |name: &str| filter[name].as_str().map(str::to_owned);
    let values = match operator.as_str() {
        "HAS_PROPERTY" | "NOT_HAS_PROPERTY" => vec![],
        "IN" | "NOT_IN" => strings(&filter["values"]).into_iter().map(str::to_owned).collect(),
        "BETWEEN" => [text("value"), text("highValue")].into_iter().flatten().collect(),
        _ => text("value").into_iter().collect(),
    };
    let wanted = match operator.as_str() {
        "HAS_PROPERTY" | "NOT_HAS_PROPERTY" => 0,
        "BETWEEN" => 2,
        _ => 1,
    };
    if !OPERATORS.contains(&operator.as_str()) || values.len() < wanted {
        return Err(Refusal::invalid(format!("operator {operator} without its value")));
    }
    Ok(Filter { property, kind, operator, values })
}

impl Filter {
    fn holds(&self, known: &Properties) -> bool {
        let Some(own) = known.get(&self.property) else {
            return matches!(
                self.operator.as_str(),
                "NOT_HAS_PROPERTY" | "NEQ" | "NOT_IN" | "NOT_CONTAINS_TOKEN"
            );
        };
        let lower = own.to_lowercase();
        let against = |value: &String| compare(self.kind, &lower, &value.to_lowercase());
        let first = self.values.first();
        match self.operator.as_str() {
            "HAS_PROPERTY" => true,
            "EQ" => first.is_some_and(|value| against(value).is_eq()),
            "NEQ" => first.is_some_and(|value| against(value).is_ne()),
            "LT" => first.is_some_and(|value| against(value).is_lt()),
            "LTE" => first.is_some_and(|value| against(value).is_le()),
            "GT" => first.is_some_and(|value| against(value).is_gt()),
            "GTE" => first.is_some_and(|value| against(value).is_ge()),
            "BETWEEN" => {
                first.is_some_and(|low| against(low).is_ge())
                    && self.values.get(1).is_some_and(|high| against(high).is_le())
            }
            // Texts are compared in lower case, and who asks must write them so.
            "IN" => self.values.contains(&lower),
            "NOT_IN" => !self.values.contains(&lower),
            "CONTAINS_TOKEN" => first.is_some_and(|token| has_token(&lower, token)),
            "NOT_CONTAINS_TOKEN" => !first.is_some_and(|token| has_token(&lower, token)),
            _ => false,
        }
    }
}

/// Whole words, or with `*` at an end a part of one.
fn has_token(own: &str, token: &str) -> bool {
    let token = token.to_lowercase();
    let words = own.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let bare = token.trim_matches('*');
    let (before, behind) = (token.starts_with('*'), token.ends_with('*'));
    let mut words = words;
    words.any(|word| match (before, behind) {
        (true, true) => word.contains(bare),
        (true, false) => word.ends_with(bare),
        (false, true) => word.starts_with(bare),
        (false, false) => word == bare,
    })
}

/// The first order, as a name (`-` before it: the last first) or as an object.
fn sort(sorts: &Json) -> Option<(String, bool)> {
    let first = &sorts[0];
    if let Some(name) = first.as_str() {
        let bare = name.strip_prefix('-');
        return Some((bare.unwrap_or(name).to_owned(), bare.is_some()));
    }
    let name = first["propertyName"].as_str()?;
    Some((name.to_owned(), first["direction"] == "DESCENDING"))
}

/// By number, by time (also where one is written in milliseconds), or by text.
fn compare(kind: Kind, a: &str, b: &str) -> Ordering {
    let moment =
        |text: &str| dates::parse(&text.to_uppercase()).or_else(|| text.parse::<i64>().ok());
    match kind {
        Kind::Number => a.parse::<u64>().ok().cmp(&b.parse().ok()),
        Kind::Date => moment(a).cmp(&moment(b)),
        Kind::Text | Kind::Choice => a.cmp(b),
    }
}
