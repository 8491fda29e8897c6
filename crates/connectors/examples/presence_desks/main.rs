//! Many agents in both simulated systems, each with a console, who keep changing what they show:
//! the load of `cargo xtask bench presence`, and its measure.
//!
//! Starts a simulated Genesys Cloud and a simulated Salesforce, the given `tieline` between them,
//! and a console for each agent; lets agents change their status so often a second, in turn here
//! and there, and prints one JSON object: what the server's own `/metrics` say of deciding, what
//! its process has resident, and how long it took until both sides agreed. Bounded by its
//! arguments; everything ends with it.

mod server;

use connectors::genesys_cloud::sim as genesys;
use connectors::salesforce::sim as salesforce;
use serde_json::{Value, json};
use server::{resident_mb, serve};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

type Failed<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "usage: presence_desks --tieline PROGRAM --folder DIR [--agents N] [--events A_SECOND] [--seconds N]";
const KEY: &str = "bench-key-of-some-length";
/// Any one answer, and any one wait for both sides to agree.
const STEP: Duration = Duration::from_secs(120);
/// Consoles that open at once.
const OPENING_MAX: usize = 100;

struct Order {
    program: PathBuf,
    folder: PathBuf,
    agents: usize,
    a_second: u32,
    seconds: u64,
}

/// An agent in both.
#[derive(Clone)]
struct Agent {
    center: String,
    crm: String,
}

struct Desks {
    genesys: genesys::GenesysCloud,
    salesforce: salesforce::Salesforce,
    agents: Vec<Agent>,
}

fn main() -> std::process::ExitCode {
    let Some(order) = order(std::env::args().skip(1)) else {
        let _ = writeln!(std::io::stderr(), "{USAGE}");
        return std::process::ExitCode::from(2);
    };
    allow_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&order))) {
        Ok(report) => {
            let _ = writeln!(std::io::stdout(), "{report}");
            std::process::ExitCode::SUCCESS
        }
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "presence_desks: {reason}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// As many open files as the system ever allows, for the server as well.
fn allow_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, opening a console says so.
    setrlimit(Resource::Nofile, limit).ok();
}

fn order(mut words: impl Iterator<Item = String>) -> Option<Order> {
    let mut order = Order {
        program: PathBuf::new(),
        folder: PathBuf::new(),
        agents: 5_000,
        a_second: 100,
        seconds: 30,
    };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--tieline" => order.program = value.into(),
            "--folder" => order.folder = value.into(),
            "--agents" => order.agents = value.parse().ok()?,
            "--events" => order.a_second = value.parse().ok()?,
            "--seconds" => order.seconds = value.parse().ok()?,
            _ => return None,
        }
    }
    let is_whole = order.program.is_file() && order.folder.is_dir();
    (is_whole && order.agents > 0 && order.a_second > 0).then_some(order)
}

async fn run(order: &Order) -> Failed<Value> {
    let desks = Arc::new(Desks::start(order.agents).await?);
    let (mut server, url, pid) = serve(order, &desks).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let _consoles = open_consoles(&desks, &client, &url).await?;
    let met = until_settled(&client, &url, order.agents).await?;
    let before = Measured::take(&client, &url).await?;
    let drove = drive(order, &desks).await?;
    let agreed = until_settled(&client, &url, order.agents).await?;
    let after = Measured::take(&client, &url).await?;
    let resident = resident_mb(pid)?;
    let wrong = desks.wrong();
    server.start_kill()?;
    server.wait().await?;
    let seconds = drove.as_secs_f64();
    Ok(json!({
        "agents": order.agents,
        "events": after.events - before.events,
        "events_a_second": f64::from(u32::try_from(after.events - before.events)?) / seconds,
        "acts_a_second": order.a_second,
        "decided_p50_ms": after.since(&before, 50),
        "decided_p99_ms": after.since(&before, 99),
        "resident_mb": resident,
        "first_agreed_s": met.as_secs_f64(),
        "agreed_after_load_s": agreed.as_secs_f64(),
        "wrong_pairs": wrong,
    }))
}

impl Desks {
    async fn start(count: usize) -> Failed<Self> {
        let user = |n: usize| {
            let id = format!("00000000-05e7-4000-9000-{n:012}");
            (id, format!("Agent {n}"), format!("agent{n}@example.com"))
        };
        let users: Vec<_> = (1..=count).map(user).collect();
        let config = genesys::Config {
            agents: users.clone(),
            // What ours may use is bounded by ours.
            rate_per_minute: 100_000,
            ..genesys::Config::default()
        };
        let genesys = genesys::start(config).await?;
        let config = salesforce::Config { people: 10, ..salesforce::Config::default() };
        let salesforce = salesforce::start(config).await?;
        let mut agents = Vec::with_capacity(count);
        for (center, name, email) in users {
            let crm = salesforce.add_agent(&name, &email)?;
            genesys.agent_sets(&center, "Available")?;
            salesforce.agent_sets(&crm, "Transition")?;
            agents.push(Agent { center, crm });
        }
        genesys.faults().requests().record(false);
        salesforce.faults().requests().record(false);
        Ok(Self { genesys, salesforce, agents })
    }

    /// One more act of an agent, in turn here and there.
    fn act(&self, nth: usize) -> Result<(), String> {
        let agent = &self.agents[nth % self.agents.len()];
        let is_at_work = (nth / self.agents.len()).is_multiple_of(2);
        if nth.is_multiple_of(2) {
            let status = if is_at_work { "On Queue" } else { "Available" };
            self.genesys.agent_sets(&agent.center, status)
        } else {
            let status = if is_at_work { "Online" } else { "Transition" };
            self.salesforce.agent_sets(&agent.crm, status)
        }
    }

    /// Pairs that are none.
    fn wrong(&self) -> usize {
        let is_wrong = |agent: &&Agent| {
            let center = self.genesys.agent_status(&agent.center).map(|(status, _)| status);
            let crm = self.salesforce.agent_status(&agent.crm);
            let works = (center.as_deref() == Some("On Queue"), crm.as_deref() == Some("Online"));
            works.0 != works.1
        };
        self.agents.iter().filter(is_wrong).count()
    }
}

/// A console for each agent, asking until it is dropped.
async fn open_consoles(
    desks: &Arc<Desks>,
    client: &reqwest::Client,
    url: &str,
) -> Failed<JoinSet<()>> {
    let mut consoles = JoinSet::new();
    for (nth, agent) in desks.agents.iter().enumerate() {
        let ask = client.post(format!("{url}/api/v1/agent-tokens")).bearer_auth(KEY);
        let told = ask.json(&json!({ "agent": agent.crm })).send().await?.json::<Value>().await?;
        let token = told["token"].as_str().ok_or("no token")?.to_owned();
        let (desks, client) = (Arc::clone(desks), client.clone());
        let (agent, base) = (agent.clone(), format!("{url}/api/v1/agents/{}/presence", agent.crm));
        consoles.spawn(async move { console(&desks, &client, &agent, &base, &token).await });
        if nth % OPENING_MAX == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(consoles)
}

async fn console(desks: &Desks, client: &reqwest::Client, agent: &Agent, base: &str, token: &str) {
    let mut pace = interval(Duration::from_millis(100));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let order = client.get(format!("{base}/order?wait=25")).bearer_auth(token).send().await;
        let Ok(order) = order else {
            pace.tick().await;
            continue;
        };
        let order: Value = order.json().await.unwrap_or_default();
        let Some(number) = order["number"].as_u64().filter(|number| *number > 0) else {
            pace.tick().await;
            continue;
        };
        let shown = desks.salesforce.agent_status(&agent.crm);
        let shown = shown.and_then(|name| desks.salesforce.status(&name));
        let wanted = order["statusId"].as_str().unwrap_or_default();
        let is_expected = shown.as_deref() == order["expectedId"].as_str();
        let outcome = match is_expected.then(|| desks.salesforce.agent_sets(&agent.crm, wanted)) {
            None => "late",
            Some(Ok(())) => "done",
            Some(Err(_)) => "refused",
        };
        let answer = format!("{base}/answer?number={number}&outcome={outcome}");
        client.post(answer).bearer_auth(token).send().await.ok();
    }
}

/// So many acts a second for so long; how long it took.
async fn drive(order: &Order, desks: &Desks) -> Failed<Duration> {
    let mut pace = interval(Duration::from_secs(1) / order.a_second);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    let acts = usize::try_from(u64::from(order.a_second) * order.seconds)?;
    for nth in 0..acts {
        pace.tick().await;
        desks.act(nth)?;
    }
    Ok(began.elapsed())
}

/// Waits until all agents were read in both systems and show what they are to show.
async fn until_settled(client: &reqwest::Client, url: &str, agents: usize) -> Failed<Duration> {
    let began = Instant::now();
    let mut pace = interval(Duration::from_millis(500));
    loop {
        pace.tick().await;
        let (mut settled, mut after) = (0, String::new());
        loop {
            let page = client.get(format!("{url}/api/v1/presence?limit=500&after={after}"));
            let page: Value = page.bearer_auth(KEY).send().await?.json().await?;
            let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            settled += items.iter().filter(|one| one["isSettled"] == true).count();
            after = page["next"].as_str().unwrap_or_default().to_owned();
            if after.is_empty() {
                break;
            }
        }
        if settled == agents {
            return Ok(began.elapsed());
        }
        if began.elapsed() > STEP {
            return Err(format!("only {settled} of {agents} agents came to rest").into());
        }
    }
}

/// What the server counts of presence.
struct Measured {
    events: u64,
    /// Upper bounds in seconds, and how many were at most that.
    buckets: Vec<(f64, u64)>,
}

impl Measured {
    async fn take(client: &reqwest::Client, url: &str) -> Failed<Self> {
        let text = client.get(format!("{url}/metrics")).send().await?.text().await?;
        let mut measured = Self { events: 0, buckets: Vec::new() };
        for line in text.lines() {
            let value = || line.rsplit(' ').next().and_then(|value| value.parse().ok());
            if line.starts_with("tieline_presence_events_total") {
                measured.events += value().unwrap_or(0);
            } else if let Some(rest) = line.strip_prefix("tieline_presence_seconds_bucket{le=\"") {
                let bound = rest.split('"').next().unwrap_or_default().parse();
                measured.buckets.push((bound.unwrap_or(f64::INFINITY), value().unwrap_or(0)));
            }
        }
        Ok(measured)
    }

    /// The bound in milliseconds below which this share of what came since lies.
    fn since(&self, before: &Self, percent: u64) -> f64 {
        let counts = self.buckets.iter().zip(&before.buckets);
        let counts: Vec<(f64, u64)> =
            counts.map(|((bound, now), (_, then))| (*bound, now - then)).collect();
        let all = counts.last().map_or(0, |(_, all)| *all);
        let needed = (all * percent).div_ceil(100);
        let found = counts.iter().find(|(_, count)| *count >= needed);
        found.map_or(f64::NAN, |(bound, _)| bound * 1_000.0)
    }
}
