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
//! | [`directory`] | our copy of the CRMs' contacts |
//! | [`jobs`] | work that must happen, as rows with leases |
//! | [`backup`] | a copy while serving, and the way back |
//! | `keys`, `sql` | envelope encryption; two engines under one SQL text |
//! | [`crash`] | where a test may kill us |

pub mod backup;
pub mod calls;
pub mod crash;
pub mod directory;
mod error;
pub mod jobs;
mod keys;
mod rows;
mod sql;
pub mod store;

pub use calls::{Enriched, Identified, NewCall, Recorded, StoredCall};
pub use directory::{Entry, Key};
pub use error::{Boxed, Error, Result};
pub use jobs::{Lease, Leased, NewJob, Outcome, Settled, Settlement};
pub use keys::MasterKey;
pub use store::{Durability, Location, Options, Store};
