//! `$filter` of OData V2: read into a tree, then asked of each row.
//!
//! `or`, `and`, `not`, parentheses, the six comparisons, `substringof`, `startswith`,
//! `endswith`, `tolower`, `toupper`, `length` and the literals of strings, numbers,
//! booleans, dates, times and GUIDs. Strings are compared as they are: SAP knows capitals.

use serde_json::Value as Json;

/// Conditions one within the other.
const DEPTH_MAX: usize = 40;

#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Compare(&'static str, Term, Term),
    Truth(Term),
}

#[derive(Debug, PartialEq)]
pub(super) enum Term {
    Property(String),
    Text(String),
    Number(f64),
    Bool(bool),
    /// Milliseconds since 1970.
    Moment(i64),
    Null,
    Call(String, Vec<Term>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Literal(String, String),
    Text(String),
    Mark(char),
}

/// Reads a filter; the error is the vendor's kind of sentence.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens, at: 0 };
    let expression = reader.or(0)?;
    match reader.next() {
        None => Ok(expression),
        Some(token) => Err(format!("Invalid token '{token:?}' at position {}", reader.at)),
    }
}

impl Expression {
    pub(super) fn holds(&self, row: &dyn Fn(&str) -> Json) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(row)),
            Self::And(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Not(part) => !part.holds(row),
            Self::Truth(term) => term.value(row) == Term::Bool(true),
            Self::Compare(operator, left, right) => {
                let (left, right) = (left.value(row), right.value(row));
                let order = match (&left, &right) {
                    (Term::Text(a), Term::Text(b)) => a.partial_cmp(b),
                    (Term::Number(a), Term::Number(b)) => a.partial_cmp(b),
                    (Term::Moment(a), Term::Moment(b)) => a.partial_cmp(b),
                    (Term::Bool(a), Term::Bool(b)) => a.partial_cmp(b),
                    (Term::Null, Term::Null) => Some(std::cmp::Ordering::Equal),
                    _ => None,
                };
                match *operator {
                    "eq" => order.is_some_and(std::cmp::Ordering::is_eq),
                    "ne" => !order.is_some_and(std::cmp::Ordering::is_eq),
                    "gt" => order.is_some_and(std::cmp::Ordering::is_gt),
                    "ge" => order.is_some_and(std::cmp::Ordering::is_ge),
                    "lt" => order.is_some_and(std::cmp::Ordering::is_lt),
                    _ => order.is_some_and(std::cmp::Ordering::is_le),
                }
            }
        }
    }

    /// Property and text of each part, where the whole is `a eq 'x' or b eq 'y' …`.
    pub(super) fn equalities(&self) -> Option<Vec<(&str, &str)>> {
        match self {
            Self::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(Self::equalities).collect();
                Some(parts?.concat())
            }
            Self::Compare("eq", Term::Property(name), Term::Text(value)) => {
                Some(vec![(name, value)])
            }
            _ => None,
        }
    }

    /// Every property that is named.
    pub(super) fn properties(&self) -> Vec<&str> {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().flat_map(Self::properties).collect(),
            Self::Not(part) => part.properties(),
            Self::Truth(term) => term.properties(),
            Self::Compare(_, left, right) => [left.properties(), right.properties()].concat(),
        }
    }
}

impl Term {
    fn properties(&self) -> Vec<&str> {
        match self {
            Self::Property(name) => vec![name],
            Self::Call(_, terms) => terms.iter().flat_map(Self::properties).collect(),
            _ => vec![],
        }
    }

    fn value(&self, row: &dyn Fn(&str) -> Json) -> Term {
        match self {
            Self::Property(name) => match row(name) {
                Json::String(text) => millis(&text).map_or(Term::Text(text), Term::Moment),
                Json::Bool(flag) => Term::Bool(flag),
                Json::Number(number) => Term::Number(number.as_f64().unwrap_or(0.0)),
                _ => Term::Null,
            },
            Self::Call(name, terms) => {
                let values: Vec<Term> = terms.iter().map(|term| term.value(row)).collect();
                call(name, &values)
            }
            Self::Text(text) => Term::Text(text.clone()),
            Self::Number(number) => Term::Number(*number),
            Self::Bool(flag) => Term::Bool(*flag),
            Self::Moment(moment) => Term::Moment(*moment),
            Self::Null => Term::Null,
        }
    }
}

fn call(name: &str, values: &[Term]) -> Term {
    match (name, values) {
        // The needle comes first in V2, unlike in the others.
        ("substringof", [Term::Text(part), Term::Text(whole)]) => {
            Term::Bool(whole.contains(part.as_str()))
        }
        ("startswith", [Term::Text(whole), Term::Text(part)]) => {
            Term::Bool(whole.starts_with(part.as_str()))
        }
        ("endswith", [Term::Text(whole), Term::Text(part)]) => {
            Term::Bool(whole.ends_with(part.as_str()))
        }
        ("tolower", [Term::Text(text)]) => Term::Text(text.to_lowercase()),
        ("toupper", [Term::Text(text)]) => Term::Text(text.to_uppercase()),
        #[expect(clippy::cast_precision_loss, reason = "texts are short")]
        ("length", [Term::Text(text)]) => Term::Number(text.chars().count() as f64),
        _ => Term::Null,
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: &Token) -> bool {
        let takes = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(takes);
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.takes(&Token::Word(word.to_owned()))
    }

    fn expects(&mut self, mark: char) -> Result<(), String> {
        if self.takes(&Token::Mark(mark)) {
            return Ok(());
        }
        Err(format!("'{mark}' expected at position {}", self.at))
    }

    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.and(depth)?];
        while self.takes_word("or") {
            parts.push(self.and(depth)?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.one(depth)?];
        while self.takes_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Expression::And))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err("The filter is nested too deeply".to_owned());
        }
        if self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes(&Token::Mark('(')) {
            let inner = self.or(depth + 1)?;
            self.expects(')')?;
            return Ok(inner);
        }
        let left = self.term(depth)?;
        for operator in ["eq", "ne", "gt", "ge", "lt", "le"] {
            if self.takes_word(operator) {
                return Ok(Expression::Compare(operator, left, self.term(depth)?));
            }
        }
        Ok(Expression::Truth(left))
    }

    fn term(&mut self, depth: usize) -> Result<Term, String> {
        if depth > DEPTH_MAX {
            return Err("The filter is nested too deeply".to_owned());
        }
        match self.next() {
            Some(Token::Text(text)) => Ok(Term::Text(text)),
            Some(Token::Literal(kind, text)) => literal(&kind, text),
            Some(Token::Word(word)) if self.takes(&Token::Mark('(')) => {
                let mut terms = vec![self.term(depth + 1)?];
                while self.takes(&Token::Mark(',')) {
                    terms.push(self.term(depth + 1)?);
                }
                self.expects(')')?;
                let known =
                    ["substringof", "startswith", "endswith", "tolower", "toupper", "length"];
                if !known.contains(&word.as_str()) {
                    return Err(format!("Unknown function '{word}'"));
                }
                Ok(Term::Call(word, terms))
            }
            Some(Token::Word(word)) => Ok(match word.as_str() {
                "true" => Term::Bool(true),
                "false" => Term::Bool(false),
                "null" => Term::Null,
                _ => word.parse().map_or(Term::Property(word), Term::Number),
            }),
            _ => Err(format!("An operand is missing at position {}", self.at)),
        }
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() > 1 { many(parts) } else { parts.remove(0) }
}

fn literal(kind: &str, text: String) -> Result<Term, String> {
    match kind {
        "datetime" | "datetimeoffset" => {
            let moment = civil(&text).map(Term::Moment);
            moment.ok_or_else(|| format!("Invalid literal {kind}'{text}'"))
        }
        "time" | "guid" => Ok(Term::Text(text)),
        _ => Err(format!("Unknown literal {kind}'{text}'")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        match c {
            ' ' => at += 1,
            '(' | ')' | ',' => {
                tokens.push(Token::Mark(c));
                at += 1;
            }
            '\'' => {
                let (text, end) = quoted(&chars, at)?;
                tokens.push(Token::Text(text));
                at = end;
            }
            _ => {
                let is_word = |c: &char| c.is_ascii_alphanumeric() || "_/.-$".contains(*c);
                let length = chars[at..].iter().take_while(|c| is_word(c)).count();
                if length == 0 {
                    return Err(format!("Invalid character '{c}' at position {at}"));
                }
                let word: String = chars[at..at + length].iter().collect();
                at += length;
                if chars.get(at) == Some(&'\'') {
                    let (text, end) = quoted(&chars, at)?;
                    tokens.push(Token::Literal(word, text));
                    at = end;
                } else {
                    tokens.push(Token::Word(word));
                }
            }
        }
    }
    Ok(tokens)
}

/// A text from its quote on, doubled quotes undone, and where it ends.
pub(super) fn quoted(chars: &[char], from: usize) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut at = from + 1;
    loop {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('\''), Some('\'')) => {
                text.push('\'');
                at += 2;
            }
            (Some('\''), _) => return Ok((text, at + 1)),
            (Some(c), _) => {
                text.push(*c);
                at += 1;
            }
            (None, _) => return Err("A string is not closed".to_owned()),
        }
    }
}

/// The number in `/Date(…)/`.
fn millis(text: &str) -> Option<i64> {
    text.strip_prefix("/Date(")?.strip_suffix(")/")?.trim_end_matches("+0000").parse().ok()
}

/// `2026-01-01T00:00:00`, UTC (Hinnant, "days from civil").
fn civil(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13).unwrap_or(0), number(14, 16).unwrap_or(0));
    let second = number(17, 19).unwrap_or(0);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::{Value as Json, json};

    fn holds(filter: &str) -> bool {
        let row = |name: &str| -> Json {
            match name {
                "A" => json!("O'Neil"),
                "B" => json!(true),
                "D" => json!("/Date(1533686400000)/"),
                _ => json!(""),
            }
        };
        parse(filter).expect(filter).holds(&row)
    }

    #[test]
    fn conditions_hold_as_the_protocol_says() {
        for filter in [
            "A eq 'O''Neil'",
            "A ne 'o''neil' and tolower(A) eq 'o''neil'",
            "(A eq 'x' or B eq true) and not (A eq 'x')",
            "substringof('Neil',A)",
            "substringof('Neil',A) eq true",
            "startswith(A,'O') and endswith(A,'l')",
            "D eq datetime'2018-08-08T00:00:00' and D lt datetime'2018-08-09T00:00:00'",
            "C eq '' and length(A) gt 5",
            "A eq 'x' or A eq 'y' and B or B",
        ] {
            assert!(holds(filter), "{filter}");
        }
        assert!(!holds("A eq 'x' or A eq 'y' and B"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in [
            "",
            "A eq",
            "A eq 'x",
            "(A eq 'x'",
            "A eq 'x')",
            "near(A,'x')",
            "A == 'x'",
            "A eq date'x'",
        ] {
            assert!(parse(filter).is_err(), "{filter}");
        }
        assert!(parse(&"not ".repeat(100)).is_err());
    }
}
