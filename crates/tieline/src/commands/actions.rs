//! `tieline actions`: what flows can ask for, listed, or as files that a contact center
//! imports. Reads the configuration alone.

use super::say;
use crate::cli::ConfigArgs;
use crate::config::load::actions::known;
use crate::config::{self, Config, Loaded};
use crate::exit::{self, Failure};
use clap::{Args, Subcommand, ValueEnum};
use connectors::genesys_cloud::data_actions::{Input, Kind, Offer, Output, export};
use engine::actions::fields::Kind as FieldKind;
use engine::actions::{FIXED, STANDARD};
use kit::Template;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ActionsArgs {
    #[command(subcommand)]
    command: Actions,
}

#[derive(Debug, Subcommand)]
enum Actions {
    /// List the actions of the configuration.
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a file for every address and action that a flow can ask.
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// The contact center that imports them.
        #[arg(long = "for", value_enum)]
        platform: Platform,
        /// The server's own address as the contact center reaches it: https.
        #[arg(long, value_name = "URL")]
        url: String,
        /// Write the files into this directory, else print them as one JSON list.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Platform {
    Genesys,
}

pub fn actions(args: &ActionsArgs) -> Result<(), Failure> {
    match &args.command {
        Actions::List { config, json } => list(&load(config)?, *json),
        Actions::Export { config, platform: Platform::Genesys, url, out } => {
            refuse_plain(url)?;
            write(&offers(&load(config)?.config), url, out.as_ref())
        }
    }
}

fn load(args: &ConfigArgs) -> Result<Loaded, Failure> {
    config::load(&args.config).map_err(exit::input)
}

/// The platform asks addresses with TLS alone.
pub fn refuse_plain(url: &str) -> Result<(), Failure> {
    let is_https = reqwest::Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if is_https {
        return Ok(());
    }
    Err(exit::input(format!(
        "--url: `{url}` is no https address; write https://tieline.example.com"
    )))
}

fn list(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let actions = loaded.config.actions.iter().map(|(name, action)| {
        let fields: Vec<&String> = action.fields.keys().collect();
        json!({
            "name": name, "connection": action.connection, "method": action.method,
            "needs": needs(&loaded.config, name), "fields": fields,
        })
    });
    let actions: Vec<Value> = actions.collect();
    if as_json {
        return say(&Value::from(actions).to_string());
    }
    for action in actions {
        let words = |key: &str| {
            let all = action[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.collect::<Vec<_>>().join(", ")
        };
        let text = |key: &str| action[key].as_str().unwrap_or_default().to_owned();
        say(&format!("{}  ({} {})", text("name"), text("method"), text("connection")))?;
        say(&format!("    needs {}", words("needs")))?;
        say(&format!("    answers {}", words("fields")))?;
    }
    Ok(())
}

fn write(offers: &[Offer], url: &str, out: Option<&PathBuf>) -> Result<(), Failure> {
    let Some(folder) = out else {
        let all: Vec<Value> = offers.iter().map(|offer| export(offer, url)).collect();
        return say(&Value::from(all).to_string());
    };
    std::fs::create_dir_all(folder).map_err(exit::environment)?;
    for offer in offers {
        let name = offer.name.to_lowercase().replace(' ', "-");
        let path = folder.join(format!("{name}.custom.json"));
        let text = format!("{:#}\n", export(offer, url));
        std::fs::write(&path, text).map_err(exit::environment)?;
        say(&path.display().to_string())?;
    }
    Ok(())
}

/// The names of the values that an action has places for.
fn needs(config: &Config, action: &str) -> Vec<String> {
    let Some(section) = config.actions.get(action) else { return Vec::new() };
    // The file was checked: it can be read.
    let template = Template::read(&section.draft(), &known(section), &|_| None);
    template.map(|template| template.names().iter().cloned().collect()).unwrap_or_default()
}

impl From<FieldKind> for WireKind {
    fn from(kind: FieldKind) -> Self {
        Self(match kind {
            FieldKind::Text => Kind::Text,
            FieldKind::Integer => Kind::Integer,
            FieldKind::Number => Kind::Number,
            FieldKind::Flag => Kind::Flag,
        })
    }
}

/// A type as contracts have it.
struct WireKind(Kind);

fn input(name: &str, kind: Kind, is_required: bool) -> Input {
    Input { name: name.to_owned(), kind, is_required }
}

fn texts(required: &[&str], others: &[&str]) -> Vec<Input> {
    let required = required.iter().map(|name| input(name, Kind::Text, true));
    required.chain(others.iter().map(|name| input(name, Kind::Text, false))).collect()
}

fn output(name: &str, kind: Kind) -> Output {
    Output { name: name.to_owned(), path: format!("$.{name}"), kind }
}

fn outputs(names: &[(&str, Kind)]) -> Vec<Output> {
    names.iter().map(|(name, kind)| output(name, *kind)).collect()
}

/// What a decision answers, flat.
const DECIDED: [(&str, Kind); 9] = [
    ("destinationType", Kind::Text),
    ("destination", Kind::Text),
    ("greeting", Kind::Text),
    ("rule", Kind::Text),
    ("line", Kind::Integer),
    ("status", Kind::Text),
    ("reason", Kind::Text),
    ("revision", Kind::Integer),
    ("latencyMs", Kind::Integer),
];

/// Every address that a flow may ask, and every action, by itself.
pub fn offers(config: &Config) -> Vec<Offer> {
    let fixed = || FIXED.iter().map(|(name, kind)| output(name, WireKind::from(*kind).0));
    let enriched = config.enriched();
    let fields = enriched.iter().map(|(name, kind)| output(name, WireKind::from(*kind).0));
    let enriched: Vec<Output> = fields.chain(fixed()).collect();
    let mut offers = of_calls(config);
    let mut inputs = texts(&["queue", "callId"], &["ani", "dnis", "email", "externalId", "userId"]);
    let own = config.actions.values().flat_map(|action| &action.inputs);
    let own: BTreeMap<&String, Kind> =
        own.map(|(name, kind)| (name, WireKind::from(FieldKind::from(*kind)).0)).collect();
    inputs.extend(own.iter().map(|(name, kind)| input(name, *kind, false)));
    let offer = |name: &str, method, path: &str, inputs, outputs, timeout_s| Offer {
        name: format!("Tieline {name}"),
        method,
        path: path.to_owned(),
        inputs,
        outputs,
        timeout_s,
    };
    offers.push(offer(
        "Enrich",
        "POST",
        "/api/v1/queues/{queue}/enrich",
        inputs,
        enriched.clone(),
        3,
    ));
    let of_call = texts(&["callId"], &[]);
    let path = "/api/v1/calls/{callId}/enrichment";
    offers.push(offer("Enrichment", "GET", path, of_call.clone(), enriched, 2));
    let path = "/api/v1/calls/{callId}/accepted";
    offers.push(offer(
        "Accepted",
        "POST",
        path,
        of_call,
        outputs(&[("started", Kind::Integer)]),
        2,
    ));
    let ready = [
        ("connection", Kind::Text),
        ("crmType", Kind::Text),
        ("ready", Kind::Flag),
        ("token", Kind::Flag),
        ("degraded", Kind::Flag),
        ("budget", Kind::Integer),
        ("errorCode", Kind::Text),
    ];
    let path = "/api/v1/connections/{connection}/ready";
    offers.push(offer("Ready", "GET", path, texts(&["connection"], &[]), outputs(&ready), 2));
    for (name, action) in &config.actions {
        let needs = needs(config, name);
        let standard = needs.iter().filter(|name| STANDARD.iter().any(|(n, _)| n == name));
        let mut inputs: Vec<Input> = standard
            .filter(|name| *name != "callId")
            .map(|n| input(n, Kind::Text, false))
            .collect();
        inputs.push(input("callId", Kind::Text, false));
        let own = action.inputs.iter().filter(|(name, _)| needs.contains(name));
        inputs
            .extend(own.map(|(n, kind)| input(n, WireKind::from(FieldKind::from(*kind)).0, true)));
        let fields = action.fields.iter();
        let fields =
            fields.map(|(n, field)| output(n, WireKind::from(FieldKind::from(field.kind)).0));
        let path = format!("/api/v1/actions/{name}/execute");
        let outputs = fields.chain(fixed()).collect();
        offers.push(offer(&format!("Action {name}"), "POST", &path, inputs, outputs, 3));
    }
    offers
}

/// What is asked of every call, whatever its queue.
fn of_calls(config: &Config) -> Vec<Offer> {
    let data = config.connections.values().filter_map(|section| section.settings.get("data"));
    let data = data.filter_map(toml::Value::as_table).flat_map(|names| names.keys());
    let data: BTreeMap<&String, ()> = data.map(|name| (name, ())).collect();
    let mut looked_up = outputs(&[
        ("externalId", Kind::Text),
        ("name", Kind::Text),
        ("email", Kind::Text),
        ("status", Kind::Text),
        ("source", Kind::Text),
        ("asOf", Kind::Text),
        ("stale", Kind::Flag),
        ("candidateCount", Kind::Integer),
    ]);
    // Of data only names that a contract can have: the others stay out.
    let is_name = |name: &&&String| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    let taken: Vec<String> = looked_up.iter().map(|one| one.name.clone()).collect();
    let data = data.keys().filter(is_name).filter(|name| !taken.contains(name));
    looked_up.extend(data.map(|name| Output {
        name: (*name).clone(),
        path: format!("$.data.{name}"),
        kind: Kind::Text,
    }));
    let offer = |name: &str, path: &str, inputs, outputs| Offer {
        name: format!("Tieline {name}"),
        method: "POST",
        path: path.to_owned(),
        inputs,
        outputs,
        timeout_s: 2,
    };
    let others =
        ["fromNumber", "toNumber", "type", "mediaType", "queueId", "userId", "email", "externalId"];
    let corrected = [
        ("externalId", Kind::Text),
        ("previousExternalId", Kind::Text),
        ("confirmed", Kind::Flag),
        ("changed", Kind::Flag),
        ("reason", Kind::Text),
        ("name", Kind::Text),
        ("email", Kind::Text),
    ];
    let arriving = texts(&["callId"], &["did", "ivrOption", "ani", "email", "externalId", "queue"]);
    let counted = ["stored", "repeated", "ignored", "notUnderstood"].map(|n| (n, Kind::Integer));
    let told = ["startedAt", "acceptedAt", "endedAt", "queueId", "userId", "wrapUp", "notes"];
    vec![
        offer("Lookup", "/api/v1/genesys/lookup", texts(&["callId"], &others), looked_up),
        offer("Decide", "/api/v1/genesys/decide", arriving, outputs(&DECIDED)),
        offer(
            "Update Context",
            "/api/v1/genesys/update-context",
            texts(&["callId", "newExternalId"], &["reason"]),
            outputs(&corrected),
        ),
        offer(
            "Call Event",
            "/api/v1/genesys/events",
            texts(&["type", "callId"], &told),
            outputs(&counted),
        ),
    ]
}
