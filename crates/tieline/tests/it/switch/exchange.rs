//! A switch on this machine: Kamailio with the configuration that we ship, SIPp as every
//! destination, SIPp as its callers.

use super::process::{Programs, Running, free_port};
use crate::rig::Folder;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longer than any calls of a test take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What callers of the tests dial.
pub(super) const DID: &str = "+15550190000";

/// Where calls can go: a SIPp for each name, which notes who came.
pub(super) struct Destinations {
    programs: Programs,
    folder: Folder,
    running: Vec<(&'static str, u16, Running)>,
}

/// Somebody who calls; `from` and `vouched` without `sip:`.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) name: &'static str,
    pub(super) from: String,
    /// As in the header `Privacy`.
    pub(super) privacy: &'static str,
    /// As in the header `P-Asserted-Identity`.
    pub(super) vouched: String,
}

/// How a call that came somewhere came there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) destination: &'static str,
    pub(super) caller: String,
    pub(super) uri: String,
    pub(super) call_id: String,
}

/// Whether Kamailio relays or redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Relay,
    Redirect,
}

impl Caller {
    pub(super) fn from(name: &'static str, number: &str) -> Self {
        let address = format!("{number}@example.com");
        Self { name, from: address.clone(), privacy: "none", vouched: address }
    }
}

impl Destinations {
    /// `None` where this machine has no switch.
    pub(super) async fn start(names: &[&'static str]) -> Option<Self> {
        let programs = Programs::find()?;
        let folder = Folder::new();
        let mut running = Vec::new();
        for name in names {
            let log = folder.join(&format!("{name}.log"));
            let command = |port: u16| {
                let mut sipp = sipp(&programs, &folder, "destination.xml", port);
                sipp.args(["-trace_logs", "-log_file"]).arg(&log);
                sipp
            };
            let (process, port) = Running::start(folder.path(), name, command).await;
            running.push((*name, port, process));
        }
        Some(Self { programs, folder, running })
    }

    /// The SIP URI of a destination.
    pub(super) fn uri(&self, name: &str) -> String {
        let port = self.running.iter().find(|(known, ..)| *known == name).expect("started").1;
        format!("sip:{name}@127.0.0.1:{port}")
    }

    /// Who came where so far, each call once.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.noted("arrived ")
    }

    /// Calls that were changed while they lasted.
    pub(super) fn changes(&self) -> Vec<Arrival> {
        self.noted("changed ")
    }

    fn noted(&self, what: &str) -> Vec<Arrival> {
        let mut all = Vec::new();
        for (destination, ..) in &self.running {
            let log = std::fs::read_to_string(self.folder.join(&format!("{destination}.log")));
            for line in log.unwrap_or_default().lines() {
                let Some(line) = line.strip_prefix(what) else { continue };
                let [caller, uri, call_id] = line.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("no arrival: {line}")
                };
                let [caller, uri, call_id] = [caller, uri, call_id].map(str::to_owned);
                all.push(Arrival { destination, caller, uri, call_id });
            }
        }
        all
    }

    /// How often each caller came to each destination.
    pub(super) fn tally(&self) -> BTreeMap<(String, &'static str), usize> {
        let mut tally = BTreeMap::new();
        for arrival in self.arrivals() {
            *tally.entry((arrival.caller, arrival.destination)).or_default() += 1;
        }
        tally
    }
}

/// A running Kamailio.
pub(super) struct Exchange<'a> {
    destinations: &'a Destinations,
    mode: Mode,
    kamailio: Running,
    pub(super) port: u16,
}

impl<'a> Exchange<'a> {
    /// Starts it as an administrator would who asks the Tieline at `url`; `default` is the name
    /// of a destination, `more` are further lines of their file.
    pub(super) async fn start(
        destinations: &'a Destinations,
        mode: Mode,
        url: &str,
        default: &str,
        more: &str,
    ) -> Self {
        let shipped =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../integrations/kamailio/kamailio.cfg");
        let folder = destinations.folder.join("kamailio");
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        std::fs::copy(shipped, folder.join("kamailio.cfg")).expect("the shipped configuration");
        let redirect = if mode == Mode::Redirect { "#!define REDIRECT\n" } else { "" };
        let default = destinations.uri(default);
        let command = |port: u16| {
            let own = format!(
                "#!define LISTEN udp:127.0.0.1:{port}\n#!define TIELINE_URL \"{url}\"\n\
                 #!define TIELINE_KEY \"{}\"\n#!define DEFAULT_URI \"{default}\"\n{redirect}{more}\n",
                crate::rig::plan::API_KEY
            );
            std::fs::write(folder.join("tieline.cfg"), own).expect("a file of our own");
            let mut command = Command::new(&destinations.programs.kamailio);
            command.arg("-f").arg(folder.join("kamailio.cfg")).arg("-Y").arg(&folder);
            // In the foreground, talking to us, with little memory.
            command.args(["-DD", "-E", "-m", "32", "-M", "4"]);
            command
        };
        let (kamailio, port) = Running::start(&folder, "kamailio", command).await;
        Self { destinations, mode, kamailio, port }
    }

    /// Places `calls` calls, `a_second` at a time, by the callers in turn, and waits until all
    /// of them have ended as they should.
    pub(super) async fn call(&self, callers: &[Caller], calls: usize, a_second: usize) {
        let scenario = match self.mode {
            Mode::Relay => "caller.xml",
            Mode::Redirect => "caller_redirected.xml",
        };
        self.play(scenario, callers, calls, a_second).await;
    }

    /// The same in another way.
    pub(super) async fn play(
        &self,
        scenario: &str,
        callers: &[Caller],
        calls: usize,
        a_second: usize,
    ) {
        let folder = Folder::new();
        let mut lines = "SEQUENTIAL\n".to_owned();
        for Caller { name, from, privacy, vouched } in callers {
            writeln!(lines, "{name};{from};{privacy};{vouched}").expect("a text takes text");
        }
        let lines = folder.write("callers.csv", &lines);
        let errors = folder.join("errors");
        let mut command = sipp(&self.destinations.programs, &folder, scenario, free_port());
        command.arg(format!("127.0.0.1:{}", self.port)).arg("-inf").arg(lines);
        command.args(["-m", &calls.to_string(), "-r", &a_second.to_string()]);
        command.args(["-timeout", &PATIENCE.as_secs().to_string(), "-timeout_error"]);
        command.args(["-trace_err", "-error_file"]).arg(&errors);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sipp = tokio::process::Command::from(command);
        let mut sipp = sipp.kill_on_drop(true).spawn().expect("SIPp starts");
        let ended = tokio::time::timeout(2 * PATIENCE, sipp.wait()).await;
        let is_done = matches!(&ended, Ok(Ok(status)) if status.success());
        assert!(
            is_done,
            "{scenario}: {ended:?}\n{}\n{}\n{:#?}",
            std::fs::read_to_string(errors).unwrap_or_default(),
            self.said(),
            self.destinations.arrivals(),
        );
    }

    /// What Kamailio has said so far.
    pub(super) fn said(&self) -> String {
        self.kamailio.said()
    }
}

/// SIPp with one of our scenarios at a port.
fn sipp(programs: &Programs, folder: &Folder, scenario: &str, port: u16) -> Command {
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/switch");
    let mut sipp = Command::new(&programs.sipp);
    sipp.arg("-sf").arg(format!("{scenarios}/{scenario}"));
    sipp.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin"]);
    // Kamailio's workers overtake each other: what comes too early comes again.
    sipp.args(["-default_behaviors", "all,-abortunexp"]);
    sipp.current_dir(folder.path()).env("TERM", "dumb");
    sipp
}
