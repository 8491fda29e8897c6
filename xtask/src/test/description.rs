//! The API by its description alone: schemathesis against a running `tieline demo`.
//!
//! Every address in `/openapi.json` is spoken to with what its description allows and
//! with what it does not, in every phase and with every check; `tests/clients/schemathesis.toml`
//! says what is left out and why. Then without a key, when nothing may answer but 401.
//! The same description makes the same requests: a failure comes again.

use super::ledger::Ledger;
use super::{Needs, clients};
use crate::process::{self, Running};
use crate::{check, tools};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NAME: &str = "the API by its description";
const KEYLESS: &str = "the API without a key";
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const START_LIMIT: Duration = Duration::from_secs(60);
/// Takes about a minute; this is for a machine that does much else.
const RUN_LIMIT: Duration = Duration::from_secs(600);
/// Requests made up for one address, beside the fixed ones at the edges of what is allowed.
const EXAMPLES: &str = "15";
const KEYLESS_EXAMPLES: &str = "3";

pub(super) fn run(ledger: &mut Ledger, needs: &Needs) {
    if !ledger.wants(NAME) && !ledger.wants(KEYLESS) {
        return;
    }
    let program = match clients::schemathesis() {
        Ok(program) => program,
        Err(reason) => return ledger.skip(NAME, &format!("no schemathesis: {reason:#}")),
    };
    let server = match Server::start(needs) {
        Ok(server) => server,
        Err(reason) => {
            return ledger.enter(NAME, 0, 1, &format!("{reason:#}"), Duration::ZERO);
        }
    };
    for (name, config) in [(NAME, "schemathesis.toml"), (KEYLESS, "schemathesis_keyless.toml")] {
        if !ledger.wants(name) {
            continue;
        }
        tools::say(&format!("\n== {name}"));
        let begin = Instant::now();
        match server.speak(&program, config, name == NAME) {
            Ok(says) => ledger.enter(name, 1, 0, &says, begin.elapsed()),
            Err(reason) => ledger.enter(name, 0, 1, &format!("{reason:#}"), begin.elapsed()),
        }
    }
}

/// A demo: a whole server, its vendors simulated.
struct Server {
    running: Running,
    said: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Server {
    fn start(needs: &Needs) -> Result<Self> {
        let mut build = Command::new(tools::cargo());
        build.args(["build", "--quiet", "-p", "tieline"]).args(check::FEATURES);
        let built = process::run("cargo build", build.current_dir(tools::root()), BUILD_LIMIT)?;
        anyhow::ensure!(built.success(), "the server does not build");
        // Whatever a request makes it write by a name of its own goes with the folder.
        let folder = std::env::temp_dir().join(format!("tieline-described-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(tools::target().join("debug/tieline"));
        command.args(["demo", "--json", "--port", "0"]).current_dir(&folder);
        command.envs(needs.environment()).stdout(Stdio::piped());
        let mut running = Running::start("the demo", &mut command)?;
        let said = running.announcement(START_LIMIT)?;
        Ok(Self { running, said, folder })
    }

    /// What the summary counts, or why it is no success.
    fn speak(&self, program: &PathBuf, config: &str, with_key: bool) -> Result<String> {
        let said = |name: &str| self.said.get(name).with_context(|| format!("no {name} announced"));
        let config = tools::root().join("tests/clients").join(config);
        let mut command = Command::new(program);
        command.current_dir(&self.folder).arg("--config-file").arg(config);
        command.arg("run").arg(format!("{}/openapi.json", said("url")?));
        command.args(["--checks", "all", "--generation-deterministic", "--seed", "1"]);
        command.args(["--continue-on-failure", "--no-color", "--request-timeout", "20"]);
        command.args(["-n", if with_key { EXAMPLES } else { KEYLESS_EXAMPLES }]);
        if with_key {
            command.arg("-H").arg(format!("X-API-Key: {}", said("apiKey")?));
        } else {
            command.args(["--phases", "fuzzing"]);
        }
        let known = customer(said("people")?).context("the demo announced nobody")?;
        command.env("TIELINE_CUSTOMER", known);
        let done = process::capture("schemathesis", &mut command, RUN_LIMIT)?;
        match done.out.lines().find_map(summary) {
            Some(says) if done.ok => Ok(says),
            _ => {
                tools::say(&format!("{}\n{}", done.out.trim_end(), done.err.trim_end()));
                bail!("schemathesis found failures, or did not end well: see above")
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The demo itself ends with `running`; what lies in the folder is nobody's.
        let _ = self.running.has_ended();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The externalId of somebody the demo's CRM knows.
fn customer(people: &str) -> Option<String> {
    let people: serde_json::Value = serde_json::from_str(people).ok()?;
    people[0]["externalId"].as_str().map(str::to_owned)
}

/// `1835 generated, 1835 passed, 88 skipped`
fn summary(line: &str) -> Option<String> {
    let line = line.trim();
    let is_summary = line.contains(" generated, ") && line.contains(" passed");
    is_summary.then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{customer, summary};

    #[test]
    fn what_was_announced_and_summed_up_is_read() {
        let people = r#"[{"name":"John","externalId":"CRM:003"}]"#;
        assert_eq!(customer(people).as_deref(), Some("CRM:003"));
        assert_eq!(customer("[]"), None);
        let line = "  1835 generated, 1835 passed, 88 skipped";
        assert_eq!(summary(line).as_deref(), Some(line.trim()));
        assert_eq!(summary("Test cases:"), None);
    }
}
