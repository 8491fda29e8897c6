//! A mistake in the configuration, told with its place and its mend.

use std::fmt;
use std::path::PathBuf;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// 1-based; `None` when it comes from the environment or from no line at all.
    pub line: Option<usize>,
    /// The key at fault: `connections.salesforce.settings.client_id`.
    pub at: String,
    pub message: String,
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        write!(f, "{}", self.message)?;
        if !self.fix.is_empty() {
            write!(f, "\n    {}", self.fix)?;
        }
        Ok(())
    }
}

impl Mistake {
    /// One that no line of a file is to blame for.
    pub fn new(at: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { line: None, at: at.into(), message: message.into(), fix: fix.into() }
    }
}

/// Every mistake of one file.
#[derive(Debug)]
pub struct Mistakes {
    pub file: PathBuf,
    pub all: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.all.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = mistake.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The name nearest to `word`, when one is near enough to be meant.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

/// The 1-based line of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line of the deepest part of `path` that stands in `text`.
pub fn line_of_key(text: &str, path: &[&str]) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for (depth, part) in path.iter().enumerate() {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { break };
        found = Some(line_of(text, key.span().start));
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            toml::de::DeValue::Array(items) => {
                let index = path.get(depth + 1).and_then(|i| i.parse::<usize>().ok());
                let item = index.and_then(|index| items.get(index));
                let toml::de::DeValue::Table(inner) = item?.get_ref() else { break };
                found = Some(line_of(text, item?.span().start));
                table = inner;
                let rest = &path[(depth + 2).min(path.len())..];
                let key =
                    rest.first().and_then(|k| table.iter().find(|(key, _)| key.get_ref() == k));
                return key.map(|(key, _)| line_of(text, key.span().start)).or(found);
            }
            _ => break,
        }
    }
    found
}
