//! What is printed of plans, runs, writes and reviews.

use super::super::plan::{lines_of_csv, table};
use super::super::watch::{Far, Step, far};
use super::{cell, review, run, story};
use serde_json::{Value, json};

fn plan() -> Value {
    json!({
        "runId": 7, "sync": "contacts", "kind": "plan", "state": "done", "note": "",
        "counts": { "created_right": 2, "updated_left": 1, "conflicts": 1, "new_left": 3 },
        "pairs": 300, "braked": false,
        "left": { "creates": 0, "updates": 1, "deletes": 0, "percent": 0.3, "calls": 1, "seconds": 0 },
        "right": { "creates": 2, "updates": 0, "deletes": 0, "percent": 0.7, "calls": 1, "seconds": 3_700 },
    })
}

fn writes() -> Value {
    json!([
        {
            "kind": "update", "side": "left", "record": "003A", "why": "last_write",
            "before": { "Email": "a@b.example", "Phone": null },
            "after": { "Email": "c@d.example", "Phone": "+1555, ext 2" },
        },
        {
            "kind": "create", "side": "right", "record": "", "why": "",
            "before": {}, "after": { "firstName": "=cmd()" },
        },
    ])
}

#[test]
fn a_plan_is_told_by_side_and_field_by_field() {
    let told = table(&plan(), &writes()).join("\n");
    for part in [
        "plan 7 of contacts: done, nothing was written",
        "         1 conflicts",
        "right         2        0        0        0.7%        1   1 h 1 min",
        "of 300 people",
        "left   update   003A  (last_write)",
        "Email: a@b.example → c@d.example",
        "Phone: – → +1555, ext 2",
        "right  create   (new)",
        "… and 1 more writes",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    assert!(!told.contains("brake"), "{told}");
}

#[test]
fn a_plan_as_csv_has_a_line_for_each_field_and_no_formula() {
    let writes = writes();
    let lines = lines_of_csv(writes.as_array().expect("a list"));
    assert_eq!(
        lines,
        [
            "side,kind,record,field,before,after,why",
            "left,update,003A,Email,a@b.example,c@d.example,last_write",
            "left,update,003A,Phone,,\"'+1555, ext 2\",last_write",
            "right,create,,firstName,,'=cmd(),",
        ]
    );
}

#[test]
fn what_a_vendor_holds_moves_no_cursor_and_fills_no_screen() {
    assert_eq!(cell(&json!("a\u{1b}[2Jb\nc")), "a\u{fffd}[2Jb\u{fffd}c");
    assert_eq!(cell(&json!("x".repeat(100))).chars().count(), 61);
    assert_eq!((cell(&Value::Null), cell(&json!(["a"]))), ("–".to_owned(), "[\"a\"]".to_owned()));
}

#[test]
fn a_run_reads_then_settles_and_an_undo_counts_what_it_takes_back() {
    let of = |kind: &str, counts: Value| far(&json!({ "kind": kind, "counts": counts }), Some(5));
    let reading = of("run", json!({ "new_left": 3, "seen_right": 4 }));
    assert_eq!(reading, Far { step: Step::Reading, done: 7, of: 0 });
    let planning = of("plan", json!({ "new_left": 3, "expected": 4, "held": 1 }));
    assert_eq!(planning, Far { step: Step::Planning, done: 1, of: 4 });
    let begun = of("run", json!({ "seen_right": 4, "expected": 6 }));
    assert_eq!(begun, Far { step: Step::Settling, done: 0, of: 6 });
    let waited = of("run", json!({ "unchanged": 9 }));
    assert_eq!(waited, Far { step: Step::Settling, done: 9, of: 9 });
    let undoing = of("undo", json!({ "undone": 2, "left": 1 }));
    assert_eq!(undoing, Far { step: Step::Undoing, done: 3, of: 5 });
}

#[test]
fn a_run_tells_only_what_there_was() {
    let told = run(&json!({
        "runId": 9, "sync": "contacts", "kind": "undo", "state": "partial", "note": "no answer",
        "counts": { "undone": 4, "left": 2, "created_left": 0 },
    }));
    assert_eq!(
        told,
        [
            "undo 9 of contacts: partial",
            "         4 taken back",
            "         2 could not be taken back",
            "no answer",
        ]
    );
}

#[test]
fn a_review_says_what_there_is_to_decide_and_what_was() {
    let mut one = json!({
        "id": 4, "sync": "contacts", "kind": "conflict", "state": "open", "pair": 12,
        "field": "Phone>workPhone", "decision": {},
        "about": { "left": "555-1111", "right": "555-2222", "won": "open", "by": "manual" },
    });
    let told = review(&one);
    assert!(
        told.contains("Phone>workPhone: left 555-1111, right 555-2222; open by manual"),
        "{told}"
    );
    assert!(!told.contains('→'), "{told}");
    one["decision"] = json!({ "choice": "value", "value": "555-3333" });
    one["decidedBy"] = json!("key abc");
    assert!(review(&one).ends_with("→ value 555-3333 by key abc"), "{}", review(&one));
    one["decision"] = json!({ "pair": null });
    assert!(review(&one).ends_with("→ nobody by key abc"), "{}", review(&one));
}

#[test]
fn a_story_tells_both_records_and_each_write() {
    let told = story(&json!({
        "pair": 12, "state": "linked", "failure": "invalid", "isDead": true,
        "left": { "state": "present", "id": "003A", "modifiedAt": "", "fields": { "Email": "a@b.example" } },
        "right": { "state": "never" },
        "reviews": [],
        "writes": [{ "at": "2026-11-22T10:00:00Z", "runId": 3, "state": "done", "kind": "update",
            "side": "left", "record": "003A", "why": "", "before": { "Email": null },
            "after": { "Email": "a@b.example" } }],
    }));
    let told = told.join("\n");
    for part in [
        "pair 12: linked",
        "  left   present 003A\n         Email: a@b.example",
        "  right  no record",
        "  failed: invalid, given up",
        "2026-11-22T10:00:00Z  run 3  done\n  left   update   003A\n           Email: – → a@b.example",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}
