//! A MariaDB of our own for the tests: on a free loopback port, with a data folder that goes with it.
//!
//! The machine's binaries if it has any, else Debian's, without the package that would start a
//! server of the machine's own. Nothing is synced to disk: these are tests.

use crate::process::{self, Running};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Server and what makes its first tables; neither starts anything by itself.
const PACKAGES: &[&str] = &["mariadb-server-core", "mariadb-client-core"];
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropped, it and its data are gone.
pub(super) struct Server {
    running: Option<Running>,
    port: u16,
    folder: PathBuf,
}

/// Starts a server and waits until it takes connections.
pub(super) fn start() -> Result<Server> {
    tools::say("\n== MariaDB");
    let program = server().context("no MariaDB on this machine, and apt could not bring one")?;
    let folder = std::env::temp_dir().join(format!("tieline-mariadb-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut server = Server { running: None, port: tools::free_port()?, folder };
    let data = server.folder.join("data");
    let first = tools::find_or_install("mariadb-install-db", PACKAGES)
        .context("no mariadb-install-db on this machine")?;
    let mut install = Command::new(first);
    install
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg("--force")
        .arg(format!("--datadir={}", data.display()));
    if tools::is_root() {
        install.arg("--user=root");
    }
    let made = process::capture("mariadb-install-db", &mut install, START_LIMIT)?;
    if !made.ok {
        bail!("mariadb-install-db: {} {}", made.out.trim(), made.err.trim());
    }
    server.launch(&program)?;
    tools::say(&format!("{} from {}", server.url(), program.display()));
    Ok(server)
}

/// The server's program, which Debian keeps where only root looks.
fn server() -> Option<PathBuf> {
    let known = || {
        let usual = PathBuf::from("/usr/sbin/mariadbd");
        tools::find("mariadbd").or_else(|| usual.is_file().then_some(usual))
    };
    known().or_else(|| tools::apt_install(PACKAGES).then(known).flatten())
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/mysql", self.port)
    }

    pub(super) fn stop(mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.stop("TERM");
        }
    }

    fn launch(&mut self, program: &std::path::Path) -> Result<()> {
        let log = self.folder.join("log");
        let mut command = Command::new(program);
        command.arg("--no-defaults");
        if tools::is_root() {
            command.arg("--user=root");
        }
        let path = |name: &str| self.folder.join(name).display().to_string();
        command.args([
            format!("--datadir={}", path("data")),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("pid")),
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-log-bin".to_owned(),
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
            "--max-connections=300".to_owned(),
        ]);
        command.stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut running = Running::start("mariadbd", &mut command)?;
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("ready for connections") {
                self.running = Some(running);
                return Ok(());
            }
            if running.has_ended()? {
                bail!("mariadbd ended: {}", said.trim());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("mariadbd did not get ready in {} s", START_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.running.take());
        // Its processes may still be leaving; what stays is in the temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
