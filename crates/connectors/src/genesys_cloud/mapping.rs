//! Genesys Cloud's JSON, both ways.
//!
//! Out: a [`Push`] as an enrich request ([`enrich`]). In: the platform's answers
//! as contacts' ids and conversations. Pure; every shape is the vendor's own
//! (`ContactEnrichRequest`, `Conversation`, `ConversationAssociation`).

use domain::{ContactPhone, MediaType, PhoneKind};
use kit::{Conversation, Enriched, Error, Profile, Push};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Longest e-mail the platform takes; a longer one would fail the whole contact.
const EMAIL_MAX: usize = 256;
const NAME_MAX: usize = 1_000;

/// The External Source that ids belong to. Both are sent: the platform needs the
/// id, and its description calls the name required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) name: String,
}

/// How contacts are matched and kept.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) division: String,
    pub(super) promote: bool,
}

/// The request that creates or updates the contact of one externalId.
///
/// It is matched by that id and nothing else: two people may share a phone.
/// What is sent wins, what is not sent stays as the agents left it.
pub(super) fn enrich(push: &Push, source: &Source, policy: &Policy) -> Value {
    let source = json!({ "id": source.id, "name": source.name });
    let mut contact = fields(&push.profile);
    let own = json!([{ "externalSource": source, "value": push.external_id }]);
    contact.insert("externalIds".to_owned(), own);
    json!({
        "division": { "id": policy.division },
        "matchingIdentifiers": [
            { "type": "ExternalId", "value": push.external_id, "externalSource": source },
        ],
        "action": "Upsert",
        "contact": contact,
        "fieldRules": { "defaultAction": "PreferProvided", "defaultArrayAction": "Fill" },
        "options": { "promote": policy.promote },
    })
}

/// Several requests in one, each under its place in the list: answers come in any order.
pub(super) fn enrich_all(requests: &[Value]) -> Value {
    let tracked = requests.iter().enumerate().map(|(at, request)| {
        let mut request = request.clone();
        request["id"] = Value::String(at.to_string());
        request
    });
    json!({ "entities": tracked.collect::<Vec<Value>>() })
}

fn fields(profile: &Profile) -> Map<String, Value> {
    let mut fields = Map::new();
    let (first, last) = names(profile);
    let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    for (key, name) in [("firstName", first), ("lastName", last)] {
        if !name.is_empty() {
            set(key, name.chars().take(NAME_MAX).collect::<String>().into());
        }
    }
    if let Some(email) = profile.email.as_ref().filter(|e| e.len() <= EMAIL_MAX) {
        set("workEmail", email.as_str().into());
    }
    for (slot, e164) in phone_slots(&profile.phones) {
        set(slot, json!({ "display": e164 }));
    }
    if let Some(url) = &profile.url {
        set("externalSystemUrl", url.as_str().into());
    }
    fields
}

/// The slot that a contact has for each kind of number.
fn slot(kind: PhoneKind) -> &'static str {
    match kind {
        PhoneKind::Work => "workPhone",
        PhoneKind::Mobile => "cellPhone",
        PhoneKind::Home => "homePhone",
        PhoneKind::Other => "otherPhone",
    }
}

/// Which number goes where. What is sent wins over what the contact has, so that a
/// number in another kind's slot would destroy what an agent wrote there. A second
/// number of a kind takes the slot for others where that is free, or is left out.
fn phone_slots(phones: &[ContactPhone]) -> BTreeMap<&'static str, &str> {
    let mut slots = BTreeMap::new();
    for phone in phones {
        slots.entry(slot(phone.kind)).or_insert(phone.e164.as_str());
    }
    let second = phones.iter().find(|phone| !slots.values().any(|e164| *e164 == phone.e164));
    if let Some(phone) = second {
        slots.entry(slot(PhoneKind::Other)).or_insert(phone.e164.as_str());
    }
    slots
}

/// First and last name: as the CRM keeps them, else split.
fn names(profile: &Profile) -> (String, String) {
    match (&profile.first_name, &profile.last_name) {
        (None, None) => split_name(&profile.name),
        (first, last) => (first.clone().unwrap_or_default(), last.clone().unwrap_or_default()),
    }
}

/// First and last name of a display name. What goes before the last word with a small letter
/// belongs to it (`de la Cruz`), as does what follows it (`Jr.`); a single word
/// is the last name, which most systems require.
fn split_name(name: &str) -> (String, String) {
    if let Some((last, first)) = name.split_once(',') {
        let (last, first) = (last.trim(), first.trim());
        if !first.is_empty() && !is_suffix(first) {
            return (first.to_owned(), last.to_owned());
        }
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    let mut begins = words.len().saturating_sub(1);
    while begins > 1 && is_suffix(words[begins]) {
        begins -= 1;
    }
    while begins > 1 && words[begins - 1].starts_with(char::is_lowercase) {
        begins -= 1;
    }
    (words[..begins].join(" "), words[begins..].join(" "))
}

fn is_suffix(word: &str) -> bool {
    let bare = word.trim_end_matches('.').to_ascii_lowercase();
    matches!(bare.as_str(), "jr" | "sr" | "ii" | "iii" | "iv" | "phd" | "md")
}

/// The contact's id in the answer to an enrich request.
///
/// # Errors
/// `Protocol` when there is none.
pub(super) fn enriched(contact: &Value) -> Result<Enriched, Error> {
    let id = contact.get("id").and_then(Value::as_str);
    id.map(|id| Enriched { contact: id.to_owned() })
        .ok_or_else(|| Error::protocol("a contact without an id"))
}

/// One result of a bulk answer for each of `count` requests, in their order.
/// `refused` turns status and error body into what to do.
pub(super) fn enriched_all(
    answer: &Value,
    count: usize,
    refused: impl Fn(u16, &Value) -> Error,
) -> Vec<Result<Enriched, Error>> {
    let results = answer.get("results").and_then(Value::as_array);
    let mut outcomes: Vec<_> =
        (0..count).map(|_| Err(Error::protocol("a bulk answer that lacks a result"))).collect();
    for result in results.into_iter().flatten() {
        let error = result.get("error").unwrap_or(&Value::Null);
        // A failure repeats the request, and its tracker in it.
        let tracker = result.get("id").or_else(|| error.get("entity")?.get("id"));
        let at = tracker.and_then(Value::as_str).and_then(|id| id.parse::<usize>().ok());
        let Some(outcome) = at.and_then(|at| outcomes.get_mut(at)) else {
            continue;
        };
        *outcome = if result.get("success") == Some(&Value::Bool(true)) {
            enriched(result.get("entity").unwrap_or(&Value::Null))
        } else {
            let status = error.get("status").or(result.get("status")).and_then(Value::as_u64);
            Err(refused(status.and_then(|s| u16::try_from(s).ok()).unwrap_or(0), error))
        };
    }
    outcomes
}

/// The source of that name among those listed, and where the list goes on.
///
/// # Errors
/// `Protocol` when there is no list.
pub(super) fn source(
    listing: &Value,
    name: &str,
) -> Result<(Option<Source>, Option<String>), Error> {
    let entities = listing.get("entities").and_then(Value::as_array);
    let entities = entities.ok_or_else(|| Error::protocol("a listing without entities"))?;
    let found = entities.iter().find_map(|source| {
        let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        let (id, own) = (text("id")?, text("name")?);
        own.eq_ignore_ascii_case(name).then_some(Source { id, name: own })
    });
    let after = listing.get("cursors").and_then(|c| c.get("after")).and_then(Value::as_str);
    Ok((found, after.filter(|after| !after.is_empty()).map(str::to_owned)))
}

/// Reads a `Conversation`.
///
/// # Errors
/// `Protocol` when it has no id or no list of participants.
pub(super) fn conversation(body: &Value) -> Result<Conversation, Error> {
    let id = body.get("id").and_then(Value::as_str);
    let participants = body.get("participants").and_then(Value::as_array);
    let (Some(id), Some(participants)) = (id, participants) else {
        return Err(Error::protocol("a conversation without id or participants"));
    };
    let customer = customer(participants);
    let leg = customer.and_then(leg);
    let text = |key: &str| customer?.get(key)?.as_str().map(str::to_owned);
    let attributes = customer.and_then(|c| c.get("attributes")).and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten();
    Ok(Conversation {
        id: id.to_owned(),
        has_ended: body.get("endTime").is_some_and(Value::is_string),
        participant: text("id"),
        communication: leg.as_ref().and_then(|(_, id)| id.clone()),
        media: leg.map_or(MediaType::Voice, |(media, _)| media),
        contact: text("externalContactId"),
        attributes: attributes
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    })
}

/// The customer's side: one who is still there before one who has left.
fn customer(participants: &[Value]) -> Option<&Value> {
    let is_customer = |one: &&Value| {
        let purpose = one.get("purpose").and_then(Value::as_str);
        matches!(purpose, Some("customer" | "external"))
    };
    let mut customers = participants.iter().filter(is_customer);
    let first = customers.clone().next();
    customers.find(|one| !one.get("endTime").is_some_and(Value::is_string)).or(first)
}

/// The medium and the leg of a participant: one that is live before one that is over.
fn leg(participant: &Value) -> Option<(MediaType, Option<String>)> {
    const LISTS: [(&str, MediaType); 4] = [
        ("calls", MediaType::Voice),
        ("chats", MediaType::Chat),
        ("messages", MediaType::Message),
        ("emails", MediaType::Email),
    ];
    let legs: Vec<(MediaType, &Value)> = LISTS
        .iter()
        .flat_map(|(key, media)| {
            let legs = participant.get(key).and_then(Value::as_array);
            legs.into_iter().flatten().map(|leg| (*media, leg))
        })
        .collect();
    let is_over = |leg: &Value| {
        let state = leg.get("state").and_then(Value::as_str);
        matches!(state, Some("disconnected" | "terminated"))
    };
    let live = legs.iter().find(|(_, leg)| !is_over(leg));
    let (media, leg) = live.or(legs.last())?;
    Some((*media, leg.get("id").and_then(Value::as_str).map(str::to_owned)))
}

/// Ties a conversation to a contact.
pub(super) fn association(
    conversation: &Conversation,
    communication: &str,
    contact: &str,
) -> Value {
    let media = match conversation.media {
        MediaType::Voice => "CALL",
        MediaType::Chat => "CHAT",
        MediaType::Message => "MESSAGE",
        MediaType::Email => "EMAIL",
    };
    json!({
        "conversationId": conversation.id,
        "communicationId": communication,
        "mediaType": media,
        "externalContactId": contact,
    })
}

/// Ids of the platform are UUIDs; anything else it cannot know.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::{Policy, Source, conversation, enrich, enriched_all, fields, is_uuid, source};
    use super::{phone_slots, split_name};
    use domain::{ContactPhone, PhoneKind};
    use kit::{Conversation, Error, Profile, Push};
    use serde_json::{Value, json};

    fn snapshot(name: &str, check: impl FnOnce(&str)) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("fixtures");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| check(name));
    }

    /// The whole of a conversation, whose debug output hides the attributes' values.
    fn shown(conversation: &Conversation) -> Value {
        json!({
            "id": conversation.id,
            "has_ended": conversation.has_ended,
            "participant": conversation.participant,
            "communication": conversation.communication,
            "media": conversation.media.as_str(),
            "contact": conversation.contact,
            "attributes": conversation.attributes,
        })
    }

    fn fixture(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn a_push_maps_as_its_snapshot_says() {
        let push = Push {
            external_id: "CRM:0035g00000Jd9XaAAJ".into(),
            profile: Profile {
                name: "John Doe".into(),
                email: Some("john.doe@example.com".into()),
                phones: phones(&[(PhoneKind::Work, 9), (PhoneKind::Mobile, 8)]),
                url: Some(
                    "https://acme.my.salesforce.com/lightning/r/Contact/0035g00000Jd9XaAAJ/view"
                        .into(),
                ),
                ..Profile::default()
            },
        };
        let source =
            Source { id: "7f0d3c1e-0000-4000-8000-000000000001".into(), name: "CRM".into() };
        let policy = Policy { division: "*".into(), promote: true };
        snapshot("enrich", |name| {
            insta::assert_json_snapshot!(name, enrich(&push, &source, &policy))
        });
    }

    /// Numbers that differ in their last digit.
    fn phones(of: &[(PhoneKind, u8)]) -> Vec<ContactPhone> {
        let phone = |(kind, digit): &(PhoneKind, u8)| {
            ContactPhone::new(*kind, format!("+1555019999{digit}"))
        };
        of.iter().map(phone).collect()
    }

    #[test]
    fn a_number_goes_into_no_slot_but_that_of_its_kind() {
        use PhoneKind::{Home, Mobile, Other, Work};
        let check = |of: &[(PhoneKind, u8)], expected: &[(&str, u8)]| {
            let phones = phones(of);
            let slots: Vec<(&str, u8)> = phone_slots(&phones)
                .into_iter()
                .map(|(slot, e164)| (slot, e164.as_bytes()[11] - b'0'))
                .collect();
            assert_eq!(slots, expected, "{of:?}");
        };
        check(&[], &[]);
        check(&[(Mobile, 1)], &[("cellPhone", 1)]);
        check(&[(Home, 1)], &[("homePhone", 1)]);
        check(&[(Other, 1)], &[("otherPhone", 1)]);
        check(&[(Mobile, 2), (Work, 1)], &[("cellPhone", 2), ("workPhone", 1)]);
        check(&[(Work, 1), (Mobile, 1)], &[("cellPhone", 1), ("workPhone", 1)]);
        // A second of a kind goes to the slot for others, where that is free.
        check(&[(Work, 1), (Work, 2)], &[("otherPhone", 2), ("workPhone", 1)]);
        check(&[(Work, 1), (Work, 2), (Work, 3)], &[("otherPhone", 2), ("workPhone", 1)]);
        check(&[(Work, 1), (Work, 2), (Other, 3)], &[("otherPhone", 3), ("workPhone", 1)]);
        check(&[(Other, 1), (Other, 2)], &[("otherPhone", 1)]);
        // One that has its place already is not repeated there.
        check(&[(Work, 1), (Mobile, 2), (Mobile, 1)], &[("cellPhone", 2), ("workPhone", 1)]);
    }

    #[test]
    fn names_are_sent_as_the_crm_keeps_them() {
        let sent = |name: &str, first: Option<&str>, last: Option<&str>| {
            let fields = fields(&Profile {
                name: name.into(),
                first_name: first.map(str::to_owned),
                last_name: last.map(str::to_owned),
                ..Profile::default()
            });
            let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
            (text("firstName"), text("lastName"))
        };
        let both = |first: &str, last: &str| (Some(first.to_owned()), Some(last.to_owned()));
        assert_eq!(
            sent("Gabriel García Márquez", Some("Gabriel"), Some("García Márquez")),
            both("Gabriel", "García Márquez")
        );
        assert_eq!(sent("Gabriel García Márquez", None, None), both("Gabriel García", "Márquez"));
        assert_eq!(
            sent("García Márquez", None, Some("García Márquez")),
            (None, Some("García Márquez".into()))
        );
    }

    #[test]
    fn documented_conversations_map_as_their_snapshots_say() {
        let check = |name: &str, text: &str| {
            snapshot(name, |name| {
                insta::assert_json_snapshot!(
                    name,
                    shown(&conversation(&fixture(text)).expect(name))
                );
            });
        };
        check("conversation-live", include_str!("fixtures/conversation-live.json"));
        check("conversation-ended", include_str!("fixtures/conversation-ended.json"));
    }

    #[test]
    fn bulk_results_are_put_in_the_order_of_their_requests() {
        let answer = fixture(include_str!("fixtures/bulk-enrich.json"));
        let outcomes = enriched_all(&answer, 4, |status, error| {
            let code = error["code"].as_str().expect("a code");
            Error::Conflict { reason: format!("{status} {code}") }
        });
        snapshot("bulk-enrich", |name| insta::assert_debug_snapshot!(name, outcomes));
    }

    #[test]
    fn names_are_split_as_people_read_them() {
        for (name, first, last) in [
            ("John Doe", "John", "Doe"),
            ("Doe, John", "John", "Doe"),
            ("Mary Ann Smith", "Mary Ann", "Smith"),
            ("María de la Cruz", "María", "de la Cruz"),
            ("Martin Luther King Jr.", "Martin Luther", "King Jr."),
            ("King, Jr.", "King,", "Jr."),
            ("Acme", "", "Acme"),
            ("van Gogh", "van", "Gogh"),
            ("  ", "", ""),
        ] {
            assert_eq!(split_name(name), (first.to_owned(), last.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_profile_without_anything_sends_nothing_that_could_overwrite() {
        let push = Push { external_id: "CRM:1".into(), profile: Profile::default() };
        let source = Source { id: "s".into(), name: "CRM".into() };
        let body = enrich(&push, &source, &Policy { division: "*".into(), promote: false });
        let keys: Vec<&String> = body["contact"].as_object().expect("a contact").keys().collect();
        assert_eq!(keys, ["externalIds"]);
    }

    #[test]
    fn a_source_is_found_by_its_whole_name() {
        let listing = json!({
            "entities": [{"id": "1", "name": "CRM old"}, {"id": "2", "name": "CRM"}],
            "cursors": {"after": "next"},
        });
        let (found, after) = source(&listing, "crm").expect("a listing");
        assert_eq!(found.expect("a source").id, "2");
        assert_eq!(after.as_deref(), Some("next"));
        assert_eq!(source(&json!({"entities": []}), "CRM"), Ok((None, None)));
        assert_eq!(source(&json!({}), "CRM").expect_err("no listing").kind(), "protocol");
    }

    #[test]
    fn only_a_uuid_is_a_conversations_id() {
        assert!(is_uuid("7f0d3c1e-9a3b-4c1d-8e2f-000000000001"));
        for text in ["abc-123-def-456", "", "7f0d3c1e-9a3b-4c1d-8e2f-00000000000g", "../tokens/me"]
        {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
