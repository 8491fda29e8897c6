//! One binary, many roles: `serve`, `demo`, `sim`, and commands to a running server.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong input, 3 wrong environment. Data goes
//! to standard output, talk to standard error.

mod alerts;
mod cli;
mod commands;
mod config;
mod demo;
mod exit;
mod http;
mod logs;
mod reference;
mod rights;
mod serve;
mod settings;
mod simulate;
mod stop;
mod vault;
mod wiring;

use clap::Parser;
use std::process::ExitCode;

// Lookups allocate many small things at once on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(error) => Err(exit::environment(format!("no runtime: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
