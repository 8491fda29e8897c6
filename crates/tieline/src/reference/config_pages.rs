//! The configuration's reference and example, from the schema of its types.

use crate::config::{Config, Period};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::fmt::Write as _;

/// One key of a section.
struct Key<'a> {
    name: &'a str,
    value: String,
    is_required: bool,
    default: String,
    meaning: String,
}

/// The sections in the order a reader meets them, with their place in the file.
const SECTIONS: &[(&str, &str)] = &[
    ("ServerSection", "[server]"),
    ("TlsSection", "[server.tls]"),
    ("StoreSection", "[store]"),
    ("LookupSection", "[lookup]"),
    ("CallsSection", "[calls]"),
    ("ActivitySection", "[calls.activity]"),
    ("RoutingSection", "[routing]"),
    ("UriSection", "[[routing.uris]]"),
    ("ReportsSection", "[reports]"),
    ("StreamsSection", "[streams]"),
    ("WidgetSection", "[widget]"),
    ("ConsoleSection", "[console]"),
    ("OidcSection", "[console.oidc]"),
    ("ContactCenterSection", "[contact_center]"),
    ("ConnectionSection", "[connections.NAME]"),
    ("LimitsSection", "[connections.NAME.limits]"),
    ("BesideSection", "[[connections.NAME.beside]]"),
    ("ModulesSection", "[connections.NAME.modules]"),
    ("ActionSection", "[actions.NAME]"),
    ("FieldSection", "[actions.NAME.fields.FIELD]"),
    ("CacheSection", "[actions.NAME.cache]"),
    ("QueueSection", "[[queues]]"),
    ("SyncSection", "[[syncs]]"),
    ("EndSection", "[syncs.left], [syncs.right]"),
    ("FilterSection", "[[syncs.left.filter]]"),
    ("FieldMapSection", "[[syncs.fields]]"),
    ("DeletesSection", "[syncs.deletes]"),
    ("MarkSection", "[syncs.deletes.mark_left]"),
    ("BrakeSection", "[syncs.brake]"),
    ("PresenceSection", "[[presence]]"),
    ("PairSection", "[[presence.pairs]]"),
    ("TransitionSection", "[presence.transition]"),
    ("MembersSection", "[presence.members]"),
    ("MatchingSection", "[presence.matching]"),
    ("MissedSection", "[presence.missed]"),
    ("ConsoleSection", "[presence.console]"),
    ("LogSection", "[log]"),
];

fn schema() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    schema.to_value()
}

pub fn reference() -> String {
    let schema = schema();
    let mut page = "# Configuration\n\n`tieline.toml`. Defaults ← file ← environment ← flags: \
        `TIELINE_LOOKUP__DEADLINE=250ms` lays over `lookup.deadline`. Unknown keys are refused with \
        the line and the nearest right name. A length of time is written `300ms`, `15m`, `24h`; a \
        secret `{ env = \"NAME\" }` or `{ file = \"PATH\" }`.\n"
        .to_owned();
    for (name, place) in SECTIONS {
        let section = &schema["$defs"][*name];
        let about = section["description"].as_str().unwrap_or_default();
        // Writing to a String cannot fail.
        write!(page, "\n## {place}\n\n{about}\n\n| Key | Value | Required | Default | Meaning |\n| --- | --- | --- | --- | --- |\n").ok();
        for key in keys(&schema, section) {
            let required = if key.is_required { "yes" } else { "no" };
            let Key { name, value, default, meaning, .. } = key;
            writeln!(page, "| `{name}` | {value} | {required} | {default} | {meaning} |").ok();
        }
    }
    page
}

fn keys<'a>(schema: &'a Value, section: &'a Value) -> Vec<Key<'a>> {
    let required: Vec<&str> =
        section["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties =
        section["properties"].as_object().map_or_else(Vec::new, |p| p.iter().collect());
    let key = |(name, property): (&'a String, &'a Value)| Key {
        name,
        value: value_of(schema, property),
        is_required: required.contains(&name.as_str()),
        default: default_of(&property["default"]),
        meaning: property["description"].as_str().unwrap_or_default().replace('\n', " "),
    };
    properties.into_iter().map(key).collect()
}

fn value_of(schema: &Value, property: &Value) -> String {
    let resolved = resolve(schema, property);
    if let Some(words) = words_of(resolved) {
        return words.join(", ");
    }
    match (resolved["format"].as_str(), kind_of(resolved)) {
        (Some("length of time"), _) => "a length of time".to_owned(),
        (Some("secret"), _) => "a secret".to_owned(),
        (_, "integer") => "a number".to_owned(),
        (_, "boolean") => "true or false".to_owned(),
        (_, "array") if resolved["items"]["format"] == "secret" => "a list of secrets".to_owned(),
        (_, "array") if kind_of(resolve(schema, &resolved["items"])) == "object" => {
            "a list of tables".to_owned()
        }
        (_, "array") => "a list of texts".to_owned(),
        (_, "object") => "a table".to_owned(),
        _ => "a text".to_owned(),
    }
}

/// Follows a reference, and looks through an optional's choice of null.
fn resolve<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(name) = property["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return &schema["$defs"][name];
    }
    let choices = property["anyOf"].as_array().into_iter().flatten();
    let real = choices.into_iter().find(|choice| choice["type"] != "null");
    real.map_or(property, |choice| resolve(schema, choice))
}

fn words_of(resolved: &Value) -> Option<Vec<String>> {
    let listed = resolved["enum"].as_array().map(|words| words.iter().collect::<Vec<_>>());
    let described = || {
        let choices = resolved["oneOf"].as_array()?;
        Some(choices.iter().map(|choice| &choice["const"]).collect::<Vec<_>>())
    };
    let words = listed.or_else(described)?;
    Some(words.into_iter().filter_map(Value::as_str).map(|w| format!("`{w}`")).collect())
}

fn kind_of(resolved: &Value) -> &str {
    match &resolved["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|k| *k != "null").unwrap_or("string")
        }
        _ => "string",
    }
}

fn default_of(default: &Value) -> String {
    match default {
        Value::Null => String::new(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(_) => String::new(),
        Value::String(text) => format!("`{}`", text.replace('\n', "\\n")),
        other => format!("`{other}`"),
    }
}

/// A file that starts once its secrets are set.
pub fn example() -> String {
    let deadline = Period::ms(300);
    format!(
        r#"# An example. Every key: docs/reference/config.md. Made by `cargo xtask codegen`.

[server]
listen = "127.0.0.1:8080"
api_keys = [{{ env = "TIELINE_API_KEY" }}]

[store]
location = "sqlite:/var/lib/tieline/tieline.db"
master_key = {{ env = "TIELINE_MASTER_KEY" }}      # `tieline key` makes one

[lookup]
default_connection = "salesforce"
default_region = "US"
deadline = "{deadline}"
match = "first"

[contact_center]
connection = "genesys"

[connections.salesforce]
type = "salesforce"
prefix = "CRM"

[connections.salesforce.settings]
login_url = "https://example.my.salesforce.com"
auth = "client_credentials"
client_id = "your-consumer-key"
client_secret = {{ env = "SALESFORCE_CLIENT_SECRET" }}

[connections.salesforce.settings.data]
crmCaseId = "CRM_Case_Id__c"
loyaltyTier = "Loyalty_Tier__c"

[connections.genesys]
type = "genesys_cloud"

[connections.genesys.settings]
region = "mypurecloud.com"
client_id = "your-oauth-client-id"
client_secret = {{ env = "GENESYS_CLIENT_SECRET" }}
external_source = "CRM"

[[queues]]
name = "Support"
ids = ["6d0e7b2a-1f0c-4b6e-9f55-2f9d9b1f3c11"]
dids = ["+12025550123"]
connection = "salesforce"
"#
    )
}
