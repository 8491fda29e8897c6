//! What a connector is, and the parts every connector is made of.
//!
//! A vendor's folder describes itself in a [`Manifest`], is opened with its
//! [`Settings`] and answers with [`Capabilities`]: what the vendor cannot do is
//! `None` and costs nothing. Every request passes the one [`Turnstile`] of its
//! connection: the shared rate [`budget`] (invariant 12) and the bulkhead. It leaves
//! through [`Http`], or to what speaks no HTTP, and never past the [`guard`] against
//! private addresses; every credential is kept
//! fresh by [`Tokens`], never on a call's path (invariant 11).
//!
//! Start at [`connector`]. This crate knows no vendor by name.

pub mod breaker;
pub mod budget;
mod calls;
pub mod clock;
pub mod connector;
pub mod course;
pub mod destinations;
mod error;
mod feeds;
pub mod forms;
pub mod gate;
pub mod guard;
pub mod health;
mod history;
pub mod http;
pub mod manifest;
pub mod modules;
pub mod oauth;
pub mod odata;
pub mod oidc;
mod outcomes;
mod pauses;
pub mod people;
pub mod presence;
mod records;
mod requests;
pub mod rights;
pub mod secret;
pub mod settings;
pub mod sign_in;
pub mod template;
pub mod tokens;
pub mod turnstile;
pub mod vault;
mod watched;

pub use calls::{Activity, CallEvents, Journal, Written};
pub use connector::{
    Account, Accounts, Ask, Capabilities, Check, Connector, ContactCenter, Conversation, Enriched,
    Finding, Lookup, Opening, Profile, Push,
};
pub use destinations::{Destination, Destinations};
pub use error::Error;
pub use feeds::{Feed, FeedAsk, FeedPage, Notice};
pub use forms::{Form, Forms};
pub use gate::Lane;
pub use health::Health;
pub use history::{History, PastCall, PastPage};
pub use http::{Http, Limits, Network, Reply};
pub use manifest::Manifest;
pub use modules::Modules;
pub use outcomes::{Outcomes, Parts};
pub use pauses::{Answers, Pauses};
pub use presence::Presence;
pub use records::{Change, Changes, ChangesAsk, ChangesPage, Fields, Record, Saved, Write, Writes};
pub use requests::{Custom, Language, Place, Requests};
pub use rights::{Need, Rights};
pub use secret::Secret;
pub use settings::Settings;
pub use sign_in::{Door, SignIn, SignedIn};
pub use template::{Draft, Given, Template, Unfilled};
pub use tokens::{Mint, Minted, Token, Tokens};
pub use turnstile::{Passed, Turnstile};
pub use vault::Vault;
