//! The built binary as a process: started with an environment of its own,
//! listened to, told to stop, killed with the test.

use super::wait::until_some;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// `tieline` with these words and nothing of our own environment but the path.
pub(crate) fn command(words: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tieline"));
    command.args(words).env_clear().envs(environment.iter().cloned());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// How a command that ends by itself ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) async fn of(words: &[&str], environment: &[(String, String)]) -> Self {
        let bound = std::time::Duration::from_secs(60);
        let run = tokio::time::timeout(bound, command(words, environment).output()).await;
        let output = run.expect("a command that ends").expect("a command that starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// What is sent to a process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    Term,
    Int,
    Kill,
    Hup,
}

/// Lines that a process has written so far.
#[derive(Clone)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    /// Closed once there will be no more.
    more: watch::Receiver<()>,
}

impl Lines {
    fn collect(from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (is_reading, more) = watch::channel(());
        let lines = Self { lines: Arc::default(), more };
        let into = lines.clone();
        tokio::spawn(async move {
            let _is_reading = is_reading;
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                into.lock().push(line);
            }
        });
        lines
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Waits until all is read of a process that has ended.
    async fn whole(&self) {
        let mut more = self.more.clone();
        while more.changed().await.is_ok() {}
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that runs until it is told to stop.
pub(crate) struct Server {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) log: Lines,
}

impl Server {
    pub(crate) fn start(words: &[&str], environment: &[(String, String)]) -> Self {
        let mut child = command(words, environment).spawn().expect("the built binary starts");
        let out = Lines::collect(child.stdout.take().expect("piped"));
        let log = Lines::collect(child.stderr.take().expect("piped"));
        Self { child, out, log }
    }

    /// `tieline serve`.
    pub(crate) fn serve(config: &Path, environment: &[(String, String)]) -> Self {
        let config = config.display().to_string();
        Self::start(&["serve", "--config", &config], environment)
    }

    /// Where it listens, from its log; `None` when it ended before it told.
    pub(crate) async fn until_it_listens_or_ends(&mut self) -> Option<SocketAddr> {
        let log = self.log.clone();
        until_some("the server listens or ends", async || {
            let address = log.all().iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                line["fields"]["server.address"].as_str()?.parse().ok()
            });
            match (address, self.child.try_wait()) {
                (Some(address), _) => Some(Some(address)),
                (None, Ok(None)) => None,
                (None, _) => Some(None),
            }
        })
        .await
    }

    /// The first line of its output, as JSON; panics with its log when it ends instead.
    pub(crate) async fn until_it_says_a_line(&mut self) -> Value {
        let (out, log) = (self.out.clone(), self.log.clone());
        until_some("it says a line", async || {
            if let Some(line) = out.all().first() {
                return Some(serde_json::from_str(line).expect("one JSON object a line"));
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status}:\n{}", log.all().join("\n"));
            }
            None
        })
        .await
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let word = match signal {
            Signal::Term => "-TERM",
            Signal::Int => "-INT",
            Signal::Kill => "-KILL",
            Signal::Hup => "-HUP",
        };
        let Some(pid) = self.child.id() else { return };
        let sent = std::process::Command::new("kill").args([word, &pid.to_string()]).status();
        assert!(sent.expect("`kill` is on every machine").success(), "{word} reaches {pid}");
    }

    /// Waits for its end; its exit code, `None` when a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let bound = std::time::Duration::from_secs(30);
        let ended = tokio::time::timeout(bound, self.child.wait()).await;
        let code = ended.expect("it ends in time").expect("it can be waited for").code();
        // What it wrote last may not have been read yet.
        let whole = async { tokio::join!(self.out.whole(), self.log.whole()) };
        tokio::time::timeout(bound, whole).await.expect("its output ends with it");
        code
    }

    /// Whether it has ended, by itself or not.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}
