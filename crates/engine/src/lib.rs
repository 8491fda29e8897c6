//! The use cases: what happens when a call arrives, and what goes on behind it.
//!
//! Read [`lookup`] first: the hot path, top to bottom. What could not be said
//! in time is finished by [`enrich`]; what the contact center must learn is told
//! by [`contact_center`]; both are durable jobs that [`jobs`] runs. An agent who knows
//! better is followed by [`correct`], and remembered by [`overrides`].
//!
//! Whoever asks for their data, or to be forgotten, is served by [`subjects`].
//!
//! What is told of a call makes [`call_end`] close it and [`journal`] tell the CRM.
//!
//! This crate names no vendor, writes no SQL and serves no HTTP.

mod activity;
mod answer;
mod call_end;
mod clock;
pub mod connections;
mod contact_center;
mod correct;
mod customer;
mod customers;
mod enrich;
mod flights;
mod follow_up;
pub mod jobs;
mod journal;
mod lookup;
pub mod metrics;
mod misses;
mod overrides;
mod rotate;
mod subjects;

pub use activity::{CallOptions, PLACEHOLDERS, Template};
pub use answer::{Answer, Candidate};
pub use clock::Clock;
pub use connections::{Connection, Connections, Queue};
pub use correct::{Answer as Corrected, Request as Correction};
pub use customers::{Changed, Profile};
pub use follow_up::ATTRIBUTES;
pub use jobs::Runner;
pub use lookup::{Engine, Error, Options, Request};
pub use metrics::Metrics;
pub use overrides::Corrections;
pub use subjects::{Asked, Elsewhere, Erasure, Preview, Unreadable};
