//! Somewhere to put a store, gone when the test is over.

use domain::{
    CallId, Contact, ContactPhone, Direction, ExternalId, MediaType, PhoneKind, Prefix, Source,
    Status, Timestamp,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use state::decisions::NewDecision;
use state::subject::Record;
use state::{Error, Location, MasterKey, NewCall, NewJob, Options, Store};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};

#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) location: Location,
    pub(crate) folder: Arc<Folder>,
    /// Base URL and schema.
    postgres: Option<(String, String)>,
}

/// A folder of the test's own, removed with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(unique("tieline-state-"));
        std::fs::create_dir_all(&folder).expect("a folder in the system's temporary one");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_nanos();
    format!("{prefix}{}_{now}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self { location: Location::SqliteMemory, folder: Arc::new(Folder::new()), postgres: None }
    }

    pub(crate) fn disk() -> Self {
        let folder = Folder::new();
        let path = folder.0.join("data").join("tieline.db");
        Self { location: Location::Sqlite { path }, folder: Arc::new(folder), postgres: None }
    }

    /// `None`, said aloud once, where there is no server to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(base) = std::env::var("TIELINE_TEST_POSTGRES") else {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                // Straight to the stream: the test harness swallows what passing tests print.
                let _ = writeln!(
                    std::io::stdout(),
                    "SKIPPED postgres: TIELINE_TEST_POSTGRES is not set"
                );
            });
            return None;
        };
        let schema = unique("t_");
        run(&base, &format!("CREATE SCHEMA {schema}")).await;
        let mark = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{mark}options=-csearch_path%3D{schema}");
        Some(Self {
            location: Location::Postgres { url },
            folder: Arc::new(Folder::new()),
            postgres: Some((base, schema)),
        })
    }

    /// Another empty place of the same kind.
    pub(crate) async fn another(&self) -> Self {
        match self.location {
            Location::SqliteMemory => Self::memory(),
            Location::Sqlite { .. } => Self::disk(),
            Location::Postgres { .. } => Self::postgres().await.expect("as this one"),
        }
    }

    pub(crate) async fn drop_schema(&self) {
        if let Some((base, schema)) = &self.postgres {
            run(base, &format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }

    /// A connection beside the store's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        let Location::Postgres { url } = &self.location else {
            unreachable!("only PostgreSQL has other connections")
        };
        PgConnection::connect(url).await.expect("the test server answers")
    }

    pub(crate) async fn open(&self) -> Store {
        self.try_open(&master()).await.expect("the store opens")
    }

    pub(crate) async fn try_open(&self, master: &MasterKey) -> Result<Store, Error> {
        Store::open(&self.location, master, Options { connections: 8, ..Options::default() }).await
    }

    /// Changes the closed store behind its back.
    pub(crate) async fn tamper(&self, sql: &str) {
        match (&self.location, &self.postgres) {
            (Location::Sqlite { path }, _) => {
                let file = rusqlite::Connection::open(path).expect("the file opens");
                file.execute_batch(sql).expect("the statement runs");
            }
            (_, Some((base, schema))) => {
                run(base, &format!("SET search_path = {schema}; {sql}")).await;
            }
            _ => unreachable!("memory cannot be tampered with"),
        }
    }

    pub(crate) fn file(&self) -> &Path {
        match &self.location {
            Location::Sqlite { path } => path,
            _ => unreachable!("only a store on disk has a file"),
        }
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the test server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("closed");
}

pub(crate) fn master() -> MasterKey {
    "5a".repeat(32).parse().expect("a key")
}

pub(crate) fn id(text: &str) -> CallId {
    CallId::new(text).expect("a call id")
}

pub(crate) fn crm(record: &str) -> ExternalId {
    ExternalId::Record { prefix: Prefix::new("CRM").expect("a prefix"), record: record.to_owned() }
}

pub(crate) fn phone(store: &Store, e164: &str) -> ExternalId {
    ExternalId::Phone(store.phone_id(e164))
}

/// An inbound call of `+15550199999` over the connection `crm`.
pub(crate) fn call(call: &str, external_id: ExternalId) -> NewCall {
    NewCall {
        id: id(call),
        direction: Direction::Inbound,
        media: MediaType::Voice,
        number: Some("+15550199999".to_owned()),
        email: None,
        asked_record: None,
        dialled: Some("+15550190000".to_owned()),
        queue: Some("sales".to_owned()),
        user: None,
        connection: "crm".to_owned(),
        contact: match &external_id {
            ExternalId::Record { record, .. } => Some(record.clone()),
            _ => None,
        },
        external_id,
        status: Status::Hit,
        source: Source::Crm,
        arrived_at: Timestamp(1_000),
        answered_in_us: 1_234,
        deadline_us: 300_000,
        warnings: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        data: Default::default(),
    }
}

pub(crate) fn contact(record: &str, phones: &[&str], email: Option<&str>) -> Contact {
    Contact {
        record: record.to_owned(),
        object: "Contact".to_owned(),
        name: format!("John {record}"),
        email: email.map(str::to_owned),
        phones: phones.iter().map(|&phone| ContactPhone::new(PhoneKind::Work, phone)).collect(),
        data: [("loyaltyTier".to_owned(), "Gold".into())].into(),
        ..Contact::default()
    }
}

/// A decision for a call of a number, by what was seen of a record.
pub(crate) fn decision(call: &str, number: Option<&str>, record: Option<&str>) -> NewDecision {
    let of = |record: &str| Record { connection: "crm".to_owned(), record: record.to_owned() };
    NewDecision {
        call: id(call),
        entry: "did:+15550190000".to_owned(),
        at: Timestamp(1_000),
        set_revision: 1,
        rule: Some("Gold callers".to_owned()),
        line: Some(1),
        destination: "queue:Premium Support".to_owned(),
        status: "matched",
        took_us: 1_234,
        shadow: None,
        number: number.map(str::to_owned),
        connection: Some("crm".to_owned()),
        records: record.map(of).into_iter().collect(),
        details: br#"{"seen":{"loyaltyTier":"Zzgold"}}"#.to_vec(),
    }
}

pub(crate) fn job(key: Option<&str>, payload: &str, run_at: i64) -> NewJob {
    NewJob {
        connection: "crm".to_owned(),
        kind: "enrich",
        key: key.map(str::to_owned),
        payload: payload.as_bytes().to_vec(),
        run_at: Timestamp(run_at),
        subject: None,
    }
}

/// Every sealed column but that of keys.
const SEALED: [(&str, &str); 12] = [
    ("calls", "details"),
    ("calls", "identity"),
    ("contacts", "sealed"),
    ("jobs", "payload"),
    ("overrides", "sealed"),
    ("audit", "sealed"),
    ("customer_data", "sealed"),
    ("call_data", "sealed"),
    ("links", "sealed"),
    ("call_events", "sealed"),
    ("call_outcomes", "sealed"),
    ("decisions", "sealed"),
];

impl Place {
    /// Every sealed cell with its table, read past the store, which may be open.
    pub(crate) async fn sealed(&self) -> BTreeSet<(String, Vec<u8>)> {
        let mut cells = BTreeSet::new();
        for (table, column) in SEALED {
            let sql = format!("SELECT {column} FROM {table}");
            let found: Vec<Vec<u8>> = match (&self.location, &self.postgres) {
                (Location::Sqlite { path }, _) => {
                    let file = rusqlite::Connection::open(path).expect("the file opens");
                    let mut rows = file.prepare(&sql).expect("a statement");
                    let rows = rows.query_map([], |row| row.get(0)).expect("rows");
                    rows.map(|cell| cell.expect("a cell")).collect()
                }
                (_, Some((base, schema))) => {
                    let mut server = PgConnection::connect(base).await.expect("the server");
                    let sql = format!("SELECT {column} FROM {schema}.{table}");
                    let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut server).await;
                    rows.expect("rows")
                }
                _ => unreachable!("memory cannot be read past the store"),
            };
            cells.extend(found.into_iter().map(|cell| (table.to_owned(), cell)));
        }
        cells
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        match (&self.location, &self.postgres) {
            (Location::Sqlite { path }, _) => {
                let file = rusqlite::Connection::open(path).expect("the file opens");
                let sql = format!("SELECT count(*) FROM {table}");
                file.query_row(&sql, [], |row| row.get(0)).expect("a count")
            }
            (_, Some((base, schema))) => {
                let mut server = PgConnection::connect(base).await.expect("the server");
                let sql = format!("SELECT count(*) FROM {schema}.{table}");
                sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_one(&mut server)
                    .await
                    .expect("a count")
            }
            _ => unreachable!("memory cannot be read past the store"),
        }
    }

    /// Everything in the store's files; of a server's, which are not ours, nothing.
    pub(crate) async fn bytes(&self) -> Vec<u8> {
        let Location::Sqlite { path } = &self.location else { return Vec::new() };
        let files = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder");
        let files = files.map(|file| file.expect("an entry").path());
        files.flat_map(|path| std::fs::read(path).expect("a file")).collect()
    }
}
