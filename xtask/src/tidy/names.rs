//! What must not be written: names that say nothing, work left for later, tests that sleep.

use super::Offence;
use super::source::{numbered, words};
use super::tree::Tree;

const NAME: &str = "names.empty";
const LATER: &str = "names.later";
const SLEEP: &str = "names.sleep";

const BANNED: &[&str] =
    &["manager", "helper", "helpers", "util", "utils", "common", "misc", "base", "impl", "info"];

/// Words that declare a name.
const DECLARES: &[&str] = &["struct", "enum", "trait", "type", "mod", "union"];

/// Written in two halves, so that this file does not catch itself.
const LEFT: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const MACROS: &[&str] = &[concat!("db", "g!"), concat!("to", "do!"), concat!("unimplem", "ented!")];

/// No type or module is named by a word that fits every type and module.
pub(super) fn no_name_says_nothing(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, source) in tree.sources() {
        for (line, code) in numbered(&source.code) {
            let listed: Vec<&str> = words(code).collect();
            for pair in listed.windows(2).filter(|pair| DECLARES.contains(&pair[0])) {
                if let Some(empty) = parts(pair[1]).find(|part| BANNED.contains(&part.as_str())) {
                    let says = format!("{} {}: '{empty}' says nothing", pair[0], pair[1]);
                    offences.push(Offence::new(NAME, path, line, says));
                }
            }
        }
    }
    offences
}

/// Nothing is left for later in a comment or behind a macro.
pub(super) fn nothing_is_left_for_later(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, source) in tree.sources() {
        for ((line, text), code) in numbered(&source.text).zip(source.code.lines()) {
            let left = words(text).find(|word| LEFT.contains(word)).or_else(|| {
                MACROS.iter().copied().find(|name| {
                    let before = code.find(name).map(|at| &code[..at]);
                    before.is_some_and(|before| {
                        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    })
                })
            });
            if let Some(left) = left {
                offences.push(Offence::new(
                    LATER,
                    path,
                    line,
                    format!("{left}: do it, or write an issue"),
                ));
            }
        }
    }
    offences
}

/// A test waits for what it needs, not for time to pass. A sleep between two looks at a condition
/// is fine in a function whose name says so (`until_…`, `eventually…`), and in paused time.
pub(super) fn tests_do_not_sleep(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, source) in tree.sources() {
        if source.code.contains("start_paused") || source.code.contains("time::pause()") {
            continue;
        }
        let functions = source.functions();
        for (line, code) in source.code_in_tests() {
            let sleeps = ["thread::sleep(", "time::sleep("].iter().any(|call| code.contains(call))
                || (code.contains("sleep(") && words(code).any(|word| word == "sleep"));
            let polls = functions.iter().any(|function| {
                (function.first..=function.last).contains(&line)
                    && ["until_", "eventually", "wait_until"]
                        .iter()
                        .any(|name| function.name.starts_with(name))
            });
            if sleeps && !polls {
                let says =
                    "a test that sleeps is slow or wrong; wait for the condition in an `until_…`";
                offences.push(Offence::new(SLEEP, path, line, says));
            }
        }
    }
    offences
}

/// The words of a camel-case or snake-case name, in lower case: `CallStore`, `call_store`.
fn parts(name: &str) -> impl Iterator<Item = String> {
    let mut found = vec![String::new()];
    for c in name.chars() {
        if (c == '_' || c.is_uppercase()) && found.last().is_some_and(|last| !last.is_empty()) {
            found.push(String::new());
        }
        if let (true, Some(last)) = (c != '_', found.last_mut()) {
            last.extend(c.to_lowercase());
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::{
        LEFT, MACROS, no_name_says_nothing, nothing_is_left_for_later, tests_do_not_sleep,
    };
    use crate::tidy::tree::Tree;

    fn lines(check: super::super::Check, text: &str) -> Vec<usize> {
        check(&Tree::of([("crates/x/src/a.rs", text)])).iter().map(|offence| offence.line).collect()
    }

    #[test]
    fn an_empty_name_is_caught_and_a_part_of_a_word_is_not() {
        let text = "struct CallManager;\nmod phone_utils {}\nenum Database {}\ntype Baseline = u8;\nimpl Information {}";
        assert_eq!(lines(no_name_says_nothing, text), [1, 2]);
    }

    #[test]
    fn work_left_for_later_is_caught() {
        for left in LEFT {
            assert_eq!(
                lines(nothing_is_left_for_later, &format!("fn a() {{}}\n// {left}: b")),
                [2]
            );
        }
        for name in MACROS {
            assert_eq!(lines(nothing_is_left_for_later, &format!("{name}(1);\n\"{name}\"")), [1]);
        }
    }

    #[test]
    fn a_sleeping_test_is_caught_and_a_polling_one_is_not() {
        let text = "#[cfg(test)]\nmod tests {\nfn a() { std::thread::sleep(SHORT); }\n\
                    fn until_ready() {\nsleep(SHORT);\n}\n}";
        assert_eq!(lines(tests_do_not_sleep, text), [3]);
        let paused = format!("{text}\n#[tokio::test(start_paused = true)]");
        assert!(lines(tests_do_not_sleep, &paused).is_empty());
    }
}
