//! What changes becomes events, when the transaction that changed it ends; and what can go
//! wrong with them on purpose.

use std::ops::{Deref, DerefMut};
use std::sync::RwLockWriteGuard;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::super::store::{Changed, State, Store, clock};
use super::super::super::{Salesforce, World, millis};
use super::avro::{self, Header, Told};
use super::{rpc, shape};

/// A transaction: what it changed is told when it ends.
pub(in super::super::super) struct Writing<'w> {
    world: &'w World,
    store: RwLockWriteGuard<'w, Store>,
    origin: String,
}

impl<'w> Writing<'w> {
    pub(in super::super::super) fn new(
        world: &'w World,
        store: RwLockWriteGuard<'w, Store>,
        origin: String,
    ) -> Writing<'w> {
        Writing { world, store, origin }
    }
}

impl Deref for Writing<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let told = std::mem::take(&mut self.store.told);
        if !told.is_empty() {
            self.world.publish(&self.store, told, &self.origin);
        }
    }
}

impl World {
    /// Tells the bus what one transaction changed.
    fn publish(&self, store: &Store, all: Vec<Changed>, origin: &str) {
        if self.muted.load(Ordering::Relaxed) {
            return;
        }
        let (at, user) = (clock::now(), self.user());
        let transaction = rpc();
        let number = i64::try_from(self.events.last()).unwrap_or(0);
        for (sequence, changed) in (1..).zip(all) {
            let (object, row) = (changed.object, changed.row);
            let of = &store.objects[object];
            let Some(now) = store.row(object, row) else { continue };
            if !self.config.captured.contains(&of.name) {
                continue;
            }
            let is_gone = now.state != State::Alive;
            let kind = match &changed.before {
                None => "CREATE",
                Some(_) if is_gone => "DELETE",
                Some(before) if before.state != State::Alive => "UNDELETE",
                Some(_) => "UPDATE",
            };
            let fields = avro::told(of);
            let changes = |number: u16| match &changed.before {
                Some(before) if kind == "UPDATE" => store.differs(object, row, before, number),
                _ => false,
            };
            let numbers = fields.iter().flat_map(Told::numbers);
            let told: Vec<u16> = numbers.filter(|number| changes(*number)).collect();
            let header = Header {
                entity: &of.name,
                ids: &[store.id(object, row)],
                kind,
                origin,
                transaction: &transaction,
                sequence,
                at,
                number,
                user: &user,
            };
            let payload = avro::event(&header, &fields, &told, |number| match kind {
                "DELETE" => None,
                "UPDATE" if !told.contains(&number) => None,
                _ => store.value(object, row, number),
            });
            self.events.add(object, shape(store, object, &fields).0, payload);
        }
    }

    /// Tells of something without saying what: `GAP_UPDATE` and its kin of these records,
    /// `GAP_OVERFLOW` of none.
    fn tell_gap(&self, kind: &str, object: &str, ids: &[String]) {
        let store = self.read();
        let Some(object) = store.object_always(object) else { return };
        let fields = avro::told(&store.objects[object]);
        let none = ["000000000000000AAA".to_owned()];
        let (user, transaction) = (self.user(), rpc());
        let header = Header {
            entity: &store.objects[object].name,
            ids: if ids.is_empty() { &none } else { ids },
            kind,
            origin: "",
            transaction: &transaction,
            sequence: 1,
            at: clock::now(),
            number: i64::try_from(self.events.last()).unwrap_or(0),
            user: &user,
        };
        let payload = avro::event(&header, &fields, &[], |_| None);
        self.events.add(object, shape(&store, object, &fields).0, payload);
    }
}

impl Salesforce {
    /// `http://127.0.0.1:port` of the Pub/Sub API.
    pub fn pubsub_url(&self) -> String {
        format!("http://{}", self.events.address)
    }

    /// Every stream breaks off, and the event bus has thrown away everything that was told so far.
    pub fn expire_events(&self) {
        self.world.events.expire();
    }

    /// Changes how long the event bus keeps an event, also those it has.
    pub fn set_retention(&self, retention: Duration) {
        self.world.events.set_retention(millis(retention));
    }

    /// The next answer with events breaks off in its middle, and the stream with it.
    pub fn cut_next_events(&self) {
        self.world.cut.store(true, Ordering::Relaxed);
    }

    /// Has the answer that [`cut_next_events`](Self::cut_next_events) asked for broken off?
    pub fn has_cut_events(&self) -> bool {
        !self.world.cut.load(Ordering::Relaxed)
    }

    /// From now on schemas are answered with something that is none; or no more.
    pub fn spoil_schemas(&self, spoilt: bool) {
        self.world.spoilt.store(spoilt, Ordering::Relaxed);
    }

    /// From now on nothing is told of what changes; or again.
    pub fn mute_events(&self, muted: bool) {
        self.world.muted.store(muted, Ordering::Relaxed);
    }

    /// Tells that something happened without saying what: `GAP_UPDATE` and its kin of these
    /// records, `GAP_OVERFLOW` of none.
    pub fn tell_gap(&self, kind: &str, object: &str, ids: &[String]) {
        self.world.tell_gap(kind, object, ids);
    }
}
