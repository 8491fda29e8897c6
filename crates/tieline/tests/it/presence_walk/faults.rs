//! What goes wrong: with events, sockets, consoles, either system, and Tieline itself.

use super::people::Around;
use super::walk::Walk;
use sim::faults::{Fault, Plan, Rule};
use std::time::{Duration, Instant};

/// May events of the contact center get lost, doubled or held back?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoiling {
    None,
    Some,
}

/// What is wrong with everybody for a while. A side is 0 for the contact center.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing is answered there, and nothing told.
    Outage(usize, Way),
    /// What is set there is carried out, and the answer lost.
    LostAnswers(usize),
    /// The process is killed, or stopped as one does, and started after a while.
    Kill,
    Stop,
}

/// How a system is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Says503,
    Resets,
    Hangs,
    IsSlow,
}

impl Walk {
    /// Something small: the comparison, or a new line, makes good for it.
    pub(super) async fn fail_a_little(&mut self) {
        // What falls silent is lost without a word.
        let what = match self.dice.below(12) {
            4 | 7 if !self.is_compared => 0,
            what => what,
        };
        let genesys = self.line.genesys();
        let told = match what {
            0 | 1 => {
                genesys.cut_sockets();
                "sockets are cut"
            }
            2 => {
                genesys.warn_sockets();
                "sockets are warned"
            }
            3 => {
                genesys.expire_channels();
                "channels expire"
            }
            4 => {
                genesys.mute_sockets();
                "sockets fall silent"
            }
            5 => {
                self.line.salesforce.cut_next_events();
                "the CRM's events break off"
            }
            6 => {
                self.line.salesforce.expire_events();
                "the CRM's events are forgotten"
            }
            7 => {
                self.is_muted = !self.is_muted;
                self.line.salesforce.mute_events(self.is_muted);
                if self.is_muted { "the CRM tells nothing" } else { "the CRM tells again" }
            }
            8 => {
                self.line.salesforce.tell_gap("GAP_OVERFLOW", "AgentWork", &[]);
                "the CRM tells a gap"
            }
            _ => return self.close_a_console().await,
        };
        self.say(told.to_owned());
    }

    /// Sooner of somebody who has something at hand.
    async fn close_a_console(&mut self) {
        let busy = |at: &usize| self.agents[*at].stands(&self.line).handles != [false; 2];
        let open = |at: &usize| self.agents[*at].console.is_open();
        let open: Vec<usize> = (0..self.agents.len()).filter(open).collect();
        let busy: Vec<usize> = open.iter().copied().filter(busy).collect();
        let among = if busy.is_empty() { open } else { busy };
        if among.is_empty() {
            return;
        }
        let at = self.dice.pick(&among);
        let is_told = self.dice.is(50) && !self.is_down;
        let agent = &mut self.agents[at];
        agent.around = Around::Wrong;
        if is_told {
            agent.console.leave().await;
        } else {
            agent.console.close();
        }
        self.say(format!("{at}: the console is closed, told: {is_told}"));
    }

    /// What was lost may come back: a console, what was held.
    pub(super) fn mend_a_little(&mut self) {
        for at in 0..self.agents.len() {
            if !self.agents[at].console.is_open() && self.dice.is(15) {
                self.open_a_console(at);
            }
        }
        if self.dice.is(15) {
            self.say("held events come".to_owned());
            self.line.genesys().release_events();
        }
    }

    pub(super) fn open_a_console(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        agent.console.open();
        if !self.is_troubled {
            agent.around = Around::Healing(Instant::now());
        }
        self.say(format!("{at}: the console is opened"));
    }

    /// Everybody is troubled for so long, and goes on acting.
    pub(super) async fn trouble(
        &mut self,
        trouble: Trouble,
        lasts: Duration,
    ) -> Result<(), String> {
        self.say(format!("{trouble:?} for {lasts:?}"));
        self.is_troubled = true;
        for agent in &mut self.agents {
            agent.around = Around::Wrong;
        }
        self.begin(trouble).await;
        self.until_walked(lasts).await?;
        self.end(trouble).await;
        self.is_troubled = false;
        let now = Instant::now();
        for agent in self.agents.iter_mut().filter(|agent| agent.console.is_open()) {
            agent.around = Around::Healing(now);
        }
        self.say(format!("{trouble:?} is over"));
        Ok(())
    }

    async fn begin(&mut self, trouble: Trouble) {
        let rule = |fault: Fault| Plan { rules: vec![Rule::always(fault)], ..Plan::default() };
        match trouble {
            Trouble::Kill => {
                self.is_down = true;
                self.line.kill().await;
            }
            Trouble::Stop => {
                self.is_down = true;
                self.line.stop().await;
            }
            Trouble::Outage(side, way) => {
                let plan = rule(match way {
                    Way::Says503 => Fault::Status { code: 503, body: None },
                    Way::Resets => Fault::Reset,
                    Way::Hangs => Fault::Hang,
                    Way::IsSlow => Fault::slow(Duration::from_millis(1_500)),
                });
                if side == 0 {
                    self.line.genesys().faults().set(plan);
                    self.line.genesys().cut_sockets();
                } else {
                    self.line.salesforce.faults().set(plan);
                    self.line.salesforce.expire_events();
                    self.line.salesforce.mute_events(self.is_compared);
                    // What was refused is tried again when both are compared.
                    self.refuse(self.is_compared && way != Way::IsSlow);
                }
            }
            Trouble::LostAnswers(0) => {
                let lost = Rule::always(Fault::Truncate).on("/presences/");
                self.line.genesys().faults().add(lost);
            }
            // Nothing is set there but by consoles: what is asked is answered by half.
            Trouble::LostAnswers(_) => {
                let half = Rule::always(Fault::HangMidBody).on("UserServicePresence");
                self.line.salesforce.faults().add(half);
            }
        }
    }

    async fn end(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Kill | Trouble::Stop => {
                self.line.start_server().await;
                self.is_down = false;
            }
            Trouble::Outage(..) | Trouble::LostAnswers(_) => self.clear_faults(),
        }
    }

    pub(super) fn clear_faults(&mut self) {
        self.line.genesys().faults().clear();
        self.line.salesforce.faults().clear();
        self.is_muted = false;
        self.line.salesforce.mute_events(false);
        self.refuse(false);
    }

    /// The CRM takes nothing from consoles either while it is out.
    fn refuse(&self, is_refused: bool) {
        for agent in &self.agents {
            agent.console.is_refused(is_refused);
        }
    }
}
