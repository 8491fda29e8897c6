//! What rules bring of their own: taken out of what was sent, made before the draft is kept,
//! and taken away when nothing needs it.
//!
//! Kept is what a draft, the set in force, and the set before it (the one step back) name.
//! Credentials go into the vault here, and nowhere else; of the rule's body only the id
//! under which they lie there is part.

use crate::config::Mistake;
use crate::http::App;
use crate::settings::Refused as NotSet;
use aws_lc_rs::rand;
use engine::rules::SetBody;
use engine::rules::edit::{Kind, Refused, Told, Wanted, Wish};
use engine::rules::form::{self, Body, Fault, LOGIN, SECRETS};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What one rule brings.
struct Own {
    rule: String,
    connection: String,
    body: Body,
}

/// Keeps drafts, all or none, with what they bring.
pub(super) async fn draft_all(
    app: &App,
    wishes: Vec<Wish>,
    is_dry: bool,
    actor: &str,
) -> Result<Vec<Told>, Refused> {
    let (app, actor) = (app.clone(), actor.to_owned());
    // In a task of its own: a client that gives up leaves nothing half made.
    let drafting = tokio::spawn(async move { drafted(&app, wishes, is_dry, &actor).await });
    drafting.await.unwrap_or(Err(Refused::Changed))
}

async fn drafted(
    app: &App,
    mut wishes: Vec<Wish>,
    is_dry: bool,
    actor: &str,
) -> Result<Vec<Told>, Refused> {
    let (_, now) = app.rules.body(&app.live, true).await?;
    let (mut brought, mut faults) = (Vec::new(), Vec::new());
    for wish in wishes.iter_mut().filter(|wish| wish.kind == Kind::Rule) {
        let rule = wish.name.trim().to_owned();
        let Wanted::Body(body) = &mut wish.to else { continue };
        match taken(app, &rule, body, now.rules.get(&rule)).await {
            Ok(own) => {
                wish.brings = own.is_some();
                brought.extend(own);
            }
            Err(Refused::Faults(wrong)) => {
                wish.brings = true;
                faults.extend(wrong);
            }
            Err(other) => return Err(other),
        }
    }
    // Tried before anything is made.
    for own in &brought {
        faults.extend(bring(app, own, true, actor).await?);
    }
    if is_dry || !faults.is_empty() {
        return match app.rules.draft_all(&app.live, wishes, true, actor).await {
            Err(Refused::Faults(others)) => {
                // One place is told once.
                let is_told = |fault: &Fault| faults.iter().any(|one| one.at == fault.at);
                let others: Vec<Fault> = others.into_iter().filter(|one| !is_told(one)).collect();
                faults.extend(others);
                Err(Refused::Faults(faults))
            }
            Ok(_) if !faults.is_empty() => Err(Refused::Faults(faults)),
            other => other,
        };
    }
    for own in &brought {
        faults.extend(bring(app, own, false, actor).await?);
    }
    let outcome = match faults.is_empty() {
        true => app.rules.draft_all(&app.live, wishes, false, actor).await,
        false => Err(Refused::Faults(faults)),
    };
    if outcome.is_ok() {
        for own in &brought {
            // Another node may have found it unneeded, before there was a draft that names it.
            if app.settings.brought(&app.live, &own.connection).await.map_err(told)?.is_none() {
                bring(app, own, false, actor).await?;
            }
        }
    }
    sweep(app, actor).await;
    outcome
}

/// What a rule brings; its body is as it may be kept then. `None` for one that brings
/// nothing, or nothing new.
async fn taken(
    app: &App,
    rule: &str,
    body: &mut Body,
    old: Option<&Body>,
) -> Result<Option<Own>, Refused> {
    let wrong = form::rule(rule, body).err().unwrap_or_default();
    let of_login = |fault: &Fault| fault.at == LOGIN || SECRETS.contains(&fault.at.as_str());
    let wrong: Vec<Fault> = wrong.into_iter().filter(of_login).collect();
    let given = SECRETS.iter().filter_map(|name| body.remove_entry(*name));
    let is_given = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    let given: Body = given.filter(|(_, value)| is_given(value)).collect();
    let asked = body.remove(LOGIN).filter(|login| !login.is_null());
    if !wrong.is_empty() {
        body.insert(LOGIN.to_owned(), json!({ "set": true }));
        return Err(Refused::Faults(wrong.into_iter().map(|fault| led(rule, fault)).collect()));
    }
    let place = |name: &str| body.get(name).and_then(Value::as_str).map(str::trim);
    let url = place("url").filter(|url| !url.is_empty()).map(str::to_owned);
    let mut own = Body::new();
    own.insert("rule".to_owned(), rule.into());
    for name in ["url", "crm"] {
        own.extend(place(name).map(|text| (name.to_owned(), text.into())));
    }
    let id = match (&asked, given.is_empty()) {
        (_, false) => {
            own.extend(given);
            Some(random())
        }
        (Some(login), true) => {
            let id = login.get("id").and_then(Value::as_str).or_else(|| form::login(old?));
            let id = id.unwrap_or_default().to_owned();
            body.insert(LOGIN.to_owned(), json!({ "set": true, "id": id }));
            own.extend(kept(app, rule, &id, &own).await?);
            Some(id)
        }
        (None, true) if url.is_none() => return Ok(None),
        (None, true) => None,
    };
    if let Some(id) = id {
        own.insert("login".to_owned(), id.as_str().into());
        body.insert(LOGIN.to_owned(), json!({ "set": true, "id": id }));
    }
    with_fields(&mut own, body);
    let connection = form::own_connection(rule, body);
    let is_there = app.settings.brought(&app.live, &connection).await.map_err(told)?.is_some();
    Ok((!is_there).then(|| Own { rule: rule.to_owned(), connection, body: own }))
}

/// A URL's answer is read for what the rule looks at.
fn with_fields(own: &mut Body, body: &Body) {
    if own.contains_key("url") {
        own.insert("fields".to_owned(), form::fields(body).into_iter().collect());
        own.insert("key".to_owned(), random().into());
    }
}

/// The credentials that are kept, for the same use alone.
async fn kept(app: &App, rule: &str, id: &str, own: &Body) -> Result<Body, Refused> {
    let found = app.settings.login(&app.live, rule, id).await.map_err(told)?;
    let wrong = |message: &str| {
        let (at, message) = (LOGIN.to_owned(), message.to_owned());
        let fix = "Give username and password, or token.".to_owned();
        Refused::Faults(vec![led(rule, Fault { at, message, fix })])
    };
    let Some(found) = found else { return Err(wrong("is none that is kept here.")) };
    if ["url", "crm"].iter().any(|name| found.get(*name) != own.get(*name)) {
        return Err(wrong("was given for another address or CRM."));
    }
    let is_kept = |name: &str| SECRETS.contains(&name) || name == "uses";
    Ok(found.into_iter().filter(|(name, _)| is_kept(name)).collect())
}

/// Makes it. What is wrong with it.
async fn bring(app: &App, own: &Own, is_dry: bool, actor: &str) -> Result<Vec<Fault>, Refused> {
    let Own { rule, connection, body } = own;
    match app.settings.bring(&app.live, connection, body.clone(), (is_dry, actor)).await {
        Ok(()) => Ok(Vec::new()),
        Err(NotSet::Mistakes(mistakes)) => {
            Ok(mistakes.into_iter().map(|one| of_mistake(own, one)).collect())
        }
        Err(NotSet::FromFile) => {
            let message = format!("tieline.toml has a connection called {connection}.");
            let fix = "Give that connection another name.".to_owned();
            Ok(vec![led(rule, Fault { at: "crm".to_owned(), message, fix })])
        }
        Err(other) => Err(told(other)),
    }
}

/// A mistake of the connection, where it stands in the rule.
fn of_mistake(own: &Own, mistake: Mistake) -> Fault {
    let Mistake { at, message, fix, .. } = mistake;
    let lead = format!("connections.{}", own.connection);
    let inside = at.strip_prefix(&lead).map(|rest| rest.trim_start_matches('.'));
    let has_url = own.body.contains_key("url");
    let at = match inside {
        Some(field) if ["url", "crm", LOGIN].contains(&field) || SECRETS.contains(&field) => field,
        _ if has_url => "url",
        _ => LOGIN,
    };
    led(&own.rule, Fault { at: at.to_owned(), message, fix })
}

fn led(rule: &str, fault: Fault) -> Fault {
    Fault { at: format!("rules.{rule}.{}", fault.at), ..fault }
}

/// What an older set asks by address alone is made again, before it is put in force.
pub(super) async fn restore(app: &App, revision: Option<u64>, actor: &str) -> Result<(), Refused> {
    let revision = match revision {
        Some(revision) => Some(revision),
        None => app.rules.history(2).await?.get(1).map(|head| head.revision),
    };
    let Some(revision) = revision else { return Ok(()) };
    for (rule, body) in app.rules.revision(revision).await?.rules {
        if !form::has_own_connection(&body) || form::login(&body).is_some() {
            continue;
        }
        let mut body = body;
        if let Some(own) = taken(app, &rule, &mut body, None).await? {
            let faults = bring(app, &own, false, actor).await?;
            if !faults.is_empty() {
                return Err(Refused::Faults(faults));
            }
        }
    }
    Ok(())
}

/// Takes away what nothing needs. What could not be taken away is the next one's to do.
pub(super) async fn sweep(app: &App, actor: &str) {
    if let Err(error) = swept(app, actor).await {
        tracing::warn!("what a rule had brought is not taken away yet: {error:?}");
    }
}

async fn swept(app: &App, actor: &str) -> Result<(), Refused> {
    let mut needed = BTreeSet::new();
    for with_drafts in [false, true] {
        needed.extend(names(&app.rules.body(&app.live, with_drafts).await?.1));
    }
    if app.settings.unneeded(&app.live, &needed).await.map_err(told)?.is_empty() {
        return Ok(());
    }
    if let Some(before) = app.rules.history(2).await?.get(1) {
        needed.extend(names(&app.rules.revision(before.revision).await?));
    }
    app.settings.drop_unneeded(&app.live, &needed, actor).await.map_err(told)
}

fn names(set: &SetBody) -> BTreeSet<String> {
    let own = set.rules.iter().filter(|(_, body)| form::has_own_connection(body));
    own.map(|(rule, body)| form::own_connection(rule, body)).collect()
}

fn told(refused: NotSet) -> Refused {
    match refused {
        NotSet::Store(error) => Refused::Store(error),
        NotSet::Unknown => Refused::Unknown,
        NotSet::Changed | NotSet::FromFile => Refused::Changed,
        NotSet::Mistakes(mistakes) => {
            let fault = |Mistake { at, message, fix, .. }| Fault { at, message, fix };
            Refused::Faults(mistakes.into_iter().map(fault).collect())
        }
    }
}

/// Nobody guesses it, and it says nothing.
fn random() -> String {
    let mut bytes = [0; 16];
    // Without a source of randomness no TLS and no key of the store would be here either.
    rand::fill(&mut bytes).ok();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
