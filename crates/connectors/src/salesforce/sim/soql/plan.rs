//! A query that fits the org, and the rows it finds.
//!
//! `scope` resolves names and types literals, `compare` says what equals what.
//! The condition is tried by index first: a term (or an OR of terms, or one side of
//! an AND) that compares an indexed field with text, or asks for what changed since,
//! gives the candidates, and the whole condition is then checked on each. Otherwise
//! every row is looked at.

use std::cmp::Ordering;

use super::super::store::packed::ValueRef;
use super::super::store::schema::{Kind, system};
use super::super::store::{Refused, State, Store};
use super::aggregate::Grouping;
use super::compare::{compares, like, order};
use super::lexer::Piece;
use super::parser::{Item, Literal, Query, Sign};
use super::scope::{Scope, no_type};

/// A field of the queried object, or one reached over references.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The field itself, or the first reference.
    pub(super) first: u16,
    /// Relationship names after the first, then the field's name; empty for an own field.
    pub(super) rest: Vec<String>,
    pub(super) kind: Kind,
}

/// A condition whose names and literals fit the org.
pub(super) enum Test {
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
    /// Rows are put together.
    pub(crate) grouping: Option<Grouping>,
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

    /// The same over an object already known.
    pub(super) fn over(
        store: &Store,
        text: &str,
        query: &Query,
        object: usize,
        all: bool,
    ) -> Result<Plan, Refused> {
        let scope = Scope { store, text, object };
        let mut shown = Vec::new();
        let mut count = false;
        let grouping = Grouping::new(&scope, query)?;
        for item in query.select.iter().filter(|_| grouping.is_none()) {
            match item {
                Item::Count if query.select.len() == 1 => count = true,
                Item::Count => {
                    return Err(Refused::new(
                        "MALFORMED_QUERY",
                        "COUNT() must be the only element in the SELECT list.",
                    ));
                }
                Item::Aggregate(..) => {}
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
        let limit = query.limit.filter(|_| grouping.is_none()).unwrap_or(usize::MAX);
        let offset = query.offset;
        Ok(Plan { object, shown, count, grouping, test, order, limit, offset, all })
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

pub(super) fn value<'a>(
    store: &'a Store,
    object: usize,
    row: u32,
    path: &Path,
) -> Option<ValueRef<'a>> {
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

/// Rows that hold everything the test can accept, or `None` when no index says so.
fn candidates(store: &Store, object: usize, test: &Test) -> Option<Vec<u32>> {
    let mut rows = Vec::new();
    match test {
        Test::Compare(path, Sign::Equal, literal) => {
            add(store, object, path, literal, &mut rows)?;
        }
        Test::Compare(path, Sign::Greater | Sign::GreaterOrEqual, Literal::Time(from))
            if path.rest.is_empty() && path.first == system::STAMP =>
        {
            rows = store.changed_since(object, *from);
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
pub(crate) fn returning(store: &Store, text: &str, query: &Query) -> Result<Plan, Refused> {
    Plan::new(store, text, query, false)
}
