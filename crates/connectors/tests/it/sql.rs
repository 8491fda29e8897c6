//! The customer's own database, on real engines.
//!
//! SQLite is part of the program. PostgreSQL and MariaDB are brought up by `cargo xtask test`;
//! without them their tests say `skipped`. What a network does wrong, a relay does in between.

mod changes;
mod mariadb;
mod postgres;
mod relay;
mod servers;
mod sqlite;
mod tables;
