//! People who keep editing, on both sides: so many edits a second, the same ones each time.
//!
//! Mostly somebody's name, mail or phone on one side; now and then the same field of one
//! person on both, or somebody new. Nobody is edited who is there twice.

use super::people::Twin;
use super::setup::World;
use ::sim::seed::{self, SplitMix64};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Edits a second, at most: as many as both vendors let a sync follow.
pub const MOST: u32 = 100;
/// Those who are new come after everybody who is there.
const NEW_FROM: u64 = 5_000_000;

/// How many edits there were, of each side.
#[derive(Debug, Default, Clone, Copy)]
pub struct Edited {
    pub left: u64,
    pub right: u64,
}

/// Edits until `most` edits were made; for ever without.
///
/// # Errors
/// The sentence of the system that refuses an edit.
pub async fn edit(world: &World, a_second: u32, most: Option<u64>) -> Result<Edited, String> {
    let mut ticks = interval(Duration::from_secs(1) / a_second.clamp(1, MOST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut dice = SplitMix64::new(0xED17);
    let mut edited = Edited::default();
    let mut nth = 0;
    while most.is_none_or(|most| edited.left + edited.right < most) {
        ticks.tick().await;
        one(world, &mut dice, nth, &mut edited)?;
        nth += 1;
    }
    Ok(edited)
}

fn one(world: &World, dice: &mut SplitMix64, nth: u64, edited: &mut Edited) -> Result<(), String> {
    let (on_left, on_right) = match dice.below(20) {
        0 => return somebody_new(world, dice, nth, edited),
        1 => (true, true),
        other => (other % 2 == 0, other % 2 == 1),
    };
    let twins = &world.twins;
    let at = usize::try_from(dice.below(twins.len() as u64)).unwrap_or(0);
    let Some(twin) = twins.get(at) else { return somebody_new(world, dice, nth, edited) };
    let field = dice.below(4);
    if on_left {
        world.salesforce.update(&twin.left, &Value::Object(change(twin, field, 2 * nth, true)))?;
        edited.left += 1;
    }
    if let Some(id) = twin.right.as_ref().filter(|_| on_right) {
        world.genesys.edit_contact(id, &Value::Object(change(twin, field, 2 * nth + 1, false)))?;
        edited.right += 1;
    }
    Ok(())
}

/// Another value of one field, as a side calls it.
fn change(twin: &Twin, field: u64, nth: u64, is_left: bool) -> Map<String, Value> {
    let other = seed::person(NEW_FROM + nth, 1);
    let phone = other.phones.first().map(|phone| phone.e164.clone());
    let (left, right, value) = match field {
        0 => ("FirstName", "firstName", json!(other.first)),
        1 => ("LastName", "lastName", json!(format!("{}-{}", twin.person.last, other.last))),
        2 => ("Email", "workEmail", json!(other.email)),
        _ if is_left => ("Phone", "", json!(phone)),
        _ => ("", "workPhone", json!({ "display": phone })),
    };
    let name = if is_left { left } else { right };
    Map::from_iter([(name.to_owned(), value)])
}

fn somebody_new(
    world: &World,
    dice: &mut SplitMix64,
    nth: u64,
    edited: &mut Edited,
) -> Result<(), String> {
    let person = seed::person(2 * NEW_FROM + nth, 1);
    let phone = person.phones.first().map(|phone| phone.e164.clone());
    if dice.below(2) == 0 {
        let new = json!({
            "FirstName": person.first, "LastName": person.last, "Email": person.email,
            "Phone": phone,
        });
        world.salesforce.add("Contact", &new)?;
        edited.left += 1;
    } else {
        let new = json!({
            "firstName": person.first, "lastName": person.last, "workEmail": person.email,
            "workPhone": { "display": phone },
        });
        world.genesys.add_contact(&new)?;
        edited.right += 1;
    }
    Ok(())
}
