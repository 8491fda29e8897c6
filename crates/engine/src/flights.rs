//! One request to the CRM per number, however many calls ask at once.
//!
//! [`Flights::join`] gives each caller a view of the flight for its ask. The
//! request runs in a task of its own, so a caller that gives up does not end it
//! (its late answer still feeds the directory). An ask leaves at once, unless
//! another left within the last two milliseconds: then it waits for the rest of
//! them and travels with whoever has come meanwhile, so that a busy minute costs
//! few of the CRM's requests. Flights and waiting asks are bounded.

use domain::{Contact, Timestamp};
use kit::{Ask, Error, Lane, Lookup};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// What a flight brought: everybody who fits, or why nobody could be asked.
pub(crate) type Outcome = Result<Arc<Vec<Contact>>, Error>;

/// Asks waiting beyond this are refused at once: their calls answer `PHONE:`
/// and a durable job asks later.
const WAITING_MAX: usize = 2_048;

/// How long callers wait for an answer to be in the directory, where they must.
const LANDING_AWAITED: Duration = Duration::from_millis(20);

/// How long the directory may take to keep an answer before the crew goes on.
const LANDING_MAX: Duration = Duration::from_secs(5);

/// The least time between two requests that are not full.
const GATHER: Duration = Duration::from_millis(2);

/// How long an answer is still told to those who looked into the directory just before it
/// was kept there, and how many are held for them.
const JUST_LANDED: Duration = Duration::from_millis(250);
const JUST_LANDED_MAX: usize = 1_024;

/// The flights of one connection.
#[derive(Debug)]
pub(crate) struct Flights {
    lane: Lane,
    crews_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashMap<Ask, watch::Receiver<Option<Outcome>>>,
    waiting: VecDeque<Passenger>,
    crews: usize,
    /// Crews of these that are about to leave and have room.
    gathering: usize,
    /// Before this only a full request leaves.
    leave_at: Option<Instant>,
    landed: HashMap<Ask, (Instant, Arc<Vec<Contact>>)>,
    /// The same, oldest first.
    landed_since: VecDeque<(Instant, Ask)>,
}

type Passenger = (Ask, watch::Sender<Option<Outcome>>);

impl State {
    /// Whether the crews about to leave can take all who wait.
    fn has_room(&self, seats: usize) -> bool {
        self.waiting.len() <= seats * self.gathering
    }

    fn take_off(&mut self, passengers: &[Passenger]) {
        for (ask, _) in passengers {
            self.under_way.remove(ask);
        }
    }

    /// Somebody was found: who comes just now need not ask again.
    fn note(&mut self, ask: Ask, people: &Arc<Vec<Contact>>, now: Instant) {
        self.landed_since.push_back((now, ask.clone()));
        self.landed.insert(ask, (now, Arc::clone(people)));
        self.forget_landed(now);
    }

    fn forget_landed(&mut self, now: Instant) {
        let is_over = |at: Instant| now.saturating_duration_since(at) > JUST_LANDED;
        while let Some((at, _)) = self.landed_since.front()
            && (is_over(*at) || self.landed_since.len() > JUST_LANDED_MAX)
        {
            let Some((at, ask)) = self.landed_since.pop_front() else { return };
            // One that came again since is told by its later entry.
            if self.landed.get(&ask).is_some_and(|(newest, _)| *newest == at) {
                self.landed.remove(&ask);
            }
        }
    }
}

/// One caller's view of a flight.
pub(crate) struct Flight(watch::Receiver<Option<Outcome>>);

/// What every flight does with its answer, whether or not anybody still waits:
/// called once per
/// request, with an empty list when it failed.
pub(crate) trait Landing: Send + Sync + 'static {
    /// Is what was written first seen by whoever writes later? Then nobody waits
    /// for it; else callers are told once it is there, or after a moment.
    fn lands_in_order(&self) -> bool;

    /// The time to date an answer with: when it was asked for.
    fn now(&self) -> Timestamp;

    fn landed(
        &self,
        lane: Lane,
        answers: Vec<(Ask, Arc<Vec<Contact>>)>,
        asked_at: Timestamp,
    ) -> impl Future<Output = ()> + Send;
}

impl Flights {
    /// At most `crews_max` requests are under way at once.
    pub(crate) fn new(lane: Lane, crews_max: usize) -> Self {
        Self { lane, crews_max: crews_max.max(1), state: Mutex::default() }
    }

    /// The flight for `ask`, started if there is none.
    pub(crate) fn join<L: Landing>(
        self: &Arc<Self>,
        ask: &Ask,
        lookup: &Arc<dyn Lookup>,
        landing: &Arc<L>,
    ) -> Flight {
        let mut state = self.lock();
        if let Some(flight) = state.under_way.get(ask) {
            return Flight(flight.clone());
        }
        if state.waiting.len() >= WAITING_MAX {
            let refused = Error::unavailable("too many lookups wait for this connection");
            return Flight(watch::channel(Some(Err(refused))).1);
        }
        let (sender, receiver) = watch::channel(None);
        state.under_way.insert(ask.clone(), receiver.clone());
        state.waiting.push_back((ask.clone(), sender));
        let seats = lookup.batch_max().max(1);
        if state.crews < self.crews_max && !state.has_room(seats) {
            state.crews += 1;
            state.gathering += 1;
            let crew = Crew { flights: Arc::clone(self), gathers: true, is_alive: true };
            tokio::spawn(crew.work(Arc::clone(lookup), Arc::clone(landing)));
        }
        Flight(receiver)
    }

    /// What was said of `ask` a moment ago: for those who have looked into the directory
    /// and found nobody there, because it was not kept yet.
    pub(crate) fn just_landed(&self, ask: &Ask) -> Option<Arc<Vec<Contact>>> {
        let mut state = self.lock();
        state.forget_landed(Instant::now());
        state.landed.get(ask).map(|(_, people)| Arc::clone(people))
    }

    /// The flight under way for `ask`, if there is one.
    pub(crate) fn under_way(&self, ask: &Ask) -> Option<Flight> {
        self.lock().under_way.get(ask).cloned().map(Flight)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries asks, one request after the other, until none waits.
struct Crew {
    flights: Arc<Flights>,
    /// Is one of [`State::gathering`].
    gathers: bool,
    is_alive: bool,
}

enum Boarding {
    /// These travel together now.
    Left(Vec<Passenger>),
    /// A request has just left: until then there is time for others to come.
    Gathering { until: Instant },
    /// All are served, or the crews about to leave will take them.
    Nobody,
}

impl Crew {
    async fn work<L: Landing>(mut self, lookup: Arc<dyn Lookup>, landing: Arc<L>) {
        let lane = self.flights.lane;
        loop {
            let passengers = match self.board(lookup.batch_max().max(1)) {
                Boarding::Left(passengers) => passengers,
                Boarding::Gathering { until } => {
                    tokio::time::sleep_until(until).await;
                    continue;
                }
                Boarding::Nobody => return,
            };
            let seated = Seated { flights: &self.flights, passengers };
            let asks = seated.asks();
            let asked_at = landing.now();
            let outcomes = outcomes(lookup.find(lane, &asks).await, asks.len());
            let answered = asks.into_iter().zip(&outcomes);
            let answers: Vec<_> = answered
                .filter_map(|(ask, outcome)| Some((ask, Arc::clone(outcome.as_ref().ok()?))))
                .collect();
            // Polled once before the callers are told: its write is queued ahead of
            // theirs, so whoever was answered finds the same people in the directory.
            let mut landed = std::pin::pin!(landing.landed(lane, answers, asked_at));
            let mut is_done = poll_fn(|cx| Poll::Ready(landed.as_mut().poll(cx).is_ready())).await;
            if !is_done && !landing.lands_in_order() {
                is_done = timeout(LANDING_AWAITED, landed.as_mut()).await.is_ok();
            }
            seated.tell(outcomes);
            if !is_done && timeout(LANDING_MAX, landed).await.is_err() {
                tracing::warn!("the directory is too slow to keep what the CRM said");
            }
        }
    }

    fn board(&mut self, seats: usize) -> Boarding {
        let mut state = self.flights.lock();
        state.gathering -= usize::from(std::mem::take(&mut self.gathers));
        if state.has_room(seats) {
            state.crews -= 1;
            self.is_alive = false;
            return Boarding::Nobody;
        }
        let now = Instant::now();
        match state.leave_at {
            Some(until) if now < until && state.waiting.len() < seats => {
                state.gathering += 1;
                self.gathers = true;
                return Boarding::Gathering { until };
            }
            _ => state.leave_at = Some(now + GATHER),
        }
        let count = seats.min(state.waiting.len());
        Boarding::Left(state.waiting.drain(..count).collect())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.is_alive {
            // The connector panicked. Whoever waits is told, or would wait for good.
            let mut state = self.flights.lock();
            state.gathering -= usize::from(self.gathers);
            state.crews -= 1;
            let stranded =
                if state.crews == 0 { state.waiting.drain(..).collect() } else { Vec::new() };
            state.take_off(&stranded);
        }
    }
}

/// Passengers of one request. However it ends, also by a panic in a connector,
/// their flights are taken off the board, and who still waits is told.
struct Seated<'a> {
    flights: &'a Flights,
    passengers: Vec<Passenger>,
}

/// One outcome per ask, also where the connector broke its word on their number.
fn outcomes(found: Result<Vec<Vec<Contact>>, Error>, asks: usize) -> Vec<Outcome> {
    match found {
        Ok(found) if found.len() == asks => {
            let people = found.into_iter().map(|people| Ok(Arc::new(people)));
            people.collect()
        }
        Ok(_) => vec![Err(Error::protocol("fewer answers than asks")); asks],
        Err(error) => vec![Err(error); asks],
    }
}

impl Seated<'_> {
    fn asks(&self) -> Vec<Ask> {
        self.passengers.iter().map(|(ask, _)| ask.clone()).collect()
    }

    fn tell(mut self, outcomes: Vec<Outcome>) {
        let passengers = std::mem::take(&mut self.passengers);
        let mut state = self.flights.lock();
        state.take_off(&passengers);
        let now = Instant::now();
        for ((ask, _), outcome) in passengers.iter().zip(&outcomes) {
            if let Some(people) = outcome.as_ref().ok().filter(|people| !people.is_empty()) {
                state.note(ask.clone(), people, now);
            }
        }
        drop(state);
        for ((_, sender), outcome) in passengers.into_iter().zip(outcomes) {
            // Nobody listening is the usual end of a late flight.
            sender.send(Some(outcome)).ok();
        }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        if self.passengers.is_empty() {
            return;
        }
        // Not told: the connector panicked. Dropping their senders tells them.
        self.flights.lock().take_off(&self.passengers);
    }
}

impl Flight {
    /// The flight's outcome, once it is there.
    pub(crate) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }
}

fn lost() -> Error {
    Error::unavailable("the request was abandoned")
}

#[cfg(test)]
mod tests {
    use super::{Flights, Landing};
    use async_trait::async_trait;
    use domain::Contact;
    use kit::{Ask, Error, Lane, Lookup};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::sync::{Notify, Semaphore};

    /// A CRM that answers when the test lets it, and counts.
    struct Crm {
        go: Semaphore,
        batches: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Lookup for Crm {
        fn batch_max(&self) -> usize {
            3
        }
        async fn find(&self, _: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
            self.batches.lock().expect("lock").push(asks.len());
            self.go.acquire().await.expect("open").forget();
            Ok(asks.iter().map(|ask| vec![named(ask)]).collect())
        }
    }

    fn named(ask: &Ask) -> Contact {
        Contact { record: ask.record.clone().expect("a record"), ..Contact::default() }
    }

    #[derive(Default)]
    struct Landed {
        count: AtomicUsize,
        told: Notify,
    }

    impl Landing for Landed {
        fn lands_in_order(&self) -> bool {
            true
        }
        fn now(&self) -> domain::Timestamp {
            domain::Timestamp(0)
        }

        async fn landed(
            &self,
            _: Lane,
            answers: Vec<(Ask, Arc<Vec<Contact>>)>,
            _: domain::Timestamp,
        ) {
            self.count.fetch_add(answers.len(), Ordering::SeqCst);
            self.told.notify_one();
        }
    }

    fn ask(record: usize) -> Ask {
        Ask { record: Some(record.to_string()), ..Ask::default() }
    }

    fn crm() -> (Arc<Crm>, Arc<dyn Lookup>) {
        let crm = Arc::new(Crm { go: Semaphore::new(0), batches: Mutex::default() });
        (Arc::clone(&crm), crm)
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_lookups_of_one_number_make_one_request() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 8)), Arc::new(Landed::default()));
        let joined: Vec<_> = (0..50).map(|_| flights.join(&ask(7), &lookup, &landing)).collect();
        crm.go.add_permits(1);
        for flight in joined {
            assert_eq!(flight.outcome().await.expect("found")[0].record, "7");
        }
        assert_eq!(*crm.batches.lock().expect("lock"), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_just_landed_is_told_for_a_moment() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 8)), Arc::new(Landed::default()));
        assert_eq!(flights.just_landed(&ask(7)), None);
        crm.go.add_permits(1);
        flights.join(&ask(7), &lookup, &landing).outcome().await.expect("found");
        let people = flights.just_landed(&ask(7)).expect("a moment ago");
        assert_eq!(people[0].record, "7");
        tokio::time::advance(super::JUST_LANDED + Duration::from_millis(1)).await;
        assert_eq!(flights.just_landed(&ask(7)), None, "the directory has it by now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_on_when_its_callers_have_given_up() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 8)), Arc::new(Landed::default()));
        let flight = flights.join(&ask(7), &lookup, &landing);
        let given_up = tokio::time::timeout(Duration::from_millis(300), flight.outcome()).await;
        assert!(given_up.is_err());
        crm.go.add_permits(1);
        landing.told.notified().await;
        assert_eq!(landing.count.load(Ordering::SeqCst), 1);
        assert!(flights.under_way(&ask(7)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_carries_several_asks_in_one_request() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 3)), Arc::new(Landed::default()));
        let joined: Vec<_> = (0..10).map(|n| flights.join(&ask(n), &lookup, &landing)).collect();
        crm.go.add_permits(100);
        for (number, flight) in joined.into_iter().enumerate() {
            assert_eq!(flight.outcome().await.expect("found")[0].record, number.to_string());
        }
        let batches = crm.batches.lock().expect("lock").clone();
        assert!(batches.len() <= 5 && batches.contains(&3), "{batches:?}");
    }

    /// Panics at its first question and answers the next.
    struct Faulty(AtomicUsize);

    #[async_trait]
    impl Lookup for Faulty {
        fn batch_max(&self) -> usize {
            1
        }
        async fn find(&self, _: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "planted");
            Ok(asks.iter().map(|ask| vec![named(ask)]).collect())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_connector_strands_nobody() {
        let lookup: Arc<dyn Lookup> = Arc::new(Faulty(AtomicUsize::new(0)));
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 1)), Arc::new(Landed::default()));
        let joined: Vec<_> = (0..3).map(|n| flights.join(&ask(n), &lookup, &landing)).collect();
        for flight in joined {
            assert!(flight.outcome().await.is_err(), "told at once that nobody will answer");
        }
        let again = flights.join(&ask(0), &lookup, &landing).outcome().await;
        assert_eq!(again.expect("found")[0].record, "0");
    }

    #[tokio::test(start_paused = true)]
    async fn an_ask_alone_leaves_at_once_and_a_crowd_leaves_together() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 9)), Arc::new(Landed::default()));
        crm.go.add_permits(100);
        let begin = tokio::time::Instant::now();
        flights.join(&ask(0), &lookup, &landing).outcome().await.expect("found");
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let pair = [1, 2].map(|n| flights.join(&ask(n), &lookup, &landing));
        for flight in pair {
            flight.outcome().await.expect("found");
        }
        assert!(begin.elapsed() <= super::GATHER, "{:?}", begin.elapsed());
        assert_eq!(*crm.batches.lock().expect("lock"), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_crm_holds_a_bounded_number_of_requests() {
        let (crm, lookup) = crm();
        let (flights, landing) =
            (Arc::new(Flights::new(Lane::Call, 4)), Arc::new(Landed::default()));
        let joined: Vec<_> = (0..5_000).map(|n| flights.join(&ask(n), &lookup, &landing)).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(crm.batches.lock().expect("lock").len(), 4);
        let last = joined.into_iter().last().expect("flights");
        assert!(last.outcome().await.is_err(), "the queue is bounded");
    }
}
