//! What a connector is: facts, a way to open it, and what it can then do.

use crate::{
    CallEvents, Changes, Destinations, Error, Feed, Forms, History, Journal, Lane, Limits,
    Manifest, Network, Presence, Requests, Rights, Settings, SignIn, Tokens, Turnstile, Writes,
};
use async_trait::async_trait;
use domain::{CallId, Contact, ContactPhone, Hidden, MediaType, Numbering, Phone, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The code for one vendor. `connectors::all()` lists them.
pub struct Connector {
    pub manifest: Manifest,
    /// Opens a connection without asking the vendor anything yet.
    pub open: fn(Opening) -> Result<Capabilities, Error>,
}

/// What a connection is opened with. Settings were checked by the manifest.
pub struct Opening {
    /// The connection's name in the configuration.
    pub name: String,
    pub settings: Settings,
    pub limits: Limits,
    pub network: Network,
    /// How its numbers are read, and written where it keeps all in one form.
    pub numbers: Numbering,
}

/// What a connection can do. A vendor's lack is `None` and costs nothing.
#[derive(Clone)]
pub struct Capabilities {
    /// What every request of the connection passes, whatever protocol it speaks.
    pub turnstile: Turnstile,
    pub tokens: Option<Arc<Tokens>>,
    pub lookup: Option<Arc<dyn Lookup>>,
    pub accounts: Option<Arc<dyn Accounts>>,
    pub contact_center: Option<Arc<dyn ContactCenter>>,
    pub calls: Option<Arc<dyn CallEvents>>,
    pub history: Option<Arc<dyn History>>,
    pub destinations: Option<Arc<dyn Destinations>>,
    pub journal: Option<Arc<dyn Journal>>,
    pub sign_in: Option<Arc<dyn SignIn>>,
    pub changes: Option<Arc<dyn Changes>>,
    /// Tells at once that something changed; what it is, `changes` and `writes` say.
    pub feed: Option<Arc<dyn Feed>>,
    pub writes: Option<Arc<dyn Writes>>,
    /// How the fields of `changes` and `writes` hold their values; `None`: as plain JSON.
    pub forms: Option<Arc<dyn Forms>>,
    pub requests: Option<Arc<dyn Requests>>,
    /// What agents show and have at hand, where the vendor hands out work.
    pub presence: Option<Arc<dyn Presence>>,
    pub check: Arc<dyn Check>,
}

impl Capabilities {
    /// A connection that can say what it lacks, and nothing else yet: a connector names
    /// what its vendor can, and takes the rest from here.
    #[must_use]
    pub fn new(way: impl Into<Turnstile>, check: Arc<dyn Check>) -> Self {
        Self {
            turnstile: way.into(),
            tokens: None,
            lookup: None,
            accounts: None,
            contact_center: None,
            calls: None,
            history: None,
            destinations: None,
            journal: None,
            sign_in: None,
            changes: None,
            feed: None,
            writes: None,
            forms: None,
            requests: None,
            presence: None,
            check,
        }
    }

    /// The names of what it can do, as [`Manifest::expected`] has them.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("lookup", self.lookup.is_some()),
            ("accounts", self.accounts.is_some()),
            ("contact_center", self.contact_center.is_some()),
            ("calls", self.calls.is_some()),
            ("history", self.history.is_some()),
            ("destinations", self.destinations.is_some()),
            ("journal", self.journal.is_some()),
            ("sign_in", self.sign_in.is_some()),
            ("changes", self.changes.is_some()),
            ("feed", self.feed.is_some()),
            ("writes", self.writes.is_some()),
            ("requests", self.requests.is_some()),
            ("presence", self.presence.is_some()),
        ];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }
}

/// Identifiers to find a person by; at least one is there.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Ask {
    pub phone: Option<Phone>,
    pub email: Option<String>,
    /// A record's id within the connection's own system.
    pub record: Option<String>,
}

impl fmt::Debug for Ask {
    /// Which identifiers there are, and of them only the record's id (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("phone", &self.phone)
            .field("email", &Hidden::of(self.email.as_ref()))
            .field("record", &self.record)
            .finish()
    }
}

/// Finds people by identifiers.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// How many asks one request can carry.
    fn batch_max(&self) -> usize {
        1
    }

    /// For each ask, in order, everybody who has at least one of its identifiers
    /// (a few too many are fine, none may be missing that the vendor can find).
    ///
    /// In [`Lane::Call`] one quick request; in [`Lane::Background`] also what a
    /// lagging search index may hide.
    ///
    /// # Errors
    /// Any [`Error`]; it holds for all asks of the batch.
    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error>;

    /// The record that one which is gone was merged into; `None` where it was deleted,
    /// or where the vendor does not tell.
    ///
    /// # Errors
    /// Any [`Error`].
    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        let _ = (lane, record);
        Ok(None)
    }
}

/// Knows accounts to which records of another system are linked by their ids.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// How many accounts one request can carry.
    fn batch_max(&self) -> usize {
        1
    }

    /// For each id, in order, what is known of that account; `None` where there
    /// is no such account, also when the id has a form that none can have.
    ///
    /// # Errors
    /// Any [`Error`]; it holds for all ids of the batch.
    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error>;
}

/// An account as its own system knows it.
#[derive(Clone, PartialEq, Default)]
pub struct Account {
    /// Its id in its own system, as that system writes it.
    pub record: String,
    /// Display name; empty when the system holds none.
    pub name: String,
    /// Page of the record in its system.
    pub url: Option<String>,
    /// What joins the data of an answer: names as configured, never null.
    pub data: BTreeMap<String, Value>,
}

impl fmt::Debug for Account {
    /// Which account, never what is known of it (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("record", &self.record)
            .field("name", &Hidden::text(&self.name))
            .field("data", &self.data.keys())
            .finish_non_exhaustive()
    }
}

/// A platform that owns conversations and a contact list of its own.
#[async_trait]
pub trait ContactCenter: Send + Sync {
    /// How many profiles one request can carry.
    fn batch_max(&self) -> usize {
        1
    }

    /// Creates or updates contacts keyed by their externalId: repeating it has
    /// no second effect (invariant 3). One outcome per push, in order. No two
    /// pushes of a batch have the same externalId: the caller sees to it.
    ///
    /// # Errors
    /// When no push of the batch was tried.
    async fn enrich(&self, pushes: &[Push]) -> Result<Vec<Result<Enriched, Error>>, Error>;

    /// The conversation behind a call.
    ///
    /// # Errors
    /// `NotFound` when the platform does not know the id, also when the id has
    /// a form the platform never gives.
    async fn conversation(&self, call: &CallId) -> Result<Conversation, Error>;

    /// Sets attributes on the customer's side of a live conversation; others stay.
    ///
    /// # Errors
    /// `NotFound` when the conversation or its customer is gone.
    async fn set_attributes(
        &self,
        conversation: &Conversation,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error>;

    /// Ties the conversation to a contact of the platform.
    ///
    /// # Errors
    /// `NotFound` when one of the two is gone.
    async fn associate(&self, conversation: &Conversation, contact: &str) -> Result<(), Error>;
}

/// What the platform shall know of a customer.
#[derive(Clone, PartialEq, Default)]
pub struct Profile {
    pub name: String,
    /// First name, where the CRM keeps it apart from the last.
    pub first_name: Option<String>,
    /// Last name, likewise.
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phones: Vec<ContactPhone>,
    /// Page of the record in its CRM.
    pub url: Option<String>,
}

impl fmt::Debug for Profile {
    /// What is known, never who it is (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("name", &Hidden::text(&self.name))
            .field("first_name", &Hidden::of(self.first_name.as_ref()))
            .field("last_name", &Hidden::of(self.last_name.as_ref()))
            .field("email", &Hidden::of(self.email.as_ref()))
            .field("phones", &self.phones)
            .field("url", &Hidden::of(self.url.as_ref()))
            .finish()
    }
}

/// One profile under its externalId (`CRM:003…`).
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    pub external_id: String,
    pub profile: Profile,
}

/// The platform's own contact after a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enriched {
    pub contact: String,
}

/// A conversation as far as identity is concerned.
#[derive(Clone, PartialEq)]
pub struct Conversation {
    pub id: String,
    pub has_ended: bool,
    /// The customer's participant id, where there is one yet.
    pub participant: Option<String>,
    /// The customer's communication (leg) id.
    pub communication: Option<String>,
    pub media: MediaType,
    /// The platform's contact tied to it now.
    pub contact: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

impl fmt::Debug for Conversation {
    /// Attributes by name alone: their values are what a flow knows of the customer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("id", &self.id)
            .field("has_ended", &self.has_ended)
            .field("participant", &self.participant)
            .field("communication", &self.communication)
            .field("media", &self.media)
            .field("contact", &self.contact)
            .field("attributes", &self.attributes.keys())
            .finish()
    }
}

/// Asks the vendor, live, whether everything this connection needs is granted.
#[async_trait]
pub trait Check: Send + Sync {
    async fn check(&self) -> Vec<Finding>;

    /// What the vendor says that these credentials may do.
    ///
    /// # Errors
    /// Any [`Error`] where it could not be asked.
    async fn rights(&self) -> Result<Rights, Error> {
        Ok(Rights::untold("there is nobody to ask", "look into that system's own settings"))
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The permission, scope, object or setting, in the vendor's words.
    pub what: String,
    pub outcome: Result<(), Flaw>,
}

/// What is wrong and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub code: &'static str,
    pub message: String,
    pub fix: String,
}

#[cfg(test)]
mod tests {
    use super::{Account, Ask, Conversation, Profile, Push};
    use domain::{ContactPhone, MediaType, Phone, PhoneKind};

    #[test]
    fn debug_output_names_records_and_nobody() {
        let ask = Ask {
            phone: Some(Phone { e164: "+15550199999".into(), extension: None }),
            email: Some("john.doe@example.com".into()),
            record: Some("0035g00000ABCdEAAW".into()),
        };
        let profile = Profile {
            name: "John Doe".into(),
            first_name: Some("John".into()),
            last_name: Some("Doe".into()),
            email: ask.email.clone(),
            phones: vec![ContactPhone::new(PhoneKind::Home, "+15550199999")],
            url: Some("https://crm.example/people?tel=5550199999".into()),
        };
        let push = Push { external_id: "CRM:0035g00000ABCdEAAW".into(), profile };
        let conversation = Conversation {
            id: "7f0d3c1e".into(),
            has_ended: false,
            participant: None,
            communication: None,
            media: MediaType::Voice,
            contact: None,
            attributes: [("customerName".to_owned(), "John Doe".to_owned())].into(),
        };
        let account = Account {
            record: "2000001".into(),
            name: "Doe and Sons".into(),
            url: Some("https://erp.example/accounts".into()),
            data: [("erpAccountStatus".to_owned(), "John's".into())].into(),
        };
        let shown = format!("{ask:?} {push:?} {conversation:?} {account:?}");
        for personal in ["John", "Doe", "example", "5550199999"] {
            assert!(!shown.contains(personal), "{personal} in {shown}");
        }
        for structure in [
            "0035g00000ABCdEAAW",
            "email: Some",
            "Home",
            "customerName",
            "7f0d3c1e",
            "2000001",
            "erpAccountStatus",
        ] {
            assert!(shown.contains(structure), "{structure} not in {shown}");
        }
    }
}
