//! Many writes in one request: the Batch API carries calls of the Table API, each answered
//! for itself.
//!
//! As one by one ([`super::writes`]) nothing is written unseen: records are read, some at
//! once, or looked for by their keys in a batch of questions, and what differs goes out in
//! one batch at once. What the instance did not come to is told as worth another try. Where
//! batches are refused, the records go one by one.
//!
//! Source: REST API reference, "Batch API".

use super::client::{Call, is_batch_refused};
use super::columns::{body, column, wanted};
use super::mapping::record;
use super::query::{Name, sys_id};
use super::writes::{
    Records, by_key, changed, changed_to, done, open, read, several, version, with_key,
};
use kit::{Error, Lane, Outcomes, Saved, Write, Writes};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};

/// Calls of one request. The instance does them one after another and ends a batch after
/// 30 seconds; so many are done well within.
pub(super) const WRITE_MAX: usize = 50;
/// Records that are read and then written, in one batch: the instance does one in some ten to
/// a hundred milliseconds, and until the last is done somebody else may change it unseen.
const CHECKED_MAX: usize = 20;

/// A record to be made: its place, its key, what is set, and all columns that it takes.
struct New<'a> {
    at: usize,
    key: (Name, &'a str),
    wanted: Vec<(Name, String)>,
    columns: Vec<Name>,
}

/// A record that is there: its place, id and version, and what is set; `None` deletes it.
struct There<'a> {
    at: usize,
    id: String,
    seen: Option<&'a str>,
    wanted: Option<Vec<(Name, String)>>,
}

/// A call that writes, and what its answer is held against.
struct Step<'a> {
    at: usize,
    call: Call,
    deed: Deed<'a>,
}

enum Deed<'a> {
    Make { key: (Name, &'a str), wanted: Vec<(Name, String)> },
    Change { row: Json, open: Vec<(Name, String)> },
    Delete { id: String },
}

impl Records {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        table: &Name,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let mut outcomes = Outcomes::new(writes.len());
        let (mut new, mut there) = (Vec::new(), Vec::new());
        for (at, write) in writes.iter().enumerate() {
            if let Err(error) = sort(at, write, &mut new, &mut there, &mut outcomes) {
                outcomes.set(at, Err(error));
            }
        }
        let new = self.described(table, new, &mut outcomes).await?;
        let mut shut: Option<Error> = None;
        // Each part is written as soon as it was looked at: what was read grows old.
        let mut rest = new.into_iter().peekable();
        while rest.peek().is_some() {
            let part: Vec<New<'_>> = rest.by_ref().take(WRITE_MAX).collect();
            let ats: Vec<usize> = part.iter().map(|one| one.at).collect();
            let told = match &shut {
                Some(error) => Err(error.clone()),
                None => match self.look_for(table, part, &mut outcomes).await {
                    Ok(steps) => self.carry_out(table, steps, &mut outcomes).await,
                    Err(error) => Err(error),
                },
            };
            self.settle(table, writes, &ats, told, (&mut shut, &mut outcomes)).await;
        }
        let mut rest = there.into_iter().peekable();
        while rest.peek().is_some() {
            let part: Vec<There<'_>> = rest.by_ref().take(CHECKED_MAX).collect();
            let ats: Vec<usize> = part.iter().map(|one| one.at).collect();
            let told = match &shut {
                Some(error) => Err(error.clone()),
                None => match self.compare(table, part, &mut outcomes).await {
                    Ok(steps) => self.carry_out(table, steps, &mut outcomes).await,
                    Err(error) => Err(error),
                },
            };
            self.settle(table, writes, &ats, told, (&mut shut, &mut outcomes)).await;
        }
        Ok(outcomes.finish())
    }

    /// Sends what writes, in one batch.
    async fn carry_out(
        &self,
        table: &Name,
        steps: Vec<Step<'_>>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        if steps.is_empty() {
            return Ok(());
        }
        let (calls, deeds): (Vec<Call>, Vec<(usize, Deed<'_>)>) =
            steps.into_iter().map(|step| (step.call, (step.at, step.deed))).unzip();
        let told = self.client.batch(&calls).await?;
        for ((at, deed), told) in deeds.into_iter().zip(told) {
            let told = self.outcome(table, &deed, told).await;
            outcomes.set(at, told);
        }
        Ok(())
    }

    /// What became of one record.
    async fn outcome(
        &self,
        table: &Name,
        deed: &Deed<'_>,
        told: Result<Json, Error>,
    ) -> Result<Saved, Error> {
        let row = match (deed, told) {
            (Deed::Delete { id }, Ok(_) | Err(Error::NotFound)) => return Ok(gone(id)),
            (_, told) => match told?.get_mut("result").map(Json::take) {
                Some(row @ Json::Object(_)) => row,
                _ => return Err(Error::protocol("a record was written without a result")),
            },
        };
        match deed {
            Deed::Make { key, wanted } => self.made(table, (&key.0, key.1), wanted, &row).await,
            Deed::Change { row: before, open } if record(before)? == record(&row)? => {
                changed_to(table, before, open, &row)
            }
            _ => Err(Error::protocol("an answer about another record")),
        }
    }

    /// What a part came to that failed as a whole: one by one where batches are refused,
    /// else the same for all that are open.
    async fn settle(
        &self,
        table: &Name,
        writes: &[Write],
        ats: &[usize],
        told: Result<(), Error>,
        (shut, outcomes): (&mut Option<Error>, &mut Outcomes),
    ) {
        let Err(error) = told else { return };
        if !is_batch_refused(&error) {
            outcomes.fail(ats.iter().copied(), &error);
            shuts(shut, &error);
            return;
        }
        for &at in ats {
            if !outcomes.is_open(at) {
                continue;
            }
            let told = match shut {
                Some(error) => Err(error.clone()),
                None => self.alone(table.as_str(), &writes[at]).await,
            };
            if let Err(error) = &told {
                shuts(shut, error);
            }
            outcomes.set(at, told);
        }
    }

    /// One write by the method that does it alone.
    async fn alone(&self, table: &str, write: &Write) -> Result<Saved, Error> {
        match write {
            Write::Create { key: (key, value), fields } => {
                self.create(table, (key, value), fields).await
            }
            Write::Update { id, seen, fields } => {
                self.update(table, id, seen.as_deref(), fields).await
            }
            Write::Delete { id, seen } => {
                self.delete(table, id, seen.as_deref()).await.map(|()| gone(id))
            }
        }
    }

    /// Those to be made whose columns the instance shows us; the others are settled.
    async fn described<'a>(
        &self,
        table: &Name,
        new: Vec<New<'a>>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<New<'a>>, Error> {
        let mut told: BTreeMap<Vec<Name>, Result<(), Error>> = BTreeMap::new();
        let mut known = Vec::with_capacity(new.len());
        for one in new {
            let told = match told.get(&one.columns) {
                Some(told) => told.clone(),
                None => {
                    let own = self.dictionary.require(table, &one.columns).await;
                    told.insert(one.columns.clone(), own.clone());
                    own
                }
            };
            match told {
                Ok(()) => known.push(one),
                Err(error) if error.is_refusal() => outcomes.set(one.at, Err(error)),
                // Nothing is known of any of them, and nothing was tried.
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }

    /// Reads the records that are there, and what is left to be done to them.
    async fn compare<'a>(
        &self,
        table: &Name,
        there: Vec<There<'a>>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Step<'a>>, Error> {
        let mut steps = Vec::new();
        let ids: Vec<String> = there.iter().map(|one| one.id.clone()).collect();
        let set = there.iter().flat_map(|one| one.wanted.iter().flatten());
        let mut columns: Vec<Name> = set.map(|(column, _)| column.clone()).collect();
        columns.sort();
        columns.dedup();
        let rows = self.rows(Lane::Background, table, &ids, &columns).await?;
        let mut rows: HashMap<String, Json> =
            rows.into_iter().filter_map(|row| Some((record(&row).ok()?, row))).collect();
        for one in there {
            let (at, row) = (one.at, rows.remove(&one.id));
            match self.left(table, one, row) {
                Ok(Left::Done(saved)) => outcomes.set(at, Ok(saved)),
                Ok(Left::Step(step)) => steps.push(step),
                Err(error) => outcomes.set(at, Err(error)),
            }
        }
        Ok(steps)
    }

    /// What is left to be done to a record that was just read.
    fn left<'a>(&self, table: &Name, one: There<'a>, row: Option<Json>) -> Result<Left<'a>, Error> {
        let There { at, id, seen, wanted } = one;
        let Some(wanted) = wanted else {
            let Some(row) = row else { return Ok(Left::Done(gone(&id))) };
            if seen.is_some() && seen != version(&row).as_deref() {
                return Err(changed());
            }
            let call = self.client.removes(table, &id)?;
            return Ok(Left::Step(Step { at, call, deed: Deed::Delete { id } }));
        };
        let row = row.ok_or(Error::NotFound)?;
        match done(table, &row, seen, &wanted)? {
            Some(saved) => Ok(Left::Done(saved)),
            None => self.change(table, at, row, &wanted).map(Left::Step),
        }
    }

    fn change<'a>(
        &self,
        table: &Name,
        at: usize,
        row: Json,
        wanted: &[(Name, String)],
    ) -> Result<Step<'a>, Error> {
        let open = open(&row, wanted);
        let columns: Vec<Name> = open.iter().map(|(column, _)| column.clone()).collect();
        let body = Json::Object(body(&open));
        let call = self.client.writes(table, Some(&record(&row)?), &read(&columns), body)?;
        Ok(Step { at, call, deed: Deed::Change { row, open } })
    }

    /// Looks for records by their keys: who is there is changed, who is not is made.
    async fn look_for<'a>(
        &self,
        table: &Name,
        new: Vec<New<'a>>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Step<'a>>, Error> {
        let (mut asked, mut calls) = (Vec::new(), Vec::new());
        for one in new {
            let query = by_key(table, (&one.key.0, one.key.1), &one.columns);
            match query.and_then(|query| self.client.asks(&query)) {
                Ok(call) => {
                    calls.push(call);
                    asked.push(one);
                }
                Err(error) => outcomes.set(one.at, Err(error)),
            }
        }
        let mut steps = Vec::new();
        if calls.is_empty() {
            return Ok(steps);
        }
        let told = self.client.batch(&calls).await?;
        for (one, told) in asked.into_iter().zip(told) {
            let at = one.at;
            match self.made_or_found(table, one, told) {
                Ok(Left::Done(saved)) => outcomes.set(at, Ok(saved)),
                Ok(Left::Step(step)) => {
                    if let Deed::Make { key, .. } = &step.deed
                        && let Err(error) = self.may_make(table, &key.0).await
                    {
                        outcomes.set(at, Err(error));
                    } else {
                        steps.push(step);
                    }
                }
                Err(error) => outcomes.set(at, Err(error)),
            }
        }
        Ok(steps)
    }

    fn made_or_found<'a>(
        &self,
        table: &Name,
        one: New<'a>,
        told: Result<Json, Error>,
    ) -> Result<Left<'a>, Error> {
        let New { at, key, wanted, columns } = one;
        let rows = match told {
            // The first version of the API says so where no row fits.
            Err(Error::NotFound) => Vec::new(),
            told => match told?.get_mut("result").map(Json::take) {
                Some(Json::Array(rows)) => rows,
                _ => return Err(Error::protocol("an answer without a list of results")),
            },
        };
        let mut rows = with_key(table, (&key.0, key.1), rows)?;
        match (rows.pop(), rows.is_empty()) {
            (None, _) => {
                let mut body = body(&wanted);
                body.insert(key.0.as_str().to_owned(), key.1.into());
                let body = Json::Object(body);
                let call = self.client.writes(table, None, &read(&columns), body)?;
                Ok(Left::Step(Step { at, call, deed: Deed::Make { key, wanted } }))
            }
            (Some(row), true) if open(&row, &wanted).is_empty() => {
                let (id, version) = (record(&row)?, version(&row));
                Ok(Left::Done(Saved { id, version, is_new: false }))
            }
            (Some(row), true) => self.change(table, at, row, &wanted).map(Left::Step),
            (Some(_), false) => Err(several()),
        }
    }
}

/// What is left to be done to a record.
enum Left<'a> {
    Done(Saved),
    Step(Step<'a>),
}

/// Puts a write where it belongs.
fn sort<'a>(
    at: usize,
    write: &'a Write,
    new: &mut Vec<New<'a>>,
    there: &mut Vec<There<'a>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    match write {
        Write::Create { key: (key, value), fields } => {
            let key = column(key)?;
            let wanted = wanted(fields, Some(&key))?;
            let mut columns: Vec<Name> = wanted.iter().map(|(name, _)| name.clone()).collect();
            columns.push(key.clone());
            new.push(New { at, key: (key, value), wanted, columns });
        }
        Write::Update { id, seen, fields } => {
            let wanted = Some(wanted(fields, None)?);
            let id = sys_id(id).ok_or(Error::NotFound)?;
            there.push(There { at, id, seen: seen.as_deref(), wanted });
        }
        Write::Delete { id, seen } => match sys_id(id) {
            Some(id) => there.push(There { at, id, seen: seen.as_deref(), wanted: None }),
            None => outcomes.set(at, Ok(gone(id))),
        },
    }
    Ok(())
}

/// With these nothing more is asked for.
fn shuts(shut: &mut Option<Error>, error: &Error) {
    if matches!(error, Error::Unauthorized { .. } | Error::RateLimited { .. }) {
        *shut = Some(error.clone());
    }
}

fn gone(id: &str) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new: false }
}
