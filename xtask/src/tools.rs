//! Where things are on this machine, and how xtask speaks: talk on stderr, results on stdout.

use crate::process;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Talk, for the person who watches. A closed stderr is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A result, for whoever reads our output. A closed stdout is no reason to stop.
pub(crate) fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// The repository's root, from where this crate was built.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Cargo's target folder, also when the environment moved it.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// The first program of this name on the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether we are root, who may use apt and whom PostgreSQL refuses.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    })
}

/// Whether this is a Debian we may install packages on.
pub(crate) fn has_apt() -> bool {
    is_root() && find("apt-get").is_some()
}

/// A port that was free a moment ago, on the loopback address.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Installs Debian packages where we may, with one look at fresh package lists if the old ones fail.
/// Returns whether they are there now.
pub(crate) fn apt_install(packages: &[&str]) -> bool {
    const LIMIT: Duration = Duration::from_secs(300);
    if !has_apt() {
        return false;
    }
    say(&format!("installing {} with apt", packages.join(", ")));
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-q", "--no-install-recommends"])
            .args(packages);
        process::capture("apt-get install", &mut command, LIMIT).is_ok_and(|done| done.ok)
    };
    install() || {
        let mut update = Command::new("apt-get");
        update.args(["update", "-q"]);
        process::capture("apt-get update", &mut update, LIMIT).is_ok_and(|done| done.ok)
            && install()
    }
}

/// Finds a program, or installs the Debian packages that bring it.
pub(crate) fn find_or_install(program: &str, packages: &[&str]) -> Option<PathBuf> {
    find(program).or_else(|| apt_install(packages).then(|| find(program)).flatten())
}
