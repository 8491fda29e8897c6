//! How fields hold their values: everything is a text, and times have a form of their own.
//!
//! A field is a column, or a path to another record's (`account.name`), which is only read.
//! What a name does not tell, the dictionary does, before a run writes
//! ([`Forms::prepare`]): a time goes into a column of times as the instance writes times,
//! and a column that there is not is told before its values would be ignored.

use super::columns::{column, table};
use super::dictionary::Dictionary;
use super::query::{Moment, Name};
use async_trait::async_trait;
use domain::sync::Kind;
use domain::{Timestamp, Value};
use kit::forms::write_plain;
use kit::{Error, Form, Forms};
use serde_json::Value as Json;
use std::sync::Arc;

/// Forms by names, and what the dictionary says.
pub(super) struct Names {
    pub(super) dictionary: Arc<Dictionary>,
}

#[async_trait]
impl Forms for Names {
    /// `customer_contact.email` is `email`: guides write the table before the column.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        let table = table(object)?;
        let own = name.strip_prefix(object).and_then(|rest| rest.strip_prefix('.'));
        let column = column(own.unwrap_or(name))?;
        let kind = kind.unwrap_or_else(|| told(column.as_str()));
        let field = column.as_str().to_owned();
        let is_closed = field.contains('.') || field.starts_with("sys_");
        let form = match kind {
            Kind::Tags => Form::separated(field, kind, ','),
            Kind::Moment => Form::new(field, kind, kit::forms::read_plain, moment),
            _ => {
                let dictionary = Arc::clone(&self.dictionary);
                let write = move |value: &Value| match dictionary.holds(&table, &column) {
                    Some(kind) if kind == "glide_date_time" => moment(value),
                    _ => write_plain(value),
                };
                Form::new(field, kind, kit::forms::read_plain, write)
            }
        };
        Ok(if is_closed { form.read_only() } else { form })
    }

    /// Nothing is made; columns that there are not are told, and types learned.
    async fn prepare(&self, object: &str, fields: &[String]) -> Result<Vec<String>, Error> {
        let table = table(object)?;
        let columns: Result<Vec<Name>, Error> = fields.iter().map(|field| column(field)).collect();
        let columns = columns?;
        if !columns.is_empty() {
            self.dictionary.require(&table, &columns).await?;
            self.dictionary.learn(&table, &columns).await?;
        }
        Ok(Vec::new())
    }
}

/// A time as the instance writes it; what is none stays as it is.
fn moment(value: &Value) -> Json {
    let at = match value {
        Value::Text(text) => Timestamp::parse(text),
        _ => None,
    };
    at.map_or_else(|| write_plain(value), |at| Moment::of(at).as_str().into())
}

/// What a column's name says that it holds.
fn told(column: &str) -> Kind {
    let last = column.rsplit('.').next().unwrap_or_default();
    let ends = |words: &[&str]| words.iter().any(|word| last.ends_with(word));
    match last {
        "active" | "vip" | "locked_out" | "notification_opt_out" => Kind::Bool,
        "sys_created_on" | "sys_updated_on" | "opened_at" | "closed_at" => Kind::Moment,
        _ if ends(&["email"]) => Kind::Email,
        _ if ends(&["phone", "phone_number", "fax"]) => Kind::Phone,
        _ if ends(&["date_of_birth", "birth_date", "birthdate"]) => Kind::Date,
        _ if ends(&["score", "sys_mod_count"]) => Kind::Number,
        _ if ends(&["tags"]) => Kind::Tags,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::{moment, told};
    use domain::Value;
    use domain::sync::Kind;
    use serde_json::json;

    #[test]
    fn names_tell_what_columns_hold_and_times_are_written_as_the_instance_does() {
        for (name, kind) in [
            ("mobile_phone", Kind::Phone),
            ("account.phone", Kind::Phone),
            ("email", Kind::Email),
            ("sys_updated_on", Kind::Moment),
            ("u_tags", Kind::Tags),
            ("first_name", Kind::Text),
        ] {
            assert_eq!(told(name), kind, "{name}");
        }
        assert_eq!(moment(&"2026-11-21T18:55:00Z".into()), json!("2026-11-21 18:55:00"));
        assert_eq!(moment(&"soon".into()), json!("soon"));
        assert_eq!(moment(&Value::Integer(7)), json!(7));
    }
}
