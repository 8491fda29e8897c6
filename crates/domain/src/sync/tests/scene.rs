//! A pair that owns what it holds, so that a plan can be applied to it and told in words.

use crate::sync::{
    Agreed, Buried, Choice, Field, Half, Now, Pair, Plan, Policy, Side, Stands, Step, Values, plan,
};
use crate::{Timestamp, Value};

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Own {
    #[default]
    Never,
    Present(Values, Option<Timestamp>),
    Gone,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) fields: Vec<Field>,
    pub(super) policy: Policy,
    pub(super) halves: [Own; 2],
    pub(super) base: Vec<Agreed>,
    pub(super) buried: Option<Buried>,
    pub(super) decided: Vec<(usize, Choice)>,
    pub(super) stands: Option<Stands>,
}

impl Own {
    fn half(&self) -> Half<'_> {
        match self {
            Self::Never => Half::Never,
            Self::Gone => Half::Gone,
            Self::Present(values, modified) => Half::Present(Now { values, modified: *modified }),
        }
    }

    pub(super) fn values(&self) -> Option<&Values> {
        if let Self::Present(values, _) = self { Some(values) } else { None }
    }

    pub(super) fn value(&self, field: usize) -> Option<&Value> {
        self.values()?.get(field)?.as_ref()
    }
}

impl Scene {
    pub(super) fn with<T>(&self, see: impl FnOnce(&Pair<'_>) -> T) -> T {
        see(&Pair {
            left: self.halves[0].half(),
            right: self.halves[1].half(),
            base: &self.base,
            buried: self.buried,
            decided: &self.decided,
            stands: self.stands,
        })
    }

    pub(super) fn plan(&self) -> Plan {
        self.with(|pair| plan(&self.fields, &self.policy, pair))
    }

    /// Does what is planned, on both sides.
    pub(super) fn apply(&mut self) -> Plan {
        let plan = self.plan();
        self.write(&plan, [true; 2]);
        self.base = plan.settled(&self.base, [true; 2]);
        assert_eq!(self.base, plan.agreed);
        self.buried = plan.buried;
        self.decided.retain(|(_, choice)| !matches!(choice, Choice::Value(_)));
        self.stands = None;
        plan
    }

    /// Does the writes of the sides named.
    pub(super) fn write(&mut self, plan: &Plan, done: [bool; 2]) {
        match &plan.step {
            Step::Write { left, right } => {
                for (side, fields) in [(0, left), (1, right)] {
                    let Own::Present(values, _) = &mut self.halves[side] else {
                        panic!("a write where nothing is");
                    };
                    for &field in fields.iter().filter(|_| done[side]) {
                        values[field] = plan.value(field).cloned();
                    }
                }
            }
            Step::Create { side, fields } if done[side.index()] => {
                let made = &mut self.halves[side.index()];
                assert!(!matches!(made, Own::Present(..)), "made where one is");
                let mut values = vec![None; self.fields.len()];
                for &field in fields {
                    values[field] = plan.value(field).cloned();
                }
                *made = Own::Present(values, None);
            }
            Step::Delete(side) if done[side.index()] => self.halves[side.index()] = Own::Gone,
            _ => {}
        }
    }
}

/// `left 0=a, right 1=-; 0 won right by owner, lost left=b; drift 2`.
pub(super) fn told(plan: &Plan) -> String {
    let fields = |fields: &[usize]| -> String {
        fields.iter().map(|at| format!(" {at}={}", word(plan.value(*at)))).collect()
    };
    let mut parts = vec![match &plan.step {
        Step::Rest => "rest".to_owned(),
        Step::Write { left, right } => {
            let sides = [("left", left), ("right", right)];
            let sides = sides.iter().filter(|(_, list)| !list.is_empty());
            let sides: Vec<_> =
                sides.map(|(side, list)| format!("{side}{}", fields(list))).collect();
            sides.join(", ")
        }
        Step::Create { side, fields: list } => format!("create {}{}", side.as_str(), fields(list)),
        Step::Delete(side) => format!("delete {}", side.as_str()),
        Step::Mark(side) => format!("mark {}", side.as_str()),
        Step::Bury => "bury".to_owned(),
        Step::Hold(why) => format!("hold {}", why.as_str()),
    }];
    if let Some(buried) = plan.buried {
        parts[0] += &format!(", buried {}", buried.as_str());
    }
    for conflict in &plan.conflicts {
        let mut part =
            format!("{} won {} by {}", conflict.field, conflict.won.as_str(), conflict.by.as_str());
        for (side, value) in &conflict.lost {
            part += &format!(", lost {}={}", side.as_str(), word(value.as_ref()));
        }
        if conflict.for_review {
            part += ", for review";
        }
        parts.push(part);
    }
    parts.extend(plan.drift.iter().map(|field| format!("drift {field}")));
    parts.join("; ")
}

fn word(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::List(items)) => {
            items.iter().map(|item| word(Some(item))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => format!("{other:?}"),
    }
}

pub(super) fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

/// `a b` as a list.
pub(super) fn list(words: &str) -> Option<Value> {
    Some(Value::List(words.split(' ').map(Value::from).collect()))
}

/// The same, seen from the other side.
pub(super) fn mirrored(scene: &Scene) -> Scene {
    let mut seen = scene.clone();
    seen.halves.reverse();
    seen.policy.creates.reverse();
    (seen.policy.on_left_deleted, seen.policy.on_right_deleted) =
        (scene.policy.on_right_deleted, scene.policy.on_left_deleted);
    for field in &mut seen.fields {
        use crate::sync::{Direction, Winner};
        field.direction = match field.direction {
            Direction::Both => Direction::Both,
            Direction::ToRight => Direction::ToLeft,
            Direction::ToLeft => Direction::ToRight,
        };
        field.winner = match field.winner {
            Winner::Left => Winner::Right,
            Winner::Right => Winner::Left,
            other => other,
        };
    }
    for (_, choice) in &mut seen.decided {
        *choice = match choice {
            Choice::Left => Choice::Right,
            Choice::Right => Choice::Left,
            Choice::Value(value) => Choice::Value(value.clone()),
        };
    }
    seen.stands = scene.stands.map(|stands| match stands {
        Stands::Left => Stands::Right,
        Stands::Right => Stands::Left,
        Stands::Both => Stands::Both,
    });
    seen
}

/// What is written on a side.
pub(super) fn written(plan: &Plan, side: Side) -> &[usize] {
    match &plan.step {
        Step::Write { left, .. } if side == Side::Left => left,
        Step::Write { right, .. } => right,
        Step::Create { side: on, fields } if *on == side => fields,
        _ => &[],
    }
}
