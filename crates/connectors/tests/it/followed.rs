//! What a reader of changes and a writer of records need from every vendor's tests.

use kit::{Capabilities, Change, ChangesAsk, ChangesPage, Fields, Record};
use serde_json::Value;

/// Pages until there is nothing more at once, at most so many; all their changes, and the
/// last cursor.
pub(crate) async fn drain(
    connection: &Capabilities,
    object: &str,
    fields: &[&str],
    cursor: Option<String>,
    page_max: usize,
) -> (Vec<Change>, String) {
    let reader = connection.changes.as_ref().expect("changes");
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    let mut ask = ChangesAsk { object: object.to_owned(), fields, cursor, page_max };
    let mut all = Vec::new();
    for _ in 0..200 {
        let page: ChangesPage = reader.page(&ask).await.expect("a page");
        assert!(page.changes.len() <= page_max.max(100) + 50, "pages are bounded");
        all.extend(page.changes);
        ask.cursor = Some(page.cursor.clone());
        if !page.has_more {
            return (all, page.cursor);
        }
    }
    panic!("no end of pages");
}

/// The ids of what was saved, each once, in order of first appearance.
pub(crate) fn saved(changes: &[Change]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for change in changes {
        if let Change::Saved(Record { id, .. }) = change
            && !ids.contains(id)
        {
            ids.push(id.clone());
        }
    }
    ids
}

/// Who is gone, and into whom.
pub(crate) fn gone(changes: &[Change]) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for change in changes {
        if let Change::Deleted { id, into } = change {
            all.push((id.clone(), into.clone()));
        }
    }
    all
}

pub(crate) fn fields(json: Value) -> Fields {
    json.as_object().cloned().expect("an object")
}
