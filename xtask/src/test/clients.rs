//! The vendors' own client libraries, installed once under `target/clients`.
//!
//! A stamp names what is installed; a second run with the same list installs
//! nothing. Versions are pinned: a client that changes under us proves nothing.

use crate::{process, tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NPM: &[&str] = &[
    "dynamics-web-api@2.5.0",
    "jsforce@3.10.16",
    "purecloud-platform-client-v2@262.0.0",
    "salesforce-pubsub-api-client@5.5.2",
    // Which it needs, and does not name.
    "underscore@1.13.7",
    // No client either: it says what of the console's pages cannot be read by everybody.
    "axe-core@4.14.1",
    // No client but a token endpoint, which a test of crate `connectors` starts.
    "oauth2-mock-server@8.2.3",
    "@hubspot/api-client@13.5.0",
    "@zohocrm/nodejs-sdk-8.0@2.0.0",
    // Nor this: a proxy that compares with a description, for another test there.
    "@stoplight/prism-cli@5.14.2",
];
/// Apart too: only the bench of rules needs it.
const RULES: &[&str] = &["json-rules-engine@7.3.1"];
const PYPI: &[&str] = &[
    "simple-salesforce==1.12.10",
    "PureCloudPlatformClientV2==269.0.0",
    "websockets==17.4",
    "pyodata==1.12.1",
    "pysnow==0.7.17",
    "pysnc==1.2.1",
    "Authlib==1.9.9",
    "requests==2.34.2",
    // No client but a system to speak to, which a test of crate `connectors` starts.
    "mock-sap==0.22.0",
    // And a mail server, which a test of the binary starts.
    "aiosmtpd==1.4.6",
];
/// Apart from the others: it brings many packages of its own.
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];
const LIMIT: Duration = Duration::from_secs(600);

/// The `node_modules` folder with the clients from npm.
pub(super) fn node() -> Result<PathBuf> {
    modules("clients/node", NPM)
}

/// The `node_modules` folder with the engine that the bench of rules compares with.
pub(crate) fn rules_engine() -> Result<PathBuf> {
    modules("clients/rules", RULES)
}

/// The `node_modules` of a folder under `target` that has these packages.
fn modules(folder: &str, packages: &[&str]) -> Result<PathBuf> {
    let npm =
        tools::find_or_install("npm", &["nodejs", "npm"]).context("no npm on this machine")?;
    let folder = tools::target().join(folder);
    once(&folder, packages, || {
        fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
        let mut install = Command::new(&npm);
        install
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"])
            .args(["--loglevel=error", "--prefix"])
            .arg(&folder)
            .args(packages);
        finish("npm install", &mut install)
    })?;
    Ok(folder.join("node_modules"))
}

/// A Python that has the clients from PyPI.
pub(super) fn python() -> Result<PathBuf> {
    venv(&tools::target().join("clients/python"), PYPI)
}

/// The program that reads our own description.
pub(super) fn schemathesis() -> Result<PathBuf> {
    let folder = tools::target().join("clients/schemathesis");
    venv(&folder, SCHEMATHESIS)?;
    Ok(folder.join("bin/schemathesis"))
}

/// The interpreter of an environment with these packages.
fn venv(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = tools::find_or_install("python3", &["python3", "python3-venv"])
        .context("no python3 on this machine")?;
    let own = folder.join("bin/python");
    once(folder, packages, || {
        let venv = |name| finish(name, Command::new(&python).args(["-m", "venv"]).arg(folder));
        // Debian keeps a part of `venv` in a package of its own.
        if venv("python -m venv").is_err() {
            tools::apt_install(&["python3-venv"]);
            venv("python -m venv, again")?;
        }
        let mut install = Command::new(&own);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(packages);
        finish("pip install", &mut install)
    })?;
    Ok(own)
}

fn once(folder: &Path, packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = folder.join(".installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    tools::say(&format!("\n== installing {}", packages.join(", ")));
    fs::create_dir_all(folder)?;
    install()?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn finish(name: &str, command: &mut Command) -> Result<()> {
    let done = process::capture(name, command, LIMIT)?;
    if !done.ok {
        bail!("{name}: {}", done.err.lines().last().unwrap_or("failed without a word"));
    }
    Ok(())
}
