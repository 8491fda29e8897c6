//! `GET /api/v1/calls`: the list behind the reports, a page at a time.

use super::csv::{Format, Table};
use super::{known, refuse_dimension, time};
use crate::http::admin::OneCallBody;
use crate::http::error::ErrorBody;
use crate::http::input::Params;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use domain::{ExternalId, Source, Status};
use state::calls::{CallFilter, LABELS_MAX, Place};
use utoipa::IntoParams;

/// Which calls, which page of them, and how written. Beside these, `data.NAME=value` takes the
/// calls with that value, for the names among `reports.dimensions`, at most three at once.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallsQuery {
    /// At most this many, newest first; 1 to 1,000, else 50.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
    /// Where to go on: the header `X-Next-Cursor` of the page before, with the same filters.
    #[param(schema_with = schemas::cursor)]
    cursor: Option<String>,
    /// Where it was handled last, else the queue it was looked up with.
    queue: Option<String>,
    #[param(schema_with = schemas::source)]
    source: Option<String>,
    #[param(schema_with = schemas::status)]
    status: Option<String>,
    /// That count to this customer.
    #[param(rename = "externalId")]
    external_id: Option<String>,
    /// Calls that arrived at this time or later, as RFC 3339.
    #[param(schema_with = schemas::time)]
    from: Option<String>,
    /// Calls that arrived before this time, as RFC 3339.
    #[param(schema_with = schemas::time)]
    to: Option<String>,
    /// `json` (default) or `csv`.
    #[param(schema_with = schemas::format)]
    format: Option<String>,
    /// `data.NAME=value`.
    #[param(ignore)]
    labels: Vec<(String, String)>,
}

/// Where to go on; absent on the last page.
const NEXT: HeaderName = HeaderName::from_static("x-next-cursor");

/// Stored calls and what each came to, newest first.
///
/// A page with a cursor may be short, even empty, and yet not the last: what is rare is
/// looked for a bounded part at a time.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls", params(CallsQuery),
    responses(
        (
            status = 200, description = "One page",
            content((Vec<OneCallBody> = "application/json"), (String = "text/csv")),
            headers(("X-Next-Cursor" = String, description = "Send it as `cursor` for the next page; absent on the last"))
        ),
        (status = 400, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let query = CallsQuery::read(pairs)?;
    let format = Format::parse(query.format.as_deref())?;
    let (after, limit) = (query.place()?, query.limit.unwrap_or(50));
    let filter = query.filter(&app).await?;
    let page = app.engine.store.list_calls(&filter, after, limit).await?;
    let calls = page.calls.into_iter().map(OneCallBody::from);
    let mut response = match format {
        Format::Json => Json(calls.collect::<Vec<_>>()).into_response(),
        Format::Csv => table(&app, calls).into_response(),
    };
    if let Some(place) = page.next
        && let Ok(cursor) = HeaderValue::from_str(&cursor(place))
    {
        response.headers_mut().insert(NEXT, cursor);
    }
    Ok(response)
}

impl CallsQuery {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut query = Self::default();
        // Absent and empty are one.
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Some(label) = name.strip_prefix("data.") {
                query.labels.push((label.to_owned(), value));
                continue;
            }
            let place = match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=1_000).contains(limit));
                    query.limit = Some(limit.ok_or_else(|| {
                        ApiError::field("limit", "limit is 1 to 1,000.", "Correct it.")
                    })?);
                    continue;
                }
                "cursor" => &mut query.cursor,
                "queue" => &mut query.queue,
                "source" => &mut query.source,
                "status" => &mut query.status,
                "externalId" => &mut query.external_id,
                "from" => &mut query.from,
                "to" => &mut query.to,
                "format" => &mut query.format,
                _ => continue,
            };
            *place = Some(value);
        }
        Ok(query)
    }

    fn place(&self) -> Result<Option<Place>, ApiError> {
        let wrong = || {
            let fix = "Send the header X-Next-Cursor of the page before, unchanged.";
            ApiError::field("cursor", "cursor is none of ours.", fix)
        };
        self.cursor.as_deref().map(|text| placed(text).ok_or_else(wrong)).transpose()
    }

    async fn filter(self, app: &App) -> Result<CallFilter, ApiError> {
        let dimensions = &app.engine.options.dimensions;
        if self.labels.len() > LABELS_MAX {
            let message = format!("At most {LABELS_MAX} values can be asked for together.");
            return Err(ApiError::field("data", message, "Leave some out."));
        }
        for (name, _) in &self.labels {
            let at = format!("data.{name}");
            if !dimensions.contains(name) {
                let fix = known("queue, source, status, externalId, from, to", dimensions);
                return Err(ApiError::field(&at, "Calls cannot be found by this.", fix));
            }
            refuse_dimension(app, name, &at).await?;
        }
        let status = self.status.as_deref().map(|word| {
            let fix = "Write hit, miss, partial, ambiguous or unknown.";
            Status::parse(word).ok_or_else(|| ApiError::field("status", "No such status.", fix))
        });
        let source = self.source.as_deref().map(|word| {
            let fix = "Write directory, crm or none.";
            Source::parse(word).ok_or_else(|| ApiError::field("source", "No such source.", fix))
        });
        Ok(CallFilter {
            labels: self.labels,
            queue: self.queue,
            source: source.transpose()?,
            status: status.transpose()?,
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
            record: self.external_id.as_deref().map(|text| record(app, text)).transpose()?,
        })
    }
}

/// The connection and the record of an externalId.
fn record(app: &App, text: &str) -> Result<(String, String), ApiError> {
    let wrong = || {
        let fix = "Write PREFIX:id, as a lookup answers it.";
        ApiError::field("externalId", "externalId names no record of a connection.", fix)
    };
    let Ok(ExternalId::Record { prefix, record }) = text.trim().parse() else {
        return Err(wrong());
    };
    let owner = app.engine.connections.by_prefix(&prefix).ok_or_else(wrong)?;
    Ok((owner.name.clone(), record))
}

/// A place as the text that callers hand back.
fn cursor(place: Place) -> String {
    format!("{:x}.{:x}", place.arrived_at, place.seq)
}

fn placed(text: &str) -> Option<Place> {
    let (arrived_at, seq) = text.split_once('.')?;
    let number = |hex: &str| {
        let is_hex = (1..=16).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(hex, 16).ok().map(u64::cast_signed) } else { None }
    };
    Some(Place { arrived_at: number(arrived_at)?, seq: number(seq)? })
}

/// Without the caller's number and e-mail: a table travels.
fn table(app: &App, calls: impl Iterator<Item = OneCallBody>) -> Table {
    const HEADER: [&str; 17] = [
        "call_id",
        "external_id",
        "status",
        "source",
        "direction",
        "media_type",
        "queue",
        "agent",
        "arrived_at",
        "started_at",
        "ended_at",
        "duration_ms",
        "talk_ms",
        "hold_ms",
        "acw_ms",
        "handle_ms",
        "wrap_up",
    ];
    let options = &app.engine.options;
    let columns = options.columns.iter().filter(|name| !options.dimensions.contains(name));
    let names: Vec<&String> = options.dimensions.iter().chain(columns).collect();
    let titles: Vec<String> = names.iter().map(|name| format!("data.{name}")).collect();
    let mut table = Table::with_header(HEADER.into_iter().chain(titles.iter().map(String::as_str)));
    for OneCallBody { call, dimensions, data, duration_ms, outcome } in calls {
        let queue = if outcome.queue.is_empty() { call.queue } else { outcome.queue };
        let own = names.iter().map(|name| match (data.get(*name), dimensions.get(*name)) {
            (Some(serde_json::Value::String(text)), _) | (None, Some(text)) => text.clone(),
            (Some(value), _) => value.to_string(),
            (None, None) => String::new(),
        });
        let fixed = [
            call.call_id,
            call.external_id,
            call.status.to_owned(),
            call.source.to_owned(),
            call.direction.to_owned(),
            call.media_type.to_owned(),
            queue,
            outcome.user_id,
            call.arrived_at,
            outcome.started_at,
            outcome.ended_at,
            duration_ms.to_string(),
            outcome.talk_ms.to_string(),
            outcome.hold_ms.to_string(),
            outcome.acw_ms.to_string(),
            outcome.handle_ms.to_string(),
            outcome.wrap_up.join("; "),
        ];
        table.line(fixed.into_iter().chain(own));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Place, cursor, placed};

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        for place in [(0, 0), (1_795_338_000_000, 42), (-1, i64::MAX), (i64::MIN, i64::MIN)] {
            let place = Place { arrived_at: place.0, seq: place.1 };
            assert_eq!(placed(&cursor(place)), Some(place));
        }
        for text in ["", ".", "1", "1.", ".1", "1.2.3", "g.1", "+1.1", "1.11111111111111111"] {
            assert_eq!(placed(text), None, "{text}");
        }
    }
}
