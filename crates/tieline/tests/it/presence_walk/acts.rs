//! What agents do, and what both systems and customers do to them.

use super::faults::Spoiling;
use super::walk::Walk;
use connectors::genesys_cloud::sim::{Act, EventFault};
use connectors::salesforce::sim::WorkAct;
use std::time::{Duration, Instant};

const CENTER: [&str; 14] = [
    "On Queue",
    "On Queue",
    "On Queue",
    "On Queue",
    "On Queue",
    "Available",
    "Meal",
    "Break",
    "Busy",
    "Away",
    "Training",
    "On Queue, chat only",
    "Idle",
    "Offline",
];
const CRM: [&str; 12] = [
    "Online",
    "Online",
    "Online",
    "Online",
    "Chat",
    "Chat",
    "Busy",
    "Lunch",
    "Lunch",
    "Transition",
    "Training",
    "Offline",
];
/// Longer than Tieline may take to make good.
const REST: Duration = Duration::from_secs(6);
/// Later than a command that was under way is carried out.
const SOON: Duration = Duration::from_millis(400);
/// The CRM keeps whole seconds: what is chosen in the second of a miss is not after it.
const SECOND: Duration = Duration::from_millis(1_100);

impl Walk {
    /// Somebody does something; some then do nothing for a while, and stand as they must.
    pub(super) fn act(&mut self) {
        let now = Instant::now();
        let acts = |at: &usize| self.agents[*at].rests_until <= now;
        let acting: Vec<usize> = (0..self.agents.len()).filter(acts).collect();
        if acting.is_empty() {
            return;
        }
        let at = self.dice.pick(&acting);
        if self.dice.is(20) {
            self.agents[at].rests_until = now + REST;
        }
        match self.dice.below(100) {
            0..5 => self.crosses(at),
            5..27 => {
                let status = self.dice.pick(&CENTER);
                self.chooses_in_center(at, status);
            }
            27..54 => {
                let status = self.dice.pick(&CRM);
                self.chooses_in_crm(at, status);
            }
            54..78 => self.works_in_center(at),
            _ => self.works_in_crm(at),
        }
    }

    /// Leaves the one, unheard where that may be, and goes on in the other.
    fn crosses(&mut self, at: usize) {
        if self.is_compared && self.spoiling == Spoiling::Some {
            let topic = format!("v2.users.{}.activity", self.agents[at].ids[0]);
            for _ in 0..2 {
                self.line.genesys().spoil_event(&topic, EventFault::Drop);
            }
        }
        let status = self.dice.pick(&["Offline", "Offline", "Meal", "On Queue"]);
        self.chooses_in_center(at, status);
        let status = self.dice.pick(&["Online", "Chat", "Lunch"]);
        self.crossing.push((Instant::now() + SOON, at, status));
    }

    /// Who has left the one goes on in the other.
    pub(super) fn cross(&mut self) {
        let (due, later) = self.crossing.drain(..).partition(|(due, ..)| *due <= Instant::now());
        self.crossing = later;
        let due: Vec<(Instant, usize, &str)> = due;
        for (_, at, status) in due {
            self.chooses_in_crm(at, status);
        }
    }

    pub(super) fn chooses_in_center(&mut self, at: usize, status: &str) {
        self.spoil(at);
        self.say(format!("{at} center: {status}"));
        let agent = &mut self.agents[at];
        self.line.genesys().agent_sets(&agent.ids[0], status).expect("a status of theirs");
        // Idle is the platform's own doing, and nobody's choice.
        status.clone_into(&mut agent.own[0]);
        agent.chosen[0].insert(status.to_owned());
        agent.acted = Instant::now();
        if status == "Offline" {
            agent.left = agent.acted;
        }
    }

    pub(super) fn chooses_in_crm(&mut self, at: usize, status: &str) {
        self.say(format!("{at} crm: {status}"));
        let agent = &mut self.agents[at];
        let id = agent.ids[1].clone();
        let set = agent.console.by_hand(|salesforce| match status {
            "Offline" => salesforce.agent_logs_out(&id),
            _ => salesforce.agent_sets(&id, status),
        });
        set.expect("a status of theirs");
        if status == "Offline" {
            agent.items.retain(|(_, is_accepted)| *is_accepted);
        }
        status.clone_into(&mut agent.own[1]);
        agent.chosen[1].insert(status.to_owned());
        agent.missed.take_if(|missed| missed.elapsed() > SECOND);
        agent.acted = Instant::now();
    }

    fn works_in_center(&mut self, at: usize) {
        let routing = self.line.genesys().agent_status(&self.agents[at].ids[0]);
        let (shown, routing) = routing.expect("an agent");
        let acts: &[Act] = match routing.as_str() {
            "IDLE" => self.dice.pick(&[
                &[Act::Offer][..],
                &[Act::Accept],
                &[Act::Offer, Act::Accept],
                &[Act::Offer, Act::Accept],
                &[Act::Offer, Act::Accept, Act::EndWithWork],
                &[Act::Offer, Act::Miss],
                &[Act::Call],
            ]),
            "INTERACTING" => self.dice.pick(&[&[Act::EndWithWork][..], &[Act::End], &[Act::End]]),
            "COMMUNICATING" => &[Act::HangUp],
            _ if shown == "On Queue" => return self.chooses_in_center(at, "Available"),
            _ => return self.chooses_in_center(at, "On Queue"),
        };
        for act in acts {
            self.acts_in_center(at, *act);
        }
    }

    pub(super) fn acts_in_center(&mut self, at: usize, act: Act) {
        self.spoil(at);
        let agent = &mut self.agents[at];
        let is_done = self.line.genesys().agent_act(&agent.ids[0], act);
        agent.acted = Instant::now();
        self.say(format!("{at} center: {act:?} {is_done}"));
    }

    fn works_in_crm(&mut self, at: usize) {
        let count = self.agents[at].items.len();
        if count > 0 && self.dice.is(60) {
            let item = self.dice.below(count);
            let act = match self.agents[at].items[item].1 {
                true => self.dice.pick(&[WorkAct::Close, WorkAct::Close, WorkAct::Cancel]),
                false => self.dice.pick(&[
                    WorkAct::Accept,
                    WorkAct::Accept,
                    WorkAct::Decline,
                    WorkAct::TimeOut,
                    WorkAct::Cancel,
                ]),
            };
            return self.acts_in_crm(at, item, act);
        }
        let agent = &mut self.agents[at];
        let offered = agent.console.by_hand(|salesforce| salesforce.offer_work(&agent.ids[1]));
        self.agents[at].acted = Instant::now();
        self.say(format!("{at} crm: offered {}", offered.is_ok()));
        if let Ok(item) = offered {
            self.agents[at].items.push((item, false));
            if self.dice.is(60) {
                let last = self.agents[at].items.len() - 1;
                self.acts_in_crm(at, last, WorkAct::Accept);
            }
        }
    }

    pub(super) fn acts_in_crm(&mut self, at: usize, item: usize, act: WorkAct) {
        self.say(format!("{at} crm: {act:?}"));
        let agent = &mut self.agents[at];
        let id = agent.items[item].0.clone();
        agent.console.by_hand(|salesforce| salesforce.work_act(&id, act)).expect("it can be");
        agent.acted = Instant::now();
        match act {
            WorkAct::Accept => agent.items[item].1 = true,
            WorkAct::Decline | WorkAct::TimeOut => agent.missed = Some(agent.acted),
            WorkAct::Close | WorkAct::Cancel => {}
        }
        if act != WorkAct::Accept {
            agent.items.remove(item);
        }
    }

    /// What the network does to the next events of an agent.
    fn spoil(&mut self, at: usize) {
        if self.spoiling == Spoiling::None || !self.dice.is(35) {
            return;
        }
        use EventFault::{Double, Drop, Hold};
        let topic = format!("v2.users.{}.activity", self.agents[at].ids[0]);
        for _ in 0..=self.dice.below(2) {
            let faults: &[_] = if self.is_compared { &[Drop, Double, Hold] } else { &[Double] };
            let fault = self.dice.pick(faults);
            self.say(format!("{at} center: next event {fault:?}"));
            self.line.genesys().spoil_event(&topic, fault);
        }
    }
}
