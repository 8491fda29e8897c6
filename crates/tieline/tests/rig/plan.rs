//! The sentence that sets a line up, and the configuration file it comes to.

use super::Folder;
use super::line::Line;
use super::place::Place;
use connectors::{genesys_cloud, salesforce};
use std::fmt::Write as _;
use std::time::Duration;

/// Of every store of a test.
pub(crate) const MASTER_KEY: &str =
    "5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e5a1e";
/// Of every server of a test.
pub(crate) const API_KEY: &str = "a-key-for-tests-0123456789";

/// The deadline of tests that are about something else: no busy machine makes it late.
pub(crate) const PATIENT: &str = "5s";

/// What a line will be like. Ends with [`Plan::start`].
pub(crate) struct Plan {
    people: u64,
    index_lag: Duration,
    has_genesys: bool,
    place: Option<Place>,
    deadline: String,
    lookup: String,
    data: String,
    limits: String,
    log_level: &'static str,
    contact_center: String,
    agents_sign_in: bool,
    more: String,
    environment: Vec<(String, String)>,
}

impl Line {
    /// A server that answers from a simulated Salesforce.
    pub(crate) fn with_salesforce() -> Plan {
        Plan {
            people: 0,
            index_lag: Duration::ZERO,
            has_genesys: false,
            place: None,
            deadline: PATIENT.to_owned(),
            lookup: String::new(),
            data: String::new(),
            limits: String::new(),
            log_level: "info",
            contact_center: String::new(),
            agents_sign_in: false,
            more: String::new(),
            environment: Vec::new(),
        }
    }
}

impl Plan {
    /// Generated people besides the fixed ones.
    pub(crate) fn people(self, people: u64) -> Self {
        Self { people, ..self }
    }

    /// How long Salesforce's search does not know a fresh record.
    pub(crate) fn index_lag(self, index_lag: Duration) -> Self {
        Self { index_lag, ..self }
    }

    /// And tells a simulated Genesys Cloud.
    pub(crate) fn and_genesys(self) -> Self {
        Self { has_genesys: true, ..self }
    }

    /// With the store there; else on disk.
    pub(crate) fn on(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    pub(crate) fn deadline(self, period: &str) -> Self {
        Self { deadline: period.to_owned(), ..self }
    }

    /// A text of the section `lookup`.
    pub(crate) fn lookup(mut self, key: &str, text: &str) -> Self {
        writeln!(self.lookup, "{key} = \"{text}\"").expect("a text takes text");
        self
    }

    /// A name of the people's data, and the field it comes from.
    pub(crate) fn data(mut self, name: &str, field: &str) -> Self {
        writeln!(self.data, "{name} = \"{field}\"").expect("a text takes text");
        self
    }

    /// A line of the section `connections.salesforce.limits`.
    pub(crate) fn limit(mut self, line: &str) -> Self {
        writeln!(self.limits, "{line}").expect("a text takes text");
        self
    }

    /// A line of the section `contact_center`.
    pub(crate) fn contact_center(mut self, line: &str) -> Self {
        writeln!(self.contact_center, "{line}").expect("a text takes text");
        self
    }

    /// Every vendor signs agents in for the widget.
    pub(crate) fn agents_sign_in(self) -> Self {
        Self { agents_sign_in: true, ..self }
    }

    /// Whole sections at the file's end.
    pub(crate) fn section(mut self, text: &str) -> Self {
        writeln!(self.more, "\n{text}").expect("a text takes text");
        self
    }

    pub(crate) fn log_level(self, log_level: &'static str) -> Self {
        Self { log_level, ..self }
    }

    /// A variable of the server's environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the vendors and the server, and waits until it has every token.
    pub(crate) async fn start(self) -> Line {
        let line = self.lay().await;
        line.started().await
    }

    /// Starts the vendors and writes the configuration; the server is not started.
    pub(crate) async fn lay(mut self) -> Line {
        let config = salesforce::sim::Config {
            people: self.people,
            index_lag: self.index_lag,
            ..Default::default()
        };
        let salesforce = salesforce::sim::start(config).await.expect("a Salesforce");
        let genesys = if self.has_genesys {
            let config = genesys_cloud::sim::Config::default();
            Some(genesys_cloud::sim::start(config).await.expect("a Genesys Cloud"))
        } else {
            None
        };
        let folder = Folder::new();
        let mut environment = vec![
            ("TIELINE_API_KEY".to_owned(), API_KEY.to_owned()),
            ("TIELINE_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()),
            ("SALESFORCE_SECRET".to_owned(), "sim-consumer-secret".to_owned()),
        ];
        if let Some(genesys) = &genesys {
            let secret = genesys.config().client_secret.clone();
            environment.push(("GENESYS_SECRET".to_owned(), secret));
        }
        environment.extend(self.environment.iter().cloned());
        let place = self.place.take().unwrap_or_else(Place::disk);
        if self.agents_sign_in {
            let secret = salesforce::sim::Config::default().widget_secret;
            environment.push(("WIDGET_SECRET".to_owned(), secret));
        }
        let text = self.config(&salesforce.url(), genesys.as_ref(), &place.location());
        let login = format!("login_url = \"{}\"\n", salesforce.url());
        let events = format!("{login}pubsub_url = \"{}\"\n", salesforce.pubsub_url());
        let text = text.replacen(&login, &events, 1);
        let config = folder.write("tieline.toml", &text);
        Line::new(salesforce, genesys, folder, place, config, environment)
    }

    fn config(
        &self,
        salesforce: &str,
        genesys: Option<&genesys_cloud::sim::GenesysCloud>,
        location: &str,
    ) -> String {
        let Self { deadline, lookup, limits, log_level, more, contact_center, .. } = self;
        let mut text = format!(
            r#"[server]
listen = "127.0.0.1:0"
api_keys = [{{ env = "TIELINE_API_KEY" }}]
check_at_start = false

[store]
location = "{location}"
master_key = {{ env = "TIELINE_MASTER_KEY" }}

[lookup]
default_connection = "salesforce"
default_region = "US"
deadline = "{deadline}"
{lookup}
[log]
level = "{log_level}"
format = "json"

{}"#,
            salesforce_section("salesforce", "CRM", salesforce)
        );
        if self.agents_sign_in {
            let widget = salesforce::sim::Config::default().widget_key;
            let (own, secret) = ("{ env = \"SALESFORCE_SECRET\" }", "{ env = \"WIDGET_SECRET\" }");
            let more =
                format!("{own}\nwidget_client_id = \"{widget}\"\nwidget_client_secret = {secret}");
            text = text.replacen(own, &more, 1);
        }
        text.push_str(&self.data);
        write!(text, "\n[connections.salesforce.limits]\n{limits}").expect("a text takes text");
        if let Some(genesys) = genesys {
            let config = genesys.config();
            let widget = format!("widget_client_id = [\"{}\"]", config.widget_client_id);
            let widget = if self.agents_sign_in { widget } else { String::new() };
            let platform = format!(
                r#"
[contact_center]
connection = "genesys"
{contact_center}
[connections.genesys]
type = "genesys_cloud"
allow_private_addresses = true

[connections.genesys.settings]
api_url = "{url}"
login_url = "{url}"
client_id = "{}"
client_secret = {{ env = "GENESYS_SECRET" }}
external_source = "{}"
{widget}
"#,
                config.client_id,
                config.external_source.1,
                url = genesys.url(),
            );
            text.push_str(&platform);
        }
        text.push_str(more);
        text
    }
}

/// A connection to a simulated Salesforce.
pub(crate) fn salesforce_section(name: &str, prefix: &str, url: &str) -> String {
    let client_id = salesforce::sim::Config::default().consumer_key;
    format!(
        r#"[connections.{name}]
type = "salesforce"
prefix = "{prefix}"
allow_private_addresses = true

[connections.{name}.settings]
login_url = "{url}"
client_id = "{client_id}"
client_secret = {{ env = "SALESFORCE_SECRET" }}

[connections.{name}.settings.data]
crmCaseId = "CRM_Case_Id__c"
loyaltyTier = "Loyalty_Tier__c"
company = "Account.Name"
"#
    )
}

impl Line {
    /// Starts the server of a line that is laid.
    pub(crate) async fn started(mut self) -> Self {
        self.start_server().await;
        self
    }
}
