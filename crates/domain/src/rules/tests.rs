//! What rules mean, in tables and by chance.

use super::*;
use crate::Value;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn destination(text: &str) -> Destination {
    Destination::parse(text).expect(text)
}

fn condition(field: Option<&str>, operator: Operator, values: &[&str]) -> Condition {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Condition { field: field.map(str::to_owned), operator, values }
}

fn rule(name: &str, connection: &str, field: &str, lines: Vec<Line>) -> Rule {
    Rule {
        name: name.to_owned(),
        location: Location::Did,
        greeting: None,
        source: Source { connection: connection.to_owned(), module: None },
        field: field.to_owned(),
        lines,
    }
}

fn line(operator: Operator, value: &str, to: &str) -> Line {
    let conditions = vec![condition(None, operator, &[value])];
    Line { conditions, destination: destination(to) }
}

fn holds(operator: Operator, values: &[&str], value: Option<Value>) -> bool {
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    Test::new(operator, &values).expect("fits").holds(value.as_ref())
}

#[test]
fn the_rules_value_decides_what_is_compared_as_what() {
    let check = |operator, values: &[&str], expected| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(Comparison::of(operator, &values), expected, "{operator:?} {values:?}");
    };
    check(Operator::Equal, &["5"], Comparison::Number);
    check(Operator::Less, &[" -2.50 "], Comparison::Number);
    check(Operator::Equal, &["2026-11-22"], Comparison::Date);
    check(Operator::Greater, &["2026-11-22T10:00:00+01:00"], Comparison::Date);
    check(Operator::Equal, &["2026-02-30"], Comparison::Text);
    check(Operator::Equal, &["Gold"], Comparison::Text);
    // A ZIP and a code are no numbers.
    check(Operator::Equal, &["01234"], Comparison::Text);
    check(Operator::Equal, &["1e3"], Comparison::Text);
    check(Operator::In, &["1", "2"], Comparison::Number);
    check(Operator::In, &["1", "two"], Comparison::Text);
    check(Operator::StartsWith, &["55"], Comparison::Text);
}

#[test]
fn numbers_compare_as_numbers() {
    let check = |operator, value: &str, of: Value, expected| {
        assert_eq!(holds(operator, &[value], Some(of.clone())), expected, "{of:?} {value}");
    };
    check(Operator::Greater, "9", Value::Integer(10), true);
    check(Operator::Greater, "9", "10".into(), true);
    check(Operator::Greater, "10", Value::Integer(10), false);
    check(Operator::GreaterOrEqual, "10", Value::Number(10.0), true);
    check(Operator::Less, "0.3", Value::Number(0.1), true);
    check(Operator::LessOrEqual, "-1", Value::Integer(-1), true);
    check(Operator::Equal, "1.50", "1.5".into(), true);
    check(Operator::Equal, "9007199254740993", Value::Integer(9_007_199_254_740_992), false);
    // What is no number is neither less, nor equal, nor greater.
    for operator in [Operator::Less, Operator::Equal, Operator::Greater] {
        check(operator, "5", "five".into(), false);
        check(operator, "5", Value::Bool(true), false);
    }
}

#[test]
fn dates_compare_as_dates_and_a_day_is_all_of_it() {
    let check = |operator, value: &str, of: &str, expected| {
        assert_eq!(
            holds(operator, &[value], Some(of.into())),
            expected,
            "{of} {operator:?} {value}"
        );
    };
    check(Operator::Equal, "2026-11-22", "2026-11-22", true);
    check(Operator::Equal, "2026-11-22", "2026-11-22T23:59:59.999Z", true);
    check(Operator::Equal, "2026-11-22", "2026-11-23T00:30:00+01:00", true);
    check(Operator::Equal, "2026-11-22", "2026-11-23T00:00:00Z", false);
    check(Operator::Greater, "2026-11-22", "2026-11-22T12:00:00Z", false);
    check(Operator::Greater, "2026-11-22", "2026-11-23", true);
    check(Operator::GreaterOrEqual, "2026-11-22", "2026-11-22", true);
    check(Operator::Less, "2026-11-22", "2026-11-21T23:59:59Z", true);
    check(Operator::LessOrEqual, "2026-11-22", "2026-11-22T23:59:59Z", true);
    check(Operator::LessOrEqual, "2026-11-22", "2026-11-23", false);
    check(Operator::Equal, "2026-11-22T10:00:00Z", "2026-11-22T11:00:00.000+0100", true);
    check(Operator::Equal, "2026-11-22", "yesterday", false);
    check(Operator::In, "2026-11-22", "2026-11-22T05:00:00Z", true);
}

#[test]
fn text_compares_without_case_and_outer_space() {
    let check = |operator, value: &str, of: Value, expected| {
        assert_eq!(holds(operator, &[value], Some(of.clone())), expected, "{of:?} {value}");
    };
    check(Operator::Equal, "Gold", " gOLD ".into(), true);
    check(Operator::Equal, "ÄRZTE", "ärzte".into(), true);
    check(Operator::Equal, "true", Value::Bool(true), true);
    check(Operator::Equal, "01234", "01234".into(), true);
    check(Operator::Equal, "01234", Value::Integer(1_234), false);
    check(Operator::Less, "b", "A".into(), true);
    check(Operator::StartsWith, "+49", "+4930123".into(), true);
    check(Operator::StartsWith, "12", Value::Integer(123), true);
    check(Operator::StartsWith, "Gold", "go".into(), false);
}

#[test]
fn any_of_several_values_may_be_equal_and_none_is_less() {
    let tags = || Some(Value::List(vec!["VIP".into(), "churn risk".into()]));
    assert!(holds(Operator::Equal, &["vip"], tags()));
    assert!(holds(Operator::In, &["new", "Churn Risk"], tags()));
    assert!(holds(Operator::StartsWith, &["churn"], tags()));
    assert!(!holds(Operator::Less, &["zzz"], tags()));
    assert!(!holds(Operator::Equal, &["churn"], tags()));
    let one = Some(Value::List(vec![Value::Integer(3)]));
    assert!(holds(Operator::Less, &["4"], one), "one value in a list is that value");
}

#[test]
fn what_is_missing_or_empty_matches_is_empty_alone() {
    let nothing = [None, Some("".into()), Some("  ".into()), Some(Value::List(Vec::new()))];
    for value in nothing {
        assert!(holds(Operator::IsEmpty, &[], value.clone()), "{value:?}");
        for operator in [Operator::Less, Operator::Greater, Operator::Equal, Operator::StartsWith] {
            assert!(
                !holds(operator, &["a"], value.clone()) && !holds(operator, &["0"], value.clone())
            );
        }
    }
    for value in ["x".into(), Value::Integer(0), Value::Bool(false)] {
        assert!(!holds(Operator::IsEmpty, &[], Some(value)));
    }
}

#[test]
fn values_that_do_not_fit_the_operator_are_refused() {
    let check = |operator, values: &[&str], expected| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(Test::new(operator, &values), Err(expected), "{operator:?} {values:?}");
    };
    check(Operator::Equal, &[], Misused::NoValue);
    check(Operator::In, &[], Misused::NoValue);
    check(Operator::Equal, &["a", "b"], Misused::TooManyValues);
    check(Operator::IsEmpty, &["a"], Misused::TooManyValues);
    check(Operator::In, &["a"; 101], Misused::TooManyValues);
    check(Operator::Equal, &["  "], Misused::EmptyValue);
    check(Operator::In, &["a", ""], Misused::EmptyValue);
}

/// The chain of the demo.
fn demo() -> Compiled {
    let gold = rule(
        "Gold",
        "crm",
        "loyaltyTier",
        vec![line(Operator::Equal, "Gold", "queue:Premium Support")],
    );
    let overdue = rule(
        "Overdue",
        "books",
        "openInvoices",
        vec![line(Operator::Greater, "0", "queue:Billing")],
    );
    Compiled::new(vec![gold, overdue]).expect("sound")
}

#[test]
fn the_first_line_that_holds_wins() {
    let chain = demo();
    let (gold, two) = (Value::from("gold"), Value::Integer(2));
    let at = |rule| Outcome::Line(Place { rule, line: 0 });
    let check = |tier: Option<&Value>, invoices: Option<&Value>, expected| {
        assert_eq!(chain.decide(&[Seen::Told(tier), Seen::Told(invoices)]), expected);
    };
    check(Some(&gold), Some(&two), at(0));
    check(None, Some(&two), at(1));
    check(None, None, Outcome::NoLine);
}

#[test]
fn what_was_not_heard_is_not_guessed() {
    let chain = demo();
    let (gold, silver, two) = (Value::from("Gold"), Value::from("Silver"), Value::Integer(2));
    let place = |rule| Place { rule, line: 0 };
    // A line before decides without the system that is silent.
    let seen = [Seen::Told(Some(&gold)), Seen::Unheard];
    assert_eq!(chain.decide(&seen), Outcome::Line(place(0)));
    // The caller might be gold: billing is not taken, though it holds.
    let seen = [Seen::Unheard, Seen::Told(Some(&two))];
    assert_eq!(chain.decide(&seen), Outcome::Undecided(place(0)));
    let seen = [Seen::Told(Some(&silver)), Seen::Unheard];
    assert_eq!(chain.decide(&seen), Outcome::Undecided(place(1)));
    assert_eq!(chain.decide(&[]), Outcome::Undecided(place(0)));
}

#[test]
fn a_line_whose_other_condition_fails_waits_for_nobody() {
    let both = Line {
        conditions: vec![
            condition(Some("a"), Operator::Equal, &["1"]),
            condition(Some("b"), Operator::Equal, &["2"]),
        ],
        destination: destination("queue:Both"),
    };
    let chain = Compiled::new(vec![rule("r", "crm", "a", vec![both])]).expect("sound");
    let three = Value::Integer(3);
    assert_eq!(chain.decide(&[Seen::Told(Some(&three)), Seen::Unheard]), Outcome::NoLine);
}

#[test]
fn each_field_of_each_source_is_asked_for_once() {
    let lines =
        || vec![line(Operator::Equal, "a", "queue:A"), line(Operator::Equal, "b", "queue:B")];
    let rules = vec![
        rule("one", "crm", "tier", lines()),
        rule("two", "crm", "tier", lines()),
        rule("three", "erp", "tier", lines()),
    ];
    let chain = Compiled::new(rules).expect("sound");
    let asked: Vec<&str> =
        chain.slots().iter().map(|slot| slot.source.connection.as_str()).collect();
    assert_eq!(asked, ["crm", "erp"]);
}

#[test]
fn entries_and_destinations_read_back_from_what_they_are_written_as() {
    for text in ["did:+15550190000", "ivr:Main menu/1", "ivr:a/b/2"] {
        assert_eq!(Entry::parse(text).expect(text).to_string(), text);
    }
    for text in ["", "did:", "ivr:Main menu", "ivr:/1", "ivr:a/", "queue:x"] {
        assert_eq!(Entry::parse(text), None, "{text}");
    }
    for text in ["queue:Premium Support", "ivr:Main: menu", "recording:closed.wav"] {
        assert_eq!(destination(text).to_string(), text);
    }
    for text in ["", "queue:", "agent:7", "Premium Support"] {
        assert_eq!(Destination::parse(text), None, "{text}");
    }
}

#[test]
fn ivrs_that_lead_back_are_found() {
    let chain = |entry: &str, rules: &[&str], default: &str| Chain {
        entry: Entry::parse(entry).expect(entry),
        rules: rules.iter().map(|name| (*name).to_owned()).collect(),
        default: destination(default),
    };
    let back = rule("back", "crm", "x", vec![line(Operator::Equal, "1", "ivr:MAIN")]);
    let rules = BTreeMap::from([("back".to_owned(), back)]);
    let sound = [chain("ivr:main/1", &[], "ivr:Sales"), chain("ivr:Sales/1", &[], "queue:Sales")];
    assert_eq!(circles(&sound, &rules), Vec::<Vec<String>>::new());
    let round = [chain("ivr:main/1", &[], "ivr:Sales"), chain("ivr:Sales/9", &["back"], "queue:Q")];
    assert_eq!(circles(&round, &rules), [["main", "sales", "main"]]);
    let own = [chain("ivr:main/1", &[], "ivr:Main")];
    assert_eq!(circles(&own, &rules), [["main", "main"]]);
    let number = [chain("did:+1555", &[], "ivr:main"), chain("ivr:main/1", &[], "ivr:+1555")];
    assert_eq!(circles(&number, &rules), [["+1555", "main", "+1555"]]);
}

/// From here on floats lose whole numbers.
const WHOLE: i64 = 1 << 53;

/// Around the 15 bytes that the index compares at once, and around its steps of 4 and 8.
fn long_texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "(premium|PREMIUM) tier a[lL]?[0é\u{0}]{0,2}[ a]?",
        "[aZé]([a\u{0}]{2})?(bcdE)?(fGhi)?[@\\[Z]?",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just("Gold"),
        Just(" gold "),
        Just("golden"),
        Just("silver"),
        Just(""),
        Just("5"),
        Just("07"),
        Just("2026-11-22"),
        Just("2026-11-22T10:00:00Z"),
        Just("2026-11-23"),
        Just("z"),
    ];
    let single = prop_oneof![
        2 => texts.prop_map(Value::from),
        2 => long_texts().prop_map(Value::Text),
        1 => (-3..8_i64).prop_map(Value::Integer),
        1 => (WHOLE - 2..WHOLE + 3).prop_map(Value::Integer),
        1 => (-3..8_i32).prop_map(|n| Value::Number(f64::from(n) / 2.0)),
        1 => prop_oneof![Just(-0.3), Just(-1e-20), Just(0.1), Just(1e29)].prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Bool),
    ];
    prop_oneof![4 => single.clone(), 1 => prop::collection::vec(single, 0..4).prop_map(Value::List)]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let fixed = || {
        prop_oneof![
            Just("gold"),
            Just("Gol"),
            Just("silver"),
            Just("5"),
            Just("2.5"),
            Just("-1"),
            Just("3"),
            Just("07"),
            Just("2026-11-22"),
            Just("2026-11-22T10:00:00Z"),
            Just("true"),
            Just("m"),
            Just("9007199254740992"),
            Just("9007199254740993"),
            Just("-0.3"),
            Just("0"),
        ]
    };
    let texts = || prop_oneof![2 => fixed().prop_map(str::to_owned), 1 => long_texts()];
    let field = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("e")];
    let operator = prop::sample::select(Operator::ALL.to_vec());
    (field, operator, prop::collection::vec(texts(), 1..4)).prop_map(|(field, operator, texts)| {
        let count = match operator {
            Operator::IsEmpty => 0,
            Operator::In => texts.len(),
            _ => 1,
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        condition(Some(field), operator, &texts[..count])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_says_what_going_through_the_lines_says(
        lines in prop::collection::vec(prop::collection::vec(conditions(), 1..4), 1..150),
        told in prop::collection::vec((0..4_u8, values()), 5),
    ) {
        let lines = lines.into_iter().enumerate().map(|(at, conditions)| Line {
            conditions,
            destination: destination(&format!("queue:{at}")),
        });
        let chain = Compiled::new(vec![rule("r", "crm", "a", lines.collect())]).expect("sound");
        let seen: Vec<Seen<'_>> = told.iter().take(chain.slots().len()).map(|(how, value)| match how {
            0 => Seen::Unheard,
            1 => Seen::Told(None),
            _ => Seen::Told(Some(value)),
        }).collect();
        let mut expected = Outcome::NoLine;
        for (place, verdicts) in chain.verdicts(&seen) {
            let has = |wanted| verdicts.iter().any(|(_, verdict)| *verdict == wanted);
            if has(Verdict::Fails) {
                continue;
            }
            expected = match has(Verdict::Unheard) {
                true => Outcome::Undecided(place),
                false => Outcome::Line(place),
            };
            break;
        }
        prop_assert_eq!(chain.decide(&seen), expected);
    }
}
