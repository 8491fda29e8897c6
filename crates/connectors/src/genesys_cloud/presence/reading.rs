//! The platform's JSON of presences and routing statuses, read; pure.

use domain::Timestamp;
use domain::presence::{Kind, Status, StatusId, Work};
use kit::Error;
use kit::presence::Seen;
use serde_json::Value;

/// The entities of a listing.
///
/// # Errors
/// `Protocol` when there is no such list: then nothing is said to be absent.
pub(super) fn entities(listing: &Value) -> Result<&Vec<Value>, Error> {
    let entities = listing.get("entities").and_then(Value::as_array);
    entities.ok_or_else(|| Error::protocol("a list without entities"))
}

/// A definition that can be shown; `None` for one that cannot.
pub(super) fn status(definition: &Value) -> Option<Status> {
    if definition["deactivated"].as_bool() == Some(true) {
        return None;
    }
    let text =
        |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let system = text(&definition["systemPresence"]).unwrap_or_default();
    let name = english(&definition["languageLabels"]).and_then(text);
    let name = name.or_else(|| text(&definition["name"])).unwrap_or_else(|| system.clone());
    Some(Status { id: StatusId::from(definition["id"].as_str()?), name, kind: kind(&system) })
}

/// The label in plain English, or in any.
fn english(labels: &Value) -> Option<&Value> {
    let labels = labels.as_object()?;
    let any = || labels.iter().find(|(tag, _)| tag.starts_with("en_") || tag.starts_with("en-"));
    let plain = ["en_US", "en-US", "en_us", "en"].into_iter().find_map(|tag| labels.get(tag));
    plain.or_else(|| any().map(|(_, label)| label))
}

/// `OnQueue`, `On Queue` and `ON_QUEUE` are one: the platform writes all three.
fn kind(system: &str) -> Kind {
    let plain: String = system.chars().filter(|c| !matches!(c, '_' | ' ')).collect();
    match plain.to_ascii_lowercase().as_str() {
        "onqueue" => Kind::Work,
        "offline" => Kind::Offline,
        "idle" => Kind::System,
        _ => Kind::NoWork,
    }
}

/// What a `User` shows and has at hand, where both were told.
///
/// # Errors
/// `Protocol` when one was not.
pub(super) fn seen(user: &Value, tells_after_call: bool) -> Result<Seen, Error> {
    let (status, version) = shown(&user["presence"])?;
    let (mut work, work_version) = work(&user["routingStatus"])?;
    let is_after_call = || is_after_call(&user["conversationSummary"]) == Some(true);
    if tells_after_call && is_interacting(&user["routingStatus"]) && is_after_call() {
        work = Work::AfterCall;
    }
    // Whoever never logged in has shown nothing at any time, and begun nothing.
    let (version, work_version) = (version.unwrap_or(0), work_version.unwrap_or(0));
    Ok(Seen { status, version, work, work_version })
}

/// The definition of a presence, and when it was taken.
pub(super) fn shown(presence: &Value) -> Result<(StatusId, Option<u64>), Error> {
    let id = presence["presenceDefinition"]["id"].as_str();
    let id = id.ok_or_else(|| Error::protocol("a presence without its definition"))?;
    Ok((StatusId::from(id), version(&presence["modifiedDate"])?))
}

/// What a routing status means, and since when it is so.
pub(super) fn work(routing: &Value) -> Result<(Work, Option<u64>), Error> {
    let work = match routing["status"].as_str() {
        // While after-call work is done, too.
        Some("INTERACTING" | "COMMUNICATING") => Work::Handling,
        Some("NOT_RESPONDING") => Work::Missed,
        Some("IDLE" | "OFF_QUEUE") => Work::Free,
        _ => return Err(Error::protocol("a routing status that is not known")),
    };
    Ok((work, version(&routing["startTime"])?))
}

fn is_interacting(routing: &Value) -> bool {
    routing["status"] == "INTERACTING"
}

/// Is there nothing but after-call work, by all media of the contact center together?
/// `None` where nothing is told.
pub(super) fn is_after_call(summary: &Value) -> Option<bool> {
    let media = summary.as_object()?.values().map(|medium| &medium["contactCenter"]);
    let mut sums = [0, 0];
    for center in media {
        sums[0] += center["active"].as_u64().unwrap_or(0);
        sums[1] += center["acw"].as_u64().unwrap_or(0);
    }
    Some(sums[0] == 0 && sums[1] > 0)
}

/// A date as milliseconds since 1970; `None` where there is none.
pub(super) fn version(date: &Value) -> Result<Option<u64>, Error> {
    if date.is_null() {
        return Ok(None);
    }
    let at = date.as_str().and_then(Timestamp::parse).and_then(|at| u64::try_from(at.0).ok());
    at.map(Some).ok_or_else(|| Error::protocol("a date that cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::{is_after_call, seen, status};
    use domain::presence::{Kind, Work};
    use serde_json::json;

    #[test]
    fn a_system_presence_is_known_however_it_is_spelled() {
        for (system, kind) in [
            ("OnQueue", Kind::Work),
            ("ON_QUEUE", Kind::Work),
            ("On Queue", Kind::Work),
            ("OFFLINE", Kind::Offline),
            ("Idle", Kind::System),
            ("Available", Kind::NoWork),
            ("SomethingNew", Kind::NoWork),
        ] {
            let told = status(&json!({ "id": "d", "systemPresence": system })).expect(system);
            assert_eq!((told.kind, told.name.as_str()), (kind, system));
        }
    }

    #[test]
    fn a_status_has_its_english_label_else_its_name() {
        let check = |labels, name| {
            let body = json!({
                "id": "d", "name": "Own", "systemPresence": "Busy", "languageLabels": labels,
            });
            assert_eq!(status(&body).expect("shown").name, name);
        };
        check(json!({ "de": "Pause", "en_US": "Break" }), "Break");
        check(json!({ "de": "Pause", "en": "Rest" }), "Rest");
        check(json!({ "en_GB": "Tea" }), "Tea");
        check(json!({ "de": "Pause" }), "Own");
        check(json!({ "en": " " }), "Own");
        assert_eq!(status(&json!({ "id": "d", "deactivated": true })), None);
    }

    #[test]
    fn work_is_the_routing_status_and_versions_are_its_times() {
        for (routing, work) in [
            ("INTERACTING", Work::Handling),
            ("COMMUNICATING", Work::Handling),
            ("NOT_RESPONDING", Work::Missed),
            ("IDLE", Work::Free),
            ("OFF_QUEUE", Work::Free),
        ] {
            let user = json!({
                "presence": {
                    "presenceDefinition": { "id": "d" },
                    "modifiedDate": "1970-01-01T00:00:01.500Z",
                },
                "routingStatus": { "status": routing, "startTime": "1970-01-01T00:00:02Z" },
                "conversationSummary": { "call": { "contactCenter": { "active": 0, "acw": 1 } } },
            });
            let told = seen(&user, false).expect("told");
            assert_eq!((told.version, told.work, told.work_version), (1_500, work, 2_000));
            let apart = if routing == "INTERACTING" { Work::AfterCall } else { work };
            assert_eq!(seen(&user, true).expect("told").work, apart, "{routing}");
        }
        let offline = json!({
            "presence": { "presenceDefinition": { "id": "d" } },
            "routingStatus": { "status": "OFF_QUEUE" },
        });
        let told = seen(&offline, true).expect("told");
        assert_eq!((told.version, told.work_version), (0, 0));
        for wanting in [json!({}), json!({ "presence": offline["presence"] })] {
            assert!(seen(&wanting, true).is_err(), "{wanting}");
        }
    }

    #[test]
    fn after_call_work_is_all_there_is_in_the_contact_center() {
        let summary = |active, acw| {
            json!({
                "userId": "u",
                "call": { "contactCenter": { "active": 0, "acw": acw } },
                "email": {
                    "contactCenter": { "active": active, "acw": 0 },
                    "enterprise": { "active": 5 },
                },
            })
        };
        assert_eq!(is_after_call(&summary(0, 1)), Some(true));
        assert_eq!(is_after_call(&summary(1, 1)), Some(false));
        assert_eq!(is_after_call(&summary(0, 0)), Some(false));
        assert_eq!(is_after_call(&json!(null)), None);
    }
}
