//! The reads of a search through every table, a bounded page at a time.

use crate::decisions::COLUMNS;
use crate::error::{Error, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{ContactRow, decode};
use crate::sql::{Row, Tx, Work};
use domain::Contact;

/// Rows read at once.
pub(super) const PAGE: i64 = 500;

/// Calls after a place: seq, id, connection, certainty, subject, details, identity.
pub(super) struct Calls {
    pub(super) after: i64,
}

impl Work for Calls {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT seq, id, connection, certainty, subject, details, identity FROM calls
            WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}

/// One call as [`Calls`] reads it.
pub(super) struct OneCall<'a> {
    pub(super) id: &'a str,
}

impl Work for OneCall<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        call(tx, self.id).await
    }
}

/// As [`Calls`] reads it; then arrived_at, labels.
pub(super) async fn call(tx: &mut Tx<'_>, id: &str) -> Result<Option<Row>> {
    const SQL: &str = "
        SELECT seq, id, connection, certainty, subject, details, identity, arrived_at, labels
        FROM calls WHERE id = ?1";
    tx.row(SQL, &[id.into()]).await
}

/// Jobs after a place: id, uid, kind, payload, call.
pub(super) struct Jobs {
    pub(super) after: i64,
}

impl Work for Jobs {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str =
            "SELECT id, uid, kind, payload, call FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}

/// Enrichments after a place, as [`crate::enrichments`] reads them.
pub(super) struct Enrichments {
    pub(super) after: i64,
}

impl Work for Enrichments {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, call, queue, state, sealed, created_at FROM enrichments
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}

/// Decisions after a place, as [`crate::decisions`] reads them.
pub(super) struct Decisions {
    pub(super) after: i64,
}

impl Work for Decisions {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {COLUMNS} FROM decisions WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        tx.rows(&sql, &[self.after.into(), PAGE.into()]).await
    }
}

/// Entries of the audit log after a place, as [`crate::audit`] reads them.
pub(super) struct Audit {
    pub(super) after: i64,
}

impl Work for Audit {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT seq, at, actor, action, uid, sealed, digest, chain FROM audit
            WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}

/// The connections that contacts are known of, without reading every contact.
pub(super) struct Connections;

impl Work for Connections {
    type Output = Vec<String>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<String>> {
        const NEXT: &str = "
            SELECT connection FROM contacts WHERE connection > ?1 ORDER BY connection LIMIT 1";
        let mut all: Vec<String> = Vec::new();
        loop {
            let last = all.last().map(String::as_str).unwrap_or_default();
            let Some(row) = tx.row(NEXT, &[last.into()]).await? else { return Ok(all) };
            all.push(row.text(0)?.to_owned());
        }
    }
}

/// Contacts of one connection who have a key: id, record, sealed, connection, as_of, pushed.
pub(super) struct Holders<'a> {
    pub(super) connection: &'a str,
    pub(super) hash: Hash,
    pub(super) after: i64,
}

impl Work for Holders<'_> {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT contacts.id, contacts.record, contacts.sealed, contacts.connection, contacts.as_of,
                contacts.pushed
            FROM contact_keys JOIN contacts ON contacts.id = contact_keys.contact
            WHERE contact_keys.connection = ?1 AND contact_keys.hash = ?2 AND contact_keys.contact > ?3
                AND contact_keys.gone_at IS NULL
            ORDER BY contact_keys.contact LIMIT ?4";
        let params = [self.connection.into(), (&self.hash).into(), self.after.into(), PAGE.into()];
        tx.rows(SQL, &params).await
    }
}

/// Contacts and accounts after a place, as [`Holders`] reads them.
pub(super) struct Contacts {
    pub(super) after: i64,
}

impl Work for Contacts {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, record, sealed, connection, as_of, pushed FROM contacts
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}

/// The contact of a record, as [`Holders`] reads it.
pub(super) struct OneContact<'a> {
    pub(super) connection: &'a str,
    pub(super) hash: Hash,
}

impl Work for OneContact<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "
            SELECT id, record, sealed, connection, as_of, pushed FROM contacts
            WHERE connection = ?1 AND record = ?2";
        tx.row(SQL, &[self.connection.into(), (&self.hash).into()]).await
    }
}

pub(super) fn contact(keys: &Keyring, row: &Row) -> Result<Contact> {
    let plain = keys.open("contacts.sealed", row.blob(1)?, row.blob(2)?)?;
    Ok(Contact::from(decode::<ContactRow>(&plain)?))
}

/// Corrections of a number, or towards a record, as [`crate::overrides::opened`] takes them.
pub(super) struct OverridesOf {
    pub(super) hash: Hash,
}

impl Work for OverridesOf {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, number, queue, connection, sealed, created_at, expires_at FROM overrides
            WHERE number = ?1 OR record = ?1 ORDER BY id LIMIT ?2";
        tx.rows(SQL, &[(&self.hash).into(), PAGE.into()]).await
    }
}

/// The payload of a job as [`Jobs`] reads it.
pub(super) fn payload(keys: &Keyring, row: &Row) -> Result<Vec<u8>> {
    let bound_to = [row.blob(1)?, row.text(2)?.as_bytes()].concat();
    keys.open("jobs.payload", &bound_to, row.blob(3)?)
}

/// An error that a reader must not pass over; a cell that does not open speaks of nobody.
pub(super) fn readable(error: Error) -> Option<Error> {
    (!matches!(error, Error::Corrupt { .. })).then_some(error)
}

/// The contacts of the contact center that a record is: contact, sealed.
pub(super) struct LinksOf {
    pub(super) hash: Hash,
}

impl Work for LinksOf {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT contact, sealed FROM links WHERE subject = ?1 ORDER BY contact LIMIT ?2";
        tx.rows(SQL, &[(&self.hash).into(), PAGE.into()]).await
    }
}

/// How many calls count to a subject, and when the last one was.
pub(super) struct CountOf {
    pub(super) subject: Hash,
}

impl Work for CountOf {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "SELECT calls, last_call_at FROM interactions WHERE subject = ?1";
        tx.row(SQL, &[(&self.subject).into()]).await
    }
}

/// What runs of reconciliation found of a call and tell: run, what, reason.
pub(super) struct NotesOf<'a> {
    pub(super) call: &'a str,
}

impl Work for NotesOf<'_> {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT run, what, reason FROM reconcile_calls
            WHERE call = ?1 AND run IN (SELECT id FROM reconcile_runs) ORDER BY run LIMIT ?2";
        tx.rows(SQL, &[self.call.into(), PAGE.into()]).await
    }
}
