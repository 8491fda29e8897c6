//! A system as the sync writes to it: by key, on condition, into the bin, over a bad network.

use crate::edits::{Cell, Cells};
use crate::faults::{Bug, Fate};
use crate::world::{Record, State, System, World};
use async_trait::async_trait;
use domain::Timestamp;
use kit::{Change, Error, Fields, Lane, Saved, Write, Writes};
use serde_json::{Value as Json, json};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

pub type Shared = Arc<Mutex<World>>;

/// The object that is kept the same.
pub const OBJECT: &str = "Person";
/// By what records are made, on the left and on the right.
pub const KEYS: [&str; 2] = ["OtherId", "externalId"];
/// What says that a record's other is gone.
pub const MARK: (&str, &str) = ("Gone", "yes");

/// The name of a field on a side.
pub fn field_name(side: usize, field: usize) -> String {
    format!("{}{field}", ["Left", "right"][side])
}

#[derive(Clone)]
pub struct Vendor {
    shared: Shared,
    pub side: usize,
}

impl Vendor {
    pub fn new(shared: &Shared, side: usize) -> Self {
        Self { shared: Arc::clone(shared), side }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.lock().expect("a world")
    }

    pub fn failure(&self, fate: Fate) -> Error {
        match fate {
            Fate::Throttled => Error::RateLimited { retry_after: Some(Duration::from_secs(1)) },
            Fate::Refused => Error::Invalid { field: None, reason: "by the walk".to_owned() },
            _ => Error::unavailable("the walk's network"),
        }
    }
}

/// Time goes by, in which everything may end.
pub async fn step() {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A record as a list tells it.
pub fn told(system: &System, record: &Record, cells: &[Cell]) -> Change {
    match &record.state {
        State::Live => Change::Saved(seen(system, record, cells)),
        State::Deleted => Change::Deleted { id: record.id.clone(), into: None },
        State::Merged(into) => Change::Deleted { id: record.id.clone(), into: Some(into.clone()) },
    }
}

pub fn seen(system: &System, record: &Record, cells: &[Cell]) -> kit::Record {
    let (side, mut fields) = (system.side, Fields::new());
    for (at, cell) in cells.iter().enumerate() {
        let words = &record.cells[at];
        let value = match cell {
            Cell::Tags if words.is_empty() => Json::Null,
            Cell::Tags => words.iter().cloned().collect(),
            _ => words.first().map_or(Json::Null, |word| json!(word)),
        };
        fields.insert(field_name(side, at), value);
    }
    fields.insert(KEYS[side].to_owned(), json!(record.key));
    fields.insert(MARK.0.to_owned(), if record.is_marked { json!(MARK.1) } else { Json::Null });
    kit::Record {
        id: record.id.clone(),
        version: system.version(record),
        modified: Some(Timestamp(record.modified)),
        modified_by: None,
        fields,
    }
}

fn words(value: &Json) -> std::collections::BTreeSet<String> {
    match value {
        Json::String(text) => [text.clone()].into(),
        Json::Array(all) => all.iter().flat_map(words).collect(),
        _ => Default::default(),
    }
}

#[async_trait]
impl Writes for Vendor {
    fn read_max(&self) -> usize {
        self.world().systems[self.side].shape.read_max
    }

    async fn read(
        &self,
        _: Lane,
        _: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<kit::Record>>, Error> {
        step().await;
        let mut world = self.world();
        let fate = world.faults.of_read();
        if fate != Fate::Well {
            world.is_unsettled = true;
            return Err(self.failure(fate));
        }
        let read = |id: &String| {
            let record = world.systems[self.side].get(id).filter(|record| record.is_live())?;
            let mut seen = seen(&world.systems[self.side], record, &world.cells);
            seen.fields.retain(|name, _| fields.contains(name));
            Some(seen)
        };
        let found: Vec<Option<kit::Record>> = ids.iter().map(read).collect();
        world.note(format!("read {ids:?}"));
        Ok(found)
    }

    async fn successors(&self, _: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        step().await;
        let world = self.world();
        let into = |id: &String| match &world.systems[self.side].get(id)?.state {
            State::Merged(into) => Some(into.clone()),
            _ => None,
        };
        Ok(ids.iter().map(into).collect())
    }

    async fn find(&self, _: &str, (_, key): (&str, &str)) -> Result<Option<String>, Error> {
        step().await;
        let mut world = self.world();
        let fate = world.faults.of_read();
        if fate != Fate::Well {
            world.is_unsettled = true;
            return Err(self.failure(fate));
        }
        let has_key = |record: &&Record| record.key.as_deref() == Some(key);
        let mut found = world.systems[self.side].live().filter(has_key);
        let id = found.next().map(|record| record.id.clone());
        let several = found.next().is_some();
        drop(found);
        world.note(format!("find {key}: {id:?}"));
        if id.is_none() {
            let seq = world.systems[self.side].seq;
            world.looked_for.insert((self.side, key.to_owned()), seq);
        }
        if several { Err(Error::Conflict { reason: "several".to_owned() }) } else { Ok(id) }
    }

    async fn create(&self, _: &str, _: (&str, &str), _: &Fields) -> Result<Saved, Error> {
        unreachable!("all writes go together")
    }

    async fn update(&self, _: &str, _: &str, _: Option<&str>, _: &Fields) -> Result<Saved, Error> {
        unreachable!("all writes go together")
    }

    async fn delete(&self, _: &str, _: &str, _: Option<&str>) -> Result<(), Error> {
        unreachable!("all writes go together")
    }

    fn write_max(&self) -> usize {
        self.world().systems[self.side].shape.write_max
    }

    async fn write(&self, _: &str, writes: &[Write]) -> Result<Vec<Result<Saved, Error>>, Error> {
        step().await;
        let fate = self.world().faults.of_write();
        if matches!(fate, Fate::Lost | Fate::Throttled) {
            self.world().is_unsettled = true;
            return Err(self.failure(fate));
        }
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut shut = None;
        for write in writes {
            let outcome = match &shut {
                Some(error) => Err(Error::clone(error)),
                None => self.one(write),
            };
            if let Err(error @ Error::RateLimited { .. }) = &outcome {
                shut = Some(error.clone());
            }
            outcomes.push(outcome);
            step().await;
        }
        let mut world = self.world();
        world.is_unsettled |= outcomes.iter().any(Result::is_err);
        if fate == Fate::Unheard {
            world.is_unsettled = true;
            let written = writes.iter().zip(&outcomes).filter_map(|(_, one)| one.as_ref().ok());
            let ids: Vec<String> = written.map(|saved| saved.id.clone()).collect();
            world.note(format!("of {ids:?} nothing is heard"));
            ids.iter().for_each(|id| world.witness.in_doubt(self.side, id));
            return Err(self.failure(fate));
        }
        Ok(outcomes)
    }
}

impl Vendor {
    fn one(&self, write: &Write) -> Result<Saved, Error> {
        let mut world = self.world();
        // Where a change cannot be made on condition, what somebody sets just before it is lost.
        let has_versions = world.systems.iter().all(|system| system.shape.has_versions);
        if has_versions && world.faults.is_meddled() {
            match write {
                Write::Update { id, .. } | Write::Delete { id, .. }
                    if world.systems[self.side].get(id).is_some_and(Record::is_live) =>
                {
                    world.somebody_sets(self.side, id);
                }
                _ => world.somebody_edits(),
            }
        }
        let fate = world.faults.of_write();
        if matches!(fate, Fate::Lost | Fate::Throttled | Fate::Refused) {
            world.note(format!("{} {fate:?}", shown(write)));
            return Err(self.failure(fate));
        }
        let mut outcome = world.write(self.side, write);
        if fate == Fate::Twice {
            let again = world.write(self.side, write);
            // By key it is the same once more, and has another version.
            if let (Write::Create { .. }, Ok(again)) = (write, again) {
                outcome = outcome.map(|first| Saved { is_new: first.is_new, ..again });
            }
        }
        world.note(format!("{} -> {outcome:?}", shown(write)));
        if let (Fate::Unheard, Ok(saved)) = (fate, &outcome) {
            world.note(format!("of {} nothing is heard", saved.id));
            world.witness.in_doubt(self.side, &saved.id);
            return Err(self.failure(fate));
        }
        if world.faults.bug == Bug::LetsAnEchoThrough
            && let Ok(saved) = &outcome
            && !matches!(write, Write::Delete { .. })
        {
            world.decorates(self.side, &saved.id);
        }
        outcome
    }
}

fn shown(write: &Write) -> String {
    let show = |fields: &Fields| serde_json::to_string(fields).unwrap_or_default();
    match write {
        Write::Create { key: (_, key), fields } => format!("create for {key} {}", show(fields)),
        Write::Update { id, seen, fields } => format!("update {id} {seen:?} {}", show(fields)),
        Write::Delete { id, seen } => format!("delete {id} {seen:?}"),
    }
}

impl World {
    fn write(&mut self, side: usize, write: &Write) -> Result<Saved, Error> {
        let conflict = || Error::Conflict { reason: "somebody was quicker".to_owned() };
        let is_seen = |record: &Record, seen: &Option<String>, bug: Bug| {
            bug == Bug::WritesBlindly
                || seen.as_ref().is_none_or(|seen| *seen == format!("v{}", record.version))
        };
        let bug = self.faults.bug;
        let (before, fields) = match write {
            Write::Create { key: (_, key), fields } => {
                let has_key = |record: &&Record| record.key.as_ref() == Some(key);
                let found: Vec<&Record> = self.systems[side].live().filter(has_key).collect();
                let found = if bug == Bug::MakesTwice { &[] } else { &found[..] };
                match found {
                    [] => (None, fields),
                    [one] => (Some((*one).clone()), fields),
                    _ => return Err(conflict()),
                }
            }
            Write::Update { id, seen, fields } => {
                let record = self.systems[side].get(id).filter(|record| record.is_live());
                let record = record.ok_or(Error::NotFound)?;
                if !is_seen(record, seen, bug) {
                    return Err(conflict());
                }
                (Some(record.clone()), fields)
            }
            Write::Delete { id, seen } => {
                let gone = Saved { id: id.clone(), version: None, is_new: false };
                let record = self.systems[side].get(id).filter(|record| record.is_live());
                let Some(record) = record.cloned() else { return Ok(gone) };
                if !is_seen(&record, seen, bug) {
                    return Err(conflict());
                }
                let after = self.put(side, Record { state: State::Deleted, ..record.clone() });
                self.wrote(side, Some(&record), &after, None);
                return Ok(gone);
            }
        };
        let key = match write {
            Write::Create { key: (_, key), .. } => Some(key.clone()),
            _ => None,
        };
        let mut record = before.clone().unwrap_or_else(|| Record {
            id: self.systems[side].new_id(),
            cells: vec![Default::default(); self.cells.len()],
            key: key.clone(),
            is_marked: false,
            state: State::Live,
            version: 0,
            modified: 0,
        });
        set(side, &mut record, fields);
        let looked = key.as_ref().and_then(|key| self.looked_for.get(&(side, key.clone())));
        let is_back = looked.is_some_and(|seq| !self.systems[side].was_live(&record.id, *seq));
        let after = self.put(side, record);
        self.witness.is_raced = before.is_some() && is_back;
        self.wrote(side, before.as_ref(), &after, key.as_deref());
        self.witness.is_raced = false;
        let version = self.systems[side].version(&after);
        Ok(Saved { id: after.id, version, is_new: before.is_none() })
    }

    fn wrote(&mut self, side: usize, before: Option<&Record>, after: &Record, key: Option<&str>) {
        self.writes += 1;
        self.written.push((side, after.id.clone()));
        self.witness.written(side, before, after, key);
    }

    /// What was written is not what stands there, and nobody was told.
    fn decorates(&mut self, side: usize, id: &str) {
        let Some(mut record) = self.systems[side].get(id).cloned() else { return };
        let Some(at) = self.cells.iter().position(|cell| *cell == Cell::Word) else { return };
        if let Some(word) = record.cells[at].pop_first() {
            record.cells[at].insert(format!("{word}!"));
            self.put(side, record);
        }
    }
}

fn set(side: usize, record: &mut Record, fields: &Fields) {
    let cells: &mut Cells = &mut record.cells;
    for (at, own) in cells.iter_mut().enumerate() {
        if let Some(value) = fields.get(&field_name(side, at)) {
            *own = words(value);
        }
    }
    if let Some(key) = fields.get(KEYS[side]) {
        record.key = key.as_str().map(str::to_owned);
    }
    if let Some(mark) = fields.get(MARK.0) {
        record.is_marked = mark.as_str() == Some(MARK.1);
    }
}
