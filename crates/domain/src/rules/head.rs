//! The beginning of a text, made to be compared in a moment.
//!
//! Most values of a CRM are short: a tier, a segment, an account number. So the first bytes
//! of a text and how many it has are kept as two numbers. They have the order of the texts,
//! and for short texts they are the texts. Nothing here jumps on what a value is: whoever
//! calls is new, and the processor would guess wrong.

use std::cmp::Ordering;

/// The first [`Head::BYTES`] bytes of a folded text with zeros behind a shorter one, and in
/// the last byte how many there are, one more standing for any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head(u64, u64);

/// A one in each byte.
const EACH: u128 = u128::MAX / 0xff;
/// The bit in each byte that ASCII leaves clear.
const HIGHEST: u128 = EACH << 7;

impl Head {
    const BYTES: usize = 15;

    /// Of a folded text.
    pub(super) fn of(text: &[u8]) -> Self {
        let count = text.len().min(Self::BYTES + 1);
        Self::new(first_bytes(text) & !0xff, count)
    }

    /// Of a text that is yet to be folded; `None` where the head does not hold all of it, or
    /// where it has letters that ASCII has not.
    #[inline]
    pub(super) fn of_short(text: &str) -> Option<Self> {
        if text.len() > Self::BYTES {
            return None;
        }
        let bytes = first_bytes(text.as_bytes());
        if bytes & HIGHEST != 0 {
            return None;
        }
        // The highest bit was clear in each byte, so none carries into the next.
        let from_a = bytes + EACH * u128::from(0x80 - b'A');
        let behind_z = bytes + EACH * u128::from(0x7f - b'Z');
        let is_upper = from_a & !behind_z & HIGHEST;
        let to_lower = is_upper >> 2;
        Some(Self::new(bytes | to_lower, text.len()))
    }

    /// Behind every text that begins with this folded one.
    pub(super) fn behind_all(text: &[u8]) -> Self {
        let Self(first, last) = Self::of(text);
        match text.len() {
            // No text has such a byte.
            count @ ..=Self::BYTES => {
                let others = u128::MAX >> (8 * count);
                Self(first | (others >> 64) as u64, last | others as u64)
            }
            _ => Self(first, last),
        }
    }

    /// Is there but one text with this head?
    pub(super) fn is_whole(self) -> bool {
        usize::from(self.1 as u8) <= Self::BYTES
    }

    fn new(bytes: u128, count: usize) -> Self {
        Self((bytes >> 64) as u64, bytes as u64 | count as u64)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        (self.0 == other.0) & (self.1 == other.1)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some((self.0, self.1).cmp(&(other.0, other.1)))
    }

    fn lt(&self, other: &Self) -> bool {
        (self.0 < other.0) | ((self.0 == other.0) & (self.1 < other.1))
    }
}

/// The first 16 bytes of a text, and zeros behind a shorter one.
fn first_bytes(text: &[u8]) -> u128 {
    if let Some(all) = text.first_chunk() {
        return u128::from_be_bytes(*all);
    }
    // A beginning and an end that overlap agree where they do.
    let behind = 8 * (16 - text.len());
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_be_bytes(*first), u64::from_be_bytes(*last));
        return u128::from(first) << 64 | u128::from(last) << behind;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
        return u128::from(first) << 96 | u128::from(last) << behind;
    }
    text.iter().rev().fold(0, |all, byte| all >> 8 | u128::from(*byte) << 120)
}

#[cfg(test)]
mod tests {
    use super::Head;
    use proptest::prelude::*;

    #[test]
    fn a_short_text_is_its_head() {
        for text in ["", "a", "ab", "abc", "abcd", "abcdefgh", "abcdefghijklmno"] {
            let head = Head::of(text.as_bytes());
            assert!(head.is_whole(), "{text}");
            assert_eq!(Head::of_short(&text.to_uppercase()), Some(head), "{text}");
        }
        let long = "abcdefghijklmnop";
        assert!(!Head::of(long.as_bytes()).is_whole());
        assert_eq!(Head::of_short(long), None);
        assert_eq!(Head::of_short("ärzte"), None);
    }

    proptest! {
        #[test]
        fn heads_have_the_order_of_their_texts(
            one in "[a@\\[`{~\\u{0}]{0,17}|abcdefghijklmn[o\\u{0}]{0,4}",
            other in "[a@\\[`{~\\u{0}]{0,17}|abcdefghijklmn[o\\u{0}]{0,4}",
        ) {
            let heads = (Head::of(one.as_bytes()), Head::of(other.as_bytes()));
            let is_less = heads.0 < heads.1;
            prop_assert!(!is_less || one < other);
            prop_assert!(one >= other || heads.0 <= heads.1);
            prop_assert!(heads.0 != heads.1 || one == other || !heads.0.is_whole());
            let behind = Head::behind_all(one.as_bytes());
            prop_assert!(heads.0 <= behind);
            prop_assert!(!behind.is_whole());
            match other.starts_with(&one) {
                true => prop_assert!(heads.1 <= behind),
                false if one < other => prop_assert!(behind <= heads.1),
                false => prop_assert!(heads.1 <= behind),
            }
        }

        #[test]
        fn a_short_text_is_folded_as_any_other(text in "[ -~\\u{0}é]{0,16}") {
            if let Some(head) = Head::of_short(&text) {
                prop_assert_eq!(head, Head::of(text.to_lowercase().as_bytes()));
            } else {
                prop_assert!(text.len() > 15 || !text.is_ascii());
            }
        }
    }
}
