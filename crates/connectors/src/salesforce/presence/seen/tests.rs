//! Rows of Omni-Channel, and what they mean.

use super::{AtHand, Item, Known, OFFLINE, Place, Shown, Status, growing, status, version, work};
use domain::Timestamp;
use domain::presence::Work;
use kit::presence::Seen;

/// Seconds as moments.
fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000)
}

fn row(id: &str, start: i64, end: Option<i64>) -> Shown {
    let (id, status) = (id.to_owned(), format!("status of {id}"));
    Shown { id, status, start: at(start), end: end.map(at), is_current: end.is_none() }
}

fn open(number: u64, offered: i64) -> Item {
    let offered = at(offered);
    Item { is_open: true, offered: Place(offered, number), missed: None, moments: vec![offered] }
}

fn closed(item: &Item, end: i64) -> Item {
    let mut item = Item { is_open: false, ..item.clone() };
    item.moments.push(at(end));
    item
}

fn missed(item: &Item, end: i64) -> Item {
    Item { missed: Some(at(end)), ..closed(item, end) }
}

fn known(row: Option<&str>, moment: i64, version: u64, at_hand: AtHand) -> Known {
    let status = row.unwrap_or(OFFLINE).into();
    let seen = Seen { status, version, work: at_hand.work, work_version: at_hand.version };
    let (row, offered) = (row.map(str::to_owned), at_hand.offered);
    Known { row, moment: at(moment), seen, offered, read: at(moment) }
}

fn free() -> AtHand {
    AtHand { work: Work::Free, version: 1, offered: None }
}

#[test]
fn what_is_current_is_shown_and_else_nobody_is_there() {
    let rows = [row("a", 5, Some(9)), row("b", 9, None)];
    let shown = "status of b".into();
    let since = Status::Since { row: Some("b".to_owned()), status: shown, moment: at(9) };
    assert_eq!(status(&rows), since);
    let out = Status::Since { row: None, status: OFFLINE.into(), moment: at(9) };
    assert_eq!(status(&rows[..1]), out);
    assert_eq!(status(&[]), Status::Out);
}

#[test]
fn each_change_of_one_second_has_a_higher_version() {
    // On, another status, out, on again and out: all at second 7.
    let steps: [Vec<Shown>; 5] = [
        vec![row("a", 7, None)],
        vec![row("a", 7, Some(7)), row("b", 7, None)],
        vec![row("a", 7, Some(7)), row("b", 7, Some(7))],
        vec![row("a", 7, Some(7)), row("b", 7, Some(7)), row("c", 7, None)],
        vec![row("a", 7, Some(7)), row("b", 7, Some(7)), row("c", 7, Some(7))],
    ];
    let versions: Vec<u64> = steps.iter().map(|rows| version(at(7), rows)).collect();
    assert_eq!(versions, [7_001, 7_003, 7_004, 7_005, 7_006]);
    // What ended then and began before counts, what is elsewhere does not.
    let rows = [row("a", 2, Some(7)), row("b", 7, None), row("c", 1, Some(2))];
    assert_eq!(version(at(7), &rows), 7_002);
}

#[test]
fn another_row_is_newer_than_what_was_seen_unless_it_is_older_by_its_date() {
    let seen = known(Some("a"), 7, 7_009, free());
    let grown = |row: Option<&str>, moment, version| {
        growing(Some(&seen), row.map(str::to_owned).as_ref(), at(moment), version)
    };
    assert_eq!(grown(Some("a"), 7, 7_001), 7_009, "the same");
    assert_eq!(grown(Some("b"), 7, 7_002), 7_010, "in the same second");
    assert_eq!(grown(None, 8, 8_001), 8_001, "later");
    assert_eq!(grown(Some("z"), 6, 6_001), 6_001, "earlier");
    assert_eq!(growing(None, None, at(6), 6_001), 6_001, "never seen");
}

#[test]
fn what_was_offered_last_and_missed_is_told_when_nothing_is_open() {
    let (first, second) = (open(1, 20), open(2, 30));
    let told = |items: &[Item], shown, known| work(items, at(shown), at(0), known).work;
    assert_eq!(told(&[], 10, None), Work::Free);
    assert_eq!(told(std::slice::from_ref(&first), 10, None), Work::Handling);
    assert_eq!(told(&[missed(&first, 25)], 10, None), Work::Missed);
    assert_eq!(told(&[missed(&first, 25)], 26, None), Work::Free, "another status since");
    assert_eq!(told(&[missed(&first, 25), second.clone()], 10, None), Work::Handling);
    assert_eq!(told(&[missed(&first, 25), closed(&second, 35)], 10, None), Work::Free);
    // The first is closed after the second was missed.
    assert_eq!(told(&[closed(&first, 40), missed(&second, 35)], 10, None), Work::Missed);
    // Of two of one second, the number tells which was last.
    let twin = open(2, 20);
    assert_eq!(told(&[missed(&first, 20), closed(&twin, 20)], 10, None), Work::Free);
}

#[test]
fn what_was_missed_is_remembered_when_it_is_told_no_more() {
    let item = open(1, 20);
    let at_hand = work(&[missed(&item, 25)], at(10), at(0), None);
    let version = at_hand.version;
    let seen = known(Some("a"), 10, 10_001, at_hand);
    let again = work(&[], at(10), at(1_000), Some(&seen));
    assert_eq!((again.work, again.version), (Work::Missed, version));
    let cleared = work(&[], at(26), at(1_000), Some(&seen));
    assert_eq!(cleared.work, Work::Free);
    assert!(cleared.version > version, "{cleared:?}");
    // The same after a restart, which has no memory.
    let restarted = work(&[missed(&item, 25)], at(26), at(0), None);
    assert!(restarted.work == Work::Free && restarted.version > version, "{restarted:?}");
}

#[test]
fn work_that_ends_without_a_trace_is_news_all_the_same() {
    let at_hand = work(&[open(1, 20)], at(10), at(0), None);
    let version = at_hand.version;
    let seen = known(Some("a"), 10, 10_001, at_hand);
    let gone = work(&[], at(10), at(1_000), Some(&seen));
    assert_eq!((gone.work, gone.version), (Work::Free, version + 1));
}

#[test]
fn who_had_nothing_at_hand_since_a_day_is_free_since_then_at_least() {
    let idle = work(&[], at(10), at(5_000), None);
    assert_eq!((idle.work, idle.version), (Work::Free, 5_000_000));
}
