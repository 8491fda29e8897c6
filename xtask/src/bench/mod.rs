//! `cargo xtask bench lookup`: our figures beside the limit and beside what one could run instead.
//! `cargo xtask bench streams`: what idle streams cost ([`streams`]).
//! `cargo xtask bench events`: what is taken in of calls' events, beside the limit.
//! `cargo xtask bench actions`: enrichments of queues, and what a sick CRM does to others ([`actions`]).
//! `cargo xtask bench rules`: decisions beside two engines, and beside the lookup ([`rules`]).
//! `cargo xtask bench sync`: contacts brought over, beside the script of the public guides ([`sync`]);
//! with `--million` how large and how slow a sync of a million contacts is.
//! `cargo xtask bench console`: the console's pages over a million calls and contacts ([`console`]).
//! `cargo xtask bench presence`: five thousand agents in two systems ([`presence`]).
//!
//! The bare endpoint is the limit, the Node service the alternative; all stand
//! at once over the same simulated CRM and are measured in turn, round by
//! round, so that a moment of the machine touches all alike. Medians are
//! quoted with least and most. Nothing here is a test: machines differ.

mod actions;
mod console;
mod contestants;
mod events;
mod figures;
mod guarded;
mod http;
mod presence;
mod rounds;
mod rules;
mod streams;
mod sync;
mod table;

use crate::{Outcome, tools, words};
use anyhow::Result;
use rounds::Plan;
use std::fs;

const SUBJECTS: [&str; 8] =
    ["lookup", "events", "streams", "actions", "rules", "sync", "presence", "console"];

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    let mut is_quick = false;
    let mut build = true;
    let mut is_large = false;
    let Some((subject, options)) = rest.split_first() else {
        tools::say(&format!("xtask: bench what? there is: {}", SUBJECTS.join(", ")));
        return Ok(Outcome::WrongWords);
    };
    if !SUBJECTS.contains(&subject.as_str()) {
        return Ok(words::refuse("bench", subject, &SUBJECTS));
    }
    for option in options {
        match option.as_str() {
            "--quick" => is_quick = true,
            "--no-build" => build = false,
            "--million" if subject == "sync" => is_large = true,
            wrong => {
                let known = ["--quick", "--no-build", "--million"];
                return Ok(words::refuse("option of bench", wrong, &known));
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
        match subject.as_str() {
            "presence" => presence::build()?,
            "console" => console::build()?,
            _ => {}
        }
    }
    let plan = if is_quick { Plan::quick() } else { Plan::full() };
    let table = match subject.as_str() {
        "lookup" => rounds::lookup(plan, &folder)?,
        "events" => events::intake(plan, &folder)?,
        "actions" => actions::enrichments(plan, &folder)?,
        "rules" => rules::decisions(plan, build, &folder)?,
        "presence" => presence::agents(is_quick, &folder)?,
        "console" => console::pages(is_quick, &folder)?,
        "sync" if is_large => {
            let people = if is_quick { 100_000 } else { 1_000_000 };
            sync::million::first_and_next(people, &folder)?
        }
        "sync" => sync::contacts(if is_quick { 1 } else { 3 }, &folder)?,
        _ => {
            streams::run(if is_quick { 1_000 } else { 10_000 }, &folder)?;
            fs::remove_dir_all(&folder)?;
            return Ok(Outcome::Done);
        }
    };
    tools::print(&table.text());
    if table.fell_short() {
        tools::say("not every target was met; the figures above say where and by how much");
    }
    fs::remove_dir_all(&folder)?;
    Ok(Outcome::Done)
}
