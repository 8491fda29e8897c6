//! `cargo xtask bench rules`: decisions on one core beside two known engines, then over HTTP beside the lookup.
//!
//! [`engines`] gives the same lines and callers to our compiled rules, to zen-engine and to
//! json-rules-engine, each in its turn in each round, and each answer is checked. [`endpoint`]
//! asks one server for decisions and for lookups in turn.

mod endpoint;
mod engines;

use super::rounds::Plan;
use super::table::Table;
use anyhow::Result;
use std::path::Path;

/// Runs both halves and returns their table.
pub(super) fn decisions(plan: Plan, build: bool, folder: &Path) -> Result<Table> {
    let mut table = Table::default();
    engines::side_by_side(plan, build, folder, &mut table)?;
    if let Err(reason) = endpoint::beside_the_lookup(plan, folder, &mut table) {
        table.void("decisions over HTTP ÷ lookups", "≥ 0.9", &format!("{reason:#}"));
    }
    Ok(table)
}
