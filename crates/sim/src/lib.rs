//! The parts a simulated vendor is built from.
//!
//! A simulator is an `axum::Router` that behaves as its vendor documents;
//! [`server::start`] puts it on a loopback port with [`faults::Faults`] in front,
//! [`tokens`] gives it bearer tokens that age, [`paging`] result sets that are read
//! in pieces, [`dates`] ISO-8601 in any offset, and [`seed`] people whose phone numbers
//! are typed as people type them.
//!
//! This crate knows none of our own types, and must not: a simulator that shares
//! our types shares our mistakes.

pub mod dates;
pub mod faults;
pub mod paging;
pub mod requests;
pub mod seed;
pub mod server;
pub mod tokens;
