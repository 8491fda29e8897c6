//! Decisions of a chain's compiled rules on one core, and the scene that all contestants are given.
//!
//! `rules make FILE --lines N [--last]` writes a scene: lines, callers and the right answer for
//! each. `rules run FILE --seconds N` measures ours over it, as one JSON object on stdout; the
//! other engines read the same file. Exit code 2: wrong words.
//!
//! `scene.rs` is the file, `made.rs` how it is made up, `ours.rs` the measuring.

mod made;
mod ours;
mod scene;

use scene::Scene;
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: rules make FILE --lines N [--last]
       rules run FILE --seconds N
  --last   only callers whose first matching line is the last one";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["make", file, "--lines", lines, last @ ..] if matches!(last, [] | ["--last"]) => {
            lines.parse().ok().map(|lines| make(file, lines, !last.is_empty()))
        }
        ["run", file, "--seconds", seconds] => seconds.parse().ok().map(|s| run(file, s)),
        _ => None,
    };
    match done {
        None => {
            let _ = writeln!(io::stderr(), "{USAGE}");
            ExitCode::from(2)
        }
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(reason)) => {
            let _ = writeln!(io::stderr(), "rules: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn make(file: &str, lines: usize, is_last: bool) -> Result<(), String> {
    let mut scene = made::scene(lines)?;
    let ready = ours::Ready::new(&scene)?;
    scene.answers = ready.answers_line_by_line();
    if is_last {
        scene.keep_those_of(lines - 1);
    }
    scene.callers.truncate(made::CALLERS);
    scene.answers.truncate(made::CALLERS);
    if scene.callers.len() < made::CALLERS {
        return Err(format!("only {} callers come to the last line", scene.callers.len()));
    }
    scene.write(file)?;
    say(&json!({ "callers": scene.callers.len(), "unmatched": scene.unmatched() }))
}

fn run(file: &str, seconds: u64) -> Result<(), String> {
    let scene = Scene::read(file)?;
    let (decisions, took) = ours::Ready::new(&scene)?.run(Duration::from_secs(seconds))?;
    let per_second = decisions as f64 / took.as_secs_f64();
    say(&json!({ "decisions": decisions, "perSecond": per_second.round() }))
}

fn say(report: &serde_json::Value) -> Result<(), String> {
    writeln!(io::stdout(), "{report}").map_err(|reason| reason.to_string())
}
