//! Writes SOQL and SOSL in which nothing a caller says can become syntax.
//!
//! Salesforce has no bind parameters. So the types here are the only way to a
//! query: names pass a fixed pattern ([`Name`]), texts become escaped literals
//! ([`Condition::one_of`]), what is searched for is digits ([`Digits`]). The
//! client sends [`Soql`] and [`Sosl`] and nothing else.
//!
//! Source: SOQL and SOSL Reference, "Quoted String Escape Sequences" and "FIND".

use domain::Timestamp;
use std::fmt::Write as _;

/// Longest WHERE clause the vendor takes is 4,000 characters; `WHERE ` and the
/// parentheses around what is joined stay inside the rest.
pub(super) const WHERE_MAX: usize = 3_900;

/// Name of an object, or path to a field: `Contact`, `Account.Name`, `Tier__c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// One or more decimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digits(String);

/// A record's id: letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordId(String);

/// The text of a condition, complete and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition(String);

/// A whole SOQL query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Soql(String);

/// A whole SOSL search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sosl(String);

impl Name {
    /// The name, or `None` when it is not letters, digits, `_` and `.`, beginning with a letter.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let fits = begins && text.len() <= 255 && text.bytes().all(is_path);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Names are the same in any case.
    pub(super) fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl RecordId {
    /// The id, or `None` when it is not 15 to 18 letters and digits.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fits = (15..=18).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Digits {
    /// The digits of `text` in their order, or `None` when it has none.
    pub(super) fn of(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(Self(digits))
    }
}

impl Condition {
    /// The field holds one of the values; `None` when there are none (an empty
    /// list is a syntax error there).
    pub(super) fn one_of<'a>(
        field: &Name,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut text = String::new();
        for value in values {
            let before = if text.is_empty() { " IN (" } else { ", " };
            if text.is_empty() {
                text.push_str(field.as_str());
            }
            text.push_str(before);
            push_literal(&mut text, value);
        }
        (!text.is_empty()).then(|| Self(text + ")"))
    }

    /// The field holds these digits in this order, with anything between them.
    pub(super) fn digits_in_order(field: &Name, digits: &Digits) -> Self {
        let mut pattern = String::from("%");
        for digit in digits.0.chars() {
            pattern.push(digit);
            pattern.push('%');
        }
        // Digits and % only: nothing to escape.
        Self(format!("{} LIKE '{pattern}'", field.0))
    }

    /// The checkbox is set.
    pub(super) fn holds(field: &Name) -> Self {
        Self(format!("{} = true", field.0))
    }

    /// The record's id comes after this one.
    pub(super) fn id_after(id: &RecordId) -> Self {
        Self(format!("Id > '{}'", id.0))
    }

    /// The date-time field holds one of these moments; `None` when there are none.
    pub(super) fn one_of_moments(field: &Name, moments: &[Timestamp]) -> Option<Self> {
        let texts: Vec<String> = moments.iter().map(Timestamp::to_string).collect();
        (!texts.is_empty()).then(|| Self(format!("{} IN ({})", field.0, texts.join(", "))))
    }

    /// The date-time field holds this moment or a later one.
    pub(super) fn since(field: &Name, moment: Timestamp) -> Self {
        Self(format!("{} >= {moment}", field.0))
    }

    /// What changed at this moment and has a higher id, or changed later: what follows
    /// that record in the order of [`Soql::changes`].
    pub(super) fn changed_after(moment: Timestamp, id: &RecordId) -> Self {
        let id = &id.0;
        Self(format!("(SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > '{id}'))"))
    }

    /// At least one of the conditions holds; `None` when there are none.
    pub(super) fn any(conditions: Vec<Self>) -> Option<Self> {
        Self::joined(conditions, " OR ")
    }

    /// Both conditions hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self(format!("({} AND {})", self.0, other.0))
    }

    /// This condition, and the other where there is one.
    pub(super) fn and_all(self, other: Option<Self>) -> Self {
        match other {
            Some(other) => self.and(other),
            None => self,
        }
    }

    /// Length in characters, as the vendor's limit counts it.
    pub(super) fn len(&self) -> usize {
        self.0.chars().count()
    }

    fn joined(mut conditions: Vec<Self>, word: &str) -> Option<Self> {
        if conditions.len() < 2 {
            return conditions.pop();
        }
        let texts: Vec<String> = conditions.into_iter().map(|c| c.0).collect();
        Some(Self(format!("({})", texts.join(word))))
    }
}

impl Soql {
    /// Rows of `object` that meet `condition`, oldest first, so that a limit
    /// leaves the same ones out each time.
    pub(super) fn select(
        object: &Name,
        fields: &[Name],
        condition: Option<&Condition>,
        limit: u16,
    ) -> Self {
        let mut text = format!("SELECT {} FROM {}", list(fields), object.0);
        if let Some(condition) = condition {
            let _ = write!(text, " WHERE {} ORDER BY CreatedDate, Id", condition.0);
        }
        let _ = write!(text, " LIMIT {limit}");
        Self(text)
    }

    /// Rows of `object` that meet `condition`: those with the highest values of these fields
    /// first, a checkbox that is set before one that is not.
    pub(super) fn newest(
        object: &Name,
        fields: &[Name],
        condition: &Condition,
        by: &[Name],
        limit: u16,
    ) -> Self {
        let order: Vec<String> = by.iter().map(|name| format!("{} DESC", name.0)).collect();
        let (fields, order) = (list(fields), order.join(", "));
        let condition = &condition.0;
        Self(format!(
            "SELECT {fields} FROM {} WHERE {condition} ORDER BY {order} LIMIT {limit}",
            object.0
        ))
    }

    /// Rows of `object` that meet `condition`, in the order of their ids.
    pub(super) fn by_id(
        object: &Name,
        fields: &[Name],
        condition: Option<&Condition>,
        limit: u16,
    ) -> Self {
        let mut text = format!("SELECT {} FROM {}", list(fields), object.0);
        if let Some(condition) = condition {
            let _ = write!(text, " WHERE {}", condition.0);
        }
        let _ = write!(text, " ORDER BY Id LIMIT {limit}");
        Self(text)
    }

    /// For each value of `by`, the highest `of`, told as `latest`.
    pub(super) fn latest(object: &Name, by: &Name, of: &Name, condition: &Condition) -> Self {
        let (object, by, of, condition) = (&object.0, &by.0, &of.0, &condition.0);
        Self(format!("SELECT {by}, MAX({of}) latest FROM {object} WHERE {condition} GROUP BY {by}"))
    }

    /// Rows of `object` that meet `condition`, in the order of their changes.
    pub(super) fn changes(
        object: &Name,
        fields: &[Name],
        condition: Option<&Condition>,
        limit: usize,
    ) -> Self {
        let mut text = format!("SELECT {} FROM {}", list(fields), object.0);
        if let Some(condition) = condition {
            let _ = write!(text, " WHERE {}", condition.0);
        }
        let _ = write!(text, " ORDER BY SystemModstamp, Id LIMIT {limit}");
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Sosl {
    /// Records of these objects with one of `terms` in a phone field, up to
    /// `limit` of each; `None` without a term or an object.
    pub(super) fn phones<'a>(
        terms: &[Digits],
        objects: impl IntoIterator<Item = (&'a Name, &'a [Name])>,
        limit: u16,
    ) -> Option<Self> {
        let returning: Vec<String> = objects
            .into_iter()
            .map(|(object, fields)| {
                let fields = list(fields);
                format!("{}({fields} ORDER BY CreatedDate LIMIT {limit})", object.0)
            })
            .collect();
        if terms.is_empty() || returning.is_empty() {
            return None;
        }
        let terms: Vec<&str> = terms.iter().map(|t| t.0.as_str()).collect();
        Some(Self(format!(
            "FIND {{{}}} IN PHONE FIELDS RETURNING {}",
            terms.join(" OR "),
            returning.join(", ")
        )))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn list(fields: &[Name]) -> String {
    let names: Vec<&str> = fields.iter().map(Name::as_str).collect();
    names.join(", ")
}

/// Appends `'…'`.
fn push_literal(text: &mut String, value: &str) {
    text.push('\'');
    text.push_str(&escaped(value));
    text.push('\'');
}

/// What stands between the quotes. Exactly the vendor's escapes: any other backslash is
/// an error there.
pub(super) fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\'' => text.push_str("\\'"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Condition, Digits, Name, RecordId, Soql, Sosl};
    use domain::Timestamp;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect(text)
    }

    /// Reads one literal as the vendor does: its value and what follows it.
    fn read_literal(text: &str) -> Result<(String, &str), String> {
        let mut chars = text.strip_prefix('\'').ok_or("no literal")?.char_indices();
        let mut value = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => return Ok((value, &text[at + 2..])),
                '\\' => match chars.next().ok_or("ends in an escape")?.1 {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    'b' => value.push('\u{8}'),
                    'f' => value.push('\u{c}'),
                    c @ ('"' | '\'' | '\\') => value.push(c),
                    'u' => {
                        let hex: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&hex, 16).map_err(|e| e.to_string())?;
                        value.push(char::from_u32(code).ok_or("no character")?);
                    }
                    other => return Err(format!("\\{other} is no escape")),
                },
                c => value.push(c),
            }
        }
        Err("not closed".to_owned())
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back_as_the_same_literals(values in prop::collection::vec(any::<String>(), 1..4)) {
            let condition = Condition::one_of(&name("Email"), values.iter().map(String::as_str)).expect("values");
            let mut rest = condition.0.strip_prefix("Email IN (").expect("the list");
            for (at, expected) in values.iter().enumerate() {
                let (value, after) = read_literal(rest).expect("a literal");
                prop_assert_eq!(&value, expected);
                let separator = if at + 1 < values.len() { ", " } else { ")" };
                rest = after.strip_prefix(separator).expect("the separator");
            }
            prop_assert_eq!(rest, "");
        }

        #[test]
        fn only_digits_reach_a_search(text in any::<String>()) {
            if let Some(digits) = Digits::of(&text) {
                prop_assert!(!digits.0.is_empty() && digits.0.bytes().all(|b| b.is_ascii_digit()));
            }
        }

        #[test]
        fn only_letters_digits_dots_and_underscores_are_a_name(text in any::<String>()) {
            let is_name = Name::new(&text).is_some();
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
            prop_assert!(!is_name || plain);
        }
    }

    #[test]
    fn literals_are_written_as_the_vendor_documents() {
        let check = |value: &str, expected: &str| {
            let condition = Condition::one_of(&name("Name"), [value]).expect("a value");
            assert_eq!(condition.0, format!("Name IN ({expected})"));
        };
        check("O'Brien", r"'O\'Brien'");
        check(r"a\b", r"'a\\b'");
        check(r"\'", r"'\\\''");
        check("x' OR Name != '", r"'x\' OR Name != \''");
        check("a\nb\u{0}", r"'a\nb\u0000'");
    }

    #[test]
    fn names_that_could_be_syntax_are_refused() {
        for text in ["", "1a", "a b", "a,b", "a)", "a'", "_a", "Ä", ".a"] {
            assert_eq!(Name::new(text), None, "{text}");
        }
        assert!(Name::new("Account.Owner__r.Name").is_some());
    }

    #[test]
    fn an_empty_list_makes_no_condition() {
        assert_eq!(Condition::one_of(&name("Id"), []), None);
        assert_eq!(Condition::any(vec![]), None);
        assert_eq!(Sosl::phones(&[], [(&name("Contact"), [].as_slice())], 5), None);
    }

    #[test]
    fn queries_read_as_the_vendor_documents() {
        let fields = [name("Id"), name("Phone")];
        let digits = Digits::of("+1 (5)").expect("digits");
        let recent = Condition::since(&name("SystemModstamp"), Timestamp(0))
            .and(Condition::digits_in_order(&name("Phone"), &digits));
        let condition = Condition::any(vec![
            Condition::one_of(&name("Phone"), ["a", "b"]).expect("values"),
            recent,
        ]);
        let query = Soql::select(&name("Contact"), &fields, condition.as_ref(), 7);
        assert_eq!(
            query.as_str(),
            "SELECT Id, Phone FROM Contact WHERE (Phone IN ('a', 'b') OR \
             (SystemModstamp >= 1970-01-01T00:00:00.000Z AND Phone LIKE '%1%5%')) \
             ORDER BY CreatedDate, Id LIMIT 7"
        );
        let (contact, lead) = (name("Contact"), name("Lead"));
        let terms = [digits, Digits::of("42").expect("digits")];
        let objects = [(&contact, fields.as_slice()), (&lead, &fields[..1])];
        let search = Sosl::phones(&terms, objects, 9).expect("a search");
        assert_eq!(
            search.as_str(),
            "FIND {15 OR 42} IN PHONE FIELDS RETURNING Contact(Id, Phone ORDER BY CreatedDate \
             LIMIT 9), Lead(Id ORDER BY CreatedDate LIMIT 9)"
        );
    }

    #[test]
    fn queries_of_agents_read_as_the_vendor_documents() {
        let (object, user, end) = (name("UserServicePresence"), name("UserId"), name("EndDate"));
        let now = Condition::holds(&name("IsCurrentState"));
        let then = Condition::one_of_moments(&end, &[Timestamp(0), Timestamp(1_000)]);
        let any = Condition::any(vec![now, then.expect("moments")]);
        let named = Condition::one_of(&user, ["0055g00000ABCdEAAX"]).expect("ids");
        let whole = named.clone().and_all(any);
        let query = Soql::newest(
            &object,
            std::slice::from_ref(&user),
            &whole,
            std::slice::from_ref(&end),
            9,
        );
        assert_eq!(
            query.as_str(),
            "SELECT UserId FROM UserServicePresence WHERE (UserId IN ('0055g00000ABCdEAAX') AND \
             (IsCurrentState = true OR EndDate IN (1970-01-01T00:00:00.000Z, \
             1970-01-01T00:00:01.000Z))) ORDER BY EndDate DESC LIMIT 9"
        );
        let after = RecordId::new("0055g00000ABCdEAAX").map(|id| Condition::id_after(&id));
        let query = Soql::by_id(&object, &[end.clone(), user.clone()], after.as_ref(), 9);
        assert_eq!(
            query.as_str(),
            "SELECT EndDate, UserId FROM UserServicePresence WHERE Id > '0055g00000ABCdEAAX' \
             ORDER BY Id LIMIT 9"
        );
        assert_eq!(
            Soql::latest(&object, &user, &end, &named.and_all(None)).as_str(),
            "SELECT UserId, MAX(EndDate) latest FROM UserServicePresence \
             WHERE UserId IN ('0055g00000ABCdEAAX') GROUP BY UserId"
        );
        assert_eq!(Condition::one_of_moments(&end, &[]), None);
    }
}
