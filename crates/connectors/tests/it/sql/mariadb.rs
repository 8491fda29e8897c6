//! MariaDB, as `cargo xtask test` brings it up.

use super::changes;
use super::servers::{self, LONG, Place};
use super::sqlite::{by_record, find, open, set};
use super::tables;
use crate::rig::settings;
use domain::Value;
use kit::Secret;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};
use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const SCHEMA: &str = "
CREATE TABLE people (
    id bigint PRIMARY KEY, record varchar(190) UNIQUE NOT NULL, name text, email varchar(190), phone varchar(40),
    digits varchar(40), tier varchar(20), updated_at datetime(6) NOT NULL,
    INDEX (email), INDEX (phone), INDEX (digits), INDEX (tier), INDEX (updated_at, record)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE removed (record varchar(190) PRIMARY KEY, merged_into text, removed_at timestamp(6) NOT NULL, INDEX (removed_at, record));
CREATE FUNCTION bump(of varchar(190)) RETURNS varchar(190) MODIFIES SQL DATA
    BEGIN UPDATE people SET tier = 'Bumped' WHERE email = of; RETURN 'C-1'; END;
INSERT INTO people VALUES
    (1, 'C-1', 'John Doe', 'john.doe@example.com', '(555) 019-9999', '5550199999', 'Gold', '2026-01-01 08:00:00.123456'),
    (2, 'C-2', 'Maria Garcia', 'maria.garcia@example.com', '+1 555 0198 888', '15550198888', 'Bronze', '2026-01-02 08:00:00');
";

/// A session of the test's own, that logs no statement: they hold people and passwords.
async fn connected(url: &str) -> MySqlConnection {
    let options =
        MySqlConnectOptions::from_str(url).expect("an address").disable_statement_logging();
    options.connect().await.expect("a session")
}

static SAID: Once = Once::new();

/// A database of this test's own; `None` where there is no server.
async fn place() -> Option<(Place, MySqlConnection)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    crate::logs::capture();
    let Ok(url) = std::env::var("TIELINE_TEST_MARIADB") else {
        // Past the harness: a passing test's own output is not shown.
        SAID.call_once(|| {
            let why = "SKIPPED sql on MariaDB: TIELINE_TEST_MARIADB is not set\n";
            let _ = std::io::stderr().write_all(why.as_bytes());
        });
        return None;
    };
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let database = format!("tieline_sql_{}_{nth}", std::process::id());
    let mut server = connected(&url).await;
    let make = AssertSqlSafe(format!("CREATE DATABASE {database}"));
    server.execute(sqlx::raw_sql(make)).await.expect("a database");
    let mut url = url::Url::parse(&url).expect("an address");
    url.set_path(&database);
    let mut admin = connected(url.as_str()).await;
    admin.execute(sqlx::raw_sql(SCHEMA)).await.expect("tables");
    let settings = settings(
        &[
            ("engine", "mysql".into()),
            ("host", url.host_str().expect("a host").into()),
            ("port", i64::from(url.port().unwrap_or(3306)).into()),
            ("database", database.into()),
            ("user", url.username().into()),
            ("tls", "off".into()),
            (
                "lookup_by_phone",
                "SELECT record, name, email, phone, tier FROM people WHERE digits IN (:phone_digits, :phone_national)"
                    .into(),
            ),
            ("lookup_by_email", "SELECT record, name, email, phone FROM people WHERE email = :email_lower".into()),
            ("lookup_by_record", "SELECT record, name, email, phone FROM people WHERE record = :record -- one".into()),
            ("queries", toml::Value::Table(
                [("by_tier".to_owned(), "SELECT record, tier FROM people WHERE tier = :tier".into())].into_iter().collect(),
            )),
        ],
        &[("password", url.password().unwrap_or_default())],
    );
    let place = Place {
        settings,
        slow: "SELECT 'C-1' AS record, :email AS email, SLEEP(30) AS slept",
        writes: "SELECT bump(:email) AS record, :email AS email",
        numbered: "SELECT id AS record, name FROM people WHERE id = :record",
    };
    Some((place, admin))
}

macro_rules! on_mariadb {
    ($($fact:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $fact() {
            if let Some((place, _admin)) = place().await {
                servers::$fact(&place).await;
            }
        }
    )*};
}

on_mariadb!(
    people_are_found,
    a_query_that_writes_is_refused_by_the_server,
    a_slow_query_is_ended_at_the_server_and_its_session_goes_on,
    a_network_that_hangs_costs_each_call_its_own_answer,
    a_server_that_was_started_again_is_reached_by_the_next_call,
    nobody_listens_and_is_told_so,
    background_work_never_takes_a_calls_session,
    sessions_are_as_many_as_places,
    a_named_query_answers_a_data_action,
    the_check_names_what_is_missing,
);

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let Some((place, mut admin)) = place().await else { return };
    let database = place.settings.text("database").expect("a name").to_owned();
    let user = format!("locked_{}", &database[database.len() - 8..]);
    let made = format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY 'hunter2-right'; GRANT SELECT ON {database}.people TO '{user}'@'%'"
    );
    admin.execute(sqlx::raw_sql(AssertSqlSafe(made))).await.expect("a user");
    let mut locked = set(place.settings.clone(), "user", user.as_str());
    locked.secrets.insert("password".to_owned(), Secret::new("hunter2-right".to_owned()));
    // Whether it may log in is what counts here, not to which database.
    servers::a_wrong_password_is_told_and_never_shown(&place, locked.clone()).await;
    let sql = "SELECT record FROM removed WHERE record = :record";
    let connection = open(set(locked, "lookup_by_record", sql), LONG).expect("settings");
    let error = find(&connection, by_record("C-1")).await.expect_err("no right");
    assert!(error.kind() == "forbidden" && error.to_string().contains("removed"), "{error}");
}

#[tokio::test]
async fn every_type_has_one_form() {
    let Some((place, _admin)) = place().await else { return };
    let sql = "SELECT 'C-1' AS record, :record AS email, CAST(7 AS SIGNED) AS i, \
        18446744073709551615 AS huge, 1234.50 AS price, CAST('12345678901234567890.12' AS DECIMAL(30,2)) AS large, \
        1.5e0 AS f8, DATE '2026-11-22' AS day, CAST('2026-11-22 08:00:00.5' AS DATETIME(1)) AS local, \
        TIMESTAMP '2026-11-22 08:00:00' AS plain, CAST('-26:00:01' AS TIME) AS span, NULL AS nothing, \
        JSON_OBJECT('a', 1) AS json, X'FF00' AS bytes, 'ß ''' AS text, YEAR('2026-11-22') AS year, \
        removed_at AS instant FROM (SELECT 1) AS one LEFT JOIN removed ON TRUE";
    let connection =
        open(set(place.settings.clone(), "lookup_by_record", sql), LONG).expect("settings");
    let found = find(&connection, by_record("C-1")).await.expect("an answer");
    let data = &found[0].data;
    let text = |text: &str| Value::Text(text.to_owned());
    for (name, expected) in [
        ("i", Value::Integer(7)),
        ("huge", text("18446744073709551615")),
        ("price", Value::Number(1234.5)),
        ("large", text("12345678901234567890.12")),
        ("f8", Value::Number(1.5)),
        ("day", text("2026-11-22")),
        ("local", text("2026-11-22T08:00:00.500000")),
        ("plain", text("2026-11-22T08:00:00")),
        ("span", text("-26:00:01")),
        ("json", text("{\"a\": 1}")),
        ("bytes", text("\\xff00")),
        ("text", text("ß '")),
        ("year", Value::Integer(2026)),
    ] {
        assert_eq!(data.get(name), Some(&expected), "{name}");
    }
    assert!(!data.contains_key("nothing") && !data.contains_key("instant"));
}

#[tokio::test]
async fn what_is_said_is_bound_and_never_read() {
    let Some((place, mut admin)) = place().await else { return };
    let mut runner = TestRunner::deterministic();
    let texts: Vec<String> = (0..200)
        .map(|_| ".{1,40}".new_tree(&mut runner).expect("a text").current())
        .filter(|text| !text.trim().is_empty())
        .chain(
            ["'; DROP TABLE people; --", "' OR ''='", "\\' OR 1=1 #", "?", ":email", "\\", "%"]
                .map(str::to_owned),
        )
        .collect();
    servers::what_is_said_is_bound_and_never_read(&place, &texts).await;
    // Somebody who is really called so is found.
    let connection = place.open();
    for (nth, text) in texts.iter().enumerate() {
        let id = i64::try_from(nth).expect("few") + 100;
        let record = format!("{}{nth}", text.trim());
        sqlx::query("INSERT INTO people (id, record, updated_at) VALUES (?, ?, now())")
            .bind(id)
            .bind(&record)
            .execute(&mut admin)
            .await
            .expect("a row");
        let found = find(&connection, by_record(&record)).await.expect("an answer");
        assert_eq!(found.len(), 1, "{record}");
    }
}

#[tokio::test]
async fn changes_are_told_once_each_and_late_ones_are_not_missed() {
    let Some((place, mut admin)) = place().await else { return };
    let settings = changes::telling(
        &place.settings,
        "SELECT record, name, tier, updated_at AS modified_at FROM people \
         WHERE updated_at > :after_time OR (updated_at = :after_time AND record > :after_id) \
         ORDER BY updated_at, record LIMIT :page",
        "SELECT record, merged_into AS `into`, removed_at AS modified_at FROM removed \
         WHERE removed_at > :after_time OR (removed_at = :after_time AND record > :after_id) \
         ORDER BY removed_at, record LIMIT :page",
    );
    changes::everything_is_told_in_pages(&settings, 2).await;
    // One that began before, and commits after what came later was read.
    let mut late = connected(&changes::url_of(&settings)).await;
    for sql in [
        "BEGIN",
        "INSERT INTO people (id, record, name, updated_at) VALUES (3, 'C-3', 'Late', '2026-01-03 08:00:00')",
    ] {
        late.execute(sqlx::raw_sql(sql)).await.expect("begun");
    }
    admin
        .execute(sqlx::raw_sql(
            "INSERT INTO people (id, record, name, updated_at) VALUES (4, 'C-4', 'Early', '2026-01-03 08:00:01'); \
             INSERT INTO removed VALUES ('C-9', 'C-1', '2026-01-03 09:00:00')",
        ))
        .await
        .expect("rows");
    changes::a_late_commit_is_told(&settings, async move || {
        late.execute(sqlx::raw_sql("COMMIT")).await.expect("committed");
    })
    .await;
}

const MEMBERS: &str = "
CREATE TABLE members (
    id bigint AUTO_INCREMENT PRIMARY KEY, tieline_key varchar(40) UNIQUE,
    name varchar(20) NOT NULL DEFAULT '', email varchar(190) UNIQUE, score int CHECK (score < 1000),
    amount decimal(10, 2), is_vip tinyint(1), born date, seen_at datetime(6), tags text, prefs json, labels json,
    gone_at datetime(6), updated_at datetime(6) NOT NULL DEFAULT utc_timestamp(6), INDEX (updated_at, id)
) CHARACTER SET utf8mb4;
";

/// A place with a table that is written.
async fn with_members() -> Option<(Place, MySqlConnection, kit::Settings)> {
    let (place, mut admin) = place().await?;
    admin.execute(sqlx::raw_sql(MEMBERS)).await.expect("a table");
    let settings = tables::described(&place.settings);
    Some((place, admin, settings))
}

macro_rules! of_tables_on_mariadb {
    ($($fact:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $fact() {
            if let Some((_place, _admin, settings)) = with_members().await {
                tables::$fact(&settings).await;
            }
        }
    )*};
}

of_tables_on_mariadb!(
    a_row_is_made_once_changed_as_it_was_seen_and_deleted,
    one_bad_row_spoils_no_other,
    many_writers_make_each_row_once,
    the_check_says_what_is_missing,
    a_row_may_be_deleted_by_a_mark,
    a_list_may_be_kept_as_json,
);

/// To the server's own collation.
const NEAR: [&str; 3] = ["ABC", "abc ", "\u{e1}bc"];

#[tokio::test]
async fn who_has_nearly_the_same_key_is_not_written_over() {
    let Some((_place, _admin, settings)) = with_members().await else { return };
    tables::who_has_nearly_the_same_key_is_not_written_over(&settings, &NEAR).await;
}

#[tokio::test]
async fn who_has_nearly_the_same_id_is_not_written_over() {
    let Some((_place, _admin, settings)) = with_members().await else { return };
    tables::who_has_nearly_the_same_id_is_not_written_over(&settings, &NEAR).await;
}

#[tokio::test]
async fn every_type_is_written_and_read_again() {
    let Some((_place, _admin, settings)) = with_members().await else { return };
    tables::every_type_is_written_and_read_again(&settings, false).await;
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_told_alone() {
    let Some((_place, mut admin, settings)) = with_members().await else { return };
    tables::a_row_that_somebody_holds_is_told_alone(&settings, async |id| {
        let sql = format!("UPDATE members SET score = 1 WHERE id = {id}");
        admin.execute(sqlx::raw_sql("BEGIN")).await.expect("begun");
        admin.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("held");
    })
    .await;
}

#[tokio::test]
async fn what_the_user_may_not_is_named() {
    let Some((place, mut admin, _settings)) = with_members().await else { return };
    let database = place.settings.text("database").expect("a name").to_owned();
    let user = format!("reader_{}", &database[database.len() - 8..]);
    let sql = format!(
        "CREATE USER '{user}'@'%'; GRANT SELECT ON {database}.members TO '{user}'@'%'; \
         INSERT INTO members (id, tieline_key) VALUES (1, 'K-1')"
    );
    admin.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a user");
    tables::what_the_user_may_not_is_named(&place, &user).await;
}
