//! PostgreSQL, as `cargo xtask test` brings it up.

use super::servers::{self, LONG, Place};
use super::sqlite::{by_email, by_record, find, open, set};
use super::{changes, relay::Weather, tables};
use crate::rig::settings;
use domain::Value;
use kit::{Secret, Settings};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, Row as _};
use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const SCHEMA: &str = "
CREATE TABLE people (
    id bigint PRIMARY KEY, record text UNIQUE NOT NULL, name text, email text, phone text,
    tier text, updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON people (lower(email));
CREATE INDEX ON people (email);
CREATE INDEX ON people (phone);
CREATE INDEX ON people (tier);
CREATE INDEX ON people ((regexp_replace(phone, '[^0-9]', '', 'g')));
CREATE INDEX ON people (updated_at, record);
CREATE TABLE removed (record text PRIMARY KEY, merged_into text, removed_at timestamptz NOT NULL);
CREATE INDEX ON removed (removed_at, record);
CREATE FUNCTION bump(text) RETURNS text LANGUAGE sql AS
    $$ UPDATE people SET tier = 'Bumped' WHERE email = $1 RETURNING record $$;
INSERT INTO people VALUES
    (1, 'C-1', 'John Doe', 'john.doe@example.com', '(555) 019-9999', 'Gold', '2026-01-01 08:00:00.123456+00'),
    (2, 'C-2', 'Maria Garcia', 'maria.garcia@example.com', '+1 555 0198 888', 'Bronze', '2026-01-02 08:00:00+00');
";

/// A session of the test's own, that logs no statement: they hold people and passwords.
async fn connected(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).expect("an address").disable_statement_logging();
    options.connect().await.expect("a session")
}

static SAID: Once = Once::new();

/// A database of this test's own; `None` where there is no server.
async fn place() -> Option<(Place, PgConnection)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    crate::logs::capture();
    let Ok(url) = std::env::var("TIELINE_TEST_POSTGRES") else {
        // Past the harness: a passing test's own output is not shown.
        SAID.call_once(|| {
            let why = "SKIPPED sql on PostgreSQL: TIELINE_TEST_POSTGRES is not set\n";
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
            ("engine", "postgresql".into()),
            ("host", url.host_str().expect("a host").into()),
            ("port", i64::from(url.port().unwrap_or(5432)).into()),
            ("database", database.into()),
            ("user", url.username().into()),
            ("tls", "off".into()),
            (
                "lookup_by_phone",
                "SELECT record, name, email, phone, tier FROM people \
                 WHERE regexp_replace(phone, '[^0-9]', '', 'g') IN (:phone_digits, :phone_national)"
                    .into(),
            ),
            (
                "lookup_by_email",
                "SELECT record, name, email, phone FROM people WHERE lower(email) = :email_lower"
                    .into(),
            ),
            (
                "lookup_by_record",
                "SELECT record, name, email, phone FROM people WHERE record = :record -- one"
                    .into(),
            ),
            (
                "queries",
                toml::Value::Table(
                    [(
                        "by_tier".to_owned(),
                        "SELECT record, tier FROM people WHERE tier = :tier".into(),
                    )]
                    .into_iter()
                    .collect(),
                ),
            ),
        ],
        &[("password", url.password().unwrap_or("none"))],
    );
    let place = Place {
        settings,
        slow: "SELECT 'C-1' AS record, :email AS email, pg_sleep(30)::text AS slept",
        writes: "SELECT bump(:email) AS record, :email AS email",
        numbered: "SELECT id AS record, name FROM people WHERE id = :record::bigint",
    };
    Some((place, admin))
}

macro_rules! on_postgres {
    ($($fact:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $fact() {
            if let Some((place, _admin)) = place().await {
                servers::$fact(&place).await;
            }
        }
    )*};
}

on_postgres!(
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
    let user = format!("{}_locked", place.settings.text("database").expect("a name"));
    // The test server trusts everybody; this user has to show a password.
    let made = format!(
        "CREATE ROLE {user} LOGIN PASSWORD 'hunter2-right'; GRANT SELECT ON people TO {user}; \
         CREATE TEMPORARY TABLE hba AS SELECT line FROM regexp_split_to_table(\
            pg_read_file(current_setting('hba_file')), E'\\n') WITH ORDINALITY AS l(line, n) ORDER BY n; \
         DO $$ BEGIN EXECUTE format('COPY (SELECT %L UNION ALL SELECT line FROM hba) TO %L', \
            'host all {user} 127.0.0.1/32 scram-sha-256', current_setting('hba_file')); END $$; \
         SELECT pg_reload_conf()"
    );
    admin.execute(sqlx::raw_sql(AssertSqlSafe(made))).await.expect("a user");
    let mut locked = set(place.settings.clone(), "user", user.as_str());
    locked.secrets.insert("password".to_owned(), Secret::new("hunter2-wrong".to_owned()));
    // The server reads the file in its own time.
    for _ in 0..500 {
        let refused = find(&open(locked.clone(), LONG).expect("settings"), by_record("C-1")).await;
        if refused.is_err() {
            break;
        }
    }
    locked.secrets.insert("password".to_owned(), Secret::new("hunter2-right".to_owned()));
    servers::a_wrong_password_is_told_and_never_shown(&place, locked.clone()).await;
    // And it may read people, but nothing else.
    let sql = "SELECT record FROM removed WHERE record = :record";
    let connection = open(set(locked, "lookup_by_record", sql), LONG).expect("settings");
    let error = find(&connection, by_record("C-1")).await.expect_err("no right");
    assert!(error.kind() == "forbidden" && error.to_string().contains("removed"), "{error}");
    let findings = connection.check.check().await;
    let flaw = findings.last().expect("findings");
    let of_record = findings.iter().find(|one| one.what == "lookup_by_record").unwrap_or(flaw);
    assert_eq!(of_record.outcome.as_ref().expect_err("a flaw").code, "connection.scope_missing");
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_replaced() {
    let Some((place, mut admin)) = place().await else { return };
    let connection = place.open();
    assert_eq!(find(&connection, by_record("C-1")).await.expect("fine").len(), 1);
    let ended = sqlx::query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'tieline'",
    );
    let ended: i64 = ended.fetch_one(&mut admin).await.expect("ended").get(0);
    assert_eq!(ended, 1);
    assert_eq!(find(&connection, by_record("C-1")).await.expect("a new one").len(), 1);
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_is_not_left_running() {
    let Some((place, mut admin)) = place().await else { return };
    let (relay, settings) = place.behind_a_relay().await;
    let connection = open(set(settings, "lookup_by_email", place.slow), LONG).expect("settings");
    assert_eq!(find(&connection, by_record("C-1")).await.expect("fine").len(), 1);
    let asking = tokio::spawn(async move { find(&connection, by_email("x@example.com")).await });
    let running = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND state = 'active' \
                   AND pid <> pg_backend_pid()";
    let mut count = async |wanted: i64| {
        for _ in 0..10_000 {
            let now: i64 =
                sqlx::query(running).fetch_one(&mut admin).await.expect("a count").get(0);
            if now == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("never {wanted}");
    };
    count(1).await;
    relay.set(Weather::Hangs);
    assert!(asking.await.expect("no panic").is_err());
    count(0).await;
}

#[tokio::test]
async fn every_type_has_one_form() {
    let Some((place, _admin)) = place().await else { return };
    let sql = "SELECT 'C-1' AS record, :record AS email, 7::int2 AS i2, 9007199254740993::int8 AS i8, \
        1234.50::numeric AS price, 12345678901234567890.12::numeric AS large, 'NaN'::float8 AS nan, 0.1::float4 AS f4, \
        true AS yes, DATE '2026-11-22' AS day, TIMESTAMP '2026-11-22 08:00:00.5' AS local, \
        TIMESTAMPTZ '2026-11-22 09:00:00+01' AS instant, '{\"a\": [1]}'::jsonb AS json, NULL::text AS nothing, \
        ARRAY['a', NULL, 'b'] AS list, ARRAY[1, 2] AS numbers, '\\xff00'::bytea AS bytes, \
        'c0ffee00-0000-4000-8000-000000000000'::uuid AS uuid, INTERVAL '1 day 2 hours' AS span, \
        '10.0.0.0/8'::cidr AS net, 'ß '''::varchar AS text, int4range(1, 5) AS range, ROW(1, 'x') AS row";
    let connection =
        open(set(place.settings.clone(), "lookup_by_record", sql), LONG).expect("settings");
    let found = find(&connection, by_record("C-1")).await.expect("an answer");
    let data = &found[0].data;
    let text = |text: &str| Value::Text(text.to_owned());
    for (name, expected) in [
        ("i2", Value::Integer(7)),
        ("i8", Value::Integer(9_007_199_254_740_993)),
        ("price", Value::Number(1234.5)),
        ("large", text("12345678901234567890.12")),
        ("nan", text("NaN")),
        ("f4", Value::Number(0.1)),
        ("yes", Value::Bool(true)),
        ("day", text("2026-11-22")),
        ("local", text("2026-11-22T08:00:00.5")),
        ("instant", text("2026-11-22T08:00:00+00:00")),
        ("json", text("{\"a\":[1]}")),
        ("list", Value::List(vec!["a".into(), "b".into()])),
        ("numbers", Value::List(vec![1.into(), 2.into()])),
        ("bytes", text("\\xff00")),
        ("uuid", text("c0ffee00-0000-4000-8000-000000000000")),
        ("span", text("P1DT2H")),
        ("net", text("10.0.0.0/8")),
        ("text", text("ß '")),
        ("range", text("[1,5)")),
        ("row", text("{\"f1\":1,\"f2\":\"x\"}")),
    ] {
        assert_eq!(data.get(name), Some(&expected), "{name}");
    }
    assert!(!data.contains_key("nothing"));
}

#[tokio::test]
async fn what_is_said_is_bound_and_never_read() {
    let Some((place, mut admin)) = place().await else { return };
    let mut runner = TestRunner::deterministic();
    // No NUL: PostgreSQL's own text has none, and refuses one.
    let texts: Vec<String> = (0..200)
        .map(|_| "[^\\x00]{1,40}".new_tree(&mut runner).expect("a text").current())
        .filter(|text| !text.trim().is_empty())
        .chain(
            ["'; DROP TABLE people; --", "' OR ''='", "$1", ":email", "\\", "%"].map(str::to_owned),
        )
        .collect();
    servers::what_is_said_is_bound_and_never_read(&place, &texts).await;
    // Somebody who is really called so is found.
    let connection = place.open();
    for (nth, text) in texts.iter().enumerate() {
        let id = i64::try_from(nth).expect("few") + 100;
        let record = format!("{}{nth}", text.trim());
        sqlx::query("INSERT INTO people (id, record) VALUES ($1, $2)")
            .bind(id)
            .bind(&record)
            .execute(&mut admin)
            .await
            .expect("a row");
        let found = find(&connection, by_record(&record)).await.expect("an answer");
        assert_eq!(found.len(), 1, "{record}");
    }
    let error = find(&connection, by_record("a\0b")).await;
    assert!(!matches!(&error, Ok(found) if !found.is_empty()), "{error:?}");
    assert_eq!(find(&connection, by_record("C-1")).await.expect("well").len(), 1);
}

/// Settings with queries of changes in PostgreSQL's words.
fn telling(place: &Place) -> Settings {
    changes::telling(
        &place.settings,
        "SELECT record, name, tier, updated_at AS modified_at FROM people \
         WHERE (updated_at, record) > (:after_time::timestamptz, :after_id) ORDER BY updated_at, record LIMIT :page",
        "SELECT record, merged_into AS \"into\", removed_at AS modified_at FROM removed \
         WHERE (removed_at, record) > (:after_time::timestamptz, :after_id) ORDER BY removed_at, record LIMIT :page",
    )
}

#[tokio::test]
async fn changes_are_told_once_each_and_late_ones_are_not_missed() {
    let Some((place, mut admin)) = place().await else { return };
    let settings = telling(&place);
    changes::everything_is_told_in_pages(&settings, 2).await;
    // One that began before, and commits after what came later was read.
    let mut late = connected(&changes::url_of(&settings)).await;
    late.execute(sqlx::raw_sql(
        "BEGIN; INSERT INTO people (id, record, name, updated_at) VALUES (3, 'C-3', 'Late', '2026-01-03 08:00:00+00')",
    ))
    .await
    .expect("begun");
    admin.execute(sqlx::raw_sql(
        "INSERT INTO people (id, record, name, updated_at) VALUES (4, 'C-4', 'Early', '2026-01-03 08:00:01+00'); \
         INSERT INTO removed VALUES ('C-9', 'C-1', '2026-01-03 09:00:00+00')",
    ))
    .await
    .expect("rows");
    changes::a_late_commit_is_told(&settings, async move || {
        late.execute(sqlx::raw_sql("COMMIT")).await.expect("committed");
    })
    .await;
}

/// Has the server take TLS as well, with a certificate of our own; `false` where it has none.
async fn with_tls(admin: &mut PgConnection, certificate: &str, key: &str) -> bool {
    for (file, pem) in [("server.crt", certificate), ("server.key", key)] {
        let lines: Vec<String> = pem.lines().map(|line| format!("('{line}')")).collect();
        // Written by the server itself, which takes a key only from a file that is its own.
        let copy = format!(
            "DO $$ BEGIN EXECUTE format('COPY (SELECT * FROM (VALUES {}) AS pem) TO PROGRAM %L', \
             'cd ' || current_setting('data_directory') || ' && rm -f {file} && umask 077 && cat > {file}'); END $$",
            lines.join(",").replace('\'', "''")
        );
        admin.execute(sqlx::raw_sql(AssertSqlSafe(copy))).await.expect("a file");
    }
    for sql in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
        admin.execute(sqlx::raw_sql(sql)).await.expect("set");
    }
    let url = std::env::var("TIELINE_TEST_POSTGRES").expect("looked at before");
    let options =
        PgConnectOptions::from_str(&url).expect("an address").ssl_mode(PgSslMode::Require);
    // The server takes them in its own time.
    for _ in 0..500 {
        if options.connect().await.is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn the_way_is_private_as_it_was_asked_for() {
    let Some((place, mut admin)) = place().await else { return };
    let authority = rcgen::KeyPair::generate().expect("a key");
    let mut of_authority = rcgen::CertificateParams::new(Vec::new()).expect("names");
    of_authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = of_authority.self_signed(&authority).expect("a certificate");
    let issuer = rcgen::Issuer::new(of_authority, authority);
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    let of_server = names.signed_by(&key, &issuer).expect("a certificate");
    if !with_tls(&mut admin, &of_server.pem(), &key.serialize_pem()).await {
        println!("skipped: this PostgreSQL has no TLS");
        return;
    }
    let folder = std::env::temp_dir().join(format!("tieline-sql-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (ours, other) = (folder.join("ours.pem"), folder.join("other.pem"));
    std::fs::write(&ours, certificate.pem()).expect("written");
    let stranger = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).expect("a certificate");
    std::fs::write(&other, stranger.cert.pem()).expect("written");
    let missing = folder.join("missing.pem");
    let asked = async |host: &str, tls: &str, authorities: Option<&std::path::Path>| {
        let mut settings = set(set(place.settings.clone(), "host", host), "tls", tls);
        if let Some(file) = authorities {
            settings = set(settings, "tls_authorities", file.display().to_string());
        }
        let sql = "SELECT 'C-1' AS record, :record AS name, \
                   (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted";
        let settings = set(settings, "lookup_by_record", sql);
        let found = find(&open(settings, LONG)?, by_record("C-1")).await;
        found.map(|found| found[0].data["encrypted"] == Value::Bool(true))
    };
    assert_eq!(asked("localhost", "verify", Some(&ours)).await, Ok(true));
    assert_eq!(asked("localhost", "encrypt", None).await, Ok(true));
    assert_eq!(asked("localhost", "off", None).await, Ok(false));
    for (host, authorities, field) in [
        ("localhost", Some(&other), "tls"),
        ("localhost", None, "tls"),
        ("127.0.0.1", Some(&ours), "tls"),
        ("localhost", Some(&missing), "tls_authorities"),
    ] {
        let error = asked(host, "verify", authorities.map(|file| file.as_path())).await;
        let error = error.expect_err("not trusted");
        let named =
            matches!(&error, kit::Error::Invalid { field: Some(named), .. } if named == field);
        assert!(named, "{host} {authorities:?}: {error:?}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

const MEMBERS: &str = "
CREATE TABLE members (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, tieline_key varchar(40) UNIQUE,
    name varchar(20) NOT NULL DEFAULT '', email text UNIQUE, score integer CHECK (score < 1000),
    amount numeric(10, 2), is_vip boolean, born date, seen_at timestamptz, tags text, prefs jsonb, labels text[],
    gone_at timestamptz, updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON members (updated_at, id);
";

/// A place with a table that is written.
async fn with_members() -> Option<(Place, PgConnection, Settings)> {
    let (place, mut admin) = place().await?;
    admin.execute(sqlx::raw_sql(MEMBERS)).await.expect("a table");
    let settings = tables::described(&place.settings);
    Some((place, admin, settings))
}

macro_rules! of_tables_on_postgres {
    ($($fact:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $fact() {
            if let Some((_place, _admin, settings)) = with_members().await {
                tables::$fact(&settings).await;
            }
        }
    )*};
}

of_tables_on_postgres!(
    a_row_is_made_once_changed_as_it_was_seen_and_deleted,
    one_bad_row_spoils_no_other,
    many_writers_make_each_row_once,
    the_check_says_what_is_missing,
    a_row_may_be_deleted_by_a_mark,
    a_list_may_be_kept_as_json,
);

#[tokio::test]
async fn the_servers_own_count_of_transactions_is_a_version() {
    let Some((_place, _admin, settings)) = with_members().await else { return };
    let settings = tables::with(&settings, "version", "xmin");
    tables::a_row_is_made_once_changed_as_it_was_seen_and_deleted(&settings).await;
}

#[tokio::test]
async fn every_type_is_written_and_read_again() {
    let Some((_place, _admin, settings)) = with_members().await else { return };
    tables::every_type_is_written_and_read_again(&settings, true).await;
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_told_alone() {
    let Some((_place, mut admin, settings)) = with_members().await else { return };
    tables::a_row_that_somebody_holds_is_told_alone(&settings, async |id| {
        let sql = format!("BEGIN; UPDATE members SET score = 1 WHERE id = {id}");
        admin.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("held");
    })
    .await;
}

#[tokio::test]
async fn what_the_user_may_not_is_named() {
    let Some((place, mut admin, _settings)) = with_members().await else { return };
    let user = format!("{}_reader", place.settings.text("database").expect("a name"));
    let sql = format!(
        "CREATE ROLE {user} LOGIN; GRANT SELECT ON members TO {user}; \
         INSERT INTO members (id, tieline_key) VALUES (1, 'K-1')"
    );
    admin.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a user");
    tables::what_the_user_may_not_is_named(&place, &user).await;
}
