//! A real browser for the tests: Chromium, and ChromeDriver to tell it what to do.
//!
//! The machine's programs if it has them, else Debian's, which fit each other. Tests start them
//! themselves, each with a profile of its own.

use crate::{process, tools};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const PACKAGES: &[&str] = &["chromium", "chromium-driver"];
const LIMIT: Duration = Duration::from_secs(30);

/// Where both programs are.
pub(super) struct Browser {
    pub(super) chromium: PathBuf,
    pub(super) driver: PathBuf,
}

/// Finds them, or installs them where that is possible.
pub(super) fn find() -> Result<Browser> {
    tools::say("\n== Chromium and ChromeDriver");
    let driver = tools::find_or_install("chromedriver", PACKAGES)
        .context("no chromedriver on this machine, and apt could not bring one")?;
    let chromium = tools::find_or_install("chromium", PACKAGES)
        .context("no chromium on this machine, and apt could not bring one")?;
    let (of_driver, of_chromium) = (major(&driver)?, major(&chromium)?);
    if of_driver != of_chromium {
        bail!("ChromeDriver {of_driver} does not drive Chromium {of_chromium}");
    }
    tools::say(&format!("{} and {}", chromium.display(), driver.display()));
    Ok(Browser { chromium, driver })
}

/// The first part of the version that a program says it has.
fn major(program: &PathBuf) -> Result<String> {
    let said = process::capture("version", Command::new(program).arg("--version"), LIMIT)?;
    if !said.ok {
        bail!("{} does not start: {}", program.display(), said.err.trim());
    }
    version(&said.out).with_context(|| format!("{} does not say its version", program.display()))
}

fn version(said: &str) -> Option<String> {
    let is_version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let version = said.split_whitespace().find(is_version)?;
    version.split('.').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn both_say_their_version_in_their_own_words() {
        let chromium = "Chromium 148.0.7778.167 built on Debian GNU/Linux 12 (bookworm)";
        let driver = "ChromeDriver 148.0.7778.167 (f9a1d5f-refs/branch-heads/7778@{#1})";
        for said in [chromium, driver] {
            assert_eq!(version(said).as_deref(), Some("148"), "{said}");
        }
        assert_eq!(version("not found"), None);
    }
}
