//! A vendor's stand-in on this machine, for those who do not know the vendor.
//!
//! The contract suite and `tieline sim` start each simulator through its entry in
//! [`crate::all`]. What stands here is all they learn of it: where it listens, how
//! one logs in, what goes wrong on purpose, and how much it holds.

use async_trait::async_trait;
use kit::{Fields, Settings};
use sim::faults::Faults;
use std::io;
use std::pin::Pin;

/// Starts a vendor's simulator.
pub type Simulate = fn(Setup) -> Starting;

/// A simulator about to run. It fails when the port is taken, and with
/// `InvalidInput` when the setup asks for what the vendor does not have.
pub type Starting = Pin<Box<dyn Future<Output = io::Result<Simulation>> + Send>>;

/// What a simulator shall be like.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// People besides the fixed ones, where the vendor has people of its own.
    pub people: u64,
    /// Requests that one client may make in a minute; `None` is the vendor's own limit.
    pub requests_per_minute: Option<u32>,
}

/// A simulator that runs, and what an administrator would write to use it.
pub struct Simulation {
    /// The vendor. A CRM knows John Doe of `sim::seed::fixed`, by phone and e-mail.
    pub simulator: Box<dyn Simulator>,
    /// Complete settings for each way of logging in, the usual one first.
    pub logins: Vec<Settings>,
    /// What the path of every request has in it, save those that only log in.
    pub api: &'static str,
}

/// Records that anybody may make here, to try `changes` and `writes` on.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The vendor's name of the object.
    pub object: &'static str,
    /// A text field of which at most one record has a value; sixteen characters fit.
    pub key: &'static str,
    /// Two more text fields, which clients may change and empty.
    pub fields: [&'static str; 2],
    /// What a new record needs besides its key.
    pub needs: Fields,
    /// Method, and a part of the address, of the one request that makes a record.
    pub made_by: (&'static str, &'static str),
    /// The same of the one that makes many, where it is another.
    pub many_by: Option<(&'static str, &'static str)>,
    /// May a client delete one?
    pub can_delete: bool,
    /// Does a write tell the version that it made? Not where a version is a second, or is to be
    /// asked for apart: it might be somebody else's.
    pub tells_version: bool,
}

/// A running simulator, whatever its vendor.
#[async_trait]
pub trait Simulator: Send + Sync {
    /// Where it listens, without a slash at the end.
    fn url(&self) -> String;

    /// What goes wrong on purpose, and what was asked. `unauthorized`, `throttled`,
    /// `forbidden`, `not_found` and `conflict` are among the vendor's own answers.
    fn faults(&self) -> &Faults;

    /// Is it asked over HTTP? Where it is not, [`Simulator::faults`] never happen and record
    /// nothing: the vendor's own tests do to a real server what goes wrong with one.
    fn is_asked_over_http(&self) -> bool {
        true
    }

    /// Ends every token given out so far. Nothing, where the vendor gives none.
    fn revoke_tokens(&self) {}

    /// How many contacts it holds: a write that is repeated makes no more of them.
    fn contacts(&self) -> usize;

    /// Lets so much time pass there that a change made next has another time than those
    /// before. Nothing, where every change is told apart by more than its time.
    fn pass_time(&self) {}

    /// By what the contract suite tries whole records; asked of every vendor that tells
    /// changes and takes writes.
    fn sample(&self) -> Option<Sample> {
        None
    }

    /// A cursor as it would be long after it was given out, when the vendor no longer
    /// takes it; `None` where cursors hold for good.
    fn outlived(&self, cursor: &str) -> Option<String> {
        let _ = cursor;
        None
    }

    /// Stops answering; requests in flight get a second.
    async fn stop(self: Box<Self>);
}
