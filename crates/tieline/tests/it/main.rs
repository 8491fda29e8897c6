//! Tieline from outside: HTTP in, simulated vendors out, each file named by what
//! it proves.
//!
//! The built binary runs as a process with a real configuration; `rig` sets it
//! up. Facts about what is stored run over SQLite and over PostgreSQL (the server
//! that `TIELINE_TEST_POSTGRES` names; without it those say that they are skipped).

/// Runs each fact over SQLite and over PostgreSQL.
macro_rules! facts {
    ($($fact:ident)*) => {
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                super::$fact(crate::rig::Place::disk()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                let Some(place) = crate::rig::Place::postgres().await else { return };
                super::$fact(place).await;
            })*
        }
    };
}
pub(crate) use facts;

mod access;
mod actions;
mod actions_behind;
mod actions_genesys;
mod alerts;
mod console;
mod console_tasks;
mod contact_center;
mod corrections;
mod crosswalk;
mod customers;
mod deadline;
mod demo;
mod demo_sync;
mod directory;
mod erp;
mod events;
mod health;
mod input;
mod lookup;
mod numbers;
mod oidc;
mod operation;
mod own_database;
mod presence;
mod presence_console;
mod presence_teams;
mod presence_walk;
mod privacy;
mod reconcile;
mod reports;
#[path = "../rig/mod.rs"]
mod rig;
mod rights;
mod rules;
mod rules_own;
mod settings;
mod sign_in;
mod simulators;
mod streams;
mod subjects;
mod switch;
mod sync;
mod sync_growth;
mod sync_health;
mod sync_kill;
mod sync_people;
mod sync_push;
mod sync_sql;
mod tls;
mod users;
mod visitor;
mod widget;
