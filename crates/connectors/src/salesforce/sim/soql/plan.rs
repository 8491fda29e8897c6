//! A query that fits the org: names resolved, literals of the right type, rows found.
//!
//! The condition is tried by index first: a term (or an OR of terms, or one side of
//! an AND) that compares an indexed field with text gives the candidates, and the
//! whole condition is then checked on each. Otherwise every row is looked at.

use std::cmp::Ordering;

use super::super::store::packed::ValueRef;
use super::super::store::schema::{Kind, system};
use super::super::store::{Refused, State, Store, clock, ids};
use super::lexer::Piece;
use super::parser::{self, Condition, Item, Literal, Name, Query, Sign};

/// A field of the queried object, or one reached over references.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The field itself, or the first reference.
    first: u16,
    /// Relationship names after the first, then the field's name; empty for an own field.
    rest: Vec<String>,
    kind: Kind,
}

enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Path, Sign, Literal),
    Like(Path, Vec<Piece>),
    In(Path, Vec<Literal>, bool),
}

/// What stands at one place of a record, in the order of the SELECT list.
pub(crate) enum Shown {
    Field(String, u16),
    /// Relationship name, reference field, and the names wanted behind it.
    Parent(String, u16, Vec<String>),
    /// Relationship name, the child's field that points here, and its plan.
    Children(String, u16, Plan),
}

/// A query ready to run.
pub(crate) struct Plan {
    pub(crate) object: usize,
    pub(crate) shown: Vec<Shown>,
    /// `COUNT()`: only the number is wanted.
    pub(crate) count: bool,
    test: Option<Test>,
    order: Vec<(Path, bool, bool)>,
    limit: usize,
    offset: usize,
    all: bool,
}

impl Plan {
    /// Checks a query against the org; `all` includes deleted records.
    pub(crate) fn new(
        store: &Store,
        text: &str,
        query: &Query,
        all: bool,
    ) -> Result<Plan, Refused> {
        let object = store.object(&query.from.text).ok_or_else(|| no_type(text, &query.from))?;
        Plan::over(store, text, query, object, all)
    }

    fn over(
        store: &Store,
        text: &str,
        query: &Query,
        object: usize,
        all: bool,
    ) -> Result<Plan, Refused> {
        let scope = Scope { store, text, object };
        let mut shown = Vec::new();
        let mut count = false;
        for item in &query.select {
            match item {
                Item::Count if query.select.len() == 1 => count = true,
                Item::Count => {
                    return Err(Refused::new(
                        "MALFORMED_QUERY",
                        "COUNT() must be the only element in the SELECT list.",
                    ));
                }
                Item::Field(name) => scope.show(name, &mut shown)?,
                Item::Children(inner) => shown.push(scope.children(inner, all)?),
            }
        }
        let test = query.condition.as_ref().map(|condition| scope.test(condition)).transpose()?;
        let mut order = Vec::new();
        for by in &query.order {
            let path = scope.path(&by.by)?;
            if !scope.allows(&path, 'S') {
                let what = format!("field '{}' can not be sorted in a query call", by.by.text);
                return Err(Refused::new("INVALID_FIELD", super::at(text, by.by.at, &what)));
            }
            order.push((path, by.descending, by.nulls_last));
        }
        let limit = query.limit.unwrap_or(usize::MAX);
        Ok(Plan { object, shown, count, test, order, limit, offset: query.offset, all })
    }

    /// The rows found, in order, after OFFSET and LIMIT.
    pub(crate) fn rows(&self, store: &Store) -> Vec<u32> {
        let candidates = self.test.as_ref().and_then(|test| candidates(store, self.object, test));
        self.choose(store, candidates)
    }

    /// The same among these rows only.
    pub(crate) fn choose(&self, store: &Store, among: Option<Vec<u32>>) -> Vec<u32> {
        let fits = |row: &u32| {
            let state = store.row(self.object, *row).map(|found| found.state);
            let seen = state == Some(State::Alive) || (self.all && state == Some(State::Deleted));
            seen && self.test.as_ref().is_none_or(|test| passes(store, self.object, *row, test))
        };
        // Without an order the first rows are as good as any.
        let enough =
            if self.order.is_empty() { self.offset.saturating_add(self.limit) } else { usize::MAX };
        let mut rows: Vec<u32> = match among {
            Some(mut rows) => {
                rows.sort_unstable();
                rows.dedup();
                rows.into_iter().filter(fits).take(enough).collect()
            }
            None => (0..store.rows(self.object)).filter(fits).take(enough).collect(),
        };
        if !self.order.is_empty() {
            rows.sort_by(|a, b| self.compare(store, *a, *b));
        }
        let start = self.offset.min(rows.len());
        rows.drain(..start);
        rows.truncate(self.limit);
        rows
    }

    fn compare(&self, store: &Store, a: u32, b: u32) -> Ordering {
        for (path, descending, nulls_last) in &self.order {
            let (x, y) = (value(store, self.object, a, path), value(store, self.object, b, path));
            let found = match (x, y) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) if *nulls_last => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) if *nulls_last => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(x), Some(y)) => {
                    let found = order(x, y).unwrap_or(Ordering::Equal);
                    if *descending { found.reverse() } else { found }
                }
            };
            if found != Ordering::Equal {
                return found;
            }
        }
        a.cmp(&b)
    }
}

/// The org, the text and the object that names are looked up in.
struct Scope<'a> {
    store: &'a Store,
    text: &'a str,
    object: usize,
}

impl Scope<'_> {
    fn show(&self, name: &Name, shown: &mut Vec<Shown>) -> Result<(), Refused> {
        let path = self.path(name)?;
        let of = &self.store.objects[self.object];
        if path.rest.is_empty() {
            let label = of.at(path.first).name.clone();
            if shown.iter().any(|s| matches!(s, Shown::Field(_, field) if *field == path.first)) {
                let what = format!("duplicate field selected: {}", name.text);
                return Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)));
            }
            shown.push(Shown::Field(label, path.first));
            return Ok(());
        }
        let wanted = path.rest.join(".");
        for place in shown.iter_mut() {
            if let Shown::Parent(_, reference, names) = place
                && *reference == path.first
            {
                names.push(wanted);
                return Ok(());
            }
        }
        let relationship = of.at(path.first).leads_to.as_ref().map(|(name, _)| name.clone());
        shown.push(Shown::Parent(relationship.unwrap_or_default(), path.first, vec![wanted]));
        Ok(())
    }

    fn children(&self, inner: &Query, all: bool) -> Result<Shown, Refused> {
        let of = &self.store.objects[self.object].name;
        let found = self
            .store
            .objects
            .iter()
            .position(|child| child.plural.eq_ignore_ascii_case(&inner.from.text));
        let child =
            found.filter(|child| self.store.object(&self.store.objects[*child].name).is_some());
        let points_here = child.and_then(|child| {
            let fields = &self.store.objects[child].fields;
            let at = fields.iter().position(|field| {
                field.via.is_none()
                    && field.leads_to.as_ref().is_some_and(|(_, to)| to.contains(of))
            })?;
            u16::try_from(at).ok()
        });
        let (Some(child), Some(field)) = (child, points_here) else {
            let what = format!(
                "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use \
                 a custom relationship, be sure to append the '__r' after the custom relationship name.",
                inner.from.text
            );
            return Err(Refused::new("INVALID_TYPE", super::at(self.text, inner.from.at, &what)));
        };
        let plan = Plan::over(self.store, self.text, inner, child, all)?;
        Ok(Shown::Children(self.store.objects[child].plural.clone(), field, plan))
    }

    fn path(&self, name: &Name) -> Result<Path, Refused> {
        let words: Vec<&str> = name.text.split('.').collect();
        // `Contact.Phone` in a query FROM Contact is the field itself.
        let own =
            words.len() > 1 && words[0].eq_ignore_ascii_case(&self.store.objects[self.object].name);
        let of = &self.store.objects[self.object];
        let words =
            if own && of.relationship(words[0]).is_none() { &words[1..] } else { &words[..] };
        if let [field] = words {
            let first = self
                .store
                .field(self.object, field)
                .ok_or_else(|| self.no_column(name, field, self.object))?;
            return Ok(Path { first, rest: vec![], kind: of.at(first).kind });
        }
        let first =
            of.relationship(words[0]).ok_or_else(|| self.no_relationship(name, words[0]))?;
        let mut targets = self.targets(self.object, first);
        for word in &words[1..words.len() - 1] {
            let hops = targets
                .iter()
                .filter_map(|at| Some((*at, self.store.objects[*at].relationship(word)?)));
            targets = hops.flat_map(|(at, field)| self.targets(at, field)).collect();
            if targets.is_empty() {
                return Err(self.no_relationship(name, word));
            }
        }
        let last = words[words.len() - 1];
        let found = targets.iter().find_map(|at| Some((*at, self.store.field(*at, last)?)));
        let Some((at, field)) = found else {
            return Err(self.no_column(
                name,
                last,
                targets.first().copied().unwrap_or(self.object),
            ));
        };
        let rest = words[1..].iter().map(|word| (*word).to_owned()).collect();
        Ok(Path { first, rest, kind: self.store.objects[at].at(field).kind })
    }

    fn targets(&self, object: usize, field: u16) -> Vec<usize> {
        let to = self.store.objects[object].at(field).leads_to.as_ref();
        to.map(|(_, to)| to.iter().filter_map(|name| self.store.object(name)).collect())
            .unwrap_or_default()
    }

    fn allows(&self, path: &Path, flag: char) -> bool {
        !path.rest.is_empty() || self.store.objects[self.object].at(path.first).is(flag)
    }

    fn filtered(&self, name: &Name) -> Result<Path, Refused> {
        let path = self.path(name)?;
        if !self.allows(&path, 'F') {
            let what = format!("field '{}' can not be filtered in a query call", name.text);
            return Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)));
        }
        Ok(path)
    }

    fn test(&self, condition: &Condition) -> Result<Test, Refused> {
        let many =
            |all: &[Condition]| all.iter().map(|one| self.test(one)).collect::<Result<Vec<_>, _>>();
        Ok(match condition {
            Condition::All(all) => Test::All(many(all)?),
            Condition::Any(any) => Test::Any(many(any)?),
            Condition::Not(inner) => Test::Not(Box::new(self.test(inner)?)),
            Condition::Compare(name, sign, literal) => {
                let path = self.filtered(name)?;
                let literal = self.fitting(name, &path, literal)?;
                Test::Compare(path, *sign, literal)
            }
            Condition::Like(name, pattern) => {
                let path = self.filtered(name)?;
                if !path.kind.is_text() || matches!(path.kind, Kind::Id | Kind::Reference) {
                    let what = format!("invalid operator on {} field", path.kind.name());
                    return Err(Refused::new(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        super::at(self.text, name.at, &what),
                    ));
                }
                Test::Like(path, pattern.clone())
            }
            Condition::In(name, literals, not) => {
                let path = self.filtered(name)?;
                let all: Result<Vec<_>, _> =
                    literals.iter().map(|one| self.fitting(name, &path, one)).collect();
                Test::In(path, all?, *not)
            }
        })
    }

    /// The literal in the form that values of the field are compared with.
    fn fitting(&self, name: &Name, path: &Path, literal: &Literal) -> Result<Literal, Refused> {
        let kind = path.kind;
        let mismatch = |extra: &str| {
            let what = format!(
                "value of filter criterion for field '{}' must be of type {}{extra}",
                name.text,
                kind.name()
            );
            Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)))
        };
        match (kind, literal) {
            (_, Literal::Null) => Ok(Literal::Null),
            (Kind::Id | Kind::Reference, Literal::Text(text)) => match ids::parse(text) {
                Ok(_) | Err(ids::BadId::Elsewhere) if text.len() == 15 => {
                    Ok(Literal::Text(format!("{text}{}", ids::checksum(text))))
                }
                Ok(_) | Err(ids::BadId::Elsewhere) => Ok(literal.clone()),
                Err(ids::BadId::Malformed) if text.is_empty() => Ok(Literal::Null),
                Err(ids::BadId::Malformed) => {
                    let what = format!("invalid ID field: {text}");
                    Err(Refused::new(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        super::at(self.text, name.at, &what),
                    ))
                }
            },
            (Kind::Boolean, Literal::Bool(_))
            | (Kind::Date | Kind::Datetime, Literal::Days(..)) => Ok(self.days(literal)),
            (Kind::Int | Kind::Double | Kind::Currency, Literal::Number(_)) => Ok(literal.clone()),
            (Kind::Date, Literal::Date(_)) | (Kind::Datetime, Literal::Time(_)) => {
                Ok(literal.clone())
            }
            (_, Literal::Text(text)) if kind.is_text() => {
                Ok(if text.is_empty() { Literal::Null } else { literal.clone() })
            }
            (_, Literal::Text(_)) => mismatch(" and should not be enclosed in quotes"),
            (_, _) if kind.is_text() => mismatch(" and should be enclosed in quotes"),
            _ => mismatch(""),
        }
    }

    fn days(&self, literal: &Literal) -> Literal {
        let today = clock::now().div_euclid(clock::DAY);
        match literal {
            Literal::Days(from, to) => Literal::Days(today + from, today + to),
            other => other.clone(),
        }
    }

    fn no_column(&self, name: &Name, field: &str, object: usize) -> Refused {
        let what = format!(
            "No such column '{field}' on entity '{}'. If you are attempting to use a custom field, be sure to append \
             the '__c' after the custom field name. Please reference your WSDL or the describe call for the \
             appropriate names.",
            self.store.objects[object].name
        );
        Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what))
    }

    fn no_relationship(&self, name: &Name, word: &str) -> Refused {
        let what = format!(
            "Didn't understand relationship '{word}' in field path. If you are attempting to use a custom relationship, \
             be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the \
             describe call for the appropriate names."
        );
        Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what))
    }
}

fn no_type(text: &str, name: &Name) -> Refused {
    let what = format!(
        "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the \
         '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
        name.text
    );
    Refused::new("INVALID_TYPE", super::at(text, name.at, &what))
}

/// The value at the end of a path; null where a reference leads nowhere.
pub(crate) fn reach<'a>(
    store: &'a Store,
    object: usize,
    row: u32,
    first: u16,
    rest: &[String],
) -> Option<ValueRef<'a>> {
    let Some((last, hops)) = rest.split_last() else { return store.value(object, row, first) };
    let (mut at, mut row) = store.referenced(object, row, first)?;
    for hop in hops {
        (at, row) = store.referenced(at, row, store.objects[at].relationship(hop)?)?;
    }
    store.value(at, row, store.objects[at].field(last)?)
}

fn value<'a>(store: &'a Store, object: usize, row: u32, path: &Path) -> Option<ValueRef<'a>> {
    reach(store, object, row, path.first, &path.rest)
}

fn passes(store: &Store, object: usize, row: u32, test: &Test) -> bool {
    match test {
        Test::All(all) => all.iter().all(|one| passes(store, object, row, one)),
        Test::Any(any) => any.iter().any(|one| passes(store, object, row, one)),
        Test::Not(inner) => !passes(store, object, row, inner),
        Test::Compare(path, sign, literal) => {
            compares(value(store, object, row, path), *sign, literal)
        }
        Test::Like(path, pattern) => match value(store, object, row, path) {
            Some(ValueRef::Text(text)) => like(text, pattern),
            _ => false,
        },
        Test::In(path, literals, not) => {
            let value = value(store, object, row, path);
            literals.iter().any(|one| compares(value, Sign::Equal, one)) != *not
        }
    }
}

fn compares(value: Option<ValueRef<'_>>, sign: Sign, literal: &Literal) -> bool {
    if let Literal::Days(from, to) = literal {
        return value.is_some_and(|value| in_days(value, sign, *from, *to));
    }
    let found = match (value, literal) {
        (None, Literal::Null) => Some(Ordering::Equal),
        // Nothing is less or greater than null, and everything differs from it.
        (None, _) | (_, Literal::Null) => return sign == Sign::NotEqual,
        (Some(value), literal) => against(value, literal),
    };
    let Some(found) = found else { return sign == Sign::NotEqual };
    match sign {
        Sign::Equal => found == Ordering::Equal,
        Sign::NotEqual => found != Ordering::Equal,
        Sign::Less => value.is_some() && found == Ordering::Less,
        Sign::LessOrEqual => value.is_some() && found != Ordering::Greater,
        Sign::Greater => value.is_some() && found == Ordering::Greater,
        Sign::GreaterOrEqual => value.is_some() && found != Ordering::Less,
    }
}

fn in_days(value: ValueRef<'_>, sign: Sign, from: i64, to: i64) -> bool {
    let day = match value {
        ValueRef::Date(day) => day,
        ValueRef::Time(at) => at.div_euclid(clock::DAY),
        _ => return false,
    };
    match sign {
        Sign::Equal => day >= from && day < to,
        Sign::NotEqual => day < from || day >= to,
        Sign::Less => day < from,
        Sign::LessOrEqual => day < to,
        Sign::Greater => day >= to,
        Sign::GreaterOrEqual => day >= from,
    }
}

fn against(value: ValueRef<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (ValueRef::Text(a), Literal::Text(b)) => Some(text_order(a, b)),
        (ValueRef::Id(prefix, row), Literal::Text(b)) => Some(ids::id(prefix, row).as_str().cmp(b)),
        (ValueRef::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (ValueRef::Number(a), Literal::Number(b)) => a.partial_cmp(b),
        (ValueRef::Time(a), Literal::Time(b)) | (ValueRef::Date(a), Literal::Date(b)) => {
            Some(a.cmp(b))
        }
        _ => None,
    }
}

fn order(a: ValueRef<'_>, b: ValueRef<'_>) -> Option<Ordering> {
    match (a, b) {
        (ValueRef::Text(a), ValueRef::Text(b)) => Some(text_order(a, b)),
        (ValueRef::Id(_, a), ValueRef::Id(_, b)) => Some(a.cmp(&b)),
        (ValueRef::Bool(a), ValueRef::Bool(b)) => Some(a.cmp(&b)),
        (ValueRef::Number(a), ValueRef::Number(b)) => a.partial_cmp(&b),
        (ValueRef::Time(a), ValueRef::Time(b)) | (ValueRef::Date(a), ValueRef::Date(b)) => {
            Some(a.cmp(&b))
        }
        _ => None,
    }
}

/// Text is compared without regard to case.
fn text_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let lower =
            |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
        if a.len() == b.len() && a.eq_ignore_ascii_case(b) {
            return Ordering::Equal;
        }
        return lower(a).cmp(&lower(b));
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// Whether a text fits a pattern, without regard to case. Linear in both but for
/// going back to the last `%`.
fn like(text: &str, pattern: &[Piece]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                back = Some((p, t));
                p += 1;
                continue;
            }
            Some(Piece::One) => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            Some(Piece::Char(c)) if same(*c, text[t]) => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            _ => {}
        }
        let Some((any, from)) = back else { return false };
        back = Some((any, from + 1));
        (t, p) = (from + 1, any + 1);
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}

/// Rows that hold everything the test can accept, or `None` when no index says so.
fn candidates(store: &Store, object: usize, test: &Test) -> Option<Vec<u32>> {
    let mut rows = Vec::new();
    match test {
        Test::Compare(path, Sign::Equal, literal) => {
            add(store, object, path, literal, &mut rows)?;
        }
        Test::In(path, literals, false) => {
            for literal in literals {
                add(store, object, path, literal, &mut rows)?;
            }
        }
        Test::Any(any) => {
            for one in any {
                rows.append(&mut candidates(store, object, one)?);
            }
        }
        Test::All(all) => {
            let found = all.iter().filter_map(|one| candidates(store, object, one));
            rows = found.min_by_key(Vec::len)?;
        }
        _ => return None,
    }
    Some(rows)
}

fn add(
    store: &Store,
    object: usize,
    path: &Path,
    literal: &Literal,
    rows: &mut Vec<u32>,
) -> Option<()> {
    let Literal::Text(text) = literal else { return None };
    if !path.rest.is_empty() {
        return None;
    }
    if path.first == system::ID {
        if let Ok((at, row)) = store.locate(text)
            && at == object
        {
            rows.push(row);
        }
        return Some(());
    }
    store.candidates(object, path.first, text, rows).then_some(())
}

/// The plan for one object inside a search: fields, condition, order and limit.
pub(crate) fn returning(store: &Store, text: &str, query: &parser::Query) -> Result<Plan, Refused> {
    Plan::new(store, text, query, false)
}
