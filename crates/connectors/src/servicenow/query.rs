//! Writes encoded queries in which nothing a caller says can become syntax.
//!
//! ServiceNow has neither bind parameters nor an escape: `^` ends a condition wherever it
//! stands, `javascript:` is evaluated, a comma parts a list. So [`literal`] refuses what
//! cannot be written, and the types here are the only way to a query. A part that the
//! instance does not understand it drops without a word, and returns what is left: so
//! nobody trusts a row that was not compared with what was asked ([`super::mapping`]).
//!
//! Sources: "Encoded query strings"; Table API, `sysparm_query`.

use domain::Timestamp;
use std::time::Duration;

/// Bytes of one query: with the rest of the address below the 8 KiB that usual edges take.
pub(super) const QUERY_MAX: usize = 2_400;

/// A column, or a path to one through references: `email`, `account.name`. In lower case,
/// as ServiceNow makes them: in capitals it could be read as an operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

/// One condition: a column, an operator, and values that were let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term(String);

/// Conditions of which at least one holds: `^OR` binds closer than `^`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnyOf(String);

/// Which rows of a table are wanted, and what of them.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) table: Name,
    /// All of these hold.
    pub(super) all: Vec<AnyOf>,
    pub(super) order: Vec<Name>,
    pub(super) fields: Vec<Name>,
    pub(super) limit: u32,
    pub(super) offset: u32,
    /// Is it to be told how many there are? It costs the instance a second query.
    pub(super) is_counted: bool,
    /// Are the words that people see wanted beside the values?
    pub(super) with_display: bool,
}

/// The value as it is written into a query: the one way in. It is not changed, only let
/// through or not, because ServiceNow knows no escape. `is_listed`: among others, after `IN`.
///
/// # Errors
/// Why it cannot be written, without the value.
pub(super) fn literal(value: &str, is_listed: bool) -> Result<String, &'static str> {
    if value.trim().is_empty() || value.trim().eq_ignore_ascii_case("null") {
        return Err("an empty value would match records that have none");
    }
    if value.contains('^') {
        return Err("it holds a ^, which ServiceNow cannot be told to take as text");
    }
    if value.chars().any(char::is_control) {
        return Err("it holds a line end or another control character");
    }
    let bare: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    if bare.to_ascii_lowercase().contains("javascript:") {
        return Err("it holds javascript:, which ServiceNow would run");
    }
    if is_listed && value.contains(',') {
        return Err("it holds a comma, which parts the values of a list");
    }
    Ok(value.to_owned())
}

impl Name {
    /// The name, or `None` when it is none.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_step = |step: &str| {
            let begins = step.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            begins
                && step.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        (text.len() <= 200 && text.split('.').all(is_step)).then(|| Self(text.to_owned()))
    }

    /// A name that stands in the code.
    pub(super) fn fixed(text: &str) -> Self {
        Self::new(text).expect("written in the code")
    }

    /// A table's name: one step.
    pub(super) fn table(text: &str) -> Option<Self> {
        Self::new(text).filter(|name| !name.0.contains('.'))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Term {
    /// The column holds this value; `None` when it cannot be written.
    pub(super) fn is(column: &Name, value: &str) -> Option<Self> {
        literal(value, false).ok().map(|value| Self(format!("{}={value}", column.0)))
    }

    /// The column holds whoever asks: the one script that is ever sent, and fixed.
    pub(super) fn own(column: &Name) -> Self {
        Self(format!("{}=javascript:gs.getUserID()", column.0))
    }

    /// The column holds one of the values; those that cannot stand in a list are left out.
    /// `None` when none is left.
    pub(super) fn one_of<'a>(
        column: &Name,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        let values: Vec<String> =
            values.into_iter().filter_map(|value| literal(value, true).ok()).collect();
        (!values.is_empty()).then(|| Self(format!("{}IN{}", column.0, values.join(","))))
    }

    /// The column's text has these digits in it, side by side.
    pub(super) fn contains(column: &Name, digits: &str) -> Option<Self> {
        let fits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(format!("{}LIKE{digits}", column.0)))
    }

    /// The time lies at this moment.
    pub(super) fn at(column: &Name, moment: &Moment) -> Self {
        Self(format!("{}={}", column.0, moment.0))
    }

    /// The time lies at this moment or after it.
    pub(super) fn since(column: &Name, moment: &Moment) -> Self {
        Self(format!("{}>={}", column.0, moment.0))
    }

    /// The time lies after this moment.
    pub(super) fn after(column: &Name, moment: &Moment) -> Self {
        Self(format!("{}>{}", column.0, moment.0))
    }

    /// The id comes after this one; `None` when it is no id.
    pub(super) fn beyond(column: &Name, id: &str) -> Option<Self> {
        sys_id(id).map(|id| Self(format!("{}>{id}", column.0)))
    }
}

impl AnyOf {
    /// At least one of the terms; `None` when there are none.
    pub(super) fn new(terms: impl IntoIterator<Item = Term>) -> Option<Self> {
        let terms: Vec<String> = terms.into_iter().map(|term| term.0).collect();
        (!terms.is_empty()).then(|| Self(terms.join("^OR")))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Term> for AnyOf {
    fn from(term: Term) -> Self {
        Self(term.0)
    }
}

impl Query {
    /// Rows of the table that meet the conditions.
    pub(super) fn of(table: &Name, all: Vec<AnyOf>, fields: Vec<Name>, limit: u32) -> Self {
        Self {
            table: table.clone(),
            all,
            order: Vec::new(),
            fields,
            limit,
            offset: 0,
            is_counted: false,
            with_display: false,
        }
    }

    /// Oldest first by these columns.
    pub(super) fn ordered(mut self, order: &[&Name]) -> Self {
        self.order = order.iter().map(|name| (*name).clone()).collect();
        self
    }

    /// The options of the Table API.
    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        let mut parts: Vec<String> = self.all.iter().map(|any| any.0.clone()).collect();
        parts.extend(self.order.iter().map(|name| format!("ORDERBY{}", name.0)));
        let fields: Vec<&str> = self.fields.iter().map(Name::as_str).collect();
        let display = if self.with_display { "all" } else { "false" };
        let mut options = vec![
            ("sysparm_query", parts.join("^")),
            ("sysparm_fields", fields.join(",")),
            ("sysparm_limit", self.limit.to_string()),
            ("sysparm_display_value", display.to_owned()),
            ("sysparm_exclude_reference_link", "true".to_owned()),
        ];
        if self.offset > 0 {
            options.push(("sysparm_offset", self.offset.to_string()));
        }
        if !self.is_counted {
            options.push(("sysparm_no_count", "true".to_owned()));
        }
        options
    }
}

/// A moment as ServiceNow writes it: UTC, to the second, without a zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(String);

impl Moment {
    pub(super) fn of(at: Timestamp) -> Self {
        let text: String = at.to_string().chars().take(19).collect();
        Self(text.replace('T', " "))
    }

    /// The moment, or `None` when it is not written like `2026-01-01 00:00:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let at = Timestamp::parse(text).filter(|_| text.len() == 19)?;
        Some(Self::of(at))
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::parse(&self.0).unwrap_or_default()
    }

    /// So much earlier.
    pub(super) fn minus(&self, duration: Duration) -> Self {
        Self::of(self.timestamp().minus(duration))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A record's id as ServiceNow writes it, or `None` when it cannot be one: 32 letters and
/// digits.
pub(super) fn sys_id(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{AnyOf, Moment, Name, Query, Term, literal, sys_id};
    use domain::Timestamp;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect(text)
    }

    #[test]
    fn what_could_end_a_condition_run_or_part_a_list_is_refused() {
        for odd in ["a^ORactive=true", "^", "JavaScript:gs.getUserID()", "java script :x", "", " "]
        {
            assert!(literal(odd, false).is_err(), "{odd}");
        }
        for odd in ["NULL", "null ", "a\nb", "a\u{0}"] {
            assert!(literal(odd, false).is_err(), "{odd}");
        }
        assert!(literal("a,b", true).is_err());
        assert_eq!(literal("Doe, John", false).as_deref(), Ok("Doe, John"));
        assert_eq!(literal("o'brien+x@example.com", true).as_deref(), Ok("o'brien+x@example.com"));
    }

    #[test]
    fn names_that_could_be_operators_or_syntax_are_refused() {
        for text in ["", "a.", ".a", "1a", "Phone", "phoneLIKE", "a^b", "a=b", "a,b", "a b", "ä"] {
            assert_eq!(Name::new(text), None, "{text}");
        }
        assert!(Name::new("account.u_tier2").is_some());
        assert_eq!(Name::table("account.name"), None);
    }

    #[test]
    fn a_query_reads_as_the_vendor_documents() {
        let any = AnyOf::new([
            Term::one_of(&name("phone"), ["+1555", "a,b", "(555) 1"]).expect("a list"),
            Term::is(&name("email"), "x@example.com").expect("a term"),
        ]);
        let since = Moment::of(Timestamp(1_795_292_100_999));
        let all = vec![any.expect("terms"), Term::since(&name("sys_updated_on"), &since).into()];
        let query = Query::of(&name("sys_user"), all, vec![name("sys_id"), name("email")], 7)
            .ordered(&[&name("sys_id")]);
        assert_eq!(
            query.options()[0].1,
            "phoneIN+1555,(555) 1^ORemail=x@example.com\
             ^sys_updated_on>=2026-11-21 20:15:00^ORDERBYsys_id"
        );
        assert_eq!(query.options()[1].1, "sys_id,email");
    }

    #[test]
    fn an_id_has_32_letters_and_digits() {
        let id = "A1b2c3d4e5f60718293a4b5c6d7e8f90";
        assert_eq!(sys_id(id), Some(id.to_ascii_lowercase()));
        for odd in
            ["", "x", "a1b2c3d4e5f60718293a4b5c6d7e8f9^", "a1b2c3d4e5f60718293a4b5c6d7e8f900"]
        {
            assert_eq!(sys_id(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_value_ever_adds_a_condition(
            values in prop::collection::vec(any::<String>(), 1..4),
            odd in "[a-z^,=]{0,6}(\\^OR|\\^NQ|\\^|javascript:|,)[a-z=^]{0,6}",
        ) {
            let all: Vec<&str> = values.iter().map(String::as_str).chain([odd.as_str()]).collect();
            if let Some(term) = Term::one_of(&name("phone"), all.iter().copied()) {
                let listed = term.0.strip_prefix("phoneIN").expect("the list");
                prop_assert!(!listed.contains('^') && !listed.to_lowercase().contains("javascript:"));
                prop_assert!(listed.split(',').all(|one| all.contains(&one)), "only what was asked");
            }
            for value in all {
                if let Some(term) = Term::is(&name("email"), value) {
                    prop_assert_eq!(&term.0, &format!("email={value}"));
                    prop_assert!(!value.contains('^'));
                }
            }
        }
    }
}
