//! What takes time: reading agents, comparing both sides, setting statuses. Many in one
//! request, few requests at once, and the next try later where a system does not answer.

mod setting;

use super::SIDES;
use super::desk::Desk;
use super::external::When;
use super::shift::open::{Opened, ask};
use crate::clock::Clock;
use domain::Timestamp;
use domain::presence::{Answer, Command, Side};
use kit::presence::Seen;
use kit::{Error, Presence};
use setting::set;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Agents read at once, and compared at once.
const READ_MAX: usize = 200;
const COMPARE_MAX: usize = 100;
/// Requests of one side that set statuses, at once.
const SETS_MAX: usize = 2;
/// Before what failed is tried again, doubling.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// What was seen of some agents, in order.
type SeenOfAll = Vec<Option<Seen>>;

/// What has ended.
pub(super) enum Done {
    Read {
        side: Side,
        began: Timestamp,
        seats: Vec<(usize, Option<Seen>)>,
    },
    Compared {
        began: Timestamp,
        seats: Vec<(usize, [Option<Seen>; 2])>,
    },
    /// Seat, command, and what came of it; those of whom nothing is known are not there.
    Set {
        side: Side,
        answers: Vec<(usize, u64, Answer)>,
    },
    Who(Box<Opened>),
    Nothing,
}

/// What a task ended with.
enum Ended {
    Read { side: Side, began: Timestamp, seats: Vec<usize>, seen: Result<SeenOfAll, Error> },
    Compared { began: Timestamp, seats: Vec<usize>, seen: Result<(SeenOfAll, SeenOfAll), Error> },
    Set { side: Side, answers: Vec<(usize, u64, Answer)>, has_failed: bool },
    Who(Result<Box<Opened>, (Side, Error)>),
    Nothing,
}

pub(super) struct Hands {
    /// The longest wait after a failure: a system that is back is asked within one comparison.
    longest: Duration,
    sides: [Hand; 2],
    comparing: Line,
    tasks: JoinSet<Ended>,
    is_asking_who: bool,
    /// After it could not be asked who there is; it is asked again then.
    who_pause: Pause,
}

/// What is to be done at one side.
#[derive(Default)]
struct Hand {
    reads: Line,
    sets: VecDeque<(usize, Command)>,
    setting: usize,
    set_pause: Pause,
}

/// Agents who wait for something that is done to many at once.
#[derive(Default)]
struct Line {
    waiting: BTreeSet<usize>,
    is_busy: bool,
    pause: Pause,
}

/// A wait after a failure.
#[derive(Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    fn ended(&mut self, is_well: bool, longest: Duration) {
        if is_well {
            *self = Self::default();
            return;
        }
        let wait = BACKOFF_FIRST * 2_u32.pow(self.failures.min(6));
        self.failures += 1;
        self.until = Some(Instant::now() + wait.min(longest));
    }
}

impl Line {
    /// Who is next; nobody while somebody is, or after a failure.
    fn next(&mut self, max: usize) -> Vec<usize> {
        if self.is_busy || self.waiting.is_empty() || !self.pause.is_over() {
            return Vec::new();
        }
        self.is_busy = true;
        let rest = self.waiting.iter().nth(max).copied();
        let rest = rest.map(|first| self.waiting.split_off(&first)).unwrap_or_default();
        std::mem::replace(&mut self.waiting, rest).into_iter().collect()
    }

    fn ended(&mut self, again: &[usize], longest: Duration) {
        self.is_busy = false;
        self.pause.ended(again.is_empty(), longest);
        self.waiting.extend(again);
    }
}

impl Hands {
    pub(super) fn new(compare_every: Duration) -> Self {
        Self {
            longest: compare_every.clamp(BACKOFF_FIRST, BACKOFF_MAX),
            sides: Default::default(),
            comparing: Line::default(),
            tasks: JoinSet::new(),
            is_asking_who: false,
            who_pause: Pause::default(),
        }
    }

    /// Reads these again as soon as it can be.
    pub(super) fn read(&mut self, side: Side, seats: impl IntoIterator<Item = usize>) {
        self.sides[side.index()].reads.waiting.extend(seats);
    }

    /// Compares these as soon as it can be.
    pub(super) fn compare(&mut self, seats: impl IntoIterator<Item = usize>) {
        self.comparing.waiting.extend(seats);
    }

    /// Sets a status as soon as it can be: the newest of an agent.
    pub(super) fn set(&mut self, seat: usize, command: Command) {
        let sets = &mut self.sides[command.side.index()].sets;
        sets.retain(|(of, _)| *of != seat);
        sets.push_back((seat, command));
    }

    pub(super) fn bring_back(&mut self, desk: &Desk, seat: usize, ends: &[Arc<dyn Presence>; 2]) {
        let end = Arc::clone(&ends[Side::Center.index()]);
        let agent = desk.table().seats[seat].ids[Side::Center.index()].clone();
        self.tasks.spawn(async move {
            // A conflict: they are back already.
            if let Err(error) = end.bring_back(&agent).await
                && !matches!(error, Error::Conflict { .. })
            {
                tracing::warn!(presence.agent = agent, "an agent was not brought back: {error}");
            }
            Ended::Nothing
        });
    }

    /// Asks both systems anew who there is.
    pub(super) fn ask_who(&mut self, desk: &Arc<Desk>, ends: &[Arc<dyn Presence>; 2]) {
        if std::mem::replace(&mut self.is_asking_who, true) {
            return;
        }
        self.who_pause.until = None;
        let (desk, ends) = (Arc::clone(desk), ends.clone());
        self.tasks
            .spawn(async move { Ended::Who(ask(&desk, &ends, When::Later).await.map(Box::new)) });
    }

    /// Begins what can be begun.
    pub(super) fn pump(&mut self, desk: &Arc<Desk>, ends: &[Arc<dyn Presence>; 2], clock: &Clock) {
        for side in SIDES {
            self.begin_reading(side, desk, ends, clock);
            while self.begin_setting(side, desk, ends, clock) {}
            desk.table().backlog[side.index()] = self.sides[side.index()].sets.len();
        }
        if self.who_pause.until.is_some() && self.who_pause.is_over() {
            self.ask_who(desk, ends);
        }
        let seats = self.comparing.next(COMPARE_MAX);
        if seats.is_empty() {
            return;
        }
        let began = clock.now();
        let [center, crm] = SIDES.map(|side| ids(desk, side, &seats));
        let [center_end, crm_end] = ends.clone();
        self.tasks.spawn(async move {
            let seen = tokio::try_join!(center_end.read(&center), crm_end.read(&crm));
            Ended::Compared { began, seats, seen }
        });
    }

    fn begin_reading(
        &mut self,
        side: Side,
        desk: &Desk,
        ends: &[Arc<dyn Presence>; 2],
        clock: &Clock,
    ) {
        let seats = self.sides[side.index()].reads.next(READ_MAX);
        if seats.is_empty() {
            return;
        }
        let (end, agents) = (Arc::clone(&ends[side.index()]), ids(desk, side, &seats));
        let began = clock.now();
        self.tasks.spawn(async move {
            let seen = end.read(&agents).await;
            Ended::Read { side, began, seats, seen }
        });
    }

    /// Begins one request that sets statuses; false: there is nothing to set now.
    fn begin_setting(
        &mut self,
        side: Side,
        desk: &Desk,
        ends: &[Arc<dyn Presence>; 2],
        clock: &Clock,
    ) -> bool {
        let hand = &mut self.sides[side.index()];
        if hand.sets.is_empty() || hand.setting >= SETS_MAX || !hand.set_pause.is_over() {
            return false;
        }
        let end = Arc::clone(&ends[side.index()]);
        let (now, max) = (clock.now(), end.set_max().max(1));
        let (mut wanted, mut late) = (Vec::new(), Vec::new());
        {
            let table = desk.table();
            while wanted.len() < max
                && let Some((seat, command)) = hand.sets.pop_front()
            {
                let known = &table.seats[seat];
                let shown = known.state.kept.shown[side.index()].as_ref();
                // It has moved on from what the command was decided on: fenced off.
                let is_fenced = shown.is_some_and(|shown| shown.version > command.fence);
                if is_fenced || now >= command.until {
                    late.push((seat, command.number, Answer::Late));
                } else {
                    wanted.push((seat, known.ids[side.index()].clone(), command));
                }
            }
        }
        hand.setting += 1;
        let until = wanted.iter().map(|(_, _, command)| command.until).min();
        let left = until.map_or(Duration::ZERO, |until| until.since(now));
        self.tasks.spawn(async move {
            let (mut answers, has_failed) = set(end, wanted, left).await;
            answers.extend(late);
            Ended::Set { side, answers, has_failed }
        });
        true
    }

    /// What has ended next; waits while something is under way or put off.
    pub(super) async fn done(&mut self) -> Option<Done> {
        let ended = match self.tasks.join_next().await {
            None => return self.wait_for_a_pause().await,
            Some(Ok(ended)) => ended,
            Some(Err(error)) => {
                // Nothing says whose it was: all lines go on, and the comparison finds the rest.
                tracing::error!("a task of presence was cut off: {error}");
                for hand in &mut self.sides {
                    (hand.reads.is_busy, hand.setting) = (false, 0);
                }
                self.comparing.is_busy = false;
                return Some(Done::Nothing);
            }
        };
        Some(self.ended(ended))
    }

    /// Nothing is under way, but something may be put off.
    async fn wait_for_a_pause(&self) -> Option<Done> {
        let pauses = self.sides.iter().flat_map(|hand| {
            let reads = (!hand.reads.waiting.is_empty()).then_some(&hand.reads.pause);
            let sets = (!hand.sets.is_empty()).then_some(&hand.set_pause);
            [reads, sets]
        });
        let comparing = (!self.comparing.waiting.is_empty()).then_some(&self.comparing.pause);
        let pauses = pauses.chain([comparing, Some(&self.who_pause)]).flatten();
        let next = pauses.filter_map(|pause| pause.until).min();
        match next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
        Some(Done::Nothing)
    }

    fn ended(&mut self, ended: Ended) -> Done {
        let longest = self.longest;
        match ended {
            Ended::Nothing => Done::Nothing,
            Ended::Read { side, began, seats, seen } => {
                let line = &mut self.sides[side.index()].reads;
                match seen {
                    Ok(seen) => {
                        line.ended(&[], longest);
                        Done::Read { side, began, seats: seats.into_iter().zip(seen).collect() }
                    }
                    Err(error) => {
                        tracing::debug!("agents could not be read: {error}");
                        line.ended(&seats, longest);
                        Done::Nothing
                    }
                }
            }
            Ended::Compared { began, seats, seen } => match seen {
                Ok((center, crm)) => {
                    self.comparing.ended(&[], longest);
                    let both = center.into_iter().zip(crm).map(|(center, crm)| [center, crm]);
                    Done::Compared { began, seats: seats.into_iter().zip(both).collect() }
                }
                Err(error) => {
                    tracing::debug!("agents could not be compared: {error}");
                    self.comparing.ended(&seats, longest);
                    Done::Nothing
                }
            },
            Ended::Set { side, answers, has_failed } => {
                let hand = &mut self.sides[side.index()];
                hand.setting = hand.setting.saturating_sub(1);
                hand.set_pause.ended(!has_failed, longest);
                Done::Set { side, answers }
            }
            Ended::Who(Ok(opened)) => {
                self.is_asking_who = false;
                self.who_pause.ended(true, longest);
                Done::Who(opened)
            }
            Ended::Who(Err((_, error))) => {
                self.is_asking_who = false;
                self.who_pause.ended(false, longest);
                tracing::warn!("who the agents are could not be asked: {error}");
                Done::Nothing
            }
        }
    }
}

fn ids(desk: &Desk, side: Side, seats: &[usize]) -> Vec<String> {
    let table = desk.table();
    seats.iter().map(|seat| table.seats[*seat].ids[side.index()].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{BACKOFF_MAX, Hands, Instant, Pause};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_answer_is_asked_again_within_one_comparison() {
        for (compare_every, longest) in [(1, 1), (20, 20), (300, 60)] {
            let hands = Hands::new(Duration::from_secs(compare_every));
            let mut pause = Pause::default();
            for _ in 0..9 {
                pause.ended(false, hands.longest);
                let wait = pause.until.expect("a wait") - Instant::now();
                assert!(wait <= Duration::from_secs(longest) && wait <= BACKOFF_MAX, "{wait:?}");
            }
            let wait = pause.until.expect("a wait") - Instant::now();
            assert_eq!(wait, Duration::from_secs(longest));
        }
    }
}
