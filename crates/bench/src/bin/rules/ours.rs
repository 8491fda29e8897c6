//! Our compiled rules over a scene: the answers line by line, and how many a second.

use crate::scene::{Line, Scene};
use domain::Value;
use domain::rules::{self, Compiled, Destination, Location, Operator, Outcome, Rule, Seen};
use domain::rules::{Place, Source, Verdict};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Lines of one rule; a chain may have fifty rules.
const LINES: usize = 20;

/// The chain compiled, and the callers as the engine has them.
pub(crate) struct Ready {
    compiled: Compiled,
    /// For each caller what is known of each slot.
    callers: Vec<Vec<Option<Value>>>,
    answers: Vec<Option<usize>>,
}

impl Ready {
    pub(crate) fn new(scene: &Scene) -> Result<Self, String> {
        let rules = scene.lines.chunks(LINES).enumerate().map(|(nth, lines)| rule(nth, lines));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let compiled = Compiled::new(rules).map_err(|wrong| format!("{wrong:?}"))?;
        let mut callers = Vec::with_capacity(scene.callers.len());
        for caller in &scene.callers {
            let of_slot = |slot: &rules::Slot| caller.get(&slot.field).map(value).transpose();
            callers.push(compiled.slots().iter().map(of_slot).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Self { compiled, callers, answers: scene.answers.clone() })
    }

    /// The first line of which every condition holds, by going through the lines.
    pub(crate) fn answers_line_by_line(&self) -> Vec<Option<usize>> {
        let holds = |(_, verdicts): &(Place, Vec<(usize, Verdict)>)| {
            verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds)
        };
        let answer = |seen: Vec<Seen<'_>>| self.compiled.verdicts(&seen).iter().position(holds);
        self.seen().into_iter().map(answer).collect()
    }

    /// Decides for every caller in turn until time is over; how many decisions, in what time.
    ///
    /// # Errors
    /// On any answer that is not the line-by-line one.
    pub(crate) fn run(&self, limit: Duration) -> Result<(u64, Duration), String> {
        let seen = self.seen();
        for ((seen, answer), line_by_line) in
            seen.iter().zip(&self.answers).zip(self.answers_line_by_line())
        {
            let decided = number(self.compiled.decide(seen))?;
            if decided != *answer || line_by_line != *answer {
                let ours = format!("decided {decided:?}, line by line {line_by_line:?}");
                return Err(format!("{ours}, right is {answer:?}"));
            }
        }
        let right: usize =
            self.answers.iter().map(|answer| answer.map_or(0, |line| line + 1)).sum();
        let (mut decisions, begin) = (0, Instant::now());
        while begin.elapsed() < limit {
            let mut sum = 0;
            for one in black_box(&seen) {
                sum += number(self.compiled.decide(one))?.map_or(0, |line| line + 1);
            }
            if sum != right {
                return Err(format!("a round's answers sum up to {sum}, not {right}"));
            }
            decisions += seen.len() as u64;
        }
        Ok((decisions, begin.elapsed()))
    }

    fn seen(&self) -> Vec<Vec<Seen<'_>>> {
        self.callers.iter().map(|caller| told(caller)).collect()
    }
}

fn told(caller: &[Option<Value>]) -> Vec<Seen<'_>> {
    caller.iter().map(|value| Seen::Told(value.as_ref())).collect()
}

fn rule(nth: usize, lines: &[Line]) -> Result<Rule, String> {
    let destination = Destination::parse("queue:Support").ok_or("no destination")?;
    let line = |line: &Line| {
        let conditions = line.conditions.iter().map(|one| {
            let operator = Operator::ALL.into_iter().find(|own| own.as_str() == one.operator);
            Ok(rules::Condition {
                field: Some(one.field.clone()),
                operator: operator.ok_or_else(|| format!("no operator {}", one.operator))?,
                values: one.values.clone(),
            })
        });
        let conditions = conditions.collect::<Result<Vec<_>, String>>()?;
        Ok(rules::Line { conditions, destination: destination.clone() })
    };
    Ok(Rule {
        name: format!("Rule {nth}"),
        location: Location::Did,
        greeting: None,
        source: Source { connection: "crm".to_owned(), module: None },
        field: "tier".to_owned(),
        lines: lines.iter().map(line).collect::<Result<Vec<_>, String>>()?,
    })
}

fn value(json: &serde_json::Value) -> Result<Value, String> {
    match json {
        serde_json::Value::String(text) => Ok(Value::Text(text.clone())),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::Integer(whole)),
            (None, Some(number)) => Ok(Value::Number(number)),
            (None, None) => Err(format!("no number: {number}")),
        },
        other => Err(format!("no value of a caller: {other}")),
    }
}

/// The line's number in the chain.
fn number(outcome: Outcome) -> Result<Option<usize>, String> {
    match outcome {
        Outcome::Line(place) => Ok(Some(place.rule * LINES + place.line)),
        Outcome::NoLine => Ok(None),
        Outcome::Undecided(_) => Err("all was told, and yet it is undecided".to_owned()),
    }
}
