//! What an event of Change Data Capture says: which records, what happened, by whom.
//!
//! Source: Change Data Capture Developer Guide, "Change Event Fields", "Gap Events",
//! "Overflow Events".

use crate::salesforce::mapping::record_id;
use serde_json::Value;

/// Whose requests are ours: what they are tagged with, and whose name they are made in.
pub(super) struct Own<'a> {
    pub(super) client: &'a str,
    pub(super) user: Option<&'a str>,
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Saved {
        ids: Vec<String>,
        is_own: bool,
    },
    Deleted {
        ids: Vec<String>,
    },
    /// So much changed at once, or in such a way, that nothing is told of it.
    Gap,
    /// Of another object of the same channel.
    Other,
}

/// Reads an event of `object`; what it does not say is a gap.
pub(super) fn read(event: &Value, object: &str, own: &Own<'_>) -> Event {
    let Some(header) = event.get("ChangeEventHeader") else { return Event::Gap };
    let text = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("entityName").eq_ignore_ascii_case(object) {
        return Event::Other;
    }
    let ids = header.get("recordIds").and_then(Value::as_array).into_iter().flatten();
    // An overflow event names no record but a placeholder.
    let ids: Option<Vec<String>> = ids.map(|id| id.as_str().and_then(record_id)).collect();
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else { return Event::Gap };
    let is_own = own.user.is_some()
        && record_id(text("commitUser")).as_deref() == own.user
        && client(text("changeOrigin")) == Some(own.client);
    match text("changeType") {
        "CREATE" | "UPDATE" | "UNDELETE" => Event::Saved { ids, is_own },
        // What changed is not told, but of whom.
        "GAP_CREATE" | "GAP_UPDATE" | "GAP_UNDELETE" => Event::Saved { ids, is_own: false },
        "DELETE" | "GAP_DELETE" => Event::Deleted { ids },
        _ => Event::Gap,
    }
}

/// The client's tag of an origin such as `com/salesforce/api/rest/67.0;client=Name`.
fn client(origin: &str) -> Option<&str> {
    origin.split(';').find_map(|part| part.trim().strip_prefix("client="))
}

#[cfg(test)]
mod tests {
    use super::{Event, Own, read};
    use serde_json::{Value, json};

    const ID: &str = "0035g00000ABCdEAAX";
    const USER: &str = "0055g00000ABCdEAAX";

    fn event(more: Value) -> Value {
        let mut header = json!({
            "entityName": "Contact", "recordIds": [ID], "changeType": "UPDATE",
            "changeOrigin": "com/salesforce/api/rest/67.0;client=Tieline", "commitUser": USER,
        });
        for (key, value) in more.as_object().expect("fields") {
            header[key] = value.clone();
        }
        json!({ "ChangeEventHeader": header, "LastName": "Doe" })
    }

    fn check(more: Value, expected: Event) {
        let own = Own { client: "Tieline", user: Some(USER) };
        assert_eq!(read(&event(more.clone()), "Contact", &own), expected, "{more}");
    }

    #[test]
    fn an_event_says_of_whom_and_what() {
        let saved = |is_own| Event::Saved { ids: vec![ID.to_owned()], is_own };
        check(json!({}), saved(true));
        check(json!({ "changeType": "CREATE", "changeOrigin": "" }), saved(false));
        check(
            json!({ "changeOrigin": "com/salesforce/api/rest/67.0;client=TielineX" }),
            saved(false),
        );
        check(json!({ "commitUser": "0055g00000ABCdFAAX" }), saved(false));
        check(json!({ "changeType": "GAP_UPDATE" }), saved(false));
        check(json!({ "changeType": "DELETE" }), Event::Deleted { ids: vec![ID.to_owned()] });
        check(json!({ "entityName": "Lead" }), Event::Other);
    }

    #[test]
    fn what_it_does_not_say_is_a_gap() {
        check(
            json!({ "changeType": "GAP_OVERFLOW", "recordIds": ["000000000000000"] }),
            Event::Gap,
        );
        check(json!({ "changeType": "SOMETHING_NEW" }), Event::Gap);
        check(json!({ "recordIds": [] }), Event::Gap);
        check(json!({ "recordIds": [ID, "nonsense"] }), Event::Gap);
        let own = Own { client: "Tieline", user: None };
        assert_eq!(read(&json!({}), "Contact", &own), Event::Gap);
    }
}
