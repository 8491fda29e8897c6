//! The one key that lies outside the store and wraps those inside.

use super::fill_random;
use super::seal::DataKey;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// 32 bytes from env or file, wiped when dropped, never shown.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A new key, for `demo` and for set-up.
    pub fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        fill_random(&mut key[..])?;
        Ok(Self(key))
    }

    /// The key as base64, for the operator's own file. Handle as the secret it is.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.0[..]))
    }

    pub(crate) fn wrap(&self, id: u32, purpose: &str, key: &[u8; 32]) -> Result<Vec<u8>> {
        DataKey::new(0, &self.0)?.seal("keys.wrapped", &bound_to(id, purpose), key.to_vec())
    }

    pub(crate) fn unwrap(
        &self,
        id: u32,
        purpose: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>> {
        let plain = DataKey::new(0, &self.0)?
            .open("keys.wrapped", &bound_to(id, purpose), wrapped)
            .map_err(|_| Error::WrongKey)?;
        let plain = Zeroizing::new(plain);
        let key = plain[..].try_into().map_err(|_| Error::Corrupt { what: "a wrapped key" })?;
        Ok(Zeroizing::new(key))
    }
}

fn bound_to(id: u32, purpose: &str) -> Vec<u8> {
    let mut row = id.to_be_bytes().to_vec();
    row.extend_from_slice(purpose.as_bytes());
    row
}

impl FromStr for MasterKey {
    type Err = Error;

    /// 64 hex digits, or base64 of either alphabet, padded or not; outer space is ignored.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(bytes) = from_hex(text) {
            return Ok(Self(bytes));
        }
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| {
                let bytes = Zeroizing::new(alphabet.decode(text).ok()?);
                Some(Self(Zeroizing::new(bytes[..].try_into().ok()?)))
            })
            .ok_or(Error::NotAKey)
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::MasterKey;

    #[test]
    fn a_master_key_reads_from_hex_and_from_base64() {
        let hex: MasterKey = "0f".repeat(32).parse().expect("hex");
        let base64: MasterKey = format!(" {}\n", *hex.to_base64()).parse().expect("base64");
        assert_eq!(*hex.0, *base64.0);
        let bare: MasterKey = hex.to_base64().trim_end_matches('=').parse().expect("unpadded");
        assert_eq!(*hex.0, *bare.0);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for text in ["", "short", &"0g".repeat(32), &"0f".repeat(31), &"A".repeat(44)] {
            let error = text.parse::<MasterKey>().expect_err(text).to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_master_key_is_not_shown() {
        let key: MasterKey = "0f".repeat(32).parse().expect("hex");
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
