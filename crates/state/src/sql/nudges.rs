//! Who is woken by a commit: the lines of jobs that it has work for, and those who follow news.
//!
//! A transaction notes what it adds ([`Added`]); the commit of its batch tells those who wait
//! ([`Nudges::send`]). Nobody relies on being woken: what other nodes commit brings no nudge,
//! so all look by themselves now and then.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a transaction has added that somebody waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Added {
    pub(crate) jobs: AddedJobs,
    pub(crate) news: bool,
}

/// Jobs of these lines may be leased now.
#[derive(Debug, Clone, Default)]
pub(crate) enum AddedJobs {
    #[default]
    Nothing,
    /// Each by its kind and its connection.
    Of(BTreeSet<(&'static str, String)>),
    OfAll,
}

impl AddedJobs {
    pub(crate) fn add(&mut self, kind: &'static str, connection: &str) {
        match self {
            Self::OfAll => {}
            Self::Of(lines) => drop(lines.insert((kind, connection.to_owned()))),
            Self::Nothing => *self = Self::Of([(kind, connection.to_owned())].into()),
        }
    }

    fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Nothing) | (Self::OfAll, _) => {}
            (Self::Of(lines), Self::Of(more)) => lines.extend(more),
            (_, other) => *self = other,
        }
    }
}

impl Added {
    pub(crate) fn join(&mut self, other: Self) {
        self.jobs.join(other.jobs);
        self.news |= other.news;
    }
}

/// Lines of jobs by their kind and connection.
type Lines = HashMap<(&'static str, String), watch::Sender<u64>>;

/// Those who wait, in this process.
#[derive(Clone, Default)]
pub(crate) struct Nudges {
    jobs: Arc<Mutex<Lines>>,
    pub(crate) news: watch::Sender<u64>,
}

impl Nudges {
    /// Of one line of jobs: a commit wakes those that it has work for, and no other.
    pub(crate) fn of_jobs(&self, kind: &'static str, connection: &str) -> watch::Receiver<u64> {
        let mut lines = self.lines();
        // Of lines that have ended nobody waits any more.
        lines.retain(|_, line| line.receiver_count() > 0);
        lines.entry((kind, connection.to_owned())).or_default().subscribe()
    }

    /// After a commit.
    pub(crate) fn send(&self, added: Added) {
        let nudge = |line: &watch::Sender<u64>| line.send_modify(|n| *n = n.wrapping_add(1));
        match added.jobs {
            AddedJobs::Nothing => {}
            AddedJobs::Of(due) => {
                let lines = self.lines();
                due.iter().filter_map(|line| lines.get(line)).for_each(nudge);
            }
            AddedJobs::OfAll => self.lines().values().for_each(nudge),
        }
        if added.news {
            nudge(&self.news);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A panic while holding it leaves a map of senders, which are never half written.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
