//! A system beside a person's own: which account of it a person is linked to, and what
//! its word adds.

use crate::{Contact, Value};
use std::collections::BTreeMap;

/// Which of a person's fields holds the id of an account in another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkedBy {
    /// The id of the account that the record hangs on, in the person's own system.
    Account,
    /// A name of the person's data.
    Field(String),
}

impl LinkedBy {
    /// `account`, or a name of the person's data.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "account" => Self::Account,
            name => Self::Field(name.to_owned()),
        }
    }

    /// The linked account's id; `None` where the person is linked to none, also where
    /// the field holds what cannot be an id.
    #[must_use]
    pub fn account_of(&self, person: &Contact) -> Option<String> {
        let id = match self {
            Self::Account => person.account.clone()?,
            Self::Field(name) => match person.data.get(name)? {
                Value::Text(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                Value::Number(_) | Value::Bool(_) | Value::List(_) => return None,
            },
        };
        let id = id.trim();
        (1..=ID_MAX).contains(&id.chars().count()).then(|| id.to_owned())
    }
}

/// Characters of an account's id: a longer text is a note in the wrong field.
const ID_MAX: usize = 128;

/// Adds what another system says to a person's own data. A name that is there already
/// keeps its value: the person's own system knows the person. Returns what was added.
pub fn join(
    own: &mut BTreeMap<String, Value>,
    said: &BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    let is_new = |(name, _): &(&String, &Value)| !own.contains_key(*name);
    let added: BTreeMap<_, _> =
        said.iter().filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect();
    own.extend(added.clone());
    added
}

#[cfg(test)]
mod tests {
    use super::{ID_MAX, LinkedBy, join};
    use crate::{Contact, Value};

    #[test]
    fn a_link_is_a_text_or_a_whole_number_and_nothing_else() {
        let link = LinkedBy::parse("erpNumber");
        let of = |value: Option<Value>| {
            let data = value.map(|value| ("erpNumber".to_owned(), value)).into_iter().collect();
            link.account_of(&Contact { account: Some("001".into()), data, ..Contact::default() })
        };
        assert_eq!(of(Some(" 2000001 ".into())), Some("2000001".into()));
        assert_eq!(of(Some(2_000_001_i64.into())), Some("2000001".into()));
        let long = "9".repeat(ID_MAX + 1);
        for none in [
            None,
            Some("".into()),
            Some("  ".into()),
            Some(long.as_str().into()),
            Some(Value::Bool(true)),
            Some(Value::Number(0.5)),
            Some(Value::List(vec!["2000001".into()])),
        ] {
            assert_eq!(of(none.clone()), None, "{none:?}");
        }
    }

    #[test]
    fn the_word_account_means_the_record_that_the_person_hangs_on() {
        let link = LinkedBy::parse("account");
        let person = Contact { account: Some("0018000000aBcDe".into()), ..Contact::default() };
        assert_eq!(link.account_of(&person), Some("0018000000aBcDe".into()));
        assert_eq!(link.account_of(&Contact::default()), None);
    }

    #[test]
    fn a_name_that_is_there_keeps_its_value() {
        let mut own = [("tier".to_owned(), "Gold".into())].into();
        let said = [("tier".to_owned(), "C".into()), ("erpStatus".to_owned(), "blocked".into())];
        let added = join(&mut own, &said.into());
        assert_eq!(added, [("erpStatus".to_owned(), "blocked".into())].into());
        let whole =
            [("erpStatus".to_owned(), "blocked".into()), ("tier".to_owned(), "Gold".into())];
        assert_eq!(own, whole.into());
    }
}
