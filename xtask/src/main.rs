//! The project's own commands: `cargo xtask test`, `check`, `tidy`, `codegen`, `new-connector`, `bench`.
//!
//! Each command is a file (or folder) of its name. They need nothing but Cargo
//! to start; what else a command needs it finds on the machine, or installs
//! under `target/`, or reports by name as missing.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong words, 3 the machine lacks something.

mod bench;
mod check;
mod codegen;
mod new_connector;
mod process;
mod test;
mod tidy;
mod tools;
mod words;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  test [--require-all] [FILTER]   bring up what the tests need, run them all, take it down
                                  --require-all: a part that had to be skipped is a failure
                                  FILTER: only steps and tests whose name contains it
  check                           fmt, clippy and tidy
  tidy                            the house's own rules
  codegen                         write the generated files anew
  new-connector NAME              a new folder under crates/connectors/src
  bench lookup [--quick]          the figures of the lookup, side by side with what else one could run
                                  --no-build: of what is built in target/release already
  bench events [--quick]          how many events of calls are taken in
  bench streams [--quick]         what ten thousand idle streams cost, and how soon news arrive among them
  bench actions [--quick]         what an enrichment costs, and whom a CRM that hangs slows
  bench rules [--quick]           decisions a second beside other engines, and the endpoint beside the lookup
  bench sync [--quick]            contacts brought over, beside the script of the public guides; calls it costs
                                  --million: a million of them between two CRMs instead; takes minutes";

const COMMANDS: [&str; 6] = ["test", "check", "tidy", "codegen", "new-connector", "bench"];

/// What a command ended with, when nothing went wrong that has a reason of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
    WrongWords,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = dispatch(&words);
    // Before the exit, not in a destructor: nothing of ours outlives us.
    process::end_all();
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::WrongWords) => ExitCode::from(2),
        Err(reason) => {
            tools::say(&format!("xtask: {reason:#}"));
            ExitCode::from(1)
        }
    }
}

fn dispatch(words: &[String]) -> anyhow::Result<Outcome> {
    let Some((command, rest)) = words.split_first() else {
        tools::say(USAGE);
        return Ok(Outcome::WrongWords);
    };
    match command.as_str() {
        "test" => test::run(rest),
        "check" => check::run(rest),
        "tidy" => tidy::run(rest),
        "codegen" => codegen::run(rest),
        "new-connector" => new_connector::run(rest),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            tools::say(USAGE);
            Ok(Outcome::Done)
        }
        wrong => Ok(words::refuse("command", wrong, &COMMANDS)),
    }
}
