//! Checks the rows of a map against each other and against both connections, all at once.

use super::place::{End, Place};
use super::{Kept, Line, Map, MatchAs, ROWS_MAX, Row};
use domain::sync::{Direction, Field, Kind, Side, Winner};
use std::fmt;

/// Something that must be mended before a map can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The row, from 0; `None` for the map as a whole.
    pub row: Option<usize>,
    /// Which of its settings: `left`, `right`, `direction`, `winner`, `type`, `match_as`.
    pub key: &'static str,
    /// What is wrong, with the names that the row goes by.
    pub message: String,
    pub fix: String,
}

impl Fault {
    /// The place within the sync: `fields[2].right`.
    #[must_use]
    pub fn at(&self) -> String {
        match self.row {
            Some(row) => format!("fields[{row}].{}", self.key),
            None => "fields".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.at(), self.message, self.fix)
    }
}

/// What is found out, row by row.
struct Checking<'a> {
    rows: &'a [Row],
    ends: [End<'a>; 2],
    faults: Vec<Fault>,
}

impl Map {
    /// Checks `rows` for a sync between these ends that goes this way. Rows that go both ways
    /// go no further than the sync does.
    ///
    /// # Errors
    /// Every fault.
    pub fn open(rows: &[Row], way: Direction, ends: [End<'_>; 2]) -> Result<Self, Vec<Fault>> {
        let numbers = ends.map(|end| end.numbers);
        let mut check = Checking { rows, ends, faults: Vec::new() };
        let (lines, fields, kept) = (Vec::new(), Vec::new(), Vec::new());
        let mut map = Self { lines, fields, kept, left_out: Vec::new(), numbers };
        for (at, row) in rows.iter().enumerate().take(ROWS_MAX) {
            match (check.place(at, row, Side::Left), &row.right) {
                (Some(place), None) => map.kept.extend(check.kept(at, row, place)),
                (left, Some(_)) => {
                    let right = check.place(at, row, Side::Right);
                    let (Some(left), Some(right)) = (left, right) else { continue };
                    let (line, field) = check.line(at, row, way, [left, right]);
                    map.lines.push(line);
                    map.fields.push(field);
                }
                (None, None) => {}
            }
        }
        check.whole(&map);
        check.shared(&map);
        check.matches(&map);
        let mut faults = check.faults;
        faults.sort_by_key(|fault| (fault.row.is_some(), fault.row));
        if faults.is_empty() { Ok(map) } else { Err(faults) }
    }
}

impl Checking<'_> {
    fn fault(&mut self, row: usize, key: &'static str, message: impl Into<String>, fix: &str) {
        let (message, fix) = (message.into(), fix.to_owned());
        self.faults.push(Fault { row: Some(row), key, message, fix });
    }

    /// How the row is called.
    fn name(&self, row: usize) -> String {
        let row = &self.rows[row];
        match &row.right {
            Some(right) => format!("`{}` and `{right}`", row.left),
            None => format!("`{}`", row.left),
        }
    }

    fn whole(&mut self, map: &Map) {
        let message = if self.rows.len() > ROWS_MAX {
            format!("more than {ROWS_MAX} fields are mapped")
        } else if map.lines.is_empty() && self.faults.is_empty() {
            "no field is mapped to one of the other side".to_owned()
        } else {
            return;
        };
        let fix = "name what is to be the same, or leave `fields` out for the default";
        self.faults.push(Fault { row: None, key: "fields", message, fix: fix.to_owned() });
    }

    fn place(&mut self, at: usize, row: &Row, side: Side) -> Option<Place> {
        let name = if side == Side::Left { Some(&row.left) } else { row.right.as_ref() }?;
        let kind = row.kind.or_else(|| row.match_as.and_then(kind_of));
        match Place::find(&self.ends[side.index()], name, kind) {
            Ok(place) => Some(place),
            // A name that is none, at an end whose own forms tell: the org has no such field.
            Err(_) if row.is_optional => None,
            Err((message, fix)) => {
                // What is no name may be anything, and long; the row's number stands beside it.
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                self.fault(at, side.as_str(), format!("`{shown}` {message}"), &fix);
                None
            }
        }
    }

    fn kept(&mut self, at: usize, row: &Row, place: Place) -> Option<Kept> {
        if row.direction != Direction::ToRight {
            let message = format!("{} has no right side and only goes right", self.name(at));
            self.fault(at, "direction", message, "write `direction = \"right\"`, or name a right");
            return None;
        }
        let kind = row.kind.or(place.kind()).unwrap_or_default();
        Some(Kept { name: row.left.clone(), place, kind, is_optional: row.is_optional })
    }

    fn line(&mut self, at: usize, row: &Row, way: Direction, places: [Place; 2]) -> (Line, Field) {
        let direction = row.direction.within(way).unwrap_or_else(|| {
            let (own, way) = (row.direction.as_str(), way.as_str());
            let message = format!("{} goes {own}, and the sync only {way}", self.name(at));
            self.fault(
                at,
                "direction",
                message,
                "turn the field, leave it out, or let the sync go both ways",
            );
            row.direction
        });
        for side in [Side::Left, Side::Right] {
            if direction.goes_to(side) && !places[side.index()].can_write() {
                let (end, towards) = (self.ends[side.index()], side.other().as_str());
                let name = if side == Side::Left {
                    &row.left
                } else {
                    row.right.as_ref().unwrap_or(&row.left)
                };
                let message = format!("`{name}` cannot be written in {}", end.connection);
                self.fault(at, "direction", message, &format!("write `direction = \"{towards}\"`"));
            }
        }
        let kind = self.kind(at, row, &places);
        self.winner(at, row, direction, kind);
        let names = [row.left.clone(), row.right.clone().unwrap_or_default()];
        let key = names.join(">");
        let line = Line {
            names,
            key,
            places,
            kind,
            match_as: row.match_as,
            row: at,
            is_optional: row.is_optional,
        };
        (line, Field { direction, winner: row.winner, kind })
    }

    /// How the values compare: as the row says, else as the forms do, of which a plain text
    /// says nothing.
    fn kind(&mut self, at: usize, row: &Row, places: &[Place; 2]) -> Kind {
        let told = row.kind.or_else(|| row.match_as.and_then(kind_of));
        let mut kinds = places.iter().filter_map(Place::kind).filter(|kind| *kind != Kind::Text);
        let found = match (kinds.next(), kinds.next()) {
            (Some(left), Some(right)) if left != right && told.is_none() => {
                let (left, right) = (left.as_str(), right.as_str());
                let message =
                    format!("{}: the left is a {left}, the right a {right}", self.name(at));
                self.fault(at, "type", message, "say by `type` how they compare");
                None
            }
            (found, _) => found,
        };
        let kind = told.or(found).unwrap_or_default();
        if let Some(wanted) = row.match_as.and_then(kind_of).filter(|wanted| *wanted != kind) {
            let (own, wanted) = (kind.as_str(), wanted.as_str());
            let message = format!("{} is a {own} and cannot be matched as {wanted}", self.name(at));
            self.fault(at, "match_as", message, "leave `type` out, or match by another field");
        }
        kind
    }

    fn winner(&mut self, at: usize, row: &Row, direction: Direction, kind: Kind) {
        if row.winner == Winner::Longest && !matches!(kind, Kind::Text | Kind::Tags) {
            let message =
                format!("{}: of two of type {} none is longer", self.name(at), kind.as_str());
            self.fault(at, "winner", message, "write `winner = \"last_write\"`");
        }
        let mirror = direction.mirror();
        if mirror.is_some() && row.winner.side() == mirror && row.direction == direction {
            let message = format!(
                "{} only goes {}, so the other side wins",
                self.name(at),
                direction.as_str()
            );
            self.fault(at, "winner", message, "leave `winner` out, or let the field go both ways");
        }
    }

    /// Two rows that write the same field, or one of which writes a part of the other's.
    fn shared(&mut self, map: &Map) {
        for side in [Side::Left, Side::Right] {
            let place = |at: usize| map.lines[at].places[side.index()].asked();
            let written = |at: usize| map.fields[at].direction.goes_to(side);
            for (later, earlier) in
                (0..map.lines.len()).flat_map(|later| (0..later).map(move |one| (later, one)))
            {
                let (Some(one), Some(two)) = (place(earlier), place(later)) else { continue };
                if !overlap(one, two) || !(written(earlier) || written(later)) {
                    continue;
                }
                let (row, first) = (map.lines[later].row, map.lines[earlier].row);
                let name = &map.lines[later].names[side.index()];
                let message = format!("`{name}` is `{two}`, which fields[{first}] names too");
                self.fault(row, side.as_str(), message, "leave one of the two rows out");
            }
        }
    }

    /// What is matched by must be there, and once where there is one of it.
    fn matches(&mut self, map: &Map) {
        let rows = |wanted: MatchAs| -> Vec<usize> {
            let lines = map.lines.iter().filter(|line| line.match_as == Some(wanted));
            lines.map(|line| line.row).collect()
        };
        for one in MatchAs::ALL {
            if matches!(one, MatchAs::Email | MatchAs::Phone) {
                continue;
            }
            for row in rows(one).into_iter().skip(1) {
                let message = format!("{} is the second row of `{}`", self.name(row), one.as_str());
                self.fault(row, "match_as", message, "leave `match_as` out of one of the two");
            }
        }
        let whole = [MatchAs::FirstName, MatchAs::LastName, MatchAs::Account];
        let found: Vec<usize> =
            whole.iter().filter_map(|one| rows(*one).first().copied()).collect();
        let missing: Vec<&str> =
            whole.into_iter().filter(|one| rows(*one).is_empty()).map(MatchAs::as_str).collect();
        if let (Some(&row), false) = (found.first(), missing.is_empty()) {
            let missing = missing.join(" and ");
            let message = format!("a name alone is nobody: no row is matched as {missing}");
            let fix = "match by first_name, last_name and account, or by none of them";
            self.fault(row, "match_as", message, fix);
        }
    }
}

/// What a field that is matched by must hold.
fn kind_of(match_as: MatchAs) -> Option<Kind> {
    match match_as {
        MatchAs::Email => Some(Kind::Email),
        MatchAs::Phone => Some(Kind::Phone),
        MatchAs::ExternalId | MatchAs::FirstName | MatchAs::LastName | MatchAs::Account => None,
    }
}

/// Is it the same field, or one a part of the other?
fn overlap(one: &str, two: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(one, two) || within(two, one)
}
