//! Who may use the API: whoever holds one of the configured keys.

use super::ApiError;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, StatusCode, header};
use kit::Secret;

/// The keys, as hashes: comparing takes the same time however much fits.
pub struct Keys(Vec<[u8; 32]>);

impl Keys {
    pub fn new(keys: &[Secret]) -> Self {
        Self(keys.iter().map(|key| hash(key.reveal())).collect())
    }

    fn know(&self, key: &str) -> bool {
        let given = hash(key);
        let known = self.0.iter().map(|known| verify_slices_are_equal(known, &given).is_ok());
        // Every key is compared, so that the time does not tell which one fitted.
        known.fold(false, |any, this| any | this)
    }
}

fn hash(key: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hash
}

/// What needs a key: everything below this, whether or not there is anything.
const GUARDED: &str = "/api/";

impl Keys {
    /// Lets a request pass that needs no key or carries a known one.
    pub fn admit(&self, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        if !path.starts_with(GUARDED) {
            return Ok(());
        }
        let fix = "Send Authorization: Bearer KEY or X-API-Key: KEY.";
        let Some(key) = key_of(headers) else {
            let message = "The request carries no API key.";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "auth.key_missing", message, fix));
        };
        if !self.know(key) {
            let message = "The API key is not known.";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "auth.key_unknown", message, fix));
        }
        Ok(())
    }
}

fn key_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let own = || headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim);
    bearer.or_else(own).filter(|key| !key.is_empty())
}
