//! Where a value lies in a record, and how it is read out of it and put into it.

use domain::sync::Kind;
use domain::{Numbering, Value};
use kit::{Error, Fields, Form, Forms};
use serde_json::Value as Json;

/// One end of a sync: an object of a connection.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// What people call the connection.
    pub connection: &'a str,
    /// The vendor's name of the object.
    pub object: &'a str,
    /// How the connection's fields hold their values; `None`: as plain JSON.
    pub forms: Option<&'a dyn Forms>,
    /// How its numbers are read.
    pub numbers: Numbering,
    /// What its records' ids begin with where another system keeps them: `CRM`.
    pub prefix: Option<&'a str>,
}

/// Where a value lies.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The record's own id, as another system keeps it.
    Id { prefix: Option<String> },
    Field {
        form: Form,
        /// What follows the field's name where its connection knows no such paths.
        within: Vec<Part>,
    },
}

/// A step into what a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Name(String),
    Item(usize),
}

/// Longest name of a field.
const NAME_MAX: usize = 200;
/// Items of a list that can be named.
const ITEMS_MAX: usize = 100;

impl Place {
    /// The place of this name.
    ///
    /// # Errors
    /// What is wrong with the name, and what would do.
    pub(super) fn find(
        end: &End<'_>,
        name: &str,
        kind: Option<Kind>,
    ) -> Result<Self, (String, String)> {
        // The guides name the object too: `Contact.Id`.
        let own = name.split_once('.').filter(|(object, _)| *object == end.object);
        let name = own.map_or(name, |(_, name)| name);
        if name.eq_ignore_ascii_case("id") {
            return Ok(Self::Id { prefix: end.prefix.map(str::to_owned) });
        }
        let parts = parts(name).ok_or_else(|| {
            let fix = "write a field, a part of one as `address.city`, or an item of a list as \
                       `phoneNumbers[0]`";
            ("is no name of a field".to_owned(), fix.to_owned())
        })?;
        let Some(forms) = end.forms else {
            return Ok(plain(name, parts, kind));
        };
        match forms.form(end.object, name, kind) {
            Ok(form) => Ok(Self::Field { form, within: Vec::new() }),
            Err(error) => Err(refusal(end, &error)),
        }
    }

    /// The vendor's own name of what is asked for and written; the id comes unasked.
    pub(super) fn asked(&self) -> Option<&str> {
        match self {
            Self::Id { .. } => None,
            Self::Field { form, .. } => Some(&form.field),
        }
    }

    pub(super) fn can_write(&self) -> bool {
        matches!(self, Self::Field { form, .. } if form.can_write)
    }

    /// As the vendor's form says; `None` for an id.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Id { .. } => None,
            Self::Field { form, .. } => Some(form.kind),
        }
    }

    pub(super) fn read(&self, id: &str, fields: &Fields) -> Option<Value> {
        match self {
            Self::Id { prefix: Some(prefix) } => Some(Value::Text(format!("{prefix}:{id}"))),
            Self::Id { prefix: None } => Some(Value::Text(id.to_owned())),
            Self::Field { form, within } => {
                let held = fields.get(&form.field)?;
                let held = within.iter().try_fold(held, |held, part| match part {
                    Part::Name(name) => held.get(name),
                    Part::Item(at) => held.get(at),
                });
                form.read(held?)
            }
        }
    }

    /// What is written, and where; nothing for an id.
    pub(super) fn write(&self, value: Option<&Value>) -> Option<(String, Json)> {
        match self {
            Self::Id { .. } => None,
            Self::Field { form, .. } => Some((form.field.clone(), form.write(value))),
        }
    }
}

/// A field of a connection whose fields are plain JSON. Paths of names go to it as they are;
/// an item of a list can only be read: to write one is to write the list.
fn plain(name: &str, parts: Vec<Part>, kind: Option<Kind>) -> Place {
    let kind = kind.unwrap_or_default();
    let Some(item) = parts.iter().position(|part| matches!(part, Part::Item(_))) else {
        return Place::Field { form: Form::plain(name, kind), within: Vec::new() };
    };
    let head = name.split('[').next().unwrap_or(name);
    let within = parts[item..].to_vec();
    Place::Field { form: Form::plain(head, kind).read_only(), within }
}

/// `a.b[0].c` as its parts; `None` when it is no name.
fn parts(name: &str) -> Option<Vec<Part>> {
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return None;
    }
    let mut parts = Vec::new();
    for piece in name.split('.') {
        let (word, mut items) = match piece.find('[') {
            Some(at) => piece.split_at(at),
            None => (piece, ""),
        };
        if word.trim().is_empty() || word.contains(']') {
            return None;
        }
        parts.push(Part::Name(word.to_owned()));
        while !items.is_empty() {
            let (item, rest) = items.strip_prefix('[')?.split_once(']')?;
            let is_plain = !item.is_empty() && item.bytes().all(|b| b.is_ascii_digit());
            let at = item.parse().ok().filter(|at| is_plain && *at < ITEMS_MAX)?;
            parts.push(Part::Item(at));
            items = rest;
        }
    }
    Some(parts)
}

fn refusal(end: &End<'_>, error: &Error) -> (String, String) {
    match error {
        Error::Invalid { field: Some(field), reason } if field == "object" => (
            format!(
                "cannot be: {} has no `{}` to keep the same: {reason}",
                end.connection, end.object
            ),
            "name another object".to_owned(),
        ),
        Error::Invalid { reason, .. } => (
            format!("cannot be: {reason}"),
            format!("name a field of `{}` of {}", end.object, end.connection),
        ),
        other => (format!("could not be looked at: {other}"), format!("check {}", end.connection)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, parts};

    #[test]
    fn a_name_is_cut_into_its_parts() {
        let name = |word: &str| Part::Name(word.to_owned());
        for (text, expected) in [
            ("Email", Some(vec![name("Email")])),
            ("address.city", Some(vec![name("address"), name("city")])),
            ("phoneNumbers[0]", Some(vec![name("phoneNumbers"), Part::Item(0)])),
            (
                "a.b[2][3].c d",
                Some(vec![name("a"), name("b"), Part::Item(2), Part::Item(3), name("c d")]),
            ),
            ("", None),
            (" ", None),
            ("a..b", None),
            (".a", None),
            ("a.", None),
            ("[0]", None),
            ("a[", None),
            ("a[]", None),
            ("a[x]", None),
            ("a[0]b", None),
            ("a[+1]", None),
            ("a[100]", None),
            ("a]", None),
            ("a\nb", None),
        ] {
            assert_eq!(parts(text), expected, "{text:?}");
        }
        assert_eq!(parts(&"a".repeat(201)), None);
    }
}
