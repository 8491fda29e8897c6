//! Formats of ids that could be read back as another record's are refused.

use super::Check;
use crate::config::ConnectionSection;

/// Zeros before an id, and characters of a prefix.
const PAD_MAX: usize = 64;
const PREFIX_MAX: usize = 16;

impl Check<'_> {
    /// Every mistake in how a connection writes ids.
    pub(super) fn formats(&mut self, name: &str, section: &ConnectionSection) {
        let Some(id) = &section.formats.id else { return };
        let at = |key: &'static str| ["connections", name, "formats", "id", key];
        if id.pad > PAD_MAX {
            let message = format!("{} zeros are more than an id has.", id.pad);
            self.mistake(&at("pad"), message, "Write the length of an id, at most 64.");
        }
        let is_visible = id.prefix.bytes().all(|b| b.is_ascii_graphic());
        if id.prefix.len() > PREFIX_MAX || !is_visible {
            let message = "is no beginning of an id.";
            self.mistake(&at("prefix"), message, "Write at most 16 visible ASCII characters.");
        }
        if id.upper && id.prefix != id.prefix.to_uppercase() {
            let message = "has small letters, and ids are in capitals.";
            let fix = format!("Write prefix = {:?}.", id.prefix.to_uppercase());
            self.mistake(&at("prefix"), message, fix);
        }
        if id.pad > 0 && !id.prefix.is_empty() && id.prefix.bytes().all(|b| b.is_ascii_digit()) {
            let message = "is digits, and could not be told from those of an id.";
            self.mistake(&at("prefix"), message, "Leave out pad, or the prefix.");
        }
    }
}
