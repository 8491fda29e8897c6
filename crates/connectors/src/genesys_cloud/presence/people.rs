//! Who works in the organization: its active users, and what they are grouped by.
//!
//! A user names department and division, groups and a team. Names that are not told with the
//! user are looked up in the lists of groups and divisions; where we may not see such a list,
//! its names are left out.

use super::super::client::{Client, Send};
use super::super::mapping::is_uuid;
use super::reading::entities;
use kit::Error;
use kit::presence::Agent;
use serde_json::Value;
use std::collections::HashMap;

/// On a page.
const PAGE: &str = "100";
/// Pages of one list: fifty thousand users, groups or divisions.
const PAGES_MAX: usize = 500;

/// Every active user.
pub(super) async fn all(client: &Client) -> Result<Vec<Agent>, Error> {
    let own = [("state", "active"), ("expand", "groups"), ("expand", "team")];
    let users = list(client, "users", &own).await?;
    let names = Names::look_up(client, &users).await?;
    Ok(users.iter().filter_map(|user| agent(user, &names)).collect())
}

/// A list to its end: one that does not end fails, since nobody is said to be gone who was
/// not looked for.
async fn list(client: &Client, path: &str, own: &[(&str, &str)]) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for number in 1..=PAGES_MAX {
        let text = number.to_string();
        let mut query = vec![("pageSize", PAGE), ("pageNumber", text.as_str())];
        query.extend_from_slice(own);
        let page = client.send(Send::Get(&query), path).await?.json()?;
        all.extend(entities(&page)?.iter().cloned());
        let count = page["pageCount"].as_u64().unwrap_or(0);
        if count <= number as u64 && !page["nextUri"].is_string() {
            return Ok(all);
        }
    }
    Err(Error::protocol(format!("more than {PAGES_MAX} pages of {path}")))
}

/// Names of groups and divisions by their ids.
struct Names {
    groups: HashMap<String, String>,
    divisions: HashMap<String, String>,
}

impl Names {
    /// Those lists only that somebody needs.
    async fn look_up(client: &Client, users: &[Value]) -> Result<Self, Error> {
        let is_nameless = |one: &Value| one["id"].is_string() && name(one).is_none();
        let groups = users.iter().any(|user| groups(user).any(is_nameless));
        let divisions = users.iter().any(|user| is_nameless(&user["division"]));
        Ok(Self {
            groups: names(client, groups, "groups").await?,
            divisions: names(client, divisions, "authorization/divisions").await?,
        })
    }
}

async fn names(
    client: &Client,
    is_needed: bool,
    path: &str,
) -> Result<HashMap<String, String>, Error> {
    if !is_needed {
        return Ok(HashMap::new());
    }
    let all = match list(client, path, &[]).await {
        Err(Error::Forbidden { missing }) => {
            tracing::warn!(
                "agents are listed without the names of their {path}: not permitted: {missing}"
            );
            return Ok(HashMap::new());
        }
        all => all?,
    };
    let named = |one: &Value| Some((one["id"].as_str()?.to_owned(), name(one)?.to_owned()));
    Ok(all.iter().filter_map(named).collect())
}

fn groups(user: &Value) -> impl Iterator<Item = &Value> {
    user["groups"].as_array().into_iter().flatten()
}

fn name(one: &Value) -> Option<&str> {
    one["name"].as_str().map(str::trim).filter(|name| !name.is_empty())
}

fn agent(user: &Value, names: &Names) -> Option<Agent> {
    let text = |key: &str| user[key].as_str().map(str::trim).filter(|text| !text.is_empty());
    let looked_up = |one: &Value, known: &HashMap<String, String>| {
        let own = name(one).map(str::to_owned);
        own.or_else(|| known.get(one["id"].as_str()?).cloned())
    };
    let department = text("department").map(str::to_owned);
    let division = looked_up(&user["division"], &names.divisions);
    let team = name(&user["team"]).map(str::to_owned);
    let mut all: Vec<String> = department.into_iter().chain(division).chain(team).collect();
    all.extend(groups(user).filter_map(|one| looked_up(one, &names.groups)));
    let mut belongs: Vec<String> = Vec::new();
    for name in all {
        if !belongs.contains(&name) {
            belongs.push(name);
        }
    }
    let is_active = text("state").is_none_or(|state| state == "active");
    is_active.then_some(())?;
    Some(Agent {
        id: text("id")?.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        email: text("email").map(str::to_owned),
        aliases: text("username").map(str::to_owned).into_iter().collect(),
        groups: belongs,
    })
}

/// What an authority calls each of them; case counts, as it does for the platform.
pub(super) async fn known_as(
    client: &Client,
    authority: &str,
    agents: &[String],
) -> Result<Vec<Vec<String>>, Error> {
    let mut all = Vec::with_capacity(agents.len());
    for agent in agents {
        if !is_uuid(agent) {
            all.push(Vec::new());
            continue;
        }
        let told = client.send(Send::Get(&[]), &format!("users/{agent}/externalid")).await;
        let told = match told {
            Err(Error::NotFound) => Value::Null,
            told => told?.json()?,
        };
        let own = told.as_array().into_iter().flatten();
        let own = own.filter(|one| one["authorityName"] == authority);
        all.push(own.filter_map(|one| one["externalKey"].as_str().map(str::to_owned)).collect());
    }
    Ok(all)
}
