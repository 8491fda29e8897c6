//! Sets statuses in one request, and says what came of each command.

use domain::presence::{Answer, Command};
use kit::{Error, Presence};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is to be set: seat, the agent's id there, and the command.
pub(super) type Wanted = Vec<(usize, String, Command)>;
/// What came of each command where that is known, and whether the side could not be asked.
pub(super) type Outcome = (Vec<(usize, u64, Answer)>, bool);

/// Sets statuses in one request. Of those whose outcome is not known a reading tells once the
/// command is over time.
///
/// A system that takes a status on no condition would log in who has just logged out: so who
/// does not show any more what the command was decided on is left as they are.
pub(super) async fn set(end: Arc<dyn Presence>, wanted: Wanted, left: Duration) -> Outcome {
    if wanted.is_empty() {
        return (Vec::new(), false);
    }
    let until = Instant::now() + left;
    let agents: Vec<String> = wanted.iter().map(|(_, agent, _)| agent.clone()).collect();
    let seen = match timeout_at(until, end.read(&agents)).await {
        Ok(Ok(seen)) => seen,
        // Nothing went out.
        Ok(Err(error)) => {
            tracing::warn!("who is to be set could not be read: {error}");
            return (late(&wanted), true);
        }
        Err(_) => return (late(&wanted), true),
    };
    let (wanted, moved): (Vec<_>, Vec<_>) =
        wanted.into_iter().zip(seen).partition(|((_, _, command), seen)| {
            seen.as_ref().is_ok_and(|seen| seen.version <= command.fence)
        });
    let [wanted, moved] = [wanted, moved]
        .map(|all: Vec<_>| -> Wanted { all.into_iter().map(|(one, _)| one).collect() });
    let mut answers = late(&moved);
    let (more, has_failed) = send(end, wanted, until).await;
    answers.extend(more);
    (answers, has_failed)
}

async fn send(end: Arc<dyn Presence>, wanted: Wanted, until: Instant) -> Outcome {
    if wanted.is_empty() {
        return (Vec::new(), false);
    }
    let statuses: Vec<_> =
        wanted.iter().map(|(_, agent, command)| (agent.clone(), command.status.clone())).collect();
    let Ok(outcome) = timeout_at(until, end.set(&statuses)).await else {
        return (Vec::new(), true);
    };
    match outcome {
        Ok(outcomes) => {
            let answers = wanted
                .into_iter()
                .zip(outcomes)
                .filter_map(|((seat, _, one), outcome)| Some((seat, one.number, answer(outcome)?)));
            (answers.collect(), false)
        }
        Err(error) => {
            tracing::warn!("statuses could not be set: {error}");
            let answer = answer(Err(error));
            let answers = wanted.into_iter();
            let answers = answers.filter_map(|(seat, _, one)| Some((seat, one.number, answer?)));
            (answers.collect(), true)
        }
    }
}

fn late(wanted: &[(usize, String, Command)]) -> Vec<(usize, u64, Answer)> {
    wanted.iter().map(|(seat, _, one)| (*seat, one.number, Answer::Late)).collect()
}

/// What an outcome means; `None`: nobody knows whether it came through.
fn answer(outcome: Result<Option<u64>, Error>) -> Option<Answer> {
    match outcome {
        Ok(version) => Some(Answer::Done(version)),
        Err(Error::Invalid { .. } | Error::NotFound | Error::Forbidden { .. }) => {
            Some(Answer::Refused)
        }
        Err(Error::RateLimited { .. } | Error::Conflict { .. } | Error::Unauthorized { .. }) => {
            Some(Answer::Late)
        }
        Err(_) => None,
    }
}
