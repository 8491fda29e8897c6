//! What a demo's simulated systems do wrong on purpose, switched while it runs.
//!
//! The demo leaves the addresses of its systems in its folder ([`FILE`]);
//! `tieline sim fault salesforce=hang` finds them there and sets each one's plan.

use crate::exit::{self, Failure};
use clap::Args;
use serde::{Deserialize, Serialize};
use sim::faults::{Fault, Plan, Rule};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// In the demo's folder: the name of each system, and where it is.
pub const FILE: &str = "simulators.json";

/// A simulator on this machine answers at once, unless it is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a system of the demo is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    pub url: String,
    /// What the path of every request has in it, save those that only log in.
    pub api: String,
}

/// The systems of a demo by name, as [`FILE`] holds them.
pub type Places = BTreeMap<String, Place>;

/// One system, and what it shall do from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Switch {
    system: String,
    /// `None`: behave again.
    fault: Option<Fault>,
}

impl FromStr for Switch {
    type Err = String;

    /// `salesforce=hang`, `sap=slow:2s`, `salesforce=off`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (system, word) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is no SYSTEM=FAULT, such as salesforce=hang"))?;
        let fault = if word == "off" { None } else { Some(word.parse()?) };
        Ok(Self { system: system.to_owned(), fault })
    }
}

impl Switch {
    /// The place of its system.
    ///
    /// # Errors
    /// Names the systems there are.
    pub fn place<'a>(&self, places: &'a Places) -> Result<&'a Place, Failure> {
        places.get(&self.system).ok_or_else(|| {
            let names: Vec<&str> = places.keys().map(String::as_str).collect();
            let system = &self.system;
            exit::input(format!("there is no {system} here; there are {}", names.join(", ")))
        })
    }

    /// What the system follows from now on: its login goes on, or nobody would see how
    /// a refused request differs from a refused login.
    #[must_use]
    pub fn plan(&self, place: &Place) -> Plan {
        let rules = self.fault.iter().map(|fault| Rule::always(fault.clone()).on(&place.api));
        Plan { rules: rules.collect(), ..Plan::default() }
    }
}

#[derive(Debug, Args)]
pub struct FaultArgs {
    /// A system of the demo and what it shall do: hang, hang_mid_body, reset, truncate, html200,
    /// slow:2s, a status such as 503, 403, 429 or 401, or off.
    #[arg(required = true, value_name = "SYSTEM=FAULT")]
    switches: Vec<Switch>,
    /// The demo's folder, as its `--data` named it or as it printed; else the newest there is.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Switches the faults of a demo that runs.
///
/// # Errors
/// Wrong input names the systems there are; a demo that is gone is a wrong environment.
pub async fn run(args: &FaultArgs) -> Result<(), Failure> {
    let places = match &args.data {
        Some(folder) => read(folder)?,
        None => read(&newest()?)?,
    };
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(exit::environment)?;
    // All are looked up before the first is switched.
    let switches = args.switches.iter().map(|one| Ok((one, one.place(&places)?)));
    for (switch, place) in switches.collect::<Result<Vec<_>, Failure>>()? {
        let url = format!("{}/_sim/faults", place.url);
        let answer = client.post(url).json(&switch.plan(place)).send().await;
        answer.and_then(reqwest::Response::error_for_status).map_err(|error| {
            let error = error.without_url();
            exit::environment(format!("{} at {}: {error}", switch.system, place.url))
        })?;
        let word = if switch.fault.is_some() { "misbehaves" } else { "behaves" };
        writeln!(std::io::stderr(), "{} {word} from now on", switch.system)
            .map_err(exit::environment)?;
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Places, Failure> {
    let file = folder.join(FILE);
    let told = |error: &dyn std::fmt::Display| {
        exit::environment(format!("{}: {error}; does a demo run there?", file.display()))
    };
    let text = std::fs::read(&file).map_err(|error| told(&error))?;
    serde_json::from_slice(&text).map_err(|error| told(&error))
}

/// The demo that was started last, of those with a folder of their own.
fn newest() -> Result<PathBuf, Failure> {
    newest_of(|_| true)?.ok_or_else(|| {
        exit::environment("no demo runs; start `tieline demo`, or name its folder with --data")
    })
}

/// The demo that the caller started last and that runs. Anybody may put a folder where demos
/// have theirs: it counts if it is the caller's own and its process is, too.
pub fn own() -> Option<PathBuf> {
    newest_of(|path| {
        let caller = owner(Path::new("/proc/self"));
        let process = Path::new("/proc").join(demo_of(path).unwrap_or_default());
        caller.is_some() && owner(path) == caller && owner(&process) == caller
    })
    .ok()?
}

/// Whose a file is; `None` where that cannot be told.
fn owner(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // Of a link itself: it may lead to somebody else's.
        std::fs::symlink_metadata(path).ok().map(|file| file.uid())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// The number of the process that a demo's folder is named by.
fn demo_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix("tieline-demo-")?;
    number.parse::<u32>().ok().map(|_| number.to_owned())
}

fn newest_of(counts: impl Fn(&Path) -> bool) -> Result<Option<PathBuf>, Failure> {
    let folders = std::fs::read_dir(std::env::temp_dir()).map_err(exit::environment)?;
    let folders = folders.filter_map(Result::ok).map(|entry| entry.path());
    let started = |path: &PathBuf| -> Option<SystemTime> {
        std::fs::metadata(path.join(FILE)).and_then(|file| file.modified()).ok()
    };
    let demos = folders.filter(|path| demo_of(path).is_some() && counts(path));
    let newest = demos.filter_map(|path| Some((started(&path)?, path))).max();
    Ok(newest.map(|(_, folder)| folder))
}

#[cfg(test)]
mod tests {
    use super::{Place, Places, Switch};
    use sim::faults::{Fault, Plan};

    #[test]
    fn a_switch_is_a_system_and_a_fault_or_its_end() {
        let place = Place { url: "http://127.0.0.1:1".to_owned(), api: "/services/".to_owned() };
        let places: Places = [("salesforce".to_owned(), place)].into();
        let hang: Switch = "salesforce=hang".parse().expect("a switch");
        let plan = hang.plan(hang.place(&places).expect("there"));
        assert_eq!(plan.rules[0].fault, Fault::Hang);
        assert_eq!(plan.rules[0].path_contains.as_deref(), Some("/services/"), "the login goes on");
        let off: Switch = "salesforce=off".parse().expect("a switch");
        assert_eq!(off.plan(&places["salesforce"]), Plan::default());
        let other: Switch = "sap=503".parse().expect("a switch");
        assert!(other.place(&places).is_err());
        for text in ["salesforce", "salesforce=", "salesforce=hung", ""] {
            assert!(text.parse::<Switch>().is_err(), "{text}");
        }
    }
}
