//! SOSL: the search over an index that lags behind the records.
//!
//! A phone matches by its digits: equal, or one the end of the other with at least
//! seven digits (a country code may be missing on either side; what follows an `x`
//! is the extension and is not compared). An e-mail address matches whole, a name by
//! the beginning of its words. A record is found only once it has been indexed, a
//! while after it was written, while SOQL sees it at once.

mod index;

use serde_json::{Map, Value as Json, json};

use super::soql::lexer::Broken;
use super::soql::parser::{Item, Parser, Query};
use super::soql::{plan, render};
use super::store::{Refused, State, Store};

pub(crate) use self::index::Search;
use self::index::{Scope, refresh};

/// Rows of one answer.
const MOST_ROWS: usize = 2000;
/// Characters of a search; a longer one finds nothing.
const MOST_SEARCH: usize = 10_000;
/// Objects that are searched when RETURNING names none.
const EVERYWHERE: [&str; 5] = ["Account", "Contact", "Case", "Lead", "User"];

/// Runs `FIND {…} [IN … FIELDS] [RETURNING …] [LIMIT n]`; the answer is the body.
pub(crate) fn sosl(store: &mut Store, base: &str, text: &str) -> Result<Vec<u8>, Refused> {
    let malformed = |what: &str| Refused::new("MALFORMED_SEARCH", what);
    let rest = text.trim_start();
    let after = rest.get(4..).filter(|_| rest[..4].eq_ignore_ascii_case("FIND"));
    let after = after.ok_or_else(|| malformed("search string must begin with FIND"))?.trim_start();
    let after = after
        .strip_prefix('{')
        .ok_or_else(|| malformed("line 1:5 mismatched input, expecting '{'"))?;
    let end = closing_brace(after).ok_or_else(|| malformed("search term is not closed by '}'"))?;
    let (term, tail) = (&after[..end], &after[end + 1..]);
    let broken = |broken: Broken| malformed(&super::soql::at(tail, broken.at, &broken.what));
    let mut parser = Parser::new(tail).map_err(broken)?;
    let scope = if parser.word("IN") {
        let scope = parser.name().map_err(broken)?;
        parser.need_word("FIELDS").map_err(broken)?;
        scope_named(&scope.text)?
    } else {
        Scope::All
    };
    let mut wanted = Vec::new();
    if parser.word("RETURNING") {
        loop {
            wanted.push(returned(&mut parser).map_err(broken)?);
            if !parser.sign(",") {
                break;
            }
        }
    }
    let mut overall = Query {
        select: vec![],
        from: unnamed(""),
        condition: None,
        group: vec![],
        order: vec![],
        limit: None,
        offset: 0,
    };
    parser.tail(&mut overall).map_err(broken)?;
    parser.end().map_err(broken)?;
    let most = overall.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS);
    run(store, base, text, (term, scope), &wanted, most)
}

/// Runs the JSON form of a search.
pub(crate) fn parameterized(
    store: &mut Store,
    base: &str,
    body: &Map<String, Json>,
) -> Result<Vec<u8>, Refused> {
    let term = body
        .get("q")
        .and_then(Json::as_str)
        .ok_or_else(|| Refused::new("MALFORMED_SEARCH", "q is required"))?;
    let scope = body.get("in").and_then(Json::as_str).map_or(Ok(Scope::All), scope_named)?;
    let fields = |of: &Map<String, Json>| -> Vec<Item> {
        let own = of.get("fields").or_else(|| body.get("fields")).and_then(Json::as_array);
        let names = own.into_iter().flatten().filter_map(Json::as_str);
        names.map(|name| Item::Field(unnamed(name))).collect()
    };
    let limit = |of: &Map<String, Json>, key: &str| {
        of.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok())
    };
    let mut wanted = Vec::new();
    for object in body
        .get("sobjects")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_object)
    {
        let name = object.get("name").and_then(Json::as_str).unwrap_or_default();
        let limit = limit(object, "limit").or_else(|| limit(body, "defaultLimit"));
        let from = unnamed(name);
        wanted.push(Query {
            select: fields(object),
            from,
            condition: None,
            group: vec![],
            order: vec![],
            limit,
            offset: 0,
        });
    }
    let most = limit(body, "overallLimit").unwrap_or(MOST_ROWS).min(MOST_ROWS);
    run(store, base, "", (term, scope), &wanted, most)
}

/// Builds the index now: an org that has been there for years has one.
pub(crate) fn build(store: &mut Store) {
    refresh(store);
}

fn run(
    store: &mut Store,
    base: &str,
    text: &str,
    (term, scope): (&str, Scope),
    wanted: &[Query],
    most: usize,
) -> Result<Vec<u8>, Refused> {
    let terms = alternatives(term)?;
    let mut plans = Vec::new();
    for query in wanted {
        plans.push(plan::returning(store, text, query)?);
    }
    if wanted.is_empty() {
        for name in EVERYWHERE.iter().filter(|name| store.object(name).is_some()) {
            let select = vec![Item::Field(unnamed("Id"))];
            let query = Query {
                select,
                from: unnamed(name),
                condition: None,
                group: vec![],
                order: vec![],
                limit: None,
                offset: 0,
            };
            plans.push(plan::returning(store, text, &query)?);
        }
    }
    let mut hits: Vec<(usize, u32)> = Vec::new();
    if term.len() <= MOST_SEARCH {
        let index = refresh(store);
        hits.extend(terms.iter().flat_map(|words| index.find(words, scope)));
    }
    let alive = |(object, row): &(usize, u32)| {
        store.row(*object, *row).is_some_and(|r| r.state == State::Alive)
    };
    hits.retain(alive);
    let mut out = b"{\"searchRecords\":[".to_vec();
    let mut left = most;
    for plan in &plans {
        let own =
            hits.iter().filter(|(object, _)| *object == plan.object).map(|(_, row)| *row).collect();
        for row in plan.choose(store, Some(own)).into_iter().take(left) {
            if left < most {
                out.push(b',');
            }
            left -= 1;
            render::record(store, base, plan, row, &mut out);
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn scope_named(name: &str) -> Result<Scope, Refused> {
    match name.to_ascii_uppercase().as_str() {
        "ALL" | "SIDEBAR" => Ok(Scope::All),
        "NAME" => Ok(Scope::Name),
        "EMAIL" => Ok(Scope::Email),
        "PHONE" => Ok(Scope::Phone),
        _ => Err(Refused::new("INVALID_SEARCH_SCOPE", format!("{name} is not a search scope"))),
    }
}

/// `Contact`, or `Contact(Id, Name WHERE … ORDER BY … LIMIT n)`.
fn returned(parser: &mut Parser<'_>) -> Result<Query, Broken> {
    let from = parser.name()?;
    let mut query = Query {
        select: vec![],
        from,
        condition: None,
        group: vec![],
        order: vec![],
        limit: None,
        offset: 0,
    };
    if parser.sign("(") {
        query.select.push(Item::Field(parser.name()?));
        while parser.sign(",") {
            query.select.push(Item::Field(parser.name()?));
        }
        parser.tail(&mut query)?;
        parser.need_sign(")")?;
    } else {
        query.select.push(Item::Field(unnamed("Id")));
    }
    Ok(query)
}

fn unnamed(text: &str) -> super::soql::parser::Name {
    super::soql::parser::Name { at: 0, text: text.to_owned() }
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '}' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// The alternatives between ` OR `, unescaped; phrases lose their quotes.
fn alternatives(term: &str) -> Result<Vec<String>, Refused> {
    let mut plain = String::new();
    let mut chars = term.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            '"' => {}
            '?' | '&' | '|' | '!' | '{' | '[' | ']' | '(' | ')' | '^' | '~' | ':' | '\'' | '+' => {
                let what = format!("line 1: unescaped reserved character '{c}' in search term");
                return Err(Refused::new("MALFORMED_SEARCH", what));
            }
            c => plain.push(c),
        }
    }
    let all: Vec<String> = plain.split(" OR ").map(|one| one.trim().to_owned()).collect();
    if all.iter().any(|one| one.chars().count() < 2) {
        let what = format!("search term must be longer than one character: {plain}");
        return Err(Refused::new("MALFORMED_SEARCH", what));
    }
    Ok(all)
}

/// `searchRecords` as JSON for tests and the state page.
pub(crate) fn lag(store: &Store) -> Json {
    json!({ "lagMs": store.search.lag_ms, "waiting": store.touched.len() })
}
