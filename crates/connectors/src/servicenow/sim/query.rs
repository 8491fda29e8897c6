//! The language of encoded queries: conditions joined by `^`, `^OR` and `^NQ`, and orders.
//!
//! A condition whose column or operator is unknown is dropped, and the others are kept; where
//! nothing is left, every row fits. Values are compared as the database does, without regard
//! to case. `javascript:` runs: the one script known here is `gs.getUserID()`.

use super::schema::Table;
use super::store::{Row, Store, known};

/// Operators, longest first where one begins like another.
const OPERATORS: [&str; 18] = [
    "NOT LIKE",
    "NOT IN",
    "ISNOTEMPTY",
    "ISEMPTY",
    "STARTSWITH",
    "ENDSWITH",
    "BETWEEN",
    "SAMEAS",
    "LIKE",
    "IN",
    ">=",
    "<=",
    "!=",
    "=",
    ">",
    "<",
    "CONTAINS",
    "ANYTHING",
];

/// A query as the instance understood it.
pub(super) struct Query {
    /// Any of these groups; within one all; within these any.
    groups: Vec<Vec<Vec<Condition>>>,
    order: Vec<(String, bool)>,
    /// A part was dropped.
    pub(super) is_invalid: bool,
}

struct Condition {
    path: String,
    operator: &'static str,
    value: String,
}

/// Who asks, for what a script or a time means.
pub(super) struct Session {
    pub(super) user: String,
    pub(super) hours: i64,
}

impl Query {
    /// Reads a query for a table.
    pub(super) fn read(text: &str, table: &Table, session: &Session) -> Query {
        let mut query = Query { groups: vec![Vec::new()], order: Vec::new(), is_invalid: false };
        for (at, part) in text.split('^').enumerate() {
            if part.is_empty() || part == "EQ" {
                continue;
            }
            if let Some(order) = ordered(part) {
                if known(table, &order.0) {
                    query.order.push(order);
                } else {
                    query.is_invalid = true;
                }
                continue;
            }
            let (part, joins) = match part {
                _ if at == 0 => (part, ""),
                part if part.starts_with("NQ") => (&part[2..], "NQ"),
                part if part.starts_with("OR") => (&part[2..], "OR"),
                part => (part, ""),
            };
            if joins == "NQ" {
                query.groups.push(Vec::new());
            }
            let Some(condition) = condition(part, table, session) else {
                query.is_invalid = true;
                continue;
            };
            let group = query.groups.last_mut().expect("there is always one");
            match group.last_mut().filter(|_| joins == "OR") {
                Some(any) => any.push(condition),
                None => group.push(vec![condition]),
            }
        }
        query
    }

    pub(super) fn fits(&self, store: &Store, row: &Row) -> bool {
        self.groups.iter().any(|group| {
            group.iter().all(|any| any.iter().any(|condition| condition.fits(store, row)))
        })
    }

    /// Puts rows into the order asked for; without one, into the database's own.
    pub(super) fn sort(&self, store: &Store, rows: &mut [&Row]) {
        rows.sort_by(|a, b| {
            let by = self.order.iter().map(|(path, is_descending)| {
                let value = |row| store.at(row, path).unwrap_or_default();
                let order = value(a).cmp(&value(b));
                if *is_descending { order.reverse() } else { order }
            });
            by.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
    }
}

fn ordered(part: &str) -> Option<(String, bool)> {
    if let Some(path) = part.strip_prefix("ORDERBYDESC") {
        return Some((path.to_owned(), true));
    }
    part.strip_prefix("ORDERBY").map(|path| (path.to_owned(), false))
}

fn condition(part: &str, table: &Table, session: &Session) -> Option<Condition> {
    let end =
        part.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c)));
    let (path, rest) = part.split_at(end.unwrap_or(part.len()));
    let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
    if !known(table, path) {
        return None;
    }
    let mut value = rest[operator.len()..].to_owned();
    if let Some(script) = value.strip_prefix("javascript:") {
        value = if script == "gs.getUserID()" { session.user.clone() } else { String::new() };
    }
    let is_time = table.kind(path) == Some("glide_date_time");
    if is_time && session.hours != 0 {
        value = shifted(&value, session.hours);
    }
    Some(Condition { path: path.to_owned(), operator, value })
}

impl Condition {
    fn fits(&self, store: &Store, row: &Row) -> bool {
        // A column that only some of the rows' tables have.
        let own = store.at(row, &self.path).unwrap_or_default().to_lowercase();
        let value = self.value.to_lowercase();
        let is_empty = value.is_empty() || value == "null";
        let listed = || value.split(',').any(|one| one.trim() == own.trim());
        match self.operator {
            "=" | "SAMEAS" if is_empty => own.is_empty(),
            "!=" if is_empty => !own.is_empty(),
            "=" => own == value,
            "!=" => own != value,
            "LIKE" | "CONTAINS" => own.contains(&value),
            "NOT LIKE" => !own.contains(&value),
            "STARTSWITH" => own.starts_with(&value),
            "ENDSWITH" => own.ends_with(&value),
            "IN" => listed(),
            "NOT IN" => !listed(),
            "ISEMPTY" => own.is_empty(),
            "ISNOTEMPTY" => !own.is_empty(),
            "ANYTHING" => true,
            ">" => own > value,
            ">=" => own >= value,
            "<" => own < value,
            "<=" => own <= value,
            "BETWEEN" => value
                .split_once('@')
                .is_some_and(|(from, to)| own.as_str() >= from && own.as_str() <= to),
            _ => false,
        }
    }
}

/// A time that was meant by a clock this many hours ahead, in UTC; only whole days are
/// carried over, which is all that a test needs.
fn shifted(text: &str, hours: i64) -> String {
    let Some((day, time)) = text.split_once(' ') else { return text.to_owned() };
    let hour: i64 = time.get(..2).and_then(|h| h.parse().ok()).unwrap_or(0) - hours;
    format!("{day} {:02}{}", hour.rem_euclid(24), time.get(2..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Query, Session};
    use crate::servicenow::sim::schema;
    use crate::servicenow::sim::store::Store;

    fn found(query: &str) -> Vec<String> {
        let mut store = Store::new("somebody");
        for (first, phone, email) in [
            ("Ann", "(555) 019-9999", "ann@example.com"),
            ("Bob", "555.019.8888", "BOB@example.com"),
            ("Cid", "", "cid@example.com"),
        ] {
            let values = [("first_name", first), ("phone", phone), ("email", email)];
            store.insert("customer_contact", values, "admin");
        }
        let table = schema::find("customer_contact").expect("the table");
        let session = Session { user: String::new(), hours: 0 };
        let query = Query::read(query, table, &session);
        let mut rows: Vec<_> =
            store.of("customer_contact").filter(|row| query.fits(&store, row)).collect();
        query.sort(&store, &mut rows);
        rows.iter().map(|row| row.get("first_name").to_owned()).collect()
    }

    #[test]
    fn conditions_mean_what_the_vendor_documents() {
        assert_eq!(found("email=bob@EXAMPLE.com"), ["Bob"]);
        assert_eq!(found("phoneIN(555) 019-9999,x^ORemail=cid@example.com"), ["Ann", "Cid"]);
        assert_eq!(found("phoneISNOTEMPTY^ORDERBYDESCfirst_name"), ["Bob", "Ann"]);
        assert_eq!(found("phoneLIKE019^email=ann@example.com"), ["Ann"]);
        assert_eq!(found("first_name=Ann^NQfirst_name=Cid"), ["Ann", "Cid"]);
        assert_eq!(found("phone=NULL"), ["Cid"]);
    }

    #[test]
    fn what_is_not_understood_is_dropped_and_the_rest_holds() {
        assert_eq!(found("phnoe=1").len(), 3);
        assert_eq!(found("first_nameISH=Ann").len(), 3);
        assert_eq!(found("phnoe=1^first_name=Ann"), ["Ann"]);
        assert_eq!(found("first_name=Ann^ORphnoe=1"), ["Ann"]);
        assert_eq!(found("first_name=Ann^NQphnoe=1").len(), 3, "an empty group fits all");
    }
}
