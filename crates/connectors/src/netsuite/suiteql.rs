//! Writes SuiteQL in which nothing a caller says can become syntax.
//!
//! Over REST there are no bind parameters. So the types here are the only way to a query:
//! names pass a fixed pattern ([`Name`]), ids are digits ([`Id`]), texts become literals
//! with their quotes doubled ([`literal`], the one escape). [`SUITEQL`] does the same for
//! what an administrator wrote.
//!
//! Source: Oracle, "SuiteQL Syntax and Examples", "SuiteQL Supported Built-in Functions".

use kit::Language;

/// A moment's form: an account's own depends on somebody's preferences.
const FORM: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS'";
/// Characters of the conditions in one query; the vendor states no limit.
const CONDITIONS_MAX: usize = 16_000;

/// Name of a table or column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// A record's internal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// A moment as [`FORM`] writes it, in the time zone of the integration's user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(String);

/// The text of a condition, complete and escaped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Condition(String);

/// What a query gives for each row, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    Plain(Name),
    /// A date and time, under its own name.
    Moment(Name),
    /// What people read in place of a key, under the name with `_label` behind it.
    Label(Name),
}

/// A whole query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Query(String);

impl Name {
    /// The name, or `None` when it is not letters, digits and `_`, beginning with a letter.
    pub(super) fn new(text: &str) -> Option<Self> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (begins && fits && text.len() <= 100).then(|| Self(text.to_ascii_lowercase()))
    }

    /// A name that stands in this folder's own code.
    pub(super) fn fixed(text: &'static str) -> Self {
        Self::new(text).expect("written in this folder")
    }

    /// In lower case, as answers have it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Id {
    /// The id, or `None` when the text is no positive number.
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_number = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|id| is_number && *id > 0).map(Self)
    }

    pub(super) fn text(self) -> String {
        self.0.to_string()
    }
}

impl Moment {
    /// The moment, or `None` when the text has not its form.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fits = text.len() == 19
            && text.bytes().zip("0000-00-00T00:00:00".bytes()).all(|(own, form)| match form {
                b'0' => own.is_ascii_digit(),
                form => own == form,
            });
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Column {
    /// The column as it stands in a query.
    fn sql(&self) -> String {
        match self {
            Self::Plain(name) => name.0.clone(),
            Self::Moment(name) => format!("TO_CHAR({}, {FORM}) AS {}", name.0, name.0),
            Self::Label(name) => format!("BUILTIN.DF({}) AS {}_label", name.0, name.0),
        }
    }
}

impl Condition {
    /// The column holds one of these texts; `None` when there are none.
    pub(super) fn one_of<'a>(
        column: &Name,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        let values: Vec<String> = values.into_iter().map(literal).collect();
        (!values.is_empty()).then(|| Self(format!("{} IN ({})", column.0, values.join(", "))))
    }

    /// The column holds this text, in any case.
    pub(super) fn text(column: &Name, value: &str) -> Self {
        Self(format!("LOWER({}) = {}", column.0, literal(&value.to_lowercase())))
    }

    /// The column holds one of these ids; `None` when there are none.
    pub(super) fn ids(column: &Name, ids: &[Id]) -> Option<Self> {
        let ids: Vec<String> = ids.iter().map(|id| id.text()).collect();
        (!ids.is_empty()).then(|| Self(format!("{} IN ({})", column.0, ids.join(", "))))
    }

    /// The column begins with this text, what may be a wildcard standing for any character.
    pub(super) fn starts_with(column: &Name, value: &str) -> Self {
        let tame = value.replace('%', "_");
        Self(format!("{} LIKE {}", column.0, literal(&format!("{tame}%"))))
    }

    /// The column holds these digits in this order, with anything between them.
    pub(super) fn digits_in_order(column: &Name, digits: &str) -> Self {
        let digits: Vec<String> =
            digits.chars().filter(char::is_ascii_digit).map(|c| c.to_string()).collect();
        Self(format!("{} LIKE {}", column.0, literal(&format!("%{}%", digits.join("%")))))
    }

    /// The flag is as said.
    pub(super) fn flag(column: &Name, is_set: bool) -> Self {
        Self(format!("{} = '{}'", column.0, if is_set { 'T' } else { 'F' }))
    }

    /// The number is above zero.
    pub(super) fn above_zero(column: &Name) -> Self {
        Self(format!("{} > 0", column.0))
    }

    /// The moment is this or a later one.
    pub(super) fn since(column: &Name, at: &Moment) -> Self {
        Self(format!("{} >= TO_DATE({}, {FORM})", column.0, literal(&at.0)))
    }

    /// What comes behind a row in the order of moment and id.
    pub(super) fn behind(column: &Name, at: &Moment, id: Id) -> Self {
        let moment = format!("TO_DATE({}, {FORM})", literal(&at.0));
        let (column, id) = (&column.0, id.0);
        Self(format!("({column} > {moment} OR ({column} = {moment} AND id > {id}))"))
    }

    /// At least one of the conditions holds; `None` when there are none.
    pub(super) fn any(mut conditions: Vec<Self>) -> Option<Self> {
        if conditions.len() < 2 {
            return conditions.pop();
        }
        let texts: Vec<String> = conditions.into_iter().map(|c| c.0).collect();
        Some(Self(format!("({})", texts.join(" OR "))))
    }

    /// Both conditions hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self(format!("{} AND {}", self.0, other.0))
    }

    /// Joins conditions into as few as go into one query each.
    pub(super) fn packed(conditions: Vec<Self>) -> Vec<Self> {
        let mut packs: Vec<Vec<Self>> = Vec::new();
        let mut length = 0;
        for condition in conditions {
            let more = condition.0.len() + " OR ".len();
            match packs.last_mut() {
                Some(pack) if length + more <= CONDITIONS_MAX => pack.push(condition),
                _ => {
                    packs.push(vec![condition]);
                    length = 0;
                }
            }
            length += more;
        }
        packs.into_iter().filter_map(Self::any).collect()
    }
}

impl Query {
    /// Rows of a table that meet a condition, in the order of their ids or of a moment
    /// before these, so that pages follow each other.
    pub(super) fn select(
        table: &Name,
        columns: &[Column],
        condition: Option<&Condition>,
        by: Option<&Name>,
    ) -> Self {
        let columns: Vec<String> = columns.iter().map(Column::sql).collect();
        let mut text = format!("SELECT {} FROM {}", columns.join(", "), table.0);
        if let Some(condition) = condition {
            text.push_str(&format!(" WHERE {}", condition.0));
        }
        match by {
            Some(by) => text.push_str(&format!(" ORDER BY {}, id", by.0)),
            None => text.push_str(" ORDER BY id"),
        }
        Self(text)
    }

    /// Deletions, in the order of their moments.
    pub(super) fn deletions(id: &Name, condition: &Condition) -> Self {
        let at = Column::Moment(Name::fixed("deleteddate")).sql();
        let (id, condition) = (&id.0, &condition.0);
        Self(format!(
            "SELECT {id}, {at} FROM deletedrecord WHERE {condition} ORDER BY deleteddate, {id}"
        ))
    }

    /// How many open invoices these customers have, and what is due on them.
    pub(super) fn open_invoices(customers: &[Id]) -> Option<Self> {
        let of = Condition::ids(&Name::fixed("entity"), customers)?;
        let due = Name::fixed("foreignamountunpaid");
        let open = Condition::one_of(&Name::fixed("type"), ["CustInvc"])?;
        let condition = of.and(open).and(Condition::above_zero(&due)).0;
        Some(Self(format!(
            "SELECT entity, COUNT(*) AS invoices, SUM({}) AS due FROM transaction WHERE {condition} GROUP BY entity ORDER BY entity",
            due.0
        )))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Values in a query's text.
pub(super) const SUITEQL: Language = Language { name: "SuiteQL", literal: in_query };

fn in_query(before: &str, value: &str) -> Result<String, &'static str> {
    if value.contains('\0') {
        return Err("a text of SuiteQL has no NUL in it");
    }
    // A doubled quote inside a literal closes and opens it again: the count stays right.
    if !before.matches('\'').count().is_multiple_of(2) {
        return Ok(value.replace('\'', "''"));
    }
    let is_apart = before.ends_with([' ', '(', '=', ',', '<', '>']);
    if is_apart && Id::new(value).is_some_and(|id| id.text() == value) {
        return Ok(value.to_owned());
    }
    Err("outside quotes stands only a whole number; put quotes around a text")
}

/// `'…'` with every quote inside doubled: the only escape.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\0', "").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{CONDITIONS_MAX, Column, Condition, Id, Moment, Name, Query, in_query};
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect(text)
    }

    /// Reads one literal as the vendor does: its value and what follows it.
    fn read_literal(text: &str) -> (String, &str) {
        let mut rest = text.strip_prefix('\'').expect("a literal");
        let mut value = String::new();
        loop {
            let (before, after) = rest.split_once('\'').expect("closed");
            value.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => return (value, after),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back_as_the_same_literals(values in prop::collection::vec("[^\0]{0,30}", 1..5)) {
            let condition = Condition::one_of(&name("phone"), values.iter().map(String::as_str)).expect("values");
            let mut rest = condition.0.strip_prefix("phone IN (").expect("the list");
            for (at, expected) in values.iter().enumerate() {
                let (value, after) = read_literal(rest);
                prop_assert_eq!(&value, expected);
                rest = after.strip_prefix(if at + 1 < values.len() { ", " } else { ")" }).expect("the next");
            }
            prop_assert_eq!(rest, "");
            let text = Condition::text(&name("email"), &values[0]);
            let (value, after) = read_literal(text.0.strip_prefix("LOWER(email) = ").expect("the column"));
            prop_assert_eq!((value, after), (values[0].to_lowercase(), ""));
        }

        #[test]
        fn a_value_stays_in_the_quotes_that_an_administrator_wrote(value in "[^\0]{0,40}") {
            let before = "SELECT id FROM customer WHERE email = 'x''";
            let whole = format!("{before}{}'", in_query(before, &value).expect("inside quotes"));
            let (read, after) = read_literal(&whole[whole.find('\'').expect("quoted")..]);
            prop_assert_eq!((read, after), (format!("x'{value}"), ""));
        }

        #[test]
        fn outside_quotes_nothing_but_a_number_stands(value in any::<String>()) {
            let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            prop_assert!(in_query("WHERE id = ", &value).is_err() || is_number);
        }

        #[test]
        fn only_letters_digits_and_underscores_are_a_name(text in any::<String>()) {
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            prop_assert!(Name::new(&text).is_none() || plain);
        }

        #[test]
        fn packs_hold_every_condition_and_stay_short(values in prop::collection::vec("[a-z]{0,40}", 0..900)) {
            let conditions: Vec<Condition> =
                values.iter().map(|value| Condition::text(&name("email"), value)).collect();
            let packs = Condition::packed(conditions);
            let count: usize = packs.iter().map(|pack| pack.0.matches("LOWER(email)").count()).sum();
            prop_assert_eq!(count, values.len());
            prop_assert!(packs.iter().all(|pack| pack.0.len() <= CONDITIONS_MAX + 2));
        }
    }

    #[test]
    fn ids_and_moments_have_their_form() {
        assert_eq!(Id::new(" 0042 ").map(Id::text).as_deref(), Some("42"));
        for odd in ["", "0", "-1", "1 or 1", "1.0", "1234567890123456789"] {
            assert_eq!(Id::new(odd), None, "{odd}");
        }
        assert!(Moment::new("2026-11-22T06:55:33").is_some());
        for odd in ["", "2026-11-22", "2026-11-22T06:55:3'", "2026-11-22 06:55:33"] {
            assert_eq!(Moment::new(odd), None, "{odd}");
        }
    }

    #[test]
    fn queries_read_as_the_vendor_documents() {
        let (id, at) = (name("id"), name("LastModifiedDate"));
        let moment = Moment::new("2026-11-22T06:55:33").expect("a moment");
        let columns =
            [Column::Plain(id), Column::Moment(at.clone()), Column::Label(name("category"))];
        let behind = Condition::behind(&at, &moment, Id(7));
        assert_eq!(
            Query::select(&name("customer"), &columns, Some(&behind), Some(&at)).as_str(),
            "SELECT id, TO_CHAR(lastmodifieddate, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS lastmodifieddate, \
             BUILTIN.DF(category) AS category_label FROM customer WHERE (lastmodifieddate > \
             TO_DATE('2026-11-22T06:55:33', 'YYYY-MM-DD\"T\"HH24:MI:SS') OR (lastmodifieddate = \
             TO_DATE('2026-11-22T06:55:33', 'YYYY-MM-DD\"T\"HH24:MI:SS') AND id > 7)) \
             ORDER BY lastmodifieddate, id"
        );
        let either = Condition::any(vec![
            Condition::starts_with(&name("phone"), "+1 (555)%"),
            Condition::digits_in_order(&name("phone"), "5-5"),
        ]);
        let both = either.expect("two").and(Condition::flag(&name("isinactive"), false));
        assert_eq!(both.0, "(phone LIKE '+1 (555)_%' OR phone LIKE '%5%5%') AND isinactive = 'F'");
    }
}
