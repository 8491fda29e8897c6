//! SIGTERM and ctrl-C, listened for from before the first answer.
//!
//! Until somebody listens, a SIGTERM ends the process on the spot: whoever stops a
//! server the moment it answers would have it killed.

use crate::exit::{self, Failure};
use std::io;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether somebody has told the process to stop, since this was made.
pub struct Stop {
    #[cfg(unix)]
    signals: [Signal; 2],
    #[cfg(windows)]
    signal: tokio::signal::windows::CtrlC,
}

/// Listens from now on.
pub fn listen() -> Result<Stop, Failure> {
    let heard = Stop::new();
    heard.map_err(|error| exit::environment(format!("signals cannot be listened for: {error}")))
}

impl Stop {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { signals })
    }

    #[cfg(windows)]
    fn new() -> io::Result<Self> {
        Ok(Self { signal: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits until it is told to stop.
    #[cfg(unix)]
    pub async fn told(&mut self) {
        let [terminate, interrupt] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    #[cfg(windows)]
    pub async fn told(&mut self) {
        self.signal.recv().await;
    }
}
