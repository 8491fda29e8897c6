//! What goes wrong on purpose, and when: the plan a simulated vendor follows.
//!
//! A [`Plan`] is set from Rust ([`Faults::set`]) or over HTTP (`POST /_sim/faults`);
//! [`crate::server`] asks [`Faults::next`] for each request and then does on the wire
//! what the fault says. Without a plan a request pays one atomic load.
//!
//! As JSON: `{"latency_ms":50,"jitter_ms":10,"rules":[{"path_contains":"/query",
//! "fault":"hang_mid_body","times":1},{"method":"POST","fault":{"status":{"code":503}}},
//! {"fault":{"slow":{"ms":200}}},{"fault":{"vendor":"throttled_daily"}}]}`.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::requests::Requests;
use crate::seed::SplitMix64;

/// How a simulated vendor misbehaves. The default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Added to every answer (the request has been carried out before the wait).
    #[serde(default, rename = "latency_ms", with = "millis")]
    pub latency: Duration,
    /// Up to this much more, evenly spread.
    #[serde(default, rename = "jitter_ms", with = "millis")]
    pub jitter: Duration,
    /// The first rule that fits a request is applied.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Counted from 1.
    pub line: usize,
    /// Where in the plan, as `rules[0].times`; empty for the whole.
    pub field: String,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Plan {
    /// Reads a plan in the JSON that the head of this file shows.
    ///
    /// # Errors
    /// Says where the text is no plan.
    pub fn read(json: &[u8]) -> Result<Plan, Misread> {
        let misread = |error: &serde_json::Error, field: String| {
            let told = error.to_string();
            // The place is told apart from the reason.
            let reason = told.rsplit_once(" at line ").map_or(told.as_str(), |(reason, _)| reason);
            Misread { line: error.line(), field, reason: reason.to_owned() }
        };
        let mut reader = serde_json::Deserializer::from_slice(json);
        let plan = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            // A dot stands for the whole, a question mark for what has no name yet.
            misread(error.inner(), path.trim_end_matches(['.', '?']).to_owned())
        })?;
        reader.end().map_err(|error| misread(&error, String::new()))?;
        Ok(plan)
    }
}

/// One fault, and the requests it meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only requests whose path and query contain this (as sent, percent-encoded).
    #[serde(default)]
    pub path_contains: Option<String>,
    /// Only requests of this method.
    #[serde(default)]
    pub method: Option<String>,
    /// What happens to them.
    pub fault: Fault,
    /// So many times, then the rule is gone; without it, until cleared.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Rule {
    /// A rule that meets every request, for good.
    pub fn always(fault: Fault) -> Rule {
        Rule { path_contains: None, method: None, fault, times: None }
    }

    /// Only requests whose path and query contain `part`.
    #[must_use]
    pub fn on(mut self, part: &str) -> Rule {
        self.path_contains = Some(part.to_owned());
        self
    }

    /// Only the next `times` requests that fit.
    #[must_use]
    pub fn times(mut self, times: u32) -> Rule {
        self.times = Some(times);
        self
    }
}

/// What is done to one request. All of it is real on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Never answered; the connection stays open. The request is not carried out.
    Hang,
    /// Carried out; status, headers and half of the body are sent, then nothing more.
    HangMidBody,
    /// The connection is reset (TCP RST) instead of an answer. Not carried out.
    Reset,
    /// Carried out; `content-length` promises the whole, half is sent, then closed.
    Truncate,
    /// Answered with this status, and this body where one is given. Not carried out.
    Status {
        /// HTTP status code; anything that is not one becomes 500.
        code: u16,
        /// Sent as JSON when it begins with `{` or `[`, otherwise as HTML.
        #[serde(default)]
        body: Option<String>,
    },
    /// 200 with a page of HTML, as a sick edge or a hibernating instance gives.
    Html200,
    /// The vendor's own 401.
    Unauthorized,
    /// The vendor's own way to say "too many requests".
    Throttled,
    /// Another answer of the vendor's own, by the name its simulator gives it.
    Vendor(String),
    /// Carried out, and answered so much later.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
}

impl Fault {
    /// [`Fault::Slow`] from a duration.
    pub fn slow(by: Duration) -> Fault {
        Fault::Slow { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    /// A word as one types it: `hang`, `hang_mid_body`, `reset`, `truncate`, `html200`, a
    /// status, or `slow:` and a time (`slow:2s`, `slow:300ms`). 401, 403 and 429 are the
    /// vendor's own refusals, whatever status it gives them.
    fn from_str(word: &str) -> Result<Fault, String> {
        let odd = || {
            format!(
                "`{word}` is no fault: hang, hang_mid_body, reset, truncate, html200, slow:2s, or a status such as 503"
            )
        };
        Ok(match word {
            "hang" => Fault::Hang,
            "hang_mid_body" => Fault::HangMidBody,
            "reset" => Fault::Reset,
            "truncate" => Fault::Truncate,
            "html200" => Fault::Html200,
            "401" => Fault::Unauthorized,
            "403" => Fault::Vendor("forbidden".to_owned()),
            "429" => Fault::Throttled,
            _ => match word.strip_prefix("slow:") {
                Some(time) => Fault::slow(time_of(time).ok_or_else(odd)?),
                None => {
                    let code = word.parse().ok().filter(|code| (400..600).contains(code));
                    Fault::Status { code: code.ok_or_else(odd)?, body: None }
                }
            },
        })
    }
}

/// `2s` or `300ms`, up to an hour.
fn time_of(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s')?, 1_000),
    };
    let ms = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (ms <= 3_600_000).then(|| Duration::from_millis(ms))
}

type VendorAnswer = Box<dyn Fn(&str) -> Option<Response> + Send + Sync>;

/// The faults of one simulator and the record of its requests; clones share both.
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

struct Shared {
    /// False when the plan is empty, so that the common case costs one load.
    armed: AtomicBool,
    plan: Mutex<Plan>,
    vendor: RwLock<Option<VendorAnswer>>,
    dice: AtomicU64,
    requests: Requests,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            armed: AtomicBool::new(false),
            plan: Mutex::default(),
            vendor: RwLock::default(),
            dice: AtomicU64::new(1),
            requests: Requests::default(),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("plan", &self.plan()).finish_non_exhaustive()
    }
}

impl Faults {
    /// Follows `plan` from the next request on.
    pub fn set(&self, plan: Plan) {
        let armed = plan != Plan::default();
        let mut current = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        *current = plan;
        self.0.armed.store(armed, Ordering::Release);
    }

    /// Adds one rule behind those already there.
    pub fn add(&self, rule: Rule) {
        let mut plan = self.plan();
        plan.rules.push(rule);
        self.set(plan);
    }

    /// Behaves well from the next request on. Requests that hang go on hanging.
    pub fn clear(&self) {
        self.set(Plan::default());
    }

    /// The plan as it stands: rules used up are gone, counted ones show what is left.
    pub fn plan(&self) -> Plan {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the vendor's own answers by name: `unauthorized`, `throttled`, and those
    /// that [`Fault::Vendor`] may name. `None` means that there is no such answer.
    pub fn vendor(&self, answer: impl Fn(&str) -> Option<Response> + Send + Sync + 'static) {
        *self.0.vendor.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(answer));
    }

    /// What was asked of this simulator.
    pub fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// The vendor's own answer of that name, where its simulator gave one.
    pub(crate) fn vendor_answer(&self, name: &str) -> Option<Response> {
        let vendor = self.0.vendor.read().unwrap_or_else(PoisonError::into_inner);
        vendor.as_ref().and_then(|answer| answer(name))
    }

    /// The delay and the fault for one request; takes one off a counted rule.
    pub(crate) fn next(&self, method: &str, target: &str) -> (Duration, Option<Fault>) {
        if !self.0.armed.load(Ordering::Acquire) {
            return (Duration::ZERO, None);
        }
        let mut plan = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &Rule| {
            rule.path_contains.as_deref().is_none_or(|part| target.contains(part))
                && rule.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
        };
        let fault = plan.rules.iter().position(fits).map(|at| {
            let rule = &mut plan.rules[at];
            let fault = rule.fault.clone();
            if let Some(left) = rule.times.as_mut() {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    plan.rules.remove(at);
                }
            }
            fault
        });
        let delay = plan.latency + self.part_of(plan.jitter);
        if *plan == Plan::default() {
            self.0.armed.store(false, Ordering::Release);
        }
        (delay, fault)
    }

    fn part_of(&self, jitter: Duration) -> Duration {
        if jitter.is_zero() {
            return Duration::ZERO;
        }
        let seed = self.0.dice.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(SplitMix64::new(seed).below(nanos))
    }
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(of.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_rule_is_gone_when_used_up() {
        let faults = Faults::default();
        faults.add(Rule::always(Fault::Hang).on("/query").times(2));
        assert_eq!(faults.next("GET", "/limits").1, None);
        assert_eq!(faults.next("GET", "/query?q=").1, Some(Fault::Hang));
        assert_eq!(faults.plan().rules[0].times, Some(1));
        assert_eq!(faults.next("GET", "/query").1, Some(Fault::Hang));
        assert_eq!(faults.next("GET", "/query").1, None);
        assert_eq!(faults.plan(), Plan::default());
    }

    #[test]
    fn jitter_stays_inside_its_bound() {
        let faults = Faults::default();
        let (latency, jitter) = (Duration::from_millis(50), Duration::from_millis(10));
        faults.set(Plan { latency, jitter, rules: vec![] });
        let delays: Vec<Duration> = (0..200).map(|_| faults.next("GET", "/").0).collect();
        assert!(delays.iter().all(|d| *d >= latency && *d < latency + jitter));
        assert!(delays.iter().any(|d| *d != delays[0]));
    }

    #[test]
    fn a_plan_reads_as_its_documentation_says() {
        let text = r#"{"latency_ms":50,"jitter_ms":10,"rules":[{"path_contains":"/query",
            "fault":"hang_mid_body","times":1},{"method":"POST","fault":{"status":{"code":503}}},
            {"fault":{"slow":{"ms":200}}},{"fault":{"vendor":"throttled_daily"}}]}"#;
        let plan: Plan = serde_json::from_str(text).expect("the documented example");
        assert_eq!(plan.latency, Duration::from_millis(50));
        assert_eq!(plan.rules[2].fault, Fault::slow(Duration::from_millis(200)));
        let again = serde_json::to_string(&plan).expect("a plan is JSON");
        assert_eq!(serde_json::from_str::<Plan>(&again).expect("its own JSON"), plan);
    }

    #[test]
    fn a_fault_reads_from_the_word_one_types() {
        let check = |word: &str, expected: Fault| assert_eq!(word.parse(), Ok(expected), "{word}");
        check("hang", Fault::Hang);
        check("503", Fault::Status { code: 503, body: None });
        check("403", Fault::Vendor("forbidden".to_owned()));
        check("429", Fault::Throttled);
        check("401", Fault::Unauthorized);
        check("slow:2s", Fault::Slow { ms: 2_000 });
        check("slow:300ms", Fault::Slow { ms: 300 });
        for word in ["", "hung", "200", "600", "slow", "slow:", "slow:2", "slow:-1s", "slow:2h"] {
            let refused = word.parse::<Fault>().expect_err(word);
            assert!(refused.contains("hang, ") && refused.contains(&format!("`{word}`")));
        }
    }

    #[test]
    fn what_is_no_plan_is_told_with_its_line_and_field() {
        let check = |text: &str, expected: &str| {
            let misread = Plan::read(text.as_bytes()).expect_err(text).to_string();
            assert!(misread.starts_with(expected), "{text}: {misread}");
        };
        check("{\n \"latencyMs\": 50\n}", "line 2, latencyMs: unknown field `latencyMs`, expected");
        check(
            "{\"rules\": [\n {\"fault\": \"hang\", \"times\": -1}]}",
            "line 2, rules[0].times: invalid value",
        );
        check(
            "{\"rules\": [\n {\"fault\": \"hand\"}]}",
            "line 2, rules[0].fault: unknown variant `hand`",
        );
        check(
            "{\"rules\": [{\"fault\":\n {\"status\": {\"code\": \"x\"}}}]}",
            "line 2, rules[0].fault.status.code: invalid type",
        );
        check("{\"rules\": [\n {}]}", "line 2, rules[0]: missing field `fault`");
        check("{\n rules: []}", "line 2: key must be a string");
        check("{} x", "line 1: trailing characters");
        check("", "line 1: EOF");
        assert_eq!(Plan::read(b"{}"), Ok(Plan::default()));
    }
}
