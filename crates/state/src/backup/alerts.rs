//! The tables of alerts; see [`super::tables`].

use super::tables::Table;
use super::tables::Type::{Int, Text};

pub(super) const ALERTS: &[Table] = &[
    Table {
        name: "alerts",
        key: 3,
        columns: &[
            ("kind", Text),
            ("connection", Text),
            ("node", Int),
            ("since", Int),
            ("seen_at", Int),
        ],
        counted: false,
    },
    Table {
        name: "alert_turns",
        key: 1,
        columns: &[
            ("seq", Int),
            ("kind", Text),
            ("connection", Text),
            ("is_over", Int),
            ("since", Int),
            ("at", Int),
            ("title", Text),
            ("detail", Text),
        ],
        counted: true,
    },
];
