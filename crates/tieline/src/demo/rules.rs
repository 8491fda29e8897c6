//! The demo's routing rules: what its number's chain says.

use crate::exit::{self, Failure};
use crate::serve::Running;
use engine::rules::Publishing;
use engine::rules::edit::{Kind, Wanted, Wish};
use serde_json::{Value, json};

/// Who put them in force.
const ACTOR: &str = "demo";

/// Puts the chain in force, unless a kept store has one.
///
/// # Errors
/// When it cannot be.
pub async fn publish(running: &Running) -> Result<(), Failure> {
    let (live, book) = (&running.live, running.rules());
    let (revision, _) = book.body(live, false).await.map_err(told)?;
    if revision > 0 {
        return Ok(());
    }
    let queue = |name: &str| json!({ "type": "queue", "option": name });
    let line = |operator: &str, value: Value, to: &str| json!([{ "operator": operator, "value": value, "destination": queue(to) }]);
    let rules = [
        ("Gold callers", "salesforce", "loyaltyTier", line("=", "Gold".into(), "Premium Support")),
        ("Open invoices", "own_sql", "openInvoices", line(">", 0.into(), "Billing")),
    ];
    let wish = |kind, name: &str, body: Value| Wish {
        kind,
        name: name.to_owned(),
        to: Wanted::Body(body.as_object().cloned().unwrap_or_default()),
        seen: None,
        is_dry: false,
        actor: ACTOR.to_owned(),
        brings: false,
    };
    let mut wishes: Vec<Wish> = rules
        .into_iter()
        .map(|(name, crm, field, lines)| {
            let body = json!({
                "location": "did", "crm": crm, "module": "contacts", "field": field, "lines": lines,
            });
            wish(Kind::Rule, name, body)
        })
        .collect();
    let chain = json!({ "rules": ["Gold callers", "Open invoices"], "default": queue("General") });
    wishes.push(wish(Kind::Chain, &format!("did:{}", super::setup::DID), chain));
    book.draft_all(live, wishes, false, ACTOR).await.map_err(told)?;
    book.publish(live, Publishing::default(), ACTOR).await.map_err(told)?;
    Ok(())
}

fn told(refused: engine::rules::edit::Refused) -> Failure {
    exit::failed(format!("the demo's rules: {refused:?}"))
}
