//! Places lookups and checks every answer: nothing is counted that was not read and understood.
//!
//! Two ways to place them. Closed loop: every connection asks again as soon as
//! it is answered, which finds the ceiling. Open loop (`--rate`): each question
//! has an intended moment, and its latency counts from that moment, so that a
//! stall is charged to everyone who would have called during it.
//!
//! `order.rs` reads what to do, `caller.rs` is one connection, `report.rs`
//! turns the samples into one JSON object on stdout. Exit code 2: wrong words.

mod caller;
mod order;
mod report;

use order::Order;
use report::{Report, Samples};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::time::Instant;

/// What all connections share: the order, and who is next.
struct Shift {
    order: Order,
    begin: Instant,
    next: AtomicU64,
}

fn main() -> ExitCode {
    let order = match Order::from_words(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "load: {reason}\n\n{}", order::USAGE);
            return ExitCode::from(2);
        }
    };
    // One thread: the generator shares two cores with what it measures.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "load: no runtime: {reason}");
            return ExitCode::from(3);
        }
    };
    let report = runtime.block_on(run(order));
    match writeln!(io::stdout(), "{}", report.json()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs every connection to its end. Bounded by the order's count or duration,
/// and each question by its own limit.
async fn run(order: Order) -> Report {
    let connections = order.connections;
    let begin = Instant::now();
    let shift = Arc::new(Shift { order, begin, next: AtomicU64::new(0) });
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        callers.spawn(caller::work(Arc::clone(&shift)));
    }
    let mut all = Samples::default();
    while let Some(samples) = callers.join_next().await {
        match samples {
            Ok(samples) => all.absorb(samples),
            Err(_) => all.lose("a connection's task ended early"),
        }
    }
    Report::new(all, begin.elapsed(), shift.order.late_after)
}
