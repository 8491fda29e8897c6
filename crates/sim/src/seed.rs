//! People who do not exist, the same ones for the same seed, with phone numbers as
//! people type them.
//!
//! [`people`] is lazy: a million people need the memory of one. Numbers are unique
//! but for households (about one in thirty shares the main number of the person
//! before). [`fixed`] are the few that examples and tests call by name.

mod names;
mod phones;

pub use phones::{TypedPhone, Use};

/// One person, in no vendor's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Position in the sequence, from 0; part of the e-mail, so unique.
    pub index: u64,
    /// Given name.
    pub first: String,
    /// Family name.
    pub last: String,
    /// Unique, at a reserved example domain, lower case.
    pub email: String,
    /// One to three; the first is the main number.
    pub phones: Vec<TypedPhone>,
    /// `Bronze`, `Silver`, `Gold` or `Platinum`.
    pub tier: &'static str,
    /// The company the person belongs to; many share one.
    pub company: String,
    /// What the person does there.
    pub title: &'static str,
    /// City and two-letter state.
    pub city: (&'static str, &'static str),
    /// Whether the main number is also that of the person before.
    pub household: bool,
}

impl Person {
    /// First and last name with a blank between.
    pub fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// `count` people, the same for the same `seed`.
pub fn people(count: u64, seed: u64) -> impl Iterator<Item = Person> {
    (0..count).map(move |index| person(index, seed))
}

/// The person at `index` of the sequence of `seed`.
pub fn person(index: u64, seed: u64) -> Person {
    let mut dice = SplitMix64::new(seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let first = *dice.pick::<&str>(names::FIRST);
    let last = *dice.pick::<&str>(names::LAST);
    let domain = *dice.pick::<&str>(&["example.com", "example.net", "example.org"]);
    let household = shares(index, seed);
    let mut phones = vec![phones::typed(main_number(index, seed), Use::Work, &mut dice)];
    if dice.below(100) < 60 {
        phones.push(phones::typed(phones::number(2 * index + 1, seed), Use::Mobile, &mut dice));
    }
    if dice.below(100) < 8 {
        // An old number kept under "home", typed another way: the same line twice.
        phones.push(phones::typed(main_number(index, seed), Use::Home, &mut dice));
    }
    let company = dice.below(1 + index / 4);
    Person {
        index,
        email: format!("{}.{}{index}@{domain}", first.to_lowercase(), last.to_lowercase()),
        first: first.to_owned(),
        last: last.to_owned(),
        phones,
        tier: names::TIERS
            [usize::try_from(dice.below(20)).unwrap_or(0).min(names::TIERS.len() - 1)],
        company: names::company(company, seed),
        title: dice.pick::<&str>(names::TITLES),
        city: *dice.pick(names::CITIES),
        household,
    }
}

/// John Doe and Jane Smith, who share `+1 555 019 9999` in two ways of typing, and
/// Maria Garcia, whose number is grouped as nobody expects.
pub fn fixed() -> [Person; 3] {
    let one = |index, first: &str, last: &str, typed: &str, e164: &str, tier, household| Person {
        index,
        first: first.to_owned(),
        last: last.to_owned(),
        email: format!("{}.{}@example.com", first.to_lowercase(), last.to_lowercase()),
        phones: vec![TypedPhone {
            used: Use::Work,
            typed: typed.to_owned(),
            e164: e164.to_owned(),
        }],
        tier,
        company: "Acme Corporation".to_owned(),
        title: "Buyer",
        city: ("Springfield", "IL"),
        household,
    };
    [
        one(0, "John", "Doe", "(555) 019-9999", "+15550199999", "Gold", false),
        one(1, "Jane", "Smith", "555.019.9999 x12", "+15550199999", "Silver", true),
        one(2, "Maria", "Garcia", "+1 555 0198 888", "+15550198888", "Bronze", false),
    ]
}

/// A person in a household has the number of the person before, so two in a row
/// never are one.
fn shares(index: u64, seed: u64) -> bool {
    index % 2 == 1 && SplitMix64::new(seed ^ index ^ 0x5AFE).below(15) == 0
}

fn main_number(index: u64, seed: u64) -> phones::Number {
    let of = if shares(index, seed) { index - 1 } else { index };
    phones::number(2 * of, seed)
}

/// A small generator of repeatable numbers (Steele, Lea and Flood: SplitMix).
/// Not for secrets.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 for a bound of 0), evenly enough for a simulator.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people() {
        assert!(people(500, 7).eq(people(500, 7)));
        assert!(!people(500, 7).eq(people(500, 8)));
    }

    #[test]
    fn only_households_share_a_number() {
        let mut owners: HashMap<String, u64> = HashMap::new();
        let mut households = 0;
        for person in people(50_000, 3) {
            households += u64::from(person.household);
            let numbers: HashSet<String> = person.phones.iter().map(|p| p.e164.clone()).collect();
            for number in numbers {
                if let Some(other) = owners.insert(number, person.index) {
                    assert!(person.household && other + 1 == person.index);
                }
            }
        }
        assert!((1_000..3_000).contains(&households), "{households}");
    }

    #[test]
    fn what_is_typed_has_the_digits_of_the_number() {
        let mut styles = HashSet::new();
        for phone in people(5_000, 1).flat_map(|person| person.phones) {
            let digits =
                |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
            let number = phone.typed.split(['x', '#', 'e']).next().unwrap_or_default();
            let wanted = digits(&phone.e164);
            let typed = digits(&number.replace("(0)", ""));
            assert!(
                wanted.ends_with(&typed) || typed.ends_with(&wanted),
                "{} is not {}",
                phone.typed,
                phone.e164
            );
            let shape: String =
                phone.typed.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            styles.insert(shape);
        }
        assert!(styles.len() >= 12, "{styles:?}");
        for shape in ["(999) 999-9999", "999.999.9999 x99", "+9 999 9999 999"] {
            assert!(styles.contains(shape), "{shape} is missing");
        }
    }

    #[test]
    fn e_mail_addresses_are_unique() {
        let all: HashSet<String> = people(20_000, 5).map(|person| person.email).collect();
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn john_and_jane_share_a_number_typed_differently() {
        let [john, jane, maria] = fixed();
        assert_eq!(john.phones[0].typed, "(555) 019-9999");
        assert_eq!(jane.phones[0].typed, "555.019.9999 x12");
        assert_eq!(john.phones[0].e164, jane.phones[0].e164);
        assert_eq!(maria.phones[0].typed, "+1 555 0198 888");
        assert_eq!(john.email, "john.doe@example.com");
    }

    #[test]
    fn numbers_below_a_bound_stay_below() {
        let mut dice = SplitMix64::new(42);
        assert!((0..10_000).all(|_| dice.below(7) < 7));
        assert_eq!(dice.below(0), 0);
    }
}
