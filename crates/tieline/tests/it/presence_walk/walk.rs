//! One walk: a stroll with small faults, a trouble or two, and then all heals.
//!
//! Whoever watches looks every few milliseconds: nobody around whom all is well may be offered
//! work by both for longer than [`REACTION`].

use super::dice::Dice;
use super::faults::{Spoiling, Trouble, Way};
use super::judge;
use super::people::{Agent, Around, Stands, agents, sections};
use crate::rig::{Line, Place, Stalls};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How soon Tieline makes good while nothing is wrong: an event may be lost, so a comparison
/// every second, its requests, a command and its way over the console; and a busy machine.
const REACTION: Duration = Duration::from_secs(4);
/// How soon Tieline is through with what went wrong: see [`super::rest::HEALED_WITHIN`].
pub(super) const HEALING_MAX: Duration = Duration::from_secs(45);
/// A busy machine is late by so much at most.
const STALL_MAX: Duration = Duration::from_secs(1);
/// Between a look at who is to be set and that they are set; where requests take 1.5 s each.
const MOMENT: Duration = Duration::from_millis(250);
const MOMENT_OF_THE_SLOW: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(25);
const ASK_EVERY: Duration = Duration::from_millis(150);
/// Steps of the small faults' part.
const STROLL: Duration = Duration::from_secs(8);

/// How long a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Short,
    /// One side is out for so long.
    Outage(Duration),
}

pub(super) struct Walk {
    length: Length,
    pub(super) dice: Dice,
    // Before the line that they use.
    pub(super) agents: Vec<Agent>,
    pub(super) line: Line,
    pub(super) spoiling: Spoiling,
    /// Who goes on in the CRM then, and how.
    pub(super) crossing: Vec<(Instant, usize, &'static str)>,
    /// Something is wrong with everybody.
    pub(super) is_troubled: bool,
    /// Tieline does not run.
    pub(super) is_down: bool,
    pub(super) is_muted: bool,
    /// Both sides are compared every second, so that anything may be lost.
    pub(super) is_compared: bool,
    told: Vec<String>,
    began: Instant,
    asked: Instant,
    stalls: Stalls,
}

impl Walk {
    pub(super) async fn new(seed: u64, length: Length) -> Self {
        let mut dice = Dice::new(seed);
        // Of four walks one has no comparison: nothing may be lost there without a word, and
        // what is told again, or told to be lost, must do.
        let is_compared = length != Length::Short || dice.is(75);
        let missed = dice.pick(&[
            "then = \"wait\"",
            "then = \"bring_back\", after = \"1s\"",
            "then = \"step_out\"",
        ]);
        // Who could not be brought back is tried again when both are compared.
        let missed = if is_compared { missed } else { "then = \"wait\"" };
        let compare_every = if is_compared { "1s" } else { "1h" };
        let line = Line::with_salesforce().and_genesys().on(Place::disk());
        let sections = sections(missed, compare_every);
        let line = line.limit("timeout = \"2s\"").section(&sections).lay().await;
        let now = Instant::now();
        Self {
            length,
            dice,
            agents: agents(&line),
            line,
            spoiling: Spoiling::None,
            crossing: Vec::new(),
            is_troubled: false,
            is_down: false,
            is_muted: false,
            is_compared,
            told: vec![format!("   0.000 missed: {missed}; compared every {compare_every}")],
            began: now,
            asked: now,
            stalls: Stalls::watch(),
        }
    }

    pub(super) async fn go(&mut self) -> Result<String, String> {
        self.come_to_work().await?;
        self.spoiling = Spoiling::Some;
        self.until_walked(STROLL).await?;
        for (trouble, lasts) in self.troubles() {
            self.trouble(trouble, lasts).await?;
        }
        self.spoiling = Spoiling::None;
        let healed = self.rest().await?;
        let answered = self.act_once_more().await?;
        self.account()?;
        let took = self.began.elapsed().as_secs_f32();
        Ok(format!(
            "{took:.1} s; at rest {:.1} s after all was well; acts followed in {:.1} s",
            healed.as_secs_f32(),
            answered.as_secs_f32()
        ))
    }

    fn troubles(&mut self) -> Vec<(Trouble, Duration)> {
        let side = self.dice.below(2);
        let way = self.dice.pick(&[Way::Says503, Way::Resets, Way::Hangs, Way::IsSlow]);
        if let Length::Outage(lasts) = self.length {
            return vec![(Trouble::Outage(side, Way::Says503), lasts)];
        }
        let drawn = match self.dice.below(6) {
            0 => vec![Trouble::Kill],
            5 => vec![Trouble::Stop],
            1 => vec![Trouble::LostAnswers(side)],
            2 => vec![Trouble::LostAnswers(side), Trouble::Kill],
            3 => vec![Trouble::Outage(side, way), Trouble::Kill],
            _ => vec![Trouble::Outage(side, way)],
        };
        let mut troubles = Vec::new();
        for trouble in drawn {
            let lasts = Duration::from_millis(1_000 + 500 * self.dice.below(6) as u64);
            troubles.push((trouble, lasts));
        }
        troubles
    }

    /// Everybody logs in to both, at their console.
    async fn come_to_work(&mut self) -> Result<(), String> {
        self.line.start_server().await;
        for at in 0..self.agents.len() {
            self.chooses_in_center(at, "Available");
            self.chooses_in_crm(at, "Transition");
            self.open_a_console(at);
        }
        self.until_healed().await
    }

    /// Acts and small faults for so long.
    pub(super) async fn until_walked(&mut self, lasts: Duration) -> Result<(), String> {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            self.act();
            self.cross();
            if self.dice.is(12) {
                self.fail_a_little().await;
            }
            self.mend_a_little();
            let next = Instant::now() + Duration::from_millis(20 + self.dice.below(130) as u64);
            self.until_watched(next.min(end)).await?;
        }
        Ok(())
    }

    /// Looks on until then.
    pub(super) async fn until_watched(&mut self, end: Instant) -> Result<(), String> {
        loop {
            self.look().await?;
            if Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks on until nobody has anything wrong around them.
    pub(super) async fn until_healed(&mut self) -> Result<(), String> {
        while self.agents.iter().any(|agent| !matches!(agent.around, Around::Well(_))) {
            self.look().await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(super) async fn look(&mut self) -> Result<(), String> {
        self.look_who_is_well().await;
        let stall = self.stalls.worst().min(STALL_MAX);
        let patience = REACTION + stall;
        let now = Instant::now();
        for at in 0..self.agents.len() {
            let stands = self.agents[at].stands(&self.line);
            self.look_who_is_in(at, &stands, stall)?;
            let agent = &mut self.agents[at];
            let Around::Well(since) = agent.around else {
                agent.wrong_since = None;
                continue;
            };
            if !judge::is_offered_too_much(agent.scenario, &stands) {
                agent.wrong_since = None;
                continue;
            }
            let wrong_since = *agent.wrong_since.get_or_insert(now);
            let since = wrong_since.max(since).max(agent.acted);
            if now.duration_since(since) > patience {
                let told = format!("{at} is offered work by both for {patience:?}: {stands:?}");
                return Err(self.failed(told));
            }
        }
        Ok(())
    }

    /// Nobody is logged in or out but by themselves: save that the contact center takes on no
    /// condition what was on its way to it in the very moment in which somebody logged out.
    fn look_who_is_in(
        &mut self,
        at: usize,
        stands: &Stands,
        stall: Duration,
    ) -> Result<(), String> {
        let agent = &mut self.agents[at];
        for (side, shown) in stands.shows.iter().enumerate() {
            if (shown == "Offline") == (agent.own[side] == "Offline") {
                continue;
            }
            let is_well = matches!(agent.around, Around::Well(_));
            let moment = if is_well { MOMENT } else { MOMENT_OF_THE_SLOW } + stall;
            if side == 1 || shown == "Offline" || agent.left.elapsed() > moment {
                let told = format!("{at} was logged in or out on side {side}: {stands:?}");
                return Err(self.failed(told));
            }
            agent.own[side].clone_from(shown);
            self.say(format!("{at}: `{shown}` was on its way as they logged out"));
            return Ok(());
        }
        Ok(())
    }

    /// Tieline says of whom it is through with what went wrong.
    async fn look_who_is_well(&mut self) {
        let heals = |agent: &Agent| matches!(agent.around, Around::Healing(_));
        if !self.agents.iter().any(heals) || self.is_down || self.asked.elapsed() < ASK_EVERY {
            return;
        }
        self.asked = Instant::now();
        let settled = self.settled().await;
        for agent in &mut self.agents {
            let Around::Healing(since) = agent.around else { continue };
            if settled.contains(&agent.ids[0]) || since.elapsed() > HEALING_MAX {
                agent.around = Around::Well(Instant::now());
            }
        }
    }

    /// Whom Tieline calls settled; nobody where it does not work at both teams yet.
    pub(super) async fn settled(&self) -> BTreeSet<String> {
        let told = self.line.get("/api/v1/presence?limit=500").await.body;
        let all = |key: &str| told[key].as_array().cloned().unwrap_or_default();
        if all("teams").iter().any(|team| team["standing"] != "working") {
            return BTreeSet::new();
        }
        let is_settled = |one: &Value| one["isSettled"] == true;
        let id = |one: Value| one["contactCenter"]["id"].as_str().map(str::to_owned);
        all("items").into_iter().filter(is_settled).filter_map(id).collect()
    }

    pub(super) fn say(&mut self, told: String) {
        let at = self.began.elapsed().as_secs_f32();
        self.told.push(format!("{at:8.3} {told}"));
    }

    /// Everything that happened, step by step.
    pub(super) fn told(&self) -> &[String] {
        &self.told
    }

    pub(super) fn failed(&mut self, told: String) -> String {
        self.say(format!("WRONG: {told}"));
        told
    }
}
