//! What a rule brings of its own: an address that is asked in place of a connection, or a
//! login to one. Its secrets never stand in what is kept of the rule.

use super::{Body, Reader, TEXT_MAX, has, hash};
use serde_json::Value;
use std::collections::BTreeSet;

/// Says that a login of the rule's own is kept in the vault, and nothing of it.
pub const LOGIN: &str = "login";
/// Fields that carry secrets: never kept with the rule.
pub const SECRETS: [&str; 3] = ["username", "password", "token"];

/// What names of connections that rules bring begin with.
const OWN: &str = "rule-";

/// The connection that a rule with an address or a login of its own is asked through. Where
/// it is asked, by which login and for what is in its name: a draft that changes any of it
/// has a connection of its own, and what is in force goes on as it is.
#[must_use]
pub fn own_connection(rule: &str, body: &Body) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let mut parts = vec![rule.trim().to_lowercase(), text("url").to_owned()];
    match text("url") {
        "" => parts.push(text("crm").to_owned()),
        _ => parts.extend(fields(body)),
    }
    parts.push(login(body).unwrap_or_default().to_owned());
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    format!("{OWN}{:016x}", hash(bytes))
}

/// Is it the name of a connection that a rule brings?
#[must_use]
pub fn is_own(connection: &str) -> bool {
    connection.strip_prefix(OWN).is_some_and(|rest| {
        rest.len() == 16 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Under what the rule's own login is kept.
#[must_use]
pub fn login(body: &Body) -> Option<&str> {
    body.get(LOGIN)?.get("id")?.as_str()
}

/// Every field that a rule looks at, in order.
#[must_use]
pub fn fields(body: &Body) -> BTreeSet<String> {
    let conditions = |line: &Value| {
        let all = line.get("all").and_then(Value::as_array).cloned().unwrap_or_default();
        all.into_iter().chain([line.clone()]).collect::<Vec<_>>()
    };
    let lines = body.get("lines").and_then(Value::as_array);
    let of_lines = lines.into_iter().flatten().flat_map(conditions);
    let named = of_lines.filter_map(|one| one.get("field").cloned());
    let named = named.chain(body.get("field").cloned());
    let texts = named.filter_map(|field| field.as_str().map(|text| text.trim().to_owned()));
    texts.filter(|field| !field.is_empty()).collect()
}

/// Does the rule bring an address or a login of its own?
#[must_use]
pub fn has_own_connection(body: &Body) -> bool {
    has(body, "url") || SECRETS.iter().any(|name| has(body, name)) || has(body, LOGIN)
}

impl Reader {
    /// The credentials, if any: one whole way to log in, or that one is kept.
    pub(super) fn login(&mut self, body: &Body) {
        for name in SECRETS {
            let value = body.get(name).filter(|value| !value.is_null());
            if value.is_some_and(|value| value.as_str().is_none_or(|text| text.len() > TEXT_MAX)) {
                let message = format!("is no text, or longer than {TEXT_MAX} bytes.");
                self.fault(name, message, "Write it as a text: it is kept in the vault.");
            }
        }
        let (user, password, token) =
            (has(body, "username"), has(body, "password"), has(body, "token"));
        if token && (user || password) {
            self.fault("token", "stands beside a user name or password.", "Leave one out.");
        } else if user != password && !has(body, "url") {
            let missing = if user { "password" } else { "username" };
            self.fault(missing, "is required beside the other.", "Add it.");
        }
        let kept = body.get(LOGIN).filter(|value| !value.is_null());
        if kept.is_some_and(|kept| kept.get("set") != Some(&Value::Bool(true))) {
            let fix = "Give username and password, or token; {\"set\": true} keeps what is kept.";
            self.fault(LOGIN, "says nothing.", fix);
        }
    }
}
