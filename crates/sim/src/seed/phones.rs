//! Phone numbers, and the ways in which people type them into a CRM.

use super::SplitMix64;

/// A number as it lies in a CRM, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedPhone {
    /// The field it was typed into.
    pub used: Use,
    /// As typed: `(555) 019-9999`, `555.019.9999 x12`, `+1 555 0199 999` …
    pub typed: String,
    /// What it means, without extension: `+15550199999`.
    pub e164: String,
}

/// What a number is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The main number.
    Work,
    /// A mobile phone.
    Mobile,
    /// At home.
    Home,
}

/// A number before it was typed: North American (`cc` 1), or of another country.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    cc: u64,
    national: u64,
}

/// Area codes in use; with exchange and line they give 340 million numbers.
const AREAS: &[u64] = &[
    202, 205, 206, 208, 212, 213, 214, 215, 216, 217, 303, 304, 305, 307, 312, 313, 314, 315, 401,
    402, 404, 405, 406, 408, 412, 413, 414, 415, 501, 502, 503, 505, 602, 603, 605, 608, 612, 615,
    701, 702, 703, 713,
];
/// 200 to 999 without the eight service codes and 555.
const EXCHANGES: u64 = 791;
const LINES: u64 = 10_000;

/// The `nth` number of a seed: different for different `nth` below 300 million.
pub(super) fn number(nth: u64, seed: u64) -> Number {
    let all = AREAS.len() as u64 * EXCHANGES * LINES;
    // Prime, and no divisor of `all`: a permutation.
    let at = nth.wrapping_mul(15_485_863).wrapping_add(seed % all) % all;
    if at.is_multiple_of(25) {
        return Number { cc: 44, national: 2_000_000_000 + at };
    }
    let area = AREAS[usize::try_from(at / (EXCHANGES * LINES)).unwrap_or(0)];
    let exchange = exchange(at / LINES % EXCHANGES);
    Number { cc: 1, national: (area * 1000 + exchange) * LINES + at % LINES }
}

/// The `nth` exchange that is neither N11 nor 555.
fn exchange(nth: u64) -> u64 {
    // 99 of each hundred are left; 555 would be the 351st of them.
    let nth = if nth >= 351 { nth + 1 } else { nth };
    let rest = nth % 99;
    (nth / 99 + 2) * 100 + if rest >= 11 { rest + 1 } else { rest }
}

/// The number typed in one of many ways.
pub(super) fn typed(number: Number, used: Use, dice: &mut SplitMix64) -> TypedPhone {
    let e164 = format!("+{}{}", number.cc, number.national);
    let text = if number.cc == 1 {
        north_american(&number.national.to_string(), dice)
    } else {
        british(&number.national.to_string(), dice)
    };
    TypedPhone { used, typed: text, e164 }
}

fn north_american(digits: &str, dice: &mut SplitMix64) -> String {
    let (a, e, l) = (&digits[..3], &digits[3..6], &digits[6..]);
    let extension = 10 + dice.below(90);
    match dice.below(20) {
        0..=5 => format!("({a}) {e}-{l}"),
        6..=7 => format!("{a}-{e}-{l}"),
        8 => format!("{a}.{e}.{l}"),
        9 => format!("{a}.{e}.{l} x{extension}"),
        10 => format!("({a}) {e}-{l} ext. {extension}"),
        11 => format!("+1 {a} {}{} {}", e, &l[..1], &l[1..]),
        12 => format!("+1 ({a}) {e}-{l}"),
        13 => format!("+1-{a}-{e}-{l}"),
        14 => format!("1-{a}-{e}-{l}"),
        15 => format!("{a} {e} {l}"),
        16 => digits.to_owned(),
        17 => format!("+1 {a} {e} {l}"),
        18 => format!("{a}/{e}-{l}"),
        _ => format!("+1{digits}"),
    }
}

fn british(digits: &str, dice: &mut SplitMix64) -> String {
    let (a, b, c) = (&digits[..2], &digits[2..6], &digits[6..]);
    match dice.below(4) {
        0 => format!("+44 {a} {b} {c}"),
        1 => format!("+44 (0){a} {b} {c}"),
        2 => format!("0044 {a} {b} {c}"),
        _ => format!("+44{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_differ() {
        let all: HashSet<(u64, u64)> = (0..300_000)
            .map(|nth| number(nth, 99))
            .map(|number| (number.cc, number.national))
            .collect();
        assert_eq!(all.len(), 300_000);
    }

    #[test]
    fn every_exchange_is_dialable() {
        let all: HashSet<u64> = (0..EXCHANGES).map(exchange).collect();
        assert_eq!(all.len() as u64, EXCHANGES);
        assert!(!all.contains(&911) && !all.contains(&555) && !all.contains(&199));
    }
}
