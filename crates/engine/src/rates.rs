//! How many of the last calls were late, or answered without their CRM.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Calls of one connection that are kept, and for how long they count.
const CALLS_MAX: usize = 2_048;
const CALLS_FOR: Duration = Duration::from_secs(300);

/// The last calls, by connection: there are no more of them than are configured.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<BTreeMap<String, VecDeque<Call>>>);

#[derive(Debug, Clone, Copy)]
struct Call {
    at: Instant,
    is_late: bool,
    is_partial: bool,
}

/// Shares of the calls of the last five minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shares {
    pub(crate) calls: usize,
    pub(crate) late: f64,
    pub(crate) partial: f64,
}

impl Rates {
    pub(crate) fn answered(&self, connection: &str, is_late: bool, is_partial: bool) {
        let call = Call { at: Instant::now(), is_late, is_partial };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(calls) = all.get_mut(connection) else {
            all.insert(connection.to_owned(), VecDeque::from([call]));
            return;
        };
        if calls.len() >= CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(crate) fn shares(&self, connection: &str) -> Shares {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = all.get(connection).into_iter().flatten();
        let (mut total, mut late, mut partial) = (0_u32, 0_u32, 0_u32);
        for call in calls.filter(|call| call.at.elapsed() < CALLS_FOR) {
            total += 1;
            late += u32::from(call.is_late);
            partial += u32::from(call.is_partial);
        }
        let share = |of: u32| if total == 0 { 0.0 } else { f64::from(of) / f64::from(total) };
        Shares { calls: total as usize, late: share(late), partial: share(partial) }
    }
}

#[cfg(test)]
mod tests {
    use super::Rates;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn shares_are_of_the_last_five_minutes_of_one_connection() {
        let rates = Rates::default();
        rates.answered("erp", true, true);
        for n in 0..10 {
            rates.answered("crm", n < 1, n < 4);
        }
        let shares = rates.shares("crm");
        assert_eq!((shares.calls, shares.late, shares.partial), (10, 0.1, 0.4));
        tokio::time::advance(Duration::from_secs(301)).await;
        rates.answered("crm", false, false);
        let shares = rates.shares("crm");
        assert_eq!((shares.calls, shares.late, shares.partial), (1, 0.0, 0.0));
        assert_eq!(rates.shares("nobody").calls, 0);
    }
}
