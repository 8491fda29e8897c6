//! Values that try to be syntax, place by place; and what is refused when it is read.

use super::{Draft, Given, Template, Unfilled};
use crate::requests::{Language, Place};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Quotes by doubling, as OData has them; none outside of them.
fn doubled(before: &str, value: &str) -> Result<String, &'static str> {
    if before.matches('\'').count().is_multiple_of(2) {
        return Err("outside quotes");
    }
    Ok(value.replace('\'', "''"))
}

fn language(place: Place<'_>) -> Option<Language> {
    let has = matches!(place, Place::Path | Place::Query("$filter") | Place::Json("q"));
    has.then_some(Language { name: "test", literal: doubled })
}

fn names() -> BTreeSet<String> {
    ["ani", "email", "count"].map(str::to_owned).into()
}

fn draft(path: &str) -> Draft {
    Draft { method: "GET".into(), path: path.into(), ..Draft::default() }
}

fn given(value: &str) -> Given {
    [("ani", value), ("email", value)].map(|(k, v)| (k.to_owned(), v.into())).into()
}

fn read(draft: &Draft, with_language: bool) -> Result<Template, Vec<String>> {
    let none = |_: Place<'_>| None;
    let read = match with_language {
        true => Template::read(draft, &names(), &language),
        false => Template::read(draft, &names(), &none),
    };
    read.map_err(|all| {
        all.into_iter().map(|p| format!("{}: {} {}", p.key, p.message, p.fix)).collect()
    })
}

#[test]
fn values_stand_in_every_place_with_its_escaping() {
    let draft = Draft {
        method: "POST".into(),
        path: "/contacts('{{ani}}')/a b".into(),
        query: [
            ("$filter".to_owned(), "Email eq '{{email}}' and Id eq '{{ani}}'".to_owned()),
            ("plain".to_owned(), "{{ani}}&x".to_owned()),
        ]
        .into(),
        headers: [("X-Caller".to_owned(), "\"{{email}}\"".to_owned())].into(),
        body: Some(
            r#"{"n": {{count}}, "t": "a {{ani}} {b}}", "q": "x eq '{{email}}'", "l": [1, {{ani}}], "o": {"i": true}}"#
                .into(),
        ),
    };
    let template = read(&draft, true).expect("a template");
    let mut given: Given = given(r#"O'B "&\"#);
    let plain = r#"O'B "&"#;
    given.insert("ani".into(), plain.into());
    given.insert("count".into(), json!(7));
    let custom = template.fill(&given).expect("filled");
    assert_eq!(custom.path, "/contacts('O%27%27B%20%22%26')/a%20b");
    assert_eq!(custom.query[0].1, r#"Email eq 'O''B "&\' and Id eq 'O''B "&'"#);
    assert_eq!(custom.query[1].1, r#"O'B "&&x"#);
    assert_eq!(custom.headers[0].1, r#""O'B \"&\\""#);
    let expected = json!({
        "n": 7, "t": format!("a {plain} {{b}}}}"), "q": r#"x eq 'O''B "&\'"#, "l": [1, plain],
        "o": { "i": true }
    });
    assert_eq!(custom.body, Some(expected));
}

#[test]
fn a_place_where_no_value_may_stand_is_refused_with_its_mend() {
    let check = |draft: Draft, expected: &str| {
        let problems = read(&draft, true).expect_err(expected).join("\n");
        assert!(problems.contains(expected), "{problems}");
    };
    let post = |body: &str| Draft { method: "POST".into(), body: Some(body.into()), ..draft("/x") };
    let query = |name: &str, value: &str| Draft {
        query: [(name.to_owned(), value.to_owned())].into(),
        ..draft("/x")
    };
    let header = |name: &str, value: &str| Draft {
        headers: [(name.to_owned(), value.to_owned())].into(),
        ..draft("/x")
    };
    check(draft("/contacts({{ani}})"), "path: `{{ani}}` may not stand here: outside quotes.");
    check(query("$filter", "Id eq {{ani}}"), "query.$filter: `{{ani}}` may not stand here");
    check(query("$filter", "Id eq '{{amy}}'"), "Did you mean `{{ani}}`?");
    check(query("a", "{{orderId}}"), "Add it to `inputs`");
    check(query("{{ani}}", "1"), "No value may stand in a name");
    check(query("a", "{{ani"), "is not closed");
    check(header("Authorization", "x"), "An action does not set this header");
    check(header("X Y", "x"), "no name of a header");
    check(header("X", "a\r\nB: c"), "A header cannot hold this text");
    check(post(r#"{"{{ani}}": 1}"#), "No value may stand in a name");
    check(post(r#"{"q": {{ani}}}"#), "body.q: `{{ani}}` may not stand here");
    check(post(r#"{"a": }"#), "It is no JSON at line 1");
    check(post(r#"{"a": {{ani}}{{ani}}}"#), "It is no JSON");
    check(Draft { body: Some("{}".into()), ..draft("/x") }, "A GET has no body");
    check(Draft { method: "get".into(), ..draft("/x") }, "is no method of an action");
    for path in ["x", "//host/x", "/a?b=1", "/a#b", "/%2e%2e/x", "/a/../b", "/a\\b", "/./a"] {
        assert!(read(&draft(path), false).is_err(), "{path}");
    }
}

#[test]
fn what_has_no_value_is_not_sent() {
    let template = read(&draft("/c/{{ani}}"), false).expect("a template");
    let missing = Err(Unfilled::Missing { name: "ani".into() });
    for none in [Given::new(), given(""), [("ani".to_owned(), Value::Null)].into()] {
        assert_eq!(template.fill(&none), missing);
    }
    for out in [".", "..", "a/b", "..\\x", "a\nb"] {
        let refused = template.fill(&given(out)).expect_err(out);
        assert!(matches!(refused, Unfilled::Refused { .. }), "{out}");
    }
    assert_eq!(template.fill(&given("%2e%2e")).expect("a step").path, "/c/%252e%252e");
}

/// What tries hard to be syntax.
fn nasty() -> impl Strategy<Value = String> {
    let words = vec![
        "'",
        "\"",
        "\\",
        "\r\n",
        "&",
        "=",
        "?",
        "#",
        "/",
        "..",
        "%27",
        "%2F",
        "{{email}}",
        "}}",
        "\u{10FFFE}v0\u{10FFFE}",
        "' or 1 eq 1",
        ",",
        ";",
        "\0",
        "\u{2028}",
        "é",
    ];
    let piece = prop_oneof![any::<String>(), prop::sample::select(words).prop_map(str::to_owned)];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_value_is_one_step_of_the_path(value in nasty(), with_language: bool) {
        let path = if with_language { "/c('{{ani}}')/end" } else { "/c/{{ani}}/end" };
        let template = read(&draft(path), with_language).expect("a template");
        if let Ok(custom) = template.fill(&given(&value)) {
            let url = url::Url::parse("https://crm.example").expect("a URL").join(&custom.path).expect("a path");
            prop_assert_eq!(url.host_str(), Some("crm.example"));
            let steps: Vec<&str> = url.path_segments().expect("steps").collect();
            prop_assert_eq!(steps.len(), if with_language { 2 } else { 3 });
            prop_assert_eq!(steps.last(), Some(&"end"));
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }

    #[test]
    fn a_value_is_one_parameter(value in nasty()) {
        let query = [("a".to_owned(), "x{{ani}}y".to_owned()), ("b".to_owned(), "1".to_owned())].into();
        let template = read(&Draft { query, ..draft("/x") }, false).expect("a template");
        if let Ok(custom) = template.fill(&given(&value)) {
            let mut url = url::Url::parse("https://crm.example/x").expect("a URL");
            url.query_pairs_mut().extend_pairs(&custom.query);
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("a".to_owned(), format!("x{value}y")), ("b".to_owned(), "1".to_owned())]);
        }
    }

    #[test]
    fn a_value_is_one_literal_of_the_language(value in nasty()) {
        let query = [("$filter".to_owned(), "A eq '{{ani}}{{email}}' and B eq 'b'".to_owned())].into();
        let template = read(&Draft { query, ..draft("/x") }, true).expect("a template");
        if let Ok(custom) = template.fill(&given(&value)) {
            let text = &custom.query[0].1;
            let inside = text.strip_prefix("A eq '").and_then(|t| t.strip_suffix("' and B eq 'b'")).expect("framed");
            prop_assert_eq!(inside.replace("''", "\u{1}").matches('\'').count(), 0);
            prop_assert_eq!(inside.replace("''", "'"), format!("{value}{value}"));
        }
    }

    #[test]
    fn a_value_is_one_header_and_one_word_of_it(value in nasty(), is_quoted: bool) {
        let text = if is_quoted { "p=\"{{ani}}\", q=1" } else { "p={{ani}}, q=1" };
        let headers = [("Prefer".to_owned(), text.to_owned())].into();
        let template = read(&Draft { headers, ..draft("/x") }, false).expect("a template");
        if let Ok(custom) = template.fill(&given(&value)) {
            let text = &custom.headers[0].1;
            prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)));
            let inside = text.strip_prefix("p=").and_then(|t| t.strip_suffix(", q=1")).expect("framed");
            if is_quoted {
                let inside = inside.strip_prefix('"').and_then(|t| t.strip_suffix('"')).expect("quotes");
                let mut chars = inside.chars();
                let mut read = String::new();
                while let Some(c) = chars.next() {
                    prop_assert_ne!(c, '"');
                    read.push(if c == '\\' { chars.next().expect("escaped") } else { c });
                }
                prop_assert_eq!(read, value);
            } else {
                prop_assert!(!inside.contains([' ', ',', ';', '"', '\\', '=']));
            }
        }
    }

    #[test]
    fn a_value_is_one_value_of_json(value in nasty()) {
        let body = r#"{"whole": {{ani}}, "part": "<{{email}}>", "q": "k eq '{{ani}}'", "last": 1}"#;
        let draft = Draft { method: "POST".into(), body: Some(body.into()), ..draft("/x") };
        let template = read(&draft, true).expect("a template");
        if let Ok(custom) = template.fill(&given(&value)) {
            // As it goes out, and as the other side reads it.
            let sent = custom.body.expect("a body").to_string();
            let read: Value = serde_json::from_str(&sent).expect("JSON");
            prop_assert_eq!(&read["whole"], &json!(value));
            prop_assert_eq!(&read["part"], &json!(format!("<{value}>")));
            prop_assert_eq!(&read["q"], &json!(format!("k eq '{}'", value.replace('\'', "''"))));
            prop_assert_eq!(read.as_object().expect("an object").len(), 4);
        }
    }

    #[test]
    fn what_an_administrator_writes_never_panics(path in any::<String>(), text in any::<String>()) {
        let draft = Draft {
            method: "POST".into(),
            path,
            query: [("q".to_owned(), text.clone())].into(),
            headers: [("X-Y".to_owned(), text.clone())].into(),
            body: Some(text),
        };
        let _ = read(&draft, true);
    }
}

#[test]
fn where_values_stand_is_told_without_a_language() {
    let draft = Draft {
        method: "POST".to_owned(),
        path: "/query/{{ id }}".to_owned(),
        query: [("q".to_owned(), "{{ani}} {{email}}".to_owned())].into(),
        headers: [("Prefer".to_owned(), "plain".to_owned())].into(),
        body: Some("{\"a\": {{ani}}}".to_owned()),
    };
    let told: Vec<_> = draft.places().into_iter().collect();
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        told,
        [
            ("body".to_owned(), names(&["ani"])),
            ("path".to_owned(), names(&["id"])),
            ("query.q".to_owned(), names(&["ani", "email"])),
        ]
    );
}
