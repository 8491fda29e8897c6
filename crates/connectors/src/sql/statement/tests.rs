//! What is read as what, and what is refused where.

use super::{Argument, Dialect, Given, Parameter, Statement, Takes};
use kit::Error;
use proptest::prelude::*;

const ALL: [Dialect; 4] =
    [Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite, Dialect::SqlServer];
const TAKES: Takes = Takes::Some(&[
    Parameter::one("phone"),
    Parameter::one("email"),
    Parameter { name: "forms", most: 3 },
]);

fn compile(sql: &str, dialect: Dialect) -> Result<Statement, String> {
    Statement::compile("lookup", sql, dialect, TAKES).map_err(|error| match error {
        Error::Invalid { field, reason } => {
            assert_eq!(field.as_deref(), Some("lookup"));
            reason
        }
        other => panic!("{other:?}"),
    })
}

fn text(sql: &str, dialect: Dialect) -> String {
    compile(sql, dialect).unwrap_or_else(|reason| panic!("{sql}: {reason}")).text
}

#[test]
fn a_name_becomes_the_engines_own_placeholder() {
    let sql = "SELECT a FROM b WHERE c = :phone OR d = :email OR e = :phone";
    for (dialect, expected) in [
        (Dialect::PostgreSql, "SELECT a FROM b WHERE c = $1 OR d = $2 OR e = $3"),
        (Dialect::MySql, "SELECT a FROM b WHERE c = ? OR d = ? OR e = ?"),
        (Dialect::Sqlite, "SELECT a FROM b WHERE c = ?1 OR d = ?2 OR e = ?3"),
        (Dialect::SqlServer, "SELECT a FROM b WHERE c = @P1 OR d = @P2 OR e = @P3"),
    ] {
        assert_eq!(text(sql, dialect), expected);
    }
    let statement = compile(sql, Dialect::Sqlite).expect("a query");
    assert_eq!(statement.parameters(), ["phone", "email"]);
    let given = [("email", Given::from("e")), ("phone", Given::from("p"))];
    let texts = ["p", "e", "p"].map(|text| Argument::Text(text.to_owned()));
    assert_eq!(statement.arguments(&given).expect("all given"), texts);
    let error = statement.arguments(&given[..1]).expect_err("one is missing");
    assert!(matches!(error, Error::Invalid { field: Some(field), .. } if field == "phone"));
}

#[test]
fn a_list_has_a_fixed_number_of_places_and_the_last_fills_them() {
    let statement =
        compile("SELECT 1 WHERE x in ( :forms )", Dialect::PostgreSql).expect("a query");
    assert_eq!(statement.text, "SELECT 1 WHERE x in ( $1, $2, $3 )");
    let given = [("forms", Given::Many(vec!["a".into(), "b".into()]))];
    let texts = ["a", "b", "b"].map(|text| Argument::Text(text.to_owned()));
    assert_eq!(statement.arguments(&given).expect("given"), texts);
    for sql in ["SELECT 1 WHERE x = :forms", "SELECT f(:forms)", "SELECT 1 WHERE x IN (1, :forms)"]
    {
        let reason = compile(sql, Dialect::PostgreSql).expect_err(sql);
        assert!(reason.contains("write IN (:forms)"), "{reason}");
    }
}

#[test]
fn quotes_comments_and_casts_are_left_as_they_are() {
    for (dialect, sql, expected) in [
        (
            Dialect::PostgreSql,
            "SELECT :phone::text, 'a:b''c', \"x:y\"",
            "SELECT $1::text, 'a:b''c', \"x:y\"",
        ),
        (Dialect::PostgreSql, "SELECT E'it\\'s', :email", "SELECT E'it\\'s', $1"),
        (Dialect::PostgreSql, "SELECT 'c:\\', :email", "SELECT 'c:\\', $1"),
        (
            Dialect::PostgreSql,
            "SELECT $$a:b'$$, $t$;$$:x$t$, :email",
            "SELECT $$a:b'$$, $t$;$$:x$t$, $1",
        ),
        (
            Dialect::PostgreSql,
            "SELECT /* :a /* ' */ ; */ :email -- ; :b '\n, 1",
            "SELECT /* :a /* ' */ ; */ $1 -- ; :b '\n, 1",
        ),
        (
            Dialect::PostgreSql,
            "SELECT a[1 : 2], b ? 'k', c$d, :email",
            "SELECT a[1 : 2], b ? 'k', c$d, $1",
        ),
        (
            Dialect::MySql,
            "SELECT `a:b`, \"it''s\", :email # ; it's\n, 1",
            "SELECT `a:b`, \"it''s\", ? # ; it's\n, 1",
        ),
        (Dialect::MySql, "SELECT 5--:email", "SELECT 5--?"),
        (Dialect::MySql, "SELECT 'a\\\\', '%\\%', :email", "SELECT 'a\\\\', '%\\%', ?"),
        (Dialect::MySql, "SELECT /* /* */ :email", "SELECT /* /* */ ?"),
        (Dialect::Sqlite, "SELECT [a:b], `c:d`, :email", "SELECT [a:b], `c:d`, ?1"),
        (Dialect::SqlServer, "SELECT @@VERSION, [a]]:b], :email", "SELECT @@VERSION, [a]]:b], @P1"),
    ] {
        assert_eq!(text(sql, dialect), expected, "{sql}");
    }
}

#[test]
fn what_is_no_single_query_is_refused_where_it_stands() {
    for (sql, at, says) in [
        ("DELETE FROM a WHERE b = :email", "line 1, column 1", "begins with SELECT"),
        ("\n  UPDATE a SET b = :email", "line 2, column 3", "begins with SELECT"),
        ("", "line 1, column 1", "begins with SELECT"),
        ("SELECT :email; DROP TABLE a", "line 1, column 14", "second statement"),
        ("SELECT 1 INTO b FROM a WHERE c = :email", "line 1, column 10", "INTO keeps"),
        ("SELECT :email FOR UPDATE", "line 1, column 15", "locks"),
        ("SELECT :email\nFOR /* */ SHARE", "line 2, column 1", "locks"),
        ("SELECT ':email'", "line 1, column 9", "inside quotes"),
        ("SELECT '%:email%', :phone", "line 1, column 10", "inside quotes"),
        ("SELECT \":email\", :phone", "line 1, column 9", "inside quotes"),
        ("SELECT :mail", "line 1, column 8", "no parameter `:mail`"),
        ("SELECT 1", "line 1, column 1", "none of its parameters"),
        ("SELECT 'a, :email", "line 1, column 8", "never closed"),
        ("SELECT :email /* a", "line 1, column 15", "never closed"),
        ("SELECT (:email", "line 1, column 15", "parenthesis is open"),
        ("SELECT :email) FROM a --", "line 1, column 14", "never opened"),
        ("SELECT :email\0", "line 1, column 14", "NUL"),
    ] {
        for dialect in ALL {
            let reason = compile(sql, dialect).expect_err(sql);
            assert!(reason.starts_with(at) && reason.contains(says), "{dialect:?} {sql}: {reason}");
        }
    }
    for (dialect, sql) in [
        (Dialect::PostgreSql, "SELECT $1, :email"),
        (Dialect::MySql, "SELECT ?, :email"),
        (Dialect::Sqlite, "SELECT ?, :email"),
        (Dialect::Sqlite, "SELECT @a, :email"),
        (Dialect::Sqlite, "SELECT $a, :email"),
        (Dialect::SqlServer, "SELECT @a, :email"),
    ] {
        let reason = compile(sql, dialect).expect_err(sql);
        assert!(reason.contains("placeholder of the engine's own"), "{sql}: {reason}");
    }
    for sql in
        ["SELECT 'it\\'s', :email", "SELECT /*!50000 1, */ :email", "SELECT 1 LOCK IN SHARE MODE"]
    {
        compile(sql, Dialect::MySql).expect_err(sql);
    }
    compile("SELECT $a$ :email", Dialect::PostgreSql).expect_err("an open quote");
    let long = format!("SELECT :email, '{}'", "x".repeat(70_000));
    assert!(compile(&long, Dialect::Sqlite).expect_err("long").contains("64 KiB"));
}

#[test]
fn a_semicolon_at_the_end_is_none() {
    assert_eq!(text("SELECT :email ;\n", Dialect::Sqlite), "SELECT ?1 ");
    let sql = "WITH a AS (VALUES (:email)) SELECT * FROM a";
    assert_eq!(text(sql, Dialect::Sqlite), "WITH a AS (VALUES (?1)) SELECT * FROM a");
    assert!(Statement::compile("q", "VALUES (1)", Dialect::Sqlite, Takes::Any).is_ok());
}

/// Parts from which somebody could make a query that is read in two ways.
fn part() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "SELECT ",
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "--",
        "-- ",
        "#",
        "/*",
        "*/",
        "/*!",
        "\\",
        ":",
        "::",
        ":email",
        ":phone",
        ":forms",
        "IN (",
        "(",
        ")",
        ";",
        "\n",
        " ",
        "E",
        "x",
        "1",
        "ß",
        "?",
        "@",
        "@@",
        ",",
        "INTO",
        "FOR UPDATE",
    ])
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(parts in prop::collection::vec(part(), 0..24)) {
        for dialect in ALL {
            let sql = parts.concat();
            let _ = Statement::compile("lookup", &sql, dialect, TAKES);
        }
    }

    /// SQLite itself is the judge: of what passes, it sees one statement, with as many
    /// placeholders as we bind, and it never reads a semicolon or a name of ours as syntax.
    #[test]
    fn sqlite_reads_what_passes_as_we_do(parts in prop::collection::vec(part(), 0..16)) {
        let sql = format!("SELECT {}", parts.concat());
        let Ok(statement) = Statement::compile("lookup", &sql, Dialect::Sqlite, TAKES) else {
            return Ok(());
        };
        let connection = rusqlite::Connection::open_in_memory().expect("in memory");
        if let Ok(prepared) = connection.prepare(&statement.text) {
            prop_assert!(prepared.readonly());
            prop_assert_eq!(prepared.parameter_count(), statement.binds.len(), "{}", statement.text);
        }
    }

    /// Whatever is asked for, the text that is sent is the same.
    #[test]
    fn no_value_becomes_text(value in ".*") {
        let sql = "SELECT a FROM b WHERE c = :email";
        let statement = Statement::compile("lookup", sql, Dialect::Sqlite, TAKES).expect("a query");
        let arguments = statement.arguments(&[("email", value.as_str().into())]).expect("given");
        prop_assert_eq!(statement.text, "SELECT a FROM b WHERE c = ?1");
        prop_assert_eq!(arguments, vec![Argument::Text(value)]);
    }
}
