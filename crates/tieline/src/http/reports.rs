//! Figures over many calls, as JSON and as CSV.

use super::input::Params;
use super::{ApiError, App};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use state::reports::{GroupBy, HandleTime};
use std::fmt::Write as _;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Which calls, by what, and how written.
#[derive(Debug, Deserialize, IntoParams)]
pub struct ReportQuery {
    /// `queue`, `source`, `status`, or `data.NAME` of a name among `reports.dimensions`.
    group_by: String,
    /// Calls that ended at this time or later, as RFC 3339; else of the last 30 days.
    from: Option<String>,
    /// Calls that ended before this time, as RFC 3339; else until now.
    to: Option<String>,
    /// `json` (default) or `csv`.
    format: Option<String>,
}

/// Handle time of the calls of one group, in milliseconds: talk, hold and after-call work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandleTimeBody {
    /// Empty where a call has no value.
    group: String,
    calls: u64,
    mean_ms: u64,
    p50_ms: u64,
    p95_ms: u64,
}

impl From<HandleTime> for HandleTimeBody {
    fn from(found: HandleTime) -> Self {
        let HandleTime { group, calls, mean_ms, p50_ms, p95_ms } = found;
        Self { group, calls, mean_ms, p50_ms, p95_ms }
    }
}

/// The days of a report that names none.
const USUAL: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Handle time by what calls have in common.
#[utoipa::path(
    get, path = "/api/v1/reports/handle-time", tag = "reports", params(ReportQuery),
    responses(
        (status = 200, description = "Also as text/csv", body = Vec<HandleTimeBody>),
        (status = 400, body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn handle_time(
    State(app): State<App>,
    Params(query): Params<ReportQuery>,
) -> Result<Response, ApiError> {
    let by = group_by(&query.group_by, &app.engine.options.dimensions)?;
    let now = app.engine.clock.now();
    let from = time("from", query.from.as_deref())?.unwrap_or(now.minus(USUAL));
    let to = time("to", query.to.as_deref())?.unwrap_or(now.plus(Duration::from_secs(1)));
    let is_csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::field("format", "format is json or csv.", "Correct it.")),
    };
    let report = app.engine.store.handle_time(by, from, to).await?;
    if report.is_cut {
        let message = "There are more values, or more calls, than one report holds.";
        let fix = "Group by something with fewer values, or ask for a shorter time.";
        return Err(
            ApiError::new(StatusCode::BAD_REQUEST, "report.too_large", message, fix).at("group_by")
        );
    }
    let groups: Vec<HandleTimeBody> = report.groups.into_iter().map(Into::into).collect();
    if !is_csv {
        return Ok(Json(groups).into_response());
    }
    let mut text = "group,calls,mean_ms,p50_ms,p95_ms\r\n".to_owned();
    for group in groups {
        let HandleTimeBody { group, calls, mean_ms, p50_ms, p95_ms } = group;
        // Writing to a String cannot fail.
        write!(text, "{},{calls},{mean_ms},{p50_ms},{p95_ms}\r\n", cell(&group)).ok();
    }
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}

fn group_by(text: &str, dimensions: &[String]) -> Result<GroupBy, ApiError> {
    match text {
        "queue" => return Ok(GroupBy::Queue),
        "source" => return Ok(GroupBy::Source),
        "status" => return Ok(GroupBy::Status),
        _ => {}
    }
    let name = text.strip_prefix("data.").filter(|name| dimensions.iter().any(|one| one == name));
    name.map(|name| GroupBy::Label(name.to_owned())).ok_or_else(|| {
        let known: Vec<String> = dimensions.iter().map(|name| format!("data.{name}")).collect();
        let message = "Calls cannot be grouped by this.";
        let fix = format!(
            "Use queue, source, status{}{}, or add the name to reports.dimensions: calls from then on have it.",
            if known.is_empty() { "" } else { ", " },
            known.join(", ")
        );
        ApiError::field("group_by", message, fix)
    })
}

fn time(at: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    // A plus that was not percent-encoded arrives as a space.
    Timestamp::parse(&text.replace(' ', "+")).map(Some).ok_or_else(|| {
        let fix = "Write it as 2026-11-21T20:15:00Z.";
        ApiError::field(at, format!("{at} is no time."), fix)
    })
}

/// A cell of CSV; what a spreadsheet would take for a formula is made text.
fn cell(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{cell, group_by};
    use state::reports::GroupBy;

    #[test]
    fn a_cell_is_no_formula_and_no_two_cells() {
        assert_eq!(cell("Gold"), "Gold");
        assert_eq!(cell("Gold, \"new\""), "\"Gold, \"\"new\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
    }

    #[test]
    fn calls_are_grouped_by_what_is_kept_of_them() {
        let dimensions = ["loyaltyTier".to_owned()];
        let tier = group_by("data.loyaltyTier", &dimensions);
        assert_eq!(tier.ok(), Some(GroupBy::Label("loyaltyTier".to_owned())));
        for wrong in ["data.email", "loyaltyTier", "data.", ""] {
            let error = group_by(wrong, &dimensions).expect_err(wrong);
            assert!(error.fix.contains("data.loyaltyTier"), "{}", error.fix);
        }
    }
}
