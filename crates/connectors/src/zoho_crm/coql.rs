//! Writes COQL queries and search criteria in which nothing a caller says can become syntax.
//!
//! Zoho has no bind parameters. So the types here are the only way to a query: names pass
//! a fixed pattern ([`Name`]), texts become literals ([`literal`]), and a query keeps the
//! vendor's bounds: 25 criteria, 50 values of an `in`, criteria bracketed in pairs.
//! [`language`] lets what an administrator wrote have values put in by the same rules.
//!
//! Source: "Query API - Limitations" and "Search Records" (v8); the doubled quote is from
//! Zoho's own "Kaizen 171: FAQs on COQL API". What a backslash means inside a literal is
//! documented nowhere, so that a value with one is refused rather than guessed.

use domain::Timestamp;
use kit::{Language, Place};
use std::fmt::Write as _;

/// Criteria in one query.
pub(super) const CRITERIA_MAX: usize = 25;
/// Values of one `in`.
pub(super) const VALUES_MAX: usize = 50;
/// Rows of one answer: one API credit, and as many as the vendor's description allows.
pub(super) const ROWS_MAX: usize = 200;
/// Columns of one query.
pub(super) const COLUMNS_MAX: usize = 50;

/// API name of a module or path to a field: `Contacts`, `Account_Name.Phone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// A complete condition of so many criteria.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    text: String,
    criteria: usize,
}

/// A whole query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(String);

impl Name {
    /// The name, or `None` when it is not letters, digits, `_` and `.`, beginning with a letter.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let fits = begins && text.len() <= 100 && text.bytes().all(is_path);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that is written in this program.
pub(super) fn name(text: &'static str) -> Name {
    Name::new(text).expect("written in this program")
}

/// A text as a literal; `None` where it has a character that none can hold.
fn literal(value: &str) -> Option<String> {
    (!is_unwritable(value)).then(|| format!("'{}'", value.replace('\'', "''")))
}

/// A backslash may or may not escape there, and controls have no place in a query.
fn is_unwritable(value: &str) -> bool {
    value.chars().any(|c| c == '\\' || c.is_control())
}

impl Condition {
    /// The field holds one of the values, as few criteria as hold them all. A value that
    /// no literal can hold is nobody's, and is left out.
    pub(super) fn one_of<'a>(field: &Name, values: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let literals: Vec<String> = values.into_iter().filter_map(literal).collect();
        let one = |values: &[String]| Self {
            text: format!("{} in ({})", field.0, values.join(", ")),
            criteria: 1,
        };
        literals.chunks(VALUES_MAX).map(one).collect()
    }

    /// The field is exactly this text.
    pub(super) fn equals(field: &Name, value: &str) -> Option<Self> {
        let literal = literal(value)?;
        Some(Self { text: format!("{} = {literal}", field.0), criteria: 1 })
    }

    /// What holds of every record: a query there cannot be without a condition.
    pub(super) fn any_record() -> Self {
        Self { text: "id is not null".to_owned(), criteria: 1 }
    }

    /// In the order of time and id, what comes behind this place.
    pub(super) fn behind(field: &Name, moment: Timestamp, id: u64) -> Self {
        let (field, at) = (&field.0, second(moment));
        Self {
            text: format!("({field} > '{at}' or ({field} = '{at}' and id > {id}))"),
            criteria: 3,
        }
    }

    /// Conditions of which at least one shall hold, as few as keep to 25 criteria each.
    pub(super) fn any(conditions: Vec<Self>) -> Vec<Self> {
        let mut packs: Vec<Self> = Vec::new();
        for condition in conditions {
            match packs.last_mut() {
                Some(pack) if pack.criteria + condition.criteria <= CRITERIA_MAX => {
                    pack.text = format!("({} or {})", pack.text, condition.text);
                    pack.criteria += condition.criteria;
                }
                _ => packs.push(condition),
            }
        }
        packs
    }
}

impl Query {
    /// Up to `limit` rows (200 at most), in the order of these fields.
    pub(super) fn select(
        module: &Name,
        fields: &[Name],
        condition: &Condition,
        order: &[&Name],
        limit: usize,
    ) -> Self {
        let list = |names: &mut dyn Iterator<Item = &Name>| {
            names.map(Name::as_str).collect::<Vec<_>>().join(", ")
        };
        let fields = list(&mut fields.iter());
        let mut text = format!("select {fields} from {} where {}", module.0, condition.text);
        if !order.is_empty() {
            let _ = write!(text, " order by {}", list(&mut order.iter().copied()));
        }
        let _ = write!(text, " limit {}", limit.clamp(1, ROWS_MAX));
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A moment as Zoho writes it, to the second.
pub(super) fn second(moment: Timestamp) -> String {
    format!("{}+00:00", moment.to_string().get(..19).unwrap_or_default())
}

/// The language of a place in a request.
pub(super) fn language(place: Place<'_>) -> Option<Language> {
    match place {
        Place::Json("select_query") => Some(Language { name: "COQL", literal: in_coql }),
        Place::Query("criteria") => {
            Some(Language { name: "search criteria", literal: in_criteria })
        }
        _ => None,
    }
}

/// A value inside the quotes that `before` has opened.
fn in_coql(before: &str, value: &str) -> Result<String, &'static str> {
    if is_unwritable(value) {
        return Err("a backslash or a control character cannot be written in COQL");
    }
    let mut open = None;
    // A doubled quote closes and opens again, which comes to the same.
    for c in before.chars().filter(|c| matches!(c, '\'' | '"')) {
        match open {
            None => open = Some(c),
            Some(quote) if quote == c => open = None,
            Some(_) => {}
        }
    }
    match open {
        Some(quote) => Ok(value.replace(quote, &format!("{quote}{quote}"))),
        None => Err("in COQL a value stands in quotes: '{{…}}'"),
    }
}

/// A value behind `(field:operator:` or, of a list, behind a comma.
fn in_criteria(before: &str, value: &str) -> Result<String, &'static str> {
    if value.chars().any(char::is_control) {
        return Err("a control character cannot be written in search criteria");
    }
    let mut colons = None;
    let mut chars = before.chars();
    while let Some(c) = chars.next() {
        match (c, &mut colons) {
            ('\\', _) => drop(chars.next()),
            ('(', _) => colons = Some(0),
            (')', _) => colons = None,
            (':', Some(count)) => *count += 1,
            _ => {}
        }
    }
    if colons.is_none_or(|count| count < 2) {
        return Err("in search criteria a value stands behind (field:operator:");
    }
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '(' | ')' | ',' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
