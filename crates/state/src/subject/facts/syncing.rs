//! The tables of contact sync.

use super::{Kept, Table, table};

pub(super) const SYNCS: Table = table(
    "syncs",
    "which two connections a sync is between, and how far each is read",
    &[
        "name",
        "left_connection",
        "right_connection",
        "left_pass",
        "right_pass",
        "left_stage",
        "right_stage",
        "pairs",
        "approved_at",
        "approved_by",
        "paused",
        "phase",
        "created_at",
        "updated_at",
        "follower",
        "followed_until",
        "nudged_at",
    ],
    Kept::ForEver,
    false,
);

pub(super) const SYNC_RUNS: Table = table(
    "sync_runs",
    "runs of contact sync: when, how far, and counts",
    &[
        "sync",
        "slot",
        "kind",
        "of_run",
        "is_dry",
        "due_at",
        "asked_by",
        "state",
        "step",
        "cursor",
        "counts",
        "note",
        "started_at",
        "updated_at",
        "ended_at",
        "lease",
        "held_until",
    ],
    Kept::ForEver,
    false,
);

pub(super) const SYNC_PAIRS: Table = table(
    "sync_pairs",
    "copies of contacts of both sides of a sync, sealed, and where each pair stands",
    &[
        "sync",
        "turn",
        "state",
        "waits",
        "due_at",
        "tries",
        "failure",
        "failure_note",
        "failed_at",
        "is_dead",
        "reviews",
        "left_half",
        "left_modified",
        "left_pass",
        "right_half",
        "right_modified",
        "right_pass",
        "in_doubt",
    ],
    Kept::AsInTheirSystem,
    true,
);

pub(super) const SYNC_KEYS: Table = table(
    "sync_keys",
    "keyed hashes of what these are matched by",
    &["sync", "side", "pair"],
    Kept::AsInTheirSystem,
    true,
);

pub(super) const SYNC_ALIASES: Table = table(
    "sync_aliases",
    "keyed hashes of records that were merged into others",
    &["sync", "side", "pair"],
    Kept::AsInTheirSystem,
    true,
);

pub(super) const SYNC_JOURNAL: Table = table(
    "sync_journal",
    "what contact sync has written to whom, with before and after, sealed",
    &["sync", "run", "pair", "side", "kind", "state", "at"],
    Kept::AsSyncs,
    true,
);

pub(super) const SYNC_REVIEWS: Table = table(
    "sync_reviews",
    "what a person decides or has decided about records, sealed",
    &["sync", "pair", "run", "kind", "field", "state", "made_at", "decided_at", "decided_by"],
    Kept::ForEver,
    true,
);

pub(super) const SYNC_DRIFT: Table = table(
    "sync_drift",
    "how far both sides of a sync were apart: figures, and names of fields",
    &[
        "sync",
        "run",
        "at",
        "sampled",
        "compared",
        "pending",
        "differing",
        "left_missing",
        "right_missing",
        "fields",
    ],
    Kept::ForEver,
    false,
);
