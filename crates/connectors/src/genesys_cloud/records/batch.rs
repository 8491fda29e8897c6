//! Many writes at once: made by enriching, ten in one request, changed and removed fifty.
//!
//! A change in bulk replaces the whole entity, so each is read just before, what is to
//! change is put into it, and it goes back with all the rest of it as it came (invariant
//! 7). README.md says how wide the gap is between the two.

use super::bulk::{BULK_MAX, Deed};
use super::compose::{Beyond, put, writable};
use super::{CUSTOM, EXTERNAL_ID, EXTERNAL_IDS, ORGANIZATION_ID, Object, Records, bare};
use kit::{Error, Fields, Outcomes, Parts, Saved, Write};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Enrich operations of one request, the platform's limit.
pub(super) const ENRICH_MAX: usize = 10;
/// What a caller may give at once.
pub(super) const WRITE_MAX: usize = BULK_MAX;

/// One entity on its way: its place among the writes, its id (or tracker), what is sent.
struct Row {
    at: usize,
    id: String,
    body: Value,
}

impl Records {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        object: Object,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let mut outcomes = Outcomes::new(writes.len());
        for (at, write) in writes.iter().enumerate() {
            if let Err(error) = check(object, write) {
                outcomes.set(at, Err(error));
            }
        }
        let fields = writes.iter().map(fields_of);
        let beyond = self.beyond(object, &fields.collect::<Vec<_>>()).await?;
        let there = self.fetch(object, &ids(writes)).await?;
        let mut rows = Sorted::default();
        for (at, write) in writes.iter().enumerate() {
            if !outcomes.is_open(at) {
                continue;
            }
            match write {
                Write::Create { key: (_, value), fields } => {
                    match self.enrichment(object, value, fields, &beyond) {
                        Ok(body) => rows.made.push(Row::tracked(at, body)),
                        Err(error) => outcomes.set(at, Err(error)),
                    }
                }
                Write::Update { id, fields, .. } if fields.is_empty() => {
                    let known = there.get(id).ok_or(Error::NotFound);
                    outcomes.set(at, known.and_then(|known| saved(known, false)));
                }
                Write::Update { id, seen, fields } => {
                    match changed(there.get(id), seen.as_deref(), fields, &beyond) {
                        Ok(body) => rows.changed.push(Row { at, id: id.clone(), body }),
                        Err(error) => outcomes.set(at, Err(error)),
                    }
                }
                Write::Delete { id, seen } => match removed(there.get(id), seen.as_deref()) {
                    Ok(true) => {
                        rows.removed.push(Row { at, id: id.clone(), body: json!({ "id": id }) })
                    }
                    Ok(false) => outcomes.set(at, Ok(gone(id))),
                    Err(error) => outcomes.set(at, Err(error)),
                },
            }
        }
        let told = self.send(object, Deed::Enrich, rows.made, &mut outcomes).await;
        for (at, saved, entity) in told {
            let outcome = self.emptied(object, fields_of(&writes[at]), saved, entity).await;
            outcomes.set(at, outcome);
        }
        self.send(object, Deed::Update, rows.changed, &mut outcomes).await;
        self.send(object, Deed::Remove, rows.removed, &mut outcomes).await;
        self.doubt(writes, &mut outcomes);
        Ok(outcomes.finish())
    }

    /// What the fields of some writes need to be known of.
    ///
    /// # Errors
    /// Those of asking for our External Source or for schemas.
    pub(super) async fn beyond(&self, object: Object, fields: &[&Fields]) -> Result<Beyond, Error> {
        let named = |field: &'static str| fields.iter().filter_map(move |all| all.get(field));
        let names: BTreeSet<&str> = named(ORGANIZATION_ID).filter_map(Value::as_str).collect();
        let mut keys = fields.iter().flat_map(|all| all.keys());
        let is_custom = keys.any(|key| key.starts_with(CUSTOM));
        Ok(Beyond {
            source: Some(self.platform.source().await?),
            organizations: self.identified(&names).await,
            schemas: if is_custom { self.schemas(object).await? } else { Vec::new() },
        })
    }

    /// The request that makes the entity of one id under our source, or sets its fields.
    pub(super) fn enrichment(
        &self,
        object: Object,
        value: &str,
        fields: &Fields,
        beyond: &Beyond,
    ) -> Result<Value, Error> {
        let source = beyond.source.as_ref();
        let source = source.ok_or_else(|| Error::protocol("no External Source was asked for"))?;
        let mut given = fields.clone();
        given.remove(EXTERNAL_ID);
        let mut entity = json!({});
        put(&mut entity, beyond.sets(&Value::Null, &given)?);
        if !entity[EXTERNAL_IDS].is_array() {
            entity[EXTERNAL_IDS] = json!([]);
        }
        if let Some(ids) = entity[EXTERNAL_IDS].as_array_mut() {
            ids.push(json!({ "externalSource": source.reference(), "value": value }));
        }
        let policy = &self.platform.policy;
        let mut body = json!({
            "division": { "id": policy.division },
            "matchingIdentifiers": [source.identifier(value)],
            "action": "Upsert",
            "fieldRules": { "defaultAction": "PreferProvided", "defaultArrayAction": "Fill" },
        });
        match object {
            Object::Contacts => {
                body["contact"] = entity;
                body["options"] = json!({ "promote": policy.promote });
            }
            Object::Organizations => body["externalOrganization"] = entity,
        }
        Ok(body)
    }

    /// Sends rows, and says what became of them; of those made it is told apart, because
    /// they may not be done yet.
    async fn send(
        &self,
        object: Object,
        deed: Deed,
        rows: Vec<Row>,
        outcomes: &mut Outcomes,
    ) -> Vec<(usize, Saved, Value)> {
        let most = if matches!(deed, Deed::Enrich) { ENRICH_MAX } else { BULK_MAX };
        let mut made = Vec::new();
        let mut parts = Parts::new(rows, most);
        while let Some(rows) = parts.next_part() {
            let entities: Vec<Value> = rows.iter().map(|row| row.body.clone()).collect();
            let mut results = match self.bulk(object, deed, &entities).await {
                Ok(results) => results,
                Err(error) => {
                    let settled = parts.failed(rows, &error, |row| row.has_part_in(&error));
                    outcomes.fail(settled.iter().map(|row| row.at), &error);
                    continue;
                }
            };
            for row in rows {
                match (deed, results.remove(&row.id)) {
                    (_, None) => {}
                    (Deed::Remove, Some(Ok(_) | Err(Error::NotFound))) => {
                        outcomes.set(row.at, Ok(gone(&row.id)));
                    }
                    (_, Some(Err(error))) => outcomes.set(row.at, Err(error)),
                    (Deed::Enrich, Some(Ok((status, entity)))) => {
                        match saved(&entity, status == 201) {
                            Ok(saved) => made.push((row.at, saved, entity)),
                            Err(error) => outcomes.set(row.at, Err(error)),
                        }
                    }
                    (_, Some(Ok((_, entity)))) => outcomes.set(row.at, same(&row.id, &entity)),
                }
            }
        }
        made
    }

    /// Enriching empties nothing: what was to be empty and is not, where somebody has made
    /// the record before, is emptied after.
    pub(super) async fn emptied(
        &self,
        object: Object,
        fields: &Fields,
        saved: Saved,
        entity: Value,
    ) -> Result<Saved, Error> {
        let is_full = |path: &str| {
            let held = path.split('.').try_fold(&entity, |within, part| within.get(part));
            held.is_some_and(|held| !held.is_null())
        };
        let full = fields.iter().filter(|(path, value)| value.is_null() && is_full(path));
        let full: Fields = full.map(|(path, _)| (path.clone(), Value::Null)).collect();
        if full.is_empty() {
            return Ok(saved);
        }
        let changed = self.change(object, &entity, &full).await?;
        Ok(Saved { is_new: saved.is_new, ..changed })
    }

    /// After a refusal what was known of organizations and schemas is asked for anew.
    fn doubt(&self, writes: &[Write], outcomes: &mut Outcomes) {
        for (at, write) in writes.iter().enumerate() {
            if !outcomes.is_refused(at) {
                continue;
            }
            let fields = fields_of(write);
            let named = fields.get(ORGANIZATION_ID).and_then(Value::as_str).map(str::to_owned);
            self.organizations.forget(named.iter());
            if fields.keys().any(|key| key.starts_with(CUSTOM)) {
                self.schemas.forget();
            }
        }
    }
}

/// The rows by how they are sent.
#[derive(Default)]
struct Sorted {
    made: Vec<Row>,
    changed: Vec<Row>,
    removed: Vec<Row>,
}

impl Row {
    /// Answers name the place among the writes.
    fn tracked(at: usize, mut body: Value) -> Self {
        let id = at.to_string();
        body["id"] = id.as_str().into();
        Self { at, id, body }
    }

    /// Does it set the field that a refusal names?
    fn has_part_in(&self, error: &Error) -> bool {
        let Error::Invalid { field: Some(field), .. } = error else { return false };
        let mut parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
        parts.any(|part| {
            let inner = self.body.get("contact").or_else(|| self.body.get("externalOrganization"));
            inner.unwrap_or(&self.body).get(part).is_some()
        })
    }
}

/// Only fields that may be set, under an id of ours.
fn check(object: Object, write: &Write) -> Result<(), Error> {
    if let Write::Create { key: (key, value), fields } = write {
        check_new(object, (key, value), fields)?;
    }
    fields_of(write).keys().try_for_each(|field| object.check(field, true))
}

/// # Errors
/// `Invalid` naming the key, where it is not an id under our source, or what is missing.
pub(super) fn check_new(
    object: Object,
    (key, value): (&str, &str),
    fields: &Fields,
) -> Result<(), Error> {
    check_key(object, (key, value))?;
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    if object == Object::Organizations && name.trim().is_empty() {
        let reason = "is what every organization has".to_owned();
        return Err(Error::Invalid { field: Some("name".to_owned()), reason });
    }
    Ok(())
}

pub(super) fn check_key(object: Object, (key, value): (&str, &str)) -> Result<(), Error> {
    if [EXTERNAL_ID, EXTERNAL_IDS].contains(&key) && !value.is_empty() {
        return Ok(());
    }
    let reason = format!("{} are made under an id of {EXTERNAL_IDS} only", object.path());
    Err(Error::Invalid { field: Some(key.to_owned()), reason })
}

fn fields_of(write: &Write) -> &Fields {
    static NONE: std::sync::LazyLock<Fields> = std::sync::LazyLock::new(Fields::new);
    match write {
        Write::Create { fields, .. } | Write::Update { fields, .. } => fields,
        Write::Delete { .. } => &NONE,
    }
}

/// The ids of what is there already.
fn ids(writes: &[Write]) -> Vec<String> {
    let id = |write: &Write| match write {
        Write::Create { .. } => None,
        Write::Update { id, .. } | Write::Delete { id, .. } => Some(id.clone()),
    };
    writes.iter().filter_map(id).collect()
}

/// The whole entity with what is to change in it.
pub(super) fn changed(
    entity: Option<&Value>,
    seen: Option<&str>,
    fields: &Fields,
    beyond: &Beyond,
) -> Result<Value, Error> {
    let entity = entity.ok_or(Error::NotFound)?;
    unchanged(entity, seen)?;
    let sets = beyond.sets(entity, fields)?;
    let mut whole = writable(entity);
    put(&mut whole, sets);
    Ok(whole)
}

/// Is there something to remove?
fn removed(entity: Option<&Value>, seen: Option<&str>) -> Result<bool, Error> {
    entity.map_or(Ok(false), |entity| unchanged(entity, seen).map(|()| true))
}

/// # Errors
/// `Conflict` when it is another version than what was seen.
pub(super) fn unchanged(entity: &Value, seen: Option<&str>) -> Result<(), Error> {
    let version = entity.get("modifyDate").and_then(Value::as_str);
    if seen.is_some_and(|seen| version != Some(seen)) {
        return Err(Error::Conflict { reason: "it was changed since it was read".to_owned() });
    }
    Ok(())
}

pub(super) fn saved(entity: &Value, is_new: bool) -> Result<Saved, Error> {
    let record = bare(entity)?;
    Ok(Saved { id: record.id, version: record.version, is_new })
}

fn gone(id: &str) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new: false }
}

/// What was written, unless it was merged away meanwhile and somebody else was.
pub(super) fn same(id: &str, entity: &Value) -> Result<Saved, Error> {
    let saved = saved(entity, false)?;
    if saved.id != id {
        return Err(Error::Conflict { reason: "it was merged into another meanwhile".to_owned() });
    }
    Ok(saved)
}
