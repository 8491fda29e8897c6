//! What the store promises, each fact over every engine.
//!
//! `facts!` runs a fact over SQLite in memory, SQLite on disk and PostgreSQL;
//! `lasting_facts!` leaves out memory, for what must survive a restart.
//! PostgreSQL is the server at `TIELINE_TEST_POSTGRES`, where each test makes
//! a schema of its own; without it those tests do not run, and say so.

mod access;
mod alerts;
mod backups;
mod calls;
mod corrections;
mod crosswalk;
mod decisions;
mod directory;
mod events;
mod feed;
mod jobs;
mod keys;
mod owning;
mod place;
mod presence;
mod reconcile;
mod reports;
mod reseal;
mod rules;
mod settings;
mod subjects;
mod sync;
mod tokens;
mod users;

/// Runs each fact over every engine.
macro_rules! facts {
    ($($fact:ident)*) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                super::$fact(crate::place::Place::memory()).await;
            })*
        }
        crate::lasting_facts!($($fact)*);
    };
}

/// Runs each fact over the engines that outlive a process.
macro_rules! lasting_facts {
    ($($fact:ident)*) => {
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                super::$fact(crate::place::Place::disk()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                let Some(place) = crate::place::Place::postgres().await else { return };
                let (fact, clean) = (place.clone(), place);
                let outcome = tokio::spawn(super::$fact(fact)).await;
                clean.drop_schema().await;
                outcome.expect("the fact holds");
            })*
        }
    };
}

pub(crate) use {facts, lasting_facts};
