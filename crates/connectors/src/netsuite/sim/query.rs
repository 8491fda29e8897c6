//! The language of SuiteQL, as far as people, accounts and changes need it, read into a tree.
//!
//! `SELECT … FROM table WHERE … GROUP BY … ORDER BY …` with `TO_CHAR`, `TO_DATE`,
//! `BUILTIN.DF`, `LOWER`, `UPPER`, `COUNT` and `SUM`. Texts compare as they stand, `''` in
//! a literal is one quote, words are in any case.

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// What is given, and under which name. Empty for `*`.
    pub(super) columns: Vec<(Term, String)>,
    pub(super) table: String,
    pub(super) condition: Option<Condition>,
    pub(super) group: Vec<String>,
    /// Columns, and whether the order is turned around.
    pub(super) order: Vec<(String, bool)>,
}

/// What has a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Column(String),
    Text(String),
    Number(f64),
    /// A function of one column, `TO_CHAR` with its form.
    Call(String, Box<Term>, String),
    Count,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Term, String, Term),
    In(Term, Vec<Term>),
    Like(Term, String),
    IsNull(Term, bool),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

/// Parentheses in parentheses.
const MOST_DEPTH: usize = 60;

/// Reads a query; the reason where it is none.
pub(super) fn read(text: &str) -> Result<Query, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
    reader.need("SELECT")?;
    let mut columns = Vec::new();
    if !reader.is("*") {
        loop {
            let term = reader.term()?;
            let name = if reader.is("AS") {
                reader.name()?
            } else if let Term::Column(name) = &term {
                name.clone()
            } else {
                format!("expr{}", columns.len() + 1)
            };
            columns.push((term, name));
            if !reader.is(",") {
                break;
            }
        }
    }
    reader.need("FROM")?;
    let table = reader.name()?;
    let condition = if reader.is("WHERE") { Some(reader.either()?) } else { None };
    let mut group = Vec::new();
    if reader.is("GROUP") {
        reader.need("BY")?;
        group.push(reader.name()?);
        while reader.is(",") {
            group.push(reader.name()?);
        }
    }
    let mut order = Vec::new();
    if reader.is("ORDER") {
        reader.need("BY")?;
        loop {
            let name = reader.name()?;
            let is_down = reader.is("DESC");
            if !is_down {
                reader.is("ASC");
            }
            order.push((name, is_down));
            if !reader.is(",") {
                break;
            }
        }
    }
    if reader.at < reader.tokens.len() {
        return Err("unexpected words after the end of the query".to_owned());
    }
    Ok(Query { columns, table, condition, group, order })
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c == '\'' {
            let (value, end) = quoted(&chars, at)?;
            tokens.push(Token::Text(value));
            at = end;
        } else if c.is_alphanumeric() || c == '_' {
            let is_part = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '.';
            let word: String = chars[at..].iter().take_while(|c| is_part(c)).collect();
            at += word.chars().count();
            tokens.push(Token::Word(word));
        } else {
            let two: String = chars[at..].iter().take(2).collect();
            if ["--", "/*"].contains(&two.as_str()) || c == ';' {
                return Err("comments and further statements are not allowed".to_owned());
            }
            let sign =
                if ["<=", ">=", "<>", "!="].contains(&two.as_str()) { two } else { c.to_string() };
            at += sign.chars().count();
            tokens.push(Token::Sign(sign));
        }
    }
    Ok(tokens)
}

fn quoted(chars: &[char], from: usize) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut at = from + 1;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('\'', Some('\'')) => {
                value.push('\'');
                at += 2;
            }
            ('\'', _) => return Ok((value, at + 1)),
            (c, _) => {
                value.push(c);
                at += 1;
            }
        }
    }
    Err("a literal is not closed".to_owned())
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn either(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.both()?];
        while self.is("OR") {
            all.push(self.both()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::Or(all) })
    }

    fn both(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.single()?];
        while self.is("AND") {
            all.push(self.single()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::And(all) })
    }

    fn single(&mut self) -> Result<Condition, String> {
        if self.is("NOT") {
            return Ok(Condition::Not(Box::new(self.single()?)));
        }
        if self.is("(") {
            self.depth += 1;
            if self.depth > MOST_DEPTH {
                return Err("too many parentheses".to_owned());
            }
            let inner = self.either()?;
            self.need(")")?;
            self.depth -= 1;
            return Ok(inner);
        }
        let term = self.term()?;
        if self.is("IS") {
            let is_not = self.is("NOT");
            self.need("NULL")?;
            return Ok(Condition::IsNull(term, !is_not));
        }
        if self.is("LIKE") {
            let Term::Text(pattern) = self.term()? else {
                return Err("LIKE needs a text".to_owned());
            };
            return Ok(Condition::Like(term, pattern));
        }
        if self.is("IN") {
            self.need("(")?;
            let mut values = vec![self.term()?];
            while self.is(",") {
                values.push(self.term()?);
            }
            self.need(")")?;
            if values.len() > 1_000 {
                return Err("more than 1,000 values in a list".to_owned());
            }
            return Ok(Condition::In(term, values));
        }
        match self.next() {
            Some(Token::Sign(sign))
                if ["=", "<>", "!=", "<", ">", "<=", ">="].contains(&sign.as_str()) =>
            {
                Ok(Condition::Compare(term, sign, self.term()?))
            }
            _ => Err("a comparison was expected".to_owned()),
        }
    }

    fn term(&mut self) -> Result<Term, String> {
        let word = match self.next() {
            Some(Token::Text(text)) => return Ok(Term::Text(text)),
            Some(Token::Word(word)) => word,
            _ => return Err("a column or value was expected".to_owned()),
        };
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map(Term::Number).map_err(|_| "no such number".to_owned());
        }
        if !self.is("(") {
            return Ok(Term::Column(bare(&word)));
        }
        let function = word.to_ascii_uppercase();
        if function == "COUNT" && self.is("*") {
            self.need(")")?;
            return Ok(Term::Count);
        }
        let inner = self.term()?;
        let mut form = String::new();
        if self.is(",") {
            let Term::Text(text) = self.term()? else {
                return Err("a form was expected".to_owned());
            };
            form = text;
        }
        self.need(")")?;
        let known = ["TO_CHAR", "TO_DATE", "BUILTIN.DF", "LOWER", "UPPER", "SUM", "COUNT"];
        if !known.contains(&function.as_str()) {
            return Err(format!("Unknown function '{}'", function.len()));
        }
        Ok(Term::Call(function, Box::new(inner), form))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(bare(&word)),
            _ => Err("a name was expected".to_owned()),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is(&mut self, what: &str) -> bool {
        let is = match self.tokens.get(self.at) {
            Some(Token::Word(word)) => word.eq_ignore_ascii_case(what),
            Some(Token::Sign(sign)) => sign == what,
            _ => false,
        };
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, what: &str) -> Result<(), String> {
        if self.is(what) { Ok(()) } else { Err(format!("{what} was expected")) }
    }
}

/// A name in lower case, without the table before it.
fn bare(word: &str) -> String {
    word.rsplit('.').next().unwrap_or(word).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{Condition, Term, read};

    #[test]
    fn queries_are_read_and_others_refused() {
        let query = read(
            "select c.id, TO_CHAR(lastmodifieddate, 'YYYY') AS at from customer where LOWER(email) IN ('o''neil', 'x') \
             AND (id > 5 OR phone IS NOT NULL) ORDER BY lastmodifieddate DESC, id",
        );
        let query = query.expect("a query");
        assert_eq!(query.columns[0].1, "id");
        assert_eq!(query.order, [("lastmodifieddate".to_owned(), true), ("id".to_owned(), false)]);
        let Some(Condition::And(all)) = query.condition else { panic!("and") };
        let Condition::In(_, values) = &all[0] else { panic!("in") };
        assert_eq!(values[0], Term::Text("o'neil".to_owned()));
        for odd in [
            "",
            "SELECT",
            "SELECT id FROM customer WHERE",
            "SELECT id FROM customer WHERE email = 'x",
            "SELECT id FROM customer; DELETE",
            "SELECT id FROM customer -- x",
            "SELECT DROP(id) FROM customer",
            "SELECT id FROM customer WHERE id LIKE 5",
            "SELECT id FROM customer x y",
        ] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}
