//! How properties hold their values: days are `/Date(…)/`, in milliseconds since 1970.

use super::mapping::date;
use super::records::{check_object, property};
use domain::sync::Kind;
use domain::{Timestamp, Value};
use kit::forms::{read_plain, write_plain};
use kit::{Error, Form, Forms};
use serde_json::Value as Json;

/// What SAP sets itself, or once when a partner is made.
const CLOSED: [&str; 9] = [
    "BusinessPartner",
    "BusinessPartnerFullName",
    "BusinessPartnerName",
    "BusinessPartnerUUID",
    "CreatedByUser",
    "CreationDate",
    "CreationTime",
    "LastChangeDate",
    "LastChangedByUser",
];

/// Forms by names alone.
pub(super) struct Names;

impl Forms for Names {
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        check_object(object)?;
        let own = name.split_once('.').filter(|(before, _)| *before == object);
        let name = own.map_or(name, |(_, field)| field);
        property(name)?;
        let kind = kind.unwrap_or_else(|| told(name));
        let form = match kind {
            Kind::Date | Kind::Moment => Form::new(name, kind, read_day, write_day),
            _ => Form::plain(name, kind),
        };
        Ok(if CLOSED.contains(&name) { form.read_only() } else { form })
    }
}

fn read_day(held: &Json) -> Option<Value> {
    match held.as_str().and_then(date) {
        Some(day) => Some(Value::Text(day.to_string())),
        None => read_plain(held),
    }
}

fn write_day(value: &Value) -> Json {
    let day = match value {
        Value::Text(text) if text.len() == 10 => Timestamp::parse(&format!("{text}T00:00:00Z")),
        Value::Text(text) => Timestamp::parse(text),
        _ => None,
    };
    day.map_or_else(|| write_plain(value), |Timestamp(ms)| format!("/Date({ms})/").into())
}

/// What a property's name says that it holds.
fn told(name: &str) -> Kind {
    let is = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
    match name {
        "BusinessPartnerIsBlocked" | "IsMarkedForArchiving" => Kind::Bool,
        _ if name.starts_with("Is") => Kind::Bool,
        _ if is(&["Date", "BirthDate"]) => Kind::Date,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use domain::Value;
    use domain::sync::Kind;
    use kit::Forms;
    use serde_json::json;

    #[test]
    fn a_day_is_read_and_written_in_milliseconds() {
        let form = |name| Names.form("A_BusinessPartner", name, None).expect(name);
        let birth = form("BirthDate");
        assert_eq!(birth.kind, Kind::Date);
        let day = birth.read(&json!("/Date(1492041600000)/")).expect("a day");
        let Value::Text(text) = &day else { panic!("{day:?}") };
        assert!(text.starts_with("2017-04-13"), "{text}");
        assert_eq!(birth.write(Some(&"2017-04-13".into())), json!("/Date(1492041600000)/"));
        assert_eq!(birth.write(Some(&day)), json!("/Date(1492041600000)/"));
        assert!(!form("BusinessPartner").can_write && form("FirstName").can_write);
        assert!(Names.form("A_BusinessPartner", "to_X/Y", None).is_err());
        assert!(Names.form("A_Customer", "FirstName", None).is_err());
    }
}
