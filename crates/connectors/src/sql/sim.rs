//! A customer's own database of people who do not exist, as a SQLite file.
//!
//! As such databases are: numbers as people typed them beside their digits alone, invoices,
//! times without a zone, deletions remembered in a table, and everything that a lookup
//! compares has an index.

use ::sim::seed::{self, Person, Use};
use rusqlite::{Connection, Transaction, params};
use std::io;
use std::path::{Path, PathBuf};

/// What the file shall hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// People besides the fixed ones.
    pub people: u64,
    /// The same people for the same seed.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { people: 100, seed: 7 }
    }
}

const SCHEMA: &str = "
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    customer_no TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT,
    company TEXT,
    tier TEXT,
    is_vip BOOLEAN NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX customers_by_email ON customers (lower(email));
CREATE INDEX customers_by_update ON customers (updated_at, customer_no);
CREATE TABLE phones (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    used TEXT NOT NULL,
    typed TEXT NOT NULL,
    digits TEXT NOT NULL
);
CREATE INDEX phones_by_digits ON phones (digits);
CREATE INDEX phones_by_customer ON phones (customer_id);
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    customer_no TEXT NOT NULL,
    amount NUMERIC NOT NULL,
    due_on TEXT NOT NULL,
    paid BOOLEAN NOT NULL
);
CREATE INDEX invoices_by_customer ON invoices (customer_no);
CREATE TABLE removed (
    customer_no TEXT PRIMARY KEY,
    merged_into TEXT,
    removed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX removed_by_time ON removed (removed_at, customer_no);
CREATE TRIGGER customers_removed AFTER DELETE ON customers BEGIN
    INSERT OR REPLACE INTO removed
    VALUES (old.customer_no, NULL, strftime('%Y-%m-%d %H:%M:%f', 'now'));
END;
CREATE TRIGGER customers_again AFTER INSERT ON customers BEGIN
    DELETE FROM removed WHERE customer_no = new.customer_no;
END;
";

/// The number of John Doe's record.
pub const JOHN: &str = "C-1000001";

/// Makes the file, anew: the fixed people, whom examples call by name, and as many generated
/// ones as wanted.
///
/// # Errors
/// When the file cannot be written.
pub fn plant(file: &Path, config: &Config) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(file, config).map_err(io::Error::other)
}

fn write(file: &Path, config: &Config) -> rusqlite::Result<()> {
    let mut connection = Connection::open(file)?;
    // Nothing of it is worth a wait for the disk: it is made again by the same words.
    connection.pragma_update(None, "synchronous", "off")?;
    connection.execute_batch(SCHEMA)?;
    let all = connection.transaction()?;
    let mut id = 1_000_000;
    for person in seed::fixed().into_iter().chain(seed::people(config.people, config.seed)) {
        id += 1;
        add(&all, id, &person)?;
    }
    all.execute(
        "INSERT INTO removed VALUES ('C-0999998', 'C-1000001', '2025-03-01 08:00:00'), \
         ('C-0999999', NULL, '2025-03-02 08:00:00')",
        [],
    )?;
    all.commit()?;
    connection.close().map_err(|(_, error)| error)
}

fn add(all: &Transaction<'_>, id: i64, person: &Person) -> rusqlite::Result<()> {
    let number = format!("C-{id}");
    // One minute after another, from 2024 on.
    let minute = id - 1_000_000;
    let at = format!(
        "2024-{:02}-{:02} {:02}:{:02}:00",
        1 + (minute / 40_320) % 12,
        1 + (minute / 1_440) % 28,
        (minute / 60) % 24,
        minute % 60
    );
    let insert = "INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";
    all.prepare_cached(insert)?.execute(params![
        id,
        number,
        person.first,
        person.last,
        person.email,
        person.company,
        person.tier,
        person.tier == "Platinum",
        at,
    ])?;
    let mut phones = all.prepare_cached("INSERT INTO phones VALUES (?1, ?2, ?3, ?4)")?;
    for phone in &person.phones {
        let used = match phone.used {
            Use::Work => "work",
            Use::Mobile => "mobile",
            Use::Home => "home",
        };
        phones.execute(params![id, used, phone.typed, phone.e164.trim_start_matches('+')])?;
    }
    let insert = "INSERT INTO invoices (customer_no, amount, due_on, paid) VALUES (?1, ?2, ?3, ?4)";
    let mut invoices = all.prepare_cached(insert)?;
    for nth in 0..id % 4 {
        let cents = (id * 7919 + nth * 104_729) % 90_000 + 1_000;
        let amount = f64::from(i32::try_from(cents).unwrap_or(0)) / 100.0;
        invoices.execute(params![number, amount, format!("2026-{:02}-15", nth + 1), nth == 0])?;
    }
    Ok(())
}

/// A file that is gone when this is dropped.
#[derive(Debug)]
pub struct Planted {
    folder: PathBuf,
}

impl Planted {
    /// Makes it in a folder of its own among the system's temporary ones.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(config: &Config) -> io::Result<Planted> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tieline-sql-{}-{nth}", std::process::id());
        let planted = Planted { folder: std::env::temp_dir().join(name) };
        std::fs::create_dir_all(&planted.folder)?;
        plant(&planted.file(), config)?;
        Ok(planted)
    }

    /// Where it is.
    pub fn file(&self) -> PathBuf {
        self.folder.join("standard_crm.sqlite")
    }

    /// How many people it holds now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn people(&self) -> io::Result<usize> {
        let count = || -> rusqlite::Result<i64> {
            let connection = Connection::open(self.file())?;
            connection.query_row("SELECT count(*) FROM customers", [], |row| row.get(0))
        };
        usize::try_from(count().map_err(io::Error::other)?).map_err(io::Error::other)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        // What stays is in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
