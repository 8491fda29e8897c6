//! What is so once nothing is wrong any more: every pair is one that the map allows, for good;
//! acts are followed as the map says; and whatever Tieline has set, the map or the agent chose.

use super::judge::{may_be_set, may_rest};
use super::people::{Around, Scenario};
use super::walk::{HEALING_MAX, Walk};
use connectors::genesys_cloud::sim::Act;
use connectors::salesforce::sim::WorkAct;
use serde_json::Value;
use std::time::{Duration, Instant};

/// One comparison interval (1 s), and what was under way when all became well: a request that
/// hangs is given up after 2 s, the breaker tries again after 5 s at most, and of a command whose
/// answer was lost a reading tells after 10 s; then it is told again. And a busy machine.
pub(super) const HEALED_WITHIN: Duration = Duration::from_secs(1 + 2 + 5 + 10 + 4);
/// Nothing changes for so long: longer than two comparisons, the dwell, and who is brought back.
const QUIET: Duration = Duration::from_millis(2_600);
/// Whoever acts while all is well is followed so soon, and a dwell besides.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(25);

impl Walk {
    /// All heals; how soon everybody was where they were to stay.
    pub(super) async fn rest(&mut self) -> Result<Duration, String> {
        self.clear_faults();
        self.line.genesys().release_events();
        for at in 0..self.agents.len() {
            if !self.agents[at].console.is_open() {
                self.open_a_console(at);
            }
        }
        self.until_working().await?;
        let now = Instant::now();
        for agent in &mut self.agents {
            agent.around = Around::Healing(now);
        }
        self.say("all is well".to_owned());
        self.until_rested(now).await
    }

    /// After a kill the team is held for a while by who was killed.
    async fn until_working(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let told = self.line.get("/api/v1/presence?limit=1").await.body;
            let teams = told["teams"].as_array().cloned().unwrap_or_default();
            if !teams.is_empty() && teams.iter().all(|team| team["standing"] == "working") {
                return Ok(());
            }
            if began.elapsed() > HEALING_MAX {
                return Err(self.failed(format!("nobody works at the teams: {told}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Everybody stands as they may, and then nothing changes any more.
    async fn until_rested(&mut self, began: Instant) -> Result<Duration, String> {
        let (mut before, mut since) = (None, began);
        loop {
            self.look().await?;
            let stands: Vec<_> = self.agents.iter().map(|agent| agent.stands(&self.line)).collect();
            let settled = self.settled().await;
            let wrong =
                self.agents.iter().zip(&stands).enumerate().find_map(|(at, (one, stands))| {
                    let why = may_rest(one.scenario, stands, &one.own).err().or_else(|| {
                        (!settled.contains(&one.ids[0])).then(|| "it is not settled".to_owned())
                    })?;
                    Some((at, why))
                });
            let now = Some((stands, self.count_set()));
            if wrong.is_some() || before != now {
                (before, since) = (now, Instant::now());
            }
            let rested = since.duration_since(began);
            if since.elapsed() > QUIET {
                return Ok(rested);
            }
            if rested > HEALED_WITHIN {
                let told = match wrong {
                    Some((at, why)) => self.story(at, &why).await,
                    None => "they go on changing".to_owned(),
                };
                return Err(self.failed(format!("not at rest in {HEALED_WITHIN:?}: {told}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// An agent, and what Tieline keeps of their story.
    async fn story(&self, at: usize, why: &str) -> String {
        let agent = &self.agents[at];
        let path = format!("/api/v1/presence/agents/{}?limit=20", agent.ids[0]);
        let told = self.line.get(&path).await.body;
        let lines = told["lines"].as_array().cloned().unwrap_or_default();
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        let (stands, own) = (agent.stands(&self.line), &agent.own);
        format!(
            "{at} ({:?}): {why}: {stands:?}, own {own:?}\n  {}\n  {}",
            agent.scenario,
            told["agent"],
            lines.join("\n  ")
        )
    }

    /// Statuses set so far in both systems.
    fn count_set(&self) -> u64 {
        let requests = self.line.genesys().faults().requests();
        let center = ["PATCH /api/v2/users/{id}/presences", "PUT /api/v2/users/presences"];
        let center: u64 = center.iter().map(|part| requests.count(part)).sum();
        self.agents.iter().fold(center, |sum, agent| sum + agent.console.set().len() as u64)
    }

    /// Whoever went through all that is followed as on the first day; how soon.
    pub(super) async fn act_once_more(&mut self) -> Result<Duration, String> {
        for at in 0..self.agents.len() {
            self.end_all_work(at);
            if self.agents[at].own[1] == "Offline" {
                self.chooses_in_crm(at, "Training");
            }
            self.chooses_in_center(at, "Away");
        }
        self.until_rested(Instant::now()).await?;
        self.all_in_center("On Queue");
        let at_work = self
            .until_shown("On Queue", |scenario, crm| match scenario {
                Scenario::One => crm == "Busy",
                Scenario::Both => crm == "Online" || crm == "Chat",
            })
            .await?;
        self.all_in_center("Meal");
        let away = self.until_shown("Meal", |_, crm| crm == "Lunch").await?;
        Ok(at_work.max(away))
    }

    fn all_in_center(&mut self, status: &str) {
        for at in 0..self.agents.len() {
            self.chooses_in_center(at, status);
        }
    }

    fn end_all_work(&mut self, at: usize) {
        let act = match self.line.genesys().agent_status(&self.agents[at].ids[0]) {
            Some((_, routing)) if routing == "INTERACTING" => Some(Act::End),
            Some((_, routing)) if routing == "COMMUNICATING" => Some(Act::HangUp),
            _ => None,
        };
        if let Some(act) = act {
            self.acts_in_center(at, act);
        }
        while !self.agents[at].items.is_empty() {
            self.acts_in_crm(at, 0, WorkAct::Cancel);
        }
    }

    async fn until_shown(
        &mut self,
        center: &str,
        is_right: impl Fn(Scenario, &str) -> bool,
    ) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            let wrong = self.agents.iter().position(|agent| {
                let shows = agent.stands(&self.line).shows;
                shows[0] != center || !is_right(agent.scenario, &shows[1])
            });
            let Some(at) = wrong else { return Ok(began.elapsed()) };
            if began.elapsed() > FOLLOWED_WITHIN {
                let told = self.story(at, &format!("{center} is not followed")).await;
                return Err(self.failed(told));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whatever Tieline has set, the map or the agent chose.
    pub(super) fn account(&mut self) -> Result<(), String> {
        let mut set: Vec<(usize, usize, String)> = Vec::new();
        let crm = self.line.salesforce.all("ServicePresenceStatus", &["Id", "DeveloperName"])?;
        for (at, agent) in self.agents.iter().enumerate() {
            for id in agent.console.set() {
                let named = crm.iter().find(|one| one["Id"] == id.as_str());
                let name = named.and_then(|one| one["DeveloperName"].as_str()).unwrap_or_default();
                set.push((at, 1, name.to_owned()));
            }
        }
        for (id, definition) in self.set_in_center() {
            let at = self.agents.iter().position(|agent| agent.ids[0] == id);
            set.push((at.ok_or("a stranger was set")?, 0, definition));
        }
        for (at, side, status) in set {
            let agent = &self.agents[at];
            if !may_be_set(agent.scenario, side, &status, &agent.chosen[side]) {
                return Err(self.failed(format!("{at} was set to `{status}` on side {side}")));
            }
        }
        Ok(())
    }

    /// By id, what each was set to in the contact center.
    fn set_in_center(&self) -> Vec<(String, String)> {
        let mut set = Vec::new();
        for seen in self.line.genesys().faults().requests().log() {
            let is_one = seen.method == "PATCH" && seen.target.contains("/presences/");
            let is_bulk = seen.method == "PUT" && seen.target.contains("/presences/bulk");
            let Ok(body) = serde_json::from_str::<Value>(&seen.body) else { continue };
            let all = match &body {
                Value::Array(all) if is_bulk => all.clone(),
                one if is_one => vec![one.clone()],
                _ => continue,
            };
            for one in all {
                let in_path = seen.target.split('/').nth(4).unwrap_or_default();
                let id = one["id"].as_str().unwrap_or(in_path).to_owned();
                let definition = one["presenceDefinition"]["id"].as_str().unwrap_or_default();
                set.push((id, self.named(definition)));
            }
        }
        set
    }

    fn named(&self, definition: &str) -> String {
        let known = ["On Queue", "Available", "Meal", "Break", "Busy", "Away", "Training"];
        let known = known.into_iter().chain(["On Queue, chat only", "Idle", "Offline"]);
        let is_it =
            |name: &&str| self.line.genesys().definition(name).as_deref() == Some(definition);
        known.into_iter().find(is_it).unwrap_or("something else").to_owned()
    }
}
