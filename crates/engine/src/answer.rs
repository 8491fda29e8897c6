//! What a lookup says, free of any wire format.

use crate::connections::Connection;
use crate::follow_up::Identity;
use domain::{Contact, ExternalId, Source, Status, Timestamp, Value};
use std::collections::BTreeMap;

/// One of several people who share what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub external_id: ExternalId,
    pub name: String,
}

/// The answer to one lookup. Always whole: what is not known is empty, never absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub external_id: ExternalId,
    pub name: String,
    pub email: String,
    /// Customer data by the names of the configuration, and `previousInteractionCount`.
    pub data: BTreeMap<String, Value>,
    pub status: Status,
    pub source: Source,
    /// When the customer's own system said so; for nobody, when we answered.
    pub as_of: Timestamp,
    /// The data is older than the limit and the CRM could not be asked.
    pub is_stale: bool,
    /// Who else it could be, when the policy names nobody.
    pub candidates: Vec<Candidate>,
    /// The connection that was asked.
    pub connection: String,
    /// Connections beside it that could not be asked in time: what they know is not in
    /// `data`, or as old as `is_stale` says. It follows.
    pub missing: Vec<String>,
    /// What was odd about the request, in sentences.
    pub warnings: Vec<String>,
}

/// The answer that an identity comes to.
pub(crate) fn answer(
    identity: Identity,
    connection: &Connection,
    earlier: u64,
    warnings: Vec<String>,
) -> Answer {
    let mut data = BTreeMap::new();
    let (mut name, mut email) = (String::new(), String::new());
    if let Some(contact) = identity.contact {
        data = contact.data;
        name = contact.name;
        email = contact.email.unwrap_or_default();
    }
    if identity.external_id != ExternalId::Unknown {
        let earlier = i64::try_from(earlier).unwrap_or(i64::MAX);
        data.insert("previousInteractionCount".to_owned(), Value::Integer(earlier));
    }
    Answer {
        external_id: identity.external_id,
        name,
        email,
        data,
        status: identity.status,
        source: if identity.status == Status::Hit { identity.source } else { Source::None },
        as_of: identity.as_of,
        is_stale: identity.is_stale,
        candidates: identity.candidates,
        connection: connection.name.clone(),
        missing: identity.missing,
        warnings,
    }
}

/// Longest value that is kept as a label, in bytes: a longer one is no dimension.
const LABEL_MAX: usize = 64;

/// What of a person's data is kept with the call, as it was then.
pub(crate) fn listed(columns: &[String], contact: Option<&Contact>) -> BTreeMap<String, Value> {
    let Some(contact) = contact else { return BTreeMap::new() };
    let column = |name: &String| Some((name.clone(), contact.data.get(name)?.clone()));
    columns.iter().filter_map(column).collect()
}

/// What reports group a person's call by.
pub(crate) fn labels(dimensions: &[String], contact: Option<&Contact>) -> BTreeMap<String, String> {
    let Some(contact) = contact else { return BTreeMap::new() };
    let label = |name: &String| {
        let text = match contact.data.get(name)? {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(_) | Value::List(_) => return None,
        };
        let is_word = text.len() <= LABEL_MAX && !text.chars().any(char::is_control);
        is_word.then(|| (name.clone(), text))
    };
    dimensions.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::labels;
    use domain::{Contact, Value};

    #[test]
    fn a_label_is_a_short_word_and_nothing_else() {
        let label = |value: Value| {
            let data = [("tier".to_owned(), value)].into();
            let contact = Contact { data, ..Contact::default() };
            let names = ["tier".to_owned(), "other".to_owned()];
            labels(&names, Some(&contact)).remove("tier")
        };
        assert_eq!(label(Value::from("Gold")).as_deref(), Some("Gold"));
        assert_eq!(label(Value::Integer(5)).as_deref(), Some("5"));
        assert_eq!(label(Value::Bool(true)).as_deref(), Some("true"));
        assert_eq!(label(Value::Text("x".repeat(64))), Some("x".repeat(64)));
        for none in [
            Value::Text("x".repeat(65)),
            Value::from("a\0b"),
            Value::from("a\nb"),
            Value::Number(0.5),
            Value::List(vec![Value::from("Gold")]),
        ] {
            assert_eq!(label(none.clone()), None, "{none:?}");
        }
        assert!(labels(&["tier".to_owned()], None).is_empty());
    }
}
