//! `cargo xtask test`: brings up what the tests need, runs them all, takes it down, and says what it did not do.
//!
//! A part that cannot be had on this machine is skipped by name and with its
//! reason, never silently; `--require-all` makes that a failure. The last line
//! is `N passed, N failed, N skipped`.
//!
//! A Rust test that lacks something it cannot make prints `skipped: REASON`
//! and returns; `suite.rs` counts it as skipped.

mod browser;
pub(crate) mod clients;
mod description;
mod ledger;
mod mariadb;
mod postgres;
mod suite;
mod switch;
mod vendors;

use crate::{Outcome, check, tidy, tools, words};
use anyhow::Result;
use ledger::Ledger;
use std::path::PathBuf;

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    let mut require_all = false;
    let mut filter = None;
    for word in rest {
        match word.as_str() {
            "--require-all" => require_all = true,
            wrong if wrong.starts_with('-') => {
                return Ok(words::refuse("option of test", wrong, &["--require-all"]));
            }
            _ if filter.is_some() => return Ok(words::refuse("word of test", word, &[])),
            _ => filter = Some(word.clone()),
        }
    }
    let mut ledger = Ledger::new(filter);
    house(&mut ledger);
    whole(&mut ledger);
    Ok(ledger.close(require_all))
}

/// The house's rules and the lints.
fn house(ledger: &mut Ledger) {
    ledger.step("tidy", || {
        let offences = tidy::offences()?;
        tidy::report(&offences);
        Ok(offences.is_empty())
    });
    for (name, component, work) in
        [("fmt", "fmt", check::format as fn() -> Result<bool>), ("clippy", "clippy", check::lint)]
    {
        if !ledger.wants(name) {
            continue;
        }
        if check::has(component) {
            ledger.step(name, work);
        } else {
            ledger.skip(name, &format!("this toolchain has no `cargo {component}`"));
        }
    }
}

/// Everything that runs the product: our own suites, then the vendors' clients.
fn whole(ledger: &mut Ledger) {
    let mut needs = Needs { specs: specs(ledger), ..Needs::default() };
    let server = match postgres::start() {
        Ok(server) => {
            needs.postgres = Some(server.url());
            Some(server)
        }
        Err(reason) => {
            ledger.skip("PostgreSQL", &format!("{reason:#}"));
            None
        }
    };
    let mariadb = match mariadb::start() {
        Ok(server) => {
            needs.mariadb = Some(server.url());
            Some(server)
        }
        Err(reason) => {
            ledger.skip("MariaDB", &format!("{reason:#}"));
            None
        }
    };
    match switch::find() {
        Ok(switch) => needs.switch = Some(switch),
        Err(reason) => ledger.skip("Kamailio and SIPp", &format!("{reason:#}")),
    }
    match browser::find() {
        Ok(browser) => needs.browser = Some(browser),
        Err(reason) => ledger.skip("Chromium and ChromeDriver", &format!("{reason:#}")),
    }
    match clients::node() {
        Ok(folder) => needs.node_modules = Some(folder),
        Err(reason) => ledger.skip("clients from npm", &format!("{reason:#}")),
    }
    match clients::python() {
        Ok(program) => needs.python = Some(program),
        Err(reason) => ledger.skip("clients from PyPI", &format!("{reason:#}")),
    }
    suite::run(ledger, &needs);
    vendors::run(ledger, &needs);
    description::run(ledger, &needs);
    if let Some(server) = server {
        server.stop();
    }
    if let Some(server) = mariadb {
        server.stop();
    }
}

/// What the tests are handed through the environment. `None`: it could not be had.
#[derive(Default)]
struct Needs {
    postgres: Option<String>,
    mariadb: Option<String>,
    switch: Option<switch::Switch>,
    browser: Option<browser::Browser>,
    node_modules: Option<PathBuf>,
    python: Option<PathBuf>,
    specs: Option<PathBuf>,
}

impl Needs {
    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let program =
            |of: fn(&switch::Switch) -> &PathBuf| path(&self.switch.as_ref().map(of).cloned());
        let of_browser =
            |of: fn(&browser::Browser) -> &PathBuf| path(&self.browser.as_ref().map(of).cloned());
        let all = [
            ("TIELINE_TEST_POSTGRES", self.postgres.clone()),
            ("TIELINE_TEST_MARIADB", self.mariadb.clone()),
            ("TIELINE_TEST_KAMAILIO", program(|switch| &switch.kamailio)),
            ("TIELINE_TEST_SIPP", program(|switch| &switch.sipp)),
            ("TIELINE_TEST_CHROMEDRIVER", of_browser(|browser| &browser.driver)),
            ("TIELINE_TEST_CHROMIUM", of_browser(|browser| &browser.chromium)),
            ("TIELINE_TEST_NODE_MODULES", path(&self.node_modules)),
            ("TIELINE_TEST_PYTHON", path(&self.python)),
            ("TIELINE_SPECS", path(&self.specs)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Where the vendors' API descriptions are: `TIELINE_SPECS`, else `../shared/specs`.
fn specs(ledger: &mut Ledger) -> Option<PathBuf> {
    let folder = match std::env::var_os("TIELINE_SPECS") {
        Some(folder) => tools::root().join(folder),
        None => tools::root().join("../shared/specs"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    ledger.skip("vendors' API descriptions", &format!("no folder {}", folder.display()));
    None
}
