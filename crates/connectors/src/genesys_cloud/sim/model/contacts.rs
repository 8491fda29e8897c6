//! Keeps the contacts and who holds which identifier.
//!
//! A contact claims every key its fields speak for. A key that another contact
//! of the division already holds stays there: the write still succeeds, silently.
//! When a holder lets go by edit or deletion, the oldest contact that still
//! speaks for the key takes it over; an explicit release leaves the key free.
//! Merged contacts point at their canonical contact and hold nothing any more.

pub(crate) mod enrich;
pub(crate) mod fields;
pub(crate) mod identifiers;
pub(crate) mod index;
pub(crate) mod merge;
pub(crate) mod patch;
pub(crate) mod phones;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::fields::Fields;
use self::identifiers::Key;
use self::index::Index;
use super::problem::Problem;

/// How lasting a contact is. Only curated ones are seen by search, list, scan
/// and reverse lookup. Ordered: a merge takes the most lasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContactType {
    /// Made by the platform, nothing personal known.
    Ephemeral,
    /// Made by the platform for a caller with a number or an address.
    Identified,
    /// Made or promoted on purpose.
    Curated,
}

impl ContactType {
    /// The vendor's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ephemeral => "Ephemeral",
            Self::Identified => "Identified",
            Self::Curated => "Curated",
        }
    }
}

/// One contact as stored.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) division: String,
    pub(crate) kind: ContactType,
    /// Rises with creation: who is first created, and the order of a scan.
    pub(crate) sequence: u64,
    pub(crate) created_at: i64,
    pub(crate) modified_at: i64,
    /// Rises with every write, where two fall into one millisecond.
    pub(crate) revision: u64,
    pub(crate) fields: Fields,
    /// Keys held, with the time of the claim.
    pub(crate) held: BTreeMap<Key, i64>,
    pub(crate) merged_to: Option<String>,
    pub(crate) merged_from: Vec<String>,
    /// Every contact of the merge tree but this one; only on a canonical contact.
    pub(crate) ancestors: Vec<String>,
}

/// All contacts of the organization.
#[derive(Debug)]
pub(crate) struct Contacts {
    by_id: HashMap<String, Arc<Contact>>,
    holders: HashMap<Key, String>,
    /// Who speaks for a key, oldest first: the heirs of a holder.
    mentions: HashMap<Key, BTreeMap<u64, String>>,
    next_sequence: u64,
    revisions: u64,
    pub(crate) index: Index,
}

impl Contacts {
    pub(crate) fn new(lag_ms: i64) -> Self {
        Self {
            by_id: HashMap::new(),
            holders: HashMap::new(),
            mentions: HashMap::new(),
            next_sequence: 1,
            revisions: 0,
            index: Index::new(lag_ms),
        }
    }

    /// A contact that is not stored yet.
    pub(crate) fn draft(
        &self,
        id: String,
        division: &str,
        kind: ContactType,
        fields: Fields,
        now: i64,
    ) -> Contact {
        Contact {
            id,
            division: division.to_owned(),
            kind,
            sequence: self.next_sequence,
            created_at: now,
            modified_at: now,
            revision: 0,
            fields,
            held: BTreeMap::new(),
            merged_to: None,
            merged_from: Vec::new(),
            ancestors: Vec::new(),
        }
    }

    /// Stores a contact, new or changed, and settles its claims.
    pub(crate) fn put(&mut self, mut contact: Contact, now: i64) -> Arc<Contact> {
        contact.modified_at = now;
        self.revisions += 1;
        contact.revision = self.revisions;
        self.next_sequence = self.next_sequence.max(contact.sequence + 1);
        let old = self.by_id.get(&contact.id).cloned();
        let before = old.as_deref().map_or_else(Vec::new, spoken_for);
        let after = spoken_for(&contact);
        let id = contact.id.clone();
        self.store(contact.clone(), now);
        for key in before.iter().filter(|key| !after.contains(key)) {
            self.unmention(key, contact.sequence);
            self.let_go(&id, key, now);
        }
        for key in after {
            if !before.contains(&key) {
                self.mentions.entry(key.clone()).or_default().insert(contact.sequence, id.clone());
                self.take(&id, &key, now);
            }
        }
        Arc::clone(&self.by_id[&id])
    }

    fn store(&mut self, contact: Contact, now: i64) {
        let contact = Arc::new(contact);
        self.index.note(Arc::clone(&contact), now);
        self.by_id.insert(contact.id.clone(), contact);
    }

    fn edit(&mut self, id: &str, now: i64, change: impl FnOnce(&mut Contact)) {
        if let Some(contact) = self.by_id.get(id) {
            let mut contact = Contact::clone(contact);
            change(&mut contact);
            self.store(contact, now);
        }
    }

    /// Gives a free key to a contact; false when another holds it.
    fn take(&mut self, id: &str, key: &Key, now: i64) -> bool {
        match self.holders.get(key) {
            Some(holder) => holder == id,
            None => {
                self.holders.insert(key.clone(), id.to_owned());
                self.edit(id, now, |contact| {
                    contact.held.insert(key.clone(), now);
                });
                true
            }
        }
    }

    /// Takes a key from its holder and hands it to the oldest contact that speaks for it.
    fn let_go(&mut self, id: &str, key: &Key, now: i64) {
        if self.holders.get(key).is_none_or(|holder| holder != id) {
            return;
        }
        self.drop_claim(id, key, now);
        let heir = self.mentions.get(key).and_then(|all| all.values().next().cloned());
        if let Some(heir) = heir {
            self.take(&heir, key, now);
        }
    }

    fn drop_claim(&mut self, id: &str, key: &Key, now: i64) {
        self.holders.remove(key);
        self.edit(id, now, |contact| {
            contact.held.remove(key);
        });
    }

    fn unmention(&mut self, key: &Key, sequence: u64) {
        if let Some(all) = self.mentions.get_mut(key) {
            all.remove(&sequence);
            if all.is_empty() {
                self.mentions.remove(key);
            }
        }
    }

    /// Deletes a canonical or plain contact; its ancestors stay as dead ends.
    pub(crate) fn remove(&mut self, id: &str, now: i64) {
        let Some(contact) = self.by_id.remove(id) else {
            return;
        };
        self.index.forget(&contact, now);
        for key in spoken_for(&contact) {
            self.unmention(&key, contact.sequence);
        }
        for key in contact.held.keys() {
            self.let_go(id, key, now);
        }
    }

    /// The contact, or the canonical one where this is an ancestor.
    pub(crate) fn resolve(&self, id: &str) -> Result<&Arc<Contact>, Problem> {
        let mut contact = self.unresolved(id)?;
        // A merge tree has at most 52 contacts, so this ends.
        while let Some(next) = &contact.merged_to {
            contact = self.unresolved(next)?;
        }
        Ok(contact)
    }

    /// The contact itself, ancestor or not.
    pub(crate) fn unresolved(&self, id: &str) -> Result<&Arc<Contact>, Problem> {
        self.by_id.get(id).ok_or_else(Problem::not_found)
    }

    /// Who holds the key.
    pub(crate) fn holder(&self, key: &Key) -> Option<&Arc<Contact>> {
        self.by_id.get(self.holders.get(key)?)
    }

    /// Claims a key by hand: 409 while another contact holds it.
    pub(crate) fn claim(&mut self, id: &str, key: &Key, now: i64) -> Result<i64, Problem> {
        if self.take(id, key, now) {
            return Ok(self.unresolved(id)?.held.get(key).copied().unwrap_or(now));
        }
        Err(Problem::conflict("The identifier is claimed by another contact."))
    }

    /// Releases a key by hand; it stays free. 404 when this contact does not hold it.
    pub(crate) fn release(&mut self, id: &str, key: &Key, now: i64) -> Result<i64, Problem> {
        let claimed_at =
            self.unresolved(id)?.held.get(key).copied().ok_or_else(Problem::not_found)?;
        self.drop_claim(id, key, now);
        Ok(claimed_at)
    }

    /// Makes `sources` ancestors of `canonical` (which is stored here, too): it
    /// inherits every key they hold or speak for.
    pub(crate) fn supersede(
        &mut self,
        sources: &[String],
        canonical: Contact,
        now: i64,
    ) -> Arc<Contact> {
        let id = canonical.id.clone();
        let mut keys: Vec<Key> = Vec::new();
        for source in sources {
            let Some(contact) = self.by_id.get(source).cloned() else {
                continue;
            };
            for key in spoken_for(&contact) {
                self.unmention(&key, contact.sequence);
            }
            for key in contact.held.keys() {
                self.drop_claim(source, key, now);
                keys.push(key.clone());
            }
            self.edit(source, now, |contact| contact.merged_to = Some(id.clone()));
        }
        self.put(canonical, now);
        for key in keys {
            self.take(&id, &key, now);
        }
        Arc::clone(&self.by_id[&id])
    }

    /// Every contact, in no order; for assertions.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Contact>> {
        self.by_id.values()
    }
}

/// The keys a contact wants; an ancestor wants none.
fn spoken_for(contact: &Contact) -> Vec<Key> {
    match contact.merged_to {
        Some(_) => Vec::new(),
        None => identifiers::of(&contact.fields, &contact.division),
    }
}

#[cfg(test)]
mod tests {
    use super::fields::Fields;
    use super::identifiers::Key;
    use super::{Contact, ContactType, Contacts};
    use serde_json::json;

    fn person(name: &str, e164: &str) -> Fields {
        let fields = json!({ "firstName": name, "cellPhone": { "display": e164, "e164": e164 } });
        fields.as_object().cloned().expect("an object")
    }

    fn add(contacts: &mut Contacts, id: &str, e164: &str) {
        let draft: Contact =
            contacts.draft(id.into(), "*", ContactType::Curated, person(id, e164), 1);
        contacts.put(draft, 1);
    }

    fn holder(contacts: &Contacts, e164: &str) -> Option<String> {
        contacts.holder(&Key::phone("*", e164)).map(|contact| contact.id.clone())
    }

    #[test]
    fn an_identifier_stays_with_its_first_holder() {
        let mut contacts = Contacts::new(0);
        add(&mut contacts, "first", "+15550199999");
        add(&mut contacts, "second", "+15550199999");
        assert_eq!(holder(&contacts, "+15550199999").as_deref(), Some("first"));
        assert!(contacts.resolve("second").expect("stored").held.is_empty());
    }

    #[test]
    fn a_deleted_holder_leaves_its_identifier_to_the_next_oldest() {
        let mut contacts = Contacts::new(0);
        for id in ["first", "second", "third"] {
            add(&mut contacts, id, "+15550199999");
        }
        contacts.remove("first", 2);
        assert_eq!(holder(&contacts, "+15550199999").as_deref(), Some("second"));
        contacts.remove("second", 3);
        contacts.remove("third", 4);
        assert_eq!(holder(&contacts, "+15550199999"), None);
    }

    #[test]
    fn an_edit_releases_the_old_number_and_claims_the_new() {
        let mut contacts = Contacts::new(0);
        add(&mut contacts, "a", "+15550199999");
        let mut changed = Contact::clone(contacts.resolve("a").expect("stored"));
        changed.fields = person("a", "+15550190001");
        contacts.put(changed, 2);
        assert_eq!(holder(&contacts, "+15550199999"), None);
        assert_eq!(holder(&contacts, "+15550190001").as_deref(), Some("a"));
        assert_eq!(contacts.resolve("a").expect("stored").modified_at, 2);
    }

    #[test]
    fn a_released_identifier_is_free_for_whoever_claims_it() {
        let mut contacts = Contacts::new(0);
        add(&mut contacts, "first", "+15550199999");
        add(&mut contacts, "second", "+15550199999");
        let key = Key::phone("*", "+15550199999");
        assert!(contacts.claim("second", &key, 2).is_err_and(|problem| problem.status == 409));
        assert_eq!(contacts.release("first", &key, 3), Ok(1));
        assert_eq!(holder(&contacts, "+15550199999"), None);
        assert_eq!(contacts.claim("second", &key, 4), Ok(4));
        assert_eq!(holder(&contacts, "+15550199999").as_deref(), Some("second"));
    }

    #[test]
    fn divisions_claim_apart() {
        let mut contacts = Contacts::new(0);
        add(&mut contacts, "a", "+15550199999");
        let fields = person("b", "+15550199999");
        let draft = contacts.draft("b".into(), "other", ContactType::Curated, fields, 1);
        contacts.put(draft, 1);
        assert_eq!(contacts.resolve("b").expect("stored").held.len(), 1);
    }
}
