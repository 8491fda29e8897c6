//! What came back, counted: by kind, in time or late, right or wrong, and what never came.

use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one connection saw; absorbed into one for the whole run.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Microseconds, one for each answer that was read whole.
    latencies: Vec<u32>,
    /// `hit CRM`, `partial PHONE`, `HTTP 503`, … and how often.
    answers: BTreeMap<String, u64>,
    /// Answers that are no lookup's answer, or not the expected one.
    wrong: u64,
    example_of_wrong: Option<String>,
    lost: BTreeMap<String, u64>,
    /// Events that were acknowledged, new ones and known ones.
    events: u64,
}

impl Samples {
    /// Counts one answer that arrived whole.
    pub(crate) fn judge(
        &mut self,
        latency: Duration,
        status: StatusCode,
        body: &[u8],
        expect: Option<&str>,
    ) {
        self.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        let (kind, right) = match status {
            StatusCode::ACCEPTED => {
                let (told, right) = told(body);
                self.events += told;
                ("HTTP 202".to_owned(), right)
            }
            _ => kind(status, body, expect),
        };
        *self.answers.entry(kind).or_default() += 1;
        if !right {
            self.wrong += 1;
            if self.example_of_wrong.is_none() {
                let shown = &body[..body.len().min(300)];
                self.example_of_wrong = Some(String::from_utf8_lossy(shown).into_owned());
            }
        }
    }

    /// Counts one question that got no answer, by reason.
    pub(crate) fn lose(&mut self, reason: &str) {
        *self.lost.entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        for (kind, count) in other.answers {
            *self.answers.entry(kind).or_default() += count;
        }
        self.wrong += other.wrong;
        self.events += other.events;
        self.example_of_wrong = self.example_of_wrong.take().or(other.example_of_wrong);
        for (reason, count) in other.lost {
            *self.lost.entry(reason).or_default() += count;
        }
    }
}

/// How many events an answer acknowledges, and whether each of its request was understood.
fn told(body: &[u8]) -> (u64, bool) {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let count = |name: &str| answer[name].as_u64();
    let (Some(stored), Some(repeated)) = (count("stored"), count("repeated")) else {
        return (0, false);
    };
    (stored + repeated, stored + repeated > 0 && count("notUnderstood") == Some(0))
}

/// What an answer is, and whether it may be so.
fn kind(status: StatusCode, body: &[u8], expect: Option<&str>) -> (String, bool) {
    if status != StatusCode::OK {
        return (format!("HTTP {}", status.as_u16()), false);
    }
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return ("no JSON".into(), false);
    };
    if let (Some(how), Some(to)) =
        (answer["status"].as_str(), answer["destination"]["option"].as_str())
    {
        // A decision: one for which somebody was not heard is not what was asked for.
        return (format!("{how} {to}"), matches!(how, "matched" | "default"));
    }
    let (Some(external_id), Some(outcome)) =
        (answer["externalId"].as_str(), answer["status"].as_str())
    else {
        return ("no lookup answer".into(), false);
    };
    let prefix = external_id.split(':').next().unwrap_or(external_id);
    let right = expect.is_none_or(|expected| external_id.starts_with(expected));
    (format!("{outcome} {prefix}"), right)
}

/// The run in figures.
pub(crate) struct Report {
    samples: Samples,
    took: Duration,
    late: usize,
}

impl Report {
    pub(crate) fn new(mut samples: Samples, took: Duration, late_after: Option<Duration>) -> Self {
        samples.latencies.sort_unstable();
        let late = late_after.map_or(0, |limit| {
            let limit = limit.as_micros();
            samples.latencies.iter().filter(|&&sample| u128::from(sample) > limit).count()
        });
        Self { samples, took, late }
    }

    /// One JSON object; times in milliseconds, `perSecond` counts answers.
    pub(crate) fn json(&self) -> Value {
        let answered = self.samples.latencies.len();
        let seconds = self.took.as_secs_f64();
        json!({
            "answered": answered,
            "seconds": round(seconds),
            "perSecond": round(answered as f64 / seconds.max(0.001)),
            "p50": self.percentile(50.0),
            "p90": self.percentile(90.0),
            "p99": self.percentile(99.0),
            "p999": self.percentile(99.9),
            "max": self.percentile(100.0),
            "answers": self.samples.answers,
            "eventsPerSecond": round(self.samples.events as f64 / seconds.max(0.001)),
            "late": self.late,
            "wrong": self.samples.wrong,
            "exampleOfWrong": self.samples.example_of_wrong,
            "lost": self.samples.lost.values().sum::<u64>(),
            "lostBecause": self.samples.lost,
        })
    }

    /// Nearest-rank percentile in milliseconds; `null` without samples.
    fn percentile(&self, percent: f64) -> Option<f64> {
        let count = self.samples.latencies.len();
        let rank = (percent / 100.0 * count as f64).ceil() as usize;
        let sample = self.samples.latencies.get(rank.clamp(1, count.max(1)) - 1)?;
        Some(round(f64::from(*sample) / 1_000.0))
    }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{Report, Samples};
    use hyper::StatusCode;
    use std::time::Duration;

    fn with(latencies: &[u64], body: &str, expect: Option<&str>) -> serde_json::Value {
        let mut samples = Samples::default();
        for &latency in latencies {
            let latency = Duration::from_millis(latency);
            samples.judge(latency, StatusCode::OK, body.as_bytes(), expect);
        }
        let limit = Some(Duration::from_millis(50));
        Report::new(samples, Duration::from_secs(1), limit).json()
    }

    const HIT: &str = r#"{"externalId":"CRM:1","status":"hit"}"#;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let latencies: Vec<u64> = (1..=100).collect();
        let report = with(&latencies, HIT, None);
        assert_eq!(
            (&report["p50"], &report["p99"], &report["max"]),
            (&50.0.into(), &99.0.into(), &100.0.into())
        );
    }

    #[test]
    fn an_answer_past_the_limit_is_late() {
        assert_eq!(with(&[50, 51, 99], HIT, None)["late"], 2);
    }

    #[test]
    fn an_unexpected_answer_is_wrong_and_shown() {
        let report = with(&[1], HIT, Some("PHONE:"));
        assert_eq!((&report["wrong"], &report["exampleOfWrong"]), (&1.into(), &HIT.into()));
    }

    #[test]
    fn acknowledged_events_are_counted_and_others_are_wrong() {
        let mut samples = Samples::default();
        for body in [
            r#"{"stored":2,"repeated":1,"ignored":0,"notUnderstood":0}"#,
            r#"{"stored":1,"repeated":0,"ignored":0,"notUnderstood":1}"#,
        ] {
            let took = Duration::from_millis(1);
            samples.judge(took, StatusCode::ACCEPTED, body.as_bytes(), None);
        }
        let report = Report::new(samples, Duration::from_secs(2), None).json();
        assert_eq!((&report["eventsPerSecond"], &report["wrong"]), (&2.0.into(), &1.into()));
    }

    #[test]
    fn a_decision_counts_that_heard_everybody() {
        let decided = |how: &str| {
            let body = format!(
                r#"{{"destination":{{"type":"queue","option":"General"}},"status":"{how}"}}"#
            );
            with(&[1], &body, None)["wrong"].clone()
        };
        assert_eq!([decided("default"), decided("degraded")], [0, 1]);
    }

    #[test]
    fn an_answer_that_is_no_lookup_is_wrong() {
        assert_eq!(with(&[1], "<html>", None)["answers"]["no JSON"], 1);
    }
}
