//! What rules bring, made and taken away with them.

use super::item::{Body, Kind};
use super::{Keeper, Refused, Wish};
use engine::Live;
use serde_json::Value;
use std::collections::BTreeSet;

impl Keeper {
    /// Whether it is there; with the login that was given, if one was.
    pub async fn brought(&self, live: &Live, name: &str) -> Result<Option<Body>, Refused> {
        let held = self.newest(live).await?;
        Ok(held.item(Kind::Rule, name).map(|item| item.body.clone().unwrap_or_default()))
    }

    /// What is kept of a rule's login under this id.
    pub async fn login(&self, live: &Live, rule: &str, id: &str) -> Result<Option<Body>, Refused> {
        let held = self.newest(live).await?;
        let bodies = held.items.iter().filter(|item| item.kind == Kind::Rule);
        let mut bodies = bodies.filter_map(|item| item.body.as_ref());
        let found = bodies.find(|body| {
            body.get("login").is_some_and(|kept| kept == id)
                && body.get("rule").and_then(Value::as_str) == Some(rule)
        });
        Ok(found.cloned())
    }

    /// Makes one. A login is bound to what its connection is now, unless it was before.
    pub async fn bring(
        &self,
        live: &Live,
        name: &str,
        mut body: Body,
        (is_dry, actor): (bool, &str),
    ) -> Result<(), Refused> {
        if let Some(crm) = body.get("crm").and_then(Value::as_str).map(str::to_owned)
            && !body.contains_key("uses")
        {
            let held = self.newest(live).await?;
            if let Some(uses) = self.file.uses_now(&crm, &held.items) {
                body.insert("uses".to_owned(), uses.into());
            }
        }
        let (name, actor) = (name.to_owned(), actor.to_owned());
        let wish = Wish { kind: Kind::Rule, name, body: Some(body), seen: None, is_dry, actor };
        self.change(live, wish).await.map(drop)
    }

    /// Takes away what no rule needs any more.
    pub async fn drop_unneeded(
        &self,
        live: &Live,
        needed: &BTreeSet<String>,
        actor: &str,
    ) -> Result<(), Refused> {
        for name in self.unneeded(live, needed).await? {
            let actor = actor.to_owned();
            let (kind, body) = (Kind::Rule, None);
            let wish = Wish { kind, name, body, seen: None, is_dry: false, actor };
            match self.change(live, wish).await {
                // Another node was quicker.
                Ok(_) | Err(Refused::Unknown) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// What there is besides.
    pub async fn unneeded(
        &self,
        live: &Live,
        needed: &BTreeSet<String>,
    ) -> Result<Vec<String>, Refused> {
        let held = self.newest(live).await?;
        let own = held.items.iter().filter(|item| item.kind == Kind::Rule);
        Ok(own.map(|item| item.name.clone()).filter(|name| !needed.contains(name)).collect())
    }
}
