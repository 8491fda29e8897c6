//! What each table holds of people: for the privacy report, and so that no table is
//! forgotten by an export or an erasure. A test holds this list to the schema.

mod presence;
mod syncing;

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    /// What it holds, in words for whoever answers for it.
    pub holds: &'static str,
    /// Columns in clear that say something of a person or a call.
    pub clear: &'static [&'static str],
    pub kept: Kept,
    /// A person may be in it: an export shows and an erasure takes their rows.
    pub is_personal: bool,
}

/// How long rows are kept, if nobody is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As long as `retention.calls` says.
    AsCalls,
    /// An hour, for whoever reads on.
    AnHour,
    /// As long as `corrections.remember_for` says.
    AsCorrections,
    /// As long as `retention.sync_journal` says.
    AsSyncs,
    /// As long as `retention.presence` says.
    AsPresence,
    /// Until their own system no longer has the person.
    AsInTheirSystem,
    /// Until they are done; skipped ones a week more, dead ones until somebody decides.
    AsWork,
    /// Until somebody takes them away.
    ForEver,
}

const fn table(
    name: &'static str,
    holds: &'static str,
    clear: &'static [&'static str],
    kept: Kept,
    is_personal: bool,
) -> Table {
    Table { name, holds, clear, kept, is_personal }
}

/// Every table of the store.
pub const TABLES: &[Table] = &[
    table(
        "calls",
        "number, e-mail, externalId, agent and warnings of each call",
        &[
            "id",
            "direction",
            "media",
            "queue",
            "connection",
            "status",
            "source",
            "certainty",
            "earlier_calls",
            "arrived_at",
            "answered_in_us",
            "identified_at",
            "labels",
            "news",
            "deadline_us",
            "answered",
        ],
        Kept::AsCalls,
        true,
    ),
    table(
        "call_labels",
        "report dimensions of calls: few values each, nothing of one person",
        &["name", "value", "arrived_at"],
        Kept::AsCalls,
        true,
    ),
    table(
        "call_agents",
        "whose call it was, as keyed hashes",
        &["call", "at"],
        Kept::AsCalls,
        true,
    ),
    table(
        "news",
        "that something was told of a call; what, is read from the call",
        &["place", "call", "kind", "at"],
        Kept::AnHour,
        true,
    ),
    table(
        "news_waiting",
        "the same, for the moment before it is told (PostgreSQL only)",
        &["call", "kind", "at"],
        Kept::AnHour,
        true,
    ),
    table(
        "reconcile_calls",
        "what a run of reconciliation found of a call, without who it was",
        &["run", "call", "what", "reason"],
        Kept::AsCalls,
        true,
    ),
    table(
        "reconcile_runs",
        "runs of reconciliation: when, how far, and counts",
        &[
            "slot",
            "due_at",
            "is_dry",
            "since_at",
            "until_at",
            "jobs_after",
            "state",
            "step",
            "cursor",
            "reached_at",
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
    ),
    table(
        "label_names",
        "names of report dimensions, and which were refused",
        &["name", "refused_at", "bound"],
        Kept::ForEver,
        false,
    ),
    table(
        "label_values",
        "values of report dimensions, as long as a call has them",
        &["name", "value"],
        Kept::AsCalls,
        false,
    ),
    table("call_data", "what was kept of a call", &["call", "updated_at"], Kept::AsCalls, true),
    table(
        "enrichments",
        "what a queue's CRM was asked behind an answer, and what it said",
        &["call", "queue", "state", "created_at", "updated_at"],
        Kept::AsCalls,
        true,
    ),
    table(
        "decisions",
        "where a call was sent and why: number, records and values that were seen",
        &[
            "call",
            "entry",
            "at",
            "set_revision",
            "rule",
            "line",
            "destination",
            "status",
            "took_us",
            "shadow",
            "connection",
        ],
        Kept::AsCalls,
        true,
    ),
    table(
        "call_events",
        "what the contact center told of a call: agents, wrap-ups, notes",
        &["call", "at", "received_at"],
        Kept::AsCalls,
        true,
    ),
    table(
        "call_outcomes",
        "what a call came to: agents, wrap-ups, notes",
        &[
            "call",
            "started_at",
            "ended_at",
            "talk_ms",
            "hold_ms",
            "work_ms",
            "handle_ms",
            "queue",
            "wrap_up",
            "updated_at",
            "journal",
            "journal_connection",
            "journal_record",
        ],
        Kept::AsCalls,
        true,
    ),
    table(
        "interactions",
        "how many calls count to a keyed hash",
        &["calls", "last_call_at"],
        Kept::ForEver,
        true,
    ),
    table(
        "contacts",
        "what CRMs say of people: names, numbers, e-mail, configured data",
        &["connection", "as_of"],
        Kept::AsInTheirSystem,
        true,
    ),
    table(
        "contact_keys",
        "keyed hashes of their numbers and e-mails",
        &["connection", "contact", "asked_at", "gone_at"],
        Kept::AsInTheirSystem,
        true,
    ),
    table(
        "customer_data",
        "what was kept of a customer beyond calls",
        &["updated_at"],
        Kept::ForEver,
        true,
    ),
    table(
        "links",
        "which contact of the contact center is which record",
        &["linked_at"],
        Kept::ForEver,
        true,
    ),
    table(
        "crosswalk",
        "which record of one system is which of another",
        &["connection", "other", "source", "created_at"],
        Kept::ForEver,
        true,
    ),
    syncing::SYNCS,
    syncing::SYNC_RUNS,
    syncing::SYNC_PAIRS,
    syncing::SYNC_KEYS,
    syncing::SYNC_ALIASES,
    syncing::SYNC_JOURNAL,
    syncing::SYNC_REVIEWS,
    syncing::SYNC_DRIFT,
    presence::AGENTS,
    presence::STORY,
    presence::PAUSES,
    presence::HOLDS,
    table(
        "overrides",
        "agents' corrections: number, externalId, reason",
        &["queue", "connection", "created_at", "expires_at"],
        Kept::AsCorrections,
        true,
    ),
    table(
        "alerts",
        "what is wrong now, by connection; nothing of a person",
        &["kind", "connection", "node", "since", "seen_at"],
        Kept::AsWork,
        false,
    ),
    table(
        "alert_turns",
        "what was wrong and is over, as it was told, the newest thousand; nothing of a person",
        &["seq", "kind", "connection", "is_over", "since", "at", "title", "detail"],
        Kept::AsWork,
        false,
    ),
    table(
        "tokens",
        "tokens of connections, sealed; nothing of a person",
        &["connection", "generation", "hold", "held_until", "updated_at"],
        Kept::ForEver,
        false,
    ),
    table(
        "settings",
        "connections, actions and queues made by API, sealed; nothing of a caller",
        &["kind", "name", "revision", "changed_at", "changed_by"],
        Kept::ForEver,
        false,
    ),
    table("settings_revision", "how often these were changed", &["revision"], Kept::ForEver, false),
    table(
        "rule_drafts",
        "routing rules that are not in force yet, sealed; nothing of a caller",
        &["kind", "name", "changed_at", "changed_by"],
        Kept::ForEver,
        false,
    ),
    table(
        "rule_sets",
        "routing rules in force and the newest before them, sealed; nothing of a caller",
        &["revision", "published_at", "published_by", "summary"],
        Kept::ForEver,
        false,
    ),
    table("rules_version", "how often these were changed", &[], Kept::ForEver, false),
    table(
        "jobs",
        "work to be done, with the profiles to be told",
        &[
            "kind",
            "connection",
            "state",
            "call",
            "run_at",
            "due_at",
            "attempts",
            "lease",
            "created_at",
            "updated_at",
            "note",
        ],
        Kept::AsWork,
        true,
    ),
    table(
        "audit",
        "who changed or saw what, in a chain",
        &["seq", "at", "actor", "action"],
        Kept::ForEver,
        true,
    ),
    table(
        "keys",
        "the store's keys, wrapped",
        &["purpose", "created_at", "retired_at"],
        Kept::ForEver,
        false,
    ),
    table(
        "api_keys",
        "who may call the API: names and hashes",
        &[
            "id",
            "name",
            "scopes",
            "requests_per_minute",
            "created_at",
            "expires_at",
            "revoked_at",
            "rotated_from",
        ],
        Kept::ForEver,
        false,
    ),
    table(
        "users",
        "who signs in at the console: names, and sealed what proves them; nothing of a caller",
        &[
            "id",
            "name",
            "role",
            "totp_step",
            "sessions_after",
            "disabled_at",
            "created_at",
            "version",
        ],
        Kept::ForEver,
        false,
    ),
    table(
        "ended_sessions",
        "sessions of theirs that were signed out of, until their time",
        &["id", "expires_at"],
        Kept::ForEver,
        false,
    ),
    table(
        "erasures",
        "that somebody was erased: when, by which key, under which reference",
        &["id", "at", "actor", "reason", "swept_at"],
        Kept::ForEver,
        false,
    ),
    table(
        "tombstones",
        "keyed hashes by which an erased person stays away",
        &["erasure", "kind"],
        Kept::ForEver,
        false,
    ),
];

#[cfg(test)]
mod tests {
    use super::TABLES;
    use crate::sql::schema::MIGRATIONS;
    use std::collections::BTreeMap;

    /// Columns of each table with their types, as the migrations declare them.
    fn declared() -> BTreeMap<&'static str, Vec<(&'static str, &'static str)>> {
        let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for migration in MIGRATIONS {
            let mut table = "";
            for line in migration.sqlite.lines() {
                let mut words = line.split_whitespace();
                if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                    table = name.trim_end_matches(" (");
                    tables.entry(table).or_default();
                } else if let Some(added) = line.strip_prefix("ALTER TABLE ") {
                    let words: Vec<&str> = added.split_whitespace().collect();
                    let kind = words[4].trim_end_matches(';');
                    tables.entry(words[0]).or_default().push((words[3], kind));
                } else if line.starts_with("    ")
                    && let (Some(name), Some(kind)) = (words.next(), words.next())
                    && !["UNIQUE", "PRIMARY"].contains(&name)
                {
                    tables.entry(table).or_default().push((name, kind.trim_end_matches(',')));
                }
            }
        }
        tables
    }

    #[test]
    fn every_table_is_named_and_every_column_in_clear() {
        // Counters of rows and versions, which say nothing.
        const BARE: [&str; 3] = ["seq", "id", "version"];
        let declared = declared();
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        for table in declared.keys() {
            assert!(names.contains(table), "{table}: say in TABLES whether a person may be in it");
        }
        for table in TABLES {
            let columns = &declared[table.name];
            for (column, kind) in columns {
                let is_number = BARE.contains(column) && *kind == "INTEGER";
                let is_named = *kind == "BLOB" || is_number || table.clear.contains(column);
                assert!(is_named, "{}.{column} is in clear: name it in TABLES", table.name);
            }
            for column in table.clear {
                assert!(columns.iter().any(|(name, _)| name == column), "{}.{column}", table.name);
            }
        }
    }

    #[test]
    fn every_table_that_may_hold_a_person_is_swept() {
        // With what the sweep calls for whatever hangs on a call.
        let sweep = [
            include_str!("remove.rs"),
            include_str!("../feed/forget.rs"),
            include_str!("../labels.rs"),
            include_str!("../sync/forget.rs"),
            include_str!("../sync/page/keys.rs"),
        ]
        .concat();
        for table in TABLES.iter().filter(|table| table.is_personal) {
            let is_swept = ["DELETE FROM", "UPDATE"]
                .iter()
                .any(|verb| sweep.contains(&format!("{verb} {} ", table.name)));
            assert!(is_swept, "{} is named as personal and not swept", table.name);
        }
    }
}
