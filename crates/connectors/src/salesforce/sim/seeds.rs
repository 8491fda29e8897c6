//! The people of a fresh org: the fixed ones that examples call by name, and as many
//! generated ones as wanted.
//!
//! John Doe is the oldest contact, Jane Smith (the same number, typed differently) the
//! youngest; the generated people lie between them.

use std::collections::HashMap;

use sim::seed::{self, Person, SplitMix64, Use};

use super::store::Store;
use super::store::clock::DAY;
use super::store::packed::Value;

/// 2019-03-04, when John Doe was entered.
const FIRST_DAY: i64 = 17_959 * DAY;
/// The generated people came in between these two days.
const SECOND_DAY: i64 = FIRST_DAY + 300 * DAY;
const LAST_DAY: i64 = FIRST_DAY + 2_500 * DAY;
/// Every so many people, a lead instead of a contact, and an open case.
const LEADS: u64 = 25;
const CASES: u64 = 9;

/// Fills an empty org with the integration user, the fixed people and `count` others.
pub(super) fn plant(store: &mut Store, username: &str, count: u64, seed: u64) {
    user(store, username);
    omni(store);
    let [john, jane, maria] = seed::fixed();
    let mut accounts = HashMap::new();
    let doe = contact(store, &mut accounts, &john, FIRST_DAY, "CASE-99812");
    case(store, &doe, "CASE-99812", "Replacement part has not arrived", FIRST_DAY + DAY);
    contact(store, &mut accounts, &maria, FIRST_DAY + 10 * DAY, "");
    let step = (LAST_DAY - SECOND_DAY) / i64::try_from(count.max(1)).unwrap_or(i64::MAX);
    for person in seed::people(count, seed) {
        let index = i64::try_from(person.index).unwrap_or(i64::MAX);
        let at = SECOND_DAY + step.saturating_mul(index);
        if person.index % LEADS == LEADS - 1 {
            lead(store, &person, at);
            continue;
        }
        let open = person.index % CASES == 0;
        let number = if open { format!("CASE-{}", 10_000 + person.index) } else { String::new() };
        let id = contact(store, &mut accounts, &person, at, &number);
        if open {
            case(store, &id, &number, "Question about an invoice", at + DAY);
        }
    }
    let jane = contact(store, &mut accounts, &jane, LAST_DAY + 50 * DAY, "");
    task(store, &doe, "Call", LAST_DAY + 60 * DAY);
    task(store, &jane, "Call", LAST_DAY + 61 * DAY);
}

fn user(store: &mut Store, username: &str) {
    let fields = [
        ("FirstName", "Integration"),
        ("LastName", "User"),
        ("Username", username),
        ("Alias", "integ"),
        ("Email", "integration@example.com"),
        ("UserType", "Standard"),
        ("TimeZoneSidKey", "America/Chicago"),
        ("LocaleSidKey", "en_US"),
        ("LanguageLocaleKey", "en_US"),
        ("EmailEncodingKey", "UTF-8"),
        ("CommunityNickname", "integration"),
    ];
    let mut values = texts(store, "User", &fields);
    if let Some(object) = store.object_always("User")
        && let Some(active) = store.objects[object].field("IsActive")
    {
        values.push((active, Value::Bool(true)));
    }
    put(store, "User", values, FIRST_DAY - 100 * DAY);
}

/// The profile of agents, two channels, and statuses: those that are online for channels, and
/// those that hand out no work.
fn omni(store: &mut Store) {
    let at = FIRST_DAY - 90 * DAY;
    let profile = texts(store, "Profile", &[("Name", "Support Agent")]);
    put(store, "Profile", profile, at);
    let channels = [("Cases", "Case"), ("Chat", "LiveChatTranscript")].map(|(name, entity)| {
        let fields = [
            ("DeveloperName", name),
            ("MasterLabel", name),
            ("RelatedEntity", entity),
            ("Language", "en_US"),
        ];
        let values = texts(store, "ServiceChannel", &fields);
        put(store, "ServiceChannel", values, at)
    });
    let statuses: [(&str, &str, &[String]); 6] = [
        ("Online", "Available", &channels),
        ("Chat", "Available for chat", &channels[1..]),
        ("Busy", "Busy", &[]),
        ("Lunch", "Lunch", &[]),
        ("Transition", "Transition", &[]),
        ("Training", "Training", &[]),
    ];
    for (name, label, channels) in statuses {
        let fields = [("DeveloperName", name), ("MasterLabel", label), ("Language", "en_US")];
        let values = texts(store, "ServicePresenceStatus", &fields);
        let status = put(store, "ServicePresenceStatus", values, at);
        for channel in channels {
            let fields = [
                ("ServiceChannelId", channel.as_str()),
                ("ServicePresenceStatusId", status.as_str()),
            ];
            let values = texts(store, "ServiceChannelStatus", &fields);
            put(store, "ServiceChannelStatus", values, at);
        }
    }
}

fn contact(
    store: &mut Store,
    accounts: &mut HashMap<String, String>,
    person: &Person,
    at: i64,
    case: &str,
) -> String {
    let account = match accounts.get(&person.company) {
        Some(id) => id.clone(),
        None => {
            let values = texts(
                store,
                "Account",
                &[("Name", &person.company), ("BillingCity", person.city.0)],
            );
            let id = put(store, "Account", values, at - DAY / 2);
            accounts.insert(person.company.clone(), id.clone());
            id
        }
    };
    let tier = person.tier;
    let external = format!("C-{:07}", person.index + 1);
    let mut fields =
        vec![("AccountId", account.as_str()), ("Loyalty_Tier__c", tier), ("CRM_Case_Id__c", case)];
    // The fixed people have no number in another system yet.
    if (SECOND_DAY..=LAST_DAY).contains(&at) {
        fields.push(("External_Id__c", &external));
    }
    let mut values = whole(store, "Contact", person, &fields);
    values.retain(|(_, value)| *value != Value::Text(String::new()));
    put(store, "Contact", values, at)
}

fn lead(store: &mut Store, person: &Person, at: i64) {
    let values = whole(store, "Lead", person, &[("Company", person.company.as_str())]);
    put(store, "Lead", values, at);
}

fn case(store: &mut Store, contact: &str, number: &str, subject: &str, at: i64) {
    let fields = [
        ("ContactId", contact),
        ("Case_Ref__c", number),
        ("Subject", subject),
        ("Origin", "Phone"),
    ];
    let values = texts(store, "Case", &fields);
    put(store, "Case", values, at);
}

fn task(store: &mut Store, who: &str, subject: &str, at: i64) {
    let fields =
        [("WhoId", who), ("Subject", subject), ("Status", "Completed"), ("TaskSubtype", "Call")];
    let values = texts(store, "Task", &fields);
    put(store, "Task", values, at);
}

fn whole(store: &Store, object: &str, person: &Person, more: &[(&str, &str)]) -> Vec<(u16, Value)> {
    let mut fields = vec![
        ("FirstName", person.first.as_str()),
        ("LastName", person.last.as_str()),
        ("Email", person.email.as_str()),
        ("Title", person.title),
    ];
    let (city, state) =
        if object == "Lead" { ("City", "State") } else { ("MailingCity", "MailingState") };
    fields.extend([(city, person.city.0), (state, person.city.1)]);
    for phone in &person.phones {
        let field = match phone.used {
            Use::Work => "Phone",
            Use::Mobile => "MobilePhone",
            Use::Home => "HomePhone",
        };
        fields.push((field, phone.typed.as_str()));
    }
    fields.extend_from_slice(more);
    texts(store, object, &fields)
}

/// Values of the fields that this org has; a custom field may not be there.
fn texts(store: &Store, object: &str, fields: &[(&str, &str)]) -> Vec<(u16, Value)> {
    let Some(object) = store.object_always(object) else { return vec![] };
    let of = &store.objects[object];
    let known = fields.iter().filter(|(_, text)| !text.is_empty());
    known
        .filter_map(|(name, text)| Some((of.field(name)?, Value::Text((*text).to_owned()))))
        .collect()
}

fn put(store: &mut Store, object: &str, values: Vec<(u16, Value)>, at: i64) -> String {
    let Some(object) = store.object_always(object) else { return String::new() };
    // Some records were touched again later, so that dates of change differ.
    let mut dice = SplitMix64::new(u64::try_from(at).unwrap_or(0));
    let later = i64::try_from(dice.below(40)).unwrap_or(0) * DAY;
    let row = store.plant(object, values, at, at + later);
    store.id(object, row)
}
