use super::span;
use domain::Timestamp;
use state::reconcile::{Counts, Run, RunState, Step};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn run(state: RunState, since: Timestamp, until: Timestamp) -> Run {
    Run {
        id: 1,
        due_at: None,
        is_dry: false,
        since,
        until,
        state,
        step: Step::Writes,
        cursor: None,
        reached: None,
        counts: Counts::new(),
        note: None,
        started_at: until,
        updated_at: until,
        ended_at: Some(until),
    }
}

#[test]
fn a_run_looks_back_to_where_the_last_one_was_whole() {
    let now = Timestamp(1_795_292_100_000);
    let ago = |hours: u32| now.minus(HOUR * hours);
    let day = HOUR * 24;
    let check = |earlier: &[Run], is_scheduled, expected| {
        assert_eq!(span(earlier, now, day, is_scheduled, None), expected, "{earlier:?}");
    };
    check(&[], true, ago(24));
    let whole = run(RunState::Done, ago(100), ago(60));
    check(std::slice::from_ref(&whole), true, ago(60));
    check(std::slice::from_ref(&whole), false, ago(24));
    let partial = run(RunState::Partial, ago(90), ago(50));
    check(&[partial.clone(), whole.clone()], false, ago(90));
    let recent = run(RunState::Done, ago(5), ago(2));
    check(&[recent.clone(), partial], true, ago(24));
    let dry = Run { is_dry: true, ..recent };
    check(&[dry, whole], true, ago(60));
    let ancient = run(RunState::Partial, ago(2_000), ago(1_900));
    check(std::slice::from_ref(&ancient), true, ago(7 * 24));
    assert_eq!(span(&[ancient], now, day, true, Some(HOUR * 30)), ago(30), "forgotten is gone");
}
