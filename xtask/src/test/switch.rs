//! A real switch for the tests: Kamailio, with the modules that our configuration loads, and SIPp to call it.
//!
//! The machine's programs if it has them, else Debian's. Tests start them themselves, on free
//! loopback ports; that our configuration loads here is what proves the modules.

use crate::{process, tools};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// With `http_client` in the second, `jansson` in the third.
const KAMAILIO: &[&str] = &["kamailio", "kamailio-utils-modules", "kamailio-extra-modules"];
const SIPP: &[&str] = &["sip-tester"];
const LIMIT: Duration = Duration::from_secs(30);

/// Where both programs are.
pub(super) struct Switch {
    pub(super) kamailio: PathBuf,
    pub(super) sipp: PathBuf,
}

/// Finds them, or installs them where that is possible.
pub(super) fn find() -> Result<Switch> {
    tools::say("\n== Kamailio and SIPp");
    let kamailio = match loads() {
        Ok(program) => program,
        Err(reason) if !tools::apt_install(KAMAILIO) => return Err(reason),
        Err(_) => loads()?,
    };
    let sipp = tools::find_or_install("sipp", SIPP)
        .context("no SIPp (sip-tester) on this machine, and apt could not bring one")?;
    tools::say(&format!("{} and {}", kamailio.display(), sipp.display()));
    Ok(Switch { kamailio, sipp })
}

/// The program, which Debian keeps where only root looks, once it takes our configuration.
fn loads() -> Result<PathBuf> {
    let usual = PathBuf::from("/usr/sbin/kamailio");
    let found = tools::find("kamailio").or_else(|| usual.is_file().then_some(usual));
    let program = found.context("no Kamailio on this machine, and apt could not bring one")?;
    let config = tools::root().join("integrations/kamailio/kamailio.cfg");
    let mut check = Command::new(&program);
    let said = process::capture("kamailio -c", check.args(["-c", "-E", "-f"]).arg(config), LIMIT)?;
    if !said.ok {
        let is_wrong = |line: &&str| line.contains("ERROR") || line.contains("CRITICAL");
        let why = said.err.lines().find(is_wrong).unwrap_or("it does not say why").to_owned();
        bail!("Kamailio does not take integrations/kamailio: {why}");
    }
    Ok(program)
}
