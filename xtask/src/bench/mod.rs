//! `cargo xtask bench lookup`: our figures beside the limit and beside what one could run instead.
//! `cargo xtask bench events`: what is taken in of calls' events, beside the limit.
//!
//! The bare endpoint is the limit, the Node service the alternative; all stand
//! at once over the same simulated CRM and are measured in turn, round by
//! round, so that a moment of the machine touches all alike. Medians are
//! quoted with least and most. Nothing here is a test: machines differ.

mod contestants;
mod events;
mod figures;
mod guarded;
mod http;
mod rounds;
mod table;

use crate::{Outcome, tools, words};
use anyhow::Result;
use rounds::Plan;
use std::fs;

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    let mut plan = Plan::full();
    let mut build = true;
    let Some((subject, options)) = rest.split_first() else {
        tools::say("xtask: bench what? there is: lookup, events");
        return Ok(Outcome::WrongWords);
    };
    let work = match subject.as_str() {
        "lookup" => rounds::lookup,
        "events" => events::intake,
        _ => return Ok(words::refuse("bench", subject, &["lookup", "events"])),
    };
    for option in options {
        match option.as_str() {
            "--quick" => plan = Plan::quick(),
            "--no-build" => build = false,
            wrong => {
                return Ok(words::refuse("option of bench", wrong, &["--quick", "--no-build"]));
            }
        }
    }
    let folder = tools::target().join("bench/run");
    // What an interrupted run left behind.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    if build {
        contestants::build()?;
    }
    let table = work(plan, &folder)?;
    tools::print(&table.text());
    if table.fell_short() {
        tools::say("not every target was met; the figures above say where and by how much");
    }
    fs::remove_dir_all(&folder)?;
    Ok(Outcome::Done)
}
