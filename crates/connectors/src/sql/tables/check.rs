//! What the described tables lack to be an end of a sync, by name and with the mend.

use super::shape::{Shape, Shapes};
use super::{Batch, Table};
use crate::sql::database::Outlook;
use kit::connector::Flaw;
use kit::{Error, Lane};
use std::sync::Arc;

impl Shapes {
    /// Of each table, what was looked at and what came of it; errors are the caller's to word.
    pub(in crate::sql) async fn checked(&self) -> Vec<(String, Result<(), Told>)> {
        let mut findings = Vec::new();
        for table in self.tables.values() {
            let flaws = self.flaws(table).await;
            if flaws.is_empty() {
                findings.push((table.at.clone(), Ok(())));
            }
            findings.extend(flaws.into_iter().map(|told| (table.at.clone(), Err(told))));
        }
        findings
    }

    async fn flaws(&self, table: &Table) -> Vec<Told> {
        let shape = match self.look(Lane::Background, table).await {
            Ok(shape) => shape,
            Err(error) => return vec![Told::Error(error)],
        };
        let mut flaws = shape.flaws();
        if !flaws.is_empty() {
            return flaws.into_iter().map(Told::Flaw).collect();
        }
        flaws.extend(shape.rights());
        let mut told: Vec<Told> = flaws.into_iter().map(Told::Flaw).collect();
        match self.scans(&shape).await {
            Ok(flaw) => told.extend(flaw.map(Told::Flaw)),
            Err(error) => told.push(Told::Error(error)),
        }
        // A session that writes: it begins, and writes nothing.
        let nothing = Batch { shape: Arc::new(shape), writes: Vec::new() };
        told.extend(self.database.write(&nothing).await.err().map(Told::Error));
        told
    }

    /// Are changes found without reading the whole table?
    async fn scans(&self, shape: &Shape) -> Result<Option<Flaw>, Error> {
        let (statement, arguments) = shape.page_after(("2001-01-01 00:00:00", "0"), 1, &[])?;
        let Outlook { scans, .. } = self.database.outlook(&statement, arguments).await?;
        Ok(scans.first().map(|_| {
            let table = &shape.table;
            let (at, of) = (shape.quote(&table.modified_at), shape.quote(&table.record));
            Flaw {
                code: "connection.full_scan",
                message: format!("{}: changes are found by reading the whole table.", table.at),
                fix: format!("CREATE INDEX tieline_changes ON {} ({at}, {of});", shape.from()),
            }
        }))
    }
}

/// What is wrong with a table.
pub(in crate::sql) enum Told {
    Flaw(Flaw),
    Error(Error),
}

impl Shape {
    /// What this user may not do and would have to.
    fn rights(&self) -> Option<Flaw> {
        let table = &self.table;
        let own = |name: &String| self.column(name);
        let written: Vec<_> = table.write.iter().filter_map(own).collect();
        let stamped = table.stamps.then(|| own(&table.modified_at)).flatten();
        let deleted = table.deleted.as_ref().and_then(own);
        let key = own(table.key.as_ref().unwrap_or(&table.record));
        let set = written.iter().copied().chain(stamped).chain(deleted);
        let made = written.iter().copied().chain(key);
        let from = self.from();
        let mut grants = Vec::new();
        for (word, names) in [
            ("UPDATE", set.filter(|column| !column.may_update).collect::<Vec<_>>()),
            ("INSERT", made.filter(|column| !column.may_insert).collect()),
        ] {
            let names: Vec<String> = names.iter().map(|column| self.quote(&column.name)).collect();
            if !names.is_empty() {
                grants.push(format!("GRANT {word} ({}) ON {from} TO …;", names.join(", ")));
            }
        }
        if !self.may_delete && deleted.is_none() {
            grants.push(format!("GRANT DELETE ON {from} TO …;"));
        }
        (!grants.is_empty()).then(|| Flaw {
            code: "connection.scope_missing",
            message: format!("{}: the user may not write all that it names.", table.at),
            fix: grants.join(" "),
        })
    }
}
