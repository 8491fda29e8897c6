//! What an administrator wrote, compiled: every query there is, and what each may be given.

use super::mapping::Columns;
use super::statement::{Argument, Dialect, Given, Parameter, Statement, Takes};
use super::tables::Tables;
use domain::{Numbering, Phone, phone};
use kit::{Error, Settings};
use std::collections::BTreeMap;

/// Forms of one number that are compared with: more than any plan of numbers has.
const FORMS_MAX: usize = 24;
/// Queries under one setting.
const MAP_MAX: usize = 100;

const PHONE: &[Parameter] = &[
    Parameter::one("phone_e164"),
    Parameter::one("phone_digits"),
    Parameter::one("phone_national"),
    Parameter { name: "phone_forms", most: FORMS_MAX },
];
const EMAIL: &[Parameter] = &[Parameter::one("email"), Parameter::one("email_lower")];
const RECORD: &[Parameter] = &[Parameter::one("record")];
const ACCOUNT: &[Parameter] = &[Parameter::one("account")];
const AFTER: &[Parameter] =
    &[Parameter::one("after_time"), Parameter::one("after_id"), Parameter::one("page")];

/// The queries of one connection.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) by_phone: Option<Statement>,
    pub(super) by_email: Option<Statement>,
    pub(super) by_record: Option<Statement>,
    pub(super) account: Option<Statement>,
    pub(super) changes: BTreeMap<String, Statement>,
    pub(super) deletions: BTreeMap<String, Statement>,
    pub(super) named: BTreeMap<String, Statement>,
    pub(super) columns: Columns,
}

impl Queries {
    /// Compiles them all; `tables` are described besides.
    ///
    /// # Errors
    /// `Invalid` naming the setting, the place and the mend.
    pub(super) fn of(
        settings: &Settings,
        dialect: Dialect,
        tables: &Tables,
    ) -> Result<Self, Error> {
        let one = |setting: &str, takes| {
            let text = settings.text(setting);
            text.map(|sql| Statement::compile(setting, sql, dialect, Takes::Some(takes)))
                .transpose()
        };
        let many = |setting: &str, takes| {
            let pairs = settings.pairs(setting);
            if pairs.len() > MAP_MAX {
                return Err(invalid(setting, "has more than a hundred queries"));
            }
            let compile = |(name, sql): (String, String)| {
                let at = format!("{setting}.{name}");
                Ok((name, Statement::compile(&at, &sql, dialect, takes)?))
            };
            pairs.into_iter().map(compile).collect::<Result<BTreeMap<_, _>, Error>>()
        };
        let queries = Self {
            by_phone: one("lookup_by_phone", PHONE)?,
            by_email: one("lookup_by_email", EMAIL)?,
            by_record: one("lookup_by_record", RECORD)?,
            account: one("account_query", ACCOUNT)?,
            changes: many("changes", Takes::Some(AFTER))?,
            deletions: many("deletions", Takes::Some(AFTER))?,
            named: many("queries", Takes::Any)?,
            columns: Columns::of(settings)?,
        };
        queries.coherent(tables)?;
        Ok(queries)
    }

    fn coherent(&self, tables: &Tables) -> Result<(), Error> {
        let is_known =
            |object: &&String| self.changes.contains_key(*object) || tables.contains_key(*object);
        if let Some(object) = self.deletions.keys().find(|object| !is_known(object)) {
            return Err(invalid("deletions", &format!("`{object}` has no query in changes")));
        }
        if let Some(object) = self.changes.keys().find(|object| tables.contains_key(*object)) {
            let reason = format!("`{object}` is described under tables, which tells its changes");
            return Err(invalid("changes", &reason));
        }
        for statement in self.changes.values().chain(self.deletions.values()) {
            let missing = AFTER.iter().find(|one| !statement.parameters().contains(&one.name));
            if let Some(one) = missing {
                let reason = format!("names no :{}, by which it would go on", one.name);
                return Err(invalid(&statement.setting, &reason));
            }
        }
        let is_name = |name: &&String| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if let Some(name) = self.named.keys().find(|name| !is_name(name)) {
            let reason = format!("`{name}` is no name: letters, digits, - and _");
            return Err(invalid("queries", &reason));
        }
        let finds = self.by_phone.is_some() || self.by_email.is_some() || self.by_record.is_some();
        let does =
            finds || self.account.is_some() || !self.changes.is_empty() || !self.named.is_empty();
        if does || !tables.is_empty() {
            Ok(())
        } else {
            Err(invalid("lookup_by_phone", "is not set, nor is any other query"))
        }
    }

    /// Is there a way to find people at all?
    pub(super) fn finds_people(&self) -> bool {
        self.by_phone.is_some() || self.by_email.is_some() || self.by_record.is_some()
    }

    /// Every query, with parameters to try it by: nobody's.
    pub(super) fn samples(&self) -> Vec<(&Statement, Vec<(&str, Given)>)> {
        let single = [&self.by_phone, &self.by_email, &self.by_record, &self.account];
        let single = single.into_iter().flatten();
        let several =
            self.changes.values().chain(self.deletions.values()).chain(self.named.values());
        single
            .chain(several)
            .map(|statement| {
                let names = statement.parameters().into_iter();
                (statement, names.map(|name| (name, sample_of(name))).collect())
            })
            .collect()
    }
}

/// A value of the form that a parameter has.
fn sample_of(name: &str) -> Given {
    match name {
        "page" => Given::One(Argument::Integer(1)),
        "phone_forms" => Given::Many(vec!["0".to_owned()]),
        "after_time" => "2001-01-01 00:00:00".into(),
        _ => "0".into(),
    }
}

/// What a query by phone is given.
pub(super) fn of_phone(phone: &Phone, numbers: Numbering) -> Vec<(&'static str, Given)> {
    let mut forms = numbers.all_forms(phone);
    forms.truncate(FORMS_MAX);
    vec![
        ("phone_e164", phone.e164.as_str().into()),
        ("phone_digits", phone.e164.trim_start_matches('+').into()),
        ("phone_national", phone::national_digits(phone).as_str().into()),
        ("phone_forms", Given::Many(forms)),
    ]
}

/// What a query by e-mail is given.
pub(super) fn of_email(email: &str) -> Vec<(&'static str, Given)> {
    let email = email.trim();
    vec![("email", email.into()), ("email_lower", email.to_lowercase().as_str().into())]
}

pub(super) fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::FORMS_MAX;
    use domain::{Region, phone};

    #[test]
    fn no_number_has_more_forms_than_there_are_places() {
        for text in [
            "+15550199999",
            "+442079460018",
            "+4930901820",
            "+33142685300",
            "+5511961234567",
            "+390612345678",
        ] {
            let region = Region::parse("US").expect("a region");
            let phone = phone::parse_stored(text, region).expect(text);
            let mut forms = phone::typed_forms(&phone);
            forms.extend(phone::digit_forms(&phone));
            forms.sort();
            forms.dedup();
            assert!(forms.len() <= FORMS_MAX, "{text}: {}", forms.len());
        }
    }
}
