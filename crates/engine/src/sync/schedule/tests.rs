//! When runs come, and what is refused.

use super::Schedule;
use domain::Timestamp;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::new(text, zone).expect(text)
}

/// The next times after one, each after the one before.
fn check(text: &str, zone: &str, after: &str, expected: &[&str]) {
    let schedule = schedule(text, zone);
    let mut now = at(after);
    for expected in expected {
        let next = schedule.next(now).expect("a next time");
        assert_eq!(next.to_string(), at(expected).to_string(), "{text} after {now}");
        assert_eq!(schedule.last(next), Some(next), "{text}");
        let before = Timestamp(next.0 - 1);
        assert!(schedule.last(before).is_none_or(|last| last <= now), "{text}");
        now = next;
    }
}

#[test]
fn a_sync_comes_every_thirty_minutes_if_nothing_is_said() {
    assert_eq!(Schedule::default().to_string(), "every 30 minutes");
    let next = Schedule::default().next(at("2026-11-22T10:00:00Z"));
    assert_eq!(next, Some(at("2026-11-22T10:30:00Z")));
}

#[test]
fn a_period_begins_at_its_multiples() {
    let after = "2026-11-22T10:07:30Z";
    check("5m", "UTC", after, &["2026-11-22T10:10:00Z", "2026-11-22T10:15:00Z"]);
    check("every 15 minutes", "UTC", after, &["2026-11-22T10:15:00Z", "2026-11-22T10:30:00Z"]);
    check("30 min", "Europe/Berlin", after, &["2026-11-22T10:30:00Z"]);
    check("hourly", "UTC", after, &["2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"]);
    check("every hour", "UTC", after, &["2026-11-22T11:00:00Z"]);
    check("5s", "UTC", after, &["2026-11-22T10:07:35Z"]);
}

#[test]
fn a_day_is_the_zones_own() {
    let after = "2026-11-22T10:07:30Z";
    check("daily", "UTC", after, &["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"]);
    check("daily", "Asia/Kolkata", after, &["2026-11-23T00:00:00+05:30"]);
    check("daily at 03:15", "America/New_York", after, &["2026-11-23T03:15:00-05:00"]);
    check("Daily 12:00", "UTC", "2026-11-22T12:00:00Z", &["2026-11-23T12:00:00Z"]);
}

#[test]
fn a_pattern_of_cron_is_followed() {
    let after = "2026-11-22T10:07:30Z"; // a Sunday
    let check = |text, expected: &[&str]| check(text, "UTC", after, expected);
    check(
        "*/20 * * * *",
        &["2026-11-22T10:20:00Z", "2026-11-22T10:40:00Z", "2026-11-22T11:00:00Z"],
    );
    check(
        "0 6-8/2,22 * * MON-fri",
        &["2026-11-23T06:00:00Z", "2026-11-23T08:00:00Z", "2026-11-23T22:00:00Z"],
    );
    check(
        "5/25 10 * * 0",
        &["2026-11-22T10:30:00Z", "2026-11-22T10:55:00Z", "2026-11-29T10:05:00Z"],
    );
    check("0 0 * * 7", &["2026-11-29T00:00:00Z"]);
    check(
        "0 12 L * *",
        &[
            "2026-11-30T12:00:00Z",
            "2026-12-31T12:00:00Z",
            "2027-01-31T12:00:00Z",
            "2027-02-28T12:00:00Z",
        ],
    );
    check("0 0 1,L feb *", &["2027-02-01T00:00:00Z", "2027-02-28T00:00:00Z"]);
    check("0 0 29 2 *", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    // Both days told: either.
    check(
        "0 0 13 * fri",
        &[
            "2026-11-27T00:00:00Z",
            "2026-12-04T00:00:00Z",
            "2026-12-11T00:00:00Z",
            "2026-12-13T00:00:00Z",
        ],
    );
    check("0 0 */2 * 1", &["2026-11-23T00:00:00Z", "2026-12-07T00:00:00Z"]);
}

#[test]
fn the_29th_of_february_is_found_over_a_year_that_has_none_though_it_could() {
    check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
}

#[test]
fn what_falls_into_the_missing_hour_comes_an_hour_later() {
    // On 29 March 2026 the clocks in Berlin went from 02:00 to 03:00.
    let after = "2026-03-28T12:00:00Z";
    let (first, second) = ("2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00");
    check("daily 02:30", "Europe/Berlin", after, &[first, second]);
    check("30 2 * * *", "Europe/Berlin", after, &[first, second]);
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-03-29T01:30:00+01:00",
        &["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:00:00+02:00"],
    );
}

#[test]
fn an_hour_that_comes_twice_counts_once_unless_every_hour_does() {
    // On 25 October 2026 the clocks in Berlin went from 03:00 back to 02:00.
    let after = "2026-10-25T00:00:00+02:00";
    let (first, second) = ("2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00");
    check("daily 02:30", "Europe/Berlin", after, &[first, second]);
    check("30 2 * * *", "Europe/Berlin", after, &[first, second]);
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2026-10-25T02:00:00+02:00",
        &["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"],
    );
}

#[test]
fn a_day_that_a_country_left_out_is_made_up_for() {
    // Samoa went from the evening of 29 December 2011 to the morning of the 31st.
    check(
        "daily 10:00",
        "Pacific/Apia",
        "2011-12-29T12:00:00-10:00",
        &["2011-12-31T10:00:00+14:00", "2012-01-01T10:00:00+14:00"],
    );
}

#[test]
fn missed_times_are_made_up_for_by_one_run() {
    let daily = schedule("daily 03:00", "UTC");
    let day = |day: &str| at(&format!("2026-11-{day}Z"));
    let due = |begun: Option<&str>, now: &str| daily.due(begun.map(day), day(now));
    assert_eq!(due(None, "20T12:00:00"), Some(day("20T03:00:00")));
    assert_eq!(due(Some("20T03:00:00"), "20T12:00:00"), None);
    assert_eq!(due(Some("20T03:00:00"), "21T02:59:59"), None);
    assert_eq!(due(Some("20T03:00:00"), "21T03:00:00"), Some(day("21T03:00:00")));
    assert_eq!(due(Some("10T03:00:00"), "20T12:00:00"), Some(day("20T03:00:00")));
    assert_eq!(due(Some("25T03:00:00"), "20T12:00:00"), None, "a clock that went back");
}

#[test]
fn what_is_no_schedule_is_refused_by_its_part() {
    for (text, zone, words) in [
        ("", "UTC", "no schedule"),
        ("often", "UTC", "write 5m"),
        ("5 fortnights", "UTC", "`5 fortnights`"),
        ("every", "UTC", "no schedule"),
        ("4s", "UTC", "from 5s to 24h"),
        ("25h", "UTC", "from 5s to 24h"),
        ("18446744073709551615h", "UTC", "from 5s to 24h"),
        ("0m", "UTC", "from 5s to 24h"),
        ("-5m", "UTC", "no schedule"),
        ("daily 3:00", "UTC", "`3:00` is no time of day"),
        ("daily at 24:00", "UTC", "`24:00`"),
        ("* * * *", "UTC", "no schedule"),
        ("60 * * * *", "UTC", "`60` is no minute of a cron pattern: 0 to 59"),
        ("* 24 * * *", "UTC", "`24` is no hour"),
        ("* * 0 * *", "UTC", "`0` is no day of month"),
        ("* * * foo *", "UTC", "`foo` is no month of a cron pattern: 1 to 12 or jan to dec"),
        ("* * * * 8", "UTC", "`8` is no day of week"),
        ("*/0 * * * *", "UTC", "`*/0` is no minute"),
        ("*/99 * * * *", "UTC", "`*/99` is no minute"),
        ("30-10 * * * *", "UTC", "`30-10` is no minute"),
        ("1,,2 * * * *", "UTC", "`` is no minute"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("30m", "Europe/Nowhere", "`Europe/Nowhere` is no time zone"),
    ] {
        let error = Schedule::new(text, zone).expect_err(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_schedule_is_told_in_words() {
    for (text, words) in [
        ("5m", "every 5 minutes"),
        ("60 minutes", "hourly"),
        ("2h", "every 2 hours"),
        ("90s", "every 90 seconds"),
        ("daily", "daily at 00:00 Europe/Berlin"),
        ("0  3 * *  Mon", "cron 0 3 * * mon Europe/Berlin"),
    ] {
        assert_eq!(schedule(text, "Europe/Berlin").to_string(), words);
    }
}

#[test]
fn a_pattern_and_the_clock_gone_through_minute_by_minute_agree() {
    let zones = ["UTC", "Asia/Kolkata", "America/Lima"]; // none of them changes its clocks
    let patterns =
        ["7 */5 * * *", "*/17 3,4 * * 2", "59 23 L,15 * *", "0 0 1-7 * 1", "13 1 * 11 *"];
    for (at_zone, zone) in zones.iter().enumerate() {
        let tz = jiff::tz::TimeZone::get(zone).expect("a zone");
        for text in patterns {
            let schedule = schedule(text, zone);
            let pattern = super::Pattern::parse(text).expect("a pattern");
            let start =
                at("2026-11-20T05:00:00Z").0 + i64::try_from(at_zone).expect("small") * 3_600_000;
            let brute = (1..60 * 24 * 40i64).map(|minute| start + minute * 60_000).find(|ms| {
                let local = jiff::Timestamp::from_millisecond(*ms).expect("in range");
                let local = local.to_zoned(tz.clone());
                pattern.of_day(local.date()).contains(&local.time())
            });
            assert_eq!(schedule.next(Timestamp(start)), brute.map(Timestamp), "{text} {zone}");
        }
    }
}
