//! Conversations: read one, set attributes, associate a contact, query their details.

use axum::http::Method;
use serde_json::json;

use super::super::model::conversations::merge_attributes;
use super::super::model::problem::Problem;
use super::super::model::{analytics, conversations};
use super::gate::Operation;
use super::platform::{Answer, Ask, Platform, Reply, accepted, ok};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(
        Method::GET,
        "/api/v2/conversations/{conversationId}",
        &["conversation:communication:view"],
        get,
    ),
    Operation::new(
        Method::PATCH,
        "/api/v2/conversations/{conversationId}/participants/{participantId}/attributes",
        &[],
        attributes,
    ),
    Operation::new(
        Method::PATCH,
        "/api/v2/conversations/calls/{conversationId}/participants/{participantId}/attributes",
        &[],
        call_attributes,
    ),
    Operation::new(
        Method::PUT,
        "/api/v2/externalcontacts/conversations/{conversationId}",
        &["relate:conversation:associate", "externalContacts:conversation:associate"],
        associate,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/analytics/conversations/details/query",
        &["analytics:conversationDetail:view", "analytics:agentConversationDetail:view"],
        details,
    ),
];

fn get(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("conversationId")?;
    ok(platform.world().conversations.get(id)?.render())
}

fn attributes(platform: &Platform, ask: &Ask) -> Answer {
    set(platform, ask)?;
    accepted()
}

fn call_attributes(platform: &Platform, ask: &Ask) -> Answer {
    let attributes = set(platform, ask)?;
    Ok(Reply { status: 202, body: Some(json!({ "attributes": attributes })) })
}

type Attributes = std::collections::BTreeMap<String, String>;

fn set(platform: &Platform, ask: &Ask) -> Result<Attributes, Problem> {
    let (id, participant) = (ask.uuid("conversationId")?, ask.param("participantId"));
    let mut world = platform.world();
    let participant = world.conversations.get_mut(id)?.participant_mut(participant)?;
    merge_attributes(&mut participant.attributes, &ask.body)?;
    Ok(participant.attributes.clone())
}

fn associate(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("conversationId")?;
    let mut world = platform.world();
    let world: &mut super::super::model::world::World = &mut world;
    let (contacts, conversations): (_, &mut conversations::Conversations) =
        (&world.contacts, &mut world.conversations);
    conversations.associate(id, &ask.body, |contact| contacts.unresolved(contact).is_ok())?;
    accepted()
}

fn details(platform: &Platform, ask: &Ask) -> Answer {
    ok(analytics::query(&platform.world(), &ask.body)?)
}
