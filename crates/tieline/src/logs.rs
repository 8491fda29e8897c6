//! Log lines, to standard error: one event a line, for people or machines.

use crate::config::{LogFormat, LogSection};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. A second start (tests) changes nothing.
pub fn start(section: &LogSection) {
    let level = section.level.parse().unwrap_or(LevelFilter::INFO);
    // Other libraries speak at most of warnings: their debug output may carry
    // headers and addresses (invariant 9).
    let ours = ["tieline", "engine", "state", "kit", "connectors"];
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN));
    let filter = filter.with_targets(ours.map(|target| (target, level)));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match section.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    started.ok();
}
