//! How fields hold their values: SuiteQL tells yes and no as `T` and `F`, and another
//! record as its bare id; the record service takes `true`, `false` and an object.

use super::changes::named;
use domain::Value;
use domain::sync::Kind;
use kit::forms::{read_plain, write_plain};
use kit::{Error, Form, Forms};
use serde_json::{Value as Json, json};

/// Fields that name another record, in lower case.
const LOOKUPS: [&str; 8] = [
    "company",
    "subsidiary",
    "salesrep",
    "parent",
    "category",
    "currency",
    "entitystatus",
    "supervisor",
];
/// What NetSuite sets itself.
const CLOSED: [&str; 4] = ["id", "lastmodifieddate", "datecreated", "links"];

/// Forms by names alone.
pub(super) struct Names;

impl Forms for Names {
    /// `contact.email` is `email`: guides write the record before the field.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        named("object", object)?;
        let own = name.split_once('.').filter(|(before, _)| before.eq_ignore_ascii_case(object));
        let name = own.map_or(name, |(_, field)| field);
        named(name, name)?;
        let lower = name.to_ascii_lowercase();
        let kind = kind.unwrap_or_else(|| told(&lower));
        let form = match kind {
            _ if LOOKUPS.contains(&lower.as_str()) => Form::new(name, kind, read_plain, referred),
            Kind::Bool => Form::new(name, kind, read_flag, write_plain),
            _ => Form::plain(name, kind),
        };
        Ok(if CLOSED.contains(&lower.as_str()) { form.read_only() } else { form })
    }
}

fn read_flag(held: &Json) -> Option<Value> {
    match held.as_str() {
        Some("T") => Some(Value::Bool(true)),
        Some("F") => Some(Value::Bool(false)),
        _ => read_plain(held),
    }
}

fn referred(id: &Value) -> Json {
    json!({ "id": write_plain(id) })
}

/// What a field's name says that it holds.
fn told(lower: &str) -> Kind {
    let ends = |words: &[&str]| words.iter().any(|word| lower.ends_with(word));
    match lower {
        "lastmodifieddate" | "datecreated" => Kind::Moment,
        "isinactive" | "isperson" | "isprivate" | "unsubscribe" => Kind::Bool,
        _ if ends(&["email"]) => Kind::Email,
        _ if ends(&["phone", "fax"]) => Kind::Phone,
        _ if ends(&["score", "creditlimit"]) => Kind::Number,
        _ if ends(&["tags"]) => Kind::Tags,
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
    fn what_is_read_by_suiteql_is_written_as_the_record_service_takes_it() {
        let form = |name| Names.form("contact", name, None).expect(name);
        let flag = form("isInactive");
        assert_eq!(flag.read(&json!("F")), Some(Value::Bool(false)));
        assert_eq!(flag.write(Some(&Value::Bool(true))), json!(true));
        let company = form("contact.company");
        assert_eq!(company.field, "company");
        let id = company.read(&json!("107"));
        assert_eq!(company.write(id.as_ref()), json!({ "id": "107" }));
        assert_eq!(form("homePhone").kind, Kind::Phone);
        assert!(!form("lastModifiedDate").can_write && form("email").can_write);
        assert!(Names.form("contact", "a b", None).is_err());
        assert!(Names.form("a b", "email", None).is_err());
    }
}
