//! Hands news of calls to those who follow them, while they happen.
//!
//! One reader per process reads what is new, once for everybody, and only while somebody
//! follows: ten thousand idle streams cost neither queries nor wake-ups. A commit of this
//! process wakes it; what other nodes commit it finds by looking now and then.
//!
//! [`Following`] is one who follows. Who is too slow is let go by the reader and reads the
//! store again from where it was: nothing is kept in memory for it.

mod following;

pub use following::{Following, Told};

use domain::{CallId, Timestamp};
use state::{News, Store, Topic};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// News read at once by the one reader.
const BATCH: usize = 500;
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

#[cfg(test)]
mod tests {
    use super::{Feed, Following, Told, WAITING_MAX};
    use domain::{CallId, Direction, ExternalId, MediaType, Source, Status, Timestamp};
    use state::{Location, MasterKey, NewCall, Options, Store, Topic};
    use std::time::Duration;
    use tokio::sync::watch;

    struct Line {
        store: Store,
        feed: Feed,
        _stop: watch::Sender<bool>,
    }

    impl Line {
        async fn open() -> Self {
            let master: MasterKey = "5a".repeat(32).parse().expect("a key");
            let store = Store::open(&Location::SqliteMemory, &master, Options::default());
            let store = store.await.expect("a store");
            let (feed, (stop, stopped)) = (Feed::new(&store), watch::channel(false));
            tokio::spawn(feed.clone().run(stopped));
            Self { store, feed, _stop: stop }
        }

        fn agent(&self) -> Topic {
            self.store.agent_topic("agent-7")
        }

        /// A call of that agent.
        async fn call(&self, name: &str) {
            let call = NewCall {
                id: CallId::new(name).expect("an id"),
                direction: Direction::Outbound,
                media: MediaType::Voice,
                number: None,
                email: None,
                asked_record: None,
                dialled: None,
                queue: None,
                user: Some("agent-7".to_owned()),
                connection: "crm".to_owned(),
                external_id: ExternalId::Unknown,
                contact: None,
                status: Status::Unknown,
                source: Source::None,
                arrived_at: Timestamp(1),
                answered_in_us: 1,
                warnings: Vec::new(),
                labels: Default::default(),
                data: Default::default(),
                deadline_us: 0,
            };
            self.store.record_call(call, Vec::new()).await.expect("recorded");
        }
    }

    /// The call that is told next.
    async fn told(following: &mut Following) -> String {
        let next = tokio::time::timeout(Duration::from_secs(30), following.next());
        let Told::News(news) = next.await.expect("in time").expect("read") else {
            panic!("nothing was forgotten");
        };
        following.was_told();
        news.call.to_string()
    }

    #[tokio::test]
    async fn who_does_not_read_is_let_go_and_misses_nothing() {
        let line = Line::open().await;
        let mut slow = line.feed.follow(line.agent(), None, None);
        let mut quick = line.feed.follow(line.agent(), None, None);
        line.call("first").await;
        assert_eq!(
            (told(&mut slow).await, told(&mut quick).await),
            ("first".into(), "first".into())
        );
        let count = WAITING_MAX * 3;
        for n in 0..count {
            line.call(&n.to_string()).await;
            assert_eq!(told(&mut quick).await, n.to_string());
        }
        let followers = line.feed.lock().followers[&line.agent()].len();
        assert_eq!(followers, 1, "the slow one has no place at the reader any more");
        for n in 0..count {
            assert_eq!(told(&mut slow).await, n.to_string());
        }
    }

    #[tokio::test]
    async fn what_was_not_told_comes_again() {
        let line = Line::open().await;
        line.call("first").await;
        let mut following = line.feed.follow(line.agent(), None, None);
        let first = following.next().await.expect("read");
        assert_eq!(following.next().await.expect("read"), first, "its carrier was interrupted");
        assert_eq!(following.place(), None, "nor may anybody go on after it");
        following.was_told();
        let Told::News(news) = first else { panic!("news") };
        assert_eq!(following.place(), Some(news.id));
    }

    #[tokio::test]
    async fn the_place_rises_with_the_news_of_others_and_never_past_what_waits() {
        let line = Line::open().await;
        let mut idle = line.feed.follow(line.store.agent_topic("idle"), None, None);
        let moment = Duration::from_millis(50);
        let nothing = tokio::time::timeout(moment, idle.next()).await;
        assert!(nothing.is_err(), "nothing is for them, and they follow now");
        let mut busy = line.feed.follow(line.agent(), None, None);
        for n in 0..5 {
            line.call(&n.to_string()).await;
            assert_eq!(told(&mut busy).await, n.to_string());
        }
        let newest = line.store.news_after(0, 100).await.expect("read").newest;
        assert_eq!(newest, 10, "each call was told to itself and to its agent");
        assert_eq!(idle.place(), Some(newest));
        let mut again = line.feed.follow(line.agent(), None, Some(newest));
        let nothing = tokio::time::timeout(moment, again.next()).await;
        assert!(nothing.is_err(), "all of it was seen");
        assert_eq!(again.place(), Some(newest));
    }

    #[tokio::test]
    async fn the_reader_rests_while_nobody_follows() {
        let line = Line::open().await;
        let mut following = line.feed.follow(line.agent(), None, None);
        line.call("first").await;
        assert_eq!(told(&mut following).await, "first");
        drop(following);
        assert_eq!(line.feed.reached(), None);
        line.call("second").await;
        let mut following = line.feed.follow(line.agent(), None, Some(2));
        assert_eq!(told(&mut following).await, "second");
    }
}
