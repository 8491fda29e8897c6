//! A decision's doubts, in words.

use super::gather::Heard;
use super::set::Ready;
use crate::connections::Connections;
use domain::rules::Seen;

/// What was not as fresh, or as whole, as one would wish.
pub(super) fn doubts(ready: &Ready, heard: &[Heard], connections: &Connections) -> Vec<String> {
    let mut all = Vec::new();
    for slot in ready.compiled.slots() {
        let name = &slot.source.connection;
        if connections.get(name).is_none() {
            all.push(format!("there is no connection {name}"));
        }
    }
    for heard in heard {
        let name = &heard.connection.name;
        if heard.is_stale() {
            all.push(format!("{name} could not be asked: an old copy of its record decides"));
        }
        let missing = heard.missing();
        if !missing.is_empty() {
            all.push(format!("beside {name} was not heard in time: {}", missing.join(", ")));
        }
    }
    all.dedup();
    all
}

/// Who was not heard, and why.
pub(super) fn unheard(ready: &Ready, heard: &[Heard], connections: &Connections) -> String {
    let mut told: Vec<String> = Vec::new();
    for slot in ready.compiled.slots() {
        let name = &slot.source.connection;
        let failure = match heard.iter().find(|heard| heard.is_of(&slot.source)) {
            Some(heard) => heard.failure.unwrap_or("crm.deadline"),
            None if connections.get(name).is_none() => "connection.unknown",
            None => "crm.deadline",
        };
        let is_unheard = heard
            .iter()
            .find(|heard| heard.is_of(&slot.source))
            .is_none_or(|heard| heard.seen(slot, connections) == Seen::Unheard);
        let words = format!("{name} was not heard in time ({failure})");
        if is_unheard && !told.contains(&words) {
            told.push(words);
        }
    }
    told.join("; ")
}
