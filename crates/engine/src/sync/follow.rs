//! Follows what a side tells by itself, and begins a short run as soon as somebody changed.
//!
//! One process over all nodes follows a sync, under a lease. It only listens: what was told is
//! asked for again by the run, which takes the records and keeps the place in one commit
//! (`fetch::heed`, invariant 4). So whoever dies between the two has lost nothing. A feed that
//! fails is tried again, ever more slowly; the scheduled runs go on meanwhile.

use super::{Sync, fetch};
use crate::live::Live;
use crate::lookup::Engine;
use domain::sync::Side;
use kit::{Error, FeedPage};
use state::sync::{Begun, Follower, NewRun, RunKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long one process follows without a word before another may.
const LEASE: Duration = Duration::from_secs(60);
/// How long a feed is listened to at once.
const WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether there is something to follow.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between tries of a feed that fails, doubling.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A place that moved while nothing happened is kept so often: vendors forget old ones.
const KEEP_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How often it is looked whether a run has ended.
const POLL: Duration = Duration::from_millis(100);

/// Follows every sync that is to be followed, until told to stop.
pub(crate) async fn run(live: Live, mut stop: watch::Receiver<bool>) {
    let mut changes = live.changes();
    let mut following: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
    while !*stop.borrow() {
        following.retain(|_, task| !task.is_finished());
        for sync in live.now().syncs.all().filter(|sync| sync.is_pushed()) {
            following.entry(sync.name.clone()).or_insert_with(|| {
                tokio::spawn(follow(live.clone(), sync.name.clone(), stop.clone()))
            });
        }
        tokio::select! {
            _ = stop.changed() => {}
            _ = changes.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
    for (_, task) in following {
        task.await.ok();
    }
}

/// What came of one look.
enum Looked {
    /// Nothing is followed here now.
    NotNow,
    /// Nothing happened.
    Quiet,
    /// A run took what was told.
    Taken,
    /// A run was there, and took nothing.
    Stuck,
    Failed(Error),
}

/// Follows one sync while it is configured so.
async fn follow(live: Live, name: String, mut stop: watch::Receiver<bool>) {
    let Ok(follower) = Follower::new() else { return };
    let (mut backoff, mut kept_at) = (BACKOFF_FIRST, Instant::now());
    while !*stop.borrow() {
        let engine = live.now();
        let sync = engine.syncs.get(&name).filter(|sync| sync.is_pushed()).map(Arc::clone);
        let Some(sync) = sync else { break };
        let following = Following { engine: &engine, sync: &sync, follower };
        let looked = tokio::select! {
            looked = following.look(&mut kept_at) => looked,
            _ = stop.changed() => break,
        };
        let wait = match looked {
            Ok(Looked::Quiet | Looked::Taken) => {
                backoff = BACKOFF_FIRST;
                continue;
            }
            Ok(Looked::NotNow) => LOOK_EVERY,
            Ok(Looked::Stuck) => backoff,
            Ok(Looked::Failed(error)) => {
                tracing::warn!(sync = name, "a feed cannot be followed: {error}");
                backoff
            }
            Err(error) => {
                tracing::warn!(sync = name, "a feed cannot be followed, the store fails: {error}");
                backoff
            }
        };
        backoff = (backoff * 2).min(BACKOFF_MAX);
        tokio::select! {
            _ = stop.changed() => {}
            () = sleep(wait) => {}
        }
    }
    let engine = live.now();
    if let Ok(Some(known)) = engine.store.find_sync(&name).await {
        // Another may go on at once.
        engine.store.follow_sync(known.id, follower, Duration::ZERO, engine.clock.now()).await.ok();
    }
}

struct Following<'a> {
    engine: &'a Engine,
    sync: &'a Sync,
    follower: Follower,
}

impl Following<'_> {
    /// Listens once, and has taken what was told.
    async fn look(&self, kept_at: &mut Instant) -> Result<Looked, state::Error> {
        let known = self.engine.sync_state(self.sync).await?;
        let rests = known.approved_at.is_none()
            || known.paused.is_some()
            || known.connections != self.sync.connections()
            // What there is, is read before what changes.
            || known.cursors.iter().any(Option::is_none);
        if rests || !self.hold(known.id).await? {
            return Ok(Looked::NotNow);
        }
        let [left, right] =
            [Side::Left, Side::Right].map(|side| self.listen(side, &known.cursors[side.index()]));
        let told = tokio::select! {
            told = left => told,
            told = right => told,
        };
        let page = match told {
            Ok((is_moved, page)) => {
                let is_due = is_moved && kept_at.elapsed() > KEEP_EVERY;
                (page.has_gap || !page.notices.is_empty() || is_due).then_some(page)
            }
            Err(error) => return Ok(Looked::Failed(error)),
        };
        if page.is_none() {
            return Ok(Looked::Quiet);
        }
        self.push(known.id).await?;
        *kept_at = Instant::now();
        let after = self.engine.sync_state(self.sync).await?;
        Ok(if after.cursors == known.cursors { Looked::Stuck } else { Looked::Taken })
    }

    async fn hold(&self, sync: i64) -> Result<bool, state::Error> {
        let now = self.engine.clock.now();
        self.engine.store.follow_sync(sync, self.follower, LEASE, now).await
    }

    /// What a side tells, and whether its place has moved; a side that tells nothing by
    /// itself is silent for ever.
    async fn listen(&self, side: Side, kept: &Option<String>) -> Result<(bool, FeedPage), Error> {
        let Some(feed) = &self.sync.end(side).feed else { return std::future::pending().await };
        let ask = fetch::ask(self.sync, side, kept.as_deref().unwrap_or_default(), WAIT);
        let page = feed.next(&ask).await?;
        Ok((page.cursor != ask.cursor, page))
    }

    /// Begins a run, or waits for the one under way, and waits until it has ended.
    async fn push(&self, sync: i64) -> Result<(), state::Error> {
        let store = &self.engine.store;
        let by = "feed".to_owned();
        let new = NewRun { kind: RunKind::Push, of: None, is_dry: false, due_at: None, by };
        let begun = store.begin_sync_run(sync, new, self.engine.clock.now()).await?;
        self.engine.options.syncing.nudge.notify_one();
        let (Begun::Started { run } | Begun::Busy { run }) = begun else { return Ok(()) };
        while let Some(run) = store.sync_run(run).await?
            && run.ended_at.is_none()
            && self.hold(sync).await?
        {
            sleep(POLL).await;
        }
        Ok(())
    }
}
