//! What was asked of a simulator, so that a test can assert it.
//!
//! Counters per `METHOD path` (ids in the path become `{id}`) and a log of the last
//! requests. Both are bounded, and both can be switched off for a benchmark.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::http::request::Parts;
use serde::Serialize;

/// Requests kept in the log; older ones are dropped.
pub const MOST_REQUESTS: usize = 10_000;
/// Bytes of one body kept in the log; the rest is cut off.
pub const MOST_BODY: usize = 64 * 1024;
/// Bytes of all bodies together; past it the oldest requests are dropped early.
const MOST_BODIES: usize = 32 * 1024 * 1024;
/// Different counters; requests past it are counted under `other`.
const MOST_COUNTERS: usize = 1024;

/// One request as it came in, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query, percent-encoded as sent.
    pub target: String,
    /// HTTP status; 0 while unanswered, and for good where nothing was answered.
    pub status: u16,
    /// Every header, names in lower case. Holds tokens: simulated ones only.
    pub headers: Vec<(String, String)>,
    /// The body as text, at most [`MOST_BODY`] bytes; empty where it was not read.
    pub body: String,
}

impl Seen {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The record of one simulator's requests. On until switched off.
#[derive(Default)]
pub struct Requests {
    off: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    log: VecDeque<Seen>,
    /// Number of the first entry in `log`, so that an answer finds its request.
    first: u64,
    bodies: usize,
    counts: HashMap<String, u64>,
}

impl Requests {
    /// Whether requests are recorded; they are, unless switched off.
    pub fn is_on(&self) -> bool {
        !self.off.load(Ordering::Relaxed)
    }

    /// Switches recording on or off. What was recorded stays.
    pub fn record(&self, on: bool) {
        self.off.store(!on, Ordering::Relaxed);
    }

    /// Requests per `METHOD path`, with `{id}` for ids in the path.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.kept().counts.iter().map(|(key, n)| (key.clone(), *n)).collect()
    }

    /// How many requests had a `METHOD path` that contains `part`.
    pub fn count(&self, part: &str) -> u64 {
        self.kept().counts.iter().filter(|(key, _)| key.contains(part)).map(|(_, n)| n).sum()
    }

    /// The last requests, oldest first, at most [`MOST_REQUESTS`].
    pub fn log(&self) -> Vec<Seen> {
        self.kept().log.iter().cloned().collect()
    }

    /// Forgets log and counters.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.first += kept.log.len() as u64;
        kept.log.clear();
        kept.counts.clear();
        kept.bodies = 0;
    }

    /// Notes a request on arrival; the number is for [`Requests::answered`].
    pub(crate) fn arrived(&self, parts: &Parts, body: &[u8]) -> u64 {
        let target = parts.uri.path_and_query().map_or("/", |both| both.as_str()).to_owned();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let seen = Seen {
            method: parts.method.as_str().to_owned(),
            target,
            status: 0,
            headers,
            body: String::from_utf8_lossy(&body[..body.len().min(MOST_BODY)]).into_owned(),
        };
        let counter = format!("{} {}", seen.method, template(parts.uri.path()));
        self.kept().push(seen, counter)
    }

    /// Notes the status of the answer to the request of that number.
    pub(crate) fn answered(&self, number: u64, status: u16) {
        let mut kept = self.kept();
        let at = number.checked_sub(kept.first).and_then(|at| usize::try_from(at).ok());
        if let Some(seen) = at.and_then(|at| kept.log.get_mut(at)) {
            seen.status = status;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, seen: Seen, counter: String) -> u64 {
        let full = self.counts.len() >= MOST_COUNTERS && !self.counts.contains_key(&counter);
        let counter = if full { "other".to_owned() } else { counter };
        *self.counts.entry(counter).or_default() += 1;
        self.bodies += seen.body.len();
        self.log.push_back(seen);
        while self.log.len() > MOST_REQUESTS || (self.bodies > MOST_BODIES && self.log.len() > 1) {
            if let Some(old) = self.log.pop_front() {
                self.bodies -= old.body.len();
                self.first += 1;
            }
        }
        self.first + self.log.len() as u64 - 1
    }
}

/// The path with what looks like an id made `{id}`: numbers, UUIDs, and long
/// words of letters and digits mixed.
fn template(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path.split('/').skip(1) {
        out.push('/');
        out.push_str(if is_id(part) { "{id}" } else { part });
    }
    out
}

fn is_id(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain && digits > 0 && (digits == part.len() || part.len() >= 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str) -> Parts {
        let request = axum::http::Request::builder().uri(target).header("x-a", "b");
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn ids_in_a_path_share_one_counter() {
        assert_eq!(
            template("/services/data/v67.0/sobjects/Contact/003Hs00000000A1AAI"),
            "/services/data/v67.0/sobjects/Contact/{id}"
        );
        assert_eq!(template("/api/v2/x/5"), "/api/v2/x/{id}");
        assert_eq!(template("/a/0d4c51be-e2f5-4d0f-9d5f-2f1a1c1f1b1a/b"), "/a/{id}/b");
    }

    #[test]
    fn the_log_keeps_the_last_requests_only() {
        let requests = Requests::default();
        for n in 0..=MOST_REQUESTS {
            requests.arrived(&parts(&format!("/n/{n}")), b"");
        }
        let log = requests.log();
        assert_eq!(log.len(), MOST_REQUESTS);
        assert_eq!(log[0].target, "/n/1");
        assert_eq!(requests.count("GET /n/{id}"), MOST_REQUESTS as u64 + 1);
    }

    #[test]
    fn large_bodies_push_old_requests_out_early() {
        let requests = Requests::default();
        let body = vec![b'x'; 2 * MOST_BODY];
        for _ in 0..1000 {
            requests.arrived(&parts("/"), &body);
        }
        assert_eq!(requests.log().len(), MOST_BODIES / MOST_BODY);
    }

    #[test]
    fn an_answer_finds_its_request_after_a_clear() {
        let requests = Requests::default();
        let old = requests.arrived(&parts("/old"), b"");
        requests.clear();
        let new = requests.arrived(&parts("/new"), b"");
        requests.answered(old, 500);
        requests.answered(new, 201);
        let log = requests.log();
        assert_eq!((log.len(), log[0].status), (1, 201));
        assert_eq!(log[0].header("x-a"), Some("b"));
    }

    #[test]
    fn counters_are_bounded() {
        let requests = Requests::default();
        for n in 0..2 * MOST_COUNTERS {
            requests.arrived(&parts(&format!("/word-{}", "x".repeat(n))), b"");
        }
        assert!(requests.counts().len() <= MOST_COUNTERS + 1);
        assert!(requests.count("other") > 0);
    }
}
