//! The stored form of what `domain` knows, which itself knows no serialization.
//!
//! JSON with short names, sealed before it is stored. A field that is added
//! later needs a default; none is ever renamed.

use crate::error::{Error, Result};
use domain::{Contact, ContactPhone, PhoneKind, Timestamp, Value};
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The bytes to seal.
pub(crate) fn encode(row: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(row).map_err(|_| Error::Corrupt { what: "a value has no stored form" })
}

/// What had been sealed.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| Error::Corrupt { what: "a sealed row's form" })
}

/// The personal part of a call that does not change with its identification.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Details {
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub(crate) dialled: Option<String>,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

/// Who a call was from, as last known.
#[derive(Serialize, Deserialize)]
pub(crate) struct Identity {
    #[serde(rename = "x")]
    pub(crate) external_id: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<String>,
    /// Of the contact's data, what reports list.
    #[serde(rename = "d", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) data: BTreeMap<String, ValueRow>,
}

/// A contact of the directory. What Tieline itself knows (the last call) is not in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct ContactRow {
    #[serde(rename = "r")]
    record: String,
    #[serde(rename = "o")]
    object: String,
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    phones: Vec<PhoneRow>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    modified_at: Option<i64>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, ValueRow>,
}

/// A number after its kind, as an array of two.
#[derive(Serialize, Deserialize)]
struct PhoneRow(KindRow, String);

#[derive(Serialize, Deserialize)]
enum KindRow {
    #[serde(rename = "w")]
    Work,
    #[serde(rename = "m")]
    Mobile,
    #[serde(rename = "h")]
    Home,
    #[serde(rename = "o")]
    Other,
}

/// Numbers keep their kind: `5` stays an integer, `5.0` a number.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ValueRow {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<ValueRow>),
}

/// By hand: serde's own way of telling the kinds apart tries each in turn and
/// writes an error for every miss, which a lookup would pay for.
impl<'de> Deserialize<'de> for ValueRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = ValueRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a truth, a number, a text or a list of them")
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<ValueRow, E> {
        Ok(ValueRow::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<ValueRow, E> {
        Ok(ValueRow::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<ValueRow, E> {
        i64::try_from(number).map(ValueRow::Integer).map_err(de::Error::custom)
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<ValueRow, E> {
        Ok(ValueRow::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<ValueRow, E> {
        Ok(ValueRow::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<ValueRow, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(ValueRow::List(list))
    }
}

impl From<&Contact> for ContactRow {
    fn from(contact: &Contact) -> Self {
        let data = contact.data.iter();
        Self {
            record: contact.record.clone(),
            object: contact.object.clone(),
            name: contact.name.clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            email: contact.email.clone(),
            phones: contact.phones.iter().map(PhoneRow::from).collect(),
            created_at: contact.created_at.map(|at| at.0),
            modified_at: contact.modified_at.map(|at| at.0),
            account: contact.account.clone(),
            url: contact.url.clone(),
            data: data.filter_map(|(name, value)| Some((name.clone(), stored(value)?))).collect(),
        }
    }
}

impl From<ContactRow> for Contact {
    fn from(row: ContactRow) -> Self {
        Self {
            record: row.record,
            object: row.object,
            name: row.name,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            phones: row.phones.into_iter().map(ContactPhone::from).collect(),
            created_at: row.created_at.map(Timestamp),
            modified_at: row.modified_at.map(Timestamp),
            last_call_at: None,
            account: row.account,
            url: row.url,
            data: row.data.into_iter().map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

impl From<&ContactPhone> for PhoneRow {
    fn from(phone: &ContactPhone) -> Self {
        let kind = match phone.kind {
            PhoneKind::Work => KindRow::Work,
            PhoneKind::Mobile => KindRow::Mobile,
            PhoneKind::Home => KindRow::Home,
            PhoneKind::Other => KindRow::Other,
        };
        Self(kind, phone.e164.clone())
    }
}

impl From<PhoneRow> for ContactPhone {
    fn from(PhoneRow(kind, e164): PhoneRow) -> Self {
        let kind = match kind {
            KindRow::Work => PhoneKind::Work,
            KindRow::Mobile => PhoneKind::Mobile,
            KindRow::Home => PhoneKind::Home,
            KindRow::Other => PhoneKind::Other,
        };
        Self { e164, kind }
    }
}

/// Infinities and NaN have no stored form; like null, they are simply absent.
pub(crate) fn stored(value: &Value) -> Option<ValueRow> {
    Some(match value {
        Value::Text(text) => ValueRow::Text(text.clone()),
        Value::Integer(number) => ValueRow::Integer(*number),
        Value::Number(number) if number.is_finite() => ValueRow::Number(*number),
        Value::Number(_) => return None,
        Value::Bool(flag) => ValueRow::Bool(*flag),
        Value::List(list) => ValueRow::List(list.iter().filter_map(stored).collect()),
    })
}

impl From<ValueRow> for Value {
    fn from(row: ValueRow) -> Self {
        match row {
            ValueRow::Bool(flag) => Self::Bool(flag),
            ValueRow::Integer(number) => Self::Integer(number),
            ValueRow::Number(number) => Self::Number(number),
            ValueRow::Text(text) => Self::Text(text),
            ValueRow::List(list) => Self::List(list.into_iter().map(Self::from).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ContactRow, decode, encode};
    use domain::{Contact, ContactPhone, PhoneKind, Timestamp, Value};

    #[test]
    fn a_contact_comes_back_as_it_was_stored() {
        let list =
            Value::List(vec![Value::Integer(i64::MAX), Value::Number(5.0), Value::Bool(false)]);
        let contact = Contact {
            record: "003".to_owned(),
            object: "Contact".to_owned(),
            name: "Zoë \"Z\" Ødegård".to_owned(),
            email: Some("zoe@example.com".to_owned()),
            first_name: Some("Zoë \"Z\"".to_owned()),
            last_name: Some("Ødegård".to_owned()),
            phones: PhoneKind::ALL.map(|kind| ContactPhone::new(kind, "+15550199999")).into(),
            modified_at: Some(Timestamp(-1)),
            data: [("list".to_owned(), list), ("tier".to_owned(), "Gold".into())].into(),
            ..Contact::default()
        };
        let bytes = encode(&ContactRow::from(&contact)).expect("stored");
        let back = Contact::from(decode::<ContactRow>(&bytes).expect("read"));
        assert_eq!(back, contact);
    }

    #[test]
    fn a_number_that_is_none_is_absent() {
        let mut contact = Contact::default();
        contact.data.insert("nan".to_owned(), Value::Number(f64::NAN));
        contact.data.insert("five".to_owned(), Value::Integer(5));
        let back = Contact::from(
            decode::<ContactRow>(&encode(&ContactRow::from(&contact)).expect("stored"))
                .expect("read"),
        );
        assert_eq!(back.data, [("five".to_owned(), Value::Integer(5))].into());
    }
}
