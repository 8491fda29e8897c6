//! What the contact center keeps as the CRM's ids of its agents.
//!
//! It costs a request for each agent. So it is remembered, of whoever was kept before from
//! the start on, and asked again little by little.

use kit::{Error, Presence};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Agents asked for at once: what they told is remembered, whatever becomes of the next.
const PART: usize = 100;
/// Who is known is asked for again: so many each time, the longest known first.
const AGAIN_MAX: usize = 200;

/// By agent of the contact center and name of an authority.
pub(super) type Ids = HashMap<(String, String), Vec<String>>;

#[derive(Default)]
pub(super) struct External {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ids: Ids,
    /// At which turn each was asked for; 0: never by us.
    asked: HashMap<(String, String), u64>,
    turn: u64,
}

/// When it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before work begins: whoever is known is worked for, and the others wait.
    Opening,
    /// Besides.
    Later,
}

impl External {
    /// These are kept as one: nobody need ask for them before work begins.
    pub(super) fn remember(&self, authority: &str, kept: impl Iterator<Item = (String, String)>) {
        let mut known = self.lock();
        for (agent, other) in kept {
            known.ids.entry((agent, authority.to_owned())).or_insert_with(|| vec![other]);
        }
    }

    pub(super) fn ids(&self) -> Ids {
        self.lock().ids.clone()
    }

    /// Asks for those of whom nothing is known, and later for some again.
    ///
    /// # Errors
    /// Any [`Error`]; what was told until then is remembered.
    pub(super) async fn ask(
        &self,
        center: &dyn Presence,
        authority: &str,
        agents: &[String],
        when: When,
    ) -> Result<(), Error> {
        let wanted = self.wanted(authority, agents, when);
        for part in wanted.chunks(PART) {
            let told = center.known_as(authority, part).await?;
            let mut known = self.lock();
            let turn = known.turn;
            for (agent, ids) in part.iter().zip(told) {
                let key = (agent.clone(), authority.to_owned());
                known.asked.insert(key.clone(), turn);
                known.ids.insert(key, ids);
            }
        }
        Ok(())
    }

    fn wanted(&self, authority: &str, agents: &[String], when: When) -> Vec<String> {
        let mut known = self.lock();
        known.turn += 1;
        let key = |agent: &String| (agent.clone(), authority.to_owned());
        let (mut old, mut wanted): (Vec<&String>, Vec<&String>) =
            agents.iter().partition(|agent| known.ids.contains_key(&key(agent)));
        match when {
            When::Opening if old.is_empty() => {}
            When::Opening => wanted.clear(),
            When::Later => {
                old.sort_by_key(|agent| known.asked.get(&key(agent)).copied().unwrap_or(0));
                wanted.extend(old.into_iter().take(AGAIN_MAX));
            }
        }
        wanted.into_iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN_MAX, External, PART, When};
    use async_trait::async_trait;
    use domain::presence::Status;
    use kit::presence::{Agent, Seen, Told};
    use kit::{Error, Presence};
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// Tells of everybody that they are called by their own id, as often as it may.
    struct Center {
        asked: Mutex<Vec<String>>,
        parts_left: Mutex<usize>,
    }

    #[async_trait]
    impl Presence for Center {
        async fn statuses(&self) -> Result<Vec<Status>, Error> {
            Ok(Vec::new())
        }

        async fn agents(&self) -> Result<Vec<Agent>, Error> {
            Ok(Vec::new())
        }

        async fn known_as(&self, _: &str, agents: &[String]) -> Result<Vec<Vec<String>>, Error> {
            let mut left = self.parts_left.lock().expect("free");
            *left = left.checked_sub(1).ok_or_else(|| Error::unavailable("an outage"))?;
            self.asked.lock().expect("free").extend_from_slice(agents);
            Ok(agents.iter().map(|agent| vec![agent.clone()]).collect())
        }

        async fn read(&self, agents: &[String]) -> Result<Vec<Result<Seen, Error>>, Error> {
            Ok(vec![Err(Error::NotFound); agents.len()])
        }

        async fn follow(&self, _: &[String], _: bool, _: mpsc::Sender<Told>) -> Result<(), Error> {
            Ok(())
        }
    }

    fn center(parts: usize) -> Center {
        Center { asked: Mutex::default(), parts_left: Mutex::new(parts) }
    }

    fn agents(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("agent-{n:03}")).collect()
    }

    #[tokio::test]
    async fn what_was_told_before_an_outage_is_not_asked_for_again() {
        let (external, agents) = (External::default(), agents(2 * PART + 1));
        let ill = center(2);
        external.ask(&ill, "crm", &agents, When::Opening).await.expect_err("an outage");
        let well = center(9);
        external.ask(&well, "crm", &agents, When::Opening).await.expect("told");
        assert!(well.asked.lock().expect("free").is_empty(), "work begins with who is known");
        external.ask(&well, "crm", &agents[2 * PART..], When::Later).await.expect("told");
        assert_eq!(*well.asked.lock().expect("free"), agents[2 * PART..]);
        assert_eq!(external.ids().len(), agents.len());
    }

    #[tokio::test]
    async fn whoever_was_kept_is_asked_for_later_and_little_by_little() {
        let (external, agents) = (External::default(), agents(2 * AGAIN_MAX));
        let kept = agents.iter().map(|agent| (agent.clone(), "other".to_owned()));
        external.remember("crm", kept);
        let center = center(99);
        external.ask(&center, "crm", &agents, When::Opening).await.expect("told");
        assert!(center.asked.lock().expect("free").is_empty(), "work begins without it");
        for turn in 1..=2 {
            external.ask(&center, "crm", &agents, When::Later).await.expect("told");
            assert_eq!(center.asked.lock().expect("free").len(), turn * AGAIN_MAX);
        }
        let mut asked = center.asked.lock().expect("free").clone();
        asked.sort_unstable();
        assert_eq!(asked, agents, "everybody once");
        let own = |agent: &String| vec![agent.clone()];
        let ids = external.ids();
        assert!(agents.iter().all(|agent| ids[&(agent.clone(), "crm".to_owned())] == own(agent)));
    }
}
