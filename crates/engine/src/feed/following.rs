//! One who follows a topic, from the last id it was told.
//!
//! It reads the store from there, then joins the reader at just that place, so nothing is
//! missed and nothing is told twice. When the reader lets it go, it reads the store again.

use super::{Feed, Live};
use domain::CallId;
use state::{News, Topic};
use std::collections::VecDeque;
use std::sync::Arc;

/// News of one topic read at once; kept in memory until they are told.
const PAGE: usize = 50;

/// What is told to one who follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What came after the id they had seen is not kept any more: all that is kept
    /// follows, beginning after this id.
    Anew(i64),
    News(Arc<News>),
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

impl Feed {
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
}
