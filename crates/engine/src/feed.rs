//! Hands news of calls to those who follow them, while they happen.
//!
//! One reader per process reads what is new, once for everybody, and only while somebody
//! follows: ten thousand idle streams cost neither queries nor wake-ups. A commit of this
//! process wakes it; what other nodes commit it finds by looking now and then.
//!
//! [`Following`] is one who follows. It reads the store from the last id it has told,
//! then joins the reader at just that place, so nothing is missed and nothing is told
//! twice. Who is too slow is dropped by the reader and reads the store again from where
//! it was: nothing is kept in memory for it.

use domain::{CallId, Timestamp};
use state::{News, Store, Topic};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// News read at once by the one reader.
const BATCH: usize = 500;
/// News of one topic read at once; kept in memory until they are told.
const PAGE: usize = 50;
/// News that wait for one who follows; at the bound it reads the store again instead.
const WAITING_MAX: usize = 16;
/// A pause after what was read, so that a busy line is read in parts: at most fifty a
/// second. An agent does not notice it, the store would.
const PACE: Duration = Duration::from_millis(20);
/// How often it is looked for what other nodes have told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// And where there are no others, in case a nudge was lost.
const LOOK_ALONE: Duration = Duration::from_secs(5);

/// Everybody who follows, and how far they have been told. Cloning is cheap.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    state: Mutex<State>,
    /// Somebody follows where nobody did.
    begun: Notify,
}

#[derive(Default)]
struct State {
    /// Everything up to this id was handed out; `None` while nobody follows.
    reached: Option<i64>,
    followers: HashMap<Topic, Vec<Follower>>,
    next: u64,
}

struct Follower {
    number: u64,
    to: mpsc::Sender<Arc<News>>,
}

/// What is told to one who follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What came after the id they had seen is not kept any more: all that is kept
    /// follows, beginning after this id.
    Anew(i64),
    News(Arc<News>),
}

impl Feed {
    #[must_use]
    pub fn new(store: &Store) -> Self {
        let (state, begun) = (Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { store: store.clone(), state, begun }) }
    }

    /// Hands out what is new until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let store = &self.inner.store;
        let look_every = if store.is_shared() { LOOK_EVERY } else { LOOK_ALONE };
        let mut nudge = store.news_nudge();
        loop {
            nudge.borrow_and_update();
            let wait = match self.reached() {
                None => None,
                Some(reached) => Some(self.read(reached, look_every).await),
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.inner.begun.notified(), if wait.is_none() => {}
                _ = nudge.changed(), if wait.is_some_and(|wait| wait > PACE) => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// Reads on from there and hands out what there is; returns how long to wait.
    async fn read(&self, reached: i64, look_every: Duration) -> Duration {
        match self.inner.store.news_after(reached, BATCH).await {
            Ok(page) if !page.goes_on_after(reached) => {
                // Forgotten before they were read: everybody reads the store from where they are.
                self.let_everybody_go();
                PACE
            }
            Ok(page) => {
                let is_new = page.next > reached;
                self.hand_out(page.news, reached, page.next);
                if is_new { PACE } else { look_every }
            }
            Err(error) => {
                tracing::warn!("news cannot be read: {error}");
                look_every
            }
        }
    }

    fn let_everybody_go(&self) {
        let mut state = self.lock();
        *state = State { next: state.next, ..State::default() };
    }

    fn hand_out(&self, news: Vec<News>, from: i64, to: i64) {
        let mut state = self.lock();
        // Everybody left meanwhile, and who has come since begins elsewhere.
        if state.reached != Some(from) {
            return;
        }
        for news in news {
            let topic = news.topic;
            let Some(followers) = state.followers.get_mut(&topic) else { continue };
            let news = Arc::new(news);
            // Who is full or gone is let go: its channel ends, and it reads the store.
            followers.retain(|follower| follower.to.try_send(Arc::clone(&news)).is_ok());
            if followers.is_empty() {
                state.followers.remove(&topic);
            }
        }
        state.reached = (!state.followers.is_empty()).then_some(to);
    }

    /// Follows a topic: what came after this id, or all that is kept.
    #[must_use]
    pub fn follow(&self, topic: Topic, call: Option<CallId>, after: Option<i64>) -> Following {
        Following {
            feed: self.clone(),
            topic,
            call,
            seen: after,
            told: after,
            waiting: VecDeque::new(),
            live: None,
        }
    }

    /// Joins the reader, if it has not handed out anything beyond this id yet.
    fn join(&self, topic: Topic, read_to: i64) -> Option<Live> {
        let mut state = self.lock();
        match state.reached {
            Some(reached) if reached > read_to => return None,
            Some(_) => {}
            None => {
                state.reached = Some(read_to);
                self.inner.begun.notify_one();
            }
        }
        let (to, from) = mpsc::channel(WAITING_MAX);
        let number = state.next;
        state.next += 1;
        state.followers.entry(topic).or_default().push(Follower { number, to });
        Some(Live { feed: self.clone(), topic, number, from })
    }

    fn leave(&self, topic: Topic, number: u64) {
        let mut state = self.lock();
        if let Some(followers) = state.followers.get_mut(&topic) {
            followers.retain(|follower| follower.number != number);
            if followers.is_empty() {
                state.followers.remove(&topic);
            }
        }
        if state.followers.is_empty() {
            *state = State { next: state.next, ..State::default() };
        }
    }

    fn reached(&self) -> Option<i64> {
        self.lock().reached
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at the reader, given up when dropped.
struct Live {
    feed: Feed,
    topic: Topic,
    number: u64,
    from: mpsc::Receiver<Arc<News>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.feed.leave(self.topic, self.number);
    }
}

/// One who follows a topic.
pub struct Following {
    feed: Feed,
    topic: Topic,
    /// Beside the topic of a call.
    call: Option<CallId>,
    /// Everything up to this id was read, and waits or was told.
    seen: Option<i64>,
    /// Everything up to this id was told.
    told: Option<i64>,
    /// At most a page, and what came after it.
    waiting: VecDeque<Told>,
    live: Option<Live>,
}

impl Following {
    /// What is to be told next; comes again until [`Following::was_told`]. Waits where
    /// there is nothing. Dropped while it waits, it has lost nothing.
    ///
    /// # Errors
    /// When the store cannot be read; may be tried again.
    pub async fn next(&mut self) -> Result<Told, state::Error> {
        loop {
            if let Some(told) = self.waiting.front() {
                return Ok(told.clone());
            }
            match &mut self.live {
                None => self.read().await?,
                Some(live) => match live.from.recv().await {
                    Some(news) => self.take(news),
                    None => self.live = None,
                },
            }
        }
    }

    /// What [`Following::next`] gave was told.
    pub fn was_told(&mut self) {
        match self.waiting.pop_front() {
            Some(Told::News(news)) => self.told = Some(news.id),
            Some(Told::Anew(id)) => self.told = Some(id),
            None => {}
        }
    }

    /// The id after which to go on another time: everything up to it was told. It rises
    /// also while there is nothing to tell.
    pub fn place(&mut self) -> Option<i64> {
        // First how far everybody was told, then whether something of it still waits.
        if let (Some(reached), Some(live)) = (self.feed.reached(), &mut self.live) {
            let mut came = Vec::new();
            while let Ok(news) = live.from.try_recv() {
                came.push(news);
            }
            let is_let_go = live.from.is_closed();
            came.into_iter().for_each(|news| self.take(news));
            if self.waiting.is_empty() && !is_let_go {
                self.seen = self.seen.max(Some(reached));
                self.told = self.told.max(Some(reached));
            }
        }
        self.told
    }

    fn take(&mut self, news: Arc<News>) {
        if self.seen.is_none_or(|seen| news.id > seen) {
            self.seen = Some(news.id);
            self.waiting.push_back(Told::News(news));
        }
    }

    /// A page of the store; the last one joins the reader.
    async fn read(&mut self) -> Result<(), state::Error> {
        let Self { feed, topic, call, seen, .. } = self;
        let store = &feed.inner.store;
        let mut page = store.news_of(*topic, call.as_ref(), seen.unwrap_or(0), PAGE).await?;
        if let Some(id) = *seen
            && !page.goes_on_after(id)
        {
            page = store.news_of(*topic, call.as_ref(), 0, PAGE).await?;
            self.waiting.push_back(Told::Anew((page.oldest - 1).max(0)));
        }
        if !page.has_more {
            self.live = self.feed.join(self.topic, page.next);
        }
        self.waiting.extend(page.news.into_iter().map(|news| Told::News(Arc::new(news))));
        self.seen = Some(page.next);
        if self.waiting.is_empty() {
            self.told = self.seen;
        }
        Ok(())
    }
}

/// News of one topic at one moment, for those who ask instead of following.
#[derive(Debug, Clone)]
pub struct Batch {
    pub news: Vec<News>,
    /// Where to go on.
    pub next: i64,
    pub has_more: bool,
    /// What came after the id that was asked for is not kept any more; this is all that is.
    pub is_anew: bool,
}

/// News in one answer to those who ask.
pub const BATCH_MAX: usize = 100;

impl Feed {
    /// What came after this id, or all that is kept, at most [`BATCH_MAX`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch(
        &self,
        topic: Topic,
        call: Option<&CallId>,
        after: Option<i64>,
    ) -> Result<Batch, state::Error> {
        let store = &self.inner.store;
        let mut page = store.news_of(topic, call, after.unwrap_or(0), BATCH_MAX).await?;
        let is_anew = after.is_some_and(|after| !page.goes_on_after(after));
        if is_anew {
            page = store.news_of(topic, call, 0, BATCH_MAX).await?;
        }
        Ok(Batch { news: page.news, next: page.next, has_more: page.has_more, is_anew })
    }
}

/// How long news are kept: whoever was away for longer reads anew.
pub(crate) const NEWS_KEPT: Duration = Duration::from_secs(3_600);

/// Forgets what is older, a bounded part at a time.
pub(crate) async fn forget(store: &Store, now: Timestamp) -> Result<(), state::Error> {
    while store.prune_news(now.minus(NEWS_KEPT)).await? > 0 {}
    Ok(())
}
