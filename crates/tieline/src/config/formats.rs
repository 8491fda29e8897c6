//! The sections `[connections.NAME.formats]`: how a system writes numbers and ids.

use domain::{IdFormat, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How this system writes numbers and ids: in actions (`{{ani}}`, `{{customerExternalId}}`),
/// in links, in what `beside` leads to, and in what its lookup compares with.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FormatsSection {
    /// The one form in which it keeps every number: `e164` (`+4930123456`), `digits`
    /// (`4930123456`), `national` (`030 123456`) or `national_digits` (`30123456`); by the last
    /// two, a number of another country is written as E.164. Absent: as people type them; its
    /// lookup then compares with every usual form, and actions are given E.164.
    pub phone: Option<PhoneFormat>,
    /// How it writes the ids of its records, such as `{ pad = 10 }`. Absent: as they come.
    pub id: Option<IdSection>,
}

/// The form of a system's ids.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdSection {
    /// An id of digits alone is filled with zeros to so many characters, at most 64.
    pub pad: usize,
    /// Letters are capitals.
    pub upper: bool,
    /// What stands before every id, at most 16 visible characters, such as `C-`.
    pub prefix: String,
}

/// The one form of a system's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhoneFormat {
    E164,
    Digits,
    National,
    NationalDigits,
}

impl From<PhoneFormat> for Written {
    fn from(format: PhoneFormat) -> Self {
        match format {
            PhoneFormat::E164 => Self::E164,
            PhoneFormat::Digits => Self::Digits,
            PhoneFormat::National => Self::National,
            PhoneFormat::NationalDigits => Self::NationalDigits,
        }
    }
}

impl FormatsSection {
    /// How ids are written.
    pub fn ids(&self) -> IdFormat {
        let IdSection { pad, upper, prefix } = self.id.clone().unwrap_or_default();
        IdFormat { pad, upper, prefix }
    }
}
