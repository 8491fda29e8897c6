//! The customer's own database: PostgreSQL, MySQL or MariaDB, SQLite, SQL Server.
//!
//! What it can do, its queries say, and these are written in the configuration: it finds
//! people and accounts, tells what changed, and answers data actions. `statement` makes a
//! query of what was written, `database` asks it, `mapping` reads the rows. It writes nothing,
//! but for tables that are described as ends of a sync (`tables`). Set-up and quirks are in
//! README.md.

mod accounts;
mod cell;
mod changes;
mod check;
mod civil;
mod database;
mod lookup;
mod mapping;
mod queries;
mod requests;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod statement;
mod tables;

use crate::Vendor;
use database::address::Address;
use database::sqlite::File;
use database::{Database, Server, Times, mysql, postgres};
use kit::{Capabilities, Connector, Error, Manifest, Opening, Turnstile};
use queries::{Queries, invalid};
use statement::Dialect;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tables::{Editor, Names, Shapes};

/// The customer's own database, as the list of vendors has it.
#[must_use]
pub fn vendor() -> Vendor {
    Vendor {
        connector: Connector { manifest: Manifest::parse(include_str!("manifest.toml")), open },
        #[cfg(feature = "sim")]
        simulate: simulate::start,
    }
}

/// Opens a connection; the first query makes the first session.
fn open(opening: Opening) -> Result<Capabilities, Error> {
    let dialect = match opening.settings.required("engine")? {
        "postgresql" => Dialect::PostgreSql,
        "mysql" => Dialect::MySql,
        "sqlite" => Dialect::Sqlite,
        "sqlserver" => Dialect::SqlServer,
        _ => return Err(invalid("engine", "is postgresql, mysql, sqlite or sqlserver")),
    };
    let described = tables::of(&opening.settings, dialect)?;
    let queries = Arc::new(Queries::of(&opening.settings, dialect, &described)?);
    let turnstile = Turnstile::new(opening.limits);
    let database = database(dialect, &opening, turnstile.clone())?;
    let shapes = Arc::new(Shapes::new(Arc::clone(&database), dialect, described));
    let parts = || (Arc::clone(&database), Arc::clone(&queries));
    let numbers = opening.numbers;
    let lookup = queries.finds_people().then(|| {
        let (database, queries) = parts();
        Arc::new(lookup::Directory { database, queries, numbers }) as Arc<dyn kit::Lookup>
    });
    let accounts = queries.account.clone().map(|statement| {
        let (database, queries) = parts();
        Arc::new(accounts::Ledger { database, queries, statement }) as Arc<dyn kit::Accounts>
    });
    let settings = &opening.settings;
    let has_tables = !shapes.tables.is_empty();
    let changes = (!queries.changes.is_empty() || has_tables).then(|| {
        let (database, queries) = parts();
        let begin = settings.text("changes_begin").unwrap_or("0001-01-01 00:00:00").to_owned();
        let overlap = Duration::from_secs(settings.number("changes_overlap_s", 60));
        let shapes = Arc::clone(&shapes);
        Arc::new(changes::Journey { database, queries, shapes, begin, overlap, dialect })
            as Arc<dyn kit::Changes>
    });
    let requests = (!queries.named.is_empty()).then(|| {
        let (database, queries) = parts();
        Arc::new(requests::Named { database, queries }) as Arc<dyn kit::Requests>
    });
    let writes = has_tables
        .then(|| Arc::new(Editor { shapes: Arc::clone(&shapes) }) as Arc<dyn kit::Writes>);
    let forms =
        has_tables.then(|| Arc::new(Names { shapes: Arc::clone(&shapes) }) as Arc<dyn kit::Forms>);
    let rights = check::of_user(dialect)?;
    let check = Arc::new(check::Access { database, queries, shapes, rights });
    let rest = Capabilities::new(turnstile, check);
    Ok(Capabilities { lookup, accounts, changes, requests, writes, forms, ..rest })
}

fn database(
    dialect: Dialect,
    opening: &Opening,
    turnstile: Turnstile,
) -> Result<Arc<dyn Database>, Error> {
    let (settings, limits) = (&opening.settings, opening.limits);
    let call = settings.number("call_timeout_ms", 250);
    if call < 10 {
        return Err(invalid("call_timeout_ms", "is less than 10 milliseconds"));
    }
    let times =
        Times { call: Duration::from_millis(call).min(limits.timeout), background: limits.timeout };
    let address = |port| Address::of(settings, opening.network.clone(), port);
    Ok(match dialect {
        Dialect::Sqlite => {
            let file = Path::new(settings.required("file")?);
            if !file.is_absolute() {
                return Err(invalid("file", "is no absolute path"));
            }
            if !opening.network.allow_private_addresses {
                let reason = "is on this machine; allow_private_addresses = true permits it";
                return Err(invalid("file", reason));
            }
            Arc::new(File::new(file.to_path_buf(), turnstile, times))
        }
        Dialect::PostgreSql => {
            let driver = postgres::Postgres { address: address(5432)? };
            Arc::new(Server::new(driver, turnstile, limits, times))
        }
        Dialect::MySql => {
            let driver = mysql::MySql { address: address(3306)? };
            Arc::new(Server::new(driver, turnstile, limits, times))
        }
        #[cfg(feature = "mssql")]
        Dialect::SqlServer => {
            let driver = database::sqlserver::SqlServer { address: address(1433)? };
            Arc::new(Server::new(driver, turnstile, limits, times))
        }
        #[cfg(not(feature = "mssql"))]
        Dialect::SqlServer => {
            return Err(invalid("engine", "is sqlserver, and this build has no feature mssql"));
        }
    })
}
