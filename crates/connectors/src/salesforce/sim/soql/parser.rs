//! The grammar: tokens in, a query as written out. Names are not looked up here.

use super::super::store::clock;
use super::lexer::{self, Broken, Token};
pub(crate) use super::query::{Condition, Function, Item, Literal, Name, Order, Query, Sign};

/// Nested parentheses, NOTs and sub-queries in one condition.
const MOST_DEPTH: usize = 50;
/// Characters of one literal in a condition.
const MOST_LITERAL: usize = 4000;
/// Rows that OFFSET may skip.
const MOST_OFFSET: u64 = 2000;

/// Reads a whole query.
pub(crate) fn parse(text: &str) -> Result<Query, Broken> {
    let mut parser = Parser::new(text)?;
    let query = parser.query()?;
    parser.end()?;
    Ok(query)
}

/// Reads tokens one after the other; SOSL uses it for what is inside RETURNING.
pub(crate) struct Parser<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Parser<'a>, Broken> {
        Ok(Parser { tokens: lexer::tokens(text)?, next: 0, depth: 0 })
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.next.min(self.tokens.len() - 1)].1
    }

    fn position(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].0
    }

    fn unexpected(&self) -> Broken {
        let what = match self.peek() {
            Token::Word(text) | Token::Text(text) | Token::Literal(text) | Token::Sign(text) => {
                format!("unexpected token: '{text}'")
            }
            Token::End => "unexpected token: '<EOF>'".to_owned(),
        };
        Broken::new(self.position(), what)
    }

    pub(crate) fn end(&self) -> Result<(), Broken> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes the keyword if it comes next.
    pub(crate) fn word(&mut self, keyword: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(is);
        is
    }

    fn is_word(&self, ahead: usize, keyword: &str) -> bool {
        let token = self.tokens.get(self.next + ahead).map(|(_, token)| token);
        matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    pub(crate) fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Token::Sign(is) if *is == sign);
        self.next += usize::from(is);
        is
    }

    pub(crate) fn need_word(&mut self, keyword: &str) -> Result<(), Broken> {
        if self.word(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn need_sign(&mut self, sign: &str) -> Result<(), Broken> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn name(&mut self) -> Result<Name, Broken> {
        let at = self.position();
        match self.peek() {
            Token::Word(word) if !word.ends_with('.') && !word.contains("..") => {
                let text = (*word).to_owned();
                self.next += 1;
                Ok(Name { at, text })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn deeper(&mut self) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            Err(Broken::new(self.position(), "query is too complex"))
        } else {
            Ok(())
        }
    }

    fn query(&mut self) -> Result<Query, Broken> {
        self.deeper()?;
        self.need_word("SELECT")?;
        let mut select = vec![self.item()?];
        while self.sign(",") {
            select.push(self.item()?);
        }
        self.need_word("FROM")?;
        let from = self.name()?;
        let mut query = Query {
            select,
            from,
            condition: None,
            group: vec![],
            order: vec![],
            limit: None,
            offset: 0,
        };
        self.tail(&mut query)?;
        self.depth -= 1;
        Ok(query)
    }

    fn item(&mut self) -> Result<Item, Broken> {
        if self.sign("(") {
            let query = self.query()?;
            self.need_sign(")")?;
            return Ok(Item::Children(Box::new(query)));
        }
        let name = self.name()?;
        if self.sign("(") {
            if name.text.eq_ignore_ascii_case("COUNT") && self.sign(")") {
                return Ok(Item::Count);
            }
            return self.function(&name);
        }
        Ok(Item::Field(name))
    }

    /// `field) [alias]`
    fn function(&mut self, name: &Name) -> Result<Item, Broken> {
        let function = match name.text.to_ascii_uppercase().as_str() {
            "COUNT" => Function::Count,
            "MAX" => Function::Max,
            "MIN" => Function::Min,
            _ => {
                return Err(Broken::new(name.at, format!("{}() is not simulated here", name.text)));
            }
        };
        let field = self.name()?;
        self.need_sign(")")?;
        let has_alias = matches!(self.peek(), Token::Word(_)) && !self.is_word(0, "FROM");
        let alias = has_alias.then(|| self.name()).transpose()?;
        Ok(Item::Aggregate(function, field, alias.map(|name| name.text)))
    }

    /// `[WHERE …] [GROUP BY …] [ORDER BY …] [LIMIT n] [OFFSET n]`
    pub(crate) fn tail(&mut self, query: &mut Query) -> Result<(), Broken> {
        if self.word("WHERE") {
            query.condition = Some(self.condition()?);
        }
        if self.is_word(0, "GROUP") && self.is_word(1, "BY") {
            self.next += 2;
            query.group.push(self.name()?);
            while self.sign(",") {
                query.group.push(self.name()?);
            }
        }
        if self.is_word(0, "ORDER") && self.is_word(1, "BY") {
            self.next += 2;
            query.order.push(self.order()?);
            while self.sign(",") {
                query.order.push(self.order()?);
            }
        }
        if self.word("LIMIT") {
            query.limit = Some(usize::try_from(self.count()?).unwrap_or(usize::MAX));
        }
        if self.word("OFFSET") {
            let at = self.position();
            let offset = self.count()?;
            if offset > MOST_OFFSET {
                return Err(Broken::new(at, TOO_FAR));
            }
            query.offset = usize::try_from(offset).unwrap_or(usize::MAX);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<u64, Broken> {
        match self.peek() {
            Token::Literal(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let count = digits.parse().map_err(|_| self.unexpected())?;
                self.next += 1;
                Ok(count)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn order(&mut self) -> Result<Order, Broken> {
        let by = self.name()?;
        let descending = !self.word("ASC") && self.word("DESC");
        let mut nulls_last = false;
        if self.word("NULLS") {
            nulls_last = self.word("LAST");
            if !nulls_last {
                self.need_word("FIRST")?;
            }
        }
        Ok(Order { by, descending, nulls_last })
    }

    /// Terms joined by AND, or by OR; both in one level need parentheses.
    fn condition(&mut self) -> Result<Condition, Broken> {
        self.deeper()?;
        let mut terms = vec![self.term()?];
        let all = self.is_word(0, "AND");
        let keyword = if all { "AND" } else { "OR" };
        while self.word(keyword) {
            terms.push(self.term()?);
        }
        if self.is_word(0, "AND") || self.is_word(0, "OR") {
            return Err(self.unexpected());
        }
        self.depth -= 1;
        Ok(match (terms.len(), all) {
            (1, _) => terms.remove(0),
            (_, true) => Condition::All(terms),
            (_, false) => Condition::Any(terms),
        })
    }

    fn term(&mut self) -> Result<Condition, Broken> {
        if self.word("NOT") {
            self.deeper()?;
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.sign("(") {
            let inner = self.condition()?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        let name = self.name()?;
        if self.word("LIKE") {
            let at = self.position();
            let Token::Text(raw) = *self.peek() else { return Err(self.unexpected()) };
            self.next += 1;
            return Ok(Condition::Like(name, lexer::pattern(raw, at)?));
        }
        let not = self.is_word(0, "NOT") && self.is_word(1, "IN");
        self.next += usize::from(not);
        if self.word("IN") {
            return self.list(name, not);
        }
        let sign = match self.peek() {
            Token::Sign("=") => Sign::Equal,
            Token::Sign("!=" | "<>") => Sign::NotEqual,
            Token::Sign("<") => Sign::Less,
            Token::Sign("<=") => Sign::LessOrEqual,
            Token::Sign(">") => Sign::Greater,
            Token::Sign(">=") => Sign::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(Condition::Compare(name, sign, self.literal()?))
    }

    fn list(&mut self, name: Name, not: bool) -> Result<Condition, Broken> {
        self.need_sign("(")?;
        if self.is_word(0, "SELECT") {
            return Err(Broken::new(self.position(), "semi-joins are not simulated here"));
        }
        let mut values = vec![self.literal()?];
        while self.sign(",") {
            values.push(self.literal()?);
        }
        self.need_sign(")")?;
        Ok(Condition::In(name, values, not))
    }

    fn literal(&mut self) -> Result<Literal, Broken> {
        let at = self.position();
        let literal = match *self.peek() {
            Token::Text(raw) if raw.chars().count() > MOST_LITERAL => {
                return Err(Broken::new(at, "string literal is longer than 4000 characters"));
            }
            Token::Text(raw) => Literal::Text(lexer::text(raw, at)?),
            Token::Word(word) => named(word).ok_or_else(|| self.unexpected())?,
            Token::Literal(text) => number(text).ok_or_else(|| self.unexpected())?,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        match literal {
            // LAST_N_DAYS:30
            Literal::Days(from, to) if self.sign(":") => {
                let days = i64::try_from(self.count()?).unwrap_or(0);
                Ok(if from < 0 {
                    Literal::Days(from * days, to)
                } else {
                    Literal::Days(from, to * days + 1)
                })
            }
            other => Ok(other),
        }
    }
}

/// Told apart from other mistakes: it has an error code of its own.
pub(crate) const TOO_FAR: &str = "Maximum SOQL offset allowed is 2000";

/// Words that are values; days count from today until the end of the literal is known.
fn named(word: &str) -> Option<Literal> {
    Some(match word.to_ascii_uppercase().as_str() {
        "NULL" => Literal::Null,
        "TRUE" => Literal::Bool(true),
        "FALSE" => Literal::Bool(false),
        "TODAY" => Literal::Days(0, 1),
        "YESTERDAY" => Literal::Days(-1, 0),
        "TOMORROW" => Literal::Days(1, 2),
        "LAST_N_DAYS" => Literal::Days(-1, 1),
        "NEXT_N_DAYS" => Literal::Days(1, 1),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Literal> {
    if let Some(at) = clock::parse_datetime(text) {
        return Some(Literal::Time(at));
    }
    if let Some(day) = clock::parse_date(text) {
        return Some(Literal::Date(day));
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    text.parse().ok().filter(|_| plain).map(Literal::Number)
}
