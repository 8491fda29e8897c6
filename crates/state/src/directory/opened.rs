//! Contacts opened a moment ago, so that a busy caller's entry is not decrypted
//! and read anew for each call.
//!
//! Found by the record and the nonce of the sealed bytes that were just read from
//! the store. Every sealing draws a new nonce, so a changed contact is another
//! entry and nothing needs to be invalidated; the record is part of it, so sealed
//! bytes moved to another row still do not open. In memory, bounded.

use domain::Contact;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Contacts kept; about 2 MB.
const KEPT_MAX: usize = 1_024;

/// Version byte and key id come before the nonce in sealed bytes.
const NONCE: std::ops::Range<usize> = 5..17;

/// The record's hash and the nonce.
type Place = ([u8; 16], [u8; 12]);

#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<Place, Arc<Contact>>>);

impl Opened {
    pub(super) fn get(&self, record: &[u8], sealed: &[u8]) -> Option<Arc<Contact>> {
        let place = place(record, sealed)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned()
    }

    /// Keeps a contact; when there are too many, begins anew.
    pub(super) fn keep(&self, record: &[u8], sealed: &[u8], contact: Arc<Contact>) {
        let Some(place) = place(record, sealed) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(place, contact);
    }
}

fn place(record: &[u8], sealed: &[u8]) -> Option<Place> {
    Some((record.try_into().ok()?, sealed.get(NONCE)?.try_into().ok()?))
}
