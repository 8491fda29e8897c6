//! The text of an activity: a template, and what may stand in it.
//!
//! `{queue}` is replaced and nothing else happens: there are no conditions. A line
//! whose placeholders are all empty is left out, or every call without a wrap-up
//! would say so.

use crate::lookup::Engine;
use domain::timeline::Outcome;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every placeholder, with what stands for it.
pub const PLACEHOLDERS: &[(&str, &str)] = &[
    ("callId", "The contact center's id of the call"),
    ("externalId", "Who it was from"),
    ("direction", "`inbound` or `outbound`"),
    ("mediaType", "`voice`, `chat`, `message` or `email`"),
    ("queue", "The queue, by its configured name where it has one"),
    ("agent", "The agent who handled it last, by the contact center's id"),
    ("wrapUp", "Wrap-up codes"),
    ("notes", "What agents wrote beside them"),
    ("started", "When it began, UTC"),
    ("ended", "When it ended, UTC"),
    ("talk", "Talk time, as 1:02:03"),
    ("hold", "Hold time"),
    ("afterCallWork", "After-call work"),
    ("handle", "The three together"),
    ("duration", "Talk and hold together"),
    ("link", "The call's page in the contact center"),
];

/// How calls end.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// How long after its last event a call is closed.
    pub settle_for: Duration,
    /// Whether the CRM is told of calls at all.
    pub writes_activities: bool,
    pub subject: Template,
    pub body: Template,
}

/// A text with placeholders, all of them known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Vec<Part>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Fact(&'static str),
}

impl Template {
    /// The template.
    ///
    /// # Errors
    /// The first word between braces that is no placeholder.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.lines().map(line).collect::<Result<_, _>>().map(Self)
    }

    /// The text with everything in its place.
    pub(crate) fn fill(&self, facts: &Facts) -> String {
        let lines = self.0.iter().filter_map(|parts| {
            let mut text = String::new();
            let (mut asks, mut says) = (false, false);
            for part in parts {
                match part {
                    Part::Text(part) => text.push_str(part),
                    Part::Fact(name) => {
                        let fact = facts.0.get(name).map_or("", String::as_str);
                        asks = true;
                        says |= !fact.is_empty();
                        text.push_str(fact);
                    }
                }
            }
            (says || !asks).then(|| text.trim_end().to_owned())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn line(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((word, after)) = after.split_once('}') else { break };
        let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
        let (name, _) = known.ok_or_else(|| word.to_owned())?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Fact(name));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

/// What stands for each placeholder in one call.
pub(crate) struct Facts(BTreeMap<&'static str, String>);

impl Facts {
    pub(crate) fn of(engine: &Engine, call: &state::NewCall, outcome: &Outcome) -> Self {
        let connections = &engine.connections;
        let queue = outcome.queue.as_deref().or(call.queue.as_deref());
        let route = connections.route(queue, None, engine.options.region);
        let queue = route.queue.map(|queue| queue.name.as_str()).or(queue);
        let time = |at: Option<domain::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let page = connections.all().find_map(|c| c.capabilities.calls.as_ref()?.page(&call.id));
        let agent = outcome.agent().or(call.user.as_deref());
        Self(BTreeMap::from([
            ("callId", call.id.to_string()),
            ("externalId", call.external_id.to_string()),
            ("direction", call.direction.as_str().to_owned()),
            ("mediaType", call.media.as_str().to_owned()),
            ("queue", queue.unwrap_or_default().to_owned()),
            ("agent", agent.unwrap_or_default().to_owned()),
            ("wrapUp", outcome.wrap_ups.join(", ")),
            ("notes", outcome.notes.join("; ")),
            ("started", time(outcome.started.or(Some(call.arrived_at)))),
            ("ended", time(outcome.ended)),
            ("talk", clock(outcome.talk_ms)),
            ("hold", clock(outcome.hold_ms)),
            ("afterCallWork", clock(outcome.work_ms)),
            ("handle", clock(outcome.handle_ms())),
            ("duration", clock(outcome.duration_ms())),
            ("link", page.unwrap_or_default()),
        ]))
    }
}

/// `2:05`, `1:02:03`; to the nearest second.
fn clock(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, PLACEHOLDERS, Template, clock};

    fn facts(facts: &[(&'static str, &str)]) -> Facts {
        Facts(facts.iter().map(|(name, fact)| (*name, (*fact).to_owned())).collect())
    }

    #[test]
    fn placeholders_are_replaced_and_lines_that_say_nothing_left_out() {
        let check = |text: &str, expected: &str| {
            let template = Template::parse(text).expect(text);
            let facts = facts(&[("queue", "Sales"), ("talk", "1:05"), ("notes", "{queue}")]);
            assert_eq!(template.fill(&facts), expected, "{text}");
        };
        check("Call", "Call");
        check("{queue}: {talk}", "Sales: 1:05");
        check("Queue {queue}\nWrap-up {wrapUp}\n\nend", "Queue Sales\n\nend");
        check("{queue} {wrapUp}", "Sales");
        check("a { b, {queue", "a { b, {queue");
        // What an agent wrote is text and never a template.
        check("{notes}", "{queue}");
    }

    #[test]
    fn a_word_that_is_no_placeholder_is_named() {
        assert_eq!(Template::parse("{queue} {quue}"), Err("quue".to_owned()));
        assert_eq!(Template::parse("{}"), Err(String::new()));
        for (name, _) in PLACEHOLDERS {
            assert!(Template::parse(&format!("{{{name}}}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn times_read_as_a_clock_shows_them() {
        for (ms, expected) in [(0, "0:00"), (499, "0:00"), (65_000, "1:05"), (3_723_000, "1:02:03")]
        {
            assert_eq!(clock(ms), expected);
        }
    }
}
