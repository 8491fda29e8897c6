//! A query as it is written: names and literals are not looked up or compared with the org yet.

use super::lexer::Piece;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Vec<Item>,
    pub(crate) from: Name,
    pub(crate) condition: Option<Condition>,
    pub(crate) group: Vec<Name>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// A name or dotted path, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) at: usize,
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Field(Name),
    /// `COUNT()`
    Count,
    /// A function of a field, and its alias.
    Aggregate(Function, Name, Option<String>),
    /// A child sub-query; its FROM is a relationship name.
    Children(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    Max,
    Min,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) by: Name,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Name, Sign, Literal),
    Like(Name, Vec<Piece>),
    In(Name, Vec<Literal>, /* NOT IN */ bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Text(String),
    Bool(bool),
    Number(f64),
    Time(i64),
    Date(i64),
    /// A named stretch of days, from the first day to the day after the last.
    Days(i64, i64),
}
