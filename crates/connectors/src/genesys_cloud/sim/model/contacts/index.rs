//! Answers search, list, scan and reverse lookup from a copy that lags behind.
//!
//! Curated contacts only. A write is seen here when the configured lag has
//! passed, and until then the older copy is: the platform says that new contacts
//! may take minutes to appear. Exact identifier lookups do not come here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::identifiers;
use super::{Contact, ContactType};

#[derive(Debug)]
pub(crate) struct Index {
    lag_ms: i64,
    waiting: VecDeque<(i64, Change)>,
    seen: BTreeMap<u64, Arc<Contact>>,
    /// Phone, e-mail or screen name, to the sequences of the contacts that have it.
    by_value: HashMap<String, BTreeSet<u64>>,
}

#[derive(Debug)]
enum Change {
    Seen(Arc<Contact>),
    Gone(u64),
}

impl Index {
    pub(crate) fn new(lag_ms: i64) -> Self {
        Self { lag_ms, waiting: VecDeque::new(), seen: BTreeMap::new(), by_value: HashMap::new() }
    }

    /// From now on writes are seen after `lag_ms`; those waiting keep their time.
    pub(crate) fn set_lag(&mut self, lag_ms: i64) {
        self.lag_ms = lag_ms;
    }

    /// A contact was written.
    pub(crate) fn note(&mut self, contact: Arc<Contact>, now: i64) {
        let shown = contact.kind == ContactType::Curated && contact.merged_to.is_none();
        let change = if shown { Change::Seen(contact) } else { Change::Gone(contact.sequence) };
        self.queue(change, now);
    }

    /// A contact was deleted.
    pub(crate) fn forget(&mut self, contact: &Contact, now: i64) {
        self.queue(Change::Gone(contact.sequence), now);
    }

    fn queue(&mut self, change: Change, now: i64) {
        if self.lag_ms == 0 && self.waiting.is_empty() {
            self.apply(change);
        } else {
            self.waiting.push_back((now + self.lag_ms, change));
        }
    }

    /// Lets in what has waited long enough; `i64::MAX` lets in everything.
    pub(crate) fn catch_up(&mut self, now: i64) {
        while self.waiting.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, change)) = self.waiting.pop_front() {
                self.apply(change);
            }
        }
    }

    fn apply(&mut self, change: Change) {
        let sequence = match &change {
            Change::Seen(contact) => contact.sequence,
            Change::Gone(sequence) => *sequence,
        };
        if let Some(old) = self.seen.remove(&sequence) {
            for value in values(&old) {
                if let Some(all) = self.by_value.get_mut(&value) {
                    all.remove(&sequence);
                }
            }
        }
        if let Change::Seen(contact) = change {
            for value in values(&contact) {
                self.by_value.entry(value).or_default().insert(sequence);
            }
            self.seen.insert(sequence, contact);
        }
    }

    /// Contacts created after `sequence`, in order of creation.
    pub(crate) fn after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Contact>> {
        self.seen.range(sequence + 1..).map(|(_, contact)| contact)
    }

    /// Every contact that has this phone (E.164), e-mail or screen name, oldest first.
    pub(crate) fn having(&self, value: &str) -> impl Iterator<Item = &Arc<Contact>> {
        let found = self.by_value.get(&value.to_lowercase());
        found.into_iter().flatten().filter_map(|sequence| self.seen.get(sequence))
    }

    /// Contacts every word of `query` occurs in (names, phones, e-mails, titles).
    pub(crate) fn search(&self, query: &str) -> Vec<&Arc<Contact>> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let hit = |contact: &&Arc<Contact>| {
            words.is_empty() || {
                let text = text_of(contact);
                words.iter().all(|word| text.contains(word.as_str()))
            }
        };
        self.seen.values().filter(hit).collect()
    }
}

fn values(contact: &Contact) -> Vec<String> {
    let keys = identifiers::of(&contact.fields, &contact.division);
    let mut values: Vec<String> = keys
        .into_iter()
        .filter(|key| matches!(key.kind, "Phone" | "Email"))
        .map(|key| key.value)
        .collect();
    let twitter = contact.fields.get("twitterId").and_then(|id| id.get("screenName")?.as_str());
    values.extend(twitter.map(str::to_lowercase));
    values
}

fn text_of(contact: &Contact) -> String {
    let mut text = String::new();
    let names = ["firstName", "middleName", "lastName", "title"];
    for name in names.iter().chain(&identifiers::EMAIL_FIELDS) {
        if let Some(value) = contact.fields.get(*name).and_then(|value| value.as_str()) {
            text.push_str(&value.to_lowercase());
            text.push('\n');
        }
    }
    for phone in identifiers::PHONE_FIELDS {
        for form in ["e164", "display", "userInput"] {
            let value = contact.fields.get(phone).and_then(|phone| phone.get(form)?.as_str());
            text.push_str(value.unwrap_or_default());
            text.push('\n');
        }
    }
    text
}
