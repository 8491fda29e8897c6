//! The command line.

use crate::exit::Failure;
use crate::simulate::fault::Switch;
use crate::{commands, demo, reference, serve, simulate};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The line between the contact center and every CRM and ERP behind it.
#[derive(Debug, Parser)]
#[command(name = "tieline", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve calls.
    Serve(ConfigArgs),
    /// Show the main job on this machine, with simulated systems and made-up people.
    Demo(DemoArgs),
    /// Run one simulated system alone.
    Sim(simulate::SimArgs),
    /// Ask every connection whether everything Tieline needs is granted.
    Check(CheckArgs),
    /// Copy the store of the running server into one file.
    Backup(BackupArgs),
    /// Make a store from a backup. The server must not run.
    Restore(RestoreArgs),
    /// List durable jobs, or try dead ones again.
    Jobs(JobsArgs),
    /// Find out who calls were from that are known by a number alone, or were never seen.
    Reconcile(commands::ReconcileArgs),
    /// List data actions, or write them as files that a contact center imports.
    Actions(commands::ActionsArgs),
    /// List, show, make, change or delete connections, actions, queues and syncs while serving.
    Settings(commands::SettingsArgs),
    /// List, move, try, put in force or roll back routing rules while serving.
    Rules(commands::RulesArgs),
    /// Tell everything that was decided for a call, and why.
    Explain(commands::ExplainArgs),
    /// Keep records of two systems the same: plan, run, watch, take back.
    Sync(commands::SyncArgs),
    /// Decide what syncs ask people: conflicts, matches that are not clear, deletions.
    Review(commands::ReviewArgs),
    /// Keep what agents show the same in two systems: who stands how, and why; leave alone.
    Presence(commands::PresenceArgs),
    /// Look at what a contact center needs, and make what is missing.
    Setup(commands::SetupArgs),
    /// List, show or clear what agents have corrected.
    Overrides(commands::OverridesArgs),
    /// List, make or take away links between records of one customer in several systems.
    Links(commands::LinksArgs),
    /// List who changed or saw what, or see whether the log is whole.
    Audit(commands::AuditArgs),
    /// Show what is kept of one person, or erase it for good.
    Subject(commands::SubjectArgs),
    /// Say which personal data go where, and how long they are kept.
    Privacy(commands::PrivacyArgs),
    /// Make, list, replace or withdraw keys of the API.
    ApiKeys(commands::ApiKeysArgs),
    /// Make, list, change or take away those who sign in at the console.
    Users(commands::UsersArgs),
    /// Rotate the store's data key while the server serves.
    Keys(commands::KeysArgs),
    /// Make a master key and print it.
    Key,
    /// Print or write the generated reference.
    #[command(hide = true)]
    Docs(DocsArgs),
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(long, short, default_value = "tieline.toml", env = "TIELINE_CONFIG")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the store in this directory instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Place this many simulated calls, then go on serving.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub calls: usize,
    /// Print one JSON object a line: first the addresses, keys and people, then each call.
    #[arg(long)]
    pub json: bool,
    /// Port of the server.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// People in the simulated CRM.
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    pub people: usize,
    /// Let people edit contacts on both sides, so many times a second (1 to 100).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub edits: Option<u32>,
    /// End after so many edits; else they go on.
    #[arg(long, value_name = "N", requires = "edits")]
    pub edits_total: Option<u64>,
    /// Let a system misbehave from the start, such as salesforce=hang, 503, 403, 429, 401 or
    /// slow:2s; later by `tieline sim fault`. May be given for each system.
    #[arg(long, value_name = "SYSTEM=FAULT")]
    pub fault: Vec<Switch>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where the server writes the copy.
    pub path: PathBuf,
    /// Overwrite a file that is there.
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The backup.
    pub path: PathBuf,
    /// Replace a store that is there.
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Only jobs in this state: waiting, leased, skipped or dead.
    #[arg(long)]
    pub state: Option<String>,
    /// Try this dead job again.
    #[arg(long, value_name = "ID", conflicts_with = "redrive_all")]
    pub redrive: Option<i64>,
    /// Try every dead job again.
    #[arg(long)]
    pub redrive_all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DocsArgs {
    /// Write the files below this directory, else only print their names.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    pub write: Option<PathBuf>,
}

impl Cli {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(args) => serve::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Sim(args) => simulate::run(&args).await,
            Command::Check(args) => commands::check(&args).await,
            Command::Backup(args) => commands::backup(&args).await,
            Command::Restore(args) => commands::restore(&args).await,
            Command::Jobs(args) => commands::jobs(&args).await,
            Command::Reconcile(args) => commands::reconcile(&args).await,
            Command::Actions(args) => commands::actions(&args),
            Command::Settings(args) => commands::settings(&args).await,
            Command::Rules(args) => commands::rules(&args).await,
            Command::Explain(args) => commands::explain(&args).await,
            Command::Sync(args) => commands::sync(&args).await,
            Command::Review(args) => commands::review(&args).await,
            Command::Presence(args) => commands::presence(&args).await,
            Command::Setup(args) => commands::setup(&args).await,
            Command::Overrides(args) => commands::overrides(&args).await,
            Command::Links(args) => commands::links(&args).await,
            Command::Audit(args) => commands::audit(&args).await,
            Command::Subject(args) => commands::subject(&args).await,
            Command::Privacy(args) => commands::privacy(&args),
            Command::ApiKeys(args) => commands::api_keys(&args).await,
            Command::Users(args) => commands::users(&args).await,
            Command::Keys(args) => commands::keys(&args).await,
            Command::Key => commands::key(),
            Command::Docs(args) => reference::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
