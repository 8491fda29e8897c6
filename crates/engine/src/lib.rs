//! The use cases: what happens when a call arrives, and what goes on behind it.
//!
//! Read [`lookup`] first: the hot path, top to bottom. What could not be said
//! in time is finished by [`enrich`]; what the contact center must learn is told
//! by [`contact_center`]; both are durable jobs that [`jobs`] runs.
//!
//! This crate names no vendor, writes no SQL and serves no HTTP.

mod answer;
mod clock;
pub mod connections;
mod contact_center;
mod customer;
mod enrich;
mod flights;
mod follow_up;
pub mod jobs;
mod lookup;
pub mod metrics;
mod misses;

pub use answer::{Answer, Candidate};
pub use clock::Clock;
pub use connections::{Connection, Connections, Queue};
pub use jobs::Runner;
pub use lookup::{Engine, Error, Options, Request};
pub use metrics::Metrics;
