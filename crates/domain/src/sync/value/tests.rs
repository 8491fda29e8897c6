//! What counts as the same value.

use super::canonical;
use crate::sync::Kind;
use crate::{Numbering, Region, Value};
use proptest::prelude::*;

fn us() -> Numbering {
    Region::parse("US").expect("a region").into()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| text(item)).collect())
}

fn check(kind: Kind, same: &[Value], expected: Value) {
    for value in same {
        let got = canonical(kind, Some(value.clone()), us());
        assert_eq!(got.as_ref(), Some(&expected), "{kind:?} {value:?}");
    }
}

#[test]
fn outer_space_and_the_kind_of_line_end_are_no_difference() {
    check(Kind::Text, &[text("Ann "), text("\tAnn"), list(&["Ann"])], text("Ann"));
    check(Kind::Text, &[text("a\r\nb"), text("a\rb"), text("a\nb ")], text("a\nb"));
    check(Kind::Text, &[Value::Integer(5), Value::Number(5.0), text("5")], text("5"));
    check(Kind::Text, &[Value::Bool(true)], text("true"));
    check(Kind::Text, &[text("ann")], text("ann"));
    check(Kind::Text, &[list(&["a ", "b"])], list(&["a", "b"]));
}

#[test]
fn nothing_written_in_many_ways_is_empty() {
    for kind in Kind::ALL {
        assert_eq!(canonical(*kind, None, us()), None);
        for value in [text(""), text(" \n"), list(&[]), list(&["", " "]), Value::Number(f64::NAN)] {
            assert_eq!(canonical(*kind, Some(value.clone()), us()), None, "{kind:?} {value:?}");
        }
    }
}

#[test]
fn an_email_is_the_same_in_any_case() {
    check(
        Kind::Email,
        &[text("John@Example.COM "), text("john@example.com")],
        text("john@example.com"),
    );
}

#[test]
fn a_phone_is_its_number_however_it_is_typed() {
    let typed = ["(555) 019-9999", "+1 555 019 9999", "555.019.9999", "tel:+15550199999"];
    check(Kind::Phone, &typed.map(text), text("+15550199999"));
    check(Kind::Phone, &[Value::Integer(5_550_199_999)], text("+15550199999"));
    check(
        Kind::Phone,
        &[text("555-019-9999 x12"), text("+15550199999 ext. 12")],
        text("+15550199999 ext. 12"),
    );
    check(Kind::Phone, &[text(" ask at the desk ")], text("ask at the desk"));
}

#[test]
fn a_number_is_one_whether_told_as_text_or_not() {
    let whole = [Value::Integer(42), Value::Number(42.0), text("42"), text(" 42.0 "), text("+42")];
    check(Kind::Number, &whole, Value::Integer(42));
    check(Kind::Number, &[Value::Number(0.5), text("0.5"), text(".50")], Value::Number(0.5));
    check(Kind::Number, &[text("n/a")], text("n/a"));
    check(Kind::Number, &[text("inf")], text("inf"));
    check(Kind::Number, &[text("12345678901234567890")], text("12345678901234567890"));
    check(Kind::Number, &[text("9007199254740993")], Value::Integer(9_007_199_254_740_993));
}

#[test]
fn yes_is_true() {
    let yes = [Value::Bool(true), Value::Integer(1), text("TRUE"), text("yes"), Value::Number(1.0)];
    check(Kind::Bool, &yes, Value::Bool(true));
    check(Kind::Bool, &[Value::Bool(false), text("No"), Value::Integer(0)], Value::Bool(false));
    check(Kind::Bool, &[text("maybe")], text("maybe"));
}

#[test]
fn a_day_is_the_one_that_is_written() {
    let day = [
        text("2026-11-21"),
        text("2026-11-21T00:00:00+02:00"),
        text("2026-11-21T23:59:59.000+0000"),
        Value::Integer(1_795_219_200_000),
    ];
    check(Kind::Date, &day, text("2026-11-21"));
    check(Kind::Date, &[text("2026-02-30")], text("2026-02-30"));
    check(Kind::Date, &[text("2026-02-30T00:00:00Z")], text("2026-02-30T00:00:00Z"));
    check(Kind::Date, &[text("next week")], text("next week"));
}

#[test]
fn a_moment_is_a_second_of_utc() {
    let moment = [
        text("2026-11-21T20:15:00Z"),
        text("2026-11-21T20:15:00.999+0000"),
        text("2026-11-21T21:15:00+01:00"),
        Value::Integer(1_795_292_100_001),
    ];
    check(Kind::Moment, &moment, text("2026-11-21T20:15:00.000Z"));
    check(Kind::Moment, &[text("2026-11-21")], text("2026-11-21T00:00:00.000Z"));
    check(Kind::Moment, &[text("soon")], text("soon"));
    check(Kind::Moment, &[Value::Integer(i64::MAX)], text("9223372036854775807"));
}

#[test]
fn tags_are_a_set() {
    let tags = [
        list(&["vip", "gold"]),
        list(&["gold", "vip", " gold", ""]),
        text("vip;gold"),
        text("gold, vip"),
    ];
    check(Kind::Tags, &tags, list(&["gold", "vip"]));
    check(Kind::Tags, &[text("one"), list(&["one"])], list(&["one"]));
    check(Kind::Tags, &[list(&["a;b"])], list(&["a;b"]));
    check(
        Kind::Tags,
        &[Value::List(vec![Value::Integer(7), Value::Bool(true)])],
        list(&["7", "true"]),
    );
}

/// Values as systems tell them, and odd ones.
fn told() -> impl Strategy<Value = Value> {
    let digits = "[ +(]{0,2}[0-9. -]{0,14}( ?(x|ext\\.|;ext=)[0-9]{1,4})?";
    let times = "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:?00)?)?";
    let leaf = prop_oneof![
        "\\PC{0,12}".prop_map(Value::Text),
        "[a-zA-Z ;,\r\n@.]{0,12}".prop_map(Value::Text),
        digits.prop_map(Value::Text),
        times.prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        (-3i64..4).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

proptest! {
    #[test]
    fn what_is_canonical_stays_as_it_is(kind in prop::sample::select(Kind::ALL), value in told()) {
        let once = canonical(kind, Some(value), us());
        prop_assert_eq!(canonical(kind, once.clone(), us()), once);
    }

    #[test]
    fn the_order_of_tags_is_no_difference(tags in prop::collection::vec("[a-z ]{0,3}", 0..6)) {
        let value = |tags: Vec<String>| Value::List(tags.into_iter().map(Value::Text).collect());
        let forwards = canonical(Kind::Tags, Some(value(tags.clone())), us());
        let backwards = tags.into_iter().rev().collect();
        prop_assert_eq!(forwards, canonical(Kind::Tags, Some(value(backwards)), us()));
    }
}
