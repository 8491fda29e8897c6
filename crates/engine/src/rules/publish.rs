//! Drafts put in force together, and older sets again.

use super::edit::{Book, Kind, Refused, TRIES, canonical};
use super::form::Fault;
use super::held::{Held, lay, read};
use super::places::Places;
use super::set::SetBody;
use crate::live::Live;
use crate::lookup::Engine;
use state::audit::Act;
use state::rules::{NewRuleSet, RuleSetHead};
use std::collections::BTreeMap;

/// What is to be put in force.
#[derive(Debug, Clone, Default)]
pub struct Publishing {
    /// `None`: every draft.
    pub chosen: Option<Vec<(Kind, String)>>,
    /// Only say what would be wrong.
    pub is_dry: bool,
    /// Also where the platform has not what is led to.
    pub takes_unknown_places: bool,
}

/// What is in force now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub revision: u64,
    /// What could not be found out, or is not there and was taken all the same.
    pub warnings: Vec<String>,
}

impl Book {
    /// Puts drafts in force: those named, or all. Where the platform can be asked, what
    /// they lead to must be there.
    ///
    /// # Errors
    /// Everything that is wrong with the set as it would be; nothing was changed.
    pub async fn publish(
        &self,
        live: &Live,
        publishing: Publishing,
        actor: &str,
    ) -> Result<Published, Refused> {
        let Publishing { chosen, is_dry, takes_unknown_places } = publishing;
        // The platform is asked while nobody else waits for the book.
        let mut asked: Option<(SetBody, Places)> = None;
        for _ in 0..TRIES {
            let mut held = self.newest(live).await?;
            let engine = live.now();
            let takes = chosen_of(&held, &engine, chosen.as_deref());
            if takes.is_empty() {
                return Err(Refused::Nothing);
            }
            let mut body = held.set.clone();
            for (kind, name) in &takes {
                let draft = held.draft(*kind, name).ok_or(Refused::Unknown)?;
                lay(&mut body, *kind, name, read(draft.body.as_deref()));
            }
            let faults = engine.faults_of(&body);
            if !faults.is_empty() {
                return Err(Refused::Faults(faults));
            }
            let Some((_, places)) = asked.as_ref().filter(|(of, _)| *of == body) else {
                drop(held);
                let places = engine.places_of(&body).await;
                asked = Some((body, places));
                continue;
            };
            let mut warnings = places.warnings.clone();
            match takes_unknown_places {
                true => warnings.extend(places.unknown.iter().map(told)),
                false if !places.unknown.is_empty() => {
                    return Err(Refused::Faults(places.unknown.clone()));
                }
                false => {}
            }
            if is_dry {
                return Ok(Published { revision: held.revision, warnings });
            }
            let names: Vec<String> =
                takes.iter().map(|(k, n)| format!("{} {n}", k.word())).collect();
            let takes = takes.into_iter().map(|(k, n)| (k.word().to_owned(), n)).collect();
            let set = (body, names.join(", "), takes);
            if let Some(revision) =
                self.put_in_force(live, &mut held, set, "rules.published", actor).await?
            {
                return Ok(Published { revision, warnings });
            }
        }
        Err(Refused::Changed)
    }

    /// Puts an older set in force again: the one before, or a named one. The new revision.
    ///
    /// # Errors
    /// When there is none, or it does not work any more (a connection has gone).
    pub async fn roll_back(
        &self,
        live: &Live,
        to: Option<u64>,
        actor: &str,
    ) -> Result<Published, Refused> {
        for _ in 0..TRIES {
            let mut held = self.newest(live).await?;
            let to = match to {
                Some(to) => to,
                None => {
                    let heads = self.store.rule_sets(2).await?;
                    heads.get(1).map(|head| head.revision).ok_or(Refused::Unknown)?
                }
            };
            let old = self.store.rule_set(to).await?.ok_or(Refused::Unknown)?;
            let body: SetBody = serde_json::from_slice(&old.body).map_err(|_| Refused::Unknown)?;
            let faults = live.now().faults_of(&body);
            if !faults.is_empty() {
                return Err(Refused::Faults(faults));
            }
            let (summary, again) = (format!("back to {to}"), body.clone());
            if let Some(revision) = self
                .put_in_force(
                    live,
                    &mut held,
                    (body, summary, Vec::new()),
                    "rules.rolled_back",
                    actor,
                )
                .await?
            {
                drop(held);
                // Whoever goes back is in a hurry: what has gone meanwhile is told behind.
                let places = live.now().places_of(&again).await;
                let unknown = places.unknown.iter().map(told);
                let warnings = places.warnings.into_iter().chain(unknown).collect();
                return Ok(Published { revision, warnings });
            }
        }
        Err(Refused::Changed)
    }

    async fn put_in_force(
        &self,
        live: &Live,
        held: &mut Held,
        (body, summary, takes): (SetBody, String, Vec<(String, String)>),
        action: &'static str,
        actor: &str,
    ) -> Result<Option<u64>, Refused> {
        let act = Act {
            actor: actor.to_owned(),
            action,
            subject: summary.chars().take(500).collect(),
            details: BTreeMap::new(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let set = NewRuleSet { body, summary, takes };
        let now = live.now().clock.now();
        let published = self.store.publish_rules(set, held.version, act, now).await?;
        if let Some(published) = &published {
            self.read(live, held).await?;
            return Ok(Some(published.revision));
        }
        Ok(None)
    }

    /// Who put what in force and when, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<RuleSetHead>, Refused> {
        Ok(self.store.rule_sets(limit).await?)
    }

    /// A set as it was put in force.
    ///
    /// # Errors
    /// When there is none of this revision any more.
    pub async fn revision(&self, revision: u64) -> Result<SetBody, Refused> {
        let set = self.store.rule_set(revision).await?.ok_or(Refused::Unknown)?;
        serde_json::from_slice(&set.body).map_err(|_| Refused::Unknown)
    }
}

/// Drafts that are named, or all.
fn chosen_of(
    held: &Held,
    engine: &Engine,
    chosen: Option<&[(Kind, String)]>,
) -> Vec<(Kind, String)> {
    match chosen {
        None => {
            let all = held.drafts.iter();
            all.filter_map(|d| Some((Kind::of_word(&d.kind)?, d.name.clone()))).collect()
        }
        Some(chosen) => chosen.iter().map(|(k, n)| (*k, canonical(engine, *k, n))).collect(),
    }
}

fn told(fault: &Fault) -> String {
    format!("{} {}", fault.at, fault.message)
}
