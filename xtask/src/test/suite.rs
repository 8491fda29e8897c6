//! The Rust tests of every crate, run by Cargo and counted here.
//!
//! `cargo test` says what passed; `--show-output` also shows what passing
//! tests said, from which only `skipped: REASON` is taken. What many tests lack
//! together is said once, past the harness: `SKIPPED NAME: REASON`.

use super::Needs;
use super::ledger::Ledger;
use crate::{check, process, tools};
use anyhow::Result;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A cold build and all tests on two busy cores.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Crates with a crash test, if they have one: it needs crash points, which no other build has.
const CRASHING: [&str; 2] = ["state", "tieline"];

pub(super) fn run(ledger: &mut Ledger, needs: &Needs) {
    let mut usual = vec!["test", "--workspace", "--no-fail-fast"];
    usual.extend(check::FEATURES);
    cargo_test(ledger, "cargo test", &usual, needs);
    for package in CRASHING {
        let folder = tools::root().join("crates").join(package).join("tests");
        if folder.join("crash.rs").is_file() || folder.join("crash/main.rs").is_file() {
            let crash = ["test", "-p", package, "--features", "crash-points", "--test", "crash"];
            cargo_test(ledger, &format!("crash test of {package}"), &crash, needs);
        }
    }
}

fn cargo_test(ledger: &mut Ledger, name: &str, words: &[&str], needs: &Needs) {
    tools::say(&format!("\n== {name}"));
    let begin = Instant::now();
    match count(name, words, ledger.filter(), needs) {
        Ok((count, succeeded)) => {
            // Cargo also fails when something did not build or a test binary died.
            let unseen = u64::from(!succeeded && count.failed == 0);
            let says = if unseen > 0 { "did not build, or ended early" } else { "" };
            let passed = count.passed.saturating_sub(count.said_skipped);
            ledger.enter(name, passed, count.failed + unseen, says, begin.elapsed());
            for (test, why) in count.skipped {
                ledger.skip(&test, &why);
            }
        }
        Err(reason) => ledger.enter(name, 0, 1, &format!("{reason:#}"), begin.elapsed()),
    }
}

fn count(name: &str, words: &[&str], filter: Option<&str>, needs: &Needs) -> Result<(Count, bool)> {
    let mut command = Command::new(tools::cargo());
    command.args(words).arg("--").arg("--show-output").args(filter);
    command.envs(needs.environment()).current_dir(tools::root());
    let count = Arc::new(Mutex::new(Count::default()));
    let reader = Arc::clone(&count);
    let status = process::lines(name, &mut command, LIMIT, move |line| {
        if reader.lock().unwrap_or_else(PoisonError::into_inner).read(line) {
            tools::print(line);
        }
    })?;
    let count = std::mem::take(&mut *count.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((count, status.success()))
}

/// What the test binaries said so far.
#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    /// Name and reason.
    skipped: Vec<(String, String)>,
    /// Of these, how many were counted as passed.
    said_skipped: u64,
    /// Between `successes:` and what follows: the passing test whose words we read.
    successes: Option<String>,
}

impl Count {
    /// Takes one line in and returns whether a person wants to see it.
    fn read(&mut self, line: &str) -> bool {
        match line.trim_end() {
            "successes:" => self.successes = Some(String::new()),
            "failures:" => self.successes = None,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.successes = None;
            self.passed += figure(result, "passed");
            self.failed += figure(result, "failed");
        } else if let Some(test) = &mut self.successes {
            let header = line.strip_prefix("---- ").and_then(|rest| rest.split(' ').next());
            if let Some(name) = header {
                name.clone_into(test);
            } else if let Some(why) = said_skipped(line) {
                self.skipped.push((test.clone(), why.into()));
                self.said_skipped += 1;
            }
        } else if let Some((name, why)) = said_aloud(line) {
            self.skipped.push((name.into(), why.into()));
        } else if let Some((name, why)) = line.strip_prefix("test ").and_then(ignored) {
            self.skipped.push((name.into(), why.into()));
        }
        self.successes.is_none()
    }
}

/// `skipped: why`, however loud.
fn said_skipped(line: &str) -> Option<&str> {
    let (word, why) = line.trim().split_at_checked("skipped".len())?;
    let apart = why.starts_with([':', ' ']);
    (word.eq_ignore_ascii_case("skipped") && apart).then(|| why.trim_start_matches([':', ' ']))
}

/// `SKIPPED name: why`, written past the test harness by a part that many tests share.
fn said_aloud(line: &str) -> Option<(&str, &str)> {
    line.split_once("SKIPPED ")?.1.split_once(": ")
}

/// `name ... ignored, why`
fn ignored(rest: &str) -> Option<(&str, &str)> {
    let (name, said) = rest.split_once(" ... ")?;
    let why = said.strip_prefix("ignored")?.trim_start_matches([',', ' ']);
    Some((name, if why.is_empty() { "ignored" } else { why }))
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn figure(result: &str, word: &str) -> u64 {
    let before = result.split(word).next().unwrap_or_default();
    before.split_whitespace().last().and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Count;

    const SAID: &str = "\
SKIPPED server: not here
test a ... ok
test b ... ignored, takes an hour

successes:

---- a stdout ----
skipped: no specs here
noise


successes:
    a
    c

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 1 test
test d ... FAILED

failures:

---- d stdout ----
skipped: this is no success
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    #[test]
    fn results_are_summed_and_skips_are_named() {
        let mut count = Count::default();
        for line in SAID.lines() {
            count.read(line);
        }
        assert_eq!((count.passed, count.failed, count.said_skipped), (2, 1, 1));
        let skipped = [("server", "not here"), ("b", "takes an hour"), ("a", "no specs here")];
        assert_eq!(count.skipped, skipped.map(|(name, why)| (name.to_owned(), why.to_owned())));
    }

    #[test]
    fn what_passing_tests_say_is_not_shown() {
        let mut count = Count::default();
        let shown: Vec<&str> = SAID.lines().filter(|line| count.read(line)).collect();
        assert!(!shown.contains(&"noise") && shown.contains(&"test d ... FAILED"), "{shown:?}");
    }
}
