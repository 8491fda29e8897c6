//! Finds rows by the text of one field without looking at every row.
//!
//! Keys are hashes of the lower-case text, so a hit is a candidate only and is
//! always compared again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Rows by the hash of one field's text.
#[derive(Default)]
pub(crate) struct Index(HashMap<u64, Rows, BuildHasherDefault<Same>>);

enum Rows {
    One(u32),
    Many(Vec<u32>),
}

impl Index {
    pub(crate) fn add(&mut self, text: &str, row: u32) {
        let rows = self.0.entry(key(text)).or_insert(Rows::One(row));
        match rows {
            Rows::One(only) if *only == row => {}
            Rows::One(other) => *rows = Rows::Many(vec![*other, row]),
            Rows::Many(all) if all.contains(&row) => {}
            Rows::Many(all) => all.push(row),
        }
    }

    pub(crate) fn remove(&mut self, text: &str, row: u32) {
        let key = key(text);
        match self.0.get_mut(&key) {
            Some(Rows::One(only)) if *only == row => {
                self.0.remove(&key);
            }
            Some(Rows::Many(all)) => all.retain(|one| *one != row),
            _ => {}
        }
    }

    /// Appends the rows that may hold that text.
    pub(crate) fn find(&self, text: &str, into: &mut Vec<u32>) {
        match self.0.get(&key(text)) {
            Some(Rows::One(row)) => into.push(*row),
            Some(Rows::Many(all)) => into.extend_from_slice(all),
            None => {}
        }
    }
}

/// FNV-1a over the lower-case text, stirred once more for the table's top bits.
fn key(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let start = 0xCBF2_9CE4_8422_2325;
    let hash = if text.is_ascii() {
        text.bytes().fold(start, |hash, byte| step(hash, byte.to_ascii_lowercase()))
    } else {
        text.to_lowercase().bytes().fold(start, step)
    };
    (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(index: &Index, text: &str) -> Vec<u32> {
        let mut rows = Vec::new();
        index.find(text, &mut rows);
        rows
    }

    #[test]
    fn rows_are_found_whatever_the_case() {
        let mut index = Index::default();
        index.add("John.Doe@Example.com", 7);
        index.add("john.doe@example.com", 9);
        assert_eq!(found(&index, "JOHN.DOE@EXAMPLE.COM"), [7, 9]);
        index.remove("john.doe@example.com", 7);
        assert_eq!(found(&index, "john.doe@example.com"), [9]);
    }

    #[test]
    fn a_typed_phone_is_not_its_e164_form() {
        let mut index = Index::default();
        index.add("(555) 019-9999", 1);
        assert!(found(&index, "+15550199999").is_empty());
    }
}
