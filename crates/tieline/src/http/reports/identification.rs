//! `GET /api/v1/reports/identification`: how well callers are identified, over time.

use super::csv::{Format, Table};
use super::{Period, dimension, too_large};
use crate::http::input::Params;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use state::reports::{Buckets, Identification};
use utoipa::{IntoParams, ToSchema};

/// Which calls, how cut, and how written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OverTimeQuery {
    /// One line for each `hour` or `day` (default) with calls.
    #[param(schema_with = schemas::interval)]
    interval: Option<String>,
    /// Besides time: `queue`, `source`, `status`, or `data.NAME` of a name among `reports.dimensions`.
    group_by: Option<String>,
    /// How far the local time is ahead of UTC, for days and hours that begin there: `+01:00`,
    /// `-0500`, `Z` (default). It holds for the whole report: there is no summer time.
    #[param(schema_with = schemas::offset)]
    offset: Option<String>,
    /// Calls that arrived at this time or later, as RFC 3339; else of the last 30 days.
    #[param(schema_with = schemas::time)]
    from: Option<String>,
    /// Calls that arrived before this time, as RFC 3339; else until now.
    #[param(schema_with = schemas::time)]
    to: Option<String>,
    /// `json` (default) or `csv`.
    #[param(schema_with = schemas::format)]
    format: Option<String>,
}

/// Calls of one hour or day. `hits`, `ambiguous`, `misses`, `partial` and `unknown` are by
/// what was answered at first and come to `calls`. Rates are shares of `calls`, 0 to 1.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentificationBody {
    /// When the hour or day begins, in UTC.
    from: String,
    /// Empty without `group_by`, and where a call has no value.
    group: String,
    calls: u64,
    hits: u64,
    ambiguous: u64,
    misses: u64,
    /// The CRM did not answer in time.
    partial: u64,
    /// Withheld or unusable: there was nothing to be found by.
    unknown: u64,
    /// Answered after the deadline.
    late: u64,
    /// No hit when answered, and one by now.
    identified_later: u64,
    /// An agent has said who it was.
    corrected: u64,
    identification_rate: f64,
    partial_rate: f64,
    late_rate: f64,
}

impl IdentificationBody {
    fn new((from, group): (Timestamp, String), line: Identification) -> Self {
        // Counts are far below what a float holds exactly.
        #[allow(clippy::cast_precision_loss)]
        let rate = |part: u64| (part as f64 / line.calls.max(1) as f64 * 1e4).round() / 1e4;
        let Identification { calls, hits, ambiguous, misses, partial, unknown, late, .. } = line;
        Self {
            from: from.to_string(),
            group,
            calls,
            hits,
            ambiguous,
            misses,
            partial,
            unknown,
            late,
            identified_later: line.identified_later,
            corrected: line.corrected,
            identification_rate: rate(hits),
            partial_rate: rate(partial),
            late_rate: rate(late),
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

/// Identification rate, partial rate and late rate over time.
#[utoipa::path(
    get, path = "/api/v1/reports/identification", tag = "reports", params(OverTimeQuery),
    responses(
        (status = 200, description = "Oldest first", content(
            (Vec<IdentificationBody> = "application/json"), (String = "text/csv")
        )),
        (status = 400, body = crate::http::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn identification(
    State(app): State<App>,
    Params(query): Params<OverTimeQuery>,
) -> Result<Response, ApiError> {
    let by = match query.group_by.as_deref().filter(|by| !by.is_empty()) {
        Some(by) => Some(dimension(&app, by).await?),
        None => None,
    };
    let width_ms = match query.interval.as_deref() {
        None | Some("" | "day") => 24 * HOUR_MS,
        Some("hour") => HOUR_MS,
        Some(_) => {
            return Err(ApiError::field("interval", "interval is hour or day.", "Correct it."));
        }
    };
    let buckets = Buckets { width_ms, ahead_ms: offset(query.offset.as_deref())? };
    let Period { from, to } = Period::read(&app, query.from.as_deref(), query.to.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let report = app.engine.store.identification(by, buckets, (from, to)).await?;
    if report.is_cut {
        return Err(too_large("from"));
    }
    let lines = report.lines.into_iter().map(|(at, line)| IdentificationBody::new(at, line));
    Ok(match format {
        Format::Json => Json(lines.collect::<Vec<_>>()).into_response(),
        Format::Csv => table(lines).into_response(),
    })
}

fn table(lines: impl Iterator<Item = IdentificationBody>) -> Table {
    let mut table = Table::with_header([
        "from",
        "group",
        "calls",
        "hits",
        "ambiguous",
        "misses",
        "partial",
        "unknown",
        "late",
        "identified_later",
        "corrected",
        "identification_rate",
        "partial_rate",
        "late_rate",
    ]);
    for line in lines {
        let counts = [
            line.calls,
            line.hits,
            line.ambiguous,
            line.misses,
            line.partial,
            line.unknown,
            line.late,
            line.identified_later,
            line.corrected,
        ];
        let rates = [line.identification_rate, line.partial_rate, line.late_rate];
        let cells = [line.from, line.group].into_iter();
        table.line(
            cells.chain(counts.iter().map(u64::to_string)).chain(rates.iter().map(f64::to_string)),
        );
    }
    table
}

/// Milliseconds that a local time is ahead of UTC.
fn offset(text: Option<&str>) -> Result<i64, ApiError> {
    let wrong = || {
        let fix = "Write it as +01:00, percent-encoded: %2B01:00.";
        ApiError::field("offset", "offset is no distance from UTC.", fix)
    };
    let Some(text) = text.filter(|text| !text.is_empty() && *text != "Z") else { return Ok(0) };
    // A plus that was not percent-encoded arrives as a space.
    let (sign, rest) = match text.as_bytes()[0] {
        b'+' | b' ' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return Err(wrong()),
    };
    let digits: String = rest.replacen(':', "", 1);
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let (hours, minutes) = (digits[..2].parse(), digits[2..].parse());
    let (Ok(hours), Ok(minutes)) = (hours, minutes) else { return Err(wrong()) };
    let (hours, minutes): (i64, i64) = (hours, minutes);
    if hours > 14 || minutes > 59 {
        return Err(wrong());
    }
    Ok(sign * (hours * HOUR_MS + minutes * 60_000))
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn an_offset_is_read_or_refused() {
        let check = |text: &str, minutes: Option<i64>| {
            assert_eq!(offset(Some(text)).ok(), minutes.map(|m| m * 60_000), "{text}");
        };
        for (text, minutes) in
            [("Z", 0), ("", 0), ("+01:00", 60), (" 0530", 330), ("-03:30", -210), ("+14:00", 840)]
        {
            check(text, Some(minutes));
        }
        for text in ["1", "+1", "+15:00", "+01:60", "Europe/Berlin", "+0é0", "-:::::", "+ 100"] {
            check(text, None);
        }
    }
}
