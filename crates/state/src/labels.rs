//! Report dimensions: plain labels of calls, few values each.
//!
//! A name whose values turn out to be many is no dimension but an identifier, and is
//! refused: its values are forgotten, no call gets its label any more, and reports say
//! so. [`Store::admit`] decides before a call is stored: from memory for a value that
//! is known, by one more commit for a new one, so at most as often as there may be
//! values. Several nodes agree, because they count in the store.

use crate::error::{Boxed, Result};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::{Store, now};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Values of one dimension, unless the configuration says otherwise.
pub const VALUES_MAX: u16 = 100;
/// Calls that lose a refused label in one part.
const PART: i64 = 500;

/// Names and values of one call.
pub(crate) type Labels = BTreeMap<String, String>;

/// What one process knows of dimensions. Names are those of the configuration.
#[derive(Debug)]
pub(crate) struct Dimensions {
    known: RwLock<BTreeMap<String, Dimension>>,
    values_max: AtomicI64,
}

impl Default for Dimensions {
    fn default() -> Self {
        let values_max = AtomicI64::new(i64::from(VALUES_MAX));
        Self { known: RwLock::default(), values_max }
    }
}

#[derive(Debug, Clone)]
enum Dimension {
    Values(BTreeSet<String>),
    Refused,
}

impl Dimensions {
    /// Whether calls may carry the value; `None` where this process cannot say.
    fn allow(&self, name: &str, value: &str) -> Option<bool> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(name)? {
            Dimension::Refused => Some(false),
            Dimension::Values(values) => values.contains(value).then_some(true),
        }
    }

    fn learn(&self, name: &str, dimension: Dimension) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), dimension);
    }

    fn forget(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn values_max(&self) -> i64 {
        self.values_max.load(Ordering::Relaxed)
    }
}

impl Store {
    /// Says which dimensions there are and how many values each may have. A name that is
    /// no longer among them, or that was refused for fewer, begins anew.
    pub fn use_dimensions<'a>(&'a self, names: &'a [String], values_max: u16) -> Boxed<'a, ()> {
        Box::pin(async move {
            let max = i64::from(values_max);
            self.dimensions().values_max.store(max, Ordering::Relaxed);
            let names = names.iter().cloned().collect();
            self.write(Begin { names, max }).await?;
            self.dimensions().forget();
            for (name, bound) in self.refused_dimensions().await? {
                tracing::warn!("{}", refusal(&name, bound));
            }
            Ok(())
        })
    }

    /// The dimensions that are refused, and how many values each might have had.
    pub fn refused_dimensions(&self) -> Boxed<'_, BTreeMap<String, i64>> {
        Box::pin(async move { self.read(&Refused).await })
    }

    /// Lets go of values that no call has any more, and of up to 500 labels of refused
    /// names; returns how many of these. Other nodes' news is read anew.
    pub fn prune_labels(&self) -> Boxed<'_, u64> {
        Box::pin(async move {
            let pruned = self.write(Prune).await?;
            self.dimensions().forget();
            Ok(pruned)
        })
    }

    /// These labels without those that no call may have.
    pub(crate) async fn admit(&self, mut labels: Labels) -> Result<Labels> {
        let mut refused = Vec::new();
        for (name, value) in &labels {
            let allowed = match self.dimensions().allow(name, value) {
                Some(allowed) => allowed,
                None => Box::pin(self.look_up(name, value)).await?,
            };
            if !allowed {
                refused.push(name.clone());
            }
        }
        for name in refused {
            labels.remove(&name);
        }
        Ok(labels)
    }

    /// Asks the store, and adds the value where there is room.
    async fn look_up(&self, name: &str, value: &str) -> Result<bool> {
        let read = self.read(&Known { name: name.to_owned() }).await?;
        let dimension = match read {
            Dimension::Values(values) if !values.contains(value) => {
                let max = self.dimensions().values_max();
                let add = Add { name: name.to_owned(), value: value.to_owned(), max };
                let (dimension, is_news) = self.write(add).await?;
                if is_news {
                    tracing::warn!("{}", refusal(name, max));
                }
                dimension
            }
            read => read,
        };
        let allowed = matches!(dimension, Dimension::Values(_));
        self.dimensions().learn(name, dimension);
        Ok(allowed)
    }
}

fn refusal(name: &str, bound: i64) -> String {
    format!(
        "reports.dimensions: `{name}` has more than {bound} values and is no longer kept; \
         remove it or raise reports.values_max"
    )
}

/// Makes a call findable by its labels.
pub(crate) async fn index(
    tx: &mut Tx<'_>,
    labels: &Labels,
    (arrived_at, seq): (i64, i64),
) -> Result<()> {
    const SQL: &str = "
        INSERT INTO call_labels (name, value, arrived_at, seq) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name, value, arrived_at, seq) DO NOTHING";
    for (name, value) in labels {
        let params = [name.as_str().into(), value.as_str().into(), arrived_at.into(), seq.into()];
        tx.execute(SQL, &params).await?;
    }
    Ok(())
}

/// Undoes [`index`]: whoever deletes a call or changes its labels calls this with `calls.labels`.
pub(crate) async fn unindex(
    tx: &mut Tx<'_>,
    labels: Option<&str>,
    (arrived_at, seq): (i64, i64),
) -> Result<()> {
    const SQL: &str = "
        DELETE FROM call_labels WHERE name = ?1 AND value = ?2 AND arrived_at = ?3 AND seq = ?4";
    for (name, value) in labels.map(read).unwrap_or_default() {
        let params = [name.as_str().into(), value.as_str().into(), arrived_at.into(), seq.into()];
        tx.execute(SQL, &params).await?;
    }
    Ok(())
}

/// `calls.labels`, read.
pub(crate) fn read(json: &str) -> Labels {
    serde_json::from_str(json).unwrap_or_default()
}

/// Labels as `calls.labels` keeps them; `None` for none.
pub(crate) fn written(labels: &Labels) -> Option<String> {
    // A map of texts: there is nothing in it that JSON cannot hold.
    (!labels.is_empty()).then(|| serde_json::to_string(labels).unwrap_or_default())
}

async fn values(tx: &mut Tx<'_>, name: &str) -> Result<Dimension> {
    const REFUSED: &str =
        "SELECT bound FROM label_names WHERE name = ?1 AND refused_at IS NOT NULL";
    const VALUES: &str = "SELECT value FROM label_values WHERE name = ?1";
    if tx.row(REFUSED, &[name.into()]).await?.is_some() {
        return Ok(Dimension::Refused);
    }
    let rows = tx.rows(VALUES, &[name.into()]).await?;
    let values = rows.iter().map(|row| row.text(0).map(str::to_owned));
    Ok(Dimension::Values(values.collect::<Result<_>>()?))
}

struct Known {
    name: String,
}

impl Work for Known {
    type Output = Dimension;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Dimension> {
        values(tx, &self.name).await
    }
}

struct Add {
    name: String,
    value: String,
    max: i64,
}

impl Work for Add {
    /// And whether it is refused only now.
    type Output = (Dimension, bool);

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(Dimension, bool)> {
        // Also takes the name's row, so that nodes count one after the other.
        const NAME: &str = "
            INSERT INTO label_names (name, bound) VALUES (?1, ?2)
            ON CONFLICT (name) DO UPDATE SET name = excluded.name";
        const VALUE: &str = "
            INSERT INTO label_values (name, value) VALUES (?1, ?2) ON CONFLICT (name, value) DO NOTHING";
        const REFUSE: &str = "UPDATE label_names SET refused_at = ?2, bound = ?3 WHERE name = ?1";
        const FORGET: &str = "DELETE FROM label_values WHERE name = ?1";
        tx.touched = Touched::Nothing;
        let name = self.name.as_str();
        tx.execute(NAME, &[name.into(), self.max.into()]).await?;
        let Dimension::Values(mut known) = values(tx, name).await? else {
            return Ok((Dimension::Refused, false));
        };
        known.insert(self.value.clone());
        if i64::try_from(known.len()).unwrap_or(i64::MAX) > self.max {
            tx.execute(REFUSE, &[name.into(), now().0.into(), self.max.into()]).await?;
            tx.execute(FORGET, &[name.into()]).await?;
            return Ok((Dimension::Refused, true));
        }
        tx.execute(VALUE, &[name.into(), self.value.as_str().into()]).await?;
        Ok((Dimension::Values(known), false))
    }
}

struct Begin {
    names: BTreeSet<String>,
    max: i64,
}

impl Work for Begin {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const NAMES: &str = "SELECT name, refused_at, bound FROM label_names";
        const FORGET: [&str; 2] =
            ["DELETE FROM label_names WHERE name = ?1", "DELETE FROM label_values WHERE name = ?1"];
        tx.touched = Touched::Nothing;
        for row in tx.rows(NAMES, &[]).await? {
            let name = row.text(0)?;
            let has_more_room = row.opt_int(1)?.is_some() && row.int(2)? < self.max;
            if has_more_room || !self.names.contains(name) {
                for sql in FORGET {
                    tx.execute(sql, &[name.into()]).await?;
                }
            }
        }
        Ok(())
    }
}

struct Refused;

impl Work for Refused {
    type Output = BTreeMap<String, i64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<BTreeMap<String, i64>> {
        const SQL: &str = "SELECT name, bound FROM label_names WHERE refused_at IS NOT NULL";
        let rows = tx.rows(SQL, &[]).await?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
    }
}

struct Prune;

impl Work for Prune {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const UNUSED: &str = "
            DELETE FROM label_values WHERE NOT EXISTS (SELECT 1 FROM call_labels
                WHERE call_labels.name = label_values.name AND call_labels.value = label_values.value)";
        const OF_REFUSED: &str = "
            SELECT call_labels.name, call_labels.value, call_labels.arrived_at, call_labels.seq
            FROM label_names JOIN call_labels ON call_labels.name = label_names.name
            WHERE label_names.refused_at IS NOT NULL LIMIT ?1";
        tx.touched = Touched::Nothing;
        tx.execute(UNUSED, &[]).await?;
        let rows = tx.rows(OF_REFUSED, &[PART.into()]).await?;
        for row in &rows {
            take_away(tx, row).await?;
        }
        Ok(rows.len() as u64)
    }
}

/// Takes one label from its call.
async fn take_away(tx: &mut Tx<'_>, row: &Row) -> Result<()> {
    const LABELS: &str = "SELECT labels FROM calls WHERE seq = ?1 /*pg: FOR UPDATE */";
    const KEEP: &str = "UPDATE calls SET labels = ?2 WHERE seq = ?1";
    const SQL: &str = "
        DELETE FROM call_labels WHERE name = ?1 AND value = ?2 AND arrived_at = ?3 AND seq = ?4";
    let (name, value, seq) = (row.text(0)?, row.text(1)?, row.int(3)?);
    tx.execute(SQL, &[name.into(), value.into(), row.int(2)?.into(), seq.into()]).await?;
    if let Some(call) = tx.row(LABELS, &[seq.into()]).await? {
        let mut labels = call.opt_text(0)?.map(read).unwrap_or_default();
        labels.remove(name);
        tx.execute(KEEP, &[seq.into(), written(&labels).as_deref().into()]).await?;
    }
    Ok(())
}
