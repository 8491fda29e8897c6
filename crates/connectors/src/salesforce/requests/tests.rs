//! Values that try to be syntax of SOQL, SOSL or the address.

use super::{literal, nowhere, whole_path};
use kit::Custom;
use proptest::prelude::*;

const QUOTED: &str = "SELECT Id FROM Contact WHERE External_Id__c = '";
const LIKE: &str = "SELECT Id FROM Contact WHERE Name like '%";

/// Reads on within quotes as the vendor does: the value, and what follows the end.
fn read_quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return (value, &text[at + 1..]),
            '\\' => match chars.next().expect("a character").1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                'b' => value.push('\u{8}'),
                'f' => value.push('\u{c}'),
                'u' => {
                    let hex: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&hex, 16).expect("hex");
                    value.push(char::from_u32(code).expect("a character"));
                }
                other => value.push(other),
            },
            '%' | '_' => value.push('\u{FFFF}'),
            c => value.push(c),
        }
    }
    panic!("not closed")
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "'",
            "\\",
            "\\'",
            "%",
            "_",
            "' OR Name != '",
            "}",
            "\"",
            "\n",
            "{{x}}"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_value_between_quotes_stays_between_them(value in nasty()) {
        let text = literal(QUOTED, &value).expect("a place") + "' LIMIT 1";
        let text = text.replace(['%', '_'], "x");
        let (read, after) = read_quoted(&text);
        prop_assert_eq!((read, after), (value.replace(['%', '_'], "x"), " LIMIT 1"));
    }

    #[test]
    fn a_value_of_like_stands_for_itself_alone(value in nasty()) {
        let text = literal(LIKE, &value).expect("a place") + "'";
        let (read, after) = read_quoted(&text);
        prop_assert_eq!((read.as_str(), after), (value.as_str(), ""));
    }

    #[test]
    fn a_value_never_ends_a_search(value in nasty()) {
        let escaped = |text: &str, ends: &[char]| {
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                assert!(!ends.contains(&c), "{text}");
                if c == '\\' { chars.next(); }
            }
        };
        escaped(&literal("FIND {\"", &value).expect("a place"), &['"', '}']);
        if let Ok(word) = literal("FIND {", &value) {
            escaped(&word, &['"', '}', '{', ' ', '*', '?']);
        }
    }

    #[test]
    fn a_path_never_leaves_the_api(path in "/[a-z./\\\\%@:?#2ef]{0,20}") {
        let custom = Custom {
            method: "GET".to_owned(),
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        };
        if let Ok(path) = whole_path(&custom, "67.0") {
            let url = url::Url::parse("https://org.example").and_then(|u| u.join(&path)).expect("an address");
            prop_assert_eq!(url.host_str(), Some("org.example"));
            prop_assert!(url.path().starts_with("/services/"));
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }
}

#[test]
fn a_value_stands_within_quotes_alone() {
    for before in [
        "",
        "SELECT Id FROM ",
        "SELECT Id FROM Contact WHERE Id = ",
        "SELECT Id FROM Contact WHERE Id = 'a' AND Name = ",
        "DELETE '",
        "FIND {a} IN PHONE FIELDS RETURNING ",
    ] {
        assert!(literal(before, "x").is_err(), "{before}");
    }
    let after_an_escape = "SELECT Id FROM Contact WHERE Name = 'O\\'";
    assert_eq!(literal(after_an_escape, "x'").as_deref(), Ok("x\\'"));
    assert_eq!(literal("FIND {x} RETURNING Contact(Id WHERE Name = '", "'").as_deref(), Ok("\\'"));
    assert_eq!(literal("FIND {", "a-b").as_deref(), Ok("a\\-b"));
    assert!(literal("FIND {", "a OR b").is_err() && literal("FIND {", "or").is_err());
    assert!(nowhere("", "x").is_err());
}
