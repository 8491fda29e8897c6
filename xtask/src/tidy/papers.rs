//! The papers keep up with the code: a short architecture, a page for every error, dated decisions.

use super::Offence;
use super::tree::Tree;
use std::collections::BTreeMap;

const ARCHITECTURE: &str = "papers.architecture";
const ERRORS: &str = "papers.errors";
const DECISIONS: &str = "papers.decisions";

const MOST_WORDS: usize = 2_500;

/// The architecture can be read at one go.
pub(super) fn the_architecture_is_short(tree: &Tree) -> Vec<Offence> {
    let path = "docs/ARCHITECTURE.md";
    let says = match tree.file(path).map(|text| text.split_whitespace().count()) {
        None => "is missing".to_owned(),
        Some(words) if words > MOST_WORDS => format!("{words} words; at most {MOST_WORDS}"),
        Some(_) => return Vec::new(),
    };
    vec![Offence::new(ARCHITECTURE, path, 0, says)]
}

/// Every error code of the sources has its page, and every page its code.
pub(super) fn every_error_has_its_page(tree: &Tree) -> Vec<Offence> {
    let codes = codes(tree);
    let mut offences = Vec::new();
    for (code, (path, line)) in &codes {
        let page = format!("docs/errors/{code}.md");
        if tree.file(&page).is_none() {
            offences.push(Offence::new(
                ERRORS,
                path,
                *line,
                format!("{code} lacks its page {page}"),
            ));
        }
    }
    for (path, _) in tree.files() {
        let named = path.strip_prefix("docs/errors/").and_then(|name| name.strip_suffix(".md"));
        if let Some(code) = named.filter(|name| is_code(name) && !codes.contains_key(*name)) {
            offences.push(Offence::new(
                ERRORS,
                path,
                0,
                format!("no source gives the code {code}"),
            ));
        }
    }
    offences
}

/// Architecture decisions are named by their day, so that they sort and are never renamed.
pub(super) fn decisions_are_dated(tree: &Tree) -> Vec<Offence> {
    tree.files()
        .filter_map(|(path, _)| Some((path, path.strip_prefix("docs/adr/")?)))
        .filter(|(_, name)| *name != "README.md" && !is_dated(name))
        .map(|(path, _)| Offence::new(DECISIONS, path, 0, "must be named YYYYMMDD-slug.md"))
        .collect()
}

/// Codes our sources give, with the place of each, tests left out: strings that follow `code:`,
/// `code =` or `code(`, that stand in an `ApiError::new(…)`, or in the list of pages.
fn codes(tree: &Tree) -> BTreeMap<String, (String, usize)> {
    let mut found = BTreeMap::new();
    for (path, source) in
        tree.sources().filter(|(path, _)| path.starts_with("crates/") && path.contains("/src/"))
    {
        let lines: Vec<&str> = source.code.lines().collect();
        let list = lines.iter().position(|line| line.starts_with("pages! {"));
        let list_end = list.and_then(|from| {
            Some(from + lines[from..].iter().position(|line| line.starts_with('}'))?)
        });
        for (line, string) in source.strings.iter().filter(|(line, _)| *line < source.tests_from) {
            let code = string.trim_matches('"');
            let at = line - 1;
            let here = lines.get(at).copied().unwrap_or_default();
            let listed = list.zip(list_end).is_some_and(|(from, to)| (from..to).contains(&at));
            let given = gives_code(here) || listed || stands_in_error(&lines[..=at]);
            if given && is_code(code) {
                found.entry(code.to_owned()).or_insert_with(|| (path.to_owned(), *line));
            }
        }
    }
    found
}

/// Whether the last of these lines belongs to an `ApiError::new(` that begins on it, or on one of
/// the three before it with no statement ending between.
fn stands_in_error(lines: &[&str]) -> bool {
    for (back, line) in lines.iter().rev().take(4).enumerate() {
        if back > 0 && line.contains(';') {
            return false;
        }
        if line.contains("ApiError::new(") {
            return true;
        }
    }
    false
}

/// Whether this line of code says `code` as a word of its own before a value: not `decode(`.
fn gives_code(line: &str) -> bool {
    ["code:", "code =", "code(", "CODE:", "Code("].iter().any(|word| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() || word.starts_with('C'))
        })
    })
}

/// `area.what_is_wrong`, in lower case.
fn is_code(text: &str) -> bool {
    let mut parts = text.split('.');
    let good = |part: Option<&str>| {
        part.is_some_and(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    };
    good(parts.next()) && good(parts.next()) && parts.next().is_none()
}

fn is_dated(name: &str) -> bool {
    let Some((day, slug)) = name.strip_suffix(".md").and_then(|name| name.split_once('-')) else {
        return false;
    };
    let month = day.get(4..6).and_then(|month| month.parse().ok()).unwrap_or(0);
    let date = day.get(6..8).and_then(|date| date.parse().ok()).unwrap_or(0);
    day.len() == 8
        && day.chars().all(|c| c.is_ascii_digit())
        && (1..=12).contains(&month)
        && (1..=31).contains(&date)
        && !slug.is_empty()
        && slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::{decisions_are_dated, every_error_has_its_page, the_architecture_is_short};
    use crate::tidy::tree::Tree;

    #[test]
    fn a_long_or_missing_architecture_is_caught() {
        let long = "word ".repeat(2_501);
        assert_eq!(
            the_architecture_is_short(&Tree::of([("docs/ARCHITECTURE.md", &long)])).len(),
            1
        );
        assert_eq!(the_architecture_is_short(&Tree::of([])).len(), 1);
    }

    #[test]
    fn an_error_without_a_page_and_a_page_without_an_error_are_caught() {
        let source = "ApiError::new(\n  STATUS,\n  \"call.wrong\",\n);\nlet at = \"call.field\";\ndecode(\"a.b\");\nE { code: \"call.unknown\" };\nE { code: \"call.late\" };\nx(\"file.rs\")";
        let tree = Tree::of([
            ("crates/tieline/src/a.rs", source),
            ("docs/errors/call.late.md", ""),
            ("docs/errors/call.wrong.md", ""),
            ("docs/errors/call.gone.md", ""),
            ("docs/errors/README.md", ""),
        ]);
        let says: Vec<String> =
            every_error_has_its_page(&tree).into_iter().map(|offence| offence.says).collect();
        assert_eq!(
            says,
            [
                "call.unknown lacks its page docs/errors/call.unknown.md",
                "no source gives the code call.gone"
            ]
        );
    }

    #[test]
    fn an_undated_decision_is_caught() {
        let tree = Tree::of([
            ("docs/adr/20261121-no-put.md", ""),
            ("docs/adr/0001-x.md", ""),
            ("docs/adr/20261321-x.md", ""),
        ]);
        assert_eq!(decisions_are_dated(&tree).len(), 2);
    }
}
