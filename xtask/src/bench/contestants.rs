//! The parts that are measured and what they need: everything that knows how each is started.
//!
//! Each part prints one JSON object with its `url` once it listens. All of them
//! live on free loopback ports and end with the bench.

use super::http;
use crate::process::{self, Running};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The key every contestant is asked with.
pub(super) const KEY: &str = "bench-key-of-some-length";
/// The time an answer has, in milliseconds; ours and the Node service are given the same.
pub(super) const DEADLINE_MS: u64 = 300;
/// Latency of the CRM in the rounds where it has any, in milliseconds.
pub(super) const CRM_LATENCY_MS: u64 = 50;
/// What the Node service asks for of a contact: the same as ours.
const NODE_FIELDS: &str = "Id, Name, Email, Phone, MobilePhone, CreatedDate, LastModifiedDate, AccountId, CRM_Case_Id__c, Loyalty_Tier__c";
/// People in the simulated CRM.
const PEOPLE: u64 = 20_000;

const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
const START_LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(10);

/// A running part and where it listens.
pub(super) struct Part {
    pub(super) running: Running,
    pub(super) url: String,
}

/// Builds what is measured, as it is shipped but for link-time optimisation.
pub(super) fn build() -> Result<()> {
    tools::say("building in release mode");
    let mut command = Command::new(tools::cargo());
    command.args(["build", "--release", "--quiet", "-p", "tieline", "-p", "bench"]);
    let built = process::run("cargo build", command.current_dir(tools::root()), BUILD_LIMIT)?;
    anyhow::ensure!(built.success(), "the release build failed");
    Ok(())
}

pub(super) fn program(name: &str) -> PathBuf {
    tools::target().join("release").join(name)
}

/// The bare endpoint of the same framework.
pub(super) fn bare() -> Result<Part> {
    listening("bare", Command::new(program("bare")).stdout(Stdio::piped()))
}

/// The stubs of a CRM and a contact center between which contacts are synced.
pub(super) fn vendors() -> Result<Part> {
    listening("vendors", Command::new(program("vendors")).stdout(Stdio::piped()))
}

/// The simulated CRM that every contestant asks, and how it lets them in.
pub(super) struct Simulator {
    pub(super) part: Part,
    pub(super) client_id: String,
    client_secret: String,
}

/// Starts the simulated CRM, which keeps no record of what it is asked.
pub(super) fn simulator() -> Result<Simulator> {
    let mut command = Command::new(program("tieline"));
    command.args(["sim", "salesforce", "--port", "0", "--no-log", "--people"]);
    simulated(command.arg(PEOPLE.to_string()))
}

/// Starts the simulated contact center, which keeps no record either.
pub(super) fn center() -> Result<Simulator> {
    let mut command = Command::new(program("tieline"));
    simulated(command.args(["sim", "genesys_cloud", "--port", "0", "--no-log"]))
}

fn simulated(command: &mut Command) -> Result<Simulator> {
    command.stdout(Stdio::piped());
    let (running, said) = announced("tieline sim", command)?;
    let text = |name: &str| {
        said.get(name).cloned().with_context(|| format!("the simulator told no {name}"))
    };
    Ok(Simulator {
        client_id: text("clientId")?,
        client_secret: text("clientSecret")?,
        part: Part { url: text("url")?, running },
    })
}

/// A customer's own database, and its file; it is gone with the process.
pub(super) fn database() -> Result<(Running, String)> {
    let mut command = Command::new(program("tieline"));
    command.args(["sim", "sql", "--port", "0", "--no-log", "--people", "1"]);
    let (running, said) = announced("tieline sim sql", command.stdout(Stdio::piped()))?;
    Ok((running, said.get("file").context("the simulator told no file")?.clone()))
}

impl Simulator {
    pub(super) fn of(part: Part, client_id: String, client_secret: String) -> Self {
        Self { part, client_id, client_secret }
    }

    /// From now on every answer takes this long.
    pub(super) fn be_slow(&self, latency_ms: u64) -> Result<()> {
        self.plan(&format!("{{\"latency_ms\":{latency_ms}}}"))
    }

    /// From now on no question to its data is answered.
    pub(super) fn hang(&self) -> Result<()> {
        self.plan(r#"{"rules":[{"path_contains":"/services/data","fault":"hang"}]}"#)
    }

    fn plan(&self, plan: &str) -> Result<()> {
        let headers = [("Content-Type", "application/json")];
        let answer = http::ask("POST", &self.part.url, "/_sim/faults", &headers, plan, STEP)?;
        anyhow::ensure!(answer.status < 300, "the simulator refused {plan}: {}", answer.body);
        Ok(())
    }

    /// Writes two lists of numbers, one a line: callers the CRM knows, and these with a tenth
    /// of strangers among them.
    pub(super) fn numbers(&self, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        let known = self.known()?;
        anyhow::ensure!(
            known.len() >= 1_000,
            "the simulator knows only {} usable numbers",
            known.len()
        );
        let mut mixed = Vec::new();
        for (index, number) in known.iter().enumerate() {
            mixed.push(number.clone());
            if index % 9 == 8 {
                mixed.push(format!("+1208{:07}", 2_000_000 + index));
            }
        }
        let (all, with_strangers) = (folder.join("known.txt"), folder.join("mixed.txt"));
        fs::write(&all, known.join("\n"))?;
        fs::write(&with_strangers, mixed.join("\n"))?;
        Ok((all, with_strangers))
    }

    /// Numbers of the CRM's contacts, as a telephone network would send them.
    fn known(&self) -> Result<Vec<String>> {
        let mut numbers: Vec<_> = self.contacts()?.into_iter().map(|(_, number)| number).collect();
        numbers.sort();
        numbers.dedup();
        Ok(numbers)
    }

    /// The CRM's contacts, each by its record's id and its number. Bounded by `PEOPLE`.
    pub(super) fn contacts(&self) -> Result<Vec<(String, String)>> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            http::encoded(&self.client_id),
            http::encoded(&self.client_secret)
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let token =
            http::ask("POST", &self.part.url, "/services/oauth2/token", &headers, &form, STEP)?;
        let token = token.json()?["access_token"]
            .as_str()
            .context("the simulator gave no token")?
            .to_owned();
        let bearer = format!("Bearer {token}");
        let query = http::encoded("SELECT Id, Phone FROM Contact WHERE Phone != null");
        let mut path = format!("/services/data/v67.0/query?q={query}");
        let mut contacts = Vec::new();
        for _ in 0..PEOPLE {
            let page =
                http::ask("GET", &self.part.url, &path, &[("Authorization", &bearer)], "", STEP)?;
            let page = page.json()?;
            let records =
                page["records"].as_array().with_context(|| format!("no records: {page}"))?;
            contacts.extend(records.iter().filter_map(|record| {
                Some((record["Id"].as_str()?.to_owned(), dialled(record["Phone"].as_str()?)?))
            }));
            match page["nextRecordsUrl"].as_str() {
                Some(next) => next.clone_into(&mut path),
                None => break,
            }
        }
        Ok(contacts)
    }
}

/// A number of the United States as typed, in E.164; `None` where it is none.
fn dialled(typed: &str) -> Option<String> {
    let main = typed.split(['x', 'e', '#', ';']).next()?;
    let digits: String = main.chars().filter(char::is_ascii_digit).collect();
    match (digits.len(), digits.starts_with('1')) {
        (10, false) => Some(format!("+1{digits}")),
        (11, true) => Some(format!("+{digits}")),
        _ => None,
    }
}

/// The service a typical integrator writes, over the same CRM, with a database of its own.
pub(super) fn node(crm: &Simulator, synchronous: &str, folder: &Path) -> Result<Part> {
    let service = install_node()?;
    let database = folder.join(format!("node-{synchronous}.db"));
    let mut command = Command::new("node");
    command
        .arg("server.mjs")
        .current_dir(service)
        .env("NODE_ENV", "production")
        .env("API_KEY", KEY)
        .env("DB", database)
        .env("SYNCHRONOUS", synchronous)
        .env("DEADLINE_MS", DEADLINE_MS.to_string())
        .env("CRM_URL", &crm.part.url)
        .env("CRM_FIELDS", NODE_FIELDS)
        .env("CRM_CLIENT_ID", &crm.client_id)
        .env("CRM_CLIENT_SECRET", &crm.client_secret)
        .stdout(Stdio::piped());
    listening("the Node service", &mut command)
}

/// Copies the service under `target` and installs what it needs, once for each state of its files.
pub(super) fn install_node() -> Result<PathBuf> {
    let from = tools::root().join("crates/bench/node");
    let to = tools::target().join("bench/node");
    fs::create_dir_all(&to)?;
    for file in fs::read_dir(&from)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    let (stamp, lock) =
        (to.join("node_modules/.for"), fs::read_to_string(from.join("package-lock.json"))?);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(to);
    }
    let npm =
        tools::find_or_install("npm", &["nodejs", "npm"]).context("no npm on this machine")?;
    tools::say(
        "installing the Node service; its SQLite is compiled here, which takes a minute or two",
    );
    let mut install = Command::new(npm);
    install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&to);
    // Node's own headers, where the machine has them: else node-gyp fetches them.
    if Path::new("/usr/include/node/node.h").is_file() {
        install.env("npm_config_nodedir", "/usr");
    }
    let done = process::capture("npm ci", &mut install, Duration::from_secs(900))?;
    anyhow::ensure!(done.ok, "npm ci: {}", done.err.trim());
    fs::write(stamp, lock)?;
    Ok(to)
}

/// How old what our directory knows may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    /// As by default: a caller known once is answered from it.
    Usual,
    /// Nothing is fresh enough: every call asks the CRM.
    Never,
    /// As by default, and nobody is known in it yet.
    Empty,
}

/// Ours, over the same CRM, with a store of its own under `folder`; an existing one is kept.
pub(super) fn ours(crm: &Simulator, directory: Directory, folder: &Path) -> Result<Part> {
    ours_with(crm, directory, folder, "", None)
}

/// As [`ours`], with more of a configuration and perhaps the contact center it names.
pub(super) fn ours_with(
    crm: &Simulator,
    directory: Directory,
    folder: &Path,
    more: &str,
    center: Option<&Simulator>,
) -> Result<Part> {
    let name = match directory {
        Directory::Usual => "usual",
        Directory::Never => "live",
        Directory::Empty => "empty",
    };
    let data = folder.join(format!("ours-{name}"));
    fs::create_dir_all(&data)?;
    let port = tools::free_port()?;
    let config = data.join("tieline.toml");
    fs::write(&config, configuration(crm, directory, &data, port) + more)?;
    let mut command = Command::new(program("tieline"));
    command
        .args(["serve", "--config"])
        .arg(&config)
        .env("BENCH_API_KEY", KEY)
        .env("BENCH_MASTER_KEY", "7".repeat(64))
        .env("BENCH_CRM_SECRET", &crm.client_secret)
        .envs(center.map(|center| ("BENCH_CENTER_SECRET", &center.client_secret)))
        .stdout(Stdio::null())
        .stderr(fs::File::create(data.join("log"))?);
    let running = Running::start("tieline serve", &mut command)?;
    let url = format!("http://127.0.0.1:{port}");
    let mut part = Part { running, url };
    until_ready(&mut part, &data)?;
    Ok(part)
}

/// The promise is the default one: an answered call survives a power cut. The vendor's limits are
/// lifted, since the simulated one has none and the alternative observes none.
fn configuration(crm: &Simulator, directory: Directory, data: &Path, port: u16) -> String {
    let age = match directory {
        Directory::Usual | Directory::Empty => "",
        Directory::Never => {
            "fresh_for = \"0s\"\nstale_limit = \"0s\"\nremember_misses_for = \"0s\"\n"
        }
    };
    format!(
        r#"[server]
listen = "127.0.0.1:{port}"
api_keys = [{{ env = "BENCH_API_KEY" }}]

[store]
location = "sqlite:{data}/tieline.db"
master_key = {{ env = "BENCH_MASTER_KEY" }}

[lookup]
default_connection = "crm"
default_region = "US"
deadline = "{DEADLINE_MS}ms"
{age}
[connections.crm]
type = "salesforce"
prefix = "CRM"
allow_private_addresses = true

[connections.crm.settings]
login_url = "{url}"
client_id = "{id}"
client_secret = {{ env = "BENCH_CRM_SECRET" }}
phone_fields = ["Phone", "MobilePhone"]
data = {{ crmCaseId = "CRM_Case_Id__c", loyaltyTier = "Loyalty_Tier__c" }}

[connections.crm.limits]
requests_per_minute = 100000000
concurrent_calls = 256
timeout = "5s"

[log]
level = "warn"
"#,
        data = data.display(),
        url = crm.part.url,
        id = crm.client_id,
    )
}

fn until_ready(part: &mut Part, data: &Path) -> Result<()> {
    let until = Instant::now() + START_LIMIT;
    while Instant::now() < until {
        let answer = http::ask("GET", &part.url, "/readyz", &[], "", STEP);
        if answer.is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        if part.running.has_ended()? {
            let said = fs::read_to_string(data.join("log")).unwrap_or_default();
            bail!("tieline serve ended: {}", said.lines().last().unwrap_or("without a word"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    bail!("tieline serve was not ready in {} s", START_LIMIT.as_secs())
}

/// Resident memory of a process in megabytes.
pub(super) fn resident_mb(part: &Part) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", part.running.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kilobytes = line.split_whitespace().nth(1).context("VmRSS has no figure")?;
    Ok(kilobytes.parse::<f64>()? / 1_024.0)
}

fn listening(name: &str, command: &mut Command) -> Result<Part> {
    let (running, said) = announced(name, command)?;
    let url = said.get("url").with_context(|| format!("{name} names no url"))?.clone();
    Ok(Part { running, url })
}

/// Starts a part and reads what it announces itself with.
fn announced(name: &str, command: &mut Command) -> Result<(Running, BTreeMap<String, String>)> {
    let mut running = Running::start(name, command)?;
    let said = running.announcement(START_LIMIT)?;
    Ok((running, said))
}

#[cfg(test)]
mod tests {
    use super::dialled;

    #[test]
    fn typed_numbers_become_what_the_network_sends() {
        assert_eq!(dialled("(555) 019-9999").as_deref(), Some("+15550199999"));
        assert_eq!(dialled("555.019.9999 x12").as_deref(), Some("+15550199999"));
        assert_eq!(dialled("+1 555 0199 999").as_deref(), Some("+15550199999"));
        assert_eq!(dialled("+44 20 7946 0958"), None);
    }
}
