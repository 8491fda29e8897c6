//! Sends what is to be written: in batches as large as the vendor takes, a few at once.
//!
//! Each row has its own outcome. A throttle is waited for and is no failure; a field that a
//! vendor refuses and that the map can do without is left out.

use super::patience::{THROTTLE_MAX, THROTTLE_UNTOLD, THROTTLES_MAX};
use super::perform::Task;
use super::{End, Sync};
use domain::sync::Side;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use kit::{Error, Saved, Write};

/// Batches of one side under way at once; the connection's budget may allow fewer.
const IN_FLIGHT: usize = 16;

/// What a vendor said of tasks, by their places.
pub(super) type Told = Vec<(usize, Result<Saved, Error>)>;

/// Takes out of writes what was refused and can be done without, such as an organization that
/// the platform does not know: the rest of the record is kept the same all the same. Which
/// tasks are to be sent again.
pub(super) fn without_refused(sync: &Sync, tasks: &mut [Task], told: &mut Told) -> Vec<usize> {
    let mut again = Vec::new();
    told.retain_mut(|(at, outcome)| {
        let Err(Error::Invalid { field: Some(named), .. }) = outcome else { return true };
        let task = &mut tasks[*at];
        let Some((field, own)) = sync.map.optional(task.side, named) else { return true };
        if task.fields.remove(own).is_none() {
            return true;
        }
        task.left_out.push(field);
        match &mut task.write {
            // Nothing else was to be written.
            Write::Update { id, seen, .. } if task.fields.is_empty() => {
                let (id, version) = (id.clone(), seen.clone());
                *outcome = Ok(Saved { id, version, is_new: false });
                return true;
            }
            Write::Create { fields, .. } | Write::Update { fields, .. } => {
                fields.clone_from(&task.fields);
            }
            Write::Delete { .. } => {}
        }
        again.push(*at);
        false
    });
    again
}

pub(super) async fn send_both(sync: &Sync, tasks: &[Task], which: &[usize]) -> Told {
    let sides = (send(sync, tasks, which, Side::Left), send(sync, tasks, which, Side::Right));
    let (mut left, right) = tokio::join!(sides.0, sides.1);
    left.extend(right);
    left
}

/// Sends what goes to a side, in batches, a few at once; each task's outcome.
async fn send(sync: &Sync, tasks: &[Task], which: &[usize], side: Side) -> Told {
    let end = sync.end(side);
    let own = which.iter().copied().filter(|at| tasks[*at].side == side);
    let (made, changed): (Vec<usize>, Vec<usize>) =
        own.partition(|at| matches!(tasks[*at].write, Write::Create { .. }));
    let mut batches: Vec<BoxFuture<'_, Told>> = Vec::new();
    for (all, most) in [(&made, end.writes.create_max()), (&changed, end.writes.write_max())] {
        for part in all.chunks(most.max(1)) {
            batches.push(Box::pin(send_batch(end, tasks, part)));
        }
    }
    let all: Vec<_> = stream::iter(batches).buffer_unordered(IN_FLIGHT).collect().await;
    all.into_iter().flatten().collect()
}

async fn send_batch(end: &End, tasks: &[Task], part: &[usize]) -> Told {
    let (mut left, mut all) = (part.to_vec(), Vec::with_capacity(part.len()));
    for throttles in 0.. {
        let writes: Vec<Write> = left.iter().map(|at| tasks[*at].write.clone()).collect();
        let outcomes: Vec<_> = match end.writes.write(&end.object, &writes).await {
            Ok(outcomes) => left.iter().copied().zip(outcomes).collect(),
            Err(error) => left.iter().map(|at| (*at, Err(error.clone()))).collect(),
        };
        let mut wait = None;
        left.clear();
        for (at, outcome) in outcomes {
            match outcome {
                // It was not done: it waits, and is no failure.
                Err(Error::RateLimited { retry_after }) if throttles < THROTTLES_MAX => {
                    wait = wait.max(Some(retry_after.unwrap_or(THROTTLE_UNTOLD)));
                    left.push(at);
                }
                outcome => all.push((at, outcome)),
            }
        }
        let Some(wait) = wait else { break };
        tokio::time::sleep(wait.min(THROTTLE_MAX)).await;
    }
    all
}
