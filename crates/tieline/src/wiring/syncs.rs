//! Syncs, once their connections are open: what a connection can do, and which fields it has,
//! is seen here, before a run.

use crate::config::syncs::{
    DriftWord, EndSection, FieldMapSection, FilterSection, KindWord, MarkSection, MatchWord,
    OnDeleteWord, StepWord, StrategyWord, WayWord, WinnerWord,
};
use crate::config::{Loaded, Mistake, SyncSection};
use domain::Numbering;
use domain::rules::{Misused, Operator, Test};
use domain::sync::matching::KeyKind;
use domain::sync::{Direction, Drift, Kind, OnDelete, Policy, Side, Strategy, Winner};
use engine::sync::fetch::Condition;
use engine::sync::map::{self, Map, MatchAs, Row};
use engine::sync::schedule::Schedule;
use engine::sync::{Brake, End, Sync, Upkeep};
use engine::{Connections, Syncs};
use std::collections::BTreeSet;

/// Every sync of the configuration.
///
/// Every mistake is told at once, with its place and its mend.
pub fn all(loaded: &Loaded, connections: &Connections) -> Result<Syncs, Vec<Mistake>> {
    let (mut syncs, mut mistakes, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for section in &loaded.config.syncs {
        let at = format!("syncs.{}", section.name);
        if !names.insert(&section.name) {
            let fix = "Call one of them otherwise.";
            mistakes.push(Mistake::new(at, "there are two of this name.", fix));
            continue;
        }
        match sync(loaded, section, connections, &at) {
            Ok(sync) => syncs.push(sync),
            Err(told) => mistakes.extend(told),
        }
    }
    if mistakes.is_empty() { Ok(Syncs::new(syncs)) } else { Err(mistakes) }
}

/// One sync, as its section has it.
pub fn sync(
    loaded: &Loaded,
    section: &SyncSection,
    connections: &Connections,
    at: &str,
) -> Result<Sync, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    if !is_name(&section.name) {
        let fix = "1 to 64 letters, digits, _ or -.";
        mistakes.push(Mistake::new(at, "cannot be called that.", fix));
    }
    let mut end = |which: &str, section: &EndSection, mark: Option<&MarkSection>| {
        end(section, connections, mark).map_err(|told| {
            let told = told.into_iter();
            mistakes.extend(told.map(|(place, message, fix)| {
                Mistake::new(format!("{at}.{which}.{place}"), message, fix)
            }));
        })
    };
    let left = end("left", &section.left, section.deletes.mark_left.as_ref());
    let right = end("right", &section.right, section.deletes.mark_right.as_ref());
    let (schedule, told) = schedule(section, at);
    mistakes.extend(told);
    if section.left.connection == section.right.connection
        && section.left.object == section.right.object
    {
        let fix = "Name another connection, or another object.";
        mistakes.push(Mistake::new(format!("{at}.right"), "is the left itself.", fix));
    }
    mistakes.extend(marks(section, at));
    if !(1..=SAMPLE_MAX).contains(&section.measure.pairs) {
        let message = format!("cannot be {}.", section.measure.pairs);
        let fix = "1 to 10,000; 200 tell a drift of one in a hundred.";
        mistakes.push(Mistake::new(format!("{at}.measure.pairs"), message, fix));
    }
    let (Ok(left), Ok(right)) = (left, right) else { return Err(mistakes) };
    let mut ends = [left, right];
    mistakes.extend(follow(section, &mut ends, at));
    let opened = Map::open(
        &rows(section),
        direction(section.direction),
        ends.each_ref().map(|end| for_map(loaded, end)),
    );
    let map = opened.map_err(|faults| {
        let told = faults.into_iter().map(|fault| {
            Mistake::new(format!("{at}.{}", fault.at()), format!("{}.", fault.message), fault.fix)
        });
        mistakes.extend(told);
    });
    let Ok(map) = map else { return Err(mistakes) };
    mistakes.extend(keys(section, &ends, at));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let brake =
        Brake { deletes_max: section.brake.deletes_max, percent_max: section.brake.percent_max };
    Ok(Sync {
        name: section.name.clone(),
        map,
        policy: policy(section),
        steps: section.matching.iter().copied().map(step).collect(),
        generic_over: section.generic_over,
        brake,
        schedule,
        upkeep: upkeep(section),
        ends,
    })
}

/// Pairs that are measured at most: all of them are read at once.
const SAMPLE_MAX: u32 = 10_000;

fn upkeep(section: &SyncSection) -> Upkeep {
    Upkeep {
        errors_over: section.alerts.errors_over,
        run_over: section.alerts.run_over.0,
        sample: section.measure.pairs as usize,
        measure_every: section.measure.every.0,
    }
}

/// Where within an end, what, and the mend.
type Told = (String, String, String);

fn end(
    section: &EndSection,
    connections: &Connections,
    mark: Option<&MarkSection>,
) -> Result<End, Vec<Told>> {
    let told =
        |place: &str, message: String, fix: &str| (place.to_owned(), message, fix.to_owned());
    let Some(connection) = connections.get(&section.connection) else {
        let message = format!("there is no connection `{}`.", section.connection);
        return Err(vec![told("connection", message, "Add it, or name another.")]);
    };
    let Some(mut end) = End::new(connection, &section.object) else {
        let message = format!("`{}` tells no changes, or takes no writes.", section.connection);
        let fix = "Name a connection that does both; docs/reference/connectors/ says which.";
        return Err(vec![told("connection", message, fix)]);
    };
    let mut mistakes = Vec::new();
    for (at, filter) in section.filter.iter().enumerate() {
        match condition(filter) {
            Ok(condition) => end.filter.push(condition),
            Err((message, fix)) => mistakes.push(told(&format!("filter.{at}"), message, fix)),
        }
    }
    let own = connection.capabilities.forms.as_ref().and_then(|forms| forms.key(&section.object));
    end.key = section.key.clone().or(own);
    end.mark = mark.map(|mark| (mark.field.clone(), mark.value.clone()));
    if mistakes.is_empty() { Ok(end) } else { Err(mistakes) }
}

fn condition(section: &FilterSection) -> Result<Condition, (String, &'static str)> {
    let operators = "One of: =, <, >, <=, >=, in, starts with, is empty.";
    let operator = Operator::ALL.into_iter().find(|one| one.as_str() == section.operator);
    let operator =
        operator.ok_or_else(|| (format!("`{}` is no operator.", section.operator), operators))?;
    let test = Test::new(operator, &section.values);
    let test = test.map_err(|misused| match misused {
        Misused::NoValue => ("needs a value.".to_owned(), "Write values = [\"…\"]."),
        Misused::TooManyValues => ("takes no so many values.".to_owned(), "`in` takes several."),
        Misused::EmptyValue => ("a value is empty.".to_owned(), "Write `is empty` instead."),
    })?;
    Ok(Condition { field: section.field.clone(), test })
}

fn schedule(section: &SyncSection, at: &str) -> (Option<Schedule>, Option<Mistake>) {
    if section.schedule == "never" {
        return (None, None);
    }
    match Schedule::new(&section.schedule, &section.time_zone) {
        Ok(schedule) => (Some(schedule), None),
        Err(reason) => {
            let fix = "Write 30m, hourly, daily, never, or a cron expression such as 0 2 * * *.";
            (None, Some(Mistake::new(format!("{at}.schedule"), format!("{reason}."), fix)))
        }
    }
}

/// What is to be marked needs to be said how.
fn marks(section: &SyncSection, at: &str) -> Vec<Mistake> {
    let deletes = &section.deletes;
    let master = match section.direction {
        WayWord::Right => Some(("on_right", deletes.on_right)),
        WayWord::Left => Some(("on_left", deletes.on_left)),
        WayWord::Both => None,
    };
    let mut mistakes = Vec::new();
    if let Some((name, _)) = master.filter(|(_, word)| *word != OnDeleteWord::Ignore) {
        let fix = "Write \"ignore\", or let the sync go both ways.";
        let message = "would write to the side that is only mirrored.";
        mistakes.push(Mistake::new(format!("{at}.deletes.{name}"), message, fix));
    }
    let missing = [
        (deletes.on_right, deletes.mark_left.is_none(), "mark_left"),
        (deletes.on_left, deletes.mark_right.is_none(), "mark_right"),
    ];
    let missing =
        missing.iter().filter(|(word, is_missing, _)| *word == OnDeleteWord::Mark && *is_missing);
    let told = missing.map(|(_, _, name)| {
        let fix = "Write { field = \"…\", value = \"…\" }.";
        Mistake::new(format!("{at}.deletes.{name}"), "is required, to mark records.", fix)
    });
    mistakes.extend(told);
    mistakes
}

/// What is to be pushed is told by at least one side.
fn follow(section: &SyncSection, ends: &mut [End; 2], at: &str) -> Option<Mistake> {
    let is_told = |ends: &mut [End; 2]| ends.each_mut().map(End::follow).contains(&true);
    if !section.push || is_told(ends) {
        return None;
    }
    let message = "neither of its connections tells by itself what changed.";
    let fix = "Take it out and choose a shorter schedule; docs/sync.md says who does.";
    Some(Mistake::new(format!("{at}.push"), message, fix))
}

/// Where records are made, they are found again by a key.
fn keys(section: &SyncSection, ends: &[End; 2], at: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for &side in Side::ALL {
        let is_made = creates(section)[side.index()];
        if is_made && ends[side.index()].key.is_none() {
            let fix = "Name a field of which at most one record has a value, such as an external id \
                of your own; the other side's id is kept there.";
            let place = format!("{at}.{}.key", side.as_str());
            mistakes.push(Mistake::new(place, "is required: records are made here.", fix));
        }
    }
    mistakes
}

/// On which sides records are made.
fn creates(section: &SyncSection) -> [bool; 2] {
    [section.direction != WayWord::Right, section.direction != WayWord::Left]
}

/// An end, as the map looks at it.
fn for_map<'a>(loaded: &Loaded, end: &'a End) -> map::End<'a> {
    let connection = &end.connection;
    map::End {
        connection: &connection.name,
        object: &end.object,
        forms: connection.capabilities.forms.as_deref(),
        numbers: connection.formats.numbers.unwrap_or_else(|| Numbering::from(loaded.region)),
        prefix: connection.prefix.as_ref().map(domain::Prefix::as_str),
    }
}

fn policy(section: &SyncSection) -> Policy {
    Policy {
        strategy: match section.strategy {
            StrategyWord::FieldPriority => Strategy::FieldPriority,
            StrategyWord::LastWriteWins => Strategy::LastWriteWins,
            StrategyWord::TimestampWithLock => Strategy::TimestampWithLock,
            StrategyWord::Manual => Strategy::Manual,
        },
        drift: match section.drift {
            DriftWord::Leave => Drift::Leave,
            DriftWord::SetBack => Drift::SetBack,
        },
        skew: section.clock_skew.0,
        on_left_deleted: on_delete(section.deletes.on_left),
        on_right_deleted: on_delete(section.deletes.on_right),
        creates: creates(section),
    }
}

fn on_delete(word: OnDeleteWord) -> OnDelete {
    match word {
        OnDeleteWord::Ignore => OnDelete::Ignore,
        OnDeleteWord::Mark => OnDelete::Mark,
        OnDeleteWord::Delete => OnDelete::Delete,
    }
}

fn step(word: StepWord) -> KeyKind {
    match word {
        StepWord::ExternalId => KeyKind::ExternalId,
        StepWord::Email => KeyKind::Email,
        StepWord::Phone => KeyKind::Phone,
        StepWord::Name => KeyKind::Name,
    }
}

/// The map, as it is configured, or that of the public guides.
fn rows(section: &SyncSection) -> Vec<Row> {
    if section.fields.is_empty() {
        return map::defaults();
    }
    section.fields.iter().map(|field| row(section, field)).collect()
}

fn row(section: &SyncSection, field: &FieldMapSection) -> Row {
    // What goes nowhere goes right.
    let usual = if field.right.is_none() { WayWord::Right } else { section.direction };
    let way = field.direction.unwrap_or(usual);
    let winner = field.winner.unwrap_or(match way {
        WayWord::Right => WinnerWord::Left,
        WayWord::Left => WinnerWord::Right,
        WayWord::Both => WinnerWord::LastWrite,
    });
    Row {
        left: field.left.clone(),
        right: field.right.clone(),
        direction: direction(way),
        is_optional: false,
        kind: field.kind.map(|kind| match kind {
            KindWord::Text => Kind::Text,
            KindWord::Email => Kind::Email,
            KindWord::Phone => Kind::Phone,
            KindWord::Number => Kind::Number,
            KindWord::Bool => Kind::Bool,
            KindWord::Date => Kind::Date,
            KindWord::Moment => Kind::Moment,
            KindWord::Tags => Kind::Tags,
        }),
        winner: match winner {
            WinnerWord::Left => Winner::Left,
            WinnerWord::Right => Winner::Right,
            WinnerWord::LastWrite => Winner::LastWrite,
            WinnerWord::Longest => Winner::Longest,
            WinnerWord::NonEmpty => Winner::NonEmpty,
            WinnerWord::Manual => Winner::Manual,
        },
        match_as: field.match_as.map(|role| match role {
            MatchWord::ExternalId => MatchAs::ExternalId,
            MatchWord::Email => MatchAs::Email,
            MatchWord::Phone => MatchAs::Phone,
            MatchWord::FirstName => MatchAs::FirstName,
            MatchWord::LastName => MatchAs::LastName,
            MatchWord::Account => MatchAs::Account,
        }),
    }
}

fn direction(way: WayWord) -> Direction {
    match way {
        WayWord::Right => Direction::ToRight,
        WayWord::Left => Direction::ToLeft,
        WayWord::Both => Direction::Both,
    }
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}
