//! The stored form of what outlives a restart of an agent. A field that is added later needs
//! a default; none is ever renamed.

use crate::error::{Error, Result};
use domain::Timestamp;
use domain::presence::{By, Decided, Flight, Kept, Shown, Side, StatusId};
use serde::{Deserialize, Serialize};

const ODD: Error = Error::Corrupt { what: "how an agent stands" };

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Form {
    shown: [Option<(String, u64)>; 2],
    goals: [Option<String>; 2],
    /// Who, and when.
    decided: Option<(String, i64)>,
    flights: [Option<Air>; 2],
    /// The side, and until when.
    dwell: Option<(String, i64)>,
    number: u64,
    map: Option<u64>,
    paused: bool,
    /// Since when each side shows what it shows.
    since: [Option<i64>; 2],
}

/// A command in the air.
#[derive(Serialize, Deserialize)]
struct Air {
    number: u64,
    status: String,
    fence: u64,
    until: i64,
    doubtful: bool,
    ask: i64,
}

pub(super) fn written(kept: &Kept, since: [Option<Timestamp>; 2]) -> Result<String> {
    let text = |status: &StatusId| status.as_str().to_owned();
    let air = |one: &Flight| Air {
        number: one.number,
        status: text(&one.status),
        fence: one.fence,
        until: one.until.0,
        doubtful: one.is_doubtful,
        ask: one.ask.0,
    };
    let form = Form {
        shown: kept
            .shown
            .each_ref()
            .map(|one| one.as_ref().map(|shown| (text(&shown.status), shown.version))),
        goals: kept.goals.each_ref().map(|goal| goal.as_ref().map(text)),
        decided: kept.decided.map(|one| (one.by.as_str().to_owned(), one.at.0)),
        flights: kept.flights.each_ref().map(|one| one.as_ref().map(air)),
        dwell: kept.dwell.map(|(side, until)| (side.as_str().to_owned(), until.0)),
        number: kept.number,
        map: kept.map,
        paused: kept.is_paused,
        since: since.map(|at| at.map(|at| at.0)),
    };
    serde_json::to_string(&form).map_err(|_| ODD)
}

pub(super) fn read(text: &str) -> Result<(Kept, [Option<Timestamp>; 2])> {
    let form: Form = serde_json::from_str(text).map_err(|_| ODD)?;
    let status = |text: String| StatusId::from(text.as_str());
    let flight = |air: Air| Flight {
        number: air.number,
        status: status(air.status),
        fence: air.fence,
        until: Timestamp(air.until),
        is_doubtful: air.doubtful,
        ask: Timestamp(air.ask),
    };
    let decided = form
        .decided
        .map(|(by, at)| Ok(Decided { by: By::parse(&by).ok_or(ODD)?, at: Timestamp(at) }));
    let dwell =
        form.dwell.map(|(side, until)| Ok((Side::parse(&side).ok_or(ODD)?, Timestamp(until))));
    let kept = Kept {
        shown: form
            .shown
            .map(|one| one.map(|(text, version)| Shown { status: status(text), version })),
        goals: form.goals.map(|goal| goal.map(status)),
        decided: decided.transpose()?,
        flights: form.flights.map(|one| one.map(flight)),
        dwell: dwell.transpose()?,
        number: form.number,
        map: form.map,
        is_paused: form.paused,
    };
    Ok((kept, form.since.map(|at| at.map(Timestamp))))
}

#[cfg(test)]
mod tests {
    use super::{read, written};
    use domain::Timestamp;
    use domain::presence::{By, Decided, Flight, Kept, Shown, Side};

    #[test]
    fn everything_that_is_kept_comes_back_as_it_was() {
        let flight = Flight {
            number: 7,
            status: "busy".into(),
            fence: 41,
            until: Timestamp(9),
            is_doubtful: true,
            ask: Timestamp(19),
        };
        let kept = Kept {
            shown: [Some(Shown { status: "on_queue".into(), version: 42 }), None],
            goals: [None, Some("busy".into())],
            decided: Some(Decided { by: By::ConsoleGone, at: Timestamp(-3) }),
            flights: [None, Some(flight)],
            dwell: Some((Side::Crm, Timestamp(77))),
            number: 7,
            map: Some(u64::MAX),
            is_paused: true,
        };
        let since = [Some(Timestamp(5)), None];
        let text = written(&kept, since).expect("written");
        assert_eq!(read(&text).expect("read"), (kept, since));
        let newer = read("{}").expect("read");
        assert_eq!(newer, (Kept::default(), [None, None]), "as a newer field is absent");
        assert!(read("{\"decided\":[\"nobody\",1]}").is_err());
    }
}
