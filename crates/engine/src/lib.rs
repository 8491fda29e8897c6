//! The use cases: what happens when a call arrives, and what goes on behind it.
//!
//! Read [`lookup`] first: the hot path, top to bottom. What an ERP adds is joined by
//! [`beside`]. What could not be said in time is finished by [`enrich`] and [`finish`]; what the contact center must learn is told
//! by [`contact_center`]; all are durable jobs that [`jobs`] runs. An agent who knows
//! better is followed by [`correct`], and remembered by [`overrides`].
//!
//! Whoever asks for their data, or to be forgotten, is served by [`subjects`].
//! Whoever follows a call or an agent is told by [`feed`]; [`card`] is what they see.
//!
//! What a queue's own CRM is asked for by a flow: [`actions`].
//!
//! What is told of a call makes [`call_end`] close it and [`journal`] tell the CRM.
//!
//! After the fact, [`reconcile`] finds out who calls were from.
//!
//! Contacts of two systems are kept the same by [`sync`].
//!
//! What agents show is kept the same in two systems by [`presence`].
//!
//! Connections, actions and queues change while all this goes on: [`Live`].
//!
//! This crate names no vendor, writes no SQL and serves no HTTP.

mod accounts;
pub mod actions;
mod activity;
pub mod alerts;
mod answer;
mod beside;
mod call_end;
mod card;
mod clock;
pub mod connections;
mod contact_center;
mod correct;
mod crosswalk;
mod customer;
mod customers;
mod enrich;
pub mod feed;
mod finish;
mod flights;
mod follow_up;
mod health;
pub mod jobs;
mod journal;
mod late;
mod learned;
mod live;
mod lookup;
pub mod metrics;
mod misses;
mod overrides;
pub mod presence;
mod rates;
pub mod reconcile;
mod rotate;
pub mod rules;
mod subjects;
pub mod sync;

pub use actions::{Action, Actions};
pub use activity::{CallOptions, PLACEHOLDERS, Template};
pub use alerts::{Alert, Alerting, Channel};
pub use answer::{Answer, Candidate};
pub use beside::Beside;
pub use card::Card;
pub use clock::Clock;
pub use connections::{Connection, Connections, Queue};
pub use correct::{Answer as Corrected, Request as Correction};
pub use crosswalk::{Leads, Linked};
pub use customers::{Changed, Known, Profile, Wanted};
pub use feed::{Feed, Following, Told};
pub use follow_up::ATTRIBUTES;
pub use health::Degraded;
pub use jobs::Runner;
pub use live::Live;
pub use lookup::{Engine, Error, Options, Request};
pub use metrics::Metrics;
pub use overrides::Corrections;
pub use presence::Presence;
pub use reconcile::Reconciling;
pub use reconcile::schedule::Schedule;
pub use rules::{Arriving, Book, Decided, Routing, Rules};
pub use subjects::{Asked, Elsewhere, Erasure, Preview, Unreadable};
pub use sync::Syncs;
