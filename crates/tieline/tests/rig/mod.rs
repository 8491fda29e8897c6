//! What a test needs to see Tieline from outside: simulated vendors, the built
//! binary between them with a real configuration, a client with a key.
//!
//! [`Line::with_salesforce`] begins the sentence that sets one up ([`plan`]);
//! [`line`] is what can then be asked of it. Every process dies with its test,
//! every port is free, every wait is a bounded look at a condition ([`wait`]).

#[allow(dead_code, reason = "not every test has agents")]
pub(crate) mod console;
pub(crate) mod folder;
pub(crate) mod line;
#[allow(dead_code, reason = "not every test listens")]
pub(crate) mod listen;
pub(crate) mod people;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod wait;

pub(crate) use console::Console;
pub(crate) use folder::Folder;
pub(crate) use line::{Answer, Line};
pub(crate) use people::{JANE, JOHN, MARIA, Person, STRANGER};
pub(crate) use place::Place;
pub(crate) use plan::MASTER_KEY;
pub(crate) use process::{Ended, Server, Signal};
pub(crate) use wait::{Stalls, join_all, until, until_some};
