//! What can be written, and that nothing breaks out of it.

use super::{CRITERIA_MAX, Condition, Name, Query, in_coql, in_criteria, name, second};
use domain::Timestamp;
use proptest::prelude::*;

/// Reads one literal as COQL does: its value and what follows it.
fn read_literal(text: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(quote)?;
    let mut value = String::new();
    loop {
        let (head, tail) = rest.split_once(quote)?;
        value.push_str(head);
        match tail.strip_prefix(quote) {
            Some(more) => {
                value.push(quote);
                rest = more;
            }
            None => return Some((value, tail)),
        }
    }
}

/// Reads an escaped value of criteria up to the first bare sign that ends it.
fn read_criteria(text: &str) -> (String, String) {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.extend(chars.next()),
            '(' | ')' | ',' => return (value, format!("{c}{}", chars.as_str())),
            c => value.push(c),
        }
    }
    (value, String::new())
}

proptest! {
    #[test]
    fn a_literal_reads_back_as_its_value_and_ends_where_it_should(value in any::<String>()) {
        let conditions = Condition::one_of(&name("Email"), [value.as_str()]);
        let writable = !value.chars().any(|c| c == '\\' || c.is_control());
        prop_assert_eq!(conditions.len(), usize::from(writable));
        for condition in conditions {
            let rest = condition.text.strip_prefix("Email in (").expect("the list");
            prop_assert_eq!(read_literal(rest, '\''), Some((value.clone(), ")")));
        }
    }

    #[test]
    fn a_value_of_a_data_action_stays_inside_its_quotes(value in any::<String>(), double in any::<bool>()) {
        let quote = if double { '"' } else { '\'' };
        let before = format!("select id from Contacts where (Last_Name = 'O''Brien' and Email = {quote}");
        if let Ok(text) = in_coql(&before, &value) {
            let whole = format!("{quote}{text}{quote}) limit 1");
            prop_assert_eq!(read_literal(&whole, quote), Some((value, ") limit 1")));
        }
    }

    #[test]
    fn a_value_in_criteria_stays_inside_its_brackets(value in any::<String>()) {
        if let Ok(text) = in_criteria("((Last_Name:equals:", &value) {
            let (read, rest) = read_criteria(&format!("{text})and(Email:equals:x))"));
            prop_assert_eq!(read, value);
            prop_assert_eq!(rest, ")and(Email:equals:x))");
        }
    }

    #[test]
    fn only_letters_digits_dots_and_underscores_are_a_name(text in any::<String>()) {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        prop_assert!(Name::new(&text).is_none() || plain);
    }
}

#[test]
fn a_value_stands_where_a_literal_can_and_nowhere_else() {
    let coql = |before: &str| in_coql(before, "x").is_ok();
    assert!(coql("select id from Leads where Company = '"));
    assert!(coql("where Name = 'O''"), "inside, behind a doubled quote");
    assert!(coql("where Name = \"O'Brien and "), "the other quote is a sign like any");
    for before in ["", "select id from ", "where id = ", "where Name = 'x'"] {
        assert!(!coql(before), "{before}");
    }
    assert!(in_coql("'", r"a\").is_err() && in_coql("'", "a\nb").is_err());
    assert_eq!(in_coql("'", "O'Brien"), Ok("O''Brien".to_owned()));
    let criteria = |before: &str| in_criteria(before, "x").is_ok();
    assert!(criteria("(Email:equals:") && criteria("((A:equals:b)and(Email:in:one,"));
    for before in ["", "(", "(Email:", "(Email:equals:x)", r"\(Email:equals:", "Email:equals:"] {
        assert!(!criteria(before), "{before}");
    }
    let odd = in_criteria("(Company:equals:", r"A(B),C\D:E");
    assert_eq!(odd.as_deref(), Ok(r"A\(B\)\,C\\D:E"));
}

#[test]
fn a_query_keeps_to_the_vendors_bounds() {
    let values: Vec<String> = (0..130).map(|n| n.to_string()).collect();
    let lists = Condition::one_of(&name("Phone"), values.iter().map(String::as_str));
    assert_eq!(lists.len(), 3, "fifty values each");
    let many = (0..60).map(|_| Condition::any_record()).collect();
    let packs = Condition::any(many);
    let sizes: Vec<usize> = packs.iter().map(|pack| pack.criteria).collect();
    assert_eq!(sizes, [CRITERIA_MAX, CRITERIA_MAX, 10]);
    for pack in packs {
        assert_eq!(pack.text.matches('(').count(), pack.criteria - 1, "bracketed in pairs");
    }
    assert!(Condition::any(vec![]).is_empty());
}

#[test]
fn queries_read_as_the_vendor_documents() {
    let (id, time) = (name("id"), name("Modified_Time"));
    let place = Condition::behind(&time, Timestamp(1_795_292_100_500), 17);
    let fields = [id.clone(), name("Account_Name.Phone")];
    let query = Query::select(&name("Contacts"), &fields, &place, &[&time, &id], 900);
    assert_eq!(
        query.as_str(),
        "select id, Account_Name.Phone from Contacts where \
         (Modified_Time > '2026-11-21T20:15:00+00:00' or \
         (Modified_Time = '2026-11-21T20:15:00+00:00' and id > 17)) \
         order by Modified_Time, id limit 200"
    );
    assert_eq!(second(Timestamp(0)), "1970-01-01T00:00:00+00:00");
}

#[test]
fn names_that_could_be_syntax_are_refused() {
    for text in ["", "1a", "a b", "a,b", "a)", "a'", "_a", "Ä", ".a", "$converted"] {
        assert_eq!(Name::new(text), None, "{text}");
    }
}
