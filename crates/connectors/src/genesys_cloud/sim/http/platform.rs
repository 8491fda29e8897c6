//! Holds one running organization: its world, tokens, permissions and rate windows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sim::tokens::Tokens;
use tokio::time::Instant;

use super::super::Config;
use super::super::model::channels::Channels;
use super::super::model::ids::{Ids, is_uuid};
use super::super::model::problem::Problem;
use super::super::model::world::{Expand, World};
use super::users::Sessions;

/// The window of the platform's limits "per minute".
const WINDOW: Duration = Duration::from_secs(60);

/// Most clients whose rate is followed; one is the rule.
const MOST_CLIENTS: usize = 1000;

pub(crate) struct Platform {
    pub(crate) config: Config,
    pub(crate) tokens: Tokens,
    /// Host and port, once it listens.
    pub(crate) address: OnceLock<String>,
    world: Mutex<World>,
    correlation: Mutex<Ids>,
    limits: Mutex<Limits>,
    permissions: Mutex<BTreeSet<String>>,
    sessions: Mutex<Sessions>,
    channels: Mutex<Channels>,
}

struct Limits {
    per_minute: u32,
    windows: HashMap<String, (Instant, u32)>,
}

/// What a handler is asked, past the gate.
pub(crate) struct Ask {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// `null` where the request had no body.
    pub(crate) body: Value,
    pub(crate) token: String,
    pub(crate) now: i64,
}

/// A success: status and, mostly, a body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

pub(crate) type Answer = Result<Reply, Problem>;

/// 200 with a body.
pub(crate) fn ok(body: Value) -> Answer {
    Ok(Reply { status: 200, body: Some(body) })
}

/// 202 without one: the platform carries on behind it.
pub(crate) fn accepted() -> Answer {
    Ok(Reply { status: 202, body: None })
}

impl Platform {
    pub(crate) fn new(config: Config, world: World) -> Self {
        Self {
            tokens: Tokens::new(config.token_lifetime),
            world: Mutex::new(world),
            correlation: Mutex::new(Ids::new(config.seed ^ 0xC0_44E1)),
            limits: Mutex::new(Limits {
                per_minute: config.rate_per_minute,
                windows: HashMap::new(),
            }),
            permissions: Mutex::new(config.permissions.clone()),
            sessions: Mutex::default(),
            channels: Mutex::default(),
            address: OnceLock::new(),
            config,
        }
    }

    /// The organization, for one short moment; never held across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Changes the organization and tells the channels what agents' lives it changed. The
    /// lock is held meanwhile, so that events leave in the order of what they tell.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let changed = change(&mut world);
        for (topic, body) in world.agents.take_told() {
            let correlation = self.correlation_id();
            self.channels().publish(&topic, &body, &correlation);
        }
        changed
    }

    pub(crate) fn channels(&self) -> MutexGuard<'_, Channels> {
        lock(&self.channels)
    }

    pub(crate) fn correlation_id(&self) -> String {
        lock(&self.correlation).next()
    }

    /// Counts a request of the client; 429 when its minute is used up.
    pub(crate) fn count(&self, client: &str) -> Result<(), Problem> {
        let mut limits = lock(&self.limits);
        let most = limits.per_minute;
        if limits.windows.len() >= MOST_CLIENTS && !limits.windows.contains_key(client) {
            limits.windows.clear();
        }
        let now = Instant::now();
        let (since, used) = limits.windows.entry(client.to_owned()).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *used) = (now, 0);
        }
        if *used >= most {
            let left = WINDOW.saturating_sub(now.duration_since(*since));
            return Err(Problem::too_many_requests(
                (left.as_millis() as u64).div_ceil(1000).max(1),
            ));
        }
        *used += 1;
        Ok(())
    }

    /// Sets the limit and starts every client's minute anew.
    pub(crate) fn set_rate(&self, per_minute: u32) {
        *lock(&self.limits) = Limits { per_minute, windows: HashMap::new() };
    }

    /// 403 unless the client has one of the permissions an operation wants.
    pub(crate) fn permit(&self, wanted: &[&str]) -> Result<(), Problem> {
        let granted = lock(&self.permissions);
        if wanted.is_empty() || wanted.iter().any(|one| granted.contains(*one)) {
            return Ok(());
        }
        Err(Problem::missing_permissions(wanted))
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    pub(crate) fn permissions(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.permissions)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970, UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Ask {
    /// A path parameter as sent.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A path parameter that must be a UUID: 400 where it is none.
    pub(crate) fn uuid(&self, name: &str) -> Result<&str, Problem> {
        let value = self.param(name);
        is_uuid(value).then_some(value).ok_or_else(|| {
            Problem::bad_request(format!("The value {value} of {name} is not a valid UUID."))
                .at("invalid.value", name)
        })
    }

    /// The last value of a query parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut values =
            self.query.iter().filter(|(known, value)| known == name && !value.is_empty());
        values.next_back().map(|(_, value)| value.as_str())
    }

    /// All values of a query array, repeated or joined by commas.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let values = self.query.iter().filter(|(known, _)| known == name);
        values
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// A whole number of a range, or its default.
    pub(crate) fn number(
        &self,
        name: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let allowed = format!("{} to {}", range.start(), range.end());
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| Problem::invalid_value(name, text, "Integer", &allowed))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Problem::invalid_value(name, other, "Boolean", "true, false")),
        }
    }

    /// What to expand; unknown words are refused.
    pub(crate) fn expand(&self) -> Result<Expand, Problem> {
        const ALLOWED: [&str; 6] = [
            "externalOrganization",
            "externalDataSources",
            "identifiers",
            "externalSources",
            "division",
            "contacts.externalOrganization",
        ];
        let wanted = self.list("expand");
        match wanted.iter().find(|word| !ALLOWED.contains(word)) {
            Some(word) => {
                Err(Problem::invalid_value("expand", word, "String", &ALLOWED.join(", ")))
            }
            None => Ok(Expand {
                identifiers: wanted.contains(&"identifiers"),
                external_sources: wanted.contains(&"externalSources"),
                organization: wanted.contains(&"externalOrganization"),
            }),
        }
    }
}
