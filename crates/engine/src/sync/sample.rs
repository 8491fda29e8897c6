//! A record as a map carries it over, each way: what a person looks at before a run.

use super::Sync;
use super::map::Map;
use crate::lookup::Engine;
use domain::Value;
use domain::sync::{Direction, Side};
use kit::{Error, Fields, Lane};
use serde_json::Value as Json;

/// A record and its other, as their systems hold them now.
#[derive(Debug, Clone, Default)]
pub struct Pictured {
    /// Their ids, `[left, right]`; `None` where there is none.
    pub ids: [Option<String>; 2],
    /// A line of the map each.
    pub lines: Vec<Carried>,
}

/// What one line of a map does with a record and its other.
#[derive(Debug, Clone)]
pub struct Carried {
    /// As configured, `[left, right]`.
    pub names: [String; 2],
    pub direction: Direction,
    /// What each side holds, read by the map; `None`: nothing.
    pub held: [Option<Value>; 2],
    /// What would be written to each side, by its own form, if what the other holds were to
    /// win; `None`: nothing goes that way.
    pub written: [Option<Json>; 2],
}

impl Engine {
    /// Reads a record of a side from its own system, and its other where the two are known to
    /// belong together, and carries each over by the map. Nothing is written. `None` where the
    /// system has no such record.
    ///
    /// # Errors
    /// The side that could not be read, and why.
    pub async fn picture(
        &self,
        sync: &Sync,
        side: Side,
        id: &str,
        other: Option<&str>,
    ) -> Result<Option<Pictured>, (Side, Error)> {
        let Some(own) = read(sync, side, id).await? else { return Ok(None) };
        let other = match other {
            Some(id) => read(sync, side.other(), id).await?,
            None => None,
        };
        let mut records = [None, None];
        records[side.index()] = Some(own);
        records[side.other().index()] = other;
        let lines = sync.map.carried(&records);
        Ok(Some(Pictured { ids: records.map(|record| record.map(|(id, _)| id)), lines }))
    }
}

async fn read(
    sync: &Sync,
    side: Side,
    id: &str,
) -> Result<Option<(String, Fields)>, (Side, Error)> {
    let (end, ids) = (sync.end(side), [id.to_owned()]);
    let fields = super::fetch::asked(sync, side);
    let read = end.writes.read(Lane::Background, &end.object, &ids, &fields).await;
    let record = read.map_err(|error| (side, error))?.into_iter().next().flatten();
    Ok(record.map(|record| (record.id, record.fields)))
}

impl Map {
    /// Each line of the map, with what both records hold and what would be written of it.
    fn carried(&self, records: &[Option<(String, Fields)>; 2]) -> Vec<Carried> {
        let read = |side: Side| {
            let record = records[side.index()].as_ref();
            record.map(|(id, fields)| self.read(side, id, fields))
        };
        let values = [read(Side::Left), read(Side::Right)];
        let line = |at: usize| {
            let held = |side: Side| values[side.index()].as_ref()?.get(at)?.clone();
            let written = |side: Side| {
                let goes = self.fields()[at].direction.goes_to(side);
                values[side.other().index()].as_ref().filter(|_| goes)?;
                self.write_one(side, at, held(side.other()).as_ref())
            };
            Carried {
                names: self.names(at).map(str::to_owned),
                direction: self.fields()[at].direction,
                held: [held(Side::Left), held(Side::Right)],
                written: [written(Side::Left), written(Side::Right)],
            }
        };
        (0..self.fields().len()).map(line).collect()
    }
}
