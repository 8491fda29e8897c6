//! People as JSON, for tests: their debug output hides them.

use domain::{Contact, Value};
use serde_json::{Map, Value as Json, json};

/// The whole of a contact.
pub(crate) fn contact(contact: &Contact) -> Json {
    let phones = contact.phones.iter().map(|phone| json!([phone.kind.as_str(), phone.e164]));
    let data = contact.data.iter().map(|(name, value)| (name.clone(), value_of(value)));
    json!({
        "record": contact.record, "object": contact.object, "name": contact.name,
        "first_name": contact.first_name, "last_name": contact.last_name,
        "email": contact.email, "phones": phones.collect::<Vec<_>>(),
        "created_at": contact.created_at.map(|at| at.to_string()),
        "modified_at": contact.modified_at.map(|at| at.to_string()),
        "account": contact.account, "url": contact.url, "data": data.collect::<Map<_, _>>(),
    })
}

/// The same with all of their e-mails.
pub(crate) fn person(person: &Contact, emails: &[String]) -> Json {
    let mut shown = contact(person);
    shown["emails"] = emails.into();
    shown
}

fn value_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::List(list) => list.iter().map(value_of).collect(),
    }
}
