//! What every contestant is given: lines, callers, and the answers that are right.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One chain and those who call it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scene {
    pub(crate) lines: Vec<Line>,
    /// Each by the names of its fields: texts, numbers, days as `2026-11-22`. What is missing
    /// has no key.
    pub(crate) callers: Vec<BTreeMap<String, Value>>,
    /// For each caller the first line that holds, counted from 0.
    pub(crate) answers: Vec<Option<usize>>,
}

/// Conditions, of which all must hold.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Condition {
    pub(crate) field: String,
    /// As people write it: `=`, `<`, `>=`, `in`, `starts with`.
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
}

impl Scene {
    pub(crate) fn read(file: &str) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|reason| format!("{file}: {reason}"))?;
        serde_json::from_slice(&text).map_err(|reason| format!("{file}: {reason}"))
    }

    pub(crate) fn write(&self, file: &str) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|reason| reason.to_string())?;
        std::fs::write(file, text).map_err(|reason| format!("{file}: {reason}"))
    }

    /// Forgets whom another line, or none, answers.
    pub(crate) fn keep_those_of(&mut self, line: usize) {
        let (callers, answers) = (std::mem::take(&mut self.callers), &self.answers);
        let kept = callers.into_iter().zip(answers).filter(|(_, answer)| **answer == Some(line));
        self.callers = kept.map(|(caller, _)| caller).collect();
        self.answers = vec![Some(line); self.callers.len()];
    }

    /// Callers for whom no line holds.
    pub(crate) fn unmatched(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_none()).count()
    }
}
