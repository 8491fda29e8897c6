//! Who is left alone because somebody wants it so.

use super::{BATCH, End, Shift, just};
use domain::presence::{Event, Side};
use state::presence::{Pause, Who};
use std::collections::HashSet;

impl Shift {
    /// Takes in who was paused or resumed since, whichever node was told.
    pub(super) async fn look_at_pauses(&mut self) -> Result<(), End> {
        let pauses = match self.engine.store.presence_pauses().await {
            Ok(pauses) => pauses,
            Err(error) => {
                tracing::warn!("who is paused could not be read, it is tried again: {error}");
                return Ok(());
            }
        };
        let is_paused = paused(&self.desk.team().name, &pauses);
        let changed: Vec<(usize, bool, String)> = {
            let table = self.desk.table();
            let changed = table.seats.iter().enumerate().filter_map(|(at, seat)| {
                let wanted = is_paused(&seat.ids[0]);
                let crm = || seat.ids[Side::Crm.index()].clone();
                (wanted != seat.state.kept.is_paused).then(|| (at, wanted, crm()))
            });
            changed.collect()
        };
        let crm = &self.connections[Side::Crm.index()].name;
        for (_, _, agent) in changed.iter().filter(|(_, wanted, _)| *wanted) {
            self.engine.presence.consoles().withdraw(crm, agent);
        }
        // A large team is no commit of its own that all others wait for.
        for part in changed.chunks(BATCH) {
            let events = part.iter().map(|(at, wanted, _)| just(*at, Event::Pause(*wanted)));
            self.take(events.collect()).await?;
        }
        Ok(())
    }
}

/// Whether an agent of the contact center is paused.
pub(super) fn paused(team: &str, pauses: &[Pause]) -> impl Fn(&str) -> bool + use<> {
    let own = || pauses.iter().filter(|pause| pause.team == team);
    let is_all = own().any(|pause| pause.who == Who::Team);
    let agents: HashSet<String> = own()
        .filter_map(|pause| match &pause.who {
            Who::Agent(agent) => Some(agent.clone()),
            Who::Team => None,
        })
        .collect();
    move |agent| is_all || agents.contains(agent)
}
