//! How a vendor writes the values of its fields, both ways.
//!
//! A sync compares plain values ([`domain::Value`]) of two systems; a [`Form`] reads one out
//! of what [`Record`](crate::Record) holds and makes of one what a [`Write`](crate::Write)
//! takes. A vendor whose fields are plain JSON needs none: [`Form::plain`].

use crate::Error;
use async_trait::async_trait;
use domain::Value;
use domain::sync::Kind;
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

type Read = Arc<dyn Fn(&Json) -> Option<Value> + Send + Sync>;
type Written = Arc<dyn Fn(&Value) -> Json + Send + Sync>;

/// One field of one object.
#[derive(Clone)]
pub struct Form {
    /// The vendor's own name or path, as `Changes` and `Writes` of the connection take it.
    pub field: String,
    /// How its values compare.
    pub kind: Kind,
    /// May it be set? What may not is only read.
    pub can_write: bool,
    read: Read,
    write: Written,
}

impl Form {
    /// A field that holds JSON scalars, or lists of them, as they are.
    #[must_use]
    pub fn plain(field: impl Into<String>, kind: Kind) -> Self {
        Self::new(field, kind, read_plain, write_plain)
    }

    /// A field with a form of its own. `read` is given what a record holds, never `null`;
    /// `write` a value, never the empty one.
    #[must_use]
    pub fn new(
        field: impl Into<String>,
        kind: Kind,
        read: impl Fn(&Json) -> Option<Value> + Send + Sync + 'static,
        write: impl Fn(&Value) -> Json + Send + Sync + 'static,
    ) -> Self {
        let (read, write) = (Arc::new(read), Arc::new(write));
        Self { field: field.into(), kind, can_write: true, read, write }
    }

    /// A list that the vendor keeps as one text with `separator` between.
    #[must_use]
    pub fn separated(field: impl Into<String>, kind: Kind, separator: char) -> Self {
        let read = move |held: &Json| {
            let Some(text) = held.as_str() else { return read_plain(held) };
            let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
            Some(Value::List(parts.map(Value::from).collect()))
        };
        let write = move |value: &Value| {
            let Value::List(all) = value else { return write_plain(value) };
            let text = |one: &Value| match write_plain(one) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            Json::from(all.iter().map(text).collect::<Vec<_>>().join(&separator.to_string()))
        };
        Self::new(field, kind, read, write)
    }

    /// The same, which may not be set.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.can_write = false;
        self
    }

    /// The value in what a record holds; `None` where it is empty or holds nothing plain.
    #[must_use]
    pub fn read(&self, held: &Json) -> Option<Value> {
        if held.is_null() { None } else { (self.read)(held) }
    }

    /// What is written; `null` empties.
    #[must_use]
    pub fn write(&self, value: Option<&Value>) -> Json {
        value.map_or(Json::Null, |value| (self.write)(value))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("field", &self.field)
            .field("kind", &self.kind)
            .field("can_write", &self.can_write)
            .finish_non_exhaustive()
    }
}

/// A JSON scalar, or a list of them, as a value; what has parts has none.
#[must_use]
pub fn read_plain(held: &Json) -> Option<Value> {
    match held {
        Json::Null | Json::Object(_) => None,
        Json::Bool(is) => Some(Value::Bool(*is)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Some(Value::Integer(whole)),
            None => number.as_f64().map(Value::Number),
        },
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Array(all) => Some(Value::List(all.iter().filter_map(read_plain).collect())),
    }
}

/// A value as JSON.
#[must_use]
pub fn write_plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Integer(whole) => Json::from(*whole),
        Value::Number(number) => Json::from(*number),
        Value::Bool(is) => Json::from(*is),
        Value::List(all) => all.iter().map(write_plain).collect(),
    }
}

/// Knows the forms of a connection's fields. Where there is none, all are [`Form::plain`].
#[async_trait]
pub trait Forms: Send + Sync {
    /// The form of a field by the vendor's name, or by one that guides use for it. `kind`:
    /// what a person says that it holds; `None` leaves it to what the vendor's names tell.
    ///
    /// # Errors
    /// `Invalid` naming `object`, or the field where it can be none.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error>;

    /// The field by which a record of the object is made, the key of `Write::Create`, where
    /// the vendor takes only one; `None` leaves it to the caller.
    fn key(&self, object: &str) -> Option<String> {
        let _ = object;
        None
    }

    /// Makes what fields need and what is absent (a custom field of a schema), for fields
    /// as forms name them. What was made, in words; done again it makes nothing.
    ///
    /// # Errors
    /// Any [`Error`].
    async fn prepare(&self, object: &str, fields: &[String]) -> Result<Vec<String>, Error> {
        let _ = (object, fields);
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::Form;
    use domain::Value;
    use domain::sync::Kind;
    use serde_json::{Value as Json, json};

    #[test]
    fn a_list_may_be_one_text() {
        let form = Form::separated("Interests__c", Kind::Tags, ';');
        let value = form.read(&json!("vip; new;")).expect("a value");
        assert_eq!(value, Value::List(vec!["vip".into(), "new".into()]));
        assert_eq!(form.write(Some(&value)), json!("vip;new"));
    }

    #[test]
    fn plain_values_are_read_as_they_are_written() {
        let form = Form::plain("LeadScore", Kind::Number);
        let check = |held: Json, expected: Option<Value>| {
            let read = form.read(&held);
            assert_eq!(read, expected, "{held}");
            assert_eq!(form.write(read.as_ref()), held);
        };
        check(json!("a"), Some("a".into()));
        check(json!(7), Some(7.into()));
        check(json!(7.5), Some(Value::Number(7.5)));
        check(json!(false), Some(Value::Bool(false)));
        check(json!(["b", "a"]), Some(Value::List(vec!["b".into(), "a".into()])));
        check(Json::Null, None);
        assert_eq!(form.read(&json!({ "id": "7" })), None, "what has parts is no value");
    }
}
