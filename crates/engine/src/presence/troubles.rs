//! What counts as a trouble of a team, and in which words it is told.

use super::desk::{Standing, TeamView};
use crate::Engine;
use std::collections::BTreeMap;

pub(crate) const DRIFT: &str = "presence_drift";
pub(crate) const CONSOLE_GONE: &str = "presence_console_gone";
pub(crate) const BOTH_WORK: &str = "presence_both_work";
pub(crate) const FAULTY: &str = "presence_faulty";
pub(crate) const UNHEARD: &str = "presence_unheard";
pub(crate) const ALL: [&str; 5] = [DRIFT, CONSOLE_GONE, BOTH_WORK, FAULTY, UNHEARD];

/// What is wrong with teams now, and what is known of it: by kind and team.
pub(crate) fn seen(engine: &Engine) -> BTreeMap<(&'static str, String), String> {
    engine.presence.desks().flat_map(|desk| of(&desk.view())).collect()
}

fn of(view: &TeamView) -> Vec<((&'static str, String), String)> {
    let name = &view.name;
    let look = format!("`tieline presence list --team {name}` names them.");
    let mut told = Vec::new();
    let kinds = [
        ("drift", DRIFT, "do not show what they should, and do not take it"),
        ("console_gone", CONSOLE_GONE, "work without a console that could set the CRM's status"),
        ("both_work", BOTH_WORK, "are offered work by both systems where only one may"),
    ];
    // Where another node works, that one tells.
    let is_ours = !matches!(view.standing, Standing::Elsewhere);
    for (word, kind, text) in kinds.into_iter().filter(|_| is_ours) {
        if let Some(agents) = view.alerts.get(word) {
            told.push((kind, format!("{agents} of {} agents {text}. {look}", view.agents)));
        }
    }
    match &view.standing {
        Standing::Faulty(faults) => {
            told.push((FAULTY, format!("Nothing is commanded. {}", faults.join(". "))));
        }
        Standing::Unreachable(why) => told.push((UNHEARD, format!("It is not kept now: {why}"))),
        Standing::Working => {
            let sides = view.unheard.iter().zip(&view.connections);
            for (why, connection) in sides.filter_map(|(why, of)| Some((why.as_ref()?, of))) {
                told.push((UNHEARD, format!("{connection} does not tell what happens: {why}")));
            }
        }
        Standing::Starting | Standing::Elsewhere => {}
    }
    told.into_iter().map(|(kind, text)| ((kind, name.clone()), text)).collect()
}

/// The title of a turn.
pub(crate) fn title(kind: &str, is_over: bool) -> &'static str {
    match (kind, is_over) {
        (DRIFT, false) => "agents do not show what they should",
        (DRIFT, true) => "all agents show what they should",
        (CONSOLE_GONE, false) => "agents work without a console",
        (CONSOLE_GONE, true) => "consoles are back",
        (BOTH_WORK, false) => "agents are offered work by both systems",
        (BOTH_WORK, true) => "nobody is offered work by both systems",
        (FAULTY, false) => "the settings do not fit what the systems have",
        (FAULTY, true) => "the settings fit again",
        (_, false) => "a system does not tell what happens",
        (_, true) => "both systems tell what happens",
    }
}
