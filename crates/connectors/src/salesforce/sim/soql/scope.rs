//! Looks up the names of a query in the org, and holds literals to the types of fields.

use super::super::store::schema::Kind;
use super::super::store::{Refused, Store, clock, ids};
use super::parser::{Condition, Literal, Name, Query};
use super::plan::{Path, Plan, Shown, Test};

/// The org, the text and the object that names are looked up in.
pub(super) struct Scope<'a> {
    pub(super) store: &'a Store,
    pub(super) text: &'a str,
    pub(super) object: usize,
}

impl Scope<'_> {
    /// Adds what one name of the SELECT list shows.
    pub(super) fn show(&self, name: &Name, shown: &mut Vec<Shown>) -> Result<(), Refused> {
        let path = self.path(name)?;
        let of = &self.store.objects[self.object];
        if path.rest.is_empty() {
            let label = of.at(path.first).name.clone();
            if shown.iter().any(|s| matches!(s, Shown::Field(_, field) if *field == path.first)) {
                let what = format!("duplicate field selected: {}", name.text);
                return Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)));
            }
            shown.push(Shown::Field(label, path.first));
            return Ok(());
        }
        let wanted = path.rest.join(".");
        for place in shown.iter_mut() {
            if let Shown::Parent(_, reference, names) = place
                && *reference == path.first
            {
                names.push(wanted);
                return Ok(());
            }
        }
        let relationship = of.at(path.first).leads_to.as_ref().map(|(name, _)| name.clone());
        shown.push(Shown::Parent(relationship.unwrap_or_default(), path.first, vec![wanted]));
        Ok(())
    }

    /// The plan of a child sub-query.
    pub(super) fn children(&self, inner: &Query, all: bool) -> Result<Shown, Refused> {
        let named = |child: &usize| {
            let plural = &self.store.objects[*child].plural;
            plural.eq_ignore_ascii_case(&inner.from.text)
        };
        let children = self.store.children_of(self.object);
        let found = children.into_iter().find(|(child, _)| named(child));
        let Some((child, field)) = found else {
            let what = format!(
                "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use \
                 a custom relationship, be sure to append the '__r' after the custom relationship name.",
                inner.from.text
            );
            return Err(Refused::new("INVALID_TYPE", super::at(self.text, inner.from.at, &what)));
        };
        let plan = Plan::over(self.store, self.text, inner, child, all)?;
        Ok(Shown::Children(self.store.objects[child].plural.clone(), field, plan))
    }

    /// A name as a path to a field of the org.
    pub(super) fn path(&self, name: &Name) -> Result<Path, Refused> {
        let words: Vec<&str> = name.text.split('.').collect();
        // `Contact.Phone` in a query FROM Contact is the field itself.
        let own =
            words.len() > 1 && words[0].eq_ignore_ascii_case(&self.store.objects[self.object].name);
        let of = &self.store.objects[self.object];
        let words =
            if own && of.relationship(words[0]).is_none() { &words[1..] } else { &words[..] };
        if let [field] = words {
            let first = self
                .store
                .field(self.object, field)
                .ok_or_else(|| self.no_column(name, field, self.object))?;
            return Ok(Path { first, rest: vec![], kind: of.at(first).kind });
        }
        let first =
            of.relationship(words[0]).ok_or_else(|| self.no_relationship(name, words[0]))?;
        let mut targets = self.targets(self.object, first);
        for word in &words[1..words.len() - 1] {
            let hops = targets
                .iter()
                .filter_map(|at| Some((*at, self.store.objects[*at].relationship(word)?)));
            targets = hops.flat_map(|(at, field)| self.targets(at, field)).collect();
            if targets.is_empty() {
                return Err(self.no_relationship(name, word));
            }
        }
        let last = words[words.len() - 1];
        let found = targets.iter().find_map(|at| Some((*at, self.store.field(*at, last)?)));
        let Some((at, field)) = found else {
            return Err(self.no_column(
                name,
                last,
                targets.first().copied().unwrap_or(self.object),
            ));
        };
        let rest = words[1..].iter().map(|word| (*word).to_owned()).collect();
        Ok(Path { first, rest, kind: self.store.objects[at].at(field).kind })
    }

    fn targets(&self, object: usize, field: u16) -> Vec<usize> {
        let to = self.store.objects[object].at(field).leads_to.as_ref();
        to.map(|(_, to)| to.iter().filter_map(|name| self.store.object(name)).collect())
            .unwrap_or_default()
    }

    /// Whether a field has a property; those behind references are taken to have it.
    pub(super) fn allows(&self, path: &Path, flag: char) -> bool {
        !path.rest.is_empty() || self.store.objects[self.object].at(path.first).is(flag)
    }

    fn filtered(&self, name: &Name) -> Result<Path, Refused> {
        let path = self.path(name)?;
        if !self.allows(&path, 'F') {
            let what = format!("field '{}' can not be filtered in a query call", name.text);
            return Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)));
        }
        Ok(path)
    }

    /// A condition that fits the org.
    pub(super) fn test(&self, condition: &Condition) -> Result<Test, Refused> {
        let many =
            |all: &[Condition]| all.iter().map(|one| self.test(one)).collect::<Result<Vec<_>, _>>();
        Ok(match condition {
            Condition::All(all) => Test::All(many(all)?),
            Condition::Any(any) => Test::Any(many(any)?),
            Condition::Not(inner) => Test::Not(Box::new(self.test(inner)?)),
            Condition::Compare(name, sign, literal) => {
                let path = self.filtered(name)?;
                let literal = self.fitting(name, &path, literal)?;
                Test::Compare(path, *sign, literal)
            }
            Condition::Like(name, pattern) => {
                let path = self.filtered(name)?;
                if !path.kind.is_text() || matches!(path.kind, Kind::Id | Kind::Reference) {
                    let what = format!("invalid operator on {} field", path.kind.name());
                    return Err(Refused::new(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        super::at(self.text, name.at, &what),
                    ));
                }
                Test::Like(path, pattern.clone())
            }
            Condition::In(name, literals, not) => {
                let path = self.filtered(name)?;
                let all: Result<Vec<_>, _> =
                    literals.iter().map(|one| self.fitting(name, &path, one)).collect();
                Test::In(path, all?, *not)
            }
        })
    }

    /// The literal in the form that values of the field are compared with.
    fn fitting(&self, name: &Name, path: &Path, literal: &Literal) -> Result<Literal, Refused> {
        let kind = path.kind;
        let mismatch = |extra: &str| {
            let what = format!(
                "value of filter criterion for field '{}' must be of type {}{extra}",
                name.text,
                kind.name()
            );
            Err(Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what)))
        };
        match (kind, literal) {
            (_, Literal::Null) => Ok(Literal::Null),
            (Kind::Id | Kind::Reference, Literal::Text(text)) => match ids::parse(text) {
                Ok(_) | Err(ids::BadId::Elsewhere) if text.len() == 15 => {
                    Ok(Literal::Text(format!("{text}{}", ids::checksum(text))))
                }
                Ok(_) | Err(ids::BadId::Elsewhere) => Ok(literal.clone()),
                Err(ids::BadId::Malformed) if text.is_empty() => Ok(Literal::Null),
                Err(ids::BadId::Malformed) => {
                    let what = format!("invalid ID field: {text}");
                    Err(Refused::new(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        super::at(self.text, name.at, &what),
                    ))
                }
            },
            (Kind::Boolean, Literal::Bool(_))
            | (Kind::Date | Kind::Datetime, Literal::Days(..)) => Ok(self.days(literal)),
            (Kind::Int | Kind::Double | Kind::Currency, Literal::Number(_)) => Ok(literal.clone()),
            (Kind::Date, Literal::Date(_)) | (Kind::Datetime, Literal::Time(_)) => {
                Ok(literal.clone())
            }
            (_, Literal::Text(text)) if kind.is_text() => {
                Ok(if text.is_empty() { Literal::Null } else { literal.clone() })
            }
            (_, Literal::Text(_)) => mismatch(" and should not be enclosed in quotes"),
            (_, _) if kind.is_text() => mismatch(" and should be enclosed in quotes"),
            _ => mismatch(""),
        }
    }

    fn days(&self, literal: &Literal) -> Literal {
        let today = clock::now().div_euclid(clock::DAY);
        match literal {
            Literal::Days(from, to) => Literal::Days(today + from, today + to),
            other => other.clone(),
        }
    }

    fn no_column(&self, name: &Name, field: &str, object: usize) -> Refused {
        let what = format!(
            "No such column '{field}' on entity '{}'. If you are attempting to use a custom field, be sure to append \
             the '__c' after the custom field name. Please reference your WSDL or the describe call for the \
             appropriate names.",
            self.store.objects[object].name
        );
        Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what))
    }

    fn no_relationship(&self, name: &Name, word: &str) -> Refused {
        let what = format!(
            "Didn't understand relationship '{word}' in field path. If you are attempting to use a custom relationship, \
             be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the \
             describe call for the appropriate names."
        );
        Refused::new("INVALID_FIELD", super::at(self.text, name.at, &what))
    }
}

/// The refusal of an object that the org does not have.
pub(super) fn no_type(text: &str, name: &Name) -> Refused {
    let what = format!(
        "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the \
         '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
        name.text
    );
    Refused::new("INVALID_TYPE", super::at(text, name.at, &what))
}
