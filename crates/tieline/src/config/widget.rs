//! The section `[widget]`: who may show the agent's widget.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// The agent's widget, a page at `/widget/` that others show in a frame.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WidgetSection {
    /// Pages of these origins may show the widget in a frame and hand it a token:
    /// `https://apps.mypurecloud.com`, `https://MYDOMAIN.lightning.force.com`. Nobody, when empty.
    /// `https://*.example.com` is every host below a domain of your own; not below one that others share.
    #[serde(deserialize_with = "origins")]
    pub hosts: Vec<String>,
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    match hosts.iter().find(|host| !is_origin(host)) {
        Some(odd) => Err(de::Error::custom(format!(
            "`{odd}` is no origin of yours: write https://apps.mypurecloud.com or \
             https://MYDOMAIN.lightning.force.com"
        ))),
        None => Ok(hosts),
    }
}

/// Domains below which anybody may have a host: a page of theirs is no page of ours.
const SHARED: [&str; 8] = [
    "force.com",
    "lightning.force.com",
    "salesforce.com",
    "my.salesforce.com",
    "visualforce.com",
    "mypurecloud.com",
    "pure.cloud",
    "service-now.com",
];

/// `https://HOST[:PORT]`, the first label may be `*` of a domain of one's own; plain HTTP on the
/// machine's own loopback.
fn is_origin(text: &str) -> bool {
    let (rest, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return false,
    };
    let (host, port) = rest.split_once(':').unwrap_or((rest, "443"));
    let below = host.strip_prefix("*.");
    if below.is_some_and(|domain| !domain.contains('.') || SHARED.contains(&domain)) {
        return false;
    }
    let host = below.unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label)
        && port.parse::<u16>().is_ok()
        && (!is_plain || matches!(host, "localhost" | "127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_nothing_else() {
        let check = |text: &str, expected| assert_eq!(is_origin(text), expected, "{text}");
        for origin in [
            "https://apps.mypurecloud.com",
            "https://acme.lightning.force.com",
            "https://*.crm.example.com",
            "https://*.acme.my.salesforce.com",
            "https://crm.example.com:8443",
            "http://127.0.0.1:4711",
            "http://localhost",
        ] {
            check(origin, true);
        }
        for odd in [
            "",
            "*",
            "https://*",
            "https://*.com",
            "https://*.force.com",
            "https://*.lightning.force.com",
            "https://",
            "apps.mypurecloud.com",
            "http://apps.mypurecloud.com",
            "https://a.com/",
            "https://a.com; script-src *",
            "https://a.com https://b.com",
            "https://a..com",
            "https://a.com:port",
            "'none'",
        ] {
            check(odd, false);
        }
    }
}
