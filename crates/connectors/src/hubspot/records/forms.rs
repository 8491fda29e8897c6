//! How properties hold their values: all are texts, whatever they are of.

use super::super::mapping::Property;
use super::object;
use domain::Value;
use domain::sync::Kind;
use kit::forms::{read_plain, write_plain};
use kit::{Error, Form, Forms};
use serde_json::Value as Json;

/// What HubSpot sets itself.
const CLOSED: [&str; 4] = ["hs_object_id", "createdate", "lastmodifieddate", "hs_lastmodifieddate"];

/// Forms by names alone; HubSpot's own are of small letters.
pub(in super::super) struct Names;

impl Forms for Names {
    fn form(&self, kind_of: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        object(kind_of)?;
        let field = name.to_ascii_lowercase();
        if Property::new(&field).is_none() {
            let reason = "is no name of a property".to_owned();
            return Err(Error::Invalid { field: Some("fields".to_owned()), reason });
        }
        let is_closed = CLOSED.contains(&field.as_str());
        let kind = kind.unwrap_or_else(|| told(&field));
        let form = match kind {
            Kind::Tags => Form::separated(field, kind, ';'),
            Kind::Number => Form::new(field, kind, number, write_plain),
            Kind::Bool => Form::new(field, kind, truth, write_plain),
            _ => Form::plain(field, kind),
        };
        Ok(if is_closed { form.read_only() } else { form })
    }
}

fn told(field: &str) -> Kind {
    match field {
        "createdate" | "lastmodifieddate" | "hs_lastmodifieddate" => Kind::Moment,
        "date_of_birth" => Kind::Date,
        "numberofemployees" | "annualrevenue" | "hubspotscore" => Kind::Number,
        _ if field.ends_with("email") => Kind::Email,
        _ if field.ends_with("phone") || field == "fax" => Kind::Phone,
        _ if field.ends_with("tags") => Kind::Tags,
        _ => Kind::Text,
    }
}

fn number(held: &Json) -> Option<Value> {
    let Some(text) = held.as_str().map(str::trim) else { return read_plain(held) };
    let whole = text.parse::<i64>().map(Value::Integer).ok();
    whole.or_else(|| text.parse::<f64>().map(Value::Number).ok()).or_else(|| read_plain(held))
}

fn truth(held: &Json) -> Option<Value> {
    match held.as_str() {
        Some("true") => Some(Value::Bool(true)),
        Some("false") => Some(Value::Bool(false)),
        _ => read_plain(held),
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use domain::Value;
    use domain::sync::Kind;
    use kit::Forms;
    use serde_json::{Value as Json, json};

    #[test]
    fn texts_are_read_as_what_they_are_of() {
        let check = |name: &str, kind: Option<Kind>, held: Json, expected: Value| {
            let form = Names.form("contacts", name, kind).expect(name);
            assert_eq!(form.read(&held), Some(expected), "{name}");
        };
        check("email", None, json!("a@b.example"), "a@b.example".into());
        check("hubspotscore", None, json!("7"), 7.into());
        check("hubspotscore", None, json!("7.5"), Value::Number(7.5));
        check("vip", Some(Kind::Bool), json!("true"), Value::Bool(true));
        check("crm_tags", None, json!("a;b"), Value::List(vec!["a".into(), "b".into()]));
        let field = |name: &str| Names.form("contacts", name, None).expect(name).field;
        assert_eq!(field("firstName"), "firstname");
        assert!(!Names.form("contacts", "createdate", None).expect("read").can_write);
        assert!(Names.form("contacts", "a b", None).is_err());
        assert!(Names.form("a b", "email", None).is_err());
    }
}
