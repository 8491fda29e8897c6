//! Tells what happens to agents: by change events of both objects, or by asking again and again.
//!
//! For each object: a subscription over the Pub/Sub API, taken up again behind what has come
//! whenever it breaks off. Where the org tells nothing of the object, or cannot be reached
//! there for half a minute, it is asked every three seconds what changed, and the subscription
//! is tried again every five minutes. An event says which record changed; whose it is, one
//! query for all of a moment tells. What may have been missed is told as a gap of everybody.
//!
//! Source: Change Data Capture Developer Guide; Object Reference, "Associated Objects" of both.

use super::super::changes::feed::Events;
use super::super::mapping::record_id;
use super::super::records::{fixed, id};
use super::super::soql::{Condition, Soql};
use super::{Omni, SHOWN, WORK, names, text};
use domain::Timestamp;
use kit::presence::Told;
use kit::{Error, Feed, FeedAsk, FeedPage, Lane, Pauses};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// News of one moment is told together.
const TOGETHER: Duration = Duration::from_millis(150);
/// News that waits to be told; then no more is taken from the org.
const NEWS_MAX: usize = 64;
/// Ids of one query: their list stays below the longest WHERE clause.
const IDS_MAX: usize = 150;
/// How long one question to the feed waits for something to happen.
const WAIT: Duration = Duration::from_secs(60);
/// How long a subscription may be broken off before the org is asked instead.
const PATIENCE: Duration = Duration::from_secs(30);
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// How often the org is asked, and for how long before the subscription is tried again.
const POLL: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(5 * 60);
/// How far each question looks back: a transaction may commit with a time that others have
/// passed. What was told once is not told again.
const OVERLAP: Duration = Duration::from_secs(10);
/// Rows of one question; where there are more, everybody is read anew.
const ROWS_MAX: usize = 2_000;

/// What was heard.
enum News {
    /// Something may have been missed.
    Gap,
    /// Nothing is heard now, and why.
    Lost(String),
    /// These records of an object changed, and whose they are is not known.
    Changed(&'static str, Vec<String>),
    /// Something happened to these agents.
    Of(Vec<String>),
}

/// Tells until nobody listens, or the org refuses for good.
pub(super) async fn follow(
    omni: &Omni,
    agents: &[String],
    to: mpsc::Sender<Told>,
) -> Result<(), Error> {
    let (tell, told) = mpsc::channel(NEWS_MAX);
    let reader = format!("presence.{}", omni.followers.fetch_add(1, Ordering::Relaxed));
    let hear = |object| Ear::new(omni, &reader, object, tell.clone());
    let (shown, work) = (hear(SHOWN), hear(WORK));
    tokio::select! {
        error = shown.listen() => Err(error),
        error = work.listen() => Err(error),
        () = relay(omni, agents, told, &to) => Ok(()),
        () = to.closed() => Ok(()),
    }
}

/// Tells what was heard of those who are followed, until nobody listens.
async fn relay(
    omni: &Omni,
    agents: &[String],
    mut told: mpsc::Receiver<News>,
    to: &mpsc::Sender<Told>,
) {
    let followed: HashMap<String, &String> =
        agents.iter().filter_map(|agent| Some((record_id(agent)?, agent))).collect();
    while let Some(first) = told.recv().await {
        let until = Instant::now() + TOGETHER;
        let mut all = vec![first];
        while let Ok(Some(next)) = timeout_at(until, told.recv()).await {
            all.push(next);
        }
        let lost = all.iter().rev().find_map(|news| match news {
            News::Lost(why) => Some(Some(why.clone())),
            News::Gap => Some(None),
            News::Of(_) | News::Changed(..) => None,
        });
        if let Some(why) = lost.flatten() {
            if to.send(Told::Lost { agents: agents.to_vec(), why }).await.is_err() {
                return;
            }
            continue;
        }
        let message = match users(omni, all).await {
            Some(users) => {
                let meant: HashSet<&&String> =
                    users.iter().filter_map(|user| followed.get(user)).collect();
                Told::Changed(meant.into_iter().map(|agent| (*agent).clone()).collect())
            }
            None => Told::Gap(agents.to_vec()),
        };
        let is_empty = matches!(&message, Told::Changed(ids) if ids.is_empty());
        if !is_empty && to.send(message).await.is_err() {
            return;
        }
    }
}

/// To whom all this happened; `None` where that is not known of all.
async fn users(omni: &Omni, all: Vec<News>) -> Option<HashSet<String>> {
    let mut users = HashSet::new();
    let mut records: HashMap<&str, HashSet<String>> = HashMap::new();
    for news in all {
        match news {
            News::Gap | News::Lost(_) => return None,
            News::Of(agents) => users.extend(agents),
            News::Changed(object, ids) => records.entry(object).or_default().extend(ids),
        }
    }
    for (object, ids) in records {
        let ids: Vec<String> = ids.into_iter().collect();
        for batch in ids.chunks(IDS_MAX) {
            let condition = Condition::one_of(&fixed("Id"), batch.iter().map(String::as_str))?;
            let fields = names(&["Id", "UserId"]);
            let limit = u16::try_from(IDS_MAX).unwrap_or(u16::MAX);
            let soql = Soql::by_id(&fixed(object), &fields, Some(&condition), limit);
            // What was deleted meanwhile has its user still.
            let rows = omni.client.query_all(Lane::Background, &soql).await.ok()?;
            users.extend(rows.iter().filter_map(user));
        }
    }
    Some(users)
}

/// Hears of one object for one who follows.
struct Ear<'a> {
    omni: &'a Omni,
    reader: &'a str,
    object: &'static str,
    tell: mpsc::Sender<News>,
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.omni.events.leave(self.reader, self.object);
    }
}

/// Where a series of questions is.
struct Place {
    since: Timestamp,
    /// Told already, by id and version, of what the next question sees again.
    told: HashMap<String, String>,
}

impl<'a> Ear<'a> {
    fn new(
        omni: &'a Omni,
        reader: &'a str,
        object: &'static str,
        tell: mpsc::Sender<News>,
    ) -> Self {
        Self { omni, reader, object, tell }
    }

    /// Hears for as long as the org lets us; why not longer.
    async fn listen(&self) -> Error {
        let mut patience = PATIENCE;
        let (mut is_asking, mut place) = (false, None);
        loop {
            let (why, has_heard) = self.subscribed(patience).await;
            if has_heard {
                (is_asking, place) = (false, None);
            }
            if !is_asking {
                let (object, every) = (self.object, POLL.as_secs());
                tracing::warn!(
                    object,
                    "the org tells no changes of an object of Omni-Channel ({why}): it is asked \
                     every {every} seconds instead"
                );
                is_asking = true;
            }
            patience = Duration::ZERO;
            if let Ok(refused) = timeout(RETRY, self.asked(&mut place)).await {
                return refused;
            }
        }
    }

    /// Whoever follows is told; when nobody does, all this is dropped.
    async fn say(&self, news: News) {
        let _ = self.tell.send(news).await;
    }

    async fn next(&self, cursor: Option<String>, wait: Duration) -> Result<FeedPage, Error> {
        let (reader, object) = (self.reader.to_owned(), self.object.to_owned());
        let events: &Events = &self.omni.events;
        events.next(&FeedAsk { reader, object, cursor, wait }).await
    }

    /// Hears over a subscription until it has been broken off for so long, or is refused; and
    /// whether the org has told a place in it, so that nothing is missed any more.
    async fn subscribed(&self, mut patience: Duration) -> (Error, bool) {
        // The first question subscribes; what happened before is a gap, told at once to who has
        // heard nothing yet. Who has asked meanwhile waits until it is not refused.
        let mut wait = if patience.is_zero() { POLL } else { Duration::ZERO };
        let (mut is_first, mut has_heard, mut cursor) = (true, false, None);
        let (mut broken, mut pauses) = (None, Pauses::new(BACKOFF_MIN, BACKOFF_MAX));
        loop {
            let told = self.next(cursor.clone(), wait).await;
            if is_first && (told.is_ok() || !patience.is_zero()) {
                self.say(News::Gap).await;
            }
            (is_first, wait) = (false, WAIT);
            match told {
                Ok(page) => {
                    if page.has_gap {
                        self.say(News::Gap).await;
                    }
                    if !page.notices.is_empty() {
                        let ids = page.notices.iter().map(|notice| notice.id().to_owned());
                        self.say(News::Changed(self.object, ids.collect())).await;
                    }
                    if page.cursor.is_some() {
                        (has_heard, patience) = (true, PATIENCE);
                    }
                    cursor = page.cursor;
                    broken = None;
                    pauses.begin_anew();
                }
                Err(error) => {
                    let since = *broken.get_or_insert_with(Instant::now);
                    if is_refusal(&error) || since.elapsed() >= patience {
                        return (error, has_heard);
                    }
                    tracing::debug!(object = self.object, "a subscription broke off: {error}");
                    pauses.pause(told_pause(&error), &self.omni.answers).await;
                }
            }
        }
    }

    /// Asks what changed, again and again, until that is refused for good.
    async fn asked(&self, place: &mut Option<Place>) -> Error {
        let mut pauses = Pauses::new(POLL, BACKOFF_MAX);
        let mut failing: Option<Instant> = None;
        loop {
            match self.ask(place).await {
                Ok(()) => {
                    if failing.take().is_some_and(|since| since.elapsed() >= PATIENCE) {
                        self.say(News::Gap).await;
                    }
                    pauses.begin_anew();
                    sleep(POLL).await;
                }
                Err(error) if is_refusal(&error) => return error,
                Err(error) => {
                    tracing::debug!(object = self.object, "the org does not answer: {error}");
                    if failing.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                        self.say(News::Lost(error.to_string())).await;
                    }
                    pauses.pause(told_pause(&error), &self.omni.answers).await;
                }
            }
        }
    }

    async fn ask(&self, place: &mut Option<Place>) -> Result<(), Error> {
        let stamp = fixed("SystemModstamp");
        let fields = names(&["Id", "UserId", "SystemModstamp"]);
        let object = fixed(self.object);
        let condition = place.as_ref().map(|place| Condition::since(&stamp, place.since));
        // To begin with, only what time it is there.
        let most = if place.is_some() { ROWS_MAX } else { 1 };
        let soql = Soql::changes(&object, &fields, condition.as_ref(), most);
        let (rows, heard) = self.omni.client.query_all_page(&soql).await?;
        let now = heard.date.ok_or_else(|| Error::protocol("an answer without a date"))?;
        let since = now.minus(OVERLAP);
        let is_more = rows.len() >= most || heard.body.get("done") == Some(&Value::Bool(false));
        let Some(before) = place.as_ref().filter(|_| !is_more) else {
            // Told before the place is kept: given up in between, it is told again.
            self.say(News::Gap).await;
            *place = Some(Place { since, told: HashMap::new() });
            return Ok(());
        };
        let mut told = HashMap::new();
        let mut users = Vec::new();
        for row in &rows {
            let version = text(row, "SystemModstamp").unwrap_or_default().to_owned();
            let id = id(row)?;
            if before.told.get(&id) != Some(&version) {
                users.extend(user(row));
            }
            told.insert(id, version);
        }
        let since = since.max(before.since);
        if !users.is_empty() {
            self.say(News::Of(users)).await;
        }
        *place = Some(Place { since, told });
        Ok(())
    }
}

/// Would it be refused again, whatever the time?
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Invalid { .. } | Error::Forbidden { .. } | Error::NotFound)
}

/// How long the org wants to be left alone.
fn told_pause(error: &Error) -> Duration {
    match error {
        Error::RateLimited { retry_after: Some(pause) } => *pause,
        _ => Duration::ZERO,
    }
}

fn user(row: &Value) -> Option<String> {
    text(row, "UserId").and_then(record_id)
}
