//! What holds of every plan, whatever the fields, the policy and the values.

use super::scene::{Own, Scene, mirrored, told, written};
use crate::sync::{
    Agreed, Buried, By, Choice, Direction, Drift, Field, Kind, OnDelete, Plan, Policy, Side,
    Stands, Step, Strategy as Rule, Values, Why, Winner, Won,
};
use crate::{Timestamp, Value};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// Few values, so that equal ones meet.
fn value(kind: Kind) -> BoxedStrategy<Option<Value>> {
    match kind {
        Kind::Tags => prop::sample::subsequence(vec!["x", "y", "z"], 0..=3)
            .prop_map(|tags| {
                let tags: Vec<Value> = tags.into_iter().map(Value::from).collect();
                (!tags.is_empty()).then_some(Value::List(tags))
            })
            .boxed(),
        Kind::Number => prop::option::of((0..3i64).prop_map(Value::Integer)).boxed(),
        _ => prop::option::of(select(vec!["a", "bb", "cc"]).prop_map(Value::from)).boxed(),
    }
}

fn field() -> impl Strategy<Value = Field> {
    let kind = select(vec![Kind::Text, Kind::Text, Kind::Tags, Kind::Number]);
    (select(Direction::ALL), select(Winner::ALL), kind)
        .prop_map(|(direction, winner, kind)| Field { direction, winner, kind })
}

fn policy() -> impl Strategy<Value = Policy> {
    let deleted = || select(OnDelete::ALL);
    (select(Rule::ALL), select(Drift::ALL), deleted(), deleted(), any::<[bool; 2]>()).prop_map(
        |(strategy, drift, on_left_deleted, on_right_deleted, creates)| Policy {
            strategy,
            drift,
            skew: Duration::from_millis(1),
            on_left_deleted,
            on_right_deleted,
            creates,
        },
    )
}

fn values(fields: &[Field]) -> BoxedStrategy<Values> {
    fields.iter().map(|field| value(field.kind)).collect::<Vec<_>>().boxed()
}

fn own(fields: &[Field], is_present: bool) -> BoxedStrategy<Own> {
    let time = prop::option::of((0..5i64).prop_map(Timestamp));
    let present = (values(fields), time).prop_map(|(values, at)| Own::Present(values, at));
    if is_present {
        present.boxed()
    } else {
        prop_oneof![2 => present, 1 => Just(Own::Never), 1 => Just(Own::Gone)].boxed()
    }
}

fn base(fields: &[Field]) -> BoxedStrategy<Vec<Agreed>> {
    let each: Vec<_> = fields
        .iter()
        .map(|field| prop_oneof![3 => value(field.kind).prop_map(Agreed::On), 1 => Just(Agreed::Never)])
        .collect();
    let most = fields.len();
    (each, 0..=most, any::<bool>())
        .prop_map(move |(mut all, short, is_short)| {
            all.truncate(if is_short { short } else { most });
            all
        })
        .boxed()
}

fn decided(fields: &[Field]) -> BoxedStrategy<Vec<(usize, Choice)>> {
    let each: Vec<_> = fields
        .iter()
        .map(|field| {
            let typed = value(field.kind).prop_map(|value| Some(Choice::Value(value)));
            let sides = select(vec![None, None, None, Some(Choice::Left), Some(Choice::Right)]);
            prop_oneof![5 => sides, 1 => typed]
        })
        .collect();
    each.prop_map(|all| {
        all.into_iter().enumerate().filter_map(|(at, choice)| Some((at, choice?))).collect()
    })
    .boxed()
}

fn scene_of(are_present: bool) -> impl Strategy<Value = Scene> {
    prop::collection::vec(field(), 1..5).prop_flat_map(move |fields| {
        let buried = select(vec![None, None, Some(Buried::Alone), Some(Buried::Both)]);
        let stands =
            select(vec![None, None, Some(Stands::Left), Some(Stands::Right), Some(Stands::Both)]);
        let halves = [own(&fields, are_present), own(&fields, are_present)];
        (policy(), halves, base(&fields), decided(&fields), buried, stands, Just(fields)).prop_map(
            |(policy, halves, base, decided, buried, stands, fields)| Scene {
                fields,
                policy,
                halves,
                base,
                buried,
                decided,
                stands,
            },
        )
    })
}

fn scene() -> impl Strategy<Value = Scene> {
    prop_oneof![scene_of(true), scene_of(false)]
}

fn other(side: Side) -> Side {
    side.other()
}

fn swapped(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.step = match plan.step {
        Step::Write { left, right } => Step::Write { left: right, right: left },
        Step::Create { side, fields } => Step::Create { side: other(side), fields },
        Step::Delete(side) => Step::Delete(other(side)),
        Step::Mark(side) => Step::Mark(other(side)),
        Step::Hold(Why::LeftDeletedRightEdited) => Step::Hold(Why::RightDeletedLeftEdited),
        Step::Hold(Why::RightDeletedLeftEdited) => Step::Hold(Why::LeftDeletedRightEdited),
        step => step,
    };
    for conflict in &mut plan.conflicts {
        conflict.won = match conflict.won {
            Won::Left => Won::Right,
            Won::Right => Won::Left,
            won => won,
        };
        conflict.lost = conflict.lost.iter().rev().map(|(s, v)| (other(*s), v.clone())).collect();
    }
    plan
}

/// Single values of a field: the tags of a list, else the value itself.
fn parts(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::List(items)) => items.iter().collect(),
        other => other.into_iter().collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_sides_are_treated_alike_where_the_rules_are(scene in scene()) {
        let (here, there) = (scene.plan(), mirrored(&scene).plan());
        // Only equal times prefer the left.
        prop_assume!(here.conflicts.iter().all(|conflict| conflict.by != By::Tie));
        prop_assert_eq!(told(&swapped(&here)), told(&there));
        prop_assert_eq!(&here.agreed, &there.agreed);
    }

    #[test]
    fn after_what_was_planned_there_is_nothing_left_to_do(mut scene in scene()) {
        let first = scene.apply();
        let then = scene.plan();
        let is_held = matches!(first.step, Step::Hold(_));
        prop_assert_eq!(&then.step, if is_held { &first.step } else { &Step::Rest }, "{} then {}", told(&first), told(&then));
        // What is open stays open, and nothing else is told again.
        prop_assert!(then.conflicts.iter().all(|conflict| conflict.won == Won::Open));
        prop_assert_eq!(then.buried, first.buried);
        prop_assert_eq!(&then.agreed, &first.agreed);
    }

    #[test]
    fn a_field_directed_one_way_never_writes_the_other_side(scene in scene()) {
        let plan = scene.plan();
        for side in [Side::Left, Side::Right] {
            for &field in written(&plan, side) {
                prop_assert!(scene.fields[field].direction.goes_to(side), "{}", told(&plan));
            }
        }
    }

    #[test]
    fn only_fields_of_the_map_that_differ_are_written_and_each_once(scene in scene()) {
        let plan = scene.plan();
        prop_assert_eq!(plan.agreed.len(), scene.fields.len());
        for side in [Side::Left, Side::Right] {
            let list = written(&plan, side);
            prop_assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
            for &field in list {
                prop_assert!(field < scene.fields.len());
                let found = scene.halves[side.index()].value(field);
                prop_assert_ne!(found, plan.value(field), "{}", told(&plan));
            }
        }
    }

    #[test]
    fn whatever_is_overwritten_was_agreed_on_or_is_kept(scene in scene()) {
        let plan = scene.plan();
        for side in [Side::Left, Side::Right] {
            for &field in written(&plan, side) {
                let before = scene.halves[side.index()].value(field);
                let kept: Vec<_> = plan
                    .conflicts
                    .iter()
                    .filter(|conflict| conflict.field == field)
                    .flat_map(|conflict| &conflict.lost)
                    .filter(|(lost_on, _)| *lost_on == side)
                    .collect();
                let agreed = match scene.base.get(field) {
                    Some(Agreed::On(value)) => parts(value.as_ref()),
                    _ => Vec::new(),
                };
                for part in parts(before) {
                    let is_still_there = parts(plan.value(field)).contains(&part);
                    let is_kept = kept.iter().any(|(_, lost)| parts(lost.as_ref()).contains(&part));
                    prop_assert!(
                        is_still_there || is_kept || agreed.contains(&part),
                        "{field} {part:?}: {}", told(&plan)
                    );
                }
            }
        }
    }

    #[test]
    fn an_open_conflict_writes_nothing_and_changes_nothing_agreed(scene in scene()) {
        let plan = scene.plan();
        for conflict in plan.conflicts.iter().filter(|conflict| conflict.won == Won::Open) {
            prop_assert!(conflict.for_review && conflict.lost.is_empty());
            for side in [Side::Left, Side::Right] {
                prop_assert!(!written(&plan, side).contains(&conflict.field));
            }
            let before = scene.base.get(conflict.field).cloned().unwrap_or_default();
            prop_assert_eq!(&plan.agreed[conflict.field], &before);
        }
    }

    #[test]
    fn an_edited_record_is_deleted_only_by_a_persons_word(scene in scene_of(false)) {
        let plan = scene.plan();
        let Step::Delete(side) = plan.step else { return Ok(()) };
        if scene.stands.is_some() {
            return Ok(());
        }
        for (at, field) in scene.fields.iter().enumerate() {
            let is_set_back = scene.policy.drift == Drift::SetBack && field.direction.mirror() == Some(side);
            let found = scene.halves[side.index()].value(at);
            let agreed = match scene.base.get(at) {
                Some(Agreed::On(value)) => value.as_ref(),
                _ => None,
            };
            prop_assert!(is_set_back || found == agreed, "{}", told(&plan));
        }
    }

    #[test]
    fn a_record_is_made_only_where_that_is_allowed_and_never_where_one_was_deleted(scene in scene_of(false)) {
        let plan = scene.plan();
        let Step::Create { side, fields } = &plan.step else { return Ok(()) };
        prop_assert!(scene.policy.creates[side.index()] && !fields.is_empty());
        let was_deleted = scene.halves[side.index()] == Own::Gone;
        prop_assert!(
            !was_deleted || scene.stands.is_some() || scene.buried == Some(Buried::Both),
            "{}", told(&plan)
        );
    }

    #[test]
    fn writes_that_came_through_in_part_are_not_taken_for_edits(
        mut scene in scene_of(true),
        done in any::<[bool; 2]>(),
    ) {
        let whole = scene.plan();
        let mut straight = scene.clone();
        straight.apply();
        scene.write(&whole, done);
        scene.base = whole.settled(&scene.base, done);
        scene.buried = whole.buried;
        let rest = scene.apply();
        // Nobody loses to a value that we wrote ourselves.
        for conflict in &rest.conflicts {
            prop_assert!(whole.conflicts.iter().any(|first| first.field == conflict.field), "{}", told(&rest));
        }
        prop_assert_eq!(&scene.halves.each_ref().map(Own::values), &straight.halves.each_ref().map(Own::values));
        prop_assert_eq!(&scene.base, &straight.base);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn edits_on_both_sides_come_to_rest_with_both_sides_equal(
        (mut scene, walk) in scene_of(true).prop_flat_map(|scene| {
            let edit = (0..scene.fields.len(), 0..2usize, any::<bool>());
            let fields = scene.fields.clone();
            let edit = edit.prop_flat_map(move |(field, side, settles)| {
                (Just(field), Just(side), Just(settles), value(fields[field].kind))
            });
            (Just(scene), prop::collection::vec(edit, 0..24))
        })
    ) {
        for (at, (field, side, settles, new)) in walk.into_iter().enumerate() {
            if let Own::Present(values, modified) = &mut scene.halves[side] {
                values[field] = new;
                *modified = Some(Timestamp(100 * i64::try_from(at).unwrap_or(0)));
            }
            if settles {
                scene.apply();
            }
        }
        scene.apply();
        let end = scene.plan();
        prop_assert_eq!(&end.step, &Step::Rest, "{}", told(&end));
        for (at, field) in scene.fields.iter().enumerate() {
            let [left, right] = [0, 1].map(|side| scene.halves[side].value(at));
            let is_open = end.conflicts.iter().any(|conflict| conflict.field == at);
            let is_mirror_left_alone = field.direction != Direction::Both
                && (end.drift.contains(&at) || end.agreed[at] == Agreed::Never);
            prop_assert!(left == right || is_open || is_mirror_left_alone, "{at}: {}", told(&end));
        }
    }
}
