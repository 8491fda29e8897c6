//! Makes the identifiers of the organization: UUIDs, the same for the same seed.

/// A seeded source of version 4 UUIDs (splitmix64).
#[derive(Debug)]
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next UUID, lower case, with dashes.
    pub(crate) fn next(&mut self) -> String {
        let (high, low) = (self.step(), self.step());
        let bits = (u128::from(high) << 64) | u128::from(low);
        let bits = bits & !(0xF << 76) | (0x4 << 76);
        let bits = bits & !(0x3 << 62) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let (a, b, c) = (&hex[..8], &hex[8..12], &hex[12..16]);
        format!("{a}-{b}-{c}-{}-{}", &hex[16..20], &hex[20..])
    }
}

/// Whether `text` has the form of a UUID; the platform answers 400 to path ids that have not.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::{Ids, is_uuid};

    #[test]
    fn ids_are_uuids_and_repeat_with_their_seed() {
        let (mut one, mut two) = (Ids::new(7), Ids::new(7));
        let made: Vec<String> = (0..100).map(|_| one.next()).collect();
        assert!(made.iter().all(|id| is_uuid(id) && id.as_bytes()[14] == b'4'));
        assert!(made.iter().all(|id| *id == two.next()));
    }

    #[test]
    fn what_is_no_uuid_is_told_apart() {
        for odd in ["", "abc-123-def-456", "bac4b442987540a24a9a0336abb0af0d0xxx", "*"] {
            assert!(!is_uuid(odd), "{odd}");
        }
        assert!(is_uuid("BAC4B442-9875-4A24-A9A0-336ABB0AF0D0"));
    }
}
