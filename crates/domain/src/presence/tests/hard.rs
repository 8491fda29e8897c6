//! Events that come late, twice, out of order or not at all; commands that go astray.

use super::desk::{Desk, both, known, one, with};
use crate::Timestamp;
use crate::presence::*;

/// On queue and online, both told.
fn at_work() -> Desk {
    let mut desk = Desk::new(&both());
    let event = desk.choose(Side::Center, "on_queue");
    desk.tell(event);
    assert_eq!(desk.told(), "on_queue online");
    desk
}

fn commands(actions: &[Action]) -> Vec<&Command> {
    let commands = actions.iter().filter_map(|action| match action {
        Action::Set(command) => Some(command),
        _ => None,
    });
    commands.collect()
}

/// A call comes in, and the command that covers the CRM is in the air.
fn covering(desk: &mut Desk) -> Command {
    desk.work_version[0] += 1;
    desk.work[0] = Work::Handling;
    let version = desk.work_version[0];
    let actions = desk.decide(Event::Work { side: Side::Center, work: Work::Handling, version });
    commands(&actions)[0].clone()
}

/// The command comes through on its side, and nothing is told of it yet.
fn land(desk: &mut Desk, command: &Command) -> Event {
    desk.choose(command.side, command.status.as_str())
}

#[test]
fn a_command_says_what_it_was_decided_on_and_how_long_it_holds() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    assert_eq!(command.fence, desk.version[1]);
    assert_eq!(command.status.as_str(), "transition");
    assert_eq!(command.until, desk.now.plus(COMMAND_TIMEOUT));
    assert_eq!(desk.state.wake, Some(command.until));
}

#[test]
fn an_echo_is_no_act_before_and_after_its_answer_and_twice() {
    for answer_first in [true, false] {
        let mut desk = at_work();
        let decided = desk.state.kept.decided;
        let command = covering(&mut desk);
        let echo = land(&mut desk, &command);
        let answer = Answer::Done(Some(desk.version[1]));
        let answer = Event::Answer { side: Side::Crm, number: command.number, answer };
        let mut events = [echo.clone(), answer, echo.clone()];
        if answer_first {
            events.swap(0, 1);
        }
        for event in events {
            assert_eq!(commands(&desk.decide(event)).len(), 0);
        }
        assert_eq!(desk.state.kept.decided, decided);
        assert!(desk.state.is_settled(&desk.map));
    }
}

#[test]
fn an_old_status_told_late_changes_nothing() {
    let mut desk = at_work();
    let old = desk.choose(Side::Center, "meal");
    let new = desk.choose(Side::Center, "on_queue");
    desk.tell(new);
    let before = desk.state.clone();
    desk.tell(old);
    assert_eq!(desk.state, before);
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn old_work_told_late_changes_nothing() {
    let mut desk = at_work();
    desk.at_hand(Side::Center, Work::Handling);
    desk.at_hand(Side::Center, Work::Free);
    let version = desk.work_version[0] - 1;
    desk.tell(Event::Work { side: Side::Center, work: Work::Handling, version });
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn one_command_a_side_is_in_the_air_and_the_next_is_decided_when_it_is_over() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    desk.work_version[0] += 1;
    desk.work[0] = Work::Free;
    let version = desk.work_version[0];
    let actions = desk.decide(Event::Work { side: Side::Center, work: Work::Free, version });
    assert_eq!(commands(&actions).len(), 0);
    let echo = land(&mut desk, &command);
    assert_eq!(commands(&desk.decide(echo)).len(), 0);
    let answer = Answer::Done(Some(desk.version[1]));
    let number = command.number;
    let actions = desk.decide(Event::Answer { side: Side::Crm, number, answer });
    assert_eq!(commands(&actions)[0].status.as_str(), "online");
}

#[test]
fn an_act_that_a_late_write_of_ours_has_trodden_on_is_followed() {
    for act_first in [true, false] {
        let mut desk = at_work();
        desk.at_hand(Side::Center, Work::Free);
        // The CRM has work at hand: the center is told to go off queue.
        desk.work_version[1] += 1;
        desk.work[1] = Work::Handling;
        let version = desk.work_version[1];
        let actions = desk.decide(Event::Work { side: Side::Crm, work: Work::Handling, version });
        let command = commands(&actions)[0].clone();
        let act = desk.choose(Side::Center, "meal");
        // The center takes a write on no condition.
        let echo = land(&mut desk, &command);
        let events = if act_first { [act, echo] } else { [echo, act] };
        for event in events {
            desk.tell(event);
        }
        desk.wait(30);
        assert_eq!(desk.told(), "meal lunch", "{act_first}");
    }
}

#[test]
fn what_the_agent_chose_before_the_consoles_write_is_not_trodden_on() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    let act = desk.choose(Side::Crm, "lunch");
    desk.tell(act);
    desk.tell(Event::Answer { side: Side::Crm, number: command.number, answer: Answer::Late });
    desk.wait(30);
    assert_eq!(desk.told(), "meal lunch");
}

#[test]
fn a_command_without_an_answer_is_looked_into_before_there_is_another() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    desk.now = command.until;
    let actions = desk.decide(Event::Tick);
    assert!(actions.contains(&Action::Read(Side::Crm)), "{actions:?}");
    assert_eq!(commands(&actions).len(), 0);
    // Begun before it was over: tells nothing.
    let early = Reading { began: Timestamp(command.until.0 - 1), ..desk.reading(Side::Crm) };
    assert_eq!(commands(&desk.decide(Event::Read { side: Side::Crm, reading: early })).len(), 0);
    let reading = desk.reading(Side::Crm);
    let actions = desk.decide(Event::Read { side: Side::Crm, reading });
    assert_eq!(commands(&actions)[0].status.as_str(), "transition");
    assert!(commands(&actions)[0].number > command.number);
}

#[test]
fn a_command_that_came_through_without_an_answer_is_found_by_the_reading() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    let _lost = land(&mut desk, &command);
    desk.wait(10);
    assert!(desk.state.is_settled(&desk.map));
    desk.at_hand(Side::Center, Work::Free);
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn done_without_a_version_holds_when_it_was_read_back() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    let _echo = land(&mut desk, &command);
    let answer =
        Event::Answer { side: Side::Crm, number: command.number, answer: Answer::Done(None) };
    let actions = desk.decide(answer);
    assert_eq!(actions[0], Action::Read(Side::Crm));
    assert!(!desk.state.is_settled(&desk.map));
    let reading = desk.reading(Side::Crm);
    desk.tell(Event::Read { side: Side::Crm, reading });
    assert!(desk.state.is_settled(&desk.map));
}

#[test]
fn commands_that_get_lost_end_with_an_alert_and_begin_anew_with_the_next_comparison() {
    let mut desk = at_work();
    let mut count = 1;
    covering(&mut desk);
    while let Some(wake) = desk.state.wake {
        desk.now = wake;
        desk.decide(Event::Tick);
        let reading = desk.reading(Side::Crm);
        count += commands(&desk.decide(Event::Read { side: Side::Crm, reading })).len();
    }
    assert_eq!(count, usize::from(TRIES_MAX));
    assert_eq!(desk.told(), "on_queue online Drift(Crm) BothWork");
    desk.compare();
    assert_eq!(desk.told(), "on_queue transition");
}

#[test]
fn what_a_console_refuses_is_tried_three_times_and_then_not_until_something_is_different() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    let refused =
        Event::Answer { side: Side::Crm, number: command.number, answer: Answer::Refused };
    let mut actions = desk.decide(refused);
    for tries in 1.. {
        // The console may be able to the next time, once it was read that it was not done.
        assert_eq!(actions, [Action::Read(Side::Crm)]);
        desk.now = desk.now.plus(std::time::Duration::from_millis(1));
        let read = Event::Read { side: Side::Crm, reading: desk.reading(Side::Crm) };
        actions = desk.decide(read);
        let Some(number) = commands(&actions).first().map(|command| command.number) else {
            assert_eq!(tries, TRIES_MAX);
            break;
        };
        let (side, answer) = (Side::Crm, Answer::Refused);
        actions = desk.decide(Event::Answer { side, number, answer });
    }
    assert!(actions.contains(&Action::Raise(Alert::Drift(Side::Crm))), "{actions:?}");
    assert_eq!(commands(&desk.decide(Event::Tick)).len(), 0);
    desk.compare();
    assert_eq!(desk.told(), "on_queue transition");
}

#[test]
fn an_answer_to_what_is_over_is_no_answer() {
    let mut desk = at_work();
    let command = covering(&mut desk);
    let echo = land(&mut desk, &command);
    desk.decide(echo);
    let done = Answer::Done(None);
    desk.decide(Event::Answer { side: Side::Crm, number: command.number, answer: done });
    assert!(desk.state.is_settled(&desk.map));
    let before = desk.state.clone();
    for answer in [Answer::Refused, Answer::Late, Answer::Done(None), Answer::Done(Some(1))] {
        desk.decide(Event::Answer { side: Side::Crm, number: command.number, answer });
        assert_eq!(desk.state, before);
    }
}

#[test]
fn while_a_side_is_not_heard_nobody_is_put_to_work_on_the_other() {
    let mut desk = at_work();
    desk.at_hand(Side::Center, Work::Handling);
    assert_eq!(desk.told(), "on_queue transition");
    let actions = desk.decide(Event::Gap(Side::Center));
    assert_eq!(actions, [Action::Read(Side::Center)]);
    let version = desk.work_version[0] + 1;
    let free = Event::Work { side: Side::Center, work: Work::Free, version };
    assert_eq!(commands(&desk.decide(free)).len(), 0);
    // In the gap one call ended and another came.
    desk.work_version[0] += 2;
    let reading = desk.reading(Side::Center);
    desk.tell(Event::Read { side: Side::Center, reading });
    assert_eq!(desk.told(), "on_queue transition");
    desk.at_hand(Side::Center, Work::Free);
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn what_changed_in_a_gap_is_followed_and_if_both_did_then_who_hands_out_no_work() {
    for (map, center, crm, expected) in [
        (both(), "meal", "online", "meal lunch"),
        (both(), "on_queue", "lunch", "meal lunch"),
        (both(), "break", "lunch", "break lunch"),
        (one(), "on_queue", "online", "on_queue busy"),
        (one(), "on_queue", "lunch", "meal lunch"),
        (one(), "meal", "online", "meal lunch"),
        (with(one(), |one| one.master = Master::Crm), "meal", "online", "busy online"),
    ] {
        let mut desk = Desk::new(&map);
        let event = desk.choose(Side::Center, "training");
        desk.tell(event);
        Side::ALL.iter().for_each(|side| drop(desk.decide(Event::Gap(*side))));
        desk.choose(Side::Center, center);
        desk.choose(Side::Crm, crm);
        desk.compare();
        desk.wait(30);
        assert_eq!(desk.told(), expected, "{center} {crm}");
    }
}

#[test]
fn however_both_are_found_they_come_to_rest_and_stay() {
    let statuses = known().map(|known| known.statuses);
    for (map, master) in
        [one(), both()].iter().flat_map(|map| Master::ALL.iter().map(move |by| (map, *by)))
    {
        let map = with(map.clone(), |settings| settings.master = master);
        for (center, crm) in
            statuses[0].iter().flat_map(|one| statuses[1].iter().map(move |other| (one, other)))
        {
            let mut desk = Desk::found(&map, [center.id.as_str(), crm.id.as_str()]);
            desk.wait(60);
            let found =
                format!("{:?} {master:?} {} {}", map.settings().scenario, center.id, crm.id);
            assert!(desk.state.is_settled(&map), "{found}");
            let rests = desk.told();
            desk.compare();
            desk.wait(60);
            assert_eq!(desk.told(), rests, "{found}");
            let [shows, other] = &desk.statuses;
            let works_twice =
                map.is_mapped_work(Side::Center, shows) && map.is_mapped_work(Side::Crm, other);
            let is_allowed = map.settings().scenario == Scenario::Both
                && map.is_paired(Side::Center, shows, other);
            assert!(!works_twice || is_allowed, "{found} comes to {rests}");
            // Work is entered by nobody but the agent, unless the other side is at work as well.
            for (side, status) in [(Side::Center, shows), (Side::Crm, other)] {
                let before = [&center.id, &crm.id][side.index()];
                let is_put = map.is_work(side, status) && !map.is_work(side, before);
                assert!(!is_put || works_twice, "{found} comes to {rests}");
            }
        }
    }
}

#[test]
fn a_comparison_repairs_what_no_event_told() {
    let mut desk = at_work();
    desk.choose(Side::Center, "meal");
    desk.compare();
    desk.wait(30);
    assert_eq!(desk.told(), "meal lunch");
    desk.work = [Work::Handling, Work::Free];
    desk.work_version[0] += 1;
    desk.choose(Side::Center, "on_queue");
    desk.compare();
    assert_eq!(desk.told(), "on_queue transition");
}

#[test]
fn two_statuses_of_one_version_are_read() {
    let mut desk = at_work();
    let version = desk.version[0];
    let odd = Event::Status { side: Side::Center, status: "meal".into(), version };
    assert_eq!(desk.decide(odd), [Action::Read(Side::Center)]);
    desk.statuses[0] = "meal".into();
    let reading = desk.reading(Side::Center);
    desk.tell(Event::Read { side: Side::Center, reading });
    desk.wait(30);
    assert_eq!(desk.told(), "meal lunch");
}

#[test]
fn after_a_restart_a_cover_is_known_for_a_cover() {
    let mut desk = at_work();
    desk.at_hand(Side::Center, Work::Handling);
    assert_eq!(desk.told(), "on_queue transition");
    desk.state = State::resume(desk.state.kept.clone(), desk.now);
    desk.compare();
    assert_eq!(desk.told(), "on_queue transition");
    desk.at_hand(Side::Center, Work::Free);
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn what_was_in_the_air_at_a_restart_is_known_for_ours() {
    for is_over in [false, true] {
        let mut desk = at_work();
        let command = covering(&mut desk);
        desk.state = State::resume(desk.state.kept.clone(), desk.now);
        let echo = land(&mut desk, &command);
        if is_over {
            (desk.work[0], desk.work_version[0]) = (Work::Free, desk.work_version[0] + 1);
        }
        // Told before both were read: it is not taken for an act either.
        desk.tell(echo);
        desk.compare();
        // Its answer is lost, so it is looked into when its time is over.
        desk.wait(10);
        assert_eq!(desk.told(), if is_over { "on_queue online" } else { "on_queue transition" });
    }
}

#[test]
fn after_a_restart_the_end_of_an_item_that_was_missed_is_made_good() {
    let mut desk = at_work();
    desk.at_hand(Side::Center, Work::Handling);
    desk.state = State::resume(desk.state.kept.clone(), desk.now);
    desk.work[0] = Work::Free;
    desk.work_version[0] += 1;
    desk.compare();
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn another_map_is_followed_when_both_sides_are_compared_next() {
    let mut desk = at_work();
    for (map, told) in [(one(), "on_queue busy"), (both(), "on_queue online")] {
        desk.map = map;
        desk.state = State::resume(desk.state.kept.clone(), desk.now);
        desk.compare();
        assert_eq!(desk.told(), told);
    }
}

#[test]
fn nobody_is_put_to_work_while_the_other_side_does_not_tell() {
    let mut desk = at_work();
    desk.at_hand(Side::Center, Work::Handling);
    assert_eq!(desk.told(), "on_queue transition");
    desk.tell(Event::Lost(Side::Center));
    desk.at_hand(Side::Center, Work::Free);
    assert_eq!(desk.told(), "on_queue transition");
    desk.tell(Event::Gap(Side::Center));
    assert_eq!(desk.told(), "on_queue online");
}

#[test]
fn after_a_restart_consoles_have_three_times_the_grace_to_come_back() {
    let mut desk = at_work();
    desk.map = with(both(), |settings| settings.on_console_gone = OnConsoleGone::StepOut);
    desk.state = State::resume(desk.state.kept.clone(), desk.now);
    desk.state.console_gone = Some(desk.now);
    desk.compare();
    desk.wait(14);
    assert_eq!(desk.told(), "on_queue online");
    desk.wait(1);
    assert_eq!(desk.told(), "available online ConsoleGone");
}

#[test]
fn a_wake_up_is_asked_for_once() {
    let mut desk = at_work();
    let act = desk.choose(Side::Center, "meal");
    desk.tell(act);
    let until = desk.now.plus(desk.map.settings().transition.dwell);
    assert_eq!(desk.state.wake, Some(until));
    assert_eq!(desk.decide(Event::Tick), []);
}
