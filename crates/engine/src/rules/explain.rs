//! One trace of everything decided for a call, and a rule tried out before it is in force.
//!
//! What a decision saw was kept with it; what its rules were is read from the rule set of
//! that revision. So a trace says what was, not what would be now. Values of customers are
//! masked: what they compare as is shown, not what they say.

use super::decide::{Arriving, seen};
use super::form;
use super::gather::{Gathered, masked};
use super::kept::{Details, as_seen};
use super::set::{Ready, Rules};
use super::words::doubts;
use crate::lookup::Engine;
use domain::rules::{Compiled, Module, Outcome, Rule, Seen, Verdict};
use domain::{CallId, Timestamp, Value};
use state::decisions::Decision;
use state::jobs::{JobFilter, JobRow};
use state::overrides::Override;
use state::{StoredCall, StoredOutcome};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Everything decided for a call.
pub struct Explained {
    /// The lookup, where there was one.
    pub call: Option<StoredCall>,
    /// The correction that answers for its number now.
    pub corrected: Option<Override>,
    /// Who it could be, where nobody was chosen: how many.
    pub candidates: usize,
    pub decisions: Vec<DecisionTrace>,
    pub outcome: Option<StoredOutcome>,
    /// Work for others that is waiting, was skipped or has failed.
    pub jobs: Vec<JobRow>,
}

/// One decision, line by line.
#[derive(Debug)]
pub struct DecisionTrace {
    pub decision: Decision,
    pub reason: String,
    /// An agent's correction of the number was followed.
    pub is_corrected: bool,
    pub warnings: Vec<String>,
    /// Systems that were asked, with source, how long it took in microseconds, and failure.
    pub asked: Vec<(String, String, u64, Option<String>)>,
    /// Empty where the rule set of that time is no longer kept.
    pub lines: Vec<LineSeen>,
}

/// A line and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSeen {
    pub rule: String,
    /// Counted from 1.
    pub line: u32,
    pub destination: String,
    /// `holds`, `fails` or `unheard`; `not reached` behind the line that won.
    pub verdict: &'static str,
    pub conditions: Vec<ConditionSeen>,
}

/// A condition and what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionSeen {
    pub connection: String,
    pub module: &'static str,
    pub field: String,
    /// Such as `loyaltyTier = Gold`.
    pub words: String,
    pub compared_as: &'static str,
    /// Masked; empty for what is empty.
    pub seen: String,
    pub verdict: &'static str,
}

/// What a rule comes to when it is tried.
#[derive(Debug)]
pub struct Tried {
    pub destination: Option<String>,
    pub lines: Vec<LineSeen>,
    pub warnings: Vec<String>,
}

/// What a rule is tried against.
#[derive(Debug)]
pub enum Against {
    /// A number: its records are asked for.
    Number(String),
    /// Fields and values as somebody typed them.
    Record(BTreeMap<String, Value>),
}

impl Engine {
    /// Everything decided for a call; `None` for one of which nothing is stored.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn explain(&self, id: &CallId) -> Result<Option<Explained>, state::Error> {
        let card = self.card(id).await?;
        let kept = self.store.decisions_of(id).await?;
        if card.is_none() && kept.is_empty() {
            return Ok(None);
        }
        let mut sets: BTreeMap<u64, Option<Rules>> = BTreeMap::new();
        let mut decisions = Vec::new();
        for decision in kept {
            let revision = decision.set_revision;
            if let std::collections::btree_map::Entry::Vacant(place) = sets.entry(revision) {
                let set = self.store.rule_set(revision).await?;
                let set = set.and_then(|set| serde_json::from_slice(&set.body).ok());
                place.insert(
                    set.and_then(|set| Rules::new(revision, &set, self.options.region).ok()),
                );
            }
            let rules = sets.get(&revision).and_then(Option::as_ref);
            decisions.push(traced(decision, rules, self));
        }
        let filter = JobFilter { subject: Some(id.clone()), ..JobFilter::default() };
        let jobs = self.store.jobs(filter, 100).await?;
        let Some(card) = card else {
            let (call, corrected, candidates, outcome) = (None, None, 0, None);
            return Ok(Some(Explained { call, corrected, candidates, decisions, outcome, jobs }));
        };
        let (candidates, outcome) = (card.candidates.len(), card.outcome);
        let call = &card.call.call;
        let corrected = match &call.number {
            Some(number) => {
                let now = self.clock.now();
                self.store.override_for(number, call.queue.as_deref(), now).await?
            }
            None => None,
        };
        let call = Some(card.call);
        Ok(Some(Explained { call, corrected, candidates, decisions, outcome, jobs }))
    }

    /// Tries a rule, in force or not, against a number or a typed record: every line's
    /// verdict. Nothing is kept.
    ///
    /// # Errors
    /// What is wrong with the rule.
    pub async fn try_rule(
        &self,
        name: &str,
        body: &form::Body,
        against: Against,
    ) -> Result<Tried, Vec<form::Fault>> {
        let read = form::rule(name, body)?;
        let location = read.rule.location;
        let compiled = Compiled::new(vec![read.rule]).map_err(|_| Vec::new())?;
        let mut warnings = Vec::new();
        let values: Vec<Option<Option<Value>>> = match against {
            Against::Record(record) => {
                let of = |slot: &domain::rules::Slot| Some(record.get(&slot.field).cloned());
                compiled.slots().iter().map(of).collect()
            }
            Against::Number(number) => {
                let ready = Ready::alone(Arc::new(compiled), location);
                let values = self.values_of(&ready, number, &mut warnings).await;
                return Ok(tried(&ready.compiled, &values, warnings));
            }
        };
        Ok(tried(&compiled, &values, warnings))
    }

    /// What a rule's connections say of a number now, as a call would hear it.
    async fn values_of(
        &self,
        ready: &Ready,
        number: String,
        warnings: &mut Vec<String>,
    ) -> Vec<Option<Option<Value>>> {
        let arriving = Arriving {
            call: CallId::new("try").expect("written in this file"),
            entry: String::new(),
            ani: Some(number),
            email: None,
            external_id: None,
            queue: None,
        };
        let (now, until) = (self.clock.now(), Instant::now() + self.options.routing.deadline);
        let (about, told) = self.about(&arriving, None, until, now).await;
        warnings.extend(told);
        let Gathered { heard, .. } = self.gather(ready, &about, (until, now), false).await;
        warnings.extend(doubts(ready, &heard, &self.connections));
        for heard in &heard {
            if let Some(failure) = heard.failure {
                warnings.push(format!("{} was not heard: {failure}", heard.connection.name));
            }
        }
        let seen = seen(ready, &heard, &self.connections).into_iter().map(|seen| match seen {
            Seen::Told(value) => Some(value.cloned()),
            Seen::Unheard => None,
        });
        seen.collect()
    }
}

fn tried(compiled: &Compiled, values: &[Option<Option<Value>>], warnings: Vec<String>) -> Tried {
    let seen = as_seen(values);
    let destination = match compiled.decide(&seen) {
        Outcome::Line(place) => compiled.destination(place).map(ToString::to_string),
        Outcome::NoLine | Outcome::Undecided(_) => None,
    };
    Tried { destination, lines: lines(compiled, &seen), warnings }
}

fn traced(decision: Decision, rules: Option<&Rules>, engine: &Engine) -> DecisionTrace {
    let details = Details::read(&decision.details);
    let entry = form::entry(&decision.entry, engine.options.region);
    let ready = rules.and_then(|rules| rules.at(&entry?));
    let lines = ready.map(|ready| {
        let values = details.values(&ready.compiled);
        lines(&ready.compiled, &as_seen(&values))
    });
    let asked = details.asked.into_iter().map(|asked| {
        let source = asked.source.unwrap_or_default().into_owned();
        let failure = asked.failure.map(Cow::into_owned);
        (asked.connection.into_owned(), source, asked.took_us, failure)
    });
    DecisionTrace {
        asked: asked.collect(),
        reason: details.reason.into_owned(),
        is_corrected: details.corrected,
        warnings: details.warnings.into_owned(),
        lines: lines.unwrap_or_default(),
        decision,
    }
}

/// Every line with what was seen of each of its conditions.
fn lines(compiled: &Compiled, seen: &[Seen<'_>]) -> Vec<LineSeen> {
    let won = match compiled.decide(seen) {
        Outcome::Line(place) => Some(place),
        Outcome::NoLine | Outcome::Undecided(_) => None,
    };
    let verdicts = compiled.verdicts(seen).into_iter();
    let told = verdicts.filter_map(|(place, conditions)| {
        let (rule, line) = compiled.at(place)?;
        let has = |wanted| conditions.iter().any(|(_, verdict)| *verdict == wanted);
        let verdict = match won {
            Some(won) if place > won => "not reached",
            _ if has(Verdict::Fails) => "fails",
            _ if has(Verdict::Unheard) => "unheard",
            _ => "holds",
        };
        let conditions = line.conditions.iter().zip(&conditions);
        let conditions = conditions.map(|(condition, (slot, verdict))| {
            condition_seen(rule, condition, &compiled.slots()[*slot], seen.get(*slot), *verdict)
        });
        Some(LineSeen {
            rule: rule.name.clone(),
            line: u32::try_from(place.line + 1).unwrap_or(u32::MAX),
            destination: line.destination.to_string(),
            verdict,
            conditions: conditions.collect(),
        })
    });
    told.collect()
}

fn condition_seen(
    rule: &Rule,
    condition: &domain::rules::Condition,
    slot: &domain::rules::Slot,
    seen: Option<&Seen<'_>>,
    verdict: Verdict,
) -> ConditionSeen {
    ConditionSeen {
        connection: slot.source.connection.clone(),
        module: slot.source.module.map_or("", Module::as_str),
        field: slot.field.clone(),
        words: condition.words(rule),
        compared_as: domain::rules::Comparison::of(condition.operator, &condition.values).as_str(),
        seen: match seen {
            Some(Seen::Told(Some(value))) => masked(value),
            _ => String::new(),
        },
        verdict: match verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::Unheard => "unheard",
        },
    }
}

/// When a call was answered, for whoever lists traces.
impl DecisionTrace {
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.decision.at
    }
}
