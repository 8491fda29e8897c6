//! What takes time: reading agents, comparing both sides, setting statuses. Many in one
//! request, few requests at once, and the next try later where a system does not answer.

mod line;
mod setting;

use super::SIDES;
use super::desk::Desk;
use super::external::When;
use super::shift::open::{Opened, ask};
use crate::clock::Clock;
use domain::Timestamp;
use domain::presence::{Answer, COMMAND_TIMEOUT, Command, Side, Work};
use kit::presence::Seen;
use kit::{Error, Presence};
use line::{BACKOFF_FIRST, BACKOFF_MAX, Line, Pause};
use setting::set;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Agents read at once, and compared at once.
const READ_MAX: usize = 200;
const COMPARE_MAX: usize = 100;
/// Requests of one side that set statuses, at once.
const SETS_MAX: usize = 2;

/// What was seen of some agents, in order.
type SeenOfAll = Vec<Result<Seen, Error>>;

/// What has ended.
pub(super) enum Done {
    Read {
        side: Side,
        began: Timestamp,
        seats: Vec<(usize, Result<Seen, Error>)>,
    },
    Compared {
        began: Timestamp,
        seats: Vec<(usize, [Result<Seen, Error>; 2])>,
    },
    /// Seat, command, and what came of it; those of whom nothing is known are not there.
    Set {
        side: Side,
        answers: Vec<(usize, u64, Answer)>,
    },
    /// What a side tells of this agent cannot be read, and why.
    Unread {
        side: Side,
        seat: usize,
        why: Error,
    },
    Who(Box<Opened>),
    Nothing,
}

/// What a task ended with.
enum Ended {
    Read {
        side: Side,
        began: Timestamp,
        seats: Vec<usize>,
        seen: Result<SeenOfAll, Error>,
    },
    Compared {
        began: Timestamp,
        seats: Vec<usize>,
        seen: Result<(SeenOfAll, SeenOfAll), (Side, Error)>,
    },
    /// These were never sent: their time was over.
    Late {
        side: Side,
        answers: Vec<(usize, u64, Answer)>,
    },
    Set {
        side: Side,
        answers: Vec<(usize, u64, Answer)>,
        has_failed: bool,
    },
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
            let brought = async {
                // They may have come back, or gone, while this waited for its turn.
                let seen = end.read(std::slice::from_ref(&agent)).await?.pop();
                match seen.transpose()? {
                    Some(seen) if seen.work == Work::Missed => end.bring_back(&agent).await,
                    _ => Ok(()),
                }
            };
            let brought = tokio::time::timeout(COMMAND_TIMEOUT, brought).await;
            let brought = brought.unwrap_or_else(|_| Err(Error::unavailable("no answer in time")));
            // A conflict: they are back already.
            if let Err(error) = brought
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
            self.drop_late(side, clock);
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
            let seen = tokio::try_join!(
                async { center_end.read(&center).await.map_err(|error| (Side::Center, error)) },
                async { crm_end.read(&crm).await.map_err(|error| (Side::Crm, error)) },
            );
            Ended::Compared { began, seats, seen }
        });
    }

    /// What waits for a side that does not answer is not done once its time is over.
    fn drop_late(&mut self, side: Side, clock: &Clock) {
        let hand = &mut self.sides[side.index()];
        let now = clock.now();
        if hand.set_pause.is_over() || hand.sets.iter().all(|(_, command)| now < command.until) {
            return;
        }
        let (late, rest): (VecDeque<_>, VecDeque<_>) =
            hand.sets.drain(..).partition(|(_, command)| now >= command.until);
        hand.sets = rest;
        let answers = late.into_iter().map(|(seat, one)| (seat, one.number, Answer::Late));
        let answers = answers.collect();
        self.tasks.spawn(async move { Ended::Late { side, answers } });
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
                // It has moved on from what the command was decided on, or somebody wants it
                // left alone: fenced off.
                let is_fenced = known.state.kept.is_paused
                    || shown.is_some_and(|shown| shown.version > command.fence);
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
                (self.comparing.is_busy, self.is_asking_who) = (false, false);
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
                        let unread = line.failed(&seats, &error, longest);
                        unread.map_or(Done::Nothing, |seat| Done::Unread { side, seat, why: error })
                    }
                }
            }
            Ended::Compared { began, seats, seen } => match seen {
                Ok((center, crm)) => {
                    self.comparing.ended(&[], longest);
                    let both = center.into_iter().zip(crm).map(|(center, crm)| [center, crm]);
                    Done::Compared { began, seats: seats.into_iter().zip(both).collect() }
                }
                Err((side, error)) => {
                    tracing::debug!("agents could not be compared: {error}");
                    let unread = self.comparing.failed(&seats, &error, longest);
                    unread.map_or(Done::Nothing, |seat| Done::Unread { side, seat, why: error })
                }
            },
            Ended::Late { side, answers } => Done::Set { side, answers },
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
