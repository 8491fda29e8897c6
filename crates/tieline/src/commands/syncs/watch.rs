//! Watches a run to its end: a bar with rate and time left on a terminal, plain lines
//! elsewhere.

use super::super::client::Client;
use super::show::text;
use crate::exit::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two looks at a run, and between two lines where there is no terminal.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a run is until it has ended. `of`: how much there is to do, where that is
/// known.
pub(super) async fn watch(client: &Client, run: &Value, of: Option<u64>) -> Result<Value, Failure> {
    let path = format!("/api/v1/runs/{run}");
    let mut progress = Progress::new(of);
    loop {
        let run = client.get(&path).await?;
        progress.tell(&run);
        if !text(&run, "endedAt").is_empty() {
            progress.bar.finish_and_clear();
            return Ok(run);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    of: Option<u64>,
    step: Option<Step>,
    said_at: Instant,
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Reading,
    Planning,
    Settling,
    Undoing,
}

/// How far a run is: at what, how much is done, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Far {
    pub(super) step: Step,
    pub(super) done: u64,
    pub(super) of: u64,
}

/// From a run's counts: first records are read, then whoever waits is settled.
pub(super) fn far(run: &Value, of: Option<u64>) -> Far {
    let counts = &run["counts"];
    let sum = |words: &[&str]| -> u64 {
        let number = |word: &str| counts[word].as_u64().unwrap_or(0);
        let sided = |word: &&str| {
            number(word) + number(&format!("{word}_left")) + number(&format!("{word}_right"))
        };
        words.iter().map(sided).sum()
    };
    if text(run, "kind") == "undo" {
        let done = counts["undone"].as_u64().unwrap_or(0) + counts["left"].as_u64().unwrap_or(0);
        return Far { step: Step::Undoing, done, of: of.unwrap_or(done).max(done) };
    }
    let settled = sum(&[
        "created",
        "updated",
        "deleted",
        "marked",
        "unchanged",
        "held",
        "duplicates",
        "linked",
        "errors",
    ]);
    let news = sum(&["new", "changed", "gone"]);
    let expected = counts["expected"].as_u64();
    if settled == 0 && expected.is_none() {
        let read = news + sum(&["seen"]);
        return Far { step: Step::Reading, done: read, of: 0 };
    }
    let step = if text(run, "kind") == "plan" { Step::Planning } else { Step::Settling };
    Far { step, done: settled, of: expected.unwrap_or(news).max(settled) }
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Self::Reading => "reading what both sides say",
            Self::Planning => "matching and planning",
            Self::Settling => "matching and writing",
            Self::Undoing => "taking back",
        }
    }
}

impl Progress {
    fn new(of: Option<u64>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
        Self { bar, is_terminal, of, step: None, said_at: Instant::now() }
    }

    fn tell(&mut self, run: &Value) {
        let Far { step, done, of } = far(run, self.of);
        if self.step != Some(step) {
            let template = match step {
                Step::Reading => "{spinner} {elapsed_precise} {msg}: {pos} ({per_sec})",
                _ => "{bar:30} {elapsed_precise} {msg}: {pos} of {len} ({per_sec}, {eta} left)",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.reset();
            self.bar.set_message(step.words());
        }
        self.bar.set_length(of);
        self.bar.set_position(done);
        let is_time = self.said_at.elapsed() >= LINE_EVERY;
        if !self.is_terminal && (self.step != Some(step) || is_time) {
            let of = if of > 0 { format!(" of {of}") } else { String::new() };
            // Talk; nobody listening is no failure.
            writeln!(std::io::stderr(), "{}: {done}{of}", step.words()).ok();
            self.said_at = Instant::now();
        }
        self.step = Some(step);
    }
}
