//! The agents' own consoles: who is there, what each is to set, and what came of it.
//!
//! A console asks for its next order and waits ([`Consoles::next`]); that it asks says that it
//! is there. The newest order takes the place of the one before. What a console says came of an
//! order is a hint to read: what it really set, the system it sits in tells.

use crate::clock::Clock;
use domain::Timestamp;
use domain::presence::StatusId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// A console that has not asked for so long is gone: longer than one wait and a slow network.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(40);
/// How long a console waits at most for its next order.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// Consoles that are known at once.
const CONSOLES_MAX: usize = 50_000;

/// A status that a console is to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Greater than that of any before, also of one before a restart.
    pub number: u64,
    pub status: StatusId,
    /// What it must still show: whoever finds another drops the order.
    pub expected: StatusId,
    /// After this it is dropped.
    pub until: Timestamp,
}

/// What a console says came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Another status was shown, or it came too late: nothing was set.
    Late,
    /// The system did not take it.
    Refused,
}

impl Outcome {
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "done" => Some(Self::Done),
            "late" => Some(Self::Late),
            "refused" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// What is told of a console to who works at its agent's team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Came { agent: String },
    Left { agent: String },
    Said { agent: String, number: u64, outcome: Outcome },
}

/// All consoles. An agent with two has the one that asked last.
#[derive(Default)]
pub struct Consoles {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By connection and agent there.
    consoles: HashMap<(String, String), Console>,
    /// Who is to hear of the consoles of a connection.
    listeners: Vec<(String, mpsc::UnboundedSender<Heard>)>,
    /// The number of the newest order.
    number: u64,
}

struct Console {
    asked: Instant,
    /// The command's number, and the order: asking again gives it again until it is answered.
    order: Option<(u64, Order)>,
    bell: Arc<Notify>,
}

impl Consoles {
    /// The order of an agent's console, as soon as there is one that is newer than the one it
    /// has had and still holds; `None` after the wait. `None` at once where more than 50,000 are there.
    pub async fn next(
        &self,
        (connection, agent): (&str, &str),
        after: Option<u64>,
        (wait, clock): (Duration, &Clock),
    ) -> Option<Order> {
        let until = Instant::now() + wait.min(WAIT_MAX);
        loop {
            let bell = self.ask(connection, agent)?;
            let rung = bell.notified();
            if let Some(order) = self.order_of(connection, agent)
                && after.is_none_or(|after| order.number > after)
                && clock.now() < order.until
            {
                return Some(order);
            }
            if tokio::time::timeout_at(until, rung).await.is_err() {
                self.ask(connection, agent);
                return None;
            }
        }
    }

    /// A console has been closed.
    pub fn leave(&self, connection: &str, agent: &str) {
        let mut known = self.lock();
        if known.consoles.remove(&(connection.to_owned(), agent.to_owned())).is_some() {
            known.tell(connection, Heard::Left { agent: agent.to_owned() });
        }
    }

    /// What a console says came of its order. False: it is not known here. Of an order that
    /// another has taken the place of, nobody need know.
    pub fn answer(&self, (connection, agent): (&str, &str), number: u64, outcome: Outcome) -> bool {
        let mut known = self.lock();
        let Some(console) = known.consoles.get_mut(&(connection.to_owned(), agent.to_owned()))
        else {
            return false;
        };
        console.asked = Instant::now();
        if let Some((number, _)) = console.order.take_if(|(_, order)| order.number == number) {
            known.tell(connection, Heard::Said { agent: agent.to_owned(), number, outcome });
        }
        true
    }

    /// How many consoles of a connection are there.
    #[must_use]
    pub fn count(&self, connection: &str) -> usize {
        self.lock().consoles.keys().filter(|(of, _)| of == connection).count()
    }

    /// From now on the listener hears of the consoles of a connection, first of those there.
    pub(super) fn listen(&self, connection: &str) -> mpsc::UnboundedReceiver<Heard> {
        let (to, from) = mpsc::unbounded_channel();
        let mut known = self.lock();
        known.listeners.retain(|(_, listener)| !listener.is_closed());
        for (of, agent) in known.consoles.keys() {
            if of == connection {
                to.send(Heard::Came { agent: agent.clone() }).ok();
            }
        }
        known.listeners.push((connection.to_owned(), to));
        from
    }

    /// Gives an agent's console an order, by the number of the command. False: there is no
    /// console.
    pub(super) fn order(
        &self,
        (connection, agent): (&str, &str),
        order: Order,
        now: Timestamp,
    ) -> bool {
        let mut known = self.lock();
        // Commands are counted by team; a console counts on through teams and restarts.
        let number = u64::try_from(now.0).unwrap_or(0).max(known.number + 1);
        let Some(console) = known.consoles.get_mut(&(connection.to_owned(), agent.to_owned()))
        else {
            return false;
        };
        console.order = Some((order.number, Order { number, ..order }));
        console.bell.notify_one();
        known.number = number;
        true
    }

    /// Takes back the order of an agent's console, as far as it was not handed out.
    pub(super) fn withdraw(&self, connection: &str, agent: &str) {
        let mut known = self.lock();
        let key = (connection.to_owned(), agent.to_owned());
        if let Some(console) = known.consoles.get_mut(&key) {
            console.order = None;
        }
    }

    /// Whoever has not asked for too long is gone.
    pub(super) fn sweep(&self) {
        let mut known = self.lock();
        let is_silent = |console: &Console| console.asked.elapsed() > SILENT_AFTER;
        let gone: Vec<(String, String)> = known
            .consoles
            .iter()
            .filter(|(_, console)| is_silent(console))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            known.consoles.remove(&key);
            known.tell(&key.0, Heard::Left { agent: key.1.clone() });
        }
    }

    fn ask(&self, connection: &str, agent: &str) -> Option<Arc<Notify>> {
        let mut known = self.lock();
        let key = (connection.to_owned(), agent.to_owned());
        let is_full = known.consoles.len() >= CONSOLES_MAX;
        if let Some(console) = known.consoles.get_mut(&key) {
            console.asked = Instant::now();
            return Some(Arc::clone(&console.bell));
        }
        if is_full {
            return None;
        }
        let bell = Arc::new(Notify::new());
        let console = Console { asked: Instant::now(), order: None, bell: Arc::clone(&bell) };
        known.consoles.insert(key, console);
        known.tell(connection, Heard::Came { agent: agent.to_owned() });
        Some(bell)
    }

    fn order_of(&self, connection: &str, agent: &str) -> Option<Order> {
        let known = self.lock();
        known
            .consoles
            .get(&(connection.to_owned(), agent.to_owned()))?
            .order
            .as_ref()
            .map(|(_, order)| order.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn tell(&mut self, connection: &str, heard: Heard) {
        // One message for each thing that a console does: bounded by what they do.
        self.listeners
            .retain(|(of, listener)| of != connection || listener.send(heard.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Consoles, Heard, Order, Outcome, SILENT_AFTER};
    use domain::Timestamp;
    use std::sync::Arc;
    use std::time::Duration;

    const ANN: (&str, &str) = ("crm", "005a");
    const NOW: Timestamp = Timestamp(5);

    /// As the console gets it: numbers begin at the time.
    fn given(number: u64, order: Order) -> Option<Order> {
        Some(Order { number, ..order })
    }

    fn order(number: u64) -> Order {
        Order { number, status: "busy".into(), expected: "online".into(), until: Timestamp(9) }
    }

    /// Before the orders are over.
    fn early() -> Clock {
        Clock::held(Timestamp(0))
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_is_over_is_given_to_nobody_and_its_console_waits_on() {
        let consoles = Consoles::default();
        consoles.next(ANN, None, (Duration::ZERO, &early())).await;
        assert!(consoles.order(ANN, order(1), NOW));
        let asked = tokio::time::Instant::now();
        let wait = Duration::from_secs(5);
        let late = Clock::held(order(1).until);
        assert_eq!(consoles.next(ANN, None, (wait, &late)).await, None);
        assert_eq!(asked.elapsed(), wait, "nobody asks over and over for nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_console_waits_for_its_order_and_gets_the_newest() {
        let consoles = Arc::new(Consoles::default());
        let mut heard = consoles.listen("crm");
        assert!(!consoles.order(ANN, order(1), NOW), "there is no console yet");
        let waiting = {
            let consoles = Arc::clone(&consoles);
            tokio::spawn(async move {
                consoles.next(ANN, None, (Duration::from_secs(20), &early())).await
            })
        };
        assert_eq!(heard.recv().await, Some(Heard::Came { agent: "005a".to_owned() }));
        assert!(consoles.order(ANN, order(1), NOW));
        assert_eq!(waiting.await.expect("it ran"), given(5, order(1)));
        assert!(consoles.order(ANN, order(2), NOW));
        let next = consoles.next(ANN, None, (Duration::ZERO, &early())).await;
        assert_eq!(next, given(6, order(2)), "who lost its order on the way gets the newest again");
        assert_eq!(consoles.next(ANN, Some(6), (Duration::from_secs(5), &early())).await, None);
        assert!(consoles.answer(ANN, 5, Outcome::Done), "there is a newer one");
        assert!(consoles.answer(ANN, 6, Outcome::Late));
        let said = Heard::Said { agent: "005a".to_owned(), number: 2, outcome: Outcome::Late };
        assert_eq!(heard.recv().await, Some(said));
        assert_eq!(
            consoles.next(ANN, None, (Duration::ZERO, &early())).await,
            None,
            "it was answered"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_console_that_asks_no_more_is_gone_and_one_that_leaves_at_once() {
        let consoles = Consoles::default();
        consoles.next(ANN, None, (Duration::ZERO, &early())).await;
        let mut heard = consoles.listen("crm");
        assert_eq!(heard.recv().await, Some(Heard::Came { agent: "005a".to_owned() }));
        tokio::time::advance(SILENT_AFTER - Duration::from_secs(1)).await;
        consoles.sweep();
        assert_eq!(consoles.count("crm"), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        consoles.sweep();
        assert_eq!(heard.recv().await, Some(Heard::Left { agent: "005a".to_owned() }));
        consoles.next(ANN, None, (Duration::ZERO, &early())).await;
        assert_eq!(heard.recv().await, Some(Heard::Came { agent: "005a".to_owned() }));
        consoles.leave("crm", "005a");
        consoles.leave("crm", "005a");
        assert_eq!(heard.recv().await, Some(Heard::Left { agent: "005a".to_owned() }));
        assert!(heard.try_recv().is_err(), "nobody leaves twice");
        assert!(!consoles.answer(ANN, 1, Outcome::Done));
    }
}
