//! Encryption at rest: AES-256-GCM, bound to the cell it was made for.
//!
//! A sealed cell is `version 1 | key id u32 | nonce 12 | ciphertext and tag`.
//! Table, column and row are authenticated with it, so that a ciphertext moved
//! to another row or column does not open. Nonces are random: rotate a data
//! key well before it has sealed 2^32 cells.

use crate::error::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 12;

/// One key that seals and opens.
pub(super) struct DataKey {
    pub(super) id: u32,
    key: RandomizedNonceKey,
}

impl DataKey {
    pub(super) fn new(id: u32, key: &[u8; 32]) -> Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key)
            .map_err(|_| Error::Corrupt { what: "a data key" })?;
        Ok(Self { id, key })
    }

    /// Seals `plain` to `column` (written `table.column`) of the row with this identity.
    pub(super) fn seal(&self, column: &str, row: &[u8], mut plain: Vec<u8>) -> Result<Vec<u8>> {
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(cell(column, row)), &mut plain)
            .map_err(|_| Error::Unavailable {
                during: "sealing",
                reason: "the cipher refused".to_owned(),
            })?;
        let mut sealed = Vec::with_capacity(HEADER + plain.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id.to_be_bytes());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&plain);
        Ok(sealed)
    }

    /// Opens what was sealed to the same cell.
    pub(super) fn open(&self, column: &str, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let corrupt = Error::Corrupt { what: "a sealed cell does not open" };
        key_of(sealed)?;
        let nonce =
            Nonce::try_assume_unique_for_key(&sealed[5..HEADER]).map_err(|_| corrupt.clone())?;
        let mut buffer = sealed[HEADER..].to_vec();
        let length = self
            .key
            .open_in_place(nonce, Aad::from(cell(column, row)), &mut buffer)
            .map_err(|_| corrupt)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// The id of the key that a cell was sealed with.
pub(super) fn key_of(sealed: &[u8]) -> Result<u32> {
    match sealed {
        [VERSION, a, b, c, d, rest @ ..] if rest.len() >= HEADER - 5 => {
            Ok(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => Err(Error::Corrupt { what: "a sealed cell is cut short or of another version" }),
    }
}

/// Column names hold no zero byte, so the two parts cannot be confused.
fn cell(column: &str, row: &[u8]) -> Vec<u8> {
    let mut cell = Vec::with_capacity(column.len() + 1 + row.len());
    cell.extend_from_slice(column.as_bytes());
    cell.push(0);
    cell.extend_from_slice(row);
    cell
}

#[cfg(test)]
mod tests {
    use super::{DataKey, key_of};

    #[test]
    fn a_sealed_cell_opens_only_in_its_own_place() {
        let key = DataKey::new(7, &[3; 32]).expect("a key");
        let sealed =
            key.seal("calls.details", b"call-1", b"+15550199999".to_vec()).expect("sealed");
        assert_eq!(key.open("calls.details", b"call-1", &sealed).expect("opened"), b"+15550199999");
        assert!(key.open("calls.details", b"call-2", &sealed).is_err(), "another row");
        assert!(key.open("calls.identity", b"call-1", &sealed).is_err(), "another column");
        assert_eq!(key_of(&sealed).expect("its key"), 7);
        assert!(!sealed.windows(5).any(|part| part == b"+1555"));
    }

    #[test]
    fn a_bent_or_cut_cell_is_refused_not_misread() {
        let key = DataKey::new(1, &[3; 32]).expect("a key");
        let sealed = key.seal("t.c", b"r", b"value".to_vec()).expect("sealed");
        for end in 0..sealed.len() {
            assert!(key.open("t.c", b"r", &sealed[..end]).is_err(), "cut at {end}");
        }
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            // The key id is checked by the ring, which finds another key or none.
            assert!((1..5).contains(&at) || key.open("t.c", b"r", &bent).is_err(), "bent at {at}");
        }
    }

    #[test]
    fn the_same_value_never_seals_to_the_same_bytes() {
        let key = DataKey::new(1, &[3; 32]).expect("a key");
        let seal = || key.seal("t.c", b"r", b"value".to_vec()).expect("sealed");
        assert_ne!(seal(), seal());
    }
}
