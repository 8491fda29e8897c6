//! What ran and what did not, by name, and the line that sums it up.

use crate::{Outcome, tools};
use anyhow::Result;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// One line of the closing table.
struct Entry {
    name: String,
    passed: u64,
    failed: u64,
    says: String,
    took: Duration,
}

/// The run's account. Skips are kept apart: they are listed with their reasons.
pub(super) struct Ledger {
    filter: Option<String>,
    entries: Vec<Entry>,
    skipped: Vec<(String, String)>,
}

impl Ledger {
    pub(super) fn new(filter: Option<String>) -> Self {
        Self { filter, entries: Vec::new(), skipped: Vec::new() }
    }

    /// Words a name must contain to be run; `None` runs everything.
    pub(super) fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.filter().is_none_or(|filter| name.contains(filter))
    }

    /// Does one thing that passes or fails, if it is wanted.
    pub(super) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<bool>) {
        if !self.wants(name) {
            return;
        }
        tools::say(&format!("\n== {name}"));
        let begin = Instant::now();
        match work() {
            Ok(true) => self.enter(name, 1, 0, "", begin.elapsed()),
            Ok(false) => self.enter(name, 0, 1, "see above", begin.elapsed()),
            Err(reason) => self.enter(name, 0, 1, &format!("{reason:#}"), begin.elapsed()),
        }
    }

    pub(super) fn enter(
        &mut self,
        name: &str,
        passed: u64,
        failed: u64,
        says: &str,
        took: Duration,
    ) {
        self.entries.push(Entry { name: name.into(), passed, failed, says: says.into(), took });
    }

    pub(super) fn skip(&mut self, name: &str, why: &str) {
        tools::say(&format!("skipped: {name}: {why}"));
        self.skipped.push((name.into(), why.into()));
    }

    /// Prints the account and judges it.
    pub(super) fn close(self, require_all: bool) -> Outcome {
        tools::print(&self.account(require_all));
        self.judge(require_all)
    }

    fn judge(&self, require_all: bool) -> Outcome {
        let failed = self.entries.iter().any(|entry| entry.failed > 0);
        let short = require_all && !self.skipped.is_empty();
        // A run that ran nothing proves nothing.
        let empty = self.entries.iter().all(|entry| entry.passed == 0);
        if failed || short || empty { Outcome::Failed } else { Outcome::Done }
    }

    fn account(&self, require_all: bool) -> String {
        let mut text = String::from("\n");
        let width = self.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0).max(4);
        for entry in &self.entries {
            let _ = writeln!(
                text,
                "{:width$}  {:>5} passed  {:>3} failed  {:>6.1} s  {}",
                entry.name,
                entry.passed,
                entry.failed,
                entry.took.as_secs_f64(),
                entry.says,
            );
        }
        for (name, why) in &self.skipped {
            let _ = writeln!(text, "skipped: {name}: {why}");
        }
        if require_all && !self.skipped.is_empty() {
            text.push_str("--require-all: what was skipped counts as failed\n");
        }
        let passed: u64 = self.entries.iter().map(|entry| entry.passed).sum();
        let failed: u64 = self.entries.iter().map(|entry| entry.failed).sum();
        let _ = write!(text, "\n{passed} passed, {failed} failed, {} skipped", self.skipped.len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::Outcome;

    #[test]
    fn a_skip_fails_only_a_run_that_requires_all() {
        let ledger = || {
            let mut ledger = Ledger::new(None);
            ledger.step("a", || Ok(true));
            ledger.skip("b", "none here");
            ledger
        };
        assert_eq!(ledger().judge(false), Outcome::Done);
        assert_eq!(ledger().judge(true), Outcome::Failed);
        assert!(ledger().account(true).ends_with("\n1 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn a_run_that_ran_nothing_fails() {
        assert_eq!(Ledger::new(Some("nothing".into())).judge(false), Outcome::Failed);
    }

    #[test]
    fn an_error_is_a_failure_with_its_reason() {
        let mut ledger = Ledger::new(None);
        ledger.step("a", || anyhow::bail!("out of paper"));
        assert!(ledger.account(false).contains("out of paper"));
        assert_eq!(ledger.judge(false), Outcome::Failed);
    }
}
