//! Record ids: 15 characters that tell upper from lower case, and the three more
//! that make them safe where case is lost.
//!
//! Prefix of the object (3), pod (3), serial in base 62 (9), then one check letter
//! for each five characters, whose bits say which of them are upper case.

/// The pod of this simulated org, part of every id.
const POD: &str = "Hs0";
const BASE: u64 = 62;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character id of a row: the first of an object is row 0.
pub(crate) fn id(prefix: &str, row: u32) -> String {
    let mut text = String::with_capacity(18);
    text.push_str(prefix);
    text.push_str(POD);
    let mut serial = [b'0'; 9];
    let mut left = u64::from(row) + 1;
    for digit in serial.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(left % BASE).unwrap_or(0)];
        left /= BASE;
    }
    text.extend(serial.iter().map(|byte| char::from(*byte)));
    let check = checksum(&text);
    text.push_str(&check);
    text
}

/// The three check letters of a 15-character id.
pub(crate) fn checksum(fifteen: &str) -> String {
    fifteen
        .as_bytes()
        .chunks(5)
        .map(|five| {
            let upper = |(at, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << at;
            char::from(CHECK[five.iter().enumerate().map(upper).sum::<usize>()])
        })
        .collect()
}

/// Why a text names no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadId {
    /// Not 15 or 18 letters and digits, or the check letters do not fit.
    Malformed,
    /// An id, but of no row of this org.
    Elsewhere,
}

/// Prefix and row of a 15- or 18-character id.
pub(crate) fn parse(text: &str) -> Result<(&str, u32), BadId> {
    let fits = matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fits || (text.len() == 18 && checksum(&text[..15]) != text[15..]) {
        return Err(BadId::Malformed);
    }
    if &text[3..6] != POD {
        return Err(BadId::Elsewhere);
    }
    let mut serial = 0_u64;
    for byte in text[6..15].bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            _ => byte - b'a' + 36,
        };
        serial = serial * BASE + u64::from(digit);
    }
    let row = serial.checked_sub(1).and_then(|row| u32::try_from(row).ok());
    row.map(|row| (&text[..3], row)).ok_or(BadId::Elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_letters_are_the_vendors() {
        // From public documentation of the 15 to 18 character rule.
        assert_eq!(checksum("001A0000006Vm9r"), "IAC");
        assert_eq!(checksum("000000000000000"), "AAA");
    }

    #[test]
    fn an_id_is_read_in_both_lengths() {
        for row in [0, 1, 61, 62, 999_999, u32::MAX - 1] {
            let long = id("003", row);
            assert_eq!(long.len(), 18);
            assert_eq!(parse(&long), Ok(("003", row)));
            assert_eq!(parse(&long[..15]), Ok(("003", row)));
        }
    }

    #[test]
    fn ids_of_elsewhere_and_nonsense_differ() {
        assert_eq!(parse("0032800000AbcDe"), Err(BadId::Elsewhere));
        assert_eq!(parse("003"), Err(BadId::Malformed));
        assert_eq!(parse("0032800000Ab-De"), Err(BadId::Malformed));
        let wrong = id("003", 4711).replace("003", "00q");
        assert_eq!(parse(&format!("{}ZZZ", &wrong[..15])), Err(BadId::Malformed));
    }
}
