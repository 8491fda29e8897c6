//! Kamailio and SIPp as processes: found, started, ended with the test.

use crate::rig::until;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

/// Where the programs are.
pub(super) struct Programs {
    pub(super) kamailio: PathBuf,
    pub(super) sipp: PathBuf,
}

impl Programs {
    /// `None`, said aloud once, where this machine has none.
    pub(super) fn find() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let found = named("TIELINE_TEST_KAMAILIO").zip(named("TIELINE_TEST_SIPP"));
        if found.is_none() {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                let mut out = std::io::stdout();
                let why = "TIELINE_TEST_KAMAILIO and TIELINE_TEST_SIPP are not set";
                writeln!(out, "SKIPPED a real switch: {why}").ok();
            });
        }
        found.map(|(kamailio, sipp)| Self { kamailio, sipp })
    }
}

/// A process that listens on a port of its own, and what it started itself.
pub(super) struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    /// Starts it with a free port, and waits until it has bound that. What it says goes to a
    /// file of this name in `folder`.
    pub(super) async fn start(
        folder: &Path,
        name: &str,
        command: impl Fn(u16) -> Command,
    ) -> (Self, u16) {
        let said = folder.join(format!("{name}.said"));
        // Somebody else may have taken the port meanwhile.
        for _ in 0..5 {
            let port = free_port();
            let file = std::fs::File::create(&said).expect("a file in a folder of our own");
            let mut command = command(port);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
            let mut child = command.spawn().expect("the program starts");
            let mut has_ended = false;
            until(&format!("{name} listens"), async || {
                has_ended = child.try_wait().is_ok_and(|status| status.is_some());
                has_ended || is_bound(port)
            })
            .await;
            let running = Self { child, said: said.clone() };
            if !has_ended {
                return (running, port);
            }
        }
        panic!("{name} does not start:\n{}", std::fs::read_to_string(&said).unwrap_or_default());
    }

    /// What it has said so far.
    pub(super) fn said(&self) -> String {
        let bytes = std::fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Kamailio's workers are its children, and outlive it when it is killed alone.
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let mut pids = vec![pid.to_string()];
        pids.extend(children.unwrap_or_default().split_whitespace().map(str::to_owned));
        let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// A UDP port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its address").port()
}

/// Whether anybody has bound this port of 127.0.0.1.
fn is_bound(port: u16) -> bool {
    let wanted = format!("0100007F:{port:04X}");
    let sockets = std::fs::read_to_string("/proc/net/udp").expect("the kernel's list");
    sockets.lines().any(|line| line.split_whitespace().nth(1) == Some(wanted.as_str()))
}
