//! Which record of the other side is the same person, and when nobody can tell.
//!
//! Keys are tried in the order of the steps, and the first step that finds somebody
//! decides. A number or mail that many share says nothing about who somebody is and is
//! passed over. What fits several is never guessed: a person decides.

use crate::sync::words;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What people are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// The id that one system holds of the other's record.
    ExternalId,
    Email,
    Phone,
    /// See [`name_key`].
    Name,
}

words!(
    KeyKind: ExternalId = "external_id",
    Email = "email",
    Phone = "phone",
    Name = "name",
);

/// A pair that one of the record's keys leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub kind: KeyKind,
    pub pair: i64,
    /// Its record is tied to one of our own side already.
    pub is_linked: bool,
    /// How many records of that side have this very key.
    pub shared_by: u64,
}

/// The outcome of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    Nobody,
    One {
        pair: i64,
        by: KeyKind,
    },
    /// The only one that fits is tied to another record: this one is its duplicate.
    Linked {
        pair: i64,
        by: KeyKind,
    },
    /// In ascending order.
    Several {
        pairs: Vec<i64>,
        by: KeyKind,
    },
}

/// Chooses among `candidates`, whose order does not matter.
///
/// `steps`: which keys count, the strongest first. A key of which more than `generic_over`
/// records of the other side make use is generic and passed over, except for an external
/// id: one that stands at several records is a fault to be looked at, not a switchboard.
#[must_use]
pub fn choose(steps: &[KeyKind], generic_over: u64, candidates: &[Candidate]) -> Matched {
    for &by in steps {
        let is_generic =
            |one: &Candidate| by != KeyKind::ExternalId && one.shared_by > generic_over;
        let mut found: Vec<(i64, bool)> = candidates
            .iter()
            .filter(|one| one.kind == by && !is_generic(one))
            .map(|one| (one.pair, one.is_linked))
            .collect();
        found.sort_unstable();
        found.dedup_by_key(|(pair, _)| *pair);
        match found.as_slice() {
            [] => {}
            &[(pair, false)] => return Matched::One { pair, by },
            &[(pair, true)] => return Matched::Linked { pair, by },
            several => {
                let pairs = several.iter().map(|(pair, _)| *pair).collect();
                return Matched::Several { pairs, by };
            }
        }
    }
    Matched::Nobody
}

/// What tells two people apart who have a number in common: a family, or an office.
///
/// Small, because one is kept for everybody whom a plan would make.
#[derive(Clone, Copy)]
pub struct Marks {
    /// A hash of the only mail; `None` where there is none, or several.
    mail: Option<u64>,
    /// How the first name begins, in lower case; zeros behind it.
    first: [u8; 8],
}

impl Marks {
    #[must_use]
    pub fn new(mails: &[&str], first: Option<&str>) -> Self {
        let mail = match mails {
            [mail] => {
                let mut hasher = DefaultHasher::new();
                mail.to_lowercase().hash(&mut hasher);
                Some(hasher.finish())
            }
            _ => None,
        };
        let first = first.unwrap_or_default().trim().trim_end_matches('.').to_lowercase();
        let mut begins = [0; 8];
        for (to, from) in begins.iter_mut().zip(first.bytes()) {
            *to = from;
        }
        Self { mail, first: begins }
    }

    /// Are these two people? Only where both tell a mail and a first name, and neither fits
    /// the other's: `J` and `Jon` fit `Jonathan`.
    #[must_use]
    pub fn are_two(&self, other: &Self) -> bool {
        let is_told = |marks: &Self| marks.mail.is_some() && marks.first[0] != 0;
        let mut letters = self.first.iter().zip(&other.first);
        let fits = letters.all(|(one, two)| one == two || *one == 0 || *two == 0);
        is_told(self) && is_told(other) && self.mail != other.mail && !fits
    }
}

/// The key of [`KeyKind::Name`]: first name, last name and account, without regard to case
/// and to how many spaces stand where; `None` unless all three are there.
#[must_use]
pub fn name_key(first: &str, last: &str, account: &str) -> Option<String> {
    let plain = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        Some(words.join(" ")).filter(|text| !text.is_empty())
    };
    // A separator that no name holds, so that the parts cannot be taken for each other.
    Some([plain(first)?, plain(last)?, plain(account)?].join("\u{1f}"))
}

#[cfg(test)]
mod tests {
    use super::{Candidate, KeyKind, Marks, Matched, choose, name_key};
    use KeyKind::{Email, ExternalId, Name, Phone};

    const STEPS: [KeyKind; 4] = [ExternalId, Email, Phone, Name];

    fn one(kind: KeyKind, pair: i64) -> Candidate {
        Candidate { kind, pair, is_linked: false, shared_by: 1 }
    }

    fn check(steps: &[KeyKind], candidates: &[Candidate], expected: &Matched) {
        let backwards: Vec<Candidate> = candidates.iter().rev().copied().collect();
        assert_eq!(choose(steps, 3, candidates), *expected);
        assert_eq!(choose(steps, 3, &backwards), *expected, "in another order");
    }

    #[test]
    fn the_first_step_that_finds_somebody_decides() {
        check(&STEPS, &[], &Matched::Nobody);
        check(&STEPS, &[one(Email, 7), one(Phone, 8)], &Matched::One { pair: 7, by: Email });
        let all = [one(Name, 4), one(Phone, 3), one(Email, 2), one(ExternalId, 1)];
        check(&STEPS, &all, &Matched::One { pair: 1, by: ExternalId });
    }

    #[test]
    fn a_step_that_is_switched_off_finds_nobody() {
        check(&[Phone], &[one(Email, 7)], &Matched::Nobody);
        check(&[Phone], &[one(Email, 7), one(Phone, 8)], &Matched::One { pair: 8, by: Phone });
        check(&[], &[one(Email, 7)], &Matched::Nobody);
    }

    #[test]
    fn what_fits_several_is_never_guessed() {
        let two = [one(Phone, 8), one(Email, 9), one(Email, 7)];
        check(&STEPS, &two, &Matched::Several { pairs: vec![7, 9], by: Email });
        let linked = Candidate { is_linked: true, ..one(Email, 9) };
        let mixed = [one(Email, 7), linked];
        check(&STEPS, &mixed, &Matched::Several { pairs: vec![7, 9], by: Email });
    }

    #[test]
    fn a_key_that_many_share_says_nothing() {
        let shared = |kind, shared_by| Candidate { shared_by, ..one(kind, 7) };
        check(&STEPS, &[shared(Phone, 3)], &Matched::One { pair: 7, by: Phone });
        check(&STEPS, &[shared(Phone, 4)], &Matched::Nobody);
        check(&STEPS, &[shared(Email, 4), one(Phone, 8)], &Matched::One { pair: 8, by: Phone });
        let ids = [shared(ExternalId, 9), one(ExternalId, 8)];
        check(&STEPS, &ids, &Matched::Several { pairs: vec![7, 8], by: ExternalId });
    }

    #[test]
    fn one_who_is_tied_already_is_told_as_a_duplicate() {
        let linked = Candidate { is_linked: true, ..one(Email, 7) };
        check(&STEPS, &[linked, one(Phone, 8)], &Matched::Linked { pair: 7, by: Email });
    }

    #[test]
    fn a_number_in_common_makes_no_one_of_two_whose_mail_and_first_name_differ() {
        let check = |one: (&[&str], &str), other: (&[&str], &str), expected: bool| {
            let [one, other] = [one, other].map(|(mails, first)| Marks::new(mails, Some(first)));
            assert_eq!((one.are_two(&other), other.are_two(&one)), (expected, expected));
        };
        let john: (&[&str], &str) = (&["john.doe@example.com"], "John");
        check(john, (&["jane.doe@example.com"], "Jane"), true);
        check(john, (&["bo@example.com"], "Bo"), true);
        // The same person under another mail, or another name.
        for first in ["John", "JOHN ", "J", "J.", "Jo", "Johnny"] {
            check(john, (&["jdoe@example.com"], first), false);
        }
        check(john, (&["JOHN.DOE@example.com"], "Jane"), false);
        // Who does not tell both says nothing against it.
        check(john, (&[], "Jane"), false);
        check(john, (&["jane.doe@example.com"], " "), false);
        check(john, (&["jane.doe@example.com", "jane@home.example"], "Jane"), false);
    }

    #[test]
    fn the_same_pair_found_by_two_numbers_is_one() {
        check(&STEPS, &[one(Phone, 7), one(Phone, 7)], &Matched::One { pair: 7, by: Phone });
    }

    #[test]
    fn a_name_is_a_key_only_with_its_account_and_in_any_case() {
        let key = name_key(" Ann  Marie", "O'HARA", "001A");
        assert_eq!(key, name_key("ann marie ", "o'Hara", "001a"));
        assert!(key.is_some());
        assert_ne!(name_key("a b", "c", "d"), name_key("a", "b c", "d"));
        for (first, last, account) in [("", "b", "c"), ("a", " ", "c"), ("a", "b", "")] {
            assert_eq!(name_key(first, last, account), None);
        }
    }
}
