//! What changed in a table, in the order of its times and ids.

use super::shape::Shape;
use crate::sql::queries::invalid;
use crate::sql::statement::{Argument, Statement};
use kit::Error;

/// An id before all others, as a cursor has it.
const NO_ID: &str = "0";

impl Shape {
    /// The statement of a page after a time and an id, and what is bound in it.
    ///
    /// # Errors
    /// `Invalid` naming a field that is no column.
    pub(in crate::sql) fn page_after(
        &self,
        (time, id): (&str, &str),
        most: usize,
        wanted: &[String],
    ) -> Result<(Statement, Vec<Argument>), Error> {
        let at = self.own(&self.table.modified_at)?;
        let record = self.own(&self.table.record)?;
        let own = (id != NO_ID).then(|| self.id(record, id)).flatten();
        let fields = self.fields(wanted)?;
        let statement = self.page(own.is_some(), &fields);
        let statement = statement.ok_or_else(|| invalid(&self.table.at, "has lost its columns"))?;
        let time = self.time(at, time);
        let most = Argument::Integer(i64::try_from(most).unwrap_or(i64::MAX));
        let arguments = match own {
            Some(id) => vec![time.clone(), time, id, most],
            None => vec![time, most],
        };
        Ok((statement, arguments))
    }
}
