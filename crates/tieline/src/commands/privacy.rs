//! `tieline privacy report`: which personal data go to which system and region, and how
//! long they are kept here. From the configuration alone; no server is asked.
//!
//! Nothing of it is written by hand: what a connector reads and sends is in its manifest,
//! which tests hold to its requests; what the store holds is in `state::subject::facts`,
//! which tests hold to its schema.

use super::say;
use crate::cli::ConfigArgs;
use crate::config::actions::QueueMode;
use crate::config::{self, Config, ConnectionSection, Loaded};
use crate::exit::{self, Failure};
use clap::{Args, Subcommand};
use kit::Manifest;
use kit::manifest::TECHNICAL;
use serde::Serialize;
use state::Location;
use state::subject::facts::{Kept, TABLES};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Args)]
pub struct PrivacyArgs {
    #[command(subcommand)]
    command: Privacy,
}

#[derive(Debug, Subcommand)]
enum Privacy {
    /// List for each connection and for the store which field goes where.
    Report {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The whole report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    store: StoreFacts,
    connections: Vec<ConnectionFacts>,
    logs: &'static str,
    metrics: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreFacts {
    place: String,
    region: String,
    /// How what is personal lies there.
    encryption: &'static str,
    tables: Vec<TableFacts>,
    /// Values of calls that are kept in clear, for reports.
    plain_labels: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TableFacts {
    table: &'static str,
    holds: &'static str,
    in_clear: &'static [&'static str],
    kept: String,
    personal: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionFacts {
    connection: String,
    system: String,
    host: String,
    region: String,
    /// What people are asked for by: it is sent there with each question.
    asked_by: Vec<String>,
    reads: Vec<String>,
    /// Fields that are written there, and what each is.
    sends: BTreeMap<String, String>,
    /// Requests of one's own, by name.
    actions: BTreeMap<String, ActionFacts>,
    note: String,
}

/// What one action sends and reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionFacts {
    /// The names of the values that stand in each place of the request.
    sends: BTreeMap<String, BTreeSet<String>>,
    /// Where in the answer each field is read.
    reads: BTreeMap<String, String>,
    /// How long, and how many, answers are kept in memory.
    kept: String,
}

const UNKNOWN: &str = "unknown";
const LOGS: &str = "none: ids are masked, and no name, number or e-mail is written";
const METRICS: &str = "none: counts by connection and outcome";

pub fn privacy(args: &PrivacyArgs) -> Result<(), Failure> {
    let Privacy::Report { config, json } = &args.command;
    let loaded = config::load(&config.config).map_err(exit::input)?;
    let report = report(&loaded)?;
    if *json {
        return say(&serde_json::to_string(&report).map_err(exit::failed)?);
    }
    say(&text(&report))
}

fn report(loaded: &Loaded) -> Result<Report, Failure> {
    let config = &loaded.config;
    let mut connections = Vec::new();
    for (name, section) in &config.connections {
        let connector = connectors::by_name(&section.connector)
            .ok_or_else(|| exit::input(format!("connections.{name}.type names no connector")))?;
        connections.push(connection(loaded, name, section, &connector.manifest));
    }
    Ok(Report { store: store(loaded)?, connections, logs: LOGS, metrics: METRICS })
}

fn store(loaded: &Loaded) -> Result<StoreFacts, Failure> {
    let config = &loaded.config;
    let place = match crate::wiring::location(loaded)? {
        place @ Location::Postgres { .. } => place.to_string(),
        place => format!("{place} on this machine"),
    };
    let how = "; set store.data_region";
    let tables = TABLES.iter().map(|table| TableFacts {
        table: table.name,
        holds: table.holds,
        in_clear: table.clear,
        kept: kept(table.kept, config),
        personal: table.is_personal,
    });
    Ok(StoreFacts {
        place,
        region: config.store.data_region.clone().unwrap_or_else(|| format!("{UNKNOWN}{how}")),
        encryption: "AES-256-GCM, each cell bound to its row; found by keyed hashes",
        tables: tables.collect(),
        plain_labels: config.reports.dimensions.clone(),
    })
}

fn kept(kept: Kept, config: &Config) -> String {
    let period = |period: std::time::Duration| match period.as_secs() {
        0 => "for ever".to_owned(),
        seconds if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds => format!("{seconds} seconds"),
    };
    match kept {
        Kept::AsCalls => format!("{} (retention.calls)", period(config.retention.calls.0)),
        Kept::AnHour => "an hour, for whoever reads on".to_owned(),
        Kept::AsCorrections => match config.corrections.remember_for.0 {
            none if none.is_zero() => "not at all (corrections.remember_for)".to_owned(),
            some => format!("{} (corrections.remember_for)", period(some)),
        },
        Kept::AsInTheirSystem => "until their own system no longer has them".to_owned(),
        Kept::AsSyncs => {
            format!("{} (retention.sync_journal)", period(config.retention.sync_journal.0))
        }
        Kept::AsPresence => {
            format!("{} (retention.presence)", period(config.retention.presence.0))
        }
        Kept::AsWork => "until done; skipped 7 days more, dead until decided".to_owned(),
        Kept::ForEver => "until erased or taken away".to_owned(),
    }
}

/// What the actions of a connection send and read.
fn actions(config: &Config, connection: &str) -> BTreeMap<String, ActionFacts> {
    let own = config.actions.iter().filter(|(_, section)| section.connection == connection);
    let facts = own.map(|(name, section)| {
        let reads = section.fields.iter().map(|(field, at)| (field.clone(), at.path.clone()));
        let kept = section.cache.as_ref().map_or_else(
            || "not at all".to_owned(),
            |cache| format!("{} s, at most {} answers", cache.keep_for.0.as_secs(), cache.max),
        );
        let sends = section.draft().places();
        (name.clone(), ActionFacts { sends, reads: reads.collect(), kept })
    });
    facts.collect()
}

/// What queues that answer behind set on a conversation: each name, and whose it is.
fn enriched(config: &Config) -> BTreeMap<String, String> {
    if !config.queues.iter().any(|queue| queue.mode == QueueMode::Async) {
        return BTreeMap::new();
    }
    let mut all = BTreeMap::new();
    for (action, section) in &config.actions {
        let fields = section.fields.keys();
        all.extend(fields.map(|field| (field.clone(), format!("field of the action {action}"))));
    }
    let own = engine::actions::ENRICHED.iter();
    all.extend(own.map(|(name, _)| ((*name).to_owned(), "how the enrichment went".to_owned())));
    all
}

/// What systems beside a CRM add to a conversation: each name, and whose it is.
fn joined(loaded: &Loaded) -> BTreeMap<String, String> {
    let besides = loaded.config.connections.values().flat_map(|section| &section.beside);
    let names = besides.flat_map(|beside| {
        let settings = loaded.settings.get(&beside.connection);
        let pairs = settings.map(|settings| settings.pairs("data")).unwrap_or_default();
        pairs.into_iter().map(|(name, _)| (name, beside.connection.clone()))
    });
    names.collect()
}

fn connection(
    loaded: &Loaded,
    name: &str,
    section: &ConnectionSection,
    manifest: &Manifest,
) -> ConnectionFacts {
    let privacy = &manifest.privacy;
    let settings = loaded.settings.get(name).cloned().unwrap_or_default();
    let default = |key: &str| {
        let setting = manifest.settings.iter().find(|setting| setting.name == key)?;
        setting.default.clone()
    };
    let said = |key: &str| settings.text(key).map(str::to_owned).or_else(|| default(key));
    let region = privacy.region.as_deref().and_then(said);
    let address = privacy.hosts.iter().find_map(|key| said(key)).unwrap_or_default();
    let address = address.replace("{region}", region.as_deref().unwrap_or_default());
    let host = reqwest::Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned));
    // What speaks no HTTP has a host, or a file, and no address of the web.
    let host = host.or_else(|| Some(address).filter(|text| !text.is_empty()));
    let how = format!("{UNKNOWN}; set connections.{name}.data_region");
    let mut reads = privacy.reads.clone();
    for key in &privacy.reads_settings {
        reads.extend(settings.texts(key));
        reads.extend(settings.pairs(key).into_iter().map(|(_, field)| field));
    }
    let mut seen = std::collections::BTreeSet::new();
    reads.retain(|field| seen.insert(field.clone()));
    let sends = privacy.sends.iter().filter(|(_, what)| *what != TECHNICAL);
    let mut sends: BTreeMap<String, String> =
        sends.map(|(field, what)| (field.clone(), what.clone())).collect();
    let mut note = String::new();
    let is_center = loaded.config.contact_center.as_ref().is_some_and(|c| c.connection == name);
    if is_center {
        if let Some(what) = sends.remove("attributes.*") {
            for (attribute, of) in engine::ATTRIBUTES {
                sends.insert(format!("attributes.{attribute}"), format!("{of} ({what})"));
            }
            for (attribute, system) in joined(loaded) {
                sends.insert(
                    format!("attributes.{attribute}"),
                    format!("data of {system} ({what})"),
                );
            }
            for (attribute, of) in enriched(&loaded.config) {
                let told = sends.entry(format!("attributes.{attribute}"));
                told.or_insert_with(|| format!("{of} ({what})"));
            }
        }
    } else if !loaded.config.calls.activity.enabled && !sends.is_empty() {
        note = "calls.activity is off: nothing is written".to_owned();
        sends.clear();
    }
    ConnectionFacts {
        connection: name.to_owned(),
        system: manifest.title.clone(),
        host: host.unwrap_or_else(|| UNKNOWN.to_owned()),
        region: section.data_region.clone().or(region).unwrap_or(how),
        asked_by: privacy.asks.clone(),
        reads,
        sends,
        actions: actions(&loaded.config, name),
        note,
    }
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    let or_none = |list: String| if list.is_empty() { "nothing".to_owned() } else { list };
    for one in &report.connections {
        lines.push(format!(
            "{} ({}): {}, region {}",
            one.connection, one.system, one.host, one.region
        ));
        lines.push(format!("  asked by  {}", or_none(one.asked_by.join(", "))));
        lines.push(format!("  reads     {}", or_none(one.reads.join(", "))));
        if one.sends.is_empty() {
            lines.push(format!("  sends     nothing {}", one.note).trim_end().to_owned());
        }
        let sends = one.sends.iter().map(|(field, what)| format!("  sends     {field}: {what}"));
        lines.extend(sends);
        for (name, action) in &one.actions {
            let sent = action.sends.iter().map(|(place, names)| {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                format!("{} in {place}", names.join(", "))
            });
            let sent = or_none(sent.collect::<Vec<_>>().join("; "));
            let read = or_none(action.reads.values().cloned().collect::<Vec<_>>().join(", "));
            lines.push(format!("  action    {name}: sends {sent}; reads {read}"));
            lines.push(format!("            kept in memory: {}", action.kept));
        }
    }
    let store = &report.store;
    lines.push(format!("store: {}, region {}", store.place, store.region));
    lines.push(format!("  encrypted {}", store.encryption));
    for table in &store.tables {
        lines.push(format!("  {:<14} {}", table.table, table.holds));
        lines.push(format!("  {:<14} in clear: {}", "", table.in_clear.join(", ")));
        lines.push(format!("  {:<14} kept: {}", "", table.kept));
    }
    let labels = or_none(store.plain_labels.join(", "));
    lines.push(format!("  labels of calls in clear, for reports: {labels}"));
    lines.push(format!("logs: {}", report.logs));
    lines.push(format!("metrics: {}", report.metrics));
    lines.join("\n")
}
