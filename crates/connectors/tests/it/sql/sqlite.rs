//! SQLite: the seeded file of a customer, and files that are sick.

use super::tables;
use crate::rig::{EMAIL, PHONE, Rig, phone};
use connectors::sql::sim::{Config, JOHN, Planted};
use connectors::sql::simulate;
use domain::{Contact, PhoneKind, Region, Value};
use kit::{Ask, Capabilities, Error, Lane, Limits, Network, Opening, Settings};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// A connection of these settings, as the configuration would open it.
pub(super) fn open(settings: Settings, timeout: Duration) -> Result<Capabilities, Error> {
    let connector = connectors::by_name("sql").expect("sql");
    (connector.open)(Opening {
        name: "crm".to_owned(),
        settings,
        limits: Limits {
            requests_per_minute: 60_000,
            reserved_for_calls: 0,
            concurrent_calls: 4,
            concurrent_background: 2,
            timeout,
        },
        network: Network { allow_private_addresses: true, ..Network::default() },
        numbers: Region::parse("US").expect("a region").into(),
    })
}

pub(super) fn by_phone(e164: &str) -> Ask {
    Ask { phone: Some(phone(e164)), ..Ask::default() }
}

pub(super) fn by_email(email: &str) -> Ask {
    Ask { email: Some(email.to_owned()), ..Ask::default() }
}

pub(super) fn by_record(record: &str) -> Ask {
    Ask { record: Some(record.to_owned()), ..Ask::default() }
}

pub(super) async fn find(connection: &Capabilities, ask: Ask) -> Result<Vec<Contact>, Error> {
    let lookup = connection.lookup.as_ref().expect("a lookup");
    Ok(lookup.find(Lane::Call, &[ask]).await?.remove(0))
}

pub(super) fn set(mut settings: Settings, key: &str, value: impl Into<toml::Value>) -> Settings {
    settings.plain.insert(key.to_owned(), value.into());
    settings
}

fn planted() -> (Planted, Settings) {
    let planted = Planted::new(&Config::default()).expect("a file");
    let settings = simulate::settings(&planted);
    (planted, settings)
}

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn people_are_found_by_phone_email_and_record() {
    let (_planted, settings) = planted();
    let connection = open(settings, LONG).expect("complete settings");
    let mut names: Vec<String> = find(&connection, by_phone(PHONE))
        .await
        .expect("an answer")
        .into_iter()
        .map(|c| c.name)
        .collect();
    names.sort();
    assert_eq!(names, ["Jane Smith", "John Doe"]);
    for ask in [by_email("John.Doe@Example.com"), by_record(JOHN)] {
        let found = find(&connection, ask).await.expect("an answer");
        let [john] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(john.record, JOHN);
        assert_eq!(
            (john.first_name.as_deref(), john.last_name.as_deref()),
            (Some("John"), Some("Doe"))
        );
        assert_eq!(john.email.as_deref(), Some(EMAIL));
        assert_eq!(john.phones[0].e164, PHONE);
        assert_eq!(john.phones[0].kind, PhoneKind::Work);
        assert_eq!(john.data["tier"], Value::Text("Gold".to_owned()));
        assert_eq!(john.data["is_vip"], Value::Bool(false));
        assert!(john.created_at.is_some() && john.modified_at.is_some());
    }
    for nobody in [by_phone("+15550100000"), by_email("nobody@example.com"), by_record("C-1")] {
        assert_eq!(find(&connection, nobody).await.expect("an answer"), []);
    }
}

#[tokio::test]
async fn what_callers_say_is_never_read_as_sql() {
    let (planted, settings) = planted();
    let connection = open(settings, LONG).expect("complete settings");
    for text in
        ["' OR 1=1 --", "x'; DROP TABLE customers; --", "%", "\" OR \"\"=\"", "\\", "?1", ":email"]
    {
        for ask in [by_email(text), by_record(text)] {
            assert_eq!(find(&connection, ask).await.expect(text), [], "{text}");
        }
    }
    assert_eq!(planted.people().expect("a count"), 103);
}

#[tokio::test]
async fn a_query_that_writes_is_refused_by_sqlite_itself() {
    let (planted, settings) = planted();
    let sql = "WITH x AS (SELECT 1) DELETE FROM customers WHERE email = :email";
    let connection =
        open(set(settings, "lookup_by_email", sql), LONG).expect("it begins as a query");
    let error = find(&connection, by_email(EMAIL)).await.expect_err("it writes");
    assert!(
        matches!(&error, Error::Invalid { field: Some(field), .. } if field == "lookup_by_email"),
        "{error}"
    );
    assert_eq!(planted.people().expect("a count"), 103);
}

#[tokio::test]
async fn a_query_that_does_not_end_is_ended_in_its_time() {
    let (_planted, settings) = planted();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
               SELECT max(i) AS record, :email AS email FROM n";
    let connection = open(set(settings, "lookup_by_email", sql), LONG).expect("a query");
    let asked_at = Instant::now();
    let error = find(&connection, by_email(EMAIL)).await.expect_err("it does not end");
    assert!(error.to_string().contains("within 250 ms"), "{error}");
    assert!(asked_at.elapsed() < Duration::from_secs(2));
    let well = find(&connection, by_record(JOHN)).await.expect("other queries go on");
    assert_eq!(well.len(), 1);
}

#[tokio::test]
async fn a_file_that_somebody_writes_is_waited_for_and_then_told() {
    let (planted, settings) = planted();
    let connection = open(settings, LONG).expect("complete settings");
    let writer = Connection::open(planted.file()).expect("a writer");
    writer.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let error = find(&connection, by_record(JOHN)).await.expect_err("locked");
    assert_eq!(error.kind(), "unavailable");
    writer.execute_batch("COMMIT").expect("free");
    assert_eq!(find(&connection, by_record(JOHN)).await.expect("free").len(), 1);
}

#[tokio::test]
async fn what_is_no_database_is_told_as_what_it_is() {
    let (planted, settings) = planted();
    let connection = open(settings.clone(), LONG).expect("complete settings");
    std::fs::write(planted.file(), "Dear diary, this is no database. ".repeat(40))
        .expect("written");
    let error = find(&connection, by_record(JOHN)).await.expect_err("no database");
    assert!(error.to_string().contains("no SQLite database"), "{error}");
    std::fs::remove_file(planted.file()).expect("removed");
    let error = find(&connection, by_record(JOHN)).await.expect_err("no file");
    assert_eq!(error.kind(), "unavailable");
    assert!(!planted.file().exists(), "reading makes no file");
    let findings = connection.check.check().await;
    assert_eq!(findings[0].outcome.as_ref().expect_err("a flaw").code, "connection.unreachable");
}

#[tokio::test]
async fn a_file_is_private_and_so_refused_unless_allowed() {
    let (_planted, settings) = planted();
    let connector = connectors::by_name("sql").expect("sql");
    let refused = (connector.open)(Opening {
        name: "crm".to_owned(),
        settings: settings.clone(),
        limits: Limits {
            requests_per_minute: 1,
            reserved_for_calls: 0,
            concurrent_calls: 1,
            concurrent_background: 1,
            timeout: LONG,
        },
        network: Network::default(),
        numbers: Region::parse("US").expect("a region").into(),
    });
    let Err(Error::Invalid { field, .. }) = refused else { panic!("opened") };
    assert_eq!(field.as_deref(), Some("file"));
    let Err(Error::Invalid { field, .. }) = open(set(settings, "file", "crm.sqlite"), LONG) else {
        panic!("opened")
    };
    assert_eq!(field.as_deref(), Some("file"));
}

#[tokio::test]
async fn a_mistake_in_a_query_is_named_when_it_is_opened_or_checked() {
    let (_planted, settings) = planted();
    let refused = |key: &str, sql: &str| match open(set(settings.clone(), key, sql), LONG) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{sql} opens"),
    };
    let error = refused("lookup_by_phone", "SELECT *\nFROM customers WHERE phone = ':phone_e164'");
    assert!(error.contains("lookup_by_phone") && error.contains("line 2, column 31"), "{error}");
    assert!(refused("lookup_by_email", "SELECT :phone_e164").contains("there is :email"));
    for (sql, code, says) in [
        (
            "SELECT nothing FROM customers WHERE email = :email",
            "connection.setting_refused",
            "nothing",
        ),
        (
            "SELECT id FROM customers WHERE lower(email) = :email",
            "connection.field_missing",
            "`record`",
        ),
        (
            "SELECT id AS record, tier FROM customers WHERE lower(email) = :email",
            "connection.field_missing",
            "`email`",
        ),
        (
            "SELECT id AS record, email FROM customers WHERE email = :email",
            "connection.full_scan",
            "customers",
        ),
    ] {
        let connection = open(set(settings.clone(), "lookup_by_email", sql), LONG).expect(sql);
        let findings = connection.check.check().await;
        let of_query =
            findings.iter().find(|one| one.what == "lookup_by_email").expect("looked at");
        let flaw = of_query.outcome.as_ref().expect_err(sql);
        assert_eq!(flaw.code, code, "{flaw:?}");
        assert!(flaw.message.contains(says), "{flaw:?}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_its_bound_is_refused_and_one_with_many_rows_is_cut() {
    let (planted, settings) = planted();
    let writer = Connection::open(planted.file()).expect("a writer");
    writer.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) \
         INSERT INTO customers SELECT i, 'X-' || i, 'A', 'B', 'many@example.com', NULL, NULL, 0, '', '' FROM n; \
         UPDATE customers SET company = printf('%.*c', 3000000, 'x') WHERE email = 'jane.smith@example.com'; \
         UPDATE customers SET company = printf('%.*c', 3000000, 'x') WHERE email = 'john.doe@example.com'",
    ).expect("written");
    let connection = open(settings, LONG).expect("complete settings");
    assert_eq!(find(&connection, by_email("many@example.com")).await.expect("rows").len(), 500);
    let error = find(&connection, by_phone(PHONE)).await.expect_err("too large");
    assert!(error.to_string().contains("4 MiB"), "{error}");
}

#[tokio::test]
async fn the_contract_holds_for_the_seeded_file() {
    let vendor = connectors::all().into_iter().find(|v| v.connector.manifest.name == "sql");
    let rig = Rig::of(vendor.expect("listed")).await;
    let connection = rig.open().await;
    let accounts = connection.accounts.as_ref().expect("accounts");
    let ids = ["C-1000002", "C-1000004", "", "nobody"].map(str::to_owned);
    let found = accounts.find(Lane::Call, &ids).await.expect("an answer");
    let account = found[0].as_ref().expect("open invoices");
    assert_eq!(account.record, "C-1000002");
    assert_eq!(account.data["openInvoices"], Value::Integer(1));
    assert!(matches!(account.data["openAmount"], Value::Number(amount) if amount > 10.0));
    assert_eq!(found[1..], [None, None, None], "none is open");
}

const MEMBERS: &str = "
CREATE TABLE members (
    id INTEGER PRIMARY KEY, tieline_key TEXT UNIQUE, name TEXT NOT NULL DEFAULT '', email TEXT UNIQUE,
    score INTEGER CHECK (score < 1000), amount NUMERIC, is_vip BOOLEAN, born DATE, seen_at DATETIME, tags TEXT,
    prefs JSON, labels JSON, gone_at DATETIME,
    updated_at DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX members_by_update ON members (updated_at, id);
";

macro_rules! of_tables_on_sqlite {
    ($($fact:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $fact() {
            let (planted, settings) = planted();
            let writer = Connection::open(planted.file()).expect("a writer");
            writer.execute_batch(MEMBERS).expect("a table");
            tables::$fact(&tables::described(&settings_without_tables(settings))).await;
        }
    )*};
}

/// Deletions are told of tables that are there alone.
fn settings_without_tables(mut settings: Settings) -> Settings {
    for key in ["changes", "deletions", "tables"] {
        settings.plain.remove(key);
    }
    settings
}

of_tables_on_sqlite!(
    a_row_is_made_once_changed_as_it_was_seen_and_deleted,
    many_writers_make_each_row_once,
    the_check_says_what_is_missing,
    a_row_may_be_deleted_by_a_mark,
    a_list_may_be_kept_as_json,
);

#[tokio::test]
async fn who_has_nearly_the_same_key_or_id_is_not_written_over() {
    for by_id in [false, true] {
        let (planted, settings) = planted();
        let writer = Connection::open(planted.file()).expect("a writer");
        let loose = MEMBERS.replace("tieline_key TEXT", "tieline_key TEXT COLLATE NOCASE");
        writer.execute_batch(&loose).expect("a table");
        let settings = tables::described(&settings_without_tables(settings));
        match by_id {
            false => {
                tables::who_has_nearly_the_same_key_is_not_written_over(&settings, &["ABC"]).await;
            }
            true => {
                tables::who_has_nearly_the_same_id_is_not_written_over(&settings, &["ABC"]).await;
            }
        }
    }
}

#[tokio::test]
async fn who_is_referred_to_cannot_be_deleted() {
    let (planted, settings) = planted();
    let connection = open(settings, LONG).expect("complete settings");
    let writes = connection.writes.as_ref().expect("it writes");
    // John has phones, and SQLite itself would let them point at nobody.
    let error = writes.delete("people", JOHN, None).await.expect_err("referred to");
    assert_eq!(error.kind(), "invalid", "{error}");
    assert_eq!(planted.people().expect("a count"), 103);
}
