//! Pauses between tries to hear a system again.
//!
//! What is heard and what is asked are two lines to the same system, which fall together and
//! come back together: whoever asks and is answered ([`Answers`]) shows whoever waits that
//! another try is worth it now, and not only at the end of a long pause.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Tells who waits that the system answers.
#[derive(Debug, Default)]
pub struct Answers(Notify);

impl Answers {
    /// The system has answered somebody, this very moment.
    pub fn came(&self) {
        self.0.notify_waiters();
    }
}

/// Each twice as long as the one before, and cut by chance, so that not all come at once.
#[derive(Debug)]
pub struct Pauses {
    first: Duration,
    next: Duration,
    most: Duration,
    was_cut_short: bool,
}

impl Pauses {
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, next: first, most, was_cut_short: false }
    }

    /// The tries went well: the next pause is the first again.
    pub fn begin_anew(&mut self) {
        self.next = self.first;
    }

    /// How long the next one is: between a half and the whole of its length.
    pub fn length(&mut self) -> Duration {
        let half = self.next.min(self.most) / 2;
        self.next = (self.next * 2).min(self.most);
        // A new one of these is another one each time.
        let chance = RandomState::new().build_hasher().finish() % 1_000;
        half + half * u32::try_from(chance).unwrap_or(0) / 1_000
    }

    /// Waits for the next one, never less than `least`, and beyond that until an answer comes.
    ///
    /// A system that answers and still cannot be heard is not tried at each answer: of two
    /// pauses in a row, one is kept whole.
    pub async fn pause(&mut self, least: Duration, answers: &Answers) {
        let whole = self.length().max(least);
        if self.was_cut_short {
            self.was_cut_short = false;
            return sleep(whole).await;
        }
        sleep(least).await;
        self.was_cut_short = tokio::select! {
            () = answers.0.notified() => true,
            () = sleep(whole - least) => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Pauses};
    use std::time::Duration;
    use tokio::time::Instant;

    const FIRST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_secs(30);

    /// How long the next pause lasts while an answer comes each tenth of a second.
    async fn while_answered(pauses: &mut Pauses, least: Duration) -> Duration {
        let (answers, began) = (Answers::default(), Instant::now());
        let answering = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                answers.came();
            }
        };
        tokio::select! {
            () = pauses.pause(least, &answers) => began.elapsed(),
            () = answering => Duration::MAX,
        }
    }

    #[test]
    fn they_double_to_their_bound_and_are_cut_by_chance() {
        let mut pauses = Pauses::new(FIRST, MOST);
        for whole in [1, 2, 4, 8, 16, 30, 30] {
            let (pause, whole) = (pauses.length(), Duration::from_secs(whole));
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        pauses.begin_anew();
        assert!(pauses.length() <= FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_cuts_one_short_and_not_the_one_after_it() {
        let mut pauses = Pauses::new(MOST, MOST);
        for _ in 0..3 {
            assert!(while_answered(&mut pauses, Duration::ZERO).await < FIRST);
            assert!(while_answered(&mut pauses, Duration::ZERO).await >= MOST / 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_system_that_wants_to_be_left_alone_is_whatever_it_answers() {
        let mut pauses = Pauses::new(FIRST, MOST);
        let told = Duration::from_secs(10);
        let lasted = while_answered(&mut pauses, told).await;
        assert!(lasted >= told && lasted < told + FIRST, "{lasted:?}");
    }
}
