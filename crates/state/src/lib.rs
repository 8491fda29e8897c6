//! Everything that outlives a request: calls, the directory, jobs, keys.
//!
//! One [`Store`], over SQLite (default, embedded) or PostgreSQL (many nodes),
//! with the same promises over both: a write that has returned is committed
//! (invariants 1 and 10), and what is personal lies encrypted and is found by
//! keyed hashes (invariant 9). No vendor, no HTTP and no use case is known here.
//!
//! | Where | What |
//! | --- | --- |
//! | [`store`] | opening, health, closing; how a read and a write travel |
//! | [`calls`] | a call is stored before it is answered; who it was is bettered later |
//! | [`decisions`] | where calls were sent, and what was seen |
//! | [`directory`] | our copy of the CRMs' contacts |
//! | [`customers`] | what is kept of a customer and of a call besides what their systems say |
//! | [`overrides`] | what agents have corrected |
//! | [`subject`] | one person: shown, forgotten, kept from coming back |
//! | [`audit`] | who changed or saw what, in a chain |
//! | [`access`] | keys of those who may call the API |
//! | [`users`] | people who sign in at the console, and sessions that they ended |
//! | [`crosswalk`] | which record of one system is which of another |
//! | [`enrichments`] | what a queue's CRM is asked behind an answer |
//! | [`events`] | what was told of calls, and what each came to |
//! | [`feed`] | news of calls, for whoever follows a call or an agent |
//! | [`rules`] | routing rules: drafts, what is in force, how it was before |
//! | [`settings`] | connections, actions and queues that were made by API |
//! | `retention` | calls that are too old are forgotten for real |
//! | [`reseal`] | what older data keys have sealed gets the newest |
//! | [`reconcile`] | runs that find out who calls were from after the fact |
//! | [`sync`] | contact sync: pairs of records, what waits, what was written, what is asked |
//! | [`presence`] | how agents stand who are in two systems, and their story |
//! | [`reports`] | figures over many calls |
//! | `labels` | what reports group calls by: few values each |
//! | [`alerts`] | what is wrong now, told once when it begins and once when it ends |
//! | `tokens` | tokens of connections, and the right to refresh them |
//! | [`jobs`] | work that must happen, as rows with leases |
//! | [`backup`] | a copy while serving, and the way back |
//! | `keys`, `sql` | envelope encryption; two engines under one SQL text |
//! | [`crash`] | where a test may kill us |

pub mod access;
pub mod alerts;
pub mod audit;
pub mod backup;
pub mod calls;
pub mod crash;
pub mod crosswalk;
pub mod customers;
pub mod decisions;
pub mod directory;
pub mod enrichments;
mod error;
pub mod events;
pub mod feed;
pub mod jobs;
mod keys;
mod labels;
pub mod overrides;
pub mod presence;
pub mod reconcile;
pub mod reports;
pub mod reseal;
mod retention;
mod rows;
pub mod rules;
pub mod settings;
mod sql;
pub mod store;
pub mod subject;
pub mod sync;
mod tokens;
pub mod users;

pub use access::{ApiKey, IssuedKey, NewApiKey, Rotation};
pub use calls::{Enriched, Identified, NewCall, Recorded, StoredCall};
pub use directory::{Entry, Key};
pub use error::{Boxed, Error, Result};
pub use events::{
    Journal, JournalState, NewEvent, NewOutcome, Received, StoredEvent, StoredOutcome,
};
pub use feed::{News, NewsKind, Topic};
pub use jobs::{Lease, Leased, NewJob, Outcome, Settled, Settlement};
pub use keys::{MasterKey, hex};
pub use labels::VALUES_MAX;
pub use store::{Durability, Location, Options, Store};
pub use tokens::{KeptToken, TokenHold};
pub use users::{NewUser, Totp, User};
