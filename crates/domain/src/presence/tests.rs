//! Both scenarios as tables: what happens, and what both sides show then.

mod desk;
mod faults;
mod hard;
mod model;
mod witness;
mod world;

use super::*;
use desk::{both, check, one};

#[test]
fn one_at_a_time_who_works_in_one_product_is_given_nothing_by_the_other() {
    check(
        &one(),
        &[
            ("", "available transition"),
            ("center on_queue", "on_queue busy"),
            ("center available", "available transition"),
            ("crm online", "busy online"),
            ("crm transition", "available transition"),
            ("crm chat", "busy chat"),
            // From one product straight to the other, by the agent's own hand.
            ("center on_queue", "on_queue busy"),
            ("crm online", "busy online"),
            ("center on_queue", "on_queue busy"),
        ],
    );
}

#[test]
fn one_at_a_time_who_leaves_work_is_in_transition_for_the_dwell_and_then_follows_the_map() {
    check(
        &one(),
        &[
            ("center on_queue", "on_queue busy"),
            ("center meal", "meal transition"),
            ("wait 29", "meal transition"),
            ("wait 1", "meal lunch"),
            ("crm online", "busy online"),
            ("crm lunch", "available lunch"),
            ("wait 30", "meal lunch"),
        ],
    );
}

#[test]
fn one_at_a_time_nothing_but_the_agent_ever_enters_work() {
    check(
        &one(),
        &[
            // `busy` is what goes with work of the other side; chosen by hand it is just busy.
            ("crm busy", "available busy"),
            ("wait 999", "available busy"),
            ("center busy", "busy busy"),
            ("wait 999", "busy busy"),
            ("center on_queue", "on_queue busy"),
            ("center busy", "busy transition"),
            ("wait 999", "busy transition"),
        ],
    );
}

#[test]
fn one_at_a_time_items_move_nothing() {
    check(
        &one(),
        &[
            ("center on_queue", "on_queue busy"),
            ("center +item", "on_queue busy"),
            ("center available", "available transition"),
            ("crm online", "busy online"),
            ("center -item", "busy online"),
            ("crm +item", "busy online"),
            ("crm -item", "busy online"),
        ],
    );
}

#[test]
fn both_at_once_work_goes_with_work_and_leaving_leads_to_transition() {
    check(
        &both(),
        &[
            ("", "available transition"),
            ("center on_queue", "on_queue online"),
            ("center available", "available transition"),
            ("crm chat", "on_queue chat"),
            ("crm online", "on_queue online"),
            ("crm transition", "available transition"),
            ("center on_queue", "on_queue online"),
            ("center meal", "meal transition"),
            ("wait 30", "meal lunch"),
            // Two statuses lead to `lunch`; `lunch` leads back to the stated one.
            ("center break", "break lunch"),
            ("crm online", "on_queue online"),
            ("crm lunch", "available lunch"),
            ("wait 30", "meal lunch"),
        ],
    );
}

#[test]
fn both_at_once_the_other_side_is_in_transition_while_an_item_is_handled() {
    check(
        &both(),
        &[
            ("crm chat", "on_queue chat"),
            ("center +item", "on_queue transition"),
            ("center acw", "on_queue transition"),
            // Back to where the agent was, which is not where the map would lead.
            ("center -item", "on_queue chat"),
            ("crm +item", "available chat"),
            ("crm -item", "on_queue chat"),
        ],
    );
}

#[test]
fn both_at_once_after_call_work_counts_only_where_it_is_said() {
    let map = desk::with(both(), |settings| settings.after_call_counts = false);
    check(
        &map,
        &[
            ("center on_queue", "on_queue online"),
            ("center +item", "on_queue transition"),
            ("center acw", "on_queue online"),
            ("center -item", "on_queue online"),
        ],
    );
}

#[test]
fn both_at_once_who_was_offered_work_by_both_gets_no_more_until_one_item_is_done() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("center +item; crm +item", "available transition"),
            ("center -item", "available online"),
            ("crm -item", "on_queue online"),
            ("crm +item; center +item", "available transition"),
            ("crm -item", "on_queue transition"),
            ("center -item", "on_queue online"),
        ],
    );
}

#[test]
fn both_at_once_what_the_agent_chooses_while_handling_holds_unless_it_is_more_work() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("center +item", "on_queue transition"),
            // More work: it waits until the item is over.
            ("crm chat", "on_queue transition"),
            ("center -item", "on_queue chat"),
            ("center +item", "on_queue transition"),
            // Less work: at once, and the call goes on.
            ("crm lunch", "available lunch"),
            ("wait 30", "meal lunch"),
            ("center -item", "meal lunch"),
            // Leaving the queue in mid-call.
            ("center on_queue", "on_queue online"),
            ("center +item", "on_queue transition"),
            ("center available", "available transition"),
            ("center -item", "available transition"),
            ("wait 999", "available transition"),
            // The covered side may be left too.
            ("center on_queue", "on_queue online"),
            ("crm +item", "available online"),
            ("center meal", "meal transition"),
            ("wait 30", "meal lunch"),
            ("crm -item", "meal lunch"),
        ],
    );
}

#[test]
fn an_act_in_the_dwell_is_the_newest_word() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("center meal", "meal transition"),
            ("center on_queue", "on_queue online"),
            ("center meal", "meal transition"),
            ("wait 10", "meal transition"),
            ("crm online", "on_queue online"),
            ("center meal", "meal transition"),
            ("wait 10", "meal transition"),
            // Another status without work does not cut the transition short.
            ("center break", "break transition"),
            ("wait 20", "break lunch"),
            ("center on_queue", "on_queue online"),
            ("center meal", "meal transition"),
            ("crm lunch", "meal lunch"),
        ],
    );
}

#[test]
fn what_nobody_mapped_is_left_alone_and_throws_nobody_anywhere() {
    check(
        &both(),
        &[
            ("center training", "training transition"),
            ("crm training", "training training"),
            ("center meal", "meal lunch"),
            ("center training", "training lunch"),
            ("crm online", "on_queue online"),
            // Work was left, so the other side leaves it too.
            ("center training", "training transition"),
            ("wait 999", "training transition"),
            // Work that nobody mapped is nobody's business here, only said.
            ("center on_queue", "on_queue online"),
            ("crm social", "on_queue social BothWork"),
            ("center +item", "on_queue social BothWork"),
            ("crm brand_new", "on_queue brand_new"),
        ],
    );
    check(
        &one(),
        &[
            ("center on_queue", "on_queue busy"),
            ("crm training", "on_queue training"),
            ("crm social", "on_queue social BothWork"),
            ("center available", "available social"),
        ],
    );
}

#[test]
fn one_master_leads_and_the_other_side_may_only_step_out_of_work() {
    let map = desk::with(both(), |settings| settings.master = Master::Center);
    check(
        &map,
        &[
            ("crm online", "available online"),
            ("center on_queue", "on_queue online"),
            ("crm lunch", "on_queue lunch"),
            ("crm chat", "on_queue chat"),
            ("center +item", "on_queue transition"),
            ("center -item", "on_queue chat"),
            // Whoever leads, work of the mirror covers the master.
            ("crm +item", "available chat"),
            ("crm -item", "on_queue chat"),
            ("center meal; wait 30", "meal lunch"),
            ("crm online", "meal lunch"),
        ],
    );
    let map = desk::with(one(), |settings| settings.master = Master::Center);
    check(
        &map,
        &[
            ("center on_queue", "on_queue busy"),
            ("crm online", "on_queue busy"),
            ("crm training", "on_queue training"),
            ("center available", "available training"),
            ("crm online", "available online"),
            ("center on_queue", "on_queue busy"),
            ("center available", "available transition"),
        ],
    );
    let map = desk::with(one(), |settings| settings.master = Master::Crm);
    check(
        &map,
        &[
            ("crm online", "busy online"),
            ("center on_queue", "busy online"),
            ("crm lunch", "available lunch"),
            ("wait 30", "meal lunch"),
            ("center training", "training lunch"),
        ],
    );
}

#[test]
fn who_missed_work_waits_or_is_brought_back_or_steps_out() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("center missed", "on_queue transition"),
            ("wait 999", "on_queue transition"),
            ("center -item", "on_queue online"),
            // The CRM does not say when somebody is back: an act does.
            ("crm missed", "available online"),
            ("wait 999", "available online"),
            ("crm chat", "on_queue chat"),
        ],
    );
    let after = std::time::Duration::from_secs(20);
    let map = desk::with(both(), |one| one.on_missed = OnMissed::BringBack(after));
    check(
        &map,
        &[
            ("center on_queue", "on_queue online"),
            ("center missed", "on_queue transition"),
            ("wait 19", "on_queue transition"),
            ("wait 1", "on_queue online, brought back"),
            ("crm missed", "available online"),
            ("wait 20", "on_queue online"),
        ],
    );
    let map = desk::with(both(), |one| one.on_missed = OnMissed::StepOut);
    check(
        &map,
        &[
            ("center on_queue", "on_queue online"),
            ("center missed", "available transition"),
            ("center -item", "available transition"),
            ("crm chat", "on_queue chat"),
            ("crm missed", "available transition"),
            ("crm chat", "on_queue chat"),
        ],
    );
    let map = desk::with(one(), |settings| settings.on_missed = OnMissed::StepOut);
    check(
        &map,
        &[
            ("center on_queue", "on_queue busy"),
            ("center missed", "available transition"),
            ("crm online", "busy online"),
            ("crm missed", "available transition"),
        ],
    );
}

#[test]
fn without_a_console_nothing_is_set_in_the_crm_and_it_is_said() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("console gone", "on_queue online"),
            // The page is loaded anew: no word of it.
            ("wait 4; console back", "on_queue online"),
            ("console gone; wait 5", "on_queue online ConsoleGone"),
            ("center +item", "on_queue online ConsoleGone BothWork"),
            ("console back", "on_queue transition"),
            ("console gone", "on_queue transition"),
            ("center -item; wait 5", "on_queue transition ConsoleGone"),
            ("console back", "on_queue online"),
        ],
    );
    let step_out = |one: &mut Settings| one.on_console_gone = OnConsoleGone::StepOut;
    check(
        &desk::with(both(), step_out),
        &[
            ("center on_queue", "on_queue online"),
            ("console gone; wait 5", "available online ConsoleGone"),
            ("console back", "available transition"),
            ("center on_queue", "on_queue online"),
            // In transition the CRM hands out nothing, so the call goes on as it is.
            ("center +item", "on_queue transition"),
            ("console gone; wait 5", "on_queue transition ConsoleGone"),
            ("center -item", "on_queue transition ConsoleGone"),
            ("console back", "on_queue online"),
        ],
    );
    check(
        &desk::with(one(), step_out),
        &[
            ("crm online", "busy online"),
            ("console gone; wait 5", "busy online ConsoleGone"),
            ("center on_queue", "available online ConsoleGone"),
            ("console back", "available transition"),
        ],
    );
}

#[test]
fn nobody_is_logged_in_or_out() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            // As when the browser was closed.
            ("crm offline", "on_queue offline"),
            ("center +item", "on_queue offline"),
            ("center -item", "on_queue offline"),
            ("crm online", "on_queue online"),
            // Logging in as busy is not leaving work.
            ("crm offline", "on_queue offline"),
            ("crm busy", "on_queue busy"),
            ("crm online", "on_queue online"),
            ("center +item", "on_queue transition"),
            ("crm offline", "on_queue offline"),
            // The CRM takes up where it was: that is no act.
            ("crm transition", "on_queue transition"),
            ("center -item", "on_queue online"),
            ("center offline", "offline transition"),
            ("crm online", "offline online"),
            ("center on_queue", "on_queue online"),
        ],
    );
    check(
        &one(),
        &[
            ("center on_queue", "on_queue busy"),
            ("center offline", "offline transition"),
            ("wait 999", "offline transition"),
            ("crm online", "offline online"),
        ],
    );
}

#[test]
fn what_a_system_sets_itself_is_nobodys_act() {
    check(
        &both(),
        &[
            ("center meal", "meal lunch"),
            ("center idle", "idle lunch"),
            ("center meal", "meal lunch"),
            ("center idle", "idle lunch"),
            ("center on_queue", "on_queue online"),
        ],
    );
}

#[test]
fn who_is_paused_is_left_alone_and_followed_afterwards() {
    check(
        &both(),
        &[
            ("center on_queue", "on_queue online"),
            ("pause", "on_queue online"),
            ("center +item", "on_queue online BothWork"),
            ("center -item", "on_queue online"),
            ("center meal", "meal online"),
            ("resume", "meal transition"),
            ("wait 30", "meal lunch"),
        ],
    );
}
