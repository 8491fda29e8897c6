//! What every engine must tell of changes.

use super::servers::LONG;
use super::sqlite::{open, set};
use kit::{Change, ChangesAsk, ChangesPage, Error, Settings};
use serde_json::json;

/// Settings with these queries for people.
pub(super) fn telling(settings: &Settings, saved: &str, deleted: &str) -> Settings {
    let table = |sql: &str| -> toml::Value {
        toml::Value::Table([("people".to_owned(), sql.into())].into_iter().collect())
    };
    set(set(settings.clone(), "changes", table(saved)), "deletions", table(deleted))
}

/// An address with which sqlx connects as the settings say.
pub(super) fn url_of(settings: &Settings) -> String {
    let text = |key: &str| settings.text(key).expect(key).to_owned();
    let port = settings.plain["port"].as_integer().expect("a port");
    let scheme = if text("engine") == "mysql" { "mysql" } else { "postgres" };
    format!("{scheme}://{}@{}:{port}/{}", text("user"), text("host"), text("database"))
}

fn ask(cursor: Option<String>, page_max: usize) -> ChangesAsk {
    let fields = ["name", "tier"].map(str::to_owned).to_vec();
    ChangesAsk { object: "people".to_owned(), fields, cursor, page_max }
}

fn ids(page: &ChangesPage) -> Vec<String> {
    let id = |change: &Change| match change {
        Change::Saved(record) => record.id.clone(),
        Change::Deleted { id, into } => format!("-{id}>{}", into.as_deref().unwrap_or("")),
    };
    page.changes.iter().map(id).collect()
}

/// Reads to the end; what was told, and the cursor there.
async fn read_on(
    settings: &Settings,
    mut cursor: Option<String>,
    page_max: usize,
) -> (Vec<String>, String) {
    let connection = open(settings.clone(), LONG).expect("settings");
    let changes = connection.changes.as_ref().expect("changes");
    let mut told = Vec::new();
    for _ in 0..1_000 {
        let page = changes.page(&ask(cursor, page_max)).await.expect("a page");
        told.extend(ids(&page));
        if !page.has_more {
            return (told, page.cursor);
        }
        cursor = Some(page.cursor);
    }
    panic!("it never ends");
}

/// C-1 and C-2 are there, and nothing was deleted.
pub(super) async fn everything_is_told_in_pages(settings: &Settings, expected: usize) {
    for page_max in [1, 2, 10] {
        let (told, _) = read_on(settings, None, page_max).await;
        assert_eq!(told, ["C-1", "C-2"], "in pages of {page_max}");
        assert_eq!(told.len(), expected);
    }
    let connection = open(settings.clone(), LONG).expect("settings");
    let changes = connection.changes.as_ref().expect("changes");
    assert!(changes.tells_deletions());
    let page = changes.page(&ask(None, 10)).await.expect("a page");
    let Change::Saved(john) = &page.changes[0] else { panic!("{page:?}") };
    assert_eq!(john.fields.get("name"), Some(&json!("John Doe")));
    assert!(john.modified.is_some() && john.version.is_some());
    assert!(!page.cursor.contains("John"), "{}", page.cursor);
    for (field, wrong) in [
        ("object", ChangesAsk { object: "nothing".to_owned(), ..ask(None, 10) }),
        ("cursor", ask(Some("'; DROP TABLE people".to_owned()), 10)),
        ("nothing", ChangesAsk { fields: vec!["nothing".to_owned()], ..ask(None, 10) }),
    ] {
        let error = changes.page(&wrong).await.expect_err(field);
        let named = matches!(&error, Error::Invalid { field: Some(named), .. } if named == field);
        assert!(named, "{field}: {error:?}");
    }
}

/// C-3 is written a second before C-4 and commits when C-4 was read; C-9 is deleted.
pub(super) async fn a_late_commit_is_told(settings: &Settings, commit: impl AsyncFnOnce()) {
    let (told, cursor) = read_on(settings, None, 2).await;
    assert!(told.contains(&"C-4".to_owned()) && !told.contains(&"C-3".to_owned()), "{told:?}");
    assert!(told.contains(&"-C-9>C-1".to_owned()), "{told:?}");
    commit().await;
    let (told, cursor) = read_on(settings, Some(cursor), 2).await;
    assert!(told.contains(&"C-3".to_owned()), "{told:?}");
    assert!(!told.contains(&"C-1".to_owned()), "far before the overlap: {told:?}");
    // Without an overlap the end is settled at once, and nothing is told again.
    let exact = set(settings.clone(), "changes_overlap_s", 0);
    let (_, cursor) = read_on(&exact, Some(cursor), 2).await;
    let (_, cursor) = read_on(&exact, Some(cursor), 2).await;
    assert_eq!(read_on(&exact, Some(cursor), 2).await.0, Vec::<String>::new());
}
