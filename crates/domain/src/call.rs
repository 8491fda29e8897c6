//! A call and what was said of it.

use std::fmt;

/// The contact center's id of the conversation: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(String);

impl CallId {
    /// The id, or `None` when it is empty, too long or not visible ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A closed set of words with one spelling each, the same on the wire and at rest.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every word of the set, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The word's meaning; `None` for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Who dialled. On an outbound call (click-to-dial) the customer is the dialled party.
    Direction {
        Inbound = "inbound",
        Outbound = "outbound",
    }
}

words! {
    /// The channel a customer came by.
    MediaType {
        Voice = "voice",
        Chat = "chat",
        Message = "message",
        Email = "email",
    }
}

words! {
    /// What a lookup could say in time.
    Status {
        /// One record answers.
        Hit = "hit",
        /// The CRM was asked and knows nobody.
        Miss = "miss",
        /// Not answered in time, or not answerable: the work goes on.
        Partial = "partial",
        /// Several people share the identifiers and the policy names none of them.
        Ambiguous = "ambiguous",
        /// There was nothing to ask for: withheld, anonymous, rubbish.
        Unknown = "unknown",
    }
}

words! {
    /// Where an answer came from.
    Source {
        Directory = "directory",
        Crm = "crm",
        None = "none",
    }
}
