//! Child processes that never outlive us, whatever ends us.
//!
//! Every child leads a process group of its own. A small shell, the reaper,
//! reads their names from a pipe; when the pipe closes (we ended, were
//! interrupted, or killed), it ends every group still on its list. So nothing
//! is left behind, and no child can make us wait past its limit.

use crate::tools::say;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const REAPER: &str = r#"
list=""
while read -r sign group; do
  case "$sign" in
    +) list="$list $group" ;;
    -) kept=""; for one in $list; do [ "$one" = "$group" ] || kept="$kept $one"; done; list="$kept" ;;
  esac
done
for group in $list; do kill -s TERM -- "-$group" 2>/dev/null; done
left=20
while [ "$left" -gt 0 ]; do
  alive=""
  for group in $list; do kill -s 0 -- "-$group" 2>/dev/null && alive="yes"; done
  [ -z "$alive" ] && exit 0
  sleep 0.1
  left=$((left - 1))
done
for group in $list; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// How often a running child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a child may take to stop when asked.
const GRACE: Duration = Duration::from_secs(5);

/// Silence that ends an announcement of several lines.
const QUIET: Duration = Duration::from_millis(300);

static PIPE: Mutex<Option<(Child, ChildStdin)>> = Mutex::new(None);

/// Ends whatever still runs and waits until it has ended.
pub(crate) fn end_all() {
    let taken = PIPE.lock().map(|mut pipe| pipe.take()).unwrap_or_default();
    if let Some((mut reaper, stdin)) = taken {
        drop(stdin);
        let _ = reaper.wait();
    }
}

fn tell_reaper(sign: char, group: u32) -> Result<()> {
    let Ok(mut pipe) = PIPE.lock() else { bail!("the reaper's pipe is poisoned") };
    if pipe.is_none() {
        let mut reaper = Command::new("sh")
            .args(["-c", REAPER])
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start sh, which ends our children")?;
        let stdin = reaper.stdin.take().context("the reaper has no pipe")?;
        *pipe = Some((reaper, stdin));
    }
    match pipe.as_mut() {
        Some((_, stdin)) => Ok(writeln!(stdin, "{sign} {group}")?),
        None => Ok(()),
    }
}

/// A child in a group of its own; dropped, the whole group is ended.
pub(crate) struct Running {
    name: String,
    child: Child,
    group: u32,
}

impl Running {
    /// Starts `command` without standard input.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("{name}: cannot start {program}"))?;
        let group = child.id();
        let running = Self { name: name.into(), child, group };
        tell_reaper('+', group)?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends, at most `limit`; past that its group is ended.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match self.ended_within(limit)? {
            Some(status) => Ok(status),
            None => bail!("{} did not end within {} s", self.name, limit.as_secs()),
        }
    }

    /// What it announces itself with on its piped standard output, within `limit`: one JSON object
    /// on a line, or lines `NAME=value` followed by silence. The rest is read and dropped.
    pub(crate) fn announcement(&mut self, limit: Duration) -> Result<BTreeMap<String, String>> {
        let out = self.child.stdout.take().context("its output is not piped")?;
        let (send, receive) = std::sync::mpsc::sync_channel(64);
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Once it is announced nobody listens, and the rest only has to be read.
                let _ = send.try_send(line);
            }
        });
        let mut said = BTreeMap::new();
        let mut patience = limit;
        while let Ok(line) = receive.recv_timeout(patience) {
            if let Ok(Value::Object(object)) = serde_json::from_str(&line) {
                let text =
                    |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                return Ok(object
                    .iter()
                    .map(|(name, value)| (name.clone(), text(value)))
                    .collect());
            }
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("{} said '{line}' and not who it is", self.name))?;
            said.insert(name.to_owned(), value.to_owned());
            patience = QUIET;
        }
        if said.is_empty() {
            bail!("{} did not say who it is", self.name);
        }
        Ok(said)
    }

    /// Asks it to stop by `signal` (as `TERM`), waits a little, then ends the group.
    pub(crate) fn stop(mut self, signal: &str) -> Result<()> {
        self.signal(signal);
        self.ended_within(GRACE).map(|_| ())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    fn ended_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(None)
    }

    fn signal(&self, signal: &str) {
        // The shell's own `kill`: a small Debian has no other.
        let _ = Command::new("sh")
            .args(["-c", r#"kill -s "$0" -- "-$1""#, signal, &self.group.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group, also when its leader has ended: a grandchild may still run.
        self.signal("KILL");
        let _ = self.child.wait();
        let _ = tell_reaper('-', self.group);
    }
}

/// Runs to the end with its output passed through.
pub(crate) fn run(name: &str, command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    Running::start(name, command)?.wait(limit)
}

/// Runs to the end and returns whether it succeeded, with its two outputs.
pub(crate) fn capture(name: &str, command: &mut Command, limit: Duration) -> Result<Captured> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(name, command)?;
    let out = reader(running.child.stdout.take());
    let err = reader(running.child.stderr.take());
    let status = running.wait(limit);
    drop(running);
    let text = |thread: JoinHandle<String>| thread.join().unwrap_or_default();
    let (out, err) = (text(out), text(err));
    if status.is_err() {
        say(out.trim_end());
        say(err.trim_end());
    }
    Ok(Captured { ok: status?.success(), out, err })
}

/// What a child said and whether it succeeded.
pub(crate) struct Captured {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn reader(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A stream that breaks off keeps what came before.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs to the end, hands every line of its output to `each`, and returns whether it succeeded.
pub(crate) fn lines(
    name: &str,
    command: &mut Command,
    limit: Duration,
    mut each: impl FnMut(&str) + Send + 'static,
) -> Result<ExitStatus> {
    command.stdout(Stdio::piped());
    let mut running = Running::start(name, command)?;
    let out = running.child.stdout.take();
    let reading = thread::spawn(move || {
        for line in out.into_iter().flat_map(|out| BufReader::new(out).split(b'\n')) {
            let Ok(line) = line else { return };
            each(&String::from_utf8_lossy(&line));
        }
    });
    let status = running.wait(limit);
    drop(running);
    let _ = reading.join();
    status
}

#[cfg(test)]
mod tests {
    use super::{REAPER, Running, capture};
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn output_and_outcome_are_captured() {
        let said =
            capture("sh", Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]), LONG)
                .expect("sh runs");
        assert_eq!((said.ok, said.out.as_str(), said.err.as_str()), (false, "out\n", "err\n"));
    }

    #[test]
    fn an_object_or_names_announce_a_part() {
        for said in
            [r#"echo '{"url":"u","port":7}'; sleep 60"#, "echo url=u; echo port=7; sleep 60"]
        {
            let mut command = Command::new("sh");
            command.args(["-c", said]).stdout(Stdio::piped());
            let mut running = Running::start("sh", &mut command).expect("sh runs");
            let said = running.announcement(LONG).expect("it says who it is");
            assert_eq!((said["url"].as_str(), said["port"].as_str()), ("u", "7"));
        }
    }

    #[test]
    fn a_child_past_its_limit_is_ended() {
        let ended =
            capture("sh", Command::new("sh").args(["-c", "sleep 60"]), Duration::from_millis(50));
        assert!(ended.is_err());
    }

    #[test]
    fn a_grandchild_ends_with_its_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo pid=$!; wait"]).stdout(Stdio::piped());
        let mut running = Running::start("sh", &mut command).expect("sh runs");
        let said = running.announcement(LONG).expect("it names its child");
        drop(running);
        until_gone(&said["pid"]);
    }

    #[test]
    fn what_runs_when_we_are_gone_is_ended() {
        let start = |script: &str| {
            let mut command = Command::new("sh");
            command
                .args(["-c", script])
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::null());
            command.spawn().expect("sh runs")
        };
        // One that goes when asked, one that has to be made to, and one that was taken off the list.
        let mut asked = start("sleep 60");
        let mut stubborn = start("trap '' TERM; while :; do sleep 1; done");
        let mut spared = start("sleep 60");
        let mut reaper = start(REAPER);
        let mut pipe = reaper.stdin.take().expect("it is piped");
        for group in [asked.id(), stubborn.id(), spared.id()] {
            writeln!(pipe, "+ {group}").expect("it listens");
        }
        writeln!(pipe, "- {}", spared.id()).expect("it listens");
        drop(pipe);
        assert!(!asked.wait().expect("ours").success());
        assert!(!stubborn.wait().expect("ours").success());
        assert_eq!(spared.try_wait().expect("ours"), None);
        spared.kill().expect("ours");
        spared.wait().expect("ours");
        reaper.wait().expect("ours");
    }

    /// Killed, it may stay for a moment, and then as a process nobody waited for.
    fn until_gone(process: &str) {
        let mut state = String::new();
        for _ in 0..500 {
            state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it still runs: {state}");
    }
}
