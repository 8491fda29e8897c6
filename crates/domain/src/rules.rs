//! Routing rules: a field of the CRM, an operator, a value, a destination.
//!
//! A [`Rule`] says what is looked at and, line by line, where a call goes. A [`Chain`] hangs
//! rules at an [`Entry`] (a DID, or an option of an IVR), in order, with a default. What a
//! value is compared as follows from the rule's own value alone ([`Test`]), so it is the
//! same wherever it is asked. [`Compiled`] answers for a whole chain without going through
//! its lines; [`circles`] finds what leads round in a circle.
//!
//! Whatever a line needs and nobody told ([`Seen::Unheard`]) is not guessed: such a line is
//! neither taken nor passed over, and the call goes to the default.

mod circle;
mod compiled;
mod head;
mod index;
mod number;
mod test;

pub use circle::{circles, leads_to};
pub use compiled::{Compiled, Outcome, Place, Seen, Slot, Verdict};
pub use test::{Comparison, Misused, Test};

use std::fmt;

/// Lines that one chain may have, over all of its rules.
pub const LINES_MAX: usize = 1_000;
/// Conditions of one line.
pub const CONDITIONS_MAX: usize = 8;
/// Values of one condition with [`Operator::In`].
pub const VALUES_MAX: usize = 100;
/// Values that the conditions of one chain may name altogether.
pub const CHAIN_VALUES_MAX: usize = 10_000;
/// Rules of one chain.
pub const CHAIN_RULES_MAX: usize = 50;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What appears as destination at a DID or IVR option.
    pub name: String,
    pub location: Location,
    /// What an IVR says first; only at an IVR.
    pub greeting: Option<String>,
    pub source: Source,
    /// The field that conditions without one of their own look at.
    pub field: String,
    pub lines: Vec<Line>,
}

/// Where a rule may hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    Did,
    Ivr,
}

/// Whose record is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The connection that is asked.
    pub connection: String,
    /// Which of its records count; `None` for all.
    pub module: Option<Module>,
}

/// What people call the records of a CRM; each vendor has objects of its own for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    Leads,
    Contacts,
    Accounts,
}

/// All of the conditions, then the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub conditions: Vec<Condition>,
    pub destination: Destination,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `None`: the rule's.
    pub field: Option<String>,
    pub operator: Operator,
    /// None for [`Operator::IsEmpty`], several for [`Operator::In`], else one.
    pub values: Vec<String>,
}

/// How a field and a value are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    Less,
    Greater,
    Equal,
    LessOrEqual,
    GreaterOrEqual,
    /// Equal to one of several.
    In,
    /// As text, whatever the value looks like.
    StartsWith,
    /// Missing, without a value, or of a caller whom nobody knows.
    IsEmpty,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    pub kind: DestinationKind,
    /// Number, name or file.
    pub option: String,
}

/// What a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DestinationKind {
    Queue,
    Ivr,
    Recording,
}

/// Where a chain hangs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A number, E.164.
    Did(String),
    /// An option of an IVR.
    Ivr { ivr: String, option: String },
}

/// Rules at an entry, the first that has a matching line wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub entry: Entry,
    /// Names of rules, in order.
    pub rules: Vec<String>,
    pub default: Destination,
}

impl Location {
    pub const ALL: [Self; 2] = [Self::Did, Self::Ivr];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Did => "did",
            Self::Ivr => "ivr",
        }
    }
}

impl Module {
    pub const ALL: [Self; 3] = [Self::Leads, Self::Contacts, Self::Accounts];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Accounts => "accounts",
        }
    }
}

impl DestinationKind {
    pub const ALL: [Self; 3] = [Self::Queue, Self::Ivr, Self::Recording];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Ivr => "ivr",
            Self::Recording => "recording",
        }
    }
}

impl Operator {
    pub const ALL: [Self; 8] = [
        Self::Less,
        Self::Greater,
        Self::Equal,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::In,
        Self::StartsWith,
        Self::IsEmpty,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::Greater => ">",
            Self::Equal => "=",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::StartsWith => "starts with",
            Self::IsEmpty => "is empty",
        }
    }
}

impl Entry {
    /// Reads `did:+15550190000` or `ivr:Main menu/1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "did" if !rest.is_empty() => Some(Self::Did(rest.to_owned())),
            "ivr" => {
                let (ivr, option) = rest.rsplit_once('/')?;
                let (ivr, option) = (ivr.trim(), option.trim());
                let is_whole = !ivr.is_empty() && !option.is_empty();
                is_whole.then(|| Self::Ivr { ivr: ivr.to_owned(), option: option.to_owned() })
            }
            _ => None,
        }
    }

    #[must_use]
    pub fn location(&self) -> Location {
        match self {
            Self::Did(_) => Location::Did,
            Self::Ivr { .. } => Location::Ivr,
        }
    }

    /// The same for however somebody writes it.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string().to_lowercase()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did(number) => write!(f, "did:{number}"),
            Self::Ivr { ivr, option } => write!(f, "ivr:{ivr}/{option}"),
        }
    }
}

impl Destination {
    /// Reads `queue:Premium Support`, `ivr:Main menu`, `recording:closed.wav`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, option) = text.split_once(':')?;
        let kind = DestinationKind::ALL.into_iter().find(|one| one.as_str() == kind)?;
        let option = option.trim().to_owned();
        (!option.is_empty()).then_some(Self { kind, option })
    }

    /// The same for however somebody writes it.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string().to_lowercase()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.option)
    }
}

impl Condition {
    /// The field it looks at.
    #[must_use]
    pub fn field<'a>(&'a self, rule: &'a Rule) -> &'a str {
        self.field.as_deref().unwrap_or(&rule.field)
    }

    /// It in words, such as `loyaltyTier = Gold`.
    #[must_use]
    pub fn words(&self, rule: &Rule) -> String {
        let (field, operator) = (self.field(rule), self.operator.as_str());
        match self.values.as_slice() {
            [] => format!("{field} {operator}"),
            values => format!("{field} {operator} {}", values.join(", ")),
        }
    }
}

impl Line {
    /// It in words: all of its conditions.
    #[must_use]
    pub fn words(&self, rule: &Rule) -> String {
        let all: Vec<String> = self.conditions.iter().map(|one| one.words(rule)).collect();
        all.join(" and ")
    }
}

#[cfg(test)]
mod tests;
