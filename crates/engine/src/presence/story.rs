//! What changed by one decision, in lines that a person can follow.

use super::SIDES;
use domain::presence::{Action, Alert, Event, Kept, Side, State, StatusId};
use state::presence::Line;

fn line(what: &'static str, side: Option<Side>, status: Option<&StatusId>) -> Line {
    Line { what, side, status: status.cloned(), note: None }
}

/// The lines of one decision. Words: `shows` (a side shows a status now), `decided` (who
/// brought it about; one line for each side's goal), `work`, `told` (a command went out),
/// `gave_up`, `brought_back`, `paused`, `resumed`, `alert`, `alert_over`.
pub(super) fn lines(before: &State, event: &Event, after: &State, actions: &[Action]) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Event::Pause(is_paused) = event
        && before.kept.is_paused != *is_paused
    {
        lines.push(line(if *is_paused { "paused" } else { "resumed" }, None, None));
    }
    for side in SIDES {
        if before.shown(side) != after.shown(side) {
            lines.push(line("shows", Some(side), after.shown(side)));
        }
        let work = after.half(side).work;
        if before.half(side).work != work {
            let note = Some(work.as_str().to_owned());
            lines.push(Line { note, ..line("work", Some(side), None) });
        }
    }
    lines.extend(decided(&before.kept, &after.kept));
    for side in SIDES {
        let tries = |state: &State| state.half(side).failed.as_ref().map(|one| one.tries);
        if tries(after).is_some_and(|now| Some(now) > tries(before)) {
            let failed = after.half(side).failed.as_ref();
            let note = failed.map(|one| format!("{} in vain", one.tries));
            let line = line("gave_up", Some(side), failed.map(|one| &one.status));
            lines.push(Line { note, ..line });
        }
    }
    for action in actions {
        match action {
            Action::Set(command) => {
                let note = Some(format!("command {}", command.number));
                let line = line("told", Some(command.side), Some(&command.status));
                lines.push(Line { note, ..line });
            }
            Action::BringBack => lines.push(line("brought_back", Some(Side::Center), None)),
            Action::Raise(alert) => lines.push(of_alert("alert", *alert)),
            Action::Clear(alert) => lines.push(of_alert("alert_over", *alert)),
            Action::Read(_) | Action::Wake(_) => {}
        }
    }
    lines
}

fn decided(before: &Kept, after: &Kept) -> Vec<Line> {
    let Some(decided) = after.decided.filter(|_| before.decided != after.decided) else {
        return Vec::new();
    };
    let note = decided.by.as_str().to_owned();
    let goals = SIDES.into_iter().filter_map(|side| {
        let goal = after.goals[side.index()].as_ref()?;
        Some(Line { note: Some(note.clone()), ..line("decided", Some(side), Some(goal)) })
    });
    goals.collect()
}

fn of_alert(what: &'static str, alert: Alert) -> Line {
    let side = match alert {
        Alert::Drift(side) => Some(side),
        Alert::ConsoleGone | Alert::BothWork => None,
    };
    Line { note: Some(word(alert).to_owned()), ..line(what, side, None) }
}

/// The word for an alert.
pub(super) fn word(alert: Alert) -> &'static str {
    match alert {
        Alert::Drift(_) => "drift",
        Alert::ConsoleGone => "console_gone",
        Alert::BothWork => "both_work",
    }
}
