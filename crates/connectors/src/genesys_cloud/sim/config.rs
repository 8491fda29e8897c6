//! How a simulated organization is set up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::all_permissions;

/// How the organization is set up. The default is a client with every permission
/// it may need, at the vendor's own limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// The OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The OAuth client that the agents' widget logs in through.
    pub widget_client_id: String,
    /// Lifetime of a token; the vendor allows 300 s to 48 h, default 24 h.
    pub token_lifetime: Duration,
    /// The organization's id.
    pub organization_id: String,
    /// Its name.
    pub organization_name: String,
    /// An external source that exists from the start: id and name.
    pub external_source: (String, String),
    /// Queues that exist from the start: id and name.
    pub queues: Vec<(String, String)>,
    /// IVRs that exist from the start: id, name, and the numbers that lead there.
    pub ivrs: Vec<(String, String, Vec<String>)>,
    /// User prompts that exist from the start: id and name.
    pub prompts: Vec<(String, String)>,
    /// Users that exist from the start: id, name and e-mail address; offline.
    pub agents: Vec<(String, String, String)>,
    /// How often a socket of the notification service says that it is alive.
    pub heartbeat: Duration,
    /// Topics, with `{id}` or with the id of a user, that want a permission.
    pub topic_permissions: Vec<(String, String)>,
    /// What the client's roles grant.
    pub permissions: BTreeSet<String>,
    /// The client has the role of a Master Admin as well.
    pub is_administrator: bool,
    /// Requests per client and minute.
    pub rate_per_minute: u32,
    /// How long a write takes to reach search, list, scan and reverse lookup.
    pub index_lag: Duration,
    /// Ids are the same for the same seed.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            client_id: "00000000-5157-4c11-9000-000000000001".into(),
            client_secret: "simulated-secret".into(),
            widget_client_id: "00000000-5157-4c11-9000-000000000002".into(),
            token_lifetime: Duration::from_secs(86_400),
            organization_id: "00000000-0449-4000-9000-000000000001".into(),
            organization_name: "Simulated Organization".into(),
            external_source: ("00000000-50ce-4000-9000-000000000001".into(), "CRM".into()),
            queues: vec![
                ("00000000-90e0-4000-9000-000000000001".into(), "Support".into()),
                ("00000000-90e0-4000-9000-000000000002".into(), "Sales".into()),
            ],
            ivrs: vec![
                (
                    "00000000-1b40-4000-9000-000000000001".into(),
                    "Main menu".into(),
                    vec!["+15550190000".into()],
                ),
                (
                    "00000000-1b40-4000-9000-000000000002".into(),
                    "Billing menu".into(),
                    vec!["+15550190002".into()],
                ),
            ],
            prompts: vec![
                ("00000000-980a-4000-9000-000000000001".into(), "Welcome".into()),
                ("00000000-980a-4000-9000-000000000002".into(), "Office_Closed".into()),
            ],
            agents: ["Ann Agent", "Ben Agent", "Cleo Agent"]
                .into_iter()
                .zip(1..)
                .map(|(name, n)| {
                    let email = name.to_lowercase().replace(' ', ".") + "@example.com";
                    (format!("00000000-05e7-4000-9000-{n:012}"), name.into(), email)
                })
                .collect(),
            heartbeat: Duration::from_secs(30),
            topic_permissions: vec![(
                "v2.users.{id}.conversations".into(),
                "conversation:communication:view".into(),
            )],
            permissions: all_permissions(),
            is_administrator: false,
            rate_per_minute: 300,
            index_lag: Duration::ZERO,
            seed: 1,
        }
    }
}
