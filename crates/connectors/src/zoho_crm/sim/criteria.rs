//! Reads search criteria: `((Last_Name:equals:Doe)and(Phone:starts_with:\(555\)))`.
//!
//! Brackets, commas and backslashes inside a value are escaped by a backslash.

use serde_json::json;

use super::http::Answer;
use super::schema::Module;
use super::store::Row;

/// Conditions in one search.
const CRITERIA_MAX: usize = 15;

pub(super) enum Criteria {
    One { field: &'static str, operator: String, values: Vec<String> },
    Both(Box<Criteria>, Box<Criteria>),
    Either(Box<Criteria>, Box<Criteria>),
}

impl Criteria {
    pub(super) fn read(text: &str, module: &'static Module) -> Result<Criteria, Answer> {
        let mut reader = Reader { rest: text, module, count: 0 };
        let read = reader.group()?;
        if !reader.rest.trim().is_empty() || reader.count > CRITERIA_MAX {
            return Err(invalid());
        }
        Ok(read)
    }

    pub(super) fn holds(&self, row: &Row) -> bool {
        match self {
            Criteria::Both(a, b) => a.holds(row) && b.holds(row),
            Criteria::Either(a, b) => a.holds(row) || b.holds(row),
            Criteria::One { field, operator, values } => {
                let own = row.values.get(*field).map(|value| match value.as_str() {
                    Some(text) => text.to_owned(),
                    None => value.to_string(),
                });
                let Some(own) = own.map(|own| own.to_lowercase()) else { return false };
                let mut values = values.iter().map(|value| value.to_lowercase());
                match operator.as_str() {
                    "equals" | "in" => values.any(|value| value == own),
                    "not_equal" => values.all(|value| value != own),
                    "starts_with" => values.any(|value| own.starts_with(&value)),
                    _ => false,
                }
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    module: &'static Module,
    count: usize,
}

impl Reader<'_> {
    /// `( … )` with criteria in it, or one criterion.
    fn group(&mut self) -> Result<Criteria, Answer> {
        self.open()?;
        if !self.rest.trim_start().starts_with('(') {
            return self.one();
        }
        let mut left = self.group()?;
        loop {
            let rest = self.rest.trim_start();
            if let Some(rest) = rest.strip_prefix(')') {
                self.rest = rest;
                return Ok(left);
            }
            let is_both = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("and"));
            let is_either = rest.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("or"));
            if !is_both && !is_either {
                return Err(invalid());
            }
            self.rest = &rest[if is_both { 3 } else { 2 }..];
            let right = Box::new(self.group()?);
            left = match is_both {
                true => Criteria::Both(Box::new(left), right),
                false => Criteria::Either(Box::new(left), right),
            };
        }
    }

    fn open(&mut self) -> Result<(), Answer> {
        self.rest = self.rest.trim_start().strip_prefix('(').ok_or_else(invalid)?;
        Ok(())
    }

    /// `field:operator:value[,value])`, behind the bracket that opens it.
    fn one(&mut self) -> Result<Criteria, Answer> {
        self.count += 1;
        let (field, rest) = self.rest.split_once(':').ok_or_else(invalid)?;
        let (operator, rest) = rest.split_once(':').ok_or_else(invalid)?;
        let known = ["equals", "in", "not_equal", "starts_with"].contains(&operator);
        let field = self.module.field(field.trim()).filter(|_| known).ok_or_else(invalid)?;
        let mut values = vec![String::new()];
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            let last = values.len() - 1;
            match c {
                '\\' => values[last].extend(chars.next().map(|(_, c)| c)),
                ')' => {
                    self.rest = &rest[at + 1..];
                    return Ok(Criteria::One {
                        field: field.name,
                        operator: operator.to_owned(),
                        values,
                    });
                }
                '(' => return Err(invalid()),
                ',' => values.push(String::new()),
                c => values[last].push(c),
            }
        }
        Err(invalid())
    }
}

fn invalid() -> Answer {
    Answer::refused(
        "INVALID_QUERY",
        json!({ "reason": "invalid query formed" }),
        "Invalid query formed",
    )
}
