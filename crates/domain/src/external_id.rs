//! The id that a call carries through every system: `CRM:003…`, `PHONE:…`, `UNKNOWN`.
//!
//! The prefix says which connection the record belongs to, so prefixes are
//! unique among connections (checked when the configuration is read).

use std::fmt;
use std::str::FromStr;

/// The prefix of one connection's ids: 1 to 16 capital letters, digits or `_`,
/// beginning with a letter. `PHONE` and `UNKNOWN` are Tieline's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix, or why it cannot be one.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if matches!(text, "PHONE" | "UNKNOWN") {
            return Err("PHONE and UNKNOWN are Tieline's own prefixes");
        }
        let mut bytes = text.bytes();
        if !bytes.next().is_some_and(|b| b.is_ascii_uppercase()) {
            return Err("a prefix begins with a capital letter");
        }
        if text.len() > 16 {
            return Err("a prefix has at most 16 characters");
        }
        if !bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
            return Err("a prefix consists of capital letters, digits and _");
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who the caller is, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExternalId {
    /// A record that its own system has confirmed (invariant 8).
    Record { prefix: Prefix, record: String },
    /// Nobody known: a keyed hash of the number, 32 lower-case hex digits.
    Phone(String),
    /// A caller without a number of their own: withheld, anonymous, rubbish.
    Unknown,
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { prefix, record } => write!(f, "{}:{record}", prefix.0),
            Self::Phone(hash) => write!(f, "PHONE:{hash}"),
            Self::Unknown => f.write_str("UNKNOWN"),
        }
    }
}

impl FromStr for ExternalId {
    type Err = &'static str;

    /// Reads what [`fmt::Display`] writes. A record id is 1 to 200 visible
    /// ASCII characters: what longer or stranger ids an IVR passes on are no ids.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "UNKNOWN" {
            return Ok(Self::Unknown);
        }
        let (prefix, rest) = text.split_once(':').ok_or("an externalId is PREFIX:id")?;
        if prefix == "PHONE" {
            let is_hash = rest.len() == 32
                && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            return is_hash
                .then(|| Self::Phone(rest.to_owned()))
                .ok_or("a PHONE: id is 32 lower-case hex digits");
        }
        if rest.is_empty() || rest.len() > 200 || !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the id after the prefix is 1 to 200 visible ASCII characters");
        }
        Ok(Self::Record { prefix: Prefix::new(prefix)?, record: rest.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{ExternalId, Prefix};

    #[test]
    fn an_external_id_reads_back_what_it_writes() {
        for text in ["CRM:0035g00000ABCdEAAW", "PHONE:0123456789abcdef0123456789abcdef", "UNKNOWN"]
        {
            assert_eq!(text.parse::<ExternalId>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_a_caller_typed_is_no_external_id() {
        for text in ["", "12345", "CRM:", "crm:1", "PHONE:+15550199999", "CRM:a b", "CRM:ä"] {
            assert!(text.parse::<ExternalId>().is_err(), "{text}");
        }
    }

    #[test]
    fn our_own_prefixes_are_not_to_be_had() {
        for text in ["PHONE", "UNKNOWN", "crm", "", "1CRM", "A-B", "ABCDEFGHIJKLMNOPQ"] {
            assert!(Prefix::new(text).is_err(), "{text}");
        }
        assert!(Prefix::new("CRM_2").is_ok());
    }
}
