//! How an org's fields hold their values, as far as their names tell.
//!
//! Values are plain JSON, but for multi-select picklists, which are one text with `;`
//! between. A field of another record (`Account.Name`) is read and not written.

use super::records::{field_name, object};
use domain::sync::Kind;
use kit::{Error, Form, Forms};

/// What an org sets itself in every object.
const CLOSED: [&str; 7] = [
    "Id",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "IsDeleted",
];

/// Forms by names alone.
pub(super) struct Names;

impl Forms for Names {
    /// `Contact.Email` is `Email`: guides write the object before the field.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        let object = self::object(object)?;
        let own = name.split_once('.').filter(|(before, _)| object.is(before));
        let field = field_name(own.map_or(name, |(_, field)| field))?;
        let field = field.as_str();
        let kind = kind.unwrap_or_else(|| told(field));
        let form = match kind {
            Kind::Tags => Form::separated(field, kind, ';'),
            _ => Form::plain(field, kind),
        };
        let is_closed = CLOSED.iter().any(|closed| field.eq_ignore_ascii_case(closed));
        Ok(if is_closed || field.contains('.') { form.read_only() } else { form })
    }
}

/// What a field's name says that it holds.
fn told(field: &str) -> Kind {
    let last = field.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let word = last.strip_suffix("__c").unwrap_or(&last);
    let ends = |words: &[&str]| words.iter().any(|end| word.ends_with(end));
    match word {
        "createddate" | "lastmodifieddate" | "systemmodstamp" => Kind::Moment,
        _ if ends(&["email"]) => Kind::Email,
        _ if ends(&["phone", "mobile", "fax"]) => Kind::Phone,
        _ if ends(&["birthdate", "date"]) => Kind::Date,
        _ if ends(&["tags"]) => Kind::Tags,
        _ if ends(&["score", "numberofemployees", "annualrevenue", "amount"]) => Kind::Number,
        _ if word.starts_with("hasoptedout") || word.starts_with("donot") => Kind::Bool,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use domain::sync::Kind;
    use kit::Forms;

    #[test]
    fn names_tell_what_fields_hold() {
        let check = |name: &str, field: &str, kind: Kind, can_write: bool| {
            let form = Names.form("Contact", name, None).expect(name);
            assert_eq!((form.field.as_str(), form.kind, form.can_write), (field, kind, can_write));
        };
        check("Contact.Id", "Id", Kind::Text, false);
        check("FirstName", "FirstName", Kind::Text, true);
        check("Contact.Email", "Email", Kind::Email, true);
        check("MobilePhone", "MobilePhone", Kind::Phone, true);
        check("Birthdate", "Birthdate", Kind::Date, true);
        check("Tags__c", "Tags__c", Kind::Tags, true);
        check("Lead_Score__c", "Lead_Score__c", Kind::Number, true);
        check("Account.Name", "Account.Name", Kind::Text, false);
        for odd in ["", "a b", "x' OR", "Contact."] {
            assert!(Names.form("Contact", odd, None).is_err(), "{odd}");
        }
    }
}
