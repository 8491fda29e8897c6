//! One person: found in every table, shown, forgotten, and kept from coming back.
//!
//! [`Store::subject`] widens what was asked for to everything the person is known by.
//! [`Store::export`] and the sweep of [`Store::erase`] judge every row by the same
//! [`sought::Sought`], so that what an export shows is what an erasure takes away.
//!
//! An erasure is two things: tombstones, which are keyed hashes and say nothing of
//! anybody, and a sweep that removes whatever they name. The sweep needs nothing but
//! the tombstones: a killed one is begun again, and a restored store is swept at its
//! start. From the tombstones' commit on nothing of the person is stored any more.

mod erase;
mod export;
pub mod facts;
mod find;
mod remove;
mod sought;
mod sweep;
mod tables;
mod tombstones;

pub use erase::{Erasure, Mark};
pub use export::{Export, ExportedCall, ExportedJob, KnownContact, Reconciled};
pub use find::{Identifier, Identifiers, Person, Record, Subject, Why};
pub use sweep::{Removed, Sweep};
pub use tombstones::{Erased, Name};

pub(crate) use tombstones::{Guard, Tombstones, mark_shared};
