//! What debug output shows in place of a name, an address or a number.
//!
//! Debug output ends up in logs, and no personal datum may (invariant 9). It
//! shows that there is one, which is what a developer needs, and never which.

use std::fmt;

/// Stands for one personal datum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hidden;

impl Hidden {
    /// Whether there is one.
    #[must_use]
    pub fn of<T>(datum: Option<&T>) -> Option<Self> {
        datum.map(|_| Self)
    }

    /// Whether the text is more than empty.
    #[must_use]
    pub fn text(text: &str) -> Option<Self> {
        (!text.is_empty()).then_some(Self)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
