//! The tables of routing rules and decisions; see [`super::tables`].

use super::tables::Table;
use super::tables::Type::{Blob, Int, Text};

pub(super) const ROUTING: &[Table] = &[
    Table {
        name: "rule_drafts",
        key: 1,
        columns: &[
            ("id", Int),
            ("kind", Text),
            ("name", Text),
            ("sealed", Blob),
            ("version", Int),
            ("changed_at", Int),
            ("changed_by", Text),
        ],
        counted: true,
    },
    Table {
        name: "rule_sets",
        key: 1,
        columns: &[
            ("revision", Int),
            ("sealed", Blob),
            ("published_at", Int),
            ("published_by", Text),
            ("summary", Text),
        ],
        counted: false,
    },
    Table {
        name: "rules_version",
        key: 1,
        columns: &[("id", Int), ("version", Int)],
        counted: false,
    },
    Table {
        name: "decisions",
        key: 1,
        columns: &[
            ("seq", Int),
            ("call", Text),
            ("entry", Text),
            ("at", Int),
            ("set_revision", Int),
            ("rule", Text),
            ("line", Int),
            ("destination", Text),
            ("status", Text),
            ("took_us", Int),
            ("shadow", Text),
            ("connection", Text),
            ("number", Blob),
            ("records", Blob),
            ("sealed", Blob),
        ],
        counted: true,
    },
];
