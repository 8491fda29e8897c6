//! The simulator's own address space: what a test sets and reads over HTTP.
//!
//! `GET|POST|DELETE /_sim/faults` (the plan), `GET /_sim/requests[?clear=1]` (the log
//! and the counters) and `POST /_sim/requests {"record":false}` (recording off or on).
//! Other `/_sim/` paths belong to the vendor's router, e.g. `/_sim/state`.

use std::fmt::Display;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use crate::faults::{Faults, Plan};

const MOST_CONTROL: usize = 1024 * 1024;

/// What a control request asks for.
pub(super) enum Control {
    ShowPlan,
    SetPlan,
    ClearPlan,
    ShowRequests { clear: bool },
    Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    record: bool,
}

/// The control request this is, or `None` when it is for the vendor.
pub(super) fn handle(request: &Request<Incoming>) -> Option<Control> {
    let method = request.method();
    match request.uri().path() {
        "/_sim/faults" if method == Method::GET => Some(Control::ShowPlan),
        "/_sim/faults" if method == Method::POST => Some(Control::SetPlan),
        "/_sim/faults" if method == Method::DELETE => Some(Control::ClearPlan),
        "/_sim/requests" if method == Method::GET => {
            let clear = request.uri().query().is_some_and(|q| q.split('&').any(|p| p == "clear=1"));
            Some(Control::ShowRequests { clear })
        }
        "/_sim/requests" if method == Method::POST => Some(Control::Record),
        _ => None,
    }
}

impl Control {
    /// Does what was asked; the answer is JSON, or 204.
    pub(super) async fn run(self, faults: &Faults, request: Request<Incoming>) -> Response {
        match self {
            Control::ShowPlan => Json(faults.plan()).into_response(),
            Control::ClearPlan => {
                faults.clear();
                StatusCode::NO_CONTENT.into_response()
            }
            Control::SetPlan => match whole(request, Plan::read).await {
                Ok(plan) => {
                    faults.set(plan);
                    StatusCode::NO_CONTENT.into_response()
                }
                Err(refused) => refused,
            },
            Control::Record => {
                match whole(request, |body| serde_json::from_slice::<Recording>(body)).await {
                    Ok(wanted) => {
                        faults.requests().record(wanted.record);
                        StatusCode::NO_CONTENT.into_response()
                    }
                    Err(refused) => refused,
                }
            }
            Control::ShowRequests { clear } => {
                let requests = faults.requests();
                let body = json!({ "requests": requests.log(), "counts": requests.counts() });
                if clear {
                    requests.clear();
                }
                Json(body).into_response()
            }
        }
    }
}

/// What the whole body reads as, or the answer that says why it does not.
async fn whole<T, E: Display>(
    request: Request<Incoming>,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Response> {
    let refuse =
        |why: String| (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    let body = Body::new(request.into_body());
    let bytes = to_bytes(body, MOST_CONTROL).await.map_err(|e| refuse(e.to_string()))?;
    read(&bytes).map_err(|e| refuse(e.to_string()))
}
