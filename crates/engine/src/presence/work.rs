//! Works at every team until told to stop; of all nodes one works at a team.

use super::desk::{Desk, Standing};
use super::shift::{End, Shift};
use crate::clock::Clock;
use crate::live::Live;
use crate::lookup::Engine;
use domain::Timestamp;
use state::Store;
use state::presence::TeamHold;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long one node holds a team without a word before another may take it.
pub(super) const HOLD: Duration = Duration::from_secs(15);
/// How often it says so.
pub(super) const HOLD_ON_EVERY: Duration = Duration::from_secs(5);
/// Before a team that could not be worked at is tried again, doubling.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Before settings are read again that did not fit what the systems have.
const RETRY_FAULTY: Duration = Duration::from_secs(60);
/// Consoles are looked for, and old lines forgotten, so often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Whom another node keeps is read so often.
const LOOK_ELSEWHERE_EVERY: Duration = Duration::from_secs(60);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

pub(crate) async fn run(live: Live, mut stop: watch::Receiver<bool>) {
    let presence = Arc::clone(&live.now().presence);
    if presence.desks().next().is_none() {
        return;
    }
    let mut tasks = JoinSet::new();
    for desk in presence.desks() {
        tasks.spawn(keep(Arc::clone(desk), live.clone(), stop.clone()));
    }
    tasks.spawn(forget_old(live.clone(), stop.clone()));
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => {}
            () = sleep(SWEEP_EVERY) => presence.consoles().sweep(),
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn forget_old(live: Live, stop: watch::Receiver<bool>) {
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        tokio::select! {
            () = stopped(stop.clone()) => return,
            _ = forget.tick() => {}
        }
        let engine = live.now();
        let Some(kept) = engine.options.keep_presence_for else { continue };
        let before: Timestamp = engine.clock.now().minus(kept);
        while !*stop.borrow() {
            match engine.store.forget_presence(before).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("old presence could not be forgotten: {error}");
                    break;
                }
            }
        }
    }
}

/// Works at one team whenever this node may.
async fn keep(desk: Arc<Desk>, live: Live, mut stop: watch::Receiver<bool>) {
    let team = desk.team().name.clone();
    let hold = match TeamHold::new(&team) {
        Ok(hold) => hold,
        Err(error) => return tracing::error!("presence of {team} is not kept: {error}"),
    };
    if let Err(error) = live.now().store.free_team(&team).await {
        tracing::warn!("presence of {team} may be held for a while yet: {error}");
    }
    let mut retry = RETRY;
    while !*stop.borrow() {
        let engine = live.now();
        let wait = match engine.store.hold_team(&hold, HOLD, engine.clock.now()).await {
            Ok(true) => match work(&desk, &live, &hold, stop.clone()).await {
                Some(wait) => {
                    retry = RETRY;
                    wait
                }
                // What listed everybody in vain is not done that soon again.
                None => {
                    let wait = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    wait
                }
            },
            Ok(false) => {
                desk.table().leave();
                look_elsewhere(&desk, &engine).await;
                RETRY
            }
            Err(error) => {
                desk.table().standing = Standing::Unreachable(error.to_string());
                RETRY
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            () = desk.asked_to_look() => {}
            () = sleep(wait) => {}
        }
    }
    if let Err(error) = live.now().store.let_team_go(&hold).await {
        tracing::warn!("presence of {team} is held for a while yet: {error}");
    }
}

/// Whom the other node keeps: teams after this one leave them out.
async fn look_elsewhere(desk: &Desk, engine: &Engine) {
    let is_fresh = |read_at: Instant| read_at.elapsed() < LOOK_ELSEWHERE_EVERY;
    if desk.table().elsewhere.as_ref().is_some_and(|(read_at, _)| is_fresh(*read_at)) {
        return;
    }
    match engine.store.kept_agents(&desk.team().name).await {
        Ok(kept) => {
            let ids = kept.into_iter().map(|one| [one.agent, one.crm_agent]).collect();
            desk.table().elsewhere = Some((Instant::now(), ids));
        }
        Err(error) => tracing::warn!("the agents of another node could not be read: {error}"),
    }
}

/// Works at a team until something ends it; how long to wait then. `None`: it could not begin.
async fn work(
    desk: &Arc<Desk>,
    live: &Live,
    hold: &TeamHold,
    stop: watch::Receiver<bool>,
) -> Option<Duration> {
    let name = &desk.team().name;
    let engine = live.now();
    let shift = tokio::select! {
        shift = Shift::open(desk, live, hold) => shift,
        end = until_lost(|| hold_on(&engine.store, &engine.clock, hold)) => Err(end),
        () = stopped(stop.clone()) => return Some(Duration::ZERO),
    };
    let has_begun = shift.is_ok();
    let end = match shift {
        Ok(shift) => shift.work(live, stop).await,
        Err(end) => end,
    };
    let (standing, wait) = match end {
        End::Stopped | End::Changed => (Standing::Starting, Some(Duration::ZERO)),
        End::Lost => {
            desk.table().leave();
            return Some(RETRY);
        }
        End::Faulty(faults) => {
            for fault in &faults {
                tracing::error!("presence {name}: {fault}; nothing is commanded until then");
            }
            (Standing::Faulty(faults), Some(RETRY_FAULTY))
        }
        End::Failed(why) => {
            tracing::warn!("presence {name} is not kept now: {why}");
            (Standing::Unreachable(why), has_begun.then_some(RETRY))
        }
    };
    let mut table = desk.table();
    table.standing = standing;
    table.backlog = [0, 0];
    wait
}

/// Holds on to a team for as long as that can be done.
async fn until_lost<F: Future<Output = Result<(), End>>>(hold_on: impl Fn() -> F) -> End {
    loop {
        sleep(HOLD_ON_EVERY).await;
        if let Err(end) = hold_on().await {
            return end;
        }
    }
}

pub(super) async fn hold_on(store: &Store, clock: &Clock, hold: &TeamHold) -> Result<(), End> {
    match store.hold_team(hold, HOLD, clock.now()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(End::Lost),
        Err(error) => Err(End::Failed(error.to_string())),
    }
}

pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // Whoever could tell is gone: that is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::{End, HOLD, HOLD_ON_EVERY, until_lost};
    use std::cell::RefCell;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_team_is_held_while_it_is_still_being_found_out_who_is_in_it() {
        let (began, held) = (Instant::now(), RefCell::new(Vec::new()));
        let hold_on = || {
            held.borrow_mut().push(began.elapsed());
            let count = held.borrow().len();
            std::future::ready(if count < 7 { Ok(()) } else { Err(End::Lost) })
        };
        let end = until_lost(hold_on).await;
        assert!(matches!(end, End::Lost), "and no longer");
        let waits = held.borrow().windows(2).map(|two| two[1] - two[0]).max().expect("some");
        assert!(held.borrow()[0] < HOLD && waits < HOLD && began.elapsed() == 7 * HOLD_ON_EVERY);
    }
}
