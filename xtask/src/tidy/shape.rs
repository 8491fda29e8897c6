//! The shape of a file: it says what it is for, and it and its functions stay short.

use super::Offence;
use super::tree::Tree;

const HEADER: &str = "shape.header";
const FILE: &str = "shape.file";
const FUNCTION: &str = "shape.function";

/// Lines of a file, its tests left out.
const MOST_LINES: usize = 400;
/// Lines of a function from `fn` to its brace.
const MOST_FUNCTION_LINES: usize = 70;

/// Every Rust file begins with `//!` and a sentence.
pub(super) fn every_source_says_what_it_is_for(tree: &Tree) -> Vec<Offence> {
    tree.sources()
        .filter(|(_, source)| {
            let first = source.text.lines().next().unwrap_or_default();
            let sentence = first.strip_prefix("//!").unwrap_or_default();
            sentence.split_whitespace().count() < 3
        })
        .map(|(path, _)| Offence::new(HEADER, path, 1, "must begin with `//!` and what it is for"))
        .collect()
}

/// No file is longer than one can hold in mind; tests do not count.
pub(super) fn files_stay_short(tree: &Tree) -> Vec<Offence> {
    tree.sources()
        .filter_map(|(path, source)| {
            let lines = source.text.lines().count().min(source.tests_from - 1);
            let says = format!("{lines} lines without its tests; at most {MOST_LINES}");
            (lines > MOST_LINES).then(|| Offence::new(FILE, path, 0, says))
        })
        .collect()
}

/// No function is longer than a screen; tests do not count.
pub(super) fn functions_stay_short(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, source) in tree.sources() {
        for function in source.functions() {
            let lines = function.last - function.first + 1;
            if lines > MOST_FUNCTION_LINES && function.first < source.tests_from {
                let says =
                    format!("{}: {lines} lines; at most {MOST_FUNCTION_LINES}", function.name);
                offences.push(Offence::new(FUNCTION, path, function.first, says));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::{every_source_says_what_it_is_for, files_stay_short, functions_stay_short};
    use crate::tidy::tree::Tree;

    #[test]
    fn a_source_without_a_purpose_is_caught() {
        let tree = Tree::of([
            ("a.rs", "use x;"),
            ("b.rs", "//! Placeholder."),
            ("c.rs", "//! Finds the caller."),
        ]);
        let caught: Vec<String> = every_source_says_what_it_is_for(&tree)
            .into_iter()
            .map(|offence| offence.file)
            .collect();
        assert_eq!(caught, ["a.rs", "b.rs"]);
    }

    #[test]
    fn a_long_file_is_caught_and_tests_do_not_count() {
        let code = "use x;\n".repeat(401);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}");
        let tree = Tree::of([("a.rs", &code), ("b.rs", &tests), ("crates/x/tests/it.rs", &code)]);
        assert_eq!(files_stay_short(&tree).len(), 1);
    }

    #[test]
    fn a_long_function_is_caught() {
        let long = format!("fn long() {{\n{}}}", "x();\n".repeat(70));
        let short = format!("fn short() {{\n{}}}", "x();\n".repeat(68));
        let offences = functions_stay_short(&Tree::of([("a.rs", &long), ("b.rs", &short)]));
        assert_eq!(offences.len(), 1);
        assert!(offences[0].says.starts_with("long: 72 lines"), "{offences:?}");
    }
}
