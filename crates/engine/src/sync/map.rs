//! Which field of the left is which of the right, and how their values are read and written.
//!
//! A [`Row`] is what a person configured; [`Map::open`] checks all of them against what the
//! two connections can do and tells every fault at once. What comes out knows no vendor:
//! [`Map::read`] makes canonical values of a record, [`Map::written`] fields of a plan. A
//! field that no row names is never read nor written (invariant 7).

mod check;
mod keep;
mod less;
mod marks;
mod place;

pub use check::Fault;
pub use place::End;

use domain::Value;
use domain::sync::matching::{KeyKind, name_key};
use domain::sync::{Direction, Field, Kind, Plan, Side, Values, Winner, canonical};
use kit::Fields;
use place::Place;
use state::sync::Key;

/// Rows of one map.
pub const ROWS_MAX: usize = 200;

/// One field, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name on the left: a field, part of one (`address.city`, `phoneNumbers[0]`), or the
    /// record's own id (`Id`, `Contact.Id`).
    pub left: String,
    /// The name on the right; `None`: the value is kept for the directory and goes nowhere.
    pub right: Option<String>,
    pub direction: Direction,
    pub winner: Winner,
    /// `None`: as the vendors' forms say.
    pub kind: Option<Kind>,
    /// What records are matched by.
    pub match_as: Option<MatchAs>,
    /// Left out where a connection has no such field, or refuses what goes there: rows of
    /// [`defaults`] that not every org has.
    pub is_optional: bool,
}

impl Row {
    /// Both ways, by the last write, for no match.
    #[must_use]
    pub fn new(left: &str, right: &str) -> Self {
        Self {
            left: left.to_owned(),
            right: Some(right.to_owned()),
            direction: Direction::Both,
            winner: Winner::LastWrite,
            kind: None,
            match_as: None,
            is_optional: false,
        }
    }
}

/// What a field says about who a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchAs {
    ExternalId,
    Email,
    Phone,
    /// With the last name and the account: see [`name_key`].
    FirstName,
    LastName,
    Account,
}

impl MatchAs {
    pub const ALL: [Self; 6] = [
        Self::ExternalId,
        Self::Email,
        Self::Phone,
        Self::FirstName,
        Self::LastName,
        Self::Account,
    ];

    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalId => "external_id",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Account => "account",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// The map of the public guides, between a CRM's `Contact` and a contact center's, by the
/// names that the guides use.
#[must_use]
pub fn defaults() -> Vec<Row> {
    let row = |left, right, direction, winner, match_as| Row {
        direction,
        winner,
        match_as,
        ..Row::new(left, right)
    };
    let (both, right) = (Direction::Both, Direction::ToRight);
    vec![
        row("Contact.Id", "externalId", right, Winner::Left, Some(MatchAs::ExternalId)),
        row("FirstName", "firstName", both, Winner::Left, Some(MatchAs::FirstName)),
        row("LastName", "lastName", both, Winner::Left, Some(MatchAs::LastName)),
        Row {
            kind: Some(Kind::Email),
            ..row("Email", "email", both, Winner::LastWrite, Some(MatchAs::Email))
        },
        Row {
            kind: Some(Kind::Phone),
            ..row("Phone", "phoneNumbers[0]", both, Winner::LastWrite, Some(MatchAs::Phone))
        },
        Row {
            is_optional: true,
            ..row("AccountId", "org.externalId", right, Winner::Left, Some(MatchAs::Account))
        },
        Row {
            right: None,
            is_optional: true,
            kind: Some(Kind::Number),
            ..row("LeadScore__c", "", right, Winner::Left, None)
        },
        Row {
            is_optional: true,
            kind: Some(Kind::Tags),
            ..row("Tags__c", "attributes.tags", both, Winner::Right, None)
        },
    ]
}

/// A map that was checked.
#[derive(Debug, Clone)]
pub struct Map {
    /// Rows with two sides, in the order of the fields.
    lines: Vec<Line>,
    /// The same, for a plan.
    fields: Vec<Field>,
    /// Rows with a left side only.
    kept: Vec<Kept>,
    /// Keys of rows that were left out, because a side has not their field now.
    left_out: Vec<String>,
    numbers: [domain::Numbering; 2],
}

#[derive(Debug, Clone)]
struct Line {
    names: [String; 2],
    /// Both names, as what was agreed on is kept under them and people are told of it.
    key: String,
    places: [Place; 2],
    kind: Kind,
    match_as: Option<MatchAs>,
    /// The row's number among all.
    row: usize,
    is_optional: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    name: String,
    place: Place,
    kind: Kind,
    is_optional: bool,
}

impl Map {
    /// The fields, as [`domain::sync::plan`] takes them.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The configured names of a field, `[left, right]`.
    #[must_use]
    pub fn names(&self, field: usize) -> [&str; 2] {
        self.lines[field].names.each_ref().map(String::as_str)
    }

    /// The field of this configured name on either side.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.names.iter().any(|own| own == name))
    }

    /// What a field is called in reviews and in what is kept: `FirstName>firstName`.
    #[must_use]
    pub fn key(&self, field: usize) -> &str {
        &self.lines[field].key
    }

    /// The field of this key.
    #[must_use]
    pub fn keyed(&self, key: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.key == key)
    }

    /// The row of a field among all that were configured.
    #[must_use]
    pub fn row(&self, field: usize) -> usize {
        self.lines[field].row
    }

    /// The vendor's own names of what is to be asked for, each once.
    #[must_use]
    pub fn asked(&self, side: Side) -> Vec<String> {
        let lines = self.lines.iter().map(|line| &line.places[side.index()]);
        let kept = self.kept.iter().filter(|_| side == Side::Left).map(|kept| &kept.place);
        let mut asked: Vec<String> = Vec::new();
        for name in lines.chain(kept).filter_map(Place::asked) {
            if !asked.iter().any(|own| own == name) {
                asked.push(name.to_owned());
            }
        }
        asked
    }

    /// The vendor's own names of what may be written, each once.
    #[must_use]
    pub fn set(&self, side: Side) -> Vec<String> {
        let lines = self.lines.iter().zip(&self.fields);
        lines
            .filter(|(_, field)| field.direction.goes_to(side))
            .filter_map(|(line, _)| line.places[side.index()].asked().map(str::to_owned))
            .collect()
    }

    /// The canonical values of a record of this side.
    #[must_use]
    pub fn read(&self, side: Side, id: &str, fields: &Fields) -> Values {
        let numbers = self.numbers[side.index()];
        let value =
            |line: &Line| canonical(line.kind, line.places[side.index()].read(id, fields), numbers);
        self.lines.iter().map(value).collect()
    }

    /// Is anything read for the directory alone?
    #[must_use]
    pub fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// What a left record holds for the directory alone, by configured name.
    #[must_use]
    pub fn kept(&self, id: &str, fields: &Fields) -> Vec<(&str, Value)> {
        let value =
            |kept: &Kept| canonical(kept.kind, kept.place.read(id, fields), self.numbers[0]);
        self.kept.iter().filter_map(|kept| Some((kept.name.as_str(), value(kept)?))).collect()
    }

    /// What a plan writes in these of its fields on a side, by the vendor's own names and in
    /// its own forms; `null` empties.
    #[must_use]
    pub fn written(&self, side: Side, plan: &Plan, fields: &[usize]) -> Fields {
        let place = |field: usize| &self.lines[field].places[side.index()];
        let fields = fields.iter().filter_map(|&field| place(field).write(plan.value(field)));
        fields.collect()
    }

    /// What a value is written as in a field of a side; `None` where nothing can be.
    pub(super) fn write_one(
        &self,
        side: Side,
        field: usize,
        value: Option<&Value>,
    ) -> Option<serde_json::Value> {
        Some(self.lines[field].places[side.index()].write(value)?.1)
    }

    /// What a record holds in these fields, as it stands there: what is journaled before a
    /// write, and put back by an undo. What the vendor did not tell is `null`.
    #[must_use]
    pub fn held(&self, side: Side, record: &Fields, fields: &[usize]) -> Fields {
        let names = fields.iter().filter_map(|&at| self.lines[at].places[side.index()].asked());
        names.map(|name| (name.to_owned(), record.get(name).cloned().unwrap_or_default())).collect()
    }

    /// Does a record hold what was written, in every field that was?
    #[must_use]
    pub fn is_same(&self, side: Side, held: &Fields, written: &Fields) -> bool {
        let numbers = self.numbers[side.index()];
        written.iter().all(|(name, value)| {
            let is_it = |line: &&Line| line.places[side.index()].asked() == Some(name.as_str());
            let alike = |line: &Line| {
                let place = &line.places[side.index()];
                let of = |fields: &Fields| canonical(line.kind, place.read("", fields), numbers);
                of(held) == of(written)
            };
            held.get(name).unwrap_or(&serde_json::Value::Null) == value
                || self.lines.iter().find(is_it).is_some_and(alike)
        })
    }

    /// The keys of the fields that are among these of a side.
    #[must_use]
    pub fn keys_in(&self, side: Side, written: &Fields) -> Vec<String> {
        let is_in = |line: &&Line| {
            line.places[side.index()].asked().is_some_and(|own| written.contains_key(own))
        };
        self.lines.iter().filter(is_in).map(|line| line.key.clone()).collect()
    }

    /// What a record of a side holds that was made under this id of its other.
    #[must_use]
    pub fn made_under(&self, side: Side, id: &str) -> Fields {
        let id = Value::Text(id.to_owned());
        let own = self.lines.iter().filter(|line| line.match_as == Some(MatchAs::ExternalId));
        own.filter_map(|line| line.places[side.index()].write(Some(&id))).collect()
    }

    /// As the store has them.
    pub(super) fn store_keys(&self, values: &Values) -> Vec<Key> {
        let key = |(kind, text)| Key { kind: number(kind), text };
        self.keys(values).into_iter().map(key).collect()
    }

    /// What a record with these values is known by.
    #[must_use]
    pub fn keys(&self, values: &Values) -> Vec<(KeyKind, String)> {
        let text = |field: usize| match values.get(field)?.as_ref()? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        let mut keys = Vec::new();
        let mut parts: [Option<String>; 3] = [None, None, None];
        for (field, line) in self.lines.iter().enumerate() {
            let (Some(match_as), Some(text)) = (line.match_as, text(field)) else { continue };
            match match_as {
                MatchAs::ExternalId => keys.push((KeyKind::ExternalId, text)),
                MatchAs::Email if text.contains('@') => keys.push((KeyKind::Email, text)),
                // The extension is who picks up, the number who is called.
                MatchAs::Phone if text.starts_with('+') => {
                    let number = text.split(' ').next().unwrap_or_default().to_owned();
                    keys.push((KeyKind::Phone, number));
                }
                MatchAs::Email | MatchAs::Phone => {}
                MatchAs::FirstName => parts[0] = Some(text),
                MatchAs::LastName => parts[1] = Some(text),
                MatchAs::Account => parts[2] = Some(text),
            }
        }
        if let [Some(first), Some(last), Some(account)] = &parts {
            keys.extend(name_key(first, last, account).map(|key| (KeyKind::Name, key)));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// As the store has it.
pub(super) fn number(kind: KeyKind) -> u8 {
    match kind {
        KeyKind::ExternalId => Key::EXTERNAL_ID,
        KeyKind::Email => Key::EMAIL,
        KeyKind::Phone => Key::PHONE,
        KeyKind::Name => Key::NAME,
    }
}

#[cfg(test)]
mod tests;
