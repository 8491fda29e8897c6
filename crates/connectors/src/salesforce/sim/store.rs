//! The records of the simulated org: what is in it, and the rules for changing it.
//!
//! `schema` says which fields there are, `input` reads and checks what a client
//! sends, `packed` holds a row, `index` finds rows by text. A row keeps its number
//! for good: deleting marks it, and its id can be told from one that never was.
//! Every change gives an [`Undo`], so that all-or-none requests can be taken back.

pub(crate) mod clock;
mod derived;
mod fates;
pub(crate) mod ids;
mod index;
mod input;
pub(crate) mod omni;
pub(crate) mod packed;
pub(crate) mod schema;
mod table;

use std::collections::VecDeque;

use serde_json::{Map, Value as Json, json};

use self::packed::{Packed, Value, ValueRef};
use self::schema::{CustomField, Object, Permissions, system};
use self::table::Table;
use super::search::Search;

/// Why a record was not found, or not changed; becomes one entry of the error array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

impl Refused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Refused {
        Refused { code, message: message.into(), fields: Vec::new() }
    }

    pub(crate) fn of(code: &'static str, message: impl Into<String>, field: &str) -> Refused {
        Refused { code, message: message.into(), fields: vec![field.to_owned()] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    /// In the recycle bin since.
    Deleted,
    /// Emptied from the recycle bin: only the log of deletions knows it.
    Emptied,
    /// Taken back: never was.
    Erased,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    values: Packed,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    /// When it last changed in any way; a deletion is a change.
    pub(crate) stamp: i64,
    pub(crate) state: State,
}

/// Takes one change back; see [`Store::undo`].
pub(crate) struct Undo {
    object: usize,
    row: u32,
    before: Option<Row>,
}

/// A record that was changed, and what it was; nothing where it is new.
pub(crate) struct Changed {
    pub(crate) object: usize,
    pub(crate) row: u32,
    pub(crate) before: Option<Row>,
}

/// Changes not yet in the search index; past it the index is built anew.
const MOST_TOUCHED: usize = 100_000;

/// Every record, by object and row number.
pub(crate) struct Store {
    pub(crate) objects: Vec<Object>,
    tables: Vec<Table>,
    pub(crate) allowed: Permissions,
    pub(crate) search: Search,
    /// What changed and when, for the search index, oldest first.
    pub(crate) touched: VecDeque<(i64, usize, u32)>,
    /// What changed in this transaction, for the event bus.
    pub(crate) told: Vec<Changed>,
    cases: u64,
}

impl Store {
    pub(crate) fn new(custom: &[CustomField], allowed: Permissions, search: Search) -> Store {
        let objects = schema::objects(custom);
        let tables = objects.iter().map(Table::of).collect();
        Store {
            objects,
            tables,
            allowed,
            search,
            touched: VecDeque::new(),
            told: vec![],
            cases: 1000,
        }
    }

    /// The object of that name, in any case, if the user may see it.
    pub(crate) fn object(&self, name: &str) -> Option<usize> {
        let at = self.objects.iter().position(|object| object.name.eq_ignore_ascii_case(name))?;
        (!self.allowed.hidden_objects.contains(&self.objects[at].name)).then_some(at)
    }

    /// The object of that name, whatever the user may see.
    pub(crate) fn object_always(&self, name: &str) -> Option<usize> {
        self.objects.iter().position(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// The field of that name, in any case, if the user may see it.
    pub(crate) fn field(&self, object: usize, name: &str) -> Option<u16> {
        let of = &self.objects[object];
        let field = of.field(name)?;
        if self.allowed.hidden_fields.is_empty() {
            return Some(field);
        }
        let full = format!("{}.{}", of.name, of.at(field).name);
        (!self.allowed.hidden_fields.contains(&full)).then_some(field)
    }

    /// Child objects of an object, each with the field that points to it.
    pub(crate) fn children_of(&self, object: usize) -> Vec<(usize, u16)> {
        let of = &self.objects[object].name;
        let points = |field: &schema::Field| {
            let to_it = field.leads_to.as_ref().is_some_and(|(_, to)| to.contains(of));
            to_it && field.is_indexed()
        };
        let children = self.objects.iter().enumerate().filter_map(|(child, found)| {
            self.object(&found.name)?;
            let field = found.fields.iter().position(points)?;
            Some((child, u16::try_from(field).ok()?))
        });
        children.collect()
    }

    /// The answer of `…/describe`, as far as the user may see.
    pub(crate) fn describe(&self, object: usize, base: &str) -> Json {
        let mut whole = self.objects[object].describe(&self.allowed, base);
        let child = |(child, field): &(usize, u16)| {
            let of = &self.objects[*child];
            json!({
                "childSObject": of.name, "field": of.at(*field).name,
                "relationshipName": of.plural, "cascadeDelete": false,
            })
        };
        whole["childRelationships"] = self.children_of(object).iter().map(child).collect();
        whole
    }

    /// Object and row that an id names; the row may be deleted.
    pub(crate) fn locate(&self, id: &str) -> Result<(usize, u32), ids::BadId> {
        let (prefix, row) = ids::parse(id)?;
        let object = self.objects.iter().position(|object| object.prefix == prefix);
        let object = object.ok_or(ids::BadId::Elsewhere)?;
        match self.row(object, row) {
            Some(found) if found.state != State::Erased => Ok((object, row)),
            _ => Err(ids::BadId::Elsewhere),
        }
    }

    /// The living row of an object that an id names.
    pub(crate) fn living(&self, object: usize, id: &str) -> Result<u32, Refused> {
        match self.locate(id) {
            Err(ids::BadId::Malformed) => {
                let message =
                    format!("{}: id value of incorrect type: {id}", self.objects[object].name);
                Err(Refused::of("MALFORMED_ID", message, "Id"))
            }
            Ok((at, row)) if at == object => match self.row(at, row).map(|row| row.state) {
                Some(State::Alive) => Ok(row),
                _ => Err(Refused::new("ENTITY_IS_DELETED", "entity is deleted")),
            },
            _ => Err(Refused::new("NOT_FOUND", "The requested resource does not exist")),
        }
    }

    pub(crate) fn row(&self, object: usize, row: u32) -> Option<&Row> {
        self.tables[object].rows().get(usize::try_from(row).ok()?)
    }

    /// How many rows there ever were, the deleted ones too.
    pub(crate) fn rows(&self, object: usize) -> u32 {
        u32::try_from(self.tables[object].rows().len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn id(&self, object: usize, row: u32) -> String {
        ids::id(&self.objects[object].prefix, row)
    }

    /// The value of a field; `None` is null. A checkbox is never null.
    pub(crate) fn value(&self, object: usize, row: u32, field: u16) -> Option<ValueRef<'_>> {
        let of = &self.objects[object];
        let found = self.row(object, row)?;
        match field {
            system::ID => return Some(ValueRef::Id(&of.prefix, row)),
            system::IS_DELETED => return Some(ValueRef::Bool(found.state == State::Deleted)),
            system::CREATED_DATE => return Some(ValueRef::Time(found.created)),
            system::MODIFIED_DATE => return Some(ValueRef::Time(found.modified)),
            system::STAMP => return Some(ValueRef::Time(found.stamp)),
            system::CREATED_BY | system::MODIFIED_BY => return Some(ValueRef::Id("005", 0)),
            _ => {}
        }
        let definition = of.at(field);
        if let Some((reference, wanted)) = &definition.via {
            let (at, row) = self.referenced(object, row, of.field(reference)?)?;
            return self.value(at, row, self.objects[at].field(wanted)?);
        }
        let no = (definition.kind == schema::Kind::Boolean).then_some(ValueRef::Bool(false));
        found.values.get(field).or(no)
    }

    /// The living record that a reference field leads to.
    pub(crate) fn referenced(&self, object: usize, row: u32, field: u16) -> Option<(usize, u32)> {
        let (at, row) = match self.value(object, row, field)? {
            ValueRef::Text(id) => self.locate(id).ok()?,
            ValueRef::Id(prefix, row) => {
                (self.objects.iter().position(|object| object.prefix == prefix)?, row)
            }
            _ => return None,
        };
        (self.row(at, row)?.state == State::Alive).then_some((at, row))
    }

    /// Rows that may hold that text in that field, where the field is indexed.
    pub(crate) fn candidates(
        &self,
        object: usize,
        field: u16,
        text: &str,
        into: &mut Vec<u32>,
    ) -> bool {
        self.tables[object].candidates(field, text, into)
    }

    /// Rows that changed at that moment or later.
    pub(crate) fn changed_since(&self, object: usize, stamp: i64) -> Vec<u32> {
        self.tables[object].changed_since(stamp)
    }

    /// Living rows whose field has exactly that text (in any case).
    pub(crate) fn rows_with(&self, object: usize, field: u16, text: &str) -> Vec<u32> {
        let mut rows = Vec::new();
        if !self.candidates(object, field, text, &mut rows) {
            rows = (0..self.rows(object)).collect();
        }
        let same = |value: ValueRef<'_>| match value {
            ValueRef::Text(is) => is.to_lowercase() == text.to_lowercase(),
            ValueRef::Number(is) => text.parse() == Ok(is),
            ValueRef::Id(prefix, row) => ids::id(prefix, row) == text,
            _ => false,
        };
        rows.retain(|row| {
            self.row(object, *row).is_some_and(|found| found.state == State::Alive)
                && self.value(object, *row, field).is_some_and(same)
        });
        rows
    }

    /// A new record from what a client sent.
    pub(crate) fn create(
        &mut self,
        object: usize,
        body: &Map<String, Json>,
    ) -> Result<(u32, Undo), Refused> {
        let mut values = Vec::new();
        for (field, value) in input::read(self, object, body, true)? {
            if let Some(value) = value {
                values.push((field, value));
            }
        }
        omni::check_offer(self, object, &values)?;
        self.complete(object, &mut values);
        input::check_required(&self.objects[object], &values)?;
        input::check_unique(self, object, &values, None)?;
        let now = clock::now();
        let row = self.append(object, &values, now, now);
        self.tell(object, row, None);
        Ok((row, Undo { object, row, before: None }))
    }

    /// Puts a record into the org as it was long before the simulator started; without
    /// checks, visible to search at once.
    pub(crate) fn plant(
        &mut self,
        object: usize,
        mut values: Vec<(u16, Value)>,
        created: i64,
        modified: i64,
    ) -> u32 {
        self.complete(object, &mut values);
        self.append(object, &values, created, modified)
    }

    /// Changes a record to what a client sent; null empties a field.
    pub(crate) fn update(
        &mut self,
        object: usize,
        row: u32,
        body: &Map<String, Json>,
    ) -> Result<Undo, Refused> {
        let changes = input::read(self, object, body, false)?;
        let before = self.row(object, row).cloned();
        let before = before
            .ok_or_else(|| Refused::new("NOT_FOUND", "The requested resource does not exist"))?;
        let mut values: Vec<(u16, Value)> =
            before.values.iter().map(|(field, value)| (field, value.to_owned())).collect();
        for (field, value) in changes {
            values.retain(|(at, _)| *at != field);
            if let Some(value) = value {
                values.push((field, value));
            }
        }
        self.complete(object, &mut values);
        input::check_required(&self.objects[object], &values)?;
        input::check_unique(self, object, &values, Some(row))?;
        let now = clock::now();
        let after = Row { values: pack(&values), modified: now, stamp: now, ..before.clone() };
        self.replace(object, row, after);
        self.tell(object, row, Some(&before));
        Ok(Undo { object, row, before: Some(before) })
    }

    /// Moves a record to the recycle bin.
    pub(crate) fn delete(&mut self, object: usize, row: u32) -> Result<Undo, Refused> {
        input::check_writable(self, object)?;
        omni::check_delete(self, object, row)?;
        let before = self.row(object, row).cloned();
        let before = before
            .ok_or_else(|| Refused::new("NOT_FOUND", "The requested resource does not exist"))?;
        let now = clock::now();
        let after = Row { state: State::Deleted, modified: now, stamp: now, ..before.clone() };
        self.replace(object, row, after);
        self.tell(object, row, Some(&before));
        Ok(Undo { object, row, before: Some(before) })
    }

    fn append(
        &mut self,
        object: usize,
        values: &[(u16, Value)],
        created: i64,
        modified: i64,
    ) -> u32 {
        let row =
            Row { values: pack(values), created, modified, stamp: modified, state: State::Alive };
        self.tables[object].add(row)
    }

    fn replace(&mut self, object: usize, number: u32, row: Row) {
        self.tables[object].replace(number, row);
    }

    /// Is the value of a field another than it was?
    pub(crate) fn differs(&self, object: usize, row: u32, before: &Row, field: u16) -> bool {
        match field {
            system::CREATED_DATE | system::CREATED_BY | system::MODIFIED_BY => false,
            system::MODIFIED_DATE => true,
            _ => {
                self.row(object, row).map(|now| now.values.get(field))
                    != Some(before.values.get(field))
            }
        }
    }

    fn tell(&mut self, object: usize, row: u32, before: Option<&Row>) {
        self.told.push(Changed { object, row, before: before.cloned() });
        self.touch(object, row);
    }

    fn touch(&mut self, object: usize, row: u32) {
        if self.touched.len() >= MOST_TOUCHED {
            self.search.forget();
            self.touched.clear();
        }
        self.touched.push_back((clock::now(), object, row));
    }
}

fn pack(values: &[(u16, Value)]) -> Packed {
    Packed::new(values.iter().map(|(field, value)| (*field, value)))
}
