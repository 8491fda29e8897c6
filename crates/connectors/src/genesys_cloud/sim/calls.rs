//! Places calls the way the platform does when one arrives.
//!
//! An inbound call is resolved to the contact that holds its number. Where none
//! does, the platform makes one itself: Identified when there is a number,
//! Ephemeral when it is withheld. Either way the customer's participant carries
//! `externalContactId`. Calls dialled out are not resolved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::contacts::ContactType;
use super::model::contacts::fields::Fields;
use super::model::contacts::identifiers::Key;
use super::model::contacts::phones;
use super::model::conversations::{Conversation, Participant};
use super::model::ids::is_uuid;
use super::model::world::World;

/// A call to place.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCall {
    /// Taken where it is a UUID; otherwise one is made.
    pub conversation_id: Option<String>,
    /// Dialled by an agent rather than received.
    pub outbound: bool,
    /// Who calls, as the platform writes it: `tel:+1…` or `sip:+1…@10.1.2.3`.
    pub ani: String,
    /// The caller's name, where the network tells one.
    pub ani_name: String,
    /// Who is called, in the same forms.
    pub dnis: String,
    /// Adds an ACD participant of this queue.
    pub queue_id: Option<String>,
    /// Adds an agent participant.
    pub user_id: Option<String>,
    /// When it begins, in milliseconds since 1970; now where it is not said.
    pub started_at: Option<i64>,
    /// Attributes of the customer's participant, as a flow may have set them.
    pub attributes: BTreeMap<String, String>,
}

/// The ids of a placed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacedCall {
    /// The conversation.
    pub conversation_id: String,
    /// The customer's participant.
    pub participant_id: String,
    /// The customer's leg, `calls[0].id`.
    pub communication_id: String,
    /// The contact the platform linked or made.
    pub external_contact_id: Option<String>,
}

/// Places a call; `now` in milliseconds since 1970.
pub(crate) fn place(world: &mut World, call: &NewCall, now: i64) -> PlacedCall {
    let wanted = call.conversation_id.clone().filter(|id| is_uuid(id));
    let id = wanted.unwrap_or_else(|| world.ids.next());
    let contact = (!call.outbound).then(|| resolve(world, &call.ani, now));
    let purposes: &[&'static str] = match (call.outbound, &call.queue_id, &call.user_id) {
        (true, Some(_), _) => &["agent", "customer"],
        (true, None, _) => &["user", "external"],
        (false, Some(_), Some(_)) => &["customer", "ivr", "acd", "agent"],
        (false, Some(_), None) => &["customer", "ivr", "acd"],
        (false, None, Some(_)) => &["customer", "ivr", "user"],
        (false, None, None) => &["customer", "ivr"],
    };
    let participants: Vec<Participant> = purposes
        .iter()
        .map(|purpose| participant(world, call, purpose, contact.as_deref()))
        .collect();
    let customer = participants.iter().find(|one| matches!(one.purpose, "customer" | "external"));
    let (participant_id, communication_id) =
        customer.map(|one| (one.id.clone(), one.communication.clone())).unwrap_or_default();
    world.conversations.add(Conversation {
        id: id.clone(),
        outbound: call.outbound,
        started_at: call.started_at.unwrap_or(now),
        ended_at: None,
        participants,
        saved: None,
    });
    PlacedCall {
        conversation_id: id,
        participant_id,
        communication_id,
        external_contact_id: contact,
    }
}

fn participant(
    world: &mut World,
    call: &NewCall,
    purpose: &'static str,
    contact: Option<&str>,
) -> Participant {
    let customer = matches!(purpose, "customer" | "external");
    let queue = call.queue_id.as_ref().filter(|_| purpose != "ivr").map(|id| {
        let known = world.queues.iter().find(|(known, _)| known == id);
        (id.clone(), known.map_or_else(String::new, |(_, name)| name.clone()))
    });
    let customer_address = if call.outbound { &call.dnis } else { &call.ani };
    let (id, communication) = (world.ids.next(), world.ids.next());
    Participant {
        address: match purpose {
            "ivr" => format!("sip:{id}@127.0.0.1;language=en-US;user=ivr"),
            "acd" => format!("sip:{id}@127.0.0.1;language=en-US;user=acd"),
            "agent" | "user" => format!("sip:{id}@localhost"),
            _ => customer_address.clone(),
        },
        id,
        purpose,
        communication,
        name: if customer { call.ani_name.clone() } else { purpose.to_uppercase() },
        ani: call.ani.clone(),
        dnis: call.dnis.clone(),
        queue,
        user: call.user_id.clone().filter(|_| matches!(purpose, "agent" | "user")),
        external_contact: contact.filter(|_| customer).map(str::to_owned),
        attributes: if customer { call.attributes.clone() } else { BTreeMap::new() },
    }
}

/// The contact that holds the caller's number, or a new one of the platform's own.
fn resolve(world: &mut World, ani: &str, now: i64) -> String {
    let number = number(ani);
    let held = number.as_deref().and_then(|e164| world.contacts.holder(&Key::phone("*", e164)));
    if let Some(contact) = held {
        return contact.id.clone();
    }
    let mut fields = Fields::new();
    let written = number.as_deref().map(|e164| serde_json::json!({ "display": e164 }));
    if let Some(Ok(Some(phone))) = written.map(|written| phones::stored("otherPhone", &written)) {
        fields.insert("otherPhone".to_owned(), phone.into());
    }
    let kind = if fields.is_empty() { ContactType::Ephemeral } else { ContactType::Identified };
    let id = world.ids.next();
    let draft = world.contacts.draft(id.clone(), "*", kind, fields, now);
    world.contacts.put(draft, now);
    id
}

/// The E.164 number of `tel:…` or `sip:…@host;params`, if it is one.
fn number(address: &str) -> Option<String> {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    let user = rest.split(['@', ';']).next().unwrap_or_default();
    user.starts_with('+').then(|| phones::e164(user, None)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::model::contacts::ContactType;
    use super::super::model::world::World;
    use super::{NewCall, PlacedCall, number, place};

    fn inbound(world: &mut World, ani: &str) -> PlacedCall {
        let call = NewCall {
            ani: ani.to_owned(),
            dnis: "tel:+15550190000".to_owned(),
            ..NewCall::default()
        };
        place(world, &call, 1)
    }

    #[test]
    fn a_number_is_read_out_of_tel_and_sip() {
        for address in
            ["tel:+15550199999", "sip:+15550199999@10.1.2.3:5060;transport=tcp", "+15550199999"]
        {
            assert_eq!(number(address).as_deref(), Some("+15550199999"), "{address}");
        }
        assert_eq!(number("sip:anonymous@anonymous.invalid"), None);
    }

    #[test]
    fn an_unknown_caller_becomes_an_identified_contact_once() {
        let mut world = World::new(1, 0);
        let first = inbound(&mut world, "tel:+15550199999").external_contact_id.expect("made");
        let second =
            inbound(&mut world, "sip:+15550199999@10.1.2.3").external_contact_id.expect("linked");
        assert_eq!(first, second);
        assert_eq!(world.contacts.resolve(&first).expect("stored").kind, ContactType::Identified);
        assert_eq!(world.contacts.index.search("").len(), 0);
    }

    #[test]
    fn a_withheld_caller_becomes_an_ephemeral_contact_of_its_own() {
        let mut world = World::new(1, 0);
        let first = inbound(&mut world, "sip:anonymous@anonymous.invalid")
            .external_contact_id
            .expect("made");
        let second = inbound(&mut world, "sip:anonymous@anonymous.invalid")
            .external_contact_id
            .expect("made");
        assert_ne!(first, second);
        assert_eq!(world.contacts.resolve(&first).expect("stored").kind, ContactType::Ephemeral);
    }

    #[test]
    fn a_call_dialled_out_is_not_resolved() {
        let mut world = World::new(1, 0);
        let call =
            NewCall { outbound: true, dnis: "tel:+15550199999".to_owned(), ..NewCall::default() };
        assert_eq!(place(&mut world, &call, 1).external_contact_id, None);
        assert_eq!(world.contacts.all().count(), 0);
    }
}
