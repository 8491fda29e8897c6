//! What is planned for a pair, as tables; the guides' cases by name.

mod laws;
mod scene;

use super::*;
use crate::Timestamp;
use scene::{Own, Scene, list, text, told};
use {Direction::*, Winner as W};

const fn field(direction: Direction, winner: Winner) -> Field {
    Field { direction, winner, kind: Kind::Text }
}

const TAGS: Field = Field { direction: Both, winner: W::LastWrite, kind: Kind::Tags };

/// One field; the base, the left, the right (`-`: empty, base `?`: never), and what is told.
fn check(field: Field, policy: Policy, rows: &[(&str, &str, &str, &str)]) {
    for (base, left, right, expected) in rows {
        let value = |word: &str| match word {
            "-" => None,
            word if field.kind == Kind::Tags => list(word),
            word => text(word),
        };
        let base = if *base == "?" { Agreed::Never } else { Agreed::On(value(base)) };
        let scene = Scene {
            fields: vec![field],
            policy,
            halves: [
                Own::Present(vec![value(left)], Some(Timestamp(100_000))),
                Own::Present(vec![value(right)], Some(Timestamp(200_000))),
            ],
            base: vec![base],
            ..Scene::default()
        };
        assert_eq!(told(&scene.plan()), *expected, "{field:?} {left} {right}");
    }
}

fn by(strategy: Strategy) -> Policy {
    Policy { strategy, ..Policy::default() }
}

#[test]
fn who_alone_changed_a_field_wins_it() {
    for winner in Winner::ALL {
        for strategy in Strategy::ALL {
            check(
                field(Both, *winner),
                by(*strategy),
                &[
                    ("a", "a", "a", "rest"),
                    ("a", "b", "a", "right 0=b"),
                    ("a", "a", "b", "left 0=b"),
                    ("a", "b", "b", "rest"),
                    ("a", "-", "a", "right 0=-"),
                    ("-", "-", "b", "left 0=b"),
                ],
            );
        }
    }
}

#[test]
fn at_a_first_meeting_what_is_empty_is_filled_and_the_rest_is_a_conflict() {
    check(
        field(Both, W::Left),
        Policy::default(),
        &[
            ("?", "a", "a", "rest"),
            ("?", "-", "-", "rest"),
            ("?", "a", "-", "right 0=a"),
            ("?", "-", "b", "left 0=b"),
            ("?", "a", "b", "right 0=a; 0 won left by owner, lost right=b"),
        ],
    );
}

#[test]
fn each_winner_decides_what_both_changed() {
    let priority = Policy::default();
    let open = "rest; 0 won open by manual, for review";
    check(
        field(Both, W::Left),
        priority,
        &[("o", "l", "r", "right 0=l; 0 won left by owner, lost right=r")],
    );
    check(
        field(Both, W::Right),
        priority,
        &[("o", "l", "r", "left 0=r; 0 won right by owner, lost left=l")],
    );
    check(
        field(Both, W::LastWrite),
        priority,
        &[("o", "l", "r", "left 0=r; 0 won right by last_write, lost left=l")],
    );
    check(field(Both, W::Manual), priority, &[("o", "l", "r", open), ("?", "l", "r", open)]);
    check(
        field(Both, W::Longest),
        priority,
        &[
            ("o", "long", "r", "right 0=long; 0 won left by longest, lost right=r"),
            ("o", "l", "long", "left 0=long; 0 won right by longest, lost left=l"),
            ("o", "äöü", "long", "left 0=long; 0 won right by longest, lost left=äöü"),
            ("o", "l", "r", "left 0=r; 0 won right by last_write, lost left=l"),
        ],
    );
    check(
        field(Both, W::NonEmpty),
        priority,
        &[
            ("o", "l", "-", "right 0=l; 0 won left by non_empty, lost right=-"),
            ("o", "-", "r", "left 0=r; 0 won right by non_empty, lost left=-"),
            ("o", "l", "r", "left 0=r; 0 won right by last_write, lost left=l"),
        ],
    );
}

#[test]
fn each_strategy_of_the_guides_decides_what_both_changed() {
    let row = |expected| [("o", "l", "r", expected)];
    let owned = field(Both, W::Left);
    check(
        owned,
        by(Strategy::LastWriteWins),
        &row("left 0=r; 0 won right by last_write, lost left=l"),
    );
    check(owned, by(Strategy::FieldPriority), &row("right 0=l; 0 won left by owner, lost right=r"));
    check(
        owned,
        by(Strategy::TimestampWithLock),
        &row("left 0=r; 0 won right by last_write, lost left=l, for review"),
    );
    check(owned, by(Strategy::Manual), &row("rest; 0 won open by manual, for review"));
    for strategy in Strategy::ALL {
        check(
            field(Both, W::Manual),
            by(*strategy),
            &row("rest; 0 won open by manual, for review"),
        );
    }
}

#[test]
fn equal_times_go_to_the_owner_else_to_the_left_and_say_so() {
    let check = |winner, left: Option<i64>, right: Option<i64>, expected: &str| {
        for strategy in [Strategy::LastWriteWins, Strategy::TimestampWithLock] {
            let scene = Scene {
                fields: vec![field(Both, winner)],
                policy: by(strategy),
                halves: [
                    Own::Present(vec![text("l")], left.map(Timestamp)),
                    Own::Present(vec![text("r")], right.map(Timestamp)),
                ],
                base: vec![Agreed::On(text("o"))],
                ..Scene::default()
            };
            let plan = scene.plan();
            let conflict = &plan.conflicts[0];
            let got = format!("{} by {}", conflict.won.as_str(), conflict.by.as_str());
            assert_eq!(got, expected, "{winner:?} {left:?} {right:?}");
            assert_eq!(conflict.for_review, strategy == Strategy::TimestampWithLock);
        }
    };
    check(W::LastWrite, Some(5), Some(5), "left by tie");
    check(W::Right, Some(5), Some(5), "right by tie");
    check(W::Longest, Some(9_000), Some(7_000), "left by tie");
    check(W::Right, Some(9_000), Some(7_000), "right by tie");
    check(W::Right, Some(9_001), Some(7_000), "left by last_write");
    check(W::LastWrite, Some(7_000), Some(9_001), "right by last_write");
    check(W::Right, None, Some(7_000), "right by tie");
    check(W::Left, Some(7_000), None, "left by tie");
    check(W::LastWrite, None, None, "left by tie");
    check(W::LastWrite, Some(i64::MIN), Some(i64::MAX), "right by last_write");
}

#[test]
fn additions_and_removals_of_tags_go_together() {
    check(
        TAGS,
        by(Strategy::Manual),
        &[
            ("a", "a b", "a c", "left 0=a b c, right 0=a b c"),
            ("a b", "a", "b", "left 0=-, right 0=-"),
            ("a b c", "a b", "a b c d", "left 0=a b d, right 0=a b d"),
            ("a b", "b c", "a b d", "left 0=b c d, right 0=b c d"),
            ("a", "-", "a b", "left 0=b, right 0=b"),
            ("-", "a", "b", "left 0=a b, right 0=a b"),
            ("?", "a", "b", "left 0=a b, right 0=a b"),
            ("a", "a b", "a b", "rest"),
        ],
    );
    let owned = Field { winner: W::Right, ..TAGS };
    check(
        owned,
        Policy::default(),
        &[("a", "a b", "a c", "left 0=a c; 0 won right by owner, lost left=a b")],
    );
}

#[test]
fn an_extension_outlives_a_system_that_keeps_none() {
    let (whole, short) = ("+14155551111 ext. 12", "+14155551111");
    let phone = |direction| Field { kind: Kind::Phone, ..field(direction, W::Left) };
    for direction in [Both, ToRight] {
        check(
            phone(direction),
            Policy::default(),
            &[
                ("?", whole, short, "rest"),
                (whole, whole, short, "rest"),
                (short, "+14155552222 ext. 7", short, "right 0=+14155552222 ext. 7"),
                (whole, "+14155552222", short, "right 0=+14155552222"),
                (whole, short, short, "rest"),
            ],
        );
    }
    check(
        phone(Both),
        Policy::default(),
        &[
            (whole, whole, "+14155552222", "left 0=+14155552222"),
            (whole, short, "+14155551111 ext. 9", "rest"),
            (whole, short, whole, "rest"),
            (
                short,
                whole,
                "+14155551111 ext. 9",
                "right 0=+14155551111 ext. 12; 0 won left by owner, lost right=+14155551111 ext. 9",
            ),
            (
                "?",
                "+1415555",
                short,
                "right 0=+1415555; 0 won left by owner, lost right=+14155551111",
            ),
        ],
    );
    // And it does not pass for an edit when the other record is deleted.
    let mut scene = Scene {
        fields: vec![phone(Both)],
        halves: [Own::Gone, Own::Present(vec![text(short)], None)],
        base: vec![Agreed::On(text(whole))],
        ..Scene::default()
    };
    scene.policy.on_left_deleted = OnDelete::Delete;
    assert_eq!(told(&scene.plan()), "delete right, buried both");
}

#[test]
fn a_field_that_goes_one_way_is_never_written_the_other_way() {
    let leave = Policy::default();
    let set_back = Policy { drift: Drift::SetBack, ..Policy::default() };
    let rows = [
        ("a", "b", "a", "right 0=b"),
        ("a", "-", "a", "right 0=-"),
        ("a", "b", "b", "rest"),
        ("a", "c", "b", "right 0=c; 0 won left by direction, lost right=b; drift 0"),
        ("?", "a", "-", "right 0=a"),
        ("?", "a", "b", "right 0=a; 0 won left by direction, lost right=b"),
        ("?", "-", "b", "rest"),
    ];
    for winner in Winner::ALL {
        check(field(ToRight, *winner), leave, &rows);
        check(field(ToRight, *winner), set_back, &rows);
        check(field(ToRight, *winner), leave, &[("a", "a", "b", "rest; drift 0")]);
        check(
            field(ToRight, *winner),
            set_back,
            &[("a", "a", "b", "right 0=a; 0 won left by direction, lost right=b; drift 0")],
        );
    }
    check(
        field(ToLeft, W::Left),
        leave,
        &[
            ("a", "a", "b", "left 0=b"),
            ("a", "c", "b", "left 0=b; 0 won right by direction, lost left=c; drift 0"),
            ("a", "b", "a", "rest; drift 0"),
        ],
    );
}

#[test]
fn a_person_decides_for_a_side_or_types_a_value() {
    let check = |choice: Choice, direction, base: &str, left: &str, right: &str, expected: &str| {
        let scene = Scene {
            fields: vec![field(direction, W::Left)],
            policy: by(Strategy::Manual),
            halves: [Own::Present(vec![text(left)], None), Own::Present(vec![text(right)], None)],
            base: vec![Agreed::On(text(base))],
            decided: vec![(0, choice)],
            ..Scene::default()
        };
        assert_eq!(told(&scene.plan()), expected);
    };
    let typed = || Choice::Value(text("t"));
    check(Choice::Left, Both, "o", "l", "r", "right 0=l; 0 won left by decision, lost right=r");
    check(Choice::Right, Both, "o", "l", "r", "left 0=r; 0 won right by decision, lost left=l");
    check(Choice::Left, Both, "o", "o", "r", "left 0=r");
    check(
        typed(),
        Both,
        "o",
        "l",
        "r",
        "left 0=t, right 0=t; 0 won typed by decision, lost left=l, lost right=r",
    );
    check(typed(), Both, "o", "t", "r", "right 0=t; 0 won typed by decision, lost right=r");
    check(
        typed(),
        Both,
        "o",
        "o",
        "r",
        "left 0=t, right 0=t; 0 won typed by decision, lost right=r",
    );
    check(typed(), Both, "o", "x", "x", "rest");
    check(typed(), ToRight, "o", "l", "o", "right 0=l");
    check(
        Choice::Right,
        ToRight,
        "o",
        "l",
        "r",
        "right 0=l; 0 won left by direction, lost right=r; drift 0",
    );
}

#[test]
fn a_field_that_joined_the_map_later_meets_for_the_first_time() {
    let mut scene = Scene {
        fields: vec![field(Both, W::Left); 2],
        halves: [
            Own::Present(vec![text("a"), text("l")], None),
            Own::Present(vec![text("a"), None], None),
        ],
        base: vec![Agreed::On(text("a"))],
        ..Scene::default()
    };
    assert_eq!(told(&scene.plan()), "right 1=l");
    scene.apply();
    assert_eq!(scene.base, vec![Agreed::On(text("a")), Agreed::On(text("l"))]);
}

/// Two fields, the first both ways and the second to the right, both agreed on `a`.
fn pair(left: Own, right: Own) -> Scene {
    Scene {
        fields: vec![field(Both, W::LastWrite), field(ToRight, W::Left)],
        halves: [left, right],
        base: vec![Agreed::On(text("a")); 2],
        ..Scene::default()
    }
}

fn there(values: &str) -> Own {
    let value = |word| if word == "-" { None } else { text(word) };
    Own::Present(values.split(' ').map(value).collect(), None)
}

#[test]
fn one_who_is_missing_on_a_side_is_made_there_with_what_goes_there() {
    let new = |left: Own, right: Own| Scene { base: Vec::new(), ..pair(left, right) };
    assert_eq!(told(&new(there("x y"), Own::Never).plan()), "create right 0=x 1=y");
    assert_eq!(told(&new(there("x -"), Own::Never).plan()), "create right 0=x");
    assert_eq!(told(&new(Own::Never, there("x y")).plan()), "create left 0=x");
    assert_eq!(told(&new(there("- -"), Own::Never).plan()), "rest");
    assert_eq!(told(&new(Own::Never, there("- y")).plan()), "rest");
    assert_eq!(told(&new(Own::Never, Own::Never).plan()), "rest");
    let mut mirror = new(Own::Never, there("x y"));
    mirror.policy.creates = [false, true];
    assert_eq!(told(&mirror.plan()), "rest");
}

#[test]
fn a_record_made_on_a_side_does_not_empty_what_the_other_side_is_master_of() {
    let mut scene = Scene { base: Vec::new(), ..pair(Own::Never, there("x y")) };
    scene.policy.drift = Drift::SetBack;
    scene.apply();
    assert_eq!(told(&scene.plan()), "rest");
    assert_eq!(scene.halves[1].values(), Some(&vec![text("x"), text("y")]));
}

#[test]
fn one_side_deleted_while_the_other_was_edited_is_held() {
    for on_deleted in OnDelete::ALL {
        let check = |left: Own, right: Own, expected: &str| {
            let mut scene = pair(left, right);
            scene.policy.on_left_deleted = *on_deleted;
            scene.policy.on_right_deleted = *on_deleted;
            assert_eq!(told(&scene.plan()), expected, "{on_deleted:?}");
        };
        check(Own::Gone, there("b a"), "hold left_deleted_right_edited");
        check(there("b a"), Own::Gone, "hold right_deleted_left_edited");
        check(there("a -"), Own::Gone, "hold right_deleted_left_edited");
        check(Own::Gone, there("a b"), "hold left_deleted_right_edited");
    }
}

#[test]
fn a_person_says_what_becomes_of_one_who_was_deleted_and_edited() {
    let check = |stands, expected: &str, then: &str| {
        let mut scene = Scene { stands: Some(stands), ..pair(Own::Gone, there("b a")) };
        assert_eq!(told(&scene.plan()), expected);
        scene.apply();
        assert_eq!(told(&scene.plan()), then);
    };
    check(Stands::Left, "delete right, buried both", "rest, buried both");
    check(Stands::Right, "create left 0=b", "rest");
    check(Stands::Both, "bury, buried alone", "rest, buried alone");
    let mut scene = Scene { stands: Some(Stands::Right), ..pair(Own::Gone, there("b a")) };
    scene.policy.creates = [false, true];
    assert_eq!(told(&scene.plan()), "bury, buried alone", "none may be made");
}

#[test]
fn what_would_be_set_back_does_not_save_a_mirror_from_its_master() {
    let mut scene = pair(Own::Gone, there("a b"));
    scene.policy.drift = Drift::SetBack;
    scene.policy.on_left_deleted = OnDelete::Delete;
    assert_eq!(told(&scene.plan()), "delete right, buried both");
}

#[test]
fn the_end_of_one_who_was_not_edited_is_as_the_policy_says_for_that_side() {
    let check = |on_left, on_right, left: Own, right: Own, expected: &str| {
        let mut scene = pair(left, right);
        scene.policy.on_left_deleted = on_left;
        scene.policy.on_right_deleted = on_right;
        assert_eq!(told(&scene.plan()), expected);
    };
    use OnDelete::{Delete, Ignore, Mark};
    check(Delete, Ignore, Own::Gone, there("a a"), "delete right, buried both");
    check(Delete, Ignore, there("a a"), Own::Gone, "bury, buried alone");
    check(Ignore, Delete, there("a a"), Own::Gone, "delete left, buried both");
    check(Mark, Delete, Own::Gone, there("a a"), "mark right, buried alone");
    check(Delete, Delete, Own::Gone, Own::Gone, "bury, buried both");
    check(Delete, Delete, Own::Never, Own::Gone, "bury, buried both");
    check(Delete, Delete, Own::Gone, Own::Never, "bury, buried both");
}

#[test]
fn nothing_rises_again_and_what_comes_back_lives_again() {
    // The left is deleted and the right lives on by itself, edited or not.
    let mut alone = pair(Own::Gone, there("a a"));
    alone.apply();
    assert_eq!(told(&alone.plan()), "rest, buried alone");
    alone.halves[1] = there("b a");
    assert_eq!(told(&alone.plan()), "rest, buried alone");
    // The left comes back as it was: the edit of the meantime reaches it.
    let mut back = Scene { halves: [there("a a"), there("b a")], ..alone.clone() };
    assert_eq!(told(&back.plan()), "left 0=b");
    back.apply();
    assert_eq!(told(&back.plan()), "rest");
    // The right goes too, and then one of them comes back: it begins anew.
    alone.halves[1] = Own::Gone;
    assert_eq!(told(&alone.plan()), "bury, buried both");
    alone.apply();
    assert_eq!(told(&alone.plan()), "rest, buried both");
    alone.halves[0] = there("c d");
    assert_eq!(told(&alone.plan()), "create right 0=c 1=d");
    alone.apply();
    assert_eq!(told(&alone.plan()), "rest");
}

#[test]
fn one_whom_we_deleted_lives_again_when_the_first_one_comes_back() {
    let mut scene = pair(Own::Gone, there("a a"));
    scene.policy.on_left_deleted = OnDelete::Delete;
    scene.policy.on_right_deleted = OnDelete::Delete;
    scene.apply();
    assert_eq!(told(&scene.plan()), "rest, buried both");
    scene.halves[0] = there("a a");
    assert_eq!(told(&scene.plan()), "create right 0=a 1=a");
}

#[test]
fn two_who_never_agreed_on_anything_are_not_deleted_for_each_other() {
    let mut scene = Scene { base: Vec::new(), ..pair(Own::Gone, there("a -")) };
    scene.policy.on_left_deleted = OnDelete::Delete;
    assert_eq!(told(&scene.plan()), "hold left_deleted_right_edited");
}

// The guides' conflict cases.

#[test]
fn both_edited_at_once() {
    // Two fields, each edited on one side, and one edited on both in the same second.
    let scene = |strategy| Scene {
        fields: vec![field(Both, W::Left), field(Both, W::Left), field(Both, W::Right)],
        policy: by(strategy),
        halves: [
            Own::Present(vec![text("Ann"), text("Lee"), text("left")], Some(Timestamp(5_000))),
            Own::Present(vec![text("Anne"), text("Leigh"), text("right")], Some(Timestamp(5_400))),
        ],
        base: vec![Agreed::On(text("Ann")), Agreed::On(text("Leigh")), Agreed::On(text("old"))],
        ..Scene::default()
    };
    let agreed = "left 0=Anne 2=right, right 1=Lee";
    let lost = "2 won right by";
    assert_eq!(
        told(&scene(Strategy::FieldPriority).plan()),
        format!("{agreed}; {lost} owner, lost left=left")
    );
    assert_eq!(
        told(&scene(Strategy::LastWriteWins).plan()),
        format!("{agreed}; {lost} tie, lost left=left")
    );
    assert_eq!(
        told(&scene(Strategy::TimestampWithLock).plan()),
        format!("{agreed}; {lost} tie, lost left=left, for review")
    );
    assert_eq!(
        told(&scene(Strategy::Manual).plan()),
        "left 0=Anne, right 1=Lee; 2 won open by manual, for review"
    );
}

#[test]
fn phone_555_1111_against_555_2222() {
    let numbers = crate::Region::parse("US").expect("a region").into();
    let phone = |typed: &str| canonical(Kind::Phone, text(typed), numbers);
    let mut scene = Scene {
        fields: vec![Field { direction: Both, winner: W::LastWrite, kind: Kind::Phone }],
        halves: [
            Own::Present(vec![phone("(415) 555-1111")], Some(Timestamp(60_000))),
            Own::Present(vec![phone("415-555-2222")], Some(Timestamp(90_000))),
        ],
        base: vec![Agreed::On(phone("415 555 0000"))],
        ..Scene::default()
    };
    assert_eq!(
        told(&scene.plan()),
        "left 0=+14155552222; 0 won right by last_write, lost left=+14155551111"
    );
    scene.apply();
    assert_eq!(told(&scene.plan()), "rest");
    // The one that lost can be put back: a person types it.
    scene.decided = vec![(0, Choice::Value(phone("(415) 555-1111")))];
    scene.halves[1] = Own::Present(vec![phone("+14155553333")], None);
    scene.apply();
    assert_eq!(scene.halves[0].values(), Some(&vec![phone("4155551111")]));
    assert_eq!(told(&scene.plan()), "rest");
}

#[test]
fn name_by_one_and_tags_by_the_other() {
    for strategy in Strategy::ALL {
        let mut scene = Scene {
            fields: vec![field(Both, W::Left), TAGS],
            policy: by(*strategy),
            halves: [
                Own::Present(vec![text("Anne"), list("vip")], Some(Timestamp(1))),
                Own::Present(vec![text("Ann"), list("gold vip")], Some(Timestamp(9))),
            ],
            base: vec![Agreed::On(text("Ann")), Agreed::On(list("vip"))],
            ..Scene::default()
        };
        assert_eq!(told(&scene.plan()), "left 1=gold vip, right 0=Anne");
        scene.apply();
        assert_eq!(told(&scene.plan()), "rest");
    }
}

#[test]
fn what_came_through_in_part_is_not_taken_for_an_edit() {
    // The right's value is written on the left, and the right changes again before its own
    // write: refused. What the left has now is no edit of anybody.
    let mut scene = pair(there("b a"), there("b2 a"));
    scene.fields[0].winner = W::Right;
    scene.halves[0] = there("a x");
    let plan = scene.plan();
    assert_eq!(told(&plan), "left 0=b2, right 1=x");
    scene.base = plan.settled(&scene.base, [true, false]);
    scene.halves = [there("b2 x"), there("b3 a")];
    assert_eq!(told(&scene.plan()), "left 0=b3, right 1=x");
}

#[test]
fn no_words_are_taken_twice_and_each_reads_back() {
    fn check<T: Copy + PartialEq + std::fmt::Debug>(
        all: &[T],
        word: fn(T) -> &'static str,
        parse: fn(&str) -> Option<T>,
    ) {
        for one in all {
            assert_eq!(parse(word(*one)), Some(*one));
        }
        assert_eq!(parse("nothing of the kind"), None);
    }
    check(Side::ALL, Side::as_str, Side::parse);
    check(Direction::ALL, Direction::as_str, Direction::parse);
    check(Winner::ALL, Winner::as_str, Winner::parse);
    check(Strategy::ALL, Strategy::as_str, Strategy::parse);
    check(Drift::ALL, Drift::as_str, Drift::parse);
    check(OnDelete::ALL, OnDelete::as_str, OnDelete::parse);
    check(Kind::ALL, Kind::as_str, Kind::parse);
    check(By::ALL, By::as_str, By::parse);
    check(Won::ALL, Won::as_str, Won::parse);
    check(Why::ALL, Why::as_str, Why::parse);
    check(Buried::ALL, Buried::as_str, Buried::parse);
    check(Stands::ALL, Stands::as_str, Stands::parse);
}

#[test]
fn debug_output_holds_no_value() {
    let scene = Scene {
        fields: vec![field(Both, W::Manual)],
        halves: [there("secret"), there("hidden")],
        decided: vec![(0, Choice::Value(text("typed")))],
        base: vec![Agreed::On(text("before"))],
        ..Scene::default()
    };
    scene.with(|pair| {
        let shown = format!("{pair:?} {:?}", plan(&scene.fields, &scene.policy, pair));
        for word in ["secret", "hidden", "typed", "before"] {
            assert!(!shown.contains(word), "{shown}");
        }
    });
}

#[test]
fn a_list_that_came_through_on_one_side_is_agreed_on_as_far_as_both_have_it() {
    let tags = |all: &[&str]| {
        (!all.is_empty()).then(|| Value::List(all.iter().map(|one| Value::from(*one)).collect()))
    };
    // The left added x, the right added y: written to the left alone.
    let base = Agreed::On(tags(&["a"]));
    let agreed = half_way(&base, tags(&["a", "x", "y"]).as_ref(), tags(&["a", "y"]).as_ref());
    assert_eq!(agreed, Agreed::On(tags(&["a", "y"])));
    // The left took a off: that is still to be brought to the right.
    let agreed = half_way(&base, tags(&["x"]).as_ref(), tags(&["a", "x"]).as_ref());
    assert_eq!(agreed, Agreed::On(tags(&["a", "x"])));
    let agreed = half_way(&Agreed::Never, tags(&["x"]).as_ref(), None);
    assert_eq!(agreed, Agreed::On(None));
}
