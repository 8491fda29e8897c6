//! Where a store lies: SQLite in the test's folder, or a schema of a PostgreSQL server.

use super::folder::{Folder, unique};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::io::Write as _;
use std::sync::Once;

/// A place for one store, gone with the test.
pub(crate) enum Place {
    Disk(Folder),
    Postgres(Schema),
}

/// A schema of the server that `TIELINE_TEST_POSTGRES` names.
pub(crate) struct Schema {
    base: String,
    name: String,
}

impl Place {
    pub(crate) fn disk() -> Self {
        Self::Disk(Folder::new())
    }

    /// `None`, said aloud once, where there is no server to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(base) = std::env::var("TIELINE_TEST_POSTGRES") else {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                // Straight to the stream: the test harness swallows what passing tests print.
                let mut out = std::io::stdout();
                writeln!(out, "SKIPPED postgres: TIELINE_TEST_POSTGRES is not set").ok();
            });
            return None;
        };
        let name = unique("it_");
        run(&base, &format!("CREATE SCHEMA {name}")).await;
        Some(Self::Postgres(Schema { base, name }))
    }

    /// As the configuration writes it.
    pub(crate) fn location(&self) -> String {
        match self {
            Self::Disk(folder) => format!("sqlite:{}", folder.join("tieline.db").display()),
            Self::Postgres(Schema { base, name }) => {
                let mark = if base.contains('?') { '&' } else { '?' };
                format!("{base}{mark}options=-csearch_path%3D{name}")
            }
        }
    }

    /// Another empty place of the same kind.
    pub(crate) async fn another(&self) -> Self {
        match self {
            Self::Disk(_) => Self::disk(),
            Self::Postgres(_) => Self::postgres().await.expect("as this one"),
        }
    }

    /// Everything that lies there, in one heap of bytes.
    pub(crate) async fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Disk(folder) => {
                let files = std::fs::read_dir(folder.path()).expect("a folder");
                let files = files.map(|file| file.expect("an entry").path());
                files.flat_map(|path| std::fs::read(path).expect("a file")).collect()
            }
            Self::Postgres(schema) => schema.bytes().await,
        }
    }
}

impl Schema {
    async fn bytes(&self) -> Vec<u8> {
        let mut heap = Vec::new();
        let mut connection = PgConnection::connect(&self.base).await.expect("the server");
        let tables =
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1";
        let tables: Vec<String> = sqlx::query_scalar(tables)
            .bind(&self.name)
            .fetch_all(&mut connection)
            .await
            .expect("the list of tables");
        assert!(!tables.is_empty(), "a store has tables");
        for table in tables {
            let rows = format!("SELECT row_to_json(t)::text FROM {}.{table} t", self.name);
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_all(&mut connection)
                .await
                .expect("the rows of a table");
            for row in rows {
                heap.extend_from_slice(row.as_bytes());
                heap.extend(bytea(&row));
            }
        }
        heap
    }
}

/// The bytes behind every `\x…` of a row.
fn bytea(row: &str) -> Vec<u8> {
    let hex = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    let parts = row.split("\\x").skip(1);
    parts.flat_map(|part| part.as_bytes().chunks(2).map_while(hex).collect::<Vec<_>>()).collect()
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (base, name) = (self.base.clone(), self.name.clone());
        // A test's runtime may be ending: the goodbye has a thread of its own.
        let goodbye = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let drop = format!("SET lock_timeout = '5s'; DROP SCHEMA {name} CASCADE");
            runtime.expect("a runtime").block_on(run(&base, &drop));
        });
        goodbye.join().ok();
    }
}

async fn run(base: &str, sql: &str) {
    let mut connection = PgConnection::connect(base).await.expect("the server");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .expect("a statement");
    connection.close().await.ok();
}
