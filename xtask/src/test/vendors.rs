//! The vendors' own clients against our simulators, so that a simulator is not our opinion.
//!
//! Each program under `tests/clients` is started with the address and the
//! credentials of a simulator of its own, which the simulator announces. It
//! must exit with 0 and end with `N operations ok`, N at least `FEWEST`.

use super::Needs;
use super::ledger::Ledger;
use crate::process::{self, Running};
use crate::{check, tools};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FEWEST: u64 = 5;
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const START_LIMIT: Duration = Duration::from_secs(60);
const CLIENT_LIMIT: Duration = Duration::from_secs(180);

enum Language {
    Node,
    Python,
}

struct Client {
    name: &'static str,
    /// Under `tests/clients`, the first that is there.
    programs: &'static [&'static str],
    language: Language,
    simulator: &'static Simulator,
}

/// An example of crate `connectors`, and what the clients call what it announces. Names that are
/// variables already, such as `SF_URL`, are handed on as they are.
struct Simulator {
    example: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const SALESFORCE: Simulator = Simulator { example: "sim_salesforce", variables: &[] };
const GENESYS: Simulator = Simulator {
    example: "sim_genesys",
    variables: &[
        ("url", "GC_URL"),
        ("clientId", "GC_CLIENT_ID"),
        ("clientSecret", "GC_CLIENT_SECRET"),
        ("widgetClientId", "GC_WIDGET_ID"),
        ("conversationId", "GC_CONVERSATION"),
    ],
};

const SAP: Simulator = Simulator { example: "sim_sap", variables: &[] };
const ZOHO: Simulator = Simulator { example: "sim_zoho", variables: &[] };
const HUBSPOT: Simulator = Simulator { example: "sim_hubspot", variables: &[] };
const SERVICENOW: Simulator = Simulator { example: "sim_servicenow", variables: &[] };

const DATAVERSE: Simulator = Simulator { example: "sim_dynamics", variables: &[] };

const NETSUITE: Simulator = Simulator { example: "sim_netsuite", variables: &[] };

const CLIENTS: &[Client] = &[
    Client {
        name: "client dynamics-web-api",
        programs: &["dynamics_web_api.mjs"],
        language: Language::Node,
        simulator: &DATAVERSE,
    },
    Client {
        name: "client jsforce",
        programs: &["jsforce.mjs", "jsforce.cjs"],
        language: Language::Node,
        simulator: &SALESFORCE,
    },
    Client {
        name: "client salesforce-pubsub-api-client",
        programs: &["pubsub_client.mjs"],
        language: Language::Node,
        simulator: &SALESFORCE,
    },
    Client {
        name: "client simple-salesforce",
        programs: &["simple_salesforce_client.py", "simple_salesforce.py"],
        language: Language::Python,
        simulator: &SALESFORCE,
    },
    Client {
        name: "client Authlib",
        programs: &["authlib_client.py"],
        language: Language::Python,
        simulator: &SALESFORCE,
    },
    Client {
        name: "client Genesys SDK for Python",
        programs: &["genesys_python.py"],
        language: Language::Python,
        simulator: &GENESYS,
    },
    Client {
        name: "client Genesys SDK for JavaScript",
        programs: &["genesys_js.mjs", "genesys_js.cjs"],
        language: Language::Node,
        simulator: &GENESYS,
    },
    Client {
        name: "client Genesys notifications for Python",
        programs: &["genesys_notifications.py"],
        language: Language::Python,
        simulator: &GENESYS,
    },
    Client {
        name: "client Authlib for NetSuite",
        programs: &["netsuite_authlib.py"],
        language: Language::Python,
        simulator: &NETSUITE,
    },
    Client {
        name: "client pyodata",
        programs: &["pyodata_client.py"],
        language: Language::Python,
        simulator: &SAP,
    },
    Client {
        name: "client pysnow",
        programs: &["pysnow_client.py"],
        language: Language::Python,
        simulator: &SERVICENOW,
    },
    Client {
        name: "client pysnc",
        programs: &["pysnc_client.py"],
        language: Language::Python,
        simulator: &SERVICENOW,
    },
    Client {
        name: "client Zoho SDK for Node",
        programs: &["zoho_sdk.mjs"],
        language: Language::Node,
        simulator: &ZOHO,
    },
    Client {
        name: "client HubSpot for Node",
        programs: &["hubspot_client.mjs"],
        language: Language::Node,
        simulator: &HUBSPOT,
    },
];

pub(super) fn run(ledger: &mut Ledger, needs: &Needs) {
    let wanted: Vec<&Client> = CLIENTS.iter().filter(|client| ledger.wants(client.name)).collect();
    if wanted.is_empty() {
        return;
    }
    if let Err(reason) = build() {
        ledger.enter("vendors' clients", 0, 1, &format!("{reason:#}"), Duration::ZERO);
        return;
    }
    for client in wanted {
        let folder = tools::root().join("tests/clients");
        let Some(program) = client.programs.iter().find(|file| folder.join(file).is_file()) else {
            let why = format!("no {} in tests/clients", client.programs.join(" or "));
            ledger.skip(client.name, &why);
            continue;
        };
        let runs = match client.language {
            Language::Node => needs.node_modules.is_some().then(|| Command::new("node")),
            Language::Python => needs.python.as_ref().map(Command::new),
        };
        let Some(mut command) = runs else {
            ledger.skip(client.name, "its library could not be had, see above");
            continue;
        };
        tools::say(&format!("\n== {}", client.name));
        let begin = Instant::now();
        command.arg(folder.join(program)).envs(needs.environment());
        // The programs look for their libraries from where they are started.
        if let Some(folder) = needs.node_modules.as_deref().and_then(Path::parent) {
            command.current_dir(folder);
        }
        match speak(client, &mut command, needs) {
            Ok(count) => {
                let says = format!("{count} operations");
                ledger.enter(client.name, 1, 0, &says, begin.elapsed());
            }
            Err(reason) => ledger.enter(client.name, 0, 1, &format!("{reason:#}"), begin.elapsed()),
        }
    }
}

fn build() -> Result<()> {
    let mut command = Command::new(tools::cargo());
    command.args(["build", "--quiet", "-p", "connectors", "--examples"]).args(check::FEATURES);
    let built = process::run("cargo build", command.current_dir(tools::root()), BUILD_LIMIT)?;
    anyhow::ensure!(built.success(), "the simulators do not build");
    Ok(())
}

/// Starts the simulator, lets the client speak with it, and returns its number of operations.
fn speak(client: &Client, command: &mut Command, needs: &Needs) -> Result<u64> {
    let example = tools::target().join("debug/examples").join(client.simulator.example);
    let (running, said) = simulator(&example, needs)?;
    for (name, value) in &said {
        let known = client.simulator.variables.iter().find(|(announced, _)| announced == name);
        if let Some(variable) = known.map(|(_, variable)| *variable).or(as_variable(name)) {
            command.env(variable, value);
        }
    }
    let done = process::capture(client.name, command, CLIENT_LIMIT)?;
    drop(running);
    let last = done.out.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    match operations(last) {
        Some(count) if done.ok && count >= FEWEST => {
            tools::say(last);
            Ok(count)
        }
        _ => {
            tools::say(&format!("{}\n{}", done.out.trim_end(), done.err.trim_end()));
            bail!(
                "ended with '{last}', {}",
                if done.ok { "exit code 0" } else { "not exit code 0" }
            )
        }
    }
}

fn simulator(example: &Path, needs: &Needs) -> Result<(Running, BTreeMap<String, String>)> {
    let mut command = Command::new(example);
    command.envs(needs.environment());
    let mut running = Running::start("the simulator", command.stdout(Stdio::piped()))?;
    let said = running.announcement(START_LIMIT)?;
    Ok((running, said))
}

/// `N operations ok`
fn operations(line: &str) -> Option<u64> {
    line.trim().strip_suffix(" operations ok")?.parse().ok()
}

/// A name that is a variable's already.
fn as_variable(name: &str) -> Option<&str> {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{as_variable, operations};

    #[test]
    fn the_last_line_tells_the_number_of_operations() {
        assert_eq!(operations("12 operations ok"), Some(12));
        assert_eq!(operations("some operations ok"), None);
        assert_eq!(operations("12 operations ok, 1 failed"), None);
    }

    #[test]
    fn only_names_of_variables_are_handed_on_as_they_are() {
        assert_eq!((as_variable("SF_URL"), as_variable("clientId")), (Some("SF_URL"), None));
    }
}
