//! How fields hold their values: what names another record is an object with its id.

use super::super::coql::Name;
use super::{OWN, module};
use domain::Value;
use domain::sync::Kind;
use kit::forms::write_plain;
use kit::{Error, Form, Forms};
use serde_json::{Value as Json, json};

/// Fields of the usual modules that name another record.
const LOOKUPS: [&str; 6] =
    ["Account_Name", "Contact_Name", "Vendor_Name", "Parent_Account", "Reporting_To", "Owner"];
/// What Zoho sets itself, besides what comes with every record.
const CLOSED: [&str; 3] = ["Created_Time", "Created_By", "Full_Name"];

/// Forms by names alone.
pub(in super::super) struct Names;

impl Forms for Names {
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        module(object)?;
        if Name::new(name).is_none() {
            let reason = "is no name of a field".to_owned();
            return Err(Error::Invalid { field: Some("fields".to_owned()), reason });
        }
        let kind = kind.unwrap_or_else(|| told(name));
        let form = match LOOKUPS.contains(&name) {
            true => Form::new(name, kind, |held| held["id"].as_str().map(Value::from), named),
            false => Form::plain(name, kind),
        };
        let is_closed = OWN.contains(&name) || CLOSED.contains(&name) || name.contains('.');
        Ok(if is_closed { form.read_only() } else { form })
    }
}

fn named(id: &Value) -> Json {
    match id {
        Value::Text(id) => json!({ "id": id }),
        other => write_plain(other),
    }
}

fn told(name: &str) -> Kind {
    let last = name.rsplit('.').next().unwrap_or_default();
    let ends = |words: &[&str]| words.iter().any(|word| last.ends_with(word));
    match last {
        _ if ends(&["Email"]) => Kind::Email,
        _ if ends(&["Phone", "Mobile", "Fax"]) => Kind::Phone,
        "Date_of_Birth" => Kind::Date,
        _ if ends(&["_Time"]) => Kind::Moment,
        "Employees" | "No_of_Employees" | "Annual_Revenue" => Kind::Number,
        "Email_Opt_Out" => Kind::Bool,
        _ if ends(&["Tags"]) => Kind::Tags,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use domain::sync::Kind;
    use kit::Forms;
    use kit::forms::read_plain;
    use serde_json::json;

    #[test]
    fn an_account_is_known_by_its_id_and_names_tell_what_fields_hold() {
        let account = Names.form("Contacts", "Account_Name", None).expect("a form");
        let held = json!({ "name": "Acme", "id": "5725767000000425001" });
        let id = account.read(&held).expect("an id");
        assert_eq!(account.write(Some(&id)), json!({ "id": "5725767000000425001" }));
        assert_eq!(read_plain(&held), None);
        for (name, kind, can_write) in [
            ("Email", Kind::Email, true),
            ("Other_Phone", Kind::Phone, true),
            ("Last_Name", Kind::Text, true),
            ("Modified_Time", Kind::Moment, false),
            ("Account_Name.Phone", Kind::Phone, false),
        ] {
            let form = Names.form("Contacts", name, None).expect(name);
            assert_eq!((form.kind, form.can_write), (kind, can_write), "{name}");
        }
        assert!(Names.form("Contacts", "a b", None).is_err());
    }
}
