//! Holds what the simulated organization knows, and the rules by which it changes.
//!
//! Pure: no HTTP, no clock (`now` is an argument, milliseconds since 1970 UTC),
//! no randomness beyond the seeded `ids`. Everything a request can change lives
//! in `World`; `http` translates to and from it.
//!
//! Reading order: `world`, `contacts` (then `identifiers`, `enrich` and `merge` below
//! it), `organizations`, `schemas`, `conversations`,
//! `agents` (with `definitions`), `channels`. Facts: the vendor's developer center, "Single Customer View".

pub(crate) mod agents;
pub(crate) mod analytics;
pub(crate) mod channels;
pub(crate) mod contacts;
pub(crate) mod conversations;
pub(crate) mod dates;
pub(crate) mod definitions;
pub(crate) mod ids;
pub(crate) mod organizations;
pub(crate) mod problem;
pub(crate) mod schemas;
pub(crate) mod world;
