//! Follows agents: as many channels as their topics need, each by itself.
//!
//! One that is lost costs the others nothing. Only when the platform refuses one for good
//! and nobody else is heard does following end.

use super::super::client::Client;
use super::super::mapping::is_uuid;
use super::Times;
use super::line::Line;
use kit::presence::Told;
use kit::{Answers, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// Topics of one channel, the vendor's limit for one that is heard over a websocket.
const TOPICS_MAX: usize = 1_000;
/// Channels at once. The platform allows twenty for one client and ends an old one for the
/// twenty-first: the last is for changing from one to another.
const CHANNELS_MAX: usize = 19;

pub(super) async fn follow(
    client: &Arc<Client>,
    answers: &Arc<Answers>,
    times: Times,
    agents: &[String],
    tells_after_call: bool,
    to: mpsc::Sender<Told>,
) -> Result<(), Error> {
    let per_channel = if tells_after_call { TOPICS_MAX / 2 } else { TOPICS_MAX };
    // Whoever is named by no id of the platform's is nobody there.
    let known: Vec<String> = agents.iter().filter(|id| is_uuid(id)).cloned().collect();
    if known.len() > per_channel * CHANNELS_MAX {
        let most = per_channel * CHANNELS_MAX;
        return Err(Error::Invalid {
            field: Some("agents".to_owned()),
            reason: format!("{} of them; at most {most} can be followed", known.len()),
        });
    }
    let turn = Arc::new(Semaphore::new(1));
    let heard = Arc::new(AtomicUsize::new(0));
    let mut lines = JoinSet::new();
    for agents in known.chunks(per_channel) {
        let line = Line {
            client: Arc::clone(client),
            times,
            agents: agents.to_vec(),
            tells_after_call,
            to: to.clone(),
            answers: Arc::clone(answers),
            heard: Arc::clone(&heard),
            turn: Arc::clone(&turn),
            channel: None,
            rejected: 0,
        };
        lines.spawn(line.run());
    }
    loop {
        let ended = tokio::select! {
            () = to.closed() => return Ok(()),
            ended = lines.join_next(), if !lines.is_empty() => ended,
        };
        let Some(Ok((line, outcome))) = ended else {
            return Err(Error::unavailable("following ended by itself"));
        };
        let Err(error) = outcome else { continue };
        if heard.load(Ordering::Relaxed) == 0 {
            return Err(error);
        }
        let agents = line.agents.len();
        tracing::warn!(agents, "a channel of agents' news was refused, others are heard: {error}");
        lines.spawn(async move {
            tokio::time::sleep(times.refused).await;
            line.run().await
        });
    }
}
