//! Drafts put in force together, and older sets again.

use super::edit::{Book, Kind, Refused, TRIES, canonical};
use super::held::{Held, lay, read};
use super::set::SetBody;
use crate::live::Live;
use state::audit::Act;
use state::rules::{NewRuleSet, RuleSetHead};
use std::collections::BTreeMap;

impl Book {
    /// Puts drafts in force: those named, or all. The new revision.
    ///
    /// # Errors
    /// Everything that is wrong with the set as it would be; nothing was changed.
    pub async fn publish(
        &self,
        live: &Live,
        chosen: Option<Vec<(Kind, String)>>,
        actor: &str,
        is_dry: bool,
    ) -> Result<u64, Refused> {
        for _ in 0..TRIES {
            let mut held = self.newest(live).await?;
            let engine = live.now();
            let takes: Vec<(Kind, String)> = match &chosen {
                None => held
                    .drafts
                    .iter()
                    .filter_map(|d| Some((Kind::of_word(&d.kind)?, d.name.clone())))
                    .collect(),
                Some(chosen) => {
                    chosen.iter().map(|(k, n)| (*k, canonical(&engine, *k, n))).collect()
                }
            };
            if takes.is_empty() {
                return Err(Refused::Nothing);
            }
            let mut body = held.set.clone();
            for (kind, name) in &takes {
                let draft = held.draft(*kind, name).ok_or(Refused::Unknown)?;
                lay(&mut body, *kind, name, read(draft.body.as_deref()));
            }
            let summary = takes
                .iter()
                .map(|(k, n)| format!("{} {n}", k.word()))
                .collect::<Vec<_>>()
                .join(", ");
            let faults = engine.faults_of(&body);
            if !faults.is_empty() {
                return Err(Refused::Faults(faults));
            }
            if is_dry {
                return Ok(held.revision);
            }
            let takes = takes.into_iter().map(|(k, n)| (k.word().to_owned(), n)).collect();
            if let Some(revision) = self
                .put_in_force(live, &mut held, (body, summary, takes), "rules.published", actor)
                .await?
            {
                return Ok(revision);
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
    ) -> Result<u64, Refused> {
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
            let summary = format!("back to {to}");
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
                return Ok(revision);
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
