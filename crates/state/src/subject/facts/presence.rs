//! The tables of presence sync: agents, by the ids of their own systems; no customer.

use super::{Kept, Table, table};

pub(super) const AGENTS: Table = table(
    "presence_agents",
    "what agents show in both systems, and who decided; ids alone",
    &["team", "agent", "crm_agent", "kept", "updated_at"],
    Kept::ForEver,
    false,
);

pub(super) const STORY: Table = table(
    "presence_story",
    "what became of agents' statuses, and why; ids alone",
    &["team", "agent", "at", "what", "side", "status", "note"],
    Kept::AsPresence,
    false,
);

pub(super) const PAUSES: Table = table(
    "presence_pauses",
    "agents and teams whose statuses are left alone, and who wants it so",
    &["team", "agent", "paused_by", "paused_at"],
    Kept::ForEver,
    false,
);

pub(super) const HOLDS: Table = table(
    "presence_holds",
    "which node keeps a team's presence; nothing of a person",
    &["team", "holder", "held_until"],
    Kept::ForEver,
    false,
);
