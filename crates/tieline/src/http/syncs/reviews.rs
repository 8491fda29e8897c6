//! Reviews: what a sync asks people, listed, shown with the records that it is about, and
//! decided, one or many at once.

use super::records::{PairBody, pair_body};
use crate::http::error::ErrorBody;
use crate::http::input::{Params, Segment, read_object};
use crate::http::{ApiError, App, actor};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use engine::sync::decide::{Decided, Decision, pairs, takes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use state::sync::{Review, ReviewState};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Something that a person is asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewBody {
    id: i64,
    sync: String,
    /// The pair of records that it is about; 0: the whole run is.
    pair: i64,
    run_id: i64,
    /// `conflict`: both have changed a field. `deleted`: one was deleted and the other edited.
    /// `ambiguous`: several records may be meant. `duplicate`: the one who is meant has another
    /// record already. `brake`: a run would delete too many.
    kind: String,
    /// The field of a conflict, as the map has it: `FirstName>firstName`.
    field: String,
    /// `open`, `decided`, `withdrawn` (nothing is to be decided any more) or `spent`.
    state: &'static str,
    /// By its kind: `left`, `right`, `won` and `by` of a conflict; `pairs` and `by`; `why`;
    /// `deletes` and `of`.
    #[schema(value_type = Object)]
    about: Value,
    /// What it can be decided by: `left`, `right`, `both`, `value`, `approve`, `pair`.
    takes: &'static [&'static str],
    /// As it was decided; empty where it is not.
    #[schema(value_type = Object)]
    decision: Value,
    made_at: String,
    decided_at: String,
    decided_by: String,
}

/// Reviews, newest first.
#[derive(Serialize, ToSchema)]
pub struct ReviewsBody {
    items: Vec<ReviewBody>,
    /// For the next page; empty on the last.
    next: String,
}

/// A review with the records that it is about.
#[derive(Serialize, ToSchema)]
pub struct ReviewedBody {
    #[serde(flatten)]
    review: ReviewBody,
    /// Its own pair first, then those that may be meant.
    records: Vec<PairBody>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReviewsQuery {
    /// Of this sync alone; empty: of all.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    sync: String,
    /// `open` where it is absent; `all` for every state.
    #[serde(default)]
    #[param(inline)]
    state: StateWord,
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    before: String,
    /// At most this many, 1 to 1,000.
    #[serde(default = "super::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateWord {
    #[default]
    Open,
    Decided,
    Withdrawn,
    Spent,
    All,
}

/// What became of several decisions.
#[derive(Serialize, ToSchema)]
pub struct DecisionsToldBody {
    /// How many were kept.
    decided: u64,
    refused: Vec<UndecidedBody>,
}

/// A decision that was not kept.
#[derive(Serialize, ToSchema)]
pub struct UndecidedBody {
    id: i64,
    /// A code of the error pages.
    code: &'static str,
    message: String,
}

/// What syncs ask people.
#[utoipa::path(
    get, path = "/api/v1/reviews", tag = "syncs", params(ReviewsQuery),
    responses((status = 200, body = ReviewsBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<ReviewsQuery>,
) -> Result<Json<ReviewsBody>, ApiError> {
    let names = names(&app).await?;
    let sync = match query.sync.as_str() {
        "" => None,
        name => Some(known(&app, name).await?),
    };
    let state = match query.state {
        StateWord::Open => Some(ReviewState::Open),
        StateWord::Decided => Some(ReviewState::Decided),
        StateWord::Withdrawn => Some(ReviewState::Withdrawn),
        StateWord::Spent => Some(ReviewState::Spent),
        StateWord::All => None,
    };
    let limit = query.limit.clamp(1, 1_000) as usize;
    let all = app.engine.store.reviews(sync, state, query.before.parse().ok(), limit).await?;
    let next = all.last().filter(|_| all.len() == limit).map(|last| last.id.to_string());
    let items = all.into_iter().map(|review| told(review, &names)).collect();
    Ok(Json(ReviewsBody { items, next: next.unwrap_or_default() }))
}

/// One review, with the records that it is about.
#[utoipa::path(
    get, path = "/api/v1/reviews/{id}", tag = "syncs", params(("id" = i64, Path)),
    responses((status = 200, body = ReviewedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<ReviewedBody>, ApiError> {
    let store = &app.engine.store;
    let review = match id.parse() {
        Ok(id) => store.review(id).await?,
        Err(_) => None,
    };
    let review = review.ok_or_else(unknown)?;
    let mut seqs: Vec<i64> = review.pair.into_iter().collect();
    seqs.extend(pairs(&review));
    let records =
        if seqs.is_empty() { Vec::new() } else { store.pairs_at(review.sync, &seqs).await? };
    let records = records.into_iter().map(pair_body).collect();
    Ok(Json(ReviewedBody { review: told(review, &names(&app).await?), records }))
}

/// Decides a review, or decides it anew: the next run does it. What was decided is remembered
/// for the pair.
#[utoipa::path(
    post, path = "/api/v1/reviews/{id}/decision", tag = "syncs", params(("id" = i64, Path)),
    request_body(content = inline(schemas_of::Decision)),
    responses(
        (status = 200, body = ReviewedBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "It asks for something else, or is over")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn decide(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Json<ReviewedBody>, ApiError> {
    let by = actor::actor(&request);
    let body: Map<String, Value> = read_object(request).await?;
    let decision = read(&body)?;
    let number = id.parse().map_err(|_| unknown())?;
    match refusal(app.engine.decide_review(number, &decision, &by).await?) {
        None => one(State(app), Segment(id)).await,
        Some(refusal) => Err(refusal),
    }
}

/// Decides many reviews in the same way. Each is kept or refused by itself.
#[utoipa::path(
    post, path = "/api/v1/reviews/decisions", tag = "syncs",
    request_body(content = inline(schemas_of::Decisions)),
    responses((status = 200, body = DecisionsToldBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn decide_many(
    State(app): State<App>,
    request: Request,
) -> Result<Json<DecisionsToldBody>, ApiError> {
    let by = actor::actor(&request);
    let mut body: Map<String, Value> = read_object(request).await?;
    let ids = ids(body.remove("ids").as_ref())?;
    let decision = read(&body)?;
    let mut answer = DecisionsToldBody { decided: 0, refused: Vec::new() };
    for id in ids {
        match refusal(app.engine.decide_review(id, &decision, &by).await?) {
            None => answer.decided += 1,
            Some(ApiError { code, message, .. }) => {
                answer.refused.push(UndecidedBody { id, code, message: message.into_owned() });
            }
        }
    }
    Ok(Json(answer))
}

/// Decided at once at most.
const IDS_MAX: usize = 1_000;
/// No store has so many reviews.
const ID_MAX: i64 = 1_000_000_000_000;

fn ids(told: Option<&Value>) -> Result<Vec<i64>, ApiError> {
    let number = |one: &Value| match one {
        Value::Number(number) => {
            crate::http::input::whole(number).and_then(|number| i64::try_from(number).ok())
        }
        _ => None,
    };
    let all: Option<Vec<i64>> =
        told.and_then(Value::as_array).and_then(|all| all.iter().map(number).collect());
    let fits = |all: &Vec<i64>| {
        (1..=IDS_MAX).contains(&all.len()) && all.iter().all(|id| (0..=ID_MAX).contains(id))
    };
    all.filter(fits).ok_or_else(|| {
        let fix = "Pass ids as a list of 1 to 1,000 ids of reviews.";
        ApiError::field("ids", "The list of ids is missing, empty, too long or odd.", fix)
    })
}

fn read(body: &Map<String, Value>) -> Result<Decision, ApiError> {
    Decision::read(body).map_err(|odd| ApiError::field(odd.at, odd.message, odd.fix))
}

fn refusal(decided: Decided) -> Option<ApiError> {
    let conflict = |code, message: String, fix: String| {
        Some(ApiError::new(StatusCode::CONFLICT, code, message, fix))
    };
    match decided {
        Decided::Done => None,
        Decided::Unknown => Some(unknown()),
        Decided::Over(state) => {
            let message = format!("Nothing is to be decided any more: it is {}.", state.as_str());
            conflict(
                "review.over",
                message,
                "GET /api/v1/reviews lists those that are open.".into(),
            )
        }
        Decided::Unfit { kind, takes } => {
            let message = format!("A review of the kind {kind} is not decided by this.");
            conflict("review.unfit", message, format!("It takes: {}.", takes.join(", ")))
        }
        Decided::Elsewhere { pairs } => {
            let message = "This is none of the pairs that the review asks about.".to_owned();
            let pairs: Vec<String> = pairs.iter().map(i64::to_string).collect();
            conflict("review.unfit", message, format!("One of {}, or null.", pairs.join(", ")))
        }
    }
}

/// Every sync's name by its id.
pub(super) async fn names(app: &App) -> Result<BTreeMap<i64, String>, ApiError> {
    let syncs = app.engine.store.syncs().await?;
    Ok(syncs.into_iter().map(|sync| (sync.id, sync.name)).collect())
}

/// A sync's id by its name.
pub(super) async fn known(app: &App, name: &str) -> Result<i64, ApiError> {
    let sync = app.engine.syncs.get(name).ok_or_else(super::unknown)?;
    Ok(app.engine.sync_state(sync).await?.id)
}

pub(super) fn told(review: Review, names: &BTreeMap<i64, String>) -> ReviewBody {
    let json = |bytes: Option<&[u8]>| {
        let json = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
        json.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()))
    };
    ReviewBody {
        id: review.id,
        sync: names.get(&review.sync).cloned().unwrap_or_default(),
        pair: review.pair.unwrap_or_default(),
        run_id: review.run,
        takes: takes(&review.kind),
        kind: review.kind,
        field: review.field,
        state: review.state.as_str(),
        about: json(Some(&review.about)),
        decision: json(review.decision.as_deref()),
        made_at: review.made_at.to_string(),
        decided_at: review.decided_at.map(|at| at.to_string()).unwrap_or_default(),
        decided_by: review.decided_by.unwrap_or_default(),
    }
}

fn unknown() -> ApiError {
    let fix = "GET /api/v1/reviews lists those there are.";
    ApiError::new(StatusCode::NOT_FOUND, "review.unknown", "There is no such review.", fix)
}

/// What the bodies look like that are read by hand.
mod schemas_of {
    use crate::http::schemas;
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    pub struct Decision;
    pub struct Decisions;

    impl PartialSchema for Decision {
        fn schema() -> RefOr<Schema> {
            schemas::decision(false).into()
        }
    }

    impl PartialSchema for Decisions {
        fn schema() -> RefOr<Schema> {
            schemas::decision(true).into()
        }
    }

    impl ToSchema for Decision {}
    impl ToSchema for Decisions {}
}
