//! One number, several people: which record answers.
//!
//! [`choose`] narrows the candidates to those that agree with everything asked
//! for, then applies the stated policy. The same candidates in any order give
//! the same answer, so that it never changes during the day.

use crate::{Contact, Timestamp};
use std::cmp::Reverse;

/// What to do when several records fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The oldest record by its creation time (unknown times last), then the smallest id.
    #[default]
    First,
    /// The record with the latest of: last call that Tieline saw, last change in
    /// its own system; then as `First`.
    MostRecent,
    /// Nobody: the answer says how many there are and the agent chooses.
    Ambiguous,
}

impl Policy {
    /// The policy named `first`, `most_recent` or `ambiguous`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "first" => Some(Self::First),
            "most_recent" => Some(Self::MostRecent),
            "ambiguous" => Some(Self::Ambiguous),
            _ => None,
        }
    }
}

/// What was asked for. Identifiers that are absent restrict nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// E.164.
    pub phone: Option<&'a str>,
    pub email: Option<&'a str>,
    /// A record's id within its own system.
    pub record: Option<&'a str>,
}

/// The outcome of a match.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    Nobody,
    One(Box<Contact>),
    /// Several, in the order of `Policy::First`.
    Several(Vec<Contact>),
}

/// Chooses among `candidates`.
///
/// A record id settles everything. E-mail and phone together settle an
/// ambiguity: who has both goes before who has one of them. A candidate that
/// has none of the identifiers asked for is dropped (a search index may say
/// more than was asked).
#[must_use]
pub fn choose(candidates: Vec<Contact>, wanted: &Wanted<'_>, policy: Policy) -> Match {
    let mut best: Vec<Contact> = Vec::new();
    let mut best_score = 0;
    for candidate in candidates {
        let score = agreement(&candidate, wanted);
        if score == 0 || score < best_score || best.iter().any(|c| same_record(c, &candidate)) {
            continue;
        }
        if score > best_score {
            best.clear();
            best_score = score;
        }
        best.push(candidate);
    }
    best.sort_by(|a, b| order_first(a).cmp(&order_first(b)));
    match (best.len(), policy) {
        (0, _) => Match::Nobody,
        (1, _) | (_, Policy::First) => Match::One(Box::new(best.swap_remove(0))),
        (_, Policy::MostRecent) => {
            // max_by_key keeps the last of equals, so the order is reversed to keep the first.
            best.into_iter()
                .rev()
                .max_by_key(last_seen)
                .map_or(Match::Nobody, |contact| Match::One(Box::new(contact)))
        }
        (_, Policy::Ambiguous) => Match::Several(best),
    }
}

fn same_record(a: &Contact, b: &Contact) -> bool {
    a.record == b.record
}

fn agreement(contact: &Contact, wanted: &Wanted<'_>) -> u8 {
    let record = wanted.record.is_some_and(|id| id == contact.record);
    let phone = wanted.phone.is_some_and(|p| contact.has_phone(p));
    let email = wanted
        .email
        .is_some_and(|e| contact.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(e)));
    u8::from(record) * 4 + u8::from(phone) + u8::from(email)
}

fn order_first(contact: &Contact) -> (bool, Option<Timestamp>, &str) {
    (contact.created_at.is_none(), contact.created_at, &contact.record)
}

fn last_seen(contact: &Contact) -> (Option<Timestamp>, Reverse<bool>) {
    (contact.last_call_at.max(contact.modified_at), Reverse(contact.created_at.is_none()))
}

#[cfg(test)]
mod tests {
    use super::{Match, Policy, Wanted, choose};
    use crate::{Contact, ContactPhone, PhoneKind, Timestamp};

    fn person(record: &str, created: Option<i64>, email: &str) -> Contact {
        Contact {
            record: record.into(),
            phones: vec![ContactPhone::new(PhoneKind::Work, "+15550199999")],
            email: Some(email.into()),
            created_at: created.map(Timestamp),
            ..Contact::default()
        }
    }

    fn check(people: &[Contact], wanted: &Wanted<'_>, policy: Policy, expected: &[&str]) {
        let mut orders = vec![people.to_vec()];
        orders.push(people.iter().rev().cloned().collect());
        for order in orders {
            let got = match choose(order, wanted, policy) {
                Match::Nobody => vec![],
                Match::One(contact) => vec![contact.record],
                Match::Several(several) => several.into_iter().map(|c| c.record).collect(),
            };
            assert_eq!(got, expected);
        }
    }

    const PHONE: Wanted<'static> =
        Wanted { phone: Some("+15550199999"), email: None, record: None };

    #[test]
    fn first_is_the_oldest_record_then_the_smallest_id() {
        let people =
            [person("B", Some(2), "b@x"), person("C", Some(1), "c@x"), person("A", Some(1), "a@x")];
        check(&people, &PHONE, Policy::First, &["A"]);
        check(&people, &PHONE, Policy::Ambiguous, &["A", "C", "B"]);
    }

    #[test]
    fn a_record_without_a_creation_time_comes_last() {
        let people = [person("A", None, "a@x"), person("B", Some(9), "b@x")];
        check(&people, &PHONE, Policy::First, &["B"]);
    }

    #[test]
    fn most_recent_is_the_last_call_or_change_then_the_first() {
        let mut people =
            [person("A", Some(1), "a@x"), person("B", Some(2), "b@x"), person("C", Some(3), "c@x")];
        check(&people, &PHONE, Policy::MostRecent, &["A"]);
        people[2].modified_at = Some(Timestamp(50));
        check(&people, &PHONE, Policy::MostRecent, &["C"]);
        people[1].last_call_at = Some(Timestamp(60));
        check(&people, &PHONE, Policy::MostRecent, &["B"]);
    }

    #[test]
    fn email_and_phone_together_settle_an_ambiguity() {
        let people = [person("A", Some(1), "a@x"), person("B", Some(2), "B@X")];
        let wanted = Wanted { email: Some("b@x"), ..PHONE };
        check(&people, &wanted, Policy::Ambiguous, &["B"]);
    }

    #[test]
    fn who_has_nothing_that_was_asked_for_is_dropped() {
        let stranger = Contact { record: "S".into(), ..Contact::default() };
        check(&[stranger], &PHONE, Policy::First, &[]);
    }

    #[test]
    fn a_record_id_settles_everything() {
        let people = [person("A", Some(1), "a@x"), person("B", Some(2), "b@x")];
        let wanted = Wanted { record: Some("B"), ..PHONE };
        check(&people, &wanted, Policy::Ambiguous, &["B"]);
    }

    #[test]
    fn the_same_record_told_twice_is_one_person() {
        let people = [person("A", Some(1), "a@x"), person("A", Some(1), "a@x")];
        check(&people, &PHONE, Policy::Ambiguous, &["A"]);
    }
}
