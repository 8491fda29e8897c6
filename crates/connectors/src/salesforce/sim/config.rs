//! What a simulated org is like: its app, its user, its people, its bounds.

use std::time::Duration;

use serde_json::Value as Json;

use super::store::schema::{CustomField, Kind, Permissions};

/// The org, its app and its user.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// More records: object and body, as a client would send them.
    pub rows: Vec<(String, Json)>,
    /// Consumer key of the app (`client_id`, and `iss` of a JWT).
    pub consumer_key: String,
    /// Consumer secret of the app.
    pub consumer_secret: String,
    /// Consumer key of the app of the agents' widget, which may be a Canvas app.
    pub widget_key: String,
    /// Its consumer secret.
    pub widget_secret: String,
    /// The integration user: `sub` of a JWT, and who client credentials run as.
    pub username: String,
    /// The app's RSA public key, PEM or DER (SubjectPublicKeyInfo or PKCS#1).
    pub public_key: Option<Vec<u8>>,
    /// `67.0` …, oldest first.
    pub api_versions: Vec<String>,
    /// How long a token holds; an org's default is two hours.
    pub token_lifetime: Duration,
    /// API requests a day; past it 403 `REQUEST_LIMIT_EXCEEDED`.
    pub daily_limit: u64,
    /// Client credentials are refused on a host `login.…` or `test.…`.
    pub my_domain_only: bool,
    /// Whether the user has approved the app, or an administrator for all.
    pub approved: bool,
    /// Whether client credentials have a user to run as.
    pub run_as: bool,
    /// The scopes of the app, as a token's answer names them.
    pub scope: String,
    /// Fields that an administrator added.
    pub custom_fields: Vec<CustomField>,
    /// What the integration user may not do.
    pub permissions: Permissions,
    /// How long a record is unknown to search after a write.
    pub index_lag: Duration,
    /// Rows of one query batch at most (the vendor's own bound is 2000).
    pub batch: usize,
    /// The port of the Pub/Sub API; 0 takes a free one.
    pub pubsub_port: u16,
    /// Objects whose changes are told on the event bus.
    pub captured: Vec<String>,
    /// A custom channel of the event bus, and its objects.
    pub change_channel: Option<(String, Vec<String>)>,
    /// How long the bus keeps an event.
    pub retention: Duration,
    /// How long a subscription is silent before it is told that nothing happened (the
    /// vendor's own bound is 270 s).
    pub keepalive: Duration,
    /// A tenth fewer rows in a batch than asked for, as the vendor may do.
    pub fewer_rows: bool,
}

impl Default for Config {
    /// A small org with the fixed people only, an app, and the custom fields of the demo.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            rows: vec![],
            consumer_key: "3MVG9sim.consumer.key".to_owned(),
            consumer_secret: "sim-consumer-secret".to_owned(),
            widget_key: "3MVG9sim.widget.key".to_owned(),
            widget_secret: "sim-widget-secret".to_owned(),
            username: "integration@acme.example.com".to_owned(),
            public_key: None,
            api_versions: (59..=67).map(|version| format!("{version}.0")).collect(),
            token_lifetime: Duration::from_secs(2 * 60 * 60),
            daily_limit: 5_000_000,
            my_domain_only: true,
            approved: true,
            run_as: true,
            scope: "api id".to_owned(),
            custom_fields: demo_fields(),
            permissions: Permissions::default(),
            index_lag: Duration::from_secs(5),
            batch: 2000,
            pubsub_port: 0,
            // As many as an edition without the add-on allows.
            captured: ["Account", "Contact", "Lead", "UserServicePresence", "AgentWork"]
                .map(str::to_owned)
                .to_vec(),
            change_channel: None,
            retention: Duration::from_secs(72 * 60 * 60),
            keepalive: Duration::from_secs(1),
            fewer_rows: false,
        }
    }
}

/// `Loyalty_Tier__c`, `External_Id__c` (unique) and `CRM_Case_Id__c` on Contact,
/// `Case_Ref__c` on Case and `ERP_Number__c` on Account (external ids that need not be
/// unique).
fn demo_fields() -> Vec<CustomField> {
    let field = |object: &str, name: &str, kind, external_id, unique| CustomField {
        object: object.to_owned(),
        name: name.to_owned(),
        kind,
        length: 64,
        external_id,
        unique,
    };
    vec![
        field("Contact", "Loyalty_Tier__c", Kind::Picklist, false, false),
        field("Contact", "External_Id__c", Kind::String, true, true),
        field("Contact", "CRM_Case_Id__c", Kind::String, false, false),
        field("Case", "Case_Ref__c", Kind::String, true, false),
        field("Account", "ERP_Number__c", Kind::String, true, false),
    ]
}
