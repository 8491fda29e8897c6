//! From a checked configuration to the parts of a running server.

pub mod actions;
pub mod presence;
mod routing;
pub mod syncs;

pub use routing::{of_rule, uris};

use crate::alerts;
use crate::config::{
    Config, ConnectionSection, Durability, LimitsSection, Loaded, Mistake, ServerSection,
};
use crate::exit::{self, Failure};
use crate::http::{self, Tls};
use crate::vault::InStore;
use domain::beside::LinkedBy;
use domain::{Caller, Numbering};
use engine::connections::{Behaviour, Data, Formats};
use engine::sync::Syncing;
use engine::{
    Beside, CallOptions, Connection, Connections, Corrections, Queue, Reconciling, Routing,
    Schedule, Template,
};
use kit::manifest::Defaults;
use kit::modules::Names;
use kit::{Limits, Manifest, Network, Opening, Secret, Settings};
use state::{Location, MasterKey, Options, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Opens the store that the configuration names.
pub async fn store(loaded: &Loaded) -> Result<(Store, &'static str), Failure> {
    let (location, master) = (location(loaded)?, master_key(loaded)?);
    let kind = match &location {
        Location::Postgres { .. } => "postgres",
        _ => "sqlite",
    };
    let durability = match loaded.config.store.durability {
        Durability::Power => state::Durability::Power,
        Durability::Process => state::Durability::Process,
    };
    let options = Options { durability, ..Options::default() };
    Ok((Store::open(&location, &master, options).await?, kind))
}

pub fn location(loaded: &Loaded) -> Result<Location, Failure> {
    let section = &loaded.config.store;
    let text = match (&section.location, &section.location_from) {
        (Some(text), _) => Secret::new(text.clone()),
        (None, Some(source)) => source.read().map_err(exit::environment)?,
        (None, None) => return Err(exit::input("store.location is required")),
    };
    text.reveal()
        .parse::<Location>()
        .map_err(|error| exit::input(format!("store.location: {error}")))
}

pub fn master_key(loaded: &Loaded) -> Result<MasterKey, Failure> {
    let source = &loaded.config.store.master_key;
    let text = source.read().map_err(|reason| {
        exit::environment(format!("store.master_key: {reason}. `tieline key` makes one."))
    })?;
    text.reveal()
        .parse()
        .map_err(|error| exit::input(format!("store.master_key, from {}: {error}", source.place())))
}

/// The API keys; serving without one is refused.
pub fn api_keys(loaded: &Loaded) -> Result<Vec<Secret>, Failure> {
    let sources = &loaded.config.server.api_keys;
    if sources.is_empty() {
        let fix = "server.api_keys = [{ env = \"TIELINE_API_KEY\" }]";
        return Err(exit::input(format!("there is no API key and no default one; write {fix}")));
    }
    let read = |reason| exit::environment(format!("server.api_keys: {reason}"));
    sources.iter().map(|source| source.read().map_err(read)).collect()
}

/// The certificate to serve with, where one is configured.
pub fn tls(section: &ServerSection) -> Result<Option<Arc<Tls>>, Failure> {
    let load = |section| Tls::load(section).map(Arc::new).map_err(exit::environment);
    section.tls.as_ref().map(load).transpose()
}

/// Files open besides connections of clients: the store's, and connections to others.
const FILES_BESIDE: usize = 256;

/// Lets the process have as many open files as its connections need, as far as it may.
pub fn make_room(section: &ServerSection) {
    let wanted = section.connections_max.saturating_add(FILES_BESIDE);
    if let Some(files) = http::open_files().filter(|files| *files < wanted as u64) {
        tracing::warn!(
            "the system allows {files} open files, server.connections_max needs {wanted}: \
             raise the limit (LimitNOFILE of the service) or lower the setting"
        );
    }
}

/// The demo's key is public, and a short one is guessed: nobody may serve with such.
pub fn refuse_short(keys: &[Secret]) -> Result<(), Failure> {
    if keys.iter().any(|key| key.reveal().len() < 16) {
        return Err(exit::input("server.api_keys: a key has less than 16 characters"));
    }
    Ok(())
}

/// Every connection, opened; nothing has been asked of any vendor yet but tokens, which
/// lie in the store where there is one.
pub fn connections(loaded: &Loaded, store: Option<&Store>) -> Result<Connections, Failure> {
    tell_clashes(&loaded.config);
    joined(loaded, opened(loaded, store)?).map_err(told)
}

/// Each connection of the configuration.
pub fn opened(loaded: &Loaded, store: Option<&Store>) -> Result<Vec<Arc<Connection>>, Failure> {
    let names = loaded.config.connections.keys();
    let open = |name: &String| connection(loaded, name, store).map(Arc::new);
    names.map(open).collect::<Result<_, _>>().map_err(|mistake| told(vec![mistake]))
}

/// Mistakes, as a command ends with them.
pub fn told(mistakes: Vec<Mistake>) -> Failure {
    let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    exit::input(lines.join("\n"))
}

/// The open connections and the queues of the configuration.
pub fn joined(loaded: &Loaded, all: Vec<Arc<Connection>>) -> Result<Connections, Vec<Mistake>> {
    let config = &loaded.config;
    refuse_without_accounts(&all)?;
    let by_name = |name: &str| all.iter().find(|c| c.name == name).cloned();
    let default = by_name(&config.lookup.default_connection).ok_or_else(|| {
        vec![Mistake::new("lookup.default_connection", "names no connection.", "Name one.")]
    })?;
    let platform = config.contact_center.as_ref().and_then(|c| by_name(&c.connection));
    let fields = config.enriched();
    let queues = config.queues.iter().map(|queue| Queue {
        name: queue.name.clone(),
        ids: queue.ids.clone(),
        dids: queue.dids.iter().filter_map(|did| e164(did, loaded)).collect(),
        connection: config.connection_of(queue).to_owned(),
        deadline: queue.deadline.map(|d| d.0),
        policy: queue.policy.map(Into::into),
        serving: actions::serving(queue, &fields),
    });
    let queues = queues.collect();
    Ok(Connections::new(all, default, platform, queues))
}

/// Beside a CRM stands what knows accounts. Which connectors do is seen when they are open.
fn refuse_without_accounts(all: &[Arc<Connection>]) -> Result<(), Vec<Mistake>> {
    let knows = |name: &str| {
        all.iter().any(|other| other.name == name && other.capabilities.accounts.is_some())
    };
    let mut mistakes = Vec::new();
    for connection in all {
        for (index, beside) in connection.beside.iter().enumerate() {
            let (name, other) = (&connection.name, &beside.connection);
            if !knows(other) {
                mistakes.push(Mistake::new(
                    format!("connections.{name}.beside.{index}.connection"),
                    format!("`{other}` knows no accounts."),
                    "Name a connection to a system that does, such as an ERP.",
                ));
            }
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// A name that a CRM and a system beside it both give says what the CRM says; an
/// administrator learns of it here and not from a report.
pub fn tell_clashes(config: &Config) {
    let data = |section: &ConnectionSection| {
        let names = section.settings.get("data").and_then(toml::Value::as_table);
        names.map(|names| names.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default()
    };
    for (name, section) in &config.connections {
        for other in section.beside.iter().map(|beside| &beside.connection) {
            let Some(theirs) = config.connections.get(other).map(data) else { continue };
            for both in data(section).intersection(&theirs) {
                tracing::warn!(
                    "{name} and {other} both give `{both}`: where {name} has a value, that of \
                     {other} is not told; give it another name in one of their settings.data"
                );
            }
        }
    }
}

/// What holds for every connection.
pub fn options(loaded: &Loaded) -> Result<engine::Options, Failure> {
    let config = &loaded.config;
    let flow_sets = config.contact_center.as_ref().is_none_or(|one| one.flow_sets_attributes);
    Ok(engine::Options {
        region: loaded.region,
        store_reserve: config.lookup.store_reserve.0,
        flow_sets_attributes: flow_sets,
        corrections: corrections(config),
        calls: calls(config)?,
        reconcile: reconciling(config)?,
        keep_calls_for: Some(config.retention.calls.0).filter(|kept| !kept.is_zero()),
        keep_presence_for: Some(config.retention.presence.0).filter(|kept| !kept.is_zero()),
        dimensions: Arc::new(config.reports.dimensions.clone()),
        columns: Arc::new(config.reports.columns.clone()),
        alerts: alerts::alerting(&config.alerts)?,
        syncing: Arc::new(Syncing::new(
            Some(config.retention.sync_journal.0).filter(|kept| !kept.is_zero()),
        )),
        routing: Routing {
            deadline: config.routing.deadline.0,
            default: config.routing.default.as_ref().map(Into::into),
            passes_max: u64::from(config.routing.decisions_per_call_max),
            has_shadow: config.routing.shadow,
        },
    })
}

/// What happens when a call is over.
fn calls(config: &Config) -> Result<Arc<CallOptions>, Failure> {
    let section = &config.calls;
    let template = |text: &str| {
        let unknown =
            |word| exit::input(format!("calls.activity: `{{{word}}}` stands for nothing"));
        Template::parse(text).map_err(unknown)
    };
    Ok(Arc::new(CallOptions {
        settle_for: section.settle_for.0,
        writes_activities: section.activity.enabled,
        subject: template(&section.activity.subject)?,
        body: template(&section.activity.body)?,
    }))
}

/// When calls are reconciled.
fn reconciling(config: &Config) -> Result<Arc<Reconciling>, Failure> {
    let section = &config.reconcile;
    let schedule = Schedule::new(&section.at, &section.time_zone);
    let schedule = schedule.map_err(|wrong| exit::input(format!("reconcile: {wrong}")))?;
    let schedule = section.enabled.then_some(schedule);
    Ok(Arc::new(Reconciling::new(schedule, section.since.0)))
}

/// How agents' corrections are made and remembered.
fn corrections(config: &Config) -> Corrections {
    let section = &config.corrections;
    Corrections {
        remember_for: section.remember_for.0,
        per_queue: section.per_queue,
        confirm_within: section.confirm_within.0,
    }
}

fn e164(text: &str, loaded: &Loaded) -> Option<String> {
    match domain::phone::parse(text, loaded.region) {
        Caller::Number(phone) => Some(phone.e164),
        Caller::Withheld | Caller::Unusable { .. } => None,
    }
}

/// What a connection of the configuration is opened with.
pub fn opening(loaded: &Loaded, name: &str) -> Result<Opening, Failure> {
    let section = loaded.config.connections.get(name);
    let section =
        section.ok_or_else(|| exit::input(format!("there is no [connections.{name}]")))?;
    let connector = connectors::by_name(&section.connector)
        .ok_or_else(|| exit::input(format!("connections.{name}.type names no connector")))?;
    Ok(opening_of(loaded, name, section, &connector.manifest.limits))
}

fn opening_of(
    loaded: &Loaded,
    name: &str,
    section: &ConnectionSection,
    defaults: &Defaults,
) -> Opening {
    Opening {
        name: name.to_owned(),
        settings: loaded.settings.get(name).cloned().unwrap_or_default(),
        limits: limits(&section.limits, defaults),
        network: Network {
            allow_private_addresses: section.allow_private_addresses,
            proxy_hosts: proxy_hosts(|name| std::env::var(name).ok()),
        },
        numbers: numbers(loaded, section),
    }
}

/// How a connection's numbers are read and written.
fn numbers(loaded: &Loaded, section: &ConnectionSection) -> Numbering {
    Numbering::new(loaded.region, section.formats.phone.map(Into::into))
}

/// One connection of the configuration, opened.
pub fn connection(
    loaded: &Loaded,
    name: &str,
    store: Option<&Store>,
) -> Result<Connection, Mistake> {
    let section = loaded.config.connections.get(name);
    let connector = section.and_then(|section| connectors::by_name(&section.connector));
    let (Some(section), Some(connector)) = (section, connector) else {
        let at = format!("connections.{name}");
        return Err(Mistake::new(at, "names no connector.", "Write its type."));
    };
    let opening = opening_of(loaded, name, section, &connector.manifest.limits);
    let (limits, settings) = (opening.limits, opening.settings.clone());
    let vault = store.map(|store| {
        InStore::new(store, name, &section.connector, &opening.settings) as Arc<dyn kit::Vault>
    });
    let open = || (connector.open)(opening);
    let capabilities = match vault {
        Some(vault) => kit::vault::within(vault, open),
        None => open(),
    };
    let capabilities = capabilities.map_err(|error| {
        Mistake::new(format!("connections.{name}.settings"), error.to_string(), "")
    })?;
    let slow_after = section.limits.slow_after.map_or(kit::health::SLOW_AFTER, |period| period.0);
    let capabilities = capabilities.watched(&Arc::new(kit::Health::new(name, slow_after)));
    if let Some(floor) = section.limits.floor {
        capabilities.turnstile.budget().set_floor(floor);
    }
    let lookup = &loaded.config.lookup;
    let behaviour = Behaviour {
        policy: section.policy.unwrap_or(lookup.policy).into(),
        freshness: domain::freshness::Limits {
            fresh_for: section.fresh_for.unwrap_or(lookup.fresh_for).0,
            stale_limit: section.stale_limit.unwrap_or(lookup.stale_limit).0,
        },
        deadline: section.deadline.unwrap_or(lookup.deadline).0,
        remember_misses_for: lookup.remember_misses_for.0,
        concurrent_calls: limits.concurrent_calls,
        concurrent_background: limits.concurrent_background,
    };
    let prefix = loaded.prefixes.get(name).cloned();
    let beside = section.beside.iter().map(|beside| Beside {
        connection: beside.connection.clone(),
        linked_by: LinkedBy::parse(&beside.linked_by),
    });
    let beside = beside.collect();
    let connection = Connection::new(name, prefix, capabilities, behaviour);
    let formats = Formats { numbers: Some(numbers(loaded, section)), ids: section.formats.ids() };
    let needs = crate::rights::needs(loaded, name, &connector.manifest, &connection);
    let connection = connection.of_kind(&section.connector).with_beside(beside);
    let connection = connection.with_data(data(&connector.manifest, &settings, section));
    Ok(connection.with_formats(formats).with_needs(needs))
}

/// What can be named of its people before anybody is asked.
fn data(manifest: &Manifest, settings: &Settings, section: &ConnectionSection) -> Data {
    Data {
        modules: manifest.modules.of(manifest, settings, &section.modules.own()),
        people: Names::of(&manifest.data_settings, settings),
        accounts: Names::of(&manifest.account_data_settings, settings),
    }
}

/// Hosts of the proxies that requests go out by: reqwest takes them from these variables.
fn proxy_hosts(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    const NAMES: [&str; 6] =
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let host = |text: String| {
        // `proxy.example:3128` is allowed there, and would read as a scheme here.
        let text = if text.contains("://") { text } else { format!("http://{text}") };
        reqwest::Url::parse(&text).ok()?.host_str().map(str::to_owned)
    };
    let mut hosts: Vec<String> = NAMES.into_iter().filter_map(variable).filter_map(host).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

fn limits(section: &LimitsSection, defaults: &Defaults) -> Limits {
    Limits {
        requests_per_minute: section.requests_per_minute.unwrap_or(defaults.requests_per_minute),
        reserved_for_calls: section.reserved_for_calls.unwrap_or(defaults.reserved_for_calls),
        concurrent_calls: section.concurrent_calls.unwrap_or(defaults.concurrent_calls),
        concurrent_background: section
            .concurrent_background
            .unwrap_or(defaults.concurrent_background),
        timeout: section.timeout.map_or(Duration::from_millis(defaults.timeout_ms), |t| t.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{data, proxy_hosts};
    use crate::config::ConnectionSection;
    use kit::Settings;
    use kit::modules::Word;

    /// What can be named of the people of a connection that the text describes.
    fn named(text: &str) -> engine::connections::Data {
        let section: ConnectionSection = toml::from_str(text).expect("a section");
        let connector = connectors::by_name(&section.connector).expect("a connector");
        let plain = section.settings.clone().into_iter().collect();
        let settings = Settings { plain, ..Settings::default() };
        data(&connector.manifest, &settings, &section)
    }

    #[test]
    fn modules_and_fields_are_the_manifests_and_the_configurations_together() {
        let crm = named(
            "type = 'salesforce'\nsettings = { objects = ['Contact', 'Lead'], data = { tier = 'Tier__c', company = 'Account.Name' } }",
        );
        assert_eq!(crm.name(Word::Contacts, "Contact", "Tier__c"), Some("tier"));
        assert_eq!(crm.name(Word::Leads, "Lead", "tier"), Some("tier"));
        assert_eq!(crm.name(Word::Accounts, "Contact", "Name"), Some("company"));
        assert!(!crm.can_tell(Word::Accounts, "Tier__c") && !crm.people.has_others);

        let desk = named(
            "type = 'servicenow'\nsettings = { tables = ['customer_contact', 'u_prospects'], data = { state = 'u_state' }, data_display = { stateWord = 'u_state', firm = 'account.name' } }\nmodules = { leads = ['u_prospects'] }",
        );
        assert_eq!(desk.name(Word::Leads, "u_prospects", "u_state"), Some("state"));
        assert_eq!(desk.name(Word::Leads, "u_prospects", "stateWord"), Some("stateWord"));
        assert_eq!(desk.name(Word::Contacts, "u_prospects", "u_state"), None);
        assert_eq!(desk.name(Word::Accounts, "customer_contact", "name"), Some("firm"));

        let own = named("type = 'sql'\nmodules = { leads = ['prospect'] }");
        assert!(own.people.has_others && own.people.fields.is_empty());
        assert_eq!(own.name(Word::Leads, "prospect", "open_invoices"), Some("open_invoices"));
        assert_eq!(own.name(Word::Contacts, "customer", "open_invoices"), Some("open_invoices"));
        assert!(own.modules.lack(Word::Accounts).is_some_and(|why| why.contains("object")));
    }

    #[test]
    fn the_hosts_of_proxies_are_read_from_what_the_environment_says() {
        let check = |name: &'static str, text: &str, expected: &[&str]| {
            let hosts = proxy_hosts(|asked| (asked == name).then(|| text.to_owned()));
            assert_eq!(hosts, expected, "{name}={text}");
        };
        check("HTTPS_PROXY", "http://Proxy.corp.example:3128", &["proxy.corp.example"]);
        check("http_proxy", "proxy.corp.example:3128", &["proxy.corp.example"]);
        check("ALL_PROXY", "http://user:secret@10.0.0.8:3128/", &["10.0.0.8"]);
        check("HTTPS_PROXY", "", &[]);
        check("NO_PROXY", "proxy.corp.example", &[]);
    }
}
