//! The sections `[[syncs]]`: contacts of two connections, kept the same.

use super::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Records of two connections, kept the same: one way, or both.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncSection {
    /// What it is called, such as `contacts`.
    pub name: String,
    /// Where a CRM's records are, as a rule.
    pub left: EndSection,
    /// Where the contact center's are, as a rule.
    pub right: EndSection,
    /// `right`: the right mirrors the left. `left`: the other way round. `both`: two-way. A
    /// field can go one way in a sync that goes both.
    #[serde(default)]
    pub direction: WayWord,
    /// How often it runs: `5m`, `15m`, `30m`, `hourly`, `daily`, or a cron expression such as
    /// `0 2 * * *`. `never`: only when somebody asks.
    #[serde(default = "defaults::schedule")]
    pub schedule: String,
    /// Does what a vendor tells by itself begin a run at once? The schedule goes on besides, for
    /// the side that tells nothing. Salesforce does (Change Data Capture), once the object is
    /// selected there.
    #[serde(default)]
    pub push: bool,
    /// The time zone of `daily` and of a cron expression, such as `Europe/Berlin`.
    #[serde(default = "defaults::time_zone")]
    pub time_zone: String,
    /// What becomes of a field that both have changed since they last agreed: `field_priority`
    /// (as the field's `winner` says), `last_write_wins`, `timestamp_with_lock` (both are read
    /// again, the newer wins, and somebody looks at it afterwards), `manual` (somebody decides).
    #[serde(default)]
    pub strategy: StrategyWord,
    /// Times of the two sides that are closer than this, or than their clocks were measured
    /// to be apart, are taken to be equal.
    #[serde(default = "defaults::skew")]
    pub clock_skew: Period,
    /// What becomes of an edit on the side that only mirrors: `leave` (it stays, and is counted)
    /// or `set_back`.
    #[serde(default)]
    pub drift: DriftWord,
    /// By what a record finds its other, in this order: `external_id`, `email`, `phone`, `name`
    /// (first and last name with the same account).
    #[serde(default = "defaults::matching")]
    pub matching: Vec<StepWord>,
    /// An e-mail or a number that more records of one side have than this is nobody's own, and
    /// nobody is found by it.
    #[serde(default = "defaults::generic_over")]
    pub generic_over: u64,
    #[serde(default)]
    pub deletes: DeletesSection,
    #[serde(default)]
    pub brake: BrakeSection,
    #[serde(default)]
    pub alerts: SyncAlertsSection,
    #[serde(default)]
    pub measure: MeasureSection,
    /// Which fields are kept the same. Absent: the map of the public guides, between a CRM's
    /// contact and the contact center's.
    #[serde(default)]
    pub fields: Vec<FieldMapSection>,
}

/// One side of a sync.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSection {
    /// Whose records they are.
    pub connection: String,
    /// The vendor's name of the object, such as `Contact`, `contacts` or a table.
    pub object: String,
    /// A field of which at most one record has a value, and in which the other side's id is
    /// kept: by it a record that was made is found again. Needed where records are made here
    /// and the platform has none of its own (`externalIds`).
    #[serde(default)]
    pub key: Option<String>,
    /// Only records that fit all of these come into the sync. Who is in stays in.
    #[serde(default)]
    pub filter: Vec<FilterSection>,
}

/// A condition on a record's field.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterSection {
    /// The vendor's name of the field.
    pub field: String,
    /// `=`, `<`, `>`, `<=`, `>=`, `in`, `starts with` or `is empty`, as in routing rules.
    pub operator: String,
    /// What it is compared with; several for `in`, none for `is empty`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// A field of both sides.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMapSection {
    /// The left vendor's name of it, also of a part (`MailingAddress.city`) or a custom field.
    pub left: String,
    /// The right vendor's. The names of the public guides are taken for the platform's own.
    /// Absent: the value is read for the directory and goes nowhere.
    #[serde(default)]
    pub right: Option<String>,
    /// `right`, `left` or `both`; absent: as the sync.
    #[serde(default)]
    pub direction: Option<WayWord>,
    /// How values are compared and written: `text`, `email`, `phone`, `number`, `bool`, `date`,
    /// `moment` or `tags`. Absent: as the vendor describes the field.
    #[serde(default, rename = "type")]
    pub kind: Option<KindWord>,
    /// Who wins where both have changed: `left`, `right`, `last_write`, `longest`, `non_empty` or
    /// `manual`. Absent: the side that a field which goes one way comes from, else `last_write`.
    #[serde(default)]
    pub winner: Option<WinnerWord>,
    /// What the field tells for matching: `external_id`, `email`, `phone`, `first_name`,
    /// `last_name` or `account`.
    #[serde(default)]
    pub match_as: Option<MatchWord>,
}

/// What becomes of a record whose other was deleted.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeletesSection {
    /// When the left one was deleted: `ignore`, `mark` or `delete` the right one.
    pub on_left: OnDeleteWord,
    /// When the right one was deleted: `ignore`, `mark` or `delete` the left one.
    pub on_right: OnDeleteWord,
    /// With `mark`: a field of the left, and what is written there.
    pub mark_left: Option<MarkSection>,
    /// With `mark`: a field of the right, and what is written there.
    pub mark_right: Option<MarkSection>,
}

/// What says that a record's other is gone.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkSection {
    pub field: String,
    pub value: String,
}

/// A run that would delete more than this stops and asks.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrakeSection {
    /// So many records of both sides together.
    pub deletes_max: u64,
    /// So many of a hundred that are tied.
    pub percent_max: f64,
}

/// When people are told of a sync, where `[alerts]` names somebody to tell.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyncAlertsSection {
    /// A run in which more records fail than this is told.
    pub errors_over: u64,
    /// A run that takes longer is told; `0s`: none is.
    pub run_over: Period,
}

/// How far both sides are apart, measured on some pairs that are read from both.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeasureSection {
    /// How many pairs are read, 1 to 10,000.
    pub pairs: u32,
    /// How often; `0s`: only when somebody asks.
    pub every: Period,
}

/// Words of the configuration, as they stand in the file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $first:ident $(, $word:ident)* $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { #[default] $first $(, $word)* }
    };
}

words!(/// Which way values go.
    WayWord: Right, Left, Both);
words!(/// What decides where both have changed.
    StrategyWord: FieldPriority, LastWriteWins, TimestampWithLock, Manual);
words!(/// What becomes of an edit on the mirror.
    DriftWord: Leave, SetBack);
words!(/// By what a record finds its other.
    StepWord: ExternalId, Email, Phone, Name);
words!(/// How values are compared.
    KindWord: Text, Email, Phone, Number, Bool, Date, Moment, Tags);
words!(/// Who wins where both have changed.
    WinnerWord: Left, Right, LastWrite, Longest, NonEmpty, Manual);
words!(/// What a field tells for matching.
    MatchWord: ExternalId, Email, Phone, FirstName, LastName, Account);
words!(/// What becomes of the other of a record that was deleted.
    OnDeleteWord: Ignore, Mark, Delete);

impl Default for BrakeSection {
    fn default() -> Self {
        Self { deletes_max: 100, percent_max: 10.0 }
    }
}

impl Default for SyncAlertsSection {
    fn default() -> Self {
        Self { errors_over: 10, run_over: Period::ms(300_000) }
    }
}

impl Default for MeasureSection {
    fn default() -> Self {
        Self { pairs: 200, every: Period::ms(86_400_000) }
    }
}

mod defaults {
    use super::{Period, StepWord};

    pub fn schedule() -> String {
        "30m".to_owned()
    }

    pub fn time_zone() -> String {
        "UTC".to_owned()
    }

    pub fn skew() -> Period {
        Period::ms(5_000)
    }

    pub fn matching() -> Vec<StepWord> {
        vec![StepWord::ExternalId, StepWord::Email, StepWord::Phone, StepWord::Name]
    }

    pub fn generic_over() -> u64 {
        5
    }
}
