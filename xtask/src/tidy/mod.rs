//! `cargo xtask tidy`: the house's rules, each held by a check that can fail.
//!
//! `tree.rs` reads the repository once; every other file holds the checks of
//! one kind, a function from the tree to its offences, beside a test that
//! plants an offence and sees it caught. What is let through is listed here,
//! with its date and reason, and a waiver that nothing needs is an offence too.

mod links;
mod names;
mod papers;
mod places;
mod shape;
mod source;
mod tree;
mod walls;

use crate::{Outcome, tools, words};
use anyhow::Result;
use tree::Tree;

/// Something let through: `check` in `file`, since `date`, because of `reason`.
struct Waiver {
    check: &'static str,
    file: &'static str,
    date: &'static str,
    reason: &'static str,
}

/// Let through for now. Shorten it.
const WAIVERS: &[Waiver] = &[];

/// One rule broken in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offence {
    check: &'static str,
    file: String,
    /// From 1; 0 is the file as a whole.
    line: usize,
    says: String,
}

impl Offence {
    fn new(check: &'static str, file: &str, line: usize, says: impl Into<String>) -> Self {
        Self { check, file: file.into(), line, says: says.into() }
    }
}

type Check = fn(&Tree) -> Vec<Offence>;

const CHECKS: &[Check] = &[
    walls::arrows_point_one_way,
    walls::every_crate_takes_the_lints,
    shape::every_source_says_what_it_is_for,
    shape::files_stay_short,
    shape::functions_stay_short,
    names::no_name_says_nothing,
    names::nothing_is_left_for_later,
    names::tests_do_not_sleep,
    places::vendors_stay_in_their_folders,
    places::sql_stays_in_the_store,
    places::nothing_names_a_machine,
    links::links_lead_somewhere,
    papers::the_architecture_is_short,
    papers::every_error_has_its_page,
    papers::decisions_are_dated,
];

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    if let Some(wrong) = rest.first() {
        return Ok(words::refuse("word of tidy", wrong, &[]));
    }
    let offences = offences()?;
    report(&offences);
    Ok(if offences.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// Everything in this repository that breaks a rule and is not waived.
pub(crate) fn offences() -> Result<Vec<Offence>> {
    let tree = Tree::read(tools::root())?;
    let found = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    Ok(without_waived(found, WAIVERS))
}

pub(crate) fn report(offences: &[Offence]) {
    for offence in offences {
        let line = if offence.line == 0 { String::new() } else { format!(":{}", offence.line) };
        tools::print(&format!("{}{line}: {} [{}]", offence.file, offence.says, offence.check));
    }
    match offences.len() {
        0 => tools::say(&format!("tidy: {} checks, all kept", CHECKS.len())),
        count => tools::say(&format!("tidy: {count} offences")),
    }
}

fn without_waived(found: Vec<Offence>, waivers: &[Waiver]) -> Vec<Offence> {
    let meets = |offence: &Offence, waiver: &Waiver| {
        offence.check == waiver.check && offence.file == waiver.file
    };
    let mut left: Vec<Offence> = waivers
        .iter()
        .filter(|waiver| !found.iter().any(|offence| meets(offence, waiver)))
        .map(|waiver| {
            let says = format!(
                "the waiver of {} ({}) is needed no more; remove it",
                waiver.date, waiver.reason
            );
            Offence::new(waiver.check, waiver.file, 0, says)
        })
        .collect();
    left.extend(
        found.into_iter().filter(|offence| !waivers.iter().any(|waiver| meets(offence, waiver))),
    );
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::{Offence, Waiver, offences, report, without_waived};

    const LONG: Waiver =
        Waiver { check: "long", file: "a.rs", date: "2026-11-21", reason: "a table" };

    #[test]
    fn a_waived_offence_is_let_through() {
        let found = vec![Offence::new("long", "a.rs", 7, "")];
        assert_eq!(without_waived(found, &[LONG]), []);
    }

    #[test]
    fn a_waiver_that_nothing_needs_is_an_offence() {
        let left = without_waived(vec![], &[LONG]);
        assert_eq!(left.len(), 1);
        assert!(left[0].says.contains("needed no more"), "{left:?}");
    }

    #[test]
    fn this_repository_keeps_the_rules() {
        let offences = offences().expect("the repository can be read");
        report(&offences);
        assert!(offences.is_empty(), "see above, or run `cargo xtask tidy`");
    }
}
