//! Reads COQL: one `select` with columns, a condition, an order and a limit.
//!
//! Strict as the vendor is: a condition there must be, more than two criteria must be
//! bracketed in pairs, and there are bounds on columns, criteria, values and rows.

use serde_json::{Value as Json, json};

use super::http::Answer;

const COLUMNS_MAX: usize = 50;
const CRITERIA_MAX: usize = 25;
const VALUES_MAX: usize = 50;
const LIMIT_MAX: usize = 2_000;
const ORDER_MAX: usize = 10;

/// A query, its names not yet looked up.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) columns: Vec<String>,
    pub(super) module: String,
    pub(super) condition: Condition,
    /// Names, and whether the last comes first.
    pub(super) order: Vec<(String, bool)>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

#[derive(Debug)]
pub(super) enum Condition {
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
    One { field: String, operator: Operator, values: Vec<String> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
    Like,
    NotLike,
    Between,
    IsNull,
    IsNotNull,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// Reads a query.
pub(super) fn read(text: &str) -> Result<Query, Answer> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, criteria: 0 };
    reader.expect("select")?;
    let mut columns = vec![reader.name()?];
    while reader.sign(",") {
        columns.push(reader.name()?);
    }
    if columns.len() > COLUMNS_MAX {
        return Err(exceeded(COLUMNS_MAX, "select"));
    }
    if let Some(twice) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name))
    {
        let told = "duplicate column in the select";
        return Err(Answer::refused("DUPLICATE_DATA", json!({ "column_name": twice.1 }), told));
    }
    reader.expect("from")?;
    let module = reader.name()?;
    reader.expect("where")?;
    let condition = reader.condition()?;
    if reader.criteria > CRITERIA_MAX {
        return Err(exceeded(CRITERIA_MAX, "where"));
    }
    let mut order = Vec::new();
    if reader.word("order") {
        reader.expect("by")?;
        loop {
            let name = reader.name()?;
            let is_down = reader.word("desc");
            let _ = !is_down && reader.word("asc");
            order.push((name, is_down));
            if !reader.sign(",") {
                break;
            }
        }
        if order.len() > ORDER_MAX {
            return Err(exceeded(ORDER_MAX, "order by"));
        }
    }
    let (mut limit, mut offset) = (200, 0);
    if reader.word("limit") {
        limit = reader.number()?;
        if reader.sign(",") {
            offset = limit;
            limit = reader.number()?;
        }
    }
    if reader.word("offset") {
        offset = reader.number()?;
    }
    if limit > LIMIT_MAX {
        return Err(exceeded(LIMIT_MAX, "limit"));
    }
    if reader.at < reader.tokens.len() {
        return Err(wrong());
    }
    Ok(Query { columns, module, condition, order, limit, offset })
}

/// The words, texts and signs of a query. A quote inside a text is doubled.
fn tokens(text: &str) -> Result<Vec<Token>, Answer> {
    const SIGNS: [&str; 9] = [">=", "<=", "!=", "=", ">", "<", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' || first == '"' {
            let mut value = String::new();
            rest = &rest[1..];
            loop {
                let (head, tail) = rest.split_once(first).ok_or_else(wrong)?;
                value.push_str(head);
                rest = tail;
                match rest.strip_prefix(first) {
                    Some(more) => {
                        value.push(first);
                        rest = more;
                    }
                    None => break,
                }
            }
            tokens.push(Token::Text(value));
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let is_word =
                |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-' | '+' | ':');
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(wrong());
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    criteria: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the word if it comes next.
    fn word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, word: &str) -> Result<(), Answer> {
        if self.word(word) {
            return Ok(());
        }
        let told = format!("error occured while parsing the query near {word} clause");
        Err(Answer::refused("SYNTAX_ERROR", json!({ "clause": word }), &told))
    }

    fn name(&mut self) -> Result<String, Answer> {
        match self.next() {
            // A word of SQL's own stands in quotes as a name.
            Some(Token::Word(name) | Token::Text(name)) => Ok(name),
            _ => Err(wrong()),
        }
    }

    fn number(&mut self) -> Result<usize, Answer> {
        self.name()?.parse().map_err(|_| wrong())
    }

    fn condition(&mut self) -> Result<Condition, Answer> {
        let left = self.term()?;
        let both = self.word("and");
        if !both && !self.word("or") {
            return Ok(left);
        }
        let (left, right) = (Box::new(left), Box::new(self.term()?));
        // A third one at the same level needs brackets.
        if let Some(Token::Word(more)) = self.tokens.get(self.at)
            && (more.eq_ignore_ascii_case("and") || more.eq_ignore_ascii_case("or"))
        {
            return Err(wrong());
        }
        Ok(if both { Condition::Both(left, right) } else { Condition::Either(left, right) })
    }

    fn term(&mut self) -> Result<Condition, Answer> {
        if self.sign("(") {
            let inner = self.condition()?;
            return if self.sign(")") { Ok(inner) } else { Err(wrong()) };
        }
        self.criteria += 1;
        let field = self.name()?;
        let operator = self.operator()?;
        let values = match operator {
            Operator::IsNull | Operator::IsNotNull => vec![],
            Operator::Between => {
                let low = self.name()?;
                self.expect("and")?;
                vec![low, self.name()?]
            }
            Operator::In | Operator::NotIn => self.list()?,
            _ => vec![self.name()?],
        };
        Ok(Condition::One { field, operator, values })
    }

    fn list(&mut self) -> Result<Vec<String>, Answer> {
        if !self.sign("(") {
            return Err(wrong());
        }
        let mut values = vec![self.name()?];
        while self.sign(",") {
            values.push(self.name()?);
        }
        if values.len() > VALUES_MAX {
            return Err(exceeded(VALUES_MAX, "in"));
        }
        if self.sign(")") { Ok(values) } else { Err(wrong()) }
    }

    fn operator(&mut self) -> Result<Operator, Answer> {
        let signs = [
            ("=", Operator::Equal),
            ("!=", Operator::Unequal),
            (">=", Operator::GreaterOrEqual),
            (">", Operator::Greater),
            ("<=", Operator::LessOrEqual),
            ("<", Operator::Less),
        ];
        for (sign, operator) in signs {
            if self.sign(sign) {
                return Ok(operator);
            }
        }
        if self.word("is") {
            let is_not = self.word("not");
            self.expect("null")?;
            return Ok(if is_not { Operator::IsNotNull } else { Operator::IsNull });
        }
        let is_not = self.word("not");
        match () {
            () if self.word("in") => Ok(if is_not { Operator::NotIn } else { Operator::In }),
            () if self.word("like") => Ok(if is_not { Operator::NotLike } else { Operator::Like }),
            () if !is_not && self.word("between") => Ok(Operator::Between),
            () => Err(wrong()),
        }
    }
}

fn wrong() -> Answer {
    Answer::refused("SYNTAX_ERROR", json!({}), "error occured while parsing the query")
}

fn exceeded(limit: usize, clause: &str) -> Answer {
    let details: Json = json!({ "limit": limit, "clause": clause });
    Answer::refused("LIMIT_EXCEEDED", details, "the limit is exceeded")
}
