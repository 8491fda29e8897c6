//! Rules and chains as they are read, alone and together.

use super::form::{self, Body};
use super::{Rules, SetBody};
use domain::Region;
use domain::rules::Entry;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn body(value: Value) -> Body {
    match value {
        Value::Object(body) => body,
        _ => panic!("no object"),
    }
}

fn us() -> Region {
    Region::parse("US").expect("a region")
}

fn gold() -> Value {
    json!({
        "location": "did", "crm": "crm", "module": "contacts", "field": "loyaltyTier",
        "lines": [{ "operator": "=", "value": "Gold",
                    "destination": { "type": "queue", "option": "Premium Support" } }],
    })
}

fn places(name: &str, value: Value) -> Vec<String> {
    let faults = form::rule(name, &body(value)).expect_err("it is wrong");
    faults.into_iter().map(|fault| fault.at).collect()
}

#[test]
fn a_whole_rule_is_read() {
    let read = form::rule("Gold callers", &body(gold())).expect("sound");
    assert_eq!(read.rule.source.connection, "crm");
    assert_eq!(read.rule.lines[0].words(&read.rule), "loyaltyTier = Gold");
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let expected = ["location", "crm", "module", "field", "lines"];
    assert_eq!(places("x", json!({})), expected);
    let mut rule = gold();
    rule["lines"] =
        json!([{}, { "operator": "~", "value": [], "destination": { "type": "agent" } }]);
    let expected = [
        "lines[0].operator",
        "lines[0].value",
        "lines[0].destination",
        "lines[1].operator",
        "lines[1].value",
        "lines[1].destination.type",
        "lines[1].destination.option",
    ];
    assert_eq!(places("x", rule), expected);
    assert_eq!(places("", gold()), ["name"]);
}

#[test]
fn a_custom_url_stands_alone_and_begins_with_https() {
    let with = |more: Value| {
        let mut rule = gold();
        for name in ["crm", "module"] {
            rule.as_object_mut().expect("object").remove(name);
        }
        rule["url"] = "https://crm.example/who".into();
        for (name, value) in body(more) {
            rule[name] = value;
        }
        rule
    };
    let read = form::rule("Own", &body(with(json!({})))).expect("sound");
    assert_eq!(read.url.as_deref(), Some("https://crm.example/who"));
    let own = |rule: Value| form::own_connection("Own", &body(rule));
    assert_eq!(read.rule.source.connection, own(with(json!({}))));
    // What is in force is asked as before, whatever a draft says.
    for other in [
        json!({ "url": "https://crm.example/other" }),
        json!({ "field": "another" }),
        json!({ "login": { "set": true, "id": "1" } }),
    ] {
        let name = own(with(other));
        assert!(form::is_own(&name) && name != own(with(json!({}))), "{name}");
    }
    assert_eq!(own(with(json!({ "greeting": "Hello" }))), own(with(json!({}))));
    let more = json!({ "crm": "a", "module": "leads", "username": "u", "password": "p" });
    assert_eq!(places("Own", with(more)), ["crm", "module", "username", "password"]);
    assert_eq!(places("Own", with(json!({ "url": "http://crm.example" }))), ["url"]);
}

#[test]
fn a_login_is_whole_and_told_by_name() {
    let with = |more: Value| {
        let mut rule = gold();
        for (name, value) in body(more) {
            rule[name] = value;
        }
        rule
    };
    for (more, expected) in [
        (json!({ "username": "u", "password": "p" }), &[][..]),
        (json!({ "token": "t" }), &[]),
        (json!({ "login": { "set": true, "id": "1" } }), &[]),
        (json!({ "username": "u" }), &["password"]),
        (json!({ "password": "p" }), &["username"]),
        (json!({ "username": "u", "password": "p", "token": "t" }), &["token"]),
        (json!({ "token": 5 }), &["token"]),
        (json!({ "login": "x" }), &["login"]),
        (json!({ "crm": "rule-0123456789abcdef" }), &["crm"]),
    ] {
        let rule = with(more.clone());
        let got = match form::rule("Own", &body(rule)) {
            Ok(read) => {
                assert!(form::is_own(&read.rule.source.connection), "{more}");
                Vec::new()
            }
            Err(faults) => faults.into_iter().map(|fault| fault.at).collect(),
        };
        assert_eq!(got, expected, "{more}");
    }
}

#[test]
fn a_greeting_is_for_an_ivr() {
    let mut rule = gold();
    rule["greeting"] = "Welcome".into();
    assert_eq!(places("x", rule.clone()), ["greeting"]);
    rule["location"] = "IVR".into();
    assert!(form::rule("x", &body(rule)).is_ok());
}

#[test]
fn values_fit_their_operators() {
    let check = |line: Value, expected: &[&str]| {
        let mut rule = gold();
        let mut line = line;
        line["destination"] = json!({ "type": "queue", "option": "Q" });
        rule["lines"] = json!([line]);
        let found = match form::rule("x", &body(rule)) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| fault.at).collect(),
        };
        assert_eq!(found, expected);
    };
    check(json!({ "operator": "<", "value": 5 }), &[]);
    check(json!({ "operator": "in", "values": ["a", 2, true] }), &[]);
    check(json!({ "operator": "is empty" }), &[]);
    check(json!({ "operator": "Starts With", "value": "+49" }), &[]);
    check(json!({ "operator": "is empty", "value": "x" }), &["lines[0].value"]);
    check(json!({ "operator": "=", "values": ["a", "b"] }), &["lines[0].values"]);
    check(json!({ "operator": "=", "value": "" }), &["lines[0].value"]);
    check(json!({ "operator": "=", "value": { "a": 1 } }), &["lines[0].value"]);
    check(json!({ "operator": "=", "value": "a", "extra": 1 }), &["lines[0].extra"]);
    let both = json!({ "all": [
        { "field": "tier", "operator": "=", "value": "Gold" },
        { "operator": ">", "value": 3 },
    ] });
    check(both.clone(), &[]);
    let mut twice = both;
    twice["operator"] = "=".into();
    check(twice, &["lines[0].operator"]);
    check(json!({ "all": [] }), &["lines[0].all"]);
    check(
        json!({ "all": [{ "operator": "=" }, 7] }),
        &["lines[0].all[0].value", "lines[0].all[1]"],
    );
}

fn set(rules: Value, chains: Value) -> SetBody {
    let all = |value: Value| -> BTreeMap<String, Body> {
        body(value).into_iter().map(|(name, one)| (name, body(one))).collect()
    };
    SetBody { rules: all(rules), chains: all(chains) }
}

fn to(text: &str) -> Value {
    let (kind, option) = text.split_once(':').expect("kind");
    json!({ "type": kind, "option": option })
}

#[test]
fn a_set_is_read_whole_and_its_entries_are_found_however_written() {
    let chains =
        json!({ "did:(555) 019-0000": { "rules": ["Gold"], "default": to("queue:General") } });
    let rules = Rules::new(3, &set(json!({ "Gold": gold(), "Unused": gold() }), chains), us())
        .expect("sound");
    let entry = Entry::Did("+15550190000".to_owned());
    assert_eq!(rules.at(&entry).expect("a chain").chain.rules, ["Gold"]);
    assert_eq!(rules.entries_of("Gold"), [&entry]);
    assert_eq!(rules.entries_of("Unused"), Vec::<&Entry>::new());
    assert_eq!(rules.destinations().len(), 2);
}

#[test]
fn what_does_not_fit_together_is_told_where_it_stands() {
    let check = |rules: Value, chains: Value, expected: &[&str]| {
        let faults = Rules::new(1, &set(rules, chains), us()).expect_err("wrong");
        let found: Vec<String> = faults.into_iter().map(|fault| fault.at).collect();
        assert_eq!(found, expected);
    };
    check(
        json!({ "Gold": gold() }),
        json!({
            "ivr:Main/1": { "rules": ["Gold", "None"], "default": to("queue:Q") },
            "did:+15550190000": { "rules": "Gold" },
            "somewhere": { "default": to("queue:Q") },
        }),
        &[
            "chains.did:+15550190000.rules",
            "chains.did:+15550190000.default",
            "chains.somewhere.entry",
            "chains.ivr:Main/1.rules[0]",
            "chains.ivr:Main/1.rules[1]",
        ],
    );
    check(
        json!({}),
        json!({
            "did:+15550190000": { "default": to("queue:Q") },
            "did:5550190000": { "default": to("queue:Q") },
        }),
        &["chains.did:+15550190000"],
    );
    check(
        json!({}),
        json!({
            "ivr:Main/1": { "default": to("ivr:Sales") },
            "ivr:Sales/2": { "default": to("ivr:main") },
        }),
        &["chains.ivr:Main/1.default"],
    );
}
