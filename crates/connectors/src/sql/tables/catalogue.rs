//! What the database itself says of a table: its columns, their types, which are unique,
//! and what this user may do to them.

use super::Table;
use super::shape::{Column, Holds, Shape};
use super::text::quoted;
use crate::sql::cell::{Cell, Row};
use crate::sql::database::Database;
use crate::sql::statement::{Dialect, Given, Statement, Takes};
use kit::{Error, Lane};

const POSTGRESQL: &str = "
SELECT a.attname AS name, t.typname AS type, t.typcategory AS category,
  pg_catalog.format_type(a.atttypid, -1) AS kind,
  CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
  NOT a.attnotnull AS nullable, (a.attgenerated <> '' OR a.attidentity = 'a') AS computed,
  pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT') AS may_insert,
  pg_catalog.has_column_privilege(c.oid, a.attnum, 'UPDATE') AS may_update,
  pg_catalog.has_table_privilege(c.oid, 'DELETE') AS may_delete,
  EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS is_unique
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE c.oid = pg_catalog.to_regclass(:quoted) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

const MYSQL: &str = "
SELECT c.COLUMN_NAME AS name, c.DATA_TYPE AS type, c.COLUMN_TYPE AS category,
  c.CHARACTER_MAXIMUM_LENGTH AS length, c.IS_NULLABLE = 'YES' AS nullable,
  (c.EXTRA LIKE '%GENERATED%' AND c.EXTRA NOT LIKE '%DEFAULT_GENERATED%') AS computed,
  c.PRIVILEGES LIKE '%insert%' AS may_insert, c.PRIVILEGES LIKE '%update%' AS may_update,
  ((SELECT count(*) FROM information_schema.USER_PRIVILEGES u WHERE u.PRIVILEGE_TYPE = 'DELETE')
   + (SELECT count(*) FROM information_schema.SCHEMA_PRIVILEGES p
      WHERE p.PRIVILEGE_TYPE = 'DELETE' AND c.TABLE_SCHEMA LIKE p.TABLE_SCHEMA)
   + (SELECT count(*) FROM information_schema.TABLE_PRIVILEGES p WHERE p.PRIVILEGE_TYPE = 'DELETE'
      AND p.TABLE_SCHEMA = c.TABLE_SCHEMA AND p.TABLE_NAME = c.TABLE_NAME)) > 0 AS may_delete,
  EXISTS (SELECT 1 FROM information_schema.STATISTICS s WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA
    AND s.TABLE_NAME = c.TABLE_NAME AND s.COLUMN_NAME = c.COLUMN_NAME AND s.NON_UNIQUE = 0 AND s.SUB_PART IS NULL
    AND NOT EXISTS (SELECT 1 FROM information_schema.STATISTICS o WHERE o.TABLE_SCHEMA = s.TABLE_SCHEMA
      AND o.TABLE_NAME = s.TABLE_NAME AND o.INDEX_NAME = s.INDEX_NAME AND o.SEQ_IN_INDEX > 1)) AS is_unique
FROM information_schema.COLUMNS c
WHERE c.TABLE_SCHEMA = IF(:schema = '', DATABASE(), :schema) AND c.TABLE_NAME = :table
ORDER BY c.ORDINAL_POSITION";

const SQLITE: &str = "
SELECT c.name AS name, c.type AS type, '' AS category, NULL AS length,
  (c.\"notnull\" = 0 AND c.pk = 0) AS nullable, c.hidden IN (2, 3) AS computed,
  1 AS may_insert, 1 AS may_update, 1 AS may_delete,
  ((c.pk = 1 AND (SELECT count(*) FROM pragma_table_xinfo(:table) k WHERE k.pk > 0) = 1)
   OR EXISTS (SELECT 1 FROM pragma_index_list(:table) i WHERE i.\"unique\" = 1 AND i.partial = 0
     AND (SELECT count(*) FROM pragma_index_info(i.name)) = 1
     AND (SELECT n.name FROM pragma_index_info(i.name) n) = c.name)) AS is_unique
FROM pragma_table_xinfo(:table) c WHERE c.hidden <> 1 ORDER BY c.cid";

const SQLSERVER: &str = "
SELECT c.name AS name, t.name AS type, '' AS category,
  CASE WHEN t.name IN ('nvarchar', 'nchar') AND c.max_length > 0 THEN c.max_length / 2
       WHEN t.name IN ('varchar', 'char') AND c.max_length > 0 THEN c.max_length END AS length,
  c.is_nullable AS nullable, CASE WHEN c.is_computed = 1 OR c.is_identity = 1 THEN 1 ELSE 0 END AS computed,
  HAS_PERMS_BY_NAME(:quoted, 'OBJECT', 'INSERT', c.name, 'COLUMN') AS may_insert,
  HAS_PERMS_BY_NAME(:quoted, 'OBJECT', 'UPDATE', c.name, 'COLUMN') AS may_update,
  HAS_PERMS_BY_NAME(:quoted, 'OBJECT', 'DELETE') AS may_delete,
  CASE WHEN EXISTS (SELECT 1 FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id
    AND k.index_id = i.index_id AND k.key_ordinal = 1 AND k.column_id = c.column_id
    WHERE i.object_id = c.object_id AND i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0
    AND NOT EXISTS (SELECT 1 FROM sys.index_columns m WHERE m.object_id = i.object_id
      AND m.index_id = i.index_id AND m.key_ordinal = 2)) THEN 1 ELSE 0 END AS is_unique
FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id
WHERE c.object_id = OBJECT_ID(:quoted) ORDER BY c.column_id";

/// Asks for a table; it has no columns where there is none.
///
/// # Errors
/// Any [`Error`].
pub(super) async fn look(
    database: &dyn Database,
    dialect: Dialect,
    lane: Lane,
    table: &Table,
) -> Result<Shape, Error> {
    let sql = match dialect {
        Dialect::PostgreSql => POSTGRESQL,
        Dialect::MySql => MYSQL,
        Dialect::Sqlite => SQLITE,
        Dialect::SqlServer => SQLSERVER,
    };
    let statement = Statement::compile(&table.at, sql, dialect, Takes::Any)?;
    let (schema, name) = &table.name;
    let given: [(&str, Given); 3] = [
        ("quoted", quoted(dialect, &table.name).as_str().into()),
        ("schema", schema.as_deref().unwrap_or_default().into()),
        ("table", name.as_str().into()),
    ];
    let rows = database.rows(lane, &statement, statement.arguments(&given)?).await?;
    let columns = rows.iter().filter_map(|row| column(dialect, row)).collect();
    let may_delete = rows.first().is_some_and(|row| is(row, "may_delete"));
    Ok(Shape { table: table.clone(), dialect, columns, may_delete })
}

fn column(dialect: Dialect, row: &Row) -> Option<Column> {
    let (name, kind) = (row.text("name")?, row.text("type").unwrap_or_default());
    let category = row.text("category").unwrap_or_default();
    let length = row.text("length").and_then(|length| length.parse().ok());
    Some(Column {
        name,
        holds: holds(dialect, &kind.to_ascii_lowercase(), &category),
        kind: row.text("kind").unwrap_or(kind),
        length,
        is_nullable: is(row, "nullable"),
        is_unique: is(row, "is_unique"),
        is_computed: is(row, "computed"),
        may_insert: is(row, "may_insert"),
        may_update: is(row, "may_update"),
    })
}

fn is(row: &Row, name: &str) -> bool {
    matches!(row.get(name), Some(Cell::Bool(true) | Cell::Integer(1..)))
}

fn holds(dialect: Dialect, kind: &str, category: &str) -> Holds {
    if dialect == Dialect::Sqlite {
        return declared(kind);
    }
    match kind {
        "tinyint" if category.starts_with("tinyint(1)") => Holds::Bool,
        "bool" => Holds::Bool,
        "bit" if dialect == Dialect::SqlServer => Holds::Bool,
        "int2" | "int4" | "int8" | "tinyint" | "smallint" | "mediumint" | "int" | "bigint"
        | "year" => Holds::Integer,
        "numeric" | "decimal" | "float4" | "float8" | "float" | "double" | "real" | "money"
        | "smallmoney" => Holds::Number,
        "date" => Holds::Date,
        "timestamptz" | "datetimeoffset" => Holds::Moment { zoned: true },
        // SQL Server's `timestamp` counts changes and holds no time.
        "timestamp" | "rowversion" if dialect == Dialect::SqlServer => Holds::Bytes,
        "timestamp" | "datetime" | "datetime2" | "smalldatetime" => Holds::Moment { zoned: false },
        "json" | "jsonb" => Holds::Json,
        "uuid" | "uniqueidentifier" => Holds::Uuid,
        "binary" | "varbinary" | "blob" | "tinyblob" | "mediumblob" | "longblob" => Holds::Bytes,
        "text" | "varchar" | "bpchar" | "citext" | "char" | "nchar" | "nvarchar" | "ntext"
        | "tinytext" | "mediumtext" | "longtext" => Holds::Text,
        _ if dialect == Dialect::PostgreSql && category == "A" => Holds::List,
        _ => Holds::Other,
    }
}

/// What a declared type means to people; to SQLite itself it is a hint.
fn declared(kind: &str) -> Holds {
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    match kind {
        _ if has(&["bool"]) => Holds::Bool,
        _ if has(&["int"]) => Holds::Integer,
        _ if has(&["json"]) => Holds::Json,
        _ if has(&["datetime", "timestamp"]) => Holds::Moment { zoned: false },
        "date" => Holds::Date,
        _ if has(&["real", "floa", "doub", "num", "dec"]) => Holds::Number,
        "blob" => Holds::Bytes,
        _ => Holds::Text,
    }
}
