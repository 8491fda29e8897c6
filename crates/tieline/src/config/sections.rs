//! The sections of `tieline.toml`, one struct each. Every field's comment is
//! printed in the reference.

use super::actions::{ActionSection, QueueMode, Trigger};
use super::{
    AlertsSection, CallsSection, ConsoleSection, FormatsSection, ModulesSection, Period,
    PresenceSection, ReconcileSection, RetentionSection, RoutingSection, SecretSource,
    ServerSection, StreamsSection, SyncSection, WidgetSection,
};
use domain::matching::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub server: ServerSection,
    pub store: StoreSection,
    pub lookup: LookupSection,
    #[serde(default)]
    pub corrections: CorrectionsSection,
    #[serde(default)]
    pub calls: CallsSection,
    #[serde(default)]
    pub streams: StreamsSection,
    #[serde(default)]
    pub widget: WidgetSection,
    #[serde(default)]
    pub console: ConsoleSection,
    #[serde(default)]
    pub reconcile: ReconcileSection,
    #[serde(default)]
    pub routing: RoutingSection,
    #[serde(default)]
    pub reports: ReportsSection,
    #[serde(default)]
    pub retention: RetentionSection,
    /// The platform that owns the calls. Without it nothing is written to one.
    #[serde(default)]
    pub contact_center: Option<ContactCenterSection>,
    /// One authorized account of a vendor each, by a name of your own.
    #[serde(default)]
    pub connections: BTreeMap<String, ConnectionSection>,
    /// Requests by names of your own, which queues and flows ask for.
    #[serde(default)]
    pub actions: BTreeMap<String, ActionSection>,
    /// Which connection answers for which queue. Others use `lookup.default_connection`.
    #[serde(default)]
    pub queues: Vec<QueueSection>,
    /// Records of two connections, kept the same.
    #[serde(default)]
    pub syncs: Vec<SyncSection>,
    /// Agents of two systems that hand out work, kept the same.
    #[serde(default)]
    pub presence: Vec<PresenceSection>,
    #[serde(default)]
    pub alerts: AlertsSection,
    #[serde(default)]
    pub log: LogSection,
}

/// Where everything is kept that outlives a request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSection {
    /// `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    #[serde(default)]
    pub location: Option<String>,
    /// A location that carries a password, read from elsewhere, instead of `location`.
    #[serde(default)]
    pub location_from: Option<SecretSource>,
    /// The master key: 32 bytes as base64 or hex. It wraps every other key, so
    /// keep a copy apart: without it the store cannot be read.
    pub master_key: SecretSource,
    /// What an answered call survives. `power`: a power cut. `process`: a crash of
    /// Tieline, not of the machine (on PostgreSQL: of the server).
    #[serde(default)]
    pub durability: Durability,
    /// Where the store lies, such as `EU (Frankfurt)`: only told, in `tieline privacy report`.
    #[serde(default)]
    pub data_region: Option<String>,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    #[default]
    Power,
    Process,
}

/// How calls are identified, unless a connection or queue says otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupSection {
    /// The connection that answers for queues nobody named.
    pub default_connection: String,
    /// Region of numbers in national form, as ISO 3166-1 alpha-2.
    pub default_region: String,
    /// Hard limit of a lookup, from the arrival of the request to the answer.
    #[serde(default = "defaults::deadline")]
    pub deadline: Period,
    /// How much of the deadline is kept for storing the call.
    #[serde(default = "defaults::store_reserve")]
    pub store_reserve: Period,
    /// Within this age our own copy answers and the CRM is not asked.
    #[serde(default = "defaults::fresh_for")]
    pub fresh_for: Period,
    /// Past this age the CRM is asked first; our copy serves only when it fails, marked.
    #[serde(default = "defaults::stale_limit")]
    pub stale_limit: Period,
    /// How long a number that the CRM did not know is not asked for again; at most 60s.
    #[serde(default = "defaults::remember_misses_for")]
    pub remember_misses_for: Period,
    /// One number, several people: `first` (the oldest record, then the smallest
    /// id), `most_recent` (last call or change), `ambiguous` (nobody; the agent chooses).
    #[serde(default, rename = "match")]
    pub policy: MatchPolicy,
}

/// What agents correct, and how long it is remembered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionsSection {
    /// How long the next calls of a corrected number are answered with the corrected
    /// record; `0s` remembers nothing.
    pub remember_for: Period,
    /// Only in the queue of the call that was corrected; else in every queue.
    pub per_queue: bool,
    /// How long the CRM may take to confirm a new externalId. A flow is waiting.
    pub confirm_within: Period,
}

/// What reports group calls by.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportsSection {
    /// Names of `data`, as a connection's settings give them, whose values are kept of
    /// each call in clear, for `group_by=data.NAME`. Only what has few values and says
    /// nothing of a person, such as a tier.
    pub dimensions: Vec<String>,
    /// How many values a dimension may have, 1 to 1,000. One with more is no dimension but an
    /// identifier: it is refused, what was kept of it is forgotten, and reports say so.
    pub values_max: u16,
    /// Names of `data` whose value at the time of the call is kept with it, encrypted, and
    /// shown in the list of calls, such as a case's id.
    pub columns: Vec<String>,
}

impl Default for ReportsSection {
    fn default() -> Self {
        Self { dimensions: Vec::new(), values_max: state::VALUES_MAX, columns: Vec::new() }
    }
}

impl Default for CorrectionsSection {
    fn default() -> Self {
        Self {
            remember_for: Period::ms(30 * 24 * 3_600_000),
            per_queue: false,
            confirm_within: Period::ms(2_000),
        }
    }
}

mod defaults {
    use super::Period;

    pub(super) fn deadline() -> Period {
        Period::ms(300)
    }
    pub(super) fn store_reserve() -> Period {
        Period::ms(20)
    }
    pub(super) fn fresh_for() -> Period {
        Period::ms(15 * 60_000)
    }
    pub(super) fn stale_limit() -> Period {
        Period::ms(24 * 3_600_000)
    }
    pub(super) fn remember_misses_for() -> Period {
        Period::ms(60_000)
    }
    pub(super) fn account() -> String {
        "account".to_owned()
    }
    pub(super) fn is_true() -> bool {
        true
    }
}

/// Who answers when several people share a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchPolicy {
    #[default]
    First,
    MostRecent,
    Ambiguous,
}

impl From<MatchPolicy> for Policy {
    fn from(policy: MatchPolicy) -> Self {
        match policy {
            MatchPolicy::First => Self::First,
            MatchPolicy::MostRecent => Self::MostRecent,
            MatchPolicy::Ambiguous => Self::Ambiguous,
        }
    }
}

/// The platform that owns the calls.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactCenterSection {
    /// Name of its connection.
    pub connection: String,
    /// The flow sets the call's attributes from our answer, so an answer in time
    /// costs no request. `false`: Tieline sets them for every call.
    #[serde(default = "defaults::is_true")]
    pub flow_sets_attributes: bool,
}

/// One authorized account of a vendor.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSection {
    /// The connector: see the page of each under `docs/reference/connectors/`.
    #[serde(rename = "type")]
    pub connector: String,
    /// What its externalIds begin with, e.g. `CRM`. Unique; required for a CRM.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Settings of the connector, secrets as `{ env = … }` or `{ file = … }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub settings: toml::Table,
    /// Loopback and private addresses may be asked: for on-premises systems; then no proxy is used.
    /// Without it they are refused, also when a name leads to one. Behind a proxy (`HTTPS_PROXY`,
    /// `HTTP_PROXY` or `ALL_PROXY` in the environment) it is the proxy that resolves names: Tieline
    /// then refuses only what is written as a private address or as `localhost`, and the proxy must
    /// refuse names that lead inside.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Where the system keeps its data, such as `EU (Frankfurt)`, where its address does not say so:
    /// only told, in `tieline privacy report`.
    #[serde(default)]
    pub data_region: Option<String>,
    /// How this system writes numbers and ids.
    #[serde(default)]
    pub formats: FormatsSection,
    /// What a routing rule's leads, contacts and accounts are in this system.
    #[serde(default)]
    pub modules: ModulesSection,
    /// Overrides of the connector's limits.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Overrides `lookup.deadline`.
    #[serde(default)]
    pub deadline: Option<Period>,
    /// Overrides `lookup.fresh_for`.
    #[serde(default)]
    pub fresh_for: Option<Period>,
    /// Overrides `lookup.stale_limit`.
    #[serde(default)]
    pub stale_limit: Option<Period>,
    /// Overrides `lookup.match`.
    #[serde(default, rename = "match")]
    pub policy: Option<MatchPolicy>,
    /// Systems whose word joins this one's `data`: they are asked about whoever is linked to
    /// an account of theirs, in what is left of the deadline, else behind the answer. A name
    /// that is in `data` already keeps its value. With a `prefix` of their own they also name
    /// callers whom this connection does not know.
    #[serde(default)]
    pub beside: Vec<BesideSection>,
}

/// A system beside a CRM, such as an ERP, that knows the accounts of its people.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BesideSection {
    /// Name of its connection, which must know accounts. Its `fresh_for` and `stale_limit`
    /// say how long our copy of an account answers.
    pub connection: String,
    /// What holds the account's id: a name of this connection's `data`, or `account` for
    /// the id of the account that the record hangs on. Whose record has none costs nothing.
    #[serde(default = "defaults::account")]
    pub linked_by: String,
}

/// How much of a vendor one connection may use; what is absent is the connector's default.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Requests a minute, over calls and everything else together.
    pub requests_per_minute: Option<u32>,
    /// Of these, how many background work leaves to calls.
    pub reserved_for_calls: Option<u32>,
    /// Requests of calls under way at once.
    pub concurrent_calls: Option<u32>,
    /// Requests of background work under way at once.
    pub concurrent_background: Option<u32>,
    /// When one request is given up. Longer than the deadline: a late answer
    /// still feeds the directory.
    pub timeout: Option<Period>,
    /// With this many requests left of what the vendor allows, background work stops and
    /// the connection is `degraded` until the reset. By default 10.
    pub floor: Option<u64>,
    /// A request that takes longer is told in the log and on the connection's health.
    /// By default 1s.
    pub slow_after: Option<Period>,
}

/// A queue and what serves it. That of the name `Standard_CRM` also serves enrichments of
/// queues which are not here.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSection {
    /// Its name, as the platform shows it.
    pub name: String,
    /// The platform's ids of it.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Numbers that lead to it.
    #[serde(default)]
    pub dids: Vec<String>,
    /// The connection that says who is calling. Absent: that of `action`, where it has a
    /// `prefix`, else `lookup.default_connection`.
    #[serde(default)]
    pub connection: Option<String>,
    /// The action that an enrichment of its calls runs. Absent: the connection's own lookup.
    #[serde(default)]
    pub action: Option<String>,
    /// `sync`: the flow waits for an enrichment. `async`: it is answered `pending` at once,
    /// and runs behind; what comes of it is told by the live stream, as attributes of the
    /// call, and to whoever asks.
    #[serde(default)]
    pub mode: QueueMode,
    /// What an `async` enrichment waits for: nothing (`immediately`), or that an agent has
    /// `accepted` the call, as an event or `POST /api/v1/calls/{callId}/accepted` says.
    #[serde(default)]
    pub trigger: Trigger,
    /// A connection or an action that is asked where the first has failed, inside the same
    /// deadline. Absent: nobody else is asked.
    #[serde(default)]
    pub fallback_crm: Option<String>,
    /// The queue that is answered where the CRM cannot be asked, so that the flow can route
    /// there.
    #[serde(default)]
    pub fallback_queue: Option<String>,
    /// Values of fields where everything has failed, such as `{ tier = "standard" }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub otherwise: BTreeMap<String, toml::Value>,
    /// Overrides the connection's deadline.
    #[serde(default)]
    pub deadline: Option<Period>,
    /// Overrides the connection's match policy.
    #[serde(default, rename = "match")]
    pub policy: Option<MatchPolicy>,
}

/// What is logged, to standard error.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}
