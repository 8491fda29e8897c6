//! Writes records as JSON, in the order of the SELECT list, straight into the answer.

use super::super::store::packed::ValueRef;
use super::super::store::{Store, clock, ids};
use super::plan::{Plan, Shown, reach};

/// Writes one record; `base` is `/services/data/vNN.0`.
pub(crate) fn record(store: &Store, base: &str, plan: &Plan, row: u32, out: &mut Vec<u8>) {
    attributes(store, base, plan.object, row, out);
    for shown in &plan.shown {
        out.push(b',');
        match shown {
            Shown::Field(name, field) => {
                key(name, out);
                value(store.value(plan.object, row, *field), out);
            }
            Shown::Parent(name, reference, wanted) => {
                key(name, out);
                let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                match store.referenced(plan.object, row, *reference) {
                    Some((object, row)) => parent(store, base, object, row, &wanted, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
            Shown::Children(name, points_here, inner) => {
                key(name, out);
                children(store, base, inner, *points_here, &store.id(plan.object, row), out);
            }
        }
    }
    out.push(b'}');
}

/// `{"attributes":{…}` without the closing brace.
pub(crate) fn attributes(store: &Store, base: &str, object: usize, row: u32, out: &mut Vec<u8>) {
    let name = &store.objects[object].name;
    let id = store.id(object, row);
    let text = format!(r#"{{"attributes":{{"type":"{name}","url":"{base}/sobjects/{name}/{id}"}}"#);
    out.extend_from_slice(text.as_bytes());
}

fn parent(store: &Store, base: &str, object: usize, row: u32, wanted: &[&str], out: &mut Vec<u8>) {
    attributes(store, base, object, row, out);
    let mut done: Vec<&str> = Vec::new();
    for path in wanted {
        let head = path.split('.').next().unwrap_or_default();
        if done.iter().any(|one| one.eq_ignore_ascii_case(head)) {
            continue;
        }
        done.push(head);
        out.push(b',');
        if !path.contains('.') {
            let field = store.objects[object].field(path);
            let name = field.map_or(*path, |field| store.objects[object].at(field).name.as_str());
            key(name, out);
            value(field.and_then(|field| reach(store, object, row, field, &[])), out);
            continue;
        }
        let inner: Vec<&str> = wanted
            .iter()
            .filter_map(|path| path.split_once('.'))
            .filter(|(first, _)| first.eq_ignore_ascii_case(head))
            .map(|(_, rest)| rest)
            .collect();
        let reference = store.objects[object].relationship(head);
        let name = reference.and_then(|field| store.objects[object].at(field).leads_to.as_ref());
        key(name.map_or(head, |(name, _)| name.as_str()), out);
        match reference.and_then(|field| store.referenced(object, row, field)) {
            Some((object, row)) => parent(store, base, object, row, &inner, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

/// A nested result, or null where there are no children. All of them are given at once.
fn children(store: &Store, base: &str, plan: &Plan, points_here: u16, id: &str, out: &mut Vec<u8>) {
    let rows = plan.choose(store, Some(store.rows_with(plan.object, points_here, id)));
    if rows.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    out.extend_from_slice(
        format!(r#"{{"totalSize":{},"done":true,"records":["#, rows.len()).as_bytes(),
    );
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        record(store, base, plan, *row, out);
    }
    out.extend_from_slice(b"]}");
}

pub(crate) fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

pub(crate) fn value(value: Option<ValueRef<'_>>, out: &mut Vec<u8>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(ValueRef::Text(text)) => string(text, out),
        Some(ValueRef::Id(prefix, row)) => string(&ids::id(prefix, row), out),
        Some(ValueRef::Bool(on)) => out.extend_from_slice(if on { b"true" } else { b"false" }),
        Some(ValueRef::Number(n)) => out.extend_from_slice(n.to_string().as_bytes()),
        Some(ValueRef::Time(at)) => string(&clock::datetime(at), out),
        Some(ValueRef::Date(day)) => string(&clock::date(day), out),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text can always be written to memory");
}
