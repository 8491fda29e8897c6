//! The tables of presence sync; see [`super::tables`].

use super::tables::Table;
use super::tables::Type::{Int, Text};

pub(super) const PRESENCE: &[Table] = &[
    Table {
        name: "presence_agents",
        key: 2,
        columns: &[
            ("team", Text),
            ("agent", Text),
            ("crm_agent", Text),
            ("kept", Text),
            ("updated_at", Int),
        ],
        counted: false,
    },
    Table {
        name: "presence_story",
        key: 1,
        columns: &[
            ("id", Int),
            ("team", Text),
            ("agent", Text),
            ("at", Int),
            ("what", Text),
            ("side", Text),
            ("status", Text),
            ("note", Text),
        ],
        counted: true,
    },
    Table {
        name: "presence_pauses",
        key: 2,
        columns: &[("team", Text), ("agent", Text), ("paused_by", Text), ("paused_at", Int)],
        counted: false,
    },
    Table {
        name: "presence_holds",
        key: 1,
        columns: &[("team", Text), ("holder", Int), ("held_until", Int)],
        counted: false,
    },
];
