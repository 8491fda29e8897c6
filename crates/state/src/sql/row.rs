//! What goes into a statement and what comes out, in the three types we use.

use crate::error::{Error, Result};

/// A parameter. `None` is NULL of that type: PostgreSQL wants to know which.
#[derive(Clone, Copy)]
pub(crate) enum Param<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Blob(Option<&'a [u8]>),
}

macro_rules! param_from {
    ($($type:ty => |$value:ident| $param:expr;)*) => {
        $(impl<'a> From<$type> for Param<'a> {
            fn from($value: $type) -> Self { $param }
        })*
    };
}

param_from! {
    i64 => |value| Param::Int(Some(value));
    Option<i64> => |value| Param::Int(value);
    &'a str => |value| Param::Text(Some(value));
    Option<&'a str> => |value| Param::Text(value);
    &'a [u8] => |value| Param::Blob(Some(value));
    Option<&'a [u8]> => |value| Param::Blob(value);
    &'a [u8; 16] => |value| Param::Blob(Some(value));
    Option<&'a [u8; 16]> => |value| Param::Blob(value.map(|hash| &hash[..]));
}

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    /// The cell as a parameter; `like` says which NULL to send.
    pub(crate) fn as_param(&self, like: Param<'static>) -> Param<'_> {
        match self {
            Self::Null => like,
            Self::Int(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::Blob(value) => value.as_slice().into(),
        }
    }
}

/// One row of an answer, read by position.
#[derive(Debug)]
pub(crate) struct Row(pub(super) Vec<Cell>);

const ODD: Error = Error::Corrupt { what: "a column of another type than the schema's" };

impl Row {
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.0
    }

    pub(crate) fn opt_int(&self, at: usize) -> Result<Option<i64>> {
        match self.0.get(at) {
            Some(Cell::Int(value)) => Ok(Some(*value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(ODD),
        }
    }

    pub(crate) fn int(&self, at: usize) -> Result<i64> {
        self.opt_int(at)?.ok_or(ODD)
    }

    pub(crate) fn opt_text(&self, at: usize) -> Result<Option<&str>> {
        match self.0.get(at) {
            Some(Cell::Text(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(ODD),
        }
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str> {
        self.opt_text(at)?.ok_or(ODD)
    }

    pub(crate) fn opt_blob(&self, at: usize) -> Result<Option<&[u8]>> {
        match self.0.get(at) {
            Some(Cell::Blob(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(ODD),
        }
    }

    pub(crate) fn blob(&self, at: usize) -> Result<&[u8]> {
        self.opt_blob(at)?.ok_or(ODD)
    }

    pub(crate) fn opt_hash(&self, at: usize) -> Result<Option<[u8; 16]>> {
        self.opt_blob(at)?.map(|bytes| bytes.try_into().map_err(|_| ODD)).transpose()
    }

    pub(crate) fn hash(&self, at: usize) -> Result<[u8; 16]> {
        self.opt_hash(at)?.ok_or(ODD)
    }
}
