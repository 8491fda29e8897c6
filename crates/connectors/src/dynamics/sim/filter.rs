//! The language of `$filter`: read into a tree, and held against rows.
//!
//! As Dataverse has it: texts compare in any case, `contains`, `startswith` and `endswith`
//! know the wildcards `%`, `_` and `[…]`, a comparison of unlike types is refused, and a
//! query has at most 500 conditions.

use serde_json::Value as Json;

use super::store::{is_guid, same};

/// Conditions in one query.
const MOST_TERMS: usize = 500;
/// Parentheses in parentheses.
const MOST_DEPTH: usize = 60;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    Compare(String, Operator, Json),
    Like(String, Vec<Sign>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// One place of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sign {
    Is(char),
    OneOf(Vec<char>),
    Any,
    Anything,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Reads a filter; the reason where it is none.
pub(super) fn read(text: &str) -> Result<Filter, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens, at: 0, terms: 0, depth: 0 };
    let filter = reader.either()?;
    if reader.at < reader.tokens.len() {
        return Err(format!("Syntax error at position {} in '{}'.", reader.at, text.len()));
    }
    Ok(filter)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '\'' => {
                let (value, end) = quoted(&chars, at)?;
                tokens.push(Token::Text(value));
                at = end;
            }
            c @ ('(' | ')' | ',') => {
                tokens.push(Token::Sign(c));
                at += 1;
            }
            _ => {
                let is_end = |c: &char| c.is_whitespace() || "(),'".contains(*c);
                let word: String = chars[at..].iter().take_while(|c| !is_end(c)).collect();
                at += word.chars().count();
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// The literal that begins at a quote, and where it ends.
pub(super) fn quoted(chars: &[char], from: usize) -> Result<(String, usize), String> {
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
    Err("There is an unterminated literal.".to_owned())
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    terms: usize,
    depth: usize,
}

impl Reader {
    fn either(&mut self) -> Result<Filter, String> {
        let mut all = vec![self.both()?];
        while self.is_word("or") {
            all.push(self.both()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Filter::Or(all) })
    }

    fn both(&mut self) -> Result<Filter, String> {
        let mut all = vec![self.single()?];
        while self.is_word("and") {
            all.push(self.single()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Filter::And(all) })
    }

    fn single(&mut self) -> Result<Filter, String> {
        if self.is_word("not") {
            return Ok(Filter::Not(Box::new(self.single()?)));
        }
        if self.is_sign('(') {
            self.depth += 1;
            if self.depth > MOST_DEPTH {
                return Err("The recursion limit has been exceeded.".to_owned());
            }
            let inner = self.either()?;
            self.need(')')?;
            self.depth -= 1;
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > MOST_TERMS {
            return Err("Number of conditions in query exceeded maximum limit.".to_owned());
        }
        let word = self.word()?;
        if ["contains", "startswith", "endswith"].contains(&word.as_str()) {
            self.need('(')?;
            let column = self.word()?;
            self.need(',')?;
            let Some(Token::Text(text)) = self.next() else {
                return Err(format!("The arguments of '{word}' must be a property and a text."));
            };
            self.need(')')?;
            return Ok(Filter::Like(column, pattern(&word, &text)));
        }
        let operator = match self.word()?.as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            other => return Err(format!("Syntax error: '{}' is no operator.", other.len())),
        };
        let value = match self.next() {
            Some(Token::Text(text)) => Json::String(text),
            Some(Token::Word(word)) => bare(&word)?,
            _ => return Err("Expression expected.".to_owned()),
        };
        Ok(Filter::Compare(word, operator, value))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err("Syntax error: a name was expected.".to_owned()),
        }
    }

    fn is_word(&mut self, word: &str) -> bool {
        let is = self.tokens.get(self.at) == Some(&Token::Word(word.to_owned()));
        self.at += usize::from(is);
        is
    }

    fn is_sign(&mut self, sign: char) -> bool {
        let is = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, sign: char) -> Result<(), String> {
        if self.is_sign(sign) { Ok(()) } else { Err(format!("'{sign}' expected.")) }
    }
}

/// A value without quotes. An id is marked, because it is no text.
fn bare(word: &str) -> Result<Json, String> {
    match word {
        "null" => return Ok(Json::Null),
        "true" => return Ok(true.into()),
        "false" => return Ok(false.into()),
        _ => {}
    }
    if is_guid(word) || word.get(4..5) == Some("-") {
        // Ids and moments: what stands without quotes and is no number.
        return Ok(Json::Array(vec![word.to_lowercase().into()]));
    }
    let number = word.parse::<i64>().map(Json::from).ok();
    let number = number.or_else(|| word.parse::<f64>().map(Json::from).ok());
    number.ok_or_else(|| "Could not find a property with that name, or no such literal.".to_owned())
}

fn pattern(function: &str, text: &str) -> Vec<Sign> {
    let chars: Vec<char> = text.chars().collect();
    let mut signs = Vec::new();
    if function != "startswith" {
        signs.push(Sign::Anything);
    }
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '%' => signs.push(Sign::Anything),
            '_' => signs.push(Sign::Any),
            '[' => match chars[at..].iter().skip(2).position(|c| *c == ']') {
                Some(length) => {
                    let own = &chars[at + 1..at + 2 + length];
                    signs.push(Sign::OneOf(own.iter().flat_map(|c| c.to_lowercase()).collect()));
                    at += length + 2;
                }
                None => signs.push(Sign::Is('[')),
            },
            c => signs.extend(c.to_lowercase().map(Sign::Is)),
        }
        at += 1;
    }
    if function != "endswith" {
        signs.push(Sign::Anything);
    }
    signs
}

/// Does the text fit, as SQL's LIKE compares?
fn is_like(text: &[char], signs: &[Sign]) -> bool {
    let (mut at, mut sign, mut retry) = (0, 0, None);
    while at < text.len() {
        match signs.get(sign) {
            Some(Sign::Anything) => {
                retry = Some((sign, at));
                sign += 1;
            }
            Some(Sign::Any) => (at, sign) = (at + 1, sign + 1),
            Some(Sign::Is(c)) if *c == text[at] => (at, sign) = (at + 1, sign + 1),
            Some(Sign::OneOf(all)) if all.contains(&text[at]) => (at, sign) = (at + 1, sign + 1),
            _ => match retry {
                Some((from, reached)) => {
                    retry = Some((from, reached + 1));
                    (at, sign) = (reached + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    signs[sign..].iter().all(|sign| *sign == Sign::Anything)
}

impl Filter {
    /// Every property that it names.
    pub(super) fn properties(&self) -> Vec<&str> {
        match self {
            Filter::Or(all) | Filter::And(all) => all.iter().flat_map(Filter::properties).collect(),
            Filter::Not(inner) => inner.properties(),
            Filter::Compare(name, ..) | Filter::Like(name, _) => vec![name],
        }
    }

    /// Does it hold of the row whose values `of` gives?
    pub(super) fn holds(&self, of: &dyn Fn(&str) -> Json) -> bool {
        match self {
            Filter::Or(all) => all.iter().any(|one| one.holds(of)),
            Filter::And(all) => all.iter().all(|one| one.holds(of)),
            Filter::Not(inner) => !inner.holds(of),
            Filter::Like(name, signs) => {
                let value = of(name);
                let Some(text) = value.as_str() else { return false };
                let text: Vec<char> = text.to_lowercase().chars().collect();
                is_like(&text, signs)
            }
            Filter::Compare(name, operator, wanted) => {
                let wanted = match wanted {
                    Json::Array(one) => one.first().unwrap_or(&Json::Null),
                    other => other,
                };
                let value = of(name);
                match operator {
                    Operator::Eq => same(&value, wanted),
                    // As SQL has it, what is empty is not unlike anything but by asking for null.
                    Operator::Ne => !same(&value, wanted) && (!value.is_null() || wanted.is_null()),
                    _ => order(&value, wanted).is_some_and(|order| match operator {
                        Operator::Gt => order.is_gt(),
                        Operator::Ge => order.is_ge(),
                        Operator::Lt => order.is_lt(),
                        _ => order.is_le(),
                    }),
                }
            }
        }
    }
}

/// Which of two values comes first, where they can be compared.
pub(super) fn order(a: &Json, b: &Json) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Json::String(a), Json::String(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Json::Number(a), Json::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::read;

    fn check(text: &str, expected: bool) {
        let row =
            json!({ "name": "O'Neil & Söhne", "phone": "+1 (555) 019-9999", "n": 7, "none": null });
        let of = |name: &str| row.get(name).cloned().unwrap_or(Json::Null);
        assert_eq!(read(text).expect(text).holds(&of), expected, "{text}");
    }

    #[test]
    fn filters_hold_as_the_vendor_documents() {
        check("name eq 'o''neil & SÖHNE'", true);
        check("name eq 'o' or (n ge 7 and n lt 8)", true);
        check("not (n eq 7) or none ne null", false);
        check("none eq null and none ne 'x'", false);
        check("startswith(phone,'+1 (555)')", true);
        check("startswith(phone,'1')", false);
        check("contains(phone,'5%5%5%0%1%9')", true);
        check("endswith(phone,'99_9')", true);
        check("contains(phone,'[[]')", false);
        check("contains(name,'[&]')", true);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in
            ["", "name", "name eq", "name eq 'x", "name is 'x'", "(n eq 7", "n eq 7)", "n eq x y"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        let many = vec!["n eq 1"; 501].join(" or ");
        assert!(read(&many).is_err(), "too many conditions");
    }
}
