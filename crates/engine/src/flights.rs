//! One request to the CRM per number, however many calls ask at once.
//!
//! [`Flights::join`] gives each caller a view of the flight for its ask. The
//! request runs in a task of its own, so a caller that gives up does not end it
//! (its late answer still feeds the directory). While others are under way,
//! new asks wait a millisecond and then travel together, so that a busy minute
//! costs few of the CRM's requests. Flights and waiting asks are bounded.

use domain::{Contact, Timestamp};
use kit::{Ask, Error, Lane, Lookup};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// What a flight brought: everybody who fits, or why nobody could be asked.
pub(crate) type Outcome = Result<Arc<Vec<Contact>>, Error>;

/// Asks waiting beyond this are refused at once: their calls answer `PHONE:`
/// and a durable job asks later.
const WAITING_MAX: usize = 2_048;

/// With at most this many requests under way a new ask leaves at once.
const EAGER_MAX: usize = 2;

/// How long callers wait for an answer to be in the directory, where they must.
const LANDING_AWAITED: Duration = Duration::from_millis(20);

/// How long the directory may take to keep an answer before the crew goes on.
const LANDING_MAX: Duration = Duration::from_secs(5);

/// How long asks gather company when the connection is busy.
const GATHER: Duration = Duration::from_millis(1);

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
}

type Passenger = (Ask, watch::Sender<Option<Outcome>>);

impl State {
    fn take_off(&mut self, passengers: &[Passenger]) {
        for (ask, _) in passengers {
            self.under_way.remove(ask);
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
        if state.crews < self.crews_max {
            state.crews += 1;
            let is_busy = state.crews > EAGER_MAX;
            tokio::spawn(Arc::clone(self).crew(Arc::clone(lookup), Arc::clone(landing), is_busy));
        }
        Flight(receiver)
    }

    /// The flight under way for `ask`, if there is one.
    pub(crate) fn under_way(&self, ask: &Ask) -> Option<Flight> {
        self.lock().under_way.get(ask).cloned().map(Flight)
    }

    /// Carries waiting asks until there are none.
    async fn crew<L: Landing>(
        self: Arc<Self>,
        lookup: Arc<dyn Lookup>,
        landing: Arc<L>,
        gather: bool,
    ) {
        if gather {
            tokio::time::sleep(GATHER).await;
        }
        while let Some(passengers) = self.board(lookup.batch_max()) {
            let seated = Seated { flights: &self, passengers };
            let asks = seated.asks();
            let asked_at = landing.now();
            let outcomes = outcomes(lookup.find(self.lane, &asks).await, asks.len());
            let answered = asks.into_iter().zip(&outcomes);
            let answers: Vec<_> = answered
                .filter_map(|(ask, outcome)| Some((ask, Arc::clone(outcome.as_ref().ok()?))))
                .collect();
            // Polled once before the callers are told: its write is queued ahead of
            // theirs, so whoever was answered finds the same people in the directory.
            let mut landed = std::pin::pin!(landing.landed(self.lane, answers, asked_at));
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

    /// The next asks to travel together; none when all are served.
    fn board(&self, seats: usize) -> Option<Vec<Passenger>> {
        let mut state = self.lock();
        let count = seats.max(1).min(state.waiting.len());
        if count == 0 {
            state.crews -= 1;
            return None;
        }
        Some(state.waiting.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.flights.lock().take_off(&passengers);
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
        // Not told: the connector panicked, and its crew ends with it.
        let mut state = self.flights.lock();
        state.take_off(&self.passengers);
        state.crews = state.crews.saturating_sub(1);
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
