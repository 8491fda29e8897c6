//! How a command ends when it fails.

use std::fmt::Display;
use std::process::ExitCode;

/// A failure with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

/// What `clap` itself exits with on wrong input.
pub const WRONG_INPUT: u8 = 2;

/// The work was tried and failed.
pub fn failed(message: impl Display) -> Failure {
    Failure { code: 1, message: message.to_string() }
}

/// What was given is wrong: a file, a flag, a key.
pub fn input(message: impl Display) -> Failure {
    Failure { code: WRONG_INPUT, message: message.to_string() }
}

/// The surroundings are wrong: a port, a disk, a server that is not there.
pub fn environment(message: impl Display) -> Failure {
    Failure { code: 3, message: message.to_string() }
}

impl Failure {
    pub fn report(self) -> ExitCode {
        eprintln!("tieline: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl From<state::Error> for Failure {
    fn from(error: state::Error) -> Self {
        use state::Error;
        match error {
            Error::NotAKey | Error::NotALocation | Error::WrongKey | Error::NotEmpty { .. } => {
                input(error)
            }
            _ => environment(error),
        }
    }
}
