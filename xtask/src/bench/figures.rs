//! Measuring one contestant once, and what many such measurements amount to.

use crate::{process, tools};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where decisions are asked for.
pub(super) const DECIDE: &str = "/api/v1/routing/decide";
const LUA: &str = include_str!("lookup.lua");

/// The same quantity, measured in several rounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one; of an even number the mean of the middle two. NaN when nothing was measured.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => sorted[count / 2],
            count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        }
    }

    pub(super) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(super) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    pub(super) fn sum(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// How hard a contestant is asked.
#[derive(Clone, Copy)]
pub(super) struct Pressure {
    pub(super) connections: usize,
    pub(super) seconds: u64,
    /// Lookups a second at fixed moments; `None`: each connection as fast as it is answered.
    pub(super) rate: Option<u64>,
    /// Answers later than this are counted as late, in milliseconds.
    pub(super) limit_ms: Option<u64>,
    /// What every external id must begin with.
    pub(super) expect: Option<&'static str>,
}

/// Decisions to be asked for instead of lookups.
pub(super) struct Deciding {
    /// The number that all of the callers dialled.
    pub(super) did: &'static str,
    /// A body for each caller, one a line.
    pub(super) bodies: PathBuf,
}

/// The generators, and whether wrk is one of them.
pub(super) struct Generators {
    load: PathBuf,
    wrk: Option<PathBuf>,
    script: PathBuf,
    runs: std::cell::Cell<u64>,
}

impl Generators {
    pub(super) fn prepare(folder: &Path, load: PathBuf) -> Result<Self> {
        let script = folder.join("lookup.lua");
        std::fs::write(&script, LUA)?;
        let wrk = tools::find_or_install("wrk", &["wrk"]);
        if wrk.is_none() {
            tools::say(
                "wrk cannot be had here; ratios are measured with our own generator, which takes more of the machine",
            );
        }
        Ok(Self { load, wrk, script, runs: std::cell::Cell::new(0) })
    }

    /// Requests a second and latencies at the ceiling; by wrk where it can be had.
    pub(super) fn ceiling(
        &self,
        url: &str,
        key: &str,
        numbers: &Path,
        connections: usize,
        seconds: u64,
    ) -> Result<Value> {
        let Some(wrk) = &self.wrk else {
            let pressure =
                Pressure { connections, seconds, rate: None, limit_ms: None, expect: None };
            return self.load(url, key, numbers, pressure);
        };
        let mut command = self.wrk(wrk, url, connections, seconds);
        command.arg(numbers).arg(self.run()).arg(key);
        ceiling_of(url, seconds, &mut command)
    }

    /// The same of decisions about these callers, 64 at a time.
    pub(super) fn decisions(
        &self,
        url: &str,
        key: &str,
        numbers: &Path,
        of: &Deciding,
        seconds: u64,
    ) -> Result<Value> {
        let Some(wrk) = &self.wrk else {
            let connections = 64;
            let pressure =
                Pressure { connections, seconds, rate: None, limit_ms: None, expect: None };
            return self.tell(url, key, DECIDE, &of.bodies, pressure);
        };
        let mut command = self.wrk(wrk, url, 64, seconds);
        command.arg(numbers).arg(self.run()).args([key, of.did]);
        ceiling_of(url, seconds, &mut command)
    }

    fn wrk(&self, wrk: &Path, url: &str, connections: usize, seconds: u64) -> Command {
        let mut command = Command::new(wrk);
        command.args([
            "-t2",
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
            "--timeout",
            "10s",
            "-s",
        ]);
        command.arg(&self.script).arg(url).arg("--");
        command
    }

    /// Every answer checked; never wrk.
    pub(super) fn load(
        &self,
        url: &str,
        key: &str,
        numbers: &Path,
        pressure: Pressure,
    ) -> Result<Value> {
        let mut command = Command::new(&self.load);
        command.args(["--to", url, "--key", key, "--run", &self.run(), "--numbers"]).arg(numbers);
        command.args(["--connections", &pressure.connections.to_string()]);
        command.args(["--seconds", &pressure.seconds.to_string()]);
        for (word, value) in [("--rate", pressure.rate), ("--limit-ms", pressure.limit_ms)] {
            if let Some(value) = value {
                command.args([word, &value.to_string()]);
            }
        }
        if let Some(prefix) = pressure.expect {
            command.args(["--expect", prefix]);
        }
        let done =
            process::capture("load", &mut command, Duration::from_secs(pressure.seconds + 60))?;
        if !done.ok {
            bail!("load: {}", done.err.trim());
        }
        Ok(serde_json::from_str(&done.out)?)
    }

    /// Bodies sent as fast as they are answered, or at a rate, every answer checked.
    pub(super) fn tell(
        &self,
        url: &str,
        key: &str,
        path: &str,
        bodies: &Path,
        pressure: Pressure,
    ) -> Result<Value> {
        let reports = self.tell_all(url, key, &[path.to_owned()], bodies, pressure)?;
        reports.into_iter().next().context("a report for each path")
    }

    /// The same of several addresses at the same time, each as hard; a report for each.
    pub(super) fn tell_all(
        &self,
        url: &str,
        key: &str,
        paths: &[String],
        bodies: &Path,
        pressure: Pressure,
    ) -> Result<Vec<Value>> {
        let seconds = pressure.seconds;
        let command = |path: &String| {
            let mut command = Command::new(&self.load);
            command.args(["--to", url, "--key", key, "--path", path, "--run", &self.run()]);
            command.args(["--connections", &pressure.connections.to_string()]);
            command.args(["--seconds", &seconds.to_string(), "--bodies"]).arg(bodies);
            if let Some(rate) = pressure.rate {
                command.args(["--rate", &rate.to_string()]);
            }
            command
        };
        let commands: Vec<Command> = paths.iter().map(command).collect();
        let tell = |mut command: Command| -> Result<Value> {
            let limit = Duration::from_secs(seconds + 60);
            let done = process::capture("load", &mut command, limit)?;
            anyhow::ensure!(done.ok, "load: {}", done.err.trim());
            Ok(serde_json::from_str(&done.out)?)
        };
        std::thread::scope(|scope| {
            let running: Vec<_> =
                commands.into_iter().map(|command| scope.spawn(move || tell(command))).collect();
            let joined = running.into_iter().map(|one| one.join());
            joined.map(|one| one.unwrap_or_else(|_| bail!("a generator's thread ended"))).collect()
        })
    }

    /// The first `most` numbers asked once, so that what can be remembered is, and nothing that
    /// happens only once is measured.
    pub(super) fn warm(&self, url: &str, key: &str, numbers: &Path, most: usize) -> Result<()> {
        let count = std::fs::read_to_string(numbers)?.lines().count().min(most);
        let mut command = Command::new(&self.load);
        command.args(["--to", url, "--key", key, "--run", &self.run(), "--connections", "16"]);
        command.args(["--seconds", "120", "--count", &count.to_string(), "--numbers"]).arg(numbers);
        let done = process::capture("load", &mut command, Duration::from_secs(180))?;
        anyhow::ensure!(done.ok, "warming up: {}", done.err.trim());
        Ok(())
    }

    /// The same of decisions.
    pub(super) fn warm_decisions(&self, url: &str, key: &str, of: &Deciding) -> Result<()> {
        let count = std::fs::read_to_string(&of.bodies)?.lines().count();
        let mut command = Command::new(&self.load);
        command.args(["--to", url, "--key", key, "--path", DECIDE, "--connections", "16"]);
        command.args(["--run", &self.run(), "--seconds", "120", "--count", &count.to_string()]);
        command.arg("--bodies").arg(&of.bodies);
        let done = process::capture("load", &mut command, Duration::from_secs(180))?;
        anyhow::ensure!(done.ok, "warming up: {}", done.err.trim());
        Ok(())
    }

    fn run(&self) -> String {
        self.runs.set(self.runs.get() + 1);
        format!("{}-{}", std::process::id(), self.runs.get())
    }
}

/// What wrk found.
fn ceiling_of(url: &str, seconds: u64, command: &mut Command) -> Result<Value> {
    let done = process::capture("wrk", command, Duration::from_secs(seconds + 30))?;
    let line = done.out.lines().last().unwrap_or_default();
    let report: Value =
        serde_json::from_str(line).with_context(|| format!("wrk said {line} {}", done.err))?;
    let lost = report["refused"].as_u64().unwrap_or(1) + report["lost"].as_u64().unwrap_or(1);
    if lost > 0 {
        bail!("wrk: {url} refused or lost {lost} requests: {line}");
    }
    Ok(report)
}

/// Median and 99th percentile, in milliseconds, of writing a page and having it on the disk.
pub(super) fn fdatasync(folder: &Path) -> Result<(f64, f64)> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path)?;
    let mut took = Vec::new();
    for round in 0..200_u64 {
        file.seek(SeekFrom::Start((round % 64) * 4_096))?;
        file.write_all(&[7; 4_096])?;
        let begin = Instant::now();
        file.sync_data()?;
        took.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    std::fs::remove_file(path)?;
    took.sort_by(f64::total_cmp);
    Ok((took[100], took[198]))
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn the_median_is_the_middle() {
        let series = |figures: &[f64]| Series(figures.to_vec()).median();
        assert!((series(&[3.0, 1.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!((series(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!(series(&[]).is_nan());
    }
}
