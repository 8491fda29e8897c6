//! What a script does to the simulator from outside, beyond the vendor's API.
//!
//! `POST /_sim/calls` places a call (a `NewCall` as JSON) and answers its ids;
//! `POST /_sim/calls/{conversationId}/end` ends it; `POST /_sim/sign-in` signs a user in
//! (a `SignedInUser` as JSON) and answers `{"access_token", "code"}`; `GET /_sim/state` shows
//! contacts and associations; `POST /_sim/agents/{userId}/presence/{definition}` is the agent's own
//! act, by the definition's name. Faults and requests are the `sim` crate's own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::super::agents;
use super::super::calls::{self, NewCall};
use super::super::model::world::Expand;
use super::platform::{Platform, now};
use super::users::{self, SignedInUser};

pub(crate) fn router() -> Router<Arc<Platform>> {
    Router::new()
        .route("/_sim/calls", post(place))
        .route("/_sim/calls/{conversationId}/end", post(end))
        .route("/_sim/agents/{userId}/presence/{definition}", post(show))
        .route("/_sim/sign-in", post(sign_in))
        .route("/_sim/state", get(state))
}

async fn sign_in(
    State(platform): State<Arc<Platform>>,
    Json(user): Json<SignedInUser>,
) -> Response {
    let (token, code) = users::sign_in(&platform, user);
    Json(json!({ "access_token": token, "code": code })).into_response()
}

async fn show(
    State(platform): State<Arc<Platform>>,
    Path((user, definition)): Path<(String, String)>,
) -> Response {
    match agents::show(&platform, &user, &definition) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

async fn place(State(platform): State<Arc<Platform>>, Json(call): Json<NewCall>) -> Response {
    let placed = calls::place(&mut platform.world(), &call, now());
    Json(placed).into_response()
}

async fn end(State(platform): State<Arc<Platform>>, Path(id): Path<String>) -> Response {
    match platform.world().conversations.get_mut(&id) {
        Ok(conversation) => {
            conversation.end(now());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn state(State(platform): State<Arc<Platform>>) -> Response {
    let world = platform.world();
    let everything = Expand { identifiers: true, external_sources: true, organization: false };
    let mut contacts: Vec<_> = world.contacts.all().collect();
    contacts.sort_by_key(|contact| contact.sequence);
    let contacts: Vec<_> =
        contacts.into_iter().map(|contact| world.render(contact, everything)).collect();
    let associations: Vec<_> = world
        .conversations
        .associations
        .iter()
        .map(|one| {
            json!({
                "conversationId": one.conversation_id,
                "communicationId": one.communication_id,
                "externalContactId": one.external_contact_id,
            })
        })
        .collect();
    Json(json!({ "contacts": contacts, "associations": associations })).into_response()
}
