//! All contacts or organizations, over and over: the platform keeps no list of what changed.
//!
//! Each pass walks the whole list and says that it begins anew, so that whoever is not
//! told in it is no longer there; who was merged into another is told with it. Versions tell what changed since the pass before.
//! The platform's cursor lives for a day; one that has died begins the pass again.
//! Contacts that the platform made by itself are not in the list.
//!
//! Source: the platform's API description, `GET /externalcontacts/scan/contacts`.

use super::super::client::Send;
use super::{Object, Records, ancestors};
use async_trait::async_trait;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Record};
use serde_json::Value;

/// Entities of one request, the platform's own bounds.
const PAGE_MIN: usize = 10;
const PAGE_MAX: usize = 200;
/// The form of the text; another form is another word.
const FORM: &str = "gc1";

/// Where a pass stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cursor {
    /// The pass is over.
    is_end: bool,
    /// The entity told last of the page at `page`: the caller wanted fewer than it has.
    after: Option<String>,
    /// The platform's own.
    page: Option<String>,
}

#[async_trait]
impl Changes for Records {
    fn tells_deletions(&self) -> bool {
        false
    }

    fn pass_requests(&self, records: u64) -> u64 {
        records.div_ceil(PAGE_MAX as u64).max(1)
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let object = Object::named(&ask.object)?;
        ask.fields.iter().try_for_each(|field| object.check(field, false))?;
        let cursor = ask.cursor.as_deref().map(Cursor::read).transpose()?;
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_end) else {
            let page = self.walk(object, ask, &Cursor::default()).await?;
            return Ok(ChangesPage { is_restart: ask.cursor.is_some(), ..page });
        };
        match self.walk(object, ask, &cursor).await {
            Err(Error::Invalid { field, .. }) if field.as_deref() == Some("cursor") => {
                let page = self.walk(object, ask, &Cursor::default()).await?;
                Ok(ChangesPage { is_restart: true, ..page })
            }
            outcome => outcome,
        }
    }
}

impl Records {
    async fn walk(
        &self,
        object: Object,
        ask: &ChangesAsk,
        from: &Cursor,
    ) -> Result<ChangesPage, Error> {
        let most = ask.page_max.max(1);
        let limit = most.clamp(PAGE_MIN, PAGE_MAX).to_string();
        let division = self.platform.policy.division.as_str();
        let mut query = vec![("limit", limit.as_str()), ("divisionId", division)];
        query.extend(from.page.as_deref().map(|page| ("cursor", page)));
        let path = format!("externalcontacts/scan/{}", object.path());
        let mut listing = self.platform.client.send(Send::Get(&query), &path).await?.json()?;
        let Some(Value::Array(mut entities)) = listing.get_mut("entities").map(Value::take) else {
            return Err(Error::protocol("a listing without entities"));
        };
        // Is that entity gone meanwhile, its page is told again as a whole.
        let told = from.after.as_ref();
        let told = told.and_then(|id| entities.iter().position(|one| one["id"] == id.as_str()));
        entities.drain(..told.map_or(0, |at| at + 1));
        let has_rest = entities.len() > most;
        entities.truncate(most);
        let records = self.told(object, &entities, &ask.fields).await?;
        let next = listing.pointer("/cursors/after").and_then(Value::as_str);
        let next = next.filter(|next| !next.is_empty());
        let cursor = match (has_rest, next) {
            (true, _) => {
                let after = records.last().map(|record| record.id.clone());
                Cursor { after, ..from.clone() }
            }
            (false, Some(next)) => Cursor { page: Some(next.to_owned()), ..Cursor::default() },
            (false, None) => Cursor { is_end: true, ..Cursor::default() },
        };
        Ok(ChangesPage {
            has_more: !cursor.is_end,
            cursor: cursor.text(),
            changes: with_ancestors(records, &entities),
            is_restart: false,
        })
    }
}

/// The records, each after those that were merged into it: told in every pass, because it
/// does not say when that was.
fn with_ancestors(records: Vec<Record>, entities: &[Value]) -> Vec<Change> {
    let mut changes = Vec::with_capacity(records.len());
    for (record, entity) in records.into_iter().zip(entities) {
        let into = Some(record.id.clone());
        let gone =
            ancestors(entity).map(|id| Change::Deleted { id: id.into(), into: into.clone() });
        changes.extend(gone);
        changes.push(Change::Saved(record));
    }
    changes
}

impl Cursor {
    fn text(&self) -> String {
        let word = if self.is_end { "end" } else { "at" };
        let after = self.after.as_deref().unwrap_or("-");
        format!("{FORM}.{word}.{after}.{}", self.page.as_deref().unwrap_or_default())
    }

    fn read(text: &str) -> Result<Self, Error> {
        Self::parsed(text).ok_or_else(|| Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's".to_owned(),
        })
    }

    fn parsed(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (FORM, word, after, page) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?)
        else {
            return None;
        };
        let is_end = match word {
            "end" => true,
            "at" => false,
            _ => return None,
        };
        let after = Some(after.to_owned()).filter(|after| after != "-");
        let page = Some(page.to_owned()).filter(|page| !page.is_empty());
        Some(Self { is_end, after, page })
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_reads_back_as_it_was_and_others_are_refused() {
        for cursor in [
            Cursor::default(),
            Cursor { is_end: true, ..Cursor::default() },
            Cursor { page: Some("a.b=".to_owned()), ..Cursor::default() },
            Cursor { after: Some("7f0d".to_owned()), page: Some("x".to_owned()), is_end: false },
        ] {
            assert_eq!(Cursor::read(&cursor.text()), Ok(cursor));
        }
        for odd in ["", "gc1", "gc1.x.-.", "sf1.at.-.", "gc1.at"] {
            assert!(Cursor::read(odd).is_err(), "{odd}");
        }
    }
}
