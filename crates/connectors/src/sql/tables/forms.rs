//! How columns hold values, as far as their names and the description tell.
//!
//! What a column really holds, the catalogue says when it is written ([`super::values`]).

use super::is_name;
use super::shape::Shapes;
use crate::sql::queries::invalid;
use async_trait::async_trait;
use domain::Value;
use domain::sync::Kind;
use kit::forms::{read_plain, write_plain};
use kit::{Error, Form, Forms, Lane};
use serde_json::Value as Json;
use std::sync::Arc;

/// The forms of one connection.
pub(in crate::sql) struct Names {
    pub(in crate::sql) shapes: Arc<Shapes>,
}

#[async_trait]
impl Forms for Names {
    /// `people.email` is `email`, where `people` is the object or its table.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        let Some(table) = self.shapes.tables.get(object) else {
            return Err(invalid("object", "is described under no tables"));
        };
        let is_own = |before: &str| before == object || before.eq_ignore_ascii_case(&table.name.1);
        let own = name.split_once('.').filter(|(before, _)| is_own(before));
        let field = own.map_or(name, |(_, field)| field);
        if !is_name(field) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(invalid(&shown, "is no name of a column"));
        }
        let kind = kind.unwrap_or_else(|| told(field));
        let form = match kind {
            Kind::Tags => Form::new(field, kind, listed, write_plain),
            _ => Form::plain(field, kind),
        };
        Ok(if table.writes(field) { form } else { form.read_only() })
    }

    fn key(&self, object: &str) -> Option<String> {
        let table = self.shapes.tables.get(object)?;
        Some(table.key.clone().unwrap_or_else(|| table.record.clone()))
    }

    /// Nothing is made; what is not there is told before a run writes.
    async fn prepare(&self, object: &str, fields: &[String]) -> Result<Vec<String>, Error> {
        let shape = self.shapes.of(Lane::Background, object).await?;
        shape.fields(fields).map(|_| Vec::new())
    }
}

/// A list, which may be kept as JSON in a column of text.
fn listed(held: &Json) -> Option<Value> {
    let text = held.as_str().filter(|text| text.trim_start().starts_with('['));
    let list: Option<Json> = text.and_then(|text| serde_json::from_str(text).ok());
    read_plain(list.as_ref().unwrap_or(held))
}

/// What a column's name says that it holds.
fn told(column: &str) -> Kind {
    let column = column.to_ascii_lowercase();
    let ends = |words: &[&str]| words.iter().any(|word| column.ends_with(word));
    let begins = |words: &[&str]| words.iter().any(|word| column.starts_with(word));
    match column.as_str() {
        _ if ends(&["email", "e_mail", "mail"]) => Kind::Email,
        _ if ends(&["phone", "mobile", "fax", "telephone"]) => Kind::Phone,
        _ if ends(&["birthday", "birthdate", "_date", "_on"]) => Kind::Date,
        _ if ends(&["_at"]) => Kind::Moment,
        _ if begins(&["is_", "has_", "do_not_"]) => Kind::Bool,
        _ if ends(&["score"]) => Kind::Number,
        _ if ends(&["tags"]) => Kind::Tags,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::{listed, told};
    use domain::sync::Kind;
    use serde_json::json;

    #[test]
    fn a_list_may_be_kept_as_json_in_a_text() {
        assert_eq!(listed(&json!("[\"a\", \"b\"]")), listed(&json!(["a", "b"])));
        assert_eq!(listed(&json!("[draft] a")), Some("[draft] a".into()));
    }

    #[test]
    fn names_tell_what_columns_hold() {
        for (name, kind) in [
            ("work_email", Kind::Email),
            ("MOBILE", Kind::Phone),
            ("updated_at", Kind::Moment),
            ("is_vip", Kind::Bool),
            ("lead_score", Kind::Number),
            ("last_name", Kind::Text),
        ] {
            assert_eq!(told(name), kind, "{name}");
        }
    }
}
