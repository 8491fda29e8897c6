//! Figures over many calls, as JSON and as CSV, and the calls behind them.

pub mod calls;
mod csv;
pub mod identification;

pub use csv::cell as csv_cell;

use super::input::Params;
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use csv::{Format, Table};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use state::reports::{GroupBy, HandleTime};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Which calls, by what, and how written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// `queue`, `source`, `status`, or `data.NAME` of a name among `reports.dimensions`.
    group_by: String,
    /// Calls that ended at this time or later, as RFC 3339; else of the last 30 days.
    #[param(schema_with = schemas::time)]
    from: Option<String>,
    /// Calls that ended before this time, as RFC 3339; else until now.
    #[param(schema_with = schemas::time)]
    to: Option<String>,
    /// `json` (default) or `csv`.
    #[param(schema_with = schemas::format)]
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

/// Handle time by what calls have in common.
#[utoipa::path(
    get, path = "/api/v1/reports/handle-time", tag = "reports", params(ReportQuery),
    responses(
        (status = 200, description = "By group", content(
            (Vec<HandleTimeBody> = "application/json"), (String = "text/csv")
        )),
        (status = 400, body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn handle_time(
    State(app): State<App>,
    Params(query): Params<ReportQuery>,
) -> Result<Response, ApiError> {
    let by = dimension(&app, &query.group_by).await?;
    let Period { from, to } = Period::read(&app, query.from.as_deref(), query.to.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let report = app.engine.store.handle_time(by, from, to).await?;
    if report.is_cut {
        return Err(too_large("group_by"));
    }
    let groups = report.groups.into_iter().map(HandleTimeBody::from);
    if format == Format::Json {
        return Ok(Json(groups.collect::<Vec<_>>()).into_response());
    }
    let mut table = Table::with_header(["group", "calls", "mean_ms", "p50_ms", "p95_ms"]);
    for HandleTimeBody { group, calls, mean_ms, p50_ms, p95_ms } in groups {
        let figures = [calls, mean_ms, p50_ms, p95_ms].map(|figure| figure.to_string());
        table.line([group].into_iter().chain(figures));
    }
    Ok(table.into_response())
}

fn too_large(at: &'static str) -> ApiError {
    let message = "There are more values, or more calls, than one report holds.";
    let fix = "Group by something with fewer values, or ask for a shorter time.";
    ApiError::new(StatusCode::BAD_REQUEST, "report.too_large", message, fix).at(at)
}

/// What to group by, unless there is no such thing or it has turned out to be no dimension.
async fn dimension(app: &App, text: &str) -> Result<GroupBy, ApiError> {
    let by = group_by(text, &app.engine.options.dimensions)?;
    if let GroupBy::Label(name) = &by {
        refuse_dimension(app, name, "group_by").await?;
    }
    Ok(by)
}

/// Refuses a name that has more values than a dimension may have.
async fn refuse_dimension(app: &App, name: &str, at: &str) -> Result<(), ApiError> {
    let Some(bound) = app.engine.store.refused_dimensions().await?.remove(name) else {
        return Ok(());
    };
    let message = format!("data.{name} has more than {bound} values: it is no dimension.");
    let fix = "Remove it from reports.dimensions, or raise reports.values_max: calls from then on have it.";
    let code = "report.dimension_refused";
    Err(ApiError::new(StatusCode::BAD_REQUEST, code, message, fix).at(at))
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
        let message = "Calls cannot be grouped by this.";
        ApiError::field("group_by", message, known("queue, source, status", dimensions))
    })
}

/// The mend for a name that is none of these.
fn known(words: &str, dimensions: &[String]) -> String {
    let names: String = dimensions.iter().map(|name| format!(", data.{name}")).collect();
    format!(
        "Use {words}{names}, or add the name to reports.dimensions: calls from then on have it."
    )
}

/// The time that a report is of.
struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// The days of a report that names none.
    const USUAL: Duration = Duration::from_secs(30 * 24 * 3_600);

    fn read(app: &App, from: Option<&str>, to: Option<&str>) -> Result<Self, ApiError> {
        let now = app.engine.clock.now();
        Ok(Self {
            from: time("from", from)?.unwrap_or(now.minus(Self::USUAL)),
            to: time("to", to)?.unwrap_or(now.plus(Duration::from_secs(1))),
        })
    }
}

fn time(at: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    // A plus that was not percent-encoded arrives as a space.
    Timestamp::parse(&text.replace(' ', "+")).map(Some).ok_or_else(|| {
        let fix = "Write it as 2026-11-21T20:15:00Z.";
        ApiError::field(at, format!("{at} is no time."), fix)
    })
}

#[cfg(test)]
mod tests {
    use super::group_by;
    use state::reports::GroupBy;

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
