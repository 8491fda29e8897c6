//! `tieline presence`: agents in two systems, how they stand and why, and left alone.

use super::client::Client;
use super::say;
use super::settings::percent;
use crate::cli::ConfigArgs;
use crate::exit::Failure;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct PresenceArgs {
    #[command(subcommand)]
    command: Presence,
}

#[derive(Debug, Subcommand)]
enum Presence {
    /// List teams and their agents: what each shows in both systems, and who decided.
    List {
        /// Only of this team.
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Tell an agent's story: what they showed, who decided, what was told to whom.
    Show {
        /// An id of either system, or an e-mail.
        agent: String,
        /// At most this many lines.
        #[arg(long, default_value_t = 50)]
        lines: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Leave an agent alone, a whole team, or everybody.
    Pause {
        #[command(flatten)]
        whom: Whom,
    },
    /// Keep their presence again.
    Resume {
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, Args)]
struct Whom {
    /// An agent: an id of either system, or an e-mail.
    #[arg(required_unless_present_any = ["team", "all"], conflicts_with_all = ["team", "all"])]
    agent: Option<String>,
    /// Everybody of this team.
    #[arg(long, conflicts_with = "all")]
    team: Option<String>,
    /// Everybody of every team.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Output {
    fn client(&self) -> Result<Client, Failure> {
        Client::of_or_demo(&self.config.config)
    }

    fn tell(&self, answer: &Value, lines: Vec<String>) -> Result<(), Failure> {
        if self.json {
            return say(&answer.to_string());
        }
        lines.iter().try_for_each(|line| say(line))
    }
}

pub async fn presence(args: &PresenceArgs) -> Result<(), Failure> {
    match &args.command {
        Presence::List { team, output } => list(team.as_deref(), output).await,
        Presence::Show { agent, lines, output } => {
            let path = format!("/api/v1/presence/agents/{}?limit={lines}", percent(agent));
            let story = output.client()?.get(&path).await?;
            output.tell(&story, told(&story))
        }
        Presence::Pause { whom } => change(whom, "pause").await,
        Presence::Resume { whom } => change(whom, "resume").await,
    }
}

/// Every page of the list.
async fn list(team: Option<&str>, output: &Output) -> Result<(), Failure> {
    let client = output.client()?;
    let of_team = team.map(|team| format!("&team={}", percent(team))).unwrap_or_default();
    let (mut after, mut items) = (String::new(), Vec::new());
    let teams = loop {
        let path = format!("/api/v1/presence?limit=500&after={}{of_team}", percent(&after));
        let mut page = client.get(&path).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        after = text(&page, "next");
        if after.is_empty() {
            break page["teams"].take();
        }
    };
    let all = json!({ "teams": teams, "items": items });
    let mut lines: Vec<String> = each(&all["teams"]).flat_map(team_lines).collect();
    if !items.is_empty() {
        lines.push(format!(
            "{:<24} {:<12} {:<28} {:<28} {}",
            "agent", "team", "contact center", "CRM", "decided by"
        ));
    }
    lines.extend(items.iter().map(agent_line));
    output.tell(&all, lines)
}

async fn change(whom: &Whom, what: &str) -> Result<(), Failure> {
    let client = whom.output.client()?;
    let wanted: Vec<(&str, String)> = match (&whom.team, &whom.agent) {
        (Some(team), _) => vec![("teams", team.clone())],
        (None, Some(agent)) => vec![("agents", agent.clone())],
        (None, None) => {
            let all = client.get("/api/v1/presence?limit=1").await?;
            each(&all["teams"]).map(|team| ("teams", text(team, "name"))).collect()
        }
    };
    let mut answers = Vec::new();
    for (kind, word) in &wanted {
        let path = format!("/api/v1/presence/{kind}/{}/{what}", percent(word));
        let answer = client.post(&path, &json!({})).await?;
        let stands = if answer["isPaused"] == true { "left alone" } else { "kept the same" };
        let line = match answer["hasChanged"].as_bool() {
            Some(true) => format!("{word}: {stands} from now on"),
            _ => format!("{word}: {stands} already"),
        };
        if !whom.output.json {
            say(&line)?;
        }
        answers.push(answer);
    }
    match answers.as_slice() {
        _ if !whom.output.json => Ok(()),
        [one] if !whom.all => say(&one.to_string()),
        all => say(&Value::from(all.to_vec()).to_string()),
    }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A text of the answer, without what a terminal would obey.
fn text(value: &Value, key: &str) -> String {
    let text = value[key].as_str().unwrap_or_default();
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn team_lines(team: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {} of {} and {}, {}; {} agents, {} without another",
        text(team, "name"),
        text(team, "scenario"),
        text(team, "contactCenter"),
        text(team, "crm"),
        text(team, "standing"),
        team["agents"],
        team["aloneCount"],
    )];
    lines
        .extend(each(&team["faults"]).map(|one| format!("  {}", one.as_str().unwrap_or_default())));
    for (side, key) in [("contactCenter", "contactCenterUnheard"), ("crm", "crmUnheard")] {
        let why = text(team, key);
        if !why.is_empty() && text(team, "standing") == "working" {
            lines.push(format!("  {} does not tell what happens: {why}", text(team, side)));
        }
    }
    lines
}

fn agent_line(agent: &Value) -> String {
    let side = |key: &str| {
        let side = &agent[key];
        let work = match text(side, "work").as_str() {
            "free" | "" => String::new(),
            work => format!(" ({work})"),
        };
        format!("{}{work}", text(side, "status"))
    };
    let mut notes: Vec<String> =
        each(&agent["alerts"]).filter_map(|one| one.as_str()).map(str::to_owned).collect();
    if agent["isPaused"] == true {
        notes.push("paused".to_owned());
    }
    let name = match text(agent, "name") {
        name if name.is_empty() => text(&agent["contactCenter"], "id"),
        name => name,
    };
    format!(
        "{name:<24} {:<12} {:<28} {:<28} {} {} {}",
        text(agent, "team"),
        side("contactCenter"),
        side("crm"),
        text(agent, "decidedBy"),
        text(agent, "decidedAt"),
        notes.join(", "),
    )
    .trim_end()
    .to_owned()
}

/// An agent and their story, oldest first: it is read downwards.
fn told(story: &Value) -> Vec<String> {
    let agent = &story["agent"];
    let mut lines = vec![agent_line(agent)];
    let of_line = |line: &Value| {
        let parts = ["what", "side", "status", "note"].map(|key| text(line, key));
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}  {}", text(line, "at"), parts.join("  "))
    };
    let newest: Vec<String> = each(&story["lines"]).map(of_line).collect();
    lines.extend(newest.into_iter().rev());
    lines
}
